"""Why a run was trained: the sentence names what differs from the nearest experiment before."""

import json
from dataclasses import replace

import pytest

from pytest_mlops.claims.why import SEEDS_ONLY, why
from pytest_mlops.records import Details, RunKey

KEY = RunKey(
    function="test_net:train",
    code="c1",
    parameters=json.dumps({"lr": "0.1", "net": '{"code": "m:Net"}', "size": "[1, 2]"}),
    data="d1",
    environment=json.dumps(
        {"device": "cpu", "threads": "2", "torch": "2.13.0", "packages": {"numpy": "2.4", "torch": "2.13.0"}}
    ),
    seed=7,
)
DETAILS = Details(
    code={"test_net:train": "1", "net": "1", "net:Net": "1", "pkg": "1", "pkg.loss": "1"},
    data={"data/labels.json": "1", "data/images": "1"},
)


def relative(**changed):
    return replace(KEY, seed=0, **changed)


def code(**changed):
    names = {name.replace("__", ":"): value for name, value in changed.items()}
    return replace(DETAILS, code={**DETAILS.code, **names})


def environment(**changed):
    return json.dumps({**json.loads(KEY.environment), **changed})


def test_without_kin_it_is_the_first_run():
    assert why(KEY, DETAILS, []) == "first run of this function"


def test_the_same_experiment_lacks_this_seed_only():
    assert why(KEY, DETAILS, [(relative(), DETAILS)]) == SEEDS_ONLY


@pytest.mark.parametrize(
    ("old", "details", "says"),
    [
        ({"code": "c0"}, code(net="0", net__Net="0"), "net.py changed"),
        ({"code": "c0"}, code(test_net__train="0"), "train changed"),
        ({"code": "c0"}, code(pkg="0"), "pkg/__init__.py changed"),
        ({"code": "c0"}, code(**{"pkg.loss": "0"}), "pkg/loss.py changed"),
        ({"code": "c0"}, code(helper="0"), "helper.py is gone"),
        ({"code": "c0"}, Details(), "code changed"),
        (
            {"parameters": '{"lr": "0.01", "net": "{\\"code\\": \\"m:Net\\"}", "size": "[1, 2]"}'},
            DETAILS,
            "lr was 0.01",
        ),
        (
            {"parameters": '{"lr": "0.1", "net": "{\\"code\\": \\"m:Old\\"}", "size": "[1, 2]"}'},
            DETAILS,
            "net changed",
        ),
        ({"parameters": '{"lr": "0.1", "net": "{\\"code\\": \\"m:Net\\"}"}'}, DETAILS, "size is new"),
        (
            {"data": "d0"},
            replace(DETAILS, data={"data/labels.json": "0", "data/images": "1"}),
            "data/labels.json changed",
        ),
        ({"data": "d0"}, replace(DETAILS, data={"data/labels.json": "1"}), "data/images is new"),
        ({"data": "d0"}, Details(code=DETAILS.code), "data/labels.json is new, data/images is new"),
        ({"environment": environment(device="cuda")}, DETAILS, "other device: cpu, before cuda"),
        ({"environment": environment(threads="1")}, DETAILS, "threads 2, before 1"),
        (
            {"environment": environment(torch="2.12.1", packages={"numpy": "2.4", "torch": "2.12.1"})},
            DETAILS,
            "torch 2.13.0, before 2.12.1",
        ),
    ],
)
def test_what_changed_is_named(old, details, says):
    assert why(KEY, DETAILS, [(relative(**old), details)]) == says


def path(name, content):
    return {"path": name, "content": content}


def test_a_file_behind_a_parameter_or_constant_is_named():
    new = json.dumps(
        {"conf": json.dumps(path("conf/net.yaml", "new")), "more": json.dumps([path("a", "1"), 2])}
    )
    old = json.dumps(
        {"conf": json.dumps(path("conf/net.yaml", "old")), "more": json.dumps([path("a", "1"), 2])}
    )
    key = replace(KEY, parameters=new)
    assert why(key, DETAILS, [(relative(parameters=old), DETAILS)]) == "conf/net.yaml changed (conf)"
    other = json.dumps(
        {"conf": json.dumps(path("conf/old.yaml", "x")), "more": json.dumps([path("a", "1"), 2])}
    )
    assert why(key, DETAILS, [(relative(parameters=other), DETAILS)]) == "conf was 'conf/old.yaml'"
    constant = {"net:CONF": "1", "conf/net.yaml (net:CONF)": "1"}
    now = replace(DETAILS, code=constant)
    before = replace(DETAILS, code=dict.fromkeys(constant, "0"))
    assert why(KEY, now, [(relative(code="c0"), before)]) == "conf/net.yaml changed (CONF)"
    both = [(relative(code="c0", parameters=old), before)]
    assert why(key, now, both) == "conf/net.yaml changed (CONF, conf)"


def test_what_a_loader_returned_is_named_by_its_item():
    now = Details(data={"load()[0]": "1", "load()[1]": "1"})
    before = Details(data={"load()[0]": "1", "load()[1]": "0"})
    assert why(KEY, now, [(relative(data="d0"), before)]) == "load()[1] changed"
    whole = why(KEY, Details(data={"load()": "1"}), [(relative(data="d0"), Details(data={"load()": "0"}))])
    assert whole == "what load() returned changed"


def test_the_nearest_relative_speaks():
    far = (relative(code="c0", environment=environment(device="cuda")), code(net="0"))
    near = (relative(environment=environment(threads="1")), DETAILS)
    assert why(KEY, DETAILS, [far, near]) == "threads 2, before 1"


def test_many_differences_are_counted_and_long_values_cut():
    parameters = json.dumps({**json.loads(KEY.parameters), "lr": json.dumps("x" * 500)})
    old = relative(
        parameters=parameters, environment=environment(device="cuda", threads="1", torch="1", machine="arm")
    )
    sentence = why(KEY, DETAILS, [(old, DETAILS)])
    assert sentence.endswith("and 2 more")
    assert len(sentence) < 200
