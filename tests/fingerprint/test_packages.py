"""Versions of installed packages: what a key has to have of code that is nobody's here."""

import base64
import hashlib
import json

import pytest

from pytest_mlops.fingerprint import packages


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts a distribution with one module into a folder of installed packages, as pip does."""
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(folder)

    def put(name, *, version="1.0", requires=(), source="", origin=None):
        module = folder / f"{name.replace('-', '_')}.py"
        info = folder / f"{module.stem}-{version}.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        module.write_text(source)
        needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        )
        digest = base64.urlsafe_b64encode(hashlib.sha256(source.encode()).digest()).decode().rstrip("=")
        cached = f"__pycache__/{module.stem}.cpython-311.pyc,,"
        info.joinpath("RECORD").write_text(
            f"{cached}\n{module.name},sha256={digest},{len(source)}\n{info.name}/METADATA,,\n"
        )
        info.joinpath("top_level.txt").write_text(f"{module.stem}\n")
        if origin is not None:
            info.joinpath("direct_url.json").write_text(json.dumps(origin))
        for one in (packages._distributions, packages._version, packages._needed, packages._is_installed):
            one.cache_clear()

    yield put
    for one in (packages._distributions, packages._version, packages._needed, packages._is_installed):
        one.cache_clear()


def test_what_a_package_needs_counts_with_its_version(install):
    install("mlbase", version="2.1")
    install("ml-middle", version="3.0", requires=["mlbase>=2", "not-there-at-all", "mlopt; extra == 'fast'"])
    install("mltop", requires=["ml_middle", "mlwin; sys_platform == 'none'"])
    install("mlopt")
    install("mlwin")
    assert packages.versions(["mltop"]) == {"ml-middle": "3.0", "mlbase": "2.1", "mltop": "1.0"}


def test_what_an_extra_needs_counts_where_the_extra_is_asked_for(install):
    install("mlopt", version="0.7")
    install("ml-middle", requires=["mlopt; extra == 'fast'"])
    install("mltop", requires=["ml-middle[fast]"])
    assert packages.versions(["mltop"]) == {"ml-middle": "1.0", "mlopt": "0.7", "mltop": "1.0"}


def test_packages_that_need_each_other_are_no_endless_loop(install):
    install("mla", requires=["mlb", "a broken line of old ((("])
    install("mlb", requires=["mla"])
    assert packages.versions(["mla"]) == {"mla": "1.0", "mlb": "1.0"}


def test_what_computes_nothing_counts_only_where_code_names_it(install):
    install("mltop", requires=["packaging"])
    assert packages.versions(["mltop"]) == {"mltop": "1.0"}
    assert "packaging" in packages.versions(["mltop", "packaging"])


@pytest.mark.parametrize(
    "origin",
    [
        {"url": "file:///project", "dir_info": {}},
        {"url": "https://example.org/mltop", "vcs_info": {"vcs": "git", "commit_id": "0"}},
        {"url": "file:///dist/mltop-1.0-py3-none-any.whl", "archive_info": {}},
    ],
)
def test_a_project_installed_from_a_folder_counts_by_its_content(install, origin):
    install("mltop", source="LR = 0.1\n", origin=origin)
    before = packages.versions(["mltop"])
    install("mltop", source="LR = 0.1\n", origin=origin)
    assert packages.versions(["mltop"]) == before
    install("mltop", source="LR = 0.2\n", origin=origin)
    assert packages.versions(["mltop"]) != before
    assert before["mltop"].startswith("1.0 (content ")


def test_a_package_of_an_index_and_an_editable_one_count_by_their_version(install):
    install("mltop", source="LR = 0.1\n")
    install("mlmine", origin={"url": "file:///project", "dir_info": {"editable": True}})
    assert packages.versions(["mltop", "mlmine"]) == {"mlmine": "1.0", "mltop": "1.0"}
