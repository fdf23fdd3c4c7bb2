"""Initial weights by path: shared between arms, whatever else they draw."""

# ruff: noqa: NPY002 - the global generators are what is tested

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_mlops.errors import RunError


class Net(nn.Module):
    def __init__(self, extra=False):
        super().__init__()
        if extra:
            self.attention = nn.Linear(3, 3)
        self.first = nn.Linear(4, 3)
        self.second = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def test_arms_share_weights_where_paths_agree(run):
    small, big = run(seed=1).init(Net()), run(seed=1).init(Net(extra=True))
    assert torch.equal(small.first.weight, big.first.weight)
    assert torch.equal(small.second[0].weight, big.second[0].weight)


def test_seeds_and_paths_give_other_weights(run):
    one, other = run(seed=1).init(Net()), run(seed=2).init(Net())
    assert not torch.equal(one.first.weight, other.first.weight)
    twins = run().init(nn.Sequential(nn.Linear(4, 3), nn.Linear(4, 3)))
    assert not torch.equal(twins[0].weight, twins[1].weight)


def test_weights_do_not_depend_on_what_was_drawn_before(run):
    one = run(seed=1).init(Net())
    torch.rand(100)
    assert torch.equal(one.first.weight, run(seed=1).init(Net()).first.weight)


def test_global_generator_is_untouched(run):
    before = torch.get_rng_state()
    model = Net()
    torch.set_rng_state(before)
    run().init(model)
    assert torch.equal(torch.get_rng_state(), before)


def test_attention_ends_as_its_constructor_leaves_it(run):
    # The parent zeroes the bias of its output layer, whose own reset would fill it.
    model = run().init(nn.MultiheadAttention(8, 2))
    assert not model.out_proj.bias.any()
    assert not model.in_proj_bias.any()


def test_own_reset_may_use_any_generator(run):
    import random

    import numpy as np

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.p = nn.Parameter(torch.zeros(3))

        def reset_parameters(self):
            self.p.copy_(torch.tensor([random.random(), np.random.random(), torch.rand(()).item()]))

    one, again = run().init(Own()), run().init(Own())
    assert torch.equal(one.p, again.p)
    assert len(set(one.p.tolist())) == 3


def test_wrapped_by_the_compiler_the_path_is_the_same(run):
    plain = run().init(Net())
    wrapped = run().init(torch.compile(Net(), backend="eager"))
    assert torch.equal(plain.first.weight, wrapped.first.weight)


def test_the_model_itself_comes_back(run):
    model = Net()
    assert run().init(model) is model


@pytest.mark.parametrize(("thing", "text"), [(Net, "the class Net"), ({"w": 1}, "a dict")])
def test_what_is_no_model_is_refused(run, thing, text):
    with pytest.raises(RunError, match=text):
        run().init(thing)
