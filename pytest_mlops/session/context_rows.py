"""What each context of a claim shows, for the report; and what a reader has to know of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.contexts import Contexts
from pytest_mlops.claims.sequences import PartJudgement
from pytest_mlops.reports import model
from pytest_mlops.reports.figures import p_text
from pytest_mlops.session.gates import Hearing

_DIFFERENT = 0.05
"""p-value of the interaction below which the gain is said to differ between contexts."""


def contexts_shown(
    hearing: Hearing, contexts: Contexts | None, part: PartJudgement | None
) -> tuple[list[model.Context], float | None]:
    """Every context by itself, and the p-value of all of them showing the same; nothing before two rounds."""
    from pytest_mlops.stats.contexts import LEAST_ROUNDS, ContextTest

    test = hearing.test
    if contexts is None or part is None or not isinstance(test, ContextTest):
        return [], None
    known = part.contrasts[: part.decision.n]
    rounds = len(known) // test.contexts
    if rounds < LEAST_ROUNDS:
        return [], None
    found = test.by_context(known)
    rows = [
        model.Context(
            name=context.name,
            estimate=one.estimate,
            interval=(_finite(one.interval[0]), _finite(one.interval[1])),
            n=rounds,
            holds=_holds(hearing.claim, one.estimate, part.limits),
        )
        for context, one in zip(contexts.each, found.contexts, strict=True)
    ]
    return rows, found.interaction


def contexts_remarks(rows: Sequence[model.Context], interaction: float | None) -> Iterable[str]:
    """The contexts whose estimate does not hold the claim, and whether contexts differ."""
    without = [f"{row.name} ({row.estimate:+.4g})" for row in rows if not row.holds]
    if without:
        yield f"the estimate does not hold the claim at {'; '.join(without)}"
    if interaction is not None and interaction < _DIFFERENT:
        yield (
            f"the contexts differ (interaction p {p_text(interaction)}): read the estimate of each, not their mean alone"
        )


def _holds(claim: Claim, estimate: float, limits: tuple[float, ...]) -> bool:
    if claim.tolerance is not None:
        return limits[0] < estimate < limits[-1]
    return estimate > limits[0] if claim.sign == ">" else estimate < limits[0]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
