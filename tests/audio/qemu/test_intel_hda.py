"""Driven register by register with the same programs, QEMU's intel-hda device and this controller answer the same,
except where the controller's specification lists a simplification of QEMU (§15, rows Q1 – Q25).

QEMU is a black box behind its own socket protocols: stores and loads go to the device through qtest, virtual time runs
between QMP's cont and stop with a CPU that only halts, and how far it ran is read from the device's wall clock. Every
read is compared bit by bit; bits that differ must lie in the mask of a row, and each program says which rows it met.
"""

from __future__ import annotations

import json
import random
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import storsim
from storsim.importers.codec import CodecDump, CodecNode

BAR = 0xE000_0000
CORB, RIRB, BDL, POSITIONS, SOUND = 0x10_0000, 0x10_0800, 0x10_2000, 0x10_3000, 0x20_0000
GIE, CIE, RUN, IOCE, BCIS = 1 << 31, 1 << 30, 2, 4, 4
GLOBALS = [
    (0x00, 2), (0x02, 1), (0x03, 1), (0x04, 2), (0x06, 2), (0x08, 4), (0x0C, 2), (0x0E, 2), (0x10, 2), (0x18, 2),
    (0x1A, 2), (0x20, 4), (0x24, 4), (0x34, 4), (0x38, 4), (0x40, 4), (0x44, 4), (0x48, 2), (0x4A, 2), (0x4C, 1),
    (0x4D, 1), (0x4E, 1), (0x50, 4), (0x54, 4), (0x58, 2), (0x5A, 2), (0x5C, 1), (0x5D, 1), (0x5E, 1), (0x60, 4),
    (0x64, 4), (0x68, 2), (0x70, 4), (0x74, 4),
]  # fmt: skip
DESCRIPTOR = [(0, 1), (2, 1), (3, 1), (4, 4), (8, 4), (0xC, 2), (0xE, 2), (0x10, 2), (0x12, 2), (0x18, 4), (0x1C, 4)]
REGISTERS = GLOBALS + [(0x80 + 0x20 * n + offset, size) for n in range(8) for offset, size in DESCRIPTOR]
#: Where a row lets bits differ: offset (descriptors: relative to their start) → (row, mask).
ROWS = dict.fromkeys((0x10, 0x18, 0x1A, 0x34, 0x38), ("Q12", 0xFFFF_FFFF))
DESCRIPTOR_ROWS = {2: ("Q23", 0x0F), 3: ("Q11", 0x20), 0xE: ("Q12", 0xFFFF), 0x10: ("Q11", 0xFFFF)}
KINDS = {0: "Audio Output", 1: "Audio Input", 4: "Pin Complex"}


