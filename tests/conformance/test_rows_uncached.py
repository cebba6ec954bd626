"""§3.6: StorPortGetUncachedExtension, row by row."""

from __future__ import annotations

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, HIGH, PAGE, TWO_NODES, World
from storsim import MemoryRange, Placement, WindowsVersion

GIB = 1 << 30
MIB = 1 << 20


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


@pytest.mark.parametrize("size", [1, 100, 4096, 5000, 65536, MIB])
def test_one_contiguous_page_aligned_block(level: str, size: int) -> None:
    world = World(level=level)
    va = world.uncached(size)
    assert va % PAGE == 0
    record = world.record(va)
    assert (record.kind, record.size) == ("uncached", size)
    pa = world.pc.physical(va)
    assert all(world.pc.physical(va + offset) == pa + offset for offset in range(0, size, PAGE))
    assert world.names == []


def test_null_when_there_is_no_memory(level: str) -> None:
    world = World(level=level)
    assert world.uncached(256 * MIB) == 0
    assert world.names == []


def test_below_four_gib_by_default() -> None:
    world = World()
    assert world.pc.physical(world.uncached()) + 8191 <= 0xFFFFFFFF
    assert World(memory=HIGH).uncached() == 0


@pytest.mark.parametrize("asked", [1, 4096, 8192])
def test_second_call_gives_the_first_extension(level: str, asked: int) -> None:
    world = World(level=level)
    first = world.uncached(8192)
    with world.find_adapter() as config:
        assert sp.StorPortGetUncachedExtension(world.hba, config, asked) == first
    assert world.names == []
    assert len(world.kinds("uncached")) == 1


def test_second_call_for_more(level: str) -> None:
    world = World(level=level)
    first = world.uncached(8192)
    with world.find_adapter() as config:
        world.expect(
            lambda: sp.StorPortGetUncachedExtension(world.hba, config, 8193), violation="UNCACHED_SHORT", result=first
        )


@pytest.mark.parametrize(
    "callback",
    [
        "HwStorInitialize",
        "HwStorPassiveInitializeRoutine",
        "HwStorBuildIo",
        "HwStorStartIo",
        "HwStorInterrupt",
        "HwStorTimer",
    ],
)
def test_outside_find_adapter(level: str, callback: str) -> None:
    world = World(level=level)
    with world.find_adapter() as config:
        config.Master, config.SrbExtensionSize = True, 512
    with world.hba.callback(callback):
        world.expect(
            lambda: sp.StorPortGetUncachedExtension(world.hba, config, 8192),
            violation="*",
            result=0,
            verifier=(0xF1, 0x2002, 0, 0, 0),
        )


def test_outside_any_callback(level: str) -> None:
    world = World(level=level)
    world.expect(
        lambda: sp.StorPortGetUncachedExtension(world.hba, world.hba.config, 8192),
        violation="*",
        result=0,
        verifier=(0xF1, 0x2002, 0, 0, 0),
    )


def test_no_bus_master(level: str) -> None:
    world = World(level=level)
    with world.find_adapter() as config:
        config.Master, config.SrbExtensionSize = False, 512
        world.expect(
            lambda: sp.StorPortGetUncachedExtension(world.hba, config, 8192),
            violation="NOT_BUS_MASTER",
            result=0,
            verifier=(0xF1, 0x2002, 0, 0, 0),
        )


def test_before_the_srb_extension_size_is_set(level: str) -> None:
    world = World(level=level)
    with world.find_adapter() as config:
        config.Master = True
        world.expect(
            lambda: sp.StorPortGetUncachedExtension(world.hba, config, 8192),
            violation="*",
            result=0,
            verifier=(0xF1, 0x2002, 0, 0, 0),
        )


@pytest.mark.parametrize("config", [0, None])
def test_null_configuration(level: str, config: object) -> None:
    world = World(level=level)
    with world.find_adapter() as info:
        info.Master, info.SrbExtensionSize = True, 512
        world.expect(lambda: sp.StorPortGetUncachedExtension(world.hba, config, 8192), violation="*", result=0)


