"""What a claim costs and can decide, from its pilot: one row of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pytest_mlops.claims.agreement import check_agreement
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.methods import AUTO, Design, designed, refuse
from pytest_mlops.claims.outlook import FEWEST, sequences_of
from pytest_mlops.claims.rates import detectable, is_rate, rate_test, yes_no_of
from pytest_mlops.claims.series import Series, series_of
from pytest_mlops.claims.takes import pair_time, takes, takes_words
from pytest_mlops.reports.plans import Cost, Need, PlannedClaim, Range, Truth
from pytest_mlops.session import costs
from pytest_mlops.session.derived import with_upstreams
from pytest_mlops.session.designs import design_of
from pytest_mlops.session.gates import Gate
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.pilot import Pilot
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.session.totals import Wish, cost_of
from pytest_mlops.stats import RateTest, SequentialTest

_CASES = (
    "its metric has numbers for each case, so it is judged over patients too, which is not forecast: it may take more training "
    "runs, or stop early where more seeds would not help"
)


def wish_of(claim: Claim, gate: Gate, known: Pilot, laboratory: Laboratory) -> Wish:
    """The training runs that a claim may need, and how many pairs it will take.

    Raises
    ------
    MlopsError
        If the runs of the pilot do not agree in what they have to.
    """
    if not claim.varying:
        return Wish(needs=_needs(claim, gate, known, laboratory, 1), stops=[0.0, 1.0])
    test = _design(claim, gate, known).test
    most = int(test.looks[-1])
    if known.failed:
        return Wish(needs=[], stops=[1.0])
    from pytest_mlops.stats.forecast import Contrasts, forecast

    sequences = sequences_of(claim, known.outcomes, known.known, test, counts=known.counts)
    typical = [Contrasts(test=test, known=[])]
    stops = forecast(sequences if sequences is not None else typical).stops.tolist()
    return Wish(needs=_needs(claim, gate, known, laboratory, most), stops=stops)


def _design(claim: Claim, gate: Gate, known: Pilot) -> Design:
    """How the claim is judged, as far as its pilot tells."""
    test = design_of(gate.settings, claim, gate.turns)
    return designed(claim, test, gate.settings.method, known.splits)


def planned(claim: Claim, gate: Gate, known: Pilot, laboratory: Laboratory) -> PlannedClaim:
    """The row of one claim.

    Raises
    ------
    MlopsError
        If the runs of the pilot do not agree in what they have to.
    """
    settings = gate.settings
    wish = wish_of(claim, gate, known, laboratory)
    row = PlannedClaim(
        test=gate.test,
        line=claim.line,
        statement=claim.statement,
        needs=list(wish.needs),
        stops=list(wish.stops),
        cost=cost_of([wish]),
        on_gpu=any(one.place.device != "cpu" for one in with_upstreams(_trained(known))),
        budget=settings.budget_seconds if math.isfinite(settings.budget_seconds) else None,
        pilot=known.known,
        trained=known.trained,
        note=known.trouble,
    )
    if not claim.varying:
        row.note = "fixed arms have one training run each: one look over their patients, and no seeds to plan"
    elif known.failed:
        row.note = f"{known.trouble}. Nothing more is trained for the claim while it does: it is UNDECIDED"
    elif gate.contexts is not None:
        row.note = (
            f"over {gate.turns} contexts: its cost is that of a usual claim, no pilot is trained for it"
        )
    else:
        design = _design(claim, gate, known)
        row.design = design.words
        if known.known:
            _tell(row, claim, known, design, wish)
    return row


def _needs(claim: Claim, gate: Gate, known: Pilot, laboratory: Laboratory, most: int) -> list[Need]:
    """The claim's training runs that are not finished; what a training run costs is measured anew in every session."""
    anew = costs.claims_cost(claim)
    name = f" for {gate.test} line {claim.line}" if anew else ""
    found = []
    for source in with_upstreams(_trained(known)):
        seeds = source.seeds[: 1 if source.arm.is_fixed else most]
        missing = [
            seed if anew or laboratory.missing(source, range(place, place + 1)) else None
            for place, seed in enumerate(seeds)
        ]
        found.append(Need(arm=source.key.digest + name, seeds=missing, seconds=laboratory.expected(source)))
    return found


def _trained(known: Pilot) -> list[Prepared]:
    return [one for source in known.sources.values() if isinstance(source, tuple) for one in source]


def _tell(row: PlannedClaim, claim: Claim, known: Pilot, design: Design, wish: Wish) -> None:
    """Fill in what the pilot tells."""
    parts = check_agreement(claim, known.outcomes, known.known)
    if known.known < FEWEST:
        row.note = (
            known.trouble or f"{known.known} pairs tell nothing of the cost: it is that of a usual claim"
        )
        return
    yes_no = yes_no_of(claim, known.outcomes, known.known)
    rates = [part for part in parts if is_rate(claim, part, yes_no)]
    if rates:
        refuse(claim, "a yes/no metric", design.method, varying=design.splits is not None)
        _tell_rate(row, claim, rates[0], known, design.test, wish)
    else:
        _tell_numbers(row, claim, parts, known, design, wish)
    if any(
        run.cases.get(term.metric)
        for part in parts
        for term in part.terms
        for run in known.outcomes[term.arm]
    ):
        refuse(
            claim, "a metric with a number for each case", design.method, varying=design.splits is not None
        )
        row.note = _CASES
    elif len(parts) > 1:
        row.note = (
            f"of {len(parts)} parts, all of which must hold, the table tells of the one that scatters most"
        )


