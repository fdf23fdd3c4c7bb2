"""Gates that really train: what is kept, what is trained again, and what a hostile training function can do."""

import json

import pytest

TRAIN = """
def train(run, *, gain=0.0, spread=0.01):
    return {"auc": 0.8 + gain + spread * run.rng("noise" if gain == 0 else "more").normal()}
"""


def report_of(folder):
    return json.loads((folder / "mlops-report" / "report.json").read_text(encoding="utf-8"))


def claims_of(folder):
    wanted = ("verdict", "estimate", "interval", "p_value", "n", "contrasts", "seeds")
    return {claim["test"]: {name: claim[name] for name in wanted} for claim in report_of(folder)["claims"]}


GATES = (
    TRAIN
    + """
import pytest

@pytest.fixture(scope="module")
def shared(arm):
    return arm(train)

def test_gain(arm, shared):
    assert arm(train, gain=0.05)["auc"] > shared["auc"]

def test_large_gain(arm, shared):
    assert arm(train, gain=0.1)["auc"] > shared["auc"] + 0.02

def test_none(arm, shared):
    assert arm(train, gain=1e-9)["auc"] > shared["auc"]

def test_bar(shared):
    assert shared["auc"] > 0.7
"""
)


@pytest.fixture
def gates(pytester):
    """Writes a module and runs it with --mlops in this process."""
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_amp = off\n")

    def run(source, *options):
        pytester.makepyfile(test_gates=source)
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


# --- the store


def test_a_second_session_trains_nothing_and_decides_alike(pytester, gates):
    gates(GATES)
    first, trained = claims_of(pytester.path), report_of(pytester.path)["session"]["trained"]
    gates(GATES)
    assert trained > 0
    assert report_of(pytester.path)["session"]["trained"] == 0
    assert claims_of(pytester.path) == first


def test_gates_that_share_a_baseline_train_it_once(pytester, gates):
    gates(GATES)
    report = report_of(pytester.path)
    known = {arm["label"]: arm["runs"] for arm in report["arms"]}
    assert report["session"]["trained"] == sum(known.values())


@pytest.mark.slow
def test_verdicts_and_numbers_do_not_depend_on_workers_order_or_store(pytester, gates):
    gates(GATES)
    alone = claims_of(pytester.path)
    for options in (["-n", "2"], ["-p", "randomly", "-p", "no:cacheprovider"], []):
        for option in (
            f"--mlops-store=sqlite:///{pytester.path}/other{len(options)}.sqlite",
            "--mlops-report=other",
        ):
            options = [*options, option]
        ini = "[pytest]\naddopts = -p no:hypothesispytest\nmlops_amp = off\n"
        pytester.makeini(
            ini if "randomly" in options else ini.replace("addopts =", "addopts = -p no:randomly")
        )
        plugins = [o for o in options if o != "randomly" and not (o == "-p" and "randomly" in options)]
        pytester.runpytest_subprocess("--mlops", *[p for p in plugins if p != "no:cacheprovider"])
        other = json.loads((pytester.path / "other" / "report.json").read_text(encoding="utf-8"))
        wanted = ("verdict", "estimate", "interval", "p_value", "n", "contrasts", "seeds")
        assert {claim["test"]: {name: claim[name] for name in wanted} for claim in other["claims"]} == alone


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("0.8 + gain", "0.7 + gain", True),
        ("spread=0.01", "spread=0.02", True),
        ("def train", "# a comment\ndef train", False),
        ("def test_bar", "def test_renamed", False),
        ("> 0.7", "> 0.6", False),
    ],
)
def test_what_changed_is_trained_again_and_nothing_else(pytester, gates, old, new, again):
    gates(GATES)
    gates(GATES.replace(old, new))
    assert (report_of(pytester.path)["session"]["trained"] > 0) is again


