"""What the store costs: leases a second from eight processes, and look-ups in a store of 10,000 training runs.

    python benchmarks/store.py [--seconds 3] [--runs 10000] [--gates 200] [--rounds 3]

Goals: at least 1,000 leases a second, each given once; a session of 200 gates in a store of 10,000 runs at most 2 s slower
than in an empty one. Sessions are interleaved and their training function costs nothing, so that the store is what differs.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from pytest_mlops.records import Details, RunKey, RunResult
from pytest_mlops.store.sql import SqlStore

PROCESSES = 8
GATES = """
import pytest

def train(run, *, number=0):
    return {{"auc": 0.8 + 0.01 * run.rng("noise").normal()}}

@pytest.mark.parametrize("number", range({gates}))
def test_bar(arm, number):
    assert arm(train, number=number)["auc"] > 0.7
"""
COMMAND = [sys.executable, "-m", "pytest", "--mlops", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]


def a_key(name: str, seed: int) -> RunKey:
    """Some run's key."""
    return RunKey(
        function="test_gates:train",
        code="c" * 64,
        parameters=f'{{"name": "{name}"}}',
        data="",
        environment="{}",
        seed=seed,
    )


def open_at(folder: Path) -> SqlStore:
    """The store of a project in that folder."""
    return SqlStore(
        f"sqlite:///{folder}/.mlops/store.sqlite", artifacts=folder / ".mlops" / "store.artifacts"
    )


def lease(
    folder: Path, name: str, seconds: float, barrier: Barrier, answers: Queue[tuple[list[str], int, float]]
) -> None:
    """Ask for one lease after the other, for so long."""
    store = open_at(folder)
    barrier.wait()
    start, got, seed, slowest = time.perf_counter(), [], 0, 0.0
    while (before := time.perf_counter()) - start < seconds:
        key = a_key(name, seed)
        if store.lease(key) is None:
            got.append(key.digest)
        seed += 1
        slowest = max(slowest, time.perf_counter() - before)
    answers.put((got, seed, slowest))
    barrier.wait()  # who closes his store gives his leases back
    store.close()


def leases(seconds: float) -> None:
    """Leases a second, for keys of each process's own and for keys that all want."""
    context = multiprocessing.get_context("spawn")
    for case in ("own keys", "the same keys"):
        with tempfile.TemporaryDirectory() as folder:
            barrier, answers = context.Barrier(PROCESSES), context.Queue()
            names = [case if case == "the same keys" else str(number) for number in range(PROCESSES)]
            workers = [
                context.Process(target=lease, args=(Path(folder), name, seconds, barrier, answers))
                for name in names
            ]
            for worker in workers:
                worker.start()
            found = [answers.get() for _ in workers]
            for worker in workers:
                worker.join()
        given = [key for got, _, _ in found for key in got]
        asked = sum(count for _, count, _ in found) / seconds
        print(
            f"leases, {PROCESSES} processes, {case:13} {asked:7.0f} asked for a second (goal 1000, ratio {asked / 1000:.1f}), "
            f"{len(given) / seconds:.0f} given, {len(given) - len(set(given))} of them twice; "
            f"slowest {max(slowest for _, _, slowest in found):.2f} s"
        )


def fill(folder: Path, count: int) -> None:
    """Put so many training runs of other experiments into the store."""
    store = open_at(folder)
    curves = {"loss": tuple((float(step), 1.0 / (1 + step)) for step in range(20))}
    start = time.perf_counter()
    for number in range(count):
        key = a_key(str(number // 50), number % 50)
        metrics = {f"auc/{site}": 0.8 for site in range(5)}
        result = RunResult(
            key=key.digest, seed=key.seed, metrics=metrics, curves=curves, output="epoch\n" * 20
        )
        store.put(key, result, details=Details(label=f"train(name={number // 50})"))
    print(
        f"put, one process                      {count / (time.perf_counter() - start):7.0f} a second, durable"
    )
    store.close()


def session(folder: Path) -> float:
    """Seconds of one pytest session."""
    start = time.perf_counter()
    subprocess.run(COMMAND, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def look_ups(runs: int, gates: int, rounds: int) -> None:
    """Sessions on an empty store, on a full one, and one that finds all its runs."""
    times: dict[str, list[float]] = {"empty": [], "full": [], "full, all reused": []}
    with tempfile.TemporaryDirectory() as name:
        full = Path(name, "filled")
        full.mkdir()
        fill(full, runs)
        for _ in range(rounds):
            for case in random.sample(["empty", "full"], 2):
                folder = Path(tempfile.mkdtemp(dir=name))
                (folder / "conftest.py").write_text(
                    "import sys\nsys.modules['torch'] = None\n", encoding="utf-8"
                )
                (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
                (folder / "test_gates.py").write_text(GATES.format(gates=gates), encoding="utf-8")
                if case == "full":
                    shutil.copytree(full / ".mlops", folder / ".mlops")
                times[case].append(session(folder))
                if case == "full":
                    times["full, all reused"].append(session(folder))
    medians = {case: statistics.median(values) for case, values in times.items()}
    for case, seconds in medians.items():
        print(
            f"session of {gates} gates, store {case:17} {seconds:6.2f} s, {seconds - medians['empty']:+.2f} s "
            f"(goal below +2), ratio {seconds / medians['empty']:.2f}"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--gates", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    leases(options.seconds)
    look_ups(options.runs, options.gates, options.rounds)


if __name__ == "__main__":
    main()
