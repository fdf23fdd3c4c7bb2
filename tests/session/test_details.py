"""Loaded data taken apart: equal hashes exactly for equal content, and a name for every item."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_mlops.errors import DataError
from pytest_mlops.fingerprint import content_of
from pytest_mlops.session.details import taken_apart

leaf = st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from([0.0, 1.0, "", "0", b"0"])
value = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from([0, 1, "0", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value, value)
@example({0: 1}, {"0": 1})
@example({"a": 0, 0: 1}, {0: 1, "a": 0})
@example([1], (1,))
@example([1], [1.0])
@example([[], [0]], [[0], []])
@example([[0, 1]], [[0], 1])
def test_hashes_are_equal_exactly_where_the_content_is(one, other):
    # Independent: the hash of the whole value in one go.
    same = content_of(one, name="x") == content_of(other, name="x")
    assert (taken_apart(one, "load()")[0] == taken_apart(other, "load()")[0]) == same


def test_the_item_that_changed_and_no_other_has_another_hash():
    before = ({"x": np.arange(3), "y": np.arange(2)}, [1, 2])
    after = ({"x": np.arange(3), "y": np.arange(2) + 1}, [1, 2])
    old, new = taken_apart(before, "load()")[1], taken_apart(after, "load()")[1]
    assert old.keys() == new.keys()
    assert [name for name in old if old[name] != new[name]] == ["load()[0]['y']"]


def test_a_long_list_is_one_item():
    assert list(taken_apart(list(range(10_000)), "load()")[1]) == ["load()"]


def test_what_contains_itself_is_refused():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(DataError, match="contains itself"):
        taken_apart(endless, "load()")
