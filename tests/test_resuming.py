"""Trainings that take long: a session killed in the middle of one is started again, and nobody can tell from its verdict."""

import json
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pytest_mlops._optional import installed

COMMAND = [sys.executable, "-m", "pytest", "--mlops", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]

# Epochs are slow while the file "slow" is there, which nothing of a run depends on: it lies outside the root folder.
PLAIN = """
import json, os, sys, time
from pathlib import Path
sys.modules["torch"] = None

OUTSIDE = Path(__file__).parents[1]

def train(run, *, gain=0.0):
    checkpoint = run.scratch / "state.json"
    rate = float(Path("rate.txt").read_text())
    epoch, total = 0, 0.0
    if checkpoint.exists():
        state = json.loads(checkpoint.read_text())
        run.load_state_dict(state["run"])
        epoch, total = state["epoch"], state["total"]
    while epoch < 8:
        with (OUTSIDE / "epochs.txt").open("a") as lines:
            lines.write(f"{gain} {run.seed} {epoch}\\n")
        if (OUTSIDE / "fail").exists() and run.seed == 2 and epoch == 5:
            raise RuntimeError("diverged")
        if (OUTSIDE / "slow").exists():
            time.sleep(0.1)
        total += rate * run.rng("noise" if gain == 0 else "more").normal() + np.random.normal()
        epoch += 1
        run.log(epoch, total=total)
        beside = checkpoint.with_suffix(".part")
        beside.write_text(json.dumps({"epoch": epoch, "total": total, "run": run.state_dict()}))
        beside.replace(checkpoint)
    return {"auc": 0.8 + gain + 0.001 * total}

import numpy as np

def test_gain(arm):
    assert arm(train, gain=0.03)["auc"] > arm(train)["auc"]
"""

# The page's own example, slowed down where it logs.
TORCH = """
from training import train

def test_bar(arm):
    assert arm(train)["loss"] < 0.8
"""
SLOWED = """
import time
from pathlib import Path
from pytest_mlops.training.run import Run

OUTSIDE, log = Path(__file__).parents[1], Run.log

def slow(self, step, /, **values):
    log(self, step, **values)
    with (OUTSIDE / "epochs.txt").open("a") as lines:
        lines.write(f"{self.seed} {step}\\n")
    if (OUTSIDE / "slow").exists():
        time.sleep(0.1)

Run.log = slow
"""


def with_the_pages_example(folder):
    page = (Path(__file__).parents[1] / "docs" / "resuming.md").read_text(encoding="utf-8")
    project = Project(folder, TORCH)
    (block,) = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    (project.folder / "training.py").write_text(block)
    (project.folder / "conftest.py").write_text(SLOWED)
    return project


class Project:
    """A project of a user, in a folder of its own."""

    def __init__(self, outside, source):
        self.outside = outside
        self.folder = outside / "project"
        self.folder.mkdir(parents=True)
        (self.folder / "pytest.ini").write_text("[pytest]\nmlops_amp = off\nmlops_smoke = off\n")
        (self.folder / "rate.txt").write_text("1.0")
        (self.folder / "test_gates.py").write_text(source)

    def start(self, *options):
        return subprocess.Popen(
            [*COMMAND, *options], cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *options):
        process = self.start(*options)
        output, _ = process.communicate()
        return process.returncode, output

    def killed_in(self, line, *options, number=signal.SIGKILL):
        """Start a session, and end it when that epoch has begun."""
        (self.outside / "slow").touch()
        process = self.start(*options)
        while line not in self.epochs:
            assert process.poll() is None, process.communicate()[0]
            time.sleep(0.005)
        process.send_signal(number)
        process.communicate()
        (self.outside / "slow").unlink()

    @property
    def epochs(self):
        file = self.outside / "epochs.txt"
        return file.read_text().splitlines() if file.exists() else []

    def report(self):
        return json.loads((self.folder / "mlops-report" / "report.json").read_text(encoding="utf-8"))

    def verdicts(self):
        wanted = ("verdict", "estimate", "interval", "p_value", "n", "contrasts", "seeds", "reason")
        return [{name: claim[name] for name in wanted} for claim in self.report()["claims"]]

    def stored(self, columns="parameters, seed, curves, weights, failure IS NULL"):
        connection = sqlite3.connect(self.folder / ".mlops" / "store.sqlite")
        rows = connection.execute(f"SELECT {columns} FROM runs ORDER BY parameters, seed").fetchall()
        connection.close()
        return rows

    def messages(self, seed):
        connection = sqlite3.connect(self.folder / ".mlops" / "store.sqlite")
        rows = connection.execute("SELECT messages FROM runs WHERE seed = ?", (seed,)).fetchall()
        connection.close()
        return " ".join(text for (text,) in rows)

    def left(self):
        folder = self.folder / ".mlops" / "store.artifacts" / "scratch"
        return list(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "one", PLAIN)


@pytest.fixture
def undisturbed(tmp_path):
    other = Project(tmp_path / "other", PLAIN)
    status, output = other.run()
    assert status == 0, output
    return other


@pytest.mark.slow
def test_a_session_killed_in_a_training_goes_on_with_it_and_gives_the_same_verdict(project, undisturbed):
    project.killed_in("0.03 1 5")
    project.killed_in("0.0 3 2")
    before = len(project.epochs)
    status, output = project.run()
    assert status == 0, output
    assert project.epochs[before : before + 2] == ["0.0 3 2", "0.0 3 3"]  # on from the last checkpoint
    assert project.epochs.count("0.03 1 4") == 1  # what was finished before the kill was not done again
    assert project.verdicts() == undisturbed.verdicts()
    assert project.stored() == undisturbed.stored()
    assert project.left() == []


