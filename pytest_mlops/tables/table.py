"""A table as it was read: the columns that were asked for, and which row of the file each row is."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mlops.errors import RecordedError
from pytest_mlops.tables.source import quoted

_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells by column, as the file has them: text, numbers, true or false, None for nothing.

    Parameters
    ----------
    name : str
        What messages call the file.
    columns : mapping of str to sequence
        All of one length.
    places : sequence of int
        For each row the number by which people find it in the file.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    places: Sequence[int]

    def rows(self, keep: Sequence[int]) -> Table:
        """A table of some of its rows."""
        columns = {name: [cells[row] for row in keep] for name, cells in self.columns.items()}
        return Table(name=self.name, columns=columns, places=[self.places[row] for row in keep])


def check_columns(file: str, there: Sequence[str], wanted: Collection[str]) -> None:
    """Refuse a file that lacks a column.

    Raises
    ------
    RecordedError
        With the nearest name.
    """
    for name in wanted:
        if name not in there:
            close = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
            hint = f" Did you mean {quoted(close[0])}?" if close else ""
            raise RecordedError(
                f"{file} has no column {quoted(name)}; it has {listed(there)}.{hint}{_separator(there)}"
            )


def listed(names: Sequence[Any]) -> str:
    """Some names, and how many more there are."""
    shown = ", ".join(quoted(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _separator(there: Sequence[str]) -> str:
    """What a header of one name that holds other separators tells."""
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(there) == 1 and separator in there[0]:
            return f" Its columns are separated by {name}: save it with commas, and numbers with a decimal point."
    return ""
