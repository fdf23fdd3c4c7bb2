"""Honest counting: attempts at the same claim are said from the second on."""

import subprocess

import pytest

GATE = """
def train(run, *, gain=0.0, tweak=0):
    return {{"acc": 0.8 + gain + 0.02 * run.rng("x").normal() + 0.005 * run.rng(str(gain)).normal()}}

def test_gain(arm):
    assert arm(train, gain=0.02, tweak={tweak})["acc"] > arm(train)["acc"] + {margin}
"""


@pytest.fixture
def attempt(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")

    def run(tweak=0, margin=0.001, *options):
        pytester.makepyfile(test_gates=GATE.format(tweak=tweak, margin=margin))
        return pytester.runpytest_inprocess("--mlops", *options).stdout.str()

    return run


def test_the_first_attempt_is_not_remarked_on_and_the_same_again_is_none(attempt):
    assert "at this claim" not in attempt()
    assert "at this claim" not in attempt()


def test_other_parameters_margins_and_options_are_attempts(attempt):
    attempt()
    assert "attempt 2 at this claim" in attempt(tweak=1)
    assert "attempt 3 at this claim" in attempt(margin=0.002)
    found = " ".join(attempt(0, 0.001, "--mlops-alpha=0.1").split())
    assert "attempt 4 at this claim" in found
    assert "probability of up to 34%" in found


def test_going_back_to_an_earlier_attempt_is_that_attempt(attempt):
    attempt()
    attempt(tweak=1)
    assert "at this claim" not in attempt()


def test_attempts_are_counted_since_the_base_commit(attempt, pytester):
    def git(*words):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words],
            cwd=pytester.path,
            check=True,
            capture_output=True,
        )

    git("init", "-b", "main")
    attempt()
    git("add", "test_gates.py")
    git("commit", "-m", "one")
    git("checkout", "-b", "topic")
    assert "at this claim" not in attempt(tweak=1)
    assert "attempt 2 at this claim since the base commit" in " ".join(attempt(tweak=2).split())
