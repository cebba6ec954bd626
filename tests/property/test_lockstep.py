"""The core against the naive model, step by step, under every placement policy."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from kit.lockstep import Lockstep
from storsim import Placement


@pytest.mark.parametrize("placement", list(Placement), ids=lambda placement: placement.name.lower())
def test_lockstep(placement: Placement) -> None:
    machine = type("Lockstep" + placement.name.title(), (Lockstep,), {"placement": placement})
    run_state_machine_as_test(machine, settings=settings())
