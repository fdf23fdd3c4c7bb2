"""Named random streams: every name has its own, so that adding one never shifts another, in any arm."""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


def stream(seed: int, name: str) -> np.random.SeedSequence:
    """The seed sequence that belongs to ``name`` under ``seed``.

    Parameters
    ----------
    seed : int
        Seed of the run, at least 0.
    name : str
        Any text. Its SHA-256 is the spawn key, so a stream depends on no other stream.

    Returns
    -------
    numpy.random.SeedSequence
        The same numbers for the same seed and name, on every platform.

    Examples
    --------
    >>> bool((stream(7, "augment").generate_state(4) == stream(7, "augment").generate_state(4)).all())
    True
    """
    from numpy.random import SeedSequence

    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    return SeedSequence(
        seed, spawn_key=[int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
    )


def number(seed: int, name: str) -> int:
    """One integer in [0, 2**63) from the stream ``name``: what torch generators take as a seed."""
    low, high = stream(seed, name).generate_state(2, dtype="uint32").tolist()
    return (int(high) << 32 | int(low)) & (2**63 - 1)


def shuffled(size: int, name: str) -> list[int]:
    """A permutation for splits that depends on the name alone: neither on the seed of a run nor on the root seed."""
    from numpy.random import default_rng

    return [int(place) for place in default_rng(stream(0, f"split/{name}")).permutation(size)]


def seed_global_generators(seed: int) -> None:
    """Seed ``random``, ``numpy``, ``torch`` as a script would; TensorFlow and Keras if they are loaded.

    torch is imported when it is installed: a function that imports it later would otherwise draw from torch's
    fixed default seed, the same for every run.
    """
    import numpy as np

    from pytest_mlops._optional import installed, need

    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what training functions use
    if installed("torch"):
        need("torch", extra="torch", why="seeding").manual_seed(seed)
    if (keras := sys.modules.get("keras")) and hasattr(keras, "utils"):
        keras.utils.set_random_seed(seed)
    if (tensorflow := sys.modules.get("tensorflow")) and hasattr(tensorflow, "random"):
        tensorflow.random.set_seed(seed)


@contextmanager
def global_generators_kept() -> Iterator[None]:
    """Put the state of ``random``, ``numpy`` and ``torch`` (all devices in use) back at the end."""
    import numpy as np

    python_state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002
    torch_states = _torch_states()
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        for setter, state in torch_states:
            setter(state)


def reseed(seed_bytes: bytes, torch: Any = None, cuda: tuple[int, ...] = ()) -> None:
    """Seed the global generators from 24 bytes, each from its own 8: within ``global_generators_kept``.

    ``random`` and ``numpy`` share one algorithm, so the same seed would give both the same numbers.
    ``torch`` is seeded on the CPU and on the devices ``cuda`` only: its own ``manual_seed`` would reach into
    every device of the machine.
    """
    import numpy as np

    first, second, third = (int.from_bytes(seed_bytes[i : i + 8], "little") for i in (0, 8, 16))
    random.seed(first)
    np.random.seed((second & 0xFFFFFFFF, second >> 32))  # noqa: NPY002
    if torch is not None:
        torch.default_generator.manual_seed(third >> 1)
        for index in cuda:
            torch.cuda.default_generators[index].manual_seed(third >> 1)


def _torch_states() -> list[tuple[Any, Any]]:
    """Pairs of a setter and the state it takes, for every generator of torch that exists by now."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return []
    states = [(torch.set_rng_state, torch.get_rng_state())]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states.append((torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all()))
    if torch.backends.mps.is_available():
        states.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return states
