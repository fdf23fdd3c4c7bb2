"""The pages tell the truth: options, messages and code in them are the package's own."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_mlops import errors
from pytest_mlops.settings import options_table

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("tests/**/*.md"),
    ]
)


def blocks(page, language):
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


def assert_gates_pass(folder):
    options = ["--mlops", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", f"--rootdir={folder}"]
    command = [sys.executable, "-m", "pytest", *options]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def every_error(kind=errors.MlopsError):
    return [kind, *(inner for child in kind.__subclasses__() for inner in every_error(child))]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_every_error_has_its_place_in_the_messages(error):
    headings = re.findall(
        r"^## (.+)$", (ROOT / "docs" / "messages.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert error.slug in headings
    assert error.__name__ in errors.__doc__


def test_the_options_page_has_the_options():
    assert (ROOT / "docs" / "options.md").read_text(encoding="utf-8").endswith(options_table())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_a_page_parses_and_links_lead_somewhere(page):
    for block in blocks(page, "python"):
        ast.parse(block)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_page_on_commands_runs(tmp_path):
    script, gates, *_ = blocks(ROOT / "docs" / "commands.md", "python")
    (tmp_path / "train.py").write_text(script, encoding="utf-8")
    (tmp_path / "test_gates.py").write_text(gates, encoding="utf-8")
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert_gates_pass(tmp_path)


@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    training, gates, *_ = blocks(ROOT / "docs" / "tutorial.md", "python")
    (tmp_path / "train.py").write_text(training, encoding="utf-8")
    (tmp_path / "test_gates.py").write_text(gates, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--mlops",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
    ]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_tutorials_recorded_results_decide(tmp_path):
    recorded = next(block for block in blocks(ROOT / "docs" / "tutorial.md", "python") if "recorded" in block)
    (tmp_path / "test_recorded.py").write_text(recorded, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--mlops",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
    ]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_results_that_exist_are_judged_as_their_page_says(tmp_path):
    gates = [
        block for block in blocks(ROOT / "docs" / "existing_results.md", "python") if "def test_" in block
    ]
    assert len(gates) == 3
    rows = [
        f"{model},{seed},{level + 0.001 * (seed * factor % 7)},true,{level + 0.002 * (seed * 3 % 5)},{seed},{model}"
        for model, level, factor in (("unet", 0.91, 3), ("attention", 0.93, 2))
        for seed in range(10)
    ]
    header = "model,seed,val_auc,converged,metrics.val_auc,params.seed,params.model"
    (tmp_path / "runs.csv").write_text("\n".join([header, *rows]), encoding="utf-8")
    (tmp_path / "test_gates.py").write_text("\n\n".join(gates), encoding="utf-8")
    assert_gates_pass(tmp_path)


def test_every_test_that_the_promises_name_exists():
    text = (ROOT / "tests" / "promises" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(test_\w+)(?!\w*\.py)`", text)) - {"test_error_rates"}
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 30
    assert not [name for name in named if f"def {name}(" not in tests]


def test_every_file_that_the_promises_name_exists():
    page = ROOT / "tests" / "promises" / "README.md"
    for target in re.findall(
        r"`((?:\.\./|test_)[\w/.]+?\.py|benchmarks/\w+\.py)", page.read_text(encoding="utf-8")
    ):
        assert (page.parent / target).exists() or (ROOT / target).exists(), target


def test_the_page_on_derived_arms_runs(tmp_path):
    source = "\n".join(blocks(ROOT / "docs" / "derived.md", "python"))
    (tmp_path / "test_derived.py").write_text(source, encoding="utf-8")
    assert_gates_pass(tmp_path)


def test_the_ablations_page_runs(tmp_path):
    source = "\n".join(blocks(ROOT / "docs" / "ablations.md", "python"))
    (tmp_path / "test_ablation.py").write_text(source, encoding="utf-8")
    assert_gates_pass(tmp_path)
