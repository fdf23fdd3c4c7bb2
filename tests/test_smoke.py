"""Trying gates out: ``--mlops-smoke`` runs every arm once, stores nothing and gives no verdict."""

import json
import sys

import pytest

from pytest_mlops.records import RunKey, RunSpec
from pytest_mlops.training.smoke import smoke_quietly

TRAIN = """
import numpy as np
import pytest

def train(run, *, lr=0.1, returns="auc"):
    print(f"training with lr={lr}")
    return {returns: float("nan")}
"""

LOADS = """
import torch

def train(run, *, size=10):
    batches = sum(1 for epoch in range(3) for x in run.loader(torch.arange(100.0), batch_size=size))
    print(f"{batches} batches of {size}")
    return {"auc": 0.5}
"""


@pytest.fixture
def smoke(pytester):
    """Writes a module and runs it with --mlops-smoke in this process."""
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")

    def run(source, *options):
        pytester.makepyfile(test_gates=source)
        return pytester.runpytest_inprocess("--mlops-smoke", *options)

    return run


def ran(result):
    """Labels of the arms that ran to their end, in order."""
    return [
        line.split(" ran in ")[0].removeprefix("smoke: ") for line in result.outlines if " ran in " in line
    ]


# --- what runs, and what is left behind


def test_every_arm_runs_once_however_many_gates_use_it(smoke):
    result = smoke(
        TRAIN
        + """
@pytest.fixture(scope="module")
def baseline(arm):
    return arm(train)

def test_one(arm, baseline):
    assert arm(train, lr=0.2)["auc"] > baseline["auc"]
    assert baseline["auc"] > 0.9

def test_two(arm, baseline):
    assert arm(train, lr=0.3)["auc"] < baseline["auc"] - 7
"""
    )
    result.assert_outcomes(passed=2)
    assert sorted(ran(result)) == ["train()", "train(lr=0.2)", "train(lr=0.3)"]
    result.stdout.fnmatch_lines(["*smoke: 3 arms ran, no verdict*"])
    assert result.ret == 0


def test_nothing_is_stored_and_no_report_is_written(pytester, smoke):
    smoke(TRAIN + "def test_a(arm):\n    assert arm(train)['auc'] > 0.5\n").assert_outcomes(passed=1)
    assert not (pytester.path / ".mlops").exists()
    assert not (pytester.path / "mlops-report").exists()


def test_a_report_of_before_is_left_alone(pytester, smoke):
    report = pytester.mkdir("mlops-report") / "report.json"
    report.write_text("precious")
    smoke(TRAIN + "def test_a(arm):\n    assert arm(train)['auc'] > 0.5\n")
    assert report.read_text() == "precious"


def test_a_real_run_does_not_use_what_a_smoke_run_returned(pytester, smoke):
    source = "def train(run):\n    return {'auc': 0.8 + run.seed / 100}\n"
    source += "def test_a(arm):\n    assert arm(train)['auc'] > 0.5\n"
    smoke(source)
    result = pytester.runpytest_inprocess("--mlops")
    result.stdout.fnmatch_lines(["*5 trained, 0 reused*"])


def test_loaders_stop_after_two_batches_a_pass(smoke):
    result = smoke(
        LOADS
        + """
def test_a(arm):
    assert arm(train)["auc"] > arm(train, size=100)["auc"]
"""
    )
    result.stdout.fnmatch_lines(["6 batches of 10", "3 batches of 100"])


def test_output_goes_to_the_terminal_while_pytest_captures(smoke):
    result = smoke(TRAIN + "def test_a(arm):\n    assert arm(train)['auc'] > 0.5\n")
    result.stdout.fnmatch_lines(["training with lr=0.1"])


def test_a_real_run_is_no_smoke_run(pytester, smoke):
    pytester.makepyfile("""
def train(run):
    return {"smoke": float(run.smoke) + run.seed / 1000}

def test_a(arm):
    assert arm(train)["smoke"] < 0.5
""")
    pytester.runpytest_inprocess("--mlops").assert_outcomes(passed=1)


