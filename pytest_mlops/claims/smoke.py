"""What smoke runs already tell of a claim: whether its metrics exist. Their values say nothing."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_mlops.claims.arms import Arm, Recording
from pytest_mlops.claims.claim import Claim, refuse_rates
from pytest_mlops.errors import MetricError
from pytest_mlops.records import BUILT_IN_METRICS, Smoked


def check_smoked(claim: Claim, smoked: Mapping[Arm, Smoked]) -> str | None:
    """Check the names in a claim against the metrics that smoke runs returned.

    A name that is missing is a mistake, with one exception. Where a loader stopped early, a family of names
    (``auc/siteA``, ``auc/siteB``) may be incomplete, because its other cases came later: that is a doubt.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    smoked : mapping of arm to Smoked
        What came back for each arm that trains; recorded arms are looked up by themselves.

    Returns
    -------
    str or None
        The doubt: what only a training run can tell.

    Raises
    ------
    MetricError
        If a metric does not exist, or the arms differ in what a wildcard matches.
    NotBuiltError
        If a metric is yes/no.
    """
    known = {arm: smoked[arm] if arm.trains else _of_recording(arm) for arm in claim.arms}
    names = {arm: [*one.names, *BUILT_IN_METRICS] for arm, one in known.items()}
    try:
        parts = claim.parts(names)
    except MetricError as error:
        if _may_be_incomplete(claim, known):
            return str(error.args[0])
        raise
    for part in parts:
        refuse_rates(claim, part, {arm: one.yes_no for arm, one in known.items()})
    return None


def _of_recording(arm: Arm) -> Smoked:
    source = arm.source
    assert isinstance(source, Recording)
    return Smoked(names=tuple(source.metrics), yes_no=source.yes_no, shortened=False, seconds=0.0)


def _may_be_incomplete(claim: Claim, known: Mapping[Arm, Smoked]) -> bool:
    """Whether every name that is missing belongs to a family of which other members came back."""
    if not any(one.shortened for one in known.values()):
        return False
    for term in claim.difference.terms:
        own = known[term.arm].names
        if "*" in term.metric:
            before, _, after = term.metric.partition("*")
            if not any(
                name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after)
                for name in own
            ):
                return False
        elif term.metric not in own:
            family, slash, _ = term.metric.rpartition("/")
            if not slash or not any(name.startswith(f"{family}/") for name in own):
                return False
    return True
