"""Whether numbers stand in an order that knows them: sorted results, or the points of a curve."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


def chance_of_order(values: ArrayLike) -> float:
    """Two-sided p-value of the order of some numbers, if every order of them were as likely.

    Of sorted numbers it is exact: the share of orders that are sorted, one way or the other. Of others it is that of
    the Mann-Kendall test for a trend, by its normal approximation with the variance for ties.

    Parameters
    ----------
    values : array_like, shape (n,)
        Finite; the time it takes grows as n squared.

    Returns
    -------
    float
        1.0 where there are fewer than three, or all are equal.

    Notes
    -----
    H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945), 245-259; M. G. Kendall, "Rank Correlation
    Methods" (1975), for the variance with ties.

    Examples
    --------
    >>> round(chance_of_order([0.90, 0.91, 0.93, 0.94, 0.97]), 4)
    0.0167
    >>> chance_of_order([0.93, 0.90, 0.97, 0.91, 0.94]) > 0.5
    True
    """
    numbers = np.asarray(values, dtype=np.float64)
    n, (_, ties) = len(numbers), np.unique(numbers, return_counts=True)
    if n < 3 or len(ties) == 1:
        return 1.0
    steps = numbers[1:] >= numbers[:-1], numbers[1:] <= numbers[:-1]
    if any(step.all() for step in steps):
        same = sum(math.lgamma(count + 1) for count in ties)
        return min(1.0, 2.0 * math.exp(same - math.lgamma(n + 1)))
    rising, falling = (np.triu(up).sum() for up in (numbers > numbers[:, None], numbers < numbers[:, None]))
    variance = (_term(n) - sum(_term(int(count)) for count in ties)) / 18.0
    z = max(abs(int(rising) - int(falling)) - 1, 0) / math.sqrt(variance)
    return float(2.0 * special.ndtr(-z))


def _term(n: int) -> int:
    return n * (n - 1) * (2 * n + 5)
