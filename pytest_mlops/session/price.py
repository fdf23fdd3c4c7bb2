"""What a claim may still cost: from the design of its test to training runs and wall time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_mlops.session.derived import with_upstreams
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.stats import SequentialTest


@dataclass(frozen=True, kw_only=True)
class Price:
    """Training runs and wall time until a claim is decided."""

    runs: tuple[int, int, int]
    """At least, on average, at most."""
    seconds: tuple[float, float]
    """Of the fewest and of the most training runs."""
    on_gpu: bool


def price(
    laboratory: Laboratory, arms: Sequence[Prepared], test: SequentialTest, *, done: int, most: int
) -> Price:
    """The price of a claim of which ``done`` pairs are finished, and which has ``most`` at the most.

    Runs that the store has cost nothing. The average is over two truths: no gain, and the gain that the test is
    made to detect.
    """
    arms = with_upstreams(arms)
    least = min([int(look) for look in test.looks if look > done] + [most])
    typical = sum(test.expected_seeds([0.0, test.detectable_effect])) / 2  # type: ignore[arg-type]  # an array
    runs, seconds = [], []
    for stop in (least, min(max(round(typical), least), most), most):
        missing = [laboratory.missing(arm, range(done, stop)) for arm in arms]
        runs.append(sum(missing))
        seconds.append(
            sum(n * (laboratory.expected(arm) or 0.0) for n, arm in zip(missing, arms, strict=True))
        )
    on_gpu = any(arm.place.device != "cpu" for arm in arms)
    return Price(runs=(runs[0], runs[1], runs[2]), seconds=(seconds[0], seconds[2]), on_gpu=on_gpu)
