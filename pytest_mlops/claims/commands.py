"""Commands: a program that trains, as the source of an arm. Words and placeholders only; nothing is run or read here."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath, PureWindowsPath
from string import Formatter
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.errors import ParameterError

OURS = ("seed", "index", "out", "scratch", "data", "device")
"""Placeholders that each run fills itself."""

SUFFIXES = (".json", ".yaml", ".yml", ".csv")
"""Kinds of files that metrics are read from."""

_PYTHON = re.compile(r"python(3(\.\d+)?)?(\.exe)?")
_LONGEST_LABEL = 90
_EXAMPLE = (
    'arm.command("python train.py --lr {lr} --seed {seed} --out {out}", metrics="{out}/metrics.json", lr=0.1)'
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program that trains, and its parameters."""

    words: tuple[str, ...]
    given: Mapping[str, Any]
    """What the user gave for the placeholders."""
    metrics: str | Mapping[str, str]
    cwd: str = "."
    code: tuple[str, ...] | None = None

    @property
    def bound(self) -> Mapping[str, Any]:
        """All parameters: a command has no defaults that we know."""
        return self.given

    @property
    def name(self) -> str:
        """What trains, in short: ``train.py``, ``torchrun train.py``."""
        program = _last_part(self.words[0])
        words = [] if _PYTHON.fullmatch(program) else [program]
        module = next((b for a, b in pairwise(self.words) if a == "-m"), None)
        script = next((word for word in self.words[1:] if word.endswith((".py", ".sh"))), module)
        return " ".join([*words, *([_last_part(script)] if script else [])]) or program

    @property
    def label(self) -> str:
        """The command as people write it, with its parameters filled in; the middle of a long one is left out."""
        texts = {name: text_of(value, name=name) for name, value in self.given.items()}
        kept = {name: f"{{{name}}}" for name in OURS}
        text = shlex.join(filled(word, {**kept, **texts}, formats=False) for word in self.words)
        text = re.sub(r"'(\{\w+\})'", r"\1", text)
        half = (_LONGEST_LABEL - 5) // 2
        return text if len(text) <= _LONGEST_LABEL else f"{text[:half]} ... {text[-half:]}"

    def key(self) -> dict[str, str]:
        """What tells it from other commands, by name, as canonical JSON."""
        metrics = self.metrics if isinstance(self.metrics, str) else dict(self.metrics)
        own = {"the command": list(self.words), "metrics=": metrics, "cwd=": self.cwd}
        parameters = {name: fingerprint.key_of(value, name=name) for name, value in self.given.items()}
        return {**{name: json.dumps(value, sort_keys=True) for name, value in own.items()}, **parameters}


def command(words: Any, *, metrics: Any, cwd: Any, code: Any, parameters: Mapping[str, Any]) -> Command:
    """Check what :meth:`pytest_mlops.claims.arms.Arms.command` was given.

    Raises
    ------
    ParameterError
        If a placeholder has no value, a value no placeholder, or one of the words cannot be meant.
    """
    split = _split(words)
    named = {name: text_of(value, name=name) for name, value in parameters.items()}
    for name, value in parameters.items():
        fingerprint.key_of(value, name=name)
    for name in named:
        if name in OURS:
            raise ParameterError(
                f"arm.command(..., {name}=...): {{{name}}} is filled by each training run itself. Give your placeholder "
                "another name."
            )
    used = {name for word in split for name in _placeholders(word)}
    where = _checked_metrics(metrics)
    used |= _placeholders(where) if isinstance(where, str) else set()
    _check_placeholders(used, named)
    if not used & {"seed", "index"}:
        raise ParameterError(
            "arm.command(...): no placeholder is {seed}, so that all training runs would be one and the same, or differ by what "
            f"no seed controls. Hand it over:\n  {_EXAMPLE}"
        )
    return Command(
        words=split,
        given=dict(parameters),
        metrics=where,
        cwd=_below_root(cwd, "cwd"),
        code=_checked_code(code),
    )


