"""False PASS and false FAIL stay below alpha: raw normal numbers against the judge, with an error bar of their own."""

import numpy as np
import pytest

from pytest_mlops.stats import SequentialTest

CLAIMS = 60_000
DESIGNS = {"default": {}, "odd": {"alpha": 0.02, "power": 0.7, "min_seeds": 4, "max_seeds": 11}}


@pytest.fixture(scope="module", params=DESIGNS.values(), ids=DESIGNS)
def design(request):
    return SequentialTest(**request.param)


def rates(design, effect, seed, **options):
    contrasts = np.random.default_rng(seed).normal(effect, 1.0, (CLAIMS, design.max_seeds))
    verdict = design.judge(contrasts, **options).verdict
    return (verdict == 1).mean(), (verdict == 2).mean()


def error_bar(rate):
    return 3.5 * np.sqrt(rate * (1 - rate) / CLAIMS)


def test_false_pass_and_false_fail_stay_below_alpha(design):
    passed, failed = rates(design, 0.0, 1)
    assert passed <= design.alpha + error_bar(design.alpha)
    assert passed == pytest.approx(design.power_at(0.0), abs=error_bar(design.alpha))
    assert failed == pytest.approx(design.alpha, abs=error_bar(design.alpha))


@pytest.mark.parametrize("parts", [2, 8])
def test_a_part_fails_at_its_share_of_alpha(design, parts):
    _, failed = rates(design, 0.0, 2, parts=parts)
    assert failed <= design.alpha / parts + error_bar(design.alpha / parts)


def test_true_claims_pass_with_the_promised_power(design):
    passed, failed = rates(design, design.detectable_effect, 3)
    assert passed == pytest.approx(design.power, abs=error_bar(design.power))
    assert failed < 0.01


def test_exact_seeds_are_those_of_the_simulation(design):
    effect = design.detectable_effect / 2
    contrasts = np.random.default_rng(4).normal(effect, 1.0, (CLAIMS, design.max_seeds))
    n = design.judge(contrasts).n
    assert n.mean() == pytest.approx(design.expected_seeds(effect), abs=3.5 * n.std() / np.sqrt(CLAIMS))


def test_confirmed_harm_is_false_at_most_with_alpha(design):
    passed, failed = rates(design, 0.0, 5, confirm_harm=True)
    assert failed <= design.alpha + error_bar(design.alpha)
    assert failed == pytest.approx(
        passed, abs=2 * error_bar(design.alpha)
    )  # the two boundaries mirror each other