@pytest.mark.parametrize("option", ["--mlops-threads=2", "--mlops-deterministic=off", "--mlops-amp=bf16"])
def test_another_environment_is_another_run(pytester, gates, option):
    gates(GATES)
    gates(GATES, option)
    assert report_of(pytester.path)["session"]["trained"] > 0


def test_another_root_seed_trains_other_seeds(pytester, gates):
    gates(GATES)
    gates(GATES, "--mlops-seed=1")
    report = report_of(pytester.path)
    assert report["session"]["reused"] < report["session"]["trained"]
    assert report["claims"][0]["seeds"][0] != 0


def test_a_store_that_cannot_be_opened_is_one_clear_error(pytester, gates):
    pytester.makefile(".sqlite", broken="this is no database, " * 100)
    result = gates(GATES, "--mlops-store=sqlite:///broken.sqlite", "-k", "bar")
    result.assert_outcomes(failed=1, deselected=3)
    result.stdout.fnmatch_lines(["*StoreError*broken.sqlite*"])


def why_of(folder):
    return [reason for claim in report_of(folder)["claims"] for reason in claim["why"]]


BAR = TRAIN + "def test_bar(arm):\n    assert arm(train)['auc'] > 0.7\n"


@pytest.mark.parametrize(
    ("old", "new", "options", "why"),
    [
        ("0.8 + gain", "0.7 + 0.1 + gain", [], "train(): train changed"),
        ("arm(train)", "arm(train, gain=0.1)", [], "train(gain=0.1): gain was 0.0"),
        ("0.8", "0.8", ["--mlops-threads=2"], "train(): threads 2, before 1"),
        ("0.8", "0.8", ["--mlops-min-seeds=7"], "train(): no run of seeds 5, 6"),
        ("0.8", "0.8", ["--mlops-min-seeds=6"], "train(): no run of seed 5"),
        ("0.8", "0.8", ["--mlops-rerun"], "train(): --mlops-rerun"),
    ],
)
def test_every_claim_says_why_it_trained(pytester, gates, old, new, options, why):
    gates(BAR)
    assert why_of(pytester.path) == ["train(): first run of this function"]
    gates(BAR)
    assert why_of(pytester.path) == []
    gates(BAR.replace(old, new), *options)
    assert why_of(pytester.path) == [why]


def test_the_file_of_declared_data_that_changed_is_named(pytester, gates):
    folder = pytester.path / "data"
    folder.mkdir()
    for name in ("images", "labels"):
        (folder / f"{name}.txt").write_text("0.9")
    source = """
def read(run):
    return {"auc": float((run.data / "labels.txt").read_text()) + 0.01 * run.rng("noise").normal()}

def test_data(arm):
    assert arm(read).using(data="data")["auc"] > 0.5
"""
    gates(source).assert_outcomes(passed=1)
    (folder / "labels.txt").write_text("0.8")
    gates(source)
    (why,) = why_of(pytester.path)
    assert why.endswith(": data/labels.txt changed")


# --- failed training runs, and training again

FLAKY = """
from pathlib import Path

def train(run):
    with Path(__file__).with_name("trained.txt").open("a") as lines:
        lines.write(f"{run.seed}\\n")
    if run.seed == 2 and not Path(__file__).with_name("mended").exists():
        raise OSError("the disk of that machine")
    return {"auc": 0.8 + 0.01 * run.rng("n").normal()}

def test_bar(arm):
    assert arm(train)["auc"] > 0.7

def test_lower_bar(arm):
    assert arm(train)["auc"] > 0.6
"""


def trained_seeds(pytester):
    file = pytester.path / "trained.txt"
    seeds = [int(line) for line in file.read_text().split()] if file.exists() else []
    file.unlink(missing_ok=True)
    return seeds


