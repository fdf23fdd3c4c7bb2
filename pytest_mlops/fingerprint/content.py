"""Content of declared data and files: what is equal bit for bit has one hash."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from pytest_mlops.errors import DataError
from pytest_mlops.fingerprint.roots import below_root

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
    if not stat.S_ISREG(status.st_mode):
        raise DataError(
            f"data: {str(file)!r} is no regular file but a {_kind_of_file(status.st_mode)}, which has no content to hash. Give "
            "files and folders, or a load() that reads it."
        )
    stamp = (str(file.resolve()), status.st_size, status.st_mtime_ns, status.st_ino)
    if stamp not in _FILES:
        with file.open("rb") as stream:
            _FILES[stamp] = hashlib.file_digest(stream, "sha256").hexdigest()
    return _FILES[stamp]


def _kind_of_file(mode: int) -> str:
    kinds = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device", stat.S_IFBLK: "device"}
    return kinds.get(stat.S_IFMT(mode), "special file")


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
        text = value if isinstance(value, bytes) else _text(value).encode("utf-8", "surrogatepass")
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
        _feed_attributes(whole, value, name, code, above)
    elif isinstance(value, list | tuple):
        whole.update(f"{len(value)}:".encode())
        for index, item in enumerate(value):
            _feed(whole, item, f"{name}[{index}]", code, above)
        _feed_attributes(whole, value, name, code, above)
    elif isinstance(value, set | frozenset):
        for digest in sorted(content(item, name=f"an item of {name}", code=code) for item in value):
            whole.update(digest.encode())
        _feed_attributes(whole, value, name, code, above)
    else:
        _feed_object(whole, value, name, code, above)


def _text(value: Any) -> str:
    """A plain value as text; of a path in the project, its place there."""
    inside = below_root(str(value)) if isinstance(value, str | Path) else None
    return repr(value) if inside is None else f"below root: {inside!r}"


def _feed_attributes(whole: Any, value: Any, name: str, code: CodeOf, above: list[int]) -> None:
    """What a subclass of a container or array holds beside its items."""
    attributes = getattr(value, "__dict__", None)
    if attributes:
        _feed(whole, dict(attributes), name, code, above)


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
        value = _tensor_bytes(value, name)
    if isinstance(value, np.ma.MaskedArray):
        _feed_array(whole, np.ma.getmaskarray(value), name, code, above)
        _feed(whole, value.fill_value, name, code, above)
        value = np.ma.getdata(value)
    elif not isinstance(value, np.generic):
        _feed_attributes(whole, value, name, code, above)
    array = np.asarray(value)
    if array.dtype.hasobject:
        _feed(whole, array.tolist(), name, code, above)
        return
    whole.update(
        f"{array.dtype.str}:{array.dtype.descr if array.dtype.names else ''}:{array.shape}:".encode()
    )
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    for start in range(0, flat.size, _CHUNK):
        whole.update(flat[start : start + _CHUNK].data)


def _tensor_bytes(tensor: Any, name: str) -> Any:
    """The bytes of a tensor; of lazy conjugates and views the numbers that they stand for."""
    import numpy as np

    if tensor.is_meta or tensor.layout != sys.modules["torch"].strided:
        raise DataError(
            f"{name} is a tensor on {tensor.device} in {tensor.layout} layout, which has no plain bytes to hash. Return a "
            "strided tensor with values (tensor.to_dense()), and convert it in the training function."
        )
    if not tensor.numel():
        return np.empty(0, np.uint8)
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
    return plain.view(-1).view(sys.modules["torch"].uint8).numpy()


def _feed_object(whole: Any, value: Any, name: str, code: CodeOf, above: list[int]) -> None:
    """A function by its code; a dataset or similar by its class's name and its attributes' content."""
    if isinstance(value, FunctionType | MethodType | BuiltinFunctionType | type | partial):
        whole.update(code(value, name).encode())
        return
    state = _columns(value, name) if _is_pandas(value) else _state(value)
    if state is None:
        raise DataError(
            f"{name} is a {type(value).__module__}.{type(value).__qualname__}, whose content cannot be hashed, so a stale "
            "result could not be told from a fresh one. Return arrays, tensors, numbers, text, or lists, tuples, dicts "
            f"and dataset objects of these.{_instead(value)}"
        )
    _feed(whole, state, name, code, above)


def _is_pandas(value: Any) -> bool:
    return any(
        base.__module__.partition(".")[0] == "pandas" and base.__name__ in ("DataFrame", "Series", "Index")
        for base in type(value).__mro__
    )


def _columns(value: Any, name: str) -> Any:
    """Rows of a frame, series or index as pandas itself hashes them (64 bits a row), with names and types."""
    from pandas.util import hash_pandas_object

    try:
        rows = hash_pandas_object(value).to_numpy()
    except TypeError as error:  # cells that are lists or other unhashable things
        raise DataError(
            f"{name}: pandas cannot hash its cells: {error}. Return the columns as arrays or lists."
        ) from None
    labels = [value.columns, value.index.names] if hasattr(value, "columns") else [value.name]
    types = [str(kind) for kind in value.dtypes] if hasattr(value, "columns") else [str(value.dtype)]
    return {
        "rows": rows,
        "labels": [list(map(repr, part)) if part is not None else None for part in labels],
        "types": types,
    }


def _state(value: Any) -> Any:
    """All that tells two objects of one class apart, or None where some of it is hidden in C.

    Attributes and slots for a class written in Python; what it would be rebuilt from (``__reduce_ex__``) for one that
    says so itself, such as ``random.Random``. Python refuses the default for a type with state of its own in C.
    """
    kind: Any = type(value)
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - whatever a foreign class raises, it has shown no state
        return None
    if isinstance(reduced, str):  # a global: the same object in every process
        return {"global": reduced, "module": kind.__module__}
    slots = {slot: getattr(value, slot) for slot in _slots(kind) if hasattr(value, slot)}
    attributes = dict(getattr(value, "__dict__", {}))
    if kind.__reduce_ex__ is object.__reduce_ex__ and kind.__reduce__ is object.__reduce__:
        return {"attributes": attributes, "slots": slots}
    arguments, state, *items = [*reduced[1:], None, None, None][:4]
    rebuilt = [arguments, state, *(list(part) if part is not None else None for part in items)]
    return {"attributes": attributes, "slots": slots, "rebuilt": rebuilt}


def _slots(kind: type) -> list[str]:
    found: list[str] = []
    for base in kind.__mro__:
        names = base.__dict__.get("__slots__", ())
        for slot in (names,) if isinstance(names, str) else names:
            hidden = slot.startswith("__") and not slot.endswith("__")
            found.append(f"_{base.__name__.lstrip('_')}{slot}" if hidden else slot)
    return [slot for slot in found if slot not in ("__dict__", "__weakref__")]


def _instead(value: Any) -> str:
    """What to return in place of well-known types."""
    package = type(value).__module__.partition(".")[0]
    if package in ("pandas", "polars"):
        return (
            " Of a data frame return its columns: {name: frame[name].to_numpy() for name in frame.columns}."
        )
    if package == "PIL":
        return " Of an image return its pixels: numpy.asarray(image)."
    return ""
