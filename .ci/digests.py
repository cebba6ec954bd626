"""What a build of storsim does, as text: the same on every platform, compiler and Python version.

Each line names a run, the digests the machine had on the way, and a hash of everything the run reported.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import warnings
from collections.abc import Iterator

import storsim
import storsim.data
import storsim.storport as sp
from storsim.cli.demo import choose_board, choose_drive, play
from storsim.hdaudio import HDAUDIO_BUS_INTERFACE_V2, PauseState, RunState, StreamFormat

PACKAGE = os.path.dirname(os.path.abspath(storsim.__file__)) + os.sep


def short_hash(report: object) -> str:
    """A hash of plain data; call sites count, where the package is installed does not."""
    text = json.dumps(report, sort_keys=True).replace(json.dumps(PACKAGE)[1:-1], "")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def demos() -> Iterator[str]:
    """The demo on every bundled machine and drive."""
    for machine in storsim.data.machines():
        for drive in storsim.data.drives():
            for seed in (0, 2**64 - 1):
                result = play(choose_board(machine), *choose_drive(drive), seed)
                clean = result["clean_run"]
                yield f"demo {machine} {drive} {seed} {clean['digest']} {clean['digest_after']} {short_hash(result)}"


def numbers(seed: int) -> Iterator[int]:
    """A fixed sequence of 32-bit numbers that no Python version can change. Source: Numerical Recipes' constants."""
    state = seed
    while True:
        state = (state * 1664525 + 1013904223) & 0xFFFF_FFFF
        yield state


def walks() -> Iterator[str]:
    """Random calls under each placement policy, some of them wrong."""
    for placement in storsim.Placement:
        for seed in range(4):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", storsim.ViolationWarning)
                yield f"walk {placement.name} {seed} {walk(placement, seed)}"


def walk(placement: storsim.Placement, seed: int) -> str:
    """300 allocations and frees; the digest every 50 calls and a hash of all results."""
    pc = storsim.Machine("1GiB", nodes=2, seed=seed, placement=placement, level="release")
    hba = pc.add_adapter("hba0")
    draw = numbers(seed)
    live: list[tuple[int, int]] = []
    results: list[list[int]] = []
    marks: list[str] = []
    for step in range(1, 301):
        if live and next(draw) >> 16 & 1:
            va, size = live.pop((next(draw) >> 8) % len(live))
            wrong = (next(draw) >> 16) % 8 == 0
            results.append([int(sp.StorPortFreeDmaMemory(hba, va, size + wrong, sp.MmCached))])
        else:
            size = 1 + (next(draw) >> 8) % (1 << 20)
            highest = (1 << (20 + (next(draw) >> 16) % 14)) - 1
            boundary = 0 if next(draw) >> 16 & 1 else 1 << (12 + (next(draw) >> 16) % 12)
            node = (next(draw) >> 16) % 3
            status, va, pa = sp.StorPortAllocateDmaMemory(
                hba, size, 0, highest, boundary, sp.MmCached, node if node < 2 else sp.MM_ANY_NODE_OK
            )
            results.append([int(status), va, pa])
            if va:
                live.append((va, size))
        if step % 50 == 0:
            marks.append(f"{pc.digest():016x}")
    return f"{' '.join(marks)} {short_hash([results, [record.name for record in pc.violations]])}"


def journals() -> Iterator[str]:
    """The bytes of two journals and what their replay comes to: recorded anywhere, they replay everywhere."""
    pc = storsim.Machine("1GiB", seed=11)
    hba = pc.add_adapter("hba0")
    for size in range(1, 4000, 97):
        _, va = sp.StorPortAllocatePool(hba, size, "Jrnl")
        pc.write_va(va, bytes([size % 251]))
        pc.advance(size)
        if size % 2:
            sp.StorPortFreePool(hba, va)
    hda = pc.add_hda()
    bus = hda.query_interface(HDAUDIO_BUS_INTERFACE_V2)
    _, handle, _ = bus.AllocateRenderDmaEngine(StreamFormat(48000, 16, 16, 2))
    bus.AllocateDmaBuffer(handle, 4096)
    for state in (PauseState, RunState):
        bus.SetDmaEngineState(state, [handle])
    pc.advance(frames=500)
    data = pc.journal.to_bytes()
    found = storsim.journal.load(data).replay()
    yield f"journal run {hashlib.sha256(data).hexdigest()[:16]} {found.digest:016x} {found.ok}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", storsim.ViolationWarning)
        sp.StorPortFreePool(hba, va)
        with contextlib.suppress(storsim.BugCheck):
            sp.StorPortFreePool(hba, va)
    small = pc.journal.shrink()
    digest, data = small.replay().digest, small.to_bytes()
    yield f"journal small {hashlib.sha256(data).hexdigest()[:16]} {digest:016x} {small.shrunk}"


if __name__ == "__main__":
    for line in (*demos(), *walks(), *journals()):
        print(line)
