"""Every routine of the HD Audio interface: its level, its pointers, its documented statuses, its table; and how
a table is got.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

import storsim
from kit.audio import *
from kit.audio import Unchanged
from storsim.hdaudio import *
from storsim.hdaudio import GUID

# --- §1: members, GUIDs, sizes --------------------------------------------------------------------

BASE = (
    "TransferCodecVerbs AllocateCaptureDmaEngine AllocateRenderDmaEngine ChangeBandwidthAllocation AllocateDmaBuffer "
    "FreeDmaBuffer FreeDmaEngine SetDmaEngineState GetWallClockRegister GetLinkPositionRegister RegisterEventCallback "
    "UnregisterEventCallback GetDeviceInformation GetResourceInformation"
).split()
V2 = (
    BASE
    + (
        "AllocateDmaBufferWithNotification FreeDmaBufferWithNotification RegisterNotificationEvent "
        "UnregisterNotificationEvent"
    ).split()
)
V3 = [*V2, "RegisterNotificationCallback", "UnregisterNotificationCallback"]
BDL = (
    BASE[:4]
    + ["AllocateContiguousDmaBuffer", "SetupDmaEngineWithBdl", "FreeContiguousDmaBuffer"]
    + [name for name in BASE[4:] if name not in ("AllocateDmaBuffer", "FreeDmaBuffer")]
)
MEMBERS = {"V1": BASE, "V2": V2, "V3": V3, "BDL": BDL}
EVERY = [*V3, *BDL[4:7]]
SIZES = {"V1": 144, "V2": 176, "V3": 192, "BDL": 152}
GUIDS = {
    "V1": "D2EAF88B-AB18-41A8-B664-8D592167671B",
    "V2": "B52AF5FB-424B-4BB9-A160-5B38BE94E568",
    "V3": "DC25DA12-BCD1-4C7F-84E1-02ADB6DCDCBF",
    "BDL": "B4D65397-5634-40B0-B068-F5B9F8B967A5",
}


@pytest.mark.parametrize("name", TABLES)
def test_members(name: str) -> None:
    rig = Rig()
    bus = rig.hda.query_interface(TABLES[name])
    assert list(bus) == MEMBERS[name], "in the table's order"
    assert bus.Size == SIZES[name] == 32 + 8 * len(MEMBERS[name])
    assert bus.Version == 0x0100
    assert bus.Context == rig.client.v1.Context, "one name space for all tables of a client"
    for member in (*MEMBERS[name], "InterfaceReference", "InterfaceDereference"):
        assert callable(getattr(bus, member))
        assert member in dir(bus)
    for absent in set(EVERY) - set(MEMBERS[name]):
        with pytest.raises(AttributeError, match=absent):
            getattr(bus, absent)
        assert absent not in dir(bus)


@pytest.mark.parametrize("name", TABLES)
def test_guids(name: str) -> None:
    assert TABLES[name].value == uuid.UUID(GUIDS[name])
    assert TABLES[name].size == 32 + 8 * len(MEMBERS[name])


def query(
    size: int | None = None, version: int | None = None, table: Any = HDAUDIO_BUS_INTERFACE_V2, **more: Any
) -> Any:
    rig = Rig(**more)
    before = rig.pc.digest()
    try:
        return rig.hda.query_interface(table, size=size, version=version)
    except storsim.NtStatusError as refused:
        assert rig.pc.digest() == before
        return refused.status


@pytest.mark.parametrize("size", [0, 1, 32, 144, 175])
def test_query_with_too_little_storage(size: int) -> None:
    assert query(size) == IP


@pytest.mark.parametrize("size", [176, 177, 1000, 65535])
def test_query_with_more_storage(size: int) -> None:
    assert query(size).Size == 176, "only sizeof(table) bytes are written"


@pytest.mark.parametrize("version", [0, 1, 0x0101, 0x00FF, 0x0200, 0xFFFF])
def test_query_of_another_version(version: int) -> None:
    assert query(version=version) == NS


def test_query_of_an_unknown_guid() -> None:
    unknown = GUID(uuid.UUID(int=5), "unknown", 144, 0x100, ())
    assert query(table=unknown) == NS
    assert query(table=unknown, size=0) == NS, "the GUID is looked at first"


def test_query_of_what_is_no_guid() -> None:
    with pytest.raises(TypeError):
        Rig().hda.query_interface("HDAUDIO_BUS_INTERFACE")  # type: ignore[arg-type]


def test_query_takes_one_reference() -> None:
    rig = Rig()
    bus = rig.hda.query_interface(HDAUDIO_BUS_INTERFACE, 5)
    assert bus.AllocateRenderDmaEngine(DVD)[0] == OK
    bus.InterfaceDereference()
    assert bus.AllocateRenderDmaEngine(DVD)[0] == NSD


def test_a_fresh_context_after_the_last_dereference() -> None:
    rig = Rig()
    bus = rig.hda.query_interface(HDAUDIO_BUS_INTERFACE, 1)
    bus.InterfaceDereference()
    again = rig.hda.query_interface(HDAUDIO_BUS_INTERFACE, 1)
    assert again.Context != bus.Context, "a context is never used again"
    assert again.AllocateRenderDmaEngine(DVD)[0] == OK


def test_contexts_differ_between_clients() -> None:
    rig = Rig()
    contexts = [rig.hda.query_interface(HDAUDIO_BUS_INTERFACE, client).Context for client in range(4)]
    assert len(set(contexts)) == 4


def test_query_after_removal() -> None:
    rig = Rig()
    rig.hda.inject("removed")
    with pytest.raises(storsim.NtStatusError) as refused:
        rig.hda.query_interface(HDAUDIO_BUS_INTERFACE)
    assert refused.value.status == NSD


def test_first_query_brings_the_controller_up() -> None:
    pc = storsim.Machine("64MiB")
    hda = pc.add_hda()
    assert hda.regs.GCTL & 1 == 0
    assert pc.now == 0
    hda.query_interface(HDAUDIO_BUS_INTERFACE)
    assert hda.regs.GCTL & 1 == 1
    assert hda.regs.CORBCTL & 2
    assert hda.regs.RIRBCTL & 2
    assert pc.notes == [], "the bus driver keeps the controller's rules"


def test_dropping_the_object_never_dereferences() -> None:
    rig = Rig()
    handle = rig.client.render()
    other = rig.hda.query_interface(HDAUDIO_BUS_INTERFACE)
    del other
    assert rig.state(handle) == "R0"


# --- every routine at every IRQL ------------------------------------------------------------------

#: Highest IRQL of each routine, and whether it returns a status. Source: §5.
LIMITS: dict[str, tuple[int, bool]] = dict.fromkeys(EVERY, (0, True)) | {
    "TransferCodecVerbs": (0, True),
    "FreeDmaEngine": (2, True),
    "SetDmaEngineState": (2, True),
    "GetWallClockRegister": (2, False),
    "GetLinkPositionRegister": (2, True),
    "GetResourceInformation": (0, False),
}


def ready(name: str) -> tuple[Rig, Callable[[], Any]]:
    """A rig on which the routine succeeds, and the call."""
    rig = Rig()
    client = rig.client
    event = rig.pc.event()
    state = {
        "FreeDmaBuffer": "RD",
        "FreeDmaBufferWithNotification": "RN",
        "SetupDmaEngineWithBdl": "RC",
        "FreeContiguousDmaBuffer": "RC",
        "SetDmaEngineState": "SD",
    }.get(name, "R0")
    handle = client.engine(state)
    routine = client.routine(name)
    if name == "SetupDmaEngineWithBdl":
        client.entries(handle, [(0, 4096, 0), (4096, 4096, 1)])
    if name == "UnregisterNotificationEvent":
        client.v2.RegisterNotificationEvent(handle, event)
    if name == "UnregisterNotificationCallback":
        client.v3.RegisterNotificationCallback(handle, 1, print, None)
    tag = client.v1.RegisterEventCallback(print, None)[1] if name == "UnregisterEventCallback" else 0
    buffer = client.buffers.get(handle, (0, 0, 0))
    arguments: dict[str, tuple[Any, ...]] = {
        "TransferCodecVerbs": (1, [HDAUDIO_CODEC_TRANSFER(0xF0000)]),
        "AllocateCaptureDmaEngine": (0, DVD),
        "AllocateRenderDmaEngine": (DVD, 0),
        "ChangeBandwidthAllocation": (handle, CD),
        "AllocateDmaBuffer": (handle, 4096),
        "FreeDmaBuffer": (handle,),
        "FreeDmaEngine": (handle,),
        "SetDmaEngineState": (RunState, [handle]),
        "GetWallClockRegister": (),
        "GetLinkPositionRegister": (handle,),
        "RegisterEventCallback": (print, None),
        "UnregisterEventCallback": (tag,),
        "GetDeviceInformation": (HDAUDIO_DEVICE_INFORMATION(),),
        "GetResourceInformation": (),
        "AllocateDmaBufferWithNotification": (handle, 2, 4096),
        "FreeDmaBufferWithNotification": (handle, buffer[1], buffer[2]),
        "RegisterNotificationEvent": (handle, event),
        "UnregisterNotificationEvent": (handle, event),
        "RegisterNotificationCallback": (handle, 1, print, None),
        "UnregisterNotificationCallback": (handle, print, None),
        "AllocateContiguousDmaBuffer": (handle, 8192),
        "SetupDmaEngineWithBdl": (handle, 8192, 1, print, None),
        "FreeContiguousDmaBuffer": (handle,),
    }
    return rig, lambda: routine(*arguments[name])


@pytest.mark.parametrize("irql", range(16))
@pytest.mark.parametrize("name", EVERY)
def test_level(name: str, irql: int) -> None:
    rig, call = ready(name)
    limit, has_status = LIMITS[name]
    with rig.pc.at_irql(irql):
        before = rig.pc.digest()
        result = call()
        changed = rig.pc.digest() != before
        names = rig.names()
    if irql <= limit:
        if has_status:
            assert status(result) == OK
        assert "BAD_IRQL" not in names
        return
    assert not changed, "no effect"
    assert names == ["BAD_IRQL"]
    if has_status:
        assert status(result) == UNS
    outputs = result[int(has_status) :] if isinstance(result, tuple) else (() if has_status else (result,))
    assert all(output is None for output in outputs)


@pytest.mark.parametrize("irql", range(16))
def test_asynchronous_verbs_have_a_level_of_their_own(irql: int) -> None:
    rig = Rig()
    calls: list[Any] = []
    with rig.pc.at_irql(irql):
        got = rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0xF0000)], lambda t, c: calls.append(t), None)
    rig.pc.advance(milliseconds=2)
    assert got == (OK if irql <= 2 else UNS)
    assert len(calls) == (irql <= 2)


@pytest.mark.parametrize("irql", [1, 2, 5])
def test_query_above_passive(irql: int) -> None:
    rig = Rig()
    with rig.pc.at_irql(irql), pytest.raises(storsim.NtStatusError):
        rig.hda.query_interface(HDAUDIO_BUS_INTERFACE)


@pytest.mark.parametrize("irql", range(16))
def test_reference_routines(irql: int) -> None:
    """Their level is not documented; a client must be able to drop its last reference from a DPC (model: ≤
    DISPATCH).
    """
    rig = Rig()
    with rig.pc.at_irql(irql):
        rig.client.v1.InterfaceReference()
        rig.client.v1.InterfaceDereference()
    assert (rig.names() == []) == (irql <= 2)
    assert rig.client.v1.AllocateRenderDmaEngine(DVD)[0] == OK


# --- NULL for every pointer -----------------------------------------------------------------------

#: routine, positional argument that is the pointer (None: an out-parameter by name), its name.
POINTERS = [
    ("TransferCodecVerbs", 1, "CodecTransfer"),
    ("AllocateCaptureDmaEngine", 1, "StreamFormat"),
    ("AllocateCaptureDmaEngine", None, "Handle"),
    ("AllocateCaptureDmaEngine", None, "ConverterFormat"),
    ("AllocateRenderDmaEngine", 0, "StreamFormat"),
    ("AllocateRenderDmaEngine", None, "Handle"),
    ("AllocateRenderDmaEngine", None, "ConverterFormat"),
    ("ChangeBandwidthAllocation", 1, "StreamFormat"),
    ("ChangeBandwidthAllocation", None, "ConverterFormat"),
    *(("AllocateDmaBuffer", None, out) for out in ("BufferMdl", "AllocatedBufferSize", "StreamId", "FifoSize")),
    *(
        ("AllocateDmaBufferWithNotification", None, out)
        for out in ("BufferMdl", "AllocatedBufferSize", "OffsetFromFirstPage", "StreamId", "FifoSize")
    ),
    ("FreeDmaBufferWithNotification", 1, "BufferMdl"),
    ("SetDmaEngineState", 1, "Handles"),
    ("GetLinkPositionRegister", None, "Position"),
    ("RegisterEventCallback", 0, "Routine"),
    ("RegisterEventCallback", None, "Tag"),
    ("GetDeviceInformation", 0, "DeviceInformation"),
    ("RegisterNotificationEvent", 1, "NotificationEvent"),
    ("UnregisterNotificationEvent", 1, "NotificationEvent"),
    ("RegisterNotificationCallback", 1, "Fdo"),
    ("RegisterNotificationCallback", 2, "NotificationCallback"),
    ("UnregisterNotificationCallback", 1, "NotificationCallback"),
    ("AllocateContiguousDmaBuffer", None, "DataBuffer"),
    ("AllocateContiguousDmaBuffer", None, "BdlBuffer"),
    ("SetupDmaEngineWithBdl", 3, "Isr"),
    ("SetupDmaEngineWithBdl", None, "StreamId"),
    ("SetupDmaEngineWithBdl", None, "FifoSize"),
]


@pytest.mark.parametrize(("name", "place", "parameter"), POINTERS, ids=lambda value: str(value))
def test_null(name: str, place: int | None, parameter: str) -> None:
    rig, call = ready(name)
    free = dict(zip(call.__code__.co_freevars, (cell.cell_contents for cell in call.__closure__), strict=True))  # type: ignore[attr-defined]
    positional, named = list(free["arguments"][name]), {}
    if place is None:
        named[parameter] = None
    else:
        positional[place] = None
    if (name, parameter) == ("SetDmaEngineState", "Handles"):
        named["NumberOfHandles"] = 1
    with Unchanged(rig):
        assert status(free["routine"](*positional, **named)) == IP


@pytest.mark.parametrize("parameter", [None, 0])
def test_null_of_void_routines(parameter: int | None) -> None:
    """A NULL out-pointer cannot be reported by a routine without status; the other outputs are as ever, nothing
    stops.
    """
    rig = Rig()
    with Unchanged(rig):
        rig.client.v1.GetWallClockRegister(Wallclock=parameter)
        rig.client.v1.GetResourceInformation(CodecAddress=parameter, FunctionGroupStartNode=parameter)


def test_isr_may_be_null_without_interrupts() -> None:
    rig = Rig()
    handle = rig.client.engine("RC")
    rig.client.entries(handle, [(0, 4096, 0), (4096, 4096, 0)])
    assert rig.client.bdl.SetupDmaEngineWithBdl(handle, 8192, 1, None, None)[0] == OK


# --- every documented status ----------------------------------------------------------------------

SCENARIOS: dict[tuple[str, str], Callable[[], Any]] = {}


def _succeed(name: str) -> Callable[[], Any]:
    return lambda: ready(name)[1]()


for _name in EVERY:
    if LIMITS[_name][1]:
        SCENARIOS[_name, "STATUS_SUCCESS"] = _succeed(_name)


def scenario(routine: str, name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Registers what makes a routine return a status."""

    def register(function: Callable[[], Any]) -> Callable[[], Any]:
        SCENARIOS[routine, name] = function
        return function

    return register


