"""What notebooks show: small tables and strips in plain HTML and inline SVG, readable in light and dark themes.

Nothing is imported, loaded or scripted; text takes the theme's colour, fills are mid-tones that stand out on white and
on black. Pointers that the core hands out (MDL, scatter/gather list) have no methods of their own for this; IPython is
told about them by `register`, which happens by itself when a machine is made in IPython.
"""

from __future__ import annotations

import struct
from collections import deque
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from storsim import _core
    from storsim.adapter import Adapter
    from storsim.blocks import Block, HostMemoryBuffer
    from storsim.coverage import Behaviours
    from storsim.hda import Hda
    from storsim.hdaudio import BufferDescriptorList
    from storsim.journal import Journal, Record
    from storsim.machine import Machine
    from storsim.memory import Memory
    from storsim.memory_range import MemoryRange
    from storsim.records import Allocation, Finding
    from storsim.report import PoolTag
    from storsim.trace import Trace

PAGE = 4096
MOST_ROWS = 40
#: Okabe and Ito's colours, told apart by the colour-blind, in tones that work on light and dark grounds.
COLOURS = {
    "pool": "#56a0d3",
    "dma": "#e08a1e",
    "contiguous": "#c9b037",
    "hmb": "#2aa198",
    "mdl": "#c274a8",
    "uncached": "#d9603b",
    "hda_buffer": "#e08a1e",
    "hda_bdl": "#c274a8",
    "hda_ring": "#2aa198",
}
OTHER, FREE, LINE = "#8a8f98", "rgba(128,128,128,.22)", "rgba(128,128,128,.45)"
_CELL = f"padding:2px 8px;border-bottom:1px solid {LINE};text-align:"
_KIND = {"bugcheck": "#d9480f", "violation": "#c77700", "note": "#7a7f87"}


def size(count: int) -> str:
    """Bytes in the largest binary unit that keeps it short: 4 KiB, 1.5 MiB, 100 B."""
    amount, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while amount >= 1024 and len(units) > 1:
        amount /= 1024
        units.pop(0)
    return f"{amount:.10g} {units[0]}" if amount == int(amount) else f"{amount:.1f} {units[0]}"


def many(count: int, noun: str) -> str:
    """A count with its noun."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def ticks(time: int) -> str:
    """A time in milliseconds, and the exact ticks."""
    return f"{time / 24000:.4f} ms (tick {time})" if time else "0"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], caption: str = "", *, most: int = MOST_ROWS) -> str:
    """A table; numbers to the right, text to the left. At most ``most`` rows, then how many more there are."""
    shown = [list(row) for row in rows]
    left = max(0, len(shown) - most)
    cells = "".join(f"<th style='{_CELL}left'>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in shown[:most])
    if left:
        body += f"<tr><td colspan='{len(head)}' style='{_CELL}left'>… and {left} more</td></tr>"
    title = f"<caption style='text-align:left;font-weight:600'>{escape(caption)}</caption>" if caption else ""
    return (
        "<table class='storsim' style='border-collapse:collapse;font-size:90%;color:inherit'>"
        f"{title}<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cell(value: Any) -> str:
    side = "right" if isinstance(value, int) and not isinstance(value, bool) else "left"
    text = value if isinstance(value, Raw) else escape("" if value is None else str(value))
    wrap = "normal" if not isinstance(value, Raw) and len(text) > 60 else "nowrap"
    return f"<td style='{_CELL}{side};white-space:{wrap};background:transparent;color:inherit'>{text}</td>"


class Raw(str):
    """Text that is HTML already."""

    __slots__ = ()


def address(value: int) -> Raw:
    """An address in the style of a debugger."""
    return Raw(f"<code style='background:transparent;color:inherit'>{value:#x}</code>")


class Part(NamedTuple):
    """A coloured part of a strip. first, length: in the strip's unit. title: shown when the pointer rests on it."""

    first: int
    length: int
    colour: str
    title: str


def strip(length: int, parts: Iterable[Part], *, width: int = 640, height: int = 18, label: str = "") -> str:
    """A bar of ``length`` units with coloured parts, at least a pixel wide each."""
    length = max(1, length)
    shapes = []
    for part in parts:
        x, wide = part.first / length * width, max(1.0, part.length / length * width)
        shapes.append(
            f"<rect x='{x:.2f}' y='1' width='{wide:.2f}' height='{height - 2}' fill='{part.colour}'>"
            f"<title>{escape(part.title)}</title></rect>"
        )
    return (
        f"<svg role='img' aria-label='{escape(label)}' width='{width}' height='{height}' style='display:block'>"
        f"<rect x='0.5' y='0.5' width='{width - 1}' height='{height - 1}' fill='{FREE}' stroke='{LINE}'/>"
        f"{''.join(shapes)}</svg>"
    )


