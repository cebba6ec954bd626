"""§3.2 and §3.3: contiguous and DMA memory, row by row, both families of routines side by side."""

from __future__ import annotations

from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, TWO_NODES, World
from storsim import WindowsVersion

Status = sp.StorStatus
ALL_ONES = 2**64 - 1
FAMILIES = ("contiguous", "dma")
ALLOCATE = {"contiguous": "StorPortAllocateContiguousMemorySpecifyCacheNode", "dma": "StorPortAllocateDmaMemory"}
FREE = {"contiguous": "StorPortFreeContiguousMemorySpecifyCache", "dma": "StorPortFreeDmaMemory"}


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """Which pair of routines."""
    return str(request.param)


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


def _allocate(
    world: World,
    family: str,
    number_of_bytes: int = 8192,
    lowest: int = 0,
    highest: int = ALL_ONES,
    boundary: int = 0,
    cache: Any = None,
    node: Any = None,
    **keywords: Any,
) -> Any:
    return getattr(sp, ALLOCATE[family])(
        world.hba,
        number_of_bytes,
        lowest,
        highest,
        boundary,
        sp.MmCached if cache is None else cache,
        sp.MM_ANY_NODE_OK if node is None else node,
        **keywords,
    )


def _free(world: World, family: str, va: int, number_of_bytes: int = 8192, cache: Any = None, **keywords: Any) -> Any:
    return getattr(sp, FREE[family])(
        world.hba, va, number_of_bytes, sp.MmCached if cache is None else cache, **keywords
    )


def _refused(
    world: World,
    family: str,
    violation: str | None = None,
    status: Status = Status.STOR_STATUS_INSUFFICIENT_RESOURCES,
    **arguments: Any,
) -> None:
    """The request fails, outputs are cleared, nothing was taken."""
    outputs = {"BufferPointer": 0xDEAD} | ({"PhysicalAddress": 0xBEEF} if family == "dma" else {})
    free = world.pc.memory.free_bytes()
    outcome = world.expect(lambda: _allocate(world, family, **arguments, **outputs), status, violation)
    assert outcome.outputs == (0,) * len(outputs)
    assert world.pc.memory.free_bytes() == free


