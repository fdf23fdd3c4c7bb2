"""What training may cost in a session, and what the next run is expected to cost."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from statistics import median

from pytest_mlops.claims.ports import Past
from pytest_mlops.records import RunKey

_RECENT = 10
"""Runs that an expectation stands on: a machine that became slower is noticed."""


@dataclass(kw_only=True)
class Budget:
    """Wall time that a session may spend on training.

    Parameters
    ----------
    seconds : float
        Infinity is no limit.
    """

    seconds: float = math.inf
    spent: float = 0.0

    @property
    def left(self) -> float:
        """Seconds that may still be spent."""
        return max(0.0, self.seconds - self.spent)

    def allows(self, expected: float | None) -> bool:
        """Whether a run may start; None is a run of unknown duration.

        Examples
        --------
        >>> budget = Budget(seconds=60.0, spent=50.0)
        >>> budget.allows(9.0), budget.allows(11.0), budget.allows(None)
        (True, False, True)
        """
        return self.left > 0 and (expected is None or expected <= self.left)


@dataclass(kw_only=True)
class Durations:
    """How long runs take, by what finished ones took.

    Parameters
    ----------
    look_up : callable
        The store's ``past``: asked once a function.
    """

    look_up: Callable[[str], Sequence[Past]]
    _known: dict[str, list[Past]] = field(default_factory=dict)

    def add(self, key: RunKey, seconds: float) -> None:
        """Take notice of a run that was trained now."""
        self._of(key.function).insert(0, Past(key=key, seconds=seconds))

    def expected(self, key: RunKey) -> float | None:
        """Seconds that a run is expected to take; None if nothing like it is known.

        Runs with the same parameters on the same device say it best, whatever their code and data; those with
        other parameters give a rough guess. Another device gives none.
        """
        here = [one for one in self._of(key.function) if _device(one.key) == _device(key)]
        same = [one for one in here if one.key.parameters == key.parameters]
        seconds = [one.seconds for one in (same or here)[:_RECENT]]
        return median(seconds) if seconds else None

    def _of(self, function: str) -> list[Past]:
        if function not in self._known:
            self._known[function] = list(self.look_up(function))
        return self._known[function]


def _device(key: RunKey) -> object:
    return _device_of(key.environment)


@lru_cache(maxsize=256)
def _device_of(environment: str) -> object:
    return json.loads(environment).get("device")
