"""What a run that was killed is gone on from: a folder of its own, and its state as plain values.

One that goes on gives what one without a kill gives, to the last bit.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_mlops.errors import RunError

if TYPE_CHECKING:
    from pytest_mlops.training.run import Run
    from pytest_mlops.training.scratch import Scratch

_PARTS = frozenset({"seed", "rng", "generator", "passes", "curves", "amp", "global"})


class Resumable:
    """The part of ``run`` for trainings that take long."""

    _scratch: Scratch

    @property
    def scratch(self) -> Path:
        """A folder of this run that survives a kill: write checkpoints here, and look for them when you begin.

        The next start of the same run (same code, parameters, seed, data, environment) finds what is in it, if all
        that the run had read until then is as it was; any other run never does. It is gone when the run ended, well
        or not.

        Returns
        -------
        pathlib.Path
            Absolute; made on first use.

        Raises
        ------
        RunError
            If it cannot be written.

        Examples
        --------
        ::

            checkpoint = run.scratch / "checkpoint.pt"
            if checkpoint.exists():
                saved = torch.load(checkpoint)
        """
        return self._scratch.open()

    def state_dict(self) -> dict[str, Any]:
        """The state of all that came from ``run``, and of the global generators, for a checkpoint.

        Generators, epochs of loaders, curves, and steps and scale of ``run.amp``; not the model or the optimizer.

        Returns
        -------
        dict
            Plain values, for ``torch.save`` as well as for ``json``. Take it between two epochs.

        Examples
        --------
        ::

            torch.save({"model": model.state_dict(), "run": run.state_dict()}, run.scratch / "checkpoint.pt")
        """
        return _state_of(self)  # type: ignore[arg-type]  # it is a Run

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a ``state_dict``: random numbers, epochs and curves go on where they were.

        Parameters
        ----------
        state : dict
            What ``state_dict`` returned in an earlier attempt at this run.

        Raises
        ------
        RunError
            If it is something else, or of a run of another seed.
        """
        _restore(self, state)  # type: ignore[arg-type]  # it is a Run


def _state_of(run: Run) -> dict[str, Any]:
    """All of a run that its own later steps depend on; see ``Run.state_dict``."""
    amp = run.__dict__.get("amp")  # made on first use
    return {
        "seed": run.seed,
        "rng": {name: _plain(generator.bit_generator.state) for name, generator in run._rngs.items()},
        "generator": {name: _bytes(generator.get_state()) for name, generator in run._generators.items()},
        "passes": run._passes.state(),
        "curves": {name: [list(point) for point in points] for name, points in run._curves.items()},
        "amp": amp.state() if amp is not None else None,
        "global": _global_state(),
    }


def _restore(run: Run, state: Any) -> None:
    """Put a run into a state that ``_state_of`` gave; see ``Run.load_state_dict``."""
    if not isinstance(state, Mapping) or set(state) != _PARTS:
        raise RunError(f"run.load_state_dict({state!r:.60}): expected what run.state_dict() returned.")
    if state["seed"] != run.seed:
        raise RunError(
            f"run.load_state_dict: this is the state of a run of seed {state['seed']}, and the run has seed {run.seed}. A "
            "checkpoint belongs to one run: keep it in run.scratch."
        )
    for name, inner in state["rng"].items():
        run.rng(name).bit_generator.state = inner
    for name, text in state["generator"].items():
        run.generator(name).set_state(_tensor(text))
    run._passes.restore(state["passes"])
    run._curves.clear()
    run._curves.update({name: [(x, y) for x, y in points] for name, points in state["curves"].items()})
    if state["amp"] is not None:
        run.amp.restore(state["amp"])
    _restore_global(state["global"])


def _global_state() -> dict[str, Any]:
    import numpy as np

    version, numbers, gauss = random.getstate()
    found = {
        "random": [version, list(numbers), gauss],
        "numpy": _plain(np.random.get_state(legacy=False)),  # noqa: NPY002 - what training functions use
    }
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        found["torch"] = _bytes(torch.get_rng_state())
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            found["cuda"] = [_bytes(state) for state in torch.cuda.get_rng_state_all()]
        if torch.backends.mps.is_available():
            found["mps"] = _bytes(torch.mps.get_rng_state())
    return found


def _restore_global(state: Mapping[str, Any]) -> None:
    import numpy as np

    version, numbers, gauss = state["random"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(state["numpy"])  # noqa: NPY002
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        if "torch" in state:
            torch.set_rng_state(_tensor(state["torch"]))
        if "cuda" in state:
            torch.cuda.set_rng_state_all([_tensor(text) for text in state["cuda"]])
        if "mps" in state:
            torch.mps.set_rng_state(_tensor(state["mps"]))


def _plain(value: Any) -> Any:
    """Dicts, lists, numbers and text: what JSON and torch's loader of weights take."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    return value


def _bytes(state: Any) -> str:
    return bytes(state.numpy()).hex()


def _tensor(text: str) -> Any:
    torch: Any = sys.modules["torch"]
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
