"""One run, one owner: leases that live with their owner and end with it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from pytest_mlops.store.owner import Owner, this_process
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


def until(condition, seconds=30.0):
    """Wait for a condition; the limit is for a test that would hang."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def holder_program(tmp_path, *, expiry, then):
    return f"""
import os, signal, sys, time
from pathlib import Path
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_key
store = SqlStore("sqlite:///{tmp_path}/runs.sqlite", artifacts=Path("{tmp_path}/artifacts"), expiry={expiry})
assert store.lease(a_key()) is None
store.artifacts(a_key()).mkdir(parents=True)
print("held", flush=True)
{then}
"""


@pytest.fixture
def hold(tmp_path):
    """Starts a process that holds the lease of a run."""
    processes = []

    def start(*, expiry=60.0, then="time.sleep(600)"):
        program = holder_program(tmp_path, expiry=expiry, then=then)
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_one_who_has_to_wait_is_told_for_whom(open_store, hold):
    process = hold()
    assert open_store().lease(a_key()).startswith(f"process {process.pid} on ")


def test_a_killed_owner_frees_its_lease_at_once_and_leaves_no_files(open_store, hold, tmp_path):
    process = hold()
    store = open_store()
    assert store.lease(a_key()) is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list((tmp_path / "artifacts" / "running").iterdir())) == 1
    assert store.lease(a_key()) is None
    assert list((tmp_path / "artifacts" / "running").iterdir()) == []


def test_opening_removes_what_killed_owners_left(open_store, hold, tmp_path):
    process = hold()
    process.send_signal(signal.SIGKILL)
    process.wait()
    open_store()
    assert list((tmp_path / "artifacts" / "running").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the heartbeat tells")
def test_a_killed_owner_whose_parent_has_not_looked_yet_frees_its_lease_too(open_store, hold):
    process = hold()
    process.send_signal(signal.SIGKILL)
    store = open_store()
    until(lambda: store.lease(a_key()) is None)
    assert process.returncode is None, "it is still a zombie"


def test_a_heartbeat_keeps_a_lease_beyond_its_expiry(open_store, hold):
    hold(expiry=0.5)
    store = open_store(expiry=0.5)
    for _ in range(8):
        time.sleep(0.2)
        assert store.lease(a_key()) is not None


def test_an_owner_that_stands_still_loses_its_lease(open_store, hold):
    process = hold(expiry=0.5)
    store = open_store(expiry=0.5)
    process.send_signal(signal.SIGSTOP)
    until(lambda: store.lease(a_key()) is None)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.5)
    assert open_store(expiry=60.0).lease(a_key()) is not None, "its next heartbeat took the lease back"


def test_one_who_lost_its_lease_and_finishes_late_gets_the_first_result(open_store):
    slow, quick = open_store(), open_store(expiry=0.0)
    slow.lease(a_key())
    until(lambda: quick.lease(a_key()) is None)
    first = a_result(a_key(), metrics={"auc": 0.1})
    assert quick.put(a_key(), first) == first
    assert slow.put(a_key(), a_result(a_key(), metrics={"auc": 0.2})) == first


def test_the_start_of_a_process_tells_it_from_a_later_one_of_the_same_number():
    me = this_process()
    assert not me.is_dead
    if me.started:
        assert Owner(token="t", host=me.host, pid=me.pid, started="another boot 1").is_dead


def test_a_process_of_another_machine_is_never_taken_for_dead():
    assert not Owner(token="t", host="elsewhere pid:[1]", pid=2**22 + 1, started="").is_dead


def _claim_all(folder, number, barrier, results):
    store = SqlStore(f"sqlite:///{folder}/runs.sqlite", artifacts=folder / "artifacts")
    barrier.wait()
    got = [seed for seed in range(50) if store.lease(a_key(seed)) is None]
    results.put(got)
    barrier.wait()  # nobody goes, and so frees his leases, before all have asked
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="needs fork")
def test_of_many_processes_each_run_is_leased_by_exactly_one(tmp_path):
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_claim_all, args=(tmp_path, n, barrier, results)) for n in range(4)]
    for process in processes:
        process.start()
    got = [seed for _ in processes for seed in results.get(timeout=60)]
    for process in processes:
        process.join()
    assert sorted(got) == list(range(50))
