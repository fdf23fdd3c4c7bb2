"""The sequential t-test on arrays of contrasts. It decides by given bounds, and computes none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pytest_mlops.stats.decision import Reason, Verdict
from pytest_mlops.stats.design import Bounds
from pytest_mlops.stats.look import ROUNDING, Look, Moments
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.skewness import skewed

VERDICTS = (Verdict.UNDECIDED, Verdict.PASS, Verdict.FAIL)
REASONS = tuple(Reason)
UNDECIDED, PASS, FAIL = range(3)
CONTINUE, _EFFICACY, _FUTILITY, _MAX_SEEDS, _IDENTICAL, _NO_VARIANCE, _HARM = range(7)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Verdicts of many claims; every array has the shape of the claims.

    `verdict` and `reason` index `VERDICTS` and `REASONS`; `look` is the place of the last look taken (-1: none),
    at which `estimate`, `sd`, `statistic` (what was compared with the efficacy bound, NaN without a t) and `skewness`
    (NaN where nothing guards against it) were computed; `n` as in `Decision`.
    """

    verdict: NDArray[np.int8]
    reason: NDArray[np.int8]
    look: NDArray[np.int64]
    n: NDArray[np.int64]
    estimate: Array
    sd: Array
    statistic: Array
    skewness: Array


def checked_contrasts(contrasts: ArrayLike) -> Array:
    """Contrasts as floats, or a ValueError that names what is wrong and where."""
    try:
        given = np.asarray(contrasts)
    except ValueError as error:  # ragged rows
        raise ValueError(f"contrasts must be numbers, one a seed, got {contrasts!r}") from error
    if given.size and not (np.issubdtype(given.dtype, np.integer) or np.issubdtype(given.dtype, np.floating)):
        raise ValueError(f"contrasts must be real numbers, got {contrasts!r} of type {given.dtype}")
    if given.ndim < 1:
        raise ValueError(
            f"contrasts must have one number a seed along the last axis, got the scalar {contrasts!r}"
        )
    values = np.asarray(given, dtype=np.float64)
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        index = ", ".join(str(i) for i in place)
        raise ValueError(
            f"contrasts[{index}] is {float(values[place])!r}: every contrast must be finite. "
            "A training run that diverged is a result of its own and cannot enter a mean."
        )
    return values


def judge(
    bounds: Bounds,
    contrasts: Array,
    *,
    identical: bool = False,
    resolution: ArrayLike = 0.0,
    parts: int = 1,
    guard: ArrayLike = False,
    confirm_harm: bool = False,
) -> Judged:
    """Replay the looks on every claim and stop each at the first boundary crossed.

    Parameters
    ----------
    bounds : Bounds
        The design.
    contrasts : ndarray, shape (..., n)
        Finite, in seed order; those beyond the deciding look are ignored.
    identical : bool
        Whether the runs behind each contrast are known to be identical bit for bit, on every pair.
    resolution : array_like, shape broadcastable to (...)
        Rounding error of a contrast: a standard deviation of at most this is no spread, and gives no t.
    parts : int
        Number of parts of a claim all of which must hold: each FAILs at ``fail_level / parts``.
    guard : array_like of bool, shape broadcastable to (..., n)
        Whether the t that PASSes has to hold against skewness too at a look after that seed, see `skewness`.
    confirm_harm : bool
        Go on to the mirrored efficacy boundary instead of stopping for futility; FAIL is its crossing, and no other.
    """
    rule = Rule(identical=identical, confirm_harm=confirm_harm, parts=parts)
    guarded = np.broadcast_to(np.asarray(guard, dtype=bool), contrasts.shape)
    scale = scale_of(contrasts[..., : int(bounds.looks[0])])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        looks = _replayed(
            bounds.looks,
            contrasts / scale[..., None],
            np.asarray(resolution, dtype=np.float64) / scale,
            guarded,
        )
        return stopped(
            bounds, ((sums.mean, look) for sums, look in looks), rule, seeds=contrasts.shape[-1], scale=scale
        )


