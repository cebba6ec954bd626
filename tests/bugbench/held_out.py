"""Ten further models, written after the ready machines were settled and not tuned for: ``--held-out`` runs them.

They tell how well the machines find bugs that nobody had in mind when the machines were made.
"""

from __future__ import annotations

from .kit import *


class BacklogDoubleFree(Miniport):
    """A request that gets its tracker but no table leaves the tracker to the next request, and frees it as well.

    Easy to make: the spare list was added later, in front of an error path that gave everything back.
    """

    budget, finding = 8_000, ("DOUBLE_FREE", "USE_AFTER_FREE")
    shortest = "begin(); plug_in(); submit(fail=2)"

    def bring_up(self) -> bool:
        self.spare: list[int] = []
        return True

    def request(self, request: Any) -> Any:
        tracker = self.spare.pop() if self.spare else self.pool(96)
        if not tracker:
            return False
        pieces = self.pieces(request)
        table = self.allocate(PAGE) if pieces else None
        if not table:
            self.spare.append(tracker)
            if self.bug:
                self.unpool(tracker)
            return False
        request.tracker, request.table = tracker, table
        return pieces

    def complete(self, request: Any) -> None:
        self.free(request.table)
        self.unpool(request.tracker)

    def remove(self) -> None:
        for tracker in self.spare:
            self.unpool(tracker)


class TimerAfterFailedResume(Miniport):
    """A watchdog stores into its block, which is gone since a resume that failed.

    Easy to make: the timer is stopped before the power goes and started after it is back, whatever came of that.
    """

    budget, finding = 8_000, ("USE_AFTER_FREE", "PAGE_FAULT")
    shortest = "begin(); plug_in(); sleep(); wake(fail=1); tick()"

    def bring_up(self) -> bool:
        self.block = self.pool(64)
        self.armed = self.block != 0
        return self.armed

    def power(self, state: int) -> None:
        if state == D3:
            if self.owned:
                self.unpool(self.block)
            self.armed = False
            return
        fresh = self.pool(64)
        self.armed = bool(fresh) or self.bug
        self.block = fresh or self.block
        self.owned = bool(fresh)

    def timer(self) -> None:
        if self.armed:
            self.pc.write_va(self.block, b"tick")

    def request(self, request: Any) -> Any:
        return self.pieces(request)

    owned = True

    def remove(self) -> None:
        if self.power_state == D0 and self.owned:
            self.unpool(self.block)
        self.owned = True


class AbortThenReset(Miniport):
    """An aborted request leaves its tracker in the table; the next bus reset frees it again.

    Easy to make: completing takes the entry out of the table; aborting is a copy of it without that line.
    """

    budget, finding = 8_000, ("DOUBLE_FREE",)
    shortest = "begin(); plug_in(); submit(); abort_request(); bus_reset()"

    def bring_up(self) -> bool:
        self.table: dict[int, int] = {}
        return True

    def request(self, request: Any) -> Any:
        pieces = self.pieces(request)
        tracker = self.pool(96) if pieces else 0
        if tracker:
            self.table[request.number] = tracker
        return pieces if tracker else False

    def complete(self, request: Any) -> None:
        self.unpool(self.table.pop(request.number))

    def abort(self, request: Any) -> None:
        self.unpool(self.table[request.number])
        if not self.bug:
            del self.table[request.number]

    def reset(self) -> None:
        while self.table:
            self.unpool(self.table.popitem()[1])

    def remove(self) -> None:
        """Nothing is left."""


class CountOfLastLife(Miniport):
    """The number of pages comes from a global that each start increases, and the free asks it again.

    Easy to make: the global is initialized when the image is loaded; a second device, or the same one again, is rare.
    """

    budget, finding = 6_000, ("SIZE_MISMATCH",)
    shortest = "begin(); plug_in(); unplug(); plug_in()"
    loads = 0

    def bring_up(self) -> bool:
        self.loads = self.loads + 1 if self.bug else 1
        self.ring = self.allocate(PAGE)
        return self.ring is not None

    def request(self, request: Any) -> Any:
        return self.pieces(request)

    def remove(self) -> None:
        StorPortFreeDmaMemory(self.hba, self.ring.va, self.loads * PAGE, self.ring.cache, self.ring.pa)


class SwappedAfterResume(Miniport):
    """A resume makes the two queues in the other order, and keeps their addresses the wrong way round.

    Easy to make: two assignments that look alike; nothing fails before the device is removed.
    """

    budget, finding = 6_000, ("PA_MISMATCH",)
    shortest = "begin(); plug_in(); sleep(); wake()"

    def bring_up(self) -> bool:
        self.queues: list[Block] = []
        for _ in range(2):
            block = self.allocate(PAGE)
            if not block:
                self.remove()
                return False
            self.queues.append(block)
        return True

    def power(self, state: int) -> None:
        if state == D3:
            self.remove()
        elif self.bring_up() and self.bug:
            first, second = self.queues
            first.pa, second.pa = second.pa, first.pa

    def request(self, request: Any) -> Any:
        return self.pieces(request) if self.queues else False

    def remove(self) -> None:
        while self.queues:
            self.free(self.queues.pop())


