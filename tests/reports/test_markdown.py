# ruff: noqa: E501, RUF001 - a table's row is one line
from __future__ import annotations

import cmarkgfm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_mlops.reports.families import has_table, in_order, rows_of
from pytest_mlops.reports.markdown import LIMIT, markdown
from pytest_mlops.reports.model import Family


def test_markdown_of_a_report(make_report) -> None:
    assert markdown(make_report()) == MARKDOWN


def test_the_verdict_comes_first(make_report, make_claim) -> None:
    assert markdown(make_report()).startswith(
        "### \u274c pytest-mlops: 3 claims: 1 PASS, 1 FAIL, 1 UNDECIDED\n"
    )
    good = make_report(claims=[make_claim()], gates=[])
    assert markdown(good).startswith("### \u2705 pytest-mlops: 1 claim: 1 PASS\n")


def test_every_claim_has_a_row_of_eight_cells(make_report) -> None:
    page = cmarkgfm.github_flavored_markdown_to_html(markdown(make_report()))
    table = page.partition("</table>")[0]
    assert table.count("<tr>") == 1 + 3
    assert table.count("<td") == 3 * 8


def test_a_report_too_long_for_a_comment_is_cut_between_sections(
    make_report, make_claim, make_failed_run
) -> None:
    claims = [make_claim(id=f"c{i}", verdict="FAIL", reason="long " * 40) for i in range(400)]
    runs = [make_failed_run(output="x\n" * 500, seed=i) for i in range(100)]
    text = markdown(make_report(claims=claims, failed_runs=runs))
    assert len(text.encode()) <= LIMIT
    assert text.count("<details>") == text.count("</details>")
    assert text.count("```") % 2 == 0
    assert "more claims: see `report.json`." in text
    assert "sections left out for length" in text


def test_a_report_without_anything_is_still_markdown(make_report) -> None:
    text = markdown(make_report(claims=[], gates=[], arms=[], failed_runs=[], messages=[]))
    assert "no claim was asked" in text
    assert "To reproduce" in text


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_any_report_keeps_its_table_and_its_folds(any_report, data) -> None:
    report = data.draw(any_report)
    text = markdown(report)
    page = cmarkgfm.github_flavored_markdown_to_html(text, 1 << 17)
    shown = list(in_order(report))
    families = [one for one in shown if isinstance(one, Family)]
    families = [one for one in families if has_table(one, rows_of(one, report.claims))]
    tables = [len(report.claims) > 0, *(len(c.parts) > 0 for c in report.claims), len(report.arms) > 0]
    tables += [True for _ in families]
    assert page.count("<table>") == sum(tables)
    assert page.count("<details>") == page.count("</details>") == text.count("<details>")
    cells = 8 * len(shown) + 7 * sum(len(c.parts) for c in report.claims) + 6 * len(report.arms)
    cells += 7 * sum(len(rows_of(family, report.claims)) for family in families)
    assert page.count("<td") == cells


