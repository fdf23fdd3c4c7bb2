"""Builders of report values: a good claim, a full report, and any report at all (hypothesis)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from pytest_mlops.reports.model import (
    Arm,
    Claim,
    Estimate,
    FailedRun,
    Family,
    Gate,
    Message,
    Part,
    Report,
    Session,
    Tool,
)

_CLAIM: dict[str, Any] = {
    "id": "c1",
    "test": "tests/test_gates.py::test_label_smoothing_helps",
    "line": 14,
    "statement": 'candidate["auc"] > baseline["auc"] + 0.005',
    "kind": "superior by a margin",
    "verdict": "PASS",
    "reason": "crossed the efficacy boundary after 7 seeds",
    "estimate": 0.01432,
    "margin": 0.005,
    "direction": ">",
    "interval": (0.0081, 0.0205),
    "p_value": 0.0123,
    "n": 7,
    "max_n": 30,
    "alpha": 0.05,
    "power": 0.9,
    "method": "sequential t-test",
    "holds_for": "new seeds, on these cases",
    "collapse_bound": 0.348,
    "trained": 8,
    "reused": 6,
    "why": ["train(): net.py changed", "train(lr=0.1): no run of seeds 5 to 7"],
    "seconds": 41.2,
    "arms": ["a1", "a2"],
    "seeds": [0, 1, 2, 3, 4, 5, 6],
}

_SESSION: dict[str, Any] = {
    "started": "2030-05-04T10:11:12Z",
    "seconds": 61.5,
    "python": "3.12.1",
    "platform": "Linux x86_64",
    "device": "cpu",
    "precision": "bf16",
    "command": "python -m pytest --mlops tests/test_gates.py",
    "exit_status": 1,
    "trained": 24,
    "reused": 12,
    "train_seconds": 44.1,
    "saved_seconds": 128.0,
}


def _claim(**changes: Any) -> Claim:
    return Claim(**{**_CLAIM, **changes})


def _part(name: str, verdict: str, estimate: float, interval: tuple[float, float], reason: str) -> Part:
    return Part(
        name=name, verdict=verdict, estimate=estimate, interval=interval, p_value=0.12, n=12, reason=reason
    )


def _folded_claim() -> Claim:
    return _claim(
        id="c2",
        test="tests/test_gates.py::test_no_worse",
        line=31,
        statement='candidate["auc/*"] > baseline["auc/*"] - 0.01',
        kind="non-inferior",
        verdict="UNDECIDED",
        reason="1 of 3 parts is undecided after 30 seeds",
        estimate=None,
        interval=(None, None),
        margin=-0.01,
        p_value=None,
        n=30,
        parts=[
            _part("auc/siteA", "PASS", 0.004, (-0.003, 0.011), "crossed the efficacy boundary"),
            _part("auc/siteB", "UNDECIDED", -0.002, (-0.013, 0.009), "30 seeds are the maximum"),
            _part("auc/siteC", "FAIL", -0.022, (-0.033, -0.012), "stopped for futility"),
        ],
        remedy="about 55 seeds would decide this margin: --mlops-max-seeds=55",
    )


def _failing_claim() -> Claim:
    return _claim(
        id="c3",
        test="tests/test_gates.py::test_bar[resnet50]",
        line=44,
        statement='candidate["auc"] > 0.9',
        kind="above a bar",
        verdict="FAIL",
        reason="stopped for futility, and the estimate lies below the bar",
        estimate=0.8731,
        margin=0.9,
        interval=(0.861, 0.8852),
        p_value=0.997,
        n=5,
        remedy="the arm does not reach 0.9",
        remarks=["2 pairs beyond the deciding one were kept, not used"],
    )


def _failed_run(**changes: Any) -> FailedRun:
    values: dict[str, Any] = {
        "arm": "a2",
        "label": "train(lr=0.1)",
        "seed": 3,
        "kind": "FloatingPointError",
        "message": "loss is NaN in epoch 2",
        "traceback": "Traceback (most recent call last):\nFloatingPointError: loss is NaN in epoch 2",
        "output": "epoch 1: loss 0.43\nepoch 2: loss nan\n",
    }
    return FailedRun(**{**values, **changes})


def _report(**changes: Any) -> Report:
    values: dict[str, Any] = {
        "tool": Tool(version="0.1"),
        "session": Session(**_SESSION),
        "claims": [_claim(), _folded_claim(), _failing_claim()],
        "gates": [
            Gate(
                test="tests/test_gates.py::test_empty",
                outcome="failed",
                seconds=0.01,
                message="this gate asked no claim",
            )
        ],
        "arms": [
            Arm(
                id="a1",
                label="train()",
                function="gates.train",
                parameters={"lr": "0.001", "net": "Net"},
                environment={"torch": "2.8.0"},
                runs=18,
                mean_seconds=2.1,
            )
        ],
        "failed_runs": [_failed_run()],
        "messages": [Message(level="warning", text="bf16 autocast is slow here: amp = off is faster")],
    }
    return Report(**{**values, **changes})


@pytest.fixture(scope="session")
def make_claim() -> Callable[..., Claim]:
    return _claim


@pytest.fixture(scope="session")
def make_failed_run() -> Callable[..., FailedRun]:
    return _failed_run


@pytest.fixture(scope="session")
def make_report() -> Callable[..., Report]:
    return _report


@pytest.fixture(scope="session")
def any_report() -> st.SearchStrategy[Report]:
    """Any report a writer may legally make: finite numbers or None, any text that UTF-8 can hold."""
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    number = st.floats(allow_nan=False, allow_infinity=False)
    maybe = st.none() | number
    count = st.integers(0, 2**53)
    few = {"max_size": 2}

    def build(struct: Any, /, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.builds(struct, **fields)

    verdict = st.sampled_from(["PASS", "FAIL", "UNDECIDED"])
    judged = {
        "verdict": verdict,
        "estimate": maybe,
        "interval": st.tuples(maybe, maybe),
        "p_value": maybe,
        "n": count,
        "reason": text,
    }
    part = build(Part, name=text, **judged)
    side = build(Estimate, arm=text, metric=text, mean=maybe, sd=maybe)
    claim = build(
        Claim,
        **judged,
        **dict.fromkeys(("id", "test", "statement", "kind", "method", "holds_for"), text),
        line=st.none() | count,
        margin=maybe,
        direction=st.sampled_from("<>"),
        max_n=count,
        alpha=number,
        power=number,
        collapse_bound=maybe,
        remedy=st.none() | text,
        trained=count,
        why=st.lists(text, **few),
        seconds=number,
        arms=st.lists(text, **few),
        sides=st.lists(side, **few),
        contrasts=st.lists(maybe, **few),
        seeds=st.lists(count, **few),
        parts=st.lists(part, **few),
        remarks=st.lists(text, **few),
    )
    outcome = st.sampled_from(["passed", "failed", "skipped", "xfailed", "xpassed", "error"])
    gate = build(Gate, test=text, outcome=outcome, seconds=number, claims=st.lists(text, **few), message=text)
    words = st.dictionaries(text, text, **few)
    arm = build(
        Arm, id=text, label=text, function=text, parameters=words, environment=words, mean_seconds=maybe
    )
    run = build(
        FailedRun,
        **dict.fromkeys(("arm", "label", "kind", "message", "traceback", "output"), text),
        seed=count,
    )
    level = st.sampled_from(["info", "warning", "error"])
    family = build(
        Family,
        **dict.fromkeys(("id", "test", "statement", "reference", "reference_arm", "reason", "method"), text),
        claims=st.lists(text, **few),
        verdict=st.sampled_from(["PASS", "FAIL", "UNDECIDED", "ERROR"]),
        side=st.sampled_from(["without", "adding"]),
        margin=maybe,
        alpha=number,
        seconds=number,
        remarks=st.lists(text, **few),
    )
    session = build(
        Session, started=text, seconds=number, python=text, platform=text, command=text, saved_seconds=number
    )
    report = build(
        Report,
        tool=build(Tool, version=text),
        session=session,
        gates=st.lists(gate, **few),
        claims=st.lists(claim, **few),
        families=st.lists(family, **few),
        arms=st.lists(arm, **few),
        failed_runs=st.lists(run, **few),
        messages=st.lists(build(Message, level=level, text=text, test=st.none() | text), **few),
    )
    return st.builds(_with_rows, report, st.integers(0, 2))


def _with_rows(report: Report, count: int) -> Report:
    """The report with its first claims as rows of its first family."""
    if report.families:
        family, rows = report.families[0], report.claims[:count]
        for place, claim in enumerate(rows):
            claim.id, claim.family, claim.component = f"{claim.id}#{place}", family.id, claim.statement
        family.claims = [claim.id for claim in rows]
    return report
