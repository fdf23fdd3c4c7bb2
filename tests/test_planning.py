"""Sessions that judge no claim: plan, train ahead, an arm against itself."""

import subprocess
import sys

import pytest

GATES = """
import pytest

def train(run, *, gain=0.0, name="a"):
    shared = 0.02 * run.rng("shared").normal()
    return {
        "acc": 0.8 + gain + shared + 0.005 * run.rng(name).normal(),
        "ok": bool(run.rng(name).random() < 0.9),
    }

def test_gain(arm):
    assert arm(train, gain=0.01, name="b")["acc"] > arm(train)["acc"] + 0.002
"""


@pytest.fixture
def run_gates(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")

    def run(*options, more=""):
        pytester.makepyfile(test_gates=GATES + more)
        return pytester.runpytest_inprocess(*options)

    return run


def test_a_plan_says_what_a_claim_costs_and_can_decide(run_gates, pytester):
    result = run_gates("--mlops-plan")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "  AFFORDABLE: about * more training runs (* to *, at most 54), *",
            "  pilot: 3 pairs, 6 training runs done for it and kept; spread *",
            "*if the true value is*P(PASS)*more runs*time*",
            "*0, no difference*",
            "*0.002, the margin*0.05*",
            "*0.004, twice the margin*",
            "*as in the pilot*",
            "*30 seeds show it, with power 0.9, if the true value is above*",
            "*If the estimate is right, 30 seeds can show a margin of about *",
            "plan: 1 claim of 1 gate; no verdict",
            "  AFFORDABLE: about * more training runs (* to *, at most 54), *",
            "  A margin that was chosen by what a pilot showed has to be judged on fresh",
        ]
    )
    assert not (pytester.path / "mlops-report").exists()


SHARED = """
@pytest.fixture(scope="module")
def plain(arm):
    return arm(train)

def test_other(arm, plain):
    assert arm(train, gain=0.02, name="c")["acc"] > plain["acc"]
"""


def test_training_runs_that_claims_share_are_counted_once(run_gates):
    result = run_gates("--mlops-plan", more=SHARED)
    result.stdout.fnmatch_lines(
        [
            "plan: 2 claims of 2 gates, training runs that they share counted once*",
            "  AFFORDABLE: about * at most 81), *",
        ]
    )


def test_what_is_decided_by_the_store_costs_nothing_more(run_gates):
    run_gates("--mlops")
    run_gates("--mlops-fill=30")
    result = run_gates("--mlops-plan")
    result.stdout.fnmatch_lines(["*AFFORDABLE: about 0 more training runs (0, at most *"])


def test_a_failed_training_run_in_the_pilot_ends_the_cost(run_gates):
    more = """
def breaks(run, *, gain=0.0):
    if run.seed == 1:
        raise RuntimeError("no convergence")
    return {"acc": run.rng("x").normal()}

def test_breaks(arm):
    assert arm(breaks, gain=1.0)["acc"] > arm(breaks)["acc"]
"""
    result = run_gates("--mlops-plan", "-k", "breaks", more=more)
    result.stdout.fnmatch_lines(
        ["  NOTHING TO PAY: *", "  note: a training run failed: *no convergence. Nothing more is"]
    )


def test_the_pilot_of_a_plan_counts_when_the_claim_is_judged(run_gates):
    run_gates("--mlops-plan")
    result = run_gates("--mlops")
    result.stdout.fnmatch_lines(["*, 6 reused;*"])


def test_a_plan_of_a_budget_that_is_too_small_says_so(run_gates):
    run_gates("--mlops")
    slow = """
def slow(run, *, gain=0.0):
    import time
    time.sleep(0.2)
    return {"acc": 0.8 + gain + 0.1 * run.rng("x").normal() + 0.1 * run.rng(str(gain)).normal()}

def test_slow(arm):
    assert arm(slow, gain=0.01)["acc"] > arm(slow)["acc"] + 0.13
"""
    result = run_gates("--mlops-plan", "--mlops-budget=3s", "-k", "slow", more=slow)
    result.stdout.fnmatch_lines(["  NOT AFFORDABLE in one session: about * (* to *, at most", "  54), *"])


def test_equivalence_and_rates_are_planned_as_what_they_are(run_gates):
    more = """
def test_same(arm):
    assert arm(train, name="c")["acc"] == pytest.approx(arm(train)["acc"], abs=0.02)

def test_rate(arm):
    assert arm(train)["ok"] > 0.5
"""
    result = run_gates("--mlops-plan", "-k", "same or rate", more=more)
    result.stdout.fnmatch_lines(["*0, the middle*", "*30 seeds show a margin of * either side, with power*"])
    result.stdout.fnmatch_lines(
        [
            "  AFFORDABLE: about * more training runs (*, at most 27), *",
            "*0.5, the bar*0.05*",
            "*, what 30 seeds can show*0.90*",
            "*as in the pilot*",
            "*30 seeds show it with power 0.9 where the true rate is 0.8 or above*",
        ]
    )


