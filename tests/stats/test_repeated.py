import numpy as np
import pytest
from scipy import stats

from pytest_mlops.stats.repeated import interval_looks, repeated_limits


def test_one_look_is_the_limit_of_clopper_and_pearson():
    limits = repeated_limits(np.array([20]), alpha=0.05)
    # The scale is found to within 1/256 below one, as no rate of a discrete law uses all of alpha.
    for successes in (0, 7, 20):
        ci = stats.binomtest(successes, 20).proportion_ci(0.9, method="exact")
        low, high = limits.at(np.append(np.zeros(19, dtype=int), successes))
        assert (low, high) == (pytest.approx(ci.low, abs=2e-3), pytest.approx(ci.high, abs=2e-3))


def test_simulated_rates_lie_within_their_limits_at_every_look():
    looks = np.arange(5, 31)
    limits = repeated_limits(looks, alpha=0.05)
    rng = np.random.default_rng(0)
    for rate in (0.05, 0.3, 0.5, 0.77, 0.95):
        counts = (rng.random((20_000, 30)) < rate).cumsum(axis=1)[:, looks - 1]
        above = (limits.low[np.arange(26), counts] > rate).any(axis=1).mean()
        below = (1 - limits.low[np.arange(26), looks - counts] < rate).any(axis=1).mean()
        assert max(above, below) <= 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 20_000)


def test_less_alpha_beyond_the_bar_makes_wider_limits():
    looks = np.arange(5, 21)
    wide, narrow = (repeated_limits(looks, alpha=0.05, beyond=beyond) for beyond in (0.01, 0.05))
    assert (wide.low <= narrow.low).all()
    assert (wide.low < narrow.low).any()


def test_there_are_no_limits_before_the_first_look():
    limits = repeated_limits(np.arange(5, 9), alpha=0.05)
    assert limits.at(np.array([1, 2, 3])) == (0.0, 1.0)
    assert limits.at(np.arange(1, 9))[0] > 0.4


def test_looks_are_thinned_where_there_are_many():
    assert interval_looks(5, 30).tolist() == list(range(5, 31))
    many = interval_looks(5, 400)
    assert (many[0], many[-1]) == (5, 400)
    assert len(many) <= 60
