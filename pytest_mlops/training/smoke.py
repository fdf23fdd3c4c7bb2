"""A smoke run: a training function is called once with loaders that stop after two batches, and nothing is kept."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pytest_mlops.errors import MetricError
from pytest_mlops.records import RunSpec, Smoked
from pytest_mlops.training.data import protected
from pytest_mlops.training.isolation import isolated
from pytest_mlops.training.metrics import read_metrics
from pytest_mlops.training.output import uncaptured
from pytest_mlops.training.run import Run


def smoke(spec: RunSpec) -> Smoked:
    """Call the training function once in this process, with its output on the terminal.

    What it raises goes through unchanged, so that a debugger finds the frame where it happened. Global state is as
    isolated as in a training run. Metrics may be NaN: two batches train nothing.

    Parameters
    ----------
    spec : RunSpec
        What to run; its folder for artifacts is replaced by a temporary one.

    Returns
    -------
    Smoked
        The names of the metrics that came back.

    Raises
    ------
    MetricError
        If what came back is no set of named numbers.
    """
    with uncaptured(), _prepared(spec) as run:
        return _call(run, spec)


@contextmanager
def _prepared(spec: RunSpec) -> Iterator[Run]:
    """A run in a process set up for it, with a folder that is gone afterwards."""
    with (
        tempfile.TemporaryDirectory(prefix="mlops-smoke-", ignore_cleanup_errors=True) as folder,
        isolated(
            seed=spec.key.seed, device=spec.device, threads=spec.threads, deterministic=spec.deterministic
        ),
    ):
        yield Run(replace(spec, smoke=True, artifacts=Path(folder) / "artifacts"))


def _call(run: Run, spec: RunSpec) -> Smoked:
    started = time.perf_counter()
    with protected(spec.data):
        returned = spec.function(run, **copy.deepcopy(dict(spec.given)))
    metrics = read_metrics(returned)
    if metrics.problems:
        raise MetricError("; ".join(metrics.problems))
    return Smoked(
        names=tuple(metrics.values),
        yes_no=metrics.yes_no,
        shortened=run._passes.shortened,
        seconds=time.perf_counter() - started,
    )
