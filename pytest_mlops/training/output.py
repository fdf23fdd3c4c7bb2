"""What a training run prints, warns and logs, in order, in bounded memory."""

from __future__ import annotations

import codecs
import io
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

LIMIT = 1_000_000
_SLICE = 65_536


class Recorder:
    r"""Text of at most ``limit`` bytes: the first and the last half, with a line that says how much was cut.

    Parameters
    ----------
    limit : int
        Bytes of UTF-8 in the result, the line about the cut included.
    echo : text stream, optional
        Gets a live copy. A stream that fails is given up, never the run.

    Examples
    --------
    >>> recorder = Recorder()
    >>> recorder.write("epoch 1\n")
    >>> recorder.text()
    'epoch 1\n'
    """

    def __init__(self, limit: int = LIMIT, echo: TextIO | None = None) -> None:
        self._half = (limit - 200) // 2
        self._echo = echo
        self._head, self._tail = bytearray(), bytearray()
        self._written = 0
        self._lock = threading.RLock()  # a signal handler may print while we write

    def write(self, text: str) -> None:
        """Add ``text``, however long."""
        with self._lock:
            self._copy(text)
            for start in range(0, len(text), _SLICE):
                self._add(text[start : start + _SLICE].encode("utf-8", "backslashreplace"))

    def _copy(self, text: str) -> None:
        if self._echo is not None:
            try:
                self._echo.write(text)
                self._echo.flush()
            except (OSError, ValueError):  # closed, or an encoding without these characters
                self._echo = None

    def _add(self, data: bytes) -> None:
        self._written += len(data)
        room = self._half - len(self._head)
        self._head += data[:room] if room > 0 else b""
        self._tail += data[max(room, 0) :]
        if len(self._tail) > 2 * self._half:
            del self._tail[: -self._half]

    def text(self) -> str:
        """All of it, or both ends."""
        with self._lock:
            tail = bytes(self._tail[-self._half :])
            cut = self._written - len(self._head) - len(tail)
            line = f"\n[... {cut:,} bytes of output cut by pytest-mlops ...]\n".encode() if cut else b""
            whole = bytes(self._head) + line + tail
        return whole.decode("utf-8", "ignore").replace("\0", "\\x00")


class _Stream(io.TextIOBase):
    """Stands in for sys.stdout or sys.stderr. ``close`` does nothing: a run cannot silence the next."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, recorder: Recorder, name: str) -> None:
        self._recorder: Recorder | None = recorder
        self._name = name
        self.before: Any = getattr(sys, name, None)
        self.buffer = _Bytes(self)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._recorder is not None:
            self._recorder.write(text)
        elif (current := getattr(sys, self._name, None)) is not None and current is not self:
            current.write(text)
        return len(text)

    def release(self) -> None:
        """From now on write wherever one writes by then.

        A thread or a log handler that was made in a run (torch makes one when it is imported) may outlive it.
        """
        self._recorder = None

    def fileno(self) -> int:
        return int(self.before.fileno())  # for subprocesses; what they write passes by us

    def writable(self) -> bool:
        return True

    def reconfigure(self, **_: object) -> None:
        """Accepted, for scripts that ask for another buffering."""

    def close(self) -> None:
        return


class _Bytes(io.BufferedIOBase):
    """The ``buffer`` of a stream."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def write(self, data: Any) -> int:
        view = bytes(data)
        self._stream.write(self._decoder.decode(view))
        return len(view)

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        return


class _LogHandler(logging.Handler):
    def __init__(self, recorder: Recorder | _Terminal) -> None:
        super().__init__()
        self._recorder = recorder
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._recorder.write(self.format(record) + "\n")
        except Exception:  # noqa: BLE001 - logging's own rule: a bad record never stops the program
            self.handleError(record)


@contextmanager
def captured(echo: TextIO | None = None) -> Iterator[Recorder]:
    """Record standard output and error, warnings and logging until the end of the block.

    Warnings are recorded and never raised, each location once: a result must not depend on pytest's filters.

    Yields
    ------
    Recorder
        Its ``text()`` is complete after the block too.
    """
    recorder = Recorder(echo=echo)
    streams = _Stream(recorder, "stdout"), _Stream(recorder, "stderr")
    before = streams[0].before, streams[1].before
    sys.stdout, sys.stderr = streams
    try:
        with (
            _warnings_recorded(recorder),
            _logging_recorded(recorder, dict(zip(before, streams, strict=True))),
        ):
            yield recorder
    finally:
        for name in ("stdout", "stderr"):
            with suppress(Exception):
                getattr(sys, name).flush()  # the run may have put a buffering stream of its own there
        sys.stdout, sys.stderr = before
        for stream in streams:
            stream.release()


@contextmanager
def uncaptured() -> Iterator[None]:
    """Warnings and logging as in a plain script that prints to the terminal; standard output and error as they are.

    As in `captured` a warning is never raised: what works in a training run works here.
    """
    terminal = _Terminal()
    with _warnings_recorded(terminal), _logging_recorded(terminal, {}):
        yield


class _Terminal:
    """Stands in for a recorder: writes to standard error, wherever that leads by then."""

    def write(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(text)


@contextmanager
def _warnings_recorded(recorder: Recorder | _Terminal) -> Iterator[None]:
    seen: set[tuple[type, str, int]] = set()

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, *_: Any, **__: Any
    ) -> None:
        where = (category, filename, lineno)
        if where not in seen:
            seen.add(where)
            recorder.write(warnings.formatwarning(message, category, filename, lineno))

    shown_before = warnings.showwarning
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warnings.simplefilter("default")
        for category in (ImportWarning, ResourceWarning):  # as in Python: they tell of others' housekeeping
            warnings.simplefilter("ignore", category)
        warnings.showwarning = show
        try:
            yield
        finally:
            warnings.showwarning = shown_before


@contextmanager
def _logging_recorded(recorder: Recorder | _Terminal, replaced: dict[Any, Any]) -> Iterator[None]:
    """Logging as in a plain script whose stderr is ours.

    The root logger has no handlers, so ``logging.basicConfig`` works in the run, and its last resort is ours.
    Handlers that write to the standard streams from before are led to the new ones.
    """
    loggers: list[logging.Logger] = [logging.root]
    loggers += [
        logger
        for logger in list(logging.root.manager.loggerDict.values())
        if isinstance(logger, logging.Logger)
    ]
    states = [(log, log.level, list(log.handlers), log.propagate, log.disabled) for log in loggers]
    led = [
        (handler, handler.stream)
        for state in states
        for handler in state[2]
        if isinstance(handler, logging.StreamHandler) and any(handler.stream is old for old in replaced)
    ]
    disabled_below, last_resort = logging.root.manager.disable, logging.lastResort
    for handler, old in led:
        handler.stream = replaced[old]
    logging.root.handlers[:] = []
    logging.lastResort = _LogHandler(recorder)
    try:
        yield
    finally:
        for handler, old in led:
            handler.stream = old
        for log, level, handlers, propagate, disabled in states:
            if log.level != level:  # setLevel empties the caches of all loggers
                log.setLevel(level)
            log.handlers[:] = handlers
            log.propagate, log.disabled = propagate, disabled
        logging.root.manager.disable, logging.lastResort = disabled_below, last_resort
