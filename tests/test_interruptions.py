"""Sessions that are killed, stopped, started together, or whose store fails: nothing is lost, nothing trained twice."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Without torch a session starts in a second; each training run leaves a line.
CONFTEST = """
import sys
sys.modules["torch"] = None
"""

GATES = """
import os
import time
from pathlib import Path

LINES = Path(__file__).with_name("trained.txt")

def train(run, *, gain=0.0):
    if str(run.seed) == os.environ.get("FULL_FROM"):
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
    time.sleep(float(os.environ.get("PAUSE", "0.01")))
    with LINES.open("a") as lines:
        lines.write(f"{gain} {run.seed}\\n")
    run.artifact("weights.txt").write_text(f"{gain} {run.seed}")
    time.sleep(float(os.environ.get("PAUSE", "0.01")))
    return {"auc": 0.8 + gain + 0.01 * run.rng("noise" if gain == 0 else "more").normal()}

def test_gain(arm):
    assert arm(train, gain=0.03)["auc"] > arm(train)["auc"]

def test_small_gain(arm):
    assert arm(train, gain=0.02)["auc"] > arm(train)["auc"]
"""

COMMAND = [sys.executable, "-m", "pytest", "--mlops", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]


class Project:
    """A project of a user in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self._processes = []
        folder.mkdir()
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "pytest.ini").write_text("[pytest]\nmlops_amp = off\n")
        (folder / "test_gates.py").write_text(GATES)

    def start(self, *options, pause=None):
        environment = {**os.environ, "PAUSE": str(pause)} if pause is not None else None
        process = subprocess.Popen(
            [*COMMAND, *options],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._processes.append(process)
        return process

    def end(self):
        for process in self._processes:
            process.kill()
            process.wait()
            process.stdout.close()

    def run(self, *options):
        process = self.start(*options)
        output, _ = process.communicate()
        return process.returncode, output

    @property
    def trained(self):
        file = self.folder / "trained.txt"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def stored(self):
        file = self.folder / ".mlops" / "store.sqlite"
        if not file.exists():
            return []
        connection = sqlite3.connect(file)
        try:
            rows = connection.execute("SELECT parameters, seed FROM runs").fetchall()
        except sqlite3.OperationalError:  # killed before the tables were made
            rows = []
        connection.close()
        return [(json.loads(parameters)["gain"], seed) for parameters, seed in rows]

    def report(self, name="mlops-report"):
        return json.loads((self.folder / name / "report.json").read_text(encoding="utf-8"))

    def verdicts(self, name="mlops-report"):
        wanted = ("test", "verdict", "estimate", "interval", "p_value", "n", "contrasts", "seeds", "reason")
        return [{name: claim[name] for name in wanted} for claim in self.report(name)["claims"]]

    def until_trained(self, count, process):
        while len(self.trained) < count and process.poll() is None:
            time.sleep(0.005)


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project")
    yield project
    project.end()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """What a session that nobody disturbs finds out."""
    project = Project(tmp_path_factory.mktemp("undisturbed") / "project")
    status, output = project.run()
    assert status == 0, output
    assert len(project.trained) == len(set(project.trained)) >= 15
    return project


def assert_is_as_undisturbed(project, undisturbed):
    assert project.verdicts() == undisturbed.verdicts()
    assert sorted(project.stored) == sorted(undisturbed.stored)


# --- SIGKILL


def test_a_session_that_was_killed_does_not_leave_the_report_of_an_older_one(project):
    status, _ = project.run("-k", "small")
    assert status == 0
    assert project.report()["session"]["finished"]
    known = len(project.trained)
    process = project.start("-k", "test_gain", pause=0.3)
    project.until_trained(known + 1, process)
    process.kill()
    process.communicate()
    assert project.report()["claims"] == []
    assert not project.report()["session"]["finished"]
    page = (project.folder / "mlops-report" / "report.md").read_text(encoding="utf-8")
    assert "session in progress since 20" in page.partition("\n")[0]
    shown = subprocess.run(
        [sys.executable, "-m", "pytest_mlops.cli", "report"],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1  # no verdict is no PASS
    assert "session in progress since 20" in shown.stdout
    assert "just now, not finished" in shown.stdout
    assert "-k test_gain" in shown.stdout


def test_a_session_without_gates_leaves_the_last_report_as_it_is(project):
    project.run("-k", "small")
    before = (project.folder / "mlops-report" / "report.json").read_bytes()
    (project.folder / "test_plain.py").write_text("def test_plain():\n    pass\n")
    project.run("test_plain.py")
    assert (project.folder / "mlops-report" / "report.json").read_bytes() == before


def test_a_session_without_gates_does_not_end_the_report_of_a_killed_one(project):
    process = project.start("-k", "test_gain", pause=0.3)
    project.until_trained(1, process)
    process.kill()
    process.communicate()
    (project.folder / "test_gates.py").write_text("def test_gain():\n    pass\n")
    project.run("-k", "test_gain")
    assert not project.report()["session"]["finished"]


@pytest.mark.slow
def test_workers_that_are_interrupted_before_a_gate_ended_leave_no_report_in_progress(project):
    process = project.start("-n", "1", "-k", "test_gain", pause=0.3)
    project.until_trained(1, process)
    process.send_signal(signal.SIGINT)
    process.communicate()
    session = project.report()["session"]
    assert (session["finished"], session["exit_status"]) == (True, 2)


def kill_and_go_on(project, undisturbed, moments):
    """Kill a session a moment after so many training runs began to end, again and again, and let the last one finish."""
    chance = random.Random(5)
    for moment in moments:
        process = project.start()
        project.until_trained(moment, process)
        time.sleep(0.03 * chance.random())
        process.kill()
        process.communicate()
    stored, before = len(project.stored), len(project.trained)
    status, output = project.run()
    assert status == 0, output
    assert len(project.trained) - before == len(undisturbed.stored) - stored
    assert_is_as_undisturbed(project, undisturbed)


@pytest.mark.slow
def test_a_session_that_is_killed_again_and_again_loses_no_finished_run(project, undisturbed):
    kill_and_go_on(project, undisturbed, moments=(1, 4, 9, 13))


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(20))
def test_a_session_killed_at_any_moment_loses_no_finished_run(project, undisturbed, moment):
    kill_and_go_on(project, undisturbed, moments=(moment,))


# --- Ctrl-C and SIGTERM


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_session_that_is_stopped_writes_its_report_and_gives_its_leases_back(project, undisturbed, number):
    process = project.start()
    project.until_trained(6, process)
    process.send_signal(number)
    output, _ = process.communicate()
    assert process.returncode == 2, output  # pytest's own: interrupted
    assert "KeyboardInterrupt" in output
    report = project.report()
    assert report["claims"][0]["verdict"] == "UNDECIDED"
    assert report["claims"][0]["reason"] == "interrupted"
    connection = sqlite3.connect(project.folder / ".mlops" / "store.sqlite")
    assert connection.execute("SELECT count(*) FROM leases").fetchone() == (0,)
    connection.close()
    stored = len(project.stored)
    assert stored >= len(project.trained) - 1
    before = len(project.trained)
    project.run()
    assert len(project.trained) - before == len(undisturbed.stored) - stored
    assert_is_as_undisturbed(project, undisturbed)


# --- several at once


@pytest.mark.slow
def test_sessions_that_start_together_share_the_work(project, undisturbed):
    sessions = [project.start(f"--mlops-report=report{number}", pause=0.1) for number in range(4)]
    outputs = [session.communicate()[0] for session in sessions]
    assert [session.returncode for session in sessions] == [0, 0, 0, 0], outputs
    assert sorted(project.trained) == sorted(undisturbed.trained)
    assert sorted(project.stored) == sorted(undisturbed.stored)
    for number in range(4):
        assert project.verdicts(f"report{number}") == undisturbed.verdicts()
    trained = [project.report(f"report{number}")["session"]["trained"] for number in range(4)]
    assert sum(trained) == len(undisturbed.trained)
    assert max(trained) < len(undisturbed.trained)
    assert any("trains it" in output for output in outputs)


def test_a_session_takes_over_from_one_that_was_killed_in_a_training_run(project, undisturbed):
    first = project.start(pause=5)
    until_leased(project, first)
    second = project.start()
    assert any("trains it" in line for line in iter(second.stdout.readline, ""))
    first.kill()
    first.communicate()
    second.communicate()
    assert second.returncode == 0
    assert_is_as_undisturbed(project, undisturbed)


def until_leased(project, process):
    while not leased(project):
        assert process.poll() is None
        time.sleep(0.02)


def leased(project):
    if not (project.folder / ".mlops" / "store.sqlite").exists():
        return False
    connection = sqlite3.connect(project.folder / ".mlops" / "store.sqlite")
    try:
        return connection.execute("SELECT count(*) FROM leases").fetchone()[0] > 0
    except sqlite3.OperationalError:  # the tables are not made yet
        return False
    finally:
        connection.close()


def test_one_who_waits_for_another_session_can_be_interrupted(project):
    first = project.start(pause=30)
    until_leased(project, first)
    second = project.start("-k", "test_gain", "--mlops-report=second")
    assert any("trains it" in line for line in iter(second.stdout.readline, ""))
    second.send_signal(signal.SIGINT)
    output, _ = second.communicate()
    first.kill()
    first.communicate()
    assert second.returncode == 2, output
    assert project.report("second")["claims"][0]["reason"] == "interrupted"


# --- a store that fails


def test_a_store_that_fills_up_costs_no_verdict_and_warns_once(project, undisturbed, monkeypatch):
    (project.folder / "conftest.py").write_text(
        CONFTEST
        + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

def pytest_sessionfinish():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    )
    monkeypatch.setenv("FULL_FROM", "2")
    status, output = project.run()
    assert status == 0, output
    assert project.verdicts() == undisturbed.verdicts()
    warnings = [m["text"] for m in project.report()["messages"]]
    assert len(warnings) == 1
    assert "held in memory" in warnings[0]
    assert output.count("warning: The store") == 2  # when it happened, and in the summary
    assert sorted(project.stored) == sorted(undisturbed.stored)  # written at the end, when there was room


@pytest.mark.slow
def test_a_store_that_somebody_else_locks_costs_no_verdict(project, undisturbed):
    project.run("-k", "small")
    locker = sqlite3.connect(project.folder / ".mlops" / "store.sqlite", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    (project.folder / "conftest.py").write_text(
        CONFTEST + "from pytest_mlops.store import database\ndatabase.BUSY_SECONDS = 0.1\n"
        "from pytest_mlops.store import sql\nsql.SqlStore.__init__.__kwdefaults__['busy'] = 0.1\n"
    )
    status, output = project.run()
    assert status == 0, output
    assert project.verdicts() == undisturbed.verdicts()
    assert "are lost" in output
    locker.execute("ROLLBACK")
    locker.close()
    assert Path(project.folder, "mlops-report", "report.md").exists()


@pytest.mark.slow
def test_what_a_worker_could_not_keep_is_said_where_people_read_it(project):
    project.run("-k", "small")
    locker = sqlite3.connect(project.folder / ".mlops" / "store.sqlite", isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    (project.folder / "conftest.py").write_text(
        CONFTEST + "from pytest_mlops.store import database\ndatabase.BUSY_SECONDS = 0.1\n"
        "from pytest_mlops.store import sql\nsql.SqlStore.__init__.__kwdefaults__['busy'] = 0.1\n"
    )
    status, output = project.run("-n", "1")
    assert status == 0, output
    assert "of this session are lost" in output
    (message,) = [one for one in project.report()["messages"] if one["level"] == "error"]
    assert "training runs of this session are lost: The store" in message["text"]
    locker.execute("ROLLBACK")
    locker.close()
