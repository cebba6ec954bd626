"""§4.6: the device's side of the Host Memory Buffer, and what it catches."""

from __future__ import annotations

import json
from typing import Any

import pytest

import storsim.storport as sp
from kit import ALL_LEVELS, PAGE, World, mem
from storsim import Placement

Status = sp.StorStatus
MIB = 1 << 20
FID = 0x0D
INVALID_FIELD = 0x002
SEQUENCE_ERROR = 0x00C


class Drive:
    """A controller with a live buffer of some ranges, and its descriptor list in DMA memory."""

    def __init__(
        self, level: str = "release", ranges: int = 2, identify: dict[str, int] | None = None, **knobs: Any
    ) -> None:
        runs = [(1, 64)] + [(4096 * (index + 1), 1024) for index in range(ranges)]
        self.world = World(level=level, memory=mem(*runs), placement=Placement.BOTTOM_UP, **knobs)
        self.hba = self.world.hba
        self.hba.attach_nvme({"hmpre": 1024 * ranges, "hmmin": 16, "hmminds": 0, "hmmaxd": 0} | (identify or {}))
        self.ranges = self.world.hmb(0, ranges * 1024 * PAGE, 8)
        assert len(self.ranges) == ranges
        self.list_va, self.list_pa = self.world.dma(PAGE)
        self.write_list()

    def write_list(self, entries: list[tuple[int, int]] | None = None) -> None:
        """Writes the descriptor entries: (BADD, BSIZE in pages)."""
        entries = self.entries if entries is None else entries
        raw = b"".join(start.to_bytes(8, "little") + pages.to_bytes(4, "little") + bytes(4) for start, pages in entries)
        self.world.pc.write_va(self.list_va, raw)

    @property
    def entries(self) -> list[tuple[int, int]]:
        """What the list should say."""
        return [(entry.RangeStart, entry.RangeLength // PAGE) for entry in self.ranges]

    def enable(
        self,
        *,
        mr: bool = False,
        hsize: int | None = None,
        address: int | None = None,
        count: int | None = None,
        ehm: bool = True,
    ) -> int:
        """Set Features; the completion status."""
        address = self.list_pa if address is None else address
        total = sum(pages for _, pages in self.entries)
        return int(
            self.hba.nvme.set_features(
                FID,
                cdw11=int(ehm) | 2 * int(mr),
                cdw12=total if hsize is None else hsize,
                cdw13=address & 0xFFFFFFFF,
                cdw14=address >> 32,
                cdw15=len(self.ranges) if count is None else count,
            )
        )

    def disable(self) -> int:
        """Set Features with EHM = 0."""
        return int(self.hba.nvme.set_features(FID, cdw11=0))


def test_enable_use_disable() -> None:
    drive = Drive("strict")
    assert drive.enable() == 0
    drive.hba.dma_write(drive.ranges[0].RangeStart, b"mapping table")
    assert drive.hba.dma_read(drive.ranges[0].RangeStart, 13) == b"mapping table"
    assert drive.disable() == 0
    assert sp.StorPortFreeHostMemoryBuffer(drive.hba, drive.ranges) == Status.STOR_STATUS_SUCCESS
    assert drive.world.names == []


def test_get_features_tells_what_was_set() -> None:
    drive = Drive()
    drive.enable()
    raw = drive.hba.nvme.get_features(FID)
    data = bytes(raw)
    assert len(data) == 4096
    assert int.from_bytes(data[0:4], "little") == 2048
    assert int.from_bytes(data[4:8], "little") == drive.list_pa & 0xFFFFFFFF
    assert int.from_bytes(data[8:12], "little") == drive.list_pa >> 32
    assert int.from_bytes(data[12:16], "little") == 2


def test_enabling_twice_is_a_sequence_error() -> None:
    drive = Drive()
    assert drive.enable() == 0
    assert drive.enable() == SEQUENCE_ERROR
    assert drive.disable() == 0
    assert drive.enable() == 0


def test_other_features_are_refused() -> None:
    assert int(Drive().hba.nvme.set_features(0x7E, cdw11=1)) == INVALID_FIELD


def test_reset_ends_the_assignment() -> None:
    drive = Drive()
    drive.enable()
    drive.hba.nvme.reset()
    assert drive.enable() == 0, "not a sequence error: the controller forgot"
    assert drive.world.names == []


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_no_access_after_disable(level: str) -> None:
    drive = Drive(level)
    drive.enable()
    drive.disable()
    outcome = drive.world.observe(lambda: drive.hba.dma_write(drive.ranges[0].RangeStart, b"late"))
    assert outcome.names or outcome.bugcheck is not None


def test_no_access_before_enable() -> None:
    drive = Drive()
    outcome = drive.world.observe(lambda: drive.hba.dma_write(drive.ranges[0].RangeStart, b"early"))
    assert outcome.names or outcome.bugcheck is not None


@pytest.mark.parametrize("where", ["nvme dict", "json text", "path"])
def test_identify_data(where: str, tmp_path: Any) -> None:
    world = World()
    identify = {"mn": "Test drive", "hmpre": 4096, "hmmin": 256, "hmminds": 8, "hmmaxd": 4}
    if where == "nvme dict":
        world.hba.attach_nvme(identify)
    elif where == "json text":
        world.hba.attach_nvme(json.dumps(identify))
    else:
        path = tmp_path / "drive.json"
        path.write_text(json.dumps(identify), encoding="utf-8")
        world.hba.attach_nvme(path)
    assert world.hba.nvme is not None


# -- what the device catches -----------------------------------------------------------------------------------------


def _caught(drive: Drive, call: Any) -> list[str]:
    outcome = drive.world.observe(call)
    assert outcome.bugcheck is None
    assert outcome.names, "the device must complain"
    return outcome.names


@pytest.mark.parametrize("how", ["start", "length", "foreign"])
def test_entry_outside_the_buffer(how: str) -> None:
    drive = Drive()
    entries = drive.entries
    start, pages = entries[0]
    entries[0] = {"start": (start - PAGE, pages), "length": (start, pages + 1), "foreign": (0x10000, pages)}[how]
    drive.write_list(entries)
    _caught(drive, lambda: drive.enable(hsize=sum(pages for _, pages in entries)))


@pytest.mark.parametrize("delta", [-1, 1])
def test_sum_of_sizes_differs(delta: int) -> None:
    drive = Drive()
    _caught(drive, lambda: drive.enable(hsize=2048 + delta))


def test_too_many_entries() -> None:
    drive = Drive(identify={"hmmaxd": 1})
    _caught(drive, drive.enable)


def test_entry_below_the_useful_size() -> None:
    drive = Drive(identify={"hmminds": 2048})
    _caught(drive, drive.enable)


def test_misaligned_entry() -> None:
    drive = Drive()
    entries = drive.entries
    entries[0] = (entries[0][0] + 512, entries[0][1])
    drive.write_list(entries)
    _caught(drive, drive.enable)


@pytest.mark.parametrize("shift", [1, 4, 8])
def test_misaligned_list(shift: int) -> None:
    drive = Drive()
    outcome = drive.world.observe(lambda: drive.enable(address=drive.list_pa + shift))
    assert outcome.names


def test_processor_writes_the_list_while_enabled() -> None:
    """The controller finds out when it next looks at the list, at the latest when it is told to let go."""
    drive = Drive()
    drive.enable()

    def misuse() -> None:
        drive.world.pc.write_va(drive.list_va, bytes(16))
        drive.disable()

    _caught(drive, misuse)


def test_processor_may_write_the_list_after_disable() -> None:
    drive = Drive("strict")
    drive.enable()
    drive.disable()
    drive.world.pc.write_va(drive.list_va, bytes(16))
    assert drive.world.names == []


@pytest.mark.parametrize("what", ["size", "list", "address"])
def test_returned_buffer_changed(what: str) -> None:
    drive = Drive()
    drive.enable()
    drive.disable()
    drive.hba.nvme.reset()
    address = drive.list_pa
    if what == "size":
        drive.ranges[0].RangeLength -= PAGE
        drive.write_list()
    elif what == "list":
        drive.write_list(drive.entries[::-1])
    else:
        other_va, address = drive.world.dma(PAGE)
        drive.world.pc.write_va(other_va, drive.world.pc.read_va(drive.list_va, 64))
    outcome = drive.world.observe(lambda: drive.enable(mr=True, address=address))
    assert "HMB_RETURN_CHANGED" in outcome.names


@pytest.mark.parametrize("how", ["debugger", "allocated anew"])
def test_returned_buffer_with_other_contents(how: str) -> None:
    drive = Drive()
    drive.enable()
    drive.hba.dma_write(drive.ranges[0].RangeStart, b"mapping")
    drive.disable()
    drive.hba.nvme.reset()
    if how == "debugger":
        drive.world.pc.memory.write(drive.ranges[0].RangeStart, b"garbage")
    else:
        before = drive.entries
        assert sp.StorPortFreeHostMemoryBuffer(drive.hba, drive.ranges) == Status.STOR_STATUS_SUCCESS
        drive.ranges = drive.world.hmb(0, len(before) * 1024 * PAGE, 8)
        assert drive.entries == before
    outcome = drive.world.observe(lambda: drive.enable(mr=True))
    assert "HMB_RETURN_CHANGED" in outcome.names


def test_returned_buffer_unchanged() -> None:
    drive = Drive("strict")
    drive.enable()
    drive.hba.dma_write(drive.ranges[0].RangeStart, b"mapping")
    drive.disable()
    drive.hba.nvme.reset()
    assert drive.enable(mr=True) == 0
    assert drive.hba.dma_read(drive.ranges[0].RangeStart, 7) == b"mapping"


@pytest.mark.parametrize("level", ALL_LEVELS)
def test_buffer_kept_across_removal(level: str) -> None:
    drive = Drive(level)
    sp.StorPortFreeDmaMemory(drive.hba, drive.list_va, PAGE, sp.MmCached)
    outcome = drive.world.observe(drive.hba.remove)
    assert outcome.names == ["HMB_LEAK"]


def test_with_iommu() -> None:
    drive = Drive("strict", dma_remapping=True)
    assert drive.enable() == 0
    start = drive.ranges[0].RangeStart
    drive.hba.dma_write(start, b"mapping")
    assert drive.hba.dma_read(start, 7) == b"mapping"
    assert drive.disable() == 0
    assert sp.StorPortFreeHostMemoryBuffer(drive.hba, drive.ranges) == Status.STOR_STATUS_SUCCESS
    drive.world.expect(lambda: drive.hba.dma_read(start, 7), bugcheck=(0xE6, 0x26, None, start))
