"""Commands to type about one gate: this session's own for that gate alone, and the one that tries it out."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_mlops.notation import without_password

_TAKE_A_WORD = ("-k", "-m")
"""Options whose value may be spelled like a path."""


def going_on(args: Sequence[str], paths: Sequence[str], test: str, *, budget: str | None = None) -> str:
    """The command of a session, narrowed to one test.

    Parameters
    ----------
    args : sequence of str
        Arguments of the session.
    paths : sequence of str
        Those among them that say what to run.
    test : str
        Node id, as pytest takes it from where the session was started.
    budget : str, optional
        Replaces the session's.

    Examples
    --------
    >>> going_on(
    ...     ["--mlops", "-k", "tests", "tests", "--mlops-budget=5min"], ["tests"], "t.py::test_a", budget="2h"
    ... )
    'pytest --mlops -k tests t.py::test_a --mlops-budget=2h'
    """
    words: list[str] = []
    for place, word in enumerate(args):
        before = args[place - 1] if place else ""
        is_path = word in paths and before not in _TAKE_A_WORD
        is_budget = word.startswith("--mlops-budget=") or "--mlops-budget" in (word, before)
        if not (is_path or (is_budget and budget is not None)):
            words.append(word)
    words += [test] if budget is None else [test, f"--mlops-budget={budget}"]
    return shlex.join(["pytest", *map(without_password, words)])


class Commands:
    """What to type next about a test of this session, where this one was typed.

    Parameters
    ----------
    config : pytest.Config
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        worker = getattr(config, "workerinput", None)  # a worker of pytest-xdist has arguments of its own
        self._args = list(config.invocation_params.args) if worker is None else worker["mainargv"][1:]
        self._alone = [] if worker is None else ["-n0"]

    def go_on(self, test: str, *, budget: str | None = None) -> str:
        """The command that goes on with a test, with a budget of its own if it takes another."""
        return going_on(self._args, self._config.option.file_or_dir or [], self._node(test), budget=budget)

    def try_out(self, test: str) -> str:
        """The command that runs the arms of a test on two batches and stops where one raises."""
        return shlex.join(["pytest", *self._alone, "--mlops-smoke", "--pdb", self._node(test)])

    def _node(self, test: str) -> str:
        file, colons, name = test.partition("::")
        try:
            file = Path(
                os.path.relpath(self._config.rootpath / file, self._config.invocation_params.dir)
            ).as_posix()
        except ValueError:  # another drive
            file = str(self._config.rootpath / file)
        return f"{file}{colons}{name}"