class DirectionOfNewestRequest(Miniport):
    """A list is put with the direction of the newest request, not with its own.

    Easy to make: the direction is a member of the adapter from the days of one request at a time.
    """

    budget, finding = 10_000, ("SG_DIRECTION",)
    shortest = "begin(); plug_in(); submit(); submit(transfer=Transfer(write=True))"

    def bring_up(self) -> bool:
        self.write = False
        return True

    def request(self, request: Any) -> Any:
        _, mdl = StorPortGetOriginalMdl(self.hba, request.srb)
        room = self.pool(16 + 24 * 33)
        if not room:
            return False

        def go(device: int, irp: int, sg: Any, context: object) -> None:
            request.sg, request.ready = sg, True
            request.elements = [(one.PhysicalAddress, one.Length) for one in sg.List]

        request.room, request.sg, request.ready = room, None, False
        status = StorPortBuildScatterGatherList(
            self.hba, mdl, request.srb.va, request.length, go, None, request.write, room, 16 + 24 * 33
        )
        if status:
            self.unpool(room)
            return False
        self.write = request.write
        return None

    def complete(self, request: Any) -> None:
        direction = self.write if self.bug else request.write
        StorPortPutScatterGatherList(self.hba, request.sg, direction)
        self.unpool(request.room)

    def remove(self) -> None:
        """Nothing is left."""


class BounceOfLongestRequest(Miniport):
    """Requests share a bounce buffer; what comes back is copied from where the request before ended.

    Easy to make: the offset is meant for requests in several parts, and is cleared only when one had several.
    """

    budget, finding = 8_000, ("DATA_MISMATCH", "OVERRUN", "PAGE_FAULT")
    shortest = "begin(); plug_in(); submit(); finish(); submit()"
    most_outstanding = 1
    most_bytes = 8 * PAGE

    def bring_up(self) -> bool:
        self.bounce, self.at = self.allocate(2 * self.most_bytes), 0
        return self.bounce is not None

    def request(self, request: Any) -> Any:
        if request.write:
            self.pc.write_va(self.bounce.va, bytes(request.srb))
        return [(self.bounce.pa, request.length)]

    def complete(self, request: Any) -> None:
        if not request.write:
            self.pc.write_va(request.srb.va, self.pc.read_va(self.bounce.va + self.at, request.length))
            if self.bug:
                self.at = self.most_bytes

    def remove(self) -> None:
        self.free(self.bounce)


class CallbackOfNewestStream(FunctionDriver):
    """Closing a stream unregisters the callback with the context of the stream that was opened last.

    Easy to make: with one stream it is the same context.
    """

    interface = HDAUDIO_BUS_INTERFACE_V3
    budget, finding = 8_000, ("REGISTRATION_LEAK",)
    shortest = "begin(); plug_in(); open_stream(); open_stream()"

    def open(self, stream: Any) -> bool:
        if not super().open(stream):
            return False
        if self.bus.RegisterNotificationCallback(stream.engine, self.hda, self.progress, stream.number):
            super().close(stream)
            return False
        self.newest = stream.number
        return True

    def progress(self, context: object, counter: int) -> None:
        """The buffer moved on."""

    def close(self, stream: Any) -> None:
        context = self.newest if self.bug else stream.number
        self.set(stream, PauseState, ResetState)
        self.bus.UnregisterNotificationCallback(stream.engine, self.progress, context)
        self.release(stream)
        self.bus.FreeDmaEngine(stream.engine)


class OneReferenceTooFew(FunctionDriver):
    """Each resume gives back a reference of the interface that nobody had taken.

    Easy to make: the page on references has a slip that invites it, and the first resume still leaves one reference.
    """

    budget, finding = 8_000, ("DEAD_CONTEXT", "ENGINE_LEAK", "BUFFER_LEAK")
    shortest = "begin(); plug_in(); sleep(); wake(); sleep(); wake()"

    def bring_up(self) -> None:
        self.bus.InterfaceReference()
        self.extra = 1

    def power(self, state: int) -> None:
        if state == D0 and self.bug:
            self.bus.InterfaceDereference()
            self.extra -= 1

    def remove(self) -> None:
        if self.extra > 0:
            self.bus.InterfaceDereference()


class ListEditedWhilePaused(FunctionDriver):
    """The interval of interrupts is changed in the descriptor list of a stream that is only paused.

    Easy to make: the stream stands still, and so the list seems to be nobody's.
    """

    interface = HDAUDIO_BUS_INTERFACE_BDL
    budget, finding = 10_000, ("BDL_CHANGED",)
    shortest = "begin(); plug_in(); open_stream(); start_stream(); pause_stream(); tick()"

    def buffer(self, stream: Any) -> bool:
        frame = stream.format.ContainerSize // 8 * stream.format.NumberOfChannels
        stream.half = 128 * frame
        status, stream.va, stream.bdl = self.bus.AllocateContiguousDmaBuffer(stream.engine, 2 * stream.half)
        if status:
            return False
        self.describe(stream, every=1)
        status, *_ = self.bus.SetupDmaEngineWithBdl(stream.engine, 2 * stream.half, 1, self.isr, stream)
        if status:
            self.release(stream)
        return not status

    def describe(self, stream: Any, every: int) -> None:
        for i in range(2):
            address = self.pc.physical(stream.va) + i * stream.half
            stream.bdl[i] = HDAUDIO_BUFFER_DESCRIPTOR(address, stream.half, int((i + 1) % every == 0))

    def isr(self, stream: Any, mask: int) -> None:
        """A half was played."""

    def timer(self) -> None:
        for stream in self.streams:
            if stream.state == "open" or (self.bug and stream.state == "paused"):
                self.describe(stream, every=2)

    def release(self, stream: Any) -> None:
        self.bus.FreeContiguousDmaBuffer(stream.engine)
