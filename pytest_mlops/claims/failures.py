"""What a failed training run counts as in a claim that says what it counts as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.errors import MetricError
from pytest_mlops.records import RunResult

Outcomes = Mapping[Arm, Sequence[RunResult]]
NO_VALUES: Mapping[str, float] = MappingProxyType({})


def claims_failure(claim: Claim) -> bool:
    """Whether the claim is about ``failed`` itself, so that a failed training run is an answer like any other."""
    return all(term.metric == "failed" for term in claim.difference.terms)


def with_worst_values(claim: Claim, outcomes: Outcomes, worst: Mapping[str, float]) -> Outcomes:
    """The outcomes with failed training runs replaced by what they count as, where the claim says so.

    Parameters
    ----------
    claim : Claim
        What is claimed; of ``failed``, every training run counts as it is.
    outcomes : mapping of arm to results
        In seed order.
    worst : mapping of metric names or patterns to numbers
        What stands for a failed training run.

    Raises
    ------
    MetricError
        If a training run that did not fail has a worse value: then failing would be rewarded.
    """
    if not worst and not claims_failure(claim):
        return outcomes
    return {
        arm: [_counted(claim, arm, run, outcomes, worst) if run.failed else run for run in runs]
        if arm not in claim.fixed  # one run that failed is nothing to stand against
        else runs
        for arm, runs in outcomes.items()
    }


def _counted(
    claim: Claim, arm: Arm, run: RunResult, outcomes: Outcomes, worst: Mapping[str, float]
) -> RunResult:
    if claims_failure(claim):
        return replace(run, failure=None, metrics={"failed": 1.0}, yes_no=frozenset({"failed"}))
    values = {}
    for name in _needed(claim, arm, outcomes):
        value = next((number for pattern, number in worst.items() if fnmatchcase(name, pattern)), None)
        if value is None:
            return run
        _check_worst(claim, name, value, outcomes)
        values[name] = value
    return replace(run, failure=None, metrics=values, yes_no=frozenset(), weights=None) if values else run


def _needed(claim: Claim, arm: Arm, outcomes: Outcomes) -> list[str]:
    """The arm's metrics in the claim, wildcards filled in from training runs that returned them."""
    names = {name for runs in outcomes.values() for run in runs if not run.failed for name in run.metrics}
    found: list[str] = []
    for term in claim.difference.terms:
        if term.arm != arm:
            continue
        before, star, after = term.metric.partition("*")
        if not star:
            found.append(term.metric)
        found += sorted(n for n in names if star and n.startswith(before) and n.endswith(after))
    return found


def _check_worst(claim: Claim, name: str, value: float, outcomes: Outcomes) -> None:
    """A failed training run must not count for more than one that finished.

    A bar tells which direction is better. Two arms do not (the loss of the candidate may stand on either side), but
    the worst value that a metric can take is beyond all others in one of the two.
    """
    known = [
        run.metrics[name]
        for runs in outcomes.values()
        for run in runs
        if not run.failed and name in run.metrics
    ]
    below, above = all(value <= number for number in known), all(value >= number for number in known)
    fits = below or above
    if claim.has_bar and claim.tolerance is None:
        fits = below if claim.sign == ">" else above
    if not fits:
        raise MetricError(
            f"{claim.statement}: on_failure says {name}={value:g} for a failed training run, but finished ones lie between "
            f"{min(known):.4g} and {max(known):.4g}, so that failing could pay. Declare the worst value that the metric can take."
        )
