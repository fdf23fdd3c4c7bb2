"""What can be claimed, what is refused, and how a claim reads."""

from dataclasses import dataclass
from enum import Enum
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.claims.arms import Arms
from pytest_mlops.errors import ClaimError, DataError, MarginError, MetricError, NotBuiltError, ParameterError

arm = Arms()
WIDTH = 3


def train(run, *, lr=1e-3, net=None, data=None):
    return {"auc": 0.9, "lr": lr, "width": WIDTH}


def other(run, lr):
    return {"auc": 0.8}


candidate = arm(train, lr=0.1)
baseline = arm(train)


# --- arms are values


def test_a_default_given_is_the_same_arm():
    assert arm(train, lr=1e-3) == baseline
    assert hash(arm(train, lr=1e-3)) == hash(baseline)


@pytest.mark.parametrize(
    "different",
    [arm(train, lr=1), arm(other, lr=1e-3), arm(train).using(seeds=[1]), arm(train).using(amp="off")],
)
def test_what_differs_is_another_arm(different):
    assert different != baseline


@pytest.mark.parametrize(
    ("one", "two"), [(1, 1.0), (1, True), (0.0, -0.0), ("1", 1), ([1], (1,)), (None, "None"), ({1}, {2})]
)
def test_values_that_python_calls_equal_are_kept_apart(one, two):
    assert arm(train, net=one) != arm(train, net=two)


def test_given_parameters_are_kept_apart_from_bound_ones():
    assert dict(candidate.source.given) == {"lr": 0.1}
    assert dict(candidate.source.bound) == {"lr": 0.1, "net": None, "data": None}


def test_our_words_and_the_users_never_collide():
    mixed = arm(train, data="theirs").using(data=__file__)
    assert mixed.source.given == {"data": "theirs"}
    assert str(mixed.uses.data) == __file__


def test_using_makes_a_new_arm_and_keeps_what_was_used():
    once = baseline.using(seeds=[3, 4])
    twice = once.using(amp="off")
    assert baseline.uses.seeds is None
    assert (twice.uses.seeds, twice.uses.amp) == ((3, 4), "off")


def helper(x):
    return x + WIDTH


@dataclass
class Options:
    depth: int = 2


class Color(Enum):
    RED = 1
    BLUE = 2


class Net:
    pass


FIRST_PARTY = [
    helper,
    Net,
    partial(helper, 2),
    Options(3),
    Color.RED,
    lambda x: x,
    [helper, Net],
    {"net": Net},
]


@pytest.mark.parametrize("value", FIRST_PARTY, ids=lambda value: type(value).__name__)
def test_first_party_code_is_a_legal_parameter(value):
    assert arm(train, net=value) == arm(train, net=value)
    assert arm(train, net=value) != baseline


def test_code_parameters_differ_by_their_code():
    assert arm(train, net=Options(3)) != arm(train, net=Options(4))
    assert arm(train, net=Color.RED) != arm(train, net=Color.BLUE)
    assert arm(train, net=partial(helper, 2)) != arm(train, net=partial(helper, 3))
    assert arm(train, net=lambda x: x + 1) != arm(train, net=lambda x: x + 2)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=8,
    )
)
def test_equal_values_make_equal_arms(value):
    import copy

    assert arm(train, net=value) == arm(train, net=copy.deepcopy(value))


# --- refusals of arms show the rewrite


def test_a_parameter_without_its_name_is_refused():
    with pytest.raises(ParameterError, match="parameters go by name"):
        arm(train, 1e-3)


def test_a_function_whose_first_parameter_is_no_run_is_refused():
    def no_run(lr=1e-3, width=32):
        return {}

    with pytest.raises(ParameterError, match=r"first parameter receives the run, and 'lr'"):
        arm(no_run, width=64)


class Trainer:
    """A trainer with state."""

    def __init__(self):
        self.handle = object()

    def fit(self, run):
        return {}


@pytest.mark.parametrize(
    "method", [lambda: Trainer().fit, lambda: Trainer.fit], ids=["bound", "of the class"]
)
def test_a_method_of_a_trainer_is_refused_at_the_door_with_the_rewrite(method):
    with pytest.raises(ParameterError, match=r"return Trainer\(width\).fit\(run\)"):
        arm(method())


