"""The examples hold what their pages say: their verdicts, and that nothing is trained twice."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = {
    "quickstart": {"PASS"},
    "lucky_seed": {"FAIL"},
}


def run_gates(folder):
    command = [sys.executable, "-m", "pytest", "--mlops", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads((folder / "mlops-report" / "report.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("example", EXPECTED)
def test_an_example_has_its_verdicts_and_trains_nothing_twice(example, tmp_path):
    ignored = shutil.ignore_patterns(".mlops", "mlops-report", "__pycache__")
    folder = Path(shutil.copytree(EXAMPLES / example, tmp_path / example, ignore=ignored))
    first, second = run_gates(folder), run_gates(folder)
    assert {claim["verdict"] for claim in first["claims"]} == EXPECTED[example]
    assert first["session"]["trained"] > 0
    assert second["session"]["trained"] == 0
    assert [claim["contrasts"] for claim in first["claims"]] == [
        claim["contrasts"] for claim in second["claims"]
    ]
