"""The git command line, asked about one project. No shell, no prompt, no hook."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pytest_mlops.errors import RefError

_OF_A_HOOK = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_WORK_TREE",
    }
)
"""Set where git itself started pytest, e.g. before a push: they would lead to another repository or index."""

_SECONDS = 60.0
_LONG_SECONDS = 3600.0
"""A checkout may have to fetch large files."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What git said."""

    status: int
    text: str
    error: str

    @property
    def ok(self) -> bool:
        """Whether it said yes."""
        return self.status == 0


@dataclass(frozen=True)
class Git:
    """Git for one folder.

    Parameters
    ----------
    folder : Path
        Any folder of the project.
    """

    folder: Path

    def ask(self, *words: str, long: bool = False, environment: Mapping[str, str] | None = None) -> Answer:
        """What git says; where it is not installed, or does not answer, a refusal."""
        try:
            answer = subprocess.run(  # noqa: S603  # words of ours; names of users stand behind --end-of-options
                ["git", "-C", str(self.folder), "-c", f"core.hooksPath={os.devnull}", *words],  # noqa: S607  # the user's own git
                capture_output=True,
                encoding="utf-8",
                errors="surrogateescape",
                env=_environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                timeout=_LONG_SECONDS if long else _SECONDS,
                check=False,
            )
        except FileNotFoundError:
            return Answer(status=-1, text="", error="git is not installed")
        except (OSError, subprocess.TimeoutExpired) as error:
            return Answer(status=-1, text="", error=str(error))
        return Answer(status=answer.returncode, text=answer.stdout.strip("\n"), error=answer.stderr.strip())

    def say(self, *words: str) -> str:
        """What git says; empty where it says no, or is not there."""
        answer = self.ask(*words)
        return answer.text if answer.ok else ""

    @cached_property
    def top(self) -> Path:
        """The folder of the whole working tree.

        Raises
        ------
        RefError
            If there is no git repository, or git does not trust or find it.
        """
        answer = self.ask("rev-parse", "--show-toplevel")
        if not answer.ok:
            raise RefError(
                f"ref= compares with a commit, and git does not know {self.folder}: {_reason(answer)}. Claims against ref= need "
                "the git repository of the project and the git command; in a container git may want the folder to be named "
                "safe: git config --global --add safe.directory '*'."
            )
        return Path(answer.text)

    def commit(self, name: str) -> str:
        """The full SHA of the commit that a name means; empty if there is none."""
        return self.say("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")

    def merge_base(self, one: str, other: str) -> str:
        """The newest commit that both come from; empty if there is none."""
        return self.say("merge-base", "--end-of-options", one, other) if one and other else ""

    def parents(self, sha: str) -> list[str]:
        """The parents that a commit names, also those that a shallow clone has left out."""
        header = self.say("cat-file", "commit", sha).partition("\n\n")[0]
        return [line.partition(" ")[2] for line in header.splitlines() if line.startswith("parent ")]

    def renamed(self, sha: str) -> dict[str, str]:
        """Files that were renamed since a commit: their paths there by those in the working tree."""
        listed = self.say("diff", "--find-renames", "--diff-filter=R", "--name-status", "-z", sha, "--")
        words = listed.split("\0")
        return {words[place + 2]: words[place + 1] for place in range(0, len(words) - 2, 3)}

    def changed(self, sha: str) -> list[str] | None:
        """Files that are not as in a commit, those that git neither tracks nor ignores among them; None if unknown."""
        tracked = self.ask("diff", "--name-only", "--no-renames", "-z", sha, "--")
        others = self.ask("ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/")
        if not (tracked.ok and others.ok):
            return None
        return sorted({name for name in f"{tracked.text}\0{others.text}".split("\0") if name})

    def has_changes(self) -> bool:
        """Whether a file that git knows differs from the last commit."""
        return bool(self.say("status", "--porcelain", "--untracked-files=no"))

    def is_shallow(self) -> bool:
        """Whether the clone has left history out."""
        return self.say("rev-parse", "--is-shallow-repository") == "true"


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _reason(answer: Answer) -> str:
    return (answer.error.splitlines() or ["it gave no reason"])[0].removeprefix("fatal: ").rstrip(".")
