"""The store as a session uses it: also what could not be written yet is reused only while it holds."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mlops.fingerprint import Tree, trace
from pytest_mlops.records import Details, Record, VaryingSplit
from pytest_mlops.session.keeping import Keeping
from pytest_mlops.store.sql import SqlStore
from pytest_mlops.testing.stores import a_key, a_result


@pytest.fixture
def store(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path}/runs.sqlite", artifacts=tmp_path / "artifacts", busy=0.1)
    yield store
    store.close()


@pytest.fixture
def keeping(store, tmp_path):
    tree = Tree(tmp_path)
    return Keeping(
        open_store=lambda: store,
        changed=lambda record, at: tree.changed(record.modules, record.files, record.variables),
        tell=lambda line: None,
    )


@pytest.fixture
def unwritable(store, tmp_path):
    """While it is locked by somebody else."""
    locker = SqlStore(store.url, artifacts=tmp_path / "artifacts")
    with locker.writing():
        yield
    locker.close()


def result_under(monkeypatch, rate):
    monkeypatch.setenv("MADE_RATE", rate)
    record = Record(variables={"MADE_RATE": trace("MADE_RATE", os.environ["MADE_RATE"])})
    return a_result(a_key(), metrics={"auc": float(rate)}, record=record)


def test_what_waits_to_be_written_is_reused_only_while_it_holds(keeping, unwritable, monkeypatch):
    first = result_under(monkeypatch, "1")
    keeping.keep(a_key(), first, Details())
    assert keeping.known(a_key()) == first
    second = result_under(monkeypatch, "2")
    assert keeping.known(a_key()) is None
    keeping.keep(a_key(), second, Details())
    assert keeping.known(a_key()) == second
    monkeypatch.setenv("MADE_RATE", "1")
    assert keeping.known(a_key()) == first


def test_all_that_waited_is_written_in_the_end(store, keeping, tmp_path, monkeypatch):
    locker = SqlStore(store.url, artifacts=tmp_path / "artifacts")
    with locker.writing():
        results = [result_under(monkeypatch, rate) for rate in ("1", "2")]
        for result in results:
            keeping.keep(a_key(), result, Details())
    keeping.close()
    assert sorted(run.metrics["auc"] for run in locker.found(a_key())) == [1.0, 2.0]
    locker.close()


def test_there_is_no_scratch_without_a_lease(keeping, unwritable):
    assert keeping.lease(a_key()) is None  # nobody could say no
    assert keeping.scratch(a_key()) is None


def test_scratch_comes_with_the_lease_and_goes_with_it(keeping):
    assert keeping.scratch(a_key()) is None
    assert keeping.lease(a_key()) is None
    assert isinstance(keeping.scratch(a_key()), Path)
    assert keeping.scratch(replace(a_key(), seed=1)) is None
    keeping.release(a_key())
    assert keeping.scratch(a_key()) is None


def run_at(index, block):
    repeat, fold = divmod(index, 5)
    split = VaryingSplit(test=1, fit=4, folds=5, fold=fold, repeat=repeat, block=block)
    return a_result(a_key(7), metrics={"auc": float(index)}, record=Record(splits={"split": split.text}))


def test_a_run_that_tested_another_fold_under_the_same_seed_is_not_reused(keeping):
    first, second = run_at(7, 0), run_at(0, 7)
    keeping.keep(a_key(7), first, Details())
    assert keeping.known(a_key(7), (0, 7)) is None
    assert (
        keeping.why_again(a_key(7), (0, 7))
        == "its seed tested another fold, at another place among the seeds"
    )
    keeping.keep(a_key(7), second, Details())
    assert [keeping.known(a_key(7), place) for place in ((7, 0), (0, 7))] == [first, second]


def test_training_again_replaces_no_run_that_tested_another_fold(store, keeping):
    keeping.keep(a_key(7), run_at(7, 0), Details())
    keeping.rerun = True
    again = run_at(0, 7)
    keeping.keep(a_key(7), again, Details())
    assert list(store.found(a_key(7))) == [again, run_at(7, 0)]
