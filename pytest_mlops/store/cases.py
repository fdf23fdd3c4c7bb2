"""Numbers for each test case of a run, as rows: compressed arrays, and what all runs on the same cases share, once."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from pytest_mlops.records import Cases, CaseTable
from pytest_mlops.store.schema import case_tables, cases


def put(connection: sa.Connection, run: int, given: Mapping[str, Cases]) -> None:
    """Keep the numbers of a run."""
    for name, one in given.items():
        table = one.table
        row = {
            "digest": table.digest,
            "names": table.names,
            "count": table.count,
            "patients": zlib.compress(table.patients),
            "target": zlib.compress(table.target),
        }
        connection.execute(insert(case_tables).values(row).on_conflict_do_nothing())
        values = {"name": name, "metric": one.metric, "numbers": zlib.compress(one.numbers)}
        connection.execute(sa.insert(cases).values(run=run, case_table=table.digest, **values))


def of_run(connection: sa.Connection, run: int) -> dict[str, Cases]:
    """The numbers of a run, by the name of their metric."""
    query = (
        sa.select(cases, case_tables)
        .join(case_tables, case_tables.c.digest == cases.c.case_table)
        .where(cases.c.run == run)
        .order_by(cases.c.name)
    )
    found = {}
    for row in connection.execute(query):
        table = CaseTable(
            names=row.names,
            count=row._mapping["count"],  # a tuple has a method of that name
            patients=zlib.decompress(row.patients),
            target=zlib.decompress(row.target),
        )
        found[row.name] = Cases(table=table, metric=row.metric, numbers=zlib.decompress(row.numbers))
    return found


def prune(connection: sa.Connection) -> None:
    """Forget the tables of cases that no run has any more."""
    used = sa.select(cases.c.case_table)
    connection.execute(sa.delete(case_tables).where(case_tables.c.digest.not_in(used)))
