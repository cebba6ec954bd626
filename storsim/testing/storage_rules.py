"""Small rule machines for the Storport routines: pool, contiguous, DMA, Host Memory Buffer, MDL, request.

Each is a mix-in over `RuleMachine`; all share one adapter, `hba`. Combine at most 25 rules in one machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, multiple, precondition, rule

from storsim import storport as sp
from storsim.storport import StorStatus
from storsim.testing import strategies
from storsim.testing.rules import Resource, RuleMachine
from storsim.testing.specs import HmbRequest, Limits, Transfer
from storsim.testing.strategies import PAGE, hmb_requests, limits

if TYPE_CHECKING:
    from storsim.adapter import Adapter

GRANTED = (StorStatus.STOR_STATUS_SUCCESS,)
MAYBE = (StorStatus.STOR_STATUS_SUCCESS, StorStatus.STOR_STATUS_INSUFFICIENT_RESOURCES)
TAGS = ("Abcd", "Stor", "Nvme", "x")
POOL_SIZES = (64, 1, 16, 100, 512, 4064, 4095, PAGE, PAGE + 1, 2 * PAGE, 5 * PAGE, 10_000)
BLOCK_SIZES = (PAGE, 1, 512, 2 * PAGE, PAGE + 1, 4 * PAGE, 16 * PAGE, 100_000, 64 * PAGE)


class StorageRules(RuleMachine):
    """What the storage mix-ins share: the adapter. adapter_settings: keywords of ``pc.add_adapter``."""

    adapter_settings: ClassVar[dict[str, Any]] = {}
    hba: Adapter

    def attach(self) -> None:
        """Adds the adapter."""
        super().attach()
        self.hba = self.pc.add_adapter("hba0", **self.adapter_settings)

    def detach(self) -> None:
        """Removes the adapter: what is left is a leak."""
        self.hba.remove()
        super().detach()


# --- pool -------------------------------------------------------------------------------------------------------------


class Pool(Resource):
    """A pool block. size: bytes. tag: pool tag."""

    def __init__(self, number: int, size: int, tag: str = "Stor", va: int = 0) -> None:
        self.number, self.size, self.tag, self.va = number, size, tag, va

    def shown(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Size and tag."""
        return (self.size,), {"tag": self.tag}

    def release(self, machine: Any) -> None:
        """StorPortFreePool."""
        machine.expect(sp.StorPortFreePool(machine.hba, self.va), GRANTED, "StorPortFreePool")


class PoolRules(StorageRules):
    """Pool: what is stored stays, blocks lie as documented."""

    pools: Bundle[Pool] = Bundle("pools")

    @rule(target=pools, size=st.sampled_from(POOL_SIZES), tag=st.sampled_from(TAGS))
    def allocate_pool(self, size: int, tag: str) -> Any:
        """Nonpaged pool: 16-byte aligned, from a page on page aligned, never across a page when it fits one."""
        status, va = sp.StorPortAllocatePool(self.hba, size, tag)
        self.expect(status, MAYBE, "StorPortAllocatePool")
        self.look()
        if status:
            assert va == 0
            return multiple()
        assert va % (PAGE if size >= PAGE else 16) == 0
        assert size > PAGE or va // PAGE == (va + size - 1) // PAGE
        block = Pool(self.number(), size, tag, va)
        self.live[block.number] = block
        return block

    @rule(block=pools, value=st.sampled_from([0, 0xA5, 0xFF]))
    def use_pool(self, block: Pool, value: int) -> None:
        """The driver stores into the whole block and reads it back."""
        data = bytes([value]) * block.size
        self.pc.write_va(block.va, data)
        assert self.pc.read_va(block.va, block.size) == data
        self.look()

    @rule(block=consumes(pools))
    def free_pool(self, block: Pool) -> None:
        """Frees a block."""
        del self.live[block.number]
        block.release(self)
        self.look()


# --- contiguous and DMA memory ----------------------------------------------------------------------------------------


