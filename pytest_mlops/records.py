"""What crosses between the process that judges and the one that trains: plain values, no behaviour."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

Place = tuple[int, int]
"""Place of a seed in its block, and the first seed of the block."""

# Measured by us for every run, so a training function cannot return a metric of these names.
BUILT_IN_METRICS = ("seconds", "gpu_seconds", "peak_memory_mb", "failed")


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """All that is known of a training run before it starts. Two runs of one key are the same experiment."""

    function: str
    """Where the training function lives, ``module:qualname``: for people, the code decides."""
    code: str
    """SHA-256 of the normalised first-party code that the function reaches."""
    parameters: str
    """Canonical JSON of all parameters, defaults bound."""
    data: str
    """SHA-256 of the declared data's content; empty where none is declared."""
    environment: str
    """Canonical JSON: Python and package versions, device, precision, threads, determinism."""
    seed: int
    """The seed, an integer in [0, 2**31)."""
    upstream: str = ""
    """Of a derived arm the ``experiment`` of the arm that it goes on from, or of its one run; empty for all others."""
    upstream_run: str = ""
    """SHA-256 of the very run that it goes on from: its key, its record, and all that it left."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 that names the run in the store."""
        return self._hash(without=())

    @cached_property
    def experiment(self) -> str:
        """SHA-256 of all but the seed, and what hangs on it: what the runs of one arm have in common."""
        return self._hash(without=("seed", "upstream_run"))

    def _hash(self, *, without: Sequence[str]) -> str:
        # Of an arm that is not derived the hash is the one that it had before there were such.
        left_out = {*without, *(name for name in ("upstream", "upstream_run") if not getattr(self, name))}
        parts = {name: value for name, value in asdict(self).items() if name not in left_out}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """A program that trains, as the words of its command line; no shell sees them."""

    words: tuple[str, ...]
    """With placeholders: ``{lr}``, ``{seed}``, ``{out}``."""
    metrics: str | Mapping[str, str]
    """Where the metrics are: the path of a file, with placeholders; or by name a regular expression on lines of the output."""
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables beyond those that are handed on."""
    timeout: float | None = None
    """Seconds after which the run has failed."""
    changed: Callable[[], Sequence[str]] = tuple
    """Files of its code that are not as its key has them."""


@dataclass(frozen=True, kw_only=True)
class Elsewhere:
    """Another state of the project, in which a run is trained by a process of its own: that of a commit."""

    root: Path
    """Folder of the project in that state."""
    moved: Mapping[str, str] = field(default_factory=dict)
    """Modules that have another file there, by name, with that file relative to ``root``."""
    declared: Any = None
    """What ``.using(data=...)`` was given; paths are absolute."""
    pointers: frozenset[str] = frozenset()
    """Files, relative to ``root``, that are pointers of git LFS there."""
    python: Path | None = None
    """The Python of its own packages; None for the one that is at work here."""


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One training run to do: what an executor takes."""

    key: RunKey
    function: Callable[..., Any] | CommandLine
    """What trains."""
    given: Mapping[str, Any]
    """Parameters that the user gave; the function binds its own defaults."""
    index: int
    """Place of the seed in its block."""
    block: int = 0
    """First seed of the block."""
    data: Any = None
    """What ``run.data`` is: a path, a structure of paths, or what the declared ``load()`` returned."""
    device: str = "cpu"
    """Resolved device: ``"cpu"``, ``"cuda:0"``, ``"mps"``."""
    amp: str = "off"
    """Resolved precision of autocast: ``"bf16"``, ``"fp16"`` (with a gradient scaler) or ``"off"``."""
    deterministic: bool = True
    threads: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that are set during the run."""
    artifacts: Path = field(default_factory=Path)
    """Folder for ``run.artifact``; made when first used."""
    upstream: Path | None = None
    """Folder with copies of what the run before left, which ``run.upstream`` hands out; None where no arm is before."""
    scratch: Path | None = None
    """Folder for ``run.scratch`` that outlives a killed process; None makes one that is gone with the run."""
    root: Path | None = None
    """Folder of the project: what the run reads and imports below it is noted; None takes no notes."""
    elsewhere: Elsewhere | None = None
    """Where it is trained, if not in the project as it is."""
    smoke: bool = False
    """Whether this is a smoke run: ``run.loader`` stops after two batches a pass, and nothing of it is kept."""


@dataclass(frozen=True, kw_only=True)
class Returned:
    """What came back from a run, a smoke run above all: names and no values, since two batches train nothing."""

    names: tuple[str, ...]
    """Metrics that came back, in order."""
    yes_no: frozenset[str]
    """Names of the metrics that were handed in as bools."""
    shortened: bool = False
    """Whether anything was left out: a loader stopped early, or the function read ``run.smoke``."""
    seconds: float = 0.0
    splits: tuple[VaryingSplit, ...] = ()
    """Splits that another seed makes otherwise."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a training run gave no usable metrics."""

    kind: str
    """``"error"``, ``"not finite"``, ``"out of memory"``, ``"exit"``, ``"time-out"``, ``"metrics"`` or ``"upstream"``."""
    message: str
    """One line for a table."""
    traceback: str = ""
    """As Python prints it, without our own frames."""


