"""Who trains what, as rows with heartbeats: no transaction is ever open while something trains."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from pytest_mlops.errors import StoreError
from pytest_mlops.store.database import Database
from pytest_mlops.store.owner import Owner, this_process
from pytest_mlops.store.schema import leases

EXPIRY_SECONDS = 60.0
"""Without a heartbeat for so long a lease is free."""


class Leases:
    """The leases of one open store.

    The file is on a disk of one machine, so all its users share that machine's monotonic clock, which no
    administrator sets; after a boot it starts again, and heartbeats from the future are none.

    Parameters
    ----------
    database : Database
    expiry : float
        Seconds without a heartbeat after which a lease is free; four heartbeats fit in.
    """

    def __init__(self, database: Database, *, expiry: float = EXPIRY_SECONDS) -> None:
        self._database = database
        self._expiry = expiry
        self._heart: threading.Thread | None = None
        self._stop = threading.Event()
        self.owner = this_process()
        self.dead: set[str] = set()
        """Tokens of owners that were found dead: what they left in files can go."""

    def ask(self, key: str) -> Owner | None:
        """Take the lease of ``key``; None if it is ours now, else the one who has it."""
        with self._database.reading() as connection:
            holder = self._holder(connection, key)
        if holder is not None:
            return holder
        with self._database.writing() as connection:
            holder = self._holder(connection, key)
            if holder is None:
                self._note_dead(connection.execute(sa.select(leases).where(leases.c.key == key)).all())
                connection.execute(sa.delete(leases).where(leases.c.key == key))
                connection.execute(sa.insert(leases).values(self._row(key)))
        if holder is None:
            self._beat_from_now_on()
        return holder

    def release(self, key: str) -> None:
        """Give a lease back, if it is ours."""
        with self._database.writing() as connection:
            self.drop(connection, key)

    def drop(self, connection: sa.Connection, key: str) -> bool:
        """The same, inside a transaction; whether it was ours."""
        ours = sa.delete(leases).where(leases.c.key == key, leases.c.owner == self.owner.token)
        return connection.execute(ours).rowcount > 0

    def bury(self) -> None:
        """Note all owners that are certainly gone, and remove their leases."""
        with self._database.reading() as connection:
            tokens = self._note_dead(connection.execute(sa.select(leases)).all())
        if tokens:
            with self._database.writing() as connection:
                connection.execute(sa.delete(leases).where(leases.c.owner.in_(tokens)))

    def _note_dead(self, rows: Sequence[sa.Row[Any]]) -> set[str]:
        tokens = {row.owner for row in rows if _owner(row).is_dead}
        self.dead |= tokens
        return tokens

    def living(self) -> set[str]:
        """Tokens of all owners of leases that hold."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(leases)).all()
        return {row.owner for row in rows if self._holds(row)}

    def close(self) -> None:
        """Stop the heartbeat and give back what is left."""
        self._stop.set()
        if self._heart is None:
            return
        self._heart.join()
        self._heart = None
        with suppress(StoreError), self._database.writing() as connection:
            connection.execute(sa.delete(leases).where(leases.c.owner == self.owner.token))

    def _holder(self, connection: sa.Connection, key: str) -> Owner | None:
        row = connection.execute(sa.select(leases).where(leases.c.key == key)).one_or_none()
        if row is None or row.owner == self.owner.token or not self._holds(row):
            return None
        return _owner(row)

    def _holds(self, row: sa.Row[Any]) -> bool:
        return 0 <= time.monotonic() - row.beat <= self._expiry and not _owner(row).is_dead

    def _row(self, key: str) -> dict[str, object]:
        owner = self.owner
        return {
            "key": key,
            "owner": owner.token,
            "host": owner.host,
            "pid": owner.pid,
            "started": owner.started,
            "beat": time.monotonic(),
        }

    def _beat_from_now_on(self) -> None:
        if self._heart is None and not self._database.in_memory:
            self._heart = threading.Thread(target=self._beat, name="mlops-heartbeat", daemon=True)
            self._heart.start()

    def _beat(self) -> None:
        """Renew all leases of ours, by a connection of this thread, until the store is closed."""
        mine = sa.update(leases).where(leases.c.owner == self.owner.token)
        while not self._stop.wait(self._expiry / 4):
            # A beat that fails (a full disk) is made up for by the next; without any the lease ends, as it should.
            with suppress(StoreError), self._database.writing() as connection:
                connection.execute(mine.values(beat=time.monotonic()))


def _owner(row: sa.Row[Any]) -> Owner:
    return Owner(token=row.owner, host=row.host, pid=row.pid, started=row.started)
