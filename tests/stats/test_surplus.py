import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.surplus import METHODS, SurplusTest

TEST = SurplusTest(SequentialTest())
ONE_LOOK = SurplusTest(SequentialTest(min_seeds=15, max_seeds=15))
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, n=30, surplus=40, gain=0.4, correlation=0.5):
    rng = np.random.default_rng(seed)
    shared, mine, other = rng.standard_normal((3, n))
    paired = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * mine
    candidate = gain + np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * other
    return candidate, paired, rng.standard_normal(surplus)


def unsuspicious(design, **options):
    """The first drawn claim that is decided by the surplus alone, with residuals that no guard against skewness moves."""
    for seed in range(99):
        data = drawn(seed, **options)
        if design.decide(*data).method == "surplus" and design.judge(*data).residual_skewness > 0.1:
            return data
    raise AssertionError("no such claim")


def test_estimate_and_its_error_are_those_of_linear_regression():
    y, b, s = unsuspicious(ONE_LOOK, n=15, gain=1.0)
    every = np.concatenate([b, s])
    # scipy.stats.linregress, centred at the mean of all baseline runs: its intercept is the candidate's mean there.
    fit = stats.linregress(b - every.mean(), y)
    estimate = fit.intercept - every.mean()
    va, vb = fit.intercept_stderr**2, (1 - fit.slope) ** 2 * every.var(ddof=1) / len(every)
    df = (va + vb) ** 2 / (va**2 / 13 + vb**2 / (len(every) - 1))
    tail = stats.t.sf(estimate / np.sqrt(va + vb), df)
    found = ONE_LOOK.decide(y, b, s).decision
    assert found.estimate == pytest.approx(estimate, rel=1e-9)
    assert found.p_value == pytest.approx(tail, rel=1e-6)
    half = stats.t.isf(0.05, df) * np.sqrt(va + vb)
    assert found.interval[1] == pytest.approx(estimate + half, rel=1e-6)


def test_uncorrelated_arms_profit_and_the_verdict_says_from_how_many_runs():
    found = TEST.decide(*unsuspicious(TEST))
    assert (str(found.method), found.why, found.surplus) == ("surplus", "", 40)


def test_fewer_than_ten_stored_runs_are_refused_by_pairing():
    y, b, s = drawn(3)
    found = TEST.decide(y, b, s[:9])
    assert str(found.method) == "pairing"
    assert found.why == "9 stored baseline runs beyond the pairs are fewer than 10"
    assert found.decision == TEST.test.decide(y - b)
    with pytest.raises(ValueError, match="fewer than 10"):
        TEST.judge(y, b, s[:9])


def test_looks_before_five_pairs_are_refused_by_pairing():
    design = SurplusTest(SequentialTest(min_seeds=4))
    found = design.decide(*drawn(3))
    assert (str(found.method), found.surplus) == ("pairing", 0)
    assert "look at 4 pairs" in found.why


def test_stored_runs_that_drifted_need_pairing_to_agree():
    y, b, s = drawn(1, gain=0.0)
    found = TEST.decide(y, b, s - 3.0)
    assert str(found.method) == "pairing and surplus"
    assert "paired and stored baseline runs differ" in found.why
    assert found.decision.verdict != "PASS"


@pytest.mark.parametrize(
    ("skewed", "who"), [("baseline", "the baseline is skewed"), ("both", "given the baseline")]
)
def test_skewed_runs_need_pairing_to_agree(skewed, who):
    rng = np.random.default_rng(0)
    y, b, s = -rng.exponential(size=30), -rng.exponential(size=30), -rng.exponential(size=60)
    if skewed == "both":
        b, s = rng.standard_normal(30), rng.standard_normal(60)
        y[:5] = [0.0, 0.1, -0.1, 0.05, -9.0]
    found = TEST.decide(y, b, s)
    assert str(found.method) == "pairing and surplus"
    assert who in found.why


def test_what_pairing_and_surplus_both_decide_lies_within_both():
    y, b, s = drawn(1)
    s = s - 3.0
    found = TEST.decide(y, b, s)
    alone = TEST.test.decide(y - b)
    assert str(found.method) == "pairing and surplus"
    assert found.decision.verdict in {alone.verdict, "UNDECIDED"}
    n = found.decision.n
    assert found.decision.estimate == pytest.approx((y - b)[:n].mean())
    assert found.decision.interval[0] <= found.decision.estimate <= found.decision.interval[1]


