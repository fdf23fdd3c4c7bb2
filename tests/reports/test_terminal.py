from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlops.reports.markdown import markdown
from pytest_mlops.reports.model import Gate
from pytest_mlops.reports.terminal import summary
from pytest_mlops.reports.text import columns
from pytest_mlops.reports.wording import is_bad


def _text(report, **options) -> str:
    values = {"width": 80, "unicode": True, "verbosity": 0, "path": "mlops-report/report.md", **options}
    return "\n".join(text for text, _ in summary(report, **values))


def test_summary_at_80_columns(make_report) -> None:
    assert _text(make_report()) == SUMMARY


def test_without_unicode_the_summary_is_ascii(make_report) -> None:
    text = _text(make_report(), unicode=False)
    assert text.isascii()
    assert ".0........|.....[----------*----------]." in text


def test_verdicts_are_coloured(make_report) -> None:
    markup = {
        text.split()[0]: m for text, m in summary(make_report(), width=80, unicode=True) if text[:1].isupper()
    }
    assert markup["PASS"] == {"green": True, "bold": True}
    assert markup["FAIL"] == {"red": True, "bold": True}
    assert markup["UNDECIDED"] == {"yellow": True, "bold": True}


def test_passed_parts_are_folded_unless_asked_for(make_report) -> None:
    assert "auc/siteA" not in _text(make_report())
    assert "auc/siteA" in _text(make_report(), verbosity=1)


def test_many_claims_say_how_many_would_pass_by_chance(make_report) -> None:
    report = make_report()
    assert "by chance" not in _text(report)
    report.claims = report.claims * (20 // len(report.claims))
    expected = sum(claim.alpha for claim in report.claims if claim.verdict != "ERROR")
    assert expected > 0.5
    line = f"up to {expected:.2g} of them would PASS by chance"
    assert line in " ".join(_text(report).split())
    assert line in " ".join(markdown(report).split())


def test_a_report_without_claims_says_so(make_report) -> None:
    text = _text(make_report(claims=[], gates=[], failed_runs=[], messages=[]))
    assert text.startswith("no claim was asked\n36 training runs: 24 trained, 12 reused")


def test_printed_lines_cannot_command_the_terminal_or_ci(make_report, make_failed_run) -> None:
    report = make_report(failed_runs=[make_failed_run(output="::error::x\n\x1b[2Jwiped\r::stop-commands::y")])
    text = _text(report)
    assert "\x1b" not in text
    assert not any(row.lstrip().startswith("::") for row in text.splitlines())


def test_long_names_are_wrapped_and_never_cut(make_report, make_claim) -> None:
    name = "tests/deep/test_liver.py::TestLiver::test_" + "very_" * 30 + "long[AttentionUNet-lr=0.0003]"
    claim = make_claim(test=name, statement=f'candidate["{"dice/" * 40}"] > baseline["x"]')
    text = _text(make_report(claims=[claim]))
    joined = "".join(text.split())
    assert name in joined
    assert "".join(claim.statement.split()) in joined
    assert max(columns(row) for row in text.splitlines()) <= 80


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data(), st.integers(60, 200), st.booleans(), st.integers(0, 2))
def test_any_report_fits_the_width_and_names_every_claim(any_report, data, width, unicode, verbosity) -> None:
    report = data.draw(any_report)
    rows = [text for text, _ in summary(report, width=width, unicode=unicode, verbosity=verbosity)]
    assert max(columns(row) for row in rows) <= width
    assert not any("\n" in row or "\x1b" in row for row in rows)
    assert sum(row.startswith(("PASS", "FAIL", "UNDECIDED")) for row in rows) >= len(report.claims)


