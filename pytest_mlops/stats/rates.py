"""The exact sequential test of a yes/no metric of one arm against a bar: one door to bounds, costs and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlops.stats.binomial import Array, Counts, Looks, power_and_seeds, tail_probabilities
from pytest_mlops.stats.checks import check_level, check_parts, check_seeds, check_sign, checked_outcomes
from pytest_mlops.stats.decision import Decision, Reason
from pytest_mlops.stats.judge import REASONS, VERDICTS
from pytest_mlops.stats.rate_design import RateBounds, RateDesign, rate_bounds, rate_fail_bounds, seeds_needed
from pytest_mlops.stats.repeated import RepeatedLimits, interval_looks, repeated_limits

_PASS, _FAIL = 1, 2
_DIGITS = 12  # of the bar after turning a claim round: 1 - 0.9 is to be the bar 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedRates:
    """Verdicts of many claims; every array has the shape of the claims.

    `verdict` and `reason` index the members of `Verdict` (UNDECIDED, PASS, FAIL) and `Reason` as in `judge`; `n` as
    in `Decision`; `successes` are the outcomes among the first `n` that speak for the claim.
    """

    verdict: NDArray[np.int8]
    reason: NDArray[np.int8]
    n: NDArray[np.int64]
    successes: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RateTest:
    """A sequential exact binomial test of ``rate > bar`` or ``rate < bar``, with a look after every seed.

    Parameters
    ----------
    bar : float
        What the rate is compared with, in (0, 1).
    sign : {'>', '<'}
        Whether the rate of True is claimed to lie above or below `bar`.
    alpha : float
        Largest P(PASS) over all rates for which the claim is false, futility ignored; in (0, 0.5).
    power : float
        P(PASS) at `detectable_rate`, futility counted; in (alpha, 1).
    min_seeds, max_seeds : int
        First and last seed after which there is a look; ``1 <= min_seeds <= max_seeds <= 1000``.

    Attributes
    ----------
    bounds : RateBounds
        Bounds on the number of outcomes that speak for the claim, at each look.
    detectable_rate : float
        Rate at which the claim passes with exactly `power`.

    Raises
    ------
    ValueError
        If a parameter is out of its range, or `max_seeds` seeds without a single outcome against the claim would not
        show it: the message says how many would.

    Notes
    -----
    All probabilities are sums over the binomial law, seed by seed; nothing is simulated or approximated. The design
    is chosen among a few spending functions by its expected seeds (docs/explanation/rates.md). P(PASS) rises and
    P(FAIL) falls with the rate, so that the bar itself is the worst case of both errors.

    References
    ----------
    Jennison and Turnbull (2000), Group Sequential Methods with Applications to Clinical Trials, chapter 12 (exact
    designs for binary data); Lan and DeMets (1983), Biometrika 70, 659 (spending); Clopper and Pearson (1934),
    Biometrika 26, 404 (the limits behind the interval).

    Examples
    --------
    >>> test = RateTest(bar=0.2, sign="<", max_seeds=30)
    >>> decision = test.decide([False] * 20)
    >>> str(decision.verdict), decision.n, decision.estimate
    ('PASS', 15, 0.0)
    >>> str(test.decide([True, False, True, True, True]).verdict)
    'FAIL'
    """

    bar: float
    sign: str = ">"
    alpha: float = 0.05
    power: float = 0.9
    min_seeds: int = 5
    max_seeds: int = 30

    def __post_init__(self) -> None:
        check_level("bar", self.bar, 0.0, 1.0, "it is compared with a rate")
        check_sign(self.sign)
        check_level("alpha", self.alpha, 0.0, 0.5, "it is a one-sided error probability")
        check_level("power", self.power, float(self.alpha), 1.0, "it is the chance to PASS, above alpha")
        check_seeds("min_seeds", self.min_seeds, 1, "there is no look before the first seed")
        check_seeds("max_seeds", self.max_seeds, int(self.min_seeds), "it cannot lie below min_seeds")
        if not 0 < self._bar < 1:
            raise ValueError(
                f"bar={self.bar!r} is so near to 0 or 1 that no number of seeds tells them apart"
            )
        if not self.feasible:
            side = "above" if self.sign == ">" else "below"
            raise ValueError(
                f"max_seeds={self.max_seeds} cannot show a rate {side} {self.bar:g} at alpha={self.alpha:g}: even if "
                f"every seed speaks for it, {self.seeds_needed} are needed. "
                f"Give max_seeds={self.seeds_needed} or more, or another bar."
            )

    @property
    def seeds_needed(self) -> int:
        """Fewest seeds that can PASS, were they all to speak for the claim; the rule of three in its exact form."""
        return seeds_needed(self._bar, float(self.alpha))

    @property
    def feasible(self) -> bool:
        """Whether `max_seeds` can show the claim at all."""
        return self.seeds_needed <= self.max_seeds

    @property
    def bounds(self) -> RateBounds:
        """Everything that the judge needs to know of this design."""
        return rate_bounds(self._design)

    @property
    def looks(self) -> Counts:
        """Numbers of seeds at which there is a look, shape (n_looks,)."""
        return self._design.looks.seeds

    @property
    def detectable_rate(self) -> float:
        """Rate of True at which the claim passes with probability `power`."""
        return self._turned(self.bounds.detectable_rate)

    def decide(self, outcomes: ArrayLike, *, parts: int = 1) -> Decision:
        """Judge one claim by its outcomes so far.

        Parameters
        ----------
        outcomes : array_like of bool, shape (n,)
            The metric of each training run, in seed order. Those beyond the deciding look are ignored.
        parts : int
            Number of parts of a claim all of which must hold; each FAILs at ``alpha / parts``.

        Returns
        -------
        Decision
            Estimate and interval are of the rate of True: the share seen, and the repeated confidence interval. On
            PASS the interval lies beyond `bar`, otherwise it contains it or lies on the other side. `statistic` and
            `sd` are None. UNDECIDED with reason ``"continue"`` where nothing is decided yet.

        Raises
        ------
        ValueError
            If an outcome is no bool (its place is named) or there is more than one axis.

        Examples
        --------
        >>> RateTest(bar=0.5).decide([True] * 3).reason == "continue"
        True
        """
        given = checked_outcomes("outcomes", outcomes, axes=1)
        judged = self.judge(given, parts=parts)
        n, verdict = int(judged.n), int(judged.verdict)
        successes = self._successes(given)[:n].cumsum()
        share = float(given[:n].mean()) if n else float("nan")
        return Decision(
            verdict=VERDICTS[verdict],
            reason=REASONS[int(judged.reason)],
            estimate=share,
            interval=self._interval(successes, share, passed=verdict == _PASS),
            p_value=self._p_value(n, int(judged.successes), passed=verdict == _PASS),
            n=n,
        )

    def judge(self, outcomes: ArrayLike, *, parts: int = 1) -> JudgedRates:
        """Judge many claims at once; `decide` is the one-claim case.

        Parameters
        ----------
        outcomes : array_like of bool, shape (..., n)
            Outcomes along the last axis, in seed order.
        parts : int
            As in `decide`, for all claims.

        Returns
        -------
        JudgedRates
            Arrays of the shape of the claims.
        """
        given = checked_outcomes("outcomes", outcomes)
        fail = rate_fail_bounds(self._design, float(self.alpha) / check_parts(parts))
        return judge_successes(self.bounds, fail, self._successes(given))

    def power_at(self, rate: ArrayLike) -> float | Array:
        """P(PASS) at rates of True, futility counted, exact.

        Parameters
        ----------
        rate : array_like
            Rates in [0, 1].

        Returns
        -------
        float or ndarray
            Of the shape of `rate`.

        Examples
        --------
        >>> round(RateTest(bar=0.5).power_at(0.5), 4)
        0.0472
        """
        return self._over_rates(rate, 0)

    def expected_seeds(self, rate: ArrayLike) -> float | Array:
        """Mean number of seeds until the sequence stops, exact.

        Parameters
        ----------
        rate : array_like
            Rates of True in [0, 1].

        Returns
        -------
        float or ndarray
            Of the shape of `rate`.

        Examples
        --------
        >>> RateTest(bar=0.5).expected_seeds(1.0)
        7.0
        """
        return self._over_rates(rate, 1)

    @property
    def _bar(self) -> float:
        """The bar that successes are to exceed: the other outcome's, where the claim is "below"."""
        return float(self.bar) if self.sign == ">" else round(1 - float(self.bar), _DIGITS)

    @property
    def _design(self) -> RateDesign:
        looks = Looks(first=int(self.min_seeds), last=int(self.max_seeds))
        return RateDesign(bar=self._bar, alpha=float(self.alpha), power=float(self.power), looks=looks)

    def _turned(self, rate: float) -> float:
        return rate if self.sign == ">" else 1 - rate

    def _successes(self, outcomes: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return outcomes if self.sign == ">" else ~outcomes

    def _over_rates(self, rate: ArrayLike, which: int) -> float | Array:
        rates = np.asarray(rate, dtype=np.float64)
        if not ((rates >= 0) & (rates <= 1)).all():
            raise ValueError(f"rate={rate!r} must lie between 0 and 1")
        turned = rates.ravel() if self.sign == ">" else 1 - rates.ravel()
        bounds = self.bounds
        result = power_and_seeds(turned, bounds.looks, bounds.upper, bounds.lower)[which].reshape(rates.shape)
        return float(result) if result.ndim == 0 else result

    def _interval(self, successes: Counts, share: float, *, passed: bool) -> tuple[float, float]:
        low, high = rate_limits(self._design).at(successes)
        # The test speaks for the bar itself: P(PASS, or a limit above the rate) was held to alpha together.
        if self.sign == ">":
            low = max(low, self.bar) if passed else min(low, self.bar)
        else:
            low, high = 1 - high, 1 - low
            high = min(high, self.bar) if passed else max(high, self.bar)
        # Limits of a look that lies some seeds back may have been overtaken: wider is always true.
        return (low, high) if np.isnan(share) else (min(low, share), max(high, share))

    def _p_value(self, n: int, successes: int, *, passed: bool) -> float | None:
        if n < self.min_seeds:
            return None
        p = float(rate_tails(self._design)[n - int(self.min_seeds), successes])
        return min(p, self.alpha) if passed else max(p, float(np.nextafter(self.alpha, 1)))


def judge_successes(bounds: RateBounds, fail: Counts, successes: NDArray[np.bool_]) -> JudgedRates:
    """Replay the looks on every claim and stop each at the first bound crossed.

    Parameters
    ----------
    bounds : RateBounds
        The design.
    fail : ndarray of int, shape (n_looks,)
        Successes at or below which a stop without PASS is a FAIL.
    successes : ndarray of bool, shape (..., n)
        Outcomes in seed order, True where they speak for the claim.
    """
    first, last = bounds.looks.first, bounds.looks.last
    known = min(successes.shape[-1], last)
    count = successes[..., :known].cumsum(axis=-1, dtype=np.int64)
    if known < first:
        return _nothing_yet(count, known)
    at_looks = count[..., first - 1 :]
    places = at_looks.shape[-1]
    passed = at_looks >= bounds.upper[:places]
    stopped = passed | (at_looks <= bounds.lower[:places])
    if known == last:
        stopped[..., -1] = True
    ended = stopped.any(axis=-1)
    place = np.where(ended, stopped.argmax(axis=-1), places - 1)
    pick = place[..., None]
    final = np.take_along_axis(at_looks, pick, axis=-1)[..., 0]
    won = ended & np.take_along_axis(passed, pick, axis=-1)[..., 0]
    verdict = np.where(won, _PASS, np.where(ended & ~won & (final <= fail[place]), _FAIL, 0))
    low = np.where(final <= bounds.impossible[place], _code(Reason.IMPOSSIBLE), _code(Reason.FUTILITY))
    low = np.where(place + first == last, _code(Reason.MAX_SEEDS), low)
    reason = np.where(won, _code(Reason.EFFICACY), np.where(ended, low, _code(Reason.CONTINUE)))
    return JudgedRates(
        verdict=verdict.astype(np.int8), reason=reason.astype(np.int8), n=place + first, successes=final
    )


def _nothing_yet(count: Counts, known: int) -> JudgedRates:
    shape = count.shape[:-1]
    return JudgedRates(
        verdict=np.zeros(shape, dtype=np.int8),
        reason=np.full(shape, _code(Reason.CONTINUE), dtype=np.int8),
        n=np.full(shape, known),
        successes=count[..., -1] if known else np.zeros(shape, dtype=np.int64),
    )


def _code(reason: Reason) -> int:
    return REASONS.index(reason)


@lru_cache(maxsize=64)
def rate_limits(design: RateDesign) -> RepeatedLimits:
    """Repeated limits that agree with the PASS of a design."""
    bounds = rate_bounds(design)
    looks = interval_looks(bounds.looks.first, bounds.looks.last)
    upper = bounds.upper[looks - bounds.looks.first]
    return repeated_limits(looks, alpha=design.alpha, bar=design.bar, upper=upper)


@lru_cache(maxsize=64)
def rate_tails(design: RateDesign) -> Array:
    """Stage-wise p-values of a design by look and number of successes."""
    bounds = rate_bounds(design)
    return tail_probabilities(design.bar, bounds.looks, bounds.upper)
