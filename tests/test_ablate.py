"""The marker ablate: a claim has to survive hyperparameters."""

import json

import pytest

TRAIN = """
import pytest

def train(run, *, lr=0.1, width=8, smoothing=0.0):
    noise = run.rng(f"noise {smoothing}").normal(0, 0.01)
    gain = 0.1 * smoothing if lr < 1 else -0.1 * smoothing
    return {"auc": 0.8 + gain + 0.05 * lr + noise, "good": True}
"""


@pytest.fixture
def report(pytester, gates):
    """Runs the source and reads its report."""

    def run(source, *options):
        result = gates(TRAIN + source, *options)
        path = pytester.path / "mlops-report" / "report.json"
        return result, json.loads(path.read_text()) if path.exists() else None

    return run


GATE = """
@pytest.mark.ablate(lr={lr}{more})
def test_smoothing_helps(arm):
    assert arm(train, smoothing=1.0)["auc"] > arm(train)["auc"]
"""


def test_a_gain_that_survives_passes_at_the_price_of_one_claim(report):
    result, found = report(GATE.format(lr="[0.1, 0.2, 0.3]", more=""))
    result.assert_outcomes(passed=1)
    (claim,) = found["claims"]
    assert (claim["n"], claim["trained"]) == (6, 12)
    assert [(one["name"], one["n"], one["holds"]) for one in claim["contexts"]] == [
        ("lr=0.1", 2, True),
        ("lr=0.2", 2, True),
        ("lr=0.3", 2, True),
    ]
    assert claim["holds_for"] == "new seeds, on these cases, in the mean over these 3 contexts"
    assert "3 of 3 contexts hold it by their estimate" in " ".join(result.stdout.str().split())


def test_contexts_where_the_claim_does_not_hold_are_named(report):
    result, found = report(GATE.format(lr="[0.1, 0.2, 2.0]", more=""))
    (claim,) = found["claims"]
    assert [one["holds"] for one in claim["contexts"]] == [True, True, False]
    assert claim["interaction"] < 0.01
    text = " ".join(result.stdout.str().split())
    assert "the estimate does not hold the claim at lr=2.0 (-0.1" in text
    assert "the contexts differ (interaction p" in text


def test_every_asks_for_the_claim_in_each_context(report):
    result, found = report(GATE.format(lr="[0.1, 2.0, 0.3]", more=", every=True"))
    result.assert_outcomes(failed=1)
    (claim,) = found["claims"]
    assert claim["verdict"] in ("FAIL", "UNDECIDED")
    assert claim["reason"].startswith("at lr=2.0: ")
    assert claim["reason"].endswith("; 1 more were not asked")
    assert [(part["name"], part["verdict"] == "PASS") for part in claim["parts"]] == [
        ("lr=0.1", True),
        ("lr=2.0", False),
    ]


def test_every_is_one_attempt_at_one_claim(report):
    _, found = report(GATE.format(lr="[0.1, 0.3]", more=", every=True"))
    assert not any("attempt" in remark for remark in found["claims"][0]["remarks"])
    _, found = report(GATE.format(lr="[0.1, 0.2]", more=", every=True"))
    assert any("attempt 2 at this claim" in remark for remark in found["claims"][0]["remarks"])


def test_every_with_levels_for_attempts_is_refused(report):
    result, _ = report(GATE.format(lr="[0.1, 0.3]", more=", every=True"), "--mlops-attempts=spend")
    result.assert_outcomes(failed=1)
    assert "attempts = spend tests every attempt by one sequence" in " ".join(result.stdout.str().split())


def test_every_passes_where_it_holds_in_each(report):
    result, found = report(GATE.format(lr="[0.1, 0.3]", more=", every=True"))
    result.assert_outcomes(passed=1)
    assert found["claims"][0]["reason"] == "it holds in each of 2 contexts"
    assert len(found["arms"]) == 4


def test_all_combinations_are_contexts(report):
    _, found = report(GATE.format(lr="[0.1, 0.2]", more=", width=[4, 8]"))
    names = [one["name"] for one in found["claims"][0]["contexts"]]
    assert names == ["lr=0.1, width=4", "lr=0.1, width=8", "lr=0.2, width=4", "lr=0.2, width=8"]