def legend(kinds: Iterable[tuple[str, str]]) -> str:
    """Colours in words."""
    items = "".join(
        f"<span style='margin-right:1em'><span style='color:{colour}'>&#9632;</span> {escape(name)}</span>"
        for name, colour in kinds
    )
    return f"<div style='font-size:85%;color:inherit'>{items}</div>" if items else ""


def box(*parts: str) -> str:
    """Parts below one another."""
    return f"<div class='storsim' style='color:inherit'>{''.join(parts)}</div>"


def heading(text: str) -> str:
    """A line in bold."""
    return f"<div style='font-weight:600;margin:2px 0'>{escape(text)}</div>"


def fold(summary: str, *parts: str, unfolded: bool = False) -> str:
    """Parts behind a line that unfolds them; summary is HTML."""
    state = " open='open'" if unfolded else ""
    return f"<details{state} style='color:inherit'><summary>{summary}</summary>{''.join(parts)}</details>"


def colour(kind: str) -> str:
    """The colour of a kind of allocation."""
    return COLOURS.get(kind, OTHER)


# --- memory ---------------------------------------------------------------------------------------------------------


def _range_row(run: MemoryRange, made: list[Allocation], free: int) -> list[Any]:
    inside = [one for one in made if run.start <= one.pa < run.end]
    parts = [
        Part(one.pa - run.start, max(one.pages * PAGE, one.size), colour(one.kind), f"{one.kind} {size(one.size)}")
        for one in inside
    ]
    bar = Raw(strip(run.length, parts, width=320, height=12, label=f"{len(inside)} allocations"))
    return [address(run.start), address(run.last), size(run.length), run.node, size(free), len(inside), bar]


def memory(view: Memory) -> str:
    """The map: usable RAM by node, what is free in it, what lies where."""
    machine = view._machine
    made = [one for one in machine.allocations() if one.pa]
    ranges = view.ranges
    head = ("First", "Last", "Size", "Node", "Free", "Live", "Where they lie in the range")
    rows = [_range_row(run, made, view.free_bytes(run.node, run.start, run.last)) for run in ranges]
    used = sorted({one.kind for one in made})
    return box(
        heading(f"{size(view.total_bytes)} of RAM, {size(view.free_bytes())} free"),
        table(head, rows, most=24),
        legend((kind, colour(kind)) for kind in used),
    )


def allocations(made: Sequence[Allocation]) -> str:
    """Live allocations as a table."""
    head = ["Kind", "Owner", "Size", "Virtual", "Physical", "Node", "Tag", "Allocated at"]
    inside = any(one.context for one in made)
    head += ["In"] if inside else []
    rows = [
        [
            Raw(f"<span style='color:{colour(one.kind)}'>&#9632;</span> {escape(one.kind)}"),
            one.owner or "system",
            size(one.size),
            address(one.va) if one.va else "",
            address(one.pa) if one.pa else "",
            one.node,
            one.tag_text,
            _site(one.site),
            *([one.context or ""] if inside else []),
        ]
        for one in made
    ]
    total = size(sum(one.size for one in made))
    return table(head, rows, f"{many(len(made), 'live allocation')}, {total}")


def _site(site: Any) -> str:
    return "" if site is None else f"{site.place.replace(chr(92), '/').rsplit('/', 1)[-1]}:{site.line}"


def ranges(buffer: HostMemoryBuffer) -> str:
    """A host memory buffer's ranges."""
    return access_ranges(buffer.ranges, f"Host memory buffer of {buffer.adapter.name}")


def access_ranges(items: Sequence[_core.ACCESS_RANGE], caption: str = "Ranges") -> str:
    """ACCESS_RANGEs, each with its share of the whole."""
    total = sum(item.RangeLength for item in items)
    rows = []
    for number, item in enumerate(items):
        bar = strip(total, [Part(0, item.RangeLength, colour("hmb"), size(item.RangeLength))], width=160, height=10)
        last = item.RangeStart + item.RangeLength - 1
        rows.append([number, address(item.RangeStart), address(last), size(item.RangeLength), Raw(bar)])
    return table(
        ("#", "First", "Last", "Size", "Share"), rows, f"{caption}: {size(total)} in {many(len(items), 'range')}"
    )


