"""What a claim is answered with. Values only; who decides is `judge.py`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """The answer to a claim."""

    PASS = "PASS"
    FAIL = "FAIL"
    UNDECIDED = "UNDECIDED"


class Reason(StrEnum):
    """Why a sequence stopped, or that it goes on."""

    CONTINUE = "continue"
    EFFICACY = "efficacy"
    FUTILITY = "futility"
    MAX_SEEDS = "max_seeds"
    IDENTICAL = "identical"
    NO_VARIANCE = "no variance"
    HARM = "harm"
    IMPOSSIBLE = "impossible"
    CASES = "cases"
    """Stopped without PASS; infinitely many seeds on these patients would not have the power at the effect seen."""
    ONE_LOOK = "one look"
    """No PASS at the only look that there is, over the patients of one training run an arm."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A verdict with its evidence, in units of the contrast (of the rate, for a yes/no metric of one arm).

    Parameters
    ----------
    verdict : Verdict
        ``"PASS"``, ``"FAIL"`` or ``"UNDECIDED"``.
    reason : Reason
        What stopped the sequence; ``"continue"`` where nothing did yet.
    estimate : float
        Mean contrast of the seeds up to the last look taken; before the first look, of all seeds (NaN for none).
    interval : tuple of float
        Repeated confidence interval ``(low, high)`` at that look, valid at any stop: ``low > 0`` goes with PASS
        (low = 0 is the boundary itself; for a rate, its bar). All that is possible before the first look, and
        where there is no t.
    p_value : float or None
        Stage-wise p-value, futility ignored: at most alpha on PASS, above it otherwise. None without a t,
        and before the first look.
    n : int
        Seeds used: those up to the deciding look, or all that came when the sequence goes on.
    statistic : float or None
        What was compared with the efficacy bound at that look, a t-statistic; None without one.
    sd : float or None
        Standard deviation of the contrasts at that look; None before the first look.
    method : str
        Which test spoke, e.g. ``"sequential t-test"``.
    df : float or None
        Degrees of freedom of the statistic where patients were judged too; None without.
    patients : int or None
        Patients that were judged besides seeds; None for seeds alone.
    case_share : float or None
        Share of the variance of the estimate that the patients add, 0 to 1; None without.
    patients_needed : int or None
        With reason ``"cases"`` or ``"one look"``: about how many patients would give the power at the effect seen; None where no
        number would, because the seeds vary too much or the effect seen is not positive.

    Examples
    --------
    >>> Decision(verdict=Verdict.UNDECIDED, reason=Reason.CONTINUE, estimate=0.1, n=1).verdict == "UNDECIDED"
    True
    """

    verdict: Verdict
    reason: Reason
    estimate: float
    interval: tuple[float, float] = (-math.inf, math.inf)
    p_value: float | None = None
    n: int
    statistic: float | None = None
    sd: float | None = None
    method: str = "sequential t-test"
    df: float | None = None
    patients: int | None = None
    case_share: float | None = None
    patients_needed: int | None = None

    @property
    def decided(self) -> bool:
        """Whether the sequence has stopped: more seeds change nothing."""
        return self.reason != Reason.CONTINUE
