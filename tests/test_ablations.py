"""Ablations in gates: what is trained, what the guard takes a family for, and what the report says of it."""

import json

import pytest

TRAIN = """
def train(run, *, augment=False, ema=False, mixup=0.0):
    noise = run.rng("noise").normal()
    own = run.rng(f"own {augment} {ema} {mixup}").normal()
    quality = 0.03 * augment + 0.02 * (mixup > 0)
    return {
        "auc": 0.85 + quality + 0.01 * noise + 0.004 * own,
        "loss": 0.5 - quality + 0.01 * noise + 0.004 * own,
        "good": bool(noise + own > -9),
    }

FULL = dict(augment=True, ema=True, mixup=0.2)
"""
TWO = "ablation(train, full=FULL, without=dict(augment=False, mixup=0.0))"
THREE = "ablation(train, full=FULL, without=dict(augment=False, ema=False, mixup=0.0))"


@pytest.fixture
def gates(pytester):
    """Writes a module and runs it with --mlops in this process."""
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_amp = off\n")

    def run(body, *options):
        pytester.makepyfile(test_gates=TRAIN + body)
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


def gate(*lines, study=THREE, name="test_components"):
    return f"\ndef {name}(ablation):\n    study = {study}\n" + "".join(f"    {line}\n" for line in lines)


def report_of(pytester):
    return json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))


def rows_of(report):
    wanted = ("verdict", "estimate", "interval", "p_value", "adjusted_p", "n", "alpha", "contrasts", "seeds")
    return {claim["component"]: {name: claim[name] for name in wanted} for claim in report["claims"]}


# --- verdicts


def test_a_family_passes_when_every_component_helps(pytester, gates):
    gates(gate('assert study["auc"].each_component_helps(by=0.0)', study=TWO)).assert_outcomes(passed=1)
    report = report_of(pytester)
    (family,) = report["families"]
    assert family["verdict"] == "PASS"
    assert family["claims"] == [claim["id"] for claim in report["claims"]]
    assert [claim["component"] for claim in report["claims"]] == ["augment", "mixup"]
    assert all(claim["adjusted_p"] <= 0.05 for claim in report["claims"])
    assert report["session"]["trained"] == family["trained"] == sum(arm["runs"] for arm in report["arms"])


def test_a_component_that_does_nothing_fails_the_gate_with_the_table_as_a_note(pytester, gates):
    result = gates(gate('assert study["auc"].each_component_helps(by=0.0)'))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            'E*UNDECIDED: study?"auc"?.each_component_helps(by=0)',
            "E*3 components: 2 PASS, 1 UNDECIDED; * trained, 0 reused*",
            "E*without * full - variant * p adj. * n",
            "E*PASS * augment *+0.03*",
            "E*UNDECIDED * ema *",
            "E*ema: stopped early*",
        ]
    )
    assert report_of(pytester)["families"][0]["verdict"] == "UNDECIDED"


def test_losses_are_better_when_lower(pytester, gates):
    study = TWO.replace("full=FULL", "full=FULL, lower_is_better=['loss']")
    gates(gate('assert study["loss"].each_component_helps(by=0.0)', study=study)).assert_outcomes(passed=1)
    assert all(claim["estimate"] < 0 for claim in report_of(pytester)["claims"])
    wrong = study.replace("'loss'", "'los'")
    result = gates(gate('assert study["loss"].each_component_helps(by=0.0)', study=wrong))
    result.stdout.fnmatch_lines(["*lower_is_better names 'los'*Is it misspelt*"])
    result.assert_outcomes(failed=1)


def test_nothing_hurts_and_components_that_are_added(gates):
    study = "ablation(train, adding=dict(augment=True, ema=True))"
    gates(gate('assert study["auc"].nothing_hurts(by=0.02)', study=study)).assert_outcomes(passed=1)


