"""Which files stand for the code of a command."""

import subprocess

import pytest

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint import Sources, changed_files, digest_of, named_by, parts_of


def git(folder, *words):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    for name in ("src/net.py", "conf/a.yaml", "README.md", "train.py", "ignored/x.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    (root / ".gitignore").write_text("ignored/\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def test_all_that_git_would_commit_counts(project):
    (project / "new file.py").write_text("untracked")
    (project / ".mlops").mkdir()
    (project / ".mlops" / "store.sqlite").write_text("ours")
    found = Sources(root=project).files()
    assert list(found) == [
        ".gitignore",
        "README.md",
        "conf/a.yaml",
        "new file.py",
        "src/net.py",
        "train.py",
    ]


@pytest.mark.parametrize("what", ["edit", "add", "remove", "rename"])
def test_every_change_of_the_tree_changes_it(project, what):
    before = Sources(root=project).files()
    file = project / "conf" / "a.yaml"
    {
        "edit": lambda: file.write_text("lr: 0.2"),
        "add": lambda: (project / "conf" / "b.yaml").write_text(""),
        "remove": file.unlink,
        "rename": lambda: file.rename(project / "conf" / "c.yaml"),
    }[what]()
    after = Sources(root=project).files()
    assert digest_of(after) != digest_of(before)
    assert all(name.startswith("conf/") for name in changed_files(after, before))


def test_from_a_folder_inside_a_repository_the_whole_of_it_counts(project):
    assert "../README.md" in Sources(root=project / "src").files()


def test_named_files_and_patterns_count_alone(project):
    found = Sources(root=project, named=("conf/*.yaml", "src"), own=(project / "train.py",)).files()
    assert list(found) == ["conf/a.yaml", "src/net.py", "train.py"]


def test_a_name_that_leads_to_nothing_is_refused(project):
    with pytest.raises(ParameterError, match=r"code='scr' of a command leads to nothing"):
        Sources(root=project, named=("scr",)).files()


def test_without_git_the_code_has_to_be_named(tmp_path):
    (tmp_path / "train.py").write_text("")
    with pytest.raises(ParameterError, match=r'is no git repository.*code=\["src"'):
        Sources(root=tmp_path).files()
    assert list(Sources(root=tmp_path, named=("train.py",)).files()) == ["train.py"]


def test_submodules_count_by_their_files_and_links_by_what_they_lead_to(project, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "lib.py").write_text("1")
    git(other, "init", "-q")
    git(other, "add", "-A")
    git(other, "commit", "-qm", "first")
    git(project, "submodule", "add", "-q", str(other), "lib")
    outside = tmp_path / "outside.yaml"
    outside.write_text("1")
    (project / "link.yaml").symlink_to(outside)
    before = Sources(root=project).files()
    (project / "lib" / "lib.py").write_text("2")
    outside.write_text("2")
    assert changed_files(Sources(root=project).files(), before) == ["lib/lib.py", "link.yaml"]


def test_a_submodule_without_its_files_is_no_endless_circle(project, tmp_path):
    test_submodules_count_by_their_files_and_links_by_what_they_lead_to(project, tmp_path)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "second")
    git(tmp_path, "clone", "-q", str(project), "clone")
    assert "train.py" in Sources(root=tmp_path / "clone").files()


def test_projects_elsewhere_count_too_and_what_we_write_does_not(project, tmp_path):
    library = tmp_path / "library"
    library.mkdir()
    (library / "lib.py").write_text("1")
    (project / "runs.sqlite").write_text("")
    found = Sources(root=project, outside=(library,), aside=(f"{project}/runs.",)).files()
    assert "../library/lib.py" in found
    assert "runs.sqlite" not in found


def test_files_that_the_words_name_are_found(project):
    words = ["python", "train.py", "--config=conf/a.yaml", "-m", "src.net", "x" * 5000, "nothing.py"]
    found = {path.relative_to(project).as_posix() for path in named_by(words, project)}
    assert found == {"train.py", "conf/a.yaml", "src/net.py"}


def test_of_many_files_the_topmost_folders_are_told_apart():
    files = {f"src/a/{number}.py": "0" for number in range(600)} | {"conf/x.yaml": "1"}
    assert list(parts_of(files)) == ["./src", "./conf"]
    assert parts_of(files)["./src"] != parts_of({**files, "src/a/3.py": "9"})["./src"]


def test_variables_of_a_git_hook_do_not_lead_elsewhere(project, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    assert "train.py" in Sources(root=project).files()
