"""Derived arms end to end: a second procedure on what finished runs left, paired with them, never training them again."""

import json
from pathlib import Path

import pytest

GATES = """
import time
import pytest
from pathlib import Path

def train(run, *, gain=0.0, fails_at=None, offset=0.0, pause=0.0):
    if run.seed == fails_at:
        raise ValueError("loss is NaN")
    acc = 0.8 + gain + float(Path(__file__).with_name("conf.txt").read_text()) + 0.02 * run.rng("noise").normal()
    acc += gain * 0.1 * run.rng("own").normal()
    time.sleep(pause)
    run.artifact("model/weights.txt").write_text(repr(acc))
    return {"acc": acc}

def quantise(run, *, bits=8, wanted="model/weights.txt", spoil=False):
    path = run.upstream(wanted)
    acc = float(path.read_text())
    if spoil:
        path.write_text("0.0")
    run.artifact("int8.txt").write_text(f"{bits} {run.seed}")
    return {"acc": acc - 0.1 / bits ** 2 + 0.0005 * run.rng("rounding").normal(), "before": acc}

def check_folder(run):
    assert (run.upstream("model") / "weights.txt").is_file()
    return {"acc": 0.9 + 0.01 * run.rng("noise").normal()}

def prune(run, *, share=0.5):
    return {"acc": 0.7 + 0.01 * run.rng("p").normal(), "bits": float(run.upstream("int8.txt").read_text().split()[0])}

"""
CLAIM = (
    "candidate = arm(train); int8 = candidate.then(quantise); assert int8['acc'] > candidate['acc'] - 0.01"
)