@pytest.mark.parametrize("data", ["", "  ", "a\0b"])
def test_a_path_that_is_none_is_refused(data):
    with pytest.raises(DataError, match="no path"):
        arm(train).using(data=data)


def test_a_module_instance_is_refused_with_the_rewrite():
    torch = pytest.importorskip("torch")
    with pytest.raises(ParameterError, match=r"arm\(..., net=Linear\)"):
        arm(train, net=torch.nn.Linear(2, 2))


def test_an_optimizer_instance_is_refused():
    torch = pytest.importorskip("torch")
    with pytest.raises(ParameterError, match="Pass its class"):
        arm(train, net=torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1))


def test_a_random_generator_is_refused():
    with pytest.raises(ParameterError, match=r"run\.rng"):
        arm(train, net=np.random.default_rng(0))


def test_a_large_array_is_data_not_a_parameter():
    with pytest.raises(ParameterError, match=r"using\(data=load\)"):
        arm(train, net=np.zeros(2_000_000))


def test_a_small_array_is_keyed_by_content():
    assert arm(train, net=np.zeros(3)) == arm(train, net=np.zeros(3))
    assert arm(train, net=np.zeros(3)) != arm(train, net=np.zeros(3, dtype=np.float32))


def test_an_object_without_a_key_is_refused():
    with pytest.raises(ParameterError, match="has no key"):
        arm(train, net=object())


def test_a_container_that_contains_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(ParameterError, match="contains itself"):
        arm(train, net=endless)


def test_a_path_below_pytests_temporary_folders_is_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"run\.artifact"):
        arm(train, net=tmp_path / "model.pt")


def test_a_model_captured_from_outside_is_refused():
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(2, 2)

    def shared(run):
        return {"auc": float(model.weight.sum())}

    with pytest.raises(ParameterError, match="made outside it"):
        _ = arm(shared)["auc"] > 0.5


def test_a_loss_without_weights_may_be_shared():
    torch = pytest.importorskip("torch")
    loss = torch.nn.CrossEntropyLoss()

    def uses_loss(run):
        return {"auc": loss is not None}

    assert arm(uses_loss) == arm(uses_loss)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: arm(train, learning_rate=1), "no parameter 'learning_rate'"),
        (lambda: arm(train, nett=1), "Did you mean 'net'"),
        (lambda: arm(other), "missing a required argument: 'lr'"),
        (lambda: arm(lambda: 1), "takes no run"),
        (lambda: arm(3), "expected a training function"),
        (lambda: arm(Net), "expected a training function"),
        (lambda: arm(baseline), "not an arm"),
        (lambda: arm(other, lr=1, seeds=[1]), r"using\(seeds=\.\.\.\)"),
        (lambda: baseline.using(seeds=[]), "at least one seed"),
        (lambda: baseline.using(seeds=[1, 1]), "only once"),
        (lambda: baseline.using(seeds=[-1]), "is no seed"),
        (lambda: baseline.using(seeds=[True]), "is no seed"),
        (lambda: baseline.using(seeds=3), "list of whole numbers"),
    ],
)
def test_a_wrong_arm_is_refused_at_the_door(call, says):
    with pytest.raises(ParameterError, match=says):
        call()


@pytest.mark.parametrize("data", [3, np.zeros(3), lambda: 1, Net().__init__])
def test_what_is_no_data_declaration_is_refused(data):
    with pytest.raises(DataError, match="data="):
        baseline.using(data=data)


def test_words_of_later_versions_are_refused_by_name():
    with pytest.raises(NotBuiltError, match=r"using\(gpus"):
        baseline.using(gpus=4)


# --- recorded results


def test_recorded_results_are_an_arm():
    assert arm.recorded({"loss": [1, 2]}) == arm.recorded({"loss": [1.0, 2.0]})
    assert arm.recorded({"loss": [1.0, 2.0]}) != arm.recorded({"loss": [2.0, 1.0]})


