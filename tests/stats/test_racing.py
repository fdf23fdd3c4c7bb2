import numpy as np
import pytest

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.racing import expected_pairs

TEST = SequentialTest()


def test_a_sequence_that_is_full_takes_none():
    assert expected_pairs(TEST, np.linspace(0, 1, 30)) == 0


def test_nothing_known_takes_what_a_claim_takes_on_average():
    both = TEST.expected_seeds(np.array([0.0, TEST.detectable_effect])).mean()
    assert expected_pairs(TEST, []) == pytest.approx(both)
    assert expected_pairs(TEST, [0.1, 0.1, 0.1]) == pytest.approx(both - 3)


def test_a_clear_row_takes_fewer_pairs_than_an_unclear_one():
    clear, unclear = [1.0, 1.1, 0.9, 1.05], [0.6, -0.3, 0.9, 0.2]
    assert expected_pairs(TEST, clear) < 2
    assert expected_pairs(TEST, unclear) > 5


def test_units_and_repetition_change_nothing():
    values = np.array([0.6, -0.3, 0.9, 0.2, 0.5])
    assert expected_pairs(TEST, values) == expected_pairs(TEST, values) == expected_pairs(TEST, 1e-6 * values)


def test_it_is_what_simulated_sequences_take_on_average():
    # Contrasts of unit variance with a flat prior for the mean: after many pairs the predictive law is nearly exact.
    rng = np.random.default_rng(3)
    test, effect = SequentialTest(min_seeds=20, max_seeds=40), 0.3
    found, taken = [], []
    for _ in range(200):
        x = rng.normal(effect, 1.0, 40)
        if test.decide(x[:20]).decided:
            continue
        found.append(expected_pairs(test, x[:20]))
        taken.append(test.decide(x).n - 20)
    assert np.mean(found) == pytest.approx(np.mean(taken), abs=4 * np.std(taken) / np.sqrt(len(taken)) + 1)
