"""From gates, claims and judgements to the report model: plain values, unknown or infinite numbers as None."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterable

from pytest_mlops import fingerprint
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.commands import Command
from pytest_mlops.claims.contexts import Contexts
from pytest_mlops.claims.derived import checkpoints
from pytest_mlops.claims.fixed import given
from pytest_mlops.claims.judge import Judgement
from pytest_mlops.claims.recording import Recording
from pytest_mlops.claims.sentences import collapse_bound, why_stopped
from pytest_mlops.claims.sequences import PartJudgement
from pytest_mlops.errors import without_link
from pytest_mlops.records import RunResult
from pytest_mlops.reports import model
from pytest_mlops.session.context_rows import contexts_remarks, contexts_shown
from pytest_mlops.session.convert_families import families_of, family_id
from pytest_mlops.session.details import short_hash
from pytest_mlops.session.gates import Gate, Hearing
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings
from pytest_mlops.stats import Verdict

_TAIL = 4000
"""Characters of a failed run's output that travel with the report; the store has all that was kept."""


def arm_id(arm: Arm) -> str:
    """A short name that is equal for equal arms.

    Examples
    --------
    >>> from pytest_mlops.claims.arms import Arms
    >>> arm_id(Arms().recorded({"auc": [0.9]})) == arm_id(Arms().recorded({"auc": [0.9]}))
    True
    """
    return f"arm-{hashlib.sha256(arm.identity.encode()).hexdigest()[:10]}"


def claim_id(test: str, place: int) -> str:
    """The name of a gate's claim: the same in every session while the test stays as it is."""
    return test if place == 0 else f"{test}#{place + 1}"


def gate_record(gate: Gate) -> model.GateRecord:
    """What a gate adds to the report."""
    claims = [_claim(gate, hearing, place) for place, hearing in enumerate(gate.hearings)]
    places = [prepared.place for hearing in gate.hearings for prepared in hearing.prepared]
    bills = [gate.bill, *(family.bill for family in gate.families), *(one.bill for one in gate.hearings)]
    return model.GateRecord(
        gate=model.Gate(
            test=gate.test,
            outcome="passed",
            seconds=time.perf_counter() - gate.started,
            claims=[claim.id for claim in claims],
        ),
        claims=claims,
        families=families_of(gate, claims),
        arms=_arms(gate.hearings),
        failed_runs=_distinct(run for hearing in _all(gate.hearings) for run in _failed_runs(hearing)),
        messages=list(_messages(gate)),
        trained=sum(bill.trained for bill in bills),
        reused=sum(bill.reused for bill in bills),
        train_seconds=sum(bill.train_seconds for bill in bills),
        saved_seconds=sum(bill.saved_seconds for bill in bills),
        spent_seconds=sum(bill.spent_seconds for bill in bills),
        budget=gate.settings.budget if math.isfinite(gate.settings.budget_seconds) else None,
        device=places[0].device if places else None,
        precision=places[0].amp if places else None,
    )


def _claim(gate: Gate, hearing: Hearing, place: int) -> model.Claim:
    claim, judgement, settings = hearing.claim, hearing.judgement, gate.settings
    part = judgement.deciding if judgement is not None else None
    verdict = judgement.verdict if judgement is not None else Verdict.UNDECIDED
    alpha = hearing.level or (hearing.test.alpha if hearing.test is not None else settings.alpha)
    most = _most(hearing, settings)
    family = hearing.family
    return model.Claim(
        id=claim_id(gate.test, place),
        test=gate.test,
        file=claim.file,
        line=claim.line,
        statement=claim.statement,
        kind=claim.kind,
        verdict="ERROR" if hearing.broken else verdict.value,
        reason=judgement.reason if judgement is not None else _why_not_judged(hearing),
        estimate=_number(part.estimate if part else _without_parts(judgement)),
        margin=_limits(claim, part)[-1],
        margin_low=_limits(claim, part)[0] if claim.tolerance is not None else None,
        direction=claim.sign,
        interval=_interval(part) if part else (_without_parts(judgement),) * 2,
        p_value=_number(part.decision.p_value if part else None),
        n=judgement.n if judgement is not None else 0,
        max_n=most,
        alpha=alpha,
        power=settings.power,
        method=_method(judgement),
        holds_for=_holds_for(claim, judgement, gate.contexts),
        collapse_bound=_collapse_bound(claim, judgement, alpha),
        remedy=hearing.go_on or (judgement.remedy if judgement is not None else None),
        trained=hearing.bill.trained,
        reused=hearing.bill.reused,
        why=hearing.bill.reasons(),
        seconds=hearing.seconds,
        arms=[arm_id(arm) for one in hearing.inside or [hearing] for arm in one.claim.arms],
        sides=_sides(part),
        contrasts=[_number(contrast) for contrast in part.contrasts] if part else [],
        seeds=_seeds(hearing),
        parts=_parts(judgement, most),
        contexts=(by_context := contexts_shown(hearing, gate.contexts, part))[0],
        interaction=_number(by_context[1]),
        remarks=[
            *_remarks(claim, judgement, alone=family is None),
            *contexts_remarks(*by_context),
            *hearing.remarks,
        ],
        family=family_id(gate, family) if family is not None else None,
        component=claim.member.component if claim.member is not None else None,
        adjusted_p=_number(hearing.adjusted_p),
    )


