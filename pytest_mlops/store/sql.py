"""The store on SQL: finished runs, their artifacts, and who trains what, in a SQLite file."""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from pytest_mlops.claims.ports import Past
from pytest_mlops.errors import StoreError
from pytest_mlops.records import Details, RunKey, RunResult
from pytest_mlops.store import attempts, cases, past, schema
from pytest_mlops.store.artifacts import Artifact, Artifacts
from pytest_mlops.store.database import BUSY_SECONDS, Database
from pytest_mlops.store.leases import EXPIRY_SECONDS, Leases
from pytest_mlops.store.rows import detail_rows, details_of, key_of, metric_rows, result_of, run_row
from pytest_mlops.store.scratches import Left, Scratches

KEEP_BYTES = 20 * 10**9
"""Bytes of artifacts that are kept by default."""

_KIN, _KIN_AMONG = 10, 1000
"""How many experiments of the same function are compared to say what changed, and among how many runs they are sought."""

_NO_DETAILS = Details()


class SqlStore:
    """A store in a SQLite file; see :class:`pytest_mlops.claims.ports.Store` for the promise.

    Parameters
    ----------
    url : str
        ``sqlite:///path/to/file.sqlite``.
    artifacts : Path
        Folder for artifacts; no other store may have the same.
    session : str, optional
        Name that all who belong to one session share; by default this store is a session of its own.
    keep : int
        Bytes of artifacts to keep; of scratch folders that nobody uses, as many again.
    expiry : float
        Seconds without a heartbeat after which a lease is free.
    busy : float
        Seconds that a writer waits for another process.

    Raises
    ------
    StoreError
        If the file cannot be opened, is no store, or was written by a newer version.
    """

    def __init__(
        self,
        url: str,
        *,
        artifacts: Path,
        session: str | None = None,
        keep: int = KEEP_BYTES,
        expiry: float = EXPIRY_SECONDS,
        busy: float = BUSY_SECONDS,
    ) -> None:
        self.url = url
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._session = session or secrets.token_hex(8)
        self._database = Database(url, busy=busy)
        self._leases = Leases(self._database, expiry=expiry)
        if self._database.read_only or self._database.in_memory:
            self._temporary = tempfile.TemporaryDirectory(prefix="mlops-artifacts-")
        self._artifacts = Artifacts(artifacts, keep=keep)
        self._scratches = Scratches(artifacts / "scratch")
        self._keep = keep
        try:
            self._sweep()
        except BaseException:
            self._database.close()
            raise

    # --- finished runs

    def found(self, key: RunKey, *, mine: bool = False) -> Sequence[RunResult]:
        """All finished runs of that key, newest first."""
        runs, details = schema.runs, schema.details
        query = sa.select(runs, details.c.content).join(details, details.c.digest == runs.c.record)
        query = query.where(runs.c.key == key.digest).order_by(runs.c.number.desc())
        if mine:
            query = query.where(runs.c.session == self._session)
        return self._results(query)

    def found_before(self, key: RunKey, other: RunKey) -> Sequence[RunResult]:
        """All finished runs of one experiment that were kept before the first one of another, oldest first."""
        runs, details = schema.runs, schema.details
        query = sa.select(runs, details.c.content).join(details, details.c.digest == runs.c.record)
        first = sa.select(sa.func.min(runs.c.number)).where(runs.c.experiment == other.experiment)
        with self._database.reading() as connection:
            number = connection.execute(first).scalar()
        if number is not None:
            query = query.where(runs.c.number < number)
        return self._results(query.where(runs.c.experiment == key.experiment).order_by(runs.c.number))

    def _results(self, query: sa.Select[Any]) -> list[RunResult]:
        metrics = schema.metrics
        with self._database.reading() as connection:
            return [
                result_of(
                    row,
                    connection.execute(
                        sa.select(metrics).where(metrics.c.run == row.number).order_by(metrics.c.place)
                    ).all(),
                    cases.of_run(connection, row.number),
                )
                for row in connection.execute(query).all()
            ]

    def put(
        self,
        key: RunKey,
        result: RunResult,
        *,
        details: Details = _NO_DETAILS,
        instead_of: str | None = None,
    ) -> RunResult:
        """Keep a finished run; the first of one key and record stays, and is returned."""
        if result.key != key.digest:
            raise ValueError(f"result of run {result.key[:12]} handed in for key {key.digest[:12]}")
        folder = self.artifacts(key)
        with self._speaking_of_artifacts():
            artifacts, left_out = self._artifacts.found(
                folder
            )  # hashing takes long: before others have to wait
            result = replace(result, messages=(*result.messages, *left_out))
            with self._database.writing(durable=True) as connection:
                if instead_of is not None:
                    connection.execute(sa.delete(schema.runs).where(schema.runs.c.id == instead_of))
                    cases.prune(connection)
                kept = self._insert(connection, key, result, details, artifacts)
                if artifacts or instead_of is not None:
                    self._artifacts.prune(connection)
                had_lease = self._leases.drop(connection, key.digest)
        self._artifacts.discard(folder)
        self._artifacts.discard(self._copies(key))
        self._drop_scratch(key, all_of_them=had_lease)
        if kept:
            return result
        return next(run for run in self.found(key) if run.id == result.id)

    def kin(self, key: RunKey) -> Sequence[tuple[RunKey, Details]]:
        """The last distinct experiments of the same function that other sessions trained, newest first."""
        runs, details = schema.runs, schema.details
        others = sa.and_(runs.c.function == key.function, runs.c.session != self._session)
        of_function = sa.select(runs.c.number).where(others)
        among = of_function.order_by(runs.c.number.desc()).limit(_KIN_AMONG)
        newest = sa.func.max(runs.c.number)
        query = sa.select(runs).where(
            runs.c.number.in_(
                sa.select(newest)
                .where(runs.c.number.in_(among))
                .group_by(runs.c.code, runs.c.parameters, runs.c.data, runs.c.environment, runs.c.upstream)
                .order_by(newest.desc())
                .limit(_KIN)
            )
        )
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(runs.c.number.desc())).all()
            digests = {row.code for row in rows} | {row.data for row in rows}
            found = connection.execute(sa.select(details).where(details.c.digest.in_(digests))).all()
        contents: Mapping[str, Any] = {row.digest: json.loads(row.content) for row in found}
        return [(key_of(row, seed=0), details_of(row, contents)) for row in rows]

    # --- who trains what

    def lease(self, key: RunKey) -> str | None:
        """Ask to be the only one who trains that key; None says yes, a text says who does."""
        known = len(self._leases.dead)
        holder = self._leases.ask(key.digest)
        if len(self._leases.dead) > known:  # taken over
            self._artifacts.sweep(dead=self._leases.dead, living=self._leases.living())
        return holder.description if holder is not None else None

    def release(self, key: RunKey) -> None:
        """Give a lease back without a result."""
        self._artifacts.discard(self.artifacts(key))
        self._artifacts.discard(self._copies(key))
        self._leases.release(key.digest)

    # --- attempts at claims

    def attempts(self, claim: str, base: str) -> Sequence[str]:
        """The attempts at that claim since that merge base, oldest first."""
        with self._database.reading() as connection:
            return attempts.made(connection, claim, base)

    def add_attempt(self, claim: str, base: str, attempt: str, design: str) -> None:
        """Note an attempt; one that is known stays where it is."""
        with self._database.writing() as connection:
            attempts.add(connection, claim, base, attempt, design)

    # --- artifacts

    def past(self, function: str) -> Sequence[Past]:
        """What the last few good runs of that function took, newest first."""
        with self._database.reading() as connection:
            return past.past(connection, function)

    def seeds(self, key: RunKey) -> frozenset[int]:
        """The seeds under which the experiment of that key is finished."""
        with self._database.reading() as connection:
            return past.seeds(connection, key)

    def artifacts(self, key: RunKey) -> Path:
        """The folder in which the run of that key writes, if this store's session trains it."""
        if (
            self._temporary is not None
        ):  # the store cannot be written, or is gone with us; the run shall be able to
            return Path(self._temporary.name, key.digest)
        return self._artifacts.running(key.digest, self._leases.owner.token)

    def scratch(self, key: RunKey, *, mine: bool = False) -> Path:
        """The folder that outlives a killed process, for who has the lease of that key."""
        owner = self._leases.owner.token
        if self._temporary is not None:
            return Path(self._temporary.name, f"{key.digest}.scratch")
        return self._scratches.taken(key.digest, owner, mine=mine)

    def _drop_scratch(self, key: RunKey, *, all_of_them: bool) -> None:
        if self._temporary is None:
            self._scratches.drop(key.digest, self._leases.owner.token, all_of_them=all_of_them)
        else:
            shutil.rmtree(self.scratch(key), ignore_errors=True)

    @property
    def scratch_folder(self) -> Path:
        """Where scratch folders lie."""
        return self._scratches.folder

    def scratch_left(self) -> list[Left]:
        """Scratch folders of runs that are not finished, and that nobody trains now; the last used first."""
        living = self._leases.living()
        return [one for one in self._scratches.left() if one.owner not in living]

    def drop_scratch_left(self) -> int:
        """Remove those folders; how many there were."""
        return self._scratches.sweep(living=self._leases.living, keep=-1)

    def artifact(self, run: str, name: str) -> Path:
        """The artifact of a finished run, by the run's id.

        Raises
        ------
        StoreError
            If there is no such run or artifact, or if it had to go because artifacts took too much room.
        """
        query = (
            sa.select(schema.artifacts.c.name, schema.artifacts.c.sha256)
            .join(schema.runs, schema.runs.c.number == schema.artifacts.c.run)
            .where(schema.runs.c.id == run)
        )
        with self.reading() as connection:
            known = {row.name: row.sha256 for row in connection.execute(query)}
        if name not in known:
            raise StoreError(
                f"The finished training run {run[:12]} has no artifact {name!r}; it has {sorted(known) or 'none'}."
            )
        path = self._artifacts.path(known[name])
        if not path.is_file():
            raise StoreError(
                f"The artifact {name!r} of training run {run[:12]} is gone: the least recently used ones make room when "
                "they are too much together (mlops_keep). Train the run again with --mlops-rerun, or raise mlops_keep."
            )
        if not self._database.read_only:
            with self.writing() as connection:
                used = sa.update(schema.objects).where(schema.objects.c.sha256 == known[name])
                connection.execute(used.values(used=time.time()))
        return path

    def artifacts_of(self, run: str) -> Mapping[str, str]:
        """The artifacts of a finished run with their SHA-256, also of those that are gone."""
        left = schema.artifacts.c
        query = sa.select(left.name, left.sha256).join(schema.runs, schema.runs.c.number == left.run)
        with self.reading() as connection:
            rows = connection.execute(query.where(schema.runs.c.id == run).order_by(left.name)).all()
        return {row.name: row.sha256 for row in rows}

    def has_artifacts(self, run: str) -> bool:
        """Whether none of them is gone."""
        return all(self._artifacts.path(sha256).is_file() for sha256 in self.artifacts_of(run).values())

    def hand_out(self, run: str, key: RunKey) -> Path | None:
        """A folder with copies of them for the run of that key; None if one is gone, or not what it was."""
        folder, found = self._copies(key), self.artifacts_of(run)
        self._artifacts.discard(folder)
        with self._speaking_of_artifacts():
            whole = self._artifacts.copy(found, folder)
        if not whole and self._database.read_only and self.has_artifacts(run):
            raise StoreError(
                f"An artifact of training run {run[:12]} is not what it was when it was kept, and the store cannot be written, "
                "so that it stays: remove it, or choose another store with --mlops-store=URL."
            )
        if not self._database.read_only:
            with self.writing() as connection:
                if whole:
                    self._artifacts.use(connection, found.values())
                else:
                    self._artifacts.drop_spoilt(connection, found.values())
        return folder if whole else None

    def _copies(self, key: RunKey) -> Path:
        """Where what a run goes on from is copied to; a sweep knows it by its end, as the folder of the run itself."""
        own = self.artifacts(key)
        return own.with_name(f"{key.digest[:20]}.upstream{own.suffix}")

    # --- the file

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that reads, for those who ask for more than the promise of a store."""
        return self._database.reading()

    def writing(self) -> AbstractContextManager[sa.Connection]:
        """A transaction that writes."""
        return self._database.writing()

    def prune(self) -> None:
        """Remove artifacts that no run has (any more), or that are too much together."""
        with self.writing() as connection:
            self._artifacts.prune(connection)

    def close(self) -> None:
        """Give back leases and close the file."""
        self._leases.close()
        self._database.close()
        if self._temporary is not None:
            self._temporary.cleanup()

    def _sweep(self) -> None:
        """Remove what killed processes left of artifacts."""
        with suppress(StoreError):  # a store that can only be read
            self._leases.bury()
        self._artifacts.sweep(dead=self._leases.dead, living=self._leases.living())
        if self._temporary is None:
            self._scratches.sweep(living=self._leases.living, keep=self._keep)
        forgotten = self._artifacts.forgotten()
        if forgotten:
            with suppress(StoreError), self.writing() as connection:
                self._artifacts.drop(connection, forgotten)

    @contextmanager
    def _speaking_of_artifacts(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"An artifact of a training run could not be kept beside the store {self.url}: {error}. Make room on its "
                "disk, or choose another store with --mlops-store=URL."
            ) from error

    def _insert(
        self,
        connection: sa.Connection,
        key: RunKey,
        result: RunResult,
        details: Details,
        artifacts: Sequence[Artifact],
    ) -> bool:
        """Whether the run was inserted; another session may have been first, which is what both wanted."""
        for row in detail_rows(key, result, details):
            connection.execute(insert(schema.details).values(row).on_conflict_do_nothing())
        values = run_row(key, result, details, self._session)
        run = insert(schema.runs).values(values).on_conflict_do_nothing(index_elements=["id"])
        number = connection.execute(run.returning(schema.runs.c.number)).scalar_one_or_none()
        if number is None:
            return False
        if result.metrics:
            connection.execute(sa.insert(schema.metrics), metric_rows(number, result))
        cases.put(connection, number, result.cases)
        if artifacts:
            self._artifacts.add(connection, number, artifacts)
        return True
