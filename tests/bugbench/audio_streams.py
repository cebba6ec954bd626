"""Audio function drivers whose bug is in how they keep their streams."""

from __future__ import annotations

import math

from .kit import *


class UnregisteredLate(FunctionDriver):
    """A change of format moves the stream to a fresh engine, and unregisters the event from the old one when that is
    freed already.

    Easy to make: closing has the order right; the change of format has the two lines the other way round.
    """

    low_memory = False
    budget, finding = 4_000, ("REGISTRATION_LEAK",)
    shortest = "begin(); plug_in(); open_stream(); reformat_stream()"

    def open(self, stream: Any) -> bool:
        if not super().open(stream):
            return False
        stream.event = self.pc.event()
        if self.bus.RegisterNotificationEvent(stream.engine, stream.event):
            self.finish(stream, late=False)
            return False
        return True

    def finish(self, stream: Any, late: bool) -> None:
        if not late:
            self.bus.UnregisterNotificationEvent(stream.engine, stream.event)
        self.set(stream, PauseState, ResetState)
        self.release(stream)
        self.bus.FreeDmaEngine(stream.engine)
        if late:
            self.bus.UnregisterNotificationEvent(stream.engine, stream.event)
        stream.event.destroy()

    def close(self, stream: Any) -> None:
        if stream.engine:
            self.finish(stream, late=False)

    def start(self, stream: Any) -> bool:
        return bool(stream.engine) and super().start(stream)

    def change_format(self, stream: Any, format: Any) -> bool:
        if not stream.engine:
            return False
        self.finish(stream, late=self.bug)
        stream.format = format
        if not self.open(stream):
            stream.engine = 0
            return False
        return True


class FreedWhilePaused(FunctionDriver):
    """Closing resets a stream that runs; one that is only paused is freed as it is, which the bus driver refuses.

    Easy to make: "not running" and "in reset" are one thing for a fresh stream.
    """

    budget, finding = 6_000, ("BUFFER_LEAK", "ENGINE_LEAK", "ENGINE_NOT_RESET")
    shortest = "begin(); plug_in(); open_stream(); start_stream(); pause_stream()"

    def close(self, stream: Any) -> None:
        if stream.state == "running" or not self.bug:
            self.set(stream, PauseState, ResetState)
        self.release(stream)
        self.bus.FreeDmaEngine(stream.engine)


class PausedTogether(FunctionDriver):
    """To hold all streams in one frame, pausing names every engine, also those still in reset; they leave reset.

    Easy to make: one stream at a time it is right, and SetDmaEngineState takes the set without a word.
    """

    budget, finding = 12_000, ("BUFFER_LEAK", "ENGINE_LEAK", "ENGINE_NOT_RESET")
    shortest = "begin(); plug_in(); open_stream(); open_stream(); start_stream(); pause_stream()"

    def pause(self, stream: Any) -> bool:
        together = [stream.engine]
        if self.bug:
            together = [other.engine for other in self.streams if other.state != "paused"]
        running = [other for other in self.streams if other.state == "running" and other.engine in together]
        if self.bus.SetDmaEngineState(PauseState, together):
            return False
        for other in running:
            other.state = "paused"
        return True

    def close(self, stream: Any) -> None:
        if stream.state != "open":
            self.set(stream, PauseState, ResetState)
        self.release(stream)
        self.bus.FreeDmaEngine(stream.engine)


