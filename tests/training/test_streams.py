"""Streams by name: the same everywhere, and none shifts another."""

# ruff: noqa: NPY002 - the global generators are what is tested

from __future__ import annotations

import random

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.training.streams import global_generators_kept, number, reseed, stream


def test_stream_is_the_same_on_every_machine():
    # Written down once: a change of these numbers would make every stored run another experiment.
    assert stream(7, "augment").generate_state(2).tolist() == AUGMENT_7


AUGMENT_7 = [2948772643, 3367907038]


@given(st.integers(0, 2**31 - 1), st.text(), st.text())
def test_streams_differ_by_name(seed, one, other):
    assert (number(seed, one) == number(seed, other)) == (one == other)


@given(st.integers(0, 2**31 - 2), st.text())
def test_streams_differ_by_seed(seed, name):
    assert number(seed, name) != number(seed + 1, name)


@given(st.integers(0, 2**31 - 1), st.text())
def test_numbers_fit_the_generators_of_torch(seed, name):
    assert 0 <= number(seed, name) < 2**63


def test_reseeding_gives_three_unlike_generators():
    with global_generators_kept():
        reseed(bytes(range(24)), torch)
        drawn = {random.random(), float(np.random.random()), float(torch.rand((), dtype=torch.float64))}
    assert len(drawn) == 3


def test_global_generators_are_kept_through_errors():
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    try:
        with global_generators_kept():
            reseed(bytes(24), torch)
            raise ValueError
    except ValueError:
        pass
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