def _above(name: str) -> Callable[[], Any]:
    def run() -> Any:
        rig, call = ready(name)
        with rig.pc.at_irql(3):
            return call()

    return run


def _gone(name: str) -> Callable[[], Any]:
    def run() -> Any:
        rig, call = ready(name)
        rig.hda.inject("removed")
        return call()

    return run


for _name in EVERY:
    if LIMITS[_name][1]:
        SCENARIOS[_name, "STATUS_UNSUCCESSFUL"] = _above(_name)
        SCENARIOS[_name, "STATUS_NO_SUCH_DEVICE"] = _gone(_name)

#: Routines whose first argument is an engine handle, and what follows it.
AFTER_HANDLE: dict[str, tuple[Any, ...]] = {
    "ChangeBandwidthAllocation": (DVD,),
    "AllocateDmaBuffer": (4096,),
    "FreeDmaBuffer": (),
    "FreeDmaEngine": (),
    "GetLinkPositionRegister": (),
    "AllocateDmaBufferWithNotification": (2, 4096),
    "FreeDmaBufferWithNotification": (0x1000, 4096),
    "RegisterNotificationCallback": (1, print, None),
    "UnregisterNotificationCallback": (print, None),
    "AllocateContiguousDmaBuffer": (4096,),
    "SetupDmaEngineWithBdl": (4096, 1, print, None),
    "FreeContiguousDmaBuffer": (),
}
for _name, _rest in AFTER_HANDLE.items():
    SCENARIOS[_name, "STATUS_INVALID_HANDLE"] = lambda name=_name, rest=_rest: Rig().client.routine(name)(
        0xDEAD0000, *rest
    )
    if "Notification" not in _name or "Dma" in _name:
        SCENARIOS[_name, "STATUS_INVALID_DEVICE_REQUEST"] = lambda name=_name, rest=_rest: _in_motion(name, rest)
