"""The files of a commit in a folder of their own, of which nothing is left."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlops.errors import RefError
from pytest_mlops.repository.git import Git
from pytest_mlops.repository.trees import Trees

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"


@pytest.fixture
def trees(repository):
    made = Trees(Git(repository.path), repository.path / ".mlops" / "trees")
    yield made
    made.close()


def entries(repository):
    return len(repository("worktree", "list").splitlines())


def left(repository):
    return [path.name for path in (repository.path / ".mlops" / "trees").iterdir() if path.name != ".gate"]


def test_a_tree_has_the_files_of_its_commit(repository, trees):
    repository.file("pkg/net.py", "old")
    sha = repository.commit()
    repository.file("pkg/net.py", "new")
    repository.commit()
    assert (trees.at(sha) / "pkg" / "net.py").read_text() == "old"
    assert trees.at(sha) == trees.at(sha)
    assert (repository.path / "pkg" / "net.py").read_text() == "new"
    assert repository("status", "--porcelain") == ""  # the folder ignores itself


def test_nothing_is_left_when_it_closes(repository, trees):
    one, other = repository.commit(), repository.commit()
    assert [trees.at(sha).is_dir() for sha in (one, other)] == [True, True]
    assert entries(repository) == 3
    trees.close()
    trees.close()
    assert (entries(repository), left(repository)) == (1, [])


def test_two_sessions_have_two_trees(repository, trees):
    sha = repository.commit()
    other = Trees(Git(repository.path), repository.path / ".mlops" / "trees")
    assert trees.at(sha) != other.at(sha)
    other.close()
    assert trees.at(sha).is_dir()


HELD = """
import sys, time
from pathlib import Path
from pytest_mlops.repository.git import Git
from pytest_mlops.repository.trees import Trees
trees = Trees(Git(Path(sys.argv[1])), Path(sys.argv[1]) / ".mlops" / "trees")
print(trees.at(sys.argv[2]), flush=True)
time.sleep(60)
"""


def test_what_a_killed_session_left_is_removed_by_the_next(repository, trees):
    sha = repository.commit()
    killed = subprocess.Popen(
        [sys.executable, "-c", HELD, str(repository.path), sha], stdout=subprocess.PIPE, text=True
    )
    with killed:
        abandoned = Path(killed.stdout.readline().strip())
        assert trees.at(sha).is_dir()
        assert abandoned.is_dir()  # its session lives
        trees.close()
        killed.send_signal(signal.SIGKILL)
    assert abandoned.is_dir()
    trees.at(sha)
    assert not abandoned.exists()
    assert entries(repository) == 2
    trees.close()
    assert (entries(repository), left(repository)) == (1, [])


def test_a_folder_that_somebody_removed_leaves_no_entry(repository, trees):
    sha = repository.commit()
    lost = Trees(Git(repository.path), repository.path / ".mlops" / "trees")
    tree = lost.at(sha)
    shutil.rmtree(tree)
    lost.close()
    assert entries(repository) == 1


def test_hooks_of_the_repository_are_not_called(repository, trees, tmp_path):
    sha = repository.commit()
    hook = repository.path / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\n")
    hook.chmod(0o755)
    trees.at(sha)
    assert not (tmp_path / "called").exists()


def test_a_submodule_has_the_files_of_its_commit(repository, trees, tmp_path):
    inner = type(repository)(tmp_path / "inner")
    inner.file("inside.py", "old")
    inner.commit()
    repository.commit()
    repository("submodule", "--quiet", "add", str(inner.path), "libs/inner")
    sha = repository.commit()
    (repository.path / "libs" / "inner" / "inside.py").write_text("changed")
    assert (trees.at(sha) / "libs" / "inner" / "inside.py").read_text() == "old"
    assert trees.empty(sha) == ()


def test_a_submodule_that_is_not_here_is_named(repository, trees, tmp_path):
    inner = type(repository)(tmp_path / "inner")
    inner.commit()
    repository.commit()
    repository("submodule", "--quiet", "add", str(inner.path), "libs/inner")
    sha = repository.commit()
    repository("submodule", "--quiet", "deinit", "--force", "libs/inner")
    assert trees.empty(sha) == ("libs/inner",)


def test_pointers_of_git_lfs_are_known(repository, trees):
    repository.file(".gitattributes", "*.npz filter=lfs\n")
    repository.file("data/big.npz", POINTER)
    repository.file("data/note.npz", "not a pointer")
    repository.file("data/note.txt", POINTER)
    sha = repository.commit()
    assert trees.pointers(sha) == {"data/big.npz"}


def test_a_commit_that_cannot_be_checked_out_is_an_error_and_leaves_nothing(repository, trees):
    repository.commit()
    with pytest.raises(RefError, match="git cannot check out ffffffffff"):
        trees.at("f" * 40)
    assert (entries(repository), left(repository)) == (1, [])


def test_a_folder_that_cannot_be_written_is_an_error(repository):
    sha = repository.commit()
    (repository.path / "file").write_text("")
    with pytest.raises(RefError, match="cannot be written"):
        Trees(Git(repository.path), repository.path / "file" / "trees").at(sha)