def test_artifacts_go_to_a_folder_that_is_gone_afterwards(pytester, smoke):
    result = smoke("""
def train(run):
    path = run.artifact("model.pt")
    path.write_text("weights")
    print("kept in", path)
    return {"auc": 0.5}

def test_a(arm):
    assert arm(train)["auc"] > 0.4
""")
    result.stdout.fnmatch_lines(["kept in *mlops-smoke-*"])
    result.assert_outcomes(passed=1)


def test_global_state_is_put_back(smoke):
    smoke("""
import os, random, sys, warnings

def rude(run):
    random.seed(1); os.chdir("/"); os.environ["RUDE"] = "yes"; warnings.warn("rude")
    return {"auc": 0.9}

def test_rude(arm):
    before = (random.getstate(), os.getcwd(), os.environ.get("RUDE"), list(warnings.filters))
    assert arm(rude)["auc"] > 0.5
    assert before == (random.getstate(), os.getcwd(), os.environ.get("RUDE"), list(warnings.filters))
""").assert_outcomes(passed=1)


def test_a_warning_is_shown_and_never_raised(smoke):
    result = smoke(
        """
import warnings

def train(run):
    warnings.warn("careful")
    return {"auc": 0.9}

def test_a(arm):
    assert arm(train)["auc"] > 0.5
""",
        "-W",
        "error",
    )
    result.assert_outcomes(passed=1)
    result.stderr.fnmatch_lines(["*UserWarning: careful*"])


def test_a_device_that_is_not_there_becomes_the_cpu_and_is_said_once(smoke):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    result = smoke(
        TRAIN
        + """
def test_a(arm):
    assert arm(train)["auc"] > arm(train, lr=0.2)["auc"]
""",
        "--mlops-device=cuda",
    )
    result.assert_outcomes(passed=1)
    said = [line for line in result.outlines if "device = cuda is not there" in line]
    assert len(said) == 1


# --- what it finds


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ("arm(train)['acu'] > 0.5", "*no metric 'acu'*Did you mean 'auc'*"),
        ("arm(train)['auc/*'] > 0.5", "*matches none of its metrics*"),
        ("arm(train, returns='a/x')['a/*'] > arm(train, returns='a/y')['a/*']", "*match different names*"),
        ("arm(yes)['ok'] > 1.5", "*a rate lies between 0 and 1*"),
        ("arm(text)['auc'] > 0.5", "*'auc'*not a real number*"),
        ("arm(nothing)['auc'] > 0.5", "*returned nothing*"),
        ("arm(train, l=3)['auc'] > 0.5", "*no parameter 'l'*"),
        ("arm(train).using(data='missing.npy')['auc'] > 0.5", "*cannot be read*"),
        ("arm(skips)['auc'] > 0.5", "*can return metrics or fail*Skipped: not today*"),
        ("arm.recorded({'auc': [0.5]})['acu'] > 0.5", "*no metric 'acu'*"),
    ],
)
def test_a_mistake_is_found(smoke, claim, says):
    result = smoke(
        TRAIN
        + f"""
def yes(run):
    return {{"ok": True}}

def text(run):
    return {{"auc": "high"}}

def nothing(run):
    pass

def skips(run):
    pytest.skip("not today")

def test_a(arm):
    assert {claim}
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([says])
    assert result.ret == 1


def test_a_family_of_names_that_stopped_early_is_a_doubt_and_no_failure(smoke):
    result = smoke("""
import torch

def train(run):
    sites = {int(x) for batch in run.loader(torch.arange(100.0), batch_size=1, shuffle=False) for x in batch}
    return {f"auc/{site}": 0.5 for site in sites}

def test_a(arm):
    assert arm(train)["auc/7"] > 0.5
""")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*no metric 'auc/7'*only training can tell*"])


def test_an_exception_is_shown_where_it_happened_without_frames_of_ours(smoke):
    result = smoke("""
def train(run):
    return {"auc": undefined_name}

def test_a(arm):
    assert arm(train)["auc"] > 0.5
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert arm(train)*", '>*return {"auc": undefined_name}', "E*NameError*"])
    assert (
        "pytest_mlops" not in result.stdout.str().partition("FAILURES")[2].partition("short test summary")[0]
    )


def test_an_arm_that_broke_is_not_run_again_in_another_gate(smoke):
    result = smoke("""
def train(run):
    print("begins")
    raise ValueError("no such file")

def test_a(arm):
    assert arm(train)["auc"] > 0.5

def test_b(arm):
    assert arm(train)["auc"] > 0.6
""")
    result.assert_outcomes(failed=2)
    assert result.outlines.count("begins") == 1
    result.stdout.fnmatch_lines(["*SmokeError*test_a: ValueError: no such file*"])


# --- no verdict: guard, xfail


def test_a_gate_without_a_claim_still_fails(smoke):
    result = smoke("def test_a(arm):\n    pass\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*asked no claim*"])


