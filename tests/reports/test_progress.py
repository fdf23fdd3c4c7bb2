from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.reports.progress import progress_line

number = st.none() | st.floats()


def _line(**changes: Any) -> str:
    values: dict[str, Any] = {
        "gate": "test_gates.py::test_a",
        "pair": 3,
        "max_pairs": 30,
        "values": {"baseline": 0.9012, "candidate": 0.9155},
        "contrast": 0.0143,
        "estimate": 0.0139,
        "t": 3.1234,
        "needed": 4.21,
        "seconds": 4.2,
        "reused": False,
    }
    return progress_line(**{**values, **changes})


def test_a_progress_line_says_what_the_pair_gave() -> None:
    assert _line() == (
        "test_a  pair  3/30  baseline       0.9012  candidate       0.9155  contrast       0.0143  mean       0.0139"
        "  t   3.12 of   4.21       4.2 s trained"
    )


def test_one_arm_has_no_contrast_beside_its_value() -> None:
    assert "contrast" not in _line(values={"candidate": 0.9})


def test_a_failed_run_and_a_pair_without_look_are_named() -> None:
    line = _line(values={"baseline": 0.9, "candidate": None}, contrast=None, t=None, needed=None, reused=True)
    assert "candidate       failed" in line
    assert "contrast         none" in line
    assert " of " not in line
    assert line.endswith("reused ")


bound = st.none() | st.floats(0, 999) | st.just(float("inf"))


statistic = st.none() | st.floats(-9e9, 9e9) | st.sampled_from([float("inf"), float("-inf"), float("nan")])


@given(number, number, number, statistic, bound, st.floats(0, 999_999), st.booleans(), st.integers(1, 30))
def test_every_line_of_a_claim_has_the_same_width(
    value, contrast, estimate, t, needed, seconds, reused, pair
) -> None:
    line = _line(
        values={"baseline": value, "candidate": value},
        contrast=contrast,
        estimate=estimate,
        t=t,
        needed=needed,
        seconds=seconds,
        reused=reused,
        pair=pair,
    )
    assert len(line) == len(_line())
    assert line.isprintable()


@given(st.text())
def test_a_progress_line_is_one_printable_line(name: str) -> None:
    line = _line(gate=name, values={name: 1.0})
    assert all(c.isprintable() or c.isspace() for c in line)
    assert len(line.splitlines()) == 1
