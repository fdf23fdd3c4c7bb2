"""Exact bounds on a number of successes, looked at after every seed: enumeration, no simulation and no normal law.

Successes are counted so that the claim is "the rate of successes lies above the bar"; `rates` turns the other claims
round. Bounds are arrays over the looks ``first, ..., last``: pass at `upper` successes or more (``last + 1``: never
at this look), stop without PASS at `lower` successes or fewer (-1: never).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Looks:
    """One look after every seed from `first` to `last`."""

    first: int
    last: int

    @property
    def seeds(self) -> Counts:
        """Numbers of seeds at which there is a look."""
        return np.arange(self.first, self.last + 1)


class Walk:
    """Probabilities of the number of successes, carried from seed to seed under several rates.

    `alive` has shape (n_rates, last + 1): the probability of each number of successes and of no stop so far.
    """

    def __init__(self, rates: Array, last: int) -> None:
        self._rates = rates[:, None]
        self._least, self._most = 0, 0  # numbers of successes that are still possible
        self.n = 0
        self.alive: Array = np.zeros((len(rates), last + 1))
        self.alive[:, 0] = 1.0

    def go_on(self, seeds: int = 1) -> None:
        """Add one seed, or several."""
        for _ in range(seeds):
            self.n += 1
            window = self.alive[:, self._least : self._most + 2]
            more = window[:, :-1] * self._rates
            window *= 1 - self._rates
            window[:, 1:] += more
            self._most += 1

    def pass_from(self, upper: int) -> Array:
        """Stop what has at least `upper` successes; its probability under each rate."""
        passed = self.alive[:, max(upper, self._least) : self._most + 1]
        probability = passed.sum(axis=1)
        passed[...] = 0.0
        self._most = max(min(self._most, upper - 1), self._least)
        return np.asarray(probability)

    def stop_to(self, lower: int) -> Array:
        """Stop what has at most `lower` successes; its probability under each rate."""
        stopped = self.alive[:, self._least : lower + 1]
        probability = stopped.sum(axis=1)
        stopped[...] = 0.0
        self._least = min(max(self._least, lower + 1), self._most)
        return np.asarray(probability)


def efficacy_bounds(bar: float, looks: Looks, spent: Array) -> Counts:
    """Smallest bounds whose crossings by each look have, at rate `bar`, at most the probability `spent` there.

    What a look cannot use, because successes come in whole numbers, is carried on to later looks. Then each bound is
    lowered to the least of the later ones: who has as many successes as a later look asks for will pass it anyway, so
    that only the seeds in between are saved, and no probability changes.
    """
    upper = np.full(len(spent), looks.last + 1)
    walk = Walk(np.array([bar]), looks.last)
    walk.go_on(looks.first)
    used = 0.0
    for place, allowed in enumerate(spent):
        tail = walk.alive[0, walk.n :: -1].cumsum()  # at least n, n - 1, ... successes
        fits = int(np.searchsorted(used + tail, allowed, side="right"))
        if fits:
            upper[place] = walk.n + 1 - fits
            used += float(walk.pass_from(int(upper[place]))[0])
        if place < len(spent) - 1:
            walk.go_on()
    return np.asarray(np.minimum.accumulate(upper[::-1])[::-1])


def curtailment_bounds(looks: Looks, upper: Counts) -> Counts:
    """Successes at or below which no further seed can bring PASS, by each look; -1 where PASS is always possible."""
    missing = upper - looks.seeds  # what a later look asks for beyond one success a seed
    least = np.minimum.accumulate(missing[::-1])[::-1]
    later = np.append(least[1:], looks.last + 1)
    return np.asarray(np.maximum(np.minimum(looks.seeds + later, upper) - 1, -1))


def futility_bounds(rate: float, looks: Looks, upper: Counts, spent: Array) -> tuple[Counts, float]:
    """Bounds that stop at most `spent`, cumulative, of what has the true `rate`; and P(no PASS) under it.

    A look never stops less than curtailment does, which costs no power; so P(no PASS) may exceed ``spent[-1]``.
    """
    impossible = curtailment_bounds(looks, upper)
    lower = np.full(len(upper), -1)
    walk = Walk(np.array([rate]), looks.last)
    walk.go_on(looks.first)
    lost = 0.0
    for place, allowed in enumerate(spent):
        head = walk.alive[0, : walk.n + 1].cumsum()
        fits = int(np.searchsorted(lost + head, allowed, side="right")) - 1
        lower[place] = max(min(fits, int(upper[place]) - 1), int(impossible[place]))
        lost += float(walk.stop_to(int(lower[place]))[0])
        walk.pass_from(int(upper[place]))
        if place < len(spent) - 1:
            walk.go_on()
    return lower, lost


def power_and_seeds(rates: Array, looks: Looks, upper: Counts, lower: Counts) -> tuple[Array, Array]:
    """P(PASS) and the mean number of seeds until the stop, under each of `rates`."""
    walk = Walk(rates, looks.last)
    passed, seeds = np.zeros(len(rates)), np.full(len(rates), float(looks.first))
    walk.go_on(looks.first)
    for place in range(len(upper)):
        passed += walk.pass_from(int(upper[place]))
        walk.stop_to(int(lower[place]))
        if place < len(upper) - 1:
            seeds += walk.alive.sum(axis=1)
            walk.go_on()
    return passed, seeds


def fail_bounds(bar: float, looks: Looks, upper: Counts, lower: Counts, alpha: float) -> Counts:
    """Successes at or below which a stop without PASS is a FAIL: P(FAIL | rate at or above `bar`) is at most `alpha`.

    The stops are ordered by the binomial probability, at rate `bar`, of so few successes in so many seeds, and FAIL
    takes them from the least probable on while their total stays within `alpha`. Only stops below ``n * bar`` are
    taken: their probabilities fall as the rate rises, so that `bar` is the worst case.
    """
    stops = []
    walk = Walk(np.array([bar]), looks.last)
    walk.go_on(looks.first)
    for place, n in enumerate(looks.seeds.tolist()):
        walk.pass_from(int(upper[place]))
        for successes in range(int(lower[place]) + 1):
            if successes < n * bar:
                level = float(special.bdtr(successes, n, bar))
                stops.append((level, place, successes, float(walk.alive[0, successes])))
        walk.stop_to(int(lower[place]))
        if place < len(upper) - 1:
            walk.go_on()
    fail, total = np.full(len(upper), -1), 0.0
    for _, place, successes, probability in sorted(stops):
        total += probability
        if total > alpha:
            break
        fail[place] = max(int(fail[place]), successes)
    return fail


def tail_probabilities(bar: float, looks: Looks, upper: Counts) -> Array:
    """P(an earlier look passed, or this one finds at least so many successes) at rate `bar`, nothing else stopping.

    Returns
    -------
    ndarray, shape (n_looks, last + 2)
        Stage-wise p-values by look and number of successes.
    """
    result = np.zeros((len(upper), looks.last + 2))
    walk = Walk(np.array([bar]), looks.last)
    walk.go_on(looks.first)
    passed = 0.0
    for place in range(len(upper)):
        result[place, :-1] = passed + walk.alive[0, ::-1].cumsum()[::-1]
        result[place, -1] = passed
        passed += float(walk.pass_from(int(upper[place]))[0])
        if place < len(upper) - 1:
            walk.go_on()
    return np.asarray(np.clip(result, 0.0, 1.0))
