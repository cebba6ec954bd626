"""The numbers of §2: status values, enumerations, NTDDI versions, structure members, pool arithmetic."""

from __future__ import annotations

import itertools

import pytest

import storsim
import storsim.storport as sp
from kit import PAGE, World, mem
from storsim import WindowsVersion

STATUSES = {
    "STOR_STATUS_SUCCESS": 0x00000000,
    "STOR_STATUS_UNSUCCESSFUL": 0xC1000001,
    "STOR_STATUS_NOT_IMPLEMENTED": 0xC1000002,
    "STOR_STATUS_INSUFFICIENT_RESOURCES": 0xC1000003,
    "STOR_STATUS_BUFFER_TOO_SMALL": 0xC1000004,
    "STOR_STATUS_ACCESS_DENIED": 0xC1000005,
    "STOR_STATUS_INVALID_PARAMETER": 0xC1000006,
    "STOR_STATUS_INVALID_DEVICE_REQUEST": 0xC1000007,
    "STOR_STATUS_INVALID_IRQL": 0xC1000008,
    "STOR_STATUS_INVALID_DEVICE_STATE": 0xC1000009,
    "STOR_STATUS_INVALID_BUFFER_SIZE": 0xC100000A,
    "STOR_STATUS_UNSUPPORTED_VERSION": 0xC100000B,
    "STOR_STATUS_BUSY": 0xC100000C,
}

CACHE_TYPES = {
    "MmNonCached": 0,
    "MmCached": 1,
    "MmWriteCombined": 2,
    "MmHardwareCoherentCached": 3,
    "MmNonCachedUnordered": 4,
    "MmUSWCCached": 5,
    "MmMaximumCacheType": 6,
    "MmNotMapped": -1,
}

VERSIONS = {
    "WS03SP2": 0x05020200,
    "VISTA": 0x06000000,
    "WIN7": 0x06010000,
    "WIN8": 0x06020000,
    "WIN8_1": 0x06030000,
    "WIN10_1507": 0x0A000000,
    "WIN10_1511": 0x0A000001,
    "WIN10_1607": 0x0A000002,
    "WIN10_1703": 0x0A000003,
    "WIN10_1709": 0x0A000004,
    "WIN10_1803": 0x0A000005,
    "WIN10_1809": 0x0A000006,
    "WIN10_1903": 0x0A000007,
    "WIN10_2004": 0x0A000008,
    "SERVER_2022": 0x0A00000A,
    "WIN11_21H2": 0x0A00000B,
    "WIN11_22H2": 0x0A00000C,
    "WIN11_24H2": 0x0A000010,
}


@pytest.mark.parametrize(("name", "value"), STATUSES.items(), ids=STATUSES)
def test_status_values(name: str, value: int) -> None:
    member = sp.StorStatus[name]
    assert member == value
    assert getattr(sp, name) is member


def test_no_status_besides_the_documented_ones() -> None:
    assert {member.name: int(member) for member in sp.StorStatus} == STATUSES


@pytest.mark.parametrize(("name", "value"), CACHE_TYPES.items(), ids=CACHE_TYPES)
def test_caching_types(name: str, value: int) -> None:
    assert int(getattr(sp, name)) == value


def test_node_requirement() -> None:
    assert sp.MM_ANY_NODE_OK == 0x80000000


@pytest.mark.parametrize(("name", "value"), VERSIONS.items(), ids=VERSIONS)
def test_windows_versions(name: str, value: int) -> None:
    assert int(WindowsVersion[name]) == value


def test_no_other_windows_versions() -> None:
    assert {member.name: int(member) for member in WindowsVersion} == VERSIONS


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "PASSIVE_LEVEL": 0,
        "APC_LEVEL": 1,
        "DISPATCH_LEVEL": 2,
        "CLOCK_LEVEL": 13,
        "PROFILE_LEVEL": 15,
        "HIGH_LEVEL": 15,
    }.items(),
)
def test_irql_numbers(name: str, value: int) -> None:
    assert int(storsim.Irql[name]) == value


def test_device_level_defaults_to_five() -> None:
    world = World()
    with world.hba.callback("HwStorInterrupt"):
        assert world.pc.irql == 5


@pytest.mark.parametrize("dirql", range(3, 12))
def test_device_level_is_selectable(dirql: int) -> None:
    world = World(dirql=dirql)
    with world.hba.callback("HwStorInterrupt"):
        assert world.pc.irql == dirql


