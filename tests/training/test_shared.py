"""State outside the training function: every run starts with what the modules held, as in a process of its own."""

import functools
import importlib
import logging
import os
import pathlib
import random
import sys
from collections import defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

HISTORY = []
COUNT = 0
OPTIONS = {"lr": 0.1, "betas": [0.9, 0.99]}
MEAN = torch.zeros(3)
CENTRES = np.zeros(3)
NETS = {}
LOG = logging.getLogger("tests.training.shared")


class Meter:
    """An object of the user's own."""

    def __init__(self):
        self.total = 0.0
        self.seen = []


METER = Meter()


def appends(run):
    HISTORY.append(run.seed)
    return {"length": len(HISTORY)}


def test_a_list_of_the_module_is_put_back(train):
    assert [train(appends, seed=seed).metrics["length"] for seed in range(3)] == [1, 1, 1]
    assert HISTORY == []


def counts(run):
    global COUNT
    COUNT += 1
    return {"count": COUNT}


def test_a_number_of_the_module_is_put_back(train):
    assert [train(counts, seed=seed).metrics["count"] for seed in range(3)] == [1, 1, 1]


def tunes(run):
    OPTIONS["lr"] *= 0.5
    OPTIONS["betas"].pop()
    OPTIONS["new"] = 1
    return {"lr": OPTIONS["lr"]}


def test_nested_options_are_put_back_as_the_same_objects(train):
    betas = OPTIONS["betas"]
    assert [train(tunes, seed=seed).metrics["lr"] for seed in range(2)] == [0.05, 0.05]
    assert OPTIONS == {"lr": 0.1, "betas": [0.9, 0.99]}
    assert OPTIONS["betas"] is betas


def measures(run):
    METER.total += 1
    METER.seen.append(run.seed)
    return {"total": METER.total}


def test_an_object_of_the_users_own_is_put_back(train):
    assert [train(measures, seed=seed).metrics["total"] for seed in range(2)] == [1.0, 1.0]
    assert METER.seen == []


def test_a_captured_list_is_put_back(train):
    history = []

    def appends_to_captured(run):
        history.append(1)
        return {"length": len(history)}

    assert [train(appends_to_captured, seed=seed).metrics["length"] for seed in range(2)] == [1, 1]
    assert history == []


def fails(run):
    HISTORY.append(1)
    raise RuntimeError("loss exploded")


def test_state_is_put_back_after_a_run_that_failed(train):
    assert train(fails).failed
    assert HISTORY == []


@functools.lru_cache
def backbone():
    return torch.nn.Linear(1, 1)


def fine_tunes(run):
    net = backbone()
    before = float(net.weight.detach())
    with torch.no_grad():
        net.weight += 1
    return {"moved": float(net.weight.detach()) - before, "start": before}


def test_a_cached_model_is_made_anew_by_every_run(train):
    first, again = train(fine_tunes, seed=1), train(fine_tunes, seed=1)
    assert first.metrics["start"] == again.metrics["start"]


def memoises(run):
    if "net" not in NETS:
        NETS["net"] = torch.nn.Linear(1, 1)
    return {"weight": float(NETS["net"].weight.detach())}


def test_a_model_kept_in_a_dict_is_made_anew_by_every_run(train):
    seeds = [train(memoises, seed=seed).metrics["weight"] for seed in (1, 2, 1)]
    assert seeds[0] == seeds[2] != seeds[1]


def changes_a_tensor(run):
    MEAN.add_(1.0)
    return {"mean": float(MEAN.sum())}


def test_a_tensor_of_the_module_that_a_run_changes_fails_it(train):
    result = train(changes_a_tensor)
    assert result.failed
    assert "MEAN holds a tensor of shape (3,) that was changed in place" in result.failure.message
    assert "x = MEAN.clone()" in result.failure.message


def changes_an_array(run):
    CENTRES[0] = 1.0
    return {"a": 1.0}


def test_an_array_of_the_module_is_read_only_while_a_run_trains(train):
    assert train(changes_an_array).failed
    assert CENTRES[0] == 0.0
    CENTRES[0] = 0.0  # and writeable again


def logs(run):
    LOG.warning("epoch %d", 1)
    return {"a": 1.0}


def test_loggers_of_the_module_are_left_alone(train):
    assert not train(logs).failed


def test_a_model_handed_over_as_data_that_a_run_trains_fails_it(train):
    net = torch.nn.Linear(1, 1)

    def trains(run):
        torch.optim.SGD(run.data.parameters(), lr=0.1).zero_grad()
        with torch.no_grad():
            run.data.weight += 1
        return {"a": 1.0}

    result = train(trains, data=net)
    assert "a weight of shape (1, 1) that was changed in place" in result.failure.message
    assert "copy.deepcopy(run.data)" in result.failure.message


def test_a_frozen_model_handed_over_as_data_goes_back_to_its_mode(train):
    net = torch.nn.Sequential(torch.nn.Linear(1, 1), torch.nn.Dropout())

    def embeds(run):
        model = run.data.eval().requires_grad_(False)
        return {"a": float(model(torch.ones(1, 1)))}

    assert not train(embeds, data=net).failed
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_a_registry_that_an_import_fills_stays_filled(train, tmp_path, monkeypatch):
    (tmp_path / "registered_late.py").write_text(
        "import registry_of_nets\nregistry_of_nets.NETS['a'] = 1.0\n"
    )
    (tmp_path / "registry_of_nets.py").write_text("NETS = {}\n")
    monkeypatch.syspath_prepend(tmp_path)
    import registry_of_nets

    def builds(run):
        import registered_late  # noqa: F401

        return {"a": registry_of_nets.NETS["a"]}

    assert [train(builds, seed=seed).metrics["a"] for seed in range(2)] == [1.0, 1.0]


