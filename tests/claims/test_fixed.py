"""Fixed arms: one training run, which is given, against every seed of the other arm."""

import math

import numpy as np
import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import Ended, judge
from pytest_mlops.claims.names import check_names
from pytest_mlops.claims.one_look import judge_over_patients
from pytest_mlops.claims.series import series_of
from pytest_mlops.errors import ClaimError, MetricError
from pytest_mlops.records import Cases, CaseTable, Failure, Returned, RunResult
from pytest_mlops.stats import SequentialTest, Verdict, seeds_by_cases

arm = Arms()
TEST = SequentialTest()
PATIENTS = 60
TABLE = CaseTable(names="cases", count=PATIENTS)


def train(run, *, variant="baseline"):
    return {}


candidate = arm(train, variant="candidate")
checkpoint, other = (arm(train, variant=name).using(seeds=[0]) for name in ("published", "other"))
rng = np.random.default_rng(5)
VALUES = 0.9 + 0.01 * rng.normal(size=30)
EASE = rng.normal(0.8, 0.1, PATIENTS)
GIVEN = EASE + rng.normal(0, 0.02, PATIENTS)
ROWS = EASE + 0.05 + rng.normal(0, 0.02, (30, PATIENTS))


def runs(values, **more):
    return [
        RunResult(key=str(i), seed=i, metrics={"auc": float(v)}, **more)
        for i, v in enumerate(np.ravel(values))
    ]


def with_cases(rows):
    return [
        RunResult(
            key=str(i),
            seed=i,
            metrics={"dice": float(row.mean())},
            cases={"dice": Cases(table=TABLE, metric="mean", numbers=row.astype("<f8").tobytes())},
        )
        for i, row in enumerate(rows)
    ]


def test_a_fixed_arm_is_judged_as_the_bar_that_it_is():
    given = judge(
        candidate["auc"] > checkpoint["auc"], {candidate: runs(VALUES), checkpoint: runs(0.88)}, TEST
    )
    bar = judge(candidate["auc"] > 0.88, {candidate: runs(VALUES)}, TEST)
    assert given.passed
    assert given.n == bar.n
    assert given.parts[0].decision.statistic == pytest.approx(bar.parts[0].decision.statistic)
    assert given.parts[0].decision.p_value == pytest.approx(bar.parts[0].decision.p_value)


@pytest.mark.parametrize("gain", [0.0, 0.005, -0.01])
def test_margins_are_those_of_the_bar_too(gain):
    given = judge(
        candidate["auc"] > checkpoint["auc"] + gain, {candidate: runs(VALUES), checkpoint: runs(0.89)}, TEST
    )
    bar = judge(candidate["auc"] > 0.89 + gain, {candidate: runs(VALUES)}, TEST)
    assert (given.verdict, given.n) == (bar.verdict, bar.n)


def test_skewness_is_guarded_against_because_it_does_not_cancel():
    claim = candidate["auc"] > checkpoint["auc"]
    outcomes = {candidate: runs(VALUES), checkpoint: runs(0.88)}
    (part,) = judge(claim, outcomes, TEST).parts
    assert part.decision.method.endswith("guarded for skewness")
    pairs = {candidate: outcomes[candidate], checkpoint: outcomes[checkpoint] * 30}
    assert series_of(claim, claim.parts({a: ["auc"] for a in claim.arms})[0], pairs, 30).guard.all()


def test_two_trained_arms_beside_a_fixed_one_are_guarded_by_their_own_spreads():
    second = arm(train, variant="second")
    claim = candidate["auc"] > second["auc"] + 0.1 * checkpoint["auc"]
    outcomes = {candidate: runs(VALUES), second: runs(VALUES[::-1]), checkpoint: runs([0.88] * 30)}
    assert (
        not series_of(claim, claim.parts({a: ["auc"] for a in claim.arms})[0], outcomes, 30).guard[5:].any()
    )


def test_a_fixed_arm_has_a_number_and_no_spread():
    outcomes = {candidate: runs(VALUES), checkpoint: runs(0.88)}
    left, right = judge(candidate["auc"] > checkpoint["auc"], outcomes, TEST).parts[0].sides
    assert left.sd > 0
    assert right.mean == pytest.approx(0.88)
    assert math.isnan(right.sd)