def stopped(
    bounds: Bounds, looks: Iterable[tuple[Array, Look | None]], rule: Rule, *, seeds: int, scale: Array
) -> Judged:
    """Stop each claim at the first boundary that its looks cross, whatever statistic they have.

    Parameters
    ----------
    bounds : Bounds
        The design.
    looks : iterable of (ndarray, Look or None)
        Seed by seed the estimate so far, and the look that is taken there; in units of `scale`.
    rule : Rule
        What changes how a claim stops.
    seeds : int
        How many seeds there are.
    scale : ndarray
        What estimates are multiplied with in the end; its shape is that of the claims.
    """
    tape = _Tape(scale.shape)
    worst = special.stdtrit(bounds.looks - 1, bounds.fail_level / rule.parts)
    tape.n[...] = min(seeds, int(bounds.looks[-1]))
    mean = np.zeros(scale.shape)
    for estimate, look in looks:
        mean = estimate
        if look is not None:
            tape.look(bounds, look, rule, float(worst[look.place]))
            if (tape.reason != CONTINUE).all():  # what comes later changes nothing
                break
    _unscale(tape, mean, scale)
    return tape.judged()


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """What claims are judged by at every look, shape (..., n_looks); NaN where there is no spread, or no contrast yet.

    `t` is compared with the futility bound, `for_pass` with the efficacy bound and `for_fail` with that of FAIL: the
    smaller and the larger of t and its unskewed value where skewness is guarded against, and t elsewhere.
    """

    t: Array
    for_pass: Array
    for_fail: Array

    @classmethod
    def unguarded(cls, t: Array) -> Statistics:
        """Of t-statistics that nothing guards against skewness."""
        return cls(t=t, for_pass=t, for_fail=t)


def all_statistics(
    looks: NDArray[np.int64], contrasts: Array, resolution: ArrayLike = 0.0, *, guard: ArrayLike = False
) -> Statistics:
    """What `judge` compares with its bounds at every look, shape (..., n_looks)."""
    t, low, high = (np.full((*contrasts.shape[:-1], len(looks)), np.nan) for _ in range(3))
    scale = scale_of(contrasts[..., : int(looks[0])])
    guarded = np.broadcast_to(np.asarray(guard, dtype=bool), contrasts.shape)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        for _, look in _replayed(
            looks, contrasts / scale[..., None], np.asarray(resolution, dtype=np.float64) / scale, guarded
        ):
            if look is not None:
                t[..., look.place] = look.t
                low[..., look.place], high[..., look.place] = look.for_pass, look.for_fail
    return Statistics(t=t, for_pass=low, for_fail=high)


def statistics(
    looks: NDArray[np.int64], contrasts: Array, resolution: ArrayLike = 0.0, *, guard: ArrayLike = False
) -> Array:
    """What `judge` compares with the efficacy bound at every look, shape (..., n_looks).

    NaN where there is no spread, and at looks beyond the contrasts.
    """
    return all_statistics(looks, contrasts, resolution, guard=guard).for_pass


def _replayed(
    looks: NDArray[np.int64], scaled: Array, tiny: Array, guard: NDArray[np.bool_]
) -> Iterator[tuple[Moments, Look | None]]:
    """Seed by seed the moments so far, and the look that is taken there."""
    place = {int(n): i for i, n in enumerate(looks)}
    sums = Moments.none(scaled.shape[:-1])
    for n in range(1, min(scaled.shape[-1], int(looks[-1])) + 1):
        sums = sums.with_one_more(scaled[..., n - 1])
        at = place.get(n)
        yield sums, None if at is None else Look.at(sums, at, tiny=tiny, guard=guard[..., n - 1])


def is_constant(contrasts: Array, sd: float, resolution: float) -> bool:
    """Whether the spread of one claim's contrasts is rounding, as `judge` sees it: then there is no t."""
    return sd <= max(ROUNDING * float(np.abs(contrasts).max()), resolution)


