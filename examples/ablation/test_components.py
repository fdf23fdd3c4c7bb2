"""Which of five components are worth anything? Run it with: pytest --mlops"""

import pytest
from components import components, load

FULL = {"batch_norm": True, "momentum": 0.9, "weight_decay": 1e-4, "clip_norm": 5.0, "mirror": True}
WITHOUT = {"batch_norm": False, "momentum": 0.0, "weight_decay": 0.0, "clip_norm": None, "mirror": False}


@pytest.fixture(scope="module")
def study(ablation):
    return ablation(components, full=FULL, without=WITHOUT, lower_is_better="loss").using(data=load)


@pytest.mark.xfail(
    strict=True, reason="two components do not help: mirrored digits hurt, and the clipping never clips"
)
def test_each_component_helps(study):
    assert study["accuracy"].each_component_helps(by=0.0)


def test_what_is_worth_a_point(study):
    assert study["accuracy"]["batch_norm"].helps(by=0.01)
    assert study["accuracy"]["weight_decay"].does_not_hurt(by=0.02)
