import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import RateTest, Reason
from pytest_mlops.stats.judge import REASONS, VERDICTS
from pytest_mlops.stats.rate_design import seeds_at_least
from pytest_mlops.stats.rates import rate_limits

TEST = RateTest(bar=0.7)
SMALL = {"alpha": 0.1, "power": 0.8, "min_seeds": 3, "max_seeds": 11}
OUTCOMES = st.lists(st.booleans(), max_size=35)
MOSTLY = st.lists(st.sampled_from([True, True, True, True, True, False]), min_size=3, max_size=35)
PATIENT = settings(deadline=None)  # the first example of a design solves it
DESIGNS = st.builds(
    RateTest,
    bar=st.sampled_from([0.2, 0.4, 0.5, 0.75]),
    sign=st.sampled_from([">", "<"]),
    min_seeds=st.sampled_from([1, 5]),
    max_seeds=st.sampled_from([16, 30]),
)


def every_sequence(n):
    return np.array(list(itertools.product([False, True], repeat=n)))


def weights(sequences, rate):
    return np.where(sequences, rate, 1 - rate).prod(axis=1)


def test_clean_runs_show_a_low_failure_rate():
    decision = RateTest(bar=0.2, sign="<").decide([False] * 30)
    assert (decision.verdict, decision.reason, decision.n, decision.estimate) == ("PASS", "efficacy", 15, 0.0)
    # By hand: 0.8 ** 15.
    assert decision.p_value == pytest.approx(0.035184, abs=1e-6)
    assert decision.interval == (0.0, 0.2)


def test_five_clean_runs_show_nothing():
    decision = RateTest(bar=0.2, sign="<").decide([False] * 5)
    assert (decision.verdict, decision.reason) == ("UNDECIDED", "continue")


def test_failures_everywhere_fail_at_the_first_look():
    decision = RateTest(bar=0.2, sign="<").decide([True] * 5)
    assert (decision.verdict, decision.reason, decision.n) == ("FAIL", "impossible", 5)


def test_what_cannot_pass_any_more_stops_without_blame():
    decision = RateTest(bar=0.2, sign="<").decide([True, False, False, True, False])
    assert (decision.verdict, decision.reason) == ("UNDECIDED", "impossible")


def test_before_the_first_look_everything_is_possible():
    decision = TEST.decide([True, True])
    assert (decision.reason, decision.n, decision.interval) == ("continue", 2, (0.0, 1.0))
    assert decision.p_value is None
    assert np.isnan(TEST.decide([]).estimate)


def test_more_seeds_than_there_are_is_refused_with_the_number_needed():
    with pytest.raises(ValueError, match=r"max_seeds=30 cannot show a rate below 0\.05 .* 59 are needed"):
        RateTest(bar=0.05, sign="<")
    assert RateTest(bar=0.05, sign="<", max_seeds=59).decide([False] * 59).verdict == "PASS"


@pytest.mark.parametrize(
    ("n", "bar"), [(5, 0.3), (5, 0.5), (14, 0.5), (14, 0.8), (30, 0.3), (30, 0.5), (30, 0.8)]
)
def test_one_look_is_the_exact_binomial_test(n, bar):
    test = RateTest(bar=bar, min_seeds=n, max_seeds=n)
    for successes in range(n + 1):
        decision = test.decide([True] * successes + [False] * (n - successes))
        p_value = stats.binomtest(successes, n, bar, alternative="greater").pvalue
        assert (decision.verdict == "PASS") == (p_value <= 0.05)
        assert decision.p_value == pytest.approx(p_value, abs=1e-12)
        less = stats.binomtest(successes, n, bar, alternative="less").pvalue
        assert (decision.verdict == "FAIL") == (less <= 0.05)


