"""Any routine, any arguments, any level, any Windows: an answer, a violation or a bugcheck, never anything else.

A call that fails has changed nothing; a machine that goes on is in order; and everything happens again the same way.
"""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import event, given, note, settings
from hypothesis import strategies as st

import storsim
import storsim.storport as sp
from kit import PAGE, Outcome, World, status_of
from kit.outcome import observe
from kit.world import LOW
from storsim import MemoryRange, WindowsVersion

CALLBACKS = [None, "HwStorFindAdapter", "HwStorStartIo", "HwStorBuildIo", "HwStorInterrupt", "HwStorDpcRoutine"]
TABLE = {row["name"]: row for row in storsim._core.ddi_table() if row["family"] == "storport"}
WIDTHS = {"UCHAR": 8, "BOOLEAN": 8, "USHORT": 16, "ULONG": 32}  # the rest are 64 bits wide
WIDTHS |= dict.fromkeys(("SIZE_T", "ULONGLONG", "ULONG_PTR", "PHYSICAL_ADDRESS"), 64)
POINTERS = {
    "PVOID", "PMDL", "PSCSI_REQUEST_BLOCK", "PSTOR_SCATTER_GATHER_LIST", "PPORT_CONFIGURATION_INFORMATION",
}  # fmt: skip


class Rich(World):
    """A machine on which a bit of everything lives, and the addresses a confused driver might pass."""

    def __init__(self, level: str, os: WindowsVersion, **knobs: Any) -> None:
        memory = [*LOW, MemoryRange(8 << 30, 1 << 20, 1)]
        super().__init__(level=level, os=os, memory=memory, cpus=2, **knobs)
        with self.find_adapter() as config:
            config.Master, config.SrbExtensionSize = True, 256
        pool, large = self.pool(100), self.pool(3 * PAGE)
        freed = self.pool(64)
        sp.StorPortFreePool(self.hba, freed)
        mdl, unbuilt = self.mdl(large, 2 * PAGE), self.mdl(pool, 100, built=False)
        self.srb = self.hba.srb(3 * PAGE, fragments=3)
        empty = self.hba.srb(0)
        self.lists: list[Any] = []
        with self.pc.at_irql(2):
            arguments = (mdl, large, PAGE, self.ran, 0, True, self.pool(512), 512)
            sp.StorPortBuildScatterGatherList(self.hba, *arguments)
        nowhere = [0, 1, 0x10000, 0x7FFFFFFFFFFF, 0x1234_0000_0000_0000, 0xFFFF_F000_0000_0000, 2**64 - 1]
        blocks = [
            pool,
            pool + 16,
            large,
            large + PAGE,
            freed,
            int(mdl),
            int(unbuilt),
            int(self.ext),
            self.uncached(8192),
        ]
        request = [self.srb, empty, self.srb.DataBuffer, self.srb.SrbExtension, self.srb.SenseInfoBuffer]
        self.addresses = [*nowhere, *blocks, *map(int, request), int(self.lists[0]), int(self.hba.config)]
        if os >= WindowsVersion.WIN7:
            self.addresses.append(self.contiguous(5000))
        self.ranges: list[Any] = []
        if os >= WindowsVersion.WIN10_1803:
            self.addresses += self.dma(PAGE)
            self.ranges = self.hmb(0, 64 * PAGE, 4)

    def ran(self, device: Any, irp: Any, sg: Any, context: Any) -> None:
        """The execution routine."""
        self.lists.append(sg)


def _value(kind: str, rich: Rich, pick: int, number: int, name: str) -> Any:
    """One argument of a type: a number that means something, or any number that fits."""
    if kind in POINTERS:
        return rich.addresses[pick % len(rich.addresses)] if pick < 60 else number
    if name == "Tag":
        return ["Test", b"ab", 0, 0x20474942, number % 2**32][pick % 5]
    if kind in WIDTHS:
        few = [0, 1, 2, 64, 4095, PAGE, PAGE + 1, 8192, 1 << 20, 2**31, 2**32 - 1, 2**63, 2**64 - 1, *rich.addresses]
        return (few[pick % len(few)] if pick < 60 else number) % 2 ** WIDTHS[kind]
    if kind == "enumeration":
        return [0, 1, 2, 3, -1, 6, number % 2**31][pick % 7]
    if kind == "callable":
        return rich.ran
    if kind == "any object":
        return "context"
    assert kind == "ACCESS_RANGE[]", kind
    other = [sp.ACCESS_RANGE(number % 2**40 * PAGE % 2**64, PAGE, 1)]
    return [rich.ranges, rich.ranges[::-1], [], None, other, [*rich.ranges, *other]][pick % 6]


