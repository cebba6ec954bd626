"""A controller driven by its registers alone: the caller is the bus driver (specification hda-controller §16,
common set-up).
"""

from __future__ import annotations

import struct
from typing import Any

import storsim

FRAME = 500
BASE, HIGH, HOLE = 0x0100_0000, 0x1_0000_0000, 0x8000_0000
CORB, RIRB, POSITIONS = BASE + 0x1000, BASE + 0x2000, BASE + 0x3000
RUN, IOCE, FEIE, DEIE, SRST = 2, 4, 8, 16, 1
BCIS, FIFOE, DESE, FIFORDY = 4, 8, 16, 32
GIE, CIE = 1 << 31, 1 << 30
DVD, CD = 0x0011, 0x4011


def pattern(count: int, seed: int = 1) -> bytes:
    """Bytes that do not repeat within 64 KiB: a counter of 32-bit words, mixed."""
    return b"".join(struct.pack("<I", (i * 2654435761 + seed * 40503) & 0xFFFFFFFF) for i in range(count // 4 + 1))[
        :count
    ]


class Chip:
    """ISS = OSS = 4, 64OK, generic personality, F = 192 bytes, latencies one frame."""

    def __init__(
        self, *, up: bool = True, codecs: list[Any] | None = None, ranges: list[Any] | None = None, **settings: Any
    ) -> None:
        options = {
            "personality": "generic",
            "fifo_render": 192,
            "fifo_render_wide": 192,
            "fifo_capture": 192,
            "fifo_capture_wide": 192,
        }
        usual = [storsim.MemoryRange(BASE, 32 << 20), storsim.MemoryRange(HIGH, 16 << 20)]
        self.pc = storsim.Machine(ranges or usual, level="release")
        if codecs is not None:
            settings["codecs"] = codecs
        self.hda = self.pc.add_hda(**{**options, **settings})
        self.regs = self.hda.regs
        if up:
            self.up()

    # --- access -----------------------------------------------------------------------------------

    def read(self, offset: int, size: int = 4) -> int:
        return self.hda.mmio.read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        self.hda.mmio.write(offset, size, value)

    def sd(self, n: int, offset: int) -> int:
        """Address of a stream descriptor's register."""
        return 0x80 + 0x20 * n + offset

    def frames(self, count: int = 1) -> None:
        self.pc.advance(frames=count)

    def notes(self) -> list[str]:
        return [note.name for note in self.pc.notes]

    # --- what a bus driver does -------------------------------------------------------------------

    def up(self) -> None:
        """Out of reset, codecs there, GIE set; at a frame boundary."""
        self.write(8, 4, 1)
        for _ in range(3):
            if self.read(8) & 1:
                break
            self.frames()
        assert self.read(8) & 1
        self.frames(26)
        self.pc.advance(ticks=-self.read(0x30) % FRAME)
        self.write(0x20, 4, GIE)

    def ctl(self, n: int, bits: int) -> None:
        """The low byte of SDnCTL."""
        self.write(self.sd(n, 0), 1, bits)

    def sts(self, n: int = 4) -> int:
        return self.read(self.sd(n, 3), 1)

    def clear(self, n: int = 4, bits: int = 0x1C) -> None:
        self.write(self.sd(n, 3), 1, bits)

    def lpib(self, n: int = 4) -> int:
        return self.read(self.sd(n, 4))

    def place(self, n: int) -> int:
        """Where the buffers of a descriptor lie: 1 MiB each."""
        return BASE + 0x100000 * (n + 1)

    def bdl_address(self, n: int) -> int:
        return BASE + 0x10000 + 0x1000 * n

    def program(
        self,
        n: int = 4,
        lengths: list[int] | tuple[int, ...] = (960, 960),
        ioc: set[int] | None = None,
        *,
        tag: int = 1,
        form: int = DVD,
        data: bytes | None = None,
        base: int | None = None,
        cbl: int | None = None,
        gap: int = 0,
    ) -> bytes:
        """Writes buffers and list, programs the descriptor; ioc: entries with IOC (None: all). Returns the data
        in list order.
        """
        at = self.place(n) if base is None else base
        content = pattern(sum(lengths), n + 1) if data is None else data
        table, done = b"", 0
        for index, length in enumerate(lengths):
            self.pc.memory.write(at, content[done : done + length])
            table += struct.pack("<QII", at, length, 1 if ioc is None or index in ioc else 0)
            done += length
            at = -(-(at + length + gap) // 128) * 128
        self.pc.memory.write(self.bdl_address(n), table)
        self.registers(n, sum(lengths) if cbl is None else cbl, len(lengths) - 1, tag, form, self.bdl_address(n))
        return content

    def registers(self, n: int, cbl: int, lvi: int, tag: int, form: int, bdl: int) -> None:
        """STRM, FMT, CBL, LVI, BDPL/U."""
        self.write(self.sd(n, 2), 1, tag << 4)
        self.write(self.sd(n, 0x12), 2, form)
        self.write(self.sd(n, 8), 4, cbl)
        self.write(self.sd(n, 0xC), 2, lvi)
        self.write(self.sd(n, 0x18), 4, bdl & 0xFFFFFFFF)
        self.write(self.sd(n, 0x1C), 4, bdl >> 32)

    def reset_stream(self, n: int = 4) -> None:
        """The SRST handshake."""
        for value in (1, 0):
            self.ctl(n, value)
            for _ in range(2):
                if self.read(self.sd(n, 0), 1) & 1 == value:
                    break
                self.frames()
            assert self.read(self.sd(n, 0), 1) & 1 == value

    def listen(self, tag: int = 1, form: int = DVD, nid: int = 0x10, codec: int = 0) -> None:
        """Gives a converter its format and tag."""
        self.hda.codecs[codec].command(nid << 20 | 0x20000 | form)
        self.hda.codecs[codec].command(nid << 20 | 0x70600 | tag << 4)

    def heard(self, tag: int = 1, codec: int = 0) -> bytes:
        return self.hda.codecs[codec].played(tag)

    def rings(self, *, rintcnt: int = 0, rirbctl: int = 2) -> None:
        """CORB and RIRB at their places, running."""
        self.write(0x40, 4, CORB)
        self.write(0x4A, 2, 0x8000)
        assert self.read(0x4A, 2) == 0x8000
        self.write(0x4A, 2, 0)
        assert self.read(0x4A, 2) == 0
        self.write(0x50, 4, RIRB)
        self.write(0x58, 2, 0x8000)
        self.write(0x5A, 2, rintcnt)
        self.write(0x5C, 1, rirbctl)
        self.write(0x4C, 1, 2)

    def verbs(self, verbs: list[int]) -> None:
        """Puts verbs behind the write pointer and publishes it."""
        at = self.read(0x48, 2)
        for verb in verbs:
            at = (at + 1) % 256
            self.pc.memory.write(CORB + 4 * at, struct.pack("<I", verb))
        self.write(0x48, 2, at)

    def response(self, index: int) -> tuple[int, int]:
        """Both words of a RIRB entry."""
        low, high = struct.unpack("<II", bytes(self.pc.memory.read(RIRB + 8 * index, 8)))
        return low, high
