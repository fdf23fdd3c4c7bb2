"""pytest's side of the evidence: progress lines, properties, notes, the summary section and the report's files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any, TextIO

import msgspec
import pytest

from pytest_mlops.errors import GuardError, ReportError
from pytest_mlops.reports.files import read, write
from pytest_mlops.reports.model import GateRecord, Message, Report
from pytest_mlops.reports.terminal import summary
from pytest_mlops.reports.wording import is_bad
from pytest_mlops.session.assembly import Assembly
from pytest_mlops.session.session import Session

LOST = "mlops_lost"
"""Where a worker of pytest-xdist leaves for the main process what its store could not write."""

_PACKAGE = str(Path(__file__).resolve().parents[1])


class Reporting:
    """Hooks of the process that talks to the user (with pytest-xdist: not the workers).

    Parameters
    ----------
    config : pytest.Config
    session : Session
        Whose gate may be unfinished when pytest is interrupted.
    folder : Path
        For report.json and report.md.
    """

    def __init__(self, config: pytest.Config, session: Session, folder: Path) -> None:
        self._config = config
        self._session = session
        self._folder = folder
        self._assembly = Assembly(config.invocation_params.args)
        self._report: Report | None = None
        self._trouble: str | None = None

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect what tests, also those of xdist workers, add to the report."""
        self._assembly.phase(
            report.nodeid,
            when=report.when or "",
            outcome=report.outcome,
            expected_failure=hasattr(report, "wasxfail"),
            undecided=hasattr(report, "undecided"),
        )
        record = getattr(report, "mlops", None)
        if record is not None:
            self._assembly.add(record)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report of what is known, also after an interruption."""
        unfinished = self._session.end()
        if unfinished is not None:
            self._assembly.add(unfinished)
        if self._assembly.empty and not self._replaced():
            return
        self._report = self._assembly.report(exit_status=int(exitstatus))
        if not exitstatus and is_bad(
            self._report
        ):  # whoever rewrote the report of a gate: its claim did not PASS
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        try:
            write(self._report, self._folder)
        except ReportError as error:
            self._trouble = str(error)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker of pytest-xdist ended: what its store could not write is to be known."""
        lost = getattr(node, "workeroutput", {}).get(LOST)
        if lost is not None:
            self._assembly.note(Message(level="error", text=lost))

    def _replaced(self) -> bool:
        """Whether the last report made room for one of this session, of which no gate ended."""
        try:
            return self._assembly.began(read(self._folder / "report.json").session)
        except ReportError:
            return False

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the evidence of every claim."""
        if self._report is None:
            return
        terminalreporter.section("mlops")
        writer = self._config.get_terminal_writer()
        path = (
            None
            if self._trouble
            else os.path.relpath(self._folder / "report.md", self._config.invocation_params.dir)
        )
        lines = summary(
            self._report,
            width=writer.fullwidth,
            unicode=_can_encode("├─●┤│—", terminalreporter),
            verbosity=self._config.get_verbosity(),
            path=path,
        )
        for text, markup in lines:
            terminalreporter.write_line(text, **markup)
        if self._trouble:
            terminalreporter.write_line(self._trouble, red=True)


def mark_begun(config: pytest.Config, folder: Path) -> str | None:
    """Replace the last report by one that says that a session goes on: it would look current if this one were killed.

    Parameters
    ----------
    config : pytest.Config
    folder : Path
        Of the report.

    Returns
    -------
    str or None
        Why it could not be written.
    """
    worker = getattr(config, "workerinput", None)
    args = config.invocation_params.args if worker is None else worker["mainargv"][1:]
    try:
        write(Assembly(args).report(exit_status=None, finished=False), folder)
    except ReportError as error:
        return str(error)
    return None


def _can_encode(text: str, terminal: pytest.TerminalReporter) -> bool:
    file = getattr(getattr(terminal, "_tw", None), "_file", sys.stdout)
    encoding = getattr(file, "encoding", None) or "ascii"
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def line_writer(config: pytest.Config) -> Callable[[str], None]:
    """Writes one plain line to the terminal while a test runs, past pytest's capturing; with ``-qq`` it writes nothing."""

    def write_line(text: str) -> None:
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        capture = config.pluginmanager.get_plugin("capturemanager")
        if terminal is None or config.get_verbosity() < -1 or hasattr(config, "workerinput"):
            return
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            terminal.ensure_newline()
            if config.get_terminal_writer().width_of_current_line:  # dots of -q
                terminal.write_line("")
            terminal.write_line(text)
            terminal.flush()  # a log of CI is no terminal, and shall be as up to date

    return write_line


