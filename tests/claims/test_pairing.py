"""Recorded results are paired by place or by seed; no seed is dropped in silence, and no order is trusted that knows them."""

import numpy as np
import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.pairing import recorded_results
from pytest_mlops.errors import RecordedError

arm = Arms()
NUMBERS = [0.91, 0.93, 0.90, 0.94, 0.92, 0.95, 0.89, 0.96]


def train(run):
    return {"auc": 0.9}


def of(seeds, numbers=NUMBERS):
    return arm.recorded({"auc": numbers[: len(seeds)]}, seeds=seeds)


def seeds_of(claim, trained=None):
    return [[run.seed for run in runs] for runs in recorded_results(claim, trained).results.values()]


# --- by seed


def test_two_arms_are_paired_by_seed_in_the_order_of_the_seeds():
    left, right = of([7, 3, 5]), arm.recorded({"auc": [0.7, 0.5, 0.3]}, seeds=[7, 5, 3])
    pairs = recorded_results(left["auc"] > right["auc"], None).results
    assert [(run.seed, run.metrics["auc"]) for run in pairs[left]] == [(3, 0.93), (5, 0.90), (7, 0.91)]
    assert [(run.seed, run.metrics["auc"]) for run in pairs[right]] == [(3, 0.3), (5, 0.5), (7, 0.7)]


def test_large_seeds_are_in_order_too():
    seeds = [3407, 42, 1337, 7, 2**40]
    assert seeds_of(of(seeds)["auc"] > 0.5) == [sorted(seeds)]


def test_seeds_at_the_end_that_one_side_lacks_are_not_used_and_said():
    few, many = of([0, 1, 2]), of(range(8), NUMBERS[::-1])
    found = recorded_results(few["auc"] > many["auc"], None)
    assert [len(runs) for runs in found.results.values()] == [3, 3]
    assert found.remarks == (f"seeds 3 to 7 of many, {many!r}, have no partner, and were not used",)


@pytest.mark.parametrize(("lacking", "named"), [([0, 1, 3, 4], "seed 2"), ([2, 3, 4], "seeds 0, 1")])
def test_a_seed_that_is_missing_in_between_is_an_error_that_names_it(lacking, named):
    candidate, baseline = of(lacking), of(range(6), NUMBERS[::-1])
    with pytest.raises(RecordedError, match=rf"candidate, recorded.* has no training run of {named}, "):
        recorded_results(candidate["auc"] > baseline["auc"], None)


def test_arms_without_a_common_seed_are_no_pairs():
    with pytest.raises(RecordedError, match="no training run of seed"):
        recorded_results(of([0, 1, 2])["auc"] > of([3, 4, 5])["auc"], None)


def test_seeds_on_one_side_only_are_an_error():
    with pytest.raises(RecordedError, match=r"names the seeds .* does not"):
        recorded_results(of([0, 1, 2])["auc"] > arm.recorded({"auc": [0.8, 0.7, 0.9]})["auc"], None)


@pytest.mark.parametrize(
    ("seeds", "says"),
    [
        ([0, 0, 1], "seed 0 is there more than once"),
        ([0, 1], "3 whole numbers"),
        ([0, 1, 2.5], "3 whole numbers"),
        ([0, 1, True], "3 whole numbers"),
        ([0, 1, -1], "3 whole numbers"),
        ([0, 1, 2**60], "3 whole numbers"),
        (3, "3 whole numbers"),
    ],
)
def test_seeds_that_are_none_are_refused(seeds, says):
    with pytest.raises(RecordedError, match=says):
        arm.recorded({"auc": [0.9, 0.8, 0.7]}, seeds=seeds)


# --- beside an arm that trains


def test_recorded_seeds_meet_those_of_the_block():
    claim = arm(train)["auc"] > of([3, 1, 0, 2, 99])["auc"]
    assert seeds_of(claim, [0, 1, 2, 3, 4]) == [[0, 1, 2, 3]]
    assert "seeds 99 of" in recorded_results(claim, [0, 1, 2, 3, 4]).remarks[0]


