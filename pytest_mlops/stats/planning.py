"""What a claim will cost and what it can decide, from a pilot or a stated spread: ranges, because a pilot knows little."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pytest_mlops.stats.checks import MOST_SEEDS
from pytest_mlops.stats.judge import checked_contrasts
from pytest_mlops.stats.sequential import SequentialTest

CONFIDENCE = 0.9  # of the range of a standard deviation
_GRID = 9  # standard deviations at which expected seeds are computed: they rise and fall between the ends
Range = tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What a claim does if the true gain is this.

    Parameters
    ----------
    gain : float
        True mean difference of the arms, in units of the metric, in the direction of the claim.
    expected_seeds : tuple of float
        Smallest and largest mean number of seeds at the decision over the range of the standard deviation.
    power : tuple of float
        The same of P(PASS).
    """

    gain: float
    expected_seeds: Range
    power: Range


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a claim will cost and what it can decide.

    Parameters
    ----------
    margin : float
        What the gain must exceed.
    sd : float
        Standard deviation of the contrast, measured or stated.
    sd_range : tuple of float
        Its 90 % interval; both ends are `sd` where it was stated.
    most_seeds : int
        ``max_seeds``: what the claim costs at worst.
    outlooks : tuple of Outlook
        One for each true gain asked for.
    decidable_gain : tuple of float
        Range of the true gain that passes with the design's power.
    """

    margin: float
    sd: float
    sd_range: Range
    most_seeds: int
    outlooks: tuple[Outlook, ...]
    decidable_gain: Range


def sd_interval(sd: float, runs: int, *, confidence: float = CONFIDENCE) -> Range:
    """Interval for the true standard deviation behind that of a sample of normal numbers, by chi-square.

    Parameters
    ----------
    sd : float
        Standard deviation of the sample, not negative.
    runs : int
        Numbers in the sample, at least 2.
    confidence : float
        Probability in (0, 1) with which the interval covers the truth.

    Returns
    -------
    tuple of float
        Its lower and upper end.

    Raises
    ------
    ValueError
        If fewer than two numbers are given: one has no spread.

    Examples
    --------
    >>> [round(end, 3) for end in sd_interval(1.0, 3)]
    [0.578, 4.415]
    """
    if runs < 2:
        raise ValueError(f"runs={runs} must be at least 2: one number has no spread")
    tail = (1 - confidence) / 2
    high, low = (float(special.chdtri(runs - 1, p)) for p in (tail, 1 - tail))
    return sd * math.sqrt((runs - 1) / high), sd * math.sqrt((runs - 1) / low)


def plan(
    test: SequentialTest,
    *,
    margin: float = 0.0,
    differences: ArrayLike | None = None,
    sd: float | None = None,
    gains: ArrayLike | None = None,
) -> Plan:
    """Say what the claim ``candidate > baseline + margin`` will cost and what it can decide.

    Parameters
    ----------
    test : SequentialTest
        The design.
    margin : float
        What the gain must exceed, in units of the metric; negative for non-inferiority.
    differences : array_like, shape (n,), optional
        Candidate minus baseline under each seed of a pilot, n at least 3; their mean is not used, their spread is.
    sd : float, optional
        Standard deviation of that difference, stated in place of a pilot.
    gains : array_like, shape (k,), optional
        True gains to look at; none, the margin and twice the margin by default.

    Returns
    -------
    Plan
        Ranges over the 90 % interval of the standard deviation. Power and seeds are exact for each of its values.

    Raises
    ------
    ValueError
        Unless there are at least 3 differences that vary, or else a positive `sd`.

    Examples
    --------
    >>> found = plan(SequentialTest(), margin=0.005, sd=0.01)
    >>> found.most_seeds, [round(end, 4) for end in found.decidable_gain]
    (30, [0.0122, 0.0122])
    >>> [(outlook.gain, round(outlook.power[0], 2)) for outlook in found.outlooks]
    [(0.0, 0.0), (0.005, 0.05), (0.01, 0.64)]
    """
    if not np.isfinite(margin):
        raise ValueError(f"margin={margin!r} must be finite: it is part of the claim")
    middle, ends = _spread(differences, sd)
    asked = np.array([0.0, margin, 2 * margin]) if gains is None else checked_contrasts(gains).ravel()
    truths = [float(gain) for gain in dict.fromkeys(asked.tolist())]
    return Plan(
        margin=float(margin),
        sd=middle,
        sd_range=ends,
        most_seeds=int(test.max_seeds),
        outlooks=tuple(_outlook(test, gain, margin, ends) for gain in truths),
        decidable_gain=(margin + test.detectable_effect * ends[0], margin + test.detectable_effect * ends[1]),
    )


def seeds_needed(test: SequentialTest, *, gain: float, margin: float, sd_range: Range) -> tuple[float, float]:
    """``max_seeds`` with which a true gain passes with the design's power, for both ends of a standard deviation.

    Parameters
    ----------
    test : SequentialTest
        The design; its level, power and first look are kept.
    gain, margin : float
        True gain and what it must exceed, in units of the metric.
    sd_range : tuple of float
        Range of the standard deviation of the contrast, as in `Plan`.

    Returns
    -------
    tuple of float
        Whole numbers, at least ``min_seeds``; infinite beyond 1000 or where the gain is not above the margin.

    Notes
    -----
    ``detectable_effect * sqrt(max_seeds)`` hardly depends on ``max_seeds``: 3.87, 3.93, 3.95, 3.98 and 3.99 at 12,
    20, 30, 90 and 150, so that seeds are right to 4 % from there on, without solving another design.

    Examples
    --------
    >>> test = SequentialTest()
    >>> seeds_needed(test, gain=test.detectable_effect, margin=0.0, sd_range=(1.0, 2.0))
    (30.0, 120.0)
    """
    low, high = (_seeds(test, (gain - margin) / sd) for sd in sd_range)
    return low, high


def _seeds(test: SequentialTest, effect: float) -> float:
    if not effect > 0:
        return math.inf
    seeds = math.ceil(round(test.max_seeds * (test.detectable_effect / effect) ** 2, 6))
    return math.inf if seeds > MOST_SEEDS else float(max(seeds, test.min_seeds))


def _spread(differences: ArrayLike | None, sd: float | None) -> tuple[float, Range]:
    if (differences is None) == (sd is None):
        raise ValueError("a plan needs the differences of a pilot or a stated sd=, and not both")
    if sd is not None:
        if not (np.isfinite(sd) and sd > 0):
            raise ValueError(
                f"sd={sd!r} must be positive and finite: the spread of the difference over seeds"
            )
        return float(sd), (float(sd), float(sd))
    values = checked_contrasts([] if differences is None else differences)
    if values.ndim != 1 or len(values) < 3:
        raise ValueError(f"a pilot needs at least 3 differences along one axis, got shape {values.shape}")
    found = float(values.std(ddof=1))
    if found <= 8 * np.finfo(np.float64).eps * float(np.abs(values).max()):
        raise ValueError(
            f"the {len(values)} differences of the pilot are all {float(values[0])!r}: no spread to plan by"
        )
    return found, sd_interval(found, len(values))


def _outlook(test: SequentialTest, gain: float, margin: float, ends: Range) -> Outlook:
    effects = (gain - margin) / np.geomspace(*ends, _GRID if ends[0] < ends[1] else 1)
    effects = np.unique(effects)  # a gain at the margin is no effect, whatever the spread
    seeds, power = np.atleast_1d(test.expected_seeds(effects)), np.atleast_1d(test.power_at(effects[[0, -1]]))
    return Outlook(
        gain=gain,
        expected_seeds=(float(seeds.min()), float(seeds.max())),
        power=(float(power.min()), float(power.max())),
    )
