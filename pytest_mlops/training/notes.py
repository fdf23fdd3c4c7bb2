"""What a training run turns out to depend on: files that it reads, modules that it imports by a computed name.

Python tells of both: by audit events (PEP 578) and through its import system. Not seen are files that a library opens in
C (OpenCV, HDF5), that another program reads, and that were looked for and not there: declare them with ``.using(data=...)``.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pytest_mlops import fingerprint

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LISTING = frozenset({"os.listdir", "os.scandir"})
_CHANGED = "changed while the run read it"
"""Stands for the content of a file that somebody saved meanwhile: equal to no hash, so that the run is trained again."""

Stamp = tuple[int, int, int]


class Notes:
    """What one run opens, lists and imports below a folder.

    Parameters
    ----------
    root : Path
        pytest's root folder: what lies elsewhere is the machine's, not the experiment's.
    declared : iterable of Path
        Files and folders that count already.
    """

    def __init__(self, root: Path, declared: Iterable[Path] = ()) -> None:
        self._root = str(root)
        self._declared = tuple(str(path.absolute()) for path in declared)
        self._read: dict[str, Stamp] = {}
        self._listed: dict[str, str] = {}
        self._written: set[str] = set()
        self._carried: set[str] = set()
        self._modules: set[str] = set()
        self._missed = ""
        self._process = os.getpid()
        self._of_workers: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by ``files``

    # --- while it trains

    def opened(self, path: object, mode: object, flags: object) -> None:
        """Take notice of a file that is about to be opened."""
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor: whoever opened it was heard
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - no system call for each part, as resolve() has
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & _WRITING):
            if name in self._read:
                self._carried.add(name)
            self._written.add(name)
        elif name not in self._read and self._counts(name):
            with suppress(OSError):
                self._note(name, _stamp(name))

    def listed(self, path: object) -> None:
        """Take notice of a folder whose names are asked for."""
        if path is not None and not isinstance(path, str | bytes | os.PathLike):
            return
        name = os.path.abspath(os.fsdecode(path or "."))  # noqa: PTH100
        if name not in self._listed and self._counts(os.path.join(name, "")):  # noqa: PTH118
            self._listed[name] = fingerprint.listing(name)

    def incomplete(self, reason: str) -> None:
        """Something was not noted: the record must never be taken for a whole one."""
        self._missed = reason

    def _counts(self, name: str) -> bool:
        if not name.startswith(self._root + os.sep) or name.startswith(self._declared):
            return False
        return fingerprint.is_of_the_project(name[len(self._root) :])

    def _note(self, name: str, stamp: Stamp | None) -> None:
        if stamp is None:
            return
        self._read[name] = stamp
        if os.getpid() != self._process:  # a worker of a loader, forked from the run: its memory ends with it
            line = f"{name}\0{' '.join(map(str, stamp))}\n"
            os.write(self._of_workers.fileno(), line.encode("utf-8", "surrogateescape"))

    # --- afterwards

    def imported(self, modules: Iterable[str]) -> None:
        """Take notice of modules that were imported, or asked for by a computed name."""
        self._modules |= set(modules)

    def carried(self) -> list[str]:
        """Files that the run read and then wrote: what one run leaves in them would train the next one on."""
        return sorted(self._relative(name) for name in self._carried)

    def modules(self) -> Mapping[str, str]:
        """First-party modules by path relative to the root, with the hash of their normalised source."""
        return fingerprint.modules(self._modules, root=self._root)

    def files(self) -> Mapping[str, str]:
        """Files by path relative to the root with their SHA-256, and folders (``conf/``) with that of their names.

        Left out are files that the run wrote itself, and the sources of modules, which count normalised.
        """
        with self._of_workers:
            self._of_workers.seek(0)
            for line in self._of_workers.read().decode("utf-8", "surrogateescape").splitlines():
                name, _, numbers = line.partition("\0")
                size, time, inode = map(int, numbers.split(" "))
                self._read.setdefault(name, (size, time, inode))
        sources = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        found = {}
        for name, stamp in self._read.items():
            if name not in self._written and name not in sources:
                found[self._relative(name)] = self._content(name, stamp)
        for name, names in self._listed.items():
            if not any(os.path.dirname(written) == name for written in self._written):  # noqa: PTH120
                found[self._relative(name) + "/"] = names
        if self._missed:
            found["(some files could not be noted)"] = self._missed
        return dict(sorted(found.items()))

    def _content(self, name: str, stamp: Stamp) -> str:
        try:
            return fingerprint.path_content(Path(name)) if _stamp(name) == stamp else _CHANGED
        except OSError:
            return _CHANGED

    def _relative(self, name: str) -> str:
        return Path(os.path.relpath(name, self._root)).as_posix()


def _stamp(name: str) -> Stamp | None:
    """Size, time and inode of a regular file."""
    status = os.stat(name)  # noqa: PTH116 - inside an audit hook, for every file that is opened
    return (status.st_size, status.st_mtime_ns, status.st_ino) if stat.S_ISREG(status.st_mode) else None


# --- one hook a process: Python has no way to take it off again

_active: Notes | None = None
_hooked = False
_this_thread = threading.local()


@contextmanager
def noting(root: Path | None, declared: Iterable[Path] = ()) -> Iterator[Notes | None]:
    """Take notes of everything that this thread's process opens and imports until the end of the block.

    Parameters
    ----------
    root : Path or None
        None takes no notes.
    declared : iterable of Path
        Files and folders that count already.
    """
    global _active, _hooked
    if root is None:
        yield None
        return
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked = True
    _active = notes = Notes(root, declared)
    with fingerprint.imports_heard() as heard:
        try:
            yield notes
        finally:
            _active = None
            notes.imported(heard)


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Whatever goes wrong here must not reach the program that opens a file."""
    notes = _active
    if notes is None or getattr(_this_thread, "hearing", False):
        return
    _this_thread.hearing = True  # what we open and list ourselves is not the run's
    try:
        if event == "open":
            notes.opened(*arguments)
        elif event == "sqlite3.connect":
            notes.opened(arguments[0], "r", 0)
        elif event in _LISTING and not _is_import_system():
            notes.listed(arguments[0])
    except Exception as error:  # noqa: BLE001
        notes.incomplete(f"{type(error).__name__}: {error}")
    finally:
        _this_thread.hearing = False


def _is_import_system() -> bool:
    """Whether Python itself lists a folder, to find modules in it."""
    return sys._getframe(2).f_code.co_filename.startswith("<frozen importlib")


def paths_in(data: object) -> Iterator[Path]:
    """The paths in a declared structure."""
    if isinstance(data, Path):
        yield data
    elif isinstance(data, dict):
        for item in data.values():
            yield from paths_in(item)
    elif isinstance(data, list | tuple):
        for item in data:
            yield from paths_in(item)


__all__ = ["Notes", "noting", "paths_in"]
