"""§3.13: memory the port provides without a call; and §2.8: the level and context every callback runs in."""

from __future__ import annotations

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, World

Status = sp.StorStatus

PASSIVE = ["HwStorPassiveInitializeRoutine", "HwStorWorkItem", "HwStorFreeAdapterResources"]
CONTROLS = {
    "ScsiStopAdapter": "dirql",
    "ScsiRestartAdapter": "dirql",
    "ScsiAdapterPower": "dispatch",
    "ScsiAdapterPoFxPowerRequired": "dispatch",
    "ScsiAdapterPoFxPowerActive": "dispatch",
    "ScsiAdapterPoFxPowerSetFState": "dispatch",
    "ScsiAdapterPoFxPowerControl": "dispatch",
    "ScsiAdapterPoFxSetPerfState": "dispatch",
    "ScsiAdapterSurpriseRemoval": "below",
    "ScsiAdapterSerialNumber": "below",
    "ScsiAdapterFilterResourceRequirements": "below",
    "ScsiPowerSettingNotification": "passive",
    "ScsiAdapterSystemPowerHints": "passive",
    "ScsiAdapterPoFxMaxOperationalPower": "passive",
}


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


def test_device_extension_is_zeroed_once() -> None:
    world = World()
    record = next(record for record in world.kinds("device_extension") if record.va == int(world.ext))
    assert world.pc.read_va(record.va, record.size) == bytes(record.size)
    world.pc.write_va(record.va, b"state of the driver")
    with world.find_adapter():
        assert world.pc.read_va(record.va, 19) == b"state of the driver"


def test_device_extension_goes_with_the_adapter() -> None:
    world = World()
    free = world.pc.memory.free_bytes()
    other = world.pc.add_adapter("other")
    assert world.pc.memory.free_bytes() < free
    address = int(other.device_extension)
    other.remove()
    assert world.pc.memory.free_bytes() == free
    assert not world.live(address)


def test_srb_extension_is_not_initialised() -> None:
    world = World()
    with world.find_adapter() as config:
        config.SrbExtensionSize = 256
    srb = world.hba.srb(4096)
    assert world.pc.read_va(int(srb.SrbExtension), 256) != bytes(256)


def test_srb_extension_is_within_reach_of_the_device(level: str) -> None:
    world = World(level=level)
    with world.find_adapter() as config:
        config.SrbExtensionSize = 256
    srb = world.hba.srb(4096)
    address, _length = sp.StorPortGetPhysicalAddress(world.hba, None, int(srb.SrbExtension))
    world.hba.dma_write(address, b"completion")
    assert world.pc.read_va(int(srb.SrbExtension), 10) == b"completion"
    assert world.names == []


@pytest.mark.parametrize("what", ["device", "srb", "uncached"])
@pytest.mark.parametrize("routine", ["pool", "contiguous"])
def test_none_of_it_is_the_drivers_to_free(level: str, what: str, routine: str) -> None:
    world = World(level=level)
    if what == "srb":
        with world.find_adapter() as config:
            config.SrbExtensionSize = 256
        address = int(world.hba.srb(4096).SrbExtension)
    else:
        address = int(world.ext) if what == "device" else world.uncached()
    if routine == "pool":
        world.expect(
            lambda: sp.StorPortFreePool(world.hba, address),
            release=(0xC2, 0x42, address, 0, 0),
            verifier=(0xC4, 0x10, address),
        )
    else:
        world.expect(
            lambda: sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, address, PAGE, sp.MmCached),
            bugcheck=(0xC2, 0x60, address, 0, 0),
        )


# -- callbacks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("callback", PASSIVE)
def test_passive_callbacks(callback: str) -> None:
    world = World()
    with world.hba.callback(callback):
        assert world.pc.irql == 0
    assert world.pc.irql == 0


def test_find_adapter_is_passive_and_yields_the_configuration() -> None:
    world = World()
    with world.find_adapter() as config:
        assert world.pc.irql == 0
        assert config.NumberOfPhysicalBreaks == 0x11
        config.MaximumTransferLength = 1 << 20
    assert world.hba.config.MaximumTransferLength == 1 << 20


@pytest.mark.parametrize("dump_mode", [1, 2])
def test_find_adapter_in_dump_mode(dump_mode: int) -> None:
    world = World(dump_mode=dump_mode)
    with world.find_adapter() as config:
        assert world.pc.irql == 15
        assert config.DumpMode == dump_mode


@pytest.mark.parametrize("callback", ["HwStorInitialize", "HwStorInterrupt"])
@pytest.mark.parametrize("dirql", [3, 5, 11])
def test_device_level_callbacks(callback: str, dirql: int) -> None:
    world = World(dirql=dirql)
    with world.hba.callback(callback):
        assert world.pc.irql == dirql


@pytest.mark.parametrize("callback", ["HwStorBuildIo", "HwStorDpcRoutine", "HwStorTimer"])
@pytest.mark.parametrize("full_duplex", [False, True])
def test_dispatch_callbacks(callback: str, full_duplex: bool) -> None:
    world = World(full_duplex=full_duplex)
    with world.hba.callback(callback):
        assert world.pc.irql == 2


@pytest.mark.parametrize(("full_duplex", "irql"), [(True, 2), (False, 5)])
def test_start_io(full_duplex: bool, irql: int) -> None:
    world = World(full_duplex=full_duplex)
    with world.hba.callback("HwStorStartIo"):
        assert world.pc.irql == irql


@pytest.mark.parametrize(("control", "expected"), CONTROLS.items(), ids=CONTROLS)
def test_adapter_control(control: str, expected: str) -> None:
    world = World(dirql=7)
    with world.hba.callback("HwStorAdapterControl", control):
        irql = world.pc.irql
    assert {"dirql": irql == 7, "dispatch": irql <= 2, "below": irql < 2, "passive": irql == 0}[expected], (
        control,
        irql,
    )


def test_callbacks_nest_and_restore_the_level() -> None:
    world = World()
    with world.hba.callback("HwStorStartIo"):
        with world.hba.callback("HwStorInterrupt"):
            assert world.pc.irql == 5
        assert world.pc.irql == 2
    assert world.pc.irql == 0


def test_an_exception_leaves_the_callback() -> None:
    world = World()
    with pytest.raises(KeyError), world.hba.callback("HwStorInterrupt"):
        raise KeyError("driver")
    assert world.pc.irql == 0


def test_unknown_callback() -> None:
    world = World()
    with pytest.raises((ValueError, KeyError)), world.hba.callback("HwStorMakeCoffee"):
        pass
    assert world.pc.irql == 0


def test_configuration_is_the_find_adapters_to_write(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: setattr(world.hba.config, "Master", False))
    assert outcome.names == ["BAD_CONTEXT"]
