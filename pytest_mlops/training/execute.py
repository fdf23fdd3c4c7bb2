"""One training run, from spec to result: what the function raises is a result too."""

from __future__ import annotations

import copy
import math
import os
from dataclasses import dataclass, field, replace
from types import CodeType
from typing import TextIO

from pytest_mlops.records import Cases, CommandLine, Failure, Record, RunResult, RunSpec
from pytest_mlops.training.cases import with_cases
from pytest_mlops.training.data import protected
from pytest_mlops.training.failures import explain, interruption, signal_handlers
from pytest_mlops.training.isolation import VARIABLES, isolated
from pytest_mlops.training.meter import Meter
from pytest_mlops.training.metrics import Metrics
from pytest_mlops.training.notes import noting, paths_in
from pytest_mlops.training.output import captured
from pytest_mlops.training.run import Run
from pytest_mlops.training.scratch import Scratch
from pytest_mlops.training.seeding import reseeding_heard
from pytest_mlops.training.shared import module_state_kept

_NO_METRICS = Metrics(values={}, yes_no=frozenset())


@dataclass(kw_only=True)
class _Outcome:
    """What is known of a run so far."""

    metrics: Metrics = _NO_METRICS
    measured: dict[str, float] = field(default_factory=lambda: {"seconds": 0.0})
    curves: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    cases: dict[str, Cases] = field(default_factory=dict)
    failure: Failure | None = None
    weights: str | None = None
    reseeded: list[str] = field(default_factory=list)
    steps: int = 0
    skipped_steps: int = 0


def execute(spec: RunSpec, *, echo: TextIO | None = None) -> RunResult:
    """Train one run in this process.

    Whatever the training function raises becomes a ``Failure``: exceptions, ``sys.exit``, pytest's outcomes.
    Global state that it may change (generators, working directory, environment, settings of torch, logging,
    ...) is as before afterwards. torch is imported if it is installed.

    Parameters
    ----------
    spec : RunSpec
        What to train, and where.
    echo : text stream, optional
        Gets a live copy of the output.

    Returns
    -------
    RunResult
        Also of a run that failed.

    Raises
    ------
    BaseException
        Only what interrupts it from outside: KeyboardInterrupt, and what a handler of a signal raises, such as the one of
        pytest-timeout. Global state is restored before.
    """
    outcome, handlers = _Outcome(), signal_handlers()
    messages: list[str] = []
    aside = [*paths_in(spec.data), spec.artifacts, *filter(None, [spec.scratch, spec.upstream])]
    with captured(echo) as recorder, noting(spec.root, aside, VARIABLES | spec.env.keys()) as notes:
        place = (spec.index, spec.block)
        scratch = Scratch(spec.scratch, key=spec.key.digest, place=place, root=spec.root, notes=notes)
        try:
            with isolated(
                seed=spec.key.seed,
                device=spec.device,
                threads=spec.threads,
                deterministic=spec.deterministic,
                env=spec.env,
            ) as messages:
                _train(spec, outcome, scratch, handlers)
        except BaseException as error:  # noqa: BLE001 - e.g. a device that is not there
            if interruption(error, handlers) is not None:
                scratch.end(keep=True)
            _let_through(error, handlers)
            outcome.failure = outcome.failure or explain(error)
    record = replace(notes.record() if notes is not None else Record(), splits=scratch.splits)
    if notes is not None and notes.carried():
        outcome.failure = outcome.failure or _carried_over(notes.carried())
    # Of a success the store removes it, once the result is in there. Nobody goes on from a failure.
    scratch.end(keep=outcome.failure is None)
    if scratch.message:
        messages.append(scratch.message)
    return _result(spec, outcome, recorder.text(), messages, record)


def _let_through(error: BaseException, handlers: frozenset[CodeType]) -> None:
    cause = interruption(error, handlers)
    if cause is not None:
        raise cause