def block(made: Block) -> str:
    """A block of the friendly face."""
    rows = [["virtual", address(made.va)], ["physical", address(made.pa)], ["size", f"{made.size} bytes"]]
    state = "live" if made.live else "freed"
    return table(("", ""), rows, f"{type(made).__name__} of {made.adapter.name}, {state}")


def mdl(pointer: _core.MDL) -> str:
    """An MDL: what it describes, page by page; pages that follow one another have one colour."""
    pages = pointer.pages
    runs = [[page] for page in pages[:1]]
    for before, page in pairwise(pages):
        if page == before + PAGE:
            runs[-1].append(page)
        else:
            runs.append([page])
    tones, parts, at = (colour("mdl"), colour("pool")), [], 0
    for number, run in enumerate(runs):
        title = f"{run[0]:#x}, {len(run)} pages"
        parts.append(Part(at, len(run), tones[number % 2], title))
        at += len(run)
    head = ("Physical", "Pages", "Bytes")
    rows = [[address(run[0]), len(run), size(len(run) * PAGE)] for run in runs]
    title = (
        f"MDL at {pointer.address:#x}: {pointer.byte_count} bytes from {pointer.va:#x}, offset {pointer.byte_offset}"
    )
    return box(heading(title), strip(len(pages), parts, label="pages in order"), table(head, rows))


def scatter_gather(pointer: _core.STOR_SCATTER_GATHER_LIST) -> str:
    """A scatter/gather list, element by element."""
    elements = pointer.elements
    tones, parts, rows, at = (colour("dma"), colour("pool")), [], [], 0
    for number, item in enumerate(elements):
        parts.append(Part(at, item.Length, tones[number % 2], f"{item.PhysicalAddress:#x}, {size(item.Length)}"))
        at += item.Length
        offset = item.PhysicalAddress % PAGE
        rows.append(
            [number, address(item.PhysicalAddress), item.Length, f"{offset} bytes into its page" if offset else ""]
        )
    title = f"Scatter/gather list at {pointer.address:#x}: {many(len(elements), 'element')}, {size(at)}"
    head = ("#", "Address", "Bytes", "")
    return box(heading(title), strip(at, parts, label="elements in order"), table(head, rows))


# --- findings -------------------------------------------------------------------------------------------------------


def finding(found: Finding) -> str:
    """A finding: the fix first, the rest to unfold."""
    name = found.name if found.kind != "bugcheck" else f"0x{found.code:X} {found.code_name}, {found.name}"
    lines = "<br/>".join(escape(line.strip()) for line in found.text.splitlines())
    return (
        f"<details class='storsim' style='color:inherit'><summary><b style='color:{_KIND[found.kind]}'>"
        f"{escape(found.kind)} {escape(name)}</b> {escape(found.fix or found.rule)}</summary>"
        f"<div style='margin:2px 0 6px 1.2em;font-size:90%'>{lines}</div></details>"
    )


def findings(items: Sequence[Finding]) -> str:
    """Findings below one another."""
    if not items:
        return box("<b>No finding.</b>")
    more = f"<div>… and {len(items) - MOST_ROWS} more</div>" if len(items) > MOST_ROWS else ""
    return box(*(finding(item) for item in items[:MOST_ROWS]), more)


# --- journals -------------------------------------------------------------------------------------------------------

_LONGEST = 140


def journal(recorded: Journal) -> str:
    """A journal: how long it is, how it was shrunk, its last records."""
    last: deque[Record] = deque(recorded.records(), maxlen=20)
    rows = [[record.number, _cut(str(record)), _site(record.site)] for record in last]
    parts = [heading(repr(recorded).strip("<>"))]
    how = recorded.shrunk
    if how is not None:
        end = "nothing more can go" if how.minimal else "the budget ended the search"
        parts.append(heading(f"{how.key.kind} {how.key.name}: {how.before} operations to {how.after}, {end}"))
    head = ["#", "What", "Called at"]
    if not any(row[2] for row in rows):
        head, rows = head[:2], [row[:2] for row in rows]
    return box(*parts, table(head, rows, f"The last {many(len(rows), 'record')}" if rows else ""))


def _cut(text: str) -> Raw:
    """A line that stays one, with the depth it has."""
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return Raw(f"<code style='background:transparent;color:inherit;white-space:pre-wrap'>{escape(shown)}</code>")


# --- reports, pool, behaviours --------------------------------------------------------------------------------------


