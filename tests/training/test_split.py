"""One division of the data: the same for every seed, whole groups on one side, shares of classes kept."""

# ruff: noqa: NPY002 - the global generators are what is tested

from __future__ import annotations

import itertools
from collections import Counter, namedtuple

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_mlops.errors import SplitError
from pytest_mlops.training.split import split


@given(st.integers(2, 300), st.floats(0.01, 0.99))
def test_parts_are_the_whole_without_overlap(size, test):
    fit, held = split(size, test=test)
    assert sorted([*fit, *held]) == list(range(size))
    assert abs(len(held) - test * size) <= 1
    assert len(fit) >= 1 <= len(held)


def test_the_division_is_the_same_for_all_seeds(run):
    parts = [run(seed=seed).split(100, test=10)[1].tolist() for seed in (0, 1, 99)]
    assert parts[0] == parts[1] == parts[2]
    assert parts[0] == WRITTEN_DOWN  # a change would make every stored run another experiment


WRITTEN_DOWN = [8, 14, 15, 37, 59, 62, 74, 81, 93, 98]


def test_another_name_is_another_division():
    assert split(100, name="a")[1].tolist() != split(100, name="b")[1].tolist()


def test_global_generators_do_not_matter_and_are_untouched():
    np.random.seed(0)
    before = np.random.get_state()[1].tolist()
    first = split(50)[1].tolist()
    assert np.random.get_state()[1].tolist() == before
    np.random.seed(1)
    assert split(50)[1].tolist() == first


def test_the_same_kind_of_thing_comes_back():
    Pair = namedtuple("Pair", "x y")
    x = np.arange(10)
    t = torch.arange(10)
    (a, b), (c, d) = split((x, t), test=3)
    assert a.tolist() == b.tolist()
    assert c.tolist() == d.tolist()
    assert (type(a), type(d)) == (np.ndarray, torch.Tensor)
    assert len(split(t)[0]) == 8
    assert isinstance(split(list("abcde"))[1], list)
    assert split({"x": x, "t": t})[1].keys() == {"x", "t"}
    assert split(Pair(x, t))[0]._fields == ("x", "y")
    data = torch.utils.data.TensorDataset(t)
    fit, test = split(data)
    assert isinstance(fit, torch.utils.data.Subset)
    assert sorted(int(row) for part in (fit, test) for (row,) in part) == list(range(10))


def test_frame_is_divided_by_rows():
    class Frame:
        def __init__(self, rows):
            self.rows = rows

        def __len__(self):
            return len(self.rows)

        @property
        def iloc(self):
            outer = self

            class Rows:
                def __getitem__(self, places):
                    return Frame([outer.rows[i] for i in places])

            return Rows()

    fit, test = split(Frame(list(range(10))))
    assert sorted(fit.rows + test.rows) == list(range(10))


def test_rows_keep_their_order():
    fit, test = split(100)
    assert (np.diff(fit) > 0).all()
    assert (np.diff(test) > 0).all()


# --- groups

patients = st.lists(st.integers(0, 8).map(lambda i: f"p{i}"), min_size=2, max_size=40).filter(
    lambda found: len(set(found)) > 1
)


@given(patients, st.floats(0.05, 0.95))
def test_groups_stay_whole_and_are_as_near_as_they_allow(groups, test):
    fit, held = split(len(groups), test=test, groups=groups)
    assert not {groups[i] for i in fit} & {groups[i] for i in held}
    count = min(max(int(test * len(groups) + 0.5), 1), len(groups) - 1)
    sizes = list(Counter(groups).values())
    reachable = {sum(c) for n in range(1, len(sizes)) for c in itertools.combinations(sizes, n)}
    assert abs(len(held) - count) == min(abs(total - count) for total in reachable)


@given(patients, st.randoms())
def test_groups_do_not_depend_on_the_order_of_rows(groups, chance):
    mixed = list(groups)
    chance.shuffle(mixed)
    first = {groups[i] for i in split(len(groups), groups=groups)[1]}
    assert first == {mixed[i] for i in split(len(groups), groups=mixed)[1]}


def test_large_groups_are_not_kept_out_of_the_test_part():
    # 200 patients of 1 and 200 of 9 slices: both kinds should be drawn about as often.
    groups = [f"s{i}" for i in range(200)] + [f"b{i}" for i in range(200) for _ in range(9)]
    held = {groups[i] for i in split(len(groups), test=0.3, groups=groups)[1]}
    small, big = (sum(group.startswith(kind) for group in held) for kind in "sb")
    assert 30 < small < 90  # 60 expected, standard deviation 6.5
    assert 30 < big < 90


def test_numbers_and_tensors_are_labels_too():
    ids = np.repeat(np.arange(10), 3)
    assert split(30, groups=ids)[1].tolist() == split(30, groups=torch.from_numpy(ids))[1].tolist()
    assert split(30, groups=ids)[1].tolist() == split(30, groups=list(map(str, ids)))[1].tolist()


def test_labels_that_only_read_alike_are_two():
    fit, held = split(4, test=2, groups=[1, 1, "1", "1"])
    assert {tuple(fit), tuple(held)} == {(0, 1), (2, 3)}


@pytest.mark.parametrize("missing", [None, float("nan"), np.datetime64("NaT")])
def test_missing_group_is_refused(missing):
    with pytest.raises(SplitError, match="label 2 is missing"):
        split(4, groups=["a", "b", missing, "c"])


