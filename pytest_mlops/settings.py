"""Every option stated once: marker, command line, configuration and the documentation are derived from here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from pytest_mlops.errors import SettingError
from pytest_mlops.notation import seconds_of, size_of, worst_values

MOST_SEEDS = 500
"""The most that ``max_seeds`` takes."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option: ``--mlops-<name>``, ``mlops_<name>`` in the configuration, ``<name>=`` in the marker.

    One of type bool is off by default, and on by its name alone on the command line.
    """

    name: str
    type: type
    default: Any
    help: str
    check: Callable[[Any], bool]
    expected: str
    """What ``check`` wants, for the error: ``"between 0 and 0.5"``."""
    choices: tuple[str, ...] = ()
    of_session: bool = False
    """The whole session shares it, so that a marker on one test cannot set it."""

    @property
    def flag(self) -> str:
        """As on the command line."""
        return f"--mlops-{self.name.replace('_', '-')}"

    @property
    def ini(self) -> str:
        """As in the configuration file."""
        return f"mlops_{self.name}"

    @property
    def written_default(self) -> str:
        """The default as in a configuration file."""
        return str(self.default).lower() if self.type is bool else str(self.default)

    def parse(self, value: object, *, source: str) -> Any:
        """Convert and check ``value``, which came from ``source`` (named in the error).

        Raises
        ------
        SettingError
            If the value has the wrong type or lies outside what is possible.
        """
        converted = _convert(value, self.type)
        if converted is None or not self.check(converted):
            expected = f"one of {', '.join(self.choices)}" if self.choices else self.expected
            raise SettingError(
                f"{source} = {value!r}: expected {expected}. {self.help[:1].upper()}{self.help[1:]}"
            )
        return converted


def _convert(value: object, kind: type) -> Any:
    """``value`` as ``kind``, or None where that would lose or invent something (``True`` is no 1)."""
    if kind is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return kind(value.strip())
        except ValueError:
            return None
    return None


def _any_of(*choices: str) -> Callable[[Any], bool]:
    return lambda value: value in choices


_DEVICES = ("auto", "cpu", "cuda", "mps")


def _is_device(value: str) -> bool:
    kind, colon, index = value.partition(":")
    return kind in _DEVICES and (not colon or (kind != "auto" and index.isdecimal()))


OPTIONS: tuple[Option, ...] = (
    Option(
        name="alpha",
        type=float,
        default=0.05,
        help="one-sided error level of a claim: P(PASS | no such gain) is at most this; 0.025 for medical publications",
        check=lambda value: 1e-4 <= value <= 0.25,
        expected="a number from 0.0001 to 0.25",
    ),
    Option(
        name="power",
        type=float,
        default=0.9,
        help="probability of PASS at the effect that the test is designed to detect",
        check=lambda value: 0.5 <= value <= 0.99,
        expected="a number from 0.5 to 0.99",
    ),
    Option(
        name="min_seeds",
        type=int,
        default=5,
        help="pairs of training runs before the first look",
        check=lambda value: 2 <= value <= MOST_SEEDS,
        expected=f"a whole number from 2 to {MOST_SEEDS}",
    ),
    Option(
        name="max_seeds",
        type=int,
        default=30,
        help="pairs of training runs at the most; what is not decided by then is not bought with more",
        check=lambda value: 2 <= value <= MOST_SEEDS,
        expected=f"a whole number from 2 to {MOST_SEEDS}",
    ),
    Option(
        name="method",
        type=str,
        default="auto",
        help="which test judges claims about numbers: auto is the sequential t-test, and a corrected variance at one look where "
        "splits vary with the seed; signflip is sequential and exact for symmetric contrasts, from 8 seeds on; bootstrap is for "
        "skewed contrasts, and costs max_seeds for every claim",
        check=_any_of("auto", "signflip", "bootstrap"),
        expected="",
        choices=("auto", "signflip", "bootstrap"),
    ),
    Option(
        name="seed",
        type=int,
        default=0,
        help="root of the seeds: 0 gives 0, 1, 2, ...; another root another block",
        check=lambda value: 0 <= value < 2**31,
        expected="a whole number from 0 to 2147483647",
    ),
    Option(
        name="device",
        type=str,
        default="auto",
        help="where training runs: auto, cpu, cuda, cuda:1, mps",
        check=_is_device,
        expected="auto, cpu, cuda, cuda:<index> or mps",
    ),
    Option(
        name="amp",
        type=str,
        default="auto",
        help="mixed precision: auto is bf16 where GPU or CPU have instructions for it, fp16 with a gradient scaler on older "
        "GPUs, else off",
        check=_any_of("auto", "bf16", "fp16", "off"),
        expected="",
        choices=("auto", "bf16", "fp16", "off"),
    ),
    Option(
        name="deterministic",
        type=str,
        default="auto",
        help="deterministic algorithms of torch: auto is on for the CPU, where they cost nothing",
        check=_any_of("auto", "on", "off"),
        expected="",
        choices=("auto", "on", "off"),
    ),
    Option(
        name="threads",
        type=int,
        default=1,
        help="CPU threads of one training run; another number gives other bits, so it is part of the run's key",
        check=lambda value: 1 <= value <= 1024,
        expected="a whole number from 1 to 1024",
    ),
    Option(
        name="smoke",
        type=str,
        default="auto",
        help="try an arm out on two batches of each loader before its first training run: auto does where that is short, "
        "because its code asks for run.loader or run.smoke",
        check=_any_of("auto", "off"),
        expected="",
        choices=("auto", "off"),
    ),
    Option(
        name="undecided",
        type=str,
        default="fail",
        help="what a gate without enough evidence is: fail, or warn, which reports it as undecided and leaves the exit status "
        "alone; its claim stays false",
        check=_any_of("fail", "warn"),
        expected="",
        choices=("fail", "warn"),
    ),
    Option(
        name="attempts",
        type=str,
        default="report",
        help="what trying a claim again with other code, parameters or margins costs: report says which attempt it is; spend "
        "tests attempt j at 6 alpha / (pi^2 j^2), on seeds of its own, so that alpha holds over all attempts together",
        check=_any_of("report", "spend"),
        expected="",
        choices=("report", "spend"),
    ),
    Option(
        name="confirm_harm",
        type=bool,
        default=False,
        help="go on to a symmetric boundary instead of stopping when PASS has become improbable, so that a FAIL is harm shown; "
        "about half as many training runs more where there is no gain",
        check=lambda value: True,
        expected="true or false",
    ),
    Option(
        name="surplus",
        type=bool,
        default=False,
        help="let stored training runs of the arm that a claim compares with count beyond the pairs, where the store had at "
        "least 10 before the other arm's first one (pytest-mlops fill): fewer pairs where arms share little randomness, more "
        "where they share much",
        check=lambda value: True,
        expected="true or false",
    ),
    Option(
        name="on_failure",
        type=str,
        default="",
        help="the worst values of metrics, which enter in the place of failed training runs; without them a failed training run "
        "leaves the claim undecided",
        check=lambda value: worst_values(value) is not None,
        expected='names with numbers, e.g. "auc=0.5, loss=10", where * stands for any rest of a name',
    ),
    Option(
        name="base",
        type=str,
        default="",
        help="the branch, tag or SHA whose merge base with HEAD is the base commit: what .using(ref='base') trains, and since "
        "which attempts are counted; by default what the pull request will be merged into, the commit before the push, or the "
        "default branch",
        check=lambda value: value == value.strip() and "\0" not in value and not value.startswith("-"),
        expected="a name that git knows, e.g. origin/develop",
    ),
    Option(
        name="executor",
        type=str,
        default="auto",
        help="where training happens: inline is in this process, one training run after the other",
        check=_any_of("auto", "inline"),
        expected="",
        choices=("auto", "inline"),
        of_session=True,
    ),
    Option(
        name="store",
        type=str,
        default="",
        help="URL of the store of finished training runs (SQLAlchemy's form); by default .mlops/store.sqlite "
        "in pytest's root folder",
        check=lambda value: True,
        expected="a URL such as sqlite:///runs.sqlite",
        of_session=True,
    ),
    Option(
        name="budget",
        type=str,
        default="1h",
        help="wall time that a session may spend on training: no training run starts that is not expected to finish in it; "
        "what stops there is UNDECIDED and goes on next time; 0 or off is no limit",
        check=lambda value: seconds_of(value) is not None,
        expected="a time with its unit, e.g. 90s, 30min, 2h, 1d, 1h30min; or 0, off",
        of_session=True,
    ),
    Option(
        name="keep",
        type=str,
        default="20GB",
        help="room for artifacts (run.artifact) in the store: the least recently used ones go first, metrics stay",
        check=lambda value: size_of(value) is not None,
        expected="a size with its unit: KB, MB, GB or TB, or 0",
        of_session=True,
    ),
    Option(
        name="retry_failed",
        type=bool,
        default=False,
        help="train failed training runs again instead of reusing them; the new result replaces the failed one",
        check=lambda value: True,
        expected="true or false",
        of_session=True,
    ),
    Option(
        name="rerun",
        type=bool,
        default=False,
        help="train everything again, each training run once in this session; the new results replace the old ones",
        check=lambda value: True,
        expected="true or false",
        of_session=True,
    ),
    Option(
        name="report",
        type=str,
        default="mlops-report",
        help="folder for report.json and report.md, relative to pytest's root folder",
        check=lambda value: bool(value) and "\0" not in value,
        expected="a folder",
        of_session=True,
    ),
)

BY_NAME: Mapping[str, Option] = {option.name: option for option in OPTIONS}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options as they hold for one gate: every value present and checked."""

    alpha: float
    power: float
    min_seeds: int
    max_seeds: int
    method: str
    seed: int
    device: str
    amp: str
    deterministic: str
    threads: int
    smoke: str
    undecided: str
    attempts: str
    confirm_harm: bool
    surplus: bool
    on_failure: str
    base: str
    executor: str
    store: str
    budget: str
    keep: str
    retry_failed: bool
    rerun: bool
    report: str

    def __post_init__(self) -> None:
        if self.min_seeds > self.max_seeds:
            raise SettingError(
                f"min_seeds = {self.min_seeds} is above max_seeds = {self.max_seeds}: no look would be left. "
                f"Raise max_seeds (--mlops-max-seeds={self.min_seeds}, or @pytest.mark.mlops(max_seeds={self.min_seeds})) "
                f"or lower min_seeds (--mlops-min-seeds={self.max_seeds}, or @pytest.mark.mlops(min_seeds={self.max_seeds}))."
            )
        if not (math.isfinite(self.alpha) and self.alpha < self.power):
            raise SettingError(f"power = {self.power} must be above alpha = {self.alpha}")

    @property
    def budget_seconds(self) -> float:
        """The budget in seconds, infinity for none."""
        return seconds_of(self.budget) or math.inf

    @property
    def worst_values(self) -> Mapping[str, float]:
        """What failed training runs count as, by metric or pattern."""
        return worst_values(self.on_failure) or {}


