"""What an unfinished training run depended on, on disk before it is used: whoever goes on from its files has to know.

One line a fact, in JSON: a killed process leaves whole lines, and a line that is not whole makes the rest worth nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

KINDS = ("modules", "files", "variables", "splits")
"""The fields of a record."""

Fact = tuple[str, str, str]
"""Kind, name, and what was noted of it."""


class Journal:
    """The facts of all attempts at one run, in a file that only grows.

    Parameters
    ----------
    file : Path
        Made when the first attempt begins.
    key : str
        ``RunKey.digest`` of the run.
    """

    def __init__(self, file: Path, *, key: str) -> None:
        self._file = file
        self._key = key
        self._descriptor: int | None = None
        self._known: set[Fact] = set()

    def read(self) -> list[Fact] | None:
        """The facts of earlier attempts; None if there were none, or if they cannot be told for sure."""
        try:
            text = self._file.read_text(encoding="utf-8")
            facts = [
                (str(kind), str(name), str(trace)) for kind, name, trace in map(json.loads, text.splitlines())
            ]
        except (OSError, ValueError, TypeError):
            return None
        if not text.endswith("\n") or facts[0] != ("run", self._key, ""):
            return None
        known = list(dict.fromkeys(facts[1:]))
        names = {(kind, name) for kind, name, _ in known}
        return known if len(names) == len(known) and all(kind in KINDS for kind, _ in names) else None

    def begin(self, facts: Iterable[Fact], *, anew: bool) -> None:
        """Go on with the file, or begin it; what is known by now is in it, and on the disk, when this returns.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(self._file, flags | (os.O_TRUNC if anew else 0), 0o666)
        if anew:
            self._write(("run", self._key, ""))
        for fact in facts:
            self.add(fact)
        self.sync()

    def add(self, fact: Fact) -> None:
        """Note one more fact, in one write, so that several processes may do so at once.

        Raises
        ------
        OSError
            If it cannot be written; then the file is gone, and nobody goes on from what the run leaves.
        """
        if self._descriptor is None or fact in self._known:
            return
        self._known.add(fact)
        try:
            self._write(fact)
        except OSError:
            self._file.unlink(missing_ok=True)
            raise

    def distrust(self) -> None:
        """Something was missed: nobody may go on from what the run leaves."""
        self._file.unlink(missing_ok=True)

    def sync(self) -> None:
        """Wait until all of it is on the disk: a power cut shall not keep a checkpoint and lose what it stands on."""
        if self._descriptor is not None:
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Write no more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, fact: Fact) -> None:
        assert self._descriptor is not None
        line = (json.dumps(fact) + "\n").encode()
        if os.write(self._descriptor, line) != len(line):
            raise OSError(f"{self._file}: not all of a line could be written")


def by_kind(facts: Iterable[Fact]) -> Mapping[str, dict[str, str]]:
    """Facts as the fields of a record.

    Examples
    --------
    >>> by_kind([("files", "a.yaml", "1")])["files"]
    {'a.yaml': '1'}
    """
    found: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for kind, name, trace in facts:
        found[kind][name] = trace
    return found
