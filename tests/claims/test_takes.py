import math

import numpy as np
import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.takes import PairTime, pair_time, takes, takes_words
from pytest_mlops.records import RunResult
from pytest_mlops.stats import SequentialTest

TEST = SequentialTest()
ARM = Arms()
CANDIDATE, BASELINE = (ARM.recorded({"auc": [value] * 3}) for value in (0.9, 0.8))
CLAIM = CANDIDATE["auc"] > BASELINE["auc"]
NOISE = np.resize([-0.01, 0.01], 12)


def found(mean, *, margin=0.0, room=None):
    return takes(CLAIM, NOISE + mean, TEST, margin=margin, room=room)


def test_the_margin_that_all_seeds_can_show_lies_the_detectable_effect_below_the_estimate():
    sd = NOISE.std(ddof=1)
    assert found(0.02).margin == pytest.approx(0.02 - TEST.detectable_effect * sd)


def test_the_seeds_that_a_margin_needs_are_those_whose_design_detects_the_gap():
    sd = NOISE.std(ddof=1)
    needed = found(0.003).seeds
    other = SequentialTest(max_seeds=int(needed))
    assert other.detectable_effect == pytest.approx(0.003 / sd, rel=0.04)  # the rule of planning.seeds_needed


def test_an_estimate_on_the_wrong_side_needs_seeds_that_nobody_has():
    assert found(-0.001).seeds is None
    assert found(1e-5).seeds == math.inf
    assert found(0.0, margin=0.0, room=0.003).seeds > 30


def test_pairs_that_are_alike_or_few_tell_nothing():
    assert takes(CLAIM, [0.1] * 5, TEST, margin=0.0, room=None) is None
    assert takes(CLAIM, [0.1, 0.2], TEST, margin=0.0, room=None) is None


def test_the_words_have_the_time_of_the_pairs_to_come():
    one = found(0.003)
    needed = int(one.seeds)
    text = takes_words(CLAIM, one, TEST, known=30, pair=PairTime(seconds=0.5, on_gpu=False))
    assert (
        f"needs about {needed} seeds, about {(needed - 30) / 2:.2g} s more (--mlops-max-seeds={needed}"
        in text
    )
    assert "30 seeds can show a margin of about" in text
    text = takes_words(CLAIM, one, TEST, known=30, pair=PairTime(seconds=3600.0, on_gpu=True))
    assert f"about {needed - 30} GPU-hours more" in text


def test_a_pair_takes_what_its_arms_that_train_took():
    def run(seconds, gpu=0.0):
        return RunResult(key="k", seed=0, metrics={"seconds": seconds, "gpu_seconds": gpu})

    def train(run, *, lr=1.0):
        return {"auc": 0.9}

    one, other = ARM(train), ARM(train, lr=2.0)
    claim = one["auc"] > other["auc"]
    assert pair_time(claim, {one: [run(1.0), run(3.0)], other: [run(4.0)]}) == PairTime(
        seconds=6.0, on_gpu=False
    )
    assert pair_time(claim, {one: [run(1.0, 1.0)], other: [run(4.0)]}).on_gpu
    assert pair_time(CLAIM, {arm: arm.source.results() for arm in CLAIM.arms}) is None
