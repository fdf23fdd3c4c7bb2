"""Fixed arms: one training run each, which is given, and stands against every seed of the other arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.records import RunResult

Outcomes = Mapping[Arm, Sequence[RunResult]]


def spread(claim: Claim, outcomes: Outcomes) -> Outcomes:
    """The outcomes with the one training run of each fixed arm at every seed of the others.

    Parameters
    ----------
    claim : Claim
        What is claimed; where all of its arms are fixed there is nothing to spread.
    outcomes : mapping of arm to results
        Of fixed arms one result or none, of others in seed order.
    """
    if not claim.fixed or not claim.varying:
        return outcomes
    pairs = max(1, *(len(outcomes[arm]) for arm in claim.varying))
    return {
        arm: [*results[:1]] * pairs if arm in claim.fixed else results for arm, results in outcomes.items()
    }


def pairs_known(claim: Claim, outcomes: Outcomes) -> int:
    """How many pairs are complete."""
    known = spread(claim, outcomes)
    return min(len(known[arm]) for arm in claim.arms)


def wanting(claim: Claim, outcomes: Outcomes) -> list[Arm]:
    """The arms of which the next pair wants a training run: fixed ones first, and once.

    Examples
    --------
    >>> from pytest_mlops.claims.arms import Arms
    >>> def train(run):
    ...     return {"auc": 0.9}
    >>> arm = Arms()
    >>> claim = arm(train)["auc"] > arm(train).using(seeds=[0])["auc"]
    >>> wanting(claim, {arm: [] for arm in claim.arms})
    [train().using(seeds=(0,)), train()]
    """
    return [*(arm for arm in claim.fixed if not outcomes[arm]), *claim.varying]


def given(claim: Claim) -> str:
    """What a verdict takes as given, for people; empty where nothing is.

    Examples
    --------
    >>> from pytest_mlops.claims.arms import Arms
    >>> def train(run):
    ...     return {"auc": 0.9}
    >>> arm = Arms()
    >>> given(arm(train)["auc"] > arm(train).using(seeds=[0])["auc"]), given(arm(train)["auc"] > 0.9)
    ('this baseline', '')
    """
    left = {term.arm for term in claim.left.terms}
    names = [
        f"this {claim.names.get(arm.identity, arm.label)}" if arm in left else "this baseline"
        for arm in claim.fixed
    ]
    return " and ".join(dict.fromkeys(names))
