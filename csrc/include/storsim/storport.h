/* storsim/storport.h: storage adapters and the Storport memory routines.
 *
 * Every routine of the DDI table's STORPORT family is reached through storsim_storport_call, or by its function code through
 * storsim_storport_extended; the table says what each takes and returns.
 * Without the room (storsim_storport_attach) there is no adapter, request or list, and on a machine that was never booted no MDL: a
 * function that is given one answers STALE, any other INVALID, or where it answers no status, 0, false, NULL or NONE; only
 * storsim_store_fence needs no room.
 * Behaviour: spec/storport-memory §2.8, §3, §4.5. */
#ifndef STORSIM_STORPORT_H
#define STORSIM_STORPORT_H

#include "storsim/ddi.h"
#include "storsim/nt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* STOR_STATUS codes. Source: spec §2.1. X(name, value) */
#define STORSIM_STOR_STATUS_MAP(X)                                                                                       \
    X(STOR_STATUS_SUCCESS, 0x00000000) X(STOR_STATUS_UNSUCCESSFUL, 0xC1000001) X(STOR_STATUS_NOT_IMPLEMENTED, 0xC1000002)  \
    X(STOR_STATUS_INSUFFICIENT_RESOURCES, 0xC1000003) X(STOR_STATUS_BUFFER_TOO_SMALL, 0xC1000004)                          \
    X(STOR_STATUS_ACCESS_DENIED, 0xC1000005) X(STOR_STATUS_INVALID_PARAMETER, 0xC1000006)                                  \
    X(STOR_STATUS_INVALID_DEVICE_REQUEST, 0xC1000007) X(STOR_STATUS_INVALID_IRQL, 0xC1000008)                              \
    X(STOR_STATUS_INVALID_DEVICE_STATE, 0xC1000009) X(STOR_STATUS_INVALID_BUFFER_SIZE, 0xC100000A)                         \
    X(STOR_STATUS_UNSUPPORTED_VERSION, 0xC100000B) X(STOR_STATUS_BUSY, 0xC100000C)

enum {
#define STORSIM_STOR_STATUS_ENUM(name, value) name = (int)(value),
    STORSIM_STOR_STATUS_MAP(STORSIM_STOR_STATUS_ENUM)
#undef STORSIM_STOR_STATUS_ENUM
};

/* Adds the Storport room to a booted machine (storsim_nt_boot first); once. */
storsim_status_t storsim_storport_attach(storsim_machine_t *machine);

/* --- adapters ------------------------------------------------------------------------------------------------------- */

typedef enum storsim_sg_delivery { STORSIM_SG_IMMEDIATE = 0, STORSIM_SG_DEFERRED = 1, STORSIM_SG_RANDOM = 2 } storsim_sg_delivery_t;

typedef struct storsim_adapter_config {
    const char *name;             /* copied; UTF-8, at most 63 bytes */
    bool full_duplex;
    uint32_t dump_mode;           /* 0 none, 1 CRASH, 2 HIBER, 3 MARK_MEMORY, 4 RESUME */
    uint8_t dirql;                /* 3 … 11 */
    uint32_t node;                /* NUMA node the adapter sits on */
    uint32_t device_extension_bytes; /* 0: 4096 */
    bool virtual_miniport;
    bool bus_master;              /* ConfigInfo->Master as found */
    bool dma_remapping, coherent, poison_length;
    bool write_combining;         /* MmWriteCombined stores wait until a fence, a flush or an access to uncached memory */
    storsim_sg_delivery_t sg_delivery;
    uint64_t map_registers;       /* UINT64_MAX: unlimited */
    uint64_t contig_cap, pool_cap; /* per-adapter caps in bytes; UINT64_MAX: none */
    uint64_t minimum_ucx, maximum_ucx; /* MinimumUCXAddress, MaximumUCXAddress; 0 0: defaults */
    uint32_t ucx_alignment;       /* UncachedExtAlignment 3 … 16, 0: none */
    uint32_t hmb_policy;          /* 0 … 3 */
    uint64_t hmb_policy_routine;  /* token of a callable instead of hmb_policy, 0 none */
    uint64_t hmb_cap;             /* bytes; UINT64_MAX: none; 0: by OS */
    uint32_t hmb_utilization_divisor;
    uint32_t hmb_disabled_status, hmb_second_alloc_status;
    bool hmb_free_exact;
} storsim_adapter_config_t;

