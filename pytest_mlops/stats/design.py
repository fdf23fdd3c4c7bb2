"""Boundaries from spending, and what a design costs. No contrasts are judged here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pytest_mlops.stats.recursion import Array, Below, Survival, likelihood_ratio, state_of_t, t_of_state

_NOTHING = 1e-11  # spending less than this at a look is spending nothing there


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """A design as it is judged by: t-statistic bounds at each look, and what they were solved for."""

    looks: NDArray[np.int64]
    efficacy: Array
    futility: Array
    detectable_effect: float
    fail_level: float


def solve_bounds(
    alpha: float, power: float, seeds: NDArray[np.int64], efficacy: Array, futility: Array
) -> Bounds:
    """Solve the boundaries of a design.

    Parameters
    ----------
    alpha, power : float
        One-sided level, futility ignored, and power at the effect that is solved for.
    seeds : ndarray of int, shape (k,)
        Every n at which the design may look, consecutive; the last is the maximum.
    efficacy, futility : ndarray, shape (k,)
        Cumulative shares of alpha and of ``1 - power`` spent at `seeds`; both end at 1.

    Returns
    -------
    Bounds
        Looks at which nothing is spent are left out.
    """
    used = (_increments(efficacy) > _NOTHING) | (_increments(futility) > _NOTHING)
    used[-1] = True
    looks = seeds[used]
    upper = efficacy_bounds(looks, alpha * efficacy[used])
    shares = (1 - power) * futility[used]
    effect = _solve_effect(looks, upper, shares, alpha, power)
    lower, _ = futility_bounds(looks, upper, shares, effect)
    level = fail_level(alpha, looks, upper, lower)
    return Bounds(looks=looks, efficacy=upper, futility=lower, detectable_effect=effect, fail_level=level)


def efficacy_bounds(looks: NDArray[np.int64], spent: Array) -> Array:
    """t-statistic bounds whose first crossings have null probability `spent`, cumulative, futility ignored."""
    bounds = np.full(len(looks), np.inf)
    course = Course(looks)
    for place, increment in enumerate(_increments(spent)):
        if increment > _NOTHING:
            below = course.survival.below()
            bounds[place] = t_of_state(below.solve(below.total - increment), int(looks[place]))
        course.go_on(-np.inf, bounds[place])
    return bounds


def futility_bounds(
    looks: NDArray[np.int64], efficacy: Array, spent: Array, effect: float
) -> tuple[Array, float]:
    """t-statistic bounds that lose `spent`, cumulative, of the power under `effect`; and what is lost too much.

    The last bound is the efficacy bound: the second value is the total probability of not passing minus
    ``spent[-1]``. It is negative when the two bounds meet before the last look.
    """
    bounds = np.full(len(looks), -np.inf)
    course = Course(looks)
    lost = 0.0
    for place, increment in enumerate(_increments(spent)):
        n = int(looks[place])
        below = course.survival.below(effect)
        failing = float(below(state_of_t(efficacy[place], n)))
        if place == len(looks) - 1 or failing <= increment:
            bounds[place:] = efficacy[place:]
            return bounds, lost + failing - float(spent[-1])
        if increment > _NOTHING:
            bounds[place] = t_of_state(below.solve(increment), n)
            lost += increment
        course.go_on(bounds[place], efficacy[place])
    raise AssertionError("a design has at least one look")


class Course:
    """Survival carried from look to look; the one mutable thing of this room, it lives inside one function."""

    def __init__(self, looks: NDArray[np.int64]) -> None:
        self._rest = [int(n) for n in looks[1:]]
        self.survival = Survival.start(int(looks[0]))

    def go_on(self, futility: float, efficacy: float) -> None:
        """Stop outside the bounds (t-statistics) of this look, and move to the next one if there is one."""
        if not self._rest:
            return
        n = self.survival.n
        low, high = float(state_of_t(futility, n)), float(state_of_t(efficacy, n))
        self.survival = self.survival.advance(low, high)
        after = self._rest.pop(0)
        while self.survival.n < after:
            self.survival = self.survival.advance(-np.inf, np.inf)


def survivals(bounds: Bounds, *, binding: bool) -> Iterator[Survival]:
    """Survival at each look, with futility stopping (`binding`) or with futility ignored."""
    course = Course(bounds.looks)
    for futility, efficacy in zip(bounds.futility, bounds.efficacy, strict=True):
        yield course.survival
        course.go_on(float(futility) if binding else -np.inf, float(efficacy))


def null_distributions(bounds: Bounds) -> list[Below]:
    """P(no earlier crossing, state below u) at each look under a mean of zero, futility ignored."""
    return [survival.below() for survival in survivals(bounds, binding=False)]


@dataclass(frozen=True, slots=True)
class Cells:
    """Quadrature of one look: states and null weights where it stops low, goes on, and passes."""

    n: int
    low: tuple[Array, Array]
    alive: tuple[Array, Array]
    high: tuple[Array, Array]

    def probability(self, cell: tuple[Array, Array], effects: Array) -> Array:
        """Probability of a `cell` under each of `effects`, shape (k,)."""
        states, weights = cell
        return np.asarray(likelihood_ratio(states, self.n, effects[:, None]) @ weights)


def cells(bounds: Bounds) -> list[Cells]:
    """Quadrature of all looks with the tool's own stopping: futility stops, the last look stops everything."""
    result = []
    places = zip(survivals(bounds, binding=True), bounds.futility, bounds.efficacy, strict=True)
    for survival, futility, efficacy in places:
        low, high = float(state_of_t(futility, survival.n)), float(state_of_t(efficacy, survival.n))
        parts = [(survival.low, low), (low, high), (high, survival.high)]
        result.append(Cells(survival.n, *(survival.cell(*part) for part in parts)))
    return result


