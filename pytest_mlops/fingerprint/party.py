"""Whose code a file is: ours to hash (first-party), or a package's whose version says enough."""

from __future__ import annotations

import sys
import sysconfig
from functools import cache
from pathlib import Path
from types import ModuleType

_OURSELVES = Path(__file__).resolve().parents[1]


@cache
def _foreign_roots() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({Path(paths[name]).resolve() for name in names} | {_OURSELVES})


@cache
def is_first_party(file: str) -> bool:
    """Whether ``file`` is the user's own Python source: not the standard library's, not an installed package's."""
    path = Path(file).resolve()
    if path.suffix != ".py" or {"site-packages", "dist-packages"} & set(path.parts):
        return False
    return not any(path.is_relative_to(root) for root in _foreign_roots()) and path.is_file()


def first_party(file: str) -> str | None:
    """``file`` itself if it is the user's own, else None."""
    return file if is_first_party(file) else None


@cache
def is_without_source(file: str) -> bool:
    """Whether code of that file name was made at run time (``<string>``): its text is nowhere, its version tells nothing."""
    return file.startswith("<") and not file.startswith("<frozen ")


def source_file(module: ModuleType | None) -> str | None:
    """The file of a first-party module, else None."""
    file = getattr(module, "__file__", None)
    return file if file and is_first_party(file) else None


def source_of_name(module_name: str | None) -> str | None:
    """The file of a first-party module by its name, if it is imported."""
    return source_file(sys.modules.get(module_name or ""))
