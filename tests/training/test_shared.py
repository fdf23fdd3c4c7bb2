"""State outside the training function: every run starts with what the modules held, as in a process of its own."""

import functools
import logging

import numpy as np
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