@dataclass(frozen=True, kw_only=True)
class VaryingSplit:
    """A division of the data that another seed makes otherwise, and its shares.

    Examples
    --------
    >>> one = VaryingSplit(test=20, fit=80, folds=5, fold=3, repeat=0)
    >>> one.words, VaryingSplit.of(one.text) == one
    ('fold 4 of 5, repeat 1: 20 tested, 80 to fit', True)
    """

    test: int
    """Samples of the test part."""
    fit: int
    """Samples of the other."""
    folds: int | None = None
    """How many folds take turns; None for a split drawn from the seed alone."""
    fold: int = 0
    """Which of them is tested, from 0."""
    repeat: int = 0
    """How often the data were divided anew before."""
    block: int = 0
    """First seed of the block, which decides how folds are shuffled."""

    @property
    def share(self) -> float:
        """Test samples over all samples."""
        return self.test / (self.test + self.fit)

    @property
    def index(self) -> int | None:
        """Place in its block that the run has to have; None where its seed says all."""
        return None if self.folds is None else self.repeat * self.folds + self.fold

    def is_of(self, index: int, block: int) -> bool:
        """Whether the run at that place of that block splits so: the seed alone does not tell which fold is tested."""
        return self.folds is None or (self.index, self.block) == (index, block)

    @property
    def words(self) -> str:
        """For people."""
        sizes = f"{self.test} tested, {self.fit} to fit"
        if self.folds is None:
            return f"by the seed: {sizes}"
        return f"fold {self.fold + 1} of {self.folds}, repeat {self.repeat + 1}: {sizes}"

    @property
    def text(self) -> str:
        """Canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, text: str) -> VaryingSplit:
        """The split behind its canonical JSON."""
        return cls(**json.loads(text))


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a training run turned out to depend on, noted while it trained."""

    modules: Mapping[str, str] = field(default_factory=dict)
    """First-party modules by path relative to pytest's root folder, with the hash of their normalised source."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Files that it read, by path relative to that folder, with their SHA-256; folders that it listed end in ``/``."""

    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that its first-party code read, by name, with a short hash of their value; never the value."""

    splits: Mapping[str, str] = field(default_factory=dict)
    """Splits that another seed makes otherwise: what they are in words, with the JSON of :class:`VaryingSplit`."""

    @cached_property
    def varying(self) -> tuple[VaryingSplit, ...]:
        """The splits that another seed makes otherwise; none for one fixed split."""
        return tuple(VaryingSplit.of(text) for text in self.splits.values())

    @cached_property
    def text(self) -> str:
        """Canonical JSON."""
        noted = {"files": dict(self.files), "modules": dict(self.modules)}
        # Without any the text is that of a record made before such were noted.
        if self.variables:
            noted["variables"] = dict(self.variables)
        if self.splits:
            noted["splits"] = dict(self.splits)
        return json.dumps(noted, sort_keys=True)

    @cached_property
    def digest(self) -> str:
        """SHA-256 that tells two records apart."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Details:
    """What stands behind a run's hashes, kept so that people can be told what changed. No part of any key."""

    label: str = ""
    """The arm as people write it: ``train(lr=0.01)``."""
    why: str = ""
    """Why it was trained, in a short sentence."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Functions, classes, constants and modules behind ``RunKey.code``, with their hashes."""
    data: Mapping[str, str] = field(default_factory=dict)
    """Files or values behind ``RunKey.data``, with their hashes."""


