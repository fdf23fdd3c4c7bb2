"""The rows of an ablation as a table in Markdown, with a forest plot of characters. Foreign text passes ``escape``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_mlops.reports import escape
from pytest_mlops.reports.bars import bar
from pytest_mlops.reports.families import (
    collapse_line,
    cost,
    counts,
    ends_of,
    family_scale,
    has_table,
    margin_of,
    reasons,
    reference_text,
    shares,
    what,
)
from pytest_mlops.reports.figures import finite
from pytest_mlops.reports.model import Claim, Family
from pytest_mlops.reports.pieces import BAR, SIGN, minus, p_cell, row


def family_section(family: Family, rows: Sequence[Claim]) -> str:
    """The table of one family, with what its numbers are above it and why rows did not pass below.

    Parameters
    ----------
    family : Family
    rows : sequence of Claim
        Its rows.

    Returns
    -------
    str
        A section that is closed in itself.
    """
    head = f"#### {SIGN[family.verdict]} {family.verdict}: {escape.code(family.statement)}"
    if family.verdict == "ERROR":
        head += f"\n\n{escape.text(family.reason)}"
    if not has_table(family, rows):
        return head
    facts = f"{what(family)}; margin {minus(margin_of(family, rows))}; {counts(rows)}; {cost(family)}"
    below = [shares(family, rows), *filter(None, [collapse_line(rows)]), *family.remarks]
    lines = [f"- {escape.text(text.strip())}" for text in reasons(rows, verbose=True)]
    lines += [f"- {escape.text(family.remedy)}"] if family.remedy else []
    parts = [
        head,
        f"{escape.text(reference_text(family, rows))}<br>{escape.text(facts)}",
        "\n".join(_table(family, rows)),
    ]
    parts += ["\n".join(lines)] if lines else []
    return "\n\n".join([*parts, f"<sub>{'<br>'.join(map(escape.text, below))}</sub>"])


def _table(family: Family, rows: Sequence[Claim]) -> Iterator[str]:
    title = "Full \u2212 variant" if family.side == "without" else "Variant \u2212 base"
    side = "Without" if family.side == "without" else "Adding"
    yield row(["Verdict", side, "Mean", title, "Interval", "n", "p adjusted"])
    yield row([":--", ":--", "--:", "--:", ":--", "--:", "--:"])
    scale, ends = family_scale(family, rows), ends_of(family, rows)
    for claim in rows:
        mean = next((side.mean for side in claim.sides if side.arm != family.reference_arm), None)
        known = finite(claim.estimate) is not None
        picture = bar(
            claim.estimate, claim.interval, claim.margin, zero=True, width=BAR, unicode=True, scale=ends
        )
        numbers = scale.interval(claim.interval, unicode=True).replace(" ", "&nbsp;")
        yield row(
            [
                f"{SIGN[claim.verdict]}&nbsp;{claim.verdict}",
                escape.code(claim.component or claim.id),
                "\u2013" if finite(mean) is None else minus(f"{mean:.4g}"),
                minus(scale.number(claim.estimate)),
                f"`{picture}`<br>{minus(numbers)}" if known else "\u2013",
                f"{claim.n}&nbsp;of&nbsp;{claim.max_n}",
                p_cell(claim.adjusted_p),
            ]
        )
