"""How the arms of an ablation stand: the best of them with limits for all rows together, and the table. No verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim, Part
from pytest_mlops.claims.family import Explored, RowJudgement
from pytest_mlops.claims.series import Series, series_of
from pytest_mlops.claims.splits import varies
from pytest_mlops.errors import ClaimError, MetricError
from pytest_mlops.records import RunResult
from pytest_mlops.stats import SequentialTest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_INFINITE = (-math.inf, math.inf)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One variant beside the reference."""

    name: str
    difference: float
    """Variant minus reference, mean over `seeds` pairs; NaN without any."""
    limits: tuple[float, float]
    """Repeated confidence limits of the difference, of all variants together."""
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Best:
    """Which arm of an ablation is best as far as can be told. A value to print; it asserts nothing."""

    metric: str
    name: str | None
    """The arm with the best mean, the reference (``full``, ``base``) included; None while no pair is known."""
    contenders: tuple[str, ...]
    """Arms of which it is not shown that another one is better: the best one is among them with probability 1 - alpha."""
    rows: tuple[Standing, ...]
    """The variants, the best one first."""
    reference: str
    alpha: float

    @property
    def shown(self) -> bool:
        """Whether only one arm is left that may be the best."""
        return len(self.contenders) == 1

    def __bool__(self) -> bool:
        raise ClaimError(
            'study["..."].best() is no claim: it asserts nothing. Claim what you need: assert study["..."]["ema"].helps(by=0.0)'
        )

    def __str__(self) -> str:
        if self.name is None:
            return f"best {self.metric}: no pair of training runs is known"
        others = [name for name in self.contenders if name != self.name]
        left = f"; {_listed(others)} may be better" if others else "; every other arm is shown to be worse"
        head = f"best {self.metric}: {self.name}{left} (confidence {1 - self.alpha:.4g})"
        width = max((len(row.name) for row in self.rows), default=0)
        lines = [
            f"  {row.name:<{width}}  {row.difference:+.4g} [{row.limits[0]:+.4g}, {row.limits[1]:+.4g}]  {row.seeds} seeds"
            for row in self.rows
        ]
        return "\n".join([head, f"  minus {self.reference}, limits for all rows together:", *lines])


def best_of(metric: str, arms: Mapping[str, Arm], known: Explored, *, lower: bool) -> Best:
    """The best arm, and those that may be better.

    Parameters
    ----------
    metric : str
        Name of the metric.
    arms : mapping of str to Arm
        By name, the reference first.
    known : Explored
        Their training runs, and the design of one row.
    lower : bool
        Whether lower is better.

    Raises
    ------
    MetricError
        If the metric is yes/no, for which a difference of means says too little.
    ClaimError
        If splits vary with the seed, so that no limits hold at each look.

    Notes
    -----
    With k arms each pair of two is compared at ``alpha / (k - 1)``, at all looks so far. Only the comparisons of the arm that
    truly is best have to be right for it to stay among the contenders, and those are k - 1 (Hsu 1984: multiple comparisons with
    the best), so that it does with probability 1 - alpha at whatever look training stopped. The limits of each variant minus the
    reference are repeated confidence limits at the same level, two-sided at 1 - 2 alpha together by Bonferroni.
    """
    reference, *names = arms
    if known.test is None or not any(known.outcomes.values()):
        return Best(metric=metric, name=None, contenders=(), rows=(), reference=reference, alpha=0.0)
    if varies(known.outcomes):
        raise ClaimError(
            f'study["{metric}"].best(): splits vary with the seed, so that training runs are not independent, and no limits '
            f'hold at each look. Ask a claim: assert study["{metric}"].each_component_helps()'
        )
    values = {name: _values(metric, arm, known.outcomes.get(arm, ())) for name, arm in arms.items()}
    sign = -1.0 if lower else 1.0
    rows = [_standing(name, values[name], values[reference], known.test) for name in names]
    rows.sort(key=lambda row: (math.isnan(row.difference), -sign * row.difference))
    leading = rows[0] if rows and sign * rows[0].difference > 0 else None
    contenders = tuple(
        name
        for name in arms
        if not any(
            _is_better(sign * _paired(values[other], values[name]), known.test)
            for other in arms
            if other != name
        )
    )
    return Best(
        metric=metric,
        name=leading.name if leading is not None else reference,
        contenders=contenders,
        rows=tuple(rows),
        reference=reference,
        alpha=known.test.alpha * (len(arms) - 1),
    )


def table_of(rows: Sequence[Claim], known: Explored) -> list[dict[str, Any]]:
    """The rows of an ablation as dicts, in the user's order.

    Parameters
    ----------
    rows : sequence of Claim
        One a component.
    known : Explored
        Their training runs, and the answer to the question asked last.
    """
    judged: Sequence[RowJudgement | None] = [None] * len(rows)
    if known.judgement is not None and known.family is not None:
        judged, rows = known.judgement.rows, known.family.rows
    return [_row(row, one, known) for row, one in zip(rows, judged, strict=True)]


