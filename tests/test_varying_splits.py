"""Gates whose splits vary with the seed, and gates that name their method, from the test file to the report."""

import json

import pytest

GATES = """
import numpy as np
import pytest

N = 100
rng = np.random.default_rng(0)
X = rng.normal(size=(N, 4))
Y = X[:, 0] + 0.7 * X[:, 1] + 0.5 * rng.normal(size=N)
PATIENTS = [f"p{i // 4}" for i in range(N)]

def train(run, *, columns=2, by=None, folds=None, test=None, fail=False):
    if fail and run.index < 3:
        raise ValueError("no")
    fit, held = run.split(N, by=by, folds=folds, test=test, groups=PATIENTS)
    weights = np.linalg.lstsq(X[fit][:, :columns], Y[fit], rcond=None)[0]
    error = (Y[held] - X[held][:, :columns] @ weights) ** 2
    return {"mse": float(error.mean()), "ok": bool(error.mean() < 0.3)}
"""

HELPS = """
def test_helps(arm):
    assert arm(train, folds=5)["mse"] < arm(train, folds=5, columns=1)["mse"]
"""


@pytest.fixture
def run_gates(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")

    def run(gates, *options, interrupted=False):
        pytester.makepyfile(test_gates=GATES + gates)
        return pytester.runpytest_inprocess(*(options or ["--mlops"]), no_reraise_ctrlc=interrupted)

    return run


@pytest.fixture
def claims(pytester):
    return lambda: json.loads((pytester.path / "mlops-report" / "report.json").read_text())["claims"]


def test_cross_validation_is_judged_once_and_says_so_before_it_is_paid(run_gates, claims):
    result = run_gates(HELPS)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "  pair  1/30 *",
            "  splits vary with the seed: judged once, after 30 seeds (6 repeats of 5 folds),",
            "    by a variance corrected for their overlap, without looks in between",
            "  price: pair 1 took *; to decide: 58 more training runs:",
            "  pair 30/30 * t *, needs 1.70 *",
        ]
    )
    (claim,) = claims()
    assert (claim["n"], claim["max_n"], claim["verdict"]) == (30, 30, "PASS")
    assert claim["method"] == "corrected resampled t-test, guarded for skewness"
    assert claim["holds_for"] == "new seeds and new splits of these data"
    assert claim["collapse_bound"] is None
    assert "6 repeats of 5 folds" in claim["remarks"][-1]


def test_the_store_tells_it_before_the_first_pair(run_gates, claims):
    run_gates(HELPS, "--mlops", "--mlops-max-seeds=10")
    assert claims()[0]["n"] == 10
    result = run_gates(HELPS, "--mlops", "--mlops-max-seeds=20")
    result.stdout.no_fnmatch_line("*to decide: *on average*")
    result.stdout.fnmatch_lines(
        [
            "  splits vary with the seed: judged once, after 20 seeds (4 repeats of 5 folds),",
            "  pair 10/20 *reused*",
            "  price: about *; to decide: 20 training runs:",
            "  pair 11/20 *",
        ]
    )
    assert claims()[0]["n"] == 20


def test_what_was_priced_as_sequential_is_priced_again(run_gates):
    # Another arm of the same function tells what a training run takes, and nothing of the splits of this one.
    fixed = "def test_a(arm):\n    assert arm(train)['mse'] < 5\n"
    run_gates(fixed, "--mlops", "--mlops-max-seeds=5")
    result = run_gates(HELPS)
    result.stdout.fnmatch_lines(
        [
            "  price: about *; to decide: 10 to 60 training runs, *on average:",
            "  pair  1/30 *",
            "  splits vary with the seed:*",
            "  price: pair 1 took *; to decide: 58 more training runs:",
        ]
    )


def test_an_interrupted_cross_validation_goes_on_and_is_judged_at_the_end(run_gates, claims, monkeypatch):
    monkeypatch.setenv("STOP_AT", "13")
    stop = """
import os
from functools import wraps
whole = train
@wraps(whole)
def train(run, **words):
    if run.index == int(os.environ.get("STOP_AT", "99")):
        raise KeyboardInterrupt
    return whole(run, **words)
"""
    run_gates(stop + HELPS, "--mlops", interrupted=True)
    (claim,) = claims()
    assert (claim["verdict"], claim["reason"]) == ("UNDECIDED", "interrupted")
    assert claim["holds_for"] == "new seeds and new splits of these data"
    assert claim["p_value"] is None  # thirteen pairs far apart would have passed by any look
    monkeypatch.setenv("STOP_AT", "99")
    monkeypatch.delenv("STOP_AT")
    run_gates(stop + HELPS).assert_outcomes(passed=1)
    (claim,) = claims()
    assert (claim["verdict"], claim["n"]) == ("PASS", 30)


