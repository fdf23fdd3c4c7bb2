"""Arms of another commit, ``.using(ref="base")``: which commit that is, its files, and what the arm is there."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.binding import Training
from pytest_mlops.errors import NotThereError, RefError
from pytest_mlops.executors.processes import Process
from pytest_mlops.executors.surroundings import handed_on
from pytest_mlops.fingerprint import is_of_the_project
from pytest_mlops.records import Elsewhere, RunKey, RunSpec
from pytest_mlops.reports.text import tail
from pytest_mlops.repository.base import Commit, find
from pytest_mlops.repository.git import Git
from pytest_mlops.repository.trees import Trees
from pytest_mlops.session.environments import Environments
from pytest_mlops.session.looking import Look, read_look
from pytest_mlops.session.preparing import Known, Prepared, assembled
from pytest_mlops.settings import Settings
from pytest_mlops.training.isolation import pools
from pytest_mlops.training.orders import Order, order_of, write_order

_LOOKING = ["-P", "-m", "pytest_mlops.session.looking"]
_LONGEST = 3600.0
"""Seconds: a loader may read much."""

_FOLDER, _ENVIRONMENTS = Path(".mlops", "trees"), Path(".mlops", "environments")


@dataclass(frozen=True, kw_only=True)
class There:
    """A commit with its files."""

    commit: Commit
    folder: Path
    """The project's folder among them."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Old paths of files that were renamed since, by their new ones; relative to the project's folder."""
    pointers: frozenset[str] = frozenset()
    empty: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The commit for a sentence."""
        return f"{self.commit.sha[:10]} ({self.commit.how})"


