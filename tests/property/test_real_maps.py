"""Sound and complete search on memory maps of real size, against arithmetic on runs."""

from __future__ import annotations

import random

import pytest

from kit.driver import Driver
from model import Request, RunMemory
from model.memory import ANY_NODE, PAGE
from storsim import Placement

GIB = 1 << 30
MIB = 1 << 20
ALL_ONES = 2**64 - 1
REFUSED = 0xC1000003

#: (start, length, node), shaped like machines people have: the holes, the odd sizes and the touching nodes are the
#: point.
MAPS: dict[str, list[tuple[int, int, int]]] = {
    "laptop 8 GiB": [
        (0x1000, 0x57000, 0),
        (0x59000, 0x45000, 0),
        (0x100000, 0x3FF00000, 0),
        (0x40400000, 0x3B9A5000, 0),
        (0x7F5FF000, 0x1000, 0),
        (0x100000000, 0x171800000, 0),
    ],
    "board 4 GiB": [
        (0x0, 0x9AC00, 0),
        (0x100000, 0xA7919000, 0),
        (0xA7A96000, 0x1000, 0),
        (0xA7B17000, 0x277000, 0),
        (0x100001000, 0x3EFFF000, 0),
    ],
    "server 1.5 TiB": [
        (0x0, 0xA0000, 0),
        (0x100000, 0x75C00000, 0),
        (0x76000000, 0x281FB000, 0),
        (0x100000000, 0xBF50000000, 0),
        (0xC050000000, 0x3C00000000, 1),
        (0x10000000000, 0x83FD0C0000, 1),
    ],
    "plain 16 GiB": [(0x1000, 0x9F000, 0), (0x100000, 3 * GIB - MIB, 0), (4 * GIB, 13 * GIB, 0)],
}


def _request(draw: random.Random) -> Request:
    size = draw.choice(
        [1, PAGE, PAGE + 1, 3 * PAGE, 64 * 1024, MIB, 2 * MIB + 5, 64 * MIB, GIB, draw.randrange(1, 8 * MIB)]
    )
    lowest = draw.choice([0, 0, 0, MIB, 16 * MIB, GIB, 4 * GIB, draw.randrange(0, 8 * GIB)])
    highest = draw.choice(
        [
            ALL_ONES,
            ALL_ONES,
            0xFFFFFF,
            0x7FFFFFFF,
            0xFFFFFFFF,
            (1 << 36) - 1,
            (1 << 40) - 1,
            draw.randrange(MIB, 16 * GIB),
        ]
    )
    boundary = draw.choice([0, 0, 0, 64 * 1024, MIB, 4 * GIB])
    return Request(size, lowest, highest, boundary, draw.choice([ANY_NODE, 0, 1]))


def _expected(memory: RunMemory, request: Request, nodes: int, placement: Placement) -> int | None:
    """The one place top-down and bottom-up must choose; None: refuse."""
    search = memory.lowest_of if placement == Placement.BOTTOM_UP else memory.highest_of
    if nodes == 1:
        return search(request)
    home = 0 if request.node == ANY_NODE else request.node
    near = search(request, home)
    return near if near is not None else search(request)


