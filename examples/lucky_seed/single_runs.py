"""How often one training run of each arm "confirms" the gain, and how often the gate lets it pass.

    python single_runs.py

trains both arms on 400 seeds, as gates do, and replays: single runs that share their seed, single runs that do
not, and the sequential test of the gate on fresh seeds each time.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
from train import load, train

from pytest_mlops.stats import SequentialTest

SEEDS = 400
GAIN = 0.01


def test_baseline(arm):
    assert arm(train).using(data=load)["acc"] > 0.1


def test_candidate(arm):
    assert arm(train, weight_decay=0.02).using(data=load)["acc"] > 0.1


def measured():
    """Accuracy of baseline and candidate, one number a seed: the contrasts of the two bars above."""
    folder = Path(__file__).parent
    with tempfile.TemporaryDirectory() as report:
        seeds = [f"--mlops-min-seeds={SEEDS}", f"--mlops-max-seeds={SEEDS}"]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--mlops",
            *seeds,
            f"--mlops-report={report}",
            "single_runs.py",
        ]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        claims = json.loads(Path(report, "report.json").read_text(encoding="utf-8"))["claims"]
    accuracy = {claim["test"].rpartition("::")[2]: np.array(claim["contrasts"]) for claim in claims}
    return accuracy["test_baseline"], accuracy["test_candidate"]


def rate(hits):
    """A share with its binomial standard error."""
    share = np.mean(hits)
    return f"{share:6.1%} +- {np.sqrt(share * (1 - share) / len(hits)):.1%} of {len(hits)}"


def replay(contrasts):
    """Verdicts of one gate after the other, each on the seeds that the one before has not used."""
    test = SequentialTest()
    verdicts = []
    while len(contrasts) >= test.max_seeds:
        decision = test.decide(contrasts[: test.max_seeds])
        verdicts.append(decision.verdict)
        contrasts = contrasts[decision.n :]
    return verdicts


def main():
    print(f"training both arms on {SEEDS} seeds (reused from the store if they are there) ...", flush=True)
    baseline, candidate = measured()
    same_seed = candidate - baseline
    half = SEEDS // 2
    other_seed = candidate[half:] - baseline[:half]  # each run is used once: independent comparisons
    error = same_seed.std(ddof=1) / np.sqrt(SEEDS)
    print(
        f"accuracy of a run     {baseline.mean():.4f}, standard deviation over seeds {baseline.std(ddof=1):.4f}"
    )
    print(f"true gain             {same_seed.mean():+.4f} +- {error:.4f}")
    for name, gains in (("another seed", other_seed), ("the same seed", same_seed)):
        print(f"one run of each arm, the candidate under {name}:")
        print(f"  better at all       {rate(gains > 0)}")
        print(f"  better by {GAIN}      {rate(gains >= GAIN)}")
    verdicts = replay(same_seed - GAIN)
    print("the gate:")
    print(f"  PASS                {rate([verdict == 'PASS' for verdict in verdicts])}")
    print(f"  all verdicts        {dict(Counter(map(str, verdicts)))}")


if __name__ == "__main__":
    main()
