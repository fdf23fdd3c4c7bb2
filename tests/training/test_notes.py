"""What a run is noted to have read: what lies beside declared data counts, what is the run's own does not."""

from importlib import metadata

import pytest

from pytest_mlops.training import execute


@pytest.fixture
def noted(spec, tmp_path):
    root = tmp_path / "root"
    (root / "data" / "liver").mkdir(parents=True)
    for name in ("data/liver/a.txt", "data/liver_labels.txt", "data/liver.txt"):
        (root / name).write_text("1")

    def read(function, **words):
        result = execute(spec(lambda run: function(run, root) or {"a": 1.0}, root=root, **words))
        assert result.failure is None, result.failure
        return sorted(result.record.files)

    return read


def test_a_name_that_begins_like_declared_data_is_no_declared_data(noted, tmp_path):
    def read(run, root):
        for name in ("data/liver/a.txt", "data/liver_labels.txt", "data/liver.txt"):
            (root / name).read_text()

    declared = tmp_path / "root" / "data" / "liver"
    assert noted(read, data=declared) == ["data/liver.txt", "data/liver_labels.txt"]


def test_artifacts_may_be_read_and_written_wherever_the_store_is(noted, tmp_path):
    def use(run, root):
        file = run.artifact("log.txt")
        for _ in range(3):
            file.write_text(file.read_text() + "x" if file.exists() else "")

    assert noted(use, artifacts=tmp_path / "root" / "kept" / "run") == []


def test_asking_what_is_installed_lists_no_folder_of_the_project(noted, tmp_path, monkeypatch):
    def ask(run, root):
        monkeypatch.syspath_prepend(str(root))
        metadata.distribution("pytest")
        list(metadata.entry_points(group="pytest11"))

    assert noted(ask) == []
