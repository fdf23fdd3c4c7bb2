"""What claims will cost and can decide, as values and as the table that a session prints which only plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from pytest_mlops.reports.text import duration, plural, printable, wrap

Range = tuple[float, float]
"""Smallest and largest."""
_TITLES = ("if the true value is", "P(PASS)", "more runs", "time")
_WIDTHS = (34, 13, 14, 17)


class Truth(msgspec.Struct, kw_only=True):
    """What a claim does if this is true."""

    words: str
    """``no gain``, ``0.005, the margin``."""
    power: Range
    """Smallest and largest P(PASS) over what the spread may be."""
    runs: tuple[int, int]
    """Training runs still to do, on average."""
    seconds: Range


class PlannedClaim(msgspec.Struct, kw_only=True):
    """The plan of one claim."""

    test: str
    line: int
    statement: str
    pilot: int
    """Pairs that the plan stands on."""
    trained: int
    """Training runs that were done for it in this session; they are kept, and count."""
    sd: float | None = None
    """Spread of the contrast over seeds, and the range that it may truly have."""
    sd_range: Range | None = None
    truths: list[Truth] = []
    most_runs: int = 0
    most_seconds: float = 0.0
    on_gpu: bool = False
    decides: str | None = None
    """What ``max_seeds`` can decide, in a sentence."""
    budget: float | None = None
    """Seconds that a session may spend; None for no limit."""
    note: str | None = None
    """Why there is no plan, or what it leaves out."""


def plan_lines(rows: Sequence[PlannedClaim], *, width: int) -> list[str]:
    """The plan of a session, a block a claim.

    Parameters
    ----------
    rows : sequence of PlannedClaim
    width : int
        Columns of the terminal; tables need 80.
    """
    found = [line for row in rows for line in [*_block(row, max(40, width)), ""]]
    total = sum(row.most_runs for row in rows)
    seconds = sum(row.most_seconds for row in rows)
    return [
        *found,
        f"plan: {plural(len(rows), 'claim')}, at most {plural(total, 'more training run')}, {_time(seconds, rows)}; no verdict",
    ]


def _block(row: PlannedClaim, width: int) -> Iterator[str]:
    yield from wrap(f"{printable(row.test)} line {row.line}", width)
    yield from wrap(printable(row.statement), width, first="  ", rest="    ")
    if row.sd is not None and row.sd_range is not None:
        low, high = row.sd_range
        spread = f"spread {row.sd:.3g}" + (f", truly {low:.2g} to {high:.2g}" if low < high else "")
        pilot = f"from {plural(row.pilot, 'pair')} ({row.trained} trained for it): {spread} over seeds"
        yield from wrap(pilot, width, first="  ")
    if row.truths:
        yield "  " + _columns(_TITLES)
        for truth in row.truths:
            cells = (
                printable(truth.words),
                _range(*truth.power, "{:.2f}"),
                _range(*truth.runs, "{:d}"),
                _times(*truth.seconds),
            )
            yield "  " + _columns(cells)
    if row.decides:
        yield from wrap(row.decides, width, first="  ")
    if row.note:
        yield from wrap(printable(row.note), width, first="  note: ")
    if row.most_runs:
        yield from wrap(_affordable(row), width, first="  ")


def _affordable(row: PlannedClaim) -> str:
    cost = f"at most {plural(row.most_runs, 'more training run')}, {_time(row.most_seconds, [row])}"
    if row.budget is None:
        return f"{cost}; no budget limits them"
    if row.most_seconds <= row.budget:
        return f"AFFORDABLE: {cost}, within the budget of {duration(row.budget)}"
    return f"NOT AFFORDABLE in one session: {cost}, and the budget is {duration(row.budget)} (--mlops-budget)"


def _time(seconds: float, rows: Sequence[PlannedClaim]) -> str:
    where = " of GPU time" if any(row.on_gpu for row in rows) else ""
    return f"{duration(seconds)}{where}"


def _columns(cells: Sequence[str]) -> str:
    return "".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()


def _range(low: float, high: float, form: str) -> str:
    one, other = form.format(low), form.format(high)
    return one if one == other else f"{one} to {other}"


def _times(low: float, high: float) -> str:
    one, other = duration(low), duration(high)
    return one if one == other else f"{one} to {other}"


class FilledArm(msgspec.Struct, kw_only=True):
    """An arm that was trained ahead."""

    label: str
    seeds: int
    finished: int


class ArmAgainstItself(msgspec.Struct, kw_only=True):
    """How much runs of one arm differ by chance, and how often that would have been taken for a gain."""

    label: str
    metric: str
    runs: int
    mean: float = 0.0
    sd: float = 0.0
    """Of the difference of two runs."""
    sd_range: Range = (0.0, 0.0)
    single: float = 0.0
    """A difference of one run each side that chance exceeds with probability alpha."""
    alpha: float = 0.05
    sequences: int = 0
    pairs: int = 0
    alarms: float = 0.0
    alarms_range: Range = (0.0, 0.0)
    note: str | None = None


def fill_lines(rows: Sequence[FilledArm]) -> list[str]:
    """The summary of a session that trained ahead."""
    if not rows:
        return ["fill: no claim compares with an arm that is trained, so there is nothing to train ahead"]
    found = [
        printable(f"fill: {row.label}: {row.finished} of {plural(row.seeds, 'seed')} finished")
        for row in rows
    ]
    return [*found, "Finished training runs are in the store, and are reused. Go on with the same command."]


def aa_lines(rows: Sequence[ArmAgainstItself], *, width: int) -> list[str]:
    """The summary of a session that judged arms against themselves."""
    found: list[str] = []
    for row in rows:
        found += wrap(printable(f'{row.label}["{row.metric}"], {plural(row.runs, "training run")}'), width)
        if row.sequences:
            low, high = row.sd_range
            floor = (
                f"mean {row.mean:.4g}; two training runs of it differ by chance with a standard deviation of {row.sd:.3g} "
                f"(90% interval {low:.3g} to {high:.3g}): one run each side shows a gain of {row.single:.3g} by chance "
                f"in {row.alpha:.0%} of comparisons"
            )
            least, most = row.alarms_range
            alarms = (
                f"false alarms: {row.alarms:.3f} of {row.sequences} orders of these training runs passed with up to "
                f"{plural(row.pairs, 'pair')} (90% interval {least:.3f} to {most:.3f}, of this pool; alpha {row.alpha:g})"
            )
            found += [*wrap(floor, width, first="  "), *wrap(alarms, width, first="  ")]
        if row.note:
            found += wrap(printable(row.note), width, first="  note: ")
        found.append("")
    return [*found, f"aa: {plural(len(rows), 'metric')} judged against themselves; no verdict"]
