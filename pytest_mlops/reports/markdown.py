"""The report as Markdown that reads as it is in a pull request's comment. Foreign text passes ``escape``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_mlops.reports import escape
from pytest_mlops.reports.bars import bar, domain, legend
from pytest_mlops.reports.families import cost, counts, in_order, margin_of, rows_of
from pytest_mlops.reports.figures import Scale, finite
from pytest_mlops.reports.markdown_families import family_section
from pytest_mlops.reports.model import Arm, Claim, FailedRun, Family, Report
from pytest_mlops.reports.pieces import BAR, SIGN, folded, minus, p_cell, row
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
    table, shown = _table(report, expected), list(in_order(report))
    sections = [
        *(family_section(one, rows_of(one, report.claims)) for one in shown if isinstance(one, Family)),
        *_failures([one for one in shown if isinstance(one, Claim) and one.test not in expected]),
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
        return [f"### {SIGN['UNDECIDED']} pytest-mlops: {made}", escape.text(UNFINISHED), *again]
    sign = SIGN["FAIL" if is_bad(report) else "PASS"]
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
    return [row(titles), row(marks), *(row(cells) for cells in _all_cells(report, expected))]


def _all_cells(report: Report, expected: set[str]) -> Iterator[list[str]]:
    """A row a claim; of an ablation one row, and its table below."""
    for one in in_order(report):
        if isinstance(one, Family):
            yield _family_cells(one, rows_of(one, report.claims), one.test in expected)
        else:
            yield _cells(one, one.test in expected)


def _family_cells(family: Family, rows: list[Claim], expected: bool) -> list[str]:
    known = expected and family.verdict != "PASS"
    where = escape.code(family.test) + ("" if family.line is None else f" line {family.line}")
    return [
        f"{SIGN['PASS' if known else family.verdict]}&nbsp;{family.verdict}{' (expected)' if known else ''}",
        f"{escape.code(family.statement)}<br><sub>{where}<br>{counts(rows)}</sub>",
        "\u2013",
        "\u2013",
        minus(margin_of(family, rows)),
        "\u2013",
        "\u2013",
        cost(family),
    ]


def _cells(claim: Claim, expected: bool) -> list[str]:
    scale, known = scale_of(claim), expected and claim.verdict != "PASS"
    below = "" if claim.id == claim.test else f"{escape.text(claim.id)}: "
    below += escape.code(claim.test) + ("" if claim.line is None else f" line {claim.line}")
    if claim.parts:
        below += f"<br>{parts_line(claim.parts)}"
    return [
        f"{SIGN['PASS' if known else claim.verdict]}&nbsp;{claim.verdict}{' (expected)' if known else ''}",
        f"{escape.code(claim.statement)}<br><sub>{below}</sub>",
        minus(scale.number(claim.estimate)),
        _interval(claim, claim.estimate, claim.interval, scale),
        minus(margin_text(claim, scale)),
        f"{claim.n}&nbsp;of&nbsp;{claim.max_n}",
        p_cell(claim.p_value),
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
        width=BAR,
        scale=ends,
    )
    numbers = scale.interval(interval, unicode=True).replace(" ", "&nbsp;")
    return f"`{picture}`<br>{minus(numbers)}"


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
    return folded(title, "\n\n".join(body))


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
        rows = [row(["Verdict", "Part", "Estimate", "Interval", "n", "p", "Why"])]
        rows.append(row([":--", ":--", "--:", ":--", "--:", "--:", ":--"]))
        for part in claim.parts:
            cells = [f"{SIGN[part.verdict]}&nbsp;{part.verdict}", escape.code(part.name)]
            cells += [minus(scale.number(part.estimate))]
            cells += [_interval(claim, part.estimate, part.interval, scale, ends), str(part.n)]
            cells += [p_cell(part.p_value)]
            rows.append(row([*cells, escape.text(part.reason)]))
        yield folded(f"{escape.html(claim.statement)}: {parts_line(claim.parts)}", "\n".join(rows))


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
            row(["Context", "Estimate", "Interval", "n", "Holds"]),
            row([":--", "--:", ":--", "--:", ":--"]),
        ]
        for one in claim.contexts:
            cells = [escape.code(one.name), minus(scale.number(one.estimate))]
            cells += [_interval(claim, one.estimate, one.interval, scale, ends), str(one.n)]
            rows.append(row([*cells, "yes" if one.holds else "**no**"]))
        yield folded(escape.html(f"{claim.statement}: {contexts_line(claim)}"), "\n".join(rows))


def _cost(report: Report) -> str:
    return f"{cost_line(report)}; the session took {duration(report.session.seconds)}."


def _why(claims: list[Claim]) -> Iterator[str]:
    """Why training runs were trained and not reused."""
    rows = [
        f"- {escape.code(claim.id)}: {escape.text('; '.join(claim.why))}" for claim in claims if claim.why
    ]
    if rows:
        yield folded("Why training runs were trained", "\n".join(rows))


def _arms(arms: list[Arm]) -> Iterator[str]:
    if arms:
        rows = [row(["Arm", "Function", "Parameters", "Data", "Training runs", "Mean time"])]
        rows.append(row([":--", ":--", ":--", ":--", "--:", "--:"]))
        yield folded(f"{plural(len(arms), 'arm')}", "\n".join([*rows, *(row(_arm(arm)) for arm in arms)]))


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
    return folded("Provenance: versions, device, alpha, seeds, how to reproduce", "\n".join([*rows, *again]))


def _seeds(claim: Claim) -> str:
    used = claim.seeds[: claim.n]
    if not used:
        return ""
    in_order = len(used) > 2 and used == list(range(used[0], used[0] + len(used)))
    return f"; seeds {used[0]} to {used[-1]}" if in_order else f"; seeds {', '.join(map(str, used))}"
