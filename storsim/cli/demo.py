"""Brings up an NVMe miniport's memory on a real machine's memory map, tears it
down, then shows two planted bugs.

The machine is --map (a file, or a name from `storsim info`), else this host's
/proc/iomem if it can be read, else a bundled one.

example:
  storsim demo --map server-2socket-epyc-1536g --nvme t-force-500g
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import storsim
import storsim.data
from storsim.cli import text
from storsim.importers import IdCtrl, MapError, MemoryRange, load_id_ctrl, load_map

if TYPE_CHECKING:
    from storsim import Machine
    from storsim.cli.miniport import Miniport

NAME = "demo"
HELP = "an NVMe miniport's memory on a real machine, and two planted bugs"
HOST_MAP = "/proc/iomem"
WRITE_BYTES = 128 << 10
LETTERS = {"hmb": "H", "uncached": "U", "contiguous": "C", "dma": "D", "pool": "P"}


@dataclass(frozen=True)
class Board:
    """The machine of a run: usable ranges and what to call them."""

    title: str
    source: str
    ranges: list[MemoryRange]
    nodes: int
    notes: list[str]

    @property
    def total_bytes(self) -> int:
        """Bytes of all ranges."""
        return sum(item.length for item in self.ranges)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``storsim demo``."""
    parser.add_argument("--map", metavar="FILE", help="memory map: /proc/iomem, BIOS-e820 or SRAT lines, or a name")
    parser.add_argument("--nvme", metavar="FILE", help="drive: nvme id-ctrl -o json, or a name")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="seed of the simulation (default: 7)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace) -> int:
    """Runs the demo. 0 when everything went as it should, 1 when the simulation surprised it."""
    board = choose_board(arguments.map)
    title, source, drive = choose_drive(arguments.nvme)
    result = play(board, title, source, drive, arguments.seed)
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print("\n".join(report(board, result)))
    return 0 if result["clean_run"]["leaks"] == 0 and result["planted_bugs"]["violations"] else 1


# --- what to run on -------------------------------------------------------------------------------------------------


def choose_board(argument: str | None) -> Board:
    """The machine the user asked for, this host, or a bundled one. MapError or OSError for a file that will not do."""
    machines = storsim.data.machines()
    if argument is not None and (argument not in machines or os.path.exists(argument)):
        loaded = load_map(argument)
        return Board(os.path.basename(loaded.source), loaded.source, loaded.ranges, loaded.nodes, loaded.notes)
    notes: list[str] = []
    if argument is None:
        try:
            loaded = load_map(HOST_MAP)
            return Board("this host", HOST_MAP, loaded.ranges, loaded.nodes, loaded.notes)
        except (MapError, OSError):
            notes = [f"{HOST_MAP} of this host cannot be read (it takes root): a bundled machine stands in"]
    facts = machines[argument or storsim.data.DEFAULT_MACHINE]
    return Board(facts.title, facts.source, list(facts.ranges), facts.nodes, notes)


def choose_drive(argument: str | None) -> tuple[str, str, IdCtrl]:
    """Title, source and fields of the drive. MapError or OSError for a file that will not do."""
    drives = storsim.data.drives()
    if argument is not None and (argument not in drives or os.path.exists(argument)):
        drive = load_id_ctrl(argument)
        return drive.model or os.path.basename(drive.source), drive.source, drive
    facts = drives[argument or storsim.data.DEFAULT_DRIVE]
    return facts.title, facts.source, facts.load()


# --- the two runs ---------------------------------------------------------------------------------------------------


def play(board: Board, title: str, source: str, drive: IdCtrl, seed: int) -> dict[str, Any]:
    """Runs the driver without and with bugs; everything that happened, as plain data."""
    return {
        "machine": {
            "title": board.title,
            "source": board.source,
            "bytes": board.total_bytes,
            "nodes": board.nodes,
            "ranges": [list(item) for item in board.ranges],
            "notes": board.notes,
        },
        "drive": {"title": title, "source": source, **dataclasses.asdict(drive)},
        "seed": seed,
        "clean_run": clean_run(board, drive, seed),
        "planted_bugs": buggy_run(board, drive, seed),
    }


def start(board: Board, drive: IdCtrl, seed: int) -> tuple[Machine, Miniport, int]:
    """A machine with one NVMe adapter, the driver for it, and how many bytes were free before the adapter came."""
    from storsim.cli.miniport import Miniport

    pc = storsim.Machine(board.ranges, nodes=board.nodes, seed=seed)
    free = pc.memory.free_bytes()
    hba = pc.add_adapter("nvme0")
    nvme = hba.attach_nvme(drive)
    return pc, Miniport(pc, hba, nvme, drive), free


