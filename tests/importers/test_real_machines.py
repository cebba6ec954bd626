"""What real machines and drives printed: the bundled facts, and a directory of published files where there is one.

The directory is the value of STORSIM_REAL_DATA, else shared/data next to the repository. It has memory-maps/ and
nvme-hmb/.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import storsim.data
from storsim.importers import load_buddyinfo, load_id_ctrl, load_map

DATA = Path(os.environ.get("STORSIM_REAL_DATA") or Path(__file__).parents[3] / "shared" / "data")

# usable RAM in GiB, NUMA nodes
MAPS = {
    "board-jetway-4g.e820.txt": ("3.61", 1),
    "desktop-b450-ryzen-32g.e820.txt": ("31.93", 1),
    "laptop-alienware-m11x-4g.e820.txt": ("3.90", 1),
    "laptop-hp-15-12g.e820.txt": ("11.65", 1),
    "laptop-huawei-16g.e820.txt": ("15.80", 1),
    "laptop-lenovo-sabine-16g.e820.txt": ("15.47", 1),
    "laptop-surface-book-8g.e820.txt": ("7.93", 1),
    "laptop-surface-pro-7-16g.e820.txt": ("15.60", 1),
    "laptop-thinkpad-t400-3g.e820.txt": ("2.95", 1),
    "laptop-thinkpad-x1-8g.e820.txt": ("7.75", 1),
    "server-1socket-x8sie-16g.e820.txt": ("15.99", 1),
    "server-2socket-cxl.srat.txt": ("384.00", 2),
    "server-2socket-epyc-1536g.e820.txt": ("1535.71", 2),
    "server-ibm-x345-2560m.iomem": ("2.50", 1),
    "vm-hyperv-gen2-8g.e820.txt": ("8.00", 1),
    "vm-hyperv-gen2-8g.iomem": ("8.00", 1),
    "vm-qemu-64m.iomem": ("0.06", 1),
}
# preferred and minimum buffer in units of 4096 bytes
DRIVES = {
    "crucial-ct4000p3pssd8.json": (8192, 8192),
    "dell-p4610-3200g.json": (0, 0),
    "micron-9200-mtfdhal1t6tcu.json": (0, 0),
    "sabrent-rocket-2230-256g.partial.json": (16384, 16384),
    "skhynix-pc401-256g.partial.json": (0, 0),
    "solidigm-sbfpf2bu153t.json": (0, 0),
    "t-force-tm8fpl500g.json": (16384, 16384),
    "unnamed-512g-rpi-eeprom-529.partial.json": (16384, 3584),
    "unnamed-phison-512g-rpi-eeprom-378.partial.json": (139672, 546),
    "virtualbox-orcl-vbox-nvme-ver12.json": (0, 0),
    "wdc-pc-sn530-250g.partial.json": (0, 0),
}


def usable_pages(text: str) -> int:
    """Whole pages of RAM above page 0, counted without the importers: lines are taken one by one (none touch)."""
    pages = 0
    new = re.compile(r"BIOS-e820: \[mem 0x([0-9a-f]+)-0x([0-9a-f]+)\] usable$", re.MULTILINE)
    iomem = re.compile(r"^([0-9a-f]+)-([0-9a-f]+) : System RAM$", re.MULTILINE)
    for first, last in new.findall(text) or iomem.findall(text):
        start = max(1, -(-int(first, 16) // 4096))
        pages += max(0, (int(last, 16) + 1) // 4096 - start)
    return pages


if DATA.is_dir():

    @pytest.mark.parametrize("name", sorted(MAPS))
    def test_published_map(name: str) -> None:
        path = DATA / "memory-maps" / name
        loaded = load_map(path)
        gib, nodes = MAPS[name]
        assert f"{loaded.listed_bytes / 2**30:.2f}" == gib
        assert loaded.nodes == nodes
        if loaded.kind in ("e820", "iomem"):
            assert loaded.total_bytes == usable_pages(path.read_text()) * 4096
        assert all(item.start % 4096 == 0 and item.length % 4096 == 0 for item in loaded.ranges)
        assert sum(loaded.node_bytes(node) for node in range(nodes)) == loaded.total_bytes

    def test_every_published_map_and_drive_is_listed_here() -> None:
        maps = {path.name for path in (DATA / "memory-maps").iterdir()}
        assert {name for name in maps if not name.endswith((".buddyinfo", ".pagetypeinfo"))} == set(MAPS)
        assert {path.name for path in (DATA / "nvme-hmb").glob("*.json")} == set(DRIVES)

    def test_two_views_of_one_machine_agree() -> None:
        views = [DATA / "memory-maps" / f"vm-hyperv-gen2-8g.{kind}" for kind in ("iomem", "e820.txt")]
        assert load_map(views[0]).ranges == load_map(views[1]).ranges

    @pytest.mark.parametrize("path", sorted((DATA / "memory-maps").glob("*info")), ids=lambda path: path.name)
    def test_published_buddyinfo(path: Path) -> None:
        loaded = load_buddyinfo(path)
        rows = re.findall(r"^Node +\d+, zone +\w+(?:, type +\w+)?((?: +\d+){11}) *$", path.read_text(), re.MULTILINE)
        assert loaded.total_bytes == sum(int(n) << i for row in rows for i, n in enumerate(row.split())) * 4096

    @pytest.mark.parametrize("name", sorted(DRIVES))
    def test_published_drive(name: str) -> None:
        loaded = load_id_ctrl(DATA / "nvme-hmb" / name)
        assert (loaded.hmpre, loaded.hmmin) == DRIVES[name]
        assert loaded.supports_hmb == (DRIVES[name][0] > 0)

    def test_bundled_machines_are_the_published_ones() -> None:
        for name, facts in storsim.data.machines().items():
            published = load_map(DATA / "memory-maps" / f"{name}.e820.txt")
            assert list(facts.ranges) == published.ranges
            assert facts.nodes == published.nodes


def test_bundled_machines_are_plausible() -> None:
    machines = storsim.data.machines()
    assert storsim.data.DEFAULT_MACHINE in machines
    assert {name.split("-")[0] for name in machines} == {"laptop", "desktop", "server", "vm"}
    for facts in machines.values():
        assert facts.source
        assert facts.title
        assert facts.total_bytes == sum(item.length for item in facts.ranges)
        assert all(item.start % 4096 == 0 for item in facts.ranges)
    assert machines["server-2socket-epyc-1536g"].nodes == 2
    assert machines["laptop-thinkpad-t400-3g"].ranges[-1].end < 4 << 30


def test_bundled_drives_load() -> None:
    drives = storsim.data.drives()
    assert drives[storsim.data.DEFAULT_DRIVE].load().preferred_bytes == 64 << 20
    assert not drives["dell-p4610-3200g"].load().supports_hmb
    phison = drives["phison-512g"].load()
    assert (phison.hmpre, phison.hmmin) == (139672, 546)
    assert all(facts.source and facts.title for facts in drives.values())
