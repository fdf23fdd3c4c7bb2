"""The project's files as they are now: what a finished run read and imported, looked up again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from pytest_mlops.errors import DataError
from pytest_mlops.fingerprint import party, syntax, variables
from pytest_mlops.fingerprint.code import sources_of
from pytest_mlops.fingerprint.content import path_content

_NO_PART = frozenset(
    {".mlops", ".git", ".pytest_cache", "__pycache__", "mlops-report", "node_modules", *party.INSTALLED}
)


def is_of_the_project(relative: str) -> bool:
    """Whether a path relative to the root is the project's own: not ours, not Python's caches, no installed package."""
    return not relative.endswith(".pyc") and not _NO_PART & set(Path(relative).parts)


def listing(folder: str) -> str:
    """SHA-256 of the names in a folder, in no order; of a folder that cannot be read, a word."""
    try:
        names = sorted(name for name in os.listdir(folder) if is_of_the_project(name))  # noqa: PTH208
    except OSError:
        return "cannot be read"
    return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()


def modules(names: Iterable[str], *, root: str) -> Mapping[str, str]:
    """The sources of first-party modules and of all that they import, by path relative to ``root``.

    Parameters
    ----------
    names : iterable of str
        Module names; those of installed packages are left out.
    root : str
        Folder that the paths are relative to.
    """
    found = sources_of(names)
    return {Path(os.path.relpath(file, root)).as_posix(): digest for file, digest in sorted(found.items())}


class Tree:
    """Compares what runs noted with the files as they are; looks at each file once until it is told to look again.

    Parameters
    ----------
    root : Path
        Folder that all paths are relative to.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._now: dict[str, str] = {}

    def look_again(self) -> None:
        """Files may have changed since the last look."""
        self._now.clear()

    def changed(
        self, modules: Mapping[str, str], files: Mapping[str, str], noted_variables: Mapping[str, str]
    ) -> list[str]:
        """Paths, and environment variables as ``$NAME``, that are not what was noted; empty if all is as it was.

        Parameters
        ----------
        modules, files : mapping of str to str
            Path relative to the root, with the hash that was noted; a folder's ends in ``/``.
        noted_variables : mapping of str to str
            Name, with what :func:`pytest_mlops.fingerprint.variables.trace` kept of the value.
        """
        found = [path for path, noted in modules.items() if self._source(path) != noted]
        found += [path for path, noted in files.items() if self._file(path) != noted]
        return found + variables.changed(noted_variables)

    def _source(self, path: str) -> str:
        known = self._now.get(f"source {path}")
        if known is None:
            file = self._root / path
            known = syntax.normalised(syntax.tree_of(str(file))) if file.is_file() else "gone"
            self._now[f"source {path}"] = known
        return known

    def _file(self, path: str) -> str:
        if path not in self._now:
            self._now[path] = self._content(path)
        return self._now[path]

    def _content(self, path: str) -> str:
        if path.endswith("/"):
            return listing(str(self._root / path))
        try:
            return path_content(self._root / path)
        except DataError:
            return "cannot be read"
