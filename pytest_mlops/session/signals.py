"""SIGTERM ends a session as Ctrl-C does: leases are given back, the report is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable


def sigterm_as_interrupt() -> Callable[[], None]:
    """Turn the first SIGTERM into a KeyboardInterrupt; a second one ends the process at once.

    Nothing is changed where somebody else handles the signal, or outside the main thread.

    Returns
    -------
    callable
        Puts back what was there.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return lambda: None

    def interrupt(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise KeyboardInterrupt("SIGTERM")

    def put_back() -> None:
        if signal.getsignal(signal.SIGTERM) is interrupt:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, interrupt)
    return put_back
