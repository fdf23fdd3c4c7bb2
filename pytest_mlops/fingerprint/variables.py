"""Environment variables: which of them hold secrets, and what of their values may be kept."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from pytest_mlops.errors import ParameterError

ABSENT = "absent"
"""Stands for the value of a variable that is not set."""

_SET = "set"
_SECRET = re.compile(r"TOKEN(?!I[SZ])|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE", re.IGNORECASE)
_SHORTEST_SECRET = 8

_AT_IMPORT: dict[str, str] = {}


def looks_secret(name: str) -> bool:
    """Whether a variable of that name is taken for a token, key or password.

    Examples
    --------
    >>> looks_secret("WANDB_API_KEY"), looks_secret("OMP_WAIT_POLICY")
    (True, False)
    """
    return _SECRET.search(name) is not None


def refuse_secret(value: str, name: str) -> None:
    """Parameters are written into the store, the report and the pull request; the value itself is never shown here.

    Raises
    ------
    ParameterError
        If a variable that looks like a secret has that value.
    """
    for variable, secret in os.environ.items():
        if value == secret and len(value) >= _SHORTEST_SECRET and looks_secret(variable):
            raise ParameterError(
                f"{name} has the value of the environment variable {variable}, which looks like a secret. Parameters are "
                f"stored and reported: read os.environ[{variable!r}] inside the training function instead."
            )


def trace(name: str, value: str | None) -> str:
    """What is kept of a variable's value: a short hash, salted with the name; of a secret only that it is set.

    A token may be renewed, and a hash of it could be tried against guesses; so neither is a token's to tell.

    Examples
    --------
    >>> trace("LR", "0.1") == trace("LR", "0.1"), trace("LR", "0.1") == trace("GAMMA", "0.1")
    (True, False)
    >>> trace("LR", None), trace("API_TOKEN", "anything")
    ('absent', 'set')
    """
    if value is None:
        return ABSENT
    if looks_secret(name):
        return _SET
    return hashlib.sha256(f"variable\0{name}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def at_import(name: str, noted: str) -> None:
    """Take notice of what a module asked for when a training run imported it: the next run finds it imported."""
    _AT_IMPORT.setdefault(name, noted)


def of_imports() -> dict[str, str]:
    """What modules asked for that training runs of this session imported."""
    return dict(_AT_IMPORT)


def forget() -> None:
    """A new pytest session begins."""
    _AT_IMPORT.clear()


def changed(variables: Mapping[str, str]) -> list[str]:
    """Which of the noted variables are not as they were, as ``$NAME``.

    Examples
    --------
    >>> changed({"SURELY_NOT_SET": "absent"}), changed({"SURELY_NOT_SET": trace("SURELY_NOT_SET", "1")})
    ([], ['$SURELY_NOT_SET'])
    """
    return [f"${name}" for name, noted in variables.items() if trace(name, os.environ.get(name)) != noted]
