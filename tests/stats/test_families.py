import itertools
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import Reason, SequentialTest
from pytest_mlops.stats.families import holm
from pytest_mlops.stats.family_replay import check_levels_rise, family_design, judge_families
from pytest_mlops.stats.judge import REASONS, statistics

CLEAR = [1.0, 1.1, 0.9, 1.05, 0.95, 1.0, 1.1, 0.9, 1.0]
NOTHING = [-0.3, -0.2, 0.1, -0.35, 0.1, -0.2, -0.1, 0.0, 0.1]


@cache
def small():
    """A design that no file has: solved inside a test, where the cache folder is the test's own."""
    return SequentialTest(alpha=0.15, power=0.8, min_seeds=3, max_seeds=9)


def drawn(seed, effects, n=9):
    return np.random.default_rng(seed).normal(np.array(effects)[:, None], 1.0, (len(effects), n))


FAMILIES = st.builds(
    drawn,
    st.integers(0, 2**32 - 1),
    st.lists(st.sampled_from([0.0, 0.0, 0.8, 1.5, 3.0]), min_size=1, max_size=5),
)


def crosses(row, level):
    """Whether a sequence ever crosses the bounds of a test of its own at this level, stops or no stops."""
    test = replace(small(), alpha=level)
    t = [np.mean(row[:n]) / (np.std(row[:n], ddof=1) / np.sqrt(n)) for n in range(3, len(row) + 1)]
    return any(value >= bound for value, bound in zip(t, test.efficacy, strict=False))


def test_one_row_is_the_test_alone():
    for seed in range(40):
        row = drawn(seed, [0.5])[0]
        one, alone = holm([row], small())[0], small().decide(row)
        assert one.decision == alone
        assert (one.verdict, one.n, one.level, one.adjusted_p) == (
            alone.verdict,
            alone.n,
            0.15,
            alone.p_value,
        )


@settings(deadline=None)
@given(FAMILIES)
def test_rows_that_pass_are_those_of_the_closed_test(family):
    # Every intersection of rows by itself: rejected when one of its rows crosses at alpha over its size.
    rows = holm(family, small())
    seen = [values[: row.n] for values, row in zip(family, rows, strict=True)]
    sizes = range(1, len(rows) + 1)
    sets = [chosen for k in sizes for chosen in itertools.combinations(range(len(rows)), k)]
    rejected = {s for s in sets if any(crosses(seen[i], 0.15 / len(s)) for i in s)}
    for i, row in enumerate(rows):
        closed = all(s in rejected for s in sets if i in s)
        if row.verdict == "PASS":
            assert closed
        elif closed:  # it stopped before the level came free, and stays stopped
            later = [other.n for other in rows if other.verdict == "PASS"]
            assert max(later) > row.n
        if row.adjusted_p is not None:
            assert (row.adjusted_p <= 0.15) == (row.verdict == "PASS")


@pytest.mark.parametrize("seed", range(25))
def test_one_look_is_holm_at_fixed_n(seed):
    family = drawn(seed, [0.0, 0.4, 0.8, 1.2, 0.6])
    p = np.array([stats.ttest_1samp(row, 0, alternative="greater").pvalue for row in family])
    # Holm (1979) as in textbooks: the p-values in order times 5, 4, 3, 2, 1, made to rise.
    order = np.argsort(p)
    adjusted = np.minimum(np.maximum.accumulate(p[order] * (5 - np.arange(5))), 1.0)
    rows = holm(family, SequentialTest(min_seeds=9, max_seeds=9))
    for place, i in enumerate(order):
        assert rows[i].adjusted_p == pytest.approx(adjusted[place], rel=1e-6)
        assert (rows[i].verdict == "PASS") == (adjusted[place] <= 0.05)


def test_a_row_that_passes_hands_its_level_to_the_others():
    seed = next(
        s
        for s in range(999)
        if crosses(drawn(s, [1.0])[0][:3], 0.15) and not crosses(drawn(s, [1.0])[0][:3], 0.075)
    )
    row = drawn(seed, [1.0])[0][:3]
    with_clear, with_nothing = holm([row, CLEAR[:3]], small()), holm([row, NOTHING[:3]], small())
    assert [x.verdict for x in with_clear] == ["PASS", "PASS"]
    assert [x.level for x in with_clear] == [0.15, 0.075]
    assert with_nothing[0].verdict == "UNDECIDED"
    assert with_nothing[0].level == 0.075


