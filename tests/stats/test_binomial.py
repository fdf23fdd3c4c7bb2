import itertools

import numpy as np
import pytest
from scipy import stats

from pytest_mlops.stats.binomial import (
    Looks,
    Walk,
    curtailment_bounds,
    efficacy_bounds,
    futility_bounds,
    power_and_seeds,
    tail_probabilities,
)
from pytest_mlops.stats.rate_design import fixed_seeds, seeds_needed


def at_the_end(looks, alpha):
    """Spending that keeps everything for the last look: the fixed test, curtailed."""
    spent = np.zeros(len(looks.seeds))
    spent[-1] = alpha
    return spent


def test_walk_without_bounds_is_the_binomial_law():
    walk = Walk(np.array([0.3, 0.9]), 12)
    walk.go_on(12)
    expected = [stats.binom.pmf(np.arange(13), 12, rate) for rate in (0.3, 0.9)]
    assert walk.alive == pytest.approx(np.array(expected), abs=1e-14)


@pytest.mark.parametrize(
    ("bar", "needed"), [(0.9, 29), (0.95, 59), (0.99, 299), (0.8, 14), (0.5, 5), (1e-6, 1)]
)
def test_clean_runs_needed_are_the_published_ones(bar, needed):
    # Wilks (1941): 59 samples without exception show 95 % at 95 %, 29 show 90 %, 299 show 99 %.
    assert seeds_needed(bar, 0.05) == needed
    assert bar**needed <= 0.05 < bar ** (needed - 1)


def test_simons_two_stage_design_costs_what_he_published():
    # Simon (1989), Controlled Clinical Trials 10, 1: p0 0.1, p1 0.3, stop at 1 of 10, reject p0 above 5 of 29:
    # expected sample size 15.0 and early stop 0.74 under p0; level 0.047, power 0.805.
    looks = Looks(first=10, last=29)
    upper, lower = np.full(20, 30), np.full(20, -1)
    lower[0], lower[-1], upper[-1] = 1, 5, 6
    passed, seeds = power_and_seeds(np.array([0.1, 0.3]), looks, upper, lower)
    assert passed == pytest.approx([0.0471, 0.8051], abs=5e-5)
    assert seeds[0] == pytest.approx(15.0, abs=0.05)
    assert (29 - seeds[0]) / 19 == pytest.approx(0.74, abs=0.005)


@pytest.mark.parametrize(("bar", "n"), [(0.5, 20), (0.8, 30), (0.2, 17)])
def test_keeping_alpha_for_the_end_is_the_curtailed_binomial_test(bar, n):
    looks = Looks(first=1, last=n)
    upper = efficacy_bounds(bar, looks, at_the_end(looks, 0.05))
    lower = curtailment_bounds(looks, upper)
    bound = int(upper[-1])
    assert stats.binomtest(bound, n, bar, alternative="greater").pvalue <= 0.05
    assert stats.binomtest(bound - 1, n, bar, alternative="greater").pvalue > 0.05
    # Independent of all looks: the seeds until `bound` successes, or until too many failures, are negative binomial.
    rates = np.array([bar, 0.9, 0.4])
    passed, seeds = power_and_seeds(rates, looks, upper, lower)
    losses, times = n - bound + 1, np.arange(n + 1)
    for rate, got_passed, got_seeds in zip(rates, passed, seeds, strict=True):
        won = stats.nbinom.pmf(times - bound, bound, rate)
        lost = stats.nbinom.pmf(times - losses, losses, 1 - rate)
        assert got_passed == pytest.approx(won.sum(), abs=1e-12)
        assert got_seeds == pytest.approx((times * (won + lost)).sum(), abs=1e-10)


def test_crossings_stay_within_what_is_spent_at_every_look():
    looks = Looks(first=3, last=25)
    spent = 0.05 * looks.seeds / 25
    upper = efficacy_bounds(0.6, looks, spent)
    outcomes = np.arange(26)
    for place in range(len(upper)):
        # The bounds of later looks let some pass earlier; these are the paths that would pass by a later look anyway.
        cut = np.where(np.arange(len(upper)) <= place, upper, 26)
        passed, _ = power_and_seeds(np.array([0.6]), looks, cut, np.full(len(upper), -1))
        assert passed[0] <= spent[-1] + 1e-15
    assert (np.diff(upper) >= 0).all()
    assert (np.diff(looks.seeds - upper)[upper[1:] <= 25] >= 0).all()
    assert outcomes[-1] == looks.last


def test_curtailment_stops_exactly_what_cannot_pass():
    looks = Looks(first=2, last=9)
    upper = efficacy_bounds(0.4, looks, 0.1 * looks.seeds / 9)
    impossible = curtailment_bounds(looks, upper)
    for place, n in enumerate(looks.seeds):
        for successes in range(min(n, upper[place] - 1) + 1):
            later = zip(looks.seeds[place + 1 :], upper[place + 1 :], strict=True)
            can_pass = any(successes + (m - n) >= bound for m, bound in later)
            assert can_pass == (successes > impossible[place])


def test_futility_loses_what_it_says():
    looks = Looks(first=4, last=20)
    upper = efficacy_bounds(0.5, looks, 0.05 * looks.seeds / 20)
    spent = 0.2 * looks.seeds / 20
    lower, lost = futility_bounds(0.8, looks, upper, spent)
    passed, _ = power_and_seeds(np.array([0.8]), looks, upper, lower)
    assert passed[0] == pytest.approx(1 - lost, abs=1e-12)
    assert (lower >= curtailment_bounds(looks, upper)).all()
    assert (lower > curtailment_bounds(looks, upper)).any()
    assert (lower < upper).all()


def test_tails_are_those_of_all_sequences():
    looks = Looks(first=2, last=8)
    upper = efficacy_bounds(0.6, looks, 0.2 * looks.seeds / 8)
    tails = tail_probabilities(0.6, looks, upper)
    for place, n in enumerate(looks.seeds):
        every = np.array(list(itertools.product([0, 1], repeat=int(n))))
        weight = np.prod(np.where(every == 1, 0.6, 0.4), axis=1)
        counts = every.cumsum(axis=1)[:, looks.first - 1 :]
        earlier = (counts[:, :place] >= upper[:place]).any(axis=1)
        for successes in range(n + 1):
            extreme = earlier | (counts[:, place] >= successes)
            assert tails[place, successes] == pytest.approx(weight[extreme].sum(), abs=1e-12)


def test_fixed_seeds_is_the_least_size_with_the_power():
    n = fixed_seeds(0.05, 0.9, 0.8, 0.95)
    powers = []
    for size in (n - 1, n):
        bound = stats.binom.ppf(0.95, size, 0.8) + 1
        assert stats.binom.sf(bound - 1, size, 0.8) <= 0.05
        powers.append(stats.binom.sf(bound - 1, size, 0.95))
    assert powers[0] < 0.9 <= powers[1]
