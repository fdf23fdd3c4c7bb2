"""From a file to results: which rows, which columns, and every cell a number, a yes or no, or a seed."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mlops.errors import RecordedError
from pytest_mlops.tables import cells
from pytest_mlops.tables.csv_files import read_csv
from pytest_mlops.tables.json_files import read_json
from pytest_mlops.tables.parquet_files import read_parquet
from pytest_mlops.tables.source import checked_source, name_of, quoted, read
from pytest_mlops.tables.table import Table

_STEPS = frozenset({"step", "_step", "global_step", "trainer/global_step", "epoch", "iteration"})
"""Columns, in lower case, that count up within one training run: the rows of a curve."""

_MOSTLY = 0.8
"""Share of rows at which such a column counts on, above which they are a curve. Of training runs it is a half or less."""

_FEWEST = 5
"""Rows below which nothing is a curve: no claim is decided with fewer."""

_READERS: Mapping[str, Callable[..., Table]] = {"csv": read_csv, "json": read_json, "parquet": read_parquet}


@dataclass(frozen=True, kw_only=True)
class Results:
    """Results of training runs, one of each metric a run, in the order of the file."""

    metrics: Mapping[str, tuple[float | bool, ...]]
    seeds: tuple[int, ...] | None
    name: str
    """The file, and what its rows were selected by: ``runs.csv, model='baseline'``."""
    rows: tuple[str, ...]
    """For each training run the row it comes from: ``runs.csv, row 7``."""


def results(
    source: Any, form: str, *, metrics: Any, seed: str | None, where: Mapping[str, Any] | None
) -> Results:
    """Results from a file; see :meth:`pytest_mlops.claims.recorded.Recorded.from_csv`."""
    caller = f"arm.recorded.from_{form}"
    chosen = _checked_metrics(metrics, caller)
    where = _checked_where(where, caller)
    if seed is not None and (not isinstance(seed, str) or not seed):
        raise RecordedError(
            f"{caller}(seed={seed!r:.60}): expected the name of the column that has the seeds."
        )
    path = checked_source(source, caller=caller)
    wanted = dict.fromkeys([*chosen.values(), *where, *([seed] if seed is not None else [])])
    table = _READERS[form](read(path, caller=caller), name=name_of(path), wanted=wanted, also=_STEPS)
    table = _selected(table, where)
    _refuse_a_curve(table)
    return Results(
        metrics={name: tuple(_numbers(table, column)) for name, column in chosen.items()},
        seeds=tuple(_seeds(table, seed)) if seed is not None else None,
        name=", ".join([table.name, *(f"{_key(key)}={quoted(value)}" for key, value in where.items())]),
        rows=tuple(_row(table, index) for index in range(len(table.places))),
    )


def _checked_metrics(metrics: Any, caller: str) -> dict[str, str]:
    """Columns by the name that claims use."""
    if isinstance(metrics, Mapping):
        chosen = dict(metrics)
    elif isinstance(metrics, Iterable) and not isinstance(metrics, str | bytes):
        chosen = {name: name for name in metrics}
    else:
        chosen = {}
    if not chosen or not all(isinstance(name, str) and name for pair in chosen.items() for name in pair):
        raise RecordedError(
            f'{caller}(metrics={metrics!r:.60}): expected names of columns, metrics=["auc"], or what claims are to call '
            'them, metrics={"auc": "val_auc"}.'
        )
    return chosen


def _checked_where(where: Any, caller: str) -> dict[str, str | float | bool]:
    if where is None:
        return {}
    fits = isinstance(where, Mapping) and all(
        isinstance(column, str) and isinstance(value, str | int | float) for column, value in where.items()
    )
    if not fits:
        raise RecordedError(
            f"{caller}(where={where!r:.60}): expected columns with the text, number, or true or false that the rows have there, "
            'e.g. where={"model": "baseline"}.'
        )
    return dict(where)


def _selected(table: Table, where: Mapping[str, str | float | bool]) -> Table:
    """The rows that have all of the values."""
    keep: Sequence[int] = range(len(table.places))
    for column, value in where.items():
        found = table.columns[column]
        fitting = [row for row in keep if cells.equals(found[row], value)]
        if not fitting:
            raise RecordedError(_none_fits(table, column, value, [found[row] for row in keep]))
        keep = fitting
    if not keep:
        raise RecordedError(f"{table.name} has a header and no row: expected one row a training run.")
    return table.rows(keep) if where else table


def _none_fits(table: Table, column: str, value: Any, there: Sequence[Any]) -> str:
    counted = Counter(str(cell) for cell in there)
    told = [f"{quoted(text)} ({count} rows)" for text, count in counted.most_common(8)]
    more = f" and {len(counted) - len(told)} more" if len(counted) > len(told) else ""
    close = difflib.get_close_matches(str(value), counted, n=1)
    hint = f" Did you mean {quoted(close[0])}?" if close else ""
    return f"{table.name} has no row with {_key(column)}={quoted(value)}; there are {', '.join(told)}{more}.{hint}"


def _refuse_a_curve(table: Table) -> None:
    """Rows that are steps of one training run would count as so many training runs."""
    for column, found in table.columns.items():
        steps = [cells.number(cell) for cell in found] if column.lower() in _STEPS else []
        if len(steps) < _FEWEST or any(step is None for step in steps):
            continue
        pairs = list(itertools.pairwise(steps))
        rising = sum(one < other for one, other in pairs if one is not None and other is not None)
        falling = sum(one > other for one, other in pairs if one is not None and other is not None)
        if max(rising, falling) >= _MOSTLY * len(pairs):
            raise RecordedError(
                f"{table.name}: column {quoted(column)} counts from row to row, so that its rows are steps of a training run "
                "and not training runs. They hang together, and would count as so many independent ones. Give one row a "
                "training run, with its last or best value."
            )


def _numbers(table: Table, column: str) -> Iterable[float | bool]:
    for index, cell in enumerate(table.columns[column]):
        if cells.is_empty(cell):
            raise RecordedError(
                f"{_row(table, index)} has nothing in column {quoted(column)}. A training run without a result is a failed one, "
                "and no seed is dropped in silence: write nan there. If it is still running, wait for it."
            )
        found = cells.number(cell)
        if found is None:
            raise RecordedError(
                f"{_row(table, index)}: column {quoted(column)} has {quoted(cell)}, which is no number and neither true nor "
                f"false.{_why(cell)}"
            )
        yield found


def _why(cell: Any) -> str:
    if not isinstance(cell, str):
        return ""
    if cells.number(cell.replace(",", ".", 1)) is not None:
        return " Write a decimal point instead of the comma."
    if cells.number(cell.rstrip("% ")) is not None:
        return " Write the number without the per cent sign."
    return ""


def _seeds(table: Table, column: str) -> Iterable[int]:
    first: dict[int, int] = {}
    for index, cell in enumerate(table.columns[column]):
        found = cells.seed(cell)
        if found is None:
            raise RecordedError(
                f"{_row(table, index)}: column {quoted(column)} has {quoted(cell)}, which is no seed: expected a whole number "
                "from 0 on."
            )
        if found in first:
            raise RecordedError(
                f"{_row(table, index)} has seed {found} again, after row {table.places[first[found]]}: one training run has one "
                "row. Do the rows belong to several arms? Select one: where={...}."
            )
        first[found] = index
        yield found


def _row(table: Table, index: int) -> str:
    return f"{table.name}, row {table.places[index]}"


def _key(column: str) -> str:
    return column if column.isidentifier() and column.isascii() else quoted(column)
