"""Values and data as keys, with functions and classes in them keyed by their code."""

from __future__ import annotations

import json
from typing import Any

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint import content, values
from pytest_mlops.fingerprint.code import fingerprint


def _code(value: Any, name: str) -> str:
    return fingerprint(value, name=name).digest


def key_of(value: Any, *, name: str) -> str:
    """A parameter as canonical JSON; see :func:`pytest_mlops.fingerprint.values.canonical`.

    Examples
    --------
    >>> key_of({"lr": 0.1}, name="options")
    '{"dict": [["lr", 0.1]]}'
    """
    try:
        return json.dumps(values.canonical(value, name=name, code=_code), sort_keys=True)
    except RecursionError:
        raise ParameterError(f"{name} contains itself, so it has no key.") from None


def content_of(value: Any, *, name: str) -> str:
    """SHA-256 of loaded data; see :func:`pytest_mlops.fingerprint.content.content`."""
    return content.content(value, name=name, code=_code)
