"""§3.1: StorPortAllocatePool and StorPortFreePool, row by row. The overrun row belongs to the verifier's own
machinery.
"""

from __future__ import annotations

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, World
from storsim import Irql, WindowsVersion

Status = sp.StorStatus
POOL_TYPE_NX = 512


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("irql", [0, 1, 2])
@pytest.mark.parametrize("size", [1, 64, 4064, 4096, 100_000])
def test_allocated(level: str, irql: int, size: int) -> None:
    world = World(level=level)
    with world.pc.at_irql(irql):
        outcome = world.expect(lambda: sp.StorPortAllocatePool(world.hba, size, "Test"), Status.STOR_STATUS_SUCCESS)
    record = world.record(outcome.outputs[0])
    assert (record.kind, record.size, record.tag) == ("pool", size, 0x74736554)


def test_named_members_of_the_result() -> None:
    world = World()
    result = sp.StorPortAllocatePool(HwDeviceExtension=world.hba, NumberOfBytes=64, Tag="Test")
    assert result.status is Status.STOR_STATUS_SUCCESS
    assert world.live(result.BufferPointer)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_exhausted(level: str) -> None:
    world = World(level=level)
    outcome = world.expect(
        lambda: sp.StorPortAllocatePool(world.hba, 256 << 20, "Test"), Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    )
    assert outcome.outputs == (0,)


def test_pool_until_nothing_is_left_and_back() -> None:
    world = World()
    before = world.pc.memory.free_bytes()
    blocks = []
    while True:
        status, va = sp.StorPortAllocatePool(world.hba, 1 << 20, "Test")
        if status != Status.STOR_STATUS_SUCCESS:
            break
        blocks.append(va)
    assert status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert world.pc.memory.free_bytes() < 1 << 20
    for va in blocks:
        assert sp.StorPortFreePool(world.hba, va) == Status.STOR_STATUS_SUCCESS
    assert world.pc.memory.free_bytes() == before


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_injected_failure(level: str) -> None:
    world = World(level=level)
    world.pc.faults.fail_nth("StorPortAllocatePool", 1)
    outcome = world.observe(lambda: sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=7))
    assert outcome.status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert outcome.outputs == (0,)
    assert outcome.names == []
    assert sp.StorPortAllocatePool(world.hba, 64, "Test").status == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("dump_mode", [1, 2, 3, 4])
def test_dump_mode(dump_mode: int) -> None:
    world = World(dump_mode=dump_mode)
    status, va = sp.StorPortAllocatePool(world.hba, 64, "Test")
    assert status == Status.STOR_STATUS_NOT_IMPLEMENTED
    assert va is None


@pytest.mark.parametrize("os", [WindowsVersion.WIN7, WindowsVersion.WIN8, WindowsVersion.WIN11_24H2])
@pytest.mark.parametrize("level", ALL_LEVELS)
def test_zero_bytes(level: str, os: WindowsVersion) -> None:
    world = World(level=level, os=os)
    pool_type = POOL_TYPE_NX if os >= WindowsVersion.WIN8 else 0
    with world.pc.at_irql(Irql.DISPATCH_LEVEL):
        world.expect(
            lambda: sp.StorPortAllocatePool(world.hba, 0, "Test"),
            Status.STOR_STATUS_SUCCESS,
            "ZERO_LENGTH",
            verifier=(0xC4, 0x00, 2, pool_type, 0),
        )


def test_zero_length_blocks_are_unique() -> None:
    world = World(level="release")
    blocks = {sp.StorPortAllocatePool(world.hba, 0, "Test").BufferPointer for _ in range(16)}
    assert len(blocks) == 16
    assert 0 not in blocks
    for va in blocks:
        assert sp.StorPortFreePool(world.hba, va) == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_tag_zero(level: str) -> None:
    world = World(level=level)
    world.expect(
        lambda: sp.StorPortAllocatePool(world.hba, 64, 0),
        Status.STOR_STATUS_SUCCESS,
        "BAD_TAG",
        verifier=(0xC2, 0x9B, POOL_TYPE_NX, 64),
    )


@pytest.mark.parametrize("level", ["verifier", "strict"])
@pytest.mark.parametrize("tag", ["BIG", b"BIG", 0x20474942], ids=repr)
def test_tag_that_spells_big(level: str, tag: object) -> None:
    world = World(level=level)
    world.expect(lambda: sp.StorPortAllocatePool(world.hba, 64, tag), bugcheck=(0xC2, 0x9C))


@pytest.mark.parametrize("level", ["verifier", "strict"])
@pytest.mark.parametrize("tag", ["----", "!?", b"    ", 0x2D2D2D2D], ids=repr)
def test_tag_without_letter_or_digit(level: str, tag: object) -> None:
    world = World(level=level)
    value = (
        tag
        if isinstance(tag, int)
        else int.from_bytes((tag if isinstance(tag, bytes) else str(tag).encode()).ljust(4), "little")
    )
    world.expect(lambda: sp.StorPortAllocatePool(world.hba, 64, tag), bugcheck=(0xC2, 0x9D, value, POOL_TYPE_NX))


@pytest.mark.parametrize("tag", ["a---", "-1--", "Z", "0"])
def test_tag_with_one_letter_or_digit_is_fine(tag: str) -> None:
    world = World(level="strict")
    assert sp.StorPortAllocatePool(world.hba, 64, tag).status == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("callback", ["HwStorInterrupt", "HwStorStartIo"])