@pytest.mark.parametrize("sign", [">", "<"])
@pytest.mark.parametrize("bar", [0.3, 0.5, 0.7])
def test_errors_power_and_seeds_are_those_of_all_sequences(bar, sign):
    test = RateTest(bar=bar, sign=sign, **SMALL)
    sequences = every_sequence(11)
    judged = test.judge(sequences)
    wrong = np.linspace(0, bar, 9) if sign == ">" else np.linspace(bar, 1, 9)
    right = np.linspace(bar, 1, 9) if sign == ">" else np.linspace(0, bar, 9)
    for rate in (*wrong, *right):
        weight = weights(sequences, rate)
        assert test.power_at(rate) == pytest.approx(weight[judged.verdict == 1].sum(), abs=1e-12)
        assert test.expected_seeds(rate) == pytest.approx((weight * judged.n).sum(), abs=1e-10)
    for rate in wrong:
        assert ever_passes(test, sequences, rate) <= test.alpha + 1e-12
    for rate in right:
        assert weights(sequences, rate)[judged.verdict == 2].sum() <= test.alpha + 1e-12
    assert test.power_at(test.detectable_rate) == pytest.approx(0.8, abs=1e-8)


def ever_passes(test, sequences, rate):
    """P(PASS) of somebody who goes on after every stop without PASS: the level must not hang on stopping."""
    successes = sequences if test.sign == ">" else ~sequences
    counts = successes.cumsum(axis=1)[:, test.min_seeds - 1 :]
    return weights(sequences, rate)[(counts >= test.bounds.upper).any(axis=1)].sum()


@pytest.mark.parametrize(
    "options", [{}, {"parts": 3}, {"bar": 0.2}, {"bar": 0.9, "max_seeds": 60}, {"alpha": 0.005}]
)
def test_simulated_claims_have_the_exact_error_rates(options):
    options = dict(options)
    parts = options.pop("parts", 1)
    test = RateTest(**{"bar": 0.7, **options})
    rng = np.random.default_rng(1)
    for rate in (test.bar, test.detectable_rate):
        judged = test.judge(rng.random((40_000, test.max_seeds)) < rate, parts=parts)
        passed, n = (judged.verdict == 1).mean(), judged.n
        exact = test.power_at(rate)
        assert passed == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000) + 1e-9)
        assert n.mean() == pytest.approx(test.expected_seeds(rate), abs=4 * n.std() / 200 + 1e-9)
        failed, allowed = (judged.verdict == 2).mean(), test.alpha / parts
        assert failed <= allowed + 4 * np.sqrt(allowed / 40_000)


@pytest.mark.parametrize("bar", [0.2, 0.5, 0.7, 0.8])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_level_is_used_up_as_far_as_whole_numbers_allow(bar, alpha):
    test = RateTest(bar=bar, alpha=alpha, max_seeds=40)
    nothing = np.full(len(test.looks), -1)
    from pytest_mlops.stats.binomial import power_and_seeds

    level = power_and_seeds(np.array([bar]), test.bounds.looks, test.bounds.upper, nothing)[0][0]
    assert 0.9 * alpha < level <= alpha


def test_a_design_costs_less_than_the_fixed_and_the_curtailed_test():
    from pytest_mlops.stats.rate_design import fixed_seeds

    for bar in (0.5, 0.7, 0.8):
        test = RateTest(bar=bar)
        fixed = fixed_seeds(0.05, 0.9, bar, test.detectable_rate)
        mean = np.mean([test.expected_seeds(rate) for rate in (bar, test.detectable_rate, 1.0)])
        assert mean < 0.66 * fixed


def test_power_rises_with_the_rate():
    power = TEST.power_at(np.linspace(0, 1, 41))
    assert (np.diff(power) >= -1e-15).all()
    assert (power[0], power[-1]) == (0.0, 1.0)
    assert TEST.expected_seeds([[0.1, 0.2]]).shape == (1, 2)