@pytest.mark.parametrize(
    "metrics",
    [
        {},
        [],
        {"a": []},
        {"a": [1], "b": [1, 2]},
        {"a": "12"},
        {"a": ["x"]},
        {"a": [None]},
        {"a": [1j]},
        {"a": {0.8, 0.9}},
        {"a": {0: 0.8, 1: 0.9}},
        {"": [1]},
        {"a*": [1]},
        {3: [1]},
    ],
)
def test_broken_recordings_are_refused(metrics):
    with pytest.raises(MetricError):
        arm.recorded(metrics)


def test_recorded_bools_among_numbers_are_a_rate_too():
    assert arm.recorded({"ok": [True, 1, 0.0]}).source.yes_no == {"ok"}


def test_a_recorded_arm_uses_nothing():
    with pytest.raises(ParameterError, match="not trained"):
        arm.recorded({"a": [1]}).using(device="cpu")


# --- claims read as they were written


def test_a_claim_reads_as_it_stands_in_the_test():
    claim = candidate["auc"] > baseline["auc"] + 0.005
    assert claim.statement == 'candidate["auc"] > baseline["auc"] + 0.005'


def test_an_arm_without_a_name_reads_as_its_call():
    claim = arm(train, lr=0.5)["auc"] > 0.9
    assert claim.statement == 'train(lr=0.5)["auc"] > 0.9'


CLAIMS = [
    (lambda: candidate["auc"] > baseline["auc"], "superior", 0.0),
    (lambda: baseline["auc"] < candidate["auc"], "superior", 0.0),
    (lambda: candidate["auc"] > baseline["auc"] + 0.01, "superior by a margin", 0.01),
    (lambda: candidate["auc"] - baseline["auc"] > 0.01, "superior by a margin", 0.01),
    (lambda: candidate["loss"] < baseline["loss"] - 0.1, "superior by a margin", -0.1),
    (lambda: candidate["auc"] > baseline["auc"] - 0.005, "non-inferior", -0.005),
    (lambda: candidate["loss"] < baseline["loss"] + 0.1, "non-inferior", 0.1),
    (lambda: candidate["auc"] > 0.9, "above a bar", 0.9),
    (lambda: candidate["auc"] > 0.9, "above a bar", 0.9),
    (lambda: np.float64(0.9) < candidate["auc"], "above a bar", 0.9),
    (lambda: candidate["loss"] < 0.3, "below a bar", 0.3),
    (lambda: candidate["a"] + candidate["b"] > baseline["a"] + baseline["b"], "superior", 0.0),
    (lambda: (candidate["a"] + candidate["b"]) / 2 > baseline["a"] + 0.01, "superior by a margin", 0.01),
    (lambda: 2 * candidate["auc"] - 1 > 0.8, "above a bar", 1.8),
    (lambda: candidate["train"] - candidate["test"] < 0.05, "below a bar", 0.05),
    (lambda: candidate["new"] > candidate["old"], "superior", 0.0),
    (lambda: candidate["auc"] > baseline["auc"] * 1.01, "by a ratio", 0.0),
    (lambda: candidate["loss"] * 1.1 < baseline["loss"], "by a ratio", 0.0),
    (lambda: candidate["auc"] == pytest.approx(baseline["auc"], abs=0.005), "equivalent", 0.0),
    (lambda: candidate["auc"] == pytest.approx(baseline["auc"] + 0.01, abs=0.005), "equivalent", 0.01),
    (lambda: candidate["auc"] == pytest.approx(baseline["auc"], rel=0.02), "equivalent", 0.0),
    (lambda: candidate["auc"] == pytest.approx(0.9, abs=0.01), "equivalent to a bar", 0.9),
]


@pytest.mark.parametrize(("claim", "kind", "margin"), CLAIMS)
def test_a_comparison_makes_a_claim_of_its_kind(claim, kind, margin):
    made = claim()
    assert made.kind == kind
    assert made.margin == pytest.approx(margin, abs=1e-12)


def test_an_equivalence_reads_with_its_margin():
    claim = candidate["auc"] == pytest.approx(baseline["auc"], abs=0.005)
    assert claim.statement == 'candidate["auc"] == approx(baseline["auc"], abs=0.005)'


