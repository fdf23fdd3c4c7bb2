"""Commands as arms: what a placeholder may be, what a word becomes, what is refused before anything runs."""

import enum
import re
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.commands import filled
from pytest_mlops.errors import NotBuiltError, ParameterError

LINE = "python train.py --lr {lr} --seed {seed} --out {out}"
FILE = "{out}/metrics.json"


@pytest.fixture
def make():
    return lambda words=LINE, metrics=FILE, **rest: Arms().command(words, metrics=metrics, **rest)


class Size(enum.Enum):
    SMALL = 1


@pytest.mark.parametrize(
    ("words", "rest", "match"),
    [
        (LINE, {}, r"placeholder {lr} has no value.*arm.command\(..., lr=...\)"),
        (LINE.replace("seed", "sed"), {"lr": 1}, "{sed} has no value. Did you mean {seed}?"),
        (LINE, {"lr": 1, "learning": 2}, "no word of the command has the placeholder {learning}"),
        (LINE, {"lr": 1, "lr2": 2}, "{lr2}, so the parameter would do nothing. Did you mean {lr}?"),
        (LINE, {"lr": 1, "seed": 3}, "{seed} is filled by each training run itself"),
        (LINE, {"lr": [1, 2]}, "one word of its command line"),
        (LINE, {"lr": None}, "this is a NoneType"),
        (LINE, {"lr": Size.SMALL}, "this is a Size"),
        ("python train.py --lr {lr} --out {out}", {"lr": 1}, "no placeholder is {seed}"),
        ("python train.py --seed {seed} --lr {}", {}, "placeholder {}; expected a plain name"),
        ("python train.py --seed {seed} --lr {lr.x}", {"lr": 1}, "expected a plain name"),
        ("python train.py --seed {seed!r}", {}, "expected a plain name"),
        ("python train.py --seed {seed", {}, "doubled"),
        ("python 'train.py --seed {seed}", {}, "no closing quotation"),
        ("python train.py --seed {seed} > log.txt", {}, "'>' is for a shell"),
        ("", {}, "expected a command line"),
        (["python", 3], {}, "expected a command line"),
        (3, {}, "expected a command line"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(make, words, rest, match):
    with pytest.raises(
        ParameterError, match=re.escape(match) if "..*" not in match and ".*" not in match else match
    ):
        make(words, **rest)


@pytest.mark.parametrize(
    ("metrics", "match"),
    [
        ("{out}/metrics.txt", "expected a file that ends in .json"),
        ("results/metrics.json", "has to lie in {out}"),
        ({}, "expected the path of a file"),
        (None, "expected the path of a file"),
        ({"auc": "AUC: ["}, "no regular expression"),
        ({"auc": "AUC: [0-9.]+"}, "expected one group"),
        ({"auc": "(AUC): ([0-9.]+)"}, "found 2"),
        ("{out}/{nam}.json", "{nam} has no value"),
    ],
)
def test_metrics_that_cannot_be_meant_are_refused(make, metrics, match):
    with pytest.raises(ParameterError, match=re.escape(match)):
        make(metrics=metrics, lr=1)


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"cwd": "../other"}, "leads out of the project"),
        ({"cwd": "/tmp"}, "leads out of the project"),
        ({"code": ["src", "/etc"]}, "leads out of the project"),
        ({"code": []}, "expected paths and patterns"),
        ({"cwd": ""}, "relative to pytest's root folder"),
    ],
)
def test_paths_outside_the_project_are_refused(make, words, match):
    with pytest.raises(ParameterError, match=re.escape(match)):
        make(lr=1, **words)


def test_arms_are_equal_when_their_commands_are(make):
    assert make(lr=1) == make(LINE.split(), lr=1)
    different = [make(lr=1), make(lr=1.0), make(lr=2), make(lr=1, cwd="src"), make(lr=1, code=["src"])]
    different += [
        make(f"{LINE} --ema", lr=1),
        make(lr=1, metrics={"auc": "([0-9.]+)"}),
        make(lr=1).using(timeout="1h"),
    ]
    assert len(set(different)) == len(different)


def test_the_label_is_the_command_as_one_writes_it(make):
    assert make(lr=0.1).label == "python train.py --lr 0.1 --seed {seed} --out {out}"
    assert make(lr="a b").using(timeout="90min").label == (
        "python train.py --lr 'a b' --seed {seed} --out {out}.using(timeout='1h30min')"
    )
    assert len(make(f"{LINE} {'x' * 500}", lr=1).label) <= 100


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (LINE, "train.py"),
        ("torchrun --nproc-per-node 2 src/train.py {seed} {lr}", "torchrun train.py"),
        ("python -m pkg.train {seed} {lr}", "pkg.train"),
        ("./run.sh {seed} {lr}", "run.sh"),
    ],
)
def test_the_name_says_what_trains(make, words, name):
    assert make(words, metrics={"a": "(.)"}, lr=1).function_name == name


def test_what_only_functions_or_only_commands_can_use_is_refused(make):
    def train(run):
        return {"auc": 1.0}

    with pytest.raises(NotBuiltError, match="time-outs come with workers"):
        Arms()(train).using(timeout="5h")
    with pytest.raises(ParameterError, match="gets paths"):
        make(lr=1).using(data=Path.cwd)
    with pytest.raises(ParameterError, match="chooses its precision itself"):
        make(lr=1).using(amp="bf16")
    with pytest.raises(ParameterError, match="expected a time"):
        make(lr=1).using(timeout="soon")
    with pytest.raises(ParameterError, match="option threads"):
        make(lr=1).using(env={"OMP_NUM_THREADS": "2"})
    with pytest.raises(ParameterError, match="set it before pytest starts"):
        Arms()(train).using(env={"CUDA_VISIBLE_DEVICES": "1"})
    assert make(lr=1).using(env={"CUDA_VISIBLE_DEVICES": "1", "PYTHONHASHSEED": "3"}).uses.env


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_value_is_one_word_whatever_it_holds(value):
    assert filled("--name={name}", {"name": value}) == f"--name={value}"


def test_formats_and_doubled_braces_are_pythons():
    assert filled("{{a}}={lr:.3f}", {"lr": 0.12345}) == "{a}=0.123"
