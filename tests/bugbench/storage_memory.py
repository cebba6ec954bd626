"""Miniports whose bug is in how they keep their memory."""

from __future__ import annotations

from .kit import *


class ThirdErrorPathOfResume(Miniport):
    """When the fourth allocation of a resume fails, the third is not given back.

    Easy to make: each error path is the one before with one line more, and bring-up, which everybody tested, is another
    copy of them.
    """

    budget, finding, shortest = 8_000, ("DMA_LEAK",), "begin(); plug_in(); sleep(); wake(fail=4)"

    def bring_up(self) -> bool:
        self.blocks: list[Block] = []
        for size in (4 * PAGE, PAGE, PAGE, 8 * PAGE):
            block = self.allocate(size)
            if not block:
                self.remove()
                return False
            self.blocks.append(block)
        return True

    def power(self, state: int) -> None:
        if state == D3:
            self.remove()
            return
        submission = self.allocate(4 * PAGE)
        if not submission:
            return
        completion = self.allocate(PAGE)
        if not completion:
            self.free(submission)
            return
        events = self.allocate(PAGE)
        if not events:
            self.free(completion)
            self.free(submission)
            return
        trackers = self.allocate(8 * PAGE)
        if not trackers:
            if not self.bug:
                self.free(events)
            self.free(completion)
            self.free(submission)
            return
        self.blocks = [submission, completion, events, trackers]

    def request(self, request: Any) -> Any:
        return self.pieces(request) if self.blocks else False

    def remove(self) -> None:
        while self.blocks:
            self.free(self.blocks.pop())


class PowerCycleDoubleFree(Miniport):
    """Power down frees the bounce buffer but leaves the pointer; removal before the next power up frees it again.

    Easy to make: power up clears the pointer, so that every ordinary cycle works.
    """

    budget, finding = 8_000, ("DMA_DOUBLE_FREE",)
    shortest = "begin(); plug_in(); submit(transfer=Transfer(offset=512)); sleep()"
    most_bytes = 16 * PAGE

    def bring_up(self) -> bool:
        self.bounce: Block | None = None
        self.user: Any = None
        return True

    def request(self, request: Any) -> Any:
        if request.srb.va % PAGE == 0:
            return self.pieces(request)
        if self.user:
            return False
        self.bounce = self.bounce or self.allocate(self.most_bytes)
        if not self.bounce:
            return False
        self.user = request
        if request.write:
            self.pc.write_va(self.bounce.va, bytes(request.srb))
        return [(self.bounce.pa, request.length)]

    def complete(self, request: Any) -> None:
        if request is self.user:
            if not request.write:
                self.pc.write_va(request.srb.va, self.pc.read_va(self.bounce.va, request.length))
            self.user = None

    def power(self, state: int) -> None:
        if state == D0:
            self.bounce = None
        elif self.bounce:
            self.free(self.bounce)
            if not self.bug:
                self.bounce = None

    def remove(self) -> None:
        self.free(self.bounce)


class CacheTypeAfterReconfiguration(Miniport):
    """The ring is freed with the cache type that is set now, not the one it was allocated with.

    Easy to make: the setting is at hand, the block's own type is not; they differ only between a change of the setting
    and the next power cycle.
    """

    budget, finding, shortest = 4_000, ("CACHE_MISMATCH",), "begin(); plug_in(); work_item(); sleep()"

    def bring_up(self) -> bool:
        self.setting = int(MmCached)
        self.ring = self.allocate(2 * PAGE, cache=self.setting)
        return self.ring is not None

    def request(self, request: Any) -> Any:
        return self.pieces(request) if self.ring else False

    def work(self) -> None:
        """The administrator has changed the setting; it counts from the next power cycle on."""
        self.setting = int(MmWriteCombined)

    def power(self, state: int) -> None:
        if state == D3:
            self.drop(self.setting if self.bug else self.ring and self.ring.cache)
        else:
            self.ring = self.allocate(2 * PAGE, cache=self.setting)

    def drop(self, cache: int) -> None:
        if self.ring:
            StorPortFreeDmaMemory(self.hba, self.ring.va, self.ring.size, cache, self.ring.pa)
        self.ring = None

    def remove(self) -> None:
        self.free(self.ring)


