"""Training runs by programs: real ones, that end well, badly, or never."""

import json
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from pytest_mlops.claims.ports import Lost
from pytest_mlops.errors import MetricError, RunError
from pytest_mlops.executors.commands import _last_word
from pytest_mlops.executors.inline import InlineExecutor
from pytest_mlops.executors.left_metrics import Printed, read_file
from pytest_mlops.executors.processes import Ended
from pytest_mlops.records import CommandLine, RunResult, RunSpec
from pytest_mlops.testing.stores import a_key


@pytest.fixture
def train(tmp_path):
    """``train("print(1)", metrics={...}, lr=0.1)`` runs a Python script as a command arm would."""

    def run(source, *words, metrics="{out}/metrics.json", timeout=None, seed=3, changed=tuple, **rest):
        (tmp_path / "train.py").write_text(textwrap.dedent(source))
        line = CommandLine(
            words=("python", "train.py", *words),
            metrics=metrics,
            cwd=tmp_path,
            timeout=timeout,
            changed=changed,
            env=rest.pop("line_env", {}),
        )
        own = {name: rest.pop(name) for name in list(rest) if name in RunSpec.__dataclass_fields__}
        spec = RunSpec(
            key=a_key(seed), function=line, given=rest, index=7, **{"artifacts": tmp_path / "kept", **own}
        )
        executor = InlineExecutor()
        executor.submit(spec)
        (ending,) = executor.wait()
        return ending.outcome

    return run


WRITE = """
import json, os, sys
def write(name, **found):
    with open(os.path.join(sys.argv[1], name), "w") as file:
        json.dump(found, file)
"""


def test_metrics_of_a_file_are_flat_and_typed(train, tmp_path):
    found = train(
        f"{WRITE}\nprint('hello')\nwrite('metrics.json', auc=dict(siteA=0.9, siteB=1), converged=True)",
        "{out}",
    )
    assert found.failure is None
    assert found.metrics["auc/siteA"] == 0.9
    assert found.metrics["auc/siteB"] == 1.0
    assert found.metrics["failed"] == 0.0
    assert found.metrics["seconds"] > 0
    assert found.yes_no == {"converged", "failed"}
    assert found.output == "hello\n"
    assert json.loads((tmp_path / "kept" / "metrics.json").read_text())["converged"] is True


def test_placeholders_of_ours_are_filled(train, tmp_path):
    source = """
        import sys
        for word in sys.argv[1:]:
            print(word)
        print("m 1")
    """
    words = ["{seed}", "{index}", "{out}", "{data}", "{device}", "{a}", "x={b:.2f}", "{path}", "{scratch}"]
    found = train(
        source,
        *words,
        metrics={"m": "m (.)"},
        data=Path("liver"),
        a="two words 'and quotes' $HOME; {seed}",
        b=0.126,
        path=Path("conf"),
        scratch=tmp_path / "scratch",
    )
    printed = found.output.splitlines()
    assert printed[:-2] == [
        "3",
        "7",
        str(tmp_path / "kept"),
        str(Path("liver").absolute()),
        "cpu",
        "two words 'and quotes' $HOME; {seed}",
        "x=0.13",
        str(Path("conf").absolute()),
    ]
    assert Path(printed[-2]).is_relative_to(tmp_path / "scratch")


def test_python_is_the_one_that_runs_pytest(train):
    found = train("import sys; print(sys.executable); print('m 1')", metrics={"m": "m (.)"})
    assert found.output.splitlines()[0] == sys.executable


def test_only_known_variables_are_handed_on(train, monkeypatch):
    for name in ("DATA_ROOT", "GITHUB_TOKEN", "WANDB_API_KEY", "HF_HOME"):
        monkeypatch.setenv(name, "value-of-it")
    source = """
        import os
        print(sorted(set(os.environ) & {"DATA_ROOT", "GITHUB_TOKEN", "WANDB_API_KEY", "HF_HOME", "OWN"}))
        print("threads", os.environ["OMP_NUM_THREADS"])
        os.environ["DATA_ROOT"]
    """
    found = train(source, metrics={"threads": "threads (.)"}, env={"OWN": "1"}, threads=2)
    printed = [line for line in found.output.splitlines() if line.startswith(("[", "threads"))]
    assert printed == [
        "['HF_HOME', 'OWN', 'WANDB_API_KEY']",
        "threads 2",
    ]  # what comes on stderr may stand between
    assert 'write .using(env={"DATA_ROOT": os.environ["DATA_ROOT"]})' in found.failure.message
    assert "value-of-it" not in found.failure.message


