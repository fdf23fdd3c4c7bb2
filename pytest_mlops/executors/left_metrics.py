"""The metrics that a command left: in a file, or in what it printed."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_mlops._optional import need
from pytest_mlops.errors import MetricError

_LONGEST_LINE = 1_000_000
_TRUTH = {"true": True, "false": False}
_NUMBER = re.compile(r"[-+]?(\d[\d_]*\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?\.?(inf|infinity|nan)", re.IGNORECASE)


def read_file(path: Path) -> dict[str, Any]:
    """Names and values in a file of metrics.

    Parameters
    ----------
    path : Path
        Its suffix says what it is: ``.json``, ``.yaml``, ``.yml``, or ``.csv``, of which the last row counts.

    Returns
    -------
    dict of str to object
        Nested names are joined by slashes. Text in a CSV is a number or yes/no where it reads like one.

    Raises
    ------
    MetricError
        If the file is not there or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MetricError(f"it left no {path.name} in {{out}}{_there(path.parent)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MetricError(f"{path.name} cannot be read: {error}") from None
    if path.suffix == ".csv":
        return _last_row(text, path.name)
    try:
        found = json.loads(text) if path.suffix == ".json" else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise MetricError(f"{path.name} is no valid {path.suffix[1:].upper()}: {error}") from None
    if not isinstance(found, dict) or not found:
        raise MetricError(f"{path.name} holds no names with numbers, but {found!r:.60}")
    flat: dict[str, Any] = {}
    for name, value in _flat(found, path.suffix):
        if name in flat:
            raise MetricError(f"{path.name} has two metrics {name!r}")
        flat[name] = value
    return flat


def _there(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return f", but {', '.join(names[:5])}" if names else ", where nothing is"


def _flat(found: Mapping[Any, Any], suffix: str, above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        whole = f"{above}{name}"
        if isinstance(value, dict):
            yield from _flat(value, suffix, f"{whole}/")
        else:
            # YAML 1.1 takes 1e-3 for text, and what writes it rarely knows.
            yield whole, _value(value) if suffix != ".json" and isinstance(value, str) else value


def _yaml(text: str) -> Any:
    yaml = need("yaml", extra="yaml", why="a metrics file in YAML")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _last_row(text: str, name: str) -> dict[str, Any]:
    rows = [row for row in csv.reader(text.splitlines()) if row]
    if len(rows) < 2:
        raise MetricError(f"{name} has no row below its names")
    names, last = rows[0], rows[-1]
    if len(names) != len(last):
        raise MetricError(f"the last row of {name} has {len(last)} cells, and there are {len(names)} names")
    if len(set(names)) != len(names):
        raise MetricError(f"{name} has two columns of one name: {', '.join(names)}")
    # A cell without text is a value that was not measured in that row, and a column without a name the number of the row.
    return {
        column.strip(): _value(cell)
        for column, cell in zip(names, last, strict=True)
        if cell.strip() and column.strip()
    }


def _value(text: str) -> Any:
    plain = text.strip()
    if plain.lower() in _TRUTH:
        return _TRUTH[plain.lower()]
    return float(plain.replace(".inf", "inf").replace(".nan", "nan")) if _NUMBER.fullmatch(plain) else text


class Printed:
    """Looks for metrics in what a command prints, line by line, while it comes: of each the last match is kept.

    Parameters
    ----------
    expressions : mapping of str to str
        By name a regular expression with one group.
    """

    def __init__(self, expressions: Mapping[str, str]) -> None:
        self._expressions = {name: re.compile(text) for name, text in expressions.items()}
        self._rest = {"stdout": "", "stderr": ""}
        self._found: dict[str, dict[str, str]] = {"stdout": {}, "stderr": {}}
        self._too_long = False

    def hear(self, stream: str, text: str) -> None:
        """Take a piece of output, cut anywhere."""
        *lines, rest = re.split(r"[\r\n]", self._rest[stream] + text)
        for line in lines:
            self._look(stream, line)
        if len(rest) > _LONGEST_LINE:
            self._too_long, rest = True, rest[-_LONGEST_LINE:]
        self._rest[stream] = rest

    def values(self) -> dict[str, Any]:
        """The last match of each name, once all is heard.

        Raises
        ------
        MetricError
            If one was not printed, is no number, or was printed differently on standard output and standard error.
        """
        for stream, rest in self._rest.items():
            self._look(stream, rest)
        out, err = self._found["stdout"], self._found["stderr"]
        values = {}
        for name, expression in self._expressions.items():
            if name not in out and name not in err:
                long = (
                    f" (it printed a line of more than {_LONGEST_LINE:,} characters)"
                    if self._too_long
                    else ""
                )
                raise MetricError(
                    f"it printed nothing that metric {name!r} could be read from: {expression.pattern!r}{long}"
                )
            if out.get(name, err.get(name)) != err.get(name, out.get(name)):
                raise MetricError(
                    f"metric {name!r} is {out[name]} on standard output and {err[name]} on standard error, and which was last is "
                    "not known: make the regular expression tell them apart"
                )
            text = out.get(name, err.get(name, ""))
            values[name] = _value(text)
            if isinstance(values[name], str):
                raise MetricError(f"metric {name!r} was printed as {text!r:.40}, which is no number")
        return values

    def _look(self, stream: str, line: str) -> None:
        for name, expression in self._expressions.items():
            for match in expression.finditer(line):
                self._found[stream][name] = match.group(1) or ""
