import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.estimation import median_unbiased

TEST = SequentialTest()
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, effect=0.5, n=30):
    return np.random.default_rng(seed).normal(effect, 1.0, n)


def late(effect=0.5):
    """A claim that stopped after its first look."""
    return next(x for x in (drawn(seed, effect) for seed in range(99)) if TEST.decide(x).n > 8)


def test_at_the_first_look_it_is_the_mean_and_the_median_of_the_noncentral_t():
    decision = TEST.decide([1.0, 1.6, 0.7, 1.3, 1.4])
    found = median_unbiased(TEST, decision)
    assert decision.n == 5
    assert found.mean == decision.estimate
    assert stats.nct.cdf(decision.statistic, 4, found.effect * np.sqrt(5)) == pytest.approx(0.5, abs=1e-6)


def test_under_the_estimated_effect_half_of_all_claims_do_better():
    decision = TEST.decide(late())
    found = median_unbiased(TEST, decision)
    # Raw normal numbers and the judge, nothing of the recursion: passed earlier, or came here with a t as large.
    judged = TEST.judge(np.random.default_rng(1).normal(found.effect, 1.0, (60_000, 30)))
    here = TEST.looks[judged.look] == decision.n
    better = ((judged.verdict == 1) & (judged.n < decision.n)) | (
        here & (judged.statistic >= decision.statistic)
    )
    # Claims that were still open after this look are counted by their t there.
    open_after = judged.n > decision.n
    x = np.random.default_rng(1).normal(found.effect, 1.0, (60_000, 30))[open_after, : decision.n]
    t = x.mean(axis=1) / (x.std(axis=1, ddof=1) / np.sqrt(decision.n))
    better[open_after] = t >= decision.statistic
    assert better.mean() == pytest.approx(0.5, abs=3.5 * 0.5 / np.sqrt(60_000))


def test_a_late_pass_is_corrected_downward_and_a_futile_stop_upward():
    judged = [TEST.decide(drawn(seed)) for seed in range(60)]
    passed = [d for d in judged if d.verdict == "PASS" and d.n > 5]
    futile = [d for d in judged if d.verdict != "PASS" and 5 < d.n < 12]
    assert all(median_unbiased(TEST, d).mean < d.estimate for d in passed)
    assert np.mean([median_unbiased(TEST, d).mean > d.estimate for d in futile]) > 0.5
    assert passed
    assert futile


def test_there_is_no_estimate_without_a_t():
    assert median_unbiased(TEST, TEST.decide([1.0, 2.0])) is None
    assert median_unbiased(TEST, TEST.decide([0.5] * 30)) is None
    assert median_unbiased(TEST, TEST.decide([0.5] * 5, identical=True)) is None


def test_a_sequence_that_goes_on_is_estimated_at_its_last_look():
    x = late()[:7]
    decision = TEST.decide(x)
    assert decision.reason == "continue"
    assert np.isfinite(median_unbiased(TEST, decision).mean)


def test_a_huge_t_is_no_overflow():
    found = median_unbiased(TEST, TEST.decide([1.0, 1.001, 0.999, 1.0005, 0.9995]))
    assert found.mean == pytest.approx(1.0)
    assert found.effect == pytest.approx(
        1.0 / 0.000791 * 0.92, rel=0.01
    )  # the median of chi with 4 degrees is 0.92 of 2
    assert np.isfinite(median_unbiased(TEST, TEST.decide([0.0, 9.0, 0.0, 0.0, 0.0, *[9.0] * 25])).mean)


def test_a_mean_of_zero_has_no_effect_at_the_first_look():
    assert median_unbiased(TEST, TEST.decide([1.0, -1.0, 2.0, -2.0, 0.0])).effect == 0.0


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(-0.5, 1.0), st.integers(-20, 20))
def test_units_scale_the_mean_and_leave_the_effect(seed, effect, exponent):
    x = drawn(seed, effect)
    one = median_unbiased(TEST, TEST.decide(x))
    other = median_unbiased(TEST, TEST.decide(x * 2.0**exponent))
    assert other.effect == pytest.approx(one.effect, abs=1e-6)
    assert other.mean == pytest.approx(one.mean * 2.0**exponent, abs=1e-6 * 2.0**exponent)


@settings(max_examples=15, deadline=None)
@given(SEEDS, st.floats(-1.0, 2.0))
def test_it_lies_within_the_repeated_interval(seed, effect):
    decision = TEST.decide(drawn(seed, effect))
    assert decision.interval[0] <= median_unbiased(TEST, decision).mean <= decision.interval[1]
