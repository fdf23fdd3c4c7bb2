import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats import DiscordantTest
from pytest_mlops.stats.discordant import _limits, discordant_bounds
from pytest_mlops.stats.judge import REASONS, VERDICTS

TEST, TURNED = DiscordantTest(), DiscordantTest(sign="<")
SMALL = DiscordantTest(alpha=0.2, power=0.8, min_seeds=3, max_seeds=9)
WIN, LOSS, BOTH, NONE = (True, False), (False, True), (True, True), (False, False)
TEST.decide([WIN] * 6)  # its limits are solved once, outside the deadlines of the laws below
PAIRS = st.lists(st.sampled_from([WIN, LOSS, BOTH, NONE]), max_size=35)
GOOD = st.lists(st.sampled_from([WIN, WIN, WIN, WIN, LOSS, BOTH]), min_size=6, max_size=35)


def test_five_wins_and_no_loss_pass():
    decision = TEST.decide([WIN, BOTH, WIN, NONE, WIN, WIN, BOTH, WIN, WIN, LOSS])
    assert (decision.verdict, decision.reason, decision.n) == ("PASS", "efficacy", 8)
    assert decision.p_value == pytest.approx(2**-5)
    assert decision.estimate == pytest.approx(5 / 8)
    assert decision.interval[0] >= 0


def test_four_wins_are_not_enough():
    assert TEST.decide([WIN] * 4 + [BOTH]).reason == "continue"


def test_losses_alone_fail():
    decision = TEST.decide([LOSS] * 5)
    assert (decision.verdict, decision.n, decision.estimate) == ("FAIL", 5, -1.0)


def test_pairs_that_agree_teach_nothing():
    decision = TEST.decide([BOTH, NONE] * 15)
    # Five wins are the least that can pass: with four pairs left nothing can.
    assert (decision.verdict, decision.reason, decision.n) == ("UNDECIDED", "impossible", 26)
    assert decision.p_value == 1.0
    assert TEST.decide([]).interval == (-1.0, 1.0)


def test_too_few_seeds_are_refused_with_the_number_needed():
    with pytest.raises(ValueError, match=r"max_seeds=4 .* 5 are needed"):
        DiscordantTest(min_seeds=3, max_seeds=4)


def test_false_pass_and_false_fail_stay_below_alpha_whatever_pairs_are_discordant():
    # Every pattern of discordance over nine pairs, with every way the discordant ones may fall, going on after stops.
    bounds = SMALL.bounds
    for pattern in itertools.product([False, True], repeat=9):
        d = np.cumsum(pattern)
        wins = np.array(list(itertools.product([0, 1], repeat=int(d[-1]))), dtype=int)
        counts = np.zeros((len(wins), 9), dtype=int)
        counts[:, pattern] = wins
        counts = counts.cumsum(axis=1)
        looks = slice(SMALL.min_seeds - 1, None)
        passed = (counts[:, looks] >= bounds.upper[d[looks]]).any(axis=1)
        failed = (counts[:, looks] <= bounds.fail[d[looks]]).any(axis=1)
        assert passed.mean() <= SMALL.alpha
        assert failed.mean() <= SMALL.alpha


def test_level_is_used_where_all_pairs_are_discordant():
    wins = np.array(list(itertools.product([0, 1], repeat=14))).cumsum(axis=1)
    test = DiscordantTest(alpha=0.1, max_seeds=14)
    passed = (wins >= test.bounds.upper[1:]).any(axis=1).mean()
    assert 0.08 < passed <= 0.1


@pytest.mark.parametrize(("better", "worse"), [(0.2, 0.2), (0.45, 0.45), (0.02, 0.02), (0.1, 0.3)])
def test_simulated_false_claims_seldom_pass(better, worse):
    pairs = drawn(better, worse, 40_000)
    judged = TEST.judge(pairs)
    assert (judged.verdict == 1).mean() <= 0.05 + 3.5 * np.sqrt(0.05 / 40_000)
    turned = TEST.judge(pairs[..., ::-1])  # there the claim is just true, or true
    assert (turned.verdict == 2).mean() <= 0.05 + 3.5 * np.sqrt(0.05 / 40_000)


def drawn(better, worse, claims):
    u = np.random.default_rng(4).random((claims, 30))
    return np.stack([u < better + 0.1, (u >= better) & (u < better + worse + 0.1)], axis=-1)


def test_power_is_near_that_of_the_fixed_test_for_fewer_pairs():
    judged = TEST.judge(drawn(0.6, 0.1, 20_000))
    # McNemar's exact test at thirty pairs has 0.965; this one 0.863 at 12.1 pairs, by enumeration over (n, wins, losses)
    # with code of its own.
    assert (judged.verdict == 1).mean() == pytest.approx(0.863, abs=0.01)
    assert judged.n.mean() == pytest.approx(12.1, abs=0.2)


