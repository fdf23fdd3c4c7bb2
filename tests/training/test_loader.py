"""Order, augmentation and workers: the same bits from the same seed, whoever fetches."""

# ruff: noqa: NPY002 - the global generators are what is tested

from __future__ import annotations

import gc
import multiprocessing
import random
from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from pytest_mlops.errors import RunError
from pytest_mlops.training.loader import Loader, Passes

# torch warns of more workers than cores, and the machine that tests may have one.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


class Augmented(Dataset):
    """Noise from all three global generators, as augmentation libraries draw it."""

    def __len__(self):
        return 11

    def __getitem__(self, index):
        noise = [random.random(), np.random.normal(), torch.randn(()).item()]
        return torch.tensor([index, *noise], dtype=torch.float64), index


def batches(loader):
    return [batch if isinstance(batch, torch.Tensor) else batch[0] for batch in loader]


def rows(loader):
    return torch.cat(batches(loader)).tolist()


def same(one, other):
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_bits(run, workers):
    data = Augmented()
    alone, helped = run(seed=5), run(seed=5)
    for _ in range(2):
        one = batches(alone.loader(data, batch_size=4))
        assert same(one, batches(helped.loader(data, batch_size=4, workers=workers)))


def test_random_collate_is_the_same_in_workers(run):
    def collate(samples):
        return torch.stack([x for x, _ in samples]) + torch.rand(()) + random.random() + np.random.random()

    one = batches(run().loader(Augmented(), batch_size=4, collate=collate))
    assert same(one, batches(run().loader(Augmented(), batch_size=4, collate=collate, workers=2)))


@pytest.mark.parametrize("workers", [0, 2])
def test_fetching_leaves_the_global_generators_alone(run, workers):
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    batches(run().loader(Augmented(), batch_size=4, workers=workers))
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before


def test_generators_inside_a_sample_are_unlike(run):
    x = torch.cat(batches(run().loader(Augmented(), batch_size=11)))
    assert len(set(x[:, 1:].flatten().tolist())) == 33


def test_augmentation_changes_with_the_epoch_and_not_with_the_batch_size(run):
    one, other, data = run(), run(), Augmented()
    first = sorted(rows(one.loader(data, batch_size=4)))
    assert first == sorted(rows(other.loader(data, batch_size=3)))
    assert first != sorted(rows(one.loader(data, batch_size=4)))


def test_evaluation_passes_are_all_alike(run):
    ours, data = run(), Augmented()
    first = rows(ours.loader(data, batch_size=4, shuffle=False))
    assert first == rows(ours.loader(data, batch_size=4, shuffle=False))
    assert [row[0] for row in first] == list(range(11))


def test_arrays_are_batched_in_the_order_of_datasets(run):
    x = torch.arange(10.0)
    fast = rows(run().loader(x, batch_size=3))
    assert fast == rows(run().loader(TensorDataset(x), batch_size=3))
    assert sorted(fast) == x.tolist()


def test_rows_of_columns_stay_together(run):
    x, y = np.arange(10), torch.arange(10) * 2
    for a, b in run().loader((x, y), batch_size=3):
        assert (a * 2).tolist() == b.tolist()
        assert a.dtype == torch.int64


def test_batches_have_the_form_of_the_data(run):
    Pair = namedtuple("Pair", "x y")
    x = torch.arange(4)
    assert isinstance(next(iter(run().loader(x, batch_size=2))), torch.Tensor)
    assert isinstance(next(iter(run().loader((x, x), batch_size=2))), tuple)
    assert next(iter(run().loader({"a": x, "b": x}, batch_size=2))).keys() == {"a", "b"}
    assert next(iter(run().loader(Pair(x, x), batch_size=2)))._fields == ("x", "y")
    assert len(next(iter(run().loader(["a", "b", "c"], batch_size=2)))) == 2


def test_text_columns_stay_text(run):
    names = np.array(["a", "b", "c"])
    assert sorted(name for batch in run().loader(names, batch_size=2) for name in batch) == ["a", "b", "c"]


def test_byte_order_and_strides_do_not_matter(run):
    x = np.arange(12, dtype=">f4")[::-2]
    assert sorted(rows(run().loader(x, batch_size=4))) == sorted(x.tolist())