def intervals(bounds: Bounds, judged: Judged) -> tuple[Array, Array]:
    """Repeated confidence intervals: the means that neither boundary excludes.

    Estimate plus and minus the efficacy bound times the standard error; where skewness is guarded against, each end
    is the farther one of this and of its image under Hall's transformation.
    """
    bound = np.where(np.isnan(judged.statistic), np.inf, bounds.efficacy[judged.look])
    n = bounds.looks[judged.look]
    guarded = ~np.isnan(judged.skewness) & np.isfinite(bound)
    below, above = bound, -bound
    if guarded.any():
        skewness, finite = np.where(guarded, judged.skewness, 0.0), np.where(guarded, bound, 0.0)
        below = np.where(guarded, np.maximum(bound, skewed(finite, skewness, n)), bound)
        above = np.where(guarded, np.minimum(-bound, skewed(-finite, skewness, n)), -bound)
    with np.errstate(invalid="ignore"):
        error = judged.sd / np.sqrt(n)
        reaches = [np.where(np.isnan(t * error), np.inf, np.abs(t * error)) for t in (below, above)]
    low_reach, high_reach = (np.where(judged.reason == _IDENTICAL, 0.0, reach) for reach in reaches)
    centre = np.where(
        np.isnan(judged.estimate), 0.0, judged.estimate
    )  # no seed at all: everything is possible
    low = centre - low_reach
    # The same comparison as the verdict's: rounding must not put zero on the other side.
    low = np.where(judged.reason == _EFFICACY, np.maximum(low, 0.0), low)
    return low, centre + high_reach


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """What changes how a claim stops: see `judge`."""

    identical: bool = False
    confirm_harm: bool = False
    parts: int = 1


class _Tape:
    """What is known of each claim while the looks are replayed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.verdict = np.zeros(shape, dtype=np.int8)
        self.reason = np.zeros(shape, dtype=np.int8)
        self.place = np.full(shape, -1, dtype=np.int64)
        self.n = np.zeros(shape, dtype=np.int64)
        self.estimate, self.sd, self.statistic, self.skewness = (np.full(shape, np.nan) for _ in range(4))

    def look(self, bounds: Bounds, look: Look, rule: Rule, worst: float) -> None:
        """Take one look at all claims that are still open."""
        open_, constant, n = self.reason == CONTINUE, look.constant, look.n
        kept = (
            (self.place, look.place),
            (self.estimate, look.mean),
            (self.sd, look.sd),
            (self.statistic, look.for_pass),
            (self.skewness, look.skewness),
        )
        for old, new in kept:
            np.copyto(old, new, where=open_)
        if rule.identical and look.place == 0:
            self._stop(open_ & constant, _IDENTICAL, n)
            self.verdict[open_ & constant] = FAIL
            self.verdict[open_ & constant & (look.mean > look.tiny)] = PASS
            open_ = open_ & ~constant
        efficacy, futility = bounds.efficacy[look.place], bounds.futility[look.place]
        passed = open_ & (look.for_pass >= efficacy)
        self._stop(passed, _EFFICACY, n)
        self.verdict[passed] = PASS
        open_ = open_ & ~passed
        last = look.place == len(bounds.looks) - 1
        if rule.confirm_harm:
            harmed = open_ & (look.for_fail <= -efficacy)
            self._stop(harmed, _HARM, n)
            self.verdict[harmed] = FAIL
            stopped = open_ & ~harmed & ~constant & last
            self._stop(stopped, _MAX_SEEDS, n)
        else:
            stopped = open_ & ~constant & (last | (look.t <= futility))
            self._stop(stopped, _MAX_SEEDS if last else _FUTILITY, n)
            self.verdict[stopped & (look.for_fail <= worst)] = FAIL
        if last:
            self._stop(open_ & constant, _NO_VARIANCE, n)

    def _stop(self, which: NDArray[np.bool_], reason: int, n: int) -> None:
        self.reason[which] = reason
        self.n[which] = n

    def judged(self) -> Judged:
        return Judged(
            verdict=self.verdict,
            reason=self.reason,
            look=self.place,
            n=self.n,
            estimate=self.estimate,
            sd=self.sd,
            statistic=self.statistic,
            skewness=self.skewness,
        )


def scale_of(first: Array) -> Array:
    """Power of two near the largest contrast before the first look: dividing by it is exact and saves squares.

    Later contrasts have no say, so that those beyond the deciding look cannot shift a bit of the result.
    """
    largest = np.abs(first).max(axis=-1, initial=0.0)
    return np.asarray(np.exp2(np.clip(np.frexp(np.where(largest > 0, largest, 1.0))[1] - 1.0, -1000, 1000)))


def _unscale(tape: _Tape, mean: Array, scale: Array) -> None:
    early = tape.place < 0
    np.copyto(tape.estimate, mean if tape.n.size and tape.n.max() else np.nan, where=early)
    tape.estimate[...] = tape.estimate * scale
    tape.sd[...] = tape.sd * scale
