"""The judge: the same finished runs give the same judgement, whoever trained them and in whatever order."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import Ended, judge
from pytest_mlops.errors import MetricError, RunError
from pytest_mlops.records import Failure, RunResult
from pytest_mlops.stats import SequentialTest, Verdict

arm = Arms()
TEST = SequentialTest()


def train(run, *, variant="baseline"):
    return {}


candidate, baseline = arm(train, variant="candidate"), arm(train)


def runs(values, weights=None, yes_no=(), **others):
    """Finished runs with metric "auc"."""
    return [
        RunResult(
            key=str(index),
            metrics={
                "auc": float(value),
                **{name: float(numbers[index]) for name, numbers in others.items()},
            },
            weights=weights[index] if weights else None,
            yes_no=frozenset(yes_no),
        )
        for index, value in enumerate(values)
    ]


def failed(kind="error"):
    return RunResult(
        key="x", metrics={}, failure=Failure(kind=kind, message="loss exploded", traceback="line 3")
    )


rng = np.random.default_rng(0)
NOISE = rng.normal(size=30)
BASE = 0.8 + 0.01 * rng.normal(size=30)
GAIN = BASE + 0.05 + 0.01 * NOISE
NONE = BASE + 0.01 * NOISE
LOSS = BASE - 0.05 + 0.01 * NOISE


def verdict_of(claim, left, right, **more):
    return judge(claim, {candidate: runs(left), baseline: runs(right)}, TEST, **more)


def test_a_gain_passes_early():
    judgement = verdict_of(candidate["auc"] > baseline["auc"], GAIN, BASE)
    assert judgement.passed
    assert judgement.n < 10


def test_a_loss_fails():
    judgement = verdict_of(candidate["auc"] > baseline["auc"], LOSS, BASE)
    assert judgement.verdict == Verdict.FAIL


def test_too_few_pairs_leave_it_open():
    judgement = verdict_of(candidate["auc"] > baseline["auc"], GAIN[:3], BASE[:3])
    assert judgement.open
    assert judgement.verdict == Verdict.UNDECIDED


def test_the_estimate_is_in_the_users_order_without_the_constant():
    higher = verdict_of(candidate["auc"] > baseline["auc"] + 0.01, GAIN, BASE)
    lower = verdict_of(baseline["auc"] < candidate["auc"] - 0.01, GAIN, BASE)
    assert higher.parts[0].estimate == pytest.approx(np.mean((GAIN - BASE)[: higher.n]))
    assert lower.parts[0].estimate == pytest.approx(-higher.parts[0].estimate)
    assert lower.parts[0].interval == pytest.approx(tuple(-x for x in reversed(higher.parts[0].interval)))


@pytest.mark.parametrize("margin", [-0.02, 0.0, 0.02])
def test_every_way_to_write_a_claim_is_judged_alike(margin):
    claims = [
        candidate["auc"] > baseline["auc"] + margin,
        candidate["auc"] - margin > baseline["auc"],
        candidate["auc"] - baseline["auc"] > margin,
        baseline["auc"] + margin < candidate["auc"],
        -candidate["auc"] < -baseline["auc"] - margin,
        2 * candidate["auc"] > 2 * baseline["auc"] + 2 * margin,
    ]
    found = {(j.verdict, j.n) for j in (verdict_of(claim, GAIN, BASE) for claim in claims)}
    assert len(found) == 1


def test_pairs_beyond_the_deciding_one_are_known_and_not_used():
    claim = candidate["auc"] > baseline["auc"]
    first = verdict_of(claim, GAIN, BASE)
    short = verdict_of(claim, GAIN[: first.n], BASE[: first.n])
    assert (first.verdict, first.n, first.parts[0].estimate) == (
        short.verdict,
        short.n,
        short.parts[0].estimate,
    )
    assert len(first.parts[0].contrasts) == 30


def test_only_the_unbroken_prefix_of_pairs_counts():
    claim = candidate["auc"] > baseline["auc"]
    assert verdict_of(claim, GAIN, BASE[:4]).n == 4


# --- failed training runs


@pytest.mark.parametrize("side", ["candidate", "baseline"])
def test_a_failed_run_before_the_deciding_look_makes_it_undecided(side):
    outcomes = {candidate: runs(GAIN), baseline: runs(BASE)}
    outcomes[candidate if side == "candidate" else baseline][3] = failed()
    judgement = judge(candidate["auc"] > baseline["auc"], outcomes, TEST)
    assert (judgement.verdict, judgement.ended) == (Verdict.UNDECIDED, Ended.FAILED_RUN)
    assert "loss exploded" in judgement.reason
    assert judgement.failed_index == 3


def test_a_failed_run_beyond_the_deciding_look_changes_nothing():
    outcomes = {candidate: runs(GAIN), baseline: runs(BASE)}
    outcomes[candidate][20] = failed()
    assert judge(candidate["auc"] > baseline["auc"], outcomes, TEST).passed


def test_a_failed_first_run_is_undecided():
    judgement = judge(candidate["auc"] > 0.5, {candidate: [failed()]}, TEST)
    assert judgement.ended is Ended.FAILED_RUN


def test_a_failed_run_is_never_a_fail_even_where_the_evidence_is_bad():
    outcomes = {candidate: [*runs(LOSS[:4]), failed()], baseline: runs(BASE[:5])}
    assert judge(candidate["auc"] > baseline["auc"], outcomes, TEST).verdict == Verdict.UNDECIDED


# --- recorded results run out


def test_results_that_run_out_are_undecided_never_fail():
    judgement = verdict_of(candidate["auc"] > baseline["auc"], LOSS[:4], BASE[:4], run_out="the results end")
    assert (judgement.verdict, judgement.ended) == (Verdict.UNDECIDED, Ended.RUN_OUT)


@pytest.mark.parametrize(("wanted", "says"), [(0.003, "max_seeds=* "), (0.0001, "500 at the most")])
def test_the_remedy_of_too_few_seeds_names_the_option(wanted, says):
    noise = np.resize([-0.01, 0.01], 12)
    judgement = verdict_of(
        candidate["auc"] > baseline["auc"], BASE[:12] + noise + wanted, BASE[:12], run_out="they end"
    )
    if says == "500 at the most":
        assert "(max_seeds takes 500 at the most)" in judgement.remedy
        return
    found = re.search(r"needs about (\d+) seeds \((.*)\)\. What", judgement.remedy)
    assert found[2] == f"--mlops-max-seeds={found[1]}, or @pytest.mark.mlops(max_seeds={found[1]})"


# --- no variance, identical runs


def test_constant_contrasts_decide_nothing():
    judgement = verdict_of(candidate["auc"] > baseline["auc"], BASE + 0.25, BASE)
    assert judgement.verdict == Verdict.UNDECIDED
    assert "no spread" in judgement.reason
    assert "10%" in judgement.remedy


def test_rounding_is_no_variance():
    # 0.1 + 0.2 - 0.3 is 5.6e-17, not zero: such a spread must not make a huge t.
    left, right = [0.1 + 0.2] * 15 + [0.3] * 15, [0.2] * 30
    judgement = verdict_of(candidate["auc"] > baseline["auc"], left, right)
    assert judgement.verdict == Verdict.UNDECIDED


def test_rounding_to_single_precision_is_no_variance():
    # The same hits out of 450, averaged in float64 by one arm and in float32 by the other: rounding differs by seed.
    hits = (440 + np.rint(2 * NOISE)) / 450
    rounded = hits.astype(np.float32).astype(np.float64)
    assert np.ptp(rounded - hits) > 0
    for left, right in ((rounded, hits), (hits, rounded)):
        judgement = verdict_of(candidate["auc"] > baseline["auc"] - 1e-7, left, right)
        assert judgement.verdict == Verdict.UNDECIDED
        assert judgement.parts[0].decision.statistic is None


def test_a_gain_of_metrics_in_single_precision_is_still_judged():
    single = [np.array(values, dtype=np.float32).astype(np.float64) for values in (GAIN, BASE)]
    assert verdict_of(candidate["auc"] > baseline["auc"], *single).passed


def test_small_differences_of_large_double_metrics_are_still_judged():
    # Energies in Hartree: a gain of 1e-5 on 76 lies above the rounding of doubles, and far below that of singles.
    base = 76.0267 + 1e-6 * BASE
    assert verdict_of(candidate["auc"] > baseline["auc"], base + 1e-5 + 1e-6 * NOISE, base).passed


def identical(weights_left, weights_right, claim):
    outcomes = {candidate: runs(BASE[:5], weights_left), baseline: runs(BASE[:5], weights_right)}
    return judge(claim, outcomes, TEST)


SAME = [f"w{i}" for i in range(5)]


def test_runs_identical_bit_for_bit_fail_a_superiority_claim_at_the_first_look():
    judgement = identical(SAME, SAME, candidate["auc"] > baseline["auc"])
    assert (judgement.verdict, judgement.n) == (Verdict.FAIL, 5)
    assert "did the parameter reach the model" in judgement.remedy


def test_identical_runs_pass_a_non_inferiority_claim_only_when_all_pairs_are_identical():
    # A change after training that harms a tenth of the seeds shows nothing in five pairs with probability 0.59.
    claim = candidate["auc"] > baseline["auc"] - 0.01
    assert identical(SAME, SAME, claim).open
    names = [f"w{i}" for i in range(30)]
    outcomes = {candidate: runs(BASE, names), baseline: runs(BASE, names)}
    judgement = judge(claim, outcomes, TEST)
    assert (judgement.verdict, judgement.n) == (Verdict.PASS, 30)
    harmed = runs([*BASE[:29], BASE[29] - 0.5], [*names[:29], "else"])
    assert not judge(claim, {**outcomes, candidate: harmed}, TEST).passed


@pytest.mark.parametrize("other", [["w0", "w1", "w2", "w3", "else"], [None] * 5])
def test_equal_metrics_of_different_models_do_not_decide(other):
    assert identical(SAME, other, candidate["auc"] > baseline["auc"] - 0.01).open


def test_unknown_weights_are_not_identical():
    assert identical([None] * 5, [None] * 5, candidate["auc"] > baseline["auc"] - 0.01).open


def test_one_deterministic_arm_is_not_identical_to_a_bar():
    outcomes = {candidate: runs([0.9] * 30, ["w"] * 30)}
    assert judge(candidate["auc"] > 0.8, outcomes, TEST).verdict == Verdict.UNDECIDED


# --- names of metrics


def test_a_missing_metric_is_named_with_what_is_there():
    with pytest.raises(MetricError, match=r"no metric 'acu'.*Did you mean 'auc'"):
        verdict_of(candidate["acu"] > baseline["acu"], GAIN, BASE)


def test_a_metric_that_is_missing_at_a_later_seed_is_named():
    outcomes = {candidate: runs(GAIN[:6], extra=GAIN), baseline: runs(BASE[:6], extra=BASE)}
    metrics = dict(outcomes[candidate][4].metrics)
    del metrics["extra"]
    outcomes[candidate][4] = RunResult(key="4", metrics=metrics)
    with pytest.raises(MetricError, match="not under place 4"):
        judge(candidate["extra"] > baseline["extra"], outcomes, TEST)


def test_a_metric_that_is_one_in_every_run_is_no_rate():
    judgement = judge(
        candidate["auc"] > baseline["auc"], {candidate: runs([1] * 30), baseline: runs(BASE)}, TEST
    )
    assert judgement.passed


def test_a_function_that_seeds_alike_under_every_seed_is_refused():
    alike = [replace(run, reseeded=("torch.manual_seed(42)",)) for run in runs(GAIN[:2])]
    with pytest.raises(RunError, match=r"calls torch.manual_seed\(42\) under every seed"):
        judge(candidate["auc"] > baseline["auc"], {candidate: alike, baseline: runs(BASE[:2])}, TEST)


def test_a_function_that_seeds_with_the_seed_of_the_run_is_judged():
    own = [replace(run, reseeded=(f"torch.manual_seed({seed})",)) for seed, run in enumerate(runs(GAIN))]
    assert judge(candidate["auc"] > baseline["auc"], {candidate: own, baseline: runs(BASE)}, TEST).passed


def test_a_function_that_seeds_alike_under_some_seeds_is_refused():
    fifths = seeded(
        [
            replace(run, reseeded=(f"numpy.random.seed({seed % 5})",))
            for seed, run in enumerate(runs(GAIN[:6]))
        ]
    )
    claim = candidate["auc"] > baseline["auc"]
    with pytest.raises(RunError, match=r"numpy.random.seed\(0\) under seed 0 and under seed 5, so"):
        judge(claim, {candidate: fifths, baseline: runs(BASE[:6])}, TEST)


def test_numbers_whose_difference_is_infinite_are_an_error():
    far = {candidate: runs([1.7e308, 1.0]), baseline: runs([-1.7e308, 0.0])}
    with pytest.raises(MetricError, match="under place 0 of its results are too large for a difference"):
        judge(candidate["auc"] > baseline["auc"], far, TEST)


def seeded(results):
    return [replace(run, seed=seed) for seed, run in enumerate(results)]


@pytest.mark.parametrize("distinct", [2, 3, 4, 7, 29])
def test_few_distinct_runs_under_many_seeds_are_refused(distinct):
    # fold = run.seed % distinct: the runs repeat, weights and all.
    folds = [GAIN[seed % distinct] for seed in range(30)]
    repeating = seeded(runs(folds, weights=[f"fold {seed % distinct}" for seed in range(30)]))
    others = seeded(runs(BASE, weights=[f"seed {seed}" for seed in range(30)]))
    claim = candidate["auc"] > baseline["auc"]
    for n in (30, distinct + 1):  # found at the first repeat
        with pytest.raises(RunError, match=f"same weights.* under seed 0 and under seed {distinct}, but not"):
            judge(claim, {candidate: repeating[:n], baseline: others[:n]}, TEST)
        with pytest.raises(RunError, match=f"same weights.* under seed 0 and under seed {distinct}, but not"):
            judge(claim, {candidate: others[:n], baseline: repeating[:n]}, TEST)


def test_a_single_repeat_is_refused_where_it_lies():
    weights = [f"seed {seed}" for seed in range(30)]
    weights[4] = weights[2]
    both = {candidate: seeded(runs(GAIN, weights=weights)), baseline: runs(BASE)}
    with pytest.raises(RunError, match=r"under seed 2 and under seed 4, .*its 30 training runs are fewer"):
        judge(candidate["auc"] > baseline["auc"], both, TEST)


def test_training_that_is_the_same_under_every_seed_is_judged_and_has_no_spread():
    same = runs([0.9] * 30, weights=["one"] * 30)
    judgement = judge(candidate["auc"] > 0.8, {candidate: same}, TEST)
    assert judgement.verdict == Verdict.UNDECIDED


@pytest.mark.parametrize(("distinct", "found"), [(2, 16), (3, 12), (5, 11), (10, 20)])
def test_metrics_that_repeat_in_cycles_are_refused_where_no_weights_were_seen(distinct, found):
    # By the chance of a coincidence, distinct ** -(n - distinct) < 1e-4, and after two whole cycles at the least.
    folds = [GAIN[seed % distinct] for seed in range(30)]
    claim = candidate["auc"] > baseline["auc"] + 0.05  # nothing decides it early
    judge(claim, {candidate: runs(folds[: found - 1]), baseline: runs(BASE[: found - 1])}, TEST)
    with pytest.raises(
        RunError, match=rf"\['auc'\] repeats every {distinct} training runs: its {found} training runs are"
    ):
        judge(claim, {candidate: runs(folds[:found]), baseline: runs(BASE[:found])}, TEST)


def test_two_folds_of_equal_metric_still_make_a_cycle():
    folds = [(0.91, 0.92, 0.93, 0.92, 0.95)[seed % 5] for seed in range(30)]
    with pytest.raises(RunError, match="repeats every 5 training runs"):
        judge(candidate["auc"] > 0.9, {candidate: runs(folds)}, TEST)


@given(st.lists(st.sampled_from([0.9, 1.0]), min_size=30, max_size=30))
@settings(max_examples=300, deadline=None)
def test_a_metric_of_few_values_in_no_cycle_is_judged(values):
    # Nothing of 30 numbers repeats in a cycle of at most 15 unless they are made so.
    if any(values[length:] == values[:-length] for length in range(1, 16)):
        return
    judge(candidate["auc"] > 0.8, {candidate: runs(values)}, TEST)


# --- wildcards


def sited(offset, sites, n=30, seed=1):
    """Runs with auc/<site>: the site's gain plus noise."""
    noise = np.random.default_rng(seed).normal(size=(n, len(sites))) * 0.01
    return [
        RunResult(
            key=str(i),
            metrics={
                f"auc/{site}": offset + gain + noise[i, j] for j, (site, gain) in enumerate(sites.items())
            },
        )
        for i in range(n)
    ]