@pytest.mark.parametrize("bar", [0.3, 0.5, 0.7])
def test_intervals_hold_whenever_somebody_stops(bar):
    # All sequences of eleven: the limits of every prefix, as somebody sees them who may stop at any seed.
    test = RateTest(bar=bar, **SMALL)
    limits = rate_limits(test._design)
    looks, sequences = limits.looks - 1, every_sequence(11)
    counts = sequences.cumsum(axis=1)[:, looks]
    low = np.maximum.accumulate(limits.low[np.arange(len(looks)), counts], axis=1)[:, -1]
    high = 1 - np.maximum.accumulate(limits.low[np.arange(len(looks)), looks + 1 - counts], axis=1)[:, -1]
    passed = (counts >= test.bounds.upper).any(axis=1)
    low = np.where(passed, np.maximum(low, bar), np.minimum(low, bar))
    edges = np.unique(np.concatenate([limits.low.ravel(), 1 - limits.low.ravel()]))
    rates = np.unique(np.concatenate([np.linspace(0.01, 0.99, 60), edges - 1e-9, edges + 1e-9]))
    wrong = [
        (weights(sequences, rate)[low > rate].sum(), weights(sequences, rate)[high < rate].sum())
        for rate in rates[(rates > 0) & (rates < 1)]
    ]
    worst = np.max(wrong, axis=0)
    assert (worst <= test.alpha).all()
    assert worst.max() > 0.8 * test.alpha  # they are no wider than they must be


@PATIENT
@given(DESIGNS, OUTCOMES)
def test_pass_p_value_and_interval_agree(test, outcomes):
    decision = test.decide(outcomes)
    low, high = decision.interval
    assert 0 <= low <= high <= 1
    if decision.p_value is not None:
        passed = decision.verdict == "PASS"
        assert (decision.p_value <= test.alpha) == passed
        assert low <= decision.estimate <= high
        if passed:
            assert low >= test.bar if test.sign == ">" else high <= test.bar
        else:
            assert low <= test.bar if test.sign == ">" else high >= test.bar


@PATIENT
@given(DESIGNS, MOSTLY, st.data())
def test_one_more_success_never_takes_a_pass_away(test, outcomes, data):
    good = test.sign == ">"
    outcomes = [x == good for x in outcomes]
    decision = test.decide(outcomes)
    place = data.draw(st.integers(0, len(outcomes) - 1))
    better = [good if i == place else x for i, x in enumerate(outcomes)]
    if decision.verdict == "PASS":
        assert test.decide(better).verdict == "PASS"
        assert test.decide(better).n <= decision.n


@PATIENT
@given(DESIGNS, OUTCOMES)
def test_the_other_outcome_on_the_other_side_is_the_same_claim(test, outcomes):
    turned = dataclasses.replace(test, bar=1 - test.bar, sign="<" if test.sign == ">" else ">")
    one, other = test.decide(outcomes), turned.decide([not x for x in outcomes])
    assert (one.verdict, one.reason, one.n, one.p_value) == (
        other.verdict,
        other.reason,
        other.n,
        other.p_value,
    )
    assert one.interval == pytest.approx((1 - other.interval[1], 1 - other.interval[0]), abs=1e-12)


@PATIENT
@given(DESIGNS, OUTCOMES, OUTCOMES)
def test_seed_by_seed_gives_what_all_at_once_give(test, outcomes, more):
    decision = test.decide(outcomes)
    n = decision.n if decision.decided else len(outcomes)
    assert all(test.decide(outcomes[:i]).reason == "continue" for i in range(n))
    if decision.decided:
        assert test.decide(outcomes + more) == decision
        assert test.decide(outcomes[:n]) == decision


@PATIENT
@given(DESIGNS, st.lists(st.booleans(), min_size=5, max_size=5))
def test_the_order_before_the_first_look_is_nothing(test, outcomes):
    if test.min_seeds == 5:
        assert test.decide(outcomes) == test.decide(sorted(outcomes))


@settings(PATIENT, max_examples=30)
@given(
    DESIGNS,
    st.lists(st.lists(st.booleans(), min_size=32, max_size=32), min_size=1, max_size=5),
    st.integers(1, 4),
)
def test_many_claims_are_judged_as_one_by_one(test, rows, parts):
    judged = test.judge(rows, parts=parts)
    for i, row in enumerate(rows):
        one = test.decide(row, parts=parts)
        assert (one.verdict, one.reason) == (VERDICTS[judged.verdict[i]], REASONS[judged.reason[i]])
        assert one.n == judged.n[i]


