"""Initial weights that arms share: each module draws from a stream named by its path."""

from __future__ import annotations

from typing import Any

from pytest_mlops._optional import need
from pytest_mlops.errors import RunError
from pytest_mlops.training.streams import global_generators_kept, reseed, stream


def initialise(model: Any, seed: int) -> None:
    """Call the ``reset_parameters`` of every submodule, each under its own stream; see ``Run.init``."""
    torch: Any = need("torch", extra="torch", why="run.init")
    if not isinstance(model, torch.nn.Module) or isinstance(model, type):
        raise RunError(
            f"run.init needs a torch.nn.Module, and got {_kind(model)}: write model = run.init(Net())."
        )
    # Inner modules first, as constructors do it: a parent may overwrite what its children drew
    # (MultiheadAttention).
    modules = list(model.named_modules())[::-1]
    cuda = tuple({t.device.index or 0 for t in model.parameters() if t.device.type == "cuda"})
    with global_generators_kept(), torch.no_grad():
        for path, module in modules:
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(reset):
                name = path.replace("_orig_mod.", "").replace("_orig_mod", "")  # torch.compile's wrapper
                reseed(stream(seed, f"init/{name}").generate_state(6, dtype="uint32").tobytes(), torch, cuda)
                reset()


def _kind(thing: object) -> str:
    if isinstance(thing, type):
        return f"the class {thing.__name__}, not an instance"
    return f"a {type(thing).__name__}"
