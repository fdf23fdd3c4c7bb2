"""What an idle plugin costs: ``pytest --collect-only`` of 1,000 trivial tests with and without pytest-mlops, interleaved.

    python benchmarks/idle.py [--rounds 20]

Prints the CPU time of each, the paired difference with its standard error, and the modules that it adds. The goal is a difference
below 10 ms; the gate is the number of modules (``tests/test_idle.py``), which no noise touches.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = "import pytest\n\n@pytest.mark.parametrize('i', range(1000))\ndef test_trivial(i):\n    pass\n"
COMMAND = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
OTHERS = [
    option for name in ("hypothesispytest", "randomly", "xdist", "cov") for option in ("-p", f"no:{name}")
]


def cpu_seconds(options: list[str], folder: str) -> float:
    """CPU time of one pytest command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*COMMAND, *OTHERS, *options], cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    variants = {"without": ["-p", "no:mlops"], "with": []}
    times: dict[str, list[float]] = {name: [] for name in variants}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_many.py").write_text(TESTS, encoding="utf-8")
        for options in variants.values():
            cpu_seconds(options, folder)  # warm caches
        for _ in range(rounds):
            for name in random.sample(list(variants), len(variants)):
                times[name].append(cpu_seconds(variants[name], folder))
    differences = [a - b for a, b in zip(times["with"], times["without"], strict=True)]
    error = statistics.stdev(differences) / rounds**0.5
    for name, values in times.items():
        print(f"{name:8} {1000 * statistics.median(values):7.1f} ms CPU, median of {rounds}")
    print(
        f"plugin   {1000 * statistics.mean(differences):+7.1f} ms CPU (se {1000 * error:.1f}), paired; goal below 10 ms"
    )
    print(f"ratio    {statistics.median(times['with']) / statistics.median(times['without']):.3f}")


if __name__ == "__main__":
    main()
