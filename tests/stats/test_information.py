"""Gaussian boundaries on a clock of information, against the multivariate normal law and a published table."""

import numpy as np
import pytest
from scipy import special
from scipy.stats import multivariate_normal

from pytest_mlops.stats.information import (
    Walk,
    efficacy_bounds,
    futility_bounds,
    information_fractions,
    stage_wise_p_value,
)

FRACTIONS = np.array([0.3, 0.5, 0.9, 1.0])


def inside(fractions, lower, upper, drift=0.0):
    """P(z between the bounds at all looks) by integration of the joint normal law: no common line with the walk."""
    covariance = np.sqrt(np.minimum.outer(fractions, fractions) / np.maximum.outer(fractions, fractions))
    law = multivariate_normal(drift * np.sqrt(fractions), covariance, abseps=1e-5, releps=1e-5, seed=0)
    return law.cdf(upper, lower_limit=lower)


def test_bounds_spend_what_they_should_by_the_joint_normal_law():
    spent = np.array([0.01, 0.02, 0.04, 0.05])
    bounds = efficacy_bounds(FRACTIONS, spent)
    for look in range(2, 5):
        crossed = 1 - inside(FRACTIONS[:look], np.full(look, -np.inf), bounds[:look])
        assert crossed == pytest.approx(spent[look - 1], abs=2e-5)


def test_bounds_of_pocock_are_reproduced():
    # Pocock (1977), table 1: five equal looks, two-sided alpha 0.05: the bound 2.413 at each look. Both sides together
    # are crossed with 0.05, one side with a half of that (both in one study: less than 1e-4).
    walk = Walk(np.arange(1, 6) / 5)
    crossed = 0.0
    for _ in range(5):
        crossed += walk.above(2.413)
        walk.go_on(-np.inf, 2.413)
    assert crossed == pytest.approx(0.025, abs=1e-4)


def test_futility_loses_what_it_should_by_the_joint_normal_law():
    upper = np.array([3.0, 2.6, 2.2, 2.0])
    lost = np.array([0.01, 0.03, 0.06, 0.08])
    lower = futility_bounds(FRACTIONS, upper, lost, drift=3.0)
    assert lower[-1] == upper[-1]
    first = special.ndtr(lower[0] - 3.0 * np.sqrt(0.3))
    second = inside(FRACTIONS[:2], np.array([lower[0], -np.inf]), np.array([upper[0], lower[1]]), 3.0)
    third = inside(FRACTIONS[:3], np.array([*lower[:2], -np.inf]), np.array([*upper[:2], lower[2]]), 3.0)
    assert np.cumsum([first, second, third]) == pytest.approx(lost[:3], abs=1e-4)


def test_looks_that_tell_almost_nothing_new_are_nearly_one_look():
    fractions = information_fractions(np.arange(5.0, 31.0), 0.98)
    bounds = efficacy_bounds(fractions, 0.05 * fractions)
    assert bounds[0] == pytest.approx(-special.ndtri(0.05 * fractions[0]))
    law = np.random.default_rng(5)
    steps = law.normal(size=(200_000, 26)) * np.sqrt(np.diff(fractions, prepend=0))
    z = np.cumsum(steps, axis=1) / np.sqrt(fractions)
    assert (z >= bounds).any(axis=1).mean() == pytest.approx(0.05, abs=3.5 * np.sqrt(0.05 * 0.95 / 200_000))


def test_a_p_value_at_the_bound_is_what_was_spent():
    spent = np.array([0.01, 0.02, 0.04, 0.05])
    bounds = efficacy_bounds(FRACTIONS, spent)
    for look in range(4):
        p = stage_wise_p_value(FRACTIONS[: look + 1], bounds[:look], float(bounds[look]))
        assert p == pytest.approx(spent[look], abs=1e-5)  # what lies beyond 4.5 standard errors is cut off


def test_information_grows_to_one():
    fractions = information_fractions(np.arange(5.0, 31.0), 0.4)
    assert (np.diff(fractions) > 0).all()
    assert fractions[-1] == 1
    # By hand: c = 0.4 and v = 0.6 * 30 = 18, so 1 / (18 / 5 + 0.4) over 1 / (18 / 30 + 0.4) is a quarter.
    assert fractions[0] == pytest.approx(0.25)
