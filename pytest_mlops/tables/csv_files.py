"""Tables from CSV, read by the standard library: it tells the row of what is wrong, and guesses no types."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator

from pytest_mlops.errors import RecordedError
from pytest_mlops.tables.source import quoted
from pytest_mlops.tables.table import Table, check_columns


def read_csv(content: bytes, *, name: str, wanted: Collection[str], also: Collection[str]) -> Table:
    """The columns of a CSV file with a header, separated by commas, in UTF-8.

    Parameters
    ----------
    content : bytes
    name : str
        What messages call the file.
    wanted : collection of str
        Columns that have to be there.
    also : collection of str
        Columns that are read where they are there, in lower case.

    Raises
    ------
    RecordedError
        If it is no such table. Rows are counted as a spreadsheet does: the header is row 1.
    """
    reader = csv.reader(io.StringIO(_text(content, name), newline=""), skipinitialspace=True, strict=True)
    rows = _rows(reader, name)
    _, header = next(rows, (1, None))
    if header is None:
        raise RecordedError(f"{name} is empty: expected a header and one row a training run.")
    check_columns(name, header, wanted)
    again = [column for column, count in Counter(header).items() if count > 1 and column in wanted]
    if again:
        raise RecordedError(
            f"{name} has several columns {quoted(again[0])}: rename them, so that one is meant."
        )
    kept = {
        column: place for place, column in enumerate(header) if column in wanted or column.lower() in also
    }
    columns: dict[str, list[str]] = {column: [] for column in kept}
    places = []
    for number, row in rows:
        if len(row) != len(header):
            raise RecordedError(
                f"{name}, row {number} has {len(row)} cells, and its header has {len(header)}. Is there a comma in a cell "
                "without quotes, or was the file cut?"
            )
        places.append(number)
        for column, place in kept.items():
            columns[column].append(row[place])
    return Table(name=name, columns=columns, places=places)


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RecordedError(
            f"{name} is no text in UTF-8. Save it as CSV in UTF-8, unpacked; an .xlsx or .parquet file is no CSV."
        ) from None


def _rows(reader: Iterator[list[str]], name: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with their numbers."""
    number = 0
    while True:
        number += 1
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise RecordedError(f"{name}, row {number} is no CSV: {error}.") from None
        if row is None:
            return
        if row:
            yield number, row
