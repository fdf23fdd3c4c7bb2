"""pytest hooks. Decides nothing: options come from settings.py, claims are heard by session.py.

Imported in every pytest session of every user: at the top only what is as light as this. All else is loaded under ``--mlops``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Literal

import pytest

from pytest_mlops.errors import GuardError, MlopsError, SettingError
from pytest_mlops.session import HOW_TO_RUN, SESSION
from pytest_mlops.settings import OPTIONS, Option, Settings, resolve

if TYPE_CHECKING:
    import argparse

    from pytest_mlops.claims.contexts import Contexts
    from pytest_mlops.session.rehearsal import Rehearsal
    from pytest_mlops.session.session import Session

pytest_plugins = ["pytest_mlops.fixtures"]

FIXTURES = frozenset({"ablation", "arm"})
"""A test that uses one of these is a gate."""

_SMOKE = "--mlops-smoke"
_MOST_FILLED = 100_000
_SETTINGS: pytest.StashKey[Settings] = pytest.StashKey()
_WRONG_MARKER: pytest.StashKey[str] = pytest.StashKey()
_CONTEXTS: pytest.StashKey[Contexts | None] = pytest.StashKey()
_REHEARSED: pytest.StashKey[Rehearsal] = pytest.StashKey()
_PUT_BACK: pytest.StashKey[Callable[[], None]] = pytest.StashKey()
_BEGUN: pytest.StashKey[bool] = pytest.StashKey()
_WATCHED: pytest.StashKey[bool] = pytest.StashKey()
_INI_TYPES: dict[type, Literal["bool", "int", "float", "string"]] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
}


# --- options


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer every option of settings.py on the command line and in the configuration."""
    group = parser.getgroup("mlops", "model-quality gates (pytest-mlops)")
    group.addoption("--mlops", action="store_true", help="run gates: train until their claims are decided")
    group.addoption(
        _SMOKE,
        action="store_true",
        dest="mlops_smoke_only",
        help="try gates out: run each arm once, on two batches of every loader, uncaptured; nothing is stored, no verdict",
    )
    group.addoption(
        "--mlops-plan",
        action="store_true",
        help="say what each claim will cost and can decide, from the store and a pilot of three pairs; no verdict",
    )
    group.addoption(
        "--mlops-fill",
        type=int,
        metavar="SEEDS",
        help="train the arms that claims compare with ahead, so many seeds of each, within the budget; no verdict",
    )
    group.addoption(
        "--mlops-aa",
        action="store_true",
        help="judge each arm against itself, on max_seeds training runs: the noise floor and the false alarms; no verdict",
    )
    for option in OPTIONS:
        described = f"{option.help} (default: {option.written_default})".replace("%", "%%")
        if option.flag == _SMOKE:  # the plain flag is taken, so each choice is a flag of its own
            for choice in option.choices:
                flag = f"{_SMOKE}={choice}"
                group.addoption(
                    flag, dest=option.ini, action="store_const", const=choice, default=None, help=described
                )
        elif option.type is bool:
            group.addoption(
                option.flag, dest=option.ini, action="store_const", const=True, default=None, help=described
            )
        else:
            group.addoption(
                option.flag, dest=option.ini, default=None, metavar=option.name.upper(), help=described
            )
        parser.addini(
            option.ini,
            f"{option.help} (default: {option.written_default})",
            type=_INI_TYPES[option.type],
            default=None,
        )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Watch imports from the first conftest on: what trains is what was imported, whatever is saved later."""
    options = early_config.known_args_namespace
    if options.mlops or _instead(options):
        _watch(early_config)


def _instead(options: argparse.Namespace) -> list[str]:
    """What this session does instead of judging claims."""
    asked = {
        _SMOKE: options.mlops_smoke_only,
        "--mlops-plan": options.mlops_plan,
        "--mlops-fill": options.mlops_fill is not None,
        "--mlops-aa": options.mlops_aa,
    }
    return [flag for flag, given in asked.items() if given]


def _check_fill(config: pytest.Config) -> None:
    seeds = config.option.mlops_fill
    if not 1 <= seeds <= _MOST_FILLED:
        raise pytest.UsageError(f"--mlops-fill={seeds}: expected a number of seeds from 1 to {_MOST_FILLED}.")
    if hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "--mlops-fill trains when all claims are known, in one process: run it without -n."
        )


def _watch(config: pytest.Config) -> None:
    from pytest_mlops.fingerprint import watch_imports

    config.stash[_WATCHED] = True
    config.add_cleanup(watch_imports().stop)


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker; under ``--mlops`` start the session."""
    instead = _instead(config.option)
    config.option.mlops = config.option.mlops or bool(instead)
    if len(instead) > 1:
        raise pytest.UsageError(f"{' and '.join(instead)}: a session does one of them.")
    if config.option.mlops_fill is not None:
        _check_fill(config)
    if config.option.mlops_plan and (
        hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None)
    ):
        raise pytest.UsageError(
            "--mlops-plan rehearses gates before the first training run, in one process: run it without -n."
        )
    words = ", ".join(f"{option.name}={option.default!r}" for option in OPTIONS if not option.of_session)
    config.addinivalue_line(
        "markers",
        f"mlops({words}): a gate, with its own options; it trains models and runs only with --mlops",
    )
    config.addinivalue_line(
        "markers",
        "ablate(**values, every=False): its claims are asked over all combinations of these hyperparameters: their mean, or "
        "each of them with every=True",
    )
    if not config.getoption("mlops"):
        return
    try:
        settings = _settings(config, {})
    except MlopsError as error:
        raise pytest.UsageError(str(error)) from error
    from pytest_mlops.session.reporting import line_writer

    if not config.stash.get(_WATCHED, False):
        _watch(config)
    from pytest_mlops.session.start import start

    config.stash[SESSION] = session = start(config, settings)
    config.add_cleanup(partial(_close, session, line_writer(config)))
    if not _only_shows(config):
        from pytest_mlops.session.signals import sigterm_as_interrupt

        config.stash[_PUT_BACK] = sigterm_as_interrupt()
        config.add_cleanup(config.stash[_PUT_BACK])
    if not hasattr(config, "workerinput") and not _only_shows(config):
        config.pluginmanager.register(_reporting(config, session, settings), "mlops-reporting")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """All is written: from here on SIGTERM ends the process as it did before."""
    config = session.config
    if (
        hasattr(config, "workeroutput") and SESSION in config.stash
    ):  # a worker of pytest-xdist has no terminal
        from pytest_mlops.session.reporting import LOST

        lost = config.stash[SESSION].close()
        if lost is not None:
            config.workeroutput[LOST] = lost
    if _PUT_BACK in config.stash:
        config.stash[_PUT_BACK]()


