"""One pytest session with ``--mlops``: hears claims, trains what they need, and remembers the evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pytest_mlops.claims.ablation import Ablations
from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.claim import Claim, user_frame
from pytest_mlops.claims.contexts import Contexts
from pytest_mlops.claims.family import Explored, FamilyClaim, FamilyJudgement, RowJudgement
from pytest_mlops.claims.guard import accepts_expected_failure, objection
from pytest_mlops.claims.judge import Judgement
from pytest_mlops.errors import ClaimError
from pytest_mlops.reports.evidence import evidence
from pytest_mlops.reports.families import family_evidence
from pytest_mlops.reports.model import GateRecord
from pytest_mlops.session import convert
from pytest_mlops.session.deciding import Deciding
from pytest_mlops.session.families import DecidingFamilies
from pytest_mlops.session.gates import FamilyHearing, Gate, Hearing
from pytest_mlops.session.hearer import Hearer
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.settings import Settings


class Session:
    """Hears the claims of all gates, one gate after the other.

    Parameters
    ----------
    laboratory : Laboratory
        Gets training runs.
    deciding : Deciding
        Trains what a claim needs, and has it judged.
    instead : Hearer, optional
        Hears the claims of a session that judges none.
    """

    def __init__(self, *, laboratory: Laboratory, deciding: Deciding, instead: Hearer | None = None) -> None:
        self._laboratory = laboratory
        self._deciding = deciding
        self.instead = instead
        self._families = DecidingFamilies(deciding=deciding)
        self.arms = Arms(self)
        self.ablations = Ablations(self)
        self.gate: Gate | None = None

    # --- gates, for the plugin

    def begin(
        self, test: str, settings: Settings, *, is_gate: bool, contexts: Contexts | None = None
    ) -> None:
        """A test starts: claims belong to it from here on."""
        self.gate = Gate(test=test, is_gate=is_gate, settings=settings, contexts=contexts)

    def objection(self, *, final: bool = False, all_claims: bool = False) -> str | None:
        """Why the test, which passed so far, may not be green.

        Parameters
        ----------
        final : bool
            After teardown: a gate without claims was reported before.
        all_claims : bool
            Look at all claims again; by default each is looked at once.
        """
        gate = self.gate
        if gate is None:
            return None
        asked = gate.asked(since=0 if all_claims else gate.guarded)
        gate.guarded = len(gate.hearings)
        is_gate = gate.is_gate and not final
        if self.instead is not None:  # no verdict, so nothing to guard but that claims are stated and asked
            asked, is_gate = [one for one in asked if one.verdict is None], is_gate and not gate.hearings
        return objection(asked, is_gate=is_gate)

    def made_a_gate(self) -> None:
        """The test asked for one of our fixtures while it ran, so it has to show something."""
        if self.gate is not None:
            self.gate.is_gate = True

    def is_expected_failure(self) -> bool:
        """Whether a strict xfail has what it expects: a FAIL, and nothing undecided."""
        return self.gate is not None and accepts_expected_failure(self.gate.asked())

    def evidence(self, *, beside: str = "") -> list[str]:
        """Evidence of every claim of the gate that did not PASS; one that broke with the text ``beside`` it has said all."""
        if self.gate is None or self.instead is not None:
            return []
        record = convert.gate_record(self.gate)
        notes = []
        for claim, hearing in zip(record.claims, self.gate.hearings, strict=True):
            if (family := hearing.family) is not None:
                found = next((one for one in record.families if one.claims[0] == claim.id), None)
                broke = family.broken and family.error == beside
                if found is not None and found.verdict != "PASS" and not broke:
                    notes.append(family_evidence(found, record.claims, failed_runs=record.failed_runs))
            elif claim.verdict != "PASS" and not (hearing.broken and hearing.error == beside):
                notes.append(evidence(claim, failed_runs=record.failed_runs))
        return notes

    def end(self) -> GateRecord | None:
        """The test is over: what it adds to the report; None if it is no gate and made no claim."""
        gate, self.gate = self.gate, None
        if gate is None or self.instead is not None or not (gate.is_gate or gate.hearings):
            return None
        return convert.gate_record(gate)

    def close(self) -> str | None:
        """Close store and executor; what was lost, if anything. Closing twice is no error."""
        return self._laboratory.close()

    # --- claims, for arms

    def stated(self, claim: Claim) -> None:
        """Take notice of a claim: one that is never asked shows nothing, and the guard says so."""
        if self.gate is not None:
            self.gate.hearing(claim)

    def ask(self, claim: Claim) -> Judgement:
        """Train until the claim is decided.

        Raises
        ------
        MlopsError
            If the claim cannot be judged; whatever was trained until then is kept.
        """
        gate = self._asked_here(claim.statement)
        hearing = gate.hearing(claim)
        if hearing.judgement is None:
            with self._heard(hearing, lambda: self._deciding.judged_so_far(hearing, gate.settings)):
                if self.instead is None:
                    hearing.judgement = self._deciding.decide(hearing, gate)
                else:
                    hearing.judgement = self.instead.hear(claim, gate)
        assert hearing.judgement is not None
        return hearing.judgement

    def stated_family(self, family: FamilyClaim) -> None:
        """Take notice of a family: one that is never asked shows nothing, and the guard says so."""
        if self.gate is not None:
            self.gate.family_hearing(family)

    def ask_family(self, family: FamilyClaim) -> FamilyJudgement:
        """Train until every row of the family is decided.

        Raises
        ------
        MlopsError
            If a row cannot be judged; whatever was trained until then is kept.
        """
        gate = self._asked_here(family.statement)
        hearing = gate.family_hearing(family)
        if hearing.judgement is None:
            try:
                with self._heard(hearing, lambda: self._families.judged_so_far(hearing, gate.settings)):
                    if self.instead is None:
                        hearing.judgement = self._families.decide(hearing, gate)
                    else:
                        found = [RowJudgement(judgement=self.instead.hear(row, gate)) for row in family.rows]
                        hearing.judgement = FamilyJudgement(rows=tuple(found), method="none")
            finally:
                for row in hearing.rows:
                    row.asked, row.interrupted = True, hearing.interrupted
                    row.error = hearing.error if row.judgement is None else None
        assert hearing.judgement is not None
        return hearing.judgement

    def explore(self, rows: Sequence[Claim]) -> Explored:
        """What is known of the arms of these rows; nothing in a session that judges none.

        Raises
        ------
        MlopsError
            If they cannot be trained.
        """
        if self.gate is None:
            raise ClaimError("An ablation is looked at inside a test: its arms may have to be trained.")
        return Explored(outcomes={}) if self.instead is not None else self._families.explore(rows, self.gate)

    def _asked_here(self, statement: str) -> Gate:
        if self.gate is None:
            raise ClaimError(
                f"{statement}: claims are asked inside a test, so that its report can carry the evidence."
            )
        frame = user_frame()
        self.gate.asked_at.add((frame.f_code.co_filename, frame.f_lineno))
        return self.gate

    @contextmanager
    def _heard(
        self, hearing: Hearing | FamilyHearing, so_far: Callable[[], Judgement | FamilyJudgement | None]
    ) -> Iterator[None]:
        """Note what comes of a question: how long it took, what was raised, and what an interruption leaves."""
        assert self.gate is not None
        hearing.asked = True
        started = time.perf_counter()
        try:
            yield
        except KeyboardInterrupt:
            hearing.interrupted = True
            hearing.judgement = so_far()
            hearing.go_on = (
                f"Finished training runs are kept. Go on: {self._deciding.commands.go_on(self.gate.test)}"
            )
            raise
        except BaseException as error:
            hearing.error = str(error)
            raise
        finally:
            hearing.seconds += time.perf_counter() - started
