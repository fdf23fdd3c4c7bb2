"""Finished runs as text: a list, and one run with all that it left. Foreign text is made printable."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pytest_mlops.reports.text import age, columns, cut, duration, pad, plural, printable, tail, wrap

if TYPE_CHECKING:
    from pytest_mlops.records import Cases, Record
    from pytest_mlops.store.browse import Finished, Whole

_SHORT = 10
_BARS = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
_NOT_LISTED = frozenset({"seconds", "gpu_seconds", "peak_memory_mb", "failed"})


def listed(runs: Sequence[Finished], *, now: float, width: int) -> Iterator[str]:
    """Two lines or so a run: id, arm, seed, time, age; then its metrics, or why it failed.

    Parameters
    ----------
    runs : sequence of Finished
    now : float
        Seconds since 1970.
    width : int
        Columns of the terminal.

    Yields
    ------
    str
        Printable lines.
    """
    for run in runs:
        end = f"seed {run.key.seed}  {_seconds(run.metrics)}  {age(now - run.finished)}"
        room = max(10, width - _SHORT - 4 - columns(end))
        yield f"{run.id[:_SHORT]}  {pad(cut(printable(run.label), room), room)}  {end}"
        indent = " " * (_SHORT + 2)
        if run.failure is not None:
            yield cut(
                f"{indent}failed ({printable(run.failure.kind)}): {printable(run.failure.message)}", width
            )
            continue
        shown = [_metric(name, value) for name, value in run.metrics.items() if name not in _NOT_LISTED]
        more = len(shown) - 8
        text = ", ".join(shown[:8]) + (f" and {more} more" if more > 0 else "")
        yield from wrap(text or "no metric", width, first=indent)


def shown(
    run: Finished, whole: Whole, *, now: float, width: int, unicode: bool, most: int | None = None
) -> Iterator[str]:
    """One run with all that it left.

    Parameters
    ----------
    run : Finished
    whole : Whole
    now : float
        Seconds since 1970.
    width : int
        Columns of the terminal.
    unicode : bool
        Whether the terminal can show curves.
    most : int, optional
        Rows of each list of files; by default all, and all of the output.

    Yields
    ------
    str
        Printable lines.
    """
    when = datetime.fromtimestamp(run.finished, UTC).isoformat(sep=" ", timespec="seconds")
    yield f"training run {run.id}"
    for text in (
        f"{printable(run.label)}, seed {run.key.seed}",
        f"of {printable(run.key.function)}",
        f"finished {when} ({age(now - run.finished)})",
        f"why: {printable(run.why) or 'not recorded'}",
    ):
        yield from wrap(text, width, first="  ", rest="    ")
    parameters = {name: _parameter(value) for name, value in json.loads(run.key.parameters).items()}
    yield from _table("Parameters", parameters, width)
    yield from _table("Environment", _environment(run.key.environment), width)
    if run.key.data:
        parts = {name: _hash(part) for name, part in whole.data.items()}
        yield from _listed_files("Declared data", {"all of it": run.key.data, **parts}, width, most)
    for title, noted in (
        ("Files that it read", whole.record.files),
        ("Modules that it imported", whole.record.modules),
        ("Code that it reached", whole.code),
    ):
        yield from _listed_files(title, {name: _hash(part) for name, part in noted.items()}, width, most)
    yield from _table("Metrics", {name: _number(value) for name, value in run.metrics.items()}, width)
    yield from _table("Splits that vary", _splits(whole.record), width)
    yield from _table("Cases", {name: _cases(one) for name, one in whole.cases.items()}, width)
    if whole.curves:
        yield "Curves"
        for name, points in whole.curves.items():
            yield from _curve(name, points, width, unicode)
    yield from _table(
        "Artifacts", {name: _artifact(size, kept) for name, size, kept in whole.artifacts}, width
    )
    for message in whole.messages:
        yield from wrap(printable(message), width, first="note: ")
    if run.failure is not None:
        yield f"Failed ({printable(run.failure.kind)})"
        yield from wrap(printable(run.failure.message), width, first="  ")
        yield from _block(run.failure.traceback, 40, width)
    if whole.output.strip():
        yield "Output"
        yield from _block(whole.output, 20 if most is not None else 10**9, width)


def value_of(key: str) -> Any:
    """A parameter of a run's key as a value; text that is no JSON as it is.

    Examples
    --------
    >>> value_of("0.1"), value_of('"adam"'), value_of("adam")
    (0.1, 'adam', 'adam')
    """
    try:
        return json.loads(key)
    except (TypeError, ValueError):
        return key


def size(count: int) -> str:
    """Bytes in the unit that a reader would choose.

    Examples
    --------
    >>> [size(n) for n in (12, 3400, 25_000_000)]
    ['12 B', '3.4 KB', '25 MB']
    """
    value, unit = float(count), "B"
    for larger in ("KB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 9.95 else f"{value:.1f} {unit}"


def _table(title: str, rows: Mapping[str, str], width: int) -> Iterator[str]:
    if not rows:
        return
    yield title
    names = {name: printable(name) for name in rows}
    field = min(24, max(columns(name) for name in names.values()))
    rest = " " * (field + 4)
    for name, value in rows.items():
        first = f"  {pad(names[name], field)}  "
        if columns(first) > len(rest):  # a long name has lines of its own
            yield from wrap(names[name], width, first="  ", rest="  ")
            first = rest
        yield from wrap(printable(value), width, first=first, rest=rest)


def _listed_files(title: str, rows: Mapping[str, str], width: int, most: int | None) -> Iterator[str]:
    """A table cut after so many rows, which says how many there are."""
    names = list(rows)[:most]
    yield from _table(title, {name: rows[name] for name in names}, width)
    if len(names) < len(rows):
        yield f"  ... and {len(rows) - len(names)} more: --all"


def _hash(digest: str) -> str:
    return digest[:16]


def _curve(name: str, points: Sequence[tuple[float, float]], width: int, unicode: bool) -> Iterator[str]:
    values = [y for _, y in points]
    finite = [y for y in values if math.isfinite(y)]
    facts = (
        f"{plural(len(points), 'point')}, first {_number(values[0])}, last {_number(values[-1])}"
        if values
        else "empty"
    )
    if finite:
        facts += f", lowest {_number(min(finite))}, highest {_number(max(finite))}"
    yield from wrap(f"{printable(name)}: {facts}", width, first="  ", rest="    ")
    if unicode and len(finite) > 1:
        yield f"    {_sparkline(values, min(60, width - 4))}"


def _sparkline(values: Sequence[float], room: int) -> str:
    """At most ``room`` bars, evenly taken; a gap where a value is not finite."""
    step = max(1.0, len(values) / room)
    taken = [values[int(place * step)] for place in range(min(room, len(values)))]
    finite = [y for y in taken if math.isfinite(y)] or [0.0]
    low, spread = min(finite), (max(finite) - min(finite)) or 1.0
    return "".join(_BARS[int((y - low) / spread * 7.999)] if math.isfinite(y) else " " for y in taken)


def _block(text: str, count: int, width: int) -> Iterator[str]:
    """The last lines of output, behind a gutter that keeps CI from taking ``::error::`` for a command."""
    for row in tail(text, count):
        yield from wrap(row, width, first="  | ", rest="  | ") if row.strip() else ["  |"]


def _environment(text: str) -> dict[str, str]:
    environment = json.loads(text)
    packages = environment.pop("packages", {})
    variables = {f"${name}": f"#{value}" for name, value in environment.pop("variables", {}).items()}
    return {name: str(value) for name, value in {**environment, **variables, **packages}.items()}


def _artifact(count: int, kept: bool) -> str:
    return size(count) if kept else f"{size(count)}, gone to make room"


def _cases(cases: Cases) -> str:
    """How many: neither names nor numbers, which are of patients."""
    of_patients = f" of {plural(cases.table.patient_count, 'patient')}" if cases.table.patients else ""
    return f"{plural(cases.table.count, 'case')}{of_patients}, {cases.metric}"


def _splits(record: Record) -> dict[str, str]:
    """What varies and its shares, by the name of the split."""
    found: dict[str, list[str]] = {}
    for name, one in zip(record.splits, record.varying, strict=True):
        found.setdefault(name.removesuffix(f": {one.words}"), []).append(one.words)
    return {name: "; ".join(words) for name, words in found.items()}


def _parameter(key: str) -> str:
    """A parameter's key as people read it; of a path its name, and the hash of what was there."""
    value = value_of(key)
    if isinstance(value, dict) and value.keys() == {"path", "content"}:
        return f"{value['path']} ({_hash(value['content'] or 'nothing there')})"
    return value if isinstance(value, str) else json.dumps(value)


def _metric(name: str, value: float) -> str:
    return f"{printable(name)} {_number(value)}"


def _number(value: float) -> str:
    return format(value, ".6g")


def _seconds(metrics: Mapping[str, float]) -> str:
    return f"{duration(metrics['seconds']) if 'seconds' in metrics else '-':>8}"
