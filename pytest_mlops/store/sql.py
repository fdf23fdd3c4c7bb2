"""The store on SQL: a SQLite file, through SQLAlchemy Core."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from pytest_mlops.claims.ports import Past
from pytest_mlops.errors import StoreError
from pytest_mlops.records import Failure, RunKey, RunResult
from pytest_mlops.store import past, schema

_BUSY_SECONDS = 30
"""How long a writer waits for another one; SQLite's queue is unfair, 1.5 s were measured with eight writers."""


class SqlStore:
    """A store in a SQLite file; see :class:`pytest_mlops.claims.ports.Store` for the promise.

    Parameters
    ----------
    url : str
        ``sqlite:///path/to/file.sqlite``.
    artifacts : Path
        Folder in which runs keep their artifacts.

    Raises
    ------
    StoreError
        If the file cannot be opened, is no store, or was written by a newer version.
    """

    def __init__(self, url: str, *, artifacts: Path) -> None:
        self.url = url
        self._artifacts = artifacts
        self._engine = _engine(url)
        try:
            with self._speaking_of("open"), self._engine.begin() as connection:
                _check_version(connection, url)
                schema.TABLES.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {schema.VERSION}")
        except BaseException:
            self._engine.dispose()
            raise

    def get(self, key: RunKey) -> RunResult | None:
        """The finished run of that key, or None."""
        with self._speaking_of("read"), self._engine.connect() as connection:
            row = connection.execute(
                sa.select(schema.runs).where(schema.runs.c.key == key.digest)
            ).one_or_none()
            if row is None:
                return None
            query = (
                sa.select(schema.metrics)
                .where(schema.metrics.c.key == key.digest)
                .order_by(schema.metrics.c.place)
            )
            return _result(row, connection.execute(query).all())

    def put(self, key: RunKey, result: RunResult) -> RunResult:
        """Keep a finished run; the first of one key stays, and is returned."""
        if result.key != key.digest:
            raise ValueError(f"result of run {result.key[:12]} handed in for key {key.digest[:12]}")
        with self._speaking_of("write"), self._engine.begin() as connection:
            # Two sessions may finish the same run at once: the loser finds the row there, which is what it wanted.
            row = insert(schema.runs).values(_row(key, result)).on_conflict_do_nothing(index_elements=["key"])
            if connection.execute(row).rowcount == 1:
                if result.metrics:
                    connection.execute(sa.insert(schema.metrics), _metric_rows(result))
                return result
        kept = self.get(key)
        assert kept is not None, "a run that kept its key from us is there"
        return kept

    def past(self, function: str) -> Sequence[Past]:
        """What the last few good runs of that function took, newest first."""
        with self._speaking_of("read"), self._engine.connect() as connection:
            return past.past(connection, function)

    def seeds(self, key: RunKey) -> frozenset[int]:
        """The seeds under which the experiment of that key is finished."""
        with self._speaking_of("read"), self._engine.connect() as connection:
            return past.seeds(connection, key)

    def artifacts(self, key: RunKey) -> Path:
        """The folder of that run's artifacts."""
        return self._artifacts / key.digest[:2] / key.digest

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    @contextmanager
    def _speaking_of(self, deed: str) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(
                f"The store {self.url} could not be {_PAST[deed]}: {cause}. No finished training run in it is "
                "lost; check that the "
                "file is one of ours, the disk has room and the folder can be written, or choose another with --mlops-store=URL."
            ) from error


_PAST = {"open": "opened", "read": "read", "write": "written"}


def _engine(url: str) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError(f"store = {url!r} is no URL. Write sqlite:///path/to/runs.sqlite") from None
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(
            f"store = {url!r}: this version keeps runs in SQLite. Write sqlite:///path/to/runs.sqlite"
        )
    if parsed.database and parsed.database != ":memory:":
        _make_folder(Path(parsed.database).parent)
    engine = sa.create_engine(parsed, connect_args={"timeout": _BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: sa.engine.interfaces.DBAPIConnection, record: object) -> None:
        # pysqlite would begin a read transaction late and upgrade it, which fails at once when another process writes.
        connection.isolation_level = None
        cursor = connection.cursor()
        tables = cursor.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables or cursor.execute("PRAGMA user_version").fetchone()[0]:
            cursor.execute("PRAGMA journal_mode = WAL")  # writes to the file, so not to somebody else's
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _make_folder(folder: Path) -> None:
    """The store's folder, with a .gitignore where it is new: results do not belong into commits by accident."""
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)  # another process may be faster
            (folder / ".gitignore").write_text("# made by pytest-mlops\n*\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"The store's folder {str(folder)!r} cannot be made: {error.strerror}. Choose another with --mlops-store=URL."
        ) from None


def _check_version(connection: sa.Connection, url: str) -> None:
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    tables = connection.exec_driver_sql(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table'"
    ).scalar_one()
    if version == 0 and tables:
        raise StoreError(
            f"{url} is a database of something else, and was left alone. Choose another with --mlops-store=URL."
        )
    if version > schema.VERSION:
        raise StoreError(
            f"The store {url} was written by a newer version of pytest-mlops (tables {version}, this one "
            f"knows {schema.VERSION}). "
            "Upgrade pytest-mlops, or choose another store with --mlops-store=URL."
        )


def _row(key: RunKey, result: RunResult) -> dict[str, object]:
    return {
        **asdict(key),
        "key": key.digest,
        "finished": time.time(),
        "failure": json.dumps(asdict(result.failure)) if result.failure else None,
        "curves": json.dumps(
            {name: [[repr(x), repr(y)] for x, y in points] for name, points in result.curves.items()}
        ),
        "output": result.output.encode("utf-8", "backslashreplace").decode(),
        "weights": result.weights,
        "steps": result.steps,
        "skipped_steps": result.skipped_steps,
        "messages": json.dumps(list(result.messages)),
    }


def _metric_rows(result: RunResult) -> list[dict[str, object]]:
    return [
        {"key": result.key, "name": name, "place": place, "value": value, "yes_no": name in result.yes_no}
        for place, (name, value) in enumerate(result.metrics.items())
    ]


def _result(row: sa.Row[Any], metric_rows: Sequence[sa.Row[Any]]) -> RunResult:
    curves = json.loads(row.curves)
    return RunResult(
        key=row.key,
        seed=row.seed,
        metrics={metric.name: metric.value for metric in metric_rows},
        yes_no=frozenset(metric.name for metric in metric_rows if metric.yes_no),
        curves={name: tuple((float(x), float(y)) for x, y in points) for name, points in curves.items()},
        failure=Failure(**json.loads(row.failure)) if row.failure else None,
        output=row.output,
        weights=row.weights,
        steps=row.steps,
        skipped_steps=row.skipped_steps,
        messages=tuple(json.loads(row.messages)),
    )
