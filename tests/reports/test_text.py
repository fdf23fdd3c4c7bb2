from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.reports.text import columns, duration, lines, pad, plural, printable, tail, wrap


@given(st.text(), st.integers(12, 100))
def test_wrapping_loses_no_character_and_keeps_the_width(text: str, width: int) -> None:
    shown = printable(text)
    rows = wrap(shown, width, first="> ")
    assert "".join(rows).replace(" ", "") == ">" + shown.replace(" ", "")
    assert all(columns(row) <= width for row in rows)


@given(st.text())
def test_printable_text_holds_nothing_that_acts(text: str) -> None:
    shown = printable(text)
    assert all(c.isprintable() or c.isspace() for c in shown)
    assert not set(shown) & set("\n\r\x1b\u202e\u200b")
    assert printable(shown) == shown


def test_long_words_are_cut_after_a_separator() -> None:
    assert wrap("tests/test_gates.py::test_label_smoothing", 24) == [
        "tests/test_gates.py::",
        "test_label_smoothing",
    ]


def test_wide_characters_take_two_columns() -> None:
    assert columns("\u808c") == 2
    assert columns("e\u0301") == 1
    assert wrap("\u808c" * 8, 10) == ["\u808c" * 5, "\u808c" * 3]
    assert pad("\u808c", 4) == "\u808c  "


def test_a_progress_bar_leaves_its_last_state() -> None:
    assert lines("1%\r50%\r100%\r\nnext\r\n") == ["100%", "next"]


def test_a_tail_says_what_it_left_out() -> None:
    assert tail("a\nb\nc", 2) == ["... (1 lines before)", "b", "c"]
    assert tail("x" * 1010, 2)[0].endswith(" ... (10 characters more)")


def test_terminal_sequences_vanish() -> None:
    assert printable("\x1b[1;31mred\x1b[0m \x1b]0;title\x07end") == "red end"


def test_durations_read_naturally() -> None:
    cases = {0: "0.00 s", 9.96: "10 s", 59.97: "1 min", 3599.7: "1 h", float("nan"): "?", -1: "?"}
    assert {seconds: duration(seconds) for seconds in cases} == cases


def test_one_is_singular() -> None:
    assert [plural(n, "claim") for n in (0, 1, 2)] == ["0 claims", "1 claim", "2 claims"]