WILD = candidate["auc/*"] > baseline["auc/*"] - 0.01
EQUAL = {"a": 0.0, "b": 0.0, "deep/er": 0.0}


def judge_sites(left, right, claim=WILD):
    return judge(claim, {candidate: left, baseline: right}, TEST)


def test_a_wildcard_claim_has_a_part_for_each_name_and_all_must_hold():
    judgement = judge_sites(sited(0.9, {"a": 0.05, "b": 0.05, "deep/er": 0.05}), sited(0.9, EQUAL, seed=2))
    assert judgement.passed
    assert [part.name for part in judgement.parts] == ["a", "b", "deep/er"]


def test_one_part_that_fails_makes_the_claim_fail():
    judgement = judge_sites(sited(0.9, {"a": 0.05, "b": -0.2, "deep/er": 0.05}), sited(0.9, EQUAL, seed=2))
    assert judgement.verdict == Verdict.FAIL
    assert judgement.deciding.name == "b"


def test_a_part_once_passed_stays_passed():
    left, right = sited(0.9, {"a": 0.2, "b": 0.012}), sited(0.9, {"a": 0.0, "b": 0.0}, seed=2)
    judgement = judge_sites(left, right)
    passed = next(part for part in judgement.parts if part.name == "a")
    assert passed.decision.verdict == Verdict.PASS
    assert passed.decision.n <= judgement.n


