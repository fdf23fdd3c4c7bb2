"""One cell of a table: what it says as a number, as yes or no, or as a seed."""

from __future__ import annotations

import math
import re
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SPECIAL = {"nan": math.nan, "inf": math.inf, "infinity": math.inf}
_YES_NO = {"true": True, "false": False}
LARGEST_SEED = 2**53
"""What every reader of a report in JSON can still tell apart."""


def is_empty(cell: Any) -> bool:
    """Whether there is nothing in it: no value, or text of spaces."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def number(cell: Any) -> float | bool | None:
    """The number or the yes or no that a cell says; None where it says neither.

    NaN and infinity are numbers here: they say that a training run failed.

    Examples
    --------
    >>> number("0.91"), number("True"), number(3), number("0,91"), number("1_000")
    (0.91, True, 3.0, None, None)
    """
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, str):
        return _from_text(cell.strip())
    if isinstance(cell, int | float):
        try:
            return float(cell)
        except OverflowError:
            return None
    return None


def _from_text(text: str) -> float | bool | None:
    if text.lower() in _YES_NO:
        return _YES_NO[text.lower()]
    if _NUMBER.fullmatch(text):
        return float(text)
    sign = -1.0 if text.startswith("-") else 1.0
    special = _SPECIAL.get(text.lstrip("+-").lower() if text[:1] in "+-" else text.lower())
    return None if special is None else sign * special


def seed(cell: Any) -> int | None:
    """The seed that a cell says: a whole number from 0 on; None where it says none.

    Examples
    --------
    >>> seed("7"), seed("7.0"), seed(7.5), seed("seven"), seed(True)
    (7, 7, None, None, None)
    """
    if isinstance(cell, str) and re.fullmatch(r"\d{1,19}", cell.strip(), re.ASCII):
        value: float | int | None = int(cell)  # not through float, which knows 53 bits
    elif isinstance(cell, int) and not isinstance(cell, bool):
        value = cell
    else:
        value = number(cell)
    if value is None or isinstance(value, bool) or not 0 <= value <= LARGEST_SEED or value != int(value):
        return None
    return int(value)


def equals(cell: Any, wanted: str | float | bool) -> bool:
    """Whether a cell has the value that a row is selected by.

    Text is compared as text; numbers and true or false also where a file has them as text.

    Examples
    --------
    >>> equals("baseline", "baseline"), equals("1e-1", 0.1), equals("true", True), equals(1, True)
    (True, True, True, False)
    """
    if isinstance(wanted, str):
        return isinstance(cell, str) and cell == wanted
    found = number(cell)
    return found is not None and isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
