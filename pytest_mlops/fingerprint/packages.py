"""Versions of the installed packages that a training function reaches."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from importlib import metadata


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


@cache
def _version(distribution: str) -> str:
    return metadata.version(distribution)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Distribution and version of each top-level package name; the standard library has none.

    Examples
    --------
    >>> sorted(versions(["json", "pytest"]))
    ['pytest']
    """
    found: dict[str, str] = {}
    for package in packages:
        if package in sys.stdlib_module_names:
            continue
        for distribution in _distributions().get(package, ()):
            found[distribution.lower()] = _version(distribution)
    return dict(sorted(found.items()))
