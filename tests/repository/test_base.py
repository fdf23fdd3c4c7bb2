"""Which commit ref= means: every event of GitHub, every kind of clone, and one clear error where it is not there."""

import pytest

from pytest_mlops.errors import RefError
from pytest_mlops.repository.base import base, find
from pytest_mlops.repository.git import Git

NONE = "0" * 40


@pytest.fixture
def git(repository):
    return Git(repository.path)


@pytest.fixture
def history(repository):
    """main: first, second; topic from first on: one, two. HEAD is topic."""
    made = {}
    repository.file("a", "1")
    made["first"] = repository.commit()
    repository("checkout", "-q", "-b", "topic")
    for name in ("one", "two"):
        repository.file("t", name)
        made[name] = repository.commit()
    repository("checkout", "-q", "main")
    repository.file("a", "2")
    made["second"] = repository.commit()
    repository("checkout", "-q", "topic")
    return made


def pull_request(base, head):
    return {"pull_request": {"base": {"sha": base, "ref": "main"}, "head": {"sha": head, "ref": "topic"}}}


# --- without an event


def test_a_branch_is_compared_with_its_merge_base(git, history):
    found = find(git, "base")
    assert (found.sha, found.how) == (history["first"], "merge base of HEAD and main")


def test_what_origin_calls_its_default_branch_comes_first(repository, git, history):
    repository("update-ref", "refs/remotes/origin/develop", history["one"])
    repository("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop")
    assert find(git, "base").sha == history["one"]


def test_on_the_default_branch_the_commit_before_is_the_base(repository, git, history):
    repository("checkout", "-q", "main")
    found = find(git, "base")
    assert found.sha == history["first"]
    assert found.how == "the commit before HEAD, which main has already"


def test_on_the_default_branch_uncommitted_changes_are_compared_with_the_last_commit(
    repository, git, history
):
    repository("checkout", "-q", "main")
    repository.file("a", "3")
    assert find(git, "base").sha == history["second"]


def test_files_that_git_does_not_know_are_no_changes(repository, git, history):
    repository("checkout", "-q", "main")
    repository.file("report.md", "new")
    assert find(git, "base").sha == history["first"]


def test_the_option_wins_over_branches_and_events(git, history, event):
    event("pull_request", pull_request(history["second"], history["two"]))
    assert find(git, "base", given=history["one"]).sha == history["one"]
    assert find(git, "base", given="main").sha == history["first"]


# --- events of GitHub


def test_of_a_merge_commit_the_first_parent_is_the_base(repository, git, history, event):
    repository("checkout", "-q", "--detach", "main")
    repository("merge", "-q", "--no-ff", "-m", "merge", "topic")
    event("pull_request", pull_request(history["first"], history["two"]))
    assert find(git, "base").sha == history["second"]  # newer than the one that the event names


def test_of_a_checked_out_head_the_merge_base_is_the_base(git, history, event):
    event("pull_request", pull_request(history["second"], history["two"]))
    found = find(git, "base")
    assert (found.sha, found.how) == (history["first"], "merge base of HEAD and main")


def test_a_merge_of_the_author_is_no_merge_of_github(repository, git, history, event):
    repository("merge", "-q", "--no-ff", "-m", "merge", "main")
    event("pull_request", pull_request(history["second"], repository("rev-parse", "HEAD")))
    assert find(git, "base").sha == history["second"]


def test_of_a_merge_queue_its_base_is_the_base(git, history, event):
    event("merge_group", {"merge_group": {"base_sha": history["one"], "head_sha": history["two"]}})
    assert find(git, "base").sha == history["one"]


def test_of_a_push_the_commit_before_it_is_the_base(git, history, event):
    event("push", {"before": history["one"], "after": history["two"]})
    found = find(git, "base")
    assert found.sha == history["one"]
    assert "the commit before this push" in found.how


def test_a_push_that_makes_a_branch_is_compared_as_a_branch(git, history, event):
    event("push", {"before": NONE, "created": True})
    assert find(git, "base").sha == history["first"]


def test_a_push_that_replaced_the_branch_is_compared_as_a_branch(git, history, event):
    event("push", {"before": "1234567890" * 4, "forced": True})
    assert find(git, "base").sha == history["first"]


@pytest.mark.parametrize("name", ["schedule", "workflow_dispatch", "release"])
def test_other_events_are_compared_as_a_branch(git, history, event, name):
    event(name, {"repository": {"default_branch": "main"}})
    assert find(git, "base").sha == history["first"]


