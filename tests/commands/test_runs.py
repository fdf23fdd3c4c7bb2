"""``pytest-mlops runs``: what it prints, what it deletes and exports, and its exit status."""

import csv
import json
import math
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from pytest_mlops._optional import installed
from pytest_mlops.cli import cli
from pytest_mlops.records import Cases, CaseTable, Details, Failure, Record, RunKey
from pytest_mlops.reports.text import columns
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_result

KEY = RunKey(
    function="gates:train",
    code="c",
    parameters='{"lr": "0.1"}',
    data="",
    environment='{"device": "cpu", "packages": {"numpy": "2.4.6"}}',
    seed=0,
)
HOSTILE = "\x1b[31mred\x1b[0m\x07\u202eevil\n::error::x"


def run(*arguments, **options):
    return CliRunner().invoke(cli, ["runs", *map(str, arguments)], **options)


@pytest.fixture
def open_store(tmp_path):
    def open_one():
        return SqlStore(f"sqlite:///{tmp_path}/runs.sqlite", artifacts=tmp_path / "runs.artifacts")

    return open_one


@pytest.fixture
def filled(tmp_path, open_store):
    """URL of a store with three runs: a good one with all that a run can leave, a failed one, a hostile one."""
    store = open_store()
    store.artifacts(KEY).mkdir(parents=True)
    (store.artifacts(KEY) / "model.pt").write_bytes(b"0" * 3400)
    store.put(
        KEY,
        a_result(
            KEY,
            metrics={"auc": 0.1 + 0.2, "seconds": 4.2},
            curves={"loss": (*((float(x), 1.0 / (1 + x)) for x in range(100)), (100.0, math.nan))},
            output="epoch 1\nepoch 2\n",
            messages=("1 of 7 optimizer steps were skipped",),
        ),
        details=Details(label="train(lr=0.1)", why="lr was 0.01"),
    )
    failed = replace(KEY, seed=1)
    failure = Failure(kind="error", message="ValueError: no", traceback="Traceback:\nValueError: no")
    store.put(
        failed,
        a_result(failed, metrics={"failed": 1.0}, failure=failure),
        details=Details(label="train(lr=0.1)"),
    )
    hostile = replace(KEY, function=f"gates:{HOSTILE}", parameters=json.dumps({HOSTILE: json.dumps(HOSTILE)}))
    store.put(
        hostile,
        a_result(
            hostile,
            metrics={HOSTILE: 1.0, "m" * 300: 2.0},
            curves={HOSTILE: ((0.0, 1.0),)},
            output=HOSTILE * 50,
            failure=Failure(kind=HOSTILE, message=HOSTILE * 20, traceback=HOSTILE),
        ),
        details=Details(label=f"evil({HOSTILE * 10})", why=HOSTILE),
    )
    store.close()
    return f"sqlite:///{tmp_path}/runs.sqlite"


def ids(url, *options):
    return [
        row.split()[0]
        for row in run("--store", url, *options).stdout.splitlines()
        if row[:1] not in ("", " ")
    ]


def test_runs_are_listed_newest_first_with_what_matters(filled):
    result = run("--store", filled)
    assert result.exit_code == 0
    rows = result.stdout.splitlines()
    assert "evil(" in rows[0]
    assert any(
        "train(lr=0.1)" in row and "seed 0" in row and "4.2 s" in row and "just now" in row for row in rows
    )
    assert any("auc 0.3" in row for row in rows)
    assert any("failed (error): ValueError: no" in row for row in rows)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ([], 3),
        (["--failed"], 2),
        (["--function", "gates:train"], 2),
        (["--function", "%"], 0),
        (["--since", "1h"], 3),
        (["--since", "2100-01-01"], 0),
        (["--limit", "1"], 1),
    ],
)
def test_filters_choose_runs(filled, options, count):
    assert len([row for row in ids(filled, *options) if row not in ("...", "no")]) == count


def test_one_run_is_shown_with_all_that_it_left(filled):
    output = run("--store", filled, "show", ids(filled)[2]).stdout
    for part in (
        "train(lr=0.1), seed 0",
        "why: lr was 0.01",
        "numpy",
        "2.4.6",
        "auc",
        "101 points, first 1, last nan",
    ):
        assert part in output
    for part in ("model.pt", "3.4 KB", "epoch 2", "optimizer steps were skipped"):
        assert part in output


def test_a_failed_run_is_shown_with_its_traceback(filled):
    output = run("--store", filled, "show", ids(filled)[1]).stdout
    assert "ValueError: no" in output
    assert "Traceback:" in output


@pytest.mark.parametrize("options", [[], ["show", 0]])
def test_hostile_text_does_nothing_and_all_fits_the_terminal(filled, options):
    arguments = [ids(filled)[one] if one == 0 else one for one in options]
    output = run("--store", filled, *arguments).stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(output)
    assert not any(row.startswith("::") for row in output.splitlines())
    assert max(map(columns, output.splitlines())) <= 80