def test_ratios_and_equivalences_stand_against_the_one_number():
    outcomes = {candidate: runs(VALUES), checkpoint: runs(0.9)}
    ratio = judge(candidate["auc"] > checkpoint["auc"] * 0.95, outcomes, TEST)
    assert ratio.passed
    same = judge(candidate["auc"] == pytest.approx(checkpoint["auc"], rel=0.02), outcomes, TEST)
    assert same.passed
    assert same.parts[0].limits == pytest.approx((-0.018, 0.018))


def test_what_it_calls_under_its_one_seed_is_no_repetition():
    fixed = runs(0.88, reseeded=("torch.manual_seed(42)",), weights="w")
    assert judge(
        candidate["auc"] > checkpoint["auc"], {candidate: runs(VALUES), checkpoint: fixed}, TEST
    ).passed


FAILED = RunResult(key="x", seed=0, metrics={}, failure=Failure(kind="error", message="no such file"))


@pytest.mark.parametrize("worst", [{}, {"auc": 0.0}])
@pytest.mark.parametrize("trained", [[], runs(VALUES)])
def test_a_fixed_arm_that_failed_is_nothing_to_stand_against(worst, trained):
    claim = candidate["auc"] > checkpoint["auc"]
    judgement = judge(claim, {candidate: trained, checkpoint: [FAILED]}, TEST, worst=worst)
    assert (judgement.verdict, judgement.ended, judgement.n) == (Verdict.UNDECIDED, Ended.FAILED_RUN, 0)
    assert "checkpoint under seed 0 failed (error): no such file" in judgement.reason


def test_without_its_run_nothing_is_known():
    assert judge(candidate["auc"] > checkpoint["auc"], {candidate: runs(VALUES), checkpoint: []}, TEST).open


def test_one_answer_of_a_fixed_arm_is_no_rate():
    returned = {one: Returned(names=("ok",), yes_no=frozenset({"ok"})) for one in (candidate, checkpoint)}
    with pytest.raises(
        ClaimError, match="checkpoint names one seed, so of a yes/no metric it has one answer"
    ):
        check_names(candidate["ok"] > checkpoint["ok"], returned)
    with pytest.raises(ClaimError, match="no rate"):
        check_names(checkpoint["failed"] < 0.2, {checkpoint: Returned(names=("failed",), yes_no=frozenset())})


def test_different_lists_of_seeds_are_refused_and_a_single_one_is_given():
    with pytest.raises(ClaimError, match="name different seeds"):
        _ = candidate.using(seeds=range(9))["auc"] > arm(train).using(seeds=range(8))["auc"]
    claim = candidate.using(seeds=range(9))["auc"] > checkpoint["auc"]
    assert claim.seeds == tuple(range(9))


# --- cases


def test_over_patients_the_seeds_variance_is_that_of_the_trained_arm_and_cases_are_paired():
    claim = candidate["dice"] > checkpoint["dice"] + 0.02
    judgement = judge(claim, {candidate: with_cases(ROWS), checkpoint: with_cases([GIVEN])}, TEST)
    (part,) = judgement.parts
    n = judgement.n
    one_look = seeds_by_cases(ROWS[:n], np.tile(GIVEN, (n, 1)), None, metric="mean")
    alone = seeds_by_cases(ROWS[:n], np.zeros((n, PATIENTS)), None, metric="mean")
    assert judgement.passed
    assert part.decision.patients == PATIENTS
    assert part.decision.case_share == pytest.approx(one_look.case_share)
    assert one_look.mean_squares.seed == pytest.approx(alone.mean_squares.seed)  # nothing of the fixed arm's
    assert one_look.mean_squares.case < alone.mean_squares.case / 5  # how easy a patient is cancels


@pytest.fixture
def both_fixed():
    def judged(claim, one, two=GIVEN, alpha=0.05):
        return judge_over_patients(
            claim, {checkpoint: with_cases([two]), other: with_cases([one])}, alpha=alpha, power=0.9
        )

    return judged


