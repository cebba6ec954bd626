"""Small drivers with one flaw each, and one without; targets of test_sweep.py."""

from __future__ import annotations

import os

import storsim
from storsim.storport import *


def leaks_on_second_failure(pc: storsim.Machine) -> bool:
    hba = pc.add_adapter("nvme0")
    status, first = StorPortAllocatePool(hba, 100, "One1")
    if status:
        return False
    status, second = StorPortAllocatePool(hba, 200, "Two2")
    if status:
        return False
    StorPortFreePool(hba, second)
    StorPortFreePool(hba, first)
    return True


def frees_twice_on_third_failure(pc: storsim.Machine) -> bool:
    hba = pc.add_adapter("nvme0")
    status, first = StorPortAllocatePool(hba, 100, "One1")
    if status:
        return False
    status, va, pa = StorPortAllocateDmaMemory(hba, 8192, 0, -1, 0, MmCached, MM_ANY_NODE_OK)
    if status:
        StorPortFreePool(hba, first)
    StorPortFreePool(hba, first)
    if status:
        return False
    StorPortFreeDmaMemory(hba, va, 8192, MmCached, pa)
    return True


def handles_everything(pc: storsim.Machine) -> bool:
    hba = pc.add_adapter("nvme0")
    blocks = []
    for size in range(1, 20):
        status, block = StorPortAllocatePool(hba, size, "Many")
        if status:
            break
        blocks.append(block)
    for block in blocks:
        StorPortFreePool(hba, block)
    return len(blocks) == 19


def uses_null(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    block = StorPortAllocatePool(hba, 64, "Null").BufferPointer
    pc.write_va(block, b"x")
    StorPortFreePool(hba, block)


def asserts(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Asrt")
    assert not status, "cannot happen"
    StorPortFreePool(hba, block)


def refuses_politely(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    hba.pool(64, tag="Nice").free()


def dies(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Dies")
    if status:
        os._exit(3)
    StorPortFreePool(hba, block)


def hangs(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, block = StorPortAllocatePool(hba, 64, "Hang")
    while status:
        pass
    StorPortFreePool(hba, block)


def needs_two_failures(pc: storsim.Machine) -> None:
    hba = pc.add_adapter("nvme0")
    status, first = StorPortAllocatePool(hba, 64, "Pair")
    failed = bool(status)
    status, second = StorPortAllocatePool(hba, 64, "Pair")
    status, third = StorPortAllocatePool(hba, 64, "Pair")
    if not (failed and status):
        for block in (first, second, third):
            if block:
                StorPortFreePool(hba, block)
    # with the first and the third failing, the second is forgotten
