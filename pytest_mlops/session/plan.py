"""``--mlops-plan``: what each claim will cost and can decide, from the store and a pilot of three pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from pytest_mlops.claims.agreement import check_agreement
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.fixed import pairs_known, spread, wanting
from pytest_mlops.claims.judge import Judgement, no_verdict
from pytest_mlops.claims.rates import is_rate, yes_no_of
from pytest_mlops.claims.series import Series, series_of
from pytest_mlops.records import RunResult
from pytest_mlops.reports.plans import PlannedClaim, Range, Truth, plan_lines
from pytest_mlops.session.attempts import Attempts
from pytest_mlops.session.blocks import on_seeds, recorded_beside
from pytest_mlops.session.designs import design_of
from pytest_mlops.session.gates import Gate
from pytest_mlops.session.laboratory import Bill, Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.spending import check_fresh, spends

if TYPE_CHECKING:
    from pytest_mlops.stats import SequentialTest

PILOT = 3
"""Pairs that are trained where the store has fewer: the smallest number that has a spread worth the name."""


Sources = dict[Arm, Prepared | list[RunResult]]
"""Where the results of each arm come from: they are trained, or they exist."""


class Plan:
    """Hears claims in place of the judge, and says what they will cost.

    Parameters
    ----------
    laboratory : Laboratory
        Gets training runs; those of the pilot are kept, and count when the claim is judged, unless attempts are spent.
    say : callable
        Takes one plain line.
    attempts : Attempts
        Counts the attempts at claims.
    """

    name = "plan"

    def __init__(self, *, laboratory: Laboratory, say: Callable[[str], None], attempts: Attempts) -> None:
        self._laboratory = laboratory
        self._say = say
        self._attempts = attempts
        self._rows: list[PlannedClaim] = []

    def hear(self, claim: Claim, gate: Gate) -> Judgement:
        """Plan the claim.

        Raises
        ------
        MlopsError
            If an arm cannot run, or a metric of the claim does not exist.
        """
        if spends(gate.settings):
            check_fresh(claim, gate.settings)
        ready = [self._laboratory.prepare(arm, gate.settings) for arm in claim.arms if arm.trains]
        prepared = [on_seeds(claim, gate.settings, one) for one in ready]
        sources: Sources = {**recorded_beside(claim, prepared).results, **{one.arm: one for one in prepared}}
        bill = Bill()
        if not claim.varying:
            self._rows.append(self._over_patients(claim, gate, sources))
            return no_verdict()
        outcomes, trouble = self._pilot(claim, sources, bill)
        note = None
        if spends(gate.settings):
            gate, sources, note = self._next_attempt(claim, gate, sources)
        row = self._planned(claim, gate, sources, outcomes, bill, trouble)
        row.note = "; ".join(filter(None, [row.note, note])) or None
        self._rows.append(row)
        return no_verdict()

    def _next_attempt(self, claim: Claim, gate: Gate, sources: Sources) -> tuple[Gate, Sources, str]:
        """What the claim would be judged by if it were asked now: the level and the seeds of its attempt."""
        ready = [source for source in sources.values() if isinstance(source, Prepared)]
        attempt = self._attempts.of(claim, gate.test, gate.settings, ready)
        settings = attempt.spent(gate.settings)
        own: Sources = {
            arm: on_seeds(claim, settings, source, name=attempt.block)
            if isinstance(source, Prepared)
            else source
            for arm, source in sources.items()
        }
        note = (
            f"attempt {attempt.number}, alpha {settings.alpha:.2g}, on seeds of its own: the pairs of this pilot are seen, so "
            "they do not count for it"
        )
        return replace(gate, settings=settings), own, note

    def finish(self) -> None:
        """Nothing is left to do after the last test."""

    def lines(self, found: Sequence[object], *, width: int) -> list[str]:
        """A block a claim, and what all of them cost."""
        return plan_lines(msgspec.convert(list(found), list[PlannedClaim]), width=width)

    def found(self) -> list[object]:
        """The plans so far, as plain values."""
        return [msgspec.to_builtins(row) for row in self._rows]

    def _pilot(
        self, claim: Claim, sources: Sources, bill: Bill
    ) -> tuple[dict[Arm, list[RunResult]], str | None]:
        """Finished pairs from the store, at least three of them; and why there are no more."""
        outcomes: dict[Arm, list[RunResult]] = {arm: [] for arm in claim.arms}
        trained = [(arm, source) for arm, source in sources.items() if isinstance(source, Prepared)]
        varying = [sources[arm] for arm in claim.varying]
        most = min(len(s.seeds) if isinstance(s, Prepared) else len(s) for s in varying)
        for pair in range(most):
            ready = all(self._laboratory.missing(source, range(pair, pair + 1)) == 0 for _, source in trained)
            if pair >= PILOT and not ready:
                break
            wanted = [(a, s) for a in wanting(claim, outcomes) if isinstance(s := sources[a], Prepared)]
            runs = self._laboratory.runs([(s, 0 if a.is_fixed else pair) for a, s in wanted], bill)
            if any(run is None for run in runs):
                return outcomes, "the budget did not allow the pilot"
            for (arm, _), run in zip(wanted, runs, strict=True):
                outcomes[arm].append(run)  # type: ignore[arg-type]  # looked at above
            for arm, source in sources.items():
                if isinstance(source, list):
                    outcomes[arm].append(source[pair])
            failed = [results[-1] for results in outcomes.values() if results[-1].failed]
            if failed and failed[0].failure is not None:
                return outcomes, f"a training run failed: {failed[0].failure.message}"
        return outcomes, None

    def _over_patients(self, claim: Claim, gate: Gate, sources: Sources) -> PlannedClaim:
        """A claim of fixed arms costs a training run each, and no more."""
        row = self._priced(claim, gate, sources, most=1)
        row.note = "fixed arms have one training run each: one look over their patients, and no seeds to plan"
        return row

    def _priced(self, claim: Claim, gate: Gate, sources: Sources, *, most: int) -> PlannedClaim:
        """What a claim costs at the most."""
        settings = gate.settings
        trained = [source for source in sources.values() if isinstance(source, Prepared)]
        runs, seconds = _cost(self._laboratory, trained, most)
        return PlannedClaim(
            test=gate.test,
            line=claim.line,
            statement=claim.statement,
            pilot=0,
            trained=0,
            most_runs=runs,
            most_seconds=seconds,
            on_gpu=any(source.place.device != "cpu" for source in trained),
            budget=settings.budget_seconds if math.isfinite(settings.budget_seconds) else None,
        )

    def _planned(
        self,
        claim: Claim,
        gate: Gate,
        sources: Sources,
        outcomes: dict[Arm, list[RunResult]],
        bill: Bill,
        trouble: str | None,
    ) -> PlannedClaim:
        test = design_of(gate.settings, claim)
        row = self._priced(claim, gate, sources, most=int(test.looks[-1]))
        row.pilot, row.trained, row.note = pairs_known(claim, outcomes), bill.trained, trouble
        if trouble is None and row.pilot:
            trained = [source for source in sources.values() if isinstance(source, Prepared)]
            self._forecast(row, claim, spread(claim, outcomes), test, trained)
        return row

    def _forecast(
        self,
        row: PlannedClaim,
        claim: Claim,
        outcomes: Mapping[Arm, Sequence[RunResult]],
        test: SequentialTest,
        trained: Sequence[Prepared],
    ) -> None:
        """Fill in what the pilot tells."""
        from pytest_mlops.stats.planning import plan

        parts = check_agreement(claim, outcomes, row.pilot)
        if any(is_rate(claim, part, yes_no_of(claim, outcomes, row.pilot)) for part in parts):
            row.note = "a yes/no metric: its cost is not forecast, only what it is at the most"
            return
        series = [series_of(claim, part, outcomes, row.pilot) for part in parts]
        sds = [float(one.differences.std(ddof=1)) if row.pilot > 1 else 0.0 for one in series]
        widest = series[sds.index(max(sds))]
        if len(parts) > 1:
            row.note = f"of {len(parts)} parts, all of which must hold, the one that scatters most"
        if row.pilot < PILOT or max(sds) <= widest.resolution:
            row.note = f"{row.pilot} pairs without spread tell nothing of the cost"
            return
        if widest.room is not None:
            self._forecast_within(row, widest, test, trained)
            return
        direction = -1.0 if claim.sign == "<" else 1.0
        margin = direction * widest.margin
        values = direction * widest.differences
        gains = _gains(claim, margin, float(values.mean()))
        found = plan(test, margin=margin, differences=values, gains=list(gains))
        row.sd, row.sd_range = found.sd, found.sd_range
        for outlook in found.outlooks:
            words = f"{direction * outlook.gain:.4g}, {gains[outlook.gain]}"
            row.truths.append(self._truth(words, outlook.power, outlook.expected_seeds, trained))
        low, high = (direction * gain for gain in found.decidable_gain)
        row.decides = (
            f"{int(test.looks[-1])} seeds decide, with power {test.power:g}, "
            f"if the true value is {'below' if direction < 0 else 'above'} {low:.3g}"
            + (f" (or {high:.3g}, if the pilot was lucky)" if low != high else "")
        )

    def _forecast_within(
        self, row: PlannedClaim, series: Series, test: SequentialTest, trained: Sequence[Prepared]
    ) -> None:
        """The same for an equivalence: both of its sides have to pass, which is at least 2 p - 1 where each does with p."""
        from pytest_mlops.stats.planning import plan

        assert series.room is not None
        width = float(series.room.mean())
        found = plan(test, margin=-width, differences=series.differences - series.margin, gains=[0.0])
        row.sd, row.sd_range = found.sd, found.sd_range
        (outlook,) = found.outlooks
        both = (max(0.0, 2 * outlook.power[0] - 1), max(0.0, 2 * outlook.power[1] - 1))
        row.truths.append(
            self._truth(f"{series.margin:.4g}, the middle", both, outlook.expected_seeds, trained)
        )
        low, high = (gain + width for gain in found.decidable_gain)
        row.decides = (
            f"{int(test.looks[-1])} seeds show a margin of {low:.3g} either side, with power {2 * test.power - 1:.2g} if "
            "there is no difference" + (f" (or of {high:.3g}, if the pilot was lucky)" if low != high else "")
        )

    def _truth(
        self, words: str, power: Range, seeds: tuple[float, float], trained: Sequence[Prepared]
    ) -> Truth:
        costs = [_cost(self._laboratory, trained, math.ceil(n)) for n in seeds]
        return Truth(
            words=words,
            power=power,
            runs=(costs[0][0], costs[1][0]),
            seconds=(costs[0][1], costs[1][1]),
        )


def _gains(claim: Claim, margin: float, estimate: float) -> dict[float, str]:
    """True values to look at, in the direction of the claim, with their names."""
    gains: dict[float, str] = {}
    if not claim.has_bar:
        gains[0.0] = "no difference"
    if margin:
        gains.setdefault(margin, "the bar" if claim.has_bar else "the margin")
    if margin > 0 and not claim.has_bar:
        gains.setdefault(2 * margin, "twice the margin")
    gains.setdefault(estimate, "as in the pilot")
    return gains


def _cost(laboratory: Laboratory, arms: Sequence[Prepared], seeds: int) -> tuple[int, float]:
    """Training runs and seconds until so many pairs are finished."""
    missing = [laboratory.missing(arm, range(min(seeds, len(arm.seeds)))) for arm in arms]
    seconds = sum(n * (laboratory.expected(arm) or 0.0) for n, arm in zip(missing, arms, strict=True))
    return sum(missing), seconds
