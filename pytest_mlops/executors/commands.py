"""Trains one run by a program: fills its command line, runs it to its end, and reads the metrics that it left."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from pytest_mlops.claims.commands import filled, is_python
from pytest_mlops.claims.ports import Lost
from pytest_mlops.errors import MetricError, RunError
from pytest_mlops.executors.children import failed, without_result
from pytest_mlops.executors.left_metrics import Printed, read_file
from pytest_mlops.executors.processes import Ended, Process
from pytest_mlops.executors.surroundings import left_out_and_named, of_command, search_path
from pytest_mlops.records import CommandLine, RunResult, RunSpec
from pytest_mlops.training.isolation import pools
from pytest_mlops.training.metrics import read_metrics
from pytest_mlops.training.scratch import Scratch


def run_command(spec: RunSpec, line: CommandLine, *, echo: TextIO | None = None) -> RunResult | Lost:
    """Train one run by a command; nothing that it started runs any more afterwards.

    Parameters
    ----------
    spec : RunSpec
        Of the run.
    line : CommandLine
        What to run.
    echo : text stream, optional
        Gets a live copy of the output.

    Returns
    -------
    RunResult or Lost
        A result; a training failure, which is a result too (an exit status, a signal, a time-out, metrics that are missing or no
        numbers); or that the machine ended it.

    Raises
    ------
    RunError
        If its code is not what the key says, before or afterwards.
    KeyboardInterrupt
        When it comes, after the end of the program.
    """
    _check_code(
        line, "since the claim began, so that this training run would be of another project than those before"
    )
    scratch = Scratch(spec.scratch, key=spec.key.digest)
    uses_scratch = any("{scratch" in word for word in line.words)
    out = spec.artifacts.absolute()
    shutil.rmtree(out, ignore_errors=True)  # what an attempt left that was lost
    out.mkdir(parents=True)
    values = {
        **{name: _as_word(value) for name, value in spec.given.items()},
        "seed": spec.key.seed,
        "index": spec.index,
        "out": out,
        "scratch": scratch.open() if uses_scratch else "",
        "data": Path(spec.data).absolute() if isinstance(spec.data, Path) else "",
        "device": spec.device,
    }
    found: RunResult | Lost | None = None
    try:
        found = _run(spec, line, values, scratch, echo)
        _check_code(
            line,
            "while the command ran. If it wrote that itself, let it write to {out}, or add it to .gitignore, or name its "
            "code with "
            "code=[...]; if it was you, start pytest again: what still holds is reused",
        )
    finally:
        scratch.end(keep=found is None or isinstance(found, Lost) or not found.failed)
    return found


def _run(
    spec: RunSpec, line: CommandLine, values: Mapping[str, Any], scratch: Scratch, echo: TextIO | None
) -> RunResult | Lost:
    argv = [filled(word, values) for word in line.words]
    argv[:1] = [sys.executable] if is_python(line.words[0]) else argv[:1]
    env = (
        {
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
        }  # what it printed comes before the error that follows
        | of_command()
        | {"PATH": search_path()}
        | pools(spec.threads)
        | dict(line.env)
        | dict(spec.env)
    )
    printed = None if isinstance(line.metrics, str) else Printed(line.metrics)
    hear = printed.hear if printed is not None else None
    with Process(argv, cwd=line.cwd, env=env, echo=echo, hear=hear) as process:
        ended = process.wait(line.timeout)
    if ended.lost or ended.status != 0:
        return _without_metrics(spec, line, ended)
    try:
        left = printed.values() if printed is not None else read_file(_file(line, values))
    except MetricError as error:
        return failed(spec.key, kind="metrics", message=str(error.args[0]), ended=ended)
    return _result(spec, left, ended, scratch)


def _as_word(value: Any) -> Any:
    """A path is meant from where pytest started, and the command may run elsewhere."""
    return Path(value).absolute() if isinstance(value, os.PathLike) else value


def _file(line: CommandLine, values: Mapping[str, Any]) -> Path:
    """An absolute path, or one below the folder where the command ran."""
    return line.cwd / filled(str(line.metrics), values)


def _result(spec: RunSpec, left: Mapping[str, Any], ended: Ended, scratch: Scratch) -> RunResult:
    metrics = read_metrics(left)
    if metrics.problems:
        return failed(spec.key, kind="metrics", message=metrics.problems[0], ended=ended)
    wrong = metrics.not_finite
    if wrong:
        named = ", ".join(f"{name} is {value}" for name, value in wrong.items())
        message = f"{named}: training diverged, or the metric divides by zero"
        return failed(spec.key, kind="not finite", message=message, ended=ended)
    measured = {} if scratch.resumed else {"seconds": ended.seconds}
    return RunResult(
        key=spec.key.digest,
        seed=spec.key.seed,
        metrics={**metrics.values, **measured, "failed": 0.0},
        yes_no=metrics.yes_no | {"failed"},
        output=ended.output,
        messages=(scratch.message,) if scratch.message else (),
    )


def _without_metrics(spec: RunSpec, line: CommandLine, ended: Ended) -> RunResult | Lost:
    if ended.lost or ended.timed_out or ended.signal:
        return without_result(spec.key, ended, timeout=line.timeout)
    word = _last_word(ended)
    last = f": {word:.200}" if word else ", and printed nothing"
    return failed(
        spec.key,
        kind="exit",
        message=f"it ended with exit status {ended.status}{last}{_not_handed_on(ended)}",
        ended=ended,
    )


def _last_word(ended: Ended) -> str:
    """The error of the last traceback, or the last line; what came on the other stream may stand between its lines."""
    _, traceback, after = ended.errors.rpartition("Traceback (most recent call last)")
    for line in after.splitlines()[1:] if traceback else []:
        if line.strip() and not line.startswith(" "):
            return line
    lines = [line.strip() for line in ended.output.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _not_handed_on(ended: Ended) -> str:
    names = left_out_and_named(ended.output[-20_000:])
    if not names:
        return ""
    shown = ", ".join(f'"{name}": os.environ["{name}"]' for name in names[:3])
    return f" (it gets few of your environment variables, since they are part of no key; write .using(env={{{shown}}}))"


def _check_code(line: CommandLine, when: str) -> None:
    changed = line.changed()
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise RunError(f"{', '.join(changed[:3])}{more} changed {when}.")
