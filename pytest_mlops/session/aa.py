"""``--mlops-aa``: arms judged against themselves. The noise floor, and how often chance would have been taken for a gain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from pytest_mlops.claims.agreement import check_agreement
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.fixed import spread
from pytest_mlops.claims.judge import Judgement, no_verdict
from pytest_mlops.claims.methods import AUTO
from pytest_mlops.claims.recording import Recording
from pytest_mlops.claims.seeds import block
from pytest_mlops.records import RunResult
from pytest_mlops.reports.plans import ArmAgainstItself, aa_lines
from pytest_mlops.reports.text import duration, printable
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.designs import design_of
from pytest_mlops.session.gates import Gate
from pytest_mlops.session.laboratory import Laboratory

_VARYING = (
    "splits vary with the seed, so that no two training runs are alike but for chance: no noise floor, no false alarms. Measure "
    "them on one fixed split"
)


class AgainstItself:
    """Hears claims in place of the judge, and judges each of their arms against itself.

    Parameters
    ----------
    laboratory : Laboratory
        Gets training runs, under the session's budget.
    runs : int
        Training runs of each arm; two are a pair.
    say : callable
        Takes one plain line.
    """

    name = "aa"

    def __init__(self, *, laboratory: Laboratory, runs: int, say: Callable[[str], None]) -> None:
        self._laboratory = laboratory
        self._runs = runs
        self._say = say
        self._pools: dict[str, tuple[list[RunResult], str | None]] = {}
        self._rows: dict[tuple[str, str], ArmAgainstItself] = {}

    def hear(self, claim: Claim, gate: Gate) -> Judgement:
        """Judge the arms of the claim against themselves, by the design of their gate.

        Raises
        ------
        MlopsError
            If an arm cannot run, or a metric of the claim does not exist.
        """
        from pytest_mlops.stats.calibration import noise_floor, reshuffled_alarms

        if not claim.varying:
            self._say(
                printable(
                    f"aa: {claim.statement}: fixed arms have one training run each, and no noise to tell"
                )
            )
            return no_verdict()
        test = design_of(gate.settings, claim)
        pools = {arm: self._pool(arm, gate) for arm in claim.arms}
        outcomes = spread(claim, {arm: pool for arm, (pool, _) in pools.items()})
        usable = min(len(runs) for runs in outcomes.values())
        if not usable:
            raise_nothing = [note for _, note in pools.values() if note]
            self._say(printable(f"aa: {claim.statement}: {'; '.join(raise_nothing)}"))
            return no_verdict()
        for part in check_agreement(claim, outcomes, usable):
            for term in (term for term in part.terms if term.arm not in claim.fixed):
                pool, note = pools[term.arm]
                row = ArmAgainstItself(label=term.arm.label, metric=term.metric, runs=len(pool), note=note)
                self._rows[term.arm.identity, term.metric] = row
                if any(run.splits for run in pool):
                    row.note = "; ".join(filter(None, [note, _VARYING]))
                    continue
                values = [run.metrics[term.metric] for run in pool]
                try:
                    floor = noise_floor(values, alpha=test.alpha)
                    alarms = reshuffled_alarms(test, values)
                except ValueError as error:
                    row.note = "; ".join(filter(None, [note, str(error)]))
                else:
                    row.mean, row.alpha = sum(values) / len(values), test.alpha
                    row.sd, row.sd_range, row.single = floor.sd, floor.sd_range, floor.single_run_gain
                    row.sequences, row.pairs = alarms.sequences, alarms.pairs
                    row.alarms, row.alarms_range = alarms.rate, alarms.interval
                    if gate.settings.method != AUTO:
                        of_t = f"the false alarms are those of the sequential t-test, not of method = {gate.settings.method}"
                        row.note = "; ".join(filter(None, [note, of_t]))
        return no_verdict()

    def finish(self) -> None:
        """Nothing is left to do after the last test."""

    def lines(self, found: Sequence[object], *, width: int) -> list[str]:
        """The noise floor and the false alarms of each arm and metric."""
        return aa_lines(msgspec.convert(list(found), list[ArmAgainstItself]), width=width)

    def found(self) -> list[object]:
        """What is known of each arm, as plain values."""
        return [msgspec.to_builtins(row) for row in self._rows.values()]

    def _pool(self, arm: Arm, gate: Gate) -> tuple[list[RunResult], str | None]:
        """Good training runs of the arm, and what is to be said of them."""
        if isinstance(arm.source, Recording):
            runs = arm.source.results()
            return [run for run in runs if not run.failed], _failed(runs)
        prepared = self._laboratory.prepare(arm, gate.settings)
        if not arm.uses.seeds:
            prepared = replace(prepared, seeds=tuple(block(gate.settings.seed, self._runs)))
        name = f"{prepared.key.digest} {arm.uses.seeds}"
        known = self._pools.get(name)
        if known is None:
            bill, runs = Bill(), []
            for place in range(min(self._runs, len(prepared.seeds))):
                before = bill.trained
                (run,) = self._laboratory.runs([(prepared, place)], bill)
                if run is None:
                    break
                if bill.trained > before:
                    took = duration(run.metrics.get("seconds", 0.0))
                    self._say(printable(f"aa: {arm.label}, seed {prepared.seeds[place]}: {took}"))
                runs.append(run)
            note = _failed(runs)
            if len(runs) < self._runs:
                note = "; ".join(filter(None, [note, f"the budget or the seeds ended after {len(runs)}"]))
            known = self._pools[name] = ([run for run in runs if not run.failed], note)
        return known


def _failed(runs: list[RunResult]) -> str | None:
    failed = sum(run.failed for run in runs)
    return f"{failed} of {len(runs)} training runs failed, and have no numbers" if failed else None
