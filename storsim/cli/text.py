"""Plain text for terminals of 80 columns: sizes, tables, the strip of physical memory."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Sequence

from storsim.memory_range import MemoryRange

WIDTH = 80
STRIP = 64
FOUR_GIB = 4 << 30


def size(count: int) -> str:
    """Bytes for people: below 64 KiB exact, above with two decimals unless a whole number of the unit."""
    if count % 1024 and count < 64 << 10:
        return f"{count} B"
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >= 1 << shift:
            whole, rest = divmod(count, 1 << shift)
            return f"{whole} {unit}" if rest == 0 else f"{count / (1 << shift):.2f} {unit}"
    return f"{count} B"


def many(count: int, thing: str) -> str:
    """``1 node``, ``2 nodes``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], right: str = "", indent: int = 2) -> list[str]:
    """Lines of a table: columns as wide as their widest cell, two spaces apart. `right` holds one r or l per column."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        padded = (
            cell.rjust(width) if right[column : column + 1] == "r" else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append((" " * indent + "  ".join(padded)).rstrip())
    return lines


def wrap(text: str, indent: int = 2, hang: int = 0) -> list[str]:
    """The text in lines of at most `WIDTH` - 1 characters; existing line ends and indents stay."""
    lines: list[str] = []
    for paragraph in text.splitlines():
        own = indent + len(paragraph) - len(paragraph.lstrip())
        lines += textwrap.wrap(
            paragraph.strip(),
            WIDTH - 1,
            initial_indent=" " * own,
            subsequent_indent=" " * (own + hang),
            break_long_words=True,
            break_on_hyphens=False,
        ) or [""]
    return lines


def heading(text: str) -> list[str]:
    """A line that starts a section."""
    return ["", text, "-" * min(len(text), WIDTH - 1)]


def strips(ranges: Sequence[MemoryRange], marks: Sequence[tuple[int, int, str]]) -> list[str]:
    """Physical memory as one strip below 4 GiB and one above, each to scale.

    A column shows the letter of the `marks` (first byte, bytes, one letter) in it, a star when they differ, else the
    node of its RAM as a digit, else a dot for a hole.
    """
    top = max(item.end for item in ranges)
    lines: list[str] = []
    for first, end in ((0, min(top, FOUR_GIB)), (FOUR_GIB, top)):
        if end <= first:
            continue
        step = _step(end - first)
        columns = min(STRIP, -(-(end - first) // step))
        glyph = _painter(ranges, marks, first, step)
        body = "".join(glyph(column) for column in range(columns))
        lines.append(f"  {size(first)} to {size(end)}, {size(step)} per column")
        lines.append(f"  [{body}]")
    return lines


def _step(span: int) -> int:
    """Bytes per column: a whole number of the largest unit that keeps the strip within `STRIP` columns."""
    exact = -(-span // STRIP)
    unit = 1 << max(12, exact.bit_length() - 4)
    return -(-exact // unit) * unit


def _painter(
    ranges: Sequence[MemoryRange], marks: Sequence[tuple[int, int, str]], origin: int, step: int
) -> Callable[[int], str]:
    def glyph(column: int) -> str:
        start, end = origin + column * step, origin + (column + 1) * step
        letters = {letter for first, length, letter in marks if first < end and first + length > start}
        if letters:
            return letters.pop() if len(letters) == 1 else "*"
        covered = [(min(end, r.end) - max(start, r.start), r.node) for r in ranges if r.start < end and r.end > start]
        return "0123456789abcdefghijklmnopqrstuvwxyz"[max(covered)[1] % 36] if covered else "."

    return glyph
