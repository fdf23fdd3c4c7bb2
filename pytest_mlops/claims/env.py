"""Environment variables of an arm: which can be set for a training run, and what is shown of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_mlops import fingerprint
from pytest_mlops.errors import ParameterError

_READ_ONCE = (
    (r"PYTHON.*", "Python reads it when it starts, which it did long ago: set it before pytest starts"),
    (
        r"(CUDA|HIP|ROCR|NVIDIA)_VISIBLE_DEVICES|CUDA_DEVICE_ORDER|CUDA_LAUNCH_BLOCKING",
        "the driver reads it once: choose the device with .using(device=...), or set it before pytest starts",
    ),
    (
        r"(PYTORCH_)?(CUDA_|HIP_)?ALLOC_CONF|PYTORCH_NO_CUDA_MEMORY_CACHING|ATEN_CPU_CAPABILITY|TORCH_LOGS|TORCH_CPP_LOG_LEVEL"
        r"|TORCH_ALLOW_TF32_CUBLAS_OVERRIDE|NVIDIA_TF32_OVERRIDE|ONEDNN_.*|DNNL_.*|MKL_CBWR",
        "torch and its libraries read it once, when they are loaded: set it before pytest starts",
    ),
    (
        r"LD_.*|DYLD_.*|MALLOC_.*|GLIBC_TUNABLES",
        "the system reads it when a program starts: set it before pytest starts",
    ),
)
"""Names that would be in the key without having an effect on a training function, and why."""

_ALWAYS_OURS = (
    (r"(OMP|OPENBLAS|MKL|NUMEXPR)_NUM_THREADS", "it is set for every training run: use the option threads"),
    (r"CUBLAS_WORKSPACE_CONFIG", "it is set for deterministic training runs: use the option deterministic"),
    (r"PYTEST_.*|MLOPS_.*", "it is pytest's or ours: use the options"),
)
"""Names that have no effect on any arm, and why."""


def checked_env(env: Any, *, at_start: bool = False) -> dict[str, str]:
    """Environment variables for a training run, sorted by name.

    Parameters
    ----------
    env : mapping of str to str
        Names and values.
    at_start : bool
        Whether they are there when the program starts, so that what reads them once reads them too.

    Returns
    -------
    dict of str to str
        A copy.

    Raises
    ------
    ParameterError
        If a name or value is impossible, would have no effect, or looks like a secret.

    Examples
    --------
    >>> checked_env({"TOKENIZERS_PARALLELISM": "false"})
    {'TOKENIZERS_PARALLELISM': 'false'}
    """
    if not isinstance(env, Mapping):
        raise ParameterError(
            f"using(env=...): expected names with their values, and got {type(env).__name__}.\n"
            '  Write: .using(env={"OMP_WAIT_POLICY": "passive"})'
        )
    for name, value in env.items():
        _check_name(name, _ALWAYS_OURS if at_start else (*_READ_ONCE, *_ALWAYS_OURS))
        if not isinstance(value, str) or "\0" in value:
            raise ParameterError(
                f"using(env={{{name!r}: ...}}): a value is text without null characters, and this one is of type "
                f"{type(value).__name__}. Write e.g. {name!r}: '1'"
            )
        fingerprint.refuse_secret(value, f"using(env={{{name!r}: ...}})")
    return {name: str(env[name]) for name in sorted(env)}


def traces(env: Mapping[str, str]) -> dict[str, str]:
    """A short hash of each value, for keys; the values are nobody's business.

    Examples
    --------
    >>> list(traces({"A": "1"})) == ["A"], traces({"A": "1"}) == traces({"A": "2"})
    (True, False)
    """
    return {name: fingerprint.trace(name, value) for name, value in env.items()}


def shown(env: Mapping[str, str]) -> str:
    """Names, with enough of a hash to tell two values apart.

    Examples
    --------
    >>> shown({"A": "1"})
    '{A: #1772}'
    """
    return "{" + ", ".join(f"{name}: #{trace[:4]}" for name, trace in traces(env).items()) + "}"


def _check_name(name: Any, refused: Sequence[tuple[str, str]]) -> None:
    if not isinstance(name, str) or not name or not name.isprintable() or "=" in name:
        raise ParameterError(
            f"using(env=...): {name!r:.60} is no name of an environment variable; expected text without '=', e.g. "
            "'OMP_WAIT_POLICY'."
        )
    if fingerprint.looks_secret(name):
        raise ParameterError(
            f"using(env={{{name!r}: ...}}): the name looks like a secret's, which belongs neither into a test nor into a key. "
            f"Set it before pytest starts, and read os.environ[{name!r}] inside the training function."
        )
    for pattern, reason in refused:
        if re.fullmatch(pattern, name):
            raise ParameterError(f"using(env={{{name!r}: ...}}) would have no effect: {reason}.")