def text_of(value: Any, *, name: str) -> str:
    """A parameter as a word of a command line.

    Raises
    ------
    ParameterError
        If it is no number, text, yes/no or path.

    Examples
    --------
    >>> text_of(0.1, name="lr"), text_of(True, name="ema")
    ('0.1', 'True')
    """
    if isinstance(value, str | bool | int | float | os.PathLike):
        text = os.fspath(value) if isinstance(value, os.PathLike) else str(value)
        if isinstance(text, str) and "\0" not in text:
            return text
    raise ParameterError(
        f"arm.command(..., {name}={fingerprint.describe(value)}): a parameter of a command is one word of its command "
        "line: text, a "
        f"number, True or False, or a path, and this is a {type(value).__name__}. Write the words out in the command, or join "
        "them into text."
    )


def filled(word: str, values: Mapping[str, Any], *, formats: bool = True) -> str:
    """A word with its placeholders filled; what is filled in is never split or looked at again.

    Parameters
    ----------
    word : str
        ``"--lr={lr:.3f}"``.
    values : mapping
        By placeholder.
    formats : bool
        Whether to heed what stands behind the colon.

    Examples
    --------
    >>> filled("name={name}", {"name": "a 'b' {c}"}), filled("{{x}}", {})
    ("name=a 'b' {c}", '{x}')
    """
    found = []
    for text, name, spec, _ in Formatter().parse(word):
        found.append(text)
        if name is not None:
            value = values[name]
            found.append(format(value, spec or "") if formats and spec else text_of(value, name=name))
    return "".join(found)


def is_python(word: str) -> bool:
    """Whether a first word means Python: the one that runs pytest.

    Examples
    --------
    >>> is_python("python"), is_python("python3"), is_python("torchrun"), is_python("/opt/bin/python")
    (True, True, False, False)
    """
    return _PYTHON.fullmatch(word) is not None


def is_other_python(word: str) -> bool:
    """Whether a first word is the path of some Python."""
    return _PYTHON.fullmatch(_last_part(word)) is not None and not is_python(word)


def _last_part(word: str) -> str:
    return PureWindowsPath(word).name or word


def _split(words: Any) -> tuple[str, ...]:
    if isinstance(words, str):
        try:
            split = shlex.split(words)
        except ValueError as error:
            raise ParameterError(
                f"arm.command({words!r:.80}): {str(error).lower()}. Close the quote, or give a list of words."
            ) from None
    elif isinstance(words, Iterable) and not isinstance(words, bytes | Mapping):
        split = list(words)
    else:
        split = [words]
    wrong = [word for word in split if not isinstance(word, str) or "\0" in word]
    if wrong or not split or not split[0].strip():
        raise ParameterError(
            f"arm.command({fingerprint.describe(words)}, ...): expected a command line as text, or a list of words.\n  "
            f"Write: {_EXAMPLE}"
        )
    for sign in ("|", ">", ">>", "<", "&&", "||", ";", "2>&1", "&"):
        if sign in split:
            raise ParameterError(
                f"arm.command(...): {sign!r} is for a shell, and none runs here: output and failures are kept anyway. Leave "
                "it out, "
                'or write a script and run that: arm.command("bash train.sh {seed} {out}", ...).'
            )
    return tuple(split)


def _placeholders(word: str) -> set[str]:
    try:
        parsed = list(Formatter().parse(word))
    except ValueError as error:
        raise ParameterError(
            f"arm.command(...): {word!r}: {error}. A brace that is no placeholder is doubled: {{{{ or }}}}."
        ) from None
    names = set()
    for _, name, spec, conversion in parsed:
        if name is None:
            continue
        if not name.isidentifier() or conversion or "{" in (spec or ""):
            raise ParameterError(
                f"arm.command(...): {word!r} has the placeholder {{{name}}}; expected a plain name such as {{lr}} or {{seed}}. A "
                "brace that is no placeholder is doubled: {{ or }}."
            )
        names.add(name)
    return names


