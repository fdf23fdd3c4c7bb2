"""Order statistics of scores with ties, by sorting once: what the metrics of cases are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_mlops.stats.recursion import Array

Groups = NDArray[np.intp]
"""For each case the number of its patient, 0 to ``n_patients - 1``."""


def pair_wins(positive: NDArray[np.bool_], score: Array, groups: Groups | None = None) -> Array:
    """For each case the cases of the other class that it is on the right side of, ties by half.

    With `groups` only those of its own patient count.
    """
    order = np.argsort(score, kind="stable") if groups is None else np.lexsort((score, groups))
    ranked, classes = score[order], positive[order]
    start = first_of_ties(ranked, None if groups is None else groups[order])
    end = _last_of_ties(ranked, None if groups is None else groups[order])
    wins = np.empty(len(score))
    negatives = np.concatenate([[0], np.cumsum(~classes)])
    positives = np.concatenate([[0], np.cumsum(classes)])
    first, last = (0, len(score)) if groups is None else _ends(groups[order])
    below = (negatives[start] + negatives[end + 1]) / 2 - negatives[first]
    above = positives[last] - (positives[start] + positives[end + 1]) / 2
    wins[order] = np.where(classes, below, above)
    return wins


def at_thresholds(target: Array, score: Array) -> tuple[Array, Array, NDArray[np.bool_], NDArray[np.intp]]:
    """Positive and all cases at or above each case's score, whether it is positive; in falling order of score."""
    order = np.argsort(-score, kind="stable")
    positive = target[order] == 1
    end = _last_of_ties(score[order])
    hits = np.cumsum(positive)[end].astype(np.float64)
    return hits, np.asarray(end + 1, dtype=np.float64), positive, order


def first_of_ties(ranked: Array, groups: Groups | None = None) -> NDArray[np.intp]:
    """For each place of a sorted array the first place of its ties."""
    starts = np.flatnonzero(_changes(ranked, groups))
    return np.repeat(starts, np.diff(np.append(starts, len(ranked))))


def _last_of_ties(ranked: Array, groups: Groups | None = None) -> NDArray[np.intp]:
    starts = np.flatnonzero(_changes(ranked, groups))
    lengths = np.diff(np.append(starts, len(ranked)))
    return np.repeat(starts + lengths - 1, lengths)


def _ends(groups: Groups) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each place of sorted groups the first place of its group, and the one behind its last."""
    return first_of_ties(groups.astype(np.float64)), _last_of_ties(groups.astype(np.float64)) + 1


def _changes(ranked: Array, groups: Groups | None) -> NDArray[np.bool_]:
    changes = np.ones(len(ranked), dtype=np.bool_)
    changes[1:] = np.diff(ranked) != 0
    if groups is not None:
        changes[1:] |= np.diff(groups) != 0
    return changes


def from_the_end(values: Array) -> Array:
    """Sums from each place to the end."""
    return np.asarray(np.cumsum(values[::-1])[::-1])


def sums(groups: Groups, values: Array | NDArray[np.bool_]) -> Array:
    """Sum of the values of each patient."""
    return np.asarray(np.bincount(groups, weights=values), dtype=np.float64)


def divided(above: Array, below: Array, otherwise: float = np.nan) -> Array:
    """Divide where the divisor is positive; `otherwise` elsewhere."""
    result = np.full(np.broadcast_shapes(np.shape(above), np.shape(below)), otherwise)
    np.divide(above, below, out=result, where=np.asarray(below) > 0)
    return result
