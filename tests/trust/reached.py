"""What of the core a set of profiles reaches: lines, and the sides of every condition, read from llvm-cov.

A branch is one side of one condition: ``a && b`` has four. A condition in a macro counts once for every place the macro
is used. What many programs were built from counts as reached when one of them reached it.

A comment ``/* unreachable: reason */`` speaks for its line (alone on its line: for the next) and, unless that is the
head of a loop or a switch, for the deeper indented lines that follow. What it excuses is counted apart; a mark that
excuses nothing is an error.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MARK = re.compile(r"/\* unreachable: (.*?)\s*\*/")
_EXPANSION = 1  # llvm's kind of a region that stands for a macro or an included file
_Place = tuple[int, ...]


@dataclass
class File:
    """A source file: hits of its lines, and how often each side of its conditions was taken."""

    path: Path
    lines: dict[int, int] = field(default_factory=dict)
    #: (line, column, …) of a condition, with the places its macro was used at: times true, times false.
    branches: dict[tuple[_Place, ...], tuple[int, int]] = field(default_factory=dict)

    def marks(self) -> dict[int, int]:
        """Excused lines, each with the line of its mark."""
        excused: dict[int, int] = {}
        text = self.path.read_text().splitlines()
        for number, line in enumerate(text, 1):
            if not _MARK.search(line):
                continue
            depth = len(line) - len(line.lstrip())
            first = number + 1 if line.lstrip().startswith("/*") and line.rstrip().endswith("*/") else number
            excused[number] = excused[first] = number
            if text[first - 1].lstrip().startswith(("for ", "while ", "switch ")):
                continue  # its condition: what is inside does run
            for after, following in enumerate(text[first:], first + 1):
                if following.strip() and len(following) - len(following.lstrip()) <= depth:
                    if following.strip() == "}":
                        excused[after] = number  # the end of the excused block
                    break
                excused[after] = number
        return excused


@dataclass(frozen=True)
class Figure:
    """Lines and branches: how many there are, how many were reached, how many a mark excuses."""

    lines: int
    lines_reached: int
    lines_marked: int
    branches: int
    branches_reached: int
    branches_marked: int
    marks: int
    #: What was missed without a mark: (line, what).
    missed: tuple[tuple[int, str], ...]
    #: Marks that excuse nothing.
    idle: tuple[int, ...]


def figure(file: File) -> Figure:
    """The sums of one file."""
    excused, used = file.marks(), set()
    lines_marked = branches_marked = reached = 0
    missed: list[tuple[int, str]] = []
    for line, hits in file.lines.items():
        if hits == 0 and line in excused:
            lines_marked += 1
            used.add(excused[line])
        elif hits == 0:
            missed.append((line, "line"))
    for places, sides in file.branches.items():
        line, column = places[0][:2]
        for side, hits in zip(("true", "false"), sides, strict=True):
            if hits:
                reached += 1
            elif line in excused:
                branches_marked += 1
                used.add(excused[line])
            else:
                inside = f" (in a macro, line {places[-1][0]})" if len(places) > 1 else ""
                missed.append((line, f"column {column}{inside} never {side}"))
    lines_reached = sum(1 for hits in file.lines.values() if hits)
    return Figure(
        lines=len(file.lines),
        lines_reached=lines_reached,
        lines_marked=lines_marked,
        branches=2 * len(file.branches),
        branches_reached=reached,
        branches_marked=branches_marked,
        marks=len(set(excused.values())),
        missed=tuple(sorted(missed)),
        idle=tuple(sorted(set(excused.values()) - used)),
    )


def files(exported: str, root: Path) -> dict[Path, File]:
    """Files below root, from what ``llvm-cov export`` printed."""
    data: dict[str, Any] = json.loads(exported)["data"][0]
    found: dict[Path, File] = {}
    for entry in data["files"]:
        path = Path(entry["filename"])
        if path.is_relative_to(root):
            found[path] = File(path, lines=dict(_line_hits(entry["segments"])))
    for function in data["functions"]:
        for path, places, true, false in _conditions(function):
            if path in found:
                before = found[path].branches.get(places, (0, 0))
                found[path].branches[places] = (before[0] + true, before[1] + false)
    return found


def _conditions(function: dict[str, Any]) -> Iterator[tuple[Path, tuple[_Place, ...], int, int]]:
    """The conditions of a function: the file of the outermost place, the places from there inwards, both counts."""
    names = function["filenames"]
    above = {region[6]: (region[5], tuple(region[:4])) for region in function["regions"] if region[7] == _EXPANSION}
    for *spot, true, false, file, _, _ in function["branches"]:
        places: list[_Place] = [tuple(spot)]
        while file in above:
            file, spot_above = above[file]
            places.insert(0, spot_above)
        yield Path(names[file]), tuple(places), true, false


def _line_hits(segments: Sequence[Sequence[Any]]) -> Iterator[tuple[int, int]]:
    """Lines that hold code, each with how often it ran: the rule by which llvm-cov shows a file."""
    by_line: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for segment in segments:
        by_line[segment[0]].append(segment)
    wrapped: Sequence[Any] | None = None
    for line in range(segments[0][0], segments[-1][0] + 1) if segments else ():
        here = by_line.get(line, [])
        starts = [segment for segment in here if segment[3] and segment[4] and not segment[5]]
        skipped = bool(here) and not here[0][3] and here[0][4]
        if not skipped and ((wrapped is not None and wrapped[3]) or starts):
            count = wrapped[2] if wrapped is not None else 0
            yield line, max([count, *(segment[2] for segment in starts)])
        wrapped = here[-1] if here else wrapped
