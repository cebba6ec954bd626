"""The state machine that runs the core and the naive model side by side (global invariants 1–7 of the specification,
§9).
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from kit.driver import ALLOCATE, Driver
from kit.pages import PAGE, free_pages, pages_of
from model import Memory, Request, hmb_outcome, hmb_target, usable_pieces
from model.memory import ANY_NODE
from storsim import Placement

SUCCESS, REFUSED = 0, 0xC1000003
ALL_ONES = 2**64 - 1
FOUR_GIB_PAGES = (4 << 30) // PAGE


def maps() -> st.SearchStrategy[list[tuple[int, int, int]]]:
    """Small memories: a few runs of 8 to 60 pages on one or two nodes, some touching, one perhaps at the 4 GiB line."""

    @st.composite
    def build(draw: st.DrawFn) -> list[tuple[int, int, int]]:
        page, ranges = draw(st.integers(1, 20)), []
        nodes = draw(st.integers(1, 2))
        for index in range(draw(st.integers(1, 4))):
            pages = draw(st.integers(8, 60))
            ranges.append((page * PAGE, pages * PAGE, index % nodes))
            page += pages + draw(st.integers(0, 4))
        if draw(st.booleans()):
            ranges.append(((FOUR_GIB_PAGES - 6) * PAGE, 12 * PAGE, 0))
        return ranges

    return build()


def addresses() -> st.SearchStrategy[int]:
    """Limits around the small memories, inside pages and at their edges."""
    near = st.integers(0, 260 * PAGE)
    edges = st.builds(lambda page, delta: max(page * PAGE + delta, 0), st.integers(0, 260), st.sampled_from([-1, 0, 1]))
    return st.one_of(near, edges, st.sampled_from([0xFFFFFFFF, 1 << 32, ALL_ONES]))


SIZES = st.one_of(st.integers(1, 6 * PAGE), st.integers(1, 16).map(lambda pages: pages * PAGE))
FAMILIES = st.sampled_from(["contiguous", "dma"])
NODES = st.sampled_from([ANY_NODE, 0, 1])
BOUNDARIES = st.sampled_from([0, 0, 0, PAGE, 2 * PAGE, 4 * PAGE, 8 * PAGE, 16 * PAGE, 1 << 32, 3 * PAGE, 512])


class Lockstep(RuleBasedStateMachine):
    """Runs a driver against the model; ``placement`` may be fixed by a subclass."""

    placement: Placement | None = None
    blocks: Bundle[tuple[str, int, int, int, int]] = Bundle("blocks")
    pools: Bundle[tuple[int, int]] = Bundle("pools")
    snapshots: Bundle[int] = Bundle("snapshots")

    # -- beginning and end -------------------------------------------------------------------------------------------

    @initialize(
        ranges=maps(),
        placement=st.sampled_from(list(Placement)),
        seed=st.integers(0, 3),
        policy=st.sampled_from(["prefer", "strict"]),
        cross_node=st.booleans(),
    )
    def begin(
        self, ranges: list[tuple[int, int, int]], placement: Placement, seed: int, policy: str, cross_node: bool
    ) -> None:
        """A machine, its model, and what the port took for itself."""
        self.knobs: dict[str, Any] = {
            "placement": self.placement or placement,
            "seed": seed,
            "node_policy": policy,
            "allow_cross_node": cross_node,
            "level": "release",
            "hmb_cap": None,
        }
        self.ranges = ranges
        self.model = Memory.of(ranges, cross_node=cross_node)
        self.driver = Driver(ranges, **self.knobs)
        self.steps: list[tuple[Any, ...]] = []
        self.answers: list[Any] = []
        self.ranges_of_hmb: tuple[tuple[int, int], ...] | None = None
        self.live: dict[int, tuple[str, int, int, int, int]] = {}
        self.pool_blocks: dict[int, int] = {}
        self.saved: dict[int, tuple[Any, ...]] = {}
        actual = free_pages(self.driver.pc)
        taken = self.model.free - actual
        assert actual <= self.model.free
        assert taken == set().union(*(pages_of(record.pa, record.size) for record in self.driver.pc.allocations()))
        self.model.free = actual

    def do(self, *step: Any) -> Any:
        """One step on the machine, written down so that it can be repeated."""
        note(repr(step))
        answer, names = self.driver.do(step)
        self.steps.append(step)
        self.answers.append((answer, names))
        return answer

    def teardown(self) -> None:
        """The same steps on a fresh machine give the same answers and the same state."""
        if not hasattr(self, "driver"):
            return
        again = Driver(self.ranges, **self.knobs)
        for step, answer in zip(self.steps, self.answers, strict=True):
            assert again.do(step) == answer, f"{step} answered otherwise the second time"
        assert again.pc.digest() == self.driver.pc.digest()

    # -- contiguous and DMA memory -----------------------------------------------------------------------------------

    @rule(target=blocks, family=FAMILIES, size=SIZES, node=NODES)
    def allocate(self, family: str, size: int, node: int) -> Any:
        """A request that any free hole can serve."""
        return self.request(family, size, 0, ALL_ONES, 0, 1, node)

    @rule(
        target=blocks,
        family=FAMILIES,
        size=SIZES,
        start=st.integers(0, 255),
        width=st.integers(0, 12 * 16 * PAGE),
        inside=st.sampled_from([-1, 0, 0, 1, 100]),
        boundary=BOUNDARIES,
        cache=st.integers(0, 2),
        node=NODES,
    )
    def allocate_within(
        self, family: str, size: int, start: int, width: int, inside: int, boundary: int, cache: int, node: int
    ) -> Any:
        """A request with limits that lie somewhere around free memory, at page edges and inside pages."""
        pages = sorted(self.model.free)
        lowest = max((pages[start % len(pages)] if pages else start) * PAGE + inside, 0)
        return self.request(family, size, lowest, lowest + width, boundary, cache, node)

    @rule(
        target=blocks,
        family=FAMILIES,
        size=SIZES,
        lowest=addresses(),
        highest=addresses(),
        boundary=BOUNDARIES,
        node=NODES,
    )
    def allocate_anyhow(self, family: str, size: int, lowest: int, highest: int, boundary: int, node: int) -> Any:
        """A request whose limits have nothing to do with each other."""
        return self.request(family, size, lowest, highest, boundary, 0, node)

    def request(self, family: str, size: int, lowest: int, highest: int, boundary: int, cache: int, node: int) -> Any:
        """Granted exactly when the model has a place, and at one of its places."""
        request = Request(size, lowest, highest, boundary, node)
        allowed, refusable = self.allowed(request)
        status, va, pa = self.do("allocate", family, size, lowest, highest, boundary, cache, node)
        if not allowed or (refusable and status != SUCCESS):
            assert (status, va) == (REFUSED, 0), f"granted what the rules forbid: {request}"
            return multiple()
        assert status == SUCCESS, f"refused although {len(allowed)} places fit: {request}"
        first = pa // PAGE
        assert (pa % PAGE, va % PAGE) == (0, 0)
        assert first in allowed, f"page {first:#x} is not one of {allowed}"
        self.check_policy(request, first, allowed)
        self.model.take(first, request.pages)
        block = (family, va, size, cache, first)
        self.live[va] = block
        return block

    def allowed(self, request: Request) -> tuple[list[int], bool]:
        """The places the model allows under the node policy, and whether a refusal is in order although there are some.

        Where blocks may cross from one node to the next, the rules do not say which node such a block is on: with the
        strict policy it may be granted to a request for either, or refused.
        """
        if self.model.nodes > 1 and request.node != ANY_NODE and request.node >= self.model.nodes:
            return [], False
        pages, node_of = self.model.candidates(request), self.model.node_of
        if self.model.nodes == 1:
            return pages, False
        strict = request.node != ANY_NODE and self.knobs["node_policy"] == "strict"
        if self.model.cross_node:
            last = request.pages - 1
            touching = [page for page in pages if request.node in (node_of(page), node_of(page + last))]
            inside = [page for page in touching if node_of(page) == node_of(page + last)]
            return (touching, not inside) if strict else (pages, False)
        if request.node == ANY_NODE and self.knobs["placement"] == Placement.ADVERSARIAL:
            return pages, False
        if strict:
            return [page for page in pages if node_of(page) == request.node], False
        return self.model.preferred(request, pages), False

    def check_policy(self, request: Request, first: int, allowed: list[int]) -> None:
        """Top-down is the highest place, bottom-up the lowest."""
        if self.model.cross_node and self.model.nodes > 1:
            return
        if self.knobs["placement"] == Placement.TOP_DOWN:
            assert first == allowed[-1]
        elif self.knobs["placement"] == Placement.BOTTOM_UP:
            assert first == allowed[0]

    @rule(block=consumes(blocks))
    def free(self, block: tuple[str, int, int, int, int]) -> None:
        """Exactly the pages of the block come back."""
        family, va, size, cache, first = block
        if self.live.get(va) != block:
            return
        assert self.do("free", family, va, size, cache) == SUCCESS
        self.model.give(first, -(-size // PAGE))
        del self.live[va]

    @rule(block=blocks, data=st.binary(min_size=1, max_size=40))
    def store(self, block: tuple[str, int, int, int, int], data: bytes) -> None:
        """What is stored is read back."""
        if self.live.get(block[1]) == block and len(data) <= block[2]:
            assert self.do("store", block[1], data) == data

    @rule(block=blocks, offset=st.sampled_from([1, 16, PAGE]))
    def stop_with_an_interior_pointer(self, block: tuple[str, int, int, int, int], offset: int) -> None:
        """A bugcheck, and the machine goes on from a snapshot as if nothing had been."""
        if self.live.get(block[1]) == block and offset < block[2]:
            code = self.do("stop", "contiguous", block[1] + offset)
            assert code[:3] == (0xC2, 0x60, block[1] + offset)

    @rule(size=SIZES, routine=st.sampled_from(sorted(ALLOCATE)))
    def injected_failure(self, size: int, routine: str) -> None:
        """A planned failure has no effect besides its status."""
        if not self.allowed(Request(size))[0]:
            return
        self.do("fault", ALLOCATE[routine], 1)
        before = self.driver.pc.memory.runs()
        assert self.do("allocate", routine, size, 0, ALL_ONES, 0, 1, ANY_NODE) == (REFUSED, 0, 0)
        assert self.driver.pc.memory.runs() == before

    # -- pool and MDLs -----------------------------------------------------------------------------------------------

    @rule(target=pools, size=st.one_of(st.integers(1, PAGE), st.integers(1, 6 * PAGE)))
    def pool(self, size: int) -> Any:
        """Pool takes at most the pages it needs; blocks never share a byte."""
        status, va = self.do("pool", size, "Prop")
        after = free_pages(self.driver.pc)
        taken = self.model.free - after
        assert after <= self.model.free
        if status != SUCCESS:
            assert (status, va) == (REFUSED, 0)
            assert not taken
            assert len(self.model.free) < -(-size // PAGE), "refused although enough pages are free"
            return multiple()
        assert len(taken) <= -(-size // PAGE)
        assert va % (PAGE if size >= PAGE else 16) == 0
        assert size > PAGE or va // PAGE == (va + size - 1) // PAGE
        assert all(va + size <= start or start + length <= va for start, length in self.pool_blocks.items())
        self.model.free = after
        self.pool_blocks[va] = size
        return va, size

    @rule(block=consumes(pools))
    def free_pool(self, block: tuple[int, int]) -> None:
        """Pages may come back, none is lost."""
        va, size = block
        if self.pool_blocks.get(va) != size:
            return
        assert self.do("free_pool", va) == SUCCESS
        after = free_pages(self.driver.pc)
        assert self.model.free <= after
        assert size < PAGE or len(after) - len(self.model.free) == -(-size // PAGE)
        self.model.free = after
        del self.pool_blocks[va]

    @rule(block=pools, start=st.integers(0, 4 * PAGE), length=st.integers(1, 6 * PAGE))
    def describe(self, block: tuple[int, int], start: int, length: int) -> None:
        """An MDL names the pages of its buffer, and goes without a trace."""
        va, size = block
        if self.pool_blocks.get(va) != size or start >= size:
            return
        length = min(length, size - start)
        before = self.model.free
        status, address, pages = self.do("mdl", va + start, length)
        if status != SUCCESS:
            assert status == REFUSED
            return
        first = (va + start) // PAGE
        assert len(pages) == (va + start + length - 1) // PAGE - first + 1
        for index, page in enumerate(pages):
            inside = max((first + index) * PAGE, va)
            assert page // PAGE == self.driver.pc.physical(inside) // PAGE
        assert self.do("free_mdl", address) == SUCCESS
        self.model.free = free_pages(self.driver.pc)
        assert self.model.free == before

    # -- Host Memory Buffer ------------------------------------------------------------------------------------------

    @precondition(lambda self: self.ranges_of_hmb is None)
    @rule(
        minimum=st.one_of(st.just(0), st.integers(0, 40)),
        preferred=st.integers(1, 60),
        alignment=st.sampled_from([0, 0, PAGE, 4 * PAGE]),
        lowest=st.sampled_from([0, 0, 0, 10 * PAGE + 1, 64 * PAGE]),
        highest=st.sampled_from([ALL_ONES, ALL_ONES, ALL_ONES, 80 * PAGE, 120 * PAGE - 2, 1 << 32]),
        count=st.integers(1, 6),
    )
    def hmb(self, minimum: int, preferred: int, alignment: int, lowest: int, highest: int, count: int) -> None:
        """As many bytes as possible up to the preferred size, in as few ranges as possible: against brute force."""
        preferred, lowest = max(minimum, preferred), min(lowest, highest)
        pieces = usable_pieces(self.model.free_runs(), alignment, lowest, highest)
        if len(pieces) > 14:
            return
        target = hmb_target(2, minimum * PAGE, preferred * PAGE, 0)
        expected = hmb_outcome(pieces, target, minimum * PAGE, count) if pieces else None
        status, ranges = self.do("hmb", minimum * PAGE, preferred * PAGE, alignment, lowest, highest, count)
        if expected is None:
            assert (status, ranges) == (REFUSED, ())
            return
        assert status == SUCCESS, f"refused although {expected} was possible"
        assert (sum(length for _, length in ranges), len(ranges)) == expected
        assert list(ranges) == sorted(ranges)
        for start, length in ranges:
            assert start % max(PAGE, alignment) == 0
            assert length % PAGE == 0
            assert length > 0
            assert lowest <= start
            assert start + length - 1 <= highest
            self.model.take(start // PAGE, length // PAGE)
        self.ranges_of_hmb = ranges

    @precondition(lambda self: self.ranges_of_hmb is not None)
    @rule(how=st.sampled_from(["exact", "exact", "partial", "shorter", "foreign"]))
    def free_hmb(self, how: str) -> None:
        """All or nothing."""
        assert self.ranges_of_hmb is not None
        ranges = self.ranges_of_hmb
        if how == "exact":
            assert self.do("free_hmb", ranges) == SUCCESS
            for start, length in ranges:
                self.model.give(start // PAGE, length // PAGE)
            self.ranges_of_hmb = None
            return
        wrong = {
            "partial": ranges[:-1],
            "shorter": ((ranges[0][0], ranges[0][1] + PAGE), *ranges[1:]),
            "foreign": (*ranges, (1 << 40, PAGE)),
        }[how]
        assert self.do("free_hmb", wrong) == 0xC1000001

    # -- the tester's own hand ---------------------------------------------------------------------------------------

    @rule(page=st.integers(0, 260), pages=st.integers(1, 6), inside=st.integers(0, PAGE - 1))
    def reserve(self, page: int, pages: int, inside: int) -> None:
        """Whole pages are taken out or none."""
        start, length = page * PAGE + inside, (pages - 1) * PAGE + 1
        wanted = set(range(page, (start + length - 1) // PAGE + 1))
        assert self.do("reserve", start, length) == (wanted <= self.model.free)
        if wanted <= self.model.free:
            self.model.free -= wanted
            self.do("release", start, length)
            self.model.free |= wanted

    @rule(target=snapshots)
    def save(self) -> int:
        """A snapshot changes nothing."""
        digest = self.driver.pc.digest()
        key = len(self.saved)
        assert self.do("save", key) == digest
        state = (self.model.free, self.ranges_of_hmb, self.live, self.pool_blocks)
        self.saved[key] = (digest, copy.deepcopy(state))
        return key

    @rule(key=snapshots)
    def restore(self, key: int) -> None:
        """Going back equals never having left."""
        digest, state = self.saved[key]
        assert self.do("restore", key) == digest
        self.model.free, self.ranges_of_hmb, self.live, self.pool_blocks = copy.deepcopy(state)

    # -- always ------------------------------------------------------------------------------------------------------

    @invariant()
    def pages_are_conserved(self) -> None:
        """The machine's free pages are the model's, counted and listed; and the machine finds nothing wrong with
        itself.
        """
        if not hasattr(self, "driver"):
            return
        pc = self.driver.pc
        assert free_pages(pc) == self.model.free
        assert pc.memory.free_bytes() == len(self.model.free) * PAGE
        assert [(run.start // PAGE, run.length // PAGE) for run in pc.memory.runs()] == [
            (run.first, run.pages) for run in self.model.free_runs()
        ]
        assert not pc.check()
