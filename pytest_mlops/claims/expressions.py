"""Metric expressions: sums of metrics of arms, with numbers. Comparing two makes a claim; all else is refused by name."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_mlops.claims.claim import Claim, Sign, make_claim
from pytest_mlops.claims.terms import Term, Tolerance
from pytest_mlops.errors import ClaimError, MarginError

if TYPE_CHECKING:
    from pytest_mlops.claims.arms import Arm


@dataclass(frozen=True, eq=False)
class Expression:
    """A weighted sum of metrics plus a constant, evaluated seed by seed.

    ``+ - *`` with numbers and ``+ -`` with other expressions make new ones; ``>`` and ``<`` make a claim.
    """

    terms: tuple[Term, ...]
    constant: float = 0.0

    __array_ufunc__ = None  # NumPy scalars on the left leave the operation to us
    __hash__ = None  # type: ignore[assignment]
    __iter__ = None

    # --- arithmetic

    def __add__(self, other: object) -> Expression:
        other = _expression(other, "+")
        return Expression(_merged(self.terms + other.terms), self.constant + other.constant)

    __radd__ = __add__

    def __sub__(self, other: object) -> Expression:
        return self + -1.0 * _expression(other, "-")

    def __rsub__(self, other: object) -> Expression:
        return _expression(other, "-") + -1.0 * self

    def __mul__(self, factor: object) -> Expression:
        if isinstance(factor, Expression):
            raise ClaimError(
                f"{self} * {factor}: products of metrics are no mean over seeds. Return the product from the training function "
                "as a metric of its own."
            )
        number = plain_number(factor, "*")
        return Expression(
            tuple(Term(t.arm, t.metric, t.weight * number) for t in self.terms), self.constant * number
        )

    __rmul__ = __mul__

    def __neg__(self) -> Expression:
        return -1.0 * self

    def __pos__(self) -> Expression:
        return self

    def __truediv__(self, divisor: object) -> Expression:
        if isinstance(divisor, Expression):
            self._refuse_ratio(self, divisor)
        number = plain_number(divisor, "/")
        if number == 0:
            raise ClaimError(f"{self} / 0 has no value.")
        return self * (1.0 / number)

    def __rtruediv__(self, dividend: object) -> NoReturn:
        self._refuse_ratio(dividend, self)

    @staticmethod
    def _refuse_ratio(above: object, below: object) -> NoReturn:
        raise ClaimError(
            f"{above} / {below}: a ratio of metrics is no mean over seeds. Multiply the other side instead:\n"
            '  candidate["auc"] > baseline["auc"] * 1.01'
        )

    # --- claims

    def __gt__(self, other: object) -> Claim:
        return self._claim(other, ">")

    def __lt__(self, other: object) -> Claim:
        return self._claim(other, "<")

    def _claim(self, other: object, sign: Sign) -> Claim:
        return make_claim(self, _expression(other, sign), sign)

    def __ge__(self, other: object) -> NoReturn:
        raise ClaimError(f"{self} >= ...: a test over seeds decides strict claims. Write: {self} > ...")

    def __le__(self, other: object) -> NoReturn:
        raise ClaimError(f"{self} <= ...: a test over seeds decides strict claims. Write: {self} < ...")

    def __eq__(self, other: Any) -> Claim:  # type: ignore[override]  # a claim, like > and <
        if type(other).__name__.startswith("Approx"):
            return make_claim(
                self, _expression(other.expected, "=="), "==", tolerance=_tolerance(self, other)
            )
        raise ClaimError(
            f"{self} == {other}: two means are never shown to be equal, only to be closer than a margin. Write:\n"
            f"  {self} == pytest.approx({other}, abs=0.005)"
        )

    def __ne__(self, other: object) -> NoReturn:
        raise ClaimError(
            f"{self} != {other}: different by how much, and in which direction? Write: {self} > {other} + 0.005"
        )

    def __bool__(self) -> NoReturn:
        raise ClaimError(f"{self} is a metric, not a claim. Compare it: assert {self} > 0.9")

    def __abs__(self) -> NoReturn:
        raise ClaimError(
            f"abs({self}): the mean of an absolute difference is never zero, so it shows nothing. Write: "
            'assert a["auc"] == pytest.approx(b["auc"], abs=0.005)'
        )

    def __float__(self) -> NoReturn:
        raise ClaimError(
            f"float({self}): a metric has one number a seed, and none before training. Compare it instead."
        )

    __int__ = __index__ = __round__ = __float__

    def text(self, names: Mapping[str, str]) -> str:
        """The expression as a user writes it; ``names`` has the variables' names by an arm's identity."""
        text = ""
        for term in self.terms:
            size = abs(term.weight)
            factor = "" if size == 1 else f"{_plain(size)} * "
            arm = names.get(term.arm.identity, term.arm.label)
            text = _joined(text, f'{factor}{arm}["{term.metric}"]', negative=term.weight < 0)
        if self.constant or not text:
            text = _joined(text, _plain(abs(self.constant)), negative=self.constant < 0)
        return text

    def __str__(self) -> str:
        return self.text({})

    __repr__ = __str__


def metric_of(arm: Arm, metric: object) -> Expression:
    """``arm[metric]`` as an expression.

    Raises
    ------
    ClaimError
        If the name is not text, empty, or has more than one ``*``.
    """
    if not isinstance(metric, str) or not metric.strip():
        raise ClaimError(f'{arm}[{metric!r}]: expected the name of a metric as text. Write: arm["auc"]')
    if metric.count("*") > 1:
        raise ClaimError(
            f'{arm}["{metric}"]: one "*" stands for any rest of a name; two have no single meaning.'
        )
    return Expression((Term(arm, metric, 1.0),))


def _joined(text: str, item: str, *, negative: bool) -> str:
    if not text:
        return f"-{item}" if negative else item
    return f"{text} {'-' if negative else '+'} {item}"


def _plain(number: float) -> str:
    """The shortest text of a number, without the digits that binary fractions add to sums."""
    return f"{number:.12g}"


def _merged(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    sums: dict[tuple[Arm, str], float] = {}
    for term in terms:
        place = (term.arm, term.metric)
        sums[place] = sums.get(place, 0.0) + term.weight
    return tuple(Term(arm, metric, weight) for (arm, metric), weight in sums.items() if weight)


def _expression(value: object, sign: str) -> Expression:
    if isinstance(value, Expression):
        return value
    if hasattr(value, "identity"):  # an arm
        raise ClaimError(f'{value} {sign} ...: an arm has several metrics. Name one: arm["auc"]')
    return Expression((), plain_number(value, sign))


def plain_number(value: object, sign: str) -> float:
    """A margin or bar, which has to be a finite number.

    Parameters
    ----------
    value : object
        What the user wrote.
    sign : str
        Where: the operator before it.

    Raises
    ------
    ClaimError, MarginError
        If it is none.
    """
    if type(value).__name__.startswith("Approx"):
        raise MarginError(
            f'"{sign} pytest.approx(...)" has no meaning. Write the margin: a["auc"] > b["auc"] - 0.005'
        )
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ClaimError(
            f"... {sign} {value!r}: expected a number or a metric, got {type(value).__name__}. Margins and "
            "bars are plain numbers."
        )
    number = float(value)
    if not math.isfinite(number):
        raise ClaimError(f"... {sign} {number}: a margin or bar has to be a finite number.")
    return number


def _tolerance(left: Expression, approx: Any) -> Tolerance:
    """What ``pytest.approx`` allows, which has to be a margin that somebody chose."""
    given = {name: getattr(approx, name, None) for name in ("abs", "rel")}
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) != 1:
        why = (
            "its default of 1e-6 is not a margin anybody chose"
            if not chosen
            else "pytest.approx takes the larger of the two, which changes from run to run"
        )
        raise MarginError(
            f"{left} == {approx}: a claim needs one of abs= and rel= in pytest.approx: {why}. Write:\n"
            f"  {left} == pytest.approx({approx.expected}, abs=0.005)"
        )
    ((name, value),) = chosen.items()
    size = plain_number(value, f"approx {name}=")
    if size <= 0 or (name == "rel" and size >= 1):
        wanted = "between 0 and 1" if name == "rel" else "above 0"
        raise MarginError(f"{left} == {approx}: {name} = {size:g} has to be {wanted}: it is the margin.")
    return Tolerance(size=size, relative=name == "rel")
