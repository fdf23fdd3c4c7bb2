"""Three claims about `train`, each decided with as few training runs as it takes: pytest --mlops"""

from train import load, train


def test_batch_norm_helps(arm):
    baseline = arm(train).using(data=load)
    candidate = arm(train, batch_norm=True).using(data=load)
    assert candidate["acc"] > baseline["acc"] + 0.01


def test_half_the_width_loses_less_than_a_point(arm):
    full = arm(train, batch_norm=True).using(data=load)
    half = arm(train, batch_norm=True, width=64).using(data=load)
    assert half["acc"] > full["acc"] - 0.01


def test_accuracy_is_above_the_bar(arm):
    assert arm(train, batch_norm=True).using(data=load)["acc"] > 0.97
