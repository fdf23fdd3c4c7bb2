import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.calibration import disjoint_alarms, exact_interval, noise_floor, reshuffled_alarms

TEST = SequentialTest()


def test_noise_of_two_runs_is_the_root_of_two_times_that_of_one():
    # By hand: deviations -0.02, 0, 0.02, so the runs' sd is 0.02 and that of a difference 0.028284.
    found = noise_floor([0.80, 0.82, 0.84])
    assert found.sd == pytest.approx(0.0282843, abs=1e-6)
    assert found.single_run_gain == pytest.approx(1.644854 * 0.0282843, abs=1e-6)
    assert found.single_run_gain_range == pytest.approx([1.644854 * end for end in found.sd_range], rel=1e-6)


def test_one_run_each_is_outside_the_noise_as_rarely_as_alpha():
    rng = np.random.default_rng(3)
    found = noise_floor(rng.normal(0.8, 0.01, 5000), alpha=0.025)
    differences = rng.normal(0.8, 0.01, 200_000) - rng.normal(0.8, 0.01, 200_000)
    # The floor of 5,000 runs is off by 1 %, which moves a tail of 0.025 by 0.0011.
    assert (differences > found.single_run_gain).mean() == pytest.approx(0.025, abs=0.003)


@settings(deadline=None)
@given(st.integers(0, 40), st.integers(0, 40))
def test_interval_of_a_share_is_that_of_clopper_and_pearson(count, more):
    if count + more == 0:
        return
    of = count + more
    reference = stats.binomtest(count, of).proportion_ci(confidence_level=0.9, method="exact")
    assert exact_interval(count, of) == pytest.approx((reference.low, reference.high), abs=1e-9)


def test_disjoint_sequences_use_each_run_once_in_order():
    pool = np.random.default_rng(0).standard_normal(130)
    found = disjoint_alarms(TEST, pool)
    assert (found.sequences, found.pairs) == (2, 30)
    contrasts = pool[:120].reshape(2, 30, 2) @ [1.0, -1.0]
    verdicts = [str(TEST.decide(row).verdict) for row in contrasts]
    assert (found.passed, found.failed) == (verdicts.count("PASS"), verdicts.count("FAIL"))
    assert found.interval == exact_interval(found.passed, 2)


def test_a_small_pool_makes_shorter_sequences():
    assert disjoint_alarms(TEST, np.random.default_rng(0).standard_normal(17)).pairs == 8
    assert reshuffled_alarms(TEST, np.random.default_rng(0).standard_normal(17), reshuffles=9).pairs == 8


def test_false_alarms_of_a_fair_test_are_alpha():
    found = disjoint_alarms(TEST, np.random.default_rng(1).gamma(2.0, size=60 * 4000))
    assert found.sequences == 4000
    assert found.interval[0] <= TEST.power_at(0.0)
    assert found.rate <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 4000)
    assert found.failed / 4000 <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 4000)


def test_runs_that_are_not_independent_raise_false_alarms():
    # Every pair takes its two runs from two halves of the machine's day: the second half is worse.
    pool = np.random.default_rng(2).normal([0.0, -1.0], 1.0, (60 * 50, 2))
    assert disjoint_alarms(TEST, pool.ravel()).interval[0] > 0.5


def test_reshuffled_rates_average_to_the_rate_and_differ_between_pools():
    rng = np.random.default_rng(4)
    rates = np.array(
        [reshuffled_alarms(TEST, rng.exponential(size=60), reshuffles=600).rate for _ in range(60)]
    )
    # 0.0346 is the rate of 20,000 disjoint sequences of exponential runs (its standard error 0.0013).
    assert rates.mean() == pytest.approx(0.0346, abs=3.5 * np.hypot(rates.std() / np.sqrt(60), 0.0013))
    # The spread over pools is more than that of 600 independent sequences: the interval is of one pool's orders.
    assert rates.std() > 1.15 * np.sqrt(0.0346 * 0.9654 / 600)


def test_the_same_seed_gives_the_same_reshuffles():
    pool = np.random.default_rng(5).standard_normal(60)
    one, other = (reshuffled_alarms(TEST, pool, reshuffles=200, seed=7) for _ in range(2))
    assert one == other


def test_pools_that_reach_no_look_are_refused_with_what_is_needed():
    for alarms in (disjoint_alarms, reshuffled_alarms):
        with pytest.raises(ValueError, match="train at least 10 runs"):
            alarms(TEST, np.arange(9.0))


@pytest.mark.parametrize("values", [[0.1, 0.2], [[0.1, 0.2, 0.3]], 0.5])
def test_fewer_than_three_runs_have_no_floor(values):
    with pytest.raises(ValueError, match="axis"):
        noise_floor(values)
