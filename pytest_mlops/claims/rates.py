"""Claims on yes/no metrics: which exact test answers them, and what none does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.takes import PairTime, seeds_words
from pytest_mlops.claims.terms import Term
from pytest_mlops.errors import ClaimError, MetricError, SettingError
from pytest_mlops.records import RunResult
from pytest_mlops.stats import SequentialTest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlops.stats import DiscordantTest, RateTest

YesNo = Mapping[Arm, frozenset[str]]
"""Of each arm the metrics that were returned as True or False."""


def yes_no_of(claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int) -> YesNo:
    """Of each arm the metrics that any of its training runs returned as True or False."""
    return {
        arm: frozenset({"failed"}).union(*(result.yes_no for result in outcomes[arm][:usable]))
        for arm in claim.arms
    }


def is_rate(claim: Claim, part: Part, yes_no: YesNo) -> bool:
    """Whether a part of a claim is about yes/no metrics.

    Raises
    ------
    ClaimError
        If it is, and is no claim that an exact test answers.
    """
    kinds = {term.metric in yes_no[term.arm] for term in part.terms}
    if True not in kinds:
        return False
    given = next((t.arm for t in part.terms if t.arm in claim.fixed and t.metric in yes_no[t.arm]), None)
    if given is not None:
        raise ClaimError(
            f"{claim.statement}: {claim.names.get(given.identity, given.label)} names one seed, so of a yes/no metric it has one "
            'answer, which is no rate. Claim a bar of the other arm:\n  assert candidate["converged"] > 0.8'
        )
    if False in kinds:
        raise ClaimError(
            f"{claim.statement}: it mixes a yes/no metric with a number; state two claims, one assert each."
        )
    one_bar = len(part.terms) == 1
    two_sides = len(part.terms) == 2 and sum(t.weight for t in part.terms) == 0 and not claim.margin
    if claim.tolerance is not None or not (one_bar or two_sides):
        raise ClaimError(
            f"{claim.statement}: of yes/no metrics two kinds of claims have an exact test: a rate against a bar, and two rates "
            "without a margin. Write one of\n"
            '  assert candidate["converged"] > 0.8\n  assert candidate["converged"] > baseline["converged"]'
        )
    if one_bar and not 0 < _bar(claim, part.terms[0]) < 1:
        raise ClaimError(
            f"{claim.statement}: a rate lies between 0 and 1, and {_bar(claim, part.terms[0]):g} is no bar for one."
        )
    return True


def rate_test(claim: Claim, part: Part, test: SequentialTest) -> RateTest | DiscordantTest:
    """The exact test of a part of a claim that is about yes/no metrics, with the levels and looks of ``test``.

    Raises
    ------
    SettingError
        If ``max_seeds`` cannot show the claim even if every training run speaks for it: says how many can.
    """
    from pytest_mlops.stats import DiscordantTest, RateTest
    from pytest_mlops.stats.contexts import ContextTest

    if isinstance(test, ContextTest):
        raise ClaimError(
            f"{claim.statement}: no exact test answers a claim about yes/no metrics over several contexts. Ask for it in each: "
            "ablate(..., every=True), or return a number that says more than yes or no."
        )
    sign = _sign(claim, part.terms[0])
    try:
        if len(part.terms) == 1:
            return RateTest(
                bar=_bar(claim, part.terms[0]),
                sign=sign,
                alpha=test.alpha,
                power=test.power,
                min_seeds=test.min_seeds,
                max_seeds=test.max_seeds,
            )
        return DiscordantTest(
            sign=sign,
            alpha=test.alpha,
            power=test.power,
            min_seeds=test.min_seeds,
            max_seeds=test.max_seeds,
        )
    except ValueError as error:
        raise SettingError(f"{claim.statement}: {error}") from None


def answers(part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int) -> NDArray[np.bool_]:
    """Yes or no of each term at the first ``usable`` seeds, shape (usable, terms).

    Raises
    ------
    MetricError
        If a metric is True or False in some training runs and a number in others.
    """
    import numpy as np

    values = np.array(
        [[outcomes[term.arm][i].metrics[term.metric] for term in part.terms] for i in range(usable)]
    )
    wrong = np.argwhere((values != 0) & (values != 1))
    if len(wrong):
        seed, place = (int(index) for index in wrong[0])
        term = part.terms[place]
        raise MetricError(
            f'{term.arm.label}["{term.metric}"] is True or False in some training runs and {values[seed, place]:g} in others. '
            "Return one kind under every seed."
        )
    return np.asarray(values == 1)


def detectable(rate: RateTest | DiscordantTest, most: int) -> str:
    """What so many seeds can show, in a sentence."""
    bar = getattr(rate, "detectable_rate", None)
    if bar is None:
        return "Two rates need many training runs: claim a number that says more than yes or no, or a larger max_seeds."
    side = "above" if rate.sign == ">" else "below"
    return f"{most} seeds show it with power {rate.power:g} where the true rate is {bar:.2g} or {side} (--mlops-max-seeds)."


def rate_takes(
    rate: RateTest | DiscordantTest, given: NDArray[np.bool_], most: int, pair: PairTime | None
) -> str:
    """What so many seeds can show, and how many it takes if what was seen is true, in sentences.

    Parameters
    ----------
    rate : RateTest or DiscordantTest
        The design.
    given : ndarray of bool, shape (n, terms)
        Answers so far.
    most : int
        Seeds at the most.
    pair : PairTime or None
        What the training runs of a seed take, where that is known.
    """
    from pytest_mlops.stats.rate_design import seeds_at_least

    turn = rate.sign == "<"
    bar, share = getattr(rate, "bar", 0.5), 1.0
    if given.shape[1] == 1:
        seen = float(given.mean())
        what = f"If the true rate is what was seen, {seen:.2g},"
    else:
        differ = given[:, 0] != given[:, 1]
        share = float(differ.mean())
        seen = float(given[differ, 0].mean()) if share else 0.5
        what = (
            f"If {share:.0%} of pairs differ and {seen:.0%} of those are as the left side says, as was seen,"
        )
    bar, odds = (1 - bar, 1 - seen) if turn else (bar, seen)
    needed = seeds_at_least(bar, odds, rate.alpha, rate.power) / max(share, 1e-9)
    can = detectable(rate, most)
    if math.isinf(needed):
        return can
    words = seeds_words(math.ceil(needed), most, len(given), pair, about="at least")
    return f"{can} {what} it takes {words}."


def _bar(claim: Claim, term: Term) -> float:
    return claim.margin / term.weight


def _sign(claim: Claim, term: Term) -> str:
    if term.weight > 0:
        return claim.sign
    return "<" if claim.sign == ">" else ">"