def test_batches_are_copies(run):
    x = torch.zeros(4)
    for batch in run().loader(x, batch_size=2):
        batch += 1
    assert not x.any()


def test_each_pass_is_a_new_epoch(run):
    ours, x = run(), torch.arange(20)
    loader = ours.loader(x, batch_size=6)
    first, second = rows(loader), rows(loader)
    assert first != second
    assert second == rows(run().loader(x, batch_size=6, epoch=1))


def test_loader_made_anew_goes_on_counting(run):
    one, other, x, y = run(), run(), torch.arange(20), torch.arange(20)
    kept = one.loader((x, y), batch_size=6)
    expected = [rows(kept) for _ in range(3)]
    assert [rows(other.loader((x, y), batch_size=6)) for _ in range(3)] == expected


def test_given_epoch_sets_the_count(run):
    ours, x = run(), torch.arange(20)
    assert rows(ours.loader(x, batch_size=6, epoch=4)) == rows(run().loader(x, batch_size=6, epoch=4))
    assert rows(ours.loader(x, batch_size=6)) == rows(run().loader(x, batch_size=6, epoch=5))


def test_a_pass_that_was_left_early_counts(run):
    ours, x = run(), torch.arange(20)
    next(iter(ours.loader(x, batch_size=6)))
    assert rows(ours.loader(x, batch_size=6)) == rows(run().loader(x, batch_size=6, epoch=1))


def test_passes_in_order_do_not_count(run):
    one, other, x = run(), run(), torch.arange(20)
    rows(one.loader(x, batch_size=6, shuffle=False))
    rows(one.loader(torch.arange(5), batch_size=6, shuffle=False))
    assert rows(one.loader(x, batch_size=6)) == rows(other.loader(x, batch_size=6))


def test_two_data_objects_have_two_orders(run):
    ours = run()
    x, y = torch.arange(20), torch.arange(20)
    assert rows(ours.loader(x, batch_size=6)) != rows(ours.loader(y, batch_size=6))


def test_seeds_have_other_orders_and_arms_share_them(run):
    x = torch.arange(20)
    assert rows(run(seed=1).loader(x, batch_size=6)) == rows(run(seed=1).loader(x.clone(), batch_size=5))
    assert rows(run(seed=1).loader(x, batch_size=6)) != rows(run(seed=2).loader(x, batch_size=6))


def test_data_made_anew_each_epoch_is_not_kept(run):
    import weakref

    ours, gone = run(), []
    for _ in range(5):
        x = torch.arange(8)
        gone.append(weakref.ref(x))
        rows(ours.loader(x, batch_size=4))
        del x
    gc.collect()
    assert sum(ref() is not None for ref in gone) == 0


def test_new_data_at_an_old_address_is_new_data(run):
    ours = run()
    orders = set()
    for _ in range(5):
        orders.add(tuple(rows(ours.loader(torch.arange(20), batch_size=20))))
    assert len(orders) == 5


