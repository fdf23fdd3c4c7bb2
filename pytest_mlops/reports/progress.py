"""The plain line printed whenever a pair is finished: for CI logs, so no colour and nothing that moves."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mlops.reports.figures import finite
from pytest_mlops.reports.text import columns, cut, duration, plural, printable, wrap

WIDTH = 80
_LONG = 1.0
"""Seconds apart from training that are worth a word."""


def claim_line(*, gate: str, statement: str) -> str:
    """What the pairs below it are trained for.

    Examples
    --------
    >>> claim_line(gate="t.py::test_a", statement="a > b")
    'test_a: a > b'
    """
    return f"{printable(gate.rpartition('::')[2])}: {printable(statement)}"


def progress_line(
    *,
    pair: int,
    max_pairs: int,
    values: Sequence[float | str | None],
    estimate: float | None,
    t: float | None,
    needed: float | None,
    seconds: float,
    reused: bool,
    part: str = "",
) -> str:
    """One line about the pair that has just been finished.

    Parameters
    ----------
    pair, max_pairs : int
        Number of the pair (of the training run, where one arm is compared with a bar), from 1, and of how many at most.
    values : sequence of float, str or None
        The metrics in the order in which the claim names them; None is a failed training run, a text stands for itself.
        Left out where the line would be too long.
    estimate : float or None
        The running estimate over all pairs so far.
    t, needed : float or None
        The t-statistic so far and what this look needs for PASS; None needed: no look at this pair.
    seconds : float
        Seconds that the pair trained.
    reused : bool
        Whether all training runs of the pair came from the store.
    part : str
        The part that the numbers are of: what the wildcard of the claim stands for.

    Returns
    -------
    str
        Printable text without a line end.

    Examples
    --------
    >>> numbers = dict(estimate=0.02, t=2.5, needed=4.21, seconds=4.2)
    >>> progress_line(pair=3, max_pairs=30, values=[0.9, 0.88], **numbers, reused=True)
    '  pair  3/30  0.9 vs 0.88  mean +0.02  t 2.50, needs 4.21  reused'
    """
    digits = len(str(max_pairs))
    one_arm = len(values) == 1
    head = f"  {'run' if one_arm else 'pair'} {pair:>{digits}}/{max_pairs}"
    both = " vs ".join(value if isinstance(value, str) else _number(value, "failed") for value in values)
    cells = (
        [f"mean {_number(estimate, '', sign='' if one_arm else '+')}"] if finite(estimate) is not None else []
    )
    if needed is not None and t is not None and t == t:
        cells.append("t {}, needs {}".format(*_apart(t, needed)))
    cells.append("reused" if reused else duration(seconds))
    name = printable(part)
    for row in ([name, both, *cells], [name, *cells]):
        whole = "  ".join([head, *filter(None, row)])
        if columns(whole) <= WIDTH:
            return whole
    room = WIDTH - len("  ".join([head, *cells])) - 2
    return "  ".join([head, *filter(None, [cut(name, room) if room > 3 else ""]), *cells])


def apart_line(*, starting: float, waiting: float) -> str | None:
    """What a pair took beside its training, in a line below it; None where that is not worth a word.

    Parameters
    ----------
    starting : float
        Seconds of all that goes with training: libraries loaded, the device made ready, the results stored.
    waiting : float
        Seconds until other sessions had trained what was wanted.

    Examples
    --------
    >>> apart_line(starting=3.21, waiting=75.0)
    '      apart from training: 1 min 15 s waiting for another session, 3.2 s start-up'
    """
    found = [
        f"{duration(seconds)} {what}"
        for seconds, what in ((waiting, "waiting for another session"), (starting, "start-up"))
        if seconds > _LONG
    ]
    return f"      apart from training: {', '.join(found)}" if found else None


def price_lines(
    *,
    pair: int | None,
    took: float,
    runs: tuple[int, int, int],
    seconds: tuple[float, float],
    on_gpu: bool,
    left: float,
    one_arm: bool,
    arms: int = 2,
) -> list[str]:
    r"""Lines about what a claim may cost: before its first pair that is trained, or after it.

    Parameters
    ----------
    pair : int or None
        Number of the pair that was trained, from 1; None where finished training runs tell of it.
    took : float
        Seconds that it trained, or is expected to.
    runs : tuple of int
        Training runs until the claim is decided: at least, on average, at most.
    seconds : tuple of float
        Wall time of the fewest and of the most of them.
    on_gpu : bool
        Whether they hold a GPU.
    left : float
        Seconds left of the session's budget, infinity for no limit.
    one_arm : bool
        Whether one arm is compared with a bar, so that there are no pairs.
    arms : int
        How many arms train: those of an ablation train a seed together.

    Returns
    -------
    list of str
        Printable texts without line ends.

    Examples
    --------
    >>> numbers = dict(runs=(8, 20, 58), seconds=(160, 1160), on_gpu=True, left=3000.0, one_arm=False)
    >>> print(*price_lines(pair=1, took=41.0, **numbers), sep="\n")
      price: pair 1 took 41 s; to decide: 8 to 58 more training runs, 20 on average:
             2 min 40 s to 19 min 20 s, 0.044 to 0.32 GPU-hours; budget left 50 min
    >>> print(price_lines(pair=None, took=41.0, **numbers)[0])
      price: about 41 s a pair; to decide: 8 to 58 training runs, 20 on average:
    """
    least, average, most = runs
    more = plural(most, "training run" if pair is None else "more training run")
    count = f"{least} to {more}" if least < most else more
    if least < average < most:
        count += f", {average} on average"
    cost = " to ".join(duration(value) for value in dict.fromkeys(seconds))
    if on_gpu:
        cost += f", {' to '.join(f'{value / 3600:.2g}' for value in dict.fromkeys(seconds))} GPU-hours"
    if left != float("inf"):
        cost += f"; budget left {duration(left)}"
    what = "run" if one_arm else "pair"
    times = f"about {duration(took)} a {what}" if pair is None else f"{what} {pair} took {duration(took)}"
    if arms > 2:
        times = f"{'about ' if pair is None else ''}{duration(took)} a seed of {arms} arms"
    first, runs_line = "  price: ", f"{times}; to decide: {count}:"
    if len(first) + len(runs_line) <= WIDTH:
        return [first + runs_line, *wrap(cost, WIDTH, first=" " * len(first))]
    return wrap(f"{runs_line} {cost}", WIDTH, first=first)


def _number(value: float | None, missing: str, *, sign: str = "") -> str:
    value = finite(value)
    return missing if value is None else format(value, f"{sign}.4g")


def _apart(t: float, needed: float) -> tuple[str, str]:
    """Both in as many decimals as tell them apart: 4.829 has not reached 4.831."""
    for places in range(2, 5):
        texts = _statistic(t, places), _statistic(needed, places)
        if texts[0] != texts[1]:
            break
    return texts


def _statistic(value: float, places: int) -> str:
    return f"{value:.{places}f}" if abs(value) < 1e4 else f"{value:.1e}"
