"""What is trained again after an edit and what is not, and what `why` says of it: nothing stale is ever believed.

Each row edits a small project between two sessions. Retraining that is not needed is listed too, with its reason.
"""

import json
import textwrap

import pytest

PROJECT = {
    "test_gates.py": '''
        """The gates."""
        import dataclasses
        import functools
        import importlib
        import json
        import os
        from pathlib import Path

        import net
        import registry
        from options import RATE

        WIDTH = 64
        SCALE = float(os.environ.get("MADE_SCALE", "1"))
        HERE = Path(__file__).parent
        TABLE = json.loads((HERE / "table.json").read_text())


        @dataclasses.dataclass
        class Schedule:
            warmup: int = 3


        def scaled(function):
            @functools.wraps(function)
            def wrapper(*args, **kwargs):
                return function(*args, **kwargs)
            return wrapper


        def unrelated(x):
            return x + 1


        @scaled
        def helper(x):
            return x * 1.0


        def offset(bias):
            def add(run, *, gain=0.0, schedule=None):
                return train(run, gain=gain + bias)
            return add


        def load():
            return [0.1, 0.2]


        def train(run, *, gain=0.0, schedule=Schedule(), rate=0.5):
            """A run."""
            with open("conf/model.yaml") as stream:
                layers = int(stream.read())
            plugin = importlib.import_module(f"plugins.{TABLE['plugin']}")
            names = sorted(path.name for path in Path("images").glob("*.png"))
            size = net.Net().size + registry.get("tiny").depth + plugin.EXTRA + len(names)
            value = helper(gain + RATE + rate + schedule.warmup) + 0 * (size + layers + WIDTH + SCALE)
            value += float(os.environ.get("MADE_BONUS", "0"))
            return {"auc": value + run.rng("noise").normal() / 100}


        def test_bar(arm):
            assert arm(train, gain=0.3).using(data=Path("cases.csv"))["auc"] > 0.1


        def test_loaded(arm):
            assert arm(offset(0.1)).using(data=load)["auc"] > 0.1
    ''',
    "net.py": """
        import deep

        class Net:
            size = deep.SIZE

            def forward(self, x):
                return x
    """,
    "deep.py": "SIZE = 3\n",
    "options.py": "RATE = 1\n",
    "registry.py": """
        NETS = {}

        def register(cls):
            NETS[cls.__name__.lower()] = cls
            return cls

        def get(name):
            import nets
            return NETS[name]
    """,
    "nets.py": """
        from registry import register

        @register
        class Tiny:
            depth = 2
    """,
    "plugins/__init__.py": "",
    "plugins/extra.py": "EXTRA = 1\n",
    "plugins/other.py": "EXTRA = 2\n",
    "conf/model.yaml": "3",
    "conf/unread.yaml": "3",
    "table.json": '{"plugin": "extra"}',
    "cases.csv": "case,label\n1,0\n",
    "images/a.png": "a",
    "README.md": "A project.",
    "pytest.ini": "[pytest]\naddopts = -p no:randomly -p no:hypothesispytest -p no:cacheprovider\n",
}


def edit(name, old, new):
    def apply(pytester):
        file = pytester.path / name
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    return apply


def add(name, text):
    return lambda pytester: (pytester.path / name).write_text(text, encoding="utf-8")


def rename(old, new):
    return lambda pytester: (pytester.path / old).rename(pytester.path / new)


def several(*edits):
    return lambda pytester: [apply(pytester) for apply in edits]


def set_variable(name, value):
    return lambda pytester: pytester._monkeypatch.setenv(name, value)


def none(pytester):
    """No file changes: an option does."""


# --- what has to be trained again: edit, options of the second session, gate, what why says

