"""The sequential test over seeds and patients: a look after every seed, at what shall hold for new ones of both."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pytest_mlops.stats.case_bounds import bounds_at, p_value_at, single_drift
from pytest_mlops.stats.cases import MeanSquares, mean_squares
from pytest_mlops.stats.decision import Decision, Reason, Verdict
from pytest_mlops.stats.judge import is_constant
from pytest_mlops.stats.pseudovalues import FEWEST
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest


def decide_by_cases(
    test: SequentialTest,
    contrasts: ArrayLike,
    *,
    identical: bool = False,
    resolution: float = 0.0,
    parts: int = 1,
) -> Decision:
    """Judge one claim over seeds and patients, by the pseudovalues of its contrast so far.

    Parameters
    ----------
    test : SequentialTest
        The design: error levels and looks. Where patients add nothing its own bounds decide.
    contrasts : array_like, shape (n_seeds, n_patients)
        Pseudovalues of the contrast in units of the metric, in seed order, the margin taken off; the mean of a row
        is the contrast of that seed. Seeds beyond the deciding look are ignored.
    identical : bool
        As in ``SequentialTest.decide``.
    resolution : float
        As in ``SequentialTest.decide``.
    parts : int
        As in ``SequentialTest.decide``.

    Returns
    -------
    Decision
        UNDECIDED with reason ``"continue"`` where nothing is decided yet; with reason ``"cases"`` where it stopped
        without PASS and infinitely many seeds on these patients would not have the power of `test` at the effect
        seen: `patients_needed` says how many patients would.

    Raises
    ------
    ValueError
        If there are fewer than three patients, or a pseudovalue is not finite.

    Notes
    -----
    The statistic at each look is that of ``seeds_by_cases``, on the smaller of Hillis's degrees of freedom and
    ``max(n_seeds, n_patients) - 1``. Its bounds spend by information, ``1 / (v / n + c)`` over that at ``max_seeds``,
    with v and c from the mean squares at that look; c over v is taken ``(n - 3) / (n - 1)`` times, because the
    inverse of a mean square is too large by the inverse of this on average. Simulated levels: docs/explanation/cases.md.

    Examples
    --------
    >>> seeds, patients = (
    ...     np.array([[0.2], [0.0], [0.1], [0.15], [0.05]]),
    ...     np.array([-0.4, 0.3, 0.1, 0.2, -0.2]),
    ... )
    >>> decision = decide_by_cases(SequentialTest(), 1.0 + seeds + patients)
    >>> str(decision.verdict), decision.n, decision.patients, round(decision.case_share, 2)
    ('PASS', 5, 5, 0.93)
    """
    values = _checked(contrasts)
    means = values.mean(axis=1) if len(values) else np.zeros(0)
    first = int(test.looks[0])
    plain = test.decide(means[:first], identical=identical, resolution=resolution, parts=parts)
    if len(values) < first or plain.reason == Reason.IDENTICAL:
        return plain
    worst = float(special.ndtri(test.fail_level / parts))
    look = None
    for place, n in enumerate(test.looks.tolist()):
        if n > len(values):
            break
        look = Look.at(test, place, values[:n], resolution)
        verdict, reason = look.judge(test, worst)
        if reason != Reason.CONTINUE:
            return _decision(test, look, verdict, reason)
    assert look is not None, "there are as many seeds as the first look wants"
    n = min(len(values), int(test.looks[-1]))
    return replace(_decision(test, look, Verdict.UNDECIDED, Reason.CONTINUE), n=n)


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """The statistic of one look, with what it stands on."""

    place: int
    squares: MeanSquares
    sd: float
    """Standard deviation of the contrasts of seeds."""
    constant: bool
    """Whether it is rounding: then there is no statistic."""
    statistic: float = math.nan
    df: float = math.nan
    z: float = math.nan
    """The statistic as quantile of the standard normal."""
    share: float = math.nan
    """Share of the variance at the maximum of seeds that the cases have, for the clock."""
    efficacy: float = math.nan
    futility: float = math.nan

    @classmethod
    def at(cls, test: SequentialTest, place: int, values: Array, resolution: float) -> Look:
        """Compute a look from the pseudovalues up to it."""
        squares = mean_squares(values)
        sd = math.sqrt(squares.seed / squares.patients)
        if is_constant(values.mean(axis=1), sd, resolution):
            return cls(place=place, squares=squares, sd=sd, constant=True)
        n = squares.seeds
        statistic = squares.mean / math.sqrt(squares.variance)
        df = min(squares.df, max(n, squares.patients) - 1.0)
        ratio = squares.between / (n * squares.seed) * max(n - 3, 0) / (n - 1)
        share = ratio / (ratio + 1 / float(test.looks[-1]))
        efficacy, futility = bounds_at(test, place, share)
        return cls(
            place=place,
            squares=squares,
            sd=sd,
            constant=False,
            statistic=statistic,
            df=df,
            z=float(-special.ndtri(special.stdtr(df, -statistic))),
            share=share,
            efficacy=efficacy,
            futility=futility,
        )

    def judge(self, test: SequentialTest, worst: float) -> tuple[Verdict, Reason]:
        """Compare with the bounds; `worst` is the z at which a stop without PASS is a FAIL."""
        last = self.place == len(test.looks) - 1
        if self.constant:
            return Verdict.UNDECIDED, Reason.NO_VARIANCE if last else Reason.CONTINUE
        if self.z >= self.efficacy:
            return Verdict.PASS, Reason.EFFICACY
        if not last and self.z > self.futility:
            return Verdict.UNDECIDED, Reason.CONTINUE
        verdict = Verdict.FAIL if self.z <= worst else Verdict.UNDECIDED
        if _cases_are_short(test, self.squares):
            return verdict, Reason.CASES
        return verdict, Reason.MAX_SEEDS if last else Reason.FUTILITY


def _decision(test: SequentialTest, look: Look, verdict: Verdict, reason: Reason) -> Decision:
    squares = look.squares
    blank = Decision(
        verdict=verdict,
        reason=reason,
        estimate=squares.mean,
        n=squares.seeds,
        sd=look.sd,
        patients=squares.patients,
    )
    if look.constant:
        return blank
    passed = verdict == Verdict.PASS
    return replace(
        blank,
        interval=_interval(look, passed=passed),
        p_value=_p_value(test, look, passed=passed),
        statistic=look.statistic,
        df=look.df,
        case_share=squares.between / (squares.seed + squares.between),
        patients_needed=patients_needed(test, squares) if reason == Reason.CASES else None,
    )


def _interval(look: Look, *, passed: bool) -> tuple[float, float]:
    """Repeated confidence interval: the bound at the look's own degrees of freedom, times the standard error."""
    bound = float(-special.stdtrit(look.df, special.ndtr(-look.efficacy)))
    half = bound * math.sqrt(look.squares.variance)
    low = look.squares.mean - half
    # The same comparison as the verdict's: rounding must not put zero on the other side.
    return (max(low, 0.0) if passed else min(low, 0.0)), look.squares.mean + half


