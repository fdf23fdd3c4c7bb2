"""Splits that vary with the seed: drawn from it, or folds that take turns; alike in all arms, and noted before they are used."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.errors import SplitError
from pytest_mlops.records import VaryingSplit
from pytest_mlops.training.split import Place, split

patients = st.lists(st.integers(0, 30).map(lambda i: f"p{i}"), min_size=60, max_size=90).filter(
    lambda found: len(set(found)) > 15
)


def at(index, block=0):
    return Place(seed=block + index, index=index, block=block)


def held_out(size, place, **words):
    return split(size, place=place, **words)[1].tolist()


# --- by the seed


def test_another_seed_is_another_split_and_the_same_seed_the_same():
    drawn = [held_out(100, at(seed), by="seed") for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert drawn[0] != split(100)[1].tolist()


def test_a_split_by_the_seed_depends_on_nothing_but_seed_and_name(run):
    alone = [
        run(seed=4, index=index, block=block).split(50, by="seed")[1].tolist()
        for index, block in ((4, 0), (0, 4))
    ]
    assert alone[0] == alone[1]
    assert run(seed=4).split(50, by="seed", name="other")[1].tolist() != alone[0]


@given(patients, st.integers(0, 50))
def test_patients_stay_on_one_side_of_a_split_by_the_seed(groups, seed):
    fit, held = split(len(groups), by="seed", groups=groups, place=at(seed))
    assert not {groups[i] for i in fit} & {groups[i] for i in held}
    assert len(held) == pytest.approx(0.2 * len(groups), abs=max(Counter(groups).values()))


def test_classes_keep_their_shares_in_a_split_by_the_seed():
    classes = ["a"] * 40 + ["b"] * 10
    for seed in range(5):
        held = split(50, by="seed", stratify=classes, place=at(seed))[1]
        assert Counter(classes[i] for i in held) == {"a": 8, "b": 2}


# --- folds


@given(st.integers(2, 60), st.integers(2, 10), st.integers(0, 5))
def test_folds_of_a_repeat_share_out_the_samples_evenly(size, folds, repeat):
    if folds > size or (size // folds == 0):
        return
    parts = [held_out(size, at(repeat * folds + fold), folds=folds) for fold in range(folds)]
    assert sorted(row for part in parts for row in part) == list(range(size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_each_repeat_shuffles_anew():
    repeats = [frozenset(frozenset(held_out(40, at(5 * r + f), folds=5)) for f in range(5)) for r in range(4)]
    assert len(set(repeats)) == 4


def test_another_root_seed_shuffles_otherwise():
    assert held_out(40, at(3), folds=5) != held_out(40, at(3, block=1000), folds=5)


def test_a_fold_depends_on_the_place_and_not_on_the_seed_itself():
    # using(seeds=[7, 3, 9]): the second one is 3, and its fold that of place 1 in the block that begins with 7.
    named = split(40, folds=5, place=Place(seed=3, index=1, block=7))[1].tolist()
    assert named == split(40, folds=5, place=Place(seed=8, index=1, block=7))[1].tolist()


@given(patients, st.integers(2, 6))
def test_patients_stay_in_one_fold(groups, folds):
    parts = []
    for fold in range(folds):
        try:
            fit, held = split(len(groups), folds=folds, groups=groups, place=at(fold))
        except SplitError:  # so uneven that no folds of like size are to be had
            assert max(Counter(groups).values()) > 1
            return
        assert not {groups[i] for i in fit} & {groups[i] for i in held}
        parts.append(held)
    assert sorted(row for part in parts for row in part) == list(range(len(groups)))
    counts = [len({groups[i] for i in part}) for part in parts]
    assert max(counts) - min(counts) <= 1
    # Dealt in rounds from the largest on, folds differ by no more than the largest and the smallest patient, once.
    sizes = Counter(groups).values()
    assert max(map(len, parts)) - min(map(len, parts)) <= max(sizes)


@given(patients, st.randoms())
def test_folds_of_patients_do_not_depend_on_the_order_of_rows(groups, chance):
    mixed = list(groups)
    chance.shuffle(mixed)
    kept = []
    for one in (groups, mixed):
        try:
            kept.append({one[i] for i in split(len(one), folds=3, groups=one, place=at(4))[1]})
        except SplitError:
            kept.append(None)
    assert kept[0] == kept[1]


def test_patients_of_sizes_that_all_differ_are_still_shuffled():
    groups = [f"p{i}" for i in range(20) for _ in range(i + 10)]
    together = Counter()
    for repeat in range(60):
        for fold in range(4):
            held = {
                groups[i] for i in split(len(groups), folds=4, groups=groups, place=at(4 * repeat + fold))[1]
            }
            together.update(pair for pair in [("p19", "p15"), ("p19", "p0")] if set(pair) <= held)
    # By chance two patients of different rounds meet in a quarter of the repeats: 15 of 60, standard deviation 3.4.
    assert all(4 < together[pair] < 27 for pair in [("p19", "p15"), ("p19", "p0")])


def test_classes_keep_their_shares_in_folds():
    classes = ["a"] * 20 + ["b"] * 11 + ["c"] * 5
    parts = [split(36, folds=5, stratify=classes, place=at(fold))[1] for fold in range(5)]
    for label, total in Counter(classes).items():
        held = [sum(classes[i] == label for i in part) for part in parts]
        assert max(held) - min(held) <= 1
        assert sum(held) == total


def test_patients_and_classes_together_leave_no_fold_without_a_class():
    groups = [f"p{i // 3}" for i in range(120)]
    classes = ["ill" if (i // 3) % 4 == 0 else "well" for i in range(120)]
    for fold in range(5):
        fit, held = split(120, folds=5, groups=groups, stratify=classes, place=at(fold))
        assert not {groups[i] for i in fit} & {groups[i] for i in held}
        assert Counter(classes[i] for i in held) == {"ill": 6, "well": 18}


def test_the_same_kind_of_thing_comes_back():
    x, t = np.arange(10), torch.arange(10)
    for words in ({"by": "seed"}, {"folds": 5}):
        (a, b), (c, d) = split((x, t), **words)
        assert (a.tolist(), c.tolist()) == (b.tolist(), d.tolist())
        assert isinstance(split(list("abcdefghij"), **words)[1], list)
        assert isinstance(split(torch.utils.data.TensorDataset(t), **words)[0], torch.utils.data.Subset)


# --- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"folds": 5, "test": 0.2}, "leave test=0.2 out"),
        ({"folds": 5, "by": "seed"}, "leave by='seed' out"),
        ({"folds": 1}, "at least 2"),
        ({"folds": True}, "at least 2"),
        ({"folds": 2.5}, "at least 2"),
        ({"folds": 11}, "there are 10 samples.*at most 10 folds"),
        ({"folds": 5, "groups": list("aabbccdddd")}, "there are 4 groups.*at most 4 folds"),
        ({"folds": 5, "stratify": list("aaaaaaabbb")}, "class 'b' has 3 members.*at most 3 folds"),
        ({"folds": 2, "stratify": list("aaaaaaaaab")}, "class 'b' has 1 members"),
        ({"folds": 2, "groups": list("aaaaaaaabb")}, "2 to 8 samples, because groups differ so much"),
        (
            {"folds": 2, "groups": list("aabbccddee"), "stratify": list("xxxxxxxxyy")},
            "class 'y' has 1 groups, too few",
        ),
    ],
)
def test_folds_that_cannot_be_made_are_refused(words, message):
    with pytest.raises(SplitError, match=message):
        split(10, **words)


# --- what is noted


def splits_of(result):
    return [(one.test, one.fit, one.folds, one.fold, one.repeat) for one in result.splits]


def test_a_run_notes_that_its_split_varied_and_its_shares(train):
    def by_seed(run):
        fit, _ = run.split(50, by="seed", test=0.3)
        return {"n": len(fit)}

    def by_folds(run):
        fit, _ = run.split(52, folds=5)
        return {"n": len(fit)}

    assert splits_of(train(by_seed, seed=3)) == [(15, 35, None, 0, 0)]
    assert [splits_of(train(by_folds, seed=seed)) for seed in (0, 3, 7)] == [
        [(11, 41, 5, 0, 0)],
        [(10, 42, 5, 3, 0)],
        [(10, 42, 5, 2, 1)],
    ]


def test_one_fixed_split_notes_nothing(train):
    result = train(lambda run: {"n": len(run.split(50)[0])})
    assert result.splits == ()
    assert "splits" not in result.record.text


def test_two_splits_of_a_run_are_both_noted_and_one_that_is_made_twice_once(train):
    def nested(run):
        fit, _ = run.split(np.arange(50), folds=5)
        run.split(fit, by="seed", name="validation")
        run.split(np.arange(50), folds=5)
        return {"n": 1.0}

    assert splits_of(train(nested)) == [(10, 40, 5, 0, 0), (8, 32, None, 0, 0)]


def test_a_run_that_fails_after_its_split_has_noted_it(train):
    def fails(run):
        run.split(50, by="seed")
        raise ValueError("no")

    assert len(train(fails).splits) == 1


def test_runs_of_one_seed_at_other_places_are_other_runs(train):
    def folds(run):
        return {"n": len(run.split(52, folds=5)[0])}

    one, other = train(folds, seed=7, index=7), train(folds, seed=7, index=0, block=7)
    assert one.key == other.key
    assert one.id != other.id
    assert [one.splits[0].is_of(7, 0), one.splits[0].is_of(0, 7)] == [True, False]


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(2, 50),
    st.integers(0, 10**6),
    st.integers(0, 2**31 - 1),
)
def test_a_split_comes_back_from_its_text(test, fit, folds, index, block):
    repeat, fold = divmod(index, folds)
    one = VaryingSplit(test=test, fit=fit, folds=folds, fold=fold, repeat=repeat, block=block)
    assert VaryingSplit.of(one.text) == one
    assert one.is_of(index, block)
    assert not any(one.is_of(*other) for other in ((index + 1, block), (index, block + 1)))


def test_folds_take_turns_by_place():
    noted = []
    for index in range(7):
        split(20, folds=3, place=at(index), tell=noted.append)
    assert [one.fold for one in noted] == [0, 1, 2, 0, 1, 2, 0]
    assert all(one.index + 1 == next_.index for one, next_ in pairwise(noted))