def pool(rows: Sequence[PoolTag], caption: str = "") -> str:
    """Live pool by tag and owner."""
    head = ("Tag", "Owner", "Blocks", "Bytes", "Per block")
    return table(head, [(row[0], row[1] or "system", *row[2:]) for row in rows], caption)


def causes(found: Iterable[tuple[str, str, Sequence[str]]]) -> str:
    """(kind, headline, sentences) of each cause, unfolded."""
    parts = []
    for kind, headline, sentences in found:
        title = f"<b style='color:{_KIND[kind]}'>{escape(headline)}</b>"
        parts.append(fold(title, f"<p>{'<br/>'.join(map(escape, sentences))}</p>", unfolded=True))
    return "".join(parts)


def behaviours(seen: Behaviours) -> str:
    """What was reached; what the tables document and was not is folded away."""
    rows = [(line.routine or "", line.outcome, line.kind, line.states) for line in seen.table()]
    never = seen.never()
    by_routine: dict[str, list[str]] = {}
    for routine, status in never.statuses:
        by_routine.setdefault(routine, []).append(status)
    missing = [(routine, ", ".join(statuses)) for routine, statuses in by_routine.items()]
    unseen = f"{len(never.statuses)} documented {'status' if len(never.statuses) == 1 else 'statuses'} never reached"
    return box(
        table(("Routine", "Outcome", "Kind", "States"), rows, f"{len(seen)} behaviours", most=100),
        fold(unseen, table(("Routine", "Statuses"), missing, most=100)) if missing else "",
        fold(f"{many(len(never.rules), 'rule')} never reported", f"<p>{escape(', '.join(never.rules))}</p>")
        if never.rules
        else "",
    )


# --- machine, adapter, trace ----------------------------------------------------------------------------------------


def machine(pc: Machine) -> str:
    """A machine at a glance."""
    if pc.closed:
        return box(heading(f"{pc!r}, closed"), findings(pc.findings))
    kinds: dict[str, list[int]] = {}
    for one in pc.allocations():
        count = kinds.setdefault(one.kind, [0, 0])
        count[0] += 1
        count[1] += one.size
    bad = sum(1 for one in pc.findings if one.kind != "note")
    state = "stopped by a bugcheck" if pc._dead else f"IRQL {pc.irql}"
    rows: list[list[Any]] = [
        ["virtual time", ticks(pc.now)],
        ["state", state],
        [
            "memory",
            f"{size(pc.memory.free_bytes())} free of {size(pc.memory.total_bytes)}, {many(pc.config.nodes, 'node')}",
        ],
        ["findings", f"{bad} violations or bugchecks, {len(pc.findings) - bad} notes"],
        *([f"live {kind}", f"{n} with {size(total)}"] for kind, (n, total) in sorted(kinds.items())),
    ]
    return table(("", ""), rows, repr(pc))


def adapter(hba: Adapter) -> str:
    """An adapter: what it owns."""
    mine = [one for one in hba.machine.allocations() if one.owner_number == hba.number]
    return box(heading(f"Adapter {hba.name}"), allocations(mine))


def trace(ring: Trace) -> str:
    """The last entries of the trace."""
    from storsim.timeline import describe

    entries = ring[-20:]
    rows = [[entry.sequence, entry.time, entry.irql, describe(entry), _site(entry.site)] for entry in entries]
    head = ("#", "Tick", "IRQL", "What", "Called at")
    return table(head, rows, f"Trace: the last {len(rows)} of {ring.total} entries")


# --- HD Audio -------------------------------------------------------------------------------------------------------

_STATES = {"R": "reset", "S": "paused", "X": "running"}
_BUFFERS = {
    "0": "no buffer", "D": "buffer", "N": "buffer with notification", "C": "contiguous buffer, not set up",
    "B": "descriptor list",
}  # fmt: skip


def _engine_state(code: str) -> str:
    """The two letters of an engine's state in words."""
    stream, buffer = _STATES.get(code[:1]), _BUFFERS.get(code[1:])
    return f"{stream}, {buffer} ({code})" if stream and buffer else code


def hda(controller: Hda) -> str:
    """A controller: its codecs, its engines, its streams."""
    if controller._removed or controller.machine.closed:
        return box(heading(f"{controller!r}, removed"))
    line = "up" if controller.interrupt_line else "down"
    rows = [[codec.address, repr(codec)] for codec in controller.codecs if codec.present]
    return box(
        heading(f"HD Audio controller {controller.number}, interrupt line {line}"),
        table(("SDI line", "Codec"), rows),
        engines(controller.engines()),
    )


