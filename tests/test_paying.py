"""What training may cost: the budget of a session, the price of a claim, and the command that goes on."""

import json

import pytest

from pytest_mlops.claims.ports import Past
from pytest_mlops.notation import seconds_of, time_text
from pytest_mlops.records import RunKey
from pytest_mlops.session.budget import Budget, Durations
from pytest_mlops.session.command import going_on

SLOW = """
import time

def train(run, *, gain=0.0, sleep={sleep}):
    time.sleep(sleep)
    return {{"auc": 0.8 + gain + 0.01 * run.rng("noise" if gain == 0 else "more").normal()}}

def test_gain(arm):
    assert arm(train, gain=0.05)["auc"] > arm(train)["auc"]
"""

BAR = SLOW + "\ndef test_bar(arm):\n    assert arm(train)['auc'] > 0.7\n"


@pytest.fixture
def gates(pytester):
    """Writes a module and runs it with --mlops in this process."""
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_amp = off\n")

    def run(source, *options):
        pytester.makepyfile(test_gates=source)
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


def report_of(folder):
    return json.loads((folder / "mlops-report" / "report.json").read_text(encoding="utf-8"))


# --- the budget


def test_a_claim_that_stops_at_the_budget_is_undecided_and_goes_on_from_the_store(pytester, gates):
    source = SLOW.format(sleep=0.3)
    result = gates(source, "--mlops-budget=1s")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*UNDECIDED*",
            "*the budget of 1s*",
            "*pytest --mlops test_gates.py::test_gain --mlops-budget=1min*",
        ]
    )
    first = report_of(pytester.path)
    (claim,) = first["claims"]
    assert claim["verdict"] == "UNDECIDED"
    assert 0 < first["session"]["trained"] < 10
    gates(source, "--mlops-budget=off").assert_outcomes(passed=1)
    again = report_of(pytester.path)["session"]
    assert again["reused"] == first["session"]["trained"]


def test_a_run_of_unknown_duration_starts_once(pytester, gates):
    gates(SLOW.format(sleep=1.2), "--mlops-budget=2s").assert_outcomes(failed=1)
    assert report_of(pytester.path)["session"]["trained"] == 1


def test_no_run_starts_that_runs_of_other_parameters_took_too_long_for(pytester, gates):
    gates(BAR.format(sleep=0.7), "-k", "bar", "--mlops-budget=0").assert_outcomes(passed=1, deselected=1)
    result = gates(BAR.format(sleep=0.7), "-k", "gain", "--mlops-budget=0.5s")
    result.assert_outcomes(failed=1, deselected=1)
    result.stdout.fnmatch_lines(["*are left of the budget of 0.5s, and a training run of train(gain=0.05)*"])
    assert report_of(pytester.path)["session"]["trained"] == 0


def test_stored_runs_cost_nothing(pytester, gates):
    gates(BAR.format(sleep=0.3), "--mlops-budget=off").assert_outcomes(passed=2)
    gates(BAR.format(sleep=0.3), "--mlops-budget=0.1s").assert_outcomes(passed=2)


def test_the_summary_says_what_was_spent(gates):
    source = BAR.format(sleep=0)
    gates(source).stdout.fnmatch_lines(["*s spent of a budget of 1h, *"])
    result = gates(source, "--mlops-budget=off", "--mlops-seed=1")
    assert "of a budget" not in result.stdout.str()


def test_the_budget_of_recorded_results_is_nobodys(gates):
    result = gates(
        "def test_a(arm):\n    assert arm.recorded({'auc': [0.9, 0.91, 0.92, 0.9, 0.91]})['auc'] > 0.5\n",
        "--mlops-budget=1s",
    )
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize("value", ["90", "an hour", "-1h", "", "1h 1h", "nan"])
def test_an_impossible_budget_is_one_clear_error(pytester, gates, value):
    result = gates(SLOW.format(sleep=0), f"--mlops-budget={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--mlops-budget = *expected a time with its unit, e.g. 90s, 30min*"])


@pytest.mark.parametrize("seconds", [42, 100, 3599, 3600, 5000, 40_000, 400_000])
def test_a_proposed_time_is_enough_and_can_be_read_back(seconds):
    assert seconds <= seconds_of(time_text(seconds)) <= max(60, 2 * seconds)


def test_a_spent_budget_starts_nothing():
    assert not Budget(seconds=1.0, spent=1.0).allows(None)
    assert Budget().allows(1e9)


# --- durations


def a_key(parameters="{}", device="cpu", code="c"):
    environment = json.dumps({"device": device})
    return RunKey(
        function="m:train", code=code, parameters=parameters, data="", environment=environment, seed=0
    )


