"""Which seeds the arms of a claim are trained under."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.pairing import Recorded, recorded_results
from pytest_mlops.claims.seeds import block
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings

LEFT_OUT = "no pair has the seed of a fixed arm: under it a training run could share the luck of the one that is given"
"""Why a seed of the block is missing."""


def left_out(claim: Claim, settings: Settings) -> bool:
    """Whether the block of the claim's varying arms has the seed of a fixed one."""
    return bool(_given(claim) & set(claim.seeds or block(settings.seed, settings.max_seeds)))


def base_block(ready: Sequence[Prepared]) -> str:
    """Name of the block of a claim against another commit: the key of what it is compared with, without the seed.

    So all work on one base has its runs on the same seeds; and what is merged because it was lucky has other ones when it
    is the base itself.

    Parameters
    ----------
    ready : sequence of Prepared
        The claim's arms that train.
    """
    return " ".join(sorted({one.key.experiment for one in ready if one.elsewhere is not None}))


def on_seeds(claim: Claim, settings: Settings, prepared: Prepared, *, name: str = "") -> Prepared:
    """An arm with the seeds that a claim has it trained under.

    Where an arm is fixed, its own seed is left out for the others: arms share per seed their data order and initial
    weights, so that a lucky fixed run and the other arm's run of that seed would be lucky together.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    settings : Settings
        Of the gate.
    prepared : Prepared
        One of the claim's arms.
    name : str
        Name of the block of seeds.
    """
    if prepared.arm.is_fixed or not (name or _given(claim)):
        return prepared
    given = _given(claim)
    whole: Sequence[int] = claim.seeds or block(settings.seed, settings.max_seeds + len(given), name=name)
    kept = [(seed, place) for place, seed in enumerate(whole) if seed not in given]
    kept = kept if claim.seeds else kept[: settings.max_seeds]
    return replace(prepared, seeds=tuple(seed for seed, _ in kept), places=tuple(place for _, place in kept))


def recorded_beside(claim: Claim, prepared: Sequence[Prepared]) -> Recorded:
    """The claim's recorded results in pairs with its arms that train, or with each other where none does."""
    trained = next((one.seeds for one in prepared if not one.arm.is_fixed), None)
    return recorded_results(claim, trained)


def how_many(claim: Claim, settings: Settings) -> int:
    """Seeds at the most, by the block that the claim's arms name, or by ``max_seeds``."""
    if claim.seeds is None:
        return settings.max_seeds
    return min(settings.max_seeds, len(set(claim.seeds) - _given(claim)))


def _given(claim: Claim) -> set[int]:
    return {seed for arm in claim.fixed for seed in arm.uses.seeds or ()}
