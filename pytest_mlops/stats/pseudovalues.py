"""Pseudovalues: what each patient contributes to a metric of all cases, by leaving one patient out at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlops.stats.case_metrics import CaseMetric
from pytest_mlops.stats.ranks import Groups
from pytest_mlops.stats.recursion import Array

FEWEST = 3


def pseudovalues(metric: CaseMetric, target: Array, scores: Array, groups: Groups) -> Array:
    """Jackknife pseudovalues of a metric over patients, one row a seed; the mean of a row is the metric itself.

    Parameters
    ----------
    metric : CaseMetric
        Of all cases of one seed.
    target : ndarray, shape (n_cases,)
        Labels, the same for all seeds.
    scores : ndarray, shape (n_seeds, n_cases)
        Scores, or per-case values.
    groups : ndarray of int, shape (n_cases,)
        Number of each case's patient; a case without others of its patient is one by itself.

    Returns
    -------
    ndarray, shape (n_seeds, n_patients)
        ``G m - (G - 1) m_(g)`` with m the metric of all cases, m_(g) that without patient g and G the number of
        patients, moved by the same number in the whole row so that its mean is m (normalised pseudovalues of
        Hillis, Obuchowski, Schartz and Berbaum 2005; nothing to move for averages over single cases and the AUC).

    Raises
    ------
    ValueError
        If the metric does not exist on all cases, or without one of the patients.

    Notes
    -----
    Patients of unequal size: a patient is left out whole, with all its cases, and each patient counts as one in
    what follows. For an average over cases its pseudovalue is then, to first order, that of a ratio of sums,
    ``m + G m_g (x_g - m) / n`` for a patient with m_g of n cases and mean x_g: larger patients weigh more in the
    metric, and in its variance.

    Examples
    --------
    >>> from pytest_mlops.stats.case_metrics import case_metric
    >>> target, scores = np.array([0, 0, 1, 1.0]), np.array([[0.1, 0.4, 0.35, 0.8]])
    >>> pseudovalues(case_metric("auc"), target, scores, np.arange(4)).tolist()
    [[1.5, 0.0, 0.0, 1.5]]
    """
    patients = int(groups.max()) + 1
    rows = np.empty((len(scores), patients))
    for seed, score in enumerate(scores):
        whole = metric.value(target, score)
        without = metric.without_each(target, score, groups)
        if not np.isfinite(without).all():
            raise ValueError(_does_not_exist(metric, int(np.argmin(np.isfinite(without))), groups))
        row = patients * whole - (patients - 1) * without
        rows[seed] = row + (whole - row.mean())
    return rows


def groups_of(patient: ArrayLike | None, cases: int) -> Groups:
    """Numbers of patients from their labels, in order of first appearance; every case its own without labels.

    Raises
    ------
    ValueError
        If there is not one label a case, a label is missing, or there are fewer than three patients.

    Examples
    --------
    >>> groups_of(["b", "a", "b", "c"], 4).tolist()
    [0, 1, 0, 2]
    """
    if cases < FEWEST:
        raise ValueError(
            f"{cases} case{'s' * (cases != 1)} cannot show how cases differ: at least {FEWEST} are needed"
        )
    if patient is None:
        return np.arange(cases)
    labels = np.asarray(patient)
    if labels.shape != (cases,):
        raise ValueError(
            f"patient must have one label for each of the {cases} cases, got an array of shape {labels.shape}"
        )
    missing = [place for place, label in enumerate(labels.tolist()) if label is None or label != label]
    if missing:
        raise ValueError(f"patient[{missing[0]}] is missing: every case needs the patient that it belongs to")
    numbers: dict[object, int] = {}
    groups = np.array([numbers.setdefault(label, len(numbers)) for label in labels.tolist()], dtype=np.intp)
    if len(numbers) < FEWEST:
        raise ValueError(
            f"{len(numbers)} patient{'s' * (len(numbers) != 1)} cannot show how patients differ: at least {FEWEST} "
            "are needed, however many cases each has"
        )
    return groups


def _does_not_exist(metric: CaseMetric, patient: int, groups: Groups) -> str:
    place = int(np.argmax(groups == patient))
    several = int((groups == patient).sum())
    which = f"case {place}" if several == 1 else f"the patient of case {place} ({several} cases)"
    return (
        f"{metric.name} does not exist without {which}: no other one has its class, so that nothing can be said of "
        "new patients. Each class needs at least two patients."
    )