def _limits(claim: Claim, part: PartJudgement | None) -> tuple[float, ...]:
    """What the estimate has to exceed or stay below; both limits of an equivalence."""
    if part is not None:
        return part.limits
    size = claim.tolerance.size if claim.tolerance is not None and not claim.tolerance.relative else 0.0
    return (claim.margin - size, claim.margin + size)


def _most(hearing: Hearing, settings: Settings) -> int:
    """Seeds at the most."""
    if not hearing.claim.varying:
        return 1
    return int(hearing.test.looks[-1]) if hearing.test is not None else settings.max_seeds


def _collapse_bound(claim: Claim, judgement: Judgement | None, alpha: float) -> float | None:
    """For a PASS over seeds; splits of the same data do not show as much as so many independent seeds."""
    if judgement is None or not judgement.passed or not claim.varying or judgement.splits is not None:
        return None
    if judgement.same_code:
        return None
    return collapse_bound(judgement.n, alpha)


def _without_parts(judgement: Judgement | None) -> float | None:
    """The estimate of a claim for which nothing was trained."""
    return 0.0 if judgement is not None and judgement.same_code else None


def _holds_for(claim: Claim, judgement: Judgement | None, contexts: Contexts | None) -> str:
    if judgement is not None and judgement.same_code:
        return "every seed"
    part = judgement.deciding if judgement is not None else None
    named = [given(claim)] if claim.fixed else []
    named += [f"this checkpoint, {arm.label}" for arm in checkpoints(claim)]
    taken = f", given {' and '.join(named)}" if named else ""
    what = "new seeds, on these cases"
    if judgement is not None and judgement.splits is not None:
        what = "new seeds and new splits of these data"
    if contexts is not None:
        which = "each of" if contexts.every else "the mean over"
        return f"{what}, in {which} these {len(contexts.each)} contexts{taken}"
    if not claim.varying:
        return f"new patients{taken}"
    if judgement is not None and judgement.splits is not None:
        return f"{what}{taken}"
    if part is None or part.decision.patients is None:
        return f"new seeds, on these cases{taken}"
    return f"new seeds and new patients{taken}"


def _method(judgement: Judgement | None) -> str:
    if judgement is not None and judgement.same_code:
        return "identical code"
    if judgement is None or judgement.deciding is None:
        return "none"
    return "identical runs" if judgement.identical else judgement.deciding.decision.method


def _why_not_judged(hearing: Hearing) -> str:
    if not hearing.asked:
        return "stated, but its truth was never asked for"
    if hearing.interrupted:
        return "interrupted"
    return without_link(hearing.error or "it was not judged")


def _sides(part: PartJudgement | None) -> list[model.Estimate]:
    if part is None:
        return []
    return [
        model.Estimate(arm=arm_id(side.arm), metric=side.metric, mean=_number(side.mean), sd=_number(side.sd))
        for side in part.sides
    ]


def _parts(judgement: Judgement | None, most: int) -> list[model.Part]:
    if judgement is None or all(part.name == "" for part in judgement.parts):
        return []
    return [
        model.Part(
            name=part.name,
            verdict=part.decision.verdict.value,
            estimate=_number(part.estimate),
            interval=_interval(part),
            p_value=_number(part.decision.p_value),
            n=part.decision.n,
            reason=why_stopped(part.decision.reason, most),
        )
        for part in judgement.parts
    ]


def _remarks(claim: Claim, judgement: Judgement | None, *, alone: bool) -> Iterable[str]:
    if claim.member is not None and alone:
        yield f"one of {claim.member.rows} components: judged at its share of alpha, 1 / {claim.member.rows}"
    if judgement is None or not judgement.parts:
        return
    part = judgement.deciding
    if claim.is_ratio and part is not None and len(part.sides) == 2 and judgement.n:
        left, right = part.sides
        yield f"means {left.mean:.4g} and {right.mean:.4g}: a ratio of {left.mean / right.mean:.4g}"
    if judgement.identical:
        yield "the arms' training runs are identical bit for bit: did the parameter reach the model?"
    if part is not None and part.median_unbiased is not None:
        yield f"approximately median-unbiased estimate, which takes the stop into account: {part.median_unbiased:.4g}"
    if part is not None and part.decision.case_share is not None and claim.varying:
        yield f"{part.decision.case_share:.0%} of the estimate's variance is that of the {part.decision.patients} patients"
    extra = max(len(part.contrasts) for part in judgement.parts) - judgement.n
    if extra > 0:
        yield f"{extra} more pairs are known and were not used: the first boundary crossed decides"