class StaleMdl(Miniport):
    """The log buffer is replaced by a larger one while its MDL still describes the old one.

    Easy to make: "an MDL depends on the number of pages", so it is made anew only when that changes.
    """

    budget, finding = 6_000, ("FREE_WITH_LIVE_MDL",)
    shortest = "begin(); plug_in(); work_item(); work_item(); work_item(); work_item()"

    def bring_up(self) -> bool:
        self.size, self.log, self.mdl = PAGE, self.pool(PAGE), None
        if not self.log:
            return False
        if not self.describe(self.log, self.size):
            self.unpool(self.log)
            return False
        return True

    def describe(self, log: int, size: int) -> bool:
        """Makes the MDL of a log."""
        status, mdl = StorPortAllocateMdl(self.hba, log, size)
        if status == SUCCESS:
            StorPortBuildMdlForNonPagedPool(self.hba, mdl)
            self.mdl = mdl
        return bool(status == SUCCESS)

    def request(self, request: Any) -> Any:
        return self.pieces(request)

    def work(self) -> None:
        """The log is full: it becomes 3 KiB larger."""
        size, old_mdl = self.size + 3072, self.mdl
        larger = self.pool(size) if size <= 8 * PAGE else 0
        if not larger:
            return
        if -(-size // PAGE) != -(-self.size // PAGE) or not self.bug:
            if not self.describe(larger, size):
                self.unpool(larger)
                return
            StorPortFreeMdl(self.hba, old_mdl)
        self.unpool(self.log)
        self.log, self.size = larger, size

    def remove(self) -> None:
        StorPortFreeMdl(self.hba, self.mdl)
        self.unpool(self.log)


class WrongSizeAfterGrow(Miniport):
    """A grown buffer is allocated in whole pages, but its size is remembered as what was asked for.

    Easy to make: the first allocation is a constant that is whole pages already.
    """

    budget, finding, shortest = 4_000, ("SIZE_MISMATCH",), "begin(); plug_in(); submit(transfer=Transfer(length=16896))"
    most_outstanding = 1

    def bring_up(self) -> bool:
        self.bounce = self.allocate(4 * PAGE)
        return self.bounce is not None

    def request(self, request: Any) -> Any:
        if request.length > self.bounce.size:
            larger = self.allocate(-(-request.length // PAGE) * PAGE)
            if not larger:
                return False
            self.free(self.bounce)
            self.bounce = larger
            if self.bug:
                self.bounce.size = request.length
        if request.write:
            self.pc.write_va(self.bounce.va, bytes(request.srb))
        return [(self.bounce.pa, request.length)]

    def complete(self, request: Any) -> None:
        if not request.write:
            self.pc.write_va(request.srb.va, self.pc.read_va(self.bounce.va, request.length))

    def remove(self) -> None:
        self.free(self.bounce)


class UncachedAfterFailedInit(Miniport):
    """After an initialization that failed, the next adapter is driven with the uncached extension of the first.

    Easy to make: the pointer is a global "because there is one adapter", and only the error path forgets to clear it.
    """

    budget, finding = 6_000, ("USE_AFTER_FREE", "PAGE_FAULT")
    shortest = "begin(); plug_in(fail=2); plug_in(); submit()"
    shared = 0

    def find_adapter(self, config: Any) -> bool:
        config.Master, config.SrbExtensionSize = 1, 256
        if not self.shared:
            self.shared = StorPortGetUncachedExtension(self.hba, config, 2 * PAGE)
        return self.shared != 0

    def bring_up(self) -> bool:
        self.queue = self.allocate(PAGE)
        if not self.queue and not self.bug:
            self.shared = 0
        return self.queue is not None

    def request(self, request: Any) -> Any:
        self.pc.write_va(self.shared + 64, request.number.to_bytes(4, "little"))
        return self.pieces(request)

    def remove(self) -> None:
        self.free(self.queue)
        self.shared = 0


class FreedAtStop(Miniport):
    """ScsiStopAdapter gives back the statistics block that a work item made; pool is not freed at device IRQL.

    Easy to make: the function is the one that removal calls, and the block exists only when somebody asked for it.
    """

    budget, finding, shortest = 4_000, ("StorPortIrql", "POOL_LEAK"), "begin(); plug_in(); work_item(); stop_adapter()"

    def bring_up(self) -> bool:
        self.counters = 0
        return True

    def request(self, request: Any) -> Any:
        if self.counters:
            self.pc.write_va(self.counters, request.number.to_bytes(4, "little"))
        return self.pieces(request)

    def work(self) -> None:
        self.counters = self.counters or self.pool(64)

    def stop(self) -> None:
        if self.bug:
            self.remove()

    def remove(self) -> None:
        self.unpool(self.counters)
        self.counters = 0


class HmbPiecewise(Miniport):
    """When the drive asks for more, the old Host Memory Buffer is given back range by range.

    Easy to make: on a desk machine with memory to spare there is one range.
    """

    budget, finding = 4_000, ("HMB_PARTIAL", "HMB_LEAK", "HMB_ALREADY_ALLOCATED")
    shortest = "begin(machine=MachineConfig(memory='16MiB', pinned=1)); plug_in(); work_item()"
    WANTED = (256, 1024)

    def bring_up(self) -> bool:
        self.ranges: list[Any] = []
        return self.ask(self.WANTED[0])

    def ask(self, pages: int) -> bool:
        status, self.ranges = StorPortAllocateHostMemoryBuffer(
            self.hba, PAGE, pages * PAGE, 0, PAGE, 0, ANYWHERE, 0, 16
        )
        return bool(status == SUCCESS)

    def request(self, request: Any) -> Any:
        return self.pieces(request)

    def work(self) -> None:
        """The drive has sent an event: it could use more."""
        if self.bug:
            for one in self.ranges:
                StorPortFreeHostMemoryBuffer(self.hba, [one])
        else:
            self.remove()
        self.ask(self.WANTED[1])

    def remove(self) -> None:
        if self.ranges:
            StorPortFreeHostMemoryBuffer(self.hba, self.ranges)


class HmbAfterResume(Miniport):
    """After a resume the drive has its Host Memory Buffer back, but the driver thinks it has not: removal frees it
    while the drive uses it.

    Easy to make: bring-up and resume are two functions, and only one of them sets the flag.
    """

    budget, finding, shortest = 4_000, ("HMB_FREED_WHILE_ENABLED",), "begin(); plug_in(); sleep(); wake()"

    def bring_up(self) -> bool:
        self.nvme = self.hba.attach_nvme({"hmpre": 64, "hmmin": 1})
        self.enabled = False
        status, self.ranges = StorPortAllocateHostMemoryBuffer(self.hba, PAGE, 64 * PAGE, 0, PAGE, 0, ANYWHERE, 0, 16)
        if status:
            return False
        self.list = self.allocate(PAGE)
        if not self.list:
            StorPortFreeHostMemoryBuffer(self.hba, self.ranges)
            return False
        for i, one in enumerate(self.ranges):
            entry = one.RangeStart.to_bytes(8, "little") + (one.RangeLength // PAGE).to_bytes(8, "little")
            self.pc.write_va(self.list.va + 16 * i, entry)
        self.enabled = self.feature(1)
        return True

    def feature(self, word: int) -> bool:
        """Set Features, Host Memory Buffer: True when the drive accepts it."""
        size = sum(one.RangeLength for one in self.ranges) // PAGE
        low, high = self.list.pa & 0xFFFF_FFFF, self.list.pa >> 32
        return not self.nvme.set_features(0x0D, cdw11=word, cdw12=size, cdw13=low, cdw14=high, cdw15=len(self.ranges))

    def request(self, request: Any) -> Any:
        return self.pieces(request)

    def power(self, state: int) -> None:
        if state == D3:
            self.disable()
            return
        accepted = self.feature(1 | 2)
        if not self.bug:
            self.enabled = accepted

    def disable(self) -> None:
        if self.enabled:
            self.feature(0)
        self.enabled = False

    def remove(self) -> None:
        self.disable()
        StorPortFreeHostMemoryBuffer(self.hba, self.ranges)
        self.free(self.list)