def test_a_wildcard_that_matches_nothing_is_named():
    with pytest.raises(MetricError, match="matches none"):
        judge_sites(sited(0.9, EQUAL), sited(0.9, EQUAL), candidate["dice/*"] > baseline["dice/*"])


def test_arms_with_different_names_are_named():
    with pytest.raises(MetricError, match=r"one side only"):
        judge_sites(sited(0.9, EQUAL), sited(0.9, {"a": 0.0}))


def test_names_that_change_between_seeds_are_named():
    left, right = sited(0.9, {"a": 0.0}), sited(0.9, {"a": 0.0}, seed=2)
    for side in (left, right):
        side[2] = RunResult(key="2", metrics={**side[2].metrics, "auc/new": 0.1})
    with pytest.raises(MetricError, match="change between seeds"):
        judge_sites(left, right)


def test_built_in_metrics_are_no_parts():
    left = [RunResult(key=r.key, metrics={**r.metrics, "seconds": 1.0}) for r in sited(0.9, {"a": 0.1})]
    right = [
        RunResult(key=r.key, metrics={**r.metrics, "seconds": 2.0}) for r in sited(0.9, {"a": 0.0}, seed=2)
    ]
    judgement = judge_sites(left, right, candidate["*"] > baseline["*"])
    assert [part.name for part in judgement.parts] == ["auc/a"]


