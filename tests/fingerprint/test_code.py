"""A run is trained again exactly when something that its function reaches has changed."""

import functools
import subprocess
import sys
import textwrap

import pytest

from pytest_mlops.errors import ParameterError
from pytest_mlops.fingerprint import content_of, fingerprint, key_of, path_content

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


# --- data


def test_content_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.txt").write_text("1")
    first = path_content(tmp_path / "a")
    assert path_content(tmp_path / "a") == first
    (tmp_path / "a" / "y.txt").write_text("1")
    second = path_content(tmp_path / "a")
    (tmp_path / "a" / "x.txt").rename(tmp_path / "a" / "z.txt")
    assert len({first, second, path_content(tmp_path / "a")}) == 3


def test_content_keeps_types_apart():
    values = [1, 1.0, True, "1", b"1", [1], (1,), {1}, {"a": 1}, None]
    assert len({content_of(value, name="x") for value in values}) == len(values)


def test_content_of_arrays_sees_every_bit_dtype_and_shape():
    np = pytest.importorskip("numpy")
    base = np.arange(6.0)
    changed = base.copy()
    changed[3] = np.nextafter(changed[3], 10)
    variants = [base, changed, base.reshape(2, 3), base.astype("float32"), base[::-1]]
    assert len({content_of(variant, name="x") for variant in variants}) == len(variants)
    assert content_of(base[::2], name="x") == content_of(base[::2].copy(), name="x")


def test_content_of_tensors_and_datasets():
    torch = pytest.importorskip("torch")
    tensors = [
        torch.ones(2),
        torch.ones(2, dtype=torch.bfloat16),
        torch.zeros(2),
        torch.ones(2, dtype=torch.bool),
    ]
    assert len({content_of(tensor, name="x") for tensor in tensors}) == len(tensors)
    data = torch.utils.data.TensorDataset(torch.ones(2))
    assert content_of(data, name="x") == content_of(torch.utils.data.TensorDataset(torch.ones(2)), name="x")


def test_keys_of_equal_values_are_equal_text():
    assert key_of({"betas": (0.9, 0.99)}, name="x") == key_of({"betas": (0.9, 0.99)}, name="x")
