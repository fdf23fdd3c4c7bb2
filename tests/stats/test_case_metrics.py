"""Metrics of cases against scikit-learn, and leaving out by ranks against leaving out by force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.stats.case_metrics import BY_NAME, MEAN, case_metric, without_each_by_force
from pytest_mlops.stats.pseudovalues import groups_of, pseudovalues

sklearn = pytest.importorskip("sklearn.metrics", reason="the extra 'examples' brings scikit-learn")

THEIRS = {
    "auc": sklearn.roc_auc_score,
    "average_precision": sklearn.average_precision_score,
    "accuracy": sklearn.accuracy_score,
    "sensitivity": sklearn.recall_score,
    "specificity": lambda target, score: sklearn.recall_score(target, score, pos_label=0),
    "dice": sklearn.f1_score,
    "mae": sklearn.mean_absolute_error,
    "brier": sklearn.brier_score_loss,
}
CLASSES = {"accuracy", "sensitivity", "specificity", "dice"}


@st.composite
def cases(draw):
    """Target and scores with ties, at least two cases of each class, and patients of one or more cases."""
    target = [0, 0, 1, 1, *draw(st.lists(st.integers(0, 1), max_size=14))]
    scores = draw(st.lists(st.integers(0, 6), min_size=len(target), max_size=len(target)))
    patients = draw(st.lists(st.integers(0, 9), min_size=len(target), max_size=len(target)))
    return np.array(target, float), np.array(scores, float) / 6, np.unique(patients, return_inverse=True)[1]


def scores_for(name, score):
    return (score > 0.5).astype(float) if name in CLASSES else score


@pytest.mark.parametrize("name", sorted(BY_NAME))
@given(data=cases())
@settings(max_examples=60, deadline=None)
def test_a_metric_by_name_is_scikit_learns(name, data):
    target, score, _ = data
    score = scores_for(name, score)
    assert case_metric(name).value(target, score) == pytest.approx(THEIRS[name](target, score), rel=1e-12)


def test_every_metric_by_name_is_compared():
    assert set(THEIRS) == set(BY_NAME)


def test_accuracy_of_several_classes_is_scikit_learns():
    target, score = np.array([0.0, 1, 2, 2, 1]), np.array([0.0, 2, 2, 2, 1])
    assert case_metric("accuracy").value(target, score) == sklearn.accuracy_score(target, score) == 0.8


@pytest.mark.parametrize("name", [*sorted(BY_NAME), "mean"])
@pytest.mark.parametrize("clustered", [False, True])
@given(data=cases())
@settings(max_examples=60, deadline=None)
def test_leaving_out_by_sums_and_ranks_is_leaving_out_by_force(name, clustered, data):
    target, score, patients = data
    metric, groups = case_metric(name), patients if clustered else np.arange(len(target))
    score = scores_for(name, score)
    fast = metric.without_each(target, score, groups) if len(set(groups)) > 1 else np.array([])
    if fast.size == 0 or not np.isfinite(fast).all():
        return  # without some patient there is no such metric: refused, see test_cases
    assert fast == pytest.approx(
        without_each_by_force(metric.value, target, score, groups), rel=1e-10, abs=1e-12
    )


def test_the_mean_of_pseudovalues_is_the_metric():
    rng = np.random.default_rng(3)
    target, scores = (np.arange(20) % 2).astype(float), rng.random((3, 20))
    for name in ("auc", "average_precision", "mae", "brier"):
        metric = case_metric(name)
        rows = pseudovalues(metric, target, scores, rng.permutation(np.arange(20) // 2))
        assert rows.mean(axis=1) == pytest.approx([metric.value(target, score) for score in scores])


def test_pseudovalues_of_an_average_are_the_values():
    values = np.array([[0.25, 0.5, 1.0, 0.0]])
    assert pseudovalues(MEAN, np.zeros(4), values, np.arange(4)) == pytest.approx(values)


def test_dice_of_nothing_does_not_exist():
    with pytest.raises(ValueError, match="no positive cases and no predicted ones"):
        case_metric("dice").value(np.zeros(4), np.zeros(4))


def test_patients_are_numbered_as_they_appear():
    assert groups_of([7, "x", 7, "y"], 4).tolist() == [0, 1, 0, 2]