def test_the_error_is_named_whatever_stands_between_the_lines_of_its_traceback():
    mixed = (
        "Traceback (most recent call last):\nprinted before\n  File \"a.py\"\nKeyError: 'lr'\nprinted after\n"
    )
    errors = "Traceback (most recent call last):\n  File \"a.py\"\nKeyError: 'lr'\nException ignored\n"
    assert _last_word(Ended(status=1, seconds=0.0, output=mixed, errors=errors)) == "KeyError: 'lr'"
    assert (
        _last_word(Ended(status=1, seconds=0.0, output="no traceback\nlast\n", errors="a warning\n"))
        == "last"
    )


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("print('a'); raise SystemExit(3)", "exit", "it ended with exit status 3: a"),
        ("raise ValueError('loss exploded')", "exit", "status 1: ValueError: loss exploded"),
        (
            "import os; os.kill(os.getpid(), 9)",
            "exit",
            "SIGKILL killed it (often the system's, when memory runs out)",
        ),
        ("import os; os.abort()", "exit", "SIGABRT killed it"),
        ("print('done')", "metrics", "it left no metrics.json in {out}, where nothing is"),
        (
            f"{WRITE}\nwrite('result.json', auc=1)",
            "metrics",
            "it left no metrics.json in {out}, but result.json",
        ),
        (
            f"{WRITE}\nwrite('metrics.json', auc='good')",
            "metrics",
            "metric 'auc' is 'good' (str), not a real number",
        ),
        (f"{WRITE}\nwrite('metrics.json', auc=None)", "metrics", "metric 'auc' is None"),
        (f"{WRITE}\nwrite('metrics.json', auc=[1, 2])", "metrics", "metric 'auc' is [1, 2]"),
        (
            f"{WRITE}\nwrite('metrics.json', seconds=1)",
            "metrics",
            "metric 'seconds' is measured by pytest-mlops",
        ),
        (
            f"{WRITE}\nwrite('metrics.json', loss=float('nan'))",
            "not finite",
            "loss is nan: training diverged",
        ),
        (f"{WRITE}\nopen(sys.argv[1] + '/metrics.json', 'w').write('[1')", "metrics", "is no valid JSON"),
        (f"{WRITE}\nwrite('metrics.json')", "metrics", "holds no names with numbers"),
    ],
)
def test_failures_are_named_with_the_last_lines(train, source, kind, message):
    found = train(f"print('last words', flush=True)\n{source}", "{out}")
    assert isinstance(found, RunResult)
    assert found.failure.kind == kind
    assert message in found.failure.message
    assert found.metrics["failed"] == 1.0
    assert "failed" in found.yes_no
    assert "last words" in found.output


def test_a_command_that_never_ends_is_ended_with_all_that_it_started(train, tmp_path):
    source = """
        import subprocess, sys, time
        one = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        print(one.pid, flush=True)
        time.sleep(600)
    """
    found = train(source, "{out}", timeout=1.5)
    assert found.failure.kind == "time-out"
    assert "did not end within 1.5s" in found.failure.message
    pid = int(found.output.split()[0])
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_what_the_machine_ends_is_lost(train):
    found = train("import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)")
    assert isinstance(found, Lost)


def test_nothing_of_an_attempt_that_was_lost_is_read(train, tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "metrics.json").write_text('{"auc": 1.0}')
    assert train("pass", "{out}").failure.kind == "metrics"


def test_code_that_changes_is_an_error_before_and_afterwards(train, tmp_path):
    with pytest.raises(RunError, match=r"conf.yaml changed since the claim began"):
        train("raise SystemExit(1)", changed=lambda: ["conf.yaml"])
    answers = iter([(), ("outputs/log.txt",)])
    with pytest.raises(
        RunError, match=r"outputs/log.txt changed while the command ran.*\{out\}, or add it to .gitignore"
    ):
        train("print('m 1')", metrics={"m": "m (.)"}, changed=lambda: next(answers))


def test_scratch_outlives_an_interruption_and_no_failure(train, tmp_path):
    source = """
        import os, sys, time
        file = os.path.join(sys.argv[1], "checkpoint")
        print("found", os.path.exists(file))
        open(file, "w").close()
        print("m", 1, flush=True)
        if sys.argv[2] == "sleep":
            time.sleep(600)
        sys.exit(int(sys.argv[2]))
    """
    scratch = tmp_path / "scratch"
    words = {"metrics": {"m": "m (.)"}, "scratch": scratch}

    def interrupt():
        while not list(scratch.rglob("checkpoint")):
            time.sleep(0.02)
        import signal

        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        train(source, "{scratch}", "{what}", what="sleep", **words)
    again = train(source, "{scratch}", "{what}", what="0", **words)
    assert "found True" in again.output
    assert "seconds" not in again.metrics
    assert "went on" in again.messages[0]
    assert train(source, "{scratch}", "{what}", what="1", **words).failed
    assert not list(scratch.rglob("checkpoint"))


