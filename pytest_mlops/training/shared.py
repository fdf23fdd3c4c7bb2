"""State of the user's modules: every training run starts with what they held, as in a process of its own.

Kept and put back: names that the function's code reads, and lists, dicts, sets and the user's own objects behind them.
Caches of ``functools`` are emptied. Arrays, tensors and weights among them are not copied: a run that changes one fails.
"""

from __future__ import annotations

import copy
import random
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.fingerprint.party import source_file
from pytest_mlops.fingerprint.slots import Slot, filled, is_code
from pytest_mlops.fingerprint.values import has_class
from pytest_mlops.training.data import protected

_MOST = 200_000
"""Containers and items that are looked through; what lies beyond is left alone."""


@contextmanager
def module_state_kept(function: Callable[..., Any]) -> Iterator[None]:
    """Put the state that ``function`` reads outside itself back at the end of the block.

    A registry that a module fills when it is imported stays filled: the module will not be imported again.

    Raises
    ------
    DataError
        If an array, tensor or weight that all runs share was changed in place.
    """
    shared = fingerprint.shared_state(function)
    for cache in shared.caches:
        cache.cache_clear()
    values = {slot.label: _read(slot) for slot in shared.slots.values()}
    held = [held for holder in shared.holders for held in _held_by(holder)]
    containers = list(_containers([*values.values(), *held]))
    kept = [(container, _contents(container)) for container in containers]
    attributes = [(holder, dict(vars(holder))) for holder in shared.holders]
    generators = [_generator_state(value) for value in values.values()]
    modules = set(sys.modules)
    with ExitStack() as protection:
        for slot in shared.slots.values():
            protection.enter_context(protected(values[slot.label], named=slot.label))
        try:
            yield
        finally:
            put_back = _keep_filled if _first_party(set(sys.modules) - modules) else _put_back
            for container, before in kept:
                put_back(container, before)
            for slot in shared.slots.values():
                if _read(slot) is not values[slot.label]:
                    slot.write(values[slot.label])
            for holder, before in attributes:
                _put_attributes_back(holder, before)
            for restore in generators:
                restore()


_NOTHING = object()


def _read(slot: Slot) -> Any:
    with suppress(LookupError, ValueError):  # a name that is not bound (yet)
        return slot.read()
    return _NOTHING


def _held_by(holder: Any) -> list[Any]:
    """Values of a class's attributes; a function's attributes and mutable defaults; arguments of a partial."""
    if isinstance(holder, partial):
        return [holder.args, holder.keywords]
    if isinstance(holder, type):
        return [value for name, value in vars(holder).items() if not name.startswith("__")]
    defaults = [*(holder.__defaults__ or ()), *(holder.__kwdefaults__ or {}).values()]
    return [*defaults, *vars(holder).values()]


def _put_attributes_back(holder: Any, before: dict[str, Any]) -> None:
    """As ``vars(holder)`` was: for a class, whose dict cannot be written, name by name."""
    for name in set(vars(holder)) - set(before):
        if not name.startswith("__"):
            delattr(holder, name)
    for name, value in before.items():
        if not name.startswith("__") and vars(holder).get(name, _NOTHING) is not value:
            setattr(holder, name, value)


def _generator_state(value: Any) -> Callable[[], object]:
    """Puts a random generator at a module's top back: its numbers would depend on the runs before."""
    if isinstance(value, random.Random):
        return partial(value.setstate, value.getstate())
    if has_class(value, "numpy.random._generator", "Generator"):
        return partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    if has_class(value, "numpy.random.mtrand", "RandomState"):
        return partial(value.set_state, value.get_state())
    if has_class(value, "torch._C", "Generator"):
        return partial(value.set_state, value.get_state())
    return lambda: None


def _first_party(modules: set[str]) -> bool:
    return any(source_file(sys.modules.get(name)) is not None for name in modules)


def _containers(values: list[Any]) -> Iterator[Any]:
    """What can change, reachable through containers and the user's own objects; each once."""
    seen: set[int] = set()
    todo = [value for value in values if value is not _NOTHING]
    while todo and len(seen) < _MOST:
        item = todo.pop()
        if isinstance(item, str | bytes | int | float | type(None)) or id(item) in seen:
            continue
        if is_code(item):
            continue
        seen.add(id(item))
        if isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list | tuple | set | frozenset | deque):
            todo.extend(item)
        elif _is_users_object(item):
            item = vars(item)
            todo.extend(item.values())
        if isinstance(item, list | dict | set | deque | bytearray):
            yield item


def _is_users_object(item: object) -> bool:
    if isinstance(item, SimpleNamespace | Namespace):
        return True
    return (
        not isinstance(item, ModuleType | FunctionType)
        and hasattr(item, "__dict__")
        and source_file(sys.modules.get(type(item).__module__)) is not None
    )


def _contents(container: Any) -> Any:
    return list(container.items()) if isinstance(container, dict) else list(container)


def _is_as_before(container: Any, before: list[Any]) -> bool:
    now = _contents(container)
    return len(now) == len(before) and all(_same(a, b) for a, b in zip(now, before, strict=True))


def _keep_filled(container: Any, before: list[Any]) -> None:
    if not _is_as_before(container, before):
        held = copy.copy(container)  # keeps what the type itself has, such as the factory of a defaultdict
        _put_back(held, before)
        filled(container, held)


def _put_back(container: Any, before: list[Any]) -> None:
    if _is_as_before(container, before):
        return
    container.clear()
    (container.update if isinstance(container, dict | set) else container.extend)(before)


def _same(now: Any, before: Any) -> bool:
    if (
        isinstance(now, tuple) and isinstance(before, tuple) and len(now) == len(before) == 2
    ):  # an item of a dict
        return now[0] is before[0] and now[1] is before[1]
    return now is before
