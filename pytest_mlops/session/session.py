"""One pytest session with ``--mlops``: hears claims, trains what they need, and remembers the evidence."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache, partial
from typing import TypedDict

from pytest_mlops.claims.arms import Arm, Arms
from pytest_mlops.claims.claim import Claim, user_frame
from pytest_mlops.claims.failures import claims_failure
from pytest_mlops.claims.guard import accepts_expected_failure, objection
from pytest_mlops.claims.judge import Ended, Judgement, judge
from pytest_mlops.claims.names import check_names
from pytest_mlops.claims.recording import Recording
from pytest_mlops.errors import ClaimError, DataError, MlopsError, SettingError
from pytest_mlops.records import Returned, RunResult
from pytest_mlops.reports.evidence import evidence
from pytest_mlops.reports.model import GateRecord
from pytest_mlops.reports.text import duration
from pytest_mlops.session import convert
from pytest_mlops.session.command import Commands
from pytest_mlops.session.gates import Gate, Hearing
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.new_arms import NewArms
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.price import Price
from pytest_mlops.session.smoke import Smoke
from pytest_mlops.session.telling import Telling
from pytest_mlops.settings import Settings, time_text
from pytest_mlops.stats import SequentialTest


@lru_cache(maxsize=64)
def design(alpha: float, power: float, min_seeds: int, max_seeds: int) -> SequentialTest:
    """The sequential test of these options; boundaries are computed once."""
    return SequentialTest(alpha=alpha, power=power, min_seeds=min_seeds, max_seeds=max_seeds)


_ROOM = 1.1
"""Room in a budget that is proposed: training runs do not all take equally long."""


class Session:
    """Hears the claims of all gates, one gate after the other.

    Parameters
    ----------
    laboratory : Laboratory
        Gets training runs.
    progress : callable
        Takes one plain line for every finished pair.
    smoke : Smoke, optional
        Hears the claims of a session that only tries the arms out.
    commands : Commands
        What to type to go on with a gate, or to try it out.
    """

    def __init__(
        self,
        *,
        laboratory: Laboratory,
        progress: Callable[[str], None],
        smoke: Smoke | None = None,
        commands: Commands,
    ) -> None:
        self._commands = commands
        self._laboratory = laboratory
        self._progress = progress
        self.smoke = smoke
        self._new_arms = NewArms(laboratory=laboratory, say=progress)
        self.arms = Arms(self)
        self.gate: Gate | None = None

    # --- gates, for the plugin

    def begin(self, test: str, settings: Settings, *, is_gate: bool) -> None:
        """A test starts: claims belong to it from here on."""
        self.gate = Gate(test=test, is_gate=is_gate, settings=settings)

    def objection(self, *, final: bool = False, all_claims: bool = False) -> str | None:
        """Why the test, which passed so far, may not be green.

        Parameters
        ----------
        final : bool
            After teardown: a gate without claims was reported before.
        all_claims : bool
            Look at all claims again; by default each is looked at once.
        """
        gate = self.gate
        if gate is None:
            return None
        asked = gate.asked(since=0 if all_claims else gate.guarded)
        gate.guarded = len(gate.hearings)
        is_gate = gate.is_gate and not final
        if self.smoke is not None:  # no verdict, so nothing to guard but that claims are stated and asked
            asked, is_gate = [one for one in asked if one.verdict is None], is_gate and not gate.hearings
        return objection(asked, is_gate=is_gate)

    def made_a_gate(self) -> None:
        """The test asked for one of our fixtures while it ran, so it has to show something."""
        if self.gate is not None:
            self.gate.is_gate = True

    def is_expected_failure(self) -> bool:
        """Whether a strict xfail has what it expects: a FAIL, and nothing undecided."""
        return self.gate is not None and accepts_expected_failure(self.gate.asked())

    def evidence(self, *, beside: str = "") -> list[str]:
        """Evidence of every claim of the gate that did not PASS; one that broke with the text ``beside`` it has said all."""
        if self.gate is None or self.smoke is not None:
            return []
        record = convert.gate_record(self.gate)
        return [
            evidence(claim, failed_runs=record.failed_runs)
            for claim, hearing in zip(record.claims, self.gate.hearings, strict=True)
            if claim.verdict != "PASS" and not (hearing.broken and hearing.error == beside)
        ]

    def end(self) -> GateRecord | None:
        """The test is over: what it adds to the report; None if it is no gate and made no claim."""
        gate, self.gate = self.gate, None
        if gate is None or self.smoke is not None or not (gate.is_gate or gate.hearings):
            return None
        return convert.gate_record(gate)

    def close(self) -> str | None:
        """Close store and executor; what was lost, if anything. Closing twice is no error."""
        return self._laboratory.close()

    # --- claims, for arms

    def stated(self, claim: Claim) -> None:
        """Take notice of a claim: one that is never asked shows nothing, and the guard says so."""
        if self.gate is not None:
            self.gate.hearing(claim)

    def ask(self, claim: Claim) -> Judgement:
        """Train until the claim is decided.

        Raises
        ------
        MlopsError
            If the claim cannot be judged; whatever was trained until then is kept.
        """
        if self.gate is None:
            raise ClaimError(
                f"{claim.statement}: claims are asked inside a test, so that its report can carry the evidence."
            )
        frame = user_frame()
        self.gate.asked_at.add((frame.f_code.co_filename, frame.f_lineno))
        hearing = self.gate.hearing(claim)
        if hearing.judgement is not None:
            return hearing.judgement
        hearing.asked = True
        started = time.perf_counter()
        try:
            hearing.judgement = (
                self._hear(hearing, self.gate) if self.smoke is None else self.smoke.hear(claim, self.gate)
            )
        except KeyboardInterrupt:
            hearing.interrupted = True
            hearing.judgement = _judged_so_far(hearing, self.gate.settings)
            hearing.go_on = f"Finished training runs are kept. Go on: {self._commands.go_on(self.gate.test)}"
            raise
        except BaseException as error:
            hearing.error = str(error)
            raise
        finally:
            hearing.seconds += time.perf_counter() - started
        return hearing.judgement

    def _hear(self, hearing: Hearing, gate: Gate) -> Judgement:
        claim, settings = hearing.claim, gate.settings
        most = len(claim.seeds) if claim.seeds is not None else settings.max_seeds
        if most < settings.min_seeds:
            raise SettingError(
                f"{claim.statement}: using(seeds=...) names {most} seeds, but no look comes before min_seeds = "
                f"{settings.min_seeds}. Name more seeds, or lower min_seeds (--mlops-min-seeds={max(most, 2)}, or "
                f"@pytest.mark.mlops(min_seeds={max(most, 2)}))."
            )
        test = design(settings.alpha, settings.power, settings.min_seeds, min(most, settings.max_seeds))
        hearing.test = test
        started = time.perf_counter()
        sources = {arm: self._source(arm, settings, hearing) for arm in claim.arms}
        ready_in = time.perf_counter() - started
        outcomes: dict[Arm, list[RunResult]] = {arm: [] for arm in claim.arms}
        hearing.outcomes = [(convert.arm_id(arm), outcomes[arm]) for arm in claim.arms]
        if settings.smoke == "auto":
            self._new_arms.smoke(hearing, try_out=self._commands.try_out(gate.test))
        limit = min([int(test.looks[-1]), *(len(s) for s in sources.values() if isinstance(s, list))])
        judged = partial(judge, claim, outcomes, test, **_options(settings))
        telling = Telling(
            laboratory=self._laboratory,
            say=self._progress,
            claim=claim,
            test=test,
            arms=hearing.prepared,
            most=limit,
        )
        telling.begins(gate.test, ready_in=ready_in)
        for pair in range(limit):
            with telling.measured(hearing.bill, pair):
                self._next_pair(sources, outcomes, hearing, settings)
            if hearing.bill.refused is not None:
                hearing.go_on = self._go_on_after_budget(gate, telling.rest(pair))
                reason = self._budget_reached(hearing.bill.refused, settings)
                return judged(run_out=reason)
            judgement = judged()
            telling.pair(judgement, outcomes)
            if judgement.open and pair + 1 == limit:
                judgement = judged(run_out=f"the recorded results end after {limit} training runs")
            if not judgement.open:
                self._check_unchanged(claim, outcomes)
                return judgement
        raise AssertionError("the last pair decides, or its judgement says that no further one can be had")

    def _budget_reached(self, refused: Prepared, settings: Settings) -> str:
        left, expected = self._laboratory.budget.left, self._laboratory.expected(refused)
        if left <= 0 or expected is None:
            return f"the budget of {settings.budget} is spent"
        return (
            f"{duration(left)} are left of the budget of {settings.budget}, and a training run of "
            f"{refused.arm.label} takes about {duration(expected)}"
        )

    def _go_on_after_budget(self, gate: Gate, rest: Price) -> str:
        """The command whose budget is enough for all that may be left."""
        enough = max(rest.seconds[-1] * _ROOM, gate.settings.budget_seconds)
        command = self._commands.go_on(gate.test, budget=time_text(enough))
        return f"Finished training runs are kept, and the sequence goes on where it stopped: {command}"

    def _check_unchanged(self, claim: Claim, outcomes: Mapping[Arm, list[RunResult]]) -> None:
        """All runs of a claim have to be of one and the same project, or they are not comparable."""
        changed = self._laboratory.changed([run for results in outcomes.values() for run in results])
        if changed:
            raise DataError(
                f"{claim.statement}: {', '.join(changed)} changed while the claim was decided, so that some of its training runs "
                "are of the project before and some of the one after. Start pytest again: what still holds is reused."
            )

    def _next_pair(
        self,
        sources: Mapping[Arm, Prepared | list[RunResult]],
        outcomes: Mapping[Arm, list[RunResult]],
        hearing: Hearing,
        settings: Settings,
    ) -> None:
        """Add one more run to the outcomes of each arm; where one failed, the pair is lost and the rest is not paid."""
        pair = min(map(len, outcomes.values()))
        counts = claims_failure(hearing.claim) or bool(settings.worst_values)
        for arm, source in sources.items():
            if isinstance(source, list):
                outcomes[arm].append(source[pair])
                if source[pair].failed and not counts:
                    return
        ready = {arm: source for arm, source in sources.items() if isinstance(source, Prepared)}
        look = partial(_look, hearing.claim) if pair == 0 else None
        wanted = [(prepared, pair) for prepared in ready.values()]
        runs = self._laboratory.runs(wanted, hearing.bill, look=look, failures_count=counts)
        for arm, run in zip(ready, runs, strict=True):
            if run is not None:
                outcomes[arm].append(run)

    def _source(self, arm: Arm, settings: Settings, hearing: Hearing) -> Prepared | list[RunResult]:
        if isinstance(arm.source, Recording):
            return arm.source.results()
        prepared = self._laboratory.prepare(arm, settings)
        hearing.prepared.append(prepared)
        return prepared


def _look(claim: Claim, arm: Arm, run: RunResult) -> None:
    """Find a misspelt name at once, and not after the other arms' first runs."""
    if not run.failed:
        check_names(claim, {arm: Returned(names=tuple(run.metrics), yes_no=run.yes_no)})


class _Options(TypedDict):
    confirm_harm: bool
    worst: Mapping[str, float]


def _options(settings: Settings) -> _Options:
    """How the judge has to go about a claim, besides its design."""
    return {"confirm_harm": settings.confirm_harm, "worst": settings.worst_values}


def _judged_so_far(hearing: Hearing, settings: Settings) -> Judgement | None:
    """What the finished pairs of an interrupted claim say: UNDECIDED, with their evidence."""
    outcomes = dict(zip(hearing.claim.arms, (results for _, results in hearing.outcomes), strict=False))
    if hearing.test is None or not outcomes:
        return None
    with suppress(MlopsError):
        judgement = judge(hearing.claim, outcomes, hearing.test, run_out="interrupted", **_options(settings))
        return judgement if judgement.ended is Ended.RUN_OUT else None
    return None
