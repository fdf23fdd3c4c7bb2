import numpy as np
import pytest
from scipy import stats

from pytest_mlops.stats.design import efficacy_bounds
from pytest_mlops.stats.recursion import Survival, likelihood_ratio, null_density, state_of_t, t_of_state
from pytest_mlops.stats.spending import HwangShihDeCani


def test_state_and_t_are_one_to_one():
    t = np.array([-50.0, -1.0, 0.0, 0.3, 2.1, 40.0])
    assert t_of_state(state_of_t(t, 7), 7) == pytest.approx(t, rel=1e-9)


@pytest.mark.parametrize("n", [3, 5, 30])
def test_null_density_is_that_of_t(n):
    u = np.linspace(-1.6, 1.6, 9)
    step = 1e-5
    # The density of u is the derivative of the distribution function of t at t(u).
    slope = (stats.t.cdf(t_of_state(u + step, n), n - 1) - stats.t.cdf(t_of_state(u - step, n), n - 1)) / (
        2 * step
    )
    assert null_density(u, n) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("effect", [-0.5, 0.1, 0.7, 1.5])
def test_likelihood_ratio_is_noncentral_t_over_t(n, effect):
    u = np.linspace(-0.9, 0.9, 7) * np.sqrt(n)
    t = t_of_state(u, n)
    expected = stats.nct.pdf(t, n - 1, effect * np.sqrt(n)) / stats.t.pdf(t, n - 1)
    assert likelihood_ratio(u, n, effect) == pytest.approx(expected, rel=1e-6)


def test_nobody_has_stopped_where_nobody_could():
    survival = Survival.start(5).advance(-np.inf, np.inf).advance(-np.inf, np.inf)
    assert survival.n == 7
    (piece,) = survival.pieces
    assert piece.values == pytest.approx(np.ones_like(piece.values), abs=1e-9)
    assert survival.below().total == pytest.approx(1.0, abs=1e-9)


def test_what_stops_at_a_look_is_missing_at_the_next():
    bound = float(state_of_t(2.0, 5))
    after = Survival.start(5).advance(-np.inf, bound).below()
    assert after.total == pytest.approx(stats.t.cdf(2.0, 4), abs=1e-8)


def test_survival_at_two_looks_agrees_with_simulation():
    x = np.random.default_rng(0).standard_normal((400_000, 6))
    u5 = x[:, :5].sum(axis=1) / np.sqrt((x[:, :5] ** 2).sum(axis=1))
    u6 = x.sum(axis=1) / np.sqrt((x**2).sum(axis=1))
    low, high = -0.5, 1.4
    below = Survival.start(5).advance(low, high).below()
    alive = (u5 > low) & (u5 < high)
    for u in (-0.9, 0.2, 1.3, 1.6):
        rate = (alive & (u6 <= u)).mean()
        # Four standard errors of a rate over 400,000 paths.
        assert float(below(u)) == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / 400_000))


def test_bounds_of_the_reference_design():
    # Midpoint-rule prototype with 600 nodes, exact to 0.003, itself checked by 2,000,000 simulated paths.
    looks = np.arange(5, 39)
    bounds = efficacy_bounds(looks, 0.05 * HwangShihDeCani(-1.0)(looks / 38))
    expected = {5: 4.876, 6: 4.840, 8: 4.145, 10: 3.671, 15: 3.063, 20: 2.743, 30: 2.343, 38: 2.105}
    for n, bound in expected.items():
        assert bounds[n - 5] == pytest.approx(bound, abs=0.003)


def test_many_seeds_reach_the_bounds_for_known_variance():
    # Two equally spaced looks, Pocock's constant for one-sided 0.025: 2.178 at both (Pocock 1977; Jennison and
    # Turnbull 2000, table 2.1). The spending that gives it spends the normal tail of 2.178 at the first look.
    looks = np.array([400, 800])
    bounds = efficacy_bounds(looks, np.array([stats.norm.sf(2.178), 0.025]))
    assert bounds == pytest.approx(
        [2.178, 2.178], abs=0.012
    )  # t with 399 degrees of freedom is wider by 0.007
