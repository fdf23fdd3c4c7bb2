"""One training run as a file for another process, and its result as a file back: JSON, written whole or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pytest_mlops.errors import RunError
from pytest_mlops.fingerprint import party
from pytest_mlops.records import RunKey, RunResult, RunSpec
from pytest_mlops.training.handing import Name, from_json, name_of, to_json

SPEC, RESULT = "spec.json", "result.json"
"""What a child reads, and what it writes."""

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training run for a process of its own. Modules are found by their files below ``root``.

    So the same order with another root trains what that folder holds: the project at another commit.
    """

    key: RunKey
    function: Name
    given: Mapping[str, Any]
    """Parameters, as :func:`pytest_mlops.training.handing.to_json` writes them."""
    index: int
    block: int
    root: str
    modules: Mapping[str, str]
    """First-party modules by name, with their files relative to ``root``."""
    import_path: tuple[str, ...]
    """``sys.path`` of the child; relative entries lie below ``root``. Of a Python with packages of its own what comes first."""
    data: Any = None
    """Declared paths, or ``{"named": [module, name]}`` of the function that loads; written like ``given``."""
    device: str = "cpu"
    amp: str = "off"
    deterministic: bool = True
    threads: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    artifacts: str = ""
    upstream: str | None = None
    scratch: str | None = None
    cwd: str = ""
    """Where relative paths begin; the root if empty."""
    elsewhere: str | None = None
    """Another state of the project: whoever imports a module from there trained a mixture, and fails."""
    python: str = ""
    """The Python that trains it; the one that is at work here if empty. Another one has packages of its own."""
    pointers: tuple[str, ...] = ()
    """Files below ``root`` that are pointers of git LFS: a run that reads one trained on nothing."""
    format: int = FORMAT


def order_of(spec: RunSpec, *, root: Path, declared: Any = None) -> Order:
    """The order of a training run of this process.

    Parameters
    ----------
    spec : RunSpec
        What to train. Its function and the first-party functions and classes among its parameters go by name.
    root : Path
        Folder of the project, below which those modules lie.
    declared : path, structure of paths, or function, optional
        What ``.using(data=...)`` was given: loaded anew in the child. A run elsewhere brings its own.

    Returns
    -------
    Order
        For :func:`write_order`.

    Raises
    ------
    ParameterError
        If the function or a parameter cannot be handed to another process.
    """
    base, there = root.resolve(), spec.elsewhere
    return Order(
        key=spec.key,
        function=name_of(spec.function, what="the training function"),
        given={name: to_json(value, what=name) for name, value in spec.given.items()},
        index=spec.index,
        block=spec.block,
        root=str((there.root if there is not None else root).resolve()),
        modules=_modules_below(base) | dict(there.moved if there is not None else {}),
        import_path=tuple(_import_path(base, own_only=there is not None and there.python is not None)),
        data=to_json(there.declared if there is not None else declared, what="using(data=...)"),
        device=spec.device,
        amp=spec.amp,
        deterministic=spec.deterministic,
        threads=spec.threads,
        env=spec.env,
        artifacts=str(spec.artifacts.absolute()),
        upstream=str(spec.upstream.absolute()) if spec.upstream is not None else None,
        scratch=str(spec.scratch.absolute()) if spec.scratch is not None else None,
        cwd=str(Path.cwd()) if there is None else "",
        elsewhere=str(base) if there is not None else None,
        python=str(there.python) if there is not None and there.python is not None else "",
        pointers=tuple(sorted(there.pointers)) if there is not None else (),
    )


def _modules_below(root: Path) -> dict[str, str]:
    found = {}
    for name, module in list(sys.modules.items()):
        file = party.source_file(module)
        if file is not None and name != "__main__" and Path(file).resolve().is_relative_to(root):
            found[name] = Path(file).resolve().relative_to(root).as_posix()
    return found


def _import_path(root: Path, *, own_only: bool) -> list[str]:
    """Where modules are looked for; with ``own_only`` in the project alone, and then where another Python looks."""
    found = []
    for entry in sys.path:
        path = Path(entry or ".").resolve()
        inside = path.is_relative_to(root) and not party.INSTALLED & set(path.parts)
        if inside or not own_only:
            found.append(path.relative_to(root).as_posix() if inside else str(path))
    return found


def write_order(folder: Path, order: Order) -> None:
    """Write ``spec.json``.

    Parameters
    ----------
    folder : Path
        A folder of this run alone.
    order : Order
        What to train.
    """
    _write(folder / SPEC, asdict(order))


def read_order(folder: Path) -> Order:
    """Read ``spec.json``.

    Raises
    ------
    RunError
        If it is no order, or one of another version.
    """
    order: Order = _read(folder / SPEC, Order)
    return order


def spec_of_order(order: Order) -> RunSpec:
    """What to train, with everything imported and the data loaded: for the child, once it can find the modules.

    Raises
    ------
    ImportError, AttributeError
        If something of the order is not there.
    """
    data = from_json(order.data)
    return RunSpec(
        key=order.key,
        function=order.function.find(),
        given={name: from_json(value) for name, value in order.given.items()},
        index=order.index,
        block=order.block,
        data=data() if callable(data) else data,
        device=order.device,
        amp=order.amp,
        deterministic=order.deterministic,
        threads=order.threads,
        env=order.env,
        artifacts=Path(order.artifacts),
        upstream=Path(order.upstream) if order.upstream is not None else None,
        scratch=Path(order.scratch) if order.scratch is not None else None,
        root=Path(order.root),
    )


def write_result(folder: Path, result: RunResult) -> None:
    """Write ``result.json``; what is measured for each case is base64 in it.

    Parameters
    ----------
    folder : Path
        Folder of the order.
    result : RunResult
        Of the run.
    """
    import msgspec

    _write(folder / RESULT, {"format": FORMAT, "result": msgspec.to_builtins(result)})


def read_result(folder: Path) -> RunResult | None:
    """Read ``result.json``; None if the child left none.

    Raises
    ------
    RunError
        If it is broken.
    """
    import msgspec

    if not (folder / RESULT).exists():
        return None
    found = _read(folder / RESULT, dict[str, Any])
    try:
        return msgspec.convert(found.get("result"), RunResult)
    except msgspec.ValidationError as error:
        raise RunError(f"{RESULT} of a training run is broken: {error}.") from None


def _write(file: Path, content: Any) -> None:
    new = file.with_name(f"{file.name}.new")
    # Python's own JSON: it keeps NaN and infinity, which curves may hold, and every float to the last bit.
    new.write_text(json.dumps(content), encoding="utf-8", errors="surrogatepass")
    new.replace(file)


def _read(file: Path, kind: type[Any]) -> Any:
    import msgspec

    try:
        found = json.loads(file.read_text(encoding="utf-8", errors="surrogatepass"))
        if found["format"] != FORMAT:
            raise RunError(f"{file.name} has format {found['format']!r}, and this version reads {FORMAT}.")
        return msgspec.convert(found, kind)
    except (OSError, ValueError, TypeError, LookupError, msgspec.ValidationError) as error:
        raise RunError(
            f"{file.name} of a training run cannot be read: {type(error).__name__}: {error}."
        ) from None
