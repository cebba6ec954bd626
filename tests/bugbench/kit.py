"""What the models share: small helpers around the documented routines.

A model is a ready driver machine whose hooks are a small driver. Its planted bug is the one line that asks
``self.bug``; its twin is the same class with ``bug = False``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from storsim.enums import NtStatus
from storsim.hdaudio import *
from storsim.storport import *
from storsim.testing.audio_driver import AudioDriverMachine
from storsim.testing.driver import PowerState
from storsim.testing.storage_driver import StorageDriverMachine

PAGE = 4096
ANYWHERE = 2**64 - 1
BELOW_4_GIB = 2**32 - 1
SUCCESS = STOR_STATUS_SUCCESS
STATUS_INVALID_PARAMETER = NtStatus.STATUS_INVALID_PARAMETER
D0, D3 = PowerState.D0, PowerState.D3


@dataclass
class Block:
    """DMA memory, with what its free needs."""

    va: int
    pa: int
    size: int
    cache: int


class Miniport(StorageDriverMachine):
    """Memory helpers of the storage models; the hooks come from the model.

    bug: whether the planted bug is there.
    """

    bug: ClassVar[bool] = True

    def allocate(self, size: int, *, highest: int = ANYWHERE, boundary: int = 0, cache: int = MmCached) -> Block | None:
        """StorPortAllocateDmaMemory, or None."""
        status, va, pa = StorPortAllocateDmaMemory(self.hba, size, 0, highest, boundary, cache, MM_ANY_NODE_OK)
        return Block(va, pa, size, cache) if status == SUCCESS else None

    def free(self, block: Block | None) -> None:
        """StorPortFreeDmaMemory with what the allocation was made with; None is no block."""
        if block:
            StorPortFreeDmaMemory(self.hba, block.va, block.size, block.cache, block.pa)

    def pool(self, size: int) -> int:
        """StorPortAllocatePool, or 0."""
        return StorPortAllocatePool(self.hba, size, "Mini").BufferPointer

    def unpool(self, va: int) -> None:
        """StorPortFreePool; 0 is no block."""
        if va:
            StorPortFreePool(self.hba, va)

    def pieces(self, request: Any) -> Any:
        """The scatter/gather elements of a request's own buffer; False when the port has no list for it."""
        found = StorPortGetScatterGatherList(self.hba, request.srb)
        return [(one.PhysicalAddress, one.Length) for one in found.List] if found else False


class FunctionDriver(AudioDriverMachine):
    """An audio function driver without a bug: an engine and a notification buffer for each stream.

    Models replace the hooks where theirs differ. bug: whether the planted bug is there.
    """

    bug: ClassVar[bool] = True

    def engine(self, stream: Any, format: Any) -> int:
        """A DMA engine, or 0."""
        if stream.capture:
            status, engine, converter = self.bus.AllocateCaptureDmaEngine(stream.codec, format)
        else:
            status, engine, converter = self.bus.AllocateRenderDmaEngine(format)
        stream.converter = stream.converter if status else converter
        return 0 if status else engine

    def buffer(self, stream: Any) -> bool:
        """The engine's buffer: `mdl`, `size` and `offset` of the stream."""
        result = self.bus.AllocateDmaBufferWithNotification(stream.engine, stream.notifications, stream.buffer_bytes)
        if result.status:
            return False
        stream.mdl, stream.size, stream.offset = result[1:4]
        return True

    def open(self, stream: Any) -> bool:
        stream.converter = 0
        stream.engine = self.engine(stream, stream.format)
        if not stream.engine:
            return False
        if not self.buffer(stream):
            self.bus.FreeDmaEngine(stream.engine)
            return False
        return True

    def set(self, stream: Any, *states: int) -> bool:
        """SetDmaEngineState, one state after the other."""
        return all(not self.bus.SetDmaEngineState(state, [stream.engine]) for state in states)

    def start(self, stream: Any) -> bool:
        return self.set(stream, PauseState, RunState)

    def pause(self, stream: Any) -> bool:
        return self.set(stream, PauseState)

    def close(self, stream: Any) -> None:
        self.set(stream, PauseState, ResetState)
        self.release(stream)
        self.bus.FreeDmaEngine(stream.engine)

    def release(self, stream: Any) -> None:
        """Gives the buffer back."""
        self.bus.FreeDmaBufferWithNotification(stream.engine, stream.mdl, stream.size)

    def remove(self) -> None:
        """Every stream is closed already."""