class Commits:
    """Makes arms of other commits ready, each commit checked out once a session and each arm looked at once.

    Parameters
    ----------
    root : Path, optional
        Folder of the project; without one there is no other commit.
    say : callable
        Takes one line for people.
    """

    def __init__(self, *, root: Path | None = None, say: Callable[[str], None] = print) -> None:
        self._root = root
        self._say = say
        self._found: dict[tuple[str, str], There] = {}
        self._latest: dict[str, There] = {}
        self._looks: dict[str, Look] = {}
        self._trees: Trees | None = None

    def prepare(self, arm: Arm, settings: Settings, *, anywhere: bool = False) -> Prepared:
        """An arm with ``ref=``, ready to train at that commit.

        Raises
        ------
        RefError
            If there is no such commit here; `NotThereError` if the commit does not have what the arm names.
        ParameterError
            If the function or a parameter cannot be named to another process.
        """
        there = self.there(arm, settings)
        declared = _absolute(arm.uses.data)
        elsewhere = Elsewhere(
            root=there.folder,
            moved=self._moved(there),
            declared=declared,
            pointers=there.pointers,
            python=self._python(arm, there),
        )
        known = self._known(arm, there, elsewhere)
        made = assembled(arm, settings, known, anywhere=anywhere, root=there.folder)
        return replace(made, elsewhere=elsewhere)

    def there(self, arm: Arm, settings: Settings) -> There:
        """The commit that an arm names, checked out.

        Raises
        ------
        RefError
            If there is none, or git cannot check it out.
        """
        ref = arm.uses.ref
        assert ref is not None
        if self._root is None:
            raise RefError(f"ref={ref!r}: there is no project here whose commits could be meant.")
        if (ref, settings.base) not in self._found:
            self._found[ref, settings.base] = self._check_out(Git(self._root), ref, settings.base, self._root)
        self._latest[ref] = self._found[ref, settings.base]
        return self._latest[ref]

    def folder_of(self, arm: Arm) -> Path | None:
        """Where what the runs of an arm noted has to hold; None for the project as it is."""
        return self._latest[arm.uses.ref].folder if arm.uses.ref is not None else None

    def words(self, arm: Arm) -> str:
        """For people: which commit an arm's ``ref=`` is."""
        assert arm.uses.ref is not None
        there = self._latest[arm.uses.ref]
        empty = f"; the files of its submodule {there.empty[0]} are not here" if there.empty else ""
        return f"ref={arm.uses.ref!r} is {there.words}{empty}"

    def differ_only_by(self, arm: Arm, harmless: Callable[[str], bool]) -> bool:
        """Whether all files that differ from the arm's commit, those that git does not know among them, are harmless."""
        assert arm.uses.ref is not None
        assert self._root is not None
        changed = Git(self._root).changed(self._latest[arm.uses.ref].commit.sha)
        return changed is not None and all(harmless(name) for name in changed if is_of_the_project(name))

    def close(self) -> None:
        """Remove the files of all commits. Closing twice is no error."""
        if self._trees is not None:
            self._trees.close()

    def _check_out(self, git: Git, ref: str, given: str, root: Path) -> There:
        commit, top = find(git, ref, given=given), git.top.resolve()
        self._trees = self._trees or Trees(git, root / _FOLDER)
        tree, below = self._trees.at(commit.sha), root.resolve().relative_to(top)
        folder = tree / below
        if not folder.is_dir():
            raise NotThereError(
                f"ref={ref!r} is {commit.sha[:10]} ({commit.how}), which has no folder {below}."
            )
        inside = {_below(name, below) for name in self._trees.pointers(commit.sha)}
        return There(
            commit=commit,
            folder=folder,
            moved={
                new: old
                for one, other in git.renamed(commit.sha).items()
                if (new := _below(one, below)) and (old := _below(other, below))
            },
            pointers=frozenset(filter(None, inside)),
            empty=self._trees.empty(commit.sha),
        )

    def _moved(self, there: There) -> dict[str, str]:
        """Modules of this process whose file has another name there."""
        assert self._root is not None
        found, root = {}, self._root.resolve()
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if there.moved and isinstance(file, str) and Path(file).resolve().is_relative_to(root):
                old = there.moved.get(Path(file).resolve().relative_to(root).as_posix())
                if old is not None:
                    found[name] = old
        return found

    def _python(self, arm: Arm, there: There) -> Path | None:
        if arm.uses.ref_env is None:
            return None
        assert self._root is not None
        made = Environments(self._root / _ENVIRONMENTS, self._say)
        return made.python(arm.uses.ref_env, sha=there.commit.sha, tree=there.folder)

    def _known(self, arm: Arm, there: There, elsewhere: Elsewhere) -> Known:
        assert isinstance(arm.source, Training)
        assert self._root is not None
        spec = RunSpec(
            key=RunKey(function=arm.function_name, code="", parameters="", data="", environment="", seed=0),
            function=arm.source.function,
            given=arm.source.given,
            index=0,
            env=arm.uses.env or {},
            elsewhere=elsewhere,
        )
        order = order_of(spec, root=self._root)
        name = json.dumps(
            [
                order.root,
                order.function.module,
                order.function.qualname,
                order.given,
                order.data,
                order.python,
            ]
        )
        if name not in self._looks:
            self._looks[name] = _look(order)
        seen = self._looks[name]
        if seen.known is None:
            raise NotThereError(
                f"{arm.label}: at {there.words} there is nothing to compare with: {seen.trouble}"
            )
        return seen.known


def _look(order: Order) -> Look:
    """Ask a process in the commit's folder."""
    env = handed_on() | {"PYTHONHASHSEED": "0"} | pools(1) | dict(order.env)
    with tempfile.TemporaryDirectory(prefix="mlops-look-", ignore_cleanup_errors=True) as name:
        write_order(Path(name), order)
        with Process(
            [order.python or sys.executable, *_LOOKING, name], cwd=Path(order.root), env=env
        ) as process:
            ended = process.wait(_LONGEST)
        seen = read_look(Path(name))
    if seen is not None:
        return seen
    last = "; ".join(tail(ended.output, 3)) or "it printed nothing"
    how = "took longer than an hour" if ended.timed_out else f"ended without an answer: {last}"
    return Look(trouble=f"the process that looked at it {how}")


def _absolute(declared: Any) -> Any:
    """Declared paths as absolute ones: data belong to the experiment and not to the commit."""
    if isinstance(declared, Path):
        return declared.absolute()
    if isinstance(declared, dict):
        return {name: _absolute(item) for name, item in declared.items()}
    return type(declared)(map(_absolute, declared)) if isinstance(declared, list | tuple) else declared


def _below(name: str, folder: Path) -> str:
    """A path of the repository as seen from the project's folder; empty if it lies elsewhere."""
    path = Path(name)
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else ""
