"""Which stored runs have a say in a claim beyond its pairs: found once, before its first look."""

from __future__ import annotations

from pytest_mlops.claims.methods import AUTO
from pytest_mlops.claims.surplus import Surplus, unfit
from pytest_mlops.session.costs import claims_cost
from pytest_mlops.session.gates import Gate, Hearing
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.spending import spends


def surplus_of(hearing: Hearing, gate: Gate, laboratory: Laboratory) -> Surplus | None:
    """The stored runs of the claim's right side that count; what keeps them from it becomes a remark.

    Parameters
    ----------
    hearing : Hearing
        Of the claim, with its arms ready on their seeds.
    gate : Gate
        That asks, with ``surplus = true``.
    laboratory : Laboratory
        Knows finished runs.
    """
    from pytest_mlops.stats.surplus import SurplusTest

    assert hearing.test is not None
    why = _unfit(hearing, gate)
    if why is None:
        ready = {one.arm: one for one in hearing.prepared}
        right, left = (ready[side.terms[0].arm] for side in (hearing.claim.right, hearing.claim.left))
        runs = laboratory.stored_before(right, left)
        failed = sum(run.failed for run in runs)
        why = SurplusTest(hearing.test).refusal(len(runs)) or None
        if why is None and failed:
            why = f"{failed} of the {len(runs)} stored training runs failed"
        if why is None and any(run.splits for run in runs):
            why = "its splits vary with the seed"
        if why is None:
            return Surplus(arm=right.arm, runs=tuple(runs))
    hearing.remarks.append(f"surplus: the pairs alone count, because {why}")
    return None


def _unfit(hearing: Hearing, gate: Gate) -> str | None:
    claim, settings = hearing.claim, gate.settings
    if claims_cost(claim):
        return "what training takes is measured anew"
    if gate.contexts is not None:
        return "it is asked over contexts"
    if settings.method != AUTO:
        return f"method = {settings.method} has no use for them"
    if settings.confirm_harm:
        return "confirm_harm goes on to a boundary that has none"
    if spends(settings):
        return "attempts = spend counts on seeds that nobody has seen"
    return unfit(claim)