def test_a_failure_that_its_gate_expects_is_said_to_be_expected_and_is_not_bad(
    make_report, make_claim
) -> None:
    claim = make_claim(id="t.py::test_a", test="t.py::test_a", verdict="FAIL")
    report = make_report(
        claims=[claim], gates=[Gate(test=claim.test, outcome="xfailed", seconds=1.0, claims=[claim.id])]
    )
    text = _text(report)
    assert "(expected: xfail)" in text
    assert "1 claim: 1 FAIL (expected)" in text
    assert not is_bad(report)
    assert "FAIL (expected)" in markdown(report)
    assert "What did not pass" not in markdown(report)


@given(st.lists(st.text("abcdefgh:/[]-", min_size=1, max_size=60), min_size=1, max_size=4))
def test_every_claim_is_named_with_its_id(make_report, make_claim, ids) -> None:
    report = make_report(claims=[make_claim(id=name) for name in ids])
    joined = "".join(_text(report).split())
    assert all(name in joined for name in ids)


SUMMARY = """\
PASS       tests/test_gates.py::test_label_smoothing_helps (c1) line 14
           candidate["auc"] > baseline["auc"] + 0.005
           +0.0143 [+0.0081, +0.0205]  ·0········┃·····├──────────●──────────┤·
           margin 0.0050, 7 of 30 seeds, p 0.012, 8 trained, 6 reused, 41 s
           crossed the efficacy boundary after 7 seeds
           holds for new seeds, on these cases; sequential t-test, alpha 0.05,
           90% interval; 7 seeds without a collapse cannot exclude one on up to
           35% of seeds

UNDECIDED  tests/test_gates.py::test_no_worse (c2) line 31
           candidate["auc/*"] > baseline["auc/*"] - 0.01
           margin -0.0100, 30 of 30 seeds, 8 trained, 6 reused, 41 s
           1 of 3 parts is undecided after 30 seeds
           sequential t-test, alpha 0.05, 90% interval
           → about 55 seeds would decide this margin: --mlops-max-seeds=55
           3 parts: 1 PASS, 1 FAIL, 1 UNDECIDED
             UNDECIDED auc/siteB
             -0.0020 [-0.0130, +0.0090] ··················├─┃──────●─0──────┤···
             12 seeds, p 0.12: 30 seeds are the maximum
             FAIL      auc/siteC
             -0.0220 [-0.0330, -0.0120] ·├────────●────────┤┃········0··········
             12 seeds, p 0.12: stopped for futility

FAIL       tests/test_gates.py::test_bar[resnet50] (c3) line 44
           candidate["auc"] > 0.9
           0.873 [0.861, 0.885]        ·├──────────●───────────┤·············┃·
           bar 0.900, 5 of 30 seeds, p >0.99, 8 trained, 6 reused, 41 s
           stopped for futility, and the estimate lies below the bar
           judged for new seeds, on these cases; sequential t-test, alpha 0.05,
           90% interval
           → the arm does not reach 0.9
           note: 2 pairs beyond the deciding one were kept, not used

           ├─●─┤ estimate and interval   ┃ margin   0 zero   ◂ ▸ no limit

Failed training runs
  train(lr=0.1), seed 3
    FloatingPointError: loss is NaN in epoch 2
    │ epoch 1: loss 0.43
    │ epoch 2: loss nan
    │ Traceback (most recent call last):
    │ FloatingPointError: loss is NaN in epoch 2

Messages
  gate tests/test_gates.py::test_empty: this gate asked no claim
  warning: bf16 autocast is slow here: amp = off is faster

3 claims: 1 PASS, 1 FAIL, 1 UNDECIDED
36 training runs: 24 trained, 12 reused; 44 s spent, 2 min 8 s saved
report: mlops-report/report.md"""


def test_why_runs_were_trained_is_shown_when_asked_to_be_verbose(make_report, make_claim) -> None:
    report = make_report(claims=[make_claim(why=["train(): \x1b[31mnet.py changed"])])
    quiet, verbose = (
        "\n".join(row for row, _ in summary(report, width=80, unicode=True, verbosity=verbosity))
        for verbosity in (0, 1)
    )
    assert "net.py changed" not in quiet
    assert "trained: train(): net.py changed" in verbose
