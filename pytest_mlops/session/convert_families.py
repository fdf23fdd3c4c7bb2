"""From the families of a gate to the report model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pytest_mlops.errors import without_link
from pytest_mlops.reports import model
from pytest_mlops.session.gates import FamilyHearing, Gate


def family_id(gate: Gate, hearing: FamilyHearing) -> str:
    """The name of a gate's family: the same in every session while the test stays as it is."""
    place = next(place for place, one in enumerate(gate.families) if one is hearing)
    return f"{gate.test}#family{place + 1}"


def families_of(gate: Gate, claims: Sequence[model.Claim]) -> list[model.Family]:
    """The families of a gate, in the order in which they were stated.

    Parameters
    ----------
    gate : Gate
    claims : sequence of Claim
        All claims of the gate as the report has them, one for each hearing.
    """
    by_hearing = {id(hearing): claim for hearing, claim in zip(gate.hearings, claims, strict=True)}
    return [
        _family(gate, hearing, [by_hearing[id(row)] for row in hearing.rows]) for hearing in gate.families
    ]


def _family(gate: Gate, hearing: FamilyHearing, rows: Sequence[model.Claim]) -> model.Family:
    family, judgement = hearing.family, hearing.judgement
    verdict = hearing.verdict
    return model.Family(
        id=family_id(gate, hearing),
        claims=[row.id for row in rows],
        test=gate.test,
        line=family.line,
        statement=family.statement,
        metric=family.metric,
        side=family.side,
        lower_is_better=family.lower_is_better,
        reference=family.reference.label,
        reference_arm=_arm_id(family.reference.identity),
        verdict="ERROR" if hearing.broken else (verdict.value if verdict is not None else "UNDECIDED"),
        reason=_reason(hearing, rows),
        remedy=hearing.go_on,
        margin=family.by,
        alpha=gate.settings.alpha,
        method=judgement.method if judgement is not None else "none",
        trained=hearing.bill.trained + sum(row.trained for row in rows),
        reused=hearing.bill.reused + sum(row.reused for row in rows),
        seconds=hearing.seconds,
        remarks=hearing.remarks,
    )


def _arm_id(identity: str) -> str:
    return f"arm-{hashlib.sha256(identity.encode()).hexdigest()[:10]}"


def _reason(hearing: FamilyHearing, rows: Sequence[model.Claim]) -> str:
    """Why the family is not PASS, by the names of its rows; or what kept it from a verdict."""
    if not hearing.asked:
        return "stated, but its truth was never asked for"
    if hearing.broken:
        return without_link(hearing.error or "it was not judged")
    by_verdict: dict[str, list[str]] = {}
    for row in rows:
        by_verdict.setdefault(row.verdict, []).append(row.component or row.id)
    found = [f"{verdict}: {', '.join(names)}" for verdict, names in by_verdict.items()]
    return "interrupted; " * hearing.interrupted + "; ".join(found)
