"""The plain line printed whenever a pair is finished: for CI logs, so no colour and nothing that moves."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mlops.reports.figures import finite
from pytest_mlops.reports.text import duration, pad, plural, printable

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


def price_line(
    *,
    gate: str,
    pair: int,
    took: float,
    runs: tuple[int, int, int],
    seconds: tuple[float, float],
    on_gpu: bool,
    left: float,
) -> str:
    """One line about what a claim may cost, after its first pair that was trained.

    Parameters
    ----------
    gate : str
        Node id of the gate; the line has its last part.
    pair : int
        Number of that pair, from 1.
    took : float
        Seconds it took.
    runs : tuple of int
        Training runs until the claim is decided: at least, on average, at most.
    seconds : tuple of float
        Wall time of the fewest and of the most of them.
    on_gpu : bool
        Whether they hold a GPU.
    left : float
        Seconds left of the session's budget, infinity for no limit.

    Returns
    -------
    str
        Printable text without a line end.

    Examples
    --------
    >>> numbers = dict(runs=(8, 20, 58), seconds=(160, 1160), on_gpu=True, left=3000.0)
    >>> price_line(gate="t.py::test_a", pair=1, took=41.0, **numbers)[:70]
    'test_a  price: pair 1 took 41 s; to decide: 8 to 58 more training runs'
    >>> price_line(gate="t.py::test_a", pair=1, took=41.0, **numbers)[71:]
    '(20 on average), 2 min 40 s to 19 min 20 s, 0.044 to 0.32 GPU-hours; budget left 50 min 0 s'
    """
    least, average, most = runs
    count = (
        f"{least} to {plural(most, 'more training run')}"
        if least < most
        else plural(most, "more training run")
    )
    if least < average < most:
        count += f" ({average} on average)"
    time = [duration(value) for value in dict.fromkeys(seconds)]
    text = (
        f"{printable(gate.rpartition('::')[2])}  price: pair {pair} took {duration(took)}; to decide: {count}"
    )
    text += f", {' to '.join(time)}"
    if on_gpu:
        text += f", {' to '.join(f'{value / 3600:.2g}' for value in dict.fromkeys(seconds))} GPU-hours"
    return text + ("" if left == float("inf") else f"; budget left {duration(left)}")


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
