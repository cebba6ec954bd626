/* storsim/ddi.h: the one table of the simulated DDI.
 *
 * A routine's name, parameters, IRQL limit, statuses, first OS and documented page are data here and nowhere else.
 * Dispatch, argument checks, the Python binding, stubs, documentation, journal, fuzz decoder and completeness tests read
 * this table. The room knows nothing of any other room.
 *
 * Source: each row names its page in the public windows-driver-docs-ddi repository. */
#ifndef STORSIM_DDI_H
#define STORSIM_DDI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STORSIM_MAX_PARAMS 12

/* How a parameter is passed. The width decides the host-side range check (spec A24, ruling R8). */
typedef enum storsim_type {
    STORSIM_T_DEVEXT,      /* PVOID HwDeviceExtension: always first where it exists */
    STORSIM_T_UCHAR,       /* 0 … 255 */
    STORSIM_T_BOOLEAN,     /* bool or 0 … 255 */
    STORSIM_T_USHORT,      /* 0 … 65535 */
    STORSIM_T_ULONG,       /* 0 … 2^32-1 */
    STORSIM_T_TAG,         /* ULONG, also text of one to four characters (ruling R4) */
    STORSIM_T_ENUM,        /* signed 32 bit, kept sign-extended */
    STORSIM_T_SIZE_T,      /* 0 … 2^64-1 */
    STORSIM_T_ULONGLONG,   /* 0 … 2^64-1 */
    STORSIM_T_ULONG_PTR,   /* 0 … 2^64-1 */
    STORSIM_T_PHYSICAL,    /* PHYSICAL_ADDRESS by value: 0 … 2^64-1, or -1 for all ones (ruling R3) */
    STORSIM_T_PVOID,       /* simulated kernel address, 0 is NULL */
    STORSIM_T_PMDL,        /* address of a simulated MDL */
    STORSIM_T_PSRB,        /* address of a simulated SCSI_REQUEST_BLOCK */
    STORSIM_T_PSGLIST,     /* address of a simulated STOR_SCATTER_GATHER_LIST */
    STORSIM_T_PCONFIG,     /* address of a simulated PORT_CONFIGURATION_INFORMATION */
    STORSIM_T_ROUTINE,     /* token of a host callable, 0 is NULL */
    STORSIM_T_CONTEXT,     /* token of a host object handed back to a callback, 0 is NULL */
    STORSIM_T_HANDLE,      /* HANDLE of a DMA engine */
    STORSIM_T_RANGES,      /* data: storsim_access_range_t[count] */
    STORSIM_T_HANDLES,     /* data: uint64_t[count], HANDLEs */
    STORSIM_T_GROUP_AFFINITY, /* data: storsim_group_affinity_t[count] */
    STORSIM_T_STREAM_FORMAT,  /* data: storsim_stream_format_t */
    STORSIM_T_TRANSFERS,   /* data: storsim_codec_transfer_t[count] */
    STORSIM_T_DEVICE_INFO, /* data: storsim_device_information_t */
    STORSIM_T_KEVENT,      /* address of a simulated KEVENT */
    STORSIM_T_REGISTER,    /* address of a live register */
    STORSIM_T_PBDL,        /* address of a simulated HDAUDIO_BUFFER_DESCRIPTOR array */
    /* Types that no row of the table has: operations of the simulator itself (storsim/operation.h). */
    STORSIM_T_BYTES,       /* data: uint8_t[count] */
    STORSIM_T_TEXT,        /* data: char[count], UTF-8, no terminator inside; NULL is NULL */
    STORSIM_T_ULONGS,      /* data: uint32_t[count] */
    STORSIM_T_ULONGLONGS,  /* data: uint64_t[count] */
    STORSIM_T_STRUCT,      /* data: one structure of the operation's layout */
    STORSIM_T_TICKS,       /* 0 … 2^64-1, virtual time */
    STORSIM_T_IRQL,        /* 0 … 255 */
    STORSIM_T_ADAPTER,     /* owner number of an adapter */
    STORSIM_T_CONTROLLER,  /* number of an HD Audio controller */
    STORSIM_T_DEVICE,      /* bus device number */
    STORSIM_T_LINE,        /* interrupt line */
    STORSIM_T_RULE,        /* id of a rule of the fault plan */
    STORSIM_T_EXPORT,      /* token of an exported buffer */
    STORSIM_T_CLIENT,      /* Context of a client of the HD Audio bus driver */
    STORSIM_T_SNAPSHOT,    /* name of a snapshot: its checksum */
    STORSIM_T_KINDS        /* how many there are */
} storsim_type_t;

/* Direction and properties of a parameter. */
enum {
    STORSIM_P_IN = 1,
    STORSIM_P_OUT = 2,
    STORSIM_P_INOUT = 3,
    STORSIM_P_OPTIONAL = 4, /* may be left out by the caller: 0 */
    STORSIM_P_HIDDEN = 8,   /* an array whose length another parameter carries; not counted among the positional ones */
    STORSIM_P_LENGTH = 16,  /* carries the length of the array in the same row: never a result of its own; together with
                               OPTIONAL it defaults to the number of elements the caller supplied */
    STORSIM_P_IN_PLACE = 32 /* the pointer goes in, what it points to is rewritten: positional, never a result */
};

