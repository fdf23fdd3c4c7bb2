"""From what a training function returned to named floats: lossless, or refused with what to write instead."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from numbers import Rational
from typing import Any

from pytest_mlops.errors import MetricError
from pytest_mlops.records import BUILT_IN_METRICS

_LONGEST_NAME = 200
_EXAMPLE = 'return {"accuracy": 0.93}'


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """The metrics of a run, and what was wrong with those that are missing here."""

    values: Mapping[str, float]
    yes_no: frozenset[str]
    problems: tuple[str, ...] = ()

    @property
    def not_finite(self) -> dict[str, float]:
        """Those that are NaN or infinite."""
        return {name: value for name, value in self.values.items() if not math.isfinite(value)}


def read_metrics(returned: object) -> Metrics:
    """Convert what a training function returned.

    Parameters
    ----------
    returned : object
        Hopefully a mapping of names to numbers.

    Returns
    -------
    Metrics
        All that could be converted, with one problem for each that could not.

    Examples
    --------
    >>> read_metrics({"auc/siteA": 0.91, "converged": True}).values
    {'auc/siteA': 0.91, 'converged': 1.0}
    >>> read_metrics(None).problems[0]
    'the training function returned nothing; expected a dict of metrics, e.g. return {"accuracy": 0.93}'
    """
    problem = _not_a_mapping(returned)
    if problem:
        return Metrics(values={}, yes_no=frozenset(), problems=(problem,))
    values: dict[str, float] = {}
    yes_no: set[str] = set()
    problems: list[str] = []
    for name, value in dict(returned).items():  # type: ignore[call-overload]  # a mapping, checked above
        try:
            checked = check_name(name)
            converted, is_yes_no = to_float(value, named=f"metric {checked!r}")
        except MetricError as error:
            problems.append(str(error.args[0]))
            continue
        values[checked] = converted
        if is_yes_no:
            yes_no.add(checked)
    return Metrics(values=values, yes_no=frozenset(yes_no), problems=tuple(problems))


def _not_a_mapping(returned: object) -> str | None:
    expected = f"expected a dict of metrics, e.g. {_EXAMPLE}"
    if returned is None:
        return f"the training function returned nothing; {expected}"
    if inspect.iscoroutine(returned):
        returned.close()  # or Python would warn that it was never awaited
        return (
            f"the training function is async, so calling it trains nothing; make it a plain def; {expected}"
        )
    if inspect.isgenerator(returned):
        return f"the training function has a yield, so calling it trains nothing; {expected}"
    if not isinstance(returned, Mapping):
        return f"the training function returned {_show(returned)}; {expected}"
    if not returned:
        return f"the training function returned an empty dict, so there is nothing to claim; {expected}"
    return None


def check_name(name: object) -> str:
    """``name`` as plain ``str``, if it can be the name of a metric.

    Raises
    ------
    MetricError
        If it is no text, empty, reserved, or would break wildcards or a report.
    """
    if not isinstance(name, str):
        raise MetricError(f"metric name {_show(name)} is not a str; write {str(name)[:40]!r}")
    if name in BUILT_IN_METRICS:
        raise MetricError(
            f"metric {name!r} is measured by pytest-mlops for every run; give yours another name"
        )
    if not name or name != name.strip() or "" in name.split("/"):
        raise MetricError(
            f"metric name {name!r} has an empty part or a space at an end; write e.g. 'auc' or 'auc/siteA'"
        )
    if "*" in name:
        raise MetricError(
            f"metric name {name!r} has a '*', which stands for any rest in a claim; leave it out"
        )
    if not name.isprintable() or len(name) > _LONGEST_NAME:
        raise MetricError(
            f"metric name {name[:60]!r} has control characters or more than {_LONGEST_NAME} characters, "
            "which no table can show; use a short printable name"
        )
    return str(name)


def to_float(value: object, *, named: str) -> tuple[float, bool]:
    """Convert one number without loss; the second item tells whether it is a yes or no.

    Parameters
    ----------
    value : object
        A number, a bool, a NumPy scalar, or an array or tensor of zero dimensions.
    named : str
        What it is, for the error: ``"metric 'auc'"``.

    Raises
    ------
    MetricError
        If it is no single real number, or would change when it becomes a float.

    Examples
    --------
    >>> to_float(Fraction(1, 4), named="metric 'share'")
    (0.25, False)
    """
    if isinstance(value, bool):
        return float(value), True
    if type(value) is float:
        return value, False
    plain = _unwrap(value, named)
    if isinstance(plain, bool):
        return float(plain), True
    return _lossless(plain, named), False


def _unwrap(value: Any, named: str) -> Any:
    """The Python number in a tensor or array of zero dimensions; other values as they are."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        _check_zero_dimensional(value, tuple(value.shape), named)
        return _item(value.detach(), named)
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        _check_zero_dimensional(value, value.shape, named)
        if isinstance(value, numpy.ma.MaskedArray) and numpy.ma.is_masked(
            value
        ):  # its item() is 0.0, or what lies below
            raise MetricError(
                f"{named} is masked: nothing was left to compute it from. Return math.nan where it has no value, so that "
                "the training run fails, or leave such cases out before"
            )
        if value.dtype.kind not in "biufOV":
            raise MetricError(f"{named} is {_show(value)}, not a real number{_advice(value)}")
        item = value.item() if value.dtype.kind in "biuO" or value.dtype.itemsize <= 8 else value[()]
        return item if not isinstance(item, numpy.ndarray) else value
    shape = getattr(value, "shape", None)  # arrays of other libraries: JAX, TensorFlow, CuPy
    if shape is not None and hasattr(value, "__float__"):
        _check_zero_dimensional(value, tuple(shape), named)
        return bool(value) if "bool" in str(getattr(value, "dtype", "")) else _item(value, named)
    return value


