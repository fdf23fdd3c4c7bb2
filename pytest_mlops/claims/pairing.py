"""Which recorded result is paired with which: by place, or by seed; and whether their order may be trusted."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.recording import Recording
from pytest_mlops.errors import RecordedError
from pytest_mlops.records import RunResult
from pytest_mlops.settings import MOST_SEEDS

_TREND = 1e-3
"""Chance below which a trend of a metric over the training runs is no coincidence."""

_SORTED = 0.01
"""The same for one arm that is sorted from end to end; six training runs are, with a chance of 0.003."""

_ALL_SORTED = 0.02
"""The same for several arms, all of which are sorted: five training runs of one are, with a chance of 0.017."""

_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The recorded results of a claim, in the order in which they make pairs."""

    results: Mapping[Arm, list[RunResult]]
    remarks: tuple[str, ...] = ()
    """What is there and was not used."""


def recorded_results(claim: Claim, trained: Sequence[int] | None) -> Recorded:
    """Put the recorded results of a claim in the order of its pairs.

    Without seeds pairs are made by place. With seeds they are made by seed, in the order of the seeds; beside arms that
    train, in the order of their block. Pairs are those of an unbroken start of that order, as for any claim: a seed
    that is missing in between is an error, because it may be one that failed.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    trained : sequence of int or None
        The block of seeds of the arms that train; None where all results are recorded.

    Raises
    ------
    RecordedError
        If seeds are missing, or some arms have seeds and others have none, or results are sorted by the metric itself.
    """
    recordings = {arm: arm.source for arm in claim.arms if isinstance(arm.source, Recording)}
    if not recordings:
        return Recorded(results={})
    named = {arm: one.seeds for arm, one in recordings.items() if one.seeds is not None}
    if not named:
        _refuse_sorted(claim, recordings)
        return Recorded(results=_by_place(recordings), remarks=tuple(_longer(claim, recordings)))
    if len(named) < len(recordings):
        without = next(arm for arm in recordings if arm not in named)
        raise RecordedError(
            f"{claim.statement}: {_called(claim, next(iter(named)))} names the seeds of its training runs, and "
            f"{_called(claim, without)} does not, so that nobody can tell which belong together. Name those of both "
            "(seed=...), or of neither: then they are paired in the order in which they stand."
        )
    given = {
        seed for arm in claim.fixed for seed in arm.uses.seeds or ()
    }  # it shares its luck with its own seed
    order = list(trained) if trained is not None else sorted(set().union(*named.values()) - given)
    pairs = _unbroken(claim, named, order, trains=trained is not None)
    found = {arm: dict(zip(named[arm], one.results(), strict=True)) for arm, one in recordings.items()}
    return Recorded(
        results={arm: [runs[seed] for seed in order[:pairs]] for arm, runs in found.items()},
        remarks=tuple(_left_over(claim, named, set(order[:pairs]))),
    )


def _by_place(recordings: Mapping[Arm, Recording]) -> dict[Arm, list[RunResult]]:
    return {arm: one.results() for arm, one in recordings.items()}


def _unbroken(claim: Claim, named: Mapping[Arm, Sequence[int]], order: Sequence[int], *, trains: bool) -> int:
    """How many seeds from the start of the order every arm has, if none of them has the one after a gap."""
    has = {arm: set(seeds) for arm, seeds in named.items()}
    common = [all(seed in seeds for seeds in has.values()) for seed in order]
    pairs = common.index(False) if False in common else len(common)
    if pairs and not any(common[pairs:]):
        return pairs
    last = len(common) - common[::-1].index(True) if any(common) else len(common)
    arm = next(arm for arm, seeds in has.items() if any(seed not in seeds for seed in order[:last]))
    missing = [seed for seed in order[:last] if seed not in has[arm]]
    if trains and not pairs:
        raise RecordedError(_other_seeds(claim, arm, missing, sorted(named[arm])))
    raise RecordedError(
        f"{claim.statement}: {_called(claim, arm)} has no training run of seed{'s' * (len(missing) > 1)} {_few(missing)}, which "
        "another arm has. A missing seed may be one that failed, and no seed is dropped in silence: add a row for it, with nan "
        "if it failed; or compare the same seeds on both sides, chosen without a look at their results."
    )