def test_the_same_parameters_say_best_how_long_a_run_takes():
    past = [Past(key=a_key("{1}"), seconds=90.0), Past(key=a_key(code="older"), seconds=10.0)]
    durations = Durations(look_up=lambda function: past)
    assert durations.expected(a_key()) == 10.0
    assert durations.expected(a_key("{2}")) == 50.0
    assert durations.expected(a_key(device="A100")) is None


def test_runs_of_this_session_count():
    durations = Durations(look_up=lambda function: [])
    durations.add(a_key(), 3.0)
    assert durations.expected(a_key()) == 3.0


# --- the price


def prices(result):
    """The lines about a price, each joined with those below it."""
    text = "\n".join(result.outlines).replace("\n         ", " ")
    return [line for line in text.splitlines() if " price: " in line]


def test_the_price_is_said_once_after_the_first_pair(gates):
    result = gates(SLOW.format(sleep=0))
    (line,) = prices(result)
    assert line.startswith("  price: pair 1 took ")
    assert "; to decide: 8 to 58 more training runs, 20 on average: " in line
    assert "; budget left " in line
    assert line.isprintable()
    assert all(len(row) <= 80 for row in result.outlines if " price: " in row)


def test_where_finished_runs_tell_it_the_price_is_said_before_the_first_run(gates):
    source = SLOW.format(sleep=0).replace("gain=0.05", "gain=0.0001")
    gates(source, "--mlops-max-seeds=5")
    result = gates(source, "--mlops-budget=off")
    (line,) = prices(result)
    assert line.startswith("  price: about ")
    assert " a pair; to decide: 2 to 50 training runs" in line
    assert "budget" not in line
    rows = result.outlines
    price = next(place for place, row in enumerate(rows) if " price: " in row)
    assert "pair  5/30" in rows[price - 1]
    assert rows[price - 1].endswith("reused")


def test_a_pair_is_said_to_take_what_it_trained(gates):
    source = (
        SLOW.format(sleep=0)
        + """
import pytest

@pytest.fixture(autouse=True)
def slow_start(monkeypatch):
    from pytest_mlops.executors.inline import InlineExecutor
    submit = InlineExecutor.submit
    def late(self, spec):
        time.sleep(1.2 * (spec.index == 0))
        submit(self, spec)
    monkeypatch.setattr(InlineExecutor, "submit", late)
"""
    )
    result = gates(source)
    first = next(row for row in result.outlines if row.startswith("  pair  1/30"))
    assert first.endswith(" s")
    assert float(first.split()[-2]) < 1
    result.stdout.fnmatch_lines(["      apart from training: 2.* s start-up"])


def test_what_is_reused_has_no_price(gates):
    gates(SLOW.format(sleep=0))
    assert not prices(gates(SLOW.format(sleep=0)))


# --- the command


def test_an_interrupted_claim_is_undecided_with_the_command_that_goes_on(pytester):
    pytester.makepyfile(
        test_gates="""
def train(run):
    if run.seed == 2:
        raise KeyboardInterrupt
    return {"auc": 0.9 + run.seed / 1000}

def test_a(arm):
    assert arm(train)["auc"] > 0.5
"""
    )
    result = pytester.runpytest_subprocess("--mlops", "-x", "test_gates.py")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    (claim,) = report_of(pytester.path)["claims"]
    assert (claim["verdict"], claim["reason"]) == ("UNDECIDED", "interrupted")
    assert (claim["n"], claim["estimate"]) == (2, pytest.approx(0.9005))
    assert claim["remedy"].endswith("--mlops -x test_gates.py::test_a")


def test_the_command_leads_back_from_another_folder(pytester, gates):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")
    folder = pytester.mkdir("sub dir")
    (folder / "test_deep.py").write_text(SLOW.format(sleep=0.3))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = pytester.runpytest_inprocess("--mlops", "--mlops-budget", "1s", "-k", "gain", ".")
    result.stdout.fnmatch_lines(["*pytest --mlops -k gain test_deep.py::test_gain --mlops-budget=1min*"])


@pytest.mark.slow
def test_workers_name_the_command_of_the_session(pytester):
    pytester.makepyfile(test_gates=SLOW.format(sleep=0.6))
    pytester.runpytest_subprocess("--mlops", "-n", "1", "--mlops-budget=1s", "test_gates.py")
    (claim,) = report_of(pytester.path)["claims"]
    assert claim["remedy"].endswith("--mlops -n 1 test_gates.py::test_gain --mlops-budget=1min")


def test_a_node_id_is_quoted_for_the_shell():
    assert going_on([], [], "t.py::test_a[x y]") == "pytest 't.py::test_a[x y]'"
