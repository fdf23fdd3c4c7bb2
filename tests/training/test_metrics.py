"""What may be returned as a metric, and the one clear message for what may not."""

from __future__ import annotations

import math
from collections import OrderedDict
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.records import BUILT_IN_METRICS
from pytest_mlops.training.metrics import read_metrics


def value(metric):
    found = read_metrics({"m": metric})
    assert found.problems == ()
    return found.values["m"]


def problem(metric, name="m"):
    found = read_metrics({name: metric})
    assert found.values == {}
    return found.problems[0]


@pytest.mark.parametrize(
    "metric",
    [
        0.5,
        np.float64(0.5),
        np.float32(0.5),
        np.float16(0.5),
        np.longdouble(0.5),
        np.array(0.5),
        torch.tensor(0.5),
        torch.tensor(0.5, dtype=torch.bfloat16),
        torch.tensor(0.5, dtype=torch.float64, requires_grad=True),
        Decimal("0.5"),
        Fraction(1, 2),
    ],
)
def test_everything_with_a_lossless_float_is_converted(metric):
    assert value(metric) == 0.5
    assert type(value(metric)) is float


@pytest.mark.parametrize("metric", [7, np.int64(7), np.uint8(7), torch.tensor(7), np.array(7), 2**53])
def test_integers_are_numbers_and_no_rates(metric):
    found = read_metrics({"m": metric})
    assert found.values["m"] == float(metric)
    assert found.yes_no == frozenset()


@pytest.mark.parametrize("metric", [True, np.True_, np.array(True), torch.tensor(True)])
def test_bools_are_yes_or_no(metric):
    found = read_metrics({"converged": metric, "auc": 0.5})
    assert found.values["converged"] == 1.0
    assert found.yes_no == {"converged"}


@given(st.floats())
def test_every_float_comes_through_unchanged(number):
    assert math.isnan(value(number)) if math.isnan(number) else value(number) == number


@given(st.integers())
def test_an_integer_is_exact_or_refused(number):
    found = read_metrics({"m": number})
    assert found.problems or int(found.values["m"]) == number


@given(st.decimals(allow_nan=False))
def test_a_decimal_is_exact_or_refused(number):
    found = read_metrics({"m": number})
    assert found.problems or Decimal(found.values["m"]) == number


@pytest.mark.parametrize("metric", [2**53 + 1, 10**400, Decimal("0.1"), Fraction(1, 3)])
def test_what_a_float_cannot_hold_is_refused(metric):
    assert "cannot hold exactly" in problem(metric)


def test_nan_and_infinity_are_converted_and_named():
    found = read_metrics({"a": math.nan, "b": torch.tensor(math.inf), "c": Decimal("NaN"), "d": 1.0})
    assert set(found.not_finite) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("metric", "hint"),
    [
        (None, "never computed"),
        ("0.9", "without formatting"),
        (1j, "real part"),
        (np.complex64(1j), "real part"),
        (torch.tensor(1j), "not a real number"),
        ({"siteA": 0.9}, '"m/siteA"'),
        ([0.9], "one number a run"),
        (torch.tensor([0.9]), ".item()"),
        (np.array([[0.9]]), ".item()"),
        (torch.zeros(3), ".mean().item()"),
        (np.zeros((2, 2)), ".mean().item()"),
        (np.datetime64("2020-01-01"), "not a real number"),
        (np.str_("0.9"), "without formatting"),
        (torch.tensor(0.5, device="meta"), "cannot be read"),
        (object(), "not a real number"),
    ],
)
def test_refusals_name_the_metric_and_the_remedy(metric, hint):
    text = problem(metric)
    assert "metric 'm'" in text
    assert hint in text
    assert "\n" not in text


def test_array_of_another_library_is_converted():
    class Array:  # as JAX and TensorFlow show theirs
        shape = ()
        dtype = "float32"

        def __float__(self):
            return 0.25

    class Yes(Array):
        dtype = "bool"

        def __bool__(self):
            return True

    assert value(Array()) == 0.25
    assert read_metrics({"m": Yes()}).yes_no == {"m"}


def test_metric_object_is_told_to_compute():
    class Accuracy:
        def compute(self):
            return 0.5

    assert ".compute()" in problem(Accuracy())


def test_hostile_values_are_survived():
    class Hostile:
        def __repr__(self):
            raise RuntimeError("no")

        def __float__(self):
            raise ValueError("never")

    assert "never" in problem(Hostile())


@pytest.mark.parametrize("name", ["auc", "auc/siteA", "Dice (liver)", "précision", "a/b/c"])
def test_names_may_nest_and_use_any_printable_text(name):
    assert read_metrics({name: 1.0}).values == {name: 1.0}


@pytest.mark.parametrize(
    "name",
    [
        "",
        " auc",
        "auc/",
        "/auc",
        "a//b",
        "auc/*",
        "a\nb",
        "a\x1b[31m",
        "a\u202eb",
        "x" * 201,
        *BUILT_IN_METRICS,
    ],
)
def test_names_that_break_claims_or_tables_are_refused(name):
    found = read_metrics({name: 1.0})
    assert found.values == {}
    assert "metric" in found.problems[0]


@pytest.mark.parametrize("name", [1, None, ("a", "b"), b"auc"])
def test_names_must_be_text(name):
    assert "not a str" in read_metrics({name: 1.0}).problems[0]


@pytest.mark.parametrize("returned", [OrderedDict(a=1.0), MappingProxyType({"a": 1.0})])
def test_any_mapping_will_do(returned):
    assert read_metrics(returned).values == {"a": 1.0}


async def _async():
    return {"a": 1.0}


def _generator():
    yield {"a": 1.0}


@pytest.mark.parametrize(
    ("returned", "word"),
    [
        (None, "nothing"),
        ({}, "empty"),
        (0.93, "0.93 (float)"),
        ([("a", 1.0)], "list"),
        (("a", 1.0), "tuple"),
        ("auc=1", "str"),
        (torch.tensor(1.0), "Tensor"),
        (_async(), "async"),
        (_generator(), "yield"),
    ],
)
def test_what_is_no_mapping_is_refused_with_an_example(returned, word):
    text = read_metrics(returned).problems[0]
    assert word in text
    assert 'return {"accuracy": 0.93}' in text


def test_each_problem_is_told():
    found = read_metrics({"a": None, "b": 1.0, "c": "x"})
    assert found.values == {"b": 1.0}
    assert len(found.problems) == 2


@pytest.mark.parametrize(
    "masked", [np.ma.masked, np.ma.array(0.5, mask=True), np.ma.array([1.0], mask=[True]).mean()]
)
def test_a_masked_number_is_no_metric(masked):
    # Its item() is 0.0: a perfect loss.
    assert "is masked" in read_metrics({"loss": masked}).problems[0]
    assert read_metrics({"loss": np.ma.array(0.5)}).values == {"loss": 0.5}
