"""What the terminal says of one claim while it trains: what for, what it may cost, and a line for every pair."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.judge import Judgement
from pytest_mlops.claims.methods import AUTO, Design
from pytest_mlops.records import RunResult
from pytest_mlops.reports.progress import WIDTH, apart_line, claim_line, price_lines, progress_line
from pytest_mlops.reports.text import duration, wrap
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.derived import with_upstreams
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.price import Price, price

_LONG = 1.0
"""Seconds of making ready that are worth a line."""

Outcomes = Mapping[Arm, Sequence[RunResult]]


@dataclass(frozen=True, kw_only=True)
class _Pair:
    """What one pair took."""

    trained: int
    training: float
    waiting: float
    wall: float

    @property
    def starting(self) -> float:
        return self.wall - self.training - self.waiting


@dataclass(kw_only=True)
class Telling:
    """Says of one claim what its pairs gave and took; of one whose results are all recorded it says nothing.

    Parameters
    ----------
    laboratory : Laboratory
        Knows what training runs take.
    say : callable
        Takes one plain line.
    claim : Claim
    design : Design
        As far as it is known; the first pair may tell that splits vary.
    arms : sequence of Prepared
        Those of the claim's arms that train.
    recorded : sequence of int
        How many results those have that do not train.
    """

    laboratory: Laboratory
    say: Callable[[str], None]
    claim: Claim
    design: Design
    arms: Sequence[Prepared]
    recorded: Sequence[int]
    _priced: bool = False
    _said: str | None = field(default=None, init=False)
    _pair: _Pair | None = field(default=None, init=False)

    @property
    def most(self) -> int:
        """Pairs at the most."""
        return min([int(self.design.test.looks[-1]), *self.recorded])

    def begins(self, gate: str, *, ready_in: float) -> None:
        """The claim is about to train; making its arms ready took so long."""
        if not self.arms:
            return
        self.say(claim_line(gate=gate, statement=self.claim.statement))
        if ready_in > _LONG:
            self.say(f"  made ready in {duration(ready_in)}: code, data, device")
        self._say_design()

    @contextmanager
    def measured(self, bill: Bill, pair: int) -> Iterator[None]:
        """Measure one pair; where finished runs tell what training takes, the price is said before the first is paid.

        Yields
        ------
        None
            While the pair is trained.
        """
        self._price_ahead(pair)
        before = (bill.trained, bill.train_seconds, bill.waited_seconds, time.perf_counter())
        yield
        self._pair = _Pair(
            trained=bill.trained - before[0],
            training=bill.train_seconds - before[1],
            waiting=bill.waited_seconds - before[2],
            wall=time.perf_counter() - before[3],
        )

    def pair(self, judgement: Judgement, outcomes: Outcomes) -> None:
        """What the pair that was measured last gave; after the first one that was trained the price, if it is not known yet."""
        if not self.arms or self._pair is None:
            return
        took = self._pair
        self.say(_line(self.claim, judgement, outcomes, self.design, took))
        apart = apart_line(starting=took.starting, waiting=took.waiting)
        if apart is not None:
            self.say(apart)
        if self._say_design():
            self._priced = False  # what was said before was the price of another design
        if judgement.open and took.trained and not self._priced:
            done = max(map(len, outcomes.values()))
            self._say_price(self.rest(done), pair=done, took=took.training)

    def rest(self, done: int) -> Price:
        """What is left to pay after so many pairs."""
        return price(self.laboratory, self.arms, self.design.test, done=done, most=self.most)

    def _say_design(self) -> bool:
        """How the claim is judged, where that is unlike the default, as soon as it is known; whether that was news."""
        words, before = self.design.words, self._said
        self._said = words
        if words is None or words == before:
            return False
        for line in wrap(words, WIDTH, first="  ", rest="    "):
            self.say(line)
        return True

    def _price_ahead(self, done: int) -> None:
        arms = with_upstreams(self.arms)
        if self._priced or not any(self.laboratory.missing(arm, range(done, done + 1)) for arm in arms):
            return
        expected = [self.laboratory.expected(arm) for arm in arms if not arm.arm.is_fixed]
        known = [seconds for seconds in expected if seconds is not None]
        if len(known) == len(expected):
            self._say_price(self.rest(done), pair=None, took=sum(known) / self.arms[0].turns)

    def _say_price(self, rest: Price, *, pair: int | None, took: float) -> None:
        self._priced = True
        if not rest.runs[-1]:
            return
        for line in price_lines(
            pair=pair,
            took=took,
            runs=rest.runs,
            seconds=rest.seconds,
            on_gpu=rest.on_gpu,
            left=self.laboratory.budget.left,
            one_arm=len(self.claim.arms) == 1,
        ):
            self.say(line)


def _line(claim: Claim, judgement: Judgement, outcomes: Outcomes, design: Design, took: _Pair) -> str:
    """The progress line of the pair that has just been finished."""
    pair = max(map(len, outcomes.values()))
    part = judgement.deciding
    test = design.test
    # What sign flips and resamples are compared with is no bound on t.
    bounds = zip(test.looks, test.efficacy, strict=True) if design.method == AUTO else ()
    looks = {int(n): float(bound) for n, bound in bounds}
    complete = part is not None and len(part.contrasts) == pair
    contrasts = part.contrasts if part is not None and complete else ()
    values: list[float | str | None] = []
    for side in part.sides if part is not None else claim.difference.terms:
        results = outcomes[side.arm]
        known = len(results) == pair or (bool(results) and side.arm.is_fixed)
        values.append(results[-1].metrics.get(side.metric) if known else "not trained")
    return progress_line(
        pair=pair,
        max_pairs=int(test.looks[-1]),
        values=values,
        estimate=sum(contrasts) / len(contrasts) if contrasts else None,
        t=part.decision.statistic if part is not None and complete and pair > 1 else None,
        needed=looks.get(pair),
        seconds=took.training,
        reused=not took.trained,
        part=part.name if part is not None else "",
    )
