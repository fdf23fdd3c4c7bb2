"""``run.cases``: numbers for each test case, checked at once, kept without names of cases and patients."""

import hashlib
import json

import numpy as np
import pytest

from pytest_mlops.errors import MetricError
from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.run_cases import decide_claim_by_cases, difference_in_cases, pseudovalues_of
from pytest_mlops.training.smoke import smoke

IDS = ["p1/a", "p1/b", "p2/a", "p3/a", "p4/a", "p5/a"]
PATIENTS = ["p1", "p1", "p2", "p3", "p4", "p5"]
TARGET = [0, 1, 0, 1, 0, 1]
SCORE = [0.1, 0.7, 0.4, 0.35, 0.2, 0.9]


def given(**changed):
    return {"case": IDS, "target": TARGET, "score": SCORE, **changed}


def test_scores_give_the_metric_of_their_name(train):
    def function(run):
        run.cases("auc/siteA", **given(patient=PATIENTS))
        return {"loss": 0.5}

    result = train(function)
    assert result.failure is None
    # By hand: of nine pairs the positives 0.7, 0.35 and 0.9 lose one, 0.35 against 0.4.
    assert result.metrics["auc/siteA"] == pytest.approx(8 / 9)
    assert result.metrics["loss"] == 0.5
    cases = result.cases["auc/siteA"]
    assert (cases.metric, cases.table.count, cases.table.patient_count) == ("auc", 6, 5)


def test_values_are_averaged_and_nothing_need_be_returned(train):
    result = train(lambda run: run.cases("dice/liver", case=[1, 2, 3], value=[0.5, 1.0, 0.75]))
    assert result.failure is None
    assert result.metrics["dice/liver"] == 0.75
    assert result.yes_no == {"failed"}


def test_a_metric_of_another_name_is_asked_for_by_metric(train):
    def function(run):
        run.cases("recall", case=IDS, target=TARGET, score=np.array(SCORE) > 0.5, metric="sensitivity")
        return {}

    assert train(function).metrics["recall"] == pytest.approx(2 / 3)


def test_the_order_of_cases_and_the_type_of_arrays_change_nothing(train):
    torch = pytest.importorskip("torch")

    def in_order(run):
        run.cases("auc", **given(patient=PATIENTS))

    def reversed_as_tensors(run):
        score = torch.tensor(SCORE[::-1], dtype=torch.float64, requires_grad=True)
        run.cases(
            "auc",
            case=np.array(IDS[::-1]),
            target=torch.tensor(TARGET[::-1]),
            score=score,
            patient=PATIENTS[::-1],
        )

    assert train(in_order).cases == train(reversed_as_tensors).cases


def test_no_name_of_a_case_or_patient_is_kept(train):
    cases = train(lambda run: run.cases("auc", **given(patient=PATIENTS))).cases["auc"]
    kept = repr(cases)
    assert not any(name in kept for name in (*IDS, *PATIENTS))
    # Nor a hash of one, which could be found by trying all patient numbers: the names are hashed together.
    assert cases.table.names == hashlib.sha256(json.dumps(sorted(IDS)).encode()).hexdigest()


def test_runs_of_equal_weights_and_other_scores_are_not_identical(train, fit_digits):
    def function(run, *, shift):
        fit_digits(run)
        run.cases("auc", **given(score=np.array(SCORE) + shift))

    same, other = train(function, shift=0.0), train(function, shift=1.0)
    assert same.metrics["auc"] == other.metrics["auc"]
    assert same.weights is not None
    assert same.weights != other.weights
    assert same.weights == train(function, shift=0.0).weights


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (given(case=["a", "b", "a", "c", "d", "e"]), r"case\[2\] is the same as case\[0\]"),
        (given(case=[1, "b", 2, 3, 4, 5]), "str and int mixed"),
        (given(case=[1.5, 2, 3, 4, 5, 6]), r"case\[0\] is of type float"),
        (given(case="abcdef"), "case must be a list of str or int"),
        (given(score=[0.1, 0.7, np.nan, 0.3, 0.2, np.inf]), r"score\[2\] is nan \(2 of 6 are not finite\)"),
        (given(score=SCORE[:5]), r"score has the shape \(5,\) and there are 6 cases"),
        (given(score=np.zeros((6, 2))), "give the score of the positive one"),
        (given(score=["a"] * 6), "score must be numbers"),
        (given(target=[0] * 6), "needs cases of both classes"),
        (given(target=[0, 0, 0, 0, 0, 1]), "no other one has its class"),
        (
            given(target=[0, 1, 0, 0, 0, 1], patient=list("abcdeb")),
            "does not exist without the patient of case",
        ),
        (given(target=[0, 1, 2, 0, 1, 2]), "needs a target of 0 and 1"),
        (given(patient=["p"] * 6), "1 patient cannot show"),
        (given(patient=["p", "q"]), "patient has 2 entries and there are 6 cases"),
        (given(patient=["p", None, "q", "r", "s", "t"]), r"patient\[1\] is of type NoneType"),
        (given(value=SCORE), "give value= alone"),
        (given(score=None), "needs value=, one number for each case"),
        (given(metric="f2"), "'f2' is no metric that is known by name"),
        (given(metric=lambda target, score: 0.0), "compute a number for each case"),
        ({"case": [1, 2], "value": [0.5, 0.5]}, "2 cases cannot show"),
    ],
)
def test_bad_input_is_named_without_naming_a_patient(run, arguments, message):
    with pytest.raises(MetricError, match=message) as caught:
        run().cases("auc", **arguments)
    assert not any(name in str(caught.value) for name in IDS)