@dataclass(frozen=True, kw_only=True)
class CaseTable:
    """The test cases of a metric, without their names: what all runs on them share."""

    names: str
    """SHA-256 of the names of all cases together, in order: no single name can be found from it, so none is kept."""
    count: int
    patients: bytes = b""
    """For each case the number of its patient, int32, little-endian, numbered as they appear; empty: each its own."""
    target: bytes = b""
    """For each case its label, float64, little-endian; empty for per-case values."""

    @property
    def patient_count(self) -> int:
        """How many patients there are; as many as cases where none were named."""
        numbers = [number for (number,) in struct.iter_unpack("<i", self.patients)]
        return int(max(numbers)) + 1 if numbers else self.count

    @cached_property
    def digest(self) -> str:
        """SHA-256 that names the table in the store."""
        parts = (self.names.encode(), str(self.count).encode(), self.patients, self.target)
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Cases:
    """What a run gave for each test case of one metric, sorted by the names of the cases."""

    table: CaseTable
    metric: str
    """``"mean"`` of the values, or the library's metric of target and score: ``"auc"``."""
    numbers: bytes
    """For each case its value or score, float64, little-endian."""


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What one training run left behind. A run that failed is a result too."""

    key: str
    """``RunKey.digest``."""
    seed: int | None = None
    """The seed; None for recorded results, which may have had none."""
    metrics: Mapping[str, float]
    """The user's metrics and the built-in ones that could be measured."""
    yes_no: frozenset[str] = frozenset()
    """Names of the metrics that were handed in as bools."""
    curves: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    """Points ``(step, value)`` of ``run.log``."""
    failure: Failure | None = None
    output: str = ""
    """Standard output and error, warnings and log records of the run; the middle is cut above 1 MB."""
    weights: str | None = None
    """SHA-256 of the trained weights, all metrics, curves and numbers for each case: equal only for runs identical bit for bit.
    None where no weights were seen, so that identity cannot be shown."""
    steps: int = 0
    """Optimizer steps asked for through ``run.amp.step``."""
    skipped_steps: int = 0
    """Steps that the gradient scaler skipped because of an overflow."""
    messages: tuple[str, ...] = ()
    """What the user should know of this run, e.g. skipped optimizer steps."""
    reseeded: tuple[str, ...] = ()
    """Calls by which the training function seeded a global generator, e.g. ``torch.manual_seed(42)``."""
    cases: Mapping[str, Cases] = field(default_factory=dict)
    """Numbers for each test case behind a metric, by its name: ``run.cases``."""
    record: Record = Record()
    """What it turned out to depend on, beyond its key."""

    @cached_property
    def id(self) -> str:
        """SHA-256 of key and record: the name of this finished run in every store."""
        return hashlib.sha256(f"{self.key} {self.record.digest}".encode()).hexdigest()

    def is_of(self, place: Place | None) -> bool:
        """Whether a run at that place of its seeds is this one: the seed alone does not tell which fold is tested."""
        return place is None or all(split.is_of(*place) for split in self.splits)

    @property
    def place(self) -> Place | None:
        """Place in a block of seeds, and first seed of the block, that it depends on; None where its seed says all."""
        return next(((one.index, one.block) for one in self.splits if one.index is not None), None)

    @property
    def splits(self) -> tuple[VaryingSplit, ...]:
        """The splits that another seed makes otherwise; none for one fixed split. Their shares correct the variance."""
        return self.record.varying

    @property
    def failed(self) -> bool:
        """Whether the run diverged, raised, or returned something that is no set of finite numbers."""
        return self.failure is not None