RETRAINED = {
    "function body": (edit("test_gates.py", "/ 100}", "/ 50}"), [], "train changed"),
    "helper in the test file": (edit("test_gates.py", "x * 1.0", "x * 2.0"), [], "helper changed"),
    "decorator": (
        edit("test_gates.py", "return function(*args", "return 0.5 + function(*args"),
        [],
        "changed",
    ),
    "global constant": (edit("test_gates.py", "WIDTH = 64", "WIDTH = 65"), [], "WIDTH changed"),
    "default argument": (edit("test_gates.py", "rate=0.5", "rate=0.6"), [], "rate was 0.5"),
    "parameter": (edit("test_gates.py", "gain=0.3", "gain=0.4"), [], "gain was 0.3"),
    "default of a dataclass parameter": (
        edit("test_gates.py", "warmup: int = 3", "warmup: int = 4"),
        [],
        "schedule changed",
    ),
    "closure value": (edit("test_gates.py", "offset(0.1)", "offset(0.2)"), [], "bias changed"),
    "data loader": (edit("test_gates.py", "[0.1, 0.2]", "[0.1, 0.3]"), [], "load()[1] changed"),
    "module": (edit("net.py", "return x", "return -x"), [], "net.py changed"),
    "class attribute": (edit("net.py", "size = deep.SIZE", "size = deep.SIZE + 1"), [], "net.py changed"),
    "module two imports away": (edit("deep.py", "3", "4"), [], "deep.py changed"),
    "name imported from a module": (edit("options.py", "1", "2"), [], "changed"),
    "class registered by a string": (edit("nets.py", "depth = 2", "depth = 3"), [], "nets.py changed"),
    "module imported by a computed name": (
        edit("plugins/extra.py", "1", "9"),
        [],
        "plugins/extra.py changed",
    ),
    "JSON read at import": (edit("table.json", "extra", "other"), [], "TABLE changed"),
    "YAML read in the run": (edit("conf/model.yaml", "3", "4"), [], "conf/model.yaml changed"),
    "file in a listed folder": (add("images/b.png", "b"), [], "images/ changed"),
    "content of declared data": (edit("cases.csv", "1,0", "1,1"), [], "cases.csv changed"),
    "name of declared data": (
        several(rename("cases.csv", "other.csv"), edit("test_gates.py", "cases.csv", "other.csv")),
        [],
        "other.csv",
    ),
    "environment variable declared": (
        edit("test_gates.py", 'Path("cases.csv")', 'Path("cases.csv"), env={"MADE_MODE": "b"}'),
        [],
        "$MADE_MODE is new",
    ),
    "environment variable read": (set_variable("MADE_BONUS", "1"), [], "$MADE_BONUS changed"),
    "environment variable read by a module when it was imported": (
        set_variable("MADE_SCALE", "2"),
        [],
        "SCALE changed",
    ),
    "default dtype of torch": (
        add(
            "conftest.py",
            "import torch\n\ndef pytest_runtest_setup():\n    torch.set_default_dtype(torch.float64)\n",
        ),
        [],
        "torch default_dtype torch.float64 is new",
    ),
    "precision of torch's matrix products": (
        add(
            "conftest.py",
            "import torch\n\ndef pytest_runtest_setup():\n    torch.set_float32_matmul_precision('medium')\n",
        ),
        [],
        "torch float32_matmul_precision medium is new",
    ),
    "threads": (none, ["--mlops-threads=2"], "threads 2, before 1"),
    "precision": (none, ["--mlops-amp=bf16"], "amp bf16, before off"),
    "deterministic": (none, ["--mlops-deterministic=off"], "deterministic false, before true"),
    "root seed": (none, ["--mlops-seed=1"], "no run of seeds"),
}

# --- what need not be trained again

REUSED = {
    "nothing": none,
    "environment variable that no run reads": set_variable("MADE_OTHER", "1"),
    "comment": edit("test_gates.py", "WIDTH = 64", "WIDTH = 64  # pixels"),
    "docstring": edit("test_gates.py", '"""A run."""', '"""One run."""'),
    "docstring of the module": edit("test_gates.py", '"""The gates."""', '"""My gates."""'),
    "layout": edit("test_gates.py", "return x * 1.0", "return (\n        x * 1.0\n    )"),
    "lines above": edit("test_gates.py", "WIDTH = 64", "\n\n\nWIDTH = 64"),
    "unrelated function of the test file": edit("test_gates.py", "x + 1", "x + 2"),
    "another gate": edit("test_gates.py", "def test_bar", "def test_other():\n    pass\n\n\ndef test_bar"),
    "comment in a module": edit("net.py", "return x", "return x  # unchanged"),
    "comment in a module of a computed name": edit("plugins/extra.py", "EXTRA = 1", "EXTRA = 1  # one"),
    "the plugin that is not asked for": edit("plugins/other.py", "2", "3"),
    "file that no run reads": edit("conf/unread.yaml", "3", "4"),
    "a page of the project": edit("README.md", "A", "Another"),
    "margin": edit("test_gates.py", '["auc"] > 0.1', '["auc"] > 0.2'),
}

