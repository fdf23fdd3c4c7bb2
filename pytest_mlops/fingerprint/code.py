"""The first-party code that a function reaches: function by function in test modules, whole modules elsewhere.

Followed are the names that the code reads (functions, classes, modules, constants), what closures captured, and
imports wherever they are written. Installed packages count by version. What Python cannot see from the source
(files read, modules imported by a computed name) has to be declared with ``.using(data=...)``.
"""

from __future__ import annotations

import ast
import enum
import hashlib
import importlib.util
import json
import secrets
import sys
from argparse import Namespace
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from pytest_mlops.errors import MlopsError, ParameterError
from pytest_mlops.fingerprint import bytecode, party, syntax
from pytest_mlops.fingerprint.content import content, path_content
from pytest_mlops.fingerprint.patched import GONE, patched
from pytest_mlops.fingerprint.roots import below_root
from pytest_mlops.fingerprint.slots import Shared, as_imported, is_code
from pytest_mlops.fingerprint.values import LARGEST_CAPTURE, canonical, is_optimizer, is_torch_module

_DYNAMIC = frozenset({"globals", "locals", "vars", "eval", "exec", "__import__", "__subclasses__", "modules"})
_PLAIN = (bool, int, float, str, bytes, tuple, list, dict, set, frozenset)

_ALONE: dict[int, tuple[Any, str]] = {}
"""Objects without a key that were put into a module, alive so that no other gets their id, and a name for each."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """What a function's behaviour depends on, as far as source and versions tell."""

    digest: str
    """SHA-256 over ``reached``."""
    reached: tuple[tuple[str, str], ...]
    """Name and hash of every function, class, constant and module that counts, sorted."""
    packages: frozenset[str]
    """Top-level names of the installed packages that the code names."""


def fingerprint(value: Any, *, name: str = "function") -> Code:
    """Fingerprint of a function, class, partial or bound method and all first-party code that it reaches.

    Parameters
    ----------
    value : callable
        Functions of installed packages are keyed by name: their version is part of the environment.
    name : str
        Whose value it is, for errors.

    Raises
    ------
    ParameterError
        If it captured something that cannot be keyed: a model, over 10 MB of data.
    """
    walk = _Walk(name)
    walk.visit(value)
    walk.patches()
    reached = tuple(sorted(walk.reached.items()))
    digest = hashlib.sha256(json.dumps(reached).encode("utf-8", "surrogatepass")).hexdigest()
    return Code(digest=digest, reached=reached, packages=frozenset(walk.packages))


def shared_state(value: Any) -> Shared:
    """State outside a function that its runs in one process would share; what has no key is no error here."""
    walk = _Walk("function", refusing=False)
    walk.visit(value)
    return walk.shared


def sources_of(modules: Iterable[str]) -> dict[str, str]:
    """Files of first-party modules and of the modules that they import, with the hashes of their normalised source."""
    walk = _Walk("modules")
    for name in modules:
        walk.module(name)
    return walk.sources


def _is_by_function(file: str) -> bool:
    """Test modules and conftest files change daily, so they count function by function."""
    stem = Path(file).stem
    return stem == "conftest" or stem.startswith("test_") or stem.endswith("_test") or stem == "__main__"


