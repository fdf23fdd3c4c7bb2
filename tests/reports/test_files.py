from __future__ import annotations

import json
import re
import stat

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlops.errors import ReportError
from pytest_mlops.reports import files
from pytest_mlops.reports.model import Report


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_report_comes_back_as_it_was_and_fits_its_schema(any_report, data) -> None:
    report = data.draw(any_report)
    encoded = files.to_json(report)
    assert files.from_json(encoded, source="test") == report
    jsonschema.Draft202012Validator(files.json_schema()).validate(json.loads(encoded))


def test_the_schema_is_a_valid_one() -> None:
    jsonschema.Draft202012Validator.check_schema(files.json_schema())
    assert files.json_schema()["$schema"].endswith("2020-12/schema")
    assert files.json_schema()["title"]


def test_top_level_and_claim_have_the_promised_fields(make_report) -> None:
    # Issue 3, item 9: other programs rely on these names.
    data = json.loads(files.to_json(make_report()))
    top = "schema tool session gates claims families arms failed_runs messages"
    claim = "id test line statement verdict estimate margin interval p_value n trained reused"
    assert set(top.split()) <= set(data)
    assert set(claim.split()) <= set(data["claims"][0])
    assert isinstance(data["schema"], int)


def test_writing_makes_the_folder_and_both_files_and_nothing_else(tmp_path, make_report) -> None:
    path = files.write(make_report(), tmp_path / "deep" / "folder")
    assert path == tmp_path / "deep" / "folder" / "report.json"
    assert sorted(p.name for p in path.parent.iterdir()) == ["report.json", "report.md"]
    assert files.read(path) == make_report()


def test_a_second_report_replaces_the_first(tmp_path, make_report) -> None:
    files.write(make_report(), tmp_path)
    path = files.write(make_report(claims=[]), tmp_path)
    assert files.read(path).claims == []


def test_files_can_be_read_by_others(tmp_path, make_report) -> None:
    path = files.write(make_report(), tmp_path)
    (tmp_path / "other").write_text("x")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_a_failed_write_leaves_the_old_report(tmp_path, make_report, monkeypatch) -> None:
    path = files.write(make_report(), tmp_path)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", refuse)
    with pytest.raises(ReportError, match="No space left on device"):
        files.write(make_report(claims=[]), tmp_path)
    assert files.read(path) == make_report()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_a_file_is_refused_with_the_option_to_change(tmp_path, make_report) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(ReportError, match=r"cannot be written to .*x: .*--mlops-report=FOLDER"):
        files.write(make_report(), tmp_path / "x")


def test_nan_becomes_null_where_unknown_is_allowed(make_report, make_claim) -> None:
    report = make_report(claims=[make_claim(estimate=float("nan"), interval=(float("-inf"), 1.0))])
    claim = files.from_json(files.to_json(report), source="test").claims[0]
    assert claim.estimate is None
    assert claim.interval == (None, 1.0)


def test_nan_where_a_number_must_be_is_refused_when_written(make_report, make_claim) -> None:
    with pytest.raises(ReportError, match=r"made just now .*seconds"):
        files.to_json(make_report(claims=[make_claim(seconds=float("nan"))]))


def test_output_that_was_no_utf8_can_be_written(make_report, make_failed_run) -> None:
    data = files.to_json(make_report(failed_runs=[make_failed_run(output="caf\udce9")]))
    assert files.from_json(data, source="test").failed_runs[0].output == "caf?"


def test_megabytes_of_output_are_shortened_rather_than_refused(
    make_report, make_failed_run, monkeypatch
) -> None:
    monkeypatch.setattr(files, "LARGEST", 100_000)
    data = files.to_json(make_report(failed_runs=[make_failed_run(output="x" * 99_000 + "end")] * 3))
    assert len(data) < 50_000
    assert files.from_json(data, source="test").failed_runs[0].output.endswith("end")


def test_unknown_fields_are_ignored(make_report) -> None:
    data = json.loads(files.to_json(make_report()))
    data["invented"] = data["claims"][0]["invented"] = {"later": [1]}
    assert files.from_json(json.dumps(data).encode(), source="test") == make_report()


def _broken(make_report, change: str) -> bytes:
    good = files.to_json(make_report())
    data = json.loads(good)
    if change == "newer":
        data["schema"] = 2
    elif change == "zero":
        data["schema"] = 0
    elif change == "no schema":
        del data["schema"]
    elif change == "text for number":
        data["claims"][0]["estimate"] = "0.1"
    elif change == "unknown verdict":
        data["claims"][0]["verdict"] = "MAYBE"
    elif change == "endless integer":
        data["claims"][0]["n"] = 10**400
    elif change == "list":
        data = [data]
    elif change == "cut":
        return good[:-20]
    elif change == "not UTF-8":
        return good.replace(b"Linux", b"\xff\xfe")
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("newer", "has schema 2, this version reads 1 to 1"),
        ("zero", "has schema 0"),
        ("no schema", "missing required field `schema`"),
        ("text for number", "Expected `float | null`, got `str` - at `$.claims[0].estimate`"),
        ("unknown verdict", "Invalid enum value 'MAYBE'"),
        ("endless integer", "`$.claims[0].n`"),
        ("list", "Expected `object`, got `array`"),
        ("cut", "is broken"),
        ("not UTF-8", "is broken"),
    ],
)
def test_a_broken_report_is_refused_with_file_and_reason(tmp_path, make_report, change, reason) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(_broken(make_report, change))
    with pytest.raises(ReportError, match=re.escape(reason)) as caught:
        files.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "9" * 5000])
def test_numbers_that_are_none_are_refused(make_report, value) -> None:
    data = files.to_json(make_report()).replace(b"0.01432", value.encode())
    with pytest.raises(ReportError):
        files.from_json(data, source="test")


def test_a_deeply_nested_report_is_refused(make_report) -> None:
    deep = b'{"schema": 1, "x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
    with pytest.raises(ReportError, match="broken"):
        files.from_json(deep, source="test")


def test_a_report_of_more_than_50_mb_is_refused(tmp_path) -> None:
    path = tmp_path / "report.json"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    with pytest.raises(ReportError, match="more than 50 MB"):
        files.read(path)


def test_a_missing_report_and_a_folder_are_refused(tmp_path) -> None:
    with pytest.raises(ReportError, match="No such file"):
        files.read(tmp_path / "report.json")
    with pytest.raises(ReportError, match="no regular file"):
        files.read(tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_report_error(data: bytes) -> None:
    # No exception but ours may come out, and no random bytes are a report.
    with pytest.raises(ReportError, match=r"^test "):
        files.from_json(data, source="test")


def test_the_model_ignores_no_type(make_report) -> None:
    assert msgspec.convert(msgspec.to_builtins(make_report()), Report) == make_report()
