"""An estimate with its interval as a bar of characters, on which margin and zero can be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_mlops.reports.figures import finite


class Glyphs(NamedTuple):
    """The characters of a bar, one column each."""

    ground: str
    line: str
    low: str
    high: str
    estimate: str
    margin: str
    zero: str
    open_low: str
    open_high: str


UNICODE = Glyphs("\u00b7", "\u2500", "\u251c", "\u2524", "\u25cf", "\u2503", "0", "\u25c2", "\u25b8")
ASCII = Glyphs(".", "-", "[", "]", "*", "|", "0", "<", ">")


def legend(*, unicode: bool) -> str:
    """What the characters mean, in one line."""
    g = UNICODE if unicode else ASCII
    example = f"{g.low}{g.line}{g.estimate}{g.line}{g.high}"
    return f"{example} estimate and interval   {g.margin} margin   {g.zero} zero   {g.open_low} {g.open_high} no limit"


def domain(values: Iterable[float | None]) -> tuple[float, float] | None:
    """Smallest and largest finite value: the ends of a scale that several bars may share."""
    known = [v for v in map(finite, values) if v is not None]
    return (min(known), max(known)) if known else None


def bar(
    estimate: float | None,
    interval: tuple[float | None, float | None],
    margin: float | None,
    *,
    zero: bool,
    margin_low: float | None = None,
    width: int = 32,
    unicode: bool = True,
    scale: tuple[float, float] | None = None,
) -> str:
    """Draw an estimate with its interval; an end without a limit runs out of the picture as an arrow.

    Every mark has a column of its own and marks stand in the order of their values, so that a limit beyond
    the margin is seen beyond it however close it is.

    Parameters
    ----------
    estimate : float or None
        None draws the margin alone.
    interval : tuple of (float or None, float or None)
        Limits; None is infinite.
    margin : float or None
    zero : bool
        Show where zero is: for differences, not for values.
    margin_low : float or None
        Lower limit of an equivalence.
    width : int
        Columns; at least 12.
    unicode : bool
        Box-drawing characters, otherwise ASCII.
    scale : tuple of (float, float), optional
        Ends of the scale, by default those of the marks.

    Returns
    -------
    str
        Exactly ``width`` characters.

    Examples
    --------
    >>> bar(0.02, (0.01, 0.03), 0.005, zero=True, width=20, unicode=False)
    '.0..|..[----*-----].'
    """
    g = UNICODE if unicode else ASCII
    low, high = map(finite, interval)
    marks = _marks(finite(estimate), low, high, finite(margin), zero, g)
    if finite(margin_low) is not None:
        marks = sorted([*marks, (float(margin_low or 0.0), 1, g.margin)])
    ends = scale or domain(value for value, _, _ in marks)
    if ends is None:
        return g.ground * width
    cells = _cells([value for value, _, _ in marks], ends, width)
    row = [g.ground] * width
    drawn = finite(estimate) is not None
    if drawn:
        at = {glyph: cell for (_, _, glyph), cell in zip(marks, cells, strict=True)}
        start, stop = at.get(g.low, 0), at.get(g.high, width - 1)
        row[start : stop + 1] = g.line * (stop + 1 - start)
        row[start], row[stop] = (
            (g.open_low if low is None else g.low),
            (g.open_high if high is None else g.high),
        )
    for (_, _, glyph), cell in zip(marks, cells, strict=True):
        row[cell] = glyph
    return "".join(row)


def _marks(
    estimate: float | None,
    low: float | None,
    high: float | None,
    margin: float | None,
    zero: bool,
    g: Glyphs,
) -> list[tuple[float, int, str]]:
    """Marks in the order of their values; where values tie, in an order that reads well."""
    marks: list[tuple[float, int, str]] = []
    if margin is not None:
        marks.append((margin, 1, g.margin))
    if zero and margin != 0:
        marks.append((0.0, 0, g.zero))
    if estimate is not None:
        marks.append((estimate, 3, g.estimate))
        marks += [(low, 2, g.low)] if low is not None else []
        marks += [(high, 4, g.high)] if high is not None else []
    return sorted(marks)


def _cells(values: Sequence[float], ends: tuple[float, float], width: int) -> list[int]:
    """A column for each value, strictly increasing; the outermost columns are left to the arrows."""
    first, last = 1, width - 2
    size = max(abs(ends[0]), abs(ends[1])) or 1.0
    left, right = ends[0] / size, ends[1] / size
    cells = []
    for value in values:
        share = (value / size - left) / (right - left) if right > left else 0.5
        cells.append(round(first + min(1.0, max(0.0, share)) * (last - first)))
    for i in range(1, len(cells)):
        cells[i] = max(cells[i], cells[i - 1] + 1)
    limit = last
    for i in reversed(range(len(cells))):
        cells[i] = min(cells[i], limit)
        limit = cells[i] - 1
    return cells
