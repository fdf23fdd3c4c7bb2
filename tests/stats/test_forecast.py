import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from pytest_mlops.stats import DiscordantTest, RateTest, SequentialTest
from pytest_mlops.stats.forecast import DRAWS, Contrasts, Outcomes, _means_and_spreads, forecast

TEST = SequentialTest()
PILOT = [0.012, 0.030, -0.004]


def test_a_sequence_that_is_decided_stops_where_it_stopped():
    known = [0.010, 0.012, 0.009, 0.011, 0.010, -0.2, 0.3]
    found = forecast([Contrasts(test=TEST, known=known)])
    assert found.stops[TEST.decide(known).n] == 1.0
    assert (found.mean, found.power) == (5.0, 1.0)


def test_without_any_pair_it_is_the_average_over_no_effect_and_the_detectable_one():
    found = forecast([Contrasts(test=TEST, known=[])])
    exact = np.mean(TEST.expected_seeds([0.0, TEST.detectable_effect]))
    # The spread of one sequence's seeds is below 9, so this is three standard errors.
    assert found.mean == pytest.approx(exact, abs=3 * 9 / math.sqrt(DRAWS))
    assert found.power == pytest.approx((TEST.power_at(0.0) + 0.9) / 2, abs=3 * 0.5 / math.sqrt(DRAWS))


@pytest.mark.parametrize("values", [PILOT, [0.5, 0.6, 0.7], [-1.0, 2.0, 0.1, 0.4, -0.3]])
def test_the_effect_has_the_posterior_of_the_bayesian_t_test(values):
    # Another way to it: the law of t given the effect is noncentral t, the prior of the effect Cauchy.
    n, t = len(values), stats.ttest_1samp(values, 0).statistic

    def density(effect):
        return stats.nct.pdf(t, n - 1, effect * math.sqrt(n)) * stats.cauchy.pdf(effect, scale=math.sqrt(0.5))

    norm, mean = (
        integrate.quad(lambda d, k=k: d**k * density(d), -6, 12, limit=200, points=[0.0])[0] for k in (0, 1)
    )
    drawn = np.divide(*_means_and_spreads(np.array(values), np.random.default_rng(1), 200_000))
    drawn = drawn[(drawn > -6) & (drawn < 12)]
    # Weighed draws: about a third of them count.
    assert drawn.mean() == pytest.approx(mean / norm, abs=4 * drawn.std() / math.sqrt(60_000))


def test_a_rate_without_outcomes_has_the_average_over_jeffreys_prior():
    test = RateTest(bar=0.7)
    found = forecast([Outcomes(test=test, known=[])])
    rates = stats.beta.ppf((np.arange(2000) + 0.5) / 2000, 0.5, 0.5)
    assert found.mean == pytest.approx(test.expected_seeds(rates).mean(), abs=3 * 9 / math.sqrt(DRAWS))
    assert found.power == pytest.approx(test.power_at(rates).mean(), abs=3 * 0.5 / math.sqrt(DRAWS))


def test_two_rates_that_always_differ_are_soon_told_apart():
    won = [(True, False)] * 4
    assert forecast([Outcomes(test=DiscordantTest(), known=won)]).quantile(0.5) == 5
    lost = forecast([Outcomes(test=DiscordantTest(), known=[(b, a) for a, b in won])])
    assert lost.power < 0.05


def test_outcomes_that_are_known_stay_as_they_are():
    known = [(True, False), (False, True), (True, True), (False, False), (True, False)] * 6
    decision = DiscordantTest().decide(known)
    assert forecast([Outcomes(test=DiscordantTest(), known=known)]).stops[decision.n] == 1.0


def test_all_parts_have_to_hold_and_one_that_does_not_ends_them():
    good = Contrasts(test=TEST, known=[0.010, 0.012, 0.009, 0.011, 0.010])
    slow = Contrasts(test=TEST, known=[0.010, 0.042, -0.019, 0.011, 0.010])
    bad = Contrasts(test=TEST, known=[-0.010, -0.012, -0.009, -0.011, -0.010])
    alone, both = forecast([slow]), forecast([slow, good])
    assert both.mean == pytest.approx(alone.mean)
    assert (forecast([slow, bad]).mean, forecast([slow, bad]).power) == (5.0, 0.0)


def test_an_equivalence_needs_both_sides():
    values = [0.001, -0.002, 0.002]
    wide = Contrasts(test=TEST, known=values, room=np.full(3, 0.02))
    narrow = Contrasts(test=TEST, known=values, room=np.full(3, 0.0005))
    beside = Contrasts(test=TEST, known=np.array(values) + 0.02, room=np.full(3, 0.02))
    assert forecast([wide]).power > 0.9
    assert forecast([narrow]).power < 0.05
    one_sided = Contrasts(test=TEST, known=np.array(values) + 0.02)  # its lower side alone
    assert forecast([beside]).power < forecast([one_sided]).power / 2


@settings(max_examples=15, deadline=None)
@given(st.floats(1e-4, 1e4))
def test_units_change_nothing(unit):
    one = forecast([Contrasts(test=TEST, known=PILOT)], draws=500)
    other = forecast([Contrasts(test=TEST, known=[unit * value for value in PILOT])], draws=500)
    assert other.mean == pytest.approx(one.mean, abs=0.1)  # rounding may move a draw over a bound


def test_quantiles_are_enough_with_their_probability():
    found = forecast([Contrasts(test=TEST, known=PILOT)])
    for share in (0.1, 0.5, 0.9, 1.0):
        pairs = found.quantile(share)
        assert found.stops[: pairs + 1].sum() >= share - 1e-8
        assert found.stops[:pairs].sum() < share


def test_plans_of_three_pairs_are_right_on_average():
    # The whole grid of claims and truths is benchmarks/plans.py.
    rng = np.random.default_rng(5)
    effects = np.array([0.0, 0.5, 1.0, 1.5])[:, None, None] * TEST.detectable_effect
    sequences = (effects + rng.standard_normal((4, 60, TEST.max_seeds))).reshape(-1, TEST.max_seeds)
    happened = TEST.judge(sequences).n
    planned = [forecast([Contrasts(test=TEST, known=one[:3])], draws=400).mean for one in sequences]
    assert np.mean(planned) / happened.mean() == pytest.approx(1.0, abs=0.25)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Contrasts(test=TEST, known=[0.1]), "at least 2 that vary"),
        (lambda: Contrasts(test=TEST, known=[0.1, 0.1, 0.1]), "at least 2 that vary"),
        (lambda: Contrasts(test=TEST, known=[0.1, math.nan]), "is nan"),
        (lambda: Contrasts(test=TEST, known=[], room=[]), "equivalence without any pair"),
        (lambda: forecast([]), "at least one part"),
    ],
)
def test_nonsense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
