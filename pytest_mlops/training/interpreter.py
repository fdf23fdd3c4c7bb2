"""Settings of Python itself that a training run may change: they would train the next run otherwise, or end pytest."""

from __future__ import annotations

import builtins
import decimal
import gc
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

Restore = Callable[[], object]

_ATTRIBUTES = (
    (sys, ("displayhook", "breakpointhook", "unraisablehook", "stdin", "__stdout__", "__stderr__")),
    (threading, ("excepthook",)),
    (tempfile, ("tempdir",)),
)
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], object]], ...] = (
    (sys.getswitchinterval, sys.setswitchinterval),
    (sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    (gc.get_threshold, lambda values: gc.set_threshold(*values)),
)
_TIMER_ROOM = 0.05
"""Seconds by which a timer that nobody touched may differ from what is expected."""


def interpreter() -> Restore:
    """Put back numbers of ``decimal``, hooks, timers, the garbage collector, the file mask, limits.

    A timer that the run left behind, or a mask of files, would otherwise decide over the runs after it.
    """
    restores = [_decimal(), *_attributes(), *_settings(), _tracing(), _umask(), _timer(), _timezone()]
    restores += [_denormals(), _open_files()]

    def restore() -> None:
        for one in restores:
            one()

    return restore


def names_of_python() -> Restore:
    """Put back clocks and built-in functions that the run replaced; all else that is put back needs them."""
    restores = [_names(time), _names(builtins)]

    def restore() -> None:
        for one in restores:
            one()

    return restore


def _decimal() -> Restore:
    return partial(decimal.setcontext, decimal.getcontext().copy())


def _names(module: Any) -> Restore:
    """Names of a module that were replaced or removed; new ones may be those of a library that was imported."""
    before = dict(vars(module))

    def restore() -> None:
        for name, value in before.items():
            if vars(module).get(name) is not value and name != "_":
                setattr(module, name, value)

    return restore


def _attributes() -> list[Restore]:
    return [
        partial(setattr, holder, name, getattr(holder, name))
        for holder, names in _ATTRIBUTES
        for name in names
    ]


def _settings() -> list[Restore]:
    return [partial(write, read()) for read, write in _SETTINGS]


def _tracing() -> Restore:
    """A debugger or a measurement of coverage that was there goes on; one that the run started may stay."""
    trace, profile = sys.gettrace(), sys.getprofile()

    def restore() -> None:
        if trace is not None and sys.gettrace() is not trace:
            sys.settrace(trace)
        if profile is not None and sys.getprofile() is not profile:
            sys.setprofile(profile)

    return restore


def _umask() -> Restore:
    before = os.umask(0o077)
    os.umask(before)
    return partial(os.umask, before)


def _open_files() -> Restore:
    """How many files may be open: with too few of them the store cannot be written."""
    try:
        import resource
    except ImportError:  # Windows
        return lambda: None
    before = resource.getrlimit(resource.RLIMIT_NOFILE)

    def restore() -> None:
        if resource.getrlimit(resource.RLIMIT_NOFILE) != before:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)

    return restore


def _timer() -> Restore:
    """A timer that a run leaves behind ends pytest by a signal; one that it removes may be pytest-timeout's."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return lambda: None
    (left, interval), began = signal.getitimer(signal.ITIMER_REAL), monotonic()

    def restore() -> None:
        expected = max(left - (monotonic() - began), 0.0)
        now = signal.getitimer(signal.ITIMER_REAL)[0]
        if not interval and abs(now - expected) > (_TIMER_ROOM if expected else 0.0):
            signal.setitimer(signal.ITIMER_REAL, expected)

    return restore


def _timezone() -> Restore:
    """The time zone is read from the environment, which is put back before."""
    before = time.tzname

    def restore() -> None:
        if time.tzname != before and hasattr(time, "tzset"):
            time.tzset()

    return restore


def _denormals() -> Restore:
    """Whether torch takes the smallest numbers for zero; it can be set and not asked for."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return lambda: None
    smallest = torch.full((1,), sys.float_info.min, dtype=torch.float64)

    def flushed() -> bool:
        return not bool((smallest / 4).ne(0))

    before = flushed()

    def restore() -> None:
        if flushed() != before:
            torch.set_flush_denormal(before)

    return restore
