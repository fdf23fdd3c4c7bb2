"""The methods beside the sequential t-test: level, power and seeds of each, beside it on the same contrasts.

Every figure is a share of simulated claims with its Monte-Carlo error; nothing of the exact recursion is used to check.
Prints only: docs/explanation/methods.md has the figures.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable

import numpy as np

from pytest_mlops.stats import Decision, SequentialTest
from pytest_mlops.stats.bootstrap import BootstrapTest
from pytest_mlops.stats.estimation import median_unbiased
from pytest_mlops.stats.signflip import SignFlipTest
from pytest_mlops.stats.splits import SplitTest
from pytest_mlops.stats.surplus import SurplusTest

TEST = SequentialTest()
FIXED_EFFECT = 0.546  # what a one-look t-test with 30 pairs detects with power 0.9
LAWS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "gamma 4, negative": lambda rng, shape: (4 - rng.gamma(4, 1, shape)) / 2,
    "exponential, negative": lambda rng, shape: 1 - rng.exponential(1, shape),
    "exponential": lambda rng, shape: rng.exponential(1, shape) - 1,
    "t with 3 degrees": lambda rng, shape: rng.standard_t(3, shape) / math.sqrt(3),
}


def line(name: str, passed: np.ndarray, failed: np.ndarray, seeds: np.ndarray) -> None:
    rate, wrong, claims = passed.mean(), failed.mean(), len(passed)
    print(
        f"{name:<62}{rate:8.4f} ({math.sqrt(rate * (1 - rate) / claims):.4f}){wrong:9.4f}"
        f"{seeds.mean():8.2f} ({seeds.std() / math.sqrt(claims):.2f})",
        flush=True,
    )


def arms(
    rng: np.random.Generator,
    shape: tuple[int, int],
    surplus: int,
    law: str,
    *,
    correlation: float,
    ratio: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Candidate, paired and surplus runs of one law; the candidate `ratio` times as wide."""
    draw, share = LAWS[law], math.sqrt(abs(correlation))
    rest = math.sqrt(1 - abs(correlation))
    shared = draw(rng, shape)
    candidate = math.copysign(share, correlation) * shared + rest * draw(rng, shape)
    stored = share * draw(rng, (shape[0], surplus)) + rest * draw(rng, (shape[0], surplus))
    return ratio * candidate, share * shared + rest * draw(rng, shape), stored


def surplus_lines(
    name: str, test: SequentialTest, runs: tuple[np.ndarray, np.ndarray, np.ndarray], gain: float = 0.0
) -> None:
    candidate, paired, stored = runs
    candidate = candidate + gain
    found = SurplusTest(test).judge(candidate, paired, stored).judged
    line(f"surplus, {name}", found.verdict == 1, found.verdict == 2, found.n)
    alone = test.judge(candidate - paired)
    line("   pairing", alone.verdict == 1, alone.verdict == 2, alone.n)


def surplus(rng: np.random.Generator, claims: int) -> None:
    print("\n-- stored baseline runs: sequential, looks 5 to 30")
    for stored in (10, 30, 70, 200):
        for correlation, ratio in ((-0.5, 1.0), (0.0, 0.5), (0.0, 1.0), (0.0, 3.0), (0.5, 1.0), (0.9, 1.0)):
            runs = arms(rng, (claims, 30), stored, "normal", correlation=correlation, ratio=ratio)
            surplus_lines(f"{stored} runs, correlation {correlation}, sd ratio {ratio}", TEST, runs)
    for law in LAWS:
        for correlation in (0.0, 0.6):
            runs = arms(rng, (claims, 30), 70, law, correlation=correlation, ratio=1.0)
            surplus_lines(f"70 runs, {law}, correlation {correlation}", TEST, runs)
    for law in ("gamma 4, negative", "exponential, negative"):
        _, paired, stored = arms(rng, (claims, 30), 70, "normal", correlation=0.0, ratio=1.0)
        surplus_lines(f"70 runs, candidate alone {law}", TEST, (LAWS[law](rng, (claims, 30)), paired, stored))
    for drift in (0.1, 0.25, 0.5):
        candidate, paired, stored = arms(rng, (claims, 30), 70, "normal", correlation=0.0, ratio=1.0)
        surplus_lines(f"70 runs, {drift} sd lower", TEST, (candidate, paired, stored - drift))
    for correlation in (0.0, 0.5, 0.8):
        gain = FIXED_EFFECT * math.sqrt(2 - 2 * correlation)
        runs = arms(rng, (claims, 30), 70, "normal", correlation=correlation, ratio=1.0)
        surplus_lines(f"70 runs, correlation {correlation}, gain of {FIXED_EFFECT} sd", TEST, runs, gain)
    print("-- the same at one look of 15 pairs, 60 runs in all")
    once = SequentialTest(min_seeds=15, max_seeds=15)
    for gain in (0.0, FIXED_EFFECT * math.sqrt(2)):
        runs = arms(rng, (claims, 15), 45, "normal", correlation=0.0, ratio=1.0)
        surplus_lines(f"correlation 0, gain {gain:.3f}", once, runs, gain)


def summed(name: str, decisions: Iterable[Decision]) -> None:
    found = list(decisions)
    verdicts = np.array([str(decision.verdict) for decision in found])
    line(
        name,
        verdicts == "PASS",
        verdicts == "FAIL",
        np.array([decision.n for decision in found], dtype=float),
    )


