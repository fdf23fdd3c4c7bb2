"""The file under the store: reads that never wait, versions that are brought up to date, places that are refused."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from pytest_mlops.errors import StoreError
from pytest_mlops.records import Cases, CaseTable, Record, RunKey
from pytest_mlops.store import schema
from pytest_mlops.store.database import Database
from pytest_mlops.store.mounts import network_filesystem
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_key, a_result

VERSION_1, VERSION_2, VERSION_3, VERSION_4 = (
    Path(__file__).with_name(f"version_{n}.sql").read_text(encoding="utf-8") for n in (1, 2, 3, 4)
)


def key_of_version_1(seed, gain="0.0"):
    return RunKey(
        function="test_gates:train",
        code="c0de" * 16,
        parameters=f'{{"gain": "{gain}"}}',
        data="",
        environment='{"amp": "off", "device": "cpu", "packages": {"numpy": "2.4.6"}, "protocol": 1, "threads": "1"}',
        seed=seed,
    )


def written(file, statements):
    connection = sqlite3.connect(file)
    connection.executescript(statements)
    connection.close()
    return file


@pytest.fixture
def old_file(tmp_path):
    """A store of version 1 with four training runs."""
    return written(tmp_path / "old.sqlite", VERSION_1)


@pytest.fixture
def file_of_version_2(tmp_path):
    """A store of version 2 with three training runs of the same arm."""
    return written(tmp_path / "two.sqlite", VERSION_2)


@pytest.fixture
def file_of_version_3(tmp_path):
    """The same with an attempt at a claim, of version 3."""
    return written(tmp_path / "three.sqlite", VERSION_3)


@pytest.fixture
def file_of_version_4(tmp_path):
    """The same with a training run that has numbers for each case, of version 4."""
    return written(tmp_path / "four.sqlite", VERSION_4)


def open_at(path, **options):
    return SqlStore(f"sqlite:///{path}", artifacts=path.parent / "artifacts", **options)


# --- versions


def test_a_store_of_version_1_keeps_all_its_runs(old_file):
    store = open_at(old_file)
    (first,) = store.found(key_of_version_1(0))
    assert first.metrics == {"auc": 0.1 + 0.2, "ok": 1.0, "seconds": 0.25, "failed": 0.0}
    assert list(first.metrics) == ["auc", "ok", "seconds", "failed"]
    assert first.yes_no == {"ok", "failed"}
    assert first.curves["loss"][0] == (0.0, 1 / 3)
    assert (first.output, first.weights, first.steps, first.skipped_steps) == ("caf\u00e9\n", "ab" * 32, 7, 1)
    assert first.record == Record()
    (smallest,) = store.found(key_of_version_1(1))
    assert smallest.metrics["auc"] == 5e-324
    (failed,) = store.found(key_of_version_1(2))
    assert failed.failure.message == "ValueError: it's broken"
    assert len(store.found(key_of_version_1(0, gain="0.05"))) == 1
    store.close()


def test_a_store_of_version_2_keeps_all_its_runs_with_records_and_artifacts(file_of_version_2):
    store = open_at(file_of_version_2)
    found = [store.found(key_of_version_1(seed))[0] for seed in range(3)]
    assert [run.metrics["auc"] for run in found] == [0.1 + 0.2] * 3
    assert found[1].record == Record(modules={"net.py": "ab" * 32}, files={"conf/model.yaml": "cd" * 32})
    assert found[1].reseeded == ("torch.manual_seed(42)",)
    assert found[2].failure.message == "ValueError: it's broken"
    with store.reading() as connection:
        assert connection.execute(sa.select(schema.artifacts.c.name)).scalars().all() == ["model.txt"]
    store.close()


def test_a_store_of_version_2_counts_attempts_from_now_on(file_of_version_2):
    store = open_at(file_of_version_2)
    assert list(store.attempts("a claim", "")) == []
    store.add_attempt("a claim", "", "one", "{}")
    assert list(store.attempts("a claim", "")) == ["one"]
    store.close()


def test_a_store_of_version_3_keeps_attempts_and_takes_cases(file_of_version_3):
    store = open_at(file_of_version_3)
    assert list(store.attempts("t.py::test_a a > b", "c0ffee")) == ["one"]
    assert store.found(key_of_version_1(0))[0].cases == {}
    cases = {"auc": Cases(table=CaseTable(names="n", count=1), metric="mean", numbers=bytes(8))}
    store.put(a_key(2), a_result(a_key(2), cases=cases))
    store.close()
    store = open_at(file_of_version_3)
    assert store.found(a_key(2))[0].cases == cases
    store.close()


def test_a_store_of_version_4_keeps_its_runs_and_takes_derived_ones(file_of_version_4):
    store = open_at(file_of_version_4)
    (known,) = store.found(a_key(2))
    assert known.id == a_result(a_key(2)).id
    assert list(known.cases) == ["auc"]
    derived = replace(a_key(2), upstream="u", upstream_run="r")
    store.put(derived, a_result(derived))
    store.close()
    store = open_at(file_of_version_4)
    assert len(store.found(derived)) == len(store.found(a_key(2))) == 1
    store.close()


def test_a_store_of_version_1_goes_on_as_a_new_one(old_file):
    store = open_at(old_file)
    key = key_of_version_1(3)
    store.put(key, a_result(key))
    known = a_result(key_of_version_1(1))
    assert store.put(key_of_version_1(1), known) == store.found(key_of_version_1(1))[0]
    assert len(store.found(key_of_version_1(1))) == 1
    store.close()


@pytest.mark.parametrize("old", ["old_file", "file_of_version_2", "file_of_version_3", "file_of_version_4"])
def test_a_migrated_store_has_the_tables_of_a_new_one(old, request, tmp_path):
    old_file = request.getfixturevalue(old)
    open_at(old_file).close()
    open_at(tmp_path / "new.sqlite").close()
    shapes = []
    for file in (old_file, tmp_path / "new.sqlite"):
        engine = sa.create_engine(f"sqlite:///{file}")
        tables = sa.inspect(engine)
        shapes.append(
            {
                name: (
                    [(c["name"], str(c["type"]), c["nullable"]) for c in tables.get_columns(name)],
                    tables.get_pk_constraint(name)["constrained_columns"],
                    sorted(i["column_names"] for i in tables.get_indexes(name)),
                    [(f["referred_table"], f["options"]) for f in tables.get_foreign_keys(name)],
                )
                for name in tables.get_table_names()
            }
        )
        engine.dispose()
    assert shapes[0] == shapes[1]
    assert set(shapes[0]) >= set(schema.TABLES.tables)


@pytest.mark.parametrize("statement", [2, 6, 12, 18])
def test_a_migration_that_is_killed_starts_again(old_file, statement):
    program = f"""
