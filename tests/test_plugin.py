"""The plugin in a user's project: options, skipping, and living with pytest's own options and other plugins."""

import json
import xml.etree.ElementTree as ET

import pytest

TWO_GATES = """
    def test_better(better, baseline):
        assert better["auc"] > baseline["auc"] + 0.02

    def test_unclear(unclear, baseline):
        assert unclear["auc"] > baseline["auc"]

    def test_plain():
        pass
"""


def verdicts(folder):
    report = json.loads((folder / "mlops-report" / "report.json").read_text(encoding="utf-8"))
    return {claim["test"].rpartition("::")[2]: claim["verdict"] for claim in report["claims"]}


EXPECTED = {"test_better": "PASS", "test_unclear": "UNDECIDED"}


# --- gates run only when asked


def test_gates_are_skipped_without_mlops_and_say_how_to_run(pytester, project):
    project(TWO_GATES)
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*run it with: pytest --mlops*"])
    assert not (pytester.path / "mlops-report").exists()


def test_a_marked_test_is_a_gate(pytester, project):
    project("""
        @pytest.mark.mlops(max_seeds=7)
        def test_gate():
            pass
    """)
    pytester.runpytest_inprocess().assert_outcomes(skipped=1)


def test_a_gate_through_another_fixture_is_skipped_too(pytester, project):
    project("""
        def test_gate(request):
            arm = request.getfixturevalue("arm")
    """)
    pytester.runpytest_inprocess().assert_outcomes(skipped=1)


def test_with_mlops_gates_are_judged(pytester, gates):
    gates(TWO_GATES).assert_outcomes(passed=2, failed=1)
    assert verdicts(pytester.path) == EXPECTED


# --- pytest's own options


@pytest.mark.parametrize("mode", ["importlib", "prepend", "append"])
def test_every_import_mode_works(pytester, gates, mode):
    gates(TWO_GATES, f"--import-mode={mode}")
    assert verdicts(pytester.path) == EXPECTED


@pytest.mark.parametrize(
    "options",
    [
        ["--strict-markers", "--strict-config"],
        ["-p", "no:cacheprovider"],
        ["-p", "no:randomly"],
        ["-n", "2"],
        ["-s"],
        ["-q"],
        ["-qq"],
        ["-vv"],
        ["--color=yes"],
        ["--assert=plain"],
        ["-p", "no:terminal"],
        ["-W", "error"],
    ],
    ids=" ".join,
)
def test_verdicts_are_the_same_with(pytester, project, options):
    project(TWO_GATES)
    pytester.makeini("[pytest]\n")  # pytest-randomly shuffles
    result = pytester.runpytest_subprocess("--mlops", *options)
    assert result.ret == 1
    assert verdicts(pytester.path) == EXPECTED


def test_stopping_at_the_first_failure_reports_what_is_known(pytester, gates):
    gates(
        """
        def test_a_unclear(unclear, baseline):
            assert unclear["auc"] > baseline["auc"]

        def test_better(better, baseline):
            assert better["auc"] > baseline["auc"]
    """,
        "-x",
    )
    assert verdicts(pytester.path) == {"test_a_unclear": "UNDECIDED"}


def test_last_failed_runs_the_gate_that_did_not_pass(pytester, gates):
    gates(TWO_GATES)
    result = pytester.runpytest_inprocess("--mlops", "--lf")
    result.assert_outcomes(failed=1, deselected=0)


def test_selection_by_keyword_works(pytester, gates):
    gates(TWO_GATES, "-k", "better").assert_outcomes(passed=1, deselected=2)
    assert verdicts(pytester.path) == {"test_better": "PASS"}


def test_collecting_only_judges_nothing(pytester, gates):
    gates(TWO_GATES, "--collect-only").stdout.fnmatch_lines(["*3 tests collected*"])
    assert not (pytester.path / "mlops-report").exists()
    assert not (pytester.path / ".mlops").exists()


@pytest.mark.parametrize("option", ["--setup-plan", "--collect-only"])
def test_a_plan_leaves_the_last_report_as_it_is(pytester, gates, option):
    gates(TWO_GATES)
    before = (pytester.path / "mlops-report" / "report.json").read_bytes()
    pytester.runpytest_inprocess("--mlops", option)
    assert (pytester.path / "mlops-report" / "report.json").read_bytes() == before


def test_an_impossible_marker_is_no_internal_error_under_xdist(pytester, project):
    project("""
        @pytest.mark.mlops(alpha=5)
        def test_gate(better, baseline):
            assert better["auc"] > baseline["auc"]

        def test_other(better, baseline):
            assert better["auc"] > baseline["auc"]
    """)
    result = pytester.runpytest_subprocess("--mlops", "-n", "2")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*@pytest.mark.mlops(alpha=...) = 5: expected a number from 0.0001 to 0.25*"]
    )


def test_junit_xml_has_the_verdicts_as_properties(pytester, gates):
    gates(TWO_GATES, "--junitxml=out.xml", "-o", "junit_family=xunit1")
    tree = ET.parse(pytester.path / "out.xml")
    case = next(case for case in tree.iter("testcase") if case.get("name") == "test_better")
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}
    assert properties["mlops.claim1.verdict"] == "PASS"
    assert properties["mlops.claim1.statement"] == 'better["auc"] > baseline["auc"] + 0.02'


