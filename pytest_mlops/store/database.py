"""A SQLite file through SQLAlchemy Core: opened, brought to the newest version, read and written in transactions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from pytest_mlops.errors import StoreError
from pytest_mlops.notation import without_password
from pytest_mlops.store import schema
from pytest_mlops.store.migrations import migrate
from pytest_mlops.store.mounts import network_filesystem

BUSY_SECONDS = 30.0
"""How long a writer waits for another one; SQLite's queue is unfair, 1.5 s were measured with eight writers."""

_PAST = {"open": "opened", "read": "read", "write": "written"}
_WRITE = "Write sqlite:///path/to/runs.sqlite"
_OTHER = "choose another with --mlops-store=URL"


class Database:
    """One open SQLite file with the tables of ``schema.py``. Reads never wait for a writer.

    Parameters
    ----------
    url : str
        ``sqlite:///path/to/file.sqlite``.
    busy : float
        Seconds that a writer waits for another process.

    Attributes
    ----------
    read_only : bool
        Whether the file, or its folder, cannot be written: what is in it can be used all the same.

    Raises
    ------
    StoreError
        If the file cannot be opened, is no store, lies on a network file system, or was written by a newer version.
    """

    def __init__(self, url: str, *, busy: float = BUSY_SECONDS) -> None:
        self.url = url
        self._busy = busy
        self.file = sqlite_file(url)
        self.read_only = False
        if self.file is not None:
            _refuse_network(self.file)
            _make_folder(self.file.parent)
        self._engine = _engine(_url_of(self.file), busy)
        try:
            self._open()
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def in_memory(self) -> bool:
        """Whether it is gone when it is closed, and each thread would see one of its own."""
        return self.file is None

    @contextmanager
    def reading(self, deed: str = "read") -> Iterator[sa.Connection]:
        """A transaction that sees one state of the file and takes no lock."""
        with self._speaking_of(deed), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self, deed: str = "write", *, durable: bool = False) -> Iterator[sa.Connection]:
        """A transaction that writes, alone; ``durable`` ones are on the disk, not only with the system, when it ends."""
        with (
            self._speaking_of(deed),
            self._engine.connect().execution_options(mlops_writes=True) as connection,
            _synchronous(connection, durable),
            connection.begin(),
        ):
            yield connection

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        self._engine.dispose()

    def _open(self) -> None:
        deadline = time.monotonic() + self._busy
        while True:
            try:
                self._prepare()
                return
            except StoreError as error:
                if _is_locked(error) and time.monotonic() < deadline:
                    time.sleep(
                        0.05
                    )  # another process makes the file: switching to WAL does not wait by itself
                elif not self._reopened_to_read(error):
                    raise

    def _prepare(self) -> None:
        with self.reading("open") as connection:
            version = _checked_version(connection, self.url)
        if version != schema.VERSION:
            with self.writing("open", durable=True) as connection:
                migrate(connection, _checked_version(connection, self.url))  # another process may be faster

    def _reopened_to_read(self, error: StoreError) -> bool:
        """Open a file that cannot be written for reading only, if that is what is wrong."""
        if self.read_only or self.file is None or not self.file.is_file() or not _is_unwritable(error):
            return False
        self._engine.dispose()
        # Without a writable folder SQLite cannot share its index with writers, and nobody writes here.
        query = {"immutable": "1", "uri": "true"}
        self._engine = _engine(
            sa.URL.create("sqlite", database=f"file:{quote(str(self.file))}", query=query), self._busy
        )
        self.read_only = True
        return True

    @contextmanager
    def _speaking_of(self, deed: str) -> Iterator[None]:
        try:
            yield
        except sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(
                f"The store {self.url} could not be {_PAST[deed]}: {cause}. {_safe(str(cause))}{_remedy(str(cause))}"
            ) from error


def _safe(cause: str) -> str:
    """What can be said of the finished runs: nothing, of a file that is damaged."""
    return "" if "malformed" in cause else "No finished training run in it is lost. "


def _remedy(cause: str) -> str:
    for part, remedy in (
        ("locked", "Another process keeps it locked: end that one"),
        ("full", "Make room on its disk"),
        ("disk I/O", "Make room on its disk, and see that the disk works"),
        ("readonly", "Make the file and its folder writable"),
        ("unable to open", "See that its folder is there and can be written"),
        ("not a database", "The file is something else, and was left alone: give another path"),
        ("malformed", "The file is damaged: restore a copy of it"),
    ):
        if part in cause:
            return f"{remedy}, or {_OTHER}."
    return f"Check the file, its folder and the disk, or {_OTHER}."


def _is_locked(error: StoreError) -> bool:
    return "database is locked" in str(error.__cause__)


def _is_unwritable(error: StoreError) -> bool:
    cause = str(error.__cause__)
    return "readonly" in cause or "unable to open" in cause


# --- the engine


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite URL, ``~`` resolved; None for one in memory.

    Raises
    ------
    StoreError
        If it is no URL, one of another database, or its path cannot be one of a file.
    """
    shown = without_password(url)
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise StoreError(f"store = {shown!r} is no URL. {_WRITE}") from None
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"store = {shown!r}: this version keeps runs in SQLite. {_WRITE}")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite") or parsed.host or parsed.query:
        raise StoreError(
            f"store = {shown!r}: the store opens the file by itself, so its URL has a path and nothing else: no driver, "
            f"host or options. {_WRITE}"
        )
    if not parsed.database or parsed.database == ":memory:":
        return None
    try:
        file = Path(parsed.database).expanduser().absolute()  # the function may change the working directory
        file.resolve(strict=False).exists()
    except (OSError, RuntimeError, ValueError) as error:  # too long, links in a circle, no home, a null
        reason = str(error).partition(": '")[0]
        raise StoreError(
            f"store = {shown!r:.300} cannot be the path of a file: {reason:.300}. {_WRITE}"
        ) from None
    return file


def _url_of(file: Path | None) -> sa.URL:
    return sa.URL.create("sqlite", database=str(file) if file is not None else None)


def _engine(url: sa.URL, busy: float) -> sa.Engine:
    engine = sa.create_engine(url, connect_args={"timeout": busy})

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
        # A deferred transaction that comes to write fails at once when another process writes.
        writes = connection.get_execution_options().get("mlops_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


@contextmanager
def _synchronous(connection: sa.Connection, durable: bool) -> Iterator[None]:
    """Wait for the disk at the end of a durable transaction: a power cut shall not cost a finished run either."""
    if not durable:
        yield
        return
    raw = connection.connection.dbapi_connection
    assert raw is not None, "a connection that was just opened"
    raw.cursor().execute("PRAGMA synchronous = FULL")
    try:
        yield
    finally:
        raw.cursor().execute("PRAGMA synchronous = NORMAL")


# --- the file


def _refuse_network(file: Path) -> None:
    kind = network_filesystem(file)
    if kind is not None:
        raise StoreError(
            f"The store {str(file)!r} lies on a network file system ({kind}), where SQLite's locks are not reliable: two "
            "sessions could destroy each other's runs. Put it on a local disk: "
            "--mlops-store=sqlite:////path/on/a/local/disk/runs.sqlite (PostgreSQL, for several machines, comes later)."
        )


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


def _checked_version(connection: sa.Connection, url: str) -> int:
    """Version of the tables; 0 for an empty file."""
    version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
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
    return version