def test_ready_and_recorded_arms_can_be_rows(gates):
    body = """
def test_recorded(ablation, arm):
    full = arm.recorded({"auc": [0.90, 0.91, 0.92, 0.90, 0.91, 0.92]})
    worse = arm.recorded({"auc": [0.80, 0.81, 0.83, 0.80, 0.81, 0.82]})
    alike = arm.recorded({"auc": [0.90, 0.92, 0.92, 0.91, 0.90, 0.92]})
    study = ablation(full, without={"attention": worse, "dropout": alike})
    assert study["auc"]["attention"].helps(by=0.05)
    assert study["auc"].each_component_helps(by=0.0)
"""
    result = gates(body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["PASS * attention *", "UNDECIDED * dropout *", "*dropout: *"])


# --- the guard


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('study["auc"].each_component_helps()', "*stated claims but never asked*"),
        (
            'assert not study["auc"].each_component_helps(by=0.5)',
            "*passed although a claim that it asked did not PASS*",
        ),
        (
            'assert study["auc"].each_component_helps(by=0.5) or True',
            "*passed although a claim that it asked did not*",
        ),
        ('assert study["auc"].each_component_helps', "*needs parentheses*"),
        ("assert study", "*An ablation is no claim*"),
        ('study["auc"].best()', "*asked no claim*"),
        ('assert study["auc"].best()', "*asserts nothing*"),
        ("pass", "*asked no claim*"),
    ],
)
def test_a_gate_is_green_only_by_a_question_that_passed(gates, line, message):
    result = gates(gate(line, study=TWO))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])


def test_the_guard_takes_a_family_for_one_question(gates):
    result = gates(gate('bool(study["auc"].each_component_helps(by=0.5))'))
    result.stdout.fnmatch_lines(['*line 15: FAIL  study?"auc"?.each_component_helps(by=0.5)'])
    assert result.stdout.str().count("line 15: ") == 1


def test_strict_xfail_accepts_a_family_that_fails(gates):
    marked = '\nimport pytest\n\n@pytest.mark.xfail(strict=True, reason="no component is worth half")'
    gates(marked + gate('assert study["auc"].each_component_helps(by=0.5)')).assert_outcomes(xfailed=1)
    marked = marked.replace("is worth half", "does nothing")
    gates(marked + gate('assert study["auc"].each_component_helps()')).assert_outcomes(failed=1)


def test_undecided_warn_takes_a_family_that_only_lacks_evidence(gates):
    result = gates(gate('assert study["auc"].each_component_helps()'), "--mlops-undecided=warn")
    assert result.ret == 0
    result = gates(gate('assert study["auc"].each_component_helps(by=0.5)'), "--mlops-undecided=warn")
    assert result.ret == 1


# --- one row by itself


def test_a_row_by_itself_trains_its_own_arm_and_has_its_share_of_alpha(pytester, gates):
    gates(gate('assert study["auc"]["augment"].helps(by=0.01)')).assert_outcomes(passed=1)
    report = report_of(pytester)
    (claim,) = report["claims"]
    assert (claim["family"], claim["component"], claim["alpha"]) == (None, "augment", pytest.approx(0.05 / 3))
    assert "one of 3 components: judged at its share of alpha, 1 / 3" in claim["remarks"]
    assert len(report["arms"]) == 2


# --- training runs


def test_a_second_session_trains_nothing_and_decides_alike(pytester, gates):
    body = gate('assert study["auc"].each_component_helps(by=0.0)')
    gates(body)
    first = report_of(pytester)
    gates(body)
    second = report_of(pytester)
    assert first["session"]["trained"] > 0
    assert second["session"]["trained"] == 0
    assert rows_of(second) == rows_of(first)


@pytest.mark.slow
def test_a_family_in_a_worker_decides_alike(pytester, gates):
    body = gate('assert study["auc"].each_component_helps(by=0.0)')
    gates(body)
    alone = report_of(pytester)
    pytester.runpytest_subprocess("--mlops", "-n1", f"--mlops-store=sqlite:///{pytester.path}/other.sqlite")
    there = report_of(pytester)
    assert rows_of(there) == rows_of(alone)
    assert there["families"][0]["verdict"] == alone["families"][0]["verdict"]


