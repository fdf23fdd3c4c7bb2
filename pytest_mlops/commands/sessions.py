"""``pytest-mlops plan`` and ``fill``: pytest sessions that judge no claim, by a name of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import click

_STATUS = {0: 0, 1: 1}
"""Of pytest's exit statuses: all others (interrupted, usage error, no test) mean that it was used wrongly."""

_ARGUMENTS = click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PYTEST ARGUMENTS]...")
_PASSED_ON = {"ignore_unknown_options": True, "allow_interspersed_args": True}


@click.command(context_settings=_PASSED_ON)
@_ARGUMENTS
def plan(arguments: Sequence[str]) -> None:
    """Say what each claim will cost and can decide, from the store and a pilot of three pairs.

    Gates are rehearsed where that is safe, and named where it is not. The training runs of the pilot are kept, and count
    when the claim is judged. The same as pytest --mlops-plan.
    """
    _pytest("--mlops-plan", *arguments)


@click.command(context_settings=_PASSED_ON)
@click.option("--seeds", type=click.IntRange(min=1), required=True, help="So many seeds of each arm.")
@_ARGUMENTS
def fill(seeds: int, arguments: Sequence[str]) -> None:
    """Train the arms that claims compare with ahead, within the budget: for nightly jobs.

    Pull requests pay for their own arm only then. The same as pytest --mlops-fill=SEEDS.
    """
    _pytest(f"--mlops-fill={seeds}", *arguments)


def _pytest(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False)  # noqa: S603  # the user's words
    sys.exit(_STATUS.get(done.returncode, 2))
