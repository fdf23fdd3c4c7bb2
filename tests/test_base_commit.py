"""Claims against another commit: its code trains in a process of its own, and a change that changes nothing costs nothing."""

import json
import subprocess
import sys

import pytest

NETS = "def strength():\n    return 0.05\n"
GATES = """
import json
from pathlib import Path

import pytest
from nets.model import strength


def train(run, *, augment=True):
    lr = json.loads((Path(__file__).parents[1] / "conf" / "model.json").read_text())["lr"]
    shared, own = run.rng("noise").normal(), run.rng(f"{strength()} {lr} {augment}").normal()
    return {"auc": 0.8 + 0.01 * shared + 0.002 * own + strength() * augment}


def test_no_worse(arm):
    assert arm(train)["auc"] > arm(train).using(ref="base")["auc"] - 0.005
"""
FEW = ("--mlops-min-seeds=2", "--mlops-max-seeds=3", "--mlops-power=0.6")


class Project:
    """A git repository with a package, a configuration and a gate; branch work stands on main."""

    def __init__(self, pytester):
        self.pytester, self.path = pytester, pytester.path
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.email", "ann@example.org")
        self.git("config", "user.name", "Ann")
        self.write("pyproject.toml", '[tool.pytest.ini_options]\npythonpath = ["src"]\n')
        self.write(".gitignore", "__pycache__/\nmlops-report/\n.mlops/\n")
        self.write("conf/model.json", '{"lr": 0.1}')
        self.write("src/nets/__init__.py", "")
        self.write("src/nets/model.py", NETS)
        self.write("tests/test_gates.py", GATES)
        self.commit("a network")
        self.git("checkout", "-q", "-b", "work")

    def git(self, *words):
        done = subprocess.run(["git", *words], cwd=self.path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, name, text):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def commit(self, message):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def judged(self, *options):
        """The session's result and its one claim."""
        words = ("--mlops", "-p", "no:randomly", "-p", "no:hypothesispytest", *FEW, *options)
        result = self.pytester.runpytest_inprocess(*words)
        report = self.path / "mlops-report" / "report.json"
        whole = json.loads(report.read_text(encoding="utf-8"))
        (claim,) = whole["claims"]
        assert self.git("worktree", "list").count("\n") == 0
        return result, claim


@pytest.fixture
def project(pytester, monkeypatch):
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    return Project(pytester)


def remarks_of(claim):
    return " ".join(claim["remarks"])


# --- identical code


def test_what_the_arm_does_not_reach_costs_nothing(project):
    project.write("README.md", "# networks")
    project.write("tests/test_gates.py", GATES.replace("def train", "# how it trains\ndef train"))
    base = project.git("rev-parse", "main")
    project.commit("say what this is")
    project.git("branch", "-f", "main", base)
    # One training run shows what the function reads; from then on there is none.
    _, claim = project.judged()
    assert (claim["verdict"], claim["trained"], claim["method"]) == ("PASS", 1, "identical code")
    assert (claim["estimate"], claim["n"]) == (0.0, 0)
    assert f"ref='base' is {base[:10]} (merge base of HEAD and main)" in remarks_of(claim)
    _, claim = project.judged()
    assert (claim["verdict"], claim["trained"]) == ("PASS", 0)


def test_where_only_prose_differs_nothing_is_trained_at_all(project):
    project.write("README.md", "# networks")
    project.commit("say what this is")
    result, claim = project.judged()
    assert (claim["verdict"], claim["trained"], claim["reused"]) == ("PASS", 0, 0)
    assert "identical code" in claim["reason"]
    result.assert_outcomes(passed=1)


def test_identical_code_is_no_gain(project):
    project.write("README.md", "# networks")
    project.write("tests/test_gates.py", GATES.replace("- 0.005", "+ 0.005"))
    project.commit("claim a gain")
    _, claim = project.judged()
    assert (claim["verdict"], claim["method"]) == ("FAIL", "identical code")
    assert "Did the change reach the training function?" in claim["remedy"]


def test_a_moved_test_module_is_found_under_its_old_name(project):
    project.git("mv", "tests/test_gates.py", "tests/test_networks.py")
    project.commit("a better name")
    _, claim = project.judged()
    assert (claim["verdict"], claim["method"]) == ("PASS", "identical code")


@pytest.mark.slow
def test_a_file_that_is_read_and_differs_is_no_identical_code(project):
    project.write("conf/model.json", '{"lr": 0.2}')
    project.commit("learn faster")
    _, claim = project.judged()
    assert claim["method"] != "identical code"
    assert claim["n"] >= 2
    assert any(claim["contrasts"])


# --- what changed


