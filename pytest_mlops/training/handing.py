"""Values that go to another process as JSON: numbers, text, arrays, and what has a name there. Never a pickle."""

from __future__ import annotations

import base64
import enum
import importlib
import io
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import partial, reduce
from pathlib import Path, PurePath
from types import BuiltinFunctionType, FunctionType
from typing import Any

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint import describe
from pytest_mlops.fingerprint.content import array_like


@dataclass(frozen=True, kw_only=True)
class Name:
    """What a function or class is called: enough to find it in another process, or in another state of the project."""

    module: str
    """As Python knows the module, ``"tests.test_gates"``."""
    qualname: str
    """``"train"``, ``"Trainer.fit"``."""

    def find(self) -> Any:
        """Import the module and get it.

        Raises
        ------
        ImportError, AttributeError
            If it is not there.
        """
        return reduce(getattr, self.qualname.split("."), importlib.import_module(self.module))


def name_of(value: Any, *, what: str) -> Name:
    """The name of a function or class.

    Parameters
    ----------
    value : callable
        A function or class.
    what : str
        Whose value it is, for the error.

    Raises
    ------
    ParameterError
        If no other process can find it by a name.
    """
    name = Name(module=getattr(value, "__module__", None) or "", qualname=getattr(value, "__qualname__", "<"))
    if "<" in name.qualname or not name.module:
        raise ParameterError(
            f"{what} is {describe(value)}, which has no name that another process could find it by. Move it to the top level of "
            "its module: no lambda, and no function inside a function."
        )
    if sys.modules.get(name.module) is None or _there(name) is not value:
        raise ParameterError(
            f"{what} is {describe(value)}, and {name.module}.{name.qualname} is something else by now, so another process would "
            "not find it. Give it the name under which it stands in its module."
        )
    return name


def _there(name: Name) -> Any:
    try:
        return reduce(getattr, name.qualname.split("."), sys.modules[name.module])
    except AttributeError:
        return None


# --- values as JSON: what is no plain JSON value is a dict of one key, which says what it is


def to_json(value: Any, *, what: str) -> Any:
    """A value as JSON that `from_json` makes the same value of.

    Parameters
    ----------
    value : object
        Numbers, text, paths, enums, arrays, dataclasses, functions and classes by name, containers of these.
    what : str
        Whose value it is, for the error: ``"lr"``.

    Raises
    ------
    ParameterError
        If it is something else.

    Examples
    --------
    >>> to_json((1, {"a": math.inf}), what="x")
    {'tuple': [1, {'dict': [['a', {'float': 'inf'}]]}]}
    """
    if isinstance(value, enum.Enum):
        return {"enum": _named(type(value), what), "name": value.name}
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if type(value) is list:
        return [to_json(item, what=f"{what}[{place}]") for place, item in enumerate(value)]
    for kind, put, _ in _KINDS:
        if type(value) is kind:
            return {kind.__name__: put(value, what)}
    return _object_to_json(value, what)


def from_json(found: Any) -> Any:
    """The value of what `to_json` made; names are imported here.

    Raises
    ------
    ImportError, AttributeError
        If a name is not there.

    Examples
    --------
    >>> from_json(to_json(Path("a"), what="x")) == Path("a")
    True
    """
    if isinstance(found, list):
        return [from_json(item) for item in found]
    if not isinstance(found, dict):
        return found
    kind = next(iter(found))
    inner = found[kind]
    if kind == "float":
        return float(inner)
    for known, _, get in _KINDS:
        if known.__name__ == kind:
            return get(inner)
    return _OBJECTS[kind](inner, found)


def _items(values: Any, what: str) -> list[Any]:
    return [to_json(item, what=f"an item of {what}") for item in values]


def _entries(values: Mapping[Any, Any], what: str) -> list[Any]:
    return [
        [to_json(key, what=f"a key of {what}"), to_json(item, what=f"{what}[{key!r}]")]
        for key, item in values.items()
    ]


def _partial_to_json(value: partial[Any], what: str) -> list[Any]:
    return [to_json(value.func, what=what), _items(value.args, what), _entries(value.keywords, what)]


