"""The files of a commit in a folder of their own: a git worktree for as long as this session lasts.

Two sessions have two, so that neither waits for the other nor pulls the files away under it. What a killed session left is
removed by the next one: each tree has a lock file beside it that its owner holds, and that the system lets go with the process.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pytest_mlops.errors import RefError
from pytest_mlops.repository.git import Git

_GITIGNORE = "# made by pytest-mlops\n*\n"
_SUBMODULE = "160000 "
_POINTER = b"version https://git-lfs.github.com/spec/"
_LARGEST_POINTER = 1024


class Trees:
    """The trees of this session.

    Parameters
    ----------
    git : Git
        Of the project.
    folder : Path
        Where they are made; it need not be there yet.
    """

    def __init__(self, git: Git, folder: Path) -> None:
        self._git = git
        self._folder = folder
        self._trees: dict[str, tuple[Path, IO[bytes]]] = {}
        self._pointers: dict[str, frozenset[str]] = {}
        self._empty: dict[str, tuple[str, ...]] = {}

    def at(self, sha: str) -> Path:
        """The folder with all files of a commit, submodules that are here among them; made on first use.

        Raises
        ------
        RefError
            If git cannot check it out.
        """
        if sha not in self._trees:
            self._make(sha)
        return self._trees[sha][0]

    def pointers(self, sha: str) -> frozenset[str]:
        """Files of which the tree has the pointer of git LFS in place of the content, by path in the repository."""
        if sha not in self._pointers:
            tree = self.at(sha)
            found = Git(tree).say("ls-files", "-z", "--", ":(top,attr:filter=lfs)").split("\0")
            self._pointers[sha] = frozenset(name for name in found if name and _is_pointer(tree / name))
        return self._pointers[sha]

    def empty(self, sha: str) -> tuple[str, ...]:
        """Submodules whose commit is not here, so that their folders are empty."""
        self.at(sha)
        return self._empty[sha]

    def close(self) -> None:
        """Remove all of them. Closing twice is no error."""
        while self._trees:
            _, (tree, held) = self._trees.popitem()
            _remove(self._git, tree)
            held.close()
            with suppress(OSError):
                Path(held.name).unlink()

    def _make(self, sha: str) -> None:
        tree = self._folder / f"{sha[:12]}-{os.getpid()}-{secrets.token_hex(4)}"
        with self._alone():
            self._sweep()
            held = hold(tree.with_suffix(".lock"))
        try:
            answer = self._git.ask("worktree", "add", "--detach", "--force", str(tree), sha, long=True)
            if not answer.ok:
                raise RefError(
                    f"git cannot check out {sha[:10]} into {tree}: {answer.error or 'it gave no reason'}\n  Files of that commit "
                    "are needed to train its arms. Is there room on the disk, and are all its objects here?"
                )
            self._empty[sha] = tuple(_fill_submodules(Git(self._git.top), Git(tree), sha, tree))
        except BaseException:
            _remove(self._git, tree)
            held.close()
            Path(held.name).unlink(missing_ok=True)
            raise
        self._trees[sha] = (tree, held)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One session at a time: a lock file that is not held yet would look like one of a killed session."""
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True)
                ignore = self._folder.parent / ".gitignore"
                if not ignore.exists():
                    ignore.write_text(_GITIGNORE, encoding="utf-8")
            gate = hold(self._folder / ".gate", wait=True)
        except OSError as error:
            raise RefError(
                f"The files of a commit go into {self._folder}, which cannot be written: {error.strerror or error}."
            ) from None
        try:
            yield
        finally:
            gate.close()

    def _sweep(self) -> None:
        """Remove what killed sessions left."""
        listed = self._git.say("worktree", "list", "--porcelain", "-z").split("\0")
        known = {Path(line.partition(" ")[2]) for line in listed if line.startswith("worktree ")}
        here = self._folder.resolve()
        ours = {tree.name for tree in known if tree.parent in (here, self._folder)}
        ours |= {path.stem for path in self._folder.iterdir() if not path.name.startswith(".")}
        for name in sorted(ours):
            lock = self._folder / f"{name}.lock"
            try:
                held = hold(lock)
            except OSError:  # its session lives
                continue
            _remove(self._git, self._folder / name)
            held.close()
            with suppress(OSError):
                lock.unlink()


def hold(file: Path, *, wait: bool = False) -> IO[bytes]:
    """A lock file of this process, until it is closed; an OSError if another process holds it."""
    stream = file.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BaseException:
        stream.close()
        raise
    return stream


def _remove(git: Git, tree: Path) -> None:
    git.ask("worktree", "remove", "--force", "--force", str(tree), long=True)
    shutil.rmtree(tree, ignore_errors=True)
    if any(line == f"worktree {tree}" for line in git.say("worktree", "list", "--porcelain").splitlines()):
        git.ask("worktree", "remove", "--force", "--force", str(tree))  # its folder was half removed before


def _fill_submodules(here: Git, there: Git, sha: str, tree: Path) -> Iterator[str]:
    """Write the files of submodules whose commit is here; yield the names of the others."""
    for line in here.say("ls-tree", "-r", "-z", sha).split("\0"):
        if not line.startswith(_SUBMODULE):
            continue
        about, _, name = line.partition("\t")
        commit, source = about.split()[2], Git(here.folder / name)
        is_here = (here.folder / name / ".git").exists() and source.commit(commit) == commit
        if not is_here or not _write_files(source, commit, tree / name):
            yield name
            continue
        yield from (f"{name}/{inner}" for inner in _fill_submodules(source, there, commit, tree / name))


def _write_files(git: Git, sha: str, folder: Path) -> bool:
    """Write the files of a commit without leaving a trace in its repository."""
    with tempfile.TemporaryDirectory(prefix="mlops-index-") as temporary:
        index = {"GIT_INDEX_FILE": str(Path(temporary) / "index")}
        read = git.ask("read-tree", sha, environment=index)
        return (
            read.ok
            and git.ask(
                "checkout-index", "--all", "--force", f"--prefix={folder}/", environment=index, long=True
            ).ok
        )


def _is_pointer(file: Path) -> bool:
    try:
        if file.stat().st_size > _LARGEST_POINTER:
            return False
        return file.read_bytes().startswith(_POINTER)
    except OSError:
        return False