# --- what is trained again without need, and why that is so

UNNEEDED = {
    # Outside test modules a whole file counts: its top level may do anything when it is imported.
    "unrelated function of a module": (
        add("deep.py", "SIZE = 3\n\ndef unrelated():\n    return 1\n"),
        "deep.py changed",
    ),
    # A name says where a value comes from: renaming a function that is trained is another function.
    "renamed training function": (
        several(
            edit("test_gates.py", "def train(run", "def fit(run"),
            edit("test_gates.py", "arm(train,", "arm(fit,"),
            edit("test_gates.py", "return train(run", "return fit(run"),
        ),
        "first run of this function",
    ),
    # What a run reads counts byte by byte: that white space does not matter to a parser is not ours to know.
    "white space in a file that was read": (edit("conf/model.yaml", "3", "3\n"), "conf/model.yaml changed"),
}


@pytest.fixture
def project(pytester):
    for name, text in PROJECT.items():
        file = pytester.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(_dedent(text), encoding="utf-8")

    def run(*options):
        result = pytester.runpytest_inprocess("--mlops", "-q", "--mlops-amp=off", *options)
        assert set(result.parseoutcomes()) <= {"passed", "seconds"}
        report = json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
        return report["session"]["trained"], " | ".join(
            why for claim in report["claims"] for why in claim["why"]
        )

    return run


def _dedent(text):
    return textwrap.dedent(text).lstrip("\n")


@pytest.fixture
def torch_as_it_was():
    torch = pytest.importorskip("torch")
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    yield
    torch.set_default_dtype(dtype)
    torch.set_float32_matmul_precision(precision)


@pytest.mark.parametrize(("apply", "options", "says"), RETRAINED.values(), ids=RETRAINED)
def test_an_edit_that_can_change_a_result_is_trained_again_and_named(
    request, pytester, project, apply, options, says
):
    if "--mlops-amp=bf16" in options or "torch" in says:
        request.getfixturevalue("torch_as_it_was")
    assert project()[0] == 10
    apply(pytester)
    trained, why = project(*options)
    assert trained >= 5
    assert says in why


@pytest.mark.parametrize("apply", REUSED.values(), ids=REUSED)
def test_an_edit_that_cannot_change_a_result_trains_nothing(pytester, project, apply):
    assert project()[0] == 10
    apply(pytester)
    assert project() == (0, "")


@pytest.mark.parametrize(("apply", "says"), UNNEEDED.values(), ids=UNNEEDED)
def test_what_is_trained_again_without_need_is_named_too(pytester, project, apply, says):
    assert project()[0] == 10
    apply(pytester)
    trained, why = project()
    assert trained >= 5
    assert says in why


# --- patches and hidden state: each in a project of its own, where nothing else can make it train again


ALONE = {
    "attribute of a namespace": (
        "CFG = SimpleNamespace(lr=0.5)\nCFG.lr = 0.6",
        "CFG.lr",
        "CFG.lr = 0.6",
        "CFG.lr = 0.7",
    ),
    "method attached to a class": (
        "class Net:\n    pass\n\ndef forward(self):\n    return 0.5\n\nNet.forward = forward",
        "Net().forward()",
        "return 0.5",
        "return 0.6",
    ),
    "implementation of a singledispatch": (
        "@functools.singledispatch\ndef f(x):\n    return 0.5\n\n@f.register\ndef _(x: int):\n    return 0.6",
        "f(1)",
        "return 0.6",
        "return 0.7",
    ),
    "function by globals()": (
        "def net_a():\n    return 0.5",
        "globals()['net_' + 'a']()",
        "return 0.5",
        "return 0.6",
    ),
    "subclass that is looked for": (
        "class Base:\n    pass\n\nclass Net(Base):\n    value = 0.5",
        "Base.__subclasses__()[0].value",
        "0.5",
        "0.6",
    ),
    "registry of an object": (
        "class Registry:\n    def __init__(self):\n        self.nets = {}\n\nREG = Registry()\n\n"
        "def net():\n    return 0.5\n\nREG.nets['net'] = net",
        "REG.nets['net']()",
        "return 0.5",
        "return 0.6",
    ),
}


