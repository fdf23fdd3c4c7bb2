"""The judge: from finished training runs to a judgement. Pure: the same runs give the same answer, whoever trained them.

Looks are replayed in seed order on the longest unbroken prefix of finished seeds; the first boundary crossed decides.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pytest_mlops.claims import sentences
from pytest_mlops.claims.agreement import check_agreement
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.failures import NO_VALUES, with_worst_values
from pytest_mlops.claims.fixed import spread
from pytest_mlops.claims.methods import AUTO, designed
from pytest_mlops.claims.sequences import PartJudgement, Sequences, are_identical
from pytest_mlops.claims.splits import Splits, splits_of
from pytest_mlops.claims.surplus import Surplus
from pytest_mlops.claims.takes import pair_time
from pytest_mlops.records import RunResult
from pytest_mlops.stats import Decision, SequentialTest, Verdict


class Ended(StrEnum):
    """Why the judge stopped at this point."""

    OPEN = "open"
    """It did not: one more pair is wanted."""
    DECIDED = "decided"
    """The sequential test stopped."""
    FAILED_RUN = "failed run"
    """A training run before the deciding look failed; no seed is dropped in silence."""
    RUN_OUT = "run out"
    """No further pair can be had: recorded results end. An interruption is no stop."""
    NOT_JUDGED = "not judged"
    """The session judges no claim: it tries arms out, or plans."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The verdict on a claim, with its evidence."""

    verdict: Verdict
    ended: Ended
    reason: str
    """Why, in a sentence."""
    n: int
    """Pairs that the verdict stands on."""
    parts: tuple[PartJudgement, ...] = ()
    remedy: str | None = None
    identical: bool = False
    """Whether the arms' runs were identical bit for bit."""
    same_code: bool = False
    """Whether both sides are one experiment, so that nothing had to be trained: the estimate is zero under every seed."""
    splits: Splits | None = None
    """How the splits of its runs vary with the seed."""
    failed_index: int | None = None
    """Place of the failed training run that ended the sequence."""

    @property
    def passed(self) -> bool:
        """Whether the claim holds: only PASS is true."""
        return self.verdict == Verdict.PASS

    @property
    def not_judged(self) -> bool:
        """Whether there is no verdict because the session judges no claim."""
        return self.ended is Ended.NOT_JUDGED

    @property
    def open(self) -> bool:
        """Whether one more pair is wanted."""
        return self.ended is Ended.OPEN

    @property
    def deciding(self) -> PartJudgement | None:
        """The part to show in one row: the one that kept the claim from PASS, or the one with the largest p-value."""
        if not self.parts:
            return None
        return max(self.parts, key=lambda part: (RANK[part.decision.verdict], _p(part.decision)))


RANK = {Verdict.PASS: 0, Verdict.UNDECIDED: 1, Verdict.FAIL: 2}
"""Which part of a claim tells its verdict: the largest."""


def _p(decision: Decision) -> float:
    return decision.p_value if decision.p_value is not None else math.inf


def judge(
    claim: Claim,
    outcomes: Mapping[Arm, Sequence[RunResult]],
    test: SequentialTest,
    *,
    method: str = AUTO,
    run_out: str | None = None,
    confirm_harm: bool = False,
    worst: Mapping[str, float] = NO_VALUES,
    surplus: Surplus | None = None,
) -> Judgement:
    """Judge a claim on the training runs that are finished.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    outcomes : mapping of arm to results
        For every arm of the claim its results in seed order, without gaps; of a fixed arm its one result. Pairs beyond the
        shortest list and beyond the deciding look are not used; where a training run failed, the others of its pair may be
        missing.
    test : SequentialTest
        The design: error levels and looks. Where the runs' splits vary with the seed there is one look, at its last one.
    method : str
        Which test judges numbers, as the option says it.
    run_out : str, optional
        Why no further pair can be had; then an open sequence ends UNDECIDED with this sentence.
    confirm_harm : bool
        Go on to a symmetric boundary instead of stopping for futility, so that a FAIL is harm shown.
    worst : mapping of metric names or patterns to numbers
        What a failed training run counts as; those of which a metric is missing end the sequence.
    surplus : Surplus, optional
        Stored runs of the right side beyond the pairs.

    Returns
    -------
    Judgement
        With ``open`` true while one more pair is wanted.

    Raises
    ------
    MetricError
        If a metric does not exist, or its name is not the same in every run.
    RunError
        If the training function seeds the generators alike under every seed, or trains few distinct runs under many.
    SplitError
        If splits vary in some runs and not in others, or not alike in all arms.
    ClaimError, SettingError
        If a metric turns out to be yes/no, and no exact test answers the claim, or none with so few seeds; or if the method
        cannot judge the claim.
    """
    splits = splits_of(claim, outcomes)
    design = designed(claim, test, method, splits)
    test = design.test
    outcomes = spread(claim, with_worst_values(claim, outcomes, worst))
    known = min(len(outcomes[arm]) for arm in claim.arms)
    failed = first_failure(claim, outcomes)
    if known == 0 and failed is None:
        return undecided_yet(Ended.OPEN if run_out is None else Ended.RUN_OUT, run_out)
    usable = known if failed is None else failed
    if usable == 0:
        return ended_by_failure(claim, outcomes, 0, ())
    parts = check_agreement(claim, outcomes, usable)
    identical = are_identical(claim, outcomes, min(usable, design.first))
    sequences = Sequences(
        claim=claim,
        outcomes=outcomes,
        design=design,
        identical=identical,
        confirm_harm=confirm_harm,
        surplus=surplus,
    )
    judged = sequences.judged(parts, usable)
    found = _combine(claim, outcomes, judged, test, identical=identical, failed=failed, run_out=run_out)
    return replace(found, splits=splits)


