"""Physical pages and the placement rule (specification §4.1, §4.3; rulings R30, R31)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

PAGE = 4096
ALL_ONES = 2**64 - 1
ANY_NODE = 0x80000000


@dataclass(frozen=True)
class Run:
    """Neighbouring pages of one node."""

    first: int
    pages: int
    node: int = 0

    @property
    def end(self) -> int:
        """The page after the last one."""
        return self.first + self.pages


@dataclass(frozen=True)
class Request:
    """A request for physically contiguous memory, as the routines take it. Bytes throughout; limits inclusive."""

    number_of_bytes: int
    lowest: int = 0
    highest: int = ALL_ONES
    boundary: int = 0
    node: int = ANY_NODE

    @property
    def pages(self) -> int:
        """Whole pages needed."""
        return -(-self.number_of_bytes // PAGE)


def normalise(ranges: Iterable[tuple[int, int, int]]) -> list[Run]:
    """Byte ranges (start, length, node) as whole pages: touching ranges of one node joined, then rounded inward,
    without page 0.
    """
    joined: list[list[int]] = []
    for start, length, node in sorted(ranges):
        if joined and joined[-1][1] == start and joined[-1][2] == node:
            joined[-1][1] = start + length
        else:
            joined.append([start, start + length, node])
    runs = []
    for start, end, node in joined:
        first, last = max(-(-start // PAGE), 1), end // PAGE
        if last > first:
            runs.append(Run(first, last - first, node))
    return runs


@dataclass
class Memory:
    """Which pages exist and which are free. ``free`` is the truth; everything else is worked out from it on demand."""

    runs: list[Run]
    nodes: int = 1
    cross_node: bool = False
    free: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int, int]], *, cross_node: bool = False) -> Memory:
        """All pages of the ranges, free."""
        runs = normalise(ranges)
        memory = cls(runs, 1 + max(run.node for run in runs), cross_node)
        memory.free = {page for run in runs for page in range(run.first, run.end)}
        return memory

    def node_of(self, page: int) -> int:
        """The node a page of the map belongs to."""
        return next(run.node for run in self.runs if run.first <= page < run.end)

    def free_runs(self) -> list[Run]:
        """Maximal runs of free pages; split where the map's runs end, and at node borders unless blocks may cross
        them.
        """
        found: list[Run] = []
        for run in sorted(self.runs, key=lambda run: run.first):
            start: int | None = None
            for page in range(run.first, run.end + 1):
                if page < run.end and page in self.free:
                    start = page if start is None else start
                elif start is not None:
                    found.append(Run(start, page - start, run.node))
                    start = None
        if not self.cross_node:
            return found
        merged: list[Run] = []
        for run in found:
            if merged and merged[-1].end == run.first:
                merged[-1] = Run(merged[-1].first, merged[-1].pages + run.pages, merged[-1].node)
            else:
                merged.append(run)
        return merged

    def fits(self, first: int, request: Request) -> bool:
        """The placement rule for one candidate page, word by word (§4.1, mode ``doc``)."""
        pages = range(first, first + request.pages)
        if first == 0 or not all(page in self.free for page in pages):
            return False
        if not self.cross_node and not any(
            run.first <= first and first + request.pages <= run.end for run in self.runs
        ):
            return False
        if first * PAGE < request.lowest or first * PAGE + request.number_of_bytes - 1 > request.highest:
            return False
        if request.boundary:
            return first * PAGE // request.boundary == ((first + request.pages) * PAGE - 1) // request.boundary
        return True

    def malformed(self, request: Request) -> bool:
        """Requests that no memory could satisfy (§3.2)."""
        return (
            request.number_of_bytes == 0
            or request.lowest > request.highest
            or (request.boundary != 0 and (request.boundary & (request.boundary - 1) != 0 or request.boundary < PAGE))
            or (request.boundary != 0 and request.pages * PAGE > request.boundary)
        )

    def candidates(self, request: Request) -> list[int]:
        """Every first page at which the request may be placed, on any node, ascending. Empty: it must be refused."""
        if self.malformed(request):
            return []
        return [page for page in sorted(self.free) if self.fits(page, request)]

    def candidates_by_runs(self, request: Request) -> Iterator[range]:
        """The same as ranges of first pages, by arithmetic on the free runs: for maps too large to enumerate.

        Exact only without a boundary rule tighter than the run; with one, each window is a range of its own.
        """
        if self.malformed(request):
            return
        low = -(-request.lowest // PAGE)
        high = request.highest - request.number_of_bytes + 1
        if high < 0:
            return
        for run in self.free_runs():
            yield from self._windows(run, low, high // PAGE, request)

    @staticmethod
    def _windows(run: Run, low: int, high: int, request: Request) -> Iterator[range]:
        first, last = max(run.first, low), min(run.end - request.pages, high)
        if last < first:
            return
        if not request.boundary:
            yield range(first, last + 1)
            return
        window = request.boundary // PAGE
        start = first
        while start <= last:
            edge = (start // window + 1) * window  # the block must end at or before it
            stop = min(last, edge - request.pages)
            if stop >= start:
                yield range(start, stop + 1)
            start = edge

    def preferred(self, request: Request, pages: list[int], *, home: int = 0) -> list[int]:
        """The candidates that node order allows: the preferred node if it has any, else all others (they are equally
        far).
        """
        if self.nodes == 1:
            return pages
        node = home if request.node == ANY_NODE else request.node
        near = [page for page in pages if self.node_of(page) == node]
        return near or pages

    def take(self, first: int, pages: int) -> None:
        """Marks pages as used; they must be free."""
        wanted = set(range(first, first + pages))
        assert wanted <= self.free
        self.free -= wanted

    def give(self, first: int, pages: int) -> None:
        """Marks pages as free; they must be used."""
        returned = set(range(first, first + pages))
        assert not returned & self.free
        self.free |= returned


@dataclass
class RunMemory:
    """The same rules over lists of runs, for maps of real size: nothing is enumerated page by page."""

    runs: list[Run]
    free: list[Run] = field(default_factory=list)

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int, int]]) -> RunMemory:
        """All pages of the ranges, free."""
        runs = normalise(ranges)
        return cls(runs, list(runs))

    def take(self, first: int, pages: int) -> None:
        """Marks pages as used; they must lie in one free run."""
        index = next(i for i, run in enumerate(self.free) if run.first <= first and first + pages <= run.end)
        run = self.free.pop(index)
        rest = [Run(run.first, first - run.first, run.node), Run(first + pages, run.end - first - pages, run.node)]
        self.free[index:index] = [piece for piece in rest if piece.pages]

    def give(self, first: int, pages: int) -> None:
        """Marks pages as free again and joins them with their free neighbours of the same run of the map."""
        home = next(run for run in self.runs if run.first <= first and first + pages <= run.end)
        self.free.append(Run(first, pages, home.node))
        self.free.sort(key=lambda run: run.first)
        joined: list[Run] = []
        for run in self.free:
            if joined and joined[-1].end == run.first and run.first not in {piece.first for piece in self.runs}:
                joined[-1] = Run(joined[-1].first, joined[-1].pages + run.pages, run.node)
            else:
                joined.append(run)
        self.free = joined

    def lowest(self, run: Run, request: Request) -> int | None:
        """Lowest first page for the request in one free run."""
        first, last = self._span(run, request)
        window = request.boundary // PAGE
        if window and first % window + request.pages > window:
            first = (first // window + 1) * window
        return first if first <= last else None

    def highest(self, run: Run, request: Request) -> int | None:
        """Highest first page for the request in one free run."""
        first, last = self._span(run, request)
        window = request.boundary // PAGE
        if window and last % window + request.pages > window:
            last = last // window * window + window - request.pages
        return last if first <= last else None

    @staticmethod
    def _span(run: Run, request: Request) -> tuple[int, int]:
        low = -(-request.lowest // PAGE)
        high = (request.highest - request.number_of_bytes + 1) // PAGE
        return max(run.first, low), min(run.end - request.pages, high)

    def fits(self, first: int, request: Request) -> bool:
        """The placement rule for one candidate page."""
        if not any(run.first <= first and first + request.pages <= run.end for run in self.free):
            return False
        if first * PAGE < request.lowest or first * PAGE + request.number_of_bytes - 1 > request.highest:
            return False
        return (
            not request.boundary
            or first * PAGE // request.boundary == ((first + request.pages) * PAGE - 1) // request.boundary
        )

    def highest_of(self, request: Request, node: int | None = None) -> int | None:
        """Highest first page anywhere (on one node); None: the request cannot be served."""
        found = [self.highest(run, request) for run in self.free if node is None or run.node == node]
        return max((page for page in found if page is not None), default=None)

    def lowest_of(self, request: Request, node: int | None = None) -> int | None:
        """Lowest first page anywhere (on one node); None: the request cannot be served."""
        found = [self.lowest(run, request) for run in self.free if node is None or run.node == node]
        return min((page for page in found if page is not None), default=None)
