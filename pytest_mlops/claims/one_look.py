"""Claims all of whose arms are fixed: nothing varies over seeds, so that the patients alone decide, at one look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_mlops.claims.agreement import check_agreement
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.by_cases import cases_of, sides_by_cases
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.judge import RANK, Ended, Judgement, ended_by_failure
from pytest_mlops.claims.sentences import why_stopped
from pytest_mlops.claims.sequences import PartJudgement, in_units, sides_of
from pytest_mlops.claims.series import series_of
from pytest_mlops.errors import ClaimError
from pytest_mlops.records import RunResult
from pytest_mlops.stats import Decision, Reason, Verdict

Outcomes = Mapping[Arm, Sequence[RunResult]]


def judge_over_patients(claim: Claim, outcomes: Outcomes, *, alpha: float, power: float) -> Judgement:
    """Judge a claim of fixed arms by the test cases of their one training run.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    outcomes : mapping of arm to results
        For every arm of the claim its one result; where one failed, the others may be missing.
    alpha, power : float
        Level of the test, and the power for which it is said how many patients that would take.

    Raises
    ------
    MetricError
        If a metric does not exist, or training runs differ in their cases, patients or labels.
    ClaimError
        If a metric has no numbers for each case, so that nothing varies at all.
    """
    if any(run.failed for runs in outcomes.values() for run in runs):
        return ended_by_failure(claim, outcomes, 0, ())
    parts = check_agreement(claim, outcomes, 1)
    judged = tuple(_judged(claim, part, outcomes, len(parts), alpha=alpha, power=power) for part in parts)
    worst = max(judged, key=lambda one: (RANK[one.decision.verdict], one.decision.p_value or 0.0))
    passed = worst.decision.verdict == Verdict.PASS
    where = f"part {worst.name!r}: " if len(judged) > 1 and not passed else ""
    return Judgement(
        verdict=worst.decision.verdict,
        ended=Ended.DECIDED,
        reason=where + _reason(worst.decision),
        n=1,
        parts=judged,
        remedy=None if passed else _remedy(claim, worst.decision),
    )


def refuse_seeds_alone(claim: Claim) -> ClaimError:
    """The error for a claim of which nothing varies: neither seeds nor cases."""
    return ClaimError(
        f"{claim.statement}: each of its arms names one seed, so that over seeds nothing can be said, and its metric has no "
        "numbers for each case: one number says nothing of any other.\n"
        "  Hand in the cases, to judge for new patients: run.cases(...) in every training run; or drop .using(seeds=...) of the "
        "arm that trains, to judge for new seeds."
    )


def _judged(
    claim: Claim, part: Part, outcomes: Outcomes, parts: int, *, alpha: float, power: float
) -> PartJudgement:
    from pytest_mlops.stats.patients_alone import decide_over_patients
    from pytest_mlops.stats.run_cases import weighted_pseudovalues

    series = series_of(claim, part, outcomes, 1)
    rows = cases_of(claim, part, outcomes, 1)
    if rows is None:
        raise refuse_seeds_alone(claim)
    sides = sides_by_cases(claim, part, rows)
    decided: list[Decision] = []
    for side in sides:
        (values,) = side.direction * (weighted_pseudovalues(side.terms) - side.margin)
        found = decide_over_patients(
            values,
            alpha=alpha,
            power=power,
            parts=parts * len(sides),
            resolution=series.resolution * len(values),  # a pseudovalue is so many times the metric
        )
        decided.append(found)
    decision, interval = in_units(claim, series, tuple(decided))
    return PartJudgement(
        name=part.name,
        decision=decision,
        estimate=float(series.differences.mean()),
        interval=interval,
        limits=series.limits(1),
        contrasts=tuple(series.differences.tolist()),
        sides=sides_of(claim, part, outcomes, 1),
    )


def _reason(decision: Decision) -> str:
    if decision.reason == Reason.EFFICACY:
        return "enough evidence over patients, at the only look"
    if decision.reason == Reason.NO_VARIANCE:
        return "every patient gave the same number, so there is no spread to judge by"
    against = ", and the evidence speaks against the claim" if decision.verdict == Verdict.FAIL else ""
    return why_stopped(decision.reason, 1) + against


def _remedy(claim: Claim, decision: Decision) -> str:
    if decision.reason == Reason.NO_VARIANCE:
        changed = len(claim.arms) > 1
        return (
            "Did the change reach the model?" if changed else "Does the metric depend on the patient at all?"
        )
    if decision.verdict == Verdict.FAIL:
        return "Drop the claim, or change what the arms compute; more patients will hardly turn it."
    if decision.patients_needed is None:
        return "If the estimate is right, no number of patients will show it."
    return f"If the estimate is right, it needs about {decision.patients_needed} patients instead of {decision.patients}."
