"""Seeds by cases: a difference of two arms that shall hold for new seeds and for new patients. One look, no sequence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pytest_mlops.stats.case_metrics import MEAN, CaseMetric, case_metric
from pytest_mlops.stats.pseudovalues import groups_of, pseudovalues
from pytest_mlops.stats.recursion import Array

ALTERNATIVES = ("greater", "less", "two-sided")


@dataclass(frozen=True, kw_only=True, slots=True)
class MeanSquares:
    """Two-way analysis of variance of pseudovalues, seeds by patients, one number in each cell."""

    mean: float
    seed: float
    """Of the means of seeds; 0 for one seed."""
    case: float
    """Of the means of patients."""
    seed_case: float
    """Of what is left; 0 for one seed."""
    seeds: int
    patients: int

    @property
    def between(self) -> float:
        """What the patients add: ``max(case - seed_case, 0)``, or all of it for one seed."""
        return max(self.case - self.seed_case, 0.0)

    @property
    def variance(self) -> float:
        """Variance of the mean over seeds and patients."""
        return (self.seed + self.between) / (self.seeds * self.patients)

    @property
    def df(self) -> float:
        """Degrees of freedom: Hillis's, or ``patients - 1`` for one seed; infinite where seeds do not vary."""
        if self.seeds == 1:
            return float(self.patients - 1)
        if self.seed == 0:
            return math.inf
        return (self.seeds - 1) * (1 + self.between / self.seed) ** 2


