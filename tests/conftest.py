"""Shared by all tests: a project of a user, with results that need no training."""

import json
import os
import subprocess
import textwrap

import pytest

# pytester runs pytest in this process and forgets the modules that it imported; these can be loaded only once.
import pytest_mlops.claims.judge
import pytest_mlops.reports.files
import pytest_mlops.stats.sequential
import pytest_mlops.store.sql
import pytest_mlops.training.execute  # noqa: F401
from pytest_mlops._optional import installed

if installed("torch"):
    import torch

    torch.use_deterministic_algorithms(False)  # imports more of torch, and so does the first optimizer
    torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)

# Plugins of ours that would be loaded anew in every one of these sessions, and shuffle it.
ADDOPTS = "-p no:randomly -p no:hypothesispytest"


@pytest.fixture(autouse=True)
def _a_terminal_of_a_person(monkeypatch):
    """On CI pytest repeats whole messages in its summary; output is read here as a person at a terminal gets it."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)


RESULTS = """
import pytest

# Twelve recorded training runs an arm, in pairs by seed. `better` gains 0.05 on the baseline with a spread of 0.01.
BASELINE = [0.850, 0.861, 0.845, 0.853, 0.858, 0.842, 0.851, 0.856, 0.849, 0.854, 0.847, 0.860]
BETTER = [0.902, 0.905, 0.899, 0.897, 0.913, 0.888, 0.905, 0.901, 0.903, 0.899, 0.902, 0.906]
WORSE = [0.801, 0.806, 0.800, 0.797, 0.812, 0.789, 0.806, 0.800, 0.804, 0.798, 0.803, 0.805]
SAME = [0.852, 0.858, 0.848, 0.850, 0.861, 0.839, 0.853, 0.854, 0.851, 0.851, 0.850, 0.857]


@pytest.fixture(scope="module")
def baseline(arm):
    return arm.recorded({"auc": BASELINE})


@pytest.fixture(scope="module")
def better(arm):
    return arm.recorded({"auc": BETTER})


@pytest.fixture(scope="module")
def worse(arm):
    return arm.recorded({"auc": WORSE})


@pytest.fixture(scope="module")
def unclear(arm):
    return arm.recorded({"auc": SAME})
"""


@pytest.fixture
def project(pytester):
    """Writes a test module of a user's project with recorded arms: baseline, better, worse, unclear."""
    pytester.makeini(f"[pytest]\naddopts = {ADDOPTS}\n")

    def write(source, name="test_gates"):
        return pytester.makepyfile(**{name: RESULTS + textwrap.dedent(source)})

    return write


@pytest.fixture
def gates(pytester, project):
    """Writes the module and runs it with --mlops."""

    def run(source, *options):
        project(source)
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


class GitRepository:
    """A real git repository of a test, with no settings of whoever runs it."""

    def __init__(self, path):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self("init", "-q", "-b", "main")

    def __call__(self, *words):
        answer = subprocess.run(
            [
                "git",
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b.c",
                "-c",
                "protocol.file.allow=always",
                *words,
            ],
            cwd=self.path,
            check=True,
            capture_output=True,
            text=True,
        )
        return answer.stdout.strip()

    def write(self, **files):
        for name, text in files.items():
            self.file(f"{name}.py", text)

    def file(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")

    def commit(self, message="more"):
        """Commit all files as they are; the SHA."""
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def no_ci(monkeypatch):
    """No event of the job that runs these tests, and no settings of git of the person who does."""
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GIT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


@pytest.fixture
def repository(tmp_path, no_ci):
    """A repository without any commit."""
    del no_ci
    return GitRepository(tmp_path / "project")


@pytest.fixture
def event(tmp_path, monkeypatch):
    """Writes the event of a job of GitHub Actions."""

    def write(name, payload):
        file = tmp_path / "event.json"
        file.write_text(payload if isinstance(payload, str) else json.dumps(payload), encoding="utf-8")
        monkeypatch.setenv("GITHUB_EVENT_PATH", str(file))
        monkeypatch.setenv("GITHUB_EVENT_NAME", name)

    return write
