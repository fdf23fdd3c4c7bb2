"""What a run costs, on a pretended GPU too."""

from __future__ import annotations

import pytest
import torch

from pytest_mlops.training import meter as meter_module
from pytest_mlops.training.meter import Meter


@pytest.fixture
def calls(monkeypatch):
    """A CUDA that notes in which order it is asked."""
    noted = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: noted.append("wait"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: noted.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 250_000_000)
    monkeypatch.setattr(meter_module, "perf_counter", lambda: noted.append("clock") or float(len(noted)))
    return noted


def test_clock_of_a_gpu_is_read_when_it_is_idle(calls):
    meter = Meter("cuda:0")
    calls.clear()
    meter.start()
    calls.append("train")
    meter.stop()
    assert calls == ["reset", "wait", "clock", "train", "wait", "clock"]


def test_gpu_has_gpu_seconds_and_its_own_memory(calls):
    meter = Meter("cuda:0")
    meter.start()
    meter.stop()
    found = meter.read()
    assert found["gpu_seconds"] == found["seconds"] > 0
    assert found["peak_memory_mb"] == 250.0


def test_gpu_that_failed_can_still_be_stopped(calls, monkeypatch):
    def broken(device):
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    meter = Meter("cuda:0")
    meter.start()
    monkeypatch.setattr(torch.cuda, "synchronize", broken)
    meter.stop()
    assert meter.read()["seconds"] > 0


def test_memory_that_cannot_be_measured_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(meter_module, "_CLEAR", tmp_path / "absent" / "clear_refs")
    meter = Meter("cpu")
    meter.start()
    meter.stop()
    assert meter.read().keys() == {"seconds"}


def test_status_without_a_peak_is_left_out(monkeypatch, tmp_path):
    (tmp_path / "status").write_text("Name: python\n")
    monkeypatch.setattr(meter_module, "_CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(meter_module, "_STATUS", tmp_path / "status")
    meter = Meter("cpu")
    meter.start()
    assert meter.read().keys() == {"seconds"}


def test_peak_is_read_in_megabytes(monkeypatch, tmp_path):
    (tmp_path / "status").write_text("Name: python\nVmHWM:\t  250000 kB\n")
    monkeypatch.setattr(meter_module, "_CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(meter_module, "_STATUS", tmp_path / "status")
    meter = Meter("cpu")
    meter.start()
    meter.stop()
    assert meter.read()["peak_memory_mb"] == 256.0  # 250,000 times 1,024 bytes
