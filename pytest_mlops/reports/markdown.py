"""The report as Markdown that reads as it is in a pull request's comment. Foreign text passes ``escape``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_mlops.reports import escape
from pytest_mlops.reports.bars import bar, domain, legend
from pytest_mlops.reports.figures import Scale, finite, p_text
from pytest_mlops.reports.model import Arm, Claim, FailedRun, Report
from pytest_mlops.reports.text import duration, plural, tail, traceback_tail
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
    runs,
    scale_of,
    scope,
    verdicts_line,
)

LIMIT = 60_000
"""GitHub refuses comments of more than 65,536 characters; this many bytes are safe whatever it counts."""

_SIGN = {"PASS": "\u2705", "FAIL": "\u274c", "UNDECIDED": "\u2754", "ERROR": "\u2757"}
_BAR = 24


def markdown(report: Report, *, limit: int = LIMIT) -> str:
    """Verdict first, then the table of claims, what failed and why, and, folded, everything else.

    Parameters
    ----------
    report : Report
    limit : int
        Most bytes (UTF-8) of the text. Rows and sections that do not fit are left out whole, and counted.

    Returns
    -------
    str
        GitHub's Markdown, ending in a line end.
    """
    head = _head(report)
    expected = expected_failures(report)
    table = _table(report, expected)
    sections = [
        *_failures([claim for claim in report.claims if claim.test not in expected]),
        *_gates(report),
        *(_failed_run(run) for run in report.failed_runs),
        *_messages(report),
        *_parts(report.claims),
        *_contexts(report.claims),
        *([_cost(report)] if report.session.finished else []),
        *_why(report.claims),
        *_arms(report.arms),
        _provenance(report),
    ]
    return _fit(head, table, sections, limit)


def _head(report: Report) -> list[str]:
    """How it came out, and when: whoever opens the file later has to see that it is of today."""
    made = escape.text(made_line(report.session))
    if not report.session.finished:
        again = [escape.block(report.session.command)] if report.session.command else []
        return [f"### {_SIGN['UNDECIDED']} pytest-mlops: {made}", escape.text(UNFINISHED), *again]
    sign = _SIGN["FAIL" if is_bad(report) else "PASS"]
    chance = chance_line(report)
    below = f"<sub>{made}</sub>" if chance is None else f"<sub>{made}<br>{escape.text(chance)}</sub>"
    return [f"### {sign} pytest-mlops: {verdicts_line(report)}", below]


def _fit(head: list[str], table: list[str], sections: list[str], limit: int) -> str:
    """Join what fits; every section is closed in itself, so that leaving one out breaks nothing."""
    room = limit - 400 - sum(_size(part) for part in head)
    rows, room = _take(table, room, separator=1)
    kept, _ = _take(sections, room, separator=2)
    parts = [*head, *(["\n".join(rows)] if rows else []), *kept]
    if len(rows) < len(table):
        parts.append(f"{plural(len(table) - max(2, len(rows)), 'more claim')}: see `report.json`.")
    if len(kept) < len(sections):
        parts.append(
            f"{plural(len(sections) - len(kept), 'section')} left out for length: see `report.json`."
        )
    return "\n\n".join(parts) + "\n"


def _take(parts: Iterable[str], room: int, *, separator: int) -> tuple[list[str], int]:
    kept = []
    for part in parts:
        size = _size(part) + separator
        if size <= room:
            kept.append(part)
            room -= size
        elif separator == 1:
            break
    return kept, room


def _size(part: str) -> int:
    return len(part.encode("utf-8", "replace"))


def _table(report: Report, expected: set[str]) -> list[str]:
    if not report.claims:
        return []
    titles = ["Verdict", "Claim", "Estimate", "Interval", "Margin", "n", "p", "Training runs"]
    marks = [":--", ":--", "--:", ":--", "--:", "--:", "--:", ":--"]
    return [
        _row(titles),
        _row(marks),
        *(_row(_cells(claim, claim.test in expected)) for claim in report.claims),
    ]


def _cells(claim: Claim, expected: bool) -> list[str]:
    scale, known = scale_of(claim), expected and claim.verdict != "PASS"
    below = "" if claim.id == claim.test else f"{escape.text(claim.id)}: "
    below += escape.code(claim.test) + ("" if claim.line is None else f" line {claim.line}")
    if claim.parts:
        below += f"<br>{parts_line(claim.parts)}"
    return [
        f"{_SIGN['PASS' if known else claim.verdict]}&nbsp;{claim.verdict}{' (expected)' if known else ''}",
        f"{escape.code(claim.statement)}<br><sub>{below}</sub>",
        _minus(scale.number(claim.estimate)),
        _interval(claim, claim.estimate, claim.interval, scale),
        _minus(margin_text(claim, scale)),
        f"{claim.n}&nbsp;of&nbsp;{claim.max_n}",
        _minus(p_text(claim.p_value)).replace("<", "&lt;").replace(">", "&gt;"),
        f"{runs(claim.trained, claim.reused)}, {duration(claim.seconds)}",
    ]


def _interval(
    claim: Claim,
    estimate: float | None,
    interval: tuple[float | None, float | None],
    scale: Scale,
    ends: tuple[float, float] | None = None,
) -> str:
    """The bar above its numbers."""
    if finite(estimate) is None:
        return "\u2013"
    picture = bar(
        estimate,
        interval,
        claim.margin,
        zero=is_difference(claim),
        margin_low=claim.margin_low,
        width=_BAR,
        scale=ends,
    )
    numbers = scale.interval(interval, unicode=True).replace(" ", "&nbsp;")
    return f"`{picture}`<br>{_minus(numbers)}"


def _failures(claims: list[Claim]) -> Iterator[str]:
    """What did not PASS and why."""
    bad = [claim for claim in claims if claim.verdict != "PASS"]
    if bad:
        yield "#### What did not pass, and why"
    for claim in bad:
        rows = [f"**{claim.verdict}** {escape.code(claim.statement)} ({escape.code(claim.test)})", ""]
        rows.append(f"- {escape.text(claim.reason)}")
        rows += [f"- What to do: {escape.text(claim.remedy)}"] if claim.remedy else []
        rows += [
            f"- {part.verdict} {escape.code(part.name)}: {escape.text(part.reason)}"
            for part in claim.parts
            if part.verdict != "PASS"
        ]
        yield "\n".join(rows + [f"- Note: {escape.text(remark)}" for remark in claim.remarks])


def _gates(report: Report) -> Iterator[str]:
    for gate in broken_gates(report):
        yield f"Gate {escape.code(gate.test)} {gate.outcome}: {escape.text(gate.message or '')}"


def _failed_run(run: FailedRun) -> str:
    title = f"Failed training run: {escape.html(run.label)}, seed {run.seed}: {escape.html(run.kind)}"
    body = [escape.text(run.message) or "no message"]
    for name, rows in (("traceback", traceback_tail(run.traceback, 20)), ("output", tail(run.output, 20))):
        if " ".join(rows) == run.message:
            continue
        body += [f"Last lines of its {name}:", escape.block("\n".join(rows))] if rows else []
    return _folded(title, "\n\n".join(body))


def _messages(report: Report) -> Iterator[str]:
    if report.messages:
        yield "\n".join(
            f"- **{message.level}**: {escape.text(message.text)}"
            + (f" ({escape.code(message.test)})" if message.test else "")
            for message in report.messages
        )


def _parts(claims: list[Claim]) -> Iterator[str]:
    for claim in claims:
        if not claim.parts:
            continue
        scale = scale_of(claim)
        zero = [0.0] if is_difference(claim) else []
        ends = domain(
            [
                claim.margin,
                claim.margin_low,
                *zero,
                *(v for p in claim.parts for v in (p.estimate, *p.interval)),
            ]
        )
        rows = [_row(["Verdict", "Part", "Estimate", "Interval", "n", "p", "Why"])]
        rows.append(_row([":--", ":--", "--:", ":--", "--:", "--:", ":--"]))
        for part in claim.parts:
            cells = [f"{_SIGN[part.verdict]}&nbsp;{part.verdict}", escape.code(part.name)]
            cells += [_minus(scale.number(part.estimate))]
            cells += [_interval(claim, part.estimate, part.interval, scale, ends), str(part.n)]
            cells += [_minus(p_text(part.p_value)).replace("<", "&lt;").replace(">", "&gt;")]
            rows.append(_row([*cells, escape.text(part.reason)]))
        yield _folded(f"{escape.html(claim.statement)}: {parts_line(claim.parts)}", "\n".join(rows))


def _contexts(claims: list[Claim]) -> Iterator[str]:
    """The contexts of claims that are judged over their mean."""
    for claim in claims:
        if not claim.contexts:
            continue
        scale = scale_of(claim)
        ends = domain(
            [claim.margin, claim.margin_low, *(v for c in claim.contexts for v in (c.estimate, *c.interval))]
        )
        rows = [
            _row(["Context", "Estimate", "Interval", "n", "Holds"]),
            _row([":--", "--:", ":--", "--:", ":--"]),
        ]
        for one in claim.contexts:
            cells = [escape.code(one.name), _minus(scale.number(one.estimate))]
            cells += [_interval(claim, one.estimate, one.interval, scale, ends), str(one.n)]
            rows.append(_row([*cells, "yes" if one.holds else "**no**"]))
        yield _folded(escape.html(f"{claim.statement}: {contexts_line(claim)}"), "\n".join(rows))


def _cost(report: Report) -> str:
    return f"{cost_line(report)}; the session took {duration(report.session.seconds)}."


def _why(claims: list[Claim]) -> Iterator[str]:
    """Why training runs were trained and not reused."""
    rows = [
        f"- {escape.code(claim.id)}: {escape.text('; '.join(claim.why))}" for claim in claims if claim.why
    ]
    if rows:
        yield _folded("Why training runs were trained", "\n".join(rows))


def _arms(arms: list[Arm]) -> Iterator[str]:
    if arms:
        rows = [_row(["Arm", "Function", "Parameters", "Data", "Training runs", "Mean time"])]
        rows.append(_row([":--", ":--", ":--", ":--", "--:", "--:"]))
        yield _folded(f"{plural(len(arms), 'arm')}", "\n".join([*rows, *(_row(_arm(arm)) for arm in arms)]))


def _arm(arm: Arm) -> list[str]:
    given = [escape.code(f"{name}={value}") for name, value in arm.parameters.items()]
    mean = finite(arm.mean_seconds)
    return [
        escape.code(arm.label),
        escape.code(arm.function),
        ", ".join(given) or "\u2013",
        escape.code(arm.data[:12]) if arm.data else "\u2013",
        str(arm.runs),
        "\u2013" if mean is None else duration(mean).replace(" ", "&nbsp;"),
    ]


def _provenance(report: Report) -> str:
    s = report.session
    facts = {
        "Version": f"{report.tool.name} {report.tool.version}",
        "Started": s.started,
        "Python": s.python,
        "Platform": s.platform,
        "Device": s.device,
        "Precision": s.precision,
    }
    rows = [f"- {name}: {escape.text(value)}" for name, value in facts.items() if value]
    same: dict[str, list[str]] = {}
    for claim in report.claims:
        same.setdefault(f"{scope(claim)}, power {claim.power:g}{_seeds(claim)}", []).append(claim.id)
    rows += [f"- {', '.join(map(escape.code, ids))}: {escape.text(how)}" for how, ids in same.items()]
    for environment in {str(arm.environment): arm.environment for arm in report.arms}.values():
        versions = [f"{name} {value}" for name, value in environment.items()]
        rows += [f"- Environment: {escape.text(', '.join(versions))}"] if versions else []
    rows.append(f"- How to read the bars: `{legend(unicode=True)}`")
    again = ["", "To reproduce:", "", escape.block(s.command)] if s.command else []
    return _folded("Provenance: versions, device, alpha, seeds, how to reproduce", "\n".join([*rows, *again]))


def _seeds(claim: Claim) -> str:
    used = claim.seeds[: claim.n]
    if not used:
        return ""
    in_order = len(used) > 2 and used == list(range(used[0], used[0] + len(used)))
    return f"; seeds {used[0]} to {used[-1]}" if in_order else f"; seeds {', '.join(map(str, used))}"


def _folded(title: str, body: str) -> str:
    """A folded section; ``title`` is HTML, the blank lines let GitHub read the body as Markdown."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _minus(number: str) -> str:
    """Numbers as typeset: a real minus, which no list marker is made of, and a dash for the unknown."""
    return "\u2013" if number == "-" else number.replace("e-", "e\u2212").replace("-", "\u2212")
