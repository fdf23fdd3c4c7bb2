"""Programs in processes of their own: started, heard, waited for, and ended with all that they started themselves."""

from __future__ import annotations

import codecs
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TextIO

from pytest_mlops.training.output import Recorder

GRACE_SECONDS = 5.0
"""Between asking a program to end (SIGTERM) and killing it."""

_WARDEN = Path(__file__).with_name("warden.py")
_WARDEN_SECONDS = 15.0
"""What the warden may need beyond the grace."""

_DRAIN_SECONDS = 5.0
_CHUNK = 1 << 16
_ERRORS = 20_000
"""Characters of standard error that are kept by themselves."""

FROM_OUTSIDE = frozenset({"SIGHUP", "SIGINT", "SIGTERM"})
"""Signals by which people and machines end programs; a program that dies of another one has failed."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a program ended, with all that it had started."""

    status: int | None
    """Exit status; minus the number of the signal that killed it; None if we ended it, or nobody knows."""
    seconds: float
    output: str
    """Standard output and error; the middle is cut above 1 MB."""
    errors: str = ""
    """The end of standard error by itself."""
    timed_out: bool = False
    lost: str = ""
    """Why nothing is known of its end; empty if it is known."""

    @property
    def signal(self) -> str:
        """Name of the signal that killed it, ``"SIGSEGV"``; else empty."""
        if self.status is None or self.status >= 0:
            return ""
        try:
            return signal.Signals(-self.status).name
        except ValueError:
            return f"signal {-self.status}"


class Process:
    r"""A program that runs in a process tree of its own. Leaving the block ends whatever is left of it.

    A warden stands between: it ends the tree when it is told to, and when this process is gone, by SIGKILL too. On Linux no
    process gets away from it; elsewhere one does that leaves both its parent and its session.

    Parameters
    ----------
    argv : sequence of str
        The program and its arguments; no shell sees them.
    cwd : Path
        Where it runs.
    env : mapping of str to str
        All of its environment.
    echo : text stream, optional
        Gets a live copy of its output.
    hear : callable, optional
        Takes ``"stdout"`` or ``"stderr"`` and the text that came there, in a thread for each of the two.
    grace : float
        Seconds between asking it to end and killing it.

    Examples
    --------
    >>> import sys
    >>> with Process([sys.executable, "-c", "print(1)"], cwd=Path.cwd(), env=dict(os.environ)) as process:
    ...     ended = process.wait(60)
    >>> ended.status, ended.output
    (0, '1\n')
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        echo: TextIO | None = None,
        hear: Callable[[str, str], None] | None = None,
        grace: float = GRACE_SECONDS,
    ) -> None:
        self._recorder = Recorder(echo=echo)
        self._errors = ""
        self._hear = hear
        self._grace = grace
        self._timed_out = False
        self._ended: Ended | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="mlops-process-", ignore_cleanup_errors=True)
        order = {"argv": list(argv), "cwd": str(cwd), "env": dict(env), "grace": grace}
        self._began = time.monotonic()
        self._warden = subprocess.Popen(  # noqa: S603 - what a test of this project asks for, without a shell
            [sys.executable, "-P", str(_WARDEN), self._folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **_apart(),
        )
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("stdout", self._warden.stdout), ("stderr", self._warden.stderr))
        ]
        try:
            for reader in self._readers:
                reader.start()
            assert self._warden.stdin is not None
            with suppress(OSError):  # a warden that is gone already is found below
                self._warden.stdin.write(json.dumps(order).encode() + b"\n")
                self._warden.stdin.flush()
        except BaseException:
            self.stop()
            raise

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait(self, timeout: float | None = None) -> Ended:
        """Wait for its end; end it where it takes longer than ``timeout`` seconds, counted from its start.

        Returns
        -------
        Ended
            When nothing of it runs any more.

        Raises
        ------
        KeyboardInterrupt
            When it comes, after the end of the program and of all that it started.
        """
        left = None if timeout is None else max(0.0, self._began + timeout - time.monotonic())
        try:
            self._warden.wait(left)
        except subprocess.TimeoutExpired:
            self._timed_out = True
        return self.stop()

    def poll(self) -> bool:
        """Whether it has ended, with all that it started."""
        return self._ended is not None or self._warden.poll() is not None

    def stop(self) -> Ended:
        """End it now, if it has not ended: SIGTERM to all of its processes, after the grace SIGKILL."""
        if self._ended is not None:
            return self._ended
        assert self._warden.stdin is not None
        try:
            with suppress(OSError):
                self._warden.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._warden.wait(self._grace + _WARDEN_SECONDS)
        finally:  # a second Ctrl-C too
            self._kill_what_is_left()
            self._drain()
            self._ended = self._how_it_ended()
            self._folder.cleanup()
        return self._ended

    def _kill_what_is_left(self) -> None:
        """Where the warden was killed, or does not come to its end."""
        if self._warden.poll() == 0:
            return
        from pytest_mlops.executors import warden

        warden.kill(self._warden.pid, seconds=self._grace)
        with suppress(OSError):
            self._warden.kill()
        warden.kill(self._warden.pid, seconds=self._grace)
        self._warden.wait()

    def _how_it_ended(self) -> Ended:
        from pytest_mlops.executors.warden import ENDED

        found: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            found = json.loads(Path(self._folder.name, ENDED).read_text(encoding="utf-8"))
        seconds = float(found.get("seconds", time.monotonic() - self._began))
        lost = str(found.get("error", ""))
        if not found and not self._timed_out:
            lost = f"the process that watched over it ended with status {self._warden.returncode}"
        elif found.get("status") is None and not self._timed_out:
            lost = lost or "it was ended from outside"
        return Ended(
            status=None if self._timed_out else found.get("status"),
            seconds=seconds,
            output=self._recorder.text(),
            errors=self._errors,
            timed_out=self._timed_out,
            lost=lost,
        )

    def _read(self, name: str, stream: IO[bytes]) -> None:
        decoder, begun = codecs.getincrementaldecoder("utf-8")("replace"), ""
        while True:
            try:
                data = os.read(stream.fileno(), _CHUNK)
            except (OSError, ValueError):  # closed
                data = b""
            text = decoder.decode(data, final=not data)
            if text and self._hear is not None:
                self._hear(name, text)
            # Whole lines: what is written piece by piece to one stream shall not be cut by what comes on the other.
            if name == "stderr":
                self._errors = (self._errors + text)[-_ERRORS:]
            begun += text
            end = max(begun.rfind("\n"), begun.rfind("\r")) + 1
            if not data or len(begun) - end > _CHUNK:
                end = len(begun)
            if end:
                self._recorder.write(begun[:end])
                begun = begun[end:]
            if not data:
                return

    def _drain(self) -> None:
        for reader in self._readers:
            if reader.ident is not None:
                reader.join(_DRAIN_SECONDS)
        for reader, stream in zip(self._readers, (self._warden.stdout, self._warden.stderr), strict=True):
            if stream is not None and not reader.is_alive():
                stream.close()


def _apart() -> dict[str, Any]:
    """A session of its own: Ctrl-C at the terminal reaches pytest alone, which then ends the rest in order."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}