del SCENARIOS["GetLinkPositionRegister", "STATUS_INVALID_DEVICE_REQUEST"]


def _in_motion(name: str, rest: tuple[Any, ...]) -> Any:
    rig = Rig()
    return rig.client.routine(name)(rig.client.engine("XD"), *rest)


for _name in ("RegisterNotificationEvent", "UnregisterNotificationEvent"):
    SCENARIOS[_name, "STATUS_INVALID_HANDLE"] = lambda name=_name: (
        (rig := Rig()) and rig.client.routine(name)(5, rig.pc.event())
    )

for _name in ("AllocateRenderDmaEngine", "AllocateCaptureDmaEngine"):
    _lead = (0,) if "Capture" in _name else ()
    SCENARIOS[_name, "STATUS_BUFFER_TOO_SMALL"] = lambda name=_name, lead=_lead: Rig().client.routine(name)(
        *lead, StreamFormat(192000, 32, 32, 8)
    )
    SCENARIOS[_name, "STATUS_INSUFFICIENT_RESOURCES"] = lambda name=_name, lead=_lead: [
        (rig := Rig()) and [rig.client.routine(name)(*lead, DVD) for _ in range(5)]
    ][0][-1]
    SCENARIOS[_name, "STATUS_INVALID_PARAMETER"] = lambda name=_name, lead=_lead: Rig().client.routine(name)(
        *lead, None
    )


