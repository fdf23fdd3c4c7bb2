"""Every part of a claim by its own sequence: which test answers it, and what that says in the user's units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlops.claims import by_cases
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.by_cases import cases_of
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.methods import Design, at_one_look, refuse
from pytest_mlops.claims.rates import answers, is_rate, rate_takes, rate_test, yes_no_of
from pytest_mlops.claims.series import Series, series_of
from pytest_mlops.claims.surplus import Surplus
from pytest_mlops.claims.takes import pair_time, takes_data
from pytest_mlops.records import Cases, RunResult
from pytest_mlops.stats import Decision, Reason, SequentialTest, Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Side:
    """One metric of one arm over the seeds that decided."""

    arm: Arm
    metric: str
    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class PartJudgement:
    """One part of a claim with its decision, in the user's direction and units."""

    name: str
    decision: Decision
    estimate: float
    """Left minus right without the constant, mean over ``decision.n`` seeds."""
    interval: tuple[float, float]
    limits: tuple[float, ...]
    """What the estimate has to exceed or stay below; for an equivalence both limits."""
    contrasts: tuple[float, ...]
    """Left minus right without the constant, one number a seed, for all seeds known."""
    sides: tuple[Side, ...]
    median_unbiased: float | None = None
    """Estimate that takes the stop into account, approximately; None where there is no such thing."""
    advice: str = ""
    """What it would take to decide it, where that is not told by its contrasts."""

    @property
    def stopped_short(self) -> bool:
        """Whether its sequence stopped without PASS."""
        return self.decision.decided and self.decision.verdict != Verdict.PASS


@dataclass(frozen=True, kw_only=True)
class Sequences:
    """The sequences of a claim's parts over the seeds that are usable.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    outcomes : mapping of arm to results
        In seed order, finished and good.
    design : Design
        Its looks, and the test that is asked at them.
    identical : bool
        Whether the runs are identical bit for bit up to the first look.
    confirm_harm : bool
        Go on to a symmetric boundary instead of stopping for futility.
    surplus : Surplus, optional
        Stored runs of the right side beyond the pairs.
    """

    claim: Claim
    outcomes: Mapping[Arm, Sequence[RunResult]]
    design: Design
    identical: bool
    confirm_harm: bool
    surplus: Surplus | None = None

    @property
    def test(self) -> SequentialTest:
        """Error levels and looks."""
        return self.design.test

    def judged(self, parts: Sequence[Part], usable: int) -> tuple[PartJudgement, ...]:
        """Every part by its own sequence, all cut at the look where the first of them stopped without PASS."""
        judged = tuple(self._part(part, usable, len(parts)) for part in parts)
        stops = [one.decision.n for one in judged if one.stopped_short]
        if stops and len(parts) > 1:
            judged = tuple(self._part(part, min(stops), len(parts)) for part in parts)
        return judged

    @property
    def _over_contexts(self) -> bool:
        """Whether pairs are of several contexts: then cases are judged as they are, and seeds alone vary."""
        from pytest_mlops.stats.contexts import ContextTest

        return isinstance(self.test, ContextTest)

    def _part(self, part: Part, usable: int, parts: int) -> PartJudgement:
        series = series_of(self.claim, part, self.outcomes, usable)
        if is_rate(self.claim, part, yes_no_of(self.claim, self.outcomes, usable)):
            self._refuse("a yes/no metric")
            if not self.identical:
                return self._rate(part, series, usable, parts)
        if any(self.outcomes[term.arm][0].cases.get(term.metric) for term in part.terms):
            self._refuse("a metric with a number for each case (run.cases)")
        rows = None if self._over_contexts else cases_of(self.claim, part, self.outcomes, usable)
        decision, interval = self._decided(part, series, rows, parts, identical=self.identical)
        if decision.reason == Reason.IDENTICAL and decision.verdict == Verdict.PASS:
            decision, interval = self._all_identical(part, series, rows, parts, (decision, interval))
        return PartJudgement(
            name=part.name,
            decision=decision,
            estimate=self._estimate(series, decision),
            interval=interval,
            limits=series.limits(decision.n),
            contrasts=tuple(series.differences.tolist()),
            sides=sides_of(self.claim, part, self.outcomes, decision.n),
            median_unbiased=self._median_unbiased(series, decision) if rows is None else None,
            advice=takes_data(self.claim, series.differences, self.test, self.design.splits),
        )

    def _estimate(self, series: Series, decision: Decision) -> float:
        """Left minus right without the constant: the mean of the pairs, where no stored runs had a say."""
        if self.surplus is None or not math.isfinite(decision.estimate):
            return float(series.differences[: decision.n].mean())
        return (1.0 if self.claim.sign == ">" else -1.0) * decision.estimate + series.margin

    def _refuse(self, what: str) -> None:
        refuse(self.claim, what, self.design.method, varying=self.design.splits is not None)

    def _median_unbiased(self, series: Series, decision: Decision) -> float | None:
        """Of a sequence that stopped after its first look: before it there was nothing to choose from."""
        if (
            self._over_contexts
            or self.surplus is not None
            or not self.design.is_sequential_t
            or len(series.contrasts) != 1
            or not decision.decided
            or decision.n <= int(self.test.looks[0])
        ):
            return None
        from pytest_mlops.stats.estimation import median_unbiased

        found = median_unbiased(self.test, decision)
        direction = 1.0 if self.claim.sign == ">" else -1.0
        return None if found is None else direction * found.mean + series.margin

    def _rate(self, part: Part, series: Series, usable: int, parts: int) -> PartJudgement:
        """A part about yes/no metrics, by its exact test."""
        test = rate_test(self.claim, part, self.test)
        given = answers(part, self.outcomes, usable)
        first = part.terms[0].weight
        if len(part.terms) == 1:
            decision, method = test.decide(given[:, 0], parts=parts), "exact binomial test"
        else:
            decision, method = test.decide(given, parts=parts), "exact test of discordant pairs"
        low, high = sorted(first * limit for limit in decision.interval)
        return PartJudgement(
            name=part.name,
            decision=replace(decision, method=method),
            estimate=first * decision.estimate,
            interval=(low, high),
            limits=series.limits(decision.n),
            contrasts=tuple(series.differences.tolist()),
            sides=sides_of(self.claim, part, self.outcomes, decision.n),
            advice=rate_takes(test, given, int(self.test.looks[-1]), pair_time(self.claim, self.outcomes)),
        )

    def _decided(
        self, part: Part, series: Series, rows: list[list[Cases]] | None, parts: int, *, identical: bool
    ) -> tuple[Decision, tuple[float, float]]:
        """The decision, and the interval in the user's units."""
        if rows is not None:
            sides = by_cases.decide(
                self.test,
                self.claim,
                part,
                rows,
                identical=identical,
                resolution=series.resolution,
                parts=parts,
            )
            return in_units(self.claim, series, tuple(replace(side, method=_method(side)) for side in sides))
        if not self.design.is_sequential_t:
            return in_units(self.claim, series, self._by_design(series, parts, identical=identical))
        if self.surplus is not None and not identical:
            found = self.surplus.decide(self.test, self.claim, part, self.outcomes, series, parts)
            return in_units(self.claim, series, (found,))
        options = {
            "resolution": series.resolution,
            "parts": parts,
            "identical": identical,
            "guard": series.guard,
            "confirm_harm": self.confirm_harm,
        }
        if len(series.contrasts) == 2:
            from pytest_mlops.stats.equivalence import decide_within

            return in_units(self.claim, series, decide_within(self.test, *series.contrasts, **options))  # type: ignore[arg-type]
        (contrasts,) = series.contrasts
        return in_units(self.claim, series, (self.test.decide(contrasts, **options),))  # type: ignore[arg-type]

    def _by_design(self, series: Series, parts: int, *, identical: bool) -> tuple[Decision, ...]:
        """One decision for ``>`` and ``<``, two for an equivalence, by another test than the sequential t-test."""

        def side(contrasts: NDArray[np.float64], of: int) -> Decision:
            if identical and len(contrasts) >= self.design.first:
                first = at_one_look(self.test, self.design.first)
                early = first.decide(contrasts, identical=True, resolution=series.resolution)
                if early.reason == Reason.IDENTICAL:
                    return early
            return self.design.decide(contrasts, series=series, parts=of)

        if len(series.contrasts) == 1:
            return (side(series.contrasts[0], parts),)
        from pytest_mlops.stats.equivalence import decide_sides

        lower, upper = series.contrasts
        return decide_sides(
            lambda n: side(lower[:n], 2 * parts), lambda n: side(upper[:n], 2 * parts), len(lower)
        )

    def _all_identical(
        self,
        part: Part,
        series: Series,
        rows: list[list[Cases]] | None,
        parts: int,
        passed: tuple[Decision, tuple[float, float]],
    ) -> tuple[Decision, tuple[float, float]]:
        """Identical runs PASS only when all pairs up to the last look are identical.

        A change after training (post-processing, a threshold) leaves the weights alone and may harm a tenth of the
        seeds: five pairs show nothing of it with probability 0.59, thirty with 0.04.
        """
        most = int(self.test.looks[-1])
        if len(series.differences) >= most and are_identical(self.claim, self.outcomes, most):
            return replace(passed[0], n=most), passed[1]
        return self._decided(part, series, rows, parts, identical=False)


