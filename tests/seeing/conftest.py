"""Machines that have something to show."""

from __future__ import annotations

import importlib.util
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import storsim
from storsim import player
from storsim.hda import Hda
from storsim.wav import Wav, WavFormat

#: Where the optional packages are not installed these tests are not collected; continuous integration installs them.
collect_ignore = [
    name
    for name, needs in {"test_export.py": "vcd", "test_viz.py": "matplotlib"}.items()
    if importlib.util.find_spec(needs) is None
]
FORMAT = WavFormat(48000, 16, 2, 2)


@dataclass
class Concert:
    """A machine that played a sound, and what was seen of it."""

    pc: storsim.Machine
    hda: Hda
    watch: storsim.Watch
    report: player.Report
    sound: Wav


@pytest.fixture(scope="session")
def concert() -> Iterator[Concert]:
    """A fifth of a second through a ring of 40 ms, every refill 1 ms late."""
    samples = (struct.pack("<hh", int(8000 * math.sin(i / 20)), int(8000 * math.sin(i / 31))) for i in range(9600))
    sound = Wav(FORMAT, b"".join(samples))
    pc = storsim.Machine("1GiB", level="strict", trace_entries=1 << 16)
    hda = pc.add_hda()
    with storsim.Watch(hda, every=6000) as watch:
        report = player.play(hda, sound, interface="v3", ring_ms=40, late_ms=1)
    yield Concert(pc, hda, watch, report, sound)
    pc.close()


@pytest.fixture
def storage() -> Iterator[storsim.Machine]:
    """Blocks of several kinds, one wrong call, memory in pieces."""
    pc = storsim.Machine("4GiB", nodes=2, seed=3)
    pc.memory.fragment(0.3, run_pages=64, seed=1)
    hba = pc.add_adapter("nvme<0>")
    hba.pool(100, "Abcd")
    hba.pool(200, "Abcd")
    hba.dma(64 << 10, highest=0xFFFF_FFFF)
    hba.hmb(preferred=8 << 20, minimum=1 << 20)
    freed = hba.pool(300, "Gone")
    freed.free()
    wrong = hba.dma(8192)
    storsim.storport.StorPortFreeDmaMemory(hba, wrong.va, 4096, wrong.cache, wrong.pa)
    yield pc
    pc.close()
