"""One look at many claims: moments so far, and the statistics that boundaries are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.skewness import sample_skewness, unskewed

ROUNDING = 8 * np.finfo(np.float64).eps  # of the largest contrast: a spread below it is no spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Moments:
    """Mean and sums of powers of deviations of ``n`` contrasts each, carried on without cancellation."""

    n: int
    mean: Array
    squares: Array
    cubes: Array
    largest: Array
    """Largest absolute contrast."""

    @classmethod
    def none(cls, shape: tuple[int, ...]) -> Moments:
        """Of no contrast yet."""
        mean, squares, cubes, largest = (np.zeros(shape) for _ in range(4))
        return cls(n=0, mean=mean, squares=squares, cubes=cubes, largest=largest)

    def with_one_more(self, x: Array) -> Moments:
        """The moments with one more contrast each.

        References
        ----------
        T. B. Terriberry (2007), Computing higher-order moments online: Welford's update with third powers.
        """
        n = self.n + 1
        step = x - self.mean
        mean = self.mean + step / n
        gained = step * (x - mean)
        cubes = self.cubes + gained * step * (n - 2) / n - 3 * self.squares * step / n
        return Moments(
            n=n,
            mean=mean,
            squares=self.squares + gained,
            cubes=cubes,
            largest=np.maximum(self.largest, np.abs(x)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What a look sees; arrays of the shape of the claims."""

    place: int
    n: int
    mean: Array
    sd: Array
    tiny: Array
    constant: NDArray[np.bool_]
    """Whether there is no spread, so that there is no t."""
    t: Array
    for_pass: Array
    """Compared with the efficacy bound: t, or the smaller of t and its unskewed value where that is asked for."""
    for_fail: Array
    """Compared with the bound of FAIL: t, or the larger of the two."""
    skewness: Array
    """NaN where nothing guards against it."""

    @classmethod
    def at(cls, sums: Moments, place: int, *, tiny: Array, guard: NDArray[np.bool_]) -> Look:
        """The look at that place of the design.

        Parameters
        ----------
        sums : Moments
            Of all contrasts up to here.
        place : int
            Which look of its design that is.
        tiny : ndarray
            A standard deviation of at most this is no spread.
        guard : ndarray of bool
            Whether the verdict has to hold against skewness too.
        """
        n = sums.n
        sd = np.sqrt(sums.squares / (n - 1))
        constant = sd <= np.maximum(ROUNDING * sums.largest, tiny)
        t = np.where(constant, np.nan, sums.mean / (sd / np.sqrt(n)))
        low = high = t
        skewness = np.full(t.shape, np.nan)
        if guard.any():
            own = sample_skewness(sums.cubes, sd, n)
            other = unskewed(t, own, n)
            low, high = np.where(guard, np.minimum(t, other), t), np.where(guard, np.maximum(t, other), t)
            skewness = np.where(guard, own, np.nan)
        return cls(
            place=place,
            n=n,
            mean=sums.mean,
            sd=sd,
            tiny=tiny,
            constant=constant,
            t=t,
            for_pass=low,
            for_fail=high,
            skewness=skewness,
        )


def map_t(t: ArrayLike, df: ArrayLike, to: ArrayLike) -> Array:
    """t-statistics on `to` degrees of freedom with the tail that `t` has on `df`.

    Examples
    --------
    >>> round(float(map_t(2.353, 3, 1e9)), 3)
    1.645
    """
    tail = np.clip(special.stdtr(df, -np.abs(t)), 1e-280, 0.5)
    return np.asarray(np.where(np.isinf(t), t, -np.sign(t) * special.stdtrit(to, tail)))
