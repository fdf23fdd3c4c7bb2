"""Whatever a training function does, one result comes back and the process is as before."""

# ruff: noqa: NPY002 - the global generators are what is tested

from __future__ import annotations

import io
import locale
import logging
import math
import os
import random
import signal
import sys
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from pytest_mlops.errors import SettingError


def good(run):
    return {"accuracy": 0.5}


def outside():
    """A place that tests look into after a run: a module of nobody's; a list would be put back to what it held before."""
    place = ModuleType("outside")
    place.seen = []
    return place


def test_metrics_come_back_with_the_built_in_ones(train):
    result = train(good)
    assert result.failure is None
    assert result.metrics["accuracy"] == 0.5
    assert result.metrics["failed"] == 0.0
    assert result.yes_no == {"failed"}
    assert result.metrics["seconds"] >= 0


def test_cpu_has_no_gpu_seconds(train):
    assert "gpu_seconds" not in train(good).metrics


def test_peak_memory_sees_a_big_array(train):
    small = train(good).metrics.get("peak_memory_mb")
    if small is None:
        pytest.skip("this system does not let a process reset its memory peak")

    def big(run):
        return {"sum": float(np.ones(30_000_000).sum())}  # 240 MB

    assert train(big).metrics["peak_memory_mb"] > small + 150
    assert train(good).metrics["peak_memory_mb"] < small + 150


def test_result_names_its_run(train, spec):
    assert train(good, seed=4).key == spec(good, seed=4).key.digest


def test_given_parameters_reach_the_function(train):
    def parameters(run, *, lr=1.0, width=2):
        return {"lr": lr, "width": width}

    assert train(parameters, lr=0.5).metrics["lr"] == 0.5
    assert train(parameters, lr=0.5).metrics["width"] == 2.0


# --- what a function raises


def test_exception_is_a_result_with_the_users_traceback(train):
    def wrong(run):
        raise ValueError("lr is below zero")

    failure = train(wrong).failure
    assert failure.kind == "error"
    assert failure.message == "ValueError: lr is below zero"
    assert "in wrong" in failure.traceback
    assert "training/execute.py" not in failure.traceback.replace(os.sep, "/")


def test_chained_traceback_has_none_of_our_frames(train):
    def wrong(run):
        try:
            run.artifact("..")
        except Exception as error:
            raise KeyError("gone") from error

    failure = train(wrong).failure
    assert "artifacts.py" not in failure.traceback
    assert "direct cause" in failure.traceback


def test_failed_run_keeps_what_it_left(train):
    def wrong(run):
        print("epoch 0")
        run.log(0, loss=1.5)
        raise ValueError("no")

    result = train(wrong)
    assert result.failed
    assert result.metrics["failed"] == 1.0
    assert "seconds" in result.metrics
    assert result.curves == {"loss": ((0.0, 1.5),)}
    assert result.output == "epoch 0\n"


def test_nan_on_seed_three_is_named_and_the_rest_kept(train):
    def diverge(run):
        return {"loss": math.nan if run.seed == 3 else 1.0, "steps": 7}

    assert train(diverge, seed=2).failure is None
    result = train(diverge, seed=3)
    assert result.failure.kind == "not finite"
    assert result.failure.message.startswith("loss is nan")
    assert result.metrics["steps"] == 7.0
    assert "loss" not in result.metrics


@pytest.mark.parametrize("code", [None, 0, 3, "bye"])
def test_sys_exit_is_one_clear_message(train, code):
    failure = train(lambda run: sys.exit(code)).failure
    assert failure.kind == "exit"
    assert "called sys.exit(" in failure.message
    assert "\n" not in failure.message


@pytest.mark.parametrize("outcome", [pytest.skip, pytest.fail, pytest.xfail, pytest.exit])
def test_outcomes_of_pytest_are_failures(train, outcome):
    failure = train(lambda run: outcome("not here")).failure
    assert failure.kind == "error"
    assert "not here" in failure.message


def test_base_exceptions_of_others_are_failures(train):
    class Odd(BaseException):
        def __str__(self):
            raise RuntimeError("no text")

    def odd(run):
        raise Odd

    failure = train(odd).failure
    assert failure.kind == "error"
    assert "Odd" in failure.message