def mean_squares(values: Array) -> MeanSquares:
    """Mean squares of `values`, shape (n_seeds, n_patients)."""
    seeds, patients = values.shape
    by_seed, by_case, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    rest = values - by_seed[:, None] - by_case + mean
    between_seeds = patients * ((by_seed - mean) ** 2).sum()
    freedom = max(seeds - 1, 1)
    return MeanSquares(
        mean=float(mean),
        seed=float(between_seeds / freedom),
        case=float(seeds * ((by_case - mean) ** 2).sum() / (patients - 1)),
        seed_case=float((rest**2).sum() / (freedom * (patients - 1))) if seeds > 1 else 0.0,
        seeds=seeds,
        patients=patients,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SeedsByCases:
    """A difference of two arms over seeds and patients, in units of the metric.

    Parameters
    ----------
    estimate : float
        Candidate minus baseline, mean over seeds.
    standard_error : float
        Of the estimate, for new seeds and new patients.
    df : float
        Degrees of freedom of the t-test; may be infinite.
    p_value : float
        Of a mean of zero against the alternative; 1 where nothing varies, so that nothing can be said.
    interval : tuple of float
        Confidence interval ``(low, high)`` of level ``1 - 2 alpha`` (``1 - alpha`` for two-sided tests), so that the
        interval and the test agree.
    seeds, cases, patients : int
        How many there were.
    mean_squares : MeanSquares
        Of the pseudovalues' differences: seeds, cases, and seeds by cases.
    """

    estimate: float
    standard_error: float
    df: float
    p_value: float
    interval: tuple[float, float]
    seeds: int
    cases: int
    patients: int
    mean_squares: MeanSquares

    @property
    def case_share(self) -> float:
        """Share of the variance that patients add and more seeds cannot remove, 0 to 1."""
        squares = self.mean_squares
        whole = squares.seed + squares.between
        return squares.between / whole if whole > 0 else 0.0


def seeds_by_cases(
    candidate: ArrayLike,
    baseline: ArrayLike,
    target: ArrayLike | None,
    metric: str | Callable[[Array, Array], float] = "auc",
    patient: ArrayLike | None = None,
    alpha: float = 0.05,
    alternative: str = "greater",
) -> SeedsByCases:
    """Compare two arms by scores for every case, over new seeds and new patients.

    Parameters
    ----------
    candidate, baseline : array_like, shape (n_seeds, n_cases)
        Scores of the same cases under the same seeds, in the same order; or per-case values (Dice of each volume),
        with ``metric="mean"`` and no target. One seed may be given without its axis. Finite.
    target : array_like, shape (n_cases,), or None
        Labels, the same for all seeds: 0 and 1, or whole numbers for classes, or numbers for ``"mae"``.
    metric : str or callable
        ``"auc"``, ``"average_precision"``, ``"accuracy"``, ``"sensitivity"``, ``"specificity"``, ``"dice"``,
        ``"mae"``, ``"brier"``, ``"mean"``; or a function ``(target, score) -> float`` of arrays of shape (n_cases,).
        Accuracy, sensitivity, specificity and Dice take predicted classes as scores.
    patient : array_like, shape (n_cases,), optional
        Label of the patient of each case; cases of one patient belong together. Each case is a patient without.
    alpha : float
        Level of the test, in (0, 0.5).
    alternative : str
        ``"greater"``: the candidate's metric is larger; ``"less"``; ``"two-sided"``.

    Returns
    -------
    SeedsByCases
        Estimate, standard error, degrees of freedom, p-value and interval.

    Raises
    ------
    ValueError
        If arms, seeds and target do not have the same cases; for NaN and infinity, fewer than three cases or
        patients, one class only, or a patient without whom the metric does not exist.

    Notes
    -----
    Pseudovalues by a jackknife over patients, and a two-way random model of their differences, seeds by patients:
    variance ``(MS_seed + max(MS_case - MS_seed:case, 0)) / (S G)`` on
    ``(MS_seed + max(MS_case - MS_seed:case, 0))^2 / (MS_seed^2 / (S - 1))`` degrees of freedom. With seeds as readers
    this is the analysis of Dorfman, Berbaum and Metz (1992), equal to that of Obuchowski and Rockette (1995) with
    jackknifed covariances, on the degrees of freedom of Hillis (2007). With one seed: patients alone, on G - 1.
    With fewer than 20 patients that have most of the variance these degrees of freedom are too many (level 0.07 at 10
    patients). See docs/explanation/cases.md.

    Examples
    --------
    >>> baseline = [[0.80, 0.91, 0.77, 0.85], [0.82, 0.90, 0.75, 0.86], [0.81, 0.92, 0.78, 0.84]]
    >>> candidate = [[0.83, 0.92, 0.80, 0.85], [0.83, 0.92, 0.79, 0.88], [0.85, 0.92, 0.82, 0.87]]
    >>> found = seeds_by_cases(candidate, baseline, None, metric="mean")
    >>> round(found.estimate, 4), round(found.standard_error, 4), round(found.df, 1), round(found.p_value, 4)
    (0.0225, 0.0053, 23.3, 0.0002)
    """
    _check_test(alpha, alternative)
    scores = _scores("candidate", candidate), _scores("baseline", baseline)
    chosen = case_metric(metric)
    labels = _checked_together(scores, target, chosen)
    groups = groups_of(patient, scores[0].shape[1])
    left, right = (pseudovalues(chosen, labels, arm, groups) for arm in scores)
    squares = mean_squares(left - right)
    error = math.sqrt(squares.variance)
    p_value, interval = _test(squares.mean, error, squares.df, alpha, alternative)
    return SeedsByCases(
        estimate=squares.mean,
        standard_error=error,
        df=squares.df,
        p_value=p_value,
        interval=interval,
        seeds=squares.seeds,
        cases=len(groups),
        patients=squares.patients,
        mean_squares=squares,
    )


def _test(
    estimate: float, error: float, df: float, alpha: float, alternative: str
) -> tuple[float, tuple[float, float]]:
    if error == 0:
        return 1.0, (-math.inf, math.inf)
    upper = t_tail(estimate / error, df)
    one_sided = {"greater": upper, "less": 1 - upper}
    p_value = one_sided.get(alternative, 2 * min(upper, 1 - upper))
    half = t_quantile(alpha / 2 if alternative == "two-sided" else alpha, df) * error
    return p_value, (estimate - half, estimate + half)


def t_tail(statistic: float, df: float) -> float:
    """P(T >= statistic) of Student's t; Gaussian for infinite `df`."""
    from scipy import special

    return float(special.ndtr(-statistic) if math.isinf(df) else special.stdtr(df, -statistic))


def t_quantile(tail: float, df: float) -> float:
    """Quantile of Student's t with probability `tail` above it."""
    from scipy import special

    return float(-special.ndtri(tail) if math.isinf(df) else -special.stdtrit(df, tail))


# --- checks


def _scores(name: str, values: ArrayLike) -> Array:
    try:
        given = np.asarray(values)
    except ValueError as error:  # ragged rows
        raise ValueError(
            f"{name} has not the same cases under all seeds: its rows differ in length. Give an array of shape "
            "(n_seeds, n_cases)"
        ) from error
    if given.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be real numbers, shape (n_seeds, n_cases), got type {given.dtype}")
    given = given[None] if given.ndim == 1 else given
    if given.ndim != 2 or not given.shape[0]:
        raise ValueError(f"{name} must have the shape (n_seeds, n_cases), got {given.shape}")
    _check_finite(name, given)
    return np.asarray(given, dtype=np.float64)


def _checked_together(scores: tuple[Array, Array], target: ArrayLike | None, metric: CaseMetric) -> Array:
    """The target, if both arms have its cases and the metric can take them."""
    candidate, baseline = scores
    if candidate.shape[1] != baseline.shape[1]:
        raise ValueError(
            f"candidate has {candidate.shape[1]} cases and baseline {baseline.shape[1]}: both arms must be scored on "
            "the same cases, in the same order"
        )
    if len(candidate) != len(baseline):
        raise ValueError(
            f"candidate has {len(candidate)} seeds and baseline {len(baseline)}: give both under the same seeds"
        )
    labels = _target(target, candidate.shape[1], metric)
    for arm in scores:
        metric.check(labels, arm)
    return labels


def _target(target: ArrayLike | None, cases: int, metric: CaseMetric) -> Array:
    if target is None:
        if metric is not MEAN:
            raise ValueError(
                f"{metric.name} needs a target, one label for each case; for per-case values that are averaged write "
                'metric="mean"'
            )
        return np.zeros(cases)
    if metric is MEAN:
        raise ValueError('metric="mean" averages per-case values and takes no target: write target=None')
    labels = np.asarray(target)
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"target must be numbers, one label for each case, got type {labels.dtype}")
    if labels.shape != (cases,):
        raise ValueError(
            f"target has the shape {labels.shape} and there are {cases} cases: give one label for each"
        )
    _check_finite("target", labels)
    return np.asarray(labels, dtype=np.float64)


def _check_finite(name: str, values: Array) -> None:
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        index = ", ".join(str(i) for i in place)
        raise ValueError(f"{name}[{index}] is {float(values[place])!r}: every number must be finite")


def _check_test(alpha: float, alternative: str) -> None:
    if isinstance(alpha, bool) or not isinstance(alpha, (int, float)) or not 0 < alpha < 0.5:
        raise ValueError(f"alpha={alpha!r} must lie between 0 and 0.5, both excluded: the level of the test")
    if alternative not in ALTERNATIVES:
        raise ValueError(f"alternative={alternative!r} must be one of {', '.join(ALTERNATIVES)}")
