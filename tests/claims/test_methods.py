"""Claims judged by a method by name: sign flips, bootstrap."""

import numpy as np
import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import Ended, judge
from pytest_mlops.claims.methods import designed
from pytest_mlops.errors import SettingError
from pytest_mlops.records import Cases, CaseTable, RunResult
from pytest_mlops.stats import SequentialTest, Verdict
from pytest_mlops.stats.bootstrap import BootstrapTest
from pytest_mlops.stats.signflip import SignFlipTest

arm = Arms()
FLIPS = SequentialTest(min_seeds=8)
ONCE = SequentialTest(min_seeds=30, max_seeds=30)
rng = np.random.default_rng(0)
BASE = 0.8 + 0.02 * rng.normal(size=30)
GAIN = BASE + 0.02 + 0.02 * rng.normal(size=30)
SAME = BASE + 0.02 * rng.normal(size=30)


def train(run, *, variant="baseline"):
    return {}


candidate, baseline = arm(train, variant="candidate"), arm(train)
CLAIM = candidate["auc"] > baseline["auc"]


def runs(values, weights=None, yes_no=(), cases=None):
    return [
        RunResult(
            key=str(index),
            metrics={"auc": float(value), "x/a": float(value), "x/b": float(value)},
            weights=weights[index] if weights else None,
            yes_no=frozenset(yes_no),
            cases=cases or {},
        )
        for index, value in enumerate(values)
    ]


def judged(claim, left, right, method):
    test = FLIPS if method == "signflip" else ONCE
    return judge(claim, {candidate: left, baseline: right}, test, method=method)


@pytest.mark.parametrize("values", [GAIN, SAME])
def test_sign_flips_judge_at_every_look_from_the_first(values):
    judgement = judged(CLAIM, runs(values), runs(BASE), "signflip")
    expected = SignFlipTest(FLIPS).decide(values - BASE)
    found = judgement.deciding.decision
    assert (found.verdict, found.n, found.method) == (
        expected.verdict,
        expected.n,
        "sequential sign-flip test",
    )
    assert found.p_value == pytest.approx(expected.p_value)
    assert judgement.deciding.median_unbiased is None  # that estimate is of the t-sequence


@pytest.mark.parametrize("values", [GAIN, SAME])
def test_the_bootstrap_judges_once(values):
    judgement = judged(CLAIM, runs(values), runs(BASE), "bootstrap")
    assert judgement.deciding.decision == BootstrapTest(seeds=30).decide(values - BASE)
    assert judgement.n == 30
    assert judged(CLAIM, runs(values[:29]), runs(BASE[:29]), "bootstrap").open


def test_sign_flips_do_not_pass_before_eight_pairs():
    far = BASE + 1.0 + 0.001 * rng.normal(size=30)
    assert judged(CLAIM, runs(far[:7]), runs(BASE[:7]), "signflip").open
    judgement = judged(CLAIM, runs(far), runs(BASE), "signflip")
    assert (judgement.passed, judgement.n) == (True, 8)


@pytest.mark.parametrize("method", ["signflip", "bootstrap"])
def test_both_sides_of_an_equivalence_are_judged(method):
    claim = candidate["auc"] == pytest.approx(baseline["auc"], abs=0.03)
    assert judged(claim, runs(SAME), runs(BASE), method).passed
    assert not judged(claim, runs(SAME + 0.03), runs(BASE), method).passed
    low, high = judged(claim, runs(SAME), runs(BASE), method).deciding.interval
    assert -0.03 < low < high < 0.03


@pytest.mark.parametrize("method", ["signflip", "bootstrap"])
def test_all_names_of_a_wildcard_have_to_pass_each_at_alpha(method):
    claim = candidate["x/*"] > baseline["x/*"]
    together = judged(claim, runs(GAIN), runs(BASE), method)
    alone = judged(CLAIM, runs(GAIN), runs(BASE), method)
    assert together.passed
    assert {part.decision.p_value for part in together.parts} == {alone.deciding.decision.p_value}


def test_below_a_bar_the_interval_is_in_the_users_direction():
    judgement = judge(candidate["auc"] < 0.85, {candidate: runs(BASE)}, ONCE, method="bootstrap")
    low, high = judgement.deciding.interval
    assert judgement.passed
    assert low < BASE.mean() < high < 0.85


@pytest.mark.parametrize("method", ["signflip", "bootstrap"])
def test_identical_runs_are_told_as_ever(method):
    same = runs(BASE, weights=[f"w{index}" for index in range(30)])
    judgement = judged(CLAIM, same, same, method)
    assert (judgement.verdict, judgement.identical) == (Verdict.FAIL, True)
    assert judgement.n == (8 if method == "signflip" else 30)


@pytest.mark.parametrize("method", ["signflip", "bootstrap"])
def test_pairs_without_a_spread_are_undecided(method):
    judgement = judged(CLAIM, runs(BASE + 0.125), runs(BASE), method)
    assert judgement.verdict == Verdict.UNDECIDED
    assert judgement.ended is Ended.DECIDED


@pytest.mark.parametrize("method", ["signflip", "bootstrap"])
def test_what_has_a_test_of_its_own_is_refused(method):
    yes_no = [runs(np.arange(10) % 2, yes_no=["auc"]) for _ in range(2)]
    with pytest.raises(SettingError, match=f"a yes/no metric, which method = {method} does not judge"):
        judged(CLAIM, *yes_no, method)
    cases = {"auc": Cases(table=CaseTable(names="n", count=4), metric="mean", numbers=bytes(32))}
    with pytest.raises(SettingError, match=f"for each case.*which method = {method} does not judge"):
        judged(CLAIM, runs(GAIN, cases=cases), runs(BASE, cases=cases), method)


def test_what_is_unlike_the_default_is_said_in_words():
    assert designed(CLAIM, SequentialTest(), "auto", None).words is None
    assert "the first look comes after 8 seeds" in designed(CLAIM, FLIPS, "signflip", None).words
    assert "judged once, after 30 seeds" in designed(CLAIM, ONCE, "bootstrap", None).words
