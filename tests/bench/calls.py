"""What a call costs, and what the checks add to it.

    python tests/bench/calls.py [--rounds N]

Run by hand; nothing is asserted. Every operation is timed on machines that differ only in their checks, in turn within
each round, so that a noisy machine troubles all alike; the best round counts. The first column is in nanoseconds, the
others are ratios to it. ``floor`` is a call from Python into a builtin that does nothing.

How to read it: at every level a routine validates its arguments and keeps a record of each block, since statuses
and bugchecks depend on both. Most of what ``verifier`` and ``strict`` add is a comparison with that record, or a look
at the guard bytes behind a block when it is freed. Special pool gives each block pages of its own, hence it stands
apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import storsim
from storsim import storport as sp

Operation = Callable[[storsim.Machine, storsim.Adapter], Callable[[], object]]
ARMS: dict[str, dict[str, object]] = {
    "release": {"level": "release"},
    "verifier": {"level": "verifier"},
    "strict": {"level": "strict"},
    "special pool": {"level": "verifier", "verifier": {"+special_pool"}},
}
HIGHEST = 2**64 - 1


def pool(pc: storsim.Machine, hba: storsim.Adapter) -> Callable[[], object]:
    def run() -> None:
        _, va = sp.StorPortAllocatePool(hba, 512, "Benc")
        sp.StorPortFreePool(hba, va)

    return run


def contiguous(pc: storsim.Machine, hba: storsim.Adapter) -> Callable[[], object]:
    def run() -> None:
        _, va = sp.StorPortAllocateContiguousMemorySpecifyCacheNode(
            hba, 65536, 0, HIGHEST, 0, sp.MmCached, sp.MM_ANY_NODE_OK
        )
        sp.StorPortFreeContiguousMemorySpecifyCache(hba, va, 65536, sp.MmCached)

    return run


def dma(pc: storsim.Machine, hba: storsim.Adapter) -> Callable[[], object]:
    def run() -> None:
        _, va, pa = sp.StorPortAllocateDmaMemory(hba, 65536, 0, 0xFFFF_FFFF, 65536, sp.MmCached, sp.MM_ANY_NODE_OK)
        sp.StorPortFreeDmaMemory(hba, va, 65536, sp.MmCached, pa)

    return run


def host_memory_buffer(pc: storsim.Machine, hba: storsim.Adapter) -> Callable[[], object]:
    def run() -> None:
        _, ranges = sp.StorPortAllocateHostMemoryBuffer(hba, 8 << 20, 64 << 20, 0, 4096, 0, HIGHEST, 0, 8)
        sp.StorPortFreeHostMemoryBuffer(hba, ranges)

    return run


def physical_address(pc: storsim.Machine, hba: storsim.Adapter) -> Callable[[], object]:
    _, va, _ = sp.StorPortAllocateDmaMemory(hba, 65536, 0, HIGHEST, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    return lambda: sp.StorPortGetPhysicalAddress(hba, None, va)


def device_write(pc: storsim.Machine, hba: storsim.Adapter) -> Callable[[], object]:
    _, _, pa = sp.StorPortAllocateDmaMemory(hba, 65536, 0, HIGHEST, 0, sp.MmCached, sp.MM_ANY_NODE_OK)
    data = bytes(4096)
    return lambda: hba.dma_write(pa, data)


OPERATIONS: dict[str, Operation] = {
    "pool, 512 bytes, allocated and freed": pool,
    "contiguous, 64 KiB, allocated and freed": contiguous,
    "DMA, 64 KiB below 4 GiB, allocated and freed": dma,
    "host memory buffer, 64 MiB, allocated and freed": host_memory_buffer,
    "StorPortGetPhysicalAddress": physical_address,
    "device writes 4 KiB": device_write,
}


def seconds(run: Callable[[], object], calls: int) -> float:
    """Time of one call, over `calls` of them."""
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def measure(operation: Operation, rounds: int) -> dict[str, float]:
    """Best time of one call by arm, in seconds."""
    machines = {arm: storsim.Machine("16GiB", seed=1, **settings) for arm, settings in ARMS.items()}
    runs = {arm: operation(pc, pc.add_adapter("nvme0")) for arm, pc in machines.items()}
    calls = {arm: max(20, min(20_000, int(0.004 / seconds(run, 20)))) for arm, run in runs.items()}
    best = dict.fromkeys(ARMS, float("inf"))
    for _ in range(rounds):
        for arm, run in runs.items():
            best[arm] = min(best[arm], seconds(run, calls[arm]))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description="What a call costs, and what the checks add to it.")
    parser.add_argument("--rounds", type=int, default=60, metavar="N", help="rounds of every arm (60)")
    rounds = parser.parse_args().rounds
    floor = min(seconds((1).conjugate, 20_000) for _ in range(rounds))
    print(f"{'':50}{'release':>11}" + "".join(f"{arm:>14}" for arm in list(ARMS)[1:]))
    print(f"{'floor: a builtin that does nothing':50}{floor * 1e9:8.0f} ns")
    for name, operation in OPERATIONS.items():
        best = measure(operation, rounds)
        base = best["release"]
        ratios = "".join(f"{best[arm] / base:13.2f}x" for arm in list(ARMS)[1:])
        print(f"{name:50}{base * 1e9:8.0f} ns{ratios}")


if __name__ == "__main__":
    main()
