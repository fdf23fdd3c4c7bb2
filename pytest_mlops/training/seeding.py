"""Whether a training function seeds the global generators itself, which can make all seeds alike."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_ROOM = str(Path(__file__).parent)
_MOST = 20


@contextmanager
def reseeding_heard() -> Iterator[list[str]]:
    """List the calls that seed ``random``, ``numpy.random`` or ``torch`` in the block, as ``torch.manual_seed(42)``.

    Of torch the last seed is asked for, so that no way to set it is missed; ``torch.random.fork_rng`` and our loaders
    put it back. The list is complete after the block.
    """
    import numpy as np

    heard: list[str] = []
    torch: Any = sys.modules.get("torch")
    before = torch.initial_seed() if torch is not None else None
    originals = (random.seed, np.random.seed)
    random.seed = _heard(random.seed, "random.seed", heard)
    np.random.seed = _heard(np.random.seed, "numpy.random.seed", heard)
    try:
        yield heard
    finally:
        random.seed, np.random.seed = originals
        if torch is not None and torch.initial_seed() != before:
            heard.append(f"torch.manual_seed({torch.initial_seed()})")


def _heard(seed: Callable[..., Any], name: str, heard: list[str]) -> Callable[..., Any]:
    def noted(*arguments: Any, **words: Any) -> Any:
        if not sys._getframe(1).f_code.co_filename.startswith(_ROOM) and len(heard) < _MOST:
            given = [f"{value!r:.40}" for value in arguments] + [f"{k}={v!r:.40}" for k, v in words.items()]
            heard.append(f"{name}({', '.join(given)})")
        return seed(*arguments, **words)

    return noted
