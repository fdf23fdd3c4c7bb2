"""Why the judge decided as it did, and what to do about it: sentences for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.takes import PairTime, takes, takes_words
from pytest_mlops.records import RunResult
from pytest_mlops.stats import Reason, SequentialTest, Verdict

if TYPE_CHECKING:
    from pytest_mlops.claims.sequences import PartJudgement


def collapse_bound(n: int, alpha: float) -> float:
    """Largest share of seeds that may behave otherwise and still show nothing in ``n`` runs with probability ``alpha``.

    Examples
    --------
    >>> round(collapse_bound(5, 0.05), 2), round(collapse_bound(30, 0.05), 3)
    (0.45, 0.095)
    """
    return float(1.0 - alpha ** (1.0 / n))


def reason(part: PartJudgement, *, identical: bool, parts: int, most: int) -> str:
    """Why a claim ended with this part."""
    where = f"part {part.name!r}: " if parts > 1 and part.decision.verdict != Verdict.PASS else ""
    text = where + why_stopped(part.decision.reason, most)
    if part.decision.verdict == Verdict.FAIL and not identical:
        text += ", and the evidence speaks against the claim"
    return text


def why_stopped(reason: Reason, most: int) -> str:
    """Why a sequence of at most so many seeds stopped, or that it goes on."""
    return {
        Reason.CONTINUE: "not decided yet",
        Reason.EFFICACY: "enough evidence: it crossed the efficacy boundary",
        Reason.FUTILITY: f"stopped early: PASS within {most} seeds had become unlikely",
        Reason.MAX_SEEDS: "max_seeds was reached without PASS",
        Reason.IDENTICAL: "the arms trained identical models, bit for bit, on every seed",
        Reason.HARM: "enough evidence of the opposite: it crossed the boundary on the other side",
        Reason.NO_VARIANCE: "every pair gave the same number, so there is no spread to judge by",
        Reason.CASES: "stopped early: on these patients no number of seeds would bring PASS at the estimate seen",
        Reason.ONE_LOOK: "one look, over patients alone: not enough evidence for PASS",
        Reason.IMPOSSIBLE: f"stopped early: no further seed within {most} could have brought PASS",
    }[reason]


def remedy(part: PartJudgement, claim: Claim, test: SequentialTest, pair: PairTime | None = None) -> str:
    """What to do about a claim that did not PASS; ``pair`` is what one pair takes."""
    if part.decision.reason == Reason.IDENTICAL:
        return "The change touched nothing: did the parameter reach the model?"
    if part.decision.reason == Reason.NO_VARIANCE:
        share = collapse_bound(part.decision.n, test.alpha)
        return (
            f"A deviation on up to {share:.0%} of seeds cannot be excluded. If training is meant to depend "
            "on the seed: does all of its "
            "randomness come from run (run.rng, run.loader, run.init) or the global generators?"
        )
    if part.decision.reason == Reason.CASES:
        needed = part.decision.patients_needed
        more = f"about {needed} patients" if needed is not None else "another set of patients"
        return (
            f"It would need {more} instead of {part.decision.patients}: more seeds do not make up for them."
        )
    if part.decision.verdict == Verdict.FAIL:
        return "Drop the claim or change the training; more seeds will not turn it."
    return more_seeds(part, claim, test, pair)


def more_seeds(
    part: PartJudgement,
    claim: Claim,
    test: SequentialTest,
    pair: PairTime | None = None,
    *,
    run_out: bool = False,
) -> str:
    """What it would take: the margin that this many seeds can decide, or the seeds that this margin needs.

    Where the training runs have run out, the seeds are told even if ``max_seeds`` would allow so many.
    """
    if part.advice:
        return part.advice
    n = len(part.contrasts)
    if run_out and n < test.min_seeds:
        return f"No claim is decided on fewer than {test.min_seeds} training runs a side, and there are {n}."
    room = part.limits[1] - claim.margin if claim.tolerance is not None else None
    found = takes(claim, part.contrasts, test, margin=claim.margin, room=room)
    if found is None:
        return "More training runs are needed to say more."
    words = takes_words(claim, found, test, known=n, pair=pair, always=run_out)
    fresh = "seeds (--mlops-seed=1)" if any(arm.trains for arm in claim.arms) else "training runs"
    return f"{words} What is chosen now has to be judged on fresh {fresh}."


def mend(kind: str) -> str:
    """What to do about a failed training run of that kind."""
    if kind == "metrics":
        return 'Return names with numbers from the training function, e.g. return {"accuracy": 0.93}.'
    if kind == "not finite":
        return (
            "A training run that diverged is a result, and no seed is dropped in silence: make the training stable (learning "
            "rate, clip_norm, loss scale), or mend the metric where it divides by zero."
        )
    return (
        "A failed training run is a result, kept like others, and no seed is dropped in silence. Mend the training function; if "
        "the machine was to blame, train it again: pytest --mlops --mlops-retry-failed."
    )


def seed_of(results: Sequence[RunResult], index: int) -> str:
    """The seed of a run, or its place among results that had none."""
    seed = results[index].seed
    return f"seed {seed}" if seed is not None else f"place {index} of its results"
