"""Our fixtures: a line or two each. What they hand out lives in ``claims``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_mlops.session import HOW_TO_RUN, SESSION

if TYPE_CHECKING:
    from pytest_mlops.claims.ablation import Ablations
    from pytest_mlops.claims.arms import Arms


@pytest.fixture(scope="session")
def arm(pytestconfig: pytest.Config) -> Arms:
    """Make arms: arm(train, lr=3e-3), one variant of the experiment; arm.recorded for results that exist."""
    session = pytestconfig.stash.get(SESSION, None)
    if session is None:
        pytest.skip(HOW_TO_RUN)
    return session.arms


@pytest.fixture(scope="session")
def ablation(pytestconfig: pytest.Config) -> Ablations:
    """Make ablations: ablation(train, full=dict(ema=True), without=dict(ema=False)); each component is a claim."""
    session = pytestconfig.stash.get(SESSION, None)
    if session is None:
        pytest.skip(HOW_TO_RUN)
    return session.ablations
