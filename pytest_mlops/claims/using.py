"""What an arm may use: data, seeds, a time-out. Checked when it is said."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.claims.seeds import SEEDS
from pytest_mlops.errors import DataError, NotBuiltError, ParameterError
from pytest_mlops.notation import seconds_of


def check_use(is_command: bool, *, data: Any, amp: Any, timeout: Any, ref: Any) -> None:
    """Refuse what an arm of this kind cannot use.

    Raises
    ------
    ParameterError
        For a loader or a precision of a command.
    NotBuiltError
        For a time-out of a training function, or another commit of a command.
    """
    if is_command and ref is not None:
        raise NotBuiltError(
            f"using(ref={ref!r}): commands train the project as it is; only training functions can be those of another commit. "
            "Check that commit out yourself, and judge what it gives by arm.recorded.from_csv(...)."
        )
    if is_command and callable(data):
        raise ParameterError(
            f"using(data={fingerprint.describe(data)}): a command runs in a process of its own and gets paths, not what a "
            "function "
            "loads. Declare the path: .using(data='data/liver'), and hand it over as {data}."
        )
    if is_command and amp is not None:
        raise ParameterError(
            f"using(amp={amp!r}): a command chooses its precision itself. Make it a parameter of the command, e.g. --amp {{amp}}."
        )
    if not is_command and timeout is not None:
        raise NotBuiltError(
            f"using(timeout={timeout!r}): a training function runs in this process, where nothing can end it; time-outs "
            "come with "
            "workers. Commands have them: arm.command(...).using(timeout='5h')."
        )


def checked_timeout(timeout: Any) -> float:
    """Seconds of a time-out as users write it.

    Raises
    ------
    ParameterError
        If it is no time.

    Examples
    --------
    >>> checked_timeout("1h30min")
    5400.0
    """
    seconds = seconds_of(timeout) if isinstance(timeout, str) else None
    if seconds is None or math.isinf(seconds):
        raise ParameterError(
            f"using(timeout={timeout!r}): expected a time, e.g. '90s', '30min', '5h' or '1d'."
        )
    return seconds


def checked_ref(ref: Any) -> str:
    """The name of a commit.

    Raises
    ------
    ParameterError
        If it can be none.
    """
    if (
        not isinstance(ref, str)
        or not ref.strip()
        or ref.startswith("-")
        or "\0" in ref
        or ref != ref.strip()
    ):
        raise ParameterError(
            f"using(ref={ref!r}): expected 'base', which is what this work will be merged into, or a branch, a tag or a SHA."
        )
    return ref


def checked_ref_env(commands: Any, *, ref: str | None) -> tuple[str, ...]:
    """The commands that make the packages of another commit.

    Raises
    ------
    ParameterError
        If there is no other commit, or they make no environment.

    Examples
    --------
    >>> checked_ref_env("uv venv {env}", ref="base")
    ('uv venv {env}',)
    """
    found = (commands,) if isinstance(commands, str) else tuple(commands)
    example = 'ref_env=["{python} -m venv {env}", "{env}/bin/pip install -e {tree}"]'
    if ref is None:
        raise ParameterError(
            f"using(ref_env=...): it makes the packages of another commit. Write: ref='base', {example}."
        )
    if (
        not found
        or not all(isinstance(one, str) and one.strip() for one in found)
        or "{env}" not in "".join(found)
    ):
        raise ParameterError(
            f"using(ref_env={commands!r}): expected commands that make a virtual environment in {{env}}, e.g. {example}."
        )
    return found


def exact_time(seconds: float) -> str:
    """Seconds as one writes a time-out, without rounding.

    Examples
    --------
    >>> exact_time(5400), exact_time(1.5), exact_time(86400)
    ('1h30min', '1.5s', '1d')
    """
    found, rest = [], seconds
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        count, rest = divmod(rest, size)
        found += [f"{count:.0f}{unit}"] if count else []
    return "".join([*found, *([f"{rest:g}s"] if rest or not found else [])])


def checked_data(data: Any) -> Any:
    """Declared data: paths as :class:`pathlib.Path`, or a function that loads.

    Raises
    ------
    DataError
        If it is neither.
    """
    if isinstance(data, str | Path):
        if isinstance(data, str) and "://" in data:
            raise NotBuiltError(
                f"using(data={data!r}): URLs are not built yet. Give a path, or a module-level load()."
            )
        if not str(data).strip() or "\0" in str(data):
            raise DataError(
                f"using(data={data!r}): no path; an empty one would be the whole working directory."
            )
        return Path(data)
    if isinstance(data, list | tuple):
        return type(data)(checked_data(item) for item in data)
    if isinstance(data, dict):
        return {key: checked_data(item) for key, item in data.items()}
    if callable(data):
        name = getattr(data, "__qualname__", "<")
        if "<" in name or "." in name:
            raise DataError(
                f"using(data={fingerprint.describe(data)}): a loader has to be a function at a module's top level, so that every "
                "process can import it. Move it there; give it no parameters, or use several loaders."
            )
        return data
    raise DataError(
        f"using(data={fingerprint.describe(data)}): expected a path, paths, or a module-level function that loads, got "
        f"{type(data).__name__}.\n  Write: def load(): return X, y   and   arm(train).using(data=load); "
        "the function reads run.data"
    )


def checked_seeds(seeds: Iterable[int]) -> tuple[int, ...]:
    """A block of seeds, each once.

    Raises
    ------
    ParameterError
        If one of them is no seed, or comes twice.
    """
    try:
        values = tuple(seeds)
    except TypeError:
        raise ParameterError(
            f"using(seeds={seeds!r}): expected a list of whole numbers, e.g. seeds=[0, 1, 2]."
        ) from None
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < SEEDS:
            raise ParameterError(
                f"using(seeds=...): {value!r} is no seed; seeds are whole numbers from 0 to {SEEDS - 1}."
            )
    if not values or len(set(values)) != len(values):
        raise ParameterError(
            f"using(seeds={list(values)}): expected at least one seed, and each only once: a repeated seed is no new run."
        )
    return values
