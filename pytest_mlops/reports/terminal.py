"""The summary at the end of a session: one block a claim, readable at 80 columns, without colour, in logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial

from pytest_mlops.reports.bars import bar, domain, legend
from pytest_mlops.reports.families import (
    Table,
    collapse_line,
    cost,
    counts,
    has_table,
    in_order,
    margin_of,
    reasons,
    reference_text,
    rows_of,
    shares,
    what,
)
from pytest_mlops.reports.figures import Scale, finite, p_text
from pytest_mlops.reports.model import Claim, FailedRun, Family, Part, Report
from pytest_mlops.reports.text import columns, duration, pad, plural, printable, tail, traceback_tail, wrap
from pytest_mlops.reports.wording import (
    UNFINISHED,
    broken_gates,
    chance_line,
    contexts_line,
    cost_line,
    expected_failures,
    is_bad,
    is_difference,
    made_line,
    margin_text,
    parts_line,
    place,
    runs,
    scale_of,
    scope,
    seeds,
    verdicts_line,
)

Line = tuple[str, dict[str, bool]]
"""Text and the markup of pytest's ``TerminalWriter.line``."""

_COLOUR = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow", "ERROR": "red"}
_INDENT = " " * 11
_PLAIN: dict[str, bool] = {}
_FAINT = {"light": True}


def summary(
    report: Report, *, width: int, unicode: bool, verbosity: int = 0, path: str | None = None
) -> list[Line]:
    """Lines of the summary, top to bottom; nothing is cut off, long text is wrapped.

    Parameters
    ----------
    report : Report
    width : int
        Columns of the terminal; below 40 the lines are as for 40.
    unicode : bool
        Whether the terminal can show box-drawing characters.
    verbosity : int
        0: parts that did not PASS, last 8 lines of a failed training run; from 1 on: all parts, why
        training runs were trained, 40 lines.
    path : str, optional
        Where the report was written.

    Returns
    -------
    list of (str, dict)
        Each line with its markup, for ``TerminalWriter.line(text, **markup)``.
    """
    width = max(40, width)
    rows: list[Line] = []
    expected = expected_failures(report)
    for one in in_order(report):
        if isinstance(one, Family):
            block = _family(one, report.claims, width, unicode, verbosity, one.test in expected)
        else:
            block = _claim(one, width, unicode, verbosity, one.test in expected)
        rows += [*block, ("", _PLAIN)]
    if any(claim.verdict != "ERROR" for claim in report.claims):
        rows += [(row, _FAINT) for row in wrap(legend(unicode=unicode), width, first=_INDENT)]
        rows.append(("", _PLAIN))
    for title, body in (("Failed training runs", _failed_runs), ("Messages", _messages)):
        found = list(body(report, width, unicode, verbosity))
        if found:
            rows += [(title, {"bold": True}), *found, ("", _PLAIN)]
    return rows + _totals(report, width, path)


def shown(
    report: Report, *, width: int, unicode: bool, verbosity: int, path: str, now: datetime
) -> list[Line]:
    """Lines of a report that is read later: when it was made comes first, since nothing else says that it is old.

    Parameters
    ----------
    report : Report
    width : int
        Columns of the terminal; below 40 the lines are as for 40.
    unicode : bool
        Whether the terminal can show box-drawing characters.
    verbosity : int
        As for :func:`summary`.
    path : str
        Where the report was read.
    now : datetime
        The time, in UTC.

    Returns
    -------
    list of (str, dict)
        As for :func:`summary`.
    """
    width = max(40, width)
    finished = report.session.finished
    head = [(row, {"bold": True}) for row in wrap(made_line(report.session, now=now), width)]
    rest = [] if finished else [UNFINISHED, *filter(None, [printable(report.session.command)])]
    head += [(row, _PLAIN) for text in rest for row in wrap(text, width)]
    if not finished and not report.claims:
        return head
    return [
        *head,
        ("", _PLAIN),
        *summary(report, width=width, unicode=unicode, verbosity=verbosity, path=path),
    ]


def _claim(claim: Claim, width: int, unicode: bool, verbosity: int, expected: bool) -> Iterator[Line]:
    """One block; that a gate is ``expected`` to fail is said beside its name."""
    known = expected and claim.verdict != "PASS"
    markup = {"green" if known else _COLOUR[claim.verdict]: True, "bold": True}
    where = f"{place(claim)} (expected: xfail)" if known else place(claim)
    for row in wrap(where, width, first=pad(claim.verdict, len(_INDENT)), rest=_INDENT):
        yield row, markup
    yield from _plain(wrap(printable(claim.statement), width, first=_INDENT, rest=_INDENT + "  "))
    if claim.verdict == "ERROR":
        yield from _error(claim, width)
        return
    scale = scale_of(claim)
    if finite(claim.estimate) is not None or not claim.parts:
        yield from _plain(_estimate(claim, scale, width, unicode))
    yield from _plain(wrap(_numbers(claim), width, first=_INDENT))
    yield from _plain(wrap(printable(claim.reason), width, first=_INDENT))
    yield from _plain(wrap(scope(claim), width, first=_INDENT))
    if claim.remedy and claim.verdict != "PASS":
        arrow = "\u2192 " if unicode else "-> "
        yield from _plain(_with_command(printable(claim.remedy), width, _INDENT + arrow))
    for remark in claim.remarks:
        yield from _plain(wrap(printable(remark), width, first=_INDENT + "note: "))
    for reason in claim.why if verbosity >= 1 else []:
        yield from _plain(wrap(printable(reason), width, first=_INDENT + "trained: "))
    if claim.parts:
        yield from _parts(claim, scale, width, unicode, verbosity)
    yield from _contexts(claim, scale, width, unicode)


