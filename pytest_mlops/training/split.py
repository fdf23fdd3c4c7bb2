"""One division of the data into a part to fit and a part to test on: the same for all seeds, or one that varies with them."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_mlops._optional import need
from pytest_mlops.errors import SplitError
from pytest_mlops.records import VaryingSplit
from pytest_mlops.training.folds import folds_of
from pytest_mlops.training.groups import divide_groups, divide_groups_stratified
from pytest_mlops.training.samples import Samples, is_array, read_samples
from pytest_mlops.training.streams import shuffled


@dataclass(frozen=True, kw_only=True)
class Place:
    """What of a run a split that varies may depend on; the same for all arms."""

    seed: int = 0
    index: int = 0
    """Place of the seed in its block."""
    block: int = 0
    """First seed of the block: it stands for the root seed."""


_FIRST = Place()
_TEST = 0.2


def _nobody(_: VaryingSplit) -> None:
    """Nobody wants to know how the split varies."""


def split(
    data: Any,
    *,
    test: float | None = None,
    groups: Any = None,
    stratify: Any = None,
    name: str = "split",
    by: str | None = None,
    folds: int | None = None,
    place: Place = _FIRST,
    tell: Callable[[VaryingSplit], None] = _nobody,
) -> tuple[Any, Any]:
    """Divide ``data``; see ``Run.split``, which is this function. ``tell`` hears of a division that varies before it is used.

    Examples
    --------
    >>> fit, test = split(["a", "b", "c", "d", "e"], test=2)
    >>> len(fit), len(test), sorted(fit + test)
    (3, 2, ['a', 'b', 'c', 'd', 'e'])
    """
    _check_kind(test, by, folds)
    if not isinstance(name, str) or not name:
        raise SplitError(f"run.split(name={name!r}): expected some text; another name gives another split.")
    samples = None if _is_count(data) else read_samples(data, caller="run.split", error=SplitError)
    size = operator.index(data) if samples is None else samples.size
    if size < 2:
        raise SplitError(f"run.split needs at least 2 samples, one for each side, and got {size}.")
    patients = None if groups is None else _labels("groups", groups, size)
    classes = None if stratify is None else _labels("stratify", stratify, size)
    if folds is not None:
        chosen = _fold(size, operator.index(folds), patients, classes, name, place, tell)
    else:
        drawn = name if by is None else f"{name}\0seed {place.seed}"
        chosen = _choose(size, _count(_TEST if test is None else test, size), patients, classes, drawn)
        if by is not None:
            tell(VaryingSplit(test=len(chosen), fit=size - len(chosen)))
    return _part(samples, [i for i in range(size) if i not in chosen]), _part(samples, sorted(chosen))


def _fold(
    size: int,
    folds: int,
    groups: list[str] | None,
    classes: list[str] | None,
    name: str,
    place: Place,
    tell: Callable[[VaryingSplit], None],
) -> set[int]:
    """Indices of the fold whose turn it is."""
    repeat, turn = divmod(place.index, folds)
    found = folds_of(size, folds, groups, classes, f"{name}\0block {place.block}\0repeat {repeat}")
    chosen = found[turn]
    tell(
        VaryingSplit(
            test=len(chosen),
            fit=size - len(chosen),
            folds=folds,
            fold=turn,
            repeat=repeat,
            block=place.block,
        )
    )
    return chosen


def _choose(
    size: int, count: int, groups: list[str] | None, classes: list[str] | None, name: str
) -> set[int]:
    """Indices of the test part."""
    if groups is not None:
        members: dict[str, list[int]] = defaultdict(list)
        for index, group in enumerate(groups):
            members[group].append(index)
        if len(members) < 2:
            raise SplitError(
                f"run.split: all samples are of one group, {next(iter(members))!r}; a group stays on one "
                "side, "
                "so there is nothing to divide. Are the groups the patients?"
            )
        if classes is not None:
            return divide_groups_stratified(members, classes, count, name)
        return divide_groups({group: len(rows) for group, rows in members.items()}, members, count, name)
    if classes is not None:
        return _stratified(classes, count, name)
    return set(shuffled(size, name)[:count])


def _stratified(classes: list[str], count: int, name: str) -> set[int]:
    """Each class by its own permutation; shares by largest remainder, one member on either side at least."""
    rows: dict[str, list[int]] = defaultdict(list)
    for index, label in enumerate(classes):
        rows[label].append(index)
    single = sorted(label for label, members in rows.items() if len(members) < 2)
    if single:
        raise SplitError(
            f"run.split(stratify=...): {_few(single)} has only one member, and a class needs one on either "
            "side. "
            "Join rare classes, or stratify by a coarser label (a continuous value by its quartile)."
        )
    if not len(rows) <= count <= len(classes) - len(rows):
        raise SplitError(
            f"run.split(stratify=...): {count} of {len(classes)} samples for the test part leave no place "
            "on either "
            f"side for each of {len(rows)} classes; change test= or join classes."
        )
    quotas = _quotas({label: len(members) for label, members in rows.items()}, count)
    chosen: set[int] = set()
    for label, members in rows.items():
        order = shuffled(len(members), f"{name}/{label}")
        chosen.update(members[place] for place in order[: quotas[label]])
    return chosen


def _quotas(sizes: dict[str, int], count: int) -> dict[str, int]:
    total = sum(sizes.values())
    exact = {label: size * count / total for label, size in sizes.items()}
    quotas = {label: min(max(int(exact[label]), 1), size - 1) for label, size in sizes.items()}
    while (missing := count - sum(quotas.values())) != 0:
        step = 1 if missing > 0 else -1
        able = [label for label in sizes if 1 <= quotas[label] + step <= sizes[label] - 1]
        label = max(able, key=lambda one: (step * (exact[one] - quotas[one]), one))
        quotas[label] += step
    return quotas


def _part(samples: Samples | None, rows: list[int]) -> Any:
    """These rows, in the form of the data."""
    import numpy as np

    places = np.asarray(rows, dtype=np.intp)
    if samples is None:
        return places
    if samples.kind in ("array", "columns"):
        return samples.rebuild([_rows(column, places) for column in samples.columns])
    if samples.kind == "frame":
        return samples.data.iloc[places]
    if samples.kind == "list":
        return [samples.data[row] for row in rows]
    torch: Any = need("torch", extra="torch", why="run.split of a dataset")
    return torch.utils.data.Subset(samples.data, rows)


def _rows(column: Any, places: Any) -> Any:
    if hasattr(column, "device") and not hasattr(column, "__array_interface__"):
        torch: Any = need("torch", extra="torch", why="run.split of a tensor")
        return column[torch.from_numpy(places).to(column.device)]
    return column[places]


def _check_kind(test: object, by: object, folds: object) -> None:
    """One way to split is asked for, and one that there is."""
    if by not in (None, "seed"):
        raise SplitError(
            f"run.split(by={by!r}): there is no such way to split; by='seed' draws a new split under each seed, and without by= "
            "there is one fixed split."
        )
    if folds is None:
        return
    if test is not None or by is not None:
        other = f"test={test!r}" if test is not None else f"by={by!r}"
        raise SplitError(
            f"run.split(folds={folds!r}, {other}): folds= says both how much is tested and what varies; leave {other} out."
        )
    if isinstance(folds, bool) or not hasattr(folds, "__index__") or operator.index(folds) < 2:
        raise SplitError(f"run.split(folds={folds!r}): expected a whole number of at least 2.")


def _is_count(data: object) -> bool:
    return hasattr(data, "__index__") and not isinstance(data, bool) and not is_array(data)


def _count(test: object, size: int) -> int:
    """Samples of the test part."""
    message = (
        f"run.split(test={test!r}): expected a share between 0 and 1, or a whole number of samples from 1 to "
        f"{size - 1} (there are {size})."
    )
    if isinstance(test, bool) or (not isinstance(test, int | float) and not hasattr(test, "__index__")):
        raise SplitError(message)
    if isinstance(test, float):
        if not 0 < test < 1:
            raise SplitError(message)
        return min(max(int(test * size + 0.5), 1), size - 1)
    count = operator.index(test)
    if not 1 <= count <= size - 1:
        raise SplitError(message)
    return count


def _labels(what: str, values: Any, size: int) -> list[str]:
    """One text for each sample, none missing."""
    if isinstance(values, str | bytes | dict | set) or not hasattr(values, "__len__"):
        raise SplitError(
            f"run.split({what}=...): expected one label for each of {size} samples, got {values!r:.60} "
            f"({type(values).__name__}); write e.g. {what}=frame['patient']."
        )
    found: Sequence[Any] = values.tolist() if hasattr(values, "tolist") else list(values)
    if len(found) != size:
        raise SplitError(
            f"run.split({what}=...): {len(found)} labels for {size} samples; expected one for each."
        )
    for place, label in enumerate(found):
        if _is_missing(label):
            raise SplitError(
                f"run.split({what}=...): label {place} is missing ({label!r}); samples without one could "
                "land on both "
                "sides. Fill it in or leave the sample out."
            )
        if isinstance(label, list):
            raise SplitError(
                f"run.split({what}=...): expected one label a sample, and label {place} is {label!r:.40}."
            )
    return _texts(found)


def _texts(labels: Sequence[Any]) -> list[str]:
    """As text; labels that differ but read alike (1 and "1") keep apart."""
    texts = [str(label) for label in labels]
    kinds: dict[str, set[type]] = defaultdict(set)
    for text, label in zip(texts, labels, strict=True):
        kinds[text].add(type(label))
    if all(len(found) == 1 for found in kinds.values()):
        return texts
    return [f"{text} ({type(label).__name__})" for text, label in zip(texts, labels, strict=True)]


def _is_missing(label: Any) -> bool:
    try:
        return label is None or bool(label != label)
    except (TypeError, ValueError):  # pandas.NA has no truth; an array has many
        return not hasattr(label, "__len__")


def _few(labels: list[str]) -> str:
    shown = ", ".join(repr(label) for label in labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more"
