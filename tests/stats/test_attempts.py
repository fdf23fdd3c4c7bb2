import math

import pytest

from pytest_mlops.stats.attempts import attempt_level, expected_false_passes, probability_of_any_false_pass


def test_all_attempts_together_stay_within_alpha():
    # Euler: the sum of 1 / j**2 is pi**2 / 6; what is missing after n terms is about 1 / n of it.
    total = math.fsum(attempt_level(0.05, j) for j in range(1, 10_001))
    assert 0.05 * (1 - 6.1e-5) < total < 0.05


def test_each_attempt_has_less_than_the_one_before():
    levels = [attempt_level(0.05, j) for j in range(1, 30)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == pytest.approx(0.0303964, abs=1e-7)


def test_three_tests_at_ten_percent_by_hand():
    assert expected_false_passes([0.1, 0.1, 0.1]) == pytest.approx(0.3)
    assert probability_of_any_false_pass([0.1, 0.1, 0.1]) == pytest.approx(1 - 0.9**3)


def test_no_test_has_no_false_pass():
    assert expected_false_passes([]) == 0.0
    assert probability_of_any_false_pass([]) == 0.0


@pytest.mark.parametrize("attempt", [0, -1, 1.5, True])
def test_attempts_are_counted_from_one(attempt):
    with pytest.raises(ValueError, match="attempt="):
        attempt_level(0.05, attempt)


@pytest.mark.parametrize("count", [expected_false_passes, probability_of_any_false_pass])
def test_a_level_that_is_none_is_named(count):
    with pytest.raises(ValueError, match=r"alphas\[1\]=1.5"):
        count([0.05, 1.5])
