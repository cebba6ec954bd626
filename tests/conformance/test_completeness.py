"""Every (routine, documented status) of the package's DDI table has a scenario that really returns it, and the other
way round.
"""

from __future__ import annotations

from typing import Any

import pytest

import storsim
from kit import ROUTINES, status_of
from kit.outcome import observe
from kit.scenarios import SCENARIOS


def _table() -> list[Any]:
    return [row for row in storsim._core.ddi_table() if row["family"] == "storport"]


def _documented() -> list[tuple[str, str]]:
    return [(row["name"], status["name"]) for row in _table() for status in row["statuses"] if status["documented"]]


def test_the_table_has_every_routine() -> None:
    names = {row["name"] for row in _table()}
    assert set(ROUTINES) | {"StorPortGetUncachedExtension"} <= names


@pytest.mark.parametrize(
    ("routine", "status"), sorted(_documented()), ids=lambda text: text.removeprefix("STOR_STATUS_")
)
def test_documented_status_is_reached(routine: str, status: str) -> None:
    scenario = SCENARIOS.get((routine, status))
    assert scenario is not None, f"no test makes {routine} return {status}"
    assert status_of(scenario()).name == status


@pytest.mark.parametrize(("routine", "status"), sorted(SCENARIOS), ids=lambda text: text.removeprefix("STOR_STATUS_"))
def test_every_scenario_holds_and_is_in_the_table(routine: str, status: str) -> None:
    assert status_of(SCENARIOS[(routine, status)]()).name == status
    rows = {row["name"]: {entry["name"] for entry in row["statuses"]} for row in _table()}
    assert status in rows[routine], f"the table does not list {status} for {routine}"


def test_statuses_outside_the_table_are_never_seen() -> None:
    """What the scenarios of one routine return is in its row."""
    rows = {row["name"]: {entry["name"] for entry in row["statuses"]} for row in _table()}
    for (routine, _status), scenario in SCENARIOS.items():
        assert status_of(scenario()).name in rows[routine]


@pytest.mark.parametrize("routine", ROUTINES.values(), ids=str)
def test_rows_agree_with_the_specification(routine: Any) -> None:
    row = next(row for row in _table() if row["name"] == routine.name)
    assert row["first_os"] == int(storsim.WindowsVersion[routine.first_os])
    assert row["page"], "the documented page is named"
    if routine.irql is not None:
        low, high = routine.irql
        assert (row["irql_min"], min(row["irql_max"], 15)) == (low, high)
    parameters = [parameter["name"] for parameter in row["params"]]
    assert (parameters[0] == "HwDeviceExtension") == routine.takes_extension
    assert set(routine.outputs) <= set(parameters)


def test_the_recorder_records() -> None:
    pc = storsim.Machine("64MiB")
    outcome = observe(pc, lambda: None)
    assert outcome.status is None
    assert outcome.names == []
    assert outcome.bugcheck is None
