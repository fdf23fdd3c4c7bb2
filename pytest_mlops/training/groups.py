"""Which whole groups (patients) go to the test part, in an order that their labels alone decide.

So the order of the rows does not matter, and a patient who joins later moves few others.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

from pytest_mlops.errors import SplitError

# Groups times samples up to which the nearest reachable size is looked for exactly: a few tenths of a second.
_EXACT_WORK = 200_000_000


def fixed_order(groups: Mapping[str, object], name: str) -> list[str]:
    """The groups in an order that looks random and depends on the labels and the name of the split only."""
    return sorted(groups, key=lambda group: (hashlib.sha256(f"{name}\0{group}".encode()).digest(), group))


def divide_groups(
    sizes: Mapping[str, int], members: Mapping[str, Sequence[int]], count: int, name: str
) -> set[int]:
    """Rows of whole groups, as near to ``count`` as they allow, with a group on either side at least."""
    order = fixed_order(sizes, name)
    taken = _greedy(order, sizes, count)
    total = sum(sizes.values())
    off = abs(sum(sizes[group] for group in taken) - count)
    if (off or not taken or len(taken) == len(order)) and len(order) * total <= _EXACT_WORK:
        exact = _exact(order, sizes, count, total)
        if not taken or len(taken) == len(order) or abs(sum(sizes[group] for group in exact) - count) < off:
            taken = exact
    if not taken:
        taken = [min(order, key=lambda group: sizes[group])]
    if len(taken) == len(order):
        taken.remove(min(order, key=lambda group: sizes[group]))
    return {row for group in taken for row in members[group]}


def _greedy(order: list[str], sizes: Mapping[str, int], count: int) -> list[str]:
    taken, reached = [], 0
    for group in order:
        if abs(reached + sizes[group] - count) < abs(reached - count):
            taken.append(group)
            reached += sizes[group]
    return taken


def _exact(order: list[str], sizes: Mapping[str, int], count: int, total: int) -> list[str]:
    """The groups of a subset whose size is nearest to ``count``, neither empty nor all."""
    import numpy as np

    last = np.full(total + 1, -1, dtype=np.int64)  # for each reachable size, the group that first reached it
    last[0] = len(order)
    for place, group in enumerate(order):
        size = sizes[group]
        fresh = np.flatnonzero((last[:-size] >= 0) & (last[size:] < 0)) + size
        last[fresh] = place
    reachable = np.flatnonzero(last >= 0)
    inner = reachable[(reachable > 0) & (reachable < total)]
    reached = int(inner[np.argmin(np.abs(inner - count))])
    taken = []
    while reached > 0:
        group = order[int(last[reached])]
        taken.append(group)
        reached -= sizes[group]
    return taken


def divide_groups_stratified(
    members: Mapping[str, Sequence[int]], classes: Sequence[str], count: int, name: str
) -> set[int]:
    """Rows of whole groups so that each class has nearly the share ``count / size`` in the test part.

    Greedy: the groups with the most uneven classes first; each goes where it brings the shares nearer.
    """
    contents = {group: Counter(classes[row] for row in rows) for group, rows in members.items()}
    totals = Counter(classes)
    _check_classes(contents, totals)
    share = count / len(classes)
    place = {group: i for i, group in enumerate(fixed_order(members, name))}
    order = sorted(members, key=lambda group: (-_weight(contents[group], totals), place[group]))
    taken: list[str] = []
    reached: Counter[str] = Counter()
    for group in order:
        if _distance(reached + contents[group], totals, share) < _distance(reached, totals, share):
            taken.append(group)
            reached += contents[group]
    taken = _repaired(taken, order, contents, totals, share)
    return {row for group in taken for row in members[group]}


def _weight(content: Counter[str], totals: Counter[str]) -> float:
    return max(content[label] / totals[label] for label in content)


def _distance(reached: Counter[str], totals: Counter[str], share: float) -> float:
    return sum((reached[label] / total - share) ** 2 for label, total in totals.items())


def _repaired(
    taken: list[str],
    order: list[str],
    contents: Mapping[str, Counter[str]],
    totals: Counter[str],
    share: float,
) -> list[str]:
    """Move single groups until each class is on both sides; each move mends a class, so there are few."""
    side = set(taken)
    for _ in range(2 * len(totals)):
        reached = sum((contents[group] for group in side), Counter())
        absent = [label for label in totals if reached[label] == 0]
        complete = [label for label in totals if reached[label] == totals[label]]
        if not absent and not complete:
            return sorted(side)
        label = (absent or complete)[0]
        movable = [group for group in order if (group in side) != bool(absent) and contents[group][label]]
        side ^= {
            min(
                movable,
                key=lambda group: _distance(_moved(reached, contents[group], bool(absent)), totals, share),
            )
        }
    raise SplitError(
        "run.split(groups=..., stratify=...): no division of whole groups was found that has every class "
        "on both "
        "sides. Join classes, or leave stratify= out."
    )


def _moved(reached: Counter[str], content: Counter[str], join: bool) -> Counter[str]:
    return reached + content if join else reached - content


def _check_classes(contents: Mapping[str, Counter[str]], totals: Counter[str]) -> None:
    for label in totals:
        holders = [group for group, content in contents.items() if content[label]]
        if len(holders) < 2:
            raise SplitError(
                f"run.split(groups=..., stratify=...): class {label!r} is in one group only, "
                f"{holders[0]!r}, and a "
                "group stays on one side. Join classes, or leave stratify= out."
            )
