"""``--mlops-fill``: baseline arms trained ahead, so that whoever compares with them later pays for the other arm only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.judge import Judgement, no_verdict
from pytest_mlops.claims.seeds import block
from pytest_mlops.errors import SettingError
from pytest_mlops.reports.plans import FilledArm, fill_lines
from pytest_mlops.reports.text import duration, printable
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.gates import Gate
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.spending import spends


class Fill:
    """Hears claims in place of the judge, and trains the arms that they compare with.

    Parameters
    ----------
    laboratory : Laboratory
        Gets training runs, under the session's budget.
    seeds : int
        How many seeds of each arm.
    say : callable
        Takes one plain line.
    """

    name = "fill"

    def __init__(self, *, laboratory: Laboratory, seeds: int, say: Callable[[str], None]) -> None:
        self._laboratory = laboratory
        self._seeds = seeds
        self._say = say
        self._arms: dict[str, Prepared] = {}
        self._rows: list[FilledArm] = []

    def hear(self, claim: Claim, gate: Gate) -> Judgement:
        """Take notice of the claim's baseline arms; they are trained when all claims are known.

        Raises
        ------
        MlopsError
            If an arm cannot run, or the claim's seeds are those of its next attempt, so that none can be trained ahead.
        """
        if spends(gate.settings):
            raise SettingError(
                f"{claim.statement}: attempts = spend tests every attempt on seeds of its own, so that nothing can be trained "
                "ahead. Leave the gate out (-k), or set attempts = report."
            )
        for arm in _baselines(claim):
            # What is here now is what later work will be compared with.
            prepared = self._laboratory.prepare(arm.here(), gate.settings)
            name = prepared.key.experiment if arm.uses.ref is not None else ""
            if not arm.uses.seeds:
                prepared = replace(prepared, seeds=tuple(block(gate.settings.seed, self._seeds, name=name)))
            self._arms.setdefault(f"{prepared.key.digest} {name} {arm.uses.seeds}", prepared)
        return no_verdict()

    def finish(self) -> None:
        """Train seed by seed, all arms in turn, so that a budget leaves none far behind."""
        arms, bill, stopped = list(self._arms.values()), Bill(), set[str]()
        for place in range(max((len(arm.seeds) for arm in arms), default=0)):
            for arm in arms:
                if place < len(arm.seeds) and arm.key.digest not in stopped:
                    self._train(arm, place, bill, stopped)
        for arm in arms:
            missing = self._laboratory.missing(arm, range(len(arm.seeds)))
            self._rows.append(
                FilledArm(label=arm.arm.label, seeds=len(arm.seeds), finished=len(arm.seeds) - missing)
            )

    def lines(self, found: Sequence[object], *, width: int) -> list[str]:
        """What is finished of each arm."""
        del width
        return fill_lines(msgspec.convert(list(found), list[FilledArm]))

    def found(self) -> list[object]:
        """The arms with what is finished of them, as plain values."""
        return [msgspec.to_builtins(row) for row in self._rows]

    def _train(self, arm: Prepared, place: int, bill: Bill, stopped: set[str]) -> None:
        before = bill.trained
        (run,) = self._laboratory.runs([(arm, place)], bill)
        if run is None:
            stopped.add(arm.key.digest)
            left = self._laboratory.budget.left
            self._say(
                printable(f"fill: {arm.arm.label} stops at seed {arm.seeds[place]}: {duration(left)} left")
            )
        elif bill.trained > before:
            took = run.metrics.get("seconds", 0.0)
            state = f"failed: {run.failure.message}" if run.failure is not None else duration(took)
            self._say(printable(f"fill: {arm.arm.label}, seed {arm.seeds[place]}: {state}"))


def _baselines(claim: Claim) -> list[Arm]:
    """The arms on the right side: what the claim compares with; of a row of an ablation its reference."""
    if claim.member is not None:
        return [claim.member.reference] if claim.member.reference.trains else []
    return [arm for arm in dict.fromkeys(term.arm for term in claim.right.terms) if arm.trains]
