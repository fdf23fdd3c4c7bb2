import numpy as np
import pytest

from pytest_mlops.stats.spending import HwangShihDeCani, Spending, default_spending


def test_gamma_zero_spends_evenly():
    assert HwangShihDeCani(0.0)([0.25, 0.5, 1.0]) == pytest.approx([0.25, 0.5, 1.0])


def test_positive_gamma_spends_early_and_negative_late():
    half = [float(HwangShihDeCani(gamma)(0.5)) for gamma in (-2.0, 0.0, 2.0)]
    assert half == sorted(half)


def test_what_is_held_back_is_spent_at_the_end():
    share = HwangShihDeCani(1.0, held=0.1)([0.999999, 1.0])
    assert share == pytest.approx([0.9, 1.0], abs=1e-5)


@pytest.mark.parametrize(("least", "most"), [(2, 2), (2, 3), (5, 30), (5, 46), (40, 41), (5, 500)])
def test_default_spending_looks_at_the_first_seed_allowed(least, most):
    efficacy, futility = default_spending(least, most).spent(np.arange(least, most + 1))
    assert efficacy[0] > 0
    assert futility[0] > 0
    assert efficacy[-1] == 1
    assert futility[-1] == 1


@pytest.mark.parametrize(
    "wrong",
    [lambda t: 0.5 * t, lambda t: 1 - t, lambda t: t * np.nan, lambda t: 1.0],
    ids=["ends below one", "falls", "not a number", "no array"],
)
def test_spending_that_cannot_keep_its_promise_is_refused(wrong):
    with pytest.raises(ValueError, match="spending must"):
        Spending(wrong, HwangShihDeCani(1.0)).spent(np.arange(5, 11))
