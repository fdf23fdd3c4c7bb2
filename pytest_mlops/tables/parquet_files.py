"""Tables from Parquet, read by pyarrow: only the columns that are asked for."""

from __future__ import annotations

from collections.abc import Collection

from pytest_mlops._optional import need
from pytest_mlops.errors import RecordedError
from pytest_mlops.tables.source import quoted
from pytest_mlops.tables.table import Table, check_columns


def read_parquet(content: bytes, *, name: str, wanted: Collection[str], also: Collection[str]) -> Table:
    """The columns of a Parquet file. Parameters as those of CSV; rows are counted from 1 on.

    Raises
    ------
    RecordedError
        If it is no such file, or lacks a column.
    MissingPackageError
        If pyarrow is not installed.
    """
    arrow = need("pyarrow", extra="parquet", why="arm.recorded.from_parquet")
    parquet = need("pyarrow.parquet", extra="parquet", why="arm.recorded.from_parquet")
    try:
        file = parquet.ParquetFile(arrow.BufferReader(content))
        there = list(file.schema_arrow.names)
    except (arrow.ArrowException, OSError, ValueError):
        raise RecordedError(f"{name} is no Parquet file, or was cut.") from None
    check_columns(name, there, wanted)
    again = [column for column in wanted if there.count(column) > 1]
    if again:
        raise RecordedError(f"{name} has several columns {quoted(again[0])}: rename them.")
    kept = [column for column in there if column in wanted or column.lower() in also]
    try:
        read = file.read(columns=kept).select(kept)
    except (arrow.ArrowException, OSError, ValueError):
        raise RecordedError(f"{name} is a Parquet file that cannot be read to its end: was it cut?") from None
    columns = {column: read.column(column).to_pylist() for column in kept}
    return Table(name=name, columns=columns, places=range(1, read.num_rows + 1))
