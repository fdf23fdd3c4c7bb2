"""What many tests cost together: a level for each attempt, and how many false PASSes to expect."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_mlops.stats.checks import check_level


def attempt_level(alpha: float, attempt: int) -> float:
    """Level of the so-manieth attempt at one claim, all attempts together staying within `alpha`.

    Parameters
    ----------
    alpha : float
        Level of all attempts together, in (0, 1).
    attempt : int
        1 for the first attempt, 2 for the second, and so on without end.

    Returns
    -------
    float
        ``6 alpha / (pi**2 attempt**2)``: their sum over all attempts is `alpha`.

    Raises
    ------
    ValueError
        If `attempt` is no whole number from 1 on.

    Notes
    -----
    The sum of levels bounds P(any false PASS) whatever the attempts have in common, where the level of each holds
    given the attempts before it: so each trains on fresh seeds.

    Examples
    --------
    >>> [round(attempt_level(0.05, j), 4) for j in (1, 2, 3)]
    [0.0304, 0.0076, 0.0034]
    """
    check_level("alpha", alpha, 0.0, 1.0, "it is an error probability")
    if isinstance(attempt, bool) or not isinstance(attempt, int) or attempt < 1:
        raise ValueError(f"attempt={attempt!r} must be a whole number from 1 on: attempts are counted from 1")
    return 6 * alpha / (math.pi * attempt) ** 2


def expected_false_passes(alphas: Sequence[float]) -> float:
    """Expected number of false PASSes at most, of tests at these levels: the worst case, in which no claim is true.

    Parameters
    ----------
    alphas : sequence of float
        Level of each test, in (0, 1).

    Returns
    -------
    float
        Their sum, whatever the tests have in common.

    Examples
    --------
    >>> round(expected_false_passes([0.05] * 12), 6)
    0.6
    """
    for place, alpha in enumerate(alphas):
        check_level(f"alphas[{place}]", alpha, 0.0, 1.0, "it is an error probability")
    return math.fsum(alphas)


def probability_of_any_false_pass(alphas: Sequence[float]) -> float:
    """P(at least one false PASS) at most, of independent tests at these levels: in the worst case, no claim is true.

    Parameters
    ----------
    alphas : sequence of float
        Level of each test, in (0, 1).

    Returns
    -------
    float
        ``1 - prod(1 - alpha)``. For tests that share runs only their sum is a bound: `expected_false_passes`.

    Examples
    --------
    >>> round(probability_of_any_false_pass([0.05] * 12), 4)
    0.4596
    """
    for place, alpha in enumerate(alphas):
        check_level(f"alphas[{place}]", alpha, 0.0, 1.0, "it is an error probability")
    return -math.expm1(math.fsum(math.log1p(-alpha) for alpha in alphas))
