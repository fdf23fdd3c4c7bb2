"""Pairing and the regression on stored baseline runs, side by side at one look. Nothing is decided here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from pytest_mlops.stats.look import map_t
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.skewness import unskewed

DRIFT_LEVEL = 0.1  # two-sided p-value of paired against surplus runs below which they are taken to differ
RESIDUAL_SKEWNESS = 0.75  # of the candidate given the baseline
BASELINE_SKEWNESS = 0.5  # of all baseline runs
SURPLUS, BOTH, PAIRING = range(3)  # by what a look is judged
_ROUNDING = 8 * np.finfo(np.float64).eps  # of the largest number: a spread below it is no spread


@dataclass(frozen=True, slots=True)
class Stored:
    """The surplus by its number, mean and sums of squares and cubes about it; the same at every look."""

    m: int
    mean: Array
    squares: Array
    cubes: Array

    @classmethod
    def of(cls, s: Array) -> Stored:
        """Take the moments of the surplus runs, shape (..., m)."""
        mean = s.mean(axis=-1)
        centred = s - mean[..., None]
        return cls(s.shape[-1], mean, (centred**2).sum(axis=-1), (centred**3).sum(axis=-1))

    def with_pairs(self, b: Array) -> tuple[int, Array, Array, Array]:
        """Number, mean, variance and skewness of all baseline runs."""
        k = self.m + b.shape[-1]
        away = b - self.mean[..., None]
        shift = away.sum(axis=-1) / k
        squares = self.squares + (away**2).sum(axis=-1)
        cubes = self.cubes + (away**3).sum(axis=-1) - 3 * shift * squares + 2 * k * shift**3
        squares = squares - k * shift**2
        return k, self.mean + shift, squares / (k - 1), cubes / k / (squares / k) ** 1.5

    def drift(self, b: Array) -> Array:
        """Two-sided p-value of the pooled t-test of paired against surplus runs."""
        n = b.shape[-1]
        pooled = (b.var(axis=-1) * n + self.squares) / (n + self.m - 2)
        t = (b.mean(axis=-1) - self.mean) / np.sqrt(pooled * (1 / n + 1 / self.m))
        return np.asarray(2 * special.stdtr(n + self.m - 2, -np.abs(t)))


def look(y: Array, b: Array, stored: Stored, bound: float, tiny: Array) -> dict[str, Array]:
    """Everything that is known of each claim at one look: by both estimators, and which of them counts."""
    pairing, paired_estimate, paired_half, sd, guarded = _pairing(y - b, bound, tiny + _rounding(y, b))
    every = stored.with_pairs(b)
    t, modified, estimate, half, residual_skewness, usable = _regression(y, b, every, bound, tiny)
    baseline_skewness, drift = every[3], stored.drift(b)
    suspicious = drift < DRIFT_LEVEL
    suspicious |= (np.abs(residual_skewness) > RESIDUAL_SKEWNESS) | (
        np.abs(baseline_skewness) > BASELINE_SKEWNESS
    )
    suspicious &= usable & ~np.isnan(pairing)
    method = np.where(usable, np.where(suspicious, BOTH, SURPLUS), PAIRING)
    cases = [method == BOTH, method == SURPLUS]
    low, high = estimate - half, estimate + half
    paired_low, paired_high = paired_estimate - paired_half, paired_estimate + paired_half
    return {
        "passing": np.select(cases, [np.minimum(guarded, modified), modified], guarded),
        "failing": np.select(cases, [np.maximum(pairing, t), t], pairing),
        "estimate": np.where(cases[1], estimate, paired_estimate),
        "low": np.select(cases, [np.minimum(low, paired_low), low], paired_low),
        "high": np.select(cases, [np.maximum(high, paired_high), high], paired_high),
        "sd": sd,
        "method": method,
        "drift": drift,
        "residual_skewness": residual_skewness,
        "baseline_skewness": baseline_skewness,
    }


def _pairing(x: Array, bound: float, tiny: Array) -> tuple[Array, Array, Array, Array, Array]:
    """T-statistic, mean, half interval, standard deviation of contrasts, and the smaller of t and Hall's t."""
    n = x.shape[-1]
    mean = x.mean(axis=-1)
    centred = x - mean[..., None]
    sd = np.sqrt((centred**2).sum(axis=-1) / (n - 1))
    error = np.where(sd > tiny, sd, np.nan) / np.sqrt(n)
    t = mean / error
    half = np.where(np.isnan(error), np.inf, bound * error)
    third = (centred**3).sum(axis=-1) * n / ((n - 1) * (n - 2))
    return t, mean, half, sd, _guarded(t, third / n**2 / error**3)


def _regression(
    y: Array, b: Array, every: tuple[int, Array, Array, Array], bound: float, tiny: Array
) -> tuple[Array, ...]:
    """T-statistic on n - 1 degrees of freedom, the smaller of it and Hall's, estimate, half interval, skewness, usable."""
    n, (k, mean_all, variance_all, _) = y.shape[-1], every
    mean_y, mean_b = y.mean(axis=-1), b.mean(axis=-1)
    dy, db = y - mean_y[..., None], b - mean_b[..., None]
    squares = (db**2).sum(axis=-1)
    theta = (dy * db).sum(axis=-1) / squares
    residuals = dy - theta[..., None] * db
    variance = (residuals**2).sum(axis=-1) / (n - 2)
    floor = tiny + _rounding(y, b)
    usable = (np.sqrt(variance) > floor) & (np.sqrt(squares / (n - 1)) > floor)
    va = variance * (1 / n + (mean_all - mean_b) ** 2 / squares)
    vb = (1 - theta) ** 2 * variance_all / k
    error = np.sqrt(va + vb)
    df = (va + vb) ** 2 / (va**2 / (n - 2) + vb**2 / (k - 1))
    estimate = mean_y + theta * (mean_all - mean_b) - mean_all
    t = map_t(estimate / error, df, n - 1)
    third = (residuals**3).sum(axis=-1) * n / ((n - 1) * (n - 2))
    half = np.abs(map_t(np.broadcast_to(bound, df.shape), np.full(df.shape, n - 1.0), df)) * error
    skewness = (residuals**3).mean(axis=-1) / (residuals**2).mean(axis=-1) ** 1.5
    return t, _guarded(t, third / n**2 / error**3), estimate, half, skewness, usable


def _guarded(t: Array, skewness: Array) -> Array:
    """Return the smaller of `t` and Hall's transformed t, `skewness` being that of the estimate: one draw of it."""
    return np.asarray(np.minimum(t, unskewed(t, skewness, 1)))


def _rounding(y: Array, b: Array) -> Array:
    return np.asarray(_ROUNDING * np.maximum(np.abs(y), np.abs(b)).max(axis=-1))


def scale_of(y: Array, b: Array) -> Array:
    """Power of two near the largest number before the first look: dividing by it is exact and saves squares."""
    largest = np.maximum(np.abs(y), np.abs(b)).max(axis=-1, keepdims=True)
    exponent = np.frexp(np.where(largest > 0, largest, 1.0))[1] - 1.0
    return np.asarray(np.exp2(np.clip(exponent, -1000, 1000)))
