"""The environment variables of processes that we start: what of ours is handed on."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pytest_mlops.fingerprint import looks_secret

_OF_THE_JOB = re.compile(
    r"ACTIONS_.*|GITHUB_(ENV|PATH|OUTPUT|STATE|STEP_SUMMARY)|INPUT_.*|TEST_RUN_PIPE|RUN_TEST_IDS_PIPE|PYTEST_.*",
    re.IGNORECASE,
)
"""Ways to act on the CI job or on the test run that started us: no training needs them."""

_CI = re.compile(r"(GITHUB|GH|GITLAB|CI|SYSTEM|BITBUCKET|CIRCLE|JENKINS|BUILDKITE)_.*", re.IGNORECASE)
"""Secrets of a CI service; those of data and trackers (``HF_TOKEN``, ``WANDB_API_KEY``) are the training's own."""


def is_withheld(name: str) -> bool:
    """Whether a variable of that name is never handed on to training: it belongs to the CI job, or to this test run.

    Examples
    --------
    >>> (
    ...     is_withheld("GITHUB_TOKEN"),
    ...     is_withheld("ACTIONS_RUNTIME_URL"),
    ...     is_withheld("WANDB_API_KEY"),
    ...     is_withheld("PATH"),
    ... )
    (True, True, False, False)
    """
    return bool(_OF_THE_JOB.fullmatch(name)) or (bool(_CI.fullmatch(name)) and looks_secret(name))


def handed_on(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without what is withheld.

    Parameters
    ----------
    environ : mapping of str to str, optional
        That of this process by default.
    """
    return {name: value for name, value in (environ or os.environ).items() if not is_withheld(name)}
