"""A training run in a child process: the same result as here, from a file to a file, without a pickle."""

import functools
import importlib
import json
import math
import os
import pickle
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from pytest_mlops.claims.ports import Lost
from pytest_mlops.errors import ParameterError, RunError
from pytest_mlops.executors.children import train_in_child
from pytest_mlops.records import Elsewhere, RunResult
from pytest_mlops.training import execute
from pytest_mlops.training.handing import from_json, to_json
from pytest_mlops.training.orders import RESULT, order_of, read_result, write_order, write_result

SOURCE = """
    import enum, os, signal, sys, threading, time
    from dataclasses import dataclass, field
    from helper_of_child import FACTOR

    class Net:
        size = 3

    class Mode(enum.Enum):
        FAST = 1

    @dataclass
    class Options:
        width: int = 1
        more: dict = field(default_factory=dict)

    def load():
        return [1.0, 2.0]

    def train(run, *, lr=0.1, net=Net, mode=Mode.FAST, options=Options()):
        print("hello from", run.seed)
        run.log(0, loss=float("nan"))
        run.artifact("model.txt").write_text("weights")
        run.cases("dice", case=["a", "b", "c"], value=[0.1, run.rng("x").random(), 0.3])
        return {"x": run.rng("init").random() * lr * FACTOR, "size": net.size, "fast": mode is Mode.FAST,
                "width": options.width + sum(options.more.values()), "data": sum(run.data)}

    def broken(run):
        raise RuntimeError("loss exploded")

    def crash(run):
        print("last words", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)

    def leave(run):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)

    def sleep(run):
        time.sleep(600)

    def thread(run):
        threading.Thread(target=time.sleep, args=(600,)).start()
        return {"x": 1.0}

    def secrets(run):
        return {"github": "GITHUB_TOKEN" in os.environ, "own": os.environ.get("OWN") == "1",
                "threads": int(os.environ["OMP_NUM_THREADS"])}

    def where(run):
        return {"factor": FACTOR}

    def reads(run):
        import helper_of_child
        return {"length": len(helper_of_child.TABLE.read_text())}

    def absolute(run):
        import elsewhere_of_child
        return {"x": 1.0}

    def folds(run):
        return {"n": len(run.split(52, folds=5)[0])}

    def make():
        return lambda run: {"x": 1.0}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of a user, imported here as pytest would."""
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    (root / "tests" / "gates_of_child.py").write_text(textwrap.dedent(SOURCE))
    (root / "helper_of_child.py").write_text("FACTOR = 2.0\n")
    monkeypatch.setattr(sys, "path", [str(root), str(root / "tests"), *sys.path])
    monkeypatch.setitem(sys.modules, "gates_of_child", None)
    monkeypatch.setitem(sys.modules, "helper_of_child", None)
    del sys.modules["gates_of_child"], sys.modules["helper_of_child"]
    return importlib.import_module("gates_of_child"), root


@pytest.fixture
def in_child(project, spec):
    """``in_child("train", seed=1, lr=0.2)`` trains a function of the project there."""
    module, root = project

    def train(name, *, timeout=None, declared=module.load, at=None, pointers=(), **words):
        there = (
            Elsewhere(root=at, declared=declared, pointers=frozenset(pointers)) if at is not None else None
        )
        one = replace(spec(getattr(module, name), **words), elsewhere=there)
        return train_in_child(order_of(one, root=root, declared=declared), timeout=timeout)

    return train


def test_its_fold_is_that_of_its_place_and_comes_back_noted(in_child):
    result = in_child("folds", seed=9, index=3, block=6)
    (fold,) = result.splits
    assert (fold.test, fold.fit, fold.fold, fold.is_of(3, 6)) == (10, 42, 3, True)