class _Block(Resource):
    """A block of contiguous pages. size: bytes. limits: where it may lie."""

    def __init__(self, number: int, size: int, limits: Limits | None = None, va: int = 0, pa: int = 0) -> None:
        self.number, self.size, self.limits = number, size, limits or Limits()
        self.va, self.pa = va, pa

    def shown(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Size, and limits when there are some."""
        return (self.size,), {} if self.limits == Limits() else {"limits": self.limits}

    def fits(self, physical: int) -> bool:
        """Whether a physical address keeps the limits."""
        last = physical + self.size - 1
        boundary = self.limits.boundary
        crosses = bool(boundary) and physical // boundary != last // boundary
        return self.limits.lowest <= physical and last <= self.limits.highest and not crosses


class Contiguous(_Block):
    """Contiguous memory."""

    def release(self, machine: Any) -> None:
        """StorPortFreeContiguousMemorySpecifyCache."""
        status = sp.StorPortFreeContiguousMemorySpecifyCache(machine.hba, self.va, self.size, self.limits.cache)
        machine.expect(status, GRANTED, "StorPortFreeContiguousMemorySpecifyCache")


class Dma(_Block):
    """DMA memory."""

    def release(self, machine: Any) -> None:
        """StorPortFreeDmaMemory."""
        status = sp.StorPortFreeDmaMemory(machine.hba, self.va, self.size, self.limits.cache, self.pa)
        machine.expect(status, GRANTED, "StorPortFreeDmaMemory")


class ContiguousRules(StorageRules):
    """Contiguous memory lies within its limits."""

    blocks: Bundle[Contiguous] = Bundle("blocks")

    @rule(target=blocks, size=st.sampled_from(BLOCK_SIZES), where=limits())
    def allocate_contiguous(self, size: int, where: Limits) -> Any:
        """A block within limits, or INSUFFICIENT_RESOURCES."""
        status, va = sp.StorPortAllocateContiguousMemorySpecifyCacheNode(
            self.hba, size, where.lowest, where.highest, where.boundary, where.cache, sp.MM_ANY_NODE_OK
        )
        self.expect(status, MAYBE, "StorPortAllocateContiguousMemorySpecifyCacheNode")
        self.look()
        if status:
            assert va == 0
            return multiple()
        block = Contiguous(self.number(), size, where, va)
        assert block.fits(self.pc.physical(va) or 0)
        self.live[block.number] = block
        return block

    @rule(block=consumes(blocks))
    def free_contiguous(self, block: Contiguous) -> None:
        """Frees a block."""
        del self.live[block.number]
        block.release(self)
        self.look()


class DmaRules(StorageRules):
    """DMA memory: within its limits, and the device and the driver see the same bytes."""

    dma_blocks: Bundle[Dma] = Bundle("dma_blocks")

    @rule(target=dma_blocks, size=st.sampled_from(BLOCK_SIZES), where=limits())
    def allocate_dma(self, size: int, where: Limits) -> Any:
        """A block within limits, or INSUFFICIENT_RESOURCES."""
        status, va, pa = sp.StorPortAllocateDmaMemory(
            self.hba, size, where.lowest, where.highest, where.boundary, where.cache, sp.MM_ANY_NODE_OK
        )
        self.expect(status, MAYBE, "StorPortAllocateDmaMemory")
        self.look()
        if status:
            assert va == 0
            return multiple()
        block = Dma(self.number(), size, where, va, int(pa))
        assert block.fits(int(pa))
        self.live[block.number] = block
        return block

    @rule(block=dma_blocks, value=st.integers(0, 255))
    def device_writes(self, block: Dma, value: int) -> None:
        """What the device writes, the driver reads."""
        data = bytes([value]) * min(block.size, 64)
        at = block.size - len(data)
        self.hba.dma_write(block.pa + at, data)
        assert self.pc.read_va(block.va + at, len(data)) == data
        self.look()

    @rule(block=dma_blocks, value=st.integers(0, 255))
    def device_reads(self, block: Dma, value: int) -> None:
        """What the driver stores, the device reads."""
        data = bytes([value]) * min(block.size, 64)
        self.pc.write_va(block.va, data)
        self.pc.store_fence()
        assert self.hba.dma_read(block.pa, len(data)) == data
        self.look()

    @rule(block=consumes(dma_blocks))
    def free_dma(self, block: Dma) -> None:
        """Frees a block."""
        del self.live[block.number]
        block.release(self)
        self.look()


# --- Host Memory Buffer -----------------------------------------------------------------------------------------------


class Hmb(Resource):
    """A Host Memory Buffer. request: what was asked for."""

    def __init__(self, number: int, request: HmbRequest | None = None, ranges: Any = ()) -> None:
        self.number, self.request, self.ranges = number, request or HmbRequest(), ranges

    def shown(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The request when it is not the simplest."""
        return (() if self.request == HmbRequest() else (self.request,)), {}

    def release(self, machine: Any) -> None:
        """StorPortFreeHostMemoryBuffer."""
        machine.expect(
            sp.StorPortFreeHostMemoryBuffer(machine.hba, self.ranges), GRANTED, "StorPortFreeHostMemoryBuffer"
        )


class HmbRules(StorageRules):
    """The Host Memory Buffer: one at a time, between minimum and preferred."""

    buffers: Bundle[Hmb] = Bundle("buffers")
    has_hmb = False

    @precondition(lambda self: not self.has_hmb)
    @rule(target=buffers, request=hmb_requests())
    def allocate_hmb(self, request: HmbRequest) -> Any:
        """A buffer, or a refusal that left nothing."""
        status, ranges = sp.StorPortAllocateHostMemoryBuffer(
            self.hba, request.minimum, request.preferred, 0, request.alignment, 0, request.highest, 0, request.ranges
        )
        self.expect(status, MAYBE, "StorPortAllocateHostMemoryBuffer")
        self.look()
        if status:
            return multiple()
        total = sum(item.RangeLength for item in ranges)
        assert request.minimum <= total <= request.preferred
        assert 0 < len(ranges) <= request.ranges
        buffer = Hmb(self.number(), request, ranges)
        self.live[buffer.number] = buffer
        self.has_hmb = True
        return buffer

    @rule(buffer=consumes(buffers))
    def free_hmb(self, buffer: Hmb) -> None:
        """Frees the buffer."""
        del self.live[buffer.number]
        self.has_hmb = False
        buffer.release(self)
        self.look()


# --- MDLs and lists ---------------------------------------------------------------------------------------------------


class Mdl(Resource):
    """An MDL over pool of its own. size: bytes. offset: of the buffer in the pool block, bytes."""

    def __init__(self, number: int, size: int, offset: int = 0, va: int = 0, mdl: Any = None) -> None:
        self.number, self.size, self.offset, self.va, self.mdl = number, size, offset, va, mdl

    def shown(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Size, and the offset when there is one."""
        return (self.size,), {"offset": self.offset} if self.offset else {}

    def release(self, machine: Any) -> None:
        """StorPortFreeMdl, then the pool."""
        machine.expect(sp.StorPortFreeMdl(machine.hba, self.mdl), GRANTED, "StorPortFreeMdl")
        machine.expect(sp.StorPortFreePool(machine.hba, self.va), GRANTED, "StorPortFreePool")


class MdlRules(StorageRules):
    """MDLs describe their buffer, and scatter/gather lists cover it."""

    mdls: Bundle[Mdl] = Bundle("mdls")

    @rule(target=mdls, size=st.sampled_from(POOL_SIZES), offset=st.sampled_from([0, 1, 16, 500]))
    def describe(self, size: int, offset: int) -> Any:
        """Pool, and an MDL built over it."""
        status, va = sp.StorPortAllocatePool(self.hba, size + offset, "Mdls")
        self.expect(status, MAYBE, "StorPortAllocatePool")
        if status:
            return multiple()
        status, mdl = sp.StorPortAllocateMdl(self.hba, va + offset, size)
        self.expect(status, MAYBE, "StorPortAllocateMdl")
        if status:
            self.expect(sp.StorPortFreePool(self.hba, va), GRANTED, "StorPortFreePool")
            return multiple()
        self.expect(sp.StorPortBuildMdlForNonPagedPool(self.hba, mdl), GRANTED, "StorPortBuildMdlForNonPagedPool")
        self.look()
        found = Mdl(self.number(), size, offset, va, mdl)
        self.live[found.number] = found
        assert len(mdl.pages) == (va + offset + size - 1) // PAGE - (va + offset) // PAGE + 1
        return found

    @rule(mdl=mdls, to_device=st.booleans())
    def list_mdl(self, mdl: Mdl, to_device: bool) -> None:
        """A scatter/gather list of the whole buffer, at DISPATCH_LEVEL, given back at once."""
        lists: list[Any] = []

        def ran(device: Any, irp: Any, sg: Any, context: Any) -> None:
            lists.append(sg)

        with self.pc.at_irql(2):
            scratch = self.hba.device_extension  # room for the list: the extension has a page
            status = sp.StorPortBuildScatterGatherList(
                self.hba, mdl.mdl, mdl.va + mdl.offset, mdl.size, ran, None, to_device, scratch, 2048
            )
            self.expect(status, MAYBE, "StorPortBuildScatterGatherList")
            for sg in lists:
                assert sum(element.Length for element in sg.elements) == mdl.size
                put = sp.StorPortPutScatterGatherList(self.hba, sg, to_device)
                self.expect(put, GRANTED, "StorPortPutScatterGatherList")
        self.look()

    @rule(mdl=consumes(mdls))
    def free_mdl(self, mdl: Mdl) -> None:
        """Frees MDL and pool."""
        del self.live[mdl.number]
        mdl.release(self)
        self.look()


# --- requests ---------------------------------------------------------------------------------------------------------


class Srb(Resource):
    """A request. transfer: length, direction and pieces."""

    def __init__(self, number: int, transfer: Transfer | None = None, srb: Any = None) -> None:
        self.number, self.transfer, self.srb = number, transfer or Transfer(), srb

    def shown(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The transfer when it is not the simplest."""
        return (() if self.transfer == Transfer() else (self.transfer,)), {}

    def release(self, machine: Any) -> None:
        """The request is completed."""
        self.srb.complete()


class RequestRules(StorageRules):
    """Requests: the port's scatter/gather list covers the data."""

    srbs: Bundle[Srb] = Bundle("srbs")

    @rule(target=srbs, transfer=strategies.transfers())
    def receive(self, transfer: Transfer) -> Any:
        """A request comes."""
        try:
            srb = self.hba.srb(transfer.length, transfer.write, transfer.fragments, offset=transfer.offset)
        except (MemoryError, ValueError):  # the simulated machine has no room for it
            return multiple()
        found = Srb(self.number(), transfer, srb)
        self.live[found.number] = found
        self.look()
        return found

    @rule(srb=srbs)
    def list_request(self, srb: Srb) -> None:
        """HwStorStartIo asks for the list; the device reaches every piece of it."""
        with self.hba.callback("HwStorStartIo"):
            sg = sp.StorPortGetScatterGatherList(self.hba, srb.srb)
        if sg:
            assert sum(element.Length for element in sg.elements) == srb.transfer.length
            first = sg.elements[0]
            assert self.hba.dma_read(first.PhysicalAddress, 8) == self.pc.read_va(srb.srb.va, 8)
        self.look()

    @rule(srb=consumes(srbs))
    def complete(self, srb: Srb) -> None:
        """The port has it back."""
        del self.live[srb.number]
        srb.release(self)
        self.look()
