import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.planning import plan, sd_interval, seeds_needed

TEST = SequentialTest()


def test_three_pairs_leave_the_spread_open_between_a_fifth_and_nearly_twice_the_truth():
    # STATISTICS of the design: the sd of 3 pairs lies with 90 % between 0.22 and 1.7 of the truth.
    low, high = sd_interval(1.0, 3)
    assert (1 / high, 1 / low) == pytest.approx((0.2265, 1.7308), abs=1e-3)


@settings(deadline=None)
@given(st.integers(2, 60), st.floats(0.5, 0.99))
def test_interval_of_the_spread_is_that_of_chi_square(runs, confidence):
    low, high = sd_interval(2.0, runs, confidence=confidence)
    quantiles = stats.chi2.interval(confidence, runs - 1)
    assert (low, high) == pytest.approx([2.0 * math.sqrt((runs - 1) / q) for q in quantiles[::-1]], rel=1e-8)


def test_interval_of_the_spread_covers_as_often_as_it_says():
    samples = np.random.default_rng(1).standard_normal((4000, 4)).std(axis=1, ddof=1)
    low, high = sd_interval(1.0, 4)
    covered = ((low * samples <= 1) & (high * samples >= 1)).mean()
    assert covered == pytest.approx(0.9, abs=3.5 * math.sqrt(0.09 / 4000))


def test_stated_spread_gives_single_numbers():
    found = plan(TEST, margin=0.01, sd=0.02)
    assert found.sd_range == (0.02, 0.02)
    assert found.most_seeds == 30
    none, same, twice = found.outlooks
    assert [outlook.gain for outlook in found.outlooks] == [0.0, 0.01, 0.02]
    assert none.power[0] == none.power[1] == pytest.approx(TEST.power_at(-0.5))
    assert same.power[0] == pytest.approx(TEST.power_at(0.0))
    assert twice.power[0] == pytest.approx(TEST.power_at(0.5))
    assert twice.expected_seeds[0] == pytest.approx(TEST.expected_seeds(0.5))


def test_a_claim_at_its_margin_passes_at_most_with_alpha():
    found = plan(TEST, margin=0.01, differences=[0.01, 0.03, -0.01])
    assert found.outlooks[1].power[1] <= TEST.alpha


def test_non_inferiority_is_likely_to_pass_without_any_difference():
    found = plan(TEST, margin=-0.02, sd=0.02)
    none, same, twice = found.outlooks
    assert none.power[0] > 0.98
    assert same.power[0] == pytest.approx(TEST.power_at(0.0))
    assert twice.power[0] < 0.001


def test_a_pilot_gives_ranges_that_hold_what_its_spread_can_be():
    pilot = [0.012, 0.030, 0.004, 0.018]
    found = plan(TEST, margin=0.005, differences=pilot)
    low, high = found.sd_range
    assert found.sd == pytest.approx(np.std(pilot, ddof=1))
    assert found.decidable_gain == pytest.approx(
        (0.005 + TEST.detectable_effect * low, 0.005 + TEST.detectable_effect * high)
    )
    for sd in np.geomspace(low, high, 7):
        for outlook in found.outlooks:
            effect = (outlook.gain - 0.005) / sd
            assert outlook.power[0] - 1e-9 <= TEST.power_at(effect) <= outlook.power[1] + 1e-9
            assert (
                outlook.expected_seeds[0] - 0.3
                <= TEST.expected_seeds(effect)
                <= outlook.expected_seeds[1] + 0.3
            )


def test_the_mean_of_a_pilot_has_no_say():
    one = plan(TEST, margin=0.01, differences=[0.1, 0.2, 0.4])
    other = plan(TEST, margin=0.01, differences=[-0.1, 0.0, 0.2])
    assert one.sd == pytest.approx(other.sd)
    assert one.decidable_gain == pytest.approx(other.decidable_gain)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.001, 10))
def test_units_change_nothing_but_the_units(unit):
    one, other = plan(TEST, margin=0.3, sd=1.0), plan(TEST, margin=0.3 * unit, sd=unit)
    assert other.decidable_gain[0] == pytest.approx(one.decidable_gain[0] * unit)
    for mine, its in zip(one.outlooks, other.outlooks, strict=True):
        assert its.power == pytest.approx(mine.power, abs=1e-9)
        assert its.expected_seeds == pytest.approx(mine.expected_seeds, abs=1e-6)


def test_gains_of_interest_replace_the_usual_three():
    found = plan(TEST, sd=1.0, gains=[0.5, 0.5, TEST.detectable_effect])
    assert [outlook.gain for outlook in found.outlooks] == [0.5, TEST.detectable_effect]
    assert found.outlooks[1].power == pytest.approx((0.9, 0.9), abs=1e-6)


def test_without_a_margin_there_is_one_outlook():
    assert [outlook.gain for outlook in plan(TEST, sd=1.0).outlooks] == [0.0]


@pytest.mark.parametrize(("most", "tolerance"), [(12, 0.05), (20, 0.04), (46, 0.04)])
def test_needed_seeds_are_those_whose_design_detects_the_gain(most, tolerance):
    other = SequentialTest(max_seeds=most)
    low, high = seeds_needed(TEST, gain=other.detectable_effect, margin=0.0, sd_range=(1.0, 1.0))
    assert low == high
    assert abs(low - most) <= max(1, tolerance * most)


def test_a_gain_that_is_not_above_the_margin_cannot_be_shown():
    assert seeds_needed(TEST, gain=0.01, margin=0.01, sd_range=(0.1, 0.2)) == (math.inf, math.inf)
    assert seeds_needed(TEST, gain=0.01, margin=0.0, sd_range=(0.01, 10.0))[1] == math.inf
    assert seeds_needed(TEST, gain=100.0, margin=0.0, sd_range=(0.01, 0.01)) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "not both"),
        ({"sd": 1.0, "differences": [1.0, 2.0, 3.0]}, "not both"),
        ({"sd": 0.0}, "sd=0.0"),
        ({"sd": math.nan}, "sd=nan"),
        ({"differences": [0.1, 0.2]}, "at least 3"),
        ({"differences": [0.1, 0.1, 0.1]}, "no spread to plan by"),
        ({"differences": [0.1, math.inf, 0.1]}, "is inf"),
        ({"sd": 1.0, "margin": math.inf}, "margin=inf"),
    ],
)
def test_plans_of_nonsense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        plan(TEST, **options)


def test_one_run_has_no_interval():
    with pytest.raises(ValueError, match="runs=1"):
        sd_interval(1.0, 1)
