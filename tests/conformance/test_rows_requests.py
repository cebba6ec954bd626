"""§3.10 to §3.12: registry buffer, SRB-derived memory, topology, IRQL, dump marking, copies."""

from __future__ import annotations

from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, TWO_NODES, World, mem
from storsim import MemoryRange

Status = sp.StorStatus
INVALID = Status.STOR_STATUS_INVALID_PARAMETER
MIB = 1 << 20


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


# -- registry buffer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 64, 4096, 10000])
def test_registry_buffer(level: str, length: int) -> None:
    world = World(level=level)
    result = sp.StorPortAllocateRegistryBuffer(world.hba, length)
    assert result.Buffer
    assert result.Length >= length
    assert world.record(result.Buffer).kind == "registry"
    world.pc.write_va(result.Buffer, b"x" * result.Length)
    sp.StorPortFreeRegistryBuffer(world.hba, result.Buffer)
    assert not world.kinds("registry")
    assert world.names == []


def test_one_per_adapter() -> None:
    world = World(level="strict")
    other = world.pc.add_adapter("other")
    assert sp.StorPortAllocateRegistryBuffer(world.hba, 64).Buffer
    assert sp.StorPortAllocateRegistryBuffer(other, 64).Buffer
    assert sp.StorPortAllocateRegistryBuffer(other, 64).Buffer == 0


@pytest.mark.parametrize("irql", [1, 2, 5, 15])
def test_registry_buffer_above_passive(level: str, irql: int) -> None:
    world = World(level=level)
    with world.pc.at_irql(irql):
        outcome = world.expect(
            lambda: sp.StorPortAllocateRegistryBuffer(world.hba, 64), violation="*", verifier=(0xC4, 0xE5, irql)
        )
        if outcome.bugcheck is None:
            assert outcome.result[0] == 0
    assert not world.kinds("registry")


@pytest.mark.parametrize("irql", [1, 2, 5, 15])
def test_registry_free_above_passive(level: str, irql: int) -> None:
    world = World(level=level)
    buffer = sp.StorPortAllocateRegistryBuffer(world.hba, 64).Buffer
    with world.pc.at_irql(irql):
        world.expect(
            lambda: sp.StorPortFreeRegistryBuffer(world.hba, buffer), violation="*", verifier=(0xC4, 0xE5, irql)
        )
    assert world.live(buffer)


@pytest.mark.parametrize("length", [0, None])
def test_registry_buffer_of_no_length(level: str, length: Any) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortAllocateRegistryBuffer(world.hba, length))
    assert outcome.bugcheck is None
    assert (outcome.result[0] if isinstance(outcome.result, tuple) else outcome.result) == 0


@pytest.mark.parametrize("buffer", [0, None])
def test_registry_free_of_null(level: str, buffer: Any) -> None:
    world = World(level=level)
    world.expect(lambda: sp.StorPortFreeRegistryBuffer(world.hba, buffer), violation="*")


@pytest.mark.parametrize("offset", [1, 0x1000])
def test_registry_free_of_another_pointer(level: str, offset: int) -> None:
    world = World(level=level)
    buffer = sp.StorPortAllocateRegistryBuffer(world.hba, 64).Buffer + offset
    world.expect(lambda: sp.StorPortFreeRegistryBuffer(world.hba, buffer), bugcheck=(0xC2, 0x42, buffer))


def test_registry_buffer_left_at_removal(level: str) -> None:
    world = World(level=level)
    sp.StorPortAllocateRegistryBuffer(world.hba, 64)
    outcome = world.observe(world.hba.remove)
    assert outcome.names == ["REGISTRY_LEAK"]
    assert outcome.bugcheck is None
    assert (outcome.raised is not None) == (level == "strict")


# -- memory of requests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("irql", [0, 1, 2])
def test_system_address(level: str, irql: int) -> None:
    world = World(level=level)
    srb = world.hba.srb(8192)
    with world.pc.at_irql(irql):
        result = sp.StorPortGetSystemAddress(world.hba, srb)
        assert result.status == Status.STOR_STATUS_SUCCESS
        assert sp.StorPortGetSystemAddress(world.hba, srb).SystemAddress == result.SystemAddress
    world.pc.write_va(result.SystemAddress, b"payload")
    assert world.pc.memory.read(world.pc.physical(result.SystemAddress), 7) == b"payload"
    assert world.names == []


