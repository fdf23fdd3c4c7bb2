"""Stored training runs beyond the pairs: which ones count, that the list is frozen, and what is said of it."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import judge
from pytest_mlops.claims.surplus import Surplus, unfit
from pytest_mlops.errors import MetricError
from pytest_mlops.records import RunResult
from pytest_mlops.stats import SequentialTest

GATES = """
import pytest

def train(run, *, gain=0.0):
    return {"auc": 0.8 + gain + 0.01 * run.rng(f"{gain}").normal(), "dice/a": run.rng(f"a{gain}").normal()}

def test_better(arm):
    assert arm(train, gain=GAIN)["auc"] > arm(train)["auc"]
"""
PLAIN = ("-p", "no:randomly", "-p", "no:hypothesispytest")


@pytest.fixture
def judged(pytester):
    """Runs a gate; gives its claim in the report."""

    def run(*options, gain="0.02", gates=GATES):
        pytester.makepyfile(test_gates=gates.replace("GAIN", gain))
        result = pytester.runpytest_inprocess("--mlops", *PLAIN, *options)
        report = json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
        assert result.ret in (0, 1), result.stdout.str()
        return report["claims"][0]

    return run


def fill(pytester, seeds, gates=GATES):
    pytester.makepyfile(test_gates=gates.replace("GAIN", "0.02"))
    assert pytester.runpytest_inprocess(f"--mlops-fill={seeds}", *PLAIN).ret == 0


def test_stored_runs_count_where_they_are_asked_for_and_not_otherwise(judged, pytester):
    fill(pytester, 70)
    claim = judged("--mlops-surplus")
    assert claim["method"].startswith("sequential t-test with 40 stored training runs")
    assert claim["verdict"] == "PASS"
    assert claim["interval"][0] <= claim["estimate"] <= claim["interval"][1]
    alone = judged()
    assert alone["method"].startswith("sequential t-test")
    assert "stored" not in alone["method"]
    assert alone["contrasts"][: claim["n"]] == claim["contrasts"][: alone["n"]][: claim["n"]]


def test_the_list_is_frozen_when_the_other_arm_trains_first(judged, pytester):
    fill(pytester, 45)
    first = judged("--mlops-surplus")
    fill(pytester, 100)  # a night later
    again = judged("--mlops-surplus")
    assert "with 15 stored" in first["method"]
    assert (again["method"], again["estimate"], again["interval"]) == (
        first["method"],
        first["estimate"],
        first["interval"],
    )


def test_too_few_stored_runs_are_said_and_the_pairs_alone_count(judged, pytester):
    fill(pytester, 35)
    claim = judged("--mlops-surplus")
    assert claim["method"].startswith("sequential t-test")
    assert any("5 stored baseline runs beyond the pairs are fewer than 10" in one for one in claim["remarks"])


@pytest.mark.parametrize(
    ("asked", "options", "why"),
    [
        ('arm(train, gain=0.02)["auc"] > 0.5', (), "it compares no two arms that train"),
        ('arm(train, gain=0.02)["auc"] > arm(train)["auc"] * 1.01', (), "it is a ratio"),
        (
            'arm(train, gain=0.02)["auc"] == pytest.approx(arm(train)["auc"], abs=0.5)',
            (),
            "it is an equivalence",
        ),
        (
            'arm(train, gain=0.02)["auc"] > arm(train).using(seeds=[99])["auc"] - 1',
            (),
            "an arm of it is fixed",
        ),
        ('arm(train, gain=0.02)["auc"] > arm(train)["auc"]', ("--mlops-confirm-harm",), "confirm_harm"),
        ('arm(train, gain=0.02)["auc"] > arm(train)["auc"]', ("--mlops-attempts=spend",), "attempts = spend"),
        (
            'arm(train, gain=0.02)["auc"] > arm(train)["auc"]',
            ("--mlops-method=signflip",),
            "method = signflip",
        ),
        ('arm(train, gain=0.02)["seconds"] < arm(train)["seconds"] + 9', (), "what training takes"),
    ],
)
def test_what_stored_runs_do_not_fit_is_judged_by_its_pairs(judged, asked, options, why):
    gates = GATES.partition("def test_better")[0] + f"def test_it(arm):\n    assert {asked}\n"
    claim = judged("--mlops-surplus", *options, gates=gates)
    assert any(why in remark for remark in claim["remarks"])
    assert "stored" not in claim["method"]


def test_a_failed_stored_run_keeps_all_of_them_out(judged, pytester):
    gates = GATES.replace(
        '    return {"auc"', '    if run.seed == 60:\n        raise ValueError\n    return {"auc"'
    )
    fill(pytester, 70, gates)
    claim = judged("--mlops-surplus", gates=gates)
    assert any("1 of the 40 stored training runs failed" in one for one in claim["remarks"])


# --- the decision itself

arm = Arms()


def train(run, *, lr=0.1):
    return {}


LEFT, RIGHT = arm(train, lr=0.2), arm(train)
TEST = SequentialTest()


def runs(values, seed=0):
    return [
        RunResult(key=str(seed + i), seed=seed + i, metrics={"auc": float(value)})
        for i, value in enumerate(values)
    ]


def decided(claim, left, right, stored):
    outcomes = {LEFT: runs(left), RIGHT: runs(right)}
    surplus = Surplus(arm=RIGHT, runs=tuple(runs(stored, 1000)))
    return judge(claim, outcomes, TEST, surplus=surplus)


@given(shift=st.floats(-5, 5), seed=st.integers(0, 99))
def test_a_lower_metric_that_is_better_is_the_same_claim_mirrored(shift, seed):
    rng = np.random.default_rng(seed)
    left, right, stored = rng.normal(0.7, 1, 12), rng.normal(0, 1, 12), rng.normal(0, 1, 40)
    up = decided(LEFT["auc"] > RIGHT["auc"] - 0.1, left + shift, right + shift, stored + shift)
    down = decided(LEFT["auc"] < RIGHT["auc"] + 0.1, -left - shift, -right - shift, -stored - shift)
    assert (up.verdict, up.n) == (down.verdict, down.n)
    assert up.parts[0].estimate == pytest.approx(-down.parts[0].estimate, abs=1e-9)
    assert up.parts[0].interval[0] == pytest.approx(-down.parts[0].interval[1], abs=1e-9)


def test_the_interval_agrees_with_the_verdict_on_the_margin():
    rng = np.random.default_rng(3)
    for margin in (-0.5, 0.0, 0.5):
        left, right, stored = rng.normal(1.2, 1, 30), rng.normal(0, 1, 30), rng.normal(0, 1, 60)
        found = decided(LEFT["auc"] > RIGHT["auc"] + margin, left, right, stored)
        assert (found.parts[0].interval[0] >= margin - 1e-9) == found.passed


def test_a_stored_run_without_the_metric_is_named():
    stored = [RunResult(key="x", seed=77, metrics={"acc": 1.0})] * 12
    surplus = Surplus(arm=RIGHT, runs=tuple(stored))
    rng = np.random.default_rng(0)
    outcomes = {LEFT: runs(rng.normal(size=6)), RIGHT: runs(rng.normal(size=6))}
    with pytest.raises(MetricError, match="under seed 77 has no metric 'auc'"):
        judge(LEFT["auc"] > RIGHT["auc"], outcomes, TEST, surplus=surplus)


def test_recorded_results_have_no_stored_runs():
    one, other = arm.recorded({"auc": [0.1, 0.2]}), arm.recorded({"auc": [0.3, 0.5]})
    assert unfit(one["auc"] > other["auc"]) == "recorded results have no store"
