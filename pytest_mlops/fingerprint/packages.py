"""Versions of the installed packages that a training function reaches, directly or through other packages."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from importlib import metadata

_OURSELVES = "pytest-mlops"

_NO_NUMBERS = frozenset(
    {
        "certifi",
        "charset-normalizer",
        "colorama",
        "filelock",
        "idna",
        "jinja2",
        "markupsafe",
        "packaging",
        "pip",
        "requests",
        "setuptools",
        "six",
        "tqdm",
        "typing-extensions",
        "urllib3",
        "wheel",
    }
)
"""Packages that many need and that compute nothing: their releases shall not train everything again.

Where the code itself names one it counts like any other.
"""


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


@cache
def _version(distribution: str) -> str:
    found = metadata.distribution(distribution)
    content = _content(found)
    return f"{found.version} (content {content[:12]})" if content else found.version


def _content(found: metadata.Distribution) -> str:
    """SHA-256 of the files of a distribution that came from a folder, a file or a repository; else empty.

    ``pip install .`` leaves a project under the same version whatever its code is. Only what an index has is the same
    whenever it has the same version. An editable project counts by its files, as first-party code.
    """
    origin = found.read_text("direct_url.json")
    if not origin or _is_editable(origin):
        return ""
    lines = (found.read_text("RECORD") or "").splitlines()
    own = sorted(line for line in lines if ".dist-info/" not in line and not line.startswith(".."))
    noted = [line for line in own if ",sha256=" in line]  # compiled files have no hash
    return hashlib.sha256("\n".join(noted).encode("utf-8", "surrogateescape")).hexdigest()


def _is_editable(origin: str) -> bool:
    with suppress(ValueError, AttributeError):
        return bool(json.loads(origin).get("dir_info", {}).get("editable"))
    return False  # a broken file


@cache
def _needed(distribution: str, extras: frozenset[str] = frozenset()) -> frozenset[str]:
    """Names of the installed distributions that one needs here, directly, each normalised."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    for text in metadata.requires(distribution) or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # of a package older than the rules
            continue
        name, marker = canonicalize_name(requirement.name), requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            continue
        if not _is_installed(name):
            continue
        found.add(name)
        if requirement.extras:
            found |= _needed(name, frozenset(requirement.extras))
    return frozenset(found)


@cache
def _is_installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Distribution and version of each top-level package name, and of all that those need; the standard library has none.

    A package that is needed by no declaration of another (an optional one that is merely there) does not count, and
    neither do a few that compute nothing, such as ``tqdm``.

    Examples
    --------
    >>> sorted(versions(["json", "pytest"]))
    ['iniconfig', 'pluggy', 'pygments', 'pytest']
    """
    from packaging.utils import canonicalize_name

    named: set[str] = set()
    for package in packages:
        if package not in sys.stdlib_module_names:
            named.update(map(canonicalize_name, _distributions().get(package, ())))
    counting, todo = named, list(named)
    while todo:
        new = _needed(todo.pop()) - _NO_NUMBERS - counting
        counting |= new
        todo += new
    return {name: _version(name) for name in sorted(counting)}


@cache
def all_versions() -> dict[str, str]:
    """Distribution and version of all that is installed: for a command, whose imports nobody sees.

    Left out are we ourselves, and the few that compute nothing.
    """
    from packaging.utils import canonicalize_name

    names = {canonicalize_name(one.name) for one in metadata.distributions() if one.name}
    return {name: _version(name) for name in sorted(names - _NO_NUMBERS - {_OURSELVES})}


@cache
def editable_urls() -> tuple[str, ...]:
    """Where the projects lie that are installed as editable: their versions say nothing of their code."""
    from packaging.utils import canonicalize_name

    found = []
    for one in metadata.distributions():
        origin = (
            one.read_text("direct_url.json") if one.name and canonicalize_name(one.name) != _OURSELVES else ""
        )
        if origin and _is_editable(origin):
            found.append(str(json.loads(origin)["url"]))
    return tuple(sorted(set(found)))