def _tell_rate(
    row: PlannedClaim, claim: Claim, part: Part, known: Pilot, test: SequentialTest, wish: Wish
) -> None:
    """A rate against a bar has an exact law; of two rates it hangs on how often pairs disagree."""
    exact = rate_test(claim, part, test)
    row.decides = detectable(exact, int(test.looks[-1]))
    if not isinstance(exact, RateTest):
        return
    (term,) = part.terms
    seen = sum(run.metrics[term.metric] for run in known.outcomes[term.arm][: known.known]) / known.known
    truths = {exact.bar: "the bar"}
    truths.setdefault(exact.detectable_rate, f"what {int(test.looks[-1])} seeds can show")
    truths.setdefault(seen, "as in the pilot")
    for rate, words in truths.items():
        power, seeds = float(exact.power_at(rate)), float(exact.expected_seeds(rate))
        row.truths.append(_truth(f"{rate:.3g}, {words}", (power, power), (seeds, seeds), wish))


def _tell_numbers(
    row: PlannedClaim, claim: Claim, parts: Sequence[Part], known: Pilot, design: Design, wish: Wish
) -> None:
    test = design.test
    series = [series_of(claim, part, known.outcomes, known.known) for part in parts]
    sds = [float(one.differences.std(ddof=1)) for one in series]
    widest = series[sds.index(max(sds))]
    if max(sds) <= widest.resolution:
        row.note = f"{known.known} pairs without spread tell nothing of the cost: it is that of a usual claim"
        return
    if design.method != AUTO:
        row.note = f"the forecast is that of the t-test at the looks of method = {design.method}"
    if design.widening != 1:
        widest = _widened(widest, design.widening)
    if widest.room is not None:
        _tell_within(row, widest, test, wish)
    else:
        _tell_above(row, claim, widest, test, wish)
    if design.splits is not None:
        assert row.sd is not None
        assert row.sd_range is not None
        row.sd, low, high = (one / design.widening for one in (row.sd, *row.sd_range))
        row.sd_range = (low, high)
        return  # more seeds are not what it takes
    room = float(widest.room.mean()) if widest.room is not None else None
    found = takes(claim, widest.differences.tolist(), test, margin=widest.margin, room=room)
    if found is not None:
        pair = pair_time(claim, known.outcomes)
        row.takes = takes_words(claim, found, test, known=known.known, pair=pair)


def _widened(series: Series, factor: float) -> Series:
    """Contrasts of independent seeds whose mean has the standard error of these, whose splits overlap."""
    mean = series.differences.mean()
    return replace(series, differences=mean + factor * (series.differences - mean))


def _tell_above(row: PlannedClaim, claim: Claim, series: Series, test: SequentialTest, wish: Wish) -> None:
    from pytest_mlops.stats.planning import plan

    direction = -1.0 if claim.sign == "<" else 1.0
    margin, values = direction * series.margin, direction * series.differences
    gains = _gains(claim, margin, float(values.mean()))
    found = plan(test, margin=margin, differences=values, gains=list(gains))
    row.sd, row.sd_range = found.sd, found.sd_range
    for outlook in found.outlooks:
        words = f"{direction * outlook.gain:.4g}, {gains[outlook.gain]}"
        row.truths.append(_truth(words, outlook.power, outlook.expected_seeds, wish))
    middle = direction * (margin + test.detectable_effect * found.sd)
    low, high = (direction * gain for gain in found.decidable_gain)
    row.decides = (
        f"{int(test.looks[-1])} seeds show it, with power {test.power:g}, if the true value is "
        f"{'below' if direction < 0 else 'above'} {middle:.3g}; {row.pilot} pairs tell that only as {low:.3g} to {high:.3g}."
    )


def _tell_within(row: PlannedClaim, series: Series, test: SequentialTest, wish: Wish) -> None:
    """The same for an equivalence: both of its sides have to pass, which is at least 2 p - 1 where each does with p."""
    from pytest_mlops.stats.planning import plan

    assert series.room is not None
    width = float(series.room.mean())
    found = plan(test, margin=-width, differences=series.differences - series.margin, gains=[0.0])
    row.sd, row.sd_range = found.sd, found.sd_range
    (outlook,) = found.outlooks
    both = (max(0.0, 2 * outlook.power[0] - 1), max(0.0, 2 * outlook.power[1] - 1))
    row.truths.append(_truth(f"{series.margin:.4g}, the middle", both, outlook.expected_seeds, wish))
    low, high = (gain + width for gain in found.decidable_gain)
    row.decides = (
        f"{int(test.looks[-1])} seeds show a margin of {test.detectable_effect * found.sd:.3g} either side, with power "
        f"{2 * test.power - 1:.2g}, if there is no difference; {row.pilot} pairs tell that only as {low:.3g} to {high:.3g}."
    )


def _truth(words: str, power: Range, seeds: Range, wish: Wish) -> Truth:
    """The row of one truth; the pairs that it takes on average are whole ones."""
    least, largest = (cost_of([replace(wish, stops=[0.0] * math.ceil(n) + [1.0])]) for n in seeds)
    return Truth(
        words=words,
        power=power,
        runs=(round(least.runs.average), round(largest.runs.average)),
        seconds=(_seconds(least), _seconds(largest)),
    )


def _seconds(cost: Cost) -> float:
    return cost.seconds.average if cost.seconds is not None else math.nan


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
