"""Where and in which precision a run trains, and what of that belongs to its key."""

from __future__ import annotations

import platform
import re
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_mlops._optional import installed, need
from pytest_mlops.errors import SettingError
from pytest_mlops.training.torch_settings import torch_settings

_BF16_SINCE = 8  # compute capability of Ampere, the first with bf16 in hardware


@dataclass(frozen=True, kw_only=True)
class Place:
    """A concrete device and precision.

    Attributes
    ----------
    device : str
        ``"cpu"``, ``"cuda:0"`` or ``"mps"``.
    amp : str
        ``"bf16"``, ``"fp16"`` or ``"off"``.
    """

    device: str
    amp: str


def resolve_place(device: str, amp: str) -> Place:
    """Make the settings ``device`` and ``amp`` concrete on this machine.

    Parameters
    ----------
    device : str
        ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    amp : str
        ``"auto"`` (bf16 where GPU or CPU have instructions for it, fp16 on older GPUs, else off),
        ``"bf16"``, ``"fp16"`` or ``"off"``.

    Returns
    -------
    Place
        A device that is there and a precision that it has.

    Raises
    ------
    SettingError
        If the machine has no such device, or the device no such precision.

    Examples
    --------
    >>> resolve_place("cpu", "off")
    Place(device='cpu', amp='off')
    """
    if not installed("torch"):
        return _without_torch(device, amp)
    concrete = _device(device)
    return Place(device=concrete, amp=_precision(concrete, amp))


def resolve_place_or_cpu(device: str, amp: str) -> Place:
    """As `resolve_place`, with the CPU in place of a device that is not there: a smoke run needs no GPU.

    Raises
    ------
    SettingError
        If the device has no such precision.
    """
    try:
        resolve_place(device, "auto")  # every device has that precision: what is refused here is the device
    except SettingError:
        device = "cpu"
    return resolve_place(device, amp)


def _without_torch(device: str, amp: str) -> Place:
    for name, value, possible in (("device", device, ("auto", "cpu")), ("amp", amp, ("auto", "off"))):
        if value not in possible:
            raise SettingError(
                f"{name} = {value!r} needs torch, which is not installed: pip install 'pytest-mlops[torch]', "
                f"or set {name} to {' or '.join(possible)}."
            )
    return Place(device="cpu", amp="off")


def _device(device: str) -> str:
    if device == "cpu":
        return device
    torch: Any = need("torch", extra="torch", why=f"device = {device!r}")
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    has_mps = torch.backends.mps.is_available()
    there = ["cpu", *(f"cuda:{i}" for i in range(gpus)), *(["mps"] if has_mps else [])]
    if device == "auto":
        return "cuda:0" if gpus else there[-1]
    concrete = "cuda:0" if device == "cuda" else device.replace("mps:0", "mps")
    if concrete not in there:
        raise SettingError(
            f"device = {device!r}: this machine has {', '.join(there)} as far as torch {torch.__version__} "
            "sees. "
            "Choose one of them, or auto."
        )
    return concrete


def _precision(device: str, amp: str) -> str:
    if amp not in ("auto", "bf16", "fp16", "off"):
        raise SettingError(f"amp = {amp!r}: expected auto, bf16, fp16 or off.")
    if not device.startswith("cuda"):
        return amp if amp != "auto" else "bf16" if device == "cpu" and _cpu_has_bf16() else "off"
    if amp in ("fp16", "off") or _has_bf16(device):
        return "bf16" if amp == "auto" else amp
    if amp == "auto":
        return "fp16"
    raise SettingError(f"amp = 'bf16': {_device_name(device)} has no bf16. Choose fp16, off or auto.")


def _has_bf16(device: str) -> bool:
    torch: Any = need("torch", extra="torch", why=f"device {device}")
    # torch.cuda.is_bf16_supported() also says yes where bf16 is emulated, slower than float32.
    return bool(torch.version.hip or torch.cuda.get_device_capability(device)[0] >= _BF16_SINCE)


def _cpu_has_bf16() -> bool:
    """Whether the CPU multiplies in bf16 itself; where it is emulated, training takes 2 to 9 times as long."""
    torch: Any = need("torch", extra="torch", why="amp = 'auto'")
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        return any(there for name, there in capabilities().items() if name.endswith("bf16"))
    asked = (
        getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return any(ask() for ask in asked if ask is not None)


def environment(place: Place, *, threads: int, deterministic: bool) -> dict[str, str]:
    """What of the machine changes the bits of a run: a part of its key.

    Parameters
    ----------
    place : Place
        Device and precision.
    threads : int
        CPU threads of the run.
    deterministic : bool
        Whether deterministic algorithms are asked for.

    Returns
    -------
    dict of str to str
        Python, machine, device model, driver and CUDA version, CPU capability, threads, precision, and settings of torch
        that are not the usual ones (``torch default_dtype``).

    Examples
    --------
    >>> environment(Place(device="cpu", amp="off"), threads=1, deterministic=True)["threads"]
    '1'
    """
    found = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{sys.platform} {platform.machine()}",
        "device": _device_name(place.device),
        "amp": place.amp,
        "threads": str(threads),
        "deterministic": str(deterministic).lower(),
    }
    if installed("torch"):
        torch: Any = need("torch", extra="torch", why="the key of a run")
        found["torch"] = str(torch.__version__)
        found["cpu"] = str(torch.backends.cpu.get_cpu_capability())
        if place.device.startswith("cuda"):
            found["cuda"] = str(torch.version.cuda or torch.version.hip)
            found["cudnn"] = str(torch.backends.cudnn.version())
            found["driver"] = _driver(torch)
        settings = torch_settings(torch, device=place.device, deterministic=deterministic)
        found |= {f"torch {name}": value for name, value in settings.items()}
    return found


def _device_name(device: str) -> str:
    """The model, without its number: two equal cards are one device."""
    if not device.startswith("cuda"):
        return device
    torch: Any = need("torch", extra="torch", why=f"device {device}")
    return str(torch.cuda.get_device_name(device))


def graphics_cards() -> str:
    """Models of the GPUs that the system's driver tells of, for programs that need not use torch; else empty."""
    models = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with suppress(OSError):
            models += re.findall(r"^Model:\s*(.+?)\s*$", file.read_text(errors="replace"), re.MULTILINE)
    return ", ".join(models)


def _driver(torch: Any) -> str:
    """Version of the GPU driver; torch itself knows only the CUDA version that it supports."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    found = re.search(r"\b\d{3,}\.\d+(\.\d+)?\b", text)
    if found:
        return found.group()
    supported = getattr(torch._C, "_cuda_getDriverVersion", None)
    return f"CUDA {supported()}" if supported else "unknown"
