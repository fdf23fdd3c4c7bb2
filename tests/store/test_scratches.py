"""Folders that unfinished runs leave: cleaned when nobody will go on with them, and never under somebody's hands."""

import os
import time

import pytest

from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_key, a_result, write


@pytest.fixture
def open_store(tmp_path):
    """Opens the same store each time; all are closed at the end."""
    stores = []

    def open_one(url=None, **options):
        url = url or f"sqlite:///{tmp_path}/runs.sqlite"
        store = SqlStore(url, artifacts=tmp_path / "artifacts", **options)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        store.close()


def leave(store, seed, text="checkpoint", age=0.0):
    """A run of that seed is interrupted, so long ago."""
    store.lease(a_key(seed))
    folder = store.scratch(a_key(seed))
    write(folder / "files" / "checkpoint.txt", text)
    for path in (folder / "files" / "checkpoint.txt", folder / "files", folder):
        os.utime(path, (time.time() - age,) * 2)
    store.release(a_key(seed))


def names(tmp_path):
    return sorted(folder.name for folder in (tmp_path / "artifacts" / "scratch").iterdir())


def has(store, seed):
    store.lease(a_key(seed))
    there = (store.scratch(a_key(seed)) / "files" / "checkpoint.txt").exists()
    store.release(a_key(seed))
    return there


def test_what_nobody_touched_for_a_month_is_removed(open_store):
    first = open_store()
    leave(first, 0, age=31 * 86400)
    leave(first, 1, age=29 * 86400)
    first.close()
    second = open_store()
    assert (has(second, 0), has(second, 1)) == (False, True)


def test_the_least_recently_used_go_when_it_is_too_much(open_store):
    first = open_store()
    for seed, age in ((0, 300), (1, 100), (2, 200)):
        leave(first, seed, text="0" * 500_000, age=age)
    first.close()
    second = open_store(keep=1_200_000)
    assert [has(second, seed) for seed in range(3)] == [False, True, True]


def test_what_somebody_trains_with_is_left_alone(open_store):
    first = open_store()
    leave(first, 0, age=365 * 86400)
    first.lease(a_key(0))
    folder = first.scratch(a_key(0))
    second = open_store(keep=0)
    assert (folder / "files" / "checkpoint.txt").exists()
    assert second.scratch_left() == []
    assert second.drop_scratch_left() == 0
    first.put(a_key(0), a_result(a_key(0)))
    assert not folder.exists()


def test_what_was_half_removed_is_no_scratch_and_goes(open_store, tmp_path):
    write(tmp_path / "artifacts" / "scratch" / "gone.0123" / "files" / "part.txt", "half")
    store = open_store()
    assert names(tmp_path) == []
    assert store.scratch_left() == []


def test_one_who_was_taken_for_dead_and_is_not_gets_nothing_of_the_others(open_store):
    first, second = open_store(), open_store(expiry=0.0)  # to whom each lease is free at once
    leave(first, 0)
    first.lease(a_key(0))
    before = first.scratch(a_key(0))
    assert second.lease(a_key(0)) is None
    assert (second.scratch(a_key(0)) / "files" / "checkpoint.txt").exists()
    assert not before.exists()


def test_stores_in_memory_share_no_scratch(open_store):
    first, second = open_store("sqlite://"), open_store("sqlite://")
    for store in (first, second):
        assert store.lease(a_key(0)) is None
        assert not store.scratch(a_key(0)).exists()
        write(store.scratch(a_key(0)) / "mine.txt", "")
    second.put(a_key(0), a_result(a_key(0)))
    assert (first.scratch(a_key(0)) / "mine.txt").exists()
    folder = first.scratch(a_key(0))
    first.close()
    assert not folder.exists()


def test_what_is_left_is_listed_with_its_size_the_last_used_first(open_store):
    store = open_store()
    leave(store, 0, text="0" * 1000, age=100)
    leave(store, 1, text="0" * 3000)
    sizes = [one.size for one in store.scratch_left()]
    assert len(sizes) == 2
    assert sizes[0] - sizes[1] == 2000
    assert store.drop_scratch_left() == 2
    assert store.scratch_left() == []
