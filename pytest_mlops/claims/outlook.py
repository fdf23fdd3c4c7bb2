"""What a claim will take, told by the pairs that are known: its parts as sequences that can be continued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_mlops.claims.agreement import check_agreement
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.rates import answers, is_rate, rate_test, yes_no_of
from pytest_mlops.claims.series import series_of
from pytest_mlops.records import RunResult
from pytest_mlops.stats import SequentialTest

if TYPE_CHECKING:
    from pytest_mlops.stats.forecast import Contrasts, Outcomes

FEWEST = 3
"""Pairs that have a spread worth the name."""


def sequences_of(
    claim: Claim,
    outcomes: Mapping[Arm, Sequence[RunResult]],
    usable: int,
    test: SequentialTest,
    *,
    counts: bool = True,
) -> list[Contrasts | Outcomes] | None:
    """The parts of a claim, ready for :func:`pytest_mlops.stats.forecast.forecast`.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    outcomes : mapping of arm to results
        In seed order, finished and good.
    usable : int
        How many of each arm count; below three of them the average over two truths stands for the claim.
    test : SequentialTest
        The design.
    counts : bool
        Whether these pairs are the first ones that it will be judged by.

    Returns
    -------
    list of Contrasts or Outcomes, or None
        None where the pairs are alike, which tells nothing.

    Raises
    ------
    MlopsError
        If the runs do not agree in what they have to, or so few seeds can never show a rate.
    """
    from pytest_mlops.stats.forecast import Contrasts, Outcomes

    if usable < FEWEST:
        return [Contrasts(test=test, known=[])]
    found: list[Contrasts | Outcomes] = []
    yes_no = yes_no_of(claim, outcomes, usable)
    for part in check_agreement(claim, outcomes, usable):
        if is_rate(claim, part, yes_no):
            given = answers(part, outcomes, usable)
            one_arm = len(part.terms) == 1
            found.append(
                Outcomes(
                    test=rate_test(claim, part, test), known=given[:, 0] if one_arm else given, counts=counts
                )
            )
            continue
        series = series_of(claim, part, outcomes, usable)
        if float(series.differences.std(ddof=1)) <= series.resolution:
            return None
        middle = series.differences - series.margin
        known = -middle if claim.sign == "<" else middle
        guard = bool(series.guard[-1])
        found.append(Contrasts(test=test, known=known, guard=guard, room=series.room, counts=counts))
    return found
