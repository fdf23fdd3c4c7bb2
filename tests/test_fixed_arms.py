"""Fixed arms end to end: one training run, counted once, in judging, planning, training ahead and trying out."""

import json

import pytest

GATES = """
import numpy as np

def train(run, *, gain=0.0, patients=0, wrong=False):
    value = 0.8 + gain + 0.005 * run.rng("noise").normal()
    if wrong:
        raise ValueError("no such checkpoint")
    if patients:
        ease = np.random.default_rng(0).normal(0, 0.1, patients)
        own = np.random.default_rng(round(1000 * gain)).normal(0, 0.02, patients)
        run.cases("dice", case=np.arange(patients), value=value + ease + own)
    return {"acc": value, "ok": bool(value > 0.5)}

"""


@pytest.fixture
def gates(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_smoke = off\n")

    def run(body, *options):
        pytester.makepyfile(test_gates=f"{GATES}def test_gate(arm):\n    {body}\n")
        return pytester.runpytest_inprocess(*(options or ["--mlops"]))

    return run


def claim_of(pytester):
    report = json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
    (claim,) = report["claims"]
    return claim, report


GAIN = "baseline = arm(train).using(seeds=[0]); assert arm(train, gain=0.05)['acc'] > baseline['acc'] + 0.01"


def test_every_seed_of_the_trained_arm_stands_against_one_run(gates, pytester):
    result = gates(GAIN)
    result.assert_outcomes(passed=1)
    claim, report = claim_of(pytester)
    assert (claim["n"], claim["trained"]) == (5, 6)
    assert claim["holds_for"] == "new seeds, on these cases, given this baseline"
    assert claim["method"].endswith("guarded for skewness")
    assert {arm["label"]: arm["runs"] for arm in report["arms"]} == {
        "train(gain=0.05)": 5,
        "train().using(seeds=(0,))": 1,
    }
    assert claim["sides"][1]["sd"] is None
    result.stdout.fnmatch_lines(["*holds for new seeds, on these cases, given this baseline*"])


def test_the_seed_of_the_fixed_arm_is_left_out_for_the_others(gates, pytester):
    # Seed 0 shares its luck: the same noise stream is in both runs of it.
    gates(GAIN)
    claim, _ = claim_of(pytester)
    assert claim["seeds"] == [1, 2, 3, 4, 5]
    assert any("no pair has the seed of a fixed arm" in remark for remark in claim["remarks"])
    gates(GAIN.replace("[0]", "[77]"))
    claim, _ = claim_of(pytester)
    assert claim["seeds"] == [0, 1, 2, 3, 4]
    assert claim["remarks"] == []


def test_a_run_has_the_index_that_it_has_in_other_claims(gates, pytester):
    body = GAIN.replace("train, gain=0.05", "indexed, gain=0.05")
    pytester.makepyfile(
        test_gates=GATES
        + "def indexed(run, *, gain):\n    assert run.index == run.seed\n    return train(run, gain=gain)\n\n"
        + f"def test_gate(arm):\n    {body}\n"
    )
    pytester.runpytest_inprocess("--mlops").assert_outcomes(passed=1)


def test_it_is_trained_once_and_reused(gates, pytester):
    gates(GAIN)
    gates(GAIN.replace("+ 0.01", "+ 0.02"))
    claim, _ = claim_of(pytester)
    assert (claim["trained"], claim["reused"]) == (0, 6)


def test_its_failure_ends_the_claim_before_the_other_arm_trains(gates, pytester):
    result = gates(
        "baseline = arm(train, wrong=True).using(seeds=[3]); assert arm(train)['acc'] > baseline['acc']"
    )
    result.assert_outcomes(failed=1)
    claim, report = claim_of(pytester)
    assert (claim["verdict"], claim["trained"]) == ("UNDECIDED", 1)
    assert report["failed_runs"][0]["seed"] == 3


def test_too_few_seeds_without_that_of_the_fixed_arm_are_an_error(gates):
    body = (
        "baseline = arm(train).using(seeds=[0]); "
        "assert arm(train, gain=0.05).using(seeds=[0, 1, 2, 3, 4])['acc'] > baseline['acc']"
    )
    result = gates(body)
    result.stdout.fnmatch_lines(["*SettingError*using(seeds=...) leaves 4 seeds*"])


BOTH = "one, two = (arm(train, gain=g, patients={}).using(seeds=[s]) for g, s in ((0.05, 7), (0.0, 9))); "


def test_two_fixed_arms_are_judged_over_their_patients(gates, pytester):
    result = gates(BOTH.format(50) + "assert one['dice'] > two['dice'] + 0.01")
    result.assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert (claim["n"], claim["max_n"], claim["trained"]) == (1, 1, 2)
    assert claim["method"] == "patients alone, guarded for skewness"
    assert claim["holds_for"] == "new patients, given this one and this baseline"
    assert claim["collapse_bound"] is None
    result.stdout.fnmatch_lines(["*holds for new patients, given this one and this baseline*"])


def test_two_fixed_arms_without_patients_are_one_clear_error_after_one_run(gates, pytester):
    result = gates(BOTH.format(0) + "assert one['acc'] > two['acc']")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ClaimError*over seeds nothing can be said*", "*run.cases(...)*"])
    claim, _ = claim_of(pytester)
    assert (claim["verdict"], claim["trained"]) == ("ERROR", 1)


def test_a_claim_of_fixed_arms_stops_at_the_budget_too(gates, pytester):
    gates(BOTH.format(50) + "assert one['dice'] > two['dice']", "--mlops", "--mlops-budget=0.0001s")
    claim, _ = claim_of(pytester)
    assert claim["verdict"] == "UNDECIDED"
    assert "budget" in claim["reason"]
    assert "--mlops-budget" in claim["remedy"]


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ("arm(train)['ok'] > baseline['ok']", "one answer, which is no rate"),
        ("arm(train)['failed'] < baseline['failed']", "one answer, which is no rate"),
        ("arm(train)['seconds'] < baseline['seconds'] * 0.8", "compared pair by pair"),
        ("baseline['failed'] < 0.2", "one answer, which is no rate"),
    ],
)
def test_what_one_run_cannot_stand_for_is_refused(gates, claim, says):
    result = gates(f"baseline = arm(train).using(seeds=[0]); assert {claim}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{says}*"])


