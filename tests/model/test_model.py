"""The model against itself: the exhaustive search and the arithmetic one, on machines small enough for both."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.hmb import CUT, fewest_ranges, hmb_outcome, hmb_target, largest_total, usable_pieces
from model.memory import ALL_ONES, PAGE, Memory, Request, Run, RunMemory, normalise

MIB = 1 << 20


def small_memories() -> st.SearchStrategy[Memory]:
    """Up to 60 pages in up to four runs, some of them taken."""

    @st.composite
    def build(draw: st.DrawFn) -> Memory:
        page, ranges = draw(st.integers(1, 5)), []
        for _ in range(draw(st.integers(1, 4))):
            pages = draw(st.integers(1, 15))
            ranges.append((page * PAGE, pages * PAGE, draw(st.integers(0, 1))))
            page += pages + draw(st.integers(0, 3))
        memory = Memory.of(ranges, cross_node=draw(st.booleans()))
        for taken in draw(st.lists(st.sampled_from(sorted(memory.free)), max_size=20)):
            memory.free.discard(taken)
        return memory

    return build()


def requests() -> st.SearchStrategy[Request]:
    """Requests around the size of the small memories, well formed and not."""
    address = st.one_of(st.integers(0, 80 * PAGE), st.just(ALL_ONES))
    boundary = st.sampled_from([0, 0, 0, 1, 2048, PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE, 16 * PAGE, 64 * PAGE])
    return st.builds(Request, st.integers(0, 20 * PAGE), st.integers(0, 80 * PAGE), address, boundary)


@given(small_memories(), requests())
def test_both_searches_agree(memory: Memory, request: Request) -> None:
    by_runs = [page for pages in memory.candidates_by_runs(request) for page in pages]
    assert by_runs == memory.candidates(request)


@given(small_memories(), requests())
def test_the_extremes_are_those_of_the_exhaustive_search(memory: Memory, request: Request) -> None:
    if memory.cross_node or memory.malformed(request):
        memory.cross_node, request = False, Request(3 * PAGE, 5 * PAGE + 1, 50 * PAGE, 4 * PAGE)
    runs = RunMemory(memory.runs, memory.free_runs())
    pages = memory.candidates(request)
    assert runs.lowest_of(request) == (pages[0] if pages else None)
    assert runs.highest_of(request) == (pages[-1] if pages else None)
    assert all(runs.fits(page, request) == (page in pages) for page in range(80))


@given(small_memories(), st.data())
def test_runs_and_pages_stay_the_same(memory: Memory, data: st.DataObject) -> None:
    memory.cross_node = False
    runs = RunMemory(memory.runs, memory.free_runs())
    if not memory.free:
        return
    run = data.draw(st.sampled_from(runs.free))
    first = data.draw(st.integers(run.first, run.end - 1))
    pages = data.draw(st.integers(1, run.end - first))
    before = memory.free_runs()
    for model in (memory, runs):
        model.take(first, pages)
    assert runs.free == memory.free_runs()
    for model in (memory, runs):
        model.give(first, pages)
    assert runs.free == memory.free_runs() == before


def test_ranges_are_joined_before_they_are_rounded() -> None:
    assert normalise([(0x1000, 0x800, 0), (0x1800, 0x800, 0)]) == [Run(1, 1, 0)]
    assert normalise([(0x1000, 0x800, 0), (0x1800, 0x800, 1)]) == []
    assert normalise([(0, 0x2000, 0)]) == [Run(1, 1, 0)]


def test_boundary_is_touched_but_not_crossed() -> None:
    memory = Memory.of([(16 * PAGE, 32 * PAGE, 0)])
    request = Request(2 * PAGE, boundary=16 * PAGE)
    assert [page for page in range(16, 47) if page not in memory.candidates(request)] == [31]


def test_targets_of_the_policies() -> None:
    assert hmb_target(0, 8 * MIB, 64 * MIB, 0) == 0
    assert hmb_target(1, 8 * MIB, 64 * MIB, 16 << 30) == 8 * MIB
    assert hmb_target(2, 8 * MIB, 64 * MIB, 16 << 30) == 64 * MIB
    assert hmb_target(3, 8 * MIB, 64 * MIB, 16 << 30) == 16 * MIB
    assert hmb_target(1, 0, 64 * MIB, 0) == PAGE
    assert hmb_target(2, 0, 64 * MIB, 0, cap=MIB) == MIB
    assert hmb_target(2, 2 * MIB, 64 * MIB, 0, cap=MIB) == 0


@given(st.lists(st.integers(1, 40), min_size=1, max_size=7), st.integers(1, 5), st.integers(1, 120))
def test_largest_first_is_what_brute_force_finds(sizes: list[int], count: int, target: int) -> None:
    pieces = [(index << 24, size * PAGE) for index, size in enumerate(sizes)]
    greedy = sorted((size for size in sizes), reverse=True)
    assert largest_total(pieces, count) == sum(greedy[:count]) * PAGE
    got = hmb_outcome(pieces, target * PAGE, 0, count)
    assert got is not None
    assert got[0] == min(target, sum(greedy[:count])) * PAGE
    assert fewest_ranges(pieces, got[0]) == got[1] <= count


def test_pieces_are_cut_and_the_next_start_is_aligned() -> None:
    run = Run(1 << 20, (9 << 30) // PAGE)
    pieces = usable_pieces([run], alignment=1 << 20)
    assert pieces[0] == (4 << 30, CUT)
    assert pieces[1] == ((8 << 30), CUT)
    assert all(start % MIB == 0 for start, _ in pieces)
