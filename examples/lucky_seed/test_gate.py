"""A gain of one point that one run of each arm shows about every second time, and that is not there."""

import pytest
from train import load, train


@pytest.mark.xfail(strict=True, reason="the claim is false: twice the weight decay gains nothing")
def test_more_weight_decay_gains_a_point(arm):
    baseline = arm(train).using(data=load)
    candidate = arm(train, weight_decay=0.02).using(data=load)
    assert candidate["acc"] > baseline["acc"] + 0.01
