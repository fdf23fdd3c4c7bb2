"""One claim over several contexts (values of hyperparameters): pairs go round the contexts, whole rounds are judged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pytest_mlops.stats.checks import check_parts, check_seeds
from pytest_mlops.stats.design import Bounds
from pytest_mlops.stats.judge import VERDICTS, Judged, Rule, checked_contrasts, scale_of, stopped
from pytest_mlops.stats.look import ROUNDING, Look, map_t
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest
from pytest_mlops.stats.skewness import skewed, unskewed
from pytest_mlops.stats.spending import Spending, SpendingFunction, default_spending
from pytest_mlops.stats.tables import bounds_for

LEAST_ROUNDS = 2  # a context with one pair has no spread
LEAST_ROUNDS_GUARDED = 3  # two numbers have no skewness


@dataclass(frozen=True, kw_only=True, slots=True)
class ContextEstimate:
    """What one context shows by itself, in units of the contrast.

    Parameters
    ----------
    estimate : float
        Mean contrast of its pairs.
    interval : tuple of float
        Simultaneous over all contexts, valid at any stop; from the spread within all contexts together.
    """

    estimate: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class ByContext:
    """What each context shows beside the verdict on their mean.

    Parameters
    ----------
    contexts : tuple of ContextEstimate
        In the order of the contexts.
    interaction : float or None
        p-value of the contexts having one and the same mean contrast; None without a spread.
    """

    contexts: tuple[ContextEstimate, ...]
    interaction: float | None = None


@dataclass(frozen=True, kw_only=True)
class ContextTest(SequentialTest):
    """A sequential test of the mean contrast over contexts, each of which weighs the same.

    Pair ``i`` belongs to context ``i % contexts`` and has a seed of its own; there is a look after every whole round of
    the contexts, so that a claim over several learning rates costs about as many training runs as at one.

    Parameters
    ----------
    contexts : int
        How many, at least 2.
    alpha, power : float
        As in `SequentialTest`.
    min_seeds, max_seeds : int
        First and last pair after which there may be a look; the first look is after at least two rounds.
    spending : Spending, optional
        As in `SequentialTest`.

    Raises
    ------
    ValueError
        If `max_seeds` is not enough for two rounds, or a parameter is out of its range.

    Notes
    -----
    With k pairs in each of C contexts the estimate is the mean of the contexts' means, with variance
    ``sum(s_c^2) / (C^2 k)``. Differences between contexts are no noise: they are not in it. Contexts may be spread
    differently, so the degrees of freedom are Satterthwaite's, ``(sum s_c^2)^2 / sum(s_c^4 / (k - 1))``; the statistic
    becomes that of ``C k - 1`` degrees of freedom with the same tail, for which the bounds of `SequentialTest` are
    exact. Simulated level at 0.05: 0.032 to 0.043 with equal spreads, up to 0.061 where one context is
    spread five times as much as the others, up to 0.067 at fifty times.

    The skewness guard needs three rounds: before that it lets nothing PASS.

    References
    ----------
    W. G. Cochran and G. M. Cox (1957), Experimental Designs, chapter 4: blocks; F. E. Satterthwaite, Biometrics
    Bulletin 2 (1946): the degrees of freedom.

    Examples
    --------
    >>> test = ContextTest(contexts=3)
    >>> test.looks.tolist()
    [6, 9, 12, 15, 18, 21, 24, 27, 30]
    >>> found = test.decide([0.010, 0.030, 0.050, 0.011, 0.029, 0.051, 0.010, 0.031, 0.050])
    >>> str(found.verdict), found.n
    ('PASS', 6)
    """

    contexts: int

    def __post_init__(self) -> None:
        if isinstance(self.contexts, bool) or not isinstance(self.contexts, int) or self.contexts < 2:
            raise ValueError(f"contexts={self.contexts!r} must be a whole number of at least 2")
        check_seeds("max_seeds", self.max_seeds, 2, "one seed has no spread")
        if self.max_seeds < LEAST_ROUNDS * self.contexts:
            raise ValueError(
                f"max_seeds={self.max_seeds}: {self.contexts} contexts need at least {LEAST_ROUNDS * self.contexts} "
                f"pairs, {LEAST_ROUNDS} in each, because one pair has no spread"
            )
        super().__post_init__()

    @property
    def bounds(self) -> Bounds:
        """Everything that the judge needs to know of this design."""
        return self._bounds_at(float(self.alpha))

    def _bounds_at(self, alpha: float) -> Bounds:
        last = int(self.max_seeds) // self.contexts * self.contexts
        rounds = max(LEAST_ROUNDS, -(-int(self.min_seeds) // self.contexts))
        first = min(rounds * self.contexts, last)
        plain = self.spending or default_spending(first, last)
        efficacy, futility = (
            _InRounds(function, self.contexts, last) for function in (plain.efficacy, plain.futility)
        )
        spending = Spending(efficacy, futility) if first < last else plain
        return bounds_for(alpha, float(self.power), first, last, spending)

    def judge(
        self,
        contrasts: ArrayLike,
        *,
        identical: bool = False,
        resolution: ArrayLike = 0.0,
        parts: int = 1,
        guard: ArrayLike = False,
        confirm_harm: bool = False,
    ) -> Judged:
        """Judge many claims at once; `decide` is the one-claim case.

        Parameters
        ----------
        contrasts : array_like, shape (..., n)
            As in `decide`, along the last axis.
        identical : bool
            As in `SequentialTest.judge`.
        resolution : array_like
            As there.
        parts : int
            As there.
        guard : array_like of bool
            As there.
        confirm_harm : bool
            As there.

        Returns
        -------
        Judged
            Arrays of the shape of the claims; ``sd`` is the spread within contexts.
        """
        values = checked_contrasts(contrasts)
        scale = scale_of(values[..., : self.contexts])
        tiny = np.broadcast_to(np.asarray(resolution, dtype=np.float64) / scale, scale.shape)
        guarded = np.broadcast_to(np.asarray(guard, dtype=bool), values.shape)
        rule = Rule(identical=identical, confirm_harm=confirm_harm, parts=check_parts(parts))
        scaled = values / scale[..., None]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            looks = self._looks(scaled, tiny, guarded)
            return stopped(self.bounds, looks, rule, seeds=values.shape[-1], scale=scale)

    def _looks(self, x: Array, tiny: Array, guard: Array) -> Iterator[tuple[Array, Look | None]]:
        """After every round the estimate, with the look that is taken there."""
        places = {int(n): place for place, n in enumerate(self.bounds.looks)}
        if x.shape[-1]:
            yield x.mean(axis=-1), None  # what is said before the first look
        for n, place in places.items():
            if n <= x.shape[-1]:
                yield self._look(x[..., :n], place, tiny, guard[..., n - 1])

    def _look(self, x: Array, place: int, tiny: Array, guard: Array) -> tuple[Array, Look]:
        n = x.shape[-1]
        within = Within.of(x, self.contexts)
        mean, sd = x.mean(axis=-1), within.sd
        constant = sd <= np.maximum(ROUNDING * np.abs(x).max(axis=-1), tiny)
        t = map_t(mean / (sd / np.sqrt(n)), within.df, n - 1)
        t = np.where(constant, np.nan, t)
        low, high, skewness = t, t, np.full(t.shape, np.nan)
        if guard.any():
            skewness = np.where(guard, within.skewness, np.nan)
            other = unskewed(t, within.skewness, n)
            known = within.pairs >= LEAST_ROUNDS_GUARDED
            low = np.where(guard, np.minimum(t, other) if known else -np.inf, t)
            high = np.where(guard, np.maximum(t, other) if known else np.inf, t)
        look = Look(
            place=place, n=n, mean=mean, sd=sd, tiny=tiny, constant=constant,
            t=t, for_pass=low, for_fail=high, skewness=skewness,
        )  # fmt: skip
        return mean, look

    @property
    def _name(self) -> str:
        return f"sequential t-test over {self.contexts} contexts"

    def _interval(self, judged: Judged, contrasts: Array) -> tuple[float, float]:
        """The means that neither boundary excludes: the mapping of the statistic, turned round."""
        if int(judged.look) < 0 or not np.isfinite(judged.statistic):
            return -np.inf, np.inf
        n = int(self.bounds.looks[judged.look])
        bound = float(self.bounds.efficacy[judged.look])
        if not np.isfinite(bound):
            return -np.inf, np.inf
        scale = float(scale_of(contrasts[: self.contexts]))
        within = Within.of(contrasts[:n] / scale, self.contexts)
        low, high = bound, -bound
        if not np.isnan(judged.skewness):
            skewness = np.asarray(judged.skewness)
            low = max(low, float(skewed(np.asarray(bound), skewness, n)))
            high = min(high, float(skewed(np.asarray(-bound), skewness, n)))
        error = float(judged.sd) / np.sqrt(n)
        below, above = (float(map_t(t, n - 1, within.df)) * error for t in (low, high))
        estimate = float(judged.estimate)
        lower = estimate - below
        passed = VERDICTS[int(judged.verdict)] == "PASS"  # rounding must not put zero on the other side
        return float(max(lower, 0.0) if passed else lower), float(estimate - above)

    def by_context(self, contrasts: ArrayLike) -> ByContext:
        """What each context shows by itself.

        Parameters
        ----------
        contrasts : array_like, shape (n,)
            As in `decide`; those after the last whole round are left out, and two rounds are needed.

        Returns
        -------
        ByContext
            With intervals that hold for all contexts together at any stop (Bonferroni over the contexts, the bound
            of the look), from one spread for all.

        Examples
        --------
        >>> found = ContextTest(contexts=2).by_context([0.1, 0.5, 0.2, 0.4, 0.1, 0.5])
        >>> [round(one.estimate, 3) for one in found.contexts]
        [0.133, 0.467]
        """
        values = checked_contrasts(contrasts)
        n = len(values) // self.contexts * self.contexts
        means = values[:n].reshape(-1, self.contexts).mean(axis=0)
        within = Within.of(values[:n], self.contexts)
        spread = float(within.sd)
        if not spread > ROUNDING * float(np.abs(values[:n]).max()):
            unknown = tuple(ContextEstimate(estimate=float(m), interval=(-np.inf, np.inf)) for m in means)
            return ByContext(contexts=unknown)
        free = self.contexts * (within.pairs - 1)
        bounds = self._bounds_at(self.alpha / self.contexts)
        bound = dict(zip(bounds.looks.tolist(), bounds.efficacy.tolist(), strict=True)).get(n, np.inf)
        reach = float(map_t(bound, n - 1, free)) * spread / np.sqrt(within.pairs)
        ratio = within.pairs * means.var(ddof=1) / spread**2
        return ByContext(
            contexts=tuple(
                ContextEstimate(estimate=float(m), interval=(float(m - reach), float(m + reach)))
                for m in means
            ),
            interaction=float(special.fdtrc(self.contexts - 1, free, ratio)),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Within:
    """Spread within contexts, whole rounds: what is left when each context's own mean is taken off."""

    pairs: int
    """Of each context."""
    sd: Array
    """Root of the mean of the contexts' variances."""
    df: Array
    """Satterthwaite's, of the mean's variance."""
    skewness: Array
    """Of a contrast about its context's mean; zero below three pairs."""

    @classmethod
    def of(cls, x: Array, contexts: int) -> Within:
        """The spread of contrasts of shape (..., pairs * contexts), pair ``i`` of context ``i % contexts``."""
        cells = x.reshape(*x.shape[:-1], -1, contexts)
        pairs = cells.shape[-2]
        away = cells - cells.mean(axis=-2, keepdims=True)
        variances = (away**2).sum(axis=-2) / (pairs - 1)
        total = variances.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            df = (pairs - 1) * total**2 / (variances**2).sum(axis=-1)
            sd = np.sqrt(total / contexts)
            if pairs < LEAST_ROUNDS_GUARDED:
                skewness = np.zeros(total.shape)
            else:
                third = (away**3).sum(axis=-2).mean(axis=-1) * pairs / ((pairs - 1) * (pairs - 2))
                skewness = third / sd**3
        return cls(
            pairs=pairs,
            sd=sd,
            df=np.where(np.isfinite(df), np.maximum(df, pairs - 1), pairs - 1),
            skewness=np.where(np.isfinite(skewness), skewness, 0.0),
        )


@dataclass(frozen=True, slots=True)
class _InRounds:
    """A spending on a clock that stands still within a round of contexts: so there is no look there."""

    spending: SpendingFunction
    contexts: int
    last: int

    def __call__(self, fraction: Array) -> Array:
        n = np.floor(np.rint(np.asarray(fraction) * self.last) / self.contexts) * self.contexts
        return np.asarray(np.where(n > 0, self.spending(n / self.last), 0.0))
