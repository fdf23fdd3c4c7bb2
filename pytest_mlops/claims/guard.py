"""The guard that keeps Python honest: from what a gate asked to whether it may be green. The truth table fits in one test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mlops.stats import Verdict


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One claim that a gate made."""

    statement: str
    line: int
    verdict: Verdict | None
    """None for a claim that was stated but whose truth was never asked for."""
    broken: bool = False
    """Whether an error kept it from a verdict: it counts as UNDECIDED, and is called an error."""


def objection(claims: Sequence[Asked], *, is_gate: bool) -> str | None:
    """Why a test that passed may not be green, or None.

    Parameters
    ----------
    claims : sequence of Asked
        All claims that the test made, in order.
    is_gate : bool
        Whether the test uses our fixtures or carries the ``mlops`` marker.

    Examples
    --------
    >>> objection([Asked(statement="a > b", line=3, verdict=Verdict.PASS)], is_gate=True)
    """
    unmet = [claim for claim in claims if claim.verdict is not None and claim.verdict != Verdict.PASS]
    if unmet:
        rows = "\n".join(
            f"  line {claim.line}: {'ERROR' if claim.broken else claim.verdict}  {claim.statement}"
            for claim in unmet
        )
        return (
            f"This test passed although a claim that it asked did not PASS:\n{rows}\n"
            "Only PASS is true. not, or, any, if and pytest.raises turn missing evidence into proof; assert each claim by itself."
        )
    unasked = [claim for claim in claims if claim.verdict is None]
    if unasked:
        rows = "\n".join(f"  line {claim.line}: {claim.statement}" for claim in unasked)
        return (
            f"This test stated claims but never asked whether they hold:\n{rows}\n"
            "Write assert before each (without parentheses)."
        )
    if is_gate and not claims:
        return (
            'This gate asked no claim, so it shows nothing. State one: assert candidate["auc"] > baseline["auc"]. '
            "(An empty loop, an early return? Remove the fixture or marker if the test is no gate.)"
        )
    return None


def accepts_expected_failure(claims: Sequence[Asked]) -> bool:
    """Whether a strict xfail has what it expects: at least one FAIL, and nothing undecided or unasked.

    Examples
    --------
    >>> accepts_expected_failure([Asked(statement="a > b", line=3, verdict=Verdict.UNDECIDED)])
    False
    """
    verdicts = {claim.verdict for claim in claims}
    return Verdict.FAIL in verdicts and verdicts <= {Verdict.FAIL, Verdict.PASS}
