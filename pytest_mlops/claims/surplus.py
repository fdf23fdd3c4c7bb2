"""Stored runs of the arm that a claim compares with, beyond its pairs: when they may count, and the decision with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.series import Series
from pytest_mlops.errors import MetricError
from pytest_mlops.records import RunResult
from pytest_mlops.stats import Decision, SequentialTest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Surplus:
    """A list that was frozen before the first look.

    Parameters
    ----------
    arm : Arm
        The claim's right side.
    runs : tuple of RunResult
        Good ones, under seeds that are never paired.
    """

    arm: Arm
    runs: tuple[RunResult, ...]

    def decide(
        self,
        test: SequentialTest,
        claim: Claim,
        part: Part,
        outcomes: Mapping[Arm, Sequence[RunResult]],
        series: Series,
        parts: int,
    ) -> Decision:
        """The decision on one part of a claim that :func:`unfit` has nothing against.

        Parameters
        ----------
        test : SequentialTest
            Error levels and looks.
        claim : Claim
            What is claimed.
        part : Part
            One of its parts, about plain numbers.
        outcomes : mapping of arm to results
            In seed order.
        series : Series
            The numbers of the part.
        parts : int
            Number of parts all of which must hold.

        Raises
        ------
        MetricError
            If a stored run lacks the metric.
        """
        from pytest_mlops.stats.surplus import Method, SurplusTest

        (right,) = (term for term in part.terms if term.arm == self.arm)
        (left,) = (term for term in part.terms if term.arm != self.arm)
        sign, n = (1.0 if claim.sign == ">" else -1.0), len(series.differences)
        found = SurplusTest(test).decide(
            sign * left.weight * _numbers(outcomes[left.arm][:n], left.metric, left.arm),
            sign * left.weight * _numbers(outcomes[self.arm][:n], right.metric, self.arm),
            sign * left.weight * _numbers(self.runs, right.metric, self.arm),
            margin=sign * series.margin,
            resolution=series.resolution,
            parts=parts,
        )
        if found.method == Method.PAIRING:
            return replace(found.decision, method=f"sequential t-test of the pairs alone: {found.why}")
        method = f"sequential t-test with {found.surplus} stored training runs"
        if found.method == Method.BOTH:
            method += f", and of the pairs alone, since {found.why}"
        return replace(found.decision, method=method)


def unfit(claim: Claim) -> str | None:
    """Why stored runs do not count for a claim, in a clause; None where they may.

    Examples
    --------
    >>> from pytest_mlops.claims.arms import Arms
    >>> unfit(Arms().recorded({"auc": [0.9, 0.8]})["auc"] > 0.5)
    'it compares no two arms that train'
    """
    left, right = claim.left.terms, claim.right.terms
    if claim.member is not None:
        return "it is a row of an ablation"
    if claim.tolerance is not None:
        return "it is an equivalence"
    if len(left) != 1 or len(right) != 1 or left[0].arm == right[0].arm:
        return "it compares no two arms that train"
    if claim.fixed:
        return "an arm of it is fixed"
    if not all(arm.trains for arm in claim.arms):
        return "recorded results have no store"
    if any(arm.upstream is not None for arm in claim.arms):
        return "an arm of it is derived"
    return "it is a ratio" if claim.is_ratio else None


def _numbers(runs: Sequence[RunResult], metric: str, arm: Arm) -> NDArray[np.float64]:
    import numpy as np

    missing = next((run for run in runs if metric not in run.metrics), None)
    if missing is not None:
        raise MetricError(
            f"{arm.label}: its stored training run under seed {missing.seed} has no metric {metric!r}, and others have. Every "
            "training run has to return the same metrics. Leave stored runs out with surplus = false."
        )
    return np.array([run.metrics[metric] for run in runs], dtype=np.float64)
