"""A claim over contexts: each arm made ready in every one of them, and what its judgements say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.contexts import Context, Contexts, check_contexts, in_one_context
from pytest_mlops.claims.judge import Ended, Judgement
from pytest_mlops.errors import ClaimError, SettingError
from pytest_mlops.session import costs
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.spending import spends
from pytest_mlops.settings import Settings
from pytest_mlops.stats import Verdict
from pytest_mlops.stats.contexts import LEAST_ROUNDS, LEAST_ROUNDS_GUARDED


def check(claim: Claim, contexts: Contexts, settings: Settings, most: int) -> None:
    """Refuse what cannot be judged over contexts, before anything is paid.

    Raises
    ------
    ClaimError, ParameterError
        If the claim cannot be asked in contexts.
    SettingError
        If ``max_seeds`` is not enough for so many contexts.
    """
    check_contexts(claim, contexts)
    if costs.claims_cost(claim):
        raise ClaimError(
            f"{claim.statement}: cost is not judged over contexts. Ask it in a gate without ablate()."
        )
    if contexts.every:
        if spends(settings):
            raise SettingError(
                f"{claim.statement}: attempts = spend tests every attempt by one sequence, and ablate(every=True) by one in each "
                "context. Ask for the mean over the contexts, or set attempts = report."
            )
        return
    rounds, count = LEAST_ROUNDS_GUARDED if claim.has_bar else LEAST_ROUNDS, len(contexts.each)
    if most < rounds * count:
        raise SettingError(
            f"{claim.statement}: {count} contexts need at least {rounds * count} pairs, {rounds} in each, and max_seeds leaves "
            f"{most}. Name fewer values in ablate(), or raise max_seeds."
        )


def made_ready(
    laboratory: Laboratory, arm: Arm, contexts: Contexts, settings: Settings
) -> tuple[Prepared, ...]:
    """The arm in every context, each of which trains its own pairs."""
    return tuple(
        replace(
            laboratory.prepare(in_one_context(arm, context), settings),
            stands_for=arm,
            turn=turn,
            turns=len(contexts.each),
        )
        for turn, context in enumerate(contexts.each)
    )


def in_each(found: Sequence[tuple[Context, Judgement]], count: int) -> Judgement:
    """One judgement of a claim that has to hold in each of ``count`` contexts, of which these were asked."""
    context, last = found[-1]
    named = tuple(
        replace(part, name=f"{one.name}: {part.name}" if part.name else one.name)
        for one, judgement in found
        for part in judgement.parts
    )
    if last.passed:
        return Judgement(
            verdict=Verdict.PASS,
            ended=Ended.DECIDED,
            reason=f"it holds in each of {count} contexts",
            n=max(judgement.n for _, judgement in found),
            parts=named,
            identical=all(judgement.identical for _, judgement in found),
            splits=last.splits,
        )
    left = count - len(found)
    rest = f"; {left} more were not asked" if left else ""
    return replace(last, reason=f"at {context.name}: {last.reason}{rest}", parts=named)
