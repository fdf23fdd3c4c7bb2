"""The looks of a family replayed in seed order: which rows pass, stop or go on. Bounds and levels; no evidence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pytest_mlops.stats.decision import Reason
from pytest_mlops.stats.design import fail_level
from pytest_mlops.stats.judge import FAIL, PASS, REASONS, UNDECIDED, Statistics
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

_CONTINUE = REASONS.index(Reason.CONTINUE)


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
    `share` is j of its level ``alpha / j``. `running` rows want another seed, unless they are `blocked`: then what comes
    next for them depends on rows that are behind. A row with neither a stop nor `running` has ended.
    """

    verdict: NDArray[np.int8]
    reason: NDArray[np.int8]
    look: NDArray[np.int64]
    share: NDArray[np.int64]
    running: NDArray[np.bool_]
    blocked: NDArray[np.bool_]


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
    t: Array | Statistics,
    *,
    known: NDArray[np.int64] | None = None,
    worthless: NDArray[np.bool_] | None = None,
    ended: NDArray[np.bool_] | None = None,
    confirm_harm: bool = False,
) -> JudgedFamilies:
    """Replay the looks of many families; `pytest_mlops.stats.families.holm` is the one-family case.

    Parameters
    ----------
    family : FamilyDesign
        The designs.
    t : ndarray or Statistics, shape (..., m, n_looks)
        t-statistics of each row at each look; NaN where it has none.
    known : ndarray of int, shape (..., m), optional
        Looks for which a row has its contrasts: all of them, unless given.
    worthless : ndarray of bool, shape (..., m), optional
        Rows that FAIL at the first look because their runs are identical.
    ended : ndarray of bool, shape (..., m), optional
        Rows that will never have more than `known`: nobody waits for them.
    confirm_harm : bool
        No stop for futility; FAIL is a crossing of the mirrored bound for ``alpha / m``.
    """
    seen = t if isinstance(t, Statistics) else Statistics.unguarded(t)
    m, looks = seen.t.shape[-2:]
    shape = seen.t.shape[:-1]
    tape = _Tape(shape)
    known = np.full(shape, looks) if known is None else known
    worthless = np.zeros(shape, dtype=bool) if worthless is None else worthless
    ended = np.zeros(shape, dtype=bool) if ended is None else ended
    crossed = np.zeros((m, *shape), dtype=bool)  # by j - 1
    for place in range(looks):
        missing = known <= place
        tape.leave(tape.running & ended & missing)
        tape.wait_for(np.asarray((tape.running & missing).any(axis=-1)))
        taken = tape.running & ~tape.waiting[..., None]
        tape.look[taken] = place
        now = seen.t[..., place]
        bounds = family.efficacy[:, place].reshape(-1, *[1] * len(shape))
        crossed |= taken & (seen.for_pass[..., place] >= bounds)
        if place == 0:
            tape.settle(taken & worthless, FAIL, Reason.IDENTICAL)
        for j in range(m, 0, -1):
            tape.settle(taken & crossed[j - 1] & (tape.left == j)[..., None], PASS, Reason.EFFICACY)
        last, least = place == looks - 1, seen.for_fail[..., place]
        if confirm_harm:
            tape.settle(taken & (least <= -family.efficacy[-1, place]), FAIL, Reason.HARM)
            fails = low = np.zeros(shape, dtype=bool)
        else:
            low = now <= family.futility[np.maximum(tape.left, 1) - 1, place][..., None]
            fails = least <= family.fail[place]
        stopped = taken & tape.running & (low | last)
        tape.settle(stopped & fails, FAIL, Reason.MAX_SEEDS if last else Reason.FUTILITY)
        tape.settle(stopped & ~np.isnan(now), UNDECIDED, Reason.MAX_SEEDS if last else Reason.FUTILITY)
        tape.settle(stopped & np.isnan(now), UNDECIDED, Reason.NO_VARIANCE)
    return tape.judged()


