import pytest

from pytest_mlops.reports.plans import Need
from pytest_mlops.session.totals import Wish, cost_of

STOPS = [0.0, 0.0, 0.25, 0.25, 0.5]


def need(arm, *finished, pairs=4, seconds=2.0):
    return Need(arm=arm, seeds=[None if i in finished else i for i in range(pairs)], seconds=seconds)


def test_one_claim_costs_what_its_pairs_cost():
    cost = cost_of([Wish(needs=[need("a"), need("b")], stops=STOPS)])
    # Two runs a pair, by hand: 2 x (2 x 0.25 + 3 x 0.25 + 4 x 0.5) = 6.5.
    assert cost.runs.average == pytest.approx(6.5)
    assert (cost.runs.low, cost.runs.high, cost.runs.most) == (4, 8, 8)
    assert cost.seconds.average == pytest.approx(13.0)


def test_runs_that_claims_share_are_counted_once():
    wishes = [Wish(needs=[need("base"), need(arm)], stops=STOPS) for arm in ("a", "b")]
    alone, both = cost_of(wishes[:1]), cost_of(wishes)
    assert both.runs.most == 12
    # The baseline's third run is wanted unless both stop after two pairs, its fourth unless neither goes to four.
    shared = 2 + (1 - 0.25**2) + (1 - 0.5**2)
    assert both.runs.average == pytest.approx(alone.runs.average + shared)
    assert cost_of([wishes[0], wishes[0]]).runs.most == alone.runs.most


def test_equal_arms_under_other_seeds_are_other_runs():
    one = need("base")
    other = Need(arm="base", seeds=[100, 101, 102, 103], seconds=2.0)
    wishes = [Wish(needs=[arm], stops=STOPS) for arm in (one, other)]
    assert cost_of(wishes).runs.most == 8


def test_finished_runs_cost_nothing():
    cost = cost_of([Wish(needs=[need("a", 0, 1, 2)], stops=STOPS)])
    assert (cost.runs.average, cost.runs.low, cost.runs.most) == (pytest.approx(0.5), 0, 1)
    nothing = cost_of([Wish(needs=[need("a", 0, 1, 2, 3)], stops=STOPS)])
    assert nothing.runs.most == nothing.seconds.most == 0


def test_time_that_nobody_knows_is_no_time():
    wishes = [Wish(needs=[need("a"), need("b", seconds=None)], stops=STOPS)]
    assert cost_of(wishes).seconds is None


def test_no_claim_costs_nothing():
    assert cost_of([]).runs.most == 0