def test_a_block_without_the_recorded_seeds_says_how_to_train_them():
    with pytest.raises(RecordedError, match=r"\.using\(seeds=range\(40, 43\)\)"):
        recorded_results(arm(train)["auc"] > of([42, 41, 40])["auc"], [0, 1, 2, 3, 4])


def test_a_seed_of_the_block_that_is_missing_in_between_is_named():
    with pytest.raises(RecordedError, match="no training run of seed 2, which another arm has"):
        recorded_results(arm(train)["auc"] > of([0, 1, 3])["auc"], [0, 1, 2, 3, 4])


def test_the_seed_of_an_arm_that_is_fixed_makes_no_pair():
    claim = of([0, 1, 2, 3])["auc"] > arm(train).using(seeds=[1])["auc"]
    assert seeds_of(claim) == [[0, 2, 3]]


def test_without_seeds_they_are_taken_in_the_order_in_which_they_stand():
    recorded = arm.recorded({"auc": NUMBERS})
    (runs,) = recorded_results(arm(train)["auc"] > recorded["auc"], [5, 6, 7]).results.values()
    assert [run.metrics["auc"] for run in runs] == NUMBERS


# --- an order that knows the results


def test_sorted_results_are_refused_on_both_sides_from_five_training_runs_on():
    rising, falling = [0.90, 0.91, 0.92, 0.93, 0.94], [0.95, 0.94, 0.93, 0.92, 0.91]
    with pytest.raises(RecordedError, match="is sorted from its first training run to its last"):
        recorded_results(arm.recorded({"auc": rising})["auc"] > arm.recorded({"auc": falling})["auc"], None)


def test_one_side_may_be_sorted_by_chance_where_training_runs_are_few():
    rising = arm.recorded({"auc": [0.90, 0.91, 0.92, 0.93, 0.94]})
    assert recorded_results(rising["auc"] > arm.recorded({"auc": NUMBERS[:5]})["auc"], None).results
    with pytest.raises(RecordedError, match="is sorted"):
        recorded_results(arm.recorded({"auc": [0.90, 0.91, 0.92, 0.93, 0.94, 0.95]})["auc"] > 0.5, None)


def test_results_sorted_by_something_that_hangs_together_with_the_metric_are_refused():
    rng = np.random.default_rng(3)
    loss = np.sort(rng.normal(size=30))
    auc = 0.9 - 0.01 * loss + rng.normal(size=30) * 0.005
    with pytest.raises(RecordedError, match="rises or falls"):
        recorded_results(arm.recorded({"auc": auc, "loss": loss})["auc"] > 0.5, None)


def test_a_curve_is_refused():
    curve = [1.0 - 0.9**step + 0.002 * (step % 3) for step in range(30)]
    with pytest.raises(RecordedError, match="points of a curve"):
        recorded_results(arm.recorded({"auc": curve})["auc"] > 0.5, None)


def test_a_column_that_is_not_claimed_may_be_sorted():
    runs = arm.recorded({"auc": NUMBERS, "time": sorted(NUMBERS), "auc/a": NUMBERS})
    assert recorded_results(runs["auc"] > 0.5, None).results
    assert recorded_results(runs["auc/*"] > 0.5, None).results
    with pytest.raises(RecordedError, match="'time'"):
        recorded_results(runs["time"] > 0.5, None)


def test_equal_results_and_failed_training_runs_are_no_order():
    assert recorded_results(arm.recorded({"auc": [0.9] * 9})["auc"] > 0.5, None).results
    nan = float("nan")
    assert recorded_results(
        arm.recorded({"auc": [0.91, nan, 0.9, nan, 0.92, 0.9]})["auc"] > 0.5, None
    ).results


def test_with_seeds_the_order_is_that_of_the_seeds_and_any_file_order_will_do():
    seeds = [5, 2, 7, 0, 3, 6, 1, 4]
    assert seeds_of(of(seeds, sorted(NUMBERS))["auc"] > 0.5) == [[0, 1, 2, 3, 4, 5, 6, 7]]
