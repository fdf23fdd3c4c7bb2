"""What a training run may change in its process, kept before it and put back after, whatever happened.

Only what is known and cheap. Not kept: what the run does to modules of its own or of others (a persistent
worker is as clean as the functions it ran), open files, threads that outlive their run.
"""

from __future__ import annotations

import gc
import locale
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from pytest_mlops._optional import installed, need
from pytest_mlops.training.interpreter import interpreter, names_of_python
from pytest_mlops.training.streams import global_generators_kept, seed_global_generators

Restore = Callable[[], object]

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
VARIABLES = frozenset({_CUBLAS, *_POOLS})
"""Environment variables that we set for a run: the options ``threads`` and ``deterministic`` tell what they are."""


@contextmanager
def isolated(
    *, seed: int, device: str, threads: int, deterministic: bool, env: Mapping[str, str]
) -> Iterator[list[str]]:
    """Set the process up for one training run, and put everything back at the end.

    Yields
    ------
    list of str
        Messages for the user: what could not be set up or put back. Complete after the block.
    """
    import numpy as np

    messages: list[str] = []
    torch: Any = None
    if installed("torch"):
        torch = need("torch", extra="torch", why="a training run")
    with ExitStack() as stack:
        if torch is not None and deterministic and device.startswith("cuda"):
            messages += _cublas(torch)
        stack.enter_context(global_generators_kept())
        stack.enter_context(np.errstate())
        stack.enter_context(np.printoptions())
        stack.callback(
            _put_back, interpreter(), "the settings of Python", messages
        )  # last: the environment is back
        for keep in (_leaving, _process, _environment, _folder, _signals, _figures, _compiler):
            stack.callback(_put_back, keep(), keep.__name__.strip("_"), messages)
        os.environ.update(env)  # put back with the environment
        stack.enter_context(_thread_pools(threads))
        if torch is not None:
            stack.callback(_put_back, _torch_flags(torch), "the settings of torch", messages)
            _set_torch(torch, device=device, threads=threads, deterministic=deterministic)
        stack.callback(
            _put_back, names_of_python(), "the names of Python", messages
        )  # first: the others need them
        # argparse in a training function shall not read the command line of pytest
        sys.argv = sys.argv[:1]
        seed_global_generators(seed)
        yield messages


def _put_back(restore: Restore, what: str, messages: list[str]) -> None:
    try:
        restore()
    except Exception as error:  # noqa: BLE001 - the rest must still be put back, and the result kept
        messages.append(
            f"could not put back {what} as before the training run: {type(error).__name__}: {error}"
        )


def _leaving() -> Restore:
    """``os._exit`` would end pytest without a verdict: in this process it is an exit like others."""
    leave, process = os._exit, os.getpid()

    def exit_(status: int) -> NoReturn:
        if os.getpid() != process:  # a child that the run forked
            leave(status)
        raise SystemExit(status)

    os._exit = exit_

    def restore() -> None:
        os._exit = leave

    return restore


def _compiler() -> Restore:
    """torch.compile gives up on a class after eight variants: each run starts with none."""

    def forget() -> None:
        dynamo: Any = sys.modules.get("torch._dynamo")
        if dynamo is not None:
            dynamo.reset()

    return forget


def _cublas(torch: Any) -> list[str]:
    """CuBLAS is deterministic only with this variable; torch asks for it at each call, so it stays set."""
    if _CUBLAS in os.environ:
        return []
    os.environ[_CUBLAS] = ":4096:8"
    if not torch.cuda.is_initialized():
        return []
    return [
        f"CUDA had started before {_CUBLAS} could be set: set {_CUBLAS}=:4096:8 in the environment of pytest"
    ]


def pools(threads: int) -> dict[str, str]:
    """Environment variables that limit the pools of BLAS and OpenMP, for what is loaded later.

    Examples
    --------
    >>> pools(2)["OMP_NUM_THREADS"]
    '2'
    """
    return dict.fromkeys(_POOLS, str(threads))


@contextmanager
def _thread_pools(threads: int) -> Iterator[None]:
    """Limit the pools of BLAS and OpenMP that are loaded, and by the environment those that the run loads."""
    from threadpoolctl import threadpool_limits

    os.environ.update(pools(threads))  # put back with the environment
    with threadpool_limits(limits=threads):
        yield


def _set_torch(torch: Any, *, device: str, threads: int, deterministic: bool) -> None:
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)
    if deterministic:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    if device.startswith("cuda"):
        torch.cuda.set_device(device)


