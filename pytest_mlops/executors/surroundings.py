"""The environment variables of processes that we start: what of ours is handed on."""

from __future__ import annotations

import os
import re
import sysconfig
from collections.abc import Mapping

from pytest_mlops.fingerprint import looks_secret
from pytest_mlops.training.isolation import VARIABLES

_OF_THE_JOB = re.compile(
    r"ACTIONS_.*|GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY)|INPUT_.*|TEST_RUN_PIPE|RUN_TEST_IDS_PIPE|PYTEST_.*",
    re.IGNORECASE,
)
"""Ways to act on the CI job or on the test run that started us: no training needs them."""

_CI = re.compile(r"(GITHUB|GH|GITLAB|CI|SYSTEM|BITBUCKET|CIRCLE|JENKINS|BUILDKITE)_.*", re.IGNORECASE)
"""Secrets of a CI service; those of data and trackers (``HF_TOKEN``, ``WANDB_API_KEY``) are the training's own."""


def is_withheld(name: str) -> bool:
    """Whether a variable of that name is never handed on to training: it belongs to the CI job, or to this test run.

    Examples
    --------
    >>> (
    ...     is_withheld("GITHUB_TOKEN"),
    ...     is_withheld("ACTIONS_RUNTIME_URL"),
    ...     is_withheld("WANDB_API_KEY"),
    ...     is_withheld("PATH"),
    ... )
    (True, True, False, False)
    """
    return bool(_OF_THE_JOB.fullmatch(name)) or (bool(_CI.fullmatch(name)) and looks_secret(name))


def handed_on(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what is withheld.

    Parameters
    ----------
    environ : mapping of str to str, optional
        That of this process by default.
    """
    return {name: value for name, value in (environ or os.environ).items() if not is_withheld(name)}


# --- commands: what a program reads of its environment cannot be noted, so it gets what is known

_SYSTEM = re.compile(
    r"PATH|HOME|USER|LOGNAME|USERNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TERM|TMPDIR|TMP|TEMP|XDG_.*|DISPLAY|PWD"
    r"|VIRTUAL_ENV|CONDA_PREFIX|CONDA_DEFAULT_ENV|(HTTP|HTTPS|FTP|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|APPDATA|LOCALAPPDATA|PROGRAM(DATA|FILES.*)|USERPROFILE|NUMBER_OF_PROCESSORS"
    r"|PROCESSOR_.*|(CUDA|HIP|ROCR|NVIDIA)_VISIBLE_DEVICES|SLURM_.*",
    re.IGNORECASE,
)
"""Where things are on this machine: no experiment."""

_NUMBERS = re.compile(
    r"LD_(LIBRARY_PATH|PRELOAD)|DYLD_.*|PYTHON(?!STARTUP|UNBUFFERED|BREAKPOINT|PYCACHEPREFIX|DONTWRITEBYTECODE).*|CUDA_.*|CUBLAS_.*|CUDNN_.*|NVIDIA_.*"
    r"|NCCL_.*|GLOO_.*|HIP_.*|ROCM_.*|OMP_.*|KMP_.*|GOMP_.*|MKL_.*|OPENBLAS_.*|NUMEXPR_.*|ONEDNN_.*|DNNL_.*|ATEN_.*|TORCH.*|PYTORCH_.*"
    r"|HF_.*|TRANSFORMERS_.*|ACCELERATE_.*|TOKENIZERS_.*|TF_.*|XLA_.*|JAX_.*|KERAS_.*|MALLOC_.*|GLIBC_TUNABLES"
)
"""What libraries for training read: it can change the numbers, so the key tells of it."""


def of_command(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a command gets of our environment: the system's, secrets of its own, and what libraries for training read.

    Parameters
    ----------
    environ : mapping of str to str, optional
        That of this process by default.

    Examples
    --------
    >>> of_command(
    ...     {"PATH": "/bin", "LR": "0.1", "WANDB_API_KEY": "k", "GITHUB_TOKEN": "t", "TF_CPP_MIN": "1"}
    ... )
    {'PATH': '/bin', 'WANDB_API_KEY': 'k', 'TF_CPP_MIN': '1'}
    """
    return {
        name: value
        for name, value in handed_on(environ).items()
        if _SYSTEM.fullmatch(name) or _NUMBERS.fullmatch(name) or looks_secret(name)
    }


def search_path(environ: Mapping[str, str] | None = None) -> str:
    """Where programs are looked for: first among those of the Python that runs pytest, whether it was activated or not.

    Parameters
    ----------
    environ : mapping of str to str, optional
        That of this process by default.
    """
    return os.pathsep.join(filter(None, [sysconfig.get_path("scripts"), of_command(environ).get("PATH")]))


def of_key(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The part of it that can change the numbers of a command.

    Parameters
    ----------
    environ : mapping of str to str, optional
        That of this process by default.

    Examples
    --------
    >>> of_key({"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0", "PYTHONHASHSEED": "1"})
    {'PYTHONHASHSEED': '1'}
    """
    return {
        name: value
        for name, value in of_command(environ).items()
        if _NUMBERS.fullmatch(name) and not _SYSTEM.fullmatch(name) and name not in VARIABLES
    }


def left_out_and_named(output: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Variables that a command did not get and whose names stand in what it printed.

    Parameters
    ----------
    output : str
        Of the command.
    environ : mapping of str to str, optional
        That of this process by default.

    Examples
    --------
    >>> left_out_and_named("KeyError: 'DATA_ROOT'", {"DATA_ROOT": "/data", "PATH": "/bin"})
    ['DATA_ROOT']
    """
    here = handed_on(environ)
    gone = here.keys() - of_command(here).keys()
    return sorted(name for name in gone if re.search(rf"\b{re.escape(name)}\b", output) and len(name) > 2)