# --- laws

effects = st.floats(-1.5, 1.5)
seeds = st.integers(0, 2**31)


@settings(max_examples=40, deadline=None)
@given(effects, seeds, st.floats(-100, 100), st.sampled_from([0.001, 1.0, 1000.0]))
def test_adding_a_constant_to_both_arms_and_scaling_change_nothing(effect, seed, shift, scale):
    noise = np.random.default_rng(seed).normal(size=(2, 30))
    left, right = effect + noise[0], noise[1]
    claim = candidate["auc"] > baseline["auc"]
    plain = verdict_of(claim, left, right)
    moved = verdict_of(claim, scale * (left + shift), scale * (right + shift))
    assert (plain.verdict, plain.n) == (moved.verdict, moved.n)


@settings(max_examples=40, deadline=None)
@given(effects, seeds, st.floats(0.01, 2.0))
def test_more_gain_never_turns_pass_into_fail(effect, seed, more):
    noise = np.random.default_rng(seed).normal(size=(2, 30))
    claim = candidate["auc"] > baseline["auc"]
    plain = verdict_of(claim, effect + noise[0], noise[1])
    raised = verdict_of(claim, effect + more + noise[0], noise[1])
    assert not (plain.passed and raised.verdict == Verdict.FAIL)


@settings(max_examples=25, deadline=None)
@given(effects, seeds)
def test_replaying_pair_by_pair_gives_what_all_pairs_at_once_give(effect, seed):
    noise = np.random.default_rng(seed).normal(size=(2, 30))
    left, right = effect + noise[0], noise[1]
    claim = candidate["auc"] > baseline["auc"]
    at_once = verdict_of(claim, left, right)
    for n in range(1, 31):
        judgement = verdict_of(claim, left[:n], right[:n])
        if not judgement.open:
            break
    assert (judgement.verdict, judgement.n, judgement.reason) == (at_once.verdict, at_once.n, at_once.reason)
    assert math.isclose(judgement.parts[0].estimate, at_once.parts[0].estimate)