def _check_placeholders(used: set[str], given: Mapping[str, str]) -> None:
    for name in sorted(used - set(OURS)):
        if name not in given:
            raise ParameterError(
                f"arm.command(...): the placeholder {{{name}}} has no value.{_close(name, [*OURS, *given])} Give one: "
                f"arm.command(..., {name}=...); ours are {', '.join(f'{{{own}}}' for own in OURS)}."
            )
    for name in given:
        if name not in used:
            close = _close(f"{name}", sorted(used))
            raise ParameterError(
                f"arm.command(..., {name}=...): no word of the command has the placeholder {{{name}}}, so the parameter would do "
                f"nothing.{close} Write it where it belongs, e.g. --{name} {{{name}}}."
            )


def _close(name: str, among: Iterable[str]) -> str:
    found = difflib.get_close_matches(name, list(among), n=1)
    return f" Did you mean {{{found[0]}}}?" if found else ""


def _checked_metrics(metrics: Any) -> str | dict[str, str]:
    if isinstance(metrics, os.PathLike):
        metrics = os.fspath(metrics)
    if isinstance(metrics, str):
        if PurePosixPath(metrics).suffix not in SUFFIXES:
            raise ParameterError(
                f"metrics={metrics!r}: expected a file that ends in {', '.join(SUFFIXES)}, or regular expressions by name: "
                'metrics={"auc": r"AUC: ([0-9.]+)"}.'
            )
        if "out" not in _placeholders(metrics):
            raise ParameterError(
                f"metrics={metrics!r}: the file has to lie in {{out}}, a folder of each training run's own, or one run would "
                "read "
                "what another left. Have the command write there, e.g. --out {out}, or take the metrics from what it prints: "
                'metrics={"auc": r"AUC: ([0-9.]+)"}.'
            )
        return metrics
    if isinstance(metrics, Mapping) and metrics and all(isinstance(name, str) for name in metrics):
        return {name: _checked_expression(name, text) for name, text in metrics.items()}
    raise ParameterError(
        f"metrics={metrics!r:.60}: expected the path of a file that the command writes, or regular expressions on "
        "what it prints.\n"
        '  Write: metrics="{out}/metrics.json"   or   metrics={"auc": r"AUC: ([0-9.]+)"}'
    )


def _checked_expression(name: str, text: Any) -> str:
    text = text.pattern if isinstance(text, re.Pattern) else text
    try:
        groups = re.compile(text).groups
    except (TypeError, re.error) as error:
        raise ParameterError(f"metrics={{{name!r}: {text!r:.60}}}: no regular expression: {error}.") from None
    if groups != 1:
        raise ParameterError(
            f"metrics={{{name!r}: {text!r:.60}}}: expected one group, around the number, e.g. r'AUC: ([0-9.]+)', and "
            f"found {groups}."
        )
    return str(text)


def _below_root(path: Any, word: str) -> str:
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str) or not text.strip():
        raise ParameterError(
            f"{word}={path!r:.60} of a command: expected a path, relative to pytest's root folder."
        )
    parts = PureWindowsPath(text).parts
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).anchor or ".." in parts:
        raise ParameterError(
            f"{word}={text!r} of a command leads out of the project: expected a path below pytest's root folder, e.g. "
            f"{word}='src'. "
            "What lies elsewhere is declared with .using(data=...)."
        )
    return PurePosixPath(*parts).as_posix() if parts else "."


def _checked_code(code: Any) -> tuple[str, ...] | None:
    if code is None:
        return None
    names = (
        [code] if isinstance(code, str | os.PathLike) else list(code) if isinstance(code, Iterable) else []
    )
    if not names:
        raise ParameterError(
            f"code={code!r:.60} of a command: expected paths and patterns below pytest's root folder, e.g. "
            'code=["src", "train.py", "conf/*.yaml"].'
        )
    return tuple(sorted(_below_root(name, "code") for name in names))