def resampling(rng: np.random.Generator, claims: int) -> None:
    print("\n-- sign-flip and bootstrap")
    for law, effect in (
        ("normal", 0.0),
        ("t with 3 degrees", 0.0),
        ("normal", FIXED_EFFECT),
        ("normal", -FIXED_EFFECT),
    ):
        contrasts = LAWS[law](rng, (claims, 30)) + effect
        summed(f"sequential t, {law}, effect {effect}", map(TEST.decide, contrasts))
        summed("   sign-flip", map(SignFlipTest(TEST).decide, contrasts))
    for seeds in (10, 30):
        once = SequentialTest(min_seeds=seeds, max_seeds=seeds)
        for law, effect in (*((law, 0.0) for law in LAWS), ("normal", FIXED_EFFECT)):
            contrasts = LAWS[law](rng, (claims, seeds)) + effect
            summed(f"t-test, {seeds} seeds, {law}, effect {effect}", map(once.decide, contrasts))
            summed("   bootstrap", map(BootstrapTest(seeds=seeds).decide, contrasts))


def split_contrasts(
    rng: np.random.Generator, claims: int, cases: int, learner: str, *, share: float = 0.0, folds: int = 0
) -> np.ndarray:
    """Contrasts of two models that are equally good on average: each is fitted to its own five features, 30 splits."""
    features = rng.standard_normal((claims, cases, 10))
    outcome = features[..., 0] + features[..., 5] + rng.standard_normal((claims, cases))
    order = rng.permuted(np.tile(np.arange(cases), (claims, 30 // (folds or 1), 1)), axis=2)
    if folds:
        tested = (order * folds // cases)[:, :, None] == np.arange(folds)[:, None]
        tested = tested.reshape(claims, 30, cases)
    else:
        tested = order < round(share * cases)
    fit = {"ridge": ridge, "nearest mean": nearest_mean}[learner]
    return fit(features[..., :5], outcome, tested) - fit(features[..., 5:], outcome, tested)


def ridge(x: np.ndarray, y: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Negative squared error on the tested cases."""
    used = (~tested).astype(float)
    gram = np.einsum("rsn,rnp,rnq->rspq", used, x, x, optimize=True) + np.eye(5)
    moment = np.einsum("rsn,rnp,rn->rsp", used, x, y, optimize=True)
    slope = np.linalg.solve(gram, moment[..., None])[..., 0]
    error = -((np.einsum("rnp,rsp->rsn", x, slope, optimize=True) - y[:, None]) ** 2)
    return (error * tested).sum(axis=2) / tested.sum(axis=2)


def nearest_mean(x: np.ndarray, y: np.ndarray, tested: np.ndarray) -> np.ndarray:
    """Accuracy on the tested cases."""
    used, high = (~tested).astype(float), (y > 0).astype(float)[:, None]
    means = [
        np.einsum("rsn,rnp->rsp", used * which, x, optimize=True) / (used * which).sum(axis=2)[..., None]
        for which in (high, 1 - high)
    ]
    score = np.einsum("rnp,rsp->rsn", x, means[0] - means[1], optimize=True)
    score -= ((means[0] ** 2 - means[1] ** 2).sum(axis=2) / 2)[..., None]
    return (((score > 0) == (high > 0)) * tested).sum(axis=2) / tested.sum(axis=2)


def splits(rng: np.random.Generator, claims: int) -> None:
    print("\n-- splits that vary: two equally good models, 30 splits of the same cases")
    once = SequentialTest(min_seeds=30, max_seeds=30)
    designs = [{"share": s} for s in (0.05, 0.1, 0.2, 0.3)] + [{"folds": k} for k in (5, 10)]
    for learner in ("ridge", "nearest mean"):
        for cases in (60, 200):
            for design in designs:
                parts = [
                    split_contrasts(rng, 100, cases, learner, **design) for _ in range(max(1, claims // 100))
                ]
                contrasts = np.concatenate(parts)
                ratio = (
                    1 / (design["folds"] - 1)
                    if "folds" in design
                    else design["share"] / (1 - design["share"])
                )
                summed(
                    f"corrected, {learner}, {cases} cases, {design}",
                    map(SplitTest(seeds=30, ratio=ratio).decide, contrasts),
                )
                alone = once.judge(contrasts)
                line("   uncorrected", alone.verdict == 1, alone.verdict == 2, alone.n)


def estimates(rng: np.random.Generator, claims: int) -> None:
    print(
        "\n-- estimate after stopping: P(above the truth), median and mean bias in sd; raw mean, then median-unbiased"
    )
    for times in (0.0, 0.5, 1.0, 1.5):
        truth = times * FIXED_EFFECT
        decisions = [TEST.decide(row) for row in rng.normal(truth, 1.0, (claims, 30))]
        raw = np.array([decision.estimate for decision in decisions])
        corrected = np.array(
            [found.mean for d in decisions if (found := median_unbiased(TEST, d)) is not None]
        )
        for name, values in (("raw", raw), ("median-unbiased", corrected)):
            print(
                f"{times} x {FIXED_EFFECT}  {name:<16} {(values > truth).mean():.3f} ({0.5 / math.sqrt(claims):.3f})  "
                f"median {np.median(values) - truth:+.3f}  mean {values.mean() - truth:+.3f}",
                flush=True,
            )


def main() -> None:
    parts = {"surplus": surplus, "splits": splits, "estimates": estimates, "resampling": resampling}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claims", type=int, default=4000, help="simulated claims for each figure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "parts", nargs="*", choices=[*parts, []], help="what to measure; everything by default"
    )
    options = parser.parse_args()
    print(f"{'':<62}{'P(PASS)':>17}{'P(FAIL)':>9}{'seeds':>15}")
    for name in options.parts or parts:
        parts[name](np.random.default_rng(options.seed), options.claims)


if __name__ == "__main__":
    main()
