"""Results that exist, from a log or a paper: an arm that is not trained."""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from pytest_mlops.errors import RecordedError
from pytest_mlops.records import Failure, RunResult
from pytest_mlops.tables.cells import LARGEST_SEED


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Results that exist: one number of each metric for each place in the block of seeds."""

    metrics: Mapping[str, tuple[float, ...]]
    yes_no: frozenset[str]
    seeds: tuple[int, ...] | None = None
    """The seed of each training run, each once; None where they are known by their places only."""
    name: str = ""
    """Where they come from: ``runs.csv, model='baseline'``; no part of what they are."""
    rows: tuple[str, ...] = ()
    """For each training run the row of a file that it comes from, where there is one."""

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
            where = f" ({self.rows[index]})" if self.rows else ""
            failure = (
                Failure(kind="not finite", message=f"recorded {broken[0]!r} is {metrics[broken[0]]}{where}")
                if broken
                else None
            )
            finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
            results.append(
                RunResult(
                    key=f"recorded:{index}",
                    seed=self.seeds[index] if self.seeds is not None else None,
                    metrics=finite,
                    yes_no=self.yes_no,
                    failure=failure,
                )
            )
        return results

    @property
    def label(self) -> str:
        """The arm as people read it: ``recorded(runs.csv, 12 training runs)``."""
        return f"recorded({self.name + ', ' if self.name else ''}{self.length} training runs)"

    @property
    def content(self) -> dict[str, object]:
        """What it is, whatever its file is called: equal for equal results."""
        content: dict[str, object] = {
            name: [repr(v) for v in values] for name, values in self.metrics.items()
        }
        if self.seeds is None:
            return {"recorded": content}
        return {"recorded": content, "seeds": list(self.seeds)}


def recording(
    metrics: Mapping[str, Iterable[float]],
    *,
    seeds: Iterable[int] | None = None,
    name: str = "",
    rows: Sequence[str] = (),
) -> Recording:
    """Check what :class:`pytest_mlops.claims.recorded.Recorded` was given.

    Raises
    ------
    RecordedError
        If names, types, lengths or seeds do not fit.
    """
    if not isinstance(metrics, Mapping) or not metrics:
        raise RecordedError(
            'arm.recorded takes names with numbers: arm.recorded({"val_loss": [3.279, 3.301, ...]})'
        )
    values: dict[str, tuple[float, ...]] = {}
    yes_no = set()
    for metric, numbers in metrics.items():
        if not isinstance(metric, str) or not metric or "*" in metric:
            raise RecordedError(f"{metric!r} is no metric name: expected text without '*'.")
        if isinstance(numbers, str | bytes | Mapping | Set) or not isinstance(numbers, Iterable):
            raise RecordedError(
                f"recorded metric {metric!r}: expected a list of numbers in seed order, one a training run, got a "
                f"{type(numbers).__name__}."
            )
        items = list(numbers)
        if any(type(item).__name__ in ("bool", "bool_") for item in items):
            yes_no.add(metric)
        values[metric] = tuple(_number(metric, index, item) for index, item in enumerate(items))
        _check_yes_no(metric, values[metric] if metric in yes_no else ())
    lengths = {metric: len(numbers) for metric, numbers in values.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise RecordedError(
            f"recorded metrics need one number a training run each, at least one; their lengths are {lengths}."
        )
    return Recording(
        metrics=values,
        yes_no=frozenset(yes_no),
        seeds=None if seeds is None else _checked_seeds(seeds, next(iter(lengths.values()))),
        name=name,
        rows=tuple(rows),
    )


def _check_yes_no(metric: str, values: Iterable[float]) -> None:
    for index, value in enumerate(values):
        if value not in (0.0, 1.0) and math.isfinite(value):
            raise RecordedError(
                f"recorded metric {metric!r} is true or false in some training runs and {value:g} in training run {index}: "
                "give one kind."
            )


def _checked_seeds(seeds: Iterable[int], runs: int) -> tuple[int, ...]:
    try:
        values = tuple(operator.index(seed) for seed in seeds if type(seed).__name__ not in ("bool", "bool_"))
        fits = len(values) == runs
    except TypeError:
        fits = False
    if not fits or min(values) < 0 or max(values) > LARGEST_SEED:
        raise RecordedError(
            f"arm.recorded(seeds={seeds!r:.60}): expected the seed of each training run, {runs} whole numbers from 0 on."
        )
    again = [seed for seed, count in Counter(values).items() if count > 1]
    if again:
        raise RecordedError(
            f"arm.recorded(seeds=...): seed {again[0]} is there more than once. One training run has one place."
        )
    return values


def _number(name: str, index: int, item: Any) -> float:
    try:
        if isinstance(item, str | bytes | complex):
            raise TypeError
        return float(item)
    except (TypeError, ValueError, OverflowError):
        raise RecordedError(
            f"recorded metric {name!r}, training run {index}: {item!r} is no number."
        ) from None
