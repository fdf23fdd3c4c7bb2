"""Group-sequential Holm against Holm at fixed n: family-wise error, power, training runs.

Rows share nothing unless --shared: then their contrasts have the correlation of arms that share a baseline. Exit status
1 when a figure misses its acceptance range.
"""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np
from scipy import special

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.family_replay import family_design, judge_families
from pytest_mlops.stats.judge import statistics

ROWS, TRUE = 6, 3
CHUNK = 4_000


def fixed_holm(contrasts: np.ndarray, alpha: float) -> np.ndarray:
    """Which rows pass Holm's procedure with one-sided t-tests on all contrasts."""
    n = contrasts.shape[-1]
    t = contrasts.mean(axis=-1) / (contrasts.std(axis=-1, ddof=1) / math.sqrt(n))
    p = special.stdtr(n - 1, -t)
    order = np.argsort(p, axis=-1)
    sorted_p = np.take_along_axis(p, order, axis=-1)
    small = np.cumprod(sorted_p <= alpha / (ROWS - np.arange(ROWS)), axis=-1).astype(bool)
    passed = np.zeros_like(small)
    np.put_along_axis(passed, order, small, axis=-1)
    return passed


def simulate(
    test: SequentialTest, fixed: int, effect: float, families: int, correlation: float, seed: int
) -> dict:
    """Figures of both procedures on the same numbers."""
    rng, design = np.random.default_rng(seed), family_design(test, ROWS)
    means = np.where(np.arange(ROWS) < TRUE, effect, 0.0)[:, None]
    parts = []
    for begin in range(0, families, CHUNK):
        size, most = min(CHUNK, families - begin), max(test.max_seeds, fixed)
        own, common = rng.standard_normal((size, ROWS, most)), rng.standard_normal((size, 1, most))
        x = means + math.sqrt(1 - correlation) * own + math.sqrt(correlation) * common
        judged = judge_families(design, statistics(design.looks, x[..., : test.max_seeds]))
        parts.append((judged.verdict, design.looks[judged.look], fixed_holm(x[..., :fixed], test.alpha)))
    verdict, seeds, held = (np.concatenate(column) for column in zip(*parts, strict=True))
    columns = {
        "family-wise error": (verdict[:, TRUE:] == 1).any(axis=1),
        "  Holm at fixed n": held[:, TRUE:].any(axis=1),
        "power a row": (verdict[:, :TRUE] == 1).mean(axis=1),
        "  Holm at fixed n ": held[:, :TRUE].mean(axis=1),
        "runs / fixed": seeds.mean(axis=1) / fixed,
        "P(a true row FAILs)": (verdict[:, :TRUE] == 2).any(axis=1),
    }
    return {name: (x.mean(), x.std() / math.sqrt(families)) for name, x in columns.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", type=int, default=20_000)
    parser.add_argument("--max-seeds", type=int, default=50)
    parser.add_argument("--fixed", type=int, default=30, help="seeds of the fixed design")
    parser.add_argument("--effect", type=float, default=0.69, help="standardised effect of the true rows")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    test = SequentialTest(max_seeds=options.max_seeds)
    missed = False
    for name, effect, correlation in (
        ("rows independent", options.effect, 0.0),
        ("rows share a baseline (correlation 0.5)", options.effect, 0.5),
        ("no effect anywhere, correlation 0.5", 0.0, 0.5),
    ):
        found = simulate(test, options.fixed, effect, options.families, correlation, options.seed)
        print(
            f"\n{name}: {ROWS} rows, {TRUE} with effect {effect}, looks 5 to {test.max_seeds}, fixed n {options.fixed}"
        )
        for label, (value, error) in found.items():
            print(f"  {label:<24}{value:>9.4f} ({error:.4f})")
        missed |= found["family-wise error"][0] > 0.05 + 4 * found["family-wise error"][1]
        if effect:
            missed |= found["power a row"][0] < found["  Holm at fixed n "][0] - 0.02
            missed |= found["runs / fixed"][0] > 0.62
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
