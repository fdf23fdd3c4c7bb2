"""The one report model: plain values that every rendering reads. session.py makes it.

Unknown or infinite numbers are None (null in JSON). Readers ignore fields they do not know.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

SCHEMA = 1
"""Version of the report's shape; raised when a reader of the old one would misread the new one."""

VerdictName = Literal["PASS", "FAIL", "UNDECIDED"]

Result = Literal["PASS", "FAIL", "UNDECIDED", "ERROR"]
"""What came of a claim: its verdict, or ``ERROR`` where an error kept it from having one."""

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
"""A count as JSON can hold it: a reader refuses integers so long that printing them would take minutes."""


class Tool(msgspec.Struct, kw_only=True):
    """Who wrote the report."""

    name: str = "pytest-mlops"
    version: str


class Session(msgspec.Struct, kw_only=True):
    """The pytest session: when, where, how long, and what it cost."""

    started: str
    """ISO 8601, UTC."""
    seconds: float
    python: str
    platform: str
    device: str | None = None
    precision: str | None = None
    command: str = ""
    """The command that repeats the session."""
    exit_status: Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)] | None = None
    finished: bool = True
    """False while the session goes on; a killed one leaves it so."""
    trained: Count = 0
    """Training runs done in this session."""
    reused: Count = 0
    """Finished training runs taken from the store."""
    train_seconds: float = 0.0
    """Seconds spent inside training functions in this session."""
    saved_seconds: float = 0.0
    """Seconds that the reused runs had taken when they were trained."""
    spent_seconds: float = 0.0
    """Wall time spent on training: counts against the budget."""
    budget: str | None = None
    """What a session may spend on training, as the option says it, e.g. ``1h``; null for no limit."""


class Gate(msgspec.Struct, kw_only=True):
    """A test that makes claims."""

    test: str
    """Node id."""
    outcome: Literal["passed", "failed", "skipped", "xfailed", "xpassed", "undecided", "error"]
    seconds: float
    claims: list[str] = []
    """Ids of its claims, in the order in which they were asked."""
    message: str | None = None
    """Why the gate failed, where that is no claim's verdict: the guard, an error."""


class Estimate(msgspec.Struct, kw_only=True):
    """One side's mean over the pairs that decided."""

    arm: str
    """Id of the arm."""
    metric: str
    mean: float | None
    """Over the seeds that decided, in units of the metric."""
    sd: float | None


class Part(msgspec.Struct, kw_only=True):
    """One name matched by a wildcard claim, judged by its own sequence."""

    name: str
    verdict: VerdictName
    estimate: float | None
    interval: tuple[float | None, float | None]
    p_value: float | None
    n: Count
    reason: str


class Context(msgspec.Struct, kw_only=True):
    """One context (values of hyperparameters) of a claim that is judged over their mean."""

    name: str
    """``lr=0.001, batch_size=16``."""
    estimate: float | None
    interval: tuple[float | None, float | None]
    """Simultaneous over all contexts, valid at any stop."""
    n: Count
    """Pairs of this context."""
    holds: bool
    """Whether its estimate lies on the claimed side of the margin; no verdict."""


class Claim(msgspec.Struct, kw_only=True):
    """One claim with its verdict and evidence."""

    id: str
    test: str
    """Node id of the gate that asked."""
    file: str | None = None
    line: Count | None
    """Line of the claim in its file."""
    statement: str
    """As the user states it, e.g. ``candidate["auc"] > baseline["auc"] + 0.005``."""
    kind: str
    """``superior``, ``superior by a margin``, ``non-inferior``, ``by a ratio``, ``equivalent``, ``above a bar``,
    ``below a bar``, ``equivalent to a bar``."""
    verdict: Result
    reason: str
    """Why the sequence ended here, in a sentence; for ``ERROR`` what was raised."""
    estimate: float | None
    """Left side minus right side without the constant, in units of the metric; for a bar the left side."""
    margin: float | None
    """What the estimate has to exceed (or stay below): the constant of the claim; the upper limit of an equivalence."""
    margin_low: float | None = None
    """Lower limit of an equivalence; null for other claims."""
    direction: Literal[">", "<", "=="]
    interval: tuple[float | None, float | None]
    """Repeated confidence interval of the estimate, valid at any stop, at level 1 - 2 alpha."""
    p_value: float | None
    """Stage-wise, ignoring futility."""
    n: Count
    """Seeds that the verdict stands on."""
    max_n: Count
    alpha: float
    power: float
    method: str
    """Which test spoke, e.g. ``sequential t-test``."""
    holds_for: str
    """What the verdict generalises to, e.g. ``new seeds, on these cases``."""
    collapse_bound: float | None = None
    """Share of seeds that may behave otherwise without having shown in n runs (probability alpha)."""
    remedy: str | None = None
    """For UNDECIDED and FAIL: what it would take, or what to do."""
    trained: Count = 0
    reused: Count = 0
    why: list[str] = []
    """Why training runs were trained and not reused: ``train(lr=0.1): net.py changed``."""
    seconds: float = 0.0
    """Wall time from the question to the answer."""
    arms: list[str] = []
    """Ids of the arms in it."""
    sides: list[Estimate] = []
    contrasts: list[float | None] = []
    """Left minus right without the constant, one a seed, in seed order; None for a failed training run."""
    seeds: list[Count] = []
    parts: list[Part] = []
    contexts: list[Context] = []
    interaction: float | None = None
    """p-value of the estimate being the same in all contexts."""
    remarks: list[str] = []
    """What is worth knowing beside the verdict: warnings, identical runs, pairs beyond the deciding one."""
    family: str | None = None
    """Id of the family whose alpha it shares; null for a claim by itself."""
    component: str | None = None
    """The row of an ablation that it is about."""
    adjusted_p: float | None = None
    """p-value in its family: at most the family's alpha exactly on PASS."""


