"""A studentised bootstrap of the mean contrast at a fixed number of seeds: approximate, for skewed contrasts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlops.stats.checks import check_parts
from pytest_mlops.stats.decision import Decision
from pytest_mlops.stats.one_look import answered, sample_at
from pytest_mlops.stats.recursion import Array

METHOD = "studentised bootstrap"

LEAST_SEEDS = 10  # with fewer the resamples say little of a tail
RESAMPLES = 9999
SMALLEST_ALPHA = 0.001  # ten of them
_ROUNDING = 8 * np.finfo(np.float64).eps  # of the largest contrast: a resample with less has no spread


@dataclass(frozen=True, kw_only=True)
class BootstrapTest:
    """One look at a fixed number of seeds, by the studentised bootstrap.

    Parameters
    ----------
    seeds : int
        Number of seeds at which the claim is judged, at least 10.
    alpha : float
        P(PASS | mean contrast zero), approximately, and as much P(FAIL); in (0, 0.5) and at least 1/1000.
    seed : int
        Seed of the resamples; the same seed gives the same verdict.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    ``(mean* - mean) / error*`` of 9,999 resamples takes the place of Student's law: the bootstrap-t of Efron and
    Tibshirani, An Introduction to the Bootstrap (1993). p is ``(1 + resamples at least as large) / 10,000``.

    Approximate: measured levels and power stand in docs/explanation/methods.md. There is one look, so it costs `seeds`
    pairs for every claim, where the sequential test stops at about a third of them when there is no gain.

    Examples
    --------
    >>> test = BootstrapTest(seeds=10)
    >>> str(test.decide([0.2, 0.3, 0.1, 0.4, 0.2, 0.1, 0.5, 0.2, 0.3, 0.1]).verdict)
    'PASS'
    """

    seeds: int
    alpha: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        whole = isinstance(self.seeds, (int, np.integer)) and not isinstance(self.seeds, bool)
        if not whole or self.seeds < LEAST_SEEDS:
            raise ValueError(
                f"seeds={self.seeds!r} must be a whole number of at least {LEAST_SEEDS}: "
                "fewer seeds say little of a tail"
            )
        if not SMALLEST_ALPHA <= self.alpha < 0.5:
            raise ValueError(
                f"alpha={self.alpha!r} must lie between {SMALLEST_ALPHA}, which {RESAMPLES} resamples resolve, and 0.5"
            )

    def decide(self, contrasts: ArrayLike, *, resolution: float = 0.0, parts: int = 1) -> Decision:
        """Judge one claim by the contrasts of its seeds.

        Parameters
        ----------
        contrasts : array_like, shape (n,)
            One number a seed, in seed order, margin taken off; those beyond `seeds` are ignored.
        resolution : float
            Rounding error of a contrast: a standard deviation of at most this counts as none.
        parts : int
            Number of parts of a claim all of which must hold: each FAILs at ``alpha / parts``.

        Returns
        -------
        Decision
            UNDECIDED with reason ``"continue"`` before the last seed. The interval is the 1 - 2 alpha one, and agrees
            with the verdict.

        Raises
        ------
        ValueError
            If a contrast is no finite real number, or there is more than one axis.
        """
        sample = sample_at(int(self.seeds), contrasts, resolution=resolution, method=METHOD)
        if isinstance(sample, Decision):
            return sample
        error = sample.sd / math.sqrt(sample.n)
        t, resampled = sample.mean / error, self._resampled((sample.values - sample.mean) / sample.sd)
        allowed = _allowed(self.alpha)
        above = RESAMPLES - int(np.searchsorted(resampled, t, side="left"))
        below = int(np.searchsorted(resampled, t, side="right"))
        return answered(
            sample,
            passed=above <= allowed,
            failed=below <= _allowed(self.alpha / check_parts(parts)),
            interval=(
                sample.mean - resampled[-allowed - 1] * error,
                sample.mean - resampled[allowed] * error,
            ),
            p_value=(1 + above) / (RESAMPLES + 1),
            statistic=t,
            method=METHOD,
        )

    def _resampled(self, centred: Array) -> Array:
        """Sorted t-statistics of the resamples; one without a spread is infinite, on the side of its mean."""
        n = len(centred)
        drawn = centred[np.random.default_rng(self.seed).integers(0, n, (RESAMPLES, n))]
        mean = drawn.mean(axis=1)
        error = drawn.std(axis=1, ddof=1) / math.sqrt(n)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.where(error > _ROUNDING * np.abs(centred).max(), mean / error, np.copysign(np.inf, mean))
        return np.sort(t)


def _allowed(level: float) -> int:
    """Resamples at least as extreme that leave p at this level; -1 where no number of them does."""
    return math.floor(level * (RESAMPLES + 1) + 1e-9) - 1
