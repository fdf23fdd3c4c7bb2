"""The state of a run: one that goes on from it gives what one that was never interrupted gives, to the last bit."""

import json
import random

import numpy as np
import pytest

from pytest_mlops.training import execute


def of_global():
    """A number of the global generator, which keeps a second one for the next call."""
    return float(np.random.normal())  # noqa: NPY002 - what training functions use


def draws(run):
    """A few numbers from everything random that a run has."""
    return [
        random.random(),
        of_global(),
        float(np.random.default_rng(run.rng("a").integers(2**32)).random()),
        float(run.rng("b").normal()),
    ]


def test_every_generator_goes_on_where_it_was(train, tmp_path):
    def first(run):
        draws(run)
        (tmp_path / "state.json").write_text(json.dumps(run.state_dict()))
        (tmp_path / "next.json").write_text(json.dumps([*draws(run), of_global()]))
        return {"a": 1.0}

    def second(run):
        run.rng("a").normal(size=7)
        run.load_state_dict(json.loads((tmp_path / "state.json").read_text()))
        return {"same": [*draws(run), of_global()] == json.loads((tmp_path / "next.json").read_text())}

    train(first)
    assert train(second).metrics["same"] == 1.0


def test_curves_go_on(train, tmp_path):
    def first(run):
        run.log(0, loss=float("nan"))
        run.log(1, loss=0.1 + 0.2)
        (tmp_path / "state.json").write_text(json.dumps(run.state_dict()))
        return {"a": 1.0}

    def second(run):
        run.log(0, other=1.0)
        run.load_state_dict(json.loads((tmp_path / "state.json").read_text()))
        run.log(2, loss=0.2)
        return {"a": 1.0}

    train(first)
    curves = train(second).curves
    assert list(curves) == ["loss"]
    assert curves["loss"][1:] == ((1.0, 0.1 + 0.2), (2.0, 0.2))
    assert np.isnan(curves["loss"][0][1])


def test_the_state_of_another_seed_is_refused(train, tmp_path):
    def first(run):
        (tmp_path / "state.json").write_text(json.dumps(run.state_dict()))
        return {"a": 1.0}

    def second(run):
        run.load_state_dict(json.loads((tmp_path / "state.json").read_text()))
        return {"a": 1.0}

    train(first, seed=1)
    failure = train(second, seed=2).failure
    assert "of a run of seed 1, and the run has seed 2" in failure.message


@pytest.mark.parametrize("state", [None, {}, {"seed": 0}, [1, 2]], ids=repr)
def test_what_is_no_state_is_refused(train, state):
    failure = train(lambda run: run.load_state_dict(state) or {"a": 1.0}).failure
    assert "expected what run.state_dict() returned" in failure.message


def fit(folder, stop):
    """Two arrays, a loader with workers' randomness, dropout, AMP; ends after ``stop`` epochs, or goes on."""

    def fit(run):
        import torch

        x = torch.randn(64, 4, generator=run.generator("data"))
        y = (x.sum(1) > 0).long()
        model = run.init(
            torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Dropout(0.3), torch.nn.Linear(8, 2))
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        first, checkpoint = 0, folder / "checkpoint.pt"
        if checkpoint.exists():
            saved = torch.load(checkpoint)  # takes plain values only
            model.load_state_dict(saved["model"])
            optimizer.load_state_dict(saved["optimizer"])
            run.load_state_dict(saved["run"])
            first = saved["epoch"]
        for epoch in range(first, 4):
            if epoch == stop:
                raise KeyboardInterrupt
            for a, b in run.loader((x, y), batch_size=16):
                with run.amp.autocast():
                    loss = torch.nn.functional.cross_entropy(model(a), b)
                run.amp.step(
                    loss * (100 if epoch else 1), optimizer, clip_norm=1.0
                )  # overflows in fp16 at first
            run.log(epoch, loss=loss)
            parts = {"model": model, "optimizer": optimizer, "run": run}
            torch.save(
                {"epoch": epoch + 1, **{name: part.state_dict() for name, part in parts.items()}}, checkpoint
            )
        return {"loss": loss.detach()}

    return fit


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])
def test_a_training_that_goes_on_is_the_same_bit_for_bit(spec, tmp_path, amp, stop):
    pytest.importorskip("torch")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = execute(spec(fit(whole, None), amp=amp))
    with pytest.raises(KeyboardInterrupt):
        execute(spec(fit(parts, stop), amp=amp))
    result = execute(spec(fit(parts, None), amp=amp))
    assert expected.failure is None
    assert result.weights == expected.weights
    assert result.curves == expected.curves
    assert (result.steps, result.skipped_steps) == (expected.steps, expected.skipped_steps)
    assert result.steps == 16
    assert (expected.skipped_steps > 0) == (amp == "fp16")
