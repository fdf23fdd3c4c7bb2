"""What a run costs: seconds and peak memory, measured around the training function only."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from time import perf_counter  # the function may replace what is in the module
from typing import Any

from pytest_mlops._optional import need

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class Meter:
    """A stopwatch that waits for the device, and a gauge of memory."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._cuda: Any = None
        if device.startswith("cuda"):
            self._cuda = need("torch", extra="torch", why=f"device {device}").cuda
        self._began = perf_counter()
        self._seconds: float | None = None
        self._can_measure = False

    def start(self) -> None:
        """Begin now, with the device idle and the peaks forgotten."""
        self._can_measure = self._reset_peak()
        self._wait()
        self._began = perf_counter()

    def stop(self) -> None:
        """End now, when the device has done all it was asked."""
        with suppress(Exception):  # a device that failed is the run's own error, raised already
            self._wait()
        self._seconds = perf_counter() - self._began

    def read(self) -> dict[str, float]:
        """The built-in metrics that could be measured: on a CPU there are no GPU seconds."""
        seconds = self._seconds if self._seconds is not None else perf_counter() - self._began
        found = {"seconds": seconds}
        if self._cuda is not None:
            found["gpu_seconds"] = seconds
        peak = self._peak() if self._can_measure else None
        if peak is not None:
            found["peak_memory_mb"] = peak / 1e6
        return found

    def _wait(self) -> None:
        if self._cuda is not None:
            self._cuda.synchronize(self._device)
        elif self._device == "mps":
            need("torch", extra="torch", why="device mps").mps.synchronize()

    def _reset_peak(self) -> bool:
        if self._cuda is not None:
            self._cuda.reset_peak_memory_stats(self._device)
            return True
        try:  # Linux: 5 resets the high-water mark of resident memory
            _CLEAR.write_text("5", encoding="ascii")
        except OSError:
            return False
        return True

    def _peak(self) -> float | None:
        """Bytes."""
        if self._cuda is not None:
            with suppress(RuntimeError):
                return float(self._cuda.max_memory_allocated(self._device))
            return None
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
        return None