# -- allocate --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 65536, 1 << 20])
def test_granted(family: str, level: str, size: int) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    result = _allocate(world, family, size)
    assert result.status == Status.STOR_STATUS_SUCCESS
    record = world.record(result.BufferPointer)
    pages = -(-size // PAGE)
    assert (record.kind, record.size) == (family, size)
    assert record.va % PAGE == 0
    assert record.pa % PAGE == 0
    assert free - world.pc.memory.free_bytes() == pages * PAGE
    for offset in (0, size // 2, size - 1):  # address arithmetic is the same on both sides
        assert world.pc.physical(record.va + offset) == record.pa + offset
    if family == "dma":
        assert result.PhysicalAddress == record.pa


def test_nothing_satisfies_the_limits(family: str, level: str) -> None:
    _refused(World(level=level), family, number_of_bytes=8192, lowest=0, highest=4095)
    _refused(World(level=level), family, number_of_bytes=65 << 20)


def test_null_output(family: str, level: str) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    world.expect(
        lambda: _allocate(world, family, BufferPointer=None), Status.STOR_STATUS_INVALID_PARAMETER, "NULL_OUTPUT"
    )
    assert world.pc.memory.free_bytes() == free


def test_null_physical_address(level: str) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    outcome = world.expect(
        lambda: _allocate(world, "dma", PhysicalAddress=None, BufferPointer=5),
        Status.STOR_STATUS_INVALID_PARAMETER,
        "NULL_OUTPUT",
    )
    assert outcome.outputs[0] == 0
    assert world.pc.memory.free_bytes() == free


def test_zero_bytes(family: str, level: str) -> None:
    _refused(World(level=level), family, "ZERO_LENGTH", number_of_bytes=0)


@pytest.mark.parametrize("size", [2**64 - 1, 2**64 - 4096, 2**64 - 4095, 2**63, 1 << 40])
def test_more_than_all_memory(family: str, level: str, size: int) -> None:
    _refused(World(level=level), family, number_of_bytes=size)


@pytest.mark.parametrize(("lowest", "highest"), [(1, 0), (0x200000, 0x100000), (ALL_ONES, 0), (0x100001, 0x100000)])
def test_lowest_above_highest(family: str, level: str, lowest: int, highest: int) -> None:
    _refused(World(level=level), family, number_of_bytes=4096, lowest=lowest, highest=highest)


@pytest.mark.parametrize("boundary", [3, 0x3000, 0x10001, 0x30000, ALL_ONES, (1 << 63) + 4096])
def test_boundary_no_power_of_two(family: str, level: str, boundary: int) -> None:
    _refused(World(level=level), family, "BAD_BOUNDARY", number_of_bytes=1, boundary=boundary)


@pytest.mark.parametrize("boundary", [1, 2, 64, 512, 2048])
def test_boundary_below_a_page(family: str, level: str, boundary: int) -> None:
    _refused(World(level=level), family, number_of_bytes=1, boundary=boundary)


@pytest.mark.parametrize(("size", "boundary"), [(4097, 4096), (0x10001, 0x10000), (0x20000, 0x10000)])
def test_size_above_the_boundary(family: str, level: str, size: int, boundary: int) -> None:
    _refused(World(level=level), family, number_of_bytes=size, boundary=boundary)


@pytest.mark.parametrize("boundary", [4096, 1 << 16, 1 << 32, 1 << 63])
def test_good_boundaries(family: str, boundary: int) -> None:
    world = World(level="strict")
    assert _allocate(world, family, 4096, boundary=boundary).status == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("cache", [3, 4, 5, 6, -1, 7, 100, -2, 2**31 - 1, -(2**31)])
def test_bad_cache_type(family: str, level: str, cache: int) -> None:
    _refused(World(level=level), family, "BAD_CACHE_TYPE", cache=cache)


@pytest.mark.parametrize("cache", ["MmNonCached", "MmCached", "MmWriteCombined"])
def test_good_cache_types(family: str, cache: str) -> None:
    world = World(level="strict")
    kind = getattr(sp, cache)
    va = _allocate(world, family, cache=kind).BufferPointer
    assert world.record(va).cache == kind
    assert _free(world, family, va, cache=kind) == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("node", [2, 63, 0x7FFFFFFF, 0x80000001, 0xFFFFFFFF])
def test_invalid_node_with_several_nodes(family: str, level: str, node: int) -> None:
    _refused(World(level=level, memory=TWO_NODES), family, "BAD_NODE", node=node)


@pytest.mark.parametrize("node", [0, 1, 7, 0x80000001, 0xFFFFFFFF])
def test_any_node_with_one_node(family: str, node: int) -> None:
    world = World(level="strict")
    assert _allocate(world, family, node=node).status == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("irql", [3, 5, 11, 13, 15])
def test_allocate_above_dispatch(family: str, level: str, irql: int) -> None:
    world = World(level=level)
    outputs = {"BufferPointer": 0xDEAD} | ({"PhysicalAddress": 0xBEEF} if family == "dma" else {})
    with world.pc.at_irql(irql):
        outcome = world.expect(
            lambda: _allocate(world, family, **outputs),
            Status.STOR_STATUS_INVALID_IRQL,
            "StorPortIrql",
            verifier=(0xC4, 0xE5, irql),
        )
        if outcome.bugcheck is None:
            assert outcome.outputs == (0,) * len(outputs)


def test_injected_failure(family: str, level: str) -> None:
    world = World(level=level)
    world.pc.faults.fail_nth(ALLOCATE[family], 1)
    outcome = world.observe(lambda: _allocate(world, family, BufferPointer=3))
    assert outcome.status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert set(outcome.outputs) == {0}
    assert outcome.names == []
    assert _allocate(world, family).status == Status.STOR_STATUS_SUCCESS


# -- free ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("irql", [0, 1, 2])
def test_freed(family: str, level: str, irql: int) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    va = _allocate(world, family).BufferPointer
    with world.pc.at_irql(irql):
        world.expect(lambda: _free(world, family, va), Status.STOR_STATUS_SUCCESS)
    assert world.pc.memory.free_bytes() == free


def test_free_null(family: str, level: str) -> None:
    world = World(level=level)
    world.expect(lambda: _free(world, family, 0), release=(0xC2, 0x60, 0, 0, 0), verifier=(0xC4, 0x16, None, 0, 0))


def test_double_free_of_contiguous(level: str) -> None:
    world = World(level=level)
    va = world.contiguous()
    _free(world, "contiguous", va)
    world.expect(lambda: _free(world, "contiguous", va), bugcheck=(0xC2, 0x60, va, 0, 0))


def test_double_free_of_dma(level: str) -> None:
    world = World(level=level)
    va, _pa = world.dma()
    _free(world, "dma", va)
    world.expect(lambda: _free(world, "dma", va), release=(0xC2, 0x60, va, 0, 0), verifier=(0xE6, 0x03))


def test_double_free_of_dma_without_the_dma_check() -> None:
    world = World(level="verifier", verifier=0x8)
    va, _pa = world.dma()
    _free(world, "dma", va)
    world.expect(lambda: _free(world, "dma", va), bugcheck=(0xC2, 0x60, va, 0, 0))


@pytest.mark.parametrize("offset", [1, 16, 4096, 8191])
def test_interior_pointer(family: str, level: str, offset: int) -> None:
    world = World(level=level)
    va = _allocate(world, family).BufferPointer
    free = world.pc.memory.free_bytes()
    world.expect(lambda: _free(world, family, va + offset, 8192 - offset), bugcheck=(0xC2, 0x60, va + offset, 0, 0))
    assert world.live(va)
    assert world.pc.memory.free_bytes() == free


@pytest.mark.parametrize("what", ["uncached", "device", "registry", "unknown"])
def test_memory_of_other_allocators(family: str, level: str, what: str) -> None:
    world = World(level=level)
    address = {
        "uncached": lambda: world.uncached(),
        "device": lambda: int(world.ext),
        "registry": lambda: int(sp.StorPortAllocateRegistryBuffer(world.hba, 64)[0]),
        "unknown": lambda: 0xFFFF_F000_0000_0000,
    }[what]()
    world.expect(lambda: _free(world, family, address), bugcheck=(0xC2, 0x60, address, 0, 0))


@pytest.mark.parametrize("size", [64, 8192])
def test_pool_block(family: str, level: str, size: int) -> None:
    world = World(level=level)
    va = world.pool(size)
    world.expect(lambda: _free(world, family, va, size), release=(0xC2, 0x60, va), verifier=(0xC4, 0x16, None, va, 0))


@pytest.mark.parametrize(
    ("allocated", "freed"), [(8192, 4096), (8192, 0), (4096, 4095), (4095, 4096), (8192, 2**64 - 1), (1, 2)]
)
def test_wrong_size(family: str, level: str, allocated: int, freed: int) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    va = _allocate(world, family, allocated).BufferPointer
    outcome = world.expect(
        lambda: _free(world, family, va, freed),
        Status.STOR_STATUS_SUCCESS,
        "SIZE_MISMATCH",
        strict=(0xC4, 0x16, None, va, 0),
    )
    if outcome.bugcheck is None:
        assert world.pc.memory.free_bytes() == free


@pytest.mark.parametrize("wrong", [0, 2, 3, 6, -1])
def test_wrong_cache_type(family: str, level: str, wrong: int) -> None:
    world = World(level=level)
    va = _allocate(world, family).BufferPointer
    world.expect(
        lambda: _free(world, family, va, cache=wrong),
        Status.STOR_STATUS_SUCCESS,
        "CACHE_MISMATCH",
        strict=(0xC4, 0x16, None, va, 0),
    )


def test_freed_by_the_other_family(family: str, level: str) -> None:
    world = World(level=level)
    free = world.pc.memory.free_bytes()
    va = _allocate(world, family).BufferPointer
    other = "dma" if family == "contiguous" else "contiguous"
    outcome = world.expect(
        lambda: _free(world, other, va), Status.STOR_STATUS_SUCCESS, "WRONG_FREE_ROUTINE", strict=(0xC4, 0x16, None, va)
    )
    if outcome.bugcheck is None:
        assert world.pc.memory.free_bytes() == free


@pytest.mark.parametrize("irql", [3, 5, 15])
def test_free_above_dispatch(family: str, level: str, irql: int) -> None:
    world = World(level=level)
    va = _allocate(world, family).BufferPointer
    with world.pc.at_irql(irql):
        world.expect(
            lambda: _free(world, family, va),
            Status.STOR_STATUS_INVALID_IRQL,
            "StorPortIrql",
            verifier=(0xC4, 0xE5, irql),
        )
    assert world.live(va)


def test_wrong_physical_address(level: str) -> None:
    world = World(level=level)
    va, pa = world.dma()
    outcome = world.expect(
        lambda: _free(world, "dma", va, PhysicalAddress=pa + 1),
        Status.STOR_STATUS_SUCCESS,
        "PA_MISMATCH",
        strict=(0xC4, 0x16, None, va),
    )
    assert outcome.bugcheck is not None or not world.live(va)


def test_right_physical_address(level: str) -> None:
    world = World(level=level)
    va, pa = world.dma()
    world.expect(lambda: _free(world, "dma", va, PhysicalAddress=pa), Status.STOR_STATUS_SUCCESS)


def test_block_that_a_built_mdl_describes(family: str, level: str) -> None:
    world = World(level=level)
    va = _allocate(world, family).BufferPointer
    world.mdl(va, 8192)
    world.expect(lambda: _free(world, family, va), Status.STOR_STATUS_SUCCESS, "FREE_WITH_LIVE_MDL")


# -- dma_remapping (§3.3) --------------------------------------------------------------------------------------------


def test_remapping_gives_logical_addresses() -> None:
    world = World(dma_remapping=True)
    va, logical = world.dma()
    assert logical != world.pc.physical(va)
    assert logical % PAGE == 0
    world.pc.write_va(va, b"to the device")
    assert world.hba.dma_read(logical, 13) == b"to the device"
    assert _free(world, "dma", va, PhysicalAddress=logical) == Status.STOR_STATUS_SUCCESS
    assert "PA_MISMATCH" not in world.names


@pytest.mark.parametrize("kind", ["read", "write"])
def test_remapping_stops_the_device_outside_its_mappings(level: str, kind: str) -> None:
    world = World(level=level, dma_remapping=True)
    va, logical = world.dma()
    physical = world.pc.physical(va)
    assert physical != logical
    call = (
        (lambda: world.hba.dma_read(physical, 4))
        if kind == "read"
        else (lambda: world.hba.dma_write(physical, b"1234"))
    )
    outcome = world.expect(call, bugcheck=(0xE6, 0x26, None, physical))
    assert outcome.bugcheck is not None


def test_remapping_ends_with_the_free(level: str) -> None:
    world = World(level=level, dma_remapping=True)
    va, logical = world.dma()
    world.observe(lambda: _free(world, "dma", va))
    world.expect(lambda: world.hba.dma_read(logical, 4), bugcheck=(0xE6, 0x26, None, logical))


@pytest.mark.parametrize("irql", [1, 2])
def test_remapping_advises_passive_level(irql: int) -> None:
    world = World(dma_remapping=True, level="release")
    with world.pc.at_irql(irql):
        outcome = world.observe(lambda: _allocate(world, "dma"))
    assert outcome.status == Status.STOR_STATUS_SUCCESS
    assert outcome.names == []
    assert [note.name for note in world.pc.notes] == ["DMA_ABOVE_PASSIVE"], "an advisory: recorded, never raised"
    plain = World(dma_remapping=False, level="strict")
    with plain.pc.at_irql(irql):
        assert _allocate(plain, "dma").status == Status.STOR_STATUS_SUCCESS


def test_dma_before_1803_touches_nothing() -> None:
    world = World(os=WindowsVersion.WIN10_1709, level="strict")
    free = world.pc.memory.free_bytes()
    assert _allocate(world, "dma", 0, BufferPointer=None).status == Status.STOR_STATUS_NOT_IMPLEMENTED
    assert world.pc.memory.free_bytes() == free
    assert world.names == []
    assert _free(world, "dma", 0) == Status.STOR_STATUS_NOT_IMPLEMENTED
