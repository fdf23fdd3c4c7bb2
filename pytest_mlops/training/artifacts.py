"""The files of a run: those that it keeps, and those of the run that it goes on from. Names stay inside their folders."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from pytest_mlops.errors import RunError, UpstreamError
from pytest_mlops.records import RunSpec

_SHOWN = 20
"""Names of artifacts that a message lists."""


class Files:
    """The part of ``run`` for files.

    Parameters
    ----------
    spec : RunSpec
        Where they lie.
    """

    def __init__(self, spec: RunSpec) -> None:
        # Absolute now: the function may change the working directory.
        self._artifacts = spec.artifacts.absolute()
        self._upstream = spec.upstream.absolute() if spec.upstream is not None else None

    def artifact(self, name: str) -> Path:
        """A path for a file that is kept with the run; its folder is made.

        Parameters
        ----------
        name : str
            Relative, e.g. ``"model.pt"`` or ``"plots/roc.png"``.

        Returns
        -------
        pathlib.Path
            Absolute; whatever is written there is kept.

        Raises
        ------
        RunError
            If the name is empty, absolute, or leads out of the folder of the run.

        Examples
        --------
        ::

            torch.save(model.state_dict(), run.artifact("model.pt"))
        """
        return artifact_path(self._artifacts, name)

    def upstream(self, name: str) -> Path:
        """What the run before left under that name: in the function of a derived arm, ``candidate.then(function)``.

        Parameters
        ----------
        name : str
            A file as ``run.artifact`` named it, e.g. ``"model.pt"``, or a folder of such.

        Returns
        -------
        pathlib.Path
            Absolute. A copy of this run's own: what happens to it changes nothing that is stored.

        Raises
        ------
        UpstreamError
            If the run before left nothing of that name, or the arm is not derived.

        Examples
        --------
        ::

            model.load_state_dict(torch.load(run.upstream("model.pt")))
        """
        if self._upstream is None:
            raise UpstreamError(
                f"run.upstream({name!r:.60}): this arm goes on from no other. Make a derived one: arm(train).then(function)."
            )
        return upstream_path(self._upstream, name)


def upstream_path(folder: Path, name: Any) -> Path:
    """Path of what lies in ``folder`` under that name; see ``Run.upstream``."""
    _check(name, "upstream")
    path = folder.joinpath(*PureWindowsPath(name).parts)
    if not path.exists():
        left = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
        more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
        there = f"it left {', '.join(map(repr, left[:_SHOWN]))}{more}" if left else "it left none"
        raise UpstreamError(
            f"run.upstream({name!r:.60}): the training run before left no artifact of that name; {there}. What "
            "run.artifact(name) names there is found here."
        )
    return path


def artifact_path(folder: Path, name: Any) -> Path:
    """Path of the artifact ``name`` in ``folder``; see ``Run.artifact``."""
    _check(name, "artifact")
    path = folder.joinpath(*PureWindowsPath(name).parts)
    folder.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RunError(
            f"run.artifact({name!r:.60}) leaves the folder of the run through a link; use another name."
        )
    return path


def _check(name: Any, call: str) -> None:
    if not isinstance(name, str):
        raise RunError(
            f"run.{call}({name!r:.60}): expected a str, e.g. 'model.pt', and got {type(name).__name__}."
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
            f"run.{call}({name!r:.60}) {problem}; expected a relative name inside the run's own folder, "
            "e.g. 'model.pt' or 'plots/roc.png'."
        )
