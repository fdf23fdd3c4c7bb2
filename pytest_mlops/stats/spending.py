"""Spending functions: which share of an error is spent by which fraction of `max_seeds`. They know no t-statistic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
SpendingFunction = Callable[[Array], Array]
"""From information fractions ``n / max_seeds`` in (0, 1] to the cumulative share spent, 0 to 1, never falling."""


@dataclass(frozen=True, slots=True)
class HwangShihDeCani:
    """The family of Hwang, Shih and DeCani: ``(1 - exp(-gamma s)) / (1 - exp(-gamma))`` on the clock s.

    Parameters
    ----------
    gamma : float
        Positive spends early, negative late, zero evenly.
    start : float
        Information fraction in [0, 1) at which the clock ``s = (t - start) / (1 - start)`` begins.
    held : float
        Share in [0, 1) kept back for ``max_seeds`` itself.

    Examples
    --------
    >>> HwangShihDeCani(gamma=1.0)(np.array([0.5, 1.0])).round(4).tolist()
    [0.6225, 1.0]
    """

    gamma: float
    start: float = 0.0
    held: float = 0.0

    def __call__(self, fraction: ArrayLike) -> Array:
        """Cumulative share spent at information fractions `fraction`."""
        s = _clock(fraction, self.start)
        share = s if abs(self.gamma) < 1e-9 else np.expm1(-self.gamma * s) / np.expm1(-self.gamma)
        return np.asarray(np.where(s >= 1, 1.0, (1 - self.held) * share))


@dataclass(frozen=True, slots=True)
class PowerFamily:
    """The family of Kim and DeMets: ``s ** rho`` on the clock ``s = (t - start) / (1 - start)``.

    Parameters
    ----------
    rho : float
        Positive; below one spends early, above one late.
    start : float
        Information fraction in [0, 1) at which the clock begins.

    Examples
    --------
    >>> PowerFamily(0.5)(np.array([0.25, 1.0])).tolist()
    [0.5, 1.0]
    """

    rho: float
    start: float = 0.0

    def __call__(self, fraction: ArrayLike) -> Array:
        """Cumulative share spent at information fractions `fraction`."""
        return np.asarray(_clock(fraction, self.start) ** self.rho)


@dataclass(frozen=True, slots=True)
class Spending:
    """How a design spends its two errors: `efficacy` spends alpha, `futility` spends 1 - power."""

    efficacy: SpendingFunction
    futility: SpendingFunction

    def spent(self, seeds: NDArray[np.int64]) -> tuple[Array, Array]:
        """Cumulative shares spent at `seeds`, the last of which is `max_seeds`.

        Raises
        ------
        ValueError
            If a function leaves [0, 1], falls, or does not end at 1: the errors would not be what they promise.
        """
        fractions = seeds / seeds[-1]
        return _checked("efficacy", self.efficacy, fractions), _checked("futility", self.futility, fractions)


def _clock(fraction: ArrayLike, start: float) -> Array:
    return np.asarray(np.clip((np.asarray(fraction, dtype=np.float64) - start) / (1 - start), 0, 1))


def _checked(name: str, function: SpendingFunction, fractions: Array) -> Array:
    share = np.asarray(function(fractions), dtype=np.float64)
    if share.shape != fractions.shape or not np.isfinite(share).all():
        raise ValueError(f"{name} spending must give one finite share for each fraction, got {share!r}")
    if share[0] < 0 or (np.diff(share) < 0).any() or abs(share[-1] - 1) > 1e-9:
        raise ValueError(
            f"{name} spending must rise from at least 0 to exactly 1 at fraction 1, got {share!r}"
        )
    return share


def default_spending(min_seeds: int, max_seeds: int) -> Spending:
    """Choose the shipped spending for looks from `min_seeds` to `max_seeds`.

    Alpha by Hwang-Shih-DeCani with gamma 3 on a clock that starts three quarters of a seed before the first look
    (so that there is a bound at it), with 4 % kept for the last; ``1 - power`` by the power 0.55 of a clock that
    starts at 0.6 ``min_seeds``. Found by search, see docs/explanation/boundaries.md: expected seeds over those of
    the equal-power fixed test, averaged over 0, 1 and 1.5 times the detectable effect, are 0.560 at (5, 30) and
    0.534 at (5, 46); seven free parameters reach 0.559 and 0.532, dynamic programming bounds both.

    Examples
    --------
    >>> default_spending(5, 30).efficacy(np.array([5 / 30, 1.0])).round(3).tolist()
    [0.085, 1.0]
    """
    efficacy = HwangShihDeCani(3.0, start=(min_seeds - 0.75) / max_seeds, held=0.04)
    return Spending(efficacy, PowerFamily(0.55, start=0.6 * min_seeds / max_seeds))
