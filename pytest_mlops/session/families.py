"""A family from its question to its verdicts: pair by pair and row by row, until the judge says that every row is decided."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.failures import claims_failure
from pytest_mlops.claims.family import Explored, FamilyClaim, FamilyJudgement, RowJudgement
from pytest_mlops.claims.family_judge import SHARES, apart, judge_family
from pytest_mlops.claims.judge import Ended, Judgement
from pytest_mlops.claims.methods import AUTO
from pytest_mlops.errors import AblationError, ClaimError, MetricError, MlopsError
from pytest_mlops.records import RunResult
from pytest_mlops.session import blocks, convert, costs, spending
from pytest_mlops.session.deciding import Deciding
from pytest_mlops.session.designs import design_of
from pytest_mlops.session.family_race import Race, Source
from pytest_mlops.session.family_telling import FamilyTelling
from pytest_mlops.session.gates import FamilyHearing, Gate, Hearing
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings


@dataclass(kw_only=True)
class DecidingFamilies:
    """Trains what a family needs, and no more.

    Parameters
    ----------
    deciding : Deciding
        Trains and judges single claims.
    """

    deciding: Deciding

    def decide(self, hearing: FamilyHearing, gate: Gate) -> FamilyJudgement:
        """Train until every row is decided, or nothing more can be had.

        Raises
        ------
        MlopsError
            If a row cannot be judged; whatever was trained until then is kept.
        """
        family, settings = hearing.family, gate.settings
        first = family.rows[0]
        test = design_of(settings, replace(first, member=None))
        for row in hearing.rows:
            row.test = design_of(settings, row.claim)
        if gate.contexts is not None or spending.spends(settings) or settings.method != AUTO:
            return self._apart(hearing, gate)
        if claims_failure(first) or costs.claims_cost(first):
            return self._apart(hearing, gate)
        started = time.perf_counter()
        sources = self._sources(hearing.rows, settings)
        ready_in = time.perf_counter() - started
        if sources is None:
            return self._apart(hearing, gate)
        hearing.outcomes = {arm: [] for arm in sources}
        self._smoke(hearing.rows, gate)
        telling = FamilyTelling(
            laboratory=self.deciding.laboratory,
            say=self.deciding.say,
            family=family,
            test=design_of(settings, first),
            arms=[source for source in sources.values() if isinstance(source, Prepared)],
        )
        telling.begins(gate.test, ready_in=ready_in)
        race = Race(
            deciding=self.deciding,
            hearing=hearing,
            settings=settings,
            test=test,
            sources=sources,
            telling=telling,
        )
        judgement = race.run()
        if judgement is None:
            return self._apart(hearing, gate)
        self._end(hearing, gate, judgement, race)
        return judgement

    def judged_so_far(self, hearing: FamilyHearing, settings: Settings) -> FamilyJudgement | None:
        """What the finished pairs of an interrupted family say: rows that are settled stay so, the others are UNDECIDED."""
        family = hearing.family
        with suppress(MlopsError):
            if not any(hearing.outcomes.values()) or apart(family, hearing.outcomes):
                return None
            judgement = judge_family(
                family,
                hearing.outcomes,
                design_of(settings, replace(family.rows[0], member=None)),
                run_out=dict.fromkeys(family.components, "interrupted"),
                confirm_harm=settings.confirm_harm,
                worst=settings.worst_values,
            )
            note(hearing, judgement)
            return judgement
        return None

    def explore(self, rows: Sequence[Claim], gate: Gate) -> Explored:
        """What is known of the arms of these rows; where nothing was asked of them, ``min_seeds`` pairs are trained.

        Raises
        ------
        MlopsError
            If an arm cannot run, or the metric is what training takes.
        """
        if costs.claims_cost(rows[0]):
            raise MetricError(
                "what training takes is measured anew for every claim, so that there is nothing to look at. Claim it: "
                f'assert study["{rows[0].difference.terms[0].metric}"].nothing_hurts(by=...)'
            )
        test = design_of(gate.settings, rows[0])
        for hearing in reversed(gate.families):
            if hearing.judgement is not None and _same(hearing.family, rows):
                return Explored(
                    outcomes=hearing.outcomes, test=test, family=hearing.family, judgement=hearing.judgement
                )
        return Explored(outcomes=self._first_pairs(rows, gate), test=test)

    def _first_pairs(self, rows: Sequence[Claim], gate: Gate) -> dict[Arm, list[RunResult]]:
        settings, bill = gate.settings, gate.bill
        hearings = [Hearing(claim=row, bill=bill) for row in rows]
        sources = self._sources(hearings, settings)
        if sources is None or gate.contexts is not None:
            raise ClaimError(
                "There is nothing to look at before a question was asked, because results stand under other seeds, or in several "
                'contexts. Ask first: assert study["..."].nothing_hurts(by=...)'
            )
        self._smoke(hearings, gate)
        outcomes: dict[Arm, list[RunResult]] = {
            arm: source if isinstance(source, list) else [] for arm, source in sources.items()
        }
        trained = {arm: source for arm, source in sources.items() if isinstance(source, Prepared)}
        for place in range(settings.min_seeds):
            for arm, source in trained.items():
                if place < len(source.seeds) and len(outcomes[arm]) == place:
                    (run,) = self.deciding.laboratory.runs([(source, place)], bill)
                    outcomes[arm] += [run] if run is not None else []
        return outcomes

    # --- parts of deciding

    def _sources(self, rows: Sequence[Hearing], settings: Settings) -> dict[Arm, Source] | None:
        """Where results come from; the hearing of a row gets its arms that train.

        None where recorded results stand under other seeds in one row than in another: then there is no one sequence of seeds.
        """
        sources: dict[Arm, Source] = {}
        for row in rows:
            row.prepared = []
            for arm in row.claim.arms:
                if not arm.trains:
                    continue
                if arm.uses.ref is not None:
                    raise AblationError(
                        f"{row.claim.statement}: the rows of an ablation are one code with and without its parts, and "
                        f"{arm.label} is that of another commit. Compare with it in a claim of its own."
                    )
                source = sources.get(arm)
                if not isinstance(source, Prepared):
                    source = sources[arm] = self.deciding.laboratory.prepare(arm, settings)
                row.prepared.append(source)
            recorded = blocks.recorded_beside(row.claim, row.prepared)
            for arm, results in recorded.results.items():
                if sources.setdefault(arm, results) != results:
                    return None
            row.remarks += recorded.remarks
        return sources

    def _smoke(self, rows: Sequence[Hearing], gate: Gate) -> None:
        """Every new arm is tried out before the first one trains."""
        if gate.settings.smoke == "auto":
            for row in rows:
                try_out = self.deciding.commands.try_out(gate.test)
                self.deciding.new_arms.smoke(row, try_out=try_out, method=gate.settings.method)

    def _apart(self, hearing: FamilyHearing, gate: Gate) -> FamilyJudgement:
        """Each row as a claim of its own, at its share of alpha: rates, costs, numbers for each case, splits, methods by name."""
        rows = []
        for row in hearing.rows:
            row.prepared.clear()
            row.judgement = self.deciding.decide(row, gate)
            hearing.go_on = row.go_on or hearing.go_on
            hearing.outcomes |= dict(zip(row.claim.arms, (runs for _, runs in row.outcomes), strict=False))
            assert row.test is not None
            adjusted = _share_of(row.judgement, len(hearing.rows), row.test.alpha)
            rows.append(RowJudgement(judgement=row.judgement, level=row.test.alpha, adjusted_p=adjusted))
        judgement = FamilyJudgement(rows=tuple(rows), method=SHARES)
        note(hearing, judgement, outcomes=False)
        return judgement

    def _end(self, hearing: FamilyHearing, gate: Gate, judgement: FamilyJudgement, race: Race) -> None:
        if any(row.judgement.ended is Ended.DECIDED for row in judgement.rows):
            self.deciding.check_unchanged(hearing.family.statement, hearing.outcomes)
        if race.refused:
            hearing.go_on = self.deciding.go_on_after_budget(gate, race.rest(judgement))
        note(hearing, judgement)
        self._count(hearing, gate)

    def _count(self, hearing: FamilyHearing, gate: Gate) -> None:
        """Note the attempts at all rows that were looked at, and say the most of them."""
        settings, attempts, most = gate.settings, self.deciding.attempts, None
        for row in hearing.rows:
            if row.judgement is None or row.judgement.n < settings.min_seeds:
                continue
            attempt = attempts.of(row.claim, gate.test, settings, row.prepared)
            attempts.note(row.claim, gate.test, settings, row.prepared)
            if most is None or attempt.number > most.number:
                most = attempt
        if most is not None and most.number > 1:
            hearing.remarks.append(most.remark(settings.alpha))


def note(hearing: FamilyHearing, judgement: FamilyJudgement, *, outcomes: bool = True) -> None:
    """Hand each row's verdict to the hearing of its claim."""
    family = hearing.family
    for row, found in zip(hearing.rows, judgement.rows, strict=True):
        row.judgement, row.level, row.adjusted_p = found.judgement, found.level, found.adjusted_p
        if outcomes:
            variant = family.variant(row.claim)
            own, reference = hearing.outcomes.get(variant, []), hearing.outcomes.get(family.reference, [])
            used = len(own) + (len(reference) > len(own) and reference[len(own)].failed)
            row.outcomes = [
                (convert.arm_id(family.reference), reference[:used]),
                (convert.arm_id(variant), own),
            ]


def _share_of(judgement: Judgement, rows: int, level: float) -> float | None:
    """Bonferroni's adjusted p-value: at most ``rows * level`` exactly where the row passed at its level."""
    part = judgement.deciding
    if part is None or part.decision.p_value is None:
        return None
    p, alpha = min(1.0, rows * part.decision.p_value), rows * level
    return min(p, alpha) if judgement.passed else max(p, math.nextafter(alpha, 1.0))


def _same(family: FamilyClaim, rows: Sequence[Claim]) -> bool:
    """Whether a family is about the metric and the arms of these rows."""
    return len(family.rows) == len(rows) and all(
        {(term.arm, term.metric) for term in one.difference.terms}
        == {(term.arm, term.metric) for term in other.difference.terms}
        for one, other in zip(family.rows, rows, strict=True)
    )
