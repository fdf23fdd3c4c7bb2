from __future__ import annotations

from pytest_mlops.reports.evidence import evidence


def test_evidence_has_verdict_numbers_reason_and_remedy(make_report) -> None:
    assert (
        evidence(make_report().claims[2])
        == """\
FAIL: candidate["auc"] > 0.9
  estimate 0.873 [0.861, 0.885], bar 0.900, 5 of 30 seeds, p >0.99, 8 trained, 6 reused
  ·├──────────●───────────┤·············┃·
  why: stopped for futility, and the estimate lies below the bar
  to do: the arm does not reach 0.9
  note: 2 pairs beyond the deciding one were kept, not used"""
    )


def test_evidence_lists_the_parts_that_did_not_pass(make_report) -> None:
    text = evidence(make_report().claims[1])
    assert "UNDECIDED auc/siteB: -0.0020 [-0.0130, +0.0090], 30 seeds are the maximum" in text
    assert "siteA" not in text


def test_evidence_shows_the_failed_runs_of_its_own_arms(make_claim, make_failed_run) -> None:
    claim = make_claim(verdict="UNDECIDED", estimate=None)
    other = make_failed_run(arm="elsewhere", label="other")
    text = evidence(claim, failed_runs=[make_failed_run(), other], unicode=False)
    assert "failed training run: train(lr=0.1), seed 3" in text
    assert "    | epoch 2: loss nan" in text
    assert "other" not in text
    assert text.isascii()


def test_evidence_of_many_failed_runs_stays_short(make_claim, make_failed_run) -> None:
    text = evidence(make_claim(verdict="UNDECIDED"), failed_runs=[make_failed_run(seed=s) for s in range(9)])
    assert "and 6 more failed training runs" in text