void storsim_adapter_config_init(storsim_adapter_config_t *config); /* documented defaults, spec §9 */
/* Adds an adapter: its device extension (zeroed), device number and configuration exist afterwards. *adapter is its owner number: from 1,
 * drawn from one sequence with the audio controllers of the machine, never reused. INVALID, NO_SPACE (no page for the extension), NO_MEMORY. */
storsim_status_t storsim_adapter_add(storsim_machine_t *machine, const storsim_adapter_config_t *config, uint32_t *adapter);
/* Removes it (spec §3.13, ruling R18): every leak is recorded, then force-freed; *first_leak is the index of the first recorded
 * finding and *leaks their number. BUGCHECK / VIOLATION by level; after a bugcheck nothing was freed. REENTRY from inside a callback of the
 * machine or of the adapter. */
storsim_status_t storsim_adapter_remove(storsim_machine_t *machine, uint32_t adapter, size_t *first_leak, size_t *leaks);
uint64_t storsim_adapter_extension(const storsim_machine_t *machine, uint32_t adapter); /* HwDeviceExtension; 0: no such adapter */
uint64_t storsim_adapter_config_address(const storsim_machine_t *machine, uint32_t adapter); /* PPORT_CONFIGURATION_INFORMATION */
bool storsim_adapter_live(const storsim_machine_t *machine, uint32_t adapter);
uint32_t storsim_adapter_device(const storsim_machine_t *machine, uint32_t adapter); /* bus device number, for storsim_nvme_*; 0: none */
uint32_t storsim_adapter_count(const storsim_machine_t *machine); /* adapters added so far, removed ones included */
uint32_t storsim_adapter_at(const storsim_machine_t *machine, uint64_t extension); /* live or removed adapter with this extension, 0 none */
const storsim_adapter_config_t *storsim_adapter_get_config(const storsim_machine_t *machine, uint32_t adapter);

/* PORT_CONFIGURATION_INFORMATION members a driver sets or reads here. The last three are the members of DumpRegion, a MEMORY_REGION
 * that exists in dump mode only. X(name) */
#define STORSIM_PORT_CONFIG_MAP(X)                                                                                        \
    X(Length) X(SystemIoBusNumber) X(MaximumTransferLength) X(NumberOfPhysicalBreaks) X(DmaWidth) X(AlignmentMask)          \
    X(NumberOfBuses) X(ScatterGather) X(Master) X(CachesData) X(NeedPhysicalAddresses) X(Dma64BitAddresses)                 \
    X(SrbExtensionSize) X(SpecificLuExtensionSize) X(DeviceExtensionSize) X(MaximumNumberOfTargets)                         \
    X(MaximumNumberOfLogicalUnits) X(SynchronizationModel) X(DumpMode) X(RequestedDumpBufferSize) X(FeatureSupport)         \
    X(DmaAddressWidth) X(MaxNumberOfIO) X(MaxIOsPerLun) X(InitialLunQueueDepth)                                              \
    X(DumpRegionVirtualBase) X(DumpRegionPhysicalBase) X(DumpRegionLength)
