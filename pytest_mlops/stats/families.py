"""Holm's procedure over claims that are each decided sequentially: a family of rows, and which of them pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pytest_mlops.stats.decision import Decision, Reason, Verdict
from pytest_mlops.stats.design import fail_level
from pytest_mlops.stats.judge import (
    REASONS,
    VERDICTS,
    Judged,
    checked_contrasts,
    intervals,
    judge,
    statistics,
)
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

_PASS, _FAIL = 1, 2


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
    """

    verdict: Verdict
    n: int
    level: float
    adjusted_p: float | None
    decision: Decision


@dataclass(frozen=True, kw_only=True, slots=True)
class FamilyDesign:
    """Designs of a family of m rows: ``tests[j - 1]`` is the row's test at level ``alpha / j``.

    `efficacy` and `futility` have shape (m, n_looks); `fail` are t-statistics at or below which a stop without PASS is
    a FAIL.
    """

    tests: tuple[SequentialTest, ...]
    looks: NDArray[np.int64]
    efficacy: Array
    futility: Array
    fail: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedFamilies:
    """Rows of many families; every array has shape (..., m).

    `verdict` and `reason` as in `Judged`; `look` is the place of the look at which the row was settled (-1: none);
    `share` is j of its level ``alpha / j``.
    """

    verdict: NDArray[np.int8]
    reason: NDArray[np.int8]
    look: NDArray[np.int64]
    share: NDArray[np.int64]


def holm(
    contrasts: Sequence[ArrayLike],
    test: SequentialTest,
    *,
    identical: Sequence[bool] | None = None,
    resolution: Sequence[float] | None = None,
) -> list[FamilyRow]:
    """Judge a family of claims, each with its own contrasts, so that a false PASS anywhere has probability alpha.

    Looks are replayed in seed order over all rows together. At each look, with j rows not passed yet,

    1. every row that is still running and whose sequence has crossed the efficacy bound for level ``alpha / j`` at
       this look or before passes, and hands its level on: j falls, and the rest are looked at again;
    2. every other running row whose t-statistic lies at or below the futility bound for ``alpha / j`` stops, and so
       does every row at `max_seeds`. A row that stopped without PASS stays stopped and keeps its level.

    Parameters
    ----------
    contrasts : sequence of array_like
        For each row its contrasts in seed order, all beginning with the same seed. Where a running row has no contrast
        yet, the whole family waits at that seed; what a row has beyond its stop is ignored.
    test : SequentialTest
        The design of a row alone; its alpha is that of the family.
    identical : sequence of bool, optional
        Rows whose runs are known to be identical bit for bit: a constant contrast of zero or below FAILs at the first
        look. (Above zero it goes on: whether that may pass is not for a family to say.)
    resolution : sequence of float, optional
        Rounding error of a contrast of each row, as in `SequentialTest.decide`.

    Returns
    -------
    list of FamilyRow
        In the order of `contrasts`. Rows with reason ``"continue"`` want another seed.

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
    family = family_design(test, m)
    t = np.stack([statistics(family.looks, row, r) for row, r in zip(values, rounding, strict=True)])
    known = np.array([np.searchsorted(family.looks, len(row), side="right") for row in values])
    worthless = np.array(
        [
            bool(s) and _constant_and_low(family, row, r)
            for row, s, r in zip(values, same, rounding, strict=True)
        ]
    )
    judged = judge_families(family, t, known=known, worthless=worthless)
    adjusted = _adjusted(family, t, judged)
    return [_row(family, judged, i, row, rounding[i], adjusted[i]) for i, row in enumerate(values)]


@lru_cache(maxsize=64)
def family_design(test: SequentialTest, m: int) -> FamilyDesign:
    """Designs for m rows, whose alpha together is that of `test`.

    Raises
    ------
    ValueError
        If m is below one, or the spending makes a nominal level fall when alpha grows.
    """
    if m < 1:
        raise ValueError("a family needs at least one row")
    tests = tuple(replace(test, alpha=float(test.alpha) / j) for j in range(1, m + 1))
    efficacy = np.stack([one.efficacy for one in tests])
    futility = np.stack([one.futility for one in tests])
    check_levels_rise(float(test.alpha), test.looks, efficacy)
    lowest = futility.min(axis=0)
    level = fail_level(test.alpha / m, test.looks, efficacy[-1], lowest)
    fail = np.minimum(special.stdtrit(test.looks - 1, level), lowest)
    return FamilyDesign(tests=tests, looks=test.looks, efficacy=efficacy, futility=futility, fail=fail)


def check_levels_rise(alpha: float, looks: NDArray[np.int64], efficacy: Array) -> None:
    """Refuse designs whose nominal level at a look falls when alpha grows: Holm's steps would not be the closed test.

    `efficacy` has the bounds for ``alpha / j`` in row j - 1; a higher bound is a lower nominal level.
    """
    with np.errstate(invalid="ignore"):
        falls = np.argwhere(np.diff(efficacy, axis=0) < -1e-6)  # the bounds are solved to about 1e-8
    if len(falls):
        j, place = (int(x) for x in falls[0])
        raise ValueError(
            f"this spending cannot be used in a family: at {looks[place]} seeds its nominal level falls when alpha grows "
            f"from {alpha / (j + 2):.3g} to {alpha / (j + 1):.3g}. Use the default spending."
        )


def judge_families(
    family: FamilyDesign,
    t: Array,
    *,
    known: NDArray[np.int64] | None = None,
    worthless: NDArray[np.bool_] | None = None,
) -> JudgedFamilies:
    """Replay the looks of many families; `holm` is the one-family case.

    Parameters
    ----------
    family : FamilyDesign
        The designs.
    t : ndarray, shape (..., m, n_looks)
        t-statistics of each row at each look; NaN where it has none.
    known : ndarray of int, shape (..., m), optional
        Looks for which a row has its contrasts: all of them, unless given.
    worthless : ndarray of bool, shape (..., m), optional
        Rows that FAIL at the first look because their runs are identical.
    """
    m, looks = t.shape[-2:]
    shape = t.shape[:-1]
    tape = _Tape(shape)
    known = np.full(shape, looks) if known is None else known
    worthless = np.zeros(shape, dtype=bool) if worthless is None else worthless
    crossed = np.zeros((m, *shape), dtype=bool)  # by j - 1
    for place in range(looks):
        tape.wait_for(np.asarray((tape.running & (known <= place)).any(axis=-1)))
        taken = tape.running & ~tape.waiting[..., None]
        tape.look[taken] = place
        now = t[..., place]
        crossed |= taken & (now >= family.efficacy[:, place].reshape(-1, *[1] * len(shape)))
        if place == 0:
            tape.settle(taken & worthless, _FAIL, Reason.IDENTICAL)
        for j in range(m, 0, -1):
            tape.settle(taken & crossed[j - 1] & (tape.left == j)[..., None], _PASS, Reason.EFFICACY)
        last = place == looks - 1
        bound = family.futility[np.maximum(tape.left, 1) - 1, place][..., None]
        with np.errstate(invalid="ignore"):
            low = now <= bound
        stopped = taken & tape.running & (low | last)
        fails = stopped & (now <= family.fail[place])
        tape.settle(fails, _FAIL, Reason.MAX_SEEDS if last else Reason.FUTILITY)
        tape.settle(stopped & ~fails & ~np.isnan(now), 0, Reason.MAX_SEEDS if last else Reason.FUTILITY)
        tape.settle(stopped & np.isnan(now), 0, Reason.NO_VARIANCE)
    return tape.judged()


class _Tape:
    """What is known of each row while the looks are replayed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.verdict = np.zeros(shape, dtype=np.int8)
        self.reason = np.full(shape, REASONS.index(Reason.CONTINUE), dtype=np.int8)
        self.look = np.full(shape, -1, dtype=np.int64)
        self.share = np.zeros(shape, dtype=np.int64)
        self.running = np.ones(shape, dtype=bool)
        self.waiting = np.zeros(shape[:-1], dtype=bool)

    @property
    def left(self) -> NDArray[np.int64]:
        """Rows of each family that have not passed: j of the level ``alpha / j``."""
        return np.asarray((self.verdict != _PASS).sum(axis=-1))

    def wait_for(self, families: NDArray[np.bool_]) -> None:
        """Look no further at families a running row of which has no contrast yet."""
        self.waiting |= families

    def settle(self, rows: NDArray[np.bool_], verdict: int, reason: Reason) -> None:
        """Stop these rows; those that stopped before stay as they are."""
        rows = rows & self.running
        if rows.any():
            np.copyto(self.share, self.left[..., None], where=rows)
            self.verdict[rows] = verdict
            self.reason[rows] = REASONS.index(reason)
            self.running &= ~rows

    def judged(self) -> JudgedFamilies:
        np.copyto(self.share, np.maximum(self.left, 1)[..., None], where=self.running)
        return JudgedFamilies(verdict=self.verdict, reason=self.reason, look=self.look, share=self.share)


