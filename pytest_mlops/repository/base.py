"""Which commit ``ref=`` means: the base of a pull request, of a push, of a branch; or a name.

One piece serves claims against the base commit and the counting of attempts since it.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mlops.errors import RefError
from pytest_mlops.repository.git import Git

BASE = "base"
"""The ``ref`` that stands for what this work will be merged into."""

_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "upstream/HEAD", "main", "master")
"""What a branch is compared with, the first that there is; a pull request of GitHub names its own."""

_FETCH = (
    "This clone is shallow: it has only the newest commits. Fetch all of them: `fetch-depth: 0` below `with:` of "
    "actions/checkout, GIT_DEPTH: 0 on GitLab, or git fetch --unshallow."
)
_NAME_IT = "Name what to compare with: --mlops-base=BRANCH, or mlops_base in the configuration."


@dataclass(frozen=True, kw_only=True)
class Commit:
    """A commit, and how it was found."""

    sha: str
    how: str
    """For people: ``merge base of HEAD and origin/main``."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """What started a job of GitHub Actions, as far as it names commits."""

    name: str
    base: str = ""
    """Newest commit of the branch that a pull request will be merged into."""
    head: str = ""
    """Newest commit of the pull request."""
    before: str = ""
    """Newest commit of the branch before a push; empty where the push made the branch."""
    branch: str = ""
    """The branch that a pull request will be merged into."""


def read_event(environment: Mapping[str, str], project: Path) -> Event | None:
    """The event of this job of GitHub Actions; None where there is none, or where it is about another repository.

    Parameters
    ----------
    environment : mapping of str to str
        Has ``GITHUB_EVENT_PATH``, ``GITHUB_EVENT_NAME`` and ``GITHUB_WORKSPACE`` there.
    project : Path
        Folder of the project.

    Raises
    ------
    RefError
        If the file of the event cannot be read.
    """
    file, workspace = environment.get("GITHUB_EVENT_PATH"), environment.get("GITHUB_WORKSPACE")
    if not file or (workspace and not project.resolve().is_relative_to(Path(workspace).resolve())):
        return None
    try:
        payload = json.loads(Path(file).read_bytes())
    except (OSError, ValueError) as error:
        raise RefError(
            f"GITHUB_EVENT_PATH = {file!r} names the event of this job, and cannot be read: {error}. {_NAME_IT}"
        ) from None
    return event_of(environment.get("GITHUB_EVENT_NAME", ""), payload)


def event_of(name: str, payload: Any) -> Event | None:
    """The commits that an event names; see GitHub's description of events and their payloads.

    Examples
    --------
    >>> event_of("push", {"before": "0" * 40}).before, event_of("schedule", {})
    ('', None)
    >>> event_of("pull_request", {"pull_request": {"base": {"sha": "b1"}, "head": {"sha": "h1"}}}).base
    'b1'
    """
    if not isinstance(payload, dict):
        return None
    pull, group = payload.get("pull_request"), payload.get("merge_group")
    if isinstance(pull, dict):
        base = pull.get("base")
        return Event(
            name=name,
            base=_text(base, "sha"),
            head=_text(pull.get("head"), "sha"),
            branch=_text(base, "ref"),
        )
    if isinstance(group, dict):
        return Event(name=name, base=_text(group, "base_sha"), head=_text(group, "head_sha"))
    if name == "push":
        return Event(name=name, before=_text(payload, "before").strip("0") and _text(payload, "before"))
    return None


def _text(values: Any, name: str) -> str:
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, str) else ""


def find(git: Git, ref: str, *, given: str = "") -> Commit:
    """The commit that ``.using(ref=...)`` means.

    Parameters
    ----------
    git : Git
        Of the project.
    ref : str
        ``"base"``, or whatever git takes for a commit.
    given : str
        The option ``base``; empty where it is not set.

    Raises
    ------
    RefError
        If there is no such commit here, with what to do.
    """
    top, head = git.top, git.commit("HEAD")
    if not head:
        raise RefError(f"ref={ref!r}: {top} has no commit yet. Commit first; ref= compares with a commit.")
    if ref == BASE:
        return base(git, given=given)
    if ref in ("HEAD", "@") and not git.has_changes():
        raise RefError(
            f"ref={ref!r}: the files are those of the last commit, so that an arm would be compared with itself. Write "
            "ref='base', or ref='HEAD~1' for the commit before."
        )
    found = _named(git, ref)
    return Commit(sha=found, how=f"{ref}")


def base(git: Git, *, given: str = "", environment: Mapping[str, str] | None = None) -> Commit:
    """The commit that this work is compared with.

    The option, else the event of GitHub, else the branches of the repository decide:

    - the option ``base``: merge base of HEAD and that name;
    - a pull request: the first parent of GitHub's merge commit, else the merge base of HEAD and the base branch;
    - a push: the newest commit before it; for a new branch as without an event;
    - else the merge base of HEAD and the default branch. Where that is HEAD itself: HEAD, if files differ from it, else the
      commit before.

    Raises
    ------
    RefError
        If it is not here, with what to do.
    """
    if given:
        return _merge_base(git, _named(git, given, option=True), given)
    event = read_event(os.environ if environment is None else environment, git.folder)
    if event is not None and event.base:
        return _of_pull_request(git, event)
    if event is not None and event.before:
        known = git.commit(event.before)
        if known:
            return _merge_base(git, known, f"the commit before this push, {event.before[:10]}")
        if git.is_shallow():
            raise RefError(
                f"ref='base' is the commit before this push, {event.before}, and it is not here. {_FETCH}"
            )
    return _of_branch(git)


def _of_pull_request(git: Git, event: Event) -> Commit:
    parents = git.parents("HEAD")
    if len(parents) == 2 and parents[1] == event.head:
        if not git.commit(parents[0]):
            raise RefError(
                f"ref='base' is {parents[0]}, what the pull request is merged into, and it is not here. {_FETCH}"
            )
        return Commit(sha=parents[0], how="what the pull request is merged into")
    if not git.commit(event.base):
        raise RefError(
            f"ref='base': the pull request's base commit {event.base} is not here. "
            + (_FETCH if git.is_shallow() else f"Fetch it: git fetch origin {event.base}. {_NAME_IT}")
        )
    return _merge_base(git, event.base, event.branch or event.base[:10])


def _of_branch(git: Git) -> Commit:
    branch = next((name for name in _BRANCHES if git.commit(name)), None)
    if branch is None:
        raise RefError(
            f"ref='base': found none of {', '.join(_BRANCHES)}, so there is no telling what this work will "
            f"be merged into. {_NAME_IT}"
        )
    found = _merge_base(git, branch, branch)
    head = git.commit("HEAD")
    if found.sha != head:
        return found
    if git.has_changes():
        return Commit(sha=head, how="HEAD, from which files differ")
    parents = git.parents("HEAD")
    if not parents:
        raise RefError(
            f"ref='base': HEAD is the first commit, with none before it to compare with. {_NAME_IT}"
        )
    if not git.commit(parents[0]):
        raise RefError(f"ref='base' is the commit before HEAD, {parents[0]}, and it is not here. {_FETCH}")
    return Commit(sha=parents[0], how=f"the commit before HEAD, which {branch} has already")


def _merge_base(git: Git, other: str, name: str) -> Commit:
    found = git.merge_base("HEAD", other)
    if not found:
        raise RefError(
            f"ref='base': HEAD and {name} have no commit in common here. "
            + (_FETCH if git.is_shallow() else _NAME_IT)
        )
    return Commit(sha=found, how=f"merge base of HEAD and {name}")


def _named(git: Git, ref: str, *, option: bool = False) -> str:
    """The SHA of a name that a user wrote, here or at origin."""
    for name in (ref, f"origin/{ref}"):
        found = "" if ref.startswith("-") else git.commit(name)
        if found:
            return found
    what = f"base = {ref!r}" if option else f"ref={ref!r}"
    known = git.say("for-each-ref", "--format=%(refname:short)").splitlines()
    close = difflib.get_close_matches(ref, [*known, BASE, "HEAD"], n=3)
    hint = f" Did you mean {', '.join(map(repr, close))}?" if close else ""
    shallow = f" {_FETCH}" if git.is_shallow() else ""
    raise RefError(
        f"{what}: git knows no commit of that name here.{hint}{shallow or ' Expected a branch, a tag or a SHA.'}"
    )


__all__ = ["BASE", "Commit", "Event", "base", "event_of", "find", "read_event"]
