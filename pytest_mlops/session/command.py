"""The command that goes on with one gate: this session's own, for that gate alone."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_mlops.settings import without_password

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


def of_session(config: pytest.Config, test: str, *, budget: str | None = None) -> str:
    """The command that goes on with a test of this session, typed where this one was."""
    invocation = config.invocation_params
    worker = getattr(config, "workerinput", None)  # a worker of pytest-xdist has arguments of its own
    args = list(invocation.args) if worker is None else worker["mainargv"][1:]
    file, colons, name = test.partition("::")
    try:
        file = Path(os.path.relpath(config.rootpath / file, invocation.dir)).as_posix()
    except ValueError:  # another drive
        file = str(config.rootpath / file)
    return going_on(args, config.option.file_or_dir or [], f"{file}{colons}{name}", budget=budget)
