"""The campaign's pictures and pages: what they show is what the report holds."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import matplotlib
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex

from kit.campaign import plan
from seeing.test_viz import _check
from storsim import viz
from storsim.campaign import Report, merge, run_shard
from storsim.campaign.report import fragment, page, text


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def report() -> Report:
    """A driver machine with a bug."""
    small = plan("Leaky", shards=1, programs=30, round=15)
    found = merge(small, [run_shard(small, 0)])
    assert found.findings
    return found


def _texts(ax: Any) -> set[str]:
    return {one.get_text() for one in ax.texts}


def test_the_curve_is_the_report_s(report: Report) -> None:
    ax = viz.behaviours_over_programs(report)
    _check(ax, units=False)
    assert [list(one) for one in ax.lines[0].get_xydata()] == report.curve
    marks = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "v"]
    assert [mark[0] for mark in marks] == [finding["at"] for finding in report.findings]
    assert ax.get_xlabel().startswith("programs (number")
    assert ax.get_ylabel() == "behaviours (number)"


def test_campaigns_side_by_side(report: Report) -> None:
    slow = Report(report.plan, curve=[[0, 0], [20, 3], [70, 4], [100, 4]])
    ax = viz.behaviours_over_programs({"with faults": report, "without": slow})
    _check(ax, units=False)
    assert ax.get_xscale() == "linear"
    legend = [one.get_text() for one in ax.get_legend().get_texts()]
    assert legend == ["with faults", "without", "a finding, first time"]


def test_a_curve_that_was_flat_early_is_logarithmic() -> None:
    flat = Report(plan("Leaky"), curve=[[0, 0], [1, 5], [3, 9], [1000, 9]])
    assert viz.behaviours_over_programs(flat).get_xscale() == "log"


def test_an_empty_campaign_has_an_empty_curve() -> None:
    _check(viz.behaviours_over_programs(Report(plan("Leaky"), curve=[[0, 0]])), units=False)


@pytest.mark.parametrize("of", ["rules", "routines"])
def test_the_heat_map_says_every_number(report: Report, of: str) -> None:
    ax = viz.outcomes(report, of=of)
    _check(ax, units=False)
    rows = [one.get_text() for one in ax.get_yticklabels()]
    if of == "rules":
        assert rows == sorted({rule for rule, _ in report.rules})
        assert len(ax.patches) == len(report.rules)
        assert _texts(ax) >= {str(count) for count in report.rules.values() if count < 1000}
    else:
        table = report.behaviours.table()
        assert set(rows) == {line.routine or "outside of routines" for line in table}
        assert len(ax.patches) == len({(line.routine, line.outcome) for line in table})
    legend = {one.get_text(): to_hex(patch.get_facecolor()) for one, patch in zip(
        ax.get_legend().get_texts(), ax.get_legend().get_patches(), strict=True)}  # fmt: skip
    assert len(set(legend.values())) == 2


def test_many_outcomes_stay_readable() -> None:
    rules = {
        (f"rule_number_{row}", f"OUTCOME_WITH_A_LONG_NAME_{column}"): 10 ** (row + column)
        for row in range(5)
        for column in range(9)
        if (row + column) % 3
    }
    ax = viz.outcomes(Report(plan("Leaky"), rules=rules))
    _check(ax, units=False)
    assert {"10", "100", "10k", "10M"} <= _texts(ax)


def test_what_cannot_be_drawn_is_said(report: Report) -> None:
    with pytest.raises(ValueError, match="choose 'rules' or 'routines'"):
        viz.outcomes(report, of="days")
    with pytest.raises(ValueError, match="the campaign saw no rules; a function as target has no rules"):
        viz.outcomes(Report(plan("Leaky")))


# --- text and HTML --------------------------------------------------------------------------------------------------


def test_the_text_tells_everything(report: Report) -> None:
    lines = text(report)
    assert lines == str(report)
    assert f"Campaign {report.plan.hash} of drivers.py:Leaky, seed 0" in lines
    assert "1. violation POOL_LEAK, from Leaky.bring_up" in lines
    assert f"{report.findings[0]['count']} times" in lines
    assert "Fix: " in lines
    for rule, _ in report.rules:
        assert rule in lines


def test_the_page_is_whole_and_needs_nothing_else(report: Report) -> None:
    whole = page(report)
    assert whole.startswith("<!doctype html>")
    assert "http" not in whole.replace("http-equiv", "")
    assert "<script" not in whole
    ElementTree.fromstring(fragment(report).replace("&nbsp;", " "))
    assert report._repr_html_() == fragment(report)
    assert "POOL_LEAK" in whole
    assert "behaviours over programs" in whole


def test_names_are_escaped() -> None:
    finding = {
        "key": "exception|Bad<Error>|||f", "message": "<b>&", "count": 1, "first": [0, 1], "lines": ["x < y & z"],
        "kind": "exception", "example": "", "at": 1,
    }  # fmt: skip
    bad = Report(plan("Leaky"), findings=[finding], rules={("<rule>", "a & b"): 3}, curve=[[0, 0], [1, 1]])
    made = fragment(bad)
    ElementTree.fromstring(made)
    assert "<b>&" not in made
    assert "&lt;rule&gt;" in made


def test_an_empty_campaign_says_so() -> None:
    empty = Report(plan("Leaky"))
    assert "Nothing found." in text(empty)
    assert "not complete" in text(empty)
    ElementTree.fromstring(fragment(empty))
