"""What claims will cost and can decide, as values and as the table that a session prints which only plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from pytest_mlops.reports.text import duration, plural, printable, wrap

Range = tuple[float, float]
"""Smallest and largest."""
_TITLES = ("if the true value is", "P(PASS)", "more runs", "time")
_WIDTHS = (30, 14, 13, 20)
_LIKELY = "nine times in ten"
_FRESH = "A margin that was chosen by what a pilot showed has to be judged on fresh seeds: --mlops-seed=1."


class Truth(msgspec.Struct, kw_only=True):
    """What a claim does if this is true."""

    words: str
    """``no gain``, ``0.005, the margin``."""
    power: Range
    """Smallest and largest P(PASS) over what the spread may be."""
    runs: tuple[int, int]
    """Training runs still to do, on average."""
    seconds: Range


class Need(msgspec.Struct, kw_only=True):
    """The training runs of one arm that a claim may still need. Equal arms have one name, and share theirs."""

    arm: str
    """The arm without its seed, by its key."""
    seeds: list[int | None]
    """By pair; None where the training run is finished."""
    seconds: float | None
    """What one of them is expected to take; None if nothing like it is known."""


class Amount(msgspec.Struct, kw_only=True, frozen=True):
    """Training runs, or seconds."""

    average: float
    low: float
    """Enough in one case of ten."""
    high: float
    """Enough in nine cases of ten."""
    most: float


class Cost(msgspec.Struct, kw_only=True, frozen=True):
    """What claims will still cost together; a training run that several of them need counts once."""

    runs: Amount
    seconds: Amount | None
    """None where nobody knows what one of the training runs takes."""


class PlannedClaim(msgspec.Struct, kw_only=True):
    """The plan of one claim."""

    test: str
    line: int
    statement: str
    needs: list[Need]
    stops: list[float]
    """Probability that it stops after so many pairs, from none on."""
    cost: Cost
    on_gpu: bool = False
    budget: float | None = None
    """Seconds that a session may spend; None for no limit."""
    pilot: int = 0
    """Pairs that the plan stands on."""
    trained: int = 0
    """Training runs that were done for it in this session; they are kept, and count."""
    sd: float | None = None
    """Spread of the contrast over seeds, and the range that it may truly have."""
    sd_range: Range | None = None
    truths: list[Truth] = []
    decides: str | None = None
    """What ``max_seeds`` can decide, in a sentence."""
    takes: str | None = None
    """What it would take if the pilot's estimate is right, in a sentence."""
    design: str | None = None
    """How it is judged, where that is unlike the default."""
    note: str | None = None
    """Why there is no plan, or what it leaves out."""


class Unplanned(msgspec.Struct, kw_only=True, frozen=True):
    """A gate of which not all claims are known before it runs."""

    test: str
    reason: str


class Planned(msgspec.Struct, kw_only=True):
    """What a session that only plans found."""

    claims: list[PlannedClaim] = []
    unplanned: list[Unplanned] = []
    total: Cost | None = None


def plan_lines(found: Planned, *, width: int) -> list[str]:
    """The plan of a session: a block a claim, the gates that are not planned, and what all of it costs.

    Parameters
    ----------
    found : Planned
        With the total of its claims.
    width : int
        Columns of the terminal; tables need 80.
    """
    width = max(40, width)
    rows = [line for claim in found.claims for line in [*_block(claim, width), ""]]
    if found.unplanned:
        gates = plural(len(found.unplanned), "gate")
        why = "(what cannot be rehearsed is judged when it runs: docs/trying.md)"
        rows += wrap(f"not planned, or not in full: {gates} {why}", width)
        for gate in found.unplanned:
            rows += wrap(f"{printable(gate.test)}: {printable(gate.reason)}", width, first="  ", rest="    ")
        rows.append("")
    return [*rows, *_total(found, width)]


