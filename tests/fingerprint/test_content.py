"""Data that is equal has one hash, whatever it lies in; what differs in any bit has another, or is refused."""

import collections
import dataclasses
import os
import random

import numpy as np
import pytest

from pytest_mlops.errors import DataError
from pytest_mlops.fingerprint import content_of, path_content


def test_content_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("1")
    first = path_content(tmp_path / "a")
    assert path_content(tmp_path / "a") == first
    (tmp_path / "a" / "y.txt").write_text("1")
    second = path_content(tmp_path / "a")
    (tmp_path / "a" / "x.txt").rename(tmp_path / "a" / "z.txt")
    assert len({first, second, path_content(tmp_path / "a")}) == 3


def test_content_keeps_types_apart():
    values = [1, 1.0, True, "1", b"1", [1], (1,), {1}, {"a": 1}, None]
    assert len({content_of(value, name="x") for value in values}) == len(values)


def test_content_of_arrays_sees_every_bit_dtype_and_shape():
    base = np.arange(6.0)
    changed = base.copy()
    changed[3] = np.nextafter(changed[3], 10)
    variants = [base, changed, base.reshape(2, 3), base.astype("float32"), base[::-1]]
    assert len({content_of(variant, name="x") for variant in variants}) == len(variants)
    assert content_of(base[::2], name="x") == content_of(base[::2].copy(), name="x")


def test_content_of_tensors_and_datasets():
    torch = pytest.importorskip("torch")
    tensors = [
        torch.ones(2),
        torch.ones(2, dtype=torch.bfloat16),
        torch.zeros(2),
        torch.ones(2, dtype=torch.bool),
    ]
    assert len({content_of(tensor, name="x") for tensor in tensors}) == len(tensors)
    data = torch.utils.data.TensorDataset(torch.ones(2))
    assert content_of(data, name="x") == content_of(torch.utils.data.TensorDataset(torch.ones(2)), name="x")


class Boxes(list):
    """A list with attributes."""


class Slotted:
    __slots__ = ("__hidden", "shown")

    def __init__(self, shown, hidden):
        self.shown, self.__hidden = shown, hidden


@dataclasses.dataclass
class Scan:
    name: str = "a"


def boxes(**attributes):
    made = Boxes([1])
    vars(made).update(attributes)
    return made


def scan(**attributes):
    made = Scan()
    vars(made).update(attributes)
    return made


DIFFERENT = {
    "mask of an array": (np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [0, 0])),
    "fill value": (np.ma.masked_array([1, 2], [0, 1]), np.ma.masked_array([1, 2], [0, 1], fill_value=7)),
    "attribute of a list": (boxes(image="a"), boxes(image="b")),
    "attribute added to a dataclass": (scan(), scan(spacing=2)),
    "slot": (Slotted(1, 2), Slotted(2, 2)),
    "private slot": (Slotted(1, 2), Slotted(1, 3)),
    "state in C": (random.Random(1), random.Random(2)),
    "generator": (np.random.default_rng(1), np.random.default_rng(2)),
    "names of fields": (np.zeros(2, [("a", "f4"), ("b", "f4")]), np.zeros(2, [("b", "f4"), ("a", "f4")])),
    "counter": (collections.Counter("ab"), collections.Counter("abb")),
    "bytes that can change": (bytearray(b"ab"), bytearray(b"ac")),
}


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_an_object_holds_anywhere_counts(one, other):
    assert content_of(one, name="x") == content_of(one, name="x") != content_of(other, name="x")


def test_lazy_conjugates_count_by_the_numbers_that_they_stand_for():
    torch = pytest.importorskip("torch")
    lazy, plain = torch.tensor([1 + 1j]).conj(), torch.tensor([1 - 1j])
    assert content_of(lazy, name="x") == content_of(plain, name="x")


def no_plain_bytes():
    torch = pytest.importorskip("torch")
    return {"sparse": torch.ones(2).to_sparse(), "meta": torch.ones(2, device="meta")}


@pytest.mark.parametrize("kind", ["sparse", "meta"])
def test_a_tensor_without_plain_bytes_is_refused(kind):
    with pytest.raises(DataError, match="no plain bytes to hash"):
        content_of(no_plain_bytes()[kind], name="load()")


def test_an_open_file_is_refused(tmp_path):
    with (tmp_path / "x").open("w") as stream, pytest.raises(DataError, match="content cannot be hashed"):
        content_of(stream, name="load()")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_and_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(DataError, match="is no regular file but a pipe"):
            path_content(path)


def test_a_frame_of_polars_is_refused_with_what_to_return():
    frame = type("DataFrame", (), {"__module__": "polars.dataframe.frame", "__reduce_ex__": None})()
    with pytest.raises(DataError, match=r"frame\[name\].to_numpy\(\)"):
        content_of(frame, name="load()")


def frames():
    pandas = pytest.importorskip("pandas")
    base = {"patient": ["a", "b"], "age": [50, 60], "seen": pandas.to_datetime(["2020-01-01", None])}
    frame = pandas.DataFrame(base)
    return {
        "frame": frame,
        "cell": frame.assign(age=[50, 61]),
        "text": frame.assign(patient=["a", "c"]),
        "missing": frame.assign(seen=pandas.to_datetime([None, None])),
        "type": frame.assign(age=[50.0, 60.0]),
        "column": frame.rename(columns={"age": "years"}),
        "index": frame.set_index("patient", drop=False),
        "name of the index": frame.rename_axis("row"),
        "order": frame[["age", "patient", "seen"]],
        "category": frame.assign(patient=frame["patient"].astype("category")),
        "series": frame["age"],
        "named series": frame["age"].rename("years"),
        "index alone": frame.index,
    }


def test_frames_of_pandas_count_by_cells_types_and_names():
    digests = {name: content_of(frame, name="load()") for name, frame in frames().items()}
    assert len(set(digests.values())) == len(digests)
    assert digests == {name: content_of(frame.copy(), name="load()") for name, frame in frames().items()}


def test_a_frame_with_lists_in_its_cells_is_refused():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(DataError, match="cannot hash its cells"):
        content_of(pandas.DataFrame({"boxes": [[1, 2], [3]]}), name="load()")