typedef enum storsim_port_config_field {
#define STORSIM_PORT_CONFIG_ENUM(name) STORSIM_PC_##name,
    STORSIM_PORT_CONFIG_MAP(STORSIM_PORT_CONFIG_ENUM)
#undef STORSIM_PORT_CONFIG_ENUM
    STORSIM_PC_COUNT
} storsim_port_config_field_t;
storsim_status_t storsim_port_config_get(const storsim_machine_t *machine, uint32_t adapter, storsim_port_config_field_t field, uint64_t *value);
/* Setting is legal in HwStorFindAdapter only; elsewhere it is done and recorded as BAD_CONTEXT. */
storsim_status_t storsim_port_config_set(storsim_machine_t *machine, uint32_t adapter, storsim_port_config_field_t field, uint64_t value);

/* Miniport callbacks and the context they run in (spec §2.8). X(enum, documented name) */
#define STORSIM_CONTEXT_MAP(X)                                                                                            \
    X(DRIVER_ENTRY, "DriverEntry") X(FIND_ADAPTER, "HwStorFindAdapter") X(INITIALIZE, "HwStorInitialize")                   \
    X(PASSIVE_INITIALIZE, "HwStorPassiveInitializeRoutine") X(BUILD_IO, "HwStorBuildIo") X(START_IO, "HwStorStartIo")       \
    X(INTERRUPT, "HwStorInterrupt") X(MSI, "HwMSInterruptRoutine") X(DPC, "HwStorDpcRoutine") X(TIMER, "HwStorTimer")       \
    X(WORK_ITEM, "HwStorWorkItem") X(FREE_ADAPTER_RESOURCES, "HwStorFreeAdapterResources")                                  \
    X(ADAPTER_CONTROL, "HwStorAdapterControl") X(UNIT_CONTROL, "HwStorUnitControl") X(RESET_BUS, "HwStorResetBus")           \
    X(PROCESS_SERVICE_REQUEST, "HwStorProcessServiceRequest") X(COMPLETE_SERVICE_IRP, "HwStorCompleteServiceIrp")           \
    X(TRACING_ENABLED, "HwStorTracingEnabled") X(STATE_CHANGE, "HwStorStateChange")
typedef enum storsim_context {
    STORSIM_CONTEXT_NONE = 0,
#define STORSIM_CONTEXT_ENUM(name, text) STORSIM_CONTEXT_##name,
    STORSIM_CONTEXT_MAP(STORSIM_CONTEXT_ENUM)
#undef STORSIM_CONTEXT_ENUM
    STORSIM_CONTEXT_COUNT
} storsim_context_t;
const char *storsim_context_name(storsim_context_t context);
storsim_context_t storsim_context_find(const char *name); /* NONE when unknown */
/* Enters a callback: sets the IRQL of §2.8 and the context of the current CPU; control selects the sub-row of HwStorAdapterControl by its
 * documented name ("ScsiStopAdapter") or is NULL. Nests; leave restores exactly. Leaving delivers DPCs. */
storsim_status_t storsim_callback_enter(storsim_machine_t *machine, uint32_t adapter, storsim_context_t context, const char *control);
storsim_status_t storsim_callback_leave(storsim_machine_t *machine);
/* The callback the current CPU is in, and (may be NULL) the adapter it runs for. O(nesting). */
storsim_context_t storsim_callback_current(const storsim_machine_t *machine, uint32_t *adapter);

/* --- calls ---------------------------------------------------------------------------------------------------------- */

/* Calls a routine. args are in the order of the table's row, row->param_count of them. *result receives the routine's own return
 * value (status, pointer, …), also when VIOLATION is returned. For every other non-OK status *result is 0 and no argument was
 * written. */
storsim_status_t storsim_storport_call(storsim_machine_t *machine, const storsim_routine_t *routine, storsim_arg_t *args, uint64_t *result);
/* ULONG StorPortExtendedFunction(FunctionCode, HwDeviceExtension, …) for C callers: args are those after the function code, so args[0]
 * is HwDeviceExtension, in the order of the routine behind the code. A code that no routine has, or that the active OS does not know
 * yet, answers STOR_STATUS_NOT_IMPLEMENTED and touches no argument. Source: spec §2.5. */
