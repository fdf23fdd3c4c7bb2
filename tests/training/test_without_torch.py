"""The room in a process where torch cannot be imported, and what importing the room costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
"""

SCRIPT = """
import pathlib, tempfile
import numpy as np
from pytest_mlops.errors import MissingPackageError, SettingError
from pytest_mlops.records import RunKey, RunSpec
from pytest_mlops.training import Place, environment, execute, resolve_place

assert resolve_place("auto", "auto") == Place(device="cpu", amp="off")
assert environment(resolve_place("cpu", "off"), threads=1, deterministic=True)["device"] == "cpu"
for device, amp in (("cuda", "auto"), ("auto", "bf16")):
    try:
        resolve_place(device, amp)
    except SettingError as error:
        assert "pip install 'pytest-mlops[torch]'" in str(error)
    else:
        raise AssertionError((device, amp))

def train(run):
    fit, test = run.split((np.arange(10.0), np.arange(10)), test=0.2)
    run.log(0, loss=1.0)
    run.artifact("a.txt").write_text("x")
    for use in (lambda: run.amp, lambda: run.generator("a"), lambda: run.loader(fit, batch_size=2), lambda: run.init(1)):
        try:
            use()
        except MissingPackageError as error:
            assert "pytest-mlops[torch]" in str(error)
        else:
            raise AssertionError("torch was not missed")
    return {"a": run.rng("a").random(), "b": np.random.random(), "device": float(run.device == "cpu"), "n": run.data.sum()}

key = RunKey(function="f", code="c", parameters="{}", data="", environment="{}", seed=3)
spec = RunSpec(key=key, function=train, given={}, index=0, data=np.ones(3), artifacts=pathlib.Path(tempfile.mkdtemp()))
first, again = execute(spec), execute(spec)
assert first.failure is None, first.failure
assert {**first.metrics, "seconds": 0, "peak_memory_mb": 0} == {**again.metrics, "seconds": 0, "peak_memory_mb": 0}
assert first.metrics["device"] == 1.0 and first.weights is None
assert "torch" not in sys.modules
print("done")
"""


def python(script):
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("block", [BLOCK, "import sys\nsys.modules['torch'] = None\n"])
def test_all_but_torch_works_without_torch(block):
    script = SCRIPT.replace('assert "torch" not in sys.modules', 'assert not sys.modules.get("torch")')
    assert python(block + script) == "done\n"


def test_importing_the_room_loads_nothing_heavy():
    heavy = {"torch", "numpy", "scipy", "threadpoolctl", "pytest"}
    script = f"import sys, pytest_mlops.training; print(sorted({heavy!r} & sys.modules.keys()))"
    assert python(script) == "[]\n"
