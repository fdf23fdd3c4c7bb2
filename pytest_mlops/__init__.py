"""Model-quality gates for pytest: a test states a claim about training, a sequential test decides it.

pytest imports this file in every session of every user, so the names load on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlops.claims.ablation import Ablations, Study
    from pytest_mlops.claims.arms import Arm, Arms
    from pytest_mlops.claims.claim import Claim
    from pytest_mlops.claims.expressions import Expression
    from pytest_mlops.errors import MlopsError
    from pytest_mlops.stats import Verdict
    from pytest_mlops.training.run import Run

_HOME = {
    "Ablations": "claims.ablation",
    "Arm": "claims.arms",
    "Arms": "claims.arms",
    "Claim": "claims.claim",
    "Expression": "claims.expressions",
    "MlopsError": "errors",
    "Run": "training.run",
    "Study": "claims.ablation",
    "Verdict": "stats",
}

__all__ = ["Ablations", "Arm", "Arms", "Claim", "Expression", "MlopsError", "Run", "Study", "Verdict"]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