def test_a_split_drawn_by_the_seed_and_a_bar(run_gates, claims):
    result = run_gates(
        """
@pytest.mark.mlops(max_seeds=12)
def test_bar(arm):
    assert arm(train, by="seed", test=0.3)["mse"] < 0.6
"""
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "  splits vary with the seed: judged once, after 12 seeds (12 splits drawn by the*",
            "*holds for new seeds and new splits of these data; corrected*",
        ]
    )
    assert claims()[0]["method"] == "corrected resampled t-test, guarded for skewness"


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (
            'arm(train, folds=5)["mse"] < arm(train, columns=1)["mse"]',
            "*SplitError: * is fixed: *Call run.split alike in all arms*",
        ),
        (
            'arm(train, folds=5)["mse"] < arm(train, folds=4)["mse"]',
            "*SplitError: *split differently: fold 1 of 5*fold 1 of 4*",
        ),
        (
            'arm(train, by="seed")["mse"] < arm(train, by="seed", test=0.4, columns=1)["mse"]',
            "*SplitError: *split differently: by the seed: 20 tested, 80 to fit, and by the seed: 40 tested*",
        ),
        (
            'arm(train, folds=5)["mse"] < arm.recorded({"mse": [9.0] * 30})["mse"]',
            "*SplitError: *nothing is known of the splits behind recorded*",
        ),
        (
            'arm(train, folds=5)["ok"] > 0.5',
            "*ClaimError: *a yes/no metric, and its splits vary with the seed*",
        ),
        (
            'arm(train, folds=5)["failed"] < 0.5',
            "*ClaimError: *a yes/no metric, and its splits vary with the seed*",
        ),
    ],
)
def test_what_no_test_holds_for_is_one_error_after_one_pair(run_gates, claims, claim, message):
    result = run_gates(f"def test_it(arm):\n    assert {claim}\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])
    (found,) = claims()
    assert found["verdict"] == "ERROR"
    assert found["trained"] <= 2


def test_too_few_seeds_for_the_folds_are_found_at_the_first_run(run_gates, claims):
    result = run_gates(HELPS.replace("folds=5", "folds=10"), "--mlops", "--mlops-max-seeds=9")
    result.stdout.fnmatch_lines(["*one repeat of 10 folds needs 10 seeds, and max_seeds = 9*"])
    assert claims()[0]["trained"] == 1


def test_a_smoke_run_finds_it_before_anything_is_paid(run_gates, claims):
    # A loader makes the smoke run short, so that it comes by itself before the first training run.
    gate = """
def load(run, *, folds=10):
    fit, _ = run.split(X, folds=folds)
    for batch in run.loader(fit, batch_size=4):
        pass
    return {"mse": 1.0}

def test_few(arm):
    assert arm(load)["mse"] < 2
"""
    result = run_gates(gate, "--mlops", "--mlops-max-seeds=9")
    result.stdout.fnmatch_lines(["*needs 10 seeds, and max_seeds = 9*", "*before anything was paid*"])
    assert claims()[0]["trained"] == 0


def test_failed_runs_that_count_as_the_worst_value_open_no_early_look(run_gates, claims):
    result = run_gates(
        """
@pytest.mark.mlops(on_failure="mse=9")
def test_no_worse(arm):
    assert arm(train, folds=5, fail=True)["mse"] < arm(train, folds=5, columns=1)["mse"] + 20
"""
    )
    result.assert_outcomes(passed=1)
    assert claims()[0]["n"] == 30


def test_seeds_named_in_another_order_test_other_folds_and_are_trained_anew(run_gates, claims):
    bar = "def test_bar(arm):\n    assert arm(train, folds=5){}['mse'] < 5\n"
    run_gates(bar.format(""), "--mlops", "--mlops-max-seeds=10")
    run_gates(bar.format(".using(seeds=[9, 8, 7, 6, 5, 4, 3, 2, 1, 0])"))
    (claim,) = claims()
    assert (claim["verdict"], claim["n"]) == ("PASS", 10)
    assert (claim["trained"], claim["reused"]) == (10, 0)
    assert any("another fold, at another place among the seeds" in why for why in claim["why"])
    run_gates(bar.format(""), "--mlops", "--mlops-max-seeds=10")
    assert (claims()[0]["trained"], claims()[0]["reused"]) == (0, 10)


def test_attempts_on_fresh_seeds_say_that_the_data_are_the_same(run_gates, claims):
    run_gates(HELPS, "--mlops", "--mlops-max-seeds=10", "--mlops-attempts=spend")
    (claim,) = claims()
    assert claim["n"] == 10
    assert any("the data are the same in all attempts" in remark for remark in claim["remarks"])


ABLATED = """
@pytest.mark.ablate(ridge=[0.0, 1.0]{every})
def test_it(arm):
    assert arm(shrunk)["mse"] < arm(shrunk, columns=1)["mse"]

def shrunk(run, *, ridge=0.0, columns=2):
    fit, held = run.split(N, folds=5, groups=PATIENTS)
    gram = X[fit][:, :columns].T @ X[fit][:, :columns] + ridge * np.eye(columns)
    weights = np.linalg.solve(gram, X[fit][:, :columns].T @ Y[fit])
    return {{"mse": float(((Y[held] - X[held][:, :columns] @ weights) ** 2).mean())}}
"""


def test_splits_that_vary_are_judged_in_each_context_and_not_over_their_mean(run_gates, claims):
    result = run_gates(ABLATED.format(every=""), "--mlops", "--mlops-max-seeds=20")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*SettingError: *ablate(...) asks for the mean over contexts that take turns*"]
    )
    run_gates(ABLATED.format(every=", every=True"), "--mlops", "--mlops-max-seeds=20").assert_outcomes(
        passed=1
    )
    (claim,) = claims()
    assert claim["n"] == 20
    assert claim["holds_for"] == "new seeds and new splits of these data, in each of these 2 contexts"
    assert claim["collapse_bound"] is None


