"""What a file held when it was imported: code that is saved later would train as it was, under the key of what it is now."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from pytest_mlops.fingerprint import party, syntax

_INSTALLED = ("site-packages", "dist-packages")


class Watch(MetaPathFinder):
    """Notes the size and time of every first-party file at the moment that Python is about to import it.

    It finds nothing by itself: it asks the other finders, in their order, and returns their answer.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find; a first-party file is noted."""
        if fullname.partition(".")[0] in sys.stdlib_module_names or _is_installed(path):
            return None
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


def watch_imports() -> Watch:
    """Forget what is known, note the files of what is imported already, and watch what will be."""
    syntax.forget()
    for module in list(sys.modules.values()):
        file = party.source_file(module)
        if file is not None:
            syntax.note(file)
    watch = Watch()
    sys.meta_path.insert(0, watch)
    return watch


def _is_other(finder: object) -> bool:
    return not isinstance(finder, Watch) and hasattr(finder, "find_spec")


def _is_installed(path: Sequence[str] | None) -> bool:
    """Whether the parent package is an installed one: its files count by version."""
    return bool(path) and all(any(part in str(place) for part in _INSTALLED) for place in path or ())