def test_missing_like_pandas_is_refused():
    class NA:
        def __ne__(self, other):
            return self

        def __bool__(self):
            raise TypeError("boolean value of NA is ambiguous")

        __hash__ = None

    with pytest.raises(SplitError, match="label 0 is missing"):
        split(2, groups=[NA(), "a"])


@pytest.mark.parametrize(
    ("groups", "text"),
    [
        (["a"] * 4, "all samples are of one group"),
        (["a", "b"], "2 labels for 4 samples"),
        ("abcd", "expected one label for each"),
        ([[1], [2], [3], [4]], "expected one label a sample"),
        (np.zeros((4, 2)), "expected one label a sample"),
        (7, "expected one label for each"),
    ],
)
def test_impossible_groups_are_refused(groups, text):
    with pytest.raises(SplitError, match=text):
        split(4, groups=groups)


# --- classes


@given(
    st.lists(st.sampled_from("abc"), min_size=12, max_size=60).filter(
        lambda found: min(Counter(found).values()) >= 4
    ),
    st.floats(0.3, 0.7),
)
def test_classes_keep_their_shares(classes, test):
    _, held = split(len(classes), test=test, stratify=classes)
    share = len(held) / len(classes)
    found = Counter(classes[i] for i in held)
    assert abs(len(held) - test * len(classes)) <= 1
    for label, total in Counter(classes).items():
        assert abs(found[label] - share * total) <= 1


def test_rare_class_is_on_both_sides():
    classes = ["a"] * 98 + ["b"] * 2
    fit, held = split(100, test=0.1, stratify=classes)
    assert {classes[i] for i in fit} == {classes[i] for i in held} == {"a", "b"}
    assert len(held) == 10


@pytest.mark.parametrize(
    ("classes", "test", "text"),
    [
        (["a", "a", "a", "b"], 0.5, "'b' has only one member"),
        (["a", "a", "b", "b"], 1, "leave no place"),
        (["a", "b", None, "a"], 0.5, "label 2 is missing"),
    ],
)
def test_impossible_classes_are_refused(classes, test, text):
    with pytest.raises(SplitError, match=text):
        split(4, test=test, stratify=classes)


# --- both


@settings(max_examples=50)
@given(st.integers(0, 10_000))
@example(513)
def test_groups_and_classes_together(seed):
    rng = np.random.default_rng(seed)
    patients = np.repeat(np.arange(40), rng.integers(1, 6, size=40))
    disease = rng.random(40) < 0.3
    disease[:4] = True, True, False, False
    classes = disease[patients]
    fit, held = split(len(patients), test=0.25, groups=patients, stratify=classes)
    assert not set(patients[fit]) & set(patients[held])
    for label in (True, False):
        own = classes == label
        # Patients stay whole: where one holds 5 of a class's 12 samples, the share may be off by half of that (seed 513).
        step = np.bincount(patients[own]).max() / own.sum() / 2
        assert abs((classes[held] == label).sum() / own.sum() - 0.25) < max(0.15, step)


def test_class_that_greed_forgets_is_brought_to_both_sides():
    # Two patients hold class "x", each with few of many; a share of 0.1 alone would leave "x" out of the test part.
    groups = [f"p{i}" for i in range(20) for _ in range(10)]
    classes = ["x" if i in (0, 1, 2, 10, 11) else "y" for i in range(200)]
    fit, held = split(200, test=0.1, groups=groups, stratify=classes)
    assert {classes[i] for i in fit} == {classes[i] for i in held} == {"x", "y"}


def test_classes_that_whole_groups_cannot_share_are_refused():
    # Each class is in two of three groups, and every division leaves one class on one side.
    groups = ["p1", "p1", "p2", "p2", "p3", "p3"]
    with pytest.raises(SplitError, match="no division of whole groups was found"):
        split(6, groups=groups, stratify=["a", "b", "b", "c", "c", "a"])


def test_class_in_one_group_only_is_refused():
    with pytest.raises(SplitError, match="class 'x' is in one group only, 'p1'"):
        split(6, groups=["p1", "p1", "p2", "p2", "p3", "p3"], stratify=["x", "y", "y", "y", "y", "y"])


def test_two_groups_with_all_classes_are_divided():
    groups = ["p1"] * 4 + ["p2"] * 4
    fit, held = split(8, test=0.5, groups=groups, stratify=list("aabbaabb"))
    assert {len(fit), len(held)} == {4}


# --- arguments


@pytest.mark.parametrize("test", [0, 1.0, -0.1, 0.0, 5, 5.0, True, "0.2", float("nan")])
def test_impossible_size_is_refused(test):
    with pytest.raises(SplitError, match=r"run.split\(test="):
        split(5, test=test)


@pytest.mark.parametrize("data", [1, 0, np.zeros(1), ["a"], torch.zeros(1)])
def test_one_sample_cannot_be_divided(data):
    with pytest.raises(SplitError):
        split(data)


@pytest.mark.parametrize("data", [[np.zeros(9), np.zeros(9)], (np.zeros(3), np.zeros(4)), "text", None, True])
def test_what_has_no_rows_is_refused(data):
    with pytest.raises(SplitError):
        split(data)


def test_unknown_way_to_split_is_refused():
    with pytest.raises(SplitError, match="no such way"):
        split(10, by="patient")


def test_name_must_be_text():
    with pytest.raises(SplitError, match="expected some text"):
        split(10, name="")
