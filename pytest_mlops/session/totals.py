"""What planned claims cost, each and together: a training run that several of them need is paid once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_mlops.reports.plans import Amount, Cost, Need

_LOW, _HIGH = 0.1, 0.9


@dataclass(kw_only=True)
class _Run:
    """One missing training run, and who may need it."""

    seconds: float | None
    unneeded: float = 1.0
    """Probability that no claim needs it."""
    low: bool = False
    high: bool = False
    """Whether any claim needs it that stops early, or late."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """The training runs that a claim may need, and how many pairs it will take.

    Parameters
    ----------
    needs : sequence of Need
        Of each of its arms.
    stops : sequence of float, shape (most + 1,)
        Probability that it stops after so many pairs.
    """

    needs: Sequence[Need]
    stops: Sequence[float]
    goes_on: Sequence[float] = field(init=False, default=())
    """Probability that it takes a further pair after so many."""

    def __post_init__(self) -> None:
        left, tails = 1.0, []
        for share in self.stops:
            left -= share
            tails.append(min(1.0, max(0.0, left)))
        object.__setattr__(self, "goes_on", tails)


def cost_of(wishes: Sequence[Wish]) -> Cost:
    """What claims still cost together.

    Parameters
    ----------
    wishes : sequence of Wish
        One a claim. Whether one of them takes long is taken to say nothing of the others.

    Returns
    -------
    Cost
        ``low`` and ``high`` are enough if every claim stops at its own pair that one of ten, and nine of ten,
        do not exceed.

    Examples
    --------
    >>> shared = Need(arm="baseline", seeds=[0, 1, None], seconds=2.0)
    >>> own = [Need(arm=name, seeds=[0, 1, 2], seconds=1.0) for name in ("a", "b")]
    >>> stops = [0.0, 0.0, 0.5, 0.5]
    >>> found = cost_of([Wish(needs=[shared, arm], stops=stops) for arm in own])
    >>> found.runs.average, found.runs.most, found.seconds.average
    (7.0, 8.0, 9.0)
    """
    runs: dict[tuple[str, int], _Run] = {}
    for wish in wishes:
        low, high = _quantile(wish.stops, _LOW), _quantile(wish.stops, _HIGH)
        for need in wish.needs:
            for pair, seed in enumerate(need.seeds):
                if seed is None or pair >= len(wish.goes_on):
                    continue
                run = runs.setdefault((need.arm, seed), _Run(seconds=need.seconds))
                run.unneeded *= 1.0 - wish.goes_on[pair]
                run.low, run.high = run.low or pair < low, run.high or pair < high
    count = _amount(dict.fromkeys(runs, 1.0), runs)
    seconds = {name: run.seconds for name, run in runs.items() if run.seconds is not None}
    return Cost(runs=count, seconds=_amount(seconds, runs) if len(seconds) == len(runs) else None)


def _amount(weights: Mapping[tuple[str, int], float], runs: Mapping[tuple[str, int], _Run]) -> Amount:
    return Amount(
        average=math.fsum(weight * (1.0 - runs[name].unneeded) for name, weight in weights.items()),
        low=math.fsum(weight for name, weight in weights.items() if runs[name].low),
        high=math.fsum(weight for name, weight in weights.items() if runs[name].high),
        most=math.fsum(weights.values()),
    )


def _quantile(stops: Sequence[float], share: float) -> int:
    total = 0.0
    for pair, probability in enumerate(stops):
        total += probability
        if total >= share - 1e-9:
            return pair
    return max(0, len(stops) - 1)