class _Walk:
    """One walk over everything reachable; ``reached`` and ``packages`` are what it found."""

    def __init__(self, name: str, *, refusing: bool = True) -> None:
        self.name = name
        self._refusing = refusing
        self.reached: dict[str, str] = {}
        self.packages: set[str] = set()
        self.shared = Shared()
        self.sources: dict[str, str] = {}
        self._seen: set[int] = set()
        self._files: set[str] = set()
        self._whole: dict[str, str] = {}
        self._alive: list[Any] = []  # ids stay unique only while the objects live

    def visit(self, value: Any) -> None:
        if id(value) in self._seen:
            return
        self._seen.add(id(value))
        self._alive.append(value)
        if isinstance(value, partial):
            self.shared.holders.append(value)
            self.visit(value.func)
            if self._refusing:
                self._note("partial", self._key([list(value.args), dict(value.keywords)], self.name))
        elif isinstance(value, MethodType):
            self.visit(value.__func__)
            owner = value.__self__
            self.visit(owner) if isinstance(owner, type) else self._value("self", owner, statement=False)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, ModuleType):
            self._module(value)
        elif callable(getattr(value, "__wrapped__", None)):  # functools.lru_cache and its like
            self._cache(value)
            self.visit(value.__wrapped__)
        elif isinstance(value, BuiltinFunctionType) or hasattr(value, "__qualname__"):
            self._foreign(value)
        else:
            self._value(self.name, value, statement=False)

    # --- functions and classes

    def _function(self, function: FunctionType) -> None:
        wrapped = getattr(function, "__wrapped__", None)
        if wrapped is not None:
            self.visit(wrapped)
        code = function.__code__
        file = party.first_party(code.co_filename) or party.source_of_name(function.__module__)
        if file is None and not party.is_without_source(code.co_filename):
            self._foreign(function)
            return
        self.shared.holders.append(function)
        label = f"{function.__module__}:{function.__qualname__}"
        nodes = syntax.definitions_of(code, syntax.tree_of(file)) if file else []
        noted: list[Any] = [syntax.normalised(node) for node in nodes]
        if len(nodes) != 1:  # made by exec (no syntax to read), or one of several lambdas on a line
            noted += bytecode.content_of(code)
        self._note(label, noted)
        self._captured(function, label)
        names = bytecode.names_of(code) | {name for node in nodes for name in syntax.names_in(node)}
        self._names(names, function.__globals__, file or "", skip=set(code.co_freevars))
        for node in nodes:
            self._imports(node, function.__globals__.get("__package__") or "")
            self._attributes(node, function.__globals__)
        for implementation in (
            getattr(function, "registry", {}).values() if hasattr(function, "dispatch") else ()
        ):
            self.visit(implementation)  # functools.singledispatch
        if file and _DYNAMIC & (names | set(code.co_names)):
            self._whole_file(file, function.__module__)  # it looks for names that no syntax tells
        if file and not _is_by_function(file):
            self._whole_file(file, function.__module__)

    def _captured(self, function: FunctionType, label: str) -> None:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # a name that is not bound yet, e.g. a recursive inner function being made
                continue
            self._value(f"{label}.{name}", value, statement=False)
            self.shared.captured(cell, f"{label}.{name}")
        defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        for value in defaults:
            if callable(value):
                self.visit(value)

    def _class(self, cls: type) -> None:
        file, scope = _home(cls)
        if file is None:
            if cls.__module__ in sys.modules:
                self._foreign(cls)
                return
            self._note(f"{cls.__module__}:{cls.__qualname__}", sorted(vars(cls)))
        else:
            self.shared.holders.append(cls)
            node = syntax.class_of(cls.__qualname__, syntax.tree_of(file))
            label = f"{cls.__module__}:{cls.__qualname__}"
            self._note(label, syntax.normalised(node) if node is not None else sorted(vars(cls)))
            if node is not None:
                self._names(syntax.names_in(node), scope, file)
                self._imports(node, scope.get("__package__") or "")
                self._attributes(node, scope)
        self._members(cls, file)
        for base in cls.__bases__:
            self.visit(base)
        if file and not _is_by_function(file):
            self._whole_file(file, cls.__module__)

    def _members(self, cls: type, file: str | None) -> None:
        """What the class statement does not tell: captured variables, methods and attributes put there from outside."""
        for name, member in vars(cls).items():
            inner = getattr(member, "__func__", member)
            label = f"{cls.__module__}:{cls.__qualname__}.{name}"
            if isinstance(inner, FunctionType):
                own = inner.__qualname__ == f"{cls.__qualname__}.{name}"
                if (
                    inner.__code__.co_filename != file or not own
                ):  # patched, or made by exec as dataclasses do
                    self.visit(inner)
                elif inner.__closure__:
                    self._captured(inner, label)
            elif type(inner) in _PLAIN and not name.startswith("__") and not issubclass(cls, enum.Enum):
                with suppress(MlopsError):  # what has no key counts by the class statement
                    self._note(label, self._key(inner, label))
            elif _is_plain_object(inner) and not name.startswith("__"):
                self._state(label, inner)

    # --- names and values

    def _names(
        self, names: Iterable[str], scope: dict[str, Any], file: str, skip: Iterable[str] = ()
    ) -> None:
        for name in sorted(set(names) - set(skip)):
            if name in scope and not name.startswith(("__", "@py")):
                self._global(scope, name, file)

    def _attributes(self, node: ast.AST, scope: dict[str, Any]) -> None:
        """``config.LR`` reads a name of another module, which may have been patched: the value counts, not its source."""
        for first, *rest in syntax.attributes_in(node):
            value = scope.get(first)
            for name in rest:
                if not isinstance(value, ModuleType) or name.startswith("__") or name not in vars(value):
                    break
                file = party.source_file(value)
                if file is None:
                    value = vars(value)[name]
                    self._patched(value)
                    continue
                self._global(vars(value), name, file)
                value = vars(value)[name]

    def _patched(self, value: Any) -> None:
        """The user's function in the place of an installed one (``F.relu = mine``)."""
        if isinstance(value, FunctionType) and party.first_party(value.__code__.co_filename):
            self.visit(value)

    def _state(self, label: str, value: Any) -> None:
        """What an object of the user's own, or a namespace, holds; where that cannot be told, its statements count."""
        with suppress(MlopsError, RecursionError):
            self._note(f"{label} state", content(value, name=label, code=self._reference))

    def _global(self, scope: dict[str, Any], name: str, file: str) -> None:
        label = f"{scope.get('__name__')}:{name}"
        self.shared.name_of(scope, name, label)
        self._value(label, scope[name], statement=True, file=file, name=name)

    def _cache(self, wrapper: Any) -> None:
        """A cache hands what one run made of its content to the next, unless it is emptied between them."""
        inner = wrapper.__wrapped__
        home = getattr(getattr(inner, "__code__", None), "co_filename", "")
        if callable(getattr(wrapper, "cache_clear", None)) and party.first_party(home):
            self.shared.caches.append(wrapper)

    def _value(self, label: str, value: Any, *, statement: bool, file: str = "", name: str = "") -> None:
        if is_code(value):
            self.visit(value)
            return
        if id(value) in self._seen and statement:
            return
        value = as_imported(value)
        if self._refusing:
            self._refuse_shared_state(label, value)
        try:
            if is_torch_module(value):  # without weights: a loss, an activation
                self._note(label, [repr(value), content(value, name=label, code=self._reference)])
            elif statement and isinstance(value, Path) and value.is_dir():
                # The project's own folder, often: its content changes with every report.
                inside = below_root(str(value))
                self._note(label, str(value) if inside is None else {"below root": inside})
            else:
                self._note(label, self._key(value, label))
        except MlopsError:
            if statement:
                self._statements(label, name, file)
                if _is_plain_object(value) and self._refusing:
                    self._state(label, value)
            elif self._refusing:
                raise
        if type(value).__module__ != "builtins":
            self.visit(type(value))

    def _statements(self, label: str, name: str, file: str) -> None:
        """A module-level object without a key counts by the statements that make it, and what those reach."""
        statements = syntax.statements_binding(name, syntax.tree_of(file))
        self._note(label, [syntax.normalised(statement) for statement in statements])
        if label in self._files:
            return
        self._files.add(label)
        module_name = label.rpartition(":")[0]
        scope = vars(sys.modules[module_name]) if module_name in sys.modules else {}
        for inner in statements:
            self._names(syntax.names_in(inner) - {name}, scope, file)
            self._imports(inner, scope.get("__package__") or "")

    def _refuse_shared_state(self, label: str, value: Any) -> None:
        plain = label.rpartition(":")[2]
        if is_torch_module(value) and any(True for _ in value.parameters()):
            raise ParameterError(
                f"The training function reaches {plain!r}, a {type(value).__name__} with weights that was made outside it: it is "
                "initialised outside the seed, and every training run would train the same object on.\n  Make it inside the "
                f"function: model = {type(value).__name__}(...). A frozen model goes into arm(...).using(data=load)."
            )
        if (
            hasattr(value, "fit")
            and not isinstance(value, type)
            and not is_torch_module(value)
            and ":" in label
        ):
            raise ParameterError(
                f"The training function reaches {plain!r}, a {type(value).__name__} made outside it: every training run would "
                f"fit the same object on.\n  Make it inside the function: model = {type(value).__name__}(...)."
            )
        if is_optimizer(value):
            raise ParameterError(
                f"The training function reaches {plain!r}, an optimizer made outside it: its state would leak from one training "
                "run into the next. Make it inside the function."
            )
        if ":" not in label and hasattr(value, "nbytes") and value.nbytes > LARGEST_CAPTURE:
            raise ParameterError(
                f"{label} captures {value.nbytes / 1e6:.0f} MB; declare it with arm(...).using(data=load)."
            )

    # --- modules

    def _module(self, module: ModuleType) -> None:
        file = party.source_file(module)
        if file is None:
            self._package(module.__name__)
        else:
            self._whole_file(file, module.__name__)

    def _whole_file(self, file: str, module_name: str) -> None:
        if file in self._files:
            return
        self._files.add(file)
        module = sys.modules.get(module_name)
        package = getattr(module, "__package__", None)
        if package is None:
            package = module_name if Path(file).name == "__init__.py" else module_name.rpartition(".")[0]
        digest, imports = syntax.whole_file(file, package)
        self._note(module_name, digest)
        self.sources[file] = digest
        self._whole[module_name] = file
        self._follow(imports)

    def _imports(self, node: ast.AST, package: str) -> None:
        imports = list(syntax.imports_in(node, package=package))
        self._follow(imports)
        if not self._refusing:
            self._imported_inside(node, imports)

    def _imported_inside(self, node: ast.AST, imports: Iterable[syntax.Import]) -> None:
        """Names of modules that the code imports while it runs. For state alone: a key must not depend on what is loaded."""
        read = {name for names in syntax.attributes_in(node) for name in names}
        for found in imports:
            names = {found.module, *(f"{found.module}.{name}" for name in found.names)}
            for module in (sys.modules.get(name) for name in sorted(names)):
                file = party.source_file(module)
                if module is None or file is None:
                    continue
                for name in sorted((read | set(found.names)) & vars(module).keys()):
                    if not name.startswith("__"):
                        self._global(vars(module), name, file)

    def _follow(self, imports: Iterable[syntax.Import]) -> None:
        for found in imports:
            parts = found.module.split(".")
            for depth in range(1, len(parts) + 1):
                self.module(".".join(parts[:depth]))
            for name in found.names:
                self.module(f"{found.module}.{name}")

    def module(self, name: str) -> None:
        """A module that the code imports by this name."""
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        file = getattr(sys.modules[name], "__file__", None) if name in sys.modules else _origin(name)
        if file is not None and party.is_first_party(file):
            self._whole_file(file, name)
        elif file is not None and party.is_own_extension(file):
            self._note(name, path_content(Path(file)))
        else:
            self._package(name)

    def patches(self) -> None:
        """Values that somebody put into modules that count by their source; those may lead to further modules."""
        seen: set[str] = set()
        while todo := self._whole.keys() - seen:
            for name in sorted(todo):
                module, file = sys.modules.get(name), self._whole[name]
                if module is not None and party.source_file(module) == file:
                    for inside, value in patched(module, syntax.tree_of(file)):
                        self._patch(f"{name}:{inside} patched", value)
            seen |= todo

    def _patch(self, label: str, value: Any) -> None:
        try:
            self._note(label, "gone" if value is GONE else self._key(value, label))
        except (MlopsError, RecursionError):  # a mock, a model: equal to itself alone
            _, name = _ALONE.setdefault(id(value), (value, secrets.token_hex(16)))
            self._note(label, name)

    # --- installed packages

    def _foreign(self, value: Any) -> None:
        module = getattr(value, "__module__", None) or type(value).__module__
        self._package(module)
        self._note(f"{module}:{getattr(value, '__qualname__', type(value).__qualname__)}", "installed")

    def _package(self, module: str) -> None:
        top = module.partition(".")[0]
        if top not in sys.stdlib_module_names and top != "pytest_mlops":
            self.packages.add(top)

    def _key(self, value: Any, name: str) -> Any:
        return canonical(value, name=name, code=self._reference)

    def _reference(self, value: Any, name: str) -> str:
        """Within one walk code is visited once and then named, which also ends recursion."""
        self.visit(value)
        return f"{getattr(value, '__module__', '')}:{getattr(value, '__qualname__', name)}"

    def _note(self, label: str, what: Any) -> None:
        text = json.dumps(what, sort_keys=True)
        known = self.reached.get(label)
        if known is not None and known != text:  # two objects of one name, e.g. lambdas: keep both
            text = json.dumps(sorted({known, text}))
        self.reached[label] = text


def _is_plain_object(value: Any) -> bool:
    """An instance of a class of the user's own, or a namespace: all that it is lies in its attributes."""
    if isinstance(value, SimpleNamespace | Namespace):
        return True
    return (
        hasattr(value, "__dict__")
        and not isinstance(value, type)
        and party.source_of_name(type(value).__module__) is not None
    )


def _home(cls: type) -> tuple[str | None, dict[str, Any]]:
    """The first-party file of a class and its module's names, also where the file was loaded by its path."""
    for member in vars(cls).values():
        inner = getattr(member, "__func__", member)
        if isinstance(inner, FunctionType) and inner.__qualname__.startswith(f"{cls.__qualname__}."):
            file = party.first_party(inner.__code__.co_filename)
            if file is not None:
                return file, inner.__globals__
    module = sys.modules.get(cls.__module__)
    return party.source_file(module), vars(module) if module is not None else {}


def _origin(name: str) -> str | None:
    """The file that an import of ``name`` would load, without loading it."""
    top, _, rest = name.partition(".")
    try:
        spec = importlib.util.find_spec(top) if not rest else None
        if rest and party.source_of_name(name.rpartition(".")[0]):
            spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    return spec.origin if spec is not None else None