storsim_status_t storsim_storport_extended(storsim_machine_t *machine, int32_t function_code, storsim_arg_t *args, uint64_t *result);

/* --- requests ------------------------------------------------------------------------------------------------------- */

typedef struct storsim_srb_config {
    uint32_t length;         /* bytes of data, 0 = none */
    bool write;              /* to the device */
    uint32_t fragments;      /* physical fragments the buffer is made of; 0: by pages, as pool gives them */
    uint32_t offset;         /* byte offset of the buffer in its first page */
    uint32_t lu_extension_bytes;
    uint32_t data_in_length; /* a bidirectional request: bytes of its separate data-in buffer, 0 = none */
} storsim_srb_config_t;
/* A request as the port hands it to HwStorBuildIo: SRB, SRB extension (SrbExtensionSize), sense buffer, data buffer, original MDL. */
storsim_status_t storsim_srb_create(storsim_machine_t *machine, uint32_t adapter, const storsim_srb_config_t *config, uint64_t *srb);
/* Completes it: pointers got through it die, its memory goes. STALE when it is no live SRB. */
storsim_status_t storsim_srb_complete(storsim_machine_t *machine, uint64_t srb);
typedef struct storsim_srb_info {
    uint64_t srb, data, data_length, extension, extension_length, sense, sense_length, lu_extension, mdl;
    bool write;
    uint32_t adapter;
    uint64_t data_in, data_in_length, data_in_mdl;
} storsim_srb_info_t;
bool storsim_srb_get(const storsim_machine_t *machine, uint64_t srb, storsim_srb_info_t *info);

typedef struct storsim_sg_element { uint64_t PhysicalAddress; uint32_t Length; } storsim_sg_element_t;
/* Elements of a live STOR_SCATTER_GATHER_LIST. *count in: capacity, out: number of elements. STALE when it is none. */
storsim_status_t storsim_sg_elements(storsim_machine_t *machine, uint64_t list, storsim_sg_element_t *elements, uint32_t *count);
/* The documented members of an MDL: for the PMDL object of the Python face. STALE when it is none. */
typedef struct storsim_mdl_info { uint64_t va, start_va, mapped_system_va; uint32_t byte_count, byte_offset; uint16_t flags, size; uint32_t pages; bool built; } storsim_mdl_info_t;
storsim_status_t storsim_mdl_get(storsim_machine_t *machine, uint64_t mdl, storsim_mdl_info_t *info);
storsim_status_t storsim_mdl_page(storsim_machine_t *machine, uint64_t mdl, uint32_t index, uint64_t *physical);

/* Memory a driver marked for the dump file (StorPortMarkDumpMemory), in order. false beyond the last. */
typedef struct storsim_dump_mark { uint64_t address, length; bool physical; } storsim_dump_mark_t;
bool storsim_adapter_dump_mark(const storsim_machine_t *machine, uint32_t adapter, uint32_t index, storsim_dump_mark_t *mark);

/* --- the device's side ---------------------------------------------------------------------------------------------- */

/* DMA by the adapter's device (rulings R56, R57). */
storsim_status_t storsim_adapter_dma_read(storsim_machine_t *machine, uint32_t adapter, uint64_t address, void *buffer, size_t bytes);
storsim_status_t storsim_adapter_dma_write(storsim_machine_t *machine, uint32_t adapter, uint64_t address, const void *buffer, size_t bytes);
/* coherent=False: writes back (invalidates) the CPU's cached stores of a mapped range. write_combined stores drain here too. */
storsim_status_t storsim_adapter_flush(storsim_machine_t *machine, uint32_t adapter, uint64_t va, uint64_t bytes, bool to_device);
/* A store fence on the current CPU: every delayed write-combined store becomes visible to devices. O(write-combined blocks). */
storsim_status_t storsim_store_fence(storsim_machine_t *machine);

#ifdef __cplusplus
}
#endif
#endif