def test_a_metric_is_given_once(run, train):
    one = run()
    one.cases("auc", **given())
    with pytest.raises(MetricError, match="called twice in one run"):
        one.cases("auc", **given())
    with pytest.raises(MetricError, match="measured by pytest-mlops"):
        one.cases("seconds", **given())

    def both(run):
        run.cases("auc", **given())
        return {"auc": 0.9}

    assert "returned and also given by run.cases" in train(both).failure.message


def test_a_run_that_fails_keeps_what_it_gave(train):
    def function(run):
        run.cases("auc", **given())
        raise RuntimeError("disk is full")

    result = train(function)
    assert result.failed
    assert "auc" not in result.metrics


def test_a_smoke_run_that_evaluates_two_batches_is_no_error(spec):
    def function(run):
        scores = [
            x
            for (batch,) in run.loader((np.arange(6.0),), batch_size=2, shuffle=False)
            for x in batch.tolist()
        ]
        run.cases("auc", case=IDS, target=TARGET, score=scores)
        return {"loss": 0.5}

    assert smoke(spec(function)).names == ("loss", "auc")


def test_a_smoke_run_finds_a_metric_that_is_not_known(spec):
    def function(run):
        list(run.loader((np.arange(6.0),), batch_size=2))
        run.cases("aux", case=IDS, target=TARGET, score=SCORE)

    with pytest.raises(MetricError, match="'aux' is no metric"):
        smoke(spec(function))


# --- from runs to a decision


def trained(train, gain, **words):
    def function(run, *, gain):
        rng = run.rng("noise")
        target = np.arange(60) % 2
        hard = np.random.default_rng(0).normal(size=60)  # of the cases, the same in all runs
        score = (1.0 + gain) * target + hard + 0.3 * rng.normal(size=60)
        run.cases(
            "auc", case=list(range(60)), target=target, score=score, patient=[i // 2 for i in range(60)]
        )

    return [train(function, seed=seed, gain=gain, **words).cases["auc"] for seed in range(6)]


def test_a_claim_goes_from_trained_runs_to_a_decision(train):
    candidate, baseline = trained(train, 1.0), trained(train, 0.0)
    terms = [(1.0, candidate), (-1.0, baseline)]
    found = decide_claim_by_cases(SequentialTest(), terms)
    assert (found.verdict, found.patients) == ("PASS", 30)
    other = decide_claim_by_cases(SequentialTest(), [(1.0, baseline), (-1.0, candidate)], direction=-1.0)
    assert (other.verdict, other.n) == ("PASS", found.n)
    assert other.estimate == pytest.approx(found.estimate)
    too_much = decide_claim_by_cases(SequentialTest(), terms, margin=found.estimate + 0.01)
    assert too_much.verdict != "PASS"
    assert too_much.estimate == pytest.approx(-0.01, abs=0.01)


def test_pseudovalues_of_a_run_have_its_metric_as_mean(train):
    (cases, *_) = trained(train, 0.5)
    assert pseudovalues_of(cases).shape == (30,)
    with pytest.raises(ValueError, match="read-only"):
        pseudovalues_of(cases)[0] = 1.0


def test_runs_on_other_cases_patients_or_labels_are_told_apart(train):
    def cases(**changed):
        return train(lambda run: run.cases("auc", **given(**{"patient": PATIENTS, **changed}))).cases["auc"]

    base = cases()
    renamed = [*IDS[:5], "p6/a"]
    swapped = [*TARGET[:4], 1, 0]
    regrouped = ["p1", "p2", "p2", "p3", "p4", "p5"]
    assert difference_in_cases([base, cases(score=SCORE[::-1])]) is None
    assert difference_in_cases([base, base, cases(case=renamed)]) == (2, "6 cases, and not the same ones")
    assert difference_in_cases([base, cases(target=swapped)]) == (1, "other labels for the same cases")
    assert difference_in_cases([base, cases(patient=regrouped)]) == (1, "the same cases of other patients")
    with pytest.raises(ValueError, match="have to share their cases: 6 cases, and not the same ones"):
        decide_claim_by_cases(SequentialTest(), [(1.0, [base]), (-1.0, [cases(case=renamed)])])