@pytest.mark.slow
def test_work_that_breaks_augmentation_is_caught_and_the_second_session_trains_nothing(project):
    project.write("src/nets/model.py", NETS.replace("0.05", "0.01"))
    project.commit("simplify")
    result, claim = project.judged()
    assert claim["verdict"] == "FAIL"
    assert claim["estimate"] == pytest.approx(-0.04, abs=0.01)
    result.assert_outcomes(failed=1)
    _, again = project.judged()
    assert (again["trained"], again["contrasts"]) == (0, claim["contrasts"])


@pytest.mark.slow
def test_a_refactoring_with_other_code_and_the_same_numbers_passes(project):
    project.write("src/nets/model.py", "HALF = 0.025\n\n\ndef strength():\n    return HALF + HALF\n")
    project.commit("name the number")
    _, claim = project.judged()
    assert claim["method"] != "identical code"
    assert claim["contrasts"][0] == 0.0


@pytest.mark.slow
def test_uncommitted_work_is_compared_with_the_last_commit(project):
    project.git("checkout", "-q", "main")
    project.write("src/nets/model.py", NETS.replace("0.05", "0.01"))
    _, claim = project.judged()
    assert claim["verdict"] == "FAIL"
    assert "HEAD, from which files differ" in remarks_of(claim)


@pytest.mark.slow
def test_a_lucky_merge_does_not_become_the_next_base_with_its_luck(project):
    project.write("src/nets/model.py", NETS.replace("0.05", "0.06"))
    project.commit("stronger")
    _, first = project.judged()
    project.git("checkout", "-q", "main")
    project.git("merge", "-q", "work")
    project.git("checkout", "-q", "-b", "next")
    project.write("src/nets/model.py", NETS.replace("0.05", "0.07"))
    project.commit("stronger still")
    _, second = project.judged()
    assert first["n"] >= 2
    assert second["n"] >= 2
    assert not set(first["seeds"]) & set(second["seeds"])


@pytest.mark.slow
def test_all_work_on_one_base_shares_its_runs_which_can_be_trained_ahead(project):
    project.git("checkout", "-q", "main")
    words = ("--mlops-fill=3", "-p", "no:randomly", "-p", "no:hypothesispytest", *FEW)
    project.pytester.runpytest_inprocess(*words).stdout.fnmatch_lines(["*3 of 3 seeds*"])
    found = []
    for name, strength in (("one", "0.01"), ("two", "0.02")):
        project.git("checkout", "-q", "-b", name, "main")
        project.write("src/nets/model.py", NETS.replace("0.05", strength))
        project.commit(name)
        _, claim = project.judged()
        found.append(claim)
        assert claim["reused"] == claim["trained"] == claim["n"]
        project.git("checkout", "-q", "main")
    assert found[0]["seeds"] == found[1]["seeds"]


# --- nothing to compare with


def test_a_function_that_the_base_does_not_have_is_undecided_with_the_reason(project):
    project.write("tests/test_gates.py", GATES.replace("train", "fit"))
    project.commit("another function")
    result, claim = project.judged()
    assert claim["verdict"] == "UNDECIDED"
    assert "test_gates.fit is not there" in claim["reason"]
    assert "undecided='warn'" in claim["remedy"]
    assert claim["trained"] == 0
    result.assert_outcomes(failed=1)


def test_a_parameter_that_the_base_does_not_have_is_undecided_with_the_reason(project):
    changed = GATES.replace("augment=True):", "augment=True, width=8):").replace(
        "arm(train).using", "arm(train, width=8).using"
    )
    project.write("tests/test_gates.py", changed)
    project.commit("a width")
    _, claim = project.judged()
    assert claim["verdict"] == "UNDECIDED"
    assert "has no parameter 'width'" in claim["reason"]


def test_a_base_whose_code_cannot_be_imported_is_undecided_with_the_reason(project):
    project.write("src/nets/model.py", "raise RuntimeError('half done')\n")
    project.commit("a bad day")
    project.git("branch", "-f", "main")
    project.write("src/nets/model.py", NETS)
    project.commit("a better one")
    _, claim = project.judged()
    assert claim["verdict"] == "UNDECIDED"
    assert "RuntimeError: half done" in claim["reason"]


def test_a_commit_that_is_not_there_is_one_clear_error(project):
    project.write("tests/test_gates.py", GATES.replace('"base"', '"mian"'))
    _, claim = project.judged()
    assert claim["verdict"] == "ERROR"
    assert "git knows no commit of that name here. Did you mean 'main'" in claim["reason"]


# --- packages of its own

