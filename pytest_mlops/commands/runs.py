"""``pytest-mlops runs``: look through the store of finished training runs.

Exit status: 0 done; 2 used wrongly; 3 the store could not be used.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pytest_mlops.errors import MlopsError

if TYPE_CHECKING:
    from pytest_mlops.store.sql import SqlStore

_OUTSIDE = 3
_UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def _since(context: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Seconds since 1970 of a time ago (``2h``, ``7d``) or a date (``2030-01-31``)."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)", value.strip())
    if found:
        return time.time() - float(found[1]) * _UNITS[found[2]]
    try:
        date = datetime.fromisoformat(value.strip())
    except ValueError:
        raise click.BadParameter(
            f"{value!r}: expected a time ago such as 2h or 7d, or a date such as 2030-01-31.", context, param
        ) from None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """The options by which runs are chosen."""
    for option in (
        click.option(
            "--since",
            metavar="TIME",
            callback=_since,
            help="Only runs finished since: 2h, 7d, 2030-01-31 (UTC).",
        ),
        click.option("--failed", is_flag=True, help="Only failed training runs."),
        click.option("--function", help="Only runs of functions whose module:name contains this text."),
    ):
        command = option(command)
    return command


def _reported(command: Callable[..., None]) -> Callable[..., None]:
    """One line and exit status 3 where the store, or a package, is not what it should be."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
            sys.stdout.flush()
        except BrokenPipeError:  # "| head": the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except (MlopsError, OSError) as error:
            click.echo(f"{type(error).__name__}: {error}", err=True)
            sys.exit(_OUTSIDE)

    return run


_LIMIT = click.option(
    "--limit", type=click.IntRange(min=1, max=10**9), default=50, show_default=True, help="At most so many."
)


@click.group(invoke_without_command=True)
@click.option("--store", "url", metavar="URL", help="The store; by default the one of the project here.")
@_LIMIT
@_filters
@click.pass_context
@_reported
def runs(
    context: click.Context,
    url: str | None,
    limit: int,
    function: str | None,
    failed: bool,
    since: float | None,
) -> None:
    """Finished training runs in the store, newest first."""
    context.obj = url
    if context.invoked_subcommand is None:
        _list(url, limit, function=function, failed=failed, since=since)


@runs.command("list")
@_LIMIT
@_filters
@click.pass_obj
@_reported
def list_(url: str | None, limit: int, function: str | None, failed: bool, since: float | None) -> None:
    """Finished training runs, newest first: what `pytest-mlops runs` shows."""
    _list(url, limit, function=function, failed=failed, since=since)


def _list(url: str | None, limit: int, *, function: str | None, failed: bool, since: float | None) -> None:
    from pytest_mlops.commands.listing import listed, size
    from pytest_mlops.reports.text import plural
    from pytest_mlops.store import browse

    with _opened(url) as store:
        found = browse.finished(store, function=function, failed=failed, since=since, limit=limit + 1)
        whole = browse.count(store)
        left, folder = store.scratch_left(), store.scratch_folder
    for row in listed(found[:limit], now=time.time(), width=_width()):
        _show(row)
    if len(found) > limit:
        _show(f"... older ones: --limit, --function, --failed, --since ({plural(whole, 'run')} in all)")
    elif not found:
        _show("no finished training run" + (" that fits" if whole else ""))
    if left:
        _show(
            f"{plural(len(left), 'unfinished training run')} left {size(sum(one.size for one in left))} in {folder} "
            "(to remove it: pytest-mlops runs delete --scratch)"
        )


@runs.command()
@click.argument("run", metavar="ID")
@click.option("--all", "whole_lists", is_flag=True, help="All files and modules, and all of the output.")
@click.pass_obj
@_reported
def show(url: str | None, run: str, whole_lists: bool) -> None:
    """Show one run: parameters, environment, what it read, metrics, curves, artifacts, why, output."""
    from pytest_mlops.commands.listing import shown
    from pytest_mlops.store import browse

    with _opened(url) as store:
        found, whole = browse.by_id(store, run)
    most = None if whole_lists else 10
    for row in shown(found, whole, now=time.time(), width=_width(), unicode=_unicode(), most=most):
        _show(row)


