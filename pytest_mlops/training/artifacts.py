"""Where the files of a run go: names that stay inside its folder, on every system."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pytest_mlops.errors import RunError


def artifact_path(folder: Path, name: Any) -> Path:
    """Path of the artifact ``name`` in ``folder``; see ``Run.artifact``."""
    if not isinstance(name, str):
        raise RunError(
            f"run.artifact({name!r:.60}): expected a str, e.g. 'model.pt', and got {type(name).__name__}."
        )
    parts = PureWindowsPath(name).parts  # cuts at both slashes
    problem = None
    if not name.strip() or not [part for part in parts if part != "."]:
        problem = "is empty"
    elif not name.isprintable():
        problem = "has control characters"
    elif PurePosixPath(name).is_absolute() or PureWindowsPath(name).anchor:
        problem = "is absolute"
    elif ".." in parts:
        problem = "leaves the folder of the run by '..'"
    if problem:
        raise RunError(
            f"run.artifact({name!r:.60}) {problem}; expected a relative name inside the run's own folder, "
            "e.g. 'model.pt' or 'plots/roc.png'."
        )
    path = folder.joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RunError(
            f"run.artifact({name!r:.60}) leaves the folder of the run through a link; use another name."
        )
    return path
