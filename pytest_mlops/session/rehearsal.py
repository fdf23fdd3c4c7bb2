"""A gate rehearsed before anything is spent: called with every claim answering true and nothing trained.

Only where that is safe (`session.safe`), so that most claims are known before the first training run. A rehearsal has
arms and fixture values of its own; verdicts never depend on it.
"""

from __future__ import annotations

import io
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest
from _pytest import assertion
from _pytest.skipping import evaluate_skip_marks

from pytest_mlops.claims.ablation import Ablations
from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.family import Explored, FamilyClaim, FamilyJudgement, RowJudgement
from pytest_mlops.claims.judge import Judgement, no_verdict
from pytest_mlops.session.safe import codes_called, ours_in
from pytest_mlops.settings import Settings

_OURS = str(Path(__file__).resolve().parents[1]) + os.sep
_MAKERS = {"arm": Arms, "ablation": Ablations}
_TRUSTED = (_OURS, pytest.approx.__code__.co_filename)
_ASSERTIONS = str(Path(assertion.__file__).parent)
"""Called by a rewritten assert that does not hold: it shows values, which may call anything."""
_LONGEST = 1.0
"""Seconds that a fixture or a gate may take in a rehearsal: they name arms and ask claims, and nothing else."""
_BUILT_IN_TYPES = (str, dict, list, tuple, set, frozenset, int, float, type(None))


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a rehearsal found.

    Parameters
    ----------
    item : pytest.Item
        The gate.
    settings : Settings
        Its options.
    claims : tuple of Claim
        In the order in which they were stated; all of them unless `ended` says more.
    ended : str or None
        Why it was not rehearsed, or not to its end.
    """

    item: pytest.Item
    settings: Settings
    claims: tuple[Claim, ...] = ()
    ended: str | None = None


class _Listening:
    """Whom the claims of a rehearsal turn to: all of them answer true."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []

    def stated(self, claim: Claim) -> None:
        """Take notice of a claim."""
        self.claims.append(claim)

    def ask(self, claim: Claim) -> Judgement:
        """No verdict: the gate goes on."""
        del claim
        return no_verdict()

    def stated_family(self, family: FamilyClaim) -> None:
        """Take notice of all rows of a family."""
        self.claims += family.rows

    def ask_family(self, family: FamilyClaim) -> FamilyJudgement:
        """The same for a family."""
        return FamilyJudgement(
            rows=tuple(RowJudgement(judgement=no_verdict()) for _ in family.rows), method="none"
        )

    def explore(self, rows: Sequence[Claim]) -> Explored:
        """Nothing is known of arms that were not trained."""
        del rows
        return Explored(outcomes={})


class _Beyond(BaseException):  # nobody's `except Exception` takes it
    """A call of what a rehearsal may not call, before it begins."""


def rehearse(items: Sequence[pytest.Item], settings_of: Callable[[pytest.Item], Settings]) -> list[Rehearsal]:
    """Rehearse gates.

    Parameters
    ----------
    items : sequence of pytest.Item
        Gates, as they were collected.
    settings_of : callable
        The options of each.

    Returns
    -------
    list of Rehearsal
        One a gate, in the same order.
    """
    return [_rehearsed(item, settings_of(item)) for item in items]


def _rehearsed(item: pytest.Item, settings: Settings) -> Rehearsal:
    why = _not_safe(item)
    found: dict[CodeType, None] = {}
    if why is None:
        assert isinstance(item, pytest.Function)
        functions = [item.function, *(definition.func for definition in _definitions(item).values())]
        for function in functions:
            codes = codes_called(function, found)
            if isinstance(codes, str):
                why = codes
                break
    if why is not None:
        return Rehearsal(item=item, settings=settings, ended=why)
    listening = _Listening()
    ended: str | None = None
    try:
        with _left_as_it_was():
            _call(item, listening, found)
    except _Beyond as error:
        ended = str(error)
    except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001  # it only ends the rehearsal
        ended = f"it raised {type(error).__name__}: {error}".partition("\n")[0]
    return Rehearsal(item=item, settings=settings, claims=tuple(listening.claims), ended=ended)


def _not_safe(item: pytest.Item) -> str | None:
    """Why the surroundings of a gate keep it from a rehearsal."""
    if type(item) is not pytest.Function:
        return f"it is a {type(item).__name__}, and no plain test function"
    if item.cls is not None:
        return "it is a method of a class"
    if evaluate_skip_marks(item) is not None:
        return "it is skipped"
    if sys.getprofile() is not None:
        return "a profiler is at work"
    manager: Any = item.session._fixturemanager
    automatic = list(manager._getautousenames(item))
    if automatic:
        return f"the fixture {automatic[0]} is used by every test (autouse)"
    for name, definition in _definitions(item, ours=True).items():
        if definition is None:
            return f"its fixture {name} is not known"
        if name in _made(item) or _is_ours(definition):
            continue
        if name in definition.argnames:
            return f"its fixture {name} stands on another one of that name"
        if definition.params is not None or not _is_plain(definition.func):
            return f"its fixture {name} is no plain function of the project"
    return None


