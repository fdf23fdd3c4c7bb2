"""What finished runs say of those to come: how long they take, and which are there already."""

from __future__ import annotations

import sqlalchemy as sa

from pytest_mlops.claims.ports import Past
from pytest_mlops.records import RunKey
from pytest_mlops.store import schema

_FEW = 200
"""Runs that are looked at: the newest ones say enough."""

_KEY = ("function", "code", "parameters", "data", "environment", "seed", "upstream", "upstream_run")


def past(connection: sa.Connection, function: str) -> list[Past]:
    """What the last few good runs of a function took, newest first."""
    runs, metrics = schema.runs.c, schema.metrics.c
    query = (
        sa.select(*(runs[name] for name in _KEY), metrics.value)
        .join(schema.metrics, metrics.run == runs.number)
        .where(runs.function == function, runs.failure.is_(None), metrics.name == "seconds")
        .order_by(runs.number.desc())
        .limit(_FEW)
    )
    found = [dict(row) for row in connection.execute(query).mappings()]
    return [Past(seconds=row.pop("value"), key=RunKey(**row)) for row in found]


def seeds(connection: sa.Connection, key: RunKey) -> frozenset[int]:
    """The seeds under which the experiment of that key is finished."""
    runs = schema.runs.c
    return frozenset(
        connection.execute(sa.select(runs.seed).where(runs.experiment == key.experiment)).scalars()
    )
