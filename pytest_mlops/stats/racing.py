"""How many more pairs a claim will take: what a budget goes to first. It moves no verdict."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlops.stats.judge import checked_contrasts, statistics
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

_FUTURES = 200  # that are drawn: the mean of so many tells rows apart that differ by a pair or two


def expected_pairs(test: SequentialTest, contrasts: ArrayLike) -> float:
    """Mean number of further pairs until the sequence stops, given those that are there.

    Parameters
    ----------
    test : SequentialTest
        The design; of a row of a family that at the level at which it is judged now.
    contrasts : array_like, shape (n,)
        In seed order, the margin taken off; finite.

    Returns
    -------
    float
        At least 0. With fewer than three contrasts, or none that vary, the mean over no effect and the detectable one.

    Notes
    -----
    Futures are drawn from the predictive law of a Gaussian mean and variance of which nothing else is known (mean given
    variance normal, ``(n - 1) s^2`` over variance chi-square), with generators of a fixed seed: the same contrasts give the
    same number.

    Examples
    --------
    >>> test = SequentialTest()
    >>> clear, unclear = [0.9, 1.1, 1.0, 1.2], [0.5, -0.3, 0.9, -0.1]
    >>> expected_pairs(test, clear) < expected_pairs(test, unclear)
    True
    """
    values = checked_contrasts(contrasts)
    n, most = len(values), int(test.looks[-1])
    if n >= most:
        return 0.0
    spread = float(values.std(ddof=1)) if n >= 3 else 0.0
    if spread <= 1e-12 * float(np.abs(values).max(initial=0.0)):
        typical = np.asarray(test.expected_seeds(np.array([0.0, test.detectable_effect]))).mean()
        return max(1.0, float(typical) - n)
    t = statistics(test.looks, _futures(values, spread, most))
    places = np.arange(len(test.looks))
    stops = ((t >= test.efficacy) | (t <= test.futility)) & (test.looks > n)
    first = np.where(stops, places, len(places) - 1).min(axis=1)
    return float((test.looks[first] - n).mean())


def _futures(values: Array, spread: float, most: int) -> Array:
    """The contrasts that are there, gone on with in many ways, shape (_FUTURES, most)."""
    n, rng = len(values), np.random.default_rng(0)
    sd = spread * np.sqrt((n - 1) / rng.chisquare(n - 1, _FUTURES))
    mean = values.mean() + sd / np.sqrt(n) * rng.standard_normal(_FUTURES)
    later = mean[:, None] + sd[:, None] * rng.standard_normal((_FUTURES, most - n))
    return np.hstack([np.broadcast_to(values, (_FUTURES, n)), later])
