"""Attempts at claims: which were made, in the order in which they were first looked at."""

from __future__ import annotations

import time
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from pytest_mlops.store import schema


def made(connection: sa.Connection, claim: str, base: str) -> Sequence[str]:
    """The attempts at a claim since its merge base, oldest first."""
    attempts = schema.attempts
    query = sa.select(attempts.c.attempt).where(attempts.c.claim == claim, attempts.c.base == base)
    return connection.execute(query.order_by(attempts.c.number)).scalars().all()


def add(connection: sa.Connection, claim: str, base: str, attempt: str, design: str) -> None:
    """Note an attempt; one that is known stays where it is."""
    values = {"claim": claim, "base": base, "attempt": attempt, "design": design, "looked": time.time()}
    connection.execute(insert(schema.attempts).values(values).on_conflict_do_nothing())