def _train(spec: RunSpec, outcome: _Outcome, scratch: Scratch, handlers: frozenset[CodeType]) -> None:
    """Call the function; fill ``outcome`` with all that it left, also when it fails half-way."""
    meter = Meter(spec.device)
    run = Run(spec, scratch)
    function = spec.function
    assert not isinstance(function, CommandLine)  # an executor runs those
    process = os.getpid()
    try:
        with module_state_kept(function), protected(spec.data):
            meter.start()
            try:
                with reseeding_heard() as outcome.reseeded:
                    returned = function(run, **copy.deepcopy(dict(spec.given)))  # each run its own
            finally:
                if (
                    os.getpid() != process
                ):  # a child that the function forked and that came back here: it is no second pytest
                    os._exit(0)
                meter.stop()
            outcome.metrics = with_cases(returned, run._cases.values)
    except BaseException as error:  # noqa: BLE001 - all others are results
        _let_through(error, handlers)
        outcome.failure = explain(error)
    else:
        outcome.failure = _judge(outcome.metrics)
    # What an attempt that was killed took is not known, and a part is not the price of the whole.
    outcome.measured = {} if scratch.resumed else meter.read()
    _collect(run, outcome)


def _carried_over(files: list[str]) -> Failure:
    return Failure(
        kind="error",
        message=f"the training function reads {files[0]!r} and writes it again, so that each training run goes on from the one "
        "before: write files with run.artifact(name), a path of each run's own",
    )


def _judge(metrics: Metrics) -> Failure | None:
    """Whether what was returned is a set of finite numbers."""
    if metrics.problems:
        rest = len(metrics.problems) - 1
        more = f" (and {rest} more)" if rest else ""
        return Failure(
            kind="metrics", message=f"{metrics.problems[0]}{more}", traceback="\n".join(metrics.problems)
        )
    wrong = metrics.not_finite
    if wrong:
        named = ", ".join(f"{name} is {value}" for name, value in wrong.items())
        return Failure(
            kind="not finite", message=f"{named}: training diverged, or the metric divides by zero"
        )
    return None


def _collect(run: Run, outcome: _Outcome) -> None:
    """Curves, cases, steps and weights, out of the run's hands."""
    outcome.curves = {name: tuple(points) for name, points in run._curves.items()}
    outcome.cases = dict(run._cases.cases)
    amp = run.__dict__.get("amp")  # made on first use: a run without AMP has none
    if amp is not None:
        outcome.steps = amp.steps
        outcome.skipped_steps = _skipped(amp, outcome)
    if outcome.failure is None:
        outcome.weights = run._seen.digest(outcome.metrics.values, outcome.curves, outcome.cases)


def _skipped(amp: object, outcome: _Outcome) -> int:
    try:
        return int(amp.skipped_steps)  # type: ignore[attr-defined]  # run.amp
    except RuntimeError as error:  # the device failed, and the run with it
        outcome.failure = outcome.failure or explain(error)
        return 0


def _result(spec: RunSpec, outcome: _Outcome, output: str, messages: list[str], record: Record) -> RunResult:
    finite = {name: value for name, value in outcome.metrics.values.items() if math.isfinite(value)}
    failed = {"failed": float(outcome.failure is not None)}
    if outcome.skipped_steps:
        messages = [
            *messages,
            f"{outcome.skipped_steps} of {outcome.steps} optimizer steps were skipped by the gradient "
            "scaler: "
            "their fp16 gradients overflowed",
        ]
    return RunResult(
        key=spec.key.digest,
        seed=spec.key.seed,
        metrics={**finite, **outcome.measured, **failed},
        yes_no=frozenset({*(outcome.metrics.yes_no & finite.keys()), "failed"}),
        curves=outcome.curves,
        cases=outcome.cases,
        failure=outcome.failure,
        output=output,
        weights=outcome.weights,
        steps=outcome.steps,
        skipped_steps=outcome.skipped_steps,
        messages=tuple(messages),
        reseeded=tuple(outcome.reseeded),
        record=record,
    )
