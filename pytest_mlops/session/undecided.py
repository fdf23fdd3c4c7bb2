"""``undecided = warn``: a gate whose assert found nothing but missing evidence is reported as undecided, not as failed."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from types import TracebackType

import pytest

from pytest_mlops.session.gates import Gate
from pytest_mlops.stats import Verdict

CATEGORY = "undecided"


def reason_of(gate: Gate, error: BaseException | None) -> str | None:
    """Why the gate is undecided rather than failed; None where it is not.

    Every claim of it that is not PASS has to be UNDECIDED, and what was raised has to be the AssertionError of a
    statement that asked one.
    """
    if gate.settings.undecided != "warn" or not isinstance(error, AssertionError):
        return None
    open_ = [hearing for hearing in gate.hearings if hearing.verdict != Verdict.PASS]
    if not open_ or any(h.verdict != Verdict.UNDECIDED or h.judgement is None for h in open_):
        return None
    if not _comes_from_a_claim(error.__traceback__, gate.asked_at):
        return None
    reasons = [f"{h.claim.statement}: {h.judgement.reason}" for h in open_ if h.judgement is not None]
    return "; ".join(reasons)


def report_undecided(item: pytest.Item, report: pytest.TestReport, reason: str) -> None:
    """Turn the report of a failed test into one of a category of its own, which leaves the exit status alone."""
    path, line, _ = item.location
    report.outcome = "skipped"  # what pytest has for "neither passed nor failed"
    report.longrepr = (str(item.config.rootpath / path), (line or 0) + 1, f"Undecided: {reason}")
    report.undecided = reason  # type: ignore[attr-defined]  # travels with the report, also from xdist workers


def _comes_from_a_claim(traceback: TracebackType | None, asked_at: set[tuple[str, int]]) -> bool:
    """Whether the frame that raised was in a statement in which a claim was asked."""
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    file = traceback.tb_frame.f_code.co_filename
    lines = _statement(file, traceback.tb_lineno)
    return any(other == file and line in lines for other, line in asked_at)


def _statement(file: str, line: int) -> range:
    """The lines of the innermost statement at a line; that line alone where the source cannot be read."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return range(line, line + 1)
    fitting = [lines for lines in _statements(tree) if line in lines]
    return min(fitting, key=len, default=range(line, line + 1))


def _statements(tree: ast.AST) -> Iterator[range]:
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            yield range(node.lineno, (node.end_lineno or node.lineno) + 1)