assert {f.name for f in fields(Settings)} == set(BY_NAME), "Settings and OPTIONS name the same options"


def resolve(
    *, marker: Mapping[str, object], command_line: Mapping[str, object], configuration: Mapping[str, object]
) -> Settings:
    """Settings of one gate: marker before command line before configuration before default.

    Parameters
    ----------
    marker, command_line, configuration : mapping of option name to raw value
        A name that is absent or None is not set there.

    Raises
    ------
    SettingError
        If a name is unknown, belongs to the whole session, or a value is impossible.

    Examples
    --------
    >>> resolve(marker={"max_seeds": 20}, command_line={"max_seeds": "40"}, configuration={}).max_seeds
    20
    """
    for name in marker:
        _check_marker(name)
    values = {}
    for option in OPTIONS:
        sources = (
            (marker, f"@pytest.mark.mlops({option.name}=...)"),
            (command_line, option.flag),
            (configuration, option.ini),
        )
        values[option.name] = option.default
        for given, source in sources:
            if given.get(option.name) is not None:
                values[option.name] = option.parse(given[option.name], source=source)
                break
    return Settings(**values)


def options_table() -> str:
    """All options as a Markdown table: ``docs/options.md`` has it, and a test holds the two together."""
    rows = ["| marker | command line | configuration | default | meaning |", "|---|---|---|---|---|"]
    for option in OPTIONS:
        marker = "(of the session)" if option.of_session else f"`{option.name}`"
        meaning = f"{option.help}; {', '.join(option.choices) or option.expected}"
        default = f"`{option.written_default}`" if option.default != "" else ""
        rows.append(f"| {marker} | `{option.flag}` | `{option.ini}` | {default} | {meaning} |")
    return "\n".join(rows) + "\n"


def _check_marker(name: str) -> None:
    if name not in BY_NAME:
        known = ", ".join(option.name for option in OPTIONS if not option.of_session)
        raise SettingError(
            f"@pytest.mark.mlops({name}=...): there is no such option; the marker takes {known}."
        )
    option = BY_NAME[name]
    if option.of_session:
        raise SettingError(
            f"@pytest.mark.mlops({name}=...): {name} belongs to the whole session. "
            f"Write {option.flag}{'' if option.type is bool else '=...'} on the command line or {option.ini} = ... in the "
            "configuration."
        )