import os, signal, sys
import sqlalchemy as sa
from pytest_mlops.store.database import Database

seen = 0

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def kill(connection, cursor, text, *rest):
    global seen
    if seen or "RENAME" in text:
        seen += 1
    if seen == {statement}:
        os.kill(os.getpid(), signal.SIGKILL)

Database("sqlite:///{old_file}")
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    store = open_at(old_file)
    assert [len(store.found(key_of_version_1(seed))) for seed in range(3)] == [1, 1, 1]
    store.close()


def test_two_processes_that_open_an_old_store_at_once_both_can(old_file):
    program = f"from pytest_mlops.store.database import Database; Database('sqlite:///{old_file}').close()"
    both = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]


# --- reads and writes


def test_a_read_does_not_wait_for_a_writer(tmp_path):
    store = open_at(tmp_path / "runs.sqlite")
    store.put(a_key(), a_result(a_key()))
    writer = sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    other = open_at(tmp_path / "runs.sqlite", busy=0.1)
    assert len(other.found(a_key())) == 1
    assert len(other.kin(a_key())) == 1
    writer.execute("ROLLBACK")
    writer.close()
    other.close()
    store.close()


def test_a_locked_store_is_one_clear_error_and_loses_nothing(tmp_path):
    store = open_at(tmp_path / "runs.sqlite", busy=0.1)
    store.put(a_key(0), a_result(a_key(0)))
    writer = sqlite3.connect(tmp_path / "runs.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"could not be written: database is locked.*keeps it locked"):
        store.put(a_key(1), a_result(a_key(1)))
    writer.execute("ROLLBACK")
    writer.close()
    store.put(a_key(1), a_result(a_key(1)))
    assert len(store.found(a_key(0))) == 1
    store.close()


def test_a_full_store_is_one_clear_error_and_keeps_what_it_has(tmp_path):
    store = open_at(tmp_path / "runs.sqlite")
    store.put(a_key(0), a_result(a_key(0)))
    with store.reading() as connection:  # the pool hands the same connection out again
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match=r"is full.*Make room"):
        store.put(a_key(1), a_result(a_key(1), output="x" * 1_000_000))
    assert len(store.found(a_key(0))) == 1
    assert list(store.found(a_key(1))) == []
    store.close()


