"""The SQLite store keeps every promise of a store, and says clearly when it cannot."""

import os
import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa

from pytest_mlops.errors import StoreError
from pytest_mlops.records import Cases, CaseTable
from pytest_mlops.store import schema
from pytest_mlops.store.browse import delete
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import StoreContract, a_key, a_result


class TestSqlStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path):
        return lambda: SqlStore(f"sqlite:///{tmp_path / 'runs.sqlite'}", artifacts=tmp_path / "artifacts")


def open_at(path):
    return SqlStore(f"sqlite:///{path}", artifacts=path.parent / "artifacts")


def test_its_new_folder_is_ignored_by_git(tmp_path):
    open_at(tmp_path / "new" / "runs.sqlite").close()
    assert "*" in (tmp_path / "new" / ".gitignore").read_text().splitlines()


def test_an_existing_folder_gets_no_gitignore(tmp_path):
    open_at(tmp_path / "runs.sqlite").close()
    assert not (tmp_path / ".gitignore").exists()


def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("my notes, quite long enough to be taken for something else\n" * 40)
    before = file.read_bytes()
    with pytest.raises(StoreError, match=r"notes\.txt"):
        open_at(file)
    assert file.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused(tmp_path):
    open_at(tmp_path / "runs.sqlite").close()
    connection = sqlite3.connect(tmp_path / "runs.sqlite")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="newer version"):
        open_at(tmp_path / "runs.sqlite")


@pytest.mark.parametrize("url", ["nonsense", "", "sqlite//x"])
def test_what_is_no_url_is_refused(tmp_path, url):
    with pytest.raises(StoreError, match="no URL"):
        SqlStore(url, artifacts=tmp_path)


def test_another_database_is_refused_until_it_is_supported(tmp_path):
    with pytest.raises(StoreError, match="SQLite"):
        SqlStore("postgresql://host/db", artifacts=tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        open_at(tmp_path / "file" / "runs.sqlite")


def test_what_put_returned_from_survives_a_kill(tmp_path):
    program = f"""
import os, signal
from pathlib import Path
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_key, a_result
store = SqlStore("sqlite:///{tmp_path}/runs.sqlite", artifacts=Path("{tmp_path}"))
store.put(a_key(), a_result(a_key()))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], env=os.environ, check=False)
    assert ended.returncode == -9
    store = open_at(tmp_path / "runs.sqlite")
    assert list(store.found(a_key())) == [a_result(a_key())]
    store.close()


def test_a_database_of_something_else_is_left_alone(tmp_path):
    file = tmp_path / "theirs.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE runs (run_uuid TEXT)")
    connection.commit()
    connection.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="something else"):
        open_at(file)
    assert file.read_bytes() == before


def test_what_runs_on_the_same_cases_share_is_kept_once_and_goes_with_the_last(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'runs.sqlite'}", artifacts=tmp_path / "artifacts")
    table = CaseTable(names="n", count=3, target=bytes(24))
    results = [
        a_result(a_key(seed), cases={"auc": Cases(table=table, metric="auc", numbers=bytes(24))})
        for seed in (0, 1)
    ]
    for seed, result in enumerate(results):
        store.put(a_key(seed), result)

    def tables():
        with store.reading() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(schema.case_tables)).scalar_one()

    assert tables() == 1
    delete(store, [results[0].id])
    assert tables() == 1
    delete(store, [results[1].id])
    assert tables() == 0
    store.close()
