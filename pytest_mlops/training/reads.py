"""Which environment variables the user's own code reads while a training run goes on."""

from __future__ import annotations

import _collections_abc
import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.fingerprint.party import is_first_party

_PASSED_ON = frozenset({os.__file__, "<frozen os>", _collections_abc.__file__, "<frozen _collections_abc>"})
"""``os.getenv`` and ``environ.get`` read for whoever called them."""

_ROOM = str(Path(__file__).parent)


@contextmanager
def variables_heard(tell: Callable[[str, bool], None]) -> Iterator[None]:
    """Tell the name of every variable that first-party code asks for: read, or looked whether it is there.

    Not told is what is read only because all variables are: a copy for a child process, ``dict(os.environ)``.

    Parameters
    ----------
    tell : callable
        Takes the name, and whether a module that is being imported asks; may be called in any thread.
    """
    kind: Any = type(os.environ)
    get, iterate = kind.__getitem__, kind.__iter__
    yielded: dict[int, Any] = {}

    def heard(self: Any, name: Any) -> Any:
        if yielded.get(id(name)) is not name and isinstance(name, str | bytes) and _reader_is_first_party():
            tell(os.fsdecode(name), _is_importing())
        return get(self, name)

    def all_of_them(self: Any) -> Iterator[Any]:
        yielded.clear()
        for name in iterate(self):
            if len(name) > 1:  # Python has one object for each single letter: no telling where it comes from
                yielded[id(name)] = name
            yield name

    kind.__getitem__, kind.__iter__ = heard, all_of_them
    try:
        yield
    finally:
        kind.__getitem__, kind.__iter__ = get, iterate


@contextmanager
def imports_of_smoke_heard(set_by_us: Collection[str]) -> Iterator[None]:
    """In a smoke run only modules count that it imports: training runs of this session will find them imported."""

    def tell(name: str, importing: bool) -> None:
        if importing and name not in set_by_us:
            fingerprint.at_import(name, fingerprint.trace(name, os.environ.get(name)))

    with variables_heard(tell):
        yield


def _reader_is_first_party() -> bool:
    """Whether the nearest code that is not Python's own mapping, or made at run time, is the user's."""
    frame = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if file not in _PASSED_ON and (not file.startswith("<") or file.startswith("<frozen ")):
            return is_first_party(file)
        frame = frame.f_back  # type: ignore[assignment]  # None at the end
    return False


def _is_importing() -> bool:
    """Whether the training function, or what it called, is importing a module right now."""
    frame = sys._getframe(2)
    while frame is not None and not frame.f_code.co_filename.startswith(_ROOM):
        if frame.f_code.co_name == "<module>":
            return True
        frame = frame.f_back  # type: ignore[assignment]  # None at the end
    return False


__all__ = ["imports_of_smoke_heard", "variables_heard"]
