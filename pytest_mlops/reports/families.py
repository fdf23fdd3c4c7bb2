"""The rows of an ablation as a table with a forest plot, for the terminal and for the note of a failing test."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_mlops.reports.bars import bar, domain
from pytest_mlops.reports.figures import Scale, finite, p_text
from pytest_mlops.reports.model import Claim, FailedRun, Family, Report, Result
from pytest_mlops.reports.text import columns, duration, pad, plural, printable, wrap
from pytest_mlops.reports.wording import VERDICTS, collapse_text, runs

_VERDICT = 11
_INDENT = " " * _VERDICT
_LONGEST_NAME = 18
"""Columns of a name that stands beside its numbers; a longer one has a line of its own."""
_SMALLEST_BAR, _LARGEST_BAR = 12, 40


def rows_of(family: Family, claims: Sequence[Claim]) -> list[Claim]:
    """The claims of a family, in its order."""
    known = {claim.id: claim for claim in claims}
    return [known[name] for name in family.claims if name in known]


def in_order(report: Report) -> Iterator[Claim | Family]:
    """Claims by themselves, and each family where its first row stands; a claim that no family lists stands by itself."""
    of = {name: family for family in report.families for name in family.claims}
    seen = set()
    for claim in report.claims:
        family = of.get(claim.id) if claim.family is not None else None
        if family is None:
            yield claim
        elif family.id not in seen:
            seen.add(family.id)
            yield family


def family_scale(family: Family, rows: Sequence[Claim]) -> Scale:
    """The scale on which all rows of a family are written."""
    return Scale([row.estimate for row in rows], [row.interval for row in rows], _margin(family, rows))


def ends_of(family: Family, rows: Sequence[Claim]) -> tuple[float, float] | None:
    """The ends of the scale on which all rows of a family are drawn."""
    return domain([_margin(family, rows), 0.0, *(v for row in rows for v in (row.estimate, *row.interval))])


def what(family: Family) -> str:
    """What a row's numbers are: which side minus which."""
    sides = "full minus the arm without it" if family.side == "without" else "the arm with it minus base"
    return sides + ("; lower is better" if family.lower_is_better else "")


def margin_of(family: Family, rows: Sequence[Claim]) -> str:
    """What the numbers have to be beyond: ``0``, ``-0.005``."""
    margin = finite(_margin(family, rows))
    return family_scale(family, rows).margin(margin) if margin else "0"


def counts(rows: Sequence[Claim]) -> str:
    """How the rows came out: ``5 components: 3 PASS, 2 UNDECIDED``."""
    found = [(verdict, sum(row.verdict == verdict for row in rows)) for verdict in VERDICTS]
    return f"{plural(len(rows), 'component')}: " + ", ".join(f"{n} {v}" for v, n in found if n)


def shares(family: Family, rows: Sequence[Claim]) -> str:
    """How the rows share alpha, and what their verdicts hold for."""
    holds = next((printable(row.holds_for) for row in rows), "")
    return (
        f"judged for {holds}; {printable(family.method)}: alpha {family.alpha:g} for all {len(rows)} rows together, adjusted p, "
        "each interval at the row's own level"
    )


def cost(family: Family) -> str:
    """What its training runs took."""
    return f"{runs(family.trained, family.reused)}, {duration(family.seconds)}"


