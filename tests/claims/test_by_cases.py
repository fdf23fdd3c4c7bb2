"""Claims on metrics with a number for each test case hold for new patients too."""

import numpy as np
import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import judge
from pytest_mlops.errors import MetricError
from pytest_mlops.records import Cases, CaseTable, RunResult
from pytest_mlops.stats import SequentialTest, Verdict, seeds_by_cases

arm = Arms()
TEST = SequentialTest()
PATIENTS = 60


def train(run, *, variant="baseline"):
    return {}


candidate, baseline = arm(train, variant="candidate"), arm(train)
rng = np.random.default_rng(3)
EASE = rng.normal(0.8, 0.1, PATIENTS)
BASE = EASE + rng.normal(0, 0.02, (30, PATIENTS))
GAIN = BASE + 0.05 + rng.normal(0, 0.02, (30, PATIENTS))
LUCK = BASE + 0.01 + rng.normal(0, 0.1, PATIENTS) + rng.normal(0, 0.02, (30, PATIENTS))  # on these patients


TABLE = CaseTable(names="cases", count=PATIENTS)


def runs(rows, table=TABLE, *, with_cases=True):
    return [
        RunResult(
            key=str(index),
            seed=index,
            metrics={"dice": float(row.mean())},
            cases={"dice": Cases(table=table, metric="mean", numbers=row.astype("<f8").tobytes())}
            if with_cases
            else {},
            weights=f"w{id(rows)}-{index}",
        )
        for index, row in enumerate(rows)
    ]


def judged(claim, left, right=BASE):
    return judge(claim, {candidate: runs(left), baseline: runs(right)}, TEST)


def test_a_gain_on_all_patients_passes_for_new_ones_too():
    judgement = judged(candidate["dice"] > baseline["dice"], GAIN)
    (part,) = judgement.parts
    assert judgement.passed
    assert (part.decision.method, part.decision.patients) == ("seeds by cases", PATIENTS)
    assert part.estimate == pytest.approx((GAIN - BASE)[: judgement.n].mean())


def test_the_numbers_are_those_of_seeds_by_cases():
    judgement = judged(candidate["dice"] > baseline["dice"] + 0.04, GAIN)
    n = judgement.n
    one_look = seeds_by_cases(GAIN[:n], BASE[:n], None, metric="mean")
    (part,) = judgement.parts
    assert part.estimate == pytest.approx(one_look.estimate)
    assert part.decision.case_share == pytest.approx(one_look.case_share)


def test_a_gain_on_a_few_patients_passes_over_seeds_alone_and_not_over_patients():
    claim = candidate["dice"] > baseline["dice"]
    alone = judge(
        claim, {candidate: runs(LUCK, with_cases=False), baseline: runs(BASE, with_cases=False)}, TEST
    )
    assert alone.passed
    judgement = judged(claim, LUCK)
    assert judgement.verdict == Verdict.UNDECIDED
    assert judgement.n < 10  # nothing more is spent
    assert "patients" in judgement.remedy


def test_margins_bars_and_directions_are_judged_by_cases_too():
    assert judged(candidate["dice"] > baseline["dice"] - 0.01, GAIN).passed
    assert judged(baseline["dice"] < candidate["dice"], GAIN).passed
    assert judge(candidate["dice"] > 0.7, {candidate: runs(GAIN)}, TEST).passed
    assert judged(candidate["dice"] > baseline["dice"] + 0.1, GAIN).verdict == Verdict.FAIL


@pytest.mark.parametrize("tolerance", [{"abs": 0.02}, {"rel": 0.025}])
def test_an_equivalence_is_judged_by_cases_too(tolerance):
    same = BASE + rng.normal(0, 0.02, BASE.shape)
    judgement = judged(candidate["dice"] == pytest.approx(baseline["dice"], **tolerance), same)
    (part,) = judgement.parts
    assert judgement.passed
    assert part.limits[0] < part.interval[0] < part.estimate < part.interval[1] < part.limits[1]
    assert part.decision.patients == PATIENTS


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (CaseTable(names="others", count=PATIENTS), "not the same ones"),
        (CaseTable(names="cases", count=PATIENTS, patients=bytes(4 * PATIENTS)), "other patients"),
    ],
)
def test_arms_on_other_cases_are_an_error(table, says):
    outcomes = {candidate: runs(GAIN, table), baseline: runs(BASE)}
    with pytest.raises(MetricError, match=says):
        judge(candidate["dice"] > baseline["dice"], outcomes, TEST)


def test_cases_under_some_seeds_only_are_an_error():
    mixed = [*runs(GAIN)[:3], *runs(GAIN, with_cases=False)[3:]]
    with pytest.raises(MetricError, match=r"Call run\.cases in every training run"):
        judge(candidate["dice"] > baseline["dice"], {candidate: mixed, baseline: runs(BASE)}, TEST)


def test_an_arm_without_cases_is_judged_over_seeds():
    outcomes = {candidate: runs(GAIN), baseline: runs(BASE, with_cases=False)}
    judgement = judge(candidate["dice"] > baseline["dice"], outcomes, TEST)
    assert judgement.parts[0].decision.patients is None
