"""Derived arms in the laboratory: what their runs go on from, counted and priced once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pytest_mlops.errors import DataError, StoreError
from pytest_mlops.records import Failure, Record, RunKey, RunResult
from pytest_mlops.session.preparing import Prepared


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The whole key of a run, which is known once the run that it goes on from is there."""

    key: RunKey
    before: RunResult | None = None
    """That run; None where the arm is not derived."""


def going_on_from(prepared: Prepared, upstream: Prepared) -> Prepared:
    """A derived arm, made ready, with the arm that it goes on from."""
    known = upstream.key_at(0).digest if upstream.arm.is_fixed else upstream.key.experiment
    return replace(prepared, before=upstream, key=replace(prepared.key, upstream=known))


def with_upstreams(arms: Iterable[Prepared]) -> list[Prepared]:
    """The arms and all that they go on from, each once and none before what it goes on from."""
    found: dict[tuple[str, tuple[int, ...]], Prepared] = {}
    for arm in arms:
        if arm.upstream is not None:
            for one in with_upstreams([arm.upstream]):
                found.setdefault((one.key.digest, one.seeds), one)
        found.setdefault((arm.key.digest, arm.seeds), arm)
    return list(found.values())


def depth(prepared: Prepared) -> int:
    """How many arms it goes on from, one after the other."""
    return 0 if prepared.before is None else 1 + depth(prepared.before)


def failed_before(key: RunKey, upstream: Prepared, run: RunResult) -> RunResult:
    """What a derived run is whose upstream failed. It is kept nowhere: nothing was done for it."""
    assert run.failure is not None
    return RunResult(
        key=key.digest,
        seed=key.seed,
        metrics={"failed": 1.0},
        yes_no=frozenset({"failed"}),
        failure=Failure(
            kind="upstream",
            message=f"{upstream.arm.label}, which it goes on from, failed under seed {run.seed} "
            f"({run.failure.kind}): {run.failure.message}",
            traceback=run.failure.traceback,
        ),
    )


def with_splits_before(prepared: Prepared, before: RunResult, result: RunResult) -> RunResult:
    """The derived run depends on how the data were split before, unless one given run is behind all of them."""
    if prepared.upstream is None or prepared.upstream.arm.is_fixed or not before.record.splits:
        return result
    record = result.record
    splits = {**before.record.splits, **record.splits}
    return replace(
        result,
        record=Record(modules=record.modules, files=record.files, variables=record.variables, splits=splits),
    )


def why_again(derived: Prepared) -> str:
    """Why a run is trained of which only the numbers are left."""
    return f"its artifacts had to make room (keep), and {derived.arm.label} goes on from them"


def no_room(upstream: Prepared, derived: Prepared) -> StoreError:
    """Artifacts that are gone as soon as they are kept."""
    return StoreError(
        f"{derived.arm.label} goes on from what {upstream.arm.label} leaves, and the store has no room for that: it is gone "
        "again as soon as it is kept. Raise keep (--mlops-keep=50GB, mlops_keep), or let the training run leave less."
    )


def came_out_otherwise(upstream: Prepared, seed: int, derived: Prepared) -> DataError:
    """Some of a claim's runs would stand on one checkpoint and some on another."""
    return DataError(
        f"{upstream.arm.label}, seed {seed}, was trained again, since its artifacts had to make room and {derived.arm.label} "
        "goes on from them; what it left is not what it left before (a GPU that is not deterministic, or code that names no "
        "seed), and results of the former are in use. Start pytest again: what still holds is reused, the rest is trained."
    )