def _contexts(claim: Claim, scale: Scale, width: int, unicode: bool) -> Iterator[Line]:
    """A line for each context: its estimate, and whether that holds the claim."""
    if not claim.contexts:
        return
    yield from _plain(wrap(contexts_line(claim), width, first=_INDENT))
    for one in claim.contexts:
        numbers = scale.estimate(one.estimate, one.interval, unicode=unicode)
        held = "holds" if one.holds else "does not hold"
        yield from _plain(
            wrap(
                f"{printable(one.name)}: {numbers}, {held}",
                width,
                first=_INDENT + "  ",
                rest=_INDENT + "    ",
            )
        )


def _family(
    family: Family, claims: list[Claim], width: int, unicode: bool, verbosity: int, expected: bool
) -> Iterator[Line]:
    """The block of an ablation: one table with a line a component."""
    rows = rows_of(family, claims)
    known = expected and family.verdict != "PASS"
    where = f"{printable(family.test)}{'' if family.line is None else f' line {family.line}'}"
    markup = {"green" if known else _COLOUR[family.verdict]: True, "bold": True}
    for row in wrap(
        f"{where} (expected: xfail)" if known else where,
        width,
        first=pad(family.verdict, len(_INDENT)),
        rest=_INDENT,
    ):
        yield row, markup
    yield from _plain(wrap(printable(family.statement), width, first=_INDENT, rest=_INDENT + "  "))
    if family.verdict == "ERROR":
        yield from _plain(_with_command(printable(family.reason), width, _INDENT))
        yield from _plain(wrap(f"no verdict: {cost(family)}", width, first=_INDENT))
    if not has_table(family, rows):
        return
    yield from _plain(wrap(reference_text(family, rows), width, first=_INDENT, rest=_INDENT + "  "))
    for text, verdict in Table(family=family, rows=rows, width=width, unicode=unicode).lines():
        yield text.rstrip(), {_COLOUR[verdict]: True} if verdict is not None else _PLAIN
    facts = f"{what(family)}; margin {margin_of(family, rows)}; {counts(rows)}; {cost(family)}"
    yield from _plain(wrap(facts, width, first=_INDENT))
    for text in reasons(rows, verbose=verbosity >= 1):
        yield from _plain(_with_command(text, width, _INDENT))
    if family.remedy:
        yield from _plain(
            _with_command(printable(family.remedy), width, _INDENT + ("\u2192 " if unicode else "-> "))
        )
    yield from _plain(wrap(shares(family, rows), width, first=_INDENT))
    collapse = collapse_line(rows)
    yield from _plain(wrap(collapse, width, first=_INDENT) if collapse is not None else [])
    for remark in [*family.remarks, *dict.fromkeys(r for row in rows for r in row.remarks if verbosity >= 1)]:
        yield from _plain(wrap(printable(remark), width, first=_INDENT + "note: "))
    for reason in [why for row in rows for why in row.why] if verbosity >= 1 else []:
        yield from _plain(wrap(printable(reason), width, first=_INDENT + "trained: "))


def _error(claim: Claim, width: int) -> Iterator[Line]:
    """What kept a claim from a verdict, and what was trained until then."""
    yield from _plain(_with_command(printable(claim.reason), width, _INDENT))
    spent = f"no verdict: {runs(claim.trained, claim.reused)}, {duration(claim.seconds)}"
    yield from _plain(wrap(spent, width, first=_INDENT))


def _with_command(text: str, width: int, first: str) -> list[str]:
    """Text, wrapped; a command at its end stands on a line of its own, whole, to be copied."""
    before, command, words = text.rpartition(": pytest ")
    if not command:
        return wrap(text, width, first=first)
    return [*wrap(f"{before}:", width, first=first), f"pytest {words}"]


def _estimate(claim: Claim, scale: Scale, width: int, unicode: bool) -> list[str]:
    if finite(claim.estimate) is None:
        return wrap("no estimate", width, first=_INDENT)
    numbers = scale.estimate(claim.estimate, claim.interval, unicode=unicode)
    zero = is_difference(claim)
    draw = partial(
        bar,
        claim.estimate,
        claim.interval,
        claim.margin,
        zero=zero,
        margin_low=claim.margin_low,
        unicode=unicode,
    )
    return _drawn(numbers, draw, _INDENT, width)


