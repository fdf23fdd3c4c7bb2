"""The guard against skewness: where contrasts are skewed, the t-test alone is too often wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.judge import intervals
from pytest_mlops.stats.skewness import sample_skewness, skewed, unskewed

TEST = SequentialTest()
SKEWNESS = st.floats(-3, 3)
T = st.floats(-50, 50)
N = st.integers(3, 200)


def negative_gamma(claims, seed):
    """Mean zero, standard deviation one, skewness -1."""
    return (4 - np.random.default_rng(seed).gamma(4, size=(claims, 30))) / 2


def test_sample_skewness_is_that_of_scipy():
    from scipy import stats

    x = np.random.default_rng(0).exponential(size=(5, 12))
    deviations = x - x.mean(axis=1, keepdims=True)
    own = sample_skewness((deviations**3).sum(axis=1), x.std(axis=1, ddof=1), 12)
    # scipy's unbiased G1 is sqrt(n (n - 1)) / (n - 2) m3 / m2^1.5, the same number written otherwise.
    assert own == pytest.approx(stats.skew(x, axis=1, bias=False))


def test_a_worked_value_of_halls_transformation():
    # By hand: n = 9, t = 3, so S = 1; g = -0.6: 3 (1 - 0.2 + 0.36 / 27 - 0.6 / 54).
    assert unskewed(np.array(3.0), np.array(-0.6), 9) == pytest.approx(3 * (1 - 0.2 + 0.36 / 27 - 0.6 / 54))


@given(T, T, SKEWNESS, N)
def test_a_larger_t_is_never_made_smaller(one, other, skewness, n):
    low, high = sorted((one, other))
    found = unskewed(np.array([low, high]), np.array(skewness), n)
    assert found[0] <= found[1] + 1e-9 * (1 + abs(found[1]))


@given(T, SKEWNESS, N)
def test_the_inverse_brings_the_bound_back(bound, skewness, n):
    t = skewed(np.array(bound), np.array(skewness), n)
    assert unskewed(t, np.array(skewness), n) == pytest.approx(bound, abs=1e-4, rel=1e-4)


def test_guarded_claims_are_wrong_less_often_where_contrasts_are_skewed():
    claims = 20_000
    x = negative_gamma(claims, 1)
    plain = (TEST.judge(x).verdict == 1).mean()
    guarded = (TEST.judge(x, guard=True).verdict == 1).mean()
    error = np.sqrt(0.1 * 0.9 / claims)
    assert plain > 0.09  # the defect is there
    assert guarded < 0.08 + 3 * error


def test_the_guard_costs_little_power_where_contrasts_are_gaussian():
    claims = 20_000
    x = np.random.default_rng(2).normal(TEST.detectable_effect, 1, (claims, 30))
    guarded = TEST.judge(x, guard=True)
    assert (guarded.verdict == 1).mean() > TEST.power - 0.015
    assert guarded.n.mean() < TEST.judge(x).n.mean() + 1.5


def test_a_gain_of_many_standard_deviations_passes_whatever_the_sample_skewness():
    x = negative_gamma(2000, 3) + 10
    guarded = TEST.judge(x, guard=True)
    assert (guarded.verdict == 1).all()
    assert guarded.n.mean() < 6


@given(st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=5, max_size=30), st.floats(0, 2))
def test_a_shift_upward_never_turns_pass_into_anything_else(contrasts, shift):
    before = TEST.decide(contrasts, guard=True)
    after = TEST.decide([x + shift for x in contrasts], guard=True, resolution=1e-9)
    if before.verdict == "PASS" and before.sd > 1e-6:
        assert after.verdict == "PASS"


@given(st.lists(st.floats(-3, 3).map(lambda x: round(x, 3)), min_size=1, max_size=30))
def test_the_guard_never_makes_a_claim_pass(contrasts):
    if TEST.decide(contrasts, guard=True).verdict == "PASS":
        assert TEST.decide(contrasts).verdict == "PASS"


def test_the_interval_excludes_zero_exactly_on_pass():
    judged = TEST.judge(negative_gamma(4000, 4) + 0.4, guard=True)
    low, high = intervals(TEST.bounds, judged)
    assert ((low >= 0) == (judged.verdict == 1)).all()
    assert (low <= judged.estimate).all()
    assert (judged.estimate <= high).all()


def test_the_guard_can_hold_at_some_looks_only():
    x = negative_gamma(200, 6) + 0.7
    late = np.arange(1, 31) >= 10
    judged = TEST.judge(x, guard=late)
    early = judged.n < 10
    assert (judged.n[early] == TEST.judge(x).n[early]).all()
    assert np.isnan(judged.skewness[early]).all()
    assert not np.isnan(judged.skewness[~early]).any()


def test_the_method_says_that_skewness_was_guarded_against():
    assert (
        TEST.decide([1.0, 1.1, 0.9, 1.05, 0.95], guard=True).method
        == "sequential t-test, guarded for skewness"
    )
    assert TEST.decide([1.0, 1.1, 0.9, 1.05, 0.95]).method == "sequential t-test"