@pytest.mark.parametrize(("top", "value", "old", "new"), ALONE.values(), ids=ALONE)
def test_what_hides_behind_objects_and_names_is_seen(pytester, top, value, old, new):
    source = f"""import functools
from types import SimpleNamespace

{top}


def train(run):
    return {{"auc": {value} + run.rng("noise").normal() / 100}}


def test_bar(arm):
    assert arm(train)["auc"] > 0.1
"""
    file = pytester.path / "test_alone.py"

    def session():
        pytester.runpytest_inprocess("--mlops", "-p", "no:randomly").assert_outcomes(passed=1)
        return json.loads((pytester.path / "mlops-report" / "report.json").read_text())["session"]["trained"]

    file.write_text(source)
    assert (session(), session()) == (5, 0)
    assert source.count(old) == 1
    file.write_text(source.replace(old, new))
    assert session() == 5


PATCHES = {
    "method by a function of the same file": ("monkeypatch.setattr(Net, 'f', better)", "Net().f()"),
    "attribute of an object": ("monkeypatch.setattr(OBJECT, 'value', 0.9)", "OBJECT.value"),
    "attribute of a namespace": ("monkeypatch.setattr(SPACE, 'value', 0.9)", "SPACE.value"),
    "function of an installed package": (
        "monkeypatch.setattr(math, 'fabs', lambda x: 0.9)",
        "math.fabs(0.5)",
    ),
}


@pytest.mark.parametrize(("patch", "value"), PATCHES.values(), ids=PATCHES)
def test_gates_of_which_one_patches_share_no_run(pytester, patch, value):
    pytester.makepyfile(
        test_patch=f"""
import math
from types import SimpleNamespace
import pytest

class Net:
    def f(self):
        return 0.5

class Thing:
    def __init__(self):
        self.value = 0.5

def better(self):
    return 0.9

OBJECT, SPACE = Thing(), SimpleNamespace(value=0.5)

def train(run):
    return {{"acc": {value} + run.rng("noise").normal() / 100}}

@pytest.fixture
def improved(monkeypatch):
    {patch}

def test_patched(arm, improved):
    assert arm(train)["acc"] > 0.8

def test_plain(arm):
    assert arm(train)["acc"] > 0.8
"""
    )
    pytester.runpytest_inprocess("--mlops", "-p", "no:randomly").assert_outcomes(passed=1, failed=1)


@pytest.fixture
def another_torch(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "__version__", "99.0")


@pytest.fixture
def another_device(monkeypatch):
    monkeypatch.setattr("pytest_mlops.training.place._device_name", lambda device: "H100")


@pytest.mark.parametrize(
    ("changed", "says"),
    [("another_torch", "torch 99.0, before"), ("another_device", "other device: H100, before cpu")],
)
def test_another_machine_is_trained_again_and_named(request, project, changed, says):
    assert project()[0] == 10
    request.getfixturevalue(changed)
    trained, why = project()
    assert trained == 10
    assert says in why


def test_files_that_workers_of_a_loader_read_count(pytester):
    pytest.importorskip("torch")
    pytester.makefile(".txt", **{f"image{index}": "0.9" for index in range(4)})
    pytester.makepyfile(
        test_gates="""
        import pathlib

        class Images:
            def __len__(self):
                return 4

            def __getitem__(self, index):
                return float(pathlib.Path(f"image{index}.txt").read_text())

        def train(run):
            values = [float(batch.mean()) for batch in run.loader(Images(), batch_size=2, workers=2)]
            return {"auc": sum(values) / 2 + run.rng("noise").normal() / 100}

        def test_bar(arm):
            assert arm(train)["auc"] > 0.1
        """
    )

    def session():
        pytester.runpytest_inprocess("--mlops", "-p", "no:randomly").assert_outcomes(passed=1)
        report = json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
        return report["session"]["trained"], report["claims"][0]["why"]

    assert session()[0] == 5
    assert session()[0] == 0
    (pytester.path / "image3.txt").write_text("0.8", encoding="utf-8")
    trained, why = session()
    assert trained == 5
    assert "image3.txt changed" in why[0]


