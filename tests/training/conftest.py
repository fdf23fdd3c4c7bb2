"""Factories for real small training runs."""

from __future__ import annotations

import pytest

from pytest_mlops.records import RunKey, RunSpec
from pytest_mlops.training import Run, execute


@pytest.fixture
def spec(tmp_path):
    """``spec(function, seed=3, amp="fp16", lr=0.1)``: names of RunSpec go there, others to the function."""

    def make(function, *, seed=0, **words):
        own = {name: words.pop(name) for name in list(words) if name in RunSpec.__dataclass_fields__}
        key = RunKey(function="test:train", code="c", parameters="{}", data="", environment="{}", seed=seed)
        folder = tmp_path / "artifacts" / str(seed)
        return RunSpec(key=key, function=function, given=words, **{"index": seed, "artifacts": folder, **own})

    return make


@pytest.fixture
def train(spec):
    """Execute one run: ``train(function, seed=1)``."""
    return lambda function, *, echo=None, **words: execute(spec(function, **words), echo=echo)


@pytest.fixture
def run(spec):
    """A ``Run`` outside of any execution, for what needs none: ``run(seed=1)``."""
    return lambda **words: Run(spec(lambda run: None, **words))


@pytest.fixture
def fit_digits():
    """A small real training: two epochs of a linear model on random data of its own stream."""

    def fit(run, *, lr=0.1, scale=1.0):
        import torch

        x = torch.randn(64, 4, generator=run.generator("data"))
        y = (x.sum(1) > 0).long()
        model = run.init(torch.nn.Linear(4, 2))
        optimizer = torch.optim.SGD(model.parameters(), lr=lr)
        for epoch in range(2):
            for a, b in run.loader((x, y), batch_size=16):
                with run.amp.autocast():
                    loss = torch.nn.functional.cross_entropy(model(a), b)
                run.amp.step(loss * scale, optimizer, clip_norm=1.0)
            run.log(epoch, loss=loss)
        return {"loss": loss.detach()}

    return fit
