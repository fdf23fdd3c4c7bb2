"""Which store a project has: pytest itself is asked, so that its configuration is found as it finds it."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest

from pytest_mlops.errors import StoreError


class _Asked:
    """A plugin that looks at the configuration, and ends pytest before anything is collected."""

    config: pytest.Config | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        self.config = config
        return 0


def root_and_store() -> tuple[Path, str]:
    """Pytest's root folder here, and the configured URL of the store (empty: the default in that folder).

    Raises
    ------
    StoreError
        If pytest cannot read its configuration here.
    """
    asked = _Asked()
    said = io.StringIO()
    added = os.environ.pop("PYTEST_ADDOPTS", None)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            pytest.main(["--noconftest", "-o", "addopts=", "-p", "no:cacheprovider"], plugins=[asked])
    finally:
        if added is not None:
            os.environ["PYTEST_ADDOPTS"] = added
    if asked.config is None:
        raise StoreError(
            f"pytest cannot read its configuration here: {said.getvalue().strip()[-500:]}\n"
            "  Name the store with --store=sqlite:///path/to/runs.sqlite."
        )
    return asked.config.rootpath, str(asked.config.getini("mlops_store") or "")
