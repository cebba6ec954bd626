"""The page of checks against the program: every check has its row, and the row says what the machine reports."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import test_audio_checks
import test_checks

from storsim.checks import CHECKS
from storsim.guide.__main__ import PAGES

ROOT = Path(__file__).resolve().parents[2]
ROWS = {check.id: check for check in CHECKS}


def rules() -> dict[str, str]:
    """Names of the kernel's rules with the comment that numbers them, from the source."""
    text = "".join(path.read_text("utf-8") for path in sorted((ROOT / "csrc" / "nt").glob("rules_*.def.h")))
    found = re.findall(r"(?:/\* (H\d+) \*/[ \\\n]*)?X\((\w+),", text)
    return {name: number for number, name in found}


def test_every_check_has_one_row() -> None:
    assert list(ROWS) == [f"V{n}" for n in range(1, 29)] + [f"H{n}" for n in range(1, 14)]
    assert len(CHECKS) == len(ROWS)


def test_the_pages_are_up_to_date() -> None:
    for name, make in PAGES.items():
        assert (ROOT / "storsim" / "guide" / name).read_text("utf-8") == make(), f"run python -m storsim.guide: {name}"


def test_rows_name_rules_of_the_core() -> None:
    known = rules()
    for check in CHECKS:
        assert set(check.rules) <= set(known), check.id
    numbered = {number: name for name, number in known.items() if number}
    assert numbered == {check.id: check.rules[0] for check in CHECKS if check.id.startswith("H")}


@pytest.mark.parametrize("check", test_checks.CHECKS, ids=test_checks.IDS)
def test_rows_say_what_is_reported(check: test_checks.Check) -> None:
    row = ROWS[check.id]
    if check.code is None:
        assert check.violation in row.report or check.violation in row.rules
        return
    stop, _names, _seen = test_checks.run(test_checks.world_of(check), check.bad)
    assert stop is not None
    assert stop.record.name in row.rules
    assert f"0x{stop.code:X}(" in row.report
    marker = stop.parameters[3] if stop.code == 0xC1 else stop.parameters[0]
    if stop.code in (0xC1, 0xC2, 0xC4, 0xE6, 0xF1, 0x19, 0x1A):
        assert f"0x{marker:02X}" in row.report


@pytest.mark.parametrize("check", test_audio_checks.CHECKS, ids=lambda check: check.id)
def test_rows_of_the_audio_findings(check: test_audio_checks.Check) -> None:
    assert ROWS[check.id].report == f"{check.kind} {check.name}"
