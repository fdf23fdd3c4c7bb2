"""What a test is made with and asked about, checked at the door: one sentence that names what is wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MOST_SEEDS = 1000


def check_level(name: str, value: object, low: float, high: float, why: str) -> None:
    """Refuse what is no number between `low` and `high`, both excluded."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating, np.integer)):
        raise ValueError(f"{name}={value!r} must be a number between {low} and {high}: {why}")
    if not low < value < high:
        raise ValueError(f"{name}={value!r} must lie between {low} and {high}, both excluded: {why}")


def check_seeds(name: str, value: object, low: int, why: str) -> None:
    """Refuse what is no whole number from `low` to 1000."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name}={value!r} must be a whole number from {low} to {MOST_SEEDS}: {why}")
    if not low <= value <= MOST_SEEDS:
        raise ValueError(f"{name}={value!r} must be from {low} to {MOST_SEEDS}: {why}")


def check_sign(sign: object) -> None:
    """Refuse what is neither ``">"`` nor ``"<"``."""
    if sign not in (">", "<"):
        raise ValueError(f"sign={sign!r} must be '>' or '<': the side on which the rate is claimed to lie")


def check_parts(parts: object) -> int:
    """Number of parts of a claim, at least one."""
    if isinstance(parts, bool) or not isinstance(parts, (int, np.integer)) or parts < 1:
        raise ValueError(f"parts={parts!r} must be a whole number of at least 1: how many parts a claim has")
    return int(parts)


def checked_outcomes(name: str, outcomes: ArrayLike, *, axes: int | None = None) -> NDArray[np.bool_]:
    """Outcomes as bools, with `axes` axes or at least one."""
    try:
        given = np.asarray(outcomes)
    except ValueError as error:  # ragged rows
        raise ValueError(f"{name} must be True or False, got {outcomes!r}") from error
    if given.ndim < 1 or (axes is not None and given.ndim != axes and given.size):
        raise ValueError(f"{name} must have {axes or 'at least one'} axis, got shape {given.shape}")
    if given.size == 0:
        return np.zeros(given.shape, dtype=np.bool_)
    if given.dtype != np.bool_:
        wrong = next(
            place for place, value in np.ndenumerate(given) if not isinstance(value, (bool, np.bool_))
        )
        value = given[wrong]
        index = ", ".join(str(i) for i in wrong)
        raise ValueError(
            f"{name}[{index}] is {value!r} and must be True or False: a rate is judged by yes and no alone"
        )
    return given