def test_a_run_in_a_child_is_the_run_that_it_is_here(in_child, project, spec):
    module, root = project
    words = {"seed": 5, "lr": 0.3, "options": module.Options(width=4, more={"a": 1})}
    there = in_child("train", **words)
    here = execute(spec(module.train, root=root, data=module.load(), **words))
    assert isinstance(there, RunResult)
    assert there.failure is here.failure is None
    measured = {"seconds", "peak_memory_mb"}
    assert {k: v for k, v in there.metrics.items() if k not in measured} == {
        k: v for k, v in here.metrics.items() if k not in measured
    }
    assert (there.yes_no, there.cases, there.weights, there.key, there.seed) == (
        here.yes_no,
        here.cases,
        here.weights,
        here.key,
        here.seed,
    )
    assert math.isnan(there.curves["loss"][0][1])
    assert there.output == here.output == "hello from 5\n"
    assert there.record == here.record


def test_first_party_parameters_are_found_by_name(in_child, project):
    found = in_child("train", net=project[0].Net, mode=project[0].Mode.FAST)
    assert (found.metrics["size"], found.metrics["fast"]) == (3, 1)


def test_declared_data_is_loaded_in_the_child(in_child):
    assert in_child("train").metrics["data"] == 3.0


def test_artifacts_lie_where_the_parent_wants_them(in_child, tmp_path):
    in_child("train", artifacts=tmp_path / "kept")
    assert (tmp_path / "kept" / "model.txt").read_text() == "weights"


def test_an_exception_is_a_training_failure_with_its_traceback(in_child):
    found = in_child("broken")
    assert found.failure.message == "RuntimeError: loss exploded"
    assert "gates_of_child.py" in found.failure.traceback
    assert 'child.py", line' not in found.failure.traceback.replace("gates_of_child.py", "")


def test_a_crash_is_a_training_failure_with_its_last_words(in_child):
    found = in_child("crash")
    assert "SIGSEGV" in found.failure.message
    assert "last words" in found.output
    assert found.metrics["failed"] == 1.0


def test_a_time_out_is_a_training_failure(in_child):
    found = in_child("sleep", timeout=2)
    assert found.failure.kind == "time-out"
    assert "within 2s" in found.failure.message


def test_what_people_and_machines_end_is_lost(in_child):
    found = in_child("leave")
    assert isinstance(found, Lost)
    assert "SIGTERM" in found.reason


def test_a_thread_that_is_left_keeps_nobody(in_child):
    assert in_child("thread", timeout=60).metrics["x"] == 1.0


