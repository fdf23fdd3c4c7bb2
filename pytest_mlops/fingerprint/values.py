"""Parameters as text: canonical for the key, short for people. What cannot be keyed is refused with the rewrite."""

from __future__ import annotations

import enum
import functools
import os
import tempfile
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from inspect import signature
from pathlib import Path, PurePath
from types import BuiltinFunctionType, EllipsisType, FunctionType, MethodType, NotImplementedType
from typing import Any

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint.content import CodeOf, array_bytes, array_like, content, path_content
from pytest_mlops.fingerprint.roots import below_root
from pytest_mlops.fingerprint.variables import refuse_secret


@dataclass
class _Made:
    values: list[int] = field(default_factory=list)


LARGEST_CAPTURE = 10_000_000
"""Bytes of an array that may travel as a parameter or in a closure."""


_ONE_OF_A_KIND = (
    EllipsisType,
    NotImplementedType,
    type(MISSING),
    type(signature(_Made).parameters["values"].default),
)
"""Kinds of which there is one value: nothing to tell apart. The last stands in the signature of a dataclass for a
default that a function makes; it has no public name."""


def canonical(value: Any, *, name: str, code: CodeOf) -> Any:
    """A JSON value that is equal for equal parameters and differs for different ones (``1``, ``1.0``, ``True`` differ).

    Parameters
    ----------
    value : object
        Numbers, text, enums, dataclasses, functions, classes, partials, paths, small arrays, containers of these.
    name : str
        The parameter's name, for the error.
    code : callable
        Gives the text that stands for a function's or class's code.

    Raises
    ------
    ParameterError
        If the value cannot be keyed, e.g. a module with weights.

    Examples
    --------
    >>> canonical((1, 2.0), name="betas", code=lambda value, name: "")
    {'tuple': [1, 2.0]}
    """

    def key(inner: Any, inner_name: str = name) -> Any:
        return canonical(inner, name=inner_name, code=code)

    if isinstance(value, enum.Enum):
        return {"enum": [code(type(value), name), value.name]}
    if isinstance(value, str):
        refuse_secret(value, name)
        inside = below_root(value) if type(value) is str else None
        if inside is not None:
            return {"below root": inside}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, bytes | complex):
        return {type(value).__name__: repr(value)}
    if type(value) in (list, tuple):
        items = [key(item, f"{name}[{index}]") for index, item in enumerate(value)]
        return items if type(value) is list else {"tuple": items}
    if type(value) is dict:
        return {"dict": [[key(k, f"a key of {name}"), key(v, f"{name}[{k!r}]")] for k, v in value.items()]}
    if type(value) in (set, frozenset):
        return {"set": sorted((key(item) for item in value), key=repr)}
    return _canonical_object(value, name, code)


