"""Numbers as text: the same decimals in estimate, interval and margin, as the interval's width deserves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

UNKNOWN = "-"
_LARGE, _SMALL = 1e6, 1e-4


class Scale:
    """How the numbers of one row are written: decimals, a common power of ten, plus signs for differences.

    Two digits of the interval's half-width are shown, where there is none three of the estimate; more where the
    margin has them (up to three), or where a limit and the margin would look alike although they differ. A margin
    alone is written as it is.

    Parameters
    ----------
    estimates : iterable of float or None
        Estimates that share the scale: one, or those of all parts.
    limits : iterable of (float or None, float or None)
        Their intervals.
    margin : float or None
    signed : bool
        Write a plus sign before estimates and limits that are positive.

    Examples
    --------
    >>> scale = Scale([0.01432], [(0.0081, 0.0205)], 0.005, signed=True)
    >>> scale.number(0.01432), scale.interval((0.0081, None)), scale.margin(0.005)
    ('+0.0143', '[+0.0081, inf)', '0.0050')
    """

    def __init__(
        self,
        estimates: Iterable[float | None],
        limits: Iterable[tuple[float | None, float | None]],
        margin: float | None,
        *,
        signed: bool = True,
    ) -> None:
        intervals = [(finite(low), finite(high)) for low, high in limits]
        known = [v for v in map(finite, estimates) if v is not None]
        ends = [v for pair in intervals for v in pair if v is not None]
        bar = finite(margin)
        largest = max((abs(v) for v in [*known, *ends, bar or 0.0]), default=0.0)
        widths = [high / 2 - low / 2 for low, high in intervals if low is not None and high is not None]
        places = _places([w for w in widths if w > 0], [*known, *ends], bar)
        if bar is not None:
            own = -_exponent_of(bar) if bar else places
            places = own if places < own <= places + 3 else places
            places = _apart(ends, bar, places)
        places = min(places, 15 - _magnitude(largest))
        self.signed = signed
        self.power = _magnitude(largest) if largest >= _LARGE or 0 < largest < _SMALL else 0
        self.places = max(0, places + self.power)

    def number(self, value: float | None) -> str:
        """An estimate or a limit."""
        return self._text(value, "+" if self.signed else "")

    def margin(self, value: float | None) -> str:
        """The margin; in its own decimals where the common ones would show a zero that it is not."""
        text = self._text(value, "")
        value = finite(value)
        return (
            f"{value:.3g}"
            if value and not any(digit in "123456789" for digit in text.split("e")[0])
            else text
        )

    def estimate(
        self, value: float | None, limits: tuple[float | None, float | None], *, unicode: bool = False
    ) -> str:
        """An estimate with its interval, if there is one yet."""
        interval = self.interval(limits, unicode=unicode)
        return self.number(value) + ("" if interval == UNKNOWN else f" {interval}")

    def interval(self, limits: tuple[float | None, float | None], *, unicode: bool = False) -> str:
        """Both limits; an absent one is infinite, two absent ones are unknown."""
        low, high = map(finite, limits)
        if low is None and high is None:
            return UNKNOWN
        infinite = "\u221e" if unicode else "inf"
        below = f"(-{infinite}" if low is None else f"[{self.number(low)}"
        return below + (f", {infinite})" if high is None else f", {self.number(high)}]")

    def _text(self, value: float | None, sign: str) -> str:
        value = finite(value)
        if value is None:
            return UNKNOWN
        scaled = Decimal(value).scaleb(-self.power) if self.power else Decimal(value)
        text = format(scaled, f"{sign}.{self.places}f")
        if not any(digit in "123456789" for digit in text):
            return text.lstrip("+-")
        return f"{text}e{self.power}" if self.power else text


def p_text(value: float | None) -> str:
    """A p-value in two significant digits, never a false zero.

    Examples
    --------
    >>> p_text(0.01234), p_text(1e-9), p_text(0.5), p_text(1.0), p_text(None)
    ('0.012', '<0.0001', '0.50', '>0.99', '-')
    """
    value = finite(value)
    if value is None:
        return UNKNOWN
    if value < 1e-4:
        return "<0.0001"
    if value > 0.995:
        return ">0.99"
    return f"{value:.2f}" if value >= 0.095 else f"{value:.2g}"


def finite(value: float | None) -> float | None:
    """The value, or None where it is NaN or infinite."""
    return value if value is not None and math.isfinite(value) else None


def _magnitude(value: float) -> int:
    return math.floor(math.log10(value)) if value > 0 else 0


def _exponent_of(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return exponent if isinstance(exponent, int) else 0


def _places(widths: list[float], known: list[float], margin: float | None) -> int:
    if widths:
        return 1 - _magnitude(min(widths))
    largest = max(map(abs, known), default=0.0)
    if largest:
        return 2 - _magnitude(largest)
    return -_exponent_of(margin) if margin else 1


def _apart(ends: list[float], margin: float, places: int) -> int:
    """Up to three decimals more, where a limit that is not the margin would otherwise look like it."""
    gaps = [abs(end / 2 - margin / 2) for end in ends]
    needed = max((-_magnitude(gap) for gap in gaps if gap > 0), default=places)
    return needed if places < needed <= places + 3 else places
