"""What training runs have to agree in, before their numbers mean anything: names, kinds of metrics, randomness of their own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part, check_metric
from pytest_mlops.claims.rates import is_rate, yes_no_of
from pytest_mlops.claims.sentences import seed_of
from pytest_mlops.claims.terms import Term
from pytest_mlops.errors import MetricError, RunError
from pytest_mlops.records import RunResult

_CHANCE = 1e-4
"""Below it a metric that repeats in cycles is no coincidence, even if training knows few different ends."""

_FROM_RUN = (
    "Take all randomness from run (run.rng, run.generator, run.loader, run.init) or the global generators, and none from a "
    "part of the seed such as run.seed % 5. Cross-validation is run.split(data, folds=5)."
)


def check_agreement(claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int) -> list[Part]:
    """The parts of a claim, if the runs of its arms agree in what they have to.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    outcomes : mapping of arm to results
        In seed order; good ones.
    usable : int
        How many of each arm count, at least one.

    Raises
    ------
    MetricError
        If a metric does not exist, or its name is not the same in every run.
    RunError
        If a training function seeds the generators alike under every seed, or trains few distinct runs under many.
    ClaimError
        If a metric turns out to be yes/no, and no exact test answers the claim.
    """
    _refuse_equal_randomness(claim, outcomes, usable)
    _refuse_repeats(claim, outcomes, usable)
    parts = claim.parts({arm: list(outcomes[arm][0].metrics) for arm in claim.arms})
    yes_no = yes_no_of(claim, outcomes, usable)
    for part in parts:
        _check_every_run(part, outcomes, usable)
        _refuse_overflow(claim, part, outcomes, usable)
        _refuse_cycles(claim, part, outcomes, usable)
        if not is_rate(claim, part, yes_no):
            _refuse_rates_as_numbers(claim, part, outcomes, usable)
    _check_wildcards(claim, parts, outcomes, usable)
    return parts


def _refuse_equal_randomness(claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int) -> None:
    """A function that seeds the generators alike under two seeds trains one run under many names."""
    for arm in claim.varying:
        first: dict[str, int] = {}
        for index, result in enumerate(outcomes[arm][:usable]):
            alike = [call for call in result.reseeded if first.setdefault(call, index) != index]
            if alike:
                one, other = (seed_of(outcomes[arm], place) for place in (first[alike[0]], index))
                where = "under every seed" if index == 1 else f"under {one} and under {other}"
                raise RunError(
                    f"{arm.label} calls {alike[0]} {where}, so that its training runs share their randomness and "
                    "say nothing of new seeds.\n  Delete the call (the generators are seeded with run.seed before the function "
                    "starts), or seed with run.seed. For a fixed split use run.split, or numpy.random.default_rng(0)."
                )


def _refuse_repeats(claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int) -> None:
    """Thirty runs that are three (``fold = run.seed % 3``) would count as thirty.

    Equal weights, curves and metrics under two seeds are no coincidence. Where all seeds are alike, training is
    deterministic and has no spread to judge by, which needs no error.
    """
    for arm in claim.varying:
        first: dict[str, int] = {}
        for index, result in enumerate(outcomes[arm][:usable]):
            if result.weights is not None and first.setdefault(result.weights, index) != index:
                again = (first[result.weights], index)
                break
        else:
            continue
        traces = [result.weights for result in outcomes[arm][:usable]]
        if len(set(traces)) == 1:
            continue
        one, other = (seed_of(outcomes[arm], index) for index in again)
        raise RunError(
            f"{arm.label} trained the same weights, bit for bit, under {one} and under {other}, but not under every seed: "
            f"its {usable} training runs are fewer than they seem, and would be counted as {usable}.\n  {_FROM_RUN}"
        )


def _refuse_cycles(
    claim: Claim, part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int
) -> None:
    """The same where no weights were seen (scikit-learn): five folds in turn give five numbers in turn."""
    for term in part.terms:
        values = [outcomes[term.arm][index].metrics[term.metric] for index in range(usable)]
        cycle = _cycle(values)
        if cycle is not None:
            raise RunError(
                f"{claim.names.get(term.arm.identity, term.arm.label)}[{term.metric!r}] repeats every {cycle} training runs: "
                f"its {usable} training runs are {cycle}, and would be counted as {usable}.\n  {_once_each(term)}"
            )


def _cycle(values: Sequence[float]) -> int | None:
    """Length of the cycle in which numbers repeat, at least twice and by no coincidence.

    If the order meant nothing, two of them would be equal with the chance that two drawn from all of them are.

    Examples
    --------
    >>> _cycle([0.1, 0.2, 0.3] * 4), _cycle([0.1, 0.2, 0.3] * 3), _cycle([0.1] * 30)
    (3, None, None)
    """
    n = len(values)
    for length in range(2, n // 2 + 1):
        if values[length:] == values[:-length]:
            alike = sum((count / n) ** 2 for count in Counter(values).values())
            return length if alike < 1.0 and alike ** (n - length) < _CHANCE else None
    return None


def _check_every_run(part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int) -> None:
    for term in part.terms:
        for index in range(usable):
            result = outcomes[term.arm][index]
            if term.metric not in result.metrics:
                own = ", ".join(repr(name) for name in result.metrics)
                seed = seed_of(outcomes[term.arm], index)
                raise MetricError(
                    f"{term.arm.label} returned metric {term.metric!r} for its first seed but not under {seed} "
                    f"({own}). Every training "
                    "run has to return the same names, whatever the seed."
                )
    for term in part.terms:
        check_metric(term, list(outcomes[term.arm][0].metrics))


def _refuse_overflow(
    claim: Claim, part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int
) -> None:
    """Finite numbers may have an infinite difference."""
    for index in range(usable):
        if not math.isfinite(sum(t.weight * outcomes[t.arm][index].metrics[t.metric] for t in part.terms)):
            raise MetricError(
                f"{claim.statement}: the numbers under {seed_of(outcomes[claim.arms[0]], index)} are too large for a difference. "
                "Return them in another unit."
            )


def _refuse_rates_as_numbers(
    claim: Claim, part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int
) -> None:
    """``float(converged)`` is a rate as much as ``converged`` is; constant 0 or 1 gives no t, and may stay."""
    for term in part.terms:
        if {outcomes[term.arm][index].metrics[term.metric] for index in range(usable)} == {0.0, 1.0}:
            raise MetricError(
                f'{claim.statement}: "{term.metric}" is 0 or 1 in every training run, so it is a yes/no metric, and a t-test '
                f"would call five lucky training runs a proof. {_as_bools(term)}"
            )


def _once_each(term: Term) -> str:
    return _FROM_RUN if term.arm.trains else "Do the same training runs stand there more than once?"


def _as_bools(term: Term) -> str:
    if not term.arm.trains:
        return "Record it as true or false."
    return f'Return it as True or False:\n  return {{"{term.metric}": bool(...)}}'


def _check_wildcards(
    claim: Claim, parts: Sequence[Part], outcomes: Mapping[Arm, Sequence[RunResult]], usable: int
) -> None:
    """A name that turns up at a later seed would be a part that nobody judged."""
    if not any("*" in term.metric for term in claim.difference.terms):
        return
    expected = [part.name for part in parts]
    for index in range(1, usable):
        found = [
            part.name for part in claim.parts({arm: list(outcomes[arm][index].metrics) for arm in claim.arms})
        ]
        if found != expected:
            only = ", ".join(repr(name) for name in sorted(set(found) ^ set(expected)))
            seed = seed_of(outcomes[claim.arms[0]], index)
            raise MetricError(
                f"{claim.statement}: the names that * stands for change between seeds ({only} under {seed}). "
                "Every training run has "
                "to return the same names, whatever the seed."
            )