/* How a binding reads the flags (DESIGN §6): positional parameters are those with STORSIM_P_IN and without STORSIM_P_HIDDEN, in
 * table order. Results are the return value, then those with STORSIM_P_OUT and without STORSIM_P_LENGTH or STORSIM_P_IN_PLACE. */

typedef struct storsim_param {
    const char *name;      /* as documented */
    storsim_type_t type;
    uint8_t flags;         /* STORSIM_P_* */
} storsim_param_t;

typedef enum storsim_family {
    STORSIM_F_STORPORT,
    STORSIM_F_HDAUDIO
} storsim_family_t;

typedef enum storsim_return {
    STORSIM_R_STATUS,   /* ULONG STOR_STATUS_* or NTSTATUS by family */
    STORSIM_R_POINTER,  /* PVOID */
    STORSIM_R_PHYSICAL, /* STOR_PHYSICAL_ADDRESS */
    STORSIM_R_VALUE,    /* BOOLEAN or another plain number */
    STORSIM_R_VOID
} storsim_return_t;

/* One status a routine can return. */
typedef struct storsim_ddi_status {
    uint32_t value;
    const char *name;   /* STOR_STATUS_… or STATUS_… */
    bool documented;    /* false: inferred by the spec or a model choice */
} storsim_ddi_status_t;

typedef struct storsim_routine {
    uint16_t id;                 /* ascending in table order; 0 is "no routine"; see STORSIM_HDAUDIO_FIRST_ID */
    const char *name;            /* StorPortAllocatePool; member name for HD Audio */
    storsim_family_t family;
    storsim_return_t returns;
    storsim_type_t return_type;  /* type of the return value; STORSIM_T_ULONG for a status */
    const char *return_name;     /* name of the return value among the results: "status", "PhysicalAddress", …; "" for VOID */
    uint8_t irql_min, irql_max;  /* callable levels, inclusive; 31 = any */
    bool irql_documented;
    bool has_irql_status;        /* a status exists for a breach */
    uint32_t first_os;           /* NTDDI number */
    int32_t function_code;       /* StorPortExtendedFunction code or -1 for a direct export */
    const char *page;            /* documentation page */
    const char *summary;         /* one line in our own words */
    const storsim_param_t *params;
    uint8_t param_count;
    uint16_t outs;               /* bit i: parameter i goes out (STORSIM_P_OUT) */
    const storsim_ddi_status_t *statuses;
    uint8_t status_count;
    uint8_t tables;              /* STORSIM_TABLE_*: which function tables have this member; 0 for direct exports */
} storsim_routine_t;

/* The function tables of the HD Audio bus interface. */
enum {
    STORSIM_TABLE_V1 = 1,  /* HDAUDIO_BUS_INTERFACE */
    STORSIM_TABLE_V2 = 2,  /* HDAUDIO_BUS_INTERFACE_V2 */
    STORSIM_TABLE_V3 = 4,  /* HDAUDIO_BUS_INTERFACE_V3 */
    STORSIM_TABLE_BDL = 8, /* HDAUDIO_BUS_INTERFACE_BDL */
    STORSIM_TABLE_ALL = 15
};

/* Ids are dense from 1 for the Storport rows and dense from STORSIM_HDAUDIO_FIRST_ID for the HD Audio rows, so that a row added to
 * one family never renumbers the other (journals and snapshots hold ids). */
#define STORSIM_HDAUDIO_FIRST_ID 1001

/* Ids of the Storport rows by name, in table order. X(name) */
#define STORSIM_STORPORT_ROUTINE_MAP(X)                                                                                  \
    X(StorPortAllocatePool) X(StorPortFreePool) X(StorPortAllocateContiguousMemorySpecifyCacheNode)                        \
    X(StorPortFreeContiguousMemorySpecifyCache) X(StorPortAllocateDmaMemory) X(StorPortFreeDmaMemory)                      \
    X(StorPortAllocateHostMemoryBuffer) X(StorPortFreeHostMemoryBuffer) X(StorPortGetUncachedExtension)                    \
    X(StorPortGetPhysicalAddress) X(StorPortGetVirtualAddress) X(StorPortAllocateMdl) X(StorPortBuildMdlForNonPagedPool)   \
    X(StorPortFreeMdl) X(StorPortBuildScatterGatherList) X(StorPortPutScatterGatherList) X(StorPortGetScatterGatherList)   \
    X(StorPortAllocateRegistryBuffer) X(StorPortFreeRegistryBuffer) X(StorPortGetSystemAddress)                            \
    X(StorPortGetOriginalMdl) X(StorPortGetDataInBufferMdl) X(StorPortGetDataInBufferScatterGatherList)                    \
    X(StorPortGetDataInBufferSystemAddress) X(StorPortGetPfns) X(StorPortGetHighestNodeNumber)                             \
    X(StorPortGetActiveNodeCount) X(StorPortGetNodeAffinity) X(StorPortGetNodeAffinity2) X(StorPortGetCurrentIrql)         \
    X(StorPortMarkDumpMemory) X(StorPortSecureCopyMemory) X(StorPortMoveMemory)                                            \
    X(StorPortConvertUlongToPhysicalAddress) X(StorPortValidateRange)