def test_deleting_asks_first(filled):
    one = ids(filled)[1]
    assert run("--store", filled, "delete", one, input="n\n").exit_code == 1
    assert len(ids(filled)) == 3
    assert "1 training run deleted" in run("--store", filled, "delete", one, input="y\n").stdout
    assert one not in ids(filled)


def test_deleted_runs_take_their_artifacts_with_them(filled, tmp_path):
    assert run("--store", filled, "delete", "--yes", *ids(filled)).exit_code == 0
    assert ids(filled) == ["no"]
    assert [path for path in (tmp_path / "runs.artifacts" / "objects").rglob("*") if path.is_file()] == []


def test_runs_are_exported_long_and_wide(filled, tmp_path):
    assert run("--store", filled, "export", tmp_path / "long.csv", "--function", "train").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "long.csv").read_text(encoding="utf-8").split("\n")))
    assert [(row["seed"], row["metric"]) for row in rows] == [("0", "auc"), ("0", "seconds"), ("1", "failed")]
    assert float(rows[0]["value"]) == 0.1 + 0.2
    assert run("--store", filled, "export", tmp_path / "wide.csv", "--wide").exit_code == 0
    with (tmp_path / "wide.csv").open(
        newline="", encoding="utf-8"
    ) as stream:  # names with line ends are quoted
        wide = list(csv.DictReader(stream))
    assert [row["metric.auc"] for row in wide] == [repr(0.1 + 0.2), "", ""]


def test_a_parquet_export_works_or_says_what_to_install(filled, tmp_path):
    result = run("--store", filled, "export", tmp_path / "runs.parquet")
    if installed("pyarrow"):
        assert result.exit_code == 0
        assert (tmp_path / "runs.parquet").stat().st_size > 0
    else:
        assert result.exit_code == 3
        assert "pip install 'pytest-mlops[parquet]'" in result.stderr


def test_wrong_use_is_status_2(filled, tmp_path):
    assert run("--store", filled, "--since", "yesterday").exit_code == 2
    assert run("--store", filled, "export", tmp_path / "runs.xlsx").exit_code == 2
    assert run("--store", filled, "delete").exit_code == 2
    missing = run("--store", f"sqlite:///{tmp_path}/none.sqlite")
    assert missing.exit_code == 2
    assert "run pytest --mlops first" in missing.stderr
    assert not (tmp_path / "none.sqlite").exists()


def test_a_store_that_cannot_be_used_is_status_3(filled, tmp_path):
    (tmp_path / "broken.sqlite").write_text("this is no database, " * 100)
    broken = run("--store", f"sqlite:///{tmp_path}/broken.sqlite")
    assert (broken.exit_code, "Traceback" in broken.output) == (3, False)
    assert "broken.sqlite" in broken.stderr
    for arguments, says in ((["show", "zzz"], "'zzz'"), (["show", ""], "more of it")):
        result = run("--store", filled, *arguments)
        assert result.exit_code == 3
        assert says in result.stderr


@pytest.mark.parametrize("addopts", ["", "-n 4 --no-such-option"])
def test_the_projects_own_store_is_found_as_pytest_finds_it(tmp_path, monkeypatch, addopts):
    (tmp_path / "pytest.ini").write_text(f"[pytest]\naddopts = {addopts}\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('not wanted here')")
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    assert run("path").stdout.strip() == str(tmp_path / ".mlops" / "store.sqlite")
    (tmp_path / "pytest.ini").write_text(f"[pytest]\nmlops_store = sqlite:///{tmp_path}/other.sqlite\n")
    assert run("path").stdout.strip() == str(tmp_path / "other.sqlite")


def test_list_is_the_listing(filled):
    assert run("--store", filled, "list").stdout == run("--store", filled).stdout
    assert run("--store", filled, "list", "--limit", 1).stdout == run("--store", filled, "--limit", 1).stdout
    assert run("--store", filled, "list", "--failed").stdout == run("--store", filled, "--failed").stdout


def test_what_a_run_read_is_shown_and_cut(open_store, tmp_path):
    store = open_store()
    files = {f"conf/{number:02}.yaml": f"{number:064x}" for number in range(12)}
    result = a_result(KEY, record=Record(files=files, modules={"net.py": "b" * 64}))
    key = replace(KEY, data="d" * 64)
    result = replace(result, key=key.digest)
    store.put(key, result, details=Details(code={"net:CONF": "c" * 16}, data={"load()[1]": "e" * 16}))
    store.close()
    url = f"sqlite:///{tmp_path}/runs.sqlite"
    output = run("--store", url, "show", result.id).stdout
    for part in (
        "load()[1]",
        "d" * 16,
        "e" * 16,
        "net.py",
        "b" * 16,
        "net:CONF",
        "conf/09.yaml",
        "... and 2 more: --all",
    ):
        assert part in output
    assert "conf/11.yaml" not in output
    assert "conf/11.yaml" in run("--store", url, "show", "--all", result.id).stdout


