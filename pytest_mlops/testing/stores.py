"""The promises of a store, as tests. Subclass :class:`StoreContract` and give it ``open_store``."""

from __future__ import annotations

import hashlib
import math
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mlops.claims.ports import Store
from pytest_mlops.errors import StoreError
from pytest_mlops.records import Cases, CaseTable, Details, Failure, Record, RunKey, RunResult, VaryingSplit


def a_key(seed: int = 0) -> RunKey:
    """Some run's key."""
    return RunKey(function="m:train", code="c", parameters="{}", data="", environment="{}", seed=seed)


def a_result(key: RunKey, **changed: object) -> RunResult:
    """Some finished run of that key."""
    result = RunResult(key=key.digest, seed=key.seed, metrics={"auc": 0.1 + 0.2})
    return replace(result, **changed)  # type: ignore[arg-type]


def write(file: Path, text: str) -> None:
    """Write a file in a folder that need not exist."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


class StoreContract:
    """Every store keeps these promises; no backend weakens one.

    Examples
    --------
    ::

        class TestMyStore(StoreContract):
            @pytest.fixture
            def open_store(self, tmp_path):
                return lambda: MyStore(tmp_path)
    """

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        """Opens the same store each time that it is called."""
        raise pytest.UsageError("a store's contract test gives the fixture open_store")

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Iterator[Store]:
        store = open_store()
        yield store
        store.close()

    def test_of_an_unknown_run_nothing_is_found(self, store: Store) -> None:
        assert list(store.found(a_key())) == []

    def test_the_past_of_a_function_is_what_its_good_runs_took_newest_first(self, store: Store) -> None:
        for seed, seconds in ((0, 3.0), (1, 4.0)):
            store.put(a_key(seed), a_result(a_key(seed), metrics={"seconds": seconds}))
        failed = a_result(a_key(2), metrics={"seconds": 0.1}, failure=Failure(kind="error", message="no"))
        store.put(a_key(2), failed)
        assert [(one.key.seed, one.seconds) for one in store.past(a_key().function)] == [(1, 4.0), (0, 3.0)]
        assert list(store.past("m:other")) == []

    def test_the_seeds_of_an_experiment_are_those_that_are_finished(self, store: Store) -> None:
        failed = a_result(a_key(7), failure=Failure(kind="error", message="no"))
        store.put(a_key(7), failed)
        store.put(a_key(3), a_result(a_key(3)))
        assert store.seeds(a_key()) == {3, 7}
        assert store.seeds(replace(a_key(), parameters='{"lr": 1}')) == frozenset()

    def test_what_was_put_comes_back_equal(self, store: Store) -> None:
        key = a_key()
        fold = VaryingSplit(test=20, fit=80, folds=5, fold=2, repeat=3, block=2**31 - 1)
        result = a_result(
            key,
            record=Record(files={"net.yaml": "1"}, splits={f"é/b: {fold.words}": fold.text}),
            metrics={"auc": 0.9, "ok": 1.0},
            yes_no=frozenset({"ok"}),
            curves={"loss": ((0.0, 1.0 / 3.0),)},
            output="café\n",
            weights="w",
            steps=7,
            messages=("m",),
            reseeded=("torch.manual_seed(42)",),
        )
        assert store.put(key, result) == result
        assert list(store.found(key)) == [result]
        assert store.found(key)[0].splits == (fold,)

    def test_numbers_of_cases_come_back_bit_by_bit(self, store: Store) -> None:
        table = CaseTable(names="n", count=3, patients=bytes(12), target=struct.pack("<3d", 0, 1, 1))
        scores = struct.pack("<3d", 0.1 + 0.2, 5e-324, -0.0)
        cases = {
            "auc/siteA": Cases(table=table, metric="auc", numbers=scores),
            "dice": Cases(table=CaseTable(names="n", count=3), metric="mean", numbers=scores),
        }
        for seed in range(2):
            store.put(a_key(seed), a_result(a_key(seed), cases=cases))
        for seed in range(2):
            (kept,) = store.found(a_key(seed))
            assert kept.cases == cases

    @pytest.mark.parametrize("value", [5e-324, 1.7976931348623157e308, 0.1 + 0.2, 1e16 + 2])
    def test_every_bit_of_a_metric_comes_back(self, store: Store, value: float) -> None:
        key = a_key()
        store.put(key, a_result(key, metrics={"m": value}))
        (kept,) = store.found(key)
        assert kept.metrics["m"] == value

    def test_metrics_keep_their_order_and_odd_names(self, store: Store) -> None:
        key = a_key()
        names = ["z", "a/b c", "'; drop table runs; --", "m" * 400, "ü%"]
        store.put(key, a_result(key, metrics=dict.fromkeys(names, 1.0)))
        (kept,) = store.found(key)
        assert list(kept.metrics) == names

    def test_curves_keep_nan_and_infinity(self, store: Store) -> None:
        key = a_key()
        store.put(key, a_result(key, curves={"loss": ((0.0, math.nan), (1.0, math.inf))}))
        (kept,) = store.found(key)
        assert math.isnan(kept.curves["loss"][0][1])
        assert kept.curves["loss"][1] == (1.0, math.inf)

    def test_a_failed_run_is_kept_too(self, store: Store) -> None:
        key = a_key()
        store.put(
            key, a_result(key, metrics={}, failure=Failure(kind="error", message="no", traceback="line"))
        )
        (kept,) = store.found(key)
        assert kept.failed

    def test_text_that_is_no_unicode_does_not_lose_the_run(self, store: Store) -> None:
        key = a_key()
        store.put(key, a_result(key, output="broken \ud800 surrogate \x00 null"))
        assert len(store.found(key)) == 1

    def test_a_megabyte_of_output_is_kept(self, store: Store) -> None:
        key = a_key()
        store.put(key, a_result(key, output="x" * 1_000_000))
        (kept,) = store.found(key)
        assert len(kept.output) == 1_000_000

    def test_the_first_result_of_a_key_stays(self, store: Store) -> None:
        key = a_key()
        first, second = a_result(key, metrics={"auc": 0.1}), a_result(key, metrics={"auc": 0.2})
        assert store.put(key, first) == first
        assert store.put(key, second) == first
        assert list(store.found(key)) == [first]

    def test_runs_of_one_key_with_other_records_are_all_kept_newest_first(self, store: Store) -> None:
        key = a_key()
        old, new = (a_result(key, record=Record(files={"net.yaml": content})) for content in ("1", "2"))
        store.put(key, old)
        assert store.put(key, new) == new
        assert list(store.found(key)) == [new, old]

    def test_a_run_can_take_the_place_of_another(self, store: Store) -> None:
        key = a_key()
        old, new = a_result(key, metrics={"auc": 0.1}), a_result(key, metrics={"auc": 0.2})
        store.put(key, old)
        assert store.put(key, new, instead_of=old.id) == new
        assert list(store.found(key)) == [new]

    def test_only_what_this_session_trained_is_its_own(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        first.put(a_key(), a_result(a_key()))
        assert len(first.found(a_key(), mine=True)) == 1
        assert len(second.found(a_key(), mine=True)) == 0
        first.close()
        second.close()

    def test_what_was_there_before_another_experiment_is_a_list_that_does_not_grow(
        self, store: Store
    ) -> None:
        other = replace(a_key(), parameters='{"lr": "1"}')
        kept = [store.put(a_key(seed), a_result(a_key(seed))) for seed in (40, 3)]
        assert list(store.found_before(a_key(), other)) == kept
        store.put(replace(other, seed=5), a_result(replace(other, seed=5)))
        store.put(a_key(6), a_result(a_key(6)))
        store.put(replace(other, seed=0), a_result(replace(other, seed=0)))
        assert list(store.found_before(a_key(), other)) == kept
        assert list(store.found_before(other, a_key())) == []

    def test_kin_are_the_distinct_experiments_of_a_function_newest_first(
        self, open_store: Callable[[], Store]
    ) -> None:
        first, second = open_store(), open_store()
        details = Details(label="train()", why="first", code={"m:train": "1"})
        other = replace(a_key(), parameters='{"lr": "1"}')
        for key in (a_key(0), a_key(1), other, replace(a_key(), function="n:other")):
            first.put(key, a_result(key), details=details)
        assert [key for key, _ in second.kin(a_key(7))] == [other, a_key(0)]
        assert all(found == details for _, found in second.kin(a_key(7)))
        assert list(first.kin(a_key(7))) == []
        first.close()
        second.close()

    # --- leases: who trains what

    def test_two_open_stores_cannot_lease_one_run(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        assert first.lease(a_key()) is None
        assert second.lease(a_key()) is not None
        assert second.lease(a_key(1)) is None
        first.close()
        second.close()

    def test_a_lease_ends_when_its_run_is_put_or_it_is_given_back(
        self, open_store: Callable[[], Store]
    ) -> None:
        first, second = open_store(), open_store()
        first.lease(a_key(0))
        first.lease(a_key(1))
        first.put(a_key(0), a_result(a_key(0)))
        first.release(a_key(1))
        assert second.lease(a_key(0)) is None
        assert second.lease(a_key(1)) is None
        first.close()
        second.close()

    def test_closing_gives_all_leases_back(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        first.lease(a_key())
        first.close()
        assert second.lease(a_key()) is None
        second.close()

    def test_a_lease_that_is_not_ours_is_not_given_back(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        first.lease(a_key())
        second.release(a_key())
        assert second.lease(a_key()) is not None
        first.close()
        second.close()

    # --- artifacts

    def test_artifacts_are_kept_with_their_run(self, store: Store) -> None:
        key, result = a_key(), a_result(a_key())
        write(store.artifacts(key) / "plots" / "roc.txt", "a plot")
        store.put(key, result)
        assert store.artifact(result.id, "plots/roc.txt").read_text() == "a plot"
        assert not store.artifacts(key).exists()

    def test_an_artifact_that_does_not_exist_is_an_error_that_names_those_that_do(self, store: Store) -> None:
        write(store.artifacts(a_key()) / "model.txt", "weights")
        store.put(a_key(), a_result(a_key()))
        with pytest.raises(StoreError, match=r"'modle\.txt'.*model\.txt"):
            store.artifact(a_result(a_key()).id, "modle.txt")

    def test_the_hashes_of_artifacts_are_known(self, store: Store) -> None:
        write(store.artifacts(a_key()) / "plots" / "roc.txt", "a plot")
        store.put(a_key(), a_result(a_key()))
        wanted = hashlib.sha256(b"a plot").hexdigest()
        assert store.artifacts_of(a_result(a_key()).id) == {"plots/roc.txt": wanted}
        assert store.artifacts_of("unknown") == {}

    def test_a_run_that_goes_on_from_another_gets_copies(self, store: Store) -> None:
        first, second, third = a_key(0), a_key(1), a_key(2)
        write(store.artifacts(first) / "model" / "weights.txt", "weights")
        store.put(first, a_result(first))
        folder = store.hand_out(a_result(first).id, second)
        assert folder is not None
        (folder / "model" / "weights.txt").write_text("spoilt")
        other = store.hand_out(a_result(first).id, third)
        assert other is not None
        assert (other / "model" / "weights.txt").read_text() == "weights"
        assert store.has_artifacts(a_result(first).id)

    def test_copies_are_gone_with_the_run_that_had_them(self, store: Store) -> None:
        first, second = a_key(0), a_key(1)
        write(store.artifacts(first) / "model.txt", "weights")
        store.put(first, a_result(first))
        for end in (lambda: store.release(second), lambda: store.put(second, a_result(second))):
            folder = store.hand_out(a_result(first).id, second)
            assert folder is not None
            end()
            assert not folder.exists()

    def test_a_spoilt_artifact_is_handed_to_nobody_and_counts_as_gone(self, store: Store) -> None:
        write(store.artifacts(a_key(0)) / "model.txt", "weights")
        store.put(a_key(0), a_result(a_key(0)))
        stored = store.artifact(a_result(a_key(0)).id, "model.txt")
        stored.chmod(0o644)
        stored.write_text("spoilt")
        assert store.hand_out(a_result(a_key(0)).id, a_key(1)) is None
        assert not store.has_artifacts(a_result(a_key(0)).id)

    def test_what_a_run_went_on_from_is_part_of_its_key(self, store: Store) -> None:
        derived = replace(a_key(), upstream="u", upstream_run="r")
        store.put(derived, a_result(derived))
        assert store.found(derived) == [a_result(derived)]
        assert not store.found(a_key())
        assert not store.found(replace(derived, upstream_run="other"))
        assert store.seeds(replace(a_key(5), upstream="u")) == {0}
        assert [one.key for one in store.past("m:train")] in ([], [derived])

    # --- scratch: what a run needs to go on after a kill

    def test_scratch_goes_with_the_lease_to_its_next_owner(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        assert first.lease(a_key()) is None
        write(first.scratch(a_key()) / "checkpoint.txt", "epoch 3")
        first.release(a_key())
        assert second.lease(a_key()) is None
        assert (second.scratch(a_key()) / "checkpoint.txt").read_text() == "epoch 3"
        first.close()
        second.close()

    def test_scratch_is_found_again_by_a_store_opened_later(self, open_store: Callable[[], Store]) -> None:
        first = open_store()
        first.lease(a_key())
        write(first.scratch(a_key()) / "checkpoint.txt", "epoch 3")
        first.close()
        second = open_store()
        assert second.lease(a_key()) is None
        assert (second.scratch(a_key()) / "checkpoint.txt").read_text() == "epoch 3"
        second.close()

    def test_who_lost_the_lease_cannot_write_into_the_scratch_of_who_has_it(
        self, open_store: Callable[[], Store]
    ) -> None:
        first, second = open_store(), open_store()
        first.lease(a_key())
        lost = first.scratch(a_key())
        write(lost / "checkpoint.txt", "epoch 3")
        first.release(a_key())
        second.lease(a_key())
        kept = second.scratch(a_key())
        assert kept != lost
        with pytest.raises(OSError, match="No such file"):
            (lost / "checkpoint.txt").write_text("of somebody who stood still")
        first.put(a_key(), a_result(a_key()))
        assert (kept / "checkpoint.txt").read_text() == "epoch 3"
        first.close()
        second.close()

    def test_scratch_belongs_to_one_key_and_seed(self, store: Store) -> None:
        keys = [a_key(0), a_key(1), replace(a_key(0), parameters='{"lr": 1}')]
        for key in keys:
            store.lease(key)
            assert not store.scratch(key).exists()
            write(store.scratch(key) / "mine.txt", key.digest)
        for key in keys:
            assert [file.name for file in store.scratch(key).iterdir()] == ["mine.txt"]
            assert (store.scratch(key) / "mine.txt").read_text() == key.digest

    def test_scratch_is_gone_when_its_run_is_put_failed_or_not(self, store: Store) -> None:
        failure = Failure(kind="error", message="no")
        for key, result in ((a_key(0), a_result(a_key(0))), (a_key(1), a_result(a_key(1), failure=failure))):
            store.lease(key)
            write(store.scratch(key) / "checkpoint.txt", "epoch 3")
            store.put(key, result)
            store.lease(key)
            assert not store.scratch(key).exists()

    def test_scratch_of_other_sessions_is_removed_when_asked(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        first.lease(a_key())
        write(first.scratch(a_key()) / "checkpoint.txt", "epoch 3")
        first.release(a_key())
        second.lease(a_key())
        assert not second.scratch(a_key(), mine=True).exists()
        second.release(a_key())
        first.lease(a_key())
        assert not first.scratch(a_key()).exists()
        first.close()
        second.close()

    @pytest.mark.parametrize(
        "other",
        [
            replace(a_key(), function="other"),
            replace(a_key(), code="other"),
            replace(a_key(), parameters="other"),
            replace(a_key(), data="other"),
            replace(a_key(), environment="other"),
        ],
        ids=["function", "code", "parameters", "data", "environment"],
    )
    def test_another_part_of_the_key_is_another_run(self, store: Store, other: RunKey) -> None:
        store.put(a_key(), a_result(a_key()))
        assert list(store.found(other)) == []

    def test_another_seed_is_another_run(self, store: Store) -> None:
        store.put(a_key(seed=0), a_result(a_key(seed=0)))
        assert list(store.found(a_key(seed=1))) == []

    def test_a_result_of_another_key_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError, match="handed in for key"):
            store.put(a_key(seed=0), a_result(a_key(seed=1)))

    def test_a_store_opened_again_has_all_runs(self, open_store: Callable[[], Store]) -> None:
        first = open_store()
        first.put(a_key(), a_result(a_key()))
        first.close()
        second = open_store()
        assert list(second.found(a_key())) == [a_result(a_key())]
        second.close()

    def test_two_open_at_once_see_each_others_runs(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        first.put(a_key(), a_result(a_key()))
        assert list(second.found(a_key())) == [a_result(a_key())]
        first.close()
        second.close()

    def test_writers_at_the_same_time_agree_on_one_result(self, open_store: Callable[[], Store]) -> None:
        kept: list[RunResult] = []

        def write(number: int) -> None:
            store = open_store()
            kept.extend(
                store.put(a_key(seed), a_result(a_key(seed), metrics={"m": float(number)}))
                for seed in range(20)
            )
            store.close()

        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert len({(result.key, result.metrics["m"]) for result in kept}) == 20
        assert len(kept) == 80

    def test_artifacts_of_two_runs_lie_apart(self, store: Store) -> None:
        assert store.artifacts(a_key(0)) != store.artifacts(a_key(1))
        assert store.artifacts(a_key(0)) == store.artifacts(a_key(0))

    def test_attempts_keep_the_order_of_their_first_look(self, open_store: Callable[[], Store]) -> None:
        first, second = open_store(), open_store()
        first.add_attempt("t.py::test_a a > b", "base", "one", "{}")
        second.add_attempt("t.py::test_a a > b", "base", "two", "{}")
        first.add_attempt("t.py::test_a a > b", "base", "one", "{}")
        assert list(second.attempts("t.py::test_a a > b", "base")) == ["one", "two"]
        assert list(first.attempts("t.py::test_a a > b", "other base")) == []
        assert list(first.attempts("t.py::test_b a > b", "base")) == []
        first.close()
        second.close()

    def test_closing_twice_is_no_error(self, open_store: Callable[[], Store]) -> None:
        store = open_store()
        store.close()
        store.close()


__all__ = ["StoreContract", "a_key", "a_result"]