def test_a_claim_that_is_never_asked_still_fails(smoke):
    source = TRAIN + "def test_a(arm):\n    arm(train)['auc'] > 0.5\n"
    smoke(source).assert_outcomes(failed=1)


def test_lines_after_a_claim_are_reached(smoke):
    result = smoke(
        TRAIN
        + """
def test_a(arm):
    if not arm(train)["auc"] > 0.5:
        return
    assert arm(train, lr=0.2)["auc"] < 0.1
"""
    )
    assert sorted(ran(result)) == ["train()", "train(lr=0.2)"]


@pytest.mark.parametrize("mark", ["strict=True", "strict=False"])
def test_an_expected_failure_is_not_expected_of_a_smoke_run(smoke, mark):
    result = smoke(
        TRAIN
        + f"""
@pytest.mark.xfail({mark})
def test_good(arm):
    assert arm(train)["auc"] > 0.5

@pytest.mark.xfail({mark})
def test_broken(arm):
    assert arm(train)["acu"] > 0.5

@pytest.mark.xfail({mark})
def test_plain():
    assert False
"""
    )
    result.assert_outcomes(passed=1, failed=1, xfailed=1)


# --- living with pytest


def test_options_of_pytest_select_and_stop(smoke):
    source = TRAIN + "def test_a(arm):\n    assert arm(train)['acu'] > 0.5\n"
    source += "def test_b(arm):\n    assert arm(train, lr=0.2)['auc'] > 0.5\n"
    smoke(source, "-x").assert_outcomes(failed=1)
    smoke(source, "-k", "test_b").assert_outcomes(passed=1, deselected=1)
    smoke(source, "-s").assert_outcomes(passed=1, failed=1)


def test_xdist_workers_smoke_inline_and_arms_are_counted_together(pytester, smoke):
    source = TRAIN
    for place in range(4):
        source += f"def test_{place}(arm):\n    assert arm(train, lr={place % 2})['auc'] > 0.{place}\n"
    pytester.makepyfile(test_gates=source)
    result = pytester.runpytest_subprocess("--mlops-smoke", "-n", "2")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*smoke: 2 arms ran, no verdict*"])


def _with_input(pytester, source, text, *options):
    pytester.makepyfile(test_gates=source)
    command = [sys.executable, "-m", "pytest", "--mlops-smoke", "-p", "no:randomly", *options]
    return pytester.run(*command, stdin=text.encode())


def test_pdb_enters_the_training_function(pytester, smoke):
    source = """
def train(run):
    depth = "in the training function"
    raise ValueError("no")

def test_a(arm):
    assert arm(train)["auc"] > 0.5
"""
    result = _with_input(pytester, source, "p depth\nup\np arm\nq\n", "--pdb")
    result.stdout.fnmatch_lines(["*'in the training function'*", "*<arm: call it*"])


def test_a_breakpoint_stops_in_the_training_function(pytester, smoke):
    source = """
def train(run):
    inner = "found"
    breakpoint()
    print("went on")
    return {"auc": 0.5}

def test_a(arm):
    assert arm(train)["auc"] > 0.4
"""
    result = _with_input(pytester, source, "p inner + ' it'\nc\n")
    result.stdout.fnmatch_lines(["*found it*"])
    assert result.ret == 0


# --- new arms are smoked by themselves


