"""A machine with one adapter, and the call-and-compare verbs that the rows of the misuse tables are written in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import storsim
import storsim.storport as sp
from kit.outcome import Outcome, code_matches, observe
from storsim import MemoryRange

ALL_LEVELS = ("release", "verifier", "strict")
EXT = object()  # stands for the extension of the world's adapter where an argument list is data
MIB = 1 << 20
GIB = 1 << 30

#: 640 KiB less page 0, 63 MiB below 64 MiB, 64 MiB above 4 GiB: room for every limit a device may have.
LOW: list[MemoryRange] = [
    MemoryRange(0x1000, 0x9F000, 0),
    MemoryRange(MIB, 63 * MIB, 0),
    MemoryRange(4 * GIB, 64 * MIB, 0),
]
#: RAM above 4 GiB only.
HIGH: list[MemoryRange] = [MemoryRange(4 * GIB, 64 * MIB, 0)]
#: One plain run of 256 MiB.
BIG: list[MemoryRange] = [MemoryRange(16 * MIB, 256 * MIB, 0)]
#: Two nodes that touch at 32 MiB.
TWO_NODES: list[MemoryRange] = [MemoryRange(MIB, 31 * MIB, 0), MemoryRange(32 * MIB, 32 * MIB, 1)]

_DEVICE_ONLY = ("full_duplex", "dump_mode", "dirql")


def mem(*runs: tuple[int, int] | tuple[int, int, int]) -> list[MemoryRange]:
    """MemoryRanges from (first page, pages[, node])."""
    return [MemoryRange(run[0] * 4096, run[1] * 4096, run[2] if len(run) > 2 else 0) for run in runs]


class World:
    """One machine, one adapter. Keyword arguments are knobs of the machine or of the adapter."""

    def __init__(self, *, level: str = "verifier", memory: Any = None, **knobs: Any) -> None:
        device = {name: knobs.pop(name) for name in _DEVICE_ONLY if name in knobs}
        self.level = level
        self.pc = storsim.Machine(LOW if memory is None else memory, level=level, **knobs)
        self.hba = self.pc.add_adapter("hba0", **device)
        self.ext = self.hba.device_extension

    # -- calls -------------------------------------------------------------------------------------------------------

    def call(self, routine: str, *arguments: Any, ext: Any = EXT, **keywords: Any) -> Any:
        """Calls a routine with this adapter's extension first."""
        function = getattr(sp, routine)
        return function(self.hba if ext is EXT else ext, *arguments, **keywords)

    def observe(self, call: Callable[[], Any]) -> Outcome:
        """Makes the call and gathers status, violations and bugcheck."""
        return observe(self.pc, call)

    def expect(
        self,
        call: Callable[[], Any],
        status: Any = None,
        violation: str | tuple[str, ...] | None = None,
        *,
        result: Any = None,
        bugcheck: tuple[int | None, ...] | None = None,
        release: tuple[int | None, ...] | None = None,
        verifier: tuple[int | None, ...] | None = None,
        strict: tuple[int | None, ...] | None = None,
        unchanged: bool | None = None,
    ) -> Outcome:
        """One row of a misuse table at this world's level.

        ``bugcheck`` holds at every level, ``release`` at release only, ``verifier`` at verifier and strict,
        ``strict`` at strict only. Without one of them the status is returned; a violation (a name, alternatives
        "A|B", or "*" where the row has no name) is recorded, and raised at strict with the result it would have
        had. A call that fails must leave the machine as it was (``unchanged``).
        """
        stop = bugcheck
        if self.level == "release" and release is not None:
            stop = release
        if self.level in ("verifier", "strict") and verifier is not None:
            stop = verifier
        if self.level == "strict" and strict is not None:
            stop = strict
        expected = () if violation is None else (violation,) if isinstance(violation, str) else tuple(violation)
        digest = self.pc.digest()
        outcome = self.observe(call)
        if stop is not None:
            assert code_matches(outcome.code, stop), f"{self.level}: expected bugcheck {_hex(stop)}, got {outcome!r}"
            return outcome
        assert outcome.bugcheck is None, f"{self.level}: unexpected bugcheck: {outcome!r}\n{outcome.bugcheck}"
        assert names_match(outcome.names, expected), f"{self.level}: expected violations {expected}, got {outcome!r}"
        if expected and self.level == "strict":
            assert outcome.raised is not None, f"strict must raise {expected}: {outcome!r}"
            assert outcome.raised.record.name in outcome.names
        else:
            assert outcome.raised is None, f"{self.level}: raised {outcome.raised!r}"
        if status is not None:
            assert outcome.status == status, f"{self.level}: expected {status!r}, got {outcome!r}"
        if result is not None:
            assert outcome.result == result, f"{self.level}: expected result {result!r}, got {outcome!r}"
        if unchanged is None:
            unchanged = status is not None and status != sp.STOR_STATUS_SUCCESS
        if unchanged:
            assert self.pc.digest() == digest, f"a call that failed changed the machine: {outcome!r}"
        return outcome

    # -- memory, asserted to have worked -----------------------------------------------------------------------------

    def pool(self, number_of_bytes: int = 256, tag: Any = "Test") -> int:
        """A live pool block."""
        status, va = sp.StorPortAllocatePool(self.hba, number_of_bytes, tag)
        assert status == sp.STOR_STATUS_SUCCESS
        return int(va)

    def contiguous(
        self,
        number_of_bytes: int = 8192,
        lowest: int = 0,
        highest: int = 2**64 - 1,
        boundary: int = 0,
        cache: Any = None,
        node: Any = None,
    ) -> int:
        """A live block of contiguous memory."""
        status, va = sp.StorPortAllocateContiguousMemorySpecifyCacheNode(
            self.hba,
            number_of_bytes,
            lowest,
            highest,
            boundary,
            sp.MmCached if cache is None else cache,
            sp.MM_ANY_NODE_OK if node is None else node,
        )
        assert status == sp.STOR_STATUS_SUCCESS
        return int(va)

    def dma(
        self,
        number_of_bytes: int = 8192,
        lowest: int = 0,
        highest: int = 2**64 - 1,
        boundary: int = 0,
        cache: Any = None,
        node: Any = None,
    ) -> tuple[int, int]:
        """A live block of DMA memory: virtual and device address."""
        status, va, pa = sp.StorPortAllocateDmaMemory(
            self.hba,
            number_of_bytes,
            lowest,
            highest,
            boundary,
            sp.MmCached if cache is None else cache,
            sp.MM_ANY_NODE_OK if node is None else node,
        )
        assert status == sp.STOR_STATUS_SUCCESS
        return int(va), int(pa)

    def hmb(self, minimum: int = 0, preferred: int = MIB, count: int = 8, **keywords: int) -> list[Any]:
        """A live Host Memory Buffer: its ranges."""
        status, ranges = self.allocate_hmb(minimum, preferred, count, **keywords)
        assert status == sp.STOR_STATUS_SUCCESS
        return list(ranges)

    def allocate_hmb(
        self,
        minimum: int,
        preferred: int,
        count: Any,
        *,
        utilization: int = 0,
        alignment: int = 0,
        lowest: int = 0,
        highest: int = 2**64 - 1,
        boundary: int = 0,
        **keywords: Any,
    ) -> Any:
        """StorPortAllocateHostMemoryBuffer with the uninteresting parameters left at their plain values."""
        return sp.StorPortAllocateHostMemoryBuffer(
            self.hba, minimum, preferred, utilization, alignment, lowest, highest, boundary, count, **keywords
        )

    def mdl(self, va: int, number_of_bytes: int, *, built: bool = True) -> Any:
        """An MDL over a buffer."""
        status, mdl = sp.StorPortAllocateMdl(self.hba, va, number_of_bytes)
        assert status == sp.STOR_STATUS_SUCCESS
        if built:
            assert sp.StorPortBuildMdlForNonPagedPool(self.hba, mdl) == sp.STOR_STATUS_SUCCESS
        return mdl

    def find_adapter(self) -> Any:
        """The context of HwStorFindAdapter: a context manager that yields the configuration."""
        return self.hba.callback("HwStorFindAdapter")

    def uncached(self, number_of_bytes: int = 8192, **config: int) -> int:
        """An uncached extension, asked for in HwStorFindAdapter as a bus master with an SRB extension size."""
        with self.find_adapter() as info:
            info.Master = True
            info.SrbExtensionSize = config.pop("SrbExtensionSize", 512)
            for name, value in config.items():
                setattr(info, name, value)
            return int(sp.StorPortGetUncachedExtension(self.hba, info, number_of_bytes))

    # -- looking -----------------------------------------------------------------------------------------------------

    @property
    def names(self) -> list[str]:
        """Names of all violations so far."""
        return [record.name for record in self.pc.violations]

    def record(self, address: int) -> Any:
        """The live allocation that starts at a kernel address, or None."""
        return next((record for record in self.pc.allocations() if record.va == address), None)

    def live(self, address: int) -> bool:
        """True while an allocation starts at this kernel address."""
        return self.record(address) is not None

    def kinds(self, kind: str) -> list[Any]:
        """Live allocations of one kind."""
        return [record for record in self.pc.allocations() if record.kind == kind]


def names_match(got: list[str], patterns: tuple[str, ...]) -> bool:
    """One name per pattern; a pattern is a name, alternatives joined by a bar, or a star where the rule has no fixed
    name.
    """
    left = list(got)
    for pattern in sorted(patterns, key=lambda text: text == "*"):
        found = next((name for name in left if pattern == "*" or name in pattern.split("|")), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def _hex(values: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if value is None else f"0x{value:X}" for value in values) + ")"
