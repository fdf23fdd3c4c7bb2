"""Do the boundaries keep what they promise, and what do they cost? Simulates Gaussian claims beside exact values.

Exit status 1 when a figure misses its acceptance range. Simulated contrasts are raw normal numbers: nothing of the
recursion that made the boundaries is used to check them.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from dynamic_programming import bound_of

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.design import fixed_seeds
from pytest_mlops.stats.judge import Judged, judge

CHUNK = 20_000
EFFECTS = (0.0, 1.0, 1.5)
SPRT = 0.45  # Wald's test, variance known, no maximum: average of .466, .555 and .33


@dataclass(frozen=True)
class Line:
    """One row of the table: a figure, its error, what it should be, and the range in which it is accepted."""

    name: str
    value: float
    error: float
    exact: float
    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        limits = "" if math.isinf(self.high) else f"[{max(self.low, 0):.4f}, {self.high:.4f}]"
        mark = "ok" if self.low <= self.value <= self.high else "MISSED"
        exact = "" if math.isnan(self.exact) else f"{self.exact:.5f}"
        return f"{self.name:<52}{self.value:>10.5f}{self.error:>9.5f}{exact:>11}  {limits:<18}{mark if limits else ''}"

    @property
    def missed(self) -> bool:
        """Whether the figure lies outside its range."""
        return not self.low <= self.value <= self.high


def simulated(test: SequentialTest, effect: float, claims: int, rng: np.random.Generator) -> Iterator[Judged]:
    """Judge `claims` sequences of Gaussian contrasts, in chunks that fit the cache."""
    for begin in range(0, claims, CHUNK):
        size = min(CHUNK, claims - begin)
        yield test.judge(rng.normal(effect, 1.0, (size, test.max_seeds)))


def levels(test: SequentialTest, claims: int, rng: np.random.Generator) -> list[Line]:
    """Both errors under zero, with the tool's futility and without it."""
    unbound = replace(
        test.bounds, futility=np.append(np.full(len(test.looks) - 1, -np.inf), test.efficacy[-1])
    )
    counts = np.zeros(3)
    for begin in range(0, claims, CHUNK):
        contrasts = rng.standard_normal((min(CHUNK, claims - begin), test.max_seeds))
        own = test.judge(contrasts)
        counts += [
            (judge(unbound, contrasts).verdict == 1).sum(),
            (own.verdict == 1).sum(),
            (own.verdict == 2).sum(),
        ]
    rates = counts / claims
    errors = np.sqrt(rates * (1 - rates) / claims)
    own_exact, nan = float(test.power_at(0.0)), math.nan
    return [
        Line(
            "P(PASS | 0), futility ignored",
            rates[0],
            errors[0],
            test.alpha,
            0.97 * test.alpha,
            1.03 * test.alpha,
        ),
        Line("P(PASS | 0), the tool's own futility", rates[1], errors[1], own_exact, 0.0, 1.03 * test.alpha),
        Line("P(FAIL | 0)", rates[2], errors[2], nan, 0.0, 1.03 * test.alpha),
    ]


def power_and_cost(test: SequentialTest, limit: float, claims: int, rng: np.random.Generator) -> list[Line]:
    """Power at the detectable effect, and expected seeds over those of the equal-power fixed test."""
    fixed = fixed_seeds(test.alpha, test.power, test.detectable_effect)
    lines, means, exacts, variance = [], [], [], 0.0
    for times in EFFECTS:
        effect = times * test.detectable_effect
        judged = list(simulated(test, effect, claims, rng))
        seeds = np.concatenate([part.n for part in judged]) / fixed
        means.append(seeds.mean())
        exacts.append(float(test.expected_seeds(effect)) / fixed)
        error = seeds.std() / math.sqrt(claims)
        variance += (error / 3) ** 2
        if times == 1.0:
            rate = np.concatenate([part.verdict == 1 for part in judged]).mean()
            spread = math.sqrt(rate * (1 - rate) / claims)
            lines.append(Line("P(PASS | detectable effect)", rate, spread, test.power, 0.89, 0.91))
        lines.append(
            Line(
                f"E[n] / {fixed:.2f} at {times} x {test.detectable_effect:.4f}", means[-1], error, exacts[-1]
            )
        )
    average = Line(
        "  average", float(np.mean(means)), math.sqrt(variance), float(np.mean(exacts)), 0.0, limit
    )
    return [*lines, average]


def crossings(test: SequentialTest, paths: int, rng: np.random.Generator) -> tuple[float, float]:
    """Largest deviation, in standard errors, of first crossings a look from what was spent, and p of chi-square."""
    from scipy.special import chdtrc

    unbound = replace(
        test.bounds, futility=np.append(np.full(len(test.looks) - 1, -np.inf), test.efficacy[-1])
    )
    counts = np.zeros(len(test.looks))
    for begin in range(0, paths, CHUNK):
        contrasts = rng.standard_normal((min(CHUNK, paths - begin), test.max_seeds))
        # The t-statistics are formed here anew, by cumulative sums, so that the judge is checked as well.
        n = np.arange(1, test.max_seeds + 1)
        total, squares = contrasts.cumsum(axis=1), np.square(contrasts).cumsum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = total / np.sqrt(n * (squares - total**2 / n) / (n - 1))
        crossed = t[:, test.looks - 1] >= unbound.efficacy
        first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), -1)
        counts += np.bincount(first[first >= 0], minlength=len(test.looks))
    efficacy, _ = test.used_spending.spent(np.arange(test.min_seeds, test.max_seeds + 1))
    shares = np.diff(test.alpha * efficacy[test.looks - test.min_seeds], prepend=0.0)
    z = (counts - paths * shares) / np.sqrt(paths * shares * (1 - shares))
    return float(np.abs(z).max()), float(chdtrc(len(z), float((z**2).sum())))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=200_000, help="simulated claims for each figure")
    parser.add_argument(
        "--paths", type=int, default=2_000_000, help="paths that check the boundary table; 0: none"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-dp", action="store_true", help="leave out the dynamic-programming bound")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    missed = False
    print(f"{'':<52}{'value':>10}{'se':>9}{'exact':>11}  accepted")
    for most, limit in ((30, 0.575), (46, 0.545)):
        test = SequentialTest(max_seeds=most)
        print(
            f"\nlooks from {test.min_seeds} to {most}, alpha {test.alpha}, power {test.power}, {options.claims} claims"
        )
        for line in [*levels(test, options.claims, rng), *power_and_cost(test, limit, options.claims, rng)]:
            print(line, flush=True)
            missed |= line.missed
        if not options.no_dp:
            print(bound_of(test), flush=True)
        print(f"  Wald's SPRT, variance known, no maximum: {SPRT}")
        if options.paths:
            worst, p = crossings(test, options.paths, rng)
            missed |= p < 0.001
            print(
                f"  first crossings a look, {options.paths} paths: largest |z| {worst:.2f}, chi-square p {p:.3f}",
                flush=True,
            )
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
