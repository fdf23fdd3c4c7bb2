"""Why a run was trained, in one short sentence: what differs from the nearest experiment that was trained before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_mlops.records import Details, RunKey

_SHOWN = 3
"""Differences that a sentence names; more are counted."""
_LONGEST = 40
"""Characters of a parameter's old value that are shown."""

SEEDS_ONLY = "no run of this seed"
"""The experiment itself was trained before, under other seeds."""


def why(key: RunKey, details: Details, kin: Sequence[tuple[RunKey, Details]], *, below: str = "") -> str:
    """What is new about a run, as a sentence without a full stop.

    Parameters
    ----------
    key : RunKey
        Of the run that is about to be trained.
    details : Details
        What its hashes were made of.
    kin : sequence of (RunKey, Details)
        Experiments of the same function that were trained before.
    below : str
        Start of the paths in the project, which are shown without it.

    Returns
    -------
    str
        ``"first run of this function"``, ``"lr was 0.01"``, or :data:`SEEDS_ONLY`.

    Examples
    --------
    >>> first = RunKey(
    ...     function="m:train", code="c", parameters='{"lr": "0.01"}', data="", environment="{}", seed=0
    ... )
    >>> other = RunKey(**{**first.__dict__, "parameters": '{"lr": "0.1"}'})
    >>> why(other, Details(), []), why(other, Details(), [(first, Details())])
    ('first run of this function', 'lr was 0.01')
    """
    if not kin:
        return f"first run of this {'command' if key.function.startswith('command:') else 'function'}"
    # The arm's own past says more than that of its sibling, however near the two are.
    own = [relative for relative in kin if relative[0].parameters == key.parameters]
    found = min((list(_differences(key, details, *relative)) for relative in own or kin), key=len)
    if not found:
        return SEEDS_ONLY
    return _few(_merged([sentence.replace(below, "") if below else sentence for sentence in found]))


def _merged(found: Sequence[str]) -> list[str]:
    """A file that a constant and a parameter name is said once.

    Examples
    --------
    >>> _merged(["net.yaml changed (CONF)", "net.yaml changed (conf)", "lr was 0.1"])
    ['net.yaml changed (CONF, conf)', 'lr was 0.1']
    """
    names: dict[str, list[str]] = {}
    for sentence in found:
        what, opening, name = sentence.partition(" changed (")
        names.setdefault(f"{what} changed" if opening else sentence, []).append(name.rstrip(")"))
    return [f"{what} ({', '.join(of)})" if any(of) else what for what, of in names.items()]


def few_changed(paths: Sequence[str]) -> str:
    """The sentence for runs of which a noted file or module changed.

    Examples
    --------
    >>> few_changed(["conf/model.yaml"])
    'conf/model.yaml changed'
    """
    return _few([f"{path} changed" for path in paths])


def _few(found: Sequence[str]) -> str:
    more = len(found) - _SHOWN
    return ", ".join(found[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def no_run_of(seeds: Sequence[int]) -> str:
    """The sentence for runs whose experiment was trained before, under other seeds.

    Examples
    --------
    >>> no_run_of([7]), no_run_of([1, 2, 3]), no_run_of([5, 1])
    ('no run of seed 7', 'no run of seeds 1 to 3', 'no run of seeds 5, 1')
    """
    if len(seeds) == 1:
        return f"no run of seed {seeds[0]}"
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[0] + len(seeds))):
        return f"no run of seeds {seeds[0]} to {seeds[-1]}"
    shown = ", ".join(str(seed) for seed in seeds[:10])
    return f"no run of seeds {shown}" + (f" and {len(seeds) - 10} more" if len(seeds) > 10 else "")


def _differences(key: RunKey, details: Details, old: RunKey, known: Details) -> Iterator[str]:
    if key.code != old.code:
        yield from _code(details.code, known.code)
    yield from _parameters(json.loads(key.parameters), json.loads(old.parameters))
    if key.data != old.data:
        yield from _data(details.data, known.data)
    yield from _environment(json.loads(key.environment), json.loads(old.environment))
    if key.upstream != old.upstream:
        yield "what it goes on from is another"


