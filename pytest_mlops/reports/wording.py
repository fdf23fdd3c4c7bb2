"""What terminal, Markdown and notes say alike: counts, totals, scope, what is bad."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from pytest_mlops.reports.figures import Scale, finite, p_text
from pytest_mlops.reports.model import Claim, Gate, Part, Report, Result, Session
from pytest_mlops.reports.text import age, duration, plural, printable

VERDICTS: tuple[Result, ...] = ("PASS", "FAIL", "UNDECIDED", "ERROR")
_BAD_OUTCOMES = {"failed", "error"}
_EXCUSED_OUTCOMES = {"xfailed", "undecided"}
_WORTH_SAYING = 0.5
"""Expected number of PASSes by chance from which on it is said."""
_CUT_SHORT = {2: "interrupted", 3: "ended by an internal error", 4: "ended by a usage error"}
"""pytest's exit statuses after which gates may be missing."""


def is_difference(claim: Claim) -> bool:
    """Whether the estimate is a difference of two sides, for which zero means something, or a value."""
    return "bar" not in claim.kind


def scale_of(claim: Claim) -> Scale:
    """The scale on which the claim and its parts are written."""
    return Scale(
        [claim.estimate, *(part.estimate for part in claim.parts)],
        [claim.interval, *(part.interval for part in claim.parts)],
        claim.margin,
        signed=is_difference(claim),
    )


def margin_text(claim: Claim, scale: Scale) -> str:
    """The margin, or both limits of an equivalence."""
    low, high = finite(claim.margin_low), finite(claim.margin)
    if low is None or high is None:
        return scale.margin(claim.margin)
    if abs(low + high) <= 1e-9 * abs(high):
        return f"\u00b1{scale.margin(high)}"
    return f"{scale.margin(low)} to {scale.margin(high)}"


def seeds(n: int, max_n: int) -> str:
    """How many seeds the verdict stands on, of how many at most."""
    return f"{n} of {plural(max_n, 'seed')}"


def runs(trained: int, reused: int) -> str:
    """Where the training runs came from."""
    return f"{trained} trained, {reused} reused"


def place(claim: Claim) -> str:
    """The gate that asked, and the line; the claim's id where the gate's name does not hold in it."""
    where = printable(claim.test)
    if claim.id != claim.test:
        own = printable(claim.id)
        where = own if where in own else f"{where} ({own})"
    return where if claim.line is None else f"{where} line {claim.line}"


def scope(claim: Claim) -> str:
    """What the verdict generalises to, by which test, and what so few seeds cannot exclude."""
    how = f"{printable(claim.method)}, alpha {claim.alpha:.4g}, {100 * (1 - 2 * claim.alpha):.4g}% interval"
    if claim.verdict != "PASS":
        return how if finite(claim.estimate) is None else f"judged for {printable(claim.holds_for)}; {how}"
    text = f"holds for {printable(claim.holds_for)}; {how}"
    collapse = collapse_text(claim)
    return text if collapse is None else f"{text}; {collapse}"


def collapse_text(claim: Claim) -> str | None:
    """What so few seeds cannot exclude; None where nothing is known of it."""
    bound = finite(claim.collapse_bound)
    if bound is None:
        return None
    return f"{plural(claim.n, 'seed')} without a collapse cannot exclude one on up to {bound:.0%} of seeds"


def parts_line(parts: list[Part]) -> str:
    """How the parts of a wildcard claim came out."""
    counts = Counter[Result](part.verdict for part in parts)
    return f"{plural(len(parts), 'part')}: " + ", ".join(f"{counts[v]} {v}" for v in VERDICTS if counts[v])


def contexts_line(claim: Claim) -> str:
    """How many contexts hold the claim by their estimate."""
    held = sum(one.holds for one in claim.contexts)
    differ = "" if claim.interaction is None else f"; interaction p {p_text(claim.interaction)}"
    return f"{held} of {len(claim.contexts)} contexts hold it by their estimate{differ}; intervals are simultaneous"


