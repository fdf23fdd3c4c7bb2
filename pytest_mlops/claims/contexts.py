"""Contexts: values of hyperparameters under which a gate asks whether its claim survives them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.binding import Training, takes
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.expressions import Expression
from pytest_mlops.claims.terms import Term
from pytest_mlops.errors import ClaimError, ParameterError, SettingError

_HOW = "@pytest.mark.ablate(lr=[1e-4, 1e-3], batch_size=[16, 64])"


@dataclass(frozen=True, kw_only=True)
class Context:
    """One combination of values."""

    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As people write it: ``lr=0.001, batch_size=16``."""
        return ", ".join(f"{name}={fingerprint.describe(value)}" for name, value in self.values.items())


@dataclass(frozen=True, kw_only=True)
class Contexts:
    """All combinations that a gate names, in the order of its marker."""

    each: tuple[Context, ...]
    every: bool = False
    """Ask for the claim in each context, and not for the mean over them."""


def contexts_of(values: Mapping[str, Any], *, every: object = False) -> Contexts:
    """All combinations of the values.

    Parameters
    ----------
    values : mapping of str to list
        Hyperparameters with the values that each of them takes.
    every : bool
        Whether the claim has to hold in each context.

    Raises
    ------
    SettingError
        If there are none, fewer than two combinations, or two that are equal.

    Examples
    --------
    >>> [context.name for context in contexts_of({"lr": [0.1, 0.01], "wd": [0.0]}).each]
    ['lr=0.1, wd=0.0', 'lr=0.01, wd=0.0']
    """
    if not isinstance(every, bool):
        raise SettingError(f"ablate(every={every!r}): expected True or False.")
    if not values:
        raise SettingError(f"ablate() names no hyperparameter. Write: {_HOW}")
    for name, given in values.items():
        if not isinstance(given, list | tuple) or not given:
            raise SettingError(f"ablate({name}={given!r}): expected a list of values. Write: {_HOW}")
        for value in given:
            try:
                fingerprint.key_of(value, name=name)
            except ParameterError as error:
                raise SettingError(f"ablate({name}=[...]): {error}") from error
        keys = [repr(fingerprint.key_of(value, name=name)) for value in given]
        if len(set(keys)) < len(keys):
            raise SettingError(
                f"ablate({name}={given!r}) names a value twice: it would count twice in the mean."
            )
    each = tuple(
        Context(values=dict(zip(values, combination, strict=True)))
        for combination in itertools.product(*values.values())
    )
    if len(each) < 2:
        raise SettingError(
            f"ablate({each[0].name}) is one context, so nothing varies. Name more values: {_HOW}"
        )
    return Contexts(each=each, every=every)


def check_contexts(claim: Claim, contexts: Contexts) -> None:
    """Refuse a claim that cannot be asked in contexts.

    Raises
    ------
    ClaimError
        If an arm is recorded or fixed, or sets all the hyperparameters itself in every arm.
    ParameterError
        If an arm has no such parameter.
    """
    names = list(contexts.each[0].values)
    for arm in claim.arms:
        if not isinstance(arm.source, Training) or (
            arm.upstream is not None and not _all_train(arm.upstream)
        ):
            raise ClaimError(
                f"{claim.statement}: {arm.label} does not train a function, so that ablate({', '.join(names)}) can vary "
                "nothing in it. Drop the marker, or compare arms that train."
            )
        if arm.uses.seeds is not None and len(arm.uses.seeds) == 1:
            raise ClaimError(
                f"{claim.statement}: {arm.label} is one given training run; ablate() needs pairs in every context."
            )
        in_one_context(arm, contexts.each[0])
    for name in names:
        if all(_sets(arm, name) for arm in claim.arms):
            raise ClaimError(
                f"{claim.statement}: every arm sets {name} itself, so that ablate({name}=...) changes none of them. Leave "
                f"{name} out of one arm at least, or out of the marker."
            )


def _sets(arm: Arm, name: str) -> bool:
    """Whether an arm leaves that hyperparameter to nobody."""
    source = arm.source
    if not isinstance(source, Training):
        return True
    before = source.upstream is None or not _anywhere(source.upstream, name) or _sets(source.upstream, name)
    return before and (
        name in source.given or (source.upstream is not None and not takes(source.function, name))
    )


def in_one_context(arm: Arm, context: Context) -> Arm:
    """The arm with the context's values where it does not set them itself.

    Of a derived arm, they are bound in each of its procedures that has them, and in one of them at least.

    Raises
    ------
    ParameterError
        If its training function has no such parameter.
    """
    return _bound(arm, context.values)


def _bound(arm: Arm, values: Mapping[str, Any]) -> Arm:
    source = arm.source
    assert isinstance(source, Training)
    if source.upstream is None:
        return arm.with_parameters(
            {name: value for name, value in values.items() if name not in source.given}
        )
    own = {name: value for name, value in values.items() if takes(source.function, name)}
    before = {
        name: value for name, value in values.items() if name not in own or _anywhere(source.upstream, name)
    }
    here = arm.with_parameters({name: value for name, value in own.items() if name not in source.given})
    assert isinstance(here.source, Training)
    return replace(here, source=replace(here.source, upstream=_bound(source.upstream, before)))


def _all_train(arm: Arm) -> bool:
    return isinstance(arm.source, Training) and (arm.upstream is None or _all_train(arm.upstream))


def _anywhere(arm: Arm, name: str) -> bool:
    """Whether one of an arm's procedures has that parameter."""
    source = arm.source
    if not isinstance(source, Training):
        return False
    return takes(source.function, name) or (source.upstream is not None and _anywhere(source.upstream, name))


def claim_in(claim: Claim, context: Context) -> Claim:
    """The same claim about the arms in one context."""
    bound = {arm: in_one_context(arm, context) for arm in claim.arms}
    left, right = (
        Expression(tuple(Term(bound[t.arm], t.metric, t.weight) for t in side.terms), side.constant)
        for side in (claim.left, claim.right)
    )
    names = {bound[arm].identity: claim.names.get(arm.identity, arm.label) for arm in claim.arms}
    return replace(claim, left=left, right=right, names=names)