def test_a_row_that_stopped_keeps_its_level():
    slow = [-0.5, 1.0, 0.2, 1.2, 0.9, 1.1, 1.0, 0.9, 1.0]
    rows = holm([NOTHING, slow], small())
    assert [(row.verdict, row.n, row.level) for row in rows] == [("UNDECIDED", 3, 0.075), ("PASS", 7, 0.075)]
    assert rows[0].decision.reason == "futility"
    assert small().decide(slow).n == 6  # alone it would have had all of alpha


def test_a_level_that_comes_free_counts_for_looks_before():
    for seed in range(400):
        rows = holm(drawn(seed, [1.0, 1.0, 1.0]), small())
        late = [row for row in rows if row.verdict == "PASS" and row.decision.n < row.n]
        if late:
            assert late[0].decision.interval[0] >= 0
            assert late[0].decision.p_value <= late[0].level
            return
    pytest.fail("no family in which a row passes by an earlier look")


@settings(deadline=None)
@given(FAMILIES, st.randoms())
def test_the_order_of_rows_is_nothing(family, random):
    order = list(range(len(family)))
    random.shuffle(order)
    rows, shuffled = holm(family, small()), holm(family[order], small())
    for i, other in zip(order, shuffled, strict=True):
        # Sums are taken in another order: the last digit may differ.
        assert (rows[i].verdict, rows[i].n, rows[i].level) == (other.verdict, other.n, other.level)
        assert rows[i].decision == other.decision
        assert rows[i].adjusted_p == pytest.approx(other.adjusted_p, rel=1e-9)


@settings(deadline=None, max_examples=30)
@given(FAMILIES)
def test_seed_by_seed_gives_what_all_at_once_give(family):
    final = holm(family, small())
    for n in range(10):
        for row, known in zip(final, holm(family[:, :n], small()), strict=True):
            if row.n <= n and row.decision.decided:
                assert (known.verdict, known.n, known.level, known.decision) == (
                    row.verdict,
                    row.n,
                    row.level,
                    row.decision,
                )
            else:
                assert known.decision.reason == "continue"
                assert known.verdict == "UNDECIDED"


@settings(deadline=None, max_examples=30)
@given(FAMILIES, st.data())
def test_runs_beyond_a_stop_are_ignored_and_may_be_missing(family, data):
    rows = holm(family, small())
    ragged = [
        values[: data.draw(st.integers(row.n, len(values)))] for values, row in zip(family, rows, strict=True)
    ]
    assert [(row.verdict, row.n, row.decision) for row in holm(ragged, small())] == [
        (row.verdict, row.n, row.decision) for row in rows
    ]


def test_the_family_waits_for_a_running_row():
    # Alone at 0.15 it would pass at 3 seeds; whether it may have all of 0.15 hangs on the other row.
    between = [1.0, 0.3, 0.8]
    assert crosses(between, 0.15)
    assert not crosses(between, 0.075)
    rows = holm([between, CLEAR[:2]], small())
    assert [row.decision.reason for row in rows] == ["continue", "continue"]
    assert [row.wants_more for row in rows] == [True, True]
    assert rows[0].adjusted_p is None
    assert [row.verdict for row in holm([between, CLEAR[:3]], small())] == ["PASS", "PASS"]


def test_a_row_ahead_passes_where_it_would_whatever_the_others_bring():
    rows = holm([CLEAR, CLEAR[:2]], small())
    assert [(row.verdict, row.level, row.wants_more) for row in rows] == [
        ("PASS", 0.075, False),
        ("UNDECIDED", 0.075, True),
    ]


