"""What the first runs tell of a claim: whether its metrics exist, as far as anything is known yet."""

import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.names import check_names
from pytest_mlops.errors import ClaimError, MetricError
from pytest_mlops.records import Returned

arm = Arms()


def train(run, *, lr=0.1):
    return {"auc": 0.9}


A, B = arm(train), arm(train, lr=0.2)


def returned(*names, shortened=False, yes_no=()):
    return Returned(names=names, yes_no=frozenset(yes_no), shortened=shortened)


def test_names_that_came_back_are_fine():
    assert check_names(A["auc"] > B["auc"], {A: returned("auc"), B: returned("auc")}) is None
    assert check_names(A["auc/*"] > B["auc/*"], {A: returned("auc/x"), B: returned("auc/x")}) is None


def test_what_is_not_known_yet_is_not_checked():
    assert check_names(A["auc"] > B["acu"], {A: returned("auc")}) is None
    assert check_names(A["auc/*"] > B["auc/*"], {A: returned("auc/x")}) is None
    assert check_names(A["auc"] > 0.5, {}) is None


@pytest.mark.parametrize("shortened", [True, False])
def test_one_known_side_is_enough_to_find_a_mistake(shortened):
    with pytest.raises(MetricError, match="Did you mean 'auc'"):
        check_names(A["acu"] > B["auc"], {A: returned("auc", shortened=shortened)})
    with pytest.raises(MetricError, match="matches none"):
        check_names(A["dice/*"] > B["dice/*"], {A: returned("auc", shortened=shortened)})


def test_a_claim_on_a_yes_no_metric_that_no_exact_test_answers_is_refused_as_soon_as_it_is_seen():
    known = {arm: returned("ok", yes_no=["ok"]) for arm in (A, B)}
    assert check_names(A["ok"] > B["ok"], known) is None
    with pytest.raises(ClaimError, match="exact test"):
        check_names(A["ok"] > B["ok"] - 0.1, known)


def test_an_incomplete_family_is_a_doubt_only_where_a_loader_stopped_early():
    claim = A["auc/7"] > 0.5
    assert "no metric 'auc/7'" in check_names(claim, {A: returned("auc/0", shortened=True)})
    with pytest.raises(MetricError, match="no metric 'auc/7'"):
        check_names(claim, {A: returned("auc/0")})


def test_arms_whose_families_stopped_at_other_cases_are_a_doubt():
    claim = A["auc/*"] > B["auc/*"]
    found = {A: returned("auc/0", shortened=True), B: returned("auc/1", shortened=True)}
    assert "match different names" in check_names(claim, found)
    with pytest.raises(MetricError, match="match different names"):
        check_names(claim, {A: returned("auc/0"), B: returned("auc/1")})


def test_a_family_does_not_excuse_another_mistake_in_the_claim():
    claim = A["auc/7"] > B["acu"]
    found = {A: returned("auc/0", shortened=True), B: returned("auc", shortened=True)}
    with pytest.raises(MetricError):
        check_names(claim, found)


def test_recorded_results_are_looked_up_by_themselves():
    with pytest.raises(MetricError, match="Did you mean 'auc'"):
        check_names(arm.recorded({"auc": [0.9, 0.8]})["acu"] > A["auc"], {})
