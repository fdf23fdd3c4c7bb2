"""Hostile text, rendered by cmark-gfm (GitHub's own converter, raw HTML let through): it must be text."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

import cmarkgfm
import nh3
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_mlops.reports import escape
from pytest_mlops.reports.markdown import markdown
from pytest_mlops.reports.text import printable

NASTY = [
    "@octocat",
    "@org/team",
    "fixes #1",
    "closes org/repo#12",
    "GH-7",
    "https://evil.example/x?a=b",
    "http://x",
    "www.evil.example",
    "a@b.example",
    "mailto:a@b.example",
    "xmpp:a@b.example/x",
    "ftp://y.z",
    "![img](https://evil.example/i.png)",
    "[link](javascript:alert(1))",
    "[a]: https://evil.example",
    "<https://evil.example>",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</details>",
    "</code></pre></td></table>",
    "<!-- hidden",
    "-->",
    "<![CDATA[",
    "```",
    "~~~~",
    "`",
    "``a`b``",
    "|",
    "\\|",
    "\\",
    "\\`",
    "| --- |",
    "**bold**",
    "_em_",
    "__x__",
    "~~gone~~",
    "$x^2$",
    "$`x`$",
    ":shipit:",
    "&amp;",
    "&#64;octocat",
    "&lt;b&gt;",
    "# title",
    "- item",
    "1. item",
    "===",
    "---",
    "> quote",
    "- [x] task",
    "[^1]",
    "0123abcdef",
    "\n\n# after\n\n",
    "\r",
    "\x00",
    "\x1b[31m",
    "\u202eevil",
    "\u2066",
    "\u200b",
    "    code",
    "\t",
]
hostile = st.lists(st.sampled_from(NASTY) | st.text(max_size=4), min_size=1, max_size=6).map("".join)

_LIVE = re.compile(
    r"(?<![\w`])@[A-Za-z0-9]|#[0-9]|\bGH-[0-9]|https?://|\bwww\.\w|\w@\w|:(?!\d\d:)[\w+-]+:", re.IGNORECASE
)


class _Page(HTMLParser):
    """Counts elements and comments, keeps the text; knows which text stands in code."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_comment(self, data: str) -> None:
        self.tags["comment"] += 1

    def handle_decl(self, decl: str) -> None:
        self.tags["declaration"] += 1

    def unknown_decl(self, data: str) -> None:
        self.tags["declaration"] += 1

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)


def _render(source: str) -> _Page:
    page = cmarkgfm.github_flavored_markdown_to_html(
        source, Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES
    )
    return _Page(page)


def _squeezed(text: str) -> str:
    return "".join(text.replace(escape.GAP, "").split())


def _same_text(page: _Page, value: str) -> bool:
    return _squeezed(page.text) == _squeezed(printable(value))


@given(hostile)
def test_prose_comes_out_as_its_own_text(value: str) -> None:
    page = _render(escape.text(value))
    assert set(page.tags) <= {"p", "span"}  # the span is GitHub's way to a dollar
    assert page.attributes == set()
    assert _same_text(page, value)
    assert not _LIVE.search(page.text)


@given(hostile)
def test_code_comes_out_as_its_own_text(value: str) -> None:
    page = _render(f"x {escape.code(value)} y")
    assert page.tags == Counter({"p": 1, "code": 1})
    assert page.attributes == set()
    assert _squeezed(page.text) == "x" + _squeezed(printable(value)) + "y"
    assert not re.search(r"@\w|#[0-9]", page.text)


@given(hostile, hostile, hostile)
def test_a_table_row_keeps_its_cells(prose: str, code: str, both: str) -> None:
    cells = [escape.text(prose), escape.code(code), f"{escape.code(both)}<br>{escape.text(both)}"]
    page = _render(f"| a | b | c |\n| - | - | - |\n| {' | '.join(cells)} |\n\nafter")
    tags = dict(page.tags)
    tags.pop("span", None)
    expected = {"table": 1, "thead": 1, "tbody": 1, "tr": 2, "th": 3, "td": 3, "p": 1, "code": 2, "br": 1}
    assert tags == expected


@given(hostile)
def test_a_summary_line_stays_inside_its_element(value: str) -> None:
    page = _render(f"<details><summary>{escape.html(value)}</summary>\n\ninside\n\n</details>")
    tags = dict(page.tags)
    tags.pop("span", None)
    assert tags == {"details": 1, "summary": 1, "p": 1}
    assert not _LIVE.search(page.text)


@given(st.lists(hostile, max_size=5).map("\n".join))
@example("```\n<b>out</b>\n````\n<i>out</i>")
@example("~~~\n</details>\n   ```   \nout")
def test_a_code_block_cannot_be_left(value: str) -> None:
    page = _render(f"{escape.block(value)}\n\nafter")
    assert page.tags == Counter({"pre": 1, "code": 1, "p": 1})
    assert not re.search(r"@\w|#[0-9]", page.text)


@given(hostile, hostile)
def test_a_whole_report_has_no_links_images_or_foreign_elements(make_report, make_claim, one, other) -> None:
    report = make_report()
    usual = _render(markdown(report)).tags
    bad = make_claim(
        id=one,
        test=other,
        statement=one,
        reason=other,
        remedy=one,
        remarks=[other],
        verdict="FAIL",
        method=one,
    )
    report.claims = [*report.claims[1:], bad]
    for part in report.claims[0].parts:
        part.name, part.reason = one, other
    report.gates[0].message, report.gates[0].test = one, other
    arm, run = report.arms[0], report.failed_runs[0]
    arm.label, arm.function, arm.parameters, arm.environment = one, other, {one: other}, {other: one}
    run.label, run.kind, run.message, run.output, run.traceback = one, other, one, other + "\n" + one, other
    report.messages[0].text, report.messages[0].test = one, other
    report.session.command, report.session.platform, report.tool.version = one, other, one
    page = _render(markdown(report))
    assert set(page.tags) <= set(usual) | {"span"}
    assert not {"a", "img", "comment", "script"} & set(page.tags)
    assert page.tags["td"] == usual["td"]
    assert page.tags["details"] == usual["details"]
    assert page.attributes <= {"align", "lang", "class"}
    assert not re.search(r"(?<!\w)@\w|#[0-9]", page.text)


@pytest.mark.parametrize("value", NASTY)
def test_each_nasty_text_survives_a_sanitiser_unchanged(value: str) -> None:
    # What GitHub's sanitiser would remove must not be there: nh3 leaves the page as it is.
    page = cmarkgfm.github_flavored_markdown_to_html(escape.text(value), Options.CMARK_OPT_UNSAFE)
    assert _Page(nh3.clean(page, tags={"p", "span"})).text == _Page(page).text


def test_ordinary_names_stay_readable_in_the_file() -> None:
    assert escape.text("train(label_smoothing=0.1), auc/siteA") == "train(label_smoothing=0.1), auc/siteA"
    assert escape.code('candidate["auc"] > 0.9') == '`candidate["auc"] > 0.9`'


def test_a_mention_is_broken_by_a_zero_width_space() -> None:
    assert escape.text("@octocat") == "@\u200boctocat"
    assert escape.code("@octocat") == "`@\u200boctocat`"


def test_a_megabyte_is_escaped_in_linear_time() -> None:
    for value in (
        "a" * 10**6,
        " " * 10**6,
        ":" * 10**6,
        "`" * 10**5,
        "\x1b]" * 10**5,
        "_" * 10**6,
        "0" * 10**6,
    ):
        escape.text(value)
        escape.code(value)
        escape.html(value)
