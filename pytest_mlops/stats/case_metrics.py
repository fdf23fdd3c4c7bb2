"""Metrics of labelled cases, and what each becomes when one patient is left out. No seeds, no tests of anything.

Definitions are scikit-learn's (1.4 and newer); they stand here because no library leaves one case out in O(n log n).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pytest_mlops.stats.ranks import (
    Groups,
    at_thresholds,
    divided,
    first_of_ties,
    from_the_end,
    pair_wins,
    sums,
)
from pytest_mlops.stats.recursion import Array

Parts = Callable[[Array, Array], tuple[Array, Array]]
"""From target and score to what each case adds to a numerator and to a denominator."""


class CaseMetric(Protocol):
    """A metric of all cases together."""

    @property
    def name(self) -> str:
        """What people call it."""

    def check(self, target: Array, scores: Array) -> None:
        """Raise a ValueError where target and scores, shape (..., n_cases), cannot be measured by it."""

    def value(self, target: Array, score: Array) -> float:
        """Compute the metric from target and score, both of shape (n_cases,)."""

    def without_each(self, target: Array, score: Array, groups: Groups) -> Array:
        """Compute the metric without each patient in turn, shape (n_patients,); NaN where it does not exist."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A metric that is a sum over cases divided by another: accuracy, sensitivity, Dice, ..."""

    name: str
    parts: Parts
    scores_are: str
    """``"classes"``, ``"yes or no"``, ``"probabilities"`` or ``"numbers"``."""
    nothing: str = "cases"
    """What is missing where the denominator is zero."""
    binary: bool = True

    def check(self, target: Array, scores: Array) -> None:
        """Refuse a target or scores of another kind."""
        if self.binary:
            _check_yes_no(self.name, "target", target)
        _check_scores(self.name, self.scores_are, scores)

    def value(self, target: Array, score: Array) -> float:
        """Divide the sums."""
        numerator, denominator = (float(part.sum()) for part in self.parts(target, score))
        if denominator == 0:
            raise ValueError(f"{self.name} does not exist: there are no {self.nothing} among the cases")
        return numerator / denominator

    def without_each(self, target: Array, score: Array, groups: Groups) -> Array:
        """Take each patient's part off both sums."""
        above, below = (part.sum() - sums(groups, part) for part in self.parts(target, score))
        return divided(above, below)


