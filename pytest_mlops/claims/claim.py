"""Claims: a comparison of two expressions, reduced to one number a seed whose mean is claimed to be above zero."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Literal

from pytest_mlops.claims.terms import Term, Tolerance
from pytest_mlops.errors import ClaimError, MetricError
from pytest_mlops.records import BUILT_IN_METRICS

if TYPE_CHECKING:
    from pytest_mlops.claims.arms import Arm
    from pytest_mlops.claims.expressions import Expression
    from pytest_mlops.claims.judge import Judgement

Sign = Literal[">", "<", "=="]
_PACKAGE = str(Path(__file__).resolve().parents[1])


@dataclass(frozen=True, kw_only=True)
class Part:
    """The terms of a claim with every wildcard replaced by one rest of a name."""

    name: str
    """What the wildcard stands for; empty in a claim without one."""
    terms: tuple[Term, ...]
    """Of left minus right."""
    right: tuple[Term, ...] = ()
    """Of the right side by itself."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """What makes a claim one of a family: the error level is shared with the others."""

    component: str
    """The row of the ablation that it is about."""
    rows: int
    """How many there are: each may have its share of alpha, whatever becomes of the others."""
    reference: Arm
    """The arm that all of them are paired with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Claim:
    """A lazy statement about metrics of arms. Asking for its truth trains until it is decided; only PASS is true.

    Examples
    --------
    >>> from pytest_mlops.claims.arms import Arms
    >>> arm = Arms()
    >>> candidate, baseline = arm.recorded({"auc": [0.93, 0.94]}), arm.recorded({"auc": [0.91, 0.91]})
    >>> candidate["auc"] > baseline["auc"] + 0.005
    candidate["auc"] > baseline["auc"] + 0.005
    """

    left: Expression
    right: Expression
    sign: Sign
    """``">"``, ``"<"`` or ``"=="``."""
    names: Mapping[str, str]
    """Variables' names where the claim stands, by the identity of the arm that they hold."""
    file: str
    line: int
    tolerance: Tolerance | None = None
    """Of an equivalence, and of nothing else."""
    member: Member | None = None
    """Of an ablation's row, and of nothing else."""

    @cached_property
    def difference(self) -> Expression:
        """Left minus right."""
        return self.left - self.right

    @property
    def margin(self) -> float:
        """What the estimate (left minus right, without the constant) has to exceed or stay below."""
        return 0.0 - self.difference.constant

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms in it, in the order in which they appear."""
        return tuple(dict.fromkeys(term.arm for term in self.left.terms + self.right.terms))

    @property
    def statement(self) -> str:
        """The claim as the user states it."""
        right = self.right.text(self.names)
        if self.tolerance is not None:
            right = f"approx({right}, {self.tolerance})"
        return f"{self.left.text(self.names)} {self.sign} {right}"

    @cached_property
    def is_ratio(self) -> bool:
        """Whether the two sides are weighed differently, so that the claim is about a share and not about points."""
        weights = [term.weight for term in self.difference.terms]
        both_sides = min(weights) < 0 < max(weights)
        uneven = abs(sum(weights)) > 1e-9 * sum(map(abs, weights))
        return (both_sides and uneven) or (self.tolerance is not None and self.tolerance.relative)

    @cached_property
    def has_bar(self) -> bool:
        """Whether it compares one arm with a number."""
        return len(self.arms) == 1 and not (self.left.terms and self.right.terms)

    @property
    def kind(self) -> str:
        """What is claimed, in the words of the field."""
        if self.tolerance is not None:
            return "equivalent to a bar" if self.has_bar else "equivalent"
        if self.has_bar:
            return "above a bar" if self.sign == ">" else "below a bar"
        if self.is_ratio:
            return "by a ratio"
        towards = self.margin if self.sign == ">" else -self.margin
        if towards == 0:
            return "superior"
        return "superior by a margin" if towards > 0 else "non-inferior"

    @cached_property
    def fixed(self) -> tuple[Arm, ...]:
        """The arms that name exactly one seed: one training run each, which is given."""
        return tuple(arm for arm in self.arms if arm.is_fixed)

    @cached_property
    def varying(self) -> tuple[Arm, ...]:
        """The arms that have a training run of every seed."""
        return tuple(arm for arm in self.arms if not arm.is_fixed)

    @property
    def seeds(self) -> tuple[int, ...] | None:
        """The block of seeds that its varying arms name, or None for the session's."""
        return next((arm.uses.seeds for arm in self.varying if arm.uses.seeds is not None), None)

    def parts(self, names: Mapping[Arm, Sequence[str]]) -> list[Part]:
        """The claim without wildcards: itself, or one part for every rest that ``*`` stands for.

        Parameters
        ----------
        names : mapping of arm to metric names
            The metrics that training runs of the arm returned.

        Raises
        ------
        MetricError
            If a metric does not exist, or the arms differ in what a wildcard matches.
        """
        wild = [term for term in self.difference.terms if "*" in term.metric]
        if not wild:
            parts = [Part(name="", terms=self.difference.terms, right=self.right.terms)]
        else:
            rests = {term: _rests(term.metric, names[term.arm]) for term in wild}
            _check_rests(rests, names)
            parts = [
                Part(
                    name=rest,
                    terms=_filled(self.difference.terms, rest),
                    right=_filled(self.right.terms, rest),
                )
                for rest in rests[wild[0]]
            ]
        for part in parts:
            for term in part.terms:
                check_metric(term, names[term.arm])
        return parts

    def judgement(self) -> Judgement:
        """Train until the claim is decided, by the options of the gate that asks."""
        asking = self.arms[0].asking
        if asking is None:
            raise ClaimError(
                f"{self.statement}: claims are asked inside a gate, under pytest --mlops, with arms of the arm fixture."
            )
        return asking.ask(self)

    def __bool__(self) -> bool:
        judgement = self.judgement()
        return judgement.passed or judgement.not_judged  # then the test goes on to its next line

    def __repr__(self) -> str:
        return self.statement


