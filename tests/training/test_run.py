"""``run``: what a training function is handed."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest
import torch

from pytest_mlops.errors import RunError


def test_run_shows_seed_index_and_device(run):
    ours = run(seed=5, index=2)
    assert (ours.seed, ours.index, ours.device) == (5, 2, torch.device("cpu"))
    assert "seed=5" in repr(ours)


def test_stream_is_the_same_object_in_a_run_and_the_same_numbers_in_every_arm(run):
    one, arm = run(seed=1), run(seed=1)
    assert one.rng("augment") is one.rng("augment")
    assert one.generator("noise") is one.generator("noise")
    assert one.rng("augment").random() == arm.rng("augment").random()
    noise = torch.rand(3, generator=one.generator("noise"))
    assert torch.equal(noise, torch.rand(3, generator=arm.generator("noise")))


def test_adding_a_stream_shifts_nothing(run):
    def draw(ours):
        x = torch.arange(10)
        return (
            ours.rng("a").random(3).tolist(),
            torch.rand(3, generator=ours.generator("a")).tolist(),
            torch.cat(list(ours.loader(x, batch_size=4))).tolist(),
            ours.init(torch.nn.Linear(2, 2)).weight.tolist(),
        )

    plain, more = run(seed=3), run(seed=3)
    more.rng("new").random(100)
    torch.rand(100, generator=more.generator("new"))
    assert draw(plain) == draw(more)


def test_streams_of_one_name_and_two_kinds_are_unlike(run):
    assert (
        run().rng("a").random() != torch.rand((), generator=run().generator("a"), dtype=torch.float64).item()
    )


@pytest.mark.parametrize("name", ["", None, 3])
def test_streams_need_a_name(run, name):
    with pytest.raises(RunError, match=r"run.rng\("):
        run().rng(name)
    with pytest.raises(RunError, match=r"run.generator\("):
        run().generator(name)


def test_data_is_what_was_declared(run):
    data = {"x": 1}
    assert run(data=data).data is data


def test_data_that_was_not_declared_is_a_clear_error(run):
    with pytest.raises(RunError, match=r"arm\(train\).using\(data=load\)"):
        run().data  # noqa: B018


def test_curves_take_any_number_and_nan(train):
    def log(run):
        run.log(0, **{"loss": torch.tensor(1.5), "auc/siteA": np.float32(0.5)})
        run.log(0.5, loss=math.nan)
        run.log(np.int64(2), loss=True)
        return {"a": 1.0}

    curves = train(log).curves
    assert curves["auc/siteA"] == ((0.0, 0.5),)
    assert [step for step, _ in curves["loss"]] == [0.0, 0.5, 2.0]
    assert math.isnan(curves["loss"][1][1])


def test_a_curve_may_have_any_word_for_a_name(train):
    def log(run):
        run.log(0, step=1.0, self=2.0)
        return {"a": 1.0}

    assert train(log).curves.keys() == {"step", "self"}


@pytest.mark.parametrize(
    ("step", "values", "text"),
    [
        (0, {}, "no values"),
        (0, {"loss": "1"}, "run.log: loss"),
        (0, {"loss": None}, "run.log: loss"),
        (0, {"loss": torch.zeros(2)}, "run.log: loss"),
        ("0", {"loss": 1.0}, "run.log: the step"),
        (math.nan, {"loss": 1.0}, "the step is nan"),
        (True, {"loss": 1.0}, "the step is True"),
    ],
)
def test_what_is_no_point_is_refused(run, step, values, text):
    with pytest.raises(RunError, match=text):
        run().log(step, **values)


def test_artifact_is_a_path_in_the_folder_of_the_run(run, tmp_path):
    path = run(artifacts=tmp_path / "here").artifact("plots/roc.png")
    assert path == tmp_path / "here" / "plots" / "roc.png"
    assert path.parent.is_dir()
    path.write_text("x")
    assert run(artifacts=tmp_path / "here").artifact("plots/roc.png").read_text() == "x"


def test_artifact_folder_is_made_when_first_used(run, tmp_path):
    run(artifacts=tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_artifact_stays_where_it_was_when_the_run_changes_directory(train, tmp_path, monkeypatch):
    from pathlib import Path

    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()

    def move(run):
        os.chdir("other")
        run.artifact("a.txt").write_text("x")
        return {"a": 1.0}

    assert not train(move, artifacts=Path("kept")).failed
    assert (tmp_path / "kept" / "a.txt").read_text() == "x"


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "./",
        "..",
        "../x",
        "a/../../x",
        "a\\..\\..\\x",
        "/etc/x",
        "C:\\x",
        "C:x",
        "\\x",
        "a\0b",
        "a\nb",
        3,
        None,
    ],
)
def test_artifact_names_that_leave_the_folder_are_refused(run, name):
    with pytest.raises(RunError, match=r"run.artifact"):
        run().artifact(name)


def test_artifact_through_a_link_is_refused(run, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(RunError, match="through a link"):
        run(artifacts=folder).artifact("link/x")