def _canonical_object(value: Any, name: str, code: CodeOf) -> Any:
    if isinstance(value, PurePath):
        return _canonical_path(value, name)
    if isinstance(value, functools.partial):
        return {
            "partial": code(value.func, name),
            "arguments": canonical(list(value.args), name=name, code=code),
            "keywords": canonical(dict(value.keywords), name=name, code=code),
        }
    if isinstance(value, FunctionType | BuiltinFunctionType | type | MethodType) or _is_ufunc(value):
        return {"code": code(value, name)}
    if array_like(value):
        _refuse_large(value, name)
        return {"array": content(value, name=name, code=code)}
    if is_dataclass(value):
        state = {
            field.name: getattr(value, field.name) for field in fields(value) if hasattr(value, field.name)
        }
        state |= getattr(value, "__dict__", {})  # what was added to it counts as much
        return {"dataclass": code(type(value), name), "fields": canonical(state, name=name, code=code)}
    if isinstance(value, _ONE_OF_A_KIND):
        return {"constant": type(value).__qualname__}
    if type(value).__module__ == "torch" and type(value).__name__ in (
        "dtype",
        "device",
        "memory_format",
        "layout",
    ):
        return {"torch": str(value)}
    if type(value).__module__.startswith("numpy") and hasattr(value, "str") and hasattr(value, "itemsize"):
        return {"dtype": str(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {"namedtuple": code(type(value), name), "items": canonical(list(value), name=name, code=code)}
    raise ParameterError(_refusal(value, name))


def _is_ufunc(value: Any) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__ == "ufunc"


def _canonical_path(path: PurePath, name: str) -> Any:
    temporary = Path(tempfile.gettempdir()).resolve()
    resolved = Path(path).resolve()
    if resolved.is_relative_to(temporary) and any(part.startswith("pytest-") for part in resolved.parts):
        raise ParameterError(
            f"{name} = {str(path)!r} lies in pytest's temporary folder: it is another path next time, so no run could be "
            'used again. Declare data with arm(...).using(data=...), and write files with run.artifact("name").'
        )
    inside = below_root(os.fspath(path))
    return {
        "path": os.fspath(path) if inside is None else {"below root": inside},
        "content": path_content(resolved) if resolved.exists() else None,
    }


def _refuse_large(value: Any, name: str) -> None:
    if array_bytes(value) > LARGEST_CAPTURE:
        raise ParameterError(
            f"{name} is an array of {array_bytes(value) / 1e6:.0f} MB: more than {LARGEST_CAPTURE / 1e6:.0f} MB is data, not a "
            "parameter. Declare it with arm(...).using(data=load), where load() returns it, and read run.data."
        )


def has_class(value: Any, module: str, name: str) -> bool:
    """Whether ``value`` is an instance of a class by name, without importing its package."""
    return any((base.__module__, base.__name__) == (module, name) for base in type(value).__mro__)


def is_torch_module(value: Any) -> bool:
    """Whether ``value`` is a ``torch.nn.Module`` instance."""
    return has_class(value, "torch.nn.modules.module", "Module")


def is_optimizer(value: Any) -> bool:
    """Whether ``value`` is a ``torch.optim.Optimizer`` instance."""
    return has_class(value, "torch.optim.optimizer", "Optimizer")


def _refusal(value: Any, name: str) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if name == "self":
        return (
            f"The training function is a method of a {kind}, whose state has no key.\n"
            f"  Write: def train(run, *, width): return {type(value).__name__}(width).fit(run)   and   arm(train, width=64)"
        )
    if is_torch_module(value):
        short, plain = type(value).__name__, name.split("[")[0]
        return (
            f"{name} is a module instance ({kind}): it was initialised outside the seed, and every training run would train "
            f"the same object on.\n  Write: arm(..., {plain}={short}), or with arguments {plain}=functools.partial({short}, ...),"
            f" and call it in the function: model = {plain}()"
        )
    if is_optimizer(value):
        return (
            f"{name} is an optimizer instance ({kind}), bound to one model. Pass its class or a partial of it, "
            "and make it in the function."
        )
    if has_class(value, "torch._C", "Generator") or has_class(value, "numpy.random._generator", "Generator"):
        return (
            f"{name} is a random generator ({kind}): its state is not part of the seed. "
            'Use run.rng("name") or run.generator("name").'
        )
    return (
        f"{name} is a {kind}, which has no key: two of them cannot be told apart safely. Pass numbers, text, enums, dataclasses, "
        "classes, functions or partials, and make the object inside the training function. Data goes into "
        "arm(...).using(data=load)."
    )


def describe(value: Any) -> str:
    """A parameter as people write it; at most 60 characters.

    Examples
    --------
    >>> describe(dict), describe(functools.partial(int, base=2)), describe(0.1), describe(Path("net.yaml"))
    ('dict', 'partial(int, base=2)', '0.1', "Path('net.yaml')")
    """
    if isinstance(value, functools.partial):
        given = [describe(argument) for argument in value.args] + [
            f"{k}={describe(v)}" for k, v in value.keywords.items()
        ]
        text = f"partial({', '.join([describe(value.func), *given])})"
    elif isinstance(value, enum.Enum):
        text = f"{type(value).__name__}.{value.name}"
    elif isinstance(value, PurePath):
        text = f"Path({value.as_posix()!r})"
    elif hasattr(value, "__qualname__"):
        text = value.__qualname__.replace("<locals>.", "")
    elif array_like(value):
        text = f"{type(value).__name__}{tuple(value.shape)}"
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."
