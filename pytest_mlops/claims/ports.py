"""What the judge's side asks of stores and executors: promises in the docstrings, contract tests in ``testing/``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_mlops.records import Details, RunKey, RunResult, RunSpec

_NO_DETAILS = Details()


@dataclass(frozen=True, kw_only=True)
class Past:
    """What one finished run took: the price of the next one."""

    key: RunKey
    seconds: float


class Store(Protocol):
    """Where finished training runs are kept, so that none is trained twice.

    A store is opened by one process and used by its main thread; several processes may have the same one open at
    once. What ``put`` returned from is on disk: a killed process loses no finished run, and leaves nothing that
    keeps the next one from starting. Whatever it cannot do is a ``StoreError``.

    All who opened it with one session name (the workers of pytest-xdist) are one session.
    """

    def found(self, key: RunKey, *, mine: bool = False) -> Sequence[RunResult]:
        """All finished runs of that key, failed ones too, newest first; they differ in their records.

        Every number comes back equal, to the last bit. With ``mine`` only those that this session trained.
        """
        ...

    def put(
        self,
        key: RunKey,
        result: RunResult,
        *,
        details: Details = _NO_DETAILS,
        instead_of: str | None = None,
    ) -> RunResult:
        """Keep a finished run with its artifacts, give its lease back, and return the run that is kept.

        Of the same key and record the first one to arrive stays: of two sessions that trained it, both get the
        first one's result, so that they judge on the same numbers. The run of the id ``instead_of`` is removed.
        """
        ...

    def past(self, function: str) -> Sequence[Past]:
        """What the last few good runs of that function (``RunKey.function``) took, newest first."""
        ...

    def seeds(self, key: RunKey) -> frozenset[int]:
        """The seeds under which the experiment of that key is finished, failed runs too; its own seed has no say."""
        ...

    def found_before(self, key: RunKey, other: RunKey) -> Sequence[RunResult]:
        """All finished runs of the experiment of ``key`` that were kept before the first one of the experiment of ``other``.

        Under any seed, failed ones too, in the order in which they were kept; all of them where there is none of the other. So
        the list does not change once the other experiment was begun.
        """
        ...

    def kin(self, key: RunKey) -> Sequence[tuple[RunKey, Details]]:
        """The last few distinct experiments of the same function that other sessions trained, newest first; seed 0."""
        ...

    def lease(self, key: RunKey) -> str | None:
        """Ask to be the only one who trains that key: None says yes, a text says who does.

        The lease holds until ``put`` or ``release``, and ends by itself when its owner is gone. Look for the
        finished run once more when you have it: the last owner may just have put it.
        """
        ...

    def release(self, key: RunKey) -> None:
        """Give a lease back without a result; no error if it is not ours."""
        ...

    def attempts(self, claim: str, base: str) -> Sequence[str]:
        """The attempts at a claim since a merge base, whoever made them, in the order of their first looks."""
        ...

    def add_attempt(self, claim: str, base: str, attempt: str, design: str) -> None:
        """Note an attempt, with its design for people; one that is known keeps its place."""
        ...

    def artifacts(self, key: RunKey) -> Path:
        """The folder in which the run of that key writes its artifacts, if this session trains it."""
        ...

    def scratch(self, key: RunKey, *, mine: bool = False) -> Path:
        """The folder in which the run of that key may keep what it needs to go on after a kill; need not be there yet.

        Ask for it only with the lease, each time that you get it. Whatever the last owner of the lease left is in it: after a
        kill, a ``release``, or a heartbeat that stopped. No two owners have the same path, so that one who lost the lease
        without knowing cannot write into it. With ``mine`` what other sessions left is removed, not handed on.
        ``put`` removes it with all that is in it. What nobody trains any more is removed after a time.
        """
        ...

    def artifact(self, run: str, name: str) -> Path:
        """The artifact ``name`` of the finished run with the id ``run``; read it, do not write to it."""
        ...

    def artifacts_of(self, run: str) -> Mapping[str, str]:
        """The artifacts of the finished run with the id ``run``: their names with the SHA-256 of their contents.

        Also of those that had to make room; of an unknown run there are none.
        """
        ...

    def has_artifacts(self, run: str) -> bool:
        """Whether all artifacts of that run are still there."""
        ...

    def hand_out(self, run: str, key: RunKey) -> Path | None:
        """A folder with copies of all artifacts of the finished run ``run``, for the run of ``key``, which goes on from it.

        Whatever happens to the copies, what is stored stays as it is. Each was compared with its SHA-256; None if one is gone or
        spoilt, which has it trained again. ``put`` and ``release`` of that key remove the folder.
        """
        ...

    def close(self) -> None:
        """Let go of leases, files and connections. The store cannot be used afterwards; closing twice is no error."""
        ...


@dataclass(frozen=True, kw_only=True)
class Lost:
    """The machine, not the training, ended the run (a killed worker, a lost connection): it may be tried again."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a submitted run ended: a result (which may be a failed training run), or lost."""

    spec: RunSpec
    outcome: RunResult | Lost


class Executor(Protocol):
    """What trains: runs are submitted, waited for, and can be cancelled.

    There are three endings. A *result* has metrics; a *training failure* is a result too (``result.failed``), and is
    never tried again by the executor; *lost* says that the machine failed, not the training.
    """

    capacity: int
    """How many runs it trains side by side."""

    def submit(self, spec: RunSpec) -> None:
        """Take a run. It may start at once or during ``wait``; submitting a key that is pending is an error."""
        ...

    def wait(self) -> Sequence[Ending]:
        """Block until at least one pending run has ended, and return all that have; empty if none is pending.

        Each submitted run is returned exactly once, unless it was cancelled. KeyboardInterrupt goes through.
        """
        ...

    def cancel(self, key: str) -> bool:
        """Give up a pending run by ``RunKey.digest``; False if it is not pending (any more)."""
        ...

    def close(self) -> None:
        """Give up what is pending and leave nothing behind. Closing twice is no error."""
        ...
