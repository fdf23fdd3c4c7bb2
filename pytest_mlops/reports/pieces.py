"""Pieces that tables in Markdown are made of."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_mlops.reports.figures import p_text

SIGN = {"PASS": "\u2705", "FAIL": "\u274c", "UNDECIDED": "\u2754", "ERROR": "\u2757"}
"""A sign that is seen at once."""

BAR = 24
"""Columns of a bar."""


def folded(title: str, body: str) -> str:
    """A folded section; ``title`` is HTML, the blank lines let GitHub read the body as Markdown."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def row(cells: Iterable[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"


def minus(number: str) -> str:
    """Numbers as typeset: a real minus, which no list marker is made of, and a dash for the unknown."""
    return "\u2013" if number == "-" else number.replace("e-", "e\u2212").replace("-", "\u2212")


def p_cell(value: float | None) -> str:
    """A p-value in a cell."""
    return minus(p_text(value)).replace("<", "&lt;").replace(">", "&gt;")