@dataclass(frozen=True, slots=True)
class AreaUnderRoc:
    """Probability that a positive case has a higher score than a negative one, ties counted by half."""

    name: str = "auc"

    def check(self, target: Array, scores: Array) -> None:
        """Refuse a target that does not have both classes."""
        _check_both_classes(self.name, target)

    def value(self, target: Array, score: Array) -> float:
        """Count pairs by ranks."""
        positive = target == 1
        wins = pair_wins(positive, score)[positive].sum()
        return float(wins / (positive.sum() * (~positive).sum()))

    def without_each(self, target: Array, score: Array, groups: Groups) -> Array:
        """Take off the pairs that each patient is in; pairs within a patient are taken off once."""
        positive = target == 1
        wins = pair_wins(positive, score)
        lost = sums(groups, wins)
        if len(lost) < len(groups):
            lost = lost - sums(groups, pair_wins(positive, score, groups) * positive)
        positives = positive.sum() - sums(groups, positive)
        negatives = (~positive).sum() - sums(groups, ~positive)
        return divided(wins[positive].sum() - lost, positives * negatives)


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Mean precision at the thresholds that are the scores of positive cases, as scikit-learn computes it."""

    name: str = "average_precision"

    def check(self, target: Array, scores: Array) -> None:
        """Refuse a target that does not have both classes."""
        _check_both_classes(self.name, target)

    def value(self, target: Array, score: Array) -> float:
        """Average the precisions."""
        hits, all_, positive, _ = at_thresholds(target, score)
        return float((hits / all_)[positive].mean()) if positive.any() else math.nan

    def without_each(self, target: Array, score: Array, groups: Groups) -> Array:
        """Leave a case out of the thresholds that it is above; patients with several cases one by one."""
        if groups.max() + 1 < len(groups):
            return without_each_by_force(self.value, target, score, groups)
        hits, all_, positive, order = at_thresholds(target, score)
        is_above = np.cumsum(np.where(positive, hits / all_, 0.0))
        start = first_of_ties(score[order])  # a case is in the thresholds from its own ties on
        untouched = np.concatenate([[0.0], is_above])[start]
        with_positive = from_the_end(np.where(positive, divided(hits - 1, all_ - 1, 0.0), 0.0))
        with_negative = from_the_end(np.where(positive, divided(hits, all_ - 1, 0.0), 0.0))
        own = divided(hits - 1, all_ - 1, 0.0)
        touched = np.where(positive, with_positive[start] - own, with_negative[start])
        count = positive.sum() - positive
        result = np.empty(len(score))
        result[order] = divided(untouched + touched, count)
        by_patient = np.empty(len(score))
        by_patient[groups] = result
        return by_patient


@dataclass(frozen=True, slots=True)
class Own:
    """A metric of the user: any function of target and score, left out by force."""

    function: Callable[[Array, Array], float]
    name: str

    def check(self, target: Array, scores: Array) -> None:
        """Accept anything: only its author knows what it takes."""

    def value(self, target: Array, score: Array) -> float:
        """Call it."""
        value = float(self.function(target, score))
        if not math.isfinite(value):
            raise ValueError(
                f"the metric {self.name} gave {value!r} on {len(target)} cases: it must be a finite number on all "
                "cases, and on all without any one patient"
            )
        return value

    def without_each(self, target: Array, score: Array, groups: Groups) -> Array:
        """Call it without each patient."""
        return without_each_by_force(self.value, target, score, groups)


def without_each_by_force(
    value: Callable[[Array, Array], float], target: Array, score: Array, groups: Groups
) -> Array:
    """Compute a metric anew without each patient: what every fast way has to agree with."""
    kept = (groups != patient for patient in range(int(groups.max()) + 1))
    return np.array([value(target[cases], score[cases]) for cases in kept])


# --- by name


def _accuracy(target: Array, score: Array) -> tuple[Array, Array]:
    return (score == target).astype(np.float64), np.ones_like(target)


def _sensitivity(target: Array, score: Array) -> tuple[Array, Array]:
    return score * target, target


def _specificity(target: Array, score: Array) -> tuple[Array, Array]:
    return (1 - score) * (1 - target), 1 - target


def _dice(target: Array, score: Array) -> tuple[Array, Array]:
    return 2 * score * target, score + target


def _absolute_error(target: Array, score: Array) -> tuple[Array, Array]:
    return np.abs(score - target), np.ones_like(target)


def _squared_error(target: Array, score: Array) -> tuple[Array, Array]:
    return (score - target) ** 2, np.ones_like(target)


def _mean(target: Array, score: Array) -> tuple[Array, Array]:
    return score, np.ones_like(score)


MEAN: CaseMetric = Ratio("mean", _mean, "numbers", binary=False)
"""Of per-case values, which have no target."""

_METRICS: tuple[CaseMetric, ...] = (
    AreaUnderRoc(),
    AveragePrecision(),
    Ratio("accuracy", _accuracy, "classes", binary=False),
    Ratio("sensitivity", _sensitivity, "yes or no", "positive cases"),
    Ratio("specificity", _specificity, "yes or no", "negative cases"),
    Ratio("dice", _dice, "yes or no", "positive cases and no predicted ones"),
    Ratio("mae", _absolute_error, "numbers", binary=False),
    Ratio("brier", _squared_error, "probabilities"),
)

BY_NAME: Mapping[str, CaseMetric] = {metric.name: metric for metric in _METRICS}


def case_metric(metric: str | Callable[[Array, Array], float]) -> CaseMetric:
    """Find the metric of a name, or make one of a function of the user.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> case_metric("auc").value(np.array([0, 0, 1, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    if callable(metric):
        return Own(metric, getattr(metric, "__name__", "of yours"))
    if metric == MEAN.name:
        return MEAN
    if metric not in BY_NAME:
        raise ValueError(
            f"metric={metric!r} is not known; known are {', '.join(BY_NAME)}, and 'mean' for per-case values. "
            "A function (target, score) -> float can be given too."
        )
    return BY_NAME[metric]


# --- checks


def _check_yes_no(name: str, what: str, values: Array) -> None:
    wrong = values[(values != 0) & (values != 1)]
    if wrong.size:
        more = "; give predicted classes, e.g. score >= 0.5" if what == "score" else ""
        raise ValueError(
            f"{name} needs a {what} of 0 and 1 for every case, got {float(wrong.flat[0])!r}{more}"
        )


def _check_both_classes(name: str, target: Array) -> None:
    _check_yes_no(name, "target", target)
    for label, word in ((1, "positive"), (0, "negative")):
        if not (target == label).any():
            raise ValueError(f"{name} needs cases of both classes, and no target is {label} ({word})")


def _check_scores(name: str, kind: str, scores: Array) -> None:
    if kind == "yes or no":
        _check_yes_no(name, "score", scores)
    elif kind == "classes" and (wrong := scores[scores != np.rint(scores)]).size:
        raise ValueError(
            f"{name} needs predicted classes as scores, whole numbers, got {float(wrong.flat[0])!r}: give e.g. "
            "score >= 0.5"
        )
    elif kind == "probabilities" and (wrong := scores[(scores < 0) | (scores > 1)]).size:
        raise ValueError(f"{name} needs probabilities from 0 to 1 as scores, got {float(wrong.flat[0])!r}")
