"""Parameters as text: what differs has another key, and people read a short one."""

import dataclasses

import pytest

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint import describe, fingerprint, key_of


def test_keys_of_equal_values_are_equal_text():
    assert key_of({"betas": (0.9, 0.99)}, name="x") == key_of({"betas": (0.9, 0.99)}, name="x")


@dataclasses.dataclass
class Options:
    lr: float = 0.1


@dataclasses.dataclass(slots=True)
class Slotted:
    lr: float = 0.1


@dataclasses.dataclass
class Stages:
    widths: list[int] = dataclasses.field(default_factory=lambda: [64, 128])
    depth: int = 2


@dataclasses.dataclass
class OtherStages:
    widths: list[int] = dataclasses.field(default_factory=lambda: [64, 256])
    depth: int = 2


def train(run, *, stages=Stages):
    return {"auc": float(len(stages().widths))}


def test_a_dataclass_with_a_default_that_a_function_makes_has_a_key():
    assert key_of(Stages(), name="stages") == key_of(Stages(), name="stages")
    assert key_of(Stages(), name="stages") != key_of(Stages([64]), name="stages")
    assert key_of(Stages, name="stages") != key_of(OtherStages, name="stages")


def test_a_function_that_makes_such_a_dataclass_has_a_fingerprint():
    assert fingerprint(train).digest


@pytest.mark.parametrize("value", [..., NotImplemented, dataclasses.MISSING])
def test_values_of_which_there_is_one_have_a_key(value):
    assert key_of(value, name="x") == key_of(value, name="x") != key_of(None, name="x")


def test_an_attribute_added_to_a_dataclass_counts():
    plain, extended = Options(), Options()
    extended.momentum = 0.9
    assert key_of(plain, name="options") != key_of(extended, name="options")


def test_a_dataclass_with_slots_has_a_key():
    assert key_of(Slotted(), name="options") != key_of(Slotted(lr=0.2), name="options")


def test_a_value_that_contains_itself_is_refused():
    loop = []
    loop.append(loop)
    with pytest.raises(ParameterError, match="contains itself"):
        key_of(loop, name="loop")


def test_long_values_are_cut_for_people():
    assert len(describe("x" * 500)) == 60