class _Tape:
    """What is known of each row while the looks are replayed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.verdict = np.zeros(shape, dtype=np.int8)
        self.reason = np.full(shape, _CONTINUE, dtype=np.int8)
        self.look = np.full(shape, -1, dtype=np.int64)
        self.share = np.zeros(shape, dtype=np.int64)
        self.running = np.ones(shape, dtype=bool)
        self.waiting = np.zeros(shape[:-1], dtype=bool)

    @property
    def left(self) -> NDArray[np.int64]:
        """Rows of each family that have not passed: j of the level ``alpha / j``."""
        return np.asarray((self.verdict != PASS).sum(axis=-1))

    def wait_for(self, families: NDArray[np.bool_]) -> None:
        """Look no further at families a running row of which has no contrast yet."""
        self.waiting |= families

    def leave(self, rows: NDArray[np.bool_]) -> None:
        """These rows go on no more, and keep their level; families that wait know nothing of it yet."""
        rows = rows & ~self.waiting[..., None]
        np.copyto(self.share, self.left[..., None], where=rows)
        self.running &= ~rows

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
        return JudgedFamilies(
            verdict=self.verdict,
            reason=self.reason,
            look=self.look,
            share=self.share,
            running=self.running,
            blocked=np.zeros_like(self.running),
        )


def settle_ahead(
    family: FamilyDesign,
    seen: Statistics,
    judged: JudgedFamilies,
    *,
    known: NDArray[np.int64],
    worthless: NDArray[np.bool_],
    ended: NDArray[np.bool_],
    confirm_harm: bool = False,
) -> JudgedFamilies:
    """Settle rows that are ahead of one that is waited for, where what is missing cannot change their verdict.

    Parameters
    ----------
    family : FamilyDesign
        The designs.
    seen : Statistics, shape (m, n_looks)
        Of one family.
    judged : JudgedFamilies, shape (m,)
        What `judge_families` found of it.
    known, worthless, ended : ndarray, shape (m,)
        As `judge_families` took them.
    confirm_harm : bool
        The same.

    Returns
    -------
    JudgedFamilies
        The same, with more rows settled. Whatever comes in later, `judge_families` gives these rows the same verdicts,
        at this look or an earlier one.

    Notes
    -----
    How many rows will have passed by a look ahead is not known: j is anything from 1 to those that have not passed yet.
    A row passes for certain when it crosses the bound for the largest of these j (the strictest: levels rise with alpha).
    It stops for certain at or below the futility bounds for all of them, if no j would have let it pass before. Anything
    between blocks it: nothing further ahead is certain.
    """
    result = replace(judged, **{n: getattr(judged, n).copy() for n in ("verdict", "reason", "look", "share")})
    result = replace(result, running=judged.running.copy(), blocked=judged.blocked.copy())
    if not judged.running.any():
        return result
    begin = int(judged.look[judged.running].max()) + 1
    left = int((judged.verdict != PASS).sum())
    passes: list[int] = []
    changed = True
    while changed:
        changed = False
        for i in np.flatnonzero(result.running):
            row = _Row(family, seen, int(i), confirm_harm=confirm_harm, worthless=bool(worthless[i]))
            found = row.ahead(begin, int(known[i]), left, passes, ended=bool(ended[i]))
            result.blocked[i] = found is _BLOCKED
            if found is None or found is _BLOCKED:
                continue
            result.verdict[i], result.reason[i] = found.verdict, REASONS.index(found.reason)
            result.look[i], result.share[i], result.running[i] = found.place, found.share, False
            if found.verdict == PASS:
                passes.append(found.place)
            changed = True
    return result


@dataclass(frozen=True, slots=True)
class _Settled:
    """How a row ended ahead of others, and with which share."""

    verdict: int
    reason: Reason
    place: int
    share: int


_BLOCKED = _Settled(UNDECIDED, Reason.CONTINUE, -1, 0)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a family, looked at while the others' passes are not known."""

    family: FamilyDesign
    seen: Statistics
    i: int
    confirm_harm: bool
    worthless: bool

    def ahead(self, begin: int, known: int, left: int, passes: list[int], *, ended: bool) -> _Settled | None:
        """How it certainly ends at a look from `begin` on; None where it wants another seed."""
        efficacy, for_pass = self.family.efficacy, self.seen.for_pass[self.i]
        for place in range(begin, known):
            top = left - sum(other <= place for other in passes)
            if place == 0 and self.worthless:
                return _Settled(FAIL, Reason.IDENTICAL, place, top)
            so_far = for_pass[: place + 1]
            if (so_far >= efficacy[top - 1, : place + 1]).any():
                return _Settled(PASS, Reason.EFFICACY, place, top)
            stop = self._stop(place, top)
            if stop is not None:
                may_have_passed = bool((so_far >= efficacy[0, : place + 1]).any())
                return _BLOCKED if may_have_passed else stop
        if ended and known >= begin:
            may_have_passed = bool((for_pass[:known] >= efficacy[0, :known]).any())
            share = left - sum(other < known for other in passes)
            return _BLOCKED if may_have_passed else _Settled(UNDECIDED, Reason.CONTINUE, known - 1, share)
        return None

    def _stop(self, place: int, top: int) -> _Settled | None:
        """How it stops at a look without having passed; blocked where that depends on other rows."""
        family, t, least = self.family, self.seen.t[self.i, place], self.seen.for_fail[self.i, place]
        last = place == len(family.looks) - 1
        if self.confirm_harm:
            if least <= -family.efficacy[-1, place]:
                return _Settled(FAIL, Reason.HARM, place, top)
            fails, low = False, np.array([False])
        else:
            fails, low = bool(least <= family.fail[place]), t <= family.futility[:top, place]
        if last and np.isnan(t):
            return _Settled(UNDECIDED, Reason.NO_VARIANCE, place, top)
        if not (last or low.any()):
            return None
        if not (last or low.all()):
            return _BLOCKED
        return _Settled(
            FAIL if fails else UNDECIDED, Reason.MAX_SEEDS if last else Reason.FUTILITY, place, top
        )
