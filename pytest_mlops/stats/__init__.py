"""Sequential boundaries and verdicts, seeds by cases. NumPy and SciPy only, pure functions, loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_mlops.stats.cases import SeedsByCases, seeds_by_cases
    from pytest_mlops.stats.decision import Decision, Reason, Verdict
    from pytest_mlops.stats.discordant import DiscordantTest
    from pytest_mlops.stats.rates import RateTest
    from pytest_mlops.stats.sequential import SequentialTest

__all__ = [
    "Decision",
    "DiscordantTest",
    "RateTest",
    "Reason",
    "SeedsByCases",
    "SequentialTest",
    "Verdict",
    "seeds_by_cases",
]

_HOME = {
    "Decision": "decision",
    "DiscordantTest": "discordant",
    "RateTest": "rates",
    "Reason": "decision",
    "SeedsByCases": "cases",
    "SequentialTest": "sequential",
    "Verdict": "decision",
    "seeds_by_cases": "cases",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
