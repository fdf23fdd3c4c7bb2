"""A claim about a model that PyTorch Lightning trains. Run it with: pip install lightning, pytest --mlops"""

import pytest

pytest.importorskip("lightning", reason="this example trains with it: pip install lightning")
from lit import load, train


def test_wider_is_better(arm):
    narrow = arm(train, width=16).using(data=load)
    wide = arm(train, width=128).using(data=load)
    assert wide["accuracy"] > narrow["accuracy"] + 0.01
