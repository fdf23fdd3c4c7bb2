import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats.splits import SplitTest, ratio_of_shares, whole_repeats

NUMBERS = st.lists(st.floats(-5, 5).map(lambda x: round(x, 4)), min_size=10, max_size=10)


def test_statistic_is_that_of_nadeau_and_bengio():
    # Nadeau and Bengio (2003), corrected resampled t-test, by hand: 15 splits, a test set a fifth of the cases.
    contrasts = np.random.default_rng(0).normal(0.3, 1.0, 15)
    n_train, n_test = 80, 20
    expected = contrasts.mean() / math.sqrt((1 / 15 + n_test / n_train) * contrasts.var(ddof=1))
    decision = SplitTest(seeds=15, ratio=n_test / n_train).decide(contrasts)
    assert decision.statistic == pytest.approx(expected, rel=1e-12)
    assert decision.p_value == pytest.approx(stats.t.sf(expected, 14), rel=1e-9)
    half = stats.t.isf(0.05, 14) * math.sqrt((1 / 15 + 0.25) * contrasts.var(ddof=1))
    assert decision.interval == pytest.approx((contrasts.mean() - half, contrasts.mean() + half))


def test_without_overlap_it_is_the_t_test():
    contrasts = np.random.default_rng(1).normal(0.5, 1.0, 12)
    reference = stats.ttest_1samp(contrasts, 0, alternative="greater")
    assert SplitTest(seeds=12, ratio=1e-12).decide(contrasts).p_value == pytest.approx(
        reference.pvalue, rel=1e-6
    )


@given(NUMBERS, st.floats(0.01, 1.0))
def test_verdict_p_value_and_interval_agree(contrasts, ratio):
    decision = SplitTest(seeds=10, ratio=ratio).decide(contrasts)
    if decision.p_value is not None:
        assert (decision.verdict == "PASS") == (decision.p_value <= 0.05) == (decision.interval[0] >= 0)
        assert (decision.verdict == "FAIL") == (decision.p_value >= 0.95) == (decision.interval[1] <= 0)


@given(NUMBERS, st.floats(0.01, 1.0))
def test_guarded_it_never_decides_what_it_would_not_unguarded_and_its_interval_agrees(contrasts, ratio):
    test = SplitTest(seeds=10, ratio=ratio)
    plain, guarded = test.decide(contrasts), test.decide(contrasts, guard=True)
    assert guarded.verdict in {plain.verdict, "UNDECIDED"}
    if guarded.p_value is not None:
        assert (guarded.verdict == "PASS") == (guarded.p_value <= 0.05) == (guarded.interval[0] >= 0)


def test_the_guard_takes_hall_at_as_many_seeds_as_the_splits_are_worth():
    # By hand, Hall (1992) with a = 1/3 and b = 1/6; 12 splits at a ratio of 1/4 are worth 3 independent seeds.
    contrasts = np.array([0.5, 0.6, 0.4, 0.7, 0.5, 0.6, 0.55, 0.45, 0.65, 0.5, 0.6, -0.8])
    skew, worth = stats.skew(contrasts, bias=False), 1 / (1 / 12 + 0.25)
    s = contrasts.mean() / contrasts.std(ddof=1)
    expected = math.sqrt(worth) * (s + skew * s**2 / 3 + skew**2 * s**3 / 27 + skew / (6 * worth))
    decision = SplitTest(seeds=12, ratio=0.25).decide(contrasts, guard=True)
    assert decision.statistic == pytest.approx(expected, rel=1e-9)
    assert decision.method == "corrected resampled t-test, guarded for skewness"


def test_each_of_several_parts_fails_at_its_share():
    contrasts = -0.45 + np.random.default_rng(2).normal(0, 1, 30)
    test = SplitTest(seeds=30, ratio=0.02)
    t = test.decide(contrasts).statistic
    assert stats.t.ppf(0.05 / 8, 29) < t < stats.t.ppf(0.05, 29)
    assert test.decide(contrasts).verdict == "FAIL"
    assert test.decide(contrasts, parts=8).verdict == "UNDECIDED"


def test_overlap_widens_the_error_by_a_factor_that_plans_use():
    assert SplitTest(seeds=30, ratio=0.25).widening == pytest.approx(math.sqrt((1 / 30 + 0.25) / (1 / 30)))


