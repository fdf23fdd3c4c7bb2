"""``.using(env=...)``: variables of an arm are part of what it is, take effect, and give nothing away."""

import pytest

from pytest_mlops.claims.arms import Arms
from pytest_mlops.errors import ParameterError


def train(run, *, lr=0.1):
    return {"auc": lr}


@pytest.fixture
def arm():
    return Arms()


def test_arms_of_other_variables_are_other_arms(arm):
    passive, active = (arm(train).using(env={"OMP_WAIT_POLICY": policy}) for policy in ("passive", "active"))
    assert len({arm(train), passive, active}) == 3
    assert passive == arm(train).using(env={"OMP_WAIT_POLICY": "passive"})
    assert arm(train).using(env={"B": "2", "A": "1"}) == arm(train).using(env={"A": "1", "B": "2"})


def test_no_variable_is_no_change(arm):
    assert arm(train).using(env={}) == arm(train)


def test_the_label_names_variables_and_tells_no_value(arm):
    labels = [arm(train).using(env={"DSN": f"postgres://me:hunter{i}@db"}).label for i in range(2)]
    assert labels[0].startswith("train().using(env={DSN: #")
    assert labels[0] != labels[1]
    assert "hunter" not in labels[0]


def test_what_the_user_changes_later_is_no_change_of_the_arm(arm):
    env = {"A": "1"}
    made = arm(train).using(env=env)
    env["A"] = "2"
    assert made == arm(train).using(env={"A": "1"})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("PYTHONHASHSEED", "Python reads it when it starts"),
        ("CUDA_VISIBLE_DEVICES", "choose the device with"),
        ("PYTORCH_CUDA_ALLOC_CONF", "torch and its libraries read it once"),
        ("LD_PRELOAD", "when a program starts"),
        ("OMP_NUM_THREADS", "use the option threads"),
        ("CUBLAS_WORKSPACE_CONFIG", "use the option deterministic"),
        ("PYTEST_ADDOPTS", "pytest's or ours"),
    ],
)
def test_what_would_have_no_effect_is_refused_with_the_reason(arm, name, reason):
    with pytest.raises(ParameterError, match=f"{name}.*would have no effect: .*{reason}"):
        arm(train).using(env={name: "1"})


@pytest.mark.parametrize(
    "env", ["A=1", ["A"], {"A": 1}, {"A": None}, {"A": "\0"}, {"": "1"}, {"A=B": "1"}, {1: "1"}]
)
def test_what_is_no_variable_is_refused(arm, env):
    with pytest.raises(ParameterError, match=r"using\(env="):
        arm(train).using(env=env)


def test_a_name_that_looks_like_a_secrets_is_refused(arm):
    with pytest.raises(ParameterError, match="looks like a secret's") as caught:
        arm(train).using(env={"WANDB_API_KEY": "hunter2hunter2"})
    assert "hunter2" not in str(caught.value)


def test_the_value_of_a_secret_is_refused_under_any_name(arm, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "hunter2hunter2")
    with pytest.raises(ParameterError, match="WANDB_API_KEY") as caught:
        arm(train).using(env={"PLAIN": "hunter2hunter2"})
    assert "hunter2" not in str(caught.value)
