"""§3.9: scatter/gather lists, row by row."""

from __future__ import annotations

from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, World
from storsim import Irql

Status = sp.StorStatus


@pytest.fixture(params=ALL_LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    """How strict the machine is."""
    return str(request.param)


class Transfer:
    """A buffer with its MDL and what the execution routine saw."""

    def __init__(self, world: World, pages: int = 2, *, fragments: int = 0) -> None:
        self.world = world
        self.length = pages * PAGE
        if fragments:
            self.srb = world.hba.srb(self.length, fragments=fragments)
            _status, self.mdl = sp.StorPortGetOriginalMdl(world.hba, self.srb)
            self.va = int(self.srb.DataBuffer)
        else:
            self.va = world.pool(self.length)
            self.mdl = world.mdl(self.va, self.length)
        self.buffer = world.pool(1024)
        self.lists: list[Any] = []
        self.elements: list[list[tuple[int, int]]] = []
        self.levels: list[int] = []
        self.contexts: list[Any] = []

    def ran(self, device: Any, irp: Any, sg: Any, context: Any) -> None:
        """The execution routine."""
        self.lists.append(sg)
        self.elements.append([(int(element.PhysicalAddress), int(element.Length)) for element in sg.List])
        self.levels.append(self.world.pc.irql)
        self.contexts.append(context)

    def build(self, **changes: Any) -> Any:
        """StorPortBuildScatterGatherList at the current level."""
        arguments: dict[str, Any] = {
            "Mdl": self.mdl,
            "CurrentVa": self.va,
            "Length": self.length,
            "ExecutionRoutine": self.ran,
            "Context": 0,
            "WriteToDevice": True,
            "ScatterGatherBuffer": self.buffer,
            "ScatterGatherBufferLength": 1024,
        } | changes
        return sp.StorPortBuildScatterGatherList(self.world.hba, **arguments)

    def built(self, **changes: Any) -> Any:
        """The list, built at DISPATCH_LEVEL."""
        with self.world.pc.at_irql(Irql.DISPATCH_LEVEL):
            assert self.build(**changes) == Status.STOR_STATUS_SUCCESS
        return self.lists[-1]

    def put(self, sg: Any, write: bool = True) -> Any:
        """StorPortPutScatterGatherList at DISPATCH_LEVEL."""
        with self.world.pc.at_irql(Irql.DISPATCH_LEVEL):
            return self.world.observe(lambda: sp.StorPortPutScatterGatherList(self.world.hba, sg, write))


@pytest.mark.parametrize("fragments", [1, 2, 3, 8])
def test_elements_describe_the_buffer(level: str, fragments: int) -> None:
    world = World(level=level)
    transfer = Transfer(world, 8 if 8 % fragments == 0 else 9, fragments=fragments)
    sg = transfer.built()
    assert sg.NumberOfElements == fragments == len(transfer.elements[0])
    assert sum(length for _, length in transfer.elements[0]) == transfer.length
    position = transfer.va
    for address, length in transfer.elements[0]:
        assert all(world.pc.physical(position + offset) == address + offset for offset in range(0, length, PAGE))
        position += length
    assert transfer.levels == [2]
    assert world.names == []


def test_adjacent_pages_are_one_element() -> None:
    world = World()
    va = world.contiguous(8 * PAGE)
    transfer = Transfer(world)
    transfer.va, transfer.length, transfer.mdl = va, 8 * PAGE, world.mdl(va, 8 * PAGE)
    transfer.built()
    assert transfer.elements == [[(world.pc.physical(va), 8 * PAGE)]]


@pytest.mark.parametrize(("skip", "length"), [(0, 1), (1, 100), (PAGE, PAGE), (100, PAGE), (2 * PAGE - 1, 1)])
def test_part_of_a_buffer(level: str, skip: int, length: int) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    transfer.built(CurrentVa=transfer.va + skip, Length=length)
    assert sum(count for _, count in transfer.elements[0]) == length
    assert transfer.elements[0][0][0] == world.pc.physical(transfer.va + skip)


def test_context_comes_back() -> None:
    world = World()
    transfer, context = Transfer(world), object()
    transfer.built(Context=context)
    assert transfer.contexts == [context]


@pytest.mark.parametrize("irql", [0, 1, 3, 5, 11, 15])
@pytest.mark.parametrize("routine", ["build", "put"])
def test_dispatch_level_exactly(level: str, routine: str, irql: int) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    sg = None if routine == "build" else transfer.built()
    with world.pc.at_irql(irql):
        call = transfer.build if routine == "build" else (lambda: sp.StorPortPutScatterGatherList(world.hba, sg, True))
        world.expect(call, Status.STOR_STATUS_INVALID_IRQL, "StorPortIrql|BAD_IRQL")
    if routine == "put":
        assert transfer.put(sg).status == Status.STOR_STATUS_SUCCESS


@pytest.mark.parametrize("routine", ["build", "put"])
@pytest.mark.parametrize("number", [0, None])
def test_null_extension(level: str, routine: str, number: Any) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    sg = transfer.built() if routine == "put" else None
    with world.pc.at_irql(2):
        if routine == "build":
            outcome = world.observe(
                lambda: world.pc.storport.StorPortBuildScatterGatherList(
                    number, transfer.mdl, transfer.va, PAGE, transfer.ran, 0, True, transfer.buffer, 1024
                )
            )
        else:
            outcome = world.observe(lambda: world.pc.storport.StorPortPutScatterGatherList(number, sg, True))
    assert outcome.bugcheck is None
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER


def test_map_registers_short(level: str) -> None:
    world = World(level=level, map_registers=2)
    transfer = Transfer(world, 4, fragments=4)
    with world.pc.at_irql(2):
        world.expect(transfer.build, Status.STOR_STATUS_INSUFFICIENT_RESOURCES)
    assert transfer.lists == []
    small = Transfer(world, 2, fragments=2)
    assert small.built().NumberOfElements == 2


def test_map_registers_come_back_with_the_put(level: str) -> None:
    world = World(level=level, map_registers=2)
    first, second = Transfer(world, 2, fragments=2), Transfer(world, 2, fragments=2)
    sg = first.built()
    with world.pc.at_irql(2):
        world.expect(second.build, Status.STOR_STATUS_INSUFFICIENT_RESOURCES)
    assert first.put(sg).status == Status.STOR_STATUS_SUCCESS
    second.built()


@pytest.mark.parametrize("room", [0, 15, 16, 39, 40, 63, 64])
def test_list_must_fit(level: str, room: int) -> None:
    world = World(level=level)
    transfer = Transfer(world, 2, fragments=2)
    with world.pc.at_irql(2):
        if room < 64:
            world.expect(lambda: transfer.build(ScatterGatherBufferLength=room), Status.STOR_STATUS_BUFFER_TOO_SMALL)
            assert transfer.lists == []
        else:
            world.expect(lambda: transfer.build(ScatterGatherBufferLength=room), Status.STOR_STATUS_SUCCESS)


def test_injected_failure(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    world.pc.faults.fail_nth("StorPortBuildScatterGatherList", 1)
    with world.pc.at_irql(2):
        assert transfer.build() == Status.STOR_STATUS_INSUFFICIENT_RESOURCES
    assert transfer.lists == []


def test_immediate_delivery_runs_before_the_return() -> None:
    world = World(sg_delivery="immediate")
    transfer = Transfer(world)
    with world.pc.at_irql(2):
        transfer.build()
        assert len(transfer.lists) == 1


def test_random_delivery_follows_the_seed() -> None:
    def pattern(seed: int) -> list[bool]:
        world = World(sg_delivery="random", seed=seed)
        result = []
        for _ in range(12):
            transfer = Transfer(world)
            with world.pc.at_irql(2):
                transfer.build()
                result.append(bool(transfer.lists))
            world.pc.advance(milliseconds=10)
            world.pc.run_dpcs()
            assert len(transfer.lists) == 1
        return result

    assert pattern(1) == pattern(1)
    assert any(True in pattern(seed) for seed in range(4))
    assert any(False in pattern(seed) for seed in range(4))


# -- misuse ----------------------------------------------------------------------------------------------------------


def test_put_once(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    outcome = transfer.put(transfer.built())
    assert outcome.status == Status.STOR_STATUS_SUCCESS
    assert outcome.names == []
    assert world.live(transfer.va), "put never frees the buffer"


# The 0xE6 stops are Driver Verifier's (ruling R10): at release the same misuse is a violation and the call fails.


def test_put_twice(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    sg = transfer.built()
    address = int(sg)
    transfer.put(sg)
    with world.pc.at_irql(2):
        world.expect(
            lambda: sp.StorPortPutScatterGatherList(world.hba, address, True), violation="*", verifier=(0xE6, 0x06)
        )


def test_buffer_freed_before_the_put(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    sg = transfer.built()
    outcome = world.observe(lambda: sp.StorPortFreePool(world.hba, transfer.va))
    assert outcome.status == Status.STOR_STATUS_SUCCESS
    assert outcome.names
    with world.pc.at_irql(2):
        world.expect(lambda: sp.StorPortPutScatterGatherList(world.hba, sg, True), violation="*", verifier=(0xE6, 0x06))


def test_never_put(level: str) -> None:
    world = World(level=level)
    other = world.pc.add_adapter("other")
    transfer = Transfer(world)
    with world.pc.at_irql(2):
        status = sp.StorPortBuildScatterGatherList(
            other, transfer.mdl, transfer.va, PAGE, transfer.ran, 0, True, transfer.buffer, 1024
        )
    assert status == Status.STOR_STATUS_SUCCESS
    world.expect(other.remove, violation="*", verifier=(0xE6, 0x0A))


@pytest.mark.parametrize("where", ["before", "after"])
def test_current_va_outside_the_mdl(level: str, where: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    va = transfer.va - PAGE if where == "before" else transfer.va + transfer.length
    with world.pc.at_irql(2):
        outcome = world.observe(lambda: transfer.build(CurrentVa=va, Length=64))
    if level == "release":
        assert outcome.names
        assert outcome.bugcheck is None
        return
    assert outcome.code is not None
    assert outcome.code[0] == 0xE6
    assert outcome.code[1] == 0x1B or (outcome.code[1] == 0x1F and outcome.code[2] in (1, 2) and outcome.code[3] == va)


def test_zero_length(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    with world.pc.at_irql(2):
        world.expect(lambda: transfer.build(Length=0), violation="*", verifier=(0xE6, 0x21))


def test_length_beyond_the_mdl_across_a_page(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    length = transfer.length + PAGE
    with world.pc.at_irql(2):
        world.expect(
            lambda: transfer.build(Length=length), violation="*", verifier=(0xE6, 0x1F, 3, int(transfer.mdl), length)
        )


def test_length_beyond_the_mdl_within_the_page(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    transfer.mdl = world.mdl(transfer.va, PAGE + 100)
    with world.pc.at_irql(2):
        world.expect(lambda: transfer.build(Length=PAGE + 150), violation="*", verifier=(0xE6, 0x24, 50))


def test_put_with_the_opposite_direction(level: str) -> None:
    world = World(level=level)
    transfer = Transfer(world)
    sg = transfer.built(WriteToDevice=True)
    with world.pc.at_irql(2):
        world.expect(
            lambda: sp.StorPortPutScatterGatherList(world.hba, sg, False), Status.STOR_STATUS_SUCCESS, "SG_DIRECTION"
        )


# -- the port's own list ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fragments", [1, 3])
def test_list_of_a_request(level: str, fragments: int) -> None:
    world = World(level=level)
    srb = world.hba.srb(3 * PAGE, fragments=fragments)
    sg = sp.StorPortGetScatterGatherList(world.hba, srb)
    assert sg.NumberOfElements == fragments
    assert sum(element.Length for element in sg.List) == 3 * PAGE
    assert sg.List[0].PhysicalAddress == world.pc.physical(int(srb.DataBuffer))
    assert int(sp.StorPortGetScatterGatherList(world.hba, srb)) == int(sg)
    assert world.names == []


def test_request_without_data_has_no_list(level: str) -> None:
    world = World(level=level)
    assert int(sp.StorPortGetScatterGatherList(world.hba, world.hba.srb(0))) == 0


def test_list_lies_in_memory_as_documented() -> None:
    world = World()
    srb = world.hba.srb(2 * PAGE, fragments=2)
    sg = sp.StorPortGetScatterGatherList(world.hba, srb)
    raw = world.pc.read_va(int(sg), 16 + 24 * 2)
    assert int.from_bytes(raw[:4], "little") == 2
    for index, element in enumerate(sg.List):
        entry = raw[16 + 24 * index : 16 + 24 * index + 12]
        assert int.from_bytes(entry[:8], "little") == element.PhysicalAddress
        assert int.from_bytes(entry[8:12], "little") == element.Length


def test_writing_into_the_ports_list(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(PAGE)
    sg = sp.StorPortGetScatterGatherList(world.hba, srb)

    def misuse() -> None:
        world.pc.write_va(int(sg) + 16, bytes(8))
        srb.complete()

    outcome = world.observe(misuse)
    assert outcome.bugcheck is None
    assert len(outcome.names) == 1


def test_list_dies_with_the_request(level: str) -> None:
    world = World(level=level)
    srb = world.hba.srb(PAGE)
    sg = sp.StorPortGetScatterGatherList(world.hba, srb)
    address = int(sg)
    srb.complete()
    outcome = world.observe(lambda: world.pc.read_va(address, 8))
    assert outcome.names == ["USE_AFTER_FREE"]
