"""From the options of a gate to the sequential test of a claim."""

from __future__ import annotations

from functools import lru_cache

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.methods import AUTO, SIGNFLIP, refuse
from pytest_mlops.errors import SettingError
from pytest_mlops.session.blocks import how_many
from pytest_mlops.session.costs import claims_cost
from pytest_mlops.settings import Settings
from pytest_mlops.stats import SequentialTest


def design_of(settings: Settings, claim: Claim, contexts: int = 1) -> SequentialTest:
    """The looks that a claim is judged at, over the mean of so many contexts, as far as its options say.

    A row of an ablation by itself has its share of alpha.

    Raises
    ------
    SettingError
        If the claim names fewer seeds than its first look needs, or the method cannot judge it.
    """
    least, most = settings.min_seeds, how_many(claim, settings)
    if most < least:
        raise SettingError(
            f"{claim.statement}: using(seeds=...) leaves {most} seeds, but no look comes before min_seeds = "
            f"{settings.min_seeds}. Name more seeds or lower min_seeds."
        )
    if settings.method != AUTO:
        least = _first_look(settings, claim, most, contexts)
    rows = claim.member.rows if claim.member is not None else 1
    return _design(settings.alpha / rows, settings.power, least, most, contexts)


def _first_look(settings: Settings, claim: Claim, most: int, contexts: int) -> int:
    """Where the first look of a method by name lies."""
    from pytest_mlops.stats.bootstrap import LEAST_SEEDS, SMALLEST_ALPHA
    from pytest_mlops.stats.signflip import FIRST_LOOK

    method = settings.method
    if claims_cost(claim):
        refuse(claim, "what training costs", method, varying=False)
    if contexts > 1:
        refuse(claim, "the mean over contexts (ablate)", method, varying=False)
    needed = FIRST_LOOK if method == SIGNFLIP else LEAST_SEEDS
    if most < needed:
        raise SettingError(
            f"{claim.statement}: method = {method} needs {needed} seeds at least, and there are {most}. Raise max_seeds "
            f"(--mlops-max-seeds={needed}, or @pytest.mark.mlops(max_seeds={needed})) or leave the method at auto."
        )
    if method == SIGNFLIP:
        if settings.confirm_harm:
            raise SettingError(
                f"{claim.statement}: method = signflip has no boundary of harm, so that confirm_harm cannot hold with it. Leave "
                "one of them out."
            )
        return max(settings.min_seeds, FIRST_LOOK)
    alpha = settings.alpha / (claim.member.rows if claim.member is not None else 1)
    if alpha < SMALLEST_ALPHA:
        raise SettingError(
            f"{claim.statement}: alpha = {alpha:.4g} is finer than the resamples of method = bootstrap tell: "
            f"{SMALLEST_ALPHA} at least, or leave the method at auto."
        )
    return most


@lru_cache(maxsize=64)
def _design(alpha: float, power: float, min_seeds: int, max_seeds: int, contexts: int) -> SequentialTest:
    """Boundaries are computed once."""
    if contexts > 1:
        from pytest_mlops.stats.contexts import ContextTest

        return ContextTest(
            contexts=contexts, alpha=alpha, power=power, min_seeds=min_seeds, max_seeds=max_seeds
        )
    return SequentialTest(alpha=alpha, power=power, min_seeds=min_seeds, max_seeds=max_seeds)
