"""Plays and records through the simulated DMA engine, as a function driver with a ring buffer does.

One half of the ring is refilled (or emptied) when the controller reports that it is done with it. The
interrupt-to-refill
slack is the time that was left when the refill was finished; a negative slack is a glitch, and it can be heard.
Interfaces: ``v1`` has no notification, so the driver polls the position; ``v2`` waits for an event; ``v3`` gets a
callback;
``bdl`` has its own descriptor list and ISR. Source: spec hdaudio-dma §5, §7, §8; the driver itself is a model choice.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storsim import hdaudio
from storsim.codec_driver import CodecDriver, Route
from storsim.wav import Wav, WavFormat

if TYPE_CHECKING:
    from storsim.hda import Hda

INTERFACES = {
    "v1": hdaudio.HDAUDIO_BUS_INTERFACE,
    "v2": hdaudio.HDAUDIO_BUS_INTERFACE_V2,
    "v3": hdaudio.HDAUDIO_BUS_INTERFACE_V3,
    "bdl": hdaudio.HDAUDIO_BUS_INTERFACE_BDL,
}
TICKS_PER_MS = 24000


WIDE_LINK: dict[str, Any] = {
    "personality": "generic",
    "outpay": 255,
    "inpay": 255,
    "outstrmpay": 0,
    "instrmpay": 0,
    "fifo_render": 1024,
    "fifo_render_wide": 1024,
    "fifo_capture": 1024,
    "fifo_capture_wide": 1024,
}
"""Settings of a controller whose link carries every format, up to 16 channels of 32 bits at 192 kHz. Model choice:
no real part does."""


class PlayError(Exception):
    """Playing or recording could not start; ``str()`` is one sentence that says why and what to do."""


@dataclass(frozen=True)
class Beat:
    """One refill. number: from 1. time, interrupt: ticks at the refill and at the interrupt before it. position:
    link position in the
    ring, bytes. slack: ticks left before the hardware would have come back to the refilled half (negative: too
    late)."""

    number: int
    time: int
    interrupt: int
    position: int
    slack: int


@dataclass
class Report:
    """What happened. data: what the codec heard, or what was recorded, as containers. beats: one per refill. late:
    refills that missed."""

    format: WavFormat
    converter: int
    pin: int
    stream_id: int
    fifo_bytes: int
    ring_bytes: int
    data: bytes = b""
    beats: list[Beat] = field(default_factory=list)
    interrupts: int = 0

    @property
    def late(self) -> int:
        """Refills that came after the hardware had already started on the old bytes."""
        return sum(beat.slack < 0 for beat in self.beats)

    @property
    def least_slack_ms(self) -> float:
        """The smallest slack in milliseconds; 0.0 without a refill."""
        return min((beat.slack for beat in self.beats), default=0) / TICKS_PER_MS


def stream_format(form: WavFormat) -> hdaudio.StreamFormat:
    """The HDAUDIO_STREAM_FORMAT of a file's samples."""
    return hdaudio.StreamFormat(form.rate, form.bits, form.container_bytes * 8, form.channels)


def silence(form: WavFormat, count: int) -> bytes:
    """count bytes that sound like nothing: 8-bit samples are unsigned."""
    return (b"\x80" if form.container_bytes == 1 else b"\0") * count