# --- equivalence


def test_a_small_difference_passes_an_equivalence():
    claim = candidate["auc"] == pytest.approx(baseline["auc"], abs=0.02)
    judgement = verdict_of(claim, NONE, BASE)
    (part,) = judgement.parts
    assert judgement.passed
    assert -0.02 < part.interval[0] < part.estimate < part.interval[1] < 0.02
    assert part.limits == (-0.02, 0.02)


@pytest.mark.parametrize("values", [GAIN, LOSS], ids=["better", "worse"])
def test_a_difference_in_either_direction_fails_an_equivalence(values):
    claim = candidate["auc"] == pytest.approx(baseline["auc"], abs=0.02)
    assert verdict_of(claim, values, BASE).verdict == Verdict.FAIL


def test_an_equivalence_may_be_centred_elsewhere():
    claim = candidate["auc"] == pytest.approx(baseline["auc"] + 0.05, abs=0.02)
    judgement = verdict_of(claim, GAIN, BASE)
    assert judgement.passed
    assert judgement.parts[0].limits == pytest.approx((0.03, 0.07))


def test_a_relative_equivalence_is_a_share_of_the_right_side():
    claim = candidate["auc"] == pytest.approx(baseline["auc"], rel=0.025)
    judgement = verdict_of(claim, NONE, BASE)
    (part,) = judgement.parts
    assert judgement.passed
    assert part.limits[1] == pytest.approx(0.025 * BASE[: judgement.n].mean())
    assert part.limits[0] < part.interval[0]
    assert part.interval[1] < part.limits[1]


