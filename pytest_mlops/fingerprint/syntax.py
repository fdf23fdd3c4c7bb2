"""Source files as normalised syntax trees: comments, layout, docstrings and line numbers do not count."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType

from pytest_mlops.errors import ParameterError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_TREES: dict[str, tuple[tuple[int, int], ast.Module]] = {}
_SEEN: dict[str, tuple[int, int]] = {}


def forget() -> None:
    """A new pytest session begins: files may have changed since the last one."""
    _SEEN.clear()


def note(file: str) -> None:
    """Remember what a file is now, unless that was noted before."""
    with suppress(OSError):
        _SEEN.setdefault(file, _stamp(file))


def tree_of(file: str) -> ast.Module:
    """The parsed file, cached by its size and time of change.

    Raises
    ------
    ParameterError
        If the file changed in this session: what would train is the code that was imported before.
    """
    stamp = _stamp(file)
    if _SEEN.setdefault(file, stamp) != stamp:
        raise ParameterError(
            f"{file} changed while pytest was running: what would train is the old code, and its results would be kept under the "
            "new one's key. Start pytest again."
        )
    known = _TREES.get(file)
    if known is None or known[0] != stamp:
        _TREES[file] = known = (stamp, ast.parse(Path(file).read_bytes()))
    return known[1]


def _stamp(file: str) -> tuple[int, int]:
    status = Path(file).stat()
    return (status.st_size, status.st_mtime_ns)


def whole_file(file: str, package: str) -> tuple[str, tuple[Import, ...]]:
    """The normalised hash of a whole file, and what it imports."""
    tree_of(file)
    return _whole_file(file, _stamp(file), package)


@lru_cache(maxsize=10_000)
def _whole_file(file: str, stamp: tuple[int, int], package: str) -> tuple[str, tuple[Import, ...]]:
    del stamp  # part of the cache's key
    tree = tree_of(file)
    return normalised(tree), tuple(imports_in(tree, package=package))


def normalised(node: ast.AST) -> str:
    """SHA-256 of a tree without positions and docstrings.

    Examples
    --------
    >>> normalised(ast.parse("x = 1  # one")) == normalised(ast.parse("x   = 1"))
    True
    """
    removed: list[tuple[ast.AST, list[ast.stmt]]] = []
    for inner in ast.walk(node):
        body = getattr(inner, "body", None)
        if isinstance(inner, (*_DEFINITIONS, ast.Module)) and body and _is_docstring(body[0]):
            removed.append((inner, body))
            inner.body = body[1:]
    try:
        return hashlib.sha256(ast.dump(node).encode("utf-8", "surrogatepass")).hexdigest()
    finally:
        for inner, body in removed:
            inner.body = body  # type: ignore[attr-defined]


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def definitions_of(code: CodeType, tree: ast.Module) -> list[ast.AST]:
    """Nodes that a code object was compiled from: one, or all lambdas that start on its line."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                found.append(node)
        elif (
            isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
        ):
            found.append(node)
    return found


def class_of(qualname: str, tree: ast.Module) -> ast.ClassDef | None:
    """The class statement with that qualified name, also inside functions."""
    node: ast.AST = tree
    for name in qualname.replace(".<locals>", "").split("."):
        inner = (child for child in ast.walk(node) if isinstance(child, _DEFINITIONS) and child.name == name)
        found = next((child for child in inner if child is not node), None)
        if found is None:
            return None
        node = found
    return node if isinstance(node, ast.ClassDef) else None


def statements_binding(name: str, tree: ast.Module) -> list[ast.stmt]:
    """Statements at the module's level that give ``name`` a value, wherever they nest (``if``, ``with``, ``try``)."""
    return [statement for statement in tree.body if name in bound_by(statement)]


def bound_by(statement: ast.stmt) -> set[str]:
    """Names that a statement gives a value."""
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    names = {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name.partition(".")[0]) for alias in node.names}
    return names


def names_in(node: ast.AST) -> set[str]:
    """Names that the code reads."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}


def attributes_in(node: ast.AST) -> set[tuple[str, ...]]:
    """Dotted names that the code reads: ``("config", "LR")``, and ``("pkg", "config", "LR")`` for a longer one."""
    found: set[tuple[str, ...]] = set()
    for inner in ast.walk(node):
        names: list[str] = []
        while isinstance(inner, ast.Attribute):
            names.append(inner.attr)
            inner = inner.value
        if names and isinstance(inner, ast.Name):
            found.add((inner.id, *reversed(names)))
    return found


@dataclass(frozen=True)
class Import:
    """One imported module, and the names taken from it (which may be modules too)."""

    module: str
    names: tuple[str, ...] = ()


def imports_in(node: ast.AST, *, package: str) -> Iterator[Import]:
    """Imports written anywhere in the code; relative ones resolved against ``package``."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            for alias in inner.names:
                yield Import(alias.name)
        elif isinstance(inner, ast.ImportFrom):
            module = inner.module or ""
            if inner.level:
                base = package.split(".")
                base = base[: len(base) - inner.level + 1]
                module = ".".join([*base, *([module] if module else [])])
            if module:
                yield Import(module, tuple(alias.name for alias in inner.names))
