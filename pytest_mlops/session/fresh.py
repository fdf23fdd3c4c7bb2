"""Training runs of this very process, in the order in which they ran: the only ones whose cost can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_mlops.records import RunKey, RunResult


@dataclass(kw_only=True)
class Fresh:
    """What this process trained itself, oldest first."""

    _trained: list[tuple[RunKey, RunResult]] = field(default_factory=list)

    def add(self, key: RunKey, result: RunResult) -> None:
        """Take notice of a run that has just ended."""
        self._trained.append((key, result))

    def newest(self, key: RunKey) -> RunResult | None:
        """The run of that key, if it is the one that ended last."""
        return self._trained[-1][1] if self._trained and self._trained[-1][0] == key else None

    def is_warm(self, key: RunKey) -> bool:
        """Whether a run of that arm was trained before, so that the next one pays for no start-up."""
        return any(known.experiment == key.experiment for known, _ in self._trained)

    def in_a_row(self, keys: Sequence[RunKey]) -> list[RunResult] | None:
        """The newest runs of those keys that were trained in that order and nothing between, by arms that were warm."""
        digests = [key.digest for key in keys]
        for end in range(len(self._trained), len(keys) - 1, -1):
            row = self._trained[end - len(keys) : end]
            before = {key.experiment for key, _ in self._trained[: end - len(keys)]}
            if [key.digest for key, _ in row] == digests and all(key.experiment in before for key in keys):
                return [result for _, result in row]
        return None
