"""Results that exist, from a log or a paper: an arm that is not trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from pytest_mlops.errors import MetricError
from pytest_mlops.records import Failure, RunResult


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Results that exist: one number of each metric for each place in the block of seeds."""

    metrics: Mapping[str, tuple[float, ...]]
    yes_no: frozenset[str]

    @property
    def length(self) -> int:
        """Number of recorded training runs."""
        return len(next(iter(self.metrics.values())))

    def results(self) -> list[RunResult]:
        """The same in the form of finished training runs."""
        results = []
        for index in range(self.length):
            metrics = {name: values[index] for name, values in self.metrics.items()}
            broken = [name for name, value in metrics.items() if not math.isfinite(value)]
            failure = (
                Failure(kind="not finite", message=f"recorded {broken[0]!r} is {metrics[broken[0]]}")
                if broken
                else None
            )
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            results.append(
                RunResult(key=f"recorded:{index}", metrics=finite, yes_no=self.yes_no, failure=failure)
            )
        return results


def recording(metrics: Mapping[str, Iterable[float]]) -> Recording:
    """Check what :meth:`pytest_mlops.claims.arms.Arms.recorded` was given.

    Raises
    ------
    MetricError
        If names, types or lengths do not fit.
    """
    if not isinstance(metrics, Mapping) or not metrics:
        raise MetricError(
            'arm.recorded takes names with numbers: arm.recorded({"val_loss": [3.279, 3.301, ...]})'
        )
    values: dict[str, tuple[float, ...]] = {}
    yes_no = set()
    for name, numbers in metrics.items():
        if not isinstance(name, str) or not name or "*" in name:
            raise MetricError(f"{name!r} is no metric name: expected text without '*'.")
        if isinstance(numbers, str | bytes | Mapping | Set) or not isinstance(numbers, Iterable):
            raise MetricError(
                f"recorded metric {name!r}: expected a list of numbers in seed order, one a training run, got a "
                f"{type(numbers).__name__}."
            )
        items = list(numbers)
        if any(type(item).__name__ in ("bool", "bool_") for item in items):
            yes_no.add(name)
        values[name] = tuple(_number(name, index, item) for index, item in enumerate(items))
    lengths = {name: len(numbers) for name, numbers in values.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise MetricError(
            f"recorded metrics need one number a training run each, at least one; their lengths are {lengths}."
        )
    return Recording(metrics=values, yes_no=frozenset(yes_no))


def _number(name: str, index: int, item: Any) -> float:
    try:
        if isinstance(item, str | bytes | complex):
            raise TypeError
        return float(item)
    except (TypeError, ValueError, OverflowError):
        raise MetricError(f"recorded metric {name!r}, training run {index}: {item!r} is no number.") from None
