"""The report as files: written whole or not at all, read back as data that nobody vouches for."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from pytest_mlops.errors import ReportError
from pytest_mlops.reports.markdown import markdown
from pytest_mlops.reports.model import SCHEMA, Report

LARGEST = 50_000_000
"""Bytes of a report that are read; real ones have some kilobytes a claim."""


class _Head(msgspec.Struct):
    schema: int


def write(report: Report, folder: Path) -> Path:
    """Write ``report.json`` and ``report.md`` into ``folder``, which is made if need be.

    Each file appears whole or not at all: it is written beside its place, then renamed over it.

    Parameters
    ----------
    report : Report
    folder : Path

    Returns
    -------
    Path
        Of the ``report.json`` written.

    Raises
    ------
    ReportError
        If the folder or a file cannot be written, or the report could not be read back (a NaN where a number
        must be).
    """
    data = to_json(report)
    target = folder / "report.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(target, data)
        _replace(folder / "report.md", markdown(report).encode("utf-8", "replace"))
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {folder}: {error.strerror or error}. "
            "Make the folder writable, or choose another one with --mlops-report=FOLDER."
        ) from error
    return target


def to_json(report: Report) -> bytes:
    """The report as indented JSON with a line end; NaN and infinities become null where null is allowed.

    Raises
    ------
    ReportError
        If a reader would refuse it.
    """
    try:
        data = msgspec.json.encode(report)
    except UnicodeEncodeError:  # output that was no UTF-8 when it was captured
        data = msgspec.json.encode(_encodable(msgspec.to_builtins(report)))
    if len(data) > LARGEST // 2 and any(len(r.output) + len(r.traceback) > 8_000 for r in report.failed_runs):
        return to_json(_shortened(report))
    from_json(data, source="the report made just now")
    return msgspec.json.format(data, indent=1) + b"\n"


def read(path: Path) -> Report:
    """Read a ``report.json`` that may come from anybody: strict on types, unknown fields are ignored.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Report
        What it says, escaped nowhere: renderings do that.

    Raises
    ------
    ReportError
        If it is missing, no regular file, over 50 MB, no JSON (NaN is none), of a newer schema, or of
        another shape.
    """
    if path.exists() and not path.is_file():
        raise ReportError(f"{path} is no regular file; expected the report.json that pytest --mlops writes.")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}.") from error
    return from_json(data, source=str(path))


def from_json(data: bytes, *, source: str) -> Report:
    """The report in ``data``; ``source`` names it in errors.

    Raises
    ------
    ReportError
        As for `read`.
    """
    if len(data) > LARGEST:
        raise ReportError(
            f"{source} has more than {LARGEST // 1_000_000} MB; no report of ours is that large."
        )
    try:
        schema = msgspec.json.decode(data, type=_Head).schema
        if not 1 <= schema <= SCHEMA:
            raise ReportError(
                f"{source} has schema {str(schema)[:20]}, this version reads 1 to {SCHEMA}: "
                "it was written by a newer pytest-mlops; upgrade this one."
            )
        return msgspec.json.decode(data, type=Report)
    except msgspec.ValidationError as error:
        raise ReportError(f"{source} is not a report of pytest-mlops: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise ReportError(f"{source} is broken: {error}.") from error


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of ``report.json``, made from the model."""
    schema = msgspec.json.schema(Report)
    schema["$defs"]["Report"]["required"].insert(0, "schema")  # has a default for writers, none for readers
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of pytest-mlops",
        **schema,
    }


def _replace(target: Path, data: bytes) -> None:
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(data)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _shortened(report: Report) -> Report:
    """The report with the last characters of each output only: what a reader refuses helps nobody."""
    keep = 4_000
    runs = [replace(r, output=r.output[-keep:], traceback=r.traceback[-keep:]) for r in report.failed_runs]
    return replace(report, failed_runs=runs)


def _encodable(value: Any) -> Any:
    """The same plain values with every lone surrogate replaced."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, (list, tuple)) else value
