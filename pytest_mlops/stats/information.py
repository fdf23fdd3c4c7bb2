"""Boundaries on a clock of information: Gaussian, for looks whose estimates share what more seeds cannot remove.

The exact t-recursion (`recursion.py`) knows contrasts that are independent from seed to seed. Seeds judged on the same
cases are not: the cases' part of the error is common to all of them.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from pytest_mlops.stats.recursion import Array

_FAR = 4.5  # standard errors beyond which nothing happens that is not in the other tail: 3e-6
_PANEL = 3.0  # width of the quadrature's panels in standard deviations of the next step: bounds within 1e-6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


def information_fractions(seeds: Array, case_share: float) -> Array:
    """Information of an estimate after each number of seeds, over that after the last.

    Parameters
    ----------
    seeds : ndarray, shape (n_looks,)
        Numbers of seeds at the looks; the last is the maximum.
    case_share : float
        Share of the variance at the last look that the cases have, in [0, 1].

    Returns
    -------
    ndarray, shape (n_looks,)
        ``(v / N + c) / (v / n + c)`` with v the variance of a seed and c that of the cases.

    Examples
    --------
    >>> information_fractions(np.array([5.0, 30.0]), 0.0).round(4).tolist()
    [0.1667, 1.0]
    >>> information_fractions(np.array([5.0, 30.0]), 0.9).round(4).tolist()
    [0.6667, 1.0]
    """
    fractions = np.asarray(1 / (case_share + (1 - case_share) * seeds[-1] / seeds))
    fractions[-1] = 1.0  # what is kept for the end is spent at one, not at one less a rounding error
    return fractions


def efficacy_bounds(fractions: Array, spent: Array) -> Array:
    """Bounds of z whose first crossings have null probability `spent`, cumulative, at rising `fractions`."""
    bounds = np.full(len(fractions), np.inf)
    walk = Walk(fractions)
    for look, increment in enumerate(np.diff(spent, prepend=0.0)):
        if increment > 0:
            bounds[look] = walk.quantile(increment)
        walk.go_on(-np.inf, bounds[look])
    return bounds


def futility_bounds(fractions: Array, efficacy: Array, lost: Array, drift: float) -> Array:
    """Bounds of z that lose `lost`, cumulative, of the power under `drift`, the mean of z at the last look."""
    bounds = np.full(len(fractions), -np.inf)
    walk = Walk(fractions, drift)
    for look, increment in enumerate(np.diff(lost, prepend=0.0)):
        alive = walk.above(-np.inf)
        if look == len(fractions) - 1 or alive - walk.above(float(efficacy[look])) <= increment:
            bounds[look:] = efficacy[look:]  # what is left cannot be lost any more: the bounds have met
            break
        if increment > 0:
            bounds[look] = walk.quantile(alive - increment)
        walk.go_on(float(bounds[look]), float(efficacy[look]))
    return bounds


def stage_wise_p_value(fractions: Array, efficacy: Array, z: float) -> float:
    """P0(crossing `efficacy` at an earlier look) + P0(none, and at least `z` at the last of `fractions`)."""
    walk = Walk(fractions)
    for bound in efficacy:
        walk.go_on(-np.inf, float(bound))
    return float(1 - walk.above(-np.inf) + walk.above(z))


class Walk:
    """A Brownian motion observed at `fractions` of its time that goes on only between bounds; lives in one function."""

    def __init__(self, fractions: Array, drift: float = 0.0) -> None:
        self._times = fractions
        self._drift = drift
        self._look = 0
        self._places, self._masses = np.zeros(1), np.ones(1)

    def above(self, z: float) -> float:
        """Probability of being alive and at or above `z` at this look."""
        return float((self._masses * special.ndtr(self._mean() - z * self._root() / self._step())).sum())

    def quantile(self, mass: float) -> float:
        """Bound with probability `mass` above it at this look."""
        low, high = -2 * _FAR, 2 * _FAR + self._drift
        for _ in range(32):  # bisection, to 1e-8: nothing here is worth a library's import
            middle = (low + high) / 2
            low, high = (middle, high) if self.above(middle) > mass else (low, middle)
        return (low + high) / 2

    def go_on(self, lower: float, upper: float) -> None:
        """Stop outside the bounds (z) of this look, and move to the next one if there is one."""
        if self._look == len(self._times) - 1:
            return
        root, step = self._root(), self._step()
        low, high = max(lower, -_FAR) * root, min(upper, _FAR + self._drift) * root
        after = np.sqrt(self._times[self._look + 1] - self._times[self._look])
        panels = max(1, int(np.ceil((high - low) / (_PANEL * after))))
        edges = np.linspace(low, high, panels + 1)
        half = (high - low) / panels / 2
        places = (edges[:-1, None] + half * (1 + _NODES)).ravel()
        mean = self._places + self._drift * step**2
        density = np.exp(-0.5 * ((places[:, None] - mean) / step) ** 2) @ self._masses
        self._masses = density * np.tile(half * _WEIGHTS, panels) / (step * np.sqrt(2 * np.pi))
        self._places = places
        self._look += 1

    def _mean(self) -> Array:
        return self._places / self._step() + self._drift * self._step()

    def _root(self) -> float:
        return float(np.sqrt(self._times[self._look]))

    def _step(self) -> float:
        before = self._times[self._look - 1] if self._look else 0.0
        return float(np.sqrt(self._times[self._look] - before))
