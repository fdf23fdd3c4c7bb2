"""Finished runs for people to look through: listed, found by the start of their id, deleted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from pytest_mlops.errors import StoreError
from pytest_mlops.records import Cases, Failure, Record, RunKey
from pytest_mlops.store import cases
from pytest_mlops.store.rows import curves_of, failure_of, key_of
from pytest_mlops.store.schema import artifacts, details, metrics, objects, runs
from pytest_mlops.store.sql import SqlStore

SHORT = 10
"""Characters of an id that are shown; any start that is unique finds its run."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run as the store has it."""

    id: str
    key: RunKey
    label: str
    """The arm as people write it; the function's name where that is not known."""
    why: str
    finished: float
    """Seconds since 1970."""
    metrics: Mapping[str, float]
    failure: Failure | None


@dataclass(frozen=True, kw_only=True)
class Whole:
    """All else that a finished run left."""

    curves: Mapping[str, tuple[tuple[float, float], ...]]
    output: str
    messages: tuple[str, ...]
    artifacts: Sequence[tuple[str, int, bool]]
    """Name, size in bytes, and whether it is still kept."""
    cases: Mapping[str, Cases] = field(default_factory=dict)
    """Numbers for each test case, by the metric that they are behind."""
    record: Record = field(default_factory=Record)
    """What it turned out to depend on."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Functions, classes, constants and modules behind ``RunKey.code``, with the starts of their hashes."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Files or values behind ``RunKey.data``, with the starts of their hashes."""


def finished(
    store: SqlStore,
    *,
    function: str | None = None,
    failed: bool = False,
    since: float | None = None,
    limit: int | None = None,
) -> list[Finished]:
    """Finished runs, newest first.

    Parameters
    ----------
    store : SqlStore
    function : str, optional
        Only runs whose ``module:qualname`` contains this text.
    failed : bool
        Only failed runs.
    since : float, optional
        Only runs that were finished after this time, in seconds since 1970.
    limit : int, optional
        At most so many.
    """
    query = sa.select(runs).order_by(runs.c.number.desc()).limit(limit)
    if function is not None:
        query = query.where(runs.c.function.contains(function, autoescape=True))
    if failed:
        query = query.where(runs.c.failure.is_not(None))
    if since is not None:
        query = query.where(runs.c.finished >= since)
    with store.reading() as connection:
        rows = connection.execute(query).all()
        chosen = query.with_only_columns(runs.c.number).subquery()
        values = sa.select(metrics).join(chosen, chosen.c.number == metrics.c.run).order_by(metrics.c.place)
        by_run: dict[int, dict[str, float]] = {}
        for metric in connection.execute(values):
            by_run.setdefault(metric.run, {})[metric.name] = metric.value
    return [_finished(row, by_run.get(row.number, {})) for row in rows]


def count(store: SqlStore) -> int:
    """How many finished runs there are."""
    with store.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one())


def by_id(store: SqlStore, start: str) -> tuple[Finished, Whole]:
    """The one finished run whose id starts so.

    Raises
    ------
    StoreError
        If there is none, or more than one.
    """
    with store.reading() as connection:
        query = sa.select(runs).where(runs.c.id.startswith(start.lower(), autoescape=True)).limit(2)
        found = connection.execute(query).all()
        if not found:
            raise StoreError(f"No finished training run has an id that starts with {start!r}.")
        if len(found) > 1:
            raise StoreError(
                f"More than one finished training run has an id that starts with {start!r}: give more of it."
            )
        row = found[0]
        values = connection.execute(
            sa.select(metrics).where(metrics.c.run == row.number).order_by(metrics.c.place)
        )
        left = connection.execute(
            sa.select(artifacts, objects.c.sha256.is_not(None).label("kept"))
            .join(objects, objects.c.sha256 == artifacts.c.sha256, isouter=True)
            .where(artifacts.c.run == row.number)
            .order_by(artifacts.c.name)
        )
        digests = (row.record, row.code, row.data)
        contents = {
            one.digest: json.loads(one.content)
            for one in connection.execute(sa.select(details).where(details.c.digest.in_(digests)))
        }
        whole = Whole(
            record=Record(**contents.get(row.record, {})),
            code=contents.get(row.code, {}),
            data=contents.get(row.data, {}),
            curves=curves_of(row),
            output=row.output,
            messages=tuple(json.loads(row.messages)),
            artifacts=[(one.name, one.size, bool(one.kept)) for one in left],
            cases=cases.of_run(connection, row.number),
        )
        return _finished(row, {metric.name: metric.value for metric in values}), whole


def delete(store: SqlStore, ids: Sequence[str]) -> int:
    """Delete finished runs by their whole ids, with artifacts that no other run has; how many there were."""
    with store.writing() as connection:
        gone = connection.execute(sa.delete(runs).where(runs.c.id.in_(ids))).rowcount
        cases.prune(connection)
    store.prune()
    return gone


def _finished(row: sa.Row[Any], values: Mapping[str, float]) -> Finished:
    return Finished(
        id=row.id,
        key=key_of(row, seed=row.seed),
        label=row.label or row.function,
        why=row.why,
        finished=row.finished,
        metrics=values,
        failure=failure_of(row),
    )
