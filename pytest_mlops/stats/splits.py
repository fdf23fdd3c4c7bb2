"""Splits that vary with the seed: overlapping data correlate the contrasts, so one look with a corrected variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pytest_mlops.stats.checks import check_parts
from pytest_mlops.stats.decision import Decision
from pytest_mlops.stats.judge import checked_contrasts
from pytest_mlops.stats.one_look import Sample, answered, sample_at
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.skewness import sample_skewness, skewed, unskewed

METHOD = "corrected resampled t-test"
MOST_UNEVEN = 2.0
"""How many times the smallest test share the largest may be: folds of patients with unlike numbers of cases. The largest
counts for all, which costs power and no level: 0.02 to 0.03 for 0.05 where folds are 15, 13, 12, 11 and 9 of 60 cases."""


def whole_repeats(max_seeds: int, folds: int) -> int:
    """Largest number of seeds that is whole repeats of a cross-validation.

    Parameters
    ----------
    max_seeds : int
        Seeds at most.
    folds : int
        Folds of a repeat, at least 2.

    Returns
    -------
    int
        A multiple of `folds`.

    Raises
    ------
    ValueError
        If not even one repeat fits.

    Examples
    --------
    >>> whole_repeats(32, 5)
    30
    """
    if folds < 2:
        raise ValueError(f"folds={folds} must be at least 2: one part is tested, the others are trained on")
    if folds > max_seeds:
        raise ValueError(
            f"max_seeds={max_seeds} is less than one repeat of {folds} folds: set max_seeds to a multiple of {folds}"
        )
    return max_seeds // folds * folds


def ratio_of_shares(baseline: ArrayLike, candidate: ArrayLike) -> float:
    """Ratio of test to training cases, from the shares that both arms recorded.

    Parameters
    ----------
    baseline, candidate : array_like, shape (n,)
        Test cases over all cases of each run, in (0, 1), in seed order.

    Returns
    -------
    float
        The largest of the seeds: the variance is rather too large.

    Raises
    ------
    ValueError
        If the arms differ, if the largest share is more than twice the smallest, or if a share is not in (0, 1).

    Examples
    --------
    >>> round(ratio_of_shares([0.2, 0.2, 0.2], [0.2, 0.2, 0.2]), 6)
    0.25
    """
    one, other = (np.asarray(checked_contrasts(shares)) for shares in (baseline, candidate))
    if one.ndim != 1 or one.shape != other.shape or not one.size:
        raise ValueError(
            f"both arms must record one test share a seed, got shapes {one.shape} and {other.shape}"
        )
    differ = np.flatnonzero(one != other)
    if differ.size:
        place = int(differ[0])
        raise ValueError(
            f"at seed number {place} the arms split differently: test shares {one[place]} and {other[place]}. "
            "Their contrast would be of other data as well: split both arms alike"
        )
    if not ((one > 0) & (one < 1)).all():
        raise ValueError(
            f"test shares must lie between 0 and 1, both excluded, got {one.min()} to {one.max()}"
        )
    if one.max() > MOST_UNEVEN * one.min():
        raise ValueError(
            f"the test share varies from {one.min():.3g} to {one.max():.3g} over seeds: "
            f"the correction holds for splits of like size, the largest at most {MOST_UNEVEN:g} times the smallest"
        )
    return float(one.max() / (1 - one.max()))


@dataclass(frozen=True, kw_only=True)
class SplitTest:
    """One look at a fixed number of seeds, for splits that vary with the seed.

    Parameters
    ----------
    seeds : int
        Number of seeds at which the claim is judged, at least 3; for folds `whole_repeats`.
    ratio : float
        Test over training cases, positive: `ratio_of_shares`; ``1 / (folds - 1)`` for folds.
    alpha : float
        P(PASS | mean contrast zero), and as much P(FAIL); in (0, 0.5).

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    The variance of the mean contrast is taken as ``(1 / n + n_test / n_train) s^2``, equation (6) and the corrected
    resampled t-test of Nadeau and Bengio, Machine Learning 52 (2003): it takes the contrasts to be correlated by the
    test share. Looking again and again is not covered, hence one look.

    The second term does not shrink with seeds. Measured with ridge regression and nearest means on synthetic cases, 30
    seeds: P(PASS) 0.031 to 0.074 for 0.05 at test shares of 0.05 to 0.3 and for 5 and 10 folds (uncorrected 0.14
    to 0.36). The upper end is 60 cases split at random; see docs/explanation/methods.md. Bars of skewed metrics (squared
    error) 0.05 to 0.07 guarded, 0.07 to 0.11 without.

    Examples
    --------
    >>> test = SplitTest(seeds=10, ratio=0.25)
    >>> decision = test.decide([0.02, 0.03, 0.01, 0.02, 0.04, 0.02, 0.03, 0.01, 0.02, 0.03])
    >>> str(decision.verdict), round(decision.p_value, 4)
    ('PASS', 0.0013)
    """

    seeds: int
    ratio: float
    alpha: float = 0.05

    def __post_init__(self) -> None:
        if isinstance(self.seeds, bool) or not isinstance(self.seeds, (int, np.integer)) or self.seeds < 3:
            raise ValueError(f"seeds={self.seeds!r} must be a whole number of at least 3")
        if not (math.isfinite(self.ratio) and self.ratio > 0):
            raise ValueError(f"ratio={self.ratio!r} must be positive: test cases over training cases")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha={self.alpha!r} must lie between 0 and 0.5, both excluded")

    def decide(
        self, contrasts: ArrayLike, *, resolution: float = 0.0, parts: int = 1, guard: bool = False
    ) -> Decision:
        """Judge one claim by the contrasts of its seeds.

        Parameters
        ----------
        contrasts : array_like, shape (n,)
            One number a seed, in seed order, margin taken off; those beyond `seeds` are ignored.
        resolution : float
            Rounding error of a contrast: a standard deviation of at most this counts as none.
        parts : int
            Number of parts of a claim all of which must hold: each FAILs at ``alpha / parts``.
        guard : bool
            Guard against skewed contrasts, as for bars: the smaller of t and of its image under Hall's transformation
            has to cross, at as many independent seeds as have the same standard error, ``1 / (1 / n + ratio)``.

        Returns
        -------
        Decision
            UNDECIDED with reason ``"continue"`` before the last seed; afterwards PASS where t is at least its
            1 - alpha quantile, FAIL where it is at most minus that of alpha / parts, UNDECIDED between. The interval is
            the 1 - 2 alpha one.

        Raises
        ------
        ValueError
            If a contrast is no finite real number, or there is more than one axis.
        """
        sample = sample_at(int(self.seeds), contrasts, resolution=resolution, method=METHOD)
        if isinstance(sample, Decision):
            return sample
        degrees, worth = sample.n - 1, 1 / (1 / sample.n + self.ratio)
        skewness = _skewness(sample) if guard else np.zeros(())
        error = sample.sd / math.sqrt(worth)
        t = np.asarray(sample.mean / error)
        other = unskewed(t, skewness, worth)
        for_pass, for_fail = float(np.minimum(t, other)), float(np.maximum(t, other))
        bound = np.asarray(-special.stdtrit(degrees, self.alpha))
        below = float(np.maximum(bound, skewed(bound, skewness, worth)))
        above = float(np.minimum(-bound, skewed(-bound, skewness, worth)))
        passed = for_pass >= bound
        low = sample.mean - below * error
        return answered(
            sample,
            passed=bool(passed),
            failed=for_fail <= special.stdtrit(degrees, self.alpha / check_parts(parts)),
            interval=(max(low, 0.0) if passed else low, sample.mean - above * error),
            p_value=float(special.stdtr(degrees, -for_pass)),
            statistic=for_pass,
            method=f"{METHOD}, guarded for skewness" if guard else METHOD,
        )

    @property
    def widening(self) -> float:
        """How many times wider than that of independent seeds the standard error is: root of ``1 + seeds * ratio``."""
        return math.sqrt(1 + self.seeds * self.ratio)


def _skewness(sample: Sample) -> Array:
    cubes = np.asarray(((sample.values - sample.mean) ** 3).sum())
    return sample_skewness(cubes, np.asarray(sample.sd), sample.n)
