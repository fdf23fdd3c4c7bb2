"""The sequential one-sided t-test that decides a claim: one door to bounds, costs and verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytest_mlops.stats import design
from pytest_mlops.stats.checks import check_level, check_parts, check_seeds
from pytest_mlops.stats.decision import Decision
from pytest_mlops.stats.design import Bounds, Cells
from pytest_mlops.stats.judge import REASONS, VERDICTS, Judged, checked_contrasts, intervals, judge
from pytest_mlops.stats.recursion import Array, Below, state_of_t
from pytest_mlops.stats.spending import Spending, default_spending
from pytest_mlops.stats.tables import bounds_for


@dataclass(frozen=True, kw_only=True)
class SequentialTest:
    """A group-sequential one-sided t-test with a look after every seed, exact for Gaussian contrasts.

    Parameters
    ----------
    alpha : float
        P(PASS | mean contrast zero), futility ignored; in (0, 0.5).
    power : float
        P(PASS | detectable_effect), futility counted; in (alpha, 1).
    min_seeds, max_seeds : int
        First and last seed after which there may be a look; ``2 <= min_seeds <= max_seeds <= 1000``.
    spending : Spending, optional
        How both errors are spent over the looks; the default is the shipped one (docs/explanation/boundaries.md).

    Attributes
    ----------
    looks : ndarray of int, shape (n_looks,)
        Numbers of seeds at which there is a look.
    efficacy, futility : ndarray, shape (n_looks,)
        t-statistics at or above which the claim passes, and at or below which it stops without PASS; plus and
        minus infinity where there is none. The last two are equal: `max_seeds` stops anyway.
    detectable_effect : float
        Standardised effect (mean over standard deviation of the contrast) that passes with exactly `power`.
    fail_level : float
        Level a* of the FAIL rule ``T_n <= -t_{n-1}(1 - a*)``, for which P(FAIL | mean zero) is alpha.

    Raises
    ------
    ValueError
        If a parameter is out of its range.

    Notes
    -----
    Boundaries by the one-dimensional recursion of `pytest_mlops.stats.recursion`; alpha spending by Lan and
    DeMets, futility non-binding. P(FAIL | mean zero) is alpha under the tool's own stopping rule.

    Examples
    --------
    >>> test = SequentialTest(alpha=0.05, min_seeds=5, max_seeds=30)
    >>> decision = test.decide([0.010, 0.012, 0.009, 0.011, 0.010])
    >>> str(decision.verdict), str(decision.reason), decision.n
    ('PASS', 'efficacy', 5)
    >>> test.decide([0.010, -0.012, 0.009]).reason == "continue"
    True
    """

    alpha: float = 0.05
    power: float = 0.9
    min_seeds: int = 5
    max_seeds: int = 30
    spending: Spending | None = None
    looks: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    efficacy: Array = field(init=False, repr=False, compare=False)
    futility: Array = field(init=False, repr=False, compare=False)
    detectable_effect: float = field(init=False, repr=False, compare=False)
    fail_level: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_level("alpha", self.alpha, 0.0, 0.5, "it is a one-sided error probability")
        check_level("power", self.power, float(self.alpha), 1.0, "it is the chance to PASS, above alpha")
        check_seeds("min_seeds", self.min_seeds, 2, "one seed has no spread")
        check_seeds("max_seeds", self.max_seeds, int(self.min_seeds), "it cannot lie below min_seeds")
        bounds = self.bounds
        for name in ("looks", "efficacy", "futility", "detectable_effect", "fail_level"):
            object.__setattr__(self, name, getattr(bounds, name))

    @property
    def bounds(self) -> Bounds:
        """Everything that the judge needs to know of this design."""
        lowest, highest = int(self.min_seeds), int(self.max_seeds)
        return bounds_for(float(self.alpha), float(self.power), lowest, highest, self.used_spending)

    @property
    def used_spending(self) -> Spending:
        """The spending given, or else the shipped one."""
        return self.spending or default_spending(int(self.min_seeds), int(self.max_seeds))

    def decide(
        self,
        contrasts: ArrayLike,
        *,
        identical: bool = False,
        resolution: float = 0.0,
        parts: int = 1,
        guard: ArrayLike = False,
        confirm_harm: bool = False,
    ) -> Decision:
        """Judge one claim by its contrasts so far.

        Parameters
        ----------
        contrasts : array_like, shape (n,)
            One number a seed, in seed order, in units of the metric: the margin is already taken off, so that the
            claim is that their mean is above zero. Those beyond the deciding look are ignored.
        identical : bool
            Whether the runs are known to be identical bit for bit on every pair: then a constant contrast decides.
        resolution : float
            Rounding error of a contrast: a standard deviation of at most this counts as none.
        parts : int
            Number of parts of a claim all of which must hold; each FAILs at ``fail_level / parts``.
        guard : bool or array_like of bool, shape (n,)
            Guard against skewed contrasts, always or at a look after that seed: the smaller of t and of its image under
            Hall's transformation has to cross. For bars and unequal spreads: a skewness of -1 costs 0.076
            instead of 0.108 at alpha 0.05; Gaussian contrasts pay one more seed.
        confirm_harm : bool
            Go on to the mirrored boundary instead of stopping for futility: FAIL is its crossing, P(FAIL | mean
            zero) at most alpha, at about 1.5 times the seeds where there is no gain.

        Returns
        -------
        Decision
            UNDECIDED with reason ``"continue"`` where nothing is decided yet.

        Raises
        ------
        ValueError
            If a contrast is no finite real number (its index and value are named) or there is more than one axis.

        Examples
        --------
        >>> SequentialTest().decide([0.0] * 30).reason == "no variance"
        True
        """
        values = checked_contrasts(contrasts)
        if values.ndim != 1:
            raise ValueError(f"contrasts must have one axis, one number a seed, got shape {values.shape}")
        judged = self.judge(
            values,
            identical=identical,
            resolution=resolution,
            parts=parts,
            guard=guard,
            confirm_harm=confirm_harm,
        )
        low, high = self._interval(judged, values)
        p_value, statistic, sd = (float(x) for x in (self.p_values(judged), judged.statistic, judged.sd))
        return Decision(
            verdict=VERDICTS[int(judged.verdict)],
            reason=REASONS[int(judged.reason)],
            estimate=float(judged.estimate),
            interval=(low, high),
            p_value=None if np.isnan(p_value) else p_value,
            n=int(judged.n),
            statistic=statistic if np.isfinite(statistic) else None,
            sd=None if np.isnan(sd) else sd,
            method=self._name if np.isnan(judged.skewness) else f"{self._name}, guarded for skewness",
        )

    @property
    def _name(self) -> str:
        """Which test spoke."""
        return "sequential t-test"

    def _interval(self, judged: Judged, contrasts: Array) -> tuple[float, float]:
        """The repeated confidence interval of one claim."""
        del contrasts  # all that it takes is in the moments
        low, high = intervals(self.bounds, judged)
        return float(low), float(high)

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
            One number a seed along the last axis, in seed order; finite.
        identical : bool
            As in `decide`, for all claims.
        resolution : array_like
            As in `decide`; of a shape that broadcasts to that of the claims.
        parts : int
            As in `decide`, for all claims.
        guard : array_like of bool
            As in `decide`; of a shape that broadcasts to that of `contrasts`.
        confirm_harm : bool
            As in `decide`, for all claims.

        Returns
        -------
        Judged
            Arrays of the shape of the claims.
        """
        how_many = check_parts(parts)
        tiny = np.asarray(resolution, dtype=np.float64)
        if not (np.isfinite(tiny).all() and (tiny >= 0).all()):
            raise ValueError(f"resolution={resolution!r} must be finite and not negative: a rounding error")
        values = checked_contrasts(contrasts)
        return judge(
            self.bounds,
            values,
            identical=identical,
            resolution=tiny,
            parts=how_many,
            guard=guard,
            confirm_harm=confirm_harm,
        )

    def p_values(self, judged: Judged) -> Array:
        """Stage-wise p-values, futility ignored: P0(cross earlier) + P0(no earlier crossing, T_n at least this).

        They are at most alpha exactly on PASS: where the sequence stopped or waits below the bound with a smaller
        stage-wise value, alpha itself is given (next float above), which only makes it larger and so stays valid.

        Parameters
        ----------
        judged : Judged
            What `judge` found.

        Returns
        -------
        ndarray
            Of the shape of the claims; NaN without a t.
        """
        result = np.full(judged.n.shape, np.nan)
        for place in np.unique(judged.look[~np.isnan(judged.statistic)]):
            here = (judged.look == place) & ~np.isnan(judged.statistic)
            below = _null_distributions(self)[int(place)]
            state = state_of_t(judged.statistic[here], below.survival.n)
            result[here] = 1 - below(state)
        result = np.where(judged.verdict == 1, np.clip(result, 0, self.alpha), result)
        beyond = np.nextafter(self.alpha, 1)
        return np.asarray(np.where(judged.verdict != 1, np.clip(result, beyond, 1), result))

    def expected_seeds(self, effect: ArrayLike) -> float | Array:
        """Mean number of seeds until the sequence stops, exact.

        Parameters
        ----------
        effect : array_like
            Standardised effects: mean over standard deviation of the contrast.

        Returns
        -------
        float or ndarray
            Of the shape of `effect`.

        Examples
        --------
        >>> SequentialTest(min_seeds=12, max_seeds=12).expected_seeds(0.3)
        12.0
        """
        return _over_effects(design.expected_seeds, _cells(self), effect)

    def power_at(self, effect: ArrayLike) -> float | Array:
        """P(PASS) at standardised effects, futility counted, exact.

        Parameters
        ----------
        effect : array_like
            Standardised effects: mean over standard deviation of the contrast.

        Returns
        -------
        float or ndarray
            Of the shape of `effect`.

        Examples
        --------
        >>> test = SequentialTest()
        >>> round(test.power_at(test.detectable_effect), 6)
        0.9
        """
        return _over_effects(design.power_at, _cells(self), effect)


@lru_cache(maxsize=32)
def _null_distributions(test: SequentialTest) -> list[Below]:
    return design.null_distributions(test.bounds)


@lru_cache(maxsize=32)
def _cells(test: SequentialTest) -> list[Cells]:
    return design.cells(test.bounds)


def _over_effects(
    function: Callable[[list[Cells], Array], Array], looks: list[Cells], effect: ArrayLike
) -> float | Array:
    effects = np.asarray(effect, dtype=np.float64)
    if not np.isfinite(effects).all():
        raise ValueError(f"effect={effect!r} must be finite: mean over standard deviation of the contrast")
    result = function(looks, effects.ravel()).reshape(effects.shape)
    return float(result) if result.ndim == 0 else result
