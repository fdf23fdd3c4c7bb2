"""A sequential sign-flip test: exact for contrasts that are symmetric about zero, Gaussian or not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlops.stats.checks import MOST_SEEDS, check_parts
from pytest_mlops.stats.decision import Decision, Reason, Verdict
from pytest_mlops.stats.one_look import one_axis
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

METHOD = "sequential sign-flip test"
FIRST_LOOK = 8  # seeds before which a first look is in vain: the smallest p is 2^-n
ENUMERATED = 14  # seeds up to which all sign patterns are gone through: 16,384
FLIPS = 4999  # random patterns beyond that; with the one seen they make 5,000
_HALVINGS = 16  # of the interval's ends: to a 30,000th of the contrasts' range
_ROUNDING = 8 * np.finfo(np.float64).eps  # of the largest contrast: a spread below it is no spread


@dataclass(frozen=True, kw_only=True, slots=True)
class _Course:
    """Stage-wise p-values look by look, where the sequence passed, the sums above which patterns did, their share."""

    p_values: list[float]
    passed: int | None
    cuts: list[float]
    share: float


@dataclass(frozen=True)
class SignFlipTest:
    """A sequential test of the mean contrast by flipping signs, with the looks and the spending of a design.

    Parameters
    ----------
    test : SequentialTest
        The design: its looks, its spending of alpha, and its futility bounds on the t-statistic.
    seed : int
        Seed of the random sign patterns; the same seed gives the same verdict.

    Notes
    -----
    If the contrasts are symmetric about zero, as those of two arms of one law are, then given their sizes all sign
    patterns are equally likely. At each look the patterns that did not pass before are ordered by their sum, and
    the largest pass, as many as the alpha spent by then allows; so P(PASS) by any look is at most what was
    spent, exactly. All ``2^n`` patterns are gone through for n up to 14. Beyond, the pattern seen and 4,999
    random ones, kept for all looks, are exchangeable, which keeps the level exact too (Dwass, Annals of
    Mathematical Statistics 28, 1957). FAIL needs the mirrored contrasts to pass. Futility is not binding.

    The price: no PASS before 7 seeds by the default design, whatever the gain (the smallest p is ``2^-n``); hardly
    ever a FAIL, because futility stops harm before its mirror image can pass: UNDECIDED instead; 0.1 to 0.5 s a
    claim. With margins it assumes symmetry about the margin: it does not protect against skewness.

    Examples
    --------
    >>> test = SignFlipTest(SequentialTest())
    >>> decision = test.decide([0.9, 1.1, 1.3, 0.8, 1.0, 1.2, 0.7, 1.4, 1.0])
    >>> str(decision.verdict), decision.n
    ('PASS', 7)
    """

    test: SequentialTest
    seed: int = 0

    def decide(self, contrasts: ArrayLike, *, resolution: float = 0.0, parts: int = 1) -> Decision:
        """Judge one claim by its contrasts so far.

        Parameters
        ----------
        contrasts : array_like, shape (n,)
            One number a seed, in seed order, margin taken off. Those beyond the deciding look are ignored.
        resolution : float
            Rounding error of a contrast: contrasts that spread no more than this do not pass.
        parts : int
            Number of parts of a claim all of which must hold: each FAILs at ``alpha / parts``.

        Returns
        -------
        Decision
            As of `SequentialTest.decide`; the interval is that of the shifts that would not pass by this look.

        Raises
        ------
        ValueError
            If a contrast is no finite real number, or there is more than one axis.
        """
        values = one_axis(contrasts)
        share = 1 / check_parts(parts)
        looks = self.test.looks[self.test.looks <= len(values)]
        if not len(looks):
            mean = float(values.mean()) if len(values) else math.nan
            waiting = Reason.CONTINUE
            return Decision(
                verdict=Verdict.UNDECIDED, reason=waiting, estimate=mean, n=len(values), method=METHOD
            )
        used = values[: int(looks[-1])]
        course = self._course(used, resolution)
        place, reason = self._stop(used, course, resolution)
        used = used[: int(looks[place])]
        failed = reason in {Reason.FUTILITY, Reason.MAX_SEEDS} and self._passes(-used, resolution, share)
        verdict = Verdict.FAIL if failed else Verdict.UNDECIDED
        p_value = max(course.p_values[place], math.nextafter(self.test.alpha, 1))
        if reason == Reason.EFFICACY:
            verdict, p_value = Verdict.PASS, course.p_values[place]
        t = _t(used, resolution)
        return Decision(
            verdict=verdict,
            reason=reason,
            estimate=float(used.mean()),
            interval=self._interval(used, resolution),
            p_value=None if math.isnan(t) else p_value,
            n=len(values) if reason == Reason.CONTINUE else len(used),
            statistic=None if math.isnan(t) else t,
            sd=float(used.std(ddof=1)),
            method=METHOD,
        )

    def _stop(self, values: Array, course: _Course, resolution: float) -> tuple[int, Reason]:
        """Place of the look at which the sequence stops, and why; of the last look taken where it goes on."""
        for place in range(len(course.p_values)):
            if place == course.passed:
                return place, Reason.EFFICACY
            t = _t(values[: int(self.test.looks[place])], resolution)
            if place == len(self.test.looks) - 1:
                return place, Reason.NO_VARIANCE if math.isnan(t) else Reason.MAX_SEEDS
            if t <= self.test.futility[place]:
                return place, Reason.FUTILITY
        return len(course.p_values) - 1, Reason.CONTINUE

    def _course(self, values: Array, resolution: float, share: float = 1.0) -> _Course:
        """Go through the looks until the sequence passes: by all patterns first, then by random ones.

        Of the alpha spent by each look only this share may pass.
        """
        looks = self.test.looks[self.test.looks <= len(values)]
        # Of the contrasts before the first look, so that later ones have no say in the rounding of sums.
        unit = float(np.abs(values[: int(looks[0])]).max()) or 1.0
        values = values / unit
        # A look that may not pass leaves its alpha to the next.
        spent = share * np.maximum.accumulate(
            _spent(self.test)[: len(looks)] * _spreads(np.abs(values), looks, resolution / unit)
        )
        split = int(np.searchsorted(looks, ENUMERATED, side="right"))
        course = _Course(p_values=[], passed=None, cuts=[], share=0.0)
        if split:
            signs = _patterns(int(looks[split - 1]))
            course = _walk(_sums(values, signs, looks[:split]), spent[:split], course)
        if split < len(looks) and course.passed is None:
            signs = _flips(self.seed)[:, : len(values)]
            course = _walk(_sums(values, signs, looks), spent[split:], course)
        return course

    def _passes(self, values: Array, resolution: float, share: float = 1.0) -> bool:
        return self._course(values, resolution, share).passed is not None

    def _interval(self, values: Array, resolution: float) -> tuple[float, float]:
        """Shifts that would not make the contrasts pass by this look, nor their mirror image."""
        if math.isnan(_t(values, resolution)):
            return -math.inf, math.inf
        low = self._end(lambda shift: self._passes(values - shift, resolution), values)
        high = -self._end(lambda shift: self._passes(-values - shift, resolution), -values)
        return low, high

    @staticmethod
    def _end(passes: Callable[[float], bool], values: Array) -> float:
        reach = float(values.max() - values.min())
        inside, outside = (
            (float(values.max()), 0.0) if passes(0.0) else (0.0, min(float(values.min()), 0.0) - reach)
        )
        if outside != 0 and not passes(outside):
            return -math.inf
        for _ in range(_HALVINGS):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if passes(middle) else (middle, outside)
        return outside


def _walk(sums: Array, spent: Array, before: _Course) -> _Course:
    """Go on from `before` with patterns whose sums are the rows; the first row is the one seen."""
    patterns, done = len(sums), len(before.cuts)
    alive = (
        (sums[:, :done] <= before.cuts).all(axis=1)
        if done and sums.shape[1] > done
        else np.ones(patterns, dtype=bool)
    )
    p_values, cuts, crossed = list(before.p_values), list(before.cuts), 0
    for total, column in zip(spent, sums[:, done:].T, strict=True):
        live = np.sort(column[alive])
        above = len(live) - int(np.searchsorted(live, column[0], side="left"))
        p_values.append(before.share + (crossed + above) / patterns)
        allowed = math.floor((total - before.share) * patterns + 1e-9) - crossed
        # As many as are allowed, and none of a tie that would be cut through.
        cut = math.inf if allowed <= 0 else -math.inf if allowed >= len(live) else float(live[-allowed - 1])
        cuts.append(cut)
        if column[0] > cut:
            return _Course(p_values=p_values, passed=len(cuts) - 1, cuts=cuts, share=math.nan)
        passing = alive & (column > cut)
        crossed += int(passing.sum())
        alive &= ~passing
    return _Course(p_values=p_values, passed=None, cuts=cuts, share=before.share + crossed / patterns)


def _sums(values: Array, signs: NDArray[np.int8], looks: NDArray[np.int64]) -> Array:
    """Sums of each pattern at each look, rounded so that equal ones are equal."""
    return np.asarray(np.round(np.cumsum(signs * values[: signs.shape[1]], axis=1)[:, looks - 1], 11))


def _spreads(sizes: Array, looks: NDArray[np.int64], tiny: float) -> NDArray[np.bool_]:
    """Whether the sizes of the contrasts differ by each look: where they do not, no pattern passes.

    Constant contrasts prove nothing, and whether sizes differ is the same for all patterns, so the level stays exact.
    """
    spread = np.maximum.accumulate(sizes) - np.minimum.accumulate(sizes)
    return np.asarray(spread[looks - 1] > max(tiny, _ROUNDING))


def _t(values: Array, resolution: float) -> float:
    """T-statistic, NaN without a spread."""
    sd = float(values.std(ddof=1))
    tiny = max(resolution, float(_ROUNDING * np.abs(values).max()))
    return float(values.mean()) / (sd / math.sqrt(len(values))) if sd > tiny else math.nan


@lru_cache(maxsize=32)
def _spent(test: SequentialTest) -> Array:
    """Alpha spent by each look."""
    efficacy, _ = test.used_spending.spent(np.arange(test.min_seeds, test.max_seeds + 1))
    return np.asarray(test.alpha * efficacy[test.looks - test.min_seeds])


@lru_cache(maxsize=ENUMERATED)
def _patterns(n: int) -> NDArray[np.int8]:
    """All sign patterns of n contrasts, shape (2^n, n); the first changes nothing."""
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return (1 - 2 * bits).astype(np.int8)


@lru_cache(maxsize=4)
def _flips(seed: int) -> NDArray[np.int8]:
    """Random sign patterns after the one that changes nothing, the same for all claims, shape (5000, 1000)."""
    random = np.random.default_rng(seed).integers(0, 2, (FLIPS, MOST_SEEDS), dtype=np.int8)
    return np.concatenate([np.ones((1, MOST_SEEDS), dtype=np.int8), 1 - 2 * random])
