"""Which test judges a claim about numbers, when it looks, and what it cannot judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.series import Series
from pytest_mlops.claims.splits import Splits
from pytest_mlops.errors import ClaimError, SettingError
from pytest_mlops.stats import Decision, SequentialTest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pytest_mlops.stats.splits import SplitTest

AUTO = "auto"
SIGNFLIP = "signflip"
BOOTSTRAP = "bootstrap"
METHODS = (AUTO, SIGNFLIP, BOOTSTRAP)

_LEAVE = "Leave the method at auto for this gate: @pytest.mark.mlops(method='auto')."


@dataclass(frozen=True, kw_only=True)
class Design:
    """The looks of a claim, and the test that is asked at them.

    Parameters
    ----------
    test : SequentialTest
        Error levels and looks; one look where the method has one.
    method : str
        As the option says it.
    splits : Splits, optional
        How the splits vary with the seed.
    first : int
        Pairs after which runs that are identical bit for bit may end the claim: the first look of the options.
    """

    test: SequentialTest
    method: str = AUTO
    splits: Splits | None = None
    first: int

    @property
    def is_sequential_t(self) -> bool:
        """Whether it is the sequential t-test, whose looks compare t with its boundaries."""
        return self.method == AUTO and self.splits is None

    @property
    def words(self) -> str | None:
        """What is unlike the default, for people who are about to pay; None where nothing is."""
        n = int(self.test.looks[-1])
        if self.splits is not None:
            folds = self.splits.folds
            what = (
                f"{n // folds} repeats of {folds} folds"
                if folds is not None
                else f"{n} splits drawn by the seed"
            )
            return (
                f"splits vary with the seed: judged once, after {n} seeds ({what}), by a variance corrected for their overlap, "
                "without looks in between"
            )
        if self.method == SIGNFLIP:
            return f"method signflip: the first look comes after {int(self.test.looks[0])} seeds; fewer than 8 cannot pass"
        if self.method == BOOTSTRAP:
            return f"method bootstrap: judged once, after {n} seeds, without looks in between"
        return None

    @property
    def widening(self) -> float:
        """How many times wider the standard error of the mean is than that of independent seeds."""
        return 1.0 if self.splits is None else self._corrected(self.splits).widening

    def _corrected(self, splits: Splits) -> SplitTest:
        from pytest_mlops.stats.splits import SplitTest

        return SplitTest(seeds=int(self.test.looks[-1]), ratio=splits.ratio, alpha=self.test.alpha)

    def decide(self, contrasts: NDArray[np.float64], *, series: Series, parts: int) -> Decision:
        """The decision on one side of a part, by a method that is not the sequential t-test.

        Parameters
        ----------
        contrasts : ndarray, shape (n,)
            One number a seed, in seed order, margin taken off.
        series : Series
            What they are of: rounding error, and whether skewness could move the verdict.
        parts : int
            Number of parts and sides all of which must hold.
        """
        n = int(self.test.looks[-1])
        if self.splits is not None:
            guard = bool(series.guard[min(n, len(series.guard)) - 1])
            once = self._corrected(self.splits)
            return once.decide(contrasts, resolution=series.resolution, parts=parts, guard=guard)
        if self.method == SIGNFLIP:
            from pytest_mlops.stats.signflip import SignFlipTest

            return SignFlipTest(self.test).decide(contrasts, resolution=series.resolution, parts=parts)
        from pytest_mlops.stats.bootstrap import BootstrapTest

        resampled = BootstrapTest(seeds=n, alpha=self.test.alpha)
        return resampled.decide(contrasts, resolution=series.resolution, parts=parts)


def designed(claim: Claim, test: SequentialTest, method: str, splits: Splits | None) -> Design:
    """The design of a claim, once it is known how the splits of its runs vary.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    test : SequentialTest
        Error levels and looks by the options.
    method : str
        As the option says it.
    splits : Splits or None
        What the runs so far recorded.

    Raises
    ------
    SettingError
        If the method, or a mean over contexts, cannot judge splits that vary, or ``max_seeds`` is less than one repeat of the
        folds.
    """
    first = int(test.looks[0])
    if splits is None:
        return Design(test=test, method=method, first=first)
    if method != AUTO:
        raise SettingError(
            f"{claim.statement}: its splits vary with the seed, and method = {method} takes training runs for independent, "
            f"which splits of the same data are not. {_LEAVE} It corrects for the overlap by itself."
        )
    if _is_over_contexts(test):
        raise SettingError(
            f"{claim.statement}: its splits vary with the seed, and ablate(...) asks for the mean over contexts that take turns, "
            "for which no test is made. Train on one fixed split (leave by= and folds= of run.split out), or ask in each: "
            "@pytest.mark.ablate(..., every=True)."
        )
    n = _seeds_for(claim, int(test.looks[-1]), splits)
    return Design(test=at_one_look(test, n), method=method, splits=splits, first=min(first, n))


def _is_over_contexts(test: SequentialTest) -> bool:
    from pytest_mlops.stats.contexts import ContextTest

    return isinstance(test, ContextTest)


def _seeds_for(claim: Claim, most: int, splits: Splits) -> int:
    from pytest_mlops.stats.splits import whole_repeats

    least = splits.folds or 3
    if most < least:
        needs = (
            f"one repeat of {least} folds needs {least} seeds"
            if splits.folds
            else "splits that vary need 3 seeds"
        )
        raise SettingError(
            f"{claim.statement}: {needs}, and max_seeds = {most}. Raise it to a multiple of {least}: "
            f"--mlops-max-seeds={least * 6}, or @pytest.mark.mlops(max_seeds={least * 6})."
        )
    return whole_repeats(most, splits.folds) if splits.folds is not None else most


@lru_cache(maxsize=64)
def at_one_look(test: SequentialTest, seeds: int) -> SequentialTest:
    """The same levels at one look."""
    return replace(test, min_seeds=seeds, max_seeds=seeds, spending=None)


def refuse(claim: Claim, what: str, method: str, *, varying: bool) -> None:
    """Refuse a claim that only the default answers.

    Parameters
    ----------
    claim : Claim
        What is claimed.
    what : str
        What it is about: ``"a yes/no metric"``.
    method : str
        As the option says it.
    varying : bool
        Whether splits vary with the seed.

    Raises
    ------
    SettingError, ClaimError
        If the method is not the default, or splits vary.
    """
    if method != AUTO:
        raise SettingError(
            f"{claim.statement}: it is about {what}, which method = {method} does not judge: that has a test of its own. {_LEAVE}"
        )
    if varying:
        raise ClaimError(
            f"{claim.statement}: it is about {what}, and its splits vary with the seed. The test for that takes training "
            "runs for independent, which splits of the same data are not. Train on one fixed split (leave by= and folds= "
            "of run.split out), or return a plain number in its place."
        )