def test_equivalence_to_a_number():
    assert verdict_of(candidate["auc"] == pytest.approx(0.85, abs=0.03), GAIN, BASE).passed
    relative = candidate["auc"] == pytest.approx(0.85, rel=0.03)
    assert verdict_of(relative, GAIN, BASE).parts[0].limits == pytest.approx((0.85 * 0.97, 0.85 * 1.03))


# --- ratios


def test_a_ratio_is_judged_by_the_weighted_difference():
    holds = verdict_of(candidate["auc"] > baseline["auc"] * 1.01, GAIN, BASE)
    assert holds.passed
    assert holds.parts[0].estimate == pytest.approx(np.mean((GAIN - 1.01 * BASE)[: holds.n]))
    assert verdict_of(candidate["auc"] > baseline["auc"] * 1.2, GAIN, BASE).verdict == Verdict.FAIL


@pytest.mark.parametrize("values", [[-0.1] * 6, [0.0] * 6], ids=["negative", "zero"])
def test_a_ratio_of_what_is_not_positive_is_an_error(values):
    with pytest.raises(MetricError, match="turns round"):
        verdict_of(candidate["auc"] > baseline["auc"] * 1.01, GAIN[:6], values)


# --- skewness, and harm


def test_bars_are_guarded_against_skewness_and_arms_of_equal_spread_are_not():
    def method(claim):
        return verdict_of(claim, GAIN, BASE).parts[0].decision.method

    assert method(candidate["auc"] > 0.8) == "sequential t-test, guarded for skewness"
    for claim in (
        candidate["auc"] > baseline["auc"],
        candidate["auc"] > baseline["auc"] + 0.01,
        candidate["auc"] > baseline["auc"] * 1.01,
    ):
        assert method(claim) == "sequential t-test"