def engines(items: Sequence[dict[str, Any]]) -> str:
    """The bus driver's engines."""
    head = ("Descriptor", "Direction", "State", "Tag", "Format", "Buffer", "FIFO", "LVI", "Interrupts")
    rows = []
    for item in items:
        rate, bits, _, channels = item["format"]
        rows.append(
            [
                item["descriptor"],
                "capture" if item["capture"] else "render",
                _engine_state(item["state"]),
                item["stream_id"],
                f"{rate} Hz, {bits} bit, {channels} channels",
                f"{item['buffer_bytes']} B",
                f"{item['fifo_bytes']} B",
                item["lvi"],
                item["interrupts"],
            ]
        )
    return table(head, rows, many(len(rows), "DMA engine"))


def stream(controller: Hda, descriptor: int) -> str:
    """One stream descriptor: where it stands in its buffer, and its descriptor list."""
    position = controller.position(descriptor)
    lap, entries = _fragments(controller, descriptor)
    state = "running" if position.running else "standing"
    parts: list[Part] = []
    rows: list[list[Any]] = []
    at, tones = 0, (colour("pool"), colour("hmb"))
    for number, (start, length, ioc) in enumerate(entries):
        parts.append(Part(at, length, tones[number % 2], f"entry {number}"))
        rows.append([number, address(start), length, "interrupt" if ioc & 1 else ""])
        at += length
    if lap:
        here = position.link_bytes % lap
        parts.append(Part(here, max(1, lap // 200), colour("uncached"), f"link position {here}"))
        state += f", link position {here} of {lap} bytes"
    return box(
        heading(f"Stream {descriptor} of controller {controller.number}: {state}"),
        strip(lap, parts, label=state) if lap else "",
        table(("#", "Address", "Bytes", "On completion"), rows, "Descriptor list") if rows else "",
    )


def _fragments(controller: Hda, descriptor: int) -> tuple[int, list[tuple[int, int, int]]]:
    """Length of the buffer and the descriptor list: the bus driver's, or what the trace shows."""
    for engine in controller.engines():
        if engine["descriptor"] == descriptor:
            entries = controller.bdl(engine["handle"]) if engine["buffer_bytes"] else []
            return engine["buffer_bytes"], entries
    from storsim.timeline import Timeline

    seen = Timeline(controller.machine).stream(controller.number, descriptor)
    if seen is None or not seen.list_address or not seen.buffer_bytes:
        return 0, []
    try:
        raw = controller.machine.memory.read(seen.list_address, 16 * (seen.last_index + 1))
    except ValueError:  # the list was programmed to lie where there is no RAM
        return seen.buffer_bytes, []
    return seen.buffer_bytes, list(struct.iter_unpack("<QII", raw))


def descriptor_list(bdl: BufferDescriptorList) -> str:
    """The first entries of a driver's descriptor list, as a debugger reads them: looking is no load of the driver."""
    machine = bdl._machine
    physical = None if machine.closed else machine.physical(bdl)
    if physical is None:
        return box(heading(f"{bdl!r}, freed"))
    raw = machine.memory.read(physical, 16 * 16)
    rows = [
        [i, address(start), length, "interrupt" if flags & 1 else ""]
        for i, (start, length, flags) in enumerate(struct.iter_unpack("<QII", raw))
    ]
    return table(("#", "Address", "Bytes", "On completion"), rows, f"{bdl!r}: the first 16 of 256 entries")


# --- IPython --------------------------------------------------------------------------------------------------------


def register(shell: Any = None) -> bool:
    """Tells IPython how to show the core's pointers (MDL, scatter/gather list) and lists of ACCESS_RANGE elements.

    shell: an InteractiveShell; None: the running one. Returns whether there was one. ``%load_ext storsim.html`` does
    the same.
    """
    import sys

    if shell is None:
        ipython = sys.modules.get("IPython")
        shell = None if ipython is None else ipython.get_ipython()
    if shell is None:
        return False
    from storsim import _core

    formatter = shell.display_formatter.formatters["text/html"]
    formatter.for_type(_core.MDL, mdl)
    formatter.for_type(_core.STOR_SCATTER_GATHER_LIST, scatter_gather)
    formatter.for_type(_core.ACCESS_RANGE, lambda item: access_ranges([item], "ACCESS_RANGE"))
    return True


load_ipython_extension = register
