"""What an arm declared as data: loaded once and hashed by content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.errors import DataError, MlopsError
from pytest_mlops.session.details import taken_apart


@dataclass(frozen=True, kw_only=True)
class Data:
    """Declared data, ready to train on."""

    value: Any = None
    """What ``run.data`` is."""
    content: str = ""
    """SHA-256 of its content."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Names and hashes of the items of what a function loaded."""
    packages: frozenset[str] = frozenset()
    """Packages that the loader names."""


class DeclaredData:
    """The data of all arms; what a function loaded is loaded once."""

    def __init__(self) -> None:
        self._loaded: dict[Callable[[], Any], tuple[Any, str, dict[str, str]]] = {}

    def ready(self, declared: Any) -> Data:
        """The data of one arm."""
        if declared is None:
            return Data()
        if not callable(declared):
            return Data(value=declared, content=fingerprint.content_of(_contents(declared), name="data"))
        if declared not in self._loaded:
            self._loaded[declared] = _load(declared)
        value, content, parts = self._loaded[declared]
        packages = fingerprint.fingerprint(declared).packages
        return Data(value=value, content=content, parts=parts, packages=packages)


def _contents(declared: Any) -> Any:
    """The declared structure with each path replaced by its content's hash; names count too."""
    if isinstance(declared, Path):
        return {"name": declared.name, "content": fingerprint.path_content(declared)}
    if isinstance(declared, dict):
        return {name: _contents(item) for name, item in declared.items()}
    return [_contents(item) for item in declared]


def _load(declared: Callable[[], Any]) -> tuple[Any, str, dict[str, str]]:
    name = fingerprint.describe(declared)
    try:
        value = declared()
    except MlopsError:
        raise
    except Exception as error:
        raise DataError(f"using(data={name}): {name}() raised {type(error).__name__}: {error}") from error
    return (value, *taken_apart(value, f"{name}()"))
