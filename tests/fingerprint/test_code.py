"""A run is trained again exactly when something that its function reaches has changed."""

import functools
import importlib.util
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import pytest

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint import fingerprint

PROGRAM = """
import sys
sys.path.insert(0, {folder!r})
import test_user
from pytest_mlops.fingerprint import fingerprint
print(fingerprint(test_user.train).digest)
"""

FILES = {
    "test_user.py": '''
        """Docstring of the module."""
        import functools
        import net
        from options import RATE

        WIDTH = 64
        TABLE = {"a": 1}
        DATA = functools.lru_cache(len)

        def helper(x):
            return x + 1

        def unused(x):
            return x + 2

        class Model(net.Base):
            def forward(self, x):
                return inner(x)

        def inner(x):
            return x

        def train(run, *, lr=0.1):
            """Docstring."""
            import lazy
            model = Model()
            return {"auc": helper(WIDTH) + RATE + TABLE["a"] + lazy.LATE}
    ''',
    "net.py": """
        import deep

        class Base:
            def layers(self):
                return deep.LAYERS
    """,
    "deep.py": "LAYERS = 3\n",
    "options.py": "RATE = 1\n",
    "lazy.py": "LATE = 1\n",
}


@pytest.fixture
def user(tmp_path):
    """A user's project: writes changed files, tells the digest of its training function in a fresh process."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(textwrap.dedent(text))

    def digest(changes=None, hash_seed="0"):
        for name, (old, new) in (changes or {}).items():
            file = tmp_path / name
            text = file.read_text()
            assert old in text
            file.write_text(text.replace(old, new))
        program = PROGRAM.format(folder=str(tmp_path))
        env = {"PYTHONHASHSEED": hash_seed, "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
        )
        return ended.stdout.strip()

    return digest


@pytest.mark.parametrize(
    "change",
    [
        {"test_user.py": ("x + 1", "x + 10")},
        {"test_user.py": ("WIDTH = 64", "WIDTH = 65")},
        {"test_user.py": ('"a": 1', '"a": 2')},
        {"test_user.py": ("lr=0.1", "lr=0.2")},
        {"test_user.py": ("return inner(x)", "return inner(x) * 2")},
        {"test_user.py": ("def inner(x):\n    return x", "def inner(x):\n    return -x")},
        {"net.py": ("deep.LAYERS", "deep.LAYERS + 1")},
        {"deep.py": ("3", "4")},
        {"options.py": ("1", "2")},
        {"lazy.py": ("1", "2")},
    ],
    ids=[
        "helper",
        "constant",
        "table",
        "default",
        "method",
        "called by a method",
        "module",
        "imported by a module",
        "from import",
        "import inside",
    ],
)
def test_a_change_that_the_function_reaches_changes_its_fingerprint(user, change):
    assert user() != user(change)


@pytest.mark.parametrize(
    "change",
    [
        {"test_user.py": ("return x + 1", "return x + 1  # a comment")},
        {"test_user.py": ("x + 1", "x   +   1")},
        {"test_user.py": ('"""Docstring."""', '"""Another."""')},
        {"test_user.py": ("x + 2", "x + 3")},
        {"test_user.py": ("WIDTH = 64", "\n\n\nWIDTH = 64")},
        {"deep.py": ("3", "3  # three")},
    ],
    ids=["comment", "layout", "docstring", "another function", "lines", "comment elsewhere"],
)
def test_a_change_that_does_not_matter_leaves_the_fingerprint(user, change):
    assert user() == user(change)


def test_the_fingerprint_does_not_depend_on_the_hash_seed(user):
    assert user(hash_seed="1") == user(hash_seed="2")


def test_a_patched_constant_is_seen(monkeypatch):
    before = fingerprint(uses_constant).digest
    monkeypatch.setattr(sys.modules[__name__], "CONSTANT", 2)
    assert fingerprint(uses_constant).digest != before


CONSTANT = 1


def uses_constant(run):
    return CONSTANT


def test_two_lambdas_on_a_line_differ():
    one, two = (lambda run: 1), (lambda run: 2)
    assert fingerprint(one).digest != fingerprint(two).digest


def test_a_captured_value_counts():
    def make(value):
        return lambda run: value

    assert fingerprint(make(1)).digest != fingerprint(make(2)).digest
    assert fingerprint(make(1)).digest == fingerprint(make(1)).digest


def test_a_cached_function_counts_by_what_it_wraps():
    one, two = (lambda run: 1), (lambda run: 2)
    assert fingerprint(functools.lru_cache(one)).digest != fingerprint(functools.lru_cache(two)).digest


def test_recursive_functions_end():
    def loop(run):
        return loop(run)

    assert fingerprint(loop).digest


def test_installed_packages_are_named_for_their_versions():
    def trains(run):
        import scipy.special

        return scipy.special.erf(0)

    assert "scipy" in fingerprint(trains).packages


def test_a_captured_object_without_a_key_is_refused():
    lock = object()

    def trains(run):
        return lock

    with pytest.raises(ParameterError, match="lock"):
        fingerprint(trains)


# --- code that no installed file holds, and state put there from outside


def by_path(tmp_path, text, name="loaded_by_path"):
    """A module loaded by its path, which sys.modules does not know."""
    file = tmp_path / f"{name}.py"
    file.write_text(textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_functions_made_by_exec_count_by_their_bytecode():
    def made(text):
        scope = {}
        exec(f"def train(run):\n    return {text}", scope)
        return scope["train"]

    assert fingerprint(made("1")).digest == fingerprint(made("1")).digest
    assert fingerprint(made("1")).digest != fingerprint(made("2")).digest


@pytest.mark.parametrize(
    "old_new", [("return 1", "return 2"), ("RATE = 1", "RATE = 2"), ("size = 3", "size = 4")]
)
def test_a_class_loaded_by_its_path_counts_by_its_file(tmp_path, old_new):
    text = """
        RATE = 1

        class Net:
            size = 3

            def forward(self):
                return 1
    """
    for folder in "abc":
        (tmp_path / folder).mkdir()
    first = fingerprint(by_path(tmp_path / "a", text).Net)
    again = fingerprint(by_path(tmp_path / "b", text).Net)
    changed = fingerprint(by_path(tmp_path / "c", text.replace(*old_new)).Net)
    assert first.digest == again.digest != changed.digest


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration module that a function reads by attribute."""
    (tmp_path / "user_config.py").write_text(
        "LR = 1\n\ndef rate():\n    return 1\n\nclass Options:\n    lr = 1\n\n    def scaled(self):\n        return 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("user_config")
    yield module
    del sys.modules["user_config"]


def test_an_attribute_of_a_module_that_was_patched_is_seen(config, monkeypatch):
    reads = types.FunctionType(reads_config.__code__, {"user_config": config, "__name__": __name__})
    before = fingerprint(reads).digest
    monkeypatch.setattr(config, "LR", 9)
    assert fingerprint(reads).digest != before


def reads_config(run):
    return user_config.LR * user_config.rate() * user_config.Options().scaled()  # noqa: F821 - handed in by the test


@pytest.mark.parametrize(
    "patch",
    [
        lambda config: (config, "rate", lambda: 2),
        lambda config: (config.Options, "lr", 9),
        lambda config: (config.Options, "scaled", lambda self: 2),
    ],
    ids=["function", "class attribute", "method"],
)
def test_what_was_patched_behind_a_module_is_seen(config, monkeypatch, patch):
    reads = types.FunctionType(reads_config.__code__, {"user_config": config, "__name__": __name__})
    before = fingerprint(reads).digest
    monkeypatch.setattr(*patch(config))
    assert fingerprint(reads).digest != before


def test_a_folder_that_a_module_names_counts_by_its_path():
    assert fingerprint(reads_folder).digest == fingerprint(reads_folder).digest
    (FOLDER / "new.txt").write_text("x")
    try:
        before = fingerprint(reads_folder).digest
    finally:
        (FOLDER / "new.txt").unlink()
    assert fingerprint(reads_folder).digest == before


FOLDER = Path(__file__).parent / "__pycache__"
FOLDER.mkdir(exist_ok=True)


def reads_folder(run):
    return FOLDER
