"""Bounds of a sequential test whose error has a part that more seeds cannot remove: the exact ones, on another clock."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from pytest_mlops.stats.information import (
    efficacy_bounds,
    futility_bounds,
    information_fractions,
    stage_wise_p_value,
)
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

_SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.78, 0.84, 0.88, 0.91, 0.935, 0.955, 0.97, 0.98)
"""Case shares at which bounds are computed; between them they are interpolated (within 0.006), beyond them the last."""
_MOST_LOOKS = 100  # of the Gaussian design: it gives the difference that the clock makes, which is smooth
_NEVER = 38.0  # standard errors: no float is beyond


def bounds_at(test: SequentialTest, look: int, share: float) -> tuple[float, float]:
    """Efficacy and futility bound at a look, as quantiles of the standard normal.

    Parameters
    ----------
    test : SequentialTest
        The design for seeds alone.
    look : int
        Place of the look in ``test.looks``.
    share : float
        Share of the variance at ``max_seeds`` that the cases have, in [0, 1].

    Returns
    -------
    efficacy, futility : float
        For no share the exact bounds of `test`; otherwise these, moved by what the same spending on a clock of
        information moves Gaussian bounds. A t-statistic on any degrees of freedom is compared at its own quantile.

    Notes
    -----
    Estimates after n seeds on the same cases have the variance ``v / n + c`` and, between looks, the covariance of
    the later one's variance: the canonical joint law of group-sequential tests with information ``1 / (v / n + c)``
    (Jennison and Turnbull). So spending follows that information over its maximum (Lan and DeMets).

    Examples
    --------
    >>> test = SequentialTest()
    >>> [round(bounds_at(test, 0, share)[0], 2) for share in (0.0, 0.5, 0.98)]
    [2.63, 2.05, 1.67]
    """
    exact = _exact(test)[:, look].tolist()
    here = _gaussian(test, share)
    moved = [
        float(np.interp(test.looks[look], here[0], here[side] - _node(test, 0)[side])) for side in (1, 2)
    ]
    efficacy, futility = exact[0] + moved[0], exact[1] + moved[1]
    last = look == len(test.looks) - 1
    return efficacy, efficacy if last else min(efficacy, futility)


def p_value_at(test: SequentialTest, look: int, share: float, z: float) -> float:
    """Stage-wise p-value of a statistic at a look, futility ignored; `z` is its quantile of the standard normal."""
    seeds, efficacy, _ = _gaussian(test, share)
    n = float(test.looks[look])
    gaussian = float(np.interp(n, seeds, _node(test, 0)[1]))
    before = seeds < n
    places = np.append(seeds[before], n)
    fractions = (
        information_fractions(places, share)
        * (information_fractions(np.array([n, float(test.looks[-1])]), share)[0])
    )
    return stage_wise_p_value(fractions, efficacy[before], z - _exact(test)[0, look] + gaussian)


def _share_at(test: SequentialTest, n: float, share: float) -> float:
    """Share of the variance that the cases have after n seeds, from that after the last."""
    return share / (share + (1 - share) * float(test.looks[-1]) / n)


def _gaussian(test: SequentialTest, share: float) -> tuple[Array, Array, Array]:
    """Seeds at its looks, efficacy and futility bounds of the Gaussian design."""
    above = int(np.clip(np.searchsorted(_SHARES, share), 1, len(_SHARES) - 1))
    low, high = _SHARES[above - 1], _SHARES[above]
    weight = float(np.clip((share - low) / (high - low), 0, 1))
    if weight == 0:
        return _node(test, above - 1)
    left, right = _node(test, above - 1), _node(test, above)
    return left[0], (1 - weight) * left[1] + weight * right[1], (1 - weight) * left[2] + weight * right[2]


@lru_cache(maxsize=256)
def _node(test: SequentialTest, place: int) -> tuple[Array, Array, Array]:
    share = _SHARES[place]
    looks = test.looks
    few = np.unique(np.rint(np.geomspace(1, len(looks), _MOST_LOOKS)).astype(int)) - 1
    seeds = (looks if len(looks) <= _MOST_LOOKS else looks[few]).astype(np.float64)
    fractions = information_fractions(seeds, share)
    spending = test.used_spending
    efficacy = efficacy_bounds(fractions, test.alpha * spending.efficacy(fractions))
    # The drift with exactly the power would cost a search, and give up sooner: 3 points of power more at 50 patients.
    drift = (1 - share) * test.detectable_effect * float(np.sqrt(looks[-1])) + share * single_drift(test)
    futility = futility_bounds(fractions, efficacy, (1 - test.power) * spending.futility(fractions), drift)
    return seeds, _finite(efficacy), _finite(futility)


def single_drift(test: SequentialTest) -> float:
    """Mean of the statistic at which one look has the power: where there are no seeds, only cases."""
    return float(-special.ndtri(test.alpha) + special.ndtri(test.power))


@lru_cache(maxsize=32)
def _exact(test: SequentialTest) -> Array:
    """Bounds of the t-statistic as quantiles of the standard normal, shape (2, n_looks)."""
    tails = special.stdtr(test.looks - 1, -np.stack([test.efficacy, test.futility]))
    return _finite(-special.ndtri(tails))


def _finite(bounds: Array) -> Array:
    return np.asarray(np.clip(bounds, -_NEVER, _NEVER))