def _code(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    """Functions, constants and modules that changed; those that came or went only where none did."""
    if not new or not old:
        yield "code changed"
        return
    changed = [name for name in new if name in old and new[name] != old[name]]
    of_files = {name.rpartition(" (")[2].rstrip(")") for name in changed if name.endswith(")")}
    changed = [name for name in changed if name not in of_files]  # the file behind the constant says more
    modules = {name for name in changed if ":" not in name}
    names = [_code_name(name, new) for name in changed if name.partition(":")[0] not in modules - {name}]
    found = [_changed(name) for name in dict.fromkeys(names)]
    found = found or [f"{_code_name(name, new)} is new" for name in new if name not in old]
    found = found or [f"{_code_name(name, old)} is gone" for name in old if name not in new]
    yield from found or ["code changed"]


def _code_name(name: str, among: Mapping[str, str]) -> str:
    """A module as its file, anything in a module by its own name.

    Examples
    --------
    >>> (
    ...     _code_name("pkg.net", {}),
    ...     _code_name("pkg", {"pkg": "", "pkg.net": ""}),
    ...     _code_name("test_a:train", {}),
    ... )
    ('pkg/net.py', 'pkg/__init__.py', 'train')
    >>> _code_name("conf/net.yaml (pkg.net:CONF)", {}), _code_name("./train.py", {})
    ('conf/net.yaml (CONF)', 'train.py')
    """
    if name.startswith("./"):  # a file of a command
        return name[2:]
    if name.endswith(")"):
        file, _, constant = name.rpartition(" (")
        return f"{file} ({_code_name(constant[:-1], among)})"
    module, colon, inside = name.partition(":")
    if colon:
        return inside.replace("<locals>.", "")
    if module in ("self", "partial", "function"):
        return "what the function is bound to"
    path = module.replace(".", "/")
    return f"{path}/__init__.py" if any(other.startswith(f"{module}.") for other in among) else f"{path}.py"


def _parameters(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    for name in dict.fromkeys([*new, *old]):
        if name not in old:
            yield f"{name} is new"
        elif name not in new:
            yield f"{name} is gone"
        elif new[name] != old[name]:
            yield from _parameter(name, _value(new[name]), _value(old[name]), old[name])


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _parameter(name: str, new: Any, value: Any, old: str) -> Iterator[str]:
    files, before = dict(_files(new)), dict(_files(value))
    if files.keys() == before.keys() and _without_files(new) == _without_files(value):
        yield from (f"{path} changed ({name})" for path in files if files[path] != before[path])
        return
    yield _other_value(name, value, old)


def _files(value: Any) -> Iterator[tuple[str, object]]:
    """Paths in a parameter's key, with the hashes of what was there."""
    if _is_path(value):
        yield _written(value["path"]), value["content"]
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _files(item)


def _written(path: Any) -> str:
    """A path of a key as people write it."""
    return str(path["below root"] if isinstance(path, dict) else path)


def _without_files(value: Any) -> Any:
    if _is_path(value):
        return {"path": value["path"]}
    if isinstance(value, dict):
        return {name: _without_files(item) for name, item in value.items()}
    return [_without_files(item) for item in value] if isinstance(value, list) else value


def _is_path(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"path", "content"}


def _other_value(name: str, value: Any, old: str) -> str:
    if _is_path(value):
        value = _written(value["path"])
    if isinstance(value, dict) and value.keys() == {"below root"}:
        value = value["below root"]
    if isinstance(value, dict):  # code, an array, a dataclass: its key is for machines
        return f"{name} changed"
    text = " ".join((repr(value) if not isinstance(value, list) else old).split())
    return f"{name} was {text if len(text) <= _LONGEST else text[: _LONGEST - 3] + '...'}"


def _data(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    found = [_changed(name) for name in new if name in old and new[name] != old[name]]
    found += [f"{name} is new" for name in new if name not in old]
    found += [f"{name} is gone" for name in old if name not in new]
    yield from found or ["data changed"]


def _changed(name: str) -> str:
    """That something changed: of a file behind a constant with its name at the end, of a loader what it returned.

    Examples
    --------
    >>> _changed("net.yaml (CONF)"), _changed("load()"), _changed("load()[1]")
    ('net.yaml changed (CONF)', 'what load() returned changed', 'load()[1] changed')
    """
    if name.endswith("()"):
        return f"what {name} returned changed"
    file, opening, constant = name.rpartition(" (")
    return f"{file} changed ({constant}" if opening else f"{name} changed"


def _environment(new: Mapping[str, object], old: Mapping[str, object]) -> Iterator[str]:
    now, before = _flat(new), _flat(old)
    for name in dict.fromkeys([*now, *before]):
        if now.get(name) == before.get(name):
            continue
        if name == "device":
            yield f"other device: {now.get(name)}, before {before.get(name)}"
        elif name.startswith("$"):
            yield (
                f"{name} is new"
                if name not in before
                else f"{name} {'changed' if name in now else 'is gone'}"
            )
        elif name not in before:
            yield f"{name} {now[name]} is new"
        elif name not in now:
            yield f"{name} is gone"
        else:
            yield f"{name} {now[name]}, before {before[name]}"


def _flat(environment: Mapping[str, object]) -> dict[str, object]:
    packages, variables = environment.get("packages"), environment.get("variables")
    flat = {name: value for name, value in environment.items() if name not in ("packages", "variables")}
    if isinstance(variables, dict):
        flat |= {f"${name}": value for name, value in variables.items()}
    # torch is among the packages and, with its build, a fact of its own: one of them is enough.
    return {**(packages if isinstance(packages, dict) else {}), **flat}