def test_exception_group_is_a_failure(train):
    def group(run):
        raise ExceptionGroup("two", [ValueError("a"), TypeError("b")])

    assert "ValueError: a" in train(group).failure.traceback


def test_endless_recursion_is_a_short_failure(train):
    def deeper(run):
        return deeper(run)

    failure = train(deeper).failure
    assert failure.message.startswith("RecursionError")
    assert len(failure.traceback) < 60_000


def test_huge_exception_message_is_cut(train):
    def wrong(run):
        raise ValueError("x" * 5_000_000)

    failure = train(wrong).failure
    assert len(failure.message) < 2_000
    assert len(failure.traceback) < 60_000


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("no room"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_has_its_kind(train, error):
    def hungry(run):
        raise error

    assert train(hungry).failure.kind == "out of memory"


def test_tensor_too_big_for_the_machine_is_out_of_memory(train):
    def hungry(run):
        return {"x": torch.empty(2**52, dtype=torch.uint8).sum()}

    assert train(hungry).failure.kind == "out of memory"


def test_returning_nothing_is_one_clear_message(train):
    failure = train(lambda run: None).failure
    assert failure.kind == "metrics"
    assert "returned nothing" in failure.message
    assert "\n" not in failure.message


def test_good_metrics_beside_a_bad_one_are_kept(train):
    result = train(lambda run: {"auc": 0.9, "note": "fine"})
    assert result.failure.kind == "metrics"
    assert "'note'" in result.failure.message
    assert result.metrics["auc"] == 0.9


def test_wrong_parameter_is_a_failure(train):
    assert "momentum" in train(good, momentum=0.9).failure.message


def test_device_that_is_not_there_is_a_failure(train):
    if torch.cuda.device_count() > 99:
        pytest.skip("it is there")
    result = train(good, device="cuda:99")
    assert result.failure.kind == "error"
    assert result.metrics["failed"] == 1.0


def test_keyboard_interrupt_goes_on_after_all_is_put_back(train):
    before = sys.stdout, Path.cwd(), dict(os.environ), torch.get_rng_state()

    def interrupted(run):
        os.environ["LEFT"] = "1"
        os.chdir("/")
        torch.manual_seed(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(interrupted)
    assert (sys.stdout, Path.cwd(), dict(os.environ)) == before[:3]
    assert torch.equal(torch.get_rng_state(), before[3])


# --- what a function leaves behind


def test_generators_are_seeded_from_the_seed(train):
    def draw(run):
        return {"a": random.random(), "b": np.random.random(), "c": torch.rand(()).item()}

    first, again, other = train(draw, seed=1), train(draw, seed=1), train(draw, seed=2)
    assert first.metrics["a"] == random.Random(1).random()
    assert first.metrics["c"] == torch.rand((), generator=torch.Generator().manual_seed(1)).item()
    for name in "abc":
        assert first.metrics[name] == again.metrics[name] != other.metrics[name]


def test_function_that_seeds_globals_changes_nothing_outside(train):
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    expected = random.random(), np.random.random(), torch.rand(()).item()
    random.seed(5), np.random.seed(5), torch.manual_seed(5)

    def seeds(run):
        random.seed(0), np.random.seed(0), torch.manual_seed(0)
        return {"a": 1.0}

    train(seeds)
    assert (random.random(), np.random.random(), torch.rand(()).item()) == expected


def test_process_state_is_put_back(train, tmp_path):
    def leave(run):
        os.chdir(tmp_path)
        os.environ["NEW"] = "1"
        os.environ.pop("PATH")
        sys.path.insert(0, "nowhere")
        sys.argv = ["other"]
        sys.setrecursionlimit(5_000)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        locale.setlocale(locale.LC_ALL, "C")
        return {"a": 1.0}

    def state():
        return (
            Path.cwd(),
            dict(os.environ),
            list(sys.path),
            sys.argv,
            sys.getrecursionlimit(),
            signal.getsignal(signal.SIGTERM),
            locale.setlocale(locale.LC_ALL),
        )

    before = state()
    assert not train(leave).failed
    assert state() == before


def test_torch_state_is_put_back(train):
    def leave(run):
        torch.set_default_dtype(torch.float64)
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        torch.set_num_threads(2)
        torch.use_deterministic_algorithms(False)
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.benchmark = True
        torch.autograd.set_detect_anomaly(True)
        return {"a": 1.0}

    def state():
        return (
            torch.get_default_dtype(),
            torch.get_default_device(),
            torch.is_grad_enabled(),
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_float32_matmul_precision(),
            torch.backends.cudnn.benchmark,
            torch.backends.cudnn.deterministic,
            torch.is_anomaly_enabled(),
        )

    before = state()
    result = train(leave)
    assert not result.failed
    assert result.messages == ()
    assert state() == before


def test_tf32_by_its_new_name_is_put_back(train):
    before = torch.backends.cuda.matmul.fp32_precision

    def leave(run):
        torch.backends.cuda.matmul.fp32_precision = "tf32"
        return {"a": 1.0}

    result = train(leave)
    assert result.messages == ()
    assert torch.backends.cuda.matmul.fp32_precision == before


def test_numpy_state_is_put_back(train):
    def leave(run):
        np.seterr(all="raise")
        np.set_printoptions(precision=1)
        return {"a": 1.0}

    before = np.geterr(), np.get_printoptions()
    train(leave)
    assert (np.geterr(), np.get_printoptions()) == before


def test_logging_and_warnings_are_put_back(train):
    named = logging.getLogger("tests.training.kept")

    def leave(run):
        logging.getLogger().setLevel(logging.DEBUG)
        logging.basicConfig()
        logging.disable(logging.CRITICAL)
        named.disabled = True
        named.addHandler(logging.NullHandler())
        warnings.simplefilter("ignore")
        warnings.showwarning = print
        return {"a": 1.0}

    def state():
        return (
            logging.root.level,
            list(logging.root.handlers),
            logging.root.manager.disable,
            named.disabled,
            list(named.handlers),
            list(warnings.filters),
            warnings.showwarning,
        )

    before = state()
    train(leave)
    assert state() == before


def test_figures_of_the_run_are_closed(train, monkeypatch):
    class Pyplot:
        open = [1]

        def get_fignums(self):
            return self.open

        def close(self, number):
            self.open.remove(number)

    pyplot = Pyplot()
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)

    def plot(run):
        pyplot.open += [2, 3]
        return {"a": 1.0}

    train(plot)
    assert pyplot.open == [1]


def test_state_that_cannot_be_put_back_is_a_message(train, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    result = train(lambda run: {"a": float(gone.rmdir() is None)})
    assert result.metrics["a"] == 1.0
    assert "could not put back folder" in result.messages[0]


def test_threads_and_determinism_hold_in_the_run(train):
    from threadpoolctl import threadpool_info

    def look(run):
        pools = [pool["num_threads"] for pool in threadpool_info()]
        return {
            "torch": torch.get_num_threads(),
            "pools": max(pools, default=1),
            "env": int(os.environ["OMP_NUM_THREADS"]),
            "deterministic": torch.are_deterministic_algorithms_enabled(),
        }

    one = train(look, threads=1).metrics
    assert (one["torch"], one["pools"], one["env"], one["deterministic"]) == (1, 1, 1, 1)
    assert train(look, threads=2, deterministic=False).metrics["torch"] == 2
    assert train(look, threads=2, deterministic=False).metrics["deterministic"] == 0


def test_command_line_of_pytest_is_not_seen(train):
    assert train(lambda run: {"n": len(sys.argv)}).metrics["n"] == 1


def test_keras_and_tensorflow_are_seeded_when_loaded(train, monkeypatch):
    seeds = []

    class Backend:
        @staticmethod
        def set_random_seed(seed):
            seeds.append(seed)

        set_seed = set_random_seed

    class Module:
        utils = random = Backend

    monkeypatch.setitem(sys.modules, "keras", Module)
    monkeypatch.setitem(sys.modules, "tensorflow", Module)
    train(good, seed=9)
    assert seeds == [9, 9]


def test_every_run_compiles_as_if_it_were_the_first(train):
    compiled = outside()

    def backend(graph, inputs):
        compiled.seen.append(1)
        return graph.forward

    def compiles(run, width):
        layer = torch.compile(torch.nn.Linear(width, 1), backend=backend)
        return {"out": float(layer(torch.ones(1, width)).sum())}

    # torch gives up on a class after eight variants, unless it is told to forget them.
    for width in range(1, 12):
        assert train(compiles, width=width).failure is None
    assert len(compiled.seen) == 11


# --- identity


def test_two_runs_of_one_seed_are_bit_identical(train, fit_digits):
    first, again, other = (train(fit_digits, seed=s, amp="bf16") for s in (1, 1, 2))
    assert first.failure is None
    assert first.weights == again.weights != other.weights
    assert first.curves == again.curves
    assert first.metrics["loss"] == again.metrics["loss"]


def test_one_changed_parameter_changes_the_digest(train, fit_digits):
    assert train(fit_digits, lr=0.1).weights != train(fit_digits, lr=0.1001).weights


def test_run_without_models_has_no_digest(train):
    assert train(good).weights is None


def test_failed_run_has_no_digest(train):
    def wrong(run):
        run.init(torch.nn.Linear(2, 2))

    assert train(wrong).weights is None


def test_buffers_metrics_and_curves_are_in_the_digest(train):
    def base(run, *, buffer=0.0, metric=0.0, curve=0.0):
        model = run.init(torch.nn.BatchNorm1d(2))
        model.running_mean += buffer
        run.log(0, x=curve)
        return {"m": metric}

    digests = {train(base, **{name: 1.0}).weights for name in ("buffer", "metric", "curve")}
    assert len(digests | {train(base).weights}) == 4


def test_many_models_do_not_stay_in_memory_and_all_count(train):
    import gc
    import weakref

    models = []

    def folds(run, *, first=0.0):
        for fold in range(12):
            model = run.init(torch.nn.Linear(2, 2))
            if fold == 0:
                torch.nn.init.constant_(model.bias, first)
            models.append(weakref.ref(model))
            del model
        gc.collect()
        return {"alive": sum(ref() is not None for ref in models[-12:])}

    one = train(folds)
    assert one.metrics["alive"] <= 5
    assert one.weights == train(folds).weights != train(folds, first=1.0).weights


def test_sparse_parameters_give_no_digest(train):
    def sparse(run):
        model = torch.nn.Module()
        model.register_buffer("s", torch.eye(2).to_sparse())
        run.init(model)
        return {"a": 1.0}

    assert train(sparse).weights is None


# --- output


def test_print_warnings_and_logging_are_kept_in_order(train):
    def chatty(run):
        print("one")
        warnings.warn("two", stacklevel=1)
        logging.getLogger("mine").warning("three %d", 3)
        print("four", file=sys.stderr)
        sys.stdout.buffer.write("fünf\n".encode())
        return {"a": 1.0}

    output = train(chatty).output
    places = [
        output.index(word) for word in ("one", "UserWarning: two", "WARNING mine: three 3", "four", "fünf")
    ]
    assert places == sorted(places)


def test_a_warning_is_shown_once_a_location_and_never_raised(train):
    def warn(run):
        for _ in range(100):
            warnings.warn("again", DeprecationWarning, stacklevel=1)
            with warnings.catch_warnings():  # empties the register of what was shown
                warnings.simplefilter("default")
        return {"a": 1.0}

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = train(warn)
    assert result.failure is None
    assert result.output.count("again") == 2  # the message and its line of source


def test_basic_config_of_the_run_works(train):
    def configure(run):
        logging.basicConfig(level=logging.INFO, format="mine %(message)s")
        logging.getLogger("x").info("hello")
        return {"a": 1.0}

    assert "mine hello" in train(configure).output


def test_handler_made_at_import_is_led_to_the_run(train, capsys):
    logger = logging.getLogger("tests.training.imported")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    try:
        result = train(lambda run: {"a": float(logger.warning("seen") is None)})
        assert handler.stream is sys.stderr
    finally:
        logger.removeHandler(handler)
    assert "seen" in result.output
    assert capsys.readouterr().err == ""


def test_output_above_a_megabyte_keeps_both_ends(train):
    def chatty(run):
        print("begin")
        for i in range(30_000):
            print("x" * 99, i)
        print("end")
        return {"a": 1.0}

    output = train(chatty).output
    assert len(output.encode()) <= 1_000_000
    assert output.startswith("begin\n")
    assert output.endswith("end\n")
    assert "bytes of output cut" in output


def test_200_megabytes_do_not_stay_in_memory(train):
    import tracemalloc

    def chatty(run):
        line = "y" * 1_000_000
        for _ in range(200):
            print(line)
        return {"a": 1.0}

    tracemalloc.start()
    try:
        output = train(chatty).output
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(output) <= 1_000_000
    assert peak < 20_000_000


def test_cut_inside_a_character_leaves_valid_text(train):
    output = train(lambda run: {"a": float(print("é€😀" * 300_000) is None)}).output
    assert len(output.encode("utf-8")) <= 1_000_000


def test_lone_surrogates_and_nul_can_be_stored(train):
    result = train(lambda run: {"a": float(print("\udcff \0") is None)})
    assert "\0" not in result.output
    result.output.encode("utf-8")


@pytest.mark.parametrize("deed", ["del", "close", "none", "wrap", "detach"])
def test_function_that_breaks_stdout_loses_nothing(train, deed, capsys):
    def hostile(run):
        print("before")
        if deed == "del":
            del sys.stdout
        elif deed == "close":
            sys.stdout.close()
            print("after")
        elif deed == "none":
            sys.stdout = None
        elif deed == "wrap":
            sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")
            sys.stdout.write("in a buffer")
        else:
            sys.stdout.detach()
        return {"a": 1.0}

    before = sys.stdout
    result = train(hostile)
    assert sys.stdout is before
    print("still here")
    assert capsys.readouterr().out == "still here\n"
    assert result.output.startswith("before\n")
    assert ("in a buffer" in result.output) == (deed == "wrap")
    assert result.failed == (deed == "detach")


def test_process_without_standard_streams_can_train(train, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    result = train(lambda run: {"a": float(print("x") is None)})
    assert result.output == "x\n"
    assert sys.stdout is None


def test_echo_gets_a_live_copy(train):
    echo = io.StringIO()
    heard = outside()

    def chatty(run):
        print("live")
        heard.seen.append(echo.getvalue())
        return {"a": 1.0}

    train(chatty, echo=echo)
    assert heard.seen == ["live\n"]


def test_broken_echo_does_not_touch_the_run(train):
    echo = io.StringIO()
    echo.close()
    result = train(lambda run: {"a": float(print("x") is None)}, echo=echo)
    assert result.output == "x\n"
    assert not result.failed


def test_thread_that_outlives_its_run_writes_elsewhere(train, capsys):
    import threading

    go = threading.Event()
    started = outside()

    def leave(run):
        stream = sys.stdout
        thread = threading.Thread(target=lambda: (go.wait(10), stream.write("late")))
        thread.start()
        started.seen.append(thread)
        return {"a": 1.0}

    result = train(leave)
    go.set()
    started.seen[0].join()
    assert result.output == ""
    assert capsys.readouterr().out == "late"


def test_log_handler_made_in_a_run_follows_the_next_run(train):
    logger = logging.getLogger("tests.training.outlives")
    made = outside()

    def first(run):
        made.seen.append(logging.StreamHandler(sys.stderr))
        return {"a": 1.0}

    train(first)

    def second(run):
        logger.addHandler(made.seen[0])
        logger.warning("in the second")
        return {"a": 1.0}

    assert train(second).output == "in the second\n"


def test_run_may_start_processes_with_our_stdout(train, capfd):
    import subprocess

    def shell(run):
        subprocess.run([sys.executable, "-c", "print('child')"], stdout=sys.stdout, check=True)
        return {"a": 1.0}

    assert train(shell).failure is None


def test_seconds_exclude_what_comes_around(train, monkeypatch):
    clock = iter([10.0, 10.0, 12.5, 99.0, 99.0])
    monkeypatch.setattr("pytest_mlops.training.meter.perf_counter", lambda: next(clock))
    assert train(good).metrics["seconds"] == 2.5


# --- declared data


def test_arrays_are_read_only_in_the_run_only(train):
    data = {"x": [np.zeros(3), np.ones(3)[1:]]}

    def write(run):
        run.data["x"][0][0] = 1.0
        return {"a": 1.0}

    result = train(write, data=data)
    assert result.failure.kind == "error"
    assert "copy it first" in result.failure.message
    assert data["x"][0].tolist() == [0.0, 0.0, 0.0]
    assert all(array.flags.writeable for array in data["x"])


def test_base_and_view_are_both_writeable_again(train):
    base = np.zeros(4)
    data = (base[:2], base)
    train(good, data=data)
    assert all(array.flags.writeable for array in data)


def test_tensor_changed_in_place_fails_this_run_and_the_next(train):
    data = (torch.zeros(3), torch.zeros(3))

    def write(run):
        run.data[0].add_(1)
        return {"a": 1.0}

    result = train(write, data=data)
    assert result.failure.kind == "error"
    assert "DataError" in result.failure.message
    assert "clone" in result.failure.message.lower()
    assert "earlier training run" in train(good, data=data).failure.message


def test_array_changed_past_its_flag_is_noticed(train):
    data = np.zeros(3)

    def write(run):
        torch.from_numpy(run.data).add_(1)
        return {"a": 1.0}

    assert "DataError" in train(write, data=data).failure.message


def test_dataset_with_tensors_is_watched(train):
    data = torch.utils.data.TensorDataset(torch.zeros(3, 2))

    def write(run):
        run.data.tensors[0].zero_()
        return {"a": 1.0}

    assert "DataError" in train(write, data=data).failure.message


def test_sparse_and_device_tensors_are_watched_by_version(train):
    data = {
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.zeros(3, device="meta"),
        "half": torch.zeros(3).bfloat16(),
    }
    assert not train(good, data=data).failed

    def write(run):
        run.data["meta"].add_(1)
        return {"a": 1.0}

    assert "DataError" in train(write, data=data).failure.message


def test_arrays_in_dataclasses_and_strings_are_no_trouble(train):
    from dataclasses import dataclass

    @dataclass
    class Data:
        x: np.ndarray
        names: list[str]

    data = Data(x=np.array(["a", None], dtype=object), names=["a", "b"])
    assert not train(good, data=data).failed
    assert not train(good, data="a/path").failed
    assert data.x.flags.writeable


def test_data_that_is_only_read_passes_every_time(train):
    data = {"x": np.arange(6.0), "t": torch.arange(6.0), "path": "a/b"}

    def read(run):
        return {"sum": run.data["x"].sum() + run.data["t"].sum()}

    assert [train(read, data=data).metrics["sum"] for _ in range(3)] == [30.0] * 3


def test_unknown_place_is_a_setting_error():
    from pytest_mlops.training import resolve_place

    with pytest.raises(SettingError, match="this machine has cpu"):
        resolve_place("cuda:77", "auto")


# --- interruptions


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_a_handler_of_a_signal_raises_is_no_result_of_the_training(train, wrapped):
    # As pytest-timeout does: the time of one test must not become a failed training run in the store.
    def out_of_time(number, frame):
        pytest.fail("Timeout (>5.0s) from pytest-timeout.")

    def long(run):
        try:
            signal.raise_signal(signal.SIGALRM)
        except BaseException as error:
            if not wrapped:
                raise
            raise RuntimeError("a worker died") from error

    before = signal.signal(signal.SIGALRM, out_of_time)
    try:
        with pytest.raises(pytest.fail.Exception, match="Timeout"):
            train(long)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert signal.getsignal(signal.SIGALRM) is before


def test_what_a_handler_of_the_function_raises_is_its_failure(train):
    def out_of_time(number, frame):
        raise TimeoutError("too slow")

    def long(run):
        signal.signal(signal.SIGALRM, out_of_time)
        signal.raise_signal(signal.SIGALRM)

    assert train(long).failure.message == "TimeoutError: too slow"
