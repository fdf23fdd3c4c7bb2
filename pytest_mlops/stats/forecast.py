"""When a claim will stop, told by its pilot: the sequence is continued many times by what the pilot leaves possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlops.stats.checks import checked_outcomes
from pytest_mlops.stats.discordant import DiscordantTest
from pytest_mlops.stats.equivalence import merged
from pytest_mlops.stats.judge import PASS, checked_contrasts
from pytest_mlops.stats.rates import RateTest
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

DRAWS = 4000
"""Continuations: the mean number of pairs is then known to about 0.15 with up to 30 of them."""
_SEED = 20261123  # a forecast is a function of the pilot, not of the day
_SCALE = 0.5**0.5  # of the Cauchy prior for the standardised effect
_PRIOR = 0.5  # Jeffreys' for shares: half an outcome of each kind

Course = tuple[NDArray[np.int64], NDArray[np.bool_]]
"""Of every continuation where it stops and whether it passes there, each of shape (draws,)."""


@dataclass(frozen=True, kw_only=True)
class Contrasts:
    """A claim about a mean, by the t-test.

    Parameters
    ----------
    test : SequentialTest
        The design.
    known : array_like, shape (n,)
        Contrasts of the pairs that are known, the margin taken off; none, or at least 2 that vary.
    guard : bool
        Whether skewness is guarded against, as in `SequentialTest.decide`.
    room : array_like, shape (n,), optional
        Of an equivalence: how far from zero the mean may be; `known` is then the difference minus the middle.
    counts : bool
        Whether the known pairs are the sequence's first ones; otherwise they only tell of it.
    """

    test: SequentialTest
    known: ArrayLike
    guard: bool = False
    room: ArrayLike | None = None
    counts: bool = True

    def __post_init__(self) -> None:
        values = checked_contrasts(self.known)
        if values.ndim != 1 or len(values) == 1 or (len(values) and not np.ptp(values) > 0):
            raise ValueError(
                f"known={self.known!r} must be no contrast, or at least 2 that vary: they tell the spread"
            )
        if self.room is not None and not len(values):
            raise ValueError("an equivalence without any pair known tells nothing of how often it will stop")

    @property
    def most(self) -> int:
        """Pairs at the most."""
        return int(self.test.looks[-1])

    def courses(self, rng: np.random.Generator, draws: int) -> Course:
        """Continue by Gaussian contrasts, their mean and spread drawn from what the known ones leave possible.

        Where no pair is known, half of the continuations have no effect, and half the one that the test detects.
        """
        values = checked_contrasts(self.known)
        n = len(values)
        if n:
            mean, sd = _means_and_spreads(values, rng, draws)
        else:
            mean, sd = self.test.detectable_effect * (np.arange(draws, dtype=np.float64) % 2), np.ones(draws)
        first = values if self.counts else values[:0]
        shape = (draws, max(0, self.most - len(first)))
        to_come = mean[:, None] + sd[:, None] * rng.standard_normal(shape)
        whole = np.hstack([np.broadcast_to(first, (draws, len(first))), to_come])[:, : self.most]
        if self.room is None:
            judged = self.test.judge(whole, guard=self.guard)
            return judged.n, judged.verdict == PASS
        seen = np.asarray(self.room, dtype=np.float64)
        room = np.append(seen[: len(first)], np.full(shape[1], seen.mean()))[: self.most]
        sides = [self.test.judge(side, parts=2, guard=self.guard) for side in (whole + room, room - whole)]
        verdict, stop = merged(*sides)
        return stop, verdict == PASS


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """A claim on yes/no metrics, by its exact test.

    Parameters
    ----------
    test : RateTest or DiscordantTest
        The design.
    known : array_like of bool
        Outcomes of the pairs that are known, shape (n,) for a rate against a bar, (n, 2) for two rates.
    counts : bool
        As in `Contrasts`.
    """

    test: RateTest | DiscordantTest
    known: ArrayLike
    counts: bool = True

    @property
    def most(self) -> int:
        """Pairs at the most."""
        return int(self.test.max_seeds)

    def courses(self, rng: np.random.Generator, draws: int) -> Course:
        """Continue by outcomes whose shares are drawn from what the known ones leave possible, under Jeffreys' prior."""
        arms = 2 if isinstance(self.test, DiscordantTest) else 1
        given = checked_outcomes("known", self.known).reshape(-1, arms)
        kinds = given @ (2 ** np.arange(arms))
        shares = rng.dirichlet(np.bincount(kinds, minlength=2**arms) + _PRIOR, draws)
        ends = shares.cumsum(axis=1)[:, None, :-1]
        first = kinds if self.counts else kinds[:0]
        drawn = (rng.random((draws, max(0, self.most - len(first)), 1)) > ends).sum(axis=-1)
        whole = np.hstack([np.broadcast_to(first, (draws, len(first))), drawn])[:, : self.most]
        outcomes = (whole[..., None] >> np.arange(arms) & 1).astype(bool)
        judged = self.test.judge(outcomes if arms == 2 else outcomes[..., 0])
        return judged.n, judged.verdict == PASS


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """How many pairs a claim will take, and whether it will pass.

    Parameters
    ----------
    stops : ndarray, shape (most + 1,)
        Probability that it stops after so many pairs.
    power : float
        P(PASS).
    """

    stops: Array
    power: float

    @property
    def mean(self) -> float:
        """Pairs on average."""
        return float(self.stops @ np.arange(len(self.stops)))

    def quantile(self, share: float) -> int:
        """Fewest pairs that are enough with probability `share`."""
        return int(np.searchsorted(self.stops.cumsum(), share - 1e-9))


