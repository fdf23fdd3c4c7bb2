"""From prepared arms and places in their seeds to finished training runs: from memory, from the store, or trained now."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.commands import Command
from pytest_mlops.claims.ports import Executor, Lost
from pytest_mlops.claims.why import SEEDS_ONLY, no_run_of, why
from pytest_mlops.errors import SpoiltError
from pytest_mlops.records import Failure, Place, Returned, RunKey, RunResult
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.budget import Budget, Durations
from pytest_mlops.session.commits import Commits
from pytest_mlops.session.declared import DeclaredData
from pytest_mlops.session.derived import (
    Ready,
    depth,
    going_on_from,
    with_splits_before,
)
from pytest_mlops.session.fresh import Fresh
from pytest_mlops.session.going_on import GoingOn
from pytest_mlops.session.keeping import Keeping
from pytest_mlops.session.preparing import Prepared, prepare, smoke_seed, spec_of
from pytest_mlops.session.preparing_commands import prepare_command
from pytest_mlops.settings import Settings
from pytest_mlops.training.smoke import Trouble, smoke_quietly

LOST_RETRIES = 1
"""How often a run that the machine lost is tried again."""

_COST = "its cost is measured anew in every session"

_POLL_SECONDS = (0.02, 1.0)
"""First and longest pause while another session trains."""

Wanted = tuple[Prepared, int]
"""A prepared arm and a place in its seeds."""


@dataclass(kw_only=True)
class Laboratory(GoingOn):
    """Gets training runs. Opens the store and the executor when the first one is wanted.

    Parameters
    ----------
    keeping : Keeping
        What is known already, and who trains what.
    open_executor : callable
        Makes the executor; called once at most.
    tell : callable
        Takes one line for people.
    root : Path, optional
        Folder of the project; runs note what they read and import below it.
    look_again : callable
        Called when a claim begins: files may have changed since the last one.
    budget : Budget, optional
        What training may cost.
    commits : Commits, optional
        Makes arms of other commits ready.
    """

    keeping: Keeping
    open_executor: Callable[[], Executor]
    tell: Callable[[str], None] = print
    root: Path | None = None
    look_again: Callable[[], None] = lambda: None
    budget: Budget = field(default_factory=Budget)
    commits: Commits = field(default_factory=Commits)
    _durations: Durations = field(init=False)
    _executor: Executor | None = None
    _known: dict[str, RunResult] = field(default_factory=dict)
    _data: DeclaredData = field(default_factory=DeclaredData)
    _reasons: dict[str, str] = field(default_factory=dict)
    fresh: Fresh = field(default_factory=Fresh)
    """What this process trained itself."""
    _in_use: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._durations = Durations(look_up=lambda function: self.keeping.store.past(function))

    @property
    def executor(self) -> Executor:
        """The executor, started on first use."""
        if self._executor is None:
            self._executor = self.open_executor()
        return self._executor

    def prepare(self, arm: Arm, settings: Settings, *, anywhere: bool = False) -> Prepared:
        """Resolve an arm's device, data and key. Its code is read now, so that a patched constant is seen.

        Parameters
        ----------
        arm : Arm
            One that trains.
        settings : Settings
            Of the gate.
        anywhere : bool
            Whether the CPU will do where the device is not there.

        Raises
        ------
        MlopsError
            If the device is not there, the data cannot be read or a value cannot be keyed.
        """
        self.look_again()
        if arm.uses.ref is not None:
            return self.commits.prepare(arm, settings, anywhere=anywhere)
        if isinstance(arm.source, Command):
            return prepare_command(arm, settings, self._data, root=self.root)
        prepared = prepare(arm, settings, self._data, anywhere=anywhere, root=self.root)
        if arm.upstream is None:
            return prepared
        return going_on_from(prepared, self.prepare(arm.upstream, settings, anywhere=anywhere))

    def expected(self, prepared: Prepared) -> float | None:
        """Seconds that one run of the arm is expected to take; None if nothing like it is known."""
        return self._durations.expected(prepared.key)

    def missing(self, prepared: Prepared, places: range) -> int:
        """How many runs at these places of the arm's seeds would have to be trained; beyond its last seed there is none."""
        finished = self.keeping.store.seeds(prepared.key)
        wanted = range(places.start, min(places.stop, len(prepared.seeds)))
        return sum(prepared.seeds[place] not in finished for place in wanted if prepared.trains(place))

    def has_finished(self, prepared: Prepared) -> bool:
        """Whether the store has any run of the arm, a failed one too."""
        return bool(self.keeping.store.seeds(prepared.key))

    def stored_before(self, prepared: Prepared, other: Prepared) -> list[RunResult]:
        """Runs of an arm under seeds that it is not paired with, which the store had before the other arm's first run.

        One a seed, the first that holds; failed ones too.
        """
        found: dict[int | None, RunResult] = {}
        for run in self.keeping.store.found_before(prepared.key, other.key):
            is_new = run.seed not in prepared.seeds and run.seed not in found
            if is_new and self.keeping.holds(run, at=prepared.at):
                found[run.seed] = run
        return list(found.values())

    def smoke(self, prepared: Prepared, bill: Bill, folders: Path) -> Returned | Trouble | None:
        """Try a prepared arm out, captured, under its smoke seed.

        What it leaves is in a folder of its own in ``folders``, where a derived arm finds what the arm before it left; or else in
        the store. None also where it is in neither.
        """
        key = replace(prepared.key, seed=smoke_seed(prepared))
        spec, left = replace(spec_of(prepared, 0), key=key), folders / prepared.key.digest
        after_smoke = False
        try:
            if prepared.upstream is not None:
                folder = folders / prepared.upstream.key.digest
                after_smoke = folder.exists()
                found = folder if after_smoke else self._left_in_store(prepared.upstream, key)
                if found is None:
                    return None
                spec = replace(spec, upstream=found)
            with self._paid(bill):
                tried = smoke_quietly(spec, left=left, after_smoke=after_smoke)
        finally:
            if prepared.upstream is not None:
                self.keeping.release(key)  # with the copies from the store
        if isinstance(tried, Returned):
            left.mkdir(exist_ok=True)
        else:
            shutil.rmtree(left, ignore_errors=True)
        return tried

    def runs(
        self,
        wanted: Sequence[Wanted],
        bill: Bill,
        *,
        look: Callable[[Arm, RunResult], None] | None = None,
        failures_count: bool = False,
    ) -> list[RunResult | None]:
        """The finished runs that are wanted, in that order; ``bill`` gets what they cost.

        What another session is training is waited for last, so that two sessions share the work. Once a run failed, no
        other one is trained or waited for, unless ``failures_count``: None stands for those. So it is once the budget
        refused one: ``bill`` says which.
        Whatever ``look`` raises about a run ends it too.
        """
        runs: list[RunResult | None] = [None] * len(wanted)
        holders: dict[int, str] = {}
        # Derived ones first: if what they go on from has to be trained again, nothing has been handed out yet.
        order = sorted(range(len(wanted)), key=lambda place: -depth(wanted[place][0]))
        for place in order:
            one = wanted[place]
            answer = self._try(one, bill)
            if isinstance(answer, str):
                holders[place] = answer
                continue
            if answer is not None:
                self._in_use.add(answer.id)
                if look is not None:
                    look(one[0].arm, answer)
            runs[place] = answer
            if answer is None or (answer.failed and not failures_count):
                break
        else:
            for place, holder in holders.items():
                runs[place] = answer = self._after(wanted[place], holder, bill)
                if answer is None or (answer.failed and not failures_count):
                    break
        bill.messages += self.keeping.news
        self.keeping.news.clear()
        return runs

    def train_again(self, prepared: Prepared, index: int, bill: Bill) -> RunResult | None:
        """A run that is trained now, whatever the store has; None where the budget does not allow it.

        It is kept where the store has none of its key, and is for this moment only elsewhere.
        """
        ready = self.ready(prepared, index, bill)
        if not isinstance(ready, Ready):
            return ready
        key = ready.key
        if self.keeping.known(key, prepared.place_at(index), at=prepared.at) is None:
            answer = self._try((prepared, index), bill)
            trained = self.fresh.newest(key)
            if answer is None or trained is not None:
                return None if answer is None else trained
        if not self.budget.allows(self.expected(prepared)):
            bill.refused = prepared
            return None
        with tempfile.TemporaryDirectory(prefix="mlops-cost-") as folder, self._paid(bill):
            spec = self._spec(prepared, index, ready)
            self.executor.submit(replace(spec, artifacts=Path(folder), root=self.root))
            (ending,) = self.executor.wait()
        if isinstance(ending.outcome, Lost):
            return _lost(key, f"the machine lost it: {ending.outcome.reason}")
        bill.add_trained(prepared.arm, key, ending.outcome, _COST)
        self.fresh.add(key, ending.outcome)
        return ending.outcome

    def changed(self, outcomes: Mapping[Arm, Sequence[RunResult]]) -> list[str]:
        """Paths that the runs of arms noted and that are not as they were, looked up again."""
        self.look_again()
        records = [
            (run.record, self.commits.folder_of(arm)) for arm, runs in outcomes.items() for run in runs
        ]
        return sorted({path for record, at in records for path in self.keeping.changed(record, at)})[:5]

    def _try(self, wanted: Wanted, bill: Bill) -> RunResult | str | None:
        """The finished run, trained now if need be; a text says which other session trains it.

        None where it would have to be trained, and the budget does not allow that.
        """
        prepared, index = wanted
        ready = self._ready(prepared, index, bill)
        if not isinstance(ready, Ready):
            return ready
        known: RunResult | str | None = self._reused(ready.key, prepared.place_at(index), bill, prepared.at)
        if known is None:
            if not self._has_before(ready):
                answer = self._train_before_again(prepared, index, ready, bill)
                return self._try(wanted, bill) if answer is None else answer[0]
            try:
                known = self._train_leased(prepared, index, ready, bill)
            except SpoiltError:
                return self._try(wanted, bill)
        if ready.before is not None and isinstance(known, RunResult):
            self._in_use.add(ready.before.id)
        return known

    def _train_leased(
        self,
        prepared: Prepared,
        index: int,
        ready: Ready,
        bill: Bill,
        *,
        instead_of: RunResult | None = None,
        why: str = "",
    ) -> RunResult | str | None:
        """Train a run under its lease, unless its last owner has just finished it; see :meth:`_try` for what comes back."""
        key, place = ready.key, prepared.place_at(index)
        if not self.budget.allows(self.expected(prepared)):
            bill.refused = prepared
            return None
        holder = self.keeping.lease(key)
        if holder is not None:
            return holder
        try:
            known = self._reused(key, place, bill, prepared.at) if instead_of is None else None
            if known is not None:
                self.keeping.release(key)
                return known
            reason = why or self._why(prepared, key, place)
            with self._paid(bill):
                known = self._train(prepared, ready, index, reason, instead_of=instead_of)
        except BaseException:
            self.keeping.release(key)
            raise
        if not known.failed and "seconds" in known.metrics:  # not measured where it went on after a kill
            self._durations.add(key, known.metrics["seconds"])
        bill.add_trained(prepared.arm, key, known, reason)
        self._known[key.digest] = known
        return known

    def _after(self, wanted: Wanted, holder: str, bill: Bill) -> RunResult | None:
        """The finished run, once the session that trains it has finished, or is gone."""
        prepared, index = wanted
        self.tell(f"waiting for seed {prepared.seeds[index]} of {prepared.arm.label}: {holder} trains it")
        pause, longest = _POLL_SECONDS
        while isinstance(answer := self._try(wanted, bill), str):
            time.sleep(pause)
            bill.waited_seconds += pause
            pause = min(longest, 1.5 * pause)
        return answer

    def _reused(self, key: RunKey, place: Place, bill: Bill, at: Path | None) -> RunResult | None:
        known = self._known.get(key.digest)
        if known is None or not self.keeping.holds(known, place, at=at):
            known = self.keeping.known(key, place, at=at)
        if known is not None:
            bill.add_reused(key, known)
            self._known[key.digest] = known
        return known

    def _why(self, prepared: Prepared, key: RunKey, place: Place) -> str:
        """Why this run is trained: of an experiment that is new in this session, what is new about it."""
        again = self.keeping.why_again(key, place, at=prepared.at)
        if again is not None:
            return again
        if key.upstream_run and key.seed in self.keeping.store.seeds(key):
            return "what it goes on from was trained again"
        experiment = prepared.key.digest
        if experiment not in self._reasons:
            kin = self.keeping.store.kin(key)
            below = f"{self.root}{os.sep}" if self.root is not None else ""
            self._reasons[experiment] = why(key, prepared.details, kin, below=below)
        return self._reasons[experiment]

    @contextmanager
    def _paid(self, bill: Bill) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            took = time.perf_counter() - started
            bill.spent_seconds += took
            self.budget.spent += took

    def _train(
        self,
        prepared: Prepared,
        ready: Ready,
        index: int,
        reason: str,
        *,
        instead_of: RunResult | None = None,
    ) -> RunResult:
        key = ready.key
        said = no_run_of([key.seed]) if reason == SEEDS_ONLY else reason
        store = self.keeping.store
        scratch, reason = self.keeping.scratch(key), ""
        for _ in range(LOST_RETRIES + 1):
            spec = self._spec(prepared, index, ready)
            spec = replace(spec, artifacts=store.artifacts(key), root=self.root, scratch=scratch)
            self.executor.submit(spec)
            (ending,) = self.executor.wait()
            if isinstance(ending.outcome, Lost):
                reason = f"the machine lost it twice: {ending.outcome.reason}"
                continue
            holder = self.keeping.lease(key) if ending.outcome.failed and spec.scratch is not None else None
            if holder is None:
                outcome = ending.outcome
                if ready.before is not None:
                    outcome = with_splits_before(prepared, ready.before, outcome)
                self.fresh.add(key, outcome)
                if outcome.failed and instead_of is not None:
                    self.keeping.release(key)  # the run whose numbers are there stays
                    return outcome
                details = replace(prepared.details, why=said)
                return self.keeping.keep(key, outcome, details, at=prepared.at, instead_of=instead_of)
            # This process stood still for long, and with the lease its scratch folder went to another one.
            reason = f"{holder} took it over while this process stood still"
            break
        # No result of the training: not stored, so that the next session tries again.
        self.keeping.release(key)
        return _lost(key, reason)

    def close(self) -> str | None:
        """Give up what is pending and close the store; which training runs are lost, if any."""
        if self._executor is not None:
            self._executor.close()
        self.commits.close()
        return self.keeping.close()


def _lost(key: RunKey, reason: str) -> RunResult:
    return RunResult(
        key=key.digest,
        seed=key.seed,
        metrics={},
        failure=Failure(kind="lost", message=reason),
    )