def test_a_plan_counts_it_once(gates):
    result = gates(GAIN, "--mlops-plan")
    result.stdout.fnmatch_lines(
        ["*(* to *, at most 27), *", "  pilot: 3 pairs, 4 training runs done for it and kept; *"]
    )
    result = gates(BOTH.format(50) + "assert one['dice'] > two['dice']", "--mlops-plan")
    result.stdout.fnmatch_lines(["  AFFORDABLE: 2 more training runs*", "*one look over their patients*"])


def test_training_ahead_trains_it_once_beside_the_same_arm_on_all_seeds(gates):
    body = GAIN + "; assert arm(train, gain=0.05)['acc'] > arm(train)['acc']"
    result = gates(body, "--mlops-fill=4")
    result.stdout.fnmatch_lines(
        ["fill: train().using(seeds=(0,)): 1 of 1 seed finished", "fill: train(): 4 of 4 seeds finished"]
    )


def test_against_itself_it_has_no_noise(gates):
    result = gates(GAIN, "--mlops-aa", "--mlops-max-seeds=8")
    result.stdout.fnmatch_lines(["train(gain=0.05)*8 training runs", "aa: 1 metric judged*"])
    result = gates(BOTH.format(50) + "assert one['dice'] > two['dice']", "--mlops-aa")
    result.stdout.fnmatch_lines(["aa: *fixed arms have one training run each*"])


def test_it_is_tried_out_under_its_seed(gates):
    result = gates(GAIN.replace("[0]", "[5]"), "--mlops-smoke")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["smoke: train().using(seeds=(5,)), seed 5, cpu"])
