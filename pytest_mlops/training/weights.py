"""A digest of what a run trained: equal only for runs that are identical bit for bit."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pytest_mlops._optional import need
from pytest_mlops.records import Cases

# A run may make many models (folds, restarts). Their memory is given back: the oldest is digested as it is
# by then.
_HELD = 4


class Seen:
    """Models and optimizers that a run showed us, in the order of their first appearance."""

    def __init__(self) -> None:
        self._held: dict[int, Any] = {}
        self._hash: Any = None

    def add(self, thing: Any) -> None:
        """Note a model or an optimizer; seen again, it changes nothing."""
        if id(thing) in self._held:
            return
        self._held[id(thing)] = thing
        if self._hash is None:
            self._hash = hashlib.sha256()
        if len(self._held) > _HELD:
            self._digest(self._held.pop(next(iter(self._held))))

    def digest(
        self,
        metrics: Mapping[str, float],
        curves: Mapping[str, Iterable[tuple[float, float]]],
        cases: Mapping[str, Cases],
    ) -> str | None:
        """SHA-256 of all parameters and buffers, metrics, curves and numbers for each case.

        Returns
        -------
        str or None
            None if nothing was seen, or if some tensor has no bytes to read (sparse, not initialised).
        """
        if self._hash is None:
            return None
        try:
            for thing in self._held.values():
                self._digest(thing)
        except (RuntimeError, TypeError, ValueError, NotImplementedError):
            return None
        for name in sorted(metrics):
            self._hash.update(_text(name) + struct.pack("<d", metrics[name]))
        for name in sorted(curves):
            self._hash.update(_text(name))
            for point in curves[name]:
                self._hash.update(struct.pack("<dd", *point))
        for name in sorted(cases):
            self._hash.update(_text(name) + _text(cases[name].table.digest) + cases[name].numbers)
        return str(self._hash.hexdigest())

    def _digest(self, thing: Any) -> None:
        for name, tensor in _tensors(thing):
            self._hash.update(_text(name))
            _update(self._hash, tensor)


def _tensors(thing: Any) -> Iterator[tuple[str, Any]]:
    if hasattr(thing, "param_groups"):
        for place, group in enumerate(thing.param_groups):
            yield from ((f"group {place}", tensor) for tensor in group["params"])
        return
    yield from thing.named_parameters()
    yield from thing.named_buffers()


def _update(digest: Any, tensor: Any) -> None:
    torch: Any = need("torch", extra="torch", why="the digest of the weights")
    whole = tensor.detach().cpu().contiguous().reshape(-1)
    digest.update(_text(f"{whole.dtype} {tuple(tensor.shape)}"))
    digest.update(whole.view(torch.uint8).numpy().data)


def _text(text: str) -> bytes:
    """With its length, so that neighbours cannot be confused."""
    return json.dumps(text).encode() + b"\n"
