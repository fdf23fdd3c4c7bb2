"""Tables from JSON: a list of objects, an object of lists, or an object on each line."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pytest_mlops.errors import RecordedError
from pytest_mlops.tables.source import quoted
from pytest_mlops.tables.table import Table, check_columns

_SHAPES = (
    'expected a list of objects, [{"auc": 0.91}, ...], an object of lists, {"auc": [0.91, ...]}, or an object on each line '
    '(of pandas: frame.to_json(orient="records"))'
)


def read_json(content: bytes, *, name: str, wanted: Collection[str], also: Collection[str]) -> Table:
    """The columns of a table in JSON. Parameters as those of CSV.

    Raises
    ------
    RecordedError
        If it is no such table. Objects are counted from 1 on, lines too.
    """
    parsed = _parsed(content, name)
    if isinstance(parsed, list):
        return _of_rows(parsed, name, wanted, also)
    if isinstance(parsed, dict) and parsed and all(isinstance(cells, list) for cells in parsed.values()):
        return _of_columns(parsed, name, wanted, also)
    if isinstance(parsed, dict) and not any(isinstance(cell, list | dict) for cell in parsed.values()):
        return _of_rows([(1, parsed)] if parsed else [], name, wanted, also)
    raise RecordedError(f"{name} is JSON of another shape: {_SHAPES}.")


def _parsed(content: bytes, name: str) -> Any:
    """A value; of an object on each line a list of them with their lines."""
    try:
        text = content.decode("utf-8-sig")
        try:
            whole = json.loads(text, object_pairs_hook=_once)
        except json.JSONDecodeError:
            if not text.lstrip().startswith("{"):
                raise
            return list(_lines(text))
        return list(enumerate(whole, start=1)) if isinstance(whole, list) else whole
    except UnicodeDecodeError:
        raise RecordedError(f"{name} is no text in UTF-8, so it is no JSON.") from None
    except json.JSONDecodeError as error:
        raise RecordedError(f"{name} is no JSON: {error}; {_SHAPES}.") from None
    except RecursionError:
        raise RecordedError(f"{name} is nested too deeply for a table; {_SHAPES}.") from None
    except ValueError as error:  # a number of thousands of digits; a name twice
        raise RecordedError(f"{name} is no table: {error}.") from None


def _lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, json.loads(line, object_pairs_hook=_once)
            except json.JSONDecodeError as error:
                raise json.JSONDecodeError(f"{error.msg} in line {number}", text, 0) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are there once: of two values with one name the first would be lost."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object has {quoted(key)} twice")
        found[key] = value
    return found


def _of_rows(
    rows: Sequence[tuple[int, Any]], name: str, wanted: Collection[str], also: Collection[str]
) -> Table:
    for number, row in rows:
        if not isinstance(row, dict):
            raise RecordedError(f"{name}, row {number} is no object but a {type(row).__name__}; {_SHAPES}.")
    there = list(dict.fromkeys(key for _, row in rows for key in row))
    if not rows:
        raise RecordedError(f"{name} is empty: {_SHAPES}.")
    check_columns(name, there, wanted)
    kept = [key for key in there if key in wanted or key.lower() in also]
    return Table(
        name=name,
        columns={key: [row.get(key) for _, row in rows] for key in kept},
        places=[number for number, _ in rows],
    )


def _of_columns(
    columns: Mapping[str, list[Any]], name: str, wanted: Collection[str], also: Collection[str]
) -> Table:
    check_columns(name, list(columns), wanted)
    kept = {key: cells for key, cells in columns.items() if key in wanted or key.lower() in also}
    lengths = {key: len(cells) for key, cells in kept.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{quoted(key)} has {length}" for key, length in list(lengths.items())[:12])
        raise RecordedError(
            f"{name}: its columns are of different lengths ({told}), so that nobody can tell which numbers belong to one "
            "training run. Write null or NaN where one has none."
        )
    return Table(name=name, columns=kept, places=range(1, max(lengths.values(), default=0) + 1))
