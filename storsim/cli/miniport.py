"""The memory life of a small NVMe miniport, as the demo runs it.

Written the way a Storport miniport is: everything goes through the documented routines, each callback does what it may
do at its IRQL, and what is allocated is remembered with the size and cache type it must be freed with.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storsim.importers.id_ctrl import IdCtrl
from storsim.storport import (
    MM_ANY_NODE_OK,
    STOR_STATUS_SUCCESS,
    MmCached,
    StorPortAllocateContiguousMemorySpecifyCacheNode,
    StorPortAllocateDmaMemory,
    StorPortAllocateHostMemoryBuffer,
    StorPortAllocatePool,
    StorPortFreeContiguousMemorySpecifyCache,
    StorPortFreeDmaMemory,
    StorPortFreeHostMemoryBuffer,
    StorPortFreePool,
    StorPortGetHighestNodeNumber,
    StorPortGetPhysicalAddress,
    StorPortGetScatterGatherList,
    StorPortGetUncachedExtension,
)

if TYPE_CHECKING:
    from storsim import Adapter, Machine
    from storsim.nvme import Nvme

PAGE = 4096
BELOW_4_GIB = 0xFFFF_FFFF
ANYWHERE = 2**64 - 1
ADMIN_BYTES = 2 * PAGE  # submission and completion queue of 64 entries
SUBMISSION_BYTES = 1024 * 64
COMPLETION_BYTES = 1024 * 16
PRP_PAGES = 16
PRP_BOUNDARY = 64 << 10
MOST_RANGES = 64
FEATURE_HOST_MEMORY_BUFFER = 0x0D


@dataclass
class Block:
    """One allocation: what the matching free routine needs. `what` is for the reader."""

    what: str
    va: int
    pa: int
    size: int


@dataclass
class Negotiation:
    """How the host memory buffer came about: what the drive asked for, what it was given, and what became of it."""

    preferred: int
    minimum: int
    status: str = "not asked for"
    ranges: list[Any] = field(default_factory=list)
    useful: bool = True
    enabled: bool = False


class Miniport:
    """Drives one adapter through FindAdapter, PassiveInitialize, I/O and teardown."""

    def __init__(self, pc: Machine, hba: Adapter, nvme: Nvme, drive: IdCtrl) -> None:
        self.pc = pc
        self.hba = hba
        self.nvme = nvme
        self.drive = drive
        self.refused: list[str] = []
        self.uncached = 0
        self.dma: list[Block] = []
        self.prp: list[Block] = []
        self.pool: list[Block] = []
        self.hmb = Negotiation(drive.preferred_bytes, drive.minimum_bytes)
        self.descriptors: Block | None = None

    # --- bring-up ---------------------------------------------------------------------------------------------------

    def find_adapter(self) -> None:
        """HwStorFindAdapter: says what the adapter can do; the admin queues go into the uncached extension."""
        with self.hba.callback("HwStorFindAdapter") as config:
            config.Master = 1
            config.ScatterGather = 1
            config.NumberOfPhysicalBreaks = 32
            config.MaximumTransferLength = min(self.drive.transfer_bytes() or 1 << 20, 1 << 20)
            config.SrbExtensionSize = PAGE
            self.uncached = StorPortGetUncachedExtension(self.hba, config, ADMIN_BYTES)
            if self.uncached:
                StorPortGetPhysicalAddress(self.hba, None, self.uncached)
            else:
                self.refused.append("uncached extension")

    def passive_initialize(self) -> None:
        """HwStorPassiveInitializeRoutine: a queue pair near each node, PRP pages, bookkeeping, the drive's buffer."""
        with self.hba.callback("HwStorPassiveInitializeRoutine"):
            status, highest = StorPortGetHighestNodeNumber(self.hba)
            nodes = highest + 1 if status == STOR_STATUS_SUCCESS else 1
            for node in range(nodes):
                self._queue_pair(node)
                self._pool("queue state", 512, "NvQs")
            self._prp_pages()
            for _ in range(4):
                self._pool("command trackers", 64 * 96, "NvCt")
            self._pool("identify data", PAGE, "NvId")
            if self.drive.supports_hmb:
                self._host_memory_buffer()

    def _queue_pair(self, node: int) -> None:
        for what, size in (("submission queue", SUBMISSION_BYTES), ("completion queue", COMPLETION_BYTES)):
            status, va, pa = StorPortAllocateDmaMemory(self.hba, size, 0, ANYWHERE, 0, MmCached, node)
            if status == STOR_STATUS_SUCCESS:
                self.dma.append(Block(f"{what}, node {node}", va, pa, size))
            else:
                self.refused.append(f"{what}, node {node}: {status.name}")

    def _prp_pages(self) -> None:
        """PRP lists that a 32-bit DMA engine fetches, never across 64 KiB."""
        size = PRP_PAGES * PAGE
        status, va = StorPortAllocateContiguousMemorySpecifyCacheNode(
            self.hba, size, 0, BELOW_4_GIB, PRP_BOUNDARY, MmCached, MM_ANY_NODE_OK
        )
        if status == STOR_STATUS_SUCCESS:
            pa, _ = StorPortGetPhysicalAddress(self.hba, None, va)
            self.prp.append(Block("PRP list pages", va, pa, size))
        else:
            self.refused.append(f"PRP list pages: {status.name}")

    def _pool(self, what: str, size: int, tag: str) -> None:
        status, va = StorPortAllocatePool(self.hba, size, tag)
        if status == STOR_STATUS_SUCCESS:
            self.pool.append(Block(what, va, 0, size))
        else:
            self.refused.append(f"{what}: {status.name}")

    def _host_memory_buffer(self) -> None:
        """Asks for the preferred size, takes what it gets, and hands it to the drive with Set Features."""
        count = self.drive.hmmaxd or MOST_RANGES
        status, ranges = StorPortAllocateHostMemoryBuffer(
            self.hba, self.hmb.minimum, self.hmb.preferred, 0, PAGE, 0, ANYWHERE, 0, min(count, MOST_RANGES)
        )
        self.hmb.status = status.name
        if status != STOR_STATUS_SUCCESS:
            return
        self.hmb.ranges = list(ranges)
        self.hmb.useful = all(item.RangeLength >= self.drive.minimum_range_bytes for item in ranges)
        if not self.hmb.useful:
            return
        size = max(PAGE, 16 * len(ranges))
        status, va, pa = StorPortAllocateDmaMemory(self.hba, size, 0, ANYWHERE, 0, MmCached, MM_ANY_NODE_OK)
        if status != STOR_STATUS_SUCCESS:
            return
        self.descriptors = Block("HMB descriptor list", va, pa, size)
        self.dma.append(self.descriptors)
        entries = (struct.pack("<QII", item.RangeStart, item.RangeLength // PAGE, 0) for item in ranges)
        self.pc.write_va(va, b"".join(entries))
        pages = sum(item.RangeLength for item in ranges) // PAGE
        self.hmb.enabled = not self.nvme.set_features(
            FEATURE_HOST_MEMORY_BUFFER,
            cdw11=1,
            cdw12=pages,
            cdw13=pa & 0xFFFF_FFFF,
            cdw14=pa >> 32,
            cdw15=len(ranges),
        )

    # --- I/O --------------------------------------------------------------------------------------------------------

    def one_write(self, length: int) -> list[tuple[int, int]]:
        """HwStorBuildIo of one write: the physical pieces of its data buffer as (address, bytes)."""
        with self.hba.srb(length, write=True, fragments=4) as srb, self.hba.callback("HwStorBuildIo"):
            elements = StorPortGetScatterGatherList(self.hba, srb)
            return [(element.PhysicalAddress, element.Length) for element in elements.List]

    def device_uses_buffer(self) -> None:
        """The drive keeps its mapping table in the buffer: it writes there and reads back."""
        entries = b"map table entry " * 4
        self.nvme.hmb_write(0, entries)
        if self.nvme.hmb_read(0, len(entries)) != entries:
            raise RuntimeError("the drive read something else from its buffer than it wrote there")

    # --- teardown ---------------------------------------------------------------------------------------------------

    def release(self, *, forget_pool: str | None = None, wrong_size: str | None = None) -> None:
        """HwStorAdapterControl, power down: takes the buffer back from the drive and frees everything.

        The two arguments plant bugs: the pool block called `forget_pool` is not freed, and the DMA block called
        `wrong_size` is freed with one page as its size.
        """
        if self.hmb.enabled:
            self.nvme.set_features(FEATURE_HOST_MEMORY_BUFFER, cdw11=0)
        if self.hmb.ranges:
            StorPortFreeHostMemoryBuffer(self.hba, self.hmb.ranges)
        for block in self.dma:
            size = PAGE if block.what == wrong_size else block.size
            StorPortFreeDmaMemory(self.hba, block.va, size, MmCached, block.pa)
        for block in self.prp:
            StorPortFreeContiguousMemorySpecifyCache(self.hba, block.va, block.size, MmCached)
        for block in self.pool:
            if block.what != forget_pool:
                StorPortFreePool(self.hba, block.va)
