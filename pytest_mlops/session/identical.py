"""A claim against another commit that changes nothing for it: decided without training, because both sides are one experiment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.judge import Ended, Judgement
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.stats import Verdict

_PROSE = frozenset({".md", ".rst"})
"""Files that no training run reads."""


def identical_code(
    claim: Claim, prepared: Sequence[Prepared], laboratory: Laboratory, *, trained: bool = False
) -> Judgement | None:
    """The judgement of a claim whose sides are the same experiment; None where they are not, or that is not known yet.

    They are if code, parameters, data and environment are the same, and so is all that a training run noted beyond: one that
    is finished has to hold at both commits. Where there is none, only prose may differ between them.

    Parameters
    ----------
    claim : Claim
        One against another commit.
    prepared : sequence of Prepared
        Its arms.
    laboratory : Laboratory
        Knows finished runs.
    trained : bool
        Whether a training run of the first pair was just finished.
    """
    there = next((one for one in prepared if one.elsewhere is not None), None)
    if there is None or claim.fixed or not _cancels(claim, prepared):
        return None
    here = [one for one in prepared if one.elsewhere is None and one.key.experiment == there.key.experiment]
    if not here:
        return None
    run = laboratory.finished(there)
    if run is not None:
        if any(laboratory.keeping.changed(run.record, one.at) for one in prepared):
            return None
    elif trained or not laboratory.commits.differ_only_by(there.arm, _is_prose):
        return None
    margin = claim.margin
    holds = (
        abs(margin) < claim.tolerance.size
        if claim.tolerance is not None and not claim.tolerance.relative
        else (margin < 0 if claim.sign == ">" else margin > 0)
    )
    return Judgement(
        verdict=Verdict.PASS if holds else Verdict.FAIL,
        ended=Ended.DECIDED,
        reason="identical code: nothing that the arms reach differs between the commits, so no seed can tell them apart",
        n=0,
        same_code=True,
        remedy=None
        if holds
        else "Did the change reach the training function? Nothing that it imports or reads differs.",
    )


def _cancels(claim: Claim, prepared: Sequence[Prepared]) -> bool:
    """Whether left minus right is zero whatever the metrics are, once arms of one experiment count as one."""
    experiments = {one.arm: one.key.experiment for one in prepared}
    weights: dict[tuple[str, str], float] = defaultdict(float)
    sizes: dict[tuple[str, str], float] = defaultdict(float)
    for term in claim.difference.terms:
        if term.arm not in experiments:
            return False
        name = experiments[term.arm], term.metric
        weights[name] += term.weight
        sizes[name] += abs(term.weight)
    return all(abs(weight) <= 1e-12 * sizes[name] for name, weight in weights.items())


def _is_prose(path: str) -> bool:
    name = PurePosixPath(path)
    return name.suffix in _PROSE or name.parts[0] == ".github" or name.stem in ("LICENSE", "CHANGELOG")
