"""Gates are rehearsed where that is safe, and nothing of a rehearsal is left behind."""

import os
import random
from pathlib import Path

import numpy as np
import pytest

HEAD = """
import os
import random
import pytest
import numpy as np

CALLED = []

def train(run, *, gain=0.0):
    return {"acc": gain + run.rng(f"{gain}").normal(), "auc/a": run.rng("a").normal()}

def deploy():
    open("deployed", "w").close()

class Promise:
    def keys(self):
        open("deployed", "w").close()
"""


@pytest.fixture
def plan(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")

    def run(body, *options, conftest=""):
        pytester.makepyfile(test_gates=HEAD + body)
        if conftest:
            pytester.makeconftest(conftest)
        result = pytester.runpytest_inprocess("--mlops-plan", *options)
        assert not (pytester.path / "deployed").exists()
        return result, " ".join(result.stdout.str().split())

    return run


SAFE = [
    "def test_it(arm):\n    assert arm(train, gain=1.0)['acc'] > arm(train)['acc']",
    "def pair(arm):\n    return arm(train, gain=1.0), arm(train)\n\n"
    "def test_it(arm):\n    a, b = pair(arm)\n    assert a['acc'] == pytest.approx(b['acc'], abs=9.0)",
    "@pytest.fixture(scope='module')\ndef base(arm):\n    return arm(train)\n\n"
    "@pytest.fixture\ndef arms(arm, base):\n    return {'x': arm(train, gain=1.0), 'base': base}\n\n"
    "def test_it(arms):\n    for name, one in arms.items():\n        print(name)\n"
    "    assert arms['x']['acc'] > arms['base']['acc']",
    "@pytest.mark.parametrize('gain', [1.0])\ndef test_it(arm, gain):\n"
    "    assert all([arm(train, gain=gain)['acc'] > arm(train)['acc']])",
]


@pytest.mark.parametrize("body", SAFE)
def test_a_safe_gate_is_planned_by_its_rehearsal(plan, body):
    result, said = plan(body)
    result.assert_outcomes(passed=1)
    assert "plan: 1 claim of 1 gate; no verdict" in said


UNSAFE = [
    (
        "def test_it(arm):\n    deploy()\n    assert arm(train)['acc'] > 0.5",
        "calls deploy(): deploy calls open(",
    ),
    (
        "def test_it(arm, tmp_path):\n    assert arm(train)['acc'] > 0.5",
        "its fixture tmp_path is no plain function",
    ),
    ("def test_it(arm, request):\n    assert arm(train)['acc'] > 0.5", "its fixture request is not known"),
    (
        "@pytest.fixture\ndef one(arm):\n    yield arm(train)\n\ndef test_it(one):\n    assert one['acc'] > 0.5",
        "its fixture one is no plain function",
    ),
    (
        "@pytest.fixture(autouse=True)\ndef always():\n    deploy()\n\ndef test_it(arm):\n    assert arm(train)['acc'] > 0.5",
        "the fixture always is used by every test (autouse)",
    ),
    (
        "class TestIt:\n    def test_it(self, arm):\n        assert arm(train)['acc'] > 0.5",
        "a method of a class",
    ),
    (
        "def test_it(arm):\n    os.environ['X'] = '1'\n    assert arm(train)['acc'] > 0.5",
        "changes a value in place",
    ),
    ("def test_it(arm):\n    random.random()\n    assert arm(train)['acc'] > 0.5", "calls random.random()"),
    ("def test_it(arm):\n    import shutil\n    assert arm(train)['acc'] > 0.5", "test_it imports"),
    ("def test_it(arm):\n    CALLED.append(1)\n    assert arm(train)['acc'] > 0.5", "calls CALLED.append()"),
    (
        "@pytest.mark.parametrize('it', [Promise()])\ndef test_it(arm, it):\n    it.keys()\n    assert arm(train)['acc'] > 0.5",
        "it calls Promise.keys()",
    ),
    (
        "def test_it(arm, *, given=None):\n    arm = bytearray\n    arm(3)\n    assert arm",
        "test_it gives arm another value",
    ),
    (
        "def both(arm):\n    return arm(3)\n\ndef test_it(arm):\n    both(bytearray)\n    assert arm(train)['acc'] > 0.5",
        "arm is none of our fixtures in both()",
    ),
    (
        "def test_it(arm):\n    match arm:\n        case dict(): pass\n    assert arm(train)['acc'] > 0.5",
        "test_it matches patterns",
    ),
    (
        "def test_it(arm):\n    n = 0\n    for i in range(10 ** 10):\n        n = i\n    assert arm(train)['acc'] > 0.5",
        "it takes longer than 1 s (line",
    ),
    (
        "def setup_function():\n    deploy()\n\ndef test_it(arm):\n    assert arm(train)['acc'] > 0.5",
        "(autouse)",
    ),
]


@pytest.mark.parametrize(("body", "why"), UNSAFE)
def test_what_is_not_safe_is_left_out_by_name_and_not_called(plan, body, why):
    result, said = plan(body)
    result.assert_outcomes(skipped=1)
    assert "not planned, or not in full: 1 gate" in said
    assert why in said


def test_an_exception_ends_a_rehearsal_and_claims_until_then_are_planned(plan):
    body = "def test_it(arm):\n    assert arm(train)['acc'] > -9.0\n    assert not arm(train, gain=1.0)['acc'] > 0.5"
    result, said = plan(body)
    result.assert_outcomes(passed=1)
    assert "test_gates.py::test_it: an assert in it did not hold" in said
    assert "plan: 2 claims of 1 gate" in said


def state():
    return random.getstate(), np.random.get_state()[1].tolist(), Path.cwd()  # noqa: NPY002  # the global one


def test_nothing_of_a_rehearsal_is_left(plan, pytester):
    body = """
import dataclasses

@dataclasses.dataclass
class Noisy:
    width: int = 1

    def __deepcopy__(self, memo):
        random.random(), np.random.random(), os.environ.update(REHEARSED="yes"), os.chdir("..")
        print("REHEARSED"), CALLED.append(1)
        return self

VALUE = Noisy()

def noisy(run, *, value):
    return {"acc": run.rng("a").normal(), "called": float(len(CALLED))}

def test_it(arm):
    print("in the body")
    assert arm(noisy, value=VALUE)["acc"] > -9.0
"""
    before = state()
    result, said = plan(body)
    result.assert_outcomes(passed=1)
    assert state() == before
    assert "REHEARSED" not in os.environ
    assert "REHEARSED" not in said
    assert "in the body" not in said


def test_other_tests_do_not_run_in_a_plan(plan):
    body = SAFE[0] + "\n\ndef test_other():\n    deploy()\n"
    result, _ = plan(body)
    result.assert_outcomes(passed=1, deselected=1)


def test_a_plan_with_workers_is_used_wrongly(plan, pytester):
    pytester.makepyfile(test_gates=HEAD + SAFE[0])
    result = pytester.runpytest_inprocess("--mlops-plan", "-n", "2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*run it without -n*"])
