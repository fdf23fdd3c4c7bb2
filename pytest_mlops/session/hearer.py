"""Sessions that hear claims and judge none: they try arms out, plan, train ahead, or judge arms against themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pytest

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.judge import Judgement
from pytest_mlops.session.gates import Gate

FOUND = "mlops_found"
"""Attribute of test reports that carries what a hearer found, also from workers of pytest-xdist."""


class Hearer(Protocol):
    """Who hears claims in place of the judge. A gate goes on as if its claims held; there is no verdict and no report."""

    name: str
    """One word, before every line that it says."""

    def hear(self, claim: Claim, gate: Gate) -> Judgement:
        """Take notice of a claim, and do with it whatever this session is for."""
        ...

    def finish(self) -> None:
        """Do what is left when all claims are known."""
        ...

    def found(self) -> list[Any]:
        """What was found so far, as plain values."""
        ...

    def lines(self, found: Sequence[Any], *, width: int) -> list[str]:
        """The summary of what was found here and in all workers."""
        ...


class HearerReporting:
    """Hooks of the process that talks to the user: the summary in place of a report.

    Parameters
    ----------
    hearer : Hearer
        Of this process; with pytest-xdist it hears nothing, and the workers' tell what they found.
    """

    def __init__(self, hearer: Hearer) -> None:
        self._hearer = hearer
        self._found: dict[str, list[Any]] = {}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what each process found; the last report of one has all of it."""
        found = getattr(report, FOUND, None)
        if found is not None:
            self._found[getattr(report, "worker_id", "")] = found

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Do what is left when all claims are known."""
        self._hearer.finish()
        own = self._hearer.found()
        if own:
            self._found[""] = own

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print it."""
        terminalreporter.section("mlops")
        rows: list[Any] = []
        for found in self._found.values():
            rows += [row for row in found if row not in rows]
        width = terminalreporter.config.get_terminal_writer().fullwidth
        for line in self._hearer.lines(rows, width=width):
            terminalreporter.write_line(line)


def ignore_xfail(item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
    """There is no verdict to expect a failure of: what was raised fails, and the rest passes."""
    if item.get_closest_marker("xfail") is None:
        return
    if call.excinfo is None:
        if call.when == "call":
            report.outcome, report.longrepr = "passed", None
    elif hasattr(report, "wasxfail") and not isinstance(call.excinfo.value, pytest.xfail.Exception):
        report.outcome, report.longrepr = "failed", item.repr_failure(call.excinfo)
    if hasattr(report, "wasxfail"):
        del report.wasxfail
