"""Results from files: what is read as what, and one clear error for whatever is not as it should be."""

import functools
import http.server
import json
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops._optional import installed
from pytest_mlops.errors import DataError, MissingPackageError, RecordedError
from pytest_mlops.tables import cells, source
from pytest_mlops.tables.results import results

TABLE = (
    "model,seed,val_auc,converged\nbase,0,0.91,true\nbase,1,0.93,False\nwide,1,0.95,true\nwide,0,0.94,TRUE\n"
)


@pytest.fixture
def file(tmp_path):
    """Writes a file with that content, text or bytes."""

    def write(content, name="runs.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path, form="csv", metrics=("auc",), seed=None, where=None):
    return results(path, form, metrics=metrics, seed=seed, where=where)


# --- what is read


def test_columns_rows_and_seeds_are_chosen(file):
    found = read(file(TABLE), metrics={"auc": "val_auc"}, seed="seed", where={"model": "wide"})
    assert found.metrics == {"auc": (0.95, 0.94)}
    assert found.seeds == (1, 0)
    assert found.name == "runs.csv, model='wide'"
    assert found.rows == ("runs.csv, row 4", "runs.csv, row 5")


def test_true_and_false_are_yes_and_no(file):
    found = read(file(TABLE), metrics=["converged"])
    assert found.metrics == {"converged": (True, False, True, True)}
    assert all(type(value) is bool for value in found.metrics["converged"])


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"lr": 0.1}, 2),
        ({"lr": "1e-1"}, 1),
        ({"amp": True}, 1),
        ({"lr": 0.1, "amp": False}, 1),
    ],
)
def test_rows_are_selected_by_text_number_or_yes_and_no(file, where, rows):
    table = file("lr,amp,auc\n0.1,true,0.9\n1e-1,false,0.8\n0.2,,0.7\n")
    assert len(read(table, where=where).metrics["auc"]) == rows


JSON = [{"arm": "a", "auc": 0.9}, {"arm": "b", "auc": 0.8, "note": None}, {"arm": "a", "auc": 1}]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(JSON),
        json.dumps({"arm": ["a", "b", "a"], "auc": [0.9, 0.8, 1]}),
        "\n".join(map(json.dumps, JSON)) + "\n\n",
    ],
    ids=["list of objects", "object of lists", "lines"],
)
def test_every_shape_of_json_is_the_same_table(file, text):
    found = read(file(text, "runs.json"), "json", where={"arm": "a"})
    assert found.metrics == {"auc": (0.9, 1.0)}


def test_one_object_is_one_training_run(file):
    assert read(file('{"auc": NaN}', "run.json"), "json").rows == ("run.json, row 1",)


def test_a_parquet_file_is_the_same_table(tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(
        {"arm": ["a", "b", "a"], "seed": [2, 1, 0], "auc": [0.9, 0.8, 0.7], "x": [{}, {}, {}]}
    )
    frame["ok"] = frame.auc > 0.75
    frame.drop(columns="x").to_parquet(tmp_path / "runs.parquet")
    found = read(tmp_path / "runs.parquet", "parquet", ["auc", "ok"], "seed", {"arm": "a"})
    assert found.metrics == {"auc": (0.9, 0.7), "ok": (True, False)}
    assert found.seeds == (2, 0)


def test_a_table_of_a_spreadsheet_is_read(file):
    # A byte order mark, Windows line ends, spaces after commas, quotes, a comma and a line end in a cell, a blank line.
    text = '\ufeffname, auc\r\n"a, with ""quotes""\nand lines", 0.9\r\n\r\nb, 0.8\r\n'
    found = read(file(text))
    assert found.metrics == {"auc": (0.9, 0.8)}
    assert found.rows == ("runs.csv, row 2", "runs.csv, row 4")


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=30))
def test_numbers_come_back_bit_for_bit(numbers):
    assert [cells.number(repr(number)) for number in numbers] == numbers
    assert [cells.number(json.loads(json.dumps(number))) for number in numbers] == numbers


@given(st.integers(0, cells.LARGEST_SEED))
def test_seeds_come_back_as_they_are(seed):
    assert cells.seed(seed) == cells.seed(str(seed)) == seed


# --- what is refused, with file, row and column