def test_a_row_ahead_waits_where_its_stop_hangs_on_others():
    # t = 0.25 at 3 seeds: below the futility bound for 0.075 (0.43), above that for 0.15 (0.02).
    unclear = [0.5, -0.4, 0.1, 1.0, 1.1, 0.9, 1.0, 1.1, 0.9]
    ahead, behind = holm([unclear, CLEAR[:2]], small())
    assert (ahead.verdict, ahead.decision.reason, ahead.wants_more) == ("UNDECIDED", "continue", False)
    assert behind.wants_more
    assert holm([unclear, CLEAR], small())[0].verdict == "PASS"
    assert holm([unclear, NOTHING], small())[0].decision.reason == "futility"


@settings(deadline=None, max_examples=200)
@given(FAMILIES, st.data())
def test_what_is_settled_ahead_of_others_stays_so_whatever_they_bring(family, data):
    # The next training runs may go to any row first: no order of arrival changes a verdict.
    harm = data.draw(st.booleans())
    ended = [data.draw(st.sampled_from([False, False, True])) for _ in family]
    whole = [
        row[: data.draw(st.integers(0, 9))] if gone else row for row, gone in zip(family, ended, strict=True)
    ]
    final = holm(whole, small(), ended=ended, confirm_harm=harm)
    some = [row[: data.draw(st.integers(0, len(row)))] for row in whole]
    there = [gone and len(part) == len(row) for gone, part, row in zip(ended, some, whole, strict=True)]
    for early, late in zip(holm(some, small(), ended=there, confirm_harm=harm), final, strict=True):
        if early.decision.decided:
            assert (early.verdict, early.decision.reason) == (late.verdict, late.decision.reason)
            assert late.n <= early.n


@settings(deadline=None, max_examples=100)
@given(FAMILIES, st.randoms())
def test_any_order_of_arrival_settles_all_rows_alike(family, random):
    final = holm(family, small())
    known = [0] * len(family)
    while True:
        rows = holm([row[:n] for row, n in zip(family, known, strict=True)], small())
        wanting = [i for i, row in enumerate(rows) if row.wants_more]
        if not wanting:
            break
        known[random.choice(wanting)] += 1
    for row, expected in zip(rows, final, strict=True):
        assert (row.verdict, row.n, row.level, row.decision) == (
            expected.verdict,
            expected.n,
            expected.level,
            expected.decision,
        )


def test_a_row_that_ended_is_not_waited_for_and_keeps_its_level():
    slow = [0.4, -0.5, 0.3]
    rows = holm([slow, CLEAR], small(), ended=[True, False])
    assert (rows[0].verdict, rows[0].decision.reason, rows[0].wants_more) == ("UNDECIDED", "continue", False)
    assert (rows[1].verdict, rows[1].level) == ("PASS", 0.075)
    assert holm([[], CLEAR], small(), ended=[True, False])[1].verdict == "PASS"


def test_harm_is_confirmed_by_crossing_the_mirrored_bound_of_the_strictest_level():
    worse = [-1.0, -1.1, -0.9, -1.05, -0.95, -1.0, -1.1, -0.9, -1.0]
    rows = holm([worse, CLEAR, NOTHING], small(), confirm_harm=True)
    assert (rows[0].verdict, rows[0].decision.reason) == ("FAIL", "harm")
    assert (rows[2].verdict, rows[2].n) == ("UNDECIDED", 9)
    mirrored = holm([[-x for x in worse]] * 3, small())
    assert rows[0].n == mirrored[0].decision.n


def test_skewness_is_guarded_against_in_a_family_as_in_a_claim():
    skewed = -np.random.default_rng(1).exponential(1.0, 9) + 1.9
    guarded, plain = (holm([skewed], small(), guard=[guard])[0] for guard in (True, False))
    assert guarded.decision == small().decide(skewed, guard=True)
    assert plain.decision == small().decide(skewed)
    assert guarded.decision.statistic < plain.decision.statistic


def test_identical_rows_fail_and_give_nothing_away():
    rows = holm([[0.0] * 5, CLEAR], small(), identical=[True, False])
    assert (rows[0].verdict, rows[0].decision.reason, rows[0].n) == ("FAIL", "identical", 3)
    assert rows[0].decision.interval == (0.0, 0.0)
    assert rows[1].level == 0.075
    above = holm([[0.1] * 9, CLEAR], small(), identical=[True, False])
    assert (above[0].verdict, above[0].decision.reason) == ("UNDECIDED", "no variance")


