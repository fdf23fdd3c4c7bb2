"""Global settings of torch that change numbers: a fixture may set them, and no parameter tells of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

_USUAL: Mapping[str, object] = {
    "default_dtype": "torch.float32",
    "float32_matmul_precision": "highest",
    "default_device": "cpu",
    "grad_enabled": True,
    "autocast": False,
    "mkldnn": True,
    "fp32_precision": "none",
    "mkldnn.fp32_precision": "none",
    "mkldnn.conv.fp32_precision": "none",
    "mkldnn.rnn.fp32_precision": "none",
    "mkldnn.matmul.fp32_precision": "none",
    "cudnn": True,
    "cudnn.allow_tf32": True,
    "cudnn.fp32_precision": "none",
    "cudnn.conv.fp32_precision": "tf32",
    "cudnn.rnn.fp32_precision": "tf32",
    "cudnn.benchmark": False,
    "cudnn.deterministic": False,
    "matmul.allow_tf32": False,
    "matmul.fp32_precision": "none",
    "matmul.fp16_reduced_precision_reduction": True,
    "matmul.bf16_reduced_precision_reduction": True,
    "matmul.fp16_accumulation": False,
    "flash_sdp": True,
    "mem_efficient_sdp": True,
    "math_sdp": True,
    "cudnn_sdp": True,
}
"""What torch has when nobody sets anything: it goes without saying, so that keys stay as they are."""

_SET_BY_US = frozenset({"cudnn.benchmark", "cudnn.deterministic"})
"""Set for every run that is deterministic: what they were before does not matter then."""


def torch_settings(torch: Any, *, device: str, deterministic: bool) -> dict[str, str]:
    """Global settings of torch that are not as in a fresh process, by name.

    Parameters
    ----------
    torch : module
        torch itself.
    device : str
        ``"cpu"``, ``"cuda:0"``, ``"mps"``: settings of another device change nothing.
    deterministic : bool
        Whether the run sets cuDNN's own flags.

    Returns
    -------
    dict of str to str
        Empty where nobody changed anything.

    Examples
    --------
    >>> import torch
    >>> torch_settings(torch, device="cpu", deterministic=True)
    {}
    """
    readers = _of_any_device(torch, device.partition(":")[0])
    if device.startswith("cuda"):
        readers |= _of_cuda(torch.backends.cudnn, torch.backends.cuda)
    found = {}
    for name, read in readers.items():
        with suppress(
            AttributeError, RuntimeError
        ):  # another version of torch, or old names mixed with new ones
            value = read()
            if value != _USUAL[name] and not (deterministic and name in _SET_BY_US):
                found[name] = str(value)
    return _without_what_is_said_twice(found)


def _without_what_is_said_twice(found: dict[str, str]) -> dict[str, str]:
    """``torch.set_float32_matmul_precision("highest")`` writes down "ieee" where a fresh process has "none", which means it.

    What is inherited in place of "none" decides whether the two are one.
    """
    if any(name in found for name in ("fp32_precision", "mkldnn.fp32_precision")):
        return found
    return {
        name: value
        for name, value in found.items()
        if not (name.endswith("matmul.fp32_precision") and value == "ieee")
    }


def _of_any_device(torch: Any, device: str) -> dict[str, Callable[[], Any]]:
    mkldnn = torch.backends.mkldnn
    return {
        "default_dtype": lambda: str(torch.get_default_dtype()),
        "float32_matmul_precision": torch.get_float32_matmul_precision,
        "default_device": lambda: str(torch.get_default_device()),
        "grad_enabled": torch.is_grad_enabled,
        "autocast": lambda: torch.is_autocast_enabled(device) and str(torch.get_autocast_dtype(device)),
        "mkldnn": lambda: mkldnn.enabled,
        "fp32_precision": lambda: torch.backends.fp32_precision,
        "mkldnn.fp32_precision": lambda: mkldnn.fp32_precision,
        "mkldnn.conv.fp32_precision": lambda: mkldnn.conv.fp32_precision,
        "mkldnn.rnn.fp32_precision": lambda: mkldnn.rnn.fp32_precision,
        "mkldnn.matmul.fp32_precision": lambda: mkldnn.matmul.fp32_precision,
    }


def _of_cuda(cudnn: Any, cuda: Any) -> dict[str, Callable[[], Any]]:
    matmul = cuda.matmul
    return {
        "cudnn": lambda: cudnn.enabled,
        "cudnn.allow_tf32": lambda: cudnn.allow_tf32,
        "cudnn.fp32_precision": lambda: cudnn.fp32_precision,
        "cudnn.conv.fp32_precision": lambda: cudnn.conv.fp32_precision,
        "cudnn.rnn.fp32_precision": lambda: cudnn.rnn.fp32_precision,
        "cudnn.benchmark": lambda: cudnn.benchmark,
        "cudnn.deterministic": lambda: cudnn.deterministic,
        "matmul.allow_tf32": lambda: matmul.allow_tf32,
        "matmul.fp32_precision": lambda: matmul.fp32_precision,
        "matmul.fp16_reduced_precision_reduction": lambda: matmul.allow_fp16_reduced_precision_reduction,
        "matmul.bf16_reduced_precision_reduction": lambda: matmul.allow_bf16_reduced_precision_reduction,
        "matmul.fp16_accumulation": lambda: matmul.allow_fp16_accumulation,
        "flash_sdp": cuda.flash_sdp_enabled,
        "mem_efficient_sdp": cuda.mem_efficient_sdp_enabled,
        "math_sdp": cuda.math_sdp_enabled,
        "cudnn_sdp": cuda.cudnn_sdp_enabled,
    }
