"""Paths in keys as seen from the project's folder: the same project elsewhere, or at another commit, has the same keys."""

from __future__ import annotations

import os
from pathlib import Path

_root: tuple[str, ...] = ()


def set_root(root: Path | None) -> None:
    """Take ``root`` for the project's folder from now on; None takes paths as they are."""
    global _root
    _root = () if root is None else tuple(dict.fromkeys((str(root.absolute()), str(root.resolve()))))


def below_root(path: str) -> str | None:
    """An absolute path as seen from the project's folder; None if it does not lie there, or is relative.

    What lies beyond the folder is the machine's, and two of its paths are two things whatever they hold.

    Examples
    --------
    >>> set_root(Path("/project"))
    >>> (
    ...     below_root("/project/conf/net.yaml"),
    ...     below_root("/project"),
    ...     below_root("/projects"),
    ...     below_root("conf"),
    ... )
    ('conf/net.yaml', '.', None, None)
    >>> set_root(None)
    """
    for root in _root:
        if path == root:
            return "."
        if path.startswith(root + os.sep):
            return path[len(root) + 1 :].replace(os.sep, "/")
    return None