def test_an_arm_that_does_not_vary_is_judged_by_its_pairs():
    y, b, s = drawn(5, gain=3.0)
    for arms in ((np.full(30, 4.0), b), (y, np.zeros(30)), (b + 2.0, b)):
        found = TEST.decide(*arms, s)
        assert (str(found.method), found.surplus) == ("pairing", 0)
        assert "do not vary" in found.why
    assert TEST.decide(b + 2.0, b, s).decision.reason == "no variance"


def test_before_the_first_look_everything_is_possible():
    y, b, s = drawn(0)
    for n in (0, 4):
        found = TEST.decide(y[:n], b[:n], s).decision
        assert (found.verdict, found.reason, found.n) == ("UNDECIDED", "continue", n)
        assert found.interval == (-np.inf, np.inf)


def test_margin_and_weight_are_those_of_the_claim():
    y, b, s = drawn(8)
    one = TEST.decide(y, b, s, margin=0.2, weight=1.5).decision
    other = TEST.decide(y - 0.2, b * 1.5, s * 1.5).decision
    assert one == other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, b, s: (y[:3], b, s), "one number a pair"),
        (lambda y, b, s: (y, b, [*s, np.nan]), r"surplus: contrasts\[40\] is nan"),
        (lambda y, b, s: (y[None], b[None], s[None]), "one axis"),
    ],
)
def test_bad_runs_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        TEST.decide(*change(*drawn(0)))


@pytest.mark.parametrize("name", ["margin", "weight"])
def test_bad_margins_and_weights_are_named(name):
    with pytest.raises(ValueError, match=f"{name}=nan"):
        TEST.decide(*drawn(0), **{name: float("nan")})


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(-1, 1), st.floats(0, 0.9))
def test_pass_p_value_and_interval_agree(seed, gain, correlation):
    found = TEST.decide(*drawn(seed, gain=gain, correlation=correlation)).decision
    assert (found.verdict == "PASS") == (found.interval[0] > 0)
    assert (found.verdict == "PASS") == (found.p_value <= 0.05)
    assert found.interval[0] <= found.estimate <= found.interval[1]


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(-1, 1.5), st.floats(0, 3))
def test_a_shift_upward_never_loses_a_pass(seed, gain, shift):
    y, b, s = drawn(seed, gain=gain)
    if TEST.decide(y, b, s).decision.verdict == "PASS":
        assert TEST.decide(y + shift, b, s).decision.verdict == "PASS"


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.integers(-40, 40), st.integers(-8, 8))
def test_units_and_a_constant_in_both_arms_change_nothing(seed, exponent, constant):
    y, b, s = drawn(seed)
    one, other = TEST.decide(y, b, s), TEST.decide(*(2.0**exponent * (x + constant) for x in (y, b, s)))
    assert (one.decision.verdict, one.decision.n, one.method) == (
        other.decision.verdict,
        other.decision.n,
        other.method,
    )
    assert other.decision.estimate == pytest.approx(one.decision.estimate * 2.0**exponent, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(-1, 1.5))
def test_replaying_pair_by_pair_gives_what_all_pairs_at_once_give(seed, gain):
    y, b, s = drawn(seed, gain=gain)
    found = TEST.decide(y, b, s)
    n = found.decision.n
    assert TEST.decide(y[:n], b[:n], s) == found
    for fewer in range(n):
        assert TEST.decide(y[:fewer], b[:fewer], s).decision.reason == "continue"


@settings(max_examples=40, deadline=None)
@given(SEEDS, st.floats(-1, 1.5))
def test_what_passes_with_runs_that_drifted_passes_by_pairing_too(seed, gain):
    y, b, s = drawn(seed, gain=gain)
    found = TEST.decide(y, b, s - 3.0)
    if str(found.method) == "pairing and surplus" and found.decision.verdict == "PASS":
        n = found.decision.n
        assert stats.ttest_1samp(y[:n] - b[:n], 0).statistic >= TEST.test.efficacy[n - 5]


def test_many_claims_are_judged_as_one_by_one():
    rows = [drawn(seed, gain=0.5) for seed in range(40)]
    judged = TEST.judge(*(np.stack(column) for column in zip(*rows, strict=True)))
    for i, row in enumerate(rows):
        one = TEST.decide(*row)
        assert (one.decision.n, one.method) == (judged.judged.n[i], METHODS[judged.method[i]])
        assert one.decision.interval == pytest.approx((judged.low[i], judged.high[i]), rel=1e-9)


def test_huge_and_tiny_numbers_are_judged_like_others():
    verdicts = {
        (found.verdict, found.n)
        for found in (TEST.decide(*(x * 2.0**e for x in drawn(1, gain=0.8))).decision for e in (-800, 0, 800))
    }
    assert len(verdicts) == 1
