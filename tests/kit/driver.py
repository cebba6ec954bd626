"""A driver as data: every step is a method name and plain arguments, every answer is plain too.

So a run can be repeated on a fresh machine, and compared answer by answer and digest by digest.
"""

from __future__ import annotations

from typing import Any

import storsim
import storsim.storport as sp
from kit.outcome import observe
from storsim import MemoryRange

ALLOCATE = {"contiguous": "StorPortAllocateContiguousMemorySpecifyCacheNode", "dma": "StorPortAllocateDmaMemory"}
FREE = {"contiguous": "StorPortFreeContiguousMemorySpecifyCache", "dma": "StorPortFreeDmaMemory"}


class Driver:
    """One adapter on one machine."""

    def __init__(self, ranges: list[tuple[int, int, int]], **knobs: Any) -> None:
        self.pc = storsim.Machine([MemoryRange(*entry) for entry in ranges], **knobs)
        self.hba = self.pc.add_adapter("hba0")
        self.snapshots: dict[int, Any] = {}

    def do(self, step: tuple[Any, ...]) -> Any:
        """Carries out one step; the answer includes the names of new violations."""
        before = len(self.pc.violations)
        answer = getattr(self, step[0])(*step[1:])
        return answer, tuple(record.name for record in list(self.pc.violations)[before:])

    def allocate(
        self, family: str, size: int, lowest: int, highest: int, boundary: int, cache: int, node: int
    ) -> tuple[int, int, int]:
        """(status, virtual address, physical address)."""
        result = getattr(sp, ALLOCATE[family])(self.hba, size, lowest, highest, boundary, cache, node)
        return int(result[0]), int(result[1]), int(self.pc.physical(result[1])) if result[1] else 0

    def free(self, family: str, va: int, size: int, cache: int) -> int:
        """Status."""
        return int(getattr(sp, FREE[family])(self.hba, va, size, cache))

    def pool(self, size: int, tag: str) -> tuple[int, int]:
        """(status, virtual address)."""
        result = sp.StorPortAllocatePool(self.hba, size, tag)
        return int(result[0]), int(result[1])

    def free_pool(self, va: int) -> int:
        """Status."""
        return int(sp.StorPortFreePool(self.hba, va))

    def hmb(
        self, minimum: int, preferred: int, alignment: int, lowest: int, highest: int, count: int
    ) -> tuple[int, tuple[tuple[int, int], ...]]:
        """(status, ranges as start and length)."""
        result = sp.StorPortAllocateHostMemoryBuffer(
            self.hba, minimum, preferred, 0, alignment, lowest, highest, 0, count
        )
        return int(result[0]), tuple((int(entry.RangeStart), int(entry.RangeLength)) for entry in result[1])

    def free_hmb(self, ranges: tuple[tuple[int, int], ...]) -> int:
        """Status."""
        return int(
            sp.StorPortFreeHostMemoryBuffer(self.hba, [sp.ACCESS_RANGE(start, length, 1) for start, length in ranges])
        )

    def mdl(self, va: int, size: int) -> tuple[int, int, tuple[int, ...]]:
        """Allocates and builds: (status, address, pages)."""
        result = sp.StorPortAllocateMdl(self.hba, va, size)
        if int(result[0]):
            return int(result[0]), 0, ()
        status = sp.StorPortBuildMdlForNonPagedPool(self.hba, result[1])
        return int(status), int(result[1]), tuple(int(page) for page in result[1].pages)

    def free_mdl(self, address: int) -> int:
        """Status."""
        return int(sp.StorPortFreeMdl(self.hba, address))

    def reserve(self, start: int, length: int) -> bool:
        """True when the pages were free and are now reserved."""
        try:
            self.pc.memory.reserve(start, length)
        except ValueError:
            return False
        return True

    def release(self, start: int, length: int) -> bool:
        """True when the pages were reserved and are now free."""
        try:
            self.pc.memory.release(start, length)
        except ValueError:
            return False
        return True

    def store(self, va: int, data: bytes) -> bytes:
        """Writes and reads back."""
        self.pc.write_va(va, data)
        return bytes(self.pc.read_va(va, len(data)))

    def fault(self, routine: str, nth: int) -> None:
        """Plans a failure."""
        self.pc.faults.fail_nth(routine, nth)

    def save(self, key: int) -> int:
        """Takes a snapshot; the digest at that moment."""
        self.snapshots[key] = self.pc.snapshot()
        return int(self.pc.digest())

    def restore(self, key: int) -> int:
        """Goes back to a snapshot; the digest afterwards."""
        self.pc.restore(self.snapshots[key])
        return int(self.pc.digest())

    def stop(self, what: str, address: int) -> tuple[int, ...]:
        """Does something that stops the machine, and goes back to before it: the bugcheck."""
        snapshot, digest = self.pc.snapshot(), self.pc.digest()
        call = {
            "pool": lambda: sp.StorPortFreePool(self.hba, address),
            "contiguous": lambda: sp.StorPortFreeContiguousMemorySpecifyCache(self.hba, address, 4096, 1),
            "mdl": lambda: sp.StorPortFreeMdl(self.hba, address),
        }[what]
        outcome = observe(self.pc, call)
        assert outcome.code is not None, outcome
        self.pc.restore(snapshot)
        assert self.pc.digest() == digest
        return outcome.code