def test_parameters_are_exported_as_numbers(open_store, tmp_path):
    store = open_store()
    path = '{"path": "conf/net.yaml", "content": "ab"}'
    for lr, mode in (("0.1", '"adam"'), ("1", "[1, 2]")):
        key = replace(KEY, parameters=json.dumps({"lr": lr, "mode": mode, "conf": path, "ema": "true"}))
        store.put(key, a_result(key, metrics={"auc": 0.5}))
    store.close()
    url = f"sqlite:///{tmp_path}/runs.sqlite"
    run("--store", url, "export", tmp_path / "long.csv")
    rows = list(csv.DictReader((tmp_path / "long.csv").read_text(encoding="utf-8").splitlines()))
    assert json.loads(rows[0]["parameters"]) == {
        "lr": 0.1,
        "mode": "adam",
        "conf": "conf/net.yaml",
        "ema": True,
    }
    run("--store", url, "export", "--wide", tmp_path / "wide.csv")
    rows = list(csv.DictReader((tmp_path / "wide.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["param.lr"] for row in rows] == ["0.1", "1"]
    assert [row["param.mode"] for row in rows] == ["adam", "[1, 2]"]
    if installed("pyarrow"):
        import pyarrow.parquet

        run("--store", url, "export", "--wide", tmp_path / "wide.parquet")
        table = pyarrow.parquet.read_table(tmp_path / "wide.parquet").to_pydict()
        assert table["param.lr"] == [0.1, 1.0]
        assert table["param.ema"] == [True, True]
        assert table["param.mode"] == ["adam", "[1, 2]"]


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path, filled):
    # "pytest-mlops runs | head -1", with a pipe that nobody reads any more.
    reading, writing = os.pipe()
    os.close(reading)
    command = [
        sys.executable,
        "-m",
        "pytest_mlops.cli",
        "runs",
        "--store",
        f"sqlite:///{tmp_path}/runs.sqlite",
    ]
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_limit_beyond_all_bounds_is_used_wrongly(tmp_path, filled):
    result = run("--store", f"sqlite:///{tmp_path}/runs.sqlite", "--limit", "9" * 30)
    assert result.exit_code == 2
    assert "not in the range" in result.output


def test_of_a_damaged_store_nothing_is_said_to_be_safe(tmp_path, filled):
    whole = tmp_path.joinpath("runs.sqlite").read_bytes()
    damaged = tmp_path / "damaged.sqlite"
    damaged.write_bytes(whole[:8192] + b"\xa5" * (len(whole) - 8192))
    result = run("--store", f"sqlite:///{damaged}")
    assert result.exit_code == 3
    assert "restore a copy" in result.output
    assert "is lost" not in result.output


def test_what_unfinished_runs_left_is_told_and_deleted_when_asked(filled, open_store):
    store = open_store()
    key = replace(KEY, seed=9)
    store.lease(key)
    (store.scratch(key) / "files").mkdir(parents=True)
    (store.scratch(key) / "files" / "checkpoint.pt").write_bytes(b"0" * 2_000_000)
    store.close()
    told = f"1 unfinished training run left 2.0 MB in {store.scratch_folder}"
    assert told in run("--store", filled).output
    assert run("--store", filled, "delete", "--scratch", input="n\n").exit_code == 1
    assert told in run("--store", filled).output
    gone = run("--store", filled, "delete", "--scratch", "--yes")
    assert gone.output == "what 1 unfinished training run left is deleted\n"
    assert "unfinished" not in run("--store", filled).output


@pytest.mark.parametrize("arguments", [[], ["abc", "--scratch"]])
def test_either_ids_or_scratch_are_deleted(filled, arguments):
    result = run("--store", filled, "delete", *arguments)
    assert result.exit_code == 2
    assert "Give the ids of finished training runs, or --scratch" in result.output


def test_cases_are_shown_as_counts(open_store, tmp_path):
    store = open_store()
    patients = b"".join(number.to_bytes(4, "little") for number in (0, 0, 1, 2))
    table, alone = CaseTable(names="n", count=4, patients=patients), CaseTable(names="m", count=3)
    cases = {
        "auc": Cases(table=table, metric="auc", numbers=bytes(32)),
        "dice": Cases(table=alone, metric="mean", numbers=bytes(24)),
    }
    result = a_result(KEY, cases=cases)
    store.put(KEY, result)
    store.close()
    shown = run("--store", f"sqlite:///{tmp_path}/runs.sqlite", "show", result.id[:8]).output
    assert "auc   4 cases of 3 patients, auc" in shown
    assert "dice  3 cases, mean" in shown
