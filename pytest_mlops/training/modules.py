"""What a function leaves at the top of the user's modules: a cache made of two batches must not reach a training run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pytest_mlops.fingerprint import is_first_party

_INSTALLED = ("site-packages", "dist-packages")


@contextmanager
def modules_kept(function: Callable[..., Any]) -> Iterator[None]:
    """Put the globals of first-party modules back: names, the items of dicts, lists and sets, caches of functions.

    Not seen are attributes of objects and classes.
    """
    scopes = [vars(module) for module in _first_party()]
    scopes.append(getattr(function, "__globals__", {}))  # of a module that nobody registered
    before = [(scope, dict(scope)) for scope in scopes]
    held = [(value, _items(value)) for _, names in before for value in names.values()]
    try:
        yield
    finally:
        for scope, names in before:
            _put_names_back(scope, names)
        for value, items in held:
            _put_back(value, items)


def _first_party() -> list[ModuleType]:
    found = []
    for module in list(sys.modules.values()):
        if isinstance(module, ModuleType):
            file = module.__dict__.get("__file__")  # getattr could load a lazy module
            if (
                isinstance(file, str)
                and not any(word in file for word in _INSTALLED)
                and is_first_party(file)
            ):
                found.append(module)
    return found


def _items(value: Any) -> Any:
    if type(value) in (dict, list, set):
        return value.copy()
    info = getattr(type(value), "cache_info", None)  # functools.lru_cache
    return info(value).currsize if info is not None and hasattr(value, "cache_clear") else None


def _put_names_back(scope: dict[str, Any], names: dict[str, Any]) -> None:
    """One by one: a module never stands without its names."""
    for name in scope.keys() - names.keys():
        del scope[name]
    for name, value in names.items():
        if name not in scope or scope[name] is not value:
            scope[name] = value


def _put_back(value: Any, items: Any) -> None:
    if isinstance(items, int):
        if value.cache_info().currsize != items:
            value.cache_clear()
    elif isinstance(items, dict):
        if _changed(list(value.items()), list(items.items())):
            value.clear()
            value.update(items)
    elif isinstance(items, list):
        if _changed([(0, item) for item in value], [(0, item) for item in items]):
            value[:] = items
    elif isinstance(items, set) and set(map(id, value)) != set(map(id, items)):
        value.clear()
        value.update(items)


def _changed(now: list[tuple[Any, Any]], before: list[tuple[Any, Any]]) -> bool:
    """By identity: arrays have no single answer to ``==``."""
    return len(now) != len(before) or any(
        one[0] is not other[0] or one[1] is not other[1] for one, other in zip(now, before, strict=True)
    )