def test_intervals_hold_whenever_somebody_stops():
    # All sequences of wins, losses and ties over nine pairs; limits of every prefix taken together.
    share, often = _limits(0.2, 3, 9)
    kinds = np.array(list(itertools.product([1, -1, 0], repeat=9)))
    d, wins = (kinds != 0).cumsum(axis=1), (kinds == 1).cumsum(axis=1)
    low, high = np.full(len(kinds), -1.0), np.full(len(kinds), 1.0)
    for n in range(3, 10):
        for row, (count, won) in enumerate(zip(d[:, n - 1], wins[:, n - 1], strict=True)):
            passed = won >= SMALL.bounds.upper[count]
            outcome = kinds[row, :n]
            one = SMALL._interval(outcome != 0, outcome == 1, passed=passed)
            low[row], high[row] = max(low[row], one[0]), min(high[row], one[1])
    worst = 0.0
    for often_rate, share_rate in itertools.product(np.linspace(0.05, 1, 12), np.linspace(0.02, 0.98, 25)):
        chances = {1: often_rate * share_rate, -1: often_rate * (1 - share_rate), 0: 1 - often_rate}
        weight = np.prod(np.select([kinds == k for k in chances], list(chances.values())), axis=1)
        truth = often_rate * (2 * share_rate - 1)
        worst = max(worst, weight[low > truth + 1e-12].sum(), weight[high < truth - 1e-12].sum())
    assert worst <= SMALL.alpha
    assert share.low.shape == (9, 10)
    assert often.low.shape == (7, 10)


def test_pass_implies_the_exact_binomial_test():
    upper = discordant_bounds(0.05, 100, 1).upper
    for count in range(1, 101):
        if upper[count] <= count:
            p_value = stats.binomtest(int(upper[count]), count, 0.5, alternative="greater").pvalue
            assert p_value <= 0.05


@given(PAIRS)
def test_pass_p_value_and_interval_agree(pairs):
    decision = TEST.decide(pairs)
    low, high = decision.interval
    assert -1 <= low <= high <= 1
    if decision.p_value is not None:
        assert low <= decision.estimate <= high
        assert (decision.p_value <= 0.05) == (decision.verdict == "PASS")
        assert low >= 0 if decision.verdict == "PASS" else low <= 0


@given(GOOD, st.data())
def test_one_more_win_never_takes_a_pass_away(pairs, data):
    place = data.draw(st.integers(0, len(pairs) - 1))
    better = [WIN if i == place and pair == LOSS else pair for i, pair in enumerate(pairs)]
    if TEST.decide(pairs).verdict == "PASS":
        assert TEST.decide(better).verdict == "PASS"


@given(PAIRS)
def test_yes_and_no_turned_round_is_the_other_side(pairs):
    one = TEST.decide(pairs)
    turned = [(not candidate, not baseline) for candidate, baseline in pairs]
    other = TURNED.decide(turned)
    assert (one.verdict, one.reason, one.n, one.p_value) == (
        other.verdict,
        other.reason,
        other.n,
        other.p_value,
    )
    if pairs:
        assert one.estimate == -other.estimate
        assert one.interval == (-other.interval[1], -other.interval[0])


@given(PAIRS, PAIRS)
def test_pair_by_pair_gives_what_all_at_once_give(pairs, more):
    decision = TEST.decide(pairs)
    n = decision.n if decision.decided else len(pairs)
    assert all(TEST.decide(pairs[:i]).reason == "continue" for i in range(n))
    if decision.decided:
        assert TEST.decide(pairs + more) == decision


@settings(max_examples=30)
@given(
    st.lists(st.lists(st.sampled_from([WIN, LOSS, BOTH]), min_size=31, max_size=31), min_size=1, max_size=5),
    st.integers(1, 4),
)
def test_many_claims_are_judged_as_one_by_one(rows, parts):
    judged = TEST.judge(rows, parts=parts)
    for i, row in enumerate(rows):
        one = TEST.decide(row, parts=parts)
        assert (one.verdict, one.reason) == (VERDICTS[judged.verdict[i]], REASONS[judged.reason[i]])
        assert one.n == judged.n[i]


def test_parts_fail_later_and_pass_alike():
    assert TEST.decide([LOSS] * 5).verdict == "FAIL"
    assert TEST.decide([LOSS] * 5, parts=2).verdict == "UNDECIDED"
    assert TEST.decide([WIN] * 6, parts=9).verdict == "PASS"


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(1, 0)], r"pairs\[0, 0\] is .*1.* and must be True or False"),
        ([True, False], "axis"),
        ([(True, False, True)], "two outcomes a seed"),
    ],
)
def test_bad_pairs_are_named(pairs, message):
    with pytest.raises(ValueError, match=message):
        TEST.decide(pairs)


def test_many_claims_need_pairs_too():
    with pytest.raises(ValueError, match="two outcomes a seed"):
        TEST.judge([True, False])
    assert TEST.judge(np.zeros((3, 4, 2), dtype=bool)).reason.tolist() == [0, 0, 0]
