"""Folders of runs that train, which outlive their processes: ``run.scratch``, found again by whoever gets the lease."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_UNUSED_SECONDS = 30 * 86400
"""After so long nobody will go on with it."""

_KEY = 32
"""Characters of a key that name a folder; what lies in it has the whole key."""


@dataclass(frozen=True, kw_only=True)
class Left:
    """A folder that an unfinished run left."""

    path: Path
    owner: str
    size: int
    used: float
    """Seconds since 1970 of the last change in it."""


class Scratches:
    """The scratch folders of one store, ``<key>.<owner>``.

    The owner's token is a fence: whoever takes the lease of a key over renames the folder to a name of its own. A process that
    only stood still then finds nothing where it wrote, and cannot write into what another one trains from.

    Parameters
    ----------
    folder : Path
        Where they lie; made when the first one is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def taken(self, key: str, owner: str, *, mine: bool) -> Path:
        """The folder of a key for ``owner``, who has its lease; with what the last owner left there.

        With ``mine`` what others left is removed.
        """
        own = self.folder / f"{key[:_KEY]}.{owner}"
        others = [folder for folder in self._of(key) if folder != own]
        if not mine and others and not own.exists():
            newest = max(others, key=_used)
            with suppress(OSError):  # it was cleaned away meanwhile
                newest.rename(own)
        for folder in others:
            discard(folder)
        return own

    def drop(self, key: str, owner: str, *, all_of_them: bool) -> None:
        """Remove the folder of a key that ``owner`` has; those of others too only by the one who has the lease."""
        for folder in self._of(key):
            if all_of_them or folder.suffix == f".{owner}":
                discard(folder)

    def left(self) -> list[Left]:
        """All folders that are there, the last used first."""
        found = [
            Left(path=folder, owner=folder.suffix.removeprefix("."), size=_size(folder), used=_used(folder))
            for folder in self._folders()
            if not folder.name.startswith("gone.")
        ]
        return sorted(found, key=lambda one: -one.used)

    def sweep(self, *, living: Callable[[], set[str]], keep: int) -> int:
        """Remove what nobody has used for long, and the least recently used while it is more than ``keep`` bytes; how many.

        Folders of owners that train are left alone: ``living`` is asked once more before each removal.
        """
        for folder in self._folders():
            if folder.name.startswith("gone."):  # somebody was killed while removing it
                shutil.rmtree(folder, ignore_errors=True)
        total, removed = 0, 0
        for one in self.left():
            total += one.size
            is_old = time.time() - one.used > _UNUSED_SECONDS
            if (is_old or total > keep) and one.owner not in living():
                removed += discard(one.path)
                total -= one.size
        return removed

    def _of(self, key: str) -> list[Path]:
        return [folder for folder in self._folders() if folder.stem == key[:_KEY]]

    def _folders(self) -> list[Path]:
        with suppress(OSError):
            return sorted(self.folder.iterdir())
        return []


def discard(folder: Path) -> bool:
    """Remove a folder, at once as far as others can see; whether it was there.

    Somebody may take it over meanwhile by its name: then it is theirs, and nothing in it is touched.
    """
    gone = folder.with_name(f"gone.{os.urandom(8).hex()}")
    try:
        folder.rename(gone)
    except OSError:
        return False
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _inside(folder: Path) -> Iterator[os.stat_result]:
    for root, _, names in os.walk(folder):
        for path in (root, *(os.path.join(root, name) for name in names)):  # noqa: PTH118
            with suppress(OSError):
                yield os.lstat(path)


def _size(folder: Path) -> int:
    return sum(status.st_size for status in _inside(folder))


def _used(folder: Path) -> float:
    return max((status.st_mtime for status in _inside(folder)), default=0.0)