def _torch_flags(torch: Any) -> Restore:
    cudnn, cuda_matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    plain = [
        (torch.get_default_dtype, torch.set_default_dtype),
        (torch.get_num_threads, torch.set_num_threads),
        (torch.is_grad_enabled, torch.set_grad_enabled),
        (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
        (torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
        *((_getter(cudnn, name), _setter(cudnn, name)) for name in ("enabled", "benchmark", "deterministic")),
        *(
            (_getter(cuda_matmul, name), _setter(cuda_matmul, name))
            for name in (
                "allow_fp16_reduced_precision_reduction",
                "allow_bf16_reduced_precision_reduction",
                "allow_fp16_accumulation",
            )
            if hasattr(cuda_matmul, name)
        ),
        (_getter(torch.backends.mkldnn, "enabled"), _setter(torch.backends.mkldnn, "enabled")),
        *(
            (
                getattr(torch.backends.cuda, f"{kind}_sdp_enabled"),
                getattr(torch.backends.cuda, f"enable_{kind}_sdp"),
            )
            for kind in ("flash", "mem_efficient", "math", "cudnn")
            if hasattr(torch.backends.cuda, f"{kind}_sdp_enabled")
        ),
    ]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        plain.append((torch.cuda.current_device, torch.cuda.set_device))
    values = [read() for read, _ in plain]
    tf32 = _tf32(torch)
    device = torch.get_default_device()
    deterministic = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )

    def restore() -> None:
        for (read, write), value in zip(plain, values, strict=True):
            if read() != value:
                write(value)
        tf32()
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)
        torch.use_deterministic_algorithms(deterministic[0], warn_only=deterministic[1])

    return restore


def _tf32(torch: Any) -> Restore:
    """TF32 has old and new names in torch; reading an old one after setting a new one raises.

    The old ones are put back first: setting them changes the new ones.
    """
    backends = torch.backends
    families = (backends.cudnn, backends.mkldnn)
    parts = [getattr(family, part, None) for family in families for part in ("conv", "rnn", "matmul")]
    cells = [(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision)]
    for name, holders in (
        ("allow_tf32", (backends.cudnn, backends.cuda.matmul)),
        ("fp32_precision", (backends, backends.cuda.matmul, *families, *parts)),
    ):
        cells += [(_getter(holder, name), _setter(holder, name)) for holder in holders]
    before = [_read(read) for read, _ in cells]

    def restore() -> None:
        for (read, write), value in zip(cells, before, strict=True):
            if value is not _UNREADABLE and _read(read) != value:
                with suppress(AttributeError, RuntimeError):
                    write(value)

    return restore


_UNREADABLE = object()


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (AttributeError, RuntimeError):
        return _UNREADABLE


def _getter(holder: object, name: str) -> Callable[[], Any]:
    return lambda: getattr(holder, name)


def _setter(holder: object, name: str) -> Callable[[Any], None]:
    return lambda value: setattr(holder, name, value)


def _process() -> Restore:
    path, argv = sys.path, sys.argv
    path_items, argv_items = list(path), list(argv)
    hook, recursion = sys.excepthook, sys.getrecursionlimit()
    collecting, locale_text = gc.isenabled(), locale.setlocale(locale.LC_ALL)
    start_method = multiprocessing.get_start_method(allow_none=True)

    def restore() -> None:
        sys.path, sys.argv = path, argv
        path[:], argv[:] = path_items, argv_items
        sys.excepthook = hook
        sys.setrecursionlimit(recursion)
        (gc.enable if collecting else gc.disable)()
        if locale.setlocale(locale.LC_ALL) != locale_text:
            locale.setlocale(locale.LC_ALL, locale_text)
        if multiprocessing.get_start_method(allow_none=True) != start_method:
            multiprocessing.set_start_method(start_method, force=True)

    return restore


def _environment() -> Restore:
    before = dict(os.environ)

    def restore() -> None:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        for name, value in before.items():
            if os.environ.get(name) != value:
                os.environ[name] = value

    return restore


def _folder() -> Restore:
    try:
        before = Path.cwd()
    except OSError:  # the folder was removed: nothing to go back to
        return lambda: None
    return lambda: os.chdir(before)


def _signals() -> Restore:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None  # only the main thread may set handlers, so the run cannot have
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def restore() -> None:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    return restore


def _figures() -> Restore:
    """Figures of matplotlib stay in memory until they are closed."""
    before = set(_open_figures())

    def restore() -> None:
        for number in set(_open_figures()) - before:
            sys.modules["matplotlib.pyplot"].close(number)

    return restore


def _open_figures() -> list[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return list(pyplot.get_fignums()) if pyplot is not None else []
