"""The command ``pytest-mlops``: what it prints and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
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


def _project(folder: Path, monkeypatch: pytest.MonkeyPatch, *, report: str = "mlops-report") -> Path:
    (folder / "pytest.ini").write_text(f"[pytest]\nmlops_report = {report}\n")
    (folder / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(folder / "deep" / "er")
    return folder / report


@pytest.mark.parametrize("folder", ["mlops-report", "out/gates"])
def test_the_projects_report_is_found_from_a_folder_in_it(tmp_path, monkeypatch, folder) -> None:
    write(_report(), _project(tmp_path, monkeypatch, report=folder))
    result = _run("report")
    assert result.exit_code == 0, result.output
    assert f"report: ../../{folder}/report.json" in result.stdout


def test_without_a_report_the_project_s_folder_is_named(tmp_path, monkeypatch) -> None:
    _project(tmp_path, monkeypatch)
    result = _run("report")
    assert result.exit_code == 2
    assert "../../mlops-report holds no report.json: run pytest --mlops first" in result.stderr


def test_a_report_says_when_it_was_made_and_how_old_it_is(tmp_path) -> None:
    report = _report()
    now = datetime.now(UTC)
    report.session.started = (now - timedelta(hours=3, minutes=5)).isoformat()
    report.session.seconds = 60.0
    write(report, tmp_path)
    first = _run("report", tmp_path).stdout.splitlines()[0]
    made = now - timedelta(hours=3, minutes=4)
    assert first == f"report of {made:%Y-%m-%d %H:%M} UTC, 3 h ago"
    assert f"report of {made:%Y-%m-%d %H:%M} UTC" in (tmp_path / "report.md").read_text().splitlines()[2]


@pytest.mark.parametrize("started", ["", "yesterday", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:00"])
def test_an_impossible_time_is_shown_as_it_is(tmp_path, started) -> None:
    report = _report()
    report.session.started = started
    report.session.seconds = 1e300
    write(report, tmp_path)
    assert _run("report", tmp_path).exit_code == 0


@pytest.mark.parametrize("changes", [{"finished": False}, {"exit_status": 2}, {"exit_status": 3}], ids=str)
def test_a_session_that_did_not_come_to_its_end_is_status_1(tmp_path, changes) -> None:
    report = _report()
    for name, value in changes.items():
        setattr(report.session, name, value)
    write(report, tmp_path)
    result = _run("report", tmp_path)
    assert result.exit_code == 1
    assert any(word in result.stdout.splitlines()[0] for word in ("not finished", "interrupted", "internal"))
