"""Mixed precision: the same step in every precision, and fp16's scaler for real, on the CPU."""

from __future__ import annotations

import math

import pytest
import torch

from pytest_mlops.errors import RunError

PRECISIONS = pytest.mark.parametrize("amp", ["off", "bf16", "fp16"])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return torch.nn.Linear(3, 1)


def sgd(model, lr=0.1):
    return torch.optim.SGD(model.parameters(), lr=lr)


@pytest.mark.parametrize(
    ("amp", "dtype"), [("off", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_autocast_really_computes_in_the_precision(run, model, amp, dtype):
    with run(amp=amp).amp.autocast():
        assert model(torch.ones(2, 3)).dtype == dtype


@PRECISIONS
def test_autocast_is_a_decorator_too(run, model, amp):
    @run(amp=amp).amp.autocast()
    def forward(x):
        return model(x)

    assert forward(torch.ones(2, 3)).shape == (2, 1)


def test_step_without_amp_is_the_plain_step(run, model):
    plain = torch.nn.Linear(3, 1)
    plain.load_state_dict(model.state_dict())
    x, one, other = torch.ones(2, 3), sgd(model), sgd(plain)
    amp = run(amp="off").amp
    for _ in range(3):
        amp.step(model(x).square().mean(), one)
        other.zero_grad()
        plain(x).square().mean().backward()
        other.step()
    assert torch.equal(model.weight, plain.weight)


@PRECISIONS
def test_step_moves_weights_and_clears_gradients(run, model, amp):
    before = model.weight.clone()
    ours = run(amp=amp).amp
    ours.step(model(torch.ones(2, 3)).square().mean(), sgd(model))
    assert not torch.equal(model.weight, before)
    assert model.weight.grad is None
    assert (ours.steps, ours.skipped_steps) == (1, 0)


@PRECISIONS
def test_clipping_sees_unscaled_gradients(run, model, amp):
    # With lr 1 the weights move by the gradient itself: its norm is the bound, whatever the scale of fp16 (65536).
    before = torch.cat([p.detach().clone().flatten() for p in model.parameters()])
    run(amp=amp).amp.step(100 * model(torch.ones(2, 3)).mean(), sgd(model, lr=1.0), clip_norm=0.5)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert float((after - before).norm()) == pytest.approx(
        0.5, rel=1e-3
    )  # clip_grad_norm_ adds 1e-6 to the norm


def test_small_gradients_are_not_clipped_because_of_the_scale(run, model):
    before = model.bias.detach().clone()
    run(amp="fp16").amp.step(0.01 * model(torch.ones(2, 3)).mean(), sgd(model, lr=1.0), clip_norm=1.0)
    assert float(before - model.bias.detach()) == pytest.approx(0.01, rel=1e-3)


def test_overflow_in_fp16_skips_the_step_and_halves_the_scale(run, model):
    amp, optimizer = run(amp="fp16").amp, sgd(model)
    before = model.weight.detach().clone()
    amp.step(1e38 * model(torch.ones(2, 3)).mean(), optimizer, clip_norm=1.0)  # times 65536: beyond float32
    assert torch.equal(model.weight, before)
    assert amp.skipped_steps == 1
    amp.step(model(torch.ones(2, 3)).mean(), optimizer)
    assert not torch.equal(model.weight, before)
    assert (amp.steps, amp.skipped_steps) == (2, 1)
    assert amp._scaler.get_scale() == 32768.0


def test_skipped_steps_are_counted_and_told(train):
    def overflow(run):
        model = torch.nn.Linear(3, 1)
        optimizer = sgd(model)
        for i in range(5):
            run.amp.step((1e38 if i < 2 else 1.0) * model(torch.ones(2, 3)).mean(), optimizer)
        return {"a": 1.0}

    result = train(overflow, amp="fp16")
    assert (result.steps, result.skipped_steps) == (5, 2)
    assert result.messages[0].startswith("2 of 5 optimizer steps were skipped by the gradient scaler")


def test_fused_optimizer_skips_are_counted(run, model):
    amp, optimizer = run(amp="fp16").amp, torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
    amp.step(1e38 * model(torch.ones(2, 3)).mean(), optimizer)
    assert amp.skipped_steps == 1


def test_two_optimizers_on_one_backward_share_its_scale(run):
    one, two = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)
    amp = run(amp="fp16").amp
    first, second = sgd(one, lr=1.0), sgd(two, lr=1.0)
    before = two.bias.detach().clone()
    amp.backward(1e38 * one(torch.ones(2, 3)).mean() + two(torch.ones(2, 3)).mean())
    amp.step(None, first)  # overflows: the scale is halved, but not before the other has stepped
    amp.step(None, second)
    assert float(before - two.bias.detach()) == pytest.approx(1.0, rel=1e-3)
    assert amp.skipped_steps == 1


@PRECISIONS
def test_accumulated_gradients_add_up(run, model, amp):
    before = model.bias.detach().clone()
    ours, optimizer = run(amp=amp).amp, sgd(model, lr=1.0)
    for _ in range(4):
        ours.backward(model(torch.ones(2, 3)).mean() / 4)
    ours.step(None, optimizer)
    assert float(before - model.bias.detach()) == pytest.approx(1.0, rel=1e-3)
    assert ours.steps == 1


@PRECISIONS
@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (lambda m: m(torch.ones(2, 3)), "shape \\(2, 1\\)"),
        (lambda m: m(torch.ones(2, 3)).mean().detach(), "without a gradient"),
        (lambda m: 0.5, "is a float"),
        (lambda m: torch.ones((), requires_grad=True) * 2, "does not depend on any parameter"),
    ],
)
def test_losses_that_move_nothing_are_refused(run, model, amp, loss, text):
    with pytest.raises(RunError, match=text):
        run(amp=amp).amp.step(loss(model), sgd(model))


@PRECISIONS
def test_step_without_backward_is_refused(run, model, amp):
    ours, optimizer = run(amp=amp).amp, sgd(model)
    with pytest.raises(RunError, match=r"call run.amp.backward"):
        ours.step(None, optimizer)
    ours.step(model(torch.ones(2, 3)).mean(), optimizer)
    with pytest.raises(RunError, match=r"call run.amp.backward"):
        ours.step(None, optimizer)


def test_what_is_no_optimizer_is_refused(run, model):
    loss = model(torch.ones(2, 3)).mean()
    with pytest.raises(RunError, match=r"needs a torch.optim.Optimizer, and got Linear"):
        run().amp.step(loss, model)
    with pytest.raises(RunError, match="LBFGS"):
        run().amp.step(loss, torch.optim.LBFGS(model.parameters()))


@pytest.mark.parametrize("clip", [0, -1.0, math.nan, "1", True])
def test_impossible_clip_norm_is_refused(run, model, clip):
    with pytest.raises(RunError, match="clip_norm"):
        run().amp.step(model(torch.ones(2, 3)).mean(), sgd(model), clip_norm=clip)


@PRECISIONS
def test_training_in_each_precision_is_repeatable(train, fit_digits, amp):
    first, again = train(fit_digits, amp=amp), train(fit_digits, amp=amp)
    assert first.failure is None
    assert first.steps == 8
    assert first.weights == again.weights
