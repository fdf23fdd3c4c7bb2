"""The one door for optional packages: import where it is used; an absent one names the command that installs it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from pytest_mlops.errors import MissingPackageError


def installed(package: str) -> bool:
    """Whether ``package`` can be found, without importing it."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # an import hook that blocks it; a stand-in module without a spec
        return False


def need(package: str, *, extra: str, why: str) -> Any:
    """Import ``package`` for ``why``, or say which extra brings it.

    A package that is there but broken raises its own error, which says more than we can.

    Parameters
    ----------
    package : str
        Top-level name to import, e.g. ``"torch"``.
    extra : str
        The extra of pytest-mlops that installs it.
    why : str
        Who wants it, as the subject of a sentence: ``"run.amp"``.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    MissingPackageError
        If the package is not installed.

    Examples
    --------
    >>> need("json", extra="none", why="this example").dumps([1])
    '[1]'
    """
    if not installed(package):
        raise MissingPackageError(
            f"{why} needs {package!r}, which is not installed: pip install 'pytest-mlops[{extra}]'"
        )
    return import_module(package)
