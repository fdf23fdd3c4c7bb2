"""The inline executor keeps every promise of an executor."""

import io

import pytest

from pytest_mlops.executors.inline import InlineExecutor
from pytest_mlops.testing.executors import ExecutorContract


class TestInlineExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self):
        executor = InlineExecutor()
        yield executor
        executor.close()

    def test_a_run_that_has_not_started_can_be_cancelled(self, executor, spec):
        executor.submit(spec(0))
        assert executor.cancel(spec(0).key.digest) is True
        assert list(executor.wait()) == []

    def test_runs_train_in_the_order_of_submission(self, executor, spec):
        for seed in (2, 0, 1):
            executor.submit(spec(seed))
        assert [ending.spec.key.seed for ending in self.ended(executor, 3)] == [2, 0, 1]

    def test_what_a_run_prints_is_echoed_when_asked(self, spec):
        echo = io.StringIO()
        executor = InlineExecutor(echo=echo)
        executor.submit(spec(3))
        executor.wait()
        assert "hello from 3" in echo.getvalue()
