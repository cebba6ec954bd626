"""Every knob of §9: its default, its values, and what each does. Machine knobs are the defaults of its devices
(DESIGN §5).
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

import storsim
import storsim.storport as sp
from kit import HIGH, PAGE, TWO_NODES, World
from storsim import MemoryRange, Placement, WindowsVersion

Status = sp.StorStatus
MIB = 1 << 20
GIB = 1 << 30
UP = Placement.BOTTOM_UP  # keeps the port's own blocks away from the top

DEFAULTS: dict[str, Any] = {
    "os": WindowsVersion.WIN11_24H2,
    "level": "verifier",
    "node_policy": "prefer",
    "allow_cross_node": False,
    "address_check": "doc",
    "placement": Placement.TOP_DOWN,
    "contig_at_dispatch": "full",
    "zero_pool": False,
    "zero_contig": False,
    "zero_hmb": False,
    "hmb_policy": 2,
    "hmb_utilization_divisor": 1024,
    "hmb_disabled_status": Status.STOR_STATUS_INSUFFICIENT_RESOURCES,
    "hmb_second_alloc_status": Status.STOR_STATUS_INSUFFICIENT_RESOURCES,
    "hmb_free_match": "set",
    "dma_remapping": False,
    "coherent": True,
    "poison_length": False,
    "sg_delivery": "immediate",
    "bypass_irql_status": False,
    "quarantine": 64 * MIB,
    "seed": 0,
    "cpus": 1,
}


@pytest.mark.parametrize(("name", "value"), DEFAULTS.items(), ids=DEFAULTS)
def test_default(name: str, value: Any) -> None:
    assert getattr(storsim.Machine().config, name) == value


def test_configuration_is_complete_and_frozen() -> None:
    config = storsim.Machine(seed=5, hmb_policy=1).config
    assert config.seed == 5
    assert config.hmb_policy == 1
    with pytest.raises((AttributeError, TypeError)):
        config.seed = 6


def test_unknown_knobs_are_refused() -> None:
    with pytest.raises(TypeError):
        storsim.Machine(node_polcy="strict")
    with pytest.raises(TypeError):
        storsim.Machine().add_adapter("hba", hmb_polcy=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("level", "paranoid"),
        ("node_policy", "maybe"),
        ("address_check", "word"),
        ("contig_at_dispatch", "half"),
        ("hmb_policy", 4),
        ("hmb_utilization_divisor", 0),
        ("hmb_free_match", "almost"),
        ("sg_delivery", "never"),
        ("cpus", 0),
        ("os", 0x12345678),
    ],
)
def test_senseless_values_are_refused(name: str, value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        World(**{name: value})


def test_device_knobs_given_to_the_machine_are_defaults() -> None:
    pc = storsim.Machine([MemoryRange(MIB, 64 * MIB, 0)], hmb_policy=1)
    first, second = pc.add_adapter("first"), pc.add_adapter("second", hmb_policy=2)
    arguments = (MIB, 4 * MIB, 0, 0, 0, -1, 0, 8)
    totals = [
        sum(entry.RangeLength for entry in sp.StorPortAllocateHostMemoryBuffer(hba, *arguments).PhysicalAddressRanges)
        for hba in (first, second)
    ]
    assert totals == [MIB, 4 * MIB]


# -- placement and nodes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("node", "expected"), [(0, 0), (1, 1)])
@pytest.mark.parametrize("policy", ["prefer", "strict"])
def test_node_policy_with_room(policy: str, node: int, expected: int) -> None:
    world = World(memory=TWO_NODES, node_policy=policy)
    assert world.record(world.contiguous(8192, node=node)).node == expected


def test_any_node_starts_at_the_callers() -> None:
    world = World(memory=TWO_NODES, cpus=2)
    for cpu in (0, 1):
        with world.pc.on_cpu(cpu):
            assert world.record(world.contiguous(8192)).node == cpu


@pytest.mark.parametrize("allowed", [False, True])
def test_allow_cross_node(allowed: bool) -> None:
    world = World(memory=TWO_NODES, allow_cross_node=allowed, placement=Placement.BOTTOM_UP)
    status = sp.StorPortAllocateDmaMemory(world.hba, 40 * MIB, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK).status
    assert (status == Status.STOR_STATUS_SUCCESS) == allowed


@pytest.mark.parametrize(("mode", "granted"), [("doc", False), ("pfn", True)])
def test_address_check(mode: str, granted: bool) -> None:
    """A limit in the middle of the only free page: to the byte it is too low for a page, to the page it is not."""
    world = World(
        memory=[MemoryRange(MIB, 2 * MIB, 0), MemoryRange(16 * MIB, PAGE, 0)], address_check=mode, placement=UP
    )
    status, va, _pa = sp.StorPortAllocateDmaMemory(
        world.hba, PAGE, 16 * MIB, 16 * MIB + 100, 0, sp.MmCached, sp.MM_ANY_NODE_OK
    )
    assert (status == Status.STOR_STATUS_SUCCESS) == granted
    assert (va != 0) == granted


@pytest.mark.parametrize(("size", "granted"), [(100, True), (101, True), (102, False)])
def test_address_check_doc_counts_the_bytes_asked_for(size: int, granted: bool) -> None:
    world = World(
        memory=[MemoryRange(MIB, 2 * MIB, 0), MemoryRange(16 * MIB, PAGE, 0)], address_check="doc", placement=UP
    )
    status = sp.StorPortAllocateDmaMemory(
        world.hba, size, 16 * MIB, 16 * MIB + 100, 0, sp.MmCached, sp.MM_ANY_NODE_OK
    ).status
    assert (status == Status.STOR_STATUS_SUCCESS) == granted


def _addresses(placement: Placement, count: int = 12, **knobs: Any) -> list[int]:
    world = World(memory="16GiB", placement=placement, **knobs)
    return [world.pc.physical(world.contiguous(3 * PAGE)) for _ in range(count)]


def test_top_down_and_bottom_up() -> None:
    down, up = _addresses(Placement.TOP_DOWN), _addresses(Placement.BOTTOM_UP)
    assert down == sorted(down, reverse=True)
    assert up == sorted(up)
    assert down[0] > 4 * GIB
    assert up[0] < MIB


def test_random_follows_the_seed() -> None:
    assert _addresses(Placement.RANDOM, seed=1) == _addresses(Placement.RANDOM, seed=1)
    assert _addresses(Placement.RANDOM, seed=1) != _addresses(Placement.RANDOM, seed=2)


def test_best_fit_takes_the_smallest_hole() -> None:
    world = World(
        memory=[MemoryRange(MIB, 16 * MIB, 0), MemoryRange(64 * MIB, 3 * PAGE, 0)], placement=Placement.BEST_FIT
    )
    before = {run.start: run.length for run in world.pc.memory.runs()}
    pa = world.pc.physical(world.contiguous(3 * PAGE))
    smallest = min((length, start) for start, length in before.items() if length >= 3 * PAGE)
    assert smallest[1] <= pa < smallest[1] + smallest[0]


def test_adversarial_is_legal_and_unpleasant() -> None:
    world = World(memory="16GiB", placement=Placement.ADVERSARIAL)
    assert world.pc.physical(world.contiguous(PAGE)) > 4 * GIB
    blocks = [world.pc.physical(world.contiguous(PAGE)) for _ in range(16)]
    assert not any(abs(first - second) == PAGE for first, second in itertools.pairwise(blocks))
    for _ in range(16):
        va = world.contiguous(2 * PAGE, highest=0xFFFFFFFF, boundary=0x10000)
        pa = world.pc.physical(va)
        assert pa + 2 * PAGE <= 1 << 32
        assert pa >> 16 == (pa + 2 * PAGE - 1) >> 16


@pytest.mark.parametrize("node", [0, 1])
def test_adversarial_keeps_a_preferred_node_that_has_pages(node: int) -> None:
    """Unpleasant but legal (§4.1 rule 5): "if pages are available on that node", the block lies there."""
    world = World(memory=TWO_NODES, placement=Placement.ADVERSARIAL)
    assert [world.record(world.contiguous(8192, node=node)).node for _ in range(4)] == [node] * 4


def test_adversarial_takes_the_far_node_where_any_will_do() -> None:
    world = World(memory=TWO_NODES, placement=Placement.ADVERSARIAL, cpus=2)
    for cpu in (0, 1):
        with world.pc.on_cpu(cpu):
            assert world.record(world.contiguous(8192, node=sp.MM_ANY_NODE_OK)).node == 1 - cpu


@pytest.mark.parametrize(("mode", "granted"), [("full", True), ("pool_only", False)])
def test_contig_at_dispatch(mode: str, granted: bool) -> None:
    world = World(contig_at_dispatch=mode)
    with world.pc.at_irql(2):
        status = sp.StorPortAllocateDmaMemory(world.hba, 16 * MIB, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK).status
    assert (status == Status.STOR_STATUS_SUCCESS) == granted
    assert world.contiguous(16 * MIB)


# -- contents --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zero", [False, True])
def test_zero_pool(zero: bool) -> None:
    world = World(zero_pool=zero)
    for size in (64, 300, 5000):
        assert (world.pc.read_va(world.pool(size), size) == bytes(size)) == zero


@pytest.mark.parametrize("zero", [False, True])
def test_zero_pool_after_reuse(zero: bool) -> None:
    world = World(zero_pool=zero)
    for _ in range(3):
        va = world.pool(64)
        assert (world.pc.read_va(va, 64) == bytes(64)) == zero
        world.pc.write_va(va, b"\xff" * 64)
        sp.StorPortFreePool(world.hba, va)


@pytest.mark.parametrize("zero", [False, True])
def test_zero_contig(zero: bool) -> None:
    world = World(zero_contig=zero)
    for va in (world.contiguous(8192), world.dma(8192)[0]):
        assert (world.pc.read_va(va, 8192) == bytes(8192)) == zero


@pytest.mark.parametrize("zero", [False, True])
def test_zero_hmb(zero: bool) -> None:
    world = World(zero_hmb=zero)
    entry = world.hmb()[0]
    assert (world.pc.memory.read(entry.RangeStart, 8192) == bytes(8192)) == zero


def test_freed_pages_are_poisoned() -> None:
    world = World()
    va, pa = world.dma(8192)
    world.pc.write_va(va, b"secret" * 100)
    sp.StorPortFreeDmaMemory(world.hba, va, 8192, sp.MmCached)
    assert b"secret" not in world.pc.memory.read(pa, 8192)


# -- host memory buffer ----------------------------------------------------------------------------------------------


def _hmb_bytes(world: World, minimum: int = 2 * MIB, preferred: int = 32 * MIB, utilization: int = 0) -> int:
    return sum(entry.RangeLength for entry in world.hmb(minimum, preferred, 16, utilization=utilization))


@pytest.mark.parametrize(
    ("policy", "minimum", "total"), [(1, 2 * MIB, 2 * MIB), (1, 0, PAGE), (2, 2 * MIB, 32 * MIB), (3, 2 * MIB, 2 * MIB)]
)
def test_hmb_policy(policy: int, minimum: int, total: int) -> None:
    assert _hmb_bytes(World(hmb_policy=policy), minimum) == total


@pytest.mark.parametrize(
    ("utilization", "total"),
    [
        (0, 2 * MIB),
        (4 * GIB, 4 * MIB),
        (4 * GIB + 1, 4 * MIB),
        (4 * GIB + 4 * MIB, 4 * MIB + PAGE),
        (1 << 50, 32 * MIB),
    ],
)
def test_hmb_policy_scaled(utilization: int, total: int) -> None:
    """Rounded up to pages; one byte more than 4 GiB is 4 MiB and a thousandth of a byte, which an integer division
    drops.
    """
    assert _hmb_bytes(World(hmb_policy=3), utilization=utilization) in (
        total,
        total + PAGE if utilization == 4 * GIB + 1 else total,
    )


def test_hmb_policy_callable() -> None:
    asked: list[tuple[int, int, int]] = []

    def policy(minimum: int, preferred: int, utilization: int) -> int:
        asked.append((minimum, preferred, utilization))
        return 3 * MIB

    assert _hmb_bytes(World(hmb_policy=policy), utilization=77) == 3 * MIB
    assert asked == [(2 * MIB, 32 * MIB, 77)]


def test_hmb_policy_that_raises() -> None:
    def policy(minimum: int, preferred: int, utilization: int) -> int:
        raise LookupError("no registry")

    world = World(hmb_policy=policy)
    with pytest.raises(LookupError):
        world.allocate_hmb(0, MIB, 8)
    assert not world.kinds("hmb")


@pytest.mark.parametrize("cap", [PAGE, MIB, 10 * MIB])
def test_hmb_cap(cap: int) -> None:
    world = World(hmb_cap=cap)
    assert _hmb_bytes(world, minimum=0) == cap
    world = World(hmb_cap=cap)
    world.expect(lambda: world.allocate_hmb(cap + PAGE, 32 * MIB, 8), Status.STOR_STATUS_INSUFFICIENT_RESOURCES)


def test_no_hmb_cap() -> None:
    world = World(memory="2GiB", hmb_cap=None)
    assert _hmb_bytes(world, preferred=GIB) == GIB


@pytest.mark.parametrize("divisor", [1, 256, 4096])
def test_hmb_utilization_divisor(divisor: int) -> None:
    world = World(hmb_policy=3, hmb_utilization_divisor=divisor)
    assert _hmb_bytes(world, utilization=8 * MIB * divisor) == 8 * MIB


@pytest.mark.parametrize("status", [Status.STOR_STATUS_UNSUCCESSFUL, Status.STOR_STATUS_NOT_IMPLEMENTED])
def test_hmb_disabled_status(status: Status) -> None:
    world = World(hmb_policy=0, hmb_disabled_status=status)
    assert world.allocate_hmb(0, MIB, 8).status == status


@pytest.mark.parametrize("status", [Status.STOR_STATUS_BUSY, Status.STOR_STATUS_INVALID_DEVICE_STATE])
def test_hmb_second_alloc_status(status: Status) -> None:
    world = World(hmb_second_alloc_status=status)
    world.hmb()
    assert world.allocate_hmb(0, MIB, 8).status == status
    assert world.names == ["HMB_ALREADY_ALLOCATED"]


@pytest.mark.parametrize(
    ("match", "status"), [("set", Status.STOR_STATUS_SUCCESS), ("exact", Status.STOR_STATUS_UNSUCCESSFUL)]
)
def test_hmb_free_match(match: str, status: Status) -> None:
    world = World(
        memory=[MemoryRange(MIB, MIB, 0), MemoryRange(4 * MIB, 4 * MIB, 0), MemoryRange(16 * MIB, 4 * MIB, 0)],
        hmb_free_match=match,
    )
    ranges = world.hmb(0, 8 * MIB, 2)
    assert len(ranges) == 2
    assert sp.StorPortFreeHostMemoryBuffer(world.hba, ranges[::-1]) == status
    assert bool(world.kinds("hmb")) == (match == "exact")


# -- device ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remapping", [False, True])
def test_dma_remapping(remapping: bool) -> None:
    world = World(dma_remapping=remapping)
    va, address = world.dma()
    assert (address != world.pc.physical(va)) == remapping


@pytest.mark.parametrize("coherent", [True, False])
def test_coherent(coherent: bool) -> None:
    """A device without coherency sees what memory holds, which is not yet what the processor stored."""
    world = World(coherent=coherent)
    va, address = world.dma(PAGE, cache=sp.MmCached)
    world.pc.write_va(va, b"new data")
    assert (world.hba.dma_read(address, 8) == b"new data") == coherent
    world.hba.flush(va, PAGE)
    assert world.hba.dma_read(address, 8) == b"new data"


def test_incoherent_but_not_cached() -> None:
    world = World(coherent=False)
    va, address = world.dma(PAGE, cache=sp.MmNonCached)
    world.pc.write_va(va, b"new data")
    assert world.hba.dma_read(address, 8) == b"new data"


def test_incoherent_the_other_way() -> None:
    world = World(coherent=False)
    va, address = world.dma(PAGE, cache=sp.MmCached)
    world.pc.write_va(va, b"by the processor")
    world.hba.flush(va, PAGE)
    world.hba.dma_write(address, b"BY THE DEVICE   ")
    assert world.pc.read_va(va, 16) == b"by the processor"
    world.hba.flush(va, PAGE, to_device=False)
    assert world.pc.read_va(va, 16) == b"BY THE DEVICE   "


@pytest.mark.parametrize("registers", [1, 3])
def test_map_registers(registers: int) -> None:
    world = World(map_registers=registers)
    seen: list[Any] = []
    for fragments in (registers, registers + 1):
        srb = world.hba.srb(fragments * PAGE, fragments=fragments)
        mdl = sp.StorPortGetOriginalMdl(world.hba, srb).Mdl
        buffer = world.pool(512)
        with world.pc.at_irql(2):
            status = sp.StorPortBuildScatterGatherList(
                world.hba,
                mdl,
                srb.DataBuffer,
                fragments * PAGE,
                lambda device, irp, sg, context: seen.append(sg),
                0,
                True,
                buffer,
                512,
            )
            if fragments == registers:
                assert status == Status.STOR_STATUS_SUCCESS
                sp.StorPortPutScatterGatherList(world.hba, seen[-1], True)
            else:
                assert status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES


# -- pool ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "allocate", "free"),
    [
        ("release", (0xC2, 0x08, 5, 512, 64), (0xC2, 0x09, 5, 512)),
        ("verifier", (0xC4, 0x02, 5, 512, 64), (0xC4, 0x12, 5, 512)),
    ],
)
def test_bypass_irql_status(level: str, allocate: tuple[int, ...], free: tuple[int, ...]) -> None:
    world = World(level=level, bypass_irql_status=True)
    va = world.pool(64)
    snapshot = world.pc.snapshot()
    with world.pc.at_irql(5):
        world.expect(lambda: sp.StorPortAllocatePool(world.hba, 64, "Test"), bugcheck=allocate)
    world.pc.restore(snapshot)
    with world.pc.at_irql(5):
        world.expect(lambda: sp.StorPortFreePool(world.hba, va), bugcheck=(*free, va))


@pytest.mark.parametrize("quarantine", [0, MIB])
def test_quarantine(quarantine: int) -> None:
    """Inside the quarantine a double free is recognised; behind it the address was never heard of."""
    world = World(level="release", quarantine=quarantine)
    va = world.pool(8192)
    sp.StorPortFreePool(world.hba, va)
    outcome = world.observe(lambda: sp.StorPortFreePool(world.hba, va))
    assert outcome.code is not None
    assert outcome.code[:2] == ((0xC2, 0x07) if quarantine else (0xC2, 0x42))


def test_quarantine_is_a_number_of_bytes() -> None:
    world = World(quarantine=16 * PAGE)
    first = world.contiguous(4 * PAGE)
    sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, first, 4 * PAGE, sp.MmCached)
    assert world.observe(lambda: world.pc.read_va(first, 1)).names == ["USE_AFTER_FREE"]
    for _ in range(8):
        va = world.contiguous(4 * PAGE)
        sp.StorPortFreeContiguousMemorySpecifyCache(world.hba, va, 4 * PAGE, sp.MmCached)
    assert world.observe(lambda: world.pc.read_va(first, 1)).code is not None


def test_addresses_are_not_reused_inside_the_quarantine() -> None:
    world = World()
    seen: set[int] = set()
    for _ in range(200):
        va = world.pool(100)
        assert va not in seen
        seen.add(va)
        sp.StorPortFreePool(world.hba, va)


def test_irql_table() -> None:
    world = World(irql_table={"StorPortAllocateHostMemoryBuffer": 5, "StorPortAllocatePool": 0})
    with world.pc.at_irql(6):
        assert world.allocate_hmb(0, MIB, 8).status == Status.STOR_STATUS_INVALID_IRQL
    with world.pc.at_irql(5):
        assert world.allocate_hmb(0, MIB, 8).status == Status.STOR_STATUS_SUCCESS
    with world.pc.at_irql(1):
        assert sp.StorPortAllocatePool(world.hba, 64, "Test").status == Status.STOR_STATUS_INVALID_IRQL
    lower = World(irql_table={"StorPortAllocateDmaMemory": 0}, level="release")
    with lower.pc.at_irql(1):
        status = sp.StorPortAllocateDmaMemory(lower.hba, PAGE, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK).status
    assert status == Status.STOR_STATUS_INVALID_IRQL


@pytest.mark.parametrize(
    ("os", "fails"),
    [(WindowsVersion.WIN10_1903, False), (WindowsVersion.WIN10_2004, True), (WindowsVersion.WIN11_24H2, True)],
)
def test_zero_tag(os: WindowsVersion, fails: bool) -> None:
    world = World(level="release", zero_tag="fail", os=os)
    status = sp.StorPortAllocatePool(world.hba, 64, 0).status
    assert status == (Status.STOR_STATUS_INSUFFICIENT_RESOURCES if fails else Status.STOR_STATUS_SUCCESS)


@pytest.mark.parametrize("writes", [False, True])
def test_not_implemented_writes(writes: bool) -> None:
    world = World(os=WindowsVersion.WIN10_1709, not_implemented_writes=writes)
    result = sp.StorPortAllocateDmaMemory(world.hba, 1, 0, 0, 0, 1, 0, BufferPointer=7, PhysicalAddress=8)
    assert tuple(result[1:]) == ((0, 0) if writes else (7, 8))


# -- budgets (§5) ----------------------------------------------------------------------------------------------------


def test_nonpaged_budget() -> None:
    world = World(nonpaged_budget=8 * PAGE)
    blocks = []
    while True:
        status, va = sp.StorPortAllocatePool(world.hba, PAGE, "Test")
        if status != Status.STOR_STATUS_SUCCESS:
            break
        blocks.append(va)
    assert status == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert 1 <= len(blocks) <= 8
    sp.StorPortFreePool(world.hba, blocks[0])
    assert sp.StorPortAllocatePool(world.hba, PAGE, "Test").status == Status.STOR_STATUS_SUCCESS


def test_contig_budget_counts_pages() -> None:
    world = World(contig_budget=4)
    assert world.contiguous(3 * PAGE)
    assert (
        sp.StorPortAllocateDmaMemory(world.hba, 2 * PAGE, 0, -1, 0, 1, sp.MM_ANY_NODE_OK).status
        == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    )
    va, _pa = world.dma(PAGE)
    assert (
        sp.StorPortAllocateDmaMemory(world.hba, 1, 0, -1, 0, 1, sp.MM_ANY_NODE_OK).status
        == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    )
    sp.StorPortFreeDmaMemory(world.hba, va, PAGE, sp.MmCached)
    assert world.contiguous(PAGE)


def test_adapter_caps() -> None:
    pc = storsim.Machine(HIGH)
    capped, free = pc.add_adapter("capped", pool_cap=8192, contig_cap=8192), pc.add_adapter("free")
    for hba, expected in ((capped, Status.STOR_STATUS_INSUFFICIENT_RESOURCES), (free, Status.STOR_STATUS_SUCCESS)):
        assert sp.StorPortAllocatePool(hba, 16384, "Test").status == expected
        assert sp.StorPortAllocateDmaMemory(hba, 16384, 0, -1, 0, sp.MmCached, sp.MM_ANY_NODE_OK).status == expected


# -- machine ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("16GiB", 16 * GIB),
        ("4GiB", 4 * GIB),
        ("64MiB", 64 * MIB),
        ("1TiB", 1 << 40),
        ("3GiB", 3 * GIB),
        ("64TiB", 1 << 46),
    ],
)
def test_memory_sizes_have_the_shape_of_a_pc(text: str, total: int) -> None:
    pc = storsim.Machine(text)
    runs = pc.memory.runs()
    assert runs[0] == MemoryRange(0x1000, 0x9F000, 0)
    assert runs[1].start == MIB
    assert all(run.start >= 4 * GIB or run.start + run.length <= 3 * GIB for run in runs)
    assert abs(pc.memory.free_bytes() - total) <= MIB
    if total > 3 * GIB:
        assert runs[2].start == 4 * GIB


def test_nodes_share_memory_evenly_in_address_order() -> None:
    pc = storsim.Machine("16GiB", nodes=4)
    shares = [pc.memory.free_bytes(node=node) for node in range(4)]
    assert max(shares) - min(shares) <= 2 * MIB
    nodes = [run.node for run in pc.memory.runs()]
    assert nodes == sorted(nodes)


def test_seed_is_part_of_the_state() -> None:
    digests = {World(seed=seed).pc.digest() for seed in (0, 1, 2)}
    assert len(digests) == 3
