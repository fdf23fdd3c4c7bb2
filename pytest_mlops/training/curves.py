"""Curves of a run: points that ``run.log`` adds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pytest_mlops.errors import MetricError, RunError
from pytest_mlops.training.metrics import to_float

Curves = dict[str, list[tuple[float, float]]]
"""Points ``(step, value)`` by name."""


def add_point(curves: Curves, step: Any, values: Mapping[str, Any]) -> None:
    """Add a point to the curve of each value; see ``Run.log``.

    Raises
    ------
    RunError
        If the step or a value is no number.
    """
    if not values:
        raise RunError("run.log(step) has no values; write e.g. run.log(epoch, loss=float(loss)).")
    try:
        place, is_yes_no = to_float(step, named="run.log: the step")
        points = {name: to_float(value, named=f"run.log: {name}")[0] for name, value in values.items()}
    except MetricError as error:
        raise RunError(str(error.args[0])) from None
    if is_yes_no or not math.isfinite(place):
        raise RunError(f"run.log: the step is {step!r}; expected a finite number such as the epoch.")
    for name, value in points.items():
        curves.setdefault(name, []).append((place, value))
