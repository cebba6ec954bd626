"""What the driver machines do between the hooks: one failure per step, late DPCs, a device that is told nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.control import current_build_context
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from storsim.storport import *
from storsim.testing import StorageDriverMachine
from storsim.testing.driver import DriverFinding
from storsim.testing.steps import ShrinkingSteps
from storsim.testing.strategies import AdapterConfig, MachineConfig, Transfer, nth_failures


class Plain(StorageDriverMachine):
    """Notes what it was asked to do."""

    late_completions = True
    pieces: Any = None

    def find_adapter(self, config: Any) -> bool:
        self.log: list[Any] = []
        config.Master, config.SrbExtensionSize = 1, 256
        self.shared = StorPortGetUncachedExtension(self.hba, config, 4096)
        return self.shared != 0

    def bring_up(self) -> bool:
        status, self.block = StorPortAllocatePool(self.hba, 64, "Plai")
        return not status

    def request(self, request: Any) -> Any:
        return self.pieces

    def complete(self, request: Any) -> None:
        self.log.append((request.number, request.live))

    def reset(self) -> None:
        self.log.append("reset")

    def abort(self, request: Any) -> None:
        self.log.append("abort")

    def remove(self) -> None:
        StorPortFreePool(self.hba, self.block)


def begun(**settings: Any) -> Plain:
    machine = type("Plain", (Plain,), settings)()
    machine.begin(machine=MachineConfig(), adapter=AdapterConfig(), without=())
    return machine


@pytest.mark.parametrize(("fail", "up"), [(0, True), (1, False), (2, False), (3, True)])
def test_one_failure_for_both_hooks_of_a_start(fail: int, up: bool) -> None:
    machine = begun()
    machine.plug_in(fail=fail)
    assert machine.up is up
    assert len(machine.pc.faults.injected) == (fail in (1, 2))
    machine.teardown()


def test_a_request_that_was_taken_back_may_have_a_late_dpc() -> None:
    machine = begun()
    machine.plug_in(fail=0)
    machine.submit(transfer=Transfer(), fail=0)
    machine.submit(transfer=Transfer(), fail=0)
    machine.abort_request(which=1, fail=0)
    machine.bus_reset(fail=0)
    machine.late_completion(which=1)
    machine.late_completion(which=0)
    assert machine.log == ["abort", "reset", (1, False), (2, False)]
    assert machine.outstanding == []
    machine.teardown()


def test_no_dpc_is_left_after_the_end_of_a_life() -> None:
    machine = begun()
    machine.plug_in(fail=0)
    machine.submit(transfer=Transfer(), fail=0)
    machine.bus_reset(fail=0)
    machine.unplug(fail=0)
    machine.plug_in(fail=0)
    assert not machine._late
    machine.teardown()


@pytest.mark.parametrize("write", [False, True])
def test_an_address_without_memory_is_a_finding(write: bool) -> None:
    machine = begun(pieces=[(2**50, 4096)])
    machine.plug_in(fail=0)
    machine.submit(transfer=Transfer(write=write), fail=0)
    with pytest.raises(DriverFinding, match="0x4000000000000") as caught:
        machine.finish(which=0, fail=0)
    assert caught.value.name == "DEVICE_DMA_NOT_RAM"
    machine.teardown()


def test_what_an_iommu_stops_is_a_finding() -> None:
    machine = type("Plain", (Plain,), {"pieces": [(0x1000_0000, 4096)]})()
    machine.begin(machine=MachineConfig(), adapter=AdapterConfig(dma_remapping=True), without=())
    machine.plug_in(fail=0)
    machine.submit(transfer=Transfer(), fail=0)
    with pytest.raises(DriverFinding) as caught:
        machine.finish(which=0, fail=0)
    assert caught.value.name == "IOMMU_FAULT"
    machine.teardown()


def test_early_failures_come_more_often() -> None:
    drawn = nth_failures(8)
    assert repr(drawn).count("1") > repr(drawn).count("8") > 0


class Switch(ShrinkingSteps):
    """Fails when it is used while it is on: two steps, however often it was switched before."""

    def __init__(self) -> None:
        super().__init__()
        self.on, self.steps, self.depth = False, 0, 0

    def step(self) -> None:
        self.steps += 1
        depth = current_build_context().data.depth
        assert depth > self.depth, "each step lies inside the one before"
        self.depth = depth

    @rule()
    def look(self) -> None:
        self.step()

    @precondition(lambda self: not self.on)
    @rule(level=st.integers(0, 9))
    def switch_on(self, level: int) -> None:
        self.on = True
        self.step()

    @precondition(lambda self: self.on)
    @rule(level=st.integers(0, 9))
    def switch_off(self, level: int) -> None:
        self.on = False
        self.step()

    @precondition(lambda self: self.on)
    @rule()
    def use(self) -> None:
        self.step()
        raise RuntimeError(f"used in step {self.steps}")


def test_steps_that_leave_only_together_leave() -> None:
    chosen = settings(
        database=None, derandomize=True, deadline=None, max_examples=200, suppress_health_check=list(HealthCheck)
    )
    with pytest.raises(RuntimeError, match="used in step 2"):
        run_state_machine_as_test(Switch, settings=chosen)