def _check_zero_dimensional(value: Any, shape: tuple[int, ...], named: str) -> None:
    if shape == ():
        return
    if math.prod(shape) == 1:
        raise MetricError(
            f"{named} is an array of shape {shape}, not a number; add .item(): it has one element, "
            "and a claim needs to know that it always will"
        )
    raise MetricError(
        f"{named} is an array of shape {shape}, and a metric is one number; reduce it, e.g. .mean().item()"
    )


def _item(value: Any, named: str) -> Any:
    try:
        return value.item() if hasattr(value, "item") else float(value)
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise MetricError(f"{named} is {_show(value)}, whose value cannot be read: {error}") from error


def _lossless(value: Any, named: str) -> float:
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str | complex | Mapping) or not hasattr(type(value), "__float__"):
        raise MetricError(f"{named} is {_show(value)}, not a real number{_advice(value, named)}")
    try:
        converted = float(value)
    except OverflowError:
        converted = math.inf  # an integer that no float can hold: unequal below
    except (TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise MetricError(f"{named} is {_show(value)}, not a real number: {error}") from error
    if not _same(value, converted):
        raise MetricError(
            f"{named} is {_show(value)}, which a float cannot hold exactly; write float(...) if the nearest "
            "float is what you mean"
        )
    return converted


def _same(value: Any, converted: float) -> bool:
    if math.isnan(converted):
        return True
    if isinstance(value, Rational | Decimal):
        try:
            return math.isfinite(converted) and Fraction(value) == Fraction(converted)
        except (OverflowError, ValueError):  # Decimal("Infinity") is infinite on both sides
            return True
    return bool(value == converted)


def _advice(value: object, named: str = "") -> str:
    if isinstance(value, Mapping):
        inner = next(iter(value), "siteA")
        outer = named.partition("'")[2].rstrip("'") or "auc"
        return f'; nested metrics are names with a slash: "{outer}/{inner}"'
    if isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c":
        return "; return its real part or abs(...)"
    if isinstance(value, str):
        return "; return the number itself, without formatting it"
    if value is None:
        return "; was it never computed in this run? leave the name out in every run, or return a number"
    if hasattr(value, "compute"):
        return "; add .compute()"
    if isinstance(value, list | tuple):
        return "; a metric is one number a run: return e.g. the mean"
    return ""


def _show(value: object) -> str:
    """A short repr with its type; hostile ``__repr__`` methods are survived."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - whatever a foreign __repr__ does, the message must come
        text = "<no repr>"
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"{' '.join(text.split())} ({type(value).__name__})"
