"""The exact sequential test that one arm's rate lies above another's: McNemar's test, looked at after every pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlops.stats.binomial import Array, Counts, Looks, efficacy_bounds, tail_probabilities
from pytest_mlops.stats.checks import check_level, check_parts, check_seeds, check_sign, checked_outcomes
from pytest_mlops.stats.decision import Decision, Reason
from pytest_mlops.stats.judge import REASONS, VERDICTS
from pytest_mlops.stats.rate_design import seeds_needed
from pytest_mlops.stats.repeated import RepeatedLimits, interval_looks, repeated_limits
from pytest_mlops.stats.sequential import SequentialTest
from pytest_mlops.stats.spending import HwangShihDeCani

_PASS, _FAIL = 1, 2
_EARLY = HwangShihDeCani(8.0)  # most claims see few discordant pairs: what is kept for many is lost to them
_FOR_DISCORDANCE = 0.2  # of the interval's alpha, spent on how often pairs disagree; the rest on who wins


@dataclass(frozen=True, kw_only=True, slots=True)
class DiscordantBounds:
    """Bounds by number of discordant pairs ``d = 0 .. max_seeds``: pass at `upper` wins, FAIL at `fail` wins."""

    upper: Counts
    fail: Counts


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedPairs:
    """Verdicts of many claims; every array has the shape of the claims.

    `verdict`, `reason` and `n` as in `JudgedRates`; `discordant` pairs among the first `n`, and `wins` among them:
    those that speak for the claim.
    """

    verdict: NDArray[np.int8]
    reason: NDArray[np.int8]
    n: NDArray[np.int64]
    discordant: NDArray[np.int64]
    wins: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DiscordantTest:
    """A sequential exact test that the candidate's rate lies above (or below) the baseline's, by discordant pairs.

    Parameters
    ----------
    sign : {'>', '<'}
        Whether the candidate's rate of True is claimed to lie above or below the baseline's.
    alpha : float
        Largest P(PASS) where the claim is false, futility ignored, whatever the two rates are; in (0, 0.5).
    power : float
        As in `SequentialTest`, whose futility bound on the mean contrast is used; in (alpha, 1).
    min_seeds, max_seeds : int
        First and last pair after which there is a look; ``2 <= min_seeds <= max_seeds <= 1000``.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or `max_seeds` pairs that all speak for the claim would not show it.

    Notes
    -----
    A pair is discordant when its two outcomes differ. Where the claim is false, each discordant pair speaks for it
    with probability one half at most, whatever pairs are discordant; so the clock of the bounds is the number of
    discordant pairs, alpha is spent over ``1 .. max_seeds`` of them, and the level holds given which pairs are
    discordant. Bounds depend on nothing that is estimated, and no order of looks can change them.

    Futility is that of the t-test on the contrasts -1, 0 and 1, which costs no level. FAIL has a sequence of its own,
    the mirror of the test with all of alpha at once, so that P(FAIL | claim true) is at most alpha at any stop.

    A claim with a margin on two rates is not of this kind: its law depends on a nuisance rate even where the claim is
    just false, and no exact sequential test of it is known to us.

    References
    ----------
    McNemar (1947), Psychometrika 12, 153; Jennison and Turnbull (2000), chapter 12.

    Examples
    --------
    >>> test = DiscordantTest()
    >>> decision = test.decide([(True, False)] * 7)
    >>> str(decision.verdict), decision.n, decision.estimate
    ('PASS', 5, 1.0)
    """

    sign: str = ">"
    alpha: float = 0.05
    power: float = 0.9
    min_seeds: int = 5
    max_seeds: int = 30

    def __post_init__(self) -> None:
        check_sign(self.sign)
        check_level("alpha", self.alpha, 0.0, 0.5, "it is a one-sided error probability")
        check_level("power", self.power, float(self.alpha), 1.0, "it is the chance to PASS, above alpha")
        check_seeds("min_seeds", self.min_seeds, 2, "futility needs a spread")
        check_seeds("max_seeds", self.max_seeds, int(self.min_seeds), "it cannot lie below min_seeds")
        if not self.feasible:
            raise ValueError(
                f"max_seeds={self.max_seeds} cannot show that one rate lies above another at alpha={self.alpha:g}: even "
                f"if every pair speaks for it, {self.seeds_needed} are needed. "
                f"Give max_seeds={self.seeds_needed} or more."
            )

    @property
    def seeds_needed(self) -> int:
        """Fewest pairs that can PASS, were they all to speak for the claim."""
        return seeds_needed(0.5, float(self.alpha))

    @property
    def feasible(self) -> bool:
        """Whether `max_seeds` can show the claim at all."""
        return self.seeds_needed <= self.max_seeds

    @property
    def bounds(self) -> DiscordantBounds:
        """Bounds on wins by number of discordant pairs."""
        return discordant_bounds(float(self.alpha), int(self.max_seeds), 1)

    def decide(self, pairs: ArrayLike, *, parts: int = 1) -> Decision:
        """Judge one claim by its pairs so far.

        Parameters
        ----------
        pairs : array_like of bool, shape (n, 2)
            Outcomes of candidate and baseline under each seed, in seed order. Those beyond the deciding look are
            ignored.
        parts : int
            Number of parts of a claim all of which must hold; each FAILs at ``alpha / parts``.

        Returns
        -------
        Decision
            Estimate and interval are of the candidate's rate minus the baseline's. On PASS the interval lies on the
            claimed side of zero, otherwise it contains zero or lies on the other side. `statistic` and `sd` are None.

        Raises
        ------
        ValueError
            If an outcome is no bool, or `pairs` has another shape.

        Examples
        --------
        >>> DiscordantTest(sign="<").decide([(False, True), (False, False)]).estimate
        -0.5
        """
        given = _checked_pairs(pairs, axes=2)
        judged = self.judge(given, parts=parts)
        n, passed = int(judged.n), int(judged.verdict) == _PASS
        discordant, wins = int(judged.discordant), int(judged.wins)
        gained = (2 * wins - discordant) / n if n else float("nan")
        low, high = self._interval(*(x[:n] for x in self._discordant_and_won(given)), passed=passed)
        if n:
            low, high = min(low, gained), max(high, gained)
        return Decision(
            verdict=VERDICTS[int(judged.verdict)],
            reason=REASONS[int(judged.reason)],
            estimate=gained if self.sign == ">" else 0.0 - gained,
            interval=(low, high) if self.sign == ">" else (0.0 - high, 0.0 - low),
            p_value=self._p_value(n, discordant, wins, passed=passed),
            n=n,
        )

    def judge(self, pairs: ArrayLike, *, parts: int = 1) -> JudgedPairs:
        """Judge many claims at once; `decide` is the one-claim case.

        Parameters
        ----------
        pairs : array_like of bool, shape (..., n, 2)
            Outcomes of candidate and baseline along the last axis, seeds in order along the one before.
        parts : int
            As in `decide`, for all claims.

        Returns
        -------
        JudgedPairs
            Arrays of the shape of the claims.
        """
        discordant, won = self._discordant_and_won(_checked_pairs(pairs))
        known = min(discordant.shape[-1], int(self.max_seeds))
        d = discordant[..., :known].cumsum(axis=-1, dtype=np.int64)
        wins = won[..., :known].cumsum(axis=-1, dtype=np.int64)
        if known < self.min_seeds:
            return _nothing_yet(d, wins, known)
        fail = discordant_bounds(float(self.alpha), int(self.max_seeds), check_parts(parts)).fail
        return self._replay(d[..., int(self.min_seeds) - 1 :], wins[..., int(self.min_seeds) - 1 :], fail)

    def _replay(self, d: Counts, wins: Counts, fail: Counts) -> JudgedPairs:
        """Stop each claim at its first bound; `d` and `wins` are counts at the looks, along the last axis."""
        first, last, places = int(self.min_seeds), int(self.max_seeds), d.shape[-1]
        n = np.arange(first, first + places)
        upper = self.bounds.upper
        passed = wins >= upper[d]
        impossible = wins + (last - n) < upper[np.minimum(d + (last - n), last)]
        stopped = passed | impossible | self._futile(n, d, wins)
        if places == last - first + 1:
            stopped[..., -1] = True
        ended = stopped.any(axis=-1)
        place = np.where(ended, stopped.argmax(axis=-1), places - 1)
        final = [
            np.take_along_axis(x, place[..., None], axis=-1)[..., 0] for x in (d, wins, passed, impossible)
        ]
        won = ended & final[2]
        verdict = np.where(won, _PASS, np.where(ended & (final[1] <= fail[final[0]]), _FAIL, 0))
        reason = np.where(final[3], REASONS.index(Reason.IMPOSSIBLE), REASONS.index(Reason.FUTILITY))
        reason = np.where(place + first == last, REASONS.index(Reason.MAX_SEEDS), reason)
        reason = np.where(won, REASONS.index(Reason.EFFICACY), reason)
        return JudgedPairs(
            verdict=verdict.astype(np.int8),
            reason=np.where(ended, reason, REASONS.index(Reason.CONTINUE)).astype(np.int8),
            n=place + first,
            discordant=final[0],
            wins=final[1],
        )

    def _futile(self, n: Counts, d: Counts, wins: Counts) -> NDArray[np.bool_]:
        """Where the t-statistic of the contrasts lies at or below the futility bound of the t-test."""
        bound = _futility(float(self.alpha), float(self.power), int(self.min_seeds), int(self.max_seeds))
        total = 2 * wins - d
        squares = d - total**2 / n
        constant = squares <= 1e-9  # all pairs alike: no t; losses without exception are futile all the same
        with np.errstate(divide="ignore", invalid="ignore"):
            t = total / np.sqrt(n * squares / (n - 1))
        t = np.where(constant, np.where(total < 0, -np.inf, np.inf), t)
        return np.asarray(t <= bound[: len(n)])

    def _discordant_and_won(self, pairs: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        candidate, baseline = pairs[..., 0], pairs[..., 1]
        won = candidate & ~baseline if self.sign == ">" else ~candidate & baseline
        return candidate != baseline, won

    def _interval(
        self, discordant: NDArray[np.bool_], won: NDArray[np.bool_], *, passed: bool
    ) -> tuple[float, float]:
        """Limits of P(win) - P(loss), from those of the share of wins and of how often pairs are discordant.

        The difference is ``often * (2 share - 1)``. On PASS, and only then, the low limit is zero or above; below
        zero it takes `often` as 1, so that it stands on the share alone.
        """
        n = len(won)
        if n < self.min_seeds:
            return -1.0, 1.0
        limits = _limits(float(self.alpha), int(self.min_seeds), int(self.max_seeds))
        share_low, share_high = limits[0].at(won[discordant].cumsum())
        often_low, often_high = limits[1].at(discordant.cumsum())
        low, high = 2 * share_low - 1, 2 * share_high - 1
        low = max(low, 0.0) * often_low if passed else min(low, 0.0)
        return low, high * (often_high if high > 0 else often_low)

    def _p_value(self, n: int, discordant: int, wins: int, *, passed: bool) -> float | None:
        if n < self.min_seeds:
            return None
        tails = _tails(float(self.alpha), int(self.max_seeds))
        p = float(tails[discordant - 1, wins]) if discordant else 1.0
        return min(p, self.alpha) if passed else max(p, float(np.nextafter(self.alpha, 1)))


@lru_cache(maxsize=64)
def discordant_bounds(alpha: float, last: int, parts: int) -> DiscordantBounds:
    """Bounds for up to `last` discordant pairs; FAIL at ``alpha / parts``."""
    looks = Looks(first=1, last=last)
    upper = efficacy_bounds(0.5, looks, alpha * _EARLY(looks.seeds / last))
    mirrored = efficacy_bounds(0.5, looks, np.full(last, alpha / parts))
    bounds = DiscordantBounds(
        upper=np.append(last + 1, upper), fail=np.append(-1, np.maximum(looks.seeds - mirrored, -1))
    )
    bounds.upper.setflags(write=False)
    bounds.fail.setflags(write=False)
    return bounds


def _nothing_yet(d: Counts, wins: Counts, known: int) -> JudgedPairs:
    shape = d.shape[:-1]
    none = np.zeros(shape, dtype=np.int64)
    return JudgedPairs(
        verdict=np.zeros(shape, dtype=np.int8),
        reason=np.full(shape, REASONS.index(Reason.CONTINUE), dtype=np.int8),
        n=np.full(shape, known),
        discordant=d[..., -1] if known else none,
        wins=wins[..., -1] if known else none,
    )


def _checked_pairs(pairs: ArrayLike, *, axes: int | None = None) -> NDArray[np.bool_]:
    given = checked_outcomes("pairs", pairs, axes=axes)
    if given.size == 0 and given.ndim == 1:
        return given.reshape(0, 2)
    if given.ndim < 2 or given.shape[-1] != 2:
        raise ValueError(
            f"pairs must have two outcomes a seed, candidate and baseline, got shape {given.shape}"
        )
    return given


def _futility(alpha: float, power: float, first: int, last: int) -> Array:
    """Futility bounds of the t-test at every look: where it has none, minus infinity."""
    test = SequentialTest(alpha=alpha, power=power, min_seeds=first, max_seeds=last)
    bounds = np.full(last - first + 1, -np.inf)
    bounds[test.looks - first] = test.futility
    return bounds


@lru_cache(maxsize=64)
def _tails(alpha: float, last: int) -> Array:
    bounds = discordant_bounds(alpha, last, 1)
    return tail_probabilities(0.5, Looks(first=1, last=last), bounds.upper[1:])


@lru_cache(maxsize=64)
def _limits(alpha: float, first: int, last: int) -> tuple[RepeatedLimits, RepeatedLimits]:
    """Limits of the share of wins, by discordant pairs, and of how often pairs are discordant, by pairs."""
    upper = discordant_bounds(alpha, last, 1).upper
    looks = interval_looks(1, last)
    beyond = alpha * (1 - _FOR_DISCORDANCE)
    share = repeated_limits(looks, alpha=alpha, bar=0.5, upper=upper[looks], beyond=beyond)
    often = repeated_limits(interval_looks(first, last), alpha=alpha * _FOR_DISCORDANCE)
    return share, often
