"""Finished runs as a table in a file: one row a run and metric, or one row a run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlops._optional import need

if TYPE_CHECKING:
    from pytest_mlops.store.browse import Finished

FORMATS = (".csv", ".parquet")


def export(runs: Sequence[Finished], file: Path, *, wide: bool) -> int:
    """Write them to a ``.csv`` or ``.parquet`` file, oldest first; how many rows it has.

    Parameters
    ----------
    runs : sequence of Finished
        Newest first.
    file : Path
    wide : bool
        One row a run with a column a metric, instead of one row a run and metric.

    Raises
    ------
    MissingPackageError
        For a ``.parquet`` file, if pyarrow is not installed.
    OSError
        If the file cannot be written.
    """
    ordered = list(reversed(runs))
    rows = list(_wide(ordered) if wide else _long(ordered))
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["id"]
    if file.suffix.lower() == ".parquet":
        _write_parquet(rows, names, file)
    else:
        with file.open("w", encoding="utf-8", errors="backslashreplace", newline="") as stream:
            writer = csv.DictWriter(stream, names)
            writer.writeheader()
            writer.writerows(rows)
    return len(rows)


def _write_parquet(rows: list[dict[str, Any]], names: list[str], file: Path) -> None:
    arrow = need("pyarrow", extra="parquet", why="an export to Parquet")
    need("pyarrow.parquet", extra="parquet", why="an export to Parquet")
    table = arrow.table({name: [row.get(name) for row in rows] for name in names})
    arrow.parquet.write_table(table, file)


def _long(runs: Sequence[Finished]) -> Iterator[dict[str, Any]]:
    for run in runs:
        for name, value in run.metrics.items():
            yield {**_facts(run), "metric": name, "value": value}


def _wide(runs: Sequence[Finished]) -> Iterator[dict[str, Any]]:
    for run in runs:
        yield {**_facts(run), **{f"metric.{name}": value for name, value in run.metrics.items()}}


def _facts(run: Finished) -> dict[str, Any]:
    return {
        "id": run.id,
        "function": run.key.function,
        "arm": run.label,
        "parameters": run.key.parameters,
        "environment": run.key.environment,
        "code": run.key.code,
        "data": run.key.data,
        "seed": run.key.seed,
        "finished": datetime.fromtimestamp(run.finished, UTC).isoformat(),
        "failure": run.failure.message if run.failure is not None else "",
    }