def _total(found: Planned, width: int) -> Iterator[str]:
    if found.total is None:
        yield "plan: no claim is known, no verdict"
        return
    budget = min((claim.budget for claim in found.claims if claim.budget is not None), default=None)
    on_gpu = any(claim.on_gpu for claim in found.claims)
    gates = len({claim.test for claim in found.claims})
    once = ", training runs that they share counted once" if len(found.claims) > 1 else ""
    yield from wrap(
        f"plan: {plural(len(found.claims), 'claim')} of {plural(gates, 'gate')}{once}; no verdict", width
    )
    yield from wrap(cost_words(found.total, budget=budget, on_gpu=on_gpu), width, first="  ")
    if any(claim.takes for claim in found.claims):
        yield from wrap(_FRESH, width, first="  ")


def _block(row: PlannedClaim, width: int) -> Iterator[str]:
    yield from wrap(f"{printable(row.test)} line {row.line}", width)
    yield from wrap(printable(row.statement), width, first="  ", rest="    ")
    if row.design:
        yield from wrap(printable(row.design), width, first="  ", rest="    ")
    yield from wrap(cost_words(row.cost, budget=row.budget, on_gpu=row.on_gpu), width, first="  ")
    if row.sd is not None and row.sd_range is not None:
        low, high = row.sd_range
        kept = f", {plural(row.trained, 'training run')} done for it and kept" if row.trained else ""
        spread = f"spread {row.sd:.2g} over seeds (truly {low:.2g} to {high:.2g})"
        yield from wrap(f"pilot: {plural(row.pilot, 'pair')}{kept}; {spread}", width, first="  ")
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
    for sentence in (row.decides, row.takes):
        if sentence:
            yield from wrap(sentence, width, first="  ")
    if row.note:
        yield from wrap(printable(row.note), width, first="  note: ")


def cost_words(cost: Cost, *, budget: float | None, on_gpu: bool) -> str:
    """Whether a cost is affordable, and what it is.

    Parameters
    ----------
    cost : Cost
    budget : float or None
        Seconds that a session may spend; None for no limit.
    on_gpu : bool
        Whether the training runs hold a GPU.

    Examples
    --------
    >>> runs = Amount(average=12.4, low=4, high=30, most=54)
    >>> seconds = Amount(average=600, low=200, high=1500, most=2700)
    >>> cost_words(Cost(runs=runs, seconds=seconds), budget=3600.0, on_gpu=False).partition(", 10 min")[0]
    'AFFORDABLE: about 12 more training runs (4 to 30, at most 54)'
    """
    runs, seconds = cost.runs, cost.seconds
    if not runs.most:
        return "NOTHING TO PAY: no training run is missing"
    count = f"about {plural(round(runs.average), 'more training run')} ({_limits(runs, '{:.0f}'.format)})"
    if runs.low == runs.most:
        count = plural(round(runs.most), "more training run")
    if seconds is None:
        return f"COST UNKNOWN: {count}, and nothing like them was trained yet"
    where = " of GPU time" if on_gpu else ""
    time = f"{duration(seconds.average)}{where} ({_limits(seconds, duration)})"
    if seconds.low == seconds.most:
        time = f"{duration(seconds.most)}{where}"
    if budget is None:
        return f"AFFORDABLE: {count}, {time}; no budget limits them"
    if seconds.most <= budget:
        return f"AFFORDABLE: {count}, {time} of the budget of {duration(budget)}"
    if seconds.high <= budget:
        return f"AFFORDABLE {_LIKELY}: {count}, {time}; the budget is {duration(budget)} (--mlops-budget)"
    perhaps = "PERHAPS " if seconds.average <= budget else ""
    limit = f"the budget is {duration(budget)} (--mlops-budget)"
    return f"{perhaps}NOT AFFORDABLE in one session: {count}, {time}, and {limit}; what is trained in one is kept"


def _limits(amount: Amount, form: Callable[[float], str]) -> str:
    low, high, most = form(amount.low), form(amount.high), form(amount.most)
    usual = low if low == high else f"{low} to {high}"
    return f"at most {most}" if high == most and low == high else f"{usual}, at most {most}"


def _columns(cells: Sequence[str]) -> str:
    texts = [cell.ljust(width - 1) + " " for cell, width in zip(cells, _WIDTHS, strict=True)]
    return "".join(texts).rstrip()


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