def test_failed_runs_are_trained_again_when_asked_and_replaced(pytester, gates):
    gates(FLAKY).stdout.fnmatch_lines(["*--mlops-retry-failed*"])
    assert trained_seeds(pytester) == [0, 1, 2]
    gates(FLAKY)
    assert trained_seeds(pytester) == []
    gates(FLAKY, "--mlops-retry-failed").assert_outcomes(failed=2)
    assert trained_seeds(pytester) == [2]  # once in a session, whatever comes of it
    (pytester.path / "mended").write_text("")
    gates(FLAKY, "--mlops-retry-failed").assert_outcomes(passed=2)
    assert trained_seeds(pytester) == [2, 3, 4]
    assert why_of(pytester.path)[0].endswith("it failed before (--mlops-retry-failed)")
    gates(FLAKY).assert_outcomes(passed=2)
    assert trained_seeds(pytester) == []


def test_everything_is_trained_again_once_when_asked_also_by_workers(pytester, gates):
    (pytester.path / "mended").write_text("")
    gates(FLAKY)
    trained_seeds(pytester)
    gates(FLAKY, "--mlops-rerun").assert_outcomes(passed=2)
    assert sorted(trained_seeds(pytester)) == [0, 1, 2, 3, 4]
    pytester.runpytest_subprocess("--mlops", "--mlops-rerun", "-n", "2").assert_outcomes(passed=2)
    assert sorted(trained_seeds(pytester)) == [0, 1, 2, 3, 4]


def test_switches_of_the_session_work_in_the_configuration_and_not_on_a_marker(pytester, gates):
    (pytester.path / "mended").write_text("")
    gates(FLAKY)
    trained_seeds(pytester)
    gates(FLAKY, "-o", "mlops_rerun=true")
    assert len(trained_seeds(pytester)) == 5
    gates(FLAKY, "-o", "mlops_rerun=false")
    assert trained_seeds(pytester) == []
    gates(FLAKY, "-o", "mlops_rerun=perhaps").stderr.fnmatch_lines(["*mlops_rerun*perhaps*true or false*"])
    result = gates(
        FLAKY.replace("def test_bar", "import pytest\n@pytest.mark.mlops(rerun=True)\ndef test_bar")
    )
    result.stderr.fnmatch_lines(["*rerun belongs to the whole session*--mlops-rerun on the command line*"])


# --- declared data


DATA = """
from pathlib import Path
import numpy as np

def load():
    return np.arange(10.0)

def train(run, **unused):
    return {"auc": float(np.sum(run.data)) / 45 - 0.1 + 0.01 * run.rng("noise").normal()}

def read(run):
    return {"auc": float(run.data.read_text()) + 0.01 * run.rng("noise").normal()}
"""


def test_declared_data_arrives_and_its_content_is_part_of_the_key(pytester, gates):
    source = DATA + "def test_data(arm):\n    assert arm(train).using(data=load)['auc'] > 0.5\n"
    gates(source).assert_outcomes(passed=1)
    gates(source.replace("arange(10.0)", "arange(10.0, dtype='float64')"))
    assert report_of(pytester.path)["session"]["trained"] == 0
    gates(source.replace("arange(10.0)", "arange(10.0) + 0"))
    assert report_of(pytester.path)["session"]["trained"] == 0
    gates(source.replace("arange(10.0)", "arange(10.0) + 1"))
    assert report_of(pytester.path)["session"]["trained"] > 0


def test_a_declared_file_is_keyed_by_its_content(pytester, gates):
    file = pytester.path / "data.txt"
    source = DATA + "def test_data(arm):\n    assert arm(read).using(data='data.txt')['auc'] > 0.5\n"
    file.write_text("0.9")
    gates(source).assert_outcomes(passed=1)
    gates(source)
    assert report_of(pytester.path)["session"]["trained"] == 0
    file.write_text("0.8")
    gates(source)
    assert report_of(pytester.path)["session"]["trained"] > 0