def power_at(looks: list[Cells], effects: Array) -> Array:
    """P(PASS) under each of `effects`, shape (k,), futility counted."""
    stopped = sum((look.probability(look.low, effects) for look in looks), np.zeros(len(effects)))
    passed = sum((look.probability(look.high, effects) for look in looks), np.zeros(len(effects)))
    # Far states are cut off on the side where nothing happens; so take the side that is all there.
    return np.asarray(np.clip(np.where(effects > 0, 1 - stopped, passed), 0, 1))


def expected_seeds(looks: list[Cells], effects: Array) -> Array:
    """Mean number of seeds at the decision under each of `effects`, shape (k,)."""
    seeds = np.full(len(effects), float(looks[0].n))
    for look, after in pairwise(looks):
        seeds += (after.n - look.n) * look.probability(look.alive, effects)
    return seeds


def fixed_seeds(alpha: float, power: float, effect: float) -> float:
    """Real-valued n at which one t-test at `alpha` has `power` at `effect`: what sequential designs are measured by.

    Examples
    --------
    >>> round(fixed_seeds(0.05, 0.9, 0.546), 1)
    30.1
    """

    def missing(n: float) -> float:
        bound = float(special.stdtrit(n - 1, 1 - alpha))
        return float(special.nctdtr(n - 1, effect * math.sqrt(n), bound)) - (1 - power)

    return _root(missing, 2.0, 4 + 40 * (1 + 1 / effect) ** 2)


def _solve_effect(looks: NDArray[np.int64], upper: Array, shares: Array, alpha: float, power: float) -> float:
    def excess(effect: float) -> float:
        return futility_bounds(looks, upper, shares, effect)[1]

    # Known variance, one look, times what sequential designs of this kind cost: most are within 6 % of it.
    guess = -1.34 * float(special.ndtri(alpha) + special.ndtri(1 - power)) / math.sqrt(looks[-1])
    low = high = max(guess, 1e-3)
    factor = 1.04
    if excess(low) > 0:
        while excess(high := high * factor) > 0:
            low, factor = high, factor**2
    else:
        while excess(low := low / factor) < 0:
            high, factor = low, factor**2
    return _root(excess, low, high)


def fail_level(alpha: float, looks: NDArray[np.int64], upper: Array, lower: Array) -> float:
    """Level a* at which P(stopped without PASS, T <= -t(1 - a*)) is alpha under zero, or one half if never."""
    bounds = Bounds(looks=looks, efficacy=upper, futility=lower, detectable_effect=0.0, fail_level=0.0)
    stops = [survival.below() for survival in survivals(bounds, binding=True)]

    def excess(level: float) -> float:
        worst = np.minimum(special.stdtrit(looks - 1, level), lower)
        places = zip(stops, worst, looks, strict=True)
        return sum(float(below(state_of_t(t, int(n)))) for below, t, n in places) - alpha

    return 0.5 if excess(0.5) <= 0 else _root(excess, alpha / 100, 0.5)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    from scipy.optimize import brentq  # ~0.1 s to import, and needed only where nothing is cached

    return float(brentq(function, low, high, xtol=1e-9, rtol=1e-9))


def _increments(cumulative: Array) -> Array:
    return np.diff(cumulative, prepend=0.0)