def _close(session: Session, tell: Callable[[str], None]) -> None:
    lost = session.close()
    if lost is not None:
        tell(lost)


def _reporting(config: pytest.Config, session: Session, settings: Settings) -> object:
    if session.instead is not None:
        from pytest_mlops.session.hearer import HearerReporting

        return HearerReporting(session.instead)
    from pytest_mlops.session.reporting import Reporting

    return Reporting(config, session, config.rootpath / settings.report)


def _only_shows(config: pytest.Config) -> bool:
    """Whether pytest was asked for a plan or a list: no gate runs, so the last report stays."""
    return any(config.getoption(name, False) for name in ("collectonly", "setupplan", "setuponly"))


def _settings(config: pytest.Config, marker: Mapping[str, object]) -> Settings:
    given = {option.name: config.getoption(option.ini) for option in OPTIONS}
    configured = {option.name: _configured(config, option) for option in OPTIONS}
    return resolve(marker=marker, command_line=given, configuration=configured)


def _configured(config: pytest.Config, option: Option) -> object:
    try:
        return config.getini(option.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:
        raise SettingError(
            f"{option.ini} in the configuration: {error}. Expected {option.expected or option.choices}."
        ) from None


# --- gates


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip gates without ``--mlops``; with it, read the options of each."""
    running = config.getoption("mlops")
    for item in items:
        if not _is_gate(item):
            continue
        if not running:
            item.add_marker(pytest.mark.skip(reason=HOW_TO_RUN))
            continue
        try:
            item.stash[_SETTINGS] = _settings(config, _marker(item))
            item.stash[_CONTEXTS] = _contexts(item)
        except MlopsError as error:
            if not hasattr(config, "workerinput"):
                raise pytest.UsageError(f"{item.nodeid}: {error}") from error
            item.stash[_WRONG_MARKER] = str(
                error
            )  # an error of collection would be an internal one of pytest-xdist

    if config.option.mlops_plan and not _only_shows(config):
        others = [item for item in items if not _is_gate(item)]
        if others:
            items[:] = [item for item in items if _is_gate(item)]
            config.hook.pytest_deselected(items=others)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Before anything is spent, a session that plans rehearses its gates."""
    config = session.config
    if not config.option.mlops_plan or _only_shows(config) or SESSION not in config.stash:
        return
    from pytest_mlops.session.rehearsal import rehearse

    for found in rehearse(session.items, lambda item: item.stash[_SETTINGS]):
        found.item.stash[_REHEARSED] = found


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """In a session that plans, the claims of a rehearsal stand for the body of the gate."""
    session, found = _session(pyfuncitem), pyfuncitem.stash.get(_REHEARSED, None)
    if session is None or found is None:
        return None
    for claim in found.claims:
        session.ask(claim)
    return True


def _is_gate(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) is not None for name in ("mlops", "ablate")) or any(
        _is_ours(item, name) for name in FIXTURES
    )