NEW = """
import pytest
import torch

def fit(run, size):
    return [float(x.sum()) for x in run.loader(torch.arange(100.0), batch_size=size)]

def train(run, *, size=10, gain=0.0):
    seen = fit(run, size)
    return {"auc": 0.8 + gain + 0.01 * run.rng("noise" if gain == 0 else "more").normal(), "n": len(seen)}
"""

GAIN = NEW + "\ndef test_gain(arm):\n    assert arm(train, gain=0.1)['auc'] > arm(train)['auc']\n"


@pytest.fixture
def gates(pytester, smoke):
    """Writes a module and runs it with --mlops in this process."""

    def run(source, *options):
        pytester.makepyfile(test_gates=source)
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


def report_of(pytester):
    return json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))


def test_all_new_arms_of_a_claim_are_smoked_before_the_first_trains(gates):
    result = gates(GAIN)
    result.assert_outcomes(passed=1)
    lines = [line for line in result.outlines if line.startswith("smoke:") or " pair " in line]
    assert [line.split(" ran in ")[0] for line in lines[:2]] == ["smoke: train(gain=0.1)", "smoke: train()"]
    assert " pair  1/30 " in lines[2]
    assert len(ran(result)) == 2


def test_an_arm_with_any_finished_run_is_not_smoked(gates):
    gates(GAIN)
    assert not ran(gates(GAIN))
    other = GAIN.replace("gain=0.1", "gain=0.2")
    assert ran(gates(other, "--mlops-seed=1")) == ["train(gain=0.2)"]


@pytest.mark.parametrize("where", ["marker", "command line", "configuration"])
def test_it_is_switched_off_three_ways(pytester, gates, where):
    source, options = GAIN, []
    if where == "marker":
        source = GAIN.replace("def test_gain", "@pytest.mark.mlops(smoke='off')\ndef test_gain")
    elif where == "command line":
        options = ["--mlops-smoke=off"]
    else:
        pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_smoke = off\n")
    result = gates(source, *options)
    result.assert_outcomes(passed=1)
    assert not ran(result)


def test_an_impossible_choice_is_refused(gates):
    result = gates(GAIN, "--mlops-smoke=maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--mlops-smoke*maybe*"])


def test_a_smoke_run_changes_no_number_and_is_not_stored(pytester, gates):
    gates(GAIN)
    with_smoke = report_of(pytester)
    gates(GAIN, "--mlops-smoke=off", f"--mlops-store=sqlite:///{pytester.path}/other.sqlite")
    without = report_of(pytester)
    assert with_smoke["claims"][0]["contrasts"] == without["claims"][0]["contrasts"]
    assert with_smoke["session"]["trained"] == without["session"]["trained"]


def test_a_misspelt_metric_is_found_before_anything_is_trained(pytester, gates):
    result = gates(NEW + "\ndef test_a(arm):\n    assert arm(train)['acu'] > arm(train, gain=1)['auc']\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no metric 'acu'*Did you mean*", "*before anything was paid*smoke = off*"])
    assert report_of(pytester)["session"]["trained"] == 0


def test_a_misspelt_metric_of_a_new_arm_beside_a_stored_one_is_found(pytester, gates):
    gates(GAIN)
    result = gates(GAIN.replace("gain=0.1)['auc']", "gain=0.2)['acu']"))
    result.stdout.fnmatch_lines(["*no metric 'acu'*", "*before anything was paid*"])
    assert report_of(pytester)["session"]["trained"] == 0