def test_a_write_that_the_system_refuses_leaves_a_sound_store(tmp_path):
    """A file size limit is as near to a full disk as a test can come without one: the system refuses the write."""
    program = f"""
import resource, signal
from pathlib import Path
from pytest_mlops.errors import StoreError
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_key, a_result

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = SqlStore("sqlite:///{tmp_path}/runs.sqlite", artifacts=Path("{tmp_path}/artifacts"))
store.put(a_key(0), a_result(a_key(0)))
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    store.put(a_key(1), a_result(a_key(1), output="x" * 1_000_000))
except StoreError as error:
    print(error)
assert len(store.found(a_key(0))) == 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
store.put(a_key(2), a_result(a_key(2)))
store.close()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "could not be written" in ended.stdout
    assert "Make room on its disk" in ended.stdout
    store = open_at(tmp_path / "runs.sqlite")
    assert [len(store.found(a_key(seed))) for seed in range(3)] == [1, 0, 1]
    store.close()
    with closing(sqlite3.connect(tmp_path / "runs.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.fixture
def make_read_only(tmp_path):
    """Makes the test's folder read-only: by a mount for root, whom permissions do not stop."""
    mounted = []

    def make():
        if os.name != "posix":
            pytest.skip("permissions of POSIX")
        if os.geteuid() != 0:
            tmp_path.chmod(0o555)
            return
        if subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=False).returncode:
            pytest.skip("may not mount")
        mounted.append(tmp_path)
        subprocess.run(["mount", "-o", "remount,bind,ro", tmp_path], check=True)

    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)
    tmp_path.chmod(0o755)


def test_a_store_in_a_read_only_folder_can_still_be_read(tmp_path, make_read_only):
    store = open_at(tmp_path / "runs.sqlite")
    (store.artifacts(a_key()) / "plots").mkdir(parents=True)
    (store.artifacts(a_key()) / "plots" / "roc.txt").write_text("a plot")
    store.put(a_key(), a_result(a_key()))
    store.close()
    make_read_only()
    store = open_at(tmp_path / "runs.sqlite")
    (known,) = store.found(a_key())
    assert store.artifact(known.id, "plots/roc.txt").read_text() == "a plot"
    for write in (lambda: store.lease(a_key(1)), lambda: store.put(a_key(1), a_result(a_key(1)))):
        with pytest.raises(StoreError, match="Make the file and its folder writable"):
            write()
    store.artifacts(a_key(1)).mkdir()  # a run can write artifacts all the same
    store.close()
    assert not store.artifacts(a_key(1)).exists()