def test_system_address_without_data(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortGetSystemAddress(world.hba, world.hba.srb(0)))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


@pytest.mark.parametrize(
    "routine",
    [
        ("StorPortGetSystemAddress", "SystemAddress"),
        ("StorPortGetOriginalMdl", "Mdl"),
        ("StorPortGetDataInBufferMdl", "Mdl"),
        ("StorPortGetDataInBufferScatterGatherList", "SgList"),
        ("StorPortGetDataInBufferSystemAddress", "SystemAddress"),
    ],
    ids=lambda pair: pair[0],
)
def test_null_output(level: str, routine: tuple[str, str]) -> None:
    world = World(level=level)
    srb = world.hba.srb(4096, write=False)
    outcome = world.observe(lambda: getattr(sp, routine[0])(world.hba, srb, **{routine[1]: None}))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


@pytest.mark.parametrize("routine", ["StorPortGetSystemAddress", "StorPortGetDataInBufferSystemAddress"])
@pytest.mark.parametrize("irql", [3, 5, 15])
def test_system_address_above_dispatch(level: str, routine: str, irql: int) -> None:
    world = World(level=level)
    srb = world.hba.srb(4096, write=False)
    with world.pc.at_irql(irql):
        world.expect(
            lambda: getattr(sp, routine)(world.hba, srb), Status.STOR_STATUS_INVALID_IRQL, "StorPortIrql|BAD_IRQL"
        )


