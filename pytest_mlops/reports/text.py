"""Plain text for every rendering: foreign text made printable, display width, wrapping, durations."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])")
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_BREAK_AFTER = "/,:=([&"
_LONG = 1000
"""Characters shown of one line of output; a training run may print a megabyte without a line end."""


def printable(text: str) -> str:
    r"""Text on one line without anything that acts instead of being shown.

    Terminal sequences vanish; line ends and tabs become a space; control, bidirectional, zero-width and
    unassigned characters and lone surrogates become U+FFFD, so that the reader sees that something was there.

    Examples
    --------
    >>> printable("\x1b[31mred\x1b[0m\tand\nblue")
    'red and blue'
    """
    text = _ESCAPE_SEQUENCE.sub("", text)
    return _shown(re.sub(r"[\t\n\v\f\r\x85\u2028\u2029]+", " ", text))


def lines(text: str) -> list[str]:
    r"""Printable lines of output, as a terminal would leave them: a carriage return overwrites its line.

    Examples
    --------
    >>> lines("epoch 1: 10%\repoch 1: 100%\ndone\n")
    ['epoch 1: 100%', 'done']
    """
    rows = _ESCAPE_SEQUENCE.sub("", text).replace("\r\n", "\n").split("\n")
    shown = [_shown(row.rstrip("\r").rpartition("\r")[2].expandtabs(4)).rstrip() for row in rows]
    while shown and not shown[-1]:
        shown.pop()
    return shown


def tail(text: str, count: int) -> list[str]:
    """Last ``count`` printable lines; an ellipsis in front says that there were more."""
    rows = lines(text)
    kept = [
        row if len(row) <= _LONG else f"{row[:_LONG]} ... ({len(row) - _LONG} characters more)"
        for row in rows[-count:]
    ]
    return kept if len(rows) <= count else [f"... ({len(rows) - count} lines before)", *kept]


def traceback_tail(text: str, count: int) -> list[str]:
    """The last frames of a traceback that ``count`` lines hold, without the carets that a narrow page misplaces."""
    rows = [row for row in lines(text) if not re.fullmatch(r"\s*[~^]+", row)]
    kept = rows[-count:]
    first = next((place for place, row in enumerate(kept) if row.lstrip().startswith('File "')), 0)
    return kept if len(rows) <= count else kept[first:]


def columns(text: str) -> int:
    """Columns that a terminal needs: wide East Asian characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def pad(text: str, width: int) -> str:
    """Text filled with spaces to ``width`` columns; longer text is left as it is."""
    return text + " " * max(0, width - columns(text))


def cut(text: str, width: int) -> str:
    """The start of a text that is too wide, with an ellipsis.

    Examples
    --------
    >>> cut("train(lr=0.01)", 10), cut("train()", 10)
    ('train(l...', 'train()')
    """
    while columns(text) > max(3, width):
        text = text[: -max(4, columns(text) - width + 3)] + "..."
    return text


def wrap(text: str, width: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most ``width`` columns that together hold the whole text.

    Parameters
    ----------
    text : str
        One line of printable text.
    width : int
        Columns of a line, prefix included; 8 columns at least are left for the text.
    first, rest : str
        Prefix of the first line and of the lines below; ``rest`` is as many spaces as ``first`` by default.

    Returns
    -------
    list of str
        At least one line.

    Examples
    --------
    >>> wrap("one two three", 10, first="- ")
    ['- one two', '  three']
    """
    rest = " " * columns(first) if rest is None else rest
    rows, line, used = [], first, columns(first)
    fresh = True
    for piece in _pieces(text, max(8, width - max(columns(first), columns(rest)))):
        taken = piece.lstrip(" ") if fresh else piece
        if not fresh and used + columns(taken) > width:
            rows.append(line.rstrip(" "))
            line, taken = rest, piece.lstrip(" ")
        line += taken
        used, fresh = columns(line), False
    return [*rows, line.rstrip(" ")]


def duration(seconds: float) -> str:
    """Time in the unit that a reader would choose.

    Examples
    --------
    >>> [duration(s) for s in (0.0123, 4.2, 75, 3000, 8000)]
    ['0.01 s', '4.2 s', '1 min 15 s', '50 min', '2 h 13 min']
    """
    if not 0 <= seconds < 1e9:
        return "?"
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    if seconds < 3599.5:
        minutes, left = divmod(round(seconds), 60)
        return f"{minutes} min {left} s" if left else f"{minutes} min"
    hours, left = divmod(round(seconds / 60), 60)
    return f"{hours} h {left} min" if left else f"{hours} h"


def age(seconds: float) -> str:
    """How long ago, in one unit.

    Examples
    --------
    >>> [age(s) for s in (5, 200, 8000, 200_000, -3)]
    ['just now', '3 min ago', '2 h ago', '2 days ago', 'just now']
    """
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 2 * 86400:
        return f"{int(seconds // 3600)} h ago"
    return f"{int(seconds // 86400)} days ago"


def plural(count: int, noun: str) -> str:
    """Count and noun: ``1 claim``, ``3 claims``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _shown(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in _HIDDEN else c for c in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pieces(text: str, room: int) -> Iterator[str]:
    """Words with the spaces before them; one that no line can hold is cut, if possible after a separator."""
    for word in re.findall(r" *[^ ]+", text.rstrip(" ")):
        start = 0
        while (end := _reach(word, start, room)) < len(word):
            cut = _separator(word, start, end)
            yield word[start:cut]
            start = cut
        yield word[start:]


def _reach(word: str, start: int, room: int) -> int:
    """Index of the first character from ``start`` on that ``room`` columns cannot hold."""
    end = start
    while end < len(word) and word[end] == " ":
        end += 1
    used, first = 0, end
    while end < len(word) and used + _cells(word[end]) <= room:
        used += _cells(word[end])
        end += 1
    return max(end, min(first + 1, len(word)))


def _separator(word: str, start: int, end: int) -> int:
    """Place to cut at or before ``end``: after the last separator if it is near, else at ``end``."""
    for place in range(end, start + (end - start) // 4, -1):
        if word[place - 1] in _BREAK_AFTER and word[place] not in _BREAK_AFTER:
            return place
    return end