def test_metrics_of_one_study_share_its_training_runs(pytester, gates):
    lines = [f'assert study["{name}"].nothing_hurts(by=0.5)' for name in ("auc", "loss")]
    gates(gate(*lines)).assert_outcomes(passed=1)
    report = report_of(pytester)
    assert len(report["families"]) == 2
    assert report["session"]["trained"] == sum(arm["runs"] for arm in report["arms"])


def test_a_typo_in_one_variant_is_found_before_anything_is_paid(pytester, gates):
    body = """
def broken(run, *, augment=False):
    for _ in run.loader(list(range(8)), batch_size=2):
        raise NameError("tyop")

def test_components(ablation):
    study = ablation(train, full=FULL, without={"augment": False, "attention": broken})
    assert study["auc"].each_component_helps()
"""
    result = gates(body)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*broken(augment=True*) cannot run: *tyop*"])
    assert report_of(pytester)["session"]["trained"] == 0
    assert report_of(pytester)["families"][0]["verdict"] == "ERROR"


def test_a_failed_training_run_leaves_its_row_undecided_and_the_others_go_on(pytester, gates):
    body = """
def fails(run, *, augment=False, ema=False):
    if run.seed == 2:
        raise FloatingPointError("loss exploded")
    return {"auc": 0.5 + 0.01 * run.rng("a").normal()}

def test_components(ablation):
    study = ablation(train, full=FULL, without={"augment": False, "attention": fails})
    assert study["auc"].each_component_helps()
"""
    result = gates(body)
    result.assert_outcomes(failed=1)
    rows = rows_of(report_of(pytester))
    assert rows["augment"]["verdict"] == "PASS"
    assert (rows["attention"]["verdict"], rows["attention"]["n"]) == ("UNDECIDED", 2)
    result.stdout.fnmatch_lines(['*attention: the training run of without?"attention"? under seed 2 failed*'])


def test_rates_are_judged_row_by_row_at_their_share(pytester, gates):
    body = gate('assert study["good"]["augment"].does_not_hurt(by=0.1)', study=TWO)
    gates(body).assert_outcomes(failed=1)  # a margin of rates has no exact test
    gates(gate('assert study["failed"].each_component_helps()', study=TWO)).assert_outcomes(failed=1)
    report = report_of(pytester)
    assert report["families"][0]["method"] == "each row at alpha / m"
    assert all(claim["alpha"] == pytest.approx(0.025) for claim in report["claims"])


def test_a_rate_whose_first_training_run_failed_is_no_number(pytester, gates):
    body = """
def crashes(run, *, harder=False):
    if run.seed == 0:
        raise FloatingPointError("loss exploded")
    return {"good": bool(run.rng("a").normal() > (1.0 if harder else -1.0))}

def test_components(ablation):
    study = ablation(crashes, full=dict(harder=False), without={"ease": dict(harder=True)})
    assert study["good"].each_component_helps()
"""
    gates(body, "--mlops-on-failure=good=0", "--mlops-max-seeds=12")
    report = report_of(pytester)
    assert report["families"][0]["method"] == "each row at alpha / m"
    assert {claim["method"] for claim in report["claims"]} == {"exact test of discordant pairs"}


def test_seeds_of_a_study_are_a_block_of_its_own(pytester, gates):
    study = TWO + ".using(seeds=range(100, 120))"
    gates(gate('assert study["auc"].each_component_helps()', study=study)).assert_outcomes(passed=1)
    assert report_of(pytester)["claims"][0]["seeds"][0] == 100


# --- the budget


SLOW = TRAIN.replace("def train(", "import time\n\ndef train(").replace(
    "    noise", "    time.sleep(0.25)\n    noise", 1
)