def reference_text(family: Family, rows: Sequence[Claim]) -> str:
    """The reference with its mean over most seeds: ``full 0.9312: train(ema=True)``."""
    name = "full" if family.side == "without" else "base"
    most = max(rows, key=lambda row: row.n, default=None)
    side = next((s for s in most.sides if s.arm == family.reference_arm), None) if most is not None else None
    mean = finite(side.mean) if side is not None else None
    known = "" if mean is None or most is None else f" {mean:.4g} over {plural(most.n, 'seed')}"
    return f"{name}{known}: {printable(family.reference)}"


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows as lines of text, each with its verdict.

    Parameters
    ----------
    family : Family
    rows : sequence of Claim
    width : int
        Columns of a line.
    unicode : bool
        Whether box-drawing characters can be shown.
    """

    family: Family
    rows: Sequence[Claim]
    width: int
    unicode: bool

    def lines(self) -> Iterator[tuple[str, Result | None]]:
        """The title, then a line a component; long names and small terminals take a second line for the numbers."""
        names = [printable(row.component or row.id) for row in self.rows]
        numbers = [self._numbers(row) for row in self.rows]
        title = "full - variant" if self.family.side == "without" else "variant - base"
        name_field = max(n for n in map(columns, [*names, self.family.side]) if n <= _LONGEST_NAME)
        number_field = max(map(columns, [*numbers, title]))
        count_field = max([3, *(len(str(row.n)) for row in self.rows)])
        room = self.width - _VERDICT - name_field - number_field - count_field - 15
        own_line = room < _SMALLEST_BAR
        size = min(_LARGEST_BAR, self.width - _VERDICT if own_line else room)
        head = f"{pad(self.family.side, name_field)}  {pad(title, number_field)}  {'p adj.':>7}  {'n':>{count_field}}"
        yield from ((part, None) for part in wrap(head, self.width, first=_INDENT))
        for row, name, text in zip(self.rows, names, numbers, strict=True):
            facts = f"{pad(text, number_field)}  {p_text(row.adjusted_p):>7}  {row.n:>{count_field}}"
            picture = self._bar(row, size)
            verdict = pad(row.verdict, _VERDICT)
            if columns(name) > name_field:
                yield from (
                    (part, row.verdict) for part in wrap(name, self.width, first=verdict, rest=_INDENT)
                )
                verdict, name = _INDENT, ""
            line = f"{verdict}{pad(name, name_field)}  {facts}"
            if not own_line:
                yield f"{line}  {picture}", row.verdict
                continue
            fits = columns(line) <= self.width
            parts = (
                [line] if fits else wrap(f"{name}  {facts}".strip(), self.width, first=verdict, rest=_INDENT)
            )
            yield from ((part, row.verdict) for part in parts)
            yield _INDENT + picture, None

    def _numbers(self, row: Claim) -> str:
        scale = family_scale(self.family, self.rows)
        if row.verdict == "ERROR" or finite(row.estimate) is None:
            return "no estimate"
        return scale.estimate(row.estimate, row.interval, unicode=self.unicode)

    def _bar(self, row: Claim, size: int) -> str:
        return bar(
            row.estimate,
            row.interval,
            row.margin,
            zero=True,
            width=max(_SMALLEST_BAR, size),
            unicode=self.unicode,
            scale=ends_of(self.family, self.rows),
        )


def reasons(rows: Sequence[Claim], *, verbose: bool) -> Iterator[str]:
    """Why rows did not pass and what to do, those with the same reason together."""
    left = [row for row in rows if row.verdict != "PASS"]
    groups: dict[tuple[str, str], list[str]] = {}
    for row in left:
        key = (printable(row.reason), printable(row.remedy or "") if verbose or _is_short(row) else "")
        groups.setdefault(key, []).append(printable(row.component or row.id))
    for (reason, remedy), names in groups.items():
        yield f"{', '.join(names)}: {reason}"
        if remedy:
            yield f"  to do: {remedy}"


def family_evidence(
    family: Family, claims: Sequence[Claim], *, failed_runs: Sequence[FailedRun] = (), unicode: bool = True
) -> str:
    """The table of a family, and why rows did not pass, for ``exception.add_note``.

    Parameters
    ----------
    family : Family
    claims : sequence of Claim
        Those of the report; of them the family's are shown.
    failed_runs : sequence of FailedRun
        The session's; how many of them are of the family's arms is said.
    unicode : bool
        Draw the bars with box-drawing characters.

    Returns
    -------
    str
        Lines of at most 100 columns but for long reasons, no line end after the last.
    """
    rows = rows_of(family, claims)
    found = [f"{family.verdict}: {printable(family.statement)}"]
    found += [f"  why: {printable(family.reason)}"] if family.verdict == "ERROR" else []
    if not has_table(family, rows):
        return "\n".join(found)
    found.append(f"  {counts(rows)}; {cost(family)}")
    found += [
        f"  {text}".rstrip() for text, _ in Table(family=family, rows=rows, width=98, unicode=unicode).lines()
    ]
    found += [f"  {text}" for text in reasons(rows, verbose=True)]
    own = [run for run in failed_runs if any(run.arm in row.arms for row in rows)]
    if own:
        found.append(f"  {plural(len(own), 'failed training run')}: see the report")
    found += [f"  to do: {printable(family.remedy)}"] if family.remedy else []
    return "\n".join([*found, *(f"  note: {printable(remark)}" for remark in family.remarks)])


def has_table(family: Family, rows: Sequence[Claim]) -> bool:
    """Whether there is more to show than what was raised."""
    return family.verdict != "ERROR" or any(row.verdict != "ERROR" for row in rows)


def collapse_line(rows: Sequence[Claim]) -> str | None:
    """What the rows that passed on the fewest seeds cannot exclude."""
    passed = [row for row in rows if row.verdict == "PASS" and finite(row.collapse_bound) is not None]
    return collapse_text(min(passed, key=lambda row: row.n)) if passed else None


def _is_short(row: Claim) -> bool:
    """Whether its remedy is worth its line in a summary: what went wrong, and not what more seeds would show."""
    return (
        row.verdict == "ERROR" or not row.remedy or "touched nothing" in row.remedy or row.verdict == "FAIL"
    )


def _margin(family: Family, rows: Sequence[Claim]) -> float | None:
    """What the estimates have to be beyond, in the direction of the rows."""
    return next((row.margin for row in rows), family.margin)
