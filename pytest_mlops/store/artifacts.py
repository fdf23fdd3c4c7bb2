"""Files that training runs keep: by content once their run has ended, in a folder of the run before."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from pytest_mlops.store.schema import artifacts, objects

_FORGOTTEN_SECONDS = 7 * 86400
"""After so long what nobody knows is taken for the rest of a killed process."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file that a run left, not stored yet."""

    name: str
    path: Path
    sha256: str
    size: int


class Artifacts:
    """The files of one store. Rows and files change in one writing transaction, so no other process is between them.

    Parameters
    ----------
    folder : Path
        ``objects/ab/abcdef...`` has the contents, ``running/`` the folders of runs that train.
    keep : int
        Bytes of contents to keep: the least recently used ones go first.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._folder = folder.absolute()  # the training function may change the working directory
        self._keep = keep

    def running(self, key: str, owner: str) -> Path:
        """Where the run of that key writes while ``owner`` trains it."""
        return self._folder / "running" / f"{key[:20]}.{owner}"

    def found(self, folder: Path) -> tuple[list[Artifact], list[str]]:
        """What a run left in its folder, and why some of it cannot be kept.

        A file that nobody can read costs itself and never the run.
        """
        kept, left_out = [], []
        for file in _files(folder):
            name = file.relative_to(folder).as_posix()
            reason = _unfit(file)
            if reason is None:
                try:
                    kept.append(
                        Artifact(name=name, path=file, sha256=_sha256(file), size=file.stat().st_size)
                    )
                except OSError as error:
                    reason = error.strerror or type(error).__name__
            if reason is not None:
                left_out.append(f"artifact {name!r} was not kept: {reason}")
        return kept, left_out

    def add(self, connection: sa.Connection, run: int, found: Iterable[Artifact]) -> None:
        """Store them under the number of their run.

        The files stay in the run's folder too, until it is discarded: if the transaction fails, it can be tried again.
        """
        now = time.time()
        for artifact in found:
            if not artifact.path.exists():  # something that the run left running removed it meanwhile
                continue
            _link(artifact.path, self.path(artifact.sha256))
            row = insert(objects).values(sha256=artifact.sha256, size=artifact.size, used=now)
            connection.execute(
                row.on_conflict_do_update(index_elements=["sha256"], set_={"used": row.excluded.used})
            )
            connection.execute(
                sa.insert(artifacts).values(
                    run=run, name=artifact.name, sha256=artifact.sha256, size=artifact.size
                )
            )

    def prune(self, connection: sa.Connection) -> None:
        """Remove contents that no run has, and the least recently used ones while they are too much together."""
        used = sa.select(artifacts.c.sha256)
        unused = sa.select(objects.c.sha256).where(objects.c.sha256.not_in(used))
        for sha256 in connection.execute(unused).scalars().all():
            self._remove(connection, sha256)
        total = connection.execute(sa.select(sa.func.coalesce(sa.func.sum(objects.c.size), 0))).scalar_one()
        if total <= self._keep:
            return
        for row in connection.execute(sa.select(objects).order_by(objects.c.used)).all():
            if total <= self._keep:
                return
            self._remove(connection, row.sha256)
            total -= row.size

    def copy(self, contents: Mapping[str, str], folder: Path) -> bool:
        """Copy contents to their names in a folder; whether all were there, and each was what its hash says."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, sha256 in contents.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(
                    self.path(sha256), place
                )  # a file of its own, with modes of its own: whoever writes spoils that
            except FileNotFoundError:
                return False
            if _sha256(place) != sha256:
                return False
        return True

    def use(self, connection: sa.Connection, contents: Iterable[str]) -> None:
        """They were used now, and are the last to make room."""
        used = sa.update(objects).where(objects.c.sha256.in_(list(contents)))
        connection.execute(used.values(used=time.time()))

    def drop_spoilt(self, connection: sa.Connection, contents: Iterable[str]) -> None:
        """Remove those that are not what their hash says, so that nobody takes them for it again."""
        for sha256 in contents:
            file = self.path(sha256)
            if file.is_file() and _sha256(file) != sha256:
                self._remove(connection, sha256)

    def path(self, sha256: str) -> Path:
        """Where a content lies, if it is kept."""
        return self._folder / "objects" / sha256[:2] / sha256

    def discard(self, folder: Path) -> None:
        """Remove a run's folder with all that is left in it."""
        shutil.rmtree(folder, ignore_errors=True)

    def sweep(self, *, dead: set[str], living: set[str]) -> None:
        """Remove folders of owners that are dead, and of such that nobody has known for long."""
        with suppress(OSError):
            for folder in (self._folder / "running").iterdir():
                owner = folder.suffix.removeprefix(".")
                if owner in dead or (_is_old(folder) and owner not in living):
                    self.discard(folder)

    def forgotten(self) -> list[str]:
        """Contents that lie there for long; a kill in the middle of ``put`` may have left one without a row."""
        return [file.name for file in self._folder.glob("objects/??/*") if _is_old(file)]

    def drop(self, connection: sa.Connection, contents: Iterable[str]) -> None:
        """Remove those of the contents that have no row."""
        for sha256 in contents:
            known = sa.select(objects.c.sha256).where(objects.c.sha256 == sha256)
            if connection.execute(known).one_or_none() is None:
                self._remove(connection, sha256)

    def _remove(self, connection: sa.Connection, sha256: str) -> None:
        connection.execute(sa.delete(objects).where(objects.c.sha256 == sha256))
        with suppress(OSError):  # another hand removed it, which is what was wanted
            self.path(sha256).unlink()


def left_in(folder: Path) -> dict[str, str]:
    """What a run left in its folder, by name with the SHA-256; without what cannot be kept."""
    files = {file.relative_to(folder).as_posix(): file for file in _files(folder) if _unfit(file) is None}
    return {name: _sha256(file) for name, file in files.items()}


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield Path(root, name)
        for name in folders:
            if Path(root, name).is_symlink():
                yield Path(root, name)


def _unfit(file: Path) -> str | None:
    """Why a file cannot be an artifact: links lead elsewhere, pipes and sockets have no content."""
    if file.is_symlink():
        return "it is a link"
    if not str(file).isprintable():
        return "its name has characters that cannot be shown"
    return None if file.is_file() else "it is no plain file"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _link(file: Path, place: Path) -> None:
    """A second name for the same file: there whole or not at all. Read-only, so that no careless reader spoils it."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with suppress(OSError):  # somebody else's file, from a container
        file.chmod(0o444)
    try:
        place.hardlink_to(file)
    except OSError:  # a file system without links
        beside = place.with_suffix(".part")
        shutil.copyfile(file, beside)
        beside.replace(place)


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_ctime > _FORGOTTEN_SECONDS
    return False