typedef enum storsim_storport_id {
    STORSIM_ID_NONE = 0,
#define STORSIM_STORPORT_ID_ENUM(name) STORSIM_ID_##name,
    STORSIM_STORPORT_ROUTINE_MAP(STORSIM_STORPORT_ID_ENUM)
#undef STORSIM_STORPORT_ID_ENUM
    STORSIM_ID_STORPORT_END
} storsim_storport_id_t;

/* Ids of the HD Audio rows by name, in table order: the two routines of the common head, then the members. X(name) */
#define STORSIM_HDAUDIO_ROUTINE_MAP(X)                                                                                   \
    X(InterfaceReference) X(InterfaceDereference) X(TransferCodecVerbs) X(AllocateCaptureDmaEngine)                       \
    X(AllocateRenderDmaEngine) X(ChangeBandwidthAllocation) X(AllocateDmaBuffer) X(FreeDmaBuffer) X(FreeDmaEngine)         \
    X(SetDmaEngineState) X(GetWallClockRegister) X(GetLinkPositionRegister) X(RegisterEventCallback)                       \
    X(UnregisterEventCallback) X(GetDeviceInformation) X(GetResourceInformation) X(AllocateDmaBufferWithNotification)      \
    X(FreeDmaBufferWithNotification) X(RegisterNotificationEvent) X(UnregisterNotificationEvent)                           \
    X(RegisterNotificationCallback) X(UnregisterNotificationCallback) X(AllocateContiguousDmaBuffer)                       \
    X(SetupDmaEngineWithBdl) X(FreeContiguousDmaBuffer)
typedef enum storsim_hdaudio_id {
    STORSIM_ID_HDAUDIO_BEFORE = STORSIM_HDAUDIO_FIRST_ID - 1,
#define STORSIM_HDAUDIO_ID_ENUM(name) STORSIM_ID_##name,
    STORSIM_HDAUDIO_ROUTINE_MAP(STORSIM_HDAUDIO_ID_ENUM)
#undef STORSIM_HDAUDIO_ID_ENUM
    STORSIM_ID_HDAUDIO_END
} storsim_hdaudio_id_t;

/* The table, ordered by id; *count receives its length. Static storage. O(1). */
const storsim_routine_t *storsim_ddi_table(size_t *count);
/* The row of an id, or NULL. O(1). */
const storsim_routine_t *storsim_ddi_routine(uint16_t id);
/* The row with this documented name (family disambiguates equal names), or NULL. O(rows). */
const storsim_routine_t *storsim_ddi_find(storsim_family_t family, const char *name);
/* The row behind a STORPORT_FUNCTION_CODE, or NULL. O(rows). */
const storsim_routine_t *storsim_ddi_by_code(int32_t function_code);

/* One argument of a simulated call.
 *   value    in: the number, address or token. out: what the variable held before, afterwards what was written.
 *   data     structures and arrays: storage of the caller, `count` elements, alive during the call; NULL is NULL.
 *   present  false for an out-parameter whose pointer is NULL.
 *   written  set by the routine when it wrote the out-parameter. */
typedef struct storsim_arg {
    uint64_t value;
    void *data;
    uint32_t count;
    bool present;
    bool written;
} storsim_arg_t;

/* Structures that cross the call, in host layout; the simulated layout is the spec's §2.3. */
typedef struct storsim_access_range {
    uint64_t RangeStart;   /* physical or logical address, bytes */
    uint32_t RangeLength;  /* bytes */
    uint8_t RangeInMemory; /* BOOLEAN */
} storsim_access_range_t;

typedef struct storsim_group_affinity {
    uint64_t Mask;
    uint16_t Group;
} storsim_group_affinity_t;

typedef struct storsim_stream_format {
    uint32_t SampleRate; /* Hz */
    uint16_t ValidBitsPerSample, ContainerSize, NumberOfChannels;
} storsim_stream_format_t;

typedef struct storsim_codec_transfer {
    uint32_t Output; /* HDAUDIO_CODEC_COMMAND */
    uint64_t Input;  /* HDAUDIO_CODEC_RESPONSE */
} storsim_codec_transfer_t;

typedef struct storsim_device_information {
    uint16_t Size, DeviceVersion, DriverVersion, CodecsDetected;
    uint8_t IsStripingSupported, CtrlRevision;
    uint16_t CtrlVendorId, CtrlDeviceId;
} storsim_device_information_t;

#ifdef __cplusplus
}
#endif
#endif