@pytest.mark.parametrize(
    ("using", "says"),
    [
        ("data='missing.txt'", "cannot be read"),
        ("data=broken", "broken"),
        ("data=unseen", "content cannot be hashed"),
    ],
)
def test_data_that_cannot_be_used_is_one_clear_error(gates, using, says):
    source = (
        DATA
        + f"""
def broken():
    raise OSError("disk on fire")

def unseen():
    import threading
    return threading.Lock()

def test_data(arm):
    assert arm(train).using({using})['auc'] > 0.5
"""
    )
    result = gates(source)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*DataError*{says}*"])
    assert "laboratory.py" not in result.stdout.str()


def test_seeds_of_an_arm_are_the_block_and_cap_the_number(pytester, gates):
    source = (
        TRAIN + "def test_seeds(arm):\n    assert arm(train).using(seeds=[7, 3, 9, 11, 5])['auc'] > 0.7\n"
    )
    gates(source).assert_outcomes(passed=1)
    claim = report_of(pytester.path)["claims"][0]
    assert (claim["seeds"], claim["max_n"]) == ([7, 3, 9, 11, 5], 5)


def test_fewer_seeds_than_the_first_look_are_refused_before_training(pytester, gates):
    result = gates(TRAIN + "def test_seeds(arm):\n    assert arm(train).using(seeds=[7, 8])['auc'] > 0.7\n")
    result.stdout.fnmatch_lines(["*SettingError*min_seeds*"])
    assert report_of(pytester.path)["session"]["trained"] == 0


# --- hostile training functions: one clear message each, nothing lost


HOSTILE = {
    "returns nothing": ("pass", "*returned nothing*"),
    "returns text": ("return {'auc': 'high'}", "*'auc'*"),
    "returns a complex number": ("return {'auc': 1j}", "*'auc'*"),
    "returns None for a metric": ("return {'auc': None}", "*'auc'*"),
    "returns a list": ("return [0.9]", "*list*"),
    "names a built-in metric": ("return {'auc': 0.9, 'seconds': 1.0}", "*seconds*"),
    "calls sys.exit": ("import sys; sys.exit(3)", "*exit*"),
    "raises": ("raise ValueError('no such file')", "*ValueError: no such file*"),
    "skips": ("import pytest; pytest.skip('not today')", "*not today*"),
    "returns NaN on seed 3": (
        "return {'auc': float('nan') if run.seed == 3 else 0.9 + run.seed / 100}",
        "*auc*nan*",
    ),
    "runs out of memory": ("raise MemoryError", "*out of memory*"),
}


@pytest.mark.parametrize(("body", "says"), HOSTILE.values(), ids=HOSTILE)
def test_a_training_run_that_fails_is_undecided_with_one_clear_message(pytester, gates, body, says):
    source = (
        TRAIN
        + f"""
def hostile(run):
    {body}

def test_hostile(arm):
    assert arm(hostile)["auc"] > 0.5

def test_other(arm):
    assert arm(train)["auc"] > 0.7
"""
    )
    result = gates(source)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([says])
    report = report_of(pytester.path)
    verdicts = {claim["test"].rpartition("::")[2]: claim["verdict"] for claim in report["claims"]}
    assert verdicts == {"test_hostile": "UNDECIDED", "test_other": "PASS"}
    assert len(report["failed_runs"]) == 1
    gates(source)
    assert report_of(pytester.path)["session"]["trained"] == 0  # a failed training run is a result too


