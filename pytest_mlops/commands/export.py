"""Finished runs as a table in a file: one row a run and metric, or one row a run."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlops._optional import need
from pytest_mlops.commands.listing import value_of

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
        One row a run with a column a metric and a column a parameter, instead of one row a run and metric with
        the parameters as one JSON object.

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
            parameters = json.dumps(_parameters(run), ensure_ascii=False)
            yield {**_facts(run), "parameters": parameters, "metric": name, "value": value}


def _wide(runs: Sequence[Finished]) -> Iterator[dict[str, Any]]:
    given = [_parameters(run) for run in runs]
    as_text = {
        name for values in given for name in values if not _is_of_one_kind([v.get(name) for v in given])
    }
    for run, values in zip(runs, given, strict=True):
        yield {
            **_facts(run),
            **{f"param.{name}": _cell(value, as_text=name in as_text) for name, value in values.items()},
            **{f"metric.{name}": value for name, value in run.metrics.items()},
        }


def _parameters(run: Finished) -> dict[str, Any]:
    """Numbers as numbers, text as text; of a path its name, and of what is keyed by its code or content that key."""
    values = {name: value_of(key) for name, key in json.loads(run.key.parameters).items()}
    return {
        name: value["path"] if isinstance(value, dict) and value.keys() == {"path", "content"} else value
        for name, value in values.items()
    }


def _is_of_one_kind(values: Sequence[Any]) -> bool:
    """Whether a column can hold them as they are: all numbers, all text, or all true or false."""
    kinds = {float if type(value) is int else type(value) for value in values if value is not None}
    large = any(type(value) is int and abs(value) >= 2**53 for value in values)
    return len(kinds) <= 1 and kinds <= {float, str, bool} and not large


def _cell(value: Any, *, as_text: bool) -> Any:
    if not as_text or value is None:
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _facts(run: Finished) -> dict[str, Any]:
    return {
        "id": run.id,
        "function": run.key.function,
        "arm": run.label,
        "environment": run.key.environment,
        "code": run.key.code,
        "data": run.key.data,
        "seed": run.key.seed,
        "finished": datetime.fromtimestamp(run.finished, UTC).isoformat(),
        "failure": run.failure.message if run.failure is not None else "",
    }