def _is_ours(item: pytest.Item, name: str) -> bool:
    """Whether the test's fixture of that name is ours, or built on it: a project may have an ``arm`` of its own."""
    if name not in getattr(item, "fixturenames", ()):
        return False
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs.get(name, ()) if info is not None else ()
    for definition in reversed(definitions):
        if definition.func.__module__ == "pytest_mlops.fixtures":
            return True
        if name not in definition.argnames:
            return False
    return True


def _asked_for_ours(item: pytest.Item) -> bool:
    """Whether the test called ``request.getfixturevalue("arm")``, which no signature tells."""
    definitions = getattr(getattr(item, "_request", None), "_fixture_defs", {})
    return any(
        name in definitions and definitions[name].func.__module__ == "pytest_mlops.fixtures"
        for name in FIXTURES
    )


def _marker(item: pytest.Item) -> dict[str, object]:
    """Options from markers: the closest one wins, name by name."""
    merged: dict[str, object] = {}
    for mark in reversed(list(item.iter_markers("mlops"))):
        if mark.args:
            raise SettingError(
                f"@pytest.mark.mlops({mark.args[0]!r}): options are given by name, e.g. mlops(max_seeds=20)"
            )
        merged.update(mark.kwargs)
    return merged


def _contexts(item: pytest.Item) -> Contexts | None:
    """Values of hyperparameters from the closest marker ``ablate``."""
    mark = item.get_closest_marker("ablate")
    if mark is None:
        return None
    from pytest_mlops.claims.contexts import contexts_of

    if mark.args:
        raise SettingError(
            f"@pytest.mark.ablate({mark.args[0]!r}): values are given by name, e.g. ablate(lr=[1e-4, 1e-3])"
        )
    return contexts_of(
        {name: values for name, values in mark.kwargs.items() if name != "every"},
        every=mark.kwargs.get("every", False),
    )


def _session(item: pytest.Item) -> Session | None:
    return item.config.stash.get(SESSION, None)


