"""Two one-sided sequential tests: a contrast lies within two limits. It decides by the sequences of both sides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlops.stats.decision import Decision, Verdict
from pytest_mlops.stats.judge import CONTINUE, FAIL, PASS, UNDECIDED, Judged
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest


def decide_within(
    test: SequentialTest,
    above_lower: ArrayLike,
    below_upper: ArrayLike,
    *,
    parts: int = 1,
    resolution: float = 0.0,
    identical: bool = False,
    guard: ArrayLike = True,
    confirm_harm: bool = False,
) -> tuple[Decision, Decision]:
    """Judge an equivalence claim: each side by its own sequence, PASS where both have crossed.

    A side that crossed stays crossed. The claim ends without PASS where the first side does. Schuirmann's two one-sided
    tests are an intersection-union test, so each side has the full alpha; a side FAILs at half of its level, since both
    could.

    Parameters
    ----------
    test : SequentialTest
        The design of each side.
    above_lower, below_upper : array_like, shape (n,)
        One number a seed: the difference minus the lower limit, and the upper limit minus the difference.
    parts : int
        As in `SequentialTest.decide`.
    resolution : float
        As there.
    identical : bool
        As there.
    guard : array_like of bool
        As there.
    confirm_harm : bool
        As there.

    Returns
    -------
    tuple of Decision
        Of both sides, cut at the look where the claim ended; `together` makes one of them.

    References
    ----------
    D. J. Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach for assessing
    the equivalence of average bioavailability, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680.

    Examples
    --------
    >>> difference = np.array([0.001, -0.002, 0.002, 0.0, -0.001])
    >>> sides = decide_within(SequentialTest(), difference + 0.02, 0.02 - difference)
    >>> str(together(sides).verdict)
    'PASS'
    """
    options = {"resolution": resolution, "identical": identical, "confirm_harm": confirm_harm}
    sides = [np.asarray(above_lower, dtype=np.float64), np.asarray(below_upper, dtype=np.float64)]
    kept = np.broadcast_to(np.asarray(guard, dtype=bool), sides[0].shape)

    def decided(x: Array) -> Callable[[int], Decision]:
        return lambda n: test.decide(x[:n], parts=2 * parts, guard=kept[:n], **options)  # type: ignore[arg-type]

    return decide_sides(decided(sides[0]), decided(sides[1]), len(sides[0]))


def decide_sides(
    lower: Callable[[int], Decision], upper: Callable[[int], Decision], n: int
) -> tuple[Decision, Decision]:
    """Decisions of two sides both of which must hold, cut at the look where the first of them ends without PASS.

    Parameters
    ----------
    lower, upper : callable
        From a number of seeds to the decision of that side on so many of its first seeds.
    n : int
        Seeds known.
    """
    found = lower(n), upper(n)
    stops = [one.n for one in found if one.decided and one.verdict != Verdict.PASS]
    return (lower(min(stops)), upper(min(stops))) if stops else found


def together(sides: Sequence[Decision]) -> Decision:
    """One decision of sides that must all hold; its numbers are those of the side that kept it from PASS longest.

    Examples
    --------
    >>> one = SequentialTest().decide([1.0, 1.1, 0.9, 1.05, 0.95])
    >>> together([one]) == one
    True
    """
    stopped = [one for one in sides if one.decided and one.verdict != Verdict.PASS]
    waiting = [one for one in sides if not one.decided]
    if stopped:
        worst = next((one for one in stopped if one.verdict == Verdict.FAIL), stopped[0])
    elif waiting:
        worst = max(waiting, key=_p)
    else:
        worst = max(sides, key=lambda one: (one.n, _p(one)))
    p_values = [one.p_value for one in sides]
    most = None if None in p_values else max(p for p in p_values if p is not None)
    return replace(worst, p_value=most, n=max(one.n for one in sides) if not stopped else worst.n)


def _p(decision: Decision) -> float:
    return 1.0 if decision.p_value is None else decision.p_value


def merged(lower: Judged, upper: Judged) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Verdicts and seeds of many equivalence claims: what `decide_within` and `together` say of each.

    Parameters
    ----------
    lower, upper : Judged
        `SequentialTest.judge` of both sides, each with ``parts=2``.

    Returns
    -------
    tuple of ndarray
        Indices into `stats.judge.VERDICTS`, and n; of the shape of the claims.
    """
    never = np.iinfo(np.int64).max
    ends = [
        np.where((side.reason != CONTINUE) & (side.verdict != PASS), side.n, never) for side in (lower, upper)
    ]
    end = np.minimum(*ends)
    failed = [(side.verdict == FAIL) & (at == end) for side, at in zip((lower, upper), ends, strict=True)]
    passed = (lower.verdict == PASS) & (upper.verdict == PASS)
    verdict = np.select([passed, failed[0] | failed[1]], [PASS, FAIL], UNDECIDED)
    return verdict.astype(np.int8), np.where(end == never, np.maximum(lower.n, upper.n), end)
