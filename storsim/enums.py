"""Numbers with documented names: statuses, Windows versions, levels, cache types."""

from __future__ import annotations

from enum import IntEnum, IntFlag


class StorStatus(IntEnum):
    """STOR_STATUS codes, 32 bits. They are no NTSTATUS values. Source: public storport.h transcriptions."""

    STOR_STATUS_SUCCESS = 0x00000000
    STOR_STATUS_UNSUCCESSFUL = 0xC1000001
    STOR_STATUS_NOT_IMPLEMENTED = 0xC1000002
    STOR_STATUS_INSUFFICIENT_RESOURCES = 0xC1000003
    STOR_STATUS_BUFFER_TOO_SMALL = 0xC1000004
    STOR_STATUS_ACCESS_DENIED = 0xC1000005
    STOR_STATUS_INVALID_PARAMETER = 0xC1000006
    STOR_STATUS_INVALID_DEVICE_REQUEST = 0xC1000007
    STOR_STATUS_INVALID_IRQL = 0xC1000008
    STOR_STATUS_INVALID_DEVICE_STATE = 0xC1000009
    STOR_STATUS_INVALID_BUFFER_SIZE = 0xC100000A
    STOR_STATUS_UNSUPPORTED_VERSION = 0xC100000B
    STOR_STATUS_BUSY = 0xC100000C


class NtStatus(IntEnum):
    """NTSTATUS codes that the HD Audio interface answers, 32 bits. Source: ntstatus values of the open
    specifications, MS-ERREF.
    """

    STATUS_SUCCESS = 0x00000000
    STATUS_TIMEOUT = 0x00000102
    STATUS_PENDING = 0x00000103
    STATUS_UNSUCCESSFUL = 0xC0000001
    STATUS_NOT_IMPLEMENTED = 0xC0000002
    STATUS_INVALID_HANDLE = 0xC0000008
    STATUS_INVALID_PARAMETER = 0xC000000D
    STATUS_NO_SUCH_DEVICE = 0xC000000E
    STATUS_INVALID_DEVICE_REQUEST = 0xC0000010
    STATUS_NO_MEMORY = 0xC0000017
    STATUS_BUFFER_TOO_SMALL = 0xC0000023
    STATUS_INSUFFICIENT_RESOURCES = 0xC000009A
    STATUS_DEVICE_NOT_READY = 0xC00000A3
    STATUS_IO_TIMEOUT = 0xC00000B5
    STATUS_NOT_SUPPORTED = 0xC00000BB
    STATUS_NOT_FOUND = 0xC0000225
    STATUS_INVALID_DEVICE_STATE = 0xC0000184
    STATUS_DEVICE_REMOVED = 0xC00002B6


class WindowsVersion(IntEnum):
    """Windows versions by NTDDI number: decide which routines exist. Source: public sdkddkver.h transcriptions."""

    WS03SP2 = 0x05020200
    VISTA = 0x06000000
    WIN7 = 0x06010000
    WIN8 = 0x06020000
    WIN8_1 = 0x06030000
    WIN10_1507 = 0x0A000000
    WIN10_1511 = 0x0A000001
    WIN10_1607 = 0x0A000002
    WIN10_1703 = 0x0A000003
    WIN10_1709 = 0x0A000004
    WIN10_1803 = 0x0A000005
    WIN10_1809 = 0x0A000006
    WIN10_1903 = 0x0A000007
    WIN10_2004 = 0x0A000008
    SERVER_2022 = 0x0A00000A
    WIN11_21H2 = 0x0A00000B
    WIN11_22H2 = 0x0A00000C
    WIN11_24H2 = 0x0A000010


class Irql(IntEnum):
    """IRQLs of x64. Device levels (3 … 11) are plain ints. Source: public wdm.h transcriptions."""

    PASSIVE_LEVEL = 0
    APC_LEVEL = 1
    DISPATCH_LEVEL = 2
    CMCI_LEVEL = 5
    CLOCK_LEVEL = 13
    IPI_LEVEL = 14
    DRS_LEVEL = 14
    POWER_LEVEL = 14
    PROFILE_LEVEL = 15
    HIGH_LEVEL = 15


class MEMORY_CACHING_TYPE(IntEnum):
    """Cache attribute of a mapping. 0, 1 and 2 are for drivers. Source: ne-wdm-_memory_caching_type.md"""

    MmNonCached = 0
    MmCached = 1
    MmWriteCombined = 2
    MmHardwareCoherentCached = 3
    MmNonCachedUnordered = 4
    MmUSWCCached = 5
    MmMaximumCacheType = 6
    MmNotMapped = -1


class POOL_TYPE(IntEnum):
    """Pool types as they appear in bugcheck parameters. Source: ne-wdm-_pool_type.md"""

    NonPagedPool = 0
    PagedPool = 1
    NonPagedPoolMustSucceed = 2
    DontUseThisType = 3
    NonPagedPoolCacheAligned = 4
    PagedPoolCacheAligned = 5
    NonPagedPoolCacheAlignedMustS = 6
    MaxPoolType = 7
    NonPagedPoolSession = 32
    PagedPoolSession = 33
    NonPagedPoolNx = 512
    NonPagedPoolNxCacheAligned = 516
    NonPagedPoolSessionNx = 544


class Placement(IntEnum):
    """Where a request is placed among the legal places. Source: model choice."""

    TOP_DOWN = 0
    BOTTOM_UP = 1
    BEST_FIT = 2
    RANDOM = 3
    ADVERSARIAL = 4


class Verifier(IntFlag):
    """Driver Verifier flags as on its command line. Source: special-pool.md, force-irql-checking.md,
    pool-tracking.md, …
    """

    SPECIAL_POOL = 0x1
    FORCE_IRQL = 0x2
    LOW_RESOURCES = 0x4
    POOL_TRACKING = 0x8
    DMA = 0x80
    SYSTEMATIC = 0x40000