def _seeds(hearing: Hearing) -> list[int]:
    """Seeds of all pairs that were begun; results without seeds have places. Where all arms are fixed, the seed of the first."""
    if hearing.inside:
        return _seeds(hearing.inside[-1])
    longest = max((results for _, results in hearing.outcomes), key=len, default=[])
    varying = [prepared for prepared in hearing.prepared if prepared.claimed in hearing.claim.varying]
    ready = varying or ([] if hearing.claim.varying else hearing.prepared)
    if ready:
        return list(ready[0].seeds[: len(longest)])
    return [place if result.seed is None else result.seed for place, result in enumerate(longest)]


def _interval(part: PartJudgement | None) -> tuple[float | None, float | None]:
    if part is None:
        return (None, None)
    return (_number(part.interval[0]), _number(part.interval[1]))


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


# --- arms and their runs


def _arms(hearings: list[Hearing]) -> list[model.Arm]:
    found: dict[str, model.Arm] = {}
    for hearing in _all(hearings):
        ready = {prepared.claimed: prepared for prepared in hearing.prepared}
        results = dict(hearing.outcomes)
        for arm in hearing.claim.arms:
            name = arm_id(arm)
            known = found.get(name)
            if known is None or known.runs < len(results.get(name, [])):
                found[name] = _arm(name, arm, ready.get(arm), results.get(name, []))
    return list(found.values())


def _arm(name: str, arm: Arm, prepared: Prepared | None, results: list[RunResult]) -> model.Arm:
    seconds = [result.metrics["seconds"] for result in results if "seconds" in result.metrics]
    bound = {} if isinstance(arm.source, Recording) else arm.source.bound
    environment = json.loads(prepared.key.environment) if prepared is not None else {}
    packages = environment.pop("packages", {})
    if isinstance(arm.source, Command):  # all that is installed: too much to read
        packages = {
            "packages": f"{len(packages)} installed, #{short_hash(json.dumps(packages, sort_keys=True))[:8]}"
        }
    return model.Arm(
        id=name,
        label=arm.label,
        function=prepared.key.function if prepared is not None else arm.function_name,
        parameters={key: fingerprint.describe(value) for key, value in bound.items()},
        data=prepared.root_data or None if prepared is not None else None,
        environment={key: str(value) for key, value in {**environment, **packages}.items()},
        runs=len(results),
        mean_seconds=sum(seconds) / len(seconds) if seconds else None,
    )


def _all(hearings: Iterable[Hearing]) -> Iterable[Hearing]:
    """Hearings, and those inside them in each context."""
    for hearing in hearings:
        yield from hearing.inside or [hearing]


def _distinct(failed: Iterable[model.FailedRun]) -> list[model.FailedRun]:
    """Rows of a family share the failed runs of their reference."""
    return list({(run.arm, run.seed): run for run in failed}.values())


def _failed_runs(hearing: Hearing) -> Iterable[model.FailedRun]:
    labels = {arm_id(arm): hearing.claim.names.get(arm.identity, arm.label) for arm in hearing.claim.arms}
    for name, results in hearing.outcomes:
        for place, result in enumerate(results):
            if result.failure is not None:
                yield model.FailedRun(
                    arm=name,
                    label=labels[name],
                    seed=result.seed if result.seed is not None else place,
                    kind=result.failure.kind,
                    message=result.failure.message,
                    traceback=result.failure.traceback,
                    output=result.output[-_TAIL:],
                )


def _messages(gate: Gate) -> Iterable[model.Message]:
    """What the store and training runs wanted the user to know, each once."""
    seen = set()
    for bill in [gate.bill, *(family.bill for family in gate.families)]:
        yield from (model.Message(level="warning", text=text) for text in bill.messages)
    for hearing in gate.hearings:
        for text in hearing.warnings:
            if text not in seen:
                seen.add(text)
                yield model.Message(level="warning", text=text, test=gate.test)
        yield from (model.Message(level="warning", text=text) for text in hearing.bill.messages)
        labels = {arm_id(arm): arm.label for arm in hearing.claim.arms}
        for name, results in hearing.outcomes:
            for result in results:
                for message in result.messages:
                    text = f"{labels[name]}, seed {result.seed}: {message}"
                    if text not in seen:
                        seen.add(text)
                        yield model.Message(level="warning", text=text, test=gate.test)
