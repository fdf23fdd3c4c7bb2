"""Where state lives that all training runs of one process share: names of modules, captured variables, caches."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

_CODE = (FunctionType, type, ModuleType, MethodType, partial, BuiltinFunctionType)


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A name that training functions read, and that one of them could change for the next."""

    label: str
    """``module:name``, for people."""
    read: Callable[[], Any]
    """Its value now.  Raises ``LookupError`` or ``ValueError`` where there is none."""
    write: Callable[[Any], None]
    """Give it another value."""


@dataclass(kw_only=True)
class Shared:
    """What one walk over a function's code found."""

    slots: dict[str, Slot] = field(default_factory=dict)
    caches: list[Any] = field(default_factory=list)
    """Objects with ``cache_clear``: functions of the user behind ``functools.lru_cache``."""
    holders: list[Any] = field(default_factory=list)
    """The user's classes, functions and partials: their attributes, mutable defaults and arguments outlive a run."""

    def name_of(self, scope: dict[str, Any], name: str, label: str) -> None:
        """Note a module's name, unless it stands for code."""
        if not is_code(scope.get(name)):
            self.slots.setdefault(
                label,
                Slot(
                    label=label, read=lambda: scope[name], write=lambda value: scope.__setitem__(name, value)
                ),
            )

    def captured(self, cell: Any, label: str) -> None:
        """Note a captured variable, unless it stands for code."""
        if not is_code(cell.cell_contents):
            self.slots.setdefault(
                label,
                Slot(
                    label=label,
                    read=lambda: cell.cell_contents,
                    write=lambda value: setattr(cell, "cell_contents", value),
                ),
            )


_FILLED: dict[int, tuple[Any, Any, Any]] = {}
"""Containers that an import during a training run filled: the container, what it held before, what it held after."""


def filled(container: Any, before: Any) -> None:
    """Remember what a registry held before a training run imported the modules that fill it.

    The import will not happen again in this process, so it stays filled; but in the next session it is empty when its key
    is made, and the keys have to be equal.
    """
    known = _FILLED.get(id(container))
    before = known[1] if known is not None and known[0] is container else before
    _FILLED[id(container)] = (container, before, copy.copy(container))


def as_imported(value: Any) -> Any:
    """What a container held before training runs filled it; any other value as it is."""
    known = _FILLED.get(id(value))
    if known is None or known[0] is not value or _items(known[2]) != _items(value):
        return value
    return known[1]


def _items(container: Any) -> list[int]:
    items = container.items() if isinstance(container, dict) else container
    return [id(part) for item in items for part in (item if isinstance(container, dict) else (item,))]


def is_code(value: object) -> bool:
    """Whether a value is a function, class, module or built of these: its code is followed, it holds no state."""
    return isinstance(value, _CODE) or callable(getattr(value, "cache_clear", None))
