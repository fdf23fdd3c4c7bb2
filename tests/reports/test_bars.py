from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.reports.bars import bar

value = st.floats(allow_nan=False, allow_infinity=False)
ordered = st.lists(value, min_size=3, max_size=3).map(sorted)


@given(
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.booleans(),
    st.booleans(),
    st.integers(12, 60),
)
def test_a_bar_has_always_its_width(estimate, low, high, margin, zero, unicode, width) -> None:
    assert len(bar(estimate, (low, high), margin, zero=zero, width=width, unicode=unicode)) == width


@given(ordered, value, st.booleans())
def test_marks_stand_in_the_order_of_their_values(three, margin, zero) -> None:
    low, estimate, high = three
    drawn = bar(estimate, (low, high), margin, zero=zero, width=24, unicode=False)
    assert drawn.index("[") < drawn.index("*") < drawn.index("]")
    for mark, at in (("[", low), ("*", estimate), ("]", high)):
        if margin != at:
            assert (drawn.index("|") < drawn.index(mark)) == (margin < at)
        if zero and margin and at:
            assert (drawn.index("0") < drawn.index(mark)) == (at > 0)


@pytest.mark.parametrize(
    ("estimate", "interval", "margin", "zero", "drawn"),
    [
        (0.02, (0.01, 0.03), 0.005, True, ".0..|..[----*-----]."),
        (0.02, (0.01, None), 0.0, True, ".|........[-------*>"),
        (0.02, (None, None), 0.0, True, "<|----------------*>"),
        (0.92, (0.9001, 0.94), 0.9, False, ".|[-------*-------]."),
        (None, (None, None), 0.5, True, ".0................|."),
        (None, (None, None), None, False, "...................."),
        (0.0, (0.0, 0.0), 0.0, True, "..........|[*]......"),
    ],
)
def test_bars_by_eye(estimate, interval, margin, zero, drawn) -> None:
    assert bar(estimate, interval, margin, zero=zero, width=20, unicode=False) == drawn
