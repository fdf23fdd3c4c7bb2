"""The judge of families: from finished training runs to the verdicts of all rows. Pure, like the judge of one claim.

Rows on one number a seed share alpha by Holm's procedure over sequential tests. Rates, metrics with numbers for each case,
and splits that vary are judged by exact tests, over patients and at one look, whose levels are no nested sequence: there each
row has its own share, alpha / m.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_mlops.claims import sentences
from pytest_mlops.claims.agreement import check_agreement
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.failures import NO_VALUES, claims_failure, with_worst_values
from pytest_mlops.claims.family import FamilyClaim, FamilyJudgement, RowJudgement
from pytest_mlops.claims.judge import Ended, Judgement, ended_by_failure, first_failure, undecided_yet
from pytest_mlops.claims.sequences import PartJudgement, are_identical, sides_of
from pytest_mlops.claims.series import Series, series_of
from pytest_mlops.claims.splits import varies
from pytest_mlops.errors import ClaimError, MetricError, SplitError
from pytest_mlops.records import RunResult
from pytest_mlops.stats import Decision, Reason, SequentialTest, Verdict

if TYPE_CHECKING:
    from pytest_mlops.stats.families import FamilyRow

HOLM = "Holm's procedure over sequential tests"
SHARES = "each row at alpha / m"

Outcomes = Mapping[Arm, Sequence[RunResult]]


@dataclass(frozen=True, kw_only=True)
class _Known:
    """What is known of one row."""

    row: Claim
    outcomes: Outcomes
    usable: int
    failed: int | None
    part: Part | None = None
    series: Series | None = None
    identical: bool = False


def judge_family(
    family: FamilyClaim,
    outcomes: Outcomes,
    test: SequentialTest,
    *,
    run_out: Mapping[str, str] | None = None,
    confirm_harm: bool = False,
    worst: Mapping[str, float] = NO_VALUES,
) -> FamilyJudgement:
    """Judge all rows of a family on the training runs that are finished.

    Parameters
    ----------
    family : FamilyClaim
        What is claimed of every row, on one number a seed: see :func:`apart`.
    outcomes : mapping of arm to results
        For the reference and every variant the results in seed order, without gaps. Rows may differ in how many they have:
        no order in which training runs come in changes a verdict.
    test : SequentialTest
        The design of the family; its alpha is that of all rows together.
    run_out : mapping of str to str, optional
        By component why no further pair of its row can be had; then an open row ends UNDECIDED with this sentence.
    confirm_harm : bool
        Go on to a symmetric boundary instead of stopping for futility, so that a FAIL is harm shown.
    worst : mapping of metric names or patterns to numbers
        What a failed training run counts as; those of which a metric is missing end their row.

    Returns
    -------
    FamilyJudgement
        Rows that are open and want another pair say so.

    Raises
    ------
    MetricError, RunError, ClaimError
        As the judge of one claim does; if a metric declared to be better when lower is none.
    SplitError
        If splits vary with the seed: those rows are judged apart. A `ClaimError` if they are for another reason.
    """
    from pytest_mlops.stats.families import holm

    if varies(outcomes):
        raise SplitError(
            f"{family.statement}: splits vary with the seed, and contrasts of the same data are no sequence of independent "
            "seeds. Ask each row by itself, at its share of alpha."
        )
    if apart(family, outcomes):
        raise ClaimError(
            f"{family.statement}: yes/no metrics and metrics with a number for each case have tests of their own, whose levels "
            "cannot be handed on. Ask each row by itself, at its share of alpha."
        )
    check_declared(family, outcomes)
    known = [_known(row, outcomes, test, worst) for row in family.rows]
    rows = holm(
        [one.series.contrasts[0] if one.series is not None else [] for one in known],
        test,
        identical=[one.identical for one in known],
        resolution=[one.series.resolution if one.series is not None else 0.0 for one in known],
        guard=[one.series.guard if one.series is not None else [] for one in known],
        ended=[one.failed is not None for one in known],
        confirm_harm=confirm_harm,
    )
    judged = []
    for one, row, name in zip(known, rows, family.components, strict=True):
        row = _identical_throughout(one, row, test)
        why = (run_out or {}).get(name)
        judged.append(
            RowJudgement(
                judgement=_judgement(one, row, test, why),
                level=row.level,
                adjusted_p=row.adjusted_p,
                wants_more=row.wants_more,
            )
        )
    return FamilyJudgement(rows=tuple(judged), method=HOLM)


def apart(family: FamilyClaim, outcomes: Outcomes) -> bool:
    """Whether the rows are judged apart, each at its share of alpha: rates, metrics with numbers for each case, splits that vary.

    Parameters
    ----------
    family : FamilyClaim
        The family.
    outcomes : mapping of arm to results
        What is known so far; one good run of any arm tells, at whatever seed.
    """
    if claims_failure(family.rows[0]) or varies(outcomes):
        return True
    return any(
        term.metric in run.yes_no or term.metric in run.cases
        for row in family.rows
        for term in row.difference.terms
        for run in outcomes.get(term.arm, ())
    )


def check_declared(family: FamilyClaim, outcomes: Outcomes) -> None:
    """Refuse a metric declared to be better when lower that no training run returns: a misspelt name turns a claim round.

    Raises
    ------
    MetricError
        If there is one.
    """
    run = next((run for run in outcomes.get(family.reference, ()) if not run.failed), None)
    missing = [name for name in family.declared if run is not None and name not in run.metrics]
    if missing and run is not None:
        raise MetricError(
            f"lower_is_better names {', '.join(map(repr, missing))}, and {family.reference.label} returned "
            f"{', '.join(map(repr, run.metrics))}. Is it misspelt? The claim on that metric would be turned round."
        )


def _known(row: Claim, outcomes: Outcomes, test: SequentialTest, worst: Mapping[str, float]) -> _Known:
    own = with_worst_values(row, {arm: outcomes.get(arm, ()) for arm in row.arms}, worst)
    failed = first_failure(row, own)
    usable = min(len(own[arm]) for arm in row.arms) if failed is None else failed
    if not usable:
        return _Known(row=row, outcomes=own, usable=0, failed=failed)
    (part,) = check_agreement(row, own, usable)
    return _Known(
        row=row,
        outcomes=own,
        usable=usable,
        failed=failed,
        part=part,
        series=series_of(row, part, own, usable),
        identical=are_identical(row, own, min(usable, int(test.looks[0]))),
    )


def _identical_throughout(one: _Known, row: FamilyRow, test: SequentialTest) -> FamilyRow:
    """Runs that are identical bit for bit at all pairs are no worse, for certain; as the judge of one claim has it."""
    most = int(test.looks[-1])
    constant = row.decision.reason == Reason.NO_VARIANCE and one.usable >= most
    if not (
        constant and one.identical and one.series is not None and are_identical(one.row, one.outcomes, most)
    ):
        return row
    if not row.decision.estimate > one.series.resolution:
        return row
    sure = replace(
        row.decision,
        verdict=Verdict.PASS,
        reason=Reason.IDENTICAL,
        interval=(row.decision.estimate, row.decision.estimate),
        n=most,
    )
    return replace(row, verdict=Verdict.PASS, decision=sure)


def _judgement(one: _Known, row: FamilyRow, test: SequentialTest, run_out: str | None) -> Judgement:
    decision = row.decision
    part = _part(one, decision)
    if decision.decided and part is not None:
        passed = decision.verdict == Verdict.PASS
        identical = one.identical and decision.reason == Reason.IDENTICAL
        most = int(test.looks[-1])
        return Judgement(
            verdict=decision.verdict,
            ended=Ended.DECIDED,
            reason=sentences.reason(part, identical=identical, parts=1, most=most),
            n=decision.n,
            parts=(part,),
            remedy=None if passed else sentences.remedy(part, one.row, replace(test, alpha=row.level)),
            identical=identical,
        )
    if one.failed is not None:
        return ended_by_failure(one.row, one.outcomes, one.failed, (part,) if part is not None else ())
    ended = Ended.OPEN if run_out is None else Ended.RUN_OUT
    if part is None:
        return undecided_yet(ended, run_out)
    todo = sentences.more_seeds(part, one.row, replace(test, alpha=row.level)) if run_out else None
    return Judgement(
        verdict=Verdict.UNDECIDED,
        ended=ended,
        reason=run_out or "undecided so far",
        n=len(part.contrasts),
        parts=(part,),
        remedy=todo,
    )


def _part(one: _Known, decision: Decision) -> PartJudgement | None:
    """The row's numbers, in the user's direction and units."""
    if one.part is None or one.series is None or decision.n == 0:
        return None
    series = one.series
    direction = 1.0 if one.row.sign == ">" else -1.0
    low, high = sorted(direction * limit + series.margin for limit in decision.interval)
    return PartJudgement(
        name="",
        decision=decision,
        estimate=float(series.differences[: decision.n].mean()),
        interval=(low, high),
        limits=series.limits(decision.n),
        contrasts=tuple(series.differences.tolist()),
        sides=sides_of(one.row, one.part, one.outcomes, decision.n),
    )