@pytest.mark.parametrize("routine", ["StorPortGetSystemAddress", "StorPortGetDataInBufferSystemAddress"])
def test_system_address_without_resources(level: str, routine: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(4096, write=False)
    world.pc.faults.fail_nth(routine, 1)
    outcome = world.observe(lambda: getattr(sp, routine)(world.hba, srb))
    assert outcome.status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert outcome.outputs == (0,)
    assert outcome.names == []


def test_original_mdl(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(3 * PAGE)
    result = sp.StorPortGetOriginalMdl(world.hba, srb)
    assert result.status == Status.STOR_STATUS_SUCCESS
    assert result.Mdl.byte_count == 3 * PAGE
    assert [page - page % PAGE for page in result.Mdl.pages] == [
        world.pc.physical(int(srb.DataBuffer) + index * PAGE) for index in range(3)
    ]


def test_data_in_buffer(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(3 * PAGE, write=False)
    mdl = sp.StorPortGetDataInBufferMdl(world.hba, srb)
    sg = sp.StorPortGetDataInBufferScatterGatherList(world.hba, srb)
    address = sp.StorPortGetDataInBufferSystemAddress(world.hba, srb)
    assert {mdl.status, sg.status, address.status} == {Status.STOR_STATUS_SUCCESS}
    assert mdl.Mdl.byte_count == sum(element.Length for element in sg.SgList.List) == 3 * PAGE
    assert world.pc.physical(address.SystemAddress) == sg.SgList.List[0].PhysicalAddress
    assert world.names == []


def test_page_frame_numbers(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(3 * PAGE)
    mdl = sp.StorPortGetOriginalMdl(world.hba, srb).Mdl
    result = sp.StorPortGetPfns(world.hba, srb, mdl)
    assert result.status == Status.STOR_STATUS_SUCCESS
    assert result.PfnCount == 3
    assert result.StartingOffset == mdl.byte_offset
    raw = world.pc.read_va(int(result.Pfns), 24)
    numbers = [int.from_bytes(raw[8 * index : 8 * index + 8], "little") for index in range(3)]
    assert [number * PAGE for number in numbers] == [page - page % PAGE for page in mdl.pages]


@pytest.mark.parametrize("missing", ["Srb", "Mdl", "Pfns", "PfnCount", "StartingOffset"])
def test_page_frame_numbers_null(level: str, missing: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(PAGE)
    arguments: dict[str, Any] = {"Srb": srb, "Mdl": sp.StorPortGetOriginalMdl(world.hba, srb).Mdl} | {missing: None}
    outcome = world.observe(lambda: sp.StorPortGetPfns(world.hba, **arguments))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


def test_page_frame_numbers_of_another_mdl(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(PAGE)
    own = world.mdl(world.pool(PAGE), PAGE)
    outcome = world.observe(lambda: sp.StorPortGetPfns(world.hba, srb, own))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


def test_page_frame_numbers_are_read_only(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(PAGE)
    mdl = sp.StorPortGetOriginalMdl(world.hba, srb).Mdl
    pfns = int(sp.StorPortGetPfns(world.hba, srb, mdl).Pfns)
    outcome = world.observe(lambda: world.pc.write_va(pfns, bytes(8)))
    assert outcome.bugcheck is not None or outcome.names


def test_pointers_die_with_the_request(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(PAGE)
    address = sp.StorPortGetSystemAddress(world.hba, srb).SystemAddress
    srb.complete()
    outcome = world.observe(lambda: world.pc.read_va(address, 4))
    assert outcome.bugcheck is not None or outcome.names == ["USE_AFTER_FREE"]


# -- topology --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("memory", "nodes"), [(None, 1), (TWO_NODES, 2), ("16GiB", 1)])
def test_node_counts(level: str, memory: Any, nodes: int) -> None:
    world = World(level=level, memory=memory)
    assert tuple(sp.StorPortGetHighestNodeNumber(world.hba)) == (Status.STOR_STATUS_SUCCESS, nodes - 1)
    assert tuple(sp.StorPortGetActiveNodeCount(world.hba)) == (Status.STOR_STATUS_SUCCESS, nodes)


def test_eight_nodes_of_a_large_machine() -> None:
    world = World(memory="64TiB", nodes=8)
    assert sp.StorPortGetHighestNodeNumber(world.hba).HighestNode == 7
    assert sp.StorPortGetActiveNodeCount(world.hba).NumberNodes == 8


def test_nodes_with_gaps_are_renumbered() -> None:
    world = World(memory=[MemoryRange(MIB, MIB, 0), MemoryRange(4 * MIB, MIB, 5)])
    assert sp.StorPortGetHighestNodeNumber(world.hba).HighestNode == 1
    assert {run.node for run in world.pc.memory.runs()} == {0, 1}


@pytest.mark.parametrize("routine", ["StorPortGetHighestNodeNumber", "StorPortGetActiveNodeCount"])
def test_node_count_null(level: str, routine: str) -> None:
    world = World(level=level)
    name = "HighestNode" if "Highest" in routine else "NumberNodes"
    outcome = world.observe(lambda: getattr(sp, routine)(world.hba, **{name: None}))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


def test_affinity_covers_the_processors_of_a_node() -> None:
    world = World(memory=TWO_NODES, cpus=4)
    masks = [sp.StorPortGetNodeAffinity(world.hba, node).NodeAffinityMask.Mask for node in (0, 1)]
    assert masks[0] | masks[1] == 0b1111
    assert masks[0] & masks[1] == 0
    assert all(masks)


@pytest.mark.parametrize("node", [1, 100, 65535])
def test_affinity_of_an_absent_node(level: str, node: int) -> None:
    world = World(level=level)
    result = sp.StorPortGetNodeAffinity(world.hba, node)
    assert result.status == Status.STOR_STATUS_SUCCESS
    assert result.NodeAffinityMask.Mask == 0


@pytest.mark.parametrize("node", [65536, 70000, 0xFFFFFFFF])
def test_affinity_of_an_impossible_node(level: str, node: int) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortGetNodeAffinity(world.hba, node))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


def test_affinity_null(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortGetNodeAffinity(world.hba, 0, NodeAffinityMask=None))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


def test_affinity2(level: str) -> None:
    world = World(level=level, memory=TWO_NODES, cpus=2)
    result = sp.StorPortGetNodeAffinity2(world.hba, 1, GroupAffinitiesCount=4)
    assert result.status == Status.STOR_STATUS_SUCCESS
    assert result.GroupAffinitiesCountRequired == 1
    assert result.GroupAffinities[0].Mask == sp.StorPortGetNodeAffinity(world.hba, 1).NodeAffinityMask.Mask


def test_affinity2_too_small(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortGetNodeAffinity2(world.hba, 0, GroupAffinitiesCount=0))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_BUFFER_TOO_SMALL
    assert outcome.result.GroupAffinitiesCountRequired == 1


def test_affinity2_of_a_memory_only_node() -> None:
    world = World(memory=mem((256, 1024, 0), (2048, 1024, 1)), cpus=1)
    result = sp.StorPortGetNodeAffinity2(world.hba, 1, GroupAffinitiesCount=4)
    assert result.status == Status.STOR_STATUS_SUCCESS
    assert result.GroupAffinitiesCountRequired == 0


@pytest.mark.parametrize("missing", ["GroupAffinitiesCountRequired"])
def test_affinity2_null(level: str, missing: str) -> None:
    world = World(level=level)
    outcome = world.observe(
        lambda: sp.StorPortGetNodeAffinity2(world.hba, 0, GroupAffinitiesCount=1, **{missing: None})
    )
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


@pytest.mark.parametrize("irql", range(16))
def test_current_irql(level: str, irql: int) -> None:
    world = World(level=level)
    with world.pc.at_irql(irql):
        assert tuple(sp.StorPortGetCurrentIrql(world.hba)) == (Status.STOR_STATUS_SUCCESS, irql)
        assert world.pc.irql == irql
    assert world.pc.irql == 0


def test_current_irql_null(level: str) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: sp.StorPortGetCurrentIrql(world.hba, Irql=None))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


# -- dump marking ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", [0, 1])
@pytest.mark.parametrize("length", [0, 1, 4096])
def test_mark_dump_memory(level: str, length: int, flags: int) -> None:
    world = World(level=level)
    va = world.pool(4096)
    address = world.pc.physical(va) if flags else va
    with world.find_adapter():
        outcome = world.expect(
            lambda: sp.StorPortMarkDumpMemory(world.hba, address, length, flags), Status.STOR_STATUS_SUCCESS
        )
    assert outcome.raised is None


def test_physical_flag() -> None:
    assert int(sp.MARK_DUMP_MEMORY_FLAG_PHYSICAL_ADDRESS) == 1


@pytest.mark.parametrize("flags", [2, 3, 0x80000000, 0xFFFFFFFF])
def test_mark_dump_memory_unknown_flag(level: str, flags: int) -> None:
    world = World(level=level)
    va = world.pool(4096)
    with world.find_adapter():
        outcome = world.observe(lambda: sp.StorPortMarkDumpMemory(world.hba, va, 4096, flags))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


@pytest.mark.parametrize("callback", [None, "HwStorStartIo", "HwStorInterrupt"])
def test_mark_dump_memory_elsewhere(callback: str | None) -> None:
    world = World(level="release")
    va = world.pool(4096)
    if callback is None:
        outcome = world.observe(lambda: sp.StorPortMarkDumpMemory(world.hba, va, 4096, 0))
    else:
        with world.hba.callback(callback):
            outcome = world.observe(lambda: sp.StorPortMarkDumpMemory(world.hba, va, 4096, 0))
    assert outcome.names == ["BAD_CONTEXT"]


# -- copies ----------------------------------------------------------------------------------------------------------


def test_secure_copy(level: str) -> None:
    world = World(level=level)
    source, target = world.pool(64), world.pool(64)
    world.pc.write_va(source, bytes(range(64)))
    assert world.pc.storport.StorPortSecureCopyMemory(target, 64, source, 32) == Status.STOR_STATUS_SUCCESS
    assert world.pc.read_va(target, 32) == bytes(range(32))
    assert world.names == []


def test_secure_copy_too_small(level: str) -> None:
    world = World(level=level)
    source, target = world.pool(64), world.pool(64)
    before = world.pc.read_va(target, 64)
    outcome = world.observe(lambda: world.pc.storport.StorPortSecureCopyMemory(target, 31, source, 32))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_BUFFER_TOO_SMALL
    assert world.pc.read_va(target, 64) == before


@pytest.mark.parametrize("which", ["Dest", "Src"])
def test_secure_copy_null(level: str, which: str) -> None:
    world = World(level=level)
    other = world.pool(64)
    arguments = (0, 64, other, 32) if which == "Dest" else (other, 64, 0, 32)
    outcome = world.observe(lambda: world.pc.storport.StorPortSecureCopyMemory(*arguments))
    assert outcome.bugcheck is None
    assert outcome.status == INVALID


@pytest.mark.parametrize("shift", [-16, 0, 16])
def test_move_memory_may_overlap(level: str, shift: int) -> None:
    world = World(level=level)
    va = world.pool(256)
    world.pc.write_va(va, bytes(range(256)))
    source, target = va + 64, va + 64 + shift
    assert world.pc.storport.StorPortMoveMemory(target, source, 100) is None
    assert world.pc.read_va(target, 100) == bytes(range(64, 164))


@pytest.mark.parametrize("value", [0, 1, 0xFFFFFFFF, 2**64 - 1])
def test_convert_ulong(value: int) -> None:
    assert World().pc.storport.StorPortConvertUlongToPhysicalAddress(value) == value
