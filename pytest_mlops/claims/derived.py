"""What a derived arm, ``candidate.then(function)``, may go on from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytest_mlops import fingerprint
from pytest_mlops.claims.recording import Recording
from pytest_mlops.errors import NotBuiltError, ParameterError

if TYPE_CHECKING:
    from pytest_mlops.claims.arms import Arm
    from pytest_mlops.claims.claim import Claim


def check_then(arm: Arm, function: Any, misplaced: Sequence[Any]) -> None:
    """Refuse a derived arm that has nothing to go on from, or no function that goes on.

    Raises
    ------
    ParameterError, NotBuiltError
        With what to write instead.
    """
    if isinstance(arm.source, Recording):
        raise ParameterError(
            f"{arm.label}.then(...): of recorded results there are numbers and no files, so that nothing can go on from them. "
            "Let the procedure return its metrics, and record those."
        )
    if arm.uses.ref is not None:
        raise NotBuiltError(
            f"{arm.label}.then(...): nothing goes on from an arm of another commit yet. Do both in one training function."
        )
    if hasattr(function, "then"):
        raise ParameterError(
            f"{arm.label}.then({function!r}): expected a function that takes the run, got an arm. Write: .then(its_function)."
        )
    if isinstance(function, str | list | tuple):
        raise ParameterError(
            f"{arm.label}.then({function!r:.60}): expected a function that takes the run; a command cannot go on from another "
            "arm. Let a function run it: def export(run): subprocess.run([..., run.upstream('model.pt')], check=True)."
        )
    if misplaced:
        raise ParameterError(
            f"then({fingerprint.describe(function)}, {fingerprint.describe(misplaced[0])}): parameters go by name, e.g. "
            f"then({fingerprint.describe(function)}, bits=8): they are part of what the arm is."
        )


def check_not_derived(arm: Arm, ref: str) -> None:
    """Refuse another commit for a derived arm: what it goes on from would have to be of that commit too.

    Raises
    ------
    NotBuiltError
        With what to write instead.
    """
    if arm.upstream is not None:
        raise NotBuiltError(
            f"{arm.label}.using(ref={ref!r}): derived arms are those of the project as it is. Compare the arm before it, or do "
            "both in one training function."
        )


def check_seeds_of_derived(arm: Arm, seeds: Sequence[int]) -> None:
    """Refuse seeds under which the upstream is not trained.

    Raises
    ------
    ParameterError
        If the upstream names other seeds, and more than one.
    """
    upstream = arm.upstream
    if upstream is None or upstream.is_fixed or upstream.uses.seeds in (None, tuple(seeds)):
        return
    raise ParameterError(
        f"{arm.label}.using(seeds={list(seeds)}): {upstream.label} names its seeds, and each run goes on from the one of its own "
        "seed. Give the seeds to that arm alone."
    )


def checkpoints(claim: Claim) -> list[Arm]:
    """Fixed arms that the claim's arms go on from, each once: what the verdict holds for is given these as well."""
    found = dict.fromkeys(arm for one in claim.arms for arm in _upstreams(one) if arm.is_fixed)
    return [arm for arm in found if arm not in claim.fixed]


def _upstreams(arm: Arm) -> Iterator[Arm]:
    """The arm that an arm goes on from, the one before that, and so on; not beyond one that is given."""
    upstream = arm.upstream
    while upstream is not None and not arm.is_fixed:
        yield upstream
        arm, upstream = upstream, upstream.upstream