@pytest.mark.parametrize("payload", ["[]", '{"pull_request": 1}', '{"pull_request": {"base": 2}}', "{}"])
def test_an_event_without_commits_is_compared_as_a_branch(git, history, event, payload):
    event("pull_request", payload)
    assert find(git, "base").sha == history["first"]


def test_an_event_that_cannot_be_read_is_an_error(git, history, event):
    event("push", "{")
    with pytest.raises(RefError, match=r"GITHUB_EVENT_PATH = .* cannot be read"):
        find(git, "base")


def test_an_event_about_another_repository_has_no_say(git, history, event, monkeypatch, tmp_path):
    event("push", {"before": history["one"]})
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "elsewhere"))
    assert find(git, "base").sha == history["first"]


# --- names


def test_names_tags_and_parts_of_a_sha_are_commits(repository, git, history):
    repository("tag", "v1.0", history["one"])
    found = {find(git, ref).sha for ref in ("v1.0", history["one"][:8], "HEAD~1", history["one"])}
    assert found == {history["one"]}


def test_a_branch_that_only_origin_has_is_found(repository, git, history):
    repository("update-ref", "refs/remotes/origin/develop", history["one"])
    assert find(git, "develop").sha == history["one"]


def test_a_name_that_does_not_exist_names_close_ones(git, history):
    with pytest.raises(
        RefError, match=r"ref='mian': git knows no commit of that name here. Did you mean 'main'"
    ):
        find(git, "mian")


@pytest.mark.parametrize("ref", ["--output=x", "HEAD:a", "nothing here", "main..topic"])
def test_what_is_no_commit_is_refused(git, history, ref):
    with pytest.raises(RefError, match="git knows no commit of that name"):
        find(git, ref)


def test_head_without_a_change_would_be_compared_with_itself(repository, git, history):
    with pytest.raises(RefError, match="compared with itself"):
        find(git, "HEAD")
    repository.file("a", "changed")
    assert find(git, "HEAD").sha == history["two"]


# --- clones, and folders that are none


def test_a_shallow_clone_says_how_to_fetch_more(repository, history, tmp_path, event):
    repository("clone", "-q", "--depth=1", f"file://{repository.path}", str(tmp_path / "clone"))
    shallow = Git(tmp_path / "clone")
    event("pull_request", pull_request(history["first"], "f" * 40))
    with pytest.raises(RefError, match=r"shallow.*`fetch-depth: 0`"):
        find(shallow, "base")
    with pytest.raises(RefError, match=r"git knows no commit.*`fetch-depth: 0`"):
        find(shallow, history["one"])


def test_a_shallow_clone_of_a_merge_commit_says_how_to_fetch_more(repository, history, tmp_path, event):
    repository("checkout", "-q", "main")
    repository("merge", "-q", "--no-ff", "-m", "merge", "topic")
    repository("clone", "-q", "--depth=1", f"file://{repository.path}", str(tmp_path / "clone"))
    event("pull_request", pull_request(history["second"], history["two"]))
    with pytest.raises(
        RefError, match=f"{history['second']}, what the pull request is merged into.*fetch-depth: 0"
    ):
        find(Git(tmp_path / "clone"), "base")


def test_no_repository_is_an_error(tmp_path, no_ci, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(RefError, match="not a git repository"):
        find(Git(tmp_path), "base")


def test_a_repository_without_commit_is_an_error(git):
    with pytest.raises(RefError, match="has no commit yet"):
        find(git, "base")


def test_a_first_commit_has_no_base(repository, git):
    repository.commit()
    with pytest.raises(RefError, match="HEAD is the first commit"):
        find(git, "base")


def test_a_repository_without_a_branch_to_compare_with_asks_for_one(repository, git):
    repository("checkout", "-q", "-b", "trunk")
    repository.commit()
    with pytest.raises(RefError, match="--mlops-base=BRANCH"):
        base(git)


def test_branches_without_a_common_commit_are_an_error(repository, git, history):
    repository("checkout", "-q", "--orphan", "other")
    repository.commit()
    with pytest.raises(RefError, match="no commit in common"):
        find(git, "base")


def test_variables_of_a_hook_lead_nowhere_else(repository, git, history, monkeypatch, tmp_path):
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert find(git, "base").sha == history["first"]


def test_git_that_is_not_installed_is_an_error(git, history, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefError, match="git is not installed"):
        find(git, "base")
