"""An idle plugin costs nothing that can be noticed."""

import subprocess
import sys

HEAVY = [
    "torch",
    "scipy",
    "numpy",
    "sqlalchemy",
    "github3",
    "pydicom",
    "rich",
    "click",
    "msgspec",
    "platformdirs",
    "threadpoolctl",
    "psutil",
]

MODULES = """
import sys
def pytest_unconfigure(config):
    with open("modules.txt", "w") as file:
        file.write("\\n".join(sorted(sys.modules)))
"""


def modules_of(pytester, *options):
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=pytester.path,
        check=True,
        capture_output=True,
    )
    return set((pytester.path / "modules.txt").read_text().split())


def test_an_idle_plugin_imports_nothing_heavy_and_few_modules(pytester):
    pytester.makeconftest(MODULES)
    pytester.makepyfile(
        test_many="import pytest\n@pytest.mark.parametrize('i', range(1000))\ndef test_trivial(i): pass\n"
    )
    bare = modules_of(
        pytester, "-p", "no:mlops", "-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:xdist"
    )
    idle = modules_of(pytester, "-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:xdist")
    ours = idle - bare
    assert "pytest_mlops.plugin" in ours
    assert not [name for name in ours if name.partition(".")[0] in HEAVY]
    assert len(ours) <= 15, sorted(ours)