@scenario("ChangeBandwidthAllocation", "STATUS_BUFFER_TOO_SMALL")
def _() -> Any:
    client = Rig().client
    return client.v1.ChangeBandwidthAllocation(client.render(), StreamFormat(192000, 32, 32, 8))


@scenario("ChangeBandwidthAllocation", "STATUS_INSUFFICIENT_RESOURCES")
def _() -> Any:
    client = Rig().client
    client.render(StreamFormat(192000, 24, 32, 8))
    return client.v1.ChangeBandwidthAllocation(client.render(), StreamFormat(192000, 24, 32, 8))


@scenario("ChangeBandwidthAllocation", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v1.ChangeBandwidthAllocation(client.render(), StreamFormat(1, 16, 16, 2))


@scenario("SetDmaEngineState", "STATUS_INVALID_HANDLE")
def _() -> Any:
    return Rig().client.state(77, to=RunState)


@scenario("SetDmaEngineState", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.state(client.engine("SD"), to=3)


@scenario("SetDmaEngineState", "STATUS_INVALID_DEVICE_REQUEST")
def _() -> Any:
    client = Rig().client
    return client.state(client.engine("R0"), to=RunState)


for _name, _middle in (
    ("AllocateDmaBuffer", ()),
    ("AllocateDmaBufferWithNotification", (2,)),
    ("AllocateContiguousDmaBuffer", ()),
):

    def _no_memory(name: str = _name, middle: tuple[int, ...] = _middle) -> Any:
        rig = Rig()
        handle = rig.client.render()
        rig.exhaust()
        return rig.client.routine(name)(handle, *middle, 1 << 20)

    def _timeout(name: str = _name, middle: tuple[int, ...] = _middle) -> Any:
        rig = Rig()
        handle = rig.client.render()
        rig.hda.inject("timeout")
        return rig.client.routine(name)(handle, *middle, 4096)

    SCENARIOS[_name, "STATUS_INSUFFICIENT_RESOURCES"] = _no_memory
    SCENARIOS[_name, "STATUS_DEVICE_NOT_READY"] = _timeout


@scenario("AllocateDmaBuffer", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v1.AllocateDmaBuffer(client.render(), 4096, StreamId=None)


@scenario("AllocateDmaBufferWithNotification", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v2.AllocateDmaBufferWithNotification(client.render(), 3, 4096)


@scenario("AllocateContiguousDmaBuffer", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.bdl.AllocateContiguousDmaBuffer(client.render(), 0)


@scenario("FreeDmaBufferWithNotification", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v2.FreeDmaBufferWithNotification(client.engine("RN"), 0x1000, 4096)


@scenario("SetupDmaEngineWithBdl", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.bdl.SetupDmaEngineWithBdl(client.engine("RC"), 8192, 0, print, None)


@scenario("SetupDmaEngineWithBdl", "STATUS_DEVICE_NOT_READY")
def _() -> Any:
    rig = Rig()
    handle = rig.client.engine("RC")
    rig.client.entries(handle, [(0, 4096, 0), (4096, 4096, 1)])
    rig.hda.inject("timeout")
    result = rig.client.bdl.SetupDmaEngineWithBdl(handle, 8192, 1, print, None)
    assert rig.state(handle) == "RC"
    assert rig.info(handle)["suspect"]
    return result


@scenario("GetLinkPositionRegister", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v1.GetLinkPositionRegister(client.render(), Position=None)


@scenario("TransferCodecVerbs", "STATUS_NO_MEMORY")
def _() -> Any:
    rig = Rig()
    rig.pc.faults.fail_nth("TransferCodecVerbs", 1)
    return rig.client.v1.TransferCodecVerbs(1, [HDAUDIO_CODEC_TRANSFER(0xF0000)], print, None)


@scenario("TransferCodecVerbs", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    return Rig().client.v1.TransferCodecVerbs(0, [HDAUDIO_CODEC_TRANSFER(0xF0000)])


@scenario("RegisterEventCallback", "STATUS_INSUFFICIENT_RESOURCES")
def _() -> Any:
    client = Rig().client
    return [client.v1.RegisterEventCallback(print, None) for _ in range(65)][-1]


@scenario("RegisterEventCallback", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    return Rig().client.v1.RegisterEventCallback(None, None)


@scenario("UnregisterEventCallback", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    return Rig().client.v1.UnregisterEventCallback(0)


@scenario("GetDeviceInformation", "STATUS_BUFFER_TOO_SMALL")
def _() -> Any:
    return Rig().client.v1.GetDeviceInformation(HDAUDIO_DEVICE_INFORMATION(Size=9))


@scenario("GetDeviceInformation", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    return Rig().client.v1.GetDeviceInformation(None)


@scenario("RegisterNotificationEvent", "STATUS_INSUFFICIENT_RESOURCES")
def _() -> Any:
    rig = Rig()
    handle, event = rig.client.render(), rig.pc.event()
    return [rig.client.v2.RegisterNotificationEvent(handle, event) for _ in range(17)][-1]


@scenario("RegisterNotificationCallback", "STATUS_INSUFFICIENT_RESOURCES")
def _() -> Any:
    client = Rig().client
    handle = client.render()
    return [client.v3.RegisterNotificationCallback(handle, 1, print, None) for _ in range(17)][-1]


@scenario("RegisterNotificationEvent", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v2.RegisterNotificationEvent(client.render(), None)


@scenario("UnregisterNotificationEvent", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    rig = Rig()
    return rig.client.v2.UnregisterNotificationEvent(rig.client.render(), rig.pc.event())


@scenario("RegisterNotificationCallback", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v3.RegisterNotificationCallback(client.render(), 1, None, None)


@scenario("UnregisterNotificationCallback", "STATUS_INVALID_PARAMETER")
def _() -> Any:
    client = Rig().client
    return client.v3.UnregisterNotificationCallback(client.render(), print, None)


def rows() -> dict[str, Any]:
    return {row["name"]: row for row in storsim._core.ddi_table() if row["family"] != "storport"}


def listed() -> list[tuple[str, str]]:
    return sorted((name, entry["name"]) for name, row in rows().items() for entry in row["statuses"])


@pytest.mark.parametrize(("routine", "name"), listed(), ids=lambda text: text.removeprefix("STATUS_"))
def test_status_is_reached(routine: str, name: str) -> None:
    assert (routine, name) in SCENARIOS, f"no test makes {routine} return {name}"
    assert status(SCENARIOS[routine, name]()) == storsim.enums.NtStatus[name]


def test_no_scenario_is_outside_the_table() -> None:
    assert set(SCENARIOS) <= set(listed())


#: Statuses that the specification marks as documented, §5. Written here a second time, from its text.
DOCUMENTED = {
    "AllocateCaptureDmaEngine": {OK, BTS, IR, IP},
    "AllocateRenderDmaEngine": {OK, BTS, IR, IP},
    "ChangeBandwidthAllocation": {OK, UNS, IH, IP, BTS, IR, IDR},
    "AllocateDmaBuffer": {OK, UNS, IR, IH, IP, DNR, IDR},
    "FreeDmaBuffer": {OK, UNS, IH, IDR},
    "AllocateDmaBufferWithNotification": {OK, UNS, IR, IH, IP, DNR, IDR},
    "FreeDmaBufferWithNotification": {OK, UNS, IH, IDR},
    "AllocateContiguousDmaBuffer": {OK, UNS, IR, IH, IP, DNR, IDR},
    "SetupDmaEngineWithBdl": {OK, UNS, IH, IP, DNR, IDR},
    "FreeContiguousDmaBuffer": {OK, UNS, IH, IDR},
    "FreeDmaEngine": {OK, IH, IDR},
    "SetDmaEngineState": {OK, IH, IP, IDR},
    "GetLinkPositionRegister": {OK, IH},
    "TransferCodecVerbs": {OK, NM},
    "RegisterEventCallback": {OK, IR},
    "UnregisterEventCallback": {OK, IP},
    "GetDeviceInformation": {OK, BTS},
    "RegisterNotificationEvent": {OK, IR},
    "UnregisterNotificationEvent": {OK, IP},
    "RegisterNotificationCallback": {OK, IR},
    "UnregisterNotificationCallback": {OK, IP},
}


@pytest.mark.parametrize("routine", EVERY)
def test_row_agrees_with_the_specification(routine: str) -> None:
    row = rows()[routine]
    limit, has_status = LIMITS[routine]
    assert row["irql_min"] == 0
    assert row["irql_max"] == (2 if routine == "TransferCodecVerbs" else limit)
    assert bool(row["statuses"]) == has_status
    assert row["page"].startswith("nc-hdaudio-")
    documented = {storsim.enums.NtStatus[entry["name"]] for entry in row["statuses"] if entry["documented"]}
    assert documented == DOCUMENTED.get(routine, set())


def test_the_table_has_every_routine_and_no_other() -> None:
    assert set(rows()) == {*EVERY, "InterfaceReference", "InterfaceDereference"}
