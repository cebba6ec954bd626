"""Everything the suite can do to a machine, recorded, replayed and printed as a program that does the same."""

from __future__ import annotations

import pytest

from kit.journals import recorded, run_script, story
from kit.scenarios import SCENARIOS


@pytest.mark.parametrize(("routine", "status"), SCENARIOS, ids=lambda value: str(value))
def test_replay_and_script(routine: str, status: str) -> None:
    journals = recorded(SCENARIOS[routine, status])
    assert journals
    for found in journals:
        replay = found.replay()
        assert replay.ok, replay.difference
        assert replay.sealed
        assert any(record.name == routine for record in found.records())
        assert story(run_script(found.script())) == story(found)


def test_every_routine_is_there() -> None:
    from storsim.journal import operations

    routines = {row.name for row in operations() if row.family == 0}
    assert {name for name, _ in SCENARIOS} <= routines