@runs.command()
@click.argument("chosen", metavar="ID...", nargs=-1)
@click.option("--scratch", is_flag=True, help="Delete what unfinished training runs left to go on from.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
@_reported
def delete(url: str | None, chosen: tuple[str, ...], scratch: bool, yes: bool) -> None:
    """Delete runs with their artifacts; they are trained again when a claim needs them."""
    from pytest_mlops.commands.listing import listed
    from pytest_mlops.reports.text import plural
    from pytest_mlops.store import browse

    if bool(chosen) == scratch:
        raise click.UsageError("Give the ids of finished training runs, or --scratch.")
    with _opened(url) as store:
        if scratch:
            if not yes:
                click.confirm(
                    f"Delete what {plural(len(store.scratch_left()), 'unfinished run')} left?", abort=True
                )
            _show(f"what {plural(store.drop_scratch_left(), 'unfinished training run')} left is deleted")
            return
        found = list({run.id: run for run, _ in (browse.by_id(store, one) for one in chosen)}.values())
        for row in listed(found, now=time.time(), width=_width()):
            _show(row)
        if not yes:
            click.confirm(f"Delete {plural(len(found), 'training run')}?", abort=True)
        gone = browse.delete(store, [run.id for run in found])
    _show(f"{plural(gone, 'training run')} deleted")


@runs.command()
@click.pass_obj
@_reported
def path(url: str | None) -> None:
    """Print where the store is, whether or not it exists yet."""
    file, _ = _file(url)
    _show(str(file))


@runs.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--wide",
    is_flag=True,
    help="One row a run, a column a metric and parameter; otherwise one row a run and metric.",
)
@_filters
@click.pass_obj
@_reported
def export(
    url: str | None, file: Path, wide: bool, function: str | None, failed: bool, since: float | None
) -> None:
    """Write runs to FILE, a .csv or .parquet."""
    from pytest_mlops.commands.export import FORMATS
    from pytest_mlops.commands.export import export as write
    from pytest_mlops.reports.text import plural
    from pytest_mlops.store import browse

    if file.suffix.lower() not in FORMATS:
        raise click.BadParameter(
            f"{file.name}: expected a name that ends in {' or '.join(FORMATS)}.", param_hint="FILE"
        )
    with _opened(url) as store:
        found = browse.finished(store, function=function, failed=failed, since=since)
    rows = write(found, file, wide=wide)
    _show(f"{plural(rows, 'row')} of {plural(len(found), 'training run')} written to {file}")


# --- the store


def _file(url: str | None) -> tuple[Path, str]:
    """Its file and URL."""
    from pytest_mlops.commands.project import root_and
    from pytest_mlops.session.keeping import store_url
    from pytest_mlops.store.database import sqlite_file

    if url is None:
        root, configured = root_and(
            "store", instead="Name the store with --store=sqlite:///path/to/runs.sqlite."
        )
        url = store_url(configured, root)
    file = sqlite_file(url)
    if file is None:
        raise click.BadParameter(f"{url} is in memory: it holds nothing to look at.", param_hint="--store")
    return file, url


@contextmanager
def _opened(url: str | None) -> Iterator[SqlStore]:
    from pytest_mlops.session.keeping import open_sqlite

    file, url = _file(url)
    if not file.exists():
        raise click.UsageError(
            f"There is no store at {file}: run pytest --mlops first, or name one with --store=URL."
        )
    store = open_sqlite(url, file.parent)
    try:
        yield store
    finally:
        store.close()


def _width() -> int:
    return max(60, shutil.get_terminal_size((80, 24)).columns)


def _unicode() -> bool:
    try:
        "\u2581\u2588".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _show(row: str) -> None:
    click.echo(row if _unicode() else row.encode("ascii", "backslashreplace").decode())
