"""The estimate after a sequence stopped: a mean looked at until it was large is too large. No verdict depends on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import special

from pytest_mlops.stats import design
from pytest_mlops.stats.decision import Decision
from pytest_mlops.stats.design import Cells
from pytest_mlops.stats.recursion import Survival, likelihood_ratio, state_of_t
from pytest_mlops.stats.sequential import SequentialTest

_LARGE = 30.0  # t-statistic from which on the ratio of the two scales is at its limit
_SMALL = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class MedianUnbiased:
    """Estimates that lie above and below the truth equally often, with the stopping rule counted.

    Parameters
    ----------
    mean : float
        Approximately median-unbiased estimate of the mean contrast, in its units.
    effect : float
        Median-unbiased estimate of mean over standard deviation; exact for Gaussian contrasts.
    """

    mean: float
    effect: float


def median_unbiased(test: SequentialTest, decision: Decision) -> MedianUnbiased | None:
    """Estimate the mean contrast of a claim that stopped, with the way it stopped taken into account.

    Parameters
    ----------
    test : SequentialTest
        The design that decided.
    decision : Decision
        What `SequentialTest.decide` gave; a sequence that goes on counts as stopped at its last look.

    Returns
    -------
    MedianUnbiased or None
        None before the first look and where the contrasts have no spread.

    Notes
    -----
    In the stage-wise ordering of Tsiatis, Rosner and Mehta (1984), extended to both boundaries, the effect is
    solved for at which an outcome at least this high, a PASS at an earlier look or a t-statistic at least this
    large at this one, has probability one half. That law holds whatever the standard deviation, so `effect` is exact.
    `mean` is `effect` times the standard deviation that would give the raw mean at one look, an approximation: it
    takes the spread as if the stop had told nothing of it. Its median bias is within 0.03 standard deviations where
    that of the raw mean is -0.13 to +0.08 (`benchmarks/other_methods.py`). A PASS at the first look gives the raw mean.

    Examples
    --------
    >>> test = SequentialTest()
    >>> decision = test.decide([0.9, 1.4, -0.4, 0.6, 0.1, 1.3, 1.2, 0.4, 1.0])
    >>> found = median_unbiased(test, decision)
    >>> decision.n, round(decision.estimate, 3), round(found.mean, 3)
    (8, 0.688, 0.65)
    """
    if decision.sd is None or decision.statistic is None:
        return None
    place = int(np.searchsorted(test.looks, decision.n, side="right")) - 1
    n = int(test.looks[place])
    t = decision.estimate / (decision.sd / math.sqrt(n))
    alone = _effect_at_one_look(t, n)
    if place == 0:
        return MedianUnbiased(mean=decision.estimate, effect=alone)
    effect = _solve_half(test, place, t)
    held = math.copysign(min(max(abs(t), _SMALL), _LARGE), t)
    spread = decision.sd * (held / math.sqrt(n)) / _effect_at_one_look(held, n)
    return MedianUnbiased(mean=effect * spread, effect=effect)


def _effect_at_one_look(t: float, n: int) -> float:
    """Effect under which the t-statistic of n contrasts has the median `t`."""
    held = min(abs(t), _LARGE)
    if held == 0:
        return 0.0
    found = float(special.nctdtrinc(n - 1, 0.5, held)) / math.sqrt(n)
    return math.copysign(found * (abs(t) / held), t)


def _solve_half(test: SequentialTest, place: int, t: float) -> float:
    """Effect under which an outcome at least as high as `t` at this look has probability one half."""
    from scipy.optimize import brentq  # ~0.1 s to import, and needed only for a report

    looks, survivals = _looks(test)
    survival = survivals[place]
    state = min(max(float(state_of_t(t, survival.n)), survival.low), survival.high)
    states, weights = survival.cell(state, survival.high)

    def excess(effect: float) -> float:
        effects = np.array([effect])
        earlier = sum(float(look.probability(look.high, effects)[0]) for look in looks[:place])
        here = float(likelihood_ratio(states, survival.n, effects[:, None])[0] @ weights)
        return earlier + here - 0.5

    low = high = t / math.sqrt(survival.n)
    step = 0.3
    while excess(low) > 0:
        low, step = low - step, 2 * step
    step = 0.3
    while excess(high) < 0:
        high, step = high + step, 2 * step
    return float(brentq(excess, low, high, xtol=1e-6)) if low < high else low


@lru_cache(maxsize=32)
def _looks(test: SequentialTest) -> tuple[list[Cells], list[Survival]]:
    """Every look under the tool's own stopping, as quadrature and as survival."""
    return design.cells(test.bounds), list(design.survivals(test.bounds, binding=True))
