"""Honest counting: which attempt at a claim this is, whoever made the others, since the merge base of its branch."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.methods import AUTO
from pytest_mlops.claims.ports import Store
from pytest_mlops.claims.recording import Recording
from pytest_mlops.errors import RefError, StoreError
from pytest_mlops.repository.base import base
from pytest_mlops.repository.git import Git
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)


_MARGIN = re.compile(r" [+-] #$")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a claim."""

    number: int
    """From 1 on; those before it were made with other code, parameters, margin or design."""
    base: str
    """Base commit since which attempts are counted; empty where there is none."""
    block: str = ""
    """Name of the block of seeds that is its own: nobody saw a training run of them before it was made."""

    @property
    def since(self) -> str:
        """Since when attempts are counted, for a sentence."""
        return f" since the base commit {self.base[:10]}" if self.base else ""

    def spent(self, settings: Settings) -> Settings:
        """The options with the level of this attempt: over all attempts the levels add up to ``alpha``."""
        from pytest_mlops.stats.attempts import attempt_level

        return replace(settings, alpha=attempt_level(settings.alpha, self.number))

    def spending_remark(self, settings: Settings) -> str:
        """At which level it is tested, and why."""
        return (
            f"attempt {self.number}, alpha {self.spent(settings).alpha:.2g}, on seeds of its own: all attempts at this "
            f"claim{self.since} together pass without any gain with a probability of at most {settings.alpha:g}"
        )

    def remark(self, alpha: float) -> str:
        """What the others mean for this one."""
        chance = 1 - (1 - alpha) ** self.number
        return (
            f"attempt {self.number} at this claim{self.since}, each with other code, parameters or options: of so many attempts "
            f"without any gain one passes by chance with a probability of up to {chance:.0%}"
        )


@dataclass(kw_only=True)
class Attempts:
    """Counts the attempts at claims.

    Parameters
    ----------
    open_store : callable
        Gives the store that has them.
    root : Path, optional
        Folder of the project, in whose git the base commit is sought.
    """

    open_store: Callable[[], Store]
    root: Path | None = None
    _bases: dict[str, str] = field(default_factory=dict)
    """By the option ``base``."""

    def of(self, claim: Claim, test: str, settings: Settings, prepared: Sequence[Prepared]) -> Attempt:
        """Which attempt this is, or would be."""
        since = self.base(settings)
        made = self._made(_name(claim, test), since)
        own = _digest(claim, settings, prepared)
        number = made.index(own) + 1 if own in made else len(made) + 1
        # The claim and its base too: what was seen of a question elsewhere must not be asked again.
        return Attempt(number=number, base=since, block=f"{own} {since} {_name(claim, test)}")

    def take(self, claim: Claim, test: str, settings: Settings, prepared: Sequence[Prepared]) -> Attempt:
        """Note the attempt before it trains, so that nothing of it is seen uncounted, and say which one it is.

        Raises
        ------
        StoreError
            If it cannot be noted: an attempt that nobody counts would be tested at the level of another one.
        """
        name, own, since = _name(claim, test), _digest(claim, settings, prepared), self.base(settings)
        if own not in self._made(name, since):
            try:
                self.open_store().add_attempt(name, since, own, json.dumps(_design(claim, settings)))
            except StoreError as error:
                raise StoreError(
                    f"{claim.statement}: attempts = spend counts attempts in the store, and this one could not be noted, so "
                    f"it is not begun. {error.args[0]}"
                ) from error
        return self.of(claim, test, settings, prepared)

    def note(self, claim: Claim, test: str, settings: Settings, prepared: Sequence[Prepared]) -> None:
        """Note that the claim was looked at, so that what comes after it is another attempt."""
        name, own = _name(claim, test), _digest(claim, settings, prepared)
        since = self.base(settings)
        if own in self._made(name, since):
            return
        try:
            self.open_store().add_attempt(name, since, own, json.dumps(_design(claim, settings)))
        except StoreError:  # it cannot be written, and says so when it keeps a run
            return

    def base(self, settings: Settings) -> str:
        """The commit that ``ref="base"`` means; empty where it cannot be told."""
        if settings.base not in self._bases:
            self._bases[settings.base] = self._sought(settings.base)
        return self._bases[settings.base]

    def _sought(self, given: str) -> str:
        if self.root is None:
            return ""
        try:
            return base(Git(self.root), given=given).sha
        except RefError:  # attempts are counted without it; a claim that needs it says what is wrong
            return ""

    def _made(self, name: str, since: str) -> Sequence[str]:
        return self.open_store().attempts(name, since)


def _name(claim: Claim, test: str) -> str:
    """The claim whatever its numbers: another margin, or the first one, is another attempt at the same claim."""
    return f"{test} {_MARGIN.sub('', _NUMBER.sub('#', claim.statement))}"


def _design(claim: Claim, settings: Settings) -> dict[str, object]:
    """What was fixed before the first look."""
    shared = {"rows": claim.member.rows} if claim.member is not None else {}
    return {
        **shared,
        "statement": claim.statement,
        "alpha": settings.alpha,
        "power": settings.power,
        "looks": [settings.min_seeds, settings.max_seeds],
        "seed": settings.seed,
        "confirm_harm": settings.confirm_harm,
        "on_failure": settings.on_failure,
        **({"method": settings.method} if settings.method != AUTO else {}),
    }


def _digest(claim: Claim, settings: Settings, prepared: Sequence[Prepared]) -> str:
    """Of the design and all arms: the same for the same question asked again."""
    arms = sorted(one.key.experiment for one in prepared)
    arms += sorted(arm.identity for arm in claim.arms if isinstance(arm.source, Recording))
    return hashlib.sha256(json.dumps([_design(claim, settings), arms], sort_keys=True).encode()).hexdigest()
