"""``--mlops-smoke``: every arm of every gate runs once, nothing is stored and no verdict is given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pytest_mlops.claims.arms import Arm
from pytest_mlops.claims.binding import Training
from pytest_mlops.claims.claim import Claim
from pytest_mlops.claims.commands import Command
from pytest_mlops.claims.judge import Judgement, no_verdict
from pytest_mlops.claims.names import check_names
from pytest_mlops.errors import SmokeError
from pytest_mlops.records import Returned
from pytest_mlops.reports.text import duration, plural, printable
from pytest_mlops.session.gates import Gate
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared, spec_of
from pytest_mlops.training.smoke import smoke

LATER = "Its other cases may come after two batches: only training can tell."
"""What a doubt about names means."""

NOT_SMOKED = (
    "commands are not smoked, since two batches of a program cannot be asked for; try it by hand once"
)


@dataclass(frozen=True, kw_only=True)
class _Broken:
    """An arm that raised, and in which gate."""

    test: str
    error: str


class Smoke:
    """Hears claims in place of the judge: runs what was not run yet, and looks whether the metrics exist.

    Parameters
    ----------
    laboratory : Laboratory
        Prepares arms; its store stays closed.
    say : callable
        Takes one plain line.
    uncaptured : callable
        A context in which output goes to the terminal.
    """

    name = "smoke"

    def __init__(
        self,
        *,
        laboratory: Laboratory,
        say: Callable[[str], None],
        uncaptured: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._laboratory = laboratory
        self._say = say
        self._uncaptured = uncaptured
        self._ran: dict[str, Returned | _Broken] = {}
        self._said: set[str] = set()
        self._left: tempfile.TemporaryDirectory[str] | None = None

    def hear(self, claim: Claim, gate: Gate) -> Judgement:
        """Run the claim's arms and check its metrics.

        Raises
        ------
        Exception
            Whatever an arm's training function raises, unchanged.
        MlopsError
            If an arm cannot run, or a metric of the claim does not exist.
        """
        doubt = check_names(claim, {arm: self._run(arm, gate) for arm in claim.arms if self._can_run(arm)})
        if doubt is not None:
            self._say(printable(f"smoke: {doubt} {LATER}"))
        return no_verdict()

    def _can_run(self, arm: Arm) -> bool:
        if isinstance(arm.source, Command) and arm.label not in self._said:
            self._said.add(arm.label)
            self._say(printable(f"smoke: {arm.label}: {NOT_SMOKED}"))
        if arm.uses.ref is not None and arm.label not in self._said:
            self._said.add(arm.label)
            self._say(printable(f"smoke: {arm.label}: what is committed is not tried out"))
        if arm.upstream is not None:
            return self._can_run(arm.upstream)
        return isinstance(arm.source, Training) and arm.uses.ref is None

    def finish(self) -> None:
        """Remove what smoke runs left for those that went on from them."""
        if self._left is not None:
            self._left.cleanup()

    def lines(self, found: Sequence[str], *, width: int) -> list[str]:
        """How many arms ran."""
        del width
        return [f"smoke: {plural(len(found), 'arm')} ran, no verdict"]

    def found(self) -> list[str]:
        """Arms that ran to their end, by the key of their first run."""
        return [name for name, found in self._ran.items() if isinstance(found, Returned)]

    def _run(self, arm: Arm, gate: Gate) -> Returned:
        prepared = self._laboratory.prepare(arm, gate.settings, anywhere=True)
        return self._run_prepared(prepared, gate)

    def _run_prepared(self, prepared: Prepared, gate: Gate) -> Returned:
        arm = prepared.arm
        if prepared.upstream is not None:
            self._run_prepared(prepared.upstream, gate)
        self._missing_device(arm.uses.device or gate.settings.device, prepared)
        name = prepared.key_at(0).digest
        found = self._ran.get(name)
        if isinstance(found, Returned):
            return found
        if found is not None and found.test != gate.test:
            raise SmokeError(
                f"{arm.label} did not end well in its smoke run, which was in {found.test}: {found.error}"
            )
        try:
            self._ran[name] = found = self._smoke(arm, prepared)
        except (pytest.skip.Exception, pytest.xfail.Exception) as error:  # or the gate would be green
            raise SmokeError(
                f"{arm.label}: a training run can return metrics or fail, and this one raised pytest's "
                f"{type(error).__name__}: {error}"
            ) from error
        except Exception as error:
            self._ran[name] = _Broken(
                test=gate.test, error=f"{type(error).__name__}: {error}".partition("\n")[0]
            )
            raise
        return found

    def _smoke(self, arm: Arm, prepared: Prepared) -> Returned:
        seed, device = prepared.seeds[0], prepared.place.device
        self._say(printable(f"smoke: {arm.label}, seed {seed}, {device}"))
        spec = spec_of(prepared, 0)
        if prepared.upstream is not None:
            spec = replace(spec, upstream=self._folder(prepared.upstream))
        with self._uncaptured():
            found = smoke(spec, left=self._folder(prepared))
        names = ", ".join(found.names)
        self._say(printable(f"smoke: {arm.label} ran in {duration(found.seconds)} and returned {names}"))
        return found

    def _folder(self, prepared: Prepared) -> Path:
        """Where the arm's smoke run leaves its artifacts."""
        if self._left is None:
            self._left = tempfile.TemporaryDirectory(prefix="mlops-smoke-", ignore_cleanup_errors=True)
        folder = Path(self._left.name, prepared.key_at(0).digest)
        folder.mkdir(exist_ok=True)
        return folder

    def _missing_device(self, asked: str, prepared: Prepared) -> None:
        if asked not in ("auto", "cpu", *self._said) and prepared.place.device == "cpu":
            self._said.add(asked)
            self._say(f"smoke: device = {asked} is not there, so the arms run on the CPU")
