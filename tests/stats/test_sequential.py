import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.stats import Decision, SequentialTest, Verdict
from pytest_mlops.stats.judge import REASONS, VERDICTS, intervals

TEST = SequentialTest()
NUMBERS = st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 6))
CONTRASTS = st.lists(NUMBERS, min_size=0, max_size=40)
SHIFTED = st.tuples(CONTRASTS, st.floats(-1, 3)).map(lambda pair: [x + pair[1] for x in pair[0]])


def drawn(seed, effect, n=30):
    return np.random.default_rng(seed).normal(effect, 1.0, n)


def test_large_gain_passes_at_the_first_look():
    decision = TEST.decide([1.0, 1.1, 0.9, 1.05, 0.95, 1.0])
    assert decision.verdict == "PASS"
    assert decision.reason == "efficacy"
    assert decision.n == 5
    assert decision.estimate == pytest.approx(1.0)
    # By hand: sd 0.0790569, t = 1 / (sd / sqrt(5)) = 28.2843.
    assert decision.statistic == pytest.approx(28.2843, abs=1e-3)


def test_large_loss_fails():
    assert TEST.decide([-1.0, -1.1, -0.9, -1.05, -0.95]).verdict == "FAIL"


def test_nothing_learned_is_undecided_at_futility():
    decision = TEST.decide([-0.3, -0.2, 0.1, -0.35, 0.1])
    assert (decision.verdict, decision.reason) == ("UNDECIDED", "futility")


def test_before_the_first_look_everything_is_possible():
    decision = TEST.decide([1.0, 2.0])
    assert (decision.verdict, decision.reason, decision.n) == ("UNDECIDED", "continue", 2)
    assert decision.interval == (-np.inf, np.inf)
    assert decision.p_value is None
    assert not decision.decided


def test_no_contrast_at_all_continues():
    decision = TEST.decide([])
    assert (decision.reason, decision.n, decision.interval) == ("continue", 0, (-np.inf, np.inf))


def test_max_seeds_stops():
    # Half the detectable effect stays between the bounds longest: about one claim in twenty until the end.
    judged = TEST.judge(np.random.default_rng(5).normal(0.4, 1.0, (2000, 40)))
    reasons = {str(REASONS[code]) for code in np.unique(judged.reason)}
    assert reasons == {"efficacy", "futility", "max_seeds"}
    assert judged.n.max() == 30


def test_verdict_is_its_word():
    assert f"{Verdict.PASS}" == "PASS"
    assert all(verdict == verdict.name for verdict in Verdict)


def test_decision_and_test_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TEST.alpha = 0.1
    with pytest.raises(dataclasses.FrozenInstanceError):
        TEST.decide([1.0]).n = 3
    with pytest.raises(ValueError, match="read-only"):
        TEST.efficacy[0] = 0.0


def test_equal_designs_are_equal():
    assert SequentialTest(max_seeds=20) == SequentialTest(alpha=0.05, max_seeds=20)
    assert hash(SequentialTest(max_seeds=20)) == hash(SequentialTest(max_seeds=20))


@pytest.mark.parametrize("constant", [0.0, 0.1, -0.3, 1e9])
def test_constant_contrasts_decide_nothing(constant):
    assert TEST.decide([constant] * 29).reason == "continue"
    decision = TEST.decide([constant] * 40)
    assert (decision.verdict, decision.reason, decision.n) == ("UNDECIDED", "no variance", 30)
    assert decision.p_value is None
    assert decision.interval == (-np.inf, np.inf)


def test_a_sequence_goes_on_after_constant_contrasts():
    decision = TEST.decide([0.01] * 7 + [-0.1, 0.01, 0.012] + [0.01] * 20)
    assert decision.reason != "no variance"
    assert decision.n > 7