@pytest.mark.parametrize(
    ("text", "arguments", "says"),
    [
        ("", {}, "runs.csv is empty"),
        ("auc\n", {}, "has a header and no row"),
        ("acu,loss\n0.9,1\n", {}, "has no column 'auc'; it has 'acu', 'loss'. Did you mean 'acu'"),
        ("model;auc\nbase;0,9\n", {}, "separated by semicolons"),
        ("auc,auc\n1,2\n", {}, "several columns 'auc'"),
        ("auc\n0.9\n \n", {}, "row 3 has nothing in column 'auc'.*write nan"),
        ("auc\n0.9\nn/a\n", {}, "row 3: column 'auc' has 'n/a', which is no number"),
        ('auc\n"0,91"\n', {}, "decimal point"),
        ("auc\n91%\n", {}, "per cent"),
        ("auc\n1_000\n", {}, "'1_000', which is no number"),
        ("auc\n\u0661\u0662\n", {}, "no number"),
        ("auc,b\n0.9\n", {}, "row 2 has 1 cells, and its header has 2"),
        ('auc\n"0.9\n', {}, "row 2 is no CSV"),
        ("auc,seed\n1,0\n2,0\n", {"seed": "seed"}, "row 3 has seed 0 again, after row 2"),
        ("auc,seed\n1,-1\n", {"seed": "seed"}, "'-1', which is no seed"),
        ("auc,seed\n1,0.5\n", {"seed": "seed"}, "'0.5', which is no seed"),
        ("auc,seed\n1,\n", {"seed": "seed"}, "'', which is no seed"),
        ("auc,seed\n1,99999999999999999999\n", {"seed": "seed"}, "no seed"),
        ("auc,seed\n1,0\n", {"seed": "sed"}, "no column 'sed'.*Did you mean 'seed'"),
        ("auc,model\n1,base\n", {"where": {"model": "bsae"}}, r"'base' \(1 rows\). Did you mean 'base'"),
        ("auc,model\n1,base\n", {"where": {"model": None}}, "expected columns with"),
        ("auc\n1\n", {"metrics": "auc"}, "metrics=\"auc\"|metrics='auc'"),
        ("auc\n1\n", {"metrics": []}, "expected names of columns"),
        ("auc\n1\n", {"metrics": {"auc": 3}}, "expected names of columns"),
        ("auc\n1\n", {"seed": 3}, "name of the column"),
    ],
)
def test_what_is_wrong_is_named(file, text, arguments, says):
    with pytest.raises(RecordedError, match=says):
        read(file(text), **arguments)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no JSON"),
        ("[1, 2]", "row 1 is no object but a int"),
        ("[]", "is empty"),
        ("{}", "is empty|another shape"),
        ('{"auc": {"0": 0.9}}', "frame.to_json"),
        ('{"auc": [1, 2], "loss": [1]}', "'auc' has 2, 'loss' has 1"),
        ('[{"auc": 0.9}, {"loss": 1}]', "row 2 has nothing in column 'auc'"),
        ('[{"auc": "high"}]', "'high', which is no number"),
        ('[{"auc": [0.9]}]', "no number"),
        ('[{"auc": 0.9, "auc": 0.8}]', "'auc' twice"),
        ('{"auc": 0.9}\n{"auc": }\n', "line 2"),
        ("[" * 100_000, "nested too deeply|no JSON"),
        ('[{"auc": 1' + "0" * 400 + "}]", "no number"),
        ('[{"auc": 1' + "0" * 5000 + "}]", "no table|no number"),
    ],
)
def test_what_is_wrong_in_json_is_named(file, text, says):
    with pytest.raises(RecordedError, match=says):
        read(file(text, "runs.json"), "json", metrics=["auc", "loss"] if 'loss": [' in text else ["auc"])


def test_what_is_no_text_is_refused(file):
    for form in ("csv", "json"):
        with pytest.raises(RecordedError, match="no text in UTF-8"):
            read(file(b"PK\x03\x04\xff\xfe"), form)
    pytest.importorskip("pyarrow")
    with pytest.raises(RecordedError, match="no Parquet file"):
        read(file(TABLE), "parquet")


def test_a_parquet_file_that_was_cut_is_refused(tmp_path, file):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"auc": [0.1] * 1000}), tmp_path / "whole.parquet")
    with pytest.raises(RecordedError, match="no Parquet file"):
        read(file((tmp_path / "whole.parquet").read_bytes()[:-100], "cut.parquet"), "parquet")


# --- files


def test_a_file_that_is_not_there_says_where_it_was_sought(tmp_path):
    with pytest.raises(DataError, match=r"no such file in .*with_name"):
        read(tmp_path / "runs.csv")


def test_a_folder_and_a_pipe_are_no_files(tmp_path):
    with pytest.raises(DataError, match="is no file"):
        read(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(DataError, match="is no file"):
            read(tmp_path / "pipe")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "runs.csv").open("wb") as stream:
        stream.truncate(source.LARGEST + 1)  # sparse: it takes no room
    with pytest.raises(DataError, match="200 MB are read"):
        read(tmp_path / "runs.csv")


