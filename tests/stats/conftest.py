"""No test of this room reads or leaves bounds in the user's own cache folder."""

import pytest

from pytest_mlops.stats import tables


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("bounds")
    patch.setattr(tables, "_folder", lambda: folder)
    yield
    patch.undo()
