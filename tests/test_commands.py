"""Scripts of a user as arms: a project with git, from the command line to the verdict."""

import re
import shutil
import subprocess
import textwrap

import pytest

TRAIN = """
import argparse, json, pathlib, random, sys
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
parser.add_argument("--seed", type=int)
parser.add_argument("--out", type=pathlib.Path)
given = parser.parse_args()
bonus = float(pathlib.Path("conf.yaml").read_text().partition(":")[2])
noise = random.Random(f"{given.seed} {given.lr}").gauss(0, 0.01)
print("AUC:", 0.7 + given.lr + bonus + noise)
with (given.out / "metrics.json").open("w") as file:
    json.dump({"auc": 0.7 + given.lr + bonus + noise, "ok": True}, file)
(given.out / "model.txt").write_text(str(noise))
"""

GATE = """
LINE = "python train.py --lr {lr} --seed {seed} --out {out}"

def test_lr(arm):
    candidate = arm.command(LINE, metrics="{out}/metrics.json", lr=0.1)
    assert candidate["auc"] > 0.7
"""


def git(folder, *words):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=folder,
        check=True,
        capture_output=True,
    )


@pytest.fixture
def scripts(pytester, project):
    """A project in git: a script, its configuration, a README, and a gate."""

    def make(gate=GATE, **files):
        pytester.makepyfile(train=TRAIN, test_gates=textwrap.dedent(gate))
        found = {
            "conf.yaml": "bonus: 0.1",
            "README.md": "read me",
            ".gitignore": ".mlops/\nmlops-report/\n",
            **files,
        }
        for name, text in found.items():
            (pytester.path / name).parent.mkdir(parents=True, exist_ok=True)
            (pytester.path / name).write_text(text)
        git(pytester.path, "init", "-q")
        git(pytester.path, "add", "-A")
        git(pytester.path, "commit", "-qm", "first")
        return pytester.path

    return make


@pytest.fixture
def mlops(pytester):
    """Runs the gates in this process."""
    return lambda *options: pytester.runpytest_inprocess("--mlops", "-v", *options)


def trained(result):
    """Counts of the summary line, ``(trained, reused)``."""
    (line,) = [line for line in result.outlines if " training run" in line and " reused; " in line]
    return tuple(int(number) for number in re.search(r"(\d+) trained, (\d+) reused", line).groups())


def text(result):
    """All that was printed, without the ends of lines."""
    return " ".join(" ".join(result.outlines).split())


def test_a_script_is_judged_and_its_runs_are_reused(scripts, mlops):
    scripts()
    result = mlops()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "smoke: python train.py --lr 0.1 --seed {seed} --out {out}: commands are not smoked*",
            "PASS *test_lr*",
            '*candidate?"auc"? > 0.7',
        ]
    )
    assert "first run of this command" in text(result)
    assert trained(result) == (5, 0)
    again = mlops()
    again.assert_outcomes(passed=1)
    assert trained(again) == (0, 5)
    again.stdout.no_fnmatch_line("smoke:*")


def test_a_change_anywhere_in_the_tree_trains_again_and_is_named(scripts, mlops):
    root = scripts()
    mlops()
    (root / "README.md").write_text("read me again")
    result = mlops()
    assert trained(result) == (5, 0)
    assert "README.md changed" in text(result)
    (root / "conf.yaml").write_text("bonus: -0.2")
    result = mlops()
    assert trained(result)[1] == 0
    assert "conf.yaml changed" in text(result)
    result.assert_outcomes(failed=1)
    (root / "new.py").write_text("")
    assert "new.py is new" in text(mlops())


def test_named_code_leaves_the_rest_out(scripts, mlops):
    root = scripts(GATE.replace("lr=0.1", 'lr=0.1, code=["conf.yaml"]'))
    mlops()
    (root / "README.md").write_text("read me again")
    assert trained(mlops()) == (0, 5)
    (root / "conf.yaml").write_text("bonus: 0.2")
    assert trained(mlops()) == (5, 0)
    (root / "train.py").write_text(TRAIN + "\n# another script, which the command line names\n")
    assert trained(mlops()) == (5, 0)


def test_variables_that_libraries_read_are_part_of_the_key(scripts, mlops, monkeypatch):
    scripts()
    mlops()
    monkeypatch.setenv("SOME_OTHER", "1")
    assert trained(mlops()) == (0, 5)
    monkeypatch.setenv("TORCHINDUCTOR_FREEZING", "1")
    result = mlops()
    assert trained(result) == (5, 0)
    assert "$TORCHINDUCTOR_FREEZING is new" in text(result)