class Qemu:
    """QEMU with an intel-hda device at BAR and a halted CPU."""

    def __init__(self, folder: Path) -> None:
        rom = bytearray(b"\xf4" * 65536)
        rom[0xFFF0:0xFFF4] = b"\xfa\xf4\xeb\xfd"  # cli; hlt; jmp to the hlt
        (folder / "rom").write_bytes(rom)
        doors = {name: socket.socket(socket.AF_UNIX) for name in ("qtest", "qmp")}
        for name, door in doors.items():
            door.bind(str(folder / name))
            door.listen(1)
            door.settimeout(30)
        command = "qemu-system-x86_64 -machine q35 -accel tcg -S -m 64 -display none -nodefaults -qtest-log /dev/null"
        devices = ["intel-hda,id=h,bus=pcie.0,addr=4", "hda-duplex,audiodev=a,bus=h.0,cad=0"]
        self.process = subprocess.Popen(
            [*command.split(), "-bios", str(folder / "rom"), "-audiodev", "none,id=a"]
            + [part for name in doors for part in (f"-{name}", f"unix:{folder / name}")]
            + [part for device in devices for part in ("-device", device)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.sockets = []
        try:
            for name in ("qmp", "qtest"):
                connection, _ = doors[name].accept()
                connection.settimeout(30)
                self.sockets.append(connection)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            for door in doors.values():
                door.close()
        self.qmp, self.qtest = (connection.makefile("rw") for connection in self.sockets)
        self.qmp.readline()
        self.manage("qmp_capabilities")
        self.configure(0x10, BAR)
        self.configure(0x04, 6)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.qmp, self.qtest, *self.sockets):
            stream.close()

    def manage(self, command: str) -> None:
        self.qmp.write(json.dumps({"execute": command}) + "\n")
        self.qmp.flush()
        answer: dict[str, Any] = {}
        while "return" not in answer:
            answer = json.loads(self.qmp.readline())
            assert "error" not in answer, answer

    def do(self, command: str) -> str:
        self.qtest.write(command + "\n")
        self.qtest.flush()
        while True:
            line = self.qtest.readline()
            if not line.startswith("IRQ"):
                assert line.startswith("OK"), (command, line)
                return line[2:].strip()

    def configure(self, offset: int, value: int | None = None) -> int:
        self.do(f"outl 0xcf8 {1 << 31 | 4 << 11 | offset:#x}")
        if value is None:
            return int(self.do("inl 0xcfc"), 0)
        self.do(f"outl 0xcfc {value:#x}")
        return value

    def read(self, offset: int, size: int) -> int:
        return int(self.do(f"read{'.bw.l'[size]} {BAR + offset:#x}"), 0)

    def write(self, offset: int, size: int, value: int) -> None:
        self.do(f"write{'.bw.l'[size]} {BAR + offset:#x} {value:#x}")

    def load(self, address: int, count: int) -> bytes:
        return bytes.fromhex(self.do(f"read {address:#x} {count:#x}")[2:])

    def store(self, address: int, data: bytes) -> None:
        self.do(f"write {address:#x} {len(data):#x} 0x{data.hex()}")

    @property
    def line(self) -> bool:
        return bool(self.configure(4) >> 19 & 1)  # the interrupt status bit of the PCI status register

    def verb(self, command: int) -> int:
        self.write(0x60, 4, command)
        self.write(0x68, 2, 3)
        assert self.read(0x68, 2) & 3 == 2
        return self.read(0x64, 4)

    def codec(self) -> CodecDump:
        """Its codec, as it describes itself."""

        def describe(nid: int, kind: str) -> CodecNode:
            parameters = {i: self.verb(nid << 20 | 0xF0000 | i) for i in (0, 2, 4, 5, *range(8, 20))}
            count = parameters[14] & 0x7F
            words = [self.verb(nid << 20 | 0xF0200 | i) for i in range(0, count, 4)]
            nodes[nid] = CodecNode(nid, kind, parameters, tuple(struct.pack(f"<{len(words)}I", *words)[:count]))
            return nodes[nid]

        nodes: dict[int, CodecNode] = {}
        self.write(8, 4, 1)
        root = describe(0, "Root").parameters
        group = describe(root[4] >> 16 & 0xFF, "Audio Function Group").parameters[4]
        for nid in range(group >> 16 & 0xFF, (group >> 16 & 0xFF) + (group & 0xFF)):
            node = describe(nid, "")
            node.kind = KINDS.get(node.parameters[9] >> 20 & 15, "Vendor Defined Widget")
        self.write(8, 4, 0)
        return CodecDump("as measured", 0, root[0], root[2], 0, nodes, "QEMU")


class Both:
    """One program on both; `rows` are those met so far."""

    def __init__(self, folder: Path) -> None:
        self.qemu = Qemu(folder)
        self.pc = storsim.Machine("4GiB", level="release")
        at_once = dict.fromkeys(("crst_latency", "srst_latency", "stop_latency"), 0)
        self.hda = self.pc.add_hda(codecs=[self.qemu.codec()], timing="ideal", personality="generic", **at_once)
        self.rows: set[str] = set()
        self.written = 0

    def close(self) -> None:
        self.qemu.close()
        self.pc.close()

    def write(self, offset: int, size: int, value: int) -> None:
        self.qemu.write(offset, size, value)
        self.hda.mmio.write(offset, size, value)

    def store(self, address: int, data: bytes) -> None:
        self.qemu.store(address, data)
        self.pc.memory.write(address, data)

    def load(self, address: int, count: int) -> None:
        assert self.qemu.load(address, count) == bytes(self.pc.memory.read(address, count))

    def read(self, offset: int, size: int, row: str = "", mask: int = 0xFFFF_FFFF) -> tuple[int, int]:
        """(QEMU's, ours); the bits of mask may differ by a row."""
        if not row:
            row, mask = (DESCRIPTOR_ROWS.get(offset & 0x1F) if offset >= 0x80 else ROWS.get(offset)) or ("", 0)
        theirs, ours = self.qemu.read(offset, size), self.hda.mmio.read(offset, size)
        assert theirs & ~mask == ours & ~mask, f"register {offset:#x}: QEMU {theirs:#x}, here {ours:#x}"
        if theirs != ours:
            self.rows.add(row)
        return theirs, ours

    def line(self, row: str = "") -> None:
        theirs, ours = self.qemu.line, self.hda.interrupt_line
        assert row or theirs == ours
        if theirs != ours:
            self.rows.add(row)

    def up(self) -> None:
        self.write(8, 4, 1)
        self.settle(30)

    def settle(self, frames: int = 6) -> None:
        """Time for what QEMU does at once."""
        self.pc.advance(frames=frames)

    def run(self, seconds: float) -> None:
        """At least so much virtual time in QEMU, then as much of it here."""
        before = self.qemu.read(0x30, 4)
        while self.qemu.read(0x30, 4) - before & 0xFFFF_FFFF < seconds * 24_000_000:
            self.qemu.manage("cont")
            time.sleep(seconds)
            self.qemu.manage("stop")
        ahead = (self.qemu.read(0x30, 4) - self.hda.mmio.read(0x30, 4)) & 0xFFFF_FFFF
        if ahead < 1 << 31:
            self.pc.advance(ticks=ahead)

    def rings(self, count: int, control: int = 3) -> None:
        self.store(CORB, bytes(0x1000))
        for offset, size, value in (
            (0x40, 4, CORB), (0x44, 4, 0), (0x50, 4, RIRB), (0x54, 4, 0), (0x4A, 2, 0x8000), (0x4A, 2, 0),
            (0x58, 2, 0x8000), (0x5A, 2, count), (0x5C, 1, control), (0x4C, 1, 2),
        ):  # fmt: skip
            self.write(offset, size, value)

    def send(self, verbs: list[int]) -> None:
        for verb in verbs:
            self.written = (self.written + 1) % 256
            self.store(CORB + 4 * self.written, struct.pack("<I", verb))
        self.write(0x48, 2, self.written)
        self.settle(len(verbs) + 5)

    def state(self, row: str = "") -> None:
        """Rings, interrupt status, line."""
        for offset, size in ((0x48, 2), (0x4A, 2), (0x4C, 1), (0x4D, 1), (0x58, 2), (0x5C, 1), (0x5D, 1), (0x24, 4)):
            self.read(offset, size, row, 0xFFFF_FFFF if row else 0)
        self.line(row)


@pytest.fixture
def both() -> Iterator[Both]:
    with tempfile.TemporaryDirectory() as folder:  # a short path: it holds sockets
        pair = Both(Path(folder))
        yield pair
        pair.close()


def test_every_register_after_reset(both: Both) -> None:
    both.up()
    for offset, size in REGISTERS:
        both.read(offset, size)
    assert both.rows == {"Q11", "Q12"}


def test_registers_take_the_same_bits(both: Both) -> None:
    both.up()
    for offset, size in REGISTERS:
        relative = offset & 0x1F if offset >= 0x80 else None
        if offset in (0x08, 0x24, 0x68) or relative == 3:
            continue
        whole = (1 << 8 * size) - 1
        engine = 2 if offset in (0x4C, 0x5C) else 3 if relative == 0 else 0
        for value in (whole, 0, 0xA5A5_A5A5, 0x5A5A_5A5A, 0):
            both.write(offset, size, value & whole & ~engine)
            both.read(offset, size, *(("Q14",) if offset == 0x4A else ()))
    for offset, size in REGISTERS:
        both.read(offset, size)
    assert both.rows == {"Q11", "Q12", "Q14", "Q23"}


def test_narrow_stores(both: Both) -> None:
    """At a register's first byte, where QEMU decodes them (Q13)."""
    both.up()
    choose = random.Random(7)
    left_out = {0x08, 0x0E, 0x24, 0x68, 0x4C, 0x5C, 0x4A, 0x60, 0x64}
    places = [
        place for place in REGISTERS if place[0] not in left_out and not (place[0] >= 0x80 and place[0] & 0x1C == 0)
    ]
    for _ in range(300):
        offset, size = choose.choice(places)
        narrow = choose.choice([n for n in (1, 2, 4) if n <= size])
        both.write(offset, narrow, choose.getrandbits(8 * narrow))
        both.read(offset, narrow)
        both.read(offset, size)


def test_reset_and_state_change(both: Both) -> None:
    both.up()
    both.write(0x0C, 2, 1)
    for control in (GIE | CIE, GIE, CIE, GIE | CIE):
        both.write(0x20, 4, control)
        both.read(0x24, 4, "Q10", GIE)
        both.line()
    both.write(0x24, 4, 0xFFFF_FFFF)
    both.read(0x24, 4, "Q17")
    both.line()
    both.write(0x0E, 2, 0)
    both.read(0x0E, 2, "Q24", 1)
    both.write(0x0E, 2, 1)
    both.read(0x0E, 2)
    both.read(0x24, 4)
    both.line()
    both.write(0x08, 4, 0)
    both.settle()
    both.read(0x08, 4)
    both.read(0x0C, 2, "Q4")
    both.read(0x0E, 2, "Q4")
    both.write(0x40, 4, 0x1234_5600)
    both.read(0x40, 4, "Q3")
    assert both.rows == {"Q3", "Q4", "Q10", "Q17", "Q24"}


@pytest.mark.parametrize(("count", "rows"), [(1, {"Q15"}), (3, {"Q15"}), (16, set()), (255, set()), (0, {"Q15"})])
def test_ring_interrupts(both: Both, count: int, rows: set[str]) -> None:
    both.up()
    both.write(0x20, 4, GIE | CIE)
    both.rings(count)
    both.state()
    row = "Q15" if rows else ""
    both.send([0xF0000, 0xF0002, 0xF0004, 0x1F0004, 0x1F0005, 0x1F0008])
    both.state(row)
    for _ in range(8):
        both.write(0x5D, 1, 5)
        both.settle()
    if count != 0:
        both.state()
        both.load(RIRB, 0x100)
    assert both.rows == rows


def test_rings_wrap(both: Both) -> None:
    both.up()
    both.write(0x20, 4, GIE | CIE)
    both.rings(255)
    choose = random.Random(2)
    for _ in range(12):
        both.send([choose.randrange(6) << 20 | 0xF0000 | choose.choice([0, 2, 4, 5, 9, 10, 11, 14])
                   for _ in range(choose.randrange(1, 120))])  # fmt: skip
        both.state()
        both.write(0x5D, 1, 5)
        both.state()
    both.load(RIRB, 0x800)
    both.send([0x700F_0000, 0xF0000])  # nobody at address 7
    both.state()
    both.write(0x4C, 1, 0)
    both.send([0xF0002])
    both.state()
    both.write(0x4C, 1, 2)
    both.settle()
    both.state()
    both.load(RIRB, 0x800)
    assert both.rows == set()


def test_converters_over_the_link(both: Both) -> None:
    both.up()
    both.rings(255)
    for nid in (2, 4):
        for verb in (0x20011, 0xA0000, 0x24011, 0xA0000, 0x70610, 0xF0600, 0x70657, 0xF0600):
            both.send([nid << 20 | verb])
            both.write(0x5D, 1, 5)
    both.load(RIRB, 0x100)


def test_immediate_commands(both: Both) -> None:
    both.up()
    for verb in (0xF0000, 0x1F0004, 0xF0002):
        both.write(0x68, 2, 2)
        both.read(0x68, 2)
        both.write(0x60, 4, verb)
        both.write(0x68, 2, 1)
        both.settle()
        both.read(0x68, 2)
        both.read(0x64, 4)
    both.write(0x68, 2, 0)
    both.read(0x68, 2, "Q24", 2)  # a write of 0 clears IRV too
    assert both.rows == {"Q24"}


class Playing:
    """Stream 4, tag 5, 48 kHz stereo, two entries."""

    base = 0x80 + 0x20 * 4

    def __init__(self, both: Both, length: int, control: int, interrupts: int, ioc: int = 1) -> None:
        self.both, self.control = both, control
        both.up()
        both.rings(255)
        both.write(0x20, 4, interrupts)
        both.store(POSITIONS, bytes(64))
        both.write(0x70, 4, POSITIONS | 1)
        both.store(BDL, struct.pack("<QIIQII", SOUND, length, ioc, SOUND + length, length, ioc))
        for value in (1, 0):
            both.write(self.base, 1, value)
            both.settle(1)
            both.read(self.base, 1, "Q2", 1)
        for offset, size, value in ((2, 1, 0x50), (0x12, 2, 0x11), (8, 4, 2 * length), (12, 2, 1), (0x18, 4, BDL)):
            both.write(self.base + offset, size, value)
        both.send([0x22_0011, 0x27_0650])
        both.write(0x5D, 1, 5)
        self.run_bit(True)

    def run_bit(self, run: bool) -> None:
        self.both.write(self.base, 1, self.control | (RUN if run else 0))
        self.both.settle(1)

    def position(self) -> tuple[int, int]:
        theirs, ours = self.both.read(self.base + 4, 4, "Q5")
        for read, at in ((self.both.qemu.load, theirs), (self.both.pc.memory.read, ours)):
            assert struct.unpack("<I", bytes(read(POSITIONS + 32, 4)))[0] == at
        return theirs, ours


@pytest.mark.parametrize(
    ("control", "interrupts", "row"),
    [
        (IOCE, GIE | 0x10, ""), (0, GIE | 0x10, "Q10"), (IOCE, GIE, "Q10"), (IOCE, 0x10, ""),
    ],
    ids=["enabled", "IOCE 0", "SIE 0", "GIE 0"],
)  # fmt: skip
def test_completions(both: Both, control: int, interrupts: int, row: str) -> None:
    playing = Playing(both, 960, control, interrupts)
    for _ in range(3):
        both.run(0.03)
        assert both.read(playing.base + 3, 1)[1] & BCIS
        both.read(0x24, 4, row or "Q10", GIE)
        both.line(row)
        both.write(playing.base + 3, 1, BCIS)
        both.read(playing.base + 3, 1)
        both.read(0x24, 4)
        both.line()
    assert both.rows - {"Q2", "Q5", "Q11"} == ({row} if row else set())


def test_positions(both: Both) -> None:
    """Stopping keeps the position in both; QEMU starts again from 0 (Q1)."""
    playing = Playing(both, 65536, IOCE, GIE | 0x10)
    for _ in range(4):
        both.run(0.01)
        theirs, ours = playing.position()
        assert theirs % 4 == 0
        assert ours % 4 == 0
        assert abs(theirs - ours) <= 16384, "Q5: bursts of up to the codec's FIFO and the back end's periods"
    playing.run_bit(False)
    stopped = playing.position()
    both.run(0.01)
    assert playing.position() == stopped
    both.read(playing.base, 1)
    playing.run_bit(True)
    assert both.qemu.read(playing.base + 4, 4) == 0
    assert both.hda.mmio.read(playing.base + 4, 4) >= stopped[1]
    playing.run_bit(False)
    for offset, size in ((8, 4), (12, 2), (0x12, 2), (0x18, 4), (0x1C, 4)):
        both.read(playing.base + offset, size)
    both.write(playing.base, 1, 1)
    both.settle(1)
    both.write(playing.base, 1, 0)
    both.settle(1)
    for offset, size in ((4, 4), (8, 4), (12, 2), (0x12, 2), (0x18, 4)):
        both.read(playing.base + offset, size, "Q2")
    assert both.rows - {"Q11"} == {"Q2", "Q5"}


def test_a_list_without_ioc_completes_silently(both: Both) -> None:
    playing = Playing(both, 960, IOCE, GIE | 0x10, ioc=0)
    both.run(0.03)
    assert both.read(playing.base + 3, 1)[1] & BCIS == 0
    both.read(0x24, 4)
    both.line()