def _definitions(item: pytest.Function, *, ours: bool = False) -> dict[str, Any]:
    """The fixtures of a gate by name: those of the project, with ``ours`` all that a rehearsal has values of."""
    info: Any = item._fixtureinfo
    found: dict[str, Any] = {}
    names = list(info.initialnames)
    while names:
        name = names.pop(0)
        if name in found:
            continue
        found[name] = definition = (info.name2fixturedefs.get(name) or (None,))[-1]
        if definition is not None and not (name in _made(item) or _is_ours(definition)):
            names += definition.argnames
    return {
        name: one
        for name, one in found.items()
        if ours or not (name in _made(item) or one is None or _is_ours(one))
    }


def _made(item: pytest.Function) -> dict[str, object]:
    """Values that parametrize has made for the test itself; those for a fixture are no argument of the test."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return {}
    info: Any = item._fixtureinfo
    own = {}
    for name, value in callspec.params.items():
        definition = (info.name2fixturedefs.get(name) or (None,))[-1]
        if definition is None or str(definition.func.__module__).startswith("_pytest"):
            own[name] = value
    return own


def _is_ours(definition: Any) -> bool:
    return definition.func.__module__ == "pytest_mlops.fixtures" and definition.argname in _MAKERS


def _is_plain(function: Any) -> bool:
    return not isinstance(codes_called(function), str) and "." not in function.__qualname__


def _call(item: pytest.Item, listening: _Listening, codes: dict[CodeType, None]) -> None:
    """Call the fixtures and then the body; values live no longer than this."""
    assert isinstance(item, pytest.Function)
    definitions, values = _definitions(item, ours=True), dict(_made(item))

    def value_of(name: str) -> object:
        if name not in values:
            definition = definitions[name]
            if _is_ours(definition):
                values[name] = _MAKERS[definition.argname](listening)
            else:
                values[name] = _watched(
                    definition.func, {one: value_of(one) for one in definition.argnames}, codes
                )
        return values[name]

    arguments = {name: value_of(name) for name in item._fixtureinfo.argnames}
    for name in definitions:
        value_of(name)
    _watched(item.function, arguments, codes)


def _watched(
    function: Callable[..., object], arguments: dict[str, object], codes: dict[CodeType, None]
) -> object:
    """Call a function, and stop at the first call of what was not looked at, before it begins.

    Values may be other than their names say: what is a ``.keys()`` in the source may be anybody's.
    """
    inside: list[FrameType] = []

    def watch(frame: FrameType, event: str, arg: Any) -> None:
        if inside:
            if event == "return" and frame is inside[0]:
                inside.clear()
        elif event == "call" and frame.f_code.co_filename.startswith(_TRUSTED):
            inside.append(frame)
        elif event == "call" and frame.f_code in codes:
            _check_ours(frame)
        elif event == "call":
            rewritten = frame.f_code.co_filename.startswith(_ASSERTIONS)
            what = f"it calls {frame.f_code.co_qualname}()"
            raise _Beyond("an assert in it did not hold" if rewritten else what)
        elif event == "c_call" and not _is_harmless(arg):
            raise _Beyond(f"it calls {getattr(arg, '__qualname__', arg)}()")

    end, debugger = time.monotonic() + _LONGEST, sys.gettrace()

    def in_time(frame: FrameType, event: str, arg: Any) -> Any:
        del event, arg
        if time.monotonic() > end:
            raise _Beyond(f"it takes longer than {_LONGEST:g} s (line {frame.f_lineno})")
        return in_time if frame.f_code in codes else None

    if debugger is None:
        sys.settrace(in_time)
    sys.setprofile(watch)
    try:
        return function(**arguments)
    finally:
        sys.setprofile(None)
        if debugger is None:
            sys.settrace(None)


def _check_ours(frame: FrameType) -> None:
    """What a function of the project calls by the name of a fixture of ours has to be one of ours."""
    for name in ours_in(frame.f_code):
        if not isinstance(frame.f_locals[name], tuple(_MAKERS.values())):
            raise _Beyond(f"{name} is none of our fixtures in {frame.f_code.co_qualname}()")


def _is_harmless(function: Any) -> bool:
    owner = getattr(function, "__self__", None)
    if function is sys.setprofile:
        return True
    return getattr(owner, "__name__", "") == "builtins" or isinstance(owner, _BUILT_IN_TYPES)


@contextmanager
def _left_as_it_was() -> Iterator[None]:
    """Output is dropped; generators, environment and working directory are put back."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    folder, variables, own = Path.cwd(), dict(os.environ), random.getstate()
    others = [
        (module.set_state, module.get_state())
        if name == "numpy"
        else (module.set_rng_state, module.get_rng_state())
        for name, module in (("numpy", getattr(numpy, "random", None)), ("torch", torch))
        if module is not None
    ]
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(own)
        for put_back, state in others:
            put_back(state)
        if Path.cwd() != folder:
            os.chdir(folder)
        if dict(os.environ) != variables:
            os.environ.clear()
            os.environ.update(variables)
