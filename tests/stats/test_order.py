"""The chance of an order: exact where numbers are sorted, Mann-Kendall elsewhere."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_mlops.stats.order import chance_of_order


@pytest.mark.parametrize("values", [[1, 2, 3, 4, 5], [1, 1, 2, 3, 3, 3], [1, 2, 2, 2]])
def test_the_chance_of_sorted_numbers_is_counted(values):
    orders = list(permutations(values))
    among = sum(list(order) in (sorted(values), sorted(values, reverse=True)) for order in orders)
    assert chance_of_order(values) == pytest.approx(among / factorial(len(values)), rel=1e-12)
    assert chance_of_order(values[::-1]) == chance_of_order(values)


@pytest.mark.parametrize("ties", [False, True])
def test_other_orders_have_the_p_value_of_kendalls_tau(ties):
    # scipy's asymptotic p-value has no continuity correction, ours has: so ours is larger, and by little at n = 200.
    values = np.arange(200.0) / 100 + np.random.default_rng(1).normal(size=200) * 3
    values = values.round(0) if ties else values
    reference = stats.kendalltau(np.arange(200), values, method="asymptotic").pvalue
    assert reference < chance_of_order(list(values)) < reference * 1.02


def test_orders_that_know_nothing_are_refused_no_more_often_than_told():
    rng, n = np.random.default_rng(2), 4000
    for size in (5, 8, 12, 30):
        low = sum(chance_of_order(list(rng.normal(size=size))) < 0.02 for _ in range(n))
        assert low <= n * 0.02 + 4 * (n * 0.02) ** 0.5  # four standard errors


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0], [3.0] * 9])
def test_too_few_or_equal_numbers_have_no_order(values):
    assert chance_of_order(values) == 1.0


@given(st.lists(st.floats(-1e6, 1e6), max_size=25))
def test_it_is_a_chance_and_the_same_backwards(values):
    assert 0.0 <= chance_of_order(values) <= 1.0
    assert chance_of_order(values[::-1]) == pytest.approx(chance_of_order(values))
