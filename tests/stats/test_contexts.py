"""A claim over several contexts: the stratified sequential test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from pytest_mlops.stats.contexts import ContextTest

rng = np.random.default_rng(2026)


def test_looks_are_after_whole_rounds_of_at_least_two_pairs_a_context():
    assert ContextTest(contexts=2).looks.tolist() == list(range(6, 31, 2))
    assert ContextTest(contexts=6).looks.tolist() == [12, 18, 24, 30]
    assert ContextTest(contexts=7).looks.tolist() == [14, 21, 28]
    assert ContextTest(contexts=15).looks.tolist() == [30]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"contexts": 1}, "contexts=1"),
        ({"contexts": True}, "contexts=True"),
        ({"contexts": 16}, "16 contexts need at least 32 pairs"),
        ({"contexts": 3, "alpha": 0.7}, "alpha"),
    ],
    ids=str,
)
def test_designs_that_cannot_be_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        ContextTest(**wrong)


def test_the_statistic_is_that_of_welch_where_there_are_two_contexts():
    # The mean of two contexts is zero where the first mean is minus the second: scipy's Welch test, an independent code.
    x = rng.normal([0.5, 0.1], [1.0, 3.0], size=(3, 2))
    found = ContextTest(contexts=2).decide(x.ravel())
    welch = stats.ttest_ind(x[:, 0], -x[:, 1], equal_var=False)
    assert found.n == 6
    assert special.stdtr(5, found.statistic) == pytest.approx(special.stdtr(welch.df, welch.statistic))


def test_the_interaction_is_the_one_way_analysis_of_variance():
    x = rng.normal(size=(2, 6)) + np.arange(6)
    found = ContextTest(contexts=6).by_context(x.ravel())
    assert found.interaction == pytest.approx(stats.f_oneway(*x.T).pvalue)
    assert [one.estimate for one in found.contexts] == pytest.approx(x.mean(axis=0).tolist())


def test_differences_between_contexts_are_no_noise():
    test, x = ContextTest(contexts=3), rng.normal(size=(400, 30))
    apart = x + np.tile([-50.0, 0.0, 50.0], 10)
    assert (test.judge(apart).verdict == test.judge(x).verdict).all()


contrasts = st.lists(st.integers(-(10**6), 10**6).map(lambda i: i / 10**6), min_size=30, max_size=30).map(
    np.array
)


@settings(deadline=None)  # a design is solved in the first one
@given(contrasts, st.floats(0, 10), st.integers(2, 6))
def test_a_shift_upward_never_turns_a_pass_into_a_fail(x, shift, contexts):
    test = ContextTest(contexts=contexts)
    if test.decide(x).verdict == "PASS":
        assert test.decide(x + shift).verdict != "FAIL"


@settings(deadline=None)  # a design is solved in the first one
@given(contrasts, st.integers(-20, 20))
def test_scaling_by_powers_of_two_changes_nothing(x, power):
    test = ContextTest(contexts=5)
    one, other = test.decide(x), test.decide(x * 2.0**power)
    assert (one.verdict, one.n, one.statistic) == (other.verdict, other.n, other.statistic)


@settings(deadline=None)  # a design is solved in the first one
@given(contrasts, st.permutations(range(5)))
def test_the_order_of_the_contexts_changes_nothing(x, order):
    test = ContextTest(contexts=5)
    rounds = x.reshape(6, 5)
    one, other = test.decide(x), test.decide(rounds[:, list(order)].ravel())
    assert (one.verdict, one.n) == (other.verdict, other.n)


@settings(deadline=None)  # a design is solved in the first one
@given(contrasts, st.integers(0, 29))
def test_pairs_beyond_the_deciding_one_change_nothing(x, later):
    test = ContextTest(contexts=3)
    found = test.decide(x)
    n = max(found.n, later)
    assert test.decide(x[:n]) == found


@settings(deadline=None)  # a design is solved in the first one
@given(contrasts, st.integers(2, 7))
def test_a_claim_and_its_opposite_never_both_pass(x, contexts):
    test = ContextTest(contexts=contexts)
    assert not (test.decide(x).verdict == "PASS" and test.decide(-x).verdict == "PASS")


@settings(deadline=None)  # a design is solved in the first one
@given(contrasts, st.integers(2, 7))
def test_the_interval_agrees_with_the_verdict(x, contexts):
    found = ContextTest(contexts=contexts).decide(x)
    assert (found.verdict == "PASS") == (found.interval[0] >= 0)
    assert found.interval[0] <= found.estimate <= found.interval[1]


def test_constant_contexts_decide_nothing():
    constant = np.tile([0.1, 0.2, 0.3], 10)
    found = ContextTest(contexts=3).decide(constant)
    assert (str(found.verdict), str(found.reason)) == ("UNDECIDED", "no variance")
    assert ContextTest(contexts=3).by_context(constant).interaction is None


def test_runs_identical_bit_for_bit_fail_a_superiority_claim_at_the_first_look():
    found = ContextTest(contexts=3).decide(np.zeros(30), identical=True)
    assert (str(found.verdict), str(found.reason), found.n) == ("FAIL", "identical", 6)


def test_skewed_contrasts_need_three_rounds_to_pass():
    x = np.tile(rng.normal(5, 0.1, 6), 5)[:30] + rng.normal(0, 0.01, 30)
    test = ContextTest(contexts=6)
    assert test.decide(x).n == 12
    assert test.decide(x, guard=True).n == 18


@pytest.mark.parametrize("contexts", [2, 3, 6, 15])
def test_false_pass_and_false_fail_stay_below_alpha(contexts):
    claims = 20_000
    judged = ContextTest(contexts=contexts).judge(rng.normal(size=(claims, 30)))
    highest = 0.05 + 3 * np.sqrt(0.05 * 0.95 / claims)
    assert 0.025 < (judged.verdict == 1).mean() <= highest
    assert 0.015 < (judged.verdict == 2).mean() <= highest


@pytest.mark.parametrize("contexts", [2, 6])
def test_contexts_that_are_spread_differently_cost_little_of_the_level(contexts):
    claims = 20_000
    spread = np.tile(np.r_[5.0, np.ones(contexts - 1)], 30 // contexts)
    judged = ContextTest(contexts=contexts).judge(rng.normal(size=(claims, 30)) * spread)
    # Satterthwaite's degrees of freedom: 0.09 without them
    assert (judged.verdict == 1).mean() <= 0.06 + 3 * np.sqrt(0.06 * 0.94 / claims)


def test_power_is_near_that_of_the_plain_design_at_as_many_pairs():
    test = ContextTest(contexts=3)
    judged = test.judge(rng.normal(test.bounds.detectable_effect, 1, size=(20_000, 30)))
    assert (judged.verdict == 1).mean() == pytest.approx(0.89, abs=0.015)


@pytest.mark.parametrize("contexts", [3, 6])
def test_intervals_of_all_contexts_hold_together(contexts):
    test, truth = ContextTest(contexts=contexts), np.linspace(-2, 2, contexts)
    claims, held, each = 1000, 0, 0
    for x in rng.normal(size=(claims, 30)) + np.tile(truth, 30 // contexts):
        found = test.decide(x)
        held += found.interval[0] <= 0 <= found.interval[1]
        each += all(
            c.interval[0] <= mean <= c.interval[1]
            for c, mean in zip(test.by_context(x[: found.n]).contexts, truth, strict=True)
        )
    assert min(held, each) / claims >= 0.90 - 3 * np.sqrt(0.09 / claims)
