"""The store as one session uses it: what to reuse, who trains, and what to do when the store cannot be written."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_mlops.claims.ports import Store
from pytest_mlops.claims.why import few_changed
from pytest_mlops.errors import StoreError
from pytest_mlops.records import Details, Place, Record, RunKey, RunResult
from pytest_mlops.reports.text import plural

if TYPE_CHECKING:
    from pytest_mlops.store.sql import SqlStore

_PAUSE_SECONDS = 60.0
"""After a write that failed the store is left alone for so long: a locked one makes each try wait for long."""

_HELD = "Until it can be written, training runs of this session are held in memory, and other sessions may train the same."


def nothing(record: Record, at: Path | None) -> Sequence[str]:
    """No record is out of date: for runs of which no notes are taken."""
    del record, at
    return ()


@dataclass(kw_only=True)
class Keeping:
    """Finished runs in the store and, where it cannot be written, in memory until it can.

    Parameters
    ----------
    open_store : callable
        Opens it; called once at most.
    changed : callable
        Of what a record noted, the paths that are not as they were in a folder; None is the project as it is.
    rerun : bool
        Reuse nothing that another session trained.
    retry_failed : bool
        Reuse no failed run that another session trained.
    tell : callable
        Takes one line for people.
    """

    open_store: Callable[[], Store]
    changed: Callable[[Record, Path | None], Sequence[str]] = nothing
    rerun: bool = False
    retry_failed: bool = False
    tell: Callable[[str], None] = print
    trouble: str | None = None
    """Why the store could not be written, as long as something waits to be."""
    news: list[str] = field(default_factory=list)
    """What the report should say of it; whoever takes it clears it."""
    _store: Store | None = None
    _unsaved: dict[str, tuple[RunKey, RunResult, Details, Path | None]] = field(default_factory=dict)
    """By ``RunResult.id``; with the folder in which what it noted holds."""
    _instead_of: dict[str, str | None] = field(default_factory=dict)
    _copies: list[tempfile.TemporaryDirectory[str]] = field(default_factory=list)
    _leased: set[str] = field(default_factory=set)
    _again_at: float = 0.0
    _is_closed: bool = False

    @property
    def store(self) -> Store:
        """The store, opened on first use."""
        if self._store is None:
            self._store = self.open_store()
        return self._store

    def known(self, key: RunKey, place: Place | None = None, *, at: Path | None = None) -> RunResult | None:
        """The finished run of that key to reuse: the newest whose record holds ``at`` a folder, at that place of its seeds."""
        for result in self._waiting(key):
            if self.holds(result, place, at=at):
                return result
        newest = self._newest(key, place, at, mine=self.rerun)
        if newest is not None and newest.failed and self.retry_failed:
            return self._newest(key, place, at, mine=True)
        return newest

    def why_again(self, key: RunKey, place: Place | None = None, *, at: Path | None = None) -> str | None:
        """Why a key is trained of which there are finished runs; None if there are none."""
        runs = self.store.found(key)
        if not runs:
            return None
        runs = [run for run in runs if run.is_of(place)]
        if not runs:
            return "its seed tested another fold, at another place among the seeds"
        differences = [self.changed(run.record, at) for run in runs]
        if all(differences):
            return few_changed(min(differences, key=len))
        return "--mlops-rerun" if self.rerun else "it failed before (--mlops-retry-failed)"

    def lease(self, key: RunKey) -> str | None:
        """Ask to train that key; None says yes, a text says who does. A store that cannot be written says yes."""
        self._leased.discard(key.digest)
        if self._is_paused():
            return None
        try:
            holder = self.store.lease(key)
        except StoreError as error:
            self._pause(error)
            return None
        if holder is None:
            self._leased.add(key.digest)
        return holder

    def scratch(self, key: RunKey) -> Path | None:
        """The folder for ``run.scratch``; None where the store could not say that nobody else trains the key."""
        return self.store.scratch(key, mine=self.rerun) if key.digest in self._leased else None

    def release(self, key: RunKey) -> None:
        """Give a lease back without a result, unless one waits to be written."""
        if self._waiting(key):
            return
        self._leased.discard(key.digest)
        try:
            self.store.release(key)
        except StoreError as error:
            self._pause(error)

    def keep(
        self,
        key: RunKey,
        result: RunResult,
        details: Details,
        *,
        at: Path | None = None,
        instead_of: RunResult | None = None,
    ) -> RunResult:
        """Keep a run that was just trained ``at`` a folder, in place of another one if need be; the one that counts."""
        self._unsaved[result.id] = (key, result, details, at)
        self._instead_of[result.id] = instead_of.id if instead_of is not None else None
        if self._is_paused():
            return result
        try:
            return self._save()[result.id]
        except StoreError as error:
            self._pause(error)
            return result

    # --- what a run left, for those that go on from it

    def identity(self, run: RunResult) -> str:
        """SHA-256 of a finished run and all that it left: what goes on from it is another run where that differs."""
        left = json.dumps(dict(self._left(run)), sort_keys=True)
        return hashlib.sha256(f"{run.id} {left}".encode()).hexdigest()

    def has_left(self, run: RunResult) -> bool:
        """Whether all that a run left is still there."""
        return run.id in self._unsaved or self.store.has_artifacts(run.id)

    def hand_out(self, run: RunResult, key: RunKey) -> Path | None:
        """A folder with copies of what a run left, for the run of that key; None if some of it is gone."""
        if run.id not in self._unsaved:
            return self.store.hand_out(run.id, key)
        # The store cannot be written: what the run left lies where it wrote it.
        self._copies.append(tempfile.TemporaryDirectory(prefix="mlops-upstream-", ignore_cleanup_errors=True))
        source, folder = self.store.artifacts(self._unsaved[run.id][0]), Path(self._copies[-1].name, "left")
        folder.mkdir()
        for name in self._left(run):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        return folder

    def _left(self, run: RunResult) -> Mapping[str, str]:
        if run.id not in self._unsaved:
            return self.store.artifacts_of(run.id)
        from pytest_mlops.store.artifacts import left_in

        return left_in(self.store.artifacts(self._unsaved[run.id][0]))

    def close(self) -> str | None:
        """Write what is left, and close the store; a sentence about what could not be written. Closing twice is no error."""
        if self._store is None or self._is_closed:
            return None
        self._is_closed = True
        try:
            self._save()
        except StoreError as error:
            count = len(self._unsaved)
            return f"{plural(count, 'training run')} of this session {'is' if count == 1 else 'are'} lost: {error}"
        finally:
            for copies in self._copies:
                copies.cleanup()
            self._store.close()
        return None

    def holds(self, run: RunResult, place: Place | None = None, *, at: Path | None = None) -> bool:
        """Whether all that a run noted is as it was, and its place among the seeds is this one if it depends on that."""
        return run.is_of(place) and not self.changed(run.record, at)

    def _waiting(self, key: RunKey) -> list[RunResult]:
        """Runs of that key that wait to be written, the newest first."""
        return [result for _, result, _, _ in reversed(self._unsaved.values()) if result.key == key.digest]

    def _newest(self, key: RunKey, place: Place | None, at: Path | None, *, mine: bool) -> RunResult | None:
        return next((run for run in self.store.found(key, mine=mine) if self.holds(run, place, at=at)), None)

    def _replaced(self, key: RunKey, place: Place | None, at: Path | None) -> str | None:
        """Id of the run that is there and was not good enough to reuse."""
        if not (self.rerun or self.retry_failed):
            return None
        newest = self._newest(key, place, at, mine=False)
        return newest.id if newest is not None and (self.rerun or newest.failed) else None

    def _save(self) -> dict[str, RunResult]:
        """Write all that waits, oldest first; what could be written is off the list, whatever happens then."""
        kept = {}
        for name, (key, result, details, at) in list(self._unsaved.items()):
            replaced = self._instead_of.get(name) or self._replaced(key, result.place, at)
            kept[name] = self.store.put(key, result, details=details, instead_of=replaced)
            del self._unsaved[name]
        self.trouble = None
        return kept

    def _is_paused(self) -> bool:
        return time.monotonic() < self._again_at

    def _pause(self, error: StoreError) -> None:
        if self.trouble is None:
            self.news.append(f"{_first_line(error)} {_HELD}")
            self.tell(f"warning: {self.news[-1]}")
        self.trouble = _first_line(error)
        self._again_at = time.monotonic() + _PAUSE_SECONDS


def _first_line(error: StoreError) -> str:
    return str(error).partition("\n")[0]


# --- opening it


def store_url(url: str, folder: Path) -> str:
    """The URL of the store; an empty one means a file below ``folder``, from which a relative path counts too.

    Examples
    --------
    >>> store_url("", Path("/project")), store_url("sqlite:///runs.sqlite", Path("/project"))
    ('sqlite:////project/.mlops/store.sqlite', 'sqlite:////project/runs.sqlite')
    """
    import sqlalchemy as sa

    if not url:
        file = folder / ".mlops" / "store.sqlite"
        return sa.URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # whoever opens it says what is wrong
        return url
    path = parsed.database
    if parsed.get_backend_name() != "sqlite" or not path or path == ":memory:" or path.startswith("~"):
        return url
    return parsed.set(database=str(folder / path)).render_as_string(hide_password=False)


def open_sqlite(url: str, folder: Path, *, session: str | None = None, keep: int | None = None) -> SqlStore:
    """The store of a URL, or the default one below ``folder``. Its artifacts lie beside its file."""
    try:
        from pytest_mlops.store.database import sqlite_file
        from pytest_mlops.store.sql import KEEP_BYTES, SqlStore
    except ImportError as error:
        raise StoreError(f"The store needs SQLAlchemy, which does not load here: {error}") from error
    url = store_url(url, folder)
    file = sqlite_file(url) or folder / ".mlops" / "memory"
    return SqlStore(
        url,
        artifacts=file.with_suffix(".artifacts"),
        session=session,
        keep=KEEP_BYTES if keep is None else keep,
    )
