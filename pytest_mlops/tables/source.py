"""Where a table comes from: a local file, or a URL through fsspec. Gives bytes, and the name that messages use."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from pytest_mlops._optional import need
from pytest_mlops.errors import DataError, MissingPackageError, RecordedError

LARGEST = 200_000_000
"""Bytes of a file. A row a training run never fills so many; a history with a row a step may."""

_URL = re.compile(r"^[a-z][a-z0-9+.:-]*://", re.IGNORECASE)
_LONGEST_NAME = 60


def quoted(text: object, *, longest: int = _LONGEST_NAME) -> str:
    r"""Foreign text for a message: on one line, nothing in it that acts, and not longer than a line.

    Examples
    --------
    >>> quoted("val_auc"), quoted("\x1b[31m")
    ("'val_auc'", "'\\x1b[31m'")
    """
    shown = repr(text)
    return shown if len(shown) <= longest else f"{shown[: longest - 4]}...{shown[-1]}"


def name_of(source: str | Path) -> str:
    """The last part of a path or URL, for messages and labels: without the user, password or signature of a URL.

    Examples
    --------
    >>> (
    ...     name_of("https://me:secret@example.org/exports/runs.csv?signature=abc"),
    ...     name_of(Path("results/my runs.csv")),
    ... )
    ('runs.csv', 'my runs.csv')
    """
    text = str(source)
    if isinstance(source, str) and _URL.match(source):
        text = re.split(r"[?#]", text.partition("::")[0])[0].rstrip("/").rpartition("@")[2]
    name = re.split(r"[/\\]", text)[-1] or text
    return name if re.fullmatch(r"[\w .+=-]{1,60}", name, re.ASCII) else quoted(name)


def checked_source(source: Any, *, caller: str) -> str | Path:
    """A URL as text, anything else as a path.

    Raises
    ------
    RecordedError
        If it is neither.
    """
    if isinstance(source, str) and _URL.match(source):
        return source
    if not isinstance(source, str | os.PathLike) or isinstance(source, bytes):
        raise RecordedError(
            f"{caller} takes the path or URL of a file, got a {type(source).__name__}. Numbers that are loaded go into "
            'arm.recorded({"val_loss": [3.279, 3.301, ...]}).'
        )
    path = os.fspath(source)
    if not isinstance(path, str) or not path.strip() or "\0" in path:
        raise RecordedError(f"{caller}: {quoted(path)} is no path of a file.")
    return Path(path).expanduser()


def read(source: str | Path, *, caller: str) -> bytes:
    """All of a file.

    Parameters
    ----------
    source : str or Path
        A URL as text, or a local path.
    caller : str
        Who wants it, for messages.

    Raises
    ------
    DataError
        If it cannot be read, or is larger than any table of training runs.
    MissingPackageError
        If a package is not installed that the URL needs.
    """
    return _read_file(source) if isinstance(source, Path) else _read_url(source, caller)


def _read_file(path: Path) -> bytes:
    name = name_of(path)
    if not path.exists():
        raise DataError(
            f"{name}: there is no such file in {quoted(str(path.parent.absolute()), longest=200)}. A relative path starts where "
            "pytest was started; beside the test it is Path(__file__).with_name(...)."
        )
    if not path.is_file():
        raise DataError(f"{name} is no file. Name the file that has the results.")
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise _too_large(name, f"{size / 1e6:,.0f} MB")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror or type(error).__name__}.") from None


def _read_url(url: str, caller: str) -> bytes:
    name = name_of(url)
    fsspec = need("fsspec", extra="urls", why=f"{caller} of a URL")
    try:
        with fsspec.open(url, "rb") as stream:
            content: bytes = stream.read(LARGEST + 1)
    except ImportError as error:
        what = "pip install 'pytest-mlops[urls]'" if url.lower().startswith("http") else str(error)
        raise MissingPackageError(
            f"{caller} of {url.partition('://')[0]}:// needs a package that is not installed: {what}"
        ) from None
    except Exception as error:  # noqa: BLE001  # every protocol raises errors of its own
        # Their texts quote the URL, which may hold a password or a signature: the kind of error is told, and its number.
        number = getattr(error, "status", None) or getattr(error, "errno", None)
        kind = f"{type(error).__name__}{f' {number}' if number else ''}"
        raise DataError(
            f"{name} cannot be read from its {url.partition('://')[0]}:// address: {kind}. Is the address right, and may "
            "this machine read it?"
        ) from None
    if len(content) > LARGEST:
        raise _too_large(name, f"more than {LARGEST / 1e6:,.0f} MB")
    return content


def _too_large(name: str, size: str) -> DataError:
    return DataError(
        f"{name} has {size}, and at most {LARGEST / 1e6:,.0f} MB are read: recorded results have one row a training run. "
        "Is it a history, with a row a step? Export the last or best value of every training run."
    )