def broken(before="", after=""):
    """A training function that goes wrong before its loader stops early, or after."""
    return f"""
import torch

def train(run):
    best = None
    {before or "pass"}
    for x in run.loader(torch.arange(100.0), batch_size=10):
        last = x
    {after or "pass"}
    return {{"auc": 0.8 + 0.01 * run.rng("noise").normal()}}

def test_a(arm):
    assert arm(train)["auc"] > 0.5
"""


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"before": "{}['lr']"}, "KeyError: 'lr'"),
        ({"before": "raise ValueError('lr < 0')"}, "ValueError: lr < 0"),
        ({"before": "torch.ones(2, 3) @ torch.ones(2, 3)"}, "RuntimeError*"),
        ({"before": "import sys; sys.exit(2)"}, "*sys.exit(2)*"),
        ({"after": "undefined"}, "NameError*"),
        ({"after": "last.nothing"}, "AttributeError*"),
        ({"after": "last.sum(1, 2, 3, 4)"}, "TypeError*"),
        ({"after": "import no_such_package"}, "ModuleNotFoundError*"),
        ({"after": "open('no/such/folder.txt', 'w')"}, "FileNotFoundError*"),
        ({"after": "run.artifact('/absolute')"}, "RunError*"),
        ({"after": "run.logg(0)"}, "AttributeError*"),
    ],
    ids=str,
)
def test_a_certain_mistake_stops_the_gate_before_anything_is_paid(pytester, gates, where, says):
    result = gates(broken(**where))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"*SmokeError: train() cannot run: {says}",
            "*in a smoke run (two batches of each loader), before anything was paid*",
            "*To stop where it raises: pytest --mlops-smoke --pdb test_gates.py::test_a",
            "*test_gates.py*in train*",
        ]
    )
    text = " ".join(result.stdout.str().split())
    may_be_for_want_of_batches = any(word in where.get("after", "") for word in ("last.", "open"))
    assert ("smoke = off" in text) == may_be_for_want_of_batches
    assert text.count("To stop where it raises") == 2  # at the failure, and in the summary
    assert report_of(pytester)["session"]["trained"] == 0


@pytest.mark.parametrize("returned", ["None", "{'auc': 'high'}", "[0.5]", "{'seconds': 1.0}"])
def test_metrics_that_are_none_stop_the_gate_before_anything_is_paid(pytester, gates, returned):
    result = gates(broken(after=f"return {returned}"))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*SmokeError: train() cannot run: MetricError: *", "*before anything was paid*"]
    )
    assert report_of(pytester)["session"]["trained"] == 0


@pytest.mark.parametrize(
    "after",
    [
        "if run.smoke: raise ValueError('Only one class is present')",
        "if run.smoke: {}['case 7']",
        "if run.smoke: 1 / 0",
        "if run.smoke: best.state_dict()",
        "if run.smoke: best + 1",
        "if run.smoke: open('best.pt')",
        "if run.smoke: return {'auc': best}",
        "if run.smoke: raise RuntimeError('stack expects a non-empty list')",
    ],
)
def test_what_two_batches_may_be_too_few_for_is_a_warning_and_training_goes_on(pytester, gates, after):
    result = gates(broken(after=after))
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["smoke: train(): *Two batches may be too few for it, so training goes on*"])
    assert any("so training goes on" in message["text"] for message in report_of(pytester)["messages"])


def test_a_case_that_comes_after_two_batches_stops_nothing(gates):
    source = """
import torch

def train(run):
    seen = {int(x) for batch in run.loader(torch.arange(10.0), batch_size=1, shuffle=False) for x in batch}
    return {f"auc/{site}": 0.5 + 0.01 * run.rng("noise").normal() for site in seen}

def test_a(arm):
    assert arm(train)["auc/7"] > 0.4
"""
    result = gates(source)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*no metric 'auc/7'*only training can tell*"])


def test_an_arm_whose_smoke_run_would_be_a_whole_training_run_is_not_smoked(pytester, gates):
    source = TRAIN + "def test_a(arm):\n    assert arm(train, returns='acu')['auc'] > arm(train)['auc']\n"
    result = gates(source.replace('float("nan")', "0.5"))
    assert not ran(result)
    result.stdout.fnmatch_lines(["*no metric 'auc'*"])
    assert report_of(pytester)["session"]["trained"] == 1  # and the other arm is not trained for it


def test_global_state_is_put_back_after_an_arm_was_smoked(gates):
    gates(
        NEW
        + """
import os, random

def rude(run):
    random.seed(run.seed); os.chdir("/"); os.environ["RUDE"] = str(run.smoke)
    return {"auc": fit(run, 10)[0] * 0 + 0.9 + 0.01 * run.rng("noise").normal()}

def test_rude(arm):
    before = (random.getstate(), os.getcwd(), os.environ.get("RUDE"))
    assert arm(rude)["auc"] > 0.5
    assert before == (random.getstate(), os.getcwd(), os.environ.get("RUDE"))
"""
    ).assert_outcomes(passed=1)


