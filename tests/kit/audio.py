"""A controller, its bus interfaces and engines in any state: what the HD Audio tests share.

Written from the specification. Nothing here looks into the bus driver but through `Hda.engines`, `Hda.bdl`
and `Hda.bandwidth`, which exist for looking.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import storsim
from storsim.enums import NtStatus
from storsim.hdaudio import (
    HDAUDIO_BUS_INTERFACE,
    HDAUDIO_BUS_INTERFACE_BDL,
    HDAUDIO_BUS_INTERFACE_V2,
    HDAUDIO_BUS_INTERFACE_V3,
    HDAUDIO_CODEC_TRANSFER,
    PauseState,
    ResetState,
    RunState,
    StreamFormat,
)

OK = NtStatus.STATUS_SUCCESS
UNS = NtStatus.STATUS_UNSUCCESSFUL
IH = NtStatus.STATUS_INVALID_HANDLE
IP = NtStatus.STATUS_INVALID_PARAMETER
NSD = NtStatus.STATUS_NO_SUCH_DEVICE
IDR = NtStatus.STATUS_INVALID_DEVICE_REQUEST
NM = NtStatus.STATUS_NO_MEMORY
BTS = NtStatus.STATUS_BUFFER_TOO_SMALL
IR = NtStatus.STATUS_INSUFFICIENT_RESOURCES
DNR = NtStatus.STATUS_DEVICE_NOT_READY
NS = NtStatus.STATUS_NOT_SUPPORTED

CD = StreamFormat(44100, 16, 16, 2)
DVD = StreamFormat(48000, 16, 16, 2)
FRAME = 500
PAGE = 4096
STATES = ("R0", "RD", "RN", "RC", "RB", "SD", "SN", "SB", "XD", "XN", "XB")
TABLES = {
    "V1": HDAUDIO_BUS_INTERFACE,
    "V2": HDAUDIO_BUS_INTERFACE_V2,
    "V3": HDAUDIO_BUS_INTERFACE_V3,
    "BDL": HDAUDIO_BUS_INTERFACE_BDL,
}


def status(result: Any) -> int:
    """The NTSTATUS in a result."""
    return int(result[0] if isinstance(result, tuple) else result)


class Client:
    """One client's tables, all four, and engines brought where a test wants them."""

    def __init__(self, rig: Rig, number: int) -> None:
        self.rig = rig
        self.v1, self.v2, self.v3, self.bdl = (rig.hda.query_interface(table, number) for table in TABLES.values())
        self.buffers: dict[int, Any] = {}
        self.masks: list[tuple[int, int, int]] = []

    def routine(self, name: str) -> Callable[..., Any]:
        """A routine of whichever table has it."""
        for bus in (self.v3, self.bdl):
            if name in bus:
                return getattr(bus, name)  # type: ignore[no-any-return]
        raise AssertionError(name)

    def render(self, form: Any = DVD, stripe: int = 0) -> int:
        """A render engine in R0."""
        answer, handle, _converter = self.v1.AllocateRenderDmaEngine(form, stripe)
        assert answer == OK, answer
        return int(handle)

    def capture(self, form: Any = DVD, codec: int = 0) -> int:
        """A capture engine in R0."""
        answer, handle, _converter = self.v1.AllocateCaptureDmaEngine(codec, form)
        assert answer == OK, answer
        return int(handle)

    def isr(self, context: Any, mask: int) -> None:
        """An ISR that notes when it ran."""
        self.masks.append((self.rig.pc.now, self.rig.pc.irql, mask))

    def buffer(self, handle: int, kind: str, size: int = 8192) -> Any:
        """Gives an engine in R0 a buffer of kind D, N, N1, C or B; returns what the routine answered."""
        if kind == "D":
            result = self.v1.AllocateDmaBuffer(handle, size)
        elif kind in ("N", "N1"):
            result = self.v2.AllocateDmaBufferWithNotification(handle, 1 if kind == "N1" else 2, size)
        else:
            result = self.bdl.AllocateContiguousDmaBuffer(handle, size)
        assert result[0] == OK, result
        self.buffers[handle] = result
        if kind == "B":
            self.entries(handle, [(0, size // 2, 0), (size // 2, size - size // 2, 1)])
            assert self.bdl.SetupDmaEngineWithBdl(handle, size, 1, self.isr, None)[0] == OK
        return result

    def entries(self, handle: int, entries: list[tuple[int, int, int]]) -> None:
        """Writes a contiguous buffer's descriptor list: (offset in the buffer, length, ioc)."""
        _status, data, bdl = self.buffers[handle]
        base = self.rig.pc.physical(data)
        for index, (offset, length, ioc) in enumerate(entries):
            bdl[index] = (base + offset, length, ioc)

    def state(self, *handles: int, to: int) -> NtStatus:
        """SetDmaEngineState."""
        return self.v1.SetDmaEngineState(to, list(handles))  # type: ignore[no-any-return]

    def bring(self, handle: int, state: str, size: int = 8192) -> int:
        """Brings an engine from R0 into a state of §4.1."""
        if state[1] != "0":
            self.buffer(handle, state[1], size)
        if state[0] in "SX":
            assert self.state(handle, to=PauseState) == OK
        if state[0] == "X":
            assert self.state(handle, to=RunState) == OK
        return handle

    def engine(self, state: str = "R0", form: Any = DVD, size: int = 8192) -> int:
        """A new render engine in a state."""
        return self.bring(self.render(form), state, size)

    def release(self, handle: int) -> None:
        """Takes an engine from any state to none."""
        state = self.rig.state(handle)
        if state[0] == "X":
            assert self.state(handle, to=PauseState) == OK
        if state[0] in "SX":
            assert self.state(handle, to=ResetState) == OK
        if state[1] == "D":
            assert self.v1.FreeDmaBuffer(handle) == OK
        elif state[1] == "N":
            _status, mdl, size, *_rest = self.buffers[handle]
            assert self.v2.FreeDmaBufferWithNotification(handle, mdl, size) == OK
        elif state[1] in "BC":
            assert self.bdl.FreeContiguousDmaBuffer(handle) == OK
        self.buffers.pop(handle, None)
        assert self.v1.FreeDmaEngine(handle) == OK

    def position(self, handle: int) -> Any:
        """The live position register."""
        answer, register = self.v1.GetLinkPositionRegister(handle)
        assert answer == OK
        return register

    def pieces(self, handle: int) -> list[tuple[int, int]]:
        """Physical memory of an engine's buffer in stream order, as its descriptor list has it: (address, length)."""
        return [(address, length) for address, length, _ioc in self.rig.hda.bdl(handle)]

    def write(self, handle: int, data: bytes, at: int = 0) -> None:
        """Stores bytes at a place in stream order, by way of physical memory."""
        for address, length in self.pieces(handle):
            if at < length and data:
                part = data[: length - at]
                self.rig.pc.memory.write(address + at, part)
                data, at = data[len(part) :], 0
            else:
                at = max(0, at - length)
        assert not data, "past the end of the buffer"

    def read(self, handle: int) -> bytes:
        """The whole buffer in stream order."""
        return b"".join(bytes(self.rig.pc.memory.read(*piece)) for piece in self.pieces(handle))

    def verb(self, command: int) -> int:
        """One command, synchronously; its response."""
        transfer = HDAUDIO_CODEC_TRANSFER(command)
        assert self.v1.TransferCodecVerbs(1, [transfer]) == OK
        assert transfer.Input.IsValid, hex(command)
        return int(transfer.Input.Response)

    def tune(self, nid: int, converter: int, stream_id: int, codec: int = 0) -> None:
        """Gives a converter its format and stream tag, with verbs."""
        self.verb(codec << 28 | nid << 20 | 0x20000 | converter)
        self.verb(codec << 28 | nid << 20 | 0x70600 | stream_id << 4)


class Rig:
    """A machine with one controller, ideal timing unless said otherwise (the cases of hdaudio-dma §10 hold
    exactly there).
    """

    def __init__(
        self, *, timing: str = "ideal", memory: str = "256MiB", machine: dict[str, Any] | None = None, **settings: Any
    ) -> None:
        self.pc = storsim.Machine(memory, **(machine or {}))
        self.hda = self.pc.add_hda(timing=timing, **settings)
        self.client = Client(self, 0)

    def another(self, number: int = 1) -> Client:
        """A further client."""
        return Client(self, number)

    def info(self, handle: int) -> dict[str, Any] | None:
        """What the bus driver keeps of an engine; None for a handle that is not valid."""
        return next((engine for engine in self.hda.engines() if engine["handle"] == handle), None)

    def state(self, handle: int) -> str:
        """Its state of §4.1, or "∅"."""
        info = self.info(handle)
        return info["state"] if info else "∅"

    def names(self) -> list[str]:
        """Names of the violations so far."""
        return [record.name for record in self.pc.violations]

    def exhaust(self) -> None:
        """Takes every free page away."""
        for run in self.pc.memory.runs():
            self.pc.memory.reserve(run.start, run.length)

    def step(self) -> None:
        """To the next link frame boundary of the running wall clock."""
        self.pc.advance(ticks=FRAME)


def entry(address: int, length: int, ioc: int = 0) -> bytes:
    """One descriptor as it lies in memory."""
    return struct.pack("<QII", address, length, ioc)


class Unchanged:
    """``with Unchanged(rig):`` asserts that the body changed nothing an observer can see."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig

    def __enter__(self) -> None:
        self.before = self.rig.pc.digest()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is None:
            assert self.rig.pc.digest() == self.before, "a failing call changed something"