def _drawn(numbers: str, draw: Callable[..., str], indent: str, width: int) -> list[str]:
    """Numbers and bar on one line, bars below each other; the bar on its own line where it would be small."""
    field = max(len(_INDENT) + 27 - len(indent), columns(numbers))
    room = width - len(indent) - field - 1
    if room >= 24:
        return [f"{indent}{pad(numbers, field)} {draw(width=min(40, room))}"]
    return [*wrap(numbers, width, first=indent), indent + draw(width=min(40, width - len(indent)))]


def _numbers(claim: Claim) -> str:
    scale = scale_of(claim)
    label = "margin" if is_difference(claim) else "bar"
    words = [f"{label} {margin_text(claim, scale)}", seeds(claim.n, claim.max_n)]
    words += [f"p {p_text(claim.p_value)}"] if claim.p_value is not None else []
    return ", ".join([*words, runs(claim.trained, claim.reused), duration(claim.seconds)])


def _parts(claim: Claim, scale: Scale, width: int, unicode: bool, verbosity: int) -> Iterator[Line]:
    """The line that folds the parts, then those that did not PASS; all of them when asked to be verbose."""
    shown = [part for part in claim.parts if verbosity >= 1 or part.verdict != "PASS"]
    yield from _plain(wrap(parts_line(claim.parts), width, first=_INDENT))
    zero = is_difference(claim)
    ends = domain(
        [claim.margin, claim.margin_low, 0.0 if zero else None]
        + [value for part in claim.parts for value in (part.estimate, *part.interval)]
    )
    for part in shown:
        markup = {_COLOUR[part.verdict]: True}
        title = f"{pad(part.verdict, 10)}{printable(part.name)}"
        for row in wrap(title, width, first=_INDENT + "  ", rest=_INDENT + " " * 12):
            yield row, markup
        yield from _plain(_part(part, claim, scale, width, unicode, ends))


def _part(
    part: Part, claim: Claim, scale: Scale, width: int, unicode: bool, ends: tuple[float, float] | None
) -> list[str]:
    indent = _INDENT + "  "
    facts = f"{plural(part.n, 'seed')}" + ("" if part.p_value is None else f", p {p_text(part.p_value)}")
    why = wrap(f"{facts}: {printable(part.reason)}", width, first=indent)
    if finite(part.estimate) is None:
        return why
    numbers = scale.estimate(part.estimate, part.interval, unicode=unicode)
    zero = is_difference(claim)
    draw = partial(
        bar,
        part.estimate,
        part.interval,
        claim.margin,
        zero=zero,
        margin_low=claim.margin_low,
        unicode=unicode,
        scale=ends,
    )
    return [*_drawn(numbers, draw, indent, width), *why]


def failed_run(
    run: FailedRun, width: int, unicode: bool, count: int, *, known: bool = False
) -> Iterator[str]:
    """One failed training run: which, why (unless ``known``), the last lines that it printed and of its traceback.

    The gutter keeps printed lines such as ``::error::`` from being taken for commands by CI.
    """
    gutter = "    \u2502 " if unicode else "    | "
    yield from wrap(f"{printable(run.label)}, seed {run.seed}", width, first="  ", rest="    ")
    kind, message = printable(run.kind), printable(run.message)
    if not known:
        yield from wrap(message if message.startswith(kind) else f"{kind}: {message}", width, first="    ")
    said = " ".join(run.traceback.split()) == message
    for row in [*tail(run.output, count), *([] if said else traceback_tail(run.traceback, count))]:
        text = row.lstrip(" ")
        first = gutter + " " * (len(row) - len(text))
        yield from wrap(text, width, first=first) if text else [gutter.rstrip()]


def _failed_runs(report: Report, width: int, unicode: bool, verbosity: int) -> Iterator[Line]:
    for run in report.failed_runs:
        yield from _plain(list(failed_run(run, width, unicode, 40 if verbosity >= 1 else 8)))


def _messages(report: Report, width: int, unicode: bool, verbosity: int) -> Iterator[Line]:
    del unicode, verbosity
    for gate in broken_gates(report):
        text = f"{printable(gate.test)}: {printable(gate.message or '')}"
        yield from _plain(wrap(text, width, first="  gate "))
    for message in report.messages:
        where = f" ({printable(message.test)})" if message.test else ""
        yield from _plain(wrap(printable(message.text) + where, width, first=f"  {message.level}: "))


def _totals(report: Report, width: int, path: str | None) -> list[Line]:
    markup = {"red" if is_bad(report) else "green": True, "bold": True}
    rows = [(row, markup) for row in wrap(verdicts_line(report), width)]
    chance = chance_line(report)
    rows += [(row, _PLAIN) for row in wrap(chance, width)] if chance is not None else []
    rows += [(row, _PLAIN) for row in wrap(cost_line(report), width)]
    if path is not None:
        rows += [(row, _PLAIN) for row in wrap(f"report: {printable(path)}", width, rest="  ")]
    return rows


def _plain(rows: list[str]) -> Iterator[Line]:
    for row in rows:
        yield row, _PLAIN