@pytest.mark.slow
def test_a_budget_goes_to_the_rows_that_are_cheapest_to_decide(pytester, gates):
    # Ema is worth nothing and takes many pairs; a budget for less than all goes to those that are nearly decided.
    body = gate('assert study["auc"].each_component_helps(by=0.0)')
    gates(body)
    whole = rows_of(report_of(pytester))
    assert max(whole, key=lambda name: whole[name]["n"]) == "ema"
    pytester.makepyfile(test_gates=SLOW + body)
    result = pytester.runpytest_inprocess("--mlops", "--mlops-budget=7s")
    report = report_of(pytester)
    rows = rows_of(report)
    settled = [name for name, row in rows.items() if row["verdict"] == "PASS"]
    assert settled
    assert "ema" not in settled
    assert report["families"][0]["verdict"] == "UNDECIDED"
    assert all(rows[name]["verdict"] == whole[name]["verdict"] for name in settled)
    result.stdout.fnmatch_lines(
        ["*budget of 7s*", "pytest --mlops test_gates.py::test_components --mlops-budget=*"]
    )
    assert pytester.runpytest_inprocess("--mlops", "--mlops-budget=1h").ret == 1
    assert {name: row["verdict"] for name, row in rows_of(report_of(pytester)).items()} == {
        name: row["verdict"] for name, row in whole.items()
    }


def test_a_budget_too_small_for_a_pair_leaves_every_row_undecided(pytester, gates):
    pytester.makepyfile(test_gates=SLOW + gate('assert study["auc"].each_component_helps(by=0.0)'))
    pytester.runpytest_inprocess("--mlops", "--mlops-budget=0.1s")
    report = report_of(pytester)
    assert {claim["verdict"] for claim in report["claims"]} == {"UNDECIDED"}
    assert report["session"]["trained"] == 1  # an arm of unknown duration starts once


# --- other sessions


def test_an_ablation_is_planned_row_by_row(gates):
    result = gates(gate('assert study["auc"].each_component_helps(by=0.0)'), "--mlops-plan")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ['*full?"auc"? > without?"ema"??"auc"?', "*about * more training runs (* at most 108)*"]
    )


def test_the_reference_of_an_ablation_is_trained_ahead(pytester, gates):
    result = gates(gate('assert study["auc"].each_component_helps(by=0.0)'), "--mlops-fill=7")
    result.stdout.fnmatch_lines(["fill: train(augment=True, ema=True, mixup=0.2): 7 of 7 seeds finished"])


def test_the_arms_of_an_ablation_are_judged_against_themselves_and_tried_out(gates):
    body = gate('assert study["auc"].each_component_helps(by=0.0)', 'print(study["auc"].best())')
    result = gates(body, "--mlops-aa", "--mlops-max-seeds=6")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["aa: 4 metrics judged against themselves; no verdict"])
    result = gates(body, "--mlops-smoke")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["smoke: 4 arms ran, no verdict"])


def test_without_mlops_an_ablation_is_skipped(pytester):
    pytester.makepyfile(test_gates=TRAIN + gate('assert study["auc"].each_component_helps()'))
    pytester.runpytest_inprocess().assert_outcomes(skipped=1)


# --- best and table


def test_best_and_table_show_what_was_trained_for_the_question(pytester, gates):
    result = gates(
        gate(
            'assert study["auc"].nothing_hurts(by=0.02)',
            'print(study["auc"].best())',
            'print([row["verdict"] for row in study["auc"].table()])',
        ),
        "-s",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["best auc: full; * may be better*", "*'PASS', 'PASS', 'PASS'*"])
    assert report_of(pytester)["session"]["trained"] == report_of(pytester)["families"][0]["trained"]


def test_best_and_table_train_the_first_pairs_where_nothing_was_asked(pytester, gates):
    result = gates(
        gate(
            'print(study["auc"].best())',
            'print([(row["component"], row["n"], row["verdict"]) for row in study["auc"].table()])',
            'assert study["auc"].nothing_hurts(by=0.5)',
            study=TWO,
        ),
        "-s",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*('augment', 5, None), ('mixup', 5, None)*"])
    assert report_of(pytester)["session"]["trained"] == 15


def test_attempts_at_a_family_are_counted_once(pytester, gates):
    gates(gate('assert study["auc"].each_component_helps(by=0.0)'))
    result = gates(gate('assert study["auc"].each_component_helps(by=0.001)'))
    (family,) = report_of(pytester)["families"]
    assert sum("attempt 2 at this claim" in remark for remark in family["remarks"]) == 1
    assert not any(
        "attempt" in remark for claim in report_of(pytester)["claims"] for remark in claim["remarks"]
    )
    assert "attempt 2" in result.stdout.str()
