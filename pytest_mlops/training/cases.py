"""Numbers for each test case, as ``run.cases`` takes them: checked at once, sorted, without the names of patients."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlops.errors import MetricError
from pytest_mlops.records import Cases, CaseTable
from pytest_mlops.training.loader import Passes
from pytest_mlops.training.metrics import Metrics, check_name, read_metrics

if TYPE_CHECKING:
    import numpy as np


class GivenCases:
    """What a run gave for its test cases so far.

    Parameters
    ----------
    passes : Passes
        Passes of the run's loaders: in a smoke run they may have stopped early.
    """

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        self.cases: dict[str, Cases] = {}
        self.values: dict[str, float] = {}

    def add(self, name: object, *, metric: str | None, **given: Any) -> None:
        """Add what ``run.cases`` got.

        Raises
        ------
        MetricError
            If anything about it cannot be judged, or the name is taken.
        """
        checked = check_name(name)
        if checked in self.values:
            raise MetricError(
                f"run.cases({checked!r}) is called twice in one run: call it once, with all cases, after training"
            )
        chosen = _metric(
            checked, metric=metric, **{what: given[what] for what in ("value", "target", "score")}
        )
        if self._passes.shortened:  # two batches give fewer scores than there are cases, and maybe NaN
            self.values[checked] = math.nan
            return
        self.cases[checked], self.values[checked] = read_cases(checked, metric=chosen, **given)


def read_cases(
    name: str,
    *,
    case: Any,
    value: Any,
    target: Any,
    score: Any,
    metric: str,
    patient: Any,
) -> tuple[Cases, float]:
    """Convert what a training function handed to ``run.cases``, and compute its metric.

    Parameters
    ----------
    name : str
        As in ``Run.cases``, like all others.
    case, value, target, score : sequence or None
        One for each case; no value where there are target and score.
    metric : str
        Name of the metric, ``"mean"`` for values.
    patient : sequence or None
        One for each case.

    Returns
    -------
    cases : Cases
        In the order of the sorted names of cases, so that runs can be compared case by case.
    value : float
        The metric of all cases.

    Raises
    ------
    MetricError
        If anything about them cannot be judged.
    """
    import numpy as np

    from pytest_mlops.stats.case_metrics import case_metric
    from pytest_mlops.stats.pseudovalues import groups_of, pseudovalues

    call = f"run.cases({name!r})"
    names = _names(call, case)
    order = sorted(range(len(names)), key=names.__getitem__)
    numbers = _numbers(
        call, "value" if target is None else "score", value if target is None else score, names
    )
    labels = None if target is None else _numbers(call, "target", target, names)
    patients = None if patient is None else _labels(call, "patient", patient, len(names))
    try:
        groups = groups_of(None if patients is None else [patients[place] for place in order], len(names))
        truth = np.zeros(len(names)) if labels is None else labels[order]
        found = case_metric(metric)
        found.check(truth, numbers[order])
        pseudovalues(found, truth, numbers[order][None], groups)  # may not exist without some patient
    except ValueError as error:
        raise MetricError(f"{call}: {error}") from None
    table = CaseTable(
        names=hashlib.sha256(json.dumps([names[place] for place in order]).encode()).hexdigest(),
        count=len(names),
        patients=b"" if patients is None else groups.astype("<i4").tobytes(),
        target=b"" if labels is None else truth.astype("<f8").tobytes(),
    )
    cases = Cases(table=table, metric=metric, numbers=numbers[order].astype("<f8").tobytes())
    return cases, found.value(truth, numbers[order])


def with_cases(returned: object, values: Mapping[str, float]) -> Metrics:
    """The metrics that a function returned, and those of ``run.cases``: a name belongs to one of them.

    Parameters
    ----------
    returned : object
        What the function returned; it may be nothing where there are metrics of cases.
    values : mapping of str to float
        Metrics of ``run.cases``.
    """
    nothing = returned is None or (isinstance(returned, Mapping) and not returned)
    metrics = Metrics(values={}, yes_no=frozenset()) if values and nothing else read_metrics(returned)
    twice = [name for name in values if name in metrics.values]
    problems = tuple(
        f"metric {name!r} is returned and also given by run.cases; leave it out of the dict that is returned"
        for name in twice
    )
    return Metrics(
        values={**metrics.values, **values}, yes_no=metrics.yes_no, problems=(*metrics.problems, *problems)
    )


def _metric(name: str, *, value: Any, target: Any, score: Any, metric: Any) -> str:
    """Name of the library's metric, or ``"mean"``."""
    from pytest_mlops.stats.case_metrics import BY_NAME, MEAN

    call = f"run.cases({name!r})"
    if value is not None:
        if target is not None or score is not None or metric is not None:
            raise MetricError(
                f"{call}: give value= alone (numbers that are averaged), or target= and score= (for a metric)"
            )
        return MEAN.name
    if target is None or score is None:
        raise MetricError(
            f"{call} needs value=, one number for each case that is averaged, or target= and score= for a metric"
        )
    chosen = name.split("/")[0] if metric is None else metric
    if not isinstance(chosen, str) or chosen not in BY_NAME:
        known = ", ".join(BY_NAME)
        raise MetricError(
            f"{call}: {chosen!r:.60} is no metric that is known by name ({known}). Write metric= with one of them, or "
            "compute a number for each case and give value="
        )
    return chosen