class LviOfOldFormat(FunctionDriver):
    """A change of format makes a new descriptor list, but the last valid index stays that of the old one.

    Easy to make: the number of fragments is computed at open, and for most pairs of formats it is the same. Found by
    the driver's own assertion that the bus driver takes the list.
    """

    interface = HDAUDIO_BUS_INTERFACE_BDL
    budget, finding = 8_000, ("AssertionError",)
    shortest = "begin(); plug_in(); open_stream(); reformat_stream(format=StreamFormat(48000, 16, 16, 1))"

    def buffer(self, stream: Any) -> bool:
        """One fragment more than there are channels."""
        channels = stream.format.NumberOfChannels
        fragment = math.lcm(128, channels * stream.format.ContainerSize // 8)
        size = fragment * (channels + 1)
        status, va, bdl = self.bus.AllocateContiguousDmaBuffer(stream.engine, size)
        if status:
            return False
        for i in range(channels + 1):
            bdl[i] = HDAUDIO_BUFFER_DESCRIPTOR(self.pc.physical(va) + i * fragment, fragment, 1)
        if stream.last is None or not self.bug:
            stream.last = channels
        status, *_ = self.bus.SetupDmaEngineWithBdl(stream.engine, size, stream.last, self.isr, stream)
        assert status != STATUS_INVALID_PARAMETER, "the list is as long as the buffer"
        if status:
            self.release(stream)
        return not status

    def open(self, stream: Any) -> bool:
        stream.last = None
        return super().open(stream)

    def change_format(self, stream: Any, format: Any) -> bool:
        if not stream.engine:
            return False
        self.release(stream)
        changed = not self.bus.ChangeBandwidthAllocation(stream.engine, format).status
        stream.format = format if changed else stream.format
        if not self.buffer(stream):
            self.bus.FreeDmaEngine(stream.engine)
            stream.engine = 0
        return changed

    def isr(self, stream: Any, mask: int) -> None:
        """A fragment was played."""

    def start(self, stream: Any) -> bool:
        return stream.engine != 0 and super().start(stream)

    def close(self, stream: Any) -> None:
        if stream.engine:
            super().close(stream)

    def release(self, stream: Any) -> None:
        self.bus.FreeContiguousDmaBuffer(stream.engine)


class EngineOfFailedChange(FunctionDriver):
    """A change of format tries a fresh engine first; when that gets no buffer, the old one stays and the fresh one is
    forgotten, with its bandwidth.

    Easy to make: "on failure the old format stays in force" is true, so nothing seems to be missing.
    """

    budget, finding = 8_000, ("ENGINE_LEAK",)
    shortest = "begin(); plug_in(); open_stream(); reformat_stream(fail=2)"

    def change_format(self, stream: Any, format: Any) -> bool:
        old = (stream.engine, stream.mdl, stream.size, stream.offset)
        fresh = self.engine(stream, format)
        if not fresh:
            return False
        stream.engine = fresh
        if not self.buffer(stream):
            if not self.bug:
                self.bus.FreeDmaEngine(fresh)
            stream.engine, stream.mdl, stream.size, stream.offset = old
            return False
        self.bus.FreeDmaBufferWithNotification(*old[:3])
        self.bus.FreeDmaEngine(old[0])
        return True


class OffsetOfOldStream(FunctionDriver):
    """The write offset belongs to the pin; a new stream with a smaller buffer starts where the last one ended.

    Easy to make: the offset is reset where playing ends, not where a stream begins.
    """

    most_streams = 1
    captures = False
    interface = HDAUDIO_BUS_INTERFACE_BDL
    budget, finding = 6_000, ("PAGE_FAULT", "OVERRUN", "USE_AFTER_FREE", "DATA_MISMATCH")
    shortest = "begin(); plug_in(); open_stream(spec=StreamSpec(buffer_bytes=65536)); close_stream(); open_stream()"

    def bring_up(self) -> None:
        self.written = 0

    def buffer(self, stream: Any) -> bool:
        status, va, _ = self.bus.AllocateContiguousDmaBuffer(stream.engine, stream.buffer_bytes)
        if status:
            return False
        if not self.bug:
            self.written = 0
        room = stream.buffer_bytes - self.written
        self.pc.write_va(va + self.written, b"\1" * max(16, room // 2))
        self.written += room // 2
        return True

    def start(self, stream: Any) -> bool:
        return False

    def release(self, stream: Any) -> None:
        self.bus.FreeContiguousDmaBuffer(stream.engine)


class RefillWrapsEarly(FunctionDriver):
    """The refill pointer wraps before the last fragment, which is never filled again: old sound in every lap.

    Easy to make: "last valid index" is not the number of entries. Nothing breaks but the sound: found by what the codec
    heard.
    """

    captures = False
    interface = HDAUDIO_BUS_INTERFACE_BDL
    most_streams = 1
    COUNT = 4
    budget, finding = 8_000, ("AssertionError",)
    shortest = "begin(); plug_in(); open_stream(); start_stream(); wait(ticks=2_400_000)"

    def buffer(self, stream: Any) -> bool:
        frame = stream.format.ContainerSize // 8 * stream.format.NumberOfChannels
        stream.fragment = math.lcm(128, frame) * 8
        size = self.COUNT * stream.fragment
        status, stream.va, bdl = self.bus.AllocateContiguousDmaBuffer(stream.engine, size)
        if status:
            return False
        for i in range(self.COUNT):
            bdl[i] = HDAUDIO_BUFFER_DESCRIPTOR(self.pc.physical(stream.va) + i * stream.fragment, stream.fragment, 1)
        stream.written, stream.next, stream.heard = 0, 0, bytearray()
        for index in range(self.COUNT):
            self.fill(stream, index)
        status, stream.tag, _ = self.bus.SetupDmaEngineWithBdl(stream.engine, size, self.COUNT - 1, self.isr, stream)
        if status:
            self.release(stream)
            return False
        self.hda.codecs[0].record(stream.tag, stream.heard.extend)
        return self.tune(stream)

    def tune(self, stream: Any) -> bool:
        """Tells the converter its format and tag."""
        nid = 0x10 + stream.tag
        verbs = [
            HDAUDIO_CODEC_TRANSFER(HDAUDIO_CODEC_COMMAND.Verb16(0, nid, 0x2, int(stream.converter))),
            HDAUDIO_CODEC_TRANSFER(HDAUDIO_CODEC_COMMAND.Verb8(0, nid, 0x706, stream.tag << 4)),
        ]
        if self.bus.TransferCodecVerbs(2, verbs):
            self.release(stream)
            return False
        return True

    def fill(self, stream: Any, index: int) -> None:
        """Puts the next sound into a fragment."""
        self.pc.write_va(stream.va + index * stream.fragment, self.sound(stream, stream.written))
        stream.written += 1

    def isr(self, stream: Any, mask: int) -> None:
        """A fragment was played: it gets fresh sound."""
        if mask & 4:
            self.fill(stream, stream.next)
            stream.next = (stream.next + 1) % (self.COUNT - 1 if self.bug else self.COUNT)

    def sound(self, stream: Any, number: int) -> bytes:
        """Fragment number of an endless sound."""
        return bytes([number % 251 + 1]) * stream.fragment

    def check(self) -> None:
        for stream in self.streams:
            for at in range(0, len(stream.heard) - stream.fragment, stream.fragment):
                found = stream.heard[at : at + stream.fragment]
                assert found == self.sound(stream, at // stream.fragment), "the codec heard a fragment twice"

    def release(self, stream: Any) -> None:
        self.bus.FreeContiguousDmaBuffer(stream.engine)
