"""Every routine on every Windows (§2.7), at every IRQL (§3), with NULL for every pointer."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

import storsim.storport as sp
from kit import ROUTINES, Outcome, Routine, World
from kit.outcome import code_matches
from storsim import WindowsVersion

Status = sp.StorStatus


def _null_like(result: Any) -> bool:
    if result is None:
        return True
    return all(int(value or 0) == 0 for value in (result if isinstance(result, tuple) else (result,)))


def _context(world: World, routine: Routine) -> contextlib.AbstractContextManager[Any]:
    return world.hba.callback(routine.context) if routine.context else contextlib.nullcontext()


# -- Windows versions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("os", list(WindowsVersion), ids=lambda os: os.name)
@pytest.mark.parametrize("routine", ROUTINES.values(), ids=str)
def test_windows_version(routine: Routine, os: WindowsVersion) -> None:
    world = World(os=os, level="release")
    if os >= WindowsVersion[routine.first_os]:
        arguments = routine.prepare(world)
        with world.pc.at_irql(routine.irql[0] if routine.irql else 0), _context(world, routine):
            outcome = world.observe(lambda: routine.invoke(world, arguments))
        assert outcome.bugcheck is None
        assert outcome.status in (None, Status.STOR_STATUS_SUCCESS), outcome
        assert outcome.names == []
        return
    before = {name: 0x5A + index for index, name in enumerate(routine.outputs) if name not in _STRUCTURES}
    outcome = world.expect(lambda: routine.invoke(world, routine.dummy, **before), Status.STOR_STATUS_NOT_IMPLEMENTED)
    if before and len(before) == len(routine.outputs):
        assert outcome.outputs == tuple(before.values()), "no code of the routine ran, so nothing was written"
    outcome = world.observe(lambda: routine.invoke(world, routine.dummy))
    assert set(outcome.outputs) <= {None}


#: Out-parameters that are structures or arrays: a number cannot be what they held before.
_STRUCTURES = {"NodeAffinityMask", "GroupAffinities", "PhysicalAddressRanges", "Mdl", "SgList", "Pfns"}


@pytest.mark.parametrize(
    "routine", [routine for routine in ROUTINES.values() if routine.first_os != "WS03SP2"], ids=str
)
def test_not_implemented_comes_before_every_other_check(routine: Routine) -> None:
    """§1.3: even a NULL extension at HIGH_LEVEL is not looked at."""
    older = max(os for os in WindowsVersion if os < WindowsVersion[routine.first_os])
    world = World(os=older, level="strict")
    with world.pc.at_irql(15):
        if routine.takes_extension:
            call = lambda: getattr(world.pc.storport, routine.name)(0, *routine.dummy)  # noqa: E731
        else:
            call = lambda: getattr(world.pc.storport, routine.name)(*routine.dummy)  # noqa: E731
        world.expect(call, Status.STOR_STATUS_NOT_IMPLEMENTED)


# -- IRQL ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["release", "verifier", "strict"])
@pytest.mark.parametrize("irql", range(16))
@pytest.mark.parametrize("routine", ROUTINES.values(), ids=str)
def test_irql(routine: Routine, irql: int, level: str) -> None:
    world = World(level=level)
    arguments = routine.prepare(world)
    with _context(world, routine), world.pc.at_irql(irql):
        outcome = world.observe(lambda: routine.invoke(world, arguments))
        assert world.pc.irql == irql
    if routine.irql is None:
        assert outcome.bugcheck is None or irql > 2
        return
    low, high = routine.irql
    if low <= irql <= high:
        assert outcome.bugcheck is None
        assert outcome.status in (None, Status.STOR_STATUS_SUCCESS)
        if routine.breach != "quiet":  # the host memory buffer has an advisory above APC_LEVEL
            assert outcome.names == []
        return
    _breach(routine, level, irql, outcome)


def _breach(routine: Routine, level: str, irql: int, outcome: Outcome) -> None:
    if routine.breach in ("stop", "null") and level != "release":
        assert code_matches(outcome.code, (0xC4, 0xE5, irql)), outcome
        return
    if routine.breach == "":
        assert outcome.names or outcome.status == Status.STOR_STATUS_INVALID_IRQL or outcome.bugcheck is not None
        return
    assert outcome.bugcheck is None, outcome
    if routine.breach == "null":
        assert _null_like(outcome.result[0] if isinstance(outcome.result, tuple) else outcome.result)
        assert len(outcome.names) == 1
        return
    assert outcome.status == Status.STOR_STATUS_INVALID_IRQL, outcome
    cleared = [value for value in outcome.outputs if value not in (0, [])]
    assert not any(int(value) for value in cleared), outcome
    if routine.breach != "quiet":
        assert set(outcome.names) <= {"StorPortIrql", "BAD_IRQL"}
        assert len(outcome.names) == 1
        assert (outcome.raised is not None) == (level == "strict")


# -- NULL ------------------------------------------------------------------------------------------------------------

NULL_OUTPUTS = [
    pytest.param(routine, name, id=f"{routine.name}-{name}")
    for routine in ROUTINES.values()
    for name in routine.outputs
    if routine.returns == "status"
]
NULL_INPUTS = [
    pytest.param(routine, name, id=f"{routine.name}-{name}")
    for routine in ROUTINES.values()
    for name in routine.pointers
]


@pytest.mark.parametrize("level", ["release", "verifier", "strict"])
@pytest.mark.parametrize(("routine", "name"), NULL_OUTPUTS)
def test_null_output(routine: Routine, name: str, level: str) -> None:
    world = World(level=level)
    arguments = routine.prepare(world)
    before = world.pc.memory.free_bytes(), len(world.pc.allocations())
    undocumented = "SpecifyCacheNode" in routine.name or "DmaMemory" in routine.name  # a status the page does not list
    world.expect(
        lambda: routine.invoke(world, arguments, **{name: None}),
        Status.STOR_STATUS_INVALID_PARAMETER,
        "NULL_OUTPUT" if undocumented else None,
    )
    assert (world.pc.memory.free_bytes(), len(world.pc.allocations())) == before


@pytest.mark.parametrize("level", ["release", "verifier", "strict"])
@pytest.mark.parametrize(("routine", "name"), NULL_INPUTS)
def test_null_input(routine: Routine, name: str, level: str) -> None:
    import inspect

    world = World(level=level)
    arguments = list(routine.prepare(world))
    names = list(inspect.signature(getattr(sp, routine.name)).parameters)[1:]
    arguments[names.index(name)] = None
    world.expect(lambda: routine.invoke(world, tuple(arguments)), Status.STOR_STATUS_INVALID_PARAMETER)


@pytest.mark.parametrize(
    ("name", "arguments"),
    {
        "StorPortGetSystemAddress": (None,),
        "StorPortGetOriginalMdl": (None,),
        "StorPortGetDataInBufferMdl": (None,),
        "StorPortGetDataInBufferSystemAddress": (None,),
        "StorPortGetDataInBufferScatterGatherList": (None,),
        "StorPortGetPfns": (None, None),
        "StorPortGetScatterGatherList": (None,),
        "StorPortGetPhysicalAddress": (None, None),
    }.items(),
)
@pytest.mark.parametrize("level", ["release", "verifier", "strict"])
def test_null_request_is_survived(level: str, name: str, arguments: tuple[Any, ...]) -> None:
    world = World(level=level)
    outcome = world.observe(lambda: getattr(sp, name)(world.hba, *arguments))
    assert outcome.status != Status.STOR_STATUS_SUCCESS


# -- host-side argument checks (A24, R2–R4, R8) ----------------------------------------------------------------------

ULONG_PLACES = [
    ("StorPortAllocatePool", (2**32, "Test")),
    ("StorPortAllocatePool", (-1, "Test")),
    ("StorPortAllocatePool", (64, 2**32)),
    ("StorPortAllocateMdl", (0xFFFFA00000000000, 2**32)),
    ("StorPortAllocateMdl", (0xFFFFA00000000000, -1)),
    ("StorPortGetUncachedExtension", (0, 2**32)),
    ("StorPortAllocateRegistryBuffer", (2**32,)),
    ("StorPortAllocateContiguousMemorySpecifyCacheNode", (2**64, 0, 0, 0, 1, 0)),
    ("StorPortAllocateContiguousMemorySpecifyCacheNode", (-1, 0, 0, 0, 1, 0)),
    ("StorPortAllocateContiguousMemorySpecifyCacheNode", (1, -2, 0, 0, 1, 0)),
    ("StorPortAllocateContiguousMemorySpecifyCacheNode", (1, 0, 2**64, 0, 1, 0)),
    ("StorPortAllocateContiguousMemorySpecifyCacheNode", (1, 0, 0, 0, 2**31, 0)),
    ("StorPortAllocateContiguousMemorySpecifyCacheNode", (1, 0, 0, 0, 1, 2**32)),
    ("StorPortAllocateHostMemoryBuffer", (2**64, 0, 0, 0, 0, 0, 0, 1)),
    ("StorPortAllocateHostMemoryBuffer", (0, 0, 2**64, 0, 0, 0, 0, 1)),
    ("StorPortAllocateHostMemoryBuffer", (0, 0, 0, 2**32, 0, 0, 0, 1)),
    ("StorPortAllocateHostMemoryBuffer", (0, 0, 0, 0, 0, 0, 0, 2**32)),
    ("StorPortMarkDumpMemory", (0xFFFFA00000000000, 0, 2**32)),
    ("StorPortGetNodeAffinity", (2**32,)),
    ("StorPortGetNodeAffinity2", (0, 2**16)),
    ("StorPortFreePool", (2**64,)),
    ("StorPortFreePool", (-1,)),
    ("StorPortPutScatterGatherList", (0xFFFFA00000000000, 256)),
    ("StorPortPutScatterGatherList", (0xFFFFA00000000000, -1)),
]


@pytest.mark.parametrize(
    ("name", "arguments"), ULONG_PLACES, ids=lambda value: value if isinstance(value, str) else repr(value)
)
def test_numbers_outside_the_c_type(name: str, arguments: tuple[Any, ...]) -> None:
    world = World(level="strict")
    digest = world.pc.digest()
    with pytest.raises(OverflowError):
        getattr(sp, name)(world.hba, *arguments)
    assert world.pc.digest() == digest
    assert world.names == []


@pytest.mark.parametrize("routine", ROUTINES.values(), ids=str)
def test_wrong_types(routine: Routine) -> None:
    world = World(level="strict")
    digest = world.pc.digest()
    target = sp if routine.takes_extension else world.pc.storport
    first = (world.hba,) if routine.takes_extension else ()
    for index in range(len(routine.dummy)):
        arguments = [*routine.dummy]
        if callable(arguments[index]):
            continue
        arguments[index] = 1.5
        if routine.name == "StorPortBuildScatterGatherList" and index in (3, 4):
            continue
        with pytest.raises(TypeError):
            getattr(target, routine.name)(*first, *arguments)
    with pytest.raises(TypeError):
        getattr(target, routine.name)(*first, *routine.dummy, NoSuchParameter=1)
    with pytest.raises(TypeError):
        getattr(target, routine.name)(*first, *routine.dummy, *[0] * 12)
    assert world.pc.digest() == digest
    assert world.names == []


@pytest.mark.parametrize("routine", ROUTINES.values(), ids=str)
def test_parameters_have_their_documented_names(routine: Routine) -> None:
    import inspect

    signature = inspect.signature(
        getattr(sp, routine.name) if routine.takes_extension else getattr(World().pc.storport, routine.name)
    )
    names = list(signature.parameters)
    if routine.takes_extension:
        assert names[0] == "HwDeviceExtension"
    assert set(routine.outputs) <= set(names) or not routine.outputs
    assert inspect.getdoc(getattr(sp, routine.name, None) or getattr(World().pc.storport, routine.name))
