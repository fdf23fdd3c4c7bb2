"""What an arm is at another commit, found out by a process in that commit's folder: its code, its parameters, its data.

``python -m pytest_mlops.session.looking FOLDER`` reads the order there, as `pytest_mlops.training.child` does, and trains
nothing.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from pytest_mlops import fingerprint
from pytest_mlops.claims.binding import bind
from pytest_mlops.errors import MlopsError, RunError, without_link
from pytest_mlops.session.declared import DeclaredData
from pytest_mlops.session.preparing import Known, known_here
from pytest_mlops.training.child import enter, mixture
from pytest_mlops.training.handing import from_json
from pytest_mlops.training.orders import Order, read_order
from pytest_mlops.training.place import Place, environment

LOOK = "look.json"
"""What it writes."""


class Look(msgspec.Struct, kw_only=True):
    """What was seen there; ``trouble`` says why nothing could be seen."""

    known: Known | None = None
    trouble: str | None = None


def main(folder: Path) -> None:
    """Write what is there to the folder of the order."""
    folder = folder.absolute()
    seen = look(read_order(folder))
    new = folder / f"{LOOK}.new"
    new.write_bytes(msgspec.json.encode(seen))
    new.replace(folder / LOOK)


def look(order: Order) -> Look:
    """See what an order would train, in this process, which nobody uses for anything else.

    Parameters
    ----------
    order : Order
        Its key has no say.

    Returns
    -------
    Look
        Also where the code cannot be imported.
    """
    enter(order)
    fingerprint.set_root(Path(order.root))
    try:
        function = order.function.find()
        given = {name: from_json(value) for name, value in order.given.items()}
        known = known_here(bind(function, given), DeclaredData().ready(from_json(order.data)))
        known = _with_versions(known) if order.python else known
    except (ImportError, AttributeError) as error:
        return Look(trouble=f"{order.function.module}.{order.function.qualname} is not there: {error}")
    except MlopsError as error:
        return Look(trouble=without_link(str(error)))
    except Exception as error:  # noqa: BLE001 - the user's code: what it raises is what was seen
        return Look(trouble=f"{type(error).__name__}: {error}")
    mixed = mixture(order)
    return Look(trouble=mixed.message) if mixed is not None else Look(known=known)


def _with_versions(known: Known) -> Known:
    """With the versions of this Python and its packages, which are not those of the one that judges."""
    versions = fingerprint.versions(known.packages | {"numpy", "torch"})
    of_torch = environment(Place(device="cpu", amp="off"), threads=1, deterministic=True)
    return replace(known, python=of_torch["python"], torch=of_torch.get("torch", ""), versions=versions)


def read_look(folder: Path) -> Look | None:
    """What the process left; None if it left nothing.

    Raises
    ------
    RunError
        If it is broken.
    """
    try:
        return msgspec.json.decode((folder / LOOK).read_bytes(), type=Look)
    except FileNotFoundError:
        return None
    except (OSError, json.JSONDecodeError, msgspec.MsgspecError) as error:
        raise RunError(f"{LOOK} cannot be read: {error}.") from None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
