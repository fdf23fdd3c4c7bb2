"""A training function that seeds the generators itself is noticed: all its seeds may be alike."""

# ruff: noqa: NPY002 - the global generators are what is tested

import random

import numpy as np
import pytest
import torch

SEEDS_ALIKE = {
    "torch.manual_seed(42)": lambda run: torch.manual_seed(42),
    "numpy.random.seed(0)": lambda run: np.random.seed(0),
    "random.seed('a')": lambda run: random.seed("a"),
}


@pytest.mark.parametrize(("call", "seed"), SEEDS_ALIKE.items(), ids=SEEDS_ALIKE)
def test_a_seed_of_the_functions_own_is_noted(train, call, seed):
    def trains(run):
        seed(run)
        return {"a": 1.0}

    assert train(trains, seed=3).reseeded == (call,)


def test_a_name_bound_before_the_run_is_no_way_around(train):
    manual_seed = torch.manual_seed

    def trains(run):
        manual_seed(42)
        return {"a": 1.0}

    assert train(trains).reseeded == ("torch.manual_seed(42)",)


def test_seeding_with_the_seed_of_the_run_changes_with_it(train):
    def trains(run):
        torch.manual_seed(run.seed)
        np.random.seed(run.seed + 1)
        return {"a": 1.0}

    one, other = train(trains, seed=1).reseeded, train(trains, seed=2).reseeded
    assert not set(one) & set(other)


def test_what_our_loaders_and_streams_seed_is_not_noted(train):
    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            return random.random() + np.random.normal() + torch.randn(()).item()

    def trains(run):
        model = run.init(torch.nn.Linear(1, 1))
        total = sum(float(batch.sum()) for batch in run.loader(Noisy(), batch_size=2))
        with torch.random.fork_rng():
            torch.manual_seed(7)
        return {"a": total + float(model.weight.sum())}

    assert train(trains).reseeded == ()


def test_the_seeding_functions_are_put_back(train):
    before = random.seed, np.random.seed
    train(lambda run: {"a": 1.0})
    assert (random.seed, np.random.seed) == before
