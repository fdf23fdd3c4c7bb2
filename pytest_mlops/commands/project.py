"""What a project configures: pytest itself is asked, so that its configuration is found as it finds it."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path

import pytest

from pytest_mlops.errors import SettingError
from pytest_mlops.settings import BY_NAME


class _Asked:
    """A plugin that looks at the configuration, and ends pytest before anything is collected."""

    config: pytest.Config | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        self.config = config
        return 0


def root_and(option: str, *, instead: str) -> tuple[Path, str]:
    """Pytest's root folder here, and what the configuration says of one option (empty: nothing).

    Parameters
    ----------
    option : str
        Its name in settings.py.
    instead : str
        What to write on the command line where the configuration cannot be read.

    Raises
    ------
    SettingError
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
        raise SettingError(
            f"pytest cannot read its configuration here: {said.getvalue().strip()[-500:]}\n  {instead}"
        )
    return asked.config.rootpath, str(asked.config.getini(BY_NAME[option].ini) or "")
