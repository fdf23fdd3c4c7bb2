"""Claims on metrics with a number for each test case: they shall hold for new patients too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.sentences import seed_of
from pytest_mlops.errors import MetricError
from pytest_mlops.records import Cases, RunResult
from pytest_mlops.stats import Decision, SequentialTest

Weighted = list[tuple[float, list[Cases]]]


@dataclass(frozen=True, kw_only=True)
class Side:
    """A one-sided claim: the weighted sum is beyond the margin, above it (1) or below (-1)."""

    terms: Weighted
    margin: float
    direction: float


def cases_of(
    claim: Claim, part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int
) -> list[list[Cases]] | None:
    """The cases of every term at the first ``usable`` seeds; None where a metric of the part has none.

    Raises
    ------
    MetricError
        If training runs differ in their cases, patients or labels.
    """
    found = [[outcomes[t.arm][i].cases.get(t.metric) for i in range(usable)] for t in part.terms]
    if any(cases is None for row in found for cases in row):
        _check_all_or_none(claim, part, outcomes, found)
        return None
    from pytest_mlops.stats.run_cases import difference_in_cases

    rows = [[cases for cases in row if cases is not None] for row in found]
    differs = difference_in_cases([cases for row in rows for cases in row])
    if differs is not None:
        place, what = differs
        term, index = part.terms[place // usable], place % usable
        raise MetricError(
            f'{claim.statement}: {term.arm.label}["{term.metric}"] under {seed_of(outcomes[term.arm], index)} was given for '
            f"{what}. Every training run of a claim has to hand in the same cases, patients and labels (run.cases)."
        )
    return rows


def decide(
    test: SequentialTest,
    claim: Claim,
    part: Part,
    rows: Sequence[list[Cases]],
    *,
    identical: bool,
    resolution: float,
    parts: int,
) -> tuple[Decision, ...]:
    """One decision for ``>`` and ``<``, in units of the contrast; two for an equivalence, of its lower and upper side."""
    from pytest_mlops.stats.equivalence import decide_sides
    from pytest_mlops.stats.run_cases import decide_claim_by_cases

    def decided(side: Side, n: int) -> Decision:
        return decide_claim_by_cases(
            test,
            [(weight, row[:n]) for weight, row in side.terms],
            margin=side.margin,
            direction=side.direction,
            identical=identical,
            resolution=resolution,
            parts=parts * len(sides),
        )

    n, sides = len(rows[0]), sides_by_cases(claim, part, rows)
    if len(sides) == 1:
        return (decided(sides[0], n),)
    return decide_sides(lambda n: decided(sides[0], n), lambda n: decided(sides[1], n), n)


def sides_by_cases(claim: Claim, part: Part, rows: Sequence[list[Cases]]) -> tuple[Side, ...]:
    """What has to hold for a part: itself, or both sides of an equivalence, the lower one first."""
    right = {(t.arm, t.metric): t.weight for t in part.right}

    def weighted(share: float) -> Weighted:
        """Left minus right, and a share of what is on the right."""
        return [
            (t.weight + share * right.get((t.arm, t.metric), 0.0), row)
            for t, row in zip(part.terms, rows, strict=True)
        ]

    tolerance = claim.tolerance
    if tolerance is None:
        return (Side(terms=weighted(0.0), margin=claim.margin, direction=1.0 if claim.sign == ">" else -1.0),)
    share = tolerance.size if tolerance.relative else 0.0
    room = tolerance.size * claim.right.constant if tolerance.relative else tolerance.size
    return (
        Side(terms=weighted(share), margin=claim.margin - room, direction=1.0),
        Side(terms=weighted(-share), margin=claim.margin + room, direction=-1.0),
    )


def _check_all_or_none(
    claim: Claim,
    part: Part,
    outcomes: Mapping[Arm, Sequence[RunResult]],
    found: Sequence[Sequence[Cases | None]],
) -> None:
    """A metric with cases under some seeds only would change its meaning from run to run."""
    for term, row in zip(part.terms, found, strict=True):
        missing = [index for index, cases in enumerate(row) if cases is None]
        if missing and len(missing) < len(row):
            raise MetricError(
                f'{claim.statement}: {term.arm.label}["{term.metric}"] has numbers for each case under some seeds and not under '
                f"{seed_of(outcomes[term.arm], missing[0])}. Call run.cases in every training run."
            )
