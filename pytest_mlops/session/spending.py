"""``attempts = spend``: each attempt at a claim has a level and seeds of its own."""

from __future__ import annotations

from pytest_mlops.claims.claim import Claim
from pytest_mlops.errors import SettingError
from pytest_mlops.session.costs import claims_cost
from pytest_mlops.settings import Settings

SAME_PATIENTS = (
    "the patients are the same in all attempts: that is not counted, and only new patients would mend it"
)
"""What fresh seeds do not give to a claim that is judged over patients."""

SAME_DATA = "the data are the same in all attempts, divided anew: that is not counted, and only new data would mend it"
"""What they do not give to a claim whose splits vary."""


def spends(settings: Settings) -> bool:
    """Whether each attempt is tested at a level of its own."""
    return settings.attempts == "spend"


def check_fresh(claim: Claim, settings: Settings) -> None:
    """Refuse a claim of which an attempt would not be tested once, on fresh seeds.

    Raises
    ------
    SettingError
        If its arms name their seeds, all of them are fixed, results are recorded, or all is trained again.
    """
    why = None
    if not claim.varying:
        why = "each of its arms names one seed"
    elif claim.seeds is not None:
        why = "its arms name their seeds (.using(seeds=...))"
    elif not all(arm.trains for arm in claim.arms):
        why = "recorded results exist already"
    elif claims_cost(claim):
        why = "what training takes is measured anew whenever it is asked"
    elif settings.rerun:
        why = "--mlops-rerun trains those again that were seen"
    if why is not None:
        raise SettingError(
            f"{claim.statement}: attempts = spend tests every attempt once, on seeds that nobody has seen, and {why}. Do without "
            "that, or set attempts = report (--mlops-attempts=report, @pytest.mark.mlops(attempts='report'))."
        )