def first_failure(claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]]) -> int | None:
    """Place of the first failed training run at the pairs known, or at the next one, where one failed arm is enough."""
    known = min(len(outcomes[arm]) for arm in claim.arms)
    for index in range(known + 1):
        if any(index < len(outcomes[arm]) and outcomes[arm][index].failed for arm in claim.arms):
            return index
    return None


def _combine(
    claim: Claim,
    outcomes: Mapping[Arm, Sequence[RunResult]],
    judged: tuple[PartJudgement, ...],
    test: SequentialTest,
    *,
    identical: bool,
    failed: int | None,
    run_out: str | None,
) -> Judgement:
    """All parts must hold: PASS when every part passed, the end when one stopped without."""
    pair = pair_time(claim, outcomes)
    stopped = [j for j in judged if j.stopped_short]
    waiting = [j for j in judged if not j.decision.decided]
    if stopped:
        worst = max(stopped, key=lambda j: RANK[j.decision.verdict])
        verdict, shown, ended = worst.decision.verdict, worst, Ended.DECIDED
    elif not waiting:
        verdict, ended = Verdict.PASS, Ended.DECIDED
        shown = max(judged, key=lambda j: j.decision.n)
    elif failed is not None:
        return ended_by_failure(claim, outcomes, failed, judged)
    else:
        shown = max(waiting, key=lambda j: j.decision.n)
        ended = Ended.OPEN if run_out is None else Ended.RUN_OUT
        reason = run_out or "undecided so far"
        todo = sentences.more_seeds(shown, claim, test, pair, run_out=True) if run_out else None
        return Judgement(
            verdict=Verdict.UNDECIDED,
            ended=ended,
            reason=reason,
            n=len(shown.contrasts),
            parts=judged,
            remedy=todo,
            identical=identical,
        )
    return Judgement(
        verdict=verdict,
        ended=ended,
        reason=sentences.reason(shown, identical=identical, parts=len(judged), most=int(test.looks[-1])),
        n=shown.decision.n,
        parts=judged,
        remedy=None if verdict == Verdict.PASS else sentences.remedy(shown, claim, test, pair),
        identical=identical,
    )


def no_verdict() -> Judgement:
    """What a claim gets in a session that judges none."""
    return Judgement(verdict=Verdict.UNDECIDED, ended=Ended.NOT_JUDGED, reason="no verdict", n=0)


def nothing_known(reason: str) -> Judgement:
    """What a claim gets of which no training run can be had."""
    return undecided_yet(Ended.RUN_OUT, reason)


def undecided_yet(ended: Ended, reason: str | None) -> Judgement:
    """What a claim gets while no pair is finished."""
    return Judgement(
        verdict=Verdict.UNDECIDED, ended=ended, reason=reason or "no training run is finished", n=0
    )


def ended_by_failure(
    claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]], index: int, judged: tuple[PartJudgement, ...]
) -> Judgement:
    """UNDECIDED, because of a failed training run at that place."""
    arm = next(arm for arm in claim.arms if index < len(outcomes[arm]) and outcomes[arm][index].failed)
    failure = outcomes[arm][index].failure
    assert failure is not None
    name = claim.names.get(arm.identity, arm.label)
    return Judgement(
        verdict=Verdict.UNDECIDED,
        ended=Ended.FAILED_RUN,
        reason=f"the training run of {name} under {sentences.seed_of(outcomes[arm], index)} failed "
        f"({failure.kind}): {failure.message}",
        n=index,
        parts=judged,
        failed_index=index,
        remedy=sentences.mend(failure.kind),
    )
