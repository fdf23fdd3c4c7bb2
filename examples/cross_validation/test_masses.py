"""A cross-validated claim: five folds, patients kept whole, every fold tested six times. Run it with: pytest --mlops"""

import pytest
from masses import load, train


@pytest.fixture(scope="module")
def plain(arm):
    return arm(train).using(data=load)


def test_scaled_features_help(arm, plain):
    scaled = arm(train, scale=True).using(data=load)
    assert scaled["accuracy"] > plain["accuracy"]


def test_ten_neighbours_are_no_worse_than_five(arm, plain):
    ten = arm(train, neighbours=10).using(data=load)
    assert ten["accuracy"] > plain["accuracy"] - 0.02