# --- one test: claims are asked in it, and the guard looks at what came of them


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Claims belong to this test from here on."""
    session = _session(item)
    if session is None:
        return (yield)
    if _WRONG_MARKER in item.stash:
        pytest.fail(item.stash[_WRONG_MARKER], pytrace=False)
    settings = item.stash.get(_SETTINGS, None) or _settings(item.config, {})
    if _is_gate(item):
        _mark_begun(item.config, session, settings)
    session.begin(item.nodeid, settings, is_gate=_is_gate(item), contexts=item.stash.get(_CONTEXTS, None))
    found = item.stash.get(_REHEARSED, None)
    if found is not None and found.ended is not None:
        from pytest_mlops.session.plan import leave_out

        leave_out(session, found)
    try:
        return (yield from _watched(session))
    except BaseException as error:
        _guard_ending(session, error)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """The guard looks at what the test asked."""
    session = _session(item)
    if session is None:
        return (yield)
    try:
        result = yield from _watched(session)
    except BaseException as error:
        _guard_ending(session, error)
        raise
    if _asked_for_ours(item):
        session.made_a_gate()
    _guard(session.objection())
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Claims asked in teardown are guarded too."""
    session = _session(item)
    if session is None:
        return (yield)
    result = yield from _watched(session)
    _guard(session.objection(final=True))
    return result


def _guard_ending(session: Session, error: BaseException) -> None:
    """What failed needs no guard; a skip or imperative xfail after a claim that did not PASS would be green."""
    objection = session.objection(final=True)
    if isinstance(error, pytest.skip.Exception | pytest.xfail.Exception):
        _guard(objection)


def _guard(objection: str | None) -> None:
    if objection is not None:
        pytest.fail(f"{objection}\n  (see {GuardError.link()})", pytrace=False)


def _mark_begun(config: pytest.Config, session: Session, settings: Settings) -> None:
    """At the first gate the last report gives way to one that says that this session is not finished."""
    if session.instead is not None or _only_shows(config) or config.stash.get(_BEGUN, False):
        return
    from pytest_mlops.session.reporting import line_writer, mark_begun

    config.stash[_BEGUN] = True
    trouble = mark_begun(config, config.rootpath / settings.report)
    if trouble is not None:
        line_writer(config)(f"warning: {trouble}")


def _watched(session: Session) -> Generator[None, object, object]:
    """Attach the evidence to whatever the test raises, and cut our own frames off its traceback."""
    try:
        return (yield)
    except (Exception, pytest.fail.Exception) as error:
        from pytest_mlops.session.reporting import users_frames_only, without_our_frames

        for note in session.evidence(beside=str(error)):
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        if isinstance(error, MlopsError):
            without_our_frames(error)
        if session.instead is not None:
            users_frames_only(error)
        raise


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach what the gate adds to the report, which also crosses from xdist workers."""
    report = yield
    session = _session(item)
    if session is None or session.gate is None:
        return report
    from pytest_mlops.session.reporting import properties, refuse_green, to_plain

    if session.instead is not None:
        _not_judged(session, item, call, report)
        return report
    refuse_green(item, report, session)
    if report.failed and call.when == "call" and call.excinfo is not None:
        from pytest_mlops.session.undecided import reason_of, report_undecided

        reason = reason_of(session.gate, call.excinfo.value)
        if reason is not None:
            report_undecided(item, report, reason)
    if call.when == "teardown":
        record = session.end()
        if record is not None:
            report.user_properties = [*report.user_properties, *properties(record)]
            report.mlops = to_plain(record)  # type: ignore[attr-defined]  # travels from xdist workers with the report
    return report


def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """A gate that is undecided under ``undecided = warn`` is a category of its own."""
    if not hasattr(report, "undecided"):
        return None
    return "undecided", "u", ("UNDECIDED", {"yellow": True})


def _not_judged(
    session: Session, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
) -> None:
    from pytest_mlops.session.hearer import FOUND, ignore_xfail

    assert session.instead is not None
    if session.gate is not None and (session.gate.is_gate or session.gate.hearings):
        ignore_xfail(item, call, report)
        setattr(report, FOUND, session.instead.found())  # travels from xdist workers with the report
    if call.when == "teardown":
        session.end()
