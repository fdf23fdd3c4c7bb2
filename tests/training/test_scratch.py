"""``run.scratch``: found again by the next attempt at the same run, unless what it stands on has changed."""

import importlib
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_mlops._optional import installed
from pytest_mlops.errors import RunError
from pytest_mlops.fingerprint import watch_imports
from pytest_mlops.training import execute
from pytest_mlops.training.smoke import smoke


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A root folder with a file, a folder and a module, in which runs train."""
    root = tmp_path / "root"
    (root / "images").mkdir(parents=True)
    (root / "images" / "a.png").write_text("a")
    (root / "model.yaml").write_text("3")
    (root / "made_plugin.py").write_text("SIZE = 1\n")
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(root))
    watch = watch_imports()
    yield root
    watch.stop()
    sys.modules.pop("made_plugin", None)


@pytest.fixture
def attempt(spec, project):
    """One attempt at the same run: ``attempt(function)``; interrupted ones raise."""
    return lambda function, **words: execute(
        spec(function, root=project, **{"scratch": project / "store" / "scratch", **words})
    )


def interrupt(before=lambda run: None, after=lambda run: None):
    """A function that does something, leaves a checkpoint, and is interrupted."""

    def train(run):
        before(run)
        (run.scratch / "checkpoint.txt").write_text("epoch 3")
        after(run)
        raise KeyboardInterrupt

    return train


def look(run):
    """What is there."""
    return {"found": float((run.scratch / "checkpoint.txt").exists())}


def interrupted(attempt, before=lambda run: None, after=lambda run: None, **words):
    with pytest.raises(KeyboardInterrupt):
        attempt(interrupt(before, after), **words)


def test_it_is_made_when_it_is_asked_for_and_empty(attempt, project):
    result = attempt(
        lambda run: {"files": len(list(run.scratch.iterdir())), "absolute": run.scratch.is_absolute()}
    )
    assert result.metrics["files"] == 0.0
    assert result.metrics["absolute"] == 1.0
    other = project / "store" / "other"
    attempt(lambda run: {"a": 1.0}, scratch=other)
    assert not other.exists()


def test_what_an_interrupted_attempt_left_is_found_by_the_next(attempt):
    interrupted(attempt)
    result = attempt(look)
    assert result.metrics["found"] == 1.0
    assert "went on from what an interrupted attempt left" in result.messages[0]


def test_a_part_is_not_the_price_of_the_whole(attempt):
    interrupted(attempt)
    assert not {"seconds", "gpu_seconds", "peak_memory_mb"} & attempt(look).metrics.keys()
    assert attempt(look, scratch=None).metrics["seconds"] > 0


def test_a_success_keeps_it_until_the_result_is_in_the_store(attempt):
    interrupted(attempt)
    assert attempt(look).metrics["found"] == 1.0
    assert attempt(look).metrics["found"] == 1.0


def test_nobody_goes_on_from_a_failure(attempt, project):
    def fail(run):
        (run.scratch / "checkpoint.txt").write_text("the loss is NaN")
        return {"loss": float("nan")}

    assert attempt(fail).failed
    assert not (project / "store" / "scratch").exists()
    assert attempt(look).metrics["found"] == 0.0


def test_without_a_folder_it_is_gone_with_the_run(attempt, tmp_path):
    def write_down(run):
        with (tmp_path / "places.txt").open("a") as places:
            places.write(f"{run.scratch}\n")

    interrupted(attempt, write_down, scratch=None)
    attempt(lambda run: write_down(run) or {"a": 1.0}, scratch=None)
    places = (tmp_path / "places.txt").read_text().splitlines()
    assert len(places) == 2
    assert not [place for place in places if Path(place).exists()]


def test_it_stays_where_it_is_when_the_function_goes_elsewhere(attempt, tmp_path):
    def train(run):
        before = run.scratch
        os.chdir(tmp_path)
        return {"same": run.scratch == before and before.is_dir()}

    assert attempt(train, scratch=Path("store/scratch")).metrics["same"] == 1.0


# --- what it stands on


def read_yaml(run):
    Path("model.yaml").read_text()


def list_images(run):
    os.listdir("images")  # noqa: PTH208


def read_variable(run):
    os.environ.get("MADE_RATE")


def load_plugin(run):
    importlib.import_module("made_plugin")


def in_a_worker(run):
    if not installed("torch"):
        pytest.skip("the loader needs torch")

    class Images:
        def __len__(self):
            return 2

        def __getitem__(self, index):
            return float(Path("model.yaml").read_text())

    list(run.loader(Images(), batch_size=1, workers=1))


CHANGES = {
    "file": (read_yaml, lambda root: (root / "model.yaml").write_text("4"), "model.yaml"),
    "file read by a worker": (in_a_worker, lambda root: (root / "model.yaml").write_text("4"), "model.yaml"),
    "folder": (list_images, lambda root: (root / "images" / "b.png").write_text("b"), "images/"),
    "variable": (read_variable, lambda root: os.environ.update(MADE_RATE="2"), "$MADE_RATE"),
    "module": (
        load_plugin,
        lambda root: (root / "made_plugin.py").write_text("SIZE = 2\n"),
        "made_plugin.py",
    ),
}


@pytest.fixture
def variable(monkeypatch):
    monkeypatch.setenv("MADE_RATE", "1")


@pytest.mark.parametrize("moment", ["before it was asked for", "after it was asked for"])
@pytest.mark.parametrize(("use", "change", "named"), CHANGES.values(), ids=CHANGES)
def test_a_checkpoint_of_what_was_changed_since_is_not_found(
    attempt, project, variable, use, change, named, moment
):
    when = "before" if moment.startswith("before") else "after"
    if when == "before":
        interrupted(attempt, use)
    else:
        # The first checkpoint is written before what it depends on is read, a later one after it.
        interrupted(attempt, lambda run: run.scratch, lambda run: (use(run), run.scratch))
    change(project)
    watch_imports().stop()  # a new session
    result = attempt(look)
    assert result.metrics["found"] == 0.0
    assert (
        f"began anew, without what an interrupted attempt left in run.scratch: {named} changed"
        in result.messages[0]
    )
    assert "seconds" in result.metrics


@pytest.mark.parametrize("use", [change[0] for change in CHANGES.values()], ids=CHANGES)
def test_what_the_killed_attempt_read_counts_for_the_one_that_goes_on(attempt, project, variable, use):
    interrupted(attempt, use)
    watch_imports().stop()  # a new session
    after = attempt(look)
    assert after.metrics["found"] == 1.0
    whole = attempt(lambda run: use(run) or {"a": 1.0}, scratch=None)
    assert after.record == whole.record
    assert after.record.text != '{"files": {}, "modules": {}}'


def test_what_two_attempts_saw_differently_is_never_reused(attempt, project):
    interrupted(attempt, read_yaml)

    def look_and_read(run):
        found = look(run)
        (project / "new.yaml").write_text("5")
        (project / "new.yaml").rename(project / "model.yaml")
        read_yaml(run)
        return found

    result = attempt(look_and_read)
    assert result.metrics["found"] == 1.0
    assert result.record.files["model.yaml"] == "changed while the run read it"


def test_a_file_that_the_killed_attempt_read_may_not_be_written_by_the_next(attempt, project):
    interrupted(attempt, read_yaml)
    result = attempt(lambda run: look(run) if (project / "model.yaml").write_text("3") else {})
    assert result.failure is None  # it was never asked for the folder when it wrote
    interrupted(attempt, read_yaml)

    def write(run):
        found = look(run)
        (project / "model.yaml").write_text("4")
        return found

    assert "reads 'model.yaml' and writes it again" in attempt(write).failure.message


def test_the_folder_itself_is_no_dependency_and_may_be_read_and_written(attempt, project):
    def train(run):
        file = run.scratch / "state.json"
        for _ in range(3):
            file.write_text(file.read_text() + "x" if file.exists() else "")
        list(run.scratch.iterdir())
        return {"length": len(file.read_text())}

    result = attempt(train)
    assert result.failure is None
    assert result.metrics["length"] == 2.0
    assert result.record.files == {}


@pytest.mark.parametrize("spoil", ["torn", "gone", "of another run"])
def test_without_a_whole_list_of_what_it_stands_on_it_is_not_found(attempt, project, spoil):
    interrupted(attempt, read_yaml)
    (journal,) = (project / "store" / "scratch").glob("*.jsonl")
    text = journal.read_text()
    assert [json.loads(line)[1] for line in text.splitlines()[1:]] == ["model.yaml"]
    if spoil == "torn":
        journal.write_text(text[:-3])
    elif spoil == "gone":
        journal.unlink()
    else:
        journal.write_text(text.replace(json.loads(text.splitlines()[0])[1], "0" * 64))
    assert attempt(look).metrics["found"] == 0.0


# --- where it cannot be


def test_a_folder_that_cannot_be_made_is_one_clear_error(attempt, project):
    (project / "blocked").write_text("a file")
    result = attempt(look, scratch=project / "blocked" / "scratch")
    assert result.failure is not None
    assert result.failure.message.startswith(
        f"RunError: run.scratch: {project}/blocked/scratch cannot be written: Not a dir"
    )
    assert "--mlops-store" in result.failure.message


def test_a_child_process_is_not_the_first_to_ask(attempt):
    def train(run):
        child = os.fork()
        if child == 0:
            try:
                run.scratch  # noqa: B018
            except RunError as error:
                os._exit(7 if "child process first" in str(error) else 1)
            os._exit(0)
        return {"status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}

    assert attempt(train).metrics["status"] == 7.0


def test_a_smoke_run_has_one_that_is_empty_and_gone(attempt, spec, project):
    interrupted(attempt)
    there = project.parent / "place.txt"

    def train(run):
        there.write_text(str(run.scratch))
        (run.scratch / "other.txt").write_text("of two batches")
        return {"empty": not (run.scratch / "checkpoint.txt").exists()}

    smoke(spec(train, root=project, scratch=project / "store" / "scratch"))
    assert not Path(there.read_text()).exists()
    assert [file.name for file in (project / "store" / "scratch" / "files").iterdir()] == ["checkpoint.txt"]
    assert attempt(look).metrics["found"] == 1.0


def test_another_run_does_not_find_it(attempt, project, spec):
    interrupted(attempt)
    other = spec(look, root=project, scratch=project / "store" / "scratch", seed=1)
    assert execute(other).metrics["found"] == 0.0
    same = spec(look, root=project, scratch=project / "store" / "scratch")
    assert execute(replace(same, key=replace(same.key, code="d"))).metrics["found"] == 0.0


# --- splits that vary with the seed


def vary(run):
    run.split(50, folds=5)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_split_of_the_killed_attempt_is_noted_by_the_one_that_does_not_split_again(attempt, when):
    interrupted(attempt, **{when: vary}, seed=3)
    result = attempt(look, seed=3)
    assert result.metrics["found"] == 1.0
    assert [(one.test, one.fit, one.fold) for one in result.splits] == [(10, 40, 3)]


def test_a_checkpoint_of_another_fold_is_not_found(attempt):
    # The same seed, and so the same key, in another block of seeds: there it tests another fold.
    interrupted(attempt, vary, seed=3)
    result = attempt(look, seed=3, index=0, block=3)
    assert result.metrics["found"] == 0.0
    assert any("the fold that it tests changed" in message for message in result.messages)
    assert result.splits == ()
