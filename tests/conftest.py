"""Shared by all tests: a project of a user, with results that need no training."""

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