def test_the_environment_has_the_threads_and_no_token_of_the_job(in_child, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    found = in_child("secrets", threads=2, env={"OWN": "1"}).metrics
    assert (found["github"], found["own"], found["threads"]) == (0, 1, 2)


def test_what_cannot_be_found_by_name_is_refused(in_child, project, spec):
    module, root = project
    with pytest.raises(ParameterError, match="top level"):
        order_of(spec(module.make()), root=root)
    with pytest.raises(ParameterError, match="options is"):
        order_of(spec(module.train, options=object()), root=root)


def other_state(root, tmp_path, factor="7.0", helper=True):
    other = tmp_path / "other"
    (other / "tests").mkdir(parents=True)
    (other / "tests" / "gates_of_child.py").write_text((root / "tests" / "gates_of_child.py").read_text())
    if helper:
        (other / "helper_of_child.py").write_text(f"FACTOR = {factor}\n")
    return other


def test_another_state_of_the_project_trains_its_own_modules(in_child, project, tmp_path):
    other = other_state(project[1], tmp_path)
    found = in_child("where", at=other)
    assert found.metrics["factor"] == 7.0
    assert in_child("where").metrics["factor"] == 2.0


def test_a_mixture_of_two_states_is_a_failure(in_child, project, tmp_path):
    # As an editable install does it: the folder of one state is on the path of the other.
    other = other_state(project[1], tmp_path)
    (project[1] / "elsewhere_of_child.py").write_text("")
    (other / "helper_of_child.py").write_text(
        f"import sys; sys.path.append({str(project[1])!r}); FACTOR = 1.0"
    )
    found = in_child("absolute", at=other)
    assert "another state of the project" in found.failure.message


def test_a_pointer_of_git_lfs_is_a_failure(in_child, project, tmp_path):
    other = other_state(project[1], tmp_path)
    (other / "helper_of_child.py").write_text(
        "from pathlib import Path\n\nFACTOR = 7.0\nTABLE = Path(__file__).parent / 'table.csv'\n"
    )
    (other / "table.csv").write_text("version https://git-lfs.github.com/spec/v1\n")
    found = in_child("reads", at=other, pointers=["table.csv"])
    assert "read table.csv" in found.failure.message
    assert "git lfs fetch" in found.failure.message
    assert in_child("reads", at=other).failure is None


def test_a_name_that_the_other_state_lacks_is_a_failure_that_says_so(in_child, project, tmp_path):
    other = other_state(project[1], tmp_path)
    file = other / "tests" / "gates_of_child.py"
    file.write_text(file.read_text().replace("def where", "def elsewhere"))
    assert "where" in in_child("where", at=other).failure.message


def test_the_result_is_written_whole_or_not_at_all(project, spec, tmp_path):
    assert read_result(tmp_path) is None
    (tmp_path / RESULT).write_text('{"format": 1, "result": {"key": 3}}')
    with pytest.raises(RunError, match="broken"):
        read_result(tmp_path)
    (tmp_path / RESULT).write_text('{"format": 1, "resu')
    with pytest.raises(RunError, match="cannot be read"):
        read_result(tmp_path)


def test_nothing_is_a_pickle(project, spec, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a pickle")

    for name in ("dumps", "loads", "dump", "load"):
        monkeypatch.setattr(pickle, name, refuse)
    one = spec(project[0].train, lr=np.float64(0.25), options=project[0].Options(more={"a": np.int64(3)}))
    write_order(tmp_path, order_of(one, root=project[1]))
    write_result(tmp_path, execute(replace(one, data=[1.0])))
    assert json.loads((tmp_path / "spec.json").read_text())["index"] == 0
    assert read_result(tmp_path).metrics["size"] == 3


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.booleans(), inner)
        | st.frozensets(st.integers() | st.text())
        | st.sets(st.integers())
    ),
    max_leaves=20,
)


def same(one, other):
    return repr(one) == repr(other) if not isinstance(one, set | frozenset) else one == other


@given(values)
def test_values_arrive_as_they_left(value):
    there = from_json(json.loads(json.dumps(to_json(value, what="x"))))
    assert there == value
    assert type(there) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6, dtype="float32").reshape(2, 3),
        np.float32(0.1),
        functools.partial(int, base=2),
        Path("conf/a.yaml"),
        float("-inf"),
        dict,
    ],
    ids=str,
)
def test_objects_arrive_as_they_left(value):
    there = from_json(json.loads(json.dumps(to_json(value, what="x"))))
    assert type(there) is type(value)
    if isinstance(value, functools.partial):
        assert there("11") == value("11") == 3
    elif isinstance(value, np.ndarray | np.generic):
        assert there.dtype == value.dtype
        assert np.array_equal(there, value)
    else:
        assert there == value


def test_a_relative_folder_is_meant_where_the_child_starts(project, spec, tmp_path, monkeypatch):
    one = replace(spec(project[0].where), root=project[1])
    write_order(tmp_path, replace(order_of(one, root=project[1]), cwd=str(project[1])))
    monkeypatch.chdir(tmp_path)
    from pytest_mlops.executors.processes import Process

    argv = [sys.executable, "-P", "-m", "pytest_mlops.training.child", "."]
    with Process(argv, cwd=tmp_path, env=dict(os.environ)) as process:
        assert process.wait(60).status == 0
    assert read_result(tmp_path).metrics["factor"] == 2.0
