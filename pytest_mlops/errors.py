"""Every exception and warning of pytest-mlops. Each message says what was expected, what came, why, and what to do.

::

    MlopsError                    anything this package refuses or cannot do
     +- ClaimError                a claim or expression that has no meaning, or none that could be trusted
     |   +- MarginError           a margin nobody chose, such as the default of pytest.approx
     +- AblationError             an ablation whose rows compare nothing, or cannot be told apart
     +- NotBuiltError             a part of the design that a later version brings
     +- ParameterError            a parameter of an arm that cannot be keyed, or that does not exist
     +- DataError                 declared data that is missing, unreadable or was changed by a run
     +- RefError                  a commit that ``ref=`` means and that is not here
     |   +- NotThereError         a commit that does not have what an arm names
     +- SplitError                a split that cannot be made as asked
     +- MetricError               what a training function returned is not a set of named numbers
     |   +- RecordedError         results that exist, and that cannot be read, paired or trusted as they are
     +- RunError                  the training function used ``run``, or seeds, in a way that cannot work
     |   +- UpstreamError         a derived arm asks for what the run before it did not leave
     +- SettingError              an option with a value that it cannot have
     +- SmokeError                an arm that cannot run, found in a smoke run before anything was paid
     +- GuardError                a gate that would be green without the evidence for it
     +- MissingPackageError       an optional package that is not installed (also an ImportError)
     +- StoreError                the store cannot be opened, read or written
     |   +- SpoiltError           an artifact that is gone, or not what its hash says
     +- ReportError               a report that is broken, or not one of ours

``slug`` is the anchor of the explanation in ``docs/messages.md``.
"""

from __future__ import annotations

import re
from typing import ClassVar

_MESSAGES = "https://github.com/pytest-mlops/pytest-mlops/blob/main/docs/messages.md"


def without_link(text: str) -> str:
    r"""A message on one line, without the link that :class:`MlopsError` puts below it.

    Examples
    --------
    >>> without_link(str(SettingError("alpha = 2:\n  expected 0.05\n  Lower it.")))
    'alpha = 2: expected 0.05. Lower it.'
    """
    lines = re.sub(rf"\(see {re.escape(_MESSAGES)}#[\w-]+\)\s*$", "", text).strip().splitlines()
    ended = [line if re.search(r"[.:,;?!]\s*$", line) else f"{line}." for line in lines[:-1] if line.strip()]
    return " ".join(" ".join([*ended, *lines[-1:]]).split())


class MlopsError(Exception):
    """Base class: ``except MlopsError`` catches whatever this package refuses."""

    slug: ClassVar[str] = "mlops"

    def __str__(self) -> str:
        return f"{super().__str__()}\n  (see {self.link()})"

    @classmethod
    def link(cls) -> str:
        """Where this kind of message is explained."""
        return f"{_MESSAGES}#{cls.slug}"


class ClaimError(MlopsError):
    """A claim, or an expression on the way to one, that is refused."""

    slug = "claim"


class MarginError(ClaimError):
    """A margin that nobody chose."""

    slug = "margin"


class AblationError(MlopsError):
    """An ablation whose rows compare nothing, or that cannot be read in one way only."""

    slug = "ablation"


class NotBuiltError(MlopsError):
    """A part of the design that is not built yet: refused by name, never done by the wrong means."""

    slug = "not-built"


class ParameterError(MlopsError):
    """A parameter of an arm that is unknown, or that cannot be keyed."""

    slug = "parameter"


class DataError(MlopsError):
    """Declared data that is missing, unreadable, or was changed by a training run."""

    slug = "data"


class RefError(MlopsError):
    """A commit that ``ref=`` means and that is not here, or whose files cannot be had."""

    slug = "ref"


class NotThereError(RefError):
    """A training function that the commit of ``ref=`` does not have, or that cannot run there: nothing to compare with."""


class SplitError(MlopsError):
    """A split that cannot be made as asked."""

    slug = "split"


class MetricError(MlopsError):
    """Metrics that are missing, of a wrong type, or not the same in every run."""

    slug = "metric"


class RecordedError(MetricError):
    """Results that exist, and that cannot be read, paired or trusted as they are."""

    slug = "recorded"


class RunError(MlopsError):
    """A call on ``run`` that cannot work, or randomness that does not come from the run's seed."""

    slug = "run"


class UpstreamError(RunError):
    """``run.upstream`` asks for what the training run before did not leave, or there is none before."""

    slug = "upstream"


class SettingError(MlopsError):
    """An option with a value that it cannot have."""

    slug = "setting"


class SmokeError(MlopsError):
    """An arm that cannot run, found in a smoke run before anything was paid."""

    slug = "smoke"


class GuardError(MlopsError):
    """A gate that would be green without the evidence for it."""

    slug = "guard"


class MissingPackageError(MlopsError, ImportError):
    """An optional package that is not installed; the message has the command that installs it."""

    slug = "missing-package"


class StoreError(MlopsError):
    """The store cannot be opened, read or written."""

    slug = "store"


class SpoiltError(StoreError):
    """An artifact that is gone, or not what its hash says: what left it is trained again."""


class ReportError(MlopsError):
    """A report that is broken, or not one of ours."""

    slug = "report"
