"""What a training run turns out to depend on: files and environment variables that it reads, modules by a computed name.

Python tells of them: by audit events (PEP 578), through its import system, by ``os.environ``. Not seen are files that a library
opens in C (OpenCV, HDF5), that another program reads, and that were looked for and not there: declare them with
``.using(data=...)``; and variables that a library reads: declare them with ``.using(env=...)``.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, BinaryIO

from pytest_mlops import fingerprint
from pytest_mlops.records import Record
from pytest_mlops.training.journal import Fact, Journal, by_kind
from pytest_mlops.training.reads import variables_heard

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_LISTING = frozenset({"os.listdir", "os.scandir"})
_CHANGED = "changed while the run read it"
"""Stands for the content of a file that somebody saved meanwhile: equal to no hash, so that the run is trained again."""

_OF_THE_SHELL = frozenset({"_"})
"""Where the shell found the program that was started: no experiment depends on it."""

Stamp = tuple[int, int, int]


class Notes:
    """What one run opens, lists and imports below a folder, and which environment variables its code reads.

    Parameters
    ----------
    root : Path
        pytest's root folder: what lies elsewhere is the machine's, not the experiment's.
    aside : iterable of Path
        Files and folders that count already, or that are the run's own.
    set_by_us : collection of str
        Environment variables that the run's key tells of.
    """

    def __init__(self, root: Path, aside: Iterable[Path] = (), set_by_us: Collection[str] = ()) -> None:
        self._root = str(root)
        self._aside = tuple(str(path.absolute()) for path in aside)
        self._set_by_us = frozenset(set_by_us) | _OF_THE_SHELL
        self._environment = dict(os.environ)  # what the run sets itself is no cause
        self._read: dict[str, Stamp] = {}
        self._listed: dict[str, str] = {}
        self._variables: dict[str, str] = {}
        self._written: set[str] = set()
        self._carried: set[str] = set()
        self._modules: set[str] = set()
        self._missed = ""
        self._process = os.getpid()
        self._of_workers: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by ``record``
        self._journal: Journal | None = None
        self._recalled: list[Fact] = []
        self._read_before: set[str] = set()

    # --- while it trains

    def opened(self, path: object, mode: object, flags: object) -> None:
        """Take notice of a file that is about to be opened."""
        if not isinstance(path, str | bytes | os.PathLike):
            return  # a descriptor: whoever opened it was heard
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - no system call for each part, as resolve() has
        writes = isinstance(mode, str) and set(mode) & set("wax+")
        if writes or (isinstance(flags, int) and flags & _WRITING):
            if name in self._read or name in self._read_before:
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
            self._keep(("files", self._relative(name) + "/", self._listed[name]))

    def asked_for(self, variable: str, at_import: bool) -> None:
        """Take notice of an environment variable that the user's code reads."""
        if variable in self._variables or variable in self._set_by_us:
            return
        trace = fingerprint.trace(variable, self._environment.get(variable))
        if at_import:
            fingerprint.at_import(variable, trace)
        self._variables[variable] = trace
        self._keep(("variables", variable, trace))
        self._tell_parent("variable", variable, trace)

    def incomplete(self, reason: str) -> None:
        """Something was not noted: the record must never be taken for a whole one."""
        self._missed = reason
        if self._journal is not None:
            self._journal.distrust()

    def _counts(self, name: str) -> bool:
        if not _is_within(name, self._root) or any(_is_within(name, path) for path in self._aside):
            return False
        return fingerprint.is_of_the_project(name[len(self._root) :])

    def _note(self, name: str, stamp: Stamp | None) -> None:
        if stamp is None:
            return
        self._read[name] = stamp
        if self._journal is not None and not _is_source(name):
            self._keep(("files", self._relative(name), self._content(name, stamp)))
        self._tell_parent("file", name, stamp)

    def _tell_parent(self, kind: str, name: str, what: str | Stamp) -> None:
        """From a worker of a loader, forked from the run: its memory ends with it."""
        if os.getpid() != self._process:
            os.write(self._of_workers.fileno(), (json.dumps([kind, name, what]) + "\n").encode())

    # --- for those who go on after a kill

    def journalled(self, journal: Journal, recalled: list[Fact] | None) -> None:
        """Write into the journal what was noted so far, and from now on each fact before it can be used.

        Parameters
        ----------
        journal : Journal
            Of this run.
        recalled : list of Fact or None
            What earlier attempts noted, on whose work this one goes on: it counts as noted by this one. None if it goes on
            from nothing.

        Raises
        ------
        OSError
            If the journal cannot be written.
        """
        self._recalled = recalled or []
        self._read_before = {
            str(Path(self._root, name)) for kind, name, _ in self._recalled if kind == "files"
        }
        self._hear_workers()
        self._variables = {**fingerprint.of_imports(), **self._variables}
        facts: list[Fact] = [
            ("files", self._relative(name), self._content(name, stamp))
            for name, stamp in self._read.items()
            if not _is_source(name)
        ]
        facts += [("files", self._relative(name) + "/", names) for name, names in self._listed.items()]
        facts += [("variables", name, trace) for name, trace in self._variables.items()]
        facts += [("modules", path, digest) for path, digest in self._sources(self._modules).items()]
        journal.begin(facts, anew=recalled is None)
        self._journal = journal

    def about_to_import(self, module: str) -> None:
        """Take notice of one module, for the journal; all of them are taken notice of at the end."""
        if self._journal is None:
            self._modules.add(module)
            return
        for path, digest in self._sources([module]).items():
            self._keep(("modules", path, digest))

    def _keep(self, fact: Fact) -> None:
        if self._journal is not None:
            with suppress(OSError):  # then there is no journal any more, and nobody goes on from this run
                self._journal.add(fact)

    # --- afterwards

    def imported(self, modules: Iterable[str]) -> None:
        """Take notice of modules that were imported, or asked for by a computed name."""
        self._modules |= set(modules)

    def carried(self) -> list[str]:
        """Files that the run read and then wrote: what one run leaves in them would train the next one on."""
        return sorted(self._relative(name) for name in self._carried)

    def record(self) -> Record:
        """All that was noted, here, in workers and by the attempts that this one goes on from."""
        self._hear_workers()
        self._of_workers.close()
        self._variables = {**fingerprint.of_imports(), **self._variables}
        recalled = by_kind(self._recalled)
        return Record(
            modules=_together(recalled["modules"], self._sources(self._modules)),
            files=_together(recalled["files"], self._files()),
            variables=_together(recalled["variables"], self._variables),
        )

    def close(self) -> None:
        """No record is wanted."""
        self._of_workers.close()

    def _hear_workers(self) -> None:
        # Read without moving: workers that are at it write where the last one stopped.
        size = os.fstat(self._of_workers.fileno()).st_size
        if not size:
            return
        for line in os.pread(self._of_workers.fileno(), size, 0).splitlines():
            kind, name, what = json.loads(line)
            if kind == "file":
                self._read.setdefault(name, tuple(what))
            else:
                self._variables.setdefault(name, what)

    def _sources(self, modules: Iterable[str]) -> Mapping[str, str]:
        """First-party modules by path relative to the root, with the hash of their normalised source."""
        return fingerprint.modules(modules, root=self._root)

    def _files(self) -> Mapping[str, str]:
        """Files by path relative to the root with their SHA-256, and folders (``conf/``) with that of their names.

        Left out are files that the run wrote itself, and the sources of modules, which count normalised.
        """
        found = {}
        for name, stamp in self._read.items():
            if name not in self._written and not _is_source(name):
                found[self._relative(name)] = self._content(name, stamp)
        for name, names in self._listed.items():
            if not any(os.path.dirname(written) == name for written in self._written):  # noqa: PTH120
                found[self._relative(name) + "/"] = names
        if self._missed:
            found["(some files could not be noted)"] = self._missed
        return found

    def _content(self, name: str, stamp: Stamp) -> str:
        try:
            return fingerprint.path_content(Path(name)) if _stamp(name) == stamp else _CHANGED
        except OSError:
            return _CHANGED

    def _relative(self, name: str) -> str:
        return Path(os.path.relpath(name, self._root)).as_posix()


