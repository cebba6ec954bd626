"""§3.7: StorPortGetPhysicalAddress and StorPortGetVirtualAddress, row by row."""

from __future__ import annotations

from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, World

Status = sp.StorStatus


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


def _with_srb(world: World, length: int = 8192, **keywords: Any) -> Any:
    with world.find_adapter() as config:
        config.SrbExtensionSize = 256
    return world.hba.srb(length, **keywords)


def _physical(world: World, srb: Any, va: int, **keywords: Any) -> Any:
    return sp.StorPortGetPhysicalAddress(world.hba, srb, va, **keywords)


@pytest.mark.parametrize("offset", [0, 1, 100, 4096, 8191])
def test_uncached_extension(level: str, offset: int) -> None:
    world = World(level=level)
    va = world.uncached(8192)
    outcome = world.expect(lambda: _physical(world, None, va + offset))
    assert outcome.result == (world.pc.physical(va) + offset, 8192 - offset)
    assert outcome.result.PhysicalAddress == outcome.result[0]
    assert outcome.result.Length == outcome.result[1]
    assert sp.StorPortGetVirtualAddress(world.hba, outcome.result.PhysicalAddress) == va + offset


@pytest.mark.parametrize("offset", [0, 17, 255])
def test_srb_extension(level: str, offset: int) -> None:
    world = World(level=level)
    srb = _with_srb(world)
    va = int(srb.SrbExtension) + offset
    outcome = world.expect(lambda: _physical(world, None, va))
    assert outcome.result == (world.pc.physical(va), 256 - offset)
    assert sp.StorPortGetVirtualAddress(world.hba, outcome.result.PhysicalAddress) == va


def test_srb_extension_with_its_owner_is_noted_at_most(level: str) -> None:
    world = World(level=level)
    srb = _with_srb(world)
    outcome = world.observe(lambda: _physical(world, srb, int(srb.SrbExtension)))
    assert outcome.result[0] == world.pc.physical(int(srb.SrbExtension))
    assert outcome.raised is None
    assert outcome.bugcheck is None


@pytest.mark.parametrize("fragments", [1, 2, 4])
def test_data_buffer(level: str, fragments: int) -> None:
    world = World(level=level)
    srb = _with_srb(world, 4 * PAGE, fragments=fragments)
    va = int(srb.DataBuffer)
    element = 4 * PAGE // fragments
    for offset in (0, 1, element - 1, 4 * PAGE - 1):
        outcome = world.expect(lambda offset=offset: _physical(world, srb, va + offset))
        assert outcome.result.PhysicalAddress == world.pc.physical(va + offset)
        assert outcome.result.Length == element - offset % element


def test_sense_buffer(level: str) -> None:
    world = World(level=level)
    srb = _with_srb(world)
    va = int(srb.SenseInfoBuffer)
    outcome = world.expect(lambda: _physical(world, srb, va))
    assert outcome.result.PhysicalAddress == world.pc.physical(va)
    assert outcome.result.Length > 0


@pytest.mark.parametrize("kind", ["contiguous", "dma"])
def test_contiguous_memory(level: str, kind: str) -> None:
    world = World(level=level)
    va = world.contiguous(8192) if kind == "contiguous" else world.dma(8192)[0]
    outcome = world.expect(lambda: _physical(world, None, va + 100))
    assert outcome.result.PhysicalAddress == world.pc.physical(va) + 100
    assert outcome.result.Length == PAGE - 100


def test_contiguous_memory_with_poisoned_length() -> None:
    world = World(poison_length=True)
    va = world.contiguous(8192)
    address, length = _physical(world, None, va)
    assert address == world.pc.physical(va)
    assert length != PAGE
    assert length != 8192


@pytest.mark.parametrize("kind", ["pool", "device"])
def test_pool_and_device_extension(level: str, kind: str) -> None:
    world = World(level=level)
    va = world.pool(64) if kind == "pool" else int(world.ext)
    outcome = world.expect(lambda: _physical(world, None, va), violation="GPA_UNSUPPORTED_SOURCE")
    assert outcome.result.PhysicalAddress == world.pc.physical(va)
    assert outcome.result.Length == PAGE - va % PAGE


@pytest.mark.parametrize("kind", ["data", "sense"])
def test_request_memory_without_its_srb(level: str, kind: str) -> None:
    world = World(level=level)
    srb = _with_srb(world)
    va = int(srb.DataBuffer if kind == "data" else srb.SenseInfoBuffer)
    world.expect(lambda: _physical(world, None, va), violation="MISSING_SRB", result=(0, 0))


@pytest.mark.parametrize("kind", ["freed", "foreign"])
def test_unknown_address(level: str, kind: str) -> None:
    world = World(level=level)
    if kind == "freed":
        va = world.contiguous(8192)
        sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 8192, sp.MmCached)
    else:
        va = 0xFFFF_F000_0000_0000
    outcome = world.observe(lambda: _physical(world, None, va))
    if level == "release":
        assert outcome.bugcheck is None
        assert outcome.result == (0, 0)
    else:
        assert outcome.code is not None
        assert outcome.code[:4] == (0xF1, 0x1006, int(world.ext), va)


def test_null_length(level: str) -> None:
    world = World(level=level)
    va = world.uncached(8192)
    outcome = world.expect(lambda: _physical(world, None, va, Length=None), violation="NULL_LENGTH")
    address = outcome.result[0] if isinstance(outcome.result, tuple) else outcome.result
    assert address == world.pc.physical(va)


@pytest.mark.parametrize("irql", range(16))
def test_any_level(irql: int) -> None:
    world = World(level="strict")
    va = world.uncached(8192)
    with world.pc.at_irql(irql):
        address, _length = _physical(world, None, va)
        assert sp.StorPortGetVirtualAddress(world.hba, address) == va


# -- back ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["hmb", "contiguous", "dma", "pool", "nothing", "null"])
def test_no_way_back(level: str, kind: str) -> None:
    world = World(level=level)
    if kind == "hmb":
        address = world.hmb()[0].RangeStart
    elif kind == "contiguous":
        address = _physical(world, None, world.contiguous(8192))[0]
    elif kind == "dma":
        address = world.dma(8192)[1]
    elif kind == "pool":
        address = world.pc.physical(world.pool(4096))
    else:
        address = 0 if kind == "null" else 0xFFFF_0000
    world.expect(lambda: sp.StorPortGetVirtualAddress(world.hba, address), violation="*", result=0)


def test_only_what_was_translated_before(level: str) -> None:
    world = World(level=level)
    va = world.uncached(8192)
    address = world.pc.physical(va)
    world.expect(lambda: sp.StorPortGetVirtualAddress(world.hba, address), violation="*", result=0)
    _physical(world, None, va)
    world.expect(lambda: sp.StorPortGetVirtualAddress(world.hba, address), result=va)


def test_physical_address_zero_is_never_given_out() -> None:
    world = World()
    assert all(record.pa for record in world.pc.allocations())