def test_constant_rows_decide_nothing():
    rows = holm([[0.1] * 9, CLEAR], small())
    assert (rows[0].verdict, rows[0].decision.reason, rows[0].n) == ("UNDECIDED", "no variance", 9)
    assert rows[0].adjusted_p is None
    noisy = [0.1, 0.1 + 1e-16, 0.1] * 3
    assert holm([noisy, CLEAR], small(), resolution=[1e-15, 0.0])[0].decision.reason == "no variance"


def test_simulated_families_keep_both_errors():
    design = family_design(small(), 4)
    rng = np.random.default_rng(7)
    own, common = rng.standard_normal((20_000, 4, 9)), rng.standard_normal((20_000, 1, 9))
    bar = 0.15 + 3.5 * np.sqrt(0.15 * 0.85 / 20_000)
    for means in ([0, 0, 0, 0], [1.2, 0, 0, 0], [2.0, 2.0, 0, 0], [3.0, 3.0, 3.0, 0]):
        for x in (own, np.sqrt(0.5) * (own + common)):
            effect = np.array(means)[:, None]
            verdict = judge_families(design, statistics(design.looks, x + effect)).verdict
            wrong = effect[:, 0] == 0
            assert (verdict[:, wrong] == 1).any(axis=1).mean() <= bar
            assert (verdict == 2).any(axis=1).mean() <= bar


def test_handing_levels_on_uses_alpha_up():
    # Three clear rows pass at once, and the one that is not true is then tested at alpha itself.
    design = family_design(small(), 4)
    x = np.random.default_rng(8).normal(np.array([9.0, 9.0, 9.0, 0.0])[:, None], 1.0, (20_000, 4, 9))
    passed = (judge_families(design, statistics(design.looks, x)).verdict[:, 3] == 1).mean()
    assert passed > 0.1


def test_fail_lies_below_every_futility_bound():
    design = family_design(SequentialTest(), 6)
    assert (design.fail <= design.futility).all()
    assert design.tests[5].alpha == pytest.approx(0.05 / 6)


@pytest.mark.parametrize("most", [30, 46])
def test_levels_rise_with_alpha_down_to_a_twelfth(most):
    # The condition of Maurer and Bretz for the shipped spending; family_design would refuse it otherwise.
    test = SequentialTest(max_seeds=most)
    looks = test.looks
    from pytest_mlops.stats.design import efficacy_bounds

    shares, _ = test.used_spending.spent(looks)
    bounds = np.stack([efficacy_bounds(looks, 0.05 / j * shares) for j in range(1, 13)])
    assert (np.diff(bounds, axis=0) > 0).all()
    check_levels_rise(0.05, looks, bounds)


def test_levels_that_fall_are_refused():
    bounds = np.array([[4.0, 3.0], [5.0, 2.9]])
    with pytest.raises(
        ValueError, match=r"at 6 seeds its nominal level falls when alpha grows from 0\.025 to 0\.05"
    ):
        check_levels_rise(0.05, np.array([5, 6]), bounds)


@pytest.mark.parametrize(
    ("contrasts", "options", "message"),
    [
        ([], {}, "at least one row"),
        ([[1.0], [[1.0]]], {}, r"contrasts\[1\] must have one axis"),
        ([[1.0, np.nan]], {}, r"is nan"),
        (
            [[1.0]],
            {"identical": [True, False]},
            "identical must have one value for each of the 1 rows, got 2",
        ),
        ([[1.0]], {"resolution": []}, "resolution must have one value"),
    ],
)
def test_bad_families_are_named(contrasts, options, message):
    with pytest.raises(ValueError, match=message):
        holm(contrasts, small(), **options)


def test_all_ways_to_stop_are_named():
    design = family_design(small(), 3)
    x = np.random.default_rng(9).normal(0.5, 1.0, (2_000, 3, 9))
    reasons = {
        REASONS[code] for code in np.unique(judge_families(design, statistics(design.looks, x)).reason)
    }
    assert reasons == {Reason.EFFICACY, Reason.FUTILITY, Reason.MAX_SEEDS}