def test_stating_a_claim_trains_nothing_and_asking_outside_a_gate_is_refused():
    claim = candidate["auc"] > baseline["auc"]
    with pytest.raises(ClaimError, match="inside a gate"):
        bool(claim)


# --- refusals of expressions say what to write instead

REFUSED = [
    (lambda: candidate["auc"] >= baseline["auc"], ClaimError, "strict claims"),
    (lambda: candidate["auc"] <= 0.9, ClaimError, "strict claims"),
    (lambda: candidate["auc"] == baseline["auc"], ClaimError, "closer than a margin"),
    (lambda: candidate["auc"] == 0.9, ClaimError, "closer than a margin"),
    (lambda: candidate["auc"] != baseline["auc"], ClaimError, "different by how much"),
    (lambda: candidate["auc"] == pytest.approx(0.9), MarginError, "not a margin anybody chose"),
    (lambda: candidate["auc"] == pytest.approx(baseline["auc"]), MarginError, "one of abs= and rel="),
    (
        lambda: candidate["auc"] == pytest.approx(baseline["auc"], abs=0.005, rel=0.01),
        MarginError,
        "larger of the two",
    ),
    (lambda: candidate["auc"] == pytest.approx(baseline["auc"], abs=0.0), MarginError, "above 0"),
    (lambda: candidate["auc"] == pytest.approx(baseline["auc"], rel=1.0), MarginError, "between 0 and 1"),
    (lambda: candidate["auc"] == pytest.approx([0.9], abs=0.1), ClaimError, "expected a number"),
    (lambda: candidate["auc"] > pytest.approx(0.9), MarginError, "no meaning"),
    (lambda: abs(candidate["auc"] - baseline["auc"]) < 0.01, ClaimError, "shows nothing"),
    (lambda: candidate["auc"] / baseline["auc"] > 1.01, ClaimError, "ratio of metrics"),
    (lambda: 1 / baseline["auc"] > 1.01, ClaimError, "ratio of metrics"),
    (lambda: candidate["auc"] * baseline["auc"] > 1, ClaimError, "products of metrics"),
    (lambda: candidate["auc"] / 0 > 1, ClaimError, "/ 0"),
    (lambda: candidate["auc"] > candidate["auc"] - 0.01, ClaimError, "same metric of the same arm"),
    (lambda: arm(train)["auc"] > arm(train, lr=1e-3)["auc"], ClaimError, "Did a parameter get lost"),
    (lambda: candidate["auc"] > float("nan"), ClaimError, "finite"),
    (lambda: candidate["auc"] > float("inf"), ClaimError, "finite"),
    (lambda: candidate["auc"] > True, ClaimError, "expected a number"),
    (lambda: candidate["auc"] > "0.9", ClaimError, "expected a number"),
    (lambda: candidate["auc"] > None, ClaimError, "expected a number"),
    (lambda: candidate["auc"] > baseline, ClaimError, "Name one"),
    (lambda: candidate["auc"] + [1], ClaimError, "expected a number"),
    (lambda: bool(candidate["auc"]), ClaimError, "not a claim"),
    (lambda: bool(candidate), ClaimError, "An arm is no claim"),
    (lambda: float(candidate["auc"]), ClaimError, "one number a seed"),
    (lambda: round(candidate["auc"]), ClaimError, "one number a seed"),
    (lambda: candidate[0], ClaimError, "name of a metric"),
    (lambda: candidate[""], ClaimError, "name of a metric"),
    (lambda: candidate["a/*/b*"], ClaimError, "no single meaning"),
    (
        lambda: candidate.using(seeds=[1, 2])["a"] > baseline.using(seeds=[3, 4])["a"],
        ClaimError,
        "different seeds",
    ),
]


@pytest.mark.parametrize(("make", "error", "says"), REFUSED)
def test_what_is_no_claim_is_refused_with_what_to_write(make, error, says):
    with pytest.raises(error, match=says):
        make()


@pytest.mark.parametrize(
    "use",
    [
        lambda: "auc" in candidate,
        lambda: list(candidate),
        lambda: list(candidate["auc"]),
        lambda: {candidate["auc"]},
    ],
)
def test_arms_and_metrics_are_no_containers(use):
    with pytest.raises(TypeError):
        use()
