"""Stored baseline runs beyond the pairs: a regression estimator that uses all of them. Which runs: not decided here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from pytest_mlops.stats.decision import Decision, Reason, Verdict
from pytest_mlops.stats.design import Bounds
from pytest_mlops.stats.judge import REASONS, VERDICTS, Judged, checked_contrasts
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.regression import (
    BASELINE_SKEWNESS,
    DRIFT_LEVEL,
    PAIRING,
    RESIDUAL_SKEWNESS,
    SURPLUS,
    Stored,
    look,
    scale_of,
)
from pytest_mlops.stats.sequential import SequentialTest

LEAST_SURPLUS = 10  # runs beyond the pairs, below which there is nothing to gain
LEAST_SEEDS = 5  # pairs at a look, below which a slope is not worth having
_PASS, _FAIL = VERDICTS.index(Verdict.PASS), VERDICTS.index(Verdict.FAIL)


class Method(StrEnum):
    """What a look of a claim was judged by, in the order of its codes."""

    SURPLUS = "surplus"
    BOTH = "pairing and surplus"
    PAIRING = "pairing"


METHODS = tuple(Method)


@dataclass(frozen=True, kw_only=True, slots=True)
class SurplusDecision:
    """A decision, what it was decided by, and why not by the surplus alone.

    Parameters
    ----------
    decision : Decision
        The verdict with its evidence. `sd` is that of the paired contrasts.
    method : Method
        ``"surplus"``: the regression estimator. ``"pairing and surplus"``: both had to cross the boundary.
        ``"pairing"``: the surplus was not used.
    why : str
        What kept the surplus from being enough; empty with ``"surplus"``.
    surplus : int
        Stored baseline runs beyond the pairs that were used.
    """

    decision: Decision
    method: Method
    why: str
    surplus: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SurplusJudged:
    """Verdicts of many claims with what they stand on, each of the shape of the claims.

    `judged` as `SequentialTest.judge` gives it, its `statistic` the one that had to cross; `low` and `high` the repeated
    confidence interval; `method` indexes `METHODS`; `drift` is the p-value of paired against surplus runs, the
    skewnesses are those at the same look (NaN without a look).
    """

    judged: Judged
    low: Array
    high: Array
    method: NDArray[np.int8]
    drift: Array
    residual_skewness: Array
    baseline_skewness: Array


@dataclass(frozen=True)
class SurplusTest:
    """A sequential test that also uses baseline runs that no candidate run is paired with.

    Parameters
    ----------
    test : SequentialTest
        The design: its looks and boundaries are used as they are.

    Notes
    -----
    At a look with n pairs and K baseline runs in all, with theta the slope of the candidate on the baseline over
    the pairs, the estimate is ``mean(y) + theta (mean(all b) - mean(paired b)) - mean(all b)``: pairing where the
    two are correlated, pooling where they are not. Its variance is ``s^2 (1/n + (mean(all b) - mean(paired b))^2 / SSb)``
    on n - 2 degrees of freedom plus ``(1 - theta)^2 var(b) / K`` on K - 1, with Satterthwaite's degrees of freedom;
    the t-statistic becomes that of n - 1 degrees of freedom with the same tail, so that the boundaries apply.

    The level relies on the stored runs being a list that was frozen before the first look, of the law of the paired
    ones, and on Gaussian noise on both sides, where pairing has symmetry. So at each look the runs are checked, and where paired
    and surplus runs differ (p < 0.1), or the residuals or the baseline are skewed, a PASS must be crossed by pairing as
    well, and a FAIL too. Going over to pairing instead would use the pairs just where they are extreme
    (up to 0.068 for 0.05); asking for both can only take verdicts away. The residuals' skewness enters as in
    Hall (1992): the smaller of t and his transformed t counts, which rises with t, as Johnson's does not.

    For `seconds`, memory and other measures of the machine there is no surplus: its runs are not independent.

    References
    ----------
    Lavenberg and Welch, Management Science 27 (1981): control variates with an estimated slope; Satterthwaite,
    Biometrics Bulletin 2 (1946); Hall, Journal of the Royal Statistical Society B 54 (1992).

    Examples
    --------
    >>> test = SurplusTest(SequentialTest())
    >>> stored = [0.80, 0.81, 0.79, 0.80, 0.82, 0.78, 0.80, 0.81, 0.79, 0.80, 0.80, 0.80]
    >>> found = test.decide([0.84, 0.86, 0.83, 0.84, 0.85], [0.80, 0.81, 0.79, 0.82, 0.80], stored)
    >>> str(found.decision.verdict), str(found.method), found.surplus
    ('PASS', 'surplus', 12)
    """

    test: SequentialTest

    def refusal(self, surplus: int) -> str:
        """Why that many stored runs are not used, before any look; empty where they are.

        Parameters
        ----------
        surplus : int
            Stored baseline runs that no candidate run will ever be paired with.
        """
        if surplus < LEAST_SURPLUS:
            return f"{surplus} stored baseline runs beyond the pairs are fewer than {LEAST_SURPLUS}"
        if self.test.min_seeds < LEAST_SEEDS:
            return f"a look at {self.test.min_seeds} pairs is before {LEAST_SEEDS}, which a slope needs"
        return ""

    def decide(
        self,
        candidate: ArrayLike,
        paired: ArrayLike,
        surplus: ArrayLike,
        *,
        margin: float = 0.0,
        weight: float = 1.0,
        resolution: float = 0.0,
        parts: int = 1,
    ) -> SurplusDecision:
        """Judge one claim: that the mean of ``candidate - weight * baseline - margin`` is above zero.

        Parameters
        ----------
        candidate : array_like, shape (n,)
            The candidate's metric, one number a seed, in seed order. Where lower is better, hand over the negatives
            of all three.
        paired : array_like, shape (n,)
            The baseline's metric under the same seeds.
        surplus : array_like, shape (m,)
            The baseline's metric under other seeds, none of them ever paired; frozen before the first look.
        margin, weight : float
            As in the formula: a gain of at least `margin`, over the baseline times `weight`.
        resolution : float
            Rounding error of a contrast: a standard deviation of at most this counts as none.
        parts : int
            Number of parts of a claim all of which must hold; each FAILs at ``fail_level / parts``.

        Returns
        -------
        SurplusDecision
            By pairing, with the reason, where the surplus is refused.

        Raises
        ------
        ValueError
            If a number is not finite, the lengths differ, or there is more than one axis.
        """
        y, b, s = _checked(candidate, paired, surplus, margin, weight)
        if y.ndim != 1 or s.ndim != 1:
            raise ValueError(
                f"candidate, paired and surplus must have one axis each, got {y.shape} and {s.shape}"
            )
        refusal = self.refusal(len(s))
        if refusal:
            decision = self.test.decide(y - b, resolution=resolution, parts=parts)
            return SurplusDecision(decision=decision, method=Method.PAIRING, why=refusal, surplus=0)
        found = self._judge(y, b, s, resolution, parts)
        method = METHODS[int(found.method)]
        used = 0 if method == Method.PAIRING else len(s)
        return SurplusDecision(decision=self._decision(found), method=method, why=_why(found), surplus=used)

    def judge(
        self,
        candidate: ArrayLike,
        paired: ArrayLike,
        surplus: ArrayLike,
        *,
        margin: float = 0.0,
        weight: float = 1.0,
        resolution: float = 0.0,
        parts: int = 1,
    ) -> SurplusJudged:
        """Judge many claims at once; `decide` is the one-claim case.

        Parameters
        ----------
        candidate, paired : array_like, shape (..., n)
            As in `decide`, along the last axis.
        surplus : array_like, shape (..., m)
            As in `decide`, along the last axis.
        margin, weight : float
            As in `decide`, for all claims.
        resolution : float
            As in `decide`, for all claims.
        parts : int
            As in `decide`, for all claims.

        Returns
        -------
        SurplusJudged
            Arrays of the shape of the claims.

        Raises
        ------
        ValueError
            As in `decide`, and if `refusal` refuses that many stored runs.
        """
        y, b, s = _checked(candidate, paired, surplus, margin, weight)
        if refusal := self.refusal(s.shape[-1]):
            raise ValueError(f"{refusal}: judge the paired contrasts")
        return self._judge(y, b, s, resolution, parts)

    def _judge(self, y: Array, b: Array, s: Array, resolution: float, parts: int) -> SurplusJudged:
        bounds = self.test.bounds
        looks = [int(n) for n in bounds.looks if n <= y.shape[-1]]
        if not looks:
            return _nothing_yet(self.test.judge(y - b))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
            scale = scale_of(y[..., : looks[0]], b[..., : looks[0]])
            y, b, stored = y / scale, b / scale, Stored.of(s / scale)
            taken = [
                look(y[..., :n], b[..., :n], stored, float(bound), resolution / scale[..., 0])
                for n, bound in zip(looks, bounds.efficacy[: len(looks)], strict=True)
            ]
            rows = {name: np.stack([row[name] for row in taken], axis=-1) for name in taken[0]}
        stop = _replay(bounds, y.shape[-1], rows["passing"], rows["failing"], parts)
        at = {name: np.take_along_axis(row, stop.look[..., None], -1)[..., 0] for name, row in rows.items()}
        passed = stop.verdict == _PASS
        # The skewness part and rounding have no say in the interval's formula: it must agree with the verdict all the same.
        low = np.where(passed, np.maximum(at["low"], 0.0), np.minimum(at["low"], 0.0))
        unit = scale[..., 0]
        judged = Judged(
            verdict=stop.verdict,
            reason=stop.reason,
            look=stop.look,
            n=stop.n,
            estimate=at["estimate"] * unit,
            sd=at["sd"] * unit,
            statistic=at["passing"],
            skewness=np.full(stop.n.shape, np.nan),  # guarded by looks of its own
        )
        return SurplusJudged(
            judged=judged,
            low=np.where(np.isnan(low), -np.inf, low) * unit,
            high=np.where(np.isnan(at["high"]), np.inf, at["high"]) * unit,
            method=at["method"].astype(np.int8),
            drift=at["drift"],
            residual_skewness=at["residual_skewness"],
            baseline_skewness=at["baseline_skewness"],
        )

    def _decision(self, found: SurplusJudged) -> Decision:
        judged = found.judged
        p_value, statistic, sd = (float(x) for x in (self.test.p_values(judged), judged.statistic, judged.sd))
        return Decision(
            verdict=VERDICTS[int(judged.verdict)],
            reason=REASONS[int(judged.reason)],
            estimate=float(judged.estimate),
            interval=(float(found.low), float(found.high)),
            p_value=None if np.isnan(p_value) else p_value,
            n=int(judged.n),
            statistic=None if np.isnan(statistic) else statistic,
            sd=None if np.isnan(sd) else sd,
        )


def _replay(bounds: Bounds, seeds: int, passing: Array, failing: Array, parts: int) -> Judged:
    """Stop each claim at the first look whose statistic crosses; estimates are filled in by others."""
    k = passing.shape[-1]
    looks = bounds.looks[:k]
    last = k == len(bounds.looks)
    crossed = passing >= bounds.efficacy[:k]
    ends = crossed | (passing <= bounds.futility[:k])
    open_ = ~ends.any(axis=-1)
    place = np.where(open_, k - 1, ends.argmax(axis=-1))
    final = np.take_along_axis(failing, place[..., None], -1)[..., 0]
    passed = np.take_along_axis(crossed, place[..., None], -1)[..., 0]
    at_end = last & (place == k - 1) & ~passed
    reason = np.where(passed, REASONS.index(Reason.EFFICACY), REASONS.index(Reason.FUTILITY))
    reason = np.where(at_end, REASONS.index(Reason.MAX_SEEDS), reason)
    reason = np.where(at_end & np.isnan(final), REASONS.index(Reason.NO_VARIANCE), reason)
    reason = np.where(open_ & ~at_end, REASONS.index(Reason.CONTINUE), reason)
    goes_on = reason == REASONS.index(Reason.CONTINUE)
    worst = special.stdtrit(looks[place] - 1, bounds.fail_level / parts)
    failed = ~passed & ~goes_on & (final <= worst)
    verdict = np.where(passed, _PASS, np.where(failed, _FAIL, VERDICTS.index(Verdict.UNDECIDED)))
    nothing = np.full(place.shape, np.nan)
    return Judged(
        verdict=verdict.astype(np.int8),
        reason=reason.astype(np.int8),
        look=place,
        n=np.where(goes_on, seeds, looks[place]),
        estimate=nothing,
        sd=nothing,
        statistic=nothing,
        skewness=nothing,
    )


def _nothing_yet(judged: Judged) -> SurplusJudged:
    """Before the first look: nothing is checked, everything is possible."""
    nothing = np.full(judged.n.shape, np.nan)
    return SurplusJudged(
        judged=judged,
        low=np.full(judged.n.shape, -np.inf),
        high=np.full(judged.n.shape, np.inf),
        method=np.full(judged.n.shape, SURPLUS, dtype=np.int8),
        drift=nothing,
        residual_skewness=nothing,
        baseline_skewness=nothing,
    )


def _why(found: SurplusJudged) -> str:
    """What kept one claim from being decided by the surplus alone."""
    if found.method == PAIRING:
        return "the runs of one arm do not vary, or one arm follows the other exactly"
    reasons = []
    if found.drift < DRIFT_LEVEL:
        reasons.append(f"paired and stored baseline runs differ (p = {float(found.drift):.2g})")
    for name, value, limit in (
        ("the candidate given the baseline", found.residual_skewness, RESIDUAL_SKEWNESS),
        ("the baseline", found.baseline_skewness, BASELINE_SKEWNESS),
    ):
        if abs(value) > limit:
            reasons.append(f"{name} is skewed ({float(value):+.2f}, limit {limit})")
    return "; ".join(reasons)


def _checked(
    candidate: ArrayLike, paired: ArrayLike, surplus: ArrayLike, margin: float, weight: float
) -> tuple[Array, Array, Array]:
    """Candidate less its margin, and both kinds of baseline runs times their weight."""
    for name, value in (("margin", margin), ("weight", weight)):
        if not np.isfinite(value):
            raise ValueError(f"{name}={value!r} must be finite: it is part of the claim")
    values = []
    for name, given in (("candidate", candidate), ("paired", paired), ("surplus", surplus)):
        try:
            values.append(checked_contrasts(given))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    y, b, s = values
    if y.shape != b.shape or y.shape[:-1] != s.shape[:-1]:
        raise ValueError(
            f"candidate {y.shape} and paired {b.shape} must have one number a pair each, "
            f"and surplus {s.shape} as many claims"
        )
    return y - margin, b * weight, s * weight
