"""§3.0: the HwDeviceExtension argument, for every routine that takes one."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, ROUTINES, Routine, World

Status = sp.StorStatus
WITH_EXTENSION = [routine for routine in ROUTINES.values() if routine.takes_extension]
SCATTER_GATHER = {"StorPortBuildScatterGatherList", "StorPortPutScatterGatherList"}
FREES = ["StorPortFreePool", "StorPortFreeContiguousMemorySpecifyCache", "StorPortFreeDmaMemory", "StorPortFreeMdl"]


def _by_number(world: World, routine: Routine, number: Any) -> Any:
    arguments = routine.prepare(world)
    return lambda: getattr(world.pc.storport, routine.name)(number, *arguments)


def _level_of(routine: Routine) -> int:
    return 2 if routine.name in SCATTER_GATHER else 0


def _is_null(routine: Routine, result: Any) -> bool:
    if routine.returns == "void":
        return result is None
    first = result[0] if isinstance(result, tuple) else result
    return int(first) == 0


@pytest.mark.parametrize("number", [0, None], ids=["zero", "None"])
@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("routine", WITH_EXTENSION, ids=str)
def test_null_extension(routine: Routine, level: str, number: Any) -> None:
    world = World(level=level)
    call = _by_number(world, routine, number)
    before = len(world.pc.allocations())
    with world.pc.at_irql(_level_of(routine)):
        outcome = world.observe(call)
    assert outcome.bugcheck is None
    if routine.returns == "status":
        assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER
    else:
        assert _is_null(routine, outcome.result)
    if routine.name not in SCATTER_GATHER:
        assert outcome.names == ["NULL_DEVEXT"]
        assert (outcome.raised is not None) == (level == "strict")
    assert len(world.pc.allocations()) == before


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("routine", WITH_EXTENSION, ids=str)
def test_foreign_extension(routine: Routine, level: str) -> None:
    world = World(level=level)
    foreign = 0xFFFF_F000_0000_0000
    call = _by_number(world, routine, foreign)
    with world.pc.at_irql(_level_of(routine)):
        if level == "release":
            outcome = world.observe(call)
            assert outcome.names == ["FOREIGN_DEVEXT"]
            if routine.returns == "status":
                assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER
            else:
                assert _is_null(routine, outcome.result)
        elif _level_of(routine) == 2:
            world.expect(call, bugcheck=(0xD1, foreign, 2, 0, 0))
        else:
            world.expect(call, bugcheck=(0x50, foreign, 0))


@pytest.mark.parametrize("level", ["verifier", "strict"])
def test_foreign_extension_in_the_user_half(level: str) -> None:
    world = World(level=level)
    world.expect(
        lambda: world.pc.storport.StorPortAllocatePool(0x10000, 64, "Test"), bugcheck=(0x50, 0x10000, 0, None, 0xF)
    )


def test_an_interior_pointer_is_no_extension() -> None:
    world = World(level="release")
    outcome = world.observe(lambda: world.pc.storport.StorPortAllocatePool(world.ext + 16, 64, "Test"))
    assert outcome.status == Status.STOR_STATUS_INVALID_PARAMETER
    assert outcome.names == ["FOREIGN_DEVEXT"]


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("name", FREES)
def test_other_adapters_extension_on_free(name: str, level: str) -> None:
    world = World(level=level)
    other = world.pc.add_adapter("other")
    arguments = ROUTINES[name].prepare(world)
    world.expect(lambda: getattr(sp, name)(other, *arguments), Status.STOR_STATUS_SUCCESS, "WRONG_ADAPTER")
    assert not world.live(int(arguments[0]))


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_other_adapters_host_memory_buffer(level: str) -> None:
    world = World(level=level)
    other = world.pc.add_adapter("other")
    ranges = world.hmb()
    world.expect(
        lambda: sp.StorPortFreeHostMemoryBuffer(other, ranges), Status.STOR_STATUS_UNSUCCESSFUL, "WRONG_ADAPTER"
    )
    assert world.kinds("hmb")


@pytest.mark.parametrize("level", ALL_LEVELS)
@pytest.mark.parametrize("routine", WITH_EXTENSION, ids=str)
def test_removed_adapter(routine: Routine, level: str) -> None:
    world = World(level=level)
    other = world.pc.add_adapter("other")
    number = int(other.device_extension)
    other.remove()
    call = _by_number(world, routine, number)
    with world.pc.at_irql(_level_of(routine)):
        outcome = world.observe(call)
    assert outcome.bugcheck is None
    assert outcome.names == ["USE_AFTER_REMOVE"]
    assert (outcome.raised is not None) == (level == "strict")
    if routine.returns == "status":
        assert outcome.status == Status.STOR_STATUS_INVALID_DEVICE_STATE
    else:
        assert _is_null(routine, outcome.result)


@pytest.mark.parametrize("routine", WITH_EXTENSION, ids=str)
def test_the_modules_functions_take_adapters_only(routine: Routine) -> None:
    world = World()
    digest = world.pc.digest()
    for wrong in (0, 0xFFFFF00000000000, "hba0", 1.5, None, object()):
        with pytest.raises(TypeError):
            getattr(sp, routine.name)(wrong, *routine.dummy)
    assert world.pc.digest() == digest
    assert world.names == []


@pytest.mark.parametrize("routine", WITH_EXTENSION, ids=str)
def test_adapter_and_its_extension_are_the_same_argument(routine: Routine) -> None:
    results = []
    for which in ("adapter", "extension", "number"):
        world = World(level="strict")
        arguments = routine.prepare(world)
        context = world.hba.callback(routine.context) if routine.context else contextlib.nullcontext()
        with world.pc.at_irql(_level_of(routine)), context:
            if which == "number":
                getattr(world.pc.storport, routine.name)(int(world.ext), *arguments)
            else:
                getattr(sp, routine.name)(world.hba if which == "adapter" else world.hba.device_extension, *arguments)
        results.append(world.pc.digest())
    assert results[0] == results[1] == results[2]


def test_the_extension_is_an_int_in_the_kernel_half() -> None:
    world = World()
    assert isinstance(world.hba.device_extension, int)
    assert world.hba.device_extension >= 0xFFFF_8000_0000_0000
