"""Wires claims, executor, store and reports together, for the plugin and the command line.

This file is imported in every pytest session of every user: it holds the key under which pytest keeps ours, no more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mlops.session.session import Session

SESSION: pytest.StashKey[Session] = pytest.StashKey()
"""Where ``config.stash`` has the session; absent without ``--mlops``."""

HOW_TO_RUN = "gate: it trains models; run it with: pytest --mlops"
"""Why a gate is skipped."""
