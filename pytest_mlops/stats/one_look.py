"""What tests with one look at a fixed number of seeds share: how they read contrasts, and how they answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlops.stats.decision import Decision, Reason, Verdict
from pytest_mlops.stats.judge import checked_contrasts
from pytest_mlops.stats.recursion import Array

_ROUNDING = 8 * np.finfo(np.float64).eps  # of the largest contrast: a spread below it is no spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """The contrasts at the look, which have a spread."""

    values: Array
    mean: float
    sd: float

    @property
    def n(self) -> int:
        """Number of seeds."""
        return len(self.values)


def one_axis(contrasts: ArrayLike) -> Array:
    """Checked contrasts of one claim.

    Raises
    ------
    ValueError
        If a contrast is no finite real number, or there is more than one axis.
    """
    values = checked_contrasts(contrasts)
    if values.ndim != 1:
        raise ValueError(f"contrasts must have one axis, one number a seed, got shape {values.shape}")
    return values


def sample_at(seeds: int, contrasts: ArrayLike, *, resolution: float, method: str) -> Sample | Decision:
    """The first contrasts that the look is taken at, or why there is no look.

    Parameters
    ----------
    seeds : int
        Number of seeds at which the claim is judged.
    contrasts : array_like, shape (n,)
        One number a seed, in seed order, margin taken off; those beyond `seeds` are ignored.
    resolution : float
        Rounding error of a contrast: a standard deviation of at most this counts as none.
    method : str
        Which test asks.

    Returns
    -------
    Sample or Decision
        A decision before the last seed (reason ``"continue"``), and where there is no spread to judge by.

    Raises
    ------
    ValueError
        If a contrast is no finite real number, or there is more than one axis.

    Examples
    --------
    >>> sample_at(3, [1.0, 2.0, 3.0, 99.0], resolution=0.0, method="t-test").mean
    2.0
    """
    values = one_axis(contrasts)
    mean = float(values[:seeds].mean()) if len(values) else math.nan
    waiting, constant = Reason.CONTINUE, Reason.NO_VARIANCE
    if len(values) < seeds:
        return Decision(
            verdict=Verdict.UNDECIDED, reason=waiting, estimate=mean, n=len(values), method=method
        )
    values = values[:seeds]
    sd = float(values.std(ddof=1))
    if not sd > max(resolution, float(_ROUNDING * np.abs(values).max())):
        return Decision(
            verdict=Verdict.UNDECIDED, reason=constant, estimate=mean, n=seeds, sd=sd, method=method
        )
    return Sample(values=values, mean=mean, sd=sd)


def answered(
    sample: Sample,
    *,
    passed: bool,
    failed: bool,
    interval: tuple[float, float],
    p_value: float,
    statistic: float,
    method: str,
) -> Decision:
    """The decision at the one look: it is the last one, whatever it says."""
    verdict = Verdict.PASS if passed else Verdict.FAIL if failed else Verdict.UNDECIDED
    return Decision(
        verdict=verdict,
        reason=Reason.EFFICACY if passed else Reason.MAX_SEEDS,
        estimate=sample.mean,
        interval=(float(interval[0]), float(interval[1])),
        p_value=p_value,
        n=sample.n,
        statistic=statistic,
        sd=sample.sd,
        method=method,
    )
