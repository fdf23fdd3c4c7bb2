"""From an exception of a training function to a ``Failure``: kind, one line, traceback without us."""

from __future__ import annotations

import signal
import sys
import traceback
from pathlib import Path
from types import CodeType
from typing import Any

from pytest_mlops.errors import DataError, MlopsError
from pytest_mlops.records import Failure

_ROOM = str(Path(__file__).parent)
_LONGEST_MESSAGE = 1_000
_LONGEST_TRACEBACK = 50_000


def explain(error: BaseException) -> Failure:
    """The failure of a run whose function raised ``error``.

    Examples
    --------
    >>> explain(SystemExit(2)).kind
    'exit'
    >>> explain(ValueError("lr < 0")).message
    'ValueError: lr < 0'
    """
    text = _traceback(error)
    if isinstance(error, SystemExit):
        return Failure(
            kind="exit",
            message=f"the training function called sys.exit({_one_line(_code(error))}); "
            "return metrics instead, or raise an exception if training cannot go on",
            traceback=text,
        )
    kind = "out of memory" if _is_out_of_memory(error) else "error"
    return Failure(kind=kind, message=_one_line(_message(error)), traceback=text)


def signal_handlers() -> frozenset[CodeType]:
    """Code of the functions that handle signals now; a training run that starts later may be interrupted by them."""
    found = set()
    for number in signal.valid_signals():
        handler: Any = signal.getsignal(number)
        code = getattr(getattr(handler, "func", handler), "__code__", None)
        if isinstance(code, CodeType):
            found.add(code)
    return frozenset(found)


def interruption(error: BaseException, handlers: frozenset[CodeType]) -> BaseException | None:
    """What interrupted the training function from outside, if it was that, or its consequence, which it raised.

    ``Ctrl-C``, or an exception of a signal handler, such as the one of pytest-timeout: no result of the training.
    """
    todo, seen = [error], set()
    while todo:
        one = todo.pop()
        seen.add(id(one))
        frames = [frame.f_code for frame, _ in traceback.walk_tb(one.__traceback__)]
        if isinstance(one, KeyboardInterrupt) or not handlers.isdisjoint(frames):
            return one
        todo += [
            other for other in (one.__cause__, one.__context__) if other is not None and id(other) not in seen
        ]
    return None


def _code(error: SystemExit) -> str:
    return "" if error.code is None else _text(error.code, quote=True)


def _message(error: BaseException) -> str:
    name = type(error).__name__
    text = _text(error.args[0] if isinstance(error, MlopsError) and error.args else error)
    if _is_outcome(error):
        return f"a training run can return metrics or fail, and this one raised pytest's {name}: {text}"
    if isinstance(error, ValueError) and "read-only" in text:
        return f"{name}: {text} (run.data is shared by all training runs: copy it first, run.data.copy())"
    return f"{name}: {text}" if text else name


def _is_outcome(error: BaseException) -> bool:
    outcomes: Any = sys.modules.get("_pytest.outcomes")
    return outcomes is not None and isinstance(error, outcomes.OutcomeException)


def _text(thing: object, *, quote: bool = False) -> str:
    try:
        return repr(thing) if quote else str(thing)
    except Exception:  # noqa: BLE001 - whatever a foreign __str__ does, the message must come
        return f"<{type(thing).__name__} that cannot be shown>"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return _encodable(line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}...")


def _encodable(text: str) -> str:
    """Text that every store and report can hold."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _is_out_of_memory(error: BaseException) -> bool:
    torch: Any = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    # torch has no class of its own for the CPU
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in _text(error)


def _traceback(error: BaseException) -> str:
    if isinstance(error, DataError) and _only_ours(error):
        return ""
    try:
        shown = traceback.TracebackException.from_exception(error)
        _without_us(shown)
        text = "".join(shown.format())
    except Exception:  # noqa: BLE001 - a hostile exception must not hide the failure
        text = f"{type(error).__name__}, whose traceback cannot be shown\n"
    if len(text) > _LONGEST_TRACEBACK:
        half = _LONGEST_TRACEBACK // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half:,} characters cut ...]\n{text[-half:]}"
    return _encodable(text)


def _only_ours(error: BaseException) -> bool:
    return all(frame.filename.startswith(_ROOM) for frame in traceback.extract_tb(error.__traceback__))


def _without_us(shown: traceback.TracebackException) -> None:
    todo: list[traceback.TracebackException | None] = [shown]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.stack[:] = [frame for frame in one.stack if not frame.filename.startswith(_ROOM)]
        todo += [one.__cause__, one.__context__, *(one.exceptions or ())]
