"""From an arm and the options of its gate to what a training run is: device, data and key."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.binding import Training, parameters_key
from pytest_mlops.claims.env import traces
from pytest_mlops.claims.seeds import SEEDS, block
from pytest_mlops.records import CommandLine, Details, Elsewhere, RunKey, RunSpec
from pytest_mlops.session.declared import Data, DeclaredData
from pytest_mlops.session.details import code_parts, data_parts
from pytest_mlops.settings import Settings
from pytest_mlops.training.place import Place, environment, resolve_place, resolve_place_or_cpu

PROTOCOL = 1
"""Raised when the same key would train to other bits under a newer version of ours (streams, order, initialisation)."""

SMOKE_SEED = SEEDS - 1
"""Seed of a smoke run. Files that a function names by its seed, checkpoints above all, are then nobody else's."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """An arm made ready to train: all of its key but the seed, and what it trains on."""

    arm: Arm
    procedure: Callable[..., Any] | CommandLine
    """What trains."""
    given: Mapping[str, Any]
    """What is handed over to it."""
    seeds: tuple[int, ...]
    key: RunKey
    """With seed 0: :meth:`key_at` fills it in."""
    place: Place
    deterministic: bool
    threads: int
    data: Any
    root_data: str
    details: Details = field(default_factory=Details)
    places: tuple[int, ...] = ()
    """What ``run.index`` is, where that is not the place among the seeds."""
    stands_for: Arm | None = None
    """The claim's arm, where this is that arm in one context."""
    turn: int = 0
    turns: int = 1
    """It trains every so manieth pair, from ``turn`` on: contexts take turns."""
    elsewhere: Elsewhere | None = None
    """Where it trains, if not in the project as it is: at the commit of ``.using(ref=...)``."""
    before: Prepared | None = None
    """Of a derived arm the one that it goes on from, with that one's own seeds."""

    @property
    def upstream(self) -> Prepared | None:
        """The arm that it goes on from, on the same seeds, unless that one names its own."""
        if self.before is None or self.before.arm.uses.seeds:
            return self.before
        return replace(self.before, seeds=self.seeds, places=self.places, turn=self.turn, turns=self.turns)

    def index_before(self, index: int) -> int:
        """The place among the upstream's seeds of the run that the run at ``index`` goes on from."""
        assert self.upstream is not None
        return 0 if self.upstream.arm.is_fixed else self.upstream.seeds.index(self.seeds[index])

    @property
    def claimed(self) -> Arm:
        """The arm as the claim has it."""
        return self.arm if self.stands_for is None else self.stands_for

    @property
    def at(self) -> Path | None:
        """The folder in which what its runs noted has to hold; None for the project as it is."""
        return self.elsewhere.root if self.elsewhere is not None else None

    def trains(self, pair: int) -> bool:
        """Whether it is its turn."""
        return pair % self.turns == self.turn

    def key_at(self, index: int, *, upstream_run: str = "") -> RunKey:
        """The key of the run at that place of the block; of a derived arm it is whole with what it goes on from."""
        return replace(self.key, seed=self.seeds[index], upstream_run=upstream_run)

    def place_at(self, index: int) -> tuple[int, int]:
        """What a run at that place of the block may depend on beyond its seed: the place, and the first seed."""
        return self.places[index] if self.places else index, self.seeds[0]


@dataclass(frozen=True, kw_only=True)
class Known:
    """What was found out about an arm's function and data, here or at another commit."""

    code: str
    """Digest of the code that it reaches."""
    reached: tuple[tuple[str, str], ...]
    packages: frozenset[str]
    """That its code and the loader of its data name."""
    parameters: str
    """Canonical JSON, defaults bound."""
    content: str
    """SHA-256 of the declared data's content."""
    parts: Mapping[str, str]
    """Names and hashes of what a function loaded."""
    python: str = ""
    """Of another Python its version; then ``versions`` are of its packages."""
    torch: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def known_here(training: Training, data: Data) -> Known:
    """What the project as it is has for an arm."""
    code = fingerprint.fingerprint(training.function)
    return Known(
        code=code.digest,
        reached=code.reached,
        packages=code.packages | data.packages,
        parameters=parameters_key(training),
        content=data.content,
        parts=data.parts,
    )