@pytest.mark.parametrize("what", [3, None, b"runs.csv", "", "a\0b", [0.9, 0.8]])
def test_what_is_no_path_is_refused(what):
    with pytest.raises(RecordedError):
        read(what)


def test_hostile_names_act_nowhere(file):
    evil = "\x1b[31m\u202e|<b>@all"
    path = file(f'"{evil}",auc\n1,x\n', "\x1b[31mruns\u202e.csv")
    for arguments in ({}, {"metrics": ["missing"]}, {"where": {evil: 2}}):
        with pytest.raises(RecordedError) as raised:
            read(path, **arguments)
        assert not {"\x1b", "\u202e"} & set(str(raised.value))
    assert "\x1b" not in read(file(f'"{evil}",auc\n1,1\n', "\x1bruns.csv"), where={evil: 1}).name


def test_a_cell_of_a_megabyte_makes_no_message_of_a_megabyte(file):
    with pytest.raises(RecordedError) as raised:
        read(file("auc\n" + "x" * 100_000 + "\n"))
    assert len(str(raised.value)) < 1000


# --- rows that are no training runs


@pytest.mark.parametrize("column", ["_step", "Step", "epoch", "trainer/global_step"])
def test_a_curve_is_not_taken_for_training_runs(file, column):
    rows = "".join(f"{step},{0.9 + 0.001 * (step * 7 % 5)}\n" for step in range(20))
    with pytest.raises(RecordedError, match=f"'{column}' counts from row to row"):
        read(file(f"{column},auc\n{rows}"))


def test_several_curves_one_after_the_other_are_curves_too(file):
    rows = "".join(f"{step},0.9{step * 7 % 5}\n" for _ in range(3) for step in range(10))
    with pytest.raises(RecordedError, match="counts from row to row"):
        read(file(f"step,auc\n{rows}"))


def test_the_last_step_of_each_training_run_is_no_curve(file):
    steps = [900, 870, 900, 1000, 900, 880, 900, 950]
    rows = "".join(f"{step},0.9{step % 7}\n" for step in steps)
    assert len(read(file(f"_step,auc\n{rows}")).rows) == len(steps)


# --- URLs


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def server(tmp_path):
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_results_come_by_http(server, file):
    pytest.importorskip("aiohttp", reason="the extra 'urls' brings it")
    file(TABLE)
    found = read(f"{server}/runs.csv?signature=secret", metrics=["val_auc"], where={"model": "base"})
    assert found.metrics == {"val_auc": (0.91, 0.93)}
    assert found.name == "runs.csv, model='base'"


def test_an_address_that_gives_nothing_keeps_its_secrets(server):
    pytest.importorskip("aiohttp", reason="the extra 'urls' brings it")
    with pytest.raises(DataError, match="http:// address") as raised:
        read(f"{server.replace('//', '//me:password@')}/gone.csv?signature=secret")
    assert not [word for word in ("password", "secret", "127.0.0.1") if word in str(raised.value)]


def test_a_name_has_neither_user_nor_password_nor_signature():
    for url in (
        "https://me:secret@example.org?sig=secret",
        "https://me:secret@example.org/?sig=secret#secret",
    ):
        assert source.name_of(url) == "example.org"


def test_any_protocol_of_fsspec_is_read():
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://results/runs.csv", "wb") as stream:
        stream.write(TABLE.encode())
    assert read("memory://results/runs.csv", metrics=["val_auc"]).metrics["val_auc"][:2] == (0.91, 0.93)


def test_a_package_that_is_missing_is_named_with_its_command(monkeypatch):
    monkeypatch.setattr("pytest_mlops._optional.find_spec", lambda package: None)
    with pytest.raises(MissingPackageError, match=r"from_csv of a URL.*pip install 'pytest-mlops\[urls\]'"):
        read("https://example.org/runs.csv")
    path = Path(__file__)
    with pytest.raises(MissingPackageError, match=r"from_parquet.*pip install 'pytest-mlops\[parquet\]'"):
        read(path, "parquet")


def test_a_protocol_whose_package_is_missing_says_which():
    pytest.importorskip("fsspec")
    if not installed("s3fs"):
        with pytest.raises(MissingPackageError, match="s3fs"):
            read("s3://bucket/runs.csv")
    with pytest.raises(DataError, match="nonsense:// address"):
        read("nonsense://bucket/runs.csv")


def test_a_file_of_a_hundred_thousand_rows_is_read(file):
    rows = "".join(f"model{i % 1000},{i % 97}\n" for i in range(100_000))
    assert len(read(file("model,auc\n" + rows), where={"model": "model7"}).rows) == 100
