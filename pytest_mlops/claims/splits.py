"""Splits that vary with the seed: what the runs of a claim recorded of them, and whether the arms agree.

Splits of the same data overlap, so that contrasts are correlated, and a sequence of looks would pass far too often. So what
is recorded is read before any verdict, from all runs that are known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.recording import Recording
from pytest_mlops.claims.sentences import seed_of
from pytest_mlops.errors import SplitError
from pytest_mlops.records import RunResult, VaryingSplit

Outcomes = Mapping[Arm, Sequence[RunResult]]


@dataclass(frozen=True, kw_only=True)
class Splits:
    """How the splits of a claim's runs vary."""

    ratio: float
    """Test over training samples, the largest of all runs."""
    folds: int | None = None
    """How many folds take turns; None for splits drawn from the seed."""


def varies(outcomes: Outcomes) -> bool:
    """Whether any training run recorded a split that varies with the seed."""
    return any(run.splits for runs in outcomes.values() for run in runs)


def splits_of(claim: Claim, outcomes: Outcomes) -> Splits | None:
    """How splits vary in the runs that are known; None where all are of one fixed split, or nothing is known.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    outcomes : mapping of arm to results
        In seed order, as they are, failed ones too; of a fixed arm its one result; arms of which nothing is known may be left
        out.

    Raises
    ------
    SplitError
        If splits vary in some runs and not in others, or not alike in all arms.
    """
    known = {arm: list(outcomes.get(arm, ())) for arm in claim.arms}
    if not varies(known):
        return None
    _refuse_fixed(claim, known)
    _refuse_unlike_arms(claim, known)
    _refuse_folds_out_of_turn(claim, known)
    folds = {one.folds for _, _, run in _runs(known) for one in run.splits if one.folds is not None}
    if len(folds) > 1:
        few, many = min(folds), max(folds)
        raise SplitError(
            f"{claim.statement}: its training runs split into {few} and into {many} folds, and no number of seeds is a whole "
            "number of repeats of both. Use one number of folds."
        )
    return Splits(ratio=_ratio(claim, known), folds=next(iter(folds), None))


def _runs(known: Outcomes) -> Iterator[tuple[Arm, int, RunResult]]:
    """Every run of which the splits are known: one that failed may have failed before it split."""
    for arm, runs in known.items():
        for index, run in enumerate(runs):
            if run.splits or not run.failed:
                yield arm, index, run


def _refuse_fixed(claim: Claim, known: Outcomes) -> None:
    fixed = [(arm, index) for arm, index, run in _runs(known) if not run.splits]
    fixed += [(arm, 0) for arm in claim.arms if isinstance(arm.source, Recording) or arm in claim.fixed]
    if not fixed:
        return
    other, place = fixed[0]
    arm, index, run = next((a, i, r) for a, i, r in _runs(known) if r.splits)
    varies = f"{claim.statement}: the split of {arm.label} varies ({run.splits[0].words}, under {seed_of(known[arm], index)})"
    if isinstance(other.source, Recording):
        raise SplitError(
            f"{varies}, and nothing is known of the splits behind {other.label}, which is recorded. Train both arms with "
            "the same run.split, or train on one fixed split (leave by= and folds= out)."
        )
    if other in claim.fixed:
        raise SplitError(
            f"{varies}, and {other.label} is one training run, which was tested on one split: no test holds for their "
            "difference. Train both arms under many seeds (leave using(seeds=[...]) out), or on one fixed split."
        )
    if other == arm:
        raise SplitError(
            f"{varies}, but not under {seed_of(known[other], place)}: no test holds for such a mixture. Call run.split alike "
            "under every seed."
        )
    raise SplitError(
        f"{varies}, and that of {other.label} is fixed: their difference would be of other test data, and no test holds for "
        "it. Call run.split alike in all arms: with the same by= or folds=, or without."
    )


def _refuse_unlike_arms(claim: Claim, known: Outcomes) -> None:
    """At each seed all arms divide alike, as far as sizes and folds tell."""
    first: dict[int, tuple[Arm, tuple[VaryingSplit, ...]]] = {}
    for arm, index, run in _runs(known):
        if run.failed:  # it may have failed between two splits
            continue
        splits = tuple(sorted(run.splits, key=lambda one: one.text))
        other, expected = first.setdefault(index, (arm, splits))
        if splits != expected:
            raise SplitError(
                f"{claim.statement}: under {seed_of(known[arm], index)} {other.label} and {arm.label} split differently: "
                f"{_words(expected)}, and {_words(splits)}. Their difference would be of other data as well: call run.split with "
                "the same data, test=, by= and folds= in all arms."
            )


def _words(splits: Sequence[VaryingSplit]) -> str:
    return " and ".join(one.words for one in splits)


def _refuse_folds_out_of_turn(claim: Claim, known: Outcomes) -> None:
    """Whole repeats are what the corrected variance is made for: every fold once a repeat, in turn."""
    for arm, index, run in _runs(known):
        wrong = next((one for one in run.splits if one.folds is not None and one.index != index), None)
        if wrong is not None:
            raise SplitError(
                f"{claim.statement}: training run number {index + 1} of {arm.label} tested {wrong.words}, so its folds do not "
                "come in turn. Call run.split(folds=...) once a training run, with the same number of folds under every seed."
            )


def _ratio(claim: Claim, known: Outcomes) -> float:
    """The largest split of a run counts: where there are several, nobody knows which one a metric is of."""
    from pytest_mlops.stats.splits import ratio_of_shares

    shares = [max(one.share for one in run.splits) for _, _, run in _runs(known) if not run.failed]
    shares = shares or [max(one.share for one in run.splits) for _, _, run in _runs(known)]
    try:
        return ratio_of_shares(shares, shares)
    except ValueError as error:
        raise SplitError(
            f"{claim.statement}: {error}. Take test= as a share, and groups of like size."
        ) from None
