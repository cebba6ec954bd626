"""Miniports whose bug is in how they handle requests."""

from __future__ import annotations

from hypothesis.stateful import precondition, rule

from .kit import *


class PutTwice(Miniport):
    """A bus reset puts the scatter/gather lists of all requests but keeps them in its table; a completion that was
    under way puts one again.

    Easy to make: the race needs an interrupt at the moment of the reset.
    """

    budget, finding = 6_000, ("SG_DOUBLE_PUT", "DOUBLE_FREE")
    shortest = "begin(); plug_in(); submit(); bus_reset(); late_completion()"
    late_completions = True

    def bring_up(self) -> bool:
        self.table: dict[int, tuple[Any, int, bool]] = {}
        return True

    def request(self, request: Any) -> Any:
        status, mdl = StorPortGetOriginalMdl(self.hba, request.srb)
        room = self.pool(16 + 24 * 33)
        if not room:
            return False

        def go(device: int, irp: int, sg: Any, context: object) -> None:
            self.table[request.number] = (sg, room, request.write)
            request.elements, request.ready = [(one.PhysicalAddress, one.Length) for one in sg.List], True

        request.ready = False
        status = StorPortBuildScatterGatherList(
            self.hba, mdl, request.srb.va, request.length, go, None, request.write, room, 16 + 24 * 33
        )
        if status:
            self.unpool(room)
            return False
        return None

    def put(self, number: int) -> None:
        sg, room, write = self.table[number]
        StorPortPutScatterGatherList(self.hba, sg, write)
        self.unpool(room)

    def complete(self, request: Any) -> None:
        if request.number in self.table:
            self.put(request.number)
            del self.table[request.number]

    def reset(self) -> None:
        for number in self.table:
            self.put(number)
        if not self.bug:
            self.table.clear()

    def remove(self) -> None:
        """Nothing is left."""


class TagReuse(Miniport):
    """The next tag is the count of requests modulo the queue's depth, even when that tag is still outstanding.

    Easy to make: as long as the device finishes in order it is always free.
    """

    DEPTH = 3
    budget, finding = 8_000, ("POOL_LEAK",)
    shortest = "begin(); plug_in(); submit(); submit(); submit(); finish(which=1); submit()"

    def bring_up(self) -> bool:
        self.slots, self.started = [0] * self.DEPTH, 0
        return True

    def request(self, request: Any) -> Any:
        pieces = self.pieces(request)
        tracker = self.pool(96) if pieces and len(self.outstanding) <= self.DEPTH else 0
        if not tracker:
            return False
        request.tag = self.started % self.DEPTH if self.bug else self.slots.index(0)
        self.slots[request.tag] = tracker
        self.started += 1
        return pieces

    def complete(self, request: Any) -> None:
        self.unpool(self.slots[request.tag])
        self.slots[request.tag] = 0

    def remove(self) -> None:
        """Every slot is empty: nothing is under way."""


class BoundaryInFallback(Miniport):
    """The second attempt to get a buffer forgets that the device's address counter has 16 bits.

    Easy to make: the first attempt names the boundary; the second, for a fragmented machine, was added later.
    """

    BOUNDARY = 64 << 10
    most_bytes = BOUNDARY
    budget, finding = 6_000, ("DEVICE_DMA_FOREIGN", "DEVICE_DMA_TO_FREED", "IOMMU_FAULT", "DEVICE_DMA_NOT_RAM")
    shortest = "begin(); plug_in(); submit(transfer=Transfer(length=65536), fail=1)"

    def bring_up(self) -> bool:
        return True

    def request(self, request: Any) -> Any:
        buffer = self.allocate(self.BOUNDARY, boundary=self.BOUNDARY)
        if not buffer:
            buffer = self.allocate(request.length, boundary=0 if self.bug else self.BOUNDARY)
        if not buffer:
            return False
        request.buffer = buffer
        if request.write:
            self.pc.write_va(buffer.va, bytes(request.srb))
        return self.as_counted(buffer.pa, request.length)

    def as_counted(self, address: int, length: int) -> list[tuple[int, int]]:
        """What the device makes of it: its counter wraps within 64 KiB."""
        room = self.BOUNDARY - address % self.BOUNDARY
        if room >= length:
            return [(address, length)]
        return [(address, room), (address + room - self.BOUNDARY, length - room)]

    def complete(self, request: Any) -> None:
        if not request.write:
            self.pc.write_va(request.srb.va, self.pc.read_va(request.buffer.va, request.length))
        self.free(request.buffer)

    def remove(self) -> None:
        """Every buffer went with its request."""


class TruncatedAddress(Miniport):
    """The ring comes from above 4 GiB when there is nothing below; its address goes into a 32-bit register.

    Easy to make: the fallback is newer than the register code, and low memory is never used up at a desk.
    """

    budget, finding = 16_000, ("DEVICE_DMA_FOREIGN", "DEVICE_DMA_TO_FREED", "IOMMU_FAULT", "DEVICE_DMA_NOT_RAM")
    shortest = "begin(); plug_in(fail=1); submit()"

    def bring_up(self) -> bool:
        self.ring = self.allocate(PAGE, highest=BELOW_4_GIB) or self.allocate(PAGE)
        if self.ring:
            self.register = self.ring.pa & BELOW_4_GIB if self.bug else self.ring.pa
        return self.ring is not None

    def power(self, state: int) -> None:
        if state == D3:
            self.remove()
        else:
            self.bring_up()

    def request(self, request: Any) -> Any:
        if not self.ring:
            return False
        self.device_read(self.register, 64)  # the device fetches the command
        return self.pieces(request)

    def remove(self) -> None:
        self.free(self.ring)
        self.ring = None