STUDY = """
def shrunk(run, *, columns=2, ridge=0.0, late=False):
    if late and run.index < 2:
        raise ValueError("no")
    fit, held = run.split(N, folds=5, groups=PATIENTS)
    gram = X[fit][:, :columns].T @ X[fit][:, :columns] + ridge * np.eye(columns)
    weights = np.linalg.solve(gram, X[fit][:, :columns].T @ Y[fit])
    return {"mse": float(((Y[held] - X[held][:, :columns] @ weights) ** 2).mean())}

@pytest.mark.mlops(max_seeds=20, on_failure="mse=9")
def test_study(ablation):
    study = ablation(shrunk, full=dict(columns=2, ridge=0.0, late=LATE), without=dict(columns=1, ridge=40.0),
                     lower_is_better=["mse"])
    assert study["mse"].each_component_helps(by=0.0)
    with pytest.raises(Exception, match="splits vary with the seed"):
        study["mse"].best()
"""


@pytest.mark.parametrize("late", ["False", "True"])
def test_rows_of_an_ablation_whose_splits_vary_are_judged_once_each_at_its_share_of_alpha(
    run_gates, claims, late
):
    # With LATE the first runs of every arm fail before they split, so that only the third pair tells that splits vary.
    result = run_gates(STUDY.replace("LATE", late))
    assert {claim["method"].partition(",")[0] for claim in claims()} == {"corrected resampled t-test"}
    assert [claim["n"] for claim in claims()] == [20, 20]
    assert {claim["alpha"] for claim in claims()} == {0.025}
    if late == "False":
        result.assert_outcomes(passed=1)


def test_runs_show_has_the_split(run_gates, pytester):
    run_gates(HELPS, "--mlops", "--mlops-max-seeds=5")
    listed = pytester.run("pytest-mlops", "runs").outlines
    shown = pytester.run("pytest-mlops", "runs", "show", listed[0].split()[0])
    shown.stdout.fnmatch_lines(["Splits that vary", "  split  fold 5 of 5, repeat 1: 20 tested, 80 to fit"])


