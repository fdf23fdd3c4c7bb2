"""Does a plan say what a claim will cost? Expected training runs of plans from three pairs, beside what then happens.

For every kind of claim and a grid of truths: draw whole sequences, plan each from its first three pairs by the product's
code, judge it by the product's code, and compare. Exit status 1 when, averaged over the truths of a kind, the plans are
more than 25 % off. A single truth may be: three pairs tell little of it, so that plans lie between its cost and the average.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.judge import judge
from pytest_mlops.claims.outlook import FEWEST, sequences_of
from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.forecast import forecast

TEST = SequentialTest()
SEEDS = int(TEST.looks[-1])
WITHIN = 0.25
ARM = Arms()
Draw = Callable[[np.random.Generator, float], Claim]


@dataclass(frozen=True)
class Kind:
    """A kind of claim, and the truths that it is tried on."""

    name: str
    claim: Draw
    truths: tuple[float, ...]
    unit: str


def _pair(rng: np.random.Generator, effect: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Candidate and baseline whose difference has a standard deviation of 0.01 and this standardised effect."""
    shared, own = 0.02 * rng.standard_normal(SEEDS), 0.01 * rng.standard_normal((2, SEEDS)) / math.sqrt(2)
    return 0.8 + shared + own[0] + 0.01 * effect, 0.8 + shared + own[1]


def superior(rng: np.random.Generator, share: float) -> Claim:
    candidate, baseline = _pair(rng, share * TEST.detectable_effect)
    return ARM.recorded({"auc": candidate})["auc"] > ARM.recorded({"auc": baseline})["auc"]


def lower_by_a_margin(rng: np.random.Generator, share: float) -> Claim:
    baseline, candidate = _pair(rng, share * TEST.detectable_effect)
    return ARM.recorded({"loss": candidate - 0.05})["loss"] < ARM.recorded({"loss": baseline})["loss"] - 0.05


def above_a_bar(rng: np.random.Generator, share: float) -> Claim:
    values = 0.9 + 0.01 * (share * TEST.detectable_effect + rng.standard_normal(SEEDS))
    return ARM.recorded({"auc": values})["auc"] > 0.9


def equivalent(rng: np.random.Generator, share: float) -> Claim:
    candidate, baseline = _pair(rng, 0.0)
    room = 0.01 * share * TEST.detectable_effect
    return ARM.recorded({"auc": candidate})["auc"] == pytest.approx(
        ARM.recorded({"auc": baseline})["auc"], abs=room
    )


def rate(rng: np.random.Generator, truth: float) -> Claim:
    return ARM.recorded({"ok": (rng.random(SEEDS) < truth).tolist()})["ok"] > 0.8


def two_rates(rng: np.random.Generator, truth: float) -> Claim:
    ours, theirs = ((rng.random(SEEDS) < one).tolist() for one in (truth, 0.4))
    return ARM.recorded({"ok": ours})["ok"] > ARM.recorded({"ok": theirs})["ok"]


EFFECTS = (-0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
KINDS = [
    Kind("superior", superior, EFFECTS, "of the detectable effect"),
    Kind("lower by a margin", lower_by_a_margin, EFFECTS, "of the detectable effect"),
    Kind("above a bar", above_a_bar, EFFECTS, "of the detectable effect"),
    Kind("equivalent", equivalent, (0.5, 1.0, 1.5, 2.0, 3.0), "times it is the margin"),
    Kind("a rate above 0.8", rate, (0.5, 0.7, 0.8, 0.9, 0.95, 1.0), "is the rate"),
    Kind("a rate above one of 0.4", two_rates, (0.2, 0.4, 0.6, 0.8, 0.95), "is the rate"),
]


def planned_and_happened(kind: Kind, truth: float, rng: np.random.Generator) -> tuple[float, int]:
    """Pairs that the plan of three pairs expects, and that the claim then takes."""
    claim = kind.claim(rng, truth)
    outcomes = {arm: arm.source.results() for arm in claim.arms}
    sequences = sequences_of(claim, outcomes, FEWEST, TEST)
    assert sequences is not None
    judgement = judge(claim, outcomes, TEST)
    return forecast(sequences).mean, judgement.n


def table(kind: Kind, pilots: int, rng: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """Planned and happened pairs of every truth, shape (pilots, 2)."""
    for truth in kind.truths:
        found = np.array([planned_and_happened(kind, truth, rng) for _ in range(pilots)], dtype=float)
        print(f"  {truth:5g} {kind.unit:<26} {_line(found)}")
        yield found


def _line(found: NDArray[np.float64]) -> str:
    planned, happened = found.mean(axis=0)
    ratio, error = ratio_of(found)
    return f"planned {planned:5.1f}  happened {happened:5.1f}  ratio {ratio:.2f} (se {error:.2f})"


def ratio_of(found: NDArray[np.float64]) -> tuple[float, float]:
    """Mean planned over mean happened pairs, and its standard error by the delta method."""
    planned, happened = found.mean(axis=0)
    ratio = planned / happened
    return ratio, float((found[:, 0] - ratio * found[:, 1]).std(ddof=1) / happened / math.sqrt(len(found)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pilots", type=int, default=100, help="of each truth")
    pilots = parser.parse_args().pilots
    rng = np.random.default_rng(20261124)
    print(f"pairs that plans of three pairs expect, and that claims take; {pilots} claims of each truth\n")
    worst = 0.0
    for kind in KINDS:
        print(kind.name)
        whole = np.concatenate(list(table(kind, pilots, rng)))
        ratio, _ = ratio_of(whole)
        worst = max(worst, abs(ratio - 1))
        print(f"  {'averaged over these truths':<32} {_line(whole)}\n")
    print(f"furthest from 1 of these averages: {worst:.2f}, allowed {WITHIN}")
    return int(worst > WITHIN)


if __name__ == "__main__":
    sys.exit(main())
