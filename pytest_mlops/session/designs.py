"""From the options of a gate to the sequential test of a claim."""

from __future__ import annotations

from functools import lru_cache

from pytest_mlops.claims.claim import Claim
from pytest_mlops.errors import SettingError
from pytest_mlops.session.blocks import how_many
from pytest_mlops.settings import Settings
from pytest_mlops.stats import SequentialTest


def design_of(settings: Settings, claim: Claim, contexts: int = 1) -> SequentialTest:
    """The sequential test that a claim is judged by, over the mean of so many contexts.

    A row of an ablation by itself has its share of alpha.

    Raises
    ------
    SettingError
        If the claim names fewer seeds than its first look needs.
    """
    most = how_many(claim, settings)
    if most < settings.min_seeds:
        raise SettingError(
            f"{claim.statement}: using(seeds=...) leaves {most} seeds, but no look comes before min_seeds = "
            f"{settings.min_seeds}. Name more seeds or lower min_seeds."
        )
    rows = claim.member.rows if claim.member is not None else 1
    return _design(settings.alpha / rows, settings.power, settings.min_seeds, most, contexts)


@lru_cache(maxsize=64)
def _design(alpha: float, power: float, min_seeds: int, max_seeds: int, contexts: int) -> SequentialTest:
    """Boundaries are computed once."""
    if contexts > 1:
        from pytest_mlops.stats.contexts import ContextTest

        return ContextTest(
            contexts=contexts, alpha=alpha, power=power, min_seeds=min_seeds, max_seeds=max_seeds
        )
    return SequentialTest(alpha=alpha, power=power, min_seeds=min_seeds, max_seeds=max_seeds)