def test_a_plan_says_one_look_and_its_price(run_gates):
    result = run_gates(HELPS, "--mlops-plan", "--mlops-max-seeds=12")
    result.stdout.fnmatch_lines(
        [
            "  splits vary with the seed: judged once, after 10 seeds (2 repeats of 5 folds),",
            "  AFFORDABLE: 14 more training runs, *",
            "*0, no difference * 0.05 * 14 *",
        ]
    )


def test_arms_against_themselves_say_that_splits_differ(run_gates):
    result = run_gates(HELPS, "--mlops-aa", "--mlops-max-seeds=12")
    result.stdout.fnmatch_lines(["*note: splits vary with the seed, so that no two training runs are alike*"])
    result.stdout.no_fnmatch_line("*false alarms: *")


# --- methods by name


def noisy(option, claim):
    return f"""
def noisy(run, *, gain=0.0, name="a"):
    value = 0.8 + gain + 0.01 * run.rng(name).normal()
    return {{"acc": value, "ok": value > 0.8}}

@pytest.mark.mlops({option})
def test_it(arm):
    one, other = arm(noisy, gain=0.02, name="b"), arm(noisy)
    assert {claim}
"""


GAIN = 'one["acc"] > other["acc"]'


def test_sign_flips_begin_at_eight_and_say_so(run_gates, claims):
    result = run_gates(noisy("method='signflip'", GAIN))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["  method signflip: the first look comes after 8 seeds; fewer than 8 cannot pass"]
    )
    (claim,) = claims()
    assert claim["method"] == "sequential sign-flip test"
    assert 8 <= claim["n"] < 30


def test_the_bootstrap_costs_max_seeds_and_says_so(run_gates, claims):
    result = run_gates(noisy("max_seeds=15", GAIN), "--mlops", "--mlops-method=bootstrap")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "  method bootstrap: judged once, after 15 seeds, without looks in between",
            "*to decide: 28 more training runs:",
        ]
    )
    assert (claims()[0]["method"], claims()[0]["n"]) == ("studentised bootstrap", 15)


@pytest.mark.parametrize(
    ("option", "claim", "message"),
    [
        (
            "method='signflip'",
            'one["ok"] > 0.5',
            "*a yes/no metric, which method = signflip does not judge*method='auto'*",
        ),
        (
            "method='bootstrap'",
            'one["failed"] < 0.5',
            "*a yes/no metric, which method = bootstrap does not judge*",
        ),
        (
            "method='bootstrap'",
            'one["seconds"] < other["seconds"] * 2',
            "*what training costs, which method = bootstrap does not judge*",
        ),
        (
            "method='signflip', max_seeds=7",
            GAIN,
            "*method = signflip needs 8 seeds at least, and there are 7*",
        ),
        (
            "method='bootstrap', max_seeds=9",
            GAIN,
            "*method = bootstrap needs 10 seeds at least, and there are 9*",
        ),
        ("method='signflip', confirm_harm=True", GAIN, "*method = signflip has no boundary of harm*"),
        ("method='bootstrap', alpha=0.0005", GAIN, "*alpha = 0.0005 is finer than the resamples*"),
        (
            "method='bootstrap')\n@pytest.mark.ablate(gain=[0.0, 0.1]",
            'arm(noisy, name="b")["acc"] > arm(noisy)["acc"]',
            "*the mean over contexts (ablate), which method = bootstrap does not judge*",
        ),
        (
            "method='signflip'",
            'arm(train, folds=5)["mse"] < 5',
            "*its splits vary with the seed, and method = signflip takes*",
        ),
    ],
)
def test_what_a_method_cannot_judge_is_one_error(run_gates, option, claim, message):
    result = run_gates(noisy(option, claim))
    assert result.ret == 1
    result.stdout.fnmatch_lines([message])


def test_another_method_is_another_attempt(run_gates, claims):
    run_gates(noisy("max_seeds=10", GAIN))
    run_gates(noisy("max_seeds=10, method='bootstrap'", GAIN))
    assert any("attempt 2 at this claim" in remark for remark in claims()[0]["remarks"])


def test_a_plan_of_a_method_by_name_says_whose_forecast_it_is(run_gates):
    result = run_gates(noisy("method='bootstrap'", GAIN), "--mlops-plan")
    result.stdout.fnmatch_lines(
        [
            "  method bootstrap: judged once, after 30 seeds*",
            "*the forecast is that of the t-test at the looks of method = bootstrap*",
        ]
    )
