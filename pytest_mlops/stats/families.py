"""Holm's procedure over claims that are each decided sequentially: a family of rows, and which of them pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlops.stats.decision import Decision, Reason, Verdict
from pytest_mlops.stats.family_replay import (
    FamilyDesign,
    JudgedFamilies,
    family_design,
    judge_families,
    settle_ahead,
)
from pytest_mlops.stats.judge import (
    FAIL,
    PASS,
    REASONS,
    VERDICTS,
    Judged,
    Statistics,
    all_statistics,
    checked_contrasts,
    intervals,
    judge,
)
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyRow:
    """One claim of a family.

    Parameters
    ----------
    verdict : Verdict
        PASS when the family's procedure rejects the row's null hypothesis.
    n : int
        Seeds after which the row was settled, or all that could be judged so far.
    level : float
        Level ``alpha / j`` at which the row passed, stopped, or is being judged.
    adjusted_p : float or None
        Closed-testing p-value of the row in its family: at most the family's alpha on PASS, above it otherwise. None
        where the row has no t.
    decision : Decision
        The row's own evidence at `level`: the interval and the p-value are not adjusted beyond that. ``decision.n`` is
        the look whose bound it crossed, which may lie before `n`: at a level that became free only later.
    wants_more : bool
        Whether another contrast of this row may settle it. False once it is settled or has ended, and while it is ahead of
        others on whose results its next look hangs.
    """

    verdict: Verdict
    n: int
    level: float
    adjusted_p: float | None
    decision: Decision
    wants_more: bool = False


def holm(
    contrasts: Sequence[ArrayLike],
    test: SequentialTest,
    *,
    identical: Sequence[bool] | None = None,
    resolution: Sequence[float] | None = None,
    guard: Sequence[ArrayLike] | None = None,
    ended: Sequence[bool] | None = None,
    confirm_harm: bool = False,
) -> list[FamilyRow]:
    """Judge a family of claims, each with its own contrasts, so that a false PASS anywhere has probability alpha.

    Looks are replayed in seed order over all rows together. At each look, with j rows not passed yet,

    1. every row that is still running and whose sequence has crossed the efficacy bound for level ``alpha / j`` at
       this look or before passes, and hands its level on: j falls, and the rest are looked at again;
    2. every other running row whose t-statistic lies at or below the futility bound for ``alpha / j`` stops, and so
       does every row at `max_seeds`. A row that stopped without PASS stays stopped and keeps its level.

    Where a running row has no contrast yet, the family waits at that seed. Rows that are ahead are settled where that
    row cannot change their verdicts, whatever it brings: see `pytest_mlops.stats.family_replay.settle_ahead`.

    Parameters
    ----------
    contrasts : sequence of array_like
        For each row its contrasts in seed order, all beginning with the same seed; what a row has beyond its stop is
        ignored.
    test : SequentialTest
        The design of a row alone; its alpha is that of the family.
    identical : sequence of bool, optional
        Rows whose runs are known to be identical bit for bit: a constant contrast of zero or below FAILs at the first
        look. (Above zero it goes on: whether that may pass is not for a family to say.)
    resolution : sequence of float, optional
        Rounding error of a contrast of each row, as in `SequentialTest.decide`.
    guard : sequence of array_like of bool, optional
        For each row whether skewness is guarded against at a look after that seed, as in `SequentialTest.decide`.
    ended : sequence of bool, optional
        Rows that will never have more contrasts, because a training run failed: they do not pass any more, and nobody
        waits for them. (One that may go on another day has not ended.)
    confirm_harm : bool
        No stop for futility: FAIL is a crossing of the mirrored efficacy bound for ``alpha / m``.

    Returns
    -------
    list of FamilyRow
        In the order of `contrasts`. Those with reason ``"continue"`` are not settled.

    Raises
    ------
    ValueError
        If there is no row, a contrast is not finite, or the spending makes a nominal level fall when alpha grows.

    Notes
    -----
    The procedure is the closed test of Maurer and Bretz with equal weights: an intersection of k null hypotheses is
    rejected when one of its rows crosses the bounds for ``alpha / k``. Each such sequence has at most that level
    whenever it stops, as futility is ignored in it, so the intersection has level alpha. Taking rows one by one is the
    same as taking all intersections when the nominal level of each look does not fall when alpha grows; this is
    checked for the design at hand. Rows may depend on each other in any way (they share their baseline).

    FAIL is held to ``alpha / m`` for each row, so that P(a row FAILs | all claims true) is at most alpha: all rows of
    a gate must hold, and one FAIL fails it. The level is calibrated for the last of the futility bounds that the row
    may meet, and a FAIL lies below all of them; so it does not hang on when other rows pass.

    References
    ----------
    Maurer and Bretz (2013), Statistics in Biopharmaceutical Research 5, 311; Holm (1979), Scand. J. Statist. 6, 65.

    Examples
    --------
    >>> clear = [1.0, 1.1, 0.9, 1.05, 0.95]
    >>> rows = holm([clear, [0.1, -0.2, 0.0, -0.1, 0.05]], SequentialTest())
    >>> [str(row.verdict) for row in rows], rows[0].level
    (['PASS', 'UNDECIDED'], 0.025)
    """
    values = [checked_contrasts(row) for row in contrasts]
    for place, row in enumerate(values):
        if row.ndim != 1:
            raise ValueError(
                f"contrasts[{place}] must have one axis, one number a seed, got shape {row.shape}"
            )
    m = len(values)
    same, rounding = _per_row("identical", identical, m, False), _per_row("resolution", resolution, m, 0.0)
    guards = _per_row("guard", guard, m, False)
    family = family_design(test, m)
    rows = [
        _Row(values=row, resolution=r, guard=np.broadcast_to(np.asarray(g, dtype=bool), row.shape))
        for row, r, g in zip(values, rounding, guards, strict=True)
    ]
    seen = [all_statistics(family.looks, row.values, row.resolution, guard=row.guard) for row in rows]
    stacked = Statistics(
        t=np.stack([one.t for one in seen]),
        for_pass=np.stack([one.for_pass for one in seen]),
        for_fail=np.stack([one.for_fail for one in seen]),
    )
    worthless = [bool(s) and _constant_and_low(family, row) for s, row in zip(same, rows, strict=True)]
    judged = _judged(
        family,
        stacked,
        known=np.array([np.searchsorted(family.looks, len(row), side="right") for row in values]),
        worthless=np.array(worthless),
        ended=np.array(_per_row("ended", ended, m, False), dtype=bool),
        confirm_harm=confirm_harm,
    )
    adjusted = _adjusted(family, stacked.for_pass, judged)
    return [_row(family, judged, i, row, adjusted[i]) for i, row in enumerate(rows)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Row:
    """What is known of one row."""

    values: Array
    resolution: float
    guard: NDArray[np.bool_]


def _judged(
    family: FamilyDesign,
    seen: Statistics,
    *,
    known: NDArray[np.int64],
    worthless: NDArray[np.bool_],
    ended: NDArray[np.bool_],
    confirm_harm: bool,
) -> JudgedFamilies:
    """In seed order, and then what is certain ahead of it."""
    judged = judge_families(
        family, seen, known=known, worthless=worthless, ended=ended, confirm_harm=confirm_harm
    )
    return settle_ahead(
        family, seen, judged, known=known, worthless=worthless, ended=ended, confirm_harm=confirm_harm
    )


def _per_row(name: str, given: Sequence[Any] | None, m: int, default: Any) -> list[Any]:
    values = [default] * m if given is None else list(given)
    if len(values) != m:
        raise ValueError(f"{name} must have one value for each of the {m} rows, got {len(values)}")
    return values


def _constant_and_low(family: FamilyDesign, row: _Row) -> bool:
    first = row.values[: int(family.looks[0])]
    decided = family.tests[0].judge(first, identical=True, resolution=row.resolution)
    return int(decided.verdict) == FAIL and REASONS[int(decided.reason)] == Reason.IDENTICAL


def _adjusted(family: FamilyDesign, t: Array, judged: JudgedFamilies) -> list[float | None]:
    """Closed-testing p-values: the largest over all intersections with the row of k times the least p-value in it.

    Of the intersections of k rows the worst has the k - 1 other rows with the largest p-values.
    """
    m, alpha = len(t), float(family.tests[0].alpha)
    result = np.zeros(m)
    for k, test in enumerate(family.tests, start=1):
        p = _stagewise(test, t, judged.look)
        unknown = np.isnan(p)
        p = np.where(unknown, 1.0, p)
        for i in range(m):
            others = np.sort(np.delete(p, i))[::-1][: k - 1]
            result[i] = max(result[i], min(1.0, k * min([p[i], *others])))
    passed = judged.verdict == PASS
    result = np.where(passed, np.minimum(result, alpha), np.maximum(result, np.nextafter(alpha, 1)))
    return [None if missing else float(p) for p, missing in zip(result, unknown, strict=True)]


def _stagewise(test: SequentialTest, t: Array, look: NDArray[np.int64]) -> Array:
    """p-value of each row under one design: where it first crosses its bounds, or else at its last look."""
    rows, last = np.arange(len(t)), look[:, None]
    crossed = (t >= test.efficacy) & (np.arange(t.shape[1]) <= last)
    found = crossed.any(axis=1)
    place = np.where(found, crossed.argmax(axis=1), look)
    statistic = np.where(place < 0, np.nan, t[rows, place])
    verdict, zero = np.where(found, PASS, 0).astype(np.int8), np.zeros(len(t))
    code = np.zeros(len(t), dtype=np.int8)
    return test.p_values(
        Judged(
            verdict=verdict,
            reason=code,
            look=place,
            n=place,
            estimate=zero,
            sd=zero,
            statistic=statistic,
            skewness=np.full(len(t), np.nan),
        )
    )


def _row(
    family: FamilyDesign, judged: JudgedFamilies, i: int, row: _Row, adjusted: float | None
) -> FamilyRow:
    """The row with the evidence of its level: at the look where it crosses its bound, or else at its last look."""
    test, look = family.tests[int(judged.share[i]) - 1], int(judged.look[i])
    verdict, reason = VERDICTS[int(judged.verdict[i])], REASONS[int(judged.reason[i])]
    n = int(family.looks[look]) if look >= 0 else len(row.values)
    bounds = test.bounds
    lowest = np.append(np.full(len(bounds.looks) - 1, -np.inf), bounds.efficacy[-1])
    evidence = judge(
        replace(bounds, futility=lowest),
        row.values[:n],
        resolution=row.resolution,
        guard=row.guard[:n],
    )
    p_value, statistic, sd = (float(x) for x in (test.p_values(evidence), evidence.statistic, evidence.sd))
    low, high = (float(x) for x in intervals(bounds, evidence))
    estimate = float(evidence.estimate)
    decision = Decision(
        verdict=verdict,
        reason=reason,
        estimate=estimate,
        interval=(estimate, estimate) if reason == Reason.IDENTICAL else (low, high),
        p_value=None if np.isnan(p_value) else p_value,
        n=int(evidence.n),
        statistic=None if np.isnan(statistic) else statistic,
        sd=None if np.isnan(sd) else sd,
        method="sequential t-test"
        if np.isnan(evidence.skewness)
        else "sequential t-test, guarded for skewness",
    )
    return FamilyRow(
        verdict=verdict,
        n=n,
        level=float(test.alpha),
        adjusted_p=adjusted,
        decision=decision,
        wants_more=bool(judged.running[i] and not judged.blocked[i]),
    )
