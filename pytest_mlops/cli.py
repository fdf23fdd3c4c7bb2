"""``pytest-mlops``: the command line beside pytest. Reads arguments and chooses an exit status.

Exit status: 0 done; 1 a claim did not PASS or a gate failed; 2 used wrongly; 3 the store could not be used;
4 a hostile or broken report.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pytest_mlops.commands.runs import runs
from pytest_mlops.commands.sessions import fill, plan
from pytest_mlops.errors import ReportError, SettingError

if TYPE_CHECKING:
    from pytest_mlops.reports.model import Report

_BAD, _BROKEN = 1, 4


def _version() -> str:
    try:
        return version("pytest-mlops")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "unknown"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(_version(), prog_name="pytest-mlops", message="%(prog)s %(version)s")
def cli() -> None:
    """Model-quality gates for pytest: look at what `pytest --mlops` found out.

    Exit status: 0 done; 1 a claim did not PASS or a gate failed; 2 used wrongly;
    3 the store could not be used; 4 a hostile or broken report.
    """


@cli.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path), required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["terminal", "markdown", "json"]),
    default="terminal",
    show_default=True,
    help="How to show it.",
)
@click.option("-v", "--verbose", count=True, help="Show all parts of wildcard claims and more output.")
def report(source: Path | None, form: str, verbose: int) -> None:
    """Show the report in SOURCE, a folder or a report.json; by default that of the project here.

    Exit status 1 means that a claim in it did not PASS, in a gate that is not expected to fail, that a gate failed, or that
    the session was interrupted or is not finished.
    """
    from pytest_mlops.reports import files, wording

    source = source or _of_the_project()
    path = source / "report.json" if source.is_dir() else source
    if not path.exists():
        raise click.BadParameter(
            f"{source} holds no report.json: run pytest --mlops first.", param_hint="SOURCE"
        )
    try:
        found = files.read(path)
    except ReportError as error:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        sys.exit(_BROKEN)
    if form == "terminal":
        _show(found, path, verbose)
    elif form == "markdown":
        from pytest_mlops.reports.markdown import markdown

        _out(markdown(found))
    else:
        _out(files.to_json(found).decode())
    sys.exit(_BAD if wording.is_bad(found) else 0)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of report.json."""
    from pytest_mlops.reports import files

    _out(json.dumps(files.json_schema(), indent=2) + "\n")


cli.add_command(runs)
cli.add_command(plan)
cli.add_command(fill)


def main() -> None:
    """Run ``pytest-mlops``: the console script."""
    cli(prog_name="pytest-mlops")


def _of_the_project() -> Path:
    """The folder of its report, as seen from here: below pytest's root folder, wherever in the project one stands."""
    from pytest_mlops.commands.project import root_and
    from pytest_mlops.settings import BY_NAME

    try:
        root, configured = root_and("report", instead="Name the report: pytest-mlops report FOLDER.")
    except SettingError as error:
        raise click.UsageError(str(error)) from error
    folder = root / (configured or BY_NAME["report"].default)
    with suppress(ValueError):  # another drive
        return Path(os.path.relpath(folder))
    return folder


def _show(found: Report, path: Path, verbose: int) -> None:
    from pytest_mlops.reports.terminal import shown

    width = shutil.get_terminal_size((80, 24)).columns
    unicode, now = _unicode(), datetime.now(UTC)
    for row, markup in shown(found, width=width, unicode=unicode, verbosity=verbose, path=str(path), now=now):
        colour = next((name for name in ("green", "red", "yellow") if markup.get(name)), None)
        # Node ids may hold what this console cannot show.
        text = row if unicode else row.encode("ascii", "backslashreplace").decode()
        click.secho(text, fg=colour, bold=markup.get("bold") or None, dim=markup.get("light") or None)


def _unicode() -> bool:
    try:
        "\u251c\u25cf\u2503\u25b8\u221e\u2192".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _out(text: str) -> None:
    """Bytes as they are: the same on every platform, whatever the console's encoding."""
    click.echo(text.encode(), nl=False)


if __name__ == "__main__":
    main()