MAKE = """
import sys
from pathlib import Path

import pytest_mlops

env = Path(sys.argv[1])
site = next(iter(env.glob("lib/python*/site-packages")), env / "Lib" / "site-packages")
paths = [path for path in sys.path if path.endswith("-packages")] + [str(Path(pytest_mlops.__file__).parents[1])]
(site / "others.pth").write_text("\\n".join(paths))
(site / "colours.py").write_text("SHADES = 2")
info = site / "colours-1.5.dist-info"
info.mkdir()
(info / "METADATA").write_text("Metadata-Version: 2.1\\nName: colours\\nVersion: 1.5\\n")
(info / "top_level.txt").write_text("colours")
print("made")
"""
WITH_COLOURS = GATES.replace(
    "def train(", "try:\n    import colours\nexcept ImportError:\n    colours = None\n\n\ndef train("
).replace("strength() * augment}", "strength() * augment + getattr(colours, 'SHADES', 0)}")
COMMANDS = '["{python} -m venv --without-pip {env}", "{python} {tree}/make.py {env}"]'


def test_a_command_that_fails_is_one_clear_error_with_its_last_words(project):
    project.write(
        "tests/test_gates.py",
        GATES.replace('ref="base"', """ref="base", ref_env=["{python} -c 'print(41 + 1); exit(3)' {env}"]"""),
    )
    _, claim = project.judged()
    assert claim["verdict"] == "ERROR"
    assert "ended with status 3" in claim["reason"]
    assert "42" in claim["reason"]
    (output,) = (project.path / ".mlops" / "environments").glob("*/output.txt")
    assert "42" in output.read_text()


def test_commands_that_make_no_environment_are_refused(project):
    for more, why in (
        ('ref="base", ref_env="make env"', "{env}"),
        ('ref_env="uv venv {env}"', "another commit"),
    ):
        project.write("tests/test_gates.py", GATES.replace('ref="base"', more))
        result = project.pytester.runpytest_inprocess("--mlops", "-p", "no:randomly")
        assert why in " ".join(result.stdout.str().split())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="names the folders of POSIX")
def test_a_commit_can_have_packages_of_its_own_which_are_installed_once(project):
    project.write("make.py", MAKE)
    project.write("tests/test_gates.py", WITH_COLOURS)
    project.commit("colours")
    project.git("branch", "-f", "main")
    more = WITH_COLOURS.replace('ref="base"', f'ref="base", ref_env={COMMANDS}')
    project.write("tests/test_gates.py", more.replace("own + ", "own + 0 * "))
    project.write("src/nets/model.py", NETS.replace("0.05", "0.06"))
    project.commit("stronger")
    result, claim = project.judged()
    result.stdout.fnmatch_lines(["ref_env: {python} {tree}/make.py {env}"])
    assert [side["mean"] > 2 for side in claim["sides"]] == [False, True]
    report = json.loads((project.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
    there = next(arm for arm in report["arms"] if "ref=" in arm["label"])
    assert there["environment"]["colours"] == "1.5"
    result, again = project.judged()
    result.stdout.no_fnmatch_line("ref_env: *")
    assert again["trained"] == 0


# --- what is refused

REFUSED = [
    (
        'assert arm(train)["seconds"] < arm(train).using(ref="base")["seconds"] * 0.9',
        "trains in a process of its own, start-up included",
    ),
    (
        'assert arm(train)["auc"] > arm.command("python t.py {seed} {out}", metrics="{out}/m.json").using(ref="base")["auc"]',
        "commands train the project as it is",
    ),
    ('assert arm(train)["auc"] > arm(train).using(ref=" ")["auc"] - 0.1', "expected 'base'"),
    (
        'assert arm(train)["auc"] > arm(lambda run: {}).using(ref="base")["auc"]',
        "no name that another process",
    ),
]


@pytest.mark.parametrize(("line", "why"), REFUSED)
def test_what_cannot_be_compared_is_refused_by_name(project, line, why):
    project.write("README.md", "# networks")
    project.write("tests/test_gates.py", f"{GATES.partition('def test')[0]}def test_it(arm):\n    {line}\n")
    words = ("--mlops", "-p", "no:randomly", "-p", "no:hypothesispytest")
    result = project.pytester.runpytest_inprocess(*words)
    result.assert_outcomes(failed=1)
    assert why in " ".join(result.stdout.str().split())


def test_what_is_committed_is_not_tried_out(project):
    words = ("--mlops-smoke", "-p", "no:randomly", "-p", "no:hypothesispytest")
    result = project.pytester.runpytest_inprocess(*words)
    result.stdout.fnmatch_lines(["*ref='base'*what is committed is not tried out*"])
    result.assert_outcomes(passed=1)
