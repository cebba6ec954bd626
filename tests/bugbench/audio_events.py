"""Audio function drivers whose bug is in registrations, verbs and callbacks."""

from __future__ import annotations

from .kit import *


class TagOfLastResume(FunctionDriver):
    """Every resume registers for unsolicited responses; only removal unregisters, and only the newest tag.

    Easy to make: the codec must be told the tag again after power is back, so the code went to the resume.
    """

    budget, finding, shortest = 4_000, ("REGISTRATION_LEAK",), "begin(); plug_in(); sleep(); wake()"

    def bring_up(self) -> bool:
        status, self.tag = self.bus.RegisterEventCallback(self.response, None)
        return not status

    def response(self, answer: int, context: object) -> None:
        """A jack was moved."""

    def power(self, state: int) -> None:
        if state == D0 and self.bug:
            self.bring_up()

    def remove(self) -> None:
        self.bus.UnregisterEventCallback(self.tag)


class EventRegisteredTwice(FunctionDriver):
    """Each start registers the notification event; closing unregisters it once.

    Easy to make: the second start is a resume from pause, and tests start every stream once.
    """

    low_memory = False
    budget, finding = 8_000, ("REGISTRATION_LEAK",)
    shortest = "begin(); plug_in(); open_stream(); start_stream(); pause_stream(); start_stream()"

    def open(self, stream: Any) -> bool:
        stream.event = None
        return super().open(stream)

    def start(self, stream: Any) -> bool:
        fresh = stream.event is None
        if fresh:
            stream.event = self.pc.event()
        if (fresh or self.bug) and self.bus.RegisterNotificationEvent(stream.engine, stream.event):
            if fresh:
                stream.event.destroy()
                stream.event = None
            return False
        return super().start(stream)

    def close(self, stream: Any) -> None:
        if stream.event:
            self.bus.UnregisterNotificationEvent(stream.engine, stream.event)
        super().close(stream)
        if stream.event:
            stream.event.destroy()


class PositionAfterFree(FunctionDriver):
    """A timer reads the position of the stream that was opened last, even when its engine is freed.

    Easy to make: the pointer to the register stays readable on a real machine, it only tells of somebody else's stream.
    """

    budget, finding = 10_000, ("USE_AFTER_FREE",)
    shortest = "begin(); plug_in(); open_stream(); close_stream(); tick()"

    def bring_up(self) -> None:
        self.position, self.watched = None, None

    def open(self, stream: Any) -> bool:
        if not super().open(stream):
            return False
        status, position = self.bus.GetLinkPositionRegister(stream.engine)
        if not status:
            self.position, self.watched = position, stream
        return True

    def timer(self) -> None:
        if self.position is not None:
            int(self.position)

    def close(self, stream: Any) -> None:
        if stream is self.watched and not self.bug:
            self.position = None
        super().close(stream)


class VerbIntoFreedMemory(FunctionDriver):
    """Power down frees the block for codec responses while a command is under way; its callback stores into it.

    Easy to make: the callback comes within microseconds, so a test always sees it before the power goes.
    """

    low_memory = False
    budget, finding = 8_000, ("USE_AFTER_FREE", "PAGE_FAULT")
    shortest = "begin(); plug_in(); send_verb(); sleep()"

    def bring_up(self) -> None:
        self.block: Any = None
        self.pending = 0

    def verb(self, command: int) -> None:
        self.block = self.block or self.pc.kernel_stack(64)
        transfer = HDAUDIO_CODEC_TRANSFER(command)
        if not self.bus.TransferCodecVerbs(1, [transfer], self.answered, int(self.block)):
            self.pending += 1

    def answered(self, transfer: Any, block: int) -> None:
        self.pending -= 1
        self.pc.write_va(block, int(transfer.Input).to_bytes(8, "little"))

    def wait_for_codec(self) -> None:
        while self.pending:
            self.pc.advance(ticks=500)

    def power(self, state: int) -> None:
        if state == D3 and self.block:
            if not self.bug:
                self.wait_for_codec()
            self.block.free()
            self.block = None

    def remove(self) -> None:
        self.wait_for_codec()
        if self.block:
            self.block.free()


class ResponsesOverflow(FunctionDriver):
    """Responses beyond the second go to an overflow list in pageable memory, which a callback at DISPATCH_LEVEL must
    not touch.

    Easy to make: the fast path is right, and the overflow was written by somebody who thought of a thread.
    """

    SLOTS = 2
    low_memory = False
    budget, finding = 12_000, ("PAGEABLE_AT_DISPATCH",)
    shortest = "begin(); plug_in(); send_verb(); send_verb(); send_verb()"

    def bring_up(self) -> None:
        self.fast = self.pc.kernel_stack(8 * self.SLOTS)
        self.slow = self.pc.pageable(512) if self.bug else self.pc.kernel_stack(512)
        self.pending, self.kept = 0, 0

    def verb(self, command: int) -> None:
        if self.pending < 8:
            transfer = HDAUDIO_CODEC_TRANSFER(command)
            if not self.bus.TransferCodecVerbs(1, [transfer], self.answered, None):
                self.pending += 1

    def answered(self, transfer: Any, context: object) -> None:
        where = int(self.fast) + 8 * self.kept if self.kept < self.SLOTS else int(self.slow)
        self.pc.write_va(where, int(transfer.Input).to_bytes(8, "little"))
        self.kept += 1
        self.pending -= 1
        if not self.pending:
            self.kept = 0

    def power(self, state: int) -> None:
        while self.pending:
            self.pc.advance(ticks=500)

    def remove(self) -> None:
        self.power(D3)
        self.fast.free()
        self.slow.free()
