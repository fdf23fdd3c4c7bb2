"""The tables of the store, as they are now; ``migrations.py`` brings older stores here."""

from __future__ import annotations

import sqlalchemy as sa

VERSION = 5
"""Version of these tables; kept in SQLite's ``user_version``."""

TABLES = sa.MetaData()

runs = sa.Table(
    "runs",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True, comment="order of arrival, never used twice"),
    sa.Column("id", sa.String(64), nullable=False, unique=True, comment="RunResult.id: key and record"),
    sa.Column("key", sa.String(64), nullable=False, index=True, comment="RunKey.digest"),
    sa.Column("experiment", sa.String(64), nullable=False, index=True, comment="RunKey.experiment"),
    sa.Column("record", sa.String(64), nullable=False, comment="Record.digest; its JSON is in details"),
    sa.Column("function", sa.Text, nullable=False, index=True, comment="module:qualname, for people"),
    sa.Column("label", sa.Text, nullable=False, comment="the arm as people write it"),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("parameters", sa.Text, nullable=False, comment="canonical JSON, defaults bound"),
    sa.Column("data", sa.String(64), nullable=False, comment="content hash, empty if none is declared"),
    sa.Column("environment", sa.Text, nullable=False, comment="canonical JSON"),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("session", sa.Text, nullable=False, comment="name of the session that trained it"),
    sa.Column("why", sa.Text, nullable=False, comment="why it was trained"),
    sa.Column("finished", sa.Float, nullable=False, comment="seconds since 1970, UTC; for people"),
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
    sa.Column(
        "reseeded", sa.Text, nullable=False, comment="JSON list of calls that seeded a global generator"
    ),
    sa.Column("upstream", sa.String(64), nullable=False, server_default="", comment="RunKey.upstream"),
    sa.Column(
        "upstream_run", sa.String(64), nullable=False, server_default="", comment="RunKey.upstream_run"
    ),
    sqlite_autoincrement=True,
)

metrics = sa.Table(
    "metrics",
    TABLES,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(500), primary_key=True),
    sa.Column("place", sa.Integer, nullable=False, comment="order in which the function returned it"),
    sa.Column("value", sa.Double, nullable=False),
    sa.Column("yes_no", sa.Boolean, nullable=False),
)

cases = sa.Table(
    "cases",
    TABLES,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(500), primary_key=True, comment="the metric that the numbers are behind"),
    sa.Column("metric", sa.Text, nullable=False, comment="how they become it: mean, auc, ..."),
    sa.Column("case_table", sa.String(64), nullable=False, index=True, comment="CaseTable.digest"),
    sa.Column(
        "numbers", sa.LargeBinary, nullable=False, comment="zlib of float64, little-endian, one a case"
    ),
)

case_tables = sa.Table(
    "case_tables",
    TABLES,
    sa.Column(
        "digest", sa.String(64), primary_key=True, comment="content that all runs on these cases share"
    ),
    sa.Column("names", sa.String(64), nullable=False, comment="SHA-256 of the names of all cases together"),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column(
        "patients", sa.LargeBinary, nullable=False, comment="zlib of int32: number of each case's patient"
    ),
    sa.Column("target", sa.LargeBinary, nullable=False, comment="zlib of float64: label of each case"),
)

details = sa.Table(
    "details",
    TABLES,
    sa.Column("digest", sa.String(64), primary_key=True, comment="a code, data or record hash of runs"),
    sa.Column("content", sa.Text, nullable=False, comment="JSON: what was hashed, by name"),
)

artifacts = sa.Table(
    "artifacts",
    TABLES,
    sa.Column("run", sa.ForeignKey("runs.number", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True, comment="relative path, with slashes"),
    sa.Column("sha256", sa.String(64), nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
)

objects = sa.Table(
    "objects",
    TABLES,
    sa.Column("sha256", sa.String(64), primary_key=True, comment="content of artifacts that is still there"),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("used", sa.Float, nullable=False, comment="seconds since 1970 of the last use"),
)

leases = sa.Table(
    "leases",
    TABLES,
    sa.Column("key", sa.String(64), primary_key=True, comment="RunKey.digest of a run in training"),
    sa.Column("owner", sa.String(32), nullable=False, comment="token of the open store that trains it"),
    sa.Column("host", sa.Text, nullable=False, comment="host and process namespace"),
    sa.Column("pid", sa.BigInteger, nullable=False),
    sa.Column("started", sa.Text, nullable=False, comment="start of the process; empty where unknown"),
    sa.Column("beat", sa.Float, nullable=False, comment="last heartbeat, by the host's monotonic clock"),
)

attempts = sa.Table(
    "attempts",
    TABLES,
    sa.Column("number", sa.Integer, primary_key=True, comment="order of first looks, never used twice"),
    sa.Column("claim", sa.Text, nullable=False, comment="node id and statement without numbers"),
    sa.Column("base", sa.String(64), nullable=False, comment="merge base, empty where there is no git"),
    sa.Column("attempt", sa.String(64), nullable=False, comment="hash of the design and the arms' keys"),
    sa.Column("design", sa.Text, nullable=False, comment="JSON: alpha, looks, statement"),
    sa.Column("looked", sa.Float, nullable=False, comment="seconds since 1970, UTC; for people"),
    sa.UniqueConstraint("claim", "base", "attempt"),
    sqlite_autoincrement=True,
)
