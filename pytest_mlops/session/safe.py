"""Whether a function of a test can be called for nothing: what its source may do. It decides, and calls nothing.

Narrow on purpose: a function that is not safe by these rules is judged when its test runs, and nothing is lost but the
knowledge of its claims before.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType

import pytest

from pytest_mlops.fingerprint.party import is_first_party

# fmt: off
_BUILTINS = frozenset((
    "abs", "all", "any", "bool", "dict", "enumerate", "float", "frozenset", "int", "isinstance",
    "len", "list", "max", "min", "print", "range", "repr", "reversed", "round", "set", "sorted",
    "str", "sum", "tuple", "zip",
))
# fmt: on
OURS = ("arm", "ablation")
"""Our fixtures: what a test may call by these names."""
_MAKING = (
    "recorded",
    "from_csv",
    "from_json",
    "from_parquet",
    "command",
    "using",
    "then",
    "each_component_helps",
)
_METHODS = frozenset((*_MAKING, "items", "keys", "values", "format", "join"))
_REFUSED = {
    ast.Import: "imports",
    ast.ImportFrom: "imports",
    ast.Global: "changes a global name",
    ast.Nonlocal: "changes a name outside it",
    ast.Delete: "deletes",
    ast.AugAssign: "changes in place",
    ast.With: "enters a context",
    ast.AsyncWith: "enters a context",
    ast.AsyncFor: "awaits",
    ast.Await: "awaits",
    ast.Try: "catches exceptions",
    ast.TryStar: "catches exceptions",
    ast.While: "loops without an end that can be seen",
    ast.Raise: "raises",
    ast.Yield: "yields",
    ast.YieldFrom: "yields",
    ast.FunctionDef: "defines a function",
    ast.AsyncFunctionDef: "defines a function",
    ast.ClassDef: "defines a class",
    ast.Lambda: "defines a function",
    ast.Match: "matches patterns",
}


def codes_called(function: object, seen: dict[CodeType, None] | None = None) -> dict[CodeType, None] | str:
    """The code that a call of a function may run, helpers of the project included; or why it is not safe, in a sentence.

    Safe is a function of the project that names values, makes arms (``arm(...)``, ``.using(...)``, ``.then(...)``), states
    and asks claims, and calls nothing but harmless builtins, ``pytest.approx``, and functions of the project that are as safe.

    Parameters
    ----------
    function : object
        Of a test, a fixture, or a helper.
    seen : dict of code, optional
        What is looked at already.

    Returns
    -------
    dict of code to None, or str
        All code objects that may run; a text says why the function is not safe.
    """
    seen = {} if seen is None else seen
    if not isinstance(function, FunctionType) or not is_first_party(function.__code__.co_filename):
        return f"{_name(function)} is no function of the project"
    code = function.__code__
    if code in seen:
        return seen
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return f"{code.co_name} yields or awaits"
    tree = _tree(code)
    if tree is None:
        return f"the source of {code.co_name} cannot be read"
    seen.update(dict.fromkeys(_with_inner(code)))
    for node in (inner for statement in tree.body for inner in ast.walk(statement)):
        why = _refused(node, function, seen)
        if why is not None:
            return f"{code.co_name} {why} (line {code.co_firstlineno + getattr(node, 'lineno', 1) - 1})"
    return seen


def _refused(node: ast.AST, function: FunctionType, seen: dict[CodeType, None]) -> str | None:
    """What is not safe about one node."""
    if type(node) in _REFUSED:
        return _REFUSED[type(node)]
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return "changes a value in place"
    if isinstance(node, ast.Name) and node.id in OURS and not isinstance(node.ctx, ast.Load):
        return f"gives {node.id} another value"
    if isinstance(node, ast.Call):
        return _refused_call(node.func, function, seen)
    return None


def ours_in(code: CodeType) -> Iterator[str]:
    """The parameters of a function that it may call because our fixtures are named so: their values are worth a look.

    Examples
    --------
    >>> list(ours_in((lambda arm, lr: 0).__code__))
    ['arm']
    """
    for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        if name in OURS:
            yield name


def _refused_call(called: ast.expr, function: FunctionType, seen: dict[CodeType, None]) -> str | None:
    """What is not safe about a call."""
    text, code = ast.unparse(called), function.__code__
    root = called
    while isinstance(root, ast.Attribute):
        root = root.value
    is_local = isinstance(root, ast.Name) and root.id in (
        *code.co_varnames,
        *code.co_cellvars,
        *code.co_freevars,
    )
    if isinstance(called, ast.Name) and called.id in ours_in(code):
        return None
    if isinstance(root, ast.Name) and not is_local:
        return _refused_global(called, text, function, seen)
    if isinstance(called, ast.Attribute) and called.attr in _METHODS:
        return None
    return f"calls {text}()"


def _refused_global(
    called: ast.expr, text: str, function: FunctionType, seen: dict[CodeType, None]
) -> str | None:
    names = text.split(".")
    if names[0] not in function.__globals__:
        known = len(names) == 1 and names[0] in _BUILTINS and hasattr(builtins, names[0])
        return None if known else f"calls {text}()"
    value = function.__globals__[names[0]]
    for name in names[1:]:
        if not isinstance(value, ModuleType):
            return f"calls {text}()"
        value = vars(value).get(name)
    if value is pytest.approx:
        return None
    inner = codes_called(value, seen)
    return f"calls {text}(): {inner}" if isinstance(inner, str) else None


def _tree(code: CodeType) -> ast.FunctionDef | None:
    """The syntax of a function, if its file still has it."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(code))).body[0]
    except (OSError, SyntaxError, IndexError, ValueError):
        return None
    return tree if isinstance(tree, ast.FunctionDef) and tree.name == code.co_name else None


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", None) or repr(function))
