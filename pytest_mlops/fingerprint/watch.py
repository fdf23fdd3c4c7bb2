"""What a file held when it was imported: code that is saved later would train as it was, under the key of what it is now."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from pytest_mlops.fingerprint import party, syntax, variables

_listeners: list[Callable[[str], None]] = []
_heard: set[str] = set()


class Watch(MetaPathFinder):
    """Notes the size and time of every first-party file at the moment that Python is about to import it.

    It finds nothing by itself: it asks the other finders, in their order, and returns their answer. A module that is there
    already is found by no one; but ``importlib.import_module`` with a computed name tells that it is needed.
    """

    def __init__(self) -> None:
        self._import_module = importlib.import_module
        sys.meta_path.insert(0, self)
        importlib.import_module = self.import_module

    def import_module(self, name: str, package: str | None = None) -> ModuleType:
        """As ``importlib.import_module``, heard."""
        module = self._import_module(name, package)
        _tell(module.__name__)
        return module

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find; a first-party file is noted."""
        if fullname.partition(".")[0] in sys.stdlib_module_names or _is_installed(path):
            return None
        _tell(fullname)
        for finder in list(sys.meta_path):
            spec = finder.find_spec(fullname, path, target) if _is_other(finder) else None
            if spec is not None:
                if spec.origin is not None and party.is_first_party(spec.origin):
                    syntax.note(spec.origin)
                return spec
        return None

    def stop(self) -> None:
        """Watch no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        if importlib.import_module == self.import_module:
            importlib.import_module = self._import_module


def watch_imports() -> Watch:
    """Forget what is known, note the files of what is imported already, and watch what will be."""
    syntax.forget()
    variables.forget()
    _heard.clear()
    for module in list(sys.modules.values()):
        file = party.source_file(module)
        if file is not None:
            syntax.note(file)
    return Watch()


@contextmanager
def imports_heard(tell: Callable[[str], None]) -> Iterator[set[str]]:
    """Names of the modules that training runs imported, or asked for by a computed name.

    Those of earlier runs are among them: what one imported is there already for the next, which may depend on it as much.

    Parameters
    ----------
    tell : callable
        Takes each name, before it is imported.
    """
    _listeners.append(tell)
    try:
        yield _heard
    finally:
        _listeners.remove(tell)


def _tell(module: str) -> None:
    if _listeners:
        _heard.add(module)
    for tell in tuple(_listeners):
        tell(module)


def _is_other(finder: object) -> bool:
    return not isinstance(finder, Watch) and hasattr(finder, "find_spec")


def _is_installed(path: Sequence[str] | None) -> bool:
    """Whether the parent package is an installed one: its files count by version."""
    return bool(path) and all(any(part in str(place) for part in party.INSTALLED) for place in path or ())
