"""The sequential test over seeds and patients: its limits, its stops, its levels."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.stats import Reason, SequentialTest, Verdict, case_bounds, seeds_by_cases
from pytest_mlops.stats.case_bounds import bounds_at, p_value_at
from pytest_mlops.stats.case_test import decide_by_cases, patients_needed
from pytest_mlops.stats.cases import MeanSquares, mean_squares

TEST = SequentialTest()


def values(seed, *, seeds=30, patients=40, effect=0.0, of_patients=1.0, of_seeds=0.3, both=1.0):
    rng = np.random.default_rng(seed)
    return (
        effect
        + of_patients * rng.normal(size=patients)
        + of_seeds * rng.normal(size=(seeds, 1))
        + both * rng.normal(size=(seeds, patients))
    )


def without_cases(seed, effect, seeds=30, patients=40):
    """Pseudovalues whose patients have equal means over the first n seeds at every n: seeds alone decide."""
    means = effect + np.random.default_rng(seed).normal(size=seeds)
    return np.repeat(means[:, None], patients, axis=1)


# --- the limit of no cases


@given(seed=st.integers(0, 500), effect=st.sampled_from([0.0, 0.4, 0.8]))
@settings(max_examples=40, deadline=None)
def test_where_patients_add_nothing_seeds_alone_decide(seed, effect):
    contrasts = without_cases(seed, effect)
    found, plain = decide_by_cases(TEST, contrasts), TEST.decide(contrasts[:, 0])
    assert (found.verdict, found.n, found.reason) == (plain.verdict, plain.n, plain.reason)
    assert (found.estimate, found.statistic, found.sd) == pytest.approx(
        (plain.estimate, plain.statistic, plain.sd)
    )
    assert found.interval == pytest.approx(plain.interval, rel=1e-6)
    assert found.case_share == pytest.approx(0, abs=1e-20)
    # The exact law of t against the Gaussian one, moved by the difference of their bounds.
    assert found.p_value == pytest.approx(plain.p_value, abs=0.04)


def test_without_a_share_of_cases_the_bounds_are_the_exact_ones():
    from scipy import special

    for look, n in enumerate(TEST.looks.tolist()):
        efficacy, futility = bounds_at(TEST, look, 0.0)
        assert -special.stdtrit(n - 1, special.ndtr(-efficacy)) == pytest.approx(
            TEST.efficacy[look], rel=1e-9
        )
        assert -special.stdtrit(n - 1, special.ndtr(-futility)) == pytest.approx(
            TEST.futility[look], rel=1e-9
        )


def test_the_more_the_cases_weigh_the_sooner_it_may_stop():
    shares = np.linspace(0, 1, 41)
    efficacy, futility = np.array([bounds_at(TEST, 0, share) for share in shares]).T
    assert (np.diff(efficacy) <= 1e-12).all()
    assert (np.diff(futility) >= -1e-12).all()
    assert efficacy[-1] == pytest.approx(1.67, abs=0.01)  # 1.645 would be one look at 0.05


def test_a_single_look_is_one_test():
    single = SequentialTest(min_seeds=12, max_seeds=12)
    assert bounds_at(single, 0, 0.7)[0] == pytest.approx(1.6449, abs=1e-4)


def test_long_designs_are_thinned_and_stay_close(monkeypatch):
    long = SequentialTest(max_seeds=130)
    places, shares = range(0, len(long.looks), 25), (0.5,)
    thinned = [bounds_at(long, place, share)[0] for place in places for share in shares]
    monkeypatch.setattr(case_bounds, "_MOST_LOOKS", 1000)
    case_bounds._node.cache_clear()
    full = [bounds_at(long, place, share)[0] for place in places for share in shares]
    case_bounds._node.cache_clear()
    assert thinned == pytest.approx(full, abs=0.05)


# --- one look is the published analysis


def test_a_look_has_the_statistic_of_seeds_by_cases():
    contrasts = values(3, seeds=5, effect=0.4)
    found = decide_by_cases(TEST, contrasts)
    fixed = seeds_by_cases(contrasts, np.zeros_like(contrasts), None, metric="mean")
    assert found.estimate == pytest.approx(fixed.estimate)
    assert found.statistic == pytest.approx(fixed.estimate / fixed.standard_error)
    assert found.df == pytest.approx(min(fixed.df, 39))
    assert found.case_share == pytest.approx(fixed.case_share)


# --- what a decision promises


@given(seed=st.integers(0, 2000), effect=st.sampled_from([0.0, 0.3, 0.6, -0.6]))
@settings(max_examples=60, deadline=None)
def test_interval_p_value_and_verdict_agree(seed, effect):
    found = decide_by_cases(TEST, values(seed, effect=effect))
    assert found.decided
    assert (found.interval[0] > 0 or found.interval[0] == 0) == (
        found.verdict == Verdict.PASS
    ) or found.interval[0] == 0
    assert (found.p_value <= TEST.alpha) == (found.verdict == Verdict.PASS)
    assert found.interval[0] <= found.estimate <= found.interval[1]


@given(seed=st.integers(0, 2000))
@settings(max_examples=30, deadline=None)
def test_seed_by_seed_gives_what_all_at_once_gives(seed):
    contrasts = values(seed, effect=0.3)
    whole = decide_by_cases(TEST, contrasts)
    for n in range(whole.n):
        assert not decide_by_cases(TEST, contrasts[:n]).decided
    assert decide_by_cases(TEST, contrasts[: whole.n]) == whole


@given(seed=st.integers(0, 2000), scale=st.sampled_from([1e-6, 0.5, 1e9]))
@settings(max_examples=20, deadline=None)
def test_units_and_the_order_of_patients_change_nothing(seed, scale):
    contrasts = values(seed, effect=0.3)
    order = np.random.default_rng(seed).permutation(contrasts.shape[1])
    one, other = decide_by_cases(TEST, contrasts), decide_by_cases(TEST, scale * contrasts[:, order])
    assert (one.verdict, one.reason, one.n) == (other.verdict, other.reason, other.n)
    assert other.estimate == pytest.approx(scale * one.estimate, rel=1e-9)


def test_before_the_first_look_it_goes_on():
    found = decide_by_cases(TEST, values(1, seeds=4, effect=9.0))
    assert (found.verdict, found.reason, found.n) == (Verdict.UNDECIDED, Reason.CONTINUE, 4)
    assert decide_by_cases(TEST, np.zeros((0, 5))).reason == Reason.CONTINUE


def test_a_large_effect_passes_and_a_large_harm_fails_at_the_first_look():
    assert decide_by_cases(TEST, values(1, effect=3.0)).verdict == Verdict.PASS
    harm = decide_by_cases(TEST, values(1, effect=-3.0))
    assert (harm.verdict, harm.n) == (Verdict.FAIL, 5)


def test_identical_and_constant_runs_are_answered_as_without_cases():
    constant = np.zeros((30, 6))
    assert decide_by_cases(TEST, constant, identical=True).reason == Reason.IDENTICAL
    assert decide_by_cases(TEST, constant).reason == Reason.NO_VARIANCE
    same = np.tile(np.arange(6.0), (30, 1))  # patients differ, seeds do not: no spread over seeds is known
    assert decide_by_cases(TEST, same).reason == Reason.NO_VARIANCE
    assert decide_by_cases(TEST, same[:9]).reason == Reason.CONTINUE
    assert decide_by_cases(TEST, values(1, effect=3.0), resolution=1e3).reason == Reason.NO_VARIANCE


def test_parts_fail_at_their_share_of_alpha():
    contrasts = values(14, effect=-0.7)
    assert decide_by_cases(TEST, contrasts).verdict == Verdict.FAIL
    assert decide_by_cases(TEST, contrasts, parts=10**9).verdict == Verdict.UNDECIDED


# --- when the cases are too few


def test_cases_that_make_it_undecidable_stop_it_at_once_and_say_how_many():
    # Patients spread by 1: 40 of them leave a standard error of 0.16, whatever the seeds; the effect is 0.1.
    contrasts = values(2, effect=0.0, of_seeds=0.01, both=0.01)
    contrasts += 0.1 - contrasts.mean()
    found = decide_by_cases(TEST, contrasts)
    assert (found.verdict, found.reason, found.n) == (Verdict.UNDECIDED, Reason.CASES, 5)
    assert found.case_share > 0.99
    # By hand: ((1.645 + 1.282) sd / effect)^2, with the sd of the patients and the effect of the first five seeds.
    sd = contrasts[:5].mean(axis=0).std(ddof=1)
    assert found.patients_needed == pytest.approx((2.9264 * sd / found.estimate) ** 2, rel=0.05)


def test_an_effect_below_zero_needs_no_more_cases():
    contrasts = values(2, effect=0.0, of_seeds=0.05, both=0.05)
    contrasts -= 0.1 + contrasts.mean()
    found = decide_by_cases(TEST, contrasts)
    assert found.reason == Reason.FUTILITY
    assert found.patients_needed is None


def test_patients_needed_give_the_variance_that_is_wanted():
    squares = MeanSquares(mean=0.06, seed=0.4, case=2.0, seed_case=0.3, seeds=10, patients=50)
    count = patients_needed(TEST, squares)
    seed, patient = (0.4 - 0.3) / 50, (2.0 - 0.3) / 10
    variance = seed / 30 + (patient + 0.3 / 30) / count
    drift = 0.06 / math.sqrt(variance)
    assert 2.92 < drift < TEST.detectable_effect * math.sqrt(30) + 0.01


def test_no_number_of_patients_helps_where_seeds_vary_too_much():
    squares = MeanSquares(mean=0.01, seed=50.0, case=9.0, seed_case=0.3, seeds=10, patients=50)
    assert patients_needed(TEST, squares) is None


# --- bad input


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        (np.zeros(5), "must have the shape"),
        (np.zeros((5, 2)), "2 patients cannot show how patients differ"),
        (np.where(np.eye(5) > 0, np.nan, 1.0), r"contrasts\[0, 0\] is nan"),
    ],
)
def test_bad_input_is_named(contrasts, message):
    with pytest.raises(ValueError, match=message):
        decide_by_cases(TEST, contrasts)


def test_p_values_of_long_designs_are_probabilities():
    long = SequentialTest(max_seeds=40)
    for share in (0.0, 0.33, 0.98):
        looks = [0, 1, 5, 20, 35]
        p = [p_value_at(long, look, share, bounds_at(long, look, share)[0]) for look in looks]
        assert (np.diff(p) > 0).all()
        assert p[-1] == pytest.approx(long.alpha, abs=0.002)


def test_mean_squares_of_a_look_are_those_up_to_it():
    contrasts = values(5, effect=0.0)
    found = decide_by_cases(TEST, contrasts)
    squares = mean_squares(contrasts[: found.n])
    assert found.sd == pytest.approx(math.sqrt(squares.seed / squares.patients))