def _other_seeds(claim: Claim, arm: Arm, missing: Sequence[int], there: Sequence[int]) -> str:
    return (
        f"{claim.statement}: the arm that trains does so under seeds {_few(missing)}, and {_called(claim, arm)} has seeds "
        f"{_few(there)}. Train under those: .using(seeds={_written(there)}). Or leave out seed=...: then they are paired in the "
        "order in which they stand, as independent training runs."
    )


def _left_over(claim: Claim, named: Mapping[Arm, Sequence[int]], used: Collection[int]) -> Iterator[str]:
    for arm, seeds in named.items():
        more = sorted(set(seeds) - set(used))
        if more:
            yield f"seeds {_few(more)} of {_called(claim, arm)} have no partner, and were not used"


def _longer(claim: Claim, recordings: Mapping[Arm, Recording]) -> Iterator[str]:
    fewest = min(one.length for one in recordings.values())
    for arm, one in recordings.items():
        if one.length > fewest:
            yield (
                f"{_called(claim, arm)} has {one.length} training runs: the first {fewest} have partners, the others were not "
                "used"
            )


# --- an order that knows the results


def _refuse_sorted(claim: Claim, recordings: Mapping[Arm, Recording]) -> None:
    """Sorted results make pairs that are alike, and a sequence that begins with its best.

    A test that looks after every pair, and pairs at all, need an order that does not hang on the results.
    """
    from pytest_mlops.stats.order import chance_of_order

    numbers = {
        (arm, metric): [value for value in values[:MOST_SEEDS] if math.isfinite(value)]
        for arm, one in recordings.items()
        for metric, values in one.metrics.items()
        if _is_claimed(claim, arm, metric)
    }
    chances = {key: chance_of_order(values) for key, values in numbers.items()}
    ends = {key for key, chance in chances.items() if chance < _ALL_SORTED and _is_sorted(numbers[key])}
    all_sorted = len(recordings) > 1 and {arm for arm, _ in ends} == set(recordings)
    for (arm, metric), chance in chances.items():
        limit = _ALL_SORTED if all_sorted else _SORTED
        if chance < _TREND or ((arm, metric) in ends and chance < limit):
            how = "is sorted" if (arm, metric) in ends else "rises or falls"
            raise RecordedError(
                f"{claim.statement}: {metric!r} of {_called(claim, arm)} {how} from its first training run to its last, which "
                f"happens by chance in {chance:.2g} of lists. Sorted results make pairs that are alike and a start that is the "
                "best of all; the points of a curve are no training runs. Give one number a training run, in an order that knows "
                "nothing of the results (the time of its start), or name its seeds (seed=...)."
            )


def _is_sorted(values: Sequence[float]) -> bool:
    return list(values) in (sorted(values), sorted(values, reverse=True))


def _is_claimed(claim: Claim, arm: Arm, metric: str) -> bool:
    for term in claim.difference.terms:
        before, star, after = term.metric.partition("*")
        fits = metric.startswith(before) and metric.endswith(after) if star else metric == term.metric
        if term.arm == arm and fits:
            return True
    return False


# --- words


def _called(claim: Claim, arm: Arm) -> str:
    name = claim.names.get(arm.identity)
    return f"{name}, {arm.label}," if name else arm.label


def _few(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    shown = ", ".join(str(seed) for seed in seeds[:_SHOWN])
    return shown + (f" and {len(seeds) - _SHOWN} more" if len(seeds) > _SHOWN else "")


def _written(seeds: Sequence[int]) -> str:
    """As Python that a user can copy."""
    if list(seeds) == list(range(seeds[0], seeds[-1] + 1)) and len(seeds) > 2:
        return f"range({seeds[0]}, {seeds[-1] + 1})"
    return f"[{', '.join(map(str, seeds[:_SHOWN]))}{', ...' if len(seeds) > _SHOWN else ''}]"
