import json

import numpy as np
import pytest

from pytest_mlops.stats import SequentialTest, tables
from pytest_mlops.stats.design import solve_bounds
from pytest_mlops.stats.spending import default_spending

SMALL = (0.05, 0.9, 3, 6)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_folder", lambda: tmp_path / "bounds")
    return tmp_path / "bounds"


def fresh():
    return tables.bounds_for.__wrapped__(*SMALL, default_spending(3, 6))


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("looks", "efficacy", "futility")
    )


def test_the_default_is_shipped_and_true():
    assert tables.SHIPPED.exists()
    seeds = np.arange(5, 31)
    shares = default_spending(5, 30).spent(seeds)
    entry = tables._shipped()[tables._key(0.05, 0.9, 5, 30, *shares)]
    shipped = tables.read(entry, 0.05 * shares[0][0])
    solved = solve_bounds(0.05, 0.9, seeds, *shares)
    assert shipped.efficacy == pytest.approx(solved.efficacy, abs=1e-7)
    assert shipped.futility == pytest.approx(solved.futility, abs=1e-6)
    assert shipped.detectable_effect == pytest.approx(solved.detectable_effect, abs=1e-8)
    assert shipped.fail_level == pytest.approx(solved.fail_level, abs=1e-8)
    assert SequentialTest().efficacy.tolist() == shipped.efficacy.tolist()


def test_the_levels_of_a_family_of_twelve_are_shipped(monkeypatch):
    shares = default_spending(5, 30).spent(np.arange(5, 31))
    solved = solve_bounds(0.05 / 12, 0.9, np.arange(5, 31), *shares)
    monkeypatch.setattr(tables, "solve_bounds", None)
    for j in range(1, 13):
        bounds = tables.bounds_for.__wrapped__(0.05 / j, 0.9, 5, 30, default_spending(5, 30))
    assert bounds.efficacy == pytest.approx(solved.efficacy, abs=1e-6)
    assert bounds.fail_level == pytest.approx(solved.fail_level, abs=1e-8)


def test_solved_bounds_are_kept_and_found_again(folder, monkeypatch):
    solved = fresh()
    assert len(list(folder.iterdir())) == 1
    monkeypatch.setattr(tables, "solve_bounds", None)  # a second solving would fail
    assert same(fresh(), solved)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"bounds": {}, "digest": "0"}', "\x00\xff", "[" * 10**5]
)
def test_a_corrupt_file_is_solved_anew(folder, content):
    solved = fresh()
    (file,) = folder.iterdir()
    file.write_text(content, encoding="utf-8")
    assert same(fresh(), solved)


def test_a_changed_bound_is_not_believed(folder):
    solved = fresh()
    (file,) = folder.iterdir()
    entry = json.loads(file.read_text())
    entry["bounds"]["efficacy"][1] = 0.1
    file.write_text(json.dumps(entry))
    assert same(fresh(), solved)


def test_a_first_bound_of_another_design_is_not_believed(folder):
    fresh()
    (file,) = folder.iterdir()
    entry = json.loads(file.read_text())
    entry["bounds"]["efficacy"][0] = 0.1
    entry["digest"] = tables._digest(entry["bounds"])
    file.write_text(json.dumps(entry))
    assert fresh().efficacy[0] > 1


def test_a_folder_that_cannot_be_written_is_no_error(folder):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    assert fresh().looks.tolist() == [3, 4, 5, 6]


def test_no_platformdirs_is_no_error(monkeypatch):
    monkeypatch.setattr(tables, "_folder", lambda: None)
    assert fresh().looks.tolist() == [3, 4, 5, 6]


def test_infinite_bounds_survive_the_file():
    bounds = fresh()
    bounds = type(bounds)(
        looks=bounds.looks,
        efficacy=np.array([np.inf, 3.0, 2.5, 2.0]),
        futility=np.array([-np.inf, 0.0, 1.0, 2.0]),
        detectable_effect=1.0,
        fail_level=0.05,
    )
    again = tables.read(json.loads(json.dumps(tables.dump(bounds))), 0.0)
    assert same(again, bounds)
