"""§3.8: MDL routines, row by row."""

from __future__ import annotations

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, World
from storsim import WindowsVersion

Status = sp.StorStatus


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


# -- allocate --------------------------------------------------------------------------------------------------------


def test_allocated(level: str) -> None:
    world = World(level=level)
    va = world.pool(3 * PAGE)
    outcome = world.expect(lambda: sp.StorPortAllocateMdl(world.hba, va + 0x10, 2 * PAGE), Status.STOR_STATUS_SUCCESS)
    mdl = outcome.outputs[0]
    assert (mdl.va, mdl.byte_count, mdl.byte_offset) == (va + 0x10, 2 * PAGE, 0x10)
    assert mdl.flags & 0x4 == 0
    assert [record.va for record in world.kinds("mdl")] == [int(mdl)]


@pytest.mark.parametrize("buffer", [0, None])
def test_null_buffer(level: str, buffer: object) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortAllocateMdl(world.hba, buffer, PAGE))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER
    assert not world.kinds("mdl")


def test_null_output(level: str) -> None:
    world = World(level=level)
    va = world.pool(PAGE)
    outcome = world.observe(lambda: sp.StorPortAllocateMdl(world.hba, va, PAGE, Mdl=None))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER
    assert not world.kinds("mdl")


def test_no_memory(level: str) -> None:
    world = World(level=level, nonpaged_budget=64 * PAGE)
    va = world.pool(PAGE)
    while sp.StorPortAllocatePool(world.hba, 64, "Test").status == Status.STOR_STATUS_SUCCESS:
        pass
    outcome = world.expect(lambda: sp.StorPortAllocateMdl(world.hba, va, 64), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)
    assert int(outcome.outputs[0]) == 0


def test_injected_failure(level: str) -> None:
    world = World(level=level)
    va = world.pool(PAGE)
    world.pc.faults.fail_nth("StorPortAllocateMdl", 1)
    outcome = world.observe(lambda: sp.StorPortAllocateMdl(world.hba, va, 64))
    assert outcome.status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert int(outcome.outputs[0]) == 0
    assert outcome.names == []


@pytest.mark.parametrize(
    ("os", "limit"),
    [
        (WindowsVersion.VISTA, (2 << 30) - PAGE),
        (WindowsVersion.WIN7, (4 << 30) - PAGE),
        (WindowsVersion.WIN11_24H2, (4 << 30) - PAGE),
    ],
)
def test_longest_mdl(os: WindowsVersion, limit: int) -> None:
    world = World(os=os, memory="16GiB")
    va = world.pool(PAGE)
    assert sp.StorPortAllocateMdl(world.hba, va, limit).status == Status.STOR_STATUS_SUCCESS
    outcome = world.expect(
        lambda: sp.StorPortAllocateMdl(world.hba, va, limit + 1), Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    )
    assert int(outcome.outputs[0]) == 0


def test_zero_bytes(level: str) -> None:
    world = World(level=level)
    va = world.pool(PAGE)
    world.expect(lambda: sp.StorPortAllocateMdl(world.hba, va, 0), Status.STOR_STATUS_SUCCESS, "ZERO_LENGTH")


# -- build -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mdl", [0, None])
def test_build_null(level: str, mdl: object) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("what", ["pool", "small pool", "contiguous", "dma", "uncached", "device", "srb"])
def test_build_over_resident_memory(level: str, what: str) -> None:
    world = World(level=level)
    if what == "srb":
        with world.find_adapter() as config:
            config.SrbExtensionSize = 2048
        va, size = int(world.hba.srb(PAGE).SrbExtension), 2048
    else:
        va, size = {
            "pool": lambda: (world.pool(3 * PAGE), 3 * PAGE),
            "small pool": lambda: (world.pool(100), 100),
            "contiguous": lambda: (world.contiguous(2 * PAGE), 2 * PAGE),
            "dma": lambda: (world.dma(2 * PAGE)[0], 2 * PAGE),
            "uncached": lambda: (world.uncached(8192), 8192),
            "device": lambda: (int(world.ext), 64),
        }[what]()
    mdl = world.mdl(va, size, built=False)
    world.expect(lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl), Status.STOR_STATUS_SUCCESS)
    assert mdl.flags & 0x4
    first = va - va % PAGE
    expected = [world.pc.physical(page if page >= va else va) // PAGE * PAGE for page in range(first, va + size, PAGE)]
    assert [page - page % PAGE for page in mdl.pages] == expected


def test_build_over_freed_memory(level: str) -> None:
    world = World(level=level)
    va = world.pool(PAGE)
    mdl = world.mdl(va, PAGE, built=False)
    sp.StorPortFreePool(world.hba, va)
    world.expect(lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl), bugcheck=(0x1A, 0x1240, int(mdl), None, 0))