def test_filling_trains_the_arms_that_claims_compare_with(run_gates):
    result = run_gates("--mlops-fill=8")
    result.stdout.fnmatch_lines(
        ["fill: train(), seed 0:*", "fill: train(), seed 7:*", "fill: train(): 8 of 8 seeds finished"]
    )
    assert "gain=0.01" not in result.stdout.str()
    result = run_gates("--mlops", "--mlops-max-seeds=8")
    reused = [line for line in result.stdout.lines if "training runs:" in line]
    assert ", 0 reused" not in reused[0]


def test_filling_stops_at_the_budget_and_goes_on(run_gates, monkeypatch):
    more = """
def slow(run, *, gain=0.0):
    import time
    time.sleep(0.3)
    return {"acc": 0.8 + gain + 0.1 * run.rng("x").normal()}

def test_slow(arm):
    assert arm(slow, gain=0.01)["acc"] > arm(slow)["acc"]
"""
    result = run_gates("--mlops-fill=20", "--mlops-budget=2s", "-k", "slow", more=more)
    result.stdout.fnmatch_lines(["fill: slow() stops at seed *", "fill: slow(): * of 20 seeds finished"])
    result = run_gates("--mlops-fill=20", "--mlops-budget=1h", "-k", "slow", more=more)
    result.stdout.fnmatch_lines(["fill: slow(): 20 of 20 seeds finished"])


def test_an_arm_against_itself_tells_the_noise_floor_and_false_alarms(run_gates):
    result = run_gates("--mlops-aa", "--mlops-max-seeds=12")
    result.stdout.fnmatch_lines(
        [
            "train(gain=0.01, name=*, 12 training runs",
            "*differ by chance with a*",
            "*false alarms: 0.0* of 2000 orders*",
            "aa: 2 metrics judged against themselves; no verdict",
        ]
    )


def test_a_typo_in_a_metric_is_an_error_of_a_plan_too(run_gates):
    more = """
def test_typo(arm):
    assert arm(train)["acu"] > 0.5
"""
    result = run_gates("--mlops-plan", "-k", "typo", more=more)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*Did you mean 'acc'*"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--mlops-plan", "--mlops-aa"], "a session does one of them"),
        (["--mlops-fill=0"], "from 1 to 100000"),
        (["--mlops-fill=3", "-n", "2"], "run it without -n"),
    ],
)
def test_what_makes_no_sense_is_used_wrongly(run_gates, options, says):
    result = run_gates(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{says}*"])


@pytest.mark.slow
def test_plan_and_fill_are_commands_of_their_own(pytester):
    pytester.makepyfile(test_gates=GATES)
    command = [sys.executable, "-m", "pytest_mlops.cli"]
    done = subprocess.run([*command, "plan", "-q"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "no verdict" in done.stdout
    done = subprocess.run(
        [*command, "fill", "--seeds", "4", "-q"], capture_output=True, text=True, check=False
    )
    assert "4 of 4 seeds finished" in done.stdout
    assert subprocess.run([*command, "plan", "nowhere.py"], capture_output=True, check=False).returncode == 2


def test_a_plan_over_contexts_counts_the_training_runs_of_each(run_gates):
    more = """
def tuned(run, *, lr=0.1, gain=0.0):
    return {"acc": gain + lr + run.rng("x").normal()}

@pytest.mark.ablate(lr=[0.1, 0.2])
def test_mean(arm):
    assert arm(tuned, gain=1.0)["acc"] > arm(tuned)["acc"]

@pytest.mark.ablate(lr=[0.1, 0.2], every=True)
def test_every(arm):
    assert arm(tuned, gain=1.0)["acc"] > arm(tuned)["acc"]
"""
    result = run_gates("--mlops-plan", "-k", "mean or every", more=more)
    result.stdout.fnmatch_lines(
        [
            '  tuned(gain=1.0)["acc"] > tuned()["acc"]',
            "*note: over 2 contexts: its cost is that of a usual claim*",
            '  tuned(gain=1.0)["acc"] > tuned()["acc"] at lr=0.1',
            '  tuned(gain=1.0)["acc"] > tuned()["acc"] at lr=0.2',
            "plan: 3 claims of 2 gates, *",
        ]
    )
