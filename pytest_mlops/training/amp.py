"""Automatic mixed precision: one way to write a training step, right in every precision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_mlops._optional import need
from pytest_mlops.errors import RunError
from pytest_mlops.training.weights import Seen

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from torch import Tensor
    from torch.optim import Optimizer


class Amp:
    """``run.amp``: mixed precision for one run.

    bf16 needs autocast only. fp16 needs a gradient scaler as well: gradients are scaled before backward,
    unscaled before they are clipped, and a step whose gradients overflowed is skipped and counted. The CPU
    runs the same code.

    Attributes
    ----------
    precision : str
        ``"bf16"``, ``"fp16"`` or ``"off"``.
    steps : int
        Optimizer steps asked for so far.

    Examples
    --------
    ::

        with run.amp.autocast():
            loss = F.cross_entropy(model(x), y)
        run.amp.step(loss, optimizer, clip_norm=1.0)
    """

    def __init__(self, *, device: str, precision: str, seen: Seen) -> None:
        self._torch: Any = need("torch", extra="torch", why="run.amp")
        self._device = device.partition(":")[0]
        self._seen = seen
        self._backwards = 0
        self._stepped: dict[int, int] = {}  # optimizer -> backward passes at its last step
        self._update_due = False
        self._skipped: Any = 0  # a tensor on the device after the first step: adding to it waits for nothing
        self._scaler: Any = self._torch.amp.GradScaler(self._device) if precision == "fp16" else None
        self.precision = precision
        self.steps = 0

    def autocast(self) -> AbstractContextManager[Any]:
        """Context (or decorator) for the forward pass and the loss; does nothing when AMP is off."""
        words: dict[str, Any] = {"enabled": False}
        if self.precision != "off":
            words = {"dtype": self._torch.bfloat16 if self.precision == "bf16" else self._torch.float16}
        context: AbstractContextManager[Any] = self._torch.autocast(self._device, **words)
        return context

    def backward(self, loss: Tensor) -> None:
        """Scale the loss and add its gradients to those there: for accumulation over several batches.

        Parameters
        ----------
        loss : torch.Tensor
            One number with a gradient. Divide it by the number of batches that are accumulated.

        Raises
        ------
        RunError
            If ``loss`` cannot be differentiated.

        Examples
        --------
        ::

            for i, (x, y) in enumerate(run.loader(fit, batch_size=16), start=1):
                with run.amp.autocast():
                    loss = F.cross_entropy(model(x), y) / 4
                run.amp.backward(loss)
                if i % 4 == 0:
                    run.amp.step(None, optimizer)
        """
        self._check_loss(loss)
        if self._scaler is None:
            self._torch.autograd.backward(loss)
        else:
            self._update_scale()
            self._scaler.scale(loss).backward()
        self._backwards += 1

    def step(self, loss: Tensor | None, optimizer: Optimizer, *, clip_norm: float | None = None) -> None:
        """One optimizer step: scale, backward, unscale, clip, step, update the scale, zero the gradients.

        Parameters
        ----------
        loss : torch.Tensor or None
            One number with a gradient; None after ``run.amp.backward``.
        optimizer : torch.optim.Optimizer
            Whose parameters move.
        clip_norm : float, optional
            Clip the norm of the (unscaled) gradients to this.

        Raises
        ------
        RunError
            If an argument cannot work, or no gradient has arrived since this optimizer's last step.
        """
        self._check_optimizer(optimizer)
        if clip_norm is not None and not _is_positive(clip_norm):
            raise RunError(
                f"run.amp.step(clip_norm={clip_norm!r}): expected a number above 0, or None for no clipping"
            )
        if loss is not None:
            self.backward(loss)
        self._check_gradients(optimizer)
        self._seen.add(optimizer)
        self.steps += 1
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)
            self._count_overflow(optimizer)
        if clip_norm is not None:
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            self._torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._update_due = True
        self._stepped[id(optimizer)] = self._backwards
        optimizer.zero_grad(set_to_none=True)

    @property
    def skipped_steps(self) -> int:
        """Steps that the gradient scaler skipped because of an overflow. Reading it waits for the device."""
        return int(self._skipped)

    def state(self) -> dict[str, Any]:
        """Steps so far and the scaler's state, as plain values; waits for the device."""
        if self._scaler is not None:
            self._update_scale()
        scaler = self._scaler.state_dict() if self._scaler is not None else None
        return {"steps": self.steps, "skipped": self.skipped_steps, "scaler": scaler}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a ``state``."""
        self.steps, self._skipped = int(state["steps"]), int(state["skipped"])
        if self._scaler is not None and state["scaler"] is not None:
            self._scaler.load_state_dict(state["scaler"])

    def _update_scale(self) -> None:
        # Late, before the next backward: two optimizers may step on the gradients of one, under one scale.
        if self._update_due:
            self._scaler.update()
            self._update_due = False

    def _count_overflow(self, optimizer: Optimizer) -> None:
        # The scaler keeps this private; asking it for its scale after each step would wait for the device
        # each time.
        found = self._scaler._found_inf_per_device(optimizer).values()
        for overflow in list(found)[:1]:
            others = sum((other.to(overflow.device) for other in list(found)[1:]), overflow)
            self._skipped = self._skipped + (others > 0).to(self._torch.int64)

    def _check_loss(self, loss: Any) -> None:
        if not isinstance(loss, self._torch.Tensor):
            raise RunError(
                f"run.amp.step needs the loss as a tensor, and {loss!r:.60} is a {type(loss).__name__}: it "
                "has no "
                "gradient. Hand in the loss itself, before float() or .item()."
            )
        if loss.numel() != 1:
            raise RunError(
                f"run.amp.step needs one number to minimise, and this loss has shape {tuple(loss.shape)}: "
                "reduce it, e.g. loss.mean()."
            )
        if not loss.requires_grad:
            raise RunError(
                "run.amp.step got a loss without a gradient, so no weight would move: was it computed under "
                "torch.no_grad(), from .detach() or .item(), or from a model whose parameters are frozen?"
            )

    def _check_optimizer(self, optimizer: Any) -> None:
        if not isinstance(optimizer, self._torch.optim.Optimizer):
            raise RunError(
                f"run.amp.step needs a torch.optim.Optimizer, and got {type(optimizer).__name__}: "
                "write run.amp.step(loss, optimizer)."
            )
        if isinstance(optimizer, self._torch.optim.LBFGS):
            raise RunError(
                "run.amp.step cannot drive LBFGS, which evaluates the loss several times a step: "
                "call optimizer.step(closure) yourself, with amp = off."
            )

    def _check_gradients(self, optimizer: Optimizer) -> None:
        if self._stepped.get(id(optimizer), 0) == self._backwards:
            raise RunError(
                "run.amp.step(None, optimizer) has no gradients to step on: call run.amp.backward(loss) "
                "first. "
                "(loss.backward() would leave out the scaling that fp16 needs.)"
            )
        if all(p.grad is None for group in optimizer.param_groups for p in group["params"]):
            raise RunError(
                "run.amp.step: the loss does not depend on any parameter of this optimizer, so nothing "
                "would move. "
                "Was the optimizer made for another model, or before the model was replaced?"
            )


def _is_positive(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value > 0 and not math.isnan(value)
    )
