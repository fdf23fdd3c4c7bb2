"""Pairs of training runs whose cost can be compared: trained now, one after the other, in the order A B B A."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_mlops.claims.claim import Claim
from pytest_mlops.errors import ClaimError
from pytest_mlops.records import RunResult
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared

COSTS = ("seconds", "gpu_seconds", "peak_memory_mb")

NOT_RESERVED = (
    "measured on a device that was not reserved: whatever else ran there counts. Training runs of the store are never used "
    "for it"
)


def claims_cost(claim: Claim) -> bool:
    """Whether the claim is about what training takes, and its arms train."""
    return any(term.metric in COSTS and term.arm.trains for term in claim.difference.terms)


def check_cost(claim: Claim, prepared: Sequence[Prepared], *, alone: bool) -> None:
    """Refuse what would measure something else.

    Raises
    ------
    ClaimError
        If GPU seconds are claimed of a CPU, recorded results or a fixed arm stand on one side, or several workers train
        at once.
    """
    terms = claim.difference.terms
    if claim.fixed:
        fixed = claim.fixed[0]
        raise ClaimError(
            f"{claim.statement}: {claim.names.get(fixed.identity, fixed.label)} names one seed, and what training takes is "
            "compared pair by pair, each trained now and next to each other. Drop its .using(seeds=...), or claim a bar."
        )
    elsewhere = next((arm for arm in claim.arms if arm.uses.ref is not None), None)
    if elsewhere is not None:
        raise ClaimError(
            f"{claim.statement}: {elsewhere.label} trains in a process of its own, start-up included, so that what it takes "
            "compares with nothing. Claim a bar, or keep both variants in the code and compare those."
        )
    cpu = [one.arm for one in prepared if one.place.device == "cpu"]
    for term in terms:
        if term.metric == "gpu_seconds" and term.arm in cpu:
            raise ClaimError(
                f"{claim.statement}: {term.arm.label} trains on the CPU, so it takes no GPU seconds. Claim "
                '"seconds", or choose a GPU: --mlops-device=cuda.'
            )
    if any(not arm.trains for arm in claim.arms):
        raise ClaimError(
            f"{claim.statement}: what recorded training runs took, and on which device, is not known here, so that it "
            "compares with nothing that is trained now. Record both sides, or train both."
        )
    if not alone:
        raise ClaimError(
            f"{claim.statement}: what training takes can be compared only where one training run is at work at a time. "
            "Run this gate without the workers of pytest-xdist: pytest --mlops -n0."
        )


def next_pair(
    laboratory: Laboratory, arms: Sequence[Prepared], place: int, bill: Bill
) -> list[RunResult | None]:
    """The runs of a pair, trained now next to each other; every second pair in the opposite order.

    An arm that was not trained in this process before is trained once in advance: what its start-up takes belongs to no
    pair. A pair that another claim has just had trained in that way is taken over.
    """
    order, keys = in_order(arms, place), []
    for arm in order:  # what derived arms go on from comes before what is compared
        ready = laboratory.ready(arm, place, bill)
        if ready is None or isinstance(ready, RunResult):
            return [ready if one is arm else None for one in arms]
        keys.append(ready.key)
    found: list[RunResult | None] | None = laboratory.fresh.in_a_row(keys)  # type: ignore[assignment]  # more is allowed
    if found is None:
        for arm, key in zip(order, keys, strict=True):
            if not laboratory.fresh.is_warm(key) and laboratory.train_again(arm, place, bill) is None:
                return [None] * len(arms)
        found = []
        for arm in order:
            run = laboratory.train_again(arm, place, bill)
            found.append(run)
            if run is None:
                break
        found += [None] * (len(order) - len(found))
    by_arm = dict(zip([arm.key.experiment for arm in order], found, strict=True))
    return [by_arm[arm.key.experiment] for arm in arms]


def in_order(arms: Sequence[Prepared], place: int) -> list[Prepared]:
    """A B, B A, A B, ...: whatever drifts falls on both sides alike.

    Examples
    --------
    >>> in_order(["A", "B"], 0), in_order(["A", "B"], 1)
    (['A', 'B'], ['B', 'A'])
    """
    return list(arms) if place % 2 == 0 else list(reversed(arms))
