"""Three claims about training. Run them with: pytest --mlops"""

import pytest
from digits import load, train


@pytest.fixture(scope="module")
def plain(arm):
    return arm(train).using(data=load)


@pytest.fixture(scope="module")
def normalised(arm):
    return arm(train, batch_norm=True).using(data=load)


def test_batch_norm_helps(plain, normalised):
    assert normalised["accuracy"] > plain["accuracy"] + 0.005


def test_half_the_width_is_no_worse(arm, normalised):
    half = arm(train, batch_norm=True, width=64).using(data=load)
    assert half["accuracy"] > normalised["accuracy"] - 0.015


def test_good_enough(normalised):
    assert normalised["accuracy"] > 0.97
