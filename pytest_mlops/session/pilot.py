"""The pairs that a plan stands on: those in the store, and where they are too few, three that are trained for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.failures import claims_failure, with_worst_values
from pytest_mlops.claims.fixed import Outcomes, spread, wanting
from pytest_mlops.claims.outlook import FEWEST
from pytest_mlops.claims.splits import Splits, splits_of
from pytest_mlops.records import RunResult
from pytest_mlops.session import contexts
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.blocks import base_block, on_seeds, recorded_beside
from pytest_mlops.session.derived import with_upstreams
from pytest_mlops.session.gates import Gate
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings

Sources = Mapping[Arm, tuple[Prepared, ...] | list[RunResult]]
"""Where the results of each arm come from: they are trained (contexts in turn), or they exist."""


@dataclass(frozen=True, kw_only=True)
class Pilot:
    """What is known of a claim before it is judged.

    Parameters
    ----------
    sources : mapping of arm to where its results come from
    outcomes : mapping of arm to results
        In seed order, finished and good; the one of a fixed arm at every seed of the others.
    known : int
        Pairs that are complete.
    trained : int
        Training runs that were done for it.
    trouble : str or None
        Why there are no more pairs, where three were wanted.
    failed : bool
        Whether that is a failed training run, which will end the claim too.
    counts : bool
        Whether its pairs are the first ones that the claim will be judged by.
    splits : Splits or None
        How the splits of its training runs vary with the seed.
    """

    sources: Sources
    outcomes: Outcomes
    known: int
    trained: int = 0
    trouble: str | None = None
    failed: bool = False
    counts: bool = True
    splits: Splits | None = None


def sources_of(claim: Claim, gate: Gate, laboratory: Laboratory, *, name: str = "") -> Sources:
    """Every arm of a claim made ready, in each context of its gate, on the block of seeds of that name.

    Raises
    ------
    MlopsError
        If an arm cannot run.
    """
    ready = {arm: _ready(arm, gate, laboratory) for arm in claim.arms if arm.trains}
    name = name or base_block([one for several in ready.values() for one in several])
    found = {
        arm: tuple(on_seeds(claim, gate.settings, one, name=name) for one in several)
        for arm, several in ready.items()
    }
    recorded = recorded_beside(claim, [one for ready in found.values() for one in ready])
    return {**recorded.results, **found}


def _ready(arm: Arm, gate: Gate, laboratory: Laboratory) -> Sequence[Prepared]:
    if gate.contexts is None:
        return [laboratory.prepare(arm, gate.settings)]
    return contexts.made_ready(laboratory, arm, gate.contexts, gate.settings)


def pilot(
    claim: Claim, sources: Sources, settings: Settings, laboratory: Laboratory, *, train: bool
) -> Pilot:
    """All pairs that the store has from the first seed on, and at least three if they may be trained.

    Parameters
    ----------
    claim : Claim
        One with an arm that varies, in one context.
    sources : mapping of arm to where its results come from
    settings : Settings
        Of the gate.
    laboratory : Laboratory
        Gets training runs.
    train : bool
        Whether pairs that are missing among the first three are trained.

    Raises
    ------
    MlopsError
        If an arm cannot run, or the arms do not split alike.
    """
    outcomes: dict[Arm, list[RunResult]] = {arm: [] for arm in claim.arms}
    varying = [sources[arm] for arm in claim.varying]
    most = min(len(one) if isinstance(one, list) else len(one[0].seeds) for one in varying)
    counts = claims_failure(claim) or bool(settings.worst_values)
    bill, trouble, failed = Bill(), None, False
    for pair in range(most):
        if _missing(sources, pair, laboratory) and not (train and pair < FEWEST):
            break
        _add_pair(claim, sources, outcomes, laboratory, bill, counts=counts)
        if bill.refused is not None:
            trouble = "the budget did not allow the pilot"
            break
        known = with_worst_values(claim, outcomes, settings.worst_values)
        failure = next((run.failure for runs in known.values() for run in runs[-1:] if run.failed), None)
        if failure is not None:
            trouble, failed = f"a training run failed: {failure.message}", True
            break
    known = spread(claim, with_worst_values(claim, outcomes, settings.worst_values))
    return Pilot(
        sources=sources,
        outcomes=known,
        known=_complete(known),
        trained=bill.trained,
        trouble=trouble,
        failed=failed,
        splits=splits_of(claim, outcomes),
    )


def _add_pair(
    claim: Claim,
    sources: Sources,
    outcomes: dict[Arm, list[RunResult]],
    laboratory: Laboratory,
    bill: Bill,
    *,
    counts: bool,
) -> None:
    """One more run of each arm, from the store or trained now; fewer where one failed or the budget refused it."""
    pair = min(len(outcomes[arm]) for arm in claim.varying)
    wanted = [(arm, one[0]) for arm in wanting(claim, outcomes) if isinstance(one := sources[arm], tuple)]
    places = [(one, 0 if arm.is_fixed else pair) for arm, one in wanted]
    runs = laboratory.runs(places, bill, failures_count=counts)
    for (arm, _), run in zip(wanted, runs, strict=True):
        outcomes[arm] += [run] if run is not None else []
    for arm, source in sources.items():
        outcomes[arm] += source[pair : pair + 1] if isinstance(source, list) else []


def _missing(sources: Sources, pair: int, laboratory: Laboratory) -> int:
    """Training runs of that pair which are not finished."""
    return sum(
        laboratory.missing(one, range(1) if one.arm.is_fixed else range(pair, pair + 1))
        for one in with_upstreams(one[0] for one in sources.values() if isinstance(one, tuple))
    )


def _complete(outcomes: Outcomes) -> int:
    """Pairs before the first one that is not complete, or of which a training run failed."""
    pairs = min(map(len, outcomes.values()))
    good = (not any(runs[pair].failed for runs in outcomes.values()) for pair in range(pairs))
    return next((pair for pair, fine in enumerate(good) if not fine), pairs)