@given(st.integers(1, 60), st.integers(1, 20), st.booleans())
def test_length_is_the_number_of_batches(size, batch_size, drop_last):
    if drop_last and size < batch_size:
        return
    loader = Loader(
        torch.arange(size), seed=0, device="cpu", passes=Passes(), batch_size=batch_size, shuffle=True,
        drop_last=drop_last, epoch=None, workers=0, collate=None,
    )  # fmt: skip
    found = batches(loader)
    assert len(found) == len(loader)
    assert sum(map(len, found)) == (size // batch_size * batch_size if drop_last else size)


def test_batches_go_to_the_device(run):
    data = {"x": torch.zeros(4, 2), "y": torch.zeros(4)}
    batch = next(iter(run(device="meta").loader(data, batch_size=2)))
    assert {tensor.device.type for tensor in batch.values()} == {"meta"}
    x, _ = next(iter(run(device="meta").loader(Augmented(), batch_size=2)))
    assert x.device.type == "meta"


def test_error_in_a_worker_names_the_users_line(run):
    class Broken(Augmented):
        def __getitem__(self, index):
            raise FileNotFoundError("image 7 is missing")

    with pytest.raises(FileNotFoundError, match="image 7 is missing"):
        batches(run().loader(Broken(), batch_size=2, workers=1))


@pytest.mark.parametrize("end", ["error", "break", "all"])
def test_no_worker_outlives_its_pass(run, end):
    class Broken(Augmented):
        def __getitem__(self, index):
            if end == "error":
                raise ValueError("broken")
            return super().__getitem__(index)

    try:
        for _ in run().loader(Broken(), batch_size=2, workers=2):
            if end == "break":
                break
    except ValueError as error:
        kept = error  # its traceback holds the iterator, as that of a failed run does
        assert "broken" in str(kept)
    assert multiprocessing.active_children() == []


def test_worker_prints_where_the_process_prints(run, capfd):
    class Chatty(Augmented):
        def __getitem__(self, index):
            print("fetching")
            return super().__getitem__(index)

    batches(run().loader(Chatty(), batch_size=11, workers=1))
    assert "fetching" in capfd.readouterr().out


def test_more_threads_change_no_sample(run):
    before = torch.get_num_threads()

    class Threads(Augmented):
        def __getitem__(self, index):
            return torch.tensor(torch.get_num_threads())

    try:
        torch.set_num_threads(2)
        assert set(rows(run().loader(Threads(), batch_size=4))) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(3))


class NoLength(Dataset):
    def __getitem__(self, index):
        return index


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (Stream(), "IterableDataset"),
        (NoLength(), "expected an array or tensor"),
        (torch.zeros(0, 3), "empty"),
        ([], "empty"),
        ((), "empty"),
        ((torch.zeros(3), torch.zeros(4)), "different lengths, 0: 3, 1: 4"),
        ({"x": np.zeros(3), "y": np.zeros(2)}, "'x': 3, 'y': 2"),
        ((torch.zeros(3), [1, 2, 3]), "item 1 is a list"),
        ([torch.zeros(9, 2), torch.zeros(9)], "columns or samples"),
        (torch.tensor(1.0), "without dimensions"),
        ("abc", "cannot read samples"),
        (5, "cannot read samples"),
        (Augmented, "cannot read samples"),
        (DataLoader(TensorDataset(torch.zeros(3))), "hand in its .dataset"),
    ],
)
def test_what_has_no_samples_is_refused(run, data, text):
    with pytest.raises(RunError, match=text):
        run().loader(data, batch_size=2)


def test_data_frame_is_told_what_to_hand_in(run):
    class Frame:
        iloc = property(lambda self: self)

        def __len__(self):
            return 3

    with pytest.raises(RunError, match="to_numpy"):
        run().loader(Frame(), batch_size=2)


@pytest.mark.parametrize("size", [0, -1, True, 2.0, "4", None])
def test_impossible_batch_size_is_refused(run, size):
    with pytest.raises(RunError, match=r"run.loader\(batch_size="):
        run().loader(torch.zeros(4), batch_size=size)


@pytest.mark.parametrize(
    ("name", "value"), [("workers", -1), ("workers", True), ("epoch", -1), ("epoch", 0.5)]
)
def test_impossible_workers_or_epoch_is_refused(run, name, value):
    with pytest.raises(RunError, match=rf"run.loader\({name}="):
        run().loader(torch.zeros(4), batch_size=2, **{name: value})


def test_drop_last_without_a_full_batch_is_refused(run):
    with pytest.raises(RunError, match="make no batch of 8"):
        run().loader(torch.zeros(4), batch_size=8, drop_last=True)


def test_list_of_many_arrays_is_a_list_of_samples(run):
    images = [torch.full((3, 4), float(i)) for i in range(10)]
    assert batches(run().loader(images, batch_size=4))[0].shape == (4, 3, 4)


def test_numpy_integers_are_whole_numbers(run):
    assert len(run().loader(torch.zeros(4), batch_size=np.int64(2))) == 2


def test_collate_sees_rows_of_columns(run):
    seen = list(run().loader((np.arange(4), np.arange(4)), batch_size=2, collate=list))
    assert sorted(int(a) for batch in seen for a, b in batch if a == b) == [0, 1, 2, 3]