@pytest.mark.parametrize("level", ALL_LEVELS)
def test_callback_at_device_level(level: str, callback: str) -> None:
    world = World(level=level, full_duplex=False)
    with world.hba.callback(callback):
        outcome = world.observe(lambda: sp.StorPortAllocatePool(world.hba, 64, "Test"))
    assert outcome.status == Status.STOR_STATUS_INVALID_IRQL
    assert outcome.outputs == (0,)
    assert ("SpNoWait" in outcome.names) == (callback == "HwStorStartIo")


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_output_that_holds_a_live_block(level: str) -> None:
    world = World(level=level)
    va = world.pool(64)
    outcome = world.expect(
        lambda: sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=va),
        Status.STOR_STATUS_SUCCESS,
        "StorPortAllocatePool2",
    )
    assert outcome.outputs[0] != va
    assert world.live(va)


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_output_that_holds_something_else(level: str) -> None:
    world = World(level=level)
    va = world.pool(64)
    sp.StorPortFreePool(world.hba, va)
    world.expect(lambda: sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=va), Status.STOR_STATUS_SUCCESS)
    world.expect(
        lambda: sp.StorPortAllocatePool(world.hba, 64, "Test", BufferPointer=0xDEAD), Status.STOR_STATUS_SUCCESS
    )


# -- free ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("irql", [0, 1, 2])
def test_freed(level: str, irql: int) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    va = world.pool(3 * PAGE)
    with world.pc.at_irql(irql):
        world.expect(lambda: sp.StorPortFreePool(world.hba, va), Status.STOR_STATUS_SUCCESS)
    assert world.pc.memory.free_bytes() == free


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("size", [1, 64, 4064, 4096, 10000])
def test_double_free(level: str, size: int) -> None:
    world = World(level=level)
    va = world.pool(size)
    sp.StorPortFreePool(world.hba, va)
    outcome = world.expect(
        lambda: sp.StorPortFreePool(world.hba, va), release=(0xC2, 0x07, None, None, va), verifier=(0xC4, 0x13)
    )
    assert outcome.bugcheck.record.related_sites
    assert "StorPortAllocatePool" in outcome.names or "StorPortFreePool" in str(outcome.bugcheck)


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("inside", [1, 8, 16, 255])
def test_interior_pointer(level: str, inside: int) -> None:
    world = World(level=level)
    va = world.pool(256)
    world.expect(
        lambda: sp.StorPortFreePool(world.hba, va + inside),
        release=(0xC2, 0x99, va + inside, 0, 0),
        verifier=(0xC4, 0x10, va + inside, 0, 0),
    )
    assert world.live(va)


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("address", [1, 0x10000, 0x7FFF_FFFF_FFFF])
def test_user_address(level: str, address: int) -> None:
    world = World(level=level)
    world.expect(
        lambda: sp.StorPortFreePool(world.hba, address), bugcheck=(0xC2, 0x40, address, 0xFFFF_8000_0000_0000, 0)
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("what", ["uncached", "device", "srb"])
def test_memory_that_was_never_pool(level: str, what: str) -> None:
    world = World(level=level)
    if what == "uncached":
        address = world.uncached()
    elif what == "device":
        address = int(world.ext)
    else:
        with world.find_adapter() as config:
            config.SrbExtensionSize = 256
        address = int(world.hba.srb(4096).SrbExtension)
    world.expect(
        lambda: sp.StorPortFreePool(world.hba, address),
        release=(0xC2, 0x42, address, 0, 0),
        verifier=(0xC4, 0x10, address),
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_kernel_address_never_handed_out(level: str) -> None:
    world = World(level=level)
    address = 0xFFFF_F000_0000_0000
    world.expect(
        lambda: sp.StorPortFreePool(world.hba, address),
        release=(0xC2, 0x42, address, 0, 0),
        verifier=(0xC4, 0x10, address),
    )


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_dma_block(level: str) -> None:
    world = World(level=level)
    va, pa = world.dma(8192)
    world.expect(lambda: sp.StorPortFreePool(world.hba, va), bugcheck=(0xC2, 0x41, va, pa // PAGE))


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_block_that_a_built_mdl_describes(level: str) -> None:
    world = World(level=level)
    va = world.pool(8192)
    world.mdl(va, 8192)
    world.expect(lambda: sp.StorPortFreePool(world.hba, va), Status.STOR_STATUS_SUCCESS, "FREE_WITH_LIVE_MDL")
    assert not world.live(va)


@pytest.mark.parametrize("end", ["unbuilt", "freed"])
def test_block_whose_mdl_holds_no_pages(end: str) -> None:
    world = World(level="strict")
    va = world.pool(8192)
    mdl = world.mdl(va, 8192, built=end == "freed")
    if end == "freed":
        sp.StorPortFreeMdl(world.hba, mdl)
    assert sp.StorPortFreePool(world.hba, va) == Status.STOR_STATUS_SUCCESS


def test_an_mdl_is_not_pool_of_the_drivers() -> None:
    world = World(level="release")
    mdl = world.mdl(world.pool(64), 64)
    outcome = world.observe(lambda: sp.StorPortFreePool(world.hba, int(mdl)))
    assert outcome.bugcheck is not None or outcome.names