def test_cpu_alone_is_visible_where_it_was_asked_for(train):
    found = train(
        "import os; print('gpus', repr(os.environ.get('CUDA_VISIBLE_DEVICES'))); print('m 1')",
        metrics={"m": "m (.)"},
        line_env={"CUDA_VISIBLE_DEVICES": ""},
    )
    assert "gpus ''" in found.output


# --- metrics that are printed


@pytest.mark.parametrize("cuts", [1, 2, 3, 1000])
def test_the_last_match_counts_however_the_output_is_cut(cuts):
    text = "AUC: 0.5\nepoch 1\rAUC: 0.71 AUC: 0.72\r\nother\nAUC: 0.8125"
    printed = Printed({"auc": r"AUC:\s*([0-9.]+)"})
    for start in range(0, len(text), cuts):
        printed.hear("stdout", text[start : start + cuts])
    assert printed.values() == {"auc": 0.8125}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("-.5", -0.5), ("True", True), ("false", False), ("nan", "nan"), ("5", 5.0)],
)
def test_numbers_and_truth_are_read(text, value):
    printed = Printed({"m": r"m=(\S+)"})
    printed.hear("stderr", f"m={text}\n")
    assert repr(printed.values()["m"]).strip("'") == repr(value).strip("'")


@pytest.mark.parametrize(
    ("out", "err", "match"),
    [
        ("nothing", "", "printed nothing that metric 'auc' could be read from"),
        ("auc good", "", "printed as 'good', which is no number"),
        ("auc 1,234", "", "printed as '1,234'"),
        ("auc 0.1", "auc 0.2", "0.1 on standard output and 0.2 on standard error"),
    ],
)
def test_printed_metrics_that_are_missing_or_unclear_are_named(out, err, match):
    printed = Printed({"auc": r"auc (\S+)"})
    printed.hear("stdout", out)
    printed.hear("stderr", err)
    with pytest.raises(MetricError, match=match):
        printed.values()


def test_a_metric_far_before_the_end_of_much_output_is_found(train):
    source = """
        print("auc 0.5")
        for i in range(200_000): print("noise", i)
        print("auc 0.75")
        for i in range(200_000): print("noise", i)
    """
    found = train(source, metrics={"auc": r"auc ([0-9.]+)"})
    assert found.metrics["auc"] == 0.75
    assert len(found.output) <= 1_000_000


# --- files


def test_the_last_row_of_a_csv_counts(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text(",epoch,val/auc,train_loss,ok\n0,1,0.5,0.9,False\n1,2,0.75,,True\n")
    assert read_file(file) == {"epoch": 2.0, "val/auc": 0.75, "ok": True}


def test_yaml_is_read_and_its_exponents_are_numbers(tmp_path):
    file = tmp_path / "metrics.yaml"
    file.write_text("auc:\n  siteA: 0.9\n  1: .5\nloss: 1e-3\nok: true\nbad: .nan\n")
    found = read_file(file)
    assert str(found.pop("bad")) == "nan"
    assert found == {"auc/siteA": 0.9, "auc/1": 0.5, "loss": 0.001, "ok": True}


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "auc\n", "no row below its names"),
        ("a.csv", "auc,loss\n1\n", "1 cells, and there are 2 names"),
        ("a.csv", "auc,auc\n1,2\n", "two columns of one name"),
        ("a.json", '{"a": {"b": 1}, "a/b": 2}', "two metrics 'a/b'"),
        ("a.yaml", "a: [1", "no valid YAML"),
        ("a.yaml", "- 1\n", "no names with numbers"),
        ("a.json", "\xff", "no valid JSON"),
    ],
)
def test_broken_files_are_named(tmp_path, name, text, match):
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(MetricError, match=match):
        read_file(file)


def test_artifacts_of_a_relative_folder_reach_a_command_elsewhere(train, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = train(f"{WRITE}\nwrite('metrics.json', auc=0.5)", "{out}", artifacts=Path("here"))
    assert found.metrics["auc"] == 0.5
    assert (tmp_path / "here" / "metrics.json").exists()
