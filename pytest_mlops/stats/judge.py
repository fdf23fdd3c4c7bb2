"""The sequential t-test on arrays of contrasts. It decides by given bounds, and computes none of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pytest_mlops.stats.decision import Reason, Verdict
from pytest_mlops.stats.design import Bounds
from pytest_mlops.stats.recursion import Array

VERDICTS = (Verdict.UNDECIDED, Verdict.PASS, Verdict.FAIL)
REASONS = tuple(Reason)
_UNDECIDED, _PASS, _FAIL = range(3)
_CONTINUE, _EFFICACY, _FUTILITY, _MAX_SEEDS, _IDENTICAL, _NO_VARIANCE = range(6)
_ROUNDING = 8 * np.finfo(np.float64).eps  # of the largest contrast: a spread below it is no spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """Verdicts of many claims; every array has the shape of the claims.

    `verdict` and `reason` index `VERDICTS` and `REASONS`; `look` is the place of the last look taken (-1: none),
    at which `estimate`, `sd` and `statistic` (NaN without a t) were computed; `n` as in `Decision`.
    """

    verdict: NDArray[np.int8]
    reason: NDArray[np.int8]
    look: NDArray[np.int64]
    n: NDArray[np.int64]
    estimate: Array
    sd: Array
    statistic: Array


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
    bounds: Bounds, contrasts: Array, *, identical: bool = False, resolution: ArrayLike = 0.0, parts: int = 1
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
    """
    tape = _Tape(contrasts.shape[:-1])
    worst = special.stdtrit(bounds.looks - 1, bounds.fail_level / parts)
    place = {int(n): i for i, n in enumerate(bounds.looks)}
    seeds = min(contrasts.shape[-1], int(bounds.looks[-1]))
    tape.n[...] = seeds
    scale = _scale(contrasts[..., : int(bounds.looks[0])])
    tiny = np.asarray(resolution, dtype=np.float64) / scale
    mean, squares, largest = (np.zeros(tape.n.shape) for _ in range(3))
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        for n in range(1, seeds + 1):
            x = contrasts[..., n - 1] / scale
            step = x - mean
            mean = mean + step / n
            squares = squares + step * (x - mean)  # Welford: no cancellation where the mean is large
            largest = np.maximum(largest, np.abs(x))
            if n in place:
                sd = np.sqrt(squares / (n - 1))
                constant = sd <= np.maximum(_ROUNDING * largest, tiny)
                tape.look(bounds, place[n], n, (mean, sd, constant), worst, identical=identical, tiny=tiny)
        _unscale(tape, mean, scale)
    return tape.judged()


def intervals(bounds: Bounds, judged: Judged) -> tuple[Array, Array]:
    """Repeated confidence intervals: estimate plus and minus the efficacy bound times the standard error."""
    bound = np.where(np.isnan(judged.statistic), np.inf, bounds.efficacy[judged.look])
    with np.errstate(invalid="ignore"):
        half = bound * judged.sd / np.sqrt(bounds.looks[judged.look])
    half = np.where(np.isnan(half), np.inf, half)
    half = np.where(judged.reason == _IDENTICAL, 0.0, half)
    centre = np.where(
        np.isnan(judged.estimate), 0.0, judged.estimate
    )  # no seed at all: everything is possible
    low = centre - half
    # The same comparison as the verdict's: rounding must not put zero on the other side.
    low = np.where(judged.reason == _EFFICACY, np.maximum(low, 0.0), low)
    return low, centre + half


class _Tape:
    """What is known of each claim while the looks are replayed."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.verdict = np.zeros(shape, dtype=np.int8)
        self.reason = np.zeros(shape, dtype=np.int8)
        self.place = np.full(shape, -1, dtype=np.int64)
        self.n = np.zeros(shape, dtype=np.int64)
        self.estimate, self.sd, self.statistic = (np.full(shape, np.nan) for _ in range(3))

    def look(
        self,
        bounds: Bounds,
        place: int,
        n: int,
        moments: tuple[Array, Array, NDArray[np.bool_]],
        worst: Array,
        *,
        identical: bool,
        tiny: Array,
    ) -> None:
        """Take one look at all claims that are still open."""
        mean, sd, constant = moments
        t = np.where(constant, np.nan, mean / (sd / np.sqrt(n)))
        open_ = self.reason == _CONTINUE
        for kept, new in ((self.place, place), (self.estimate, mean), (self.sd, sd), (self.statistic, t)):
            np.copyto(kept, new, where=open_)
        if identical and place == 0:
            self._stop(open_ & constant, _IDENTICAL, n)
            self.verdict[open_ & constant] = _FAIL
            self.verdict[open_ & constant & (mean > tiny)] = _PASS
            open_ = open_ & ~constant
        passed = open_ & (t >= bounds.efficacy[place])
        self._stop(passed, _EFFICACY, n)
        self.verdict[passed] = _PASS
        last = place == len(bounds.looks) - 1
        stopped = open_ & ~passed & ~constant & (last | (t <= bounds.futility[place]))
        self._stop(stopped, _MAX_SEEDS if last else _FUTILITY, n)
        self.verdict[stopped & (t <= worst[place])] = _FAIL
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
        )


def _scale(first: Array) -> Array:
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
