"""What it would take to decide a claim, if what was seen is right: said of an UNDECIDED one and in a plan alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.claim import Claim
from pytest_mlops.records import RunResult
from pytest_mlops.settings import MOST_SEEDS
from pytest_mlops.stats import SequentialTest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlops.claims.splits import Splits


@dataclass(frozen=True, kw_only=True)
class PairTime:
    """What the training runs of one pair take."""

    seconds: float
    on_gpu: bool

    def words(self, pairs: int) -> str:
        """What so many pairs take.

        Examples
        --------
        >>> PairTime(seconds=41.0, on_gpu=True).words(30), PairTime(seconds=41.0, on_gpu=False).words(1)
        ('about 0.34 GPU-hours', 'about 41 s')
        """
        total = pairs * self.seconds
        if self.on_gpu:
            return f"about {_digits(total / 3600)} GPU-hours"
        units = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "s"))
        size, unit = next((one for one in units if total >= 1.5 * one[0]), units[-1])
        return f"about {_digits(total / size)} {unit}"


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What a claim takes if its estimate is right.

    Parameters
    ----------
    margin : float
        The margin that ``max_seeds`` can show; either side of an equivalence.
    reach : float
        How far that lies from the estimate, in units of the metric.
    seeds : float or None
        ``max_seeds`` that this margin needs, infinite beyond 1000; None where no number will do.
    """

    margin: float
    reach: float
    seeds: float | None


def takes(
    claim: Claim, differences: Sequence[float], test: SequentialTest, *, margin: float, room: float | None
) -> Takes | None:
    """What a claim takes, from its pairs so far.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    differences : sequence of float
        Left minus right without the constant, one a pair.
    test : SequentialTest
        The design.
    margin : float
        What their mean has to exceed or stay below; the middle of an equivalence.
    room : float or None
        How far from there an equivalence may be.

    Returns
    -------
    Takes or None
        None for fewer than three pairs, and where they are alike.
    """
    import numpy as np

    from pytest_mlops.stats.planning import seeds_needed

    values = np.array(differences)
    if len(values) < 3 or not float(values.std(ddof=1)) > 0:
        return None
    sd, mean = float(values.std(ddof=1)), float(values.mean())
    reach = test.detectable_effect * sd
    if room is not None:
        away = abs(mean - margin)
        shown, gap = away + reach, room - away
    else:
        direction = -1.0 if claim.sign == "<" else 1.0
        shown, gap = mean - direction * reach, direction * (mean - margin)
    seeds, _ = seeds_needed(test, gain=gap, margin=0.0, sd_range=(sd, sd))
    return Takes(margin=shown, reach=reach, seeds=seeds if gap > 0 else None)


def takes_words(
    claim: Claim,
    found: Takes,
    test: SequentialTest,
    *,
    known: int,
    pair: PairTime | None,
    always: bool = False,
) -> str:
    """The same in a sentence.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    found : Takes
    test : SequentialTest
        The design.
    known : int
        Pairs that are finished.
    pair : PairTime or None
        What one pair takes, where that is known.
    always : bool
        Say which seeds the margin needs even where ``max_seeds`` allows so many.
    """
    most = int(test.looks[-1])
    what = "ratio" if claim.is_ratio else "bar" if claim.has_bar and claim.tolerance is None else "margin"
    texts = []
    if not claim.is_ratio:
        side = " either side" if claim.tolerance is not None else ""
        texts.append(
            f"{most} seeds can show a {what} of about {_near(found.margin, found.reach)}{side} (with power {test.power:g})"
        )
    if found.seeds is not None and (found.seeds > most or always):
        texts.append(f"this {what} needs {seeds_words(max(found.seeds, known + 1), most, known, pair)}")
    if not texts:
        return "If the estimate is right, no number of seeds will show it."
    return f"If the estimate is right, {', and '.join(texts)}."


def takes_data(
    claim: Claim, differences: NDArray[np.float64], test: SequentialTest, splits: Splits | None
) -> str:
    """The same where splits vary: data, since more seeds do not make up for their overlap; else nothing.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    differences : ndarray, shape (n,)
        Left minus right without the constant, one a pair.
    test : SequentialTest
        The design.
    splits : Splits or None
        How the splits vary with the seed.
    """
    n, most = len(differences), int(test.looks[-1])
    sd = float(differences.std(ddof=1)) if n > 1 else 0.0
    if splits is None or n < most or sd == 0.0:
        return ""
    mean, reach = float(differences.mean()), test.detectable_effect * sd * math.sqrt(1 + most * splits.ratio)
    what = "bar" if claim.has_bar and claim.tolerance is None else "margin"
    words = f"a {what} of about {_near(mean - reach if claim.sign == '>' else mean + reach, reach)}"
    if claim.tolerance is not None:
        words = f"a margin of about {_near(abs(mean - claim.margin) + reach, reach)} either side"
    least = math.sqrt(splits.ratio / (1 / most + splits.ratio))
    show = f"If the estimate is right, {most} splits can show {words} (with power {test.power:g}). "
    return (
        f"{'' if claim.is_ratio else show}More seeds narrow the interval to {least:.0%} of what it is and no further, since "
        "splits of the same data overlap: more data can. What is chosen now has to be judged on fresh seeds (--mlops-seed=1) "
        "and, better, fresh data."
    )


def pair_time(claim: Claim, outcomes: Mapping[Arm, Sequence[RunResult]]) -> PairTime | None:
    """What the training runs of a pair took on average; None where they were recorded, or it was not measured."""
    seconds, on_gpu = 0.0, False
    for arm in claim.varying:
        if not arm.trains:
            continue
        took = [run.metrics["seconds"] for run in outcomes[arm] if "seconds" in run.metrics]
        if not took:
            return None
        seconds += sum(took) / len(took)
        on_gpu |= any(run.metrics.get("gpu_seconds", 0.0) > 0 for run in outcomes[arm])
    return PairTime(seconds=seconds, on_gpu=on_gpu) if seconds > 0 else None


def _near(value: float, room: float) -> str:
    """A number to two digits of the room that it has: a bar of 3.28 with room for 0.002 is not 3.3.

    Examples
    --------
    >>> _near(3.27967, 0.0021), _near(0.0123, 0.02), _near(123.4, 56.7)
    ('3.2797', '0.012', '123')
    """
    return f"{value:.{max(0, 1 - math.floor(math.log10(room)))}f}"


def _digits(number: float) -> str:
    """Two of them, without an exponent."""
    return f"{number:.2g}" if number < 99.5 else f"{number:.0f}"


def seeds_words(needed: float, most: int, known: int, pair: PairTime | None, *, about: str = "about") -> str:
    """So many seeds, what they take, and how to allow them, where that can be done."""
    if not math.isfinite(needed):
        return f"more than 1000 seeds (max_seeds takes {MOST_SEEDS} at the most)"
    count = int(needed)
    time = f", {pair.words(count - known)} more" if pair is not None and count > known else ""
    if count <= most:
        return f"{about} {count} seeds{time}"
    if count > MOST_SEEDS:
        return f"{about} {count} seeds{time} (max_seeds takes {MOST_SEEDS} at the most)"
    how = f"(--mlops-max-seeds={count}, or @pytest.mark.mlops(max_seeds={count}))"
    return f"{about} {count} seeds{time} {how}"
