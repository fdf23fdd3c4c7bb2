"""Environment variables that a run reads are noted, by name and a short hash; what nobody asks for is not."""

import os
import subprocess
import sys

import pytest

from pytest_mlops.fingerprint import trace, watch_imports
from pytest_mlops.training import execute

ABSENT = "absent"


@pytest.fixture
def variables(spec, tmp_path, monkeypatch):
    """What a run of that function is noted to have read."""
    monkeypatch.setenv("MADE_A", "1")
    monkeypatch.delenv("MADE_B", raising=False)
    watch_imports().stop()  # a new session

    def read(function, **words):
        result = execute(spec(function, root=tmp_path, **words))
        assert result.failure is None, result.failure
        return dict(result.record.variables)

    return read


def returning(read):
    """A training function that reads."""
    return lambda run: (read() and {"a": 1.0}) or {"a": 2.0}


@pytest.mark.parametrize(
    "read",
    [
        lambda: os.environ["MADE_A"],
        lambda: os.environ.get("MADE_A"),
        lambda: os.getenv("MADE_A", "0"),
        lambda: "MADE_A" in os.environ,
        lambda: os.environb[b"MADE_A"],
        lambda: os.environ.pop("MADE_A"),
        lambda: os.environ.setdefault("MADE_A", "2"),
        lambda: [os.environ[name] for name in ("MADE_A",)],
        lambda: eval("os.environ['MADE_A']", {"os": os}),
    ],
    ids=["item", "get", "getenv", "in", "bytes", "pop", "setdefault", "comprehension", "eval"],
)
def test_every_way_to_ask_for_a_variable_is_heard(variables, read):
    assert variables(returning(read)) == {"MADE_A": trace("MADE_A", "1")}


def test_that_a_variable_is_not_there_is_noted_too(variables):
    assert variables(returning(lambda: os.environ.get("MADE_B"))) == {"MADE_B": ABSENT}


@pytest.mark.parametrize(
    "read",
    [
        lambda: {**os.environ, "X": "1"},
        lambda: dict(os.environ),
        lambda: os.environ.copy(),
        lambda: sorted(os.environ.items()),
        lambda: [os.environ[name] for name in os.environ],
        lambda: os.path.expanduser("~"),  # noqa: PTH111
    ],
    ids=["merged", "dict", "copy", "items", "by name", "expanduser"],
)
def test_copies_for_child_processes_and_what_libraries_ask_for_are_not_noted(variables, read):
    assert variables(returning(read)) == {}


def test_what_a_run_sets_itself_is_noted_as_it_was_before(variables):
    def train(run):
        os.environ["MADE_B"] = "7"
        return {"a": float(os.environ["MADE_B"])}

    assert variables(train) == {"MADE_B": ABSENT}


def test_what_the_key_tells_of_is_not_noted_again(variables):
    def train(run):
        return {"a": float(os.environ["MADE_B"]) + float(os.environ["OMP_NUM_THREADS"])}

    assert variables(train, env={"MADE_B": "3"}) == {}
    assert "MADE_B" not in os.environ


def test_of_a_secret_only_that_it_is_there_is_noted(variables, monkeypatch):
    monkeypatch.setenv("MADE_API_TOKEN", "hunter2hunter2")
    assert variables(returning(lambda: os.environ["MADE_API_TOKEN"])) == {"MADE_API_TOKEN": "set"}


def test_no_value_is_noted_anywhere(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("MADE_DSN", "postgres://me:hunter2hunter2@db")
    result = execute(spec(returning(lambda: os.environ["MADE_DSN"]), root=tmp_path))
    assert "MADE_DSN" in result.record.variables
    assert "hunter2" not in repr(result)


def test_what_a_module_asks_for_when_a_run_imports_it_counts_for_later_runs_too(
    variables, tmp_path, monkeypatch
):
    (tmp_path / "made_module.py").write_text("import os\nRATE = os.environ.get('MADE_A')\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def train(run):
        import made_module

        return {"a": float(made_module.RATE)}

    try:
        first, second = variables(train), variables(train, seed=1)
    finally:
        sys.modules.pop("made_module", None)
    assert first == second == {"MADE_A": trace("MADE_A", "1")}


def test_reading_is_as_before_afterwards(variables):
    before = type(os.environ).__getitem__, type(os.environ).__iter__
    variables(returning(lambda: os.environ["MADE_A"]))
    assert (type(os.environ).__getitem__, type(os.environ).__iter__) == before


def test_variables_of_an_arm_reach_workers_and_children(spec, tmp_path):
    pytest.importorskip("torch")

    class Samples:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return float(os.environ["MADE_C"])

    def train(run):
        child = subprocess.run("echo $MADE_C", shell=True, capture_output=True, text=True, check=True).stdout
        (batch,) = run.loader(Samples(), batch_size=2, workers=1)
        return {"worker": batch.mean(), "child": float(child), "here": float(os.environ["MADE_C"])}

    result = execute(spec(train, root=tmp_path, env={"MADE_C": "0.25"}))
    assert [result.metrics[name] for name in ("worker", "child", "here")] == [0.25] * 3
    assert "MADE_C" not in os.environ
