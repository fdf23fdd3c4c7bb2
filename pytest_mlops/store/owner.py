"""Who holds a lease: an open store in a process; and whether that process still lives."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Owner:
    """An open store, told apart from all others."""

    token: str
    host: str
    """Name of the machine and of the namespace in which process ids count (a container has its own)."""
    pid: int
    started: str
    """When the process started; empty where the system does not tell."""

    @property
    def description(self) -> str:
        """For people."""
        return f"process {self.pid} on {self.host.partition(' ')[0]}"

    @property
    def is_dead(self) -> bool:
        """Whether the process is certainly gone: it was one of this machine, and is not there (any more)."""
        if self.host != _host():
            return False
        if not _exists(self.pid):
            return True
        return self.started != _started(self.pid)  # another process that got the same number


def this_process() -> Owner:
    """A new owner in this process."""
    pid = os.getpid()
    return Owner(token=secrets.token_hex(16), host=_host(), pid=pid, started=_started(pid))


def _host() -> str:
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}"


def _exists(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # os.kill would end it; the heartbeat tells
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _started(pid: int) -> str:
    """Boot and clock ticks since boot at the start of the process, on Linux; no clock that can be set is asked."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        # The name of the program, in brackets, may hold spaces and brackets itself; 20th after it is the start time.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return f"{boot} {int(fields[19])}"
    except (OSError, ValueError, IndexError):
        return ""
