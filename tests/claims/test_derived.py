"""Laws of derived arms: what makes two of them the same, and two of their runs."""

import hashlib
import json
from dataclasses import asdict, replace

from hypothesis import given
from hypothesis import strategies as st

from pytest_mlops.claims.arms import Arms
from pytest_mlops.claims.derived import checkpoints
from pytest_mlops.records import RunKey

HASHES = st.text("0123456789abcdef", min_size=1, max_size=8)
KEYS = st.builds(
    RunKey,
    function=st.just("m:train"),
    code=HASHES,
    parameters=st.just("{}"),
    data=HASHES,
    environment=st.just("{}"),
    seed=st.integers(0, 2**31 - 1),
)


def train(run, *, lr=0.1):
    return {"acc": lr}


def quantise(run, *, bits=8):
    return {"acc": bits}


def prune(run):
    return {"acc": 0.5}


@given(KEYS)
def test_keys_of_arms_that_are_not_derived_are_those_from_before_there_were_any(key):
    parts = {name: value for name, value in asdict(key).items() if not name.startswith("upstream")}
    assert key.digest == hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    del parts["seed"]
    assert key.experiment == hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@given(KEYS, HASHES, HASHES, HASHES, HASHES)
def test_what_a_derived_run_went_on_from_is_part_of_its_key(key, arm, run, other_arm, other_run):
    derived = replace(key, upstream=arm, upstream_run=run)
    other = replace(key, upstream=other_arm, upstream_run=other_run)
    assert (derived.digest == other.digest) == ((arm, run) == (other_arm, other_run))
    assert derived.digest != key.digest
    assert derived.experiment != key.experiment


@given(KEYS, HASHES, HASHES, HASHES, st.integers(0, 2**31 - 1))
def test_runs_of_one_derived_arm_are_one_experiment_whatever_runs_they_went_on_from(
    key, arm, run, other, seed
):
    one = replace(key, upstream=arm, upstream_run=run)
    assert one.experiment == replace(one, upstream_run=other, seed=seed).experiment
    assert one.experiment != replace(one, upstream=arm + "0").experiment


@given(
    st.sampled_from([0.1, 0.2]), st.sampled_from([0.1, 0.2]), st.sampled_from([4, 8]), st.sampled_from([4, 8])
)
def test_derived_arms_are_equal_when_both_procedures_are(lr, other_lr, bits, other_bits):
    arm = Arms()
    one, other = (
        arm(train, lr=lr).then(quantise, bits=bits),
        arm(train, lr=other_lr).then(quantise, bits=other_bits),
    )
    assert (one == other) == ((lr, bits) == (other_lr, other_bits))
    assert one != arm(quantise, bits=bits)


def test_defaults_are_bound_and_the_order_of_a_chain_counts():
    candidate = Arms()(train)
    assert candidate.then(quantise) == candidate.then(quantise, bits=8)
    assert candidate.then(quantise).then(prune) != candidate.then(prune).then(quantise)


def test_the_seeds_of_the_upstream_are_those_of_the_derived_arm_unless_it_is_one_run():
    candidate = Arms()(train)
    assert candidate.using(seeds=[3, 4, 5]).then(prune).uses.seeds == (3, 4, 5)
    assert candidate.using(seeds=[3]).then(prune).uses.seeds is None
    assert candidate.using(device="cpu", seeds=[3, 4]).then(prune).uses.device is None


def test_a_label_reads_as_it_was_written():
    candidate = Arms()(train, lr=0.2).using(seeds=[3, 4])
    assert repr(candidate.then(quantise, bits=4).using(device="cpu")) == (
        "train(lr=0.2).using(seeds=(3, 4)).then(quantise, bits=4).using(device='cpu')"
    )


def test_what_is_given_is_the_nearest_checkpoint():
    arm = Arms()
    pretrained = arm(train).using(seeds=[0])
    assert checkpoints(pretrained.then(quantise).then(prune)["acc"] > 0.5) == [pretrained]
    assert checkpoints(arm(train).then(prune)["acc"] > arm(train)["acc"]) == []
    assert checkpoints(pretrained.then(prune)["acc"] > pretrained["acc"]) == [], (
        "that is a fixed arm of the claim"
    )