@pytest.mark.parametrize("address", [0x10000, 0xFFFF_F000_0000_0000])
def test_build_over_no_kernel_memory(level: str, address: int) -> None:
    world = World(level=level)
    mdl = world.mdl(address, PAGE, built=False)
    world.expect(lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl), bugcheck=(0x1A, 0x1240, int(mdl), None, 0))


def test_build_past_the_end_of_the_buffer(level: str) -> None:
    world = World(level=level)
    va = world.pool(PAGE)
    mdl = world.mdl(va, 64 * PAGE, built=False)
    outcome = world.observe(lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl))
    assert outcome.code is not None
    assert outcome.code[:3] == (0x1A, 0x1240, int(mdl))


def test_build_twice(level: str) -> None:
    world = World(level=level)
    mdl = world.mdl(world.pool(PAGE), PAGE)
    world.expect(
        lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl),
        Status.STOR_STATUS_SUCCESS,
        "MDL_REBUILD",
        unchanged=True,
    )


def test_build_a_requests_mdl(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(PAGE)
    _status, mdl = sp.StorPortGetOriginalMdl(world.hba, srb)
    outcome = world.observe(lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl))
    assert outcome.names == ["MDL_REBUILD"]


def test_build_zero_bytes() -> None:
    world = World(level="release")
    _status, mdl = sp.StorPortAllocateMdl(world.hba, world.pool(PAGE), 0)
    outcome = world.observe(lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl))
    assert outcome.bugcheck is None
    assert len(outcome.names) == 1


@pytest.mark.parametrize("kind", ["kernel_stack", "pageable"])
def test_build_over_stack_or_pageable_memory(level: str, kind: str) -> None:
    world = World(level=level)
    va = int(getattr(world.pc, kind)(PAGE))
    mdl = world.mdl(va, 64, built=False)
    world.expect(
        lambda: sp.StorPortBuildMdlForNonPagedPool(world.hba, mdl),
        violation="*",
        verifier=(0xC4, 0x140, 0, int(mdl), va),
    )


# -- free ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("built", [False, True])
def test_freed(level: str, built: bool) -> None:
    world = World(level=level)
    va = world.pool(PAGE)
    mdl = world.mdl(va, PAGE, built=built)
    world.expect(lambda: sp.StorPortFreeMdl(world.hba, mdl), Status.STOR_STATUS_SUCCESS)
    assert world.live(va)
    assert not world.kinds("mdl")


@pytest.mark.parametrize("mdl", [0, None])
def test_free_null(level: str, mdl: object) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortFreeMdl(world.hba, mdl))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER


@pytest.mark.parametrize("by", ["object", "address"])
def test_double_free(level: str, by: str) -> None:
    world = World(level=level)
    mdl = world.mdl(world.pool(PAGE), PAGE)
    target = mdl if by == "object" else int(mdl)
    address = int(mdl)
    sp.StorPortFreeMdl(world.hba, target)
    world.expect(lambda: sp.StorPortFreeMdl(world.hba, address), release=(0xC2, 0x07), verifier=(0xC4, 0x13))


@pytest.mark.parametrize("what", ["contiguous", "device", "unknown"])
def test_free_of_something_else(level: str, what: str) -> None:
    world = World(level=level)
    address = {
        "contiguous": lambda: world.contiguous(),
        "device": lambda: int(world.ext),
        "unknown": lambda: 0xFFFF_F000_0000_0000,
    }[what]()
    world.expect(
        lambda: sp.StorPortFreeMdl(world.hba, address),
        release=(0xC2, 0x42, address, 0, 0),
        verifier=(0xC4, 0x10, address),
    )


def test_free_of_a_pool_block_as_mdl(level: str) -> None:
    world = World(level=level)
    address = world.pool(64)
    outcome = world.observe(lambda: sp.StorPortFreeMdl(world.hba, address))
    assert outcome.code is not None
    assert outcome.code[0] in ((0xC2,) if level == "release" else (0xC4, 0xC2))


def test_mdl_left_at_removal(level: str) -> None:
    world = World(level=level)
    other = world.pc.add_adapter("other")
    va = world.pool(PAGE)
    status, _mdl = sp.StorPortAllocateMdl(other, va, PAGE)
    assert status == Status.STOR_STATUS_SUCCESS
    outcome = world.observe(other.remove)
    assert outcome.names == ["MDL_LEAK"]
    assert outcome.bugcheck is None
    assert (outcome.raised is not None) == (level == "strict")
