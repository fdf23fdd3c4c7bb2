"""Ablations as values: which arms their rows are, and what is refused before anything is trained."""

import pytest

from pytest_mlops.claims.ablation import Ablations
from pytest_mlops.claims.arms import Arms
from pytest_mlops.errors import AblationError, ClaimError, MarginError, MlopsError, ParameterError

ablation, arm = Ablations(), Arms()


def train(run, *, augment=False, ema=False, mixup=0.0, net=dict, lr=1e-3, optimizer=None):
    return {}


def train_plainly(run, *, augment=False, lr=1e-2, width=8):
    return {}


def train_anything(run, **parameters):
    return {}


def load():
    return None


FULL = {"augment": True, "ema": True, "mixup": 0.2}


def without(**rows):
    return ablation(train, full=FULL, without=rows)


def test_a_row_is_the_full_arm_with_one_parameter_changed():
    study = without(augment=False, mixup=0.0)
    assert study.reference == arm(train, **FULL)
    assert study.variants == {
        "augment": arm(train, augment=False, ema=True, mixup=0.2),
        "mixup": arm(train, augment=True, ema=True),
    }


def test_a_row_that_is_added_changes_one_parameter_of_the_base():
    study = ablation(train, base={"lr": 0.1}, adding={"ema": True})
    assert study.reference == arm(train, lr=0.1)
    assert study.variants == {"ema": arm(train, lr=0.1, ema=True)}
    assert ablation(train, adding={"ema": True}).reference == arm(train)


def test_a_row_of_several_parameters_has_a_name_of_its_own():
    study = ablation(train, full=FULL, without={"no ema, no aug": {"ema": False, "augment": False}})
    assert study.variants == {"no ema, no aug": arm(train, mixup=0.2)}


def test_a_row_of_another_training_function_has_those_of_the_parameters_that_it_takes():
    study = ablation(train, full=FULL, without={"attention": train_plainly})
    # lr too: the full arm trains with the default of its own function, and so does the row.
    assert study.variants == {"attention": arm(train_plainly, augment=True, lr=1e-3)}
    anything = ablation(train, full=FULL, without={"attention": train_anything}).variants["attention"]
    assert anything.source.given["mixup"] == 0.2


def test_a_class_or_a_dict_under_the_name_of_a_parameter_is_its_value():
    assert without(net=list).variants == {"net": arm(train, **FULL, net=list)}
    assert without(optimizer={"momentum": 0.9}).variants["optimizer"].source.given["optimizer"] == {
        "momentum": 0.9
    }


def test_what_can_be_read_in_two_ways_is_refused():
    with pytest.raises(
        AblationError, match=r"dict\(ema=\.\.\., augment=\.\.\.\) names parameters .* \"no ema\""
    ):
        without(ema={"ema": False, "augment": False})
    with pytest.raises(AblationError, match="train_plainly is a training function"):
        without(ema=train_plainly)


def test_ready_arms_are_taken_as_they_are_recorded_ones_too():
    reference, other = arm.recorded({"auc": [0.9, 0.91]}), arm.recorded({"auc": [0.8, 0.81]})
    study = ablation(reference, without={"ema": other})
    assert study.reference is reference
    assert study.variants["ema"] is other
    with pytest.raises(AblationError, match="a recorded arm has no parameters to vary"):
        ablation(reference, without={"ema": False})


def test_rows_of_an_arm_use_what_it_uses():
    study = ablation(arm(train, **FULL).using(data=load), without={"ema": False})
    assert study.variants["ema"] == arm(train, augment=True, mixup=0.2).using(data=load)
    assert without(ema=False).using(data=load).variants == study.variants


