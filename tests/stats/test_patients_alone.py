"""One look over patients: a t-test that stands up to skewed patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import Verdict
from pytest_mlops.stats.patients_alone import decide_over_patients

CLAIMS = 4000


def rate(draw, verdict, seed, **options):
    rng = np.random.default_rng(seed)
    return np.mean([decide_over_patients(draw(rng), **options).verdict == verdict for _ in range(CLAIMS)])


def error_bar(level):
    return 3 * np.sqrt(level * (1 - level) / CLAIMS)


def test_without_skewness_it_is_the_t_test():
    # Student's test of scipy, an implementation of its own; symmetric values have no skewness.
    half = np.abs(np.random.default_rng(0).normal(size=20))
    values = 0.3 + np.concatenate([half, -half])
    found = decide_over_patients(values)
    reference = stats.ttest_1samp(values, 0.0, alternative="greater")
    assert found.statistic == pytest.approx(reference.statistic)
    assert found.p_value == pytest.approx(reference.pvalue)
    two_sided = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert found.interval == pytest.approx((two_sided.low, two_sided.high))


@pytest.mark.parametrize("patients", [10, 60])
@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL])
def test_both_errors_keep_their_level(patients, verdict):
    found = rate(lambda rng: rng.normal(size=patients), verdict, patients)
    assert 0.02 < found < 0.05 + error_bar(0.05)


def test_patients_with_room_below_and_none_above_pass_less_often_than_by_the_t_test():
    def dice(rng):
        return 2.0 / 3 - rng.gamma(shape=2.0, scale=1.0 / 3, size=20)  # mean zero, skewness -1.41

    def t_test(rng):
        return stats.ttest_1samp(dice(rng), 0.0, alternative="greater").pvalue <= 0.05

    rng = np.random.default_rng(1)
    plain = np.mean([t_test(rng) for _ in range(CLAIMS)])
    assert plain > 0.08
    assert rate(dice, Verdict.PASS, 1) < 0.07 + error_bar(0.07)


def test_a_part_fails_at_its_share_of_alpha():
    found = rate(lambda rng: rng.normal(size=30), Verdict.FAIL, 3, parts=4)
    assert found <= 0.0125 + error_bar(0.0125)


@given(st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=3, max_size=40), st.floats(0, 2))
def test_a_shift_upward_never_loses_a_pass(values, shift):
    before, after = decide_over_patients(values), decide_over_patients(np.array(values) + shift)
    assert not (before.verdict == Verdict.PASS and after.verdict == Verdict.FAIL)
    if before.verdict == Verdict.PASS and after.reason != "no variance":
        assert after.verdict == Verdict.PASS


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=40))
def test_verdict_interval_and_p_value_agree(values):
    found = decide_over_patients(values)
    if found.p_value is not None:
        assert (found.verdict == Verdict.PASS) == (found.p_value <= 0.05)
        assert found.interval[0] <= found.estimate <= found.interval[1]
        assert (found.verdict == Verdict.PASS) <= (found.interval[0] >= 0)


def test_the_patients_that_it_would_take_give_the_power():
    rng = np.random.default_rng(8)
    needed = decide_over_patients(0.2 + stats.norm.ppf((np.arange(20) + 0.5) / 20)).patients_needed
    passed = np.mean([
        decide_over_patients(rng.normal(0.2 / stats.norm.ppf((np.arange(20) + 0.5) / 20).std(ddof=1), 1, needed)).verdict
        == Verdict.PASS
        for _ in range(1000)
    ])  # fmt: skip
    assert passed == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize(
    ("values", "says"),
    [([0.1, 0.2], "at least 3"), ([0.1, float("nan"), 0.2], r"contrasts\[1\]"), ([[0.1] * 4], "one axis")],
)
def test_bad_input_is_named(values, says):
    with pytest.raises(ValueError, match=says):
        decide_over_patients(values)
