"""A training function with its parameters: bound, copied, checked and keyed."""

from __future__ import annotations

import copy
import difflib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlops import fingerprint
from pytest_mlops.errors import ParameterError
from pytest_mlops.settings import BY_NAME

if TYPE_CHECKING:
    from pytest_mlops.claims.arms import Arm


@dataclass(frozen=True, kw_only=True)
class Training:
    """A training function and its parameters, and of a derived arm what it goes on from."""

    function: Callable[..., Any]
    given: Mapping[str, Any]
    """What the user gave: all that is handed over at the call."""
    bound: Mapping[str, Any]
    """What was given, and the function's own defaults for the rest."""
    upstream: Arm | None = None
    """The arm whose finished runs it goes on from; None where it begins by itself."""


def parameters_key(training: Training) -> str:
    """Canonical JSON of all parameters, defaults bound.

    Raises
    ------
    ParameterError
        If a parameter cannot be keyed.
    """
    return json.dumps(
        {name: fingerprint.key_of(value, name=name) for name, value in training.bound.items()}, sort_keys=True
    )


def bind(function: Any, parameters: Mapping[str, Any], *, upstream: Arm | None = None) -> Training:
    """A training function with its parameters, defaults bound.

    Raises
    ------
    ParameterError
        If it is no training function, has no such parameter, or a value cannot be keyed.
    """
    if not callable(function) or isinstance(function, type):
        raise ParameterError(
            f"arm({fingerprint.describe(function)}): expected a training function, got {type(function).__name__}.\n"
            '  Write: def train(run, *, lr=1e-3): ...; return {"auc": 0.91}   and   arm(train, lr=3e-3)'
        )
    name = fingerprint.describe(function)
    parameters = copied(parameters)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise ParameterError(
            f"{name} has no signature that Python can read. Wrap it: def train(run): return {name}(run)"
        ) from None
    first = next(iter(signature.parameters.values()), None)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if first is None or first.kind not in (*positional, inspect.Parameter.VAR_POSITIONAL):
        raise ParameterError(f"{name}{signature} takes no run. Write: def {name}(run, *, lr=1e-3): ...")
    if first.default is not first.empty or (first.name == "self" and "." in name):
        raise ParameterError(
            f"{name}{signature}: its first parameter receives the run, and {first.name!r} is meant for something else.\n"
            "  Write: def train(run, *, lr=1e-3): ...   and for a method: def train(run, *, width): return "
            "Trainer(width).fit(run)"
        )
    _check_names(name, signature, parameters)
    try:
        bound = signature.bind(None, **parameters)
    except TypeError as error:
        raise ParameterError(f"arm({name}, ...): {error}. Its signature is {name}{signature}.") from None
    bound.apply_defaults()
    values = dict(bound.arguments)
    values.pop(first.name, None)
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            values.update(values.pop(parameter.name, {}))
    return Training(function=function, given=parameters, bound=values, upstream=upstream)


def bound(function: Any, parameters: Mapping[str, Any], *, upstream: Arm | None = None) -> Training:
    """As :func:`bind`, and refuses at the door what has no key.

    Raises
    ------
    MlopsError
        If a parameter, or the function's code, cannot be keyed.
    """
    training = bind(function, parameters, upstream=upstream)
    parameters_key(training)
    fingerprint.fingerprint(training.function)
    return training


def takes(function: Callable[..., Any], name: str) -> bool:
    """Whether a training function has a parameter of that name.

    Examples
    --------
    >>> takes(lambda run, lr: {}, "lr"), takes(lambda run: {}, "lr"), takes(lambda run: {}, "run")
    (True, False, False)
    """
    known = list(inspect.signature(function).parameters.values())[1:]
    return any(one.name == name or one.kind is one.VAR_KEYWORD for one in known)


def copied(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A value of their own: what the user changes later is another arm.

    Raises
    ------
    ParameterError
        If a parameter cannot be keyed.
    """
    for name, value in parameters.items():
        fingerprint.key_of(value, name=name)  # refuse what has no key, before anything large is copied
    return {name: copy.deepcopy(value) for name, value in parameters.items()}


def _check_names(function: str, signature: inspect.Signature, parameters: Mapping[str, Any]) -> None:
    known = [p.name for p in list(signature.parameters.values())[1:]]
    if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
        return
    for name in parameters:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            word = BY_NAME.get(name) or (name if name == "data" or name == "seeds" else None)
            hint += f" For our own word write arm({function}).using({name}=...)." if word else ""
            raise ParameterError(f"{function}{signature} has no parameter {name!r}.{hint}")
