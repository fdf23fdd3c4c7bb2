"""Which names a function's first-party code reads: what decides whether an arm is tried out by itself."""

from functools import lru_cache, partial

import numpy as np
import pytest

from pytest_mlops.fingerprint import reads_any

WORDS = frozenset({"loader", "smoke"})


def plain(run, scale=1):
    return {"auc": float(np.mean([run.seed])) * scale}


def direct(run):
    return list(run.loader([1], batch_size=1))


def through_a_function(run):
    return direct(run)


def in_a_nested_function(run):
    def step():
        return run.smoke

    return step()


class Trainer:
    def __init__(self, run):
        self.run = run

    def fit(self):
        return through_a_function(self.run)


class Inherits(Trainer):
    pass


def through_a_class(run):
    return Inherits(run).fit()


trainer = Trainer(None)


def through_an_instance(run):
    return trainer.fit()


def recursive(run, depth=0):
    return recursive(run, depth + 1) if depth < 3 else plain(run)


def made(inner):
    def closure(run):
        return inner(run)

    return closure


@pytest.mark.parametrize(
    "function",
    [
        direct,
        through_a_function,
        in_a_nested_function,
        through_a_class,
        through_an_instance,
        partial(direct),
        made(direct),
        trainer.fit,
        lru_cache(direct),
        lambda run: direct(run),
    ],
)
def test_a_function_that_asks_its_run_for_a_loader_is_seen(function):
    assert reads_any(function, WORDS)


@pytest.mark.parametrize("function", [plain, recursive, partial(plain, scale=2), made(plain), np.mean, len])
def test_a_function_that_does_not_is_seen_too(function):
    assert not reads_any(function, WORDS)


def test_a_function_of_another_module_is_followed(tmp_path, monkeypatch):
    (tmp_path / "helpers_of_reach.py").write_text(
        "def fit(run):\n    return run.loader\n\ndef other(run):\n    return 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    import helpers_of_reach

    def train(run):
        return helpers_of_reach.fit(run)

    def trains_otherwise(run):
        return helpers_of_reach.other(run)

    assert reads_any(train, WORDS)
    assert not reads_any(trains_otherwise, WORDS)
