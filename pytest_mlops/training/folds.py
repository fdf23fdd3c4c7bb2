"""Cross-validation: the data dealt out to folds of like size, in an order that the name of the split alone decides.

Whole groups stay together, and what is dealt first are the large ones: folds then differ by little more than single samples,
and are other folds in each repeat.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from pytest_mlops.errors import SplitError
from pytest_mlops.training.groups import fixed_order
from pytest_mlops.training.streams import shuffled

_TRIES = 20
"""How often groups are dealt anew where a fold lacks a class."""

_UNEVEN = 2.0
"""How many times the smallest fold the largest may be: the corrected variance holds for folds of like size."""


def folds_of(
    size: int, folds: int, groups: Sequence[str] | None, classes: Sequence[str] | None, name: str
) -> list[set[int]]:
    """Rows of each fold.

    Parameters
    ----------
    size : int
        Number of rows.
    folds : int
        Number of folds, at least 2.
    groups : sequence of str or None
        A label for each row; rows of one label go to one fold.
    classes : sequence of str or None
        A class for each row; each fold gets nearly the same share of all classes.
    name : str
        Decides the order.

    Raises
    ------
    SplitError
        If there are fewer rows, groups or members of a class than folds, or folds would be of unlike size.

    Examples
    --------
    >>> sorted(len(fold) for fold in folds_of(11, 3, None, None, "split"))
    [3, 4, 4]
    """
    _check_enough(size, folds, groups, classes)
    if groups is None:
        found = _dealt_rows(size, folds, classes, name)
    else:
        members: dict[str, list[int]] = defaultdict(list)
        for row, group in enumerate(groups):
            members[group].append(row)
        found = _dealt_groups(members, folds, classes, name)
    smallest, largest = min(map(len, found)), max(map(len, found))
    if largest > _UNEVEN * smallest:
        raise SplitError(
            f"run.split(folds={folds}): the folds would have {smallest} to {largest} samples, because groups differ so much in "
            f"size or are so few. Folds have to be of like size, the largest at most {_UNEVEN:g} times the smallest: take fewer "
            "folds, or by='seed' with test=."
        )
    return found


def _check_enough(size: int, folds: int, groups: Sequence[str] | None, classes: Sequence[str] | None) -> None:
    there, what = (size, "samples") if groups is None else (len(set(groups)), "groups")
    if folds > there:
        raise SplitError(
            f"run.split(folds={folds}): there are {there} {what}, and each fold needs one at least; take at most {there} folds."
        )
    if classes is None:
        return
    held = (
        Counter(classes)
        if groups is None
        else Counter(label for label, _ in set(zip(classes, groups, strict=True)))
    )
    label, least = min(held.items(), key=lambda item: (item[1], item[0]))
    if least < folds:
        raise SplitError(
            f"run.split(folds={folds}, stratify=...): class {label!r} has {least} {'members' if groups is None else what}, too "
            f"few for one in each fold. Take at most {max(least, 2)} folds, join rare classes, or leave stratify= out."
        )


def _dealt_rows(size: int, folds: int, classes: Sequence[str] | None, name: str) -> list[set[int]]:
    """Rows one by one, class after class, so that each fold gets its share of each."""
    order = shuffled(size, name)
    if classes is not None:
        order = sorted(order, key=classes.__getitem__)  # stable: shuffled within a class
    found: list[set[int]] = [set() for _ in range(folds)]
    for place, row in enumerate(order):
        found[place % folds].add(row)
    return found


def _dealt_groups(
    members: Mapping[str, Sequence[int]], folds: int, classes: Sequence[str] | None, name: str
) -> list[set[int]]:
    labels = [""] * sum(map(len, members.values())) if classes is None else classes
    contents = {group: Counter(labels[row] for row in rows) for group, rows in members.items()}
    for attempt in range(_TRIES):
        dealt = _dealt(contents, folds, f"{name}\0{attempt}")
        held = [sum((contents[group] for group in fold), Counter[str]()) for fold in dealt]
        if classes is None or all(len(one) == len(set(classes)) for one in held):
            return [{row for group in fold for row in members[group]} for fold in dealt]
    raise SplitError(
        f"run.split(folds={folds}, groups=..., stratify=...): no division of whole groups was found that has every class in each "
        "fold. Join classes, take fewer folds, or leave stratify= out."
    )


def _dealt(contents: Mapping[str, Counter[str]], folds: int, name: str) -> list[list[str]]:
    """Round after round each fold gets one group, the largest groups first, and in each round the folds choose in turn.

    Within a round a group goes where it leaves the classes most even; without classes, where chance says.
    """
    order = fixed_order(contents, name)
    totals: Counter[str] = sum(contents.values(), Counter())
    order.sort(key=lambda group: -contents[group].total())  # stable: groups of one size as chance has them
    held: list[Counter[str]] = [Counter() for _ in range(folds)]
    dealt: list[list[str]] = [[] for _ in range(folds)]
    for start in range(0, len(order), folds):
        free = shuffled(folds, f"{name}\0{start}")
        round_ = order[start : start + folds]
        if len(round_) < folds:  # the last one: the smallest folds first
            free.sort(key=lambda fold: held[fold].total())
        by_chance = len(totals) == 1
        chosen = (
            list(zip(free, round_, strict=False))
            if by_chance
            else _by_class(round_, free, contents, held, totals)
        )
        for fold, group in chosen:
            held[fold] += contents[group]
            dealt[fold].append(group)
    return dealt


def _by_class(
    groups: Sequence[str],
    free: list[int],
    contents: Mapping[str, Counter[str]],
    held: Sequence[Counter[str]],
    totals: Counter[str],
) -> list[tuple[int, str]]:
    chosen, free = [], list(free)
    for group in groups:
        fold = min(
            free,
            key=lambda one: sum((held[one][c] + contents[group][c]) / totals[c] for c in contents[group]),
        )
        free.remove(fold)
        chosen.append((fold, group))
    return chosen