def _filled(terms: Sequence[Term], rest: str) -> tuple[Term, ...]:
    return tuple(Term(t.arm, t.metric.replace("*", rest), t.weight) for t in terms)


def make_claim(
    left: Expression, right: Expression, sign: Sign, *, tolerance: Tolerance | None = None
) -> Claim:
    """The claim that a comparison states, or a refusal that says what to write instead.

    Raises
    ------
    ClaimError
        If the comparison has no meaning, e.g. an arm against itself.
    """
    frame = user_frame()
    claim = Claim(
        left=left,
        right=right,
        sign=sign,
        names=_names(frame, left, right),
        file=frame.f_code.co_filename,
        line=frame.f_lineno,
        tolerance=tolerance,
    )
    check(claim)
    asking = claim.arms[0].asking
    if asking is not None:
        asking.stated(claim)
    return claim


def user_frame() -> FrameType:
    """The innermost frame that is not ours: the line of the user that is at work."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return frame


def _names(frame: FrameType, left: Expression, right: Expression) -> dict[str, str]:
    """How the user's code calls the arms: locals first, then the module's names."""
    found: dict[str, str] = {}
    for term in left.terms + right.terms:
        for scope in (frame.f_locals, frame.f_globals):
            name = next(
                (name for name, value in scope.items() if value is term.arm and name.isidentifier()), None
            )
            if name is not None and not name.startswith("@"):
                found.setdefault(term.arm.identity, name)
                break
    return found


def check(claim: Claim) -> None:
    """Refuse a claim that compares nothing, or arms whose training runs are no pairs.

    Raises
    ------
    ClaimError
        If its sides are the same, or its arms belong to different sessions or name different seeds.
    """
    terms = claim.difference.terms
    if not terms:
        raise ClaimError(
            f"{claim.statement}: both sides are the same metric of the same arm (equal function, parameters "
            "and use), so nothing is "
            "compared. Did a parameter get lost on the way to arm(...)?"
        )
    if len({id(arm.asking) for arm in claim.arms}) > 1:
        raise ClaimError(f"{claim.statement}: its arms were made in different pytest sessions.")
    blocks = {arm.uses.seeds for arm in claim.varying if arm.trains}
    if len(blocks) > 1:
        raise ClaimError(
            f"{claim.statement}: its arms name different seeds, so their training runs are no pairs. Give "
            "all arms of a claim the same "
            ".using(seeds=...); an arm that is given, because it has one training run, names one seed."
        )


def check_metric(term: Term, names: Sequence[str]) -> None:
    """Refuse a metric that the arm's training runs did not return.

    Raises
    ------
    MetricError
        If the metric is not among the names.
    """
    if term.metric in names:
        return
    own = [name for name in names if name not in BUILT_IN_METRICS]
    close = difflib.get_close_matches(term.metric, own, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise MetricError(
        f"{term.arm.label} returned no metric {term.metric!r}; it returned {_listed(own)}.{hint}"
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _rests(pattern: str, names: Sequence[str]) -> list[str]:
    before, _, after = pattern.partition("*")
    return sorted(
        name[len(before) : len(name) - len(after)]
        for name in names
        if name not in BUILT_IN_METRICS
        and name.startswith(before)
        and name.endswith(after)
        and len(name) > len(before) + len(after)
    )


def _check_rests(rests: Mapping[Term, list[str]], names: Mapping[Arm, Sequence[str]]) -> None:
    first = next(iter(rests))
    for term, found in rests.items():
        if not found:
            own = [name for name in names[term.arm] if name not in BUILT_IN_METRICS]
            raise MetricError(
                f'{term.arm.label}["{term.metric}"] matches none of its metrics: {_listed(own)}.'
            )
        if found != rests[first]:
            only = sorted(set(found) ^ set(rests[first]))
            raise MetricError(
                f'{first.arm.label}["{first.metric}"] and {term.arm.label}["{term.metric}"] match different '
                f"names: {_listed(only)} "
                "stand on one side only. Every arm has to return the same metrics."
            )
