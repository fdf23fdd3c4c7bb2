"""Terms: what expressions and claims are sums of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlops.claims.arms import Arm


@dataclass(frozen=True)
class Term:
    """``weight * arm[metric]``."""

    arm: Arm
    metric: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far apart the two sides of an equivalence may be."""

    size: float
    """In units of the metric, or a share of the right side."""
    relative: bool

    def __str__(self) -> str:
        return f"{'rel' if self.relative else 'abs'}={self.size:g}"
