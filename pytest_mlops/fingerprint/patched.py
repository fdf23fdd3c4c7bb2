"""What somebody put into a module in place of what its source says: ``monkeypatch.setattr("net.LR", 9)``.

A module that a function imports while it runs counts by its source. So only what is certainly not as written is told here:
functions, classes, literals and imported names that are bound once. All else would make keys depend on what is loaded.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any

from pytest_mlops.fingerprint import syntax
from pytest_mlops.fingerprint.slots import as_imported

GONE = object()
"""Stands for a name that was removed."""

_MADE_OTHERWISE = frozenset({"__new__", "__init_subclass__", "__class_getitem__"})


def patched(module: ModuleType, tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Names of a loaded module, dotted for those of its classes, with values that its source does not give them.

    Parameters
    ----------
    module : ModuleType
    tree : ast.Module
        Its source.

    Yields
    ------
    str, object
        The name and its value, :data:`GONE` if it has none.
    """
    yield from _patched(vars(module), tree, module, "")


def _patched(
    scope: Mapping[str, Any], tree: ast.Module | ast.ClassDef, module: ModuleType, prefix: str
) -> Iterator[tuple[str, Any]]:
    for statement, name in _bound_once(tree):
        value = scope.get(name, GONE)
        label = f"{prefix}{name}"
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            if not _is_as_written(value, statement, module):
                yield label, value
        elif isinstance(statement, ast.ClassDef):
            if (
                not isinstance(value, type)
                or value.__qualname__ != label
                or value.__module__ != module.__name__
            ):
                yield label, value
            elif type(value) is type and not issubclass(value, tuple):  # others rewrite what stands in them
                yield from _patched(vars(value), statement, module, f"{label}.")
        elif isinstance(statement, ast.ImportFrom):
            there = _imported(statement, name, module)
            if there is not GONE and there is not value:
                yield label, value
        elif not _is_literal(as_imported(value), statement):
            yield label, value


@lru_cache(maxsize=4096)
def _bound_once(tree: ast.Module | ast.ClassDef) -> tuple[tuple[ast.stmt, str], ...]:
    """Statements of a body that give one name a value that can be told, and that no other statement gives it."""
    times = Counter(name for statement in tree.body for name in syntax.bound_by(statement))
    changed = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    told = ((statement, name) for statement in tree.body for name in _tells(statement))
    return tuple(
        (statement, name)
        for statement, name in told
        if times[name] == 1 and name not in changed | _MADE_OTHERWISE
    )


def _tells(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        if not statement.decorator_list:
            yield statement.name
    elif isinstance(statement, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in statement.names if alias.name != "*")
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        if len(targets) == 1 and isinstance(targets[0], ast.Name) and _literal(statement) is not GONE:
            yield targets[0].id


def _literal(statement: ast.Assign | ast.AnnAssign) -> Any:
    """The value as written; an empty list or dict is there to be filled."""
    try:
        value = ast.literal_eval(statement.value) if statement.value is not None else GONE
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return GONE
    return GONE if isinstance(value, list | dict | set) and not value else value


def _is_literal(value: Any, statement: ast.stmt) -> bool:
    assert isinstance(statement, ast.Assign | ast.AnnAssign)
    written = _literal(statement)
    return type(value) is type(written) and (value == written or repr(value) == repr(written))


def _is_as_written(value: Any, statement: ast.FunctionDef | ast.AsyncFunctionDef, module: ModuleType) -> bool:
    return (
        isinstance(value, FunctionType)
        and value.__module__ == module.__name__
        and value.__code__.co_firstlineno == statement.lineno
        and value.__code__.co_name == statement.name
    )


def _imported(statement: ast.ImportFrom, name: str, module: ModuleType) -> Any:
    """What the name stands for where it comes from, as far as that is loaded."""
    try:
        origin = importlib.util.resolve_name(
            "." * statement.level + (statement.module or ""), module.__package__
        )
    except (ImportError, ValueError):
        return GONE
    original = next(alias.name for alias in statement.names if (alias.asname or alias.name) == name)
    return vars(sys.modules[origin]).get(original, GONE) if origin in sys.modules else GONE