def _per_row(name: str, given: Sequence[float] | None, m: int, default: float) -> list[float]:
    values = [default] * m if given is None else list(given)
    if len(values) != m:
        raise ValueError(f"{name} must have one value for each of the {m} rows, got {len(values)}")
    return values


def _constant_and_low(family: FamilyDesign, row: Array, resolution: float) -> bool:
    decided = family.tests[0].judge(row[: int(family.looks[0])], identical=True, resolution=resolution)
    return int(decided.verdict) == _FAIL and REASONS[int(decided.reason)] == Reason.IDENTICAL


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
    passed = judged.verdict == _PASS
    result = np.where(passed, np.minimum(result, alpha), np.maximum(result, np.nextafter(alpha, 1)))
    return [None if missing else float(p) for p, missing in zip(result, unknown, strict=True)]


def _stagewise(test: SequentialTest, t: Array, look: NDArray[np.int64]) -> Array:
    """p-value of each row under one design: where it first crosses its bounds, or else at its last look."""
    rows, last = np.arange(len(t)), look[:, None]
    crossed = (t >= test.efficacy) & (np.arange(t.shape[1]) <= last)
    found = crossed.any(axis=1)
    place = np.where(found, crossed.argmax(axis=1), look)
    statistic = np.where(place < 0, np.nan, t[rows, place])
    verdict, zero = np.where(found, _PASS, 0).astype(np.int8), np.zeros(len(t))
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
    family: FamilyDesign,
    judged: JudgedFamilies,
    i: int,
    row: Array,
    resolution: float,
    adjusted: float | None,
) -> FamilyRow:
    """The row with the evidence of its level: at the look where it crosses its bound, or else at its last look."""
    test, look = family.tests[int(judged.share[i]) - 1], int(judged.look[i])
    verdict, reason = VERDICTS[int(judged.verdict[i])], REASONS[int(judged.reason[i])]
    seen = row[: int(family.looks[look])] if look >= 0 else row
    bounds = test.bounds
    lowest = np.append(np.full(len(bounds.looks) - 1, -np.inf), bounds.efficacy[-1])
    evidence = judge(replace(bounds, futility=lowest), seen, resolution=resolution)
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
    )
    return FamilyRow(
        verdict=verdict, n=len(seen), level=float(test.alpha), adjusted_p=adjusted, decision=decision
    )
