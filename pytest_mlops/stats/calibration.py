"""An arm against itself: how much its runs differ by chance, and how often the test takes chance for a gain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pytest_mlops.stats.decision import Verdict
from pytest_mlops.stats.judge import VERDICTS, checked_contrasts
from pytest_mlops.stats.planning import CONFIDENCE, sd_interval
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.sequential import SequentialTest

RESHUFFLES = 2000
_PASS, _FAIL = VERDICTS.index(Verdict.PASS), VERDICTS.index(Verdict.FAIL)


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseFloor:
    """How much two runs of one arm differ by chance, in units of the metric.

    Parameters
    ----------
    runs : int
        Runs of the arm, each under a seed of its own.
    sd : float
        Standard deviation of the difference of two of them: the square root of 2 times that of a run.
    sd_range : tuple of float
        Its 90 % interval.
    single_run_gain : float
        Difference of one run on each side that chance exceeds with probability alpha: 1.645 `sd` at 0.05.
    single_run_gain_range : tuple of float
        Its 90 % interval.
    """

    runs: int
    sd: float
    sd_range: tuple[float, float]
    single_run_gain: float
    single_run_gain_range: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class FalseAlarms:
    """How often sequences without any gain passed.

    Parameters
    ----------
    sequences : int
        Sequences judged.
    pairs : int
        Pairs that each could use; fewer than ``max_seeds`` where the pool is small, and then the rate is of these.
    passed, failed : int
        Sequences with verdict PASS and FAIL. With an arm against itself each should be at most alpha of them.
    rate : float
        Share that passed.
    interval : tuple of float
        Its 90 % interval (Clopper and Pearson); what it stands for says the function that made it.
    """

    sequences: int
    pairs: int
    passed: int
    failed: int
    rate: float
    interval: tuple[float, float]


def noise_floor(values: ArrayLike, *, alpha: float = 0.05) -> NoiseFloor:
    """Measure how much runs of one arm differ by chance.

    Parameters
    ----------
    values : array_like, shape (n,)
        A metric of n runs of one arm under n seeds, n at least 3.
    alpha : float
        One-sided probability of the difference that is called outside the noise.

    Returns
    -------
    NoiseFloor
        For two runs that share no randomness; paired runs may differ less, which one arm alone cannot tell.

    Raises
    ------
    ValueError
        If there are fewer than 3 runs.

    Examples
    --------
    >>> round(noise_floor([0.80, 0.82, 0.81, 0.79, 0.78]).single_run_gain, 4)
    0.0368
    """
    pool = _pool(values)
    runs, sd = len(pool), math.sqrt(2) * float(pool.std(ddof=1))
    low, high = sd_interval(sd, runs)
    z = -float(special.ndtri(alpha))
    return NoiseFloor(
        runs=runs,
        sd=sd,
        sd_range=(low, high),
        single_run_gain=z * sd,
        single_run_gain_range=(z * low, z * high),
    )


def disjoint_alarms(test: SequentialTest, values: ArrayLike) -> FalseAlarms:
    """Judge the arm against itself in sequences that share no run.

    The sequences are independent, so the interval covers the false-alarm rate for this arm's law; it is wide: 30
    pairs take 60 runs.

    Parameters
    ----------
    test : SequentialTest
        The design.
    values : array_like, shape (n,)
        A metric of n runs of one arm under n seeds, in seed order; a sequence takes ``2 max_seeds`` of them in turn.

    Returns
    -------
    FalseAlarms
        Of ``n // (2 max_seeds)`` sequences, or of one shorter one.

    Raises
    ------
    ValueError
        If there are fewer than ``2 min_seeds`` runs: no sequence reaches its first look.
    """
    pool = _pool(values)
    pairs = _pairs(test, pool)
    sequences = pool[: len(pool) // (2 * pairs) * 2 * pairs].reshape(-1, pairs, 2)
    return _alarms(test, sequences[..., 0] - sequences[..., 1])


def reshuffled_alarms(
    test: SequentialTest, values: ArrayLike, *, reshuffles: int = RESHUFFLES, seed: int = 0
) -> FalseAlarms:
    """Judge the arm against itself in random orders of one pool of runs.

    The sequences share runs: they are independent given the pool only, so the interval is that of the rate over all
    orders of *this pool*. The rate of the arm's law it covers less often than it says: 0.87 of the time for 60
    Gaussian runs, 0.65 to 0.79 for skewed or heavy-tailed ones (0.90 nominal; 100 pools each).

    Parameters
    ----------
    test : SequentialTest
        The design.
    values : array_like, shape (n,)
        A metric of n runs of one arm under n seeds.
    reshuffles : int
        Random orders.
    seed : int
        Seed of the random orders: the same seed gives the same answer.

    Returns
    -------
    FalseAlarms
        Of `reshuffles` sequences of ``min(max_seeds, n // 2)`` pairs, drawn without replacement.

    Raises
    ------
    ValueError
        If there are fewer than ``2 min_seeds`` runs: no sequence reaches its first look.

    Examples
    --------
    >>> pool = np.random.default_rng(1).normal(0.8, 0.01, 60)
    >>> found = reshuffled_alarms(SequentialTest(), pool, reshuffles=500)
    >>> found.sequences, found.pairs, found.interval[0] < 0.05
    (500, 30, True)
    """
    pool = _pool(values)
    pairs = _pairs(test, pool)
    rng = np.random.default_rng(seed)
    orders = rng.permuted(np.tile(pool, (reshuffles, 1)), axis=1)[:, : 2 * pairs].reshape(-1, pairs, 2)
    return _alarms(test, orders[..., 0] - orders[..., 1])


def exact_interval(count: int, of: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval of Clopper and Pearson for a probability, from `count` of `of` independent trials.

    Parameters
    ----------
    count, of : int
        Successes and trials.
    confidence : float
        Probability in (0, 1) with which the interval covers, at least.

    Returns
    -------
    tuple of float
        Its lower and upper end.

    Examples
    --------
    >>> [round(end, 4) for end in exact_interval(0, 59)]
    [0.0, 0.0495]
    """
    tail = (1 - confidence) / 2
    low = float(special.betaincinv(count, of - count + 1, tail)) if count else 0.0
    high = float(special.betaincinv(count + 1, of - count, 1 - tail)) if count < of else 1.0
    return low, high


def _alarms(test: SequentialTest, contrasts: Array) -> FalseAlarms:
    verdict = test.judge(contrasts).verdict
    passed, failed, sequences = int((verdict == _PASS).sum()), int((verdict == _FAIL).sum()), len(verdict)
    return FalseAlarms(
        sequences=sequences,
        pairs=contrasts.shape[-1],
        passed=passed,
        failed=failed,
        rate=passed / sequences,
        interval=exact_interval(passed, sequences),
    )


def _pool(values: ArrayLike) -> Array:
    pool = checked_contrasts(values)
    if pool.ndim != 1 or len(pool) < 3:
        raise ValueError(f"at least 3 runs of one arm are needed, along one axis, got shape {pool.shape}")
    return pool


def _pairs(test: SequentialTest, pool: Array) -> int:
    pairs = min(int(test.max_seeds), len(pool) // 2)
    if pairs < test.min_seeds:
        raise ValueError(
            f"{len(pool)} runs make {pairs} pairs of an arm against itself, and the first look is at "
            f"{test.min_seeds}: train at least {2 * test.min_seeds} runs"
        )
    return pairs
