import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.signflip import SignFlipTest

DESIGN = SequentialTest(max_seeds=12)
TEST = SignFlipTest(DESIGN)
SHORT = st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=0, max_size=12)


def drawn(seed, effect=0.6, n=12):
    return np.random.default_rng(seed).normal(effect, 1.0, n)


def test_at_one_look_it_is_the_exact_permutation_test():
    test = SignFlipTest(SequentialTest(min_seeds=10, max_seeds=10))
    for seed in range(5):
        x = drawn(seed, 0.9, 10)
        reference = stats.permutation_test(
            (x,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="greater"
        ).pvalue
        decision = test.decide(x)
        assert (decision.verdict == "PASS") == (reference <= 0.05)
        assert decision.p_value == pytest.approx(
            max(reference, np.nextafter(0.05, 1)) if reference > 0.05 else reference
        )


def test_all_sign_patterns_together_pass_at_most_as_spent_at_every_look():
    sizes = np.abs(drawn(0, n=9))
    efficacy, _ = DESIGN.used_spending.spent(np.arange(5, 13))
    passed = np.zeros(13)
    for signs in itertools.product([1.0, -1.0], repeat=9):
        course = TEST._course(sizes * signs, 0.0)  # without futility, which would only take passes away
        if course.passed is not None:
            passed[int(DESIGN.looks[course.passed])] += 1 / 2**9
    assert passed.sum() > 0.02
    for n in range(5, 10):
        assert passed[: n + 1].sum() <= 0.05 * efficacy[n - 5] + 1e-12


def test_random_patterns_beyond_fourteen_keep_the_level_too():
    test = SignFlipTest(SequentialTest(min_seeds=15, max_seeds=20))
    rng = np.random.default_rng(1)
    claims = 800
    # Heavy tails: Student's law with 2 degrees of freedom, its variance infinite.
    passed = sum(test._course(rng.standard_t(2, 20), 0.0).passed is not None for _ in range(claims))
    assert passed / claims <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / claims)
    assert passed / claims >= 0.05 - 4 * math.sqrt(0.05 * 0.95 / claims)


def test_enumeration_and_random_patterns_agree():
    x = drawn(4, 0.35, 20)
    one, other = (SignFlipTest(SequentialTest(max_seeds=20), seed=seed)._course(x, 0.0) for seed in (0, 1))
    assert one.p_values[:10] == other.p_values[:10]
    assert one.p_values[10:] != other.p_values[10:]
    assert one.p_values == pytest.approx(other.p_values, abs=0.02)


def test_nothing_passes_before_the_smallest_p_is_spent():
    # The shipped spending has used 0.0093 at 6 seeds and 0.0138 at 7; one pattern of 2^6 is 0.0156, of 2^7 0.0078.
    test = SignFlipTest(SequentialTest())
    gains = [9.0, 9.1, 9.2, 9.3, 9.4, 9.5]
    decision = test.decide(gains)
    assert (decision.verdict, decision.reason) == ("UNDECIDED", "continue")
    assert decision.interval[0] == -math.inf
    assert test.decide([*gains, 9.6]).verdict == "PASS"


def test_harm_that_is_looked_at_until_the_end_fails():
    # Nothing stops for futility before eight seeds here, so the mirrored contrasts can pass.
    test = SignFlipTest(SequentialTest(min_seeds=8, max_seeds=8))
    assert test.decide(-np.abs(drawn(0, n=8))).verdict == "FAIL"
    assert TEST.decide(-np.abs(drawn(0))).verdict == "UNDECIDED"


def test_constant_contrasts_pass_at_no_look_and_leave_their_alpha():
    assert TEST.decide([0.1] * 12).reason == "no variance"
    assert TEST.decide([0.1] * 9).reason == "continue"
    assert TEST.decide([0.1] * 9 + [0.2, 0.3]).verdict == "PASS"
    assert (
        TEST.decide([0.9 - 0.8, 0.5 - 0.4, 0.3 - 0.2, 0.7 - 0.6] * 3, resolution=2.3e-16).verdict
        == "UNDECIDED"
    )


def test_before_the_first_look_everything_is_possible():
    decision = TEST.decide([1.0, 2.0])
    assert (decision.reason, decision.n, decision.interval) == ("continue", 2, (-math.inf, math.inf))
    assert math.isnan(TEST.decide([]).estimate)


@settings(max_examples=30, deadline=None)
@given(SHORT)
def test_pass_p_value_and_interval_agree(contrasts):
    decision = TEST.decide(contrasts)
    if decision.p_value is not None:
        assert (decision.verdict == "PASS") == (decision.p_value <= 0.05)
        assert (decision.verdict == "PASS") == (decision.interval[0] >= 0)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0, 2))
def test_replaying_seed_by_seed_gives_what_all_seeds_at_once_give(seed, effect):
    x = drawn(seed, effect)
    decision = TEST.decide(x)
    assert TEST.decide(x[: decision.n]) == decision
    assert TEST.decide([*x[: decision.n], 1e12]) == decision or decision.reason == "continue"
    for n in range(decision.n):
        assert TEST.decide(x[:n]).reason == "continue"


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-30, 30))
def test_units_change_nothing_but_the_units(seed, exponent):
    x = drawn(seed)
    one, other = TEST.decide(x), TEST.decide(x * 2.0**exponent)
    assert (one.verdict, one.reason, one.n, one.p_value) == (
        other.verdict,
        other.reason,
        other.n,
        other.p_value,
    )


def test_more_than_one_axis_is_refused():
    with pytest.raises(ValueError, match="one axis"):
        TEST.decide([[1.0] * 12])


def test_each_of_several_parts_fails_at_its_share():
    # Futility would stop before harm shows, so the design has one look; 2^-8 is below 0.05 / 12 and above 0.05 / 13.
    test = SignFlipTest(SequentialTest(min_seeds=8, max_seeds=8))
    contrasts = -np.linspace(0.5, 1.5, 8)
    assert test.decide(contrasts, parts=12).verdict == "FAIL"
    assert test.decide(contrasts, parts=13).verdict == "UNDECIDED"