MARKDOWN = """\
### ❌ pytest-mlops: 3 claims: 1 PASS, 1 FAIL, 1 UNDECIDED

<sub>report of 2030-05-04 10:12 UTC</sub>

| Verdict | Claim | Estimate | Interval | Margin | n | p | Training runs |
| :-- | :-- | --: | :-- | --: | --: | --: | :-- |
| ✅&nbsp;PASS | `candidate["auc"] > baseline["auc"] + 0.005`<br><sub>c1: `tests/test_gates.py::test_label_smoothing_helps` line 14</sub> | +0.0143 | `·0····┃··├──────●─────┤·`<br>[+0.0081,&nbsp;+0.0205] | 0.0050 | 7&nbsp;of&nbsp;30 | 0.012 | 8 trained, 6 reused, 41 s |
| ❔&nbsp;UNDECIDED | `candidate["auc/*"] > baseline["auc/*"] - 0.01`<br><sub>c2: `tests/test_gates.py::test_no_worse` line 31<br>3 parts: 1 PASS, 1 FAIL, 1 UNDECIDED</sub> | – | – | −0.0100 | 30&nbsp;of&nbsp;30 | – | 8 trained, 6 reused, 41 s |
| ❌&nbsp;FAIL | `candidate["auc"] > 0.9`<br><sub>c3: `tests/test_gates.py::test_bar[resnet50]` line 44</sub> | 0.873 | `·├──────●─────┤·······┃·`<br>[0.861,&nbsp;0.885] | 0.900 | 5&nbsp;of&nbsp;30 | &gt;0.99 | 8 trained, 6 reused, 41 s |

#### What did not pass, and why

**UNDECIDED** `candidate["auc/*"] > baseline["auc/*"] - 0.01` (`tests/test_gates.py::test_no_worse`)

- 1 of 3 parts is undecided after 30 seeds
- What to do: about 55 seeds would decide this margin: --mlops-max-seeds=55
- UNDECIDED `auc/siteB`: 30 seeds are the maximum
- FAIL `auc/siteC`: stopped for futility

**FAIL** `candidate["auc"] > 0.9` (`tests/test_gates.py::test_bar[resnet50]`)

- stopped for futility, and the estimate lies below the bar
- What to do: the arm does not reach 0.9
- Note: 2 pairs beyond the deciding one were kept, not used

Gate `tests/test_gates.py::test_empty` failed: this gate asked no claim

<details><summary>Failed training run: train(lr=0.1), seed 3: FloatingPointError</summary>

loss is NaN in epoch 2

Last lines of its traceback:

```text
Traceback (most recent call last):
FloatingPointError: loss is NaN in epoch 2
```

Last lines of its output:

```text
epoch 1: loss 0.43
epoch 2: loss nan
```

</details>

- **warning**: bf16 autocast is slow here: amp = off is faster

<details><summary>candidate[&quot;auc/*&quot;] &gt; baseline[&quot;auc/*&quot;] - 0.01: 3 parts: 1 PASS, 1 FAIL, 1 UNDECIDED</summary>

| Verdict | Part | Estimate | Interval | n | p | Why |
| :-- | :-- | --: | :-- | --: | --: | :-- |
| ✅&nbsp;PASS | `auc/siteA` | +0.0040 | `············┃··├─0─●──┤·`<br>[−0.0030,&nbsp;+0.0110] | 12 | 0.12 | crossed the efficacy boundary |
| ❔&nbsp;UNDECIDED | `auc/siteB` | −0.0020 | `···········├┃───●0───┤··`<br>[−0.0130,&nbsp;+0.0090] | 12 | 0.12 | 30 seeds are the maximum |
| ❌&nbsp;FAIL | `auc/siteC` | −0.0220 | `·├────●────┤┃····0······`<br>[−0.0330,&nbsp;−0.0120] | 12 | 0.12 | stopped for futility |

</details>

36 training runs: 24 trained, 12 reused; 44 s spent, 2 min 8 s saved; the session took 1 min 2 s.

<details><summary>Why training runs were trained</summary>

- `c1`: train(): net.py changed; train(lr=0.1): no run of seeds 5 to 7
- `c2`: train(): net.py changed; train(lr=0.1): no run of seeds 5 to 7
- `c3`: train(): net.py changed; train(lr=0.1): no run of seeds 5 to 7

</details>

<details><summary>1 arm</summary>

| Arm | Function | Parameters | Data | Training runs | Mean time |
| :-- | :-- | :-- | :-- | --: | --: |
| `train()` | `gates.train` | `lr=0.001`, `net=Net` | – | 18 | 2.1&nbsp;s |

</details>

<details><summary>Provenance: versions, device, alpha, seeds, how to reproduce</summary>

- Version: pytest-mlops 0.1
- Started: 2030-05-04T10:11:12Z
- Python: 3.12.1
- Platform: Linux x86_64
- Device: cpu
- Precision: bf16
- `c1`: holds for new seeds, on these cases; sequential t-test, alpha 0.05, 90% interval; 7 seeds without a collapse cannot exclude one on up to 35% of seeds, power 0.9; seeds 0 to 6
- `c2`: sequential t-test, alpha 0.05, 90% interval, power 0.9; seeds 0 to 6
- `c3`: judged for new seeds, on these cases; sequential t-test, alpha 0.05, 90% interval, power 0.9; seeds 0 to 4
- Environment: torch 2.8.0
- How to read the bars: `├─●─┤ estimate and interval   ┃ margin   0 zero   ◂ ▸ no limit`

To reproduce:

```text
python -m pytest --mlops tests/test_gates.py
```

</details>
"""
