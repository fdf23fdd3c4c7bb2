"""Splits that vary with the seed: judged once by a corrected variance, and never by a look in between."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import Ended, judge
from pytest_mlops.errors import ClaimError, SettingError, SplitError
from pytest_mlops.records import Cases, CaseTable, Failure, Record, RunResult, VaryingSplit
from pytest_mlops.stats import SequentialTest, Verdict
from pytest_mlops.stats.splits import SplitTest

arm = Arms()
TEST = SequentialTest()
rng = np.random.default_rng(0)
BASE = 0.8 + 0.02 * rng.normal(size=30)
GAIN = BASE + 0.05 + 0.02 * rng.normal(size=30)
SMALL = BASE + 0.002 + 0.01 * rng.normal(size=30)


def train(run, *, variant="baseline"):
    return {}


candidate, baseline = arm(train, variant="candidate"), arm(train)


def by_seed(index, test=20, fit=80):
    return (VaryingSplit(test=test, fit=fit),)


def in_folds(folds, test=20, fit=80):
    return lambda index: (
        VaryingSplit(test=test, fit=fit, folds=folds, fold=index % folds, repeat=index // folds),
    )


def fixed(index):
    return ()


def runs(values, split=by_seed, *, yes_no=(), name="auc", weights=None, cases=None):
    return [
        RunResult(
            key=str(index),
            seed=index,
            metrics={name: float(value), "loss/a": float(value), "loss/b": float(value)},
            yes_no=frozenset(yes_no),
            weights=weights[index] if weights else None,
            cases=cases or {},
            record=Record(splits={one.words: one.text for one in split(index)}),
        )
        for index, value in enumerate(values)
    ]


def judged(claim, left, right, test=TEST, **options):
    return judge(claim, {candidate: left, baseline: right}, test, **options)


CLAIM = candidate["auc"] > baseline["auc"]


# --- the judge uses it by itself


@pytest.mark.parametrize(
    ("split", "n", "ratio"), [(by_seed, 30, 0.25), (in_folds(5), 30, 0.25), (in_folds(4), 28, 0.25)]
)
def test_it_is_the_corrected_test_at_whole_repeats(split, n, ratio):
    judgement = judged(CLAIM, runs(SMALL, split), runs(BASE, split))
    expected = SplitTest(seeds=n, ratio=ratio).decide(SMALL - BASE)
    assert judgement.deciding.decision == expected
    assert (judgement.n, judgement.ended) == (n, Ended.DECIDED)
    assert judgement.splits.ratio == pytest.approx(ratio)


def test_what_would_pass_at_the_first_look_waits_for_the_last_one():
    assert judged(CLAIM, runs(GAIN[:5], fixed), runs(BASE[:5], fixed)).passed
    for n in range(1, 30):
        assert judged(CLAIM, runs(GAIN[:n]), runs(BASE[:n])).open
    assert judged(CLAIM, runs(GAIN), runs(BASE)).passed


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=29),
    st.sampled_from([by_seed, in_folds(5), in_folds(30)]),
    st.booleans(),
)
def test_no_claim_is_decided_before_the_last_seed(differences, split, bar):
    left = runs(0.5 + np.array(differences), split)
    if bar:
        assert judge(candidate["auc"] > 0.1, {candidate: left}, TEST).open
    else:
        assert judged(CLAIM, left, runs(np.full(len(differences), 0.5), split)).open


def test_one_run_of_one_arm_tells_it_although_the_others_failed_before_they_split():
    failures = [
        RunResult(key="x", seed=i, metrics={}, failure=Failure(kind="error", message="no")) for i in range(5)
    ]
    claim = candidate["auc"] > baseline["auc"] - 5.0
    # Without the splits five constant worst values against a spread would pass: a margin of 5 is far away.
    early = judged(claim, failures, runs(BASE[:5], fixed), worst={"auc": 0.0})
    assert early.passed
    assert judged(claim, failures, runs(BASE[:5]), worst={"auc": 0.0}).open


def test_a_bar_is_guarded_for_skewness():
    values = 0.9 - 0.1 * np.random.default_rng(1).exponential(size=30)
    judgement = judge(candidate["auc"] > 0.7, {candidate: runs(values)}, TEST)
    assert judgement.deciding.decision == SplitTest(seeds=30, ratio=0.25).decide(values - 0.7, guard=True)
    assert "guarded for skewness" in judgement.deciding.decision.method


def test_below_a_bar_the_interval_is_in_the_users_direction():
    judgement = judge(candidate["auc"] < 2.0, {candidate: runs(BASE)}, TEST)
    low, high = judgement.deciding.interval
    assert judgement.passed
    assert low < BASE.mean() < high < 2.0


def test_an_equivalence_needs_both_sides_and_each_fails_at_half():
    claim = candidate["auc"] == pytest.approx(baseline["auc"], abs=0.05)
    near = judged(claim, runs(SMALL), runs(BASE))
    assert near.passed
    low, high = near.deciding.interval
    assert -0.05 < low < high < 0.05
    assert judged(claim, runs(SMALL + 0.2), runs(BASE)).verdict == Verdict.FAIL
    assert judged(claim, runs(SMALL[:29]), runs(BASE[:29])).open
    # Between the level and its half: UNDECIDED, for either side could be the one that fails.
    test = SplitTest(seeds=30, ratio=0.25)
    shifts = np.linspace(0.05, 0.1, 400)
    shift = next(s for s in shifts if test.decide(0.05 - (SMALL - BASE + s)).p_value > 0.96)
    assert test.decide(0.05 - (SMALL - BASE + shift)).verdict == "FAIL"
    assert judged(claim, runs(SMALL + shift), runs(BASE)).verdict == Verdict.UNDECIDED


def test_all_names_of_a_wildcard_are_judged_at_the_same_seeds():
    claim = candidate["loss/*"] > baseline["loss/*"]
    judgement = judged(claim, runs(GAIN), runs(BASE))
    assert judgement.passed
    assert [part.decision.n for part in judgement.parts] == [30, 30]


def test_the_largest_of_several_splits_of_a_run_counts():
    def both(index):
        return (*in_folds(5)(index), VaryingSplit(test=30, fit=50))

    judgement = judged(CLAIM, runs(GAIN, both), runs(BASE, both))
    assert judgement.splits.ratio == pytest.approx(30 / 50)
    assert judgement.splits.folds == 5


def test_folds_of_a_size_that_is_not_whole_count_by_the_largest():
    def uneven(index):
        return in_folds(5, test=9 if index % 5 < 4 else 8, fit=35 if index % 5 < 4 else 36)(index)

    assert judged(CLAIM, runs(GAIN, uneven), runs(BASE, uneven)).splits.ratio == pytest.approx(9 / 35)


def test_fewer_max_seeds_are_whole_repeats_of_fewer():
    test = SequentialTest(max_seeds=12)
    judgement = judged(CLAIM, runs(GAIN, in_folds(5)), runs(BASE, in_folds(5)), test)
    assert judgement.n == 10


def test_identical_runs_fail_at_the_first_look_and_pass_at_the_last_only():
    weights = [f"w{index}" for index in range(30)]
    same = runs(BASE, weights=weights)
    superior = judged(CLAIM, same[:5], same[:5])
    assert (superior.verdict, superior.n) == (Verdict.FAIL, 5)
    assert judged(CLAIM, same, same) == judged(CLAIM, same, same)
    assert judged(CLAIM, same, same).n == 5
    no_worse = candidate["auc"] > baseline["auc"] - 0.01
    assert judged(no_worse, same[:29], same[:29]).open
    assert judged(no_worse, same, same).passed
    ratio = candidate["auc"] > baseline["auc"] * 0.9  # not constant: no certainty, and no early look either
    assert judged(ratio, same[:10], same[:10]).open


def test_what_it_would_take_is_more_data_and_not_more_seeds():
    remedy = judged(CLAIM, runs(SMALL), runs(BASE)).remedy
    assert judged(CLAIM, runs(SMALL), runs(BASE)).verdict == Verdict.UNDECIDED
    assert "since splits of the same data overlap: more data can" in remedy
    # The root of 0.25 / (1 / 30 + 0.25).
    assert "to 94% of what it is and no further" in remedy
    sd, reach = (
        float((SMALL - BASE).std(ddof=1)),
        SequentialTest(min_seeds=30, max_seeds=30).detectable_effect,
    )
    margin = (SMALL - BASE).mean() - reach * sd * math.sqrt(1 + 30 * 0.25)
    assert f"a margin of about {margin:.2g}" in remedy


def test_recorded_results_beside_each_other_are_judged_as_before():
    one, other = arm.recorded({"auc": GAIN}), arm.recorded({"auc": BASE})
    claim = one["auc"] > other["auc"]
    judgement = judge(claim, {one: one.source.results(), other: other.source.results()}, TEST)
    assert judgement.passed
    assert judgement.splits is None


# --- what no test holds for


@pytest.mark.parametrize("n", [1, 5, 30])
def test_an_arm_with_a_fixed_split_is_refused_from_the_first_pair_on(n):
    for left, right in ((by_seed, fixed), (fixed, by_seed)):
        with pytest.raises(SplitError, match=r"varies .*is fixed.*Call run\.split alike in all arms"):
            judged(CLAIM, runs(GAIN[:n], left), runs(BASE[:n], right))


def test_a_split_that_varies_under_some_seeds_is_refused():
    def sometimes(index):
        return by_seed(index) if index >= 5 else ()

    assert judged(
        CLAIM, runs(SMALL[:5], sometimes), runs(BASE[:5], sometimes)
    ).open  # five of one fixed split
    with pytest.raises(SplitError, match="but not under seed 0: no test holds for such a mixture"):
        judged(CLAIM, runs(SMALL[:6], sometimes), runs(BASE[:6], sometimes))


def test_a_recorded_arm_beside_one_that_varies_is_refused():
    known = arm.recorded({"auc": BASE})
    claim = candidate["auc"] > known["auc"]
    with pytest.raises(SplitError, match=r"nothing is known of the splits behind recorded.*Train both arms"):
        judge(claim, {candidate: runs(GAIN[:1]), known: known.source.results()[:1]}, TEST)


def test_a_fixed_arm_beside_one_that_varies_is_refused_however_it_split_itself():
    given = arm(train, variant="given").using(seeds=[7])
    claim = candidate["auc"] > given["auc"]
    for split in (fixed, by_seed):
        with pytest.raises(SplitError, match="is one training run, which was tested on one split"):
            judge(claim, {candidate: runs(GAIN[:1]), given: runs(BASE[:1], split)}, TEST)


@pytest.mark.parametrize(
    ("left", "right", "message"),
    [
        (lambda i: by_seed(i, 20, 80), lambda i: by_seed(i, 30, 70), "20 tested, 80 to fit, and .*30 tested"),
        (by_seed, in_folds(5), "split differently"),
        (in_folds(5), in_folds(4), "split differently"),
        (in_folds(5, 20, 80), in_folds(5, 10, 40), "split differently"),
    ],
)
def test_arms_that_split_differently_are_refused(left, right, message):
    with pytest.raises(SplitError, match=message):
        judged(CLAIM, runs(GAIN[:1], left), runs(BASE[:1], right))


def test_folds_that_do_not_come_in_turn_are_refused():
    def stuck(index):
        return in_folds(5)(3 * index)

    with pytest.raises(SplitError, match=r"number 2 of .* tested fold 4 of 5, repeat 1.*do not come in turn"):
        judged(CLAIM, runs(GAIN[:2], stuck), runs(BASE[:2], stuck))


def test_two_numbers_of_folds_in_one_run_are_refused():
    def both(index):
        return (*in_folds(5)(index), *in_folds(3)(index))

    with pytest.raises(SplitError, match="into 3 and into 5 folds"):
        judged(CLAIM, runs(GAIN[:1], both), runs(BASE[:1], both))


def test_shares_that_differ_much_between_seeds_are_refused():
    def uneven(index):
        return by_seed(index, test=20 if index % 2 else 60)

    with pytest.raises(SplitError, match="the test share varies from"):
        judged(CLAIM, runs(GAIN[:2], uneven), runs(BASE[:2], uneven))


def test_fewer_seeds_than_folds_are_refused_at_the_first_run():
    with pytest.raises(
        SettingError, match=r"one repeat of 10 folds needs 10 seeds, and max_seeds = 9.*--mlops-max-seeds=60"
    ):
        judged(CLAIM, runs(GAIN[:1], in_folds(10)), [], SequentialTest(max_seeds=9))


def test_a_rate_is_refused():
    left, right = (runs(np.arange(5) % 2, yes_no=["auc"]) for _ in range(2))
    for claim in (CLAIM, candidate["auc"] > 0.3):
        outcomes = {one: runs_ for one, runs_ in ((candidate, left), (baseline, right)) if one in claim.arms}
        with pytest.raises(
            ClaimError, match=r"a yes/no metric, and its splits vary.*Train on one fixed split"
        ):
            judge(claim, outcomes, TEST)


def test_numbers_for_each_case_are_refused():
    cases = {"auc": Cases(table=CaseTable(names="n", count=4), metric="mean", numbers=bytes(32))}
    with pytest.raises(ClaimError, match=r"a number for each case \(run\.cases\), and its splits vary"):
        judged(CLAIM, runs(GAIN[:2], cases=cases), runs(BASE[:2], cases=cases))


@pytest.mark.parametrize("method", ["signflip", "bootstrap"])
def test_a_method_that_takes_runs_for_independent_is_refused(method):
    with pytest.raises(
        SettingError,
        match=f"its splits vary with the seed, and method = {method} takes training runs for ind",
    ):
        judged(CLAIM, runs(GAIN[:1]), runs(BASE[:1]), method=method)


def test_a_run_that_failed_before_its_split_ends_the_claim_like_any_other():
    left = runs(GAIN)
    left[7] = replace(left[7], failure=Failure(kind="error", message="no"), metrics={}, record=Record())
    judgement = judged(CLAIM, left, runs(BASE))
    assert (judgement.ended, judgement.n) == (Ended.FAILED_RUN, 7)
