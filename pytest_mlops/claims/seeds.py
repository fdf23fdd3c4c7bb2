"""Which seeds a claim trains: a function of the root seed and nothing else, never of the day or of who came first."""

from __future__ import annotations

import hashlib

SEEDS = 2**31
"""Seeds are integers in [0, SEEDS)."""


def block(root: int, count: int, *, name: str = "") -> list[int]:
    """The first ``count`` seeds of the block ``name`` of root seed ``root``.

    Block '' of root 0 counts 0, 1, 2, ...; any other starts at a SHA-256 of both and counts up modulo 2**31.

    Examples
    --------
    >>> block(0, 3)
    [0, 1, 2]
    """
    start = 0
    if root or name:
        start = int.from_bytes(hashlib.sha256(f"{root}:{name}".encode()).digest()[:8], "big") % SEEDS
    return [(start + index) % SEEDS for index in range(count)]
