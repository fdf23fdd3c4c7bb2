"""Published training runs of a public speed record, judged at no GPU-second: whose conclusions hold, and after how many runs.

Numbers: github.com/KellerJordan/modded-nanogpt at commit f411b3d346aa52d3504324ca93c230fd84c6c07f, MIT licence, Copyright (c)
2024 Keller Jordan. Each row of the CSV files names the log or page that it was copied from; nothing was left out or rounded.
"""

from pathlib import Path

import pytest

HERE = Path(__file__).parent
TARGET = 3.28  # validation loss that a record has to reach, shown with p < 0.01


def mudd(arm, variant, steps):
    where = {"variant": variant, "steps": steps}
    return arm.recorded.from_csv(HERE / "mudd.csv", metrics=["val_loss"], where=where)


def record(arm, name):
    return arm.recorded.from_csv(HERE / "target.csv", metrics=["val_loss"], where={"record": name})


# --- the record of 22 April 2026: connections between layers (MUDD), ten training runs of each of six variants


@pytest.mark.mlops(alpha=0.01, max_seeds=10)
def test_the_record_reaches_the_target(arm):
    assert mudd(arm, "v3", 1415)["val_loss"] < TARGET


def test_the_connections_lower_the_loss_at_equal_steps(arm):
    assert mudd(arm, "v1", 1430)["val_loss"] < mudd(arm, "baseline", 1430)["val_loss"]


def test_the_second_version_is_better_than_the_first_at_equal_steps(arm):
    assert mudd(arm, "v2", 1415)["val_loss"] < mudd(arm, "v1", 1415)["val_loss"]


@pytest.mark.xfail(strict=True, reason="the claim is false: fewer steps alone miss the target")
def test_fewer_steps_alone_reach_the_target(arm):
    assert mudd(arm, "baseline", 1430)["val_loss"] < TARGET


@pytest.mark.mlops(undecided="warn")
def test_the_third_version_is_better_than_the_second(arm):
    assert mudd(arm, "v3", 1415)["val_loss"] < mudd(arm, "v2", 1415)["val_loss"]


# --- three records that published longer series against the target


@pytest.mark.mlops(alpha=0.01, max_seeds=40, undecided="warn")
def test_value_embeddings_reach_the_target(arm):
    assert record(arm, "ValueEmbed")["val_loss"] < TARGET


@pytest.mark.mlops(alpha=0.01, max_seeds=81)
def test_a_smaller_batch_reaches_the_target(arm):
    assert record(arm, "BatchSize")["val_loss"] < TARGET


@pytest.mark.mlops(alpha=0.01, max_seeds=80, undecided="warn")
def test_a_lower_softcap_reaches_the_target(arm):
    assert record(arm, "SoftCap")["val_loss"] < TARGET