@pytest.mark.parametrize(("constant", "verdict"), [(0.1, "PASS"), (0.0, "FAIL"), (-0.1, "FAIL")])
def test_identical_runs_decide_at_the_first_look(constant, verdict):
    assert TEST.decide([constant] * 4, identical=True).reason == "continue"
    decision = TEST.decide([constant] * 9, identical=True)
    assert (decision.verdict, decision.reason, decision.n) == (verdict, "identical", 5)
    assert decision.interval == (constant, constant)


def test_identical_runs_with_a_spread_are_judged_by_it():
    # A ratio claim: identical runs, but the contrast y - 1.01 y varies with y.
    assert TEST.decide([-0.009, -0.0091, -0.0088, -0.009, -0.0092], identical=True).verdict == "FAIL"


def test_rounding_is_no_spread():
    contrasts = [0.9 - 0.8, 0.5 - 0.4, 0.3 - 0.2, 0.7 - 0.6, 1.1 - 1.0] * 6
    assert len(set(contrasts)) > 1
    assert TEST.decide(contrasts, resolution=2.3e-16).reason == "no variance"


def test_constant_within_resolution_of_zero_is_not_above_zero():
    assert TEST.decide([1e-17] * 5, identical=True, resolution=1e-16).verdict == "FAIL"


def test_parts_fail_later_and_pass_alike():
    worst = TEST.decide([-1.0, -1.1, -0.2, -0.1, -1.0])
    assert worst.verdict == "FAIL"
    assert TEST.decide([-1.0, -1.1, -0.2, -0.1, -1.0], parts=20).verdict == "UNDECIDED"
    assert TEST.decide([1.0, 1.1, 0.9, 1.05, 0.95], parts=20).verdict == "PASS"


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        ([0.1, np.nan, 0.3], r"contrasts\[1\] is nan"),
        ([0.1, 0.2, -np.inf], r"contrasts\[2\] is -inf"),
        ([[0.1, 0.2]], "one axis"),
        (0.5, "scalar"),
        (["a", "b"], "real numbers"),
        ([True, False], "real numbers"),
        ([1j], "real numbers"),
        ([None, 1.0], "real numbers"),
        ([[1.0], [1.0, 2.0]], "numbers, one a seed"),
    ],
)
def test_bad_contrasts_are_named(contrasts, message):
    with pytest.raises(ValueError, match=message):
        TEST.decide(contrasts)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0.0}, "alpha=0.0"),
        ({"alpha": 0.5}, "alpha=0.5"),
        ({"alpha": np.nan}, "alpha=nan"),
        ({"alpha": "0.05"}, "alpha='0.05'"),
        ({"alpha": True}, "alpha=True"),
        ({"power": 0.05}, "power=0.05"),
        ({"power": 1.0}, "power=1.0"),
        ({"min_seeds": 1}, "min_seeds=1"),
        ({"min_seeds": 5.0}, "min_seeds=5.0"),
        ({"min_seeds": True}, "min_seeds=True"),
        ({"min_seeds": 31}, "max_seeds=30"),
        ({"max_seeds": 4}, "max_seeds=4"),
        ({"max_seeds": 10**6}, "max_seeds=1000000"),
    ],
)
def test_bad_designs_are_refused_at_the_door(options, message):
    with pytest.raises(ValueError, match=message):
        SequentialTest(**options)


@pytest.mark.parametrize("parts", [0, -1, 1.5, True])
def test_bad_parts_are_refused(parts):
    with pytest.raises(ValueError, match="parts="):
        TEST.decide([1.0], parts=parts)


@pytest.mark.parametrize("resolution", [-1.0, np.nan, np.inf])
def test_bad_resolution_is_refused(resolution):
    with pytest.raises(ValueError, match="resolution="):
        TEST.decide([1.0], resolution=resolution)


def test_bad_effect_is_refused():
    with pytest.raises(ValueError, match="effect="):
        TEST.expected_seeds(np.nan)


@given(SHIFTED, st.floats(0, 4))
def test_a_shift_upward_never_loses_a_pass(contrasts, shift):
    if TEST.decide(contrasts).verdict == "PASS":
        assert TEST.decide([x + shift for x in contrasts]).verdict == "PASS"


