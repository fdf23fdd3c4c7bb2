"""New arms are smoked before the first of a claim trains: a typo is found in seconds, before anything is paid."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from pytest_mlops import fingerprint
from pytest_mlops.claims.binding import Training
from pytest_mlops.claims.names import check_names
from pytest_mlops.errors import ClaimError, MetricError, SettingError, SmokeError
from pytest_mlops.records import Returned
from pytest_mlops.reports.text import duration, printable, tail
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.derived import with_upstreams
from pytest_mlops.session.gates import Hearing
from pytest_mlops.session.laboratory import Laboratory
from pytest_mlops.session.preparing import Prepared, smoke_seed
from pytest_mlops.session.smoke import LATER, NOT_SMOKED
from pytest_mlops.training.smoke import LONGEST, Trouble

_WHERE = "in a smoke run (two batches of each loader), before anything was paid"
_SHORT = frozenset({"loader", "smoke"})
"""What a function asks its run for if its smoke run is short. Any other smoke run is a whole training run, thrown away."""

_LONG = 10.0
"""Seconds of a smoke run that are worth a word."""

_SHORTER = "ask run.smoke in a loop of your own, or set smoke = off"


class NewArms:
    """Smokes arms without any finished run, each once a session.

    Parameters
    ----------
    laboratory : Laboratory
        Runs them.
    say : callable
        Takes one plain line.
    """

    def __init__(self, *, laboratory: Laboratory, say: Callable[[str], None]) -> None:
        self._laboratory = laboratory
        self._say = say
        self._known: dict[str, Returned | Trouble | None] = {}
        self._said = False

    def smoke(self, hearing: Hearing, *, try_out: str, method: str) -> None:
        """Smoke the new arms of a claim, all of them before the first one trains.

        What is no certain mistake is a warning, and training goes on.

        Parameters
        ----------
        hearing : Hearing
            Of the claim.
        try_out : str
            The command that stops where an arm raises.
        method : str
            Which test judges numbers, as the option says it.

        Raises
        ------
        SmokeError
            If an arm cannot run.
        MetricError, ClaimError, SettingError
            If the claim names a metric that did not come back, or a yes/no metric that no exact test answers, or its splits vary
            and the method or so few seeds cannot do with that.
        """
        arms = with_upstreams(hearing.prepared)
        new = [self._is_new(prepared) for prepared in arms]
        if not any(new):
            return
        returned = {}
        with tempfile.TemporaryDirectory(prefix="mlops-smoke-", ignore_cleanup_errors=True) as folder:
            for prepared, is_new in zip(arms, new, strict=True):
                found = (
                    self._found(prepared, hearing.bill, Path(folder)) if is_new else self._stored(prepared)
                )
                if isinstance(found, Trouble):
                    self._judge(prepared, found, hearing, try_out)
                elif found is not None and prepared.claimed in hearing.claim.arms:
                    returned[prepared.claimed] = found
        try:
            doubt = check_names(hearing.claim, returned, test=hearing.test, method=method)
        except (MetricError, ClaimError, SettingError) as error:
            left_out = any(found.shortened for found in returned.values())
            error.add_note(f"Found {_WHERE}.{_off(left_out)}")
            raise
        if doubt is not None:
            self._warn(f"{doubt} {LATER}", hearing)

    def _is_new(self, prepared: Prepared) -> bool:
        source = prepared.arm.source
        if not isinstance(source, Training):
            self._say_once(prepared)
            return False
        return (
            prepared.elsewhere is None
            and self._laboratory.budget.allows(None)
            and fingerprint.reads_any(source.function, _SHORT)
            and not self._laboratory.has_finished(prepared)
        )

    def _say_once(self, prepared: Prepared) -> None:
        """That commands are not smoked, before the first one of the session trains."""
        if not self._said and not self._laboratory.has_finished(prepared):
            self._said = True
            self._say(printable(f"smoke: {prepared.arm.label}: {NOT_SMOKED}"))

    def _found(self, prepared: Prepared, bill: Bill, folders: Path) -> Returned | Trouble | None:
        name = prepared.key.digest
        if name not in self._known:
            before = bill.spent_seconds
            found = self._known[name] = self._laboratory.smoke(prepared, bill, folders)
            if (
                found is not None or bill.spent_seconds > before
            ):  # else nothing is there that it could go on from
                self._say(printable(f"smoke: {prepared.arm.label} {_course(found)}"))
        return self._known[name]

    def _stored(self, prepared: Prepared) -> Returned | None:
        found = self._laboratory.finished(prepared)
        if found is None:
            return None
        return Returned(names=tuple(found.metrics), yes_no=found.yes_no, splits=found.splits)

    def _judge(self, prepared: Prepared, trouble: Trouble, hearing: Hearing, try_out: str) -> None:
        """Refuse an arm that cannot run; warn of one that may."""
        label, failure = prepared.arm.label, trouble.failure
        if not trouble.certain:
            self._warn(
                f"{label}: {failure.message}, {_WHERE}. Two batches may be too few for it, so training goes on.",
                hearing,
            )
            return
        error = SmokeError(
            f"{label} cannot run: {failure.message}\n  Found {_WHERE}; its seed was {smoke_seed(prepared)}."
            f"{_off(trouble.may_be_for_want_of_batches)}\n  To stop where it raises: {try_out}"
        )
        if "File " in failure.traceback:  # what we refuse after the function has no line of the user's
            error.add_note(failure.traceback.rstrip())
        if trouble.output.strip():
            error.add_note("It printed:\n" + "\n".join(tail(trouble.output, 8)))
        raise error

    def _warn(self, text: str, hearing: Hearing) -> None:
        self._say(printable(f"smoke: {text}"))
        hearing.warnings.append(text)


def _off(left_out: bool) -> str:
    """The way out where the smoke run itself may be to blame, because it left something out."""
    if not left_out:
        return ""
    return (
        " If all batches would mend it, switch such runs off: smoke = off (@pytest.mark.mlops(smoke='off'), "
        "--mlops-smoke=off)."
    )


def _course(found: Returned | Trouble | None) -> str:
    if found is None:
        return f"showed no mistake in {LONGEST:.0f} s and was broken off: {_SHORTER}"
    if isinstance(found, Trouble):
        return f"broke off after {found.seconds:.1f} s"
    return f"ran in {duration(found.seconds)}" + (f": {_SHORTER}" if found.seconds > _LONG else "")
