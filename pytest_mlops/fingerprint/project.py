"""The files that a command may depend on: its imports cannot be noted, so the whole project counts, or what is named."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pytest_mlops.errors import DataError, ParameterError
from pytest_mlops.fingerprint import party
from pytest_mlops.fingerprint.content import path_content
from pytest_mlops.fingerprint.tree import is_of_the_project

_MOST_NAMED = 500
"""Files that are told apart, to say which one changed; of more only their folders are."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Which files stand for the code of a command.

    Parameters
    ----------
    root : Path
        Folder of the project.
    named : tuple of str or None
        Paths and patterns below ``root``; None means the whole working tree of git.
    own : tuple of Path
        Files that the command line itself names: they count in any case.
    outside : tuple of Path
        Folders elsewhere that count whole: projects that are installed as editable.
    aside : tuple of str
        Starts of absolute paths that do not count: what we write ourselves.
    """

    root: Path
    named: tuple[str, ...] | None = None
    own: tuple[Path, ...] = ()
    outside: tuple[Path, ...] = ()
    aside: tuple[str, ...] = ()

    def files(self) -> dict[str, str]:
        """The files by name, relative to ``root`` where they lie below it, with the hash of their content.

        Raises
        ------
        ParameterError
            If the project is no git repository and no files are named, or a name leads to nothing.
        DataError
            If a file cannot be read.
        """
        found = _of_git(self.root) if self.named is None else _of_names(self.root, self.named)
        if found is None:
            raise ParameterError(
                f"arm.command(...): {self.root} is no git repository, so which files are its code is not known. Name them: "
                'arm.command(..., code=["src", "train.py", "conf/*.yaml"]), with paths relative to that folder.'
            )
        for folder in self.outside:
            below = _of_git(folder)
            found |= _of_folder(folder) if below is None else below
        found |= {str(file): _content(file) for file in self.own if file.is_file()}
        kept = sorted(name for name in found if not name.startswith(self.aside))
        return {_relative(name, self.root): found[name] for name in kept}


def digest_of(files: Mapping[str, str]) -> str:
    """SHA-256 of names and contents.

    Examples
    --------
    >>> digest_of({"a": "1"}) == digest_of({"a": "2"})
    False
    """
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{name}\0{content}\0".encode("utf-8", "surrogateescape"))
    return whole.hexdigest()


def parts_of(files: Mapping[str, str]) -> dict[str, str]:
    """Names with enough of their hashes to say which one changed; of many files only their topmost folders.

    Examples
    --------
    >>> parts_of({"src/net.py": "0123456789abcdef0"})
    {'./src/net.py': '0123456789abcdef'}
    """
    if len(files) <= _MOST_NAMED:
        return {f"./{name}": content[:16] for name, content in files.items()}
    folders: dict[str, dict[str, str]] = {}
    for name, content in files.items():
        folders.setdefault(f"./{Path(name).parts[0]}", {})[name] = content
    return {folder: digest_of(inside)[:16] for folder, inside in folders.items()}


def changed_files(now: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """Names of the files that are new, gone, or not as they were.

    Examples
    --------
    >>> changed_files({"a": "1", "b": "2"}, {"a": "1", "c": "3"})
    ['b', 'c']
    """
    return sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))


def _of_git(folder: Path) -> dict[str, str] | None:
    """What git would commit: tracked files as they are now, and those that are neither tracked nor ignored; None without git."""
    repository = _repository(folder)
    if repository is None:
        return None
    listed = _git(repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name")
    if listed is None:
        return None
    found: dict[str, str] = {}
    for name in filter(None, os.fsdecode(listed).split("\0")):
        if is_of_the_project(name):
            found |= _entry(repository / name)
    return found


def _repository(folder: Path) -> Path | None:
    top = _git(folder, "rev-parse", "--show-toplevel")
    return None if top is None else Path(os.fsdecode(top).rstrip("\n"))


def _entry(path: Path) -> dict[str, str]:
    """One entry of git's list: a file, a link, or the folder of a repository inside this one."""
    if path.is_symlink():
        target = path.readlink()
        return {str(path): f"-> {target} {_content(path) if path.exists() else ''}"}
    if path.is_dir():
        is_own = (
            _repository(path) == path.resolve()
        )  # of a submodule without its files git answers for what is around
        inside = _of_git(path) if is_own else None
        return _of_folder(path) if inside is None else inside
    return {str(path): _content(path)} if path.is_file() else {}


def _of_folder(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for above, folders, names in os.walk(folder):
        folders[:] = [one for one in folders if is_of_the_project(one)]
        for name in names:
            path = Path(above, name)
            if is_of_the_project(name) and (path.is_file() or path.is_symlink()):
                found |= _entry(path)
    return found


def _of_names(root: Path, names: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        paths = sorted(root.glob(name)) if _is_pattern(name) and not (root / name).exists() else [root / name]
        there = [path for path in paths if path.exists() or path.is_symlink()]
        if not there:
            raise ParameterError(
                f"code={name!r} of a command leads to nothing below {root}. Paths and patterns are relative to that folder, e.g. "
                'code=["src", "train.py", "conf/*.yaml"].'
            )
        for path in there:
            found |= _of_folder(path) if path.is_dir() else _entry(path)
    return found


def _is_pattern(name: str) -> bool:
    return any(sign in name for sign in "*?[")


def _content(path: Path) -> str:
    try:
        return path_content(path)
    except DataError as error:
        raise DataError(f"The code of a command: {error.args[0]}") from None


def _relative(name: str, root: Path) -> str:
    path = Path(name)
    below = path.is_relative_to(root)
    return (path.relative_to(root) if below else Path(os.path.relpath(path, root))).as_posix()


def _git(folder: Path, *words: str) -> bytes | None:
    """What git says of a folder; None where it says no, or is not there."""
    # A hook of git that starts pytest sets these, and they would answer for another folder.
    ours = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR")
    env = {name: value for name, value in os.environ.items() if name not in ours}
    try:
        found = subprocess.run(  # noqa: S603 - git, with folders and words of ours
            ["git", "-C", str(folder), *words],  # noqa: S607 - the user's own git
            capture_output=True,
            check=True,
            env=env,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", b"") or b""
        if b"dubious ownership" in reason:
            raise ParameterError(
                f"git refuses to look into {folder}, which belongs to somebody else, so which files are the command's code is "
                f"not known. Run: git config --global --add safe.directory {folder}, or name them with code=[...]."
            ) from None
        return None
    return found.stdout


def named_by(words: Sequence[str], cwd: Path) -> tuple[Path, ...]:
    """The files that the words of a command line name: scripts, configurations, modules after ``-m``.

    Parameters
    ----------
    words : sequence of str
        Of the command line.
    cwd : Path
        Where it runs.
    """
    values = [word.partition("=")[2] for word in words]
    found = [cwd / word for word in [*words, *filter(None, values)]]
    for flag, module in pairwise(words):
        if flag == "-m":
            base = cwd.joinpath(*module.split("."))
            found += [base.with_suffix(".py"), base / "__main__.py", base / "__init__.py"]
    return tuple(path for path in found if _is_file(path) and not party.INSTALLED & set(path.parts))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a word that no file system takes for a name
        return False
