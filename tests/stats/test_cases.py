"""Seeds by cases against published tables, against an implementation without a common line, and by its laws."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mlops.stats import seeds_by_cases
from pytest_mlops.stats.cases import mean_squares

DATA = Path(__file__).parent.parent / "data"


def study(name):
    """Truth of the cases, and the ratings under both modalities, shape (readers, cases)."""
    with (DATA / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    readers = sorted(column[3:] for column in rows[0] if column.startswith("m1r"))
    first, second = (np.array([[float(row[f"m{m}r{r}"]) for row in rows] for r in readers]) for m in "12")
    return np.array([float(row["truth"]) for row in rows]), first, second


# --- published tables; see tests/data/README.md


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # Difference, StdErr, DF, Pr > |t| and 95% CI of the table "Random Readers and Random Cases", as printed.
        ("van_dyke.csv", (-0.04380032, 0.02075, 15.26, 0.0517, (-0.08796, 0.00036))),
        ("franken.csv", (0.01085482, 0.00501, 3.00, 0.1188, (-0.00509, 0.02680))),
    ],
)
def test_the_area_under_the_curve_of_published_studies_is_reproduced(name, published):
    truth, first, second = study(name)
    found = seeds_by_cases(first, second, truth, alternative="two-sided")
    estimate, error, df, p_value, interval = published
    assert found.estimate == pytest.approx(estimate, abs=5e-9)
    assert found.standard_error == pytest.approx(error, abs=5e-6)
    assert found.df == pytest.approx(df, abs=5e-3)
    assert found.p_value == pytest.approx(p_value, abs=5e-5)
    assert found.interval == pytest.approx(interval, abs=5e-6)


def test_the_published_mean_squares_and_covariances_are_reproduced():
    # OR-DBM MRMC prints MS(T*R) = 0.00055103, COV2 = 0.00034407 and COV3 = 0.00023903 for AUCs. A difference of two
    # modalities has twice MS(T*R), times the number of cases in units of pseudovalues, and r (COV2 - COV3) likewise.
    truth, first, second = study("van_dyke.csv")
    squares = seeds_by_cases(first, second, truth).mean_squares
    assert squares.seed / (2 * 114) == pytest.approx(0.00055103, abs=5e-9)
    assert squares.between / (2 * 114) == pytest.approx(5 * (0.00034407 - 0.00023903), abs=1e-7)


def test_sensitivity_as_averaged_values_of_diseased_cases_is_reproduced():
    # Smith and Hillis, article on MRMCaov: rating >= 3 is positive; the 45 diseased cases are the cases.
    truth, first, second = study("van_dyke.csv")
    diseased = truth == 1
    found = seeds_by_cases(
        first[:, diseased] >= 3, second[:, diseased] >= 3, None, metric="mean", alternative="two-sided"
    )
    assert found.estimate == pytest.approx(-0.09777778, abs=5e-9)
    assert found.standard_error == pytest.approx(0.03780451, abs=5e-9)
    assert found.df == pytest.approx(15.71732, abs=5e-6)
    assert found.p_value == pytest.approx(0.02008822, abs=5e-9)
    assert found.interval == pytest.approx((-0.1780371, -0.0175185), abs=5e-8)


def test_one_reader_alone_has_the_published_standard_error():
    # OR-DBM MRMC, single readers of Van Dyke: differences and standard errors, jackknifed, as printed.
    truth, first, second = study("van_dyke.csv")
    published = [
        (-0.02818, 0.02551),
        (-0.04654, 0.02630),
        (-0.01787, 0.03121),
        (-0.02625, 0.01729),
        (-0.10016, 0.04406),
    ]
    for reader, (estimate, error) in enumerate(published):
        found = seeds_by_cases(first[reader], second[reader], truth)
        assert found.estimate == pytest.approx(estimate, abs=5e-6)
        assert found.standard_error == pytest.approx(error, abs=5e-6)
        assert found.df == 113


# --- an implementation without a common line: Obuchowski and Rockette's covariances, by loops


def by_covariances(candidate, baseline, metric, patients):
    """Obuchowski-Rockette with jackknifed covariances and Hillis's degrees of freedom: t = 2 modalities, r readers."""
    arms, seeds, labels = (candidate, baseline), range(len(candidate)), sorted(set(patients))
    theta = [[metric(arm[s], range(len(patients))) for s in seeds] for arm in arms]
    without = [
        [[metric(arm[s], [c for c, p in enumerate(patients) if p != g]) for g in labels] for s in seeds]
        for arm in arms
    ]
    flat = np.array(without).reshape(2 * len(seeds), len(labels))
    covariance = np.cov(flat) * (len(labels) - 1) ** 2 / len(labels)
    same_arm, other_arm = [], []
    for i in range(2 * len(seeds)):
        for j in range(2 * len(seeds)):
            if i % len(seeds) != j % len(seeds):
                (same_arm if i // len(seeds) == j // len(seeds) else other_arm).append(covariance[i, j])
    theta = np.array(theta)
    rest = theta - theta.mean(0) - theta.mean(1)[:, None] + theta.mean()
    treatment_by_reader = (rest**2).sum() / (len(seeds) - 1)
    added = len(seeds) * max(np.mean(same_arm) - np.mean(other_arm), 0)
    error = math.sqrt(2 / len(seeds) * (treatment_by_reader + added))
    df = (treatment_by_reader + added) ** 2 / (treatment_by_reader**2 / (len(seeds) - 1))
    return theta[0].mean() - theta[1].mean(), error, df


def auc_by_pairs(target):
    def metric(score, cases):
        pairs = [(score[p], score[n]) for p in cases for n in cases if target[p] == 1 and target[n] == 0]
        return sum(1.0 if p > n else 0.5 if p == n else 0.0 for p, n in pairs) / len(pairs)

    return metric


@pytest.mark.parametrize("clustered", [False, True])
@pytest.mark.parametrize("seeds", [2, 3, 6])
def test_it_agrees_with_covariances_of_brute_force(seeds, clustered):
    rng = np.random.default_rng(seeds + 10 * clustered)
    target = np.array([0, 1] * 9)
    patients = rng.integers(0, 7, 18).tolist() if clustered else list(range(18))
    common = rng.normal(size=18)
    baseline, candidate = (
        np.round(common + target + rng.normal(size=(seeds, 18)) + 0.3 * rng.normal(size=18), 1) for _ in "bc"
    )
    found = seeds_by_cases(candidate, baseline, target, patient=patients)
    estimate, error, df = by_covariances(candidate, baseline, auc_by_pairs(target), patients)
    assert (found.estimate, found.standard_error, found.df) == pytest.approx((estimate, error, df), rel=1e-9)


def test_a_function_of_the_user_gives_what_the_name_gives():
    truth, first, second = study("van_dyke.csv")

    def accuracy(target, score):
        return float(np.mean(target == score))

    named = seeds_by_cases(first >= 3, second >= 3, truth, metric="accuracy")
    own = seeds_by_cases(first >= 3, second >= 3, truth, metric=accuracy)
    assert (own.estimate, own.standard_error, own.df) == pytest.approx(
        (named.estimate, named.standard_error, named.df), rel=1e-9
    )


# --- laws


def arms(seed, seeds=4, cases=30):
    rng = np.random.default_rng(seed)
    target = (np.arange(cases) % 3 == 0).astype(float)
    scores = target + rng.normal(size=(2, seeds, cases)) + rng.normal(size=cases)
    return scores[0], scores[1], target, rng


@given(seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_swapping_the_arms_turns_everything_round(seed):
    candidate, baseline, target, _ = arms(seed)
    one = seeds_by_cases(candidate, baseline, target)
    other = seeds_by_cases(baseline, candidate, target, alternative="less")
    assert other.estimate == pytest.approx(-one.estimate, rel=1e-9, abs=1e-12)
    assert other.p_value == pytest.approx(one.p_value, rel=1e-9)
    assert other.interval == pytest.approx(tuple(-x for x in reversed(one.interval)), rel=1e-9)


@given(seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_the_order_of_cases_seeds_and_patients_changes_nothing(seed):
    candidate, baseline, target, rng = arms(seed)
    patient = rng.integers(0, 12, 30)
    cases, seeds, names = rng.permutation(30), rng.permutation(4), rng.permutation(100)
    one = seeds_by_cases(candidate, baseline, target, patient=patient)
    other = seeds_by_cases(
        candidate[seeds][:, cases], baseline[seeds][:, cases], target[cases], patient=names[patient[cases]]
    )
    assert (other.estimate, other.standard_error, other.df) == pytest.approx(
        (one.estimate, one.standard_error, one.df), rel=1e-9
    )


@given(seed=st.integers(0, 1000), alpha=st.floats(0.005, 0.3))
@settings(max_examples=25, deadline=None)
def test_the_interval_agrees_with_the_test(seed, alpha):
    candidate, baseline, target, _ = arms(seed)
    found = seeds_by_cases(candidate, baseline, target, alpha=alpha)
    assert (found.interval[0] > 0) == (found.p_value < alpha)
    found = seeds_by_cases(candidate, baseline, target, alpha=alpha, alternative="two-sided")
    assert (found.interval[0] > 0 or found.interval[1] < 0) == (found.p_value < alpha)


def test_cases_that_add_nothing_leave_the_t_test_over_seeds():
    # By hand: interactions only, so MS_case is below MS_seed:case, and a paired t-test over 4 seeds is left.
    rng = np.random.default_rng(1)
    values = rng.normal(size=(4, 50))
    values -= values.mean(axis=0) - np.arange(4).mean() / 10
    values += np.array([[0.1], [0.3], [0.2], [0.0]])
    found = seeds_by_cases(values, np.zeros((4, 50)), None, metric="mean")
    means = values.mean(axis=1)
    assert found.df == 3
    assert found.standard_error == pytest.approx(means.std(ddof=1) / 2, rel=1e-12)
    assert found.case_share == 0


def test_one_seed_is_a_t_test_over_cases():
    # A paired t-test of the per-case differences 1, 2, 0, 3, 4: mean 2, sd sqrt(2.5), 4 degrees of freedom.
    found = seeds_by_cases([1, 2, 0, 3, 4], [0, 0, 0, 0, 0], None, metric="mean")
    assert (found.estimate, found.standard_error, found.df) == pytest.approx((2, math.sqrt(0.5), 4))


def test_a_patient_with_equal_cases_counts_once():
    one = seeds_by_cases([1, 2, 0, 3, 4], [0, 0, 0, 0, 0], None, metric="mean")
    thrice = np.repeat([1, 2, 0, 3, 4], 3)
    patient = np.repeat(list("abcde"), 3)
    many = seeds_by_cases(thrice, np.zeros(15), None, metric="mean", patient=patient)
    assert (many.estimate, many.standard_error, many.df) == pytest.approx(
        (one.estimate, one.standard_error, one.df)
    )
    assert (many.cases, many.patients) == (15, 5)


def test_a_patient_of_more_cases_weighs_more():
    # Ratio of sums: values 1, 1, 1, 5 of patients a, a, a, b and two more. Linearised by hand in pseudovalues' notes.
    values = np.array([1.0, 1.0, 1.0, 5.0, 2.0, 4.0])
    found = seeds_by_cases(values, np.zeros(6), None, metric="mean", patient=list("aaabcd"))
    assert found.estimate == pytest.approx(values.mean())
    without = np.array([11 / 3, 9 / 5, 12 / 5, 10 / 5])  # means without a, b, c, d
    assert found.standard_error == pytest.approx(math.sqrt(3 / 4 * ((without - without.mean()) ** 2).sum()))


def test_where_nothing_varies_nothing_is_said():
    same = np.ones((3, 10))
    found = seeds_by_cases(same, same - 1, None, metric="mean")
    assert (found.p_value, found.interval) == (1.0, (-math.inf, math.inf))


def test_seeds_that_do_not_vary_leave_the_cases():
    values = np.tile([1.0, 2, 0, 3, 4], (3, 1))
    found = seeds_by_cases(values, np.zeros((3, 5)), None, metric="mean")
    assert math.isinf(found.df)
    assert found.standard_error == pytest.approx(math.sqrt(0.5))


def test_mean_squares_of_a_table_by_hand():
    # Rows 1 3 5 and 2 4 9: means 3 and 5 of rows, 1.5, 3.5, 7 of columns, 4 of all; what is left is 0.5 0.5 -1.
    squares = mean_squares(np.array([[1.0, 3, 5], [2, 4, 9]]))
    assert (squares.seed, squares.case, squares.seed_case) == pytest.approx((6, 15.5, 1.5))
    assert squares.variance == pytest.approx((6 + 14) / 6)
    assert squares.df == pytest.approx((6 + 14) ** 2 / 6**2)


# --- bad input: one clear error each

SIX = np.arange(12.0).reshape(2, 6)
BOTH = [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"candidate": np.where(SIX == 7, np.nan, SIX)},
            r"candidate\[1, 1\] is nan: every number must be finite",
        ),
        ({"target": [0, 1, 0, 1, 0, np.inf]}, r"target\[5\] is inf"),
        (
            {"candidate": [[1, 2], [3, 4]], "baseline": [[1, 2], [3, 4]], "target": [0, 1]},
            "2 cases cannot show",
        ),
        ({"baseline": SIX[:, :5]}, "candidate has 6 cases and baseline 5"),
        ({"baseline": SIX[:1]}, "candidate has 2 seeds and baseline 1"),
        ({"baseline": [[1, 2, 3], [1, 2]]}, "baseline has not the same cases under all seeds"),
        ({"target": [0, 1, 0]}, "target has the shape .3,. and there are 6 cases"),
        ({"target": [0, 0, 0, 0, 0, 0]}, "auc needs cases of both classes, and no target is 1"),
        ({"target": [1, 1, 1, 1, 1, 1]}, "auc needs cases of both classes, and no target is 0"),
        ({"target": [0, 0, 0, 0, 0, 1]}, "auc does not exist without case 5: no other one has its class"),
        ({"patient": list("abcbcb")}, r"does not exist without the patient of case 1 \(3 cases\)"),
        ({"target": [0, 1, 2, 1, 0, 1]}, "auc needs a target of 0 and 1 for every case, got 2.0"),
        ({"target": ["a", "b", "a", "b", "a", "b"]}, "target must be numbers"),
        ({"target": None}, "auc needs a target"),
        ({"metric": "mean"}, "takes no target"),
        ({"metric": "f2"}, "metric='f2' is not known; known are auc, average_precision"),
        ({"metric": "accuracy", "candidate": SIX + 0.5}, "accuracy needs predicted classes"),
        ({"metric": "dice"}, "dice needs a score of 0 and 1 for every case, got 2.0; give predicted classes"),
        ({"metric": "brier"}, "brier needs probabilities from 0 to 1 as scores, got 2.0"),
        ({"metric": lambda target, score: math.nan}, "it must be a finite number on all cases"),
        ({"patient": list("aaaaaa")}, "1 patient cannot show how patients differ"),
        ({"patient": ["a", "b", None, "a", "b", "c"]}, r"patient\[2\] is missing"),
        ({"patient": ["a", "b"]}, "one label for each of the 6 cases"),
        ({"candidate": np.zeros((2, 2, 2))}, r"candidate must have the shape \(n_seeds, n_cases\)"),
        ({"candidate": [["a"] * 6] * 2}, "candidate must be real numbers"),
        ({"alpha": 0.5}, "alpha=0.5 must lie between 0 and 0.5"),
        ({"alternative": "larger"}, "alternative='larger' must be one of greater, less, two-sided"),
    ],
)
def test_bad_input_is_named(arguments, message):
    good = {"candidate": SIX, "baseline": SIX, "target": BOTH}
    with pytest.raises(ValueError, match=message):
        seeds_by_cases(**{**good, **arguments})
