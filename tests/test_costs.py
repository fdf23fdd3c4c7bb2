"""Claims on what training takes: trained now, next to each other, never from the store."""

import pytest

GATES = """
import time

def train(run, *, slow=0.0):
    time.sleep(0.01 + slow)
    return {"acc": 0.8 + 0.01 * run.rng(str(slow)).normal()}

def test_cost(arm):
    assert arm(train)["seconds"] < arm(train, slow=0.05)["seconds"]
"""


@pytest.fixture
def run_gates(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")

    def run(*options, source=GATES):
        pytester.makepyfile(test_gates=source)
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


def test_a_cheaper_arm_passes_and_the_report_says_how_it_was_measured(run_gates):
    result = run_gates()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*note: measured on a device that was not reserved*"])


def test_nothing_of_the_store_is_used(run_gates):
    run_gates()
    result = run_gates("-v")
    result.stdout.fnmatch_lines(["*, 0 reused*", "*its cost is measured anew in every session*"])


def test_arms_run_in_the_order_a_b_b_a_after_a_warm_up(run_gates, pytester):
    run_gates(
        source=GATES.replace(
            "    time.sleep(0.01 + slow)",
            f"    open({str(pytester.path / 'order')!r}, 'a').write('b' if slow else 'a')\n    time.sleep(0.01 + slow)",
        )
    )
    order = (pytester.path / "order").read_text()
    assert order.startswith("ab" + "abba" * 2)


def test_pairs_that_another_claim_had_trained_in_that_way_are_taken_over(run_gates):
    more = (
        GATES
        + """
def test_both(arm):
    fast, slow = arm(train), arm(train, slow=0.05)
    assert fast["seconds"] < slow["seconds"]
    assert fast["acc"] > slow["acc"] - 0.1
    assert fast["seconds"] < slow["seconds"] + 0.001
"""
    )
    result = run_gates("-k", "both", source=more)
    result.assert_outcomes(passed=1)
    trained = [line for line in result.stdout.lines if "trained, " in line and "seeds" in line]
    assert "0 trained" in trained[-1]


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ('arm(train)["gpu_seconds"] < arm(train, slow=0.1)["gpu_seconds"]', "takes no GPU seconds"),
        ('arm(train)["seconds"] < arm.recorded({"seconds": [1.0] * 5})["seconds"]', "compares with nothing"),
    ],
)
def test_what_measures_something_else_is_refused(run_gates, claim, says):
    result = run_gates("--mlops-device=cpu", source=GATES + f"\ndef test_other(arm):\n    assert {claim}\n")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines([f"*{says}*"])


def test_side_by_side_workers_are_refused(run_gates, pytester):
    pytest.importorskip("xdist")
    pytester.makepyfile(test_gates=GATES)
    result = pytester.runpytest_subprocess("--mlops", "-n", "2", "-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*pytest --mlops -n0*"])