@pytest.mark.parametrize("placement", list(Placement), ids=lambda placement: placement.name.lower())
@pytest.mark.parametrize("name", MAPS)
def test_search_is_sound_and_complete(name: str, placement: Placement) -> None:
    ranges = MAPS[name]
    nodes = 1 + max(node for _, _, node in ranges)
    draw = random.Random(f"{name} {placement}")
    driver = Driver(ranges, placement=placement, level="release", seed=4)
    memory = RunMemory.of(ranges)
    for record in driver.pc.allocations():  # what the port took for itself
        first = record.pa // PAGE
        if any(run.first <= first < run.end for run in memory.free):
            memory.take(first, (record.pa + max(record.size, 1) - 1) // PAGE - first + 1)
    live: list[tuple[int, int, int]] = []
    granted = refused = 0
    for _ in range(250):
        if live and draw.random() < 0.35:
            va, size, first = live.pop(draw.randrange(len(live)))
            assert driver.free("dma", va, size, 1) == 0
            memory.give(first, -(-size // PAGE))
            continue
        request = _request(draw)
        place = None if memory_refuses(request) else _expected(memory, request, nodes, placement)
        status, va, pa = driver.allocate(
            "dma", request.number_of_bytes, request.lowest, request.highest, request.boundary, 1, request.node
        )
        if place is None:
            assert (status, va) == (REFUSED, 0), request
            refused += 1
            continue
        granted += 1
        assert status == 0, f"refused although page {place:#x} fits: {request}"
        assert memory.fits(pa // PAGE, request), (hex(pa), request)
        if placement in (Placement.TOP_DOWN, Placement.BOTTOM_UP):
            assert pa // PAGE == place, (hex(pa), hex(place * PAGE), request)
        memory.take(pa // PAGE, request.pages)
        live.append((va, request.number_of_bytes, pa // PAGE))
    assert granted > 50
    assert refused > 5
    for va, size, first in live:
        assert driver.free("dma", va, size, 1) == 0
        memory.give(first, -(-size // PAGE))
    assert [(run.start // PAGE, run.length // PAGE) for run in driver.pc.memory.runs()] == [
        (run.first, run.pages) for run in memory.free
    ]


def memory_refuses(request: Request) -> bool:
    """Requests no memory could satisfy."""
    return request.lowest > request.highest or bool(request.boundary and request.pages * PAGE > request.boundary)


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.9])
def test_search_in_fragmented_memory(fraction: float) -> None:
    """A thousand holes: granted exactly when the model finds a hole."""
    driver = Driver([(MIB, 64 * MIB, 0)], level="release", placement=Placement.TOP_DOWN)
    driver.pc.memory.fragment(fraction=fraction, run_pages=3, seed=11)
    memory = RunMemory.of([(MIB, 64 * MIB, 0)])
    memory.free = [
        type(memory.runs[0])(run.start // PAGE, run.length // PAGE, run.node) for run in driver.pc.memory.runs()
    ]
    draw = random.Random(5)
    outcomes = set()
    for _ in range(150):
        pages = draw.choice([1, 2, 3, 4, 5, 7, 8, 12, 16, 24, 40])
        request = Request(
            pages * PAGE,
            draw.choice([0, 8 * MIB + 1]),
            draw.choice([ALL_ONES, 40 * MIB]),
            draw.choice([0, 4 * PAGE, 64 * PAGE]),
        )
        place = None if memory_refuses(request) else memory.highest_of(request)
        status, _va, pa = driver.allocate(
            "contiguous", request.number_of_bytes, request.lowest, request.highest, request.boundary, 1, ANY_NODE
        )
        outcomes.add(status)
        assert (status == 0) == (place is not None), request
        if place is not None:
            assert pa // PAGE == place
            memory.take(place, pages)
    assert outcomes == {0, REFUSED}


@pytest.mark.parametrize("boundary", [0, 64 * 1024, MIB, GIB])
def test_largest_free_is_what_one_request_can_get(boundary: int) -> None:
    driver = Driver(MAPS["board 4 GiB"], level="release")
    for lowest, highest in ((0, ALL_ONES), (0, 0xFFFFFF), (MIB + 1, 0x7FFFFFFF), (4 * GIB, ALL_ONES)):
        largest = driver.pc.memory.largest_free(lowest=lowest, highest=highest, boundary=boundary)
        assert driver.allocate("dma", largest + PAGE, lowest, highest, boundary, 1, ANY_NODE)[0] == REFUSED
        status, va, _pa = driver.allocate("dma", largest, lowest, highest, boundary, 1, ANY_NODE)
        assert status == 0
        driver.free("dma", va, largest, 1)


def test_conservation_on_a_huge_machine() -> None:
    driver = Driver([(1 << 20, (1 << 46) - (1 << 20), 0)], level="release")
    free = driver.pc.memory.free_bytes()
    blocks = [
        (driver.allocate("dma", size, 0, ALL_ONES, 0, 1, ANY_NODE)[1], size) for size in (1, PAGE, 1 << 30, 1 << 38)
    ]
    assert free - driver.pc.memory.free_bytes() == sum(-(-size // PAGE) * PAGE for _, size in blocks)
    for va, size in blocks:
        driver.free("dma", va, size, 1)
    assert driver.pc.memory.free_bytes() == free