def test_a_new_store_in_a_read_only_folder_is_refused_before_anything_is_trained(tmp_path, make_read_only):
    make_read_only()
    with pytest.raises(StoreError, match=r"could not be opened.*can be written"):
        open_at(tmp_path / "runs.sqlite")
    with pytest.raises(StoreError, match="cannot be made"):
        open_at(tmp_path / "new" / "runs.sqlite")


def test_threads_that_open_a_new_store_at_once_all_can(tmp_path):
    trouble = []

    def use(number):
        try:
            Database(f"sqlite:///{tmp_path}/runs.sqlite").close()
        except StoreError as error:
            trouble.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []


# --- places


MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,addr=10.0.0.1 0 0
/dev/vdb /home/local ext4 rw 0 0
me@host:/data /mnt/my\\040data fuse.sshfs rw 0 0
lustre@tcp:/scratch /scratch lustre rw 0 0
//nas/share /nas cifs rw 0 0
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/runs.sqlite", None),
        ("/home/me/.mlops/store.sqlite", "nfs4"),
        ("/home/local/store.sqlite", None),
        ("/homework/store.sqlite", None),
        ("/mnt/my data/store.sqlite", "fuse.sshfs"),
        ("/scratch/me/store.sqlite", "lustre"),
        ("/nas/store.sqlite", "cifs"),
    ],
)
def test_network_file_systems_are_told_from_local_ones(path, kind):
    assert network_filesystem(Path(path), MOUNTS) == kind


def test_this_folder_is_on_no_network_file_system(tmp_path):
    assert network_filesystem(tmp_path / "new" / "runs.sqlite") is None


@pytest.mark.skipif(
    shutil.which("mount") is None or os.name != "posix" or os.geteuid() != 0, reason="needs root"
)
def test_a_disk_that_is_full_loses_no_finished_run(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("may not mount")
    try:
        store = open_at(disk / "runs.sqlite")
        store.put(a_key(0), a_result(a_key(0)))
        with pytest.raises(StoreError, match="Make room on its disk"):
            store.put(a_key(1), a_result(a_key(1), output="x" * 2_000_000))
        assert len(store.found(a_key(0))) == 1
        store.put(a_key(2), a_result(a_key(2)))
        store.close()
        store = open_at(disk / "runs.sqlite")
        assert [len(store.found(a_key(seed))) for seed in range(3)] == [1, 0, 1]
        store.close()
    finally:
        subprocess.run(["umount", disk], check=True)


# --- URLs


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("justtext", "is no URL"),
        ("://", "is no URL"),
        ("mysql://me:topsecret@host:port/x", "is no URL"),
        ("postgresql://me:topsecret@host/db", "keeps runs in SQLite"),
        ("nosuch://me:topsecret@host/db", "keeps runs in SQLite"),
        ("sqlite://me:topsecret@host/x.sqlite", "a path and nothing else"),
        ("sqlite+nosuch:///x.sqlite", "a path and nothing else"),
        ("sqlite:///x.sqlite?mode=ro&password=topsecret", "a path and nothing else"),
        (f"sqlite:////{'a' * 5000}", "cannot be the path of a file: .*too long"),
        ("sqlite:////tmp/a\0b", "cannot be the path of a file: embedded null"),
    ],
)
def test_a_url_that_names_no_file_is_refused_without_its_password(tmp_path, monkeypatch, url, reason):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match=reason) as caught:
        SqlStore(url, artifacts=tmp_path / "artifacts")
    assert "topsecret" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_links_in_a_circle_are_refused(tmp_path):
    tmp_path.joinpath("one").symlink_to(tmp_path / "two")
    tmp_path.joinpath("two").symlink_to(tmp_path / "one")
    with pytest.raises(StoreError, match="cannot be"):
        open_at(tmp_path / "one" / "runs.sqlite")


def test_the_home_folder_is_known_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    SqlStore("sqlite:///~/mine/runs.sqlite", artifacts=tmp_path / "artifacts").close()
    assert tmp_path.joinpath("mine", "runs.sqlite").is_file()
