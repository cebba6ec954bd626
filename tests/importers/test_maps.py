"""load_map: every format, the rules for ranges, and one clear line for every kind of damage."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from importers.samples import E820, EARLY, IOMEM, SRAT, USABLE
from storsim.importers import MapError, MemoryRange, load_map

GIB = 1 << 30


def error_of(text: str) -> MapError:
    """The MapError this text gives; checks that it is one line with a line number inside the text."""
    with pytest.raises(MapError) as info:
        load_map(text)
    error = info.value
    assert "\n" not in str(error)
    assert error.line is not None
    assert 1 <= error.line <= text.count("\n") + 1
    assert f"line {error.line}:" in str(error)
    return error


@pytest.mark.parametrize(("text", "kind"), [(IOMEM, "iomem"), (E820, "e820")], ids=["iomem", "e820"])
def test_same_machine_in_two_formats(text: str, kind: str) -> None:
    loaded = load_map(text)
    assert loaded.kind == kind
    assert loaded.source == "<text>"
    assert loaded.ranges == [
        MemoryRange(0x1000, 0x9E000, 0),
        MemoryRange(0x100000, 0x3FF00000, 0),
        MemoryRange(0x1_0000_0000, 0xC000_0000, 0),
    ]
    assert loaded.total_bytes == USABLE
    assert loaded.nodes == 1
    assert loaded.top == 0x1_C000_0000
    assert loaded.notes == []


def test_listed_bytes_are_what_the_file_says() -> None:
    assert load_map(E820).listed_bytes == 0x9FC00 + 0x3FF00000 + 0xC0000000
    assert load_map(IOMEM).listed_bytes == 0x9EC00 + 0x3FF00000 + 0xC0000000


def test_path_bytes_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.iomem"
    for data in (
        IOMEM.encode(),
        IOMEM.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + IOMEM.encode(),
        IOMEM.encode("utf-16"),
    ):
        path.write_bytes(data)
        for argument in (path, str(path)):
            loaded = load_map(argument)
            assert loaded.total_bytes == USABLE
            assert loaded.source == os.fspath(path)


def test_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file"):
        load_map(tmp_path / "none.iomem")
    with pytest.raises(FileNotFoundError, match=r"none\.iomem"):
        load_map("none.iomem")
    with pytest.raises(IsADirectoryError):
        load_map(tmp_path)


def test_one_line_of_a_map_is_text() -> None:
    assert load_map("00100000-001fffff : System RAM").total_bytes == 1 << 20


def test_zero_addresses_say_how_to_read_the_file() -> None:
    hidden = "".join(
        f"{line[: len(line) - len(line.lstrip())]}00000000-00000000 : {line.split(' : ')[1]}\n"
        for line in IOMEM.splitlines()
    )
    error = error_of(hidden)
    assert "as root" in str(error)
    assert "sudo cat /proc/iomem" in str(error)


def test_touching_lines_join_before_rounding() -> None:
    loaded = load_map("00100000-001007ff : System RAM\n00100800-00100fff : System RAM\n")
    assert loaded.ranges == [MemoryRange(0x100000, 0x1000, 0)]
    apart = load_map("00100000-001017ff : System RAM\n00101c00-00102fff : System RAM\n")
    assert apart.ranges == [MemoryRange(0x100000, 0x1000, 0), MemoryRange(0x102000, 0x1000, 0)]


def test_page_zero_never_counts() -> None:
    assert load_map("00000000-00001fff : System RAM\n").ranges == [MemoryRange(0x1000, 0x1000, 0)]
    error = error_of("00000000-00000fff : System RAM\n")
    assert "page 0" in str(error)


def test_memory_added_later_counts_once() -> None:
    loaded = load_map(
        "00100000-001fffff : System RAM\n"
        "  00180000-0018ffff : System RAM (nested)\n"
        "100000000-1ffffffff : CXL Window 0\n"
        "  100000000-17fffffff : region0\n"
        "    100000000-13fffffff : dax0.0\n"
        "      100000000-13fffffff : System RAM (kmem)\n"
    )
    assert loaded.ranges == [MemoryRange(0x100000, 0x100000, 0), MemoryRange(0x1_0000_0000, 0x4000_0000, 0)]


def test_old_and_new_shapes_of_e820() -> None:
    old = (
        " BIOS-e820: 0000000000100000 - 0000000040000000 (usable)\n"
        " BIOS-e820: 0000000040000000 - 0000000040200000 (ACPI NVS)\n"
    )
    assert load_map(old).ranges == [MemoryRange(0x100000, 0x3FF00000, 0)]
    new = (
        "\tBIOS-e820: [mem 0x0000000000100000-0x000000003fffffff]    1.0 GB System RAM\n"
        "\tBIOS-e820: [gap 0x0000000040000000-0x00000000afffffff]  768   MB ...\n"
        "\tBIOS-e820: [mem 0x00000000b0000000-0x00000000bfffffff]  256   MB device reserved\n"
        "\tBIOS-e820: [mem 0x0000000100000000-0x000000013fffffff]    1   GB kernel usable RAM\n"
    )
    assert load_map(new).total_bytes == 0x3FF00000 + GIB


def test_repeated_lines_count_once() -> None:
    loaded = load_map(E820 + E820)
    assert loaded.total_bytes == USABLE
    assert loaded.notes == ["6 repeated BIOS-e820 lines were counted once"]


def test_srat_gives_nodes_and_splits_ranges() -> None:
    for text in (E820 + SRAT, IOMEM + SRAT):
        loaded = load_map(text)
        assert loaded.nodes == 2
        assert loaded.total_bytes == USABLE
        assert loaded.ranges[-2:] == [MemoryRange(0x1_0000_0000, GIB, 0), MemoryRange(0x1_4000_0000, 2 * GIB, 1)]
        assert loaded.node_bytes(1) == 2 * GIB


def test_hotplug_windows_that_hold_ram_count() -> None:
    flagged = SRAT.replace("1bfffffff]", "1bfffffff] hotplug")
    assert load_map(E820 + flagged).node_bytes(1) == 2 * GIB


def test_nodes_with_gaps_are_renumbered_with_a_note() -> None:
    loaded = load_map(E820 + SRAT.replace("Node 1 PXM 1", "Node 5 PXM 9"))
    assert {item.node for item in loaded.ranges} == {0, 1}
    assert loaded.notes == ["nodes are numbered without gaps: 5 is now 1"]


def test_memory_outside_every_window_is_on_node_zero() -> None:
    srat = "".join(line + "\n" for line in SRAT.splitlines() if "0x100000000" not in line)
    loaded = load_map(E820 + srat)
    assert loaded.node_bytes(0) == USABLE - 2 * GIB
    assert loaded.notes == [f"{GIB} bytes lie in no node's window and are put on node 0"]


def test_early_ranges_give_nodes_only_without_srat() -> None:
    assert load_map(E820 + EARLY).node_bytes(1) == 3 * GIB
    assert load_map(E820 + EARLY + SRAT).node_bytes(1) == 2 * GIB


def test_early_ranges_alone_are_the_map() -> None:
    loaded = load_map(EARLY)
    assert loaded.kind == "early"
    assert loaded.nodes == 2
    assert loaded.total_bytes == USABLE


def test_srat_alone_is_the_map_without_hotplug() -> None:
    loaded = load_map(SRAT + "[    0.1] ACPI: SRAT: Node 2 PXM 6 [mem 0x2000000000-0x2fffffffff] hotplug\n")
    assert loaded.kind == "srat"
    assert loaded.nodes == 2
    assert loaded.total_bytes == 4 * GIB - 4096
    assert loaded.hotplug == [MemoryRange(0x2000000000, 0x1000000000, 2)]
    assert any("hotplug" in note for note in loaded.notes)
    error_of("ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x3fffffff] hotplug\n")


def test_old_srat_lines() -> None:
    loaded = load_map("SRAT: Node 0 PXM 0 0-a0000\nSRAT: Node 1 PXM 1 100000-80000000\n")
    assert loaded.ranges == [MemoryRange(0x1000, 0x9F000, 0), MemoryRange(0x100000, 0x7FF00000, 1)]


def test_lost_lines_are_noted_by_last_pfn() -> None:
    lost = "".join(line + "\n" for line in E820.splitlines() if "1bfffffff" not in line)
    assert "last_pfn" in load_map(lost).notes[0]


DAMAGE = [
    # (text, line, what the message must say)
    pytest.param("", 1, "found nothing", id="empty"),
    pytest.param("\n \n", 1, "found nothing", id="blank"),
    pytest.param("hello\nworld\n", 1, "expected a memory map", id="prose"),
    pytest.param(IOMEM.replace("3fffffff", "3ffgffff"), 7, "hexadecimal", id="iomem-digit"),
    pytest.param(IOMEM.replace("00100000-", "0010000-"), 7, "hexadecimal", id="iomem-short"),
    pytest.param(IOMEM.replace("00100000-3fffffff :", "00100000-3fffffff"), 7, "expected", id="iomem-colon"),
    pytest.param(IOMEM.replace("00100000-3fffffff", "3fffffff-00100000"), 7, "below its start", id="iomem-reversed"),
    pytest.param(IOMEM.replace("00100000-3fff", "000f8000-3fff"), 7, "line 5", id="iomem-overlap"),
    pytest.param(IOMEM.replace("  01000000-01f", "  71000000-71f"), 8, "inside 0x100000", id="iomem-outside"),
    pytest.param(IOMEM[:-6], 12, "damaged 'System RAM'", id="iomem-truncated-name"),
    pytest.param(IOMEM.replace("3fffffff : System RAM", "3fffffff : Systen RAM"), 7, "damaged", id="iomem-name"),
    pytest.param(IOMEM + "\0\0\0\n", 13, "expected", id="iomem-nul"),
    pytest.param("00001000-0000ffff : Reserved\n", 1, "System RAM", id="iomem-no-ram"),
    pytest.param("10000000000000-1ffffffffffffff : System RAM\n", 1, "52 bits", id="iomem-huge"),
    pytest.param(E820.replace("9fbff] usable", "9fbff usable"), 3, "BIOS-e820", id="e820-bracket"),
    pytest.param(E820.replace("0x0000000100000000-", "0x00000001000Z0000-"), 8, "BIOS-e820", id="e820-digit"),
    pytest.param(E820.replace("3fffffff] usable", "3fffffff] usble"), 5, "memory type", id="e820-type"),
    pytest.param(E820.replace("3fffffff] usable", "3fffffff]"), 5, "BIOS-e820", id="e820-no-type"),
    pytest.param(E820.replace("0040000000-0x", "0030000000-0x"), 6, "line 5", id="e820-overlap"),
    pytest.param(E820.replace("40200000-0x00000000402", "40200000-0x00000000401"), 7, "end is not", id="e820-reversed"),
    pytest.param(
        E820.replace("BIOS-e820: [mem 0x0000000000100000", "BIOS-e82O: [mem 0x0000000000100000"),
        5,
        "BIOS-e820",
        id="e820-tag",
    ),
    pytest.param(E820[: E820.index("1bfffffff") + 3], 8, "BIOS-e820", id="e820-truncated"),
    pytest.param(E820.replace("usable", "reserved").replace("==>", "=>"), 1, "at least one usable", id="e820-no-ram"),
    pytest.param(E820 + SRAT.replace("13fffffff]", "13fffffff"), 15, "SRAT: Node", id="srat-bracket"),
    pytest.param(E820 + SRAT.replace("0x140000000-0x", "0x120000000-0x"), 16, "line 15", id="srat-overlap"),
    pytest.param(E820 + SRAT.replace("Node 1 PXM", "Node X PXM"), 16, "SRAT: Node", id="srat-node"),
    pytest.param(EARLY.replace("9efff]", "9efff"), 2, "node <n>", id="early-bracket"),
]


@pytest.mark.parametrize(("text", "line", "says"), DAMAGE)
def test_damage_names_line_and_expectation(text: str, line: int, says: str) -> None:
    error = error_of(text) if text.strip() else _error_of_nothing(text)
    assert error.line == line
    assert says in str(error)


def _error_of_nothing(text: str) -> MapError:
    with pytest.raises(MapError) as info:
        load_map(text)
    return info.value


def test_error_names_the_file_and_survives_pickling(tmp_path: Path) -> None:
    path = tmp_path / "bad.iomem"
    path.write_text("nonsense\n")
    with pytest.raises(MapError) as info:
        load_map(path)
    assert str(info.value).startswith(f"{path}, line 1: expected ")
    assert str(pickle.loads(pickle.dumps(info.value))) == str(info.value)
    assert isinstance(info.value, ValueError)


def test_huge_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(MapError, match="longer than 64 MiB"):
        load_map(path)


def test_too_many_nodes() -> None:
    lines = "".join(f"ACPI: SRAT: Node {n} PXM {n} [mem {n << 32:#x}-{((n + 1) << 32) - 1:#x}]\n" for n in range(65))
    with pytest.raises(MapError, match="at most 64 nodes"):
        load_map(lines)


def test_range_repr_can_be_pasted_back() -> None:
    item = MemoryRange(0x1000, 0x2000, 3)
    assert eval(repr(item)) == item
    assert (item.end, item.last, item.pages) == (0x3000, 0x2FFF, 2)
    assert MemoryRange(0x1001, 0x1FFE).pages == 0
