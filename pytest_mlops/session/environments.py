"""The packages of another commit, ``.using(ref=..., ref_env=...)``: an environment that commands of the user make."""

from __future__ import annotations

import hashlib
import json
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_mlops.errors import RefError
from pytest_mlops.executors.processes import Process
from pytest_mlops.executors.surroundings import handed_on
from pytest_mlops.reports.text import tail
from pytest_mlops.repository.trees import hold

_LONGEST = 7200.0
"""Seconds that one command may take."""

_READY, _OUTPUT = "ready", "output.txt"


class Environments:
    """Environments below one folder; each is made by one session while others wait, and kept.

    Parameters
    ----------
    folder : Path
        Where they are made; it need not be there yet.
    say : callable
        Takes one line for people.
    """

    def __init__(self, folder: Path, say: Callable[[str], None] = print) -> None:
        self._folder = folder
        self._say = say

    def python(self, commands: Sequence[str], *, sha: str, tree: Path) -> Path:
        """The Python of a commit's environment, which is made if it is not there.

        Parameters
        ----------
        commands : sequence of str
            What makes it, without a shell: ``{env}`` is its folder, ``{tree}`` the project at that commit, ``{python}`` the
            Python that runs pytest.
        sha : str
            The commit.
        tree : Path
            The project's folder there.

        Raises
        ------
        RefError
            If a command fails, or leaves no Python.
        """
        made_by = json.dumps([list(commands), sha, sys.version])
        home = self._folder / f"{sha[:12]}-{hashlib.sha256(made_by.encode()).hexdigest()[:8]}"
        python = home / "env" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        self._folder.mkdir(parents=True, exist_ok=True)
        with hold(home.with_suffix(".lock"), wait=True):
            if not (home / _READY).exists():
                shutil.rmtree(home, ignore_errors=True)
                home.mkdir()
                self._make(commands, home, tree)
                if not python.exists():
                    raise RefError(
                        f"ref_env={list(commands)}: its commands ended well and left no {python}. They have to make a virtual "
                        "environment in {env}: '{python} -m venv {env}'."
                    )
                (home / _READY).touch()
        return python

    def _make(self, commands: Sequence[str], home: Path, tree: Path) -> None:
        words = {"{env}": str(home / "env"), "{tree}": str(tree), "{python}": sys.executable}
        for command in commands:
            self._say(f"ref_env: {command}")
            argv = [_filled(word, words) for word in shlex.split(command)]
            with Process(argv, cwd=tree, env=handed_on()) as process:
                ended = process.wait(_LONGEST)
            with (home / _OUTPUT).open("a", encoding="utf-8", errors="replace") as output:
                output.write(f"$ {command}\n{ended.output}\n")
            if ended.status != 0:
                how = "took longer than two hours" if ended.timed_out else f"ended with status {ended.status}"
                last = "\n  ".join(tail(ended.output, 5)) or "It printed nothing."
                raise RefError(
                    f"ref_env: {command!r} {how}, so the environment of that commit cannot be made.\n  {last}\n  All that it "
                    f"printed: {home / _OUTPUT}"
                )


def _filled(word: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        word = word.replace(name, value)
    return word
