"""Programs of bytes under Hypothesis and as the target of a campaign."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import find, given, settings

from storsim import _core
from storsim.campaign import Plan, run_shard
from storsim.campaign.minimise import minimise
from storsim.testing import failures, native, run_bytes

TARGET = "storsim.testing.native:any_program"


@settings(max_examples=60, deadline=None)
@given(data=native.program_bytes())
def test_every_program_runs(data: bytes) -> None:
    run = run_bytes(data)
    assert run.difference is None
    assert run.operations >= sum(byte >= 0xC0 for byte in data) - len(data) // 2


def test_programs_shrink_to_what_is_needed() -> None:
    smallest = find(native.program_bytes(), lambda data: run_bytes(data).calls >= 2, settings=settings(database=None))
    assert run_bytes(smallest).calls >= 2
    assert sum(byte >= 0xC0 for byte in smallest) <= 3
    assert len(smallest) <= 8


def test_a_difference_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    original = _core._run_program

    def differs(data: Any, thorough: bool, journal: bool) -> Any:
        told = original(data, thorough, journal)
        return (*told[:3], "operation 3: the core said 1, the oracle 0", *told[4:])

    monkeypatch.setattr(_core, "_run_program", differs)
    with pytest.raises(failures.DriverFinding, match="ORACLE_DIFFERENCE: operation 3") as caught:
        native.check_program(b"\xc0")
    assert caught.value.name == "ORACLE_DIFFERENCE"


def test_a_campaign_runs_them() -> None:
    plan = Plan(target=TARGET, programs=80, round=40, shards=1)
    result = run_shard(plan, 0)
    assert [one["programs"] for one in result["rounds"]] == [40, 40]
    assert all(not one["findings"] for one in result["rounds"])
    assert sum(one["machines"] for one in result["rounds"]) >= 80
    assert len({number for one in result["rounds"] for number, _ in one["behaviours"]}) > 200


def test_a_kept_program_is_told_as_text() -> None:
    """What is shown for a finding runs as it stands, and shows nothing on a core without the bug."""
    plan = Plan(target=TARGET, programs=1)
    finding = {"kind": "driver", "key": "driver|ORACLE_DIFFERENCE|||", "example": ""}
    assert minimise(plan, finding) == {"lines": [], "tried": False, "attempts": 0}
    native.any_program.hypothesis.inner_test(data=b"\xc1\x01")  # type: ignore[attr-defined]
