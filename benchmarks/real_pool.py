"""False alarms on real trainings: two arms that do not differ, trained under many seeds, and judged in random orders.

Both arms train the same network on handwritten digits; they draw their initial weights and their order of samples from
streams of different names, as any change of code would. Which of the two is called candidate is drawn anew for every pair
and sequence: that makes the true difference zero exactly, while the numbers stay those of real trainings (discrete, skewed,
with ties). Exit status 1 when more sequences pass than alpha plus two standard errors.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.equivalence import merged
from pytest_mlops.stats.skewness import unequal_spread

Array = NDArray[np.float64]
TRAINED, EPOCHS, BATCH, WIDTH = 600, 4, 32, 48


def accuracy(x: torch.Tensor, y: torch.Tensor, seed: int, stream: int) -> float:
    """Accuracy on the cases that were not trained on."""
    generator = torch.Generator().manual_seed(1_000_003 * stream + seed)
    torch.manual_seed(1_000_003 * stream + seed)
    model = nn.Sequential(nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(TRAINED, generator=generator).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((model(x[TRAINED:]).argmax(1) == y[TRAINED:]).double().mean())


def pool(seeds: int) -> Array:
    """Accuracies of both arms, shape (seeds, 2)."""
    torch.set_num_threads(1)
    digits = load_digits()
    x = torch.tensor(digits.data, dtype=torch.float32) / 16
    y = torch.tensor(digits.target)
    return np.array([[accuracy(x, y, seed, stream) for stream in (0, 1)] for seed in range(seeds)])


def sequences(pairs: Array, count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Candidate and baseline of random orders of the pairs, each pair in a random direction."""
    order = np.argsort(rng.random((count, len(pairs))), axis=1)[:, : SequentialTest().max_seeds]
    flipped = rng.random(order.shape) < 0.5
    first, second = pairs[order, 0], pairs[order, 1]
    return np.where(flipped, second, first), np.where(flipped, first, second)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=120, help="seeds of each arm, at least 100")
    parser.add_argument("--sequences", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.perf_counter()
    pairs = pool(options.seeds)
    took = time.perf_counter() - started
    test, difference = SequentialTest(), pairs[:, 0] - pairs[:, 1]
    print(
        f"{2 * len(pairs)} trainings in {took:.0f} s: accuracy {pairs.mean():.4f}, sd of an arm {pairs.std(ddof=1):.4f}, "
        f"of the difference {difference.std(ddof=1):.4f}"
    )
    apart = (np.abs(difference) > 0.01).mean()
    print(
        f"one training run each side differs by more than a point, by chance, under {apart:.0%} of the seeds\n"
    )
    candidate, baseline = sequences(pairs, options.sequences, np.random.default_rng(options.seed))
    contrasts, spread = candidate - baseline, float(difference.std(ddof=1))
    guard = unequal_spread(candidate, baseline)
    asked: dict[str, Callable[[], NDArray[np.bool_]]] = {
        "superior": lambda: test.judge(contrasts, guard=guard).verdict == 1,
        "superior, guarded for skewness": lambda: test.judge(contrasts, guard=True).verdict == 1,
        "superior, arms exchanged": lambda: test.judge(-contrasts, guard=guard).verdict == 1,
        "equivalent, at the limit of 1 sd": lambda: (
            merged(*(test.judge(x, guard=True, parts=2) for x in (contrasts + 2 * spread, -contrasts)))[0]
            == 1
        ),
    }
    limit = test.alpha + 2 * math.sqrt(test.alpha * (1 - test.alpha) / options.sequences)
    missed = False
    for name, passed in asked.items():
        rate = float(passed().mean())
        missed |= rate > limit
        print(f"{name:<36}{rate:>8.4f}  at most {limit:.4f}  {'ok' if rate <= limit else 'MISSED'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
