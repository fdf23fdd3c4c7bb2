"""What a claim cost: training runs that were trained and reused, why, and what that took."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.why import SEEDS_ONLY, no_run_of
from pytest_mlops.records import RunKey, RunResult
from pytest_mlops.session.preparing import Prepared


@dataclass(kw_only=True)
class Bill:
    """What was trained and what was reused, in counts and seconds."""

    trained: int = 0
    reused: int = 0
    train_seconds: float = 0.0
    saved_seconds: float = 0.0
    spent_seconds: float = 0.0
    """Wall time, all that goes with training included."""
    waited_seconds: float = 0.0
    """Until other sessions had trained what was wanted."""
    refused: Prepared | None = None
    """The arm whose next run the budget did not allow."""
    messages: list[str] = field(default_factory=list)
    """What the user should know of the store."""
    why: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    """By arm and reason the seeds that were trained."""
    counted: set[str] = field(default_factory=set)
    """Runs that stand in it: what several arms go on from is paid once."""

    def add_trained(self, arm: Arm, key: RunKey, result: RunResult, reason: str) -> None:
        """Take a run that was trained."""
        self.counted.add(key.digest)
        self.trained += 1
        self.train_seconds += result.metrics.get("seconds", 0.0)
        self.why.setdefault((arm.label, reason), []).append(key.seed)

    def add_reused(self, key: RunKey, result: RunResult) -> None:
        """Take a run that was there."""
        if key.digest not in self.counted:
            self.counted.add(key.digest)
            self.reused += 1
            self.saved_seconds += result.metrics.get("seconds", 0.0)

    def reasons(self) -> list[str]:
        """Why training runs were trained, one sentence for each arm and reason."""
        return [
            f"{label}: {no_run_of(seeds) if reason == SEEDS_ONLY else reason}"
            for (label, reason), seeds in self.why.items()
        ]
