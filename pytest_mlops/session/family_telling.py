"""What the terminal says of a family while it trains: what for, what it may cost, and a line for every pair of every row."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.family import FamilyClaim, FamilyJudgement
from pytest_mlops.records import RunResult
from pytest_mlops.reports.progress import apart_line, claim_line, price_lines, progress_line
from pytest_mlops.reports.text import duration
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.derived import with_upstreams
from pytest_mlops.session.gates import FamilyHearing
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.price import price
from pytest_mlops.stats import SequentialTest

_LONG = 1.0
"""Seconds of making ready that are worth a line."""


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """What one pair took."""

    place: int
    first: bool
    trained: int
    training: float
    waiting: float
    wall: float


@dataclass(kw_only=True)
class FamilyTelling:
    """Says of a family what its pairs gave and took; of one whose results are all recorded it says nothing.

    Parameters
    ----------
    laboratory : Laboratory
        Knows what training runs take.
    say : callable
        Takes one plain line.
    family : FamilyClaim
    test : SequentialTest
        The design of a row at its share of alpha: the strictest that a row may have.
    arms : sequence of Prepared
        Those that train.
    """

    laboratory: Laboratory
    say: Callable[[str], None]
    family: FamilyClaim
    test: SequentialTest
    arms: Sequence[Prepared]
    _priced: bool = False
    _spent: float = 0.0
    _pairs: list[_Pair] = field(default_factory=list, init=False)
    """Those of which nothing was said yet."""

    def begins(self, gate: str, *, ready_in: float) -> None:
        """The family is about to train; making its arms ready took so long."""
        if not self.arms:
            return
        self.say(claim_line(gate=gate, statement=self.family.statement))
        if ready_in > _LONG:
            self.say(f"  made ready in {duration(ready_in)}: code, data, device")

    @contextmanager
    def measured(self, hearing: FamilyHearing, place: int, pair: int) -> Iterator[None]:
        """Measure one pair of a row; where finished runs tell what training takes, the price is said before the first is paid.

        Yields
        ------
        None
            While the pair is trained.
        """
        self._price_ahead(pair)
        before, started = _sums(hearing), time.perf_counter()
        yield
        after = _sums(hearing)
        took = _Pair(
            place=place,
            first=pair == 0,
            trained=int(after[0] - before[0]),
            training=after[1] - before[1],
            waiting=after[2] - before[2],
            wall=time.perf_counter() - started,
        )
        self._spent += took.training
        self._pairs.append(took)

    @property
    def is_late(self) -> bool:
        """Whether the pairs of which nothing was said yet took so long that somebody may be waiting for a word."""
        return sum(pair.wall for pair in self._pairs) > _LONG

    def say_pairs(self, judgement: FamilyJudgement, outcomes: Mapping[Arm, Sequence[RunResult]]) -> None:
        """What the pairs gave of which nothing was said yet; after the first pair of every row the price, if it is not known."""
        pairs, self._pairs = self._pairs, []
        if not self.arms:
            return
        for took in pairs:
            self.say(self._line(judgement, outcomes, took))
            apart = apart_line(starting=took.wall - took.training - took.waiting, waiting=took.waiting)
            if apart is not None:
                self.say(apart)
        first = any(pair.first for pair in pairs)
        if first and self._spent and not self._priced and all(row.judgement.n for row in judgement.rows):
            self._say_price(done=1, took=self._spent)

    def _line(
        self, judgement: FamilyJudgement, outcomes: Mapping[Arm, Sequence[RunResult]], took: _Pair
    ) -> str:
        place = took.place
        row = self.family.rows[place]
        part, level = judgement.rows[place].judgement.deciding, judgement.rows[place].level
        arms = [term.arm for term in row.left.terms + row.right.terms]
        pair = min(len(outcomes[arm]) for arm in arms)
        bounds = {int(n): float(bound) for n, bound in zip(self.test.looks, self.test.efficacy, strict=True)}
        strictest = level is not None and abs(level - self.test.alpha) < 1e-12
        known = part is not None and len(part.contrasts) == pair and pair > 1
        return progress_line(
            pair=max(1, pair),
            max_pairs=int(self.test.looks[-1]),
            values=[
                outcomes[arm][pair - 1].metrics.get(self.family.metric) if pair else "not trained"
                for arm in arms
            ],
            estimate=sum(part.contrasts) / len(part.contrasts)
            if part is not None and part.contrasts
            else None,
            t=part.decision.statistic if part is not None and known else None,
            needed=bounds.get(pair) if strictest else None,
            seconds=took.training,
            reused=not took.trained,
            part=self.family.components[place],
        )

    def _price_ahead(self, done: int) -> None:
        arms = with_upstreams(self.arms)
        if self._priced or not any(self.laboratory.missing(arm, range(done, done + 1)) for arm in arms):
            return
        expected = [self.laboratory.expected(arm) for arm in arms if not arm.arm.is_fixed]
        known = [seconds for seconds in expected if seconds is not None]
        if len(known) == len(expected):
            self._say_price(done=done, took=sum(known), ahead=True)

    def _say_price(self, *, done: int, took: float, ahead: bool = False) -> None:
        self._priced = True
        rest = price(self.laboratory, self.arms, self.test, done=done, most=int(self.test.looks[-1]))
        if not rest.runs[-1]:
            return
        for line in price_lines(
            pair=None if ahead else done,
            took=took,
            runs=rest.runs,
            seconds=rest.seconds,
            on_gpu=rest.on_gpu,
            left=self.laboratory.budget.left,
            one_arm=False,
            arms=len(self.arms),
        ):
            self.say(line)


def _sums(hearing: FamilyHearing) -> tuple[float, float, float]:
    bills: list[Bill] = [hearing.bill, *(row.bill for row in hearing.rows)]
    return (
        sum(bill.trained for bill in bills),
        sum(bill.train_seconds for bill in bills),
        sum(bill.waited_seconds for bill in bills),
    )
