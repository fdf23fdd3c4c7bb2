"""From the numbers per case that runs left to a decision about a claim on their metric."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from pytest_mlops.records import Cases, CaseTable
from pytest_mlops.stats.case_metrics import case_metric
from pytest_mlops.stats.case_test import decide_by_cases
from pytest_mlops.stats.decision import Decision
from pytest_mlops.stats.pseudovalues import pseudovalues
from pytest_mlops.stats.ranks import Groups
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

Term = tuple[float, Sequence[Cases]]
"""The weight of a metric of an arm in a claim, and its cases in seed order."""


def decide_claim_by_cases(
    test: SequentialTest,
    terms: Sequence[Term],
    *,
    margin: float = 0.0,
    direction: float = 1.0,
    identical: bool = False,
    resolution: float = 0.0,
    parts: int = 1,
) -> Decision:
    """Judge a claim about metrics that have numbers per case, over new seeds and new patients.

    Parameters
    ----------
    test : SequentialTest
        The design.
    terms : sequence of (float, sequence of Cases)
        Weight and cases, one a seed in seed order, of each metric in the claim; all of the same cases and patients.
    margin : float
        The claim is that the weighted sum is beyond it.
    direction : float
        1 for above, -1 for below.
    identical : bool
        As in ``SequentialTest.decide``.
    resolution : float
        As in ``SequentialTest.decide``.
    parts : int
        As in ``SequentialTest.decide``.

    Returns
    -------
    Decision
        In units of the contrast, ``direction * (sum - margin)``.

    Raises
    ------
    ValueError
        If runs differ in their cases: ask ``difference_in_cases`` before, to say which.

    Examples
    --------
    >>> table = CaseTable(names="a", count=4)
    >>> def runs(shift):
    ...     rows = shift + np.sin(np.arange(20.0)).reshape(5, 4) / 10
    ...     return [Cases(table=table, metric="mean", numbers=row.tobytes()) for row in rows]
    >>> decision = decide_claim_by_cases(SequentialTest(), [(1.0, runs(0.9))], margin=0.5)
    >>> str(decision.verdict), decision.n, decision.patients
    ('PASS', 5, 4)
    """
    contrasts = direction * (weighted_pseudovalues(terms) - margin)
    return decide_by_cases(test, contrasts, identical=identical, resolution=resolution, parts=parts)


def weighted_pseudovalues(terms: Sequence[Term]) -> Array:
    """Pseudovalues of a weighted sum of metrics.

    Parameters
    ----------
    terms : sequence of (float, sequence of Cases)
        Weight and cases, one a seed in seed order, of each metric; all of the same cases and patients.

    Returns
    -------
    ndarray, shape (n_seeds, n_patients)
        In units of the metric; the mean of a row is the weighted sum under that seed.

    Raises
    ------
    ValueError
        If runs differ in their cases: ask ``difference_in_cases`` before, to say which.

    Examples
    --------
    >>> table = CaseTable(names="a", count=3)
    >>> run = Cases(table=table, metric="mean", numbers=np.array([0.5, 0.7, 0.9]).tobytes())
    >>> weighted_pseudovalues([(2.0, [run])]).round(6).tolist()
    [[1.0, 1.4, 1.8]]
    """
    differs = difference_in_cases([cases for _, runs in terms for cases in runs])
    if differs is not None:
        raise ValueError(f"the runs of a claim have to share their cases: {differs[1]}")
    rows = sum(weight * np.stack([pseudovalues_of(cases) for cases in runs]) for weight, runs in terms)
    return np.asarray(rows)


def difference_in_cases(runs: Sequence[Cases]) -> tuple[int, str] | None:
    """Place of the first run whose cases are not those of the first, and what differs; None if none does.

    Examples
    --------
    >>> few, many = (Cases(table=CaseTable(names="a", count=n), metric="mean", numbers=b"") for n in (3, 4))
    >>> difference_in_cases([few, few, many])
    (2, '4 cases instead of 3')
    """
    for place, run in enumerate(runs):
        what = _difference(runs[0].table, run.table)
        if what is None and run.metric == runs[0].metric and run.table.target != runs[0].table.target:
            what = "other labels for the same cases"
        if what is not None:
            return place, what
    return None


def _difference(expected: CaseTable, found: CaseTable) -> str | None:
    if found.count != expected.count:
        return f"{found.count} cases instead of {expected.count}"
    if found.names != expected.names:
        return f"{found.count} cases, and not the same ones"
    if found.patients != expected.patients:
        return "the same cases of other patients"
    return None


@lru_cache(maxsize=256)
def pseudovalues_of(cases: Cases) -> Array:
    """Pseudovalues over patients of one run, shape (n_patients,)."""
    metric = case_metric(cases.metric)
    scores = np.frombuffer(cases.numbers, dtype="<f8")
    target = np.frombuffer(cases.table.target, dtype="<f8") if cases.table.target else np.zeros(len(scores))
    row: Array = pseudovalues(metric, target, scores[None], groups_of_table(cases.table))[0]
    row.flags.writeable = False
    return row


def groups_of_table(table: CaseTable) -> Groups:
    """For each case of a table the number of its patient."""
    if not table.patients:
        return np.arange(table.count)
    return np.frombuffer(table.patients, dtype="<i4").astype(np.intp)
