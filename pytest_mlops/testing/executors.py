"""The promises of an executor, as tests. Subclass :class:`ExecutorContract` and give it ``executor``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_mlops.claims.ports import Ending, Executor
from pytest_mlops.records import RunResult, RunSpec
from pytest_mlops.testing.stores import a_key


def good(run: Any) -> dict[str, float]:
    """A training run that ends well."""
    print("hello from", run.seed)
    return {"seed": float(run.seed)}


def broken(run: Any) -> dict[str, float]:
    """A training run that fails."""
    raise RuntimeError("loss exploded")


class ExecutorContract:
    """Every executor keeps these promises; no backend weakens one."""

    @pytest.fixture
    def executor(self) -> Executor:
        """A fresh executor."""
        raise pytest.UsageError("an executor's contract test gives the fixture executor")

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Callable[..., RunSpec]:
        """Makes something to submit."""

        def make(seed: int = 0, function: Callable[..., Any] = good) -> RunSpec:
            return RunSpec(
                key=a_key(seed), function=function, given={}, index=seed, artifacts=tmp_path / str(seed)
            )

        return make

    def ended(self, executor: Executor, count: int) -> list[Ending]:
        """Wait for that many endings."""
        endings: list[Ending] = []
        while len(endings) < count:
            batch = list(executor.wait())
            assert batch, f"nothing is pending, and {count - len(endings)} runs never ended"
            endings += batch
        return endings

    def test_nothing_pending_ends_at_once(self, executor: Executor) -> None:
        assert list(executor.wait()) == []

    def test_every_run_is_returned_once(self, executor: Executor, spec: Callable[..., RunSpec]) -> None:
        for seed in range(3):
            executor.submit(spec(seed))
        found = [ending.spec.key.seed for ending in self.ended(executor, 3)]
        assert sorted(found) == [0, 1, 2]
        assert list(executor.wait()) == []

    def test_a_result_has_the_metrics_of_its_seed(
        self, executor: Executor, spec: Callable[..., RunSpec]
    ) -> None:
        executor.submit(spec(5))
        (ending,) = self.ended(executor, 1)
        assert isinstance(ending.outcome, RunResult)
        assert ending.outcome.key == ending.spec.key.digest
        assert ending.outcome.metrics["seed"] == 5.0
        assert "hello from 5" in ending.outcome.output

    def test_a_training_failure_is_a_result(self, executor: Executor, spec: Callable[..., RunSpec]) -> None:
        executor.submit(spec(0, broken))
        (ending,) = self.ended(executor, 1)
        assert isinstance(ending.outcome, RunResult)
        assert ending.outcome.failure is not None
        assert "loss exploded" in ending.outcome.failure.message

    def test_a_failure_does_not_harm_the_next_run(
        self, executor: Executor, spec: Callable[..., RunSpec]
    ) -> None:
        executor.submit(spec(0, broken))
        executor.submit(spec(1))
        outcomes = {ending.spec.key.seed: ending.outcome for ending in self.ended(executor, 2)}
        assert isinstance(outcomes[1], RunResult)
        assert not outcomes[1].failed

    def test_a_pending_key_is_not_taken_twice(self, executor: Executor, spec: Callable[..., RunSpec]) -> None:
        executor.submit(spec(0))
        with pytest.raises(ValueError, match="pending"):
            executor.submit(spec(0))

    def test_a_finished_key_can_be_submitted_again(
        self, executor: Executor, spec: Callable[..., RunSpec]
    ) -> None:
        for _ in range(2):
            executor.submit(spec(0))
            self.ended(executor, 1)

    def test_cancelling_what_is_not_pending_is_false(
        self, executor: Executor, spec: Callable[..., RunSpec]
    ) -> None:
        assert executor.cancel(spec(0).key.digest) is False

    def test_it_says_how_many_runs_go_side_by_side(self, executor: Executor) -> None:
        assert executor.capacity >= 1

    def test_closing_twice_is_no_error(self, executor: Executor, spec: Callable[..., RunSpec]) -> None:
        executor.submit(spec(0))
        executor.close()
        executor.close()
