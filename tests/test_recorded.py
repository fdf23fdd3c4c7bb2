"""Results that exist, from a file to the verdict and the report."""

import json
import re

import pytest

RUNS = "model,seed,val_auc,converged\n" + "".join(
    f"{model},{seed},{0.85 + gain + 0.001 * (seed * 7 % 11) + 0.002 * (seed * spread % 5)},{'true' if seed else 'false'}\n"
    for model, gain, spread in (("base", 0.0, 2), ("wide", 0.05, 3))
    for seed in (4, 1, 7, 0, 9, 2, 5, 3, 8, 6)
)

GATES = """
from pathlib import Path

RUNS = Path(__file__).with_name("runs.csv")


def of(arm, model, **more):
    return arm.recorded.from_csv(RUNS, metrics={"auc": "val_auc"}, where={"model": model}, **more)
"""


@pytest.fixture
def judged(pytester):
    """Runs gates on ``runs.csv``; gives pytest's result and the report."""
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")

    def run(gates, *options, runs=RUNS):
        (pytester.path / "runs.csv").write_text(runs, encoding="utf-8")
        pytester.makepyfile(test_gates=GATES + gates)
        result = pytester.runpytest_inprocess("--mlops", *options)
        report = pytester.path / "mlops-report" / "report.json"
        return result, json.loads(report.read_text(encoding="utf-8")) if report.exists() else None

    return run


def test_one_file_with_both_arms_is_judged_in_pairs_by_seed(judged):
    result, report = judged("""
def test_wide(arm):
    wide, base = of(arm, "wide", seed="seed"), of(arm, "base", seed="seed")
    assert wide["auc"] > base["auc"] + 0.02
""")
    result.assert_outcomes(passed=1)
    (claim,) = report["claims"]
    assert claim["verdict"] == "PASS"
    assert claim["seeds"] == list(range(claim["n"]))
    assert {arm["label"] for arm in report["arms"]} == {
        "recorded(runs.csv, model='base', 10 training runs)",
        "recorded(runs.csv, model='wide', 10 training runs)",
    }
    contrast = 0.05 + 0.002 * (3 * 1 % 5) - 0.002 * (2 * 1 % 5)
    assert claim["contrasts"][1] == pytest.approx(contrast)


def test_the_name_of_the_file_is_no_part_of_what_an_arm_is(judged):
    result, _ = judged("""
def test_same(arm):
    copy = RUNS.with_name("copy.csv")
    copy.write_text(RUNS.read_text())
    again = arm.recorded.from_csv(copy, metrics={"auc": "val_auc"}, where={"model": "base"})
    assert again == of(arm, "base")
    assert again != of(arm, "base", seed="seed")
    assert of(arm, "wide")["auc"] > again["auc"]
""")
    result.assert_outcomes(passed=1)


def test_a_failed_training_run_is_undecided_with_its_row(judged):
    lines = RUNS.splitlines()
    lines[3] = "base,7,nan,true"
    result, report = judged(
        """
def test_base(arm):
    assert of(arm, "base")["auc"] > 0.5
""",
        runs="\n".join(lines),
    )
    result.assert_outcomes(failed=1)
    (claim,) = report["claims"]
    assert claim["verdict"] == "UNDECIDED"
    assert "runs.csv, row 4" in claim["reason"]


def test_results_that_run_out_are_undecided_with_the_number_that_it_takes(judged):
    result, report = judged("""
def test_base(arm):
    assert of(arm, "base")["auc"] > 0.855

def test_few(arm):
    assert arm.recorded({"auc": [0.9, 0.8, 0.85]})["auc"] > 0.5
""")
    result.assert_outcomes(failed=2)
    base, few = report["claims"]
    assert (base["verdict"], few["verdict"]) == ("UNDECIDED", "UNDECIDED")
    assert base["reason"] == "the recorded results end after 10 training runs"
    needed = re.search(r"this bar needs about (\d+) seeds\. What", base["remedy"])
    assert 10 < int(needed[1]) <= 30
    assert "--mlops-seed" not in base["remedy"]
    assert few["remedy"] == "No claim is decided on fewer than 5 training runs a side, and there are 3."


def test_true_and_false_make_a_rate(judged):
    _, report = judged("""
def test_rate(arm):
    runs = arm.recorded.from_csv(RUNS, metrics=["converged"])
    assert runs["converged"] > 0.3
""")
    assert report["claims"][0]["method"] == "exact binomial test"


def test_zero_and_one_in_a_file_have_to_be_true_and_false(judged):
    result, _ = judged(
        """
def test_rate(arm):
    assert of(arm, "base")["auc"] > 0.3
""",
        runs="model,val_auc\n" + "base,0\nbase,1\nbase,1\n" * 4,
    )
    result.stdout.fnmatch_lines(["*Record it as true or false.*"])


def test_a_recorded_arm_meets_a_trained_one_under_its_seeds(judged):
    result, report = judged("""
def train(run):
    return {"auc": 0.95 + 0.001 * float(run.rng("noise").normal())}

def test_better_than_published(arm):
    assert arm(train)["auc"] > of(arm, "base", seed="seed")["auc"]

def test_other_seeds(arm):
    wide = of(arm, "wide", seed="seed")
    assert arm(train).using(seeds=[7, 1, 4, 0, 2])["auc"] > wide["auc"]
""")
    result.assert_outcomes(passed=2)
    assert [claim["seeds"] for claim in report["claims"]] == [[0, 1, 2, 3, 4], [7, 1, 4, 0, 2]]


def test_sorted_results_are_an_error_and_no_verdict(judged):
    header, *rows = RUNS.splitlines()
    by_auc = sorted(rows, key=lambda row: float(row.split(",")[2]))
    gates = """
def test_wide(arm):
    assert of(arm, "wide")["auc"] > of(arm, "base")["auc"]
"""
    result, report = judged(gates, runs="\n".join([header, *by_auc]))
    result.assert_outcomes(failed=1)
    assert report["claims"][0]["verdict"] == "ERROR"
    result.stdout.fnmatch_lines(["*is sorted from its first training run to its last*"])


def test_a_plan_takes_recorded_results_in_pairs_by_seed_too(judged):
    result, _ = judged(
        """
def test_wide(arm):
    assert of(arm, "wide", seed="seed")["auc"] > of(arm, "base", seed="seed")["auc"]
""",
        "--mlops-plan",
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*wide*"])


def test_training_runs_that_have_no_partner_are_told(judged):
    result, report = judged("""
def test_wide(arm):
    few = arm.recorded({"auc": [0.91, 0.90, 0.92, 0.91, 0.93, 0.90]})
    assert few["auc"] > of(arm, "base")["auc"]
""")
    result.assert_outcomes(passed=1)
    assert any("the first 6 have partners" in remark for remark in report["claims"][0]["remarks"])
