"""For every status a routine is documented to return, one way to get it.

``@covers(routine, status)`` registers a function that makes the call on a fresh world and returns the result. The
completeness test runs every one of them and compares the registry with the package's own table, so that neither can
have a gap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import storsim.storport as sp
from kit.routines import ROUTINES
from kit.world import World
from storsim import WindowsVersion

Scenario = Callable[[], Any]
SCENARIOS: dict[tuple[str, str], Scenario] = {}
PAGE = 4096


def covers(routine: str, status: str) -> Callable[[Scenario], Scenario]:
    """Registers a scenario for (routine, status name without its prefix)."""

    def register(function: Scenario) -> Scenario:
        SCENARIOS[(routine, "STOR_STATUS_" + status)] = function
        return function

    return register


def _world(**knobs: Any) -> World:
    return World(level="release", **knobs)


def _success(name: str) -> Scenario:
    def run() -> Any:
        routine, world = ROUTINES[name], _world()
        arguments = routine.prepare(world)
        if routine.context:
            with world.hba.callback(routine.context):
                return routine.invoke(world, arguments)
        with world.pc.at_irql(routine.irql[0] if routine.irql else 0):
            return routine.invoke(world, arguments)

    return run


def _not_implemented(name: str) -> Scenario:
    def run() -> Any:
        routine = ROUTINES[name]
        if (
            routine.first_os == "WS03SP2"
        ):  # every supported Windows has it; the knob says otherwise (§8 A22: overridable)
            world = _world(os=WindowsVersion.WIN7, availability={name: WindowsVersion.WIN8})
        else:
            world = _world(os=max(os for os in WindowsVersion if os < WindowsVersion[routine.first_os]))
        return routine.invoke(world, routine.dummy)

    return run


def _null_extension(name: str) -> Scenario:
    def run() -> Any:
        world = _world()
        routine = ROUTINES[name]
        arguments = routine.prepare(world)
        with world.pc.at_irql(2 if "ScatterGatherList" in name else 0):
            return getattr(world.pc.storport, name)(0, *arguments)

    return run


def _removed(name: str) -> Scenario:
    def run() -> Any:
        world = _world()
        other = world.pc.add_adapter("other")
        number = int(other.device_extension)
        other.remove()
        routine = ROUTINES[name]
        arguments = routine.prepare(world)
        with world.pc.at_irql(
            2 if "ScatterGatherList" in name and name.startswith(("StorPortBuild", "StorPortPut")) else 0
        ):
            return getattr(world.pc.storport, name)(number, *arguments)

    return run


def _wrong_level(name: str) -> Scenario:
    def run() -> Any:
        routine, world = ROUTINES[name], _world()
        arguments = routine.prepare(world)
        with world.pc.at_irql(5):
            return routine.invoke(world, arguments)

    return run


def _injected(name: str) -> Scenario:
    def run() -> Any:
        routine, world = ROUTINES[name], _world()
        arguments = routine.prepare(world)
        world.pc.faults.fail_nth(name, 1)
        with world.pc.at_irql(routine.irql[0] if routine.irql else 0):
            return routine.invoke(world, arguments)

    return run


for _name, _routine in ROUTINES.items():
    if _routine.returns != "status":
        continue
    SCENARIOS[(_name, "STOR_STATUS_SUCCESS")] = _success(_name)
    SCENARIOS[(_name, "STOR_STATUS_NOT_IMPLEMENTED")] = _not_implemented(_name)
    if _routine.takes_extension:
        SCENARIOS[(_name, "STOR_STATUS_INVALID_PARAMETER")] = _null_extension(_name)
        SCENARIOS[(_name, "STOR_STATUS_INVALID_DEVICE_STATE")] = _removed(_name)
    if _routine.breach in ("status", "stop", "quiet"):
        SCENARIOS[(_name, "STOR_STATUS_INVALID_IRQL")] = _wrong_level(_name)

for _name in (
    "StorPortAllocatePool",
    "StorPortAllocateMdl",
    "StorPortGetSystemAddress",
    "StorPortGetDataInBufferSystemAddress",
    "StorPortBuildScatterGatherList",
    "StorPortAllocateContiguousMemorySpecifyCacheNode",
    "StorPortAllocateDmaMemory",
    "StorPortAllocateHostMemoryBuffer",
):
    SCENARIOS[(_name, "STOR_STATUS_INSUFFICIENT_RESOURCES")] = _injected(_name)


@covers("StorPortAllocatePool", "NOT_IMPLEMENTED")
def _pool_in_dump_mode() -> Any:
    return sp.StorPortAllocatePool(_world(dump_mode=1).hba, 64, "Test")


@covers("StorPortFreeHostMemoryBuffer", "UNSUCCESSFUL")
def _hmb_twice() -> Any:
    world = _world()
    ranges = world.hmb()
    sp.StorPortFreeHostMemoryBuffer(world.hba, ranges)
    return sp.StorPortFreeHostMemoryBuffer(world.hba, ranges)


@covers("StorPortBuildScatterGatherList", "BUFFER_TOO_SMALL")
def _sg_too_small() -> Any:
    world = _world()
    routine = ROUTINES["StorPortBuildScatterGatherList"]
    arguments = list(routine.prepare(world))
    arguments[-1] = 16
    with world.pc.at_irql(2):
        return routine.invoke(world, tuple(arguments))


@covers("StorPortGetNodeAffinity2", "BUFFER_TOO_SMALL")
def _affinity_too_small() -> Any:
    return sp.StorPortGetNodeAffinity2(_world().hba, 0, GroupAffinitiesCount=0)


@covers("StorPortSecureCopyMemory", "BUFFER_TOO_SMALL")
def _copy_too_small() -> Any:
    world = _world()
    return world.pc.storport.StorPortSecureCopyMemory(world.pool(64), 8, world.pool(64), 16)


@covers("StorPortSecureCopyMemory", "INVALID_PARAMETER")
def _copy_to_null() -> Any:
    world = _world()
    return world.pc.storport.StorPortSecureCopyMemory(0, 64, world.pool(64), 16)


@covers("StorPortGetCurrentIrql", "UNSUCCESSFUL")
def _irql_fails_by_plan() -> Any:
    world = _world()
    world.pc.faults.fail_nth("StorPortGetCurrentIrql", 1)
    return sp.StorPortGetCurrentIrql(world.hba)


@covers("StorPortGetNodeAffinity2", "UNSUCCESSFUL")
def _affinity_fails_by_plan() -> Any:
    world = _world()
    world.pc.faults.fail_nth("StorPortGetNodeAffinity2", 1)
    return sp.StorPortGetNodeAffinity2(world.hba, 0, GroupAffinitiesCount=1)
