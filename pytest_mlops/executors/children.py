"""Trains one run in a child process: the parent's side of :mod:`pytest_mlops.training.child`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TextIO

from pytest_mlops.claims.ports import Lost
from pytest_mlops.claims.using import exact_time
from pytest_mlops.errors import RunError
from pytest_mlops.executors.processes import FROM_OUTSIDE, Ended, Process
from pytest_mlops.executors.surroundings import handed_on
from pytest_mlops.records import Failure, RunKey, RunResult
from pytest_mlops.training.isolation import pools
from pytest_mlops.training.orders import Order, read_result, write_order


def train_in_child(
    order: Order, *, timeout: float | None = None, echo: TextIO | None = None
) -> RunResult | Lost:
    """Train an order in a fresh process, which is gone with all that it started when this returns.

    Parameters
    ----------
    order : Order
        What to train; see :func:`pytest_mlops.training.orders.order_of`.
    timeout : float, optional
        Seconds after which the run has failed.
    echo : text stream, optional
        Gets a live copy of the output.

    Returns
    -------
    RunResult or Lost
        A result; a training failure, which is a result too (an exception, a time-out, a crash); or that the machine ended it.

    Raises
    ------
    KeyboardInterrupt
        When it comes, after the end of the process.
    """
    env = handed_on() | {"PYTHONHASHSEED": "0"} | pools(order.threads) | dict(order.env)
    with tempfile.TemporaryDirectory(prefix="mlops-child-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_order(folder, order)
        argv = [order.python or sys.executable, "-P", "-m", "pytest_mlops.training.child", name]
        with Process(argv, cwd=Path(order.cwd or order.root), env=env, echo=echo) as process:
            ended = process.wait(timeout)
        try:
            result = read_result(folder)
        except RunError as error:
            return Lost(reason=str(error.args[0]))
    if result is not None and not ended.timed_out:
        return result
    return without_result(order.key, ended, timeout=timeout)


def without_result(key: RunKey, ended: Ended, *, timeout: float | None) -> RunResult | Lost:
    """What a program that left no result is: lost if the machine ended it, else a training failure.

    Parameters
    ----------
    key : RunKey
        Of the run.
    ended : Ended
        How the program ended.
    timeout : float, optional
        Seconds that it had.
    """
    if ended.lost:
        return Lost(reason=ended.lost)
    if ended.signal in FROM_OUTSIDE:
        return Lost(reason=f"{ended.signal} ended it, which people and machines send, not programs")
    kind, message = _why(ended, timeout)
    return failed(key, kind=kind, message=message, ended=ended)


def failed(key: RunKey, *, kind: str, message: str, ended: Ended) -> RunResult:
    """A training failure, with the program's output.

    Parameters
    ----------
    key : RunKey
        Of the run.
    kind, message : str
        See :class:`pytest_mlops.records.Failure`.
    ended : Ended
        How the program ended.
    """
    return RunResult(
        key=key.digest,
        seed=key.seed,
        metrics={"seconds": ended.seconds, "failed": 1.0},
        yes_no=frozenset({"failed"}),
        failure=Failure(kind=kind, message=message),  # reports show the last lines of the output below it
        output=ended.output,
    )


def _why(ended: Ended, timeout: float | None) -> tuple[str, str]:
    if ended.timed_out:
        return (
            "time-out",
            f"it did not end within {exact_time(timeout or 0.0)}, and was ended with all that it had started",
        )
    if ended.signal:
        hint = " (often the system's, when memory runs out)" if ended.signal == "SIGKILL" else ""
        return "exit", f"{ended.signal} killed it{hint}"
    return "exit", f"it ended with exit status {ended.status}, without a result"
