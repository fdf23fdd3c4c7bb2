"""Why the judge decided as it did, and what to do about it: sentences for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_mlops.claims.claim import Claim
from pytest_mlops.records import RunResult
from pytest_mlops.settings import MOST_SEEDS
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


def remedy(part: PartJudgement, claim: Claim, test: SequentialTest) -> str:
    """What to do about a claim that did not PASS."""
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
    return more_seeds(part, claim, test)


def more_seeds(part: PartJudgement, claim: Claim, test: SequentialTest, *, run_out: bool = False) -> str:
    """What it would take: the margin that this many seeds can decide, or the seeds that this margin needs.

    Where the training runs have run out, the seeds are told even if ``max_seeds`` would allow so many.
    """
    if part.advice:
        return part.advice
    import numpy as np

    differences = np.array(part.contrasts)
    n = len(differences)
    sd = float(differences.std(ddof=1)) if n > 1 else 0.0
    if run_out and n < test.min_seeds:
        return f"No claim is decided on fewer than {test.min_seeds} training runs a side, and there are {n}."
    if n < 3 or sd == 0.0:
        return "More training runs are needed to say more."
    most, mean = int(test.looks[-1]), float(differences.mean())
    what = "bar" if claim.has_bar and claim.tolerance is None else "ratio" if claim.is_ratio else "margin"
    reach = test.detectable_effect * sd
    if claim.tolerance is not None:
        gap = part.limits[1] - claim.margin - abs(mean - claim.margin)
        words = f"a margin of about {_near(abs(mean - claim.margin) + reach, reach)} either side"
    else:
        direction = 1.0 if claim.sign == ">" else -1.0
        gap = direction * (mean - claim.margin)
        words = f"a {what} of about {_near(mean - direction * reach, reach)}"
    fresh = "seeds (--mlops-seed=1)" if any(arm.trains for arm in claim.arms) else "training runs"
    rest = f". What is chosen now has to be judged on fresh {fresh}."
    texts = [] if claim.is_ratio else [f"{most} seeds can show {words} (with power {test.power:g})"]
    if gap > 0:
        needed = math.ceil(most * (test.detectable_effect * sd / gap) ** 2)
        if needed > most or run_out:
            needed = max(needed, n + 1)
            texts.append(f"this {what} needs about {needed} seeds{_raised(needed) if needed > most else ''}")
    if not texts:
        return "If the estimate is right, no number of seeds will show it." + rest[1:]
    return f"If the estimate is right, {', and '.join(texts)}{rest}"


def _near(value: float, room: float) -> str:
    """A number to two digits of the room that it has: a bar of 3.28 with room for 0.002 is not 3.3.

    Examples
    --------
    >>> _near(3.27967, 0.0021), _near(0.0123, 0.02), _near(123.4, 56.7)
    ('3.2797', '0.012', '123')
    """
    return f"{value:.{max(0, 1 - math.floor(math.log10(room)))}f}"


def _raised(seeds: int) -> str:
    """How to allow so many seeds, where that can be done."""
    if seeds > MOST_SEEDS:
        return f" (max_seeds takes {MOST_SEEDS} at the most)"
    return f" (--mlops-max-seeds={seeds}, or @pytest.mark.mlops(max_seeds={seeds}))"


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