def clean_run(board: Board, drive: IdCtrl, seed: int) -> dict[str, Any]:
    """The whole life of a driver that makes no mistake."""
    pc, miniport, before = start(board, drive, seed)
    with pc:
        miniport.find_adapter()
        miniport.passive_initialize()
        pieces = miniport.one_write(WRITE_BYTES)
        if miniport.hmb.enabled:
            miniport.device_uses_buffer()
        result = {
            "allocations": [describe(block) for block in pc.allocations()],
            "refused": miniport.refused,
            "hmb": describe_hmb(miniport),
            "write": [list(piece) for piece in pieces],
            "free_bytes_before": before,
            "free_bytes_at_work": pc.memory.free_bytes(),
            "digest": f"{pc.digest():016x}",
        }
        miniport.release()
        leaks = miniport.hba.remove()
        return {
            **result,
            "leaks": len(leaks),
            "violations": [record.name for record in pc.violations],
            "free_bytes_after": pc.memory.free_bytes(),
            "digest_after": f"{pc.digest():016x}",
        }


def buggy_run(board: Board, drive: IdCtrl, seed: int) -> dict[str, Any]:
    """The same driver with two bugs: it frees a queue with the wrong size and forgets a pool block."""
    pc, miniport, _ = start(board, drive, seed)
    bugcheck: storsim.BugCheck | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", storsim.ViolationWarning)
        try:
            with pc:
                miniport.find_adapter()
                miniport.passive_initialize()
                miniport.release(forget_pool="identify data", wrong_size="submission queue, node 0")
        except storsim.BugCheck as error:
            bugcheck = error
    return {
        "violations": [
            {"name": record.name, "routine": record.routine, "text": str(record), "source": record.source}
            for record in pc.violations
        ],
        "bugcheck": None
        if bugcheck is None
        else {"code": bugcheck.code, "parameters": list(bugcheck.parameters), "text": str(bugcheck)},
        "report": pc.report(),
    }


def describe(block: Any) -> dict[str, Any]:
    """One record of ``pc.allocations()`` as plain data."""
    from storsim import MEMORY_CACHING_TYPE

    return {
        "kind": block.kind,
        "va": block.va,
        "pa": block.pa,
        "size": block.size,
        "node": block.node,
        "tag": block.tag_text,
        "cache": MEMORY_CACHING_TYPE(block.cache).name,
    }


def describe_hmb(miniport: Miniport) -> dict[str, Any]:
    """The negotiation as plain data."""
    hmb = miniport.hmb
    return {
        "preferred": hmb.preferred,
        "minimum": hmb.minimum,
        "smallest_useful_range": miniport.drive.minimum_range_bytes,
        "most_ranges": miniport.drive.hmmaxd,
        "status": hmb.status,
        "ranges": [[item.RangeStart, item.RangeLength] for item in hmb.ranges],
        "granted": sum(item.RangeLength for item in hmb.ranges),
        "enabled": hmb.enabled,
    }


# --- the report -----------------------------------------------------------------------------------------------------


def report(board: Board, result: dict[str, Any]) -> list[str]:
    """The demo for people, at most 80 columns wide."""
    clean = result["clean_run"]
    lines = [f"storsim demo, seed {result['seed']}"]
    lines += text.wrap(f"machine: {board.title}", 0, 9)
    runs, nodes = text.many(len(board.ranges), "run"), text.many(board.nodes, "node")
    lines.append(f"         {text.size(board.total_bytes)} in {runs} on {nodes}")
    lines += text.wrap(f"source: {board.source}", 9, 0)
    lines += text.wrap(f"drive:   {result['drive']['title']}", 0, 9)
    for note in [*board.notes, *result["drive"]["notes"]]:
        lines += text.wrap(f"note:    {note}", 0, 9)
    lines += memory_section(board, clean["allocations"])
    lines += allocation_section(clean)
    lines += hmb_section(clean["hmb"])
    lines += pool_section(clean["allocations"])
    lines += end_section(clean)
    lines += bug_section(result["planted_bugs"])
    return lines


