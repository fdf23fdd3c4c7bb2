"""One claim from its question to its verdict: pair by pair, until the judge says that it is decided."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.contexts import Context, Contexts, claim_in
from pytest_mlops.claims.failures import claims_failure
from pytest_mlops.claims.fixed import wanting
from pytest_mlops.claims.judge import Ended, Judgement, judge, nothing_known
from pytest_mlops.claims.methods import designed, refuse
from pytest_mlops.claims.names import check_names
from pytest_mlops.claims.one_look import judge_over_patients, refuse_seeds_alone
from pytest_mlops.claims.splits import Splits
from pytest_mlops.errors import DataError, MlopsError, NotThereError, without_link
from pytest_mlops.notation import time_text
from pytest_mlops.records import Returned, RunResult
from pytest_mlops.reports.progress import claim_line
from pytest_mlops.reports.text import duration
from pytest_mlops.session import blocks, contexts, convert, costs, spending
from pytest_mlops.session.attempts import Attempts
from pytest_mlops.session.command import Commands
from pytest_mlops.session.designs import design_of
from pytest_mlops.session.gates import Gate, Hearing
from pytest_mlops.session.identical import identical_code
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.new_arms import NewArms
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.surplus import surplus_of
from pytest_mlops.session.telling import Telling
from pytest_mlops.settings import Settings
from pytest_mlops.stats import SequentialTest

_ROOM = 1.1
"""Room in a budget that is proposed: training runs do not all take equally long."""

_ONLY_FAILED = Returned(names=("failed",), yes_no=frozenset({"failed"}))
"""What is known of every arm before it trains."""

_NEW = (
    "Where the function or the gate is new, there is no earlier state to compare with: state a bar, or let this first pull "
    "request through with @pytest.mark.mlops(undecided='warn')."
)
"""What to do where the other commit does not have what the arm names."""

Source = tuple[Prepared, ...] | list[RunResult]
"""Where the results of an arm come from: they are trained (contexts in turn), or they exist."""


@dataclass(kw_only=True)
class Deciding:
    """Trains what a claim needs, and no more.

    Parameters
    ----------
    laboratory : Laboratory
        Gets training runs.
    say : callable
        Takes one plain line for every finished pair.
    new_arms : NewArms
        Tries arms out before their first training run.
    commands : Commands
        What to type next.
    attempts : Attempts
        Counts the attempts at claims.
    alone : bool
        Whether no other process of this session trains.
    """

    laboratory: Laboratory
    say: Callable[[str], None]
    new_arms: NewArms
    commands: Commands
    attempts: Attempts
    alone: bool = True

    def decide(self, hearing: Hearing, gate: Gate) -> Judgement:
        """Train until the claim is decided, or nothing more can be had.

        Raises
        ------
        MlopsError
            If the claim cannot be judged; whatever was trained until then is kept.
        """
        claim, settings = hearing.claim, gate.settings
        if spending.spends(settings):
            spending.check_fresh(claim, settings)
        if gate.contexts is not None:
            contexts.check(claim, gate.contexts, settings, blocks.how_many(claim, settings))
            if gate.contexts.every:
                return self._in_each_context(hearing, gate, gate.contexts)
        try:
            judgement = self._decide(hearing, gate)
        except NotThereError as error:
            return replace(nothing_known(without_link(str(error))), remedy=_NEW)
        if (
            hearing.test is not None
            and not spending.spends(settings)
            and judgement.n >= hearing.test.min_seeds
        ):
            self._count(hearing, gate)
        return judgement

    def _decide(self, hearing: Hearing, gate: Gate) -> Judgement:
        """Judge one claim by one sequence."""
        claim, settings = hearing.claim, gate.settings
        if not claim.varying:
            return self._over_patients(hearing, gate)
        hearing.test = design_of(settings, claim, gate.turns)
        started = time.perf_counter()
        sources = self._sources(hearing, gate)
        ready_in = time.perf_counter() - started
        same = identical_code(claim, hearing.prepared, self.laboratory)
        if same is not None:
            return same
        outcomes = self._begin(hearing, gate)
        if spending.spends(settings):
            self._take_attempt(hearing, gate)
        if blocks.left_out(claim, settings):
            hearing.remarks.append(blocks.LEFT_OUT)
        if settings.surplus:
            hearing.surplus = surplus_of(hearing, gate, self.laboratory)
        telling = Telling(
            laboratory=self.laboratory,
            say=self.say,
            claim=claim,
            design=designed(claim, hearing.test, settings.method, self._stored_splits(hearing)),
            arms=hearing.prepared,
            recorded=[len(source) for source in sources.values() if isinstance(source, list)],
        )
        telling.begins(gate.test, ready_in=ready_in)
        judgement = self._pairs(hearing, gate, sources, outcomes, telling)
        if spending.spends(settings) and any(part.decision.patients is not None for part in judgement.parts):
            hearing.remarks.append(spending.SAME_PATIENTS)
        if spending.spends(settings) and judgement.splits is not None:
            hearing.remarks.append(spending.SAME_DATA)
        return judgement

    def _in_each_context(self, hearing: Hearing, gate: Gate, asked: Contexts) -> Judgement:
        """Ask for the claim in one context after the other, until it does not hold in one: all of them must."""
        alone = replace(gate, contexts=None)
        found: list[tuple[Context, Judgement]] = []
        for context in asked.each:
            one = Hearing(claim=claim_in(hearing.claim, context), bill=hearing.bill)
            found.append((context, self._decide(one, alone)))
            hearing.test = one.test
            hearing.prepared += one.prepared
            hearing.go_on = one.go_on
            hearing.remarks += [remark for remark in one.remarks if remark not in hearing.remarks]
            hearing.warnings += one.warnings
            hearing.inside.append(one)
            if not found[-1][1].passed:
                break
        if all(judgement.n >= gate.settings.min_seeds for _, judgement in found):
            self._count(hearing, gate)
        return contexts.in_each(found, len(asked.each))

    def _begin(self, hearing: Hearing, gate: Gate) -> dict[Arm, list[RunResult]]:
        """Refuse what cannot be judged, and try new arms out; the lists that results go into."""
        claim, method = hearing.claim, gate.settings.method
        if claims_failure(claim):
            check_names(claim, dict.fromkeys(claim.arms, _ONLY_FAILED), test=hearing.test, method=method)
        if costs.claims_cost(claim):
            costs.check_cost(claim, hearing.prepared, alone=self.alone)
            hearing.remarks.append(costs.NOT_RESERVED)
        outcomes: dict[Arm, list[RunResult]] = {arm: [] for arm in claim.arms}
        hearing.outcomes = [(convert.arm_id(arm), outcomes[arm]) for arm in claim.arms]
        if gate.settings.smoke == "auto":
            self.new_arms.smoke(hearing, try_out=self.commands.try_out(gate.test), method=method)
        return outcomes

    def _over_patients(self, hearing: Hearing, gate: Gate) -> Judgement:
        """A claim of fixed arms: one training run each, and one look over their patients."""
        claim, settings = hearing.claim, gate.settings
        refuse(claim, "the patients of single training runs", settings.method, varying=False)
        self._sources(hearing, gate)
        outcomes = self._begin(hearing, gate)
        self.say(claim_line(gate=gate.test, statement=claim.statement))
        wanted = [(prepared, 0) for prepared in hearing.prepared]
        runs = self.laboratory.runs(wanted, hearing.bill, look=partial(look, claim, None, settings.method))
        for prepared, run in zip(hearing.prepared, runs, strict=True):
            if run is not None:
                outcomes[prepared.claimed].append(run)
        if hearing.bill.refused is not None:
            hearing.go_on = self.go_on_after_budget(gate, self.laboratory.expected(hearing.bill.refused))
            return nothing_known(self.budget_reached(hearing.bill.refused, settings))
        judgement = judge_over_patients(claim, outcomes, alpha=settings.alpha, power=settings.power)
        self.check_unchanged(claim.statement, outcomes)
        if judgement.ended is Ended.DECIDED:
            self._count(hearing, gate)
        return judgement

    def _stored_splits(self, hearing: Hearing) -> Splits | None:
        """What finished runs tell of the splits before any is trained: then the price that is said is the true one."""
        for prepared in hearing.prepared:
            run = self.laboratory.finished(prepared)
            for one in run.splits if run is not None else ():
                return Splits(ratio=one.test / one.fit, folds=one.folds)
        return None

    def judged_so_far(self, hearing: Hearing, settings: Settings) -> Judgement | None:
        """What the finished pairs of an interrupted claim say: UNDECIDED, with their evidence."""
        outcomes = dict(zip(hearing.claim.arms, (results for _, results in hearing.outcomes), strict=False))
        if hearing.test is None or not outcomes:
            return None
        with suppress(MlopsError):
            judgement = judge(
                hearing.claim,
                outcomes,
                hearing.test,
                method=settings.method,
                run_out="interrupted",
                confirm_harm=settings.confirm_harm,
                worst=settings.worst_values,
                surplus=hearing.surplus,
            )
            return judgement if judgement.ended is Ended.RUN_OUT else None
        return None

    def _pairs(
        self,
        hearing: Hearing,
        gate: Gate,
        sources: Mapping[Arm, Source],
        outcomes: Mapping[Arm, list[RunResult]],
        telling: Telling,
    ) -> Judgement:
        claim, settings = hearing.claim, gate.settings
        assert hearing.test is not None
        test = hearing.test
        judged = partial(
            judge,
            claim,
            outcomes,
            test,
            method=settings.method,
            confirm_harm=settings.confirm_harm,
            worst=settings.worst_values,
            surplus=hearing.surplus,
        )
        for pair in range(int(test.looks[-1])):
            with telling.measured(hearing.bill, pair):
                self._next_pair(sources, outcomes, hearing, settings)
            if hearing.bill.refused is not None:
                hearing.go_on = self.go_on_after_budget(gate, telling.rest(pair).seconds[-1])
                return judged(run_out=self.budget_reached(hearing.bill.refused, settings))
            same = (
                identical_code(claim, hearing.prepared, self.laboratory, trained=True) if pair == 0 else None
            )
            if same is not None:
                return same
            judgement = judged()
            telling.design = designed(claim, test, settings.method, judgement.splits)
            hearing.test = telling.design.test
            telling.pair(judgement, outcomes)
            if judgement.open and pair + 1 == telling.most:
                judgement = judged(run_out=f"the recorded results end after {telling.most} training runs")
            if not judgement.open:
                self.check_unchanged(claim.statement, outcomes)
                hearing.remarks += filter(None, [telling.design.words])
                return judgement
        raise AssertionError("the last pair decides, or its judgement says that no further one can be had")

    def _next_pair(
        self,
        sources: Mapping[Arm, Source],
        outcomes: Mapping[Arm, list[RunResult]],
        hearing: Hearing,
        settings: Settings,
    ) -> None:
        """Add one more run to the outcomes of each arm; where one failed, the pair is lost and the rest is not paid."""
        pair = min(len(outcomes[arm]) for arm in hearing.claim.varying)
        counts = claims_failure(hearing.claim) or bool(settings.worst_values)
        for arm, source in sources.items():
            if isinstance(source, list):
                outcomes[arm].append(source[pair])
                if source[pair].failed and not counts:
                    return
        ready = [
            prepared
            for arm in wanting(hearing.claim, outcomes)
            if (prepared := _in_turn(sources[arm], pair)) is not None
        ]
        if costs.claims_cost(hearing.claim):
            runs: Sequence[RunResult | None] = costs.next_pair(self.laboratory, ready, pair, hearing.bill)
        else:
            ready = costs.in_order(ready, pair)
            method = settings.method
            check = partial(look, hearing.claim, hearing.test, method) if pair == 0 else None
            wanted = [(prepared, 0 if prepared.arm.is_fixed else pair) for prepared in ready]
            runs = self.laboratory.runs(wanted, hearing.bill, look=check, failures_count=counts)
        for prepared, run in zip(ready, runs, strict=True):
            if run is not None:
                outcomes[prepared.claimed].append(run)

    def _sources(self, hearing: Hearing, gate: Gate) -> dict[Arm, Source]:
        """Where the results of each arm come from; with ``attempts = spend`` on the attempt's seeds, and at its level."""
        claim, settings = hearing.claim, gate.settings
        ready = [one for arm in claim.arms if arm.trains for one in self._ready(arm, gate)]
        name = blocks.base_block(ready)
        if spending.spends(settings):
            attempt = self.attempts.of(claim, gate.test, settings, ready)
            name, hearing.test = attempt.block, design_of(attempt.spent(settings), claim, gate.turns)
        hearing.prepared = [blocks.on_seeds(claim, settings, prepared, name=name) for prepared in ready]
        recorded = blocks.recorded_beside(claim, hearing.prepared)
        hearing.remarks += recorded.remarks
        hearing.remarks += sorted({self.laboratory.commits.words(arm) for arm in claim.arms if arm.uses.ref})
        trained: dict[Arm, tuple[Prepared, ...]] = {}
        for prepared in hearing.prepared:
            trained[prepared.claimed] = (*trained.get(prepared.claimed, ()), prepared)
        return {**recorded.results, **trained}

    def _ready(self, arm: Arm, gate: Gate) -> Sequence[Prepared]:
        """An arm that trains, made ready in each context that there is."""
        if gate.contexts is None:
            return [self.laboratory.prepare(arm, gate.settings)]
        return contexts.made_ready(self.laboratory, arm, gate.contexts, gate.settings)

    def _take_attempt(self, hearing: Hearing, gate: Gate) -> None:
        """Count the attempt before its first training run; another session may have counted one since it was asked."""
        claim, settings = hearing.claim, gate.settings
        attempt = self.attempts.take(claim, gate.test, settings, hearing.prepared)
        hearing.test = design_of(attempt.spent(settings), claim, gate.turns)
        hearing.remarks.append(attempt.spending_remark(settings))

    def _count(self, hearing: Hearing, gate: Gate) -> None:
        """Note the attempt, and say from the second on that there were others."""
        claim, settings = hearing.claim, gate.settings
        attempt = self.attempts.of(claim, gate.test, settings, hearing.prepared)
        self.attempts.note(claim, gate.test, settings, hearing.prepared)
        if attempt.number > 1:
            alpha = hearing.test.alpha if hearing.test is not None else settings.alpha
            hearing.remarks.append(attempt.remark(alpha))

    def budget_reached(self, refused: Prepared, settings: Settings) -> str:
        """Why a training run of this arm does not start."""
        left, expected = self.laboratory.budget.left, self.laboratory.expected(refused)
        if left <= 0 or expected is None:
            return f"the budget of {settings.budget} is spent"
        return (
            f"{duration(left)} are left of the budget of {settings.budget}, and a training run of "
            f"{refused.arm.label} takes about {duration(expected)}"
        )

    def go_on_after_budget(self, gate: Gate, rest: float | None) -> str:
        """The command whose budget is enough for all that may be left, in seconds."""
        enough = max((rest or 0.0) * _ROOM, gate.settings.budget_seconds)
        command = self.commands.go_on(gate.test, budget=time_text(enough))
        return f"Finished training runs are kept, and the sequence goes on where it stopped: {command}"

    def check_unchanged(self, statement: str, outcomes: Mapping[Arm, list[RunResult]]) -> None:
        """All runs of a claim have to be of one and the same project, or they are not comparable."""
        changed = self.laboratory.changed(outcomes)
        if changed:
            raise DataError(
                f"{statement}: {', '.join(changed)} changed while the claim was decided, so that some of its training runs "
                "are of the project before and some of the one after. Start pytest again: what still holds is reused."
            )


def _in_turn(source: Source, pair: int) -> Prepared | None:
    """Who trains that pair; None where its results exist."""
    if isinstance(source, list):
        return None
    return source[pair % len(source)]


def look(claim: Claim, test: SequentialTest | None, method: str, arm: Arm, run: RunResult) -> None:
    """Find a misspelt name, or what so few seeds cannot show, at once and not after the other arms' first runs."""
    if not run.failed:
        returned = Returned(names=tuple(run.metrics), yes_no=run.yes_no, splits=run.splits)
        check_names(claim, {arm: returned}, test=test, method=method)
        if not claim.varying and not run.cases:
            raise refuse_seeds_alone(claim)
