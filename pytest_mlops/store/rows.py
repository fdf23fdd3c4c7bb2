"""Finished runs as rows, and back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from pytest_mlops.records import Cases, Details, Failure, Record, RunKey, RunResult


def run_row(key: RunKey, result: RunResult, details: Details, session: str) -> dict[str, object]:
    """The row of a finished run."""
    return {
        **asdict(key),
        "id": result.id,
        "key": key.digest,
        "experiment": key.experiment,
        "record": result.record.digest,
        "label": _storable(details.label),
        "session": session,
        "why": _storable(details.why),
        "finished": time.time(),
        "failure": json.dumps(asdict(result.failure)) if result.failure else None,
        "curves": json.dumps(
            {name: [[repr(x), repr(y)] for x, y in points] for name, points in result.curves.items()}
        ),
        "output": _storable(result.output),
        "weights": result.weights,
        "steps": result.steps,
        "skipped_steps": result.skipped_steps,
        "messages": json.dumps(list(result.messages)),
        "reseeded": json.dumps(list(result.reseeded)),
    }


def metric_rows(run: int, result: RunResult) -> list[dict[str, object]]:
    """The rows of its metrics, in the order in which the function returned them."""
    return [
        {"run": run, "name": name, "place": place, "value": value, "yes_no": name in result.yes_no}
        for place, (name, value) in enumerate(result.metrics.items())
    ]


def detail_rows(key: RunKey, result: RunResult, details: Details) -> list[dict[str, object]]:
    """What the hashes of a run were made of, by hash."""
    rows: list[dict[str, object]] = [{"digest": result.record.digest, "content": result.record.text}]
    for digest, content in ((key.code, details.code), (key.data, details.data)):
        if digest and content:
            rows.append({"digest": digest, "content": json.dumps(dict(content), sort_keys=True)})
    return rows


def result_of(row: sa.Row[Any], metrics: Sequence[sa.Row[Any]], cases: Mapping[str, Cases]) -> RunResult:
    """The finished run of a row that is joined with the JSON of its record, as ``content``."""
    return RunResult(
        key=row.key,
        seed=row.seed,
        metrics={metric.name: metric.value for metric in metrics},
        yes_no=frozenset(metric.name for metric in metrics if metric.yes_no),
        curves=curves_of(row),
        failure=failure_of(row),
        output=row.output,
        weights=row.weights,
        steps=row.steps,
        skipped_steps=row.skipped_steps,
        messages=tuple(json.loads(row.messages)),
        reseeded=tuple(json.loads(row.reseeded)),
        cases=cases,
        record=Record(**json.loads(row.content)),
    )


def curves_of(row: sa.Row[Any]) -> dict[str, tuple[tuple[float, float], ...]]:
    """Curves of a row."""
    return {
        name: tuple((float(x), float(y)) for x, y in points)
        for name, points in json.loads(row.curves).items()
    }


def failure_of(row: sa.Row[Any]) -> Failure | None:
    """Why the run of a row failed."""
    return Failure(**json.loads(row.failure)) if row.failure else None


def key_of(row: sa.Row[Any], *, seed: int) -> RunKey:
    """The key of a row's run, under another seed."""
    return RunKey(
        function=row.function,
        code=row.code,
        parameters=row.parameters,
        data=row.data,
        environment=row.environment,
        seed=seed,
        upstream=row.upstream,
        upstream_run=row.upstream_run if seed == row.seed else "",
    )


def details_of(row: sa.Row[Any], contents: Mapping[str, Any]) -> Details:
    """The details of a row's run, from the contents of the details table by digest."""
    return Details(
        label=row.label, why=row.why, code=contents.get(row.code, {}), data=contents.get(row.data, {})
    )


def _storable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
