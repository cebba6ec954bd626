"""Whatever the input, the importers answer with a result or a MapError of one line; and what they read is right."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importers.samples import BUDDYINFO, E820, EARLY, ID_CTRL, IOMEM, PAGETYPEINFO, SRAT
from storsim.importers import MapError, load_buddyinfo, load_id_ctrl, load_map, usable_ranges

Loader = Callable[[str], Any]
CASES: list[tuple[Loader, str]] = [
    (load_map, IOMEM),
    (load_map, E820),
    (load_map, E820 + SRAT),
    (load_map, IOMEM + SRAT),
    (load_map, SRAT),
    (load_map, EARLY),
    (load_map, E820 + EARLY),
    (load_buddyinfo, BUDDYINFO),
    (load_buddyinfo, PAGETYPEINFO),
    (load_id_ctrl, ID_CTRL),
]
CHARACTERS = st.sampled_from("0123456789abcdefxX-:[](), \n\r\t\0.>{}\"'nul é\ud800\u2028") | st.characters()


@st.composite
def edits(draw: st.DrawFn, text: str) -> str:
    """The text after a few edits: characters changed, lost or added, lines lost, repeated, swapped, the end cut off."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(text) - 1)))
        kind = draw(st.sampled_from(["change", "lose", "add", "cut", "line-lost", "line-twice", "line-swap"]))
        lines = text.split("\n")
        line = draw(st.integers(0, len(lines) - 1))
        if kind == "change":
            text = text[:at] + draw(CHARACTERS) + text[at + 1 :]
        elif kind == "lose":
            text = text[:at] + text[at + draw(st.integers(1, 8)) :]
        elif kind == "add":
            text = text[:at] + draw(CHARACTERS) + text[at:]
        elif kind == "cut":
            text = text[:at]
        elif kind == "line-lost":
            text = "\n".join(lines[:line] + lines[line + 1 :])
        elif kind == "line-twice":
            text = "\n".join([*lines[: line + 1], *lines[line:]])
        else:
            other = draw(st.integers(0, len(lines) - 1))
            lines[line], lines[other] = lines[other], lines[line]
            text = "\n".join(lines)
    return text


def check_only_map_error(load: Loader, text: str) -> None:
    """Loads the text; a MapError must be one line that names a line of the text."""
    try:
        load(text)
    except MapError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 400
        assert error.line is not None
        assert 1 <= error.line <= text.count("\n") + 1


@given(st.data(), st.sampled_from(CASES))
@settings(deadline=None)
def test_random_damage_is_a_result_or_a_map_error(data: st.DataObject, case: tuple[Loader, str]) -> None:
    load, text = case
    check_only_map_error(load, data.draw(edits(text)) + "\n")


@given(st.text(CHARACTERS), st.sampled_from([load_map, load_buddyinfo, load_id_ctrl]))
@settings(deadline=None)
def test_any_text_is_a_result_or_a_map_error(text: str, load: Loader) -> None:
    check_only_map_error(load, text + "\n")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda s: st.lists(s) | st.dictionaries(st.text(), s),
)
FIELDS = st.sampled_from(["hmpre", "hmmin", "hmminds", "hmmaxd", "mdts", "mn", "fr", "sn", "other"])


@given(st.dictionaries(FIELDS, JSON))
@settings(deadline=None)
def test_any_dict_is_a_result_or_a_map_error(fields: dict[str, Any]) -> None:
    try:
        load_id_ctrl(fields)
    except MapError as error:
        assert error.line is None
        assert "\n" not in str(error)
    check_only_map_error(load_id_ctrl, json.dumps(fields) + "\n")


@st.composite
def maps(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Disjoint (first, last) pairs in address order, not all on page borders."""
    points = sorted(draw(st.lists(st.integers(0, 1 << 40), min_size=2, max_size=24, unique=True)))
    return [(first, last) for first, last in zip(points[::2], points[1::2], strict=False) if first < last]


@given(maps())
@settings(deadline=None)
def test_both_formats_give_the_ranges_that_were_printed(listed: list[tuple[int, int]]) -> None:
    expected = usable_ranges((first, last + 1 - first, 0) for first, last in listed)
    iomem = "".join(f"{first:08x}-{last:08x} : System RAM\n" for first, last in listed)
    e820 = "".join(f"BIOS-e820: [mem {first:#018x}-{last:#018x}] usable\n" for first, last in listed)
    if not expected:
        for text in (iomem, e820):
            with pytest.raises(MapError):
                load_map(text)
        return
    assert load_map(iomem).ranges == expected
    assert load_map(e820).ranges == expected


@given(maps(), st.lists(st.integers(1, (1 << 40) - 1), max_size=5, unique=True))
@settings(deadline=None)
def test_nodes_by_windows_agree_with_looking_at_each_page(listed: list[tuple[int, int]], cuts: list[int]) -> None:
    borders = [0, *sorted(cut & ~0xFFF for cut in cuts), 1 << 41]
    windows = [(a, b - 1) for a, b in itertools.pairwise(borders) if a < b]
    text = "".join(f"BIOS-e820: [mem {a:#018x}-{b:#018x}] usable\n" for a, b in listed)
    text += "".join(f"ACPI: SRAT: Node {n} PXM {n} [mem {a:#x}-{b:#x}]\n" for n, (a, b) in enumerate(windows))
    plain = usable_ranges((first, last + 1 - first, 0) for first, last in listed)
    if not plain:
        return
    loaded = load_map(text)
    assert sum(item.length for item in plain) == loaded.total_bytes
    by_file_number = {item.node for item in loaded.ranges}
    assert by_file_number == set(range(loaded.nodes))
    for item in loaded.ranges:
        (a, b) = next(window for window in windows if window[0] <= item.start <= window[1])
        assert item.last <= b
        assert a <= item.start


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 6), st.integers(0, 1)), max_size=6))
@settings(deadline=None)
def test_usable_ranges_agree_with_counting_bytes(raw: list[tuple[int, int, int]]) -> None:
    unit = 1024
    owner: dict[int, int] = {}
    ranges = []
    for start, length, node in raw:
        if any(unit_number in owner for unit_number in range(start, start + length)):
            continue
        owner.update(dict.fromkeys(range(start, start + length), node))
        ranges.append((start * unit, length * unit, node))
    pages = {
        page
        for page in range(1, 20)
        if len({owner.get(page * 4 + k) for k in range(4)}) == 1 and owner.get(page * 4) is not None
    }
    result = usable_ranges(ranges)
    assert {page for item in result for page in range(item.start // 4096, item.end // 4096)} == pages
    assert all(owner[item.start // unit] == item.node for item in result)
    assert all(a.end < b.start or a.node != b.node for a, b in itertools.pairwise(result))