@pytest.mark.slow
@pytest.mark.skipif(not installed("torch"), reason="trains with torch")
def test_a_training_with_torch_goes_on_bit_for_bit(tmp_path):
    project, undisturbed = (with_the_pages_example(tmp_path / name) for name in ("one", "other"))
    undisturbed.run()
    project.killed_in("1 5")
    project.killed_in("3 2")
    project.run()
    assert project.epochs.count("1 4") == 1
    assert project.verdicts() == undisturbed.verdicts()
    assert None not in {weights for *_, weights, _ in project.stored()}
    assert project.stored() == undisturbed.stored()


def test_ctrl_c_keeps_the_checkpoint_too(project, undisturbed):
    project.killed_in("0.0 1 5", number=signal.SIGINT)
    project.run()
    assert project.epochs.count("0.0 1 4") == 1
    assert project.verdicts() == undisturbed.verdicts()


def test_a_run_that_went_on_says_so_and_has_no_price(project):
    project.killed_in("0.0 1 5")
    project.run()
    assert "went on from what an interrupted attempt left" in project.messages(1)
    connection = sqlite3.connect(project.folder / ".mlops" / "store.sqlite")
    priced = connection.execute(
        "SELECT parameters, seed FROM runs JOIN metrics ON run = number WHERE name = 'seconds'"
    ).fetchall()
    connection.close()
    assert len(priced) == len(project.stored()) - 1
    assert ('{"gain": "0.0"}', 1) not in priced


@pytest.mark.slow
def test_nobody_goes_on_from_a_checkpoint_of_what_was_edited_since(project, tmp_path):
    project.killed_in("0.0 1 5")
    (project.folder / "rate.txt").write_text("2.0")
    other = Project(tmp_path / "other", PLAIN)
    (other.folder / "rate.txt").write_text("2.0")
    other.run()
    project.run()
    assert project.epochs.count("0.0 1 0") == 2
    assert "rate.txt changed" in project.messages(1)
    assert project.verdicts() == other.verdicts()


def test_a_failed_run_is_trained_again_from_its_beginning(project):
    (project.outside / "fail").touch()
    status, _ = project.run()
    assert status == 1
    assert project.left() == []
    (project.outside / "fail").unlink()
    before = len(project.epochs)
    status, output = project.run("--mlops-retry-failed")
    assert status == 0, output
    assert project.epochs[before] == "0.03 2 0"


def test_a_rerun_goes_on_from_nothing_that_another_session_left(project):
    project.killed_in("0.0 1 5")
    project.run("--mlops-rerun")
    assert project.epochs.count("0.0 1 0") == 2


@pytest.mark.slow
def test_the_command_says_what_was_left_and_deletes_it(project):
    project.killed_in("0.0 1 5")
    command = [sys.executable, "-m", "pytest_mlops.cli", "runs"]
    shown = subprocess.run(command, cwd=project.folder, capture_output=True, text=True, check=True).stdout
    assert "1 unfinished training run left" in shown
    assert str(project.folder / ".mlops" / "store.artifacts" / "scratch") in shown
    subprocess.run([*command, "delete", "--scratch", "--yes"], cwd=project.folder, check=True)
    assert project.left() == []
    project.run()
    assert project.epochs.count("0.0 1 0") == 2


def test_a_session_that_waits_goes_on_with_what_a_killed_one_left(project, undisturbed):
    (project.outside / "slow").touch()
    first = project.start()
    while "0.0 1 5" not in project.epochs:
        assert first.poll() is None
        time.sleep(0.005)
    second = project.start("--mlops-report=second")
    assert any("trains it" in line for line in iter(second.stdout.readline, ""))
    first.kill()
    first.communicate()
    (project.outside / "slow").unlink()
    second.communicate()
    assert second.returncode == 0
    assert project.epochs.count("0.0 1 0") == 1
    assert project.stored() == undisturbed.stored()


STOLEN = """
import json, sys, time
from pathlib import Path
sys.modules["torch"] = None

def train(run):
    folder = run.scratch
    if run.seed == 1 and not Path(__file__).parents[1].joinpath("stolen").exists():
        Path(__file__).parents[1].joinpath("stolen").touch()
        from pytest_mlops.store.sql import SqlStore
        here = Path(__file__).parent / ".mlops"
        key = json.loads((folder.parent / "depends-on.jsonl").read_text().splitlines()[0])[1]
        time.sleep(0.3)
        global other
        other = SqlStore(f"sqlite:///{here}/store.sqlite", artifacts=here / "store.artifacts", expiry=0.2)
        assert other._leases.ask(key) is None
        other._scratches.taken(key, other._leases.owner.token, mine=False)
    (folder / "checkpoint.txt").write_text("epoch 3")
    return {"auc": 0.8 + 0.01 * run.rng("noise").normal()}

def test_bar(arm):
    assert arm(train)["auc"] > 0.5
"""


def test_a_failure_for_want_of_a_lease_is_no_result(tmp_path):
    project = Project(tmp_path / "one", STOLEN)
    status, output = project.run()
    assert status == 1
    assert "took it over while this process stood still" in output
    assert [row[1:] for row in project.stored("parameters, seed, failure")] == [(0, None)]
    status, output = project.run()
    assert status == 0, output
    assert {failure for _, failure in project.stored("seed, failure")} == {None}