def test_an_interrupted_session_reports_what_is_known(pytester, project):
    project("""
        def test_better(better, baseline):
            assert better["auc"] > baseline["auc"]

        def train(run):
            raise KeyboardInterrupt

        def test_interrupted(arm, baseline):
            assert arm(train)["auc"] > 0.5
    """)
    assert pytester.runpytest_subprocess("--mlops").ret == pytest.ExitCode.INTERRUPTED
    assert verdicts(pytester.path) == {"test_better": "PASS", "test_interrupted": "UNDECIDED"}


# --- options, three ways


def alpha_of(folder):
    report = json.loads((folder / "mlops-report" / "report.json").read_text(encoding="utf-8"))
    return report["claims"][0]["alpha"]


ONE_GATE = """
    {mark}
    def test_better(better, baseline):
        assert better["auc"] > baseline["auc"]
"""


def test_the_marker_goes_before_the_command_line_before_the_configuration(pytester, project):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_alpha = 0.04\n")
    project(ONE_GATE.format(mark=""))
    pytester.runpytest_inprocess("--mlops")
    assert alpha_of(pytester.path) == 0.04
    pytester.runpytest_inprocess("--mlops", "--mlops-alpha=0.03")
    assert alpha_of(pytester.path) == 0.03
    project(ONE_GATE.format(mark="@pytest.mark.mlops(alpha=0.02)"))
    pytester.runpytest_inprocess("--mlops", "--mlops-alpha=0.03")
    assert alpha_of(pytester.path) == 0.02


def test_options_can_stand_in_native_toml(pytester, project):
    (pytester.path / "tox.ini").unlink()
    pytester.makepyprojecttoml('[tool.pytest]\nmlops_alpha = 0.04\nmlops_max_seeds = 12\nmlops_amp = "off"\n')
    project(ONE_GATE.format(mark=""))
    pytester.runpytest_inprocess("--mlops", "-p", "no:randomly")
    assert alpha_of(pytester.path) == 0.04


def test_the_closest_marker_wins_name_by_name(pytester, gates):
    gates("""
        pytestmark = pytest.mark.mlops(alpha=0.01, max_seeds=12)

        @pytest.mark.mlops(alpha=0.02)
        def test_better(better, baseline):
            assert better["auc"] > baseline["auc"]
    """)
    report = json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
    assert (report["claims"][0]["alpha"], report["claims"][0]["max_n"]) == (0.02, 12)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("--mlops-alpha=0", "expected a number from"),
        ("--mlops-alpha=nan", "expected a number from"),
        ("--mlops-alpha=five", "expected a number from"),
        ("--mlops-max-seeds=2.5", "expected a whole number"),
        ("--mlops-min-seeds=40", "above max_seeds"),
        ("--mlops-device=tpu", "auto, cpu, cuda"),
        ("--mlops-amp=int8", "one of auto, bf16, fp16, off"),
        ("--mlops-report=", "a folder"),
    ],
)
def test_an_impossible_option_is_one_clear_error(pytester, project, option, says):
    project(TWO_GATES)
    result = pytester.runpytest_inprocess("--mlops", option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{says}*"])
    assert "Traceback" not in result.stderr.str()


def test_an_impossible_value_in_the_configuration_names_the_option(pytester, project):
    pytester.makeini("[pytest]\nmlops_max_seeds = many\n")
    project(TWO_GATES)
    result = pytester.runpytest_inprocess("--mlops")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*mlops_max_seeds*"])


@pytest.mark.parametrize(
    ("mark", "says"),
    [
        ("mlops(alfa=0.1)", "no such option"),
        ("mlops(alpha=2)", "expected a number from"),
        ("mlops(20)", "given by name"),
        ("mlops(store='sqlite://')", "belongs to the whole session"),
        ("mlops(min_seeds=True)", "expected a whole number"),
    ],
)
def test_an_impossible_marker_names_the_test(pytester, gates, mark, says):
    result = gates(ONE_GATE.format(mark=f"@pytest.mark.{mark}"))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*test_better*{says}*"])


def test_help_and_markers_describe_the_options(pytester):
    pytester.runpytest_inprocess("--help").stdout.fnmatch_lines(
        ["*model-quality gates*", "*--mlops-max-seeds*"]
    )
    pytester.runpytest_inprocess("--markers").stdout.fnmatch_lines(["@pytest.mark.mlops(alpha=0.05*"])


def test_a_report_folder_that_cannot_be_made_is_said_and_loses_no_verdict(pytester, gates):
    pytester.makefile("", blocked="a file")
    result = gates(TWO_GATES, "--mlops-report=blocked/report")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*blocked*"])


def test_progress_lines_are_plain_and_one_a_pair(pytester, gates):
    result = gates("""
        def train(run, *, gain=0.0):
            return {"auc": 0.8 + gain + (0.01 + gain / 9) * run.rng("noise").normal()}

        @pytest.mark.mlops(amp="off")
        def test_gain(arm):
            assert arm(train, gain=0.1)["auc"] > arm(train)["auc"]
    """)
    result.assert_outcomes(passed=1)
    lines = [line for line in result.outlines if " pair " in line]
    assert len(lines) >= 5
    assert all(line.isprintable() for line in lines)


def test_the_password_of_a_store_is_never_shown(pytester, gates):
    result = gates(
        """
        def train(run):
            return {"auc": 0.9}

        def test_a(arm):
            assert arm(train)["auc"] > 0.8
        """,
        "--mlops-store=postgresql://me:topsecret@host/runs",
    )
    result.stdout.fnmatch_lines(["*this version keeps runs in SQLite*"])
    assert "topsecret" not in result.stdout.str() + result.stderr.str()
    written = [file.read_text() for file in pytester.path.joinpath("mlops-report").iterdir()]
    assert written
    assert "topsecret" not in "".join(written)
