"""Compiled code, for functions of which no source file tells: what they read, and what tells two of them apart."""

from __future__ import annotations

from types import CodeType
from typing import Any


def names_of(code: CodeType) -> set[str]:
    """Names that a code object reads, those of the functions inside it too."""
    inner = (names_of(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def content_of(code: CodeType) -> list[Any]:
    """Instructions, names and constants, as JSON can hold them."""
    constants = [content_of(c) if isinstance(c, CodeType) else _constant(c) for c in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), constants]


def _constant(value: Any) -> str:
    """Text of a constant; a frozenset's order depends on the process's hash seed."""
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)
