"""Rows about calls from Python: storsim's against functions of the same shape that do nothing (yard.c)."""

from __future__ import annotations

import time
from types import ModuleType

import storsim
from storsim import storport as sp
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE, StreamFormat
from tests.bench.measure import Ratio, Row, Timed, loop, ratios, rounds, source

HIGHEST = 2**64 - 1
PAIR = "r = A(h, 4096, 0, 0xFFFFFFFF, 65536, C, N)\nF(h, r[1], 4096, C, r[2])"


def _pairs(allocate: object, release: object, machine: object) -> Timed:
    return source(PAIR, A=allocate, F=release, h=machine, C=sp.MmCached, N=sp.MM_ANY_NODE_OK)


def _only(what: str, statement: str, names: dict[str, object]) -> tuple[str, Timed]:
    return what, source(statement, **names)


def calls(yard: ModuleType, count: int, core_ns: float | None) -> list[Row]:
    """An allocation and its free, registers, positions. core_ns: what the core's own pair costs, from ddi_cost."""
    pc = storsim.Machine("16GiB")
    hba = pc.add_adapter("bench")
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE)
    _, engine, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
    bus.AllocateDmaBuffer(engine, 4096)
    _, position = bus.GetLinkPositionRegister(engine)
    dummy = yard.Machine()
    arms: dict[str, Timed] = {
        "pair": _pairs(sp.StorPortAllocateDmaMemory, sp.StorPortFreeDmaMemory, hba),
        "empty pair": _pairs(yard.allocate, yard.release, dummy),
        "read": source("r.read(0x20, 4)", r=hda.mmio),
        "name": source("r.SD4LPIB", r=hda.regs),
        "empty read": source("r.read(0x20, 4)", r=dummy),
        "position": source("int(r)", r=position),
        "empty position": source("int(r)", r=dummy),
    }
    rows = []
    for lines in (True, False):
        yard.take_lines(lines)
        found = rounds(arms, count, 0.01)
        mark = "" if lines else ".offset"
        empty = "that takes the caller's " + ("line" if lines else "instruction")
        goal = (
            1.6 if lines else None
        )  # storsim keeps the instruction and makes a line of it when asked: told without a target
        pair, base = found["pair"], found["empty pair"]
        if core_ns is not None:
            net = [max(value - core_ns * 1e-9, 0.0) for value in pair]
            rows.append(
                Row(
                    "python.pair" + mark,
                    "StorPortAllocateDmaMemory and its free from Python, without the core's own cost",
                    f"empty functions of 7 and 5 arguments, 3-field result, {empty}",
                    goal,
                    ratios(net, base),
                    detail={
                        "ns": Ratio.of(pair).median * 1e9,
                        "core_ns": core_ns,
                        "yard_ns": Ratio.of(base).median * 1e9,
                    },
                )
            )
        rows.append(
            Row(
                "python.pair.whole" + mark,
                "the same, core included",
                f"the same functions, {empty}",
                None,
                ratios(pair, base),
            )
        )
        for key, what, arm, yardstick in (
            ("python.register", "hda.mmio.read(offset, size)", "read", "empty read"),
            ("python.register.name", "hda.regs.SD4LPIB", "name", "empty read"),
            ("python.position", "int(Position)", "position", "empty position"),
        ):
            detail = {"ns": Ratio.of(found[arm]).median * 1e9, "yard_ns": Ratio.of(found[yardstick]).median * 1e9}
            rows.append(
                Row(
                    key + mark,
                    what,
                    f"an empty method {empty}",
                    goal,
                    ratios(found[arm], found[yardstick]),
                    detail=detail,
                )
            )
    pc.close()
    return rows


def machines(count: int) -> list[Row]:
    """Making and closing a machine, small and huge."""
    sizes = ("16GiB", "64TiB")
    arms = {size: loop(lambda size=size: storsim.Machine(size).close()) for size in sizes}  # type: ignore[misc]
    found = rounds(arms, count, 0.02)
    return [
        Row(
            f"machine.{size}",
            f'storsim.Machine("{size}") made and closed',
            "absolute",
            40.0,
            Ratio.of([value * 1e6 for value in found[size]]),
            unit="µs",
        )
        for size in sizes
    ]


def snapshots(count: int) -> list[Row]:
    """Snapshot and restore beside 1 000 live blocks, 1 MiB written since: into fresh memory, and over older bytes."""
    rows = []
    for before in (False, True):
        pc = storsim.Machine("16GiB")
        hba = pc.add_adapter("bench")
        for _ in range(1000):
            sp.StorPortAllocateDmaMemory(hba, 4096, 0, HIGHEST, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
        _, va, _ = sp.StorPortAllocateDmaMemory(hba, 1 << 20, 0, HIGHEST, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
        data = b"x" * (1 << 20)
        if before:
            pc.write_va(va, bytes(1 << 20))
        spent, idle = [], []
        for _ in range(count * 10):
            start = time.process_time()
            snapshot = pc.snapshot()
            taken = time.process_time()
            pc.write_va(va, data)
            written = time.process_time()
            pc.restore(snapshot)
            spent.append((time.process_time() - written + taken - start) * 1e6)
            start = time.process_time()
            pc.restore(pc.snapshot())
            idle.append((time.process_time() - start) * 1e6)
        pc.close()
        what = "over bytes that were there before" if before else "into fresh memory"
        rows.append(
            Row(
                "snapshot.written_over" if before else "snapshot.written",
                f"snapshot and restore, 1 000 live blocks, 1 MiB written since {what}",
                "absolute",
                150.0,
                Ratio.of(spent),
                unit="µs",
                detail={"nothing_written_us": Ratio.of(idle).median},
            )
        )
    return rows