def forecast(parts: Sequence[Contrasts | Outcomes], *, draws: int = DRAWS) -> Forecast:
    """Say when a claim will stop, from the pairs that are known.

    Every part of the claim is continued `draws` times, by what its known pairs leave possible, and judged by its own
    test; pairs that are known count, as they will when it is judged. No verdict comes of it.

    Parameters
    ----------
    parts : sequence of Contrasts or Outcomes
        At least one; all of them have to hold. They are continued independently of each other.
    draws : int
        Continuations.

    Returns
    -------
    Forecast
        The same for the same pilot.

    Raises
    ------
    ValueError
        If there is no part.

    Notes
    -----
    The predictive distribution. Of a mean: Jeffreys' prior for the spread, and for the standardised effect a Cauchy one
    with scale ``sqrt(1/2)`` around zero, the default of Bayesian t-tests; of shares Jeffreys' prior. ``benchmarks/plans.py``
    measures it: averaged over true effects from minus a half to twice the detectable one it is right to a few per cent
    after three pairs. For a single true effect it lies between that one's cost and the average: three pairs tell little.

    References
    ----------
    J. N. Rouder, P. L. Speckman, D. Sun, R. D. Morey and G. Iverson (2009), Bayesian t tests for accepting and rejecting
    the null hypothesis, Psychonomic Bulletin and Review 16, 225-237 (the prior; its scale is that of the R package
    BayesFactor).

    Examples
    --------
    >>> found = forecast([Contrasts(test=SequentialTest(), known=[0.02, 0.03, 0.025])])
    >>> found.quantile(0.1), round(found.mean, 1), round(found.power, 1)
    (5, 6.0, 1.0)
    """
    if not parts:
        raise ValueError("a claim has at least one part")
    rng = np.random.default_rng(_SEED)
    most = max(part.most for part in parts)
    last, ended, holds = np.zeros(draws, dtype=np.int64), np.full(draws, most), np.ones(draws, dtype=bool)
    for part in parts:
        stop, passed = part.courses(rng, draws)
        last = np.maximum(last, stop)
        ended = np.minimum(ended, np.where(passed, most, stop))
        holds &= passed
    stop = np.where(holds, last, ended)
    return Forecast(stops=np.bincount(stop, minlength=most + 1) / draws, power=float(holds.mean()))


def _means_and_spreads(values: Array, rng: np.random.Generator, draws: int) -> tuple[Array, Array]:
    """Draws from what `values` leave possible: by a flat prior for the effect first, then weighed by the Cauchy one."""
    n = len(values)
    sd: Array = values.std(ddof=1) * np.sqrt((n - 1) / rng.chisquare(n - 1, draws))
    mean = values.mean() + sd / np.sqrt(n) * rng.standard_normal(draws)
    weights = 1 / sd / (1 + (mean / sd / _SCALE) ** 2)  # the prior of the mean, given the spread
    kept = rng.choice(draws, draws, p=weights / weights.sum())
    return mean[kept], sd[kept]