def test_access_range_members() -> None:
    entry = World().hmb()[0]
    assert (entry.RangeStart % PAGE, entry.RangeLength % PAGE) == (0, 0)
    assert bool(entry.RangeInMemory)
    assert sp.ACCESS_RANGE(0x1000, 0x2000, 1).RangeStart == 0x1000


@pytest.mark.parametrize(("elements", "need"), [(1, 40), (2, 64), (3, 88), (8, 208)])
def test_scatter_gather_list_size(elements: int, need: int) -> None:
    world = World()
    srb = world.hba.srb(elements * PAGE, fragments=elements)
    _status, mdl = sp.StorPortGetOriginalMdl(world.hba, srb)
    buffer = world.pool(512)
    with world.pc.at_irql(2):
        arguments = (mdl, srb.DataBuffer, elements * PAGE, lambda *_: None, 0, True, buffer)
        assert sp.StorPortBuildScatterGatherList(world.hba, *arguments, need - 1) == sp.STOR_STATUS_BUFFER_TOO_SMALL
        assert sp.StorPortBuildScatterGatherList(world.hba, *arguments, need) == sp.STOR_STATUS_SUCCESS


@pytest.mark.parametrize(
    ("offset", "count", "pages"),
    [(0, 1, 1), (0, 4096, 1), (0, 4097, 2), (4095, 1, 1), (4095, 2, 2), (0x800, 10000, 3), (1, 8192, 3)],
)
def test_mdl_spans_and_layout(offset: int, count: int, pages: int) -> None:
    world = World()
    va = world.pool(4 * PAGE)
    mdl = world.mdl(va + offset, count)
    assert len(mdl.pages) == pages
    raw = world.pc.read_va(int(mdl), 48 + 8 * pages)
    assert int.from_bytes(raw[8:10], "little") == 48 + 8 * pages  # Size
    assert int.from_bytes(raw[10:12], "little") == mdl.flags  # MdlFlags
    assert int.from_bytes(raw[16:24], "little") == 0  # Process
    assert int.from_bytes(raw[24:32], "little") == va + offset  # MappedSystemVa
    assert int.from_bytes(raw[32:40], "little") == va + offset - (va + offset) % PAGE  # StartVa
    assert int.from_bytes(raw[40:44], "little") == count  # ByteCount
    assert int.from_bytes(raw[44:48], "little") == offset  # ByteOffset
    numbers = [int.from_bytes(raw[48 + 8 * index : 56 + 8 * index], "little") for index in range(pages)]
    assert [number * PAGE for number in numbers] == [page - page % PAGE for page in mdl.pages]


# -- pool arithmetic, §2.4 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 8, 15, 16, 17, 100, 256, 1000, 2048, 3000, 4000, 4064, 4065, 4095])
def test_small_pool_is_aligned_and_inside_a_page(size: int) -> None:
    world = World()
    for _ in range(20):
        va = world.pool(size)
        assert va % 16 == 0
        assert va // PAGE == (va + size - 1) // PAGE


@pytest.mark.parametrize("size", [4096, 4097, 8192, 12289, 1 << 20])
def test_large_pool_is_page_aligned(size: int) -> None:
    world = World()
    before = world.pc.memory.free_bytes()
    assert world.pool(size) % PAGE == 0
    assert before - world.pc.memory.free_bytes() == -(-size // PAGE) * PAGE


def test_pool_blocks_never_overlap() -> None:
    world = World()
    spans = sorted((va, va + size) for size in range(1, 400, 7) for va in [world.pool(size)])
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))


def test_pool_need_not_be_physically_contiguous() -> None:
    world = World(memory=mem((1, 16), (32, 8), (64, 8), (96, 8)))
    free = world.pc.memory.free_bytes()
    va = world.pool(20 * PAGE)  # larger than any run
    assert free - world.pc.memory.free_bytes() == 20 * PAGE
    physical = [world.pc.physical(va + index * PAGE) for index in range(20)]
    assert len(set(physical)) == 20


def test_new_pool_holds_a_pattern_that_repeats_with_the_seed() -> None:
    def first_bytes(seed: int) -> bytes:
        world = World(seed=seed)
        return bytes(world.pc.read_va(world.pool(256), 256))

    assert first_bytes(1) == first_bytes(1)
    assert first_bytes(1) != bytes(256)


def test_tags_are_stored_first_character_lowest() -> None:
    world = World()
    assert world.record(world.pool(64, "Test")).tag == 0x74736554
    assert world.record(world.pool(64, b"A")).tag == 0x20202041
    assert world.record(world.pool(64, 0x74736554)).tag == 0x74736554
