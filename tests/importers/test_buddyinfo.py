"""load_buddyinfo: counts, totals, damage."""

from __future__ import annotations

import pytest

from importers.samples import BUDDYINFO, PAGETYPEINFO
from storsim.importers import MapError, load_buddyinfo

DMA = (1, 1, 1, 0, 2, 1, 1, 0, 1, 1, 3)


def test_counts_and_totals() -> None:
    loaded = load_buddyinfo(BUDDYINFO)
    assert loaded.kind == "buddyinfo"
    assert [(zone.node, zone.zone) for zone in loaded.zones] == [(0, "DMA"), (0, "DMA32"), (1, "Normal")]
    assert loaded.zones[0].free == DMA
    assert loaded.zones[0].free_pages == 1 + 2 + 4 + 2 * 16 + 32 + 64 + 256 + 512 + 3 * 1024
    assert loaded.total_bytes == sum(zone.free_bytes for zone in loaded.zones)
    assert loaded.nodes == 2
    assert loaded.free[0] == 1 + 170 + 356
    assert loaded.largest_order == 10
    assert loaded.zones[1].window == (16 << 20, (4 << 30) - 1)


def test_pagetypeinfo_adds_up_and_notes_lower_bounds() -> None:
    loaded = load_buddyinfo(PAGETYPEINFO)
    assert loaded.kind == "pagetypeinfo"
    assert loaded.zones[0].free == (15, 2, 100000, 0, 0, 0, 0, 0, 0, 0, 1)
    assert loaded.notes == ["1 counts are lower bounds: Linux stopped counting"]


def test_nothing_free() -> None:
    loaded = load_buddyinfo("Node 0, zone Normal" + " 0" * 11 + "\n")
    assert (loaded.total_bytes, loaded.largest_order) == (0, -1)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param("", 1, "found nothing", id="empty"),
        pytest.param(BUDDYINFO.replace("111", "1x1"), 2, "expected 'Node", id="digit"),
        pytest.param(BUDDYINFO.replace("    111", ""), 2, "expected 11 counts", id="column-lost"),
        pytest.param(BUDDYINFO.replace("    111", "    111 5"), 2, "found 12", id="column-more"),
        pytest.param(BUDDYINFO.replace("111", "9" * 16), 2, "number of free blocks", id="huge"),
        pytest.param(BUDDYINFO + BUDDYINFO, 4, "as on line 1", id="twice"),
        pytest.param(
            BUDDYINFO.replace("Node 0, zone    DMA32", "Nod 0, zone    DMA32"), 2, "expected 'Node", id="name"
        ),
        pytest.param("MemTotal: 5 kB\n", 1, "expected 'Node", id="another-file"),
        pytest.param(PAGETYPEINFO.replace(", type    Unmovable", ""), 5, "type <name>", id="type-lost"),
        pytest.param(
            PAGETYPEINFO.replace("     Movable      5", "   Unmovable      5"), 6, "each type once", id="type-twice"
        ),
        pytest.param(PAGETYPEINFO.split("Node")[0], 1, "at least one", id="heading-only"),
    ],
)
def test_damage(text: str, line: int, says: str) -> None:
    with pytest.raises(MapError) as info:
        load_buddyinfo(text)
    assert info.value.line == line
    assert says in str(info.value)
    assert "\n" not in str(info.value)
