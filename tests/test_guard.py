"""The guard: no Python construct turns missing evidence into a green test."""

import pytest


def test_a_claim_that_passes_passes(gates):
    result = gates("""
        def test_better(better, baseline):
            assert better["auc"] > baseline["auc"] + 0.02
    """)
    result.assert_outcomes(passed=1)


def test_a_claim_that_fails_fails(gates):
    result = gates("""
        def test_worse(worse, baseline):
            assert worse["auc"] > baseline["auc"]
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*FAIL: worse*> baseline*"])


def test_undecided_is_false(gates):
    result = gates("""
        def test_unclear(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UNDECIDED: unclear*> baseline*"])


UNDECIDED_MADE_GREEN = {
    "not": 'assert not (unclear["auc"] > baseline["auc"])',
    "or": 'assert unclear["auc"] > baseline["auc"] or better["auc"] > baseline["auc"]',
    "any": 'assert any(c["auc"] > baseline["auc"] for c in [unclear, better])',
    "if": 'if unclear["auc"] > baseline["auc"]:\n        pass',
    "raises": 'with pytest.raises(AssertionError):\n        assert unclear["auc"] > baseline["auc"]',
    "try": 'try:\n        assert unclear["auc"] > baseline["auc"]\n    except AssertionError:\n        pass',
    "while": 'while unclear["auc"] > baseline["auc"]:\n        break',
    "bool": 'assert bool(unclear["auc"] > baseline["auc"]) is False',
    "suppress": 'import contextlib as c\n    with c.suppress(Exception):\n        assert unclear["auc"] > baseline["auc"]',
    "conditional expression": 'assert 1 if unclear["auc"] > baseline["auc"] else 2',
    "max": 'assert max(unclear["auc"], baseline["auc"]) is not None',
    "sorted": "assert len(sorted([unclear['auc'], baseline['auc']])) == 2",
    "filter": 'assert list(filter(None, [unclear["auc"] > baseline["auc"]])) == []',
    "helper": "if helper(unclear, baseline):\n        pass",
}


@pytest.mark.parametrize("body", UNDECIDED_MADE_GREEN.values(), ids=UNDECIDED_MADE_GREEN)
def test_green_with_an_undecided_claim_is_failed(gates, body):
    result = gates(f"""
def helper(a, b):
    return a["auc"] > b["auc"]

def test_gate(unclear, better, baseline):
    {body}
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*although a claim that it asked did not PASS*"])


FAILED_MADE_GREEN = {
    name: body for name, body in UNDECIDED_MADE_GREEN.items() if name not in ("max", "sorted")
}


@pytest.mark.parametrize("body", FAILED_MADE_GREEN.values(), ids=FAILED_MADE_GREEN)
def test_green_with_a_failed_claim_is_failed_too(gates, body):
    result = gates(f"""
def helper(a, b):
    return a["auc"] > b["auc"]

def test_gate(worse, better, baseline):
    {body.replace("unclear", "worse")}
""")
    result.assert_outcomes(failed=1)


NEVER_ASKED = {
    "assertion of a tuple": 'assert (better["auc"] > baseline["auc"], "it helps")',
    "no assert": 'better["auc"] > baseline["auc"]',
    "is not None": 'assert (better["auc"] > baseline["auc"]) is not None',
    "claims in a list": 'assert [better["auc"] > baseline["auc"]]',
    "any over a list": 'assert any([better["auc"] > baseline["auc"], unclear["auc"] > baseline["auc"]])',
}


@pytest.mark.filterwarnings("ignore:assertion is always true")
@pytest.mark.parametrize("body", NEVER_ASKED.values(), ids=NEVER_ASKED)
def test_a_claim_stated_but_never_asked_is_failed(gates, body):
    result = gates(f"""
def test_gate(unclear, better, baseline):
    {body}
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*never asked whether they hold*"])


NO_CLAIM = {
    "pass": "pass",
    "empty loop": 'for c in []:\n        assert c["auc"] > baseline["auc"]',
    "all of nothing": 'assert all(c["auc"] > baseline["auc"] for c in [])',
    "early return": 'return\n    assert better["auc"] > baseline["auc"]',
    "arms without a claim": "assert better is not baseline",
}


@pytest.mark.parametrize("body", NO_CLAIM.values(), ids=NO_CLAIM)
def test_a_gate_without_a_claim_is_failed(gates, body):
    result = gates(f"""
def test_gate(better, baseline):
    {body}
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*asked no claim, so it shows nothing*"])


def test_a_marked_test_without_a_claim_is_failed(gates):
    result = gates("""
        @pytest.mark.mlops
        def test_gate():
            pass
    """)
    result.assert_outcomes(failed=1)


def test_a_test_that_is_no_gate_needs_no_claim(gates):
    gates("def test_plain(): pass").assert_outcomes(passed=1)


def test_an_assertion_in_a_helper_without_rewriting_is_heard(pytester, gates):
    pytester.makepyfile(checks='def check(a, b):\n    assert a["auc"] > b["auc"], "must gain"\n')
    result = gates("""
        import checks

        def test_gate(unclear, baseline):
            checks.check(unclear, baseline)
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*must gain*", "*UNDECIDED: a*> b*"])


def test_a_claim_asked_in_a_fixture_counts_for_its_test(gates):
    result = gates("""
        @pytest.fixture
        def helps(unclear, baseline):
            return bool(unclear["auc"] > baseline["auc"])

        def test_gate(helps):
            assert helps in (True, False)
    """)
    result.assert_outcomes(failed=1)


def test_a_claim_asked_in_teardown_is_guarded_too(gates):
    result = gates("""
        @pytest.fixture
        def after(unclear, baseline):
            yield
            if unclear["auc"] > baseline["auc"]:
                pass

        def test_gate(after, better, baseline):
            assert better["auc"] > baseline["auc"]
    """)
    result.assert_outcomes(passed=1, errors=1)


def test_a_claim_asked_at_import_is_refused(pytester, gates):
    result = gates("""
        from pytest_mlops import Arms
        arm = Arms()
        assert arm.recorded({"auc": BETTER})["auc"] > arm.recorded({"auc": BASELINE})["auc"]
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*claims are asked inside a gate*"])


@pytest.mark.parametrize("ending", ["pytest.skip('not now')", "pytest.xfail('not now')"])
def test_a_skip_or_xfail_after_a_claim_that_did_not_pass_is_failed(gates, ending):
    result = gates(f"""
def test_gate(unclear, baseline):
    if not unclear["auc"] > baseline["auc"]:
        {ending}
""")
    result.assert_outcomes(failed=1)


@pytest.mark.parametrize("claim", ['unclear["auc"] > baseline["auc"]', 'worse["auc"] > baseline["auc"]'])
def test_a_hook_that_swallows_failures_makes_no_claim_green(pytester, gates, claim):
    pytester.makeconftest("""
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_call(item):
            try:
                return (yield)
            except BaseException:
                return None
    """)
    result = gates(f"""
def test_gate(unclear, worse, baseline):
    assert {claim}
""")
    result.assert_outcomes(failed=1)


def test_a_report_that_a_hook_rewrites_does_not_end_in_success(pytester, gates):
    pytester.makeconftest("""
        import pytest

        @pytest.hookimpl(wrapper=True, tryfirst=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            report.outcome = "passed"
            return report
    """)
    result = gates("""
        def test_gate(worse, baseline):
            assert worse["auc"] > baseline["auc"]
    """)
    assert result.ret == 1


UNITTEST_MADE_GREEN = {
    "skipTest": ("", "if not ({claim}): self.skipTest('not now')"),
    "SkipTest": ("", "if not ({claim}): raise unittest.SkipTest('not now')"),
    "expectedFailure": ("@unittest.expectedFailure", "assert {claim}"),
    "not": ("", "assert not ({claim})"),
    "assertFalse": ("", "self.assertFalse({claim})"),
}


@pytest.mark.parametrize(("decorator", "body"), UNITTEST_MADE_GREEN.values(), ids=UNITTEST_MADE_GREEN)
def test_unittest_makes_no_undecided_claim_green(gates, decorator, body):
    result = gates(f"""
import unittest

class TestGate(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def _arms(self, unclear, baseline):
        self.unclear, self.baseline = unclear, baseline

    {decorator}
    def test_gate(self):
        {body.format(claim='self.unclear["auc"] > self.baseline["auc"]')}
""")
    result.assert_outcomes(failed=1)


def test_an_expected_failure_of_unittest_accepts_fail(gates):
    result = gates("""
        import unittest

        class TestGate(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _arms(self, worse, baseline):
                self.worse, self.baseline = worse, baseline

            @unittest.expectedFailure
            def test_gate(self):
                assert self.worse["auc"] > self.baseline["auc"]
    """)
    result.assert_outcomes(xfailed=1)


def test_an_arm_that_is_asked_for_while_the_test_runs_makes_a_gate(gates):
    result = gates("""
        def test_gate(request):
            arm = request.getfixturevalue("arm")
            for loss in []:
                assert arm.recorded({"auc": BETTER})["auc"] > 0.5
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*asked no claim, so it shows nothing*"])


def test_a_skip_before_any_claim_is_a_skip(gates):
    gates("""
        def test_gate(better, baseline):
            pytest.skip("not now")
    """).assert_outcomes(skipped=1)


def test_a_claim_shared_by_gates_is_asked_in_each_with_its_own_options(gates):
    result = gates("""
        @pytest.fixture(scope="module")
        def claim(unclear, baseline):
            return unclear["auc"] > baseline["auc"]

        def test_first(claim):
            assert claim

        def test_second(claim):
            assert not claim
    """)
    result.assert_outcomes(failed=2)


def test_an_arm_fixture_of_the_projects_own_makes_no_gate(pytester, project):
    project("""
        @pytest.fixture
        def arm():
            return "a robot's"

        def test_robot(arm):
            assert arm == "a robot's"
    """)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_an_arm_fixture_built_on_ours_makes_a_gate(pytester, project):
    project("""
        @pytest.fixture
        def arm(arm):
            return arm

        def test_gate(arm):
            pass
    """)
    pytester.runpytest_inprocess().assert_outcomes(skipped=1)


# --- expected failures


@pytest.mark.parametrize(
    "body", ['assert worse["auc"] > baseline["auc"]', 'assert not worse["auc"] > baseline["auc"]']
)
def test_strict_xfail_accepts_fail(gates, body):
    result = gates(f"""
@pytest.mark.xfail(strict=True, reason="known to be worse")
def test_gate(worse, baseline):
    {body}
""")
    result.assert_outcomes(xfailed=1)


NOT_SHOWN_FALSE = {
    "undecided": 'assert unclear["auc"] > baseline["auc"]',
    "fail and undecided": 'worse["auc"] > baseline["auc"] and 0\n    assert unclear["auc"] > baseline["auc"]',
    "an error before any claim": "raise ValueError('typo')",
    "no claim": "pass",
    "undecided, passed over": 'assert not unclear["auc"] > baseline["auc"]',
    "a misspelt metric": 'assert worse["acu"] > baseline["acu"]',
}


@pytest.mark.parametrize("body", NOT_SHOWN_FALSE.values(), ids=NOT_SHOWN_FALSE)
@pytest.mark.parametrize("strict", ["mark", "ini"])
def test_strict_xfail_accepts_nothing_but_fail(gates, pytester, body, strict):
    options = ["-o", "xfail_strict=true"] if strict == "ini" else []
    mark = "strict=True" if strict == "mark" else ""
    result = gates(
        f"""
@pytest.mark.xfail({mark})
def test_gate(unclear, worse, baseline):
    {body}
""",
        *options,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*strict xfail expects a FAIL*"])


def test_strict_xfail_does_not_accept_an_undecided_claim_of_a_fixture(gates):
    result = gates("""
        @pytest.fixture
        def shown(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]

        @pytest.mark.xfail(strict=True)
        def test_gate(shown):
            pass
    """)
    assert result.parseoutcomes().get("xfailed", 0) == 0
    assert result.ret == 1


def test_strict_xfail_does_not_hide_an_undecided_claim_of_teardown(gates):
    result = gates("""
        @pytest.fixture
        def after(unclear, baseline):
            yield
            assert not unclear["auc"] > baseline["auc"]

        @pytest.mark.xfail(strict=True)
        def test_gate(after, worse, baseline):
            assert worse["auc"] > baseline["auc"]
    """)
    result.assert_outcomes(xfailed=1, errors=1)
    result.stdout.fnmatch_lines(["*strict xfail expects a FAIL, and got FAIL, UNDECIDED*"])


def test_strict_xfail_of_a_claim_that_holds_fails(gates):
    result = gates("""
        @pytest.mark.xfail(strict=True)
        def test_gate(better, baseline):
            assert better["auc"] > baseline["auc"]
    """)
    result.assert_outcomes(failed=1)


def test_a_lenient_xfail_proves_nothing_and_stays_xfail(gates):
    result = gates("""
        @pytest.mark.xfail(strict=False)
        def test_gate(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]
    """)
    result.assert_outcomes(xfailed=1)


# --- evidence on the exception


@pytest.mark.parametrize(
    "body",
    [
        'assert unclear["auc"] > baseline["auc"]',
        'assert unclear["auc"] > baseline["auc"], "a message of mine"',
        'claim = unclear["auc"] > baseline["auc"]\n    assert claim',
        'ok = bool(unclear["auc"] > baseline["auc"])\n    assert ok',
        'if not unclear["auc"] > baseline["auc"]:\n        raise RuntimeError("no gain")',
    ],
)
def test_the_evidence_is_a_note_of_the_exception(gates, pytester, body):
    pytester.makeconftest("""
        def pytest_runtest_logreport(report):
            if report.failed:
                assert "UNDECIDED: unclear" in report.longreprtext
                print("LONGREPR HAS IT")
    """)
    result = gates(f"""
def test_gate(unclear, baseline):
    {body}
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*LONGREPR HAS IT*"])


def test_the_evidence_shows_without_assertion_rewriting(gates):
    result = gates(
        """
        def test_gate(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]
    """,
        "--assert=plain",
    )
    result.stdout.fnmatch_lines(["*UNDECIDED: unclear*"])
