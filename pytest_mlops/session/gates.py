"""What each gate stated and asked, while its test runs: the guard's and the report's source."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.contexts import Contexts
from pytest_mlops.claims.family import FamilyClaim, FamilyJudgement
from pytest_mlops.claims.guard import Asked
from pytest_mlops.claims.judge import Judgement
from pytest_mlops.claims.surplus import Surplus
from pytest_mlops.records import RunResult
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings
from pytest_mlops.stats import SequentialTest, Verdict


@dataclass(kw_only=True)
class Hearing:
    """One claim in a gate, from its statement to its judgement."""

    claim: Claim
    asked: bool = False
    test: SequentialTest | None = None
    """The design; None before it is known, and for a claim that has one look over its patients."""
    judgement: Judgement | None = None
    error: str | None = None
    """What was raised instead of a judgement, as pytest shows it."""
    interrupted: bool = False
    go_on: str | None = None
    """How to go on with what was interrupted or stopped at the budget."""
    remarks: list[str] = field(default_factory=list)
    """What its row of the report says beside the verdict."""
    warnings: list[str] = field(default_factory=list)
    """What the user should know of it, beside the verdict."""
    bill: Bill = field(default_factory=Bill)
    seconds: float = 0.0
    prepared: list[Prepared] = field(default_factory=list)
    inside: list[Hearing] = field(default_factory=list)
    """Of the claim in each context, where it has to hold in every one."""
    outcomes: list[tuple[str, list[RunResult]]] = field(default_factory=list)
    """Per arm, in the claim's order: its id and results."""
    surplus: Surplus | None = None
    """Stored runs of its right side beyond the pairs, which have a say."""
    family: FamilyHearing | None = field(default=None, repr=False, compare=False)
    """Of a claim that is a row of a family: what was asked is the family."""
    level: float | None = None
    """Error level of a row of a family, where it has one of its own."""
    adjusted_p: float | None = None

    @property
    def verdict(self) -> Verdict | None:
        """None while its truth was not asked for; UNDECIDED where asking ended in an error."""
        if not self.asked:
            return None
        return self.judgement.verdict if self.judgement is not None else Verdict.UNDECIDED

    @property
    def broken(self) -> bool:
        """Whether an error kept it from a verdict; an interruption is none, nor is a claim that nobody asked."""
        return self.judgement is None and self.error is not None and not self.interrupted


@dataclass(kw_only=True, eq=False)
class FamilyHearing:
    """One family in a gate, from its statement to its judgement. Its rows have hearings of their own."""

    family: FamilyClaim
    rows: list[Hearing]
    asked: bool = False
    judgement: FamilyJudgement | None = None
    error: str | None = None
    interrupted: bool = False
    go_on: str | None = None
    remarks: list[str] = field(default_factory=list)
    bill: Bill = field(default_factory=Bill)
    """Of the reference, which all rows share."""
    seconds: float = 0.0
    outcomes: dict[Arm, list[RunResult]] = field(default_factory=dict)
    """Of the reference and all variants."""

    @property
    def verdict(self) -> Verdict | None:
        """None while its truth was not asked for; UNDECIDED where asking ended in an error."""
        if not self.asked:
            return None
        return self.judgement.verdict if self.judgement is not None else Verdict.UNDECIDED

    @property
    def broken(self) -> bool:
        """Whether an error kept it from a verdict; an interruption is none."""
        return self.judgement is None and self.error is not None and not self.interrupted


@dataclass(kw_only=True)
class Gate:
    """One test while it runs."""

    test: str
    is_gate: bool
    settings: Settings
    contexts: Contexts | None = None
    """Where its claims have to survive other hyperparameters."""
    started: float = field(default_factory=time.perf_counter)
    hearings: list[Hearing] = field(default_factory=list)
    guarded: int = 0
    """How many of the claims the guard has looked at."""
    asked_at: set[tuple[str, int]] = field(default_factory=set)
    """Files and lines on which the truth of a claim was asked."""
    families: list[FamilyHearing] = field(default_factory=list)
    bill: Bill = field(default_factory=Bill)
    """Of training runs that were trained for no claim: to look at an ablation."""

    @property
    def turns(self) -> int:
        """Contexts over whose mean its claims are judged."""
        return 1 if self.contexts is None else len(self.contexts.each)

    def hearing(self, claim: Claim) -> Hearing:
        """The hearing of a claim; opened when the claim is new here (a fixture may have stated it elsewhere)."""
        for hearing in self.hearings:
            if hearing.claim is claim:
                return hearing
        self.hearings.append(Hearing(claim=claim))
        return self.hearings[-1]

    def family_hearing(self, family: FamilyClaim) -> FamilyHearing:
        """The hearing of a family, with one of each row; opened when the family is new here."""
        for hearing in self.families:
            if hearing.family is family:
                return hearing
        opened = FamilyHearing(family=family, rows=[])
        opened.rows = [Hearing(claim=row, family=opened) for row in family.rows]
        self.hearings += opened.rows
        self.families.append(opened)
        return opened

    def asked(self, *, since: int = 0) -> list[Asked]:
        """Its claims for the guard: a family is one question, whatever its number of rows."""
        found = []
        for h in self.hearings[since:]:
            if h.family is None:
                asked = Asked(
                    statement=h.claim.statement, line=h.claim.line, verdict=h.verdict, broken=h.broken
                )
            elif h is h.family.rows[0]:
                asked = Asked(
                    statement=h.family.family.statement,
                    line=h.family.family.line,
                    verdict=h.family.verdict,
                    broken=h.family.broken,
                )
            else:
                continue
            found.append(asked)
        return found
