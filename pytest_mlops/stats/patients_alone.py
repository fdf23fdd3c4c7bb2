"""One training run an arm, and its test cases: one look, at what shall hold for new patients."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pytest_mlops.stats.checks import check_level, check_parts
from pytest_mlops.stats.decision import Decision, Reason, Verdict
from pytest_mlops.stats.look import ROUNDING
from pytest_mlops.stats.pseudovalues import FEWEST
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.skewness import sample_skewness, skewed, unskewed

_METHOD = "patients alone, guarded for skewness"


def decide_over_patients(
    contrasts: ArrayLike,
    *,
    alpha: float = 0.05,
    power: float = 0.9,
    parts: int = 1,
    resolution: float = 0.0,
) -> Decision:
    """Judge a claim about arms of one training run each, by the pseudovalues of its contrast, at one look.

    Parameters
    ----------
    contrasts : array_like, shape (n_patients,)
        Pseudovalues of the contrast in units of the metric, the margin taken off; their mean is the contrast.
    alpha : float
        Level of the test, in (0, 0.5).
    power : float
        Of what `patients_needed` is computed for; in (alpha, 1).
    parts : int
        Number of parts of a claim all of which must hold; each FAILs at ``alpha / parts``.
    resolution : float
        Rounding error of a pseudovalue: a standard deviation of at most this is no spread.

    Returns
    -------
    Decision
        On ``n = 1`` seed. PASS with reason ``"efficacy"``; without PASS with reason ``"one look"``, or ``"no variance"``
        where all patients have the same number.

    Raises
    ------
    ValueError
        If there are fewer than three patients, or a pseudovalue is not finite.

    Notes
    -----
    The t-test of ``seeds_by_cases`` with one seed, on ``n_patients - 1`` degrees of freedom. Patients are skewed where
    seeds are not (a Dice of 0.9 has room below and none above), so the smaller of t and of its image under Hall's
    transformation has to reach the quantile, and the larger of the two that of a FAIL: see `skewness`.

    Examples
    --------
    >>> decision = decide_over_patients([0.03, 0.01, 0.02, 0.04, 0.01, 0.03])
    >>> str(decision.verdict), decision.patients, decision.df, round(decision.estimate, 4)
    ('PASS', 6, 5.0, 0.0233)
    """
    check_level("alpha", alpha, 0.0, 0.5, "it is a one-sided error probability")
    check_level("power", power, alpha, 1.0, "it is the chance to PASS, above alpha")
    values = _checked(contrasts)
    n, mean, sd = len(values), float(values.mean()), float(values.std(ddof=1))
    if sd <= max(ROUNDING * float(np.abs(values).max()), resolution):
        return Decision(
            verdict=Verdict.UNDECIDED,
            reason=Reason.NO_VARIANCE,
            estimate=mean,
            n=1,
            patients=n,
            method=_METHOD,
        )
    t, skewness = mean / (sd / math.sqrt(n)), _skewness(values, sd)
    image = float(unskewed(np.array(t), skewness, n))
    low, high = min(t, image), max(t, image)
    bound = float(-special.stdtrit(n - 1, alpha))
    passed = low >= bound
    failed = high <= float(special.stdtrit(n - 1, alpha / check_parts(parts)))
    return Decision(
        verdict=Verdict.PASS if passed else Verdict.FAIL if failed else Verdict.UNDECIDED,
        reason=Reason.EFFICACY if passed else Reason.ONE_LOOK,
        estimate=mean,
        interval=_interval(mean, sd / math.sqrt(n), bound, skewness, n, passed=passed),
        p_value=_p_value(low, n, alpha, passed=passed),
        n=1,
        statistic=low,
        method=_METHOD,
        df=n - 1.0,
        patients=n,
        case_share=1.0,
        patients_needed=None if passed else _needed(t, n, alpha, power),
    )


def _skewness(values: Array, sd: float) -> Array:
    cubes = ((values - values.mean()) ** 3).sum()
    return sample_skewness(np.array(cubes), np.array(sd), len(values))


def _interval(
    mean: float, error: float, bound: float, skewness: Array, n: int, *, passed: bool
) -> tuple[float, float]:
    """The means that neither side excludes; its lower end agrees with the verdict."""
    below = max(bound, float(skewed(np.array(bound), skewness, n)))
    above = min(-bound, float(skewed(np.array(-bound), skewness, n)))
    low = mean - below * error
    # The same comparison as the verdict's: rounding must not put zero on the other side.
    return (max(low, 0.0) if passed else min(low, 0.0)), mean - above * error


def _p_value(statistic: float, n: int, alpha: float, *, passed: bool) -> float:
    p = float(special.stdtr(n - 1, -statistic))
    return min(p, alpha) if passed else max(p, math.nextafter(alpha, 1))


def _needed(t: float, n: int, alpha: float, power: float) -> int | None:
    """About how many patients would give the power at the effect seen; None where there is none."""
    if t <= 0:
        return None
    wanted = float(-special.ndtri(alpha) + special.ndtri(power))
    return max(n + 1, math.ceil(n * (wanted / t) ** 2))


def _checked(contrasts: ArrayLike) -> Array:
    values = np.asarray(contrasts, dtype=np.float64)
    if values.ndim != 1:
        raise ValueError(f"contrasts must have one axis, one pseudovalue a patient, got shape {values.shape}")
    if len(values) < FEWEST:
        raise ValueError(
            f"{len(values)} patient{'s' * (len(values) != 1)} cannot show how patients differ: at least {FEWEST} are needed"
        )
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise ValueError(f"contrasts[{int(wrong[0])}] is {float(values[wrong[0]])!r}: all must be finite")
    return values
