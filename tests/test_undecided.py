"""``undecided = warn``: missing evidence is reported in a category of its own, and false stays false."""

import json

import pytest


def outcomes(pytester):
    report = json.loads((pytester.path / "mlops-report" / "report.json").read_text())
    return [gate["outcome"] for gate in report["gates"]]


def test_an_undecided_claim_warns_and_leaves_the_exit_status_alone(gates, pytester):
    result = gates(
        """
        def test_unclear(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]

        def test_better(better, baseline):
            assert better["auc"] > baseline["auc"]
    """,
        "--mlops-undecided=warn",
    )
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*1 passed, 1 undecided*"])
    assert outcomes(pytester) == ["undecided", "passed"]


def test_the_reason_is_shown_like_that_of_a_skip(gates):
    result = gates(
        """
        def test_unclear(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]
    """,
        "--mlops-undecided=warn",
        "-v",
    )
    result.stdout.fnmatch_lines(["*test_unclear UNDECIDED*", "*unclear*> baseline*"])


def test_by_default_it_fails(gates):
    gates("""
        def test_unclear(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]
    """).assert_outcomes(failed=1)


NOT_UNDECIDED = {
    "FAIL": 'assert worse["auc"] > baseline["auc"]',
    "one FAIL": 'a = unclear["auc"] > baseline["auc"]\n    b = bool(worse["auc"] > baseline["auc"])\n    assert a',
    "another assert": 'bool(unclear["auc"] > baseline["auc"])\n    assert 1 == 2',
    "another error": 'bool(unclear["auc"] > baseline["auc"])\n    raise RuntimeError("broken")',
    "green by not": 'assert not (unclear["auc"] > baseline["auc"])',
    "swallowed": 'try:\n        assert unclear["auc"] > baseline["auc"]\n    except AssertionError:\n        pass',
    "a name that is not there": 'assert unclear["f1"] > baseline["f1"]',
    "stated, never asked": 'unclear["auc"] > baseline["auc"]',
}


@pytest.mark.parametrize("body", NOT_UNDECIDED.values(), ids=NOT_UNDECIDED)
def test_whatever_is_more_than_missing_evidence_fails_as_before(gates, body):
    result = gates(
        f"""
def test_gate(unclear, worse, better, baseline):
    {body}
""",
        "--mlops-undecided=warn",
    )
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_an_assert_over_several_lines_in_a_helper_is_recognised(gates):
    result = gates(
        """
        def check(a, b):
            assert (
                a["auc"]
                > b["auc"]
            ), "has to gain"

        def test_unclear(unclear, baseline):
            check(unclear, baseline)
    """,
        "--mlops-undecided=warn",
    )
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*1 undecided*"])


def test_a_gate_can_warn_by_its_marker_alone(gates):
    result = gates("""
        @pytest.mark.mlops(undecided="warn")
        def test_warns(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]

        def test_fails(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]
    """)
    result.stdout.fnmatch_lines(["*1 failed, 1 undecided*"])


@pytest.mark.slow
def test_it_crosses_from_xdist_workers(project, pytester):
    pytest.importorskip("xdist")
    project("""
        def test_unclear(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]
    """)
    result = pytester.runpytest_subprocess(
        "--mlops", "--mlops-undecided=warn", "-n", "2", "-p", "no:randomly"
    )
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*1 undecided*"])
    assert outcomes(pytester) == ["undecided"]
