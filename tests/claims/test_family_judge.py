"""The judge of families: Holm's procedure on finished training runs, whichever came first."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.claims.ablation import Ablations
from pytest_mlops.claims.family import Explored
from pytest_mlops.claims.family_judge import HOLM, apart, judge_family
from pytest_mlops.claims.judge import Ended, judge
from pytest_mlops.claims.standing import best_of, table_of
from pytest_mlops.errors import ClaimError, MetricError
from pytest_mlops.records import Cases, CaseTable, Failure, RunResult
from pytest_mlops.stats import SequentialTest, Verdict
from pytest_mlops.stats.families import holm
from pytest_mlops.stats.skewness import unequal_spread

TEST = SequentialTest()
NAMES = ("augment", "ema", "mixup")
rng = np.random.default_rng(9)
FULL = 0.9 + 0.01 * rng.normal(size=30)
# Worth 0.03, next to nothing, and -0.02: leaving the last one out gains two points.
WORTH = {"augment": 0.03, "ema": 0.0013, "mixup": -0.02}
VARIANTS = {name: FULL - worth + 0.005 * rng.normal(size=30) for name, worth in WORTH.items()}


def train(run, *, augment=True, ema=True, mixup=0.2):
    return {}


def study(**more):
    return Ablations()(train, without={"augment": False, "ema": False, "mixup": 0.0}, **more)


def run(value, name="auc", **more):
    return RunResult(key="x", metrics={name: float(value)}, **more)


FAILED = RunResult(key="x", metrics={}, failure=Failure(kind="error", message="loss exploded"))


def outcomes(of, known=30, name="auc"):
    """Results of all arms; ``known`` of each, or by component how many."""
    counts = known if isinstance(known, dict) else dict.fromkeys((*NAMES, "full"), known)
    found = {of.reference: [run(v, name) for v in FULL[: counts.get("full", 30)]]}
    return found | {of.variants[c]: [run(v, name) for v in VARIANTS[c][: counts.get(c, 30)]] for c in NAMES}


def verdicts(judgement):
    return [str(row.judgement.verdict) for row in judgement.rows]


def test_every_row_has_the_verdict_that_holms_procedure_gives_it():
    of = study()
    judgement = judge_family(of["auc"].each_component_helps(), outcomes(of), TEST)
    # Skewness is guarded against where the two sides scatter differently, as in a claim by itself.
    guard = [unequal_spread(FULL, VARIANTS[name]) for name in NAMES]
    rows = holm([FULL - VARIANTS[name] for name in NAMES], TEST, guard=guard)
    assert verdicts(judgement) == [str(row.verdict) for row in rows]
    assert [(r.judgement.n, r.level, r.adjusted_p) for r in judgement.rows] == [
        (r.decision.n, r.level, pytest.approx(r.adjusted_p)) for r in rows
    ]
    assert verdicts(judgement)[0] == "PASS"
    assert verdicts(judgement)[2] == "FAIL"
    assert judgement.verdict == Verdict.FAIL
    assert judgement.method == HOLM


def test_a_family_passes_when_all_rows_pass_and_fails_when_one_fails():
    of = study()
    hurts = judge_family(of["auc"].nothing_hurts(by=0.05), outcomes(of), TEST)
    assert verdicts(hurts) == ["PASS"] * 3
    assert hurts.passed
    some = judge_family(of["auc"].each_component_helps(), outcomes(of, known=6), TEST)
    undecided = replace(some, rows=some.rows[:2])
    assert verdicts(undecided) == ["PASS", "UNDECIDED"]
    assert undecided.verdict == Verdict.UNDECIDED
    assert not undecided.passed


def test_what_was_added_is_better_by_variant_minus_base():
    of = Ablations()(
        train,
        base={"augment": False, "ema": False, "mixup": 0.0},
        adding={"augment": True, "ema": True, "mixup": 0.2},
    )
    found = {of.reference: [run(v) for v in FULL]}
    found |= {of.variants[c]: [run(2 * f - v) for f, v in zip(FULL, VARIANTS[c], strict=True)] for c in NAMES}
    assert verdicts(judge_family(of["auc"].each_component_helps(), found, TEST)) == [
        "PASS",
        "UNDECIDED",
        "FAIL",
    ]


def test_lower_is_better_turns_every_row_round():
    of = study(lower_is_better=["loss"])
    found = {
        arm: [run(1 - r.metrics["loss"], "loss") for r in runs]
        for arm, runs in outcomes(of, name="loss").items()
    }
    judgement = judge_family(of["loss"].each_component_helps(), found, TEST)
    assert verdicts(judgement) == ["PASS", "UNDECIDED", "FAIL"]
    part = judgement.rows[0].judgement.deciding
    assert part.estimate < 0  # full minus the arm without it, in the user's units
    assert part.interval[1] < 0


def test_a_misspelt_lower_is_better_is_an_error():
    of = study(lower_is_better=["los"])
    with pytest.raises(MetricError, match=r"lower_is_better names 'los', and .* returned 'loss'"):
        judge_family(of["loss"].each_component_helps(), outcomes(of, name="loss"), TEST)


@settings(deadline=None, max_examples=15)
@given(st.randoms())
def test_the_order_in_which_training_runs_come_in_changes_no_verdict(random):
    of = study()
    family = of["auc"].each_component_helps()
    final = judge_family(family, outcomes(of), TEST)
    known = dict.fromkeys(NAMES, 0)
    while True:
        judgement = judge_family(family, outcomes(of, known), TEST)
        wanting = [
            c for c, row in zip(NAMES, judgement.rows, strict=True) if row.judgement.open and row.wants_more
        ]
        if not wanting:
            break
        known[random.choice(wanting)] += 1
    assert verdicts(judgement) == verdicts(final)
    assert [row.judgement.n for row in judgement.rows] == [row.judgement.n for row in final.rows]


def test_a_failed_training_run_ends_its_row_and_no_other():
    of = study()
    found = outcomes(of)
    found[of.variants["augment"]][3] = FAILED
    judgement = judge_family(of["auc"].each_component_helps(), found, TEST)
    row = judgement.rows[0].judgement
    assert (row.verdict, row.ended, row.failed_index) == (Verdict.UNDECIDED, Ended.FAILED_RUN, 3)
    assert 'without["augment"]' in row.reason
    assert verdicts(judgement)[2] == "FAIL"
    assert judgement.rows[1].level == pytest.approx(0.05 / 3)  # its level went to nobody


def test_a_reference_that_failed_ends_every_row_that_is_not_settled():
    of = study()
    found = outcomes(of)
    found[of.reference][5] = FAILED
    judgement = judge_family(of["auc"].each_component_helps(), found, TEST)
    assert verdicts(judgement)[0] == "PASS"  # at five pairs
    assert judgement.rows[1].judgement.ended is Ended.FAILED_RUN
    worst = judge_family(of["auc"].each_component_helps(), found, TEST, worst={"auc": 0.5})
    assert all(row.judgement.ended is Ended.DECIDED for row in worst.rows)


def test_rows_that_run_out_are_undecided_with_the_reason():
    of = study()
    judgement = judge_family(
        of["auc"].each_component_helps(),
        outcomes(of, known=7),
        TEST,
        run_out=dict.fromkeys(NAMES, "the budget is spent"),
    )
    assert [row.judgement.ended for row in judgement.rows][:2] == [Ended.DECIDED, Ended.RUN_OUT]
    assert judgement.rows[1].judgement.reason == "the budget is spent"


def test_a_component_that_touches_nothing_fails_at_the_first_look():
    of = study()
    found = outcomes(of)
    same = [replace(r, weights=str(i)) for i, r in enumerate(found[of.reference])]
    found |= {of.reference: same, of.variants["ema"]: same}
    judgement = judge_family(of["auc"].each_component_helps(), found, TEST)
    row = judgement.rows[1].judgement
    assert (row.verdict, row.n, row.identical) == (Verdict.FAIL, 5, True)
    assert "did the parameter reach the model" in row.remedy
    hurts = judge_family(of["auc"].nothing_hurts(by=0.05), found, TEST)
    assert (hurts.rows[1].judgement.verdict, hurts.rows[1].judgement.n) == (Verdict.PASS, 30)
    few = {arm: runs[:29] for arm, runs in found.items()}
    assert judge_family(of["auc"].nothing_hurts(by=0.05), few, TEST).rows[1].judgement.open


def test_harm_is_confirmed_where_that_is_asked_for():
    of = study()
    judgement = judge_family(of["auc"].each_component_helps(), outcomes(of), TEST, confirm_harm=True)
    assert "crossed the boundary on the other side" in judgement.rows[2].judgement.reason


def test_rates_and_metrics_with_cases_are_judged_apart():
    of = study()
    family = of["auc"].each_component_helps()
    assert not apart(family, outcomes(of))
    assert not apart(family, {of.reference: [], **{v: [] for v in of.variants.values()}})
    rates = {arm: [run(i % 2, yes_no=frozenset({"auc"})) for i in range(5)] for arm in outcomes(of)}
    assert apart(family, rates)
    # A failed training run says nothing of the kind of a metric: the first good one of any arm does, at whatever seed.
    late = {
        arm: [FAILED, *([run(1, yes_no=frozenset({"auc"}))] if arm == of.reference else [])] for arm in rates
    }
    assert apart(family, late)
    with pytest.raises(ClaimError, match="have tests of their own"):
        judge_family(family, late, TEST, worst={"auc": 0.0})
    table = CaseTable(names="a", count=3)
    cases = {"auc": Cases(table=table, metric="mean", numbers=np.zeros(3).tobytes())}
    assert apart(family, {arm: [replace(r, cases=cases) for r in runs] for arm, runs in outcomes(of).items()})
    assert apart(of["failed"].nothing_hurts(by=0.1), {})


def test_a_row_by_itself_at_its_share_passes_only_what_the_family_passes():
    # Rows that are asked one by one keep one alpha too: alpha / m is the first and strictest step of Holm's procedure.
    of = study()
    family = judge_family(of["auc"].each_component_helps(), outcomes(of), TEST)
    third = replace(TEST, alpha=TEST.alpha / 3)
    for name, row in zip(NAMES, family.rows, strict=True):
        found = {arm: runs for arm, runs in outcomes(of).items() if arm in (of.reference, of.variants[name])}
        alone = judge(of["auc"][name].helps(), found, third)
        assert not alone.passed or row.judgement.passed


def test_the_best_is_named_with_those_that_may_be_better():
    of = study()
    arms = {"full": of.reference, **of.variants}
    known = Explored(outcomes=outcomes(of), test=replace(TEST, alpha=TEST.alpha / 3))
    best = best_of("auc", arms, known, lower=False)
    assert best.name == "mixup"  # better without it
    assert best.contenders == ("mixup",)
    assert best.shown
    assert best.rows[0].limits[0] > 0
    assert "every other arm is shown to be worse" in str(best)
    few = best_of("auc", arms, replace(known, outcomes=outcomes(of, known=5)), lower=False)
    assert "mixup" in few.contenders
    assert len(few.contenders) > 1
    assert "may be better (confidence 0.95)" in str(few)
    worst = best_of("auc", arms, known, lower=True)
    assert worst.name == "augment"
    nothing = best_of("auc", arms, Explored(outcomes={}), lower=False)
    assert (nothing.name, str(nothing)) == (None, "best auc: no pair of training runs is known")
    with pytest.raises(ClaimError, match="asserts nothing"):
        bool(best)


def test_the_best_of_a_yes_no_metric_has_no_limits():
    of = study()
    rates = {arm: [run(i % 2, yes_no=frozenset({"auc"})) for i in range(5)] for arm in outcomes(of)}
    with pytest.raises(MetricError, match="Ask a claim"):
        best_of(
            "auc", {"full": of.reference, **of.variants}, Explored(outcomes=rates, test=TEST), lower=False
        )


def test_the_true_best_stays_among_the_contenders():
    # Four arms of which none is best by much. What is excluded at any look stays so: the last one tells of all.
    of = study()
    arms = {"full": of.reference, **of.variants}
    test, missed, draws = SequentialTest(alpha=0.2 / 3, min_seeds=5, max_seeds=12), 0, 400
    random = np.random.default_rng(11)
    for _ in range(draws):
        values = random.normal(size=(4, 12)) + np.array([0.0, 0.1, 0.0, 0.0])[:, None]
        found = {arm: [run(v) for v in row] for arm, row in zip(arms.values(), values, strict=True)}
        best = best_of("auc", arms, Explored(outcomes=found, test=test), lower=False)
        missed += "augment" not in best.contenders
    assert missed / draws <= 0.2 + 3 * np.sqrt(0.2 * 0.8 / draws)
    assert missed > 0


def test_the_table_has_a_row_a_component_before_and_after_a_question():
    of = study()
    family = of["auc"].each_component_helps()
    known = Explored(outcomes=outcomes(of), test=replace(TEST, alpha=TEST.alpha / 3))
    before = table_of(family.rows, known)
    assert [row["component"] for row in before] == list(NAMES)
    assert before[0]["difference"] == pytest.approx(float(np.mean(FULL - VARIANTS["augment"])))
    assert before[0]["low"] < before[0]["difference"] < before[0]["high"]
    assert before[0]["verdict"] is None
    after = table_of(
        family.rows, replace(known, family=family, judgement=judge_family(family, outcomes(of), TEST))
    )
    assert [row["verdict"] for row in after] == ["PASS", "UNDECIDED", "FAIL"]
    assert after[0]["adjusted_p"] <= 0.05
    assert after[0]["reference"] - after[0]["variant"] == pytest.approx(after[0]["difference"])
    assert before[0].keys() == after[0].keys()
    assert table_of(family.rows, Explored(outcomes={}))[0]["difference"] is None
