"""The design of an exact test of a rate: which spending of alpha costs least. No outcomes are judged here.

Because successes come in whole numbers, no spending function suits every bar: alpha 0.05 against a bar of 0.8 can be
spent at 14 clean seeds, or at 15 clean seeds and again at 25 with one failure, and the two cost different numbers of
seeds. So a few spending functions are tried for each design, which takes milliseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from operator import itemgetter

import numpy as np
from scipy import special

from pytest_mlops.stats.binomial import (
    Array,
    Counts,
    Looks,
    curtailment_bounds,
    efficacy_bounds,
    fail_bounds,
    futility_bounds,
    power_and_seeds,
)
from pytest_mlops.stats.spending import HwangShihDeCani, default_spending

_GAMMAS, _HELD = (1.0, 3.0, 5.0), (0.0, 0.3)
_GRID = 64  # rates at which a candidate's power is computed: between them it is interpolated, to compare candidates
_FINALISTS = 2
_HALVINGS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class RateDesign:
    """What is asked for: a claim "the rate of successes lies above `bar`", its error levels and looks."""

    bar: float
    alpha: float
    power: float
    looks: Looks


@dataclass(frozen=True, kw_only=True, slots=True)
class RateBounds:
    """A design as it is judged by: bounds on successes at each look, and the rate that it can show.

    `impossible` are the curtailment bounds: at or below them no further seed could bring PASS.
    """

    looks: Looks
    upper: Counts
    lower: Counts
    impossible: Counts
    detectable_rate: float


def seeds_needed(bar: float, alpha: float) -> int:
    """Fewest seeds that can show a rate above `bar`: with that many successes in a row the claim passes.

    Parameters
    ----------
    bar : float
        Rate of successes that is to be exceeded, in (0, 1). For a claim "below 5 %" successes are the other
        outcome: the bar is 0.95.
    alpha : float
        One-sided level in (0, 1).

    Returns
    -------
    int
        The least n with ``bar ** n <= alpha``.

    Examples
    --------
    >>> seeds_needed(0.95, 0.05), seeds_needed(0.8, 0.05), seeds_needed(0.5, 0.05)
    (59, 14, 5)
    """
    n = max(1, math.floor(math.log(alpha) / math.log(bar)))
    while bar**n > alpha:
        n += 1
    return n


def seeds_at_least(bar: float, rate: float, alpha: float, power: float) -> float:
    """Fewest seeds with which a single exact binomial test would show a rate above `bar`: a sequence of looks needs more.

    Parameters
    ----------
    bar : float
        Rate of successes that is to be exceeded, in (0, 1).
    rate : float
        True rate of successes.
    alpha, power : float
        One-sided level, and P(PASS) at that rate.

    Returns
    -------
    float
        Infinity where the rate is not above the bar, or more than 10,000 would be needed.

    Examples
    --------
    >>> seeds_at_least(0.8, 0.95, 0.05, 0.9), seeds_at_least(0.8, 0.8, 0.05, 0.9)
    (44.0, inf)
    """
    if rate <= bar:
        return math.inf
    n = np.arange(1, 10_001)
    # P(more than c | bar) <= alpha for the least such c.
    c = np.ceil(special.bdtrik(1 - alpha, n, bar))
    enough = np.flatnonzero((special.bdtrc(np.minimum(c, n - 1), n, min(rate, 1.0)) >= power) & (c < n))
    return float(n[enough[0]]) if len(enough) else math.inf


@lru_cache(maxsize=256)
def rate_bounds(design: RateDesign) -> RateBounds:
    """Solve a design; ``bar ** looks.last <= alpha`` must hold, or nothing could pass."""
    looks = design.looks
    found: dict[bytes, Counts] = {}
    for spending in _spendings(looks):
        upper = efficacy_bounds(design.bar, looks, design.alpha * spending(looks.seeds / looks.last))
        found.setdefault(upper.tobytes(), upper)
    candidates = sorted(found.values(), key=lambda upper: _quick_cost(design, upper))
    _, best = min((_with_futility(design, upper) for upper in candidates[:_FINALISTS]), key=itemgetter(0))
    for array in (best.upper, best.lower, best.impossible):
        array.setflags(write=False)
    return best


@lru_cache(maxsize=256)
def rate_fail_bounds(design: RateDesign, alpha: float) -> Counts:
    """FAIL bounds of a design at level `alpha`, which may be less than its own: see `fail_bounds`."""
    bounds = rate_bounds(design)
    fail = fail_bounds(design.bar, bounds.looks, bounds.upper, bounds.lower, alpha)
    fail.setflags(write=False)
    return fail


def fixed_seeds(alpha: float, power: float, bar: float, rate: float) -> int:
    """Seeds of the one-look exact binomial test that has `power` at `rate`: what sequential designs are measured by.

    Examples
    --------
    >>> fixed_seeds(0.05, 0.9, 0.8, 0.95)
    44
    """
    n = seeds_needed(bar, alpha)
    while True:
        successes = np.arange(n + 1)
        tail = np.append(1.0, special.bdtrc(successes[:-1], n, bar))
        bound = int(np.flatnonzero(tail <= alpha)[0])
        if float(special.bdtrc(bound - 1, n, rate)) >= power:
            return n
        n += 1


def _spendings(looks: Looks) -> list[HwangShihDeCani]:
    starts = (0.0, (looks.first - 0.75) / looks.last)
    # The more seeds, the finer the steps, the less the choice matters, and the longer each trial takes.
    gammas = _GAMMAS if looks.last <= 200 else (3.0,)
    return [HwangShihDeCani(*choice) for choice in product(gammas, starts, _HELD)]


def _with_futility(design: RateDesign, upper: Counts) -> tuple[float, RateBounds]:
    """Cost of a candidate, and its bounds: futility is solved so that its detectable rate passes with `power`."""
    looks, power = design.looks, design.power
    spent = (1 - power) * default_spending(looks.first, looks.last).futility(looks.seeds / looks.last)
    impossible = curtailment_bounds(looks, upper)
    # Futility costs power, so that the rate lies above the one that curtailment alone can show.
    low, high = _rate_with_power(design, upper, impossible), 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        _, lost = futility_bounds(middle, looks, upper, spent)
        low, high = (middle, high) if lost > 1 - power else (low, middle)
    lower, _ = futility_bounds(high, looks, upper, spent)
    rate = _rate_with_power(design, upper, lower)
    _, seeds = power_and_seeds(_compared(design.bar, rate), looks, upper, lower)
    bounds = RateBounds(looks=looks, upper=upper, lower=lower, impossible=impossible, detectable_rate=rate)
    return float(seeds.mean()) / _normal_seeds(design, rate), bounds


def _rate_with_power(design: RateDesign, upper: Counts, lower: Counts) -> float:
    """Least rate that passes with the power of the design: P(PASS) rises with the rate."""
    low, high = design.bar, 1.0
    for _ in range(6):  # 64 rates at a time: 10 digits
        rates = np.linspace(low, high, _GRID)
        passed, _ = power_and_seeds(rates, design.looks, upper, lower)
        place = max(1, int(np.argmax(passed >= design.power)))
        low, high = float(rates[place - 1]), float(rates[place])
    return high


def _quick_cost(design: RateDesign, upper: Counts) -> float:
    """Cost of a candidate with curtailment only, interpolated between the rates of a grid."""
    angles = np.linspace(math.asin(math.sqrt(design.bar)), math.pi / 2, _GRID)
    impossible = curtailment_bounds(design.looks, upper)
    passed, seeds = power_and_seeds(np.sin(angles) ** 2, design.looks, upper, impossible)
    rate = math.sin(float(np.interp(design.power, passed, angles))) ** 2
    compared = np.arcsin(np.sqrt(_compared(design.bar, rate)))
    return float(np.interp(compared, angles, seeds).mean()) / _normal_seeds(design, rate)


def _compared(bar: float, rate: float) -> Array:
    """Rates at which designs are compared: no effect, the detectable one, and one and a half times that (arcsine scale)."""
    low, high = math.asin(math.sqrt(bar)), math.asin(math.sqrt(rate))
    return np.array([bar, rate, math.sin(min(low + 1.5 * (high - low), math.pi / 2)) ** 2])


def _normal_seeds(design: RateDesign, rate: float) -> float:
    """Size of the one-look test by the arcsine approximation: smooth, where the exact size jumps."""
    effect = 2 * (math.asin(math.sqrt(rate)) - math.asin(math.sqrt(design.bar)))
    quantiles = special.ndtri(1 - design.alpha) + special.ndtri(design.power)
    return float((quantiles / effect) ** 2)