def _arguments(row: dict[str, Any], rich: Rich, picks: list[int], numbers: list[int]) -> dict[str, Any]:
    """A value for every parameter that is passed in; sometimes NULL for one that is passed out."""
    chosen: dict[str, Any] = {}
    for index, parameter in enumerate(row["params"]):
        name, kind, flags = parameter["name"], parameter["type"], parameter["flags"]
        if name == "HwDeviceExtension":
            continue
        if flags & 1 == 0 or (kind == "ACCESS_RANGE[]" and flags & 2):  # out-parameters come back as results
            if picks[index] % 11 == 0:
                chosen[name] = None
            continue
        chosen[name] = _value(kind, rich, picks[index], numbers[index], name)
    if row["name"] == "StorPortFreeHostMemoryBuffer":
        chosen.pop("PhysicalAddressRangeCount")
    elif row["name"] == "StorPortAllocateHostMemoryBuffer" and chosen.get("PhysicalAddressRangeCount"):
        chosen["PhysicalAddressRangeCount"] %= 1 << 16  # so many entries the host has memory for
    return chosen


def _perform(row: dict[str, Any], rich: Rich, arguments: dict[str, Any], irql: int, callback: str | None) -> Outcome:
    function = getattr(rich.pc.storport, row["name"])
    if row["params"][0]["name"] == "HwDeviceExtension":
        arguments = {"HwDeviceExtension": rich.ext} | arguments
    with contextlib.ExitStack() as stack:
        if callback is not None:
            stack.enter_context(rich.hba.callback(callback))
        else:
            stack.enter_context(rich.pc.at_irql(irql))
        return observe(rich.pc, lambda: function(**arguments))


@settings(max_examples=400 if settings().max_examples <= 30 else 10 * settings().max_examples)
@given(
    st.sampled_from(sorted(TABLE)),
    st.sampled_from(["release", "release", "verifier", "strict"]),
    st.sampled_from(
        [WindowsVersion.WIN11_24H2, WindowsVersion.WIN11_24H2, WindowsVersion.WIN10_1803, WindowsVersion.VISTA]
    ),
    st.integers(0, 15).map(lambda irql: irql if irql > 2 else 0),
    st.sampled_from(CALLBACKS),
    st.lists(st.integers(0, 90), min_size=12, max_size=12),
    st.lists(st.integers(0, 2**64 - 1), min_size=12, max_size=12),
    st.booleans(),
)
def test_any_call(
    routine: str,
    level: str,
    os: WindowsVersion,
    irql: int,
    callback: str | None,
    picks: list[int],
    numbers: list[int],
    remapping: bool,
) -> None:
    row = TABLE[routine]
    first, second = (Rich(level, os, dma_remapping=remapping) for _ in range(2))
    arguments = _arguments(row, first, picks, numbers)
    note(f"{row['name']}({arguments}) at {irql} in {callback}, {level}, {os.name}")
    before, free = first.pc.digest(), first.pc.memory.runs()
    outcome = _perform(row, first, arguments, irql, callback)
    event(f"{row['name']} {outcome.code[:2] if outcome.code else outcome.status!r}")
    status = status_of(outcome.result)
    if outcome.bugcheck is None:
        assert not first.pc.check()
        assert sum(run.length for run in first.pc.memory.runs()) == first.pc.memory.free_bytes()
        if row["returns"] == "status":
            assert status is not None
            if status != sp.STOR_STATUS_SUCCESS:
                assert first.pc.digest() == before, f"{outcome!r} changed the machine"
                assert first.pc.memory.runs() == free
                assert not any(_address(value) for value in outcome.outputs), outcome
    again = _perform(row, second, _arguments(row, second, picks, numbers), irql, callback)
    assert (again.code, again.names, repr(again.result)) == (outcome.code, outcome.names, repr(outcome.result))
    assert first.pc.digest() == second.pc.digest()


def _address(value: Any) -> bool:
    """Whether an output after a failure still says something; a required count may."""
    return not (value is None or isinstance(value, list) or int(getattr(value, "Mask", value)) in (0, 1))
