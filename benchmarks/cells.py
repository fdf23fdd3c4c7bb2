"""Cells of `error_rates.py` for what stands beside the sequential t-test: stored runs, splits that vary, methods by name.

Laws, correlations and the columns are those of the table there.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from other_methods import split_contrasts

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.bootstrap import BootstrapTest
from pytest_mlops.stats.signflip import FIRST_LOOK, SignFlipTest
from pytest_mlops.stats.splits import SplitTest
from pytest_mlops.stats.surplus import SurplusTest

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Array]
TEST = SequentialTest()
SEEDS = TEST.max_seeds
SURPLUS_CLAIMS, SPLIT_CLAIMS, SLOW_CLAIMS = 5000, 5000, 500
"""At the most: the slowest, sign flips, take 30 ms each."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which cells are measured, and how well."""

    claims: int
    seed: int
    only: str = ""
    full: bool = False
    """At all correlations, not at two of them."""

    @property
    def correlations(self) -> tuple[float, ...]:
        """Of the arms' numbers under one seed."""
        return (0.0, 0.3, 0.6, 0.9) if self.full else (0.0, 0.6)

    def generator(self, name: str) -> np.random.Generator:
        """One a cell, the same in every run of the script."""
        return np.random.default_rng([self.seed, zlib.crc32(name.encode())])


@dataclass(frozen=True)
class Shares:
    """What became of the claims of a cell."""

    passed: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    n: NDArray[np.float64]


def row(name: str, edge: Shares, gain: Shares | None, known: str | None) -> tuple[str, bool]:
    """The cell as a line, and whether it missed its level without being known."""
    level, claims = float(edge.passed.mean()), len(edge.passed)
    error = math.sqrt(max(level, 1 / claims) * (1 - level) / claims)
    missed = level > TEST.alpha + 3 * error
    mark = "" if not missed else (f"  known ({known})" if known else "  MISSED")
    true = f"{'':>17}" if gain is None else f"{gain.failed.mean():>10.4f}{gain.passed.mean():>7.3f}"
    after = f"{'':>7}" if gain is None else f"{gain.n.mean():>7.1f}"
    line = f"{name:<52}{level:>10.4f}{error:>7.4f}{true}{edge.n.mean():>7.1f}{after}{mark}"
    return line.rstrip(), missed and not known


def surplus_rows(
    laws: dict[str, tuple[Draw, Draw]], wanted: Wanted, known: dict[str, str]
) -> Iterator[tuple[str, bool]]:
    """Claims of superiority with stored runs of the baseline; candidate and baseline may have laws of their own."""
    claims = min(wanted.claims, SURPLUS_CLAIMS)
    for law, (candidate, baseline) in laws.items():
        for stored in (30, 170):
            for correlation in wanted.correlations:
                name = f"superior, {stored} stored: {law}, correlation {correlation:g}"
                if wanted.only not in name:
                    continue
                rng = wanted.generator(name)
                share, own = math.sqrt(correlation), math.sqrt(1 - correlation)

                def judged(effect: float) -> Shares:
                    shape = (claims, SEEDS)
                    shared = share * baseline(rng, shape)  # noqa: B023 - called within its round
                    y, b = (shared + own * draw(rng, shape) for draw in (candidate, baseline))  # noqa: B023
                    more = (claims, stored)  # noqa: B023
                    s = share * baseline(rng, more) + own * baseline(rng, more)  # noqa: B023
                    spread = float((y - b).std())
                    found = SurplusTest(TEST).judge(y + effect * spread, b, s).judged
                    return Shares(found.verdict == 1, found.verdict == 2, found.n)

                yield row(name, judged(0.0), judged(TEST.detectable_effect), known.get(law))


def split_rows(wanted: Wanted, known: str) -> Iterator[tuple[str, bool]]:
    """Two models that are equally good on average, on splits of the same cases: one look, by the corrected variance."""
    claims = min(wanted.claims, SPLIT_CLAIMS)
    designs: dict[str, dict[str, float]] = {
        **{f"test share {share:g}": {"share": share} for share in (0.05, 0.1, 0.2, 0.3)},
        **{f"{folds} folds": {"folds": folds} for folds in (5, 10)},
    }
    for learner in ("ridge", "nearest mean"):
        for cases in (60, 200):
            for what, design in designs.items():
                name = f"splits, {what}: {learner}, {cases} cases"
                if wanted.only not in name:
                    continue
                rng = wanted.generator(name)
                parts = [split_contrasts(rng, 100, cases, learner, **design) for _ in range(claims // 100)]
                folds, share = design.get("folds"), design.get("share", 0.0)
                ratio = share / (1 - share) if folds is None else 1 / (folds - 1)
                test = SplitTest(seeds=SEEDS, ratio=ratio)
                found = summed([test.decide(x) for x in np.concatenate(parts)])
                yield row(name, found, None, known if cases == 60 else None)


def method_rows(laws: dict[str, Draw], wanted: Wanted, known: str) -> Iterator[tuple[str, bool]]:
    """Sign flips, which look from eight seeds on, and the bootstrap."""
    claims = min(wanted.claims, SLOW_CLAIMS)
    flips, resampled = (
        SignFlipTest(SequentialTest(min_seeds=FIRST_LOOK)),
        BootstrapTest(seeds=SEEDS),
    )
    for law, draw in laws.items():
        for method, decide in (("signflip", flips.decide), ("bootstrap", resampled.decide)):
            name = f"{method}: {law}"
            asymmetric = method == "signflip" and law.startswith(("exponential", "gamma"))
            if asymmetric or wanted.only not in name:
                continue
            rng = wanted.generator(name)
            edge = summed([decide(x) for x in draw(rng, (claims, SEEDS))])
            few = draw(rng, (claims // 2, SEEDS)) + TEST.detectable_effect
            yield row(name, edge, summed([decide(x) for x in few]), known if method == "bootstrap" else None)


def summed(decisions: list) -> Shares:
    """The shares of decisions that were made one by one."""
    verdicts = np.array([str(one.verdict) for one in decisions])
    return Shares(verdicts == "PASS", verdicts == "FAIL", np.array([float(one.n) for one in decisions]))
