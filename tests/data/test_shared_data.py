"""Every map, buddyinfo and drive file next to the repository loads and gives the right totals; so do the samples below.

The totals are worked out here once more, by a second, smaller reader.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import storsim
from model.memory import PAGE, Run, normalise
from storsim import Machine

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

IOMEM = """00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000a0000-000bffff : PCI Bus 0000:00
00100000-03fdffff : System RAM
  02600000-03000c36 : Kernel code
03fe0000-03ffffff : Reserved
fec00000-fec003ff : IOAPIC 0
"""
E820 = """[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009abff] usable
[    0.000000] BIOS-e820: [mem 0x000000000009ac00-0x000000000009ffff] reserved
[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x00000000a7a18fff] usable
[    0.000000] BIOS-e820: [mem 0x0000000100001000-0x000000013effffff] usable
"""
OLD_E820 = """ BIOS-e820: 0000000000000000 - 000000000009f800 (usable)
 BIOS-e820: 0000000000100000 - 000000003fff0000 (usable)
"""
SRAT = """ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff]
ACPI: SRAT: Node 1 PXM 1 [mem 0x100000000-0x17fffffff]
"""
SAMPLES = {"iomem": IOMEM, "e820": E820, "srat": SRAT}
MAPS = sorted(
    path
    for path in (SHARED / "memory-maps").glob("*")
    if path.suffix == ".iomem" or path.name.endswith((".e820.txt", ".srat.txt"))
)
BUDDY = sorted((SHARED / "memory-maps").glob("*.buddyinfo"))
DRIVES = sorted((SHARED / "nvme-hmb").glob("*.json"))


def _ram(text: str) -> list[tuple[int, int]]:
    """RAM of a map as (start, end), by the plainest reading."""
    found = [(int(a, 16), int(b, 16) + 1) for a, b in re.findall(r"BIOS-e820: \[mem 0x(\w+)-0x(\w+)\] usable", text)]
    if not found:
        found = [(int(a, 16), int(b, 16) + 1) for a, b in re.findall(r"^(\w+)-(\w+) : System RAM", text, flags=re.M)]
    if not found:
        found = [(int(a, 16), int(b, 16) + 1) for _node, a, b in _srat(text)]
    return found


def _srat(text: str) -> list[tuple[str, str, str]]:
    return [
        (node, a, b)
        for node, a, b, rest in re.findall(r"SRAT: Node (\d+) PXM \d+ \[mem 0x(\w+)-0x(\w+)\](.*)", text)
        if "hotplug" not in rest
    ]


def _runs(text: str) -> list[Run]:
    windows = [(int(node), int(a, 16), int(b, 16) + 1) for node, a, b in _srat(text)] or [(0, 0, 1 << 63)]
    pieces = [
        (max(start, low), min(end, high) - max(start, low), node)
        for start, end in _ram(text)
        for node, low, high in windows
        if max(start, low) < min(end, high)
    ]
    return normalise(pieces)


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_samples(text: str) -> None:
    pc = Machine.from_map(text)
    assert [(run.start // PAGE, run.length // PAGE, run.node) for run in pc.memory.runs()] == [
        (run.first, run.pages, run.node) for run in _runs(text)
    ]


def test_every_shared_map_gives_its_total() -> None:
    for path in MAPS:
        text = path.read_text(encoding="utf-8")
        pc = Machine.from_map(path)
        runs = pc.memory.runs()
        expected = _runs(text)
        total = sum(run.pages for run in expected) * PAGE
        outside = sum(end - start for start, end in _ram(text)) - total
        assert pc.memory.free_bytes() >= total, path.name
        assert pc.memory.free_bytes() - total <= max(outside, 0), path.name
        assert sum(run.length for run in runs) == pc.memory.free_bytes(), path.name
        for run in expected:
            assert any(
                free.start // PAGE <= run.first and run.end <= (free.start + free.length) // PAGE for free in runs
            ), (path.name, run)
        for node in {run.node for run in runs}:
            assert pc.memory.free_bytes(node=node) == sum(run.length for run in runs if run.node == node)


def test_a_path_and_its_text_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "laptop.iomem"
    path.write_text(IOMEM, encoding="utf-8")
    assert (
        Machine.from_map(path).memory.runs()
        == Machine.from_map(str(path)).memory.runs()
        == Machine.from_map(IOMEM).memory.runs()
    )


def test_every_shared_map_is_usable() -> None:
    for path in MAPS:
        pc = Machine.from_map(path, seed=7)
        hba = pc.add_adapter("nvme0")
        block = hba.dma(64 << 10, highest=0xFFFFFFFF, boundary=64 << 10)
        assert block.pa % (64 << 10) == 0, path.name
        assert block.pa < 1 << 32, path.name
        block.free()
        assert not pc.check()


def test_a_map_of_zeros_is_explained() -> None:
    zeros = re.sub(r"[0-9a-f]{8}-[0-9a-f]{8}", "00000000-00000000", IOMEM)
    with pytest.raises(ValueError, match=r"(?i)zero|root|unprivileged"):
        Machine.from_map(zeros)


DAMAGE = {
    "backwards": ("00100000-03fdffff : System RAM", "03fdffff-00100000 : System RAM", 5),
    "letters": ("00100000-03fdffff : System RAM", "0010zz00-03fdffff : System RAM", 5),
    "cut": ("00001000-0009fbff : System RAM", "00001000-0009", 2),
    "too large": ("00100000-03fdffff", "00100000-fffffffffffffffffff", 5),
}


@pytest.mark.parametrize(("old", "new", "line"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_one_line_that_names_the_line(old: str, new: str, line: int) -> None:
    with pytest.raises(ValueError, match=r".") as error:
        Machine.from_map(IOMEM.replace(old, new))
    text = str(error.value)
    assert "\n" not in text
    assert re.search(rf"\b{line}\b", text), text


@pytest.mark.parametrize("text", ["", "\n", "nothing to see\n", "{}\n"])
def test_no_map_at_all(text: str) -> None:
    with pytest.raises((ValueError, OSError)):
        Machine.from_map(text if "\n" in text else text + "\n")


# -- fragmentation ---------------------------------------------------------------------------------------------------

BUDDYINFO = """Node 0, zone      DMA      1      0      0      0      0      0      0      0      1      1      2
Node 0, zone    DMA32      3      2      4      5      1      2      2      2      3      2     20
"""


def _blocks(text: str) -> dict[int, int]:
    counts: dict[int, int] = {}
    for line in text.splitlines():
        found = re.match(r"Node\s+(\d+), zone\s+(\w+)((?:\s+\d+)+)", line)
        if found:
            for order, count in enumerate(found.group(3).split()):
                counts[order] = counts.get(order, 0) + int(count)
    return counts


def test_buddyinfo_shapes_the_free_memory() -> None:
    pc = Machine("3GiB")  # no memory above 4 GiB: the file has no line about it
    pc.memory.fragment(buddyinfo=BUDDYINFO)
    blocks = _blocks(BUDDYINFO)
    wanted = sum(count << order for order, count in blocks.items())
    assert pc.memory.free_bytes() == wanted * PAGE
    assert pc.memory.largest_free() >= PAGE << 10
    longest = max(run.length for run in pc.memory.runs())
    assert longest // PAGE < 4 << 10, "free blocks of one order do not melt together"


def test_every_shared_buddyinfo_shapes_a_machine() -> None:
    for path in BUDDY:
        text = path.read_text(encoding="utf-8")
        nodes = 1 + max(int(node) for node in re.findall(r"Node\s+(\d+)", text))
        pc = Machine("128GiB", nodes=nodes)
        before = pc.memory.free_bytes()
        pc.memory.fragment(buddyinfo=path)
        wanted = sum(count << order for order, count in _blocks(text).items()) * PAGE
        assert pc.memory.free_bytes() <= before
        assert 0.5 * wanted <= pc.memory.free_bytes() <= wanted, path.name


@pytest.mark.parametrize("damage", ["Node 0, zone DMA 1 2 x\n", "Node 0, zone\n", "no such file\n"])
def test_damaged_buddyinfo(damage: str) -> None:
    pc = Machine("4GiB")
    free = pc.memory.free_bytes()
    with pytest.raises(ValueError, match=r"."):
        pc.memory.fragment(buddyinfo=damage)
    assert pc.memory.free_bytes() == free


# -- drives ----------------------------------------------------------------------------------------------------------


def test_every_shared_drive_attaches_and_negotiates() -> None:
    for path in DRIVES:
        facts = json.loads(path.read_text(encoding="utf-8"))
        pc = Machine("8GiB", hmb_cap=None, level="strict")
        hba = pc.add_adapter("nvme0")
        hba.attach_nvme(path)
        preferred, minimum, entries = facts.get("hmpre", 0) * PAGE, facts.get("hmmin", 0) * PAGE, facts.get("hmmaxd", 0)
        if preferred:
            buffer = hba.hmb(minimum=minimum, preferred=preferred, max_ranges=entries or 8)
            assert buffer.size == preferred, path.name
            buffer.free()


@pytest.mark.parametrize(
    "text", ['{"hmpre": -1}', '{"hmpre": "many"}', '{"hmpre": 1', "[1, 2]", '{"hmpre": 4294967296}']
)
def test_damaged_drive(text: str) -> None:
    hba = Machine("1GiB").add_adapter("nvme0")
    with pytest.raises(ValueError, match=r"."):
        hba.attach_nvme(text)


def test_a_drive_that_says_nothing_wants_nothing() -> None:
    hba = Machine("1GiB").add_adapter("nvme0")
    hba.attach_nvme('{"mn": "silent"}')
    assert hba.nvme is not None


def test_shared_data_is_found_where_it_lies() -> None:
    """Where the data folder exists, it is not empty; elsewhere the samples above stand for it."""
    assert bool(MAPS and BUDDY and DRIVES) == SHARED.is_dir()
    assert storsim.__name__ == "storsim"
