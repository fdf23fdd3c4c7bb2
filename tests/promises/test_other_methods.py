"""The methods beside the sequential t-test keep what they say: simulated claims with error bars of their own."""

import math

import numpy as np
import pytest

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.bootstrap import BootstrapTest
from pytest_mlops.stats.estimation import median_unbiased
from pytest_mlops.stats.signflip import SignFlipTest
from pytest_mlops.stats.splits import SplitTest
from pytest_mlops.stats.surplus import SurplusTest

TEST = SequentialTest()
DETECTED = 0.546  # effect that a one-look t-test with 30 pairs detects with power 0.9


def error_bar(rate, claims, errors=3.5):
    return errors * math.sqrt(rate * (1 - rate) / claims)


def runs(rng, claims, stored, correlation=0.0, ratio=1.0):
    shared = rng.standard_normal((claims, 30))
    one, other = rng.standard_normal((2, claims, 30))
    share, rest = math.sqrt(abs(correlation)), math.sqrt(1 - abs(correlation))
    candidate = ratio * (math.copysign(share, correlation) * shared + rest * one)
    return candidate, share * shared + rest * other, rng.standard_normal((claims, stored))


@pytest.mark.parametrize(
    ("stored", "correlation", "ratio"),
    [(10, 0.0, 1.0), (70, 0.0, 1.0), (70, 0.9, 3.0), (200, -0.5, 1.0), (200, 0.0, 0.5)],
)
def test_stored_runs_keep_the_level_at_all_looks_together(stored, correlation, ratio):
    claims = 3000
    found = (
        SurplusTest(TEST)
        .judge(*runs(np.random.default_rng(stored), claims, stored, correlation, ratio))
        .judged
    )
    assert (found.verdict == 1).mean() <= 0.05 + error_bar(0.05, claims)
    assert (found.verdict == 2).mean() <= 0.05 + error_bar(0.05, claims)


def test_stored_runs_of_a_skewed_law_keep_the_level():
    # Without the checks: 0.16 (negative exponential), for the skewness no longer cancels between the arms.
    rng, claims = np.random.default_rng(1), 3000
    found = SurplusTest(TEST).judge(*(1 - rng.exponential(size=(claims, n)) for n in (30, 30, 70))).judged
    assert (found.verdict == 1).mean() <= 0.05


def test_checking_for_drift_does_not_raise_the_level():
    # Going over to pairing where paired and stored runs differ gives 0.06: the pairs are extreme just there.
    rng, claims = np.random.default_rng(2), 3000
    candidate, paired, stored = runs(rng, claims, 70)
    found = SurplusTest(TEST).judge(candidate, paired, stored)
    assert (found.drift < 0.1).mean() > 0.05
    assert (found.judged.verdict == 1).mean() <= 0.05


def test_stored_runs_raise_the_power_where_arms_are_not_correlated():
    rng, claims = np.random.default_rng(3), 2500
    candidate, paired, stored = runs(rng, claims, 70)
    candidate = candidate + DETECTED * math.sqrt(2)
    found, alone = SurplusTest(TEST).judge(candidate, paired, stored).judged, TEST.judge(candidate - paired)
    assert (found.verdict == 1).mean() >= (alone.verdict == 1).mean() + 0.05
    assert found.n.mean() < alone.n.mean() - 1


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, DETECTED])
def test_median_unbiased_estimates_lie_above_the_truth_half_the_time(effect):
    decisions = [TEST.decide(row) for row in np.random.default_rng(4).normal(effect, 1.0, (600, 30))]
    found = [median_unbiased(TEST, decision) for decision in decisions]
    exact = np.mean([estimate.effect > effect for estimate in found])
    near = np.mean([estimate.mean > effect for estimate in found])
    raw = np.mean([decision.estimate > effect for decision in decisions])
    assert exact == pytest.approx(0.5, abs=error_bar(0.5, 600))
    assert near == pytest.approx(0.5, abs=error_bar(0.5, 600))
    assert abs(raw - 0.5) > abs(near - 0.5)


def overlapping(rng, claims, cases, tested):
    """Contrasts of two equally good nearest-mean models, each of five features of its own, on splits of the same cases."""
    x = rng.standard_normal((claims, cases, 10))
    high = (x[..., 0] + x[..., 5] + rng.standard_normal((claims, cases)) > 0)[:, None]

    def accuracy(features):
        means = []
        for which in (high, ~high):
            used = (~tested & which).astype(float)
            means.append(
                np.einsum("rsn,rnp->rsp", used, features, optimize=True) / used.sum(axis=2)[..., None]
            )
        score = np.einsum("rnp,rsp->rsn", features, means[0] - means[1], optimize=True)
        score -= ((means[0] ** 2 - means[1] ** 2).sum(axis=2) / 2)[..., None]
        return (((score > 0) == high) & tested).sum(axis=2) / tested.sum(axis=2)

    return accuracy(x[..., :5]) - accuracy(x[..., 5:])


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_splits_that_vary_keep_the_level_by_the_corrected_variance(share):
    rng, claims, cases = np.random.default_rng(5), 600, 200
    tested = rng.permuted(np.tile(np.arange(cases), (claims, 30, 1)), axis=2) < share * cases
    contrasts = overlapping(rng, claims, cases, tested)
    test = SplitTest(seeds=30, ratio=share / (1 - share))
    passed = np.mean([test.decide(row).verdict == "PASS" for row in contrasts])
    # 0.07 is what the correction promises on real overlap (docs/explanation/methods.md), not 0.05.
    assert passed <= 0.07 + error_bar(0.07, claims)
    naive = SequentialTest(min_seeds=30, max_seeds=30).judge(contrasts).verdict == 1
    assert naive.mean() > 0.15


@pytest.mark.slow
def test_sign_flips_keep_the_level_for_heavy_tails():
    claims = 300
    contrasts = np.random.default_rng(6).standard_t(2, (claims, 30))
    passed = np.mean([SignFlipTest(TEST).decide(row).verdict == "PASS" for row in contrasts])
    assert passed <= 0.05 + error_bar(0.05, claims)


def test_the_bootstrap_is_near_its_level_for_gaussian_contrasts():
    claims = 600
    contrasts = np.random.default_rng(7).standard_normal((claims, 30))
    passed = np.mean([BootstrapTest(seeds=30).decide(row).verdict == "PASS" for row in contrasts])
    assert passed == pytest.approx(0.05, abs=error_bar(0.05, claims))