class _Ring:
    """Engine and buffer of one stream behind one face, whatever the interface."""

    def __init__(
        self, hda: Hda, interface: str, form: WavFormat, *, capture: bool, codec: int, milliseconds: float
    ) -> None:
        if interface not in INTERFACES:
            raise PlayError(f"interface is one of {', '.join(INTERFACES)}, not {interface!r}")
        self.hda, self.pc, self.form, self.capture, self.interface = hda, hda.machine, form, capture, interface
        self.bus = hda.query_interface(INTERFACES[interface])
        self.handle = 0
        try:
            self._open(capture, codec, milliseconds)
        except BaseException:
            self._abandon()
            raise

    def _open(self, capture: bool, codec: int, milliseconds: float) -> None:
        form = self.form
        self.driver = CodecDriver(self.bus, codec)
        self.codec = self.hda.codecs[codec]
        self.notified: list[int] = []
        wanted = stream_format(form)
        encoded = hdaudio.encode_format(wanted)
        if encoded is None:
            raise PlayError(
                f"{form} has no HD Audio stream format: rates are 48000 or 44100 Hz times 1-4 divided by 1-8"
            )
        self.route: Route = self.driver.route(wanted, capture=capture, takes=lambda nid: self.codec.takes(nid, encoded))
        if capture:
            status, self.handle, converter = self.bus.AllocateCaptureDmaEngine(codec, wanted)
        else:
            status, self.handle, converter = self.bus.AllocateRenderDmaEngine(wanted)
        self._require(status, "allocate a DMA engine")
        self._allocate(max(4096, int(form.rate * milliseconds / 1000) * form.frame_bytes))  # halves well above any FIFO
        self.driver.open(self.route, capture=capture, converter_format=int(converter), stream_id=self.stream_id)

    def _abandon(self) -> None:
        """Gives back what an attempt that failed had taken."""
        if self.pc._dead:
            return
        if self.handle:
            if self.interface == "bdl":
                self.bus.FreeContiguousDmaBuffer(self.handle)
            elif self.interface == "v1":
                self.bus.FreeDmaBuffer(self.handle)
            elif hasattr(self, "mdl"):
                self.bus.FreeDmaBufferWithNotification(self.handle, self.mdl, self.size)
            self.bus.FreeDmaEngine(self.handle)
        self.bus.InterfaceDereference()

    def _require(self, status: Any, what: str) -> None:
        if int(status) != 0:
            raise PlayError(f"could not {what} for {self.form}: {getattr(status, 'name', status)}")

    def _allocate(self, wanted: int) -> None:
        bus, handle = self.bus, self.handle
        self.va = 0
        if self.interface == "bdl":
            unit = math.lcm(128, self.form.frame_bytes)
            self.size = max(1, wanted // (2 * unit)) * 2 * unit
            status, self.va, bdl = bus.AllocateContiguousDmaBuffer(handle, self.size)
            self._require(status, "allocate a DMA buffer")
            half = self.size // 2
            for i in range(2):
                entry = struct.pack("<QII", self.pc.physical(self.va + i * half), half, 1)
                self.pc.write_va(int(bdl) + 16 * i, entry)
            status, self.stream_id, self.fifo = bus.SetupDmaEngineWithBdl(handle, self.size, 1, self._isr, None)
        elif self.interface == "v1":
            status, self.mdl, self.size, self.stream_id, self.fifo = bus.AllocateDmaBuffer(handle, wanted)
            self.offset = 0
        else:
            result = bus.AllocateDmaBufferWithNotification(handle, 2, wanted)
            status, self.mdl, self.size, self.offset, self.stream_id, self.fifo = result
        self._require(status, "allocate a DMA buffer")
        if self.interface == "v2":
            self.event = self.pc.event()
            self._require(bus.RegisterNotificationEvent(handle, self.event), "register an event")
        elif self.interface == "v3":
            status = bus.RegisterNotificationCallback(handle, self.hda, self._callback, None)
            self._require(status, "register a callback")
        status, self.position = bus.GetLinkPositionRegister(handle)
        self.half = (
            self.size // 2 // self.form.frame_bytes * self.form.frame_bytes
            if self.interface == "v1"
            else self.size // 2
        )

    def _isr(self, context: object, mask: int) -> None:
        if mask & 4:
            self.notified.append(self.pc.now)

    def _callback(self, context: object, counter: int) -> None:
        self.notified.append(counter)

    # --- memory -------------------------------------------------------------------------------------------------------

    def write(self, offset: int, data: bytes) -> None:
        """The driver's stores into the ring, bytes from its start."""
        if self.va:
            self.pc.write_va(self.va + offset, data)
            return
        with memoryview(self.mdl) as view:
            view[self.offset + offset : self.offset + offset + len(data)] = data

    def read(self, offset: int, count: int) -> bytes:
        """The driver's loads from the ring."""
        if self.va:
            return bytes(self.pc.read_va(self.va + offset, count))
        with memoryview(self.mdl) as view:
            return bytes(view[self.offset + offset : self.offset + offset + count])

    # --- time ---------------------------------------------------------------------------------------------------------

    def bytes_to_ticks(self, count: int) -> int:
        """Ticks the link needs for count bytes, rounded down."""
        return count * 24_000_000 // (self.form.rate * self.form.frame_bytes)

    def wait(self) -> int:
        """Until the controller is done with one half; returns the time of the interrupt (v1: when polling saw it)."""
        limit = self.pc.now + 4 * self.bytes_to_ticks(self.size) + 50 * TICKS_PER_MS
        before = self.busy_half()
        served: int | None = None
        while True:
            if self.interface == "v1" and self.busy_half() != before:
                return int(self.pc.now)
            if self.interface == "v2" and self.event.signaled:
                self.event.clear()
                return int(self.pc.now) if served is None else served
            if self.notified:
                return self.notified.pop(0)
            if self.pc.now >= limit:
                raise PlayError("the stream stands still: no position moved and no interrupt came")
            if self.interface == "v1":  # often enough to see every half, however short the ring is
                self.pc.advance(ticks=max(1, min(TICKS_PER_MS, self.bytes_to_ticks(self.half) // 4)))
            elif self.pc.run_until_interrupt(limit=self._patience(served, limit)):
                served = self.pc.now

    def _patience(self, served: int | None, limit: int) -> int:
        """Ticks until the next look: the deferred call that wakes the driver may come after the service routine."""
        now = int(self.pc.now)
        if served is None:
            return limit - now
        due = served + self.pc.config.dpc_latency
        return due - now if due > now else max(1, self.bytes_to_ticks(self.half) // 8)

    def busy_half(self, lead: int = 0) -> int:
        """The half that holds the link position plus lead bytes."""
        return int((int(self.position) + lead) % self.size >= self.half)

    @property
    def lead(self) -> int:
        """Render data is fetched ahead of the link position by up to the FIFO, and the interrupt speaks of what was
        fetched."""
        return 0 if self.capture or self.interface == "v1" else self.fifo

    def start(self) -> None:
        """Reset → Pause → Run."""
        for state in (hdaudio.PauseState, hdaudio.RunState):
            self._require(self.bus.SetDmaEngineState(state, [self.handle]), "start the engine")

    def stop(self) -> None:
        """Run → Pause → Reset, and everything is given back."""
        bus, handle = self.bus, self.handle
        for state in (hdaudio.PauseState, hdaudio.ResetState):
            self._require(bus.SetDmaEngineState(state, [handle]), "stop the engine")
        self.driver.close(self.route)
        if self.interface == "v2":
            bus.UnregisterNotificationEvent(handle, self.event)
        elif self.interface == "v3":
            bus.UnregisterNotificationCallback(handle, self._callback, None)
        if self.interface == "bdl":
            status = bus.FreeContiguousDmaBuffer(handle)
        elif self.interface == "v1":
            status = bus.FreeDmaBuffer(handle)
        else:
            status = bus.FreeDmaBufferWithNotification(handle, self.mdl, self.size)
        self._require(status, "free the DMA buffer")
        self._require(bus.FreeDmaEngine(handle), "free the DMA engine")
        bus.InterfaceDereference()

    def report(self) -> Report:
        """An empty report of this stream."""
        return Report(self.form, self.route.converter.nid, self.route.pin.nid, self.stream_id, self.fifo, self.size)


def play(
    hda: Hda,
    wav: Wav,
    *,
    interface: str = "v2",
    codec: int = 0,
    ring_ms: float = 40,
    late_ms: float = 0,
    progress: Callable[[Beat], None] | None = None,
) -> Report:
    """Streams a file through the DMA engine; the report's data is what the codec heard: as long as the file, longer
    after glitches.

    ring_ms: length of the ring buffer. late_ms: how long after each interrupt the driver gets to refill. progress:
    called per refill.
    Errors: PlayError, codec_driver.CodecError: nothing was played.
    """
    ring = _Ring(hda, interface, wav.format, capture=False, codec=codec, milliseconds=ring_ms)
    report, heard = ring.report(), bytearray()
    ring.codec.record(ring.stream_id, heard.extend)
    sizes = (ring.half, ring.size - ring.half)
    at = 0

    def refill(which: int) -> None:
        nonlocal at
        chunk = wav.data[at : at + sizes[which]]
        at += sizes[which]
        ring.write(which * ring.half, chunk + silence(wav.format, sizes[which] - len(chunk)))

    refill(0)
    refill(1)
    ring.start()
    while at < len(wav.data) + ring.size:  # until the last bytes of the file are behind
        interrupt = ring.wait()
        if late_ms:
            ring.pc.advance(ticks=round(late_ms * TICKS_PER_MS))
        which = 1 - ring.busy_half(ring.lead)
        refill(which)
        _beat(ring, report, interrupt, sizes[1 - which], progress)
    while len(heard) < len(wav.data):  # what is still in the FIFO
        ring.pc.advance(milliseconds=1)
    ring.stop()
    ring.codec.record(ring.stream_id, None)
    report.data = bytes(heard if report.late else heard[: len(wav.data)])
    return report


def _beat(ring: _Ring, report: Report, interrupt: int, other: int, progress: Callable[[Beat], None] | None) -> None:
    """Notes one refill; the hardware is back at the half after it has been through the other one."""
    now = ring.pc.now
    slack = interrupt + ring.bytes_to_ticks(other) - now
    beat = Beat(len(report.beats) + 1, now, interrupt, int(ring.position), slack)
    report.beats.append(beat)
    report.interrupts += ring.interface != "v1"
    if progress:
        progress(beat)


def record(
    hda: Hda,
    form: WavFormat,
    frames: int,
    *,
    interface: str = "v2",
    codec: int = 0,
    ring_ms: float = 40,
    late_ms: float = 0,
    source: bytes | None = None,
    progress: Callable[[Beat], None] | None = None,
) -> Report:
    """Records frames sample frames through the DMA engine; source: what the codec hears at its input (None: silence).

    The source starts with the first sample the stream takes. Errors: as for play.
    """
    ring = _Ring(hda, interface, form, capture=True, codec=codec, milliseconds=ring_ms)
    report, taken, wanted = ring.report(), bytearray(), frames * form.frame_bytes
    if source:
        ring.codec.feed(ring.stream_id, source)
    sizes = (ring.half, ring.size - ring.half)
    ring.start()
    while len(taken) < wanted:
        interrupt = ring.wait()
        if late_ms:
            ring.pc.advance(ticks=round(late_ms * TICKS_PER_MS))
        which = 1 - ring.busy_half(ring.lead)
        taken += ring.read(which * ring.half, sizes[which])
        _beat(ring, report, interrupt, sizes[1 - which], progress)
    ring.stop()
    report.data = bytes(taken[:wanted])
    return report
