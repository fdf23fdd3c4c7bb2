"""From a command and the options of its gate to what a training run of it is: device, data, files and key."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pytest_mlops import fingerprint
from pytest_mlops._optional import need
from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.commands import OURS, Command, filled, is_other_python, is_python
from pytest_mlops.claims.env import traces
from pytest_mlops.claims.seeds import block
from pytest_mlops.errors import DataError, ParameterError
from pytest_mlops.executors.surroundings import of_key, search_path
from pytest_mlops.records import CommandLine, Details, RunKey
from pytest_mlops.session.declared import DeclaredData
from pytest_mlops.session.details import data_parts
from pytest_mlops.session.keeping import store_url
from pytest_mlops.session.preparing import PROTOCOL, Prepared
from pytest_mlops.settings import Settings
from pytest_mlops.training.place import environment, graphics_cards, resolve_place

_NO_GPU = {"CUDA_VISIBLE_DEVICES": "", "HIP_VISIBLE_DEVICES": "", "ROCR_VISIBLE_DEVICES": ""}
"""Hides GPUs from a command where the CPU was asked for: the key says so, and the command need not know the option."""


def prepare_command(
    arm: Arm, settings: Settings, data_of_arms: DeclaredData, *, root: Path | None
) -> Prepared:
    """Resolve a command's device, data, files and key.

    Parameters
    ----------
    arm : Arm
        One that a command trains.
    settings : Settings
        Of the gate.
    data_of_arms : DeclaredData
        Data that is hashed already.
    root : Path, optional
        Folder of the project; the working directory if there is none.

    Returns
    -------
    Prepared
        Its ``procedure`` is the command line.

    Raises
    ------
    MlopsError
        If the device, the program, a folder or a file of the command is not there.
    """
    source = arm.source
    assert isinstance(source, Command)
    base = (root or Path.cwd()).resolve()
    cwd = _folder(base, source)
    wanted = arm.uses.device or settings.device
    place = resolve_place(wanted, "off")
    data = data_of_arms.ready(arm.uses.data)
    _check_data(source, data.value)
    if isinstance(source.metrics, str) and source.metrics.endswith((".yaml", ".yml")):
        need("yaml", extra="yaml", why=f"metrics={source.metrics!r}")
    program = _program(source, cwd)
    look = _files(source, settings, base, cwd)
    files = look()
    described = {
        **environment(place, threads=settings.threads, deterministic=False),
        "packages": fingerprint.all_versions(),
        "protocol": PROTOCOL,
        **({"gpus": cards} if (cards := graphics_cards()) else {}),
        **({"program": program} if program else {}),
        **({"timeout": f"{arm.uses.timeout:g} s"} if arm.uses.timeout else {}),
    }
    for not_ours in ("amp", "deterministic"):  # the command chooses them itself
        described.pop(not_ours)
    variables = traces({**of_key(), **(arm.uses.env or {})})
    if variables:
        described["variables"] = variables
    key = RunKey(
        function=f"command:{source.name}",
        code=fingerprint.digest_of(files),
        parameters=json.dumps(source.key(), sort_keys=True),
        data=data.content,
        environment=json.dumps(described, sort_keys=True),
        seed=0,
    )
    line = CommandLine(
        words=source.words,
        metrics=source.metrics,
        cwd=cwd,
        env=_NO_GPU if wanted == "cpu" else {},
        timeout=arm.uses.timeout,
        changed=lambda: fingerprint.changed_files(look(), files),
    )
    return Prepared(
        arm=arm,
        procedure=line,
        given=source.given,
        seeds=arm.uses.seeds or tuple(block(settings.seed, settings.max_seeds)),
        key=key,
        place=place,
        deterministic=False,
        threads=settings.threads,
        data=data.value,
        root_data=data.content,
        details=Details(
            label=arm.label, code=fingerprint.parts_of(files), data=data_parts(arm.uses.data, data.parts)
        ),
    )


def _folder(base: Path, source: Command) -> Path:
    cwd = base / source.cwd
    if not cwd.is_dir():
        raise ParameterError(
            f"arm.command(..., cwd={source.cwd!r}): there is no folder {cwd}. It is looked for below pytest's root folder."
        )
    return cwd


def _check_data(source: Command, data: Any) -> None:
    if any("{data" in word for word in source.words) and not isinstance(data, Path):
        what = "declares none" if data is None else "declares several paths, and one word holds one"
        raise DataError(
            f"The command has the placeholder {{data}}, and the arm {what}. Write .using(data='data/liver'), or make "
            "further paths "
            "parameters of the command: they count by their content too."
        )


def _program(source: Command, cwd: Path) -> str:
    """What of the program the key has to tell: nothing of our own Python, its content of one that no package brings.

    The scripts of installed packages (``torchrun``) count by the versions of all packages, and those of the project as code.
    """
    word = source.words[0]
    if is_python(word):
        return ""
    if is_other_python(word):
        raise ParameterError(
            f"arm.command({word!r} ...): which packages that Python has cannot be seen from here, so a change of them "
            "would not be "
            "noticed. Write python, which is the one that runs pytest, and start pytest with the other one."
        )
    if any(f"{{{name}" in word for name in [*OURS, *source.given]):
        raise ParameterError(
            f"arm.command({word!r} ...): the program has to be the same in every training run; make its name part of the command."
        )
    path = str(cwd / word) if "/" in word or os.sep in word else shutil.which(word, path=search_path())
    if path is None or not Path(path).is_file():
        raise ParameterError(
            f"arm.command({word!r} ...): there is no such program on this machine. Install it, or write its path relative "
            "to cwd=."
        )
    if _is_of_packages(Path(path)):
        return ""
    return f"{Path(path).name} {fingerprint.path_content(Path(path))[:16]}"


def _is_of_packages(program: Path) -> bool:
    import sysconfig

    return program.parent.resolve() == Path(sysconfig.get_path("scripts")).resolve()


def _files(source: Command, settings: Settings, base: Path, cwd: Path) -> Callable[[], Mapping[str, str]]:
    kept = {name: f"{{{name}}}" for name in OURS}
    words: Sequence[str] = [filled(word, {**kept, **source.given}, formats=False) for word in source.words]
    sources = fingerprint.Sources(
        root=base,
        named=source.code,
        own=fingerprint.named_by(words, cwd),
        outside=tuple(_outside(base)),
        aside=_written_by_us(settings, base),
    )
    return sources.files


def _written_by_us(settings: Settings, base: Path) -> tuple[str, ...]:
    """Starts of the paths of the store and the report, which may lie in the project."""
    from pytest_mlops.store.database import sqlite_file

    file = sqlite_file(store_url(settings.store, base))
    report = [f"{base / settings.report}{os.sep}"] if settings.report else []
    return (*([f"{file.resolve().with_suffix('')}."] if file is not None else []), *report)


def _outside(base: Path) -> list[Path]:
    """Projects elsewhere that are installed as editable: the command imports them, and no version tells of their code."""
    paths = [Path(url2pathname(urlsplit(url).path)) for url in fingerprint.editable_urls()]
    return [path for path in paths if path.is_dir() and not path.resolve().is_relative_to(base)]
