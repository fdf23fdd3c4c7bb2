"""From the records of gates, which may come from several xdist workers, to one report."""

from __future__ import annotations

import platform
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import msgspec

from pytest_mlops.notation import without_password
from pytest_mlops.reports import model
from pytest_mlops.reports.wording import time_of

_OUTCOMES = {"passed": "passed", "failed": "failed", "skipped": "skipped"}


class Assembly:
    """Collects gates in the order in which they end; a gate that ran again replaces its first record.

    Parameters
    ----------
    command : sequence of str
        Arguments of this pytest session, for "how to repeat it".
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._started = time.time()
        self._command = shlex.join(["pytest", *map(without_password, command)])
        self._records: dict[str, model.GateRecord] = {}
        self._outcomes: dict[str, str] = {}
        self._messages: list[model.Message] = []

    def phase(
        self, test: str, *, when: str, outcome: str, expected_failure: bool, undecided: bool = False
    ) -> None:
        """Take notice of a finished phase of a test: ``setup``, ``call`` or ``teardown``."""
        if when == "setup":
            self._outcomes.pop(test, None)
        if outcome not in _OUTCOMES:  # "rerun" of pytest-rerunfailures: the test comes again
            return
        if outcome == "failed" and when != "call":
            self._outcomes[test] = "error"
        elif undecided:
            self._outcomes[test] = "undecided"
        elif when == "call" or outcome == "skipped":
            word = {"passed": "xpassed", "skipped": "xfailed"}.get(outcome) if expected_failure else None
            self._outcomes[test] = word or _OUTCOMES[outcome]

    def note(self, message: model.Message) -> None:
        """Take what belongs to no gate."""
        self._messages.append(message)

    def add(self, record: model.GateRecord | Mapping[str, Any]) -> None:
        """Take the record of a gate, as a value or as the plain values that crossed from a worker."""
        if not isinstance(record, model.GateRecord):
            record = msgspec.convert(record, model.GateRecord)
        self._records[record.gate.test] = record

    def began(self, session: model.Session) -> bool:
        """Whether an unfinished report is of this session, and of no other one that was killed or is at work."""
        started = time_of(session.started)
        return (
            not session.finished
            and session.command == self._command
            and started is not None
            and started.timestamp() >= int(self._started)
        )

    @property
    def empty(self) -> bool:
        """Whether no gate ran."""
        return not self._records

    def report(self, *, exit_status: int | None, finished: bool = True) -> model.Report:
        """The report of what is known so far; not ``finished`` while the session goes on."""
        records = list(self._records.values())
        for record in records:
            outcome = self._outcomes.get(record.gate.test, "error")
            record.gate = msgspec.structs.replace(record.gate, outcome=outcome)
        return model.Report(
            tool=model.Tool(version=metadata.version("pytest-mlops")),
            session=model.Session(
                started=datetime.fromtimestamp(self._started, UTC).isoformat(timespec="seconds"),
                seconds=time.time() - self._started,
                python=platform.python_version(),
                platform=platform.platform(),
                device=next((r.device for r in records if r.device), None),
                precision=next((r.precision for r in records if r.precision), None),
                command=self._command,
                exit_status=exit_status,
                finished=finished,
                trained=sum(r.trained for r in records),
                reused=sum(r.reused for r in records),
                train_seconds=sum(r.train_seconds for r in records),
                saved_seconds=sum(r.saved_seconds for r in records),
                spent_seconds=sum(r.spent_seconds for r in records),
                budget=next((r.budget for r in records if r.budget), None),
            ),
            gates=[r.gate for r in records],
            claims=[claim for r in records for claim in r.claims],
            families=[family for r in records for family in r.families],
            arms=list(_unique(arm for r in records for arm in r.arms)),
            failed_runs=_distinct(run for r in records for run in r.failed_runs),
            messages=[*self._messages, *(message for r in records for message in r.messages)],
        )


def _unique(arms: Iterable[model.Arm]) -> Iterable[model.Arm]:
    """One entry an arm: the one that knows most runs."""
    found: dict[str, model.Arm] = {}
    for arm in arms:
        if arm.id not in found or found[arm.id].runs < arm.runs:
            found[arm.id] = arm
    return found.values()


def _distinct(failed: Iterable[model.FailedRun]) -> list[model.FailedRun]:
    """Gates that share an arm share its failed runs."""
    return list({(run.arm, run.seed): run for run in failed}.values())