@pytest.fixture
def gates(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_smoke = off\n")
    pytester.makefile(".txt", conf="0.0")

    def run(body, *options):
        pytester.makepyfile(test_gates=f"{GATES}def test_gate(arm):\n    {body}\n")
        return pytester.runpytest_inprocess("--mlops", *options)

    return run


def claim_of(pytester):
    report = json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
    (claim,) = report["claims"]
    return claim, report


def objects(pytester):
    return [
        file for file in Path(pytester.path, ".mlops").glob("store.artifacts/objects/*/*") if file.is_file()
    ]


def test_a_derived_arm_is_paired_with_the_arm_that_it_goes_on_from(gates, pytester):
    gates(CLAIM).assert_outcomes(passed=1)
    claim, report = claim_of(pytester)
    # The noise of training, 0.02, is in both sides alike: five pairs decide on a margin of half of it.
    assert (claim["n"], claim["trained"], claim["reused"]) == (5, 10, 0)
    assert claim["holds_for"] == "new seeds, on these cases"
    assert {arm["label"]: arm["runs"] for arm in report["arms"]} == {
        "train()": 5,
        "train().then(quantise)": 5,
    }


def test_the_upstream_is_trained_where_only_the_derived_arm_is_claimed_and_counted_once(gates, pytester):
    gates("assert arm(train).then(quantise)['acc'] > 0.5").assert_outcomes(passed=1)
    assert claim_of(pytester)[0]["trained"] == 10
    gates("assert arm(train).then(quantise)['acc'] > 0.5").assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert (claim["trained"], claim["reused"]) == (0, 10)


def test_a_second_procedure_does_not_train_the_first_one_again(gates, pytester):
    gates(CLAIM)
    gates(CLAIM.replace("then(quantise)", "then(quantise, bits=6)"))
    claim, _ = claim_of(pytester)
    assert (claim["trained"], claim["reused"]) == (5, 5)
    assert claim["why"] == ["train().then(quantise, bits=6): bits was 8"]


def test_a_changed_upstream_has_the_derived_runs_made_again(gates, pytester):
    gates(CLAIM)
    pytester.makefile(".txt", conf="0.001")
    gates(CLAIM).assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert (claim["trained"], claim["reused"]) == (10, 0)
    assert claim["why"] == [
        "train(): conf.txt changed",
        "train().then(quantise): what it goes on from was trained again",
    ]
    pytester.makefile(".txt", conf="0.0")
    gates(CLAIM)
    assert claim_of(pytester)[0]["trained"] == 0, "both states of the project are in the store"


def test_another_upstream_is_another_derived_arm(gates, pytester):
    gates(CLAIM)
    gates(CLAIM.replace("arm(train)", "arm(train, gain=0.01)"))
    claim, _ = claim_of(pytester)
    assert claim["trained"] == 10
    assert "train(gain=0.01).then(quantise): what it goes on from is another" in claim["why"]


def test_chains_go_on_from_what_went_on(gates, pytester):
    gates("assert arm(train).then(quantise, bits=4).then(prune)['acc'] > 0.5").assert_outcomes(passed=1)
    claim, report = claim_of(pytester)
    assert claim["trained"] == 15
    assert report["arms"][0]["label"] == "train().then(quantise, bits=4).then(prune)"


def test_a_folder_of_artifacts_is_found_by_its_name(gates):
    gates("assert arm(train).then(check_folder)['acc'] > 0.5").assert_outcomes(passed=1)


def test_one_checkpoint_is_trained_once_and_the_verdict_says_that_it_is_given(gates, pytester):
    result = gates("assert arm(train).using(seeds=[3]).then(quantise)['acc'] > 0.5")
    result.assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert claim["trained"] == 6
    given = "given this checkpoint, train().using(seeds=(3,))"
    assert claim["holds_for"] == f"new seeds, on these cases, {given}"
    result.stdout.fnmatch_lines(["*holds for new seeds, on these cases, given this checkpoint,*"])


def test_fine_tuned_against_the_one_checkpoint(gates, pytester):
    gates(
        "base = arm(train).using(seeds=[0]); assert base.then(quantise)['acc'] > base['acc'] - 0.05"
    ).assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert (claim["trained"], claim["seeds"]) == (6, [1, 2, 3, 4, 5])
    assert claim["holds_for"] == "new seeds, on these cases, given this baseline"


def test_a_missing_artifact_names_those_that_are_there(gates, pytester):
    gates("assert arm(train).then(quantise, wanted='model.pt')['acc'] > 0.5").assert_outcomes(failed=1)
    _, report = claim_of(pytester)
    message = report["failed_runs"][0]["message"]
    assert "run.upstream('model.pt')" in message
    assert "'model/weights.txt'" in message


def test_an_arm_that_is_not_derived_has_no_upstream(gates, pytester):
    gates("assert arm(quantise)['acc'] > 0.5").assert_outcomes(failed=1)
    assert "this arm goes on from no other" in claim_of(pytester)[1]["failed_runs"][0]["message"]


def test_a_failed_upstream_is_a_failed_derived_run_that_names_it(gates, pytester):
    gates("assert arm(train, fails_at=2).then(quantise)['acc'] > 0.5").assert_outcomes(failed=1)
    claim, report = claim_of(pytester)
    (failed,) = report["failed_runs"]
    assert (claim["verdict"], failed["seed"], failed["kind"]) == ("UNDECIDED", 2, "upstream")
    assert failed["message"].startswith(
        "train(fails_at=2), which it goes on from, failed under seed 2 (error): ValueError: loss is NaN"
    )
    assert claim["trained"] == 5, "two pairs, and the upstream that failed"


def test_a_run_that_changes_what_it_went_on_from_spoils_nothing(gates, pytester):
    gates("assert arm(train).then(quantise, spoil=True)['acc'] > 0.5").assert_outcomes(passed=1)
    gates(CLAIM).assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert claim["trained"] == 5
    assert claim["contrasts"][0] == pytest.approx(-0.1 / 64, abs=0.003)
    assert not list(Path(pytester.path, ".mlops").glob("store.artifacts/running/*"))


def test_a_run_whose_artifacts_made_room_is_trained_again_with_a_reason(gates, pytester):
    gates("assert arm(train)['acc'] > 0.5").assert_outcomes(passed=1)
    for file in objects(pytester):
        file.unlink()
    gates(CLAIM).assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert claim["trained"] == 10
    reason = "its artifacts had to make room (keep), and train().then(quantise) goes on from them"
    assert f"train(): {reason}" in claim["why"]
    gates(CLAIM)
    assert claim_of(pytester)[0]["trained"] == 0


def test_finished_derived_runs_need_no_artifacts(gates, pytester):
    gates(CLAIM)
    for file in objects(pytester):
        file.unlink()
    gates(CLAIM).assert_outcomes(passed=1)
    assert claim_of(pytester)[0]["trained"] == 0


def test_a_chain_whose_artifacts_are_all_gone_is_trained_again_from_its_start(gates, pytester):
    gates("assert arm(train).then(quantise)['acc'] > 0.5")
    for file in objects(pytester):
        file.unlink()
    gates("assert arm(train).then(quantise).then(prune)['acc'] > 0.5").assert_outcomes(passed=1)
    assert claim_of(pytester)[0]["trained"] == 15


def test_a_spoilt_artifact_is_trained_again(gates, pytester):
    gates("assert arm(train)['acc'] > 0.5")
    file = objects(pytester)[0]
    file.chmod(0o644)
    file.write_text("0.123")
    gates(CLAIM).assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert claim["trained"] == 6
    assert all(abs(contrast) < 0.01 for contrast in claim["contrasts"])


RANDOM = """
import os

def dice(run):
    run.artifact("model.txt").write_text(os.urandom(8).hex())
    return {"acc": 0.8 + 0.01 * run.rng("noise").normal()}

def score(run, *, bits=8):
    return {"acc": 0.8 + int(run.upstream("model.txt").read_text()[:2], 16) / 1e5 + 0.01 * run.rng("b").normal()}

"""


def test_a_checkpoint_that_comes_out_otherwise_is_not_mixed_with_the_former(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_smoke = off\n")
    five = "arm(dice).using(seeds=[0]).then(score)['acc'] > 0.5"
    pytester.makepyfile(test_gates=f"{RANDOM}def test_gate(arm):\n    assert {five}\n")
    pytester.runpytest_inprocess("--mlops").assert_outcomes(passed=1)
    for file in objects(pytester):
        file.unlink()
    # A stricter bar asks for further seeds, after five that stand on the checkpoint that is gone.
    pytester.makepyfile(
        test_gates=f"{RANDOM}def test_gate(arm):\n    assert {five.replace('0.5', '0.799')}\n"
    )
    result = pytester.runpytest_inprocess("--mlops")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*DataError*dice().using(seeds=(0,)), seed 0, was trained again*"])
    result = pytester.runpytest_inprocess("--mlops")
    claim, _ = claim_of(pytester)
    assert claim["verdict"] in ("PASS", "UNDECIDED", "FAIL")
    assert claim["trained"] >= 5, "all scores are those of the new checkpoint"


def test_a_store_without_room_for_what_is_needed_says_so(gates):
    result = gates(CLAIM, "--mlops-keep=5B")
    result.stdout.fnmatch_lines(["*StoreError*goes on from what train() leaves*Raise keep*"])


def test_rerun_makes_both_again(gates, pytester):
    gates(CLAIM)
    gates(CLAIM, "--mlops-rerun").assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert (claim["trained"], claim["reused"]) == (10, 0)
    assert claim["why"] == ["train(): --mlops-rerun", "train().then(quantise): --mlops-rerun"]


def test_a_smoke_run_hands_on_what_the_one_before_left(gates, pytester):
    result = gates("assert arm(train).then(quantise).then(prune)['acc'] > 0.5", "--mlops-smoke")
    result.assert_outcomes(skipped=1) if result.parseoutcomes().get("skipped") else result.assert_outcomes(
        passed=1
    )
    result.stdout.fnmatch_lines(
        ["*smoke: train(), seed 0*", "*then(quantise), seed 0*", "*then(prune) ran in*"]
    )
    assert not Path(pytester.path, ".mlops", "store.sqlite").exists()


def test_a_plan_counts_the_upstream_once(gates):
    # Two arms of 30 seeds, of which the pilot trained three pairs; once with the upstream in the claim, once behind it.
    price = ["*more training runs (*at most 54)*", "*pilot: 3 pairs, 6 training runs done for it*"]
    for body in (CLAIM, "assert arm(train, gain=0.3).then(quantise)['acc'] > 0.5"):
        gates(body, "--mlops-plan").stdout.fnmatch_lines(price)


def test_derived_baselines_are_trained_ahead(gates, pytester):
    body = "base = arm(train).then(quantise); assert arm(train, gain=0.1).then(quantise)['acc'] > base['acc']"
    gates(body, "--mlops-fill=6")
    gates(body).assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert (claim["trained"], claim["reused"]) == (10, 10)


def test_a_budget_that_ends_is_undecided_and_goes_on(gates, pytester):
    # The first run of each may start; a second one of the upstream is not expected to finish.
    slow = CLAIM.replace("arm(train)", "arm(train, pause=0.6)")
    gates(slow, "--mlops-budget=1s")
    claim, _ = claim_of(pytester)
    assert (claim["verdict"], claim["trained"]) == ("UNDECIDED", 2)
    assert "a training run of train(pause=0.6) takes about 0.6" in claim["reason"]
    gates(slow).assert_outcomes(passed=1)
    assert claim_of(pytester)[0]["trained"] == 8


def test_a_store_that_cannot_be_written_still_hands_artifacts_on(gates, pytester, monkeypatch):
    from pytest_mlops.errors import StoreError
    from pytest_mlops.store.sql import SqlStore

    def full(self, *args, **options):
        raise StoreError("The disk is full.")

    monkeypatch.setattr(SqlStore, "put", full)
    gates(CLAIM).assert_outcomes(passed=1)
    assert claim_of(pytester)[0]["trained"] == 10


def test_what_a_program_leaves_can_be_gone_on_from(gates, pytester):
    pytester.makefile(
        ".py",
        prog="import json, sys, pathlib\nout = pathlib.Path(sys.argv[2])\n"
        "(out / 'model').mkdir()\n(out / 'model' / 'weights.txt').write_text('0.8')\n"
        "(out / 'metrics.json').write_text(json.dumps({'acc': 0.8 + int(sys.argv[1]) / 1000}))\n",
    )
    program = "arm.command('python prog.py {seed} {out}', metrics='{out}/metrics.json', code=['prog.py'])"
    gates(f"assert {program}.then(quantise)['acc'] > 0.5").assert_outcomes(passed=1)
    assert claim_of(pytester)[0]["trained"] == 10


CONTEXTS = """
@pytest.mark.ablate(offset=[0.0, 0.1], bits=[6, 8])
def test_gate(arm):
    plain, better = arm(train).then(quantise), arm(train, gain=0.1).then(quantise)
    assert better["acc"] > plain["acc"] - 0.01
"""


def test_contexts_reach_the_procedure_that_has_the_parameter(gates, pytester):
    del gates  # for its project
    pytester.makepyfile(test_gates=GATES + CONTEXTS)
    pytester.runpytest_inprocess("--mlops").assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    names = [context["name"] for context in claim["contexts"]]
    assert names == ["offset=0.0, bits=6", "offset=0.0, bits=8", "offset=0.1, bits=6", "offset=0.1, bits=8"]


TRIED = """
def first(run):
    for _ in run.loader(list(range(8)), batch_size=1):
        pass
    run.artifact("model.txt").write_text("1.5")
    return {"acc": 0.8 + 0.01 * run.rng("noise").normal()}

def second(run, *, wanted="model.txt"):
    if run.smoke:
        assert run.upstream("model.txt").read_text() == "1.5"
    return {"acc": len(run.upstream(wanted).read_text()) + 0.01 * run.rng("noise").normal(), **typo(run)}

def typo(run):
    return {}

def test_gate(arm):
    assert arm(first).then(second)["acc"] > 0.5
"""


def test_new_arms_are_tried_out_one_on_what_the_other_left(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")
    pytester.makepyfile(test_gates=TRIED)
    result = pytester.runpytest_inprocess("--mlops")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["smoke: first() ran in*", "smoke: first().then(second) ran in*"])
    pytester.makepyfile(test_gates=TRIED.replace("    return {}", "    return nonsense"))
    result = pytester.runpytest_inprocess("--mlops")
    result.stdout.fnmatch_lines(["*SmokeError: first().then(second) cannot run: NameError*"])


def test_what_a_smoke_run_did_not_leave_is_a_warning_and_training_goes_on(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\n")
    source = TRIED.replace(
        '    run.artifact("model.txt")',
        '    if run.smoke:\n        return {"acc": 0.8}\n    run.artifact("model.txt")',
    )
    pytester.makepyfile(test_gates=source)
    result = pytester.runpytest_inprocess("--mlops")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*first().then(second): UpstreamError*so training goes on*"])


SPLIT = """
def folded(run):
    fit, test = run.split(40, folds=5)
    run.artifact("acc.txt").write_text(str(0.8 + 0.01 * run.rng("n").normal()))
    return {"acc": 0.8 + 0.01 * run.rng("m").normal()}

def rescored(run):
    return {"acc": float(run.upstream("acc.txt").read_text())}

"""


def test_splits_of_the_run_before_correct_the_variance_of_what_goes_on(pytester):
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_smoke = off\n")
    pytester.makepyfile(
        test_gates=SPLIT + "def test_gate(arm):\n    assert arm(folded).then(rescored)['acc'] > 0.5\n"
    )
    pytester.runpytest_inprocess("--mlops", "--mlops-max-seeds=10").assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert claim["holds_for"] == "new seeds and new splits of these data"
    assert claim["n"] == 10


def test_a_claim_about_cost_compares_a_derived_arm_with_its_upstream(gates, pytester):
    body = (
        "slow = arm(train); fast = slow.then(quantise)\n    import time\n"
        "    assert fast['seconds'] < slow['seconds'] + 10"
    )
    gates(body).assert_outcomes(passed=1)
    claim, _ = claim_of(pytester)
    assert claim["verdict"] == "PASS"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("arm.recorded({'acc': [0.8]}).then(quantise)", "*no files*"),
        ("arm(train).then(arm(quantise))", "*got an arm*"),
        ("arm(train).then('python export.py')", "*a command cannot go on*"),
        ("arm(train).then(quantise, 8)", "*parameters go by name*then(quantise, bits=8)*"),
        ("arm(train).then(quantise, bit=8)", "*no parameter 'bit'*"),
        ("arm(train).using(seeds=[1, 2, 3]).then(quantise).using(seeds=[4])", "*names its seeds*"),
        ("arm(arm(train))", "*.then(function)*"),
    ],
)
def test_what_cannot_go_on_is_refused_with_what_to_write(gates, body, says):
    gates(body).stdout.fnmatch_lines([f"*ParameterError: {says}"])
