from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.reports.figures import Scale, p_text

number = st.none() | st.floats()


def _decimals(text: str) -> int:
    return len(text.split("e")[0].partition(".")[2])


@given(number, number, number, number)
def test_any_numbers_can_be_written(estimate, low, high, margin) -> None:
    scale = Scale([estimate], [(low, high)], margin)
    for text in (scale.number(estimate), scale.interval((low, high)), scale.margin(margin)):
        assert 0 < len(text) < 50
        assert "nan" not in text


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e3), st.floats(-1e5, 1e5))
def test_estimate_and_limits_share_their_decimals(estimate, half, margin) -> None:
    scale = Scale([estimate], [(estimate - half, estimate + half)], margin)
    shown = [scale.number(v) for v in (estimate, estimate - half, estimate + half)]
    assert len({_decimals(text) for text in shown}) == 1


@pytest.mark.parametrize(
    ("estimate", "interval", "margin", "shown"),
    [
        (0.01432, (0.0081, 0.0205), 0.005, ("+0.0143", "[+0.0081, +0.0205]", "0.0050")),
        (-1.5e-9, (-3e-9, 2e-10), 1e-9, ("-1.5e-9", "[-3.0e-9, +0.2e-9]", "1.0e-9")),
        (1.234e12, (1.1e12, 1.3e12), 0.0, ("+1.23e12", "[+1.10e12, +1.30e12]", "0.00")),
        (-2500.0, (-3000.0, -2000.0), 0.0, ("-2500", "[-3000, -2000]", "0")),
        (0.3, (0.1, None), 0.125, ("+0.300", "[+0.100, inf)", "0.125")),
        (-1e-9, (-0.5, 0.5), 0.0, ("0.00", "[-0.50, +0.50]", "0.00")),
        (0.05, (None, None), 0.005, ("+0.0500", "-", "0.0050")),
        (0.9, (None, None), 0.85, ("+0.900", "-", "0.850")),
        (None, (None, None), 0.1, ("-", "-", "0.1")),
        (1e12, (0.9e12, 1.1e12), 1e-9, ("+1.00e12", "[+0.90e12, +1.10e12]", "1e-09")),
        (5e-324, (None, None), 0.0, ("+4.94e-324", "-", "0.00")),
    ],
)
def test_figures_suit_the_width_of_the_interval(estimate, interval, margin, shown) -> None:
    scale = Scale([estimate], [interval], margin)
    assert (scale.number(estimate), scale.interval(interval), scale.margin(margin)) == shown


def test_a_limit_beyond_the_margin_does_not_look_like_it() -> None:
    scale = Scale([0.01], [(0.005001, 0.015)], 0.005)
    assert scale.number(0.005001) != f"+{scale.margin(0.005)}"


def test_small_p_values_are_never_zero() -> None:
    assert [p_text(p) for p in (0.0, 2e-5, 0.00012, 0.049, 0.2, 0.999)] == [
        *("<0.0001", "<0.0001", "0.00012", "0.049", "0.20", ">0.99")
    ]