def test_a_smoke_run_of_a_new_arm_prints_nothing_and_leaves_no_artifact(pytester, gates):
    result = gates(
        NEW
        + """
def train(run):
    run.artifact("model.txt").write_text(f"smoke {run.smoke}")
    print("noisy", run.smoke)
    return {"auc": fit(run, 10)[0] * 0 + 0.9 + 0.01 * run.rng("noise").normal()}

def test_a(arm):
    assert arm(train)["auc"] > 0.5
"""
    )
    result.assert_outcomes(passed=1)
    assert "noisy" not in result.stdout.str()
    files = [path.read_bytes() for path in (pytester.path / ".mlops").rglob("*") if path.is_file()]
    assert {text for text in files if text.startswith(b"smoke ")} == {b"smoke False"}


def test_a_checkpoint_named_by_the_seed_is_nobody_elses(gates):
    gates(
        NEW
        + """
from pathlib import Path

def train(run):
    checkpoint = Path(f"checkpoint-{run.seed}.txt")
    if checkpoint.exists():
        return {"auc": float(checkpoint.read_text())}
    auc = 0.1 if len(fit(run, 10)) < 10 else 0.9 + 0.01 * run.rng("noise").normal()
    checkpoint.write_text(str(auc))
    return {"auc": auc}

def test_a(arm):
    assert arm(train)["auc"] > 0.5
"""
    ).assert_outcomes(passed=1)


def test_seeds_that_an_arm_names_are_the_only_ones_it_is_run_under(gates):
    gates(
        NEW
        + """
SPREAD = {7: 0.90, 3: 0.91, 9: 0.92, 11: 0.90, 5: 0.91}

def train(run):
    return {"auc": SPREAD[run.seed] + 0 * fit(run, 10)[0]}

def test_a(arm):
    assert arm(train).using(seeds=list(SPREAD))["auc"] > 0.5
"""
    ).assert_outcomes(passed=1)


def test_what_an_arm_cached_of_two_batches_does_not_reach_a_training_run(gates):
    gates(
        NEW
        + """
from functools import lru_cache

TOTAL, LISTED, NAMED = None, [], {}

@lru_cache
def cached(run_or_not=None):
    return list(LISTED)

def train(run):
    global TOTAL, LATER
    if TOTAL is None:
        TOTAL = LATER = sum(fit(run, 10))
        LISTED.append(TOTAL)
        NAMED["total"] = TOTAL
    cached()
    assert TOTAL == LATER == LISTED[0] == NAMED["total"] == cached()[0]
    return {"auc": TOTAL + 0.01 * run.rng("noise").normal()}

def test_a(arm):
    assert arm(train)["auc"] > 4949
"""
    ).assert_outcomes(passed=1)


def test_a_loop_that_counts_steps_is_broken_off(tmp_path):
    torch = pytest.importorskip("torch")

    def train(run):
        steps = 0
        while True:
            for _ in run.loader(torch.arange(100.0), batch_size=1):
                steps += 1
                if steps == 10**9:
                    return {"auc": 0.5}

    key = RunKey(function="m:train", code="c", parameters="{}", data="", environment="{}", seed=0)
    assert smoke_quietly(RunSpec(key=key, function=train, given={}, index=0), longest=0.05) is None


def test_the_command_that_tries_an_arm_out_is_quoted_and_leads_back_from_another_folder(pytester, gates):
    deep = pytester.mkdir("deep")
    marked = "@__import__('pytest').mark.parametrize('x', ['a b'])\ndef test_a(arm, x"
    (deep / "test_deep.py").write_text(broken(before="{}['lr']").replace("def test_a(arm", marked))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(deep)
        result = pytester.runpytest_inprocess("--mlops", "-p", "no:randomly")
    result.stdout.fnmatch_lines(["*pytest --mlops-smoke --pdb 'test_deep.py::test_a[[]a b]'"])