def _names(call: str, case: Any) -> list[str]:
    """Names of the cases, each once."""
    names = _labels(call, "case", case, None)
    if len(set(map(type, names))) > 1:
        raise MetricError(f"{call}: case has str and int mixed; use one of them for all cases")
    texts = [str(name) for name in names]
    seen: dict[str, int] = {}
    for place, text in enumerate(texts):
        if text in seen:
            # Not by name: it may identify a patient, and this goes into logs.
            raise MetricError(
                f"{call}: case[{place}] is the same as case[{seen[text]}]; each case counts once, so give one number for "
                "it (several images of one patient: name each image, and give patient=)"
            )
        seen[text] = place
    return texts


def _labels(call: str, what: str, values: Any, count: int | None) -> list[str | int]:
    plain = _plain(values)
    listed = plain.tolist() if hasattr(plain, "tolist") else plain
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        raise MetricError(
            f"{call}: {what} must be a list of str or int, one for each case, got {type(values).__name__}"
        )
    if count is not None and len(listed) != count:
        raise MetricError(f"{call}: {what} has {len(listed)} entries and there are {count} cases")
    for place, label in enumerate(listed):
        if isinstance(label, bool) or not isinstance(label, str | int) or label == "":
            raise MetricError(
                f"{call}: {what}[{place}] is of type {type(label).__name__}; expected a str that is not empty, or an int"
            )
    return list(listed)


def _numbers(call: str, what: str, values: Any, names: Sequence[str]) -> np.ndarray:
    import numpy as np

    try:
        array = np.asarray(_plain(values))
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "biuf":
        raise MetricError(f"{call}: {what} must be numbers, one for each case")
    if array.shape != (len(names),):
        more = "; of two classes give the score of the positive one, e.g. [:, 1]" if array.ndim == 2 else ""
        raise MetricError(
            f"{call}: {what} has the shape {array.shape} and there are {len(names)} cases: one number for each{more}"
        )
    numbers = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise MetricError(
            f"{call}: {what}[{wrong[0]}] is {float(numbers[wrong[0]])!r} ({len(wrong)} of {len(numbers)} are not finite): "
            "training diverged, or the number divides by zero"
        )
    return numbers


def _plain(values: Any) -> Any:
    """A tensor as NumPy array, on the CPU and in a type that NumPy has; others as they are."""
    convert: Callable[[], Any] | None = getattr(values, "detach", None)
    if convert is None:
        return values
    tensor = convert().cpu()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()


__all__ = ["GivenCases", "read_cases", "with_cases"]