@contextmanager
def capture_suspended(config: pytest.Config) -> Iterator[None]:
    """What is printed in the block goes to the terminal, whatever pytest captures."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()  # before pytest goes on in its own stream


def live_output(config: pytest.Config) -> TextIO | None:
    """Where training runs print under ``pytest -s``; None while pytest captures."""
    return sys.stdout if config.getoption("capture") == "no" else None


def without_our_frames(error: BaseException) -> None:
    """Cut our own frames off the end of a traceback: the user's line is where it went wrong."""
    last = None
    entry = error.__traceback__
    while entry is not None:
        if not entry.tb_frame.f_code.co_filename.startswith(_PACKAGE):
            last = entry
        entry = entry.tb_next
    if last is not None:
        last.tb_next = None


def users_frames_only(error: BaseException) -> None:
    """Take our own frames out of a traceback: it leads from the test into the training function."""
    entry = error.__traceback__
    kept = [entry] if entry is not None else []  # Python puts the frame that raises again in front of it
    while entry is not None:
        if not entry.tb_frame.f_code.co_filename.startswith(_PACKAGE) and entry is not kept[0]:
            kept.append(entry)
        entry = entry.tb_next
    for one, after in pairwise([*kept, None]):
        if one is not None:
            one.tb_next = after


def to_plain(record: GateRecord) -> Any:
    """The record as dicts, lists, text and numbers, which pytest-xdist can carry."""
    return msgspec.to_builtins(record)


def properties(record: GateRecord) -> list[tuple[str, object]]:
    """The verdicts as test properties: JUnit XML has them under the test case."""
    found: list[tuple[str, object]] = []
    for place, claim in enumerate(record.claims, start=1):
        facts = {
            "statement": claim.statement,
            "verdict": claim.verdict,
            "estimate": claim.estimate,
            "interval": "{} {}".format(*claim.interval),
            "p_value": claim.p_value,
            "n": claim.n,
        }
        found += [(f"mlops.claim{place}.{name}", value) for name, value in facts.items() if value is not None]
    return found


def refuse_green(item: pytest.Item, report: pytest.TestReport, session: Session) -> None:
    """Fail a phase that is about to be reported as passed, skipped or expected to fail, and hides a claim that did not PASS.

    What raises on its own way out is guarded there. This one looks at what pytest made of it: skips and expected
    failures of ``unittest`` never pass through our hooks, and an xfail mark also covers setup and teardown.
    """
    gate = session.gate
    if gate is None or report.failed or not (gate.is_gate or gate.hearings):
        return
    if report.passed and (report.when != "call" or hasattr(report, "wasxfail")):
        return
    marks = list(item.iter_markers("xfail"))
    if report.passed:  # somebody between us and pytest swallowed what the guard, or the assertion, raised
        objection = session.objection(all_claims=True)
    elif not hasattr(report, "wasxfail") or not (marks or _unittest_expects_failure(item)):
        objection = session.objection(final=True, all_claims=True)
    elif (marks and not any(_is_strict(item, mark) for mark in marks)) or session.is_expected_failure():
        return
    else:
        verdicts = ", ".join(
            "ERROR" if asked.broken else str(asked.verdict)
            for asked in gate.asked()
            if asked.verdict is not None
        )
        objection = (
            f"strict xfail expects a FAIL, and got {verdicts or 'no verdict'}: a gate that is undecided or broke has "
            "not shown that the claim is false."
        )
    if objection is None:
        return
    if hasattr(report, "wasxfail"):
        del report.wasxfail
    report.outcome = "failed"
    report.longrepr = "\n".join([objection, f"  (see {GuardError.link()})", *session.evidence()])


def _unittest_expects_failure(item: pytest.Item) -> bool:
    """``@unittest.expectedFailure`` is strict: a test that passes under it fails."""
    return any(
        getattr(thing, "__unittest_expecting_failure__", False)
        for thing in (getattr(item, "obj", None), getattr(item, "cls", None))
    )


def _is_strict(item: pytest.Item, mark: pytest.Mark) -> bool:
    strict = mark.kwargs.get("strict")
    for option in (
        "strict_xfail",
        "xfail_strict",
        "strict",
    ):  # pytest 9 renamed the first, and falls back on the last
        if strict is not None:
            break
        try:
            strict = item.config.getini(option)
        except (KeyError, ValueError):
            continue
    return bool(strict)
