"""How people write times, sizes, worst values and URLs: read, and written back."""

from __future__ import annotations

import math
import re

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def size_of(text: str) -> int | None:
    """Bytes of a size as people write it; None if it is none.

    Examples
    --------
    >>> size_of("20GB"), size_of("1.5 kb"), size_of("0"), size_of("20 bananas"), size_of("9" * 400 + "GB")
    (20000000000, 1500, 0, None, None)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None or (found[2] is None and float(found[1]) != 0):
        return None  # a bare number could be anything
    size = float(found[1]) * _UNITS[(found[2] or "B").upper()]
    return round(size) if math.isfinite(size) else None


def without_password(text: str) -> str:
    """Text that may hold a URL, with the password in it hidden.

    Examples
    --------
    >>> without_password("--mlops-store=postgresql://me:hidden@host/runs")
    '--mlops-store=postgresql://me:***@host/runs'
    """
    text = re.sub(r"(://[^/@:\s]*):[^/@\s]*@", r"\1:***@", text)
    return re.sub(r"(?i)([?&](?:password|token|secret|key)=)[^&\s]*", r"\1***", text)


def worst_values(text: str) -> dict[str, float] | None:
    """Metrics (or patterns of them) with the value that stands for a failed training run; None if it cannot be read.

    Examples
    --------
    >>> worst_values("auc=0.5, dice/*=0"), worst_values(""), worst_values("auc"), worst_values("auc=nan")
    ({'auc': 0.5, 'dice/*': 0.0}, {}, None, None)
    """
    found: dict[str, float] = {}
    for item in filter(str.strip, text.split(",")):
        name, _, number = item.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            return None
        if not name.strip() or name.strip() in found or not math.isfinite(value):
            return None
        found[name.strip()] = value
    return found


_TIMES = {"d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0}
_TIME = re.compile("".join(rf"(?:(\d+(?:\.\d+)?) ?{unit})? ?" for unit in _TIMES), re.ASCII)


def seconds_of(text: str) -> float | None:
    """Seconds of a time as users write it, infinity for ``off`` and ``0``; None if it is no time.

    Examples
    --------
    >>> [seconds_of(text) for text in ("90s", "1h30min", "1d", "off", "0", "an hour", "90")]
    [90.0, 5400.0, 86400.0, inf, inf, None, None]
    """
    if text in ("off", "0"):
        return math.inf
    found = _TIME.fullmatch(text)
    numbers = found.groups() if found is not None else ()
    total = sum(
        float(number) * unit for number, unit in zip(numbers, _TIMES.values(), strict=False) if number
    )
    return total if total > 0 else None


def time_text(seconds: float) -> str:
    """Seconds as an option of time, rounded up to what a person would write.

    Examples
    --------
    >>> [time_text(seconds) for seconds in (42, 100, 3600, 5000, 40000, math.inf)]
    ['1min', '2min', '1h', '1h30min', '12h', 'off']
    """
    if math.isinf(seconds):
        return "off"
    minutes = math.ceil(seconds / 60)
    if minutes > 30:
        minutes = math.ceil(minutes / 30) * 30 if minutes <= 240 else math.ceil(minutes / 60) * 60
    hours, rest = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{rest}min" if rest or not hours else "")