def _p_value(test: SequentialTest, look: Look, *, passed: bool) -> float:
    """Stage-wise, at most alpha exactly on PASS, as in ``SequentialTest.p_values``."""
    p = p_value_at(test, look.place, look.share, look.z)
    return min(max(p, 0.0), test.alpha) if passed else min(max(p, math.nextafter(test.alpha, 1)), 1.0)


# --- when the cases are too few


def _cases_are_short(test: SequentialTest, squares: MeanSquares) -> bool:
    """Whether an effect as large as that seen has less than the power with infinitely many seeds on these patients."""
    error = math.sqrt(squares.between / (squares.seeds * squares.patients))
    df = squares.patients - 1.0
    wanted = -float(special.stdtrit(df, test.alpha) + special.stdtrit(df, 1 - test.power))
    return 0 < squares.mean < wanted * error


def patients_needed(test: SequentialTest, squares: MeanSquares) -> int | None:
    """About how many patients would give the power of a test at ``max_seeds``, at the effect and variances seen.

    Parameters
    ----------
    test : SequentialTest
        The design.
    squares : MeanSquares
        Of the contrast's pseudovalues.

    Returns
    -------
    int or None
        None where the effect seen is not positive, or where the seeds alone vary too much for that many.

    Notes
    -----
    With u the variance of a seed, w of a patient and e of their interaction, the mean over N seeds and G patients has
    the variance ``u / N + (w + e / N) / G``; solved for the G at which the effect is the detectable one.

    Examples
    --------
    >>> squares = MeanSquares(mean=0.01, seed=0.02, case=0.5, seed_case=0.02, seeds=5, patients=100)
    >>> patients_needed(SequentialTest(), squares)
    8319
    """
    most = int(test.looks[-1])
    seed = max(squares.seed - squares.seed_case, 0.0) / squares.patients / most
    patient = squares.between / squares.seeds
    per_patient = patient + squares.seed_case / most
    alone = single_drift(test)
    both = test.detectable_effect * math.sqrt(most)
    share = 1.0
    for _ in range(50):  # how many depends on their share of the variance, and that on how many: it settles
        drift = share * alone + (1 - share) * both
        room = (squares.mean / drift) ** 2 - seed if squares.mean > 0 else 0.0
        if room <= 0:
            return None
        count = per_patient / room
        share = patient / count / (patient / count + seed + squares.seed_case / most / count)
    return math.ceil(count)


# --- checks


def _checked(contrasts: ArrayLike) -> Array:
    values = np.asarray(contrasts, dtype=np.float64)
    if values.ndim != 2:
        raise ValueError(
            f"contrasts must have the shape (n_seeds, n_patients), one pseudovalue each, got {values.shape}"
        )
    if values.shape[1] < FEWEST:
        raise ValueError(
            f"{values.shape[1]} patient{'s' * (values.shape[1] != 1)} cannot show how patients differ: at least "
            f"{FEWEST} are needed"
        )
    wrong = np.argwhere(~np.isfinite(values))
    if len(wrong):
        seed, patient = (int(i) for i in wrong[0])
        raise ValueError(
            f"contrasts[{seed}, {patient}] is {float(values[seed, patient])!r}: all must be finite"
        )
    return values
