"""`attempts = spend`: trying again until it passes keeps the level, because each attempt has its own and fresh seeds."""

import json

import numpy as np
import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import judge
from pytest_mlops.records import RunResult
from pytest_mlops.session.attempts import Attempts
from pytest_mlops.session.blocks import on_seeds
from pytest_mlops.session.declared import DeclaredData
from pytest_mlops.session.designs import design_of
from pytest_mlops.session.preparing import prepare
from pytest_mlops.settings import resolve
from pytest_mlops.stats.attempts import attempt_level
from pytest_mlops.store.sql import SqlStore

GATE = """
import numpy as np

def train(run, *, gain=0.0, tweak=0):
    value = 0.8 + gain + 0.005 * run.rng("x").normal() + 0.005 * run.rng(f"{{gain}} {{tweak}}").normal()
    run.cases("dice", case=np.arange(9), value=value + np.random.default_rng(tweak).normal(0, 0.01, 9))
    return {{"acc": value, "ok": bool(value > 0.5)}}

def test_gain(arm):
    assert {claim}
"""
CLAIM = "arm(train, gain={gain}, tweak={tweak})['acc'] > arm(train)['acc'] + 0.001"
SPEND = "--mlops-attempts=spend"


@pytest.fixture
def attempt(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_smoke = off\n")

    def run(tweak=0, *options, gain=0.02, claim=CLAIM):
        pytester.makepyfile(test_gates=GATE.format(claim=claim.format(gain=gain, tweak=tweak)))
        result = pytester.runpytest_inprocess(*(options or ["--mlops", SPEND]))
        file = pytester.path / "mlops-report" / "report.json"
        claims = json.loads(file.read_text(encoding="utf-8"))["claims"] if file.exists() else [None]
        return claims[0], " ".join(result.stdout.str().split())

    return run


def test_each_attempt_has_a_level_and_seeds_of_its_own(attempt):
    seen = set()
    for number, tweak in enumerate((0, 1, 2), start=1):
        claim, said = attempt(tweak)
        assert claim["alpha"] == pytest.approx(attempt_level(0.05, number))
        assert f"attempt {number}, alpha {claim['alpha']:.2g}, on seeds of its own" in said
        assert not seen & set(claim["seeds"])
        seen |= set(claim["seeds"])
        assert not seen & set(range(1000))  # those of other claims


def test_the_interval_shown_is_that_of_the_attempts_level(attempt):
    attempt(0)
    claim, said = attempt(1)
    assert claim["verdict"] == "PASS"
    assert f"alpha {claim['alpha']:.4g}, {100 * (1 - 2 * claim['alpha']):.4g}% interval" in said
    assert claim["interval"][0] > 0.001
    assert claim["p_value"] <= claim["alpha"]


def test_the_same_attempt_again_keeps_its_number_and_seeds_and_trains_nothing(attempt):
    first, _ = attempt(0)
    attempt(1)
    again, said = attempt(0)
    assert "attempt 1, alpha 0.03" in said
    assert (again["seeds"], again["alpha"], again["trained"]) == (first["seeds"], first["alpha"], 0)


def test_an_attempt_that_was_interrupted_goes_on_as_the_same_one(attempt):
    begun, _ = attempt(0, "--mlops", SPEND, "--mlops-budget=0.0001s")
    assert begun["verdict"] == "UNDECIDED"
    _, said = attempt(1)
    assert "attempt 2," in said
    again, said = attempt(0)
    assert "attempt 1," in said
    assert again["verdict"] == "PASS"


def test_attempts_that_were_only_reported_count(attempt):
    attempt(0, "--mlops")
    _, said = attempt(1)
    assert "attempt 2, alpha 0.0076" in said


def test_refusals_of_rates_follow_the_level(attempt):
    # All True shows a rate above 0.85 from 19 runs on at 0.05 (0.85^19 = 0.046), from 22 at 0.0304 (0.85^22 = 0.028), and not
    # with 30 at 0.0034 (0.85^30 = 0.0076).
    rate = "arm(train, tweak={tweak})['ok'] > 0.85"
    claim, _ = attempt(0, claim=rate)
    assert claim["verdict"] == "PASS"
    assert claim["n"] >= 22
    _, said = attempt(2, claim=rate)
    _, said = attempt(3, claim=rate)
    assert "max_seeds=30 cannot show a rate above 0.85 at alpha=0.00337737" in said


@pytest.mark.parametrize(
    ("claim", "options", "says"),
    [
        ("arm(train).using(seeds=range(9))['acc'] > 0.7", (), "its arms name their seeds"),
        ("arm(train).using(seeds=[1])['dice'] > 0.7", (), "each of its arms names one seed"),
        (
            "arm.recorded(dict(acc=[0.7] * 9))['acc'] < arm(train)['acc']",
            (),
            "recorded results exist already",
        ),
        ("arm(train)['seconds'] < 100", (), "measured anew"),
        ("arm(train)['acc'] > 0.7", ("--mlops-rerun",), "--mlops-rerun trains those again"),
    ],
)
def test_what_has_no_fresh_seeds_is_refused(attempt, claim, options, says):
    found, said = attempt(0, "--mlops", SPEND, *options, claim=claim)
    assert found["verdict"] == "ERROR"
    assert says in said


def test_a_fixed_baseline_is_given_and_the_other_arm_has_fresh_seeds(attempt):
    claim, said = attempt(claim="arm(train, gain=0.05)['acc'] > arm(train).using(seeds=[0])['acc']")
    assert claim["verdict"] == "PASS"
    assert "attempt 1, alpha 0.03" in said


def test_that_patients_are_not_fresh_is_said(attempt):
    claim, said = attempt(claim="arm(train, gain=0.05)['dice'] > arm(train)['dice']")
    assert claim["verdict"] == "PASS"
    assert "the patients are the same in all attempts" in said


def test_a_store_that_cannot_count_is_an_error(attempt, pytester, monkeypatch):
    attempt(0, "--mlops")
    store = pytester.path / ".mlops" / "store.sqlite"
    monkeypatch.setattr(SqlStore, "add_attempt", _full)
    claim, said = attempt(1)
    assert store.exists()
    assert (claim["verdict"], claim["trained"]) == ("ERROR", 0)
    assert "this one could not be noted, so it is not begun" in said


def _full(self, *_):
    from pytest_mlops.errors import StoreError

    raise StoreError("The disk is full.")


def test_a_plan_is_that_of_the_next_attempt_and_its_pilot_does_not_count(attempt):
    attempt(0)
    _, said = attempt(1, SPEND, "--mlops-plan")
    assert "attempt 2, alpha 0.0076, on seeds of its own: the pairs of this pilot are seen" in said
    assert "at most 60)" in said
    claim, said = attempt(1)
    assert "attempt 2," in said
    assert claim["reused"] == 0


def test_nothing_can_be_trained_ahead(attempt):
    _, said = attempt(0, SPEND, "--mlops-fill=3")
    assert "nothing can be trained ahead" in said


# --- the level


def train(run, *, tweak=0):
    return {}


def outcomes_of(prepared, world):
    """Runs whose numbers depend on arm and seed alone; both arms share half of their variance."""
    found = []
    for seed in prepared.seeds:
        common = np.random.default_rng([world, seed]).normal()
        own = np.random.default_rng([world, seed, 1 + prepared.arm.source.bound["tweak"]]).normal()
        found.append(RunResult(key=f"{seed}", seed=seed, metrics={"acc": float(common + own)}))
    return found


def any_pass(settings, attempts, arms, world):
    """Somebody tries tweak after tweak, none of which gains anything, until one passes."""
    baseline, *candidates = arms
    for candidate in candidates:
        claim = candidate.arm["acc"] > baseline.arm["acc"]
        ready, name, own = [candidate, baseline], "", settings
        if settings.attempts == "spend":
            attempt = attempts.take(claim, f"test_{world}", settings, ready)
            name, own = attempt.block, attempt.spent(settings)
        test = design_of(own, claim)
        runs = {one.arm: outcomes_of(on_seeds(claim, settings, one, name=name), world) for one in ready}
        if judge(claim, runs, test).passed:
            return True
    return False


@pytest.mark.slow
def test_trying_again_until_it_passes_keeps_the_level_over_all_attempts(tmp_path):
    arm, worlds, tries = Arms(), 1200, 5
    store = SqlStore("sqlite:///:memory:", artifacts=tmp_path / "artifacts")
    attempts = Attempts(open_store=lambda: store)
    rates = {}
    for how in ("spend", "report"):
        settings = resolve(marker={"attempts": how, "max_seeds": 12}, command_line={}, configuration={})
        arms = [
            prepare(arm(train, tweak=tweak), settings, DeclaredData(), anywhere=True, root=None)
            for tweak in range(tries + 1)
        ]
        count = worlds if how == "spend" else worlds // 4
        rates[how] = np.mean([any_pass(settings, attempts, arms, world) for world in range(count)])
    store.close()
    assert rates["spend"] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds)
    assert rates["spend"] > 0.02  # most of it is spent by five attempts: 0.044
    assert rates["report"] > 0.1  # the same without: what this is against
