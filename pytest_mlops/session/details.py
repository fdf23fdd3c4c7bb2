"""What stands behind a run's hashes, taken apart, so that people can be told which file or item changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_mlops import fingerprint

_DEEPEST, _MOST = 2, 50
"""How deep and how wide containers in loaded data are taken apart: a list of samples has no parts that a sentence could name."""


def short_hash(text: str) -> str:
    """Enough of a hash to tell two versions of one thing apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def code_parts(reached: Iterable[tuple[str, str]], root: Path | None) -> dict[str, str]:
    """Functions, constants and modules with their hashes; files that a constant names have entries of their own.

    Parameters
    ----------
    reached : iterable of (str, str)
        Of a fingerprint: label and text.
    root : Path, optional
        Folder that the paths of files are relative to, if they lie below it.

    Examples
    --------
    >>> list(code_parts([("net:CONF", '{"content": "ab12", "path": "/p/net.yaml"}')], Path("/p")))
    ['net:CONF', 'net.yaml (net:CONF)']
    """
    parts = {}
    for label, text in reached:
        parts[label] = short_hash(text)
        for path, content in _paths_in(text):
            parts[f"{relative(path, root)} ({label})"] = content[:16]
    return parts


def relative(path: str, root: Path | None) -> str:
    """A path as seen from the project's folder, if it lies below it."""
    here = Path(path)
    return (here.relative_to(root) if root is not None and here.is_relative_to(root) else here).as_posix()


def _paths_in(text: str) -> Iterator[tuple[str, str]]:
    if '"path"' not in text:
        return
    waiting = [json.loads(text)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and value.keys() == {"path", "content"}:
            if isinstance(value["content"], str):
                path = value["path"]
                yield path["below root"] if isinstance(path, dict) else path, value["content"]
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value


def data_parts(declared: Any, loaded: Mapping[str, str]) -> dict[str, str]:
    """Names and hashes of what was declared; ``loaded`` has those of what a function returned."""
    if declared is None:
        return {}
    if callable(declared):
        return dict(loaded)
    if isinstance(declared, Path):
        return fingerprint.path_parts(declared)
    items = declared.values() if isinstance(declared, dict) else declared
    return {name: part for item in items for name, part in data_parts(item, loaded).items()}


def taken_apart(value: Any, name: str, *, depth: int = 0) -> tuple[str, dict[str, str]]:
    """The hash of a loaded value's content, and the names and hashes of its items.

    The hash of a tuple, list or dict is made of those of its items, so that nothing is read twice.

    Parameters
    ----------
    value : object
        What a declared function returned.
    name : str
        What it is called: ``load()``.
    depth : int
        How deep in the value this one lies.

    Raises
    ------
    DataError
        If a part of it has a type whose content cannot be seen.

    Examples
    --------
    >>> list(taken_apart((b"images", {"train": [0, 1], "test": [2]}), "load()")[1])
    ['load()[0]', "load()[1]['train']", "load()[1]['test']"]
    """
    if isinstance(value, Path) and value.exists():
        return fingerprint.content_of(value, name=name), fingerprint.path_parts(value)
    items: list[tuple[Any, Any]] = []
    if type(value) in (tuple, list):
        items = list(enumerate(value))
    elif type(value) is dict:
        items = list(value.items())
    if not 0 < len(items) <= _MOST or depth == _DEEPEST:
        content = fingerprint.content_of(value, name=name)
        return content, {name: content[:16]}
    whole, parts = hashlib.sha256(f"{type(value).__name__} of {len(items)}:".encode()), {}
    for key, item in items:
        content, inner = taken_apart(item, f"{name}[{fingerprint.describe(key)}]", depth=depth + 1)
        whole.update(fingerprint.content_of(key, name=f"a key of {name}").encode() + content.encode())
        parts.update(inner)
    return whole.hexdigest(), parts
