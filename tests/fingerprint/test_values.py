"""Parameters as text: what differs has another key, and people read a short one."""

import dataclasses

import pytest

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint import describe, key_of


def test_keys_of_equal_values_are_equal_text():
    assert key_of({"betas": (0.9, 0.99)}, name="x") == key_of({"betas": (0.9, 0.99)}, name="x")


@dataclasses.dataclass
class Options:
    lr: float = 0.1


@dataclasses.dataclass(slots=True)
class Slotted:
    lr: float = 0.1


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
