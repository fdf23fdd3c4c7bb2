"""From what an ablation is given to its arms: the reference, and one variant a row."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.claims.arms import Arm, Arms
from pytest_mlops.claims.binding import Training
from pytest_mlops.claims.family import Side
from pytest_mlops.errors import AblationError, ParameterError

_MOST_LISTED = 12


def reference_of(arms: Arms, what: Any, given: Mapping[str, Any] | None, word: str) -> Arm:
    """The arm that all rows are paired with: one that is ready, or a training function with its parameters.

    Parameters
    ----------
    arms : Arms
        Makes arms.
    what : Arm or callable
        The first thing that ``ablation`` was given.
    given : mapping of str to object or None
        Its parameters, if it is a function.
    word : str
        ``"full"`` or ``"base"``.

    Raises
    ------
    AblationError, ParameterError
        If the two do not go together, or the function has no such parameter.
    """
    if isinstance(what, Arm):
        if given is not None:
            raise AblationError(
                f"ablation({what.label}, {word}=...): an arm has its parameters already. Leave {word}= out, or give the "
                "training function instead of the arm."
            )
        return what
    if given is not None and not isinstance(given, Mapping):
        raise AblationError(
            f"ablation({fingerprint.describe(what)}, {word}={fingerprint.describe(given)}): expected the parameters of the "
            f"{word} arm by name, e.g. {word}=dict(ema=True, mixup=0.2)."
        )
    return arms(what, **_named(given or {}, word))


def variants_of(arms: Arms, reference: Arm, rows: Any, side: Side) -> dict[str, Arm]:
    """The arm of every row, by its name.

    Parameters
    ----------
    arms : Arms
        Makes arms.
    reference : Arm
        What they are variants of.
    rows : mapping of str to object
        As the user gave them.
    side : str
        ``"without"`` or ``"adding"``.

    Raises
    ------
    AblationError
        If a row is no variant, the same as the reference, or the same as another one.
    ParameterError
        If the training function has no such parameter.
    """
    if not isinstance(rows, Mapping) or not rows:
        raise AblationError(
            f"{side}={fingerprint.describe(rows)}: expected at least one component, each with its value in the variant, e.g. "
            f"{side}=dict(ema={'False' if side == 'without' else 'True'})."
        )
    found: dict[str, Arm] = {}
    for name, value in rows.items():
        if not isinstance(name, str) or not name.strip():
            raise AblationError(f"{side}={{{name!r}: ...}}: the name of a component is text.")
        found[name] = variant = _variant(arms, reference, name, value, side)
        where = f"{side}[{name!r}]"
        if variant == reference:
            raise AblationError(
                f"{where}: its arm, {variant.label}, is the reference itself (equal function, parameters and use), so nothing "
                "is compared. Give it the value that the component has in the variant."
            )
        same = next((other for other, arm in found.items() if other != name and arm == variant), None)
        if same is not None:
            raise AblationError(
                f"{side}[{same!r}] and {where} are the same arm, {variant.label}: they would be trained once and counted "
                "twice. Leave one out."
            )
    return found


def _variant(arms: Arms, reference: Arm, name: str, value: Any, side: Side) -> Arm:
    if isinstance(value, Arm):
        return value
    training = reference.source
    where = f"{side}[{name!r}]"
    if not isinstance(training, Training):
        raise AblationError(
            f"{where} = {fingerprint.describe(value)}: a recorded arm has no parameters to vary. Give each component its arm: "
            f'{side}={{"{name}": arm.recorded(...)}}.'
        )
    if _is_parameter(training, name):
        _refuse_two_readings(training, name, value, where)
        return _with(arms, reference, {name: value})
    if isinstance(value, Mapping):
        if not value:
            raise AblationError(
                f"{where} is empty. Name the parameters that differ: {{{name!r}: dict(ema=False)}}."
            )
        return _with(arms, reference, _named(value, where))
    if callable(value) and not isinstance(value, type):
        return replace(arms(value, **_taken_by(value, training)), uses=reference.uses)
    if _takes_any(training.function) and name.isidentifier():
        return _with(arms, reference, {name: value})
    raise ParameterError(_unknown(training, name, where))


def _with(arms: Arms, reference: Arm, changed: Mapping[str, Any]) -> Arm:
    training = reference.source
    assert isinstance(training, Training)
    return replace(arms(training.function, **{**training.given, **changed}), uses=reference.uses)


def _is_parameter(training: Training, name: str) -> bool:
    return name in _explicit(training.function) or name in training.given


def _refuse_two_readings(training: Training, name: str, value: Any, where: str) -> None:
    """A dict of parameters or a training function under the name of a parameter: whoever wrote it may mean either."""
    now = training.bound.get(name)
    known = _explicit(training.function)
    dict_of_parameters = isinstance(value, Mapping) and value and set(value) <= set(known)
    if dict_of_parameters and not isinstance(now, Mapping):
        what = f"dict({', '.join(f'{key}=...' for key in value)}) names parameters of the training function"
    elif _takes_a_run(value) and not callable(now):
        what = f"{fingerprint.describe(value)} is a training function"
    else:
        return
    raise AblationError(
        f"{where}: {name!r} is a parameter of {fingerprint.describe(training.function)}, and {what}, so that this can be read in "
        f'two ways. Give the row another name, e.g. "no {name}".'
    )


def _takes_a_run(value: Any) -> bool:
    if not callable(value) or isinstance(value, type):
        return False
    try:
        return next(iter(inspect.signature(value).parameters), None) == "run"
    except (TypeError, ValueError):
        return False


def _taken_by(function: Callable[..., Any], full: Training) -> dict[str, Any]:
    """Those of the reference's parameters that another training function takes, where its own defaults differ."""
    if _takes_any(function):
        return dict(full.bound)
    defaults = _explicit(function)
    return {
        name: value
        for name, value in full.bound.items()
        if name in defaults and (name in full.given or not _equal(value, defaults[name].default, name))
    }


def _equal(one: Any, other: Any, name: str) -> bool:
    if other is inspect.Parameter.empty:
        return False
    return fingerprint.key_of(one, name=name) == fingerprint.key_of(other, name=name)


def _explicit(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Parameters that have a name, without the run."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return {p.name: p for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}


def _takes_any(function: Callable[..., Any]) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())


def _named(given: Mapping[Any, Any], where: str) -> dict[str, Any]:
    wrong = next((name for name in given if not isinstance(name, str)), None)
    if wrong is not None:
        raise AblationError(f"{where} has the key {wrong!r}: expected names of parameters.")
    return dict(given)


def _unknown(training: Training, name: str, where: str) -> str:
    known = list(_explicit(training.function))
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(known[:_MOST_LISTED]) or "none"
    return (
        f"{where}: {fingerprint.describe(training.function)} has no parameter {name!r} (its parameters: {listed}).{hint} A row "
        f"of another name takes a dict of parameters or a training function: "
        f"{{{name!r}: dict({known[0] if known else 'ema'}=...)}}."
    )