def test_a_function_that_takes_any_parameter_takes_rows_of_any_name():
    study = ablation(
        train_anything, full={"ema": True}, without={"ema": False, "depth": 3, "two": {"a": 1, "b": 2}}
    )
    assert study.variants["depth"] == arm(train_anything, ema=True, depth=3)
    assert study.variants["two"] == arm(train_anything, ema=True, a=1, b=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "needs its components"),
        ({"full": FULL, "base": {}, "without": {"ema": False}}, "one of the two"),
        ({"without": {"ema": False}, "adding": {"ema": True}}, "one of the two"),
        ({"full": FULL, "adding": {"ema": True}}, "full= goes with without="),
        ({"base": FULL, "without": {"ema": True}}, "base= goes with adding="),
        ({"full": FULL, "without": {}}, "at least one component"),
        ({"adding": {}}, "at least one component"),
        ({"full": FULL, "without": ["ema"]}, "each with its value"),
        ({"full": FULL, "without": {"ema": True}}, r"without\['ema'\]: its arm, .* is the reference itself"),
        ({"full": FULL, "without": {"ema": False, "average": {"ema": False}}}, "are the same arm"),
        ({"full": FULL, "without": {"emma": False}}, "no parameter 'emma' .* Did you mean 'ema'"),
        ({"full": FULL, "without": {"both": {"emma": False}}}, "no parameter 'emma'"),
        ({"full": FULL, "without": {"both": {}}}, r"without\['both'\] is empty"),
        ({"full": FULL, "without": {"": False}}, "the name of a component is text"),
        ({"full": FULL, "without": {3: False}}, "the name of a component is text"),
        ({"full": {"emma": True}, "without": {"ema": False}}, "no parameter 'emma'"),
        ({"full": [1], "without": {"ema": False}}, "expected the parameters of the full arm by name"),
        ({"lr": 0.1, "without": {"ema": False}}, r"go into full= .*full=dict\(lr=0.1\)"),
        ({"full": FULL, "without": {"ema": False}, "lower_is_better": ["los*"]}, "names of metrics"),
        ({"full": FULL, "without": {"ema": False}, "lower_is_better": []}, "names of metrics"),
    ],
)
def test_what_compares_nothing_is_refused_with_what_to_write(words, message):
    with pytest.raises((AblationError, ParameterError), match=message):
        ablation(train, **words)


def test_an_arm_and_parameters_for_it_are_refused():
    with pytest.raises(AblationError, match="an arm has its parameters already"):
        ablation(arm(train), full=FULL, without={"ema": True})


def test_a_fixed_arm_has_no_pairs_to_leave_anything_out_of():
    with pytest.raises(AblationError, match="one training run"):
        ablation(arm(train).using(seeds=[3]), without={"ema": True})
    with pytest.raises(AblationError, match="one training run"):
        without(ema=False).using(seeds=[3])


def test_rows_state_the_claim_that_the_component_is_worth_its_margin():
    study = without(ema=False)
    (row,) = study["auc"].each_component_helps(by=0.01).rows
    assert row.statement == 'full["auc"] > without["ema"]["auc"] + 0.01'
    (row,) = study["auc"].nothing_hurts(by=0.01).rows
    assert row.statement == 'full["auc"] > without["ema"]["auc"] - 0.01'
    added = ablation(train, adding={"ema": True})
    assert added["auc"]["ema"].helps().statement == 'adding["ema"]["auc"] > base["auc"]'
    assert added["auc"]["ema"].does_not_hurt(by=0.1).statement == 'adding["ema"]["auc"] > base["auc"] - 0.1'


def test_lower_is_better_turns_the_rows_of_the_metrics_that_it_names():
    study = ablation(train, full=FULL, without={"ema": False}, lower_is_better="loss")
    assert study["loss"]["ema"].helps(by=0.1).statement == 'full["loss"] < without["ema"]["loss"] - 0.1'
    assert (
        study["loss"]["ema"].does_not_hurt(by=0.1).statement == 'full["loss"] < without["ema"]["loss"] + 0.1'
    )
    assert study["auc"]["ema"].helps().statement == 'full["auc"] > without["ema"]["auc"]'
    every = ablation(train, adding={"ema": True}, lower_is_better=True)
    assert every["loss"]["ema"].helps().statement == 'adding["ema"]["loss"] < base["loss"]'


def test_margins_that_turn_the_question_round_are_refused():
    metric = without(ema=False)["auc"]
    with pytest.raises(MarginError, match=r"nothing_hurts\(by=0\.01\)"):
        metric.each_component_helps(by=-0.01)
    for by in (0.0, -0.1):
        with pytest.raises(MarginError, match="above 0"):
            metric.nothing_hurts(by=by)
    with pytest.raises(ClaimError):
        metric["ema"].helps(by="0.1")


def test_nothing_but_a_question_that_was_asked_has_a_truth():
    study = without(ema=False)
    for thing in (study, study["auc"], study["auc"]["ema"]):
        with pytest.raises(ClaimError, match="Write: assert"):
            bool(thing)
    for question in (study["auc"].each_component_helps, study["auc"]["ema"].helps):
        with pytest.raises(ClaimError, match="it needs parentheses"):
            bool(question)


def test_questions_outside_a_gate_are_refused():
    study = without(ema=False)
    for ask in (
        lambda: bool(study["auc"].each_component_helps()),
        lambda: bool(study["auc"]["ema"].helps()),
        study["auc"].best,
        study["auc"].table,
    ):
        with pytest.raises(ClaimError, match="inside a gate"):
            ask()


def test_a_component_or_metric_that_cannot_be_is_named():
    study = without(ema=False)
    with pytest.raises(AblationError, match="its components are 'ema'"):
        study["auc"]["mixup"]
    with pytest.raises(AblationError, match="a family is about one metric"):
        study["auc/*"]
    with pytest.raises(MlopsError):
        study[3]
