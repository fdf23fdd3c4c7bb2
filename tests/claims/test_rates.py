"""Claims on yes/no metrics: judged exactly, refused where no exact test fits or no number of seeds would do."""

import re

import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import Ended, judge
from pytest_mlops.claims.names import check_names
from pytest_mlops.errors import ClaimError, MetricError, SettingError
from pytest_mlops.records import Failure, Returned, RunResult
from pytest_mlops.stats import SequentialTest, Verdict

arm = Arms()
TEST = SequentialTest()


def train(run, *, variant="baseline"):
    return {}


candidate, baseline = arm(train, variant="candidate"), arm(train)


def answered(*values, name="ok", **others):
    """Training runs with a yes/no metric."""
    return [
        RunResult(
            key=str(index),
            seed=index,
            metrics={name: float(value), **{other: numbers[index] for other, numbers in others.items()}},
            yes_no=frozenset({name}) if isinstance(value, bool) else frozenset(),
            weights=f"{name} {value} {index}",
        )
        for index, value in enumerate(values)
    ]


def failing(count):
    return [RunResult(key="x", metrics={}, failure=Failure(kind="error", message="exploded"))] * count


def test_a_rate_above_a_bar_passes_when_enough_runs_say_yes():
    judgement = judge(candidate["ok"] > 0.5, {candidate: answered(*[True] * 12)}, TEST)
    (part,) = judgement.parts
    assert judgement.passed
    assert part.decision.method == "exact binomial test"
    assert (part.estimate, part.limits) == (1.0, (0.5,))
    assert part.interval[0] > 0.5


def test_five_lucky_runs_are_no_proof():
    assert judge(candidate["ok"] > 0.9, {candidate: answered(*[True] * 5)}, TEST).open


def test_a_rate_that_is_clearly_lower_fails():
    judgement = judge(candidate["ok"] > 0.8, {candidate: answered(*[False] * 8)}, TEST)
    assert judgement.verdict == Verdict.FAIL


def test_a_share_turned_round_is_the_same_claim():
    runs = {candidate: answered(*[False] * 15)}
    one, other = judge(candidate["ok"] < 0.2, runs, TEST), judge(1 - candidate["ok"] > 0.8, runs, TEST)
    assert one.passed
    assert (other.verdict, other.n) == (one.verdict, one.n)


def test_two_rates_are_judged_by_the_pairs_that_differ():
    outcomes = {candidate: answered(*[True] * 8), baseline: answered(*[False] * 8)}
    judgement = judge(candidate["ok"] > baseline["ok"], outcomes, TEST)
    (part,) = judgement.parts
    assert judgement.passed
    assert (part.decision.method, part.estimate) == ("exact test of discordant pairs", 1.0)
    assert judge(candidate["ok"] < baseline["ok"], outcomes, TEST).verdict == Verdict.FAIL


def test_failed_runs_are_answers_of_a_claim_on_failing():
    claim = candidate["failed"] < 0.5
    alive = answered(*[0.5] * 12, name="loss")
    for run in alive:
        run.metrics["failed"] = 0.0
    assert judge(claim, {candidate: alive}, TEST).passed
    judgement = judge(claim, {candidate: failing(12)}, TEST)
    assert judgement.ended is Ended.DECIDED
    assert judgement.verdict == Verdict.FAIL


def test_a_rate_that_no_number_of_seeds_can_show_is_an_error_that_says_how_many_would():
    with pytest.raises(SettingError, match=r"59 are needed"):
        judge(candidate["ok"] < 0.05, {candidate: answered(False)}, TEST)
    known = {candidate: Returned(names=("failed",), yes_no=frozenset({"failed"}))}
    with pytest.raises(SettingError, match=r"59 are needed"):
        check_names(candidate["failed"] < 0.05, known, test=TEST)


@pytest.mark.parametrize(
    "claim",
    [
        candidate["ok"] > baseline["ok"] - 0.1,
        candidate["ok"] > baseline["ok"] * 1.1,
        candidate["ok"] == pytest.approx(baseline["ok"], abs=0.1),
        candidate["ok"] - 0.01 * candidate["auc"] > 0.1,
        candidate["ok"] > 1.5,
        candidate["ok"] > 0,
    ],
    ids=["margin", "ratio", "equivalence", "mixed", "bar above one", "bar of zero"],
)
def test_claims_without_an_exact_test_are_refused(claim):
    outcomes = {one: answered(True, True, auc=[0.9, 0.91]) for one in (candidate, baseline)}
    with pytest.raises(ClaimError):
        judge(claim, outcomes, TEST)


def test_bools_at_some_seeds_and_ones_at_others_are_a_rate():
    runs = answered(*[True] * 12)
    outcomes = {candidate: [*answered(1.0), *runs[1:]]}
    assert judge(candidate["ok"] > 0.5, outcomes, TEST).parts[0].decision.method == "exact binomial test"


def test_bools_at_some_seeds_and_numbers_at_others_are_an_error():
    with pytest.raises(MetricError, match=r"True or False in some training runs and 0\.7 in others"):
        judge(candidate["ok"] > 0.5, {candidate: [*answered(0.7), *answered(True)]}, TEST)


def test_numbers_that_are_zero_or_one_have_to_be_returned_as_bools():
    with pytest.raises(MetricError, match=r"return \{\"ok\": bool"):
        judge(candidate["ok"] > 0.5, {candidate: answered(1.0, 1.0, 0.0, 1.0)}, TEST)


def test_a_rate_that_stays_open_says_which_rate_so_many_seeds_can_show():
    runs = answered(*[True, True, True, True, False] * 2)
    judgement = judge(candidate["ok"] > 0.75, {candidate: runs}, TEST, run_out="over")
    assert judgement.verdict == Verdict.UNDECIDED
    assert "30 seeds show it with power 0.9 where the true rate is" in judgement.remedy
    assert re.search(
        r"If the true rate is what was seen, 0\.\d+, it takes at least \d+ seeds", judgement.remedy
    )
