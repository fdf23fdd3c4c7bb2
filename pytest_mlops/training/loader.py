"""Batches in a seeded order, with seeded augmentation, on the device of the run.

The order depends on the seed, the epoch and which data it is; what is random inside a sample on the seed,
the epoch and the sample's index. Neither depends on the number of workers, so workers are a choice of speed
only.
"""

from __future__ import annotations

import hashlib
import math
import operator
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_mlops._optional import need
from pytest_mlops.errors import RunError
from pytest_mlops.training.samples import Samples, read_samples
from pytest_mlops.training.streams import global_generators_kept, reseed, stream


class Enough(BaseException):
    """Ends a smoke run that has taken long enough; no ``except Exception`` of a training function stops it."""


class Passes:
    """How often each data object was shuffled in a run: the k-th pass over it is epoch k.

    Data is known by identity; a tuple or dict of arrays by its arrays, since ``(x, y)`` is a new tuple each
    epoch.

    Parameters
    ----------
    most : int, optional
        Batches after which every pass of a smoke run stops.
    """

    def __init__(self, most: int | None = None) -> None:
        self.most = most
        self.deadline = math.inf
        """Time of ``time.monotonic`` after which no pass begins: a loop that counts steps would go on for hours."""
        self.shortened = False
        """Whether a pass has stopped before its end: until then a smoke run is a training run, step by step."""
        self._numbers: dict[tuple[object, ...], int] = {}
        self._alive: dict[tuple[object, ...], list[Any]] = {}
        self._given = {True: 0, False: 0}
        self._epochs: dict[int, int] = {}

    def number(self, samples: Samples, *, shuffle: bool) -> int:
        """Number of this data in order of first use; shuffled and fixed use are counted apart.

        So that an arm which evaluates first trains in the same order as the others.
        """
        parts = samples.columns if samples.kind in ("array", "columns") else [samples.data]
        key = (shuffle, *map(id, parts))
        if key not in self._numbers:
            self._numbers[key] = self._given[shuffle]
            self._given[shuffle] += 1
            self._alive[key] = [self._hold(part, key) for part in parts]
        return self._numbers[key]

    def _hold(self, part: Any, key: tuple[object, ...]) -> Any:
        # An id is reused once its object is gone: forget the number then. What has no weak references is
        # kept.
        try:
            return weakref.ref(part, lambda _: self._forget(key))
        except TypeError:
            return part

    def _forget(self, key: tuple[object, ...]) -> None:
        self._numbers.pop(key, None)
        self._alive.pop(key, None)

    def epoch(self, number: int, given: int | None) -> int:
        """The epoch that begins now."""
        epoch = self._epochs.get(number, 0) if given is None else given
        self._epochs[number] = epoch + 1
        return epoch

    def state(self) -> list[list[int]]:
        """Number and next epoch of each data object that was shuffled."""
        return [[number, epoch] for number, epoch in self._epochs.items()]

    def restore(self, state: list[list[int]]) -> None:
        """Go on from a ``state``: data objects are known by the order in which they are first used."""
        self._epochs = {int(number): int(epoch) for number, epoch in state}