def _partial_from_json(found: list[Any]) -> partial[Any]:
    function, arguments, keywords = found
    return partial(from_json(function), *from_json(arguments), **_dict(keywords))


def _dict(entries: list[Any]) -> dict[Any, Any]:
    return {from_json(key): from_json(item) for key, item in entries}


_Put = Callable[[Any, str], Any]
_Get = Callable[[Any], Any]

_KINDS: tuple[tuple[type, _Put, _Get], ...] = (
    (tuple, _items, lambda found: tuple(from_json(found))),
    (set, _items, lambda found: set(from_json(found))),
    (frozenset, _items, lambda found: frozenset(from_json(found))),
    (dict, _entries, _dict),
    (
        complex,
        lambda value, _: [repr(value.real), repr(value.imag)],
        lambda found: complex(*map(float, found)),
    ),
    (bytes, lambda value, _: base64.b64encode(value).decode(), base64.b64decode),
    (partial, _partial_to_json, _partial_from_json),
)


# --- objects


def _named(value: Any, what: str) -> list[str]:
    name = name_of(value, what=what)
    return [name.module, name.qualname]


def _find(found: list[str]) -> Any:
    return Name(module=found[0], qualname=found[1]).find()


def _object_to_json(value: Any, what: str) -> Any:
    if isinstance(value, PurePath):
        return {"path": str(value)}
    if isinstance(value, FunctionType | BuiltinFunctionType | type):
        return {"named": _named(value, what)}
    if array_like(value):
        return _array_to_json(value, what)
    if is_dataclass(value):
        state = {one.name: getattr(value, one.name) for one in fields(value) if hasattr(value, one.name)}
        state |= getattr(value, "__dict__", {})
        return {"dataclass": _named(type(value), what), "fields": _entries(state, what)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"namedtuple": _named(type(value), what), "items": _items(value, what)}
    if type(value).__module__ == "torch" and type(value).__name__ in ("dtype", "device"):
        return {f"torch {type(value).__name__}": str(value)}
    raise ParameterError(
        f"{what} is {describe(value)}, a {type(value).__module__}.{type(value).__qualname__}, which cannot be handed to another "
        "process as plain text. Pass numbers, text, paths, enums, dataclasses, functions or classes, and make the object in the "
        "training function."
    )


def _array_to_json(value: Any, what: str) -> Any:
    import numpy as np

    is_tensor = hasattr(value, "detach")
    array = np.asarray(value.detach().cpu() if is_tensor else value)
    if array.dtype.hasobject or (type(value) is not np.ndarray and not is_tensor and array.shape):
        raise ParameterError(f"{what} is a {type(value).__name__} that holds objects: pass plain numbers.")
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    kind = "tensor" if is_tensor else "array" if isinstance(value, np.ndarray) else "scalar"
    return {kind: base64.b64encode(stream.getvalue()).decode()}


def _array(found: str, _: Any) -> Any:
    import numpy as np

    return np.load(io.BytesIO(base64.b64decode(found)), allow_pickle=False)


def _tensor(found: str, whole: Any) -> Any:
    import torch

    return torch.from_numpy(_array(found, whole))


def _torch_dtype(found: str, _: Any) -> Any:
    import torch

    return getattr(torch, found.removeprefix("torch."))


def _torch_device(found: str, _: Any) -> Any:
    import torch

    return torch.device(found)


def _dataclass(found: list[str], whole: Any) -> Any:
    """Without its ``__init__``, which may compute or refuse: all fields are as they were."""
    kind = _find(found)
    made = object.__new__(kind)
    for name, value in _dict(whole["fields"]).items():
        object.__setattr__(made, name, value)
    return made


_OBJECTS: dict[str, Callable[[Any, Any], Any]] = {
    "enum": lambda found, whole: _find(found)[whole["name"]],
    "path": lambda found, _: Path(found),
    "named": lambda found, _: _find(found),
    "array": _array,
    "scalar": lambda found, whole: _array(found, whole)[()],
    "tensor": _tensor,
    "torch dtype": _torch_dtype,
    "torch device": _torch_device,
    "dataclass": _dataclass,
    "namedtuple": lambda found, whole: _find(found)._make(from_json(whole["items"])),
}