def test_zero_bytes(level: str) -> None:
    world = World(level=level)
    with world.find_adapter() as info:
        info.Master, info.SrbExtensionSize = True, 512
        world.expect(lambda: sp.StorPortGetUncachedExtension(world.hba, info, 0), violation="ZERO_LENGTH", result=0)


@pytest.mark.parametrize("os", list(WindowsVersion))
def test_exists_on_every_windows(os: WindowsVersion) -> None:
    assert World(os=os).uncached()


def test_freed_at_removal(level: str) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    other = world.pc.add_adapter("other")
    with other.callback("HwStorFindAdapter") as info:
        info.Master, info.SrbExtensionSize = True, 512
        assert sp.StorPortGetUncachedExtension(other, info, 64 * 1024)
    assert len(list(other.remove())) == 0
    assert world.pc.memory.free_bytes() == free
    assert world.names == []


# -- where it lies ---------------------------------------------------------------------------------------------------


def test_window_from_the_registry() -> None:
    world = World(minimum_ucx=16 * MIB, maximum_ucx=32 * MIB - 1)
    pa = world.pc.physical(world.uncached())
    assert pa >= 16 * MIB
    assert pa + 8192 <= 32 * MIB


@pytest.mark.parametrize(("minimum", "maximum"), [(16 * MIB, 0), (32 * MIB, 16 * MIB), (16 * MIB, 16 * MIB + 4096)])
def test_senseless_window_means_the_default(minimum: int, maximum: int) -> None:
    world = World(minimum_ucx=minimum, maximum_ucx=maximum, placement=Placement.TOP_DOWN)
    plain = World(placement=Placement.TOP_DOWN)
    assert world.pc.physical(world.uncached()) == plain.pc.physical(plain.uncached())


@pytest.mark.parametrize("exponent", range(3, 17))
def test_alignment_from_the_registry(exponent: int) -> None:
    world = World(ucx_alignment=exponent)
    for _ in range(2):
        va = world.uncached()
        assert va % max(PAGE, 1 << exponent) == 0 or world.pc.physical(va) % (1 << exponent) == 0


def _straddling(dma64: str) -> World:
    """RAM only around the 8 GiB line, and a little at the bottom for the port."""
    return World(memory=[MemoryRange(MIB, MIB, 0), MemoryRange(8 * GIB - 8 * MIB, 16 * MIB, 0)])


@pytest.mark.parametrize(
    ("constant", "granted"),
    [
        (None, False),
        ("SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED", False),
        ("SCSI_DMA64_MINIPORT_FULL64BIT_NO_BOUNDARY_REQ_SUPPORTED", True),
    ],
)
def test_four_gib_lines(constant: str | None, granted: bool) -> None:
    world = _straddling("")
    value = 0 if constant is None else int(getattr(sp, constant))
    va = world.uncached(12 * MIB, Dma64BitAddresses=value)
    assert (va != 0) == granted


def test_full_64_bit_may_lie_above_four_gib() -> None:
    world = World(memory=[MemoryRange(MIB, MIB, 0), MemoryRange(4 * GIB, 16 * MIB, 0)])
    va = world.uncached(4 * MIB, Dma64BitAddresses=int(sp.SCSI_DMA64_MINIPORT_FULL64BIT_SUPPORTED))
    assert world.pc.physical(va) >= 4 * GIB


def test_feature_from_the_adapters_node() -> None:
    world = World(memory=TWO_NODES)
    other = world.pc.add_adapter("far", node=1)
    with other.callback("HwStorFindAdapter") as info:
        info.Master, info.SrbExtensionSize, info.FeatureSupport = True, 512, 0x4
        va = sp.StorPortGetUncachedExtension(other, info, 8192)
    assert world.record(va).node == 1


@pytest.mark.parametrize(("os", "limited"), [(WindowsVersion.WIN10_1903, False), (WindowsVersion.WIN10_2004, True)])
def test_feature_address_width(os: WindowsVersion, limited: bool) -> None:
    world = World(os=os, placement=Placement.TOP_DOWN)
    va = world.uncached(8192, FeatureSupport=0x40, DmaAddressWidth=24)
    assert (world.pc.physical(va) + 8191 < 1 << 24) == limited
