"""Artifacts: kept by content, shared where equal, let go when they are too much together."""

import errno
import os
import socket
import time
from pathlib import Path

import pytest

from pytest_mlops.errors import StoreError
from pytest_mlops.store import artifacts
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_key, a_result


@pytest.fixture
def open_store(tmp_path):
    """Opens the same store each time; all are closed at the end."""
    stores = []

    def open_one(**options):
        store = SqlStore(f"sqlite:///{tmp_path}/runs.sqlite", artifacts=tmp_path / "artifacts", **options)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


def finish(store, seed, **files):
    """A finished run with these artifacts; its id."""
    key = a_key(seed)
    store.artifacts(key).mkdir(parents=True)
    for name, content in files.items():
        (store.artifacts(key) / f"{name}.bin").write_bytes(content)
    return store.put(key, a_result(key)).id


def contents(tmp_path):
    return [path for path in (tmp_path / "artifacts" / "objects").rglob("*") if path.is_file()]


def test_equal_files_are_kept_once(open_store, tmp_path):
    store = open_store()
    runs = [finish(store, seed, model=b"same", other=b"%d" % seed) for seed in range(3)]
    assert len(contents(tmp_path)) == 4
    assert {store.artifact(run, "model.bin").read_bytes() for run in runs} == {b"same"}


def test_a_content_lies_under_its_hash_and_cannot_be_overwritten_by_accident(open_store, tmp_path):
    path = open_store().artifact(finish(open_store(), 0, model=b""), "model.bin")
    # SHA-256 of nothing.
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert path == tmp_path / "artifacts" / "objects" / "e3" / empty
    assert not path.stat().st_mode & 0o222


def test_the_least_recently_used_go_when_it_is_too_much_and_metrics_stay(open_store):
    store = open_store(keep=2500)
    first, second = finish(store, 0, model=b"0" * 1000), finish(store, 1, model=b"1" * 1000)
    time.sleep(0.01)
    store.artifact(first, "model.bin")
    third = finish(store, 2, model=b"2" * 1000)
    for kept in (first, third):
        assert store.artifact(kept, "model.bin").stat().st_size == 1000
    with pytest.raises(StoreError, match="is gone"):
        store.artifact(second, "model.bin")
    assert [len(store.found(a_key(seed))) for seed in range(3)] == [1, 1, 1]


def test_with_no_room_nothing_is_kept_and_no_run_is_lost(open_store, tmp_path):
    store = open_store(keep=0)
    run = finish(store, 0, model=b"0" * 1000)
    assert contents(tmp_path) == []
    with pytest.raises(StoreError, match="mlops_keep"):
        store.artifact(run, "model.bin")
    assert len(store.found(a_key(0))) == 1


def test_a_content_that_went_comes_back_with_the_next_run_that_makes_it(open_store):
    first = finish(open_store(keep=0), 0, model=b"same")
    store = open_store()
    second = finish(store, 1, model=b"same")
    assert store.artifact(first, "model.bin") == store.artifact(second, "model.bin")


def test_links_are_left_out(open_store, tmp_path):
    (tmp_path / "secret").write_text("not of this run")
    store = open_store()
    key = a_key()
    store.artifacts(key).mkdir(parents=True)
    (store.artifacts(key) / "link").symlink_to(tmp_path / "secret")
    (store.artifacts(key) / "folder").symlink_to(tmp_path)
    run = store.put(key, a_result(key))
    with pytest.raises(StoreError, match="has no artifact 'link'"):
        store.artifact(run.id, "link")
    assert run.messages[-2:] == (
        "artifact 'link' was not kept: it is a link",
        "artifact 'folder' was not kept: it is a link",
    )
    assert list(store.found(key)) == [run]


def test_what_is_no_plain_file_costs_itself_and_never_the_run(open_store):
    store = open_store()
    key = a_key()
    folder = store.artifacts(key)
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(folder)  # a socket's path has room for few characters
        one.bind("socket")
        os.chdir(here)
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff.bin")).write_bytes(b"a name in another encoding")
        (folder / "model.bin").write_bytes(b"good")
        run = store.put(key, a_result(key))
    assert store.artifact(run.id, "model.bin").read_bytes() == b"good"
    assert sorted(message.partition(" was not kept: ")[::2] for message in run.messages) == [
        ("artifact '\\udcff.bin'", "its name has characters that cannot be shown"),
        ("artifact 'pipe'", "it is no plain file"),
        ("artifact 'socket'", "it is no plain file"),
    ]


def test_a_file_that_cannot_be_read_costs_itself_and_never_the_run(open_store, monkeypatch):
    def broken(file):
        if file.name == "spoilt.bin":
            raise OSError(errno.EIO, "Input/output error", str(file))
        return whole(file)

    whole = artifacts._sha256
    monkeypatch.setattr(artifacts, "_sha256", broken)
    store = open_store()
    run = finish(store, 0, spoilt=b"1", model=b"2")
    (found,) = store.found(a_key(0))
    assert found.messages[-1] == "artifact 'spoilt.bin' was not kept: Input/output error"
    assert store.artifact(run, "model.bin").read_bytes() == b"2"


def test_a_replaced_run_takes_its_artifacts_with_it(open_store, tmp_path):
    store = open_store()
    run = finish(store, 0, model=b"old")
    key = a_key(0)
    store.artifacts(key).mkdir(parents=True)
    (store.artifacts(key) / "model.bin").write_bytes(b"new")
    store.put(key, a_result(key, metrics={"auc": 0.5}), instead_of=run)
    assert [path.read_bytes() for path in contents(tmp_path)] == [b"new"]


def test_what_a_run_wrote_is_kept_when_its_first_put_fails(open_store):
    store = open_store(busy=0.1)
    locker = open_store()
    key = a_key()
    store.artifacts(key).mkdir(parents=True)
    (store.artifacts(key) / "model.bin").write_bytes(b"weights")
    with locker.writing(), pytest.raises(StoreError, match="locked"):
        store.put(key, a_result(key))
    run = store.put(key, a_result(key)).id
    assert store.artifact(run, "model.bin").read_bytes() == b"weights"


def test_what_killed_processes_left_is_removed_when_it_is_old(open_store, tmp_path, monkeypatch):
    store = open_store()
    finish(store, 0, model=b"kept")
    store.artifacts(a_key(1)).mkdir(parents=True)  # in training
    store.lease(a_key(1))
    rest = tmp_path / "artifacts" / "running" / "0123.somebody"
    orphan = tmp_path / "artifacts" / "objects" / "ab" / "abcd"
    for path in (rest / "model.bin", orphan):
        path.parent.mkdir(parents=True)
        path.write_text("rest")
    open_store()
    assert rest.exists(), "it may belong to a run in training"
    assert orphan.exists()
    monkeypatch.setattr("pytest_mlops.store.artifacts._FORGOTTEN_SECONDS", -1)
    store = open_store()
    assert not rest.exists()
    assert not orphan.exists()
    assert len(contents(tmp_path)) == 1
    assert len(list((tmp_path / "artifacts" / "running").iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_working_directory_that_changes_moves_no_artifacts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    store = SqlStore("sqlite:///runs.sqlite", artifacts=tmp_path.relative_to(tmp_path) / "artifacts")
    monkeypatch.chdir(tmp_path / "elsewhere")
    run = finish(store, 0, model=b"weights")
    assert store.artifact(run, "model.bin").is_relative_to(tmp_path / "artifacts")
    store.close()