def prepare(
    arm: Arm, settings: Settings, data_of_arms: DeclaredData, *, anywhere: bool, root: Path | None
) -> Prepared:
    """Resolve an arm's device, data and key; see :meth:`pytest_mlops.session.laboratory.Laboratory.prepare`."""
    assert isinstance(arm.source, Training)
    data = data_of_arms.ready(arm.uses.data)
    made = assembled(arm, settings, known_here(arm.source, data), anywhere=anywhere, root=root)
    return replace(made, given=_handed_over(arm.source), data=data.value)


def assembled(
    arm: Arm, settings: Settings, known: Known, *, anywhere: bool = False, root: Path | None
) -> Prepared:
    """An arm of a training function with its device and key, but without what is handed over in this process.

    Parameters
    ----------
    arm : Arm
        One of a training function.
    settings : Settings
        Of the gate.
    known : Known
        What its function and data are.
    anywhere : bool
        Whether the CPU will do where the device is not there.
    root : Path, optional
        Folder that paths are told relative to.
    """
    assert isinstance(arm.source, Training)
    resolve = resolve_place_or_cpu if anywhere else resolve_place
    place = resolve(arm.uses.device or settings.device, arm.uses.amp or settings.amp)
    deterministic = settings.deterministic == "on" or (
        settings.deterministic == "auto" and place.device == "cpu"
    )
    described: dict[str, Any] = {
        **environment(place, threads=settings.threads, deterministic=deterministic),
        "packages": fingerprint.versions(known.packages | {"numpy", "torch"}),
        "protocol": PROTOCOL,
    }
    if known.python:
        described |= {"python": known.python, "packages": dict(known.versions)}
        described |= {"torch": known.torch} if known.torch else {}
    if arm.uses.env:
        described["variables"] = traces(arm.uses.env)
    function = arm.source.function
    key = RunKey(
        function=f"{getattr(function, '__module__', '?')}:{arm.function_name}",
        code=known.code,
        parameters=known.parameters,
        data=known.content,
        environment=json.dumps(described, sort_keys=True),
        seed=0,
    )
    return Prepared(
        arm=arm,
        procedure=function,
        given=arm.source.given,
        seeds=arm.uses.seeds or tuple(block(settings.seed, settings.max_seeds)),
        key=key,
        place=place,
        deterministic=deterministic,
        threads=settings.threads,
        data=None,
        root_data=known.content,
        details=Details(
            label=arm.label,
            code=code_parts(known.reached, root),
            data=data_parts(arm.uses.data, known.parts),
        ),
    )


def smoke_seed(prepared: Prepared) -> int:
    """The seed under which an arm is tried out: one that no claim trains, unless the arm names its seeds."""
    return prepared.seeds[0] if prepared.arm.uses.seeds else SMOKE_SEED


def spec_of(prepared: Prepared, index: int) -> RunSpec:
    """The run of a prepared arm at one place of its seeds, without a folder for its artifacts."""
    return RunSpec(
        key=prepared.key_at(index),
        function=prepared.procedure,
        given=prepared.given,
        index=prepared.place_at(index)[0],
        block=prepared.seeds[0],
        data=prepared.data,
        device=prepared.place.device,
        amp=prepared.place.amp,
        deterministic=prepared.deterministic,
        threads=prepared.threads,
        env=prepared.arm.uses.env or {},
        elsewhere=prepared.elsewhere,
    )


def _handed_over(training: Training) -> dict[str, Any]:
    """What was given, and defaults that a run could change for the next one: each run gets copies."""
    mutable = {name: value for name, value in training.bound.items() if isinstance(value, list | dict | set)}
    return {**mutable, **training.given}
