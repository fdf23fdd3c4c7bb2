"""From each older version of the tables to the next one. A step is never changed once it was released."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping

import sqlalchemy as sa

from pytest_mlops.store import schema

_EXPERIMENT = ("function", "code", "parameters", "data", "environment")
_EMPTY_RECORD = '{"files": {}, "modules": {}}'


def migrate(connection: sa.Connection, version: int) -> None:
    """Bring tables of ``version`` to the newest one; 0 is an empty file.

    Runs inside one transaction with the new version number: an interruption leaves the store as it was.
    """
    if version == 0:
        schema.TABLES.create_all(connection)
    else:
        for step in range(version, schema.VERSION):
            _STEPS[step](connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")


def _records(connection: sa.Connection) -> None:
    """1 to 2: several finished runs of one key, by record; details; leases; artifacts by content."""
    connection.exec_driver_sql("ALTER TABLE runs RENAME TO runs_1")
    connection.exec_driver_sql("ALTER TABLE metrics RENAME TO metrics_1")
    for statement in _VERSION_2:
        connection.exec_driver_sql(statement)
    record = hashlib.sha256(_EMPTY_RECORD.encode()).hexdigest()
    connection.exec_driver_sql("INSERT INTO details VALUES (?, ?)", (record, _EMPTY_RECORD))
    for key, *parts in connection.exec_driver_sql(_OLD_RUNS).all():
        experiment = dict(zip(_EXPERIMENT, parts, strict=True))
        connection.exec_driver_sql(_COPY_RUN, (_id(key, record), _hash(experiment), record, key))
    connection.exec_driver_sql(
        "INSERT INTO metrics SELECT runs.number, m.name, m.place, m.value, m.yes_no "
        "FROM metrics_1 AS m JOIN runs ON runs.key = m.key"
    )
    connection.exec_driver_sql("DROP TABLE metrics_1")
    connection.exec_driver_sql("DROP TABLE runs_1")


def _cases(connection: sa.Connection) -> None:
    """3 to 4: numbers for each test case of a run."""
    for statement in _VERSION_4:
        connection.exec_driver_sql(statement)


def _upstream(connection: sa.Connection) -> None:
    """4 to 5: what a derived run went on from."""
    for column in ("upstream", "upstream_run"):
        connection.exec_driver_sql(f"ALTER TABLE runs ADD COLUMN {column} VARCHAR(64) NOT NULL DEFAULT ''")


def _hash(parts: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _id(key: str, record: str) -> str:
    return hashlib.sha256(f"{key} {record}".encode()).hexdigest()


_OLD_RUNS = "SELECT key, function, code, parameters, data, environment FROM runs_1 ORDER BY finished, rowid"

_COPY_RUN = """
INSERT INTO runs (id, key, experiment, record, function, label, code, parameters, data, environment, seed, session, why,
                  finished, failure, curves, output, weights, steps, skipped_steps, messages, reseeded)
SELECT ?, key, ?, ?, function, '', code, parameters, data, environment, seed, '', '',
       finished, failure, curves, output, weights, steps, skipped_steps, messages, '[]'
FROM runs_1 WHERE key = ?
"""

_VERSION_2 = (
    """CREATE TABLE runs (
        number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id VARCHAR(64) NOT NULL UNIQUE,
        key VARCHAR(64) NOT NULL, experiment VARCHAR(64) NOT NULL, record VARCHAR(64) NOT NULL,
        function TEXT NOT NULL, label TEXT NOT NULL,
        code VARCHAR(64) NOT NULL, parameters TEXT NOT NULL, data VARCHAR(64) NOT NULL,
        environment TEXT NOT NULL, seed BIGINT NOT NULL, session TEXT NOT NULL, why TEXT NOT NULL,
        finished FLOAT NOT NULL, failure TEXT, curves TEXT NOT NULL, output TEXT NOT NULL,
        weights VARCHAR(64), steps BIGINT NOT NULL, skipped_steps BIGINT NOT NULL, messages TEXT NOT NULL,
        reseeded TEXT NOT NULL)""",
    "CREATE INDEX ix_runs_experiment ON runs (experiment)",
    "CREATE INDEX ix_runs_key ON runs (key)",
    "CREATE INDEX ix_runs_function ON runs (function)",
    """CREATE TABLE metrics (
        run INTEGER NOT NULL, name VARCHAR(500) NOT NULL, place INTEGER NOT NULL, value DOUBLE NOT NULL,
        yes_no BOOLEAN NOT NULL, PRIMARY KEY (run, name),
        FOREIGN KEY(run) REFERENCES runs (number) ON DELETE CASCADE)""",
    "CREATE TABLE details (digest VARCHAR(64) NOT NULL PRIMARY KEY, content TEXT NOT NULL)",
    """CREATE TABLE artifacts (
        run INTEGER NOT NULL, name TEXT NOT NULL, sha256 VARCHAR(64) NOT NULL, size BIGINT NOT NULL,
        PRIMARY KEY (run, name), FOREIGN KEY(run) REFERENCES runs (number) ON DELETE CASCADE)""",
    "CREATE INDEX ix_artifacts_sha256 ON artifacts (sha256)",
    """CREATE TABLE objects (
        sha256 VARCHAR(64) NOT NULL PRIMARY KEY, size BIGINT NOT NULL, used FLOAT NOT NULL)""",
    """CREATE TABLE leases (
        key VARCHAR(64) NOT NULL PRIMARY KEY, owner VARCHAR(32) NOT NULL, host TEXT NOT NULL,
        pid BIGINT NOT NULL, started TEXT NOT NULL, beat FLOAT NOT NULL)""",
)
"""The tables of version 2 as they were then: ``schema.py`` may be newer."""


def _attempts(connection: sa.Connection) -> None:
    """2 to 3: attempts at claims."""
    connection.exec_driver_sql(
        """CREATE TABLE attempts (
            number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, claim TEXT NOT NULL, base VARCHAR(64) NOT NULL,
            attempt VARCHAR(64) NOT NULL, design TEXT NOT NULL, looked FLOAT NOT NULL,
            UNIQUE (claim, base, attempt))"""
    )


_VERSION_4 = (
    """CREATE TABLE cases (
        run INTEGER NOT NULL, name VARCHAR(500) NOT NULL, metric TEXT NOT NULL, case_table VARCHAR(64) NOT NULL,
        numbers BLOB NOT NULL, PRIMARY KEY (run, name),
        FOREIGN KEY(run) REFERENCES runs (number) ON DELETE CASCADE)""",
    "CREATE INDEX ix_cases_case_table ON cases (case_table)",
    """CREATE TABLE case_tables (
        digest VARCHAR(64) NOT NULL PRIMARY KEY, names VARCHAR(64) NOT NULL, count BIGINT NOT NULL,
        patients BLOB NOT NULL, target BLOB NOT NULL)""",
)
"""The tables that version 4 adds, as they were then."""

_STEPS: Mapping[int, Callable[[sa.Connection], None]] = {1: _records, 2: _attempts, 3: _cases, 4: _upstream}
"""By the version that a step starts from."""
