"""Which names a function's first-party code reads: a quick look at bytecode, good for a guess and not for a key."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from pytest_mlops.fingerprint import party


def reads_any(function: Any, names: frozenset[str]) -> bool:
    """Whether the function, or first-party code that it calls by name, reads an attribute or name of ``names``."""
    todo, seen = [function], {id(function)}
    while todo:
        value = todo.pop()
        for read, inner in _inside(value):
            if names & read:
                return True
            fresh = [one for one in inner if id(one) not in seen]
            seen.update(map(id, fresh))
            todo += fresh
    return False


def _inside(value: Any) -> Iterator[tuple[set[str], list[Any]]]:
    """Names that a value's own code reads, and the values that it leads to."""
    if isinstance(value, partial):
        yield set(), [value.func]
    elif isinstance(value, MethodType):
        yield set(), [value.__func__, value.__self__]
    elif isinstance(value, FunctionType):
        yield from _function(value)
    elif isinstance(value, type):
        if party.source_of_name(value.__module__):
            members = [getattr(member, "__func__", member) for member in vars(value).values()]
            yield set(), [*members, *value.__bases__]
    elif callable(getattr(value, "__wrapped__", None)):
        yield set(), [value.__wrapped__]
    elif not isinstance(value, ModuleType):
        yield set(), [type(value)]


def _function(function: FunctionType) -> Iterator[tuple[set[str], list[Any]]]:
    file = function.__code__.co_filename
    if not (party.source_of_name(function.__module__) or party.is_first_party(file)):
        return
    read = _read(function.__code__)
    scope = {name: function.__globals__.get(name, sys.modules.get(name)) for name in read}
    found = [value for value in scope.values() if value is not None] + _captured(function)
    modules = [value for value in found if isinstance(value, ModuleType) and party.source_file(value)]
    found += [vars(module)[name] for module in modules for name in read if name in vars(module)]
    yield read, [*found, *filter(None, [getattr(function, "__wrapped__", None)])]


def _captured(function: FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a name that is not bound yet
            found.append(cell.cell_contents)
    return found


def _read(code: CodeType) -> set[str]:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_read, inner))
