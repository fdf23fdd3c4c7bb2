"""Questions about one metric of an ablation: a family of claims, one row by itself, the best variant, the table."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Member, check, user_frame
from pytest_mlops.claims.expressions import Expression, metric_of, plain_number
from pytest_mlops.claims.family import Explored, FamilyClaim, Question, Side
from pytest_mlops.claims.standing import Best, best_of, table_of
from pytest_mlops.errors import AblationError, ClaimError, MarginError

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S")


class _Bound(Generic[P, T]):
    """A question that was not called: true like every method, were it not for this."""

    def __init__(self, function: Callable[P, T], name: str) -> None:
        self._function = function
        self._name = name
        functools.update_wrapper(self, function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._function(*args, **kwargs)

    def __bool__(self) -> bool:
        raise ClaimError(
            f"{self._name} was not asked: it needs parentheses. Write: assert {self._name}(by=...)"
        )

    def __repr__(self) -> str:
        return self._name


class _Asked(Generic[S, P, T]):
    """Makes a method a question, which has no truth before it is called."""

    def __init__(self, function: Callable[Concatenate[S, P], T]) -> None:
        self._function = function
        functools.update_wrapper(self, function)  # type: ignore[arg-type]  # a descriptor that is read as its function

    def __get__(self, instance: S, owner: type[S]) -> _Bound[P, T]:
        return _Bound(functools.partial(self._function, instance), f"{instance!r}.{self._function.__name__}")


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyMetric:
    """``study["auc"]``: one metric of an ablation. ``study["auc"]["ema"]`` is one row of it.

    Every question is a family of its own: all of its rows share one alpha.
    """

    metric: str
    reference: Arm
    variants: Mapping[str, Arm]
    side: Side
    lower_is_better: bool
    declared: tuple[str, ...] = ()
    """Metrics that the study declares to be better when lower: a name among them that no training run returns is a mistake."""

    @_Asked
    def each_component_helps(self, *, by: float = 0.0) -> FamilyClaim:
        """The claim that every component is worth more than ``by``, in points of the metric.

        Parameters
        ----------
        by : float
            What each has to exceed, at least 0.

        Returns
        -------
        FamilyClaim
            Ask it with ``assert``: all rows share alpha, by Holm's procedure.

        Raises
        ------
        MarginError
            If ``by`` is negative.
        """
        return self._family("each_component_helps", _gain(by))

    @_Asked
    def nothing_hurts(self, *, by: float) -> FamilyClaim:
        """The claim that no component makes the metric worse by as much as ``by``, in points of it.

        Parameters
        ----------
        by : float
            The margin, above 0.

        Returns
        -------
        FamilyClaim
            Ask it with ``assert``: all rows share alpha, by Holm's procedure.

        Raises
        ------
        MarginError
            If ``by`` is not above 0.
        """
        return self._family("nothing_hurts", _harm(by))

    def __getitem__(self, component: str) -> StudyRow:
        if component not in self.variants:
            raise AblationError(
                f"{self!r}[{component!r}]: its components are {', '.join(map(repr, self.variants))}."
            )
        return StudyRow(of=self, component=component)

    # Without these Python would fall back on __getitem__(0), (1), ... for `in` and `for`.
    __contains__ = None
    __iter__ = None

    def best(self) -> Best:
        """The arm with the best mean, reference included, and which of the others may still be better.

        Asserts nothing. It looks at what was trained for the questions asked before; where nothing was asked, ``min_seeds``
        pairs of every row are trained.

        Returns
        -------
        Best
            Its limits hold for all rows together, whenever training stopped.
        """
        return best_of(self.metric, self._named_arms(), self._explored(), lower=self.lower_is_better)

    def table(self) -> list[dict[str, Any]]:
        """The rows as dicts: means, difference, limits, seeds, p-values and verdicts of the question asked last, if any was.

        Asserts nothing; trains what :meth:`best` trains. ``pandas.DataFrame(study["auc"].table())`` is a data frame of it.
        """
        return table_of(self._claims(0.0, helps=True), self._explored())

    def row_claim(self, component: str, margin: float, *, helps: bool) -> Claim:
        """The claim of one row: the side that has the component is better, by more than the margin."""
        variant = self.variants[component]
        reference, other = metric_of(self.reference, self.metric), metric_of(variant, self.metric)
        better, worse = (reference, other) if self.side == "without" else (other, reference)
        gap = margin if helps else -margin
        frame = user_frame()
        claim = Claim(
            left=better,
            right=Expression(worse.terms, 0.0 - gap if self.lower_is_better else gap),
            sign="<" if self.lower_is_better else ">",
            names={
                self.reference.identity: "full" if self.side == "without" else "base",
                variant.identity: f'{self.side}["{component}"]',
            },
            file=frame.f_code.co_filename,
            line=frame.f_lineno,
            member=Member(component=component, rows=len(self.variants), reference=self.reference),
        )
        check(claim)
        return claim

    def _claims(self, margin: float, *, helps: bool) -> tuple[Claim, ...]:
        return tuple(self.row_claim(name, margin, helps=helps) for name in self.variants)

    def _family(self, question: Question, margin: float) -> FamilyClaim:
        frame = user_frame()
        family = FamilyClaim(
            name=repr(self),
            metric=self.metric,
            question=question,
            by=margin,
            rows=self._claims(margin, helps=question == "each_component_helps"),
            file=frame.f_code.co_filename,
            line=frame.f_lineno,
            side=self.side,
            lower_is_better=self.lower_is_better,
            declared=self.declared,
        )
        if self.reference.asking is not None:
            self.reference.asking.stated_family(family)
        return family

    def _named_arms(self) -> dict[str, Arm]:
        return {"full" if self.side == "without" else "base": self.reference, **self.variants}

    def _explored(self) -> Explored:
        if self.reference.asking is None:
            raise ClaimError(
                f"{self!r}: its arms are trained inside a gate, under pytest --mlops, with the ablation fixture."
            )
        return self.reference.asking.explore(self._claims(0.0, helps=True))

    def __bool__(self) -> bool:
        raise ClaimError(
            f"{self!r} is a metric, not a claim. Write: assert {self!r}.each_component_helps(by=0.0)"
        )

    def __repr__(self) -> str:
        return f'study["{self.metric}"]'


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyRow:
    """``study["auc"]["ema"]``: one component, asked by itself.

    It is judged at its share of alpha, alpha over the number of components, whatever becomes of the others: so all rows of a
    study that are asked in this way, with whatever margins, keep one alpha together. Only its own arm is trained.
    """

    of: StudyMetric
    component: str

    @_Asked
    def helps(self, *, by: float = 0.0) -> Claim:
        """The claim that the component is worth more than ``by``: see :meth:`StudyMetric.each_component_helps`.

        Parameters
        ----------
        by : float
            What it has to exceed, at least 0.
        """
        return self._stated(self.of.row_claim(self.component, _gain(by), helps=True))

    @_Asked
    def does_not_hurt(self, *, by: float) -> Claim:
        """The claim that the component does not make the metric worse by ``by``: see :meth:`StudyMetric.nothing_hurts`.

        Parameters
        ----------
        by : float
            The margin, above 0.
        """
        return self._stated(self.of.row_claim(self.component, _harm(by), helps=False))

    def _stated(self, claim: Claim) -> Claim:
        if self.of.reference.asking is not None:
            self.of.reference.asking.stated(claim)
        return claim

    def __bool__(self) -> bool:
        raise ClaimError(f"{self!r} is a row, not a claim. Write: assert {self!r}.helps(by=0.0)")

    def __repr__(self) -> str:
        return f'{self.of!r}["{self.component}"]'


def _gain(by: float) -> float:
    number = plain_number(by, "by=")
    if number < 0:
        raise MarginError(
            f"by={number:g}: a component that helps is worth more than nothing. To claim that none makes it worse, write: "
            f'study["auc"].nothing_hurts(by={-number:g})'
        )
    return number


def _harm(by: float) -> float:
    number = plain_number(by, "by=")
    if number <= 0:
        raise MarginError(
            f"by={number:g}: that nothing is worse at all is never shown, only that nothing is worse by a margin above 0. "
            'Write: study["auc"].nothing_hurts(by=0.005)'
        )
    return number