class Loader:
    """What ``run.loader`` returns: iterate over it as often as you like, each time is the next epoch."""

    def __init__(
        self,
        data: Any,
        *,
        seed: int,
        device: str,
        passes: Passes,
        batch_size: int,
        shuffle: bool,
        drop_last: bool,
        epoch: int | None,
        workers: int,
        collate: Callable[[list[Any]], Any] | None,
    ) -> None:
        self._torch: Any = need("torch", extra="torch", why="run.loader")
        self._samples = read_samples(data, caller="run.loader", error=RunError)
        if self._samples.kind == "frame":
            raise RunError(
                "run.loader: a data frame has no tensors; hand in its arrays, e.g. "
                '(frame[features].to_numpy("float32"), frame["label"].to_numpy()).'
            )
        self._batch_size = _whole("batch_size", batch_size, at_least=1)
        self._workers = _whole("workers", workers, at_least=0)
        self._epoch = None if epoch is None else _whole("epoch", epoch, at_least=0)
        self._seed, self._device, self._passes = seed, device, passes
        self._shuffle, self._drop_last, self._collate = shuffle, drop_last, collate
        self._number = passes.number(self._samples, shuffle=shuffle)
        if len(self) == 0:
            raise RunError(
                f"run.loader: {self._samples.size} samples make no batch of {self._batch_size} with "
                "drop_last=True; "
                "lower batch_size or set drop_last=False."
            )

    def __len__(self) -> int:
        full = self._samples.size / self._batch_size
        return math.floor(full) if self._drop_last else math.ceil(full)

    @property
    def dataset(self) -> Any:
        """The samples by index, as in torch's loader: helpers ask for ``len(loader.dataset)``."""
        return self._fetched()

    @property
    def batch_size(self) -> int:
        """Samples a batch."""
        return self._batch_size

    def __iter__(self) -> Iterator[Any]:
        if time.monotonic() > self._passes.deadline:
            raise Enough
        # The epoch begins here, not at the first batch: so this is no generator itself.
        epoch = self._passes.epoch(self._number, self._epoch) if self._shuffle else 0
        order = self._order(epoch)
        places = [order[i * self._batch_size : (i + 1) * self._batch_size] for i in range(len(self))]
        if self._passes.most is not None and len(places) > self._passes.most:
            return self._shortened(self._batches(places[: self._passes.most], epoch))
        return self._batches(places, epoch)

    def _batches(self, places: list[Any], epoch: int) -> Iterator[Any]:
        if self._samples.kind in ("array", "columns") and self._collate is None:
            return self._indexed(places)
        collate = self._collate or self._torch.utils.data.default_collate
        batches = _Batches(self._fetched(), places, self._sample_key(epoch), collate)
        return self._in_workers(batches) if self._workers else self._here(batches)

    def _shortened(self, batches: Iterator[Any]) -> Iterator[Any]:
        # The length stays that of the whole pass: schedules and step counts are then as in a training run.
        yield from batches
        self._passes.shortened = True

    def _order(self, epoch: int) -> Any:
        import numpy as np

        if not self._shuffle:
            return np.arange(self._samples.size)
        sequence = stream(self._seed, f"order/{self._number}/{epoch}")
        return np.random.default_rng(sequence).permutation(self._samples.size)

    def _sample_key(self, epoch: int) -> bytes:
        kind = "shuffled" if self._shuffle else "fixed"
        return (
            stream(self._seed, f"sample/{kind}/{self._number}/{epoch}")
            .generate_state(8, dtype="uint32")
            .tobytes()
        )

    def _fetched(self) -> Any:
        """The data as something that gives one sample for one index."""
        if self._samples.kind == "columns":
            return _Rows(self._samples)
        return self._samples.data

    def _indexed(self, places: list[Any]) -> Iterator[Any]:
        """Arrays: whole batches by one index each. Nothing random can happen there."""
        columns = self._samples.columns
        for rows in places:
            batch = [_take(column, rows, self._torch) for column in columns]
            yield self._moved(self._samples.rebuild(batch))

    def _here(self, batches: _Batches) -> Iterator[Any]:
        for i in range(len(batches)):
            yield self._moved(batches[i])

    def _in_workers(self, batches: _Batches) -> Iterator[Any]:
        for output in (sys.__stdout__, sys.__stderr__):
            if output is not None:
                output.flush()  # or each worker would print what is in the buffer again
        with warnings.catch_warnings():
            # Python warns of forking beside threads; torch's own loaders do the same, with one thread in
            # each worker.
            warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
            iterator = iter(
                self._torch.utils.data.DataLoader(
                    batches,
                    batch_size=None,  # an item is a whole batch already
                    collate_fn=_unchanged,
                    num_workers=self._workers,
                    # Classes of test modules cannot be pickled under --import-mode=importlib; a fork needs
                    # no pickle.
                    multiprocessing_context="fork" if sys.platform == "linux" else None,
                    generator=self._torch.Generator(),  # or it would draw from the global one
                    worker_init_fn=_own_streams,
                    pin_memory=self._device.startswith("cuda"),
                )
            )
        try:
            for batch in iterator:
                yield self._moved(batch, pinned=True)
        finally:
            # After an error its traceback holds the iterator. The garbage collector would close its pipes before it
            # could tell the workers, and then wait five seconds for each: so they are told now.
            iterator._shutdown_workers()

    def _moved(self, batch: Any, *, pinned: bool = False) -> Any:
        if self._device == "cpu":
            return batch
        pin = self._device.startswith("cuda") and not pinned

        def move(item: Any) -> Any:
            if isinstance(item, self._torch.Tensor):
                item = (
                    item.pin_memory() if pin and item.device.type == "cpu" and not item.is_pinned() else item
                )
                return item.to(self._device, non_blocking=True)
            if isinstance(item, Mapping):
                return {name: move(value) for name, value in item.items()}
            if isinstance(item, tuple) and hasattr(item, "_fields"):
                return type(item)(*map(move, item))
            if isinstance(item, list | tuple):
                return type(item)(map(move, item))
            return item.to(self._device) if callable(getattr(item, "to", None)) else item

        return move(batch)


class _Batches:
    """The batches of one epoch, each fetched and collated by index: here or in a worker, the same bits."""

    def __init__(self, data: Any, places: list[Any], key: bytes, collate: Callable[[list[Any]], Any]) -> None:
        self._data, self._places, self._key, self._collate = data, places, key, collate

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Any:
        torch: Any = need("torch", extra="torch", why="run.loader")
        with global_generators_kept(), _one_thread(torch):
            samples = []
            for index in self._places[number].tolist():
                self._seed(f"sample {index}", torch)
                samples.append(self._data[index])
            self._seed(f"batch {number}", torch)
            return self._collate(samples)

    def _seed(self, name: str, torch: Any) -> None:
        # A hash, not a SeedSequence: this is done for every sample, and it is ten times faster.
        reseed(hashlib.blake2b(name.encode(), key=self._key, digest_size=24).digest(), torch)


class _Rows:
    """Columns as samples, for a ``collate`` of the user."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __getitem__(self, index: int) -> Any:
        return self._samples.rebuild([column[index] for column in self._samples.columns])


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """As in a worker of torch: more threads would give other bits."""
    before = torch.get_num_threads()
    if before == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _take(column: Any, rows: Any, torch: Any) -> Any:
    if isinstance(column, torch.Tensor):
        return column[torch.from_numpy(rows).to(column.device)]
    taken = column[rows]
    if taken.dtype.kind not in "biufc":
        return taken.tolist()  # text and objects cannot be tensors: as torch's own collate
    return torch.from_numpy(taken.astype(taken.dtype.newbyteorder("="), copy=False))


def _own_streams(_: int) -> None:
    """A worker prints to the process's own streams: what it wrote into its copy of the run's would be lost."""
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def _unchanged(batch: Any) -> Any:
    return batch


def _whole(name: str, value: object, *, at_least: int) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # what is no integer raises here
    except TypeError:
        number = at_least - 1
    if isinstance(value, bool) or number < at_least:
        raise RunError(f"run.loader({name}={value!r}): expected a whole number, at least {at_least}.")
    return number
