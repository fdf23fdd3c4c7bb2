"""How often claims over seeds and cases PASS and FAIL, with Monte-Carlo errors, and what 20 seeds by 5,000 cases take.

python benchmarks/seeds_by_cases.py                  about ten minutes on one core
python benchmarks/seeds_by_cases.py --claims 500     a first impression
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np

from pytest_mlops.stats import SequentialTest, Verdict, seeds_by_cases
from pytest_mlops.stats.case_metrics import case_metric
from pytest_mlops.stats.case_test import decide_by_cases
from pytest_mlops.stats.pseudovalues import pseudovalues

MOST = 30


def rate(hits: int, claims: int) -> str:
    share = hits / claims
    return f"{share:.4f} +- {math.sqrt(max(share * (1 - share), 1 / claims) / claims):.4f}"


def scores(
    rng: np.random.Generator, seeds: int, cases: int, auc: float, case_share: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Binormal scores of two equal arms: parts of the case, of the case in an arm, of the seed, of all three."""
    target = (np.arange(cases) % 2 == 0).astype(float)
    distance = math.sqrt(2) * _normal_quantile(auc)
    common = math.sqrt(0.4) * rng.normal(size=cases)
    arms = [
        distance * target
        + common
        + math.sqrt(0.6 * case_share) * rng.normal(size=cases)
        + math.sqrt(0.6 * (1 - case_share)) * rng.normal(size=(seeds, cases))
        + 0.1 * rng.normal(size=(seeds, 1)) * target
        for _ in range(2)
    ]
    return arms[0], arms[1], target


def _normal_quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(p))


def fixed(claims: int) -> None:
    print("One look: P(p <= 0.05) of seeds_by_cases, two equal arms, AUC")
    rng = np.random.default_rng(1)
    for seeds in (3, 5, 20):
        for cases in (50, 100, 500):
            n = claims // 2 if cases * seeds > 2000 else claims
            cells = []
            for auc in (0.7, 0.85, 0.95):
                for share in (0.1, 0.6):
                    draws = (scores(rng, seeds, cases, auc, share) for _ in range(n))
                    hits = sum(seeds_by_cases(*draw).p_value <= 0.05 for draw in draws)
                    cells.append(f"AUC {auc} {share:.1f}: {rate(hits, n)}")
            print(f"  {seeds:2d} seeds {cases:3d} cases  " + "  ".join(cells), flush=True)


Draw = Callable[[np.random.Generator], np.ndarray]


def gaussian(cases: int, share: float, noise: float, effect: float) -> Draw:
    """Pseudovalues with a seed's variance 1, of which cases by seeds have `noise`; `effect` in standard errors."""
    patient = share / (1 - share) / MOST
    shift = effect * math.sqrt(1 / MOST + patient)

    def draw(rng: np.random.Generator) -> np.ndarray:
        return (
            shift
            + math.sqrt(1 - noise) * rng.normal(size=(MOST, 1))
            + math.sqrt(patient * cases) * rng.normal(size=cases)
            + math.sqrt(noise * cases) * rng.normal(size=(MOST, cases))
        )

    return draw


def areas(cases: int, auc: float, case_share: float) -> Draw:
    def draw(rng: np.random.Generator) -> np.ndarray:
        candidate, baseline, target = scores(rng, MOST, cases, auc, case_share)
        metric, groups = case_metric("auc"), np.arange(cases)
        return pseudovalues(metric, target, candidate, groups) - pseudovalues(
            metric, target, baseline, groups
        )

    return draw


def course(draw: Draw, claims: int, *, by_cases: bool = True) -> str:
    rng, test = np.random.default_rng(7), SequentialTest(max_seeds=MOST)
    passed = failed = seeds = 0
    for _ in range(claims):
        values = draw(rng)
        decision = decide_by_cases(test, values) if by_cases else test.decide(values.mean(axis=1))
        passed += decision.verdict == Verdict.PASS
        failed += decision.verdict == Verdict.FAIL
        seeds += decision.n
    return f"PASS {rate(passed, claims)}  FAIL {rate(failed, claims)}  {seeds / claims:5.2f} seeds"


def sequential(claims: int) -> None:
    print("Looks after every seed, 5 to 30: share of the variance at 30 seeds that the cases have")
    for cases in (50, 200):
        for noise in (0.2, 1.0):
            n = claims if cases == 50 else claims // 3
            for share in (0.0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 0.97):
                null = course(gaussian(cases, share, noise, 0.0), n)
                gain = course(gaussian(cases, share, noise, 3.4), n // 3)
                print(f"  {cases} cases {noise} {share:4.2f}  zero: {null}   effect: {gain}", flush=True)
            for effect in (0.0, 3.4):
                plain = course(gaussian(cases, 0.0, noise, effect), n, by_cases=False)
                print(f"  {cases} cases {noise} seeds alone, effect {effect}: {plain}", flush=True)
    for cases in (50, 200):
        for auc in (0.7, 0.85, 0.95):
            for share in (0.1, 0.6):
                found = course(areas(cases, auc, share), max(claims // 10, 50))
                print(f"  AUC {auc} {cases} cases {share}  zero: {found}", flush=True)


def timing() -> None:
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, 5000)
    candidate, baseline = target + rng.normal(size=(2, 20, 5000))
    patients = rng.integers(0, 1500, 5000)
    seeds_by_cases(candidate, baseline, target)
    for name in ("auc", "average_precision", "mae"):
        start = time.perf_counter()
        seeds_by_cases(candidate, baseline, target, metric=name)
        print(f"20 seeds x 5,000 cases, {name}: {time.perf_counter() - start:.3f} s")
    start = time.perf_counter()
    seeds_by_cases(candidate, baseline, target, patient=patients)
    print(f"20 seeds x 5,000 cases of 1,500 patients, auc: {time.perf_counter() - start:.3f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=6000)
    parser.add_argument("--part", choices=["timing", "fixed", "sequential"])
    arguments = parser.parse_args()
    if arguments.part in (None, "timing"):
        timing()
    if arguments.part in (None, "fixed"):
        fixed(max(arguments.claims // 6, 50))
    if arguments.part in (None, "sequential"):
        sequential(arguments.claims)
