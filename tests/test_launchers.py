"""Commands tried for real: a Hydra application, ``torchrun`` with two ranks on the CPU, ``accelerate launch``."""

import subprocess

import pytest

HYDRA = """
import json
import os
import random

import hydra
from hydra.core.hydra_config import HydraConfig


@hydra.main(version_base=None, config_path="conf", config_name="config")
def main(config):
    noise = random.Random(config.seed).gauss(0, 0.01)
    with open(os.path.join(HydraConfig.get().runtime.output_dir, "metrics.json"), "w") as file:
        json.dump({"auc": config.model.base + config.lr + noise}, file)


main()
"""

DDP = """
import argparse
import json
import os

import torch
import torch.distributed as dist

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int)
parser.add_argument("--lr", type=float)
parser.add_argument("--out")
given = parser.parse_args()
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
torch.manual_seed(given.seed)
x = torch.randn(64, 8)
y = (x.sum(1) > 0).float()
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=given.lr)
for _ in range(20):
    optimizer.zero_grad()
    own = slice(rank, None, world)
    torch.nn.functional.binary_cross_entropy_with_logits(model(x[own]).squeeze(1), y[own]).backward()
    optimizer.step()
right = ((model(x).squeeze(1) > 0) == y.bool()).float().mean()
dist.all_reduce(right)
if rank == 0:
    with open(os.path.join(given.out, "metrics.json"), "w") as file:
        json.dump({"accuracy": float(right) / world, "ranks": world}, file)
dist.destroy_process_group()
"""

ACCELERATE = """
import json
import sys

import torch
from accelerate import Accelerator

accelerator = Accelerator(cpu=True)
torch.manual_seed(int(sys.argv[1]))
x = torch.randn(64, 8)
y = (x.sum(1) > 0).float()
model = torch.nn.Linear(8, 1)
model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.5))
for _ in range(20):
    optimizer.zero_grad()
    accelerator.backward(torch.nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y))
    optimizer.step()
right = ((model(x).squeeze(1) > 0) == y.bool()).float().mean()
right = accelerator.reduce(right, "mean")
if accelerator.is_main_process:
    print("accuracy", float(right))
accelerator.end_training()
"""


@pytest.fixture
def judged(pytester, project):
    """Writes files of a project in git, and judges its gates."""

    def run(*options, **files):
        for name, text in {".gitignore": ".mlops/\nmlops-report/\n", **files}.items():
            path = pytester.path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        for words in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", *words], cwd=pytester.path, check=True)
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


@pytest.mark.slow
def test_a_hydra_application_is_judged(judged, pytester):
    gate = """
LINE = "python train.py lr={lr} model={model} seed={seed} hydra.run.dir={out}"

def test_model(arm):
    small = arm.command(LINE, metrics="{out}/metrics.json", lr=0.1, model="small")
    assert small["auc"] > 0.55
"""
    files = {
        "train.py": HYDRA,
        "conf/config.yaml": "defaults:\n  - model: small\nlr: 0.0\nseed: 0\n",
        "conf/model/small.yaml": "base: 0.5\n",
        "conf/model/large.yaml": "base: 0.6\n",
        "test_gates.py": gate,
    }
    result = judged("-v", **files)
    result.assert_outcomes(passed=1)
    (pytester.path / "conf" / "model" / "small.yaml").write_text("base: 0.3\n")
    again = pytester.runpytest_inprocess("--mlops", "-v")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*conf/model/small.yaml changed*"])


@pytest.mark.slow
def test_two_ranks_of_torchrun_are_judged(judged):
    gate = """
LINE = "torchrun --standalone --nproc-per-node 2 train.py --lr {lr} --seed {seed} --out {out}"

def test_ddp(arm):
    one = arm.command(LINE, metrics="{out}/metrics.json", lr=0.5).using(timeout="2min")
    assert one["accuracy"] > 0.5
"""
    result = judged(**{"train.py": DDP, "test_gates.py": gate})
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASS *", "*5 of 30 seeds*"])


@pytest.mark.slow
def test_a_rank_that_dies_is_a_failed_training_run_that_names_it(judged):
    gate = """
def test_ddp(arm):
    line = "torchrun --standalone --nproc-per-node 2 train.py --lr 0.1 --seed {seed} --out {out}"
    assert arm.command(line, metrics="{out}/metrics.json")["accuracy"] > 0.5
"""
    broken = DDP.replace("torch.manual_seed", "rank == 1 and os._exit(7)\ntorch.manual_seed")
    result = judged(**{"train.py": broken, "test_gates.py": gate})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*exit status 1*", "*exitcode*: 7*"])


@pytest.mark.slow
def test_a_script_that_accelerate_launches_is_judged(judged):
    gate = """
def test_accelerate(arm):
    line = "accelerate launch --cpu --num_processes 1 --num_machines 1 --mixed_precision no --dynamo_backend no train.py {seed}"
    assert arm.command(line, metrics={"accuracy": r"accuracy ([0-9.]+)"})["accuracy"] > 0.5
"""
    result = judged(**{"train.py": ACCELERATE, "test_gates.py": gate})
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASS *"])
