"""What an arm declared as data: loaded once, hashed by content, and taken apart to say later what changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.errors import DataError, MlopsError


class DeclaredData:
    """The data of all arms; what a function loaded is loaded once."""

    def __init__(self) -> None:
        self._loaded: dict[Callable[[], Any], tuple[Any, str]] = {}

    def ready(self, declared: Any) -> tuple[Any, str, frozenset[str]]:
        """What ``run.data`` is, the hash of its content, and the packages that its loader names."""
        if declared is None:
            return None, "", frozenset()
        if not callable(declared):
            return declared, fingerprint.content_of(_contents(declared), name="data"), frozenset()
        if declared not in self._loaded:
            self._loaded[declared] = _load(declared)
        value, content = self._loaded[declared]
        return value, content, fingerprint.fingerprint(declared).packages


def _contents(declared: Any) -> Any:
    """The declared structure with each path replaced by its content's hash; names count too."""
    if isinstance(declared, Path):
        return {"name": declared.name, "content": fingerprint.path_content(declared)}
    if isinstance(declared, dict):
        return {name: _contents(item) for name, item in declared.items()}
    return [_contents(item) for item in declared]


def parts_of(declared: Any, content: str) -> dict[str, str]:
    """Names and hashes of what was declared, to say later which of them changed."""
    if declared is None:
        return {}
    if callable(declared):
        return {f"{fingerprint.describe(declared)}()": content}
    if isinstance(declared, Path):
        return fingerprint.path_parts(declared)
    items = declared.values() if isinstance(declared, dict) else declared
    return {name: part for item in items for name, part in parts_of(item, content).items()}


def short_hash(text: str) -> str:
    """Enough of a hash to tell two versions of one thing apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _load(declared: Callable[[], Any]) -> tuple[Any, str]:
    name = fingerprint.describe(declared)
    try:
        value = declared()
    except MlopsError:
        raise
    except Exception as error:
        raise DataError(f"using(data={name}): {name}() raised {type(error).__name__}: {error}") from error
    return value, fingerprint.content_of(value, name=f"{name}()")
