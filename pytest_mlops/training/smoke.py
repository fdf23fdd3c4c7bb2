"""A smoke run: a training function is called once with loaders that stop after two batches, and nothing is kept."""

from __future__ import annotations

import copy
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from pytest_mlops.errors import MetricError, MlopsError, UpstreamError
from pytest_mlops.records import CommandLine, Failure, Record, Returned, RunSpec
from pytest_mlops.training.cases import with_cases
from pytest_mlops.training.data import protected
from pytest_mlops.training.failures import explain, interruption, signal_handlers
from pytest_mlops.training.isolation import VARIABLES, isolated
from pytest_mlops.training.loader import Enough
from pytest_mlops.training.output import captured, uncaptured
from pytest_mlops.training.reads import imports_of_smoke_heard
from pytest_mlops.training.run import Run
from pytest_mlops.training.shared import module_state_kept


def smoke(spec: RunSpec, *, left: Path | None = None) -> Returned:
    """Call the training function once in this process, with its output on the terminal.

    What it raises goes through unchanged, so that a debugger finds the frame where it happened. Global state is as
    isolated as in a training run. Metrics may be NaN: two batches train nothing.

    Parameters
    ----------
    spec : RunSpec
        What to run; its folder for artifacts is replaced by a temporary one.
    left : Path, optional
        Folder for its artifacts, for an arm that goes on from it.

    Returns
    -------
    Returned
        The names of the metrics that came back.

    Raises
    ------
    MetricError
        If what came back is no set of named numbers.
    """
    with uncaptured(), _prepared(spec, left) as run:
        return _call(run, spec)


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What went wrong in a smoke run."""

    failure: Failure
    certain: bool
    """Whether training would go wrong as well."""
    may_be_for_want_of_batches: bool
    """Whether the smoke run itself may be to blame, because it left out what sets the thing that is missing."""
    output: str
    """What the function printed, warned and logged."""
    seconds: float


LONGEST = 60.0
"""Seconds after which a smoke run that nobody asked for begins no further pass over data."""


def smoke_quietly(
    spec: RunSpec, *, longest: float = LONGEST, left: Path | None = None, after_smoke: bool = False
) -> Returned | Trouble | None:
    """As `smoke`, captured and without raising.

    Whether training would fail as well is certain for whatever is raised before anything was left out: until the
    first loader stops early, a smoke run is a training run, step by step. So parameters, data, shapes, devices and
    the first two batches are found whatever they raise. After that much may be missing that training has: a class in a
    score (ValueError), a case in a dict (KeyError), a step count (ZeroDivisionError), a best model (TypeError about
    None, UnboundLocalError, FileNotFoundError). Certain are then only mistakes that no batch can mend: unknown names,
    attributes, arguments and imports, what this package refuses, and a folder that does not exist.

    Parameters
    ----------
    spec : RunSpec
        What to run; its folder for artifacts is replaced by a temporary one.
    longest : float
        Seconds after which no further pass over data begins.
    left : Path, optional
        Folder for its artifacts, for an arm that goes on from it.
    after_smoke : bool
        Whether what it goes on from was left by a smoke run, which may have left something out.

    Returns
    -------
    Returned, Trouble or None
        The names of the metrics that came back, or what went wrong; None if it took too long to tell.

    Raises
    ------
    BaseException
        Only what interrupts it from outside: KeyboardInterrupt, and what a handler of a signal raises.
    """
    started = time.perf_counter()
    run, handlers = None, signal_handlers()
    with captured() as recorder:
        try:
            with _prepared(spec, left) as run:
                started = time.perf_counter()
                run._passes.shortened = after_smoke
                run._passes.deadline = time.monotonic() + longest
                return _call(run, spec)
        except Enough:
            return None
        except BaseException as error:  # noqa: BLE001 - sys.exit and pytest's outcomes too
            cause = interruption(error, handlers)
            if cause is not None:
                raise cause from None
            failure = explain(error)
            shortened = run is not None and run._passes.shortened
            certain = not shortened or _no_batch_can_mend(error)
            wanting = shortened and not _is_beyond_doubt(error)
    seconds = time.perf_counter() - started
    return Trouble(
        failure=failure,
        certain=certain,
        may_be_for_want_of_batches=wanting,
        output=recorder.text(),
        seconds=seconds,
    )


def _no_batch_can_mend(error: BaseException) -> bool:
    if isinstance(error, FileNotFoundError):
        return isinstance(error.filename, str) and not Path(error.filename).parent.exists()
    if isinstance(error, UnboundLocalError) or "NoneType" in str(error):  # set in a step that never came
        return False
    return isinstance(
        error, NameError | AttributeError | TypeError | ImportError | SyntaxError | MlopsError
    ) and not isinstance(error, UpstreamError)


def _is_beyond_doubt(error: BaseException) -> bool:
    """Whether the mistake is in the text of the code; an attribute of a trainer may be set in a step that never came."""
    if isinstance(error, AttributeError):
        return isinstance(error.obj, Run | ModuleType)
    return isinstance(error, NameError | ImportError | SyntaxError) or (
        isinstance(error, MlopsError) and not isinstance(error, MetricError | UpstreamError)
    )


@contextmanager
def _prepared(spec: RunSpec, left: Path | None) -> Iterator[Run]:
    """A run in a process set up for it, with a folder that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="mlops-smoke-", ignore_cleanup_errors=True) as folder,
        isolated(
            seed=spec.key.seed,
            device=spec.device,
            threads=spec.threads,
            deterministic=spec.deterministic,
            env=spec.env,
        ),
        imports_of_smoke_heard(VARIABLES | spec.env.keys()),
    ):
        mine = Path(folder)
        if spec.upstream is not None:  # other arms go on from it too
            spec = replace(spec, upstream=Path(shutil.copytree(spec.upstream, mine / "upstream")))
        yield Run(replace(spec, smoke=True, artifacts=left or mine / "artifacts", scratch=mine / "scratch"))


def _call(run: Run, spec: RunSpec) -> Returned:
    started = time.perf_counter()
    function = spec.function
    assert not isinstance(function, CommandLine)  # commands are not smoked
    with module_state_kept(function), protected(spec.data):
        returned = function(run, **copy.deepcopy(dict(spec.given)))
    metrics = with_cases(returned, run._cases.values)
    if metrics.problems:
        raise MetricError("; ".join(metrics.problems))
    return Returned(
        names=tuple(metrics.values),
        yes_no=metrics.yes_no,
        shortened=run._passes.shortened,
        splits=Record(splits=run._scratch.splits).varying,
        seconds=time.perf_counter() - started,
    )