def verdicts_line(report: Report) -> str:
    """How many claims came out how: ``3 claims: 2 PASS, 1 FAIL (expected)``."""
    expected = expected_failures(report)
    counts = Counter(
        (claim.verdict, claim.verdict != "PASS" and claim.test in expected) for claim in report.claims
    )
    found = [
        f"{counts[verdict, known]} {verdict}{' (expected)' if known else ''}"
        for verdict in VERDICTS
        for known in (False, True)
        if counts[verdict, known]
    ]
    return f"{plural(len(report.claims), 'claim')}: {', '.join(found)}" if found else "no claim was asked"


def chance_line(report: Report) -> str | None:
    """With many claims: how many would PASS by chance if nothing were gained; None with few."""
    alone = sum(claim.alpha for claim in report.claims if claim.verdict != "ERROR" and claim.family is None)
    expected = alone + sum(family.alpha for family in report.families if family.verdict != "ERROR")
    if expected < _WORTH_SAYING:
        return None
    return (
        f"if no claim of these {len(report.claims)} held, up to {expected:.2g} of them would PASS by chance (the sum of their "
        "alphas)"
    )


def time_of(text: str) -> datetime | None:
    """A time of the report in UTC; None where it is none.

    Examples
    --------
    >>> time_of("2030-05-04T10:11:12Z"), time_of("yesterday")
    (datetime.datetime(2030, 5, 4, 10, 11, 12, tzinfo=datetime.timezone.utc), None)
    """
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def made(session: Session) -> datetime | None:
    """When the report was written: at the session's start, or at its end; None where the report does not say."""
    started = time_of(session.started)
    if started is None or not session.finished:
        return started
    try:
        return started + timedelta(seconds=session.seconds)
    except (ValueError, OverflowError):
        return None


def made_line(session: Session, *, now: datetime | None = None) -> str:
    """When the report was made; with ``now`` also how long ago.

    Examples
    --------
    >>> session = Session(started="2030-05-04T10:11:12Z", seconds=60.0, python="3.12", platform="Linux")
    >>> made_line(session, now=datetime(2030, 5, 4, 13, tzinfo=UTC))
    'report of 2030-05-04 10:12 UTC, 2 h ago'
    """
    when = made(session)
    said = printable(session.started) if when is None else f"{when:%Y-%m-%d %H:%M} UTC"
    if when is not None and now is not None:
        said += f", {age((now - when).total_seconds())}"
    if not session.finished:
        return f"session in progress since {said}, not finished"
    cut_short = _CUT_SHORT.get(session.exit_status or 0)
    return f"report of {said}" + (f"; the session was {cut_short}" if cut_short else "")


UNFINISHED = (
    "This report is replaced when the session ends. If no pytest --mlops is at work any more, it was killed: finished training "
    "runs are kept in the store, and the same command goes on with them."
)
"""What a report of an unfinished session means."""


def cost_line(report: Report) -> str:
    """What the session cost and what the store saved."""
    s = report.session
    total = s.trained + s.reused
    spent = f"{duration(s.train_seconds)} spent"
    if s.budget is not None:
        spent = f"{duration(s.spent_seconds)} spent of a budget of {printable(s.budget)}"
    return (
        f"{plural(total, 'training run')}: {runs(s.trained, s.reused)}; "
        f"{spent}, {duration(s.saved_seconds)} saved"
    )


def broken_gates(report: Report) -> list[Gate]:
    """Gates with something to say beyond the verdicts of their claims: the guard, an error."""
    return [gate for gate in report.gates if gate.message]


def expected_failures(report: Report) -> set[str]:
    """Gates that are marked to fail (xfail), and did: that their claims do not PASS is what they state."""
    return {gate.test for gate in report.gates if gate.outcome == "xfailed"}


def is_bad(report: Report) -> bool:
    """Whether a claim did not PASS in a gate that is not excused, a gate failed, or gates may be missing."""
    if not report.session.finished or report.session.exit_status in _CUT_SHORT:
        return True
    excused = {gate.test for gate in report.gates if gate.outcome in _EXCUSED_OUTCOMES}
    return any(claim.verdict != "PASS" and claim.test not in excused for claim in report.claims) or any(
        gate.outcome in _BAD_OUTCOMES for gate in report.gates
    )