def test_a_file_that_changes_while_a_claim_is_decided_is_an_error(pytester, project):
    project()
    edit("conf/model.yaml", "3", "4")(pytester)
    pytester.makepyfile(
        test_more="""
        import pathlib
        from test_gates import train

        def fit(run):
            metrics = train(run)
            if run.index == 3:
                pathlib.Path("conf/model.yaml").rename("conf/old.yaml")
                pathlib.Path("conf/new.yaml").write_text("5")
                pathlib.Path("conf/new.yaml").rename("conf/model.yaml")
            return metrics

        def test_bar(arm):
            assert arm(fit)["auc"] > 0.1
        """
    )
    result = pytester.runpytest_inprocess("--mlops", "test_more.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*conf/model.yaml changed while the claim was decided*"])


def test_each_arm_is_compared_with_its_own_past_and_not_with_its_sibling(pytester):
    source = """
def helper(x):
    return x

def train(run, *, gain=0.0):
    return {"auc": helper(0.5) + gain + run.rng(f"noise {gain}").normal() / 100}

def test_gain(arm):
    assert arm(train, gain=0.3)["auc"] > arm(train)["auc"] - 0.5
"""

    def session(text):
        (pytester.path / "test_arms.py").write_text(text)
        pytester.runpytest_inprocess("--mlops", "-p", "no:randomly").assert_outcomes(passed=1)
        return json.loads((pytester.path / "mlops-report" / "report.json").read_text())["claims"][0]["why"]

    assert all("first run of this function" in why for why in session(source))
    assert all("helper changed" in why for why in session(source.replace("return x", "return 1.0 * x")))


def test_going_back_to_what_was_trained_before_trains_nothing(pytester, project):
    project()
    edit("conf/model.yaml", "3", "4")(pytester)
    edit("net.py", "return x", "return -x")(pytester)
    assert project()[0] == 10
    edit("conf/model.yaml", "4", "3")(pytester)
    edit("net.py", "return -x", "return x")(pytester)
    assert project() == (0, "")


NAMED = """
from pathlib import Path

CONF = Path(__file__).parent / "net.yaml"

def load():
    return [0.1, 0.2], {"train": [1, 2], "test": Path(__file__).parent / "images"}

def train(run, *, conf=None):
    values, paths = run.data
    size = len(CONF.read_text()) + len((paths["test"] / "one.txt").read_text())
    return {"auc": 0.5 + sum(values) + size / 1000 + run.rng("noise").normal() / 100}

def test_a(arm):
    assert arm(train, conf=CONF).using(data=load)["auc"] > 0.3
"""


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("net.yaml", "width: 3", "width: 4", "net.yaml changed (CONF, conf)"),
        ("images/one.txt", "x", "y", "images/one.txt changed"),
        ("test_named.py", "0.1, 0.2", "0.1, 0.3", "load()[0][1] changed"),
        ("test_named.py", '"train": [1, 2]', '"train": [1, 2, 3]', "load()[1]['train'] changed"),
    ],
)
def test_the_file_or_item_that_changed_is_named(pytester, monkeypatch, file, old, new, says):
    # Paths below pytest's own temporary folder are refused as parameters: let it be another one.
    monkeypatch.setattr("tempfile.tempdir", str(pytester.mkdir("temporary")))
    pytester.makeini("[pytest]\naddopts = -p no:randomly -p no:hypothesispytest\nmlops_amp = off\n")
    pytester.mkdir("images").joinpath("one.txt").write_text("x")
    (pytester.path / "net.yaml").write_text("width: 3")
    pytester.makepyfile(test_named=NAMED)

    def trained():
        pytester.runpytest_inprocess("--mlops").assert_outcomes(passed=1)
        report = json.loads((pytester.path / "mlops-report" / "report.json").read_text(encoding="utf-8"))
        return report["session"]["trained"], report["claims"][0]["why"]

    assert trained()[0] == 5
    assert trained() == (0, [])
    changed = pytester.path / file
    changed.write_text(changed.read_text().replace(old, new))
    count, (why,) = trained()
    assert count == 5
    assert why.endswith(f": {says}")