def _row(row: Claim, judged: RowJudgement | None, known: Explored) -> dict[str, Any]:
    member = row.member
    assert member is not None
    variant = next(arm for arm in row.arms if arm != member.reference)
    part = judged.judgement.deciding if judged is not None else None
    metric = row.difference.terms[0].metric
    n = judged.judgement.n if judged is not None else _pairs(row, known)
    found: dict[str, Any] = {"component": member.component, "arm": variant.label, "n": n}
    for name, arm in (("reference", member.reference), ("variant", variant)):
        values = [run.metrics[metric] for run in known.outcomes.get(arm, ())[:n] if metric in run.metrics]
        found[name] = sum(values) / len(values) if values else None
    if part is not None and judged is not None:
        found |= {
            "difference": part.estimate,
            "low": part.interval[0],
            "high": part.interval[1],
            "level": judged.level,
        }
        found |= {"p": part.decision.p_value, "adjusted_p": judged.adjusted_p}
    else:
        estimate, low, high = _limits_of(row, known, n)
        level = known.test.alpha if known.test is not None else None
        found |= {
            "difference": estimate,
            "low": low,
            "high": high,
            "level": level,
            "p": None,
            "adjusted_p": None,
        }
    return {**found, "verdict": str(judged.judgement.verdict) if judged is not None else None}


def _limits_of(row: Claim, known: Explored, n: int) -> tuple[float | None, float | None, float | None]:
    if known.test is None or n == 0:
        return None, None, None
    metric = row.difference.terms[0].metric
    _refuse_rates(metric, known.outcomes)
    series: Series = series_of(row, Part(name="", terms=row.difference.terms), known.outcomes, n)
    low, high = _INFINITE if varies(known.outcomes) else _limits(series.differences, known.test)
    return float(series.differences.mean()), low, high


def _pairs(row: Claim, known: Explored) -> int:
    """Pairs of a row before the first training run that failed."""
    good = []
    for arm in row.arms:
        runs = known.outcomes.get(arm, ())
        good.append(next((place for place, run in enumerate(runs) if run.failed), len(runs)))
    return min(good)


def _values(metric: str, arm: Arm, runs: Sequence[RunResult]) -> Array:
    """The metric in seed order, up to the first training run that failed."""
    import numpy as np

    _refuse_rates(metric, {arm: runs})
    found = []
    for run in runs:
        if run.failed:
            break
        if metric not in run.metrics:
            raise MetricError(
                f"{arm.label} returned no metric {metric!r}; it returned {', '.join(run.metrics)}."
            )
        found.append(run.metrics[metric])
    return np.array(found, dtype=np.float64)


def _refuse_rates(metric: str, outcomes: Mapping[Arm, Sequence[RunResult]]) -> None:
    if metric == "failed" or any(metric in run.yes_no for runs in outcomes.values() for run in runs):
        raise MetricError(
            f'study["{metric}"]: of a yes/no metric there are no such limits. Ask a claim: assert '
            f'study["{metric}"].each_component_helps()'
        )


def _paired(one: Array, other: Array) -> Array:
    n = min(len(one), len(other))
    return one[:n] - other[:n]


def _standing(name: str, values: Array, reference: Array, test: SequentialTest) -> Standing:
    differences = _paired(values, reference)
    if not len(differences):
        return Standing(name=name, difference=math.nan, limits=_INFINITE, seeds=0)
    return Standing(
        name=name,
        difference=float(differences.mean()),
        limits=_limits(differences, test),
        seeds=len(differences),
    )


def _limits(differences: Array, test: SequentialTest) -> tuple[float, float]:
    """Repeated confidence limits at the last look that is there: estimate and the bound's standard errors."""
    from pytest_mlops.stats.judge import is_constant

    looks = [place for place, look in enumerate(test.looks) if look <= len(differences)]
    if not looks:
        return _INFINITE
    n = int(test.looks[looks[-1]])
    seen = differences[:n]
    sd, bound = float(seen.std(ddof=1)), float(test.efficacy[looks[-1]])
    if is_constant(seen, sd, 0.0) or not math.isfinite(bound):
        return _INFINITE
    reach = bound * sd / math.sqrt(n)
    mean = float(seen.mean())
    return mean - reach, mean + reach


def _is_better(differences: Array, test: SequentialTest) -> bool:
    """Whether the mean is shown to be above zero, at any look so far."""
    from pytest_mlops.stats.judge import statistics

    t = statistics(test.looks, differences, guard=True)
    return bool((t >= test.efficacy).any())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
