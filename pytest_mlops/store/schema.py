"""The tables of the store. Two of them: finished runs by key, and their metrics."""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 1
"""Version of these tables; kept in SQLite's ``user_version``."""

TABLES = sa.MetaData()

runs = sa.Table(
    "runs",
    TABLES,
    sa.Column("key", sa.String(64), primary_key=True, comment="RunKey.digest"),
    sa.Column("function", sa.Text, nullable=False, comment="module:qualname, for people"),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("parameters", sa.Text, nullable=False, comment="canonical JSON, defaults bound"),
    sa.Column("data", sa.String(64), nullable=False, comment="content hash, empty if none is declared"),
    sa.Column("environment", sa.Text, nullable=False, comment="canonical JSON"),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.Float, nullable=False, comment="seconds since 1970, UTC"),
    sa.Column(
        "failure", sa.Text, nullable=True, comment="JSON of kind, message, traceback; null for a good run"
    ),
    sa.Column(
        "curves", sa.Text, nullable=False, comment="JSON; numbers as text, so that NaN and every bit survive"
    ),
    sa.Column("output", sa.Text, nullable=False),
    sa.Column("weights", sa.String(64), nullable=True),
    sa.Column("steps", sa.BigInteger, nullable=False),
    sa.Column("skipped_steps", sa.BigInteger, nullable=False),
    sa.Column("messages", sa.Text, nullable=False, comment="JSON list"),
)

metrics = sa.Table(
    "metrics",
    TABLES,
    sa.Column("key", sa.String(64), sa.ForeignKey("runs.key", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(500), primary_key=True),
    sa.Column("place", sa.Integer, nullable=False, comment="order in which the function returned it"),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("yes_no", sa.Boolean, nullable=False),
)
