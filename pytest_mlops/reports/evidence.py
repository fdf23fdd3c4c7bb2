"""The few lines about a claim that a failing test's exception carries as a note."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mlops.reports.bars import bar
from pytest_mlops.reports.figures import finite, p_text
from pytest_mlops.reports.model import Claim, FailedRun
from pytest_mlops.reports.terminal import failed_run
from pytest_mlops.reports.text import printable
from pytest_mlops.reports.wording import is_difference, margin_text, parts_line, runs, scale_of, seeds

_ENDLESS = 10_000
"""No wrapping: editors and JUnit viewers wrap by themselves."""


def evidence(claim: Claim, *, failed_runs: Sequence[FailedRun] = (), unicode: bool = True) -> str:
    """Verdict, numbers, reason and what to do, for ``exception.add_note``.

    Parameters
    ----------
    claim : Claim
    failed_runs : sequence of FailedRun
        The session's; of those of the claim's arms, the first three are shown with their last lines.
    unicode : bool
        Draw the bar with box-drawing characters.

    Returns
    -------
    str
        A few lines, no line end after the last.
    """
    rows = [f"{claim.verdict}: {printable(claim.statement)}"]
    rows += _numbers(claim, unicode) if claim.verdict != "ERROR" else []
    rows.append(f"  why: {printable(claim.reason)}")
    if claim.remedy and claim.verdict != "PASS":
        rows.append(f"  to do: {printable(claim.remedy)}")
    rows += [f"  note: {printable(remark)}" for remark in claim.remarks]
    own = [run for run in failed_runs if run.arm in claim.arms]
    for run in own[:3]:
        head, *tail = failed_run(run, _ENDLESS, unicode, 5, known=run.message in claim.reason)
        if tail:
            rows += [f"  failed training run: {head.strip()}", *tail]
    if len(own) > 3:
        rows.append(f"  and {len(own) - 3} more failed training runs, see the report")
    return "\n".join(rows)


def _numbers(claim: Claim, unicode: bool) -> list[str]:
    scale, zero = scale_of(claim), is_difference(claim)
    facts = [
        f"{'margin' if zero else 'bar'} {margin_text(claim, scale)}",
        seeds(claim.n, claim.max_n),
        f"p {p_text(claim.p_value)}",
        runs(claim.trained, claim.reused),
    ]
    if finite(claim.estimate) is None:
        rows = [f"  no estimate, {', '.join(facts)}"]
    else:
        numbers = scale.estimate(claim.estimate, claim.interval, unicode=unicode)
        picture = bar(
            claim.estimate,
            claim.interval,
            claim.margin,
            zero=zero,
            margin_low=claim.margin_low,
            width=40,
            unicode=unicode,
        )
        rows = [f"  estimate {numbers}, {', '.join(facts)}", f"  {picture}"]
    if claim.parts:
        rows.append(f"  {parts_line(claim.parts)}")
    for part in claim.parts:
        if part.verdict != "PASS":
            found = scale.estimate(part.estimate, part.interval, unicode=unicode)
            rows.append(f"    {part.verdict} {printable(part.name)}: {found}, {printable(part.reason)}")
    return rows