def test_without_git_and_named_code_it_is_an_error_before_training(scripts, mlops):
    root = scripts()
    shutil.rmtree(root / ".git")
    result = mlops()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ParameterError: arm.command(...): * is no git repository*", "*code=[[]*"])


def test_metrics_that_are_printed_are_judged(scripts, mlops):
    scripts(GATE.replace('"{out}/metrics.json"', '{"auc": r"AUC: ([0-9.]+)"}'))
    mlops().assert_outcomes(passed=1)


def test_failed_runs_are_shown_kept_and_reused(scripts, mlops):
    scripts(
        GATE.replace("train.py", "broken.py"),
        **{"broken.py": "print('almost')\nraise ValueError('lr too large')\n"},
    )
    result = mlops()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["UNDECIDED*", "*exit status 1: ValueError: lr too large*", "*│ almost"])
    assert trained(result) == (1, 0)
    assert trained(mlops()) == (0, 1)
    assert trained(mlops("--mlops-retry-failed")) == (1, 0)


def test_a_rate_of_failed_runs_can_be_claimed(scripts, mlops):
    scripts(
        GATE.replace("train.py", "broken.py").replace('candidate["auc"] > 0.7', 'candidate["failed"] < 0.5'),
        **{"broken.py": "raise ValueError\n"},
    )
    mlops("--mlops-max-seeds=10").stdout.fnmatch_lines(["FAIL *"])


def test_a_command_that_writes_into_its_own_code_is_told_so(scripts, mlops):
    scripts(
        GATE.replace("train.py", "writes.py"), **{"writes.py": TRAIN + "\nopen('log.txt', 'a').write('x')\n"}
    )
    result = mlops()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*RunError: log.txt changed while the command ran.*"])


def test_a_change_between_two_claims_trains_both_arms_of_the_second_anew(scripts, mlops):
    gate = """
        import pathlib

        def test_lr(arm):
            one, other = (
                arm.command("python train.py --lr {lr} --seed {seed} --out {out}", metrics="{out}/metrics.json", lr=lr)
                for lr in (0.1, 0.2)
            )
            assert one["auc"] > 0.7
            claim = other["auc"] > one["auc"]
            pathlib.Path("conf.yaml").write_text("bonus: 0.3")
            assert claim
        """
    root = scripts(gate)
    result = mlops()
    result.assert_outcomes(passed=1)
    assert trained(result) == (15, 0)
    assert (root / "conf.yaml").read_text() == "bonus: 0.3"


def test_files_left_in_out_are_kept_as_artifacts(scripts, mlops, pytester):
    root = scripts()
    mlops()
    kept = [path for path in (root / ".mlops").rglob("*") if path.is_file() and "objects" in path.parts]
    assert len(kept) == 5 * 2
    assert not list((root / ".mlops").glob("*.artifacts/running/*"))


def test_programs_that_are_not_there_or_not_to_be_judged_are_refused_at_once(scripts, mlops):
    scripts(
        """
        def test_absent(arm):
            assert arm.command("no-such-program {seed}", metrics={"a": "(.)"})["a"] > 0

        def test_another_python(arm):
            assert arm.command("/opt/python3.9 x.py {seed}", metrics={"a": "(.)"})["a"] > 0

        def test_no_folder(arm):
            assert arm.command("python x.py {seed}", metrics={"a": "(.)"}, cwd="scr")["a"] > 0

        def test_no_data(arm):
            assert arm.command("python x.py {seed} {data}", metrics={"a": "(.)"})["a"] > 0
        """
    )
    result = mlops()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "*there is no such program on this machine*",
            "*which packages that Python has cannot be seen*",
            "*there is no folder *scr*",
            "*placeholder {data}, and the arm declares none*",
        ]
    )


def test_declared_data_is_part_of_the_key_and_handed_over(scripts, mlops):
    gate = """
        def test_data(arm):
            one = arm.command("python use.py {seed} {data}", metrics={"size": r"size ([0-9.]+)"}, code=["use.py"])
            assert one.using(data="data.txt")["size"] > 3
        """
    use = "import random, sys; print('size', len(open(sys.argv[2]).read()) + random.Random(sys.argv[1]).random())"
    root = scripts(gate, **{"use.py": use, "data.txt": "12345"})
    mlops().assert_outcomes(passed=1)
    (root / "data.txt").write_text("1")
    result = mlops()
    result.assert_outcomes(failed=1)
    assert trained(result)[1] == 0


def test_two_commands_and_a_smoke_run(scripts, mlops):
    scripts(GATE)
    result = mlops("--mlops-smoke")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["smoke: python train.py*commands are not smoked*", "smoke: 0 arms ran, no verdict"]
    )