class Family(msgspec.Struct, kw_only=True):
    """Claims that share one alpha: the rows of an ablation, asked as one question about one metric."""

    id: str
    claims: list[str]
    """Ids of its rows, in the user's order."""
    test: str = ""
    """Node id of the gate that asked."""
    line: Count | None = None
    statement: str = ""
    """As the user asks it: ``study["auc"].each_component_helps(by=0.01)``."""
    metric: str = ""
    side: Literal["without", "adding"] = "without"
    """Whether a row is the full arm minus the variant without the component, or the variant with it minus the base."""
    lower_is_better: bool = False
    reference: str = ""
    """The arm that every row is paired with, as text; its id is in each row's ``arms``."""
    reference_arm: str = ""
    verdict: Result = "UNDECIDED"
    """PASS if every row passed, FAIL if one failed."""
    reason: str = ""
    remedy: str | None = None
    """How to go on, where it was stopped."""
    margin: float | None = None
    """``by``: what a row has to be worth more than, or not be worse by."""
    alpha: float = 0.05
    """Of all rows together; a row's own ``alpha`` is the level at which it was decided."""
    method: str = ""
    """How the rows share alpha."""
    trained: Count = 0
    """Training runs of the reference and of all variants."""
    reused: Count = 0
    seconds: float = 0.0
    remarks: list[str] = []


class Arm(msgspec.Struct, kw_only=True):
    """One variant of the experiment."""

    id: str
    label: str
    """``train(lr=0.01)``: the function and what the user gave."""
    function: str
    parameters: dict[str, str] = {}
    """All parameters, defaults bound, as text."""
    data: str | None = None
    """Content hash of the declared data."""
    environment: dict[str, str] = {}
    runs: Count = 0
    """Finished runs known of this arm in this session, also those beyond the deciding pair."""
    mean_seconds: float | None = None


class FailedRun(msgspec.Struct, kw_only=True):
    """A training run that gave no usable metrics."""

    arm: str
    label: str
    seed: Count
    kind: str
    message: str
    traceback: str = ""
    output: str = ""
    """The last lines that it printed."""


class Message(msgspec.Struct, kw_only=True):
    """Something the reader should know that belongs to no single claim."""

    level: Literal["info", "warning", "error"]
    text: str
    test: str | None = None


class Report(msgspec.Struct, kw_only=True):
    """Everything a session found out."""

    schema: Count = SCHEMA
    tool: Tool
    session: Session
    gates: list[Gate] = []
    claims: list[Claim] = []
    families: list[Family] = []
    arms: list[Arm] = []
    failed_runs: list[FailedRun] = []
    messages: list[Message] = []


class GateRecord(msgspec.Struct, kw_only=True):
    """What one gate adds to the report: travels with the test's report, also from an xdist worker."""

    gate: Gate
    claims: list[Claim] = []
    families: list[Family] = []
    arms: list[Arm] = []
    failed_runs: list[FailedRun] = []
    messages: list[Message] = []
    trained: Count = 0
    reused: Count = 0
    train_seconds: float = 0.0
    saved_seconds: float = 0.0
    spent_seconds: float = 0.0
    budget: str | None = None
    device: str | None = None
    precision: str | None = None
