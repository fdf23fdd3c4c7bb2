"""The menu of a contributor. `nox -s check` is all that CI runs, in the environment that is active."""

import nox

nox.options.sessions = ["check"]
nox.options.reuse_existing_virtualenvs = True
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session(python=False)
def tests(session):
    """The test suite, in the active environment."""
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session(python=False)
def lint(session):
    """Formatter, linter, types, import contracts, docstrings, changelog fragments."""
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("mypy")
    session.run("lint-imports")
    session.run("ruff", "check", "--preview", "--select", "DOC102,DOC202,DOC403", "pytest_mlops")
    session.run("numpydoc", "lint", *_modules(session))
    session.run("towncrier", "build", "--draft", "--version", "next", silent=True)


@nox.session(python=False)
def slow(session):
    """Tests that take longer: simulations of thousands of claims."""
    session.run("pytest", "-q", "-n", "auto", "-m", "slow")


@nox.session(python=False)
def levels(session):
    """Error rates of every kind of claim under many laws, and what plans expect: fails where either is wrong too often."""
    session.run("python", "benchmarks/error_rates.py", "--claims", "20000")
    session.run("python", "benchmarks/real_pool.py")
    session.run("python", "benchmarks/plans.py", "--pilots", "40")


@nox.session(python=False)
def check(session):
    """All that CI runs after its set-up: lint, tests, slow, levels."""
    for name in ("lint", "tests", "slow", "levels"):
        session.notify(name)


@nox.session(python=PYTHONS)
def matrix(session):
    """The test suite under each Python that is installed."""
    _install(session, "-e", ".[torch,examples]")
    session.run("pytest", "-q")


@nox.session
def wheel(session):
    """The test suite against the built wheel: what users get."""
    session.install("build")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(session.create_tmp()))
    built = next(iter(sorted(session.cache_dir.parent.rglob("pytest_mlops-*.whl"))))
    _install(session, f"{built}[torch,examples]")
    session.run("pytest", "-q", "tests")


def _install(session, *what):
    session.install("-c", "constraints.txt", *what)
    session.install(*nox.project.dependency_groups(nox.project.load_toml(), "tests"))


def _modules(session):
    listed = session.run("git", "ls-files", "pytest_mlops/*.py", external=True, silent=True)
    return [name for name in listed.splitlines() if "/testing/" not in name]
