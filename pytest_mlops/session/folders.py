"""The project as it is and at other commits: whether what a training run noted still holds there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_mlops.fingerprint import Tree
from pytest_mlops.records import Record


class Folders:
    """Looks at each file of each folder once, until it is told to look again.

    Parameters
    ----------
    root : Path
        The project as it is.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._trees: dict[Path, Tree] = {}

    def changed(self, record: Record, at: Path | None) -> Sequence[str]:
        """Of what a run noted, what is otherwise ``at`` a folder; None is the project as it is."""
        folder = at or self._root
        tree = self._trees.setdefault(folder, Tree(folder))
        return tree.changed(record.modules, record.files, record.variables)

    def look_again(self) -> None:
        """Files may have changed since the last look."""
        for tree in self._trees.values():
            tree.look_again()