def memory_section(board: Board, allocations: list[dict[str, Any]]) -> list[str]:
    """The strip of physical memory."""
    marks = [(block["pa"], block["size"], LETTERS[block["kind"]]) for block in allocations if block["kind"] in LETTERS]
    lines = text.heading("Physical memory while the driver works")
    lines += text.strips(board.ranges, marks)
    nodes = ", ".join(str(node) for node in range(min(board.nodes, 4))) + (" ..." if board.nodes > 4 else "")
    lines.append(f"  {nodes}: free RAM of that node   .: no RAM   *: several of these:")
    lines.append("  H: host memory buffer  D: DMA  C: contiguous  U: uncached extension  P: pool")
    return lines


def allocation_section(clean: dict[str, Any]) -> list[str]:
    """The table of allocations."""
    rows = [
        (
            block["kind"],
            f"{block['pa']:#x}" if block["pa"] else "-",
            f"{block['va']:#x}" if block["va"] else "- (device only)",
            text.size(block["size"]),
            str(block["node"]),
            block["tag"],
        )
        for block in clean["allocations"]
    ]
    lines = text.heading("Allocations")
    lines += text.table(("kind", "physical", "virtual", "size", "node", "tag"), rows, "lllrrl")
    for refused in clean["refused"]:
        lines += text.wrap(f"refused: {refused}", 2, 9)
    pieces = ", ".join(f"{address:#x}+{length:#x}" for address, length in clean["write"])
    lines += text.wrap(f"a write of {text.size(WRITE_BYTES)} reaches the device as: {pieces}", 2, 2)
    return lines


def hmb_section(hmb: dict[str, Any]) -> list[str]:
    """What the drive asked for and got."""
    lines = text.heading("Host memory buffer")
    if not hmb["preferred"]:
        return [*lines, "  the drive asks for none"]
    lines.append(f"  the drive prefers {text.size(hmb['preferred'])}, needs {text.size(hmb['minimum'])}")
    if hmb["smallest_useful_range"] or hmb["most_ranges"]:
        most = f"at most {hmb['most_ranges']} ranges" if hmb["most_ranges"] else "any number of ranges"
        lines.append(f"  in {most} of at least {text.size(hmb['smallest_useful_range'])}")
    lines.append(f"  StorPortAllocateHostMemoryBuffer: {hmb['status']}")
    rows = [(f"{start:#x}", f"{start + length - 1:#x}", text.size(length)) for start, length in hmb["ranges"]]
    if rows:
        lines += text.table(("first byte", "last byte", "length"), rows, "rrr")
        share = 100 * hmb["granted"] // hmb["preferred"]
        state = "enabled with Set Features 0Dh" if hmb["enabled"] else "not enabled"
        lines.append(f"  granted {text.size(hmb['granted'])}, {share} % of what it prefers; {state}")
    return lines


def pool_section(allocations: list[dict[str, Any]]) -> list[str]:
    """Nonpaged pool by tag."""
    by_tag: dict[str, list[int]] = {}
    for block in allocations:
        if block["kind"] == "pool":
            by_tag.setdefault(str(block["tag"]), []).append(block["size"])
    rows = [
        (tag, str(len(sizes)), str(sum(sizes)), str(sum(sizes) // len(sizes))) for tag, sizes in sorted(by_tag.items())
    ]
    return [*text.heading("Nonpaged pool by tag"), *text.table(("tag", "blocks", "bytes", "per block"), rows, "lrrr")]


def end_section(clean: dict[str, Any]) -> list[str]:
    """Teardown of the clean run."""
    lines = text.heading("Teardown")
    used = clean["free_bytes_before"] - clean["free_bytes_at_work"]
    back = "all of it" if clean["free_bytes_after"] == clean["free_bytes_before"] else "NOT what there was"
    lines.append(f"  free before the adapter came  {clean['free_bytes_before']:>15} bytes")
    lines.append(f"  free while the driver worked  {clean['free_bytes_at_work']:>15} bytes, {text.size(used)} in use")
    lines.append(f"  free after it was removed     {clean['free_bytes_after']:>15} bytes, {back}")
    lines.append(f"  {text.many(clean['leaks'], 'leak')}, {text.many(len(clean['violations']), 'violation')}")
    lines.append(f"  digest of the machine at work: {clean['digest']}")
    return lines


def bug_section(bugs: dict[str, Any]) -> list[str]:
    """What a driver engineer sees when the driver has two bugs."""
    lines = text.heading("The same driver with two bugs")
    lines += text.wrap("it frees the submission queue of node 0 with the wrong size, and forgets a pool block")
    package = os.path.dirname(os.path.abspath(storsim.__file__)) + os.sep
    for paragraph in bugs["report"].replace(package, "storsim/").strip().split("\n\n"):
        lines.append("")
        lines += text.wrap(paragraph, 2, 2)
    return lines
