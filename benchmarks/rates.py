"""What the exact tests of rates promise and what they cost, beside the fixed and the curtailed binomial test.

Exit status 1 when a simulated figure lies outside four standard errors of its exact value, or an error above alpha.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from scipy import special

from pytest_mlops.stats import DiscordantTest, RateTest
from pytest_mlops.stats.binomial import Looks, curtailment_bounds, efficacy_bounds, power_and_seeds
from pytest_mlops.stats.rate_design import fixed_seeds, rate_bounds

DESIGNS = [
    (0.5, 30),
    (0.7, 30),
    (0.8, 30),
    (0.9, 30),
    (0.9, 60),
    (0.9, 100),
    (0.95, 60),
    (0.95, 100),
    (0.2, 30),
]
PAIRS = [(0.2, 0.0), (0.3, 0.03), (0.4, 0.05), (0.5, 0.1), (0.6, 0.1), (0.6, 0.2)]
FALSE_PAIRS = [(0.02, 0.02), (0.1, 0.1), (0.3, 0.3), (0.5, 0.5)]


def one_arm(claims: int, rng: np.random.Generator) -> bool:
    """Print a line for each design; whether a figure is off."""
    print(
        f"rate > bar, alpha 0.05, power 0.9, looks from 5; E[n] at the bar, the detectable rate and 1; {claims} claims"
    )
    names = f"{'bar, max':<10}{'ms':>6}{'rate':>8}{'level':>9}{'P(FAIL)':>9}{'(simulated)':>18}"
    print(names + f"{'E[n]':>22}{'fixed':>7}{'curtailed':>22}")
    off = False
    for bar, most in DESIGNS:
        rate_bounds.cache_clear()
        begin = time.process_time()
        test = RateTest(bar=bar, max_seeds=most)
        rate = test.detectable_rate
        spent = 1000 * (time.process_time() - begin)
        rates = np.array([bar, rate, 1.0])
        never = np.full(len(test.looks), -1)
        level = power_and_seeds(rates[:1], test.bounds.looks, test.bounds.upper, never)[0][0]
        judged = test.judge(rng.random((claims, most)) < bar)
        passed, failed = (judged.verdict == 1).mean(), (judged.verdict == 2).mean()
        exact = test.power_at(bar)
        error = np.sqrt(exact * (1 - exact) / claims)
        off |= level > 0.05 or abs(passed - exact) > 4 * error or failed > 0.05 + 4 * np.sqrt(0.05 / claims)
        fixed = fixed_seeds(0.05, 0.9, bar, rate)
        print(
            f"{bar}, {most:<5}{spent:>6.0f}{rate:>8.4f}{level:>9.5f}{failed:>9.4f}{passed:>10.5f} ({error:.5f})"
            f"{_row(test.expected_seeds(rates)):>22}{fixed:>7}{_row(_curtailed(bar, fixed, rates)):>22}",
            flush=True,
        )
    return off


def two_arms(claims: int, rng: np.random.Generator) -> bool:
    """Print a line for each pair of rates; whether an error is above alpha."""
    test, off = DiscordantTest(), False
    print(f"\ncandidate > baseline by discordant pairs, looks from 5 to 30; {claims} claims")
    print(f"{'P(win), P(loss)':<18}{'P(PASS)':>9}{'P(FAIL)':>9}{'E[n]':>7}{'McNemar at 30':>16}")
    for better, worse in [*FALSE_PAIRS, *PAIRS]:
        u = rng.random((claims, 30))
        pairs = np.stack([u < better, (u >= better) & (u < better + worse)], axis=-1)
        judged = test.judge(pairs)
        passed, failed = (judged.verdict == 1).mean(), (judged.verdict == 2).mean()
        d, wins = (pairs[..., 0] != pairs[..., 1]).sum(axis=1), pairs[..., 0].sum(axis=1)
        fixed = (np.where(wins > 0, special.bdtrc(wins - 1, d, 0.5), 1.0) <= 0.05).mean()
        print(
            f"{better}, {worse:<13}{passed:>9.4f}{failed:>9.4f}{judged.n.mean():>7.1f}{fixed:>16.4f}",
            flush=True,
        )
        off |= better <= worse and max(passed, failed) > 0.05 + 4 * np.sqrt(0.05 / claims)
    return off


def _curtailed(bar: float, n: int, rates: np.ndarray) -> np.ndarray:
    """Expected seeds of the fixed test that stops as soon as its answer is certain."""
    looks = Looks(first=1, last=n)
    upper = efficacy_bounds(bar, looks, np.append(np.zeros(n - 1), 0.05))
    return power_and_seeds(rates, looks, upper, curtailment_bounds(looks, upper))[1]


def _row(values: np.ndarray) -> str:
    return " ".join(f"{value:.1f}" for value in values)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=100_000, help="simulated claims for each figure")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    off = one_arm(options.claims, rng)
    return int(two_arms(options.claims, rng) or off)


if __name__ == "__main__":
    sys.exit(main())
