"""Solved bounds: shipped for the defaults and for families of them, otherwise kept in the user's cache folder.

A cache can only save time.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy import special

from pytest_mlops.stats.design import Bounds, solve_bounds
from pytest_mlops.stats.recursion import Array
from pytest_mlops.stats.spending import Spending

VERSION = 2  # raise it when the numbers of a design change
SHIPPED = Path(__file__).with_name("shipped_bounds.json")


@lru_cache(maxsize=256)
def bounds_for(alpha: float, power: float, min_seeds: int, max_seeds: int, spending: Spending) -> Bounds:
    """Bounds of a design: shipped, cached or solved now."""
    seeds = np.arange(min_seeds, max_seeds + 1)
    efficacy, futility = spending.spent(seeds)
    key = _key(alpha, power, min_seeds, max_seeds, efficacy, futility)
    first = alpha * float(efficacy[0])
    found = read(_shipped().get(key), first) or _read_cache(key, first)
    if found is None:
        found = solve_bounds(alpha, power, seeds, efficacy, futility)
        _write_cache(key, found)
    for array in (found.looks, found.efficacy, found.futility):
        array.setflags(write=False)
    return found


def dump(bounds: Bounds) -> dict[str, Any]:
    """Bounds as JSON values with a digest; infinite is null."""
    plain: dict[str, Any] = {
        "looks": bounds.looks.tolist(),
        "efficacy": [b if np.isfinite(b) else None for b in bounds.efficacy.tolist()],
        "futility": [b if np.isfinite(b) else None for b in bounds.futility.tolist()],
        "detectable_effect": bounds.detectable_effect,
        "fail_level": bounds.fail_level,
    }
    return {"bounds": plain, "digest": _digest(plain)}


def read(entry: object, first_spent: float) -> Bounds | None:
    """Bounds of a `dump`, or None where anything about it is not as it should be.

    `first_spent` is the level at the first look, whose bound is a plain t quantile: an independent check.
    """
    try:
        plain = entry["bounds"]  # type: ignore[index]  # a foreign value fails here, and is caught
        if entry["digest"] != _digest(plain):  # type: ignore[index]
            return None
        looks = np.array(plain["looks"], dtype=np.int64)
        upper = np.array([np.inf if b is None else b for b in plain["efficacy"]], dtype=np.float64)
        lower = np.array([-np.inf if b is None else b for b in plain["futility"]], dtype=np.float64)
        bounds = Bounds(
            looks=looks,
            efficacy=upper,
            futility=lower,
            detectable_effect=float(plain["detectable_effect"]),
            fail_level=float(plain["fail_level"]),
        )
    except (TypeError, KeyError, ValueError, IndexError):
        return None
    return bounds if _sane(bounds, first_spent) else None


def _sane(bounds: Bounds, first_spent: float) -> bool:
    shapes = {bounds.looks.shape, bounds.efficacy.shape, bounds.futility.shape}
    if len(shapes) != 1 or bounds.looks.size == 0 or (np.diff(bounds.looks) <= 0).any():
        return False
    if (bounds.futility > bounds.efficacy).any() or not 0 < bounds.fail_level <= 0.5:
        return False
    if np.isinf(bounds.efficacy[0]) or first_spent <= 0:
        return True
    level = float(special.stdtr(bounds.looks[0] - 1, -bounds.efficacy[0]))
    return abs(level - first_spent) < 1e-6


def _key(alpha: float, power: float, first: int, last: int, efficacy: Array, futility: Array) -> str:
    # Twelve digits: exp() differs in the last bit between machines, and designs do not.
    shares = [f"{share:.12f}" for share in (*efficacy, *futility)]
    parts = [VERSION, f"{alpha:.15g}", f"{power:.15g}", first, last, shares]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _digest(plain: object) -> str:
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=1)
def _shipped() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        loaded = json.loads(SHIPPED.read_text(encoding="utf-8"))
        if isinstance(loaded, dict):
            return loaded
    return {}


def _folder() -> Path | None:
    try:
        import platformdirs
    except ImportError:
        return None
    return Path(platformdirs.user_cache_dir("pytest-mlops")) / "bounds"


def _read_cache(key: str, first_spent: float) -> Bounds | None:
    folder = _folder()
    if folder is None:
        return None
    with suppress(OSError, ValueError, RecursionError):
        return read(json.loads((folder / f"{key}.json").read_text(encoding="utf-8")), first_spent)
    return None


def _write_cache(key: str, bounds: Bounds) -> None:
    folder = _folder()
    if folder is None:
        return
    # A full disk or a read-only home costs the next process two seconds, and this one nothing.
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=key, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(dump(bounds), file)
            Path(name).replace(folder / f"{key}.json")
        except OSError:
            Path(name).unlink(missing_ok=True)