@given(NUMBERS, st.floats(0, 3), st.integers(-20, 20))
def test_shifts_upward_and_units_never_lose_a_pass(contrasts, shift, exponent):
    test = SplitTest(seeds=10, ratio=0.25)
    if test.decide(contrasts).verdict == "PASS":
        assert test.decide([2.0**exponent * (x + shift) for x in contrasts]).verdict == "PASS"


@given(NUMBERS, st.floats(0.01, 1.0), st.floats(1.0, 2.0))
def test_more_overlap_never_decides_more(contrasts, ratio, more):
    one, other = (SplitTest(seeds=10, ratio=r).decide(contrasts) for r in (ratio, ratio * more))
    assert other.verdict in {one.verdict, "UNDECIDED"}


def test_more_seeds_do_not_shrink_what_the_overlap_leaves_open():
    contrasts = np.tile([0.0, 1.0], 500)
    decision = SplitTest(seeds=1000, ratio=0.25).decide(contrasts)
    assert decision.interval[1] - decision.estimate > 1.645 * 0.5 * 0.5


def test_nothing_is_decided_before_the_last_seed():
    test = SplitTest(seeds=10, ratio=0.25)
    decision = test.decide([1.0, 1.1] * 4)
    assert (decision.verdict, decision.reason, decision.n) == ("UNDECIDED", "continue", 8)
    assert math.isnan(test.decide([]).estimate)
    contrasts = [1.0, 1.1] * 5
    assert test.decide(contrasts) == test.decide([*contrasts, -99.0])


@pytest.mark.parametrize("constant", [0.0, 0.3, -1e9])
def test_constant_contrasts_decide_nothing(constant):
    assert SplitTest(seeds=5, ratio=0.25).decide([constant] * 5).reason == "no variance"


def test_rounding_is_no_spread():
    contrasts = [0.9 - 0.8, 0.5 - 0.4, 0.3 - 0.2]
    assert SplitTest(seeds=3, ratio=0.25).decide(contrasts, resolution=2.3e-16).reason == "no variance"


def test_repeats_are_whole():
    assert [whole_repeats(30, folds) for folds in (2, 4, 5, 7, 30)] == [30, 28, 30, 28, 30]
    with pytest.raises(ValueError, match="less than one repeat of 10 folds"):
        whole_repeats(9, 10)
    with pytest.raises(ValueError, match="folds=1"):
        whole_repeats(9, 1)


def test_folds_of_uneven_size_count_by_the_largest():
    # 52 cases in 5 folds: 11, 11, 10, 10, 10.
    shares = [11 / 52, 11 / 52, 10 / 52, 10 / 52, 10 / 52]
    assert ratio_of_shares(shares, shares) == pytest.approx(11 / 41)


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        ([0.2, 0.2], [0.2, 0.3], "seed number 1 the arms split differently"),
        ([0.2, 0.2], [0.2], "one test share a seed"),
        ([], [], "one test share a seed"),
        ([0.1, 0.21], [0.1, 0.21], "varies from 0.1 to 0.21"),
        ([0.0, 0.0], [0.0, 0.0], "between 0 and 1"),
        ([1.0], [1.0], "between 0 and 1"),
        ([0.2, np.nan], [0.2, 0.2], "is nan"),
    ],
)
def test_shares_that_differ_are_refused(baseline, candidate, message):
    with pytest.raises(ValueError, match=message):
        ratio_of_shares(baseline, candidate)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 2, "ratio": 0.2}, "seeds=2"),
        ({"seeds": True, "ratio": 0.2}, "seeds=True"),
        ({"seeds": 5, "ratio": 0.0}, "ratio=0.0"),
        ({"seeds": 5, "ratio": math.inf}, "ratio=inf"),
        ({"seeds": 5, "ratio": 0.2, "alpha": 0.5}, "alpha=0.5"),
    ],
)
def test_bad_designs_are_refused_at_the_door(options, message):
    with pytest.raises(ValueError, match=message):
        SplitTest(**options)


def test_more_than_one_axis_is_refused():
    with pytest.raises(ValueError, match="one axis"):
        SplitTest(seeds=3, ratio=0.2).decide([[1.0, 2.0, 3.0]])
