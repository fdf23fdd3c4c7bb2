"""From settings to a concrete device and precision, on this machine and on pretended ones."""

from __future__ import annotations

import pytest
import torch

from pytest_mlops.errors import SettingError
from pytest_mlops.training.place import Place, environment, resolve_place


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that this machine has GPUs: ``gpus((8, 0), (7, 5))`` by their compute capabilities."""

    def pretend(*capabilities):
        def of(device):
            return capabilities[int(str(device).partition(":")[2])]

        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(capabilities))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(capabilities))
        monkeypatch.setattr(torch.cuda, "get_device_capability", of)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU {of(device)[0]}")
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)

    return pretend


@pytest.mark.parametrize(
    ("capabilities", "amp"),
    [
        ({"avx512_bf16": True}, "bf16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bf16"),
        ({"avx2": True}, "off"),
    ],
)
def test_auto_without_a_gpu_is_bf16_where_the_cpu_has_it(gpus, monkeypatch, capabilities, amp):
    gpus()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolve_place("auto", "auto") == Place(device="cpu", amp=amp)


@pytest.mark.parametrize(("there", "amp"), [(True, "bf16"), (False, "off")])
def test_an_older_torch_is_asked_by_its_own_names(gpus, monkeypatch, there, amp):
    gpus()
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: there, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    assert resolve_place("auto", "auto") == Place(device="cpu", amp=amp)


def test_auto_takes_the_first_gpu_and_bf16_where_it_has_it(gpus):
    gpus((8, 0), (7, 5))
    assert resolve_place("auto", "auto") == Place(device="cuda:0", amp="bf16")
    assert resolve_place("cuda", "off") == Place(device="cuda:0", amp="off")
    assert resolve_place("cuda:1", "auto") == Place(device="cuda:1", amp="fp16")
    assert resolve_place("cuda:1", "fp16") == Place(device="cuda:1", amp="fp16")


def test_bf16_on_a_gpu_without_it_is_refused(gpus):
    gpus((7, 5))
    with pytest.raises(SettingError, match=r"GPU 7 has no bf16. Choose fp16"):
        resolve_place("cuda", "bf16")


def test_mps_has_no_automatic_precision(gpus, monkeypatch):
    gpus()
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert resolve_place("auto", "auto") == Place(device="mps", amp="off")
    assert resolve_place("mps", "fp16") == Place(device="mps", amp="fp16")


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps"])
def test_device_that_is_not_there_is_refused_with_what_is(gpus, device):
    gpus()
    with pytest.raises(SettingError, match="this machine has cpu as far as"):
        resolve_place(device, "auto")


def test_gpu_beyond_the_last_is_refused(gpus):
    gpus((8, 0))
    with pytest.raises(SettingError, match="cpu, cuda:0 as far"):
        resolve_place("cuda:1", "auto")


def test_unknown_precision_is_refused():
    with pytest.raises(SettingError, match="expected auto, bf16, fp16 or off"):
        resolve_place("cpu", "fp8")


def test_environment_tells_what_changes_the_bits():
    place = Place(device="cpu", amp="bf16")
    found = environment(place, threads=2, deterministic=True)
    assert found["threads"] == "2"
    assert found["amp"] == "bf16"
    assert found["deterministic"] == "true"
    assert found["cpu"] == torch.backends.cpu.get_cpu_capability()
    assert all(isinstance(value, str) for value in found.values())
    assert found == environment(place, threads=2, deterministic=True)
    assert found != environment(place, threads=1, deterministic=True)


def test_environment_of_a_gpu_has_its_model_and_driver(gpus):
    gpus((8, 0))
    found = environment(Place(device="cuda:0", amp="bf16"), threads=1, deterministic=False)
    assert found["device"] == "GPU 8"
    assert found.keys() >= {"cuda", "cudnn", "driver"}


def test_equal_cards_are_one_device(gpus):
    gpus((8, 0), (8, 0))
    first, second = (
        environment(Place(device=f"cuda:{i}", amp="off"), threads=1, deterministic=True) for i in (0, 1)
    )
    assert first == second


SETTINGS = {
    "torch default_dtype": ("cpu", lambda: torch.set_default_dtype(torch.float64)),
    "torch float32_matmul_precision": ("cpu", lambda: torch.set_float32_matmul_precision("medium")),
    "torch default_device": ("cpu", lambda: torch.set_default_device("meta")),
    "torch grad_enabled": ("cpu", lambda: torch.set_grad_enabled(False)),
    "torch mkldnn": ("cpu", lambda: torch.backends.mkldnn.set_flags(False)),
    "torch cudnn.allow_tf32": ("cuda:0", lambda: setattr(torch.backends.cudnn, "allow_tf32", False)),
    "torch cudnn.benchmark": ("cuda:0", lambda: setattr(torch.backends.cudnn, "benchmark", True)),
    "torch cudnn": ("cuda:0", lambda: setattr(torch.backends.cudnn, "enabled", False)),
    "torch matmul.allow_tf32": ("cuda:0", lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True)),
    "torch matmul.bf16_reduced_precision_reduction": (
        "cuda:0",
        lambda: setattr(torch.backends.cuda.matmul, "allow_bf16_reduced_precision_reduction", False),
    ),
    "torch flash_sdp": ("cuda:0", lambda: torch.backends.cuda.enable_flash_sdp(False)),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_global_settings_of_torch_that_change_numbers_are_told_where_they_are_not_the_usual(
    gpus, train, name
):
    device, change = SETTINGS[name]
    gpus((8, 0))

    def told():
        found = environment(Place(device=device, amp="off"), threads=1, deterministic=False)
        return {key: value for key, value in found.items() if key.startswith("torch ")}

    heard = {}

    def before_and_after(run):
        change()
        heard.update(told())
        return {"told": name in heard, "before": before == {}}

    before = told()
    result = train(before_and_after)
    assert result.metrics["told"] == 1.0, result.failure
    assert result.metrics["before"] == 1.0
    assert told() == {}, "put back after the run"


def test_a_precision_that_was_changed_and_set_back_is_the_usual_one(gpus):
    gpus((8, 0))

    def told():
        found = environment(Place(device="cuda:0", amp="off"), threads=1, deterministic=False)
        return {key: value for key, value in found.items() if key.startswith("torch ")}

    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    changed = told()
    torch.set_float32_matmul_precision(precision)
    assert changed
    assert told() == {}


def test_settings_of_another_device_do_not_matter(train):
    def change(run):
        torch.backends.cuda.enable_flash_sdp(False)
        found = environment(Place(device="cpu", amp="off"), threads=1, deterministic=True)
        return {"told": any("sdp" in name for name in found)}

    assert train(change).metrics["told"] == 0.0


def test_what_is_set_for_every_deterministic_run_is_not_told(gpus):
    gpus((8, 0))
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        found = environment(Place(device="cuda:0", amp="off"), threads=1, deterministic=True)
    finally:
        torch.backends.cudnn.benchmark = before
    assert "torch cudnn.benchmark" not in found
