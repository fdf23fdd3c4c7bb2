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
