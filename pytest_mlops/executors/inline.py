"""The inline executor: trains in this process, one run after the other, in the order of submission.

Commands and runs of another state of the project get a process of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from pytest_mlops.claims.ports import Ending
from pytest_mlops.executors.children import train_in_child
from pytest_mlops.executors.commands import run_command
from pytest_mlops.records import CommandLine, RunSpec
from pytest_mlops.training.execute import execute
from pytest_mlops.training.orders import order_of


class InlineExecutor:
    """Trains during ``wait``; see :class:`pytest_mlops.claims.ports.Executor` for the promise.

    Parameters
    ----------
    echo : text stream, optional
        Gets a live copy of what training runs print.
    """

    capacity = 1

    def __init__(self, *, echo: TextIO | None = None) -> None:
        self._echo = echo
        self._pending: dict[str, RunSpec] = {}

    def submit(self, spec: RunSpec) -> None:
        """Take a run; it is trained when ``wait`` comes to it."""
        if spec.key.digest in self._pending:
            raise ValueError(f"run {spec.key.digest[:12]} (seed {spec.key.seed}) is pending already")
        self._pending[spec.key.digest] = spec

    def wait(self) -> Sequence[Ending]:
        """Train the run that was submitted first."""
        if not self._pending:
            return []
        spec = self._pending.pop(next(iter(self._pending)))
        if isinstance(spec.function, CommandLine):
            return [Ending(spec=spec, outcome=run_command(spec, spec.function, echo=self._echo))]
        if spec.elsewhere is not None:
            order = order_of(spec, root=spec.root or Path.cwd())
            return [Ending(spec=spec, outcome=train_in_child(order, echo=self._echo))]
        return [Ending(spec=spec, outcome=execute(spec, echo=self._echo))]

    def cancel(self, key: str) -> bool:
        """Give up a run that has not started."""
        return self._pending.pop(key, None) is not None

    def close(self) -> None:
        """Give up what is pending."""
        self._pending.clear()
