"""Ablations: a reference arm, and variants of it that each leave one component out, or put one in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.claims.arms import Arm, Arms, Asking
from pytest_mlops.claims.expressions import metric_of
from pytest_mlops.claims.family import Side
from pytest_mlops.claims.study import StudyMetric
from pytest_mlops.claims.variants import reference_of, variants_of
from pytest_mlops.errors import AblationError, ClaimError


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """An ablation as a value: ``study["auc"]`` asks questions about one metric of it.

    Examples
    --------
    >>> def train(run, *, ema=False, mixup=0.0):
    ...     return {"auc": 0.9}
    >>> study = Ablations()(train, full=dict(ema=True, mixup=0.2), without=dict(ema=False, mixup=0.0))
    >>> study.reference, study.variants["ema"]
    (train(ema=True, mixup=0.2), train(ema=False, mixup=0.2))
    >>> study["auc"].each_component_helps(by=0.01)
    study["auc"].each_component_helps(by=0.01)
    """

    reference: Arm
    """The full arm, or the base that components are added to."""
    variants: Mapping[str, Arm]
    """One arm a component, by its name."""
    side: Side
    """``"without"`` or ``"adding"``."""
    lower_is_better: bool | tuple[str, ...] = False
    """Metrics that are better when lower: names, or True for all."""

    def __post_init__(self) -> None:
        fixed = next((arm for arm in (self.reference, *self.variants.values()) if arm.is_fixed), None)
        if fixed is not None:
            raise AblationError(
                f"{fixed.label} names one seed, so it has one training run, which is given: an ablation pairs its arms over "
                "seeds. Name several seeds, or none."
            )

    def __getitem__(self, metric: str) -> StudyMetric:
        metric_of(self.reference, metric)
        if "*" in metric:
            raise AblationError(
                f'study["{metric}"]: a family is about one metric. Ask for each by its name; each is a family of its own, with '
                "an alpha of its own."
            )
        lower = self.lower_is_better
        return StudyMetric(
            metric=metric,
            reference=self.reference,
            variants=self.variants,
            side=self.side,
            lower_is_better=lower if isinstance(lower, bool) else metric in lower,
            declared=() if isinstance(lower, bool) else lower,
        )

    # Without these Python would fall back on __getitem__(0), (1), ... for `in` and `for`.
    __contains__ = None
    __iter__ = None

    def using(self, **words: Any) -> Study:
        """A new study whose arms all use what is given: see :meth:`pytest_mlops.Arm.using`.

        Parameters
        ----------
        **words
            ``data=``, ``seeds=``, ``device=``, ``amp=``, ``env=``.

        Raises
        ------
        ParameterError, DataError, SettingError
            If a value cannot be used, or an arm is recorded.
        """
        variants = {name: arm.using(**words) for name, arm in self.variants.items()}
        return replace(self, reference=self.reference.using(**words), variants=variants)

    def __bool__(self) -> bool:
        raise ClaimError('An ablation is no claim. Write: assert study["auc"].each_component_helps(by=0.0)')

    def __repr__(self) -> str:
        return f"<ablation of {self.reference}: {self.side} {', '.join(self.variants)}>"


class Ablations:
    """What the ``ablation`` fixture is: makes studies.

    Examples
    --------
    >>> Ablations()
    <ablation: call it with a training function, full= and without=, or base= and adding=>
    """

    def __init__(self, asking: Asking | None = None) -> None:
        self._arms = Arms(asking)

    def __call__(
        self,
        what: Arm | Callable[..., Any],
        /,
        *,
        full: Mapping[str, Any] | None = None,
        without: Mapping[str, Any] | None = None,
        base: Mapping[str, Any] | None = None,
        adding: Mapping[str, Any] | None = None,
        lower_is_better: bool | str | Iterable[str] = False,
        **misplaced: Any,
    ) -> Study:
        """A study that leaves components out of a full arm, or puts them into a base, one at a time.

        Parameters
        ----------
        what : callable or Arm
            The training function, ``train(run, **parameters)``; or the reference arm itself.
        full : dict
            Parameters of the full arm; those that are left out have the function's defaults.
        without : dict
            Each component with its value where it is left out: ``dict(ema=False)``. A name that is no parameter takes a dict of
            parameters (``{"no ema and no aug": dict(ema=False, augment=False)}``), another training function (with those of the
            full arm's parameters that it takes), or an arm.
        base, adding : dict
            The same the other way round: parameters of the base, and each component with its value where it is put in.
        lower_is_better : bool, str or iterable of str
            Names of the metrics that are better when lower, such as losses and distances; True for all.

        Returns
        -------
        Study
            Its arms train when a question is asked.

        Raises
        ------
        AblationError, ParameterError
            If a row compares nothing, or can be read in two ways, or a parameter does not exist.
        """
        if misplaced:
            name, value = next(iter(misplaced.items()))
            raise AblationError(
                f"ablation({name}={fingerprint.describe(value)}): parameters of the training function go into full= "
                f"(or base=): full=dict({name}={fingerprint.describe(value)})."
            )
        side = _side(full=full, without=without, base=base, adding=adding)
        given, rows = (full, without) if side == "without" else (base, adding)
        reference = reference_of(self._arms, what, given, "full" if side == "without" else "base")
        return Study(
            reference=reference,
            variants=variants_of(self._arms, reference, rows, side),
            side=side,
            lower_is_better=_names(lower_is_better),
        )

    def __repr__(self) -> str:
        return "<ablation: call it with a training function, full= and without=, or base= and adding=>"


def _side(**given: Mapping[str, Any] | None) -> Side:
    """Which of the two ways is meant."""
    there = {name for name, value in given.items() if value is not None}
    if {"without", "adding"} <= there or {"full", "base"} <= there:
        raise AblationError(
            "An ablation leaves components out of a full arm (full=, without=) or puts them into a base (base=, adding=): one of "
            "the two. Make two studies for both."
        )
    if not there & {"without", "adding"}:
        raise AblationError(
            "An ablation needs its components: without=dict(ema=False) leaves each of them out of the full arm, "
            "adding=dict(ema=True) puts each into the base."
        )
    if "full" in there and "adding" in there:
        raise AblationError("full= goes with without=; what components are put into is given by base=.")
    if "base" in there and "without" in there:
        raise AblationError("base= goes with adding=; what components are left out of is given by full=.")
    return "without" if "without" in there else "adding"


def _names(given: bool | str | Iterable[str]) -> bool | tuple[str, ...]:
    if isinstance(given, bool):
        return given
    names = (given,) if isinstance(given, str) else tuple(given)
    wrong = [name for name in names if not isinstance(name, str) or not name.strip() or "*" in name]
    if wrong or not names:
        raise AblationError(
            f"lower_is_better={given!r}: expected the names of metrics that are better when lower, e.g. "
            'lower_is_better=["loss", "hd95"], or True for all.'
        )
    return names
