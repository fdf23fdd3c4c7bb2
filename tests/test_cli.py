"""The command ``pytest-mlops``: what it prints and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_mlops.cli import cli
from pytest_mlops.reports.files import write
from pytest_mlops.reports.model import Claim, Gate, Report, Session, Tool


def _report(verdict: str = "PASS", **changes: object) -> Report:
    claim = Claim(
        id="c1",
        test="test_a.py::test_a",
        line=3,
        statement='arm["auc"] > 0.9',
        kind="above a bar",
        verdict=verdict,
        reason="crossed the efficacy boundary",
        estimate=0.93,
        margin=0.9,
        direction=">",
        interval=(0.91, 0.95),
        p_value=0.01,
        n=5,
        max_n=30,
        alpha=0.05,
        power=0.9,
        method="sequential t-test",
        holds_for="new seeds, on these cases",
    )
    session = Session(started="2030-01-01T00:00:00Z", seconds=1.0, python="3.12", platform="Linux")
    return Report(**{"tool": Tool(version="0.1"), "session": session, "claims": [claim], **changes})


def _run(*arguments: object):
    return CliRunner().invoke(cli, [str(a) for a in arguments])


@pytest.mark.parametrize("form", ["terminal", "markdown", "json"])
@pytest.mark.parametrize(("verdict", "status"), [("PASS", 0), ("FAIL", 1), ("UNDECIDED", 1)])
def test_report_is_shown_and_its_verdict_is_the_status(tmp_path, form, verdict, status) -> None:
    write(_report(verdict), tmp_path)
    result = _run("report", tmp_path, "--format", form)
    assert result.exit_code == status
    assert verdict in result.stdout
    assert "test_a.py::test_a" in result.stdout


def test_a_gate_that_failed_is_bad_without_claims(tmp_path) -> None:
    gate = Gate(test="test_a.py::test_b", outcome="failed", seconds=0.0, message="this gate asked no claim")
    write(_report(claims=[], gates=[gate]), tmp_path)
    result = _run("report", tmp_path)
    assert result.exit_code == 1
    assert "this gate asked no claim" in result.stdout


def test_the_file_itself_and_the_default_folder_work(tmp_path, monkeypatch) -> None:
    write(_report(), tmp_path / "mlops-report")
    monkeypatch.chdir(tmp_path)
    assert _run("report").exit_code == 0
    assert _run("report", "mlops-report/report.json").exit_code == 0


def test_json_is_the_report_itself(tmp_path) -> None:
    path = write(_report(), tmp_path)
    assert _run("report", path, "--format", "json").stdout == path.read_text(encoding="utf-8")


def test_a_broken_report_is_status_4(tmp_path) -> None:
    (tmp_path / "report.json").write_text('{"schema": NaN}')
    result = _run("report", tmp_path)
    assert result.exit_code == 4
    assert "ReportError" in result.stderr
    assert "Traceback" not in result.output


def test_wrong_use_is_status_2(tmp_path) -> None:
    assert _run("report", tmp_path / "nowhere").exit_code == 2
    assert _run("report", tmp_path, "--format", "pdf").exit_code == 2
    assert _run("invent").exit_code == 2
    empty = _run("report", tmp_path)
    assert empty.exit_code == 2
    assert "run pytest --mlops first" in empty.stderr


def test_schema_is_printed_as_json() -> None:
    result = _run("schema")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_version_and_help_need_no_report() -> None:
    assert _run("--version").stdout.startswith("pytest-mlops ")
    assert "Exit status" in _run("--help").stdout


def test_an_ascii_console_gets_ascii(tmp_path) -> None:
    report = _report()
    report.claims[0].reason = "caf\u00e9"
    write(report, tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pytest_mlops.cli", "report", str(tmp_path)],
        capture_output=True,
        check=False,
        cwd=Path(__file__).parents[1],
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert rb"caf\xe9" in done.stdout
