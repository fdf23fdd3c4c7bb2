"""Families: the claims of an ablation that share one alpha, asked as one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.errors import ClaimError
from pytest_mlops.records import RunResult
from pytest_mlops.stats import SequentialTest, Verdict

if TYPE_CHECKING:
    from pytest_mlops.claims.judge import Judgement

Side = Literal["without", "adding"]
Question = Literal["each_component_helps", "nothing_hurts"]


@dataclass(frozen=True, kw_only=True, eq=False)
class FamilyClaim:
    """A lazy statement about every row of an ablation. Asking for its truth trains until all rows are decided."""

    name: str
    """What the user calls the metric of the study: ``study["auc"]``."""
    metric: str
    question: Question
    by: float
    rows: tuple[Claim, ...]
    """One claim a component; each has its `member`."""
    file: str
    line: int
    side: Side = "without"
    lower_is_better: bool = False
    declared: tuple[str, ...] = ()
    """Metrics that the study declares to be better when lower."""

    @property
    def statement(self) -> str:
        """The question as the user asks it."""
        return f"{self.name}.{self.question}(by={self.by:g})"

    @property
    def reference(self) -> Arm:
        """The arm with which every row is paired."""
        assert self.rows[0].member is not None
        return self.rows[0].member.reference

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the rows, in the user's order."""
        return tuple(row.member.component for row in self.rows if row.member is not None)

    def variant(self, row: Claim) -> Arm:
        """The arm of a row that is not the reference."""
        return next(arm for arm in row.arms if arm != self.reference)

    def judgement(self) -> FamilyJudgement:
        """Train until all rows are decided, by the options of the gate that asks.

        Raises
        ------
        ClaimError
            Outside a gate.
        """
        asking = self.reference.asking
        if asking is None:
            raise ClaimError(
                f"{self.statement}: claims are asked inside a gate, under pytest --mlops, with the ablation fixture."
            )
        return asking.ask_family(self)

    def __bool__(self) -> bool:
        judgement = self.judgement()
        return judgement.passed or judgement.not_judged  # then the test goes on to its next line

    def __repr__(self) -> str:
        return self.statement


@dataclass(frozen=True, kw_only=True)
class RowJudgement:
    """The verdict on one row of a family, with its evidence."""

    judgement: Judgement
    level: float | None = None
    """Error level at which it was decided, or is judged so far; None before anything is known."""
    adjusted_p: float | None = None
    """Of the whole family's procedure: at most alpha exactly when the row passes."""
    wants_more: bool = False
    """Whether another pair of this row may settle it."""


@dataclass(frozen=True, kw_only=True)
class FamilyJudgement:
    """The verdicts of all rows, in the family's order."""

    rows: tuple[RowJudgement, ...]
    method: str
    """How the rows share alpha."""

    @property
    def verdict(self) -> Verdict:
        """PASS if all rows pass, FAIL if one fails, UNDECIDED otherwise."""
        verdicts = {row.judgement.verdict for row in self.rows}
        if verdicts == {Verdict.PASS}:
            return Verdict.PASS
        return Verdict.FAIL if Verdict.FAIL in verdicts else Verdict.UNDECIDED

    @property
    def passed(self) -> bool:
        """Whether every row passed: only PASS is true."""
        return self.verdict == Verdict.PASS

    @property
    def not_judged(self) -> bool:
        """Whether there is no verdict because the session judges no claim."""
        return all(row.judgement.not_judged for row in self.rows)


@dataclass(frozen=True, kw_only=True)
class Explored:
    """What is known of the arms of an ablation."""

    outcomes: Mapping[Arm, Sequence[RunResult]]
    """In seed order; those of an arm may be more than those of another."""
    test: SequentialTest | None = None
    """The design of one row alone, at its share of alpha; None in a session that judges nothing."""
    family: FamilyClaim | None = None
    """What was asked last of the same metric in this gate, if anything was."""
    judgement: FamilyJudgement | None = None
    """The answer to it."""