@given(SHIFTED, st.integers(-40, 40))
def test_scale_changes_only_the_units(contrasts, exponent):
    scale = 2.0**exponent  # exact in floating point, so that nothing hangs on rounding
    one, other = TEST.decide(contrasts), TEST.decide([x * scale for x in contrasts])
    assert (one.verdict, one.reason, one.n, one.p_value) == (
        other.verdict,
        other.reason,
        other.n,
        other.p_value,
    )
    if contrasts:
        assert other.estimate == one.estimate * scale


@given(SHIFTED, st.lists(st.floats(-1e6, 1e6), max_size=10))
def test_contrasts_beyond_the_deciding_look_are_ignored(contrasts, more):
    decision = TEST.decide(contrasts)
    if decision.decided:
        assert TEST.decide(contrasts + more) == decision
        assert TEST.decide(contrasts[: decision.n]) == decision


@settings(max_examples=30)
@given(SHIFTED)
def test_every_prefix_of_a_decision_continues(contrasts):
    decision = TEST.decide(contrasts)
    for n in range(decision.n if decision.decided else len(contrasts)):
        assert TEST.decide(contrasts[:n]).reason == "continue"


@given(SHIFTED)
def test_pass_p_value_and_interval_agree(contrasts):
    decision = TEST.decide(contrasts)
    if decision.p_value is not None:
        assert (decision.p_value <= TEST.alpha) == (decision.verdict == "PASS")
        assert (decision.interval[0] >= 0) == (decision.verdict == "PASS")
        assert decision.interval[0] <= decision.estimate <= decision.interval[1]


@settings(max_examples=30)
@given(
    st.lists(st.lists(NUMBERS, min_size=33, max_size=33), min_size=1, max_size=6),
    st.booleans(),
    st.integers(1, 9),
)
def test_many_claims_are_judged_as_one_by_one(rows, identical, parts):
    judged = TEST.judge(rows, identical=identical, parts=parts)
    low, high = intervals(TEST.bounds, judged)
    p_values = TEST.p_values(judged)
    for i, row in enumerate(rows):
        one = TEST.decide(row, identical=identical, parts=parts)
        assert (one.verdict, one.reason) == (VERDICTS[judged.verdict[i]], REASONS[judged.reason[i]])
        assert (one.n, one.estimate, one.interval) == (judged.n[i], judged.estimate[i], (low[i], high[i]))
        assert one.p_value is None or one.p_value == pytest.approx(p_values[i], abs=1e-12)


def test_any_leading_shape_is_judged():
    x = np.random.default_rng(3).normal(0.5, 1, (2, 3, 30))
    judged = TEST.judge(x)
    assert judged.verdict.shape == (2, 3)
    assert VERDICTS[judged.verdict[1, 2]] == TEST.decide(x[1, 2]).verdict


def test_p_value_falls_as_the_statistic_rises():
    base = np.array([-1.0, 1.0, -0.5, 0.5, 0.0])
    p_values = [TEST.decide(base + shift).p_value for shift in np.linspace(-1, 3, 60)]
    assert (np.diff(p_values) <= 1e-12).all()


def test_p_value_at_the_first_look_is_that_of_the_t_test():
    from scipy import stats

    x = [1.0, 1.6, 0.7, 1.3, 1.4]
    assert TEST.decide(x).p_value == pytest.approx(
        stats.ttest_1samp(x, 0, alternative="greater").pvalue, rel=1e-6
    )


def test_huge_and_tiny_numbers_are_judged_like_others():
    x = drawn(1, 0.8)
    verdicts = {(TEST.decide(x * scale).verdict, TEST.decide(x * scale).n) for scale in (1e-250, 1.0, 1e250)}
    assert len(verdicts) == 1


def test_decision_is_exported():
    assert isinstance(TEST.decide([1.0]), Decision)
