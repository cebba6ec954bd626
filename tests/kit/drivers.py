"""Small correct drivers for the tests of the testing machines; `bug` plants a fault by name."""

from __future__ import annotations

from typing import Any

from storsim.hdaudio import PauseState, ResetState, RunState
from storsim.storport import *
from storsim.testing import AudioDriverMachine, PowerState, Request, StorageDriverMachine, Stream

QUEUE = 8192


class Miniport(StorageDriverMachine):
    """A queue in DMA memory, a context per request, state in pool that is dropped in D3."""

    bug = ""

    def bring_up(self) -> object:
        self.state = 0
        status, self.queue, self.pa = StorPortAllocateDmaMemory(self.hba, QUEUE, 0, 2**32 - 1, 0, MmCached, 0x80000000)
        if status:
            return False
        status, self.state = StorPortAllocatePool(self.hba, 512, "Mini")
        if status:
            if self.bug != "bring_up":
                StorPortFreeDmaMemory(self.hba, self.queue, QUEUE, MmCached, self.pa)
            return False
        return True

    def request(self, request: Request) -> object:
        status, request.context = StorPortAllocatePool(self.hba, 64, "Ctx1")
        if status:
            return False
        sg = StorPortGetScatterGatherList(self.hba, request.srb)
        if not sg:
            StorPortFreePool(self.hba, request.context)
            return False
        pieces = [(piece.PhysicalAddress, piece.Length) for piece in sg.elements]
        if self.bug == "swapped" and len(pieces) == 3:
            pieces[0], pieces[2] = pieces[2], pieces[0]
        if self.bug == "short" and len(pieces) > 2:
            pieces.pop()
        if self.bug == "fourth" and len(self.outstanding) == 4:
            request.context = 0
        return pieces

    def complete(self, request: Request) -> None:
        if request.context:
            StorPortFreePool(self.hba, request.context)
        if self.bug == "twice" and len(self.outstanding) == 2:
            request.complete()
            request.complete()
        if self.bug == "index" and len(self.outstanding) == 3:
            [].pop()

    def reset(self) -> None:
        for request in self.outstanding:
            if request.context and self.bug != "reset":
                StorPortFreePool(self.hba, request.context)

    def power(self, state: PowerState) -> None:
        if state == PowerState.D3:
            StorPortFreePool(self.hba, self.state)
            if self.bug != "d3":
                self.state = 0
        else:
            _, self.state = StorPortAllocatePool(self.hba, 512, "Mini")

    def remove(self) -> None:
        if self.state:
            StorPortFreePool(self.hba, self.state)
        StorPortFreeDmaMemory(self.hba, self.queue, QUEUE, MmCached, self.pa)


class Swallower(Miniport):
    """Catches everything, a bugcheck too."""

    def power(self, state: PowerState) -> None:
        try:
            super().power(state)
            StorPortFreePool(self.hba, self.queue)
        except Exception:
            pass


class FunctionDriver(AudioDriverMachine):
    """One engine and one buffer per stream."""

    bug = ""

    def open(self, stream: Stream) -> object:
        if stream.capture:
            status, stream.handle, _ = self.bus.AllocateCaptureDmaEngine(0, stream.format)
        else:
            status, stream.handle, _ = self.bus.AllocateRenderDmaEngine(stream.format)
        if status:
            return False
        status, stream.mdl, stream.size, _, _ = self.bus.AllocateDmaBuffer(stream.handle, stream.buffer_bytes)
        if status:
            if self.bug != "engine":
                self.bus.FreeDmaEngine(stream.handle)
            return False
        return True

    def _set(self, stream: Stream, state: int) -> bool:
        return bool(self.bus.SetDmaEngineState(state, [stream.handle]) == 0)

    def start(self, stream: Stream) -> object:
        return self._set(stream, PauseState) and self._set(stream, RunState)

    def pause(self, stream: Stream) -> object:
        return self._set(stream, PauseState)

    def close(self, stream: Stream) -> None:
        if stream.state == "running" and self.bug != "running":
            self._set(stream, PauseState)
        if stream.state != "paused" or self.bug != "paused":
            self._set(stream, ResetState)
        self.bus.FreeDmaBuffer(stream.handle)
        self.bus.FreeDmaEngine(stream.handle)

    def remove(self) -> None:
        return None


def with_bug(machine: type[Any], bug: str) -> type[Any]:
    """A subclass with a fault."""
    return type(f"{machine.__name__}_{bug}", (machine,), {"bug": bug})