class RegistryFromDpc(Miniport):
    """When the queue is overloaded, the DPC reads a setting from the registry.

    Easy to make: the function that reads it is also called at PASSIVE_LEVEL, and only an overload gets there.
    """

    SLOTS = 2
    budget, finding = 6_000, ("BAD_IRQL", "StorPortIrql")
    shortest = "begin(); plug_in(); submit(); submit(); submit()"

    def bring_up(self) -> bool:
        self.waiting: list[Any] = []
        self.busy = 0
        return self.read_setting()

    def read_setting(self) -> bool:
        """How many requests the device gets at once."""
        buffer, _ = StorPortAllocateRegistryBuffer(self.hba, 64)
        if buffer:
            StorPortFreeRegistryBuffer(self.hba, buffer)
        return buffer != 0

    def request(self, request: Any) -> Any:
        pieces = self.pieces(request)
        if pieces:
            request.ready = self.busy < self.SLOTS
            if request.ready:
                self.busy += 1
            else:
                self.waiting.append(request)
        return pieces

    def complete(self, request: Any) -> None:
        if self.waiting:
            if self.bug:
                self.read_setting()
            self.waiting.pop(0).ready = True
        else:
            self.busy -= 1

    def remove(self) -> None:
        """Nothing is kept."""


class SurpriseRemovalLeak(Miniport):
    """Surprise removal drops the requests the device will never finish, and with them their buffers.

    Easy to make: an orderly removal waits for every request, so nothing is ever outstanding there.
    """

    budget, finding, shortest = 4_000, ("DMA_LEAK",), "begin(); plug_in(); submit(); pull_out()"

    def bring_up(self) -> bool:
        self.tables: dict[int, Block] = {}
        return True

    def request(self, request: Any) -> Any:
        pieces = self.pieces(request)
        table = self.allocate(PAGE) if pieces else None
        if not table:
            return False
        self.tables[request.number] = table
        return pieces

    def complete(self, request: Any) -> None:
        self.free(self.tables.pop(request.number))

    def surprise_remove(self) -> None:
        if self.bug:
            self.tables.clear()

    def remove(self) -> None:
        for table in self.tables.values():
            self.free(table)


class StaleRegister(Miniport):
    """A ring that was made deeper lies elsewhere; the doorbell still has the address of the first one.

    Easy to make: the address is written where the ring is made at bring-up, and the deeper one is made elsewhere.
    """

    budget, finding = 4_000, ("DEVICE_DMA_TO_FREED", "DEVICE_DMA_FOREIGN", "IOMMU_FAULT")
    shortest = "begin(); plug_in(); work_item()"

    def bring_up(self) -> bool:
        self.ring = self.allocate(PAGE)
        self.register = self.ring.pa if self.ring else 0
        return self.ring is not None

    def work(self) -> None:
        """More queue depth is wanted."""
        deeper = self.allocate(self.ring.size + PAGE)
        if deeper:
            self.free(self.ring)
            self.ring = deeper
            if not self.bug:
                self.register = deeper.pa
            self.doorbell()

    def doorbell(self) -> None:
        """The device fetches a command."""
        self.device_read(self.register, 64)

    def request(self, request: Any) -> Any:
        self.doorbell()
        return self.pieces(request)

    def remove(self) -> None:
        self.free(self.ring)


class DmaAfterPowerDown(Miniport):
    """Power down frees the page for asynchronous events; the device was never told to stop using it.

    Easy to make: the device is "about to lose power anyway", but it does so only when its last function is down.
    """

    budget, finding = 4_000, ("DEVICE_DMA_TO_FREED", "DEVICE_DMA_FOREIGN", "IOMMU_FAULT")
    shortest = "begin(); plug_in(); sleep(); device_event()"

    def bring_up(self) -> bool:
        self.register = 0
        self.arm()
        return True

    def arm(self) -> None:
        self.events = self.allocate(PAGE)
        self.register = self.events.pa if self.events else 0

    @precondition(lambda self: self.up and self.register)
    @rule()
    def device_event(self) -> None:
        """The device reports something where it was told to."""
        self.device_write(self.register, b"event")
        self.call("work")

    def work(self) -> None:
        """Looks at the events."""

    def power(self, state: int) -> None:
        if state == D0:
            self.arm()
            return
        if not self.bug:
            self.register = 0
        self.free(self.events)
        self.events = None

    def request(self, request: Any) -> Any:
        return self.pieces(request)

    def remove(self) -> None:
        self.register = 0
        self.free(self.events)


class RingOffByOne(Miniport):
    """The producer wraps one entry late, and stores a command behind the end of its ring.

    Easy to make: ``>`` for ``>=``; the first lap shows nothing.
    """

    ENTRIES, ENTRY = 4, 64
    budget, finding = 8_000, ("OVERRUN",)
    shortest = "begin(); plug_in(); submit(); submit(); submit(); submit(); submit()"

    def bring_up(self) -> bool:
        self.ring, self.tail = self.allocate(self.ENTRIES * self.ENTRY), 0
        return self.ring is not None

    def request(self, request: Any) -> Any:
        entry = request.number.to_bytes(self.ENTRY, "little")
        self.pc.write_va(self.ring.va + self.tail * self.ENTRY, entry)
        self.tail += 1
        if self.tail >= self.ENTRIES + self.bug:
            self.tail = 0
        return self.pieces(request)

    def remove(self) -> None:
        self.free(self.ring)
