"""What somebody put into a module that a function imports while it runs: its source says otherwise."""

import importlib
import sys
from unittest.mock import MagicMock

import pytest

from pytest_mlops.fingerprint import fingerprint

NET = """
import enum
import dataclasses
from zzz_origin import helper, LIMIT as MOST

LR = 0.1
SIZES = (1, 2)
CONFIG = {"depth": 3}
REGISTRY = {}
COUNT = 0
_model = None
HALF = LR / 2

def width():
    return LR

def other():
    return 1

def count():
    global COUNT
    COUNT += 1

@dataclasses.dataclass
class Options:
    depth: int = 3

class Colour(enum.Enum):
    RED = 1

class Net:
    layers = 2
    def forward(self):
        return self.layers

def register(function):
    REGISTRY[function.__name__] = function
    return function

@register
def known():
    return 2
"""


@pytest.fixture
def net(tmp_path, monkeypatch):
    """A module that only the body of ``train`` imports."""
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("zzz_origin.py").write_text("LIMIT = 5\ndef helper():\n    return 1\n")
    tmp_path.joinpath("zzz_net.py").write_text(NET)
    yield importlib.import_module("zzz_net")
    for name in ("zzz_net", "zzz_origin"):
        sys.modules.pop(name, None)


def train(run):
    from zzz_net import width

    return {"auc": width()}


def digest():
    return fingerprint(train).digest


PATCHES = {
    "LR": 0.2,
    "SIZES": (1, 2, 3),
    "CONFIG": {"depth": 4},
    "width": lambda: 9,
    "helper": lambda: 9,
    "MOST": 6,
    "Net": type("Net", (), {}),
    "Net.layers": 3,
    "Net.forward": lambda self: 9,
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_value_that_the_source_does_not_give_is_seen_and_gone_with_it(net, monkeypatch, name):
    before = digest()
    with monkeypatch.context() as patch:
        patch.setattr(f"zzz_net.{name}", PATCHES[name])
        assert digest() != before
    assert digest() == before


def test_an_item_of_a_configuration_a_swap_and_a_removal_are_seen(net, monkeypatch):
    before = digest()
    for patch in (
        lambda context: context.setitem(net.CONFIG, "depth", 9),
        lambda context: context.setattr(net, "width", net.other),
        lambda context: context.delattr(net, "width"),
    ):
        with monkeypatch.context() as context:
            patch(context)
            assert digest() != before
    assert digest() == before


def test_two_mocks_are_never_one_experiment(net, monkeypatch):
    seen = set()
    for _ in range(20):
        with monkeypatch.context() as patch:
            patch.setattr(net, "width", MagicMock())
            seen.add(digest())
            assert digest() in seen
    assert len(seen) == 20


def test_what_a_module_does_to_itself_changes_no_key(net):
    before = digest()
    net.count()
    net._model = None
    net.register(net.other)
    assert digest() == before
    importlib.reload(net)
    assert digest() == before
