"""What a smoke run leaves at the top of the user's modules is put back."""

from functools import lru_cache

import numpy as np

from pytest_mlops.training.modules import modules_kept

NUMBER = 1
LISTED, NAMED, HELD, ARRAYS = [1, 2], {"a": 1}, {1}, {"x": np.arange(3)}


@lru_cache
def cached(x):
    return object()


def change():
    global NUMBER, FRESH
    NUMBER, FRESH = 2, 3
    LISTED.append(3)
    NAMED["a"] = 2
    HELD.clear()
    ARRAYS["x"] = np.arange(3)
    cached(1)


def test_names_containers_and_caches_are_as_before():
    listed, array = LISTED, ARRAYS["x"]
    with modules_kept(change):
        change()
    assert NUMBER == 1
    assert "FRESH" not in globals()
    assert LISTED == [1, 2]
    assert NAMED == {"a": 1}
    assert list(HELD) == [1]
    assert listed is LISTED
    assert ARRAYS["x"] is array
    assert cached.cache_info().currsize == 0


def test_a_cache_that_was_not_touched_is_kept():
    one = cached(2)
    with modules_kept(change):
        cached(2)
    assert cached(2) is one
    cached.cache_clear()
