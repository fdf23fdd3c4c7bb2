"""Declared data is shared by all training runs: one that wrote to it would change the others."""

from __future__ import annotations

import sys
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

from pytest_mlops.errors import DataError
from pytest_mlops.fingerprint.values import is_torch_module

# Content is compared up to this size: a tensor made by torch.from_numpy() writes to an array past its
# read-only flag. A second of CRC for gigabytes of images, in each run, would cost more than it protects.
_COMPARED_BYTES = 32 * 1024 * 1024

_Mark = tuple[int | None, int | None]
_first_seen: dict[int, tuple[weakref.ref[Any], _Mark]] = {}


@contextmanager
def protected(data: object, *, named: str = "run.data") -> Iterator[None]:
    """Make the arrays in ``data`` read-only, and refuse a run that changed an array, tensor or weight in place.

    Modules go back to training or evaluation, and to the gradients, that they had.

    Raises
    ------
    DataError
        At the end of the block if this run changed the data; at its start if an earlier one did.
    """
    if data is None or isinstance(data, str | bytes | int | float):
        yield
        return
    leaves, modules = _leaves(data)
    if not leaves:
        yield
        return
    _check(
        leaves,
        named,
        "an earlier training run (or the test) changed it, so this one would train on other data",
    )
    frozen = [leaf for leaf in leaves if _is_array(leaf) and leaf.flags.writeable]
    for array in frozen:
        array.flags.writeable = False
    modes = [(part, part.training) for module in modules for part in module.modules()]
    gradients = [(leaf, leaf.requires_grad) for module in modules for leaf in module.parameters()]
    try:
        yield
    finally:
        _thaw(frozen)
        for part, training in modes:
            part.training = training
        for leaf, wanted in gradients:
            leaf.requires_grad, leaf.grad = wanted, None
    _check(leaves, named, "this training run changed it")


def _thaw(arrays: list[Any]) -> None:
    # A view can be made writeable only after its base: a second round finds every base done.
    for _ in range(2):
        for array in arrays:
            try:
                array.flags.writeable = True
            except ValueError:
                continue


def _check(leaves: list[Any], named: str, reason: str) -> None:
    left = _COMPARED_BYTES
    for leaf in leaves:
        size = leaf.nbytes if _is_array(leaf) else leaf.numel() * leaf.element_size()
        mark = _mark(leaf, content=size <= left)
        left -= size if size <= left else 0
        known = _first_seen.get(id(leaf))
        if known is None or known[0]() is not leaf:
            _first_seen[id(leaf)] = (weakref.ref(leaf, _forget(id(leaf))), mark)
        elif any(
            old is not None and new is not None and old != new
            for old, new in zip(known[1], mark, strict=True)
        ):
            raise DataError(
                f"{named} holds {_describe(leaf)} that was changed in place: {reason}. All training runs share it, "
                "so their results would depend on their order. Copy it first: "
                f"{_COPY[_kind(leaf)].format(name=named.rpartition(':')[2])}."
            )


def _forget(key: int) -> Any:
    return lambda _: _first_seen.pop(key, None)


def _mark(leaf: Any, *, content: bool) -> _Mark:
    """Version of a tensor, checksum of what is small enough: both change when somebody writes."""
    if _is_array(leaf):
        return None, zlib.crc32(leaf.tobytes()) if content and not leaf.dtype.hasobject else None
    if leaf.device.type != "cpu" or not content:
        return _version(leaf), None
    try:
        return _version(leaf), zlib.crc32(leaf.detach().numpy().tobytes())
    except (RuntimeError, TypeError):  # sparse, bf16, quantized: the version alone
        return _version(leaf), None


def _version(tensor: Any) -> int | None:
    return None if tensor.is_inference() else int(tensor._version)


def _leaves(data: object) -> tuple[list[Any], list[Any]]:
    """Arrays and tensors in nested containers, dataclasses, datasets and modules, each once; and the modules."""
    leaves: list[Any] = []
    modules: list[Any] = []
    seen: set[int] = set()
    todo: list[Any] = [data]
    while todo:
        item = todo.pop()
        if isinstance(item, str | bytes | int | float | type(None)) or id(item) in seen:
            continue
        seen.add(id(item))
        if _is_array(item) or _is_tensor(item):
            leaves.append(item)
        elif isinstance(item, dict):
            todo.extend(item.values())
        elif isinstance(item, list | tuple):
            todo.extend(item)
        elif is_dataclass(item) and not isinstance(item, type):
            todo.extend(getattr(item, field.name, None) for field in fields(item))
        elif is_torch_module(item):
            modules.append(item)
            todo.extend([*item.parameters(), *item.buffers()])
        elif _is_dataset(item):
            todo.extend(vars(item).values())
    return leaves, modules


def _is_array(item: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(item, numpy.ndarray)


def _is_tensor(item: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(item, torch.Tensor)


def _is_dataset(item: object) -> bool:
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(item, data.Dataset)


def _kind(leaf: Any) -> str:
    if _is_array(leaf):
        return "an array"
    return "a weight" if type(leaf).__name__ == "Parameter" else "a tensor"


_COPY = {
    "an array": "x = {name}.copy()",
    "a tensor": "x = {name}.clone()",
    "a weight": "model = copy.deepcopy({name}), and train that",
}


def _describe(leaf: Any) -> str:
    return f"{_kind(leaf)} of shape {tuple(leaf.shape)}"
