"""From training runs to the numbers that a test is asked about: one contrast a seed, two for an equivalence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.errors import MetricError
from pytest_mlops.records import RunResult

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_EPSILON = 2.0**-52
_EPSILON_SINGLE = 2.0**-23


@dataclass(frozen=True, kw_only=True)
class Series:
    """One part of a claim over its seeds.

    Whatever is claimed becomes contrasts whose mean is claimed to be above zero: one for ``>`` and ``<``; two, both of
    which have to hold, for an equivalence.
    """

    differences: Array
    """Left minus right without the constant, shape (n,), in the user's direction and units."""
    contrasts: tuple[Array, ...]
    """Each of shape (n,)."""
    margin: float
    """What the estimate has to exceed or stay below; the middle of an equivalence."""
    room: Array | None
    """How far from there an equivalence may be, shape (n,)."""
    resolution: float
    """Rounding error of a contrast."""
    guard: NDArray[np.bool_]
    """Whether skewness could move the verdict at a look after that seed, shape (n,)."""

    def limits(self, n: int) -> tuple[float, ...]:
        """The margin; for an equivalence its lower and its upper limit, at the mean of the first ``n`` seeds."""
        if self.room is None:
            return (self.margin,)
        around = float(self.room[0] if (self.room == self.room[0]).all() else self.room[:n].mean())
        return (self.margin - around, self.margin + around)


def series_of(claim: Claim, part: Part, outcomes: Mapping[Arm, Sequence[RunResult]], usable: int) -> Series:
    """The numbers of one part at the first ``usable`` seeds.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    part : Part
        The part of it.
    outcomes : mapping of arm to results
        In seed order, finished and good.
    usable : int
        How many of each arm count, at least one.

    Raises
    ------
    MetricError
        If a ratio is claimed of a metric whose mean is not positive: the claim would turn round.
    """
    import numpy as np

    weights = np.array([term.weight for term in part.terms])
    metrics = np.array(
        [[outcomes[t.arm][i].metrics[t.metric] for t in part.terms] for i in range(usable)], dtype=np.float64
    )
    values = metrics * weights
    if claim.is_ratio:
        _check_positive(claim, part, metrics)
    differences = values.sum(axis=1)
    room = _room(claim, part, metrics) if claim.tolerance is not None else None
    middle = differences - claim.margin
    direction = -1.0 if claim.sign == "<" else 1.0
    furthest = abs(claim.margin) + (float(np.abs(room).max()) if room is not None else 0.0)
    return Series(
        differences=differences,
        contrasts=(direction * middle,) if room is None else (middle + room, room - middle),
        margin=claim.margin,
        room=room,
        resolution=_resolution(metrics, weights, furthest),
        guard=_guard(claim, part, values),
    )


def _room(claim: Claim, part: Part, metrics: Array) -> Array:
    """How far the two sides may be apart, one number a seed: constant, or a share of what is on the right."""
    import numpy as np

    assert claim.tolerance is not None
    if not claim.tolerance.relative:
        return np.full(len(metrics), claim.tolerance.size)
    places = {(term.arm, term.metric): place for place, term in enumerate(part.terms)}
    right = sum(
        (term.weight * metrics[:, places[term.arm, term.metric]] for term in part.right),
        np.full(len(metrics), claim.right.constant),
    )
    return np.asarray(claim.tolerance.size * right)


def _check_positive(claim: Claim, part: Part, metrics: Array) -> None:
    for place, term in enumerate(part.terms):
        mean = float(metrics[:, place].mean())
        if not mean > 0:
            raise MetricError(
                f'{claim.statement}: the mean of {term.arm.label}["{term.metric}"] is {mean:.4g}. A ratio turns round where a '
                "metric is not positive, so that worse would count as better. State the margin in points of the metric:\n"
                '  candidate["auc"] > baseline["auc"] + 0.01'
            )


def _resolution(metrics: Array, weights: Array, margin: float) -> float:
    """Rounding error of a contrast, a sum of a few floats: a spread below it is no spread.

    A number that single precision holds exactly, and that is no whole one, came from single precision (by chance one
    double in 5e8 looks so): the mean of the same hits in float32 and in float64 differs by 1e-8, on every seed.
    """
    import numpy as np

    with np.errstate(over="ignore"):  # beyond single precision's range it is no single
        single = (metrics == metrics.astype(np.float32)) & (metrics != np.rint(metrics))
    errors = np.abs(metrics * weights) * np.where(single, _EPSILON_SINGLE, _EPSILON)
    return 4 * float((errors.sum(axis=1) + margin * _EPSILON).max())


def _guard(claim: Claim, part: Part, values: Array) -> NDArray[np.bool_]:
    """Skewness cancels between two sides of one law, whatever the margin; it does not for bars and unequal spreads.

    A fixed arm is a bar: what stands against it is the law of the other side alone.
    """
    import numpy as np

    varies = [place for place, term in enumerate(part.terms) if term.arm not in claim.fixed]
    values = values[:, varies]
    positive = np.array([part.terms[place].weight > 0 for place in varies])
    if positive.all() or not positive.any():
        return np.ones(len(values), dtype=bool)
    from pytest_mlops.stats.skewness import unequal_spread

    left, right = (values[:, which].sum(axis=1) for which in (positive, ~positive))
    return unequal_spread(left, right)
