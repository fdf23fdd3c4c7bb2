"""Why a run was trained, in one short sentence: what differs from the nearest experiment that was trained before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from pytest_mlops.records import Details, RunKey

_SHOWN = 3
"""Differences that a sentence names; more are counted."""
_LONGEST = 40
"""Characters of a parameter's old value that are shown."""

SEEDS_ONLY = "no run of this seed"
"""The experiment itself was trained before, under other seeds."""


def why(key: RunKey, details: Details, kin: Sequence[tuple[RunKey, Details]]) -> str:
    """What is new about a run, as a sentence without a full stop.

    Parameters
    ----------
    key : RunKey
        Of the run that is about to be trained.
    details : Details
        What its hashes were made of.
    kin : sequence of (RunKey, Details)
        Experiments of the same function that were trained before.

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
        return "first run of this function"
    # The arm's own past says more than that of its sibling, however near the two are.
    own = [relative for relative in kin if relative[0].parameters == key.parameters]
    found = min((list(_differences(key, details, *relative)) for relative in own or kin), key=len)
    if not found:
        return SEEDS_ONLY
    return _few(found)


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


def _code(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    """Functions, constants and modules that changed; those that came or went only where none did."""
    if not new or not old:
        yield "code changed"
        return
    changed = [name for name in new if name in old and new[name] != old[name]]
    modules = {name for name in changed if ":" not in name}
    names = [_code_name(name, new) for name in changed if name.partition(":")[0] not in modules - {name}]
    found = [f"{name} changed" for name in dict.fromkeys(names)]
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
    """
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
            yield _parameter(name, old[name])


def _parameter(name: str, old: str) -> str:
    try:
        value = json.loads(old)
    except ValueError:
        value = old
    if isinstance(value, dict):  # code, an array, a dataclass: its key is for machines
        return f"{name} changed"
    text = " ".join((repr(value) if not isinstance(value, list) else old).split())
    return f"{name} was {text if len(text) <= _LONGEST else text[: _LONGEST - 3] + '...'}"


def _data(new: Mapping[str, str], old: Mapping[str, str]) -> Iterator[str]:
    found = [f"{name} changed" for name in new if name in old and new[name] != old[name]]
    found += [f"{name} is new" for name in new if name not in old]
    found += [f"{name} is gone" for name in old if name not in new]
    yield from found or ["data changed"]


def _environment(new: Mapping[str, object], old: Mapping[str, object]) -> Iterator[str]:
    now, before = _flat(new), _flat(old)
    for name in dict.fromkeys([*now, *before]):
        if now.get(name) == before.get(name):
            continue
        if name == "device":
            yield f"other device: {now.get(name)}, before {before.get(name)}"
        elif name not in before:
            yield f"{name} {now[name]} is new"
        elif name not in now:
            yield f"{name} is gone"
        else:
            yield f"{name} {now[name]}, before {before[name]}"


def _flat(environment: Mapping[str, object]) -> dict[str, object]:
    packages = environment.get("packages")
    flat = {name: value for name, value in environment.items() if name != "packages"}
    # torch is among the packages and, with its build, a fact of its own: one of them is enough.
    return {**(packages if isinstance(packages, dict) else {}), **flat}
