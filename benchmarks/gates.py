"""What the product costs where nothing is trained: the judge, and a session of many gates on recorded results.

    python benchmarks/gates.py [--gates 200] [--seeds 30] [--rounds 3]

Prints the time of the test, and of the judge around it (which adds the median-unbiased estimate where a claim stopped
after its first look: once a claim), and the wall time and peak memory of a session of so many
gates, beside one of as many plain tests; interleaved. Goals: a judgement below 1 ms; 200 gates of 30 recorded training
runs an arm below 20 s and 300 MB.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import psutil

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.judge import judge
from pytest_mlops.records import RunResult
from pytest_mlops.stats import SequentialTest

PLAIN = (
    "import pytest\n\n@pytest.mark.parametrize('i', range({gates}))\ndef test_plain(i):\n    assert i >= 0\n"
)
GATES = """
import numpy as np
import pytest

@pytest.mark.parametrize("i", range({gates}))
def test_gate(arm, i):
    rng = np.random.default_rng(i)
    base = 0.8 + 0.01 * rng.normal(size={seeds})
    gain = base + 0.02 * (i % 3 - 1) + 0.01 * rng.normal(size={seeds})
    assert arm.recorded({{"auc": gain.tolist()}})["auc"] > arm.recorded({{"auc": base.tolist()}})["auc"]
"""
OTHERS = [option for name in ("hypothesispytest", "randomly", "xdist") for option in ("-p", f"no:{name}")]


def train(run, *, lr: float = 0.1) -> dict[str, float]:
    """Never called: its results are made up."""
    return {"auc": lr}


def judging(seeds: int, rounds: int) -> None:
    """The test and the judge around it, on claims that stop at their first look and on ones that go on to the last."""
    arm, test = Arms(), SequentialTest(max_seeds=seeds)
    candidate, baseline = arm(train, lr=0.2), arm(train)
    claim = candidate["auc"] > baseline["auc"]
    rng = np.random.default_rng(0)
    drawn = (0.35 + rng.normal(size=seeds) for _ in count())
    contrasts = next(x for x in drawn if test.decide(x).n == seeds)
    base = rng.normal(size=seeds)
    for n in (test.min_seeds, seeds):
        outcomes = {
            one: [RunResult(key=str(i), metrics={"auc": float(value)}) for i, value in enumerate(values[:n])]
            for one, values in ((candidate, base + contrasts), (baseline, base))
        }
        for name, call in (
            ("decide", partial(test.decide, contrasts[:n])),
            ("judge", partial(judge, claim, outcomes, test)),
        ):
            times = []
            for _ in range(rounds * 100):
                start = time.process_time()
                call()
                times.append(time.process_time() - start)
            print(f"{name:8} {1000 * statistics.median(times):7.2f} ms CPU at {n} pairs; goal 1 ms")


def session(folder: str, source: str, options: list[str]) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a session of one module."""
    Path(folder, "test_many.py").write_text(source, encoding="utf-8")
    start, peak = time.perf_counter(), 0.0
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *OTHERS, *options]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            try:
                peak = max(peak, watched.memory_info().rss / 1e6)
            except psutil.Error:
                break
            time.sleep(0.02)
    return time.perf_counter() - start, peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gates", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    judging(given.seeds, given.rounds)
    variants = {"plain": (PLAIN, []), "gates": (GATES, ["--mlops"])}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.rounds):
            for name, (source, options) in variants.items():
                filled = source.format(gates=given.gates, seeds=given.seeds)
                found[name].append(session(folder, filled, options))
    for name, values in found.items():
        seconds, peak = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name:8} {seconds:7.2f} s, {peak:5.0f} MB, median of {given.rounds}: {given.gates} tests")
    ratio = statistics.median(a[0] / b[0] for a, b in zip(found["gates"], found["plain"], strict=True))
    print(f"ratio    {ratio:7.1f}; goal: gates below 20 s and 300 MB")


if __name__ == "__main__":
    main()
