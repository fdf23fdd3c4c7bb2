"""How the laboratory gets what a derived arm goes on from: the finished runs of the arm before, and what they left."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from pytest_mlops.errors import SpoiltError
from pytest_mlops.records import RunKey, RunResult, RunSpec
from pytest_mlops.session.bill import Bill
from pytest_mlops.session.derived import Ready, came_out_otherwise, failed_before, no_room, why_again
from pytest_mlops.session.keeping import Keeping
from pytest_mlops.session.preparing import Prepared, spec_of

_POLL_SECONDS = 0.2
"""Pause while another session trains."""


class GoingOn:
    """The part of the laboratory for derived arms."""

    keeping: Keeping
    _in_use: set[str]
    """Ids of finished runs on which results stand that were handed out."""

    def _try(self, wanted: tuple[Prepared, int], bill: Bill) -> RunResult | str | None:
        raise NotImplementedError

    def _train_leased(
        self,
        prepared: Prepared,
        index: int,
        ready: Ready,
        bill: Bill,
        *,
        instead_of: RunResult | None = None,
        why: str = "",
    ) -> RunResult | str | None:
        raise NotImplementedError

    def ready(self, prepared: Prepared, index: int, bill: Bill) -> Ready | RunResult | None:
        """The whole key of a run, once what it goes on from is there.

        Else what comes in place of the run: a failed one, or None where the budget does not allow it.
        """
        while True:
            found = self._ready(prepared, index, bill)
            if isinstance(found, Ready) and not self._has_before(found):
                answer = self._train_before_again(prepared, index, found, bill)
                if answer is None:
                    continue
                (found,) = answer
            if not isinstance(found, str):
                return found
            time.sleep(_POLL_SECONDS)
            bill.waited_seconds += _POLL_SECONDS

    def _ready(self, prepared: Prepared, index: int, bill: Bill) -> Ready | RunResult | str | None:
        """The same without waiting; a text says which other session trains what it goes on from."""
        upstream = prepared.upstream
        if upstream is None:
            return Ready(key=prepared.key_at(index))
        before = self._try((upstream, prepared.index_before(index)), bill)
        if before is None or isinstance(before, str):
            return before
        if before.failed:
            return failed_before(prepared.key_at(index), upstream, before)
        return Ready(key=prepared.key_at(index, upstream_run=self.keeping.identity(before)), before=before)

    def _stored(self, prepared: Prepared, index: int) -> RunResult | None:
        """The run at that place, if nothing has to be trained for it."""
        known = ""
        if prepared.upstream is not None:
            before = self._stored(prepared.upstream, prepared.index_before(index))
            if before is None or before.failed:
                return None
            known = self.keeping.identity(before)
        key = prepared.key_at(index, upstream_run=known)
        return self.keeping.known(key, prepared.place_at(index), at=prepared.at)

    def _left_in_store(self, prepared: Prepared, key: RunKey) -> Path | None:
        """Copies of what one of the arm's good runs left, for the run of that key."""
        found = self.finished(prepared)
        return self.keeping.hand_out(found, key) if found is not None else None

    def finished(self, prepared: Prepared) -> RunResult | None:
        """One of the arm's good runs in the store, if there is any."""
        seeds = self.keeping.store.seeds(prepared.key)
        for index, seed in enumerate(prepared.seeds):
            found = self._stored(prepared, index) if seed in seeds else None
            if found is not None and not found.failed:
                return found
        return None

    def _has_before(self, ready: Ready) -> bool:
        return ready.before is None or self.keeping.has_left(ready.before)

    def _train_before_again(
        self, derived: Prepared, index: int, ready: Ready, bill: Bill
    ) -> tuple[RunResult | str | None] | None:
        """Train what a run goes on from once more, since only its numbers are left.

        None if that is done; else what comes in place of the run.

        Raises
        ------
        StoreError
            If what it leaves is gone at once.
        DataError
            If it left something else, and results that stand on the former are in use.
        """
        upstream, place, old = derived.upstream, derived.index_before(index), ready.before
        assert upstream is not None
        assert old is not None
        own = self._ready(upstream, place, bill)
        if isinstance(own, Ready) and not self._has_before(own):
            answer = self._train_before_again(upstream, place, own, bill)
            own = self._ready(upstream, place, bill) if answer is None else answer[0]
        if not isinstance(own, Ready):
            return (own,)
        new = self._train_leased(upstream, place, own, bill, instead_of=old, why=why_again(derived))
        if new is None or isinstance(new, str):
            return (new,)
        if new.failed:
            return (failed_before(derived.key_at(index), upstream, new),)
        if not self.keeping.has_left(new):
            raise no_room(upstream, derived)
        if self.keeping.identity(new) != ready.key.upstream_run and old.id in self._in_use:
            raise came_out_otherwise(upstream, own.key.seed, derived)
        return None

    def _spec(self, prepared: Prepared, index: int, ready: Ready) -> RunSpec:
        """What to train, with copies of what it goes on from.

        Raises
        ------
        SpoiltError
            If some of that is gone in this moment, or is not what it was.
        """
        spec = replace(spec_of(prepared, index), key=ready.key)
        if ready.before is None:
            return spec
        copies = self.keeping.hand_out(ready.before, ready.key)
        if copies is None:
            raise SpoiltError(
                f"What {prepared.arm.label} goes on from is gone or spoilt. Start pytest again: it is trained again."
            )
        return replace(spec, upstream=copies)