def test_what_an_arm_sets_itself_stays(report):
    source = """
@pytest.mark.ablate(lr=[0.1, 0.2])
def test_lr(arm):
    assert arm(train, smoothing=1.0, lr=0.5)["auc"] > arm(train)["auc"]
"""
    result, found = report(source)
    result.assert_outcomes(passed=1)
    first, second = (one["estimate"] for one in found["claims"][0]["contexts"])
    assert first - second == pytest.approx(0.005, abs=0.05)


def test_a_second_session_trains_nothing(report):
    report(GATE.format(lr="[0.1, 0.2, 0.3]", more=""))
    _, found = report(GATE.format(lr="[0.1, 0.2, 0.3]", more=""))
    assert (found["claims"][0]["trained"], found["claims"][0]["reused"]) == (0, 12)


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        ("", "names no hyperparameter"),
        ("[0.1]", "values are given by name"),
        ("lr=0.1", "expected a list of values"),
        ("lr=[]", "expected a list of values"),
        ("lr=[0.1]", "is one context, so nothing varies"),
        ("lr=[0.1, 0.1]", "names a value twice"),
        ("lr=[0.1, 0.2], every='yes'", "expected True or False"),
    ],
    ids=str,
)
def test_a_marker_that_makes_no_sense_is_one_error(pytester, gates, marker, says):
    result = gates(
        TRAIN + f"\n@pytest.mark.ablate({marker})\ndef test_a(arm):\n    assert arm(train)['auc'] > 0.5\n"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says in " ".join(result.stderr.str().split())


@pytest.mark.parametrize(
    ("values", "claim", "says"),
    [
        ("lrr=[0.1, 0.2]", "arm(train)['auc'] > 0.5", "has no parameter 'lrr'. Did you mean 'lr'?"),
        ("lr=[0.1, 0.2]", "arm(train, lr=0.5)['auc'] > 0.5", "every arm sets lr itself"),
        ("lr=[0.1, 0.2]", "arm.recorded({'auc': [0.9] * 5})['auc'] > 0.5", "does not train a function"),
        (
            "lr=[0.1, 0.2]",
            "arm(train)['good'] > 0.5",
            "no exact test answers a claim about yes/no metrics over several",
        ),
        (
            "lr=[float(i) for i in range(16)]",
            "arm(train, smoothing=1.0)['auc'] > arm(train)['auc']",
            "16 contexts need at least 32 pairs",
        ),
        ("lr=[float(i) for i in range(11)]", "arm(train)['auc'] > 0.5", "11 contexts need at least 33 pairs"),
    ],
    ids=str,
)
def test_a_claim_that_cannot_be_asked_in_contexts_is_one_error(gates, values, claim, says):
    result = gates(TRAIN + f"\n@pytest.mark.ablate({values})\ndef test_a(arm):\n    assert {claim}\n")
    result.assert_outcomes(failed=1)
    assert says in " ".join(result.stdout.str().split())


def test_a_training_run_that_fails_in_a_context_is_undecided_with_its_traceback(report):
    source = """
def breaks(run, *, lr=0.1, smoothing=0.0):
    if lr > 1:
        raise ValueError("diverged")
    return {"auc": 0.8 + smoothing + run.rng(f"noise {smoothing}").normal(0, 0.01)}

@pytest.mark.ablate(lr=[0.1, 2.0]{more})
def test_a(arm):
    assert arm(breaks, smoothing=1.0)["auc"] > arm(breaks)["auc"]
"""
    for more in ("", ", every=True"):
        result, found = report(source.replace("{more}", more))
        result.assert_outcomes(failed=1)
        assert found["claims"][0]["verdict"] == "UNDECIDED"
        assert found["failed_runs"][0]["message"] == "ValueError: diverged"


def test_without_mlops_it_is_skipped(pytester, project):
    project(TRAIN + GATE.format(lr="[0.1, 0.2]", more=""))
    pytester.runpytest_inprocess().assert_outcomes(skipped=1)