def test_a_run_that_prints_a_megabyte_keeps_the_ends_and_spoils_nothing(pytester, gates):
    result = gates("""
def noisy(run):
    print("the first line")
    print("x" * 2_000_000)
    print("the last line")
    raise RuntimeError("after a lot of output")

def test_noisy(arm):
    assert arm(noisy)["auc"] > 0.5
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the last line*"])
    assert len(result.stdout.str()) < 20_000


def test_global_state_that_a_run_changes_is_restored(pytester, gates):
    gates("""
import os, random, sys, warnings
import numpy as np

def rude(run):
    random.seed(run.seed + 1); np.random.seed(run.seed + 1); os.chdir("/"); os.environ["RUDE"] = "yes"; warnings.warn("rude")
    return {"auc": 0.9 + 0.01 * run.rng("noise").normal()}

def test_rude(arm):
    before = (random.getstate(), np.random.get_state()[1].tolist(), os.getcwd(), os.environ.get("RUDE"), sys.stdout)
    assert arm(rude)["auc"] > 0.5
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), os.getcwd(), os.environ.get("RUDE"), sys.stdout)
""").assert_outcomes(passed=1)


def test_a_change_that_touches_nothing_fails_at_the_first_look(pytester, gates):
    result = gates("""
import torch

def train(run, *, unused=0):
    model = run.init(torch.nn.Linear(3, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run.amp.step(model(torch.ones(4, 3)).square().mean(), optimizer)
    return {"loss": float(model(torch.ones(4, 3)).mean())}

def test_parameter(arm):
    assert arm(train, unused=1)["loss"] > arm(train)["loss"]
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*did the parameter reach the model*"])
    assert report_of(pytester.path)["claims"][0]["n"] == 5


def test_wildcard_claims_are_one_row_with_parts(pytester, gates):
    result = gates("""
def train(run, *, gain=0.0):
    rng = run.rng("noise" if gain == 0 else "more")
    return {f"auc/{site}": 0.8 + gain + 0.01 * rng.normal() for site in ("a", "b", "c/d")}

def test_sites(arm):
    assert arm(train, gain=0.1)["auc/*"] > arm(train)["auc/*"] + 0.02
""")
    result.assert_outcomes(passed=1)
    (claim,) = report_of(pytester.path)["claims"]
    assert [part["name"] for part in claim["parts"]] == ["a", "b", "c/d"]


def test_a_misspelt_metric_names_those_that_exist(gates):
    result = gates(TRAIN + "def test_typo(arm):\n    assert arm(train)['acu'] > 0.7\n")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no metric 'acu'*Did you mean 'auc'*"])


def test_training_functions_of_fixtures_closures_and_lambdas_train(gates):
    gates("""
import pytest
from functools import partial

@pytest.fixture
def closure():
    offset = 0.8

    def train(run):
        return {"auc": offset + 0.01 * run.rng("n").normal()}

    return train

def scaled(run, scale):
    return {"auc": 0.8 + scale * run.rng("n").normal()}

class Trainer:
    @staticmethod
    def fit(run):
        return {"auc": 0.8 + 0.01 * run.rng("n").normal()}

def test_closure(arm, closure):
    assert arm(closure)["auc"] > 0.7

def test_lambda(arm):
    assert arm(lambda run: {"auc": 0.8 + 0.01 * run.rng("n").normal()})["auc"] > 0.7

def test_partial(arm):
    assert arm(partial(scaled, scale=0.01))["auc"] > 0.7

def test_static(arm):
    assert arm(Trainer.fit)["auc"] > 0.7
""").assert_outcomes(passed=4)


def test_a_run_that_changes_its_parameters_changes_nobody_elses(pytester, gates):
    gates("""
def train(run, *, options, history=[]):
    options["lr"] *= 0.5
    history.append(run.seed)
    return {"lr": options["lr"] + 1e-3 * run.rng("n").normal(), "length": float(len(history))}

def test_options(arm):
    options = {"lr": 1.0}
    first = arm(train, options=options)
    options["lr"] = 9.0
    assert first["lr"] > 0.4
    assert first["lr"] < 0.6
    assert options == {"lr": 9.0}
""").assert_outcomes(passed=1)
    assert report_of(pytester.path)["claims"][0]["n"] == 5


def test_code_that_changes_while_pytest_runs_is_not_trained_under_a_wrong_key(gates):
    result = gates(
        TRAIN
        + """
from pathlib import Path

def test_first(arm):
    assert arm(train)["auc"] > 0.7
    Path(__file__).write_text(Path(__file__).read_text() + "# edited\\n")
    assert arm(train, gain=0.1)["auc"] > 0.7
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*changed while pytest was running*"])


@pytest.mark.parametrize("mode", ["prepend", "append", "importlib"])
def test_code_saved_after_its_import_and_before_any_claim_is_not_trained(pytester, project, mode):
    pytester.makepyfile(net="GAIN = 0.1\n")
    pytester.makeconftest("import net")
    project(
        """
        import pathlib
        import net

        def train(run, *, gain=0.0):
            return {"auc": net.GAIN + gain + run.rng("noise").normal()}

        def test_somebody_saves_the_file():
            pathlib.Path(net.__file__).write_text("GAIN = 0.5  # saved while pytest runs\\n")

        def test_gate(arm):
            assert arm(train)["auc"] > 0.5
        """
    )
    result = pytester.runpytest_subprocess("--mlops", f"--import-mode={mode}", "-o", "pythonpath=.")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*net.py changed while pytest was running*"])


def test_a_secret_as_parameter_is_refused_and_never_shown(gates, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hush-hush-1234")
    result = gates("""
import os

def train(run, *, token):
    return {"auc": 0.9}

def test_secret(arm):
    assert arm(train, token=os.environ["MY_TOKEN"])["auc"] > 0.7
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*MY_TOKEN, which looks like a secret*"])
    assert "hush-hush" not in result.stdout.str()


def test_files_that_loaded_data_point_to_are_keyed_by_content(pytester, gates):
    file = pytester.path / "image.txt"
    source = """
from pathlib import Path

def load():
    return [Path(__file__).parent / "image.txt"]

def train(run):
    return {"auc": float(run.data[0].read_text()) + 0.01 * run.rng("n").normal()}

def test_data(arm):
    assert arm(train).using(data=load)["auc"] > 0.5
"""
    file.write_text("0.9")
    gates(source).assert_outcomes(passed=1)
    file.write_text("0.8")
    gates(source)
    assert report_of(pytester.path)["session"]["trained"] > 0


ERRORS = (
    TRAIN
    + """
import pytest

def test_no_device(arm):
    assert arm(train).using(device="cuda:99")["auc"] > 0.5

def test_no_metric(arm):
    assert arm(train)["acu"] > 0.5

def test_swallowed(arm):
    try:
        assert arm(train)["acu"] > 0.5
    except Exception:
        pass

def test_two(arm):
    first, second = arm(train)["acu"] > 0.5, arm(train)["auc"] > 0.7
    assert first
    assert second
"""
)


def test_a_claim_that_an_error_kept_from_a_verdict_is_called_an_error(pytester, gates):
    pytest.importorskip("torch")
    result = gates(ERRORS)
    result.assert_outcomes(failed=4)
    report = report_of(pytester.path)
    assert [claim["verdict"] for claim in report["claims"]] == ["ERROR"] * 4 + ["UNDECIDED"]
    assert not any("messages.md" in claim["reason"] for claim in report["claims"])
    text = result.stdout.str()
    assert "ERROR      test_gates.py::test_no_metric line" in text
    assert ": ERROR  train()" in text  # the guard, of the one that was swallowed
    assert "5 claims: 1 UNDECIDED, 4 ERROR" in text
    page = (pytester.path / "mlops-report" / "report.md").read_text(encoding="utf-8")
    assert "\u2757&nbsp;ERROR" in page
    assert '**ERROR** `train()["acu"] > 0.5`' in page


def test_the_text_of_an_error_stands_at_the_failure_and_in_the_summary_once_each(pytester, gates):
    result = gates(TRAIN + "\ndef test_a(arm):\n    assert arm(train)['acu'] > 0.5\n")
    joined = " ".join(result.stdout.str().split())
    assert joined.count("returned no metric 'acu'") == 2
