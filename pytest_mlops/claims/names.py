"""What the first runs already tell of a claim: whether its metrics exist. Their values say nothing yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.expressions import Expression
from pytest_mlops.claims.methods import AUTO, designed, refuse
from pytest_mlops.claims.rates import is_rate, rate_test
from pytest_mlops.claims.recording import Recording
from pytest_mlops.claims.splits import Splits
from pytest_mlops.errors import MetricError
from pytest_mlops.records import BUILT_IN_METRICS, Returned
from pytest_mlops.stats import SequentialTest


def check_names(
    claim: Claim,
    returned: Mapping[Arm, Returned],
    *,
    test: SequentialTest | None = None,
    method: str = AUTO,
) -> str | None:
    """Check the names in a claim against the metrics that runs returned.

    A name that is missing is a mistake, with one exception. Where a loader stopped early, a family of names
    (``auc/siteA``, ``auc/siteB``) may be incomplete, because its other cases came later: that is a doubt.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    returned : mapping of arm to Returned
        What came back; arms of which nothing is known yet are left out. Recorded arms need no entry.
    test : SequentialTest, optional
        The claim's design: a rate that its seeds can never show is an error.
    method : str
        Which test judges numbers, as the option says it: one that rates are not judged by is an error.

    Returns
    -------
    str or None
        The doubt: what only a training run can tell.

    Raises
    ------
    MetricError
        If a metric does not exist, or the arms differ in what a wildcard matches.
    ClaimError, SettingError
        If a metric is yes/no, and no exact test answers the claim, or none with so few seeds; if splits vary, and the method
        or so few seeds cannot do with that.
    """
    known = {arm: _of_recording(arm.source) for arm in claim.arms if isinstance(arm.source, Recording)}
    known |= {arm: returned[arm] for arm in claim.arms if arm in returned}
    if test is not None:
        for split in {split for one in known.values() for split in one.splits}:
            designed(claim, test, method, Splits(ratio=split.test / split.fit, folds=split.folds))
    try:
        parts = _parts(claim, {arm: [*one.names, *BUILT_IN_METRICS] for arm, one in known.items()})
    except MetricError as error:
        if _may_be_incomplete(claim, known):
            return str(error.args[0])
        raise
    if all(arm in known for arm in claim.arms):
        yes_no = {arm: one.yes_no | {"failed"} for arm, one in known.items()}
        for part in parts:
            if is_rate(claim, part, yes_no) and test is not None:
                varying = any(one.splits for one in known.values())
                refuse(claim, "a yes/no metric", method, varying=varying)
                rate_test(claim, part, test)
    return None


def _of_recording(recording: Recording) -> Returned:
    return Returned(names=tuple(recording.metrics), yes_no=recording.yes_no)


def _parts(claim: Claim, names: Mapping[Arm, Sequence[str]]) -> list[Part]:
    """The claim's parts; while an arm is unknown, those of each term by itself."""
    if all(arm in names for arm in claim.arms):
        return claim.parts(names)
    alone = [
        replace(claim, left=Expression((term,)), right=Expression(()))
        for term in claim.difference.terms
        if term.arm in names
    ]
    return [part for one in alone for part in one.parts(names)]


def _may_be_incomplete(claim: Claim, known: Mapping[Arm, Returned]) -> bool:
    """Whether a loader stopped early, and every name that is missing has a family of which others came back."""
    if not any(one.shortened for one in known.values()):
        return False
    terms = [term for term in claim.difference.terms if term.arm in known]
    return all(_is_of_a_family(term.metric, known[term.arm].names) for term in terms)


def _is_of_a_family(metric: str, names: Sequence[str]) -> bool:
    """Whether the metric is there, or others whose names begin alike: up to the last slash, or up to the wildcard."""
    if metric in names:
        return True
    before, star, after = metric.partition("*")
    family = before if star else metric[: metric.rfind("/") + 1]
    fitting = [name for name in names if name.startswith(family) and name.endswith(after)]
    return bool(family) and any(len(name) > len(family) + len(after) for name in fitting)
