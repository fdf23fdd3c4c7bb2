"""Foreign text inside GitHub's Markdown: it comes out as text only, and reads well in the file itself.

GitHub works in two steps. Markdown becomes HTML (cmark-gfm); there escapes and entities help. Then filters
walk over the text of that HTML and link mentions, references, commits and emoji; they see through escapes and
entities, and only a character in between stops them: a zero-width space, as Dependabot and Renovate use it
(it also protects people who answer by e-mail, where the quoted text is scanned without its markup). Code is
left alone by the filters, but not by e-mail, so mentions and references are broken up there as well.
"""

from __future__ import annotations

import html as _html
import re

from pytest_mlops.reports.text import lines, printable

GAP = "\u200b"
"""Zero-width space: invisible, and no part of any mention, reference, URL or emoji name."""

_EVERYWHERE = re.compile(r"@|#(?=\d)|(?<=[Gg][Hh])-(?=\d)")
_IN_PROSE = re.compile(
    r":(?=/)"  # scheme of a URL
    r"|\b(?:mailto|xmpp):"
    r"|www(?=\.)"
    r"|:(?!\d\d:)(?=[\w+-]+:)"  # :emoji:, but no time of day
    r"|\b(?=[0-9]{0,39}[a-f])[0-9a-f]{4}(?=[0-9a-f]{3,36}\b)",  # a commit
    re.IGNORECASE,
)
# An underscore inside a word is no emphasis in GitHub's Markdown; names stay readable.
_MARK = re.compile(r"[&<>|`\\~*\[\]$]|(?<![^\W_])_|_(?![^\W_])")
_DOLLAR = "<span>$</span>"
"""GitHub's documented way to a dollar that opens no formula."""
_INSTEAD = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "|": "&#124;",
    "`": "&#96;",
    "\\": "&#92;",
    "~": "&#126;",
    "$": _DOLLAR,
    **{mark: f"\\{mark}" for mark in "*[]_"},
}


def text(value: str) -> str:
    r"""Prose on one line, for paragraphs, list items and table cells.

    Examples
    --------
    >>> text("fixes <b>*all*</b>|x")
    'fixes &lt;b&gt;\\*all\\*&lt;/b&gt;&#124;x'
    """
    shown = _MARK.sub(lambda m: _INSTEAD[m[0]], _interrupt(printable(value).strip()))
    return _unblock(shown)


def code(value: str) -> str:
    r"""Inline code on one line, also for table cells.

    Backticks where nothing in the text could end them or the cell, otherwise ``<code>`` with entities.

    Examples
    --------
    >>> code('candidate["auc"] > 0.9'), code("a|b")
    ('`candidate["auc"] > 0.9`', '<code>a&#124;b</code>')
    """
    shown = _defuse(printable(value))
    if not shown.strip():
        return "<code> </code>"
    if not any(c in shown for c in "`|\\") and shown == shown.strip():
        return f"`{shown}`"
    return f"<code>{_everything(_interrupt(printable(value)))}</code>"


def html(value: str) -> str:
    """Text on one line inside an HTML block such as ``<summary>``, where Markdown is not parsed."""
    return _html.escape(_interrupt(printable(value))).replace("$", _DOLLAR)


def block(value: str) -> str:
    """Several lines as a fenced code block whose fence is longer than any in the text."""
    rows = [_defuse(row) for row in lines(value)]
    longest = max((len(run) for row in rows for run in re.findall("`+", row)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}text", *rows, fence])


def _defuse(shown: str) -> str:
    return _EVERYWHERE.sub(lambda m: m[0] + GAP, shown)


def _interrupt(shown: str) -> str:
    """A gap in everything that GitHub turns into a link or picture outside code."""
    return _IN_PROSE.sub(lambda m: m[0] + GAP, _defuse(shown))


def _everything(shown: str) -> str:
    """Every ASCII character that is neither letter, digit nor space as an entity: no parser finds a mark."""
    return "".join(c if c.isalnum() or c in f" .{GAP}" or not c.isascii() else f"&#{ord(c)};" for c in shown)


def _unblock(shown: str) -> str:
    """Keep the first characters from opening a list, heading or rule where a line starts with the text."""
    if shown[:1] in {"#", "+", "=", "-", ":"}:
        return f"&#{ord(shown[0])};{shown[1:]}"
    return re.sub(r"^(\d+)([.)])(?!\d)", lambda m: f"{m[1]}&#{ord(m[2])};", shown)
