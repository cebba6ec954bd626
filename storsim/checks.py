"""The checks of the verifier, one table: what they look for, which flag switches them, what they report.

The guide's page is made from it, and the tests compare it with what the machine does.
"""

from __future__ import annotations

from typing import NamedTuple


class VerifierCheck(NamedTuple):
    """One check.

    id: V1 … V28 (storport-memory §6), or H1 … H13 (HD Audio bus interface). flag: the documented Driver Verifier flag
    that switches it; ``level`` where levels verifier and strict do, ``always`` where nothing does. trigger: what sets
    it off. report: bugcheck code with parameters, or the name of a violation or note. rules: names of the findings.
    source: where it is documented.
    """

    id: str
    flag: str
    trigger: str
    report: str
    rules: tuple[str, ...]
    source: str


_SPECIAL, _TRACK, _DMA, _FORCE = "special_pool 0x1", "pool_tracking 0x8", "dma 0x80", "force_irql 0x2"

CHECKS: tuple[VerifierCheck, ...] = (
    VerifierCheck(
        "V1",
        _SPECIAL,
        "load or store past the end of pool below PAGE_SIZE, whose last byte ends a page",
        "0xD6(address, 0 read or 1 write, 0, 0)",
        ("SPECIAL_POOL_OVERRUN",),
        "special-pool.md, bug-check-0xd6",
    ),
    VerifierCheck(
        "V2",
        _SPECIAL,
        "bytes before the block changed, seen at the free",
        "0xC1(block, corrupted address, 0, 0x23); 0x32 for one flipped bit",
        ("SPECIAL_POOL_PATTERN",),
        "bug-check-0xc1",
    ),
    VerifierCheck(
        "V3",
        _SPECIAL,
        "with `special_pool_start`: access before the start; bytes past the end changed, seen at the free",
        "0xD6(address, 0 or 1, 0, 0); 0xC1(block, corrupted address, 0, 0x24)",
        ("SPECIAL_POOL_OVERRUN", "SPECIAL_POOL_PATTERN"),
        "special-pool.md, bug-check-0xc1",
    ),
    VerifierCheck(
        "V4",
        _SPECIAL,
        "access to a freed block; below PAGE_SIZE with the flag it stops, otherwise it is recorded at every level",
        "0xD5(address, 0 or 1, 0, 0), or violation USE_AFTER_FREE",
        ("USE_AFTER_FREE",),
        "bug-check-0xd5, ruling R52",
    ),
    VerifierCheck(
        "V5",
        _SPECIAL,
        "free of pool never allocated or freed before, of a bad address; with `bypass_irql_status` allocation and free "
        "above DISPATCH_LEVEL",
        "0xC1(address, 0, 0, 0x20); 0xC1(address, bytes, bytes to the page end, 0x21); "
        "0xC1(IRQL, pool type, bytes, 0x30); 0xC1(IRQL, pool type, address, 0x31)",
        ("DOUBLE_FREE", "NOT_POOL", "INTERIOR_POINTER", "POOL_ABOVE_DISPATCH"),
        "bug-check-0xc1",
    ),
    VerifierCheck(
        "V6",
        _SPECIAL,
        "pool of PAGE_SIZE and more is not covered; when special pool is exhausted (`special_pool_pages`, or no free "
        "page) plain pool serves",
        'counters `special_pool_live` and `special_pool_fallbacks` in `pc.stats()["verifier"]`',
        (),
        "special-pool.md",
    ),
    VerifierCheck(
        "V7",
        _TRACK,
        "an adapter is removed with live pool",
        "0xC4(0x62, device extension, 0, number of blocks)",
        ("POOL_LEAK",),
        "pool-tracking.md, bug-check-0xc4",
    ),
    VerifierCheck(
        "V8",
        _TRACK,
        "pool allocated in HwStorFreeAdapterResources",
        "0xC4(0x61, 0, bytes of nonpaged pool, number of blocks)",
        ("POOL_WHILE_UNLOADING",),
        "bug-check-0xc4",
    ),
    VerifierCheck(
        "V9",
        _TRACK,
        "at the free, bytes past the end of the block or the header before it are changed",
        "0xC4(0x51, block, corrupted address, bytes); 0xC4(0x54, block, 0, 0) for the header; without the flag "
        "0x19(0x21, block, bytes, value found), 0x19(0x20, header, next header, 0)",
        ("OVERRUN", "POOL_HEADER_DAMAGED"),
        "bug-check-0xc4, bug-check-0x19",
    ),
    VerifierCheck(
        "V10",
        "level",
        "pool of zero bytes",
        "0xC4(0x00, IRQL, pool type, 0)",
        ("ZERO_LENGTH",),
        "bug-check-0xc4",
    ),
    VerifierCheck(
        "V11",
        "level",
        "with `bypass_irql_status`: pool allocated or freed above DISPATCH_LEVEL",
        "0xC4(0x02, IRQL, pool type, bytes), 0xC4(0x12, IRQL, pool type, address); at release 0xC2(0x08, …), "
        "0xC2(0x09, …)",
        ("POOL_ABOVE_DISPATCH",),
        "bug-check-0xc4, bug-check-0xc2",
    ),
    VerifierCheck(
        "V12",
        "level",
        "free of an address that is no block, or of a freed one",
        "0xC4(0x10, address, 0, 0); 0xC4(0x13, 0, header, header contents); at release 0xC2(0x42, …), 0xC2(0x07, …)",
        ("NOT_POOL", "INTERIOR_POINTER", "DOUBLE_FREE", "NOT_AN_MDL", "PORT_MEMORY_FREED"),
        "bug-check-0xc4, bug-check-0xc2",
    ),
    VerifierCheck(
        "V13",
        _TRACK,
        "the size in the pool header is not the size tracked",
        "0xC4(0x13F, block, bytes in the header, bytes tracked)",
        ("POOL_HEADER_DAMAGED",),
        "bug-check-0xc4",
    ),
    VerifierCheck(
        "V14",
        "level",
        "contiguous or DMA memory freed with another size, cache type, address or routine; verifier records it, strict "
        "stops",
        "0xC4(0x16, 0, address, 0), or the violation",
        ("SIZE_MISMATCH", "CACHE_MISMATCH", "PA_MISMATCH", "WRONG_FREE_ROUTINE", "BAD_CONTIGUOUS_FREE"),
        "bug-check-0xc4",
    ),
    VerifierCheck(
        "V15",
        "explicit_low_memory",
        "contiguous or DMA memory asked for with HighestAcceptableAddress below 4 GiB",
        "0xC4(0x141, highest address, bytes, 0)",
        ("EXPLICIT_LOW_MEMORY",),
        "bug-check-0xc4",
    ),
    VerifierCheck(
        "V16",
        "level",
        "contiguous, DMA and registry memory allocated or freed at a level their pages forbid",
        "0xC4(0xE5, IRQL, 0, 0)",
        ("StorPortIrql", "BAD_IRQL"),
        "bug-check-0xc4",
    ),
    VerifierCheck(
        "V17",
        "level",
        "a user-mode address marked with StorPortMarkDumpMemory; other routines have rows of their own (0xC2/0x40, "
        "0x1A/0x1240, 0xF1/0x1006, 0x50)",
        "0xC4(0xE0, address, bytes, 0)",
        ("USER_ADDRESS",),
        "bug-check-0xc4",
    ),
    VerifierCheck(
        "V18",
        _DMA,
        "DMA memory freed twice",
        "0xE6(0x03, 1, 0, 0); without the flag 0xC2(0x60, address, 0, 0)",
        ("DMA_DOUBLE_FREE", "BAD_CONTIGUOUS_FREE"),
        "bug-check-0xe6, ruling R14",
    ),
    VerifierCheck(
        "V19",
        _DMA,
        "an adapter is removed with live contiguous or DMA memory",
        "0xE6(0x07, device extension, number of blocks, 0)",
        ("DMA_LEAK", "CONTIGUOUS_LEAK"),
        "bug-check-0xe6",
    ),
    VerifierCheck(
        "V20",
        _DMA,
        "driver or device wrote beside contiguous, DMA or common-buffer memory, the slack to the page end included; "
        "looked at when it is freed, at `pc.check()` and at removal",
        "0xE6(0x0F, 1 tag before or 2 tag behind, bytes, block); 0xE6(0x0F, 4 padding before or 5 padding behind, "
        "block, corrupted address)",
        ("OVERRUN",),
        "bug-check-0xe6, ruling R16",
    ),
    VerifierCheck(
        "V21",
        _DMA,
        "a scatter/gather list put twice; one never put",
        "0xE6(0x06, built, put); 0xE6(0x0A, device extension, lists left, 0)",
        ("SG_DOUBLE_PUT", "SG_LEAK"),
        "bug-check-0xe6",
    ),
    VerifierCheck(
        "V22",
        _DMA,
        "a list of zero bytes, or of memory outside the MDL (a NULL or removed adapter has statuses of its own)",
        "0xE6(0x21, …); 0xE6(0x1F, 1 before, 2 after or 3 too long, …), 0xE6(0x1B, …), 0xE6(0x24, bytes)",
        ("SG_ZERO_LENGTH", "SG_RANGE"),
        "bug-check-0xe6",
    ),
    VerifierCheck(
        "V23",
        _DMA,
        "a device reaches memory that is not its own; behind an IOMMU (`dma_remapping`) it stops",
        "0xE6(0x26, device, address, 0 read or 1 write), or violations DEVICE_DMA_TO_FREED, DEVICE_DMA_FOREIGN",
        ("IOMMU_FAULT", "DEVICE_DMA_TO_FREED", "DEVICE_DMA_FOREIGN"),
        "bug-check-0xe6, ruling R57",
    ),
    VerifierCheck(
        "V24",
        "level",
        "an MDL built over memory that is not resident or is pageable; freed while mapped",
        "0x1A(0x1240, MDL, PTE address, 0) at every level; 0xC4(0x140, IRQL, MDL, address); 0xC4(0xB8, MDL, flags, 0)",
        ("MDL_NOT_RESIDENT", "MDL_PAGEABLE", "MDL_FREED_MAPPED"),
        "bug-check-0x1a, bug-check-0xc4",
    ),
    VerifierCheck(
        "V25",
        "level",
        "uncached extension outside HwStorFindAdapter; a bad address to StorPortGetPhysicalAddress",
        "0xF1(0x2002, 0, 0, 0); 0xF1(0x1006, device extension, address, 0)",
        ("BAD_CONTEXT", "NOT_BUS_MASTER", "SRB_EXTENSION_UNSET", "UNKNOWN_ADDRESS"),
        "dv-storport-verification.md, bug-check-0xf1",
    ),
    VerifierCheck(
        "V26",
        "always",
        "events of the static DDI rules, where a call of this library can set them off",
        "violations StorPortIrql, StorPortAllocatePool, StorPortAllocatePool2, SpNoWait, StorPortDeprecated",
        ("StorPortIrql", "StorPortAllocatePool", "StorPortAllocatePool2", "SpNoWait", "StorPortDeprecated"),
        "storport-storportirql.md and its neighbours",
    ),
    VerifierCheck(
        "V27",
        _FORCE,
        "pageable memory touched at DISPATCH_LEVEL and above",
        "0xD1(address, IRQL, 0 read or 1 write, 0)",
        ("PAGEABLE_AT_DISPATCH",),
        "force-irql-checking.md, bug-check-0xd1",
    ),
    VerifierCheck(
        "V28",
        "always",
        "an adapter is removed with a live Host Memory Buffer",
        "violation HMB_LEAK",
        ("HMB_LEAK",),
        "ruling R18",
    ),
    VerifierCheck(
        "H1",
        "always",
        "an engine is left when the last reference to the interface goes",
        "violation ENGINE_LEAK",
        ("ENGINE_LEAK",),
        "ruling R40",
    ),
    VerifierCheck(
        "H2",
        "always",
        "a DMA buffer is left when the last reference goes",
        "violation BUFFER_LEAK",
        ("BUFFER_LEAK",),
        "ruling R40",
    ),
    VerifierCheck(
        "H3",
        "always",
        "an event or callback registration is left when its engine or interface goes",
        "violation REGISTRATION_LEAK",
        ("REGISTRATION_LEAK",),
        "ruling R40",
    ),
    VerifierCheck(
        "H4",
        "always",
        "FreeDmaEngine on a stream that is only paused: refused, so the engine is lost when nobody looks",
        "violation ENGINE_NOT_RESET",
        ("ENGINE_NOT_RESET",),
        "nc-hdaudio-pfree_dma_engine.md, ruling R41",
    ),
    VerifierCheck(
        "H5",
        "always",
        "a routine called with a Context whose references are gone",
        "violation DEAD_CONTEXT",
        ("DEAD_CONTEXT",),
        "ruling R44",
    ),
    VerifierCheck(
        "H6",
        "always",
        "the buffer descriptor list differs while the stream is paused or running",
        "violation BDL_CHANGED",
        ("BDL_CHANGED",),
        "nc-hdaudio-psetup_dma_engine_with_bdl.md, spec hdaudio-dma §7",
    ),
    VerifierCheck(
        "H7",
        "always",
        "a store to the position or wall clock register",
        "violation REGISTER_WRITTEN",
        ("REGISTER_WRITTEN",),
        "spec hdaudio-dma §5.8",
    ),
    VerifierCheck(
        "H8",
        "always",
        "the controller is removed while a client holds references",
        "violation INTERFACE_LEAK",
        ("INTERFACE_LEAK",),
        "spec hdaudio-dma §1",
    ),
    VerifierCheck(
        "H9",
        "always",
        "a stream's FIFO ran empty or full",
        "note FIFO_ERROR_LOGGED",
        ("FIFO_ERROR_LOGGED",),
        "spec hdaudio-dma §8",
    ),
    VerifierCheck(
        "H10",
        "always",
        "the controller could not use a descriptor and stopped the stream",
        "note DESCRIPTOR_ERROR_LOGGED",
        ("DESCRIPTOR_ERROR_LOGGED",),
        "spec hdaudio-dma §4.2 note 11",
    ),
    VerifierCheck(
        "H11",
        "always",
        "the controller did not finish a handshake in time",
        "note HARDWARE_TIMEOUT",
        ("HARDWARE_TIMEOUT",),
        "spec hdaudio-dma §5.0",
    ),
    VerifierCheck(
        "H12",
        "always",
        "an unsolicited response with a tag nobody registered",
        "note UNSOLICITED_DROPPED",
        ("UNSOLICITED_DROPPED",),
        "spec hdaudio-dma §5.10",
    ),
    VerifierCheck(
        "H13",
        "always",
        "a codec command was not answered in time",
        "note CODEC_LOST",
        ("CODEC_LOST",),
        "spec hdaudio-dma §5.9",
    ),
)