# --- state that hides: in classes, defaults, namespaces, generators, files


class Trainer:
    """State of the class outlives its runs."""

    steps = 0
    seen = []

    @classmethod
    def fit(cls):
        cls.steps = cls.steps + 1
        cls.seen.append(1)
        cls.extra = getattr(cls, "extra", 0) + 1
        return cls.steps + len(cls.seen) + cls.extra


def remembers(state={"calls": 0}):  # noqa: B006 - that is what is tested
    state["calls"] += 1
    remembers.total = getattr(remembers, "total", 0) + 1
    return state["calls"] + remembers.total


def collects(items, item):
    items.append(item)
    return len(items)


COLLECT = functools.partial(collects, [])
SPACE = SimpleNamespace(count=0, items=[])
NUMPY = np.random.default_rng(0)
PYTHON = random.Random(0)
TORCH = torch.Generator().manual_seed(0)


def counts_in_a_namespace():
    SPACE.count += 1
    SPACE.items.append(1)
    return SPACE.count + len(SPACE.items)


HIDDEN = {
    "class attributes": (lambda run: {"a": Trainer.fit()}, 3),
    "mutable defaults and attributes of a function": (lambda run: {"a": remembers()}, 2),
    "arguments of a partial": (lambda run: {"a": COLLECT(1)}, 1),
    "a namespace": (lambda run: {"a": counts_in_a_namespace()}, 2),
}


@pytest.mark.parametrize(("function", "clean"), HIDDEN.values(), ids=HIDDEN)
def test_state_that_hides_is_put_back(train, function, clean):
    results = [train(function, seed=seed) for seed in range(3)]
    assert [result.metrics.get("a") for result in results] == [clean] * 3


def test_random_generators_of_a_module_do_not_run_on(train):
    def draws(run):
        torch_number = float(torch.randn((), generator=TORCH))
        return {"a": NUMPY.normal(), "b": PYTHON.random(), "c": torch_number}

    first, second = train(draws, seed=0), train(draws, seed=1)
    assert [first.metrics[name] for name in "abc"] == [second.metrics[name] for name in "abc"]


FACTORY = defaultdict(list, a=[1])


def test_a_defaultdict_that_an_import_changes_stays_one(train, tmp_path, monkeypatch):
    (tmp_path / "imported_late_too.py").write_text("X = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    def fills(run):
        import imported_late_too

        FACTORY["b"].append(imported_late_too.X)
        return {"a": 1.0}

    assert not train(fills).failed


def goes_on_from_a_file(run):
    path = pathlib.Path(run.data) / "checkpoint.txt"
    start = int(path.read_text()) if path.exists() else 0
    path.write_text(str(start + 1))
    return {"a": start}


def test_a_checkpoint_that_runs_hand_on_fails_the_one_that_reads_it(train, tmp_path):
    from dataclasses import dataclass

    @dataclass
    class Where:
        path: str

        def __fspath__(self):
            return self.path

    where = Where(str(tmp_path / "work"))
    pathlib.Path(where.path).mkdir()
    first, second = (train(goes_on_from_a_file, seed=s, data=where, root=tmp_path) for s in (0, 1))
    assert not first.failed
    assert "reads 'work/checkpoint.txt' and writes it again" in second.failure.message


# --- leaving the process


def test_os_exit_is_an_exit_like_others(train):
    result = train(lambda run: os._exit(0))
    assert result.failure.kind == "exit"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_the_function_forks_never_comes_back_as_a_second_pytest(train):
    def forks(run):
        child = os.fork()
        if child == 0:
            raise SystemExit(0)
        os.waitpid(child, 0)
        return {"a": 1.0}

    assert train(forks).metrics["a"] == 1.0


@pytest.mark.parametrize(
    "body",
    [
        "import zzz_state; zzz_state.HISTORY.append(1); return {'n': len(zzz_state.HISTORY)}",
        "import zzz_state as state; state.HISTORY.append(1); return {'n': len(state.HISTORY)}",
        "from zzz_state import HISTORY; HISTORY.append(1); return {'n': len(HISTORY)}",
        "from zzz_state import record; return {'n': record()}",
        "import zzz_state; zzz_state.COUNT += 1; return {'n': zzz_state.COUNT}",
    ],
)
def test_state_of_a_module_that_the_function_imports_in_its_body_is_put_back(
    train, tmp_path, monkeypatch, body
):
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("zzz_state.py").write_text(
        "HISTORY = []\nCOUNT = 0\n\ndef record():\n    HISTORY.append(1)\n    return len(HISTORY)\n"
    )
    tmp_path.joinpath("zzz_train.py").write_text(f"def trains(run):\n    {body}\n")
    monkeypatch.delitem(sys.modules, "zzz_state", raising=False)
    monkeypatch.delitem(sys.modules, "zzz_train", raising=False)
    trains = importlib.import_module("zzz_train").trains
    importlib.import_module("zzz_state")
    assert [train(trains, seed=seed).metrics["n"] for seed in range(4)] == [1, 1, 1, 1]