def in_units(
    claim: Claim, series: Series, sides: tuple[Decision, ...]
) -> tuple[Decision, tuple[float, float]]:
    """One decision of both sides of an equivalence, or of the one side that there is; and the interval in the user's units."""
    if len(sides) == 2:
        from pytest_mlops.stats.equivalence import together

        decision = together(sides)
        low, high = series.limits(decision.n)
        return decision, (low + sides[0].interval[0], high - sides[1].interval[0])
    (decision,) = sides
    direction = 1.0 if claim.sign == ">" else -1.0
    low, high = sorted(direction * limit + series.margin for limit in decision.interval)
    return decision, (low, high)


def are_identical(claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]], n: int) -> bool:
    """Whether all arms left the same weights, curves and metrics, bit for bit, at each of the first ``n`` seeds."""
    if len(claim.arms) < 2:
        return False
    traces = [{outcomes[arm][index].weights for arm in claim.arms} for index in range(n)]
    return all(len(trace) == 1 and None not in trace for trace in traces)


def _method(decision: Decision) -> str:
    """Which test spoke where runs have numbers for each case."""
    return "seeds by cases" if decision.patients is not None else decision.method


def sides_of(
    claim: Claim, part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], n: int
) -> tuple[Side, ...]:
    """Mean and spread of each metric of a part over the first ``n`` seeds; a fixed arm has no spread."""
    sides = []
    for term in part.terms:
        numbers = _numbers(outcomes[term.arm], term.metric, n)
        sd = float(numbers.std(ddof=1)) if n > 1 and term.arm not in claim.fixed else math.nan
        sides.append(Side(arm=term.arm, metric=term.metric, mean=float(numbers.mean()), sd=sd))
    return tuple(sides)


def _numbers(results: Sequence[RunResult], metric: str, n: int) -> NDArray[np.float64]:
    import numpy as np

    return np.array([result.metrics[metric] for result in results[:n]], dtype=np.float64)
