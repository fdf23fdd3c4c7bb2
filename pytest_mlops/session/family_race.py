"""Which row of a family gets the next pair. It moves money, and no verdict: the judge replays rows in seed order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.family import FamilyJudgement, RowJudgement
from pytest_mlops.claims.family_judge import apart, judge_family
from pytest_mlops.records import RunResult
from pytest_mlops.session.deciding import Deciding, look
from pytest_mlops.session.derived import with_upstreams
from pytest_mlops.session.family_telling import FamilyTelling
from pytest_mlops.session.gates import FamilyHearing, Hearing
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings
from pytest_mlops.stats import SequentialTest

Source = Prepared | list[RunResult]
"""Where the results of an arm come from: they are trained, or they exist."""


@dataclass(kw_only=True)
class Race:
    """The rows of one family while they are trained.

    While the budget pays for all that is expected, all rows go on in step, seed by seed: that wastes nothing. Where it does not,
    the next pair goes to the row that needs the fewest further training runs, so that what can be decided is decided.

    Parameters
    ----------
    deciding : Deciding
        Trains.
    hearing : FamilyHearing
        Its outcomes are filled.
    settings : Settings
        Of the gate.
    test : SequentialTest
        The design of the family.
    sources : mapping of arm to Prepared or results
    telling : FamilyTelling
        Says what each pair gave.
    """

    deciding: Deciding
    hearing: FamilyHearing
    settings: Settings
    test: SequentialTest
    sources: Mapping[Arm, Source]
    telling: FamilyTelling
    refused: bool = field(default=False, init=False)
    """Whether the budget stopped a row."""
    _run_out: dict[str, str] = field(default_factory=dict, init=False)

    def run(self) -> FamilyJudgement | None:
        """Train until no row wants another pair; None where the metric turns out to be judged row by row."""
        judgement, telling = self._judged(), self.telling
        while places := self._next(judgement):
            for place in places:
                row = self.hearing.rows[place]
                pair = self._pairs(row)
                with telling.measured(self.hearing, place, pair):
                    trained = self._pair(row, pair)
                if trained and apart(self.hearing.family, self.hearing.outcomes):
                    return None
                if telling.is_late:
                    telling.say_pairs(self._judged(), self.hearing.outcomes)
            judgement = self._judged()
            telling.say_pairs(judgement, self.hearing.outcomes)
        left = next(iter(self._run_out.values()), None)
        if left is not None:
            names = self.hearing.family.components
            judgement = self._judged({name: self._run_out.get(name, left) for name in names})
        return judgement

    def rest(self, judgement: FamilyJudgement) -> float:
        """Seconds that the rows which are open may still take at the most."""
        laboratory, most, seconds = self.deciding.laboratory, int(self.test.looks[-1]), 0.0
        arms: dict[Arm, int] = {}
        for row, found in zip(self.hearing.rows, judgement.rows, strict=True):
            if found.judgement.ended.value in ("open", "run out"):
                for arm in row.claim.arms:
                    arms[arm] = min(arms.get(arm, most), len(self.hearing.outcomes[arm]))
        for arm, done in arms.items():
            source = self.sources[arm]
            for one in with_upstreams([source]) if isinstance(source, Prepared) else ():
                seconds += laboratory.missing(one, range(done, most)) * (laboratory.expected(one) or 0.0)
        return seconds

    def _judged(self, run_out: Mapping[str, str] | None = None) -> FamilyJudgement:
        return judge_family(
            self.hearing.family,
            self.hearing.outcomes,
            self.test,
            run_out=run_out,
            confirm_harm=self.settings.confirm_harm,
            worst=self.settings.worst_values,
        )

    def _pairs(self, row: Hearing) -> int:
        """Pairs of the row that are there."""
        return len(self.hearing.outcomes[self.hearing.family.variant(row.claim)])

    # --- whose turn it is

    def _next(self, judgement: FamilyJudgement) -> list[int]:
        """The places of the rows that get the next pairs, in this order; none where none wants one, or can have one."""
        names = self.hearing.family.components
        wanting = [
            place
            for place, found in enumerate(judgement.rows)
            if found.judgement.open and found.wants_more and names[place] not in self._run_out
        ]
        least = min((self._pairs(self.hearing.rows[place]) for place in wanting), default=0)
        in_step = [place for place in wanting if self._pairs(self.hearing.rows[place]) == least]
        if self.deciding.laboratory.budget.seconds == float("inf") or not wanting:
            return in_step
        costs = {place: self._cost(place, judgement.rows[place]) for place in wanting}
        if sum(seconds for _, seconds in costs.values()) <= self.deciding.laboratory.budget.left:
            return in_step
        return [min(wanting, key=lambda place: costs[place][0])]

    def _cost(self, place: int, found: RowJudgement) -> tuple[float, float]:
        """Training runs and seconds that the row is expected to take until it is decided."""
        from pytest_mlops.stats.racing import expected_pairs

        row, laboratory = self.hearing.rows[place], self.deciding.laboratory
        part, level = found.judgement.deciding, found.level or self.test.alpha / len(self.hearing.rows)
        sign = 1.0 if row.claim.sign == ">" else -1.0
        contrasts = [sign * (value - part.limits[0]) for value in part.contrasts] if part is not None else []
        pairs = expected_pairs(replace(self.test, alpha=level), contrasts)
        done = self._pairs(row)
        ahead = range(done, min(int(self.test.looks[-1]), done + max(1, round(pairs))))
        runs = seconds = 0.0
        for arm in row.claim.arms:
            source = self.sources[arm]
            for one in with_upstreams([source]) if isinstance(source, Prepared) else ():
                missing = laboratory.missing(one, ahead)
                runs += missing
                seconds += missing * (laboratory.expected(one) or 0.0)
        return runs, seconds

    # --- one pair

    def _pair(self, row: Hearing, pair: int) -> bool:
        """Add one pair to a row; False where it cannot be had."""
        family, outcomes = self.hearing.family, self.hearing.outcomes
        counts = bool(self.settings.worst_values)
        for arm in (family.reference, family.variant(row.claim)):
            if len(outcomes[arm]) > pair:
                continue
            run = self._run(row, arm, pair)
            if run is None:
                return False
            outcomes[arm].append(run)
            if run.failed and not counts:
                break
        return True

    def _run(self, row: Hearing, arm: Arm, place: int) -> RunResult | None:
        """The run of an arm at that place; None where it cannot be had, which ends the row."""
        source, bill = self.sources[arm], row.bill
        component = row.claim.member.component if row.claim.member is not None else ""
        if isinstance(source, list):
            if place < len(source):
                return source[place]
            self._run_out[component] = f"the recorded results end after {len(source)} training runs"
            return None
        if arm == self.hearing.family.reference:
            bill = self.hearing.bill
        check = partial(look, row.claim, row.test, self.settings.method) if place == 0 else None
        (run,) = self.deciding.laboratory.runs([(source, place)], bill, look=check, failures_count=True)
        if bill.refused is not None:
            self._run_out[component] = self.deciding.budget_reached(bill.refused, self.settings)
            self.refused, bill.refused = True, None
        return run
