"""Honest counting: which attempt at a claim this is, whoever made the others, since the merge base of its branch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.ports import Store
from pytest_mlops.claims.recording import Recording
from pytest_mlops.errors import StoreError
from pytest_mlops.session.preparing import Prepared
from pytest_mlops.settings import Settings

_BRANCHES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
"""What a branch is compared with, the first that there is; a pull request of GitHub names its own."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt at a claim."""

    number: int
    """From 1 on; those before it were made with other code, parameters, margin or design."""
    base: str
    """Merge base since which attempts are counted; empty where there is no git."""
    block: str = ""
    """Name of the block of seeds that is its own: nobody saw a training run of them before it was made."""

    @property
    def since(self) -> str:
        """Since when attempts are counted, for a sentence."""
        return f" since the merge base {self.base[:10]}" if self.base else ""

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
        Folder of the project, in whose git the merge base is sought.
    """

    open_store: Callable[[], Store]
    root: Path | None = None

    def of(self, claim: Claim, test: str, settings: Settings, prepared: Sequence[Prepared]) -> Attempt:
        """Which attempt this is, or would be."""
        made = self._made(_name(claim, test))
        own = _digest(claim, settings, prepared)
        number = made.index(own) + 1 if own in made else len(made) + 1
        # The claim and its base too: what was seen of a question elsewhere must not be asked again.
        return Attempt(number=number, base=self.base, block=f"{own} {self.base} {_name(claim, test)}")

    def take(self, claim: Claim, test: str, settings: Settings, prepared: Sequence[Prepared]) -> Attempt:
        """Note the attempt before it trains, so that nothing of it is seen uncounted, and say which one it is.

        Raises
        ------
        StoreError
            If it cannot be noted: an attempt that nobody counts would be tested at the level of another one.
        """
        name, own = _name(claim, test), _digest(claim, settings, prepared)
        if own not in self._made(name):
            try:
                self.open_store().add_attempt(name, self.base, own, json.dumps(_design(claim, settings)))
            except StoreError as error:
                raise StoreError(
                    f"{claim.statement}: attempts = spend counts attempts in the store, and this one could not be noted, so "
                    f"it is not begun. {error.args[0]}"
                ) from error
        return self.of(claim, test, settings, prepared)

    def note(self, claim: Claim, test: str, settings: Settings, prepared: Sequence[Prepared]) -> None:
        """Note that the claim was looked at, so that what comes after it is another attempt."""
        name, own = _name(claim, test), _digest(claim, settings, prepared)
        if own in self._made(name):
            return
        try:
            self.open_store().add_attempt(name, self.base, own, json.dumps(_design(claim, settings)))
        except StoreError:  # it cannot be written, and says so when it keeps a run
            return

    @cached_property
    def base(self) -> str:
        """The merge base with the branch that this one will be merged into; empty where it cannot be told."""
        if self.root is None:
            return ""
        named = os.environ.get("GITHUB_BASE_REF")
        for branch in [f"origin/{named}"] * bool(named) + list(_BRANCHES):
            found = _git(self.root, "merge-base", "HEAD", branch)
            if found:
                return found
        return ""

    def _made(self, name: str) -> Sequence[str]:
        return self.open_store().attempts(name, self.base)


def _name(claim: Claim, test: str) -> str:
    """The claim whatever its numbers: another margin is another attempt at the same claim."""
    return f"{test} {_NUMBER.sub('#', claim.statement)}"


def _design(claim: Claim, settings: Settings) -> dict[str, object]:
    """What was fixed before the first look."""
    return {
        "statement": claim.statement,
        "alpha": settings.alpha,
        "power": settings.power,
        "looks": [settings.min_seeds, settings.max_seeds],
        "seed": settings.seed,
        "confirm_harm": settings.confirm_harm,
        "on_failure": settings.on_failure,
    }


def _digest(claim: Claim, settings: Settings, prepared: Sequence[Prepared]) -> str:
    """Of the design and all arms: the same for the same question asked again."""
    arms = sorted(one.key.experiment for one in prepared)
    arms += sorted(arm.identity for arm in claim.arms if isinstance(arm.source, Recording))
    return hashlib.sha256(json.dumps([_design(claim, settings), arms], sort_keys=True).encode()).hexdigest()


def _git(root: Path, *words: str) -> str:
    """What git says; empty where it says no, or is not there."""
    try:
        answer = subprocess.run(  # noqa: S603  # words of ours, and a branch behind "origin/"
            ["git", "-C", str(root), *words],  # noqa: S607  # the user's own git
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
