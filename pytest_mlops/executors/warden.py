"""Stands between pytest and a program that it starts, so that none of the program's processes outlives either.

Run as a script: ``python -P warden.py FOLDER``. The first line of standard input is the order, as JSON. From then on standard
input is a lifeline: it closes when whoever started us wants the end, or is gone, by SIGKILL too. How the program ended is
written to ``FOLDER/ended.json``.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

ENDED = "ended.json"
"""Name of the file that says how the program ended."""

_LEAVE_SECONDS = 1.0
"""For what a program left running when it ended: helpers of Python's own go by themselves."""

_KILL_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of Linux: orphans among our descendants become our children, so that none is lost sight of."""


def main(folder: Path) -> None:
    """Run the program of the order on standard input to its end, or to ours."""
    parent = os.getppid()
    order = json.loads(_first_line())
    _adopt_orphans()
    over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if sys.platform != "win32" else [])):
        signal.signal(number, lambda *_: over.set())
    began = time.perf_counter()
    try:
        process = _started(order)
    except (OSError, ValueError) as error:
        _tell(folder, {"error": f"{type(error).__name__}: {error}"})
        return
    threading.Thread(target=_until_closed, args=(over,), daemon=True).start()
    threading.Thread(target=_until_ended, args=(process, over), daemon=True).start()
    while not over.wait(_LOOK_SECONDS) and os.getppid() == parent:
        pass
    status = process.poll()
    if status is None:
        _end_all(patience=float(order["grace"]), gently=True)
    _tell(folder, {"status": status, "seconds": time.perf_counter() - began})
    _end_all(patience=_LEAVE_SECONDS, gently=False)
    if os.getppid() != parent:  # nobody is left to remove it
        shutil.rmtree(folder, ignore_errors=True)


def _first_line() -> bytes:
    """Read without a buffer: a thread that waits for more must hold no lock when Python ends."""
    line = bytearray()
    while not line.endswith(b"\n"):
        more = os.read(0, 1 << 16)
        if not more:
            os._exit(1)  # whoever started us is gone already
        line += more
    return bytes(line)


def _started(order: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    words: dict[str, Any] = {"args": order["argv"], "cwd": order["cwd"], "env": order["env"]}
    if sys.platform != "win32":
        words["process_group"] = 0
    return subprocess.Popen(**words, stdin=subprocess.DEVNULL)


def _adopt_orphans() -> None:
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)


def _until_closed(over: threading.Event) -> None:
    with suppress(OSError):
        while os.read(0, 1 << 16):
            pass
    over.set()


def _until_ended(process: subprocess.Popen[bytes], over: threading.Event) -> None:
    process.wait()
    over.set()


def _tell(folder: Path, found: Mapping[str, Any]) -> None:
    with suppress(OSError):  # the folder is gone, and with it whoever would read it
        new = folder / f"{ENDED}.new"
        new.write_text(json.dumps(found), encoding="utf-8")
        new.replace(folder / ENDED)


def _end_all(*, patience: float, gently: bool) -> None:
    """End all that runs below us: asked first (``gently``) or given time to leave, then killed until nothing is left."""
    living = below(os.getpid())
    if not living:
        return
    if not gently:
        psutil.wait_procs(living, timeout=patience)
        living = below(os.getpid())
    for process in living:
        with suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(living, timeout=patience)
    kill(os.getpid(), seconds=_KILL_SECONDS)


def kill(pid: int, *, seconds: float) -> None:
    """Kill all that runs below a process, and what that starts meanwhile."""
    until = time.monotonic() + seconds
    while (living := below(pid)) and time.monotonic() < until:
        for process in living:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(living, timeout=0.5)


def below(pid: int) -> Sequence[psutil.Process]:
    """What runs below a process: its descendants, and on POSIX whoever is in the session that it leads."""
    found: set[psutil.Process] = set()
    with suppress(psutil.Error):
        found |= set(psutil.Process(pid).children(recursive=True))
    if sys.platform != "win32":
        for other in psutil.pids():
            with suppress(OSError, psutil.Error):
                if other != pid and os.getsid(other) == pid:
                    found.add(psutil.Process(other))
    return [process for process in found if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    os._exit(0)  # a thread still reads standard input
