import numpy as np
import pytest
from scipy import stats

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.design import efficacy_bounds, fixed_seeds
from pytest_mlops.stats.spending import HwangShihDeCani, Spending, default_spending

ODD = {"alpha": 0.01, "power": 0.8, "min_seeds": 4, "max_seeds": 13}


@pytest.mark.parametrize("n", [2, 8, 30])
def test_one_look_is_the_fixed_t_test(n):
    test = SequentialTest(min_seeds=n, max_seeds=n)
    assert test.looks.tolist() == [n]
    assert test.efficacy == pytest.approx([stats.t.isf(0.05, n - 1)], rel=1e-6)
    assert test.futility == pytest.approx(test.efficacy)
    power = stats.nct.sf(test.efficacy[0], n - 1, test.detectable_effect * np.sqrt(n))
    assert power == pytest.approx(0.9, abs=1e-6)
    assert test.fail_level == pytest.approx(0.05, abs=1e-7)


def test_first_bound_is_the_t_quantile_of_what_is_spent():
    test = SequentialTest()
    efficacy, _ = test.used_spending.spent(np.arange(5, 31))
    assert test.efficacy[0] == pytest.approx(stats.t.isf(0.05 * efficacy[0], 4), rel=1e-6)


@pytest.mark.parametrize("options", [{}, ODD, {"max_seeds": 46}, {"alpha": 0.05 / 12}])
def test_detectable_effect_has_the_power(options):
    test = SequentialTest(**options)
    # The boundary is solved by series, the power summed on Gauss points: they differ by their errors.
    assert test.power_at(test.detectable_effect) == pytest.approx(test.power, abs=1e-6)


@pytest.mark.parametrize(("most", "limit"), [(30, 0.575), (46, 0.545)])
def test_expected_seeds_of_the_default_meet_their_goal(most, limit):
    test = SequentialTest(max_seeds=most)
    d = test.detectable_effect
    fixed = fixed_seeds(0.05, 0.9, d)
    assert test.expected_seeds(np.array([0, d, 1.5 * d])).mean() / fixed < limit


def test_fixed_seeds_gives_the_power_at_whole_numbers():
    n = fixed_seeds(0.05, 0.9, 0.546)
    bound = stats.t.isf(0.05, n - 1)
    assert stats.nct.sf(bound, n - 1, 0.546 * np.sqrt(n)) == pytest.approx(0.9, abs=1e-8)


def test_power_and_cost_keep_the_shape_of_their_argument():
    test = SequentialTest(**ODD)
    assert isinstance(test.power_at(0.5), float)
    assert isinstance(test.expected_seeds(0.5), float)
    assert test.power_at([[0.1, 0.2, 0.3]]).shape == (1, 3)
    assert test.expected_seeds([[0.1, 0.2, 0.3]]).shape == (1, 3)


def test_power_rises_with_the_effect():
    power = SequentialTest().power_at(np.linspace(-1, 3, 41))
    assert (np.diff(power) > -1e-7).all()
    assert power[0] < 1e-3
    assert power[-1] > 0.9999


def test_power_is_continuous_at_zero():
    low, high = SequentialTest().power_at([-1e-9, 1e-9])
    # Below zero what passes is summed, above what does not.
    assert low == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(("least", "most"), [(5, 30), (2, 9), (5, 46), (20, 25)])
def test_nominal_levels_never_fall_when_alpha_grows(least, most):
    # The condition of Maurer and Bretz, under which group-sequential Holm keeps the family-wise error.
    looks = np.arange(least, most + 1)
    shares, _ = default_spending(least, most).spent(looks)
    alphas = (0.05 / 12, 0.01, 0.025, 0.05, 0.1, 0.2)
    levels = [stats.t.sf(efficacy_bounds(looks, alpha * shares), looks - 1) for alpha in alphas]
    assert (np.diff(levels, axis=0) > 0).all()


def test_more_power_needs_a_larger_effect():
    effects = [SequentialTest(power=power, max_seeds=12).detectable_effect for power in (0.6, 0.8, 0.95)]
    assert effects == sorted(effects)


def test_a_look_at_which_nothing_is_spent_is_no_look():
    late = Spending(HwangShihDeCani(1.0, 0.5), HwangShihDeCani(1.0, 0.5))
    test = SequentialTest(min_seeds=3, max_seeds=10, spending=late)
    assert test.looks.tolist() == [6, 7, 8, 9, 10]
    assert np.isfinite(test.efficacy).all()


def test_a_look_may_have_futility_only():
    test = SequentialTest(
        min_seeds=3, max_seeds=10, spending=Spending(HwangShihDeCani(1.0, 0.5), HwangShihDeCani(1.0))
    )
    assert np.isposinf(test.efficacy[:3]).all()
    assert np.isfinite(test.futility).all()
    # Without an efficacy bound the state has no upper end, and the edges that futility leaves weigh more.
    assert test.power_at(test.detectable_effect) == pytest.approx(0.9, abs=1e-3)


def test_a_look_may_have_efficacy_only():
    test = SequentialTest(
        min_seeds=3, max_seeds=10, spending=Spending(HwangShihDeCani(1.0), HwangShihDeCani(1.0, 0.5))
    )
    assert np.isneginf(test.futility[:3]).all()
    assert np.isfinite(test.efficacy).all()


@pytest.mark.slow
def test_first_crossings_agree_with_two_hundred_thousand_raw_paths():
    test = SequentialTest()
    paths = 200_000
    x = np.random.default_rng(11).standard_normal((paths, 30))
    n = np.arange(1, 31)
    total, squares = x.cumsum(axis=1), (x**2).cumsum(axis=1)
    n, total, squares = n[4:], total[:, 4:], squares[:, 4:]  # the first look is at 5
    t = total / np.sqrt(n * (squares - total**2 / n) / (n - 1))
    crossed = t >= test.efficacy
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), -1)
    counts = np.bincount(first[first >= 0], minlength=len(test.looks))
    efficacy, _ = test.used_spending.spent(np.arange(5, 31))
    shares = np.diff(0.05 * efficacy, prepend=0.0)
    statistic = ((counts - paths * shares) ** 2 / (paths * shares)).sum()
    assert stats.chi2.sf(statistic, len(shares)) > 0.001
