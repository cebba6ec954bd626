"""The tour that the trust rows make really visits every routine of the table."""

from __future__ import annotations

from typing import Any

import pytest

import storsim
from storsim import _core
from trust.tour import units


def test_every_routine_is_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[Any] = set()
    machines: list[storsim.Machine] = []
    close = storsim.Machine.close

    def look_and_close(pc: storsim.Machine) -> None:
        seen.update(entry.routine for entry in pc.trace)
        close(pc)

    monkeypatch.setattr(storsim.Machine, "close", look_and_close)
    for _name, unit in units():
        unit(machines.append)
    for pc in machines:
        if not pc.closed:
            pc.close()
    names = {row["name"] for row in _core.ddi_table()}
    assert names - seen == set()
