"""Content of declared data and files: what is equal bit for bit has one hash."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pytest_mlops.errors import DataError

CodeOf = Callable[[Any, str], str]
"""From a function or class and its name in messages to the text that stands for its code."""

_CHUNK = 1 << 20
_MOST_PARTS = 1000
"""Files of a folder whose names are remembered, to say which one changed."""
_FILES: dict[tuple[str, int, int, int], str] = {}


def path_content(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files by relative name; files are hashed again only when they changed.

    Raises
    ------
    DataError
        If the path does not exist or cannot be read.
    """
    try:
        if path.is_dir():
            return _folder(path)
        return _file(path)
    except OSError as error:
        raise DataError(
            f"data = {str(path)!r} cannot be read: {error.strerror or error}. Give a path that exists."
        ) from None


def path_parts(path: Path) -> dict[str, str]:
    """Files of a path by name, with enough of their hashes to say which one changed; of a large folder the whole.

    Raises
    ------
    DataError
        If the path does not exist or cannot be read.
    """
    whole = {path.as_posix(): path_content(path)[:16]}
    if not path.is_dir():
        return whole
    parts = {}
    for file in _files(path):
        parts[(path / file.relative_to(path)).as_posix()] = _file(file)[:16]
        if len(parts) > _MOST_PARTS:
            return whole
    return parts or whole


def _folder(folder: Path) -> str:
    whole = hashlib.sha256(b"folder")
    for file in _files(folder):
        whole.update(
            f"{file.relative_to(folder).as_posix()}\0{_file(file)}\0".encode("utf-8", "surrogateescape")
        )
    return whole.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(files):
            yield Path(root, name)


def _file(file: Path) -> str:
    status = file.stat()
    stamp = (str(file.resolve()), status.st_size, status.st_mtime_ns, status.st_ino)
    if stamp not in _FILES:
        with file.open("rb") as stream:
            _FILES[stamp] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _FILES[stamp]


def content(value: Any, *, name: str, code: CodeOf) -> str:
    """SHA-256 of a loaded value: numbers, text, arrays, tensors, and containers, datasets and modules of them.

    Parameters
    ----------
    value : object
        What a declared ``load()`` returned.
    name : str
        Whose value it is, for the error.
    code : callable
        Gives the text that stands for a function's or class's code.

    Raises
    ------
    DataError
        If a part of it has a type whose content cannot be seen.
    """
    whole = hashlib.sha256()
    _feed(whole, value, name, code, [])
    return whole.hexdigest()


def _feed(whole: Any, value: Any, name: str, code: CodeOf, above: list[int]) -> None:
    if id(value) in above:
        raise DataError(f"{name} contains itself, so its content cannot be hashed.")
    above = [*above, id(value)]
    kind = type(value)
    whole.update(f"{kind.__module__}.{kind.__qualname__}:".encode())
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | Path):
        text = value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        if isinstance(value, Path) and value.exists():
            text += path_content(value).encode()
        whole.update(f"{len(text)}:".encode() + text)
    elif array_like(value):
        _feed_array(whole, value, name, code, above)
    elif isinstance(value, dict):
        whole.update(f"{len(value)}:".encode())
        for key, item in value.items():
            _feed(whole, key, f"a key of {name}", code, above)
            _feed(whole, item, f"{name}[{key!r}]", code, above)
    elif isinstance(value, list | tuple):
        whole.update(f"{len(value)}:".encode())
        for index, item in enumerate(value):
            _feed(whole, item, f"{name}[{index}]", code, above)
    elif isinstance(value, set | frozenset):
        for digest in sorted(content(item, name=f"an item of {name}", code=code) for item in value):
            whole.update(digest.encode())
    else:
        _feed_object(whole, value, name, code, above)


def array_like(value: Any) -> bool:
    """Whether ``value`` is a NumPy array or scalar, or a torch tensor; imports neither."""
    return any(
        (base.__module__, base.__name__) in {("numpy", "ndarray"), ("numpy", "generic"), ("torch", "Tensor")}
        for base in type(value).__mro__
    )


def array_bytes(value: Any) -> int:
    """Size of an array or tensor in bytes."""
    return int(value.nbytes)


def _feed_array(whole: Any, value: Any, name: str, code: CodeOf, above: list[int]) -> None:
    import numpy as np

    if hasattr(value, "detach"):
        whole.update(f"{value.dtype}:{tuple(value.shape)}:{value.device.type}:".encode())
        tensor = value.detach().cpu().contiguous()
        value = (
            tensor.view(-1).view(sys.modules["torch"].uint8).numpy()
            if tensor.numel()
            else np.empty(0, np.uint8)
        )
    array = np.asarray(value)
    if array.dtype.hasobject:
        _feed(whole, array.tolist(), name, code, above)
        return
    whole.update(f"{array.dtype.str}:{array.shape}:".encode())
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, flat.size, _CHUNK):
        whole.update(flat[start : start + _CHUNK].data)


def _feed_object(whole: Any, value: Any, name: str, code: CodeOf, above: list[int]) -> None:
    """A function by its code; a dataset or similar by its class's name and its attributes' content."""
    if isinstance(value, FunctionType | MethodType | BuiltinFunctionType | type | partial):
        whole.update(code(value, name).encode())
        return
    state = getattr(value, "__dict__", None)
    if state is None:
        raise DataError(
            f"{name} is a {type(value).__module__}.{type(value).__qualname__}, whose content cannot be hashed, so a stale "
            "result could not be told from a fresh one. Return arrays, tensors, numbers, text, or lists, tuples, dicts "
            "and dataset objects of these."
        )
    _feed(whole, dict(state), name, code, above)
