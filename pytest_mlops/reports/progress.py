"""The plain line printed whenever a pair is finished: for CI logs, so no colour and nothing that moves."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mlops.reports.figures import finite
from pytest_mlops.reports.text import pad, printable

_NUMBER = 12


def progress_line(
    *,
    gate: str,
    pair: int,
    max_pairs: int,
    values: Mapping[str, float | None],
    contrast: float | None,
    estimate: float | None,
    t: float | None,
    needed: float | None,
    seconds: float,
    reused: bool,
) -> str:
    """One line about the pair that has just been finished; every line of a claim has the same width.

    Parameters
    ----------
    gate : str
        Node id of the gate; the line has its last part.
    pair, max_pairs : int
        Number of the pair, from 1, and of how many at most.
    values : mapping of str to float or None
        Each arm's name with its metric; None is a failed training run.
    contrast, estimate : float or None
        The pair's contrast; the running estimate over all pairs so far.
    t, needed : float or None
        The t-statistic so far and what this look needs for PASS; None needed: no look at this pair.
    seconds : float
        Seconds of training spent on this pair, or, if reused, that the store saved.
    reused : bool
        Whether all training runs of the pair came from the store.

    Returns
    -------
    str
        Printable text without a line end.

    Examples
    --------
    >>> numbers = dict(contrast=0.01, estimate=0.02, t=2.5, needed=4.21, seconds=4.2)
    >>> progress_line(gate="t.py::test_a", pair=3, max_pairs=30, values={}, **numbers, reused=True)[:18]
    'test_a  pair  3/30'
    """
    digits = len(str(max_pairs))
    cells = [printable(gate.rpartition("::")[2]), f"pair {pair:>{digits}}/{max_pairs}"]
    cells += [f"{printable(label)} {_number(value, 'failed')}" for label, value in values.items()]
    if len(values) != 1:  # one arm's contrast is its value
        cells.append(f"contrast {_number(contrast, 'none')}")
    cells.append(f"mean {_number(estimate, 'none')}")
    cells.append(
        f"t {_statistic(t, 6)} " + (f"of {_statistic(needed, 6)}" if needed is not None else pad("", 9))
    )
    cells.append(f"{_seconds(seconds)} s {'reused ' if reused else 'trained'}")
    return "  ".join(cells)


def _number(value: float | None, missing: str) -> str:
    value = finite(value)
    return f"{missing if value is None else format(value, '.5g'):>{_NUMBER}}"


def _statistic(value: float | None, width: int) -> str:
    if value is None or value != value:
        return f"{'-':>{width}}"
    if abs(value) == float("inf"):
        return f"{'inf' if value > 0 else '-inf':>{width}}"
    text = f"{value:.2f}"
    return f"{text if len(text) <= width else format(value, '.0e'):>{width}}"


def _seconds(value: float) -> str:
    known = finite(value)
    return f"{'?' if known is None else format(known, '.1f'):>8}"
