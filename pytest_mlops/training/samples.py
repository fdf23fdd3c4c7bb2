"""What counts as data with samples: columns (arrays side by side), a list, a dataset."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mlops.errors import MlopsError


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Data seen as ``size`` samples.

    Attributes
    ----------
    kind : str
        ``"array"``, ``"columns"`` (tuple or dict of arrays), ``"list"``, ``"frame"`` or ``"dataset"``.
    data : object
        As the user gave it.
    size : int
        Number of samples.
    """

    kind: str
    data: Any
    size: int

    @property
    def columns(self) -> list[Any]:
        """The arrays, one for a single array."""
        if self.kind == "array":
            return [self.data]
        return list(self.data.values() if isinstance(self.data, Mapping) else self.data)

    def rebuild(self, columns: list[Any]) -> Any:
        """``columns`` in the form of the data: array, tuple, named tuple or dict."""
        if self.kind == "array":
            return columns[0]
        if isinstance(self.data, Mapping):
            return dict(zip(self.data, columns, strict=True))
        if hasattr(self.data, "_fields"):
            return type(self.data)(*columns)
        return tuple(columns)


def read_samples(data: Any, *, caller: str, error: type[MlopsError]) -> Samples:
    """See ``data`` as samples, or refuse it.

    Parameters
    ----------
    data : object
        Array, tensor, tuple or dict of arrays of one length, list, data frame, or map-style dataset.
    caller : str
        Who asks, for the error: ``"run.loader"``.
    error : type of MlopsError
        What to raise.
    """

    def refuse(text: str) -> MlopsError:
        return error(f"{caller}: {text}")

    if is_array(data):
        if len(data.shape) == 0:
            raise refuse(
                "a number without dimensions has no samples; expected an array with one row a sample."
            )
        found = Samples(kind="array", data=data, size=len(data))
    elif isinstance(data, tuple | Mapping):
        found = _columns(data, refuse)
    elif hasattr(data, "iloc"):
        found = Samples(kind="frame", data=data, size=len(data))
    elif isinstance(data, list | range):
        _check_list(data, refuse)
        found = Samples(kind="list", data=data, size=len(data))
    else:
        found = _dataset(data, refuse)
    if found.size == 0:
        raise refuse("the data is empty; a training run needs at least one sample.")
    return found


def is_array(value: object) -> bool:
    """Whether ``value`` is a NumPy array or a torch tensor."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    return (numpy is not None and isinstance(value, numpy.ndarray)) or (
        torch is not None and isinstance(value, torch.Tensor)
    )


def _columns(data: Any, refuse: Any) -> Samples:
    named = dict(data) if isinstance(data, Mapping) else dict(enumerate(data))
    for name, column in named.items():
        if not is_array(column) or len(column.shape) == 0:
            raise refuse(
                f"item {name!r} is a {type(column).__name__}; a tuple or dict is read as columns, and each "
                "must be "
                "an array or tensor with one row a sample: np.asarray(...). For single samples use a list "
                "or a Dataset."
            )
    lengths = {name: len(column) for name, column in named.items()}
    if len(set(lengths.values())) > 1:
        raise refuse(
            f"the columns have different lengths, {', '.join(f'{n!r}: {k}' for n, k in lengths.items())}; "
            "rows at one place belong to one sample, so all need the same length."
        )
    return Samples(kind="columns", data=data, size=next(iter(lengths.values()), 0))


def _check_list(data: Any, refuse: Any) -> None:
    """A list is a sequence of samples. ``[x, y]`` would silently be a data set of two."""
    if not all(is_array(item) and len(item.shape) > 0 for item in data[:64]):
        return
    lengths = {len(item) for item in data}
    if len(lengths) == 1 and len(data) < min(lengths):
        raise refuse(
            f"a list of {len(data)} arrays of length {min(lengths)} could be columns or samples. "
            "Write a tuple for columns, (x, y), or np.stack(...) / torch.stack(...) for samples."
        )


def _dataset(data: Any, refuse: Any) -> Samples:
    kind = type(data).__name__
    torch_data: Any = sys.modules.get("torch.utils.data")
    if torch_data is not None and isinstance(data, torch_data.IterableDataset):
        raise refuse(
            f"{kind} is an IterableDataset, which has no order to seed; expected a map-style dataset "
            "(__getitem__ and __len__). Iterate over it yourself, with run.rng for what is random."
        )
    if torch_data is not None and isinstance(data, torch_data.DataLoader):
        raise refuse("this is a DataLoader already, with an order of its own; hand in its .dataset.")
    readable = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if not readable or isinstance(data, str | bytes | type):
        raise refuse(
            f"cannot read samples from {data!r:.60} ({kind}); expected an array or tensor, a tuple or dict "
            "of them, "
            "a list, or a dataset with __getitem__ and __len__."
        )
    try:
        size = len(data)
    except (TypeError, NotImplementedError) as cause:
        raise refuse(f"{kind} has no length: {cause}. A dataset needs __len__ to be shuffled.") from cause
    return Samples(kind="dataset", data=data, size=size)
