"""``--mlops-plan``: what each claim will cost and can decide, from the store and a pilot of three pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import msgspec
import pytest

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.contexts import claim_in
from pytest_mlops.claims.judge import Judgement, no_verdict
from pytest_mlops.reports.plans import Planned, PlannedClaim, Unplanned, plan_lines
from pytest_mlops.session import contexts, costs
from pytest_mlops.session.attempts import Attempts
from pytest_mlops.session.blocks import how_many
from pytest_mlops.session.gates import Gate
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.outlooks import planned
from pytest_mlops.session.pilot import Pilot, pilot, sources_of
from pytest_mlops.session.rehearsal import Rehearsal
from pytest_mlops.session.session import Session
from pytest_mlops.session.spending import check_fresh, spends
from pytest_mlops.session.totals import Wish, cost_of


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """A claim and its pilot; ``at`` says in which context."""

    claim: Claim
    gate: Gate
    known: Pilot
    note: str | None
    at: str


class Plan:
    """Hears claims in place of the judge, and says what they will cost.

    Parameters
    ----------
    laboratory : Laboratory
        Gets training runs; those of the pilot are kept, and count when the claim is judged.
    say : callable
        Takes one plain line.
    attempts : Attempts
        Knows how often a claim was asked, where each attempt has a level and seeds of its own.
    """

    name = "plan"

    def __init__(self, *, laboratory: Laboratory, say: Callable[[str], None], attempts: Attempts) -> None:
        self._laboratory = laboratory
        self._say = say
        self._attempts = attempts
        self._heard: list[_Heard] = []
        self._rows: list[PlannedClaim] = []
        self._unplanned: list[Unplanned] = []

    def hear(self, claim: Claim, gate: Gate) -> Judgement:
        """Train the pilot of a claim, where the store has none.

        Raises
        ------
        MlopsError
            If an arm cannot run, or a metric of the claim does not exist.
        """
        if spends(gate.settings):
            check_fresh(claim, gate.settings)
        if gate.contexts is None:
            self._hear(claim, gate)
            return no_verdict()
        contexts.check(claim, gate.contexts, gate.settings, how_many(claim, gate.settings))
        if not gate.contexts.every:
            self._hear(claim, gate)
            return no_verdict()
        for context in gate.contexts.each:
            self._hear(claim_in(claim, context), replace(gate, contexts=None), at=f" at {context.name}")
        return no_verdict()

    def _hear(self, claim: Claim, gate: Gate, *, at: str = "") -> None:
        """The same of a claim that is judged by one sequence."""
        sources = sources_of(claim, gate, self._laboratory)
        if costs.claims_cost(claim):
            prepared = [one for source in sources.values() if isinstance(source, tuple) for one in source]
            costs.check_cost(claim, prepared, alone=True)
        known = Pilot(sources=sources, outcomes={}, known=0)
        if claim.varying and gate.contexts is None:
            known = pilot(claim, sources, gate.settings, self._laboratory, train=True)
        note = None
        if spends(gate.settings):
            gate, known, note = self._next_attempt(claim, gate, known)
        planned(claim, gate, known, self._laboratory)  # what is wrong with the claim is the gate's error
        notes = "; ".join(filter(None, [note, _share(claim)])) or None
        self._heard.append(_Heard(claim=claim, gate=gate, known=known, note=notes, at=at))

    def _next_attempt(self, claim: Claim, gate: Gate, known: Pilot) -> tuple[Gate, Pilot, str]:
        """What the claim would be judged by if it were asked now: the level and the seeds of its attempt."""
        ready = [one for source in known.sources.values() if isinstance(source, tuple) for one in source]
        attempt = self._attempts.of(claim, gate.test, gate.settings, ready)
        settings = attempt.spent(gate.settings)
        own = sources_of(claim, replace(gate, settings=settings), self._laboratory, name=attempt.block)
        note = (
            f"attempt {attempt.number}, alpha {settings.alpha:.2g}, on seeds of its own: the pairs of this pilot are seen, so "
            "they do not count for it"
        )
        return replace(gate, settings=settings), replace(known, sources=own, counts=False), note

    def leave_out(self, test: str, reason: str) -> None:
        """Name a gate of which not all claims are known."""
        self._unplanned.append(Unplanned(test=test, reason=reason))

    def finish(self) -> None:
        """Plan all claims by what the store has now: the pilot of one may be the baseline of another."""
        self._rows = []
        for one in self._heard:
            row = planned(one.claim, one.gate, one.known, self._laboratory)
            row.statement += one.at
            row.note = "; ".join(filter(None, [row.note, one.note])) or None
            self._rows.append(row)

    def found(self) -> list[object]:
        """The plans, as plain values."""
        return [msgspec.to_builtins(Planned(claims=self._rows, unplanned=self._unplanned))]

    def lines(self, found: Sequence[object], *, width: int) -> list[str]:
        """A block a claim, and what all of them cost."""
        whole = Planned()
        for one in msgspec.convert(list(found), list[Planned]):
            whole.claims += one.claims
            whole.unplanned += one.unplanned
        if whole.claims:
            whole.total = cost_of([Wish(needs=row.needs, stops=row.stops) for row in whole.claims])
        return plan_lines(whole, width=width)


def _share(claim: Claim) -> str | None:
    """What is left out of the plan of a row of an ablation."""
    if claim.member is None:
        return None
    rows = claim.member.rows
    return f"one of {rows} components, planned at alpha / {rows}: in a family it has more once others passed"


def leave_out(session: Session, found: Rehearsal) -> None:
    """Name a gate that was not rehearsed to its end; one without any claim is skipped, and so is its set-up."""
    assert isinstance(session.instead, Plan)
    assert found.ended is not None
    session.instead.leave_out(found.item.nodeid, found.ended)
    if not found.claims:
        pytest.skip(f"not planned: {found.ended}")
