import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats.bootstrap import BootstrapTest

TEST = BootstrapTest(seeds=12)
NUMBERS = st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=12, max_size=12)


def test_for_gaussian_contrasts_it_is_near_the_t_test():
    contrasts = np.random.default_rng(1).normal(0.1, 1.0, 200)
    decision = BootstrapTest(seeds=200).decide(contrasts)
    reference = stats.ttest_1samp(contrasts, 0, alternative="greater")
    assert decision.statistic == pytest.approx(reference.statistic)
    # Monte-Carlo error of 9,999 resamples, and what 200 numbers deviate from their law.
    assert decision.p_value == pytest.approx(reference.pvalue, abs=0.03)


def test_interval_is_that_of_an_independent_bootstrap():
    contrasts = np.random.default_rng(2).exponential(size=15) - 0.8
    decision = BootstrapTest(seeds=15).decide(contrasts)
    rng, t = np.random.default_rng(99), []
    for _ in range(9999):  # written from the definition, resample by resample
        drawn = rng.choice(contrasts, 15)
        t.append((drawn.mean() - contrasts.mean()) / (drawn.std(ddof=1) / math.sqrt(15)))
    error = contrasts.std(ddof=1) / math.sqrt(15)
    low, high = contrasts.mean() - error * np.quantile(t, [0.95, 0.05])
    # Both are random: quantiles of 9,999 at the tail differ by some hundredths of a standard error.
    assert decision.interval == pytest.approx((low, high), abs=0.15 * error)


@settings(max_examples=40, deadline=None)
@given(NUMBERS)
def test_verdict_p_value_and_interval_agree(contrasts):
    decision = TEST.decide(contrasts)
    if decision.p_value is not None:
        assert (decision.verdict == "PASS") == (decision.p_value <= 0.05)
        assert (decision.verdict == "PASS") == (decision.interval[0] > 0)
        assert (decision.verdict == "FAIL") == (decision.interval[1] < 0)


@settings(max_examples=40, deadline=None)
@given(NUMBERS, st.floats(0, 3), st.integers(-20, 20))
def test_shifts_upward_and_units_never_lose_a_pass(contrasts, shift, exponent):
    if TEST.decide(contrasts).verdict == "PASS":
        assert TEST.decide([2.0**exponent * (x + shift) for x in contrasts]).verdict == "PASS"


def test_the_same_seed_gives_the_same_verdict_and_numbers():
    contrasts = np.random.default_rng(3).normal(0.4, 1.0, 12)
    assert TEST.decide(contrasts) == BootstrapTest(seeds=12).decide(contrasts)
    assert TEST.decide(contrasts).p_value != BootstrapTest(seeds=12, seed=1).decide(contrasts).p_value


def test_resamples_of_one_value_count_as_infinite():
    # Eleven equal contrasts and one that deviates: a third of the resamples has no spread.
    decision = TEST.decide([1.0] * 11 + [0.9])
    assert decision.interval == (-math.inf, pytest.approx(1.0, abs=0.1))
    assert decision.verdict == "UNDECIDED"


def test_nothing_is_decided_before_the_last_seed():
    decision = TEST.decide([1.0, 1.1] * 5)
    assert (decision.verdict, decision.reason, decision.n) == ("UNDECIDED", "continue", 10)
    assert math.isnan(TEST.decide([]).estimate)
    contrasts = [1.0, 1.1] * 6
    assert TEST.decide(contrasts) == TEST.decide([*contrasts, -99.0])


@pytest.mark.parametrize("constant", [0.0, 0.3, -1e9])
def test_constant_contrasts_decide_nothing(constant):
    assert TEST.decide([constant] * 12).reason == "no variance"
    assert TEST.decide([0.9 - 0.8, 0.5 - 0.4, 0.3 - 0.2] * 4, resolution=2.3e-16).reason == "no variance"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 9}, "seeds=9"),
        ({"seeds": True}, "seeds=True"),
        ({"seeds": 12.0}, "seeds=12.0"),
        ({"seeds": 12, "alpha": 0.0001}, "alpha=0.0001"),
        ({"seeds": 12, "alpha": 0.5}, "alpha=0.5"),
    ],
)
def test_bad_designs_are_refused_at_the_door(options, message):
    with pytest.raises(ValueError, match=message):
        BootstrapTest(**options)


def test_more_than_one_axis_is_refused():
    with pytest.raises(ValueError, match="one axis"):
        TEST.decide([[1.0] * 12])


def test_each_of_several_parts_fails_at_its_share():
    contrasts = -0.6 + np.random.default_rng(3).normal(0, 1, 20)
    test = BootstrapTest(seeds=20)
    below = 1 - test.decide(contrasts).p_value
    assert 0.05 / 20 < below < 0.05
    assert test.decide(contrasts).verdict == "FAIL"
    assert test.decide(contrasts, parts=20).verdict == "UNDECIDED"