def test_two_fixed_arms_are_judged_over_patients_at_one_look(both_fixed):
    judgement = both_fixed(other["dice"] > checkpoint["dice"] + 0.04, ROWS[0])
    one_look = seeds_by_cases(ROWS[0], GIVEN, None, metric="mean")
    (part,) = judgement.parts
    assert judgement.passed
    assert judgement.n == 1
    assert (part.decision.patients, part.decision.df) == (PATIENTS, PATIENTS - 1)
    assert part.estimate == pytest.approx(one_look.estimate)
    assert part.interval == pytest.approx(one_look.interval, abs=3e-4)  # Hall's image of the quantile


@pytest.mark.parametrize(("margin", "verdict"), [(0.03, "PASS"), (0.05, "UNDECIDED"), (0.08, "FAIL")])
def test_the_interval_of_one_look_agrees_with_its_verdict(both_fixed, margin, verdict):
    judgement = both_fixed(other["dice"] > checkpoint["dice"] + margin, ROWS[0])
    (part,) = judgement.parts
    assert judgement.verdict == verdict
    assert (part.interval[0] > margin) == judgement.passed == (part.decision.p_value <= 0.05)
    assert judgement.passed == (judgement.remedy is None)


def test_an_equivalence_of_fixed_arms_needs_both_sides(both_fixed):
    assert both_fixed(
        other["dice"] == pytest.approx(checkpoint["dice"], abs=0.02), GIVEN + ROWS[1] - ROWS[0]
    ).passed
    assert not both_fixed(other["dice"] == pytest.approx(checkpoint["dice"], rel=0.02), ROWS[0]).passed


def test_a_fixed_arm_against_a_bar_is_judged_over_patients(both_fixed):
    outcomes = {checkpoint: with_cases([GIVEN])}
    assert judge_over_patients(checkpoint["dice"] > 0.7, outcomes, alpha=0.05, power=0.9).passed
    failed = judge_over_patients(checkpoint["dice"] > 0.9, outcomes, alpha=0.05, power=0.9)
    assert failed.verdict == Verdict.FAIL


def test_patients_that_all_say_the_same_decide_nothing(both_fixed):
    judgement = both_fixed(other["dice"] > checkpoint["dice"] - 0.01, GIVEN)
    assert judgement.verdict == Verdict.UNDECIDED
    assert "every patient gave the same number" in judgement.reason


def test_two_fixed_arms_without_cases_leave_nothing_to_judge_by():
    outcomes = {checkpoint: runs(0.88), other: runs(0.93)}
    with pytest.raises(ClaimError, match="over seeds nothing can be said"):
        judge_over_patients(other["auc"] > checkpoint["auc"], outcomes, alpha=0.05, power=0.9)


def test_fixed_arms_on_other_cases_are_an_error(both_fixed):
    claim = other["dice"] > checkpoint["dice"]
    strange = RunResult(
        key="s",
        seed=0,
        metrics={"dice": 0.8},
        cases={
            "dice": Cases(
                table=CaseTable(names="others", count=PATIENTS), metric="mean", numbers=GIVEN.tobytes()
            )
        },
    )
    with pytest.raises(MetricError, match="not the same ones"):
        judge_over_patients(claim, {checkpoint: with_cases([GIVEN]), other: [strange]}, alpha=0.05, power=0.9)


def test_a_fixed_arm_that_failed_leaves_one_look_undecided():
    judgement = judge_over_patients(
        other["dice"] > checkpoint["dice"], {other: [FAILED], checkpoint: []}, alpha=0.05, power=0.9
    )
    assert judgement.ended is Ended.FAILED_RUN
    assert "other under seed 0 failed" in judgement.reason


def test_a_side_of_an_equivalence_fails_at_half_of_alpha(both_fixed):
    # t = -1.8 on 59 degrees of freedom: beyond the quantile at 0.05 (-1.671), not beyond that at 0.025 (-2.001).
    scatter = np.tile([0.01, -0.01], PATIENTS // 2)
    below = GIVEN - 1.8 * scatter.std(ddof=1) / np.sqrt(PATIENTS) + scatter
    assert both_fixed(other["dice"] > checkpoint["dice"], below).verdict == Verdict.FAIL
    within = other["dice"] == pytest.approx(checkpoint["dice"] + 0.5, abs=0.5)
    assert both_fixed(within, below).verdict == Verdict.UNDECIDED
