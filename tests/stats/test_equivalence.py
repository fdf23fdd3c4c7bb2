"""Equivalence by two one-sided sequences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.equivalence import decide_within, merged, together
from pytest_mlops.stats.judge import VERDICTS

TEST = SequentialTest()
CLAIMS = 20_000


def answered(differences, margin, **options):
    x = np.asarray(differences)
    return together(decide_within(TEST, x + margin, margin - x, **options))


def verdicts(differences, margin, **options):
    sides = (TEST.judge(x, parts=2, **options) for x in (differences + margin, margin - differences))
    return merged(*sides)


def test_a_small_difference_is_within_a_wide_margin():
    assert answered([0.1, -0.2, 0.15, 0.0, -0.1], 5.0).verdict == "PASS"


def test_a_difference_beyond_the_margin_fails_whichever_its_direction():
    x = np.array([3.1, 2.8, 3.0, 3.05, 2.95])
    assert answered(x, 1.0).verdict == "FAIL"
    assert answered(-x, 1.0).verdict == "FAIL"


def test_both_sides_are_needed():
    lower, upper = decide_within(TEST, [1.0, 1.1, 0.9, 1.05, 0.95], [0.1, -0.1, 0.2, -0.2, 0.05])
    assert lower.verdict == "PASS"
    assert upper.verdict != "PASS"
    assert together((lower, upper)).verdict != "PASS"


def test_the_later_side_decides():
    rng = np.random.default_rng(3)
    x = rng.normal(0.5, 0.5, 30)
    lower, upper = decide_within(TEST, x + 1, 1 - x, guard=False)
    assert lower.n < upper.n
    assert together((lower, upper)).n == upper.n


@pytest.mark.parametrize("margin", [0.8, 1.2])
def test_a_difference_at_the_margin_passes_at_most_with_alpha(margin):
    for sign in (1, -1):
        x = np.random.default_rng(7).normal(sign * margin, 1, (CLAIMS, 30))
        verdict, _ = verdicts(x, margin)
        passed = (verdict == 1).mean()
        assert passed <= TEST.alpha + 3 * np.sqrt(TEST.alpha / CLAIMS)
        assert passed > 0.02  # the sides are asked, not refused


def test_no_difference_passes_within_a_margin_that_the_design_detects():
    x = np.random.default_rng(8).normal(0, 1, (CLAIMS, 30))
    verdict, _ = verdicts(x, 1.3 * TEST.detectable_effect)
    assert (verdict == 1).mean() > 0.9
    assert (verdict == 2).mean() < 0.01


def test_a_true_equivalence_fails_at_most_with_alpha():
    x = np.random.default_rng(9).normal(0.999 * 0.8, 1, (CLAIMS, 30))
    verdict, _ = verdicts(x, 0.8)
    assert (verdict == 2).mean() <= TEST.alpha + 3 * np.sqrt(TEST.alpha / CLAIMS)


@given(st.integers(0, 10_000), st.floats(-1.5, 1.5), st.floats(0.1, 3), st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_arrays_and_single_claims_are_judged_alike(seed, mean, margin, n):
    x = np.random.default_rng(seed).normal(mean, 1, n)
    verdict, seeds = verdicts(x[None], margin)
    one = answered(x, margin, guard=False)
    assert (VERDICTS[int(verdict[0])], int(seeds[0])) == (one.verdict, one.n)


@given(st.integers(0, 10_000), st.floats(-1.5, 1.5), st.floats(0.1, 3))
@settings(max_examples=40, deadline=None)
def test_swapping_the_sides_changes_nothing(seed, mean, margin):
    x = np.random.default_rng(seed).normal(mean, 1, 30)
    one, other = answered(x, margin), answered(-x, margin)
    assert (one.verdict, one.n) == (other.verdict, other.n)
