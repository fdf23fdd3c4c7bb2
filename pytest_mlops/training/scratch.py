"""``run.scratch``: a folder of one run that outlives a killed process, and what makes it safe to go on from it."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from pytest_mlops.errors import MlopsError, RunError
from pytest_mlops.fingerprint import Tree
from pytest_mlops.records import VaryingSplit
from pytest_mlops.training.journal import Fact, Journal, by_kind
from pytest_mlops.training.notes import Notes, unheard

_JOURNAL, _FILES = "depends-on.jsonl", "files"


class Scratch:
    """The folder of one attempt at a run; made when it is first asked for.

    What an earlier attempt left is found again only if all that it had read, imported and asked for until it was killed is as it
    was then: a checkpoint that was trained with another ``model.yaml`` must not become part of this run.

    Parameters
    ----------
    folder : Path or None
        Where it is kept, if this process is the only one that may use it; None makes one that is gone with the run.
    key : str
        ``RunKey.digest``.
    place : tuple of int
        Place of the run in its block of seeds, and the first seed of that block.
    root : Path or None
        pytest's root folder.
    notes : Notes or None
        Of this attempt.

    Attributes
    ----------
    resumed : bool
        Whether files of an earlier attempt were there.
    message : str
        What the user should know of it; empty if nothing.
    splits : dict of str to str
        Splits that another seed makes otherwise, of this attempt and of those that it goes on from; see ``Record``.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        key: str,
        place: tuple[int, int] = (0, 0),
        root: Path | None = None,
        notes: Notes | None = None,
    ) -> None:
        self._folder = (
            None if folder is None else folder.absolute()
        )  # the function may change the working directory
        self._is_temporary = folder is None
        self._root, self._notes, self._key, self._place = root, notes, key, place
        self.splits: dict[str, str] = {}
        self._process = os.getpid()
        self._journal: Journal | None = None
        self.resumed = False
        self.message = ""

    def open(self) -> Path:
        """The folder, which is there.

        Raises
        ------
        RunError
            If it cannot be made or written.
        """
        with unheard():
            try:
                if self._journal is None:
                    self._begin()
                elif os.getpid() == self._process:
                    self._journal.sync()
            except OSError as error:
                raise RunError(
                    f"run.scratch: {self._folder or tempfile.gettempdir()} cannot be written: {error.strerror or error}. Make "
                    "room on its disk or make it writable, or choose another store with --mlops-store=URL: it lies beside it."
                ) from error
        assert self._folder is not None
        return self._folder / _FILES

    def split(self, name: str, text: str) -> None:
        """Note a split that another seed makes otherwise, before it is used: who goes on from this attempt may not ask again."""
        self.splits[name] = text
        if self._journal is not None:
            with suppress(OSError):  # then there is no journal any more, and nobody goes on from this run
                self._journal.add(("splits", name, text))

    def end(self, *, keep: bool) -> None:
        """The attempt is over; without ``keep`` nothing of it can be gone on from."""
        if self._journal is not None:
            self._journal.close()
        if self._folder is not None and (self._is_temporary or not keep):
            with suppress(OSError):  # whoever puts the result into the store removes it too
                _remove(self._folder)

    def _begin(self) -> None:
        if os.getpid() != self._process:
            raise RunError(
                "run.scratch was asked for in a child process first. Ask for it once in the training function itself, before it "
                "starts other processes: folder = run.scratch"
            )
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="mlops-scratch-"))
        journal = Journal(self._folder / _JOURNAL, key=self._key)
        facts = self._what_holds(journal)
        if facts is None:
            _remove(self._folder)
        (self._folder / _FILES).mkdir(parents=True, exist_ok=True)
        if self._notes is not None:
            self._notes.journalled(journal, facts)
        else:
            journal.begin((), anew=facts is None)
        own = list(self.splits.items())
        self.splits = {**by_kind(facts or ())["splits"], **self.splits}
        self._journal = journal
        for name, text in own:
            self.split(name, text)
        self.resumed = facts is not None and any((self._folder / _FILES).iterdir())
        if self.resumed:
            self.message = (
                "it went on from what an interrupted attempt left in run.scratch, so its seconds and peak memory were not "
                "measured"
            )

    def _what_holds(self, journal: Journal) -> list[Fact] | None:
        """What earlier attempts noted, if it is still so; None where nothing can be gone on from."""
        assert self._folder is not None
        facts = journal.read()
        if facts is None:
            return None
        changed = self._changed(facts)
        if changed:
            named = ", ".join(changed[:3])
            self.message = (
                f"it began anew, without what an interrupted attempt left in run.scratch: {named} changed"
            )
            return None
        return facts

    def _changed(self, facts: list[Fact]) -> list[str]:
        noted = by_kind(facts)
        if not all(VaryingSplit.of(text).is_of(*self._place) for text in noted["splits"].values()):
            return ["the fold that it tests"]
        if self._root is None:
            return []
        try:
            return Tree(self._root).changed(noted["modules"], noted["files"], noted["variables"])
        except MlopsError:  # a source that was saved while pytest runs
            return ["the code"]


def _remove(folder: Path) -> None:
    """At once, as far as others can see: what is half removed must not be taken for a checkpoint."""
    gone = folder.with_name(f"gone.{os.urandom(8).hex()}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)
