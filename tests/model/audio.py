"""HD Audio engines, naive: one link frame at a time, one byte string per frame, every rule as the specification
has it.

Covers the engine state machine, bandwidth and FIFO rules, buffer sizes, the cadence of every rate, positions,
completions, and the bytes themselves. A render engine with a FIFO of F bytes has fetched L + F bytes after
each frame, L being what the link took; F = 0 is ideal timing. Sources: hdaudio-dma §3, §4, §6, §7, §8; hda-
controller §6.5, §9.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

FRAME = 500
PAGE = 4096
OK, IH, IP, IDR, BTS, IR = "OK", "IH", "IP", "IDR", "BTS", "IR"
#: Active slots of the 44.1 kHz super-cycle; one empty slot follows each group.
GROUPS = (12, 11, 11, 12, 11, 11, 12, 11, 11, 12, 11, 11, 11)
ACTIVE = [slot for group in GROUPS for slot in [True] * group + [False]]
CONTAINERS = {8: 8, 16: 16, 20: 32, 24: 32, 32: 32}


@dataclass(frozen=True)
class Format:
    """SampleRate, ValidBitsPerSample, ContainerSize, NumberOfChannels."""

    rate: int
    bits: int
    container: int
    channels: int

    @property
    def ratio(self) -> tuple[int, int, int] | None:
        """(base, mult, div), reduced; None for a rate without encoding."""
        for base in (48000, 44100):
            ratio = Fraction(self.rate, base)
            if 1 <= ratio.numerator <= 4 and ratio.denominator <= 8:
                return base, ratio.numerator, ratio.denominator
        return None

    @property
    def valid(self) -> bool:
        """§6.1."""
        return self.ratio is not None and CONTAINERS.get(self.bits) == self.container and 1 <= self.channels <= 16

    @property
    def block(self) -> int:
        """Bytes of one sample of every channel."""
        return self.container // 8 * self.channels

    @property
    def mult(self) -> int:
        """Blocks in an active slot."""
        assert self.ratio is not None
        return self.ratio[1]

    def render_bits(self, lines: int) -> int:
        """§6.3."""
        return math.ceil(Fraction(self.channels * self.bits * self.mult, lines))

    def capture_bits(self) -> int:
        """§6.3."""
        return 8 * math.ceil(Fraction(self.channels * self.bits * self.mult, 8)) + 10

    def words(self) -> int:
        """§6.3, FIFO rule."""
        return math.ceil(Fraction(self.channels * 8 * math.ceil(self.bits / 8) * self.mult, 16))

    def blocks_in_frame(self, number: int) -> int:
        """Blocks in the frame of that number, counted from where the cadence started."""
        assert self.ratio is not None
        base, mult, div = self.ratio
        slot, inside = divmod(number, div)
        if inside or (base == 44100 and not ACTIVE[slot % 160]):
            return 0
        return mult


def buffer_size(block: int, notifications: int, wanted: int) -> int:
    """§7, nearest rule, by looking at the allowed sizes on both sides."""
    unit = block if notifications < 2 else 2 * math.lcm(128, block)
    least = math.ceil(256 / unit) * unit
    most = 256 * PAGE // unit * unit
    below = max(least, min(most, wanted // unit * unit))
    above = max(least, min(most, below + unit))
    return above if abs(above - wanted) <= abs(below - wanted) else below


@dataclass
class Engine:
    """A DMA engine. total: bytes on the link since the reset; fetched: bytes taken from memory (render) or put
    there.
    """

    descriptor: int
    stream_id: int
    capture: bool
    form: Format
    client: int
    codec: int = 0
    lines: int = 1
    kind: str = "0"
    running: str = "R"
    size: int = 0
    entries: list[tuple[int, bool]] = field(default_factory=list)
    ring: bytearray = field(default_factory=bytearray)
    total: int = 0
    fetched: int = 0
    frame: int = 0
    fifo: bytearray = field(default_factory=bytearray)
    heard: bytearray = field(default_factory=bytearray)
    fed: bytearray = field(default_factory=bytearray)
    completions: list[int] = field(default_factory=list)
    requested: int = 0

    @property
    def state(self) -> str:
        """Its name in §4.1."""
        return self.running + self.kind

    @property
    def bits(self) -> int:
        """Reserved bandwidth."""
        return self.form.capture_bits() if self.capture else self.form.render_bits(self.lines)

    @property
    def position(self) -> int:
        """The link position."""
        return self.total % self.size if self.size else 0

    def move(self, count: int, now: int) -> None:
        """count bytes between memory and FIFO, byte by byte; notes a completion where an entry with IOC ends."""
        ends, at = set(), 0
        for length, ioc in self.entries:
            at += length
            if ioc:
                ends.add(at)
        for _ in range(count):
            place = self.fetched % self.size
            if self.capture:
                self.ring[place] = self.fed.pop(0) if self.fed else 0
            else:
                self.fifo.append(self.ring[place])
            self.fetched += 1
            if place + 1 in ends:
                self.completions.append(now)

    def prefetch(self, fifo: int, now: int) -> None:
        """Fills the FIFO."""
        self.move(self.total + fifo - self.fetched, now)

    def tick(self, now: int, fifo: int) -> None:
        """One link frame ends."""
        if self.running != "X" and not self.capture:
            return
        count = self.form.blocks_in_frame(self.frame) * self.form.block
        self.frame += 1
        if self.running != "X":
            return
        self.total += count
        if self.capture:
            self.move(count, now)
            return
        self.prefetch(fifo, now)
        self.heard += self.fifo[:count]
        del self.fifo[:count]


class Audio:
    """A controller and its bus driver, as far as the model goes. Statuses are their short names in the
    specification.
    """

    def __init__(
        self, *, render: int, capture: int, bidirectional: int, sdo_lines: int, sdi_lines: int, fifo: dict[int, int]
    ) -> None:
        self.counts = (capture, render, bidirectional)
        self.sdo_lines, self.sdi_lines, self.fifo = sdo_lines, sdi_lines, fifo
        self.engines: dict[int, Engine] = {}

    # --- engines ----------------------------------------------------------------------------------

    def _free_descriptor(self, capture: bool) -> tuple[int, int] | None:
        """(descriptor, stream id): lowest free of the own kind, then lowest free bidirectional."""
        ins, outs, both = self.counts
        taken = {engine.descriptor for engine in self.engines.values()}
        own = [(i, i + 1) for i in range(ins)] if capture else [(ins + i, i + 1) for i in range(outs)]
        shared = [(ins + outs + j, 15 - j) for j in range(both)]
        return next((place for place in own + shared if place[0] not in taken), None)

    def _room(self, form: Format, capture: bool, codec: int, lines: int, but: Engine | None = None) -> str:
        """FIFO before link."""
        if form.words() > (24 if capture else 48):
            return BTS
        others = [e for e in self.engines.values() if e is not but and e.capture == capture]
        if capture:
            used = sum(engine.bits for engine in others if engine.codec == codec)
            return OK if used + form.capture_bits() <= 464 else IR
        return OK if sum(engine.bits for engine in others) + form.render_bits(lines) <= 960 else IR

    def allocate(
        self, form: Format, *, capture: bool, client: int, codec: int = 0, stripe: bool = False
    ) -> tuple[str, Engine | None]:
        """AllocateRenderDmaEngine, AllocateCaptureDmaEngine."""
        if not form.valid or codec >= self.sdi_lines or (stripe and self.sdo_lines == 1):
            return IP, None
        place = self._free_descriptor(capture)
        if place is None:
            return IR, None
        lines = 2 if stripe else 1
        answer = self._room(form, capture, codec, lines)
        if answer != OK:
            return answer, None
        return OK, Engine(place[0], place[1], capture, form, client, codec, lines)

    def change(self, engine: Engine | None, form: Format) -> str:
        """ChangeBandwidthAllocation."""
        if engine is None:
            return IH
        if not form.valid:
            return IP
        if engine.kind != "0":
            return IDR
        answer = self._room(form, engine.capture, engine.codec, engine.lines, engine)
        if answer == OK:
            engine.form = form
        return answer

    def free(self, engine: Engine | None) -> str:
        """FreeDmaEngine."""
        if engine is None:
            return IH
        return OK if engine.state == "R0" else IDR

    # --- buffers ----------------------------------------------------------------------------------

    def attach(self, engine: Engine | None, kind: str, wanted: int, count: int = 0) -> str:
        """AllocateDmaBuffer (D), AllocateDmaBufferWithNotification (N), AllocateContiguousDmaBuffer (C)."""
        if engine is None:
            return IH
        if (kind == "N" and count not in (1, 2)) or (kind == "C" and wanted == 0):
            return IP
        if engine.state != "R0":
            return IDR
        engine.kind = kind
        if kind != "C":
            self._program(engine, *self._plan(buffer_size(engine.form.block, count, wanted), count))
        return OK

    @staticmethod
    def _plan(size: int, count: int) -> tuple[int, list[tuple[int, bool]]]:
        """§7: cut at page ends and at the midpoint; at least two entries."""
        offset = (PAGE - size // 2 % PAGE) % PAGE if count == 2 else 0
        cuts = {at - offset for at in range(PAGE, offset + size, PAGE) if at > offset} | {0, size}
        if count == 2:
            cuts.add(size // 2)
        if len(cuts) == 2:
            cuts.add(size // 2 // 128 * 128)
        places = sorted(cuts)
        signals = {size} if count == 1 else {size, size // 2} if count == 2 else set()
        return size, [(b - a, b in signals) for a, b in pairwise(places)]

    @staticmethod
    def _program(engine: Engine, size: int, entries: list[tuple[int, bool]]) -> None:
        engine.size, engine.entries = size, entries
        engine.total = engine.fetched = 0
        engine.fifo.clear()

    def setup(self, engine: Engine | None, requested: int, entries: list[tuple[int, bool]]) -> str:
        """SetupDmaEngineWithBdl with fragments that lie inside the buffer."""
        if engine is None:
            return IH
        if len(entries) < 2:
            return IP
        if engine.state not in ("RC", "RB"):
            return IDR
        size = sum(length for length, _ in entries)
        if size % engine.form.block or size > requested:
            return IP
        engine.kind = "B"
        self._program(engine, size, entries)
        return OK

    def detach(self, engine: Engine | None, kinds: str) -> str:
        """A Free routine for buffers of these kinds."""
        if engine is None:
            return IH
        if engine.running != "R" or engine.kind not in kinds:
            return IDR
        engine.kind, engine.size = "0", 0
        return OK

    # --- states -----------------------------------------------------------------------------------

    def may(self, engines: list[Engine | None], state: int) -> str:
        """What SetDmaEngineState answers; nothing moves yet."""
        if not engines or state not in (0, 1, 2):
            return IP
        if any(engine is None for engine in engines):
            return IH
        allowed = {0: "RS", 1: "RSX", 2: "SX"}[state]
        for engine in engines:
            assert engine is not None
            if engine.running not in allowed or (engine.kind in "0C" and state != 0):
                return IDR
        return OK

    def put(self, engine: Engine, state: int, now: int) -> None:
        """Carries a permitted edge out."""
        if state == 0:
            engine.running, engine.total, engine.fetched = "R", 0, 0
            engine.fifo.clear()
        elif state == 1:
            engine.running = "S"
        elif engine.running == "S":
            engine.running = "X"
            if not engine.capture:
                engine.frame = 0
                engine.prefetch(self.fifo.get(engine.form.bits, 0), now)

    def tick(self, now: int) -> None:
        """A link frame ends at this time."""
        for engine in self.engines.values():
            engine.tick(now, 0 if engine.capture else self.fifo.get(engine.form.bits, 0))