def test_arms_of_unequal_spread_are_guarded_against_skewness():
    wide = 1.0 + 0.06 * NOISE
    judgement = verdict_of(candidate["auc"] > baseline["auc"], wide, BASE)
    assert judgement.parts[0].decision.method == "sequential t-test, guarded for skewness"


def test_confirm_harm_goes_on_until_harm_is_shown():
    slightly = BASE - 0.004 + 0.01 * NOISE
    claim = candidate["auc"] > baseline["auc"]
    assert verdict_of(claim, slightly, BASE).n < verdict_of(claim, slightly, BASE, confirm_harm=True).n
    judgement = verdict_of(claim, LOSS, BASE, confirm_harm=True)
    assert judgement.verdict == Verdict.FAIL
    assert "opposite" in judgement.reason
    assert judgement.parts[0].interval[1] < 0


# --- what failed training runs count as


def with_failures(values, places):
    found = runs(values)
    for place in places:
        found[place] = failed()
    return found


def test_a_failed_run_counts_as_the_worst_value_that_the_claim_declares():
    outcomes = {candidate: with_failures(GAIN, [1]), baseline: runs(BASE)}
    claim = candidate["auc"] > baseline["auc"]
    assert judge(claim, outcomes, TEST).ended is Ended.FAILED_RUN
    judgement = judge(claim, outcomes, TEST, worst={"auc": 0.0})
    assert judgement.ended is Ended.DECIDED
    assert judgement.parts[0].contrasts[1] == pytest.approx(-BASE[1])
    assert not judgement.passed


def test_a_worst_value_reaches_metrics_by_pattern():
    outcomes = {candidate: with_failures(GAIN, [1]), baseline: runs(BASE)}
    assert judge(candidate["auc"] > 0.5, outcomes, TEST, worst={"a*": 0.1}).parts[0].contrasts[1] == 0.1
    assert judge(candidate["auc"] > 0.5, outcomes, TEST, worst={"b*": 0.1}).ended is Ended.FAILED_RUN


@pytest.mark.parametrize("value", [0.85, 0.99], ids=["better than some", "better than all, for a bar"])
def test_a_worst_value_that_is_not_the_worst_is_an_error(value):
    outcomes = {candidate: with_failures(GAIN, [1])}
    with pytest.raises(MetricError, match="failing could pay"):
        judge(candidate["auc"] > 0.5, outcomes, TEST, worst={"auc": value})


def test_runs_that_count_as_their_worst_value_are_never_identical():
    alike = runs(BASE, weights=[f"w{index}" for index in range(len(BASE))])
    outcomes = {candidate: [failed(), *alike[1:]], baseline: [failed(), *alike[1:]]}
    judgement = judge(candidate["auc"] > baseline["auc"] - 0.1, outcomes, TEST, worst={"auc": 0.0})
    assert not judgement.identical


def test_a_stop_after_the_first_look_has_a_median_unbiased_estimate_too():
    small = BASE + 0.006 + 0.01 * NOISE
    judgement = verdict_of(candidate["auc"] > baseline["auc"] - 0.001, small, BASE)
    (part,) = judgement.parts
    assert judgement.passed
    assert judgement.n > 5
    assert part.interval[0] < part.median_unbiased < part.estimate
    turned = verdict_of(baseline["auc"] < candidate["auc"] + 0.001, small, BASE)
    assert turned.parts[0].median_unbiased == pytest.approx(-part.median_unbiased)


def test_a_pass_at_the_first_look_needs_none():
    assert verdict_of(candidate["auc"] > baseline["auc"], GAIN, BASE).parts[0].median_unbiased is None
