"""Rows about the core without Python: workloads replayed in C, the pool, what a routine adds, other libraries."""

from __future__ import annotations

import bisect
import importlib
import json
import math
import os
import platform
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.build import ROOT, CannotBuild, compiler, run
from tests.bench.measure import Ratio, Row, loop, ratios, rounds

LIBRARIES = {
    "mimalloc": ("libmimalloc.so.2", "apt install libmimalloc2.0"),
    "jemalloc": ("libjemalloc.so.2", "apt install libjemalloc2"),
}


class Core:
    """The C programs, built once: replayer, adapters, and what a routine costs."""

    def __init__(self, into: Path, prototype: Path | None) -> None:
        build = into / "core"
        flags = ["-O2", "-g", "-DNDEBUG"]
        if prototype is not None and platform.machine() in ("x86_64", "AMD64"):
            flags.append("-march=x86-64-v3")  # what the prototype needs, for both
        make = ["make", "-s", "-j2", "-C", str(ROOT / "csrc"), "bench", f"BUILD={build}", "WERROR="]
        run([*make, "BENCH_OPT=" + " ".join(flags), "CC=" + " ".join(compiler())])
        self.folder = Path(f"{build}-bench")
        self.pages = self.folder / "bench_adapter.so"
        self.pool = self.folder / "pool_adapter.so"
        self.prototype: Path | None = None
        if prototype is not None:
            self.prototype = into / "prototype.so"
            header = prototype.parent if (prototype.parent / "sttrace.h").exists() else prototype.parent.parent
            run(
                [
                    *compiler(),
                    *flags,
                    "-shared",
                    "-fPIC",
                    "-w",
                    f"-I{header}",
                    str(prototype),
                    "-o",
                    str(self.prototype),
                ]
            )

    def replay(self, adapter: str, workload: str, live: int, ops: int, preload: str = "") -> dict[str, Any]:
        """One run of the replayer: nanoseconds per operation and what else it saw."""
        command = [str(self.folder / "replay"), adapter, workload, str(live), str(ops)]
        environment = os.environ | ({"LD_PRELOAD": preload} if preload else {})
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise CannotBuild(done.stderr.strip() or f"replay ended with {done.returncode}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def routine(self, name: str, pairs: int) -> float:
        """Nanoseconds of one allocation and its free by a routine, called from C."""
        return float(run([str(self.folder / "ddi_cost"), name, str(pairs), "1000"]).split()[3])

    def notification(self, seconds: int) -> float:
        """Nanoseconds that an interrupt of an audio entry costs with a C function as callback, recorded by default."""
        lines = run([str(self.folder / "notify_cost"), str(seconds)]).splitlines()
        spent = {line.split()[0]: float(line.split()[1]) for line in lines}
        return spent["recorded"] - spent["silent"]

    def instructions(self, name: str, pairs: int = 2000) -> float:
        """The same in instructions."""
        return (
            self._collected(["--toggle-collect=measured"], [str(self.folder / "ddi_cost"), name, str(pairs), "1000"])
            / pairs
        )

    def churn_instructions(self, live: int, ops: int) -> float:
        """Instructions of an operation of W1 beyond those of the null allocator."""
        counts = []
        for adapter in (str(self.pages), "null"):
            for count in (ops, 2 * ops):  # the difference leaves out what comes before
                counts.append(self._collected([], [str(self.folder / "replay"), adapter, "w1", str(live), str(count)]))
        return (counts[1] - counts[0] - (counts[3] - counts[2])) / ops

    def _collected(self, options: list[str], program: list[str]) -> int:
        out = self.folder / "callgrind.out"
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", *options, *program]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = [line.split(":")[1] for line in done.stderr.splitlines() if "Collected" in line]
        if not found or int(found[0]) == 0:
            raise CannotBuild(f"valgrind counted nothing in {program[0]}")
        return int(found[0])


@dataclass(frozen=True)
class _Replays:
    """What the rounds saw of a workload: storsim, the null allocator and, where it is there, the prototype."""

    seen: dict[str, list[dict[str, Any]]]

    @staticmethod
    def of(core: Core, workload: str, live: int, ops: int, count: int) -> _Replays:
        """Round by round in turn, each with copies of its own: which pages a library got moves its times by a tenth."""
        arms = {"storsim": str(core.pages), "null": "null"}
        if core.prototype is not None:
            arms["prototype"] = str(core.prototype)
        seen: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
        for _ in range(count):
            with tempfile.TemporaryDirectory(dir=core.folder) as folder:
                copies = {
                    name: it if it == "null" else shutil.copy(it, f"{folder}/{name}.so") for name, it in arms.items()
                }
                for name, adapter in copies.items():
                    seen[name].append(core.replay(adapter, workload, live, ops))
        return _Replays(seen)

    def ns(self, name: str) -> list[float]:
        """Nanoseconds of an operation."""
        return [float(one["ns"]) for one in self.seen[name]]

    def net(self, name: str) -> list[float]:
        """The same beyond those of the null allocator."""
        return [max(value - base, 0.1) for value, base in zip(self.ns(name), self.ns("null"), strict=True)]

    def longest(self) -> Ratio:
        """The longest call of a round in microseconds, the longest of all rounds first."""
        longest = [float(one["longest_ns"]) / 1000 for one in self.seen["storsim"]]
        return Ratio(max(longest), min(longest), max(longest))

    def detail(self) -> dict[str, float]:
        """What else there is to say of storsim's."""
        last = self.seen["storsim"][-1]
        detail = {
            "ns": Ratio.of(self.ns("storsim")).median,
            "null_ns": Ratio.of(self.ns("null")).median,
            "refused": last["refused"] / max(last["allocations"], 1),
            "longest_ns": self.longest().median * 1000,
        }
        return detail | ({"ranges": last["ranges"]} if last["ranges"] else {})

    def rows(self, key: str, target: float | None, what: str) -> list[Row]:
        """Against the null allocator; against the prototype net of it, and in what it refuses."""
        detail = self.detail()
        rows = [Row(key, what, "the null allocator", None, ratios(self.ns("storsim"), self.ns("null")), detail=detail)]
        if "prototype" not in self.seen or "ns" not in self.seen["prototype"][0]:
            return rows
        net = ratios(self.net("storsim"), self.net("prototype"))
        detail |= {"prototype_ns": Ratio.of(self.ns("prototype")).median}
        rows.append(Row(key + ".prototype", what, "the prototype", target, net, detail=detail))
        own, other = (self.seen[name][-1]["refused"] for name in ("storsim", "prototype"))
        if own or other:
            refusals = Ratio(*(own / max(other, 1),) * 3)
            counts = {"refused": own, "prototype_refused": other}
            rows.append(Row(key + ".refused", f"{what}: refusals", "the prototype", 1.0, refusals, detail=counts))
        return rows


def pages(core: Core, quick: bool, count: int, traces: Path | None) -> list[Row]:
    """W1 to W4 and W6, generated, or the reference traces when a folder has them."""
    ops = 200_000 if quick else 1_000_000
    sizes = (1000, 10_000, 100_000) if quick else (1000, 10_000, 100_000, 1_000_000)
    rows = _churn(core, sizes, ops, count)
    for live in sizes[:3]:
        replays = _Replays.of(core, "w2", live, ops // 5, count)
        rows += replays.rows(f"w2.{_short(live)}", 0.8, f"W2: {live} live, mixed constraints")
    gaps = 32_768 if quick else 262_144
    for name, what in (
        ("w3", "W3: one place fits"),
        ("w6size", "W6: too large"),
        ("w6range", "W6: too large for a window"),
        ("w6align", "W6: nowhere aligned"),
        ("w6bound", "W6: everywhere across"),
    ):
        replays = _Replays.of(core, name, gaps, 20_000, count)
        rows += replays.rows(name, 1.5, f"{what}, {gaps} gaps")
        longest = f"{what}, the longest call"
        rows.append(Row(f"{name}.longest", longest, "absolute", 2000.0, replays.longest(), unit="µs"))
    what = "W4: host memory buffer in as few ranges as possible, and back"
    replays = _Replays.of(core, "w4", 10_000, 600, count)
    pair = Ratio.of([ns * 2e-3 for ns in replays.ns("storsim")])
    rows += replays.rows("w4", None, what)
    rows.append(Row("w4.pair", what, "absolute", 6.0, pair, unit="µs", detail=replays.detail()))
    for path in sorted(traces.iterdir()) if traces is not None else ():
        replays = _Replays.of(core, str(path), 0, ops, count)
        rows += replays.rows(f"trace.{path.name}", None, f"trace {path.name}")
    return rows


def _short(live: int) -> str:
    return f"{live:.0e}".replace("+0", "")


def _churn(core: Core, sizes: tuple[int, ...], ops: int, count: int) -> list[Row]:
    """W1 and W1t, and how W1's cost grows."""
    rows: list[Row] = []
    nets: list[list[float]] = []
    for live in sizes:
        target = 1.0 if live == 1_000_000 else 0.85
        replays = _Replays.of(core, "w1", live, ops, count)
        rows += replays.rows(f"w1.{_short(live)}", target, f"W1: {live} live, no constraint")
        nets.append(replays.net("storsim"))
        replays = _Replays.of(core, "w1t", live, ops, count)
        rows += replays.rows(f"w1t.{_short(live)}", target, f"W1t: {live} live in a map they nearly fill")
    decades = math.log(sizes[-1] / sizes[0])
    exponent = Ratio.of([math.log(most / least) / decades for least, most in zip(nets[0], nets[-1], strict=True)])
    what = f"growth of W1's net cost, {sizes[0]} to {sizes[-1]} live"
    return [*rows, Row("w1.growth", what, "exponent", 0.1, exponent, unit="")]


def _library(name: str) -> str | None:
    found = os.environ.get(f"STORSIM_BENCH_{name.upper()}")
    if found:
        return found
    folders = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
    places = (Path(folder) / LIBRARIES[name][0] for folder in folders)
    return next((str(place) for place in places if place.exists()), None)


def pool(core: Core, quick: bool, count: int) -> list[Row]:
    """W5: the pool as a driver calls it, against allocators that give host memory and keep no record."""
    rows = []
    for live, target in ((10_000, 2.5), (200_000 if quick else 1_000_000, 1.0)):
        ops = 100_000 if quick else 400_000
        arms: dict[str, tuple[str, str]] = {"storsim": (str(core.pool), ""), "malloc": ("malloc", "")}
        libraries = {name: _library(name) for name in LIBRARIES}
        arms |= {name: ("malloc", path) for name, path in libraries.items() if path}
        ns: dict[str, list[float]] = {name: [] for name in arms}
        for _ in range(count):
            for name, (adapter, preload) in arms.items():
                ns[name].append(float(core.replay(adapter, "w5", live, ops, preload)["ns"]))
        for name in (*LIBRARIES, "malloc"):
            key, what = f"w5.{live}.{name}", f"W5: pool, {live} live, tagged, recorded, verified"
            if name in ns:
                detail = {"ns": Ratio.of(ns["storsim"]).median, "peer_ns": Ratio.of(ns[name]).median}
                goal = target if name == "mimalloc" else None
                rows.append(Row(key, what, name, goal, ratios(ns["storsim"], ns[name]), detail=detail))
            else:
                rows.append(Row(key, what, name, target if name == "mimalloc" else None, missing=LIBRARIES[name][1]))
    return rows


def routines(core: Core) -> list[Row]:
    """What a DDI routine adds to the page allocator, in instructions, and what an operation of W1 takes there."""
    if shutil.which("valgrind") is None:
        what = "instructions a routine adds to the page allocator"
        return [Row("routine.dma", what, "absolute", 250.0, unit="instructions", missing="apt install valgrind")]
    base = core.instructions("pages")
    churn = core.churn_instructions(10_000, 50_000)
    what = "W1: 10000 live, an operation beyond the null allocator's"
    rows = [Row("w1.instructions", what, "absolute", 160.0, Ratio(churn, churn, churn), unit="instructions")]
    for name in ("dma", "contiguous", "pool"):
        added = core.instructions(name) - (base if name != "pool" else 0)
        what = f"an allocation and its free by {name}: checks, record, site, trace" + (
            "" if name != "pool" else ", and the pool itself"
        )
        rows.append(Row(f"routine.{name}", what, "absolute", 250.0, Ratio(added, added, added), unit="instructions"))
    return rows


# --- other libraries: what they have of it ---------------------------------------------------------------------------


def _sorted_gaps(make: Callable[[Iterable[tuple[int, int]]], Any], live: int) -> Callable[[], object]:
    """First fit from the top over a sorted list of gaps, with limit and boundary: what one would write in Python."""
    gaps, chance = make([(0, 1 << 24)]), random.Random(1)
    blocks: list[tuple[int, int]] = []

    def allocate(pages: int, highest: int, boundary: int) -> None:
        at = len(gaps) - 1
        while at >= 0:
            start, size = gaps[at]
            first = min(start + size - pages, highest - pages + 1)
            if boundary and first // boundary != (first + pages - 1) // boundary:
                first = (first + pages - 1) // boundary * boundary - pages
            if first >= start:
                del gaps[at]
                for rest in ((start, first - start), (first + pages, start + size - first - pages)):
                    if rest[1]:
                        gaps.add(rest)
                blocks.append((first, pages))
                return
            at -= 1

    def release() -> None:
        start, size = blocks.pop(chance.randrange(len(blocks)))
        at = gaps.bisect_left((start, 0))
        if at < len(gaps) and gaps[at][0] == start + size:
            size += gaps[at][1]
            del gaps[at]
        if at > 0 and sum(gaps[at - 1]) == start:
            start, size = gaps[at - 1][0], size + gaps[at - 1][1]
            del gaps[at - 1]
        gaps.add((start, size))

    def request() -> None:
        allocate(
            chance.randrange(1, 16),
            (1 << 20) - 1 if chance.random() < 0.3 else (1 << 24) - 1,
            16 if chance.random() < 0.3 else 0,
        )

    for _ in range(live):
        request()

    def turn() -> None:
        release()
        request()

    return turn


class _BisectList(list[tuple[int, int]]):
    """A plain list kept sorted."""

    def add(self, item: tuple[int, int]) -> None:
        """Inserts in order."""
        bisect.insort(self, item)

    def bisect_left(self, item: tuple[int, int]) -> int:
        """Where the item would stand."""
        return bisect.bisect_left(self, item)


def _storsim_turn(live: int) -> Callable[[], object]:
    import storsim
    from storsim import storport as sp

    pc = storsim.Machine("64GiB")
    hba, chance = pc.add_adapter("bench"), random.Random(1)
    blocks: list[tuple[int, int, int]] = []

    def request() -> None:
        size = chance.randrange(1, 16) << 12
        highest = 0xFFFF_FFFF if chance.random() < 0.3 else 2**64 - 1
        boundary = 65536 if chance.random() < 0.3 else 0
        _, va, pa = sp.StorPortAllocateDmaMemory(hba, size, 0, highest, boundary, sp.MmCached, sp.MM_ANY_NODE_OK)
        blocks.append((va, size, pa))

    def turn() -> None:
        va, size, pa = blocks.pop(chance.randrange(len(blocks)))
        sp.StorPortFreeDmaMemory(hba, va, size, sp.MmCached, pa)
        request()

    for _ in range(live):
        request()
    return turn


def _virtual_allocator_turn(live: int) -> Callable[[], object]:
    module = importlib.import_module("virtual_allocator")
    allocator = module.Allocator(0, 64 << 30, 4096, 4096, module.AllocationPolicy.FIRST_FIT)
    chance, blocks = random.Random(1), []
    for _ in range(live):
        blocks.append(allocator.allocate(chance.randrange(1, 16) << 12))

    def turn() -> None:
        allocator.free(blocks.pop(chance.randrange(len(blocks))))
        blocks.append(allocator.allocate(chance.randrange(1, 16) << 12))

    return turn


def placement(count: int) -> list[Row]:
    """A free and a constrained allocation from Python at 1 000 live blocks, against what PyPI and bisect offer."""
    live = 1000
    peers: dict[str, tuple[str, str, Callable[[int], Callable[[], object]]]] = {
        "bisect": (
            "a sorted list of gaps (bisect), limits and boundaries by hand, no record",
            "",
            lambda n: _sorted_gaps(_BisectList, n),
        ),
        "sortedcontainers": (
            "the same over sortedcontainers.SortedList",
            "pip install sortedcontainers",
            lambda n: _sorted_gaps(importlib.import_module("sortedcontainers").SortedList, n),
        ),
        "virtual_allocator": (
            "virtual-allocator: alignment only, no limits, no boundary",
            "pip install virtual-allocator",
            _virtual_allocator_turn,
        ),
    }
    rows = []
    for name, (yardstick, how, make) in peers.items():
        key, what = f"placement.{name}", "a free and a constrained allocation from Python, 1 000 live"
        if how and importlib.util.find_spec(name) is None:
            rows.append(Row(key, what, yardstick, None, missing=how))
            continue
        found = rounds({"storsim": loop(_storsim_turn(live)), "peer": loop(make(live))}, count, 0.02)
        detail = {"us": Ratio.of(found["storsim"]).median * 1e6, "peer_us": Ratio.of(found["peer"]).median * 1e6}
        rows.append(Row(key, what, yardstick, 1.0, ratios(found["storsim"], found["peer"]), detail=detail))
    return rows


def metadata() -> list[Row]:
    """Host memory per live block: what a process grows by, in a process of its own."""
    program = (
        "import resource, storsim\n"
        "from storsim import storport as sp\n"
        "pc = storsim.Machine('64GiB', journal=False); hba = pc.add_adapter('bench')\n"
        "A = sp.StorPortAllocateDmaMemory\n"
        "def more(n):\n"
        "    for _ in range(n): A(hba, 4096, 0, 2**64 - 1, 0, sp.MmCached, sp.MM_ANY_NODE_OK)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "more(1000); before = peak(); more(1_000_000); print((peak() - before) * 1024 / 1e6)\n"
    )
    answer = float(run([sys.executable, "-c", program]))
    return [
        Row(
            "metadata",
            "host bytes per live DMA block of a page, 1 000 000 live: record, frames, site; no journal",
            "absolute",
            40.0,
            Ratio(answer, answer, answer),
            unit="bytes",
        )
    ]
