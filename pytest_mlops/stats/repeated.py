"""Repeated confidence limits of a rate: at every look an exact limit, all of them together at one level.

The limit after n seeds is that of Clopper and Pearson at a nominal level ``scale * shape[n]``. The scale is the
largest for which, whatever the rate is, the chance that any of the limits ever lies beyond it stays within alpha; it
is found by enumeration. So the limits hold at any stop: Ctrl-C, a budget, a boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from pytest_mlops.stats.binomial import Array, Counts, Walk

_MOST_LOOKS = 60
_HALVINGS = 8
_RANGES = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class RepeatedLimits:
    """Lower limits of the rate of successes by look and number of successes.

    Parameters
    ----------
    looks : ndarray of int, shape (k,)
        Numbers of seeds after which there is a limit; between them the last one stays.
    low : ndarray, shape (k, last + 1)
        Lower limits. Upper limits are those of the other outcome: ``1 - low[look, n - successes]``.
    """

    looks: Counts
    low: Array

    def at(self, successes: Counts) -> tuple[float, float]:
        """Limits after ``len(successes)`` seeds, given the number of successes after each of them."""
        place = int(np.searchsorted(self.looks, len(successes), side="right")) - 1
        if place < 0:
            return 0.0, 1.0
        n = int(self.looks[place])
        s = int(successes[n - 1])
        return float(self.low[place, s]), 1.0 - float(self.low[place, n - s])


def interval_looks(first: int, last: int) -> Counts:
    """Looks at which limits are computed: all of them, or 60 spread evenly on the logarithmic scale."""
    if last - first < _MOST_LOOKS:
        return np.arange(first, last + 1)
    return np.unique(np.geomspace(first, last, _MOST_LOOKS).round().astype(np.int64))


def repeated_limits(
    looks: Counts, *, alpha: float, bar: float = 0.0, upper: Counts | None = None, beyond: float | None = None
) -> RepeatedLimits:
    """Limits for `looks` at one-sided level `alpha`, in harmony with a test.

    Parameters
    ----------
    looks : ndarray of int, shape (k,)
        Numbers of seeds, rising.
    alpha : float
        Largest probability that a lower limit ever lies above the rate.
    bar, upper : float and ndarray of int, optional
        A test of "rate above `bar`" that passes at `upper` successes. Its PASS may raise a limit to `bar`, and that
        is counted: for every rate below `bar`, P(PASS, or a limit above the rate) is at most `alpha`.
    beyond : float, optional
        As `alpha`, for the limits alone, the test not counted; at most `alpha`, the default.
    """
    shape = np.sqrt(looks / looks[-1])
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        limits = _clopper_pearson(looks, middle * alpha * shape)
        fits = _stays_within(alpha if beyond is None else beyond, looks, limits)
        fits = fits and (upper is None or _stays_within(alpha, looks, limits, bar, upper))
        low, high = (middle, high) if fits else (low, middle)
    return RepeatedLimits(looks=looks, low=_clopper_pearson(looks, low * alpha * shape))


def _clopper_pearson(looks: Counts, levels: Array) -> Array:
    """Lower limits, shape (k, last + 1): the rate at which so many successes have the probability of the level."""
    successes = np.arange(looks[-1] + 1)
    n = looks[:, None]
    known = (successes >= 1) & (successes <= n)
    limits = special.betaincinv(
        np.where(known, successes, 1), np.where(known, n - successes + 1, 1), levels[:, None]
    )
    return np.asarray(np.where(known, limits, np.where(successes > n, 1.0, 0.0)))


def _stays_within(
    allowed: float, looks: Counts, limits: Array, bar: float = 1.0, upper: Counts | None = None
) -> bool:
    """Whether P(a limit ever lies above the rate) is at most `allowed` at all rates below `bar`, a PASS counted as one.

    The set of outcomes whose limit lies above the rate changes only where the rate passes one of the limits; between
    them its probability rises with the rate. So the limits themselves are the worst cases. They are looked at in
    ranges: the set of the lowest rate of a range with the probabilities of the highest bounds all of it, and only
    ranges for which this bound is too large are divided.
    """
    inside = limits[(limits > 0) & (limits < bar)]
    rates = np.append(0.0, np.unique(np.append(inside, bar)))
    edges = np.unique(np.linspace(0, len(rates) - 1, _RANGES).round().astype(np.int64))
    begins, ends = edges[:-1], edges[1:]
    while len(begins):
        too_large = _crossing(looks, limits, rates[begins], rates[ends], upper) > allowed
        begins, ends = begins[too_large], ends[too_large]
        # No bound, but the true probability at the highest rate of each range: too large as well, or divide.
        if (_crossing(looks, limits, rates[ends - 1], rates[ends], upper) > allowed).any():
            return False
        parts = [
            np.unique(np.linspace(*pair, 9).round().astype(np.int64))
            for pair in zip(begins, ends, strict=True)
        ]
        begins = np.concatenate([part[:-1] for part in parts]) if parts else begins
        ends = np.concatenate([part[1:] for part in parts]) if parts else ends
    return True


def _crossing(looks: Counts, limits: Array, starts: Array, rates: Array, upper: Counts | None) -> Array:
    """P(at some look the limit lies above the start, or the test passes) under each of `rates`."""
    walk = Walk(rates, int(looks[-1]))
    crossed = np.zeros(len(rates))
    successes = np.arange(walk.alive.shape[1])
    for place, count in enumerate(looks.tolist()):
        walk.go_on(count - walk.n)
        bound = np.searchsorted(limits[place, : count + 1], starts, side="right")
        if upper is not None:
            bound = np.minimum(bound, upper[place])
        out = successes >= bound[:, None]
        crossed += np.where(out, walk.alive, 0.0).sum(axis=1)
        walk.alive[out] = 0.0
    return crossed