def _is_within(name: str, path: str) -> bool:
    return name == path or name.startswith(path.rstrip(os.sep) + os.sep)


def _is_source(name: str) -> bool:
    """Whether a file is the source of a module: those count normalised."""
    return name.endswith(".py") and any(
        getattr(module, "__file__", None) == name for module in list(sys.modules.values())
    )


def _together(recalled: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """What several attempts noted; of what is not the same for all of them, that it changed."""
    both = {**recalled, **now}
    return {
        name: both[name] if recalled.get(name, both[name]) == both[name] else _CHANGED
        for name in sorted(both)
    }


def _stamp(name: str) -> Stamp | None:
    """Size, time and inode of a regular file."""
    status = os.stat(name)  # noqa: PTH116 - inside an audit hook, for every file that is opened
    return (status.st_size, status.st_mtime_ns, status.st_ino) if stat.S_ISREG(status.st_mode) else None


# --- one hook a process: Python has no way to take it off again

_active: Notes | None = None
_hooked = False
_this_thread = threading.local()


@contextmanager
def noting(
    root: Path | None, aside: Iterable[Path] = (), set_by_us: Collection[str] = ()
) -> Iterator[Notes | None]:
    """Take notes of everything that this thread's process opens, imports and asks for until the end of the block.

    Parameters
    ----------
    root : Path or None
        None takes no notes.
    aside : iterable of Path
        Files and folders that count already, or that are the run's own.
    set_by_us : collection of str
        Environment variables that the run's key tells of.
    """
    global _active, _hooked
    if root is None:
        yield None
        return
    if not _hooked:
        sys.addaudithook(_hear)
        _hooked = True
    notes = Notes(root, aside, set_by_us)

    with (
        fingerprint.imports_heard(partial(_carefully, notes, notes.about_to_import)) as heard,
        variables_heard(partial(_carefully, notes, notes.asked_for)),
    ):
        notes.imported(heard)
        _active = notes
        try:
            yield notes
        except BaseException:  # nobody will ask for a record
            notes.close()
            raise
        finally:
            _active = None
            notes.imported(heard)


@contextmanager
def unheard() -> Iterator[None]:
    """What we open and list ourselves is not the run's."""
    before = getattr(_this_thread, "hearing", False)
    _this_thread.hearing = True
    try:
        yield
    finally:
        _this_thread.hearing = before


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    notes = _active
    if notes is None:
        return
    if event == "open":
        _carefully(notes, notes.opened, *arguments)
    elif event == "sqlite3.connect":
        _carefully(notes, notes.opened, arguments[0], "r", 0)
    elif event in _LISTING and not _is_import_system():
        _carefully(notes, notes.listed, arguments[0])


def _carefully(notes: Notes, hear: Callable[..., None], *arguments: Any) -> None:
    """Whatever goes wrong here must not reach the program that opens a file."""
    if getattr(_this_thread, "hearing", False):
        return
    with unheard():
        try:
            hear(*arguments)
        except Exception as error:  # noqa: BLE001
            notes.incomplete(f"{type(error).__name__}: {error}")


def _is_import_system() -> bool:
    """Whether Python itself lists a folder, to find modules or installed packages in it."""
    file = sys._getframe(2).f_code.co_filename
    return file.startswith("<frozen importlib") or file == metadata.__file__


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


__all__ = ["Notes", "noting", "paths_in", "unheard"]