def test_any_leading_shape_is_judged():
    rng = np.random.default_rng(2)
    judged = TEST.judge(rng.random((2, 3, 30)) < 0.8)
    assert judged.verdict.shape == (2, 3)
    assert TEST.judge(rng.random((2, 3, 4)) < 0.8).n.tolist() == [[4, 4, 4], [4, 4, 4]]


def test_all_ways_to_stop_are_named():
    outcomes = np.random.default_rng(3).random((3000, 30)) < 0.65
    judged = [RateTest(bar=0.5).judge(outcomes), RateTest(bar=0.5, min_seeds=30).judge(outcomes)]
    reasons = {REASONS[code] for one in judged for code in np.unique(one.reason)}
    assert reasons == {Reason.EFFICACY, Reason.FUTILITY, Reason.IMPOSSIBLE, Reason.MAX_SEEDS}


def test_a_design_of_many_seeds_has_limits_in_between():
    test = RateTest(bar=0.5, min_seeds=90, max_seeds=160)
    decision = test.decide([True, False] * 47)
    low, high = decision.interval
    assert 0.3 < low < 0.5 < high < 0.7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bar": 0.0}, r"bar=0\.0"),
        ({"bar": 1.0}, r"bar=1\.0"),
        ({"bar": True}, "bar=True"),
        ({"bar": 1e-14, "sign": "<"}, "so near to 0 or 1"),
        ({"sign": ">="}, "sign='>='"),
        ({"alpha": 0.5}, "alpha=0.5"),
        ({"power": 0.01}, "power=0.01"),
        ({"min_seeds": 0}, "min_seeds=0"),
        ({"max_seeds": 4}, "max_seeds=4"),
        ({"max_seeds": 5000}, "max_seeds=5000"),
    ],
)
def test_bad_designs_are_refused_at_the_door(options, message):
    with pytest.raises(ValueError, match=message):
        RateTest(**{"bar": 0.5, **options})


@pytest.mark.parametrize(
    ("outcomes", "message"),
    [
        ([1, 0, 1], r"outcomes\[0\] is .*1.* and must be True or False"),
        ([True, None], r"outcomes\[1\] is None"),
        ([True, 0.5], r"outcomes\[0\]|outcomes\[1\]"),
        (True, "axis"),
        ([[True], [False]], "axis"),
        ([[True], [True, False]], "True or False"),
    ],
)
def test_bad_outcomes_are_named(outcomes, message):
    with pytest.raises(ValueError, match=message):
        TEST.decide(outcomes)


@pytest.mark.parametrize("rate", [-0.1, 1.1, np.nan])
def test_bad_rates_are_refused(rate):
    with pytest.raises(ValueError, match="rate="):
        TEST.power_at(rate)


@pytest.mark.parametrize(
    ("bar", "rate", "power"), [(0.8, 0.95, 0.9), (0.5, 0.7, 0.8), (0.2, 0.5, 0.9), (0.9, 0.99, 0.9)]
)
def test_the_seeds_that_it_takes_at_least_are_those_of_a_binomial_test(bar, rate, power):
    def power_of(n):  # by scipy's distribution, one number of seeds after the other
        least = next(k for k in range(n + 2) if stats.binom.sf(k - 1, n, bar) <= 0.05)
        return stats.binom.sf(least - 1, n, rate) if least <= n else 0.0

    needed = seeds_at_least(bar, rate, 0.05, power)
    assert power_of(int(needed)) >= power
    assert all(power_of(n) < power for n in range(1, int(needed)))


def test_a_rate_that_is_not_above_the_bar_takes_no_number_of_seeds():
    assert seeds_at_least(0.8, 0.8, 0.05, 0.9) == seeds_at_least(0.8, 0.3, 0.05, 0.9) == np.inf
