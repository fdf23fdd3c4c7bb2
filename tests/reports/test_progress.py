"""Progress lines: plain, one a pair, at most 80 columns, and never closer to a boundary than the truth."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.reports.progress import apart_line, claim_line, progress_line
from pytest_mlops.reports.text import columns

number = st.none() | st.floats()


def _line(**changes: Any) -> str:
    values: dict[str, Any] = {
        "pair": 5,
        "max_pairs": 30,
        "values": [0.90123, 0.9155],
        "estimate": 0.01394,
        "t": 3.1234,
        "needed": 4.21,
        "seconds": 4.2,
        "reused": False,
    }
    return progress_line(**{**values, **changes})


def test_a_progress_line_says_what_the_pair_gave() -> None:
    assert _line() == "  pair  5/30  0.9012 vs 0.9155  mean +0.01394  t 3.12, needs 4.21  4.2 s"


def test_one_arm_is_compared_with_a_bar_and_has_no_pairs() -> None:
    assert _line(values=[0.9], estimate=0.9) == "  run  5/30  0.9  mean 0.9  t 3.12, needs 4.21  4.2 s"


def test_a_failed_run_is_named() -> None:
    line = _line(values=[0.9, None], estimate=None, t=None)
    assert line == "  pair  5/30  0.9 vs failed  4.2 s"


def test_a_pair_without_a_look_needs_nothing() -> None:
    assert "needs" not in _line(needed=None)


def test_a_statistic_that_has_not_reached_the_boundary_does_not_look_like_it() -> None:
    assert "t 4.829, needs 4.831" in _line(t=4.829, needed=4.8311)


statistic = st.none() | st.floats(-9e9, 9e9) | st.sampled_from([float("inf"), float("-inf"), float("nan")])
bound = st.none() | st.floats(0, 999) | st.just(float("inf"))


@given(number, number, statistic, bound, st.floats(0, 999_999), st.booleans(), st.integers(1, 30), st.text())
def test_every_line_fits_eighty_columns(value, estimate, t, needed, seconds, reused, pair, part) -> None:
    line = _line(
        values=[value, value],
        estimate=estimate,
        t=t,
        needed=needed,
        seconds=seconds,
        reused=reused,
        pair=pair,
        part=part,
    )
    assert columns(line) <= 80
    assert len(line.splitlines()) == 1


@given(st.text())
def test_hostile_names_make_one_printable_line(name: str) -> None:
    line = claim_line(gate=name, statement=name)
    assert all(c.isprintable() or c.isspace() for c in line)
    assert len(line.splitlines()) == 1


def test_the_part_of_a_wildcard_claim_is_named() -> None:
    assert _line(part="siteB").startswith("  pair  5/30  siteB  0.9012 vs 0.9155  mean")
    long = _line(part="site/" * 30)
    assert "  site/" in long
    assert "..." in long
    assert len(long) <= 80


def test_time_apart_from_training_is_said_where_it_is_long() -> None:
    assert apart_line(starting=0.9, waiting=0.0) is None
    assert apart_line(starting=3.2, waiting=0.4) == "      apart from training: 3.2 s start-up"
