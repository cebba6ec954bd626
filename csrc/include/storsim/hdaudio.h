/* storsim/hdaudio.h: the HD Audio bus driver: the HDAUDIO_BUS_INTERFACE family as a function driver sees it.
 *
 * A bus driver is started on a controller of the machine and drives it through registers and memory alone, as a real
 * one does. A client (one codec function group's device object) asks for an interface table and gets a Context; every
 * routine is then called with that Context through storsim_hdaudio_call, with the arguments of its row of the DDI table
 * (storsim/ddi.h).
 *
 *   handle    HANDLE of a DMA engine: opaque, not NULL, never reused in a machine's life
 *   context   PVOID Context of a client: opaque, not NULL, never reused
 *   NTSTATUS  what a routine answers; travels as a number, never as storsim_status_t
 *
 * A call that fails with a simulated status has changed nothing but the record of findings (and `suspect` for a
 * hardware time-out). A routine that programs hardware waits for it, so virtual time may have passed all the same.
 * Behaviour: spec/hdaudio-dma; section numbers below are its. */
#ifndef STORSIM_HDAUDIO_H
#define STORSIM_HDAUDIO_H

#include "storsim/ddi.h"
#include "storsim/nt.h"

#ifdef __cplusplus
extern "C" {
#endif

/* NTSTATUS values of this interface. Source: §0. X(enumerator suffix, documented name, value) */
#define STORSIM_HDAUDIO_STATUS_MAP(X)                                                                                  \
    X(SUCCESS, "STATUS_SUCCESS", 0x00000000)                                                                           \
    X(UNSUCCESSFUL, "STATUS_UNSUCCESSFUL", 0xC0000001) X(NOT_IMPLEMENTED, "STATUS_NOT_IMPLEMENTED", 0xC0000002)        \
    X(INVALID_HANDLE, "STATUS_INVALID_HANDLE", 0xC0000008)                                                             \
    X(INVALID_PARAMETER, "STATUS_INVALID_PARAMETER", 0xC000000D)                                                       \
    X(NO_SUCH_DEVICE, "STATUS_NO_SUCH_DEVICE", 0xC000000E)                                                             \
    X(INVALID_DEVICE_REQUEST, "STATUS_INVALID_DEVICE_REQUEST", 0xC0000010)                                             \
    X(NO_MEMORY, "STATUS_NO_MEMORY", 0xC0000017)                                                                       \
    X(BUFFER_TOO_SMALL, "STATUS_BUFFER_TOO_SMALL", 0xC0000023)                                                         \
    X(INSUFFICIENT_RESOURCES, "STATUS_INSUFFICIENT_RESOURCES", 0xC000009A)                                             \
    X(DEVICE_NOT_READY, "STATUS_DEVICE_NOT_READY", 0xC00000A3)                                                         \
    X(NOT_SUPPORTED, "STATUS_NOT_SUPPORTED", 0xC00000BB)

typedef enum storsim_hdaudio_status {
#define STORSIM_HDAUDIO_STATUS_ENUM(suffix, text, value) STORSIM_HDAUDIO_##suffix = (int)(value),
    STORSIM_HDAUDIO_STATUS_MAP(STORSIM_HDAUDIO_STATUS_ENUM)
#undef STORSIM_HDAUDIO_STATUS_ENUM
} storsim_hdaudio_status_t;
/* The documented name of an NTSTATUS of this interface, or "" for another number. Static storage. */
const char *storsim_hdaudio_status_name(uint32_t ntstatus);

/* HDAUDIO_STREAM_STATE. Source: §2 (Stop and Pause are one number). */
enum { STORSIM_ResetState = 0, STORSIM_StopState = 1, STORSIM_PauseState = 1, STORSIM_RunState = 2 };

/* --- policies and configuration ----------------------------------------------------------------------------------- */

/* Every switch of §12, and `position` of ruling R47. X(field, choices, source); choice 0 is the default. */
#define STORSIM_HDAUDIO_POLICY_MAP(X)                                                                                  \
    X(direct_transition, "reject|skl", "§4.2 note 8: Reset to Run and Run to Reset in one step")                       \
    X(dn_pairing, "strict|shared", "§4.2 note 3: whether either Free routine frees either kind of MDL buffer")         \
    X(free_args, "strict|ignore", "§4.2 note 4: whether BufferMdl and BufferSize are compared")                        \
    X(multi_atomic, "true|false", "§4.4: a failing SetDmaEngineState changes no engine")                               \
    X(dup_handles, "set|reject", "§4.4: one handle named twice")                                                       \
    X(state_before_resources, "true|false", "§5.0: order of the last two checks")                                      \
    X(stripe_unsupported, "reject|ignore", "§5.1: Stripe on a controller with one SDO line")                           \
    X(rates, "encodable|common", "§6.1: 38 encodable rates, or the 12 common ones")                                    \
    X(container, "hw|any", "§6.1: containers the controller can store, or any that holds the sample")                  \
    X(size_rule, "nearest|exact|round_up", "§7: how RequestedBufferSize becomes AllocatedBufferSize")                  \
    X(bdl_check, "strict|hw", "§5.5: whether SetupDmaEngineWithBdl checks the client's entries")                       \
    X(d_ioc, "off|on", "§7: interrupt at the wrap of a buffer without notification")                                   \
    X(verb_cb, "once_first|once_last|each", "§5.9: calls of the completion callback")                                  \
    X(coalesce, "off|on", "§8: interrupts of one engine that share a pending DPC")                                     \
    X(codecs_detected, "count|mask", "§11.11: meaning of CodecsDetected")                                              \
    X(tables, "all|vista|w10_1903|xp", "§1: which interface tables exist")                                             \
    X(position, "alias|buffer", "ruling R47: where GetLinkPositionRegister points")

typedef struct storsim_hdaudio_policy {
#define STORSIM_HDAUDIO_POLICY_FIELD(field, choices, source) uint8_t field; /* index of the choice */
    STORSIM_HDAUDIO_POLICY_MAP(STORSIM_HDAUDIO_POLICY_FIELD)
#undef STORSIM_HDAUDIO_POLICY_FIELD
} storsim_hdaudio_policy_t;

/* Indices of the choices, in the order of the strings above. */
enum {
    STORSIM_DIRECT_REJECT = 0,
    STORSIM_DIRECT_SKL = 1,
    STORSIM_PAIRING_STRICT = 0,
    STORSIM_PAIRING_SHARED = 1,
    STORSIM_FREE_ARGS_STRICT = 0,
    STORSIM_FREE_ARGS_IGNORE = 1,
    STORSIM_ATOMIC_TRUE = 0,
    STORSIM_ATOMIC_FALSE = 1,
    STORSIM_DUP_SET = 0,
    STORSIM_DUP_REJECT = 1,
    STORSIM_STATE_FIRST_TRUE = 0,
    STORSIM_STATE_FIRST_FALSE = 1,
    STORSIM_STRIPE_REJECT = 0,
    STORSIM_STRIPE_IGNORE = 1,
    STORSIM_RATES_ENCODABLE = 0,
    STORSIM_RATES_COMMON = 1,
    STORSIM_CONTAINER_HW = 0,
    STORSIM_CONTAINER_ANY = 1,
    STORSIM_SIZE_NEAREST = 0,
    STORSIM_SIZE_EXACT = 1,
    STORSIM_SIZE_ROUND_UP = 2,
    STORSIM_BDL_STRICT = 0,
    STORSIM_BDL_HW = 1,
    STORSIM_D_IOC_OFF = 0,
    STORSIM_D_IOC_ON = 1,
    STORSIM_VERB_CB_ONCE_FIRST = 0,
    STORSIM_VERB_CB_ONCE_LAST = 1,
    STORSIM_VERB_CB_EACH = 2,
    STORSIM_COALESCE_OFF = 0,
    STORSIM_COALESCE_ON = 1,
    STORSIM_CODECS_COUNT = 0,
    STORSIM_CODECS_MASK = 1,
    STORSIM_TABLES_ALL = 0,
    STORSIM_TABLES_VISTA = 1,
    STORSIM_TABLES_W10_1903 = 2,
    STORSIM_TABLES_XP = 3,
    STORSIM_POSITION_ALIAS = 0,
    STORSIM_POSITION_BUFFER = 1
};

/* One switch as data: for bindings and documentation. */
typedef struct storsim_hdaudio_policy_row {
    const char *name, *choices, *source;
} storsim_hdaudio_policy_row_t;
const storsim_hdaudio_policy_row_t *storsim_hdaudio_policy_table(size_t *count);
/* Sets (reads) a switch by name and choice text. INVALID for an unknown name or choice; get answers NULL. The text that
 * get answers runs up to '|' or the end. */
storsim_status_t storsim_hdaudio_policy_set(storsim_hdaudio_policy_t *policy, const char *name, const char *choice);
const char *storsim_hdaudio_policy_get(const storsim_hdaudio_policy_t *policy, const char *name);
/* A whole profile: "doc" (every default) or "skl" (what the open-source driver does, as far as switches reach). INVALID
 * else. */
storsim_status_t storsim_hdaudio_policy_profile(storsim_hdaudio_policy_t *policy, const char *profile);

typedef struct storsim_hdaudio_config {
    storsim_hdaudio_policy_t policy;
    uint32_t stripe_lines;      /* SDO lines a striped stream uses: 2, or 4 where the controller has them */
    uint32_t events_per_engine; /* 0 … 1024; further registrations get INSUFFICIENT_RESOURCES */
    uint32_t callbacks_per_engine;
    uint64_t verb_timeout; /* ticks after which an unanswered command counts as lost, >= 1500 (three link frames) */
    uint64_t late_dpc;     /* ticks by which the fault late_dpc delays a DPC */
    uint8_t dirql;         /* level of the controller's interrupt, 3 … 11 */
    uint8_t ctrl_revision; /* what HDAUDIO_DEVICE_INFORMATION_V2 tells of the controller */
    uint16_t ctrl_vendor_id, ctrl_device_id;
} storsim_hdaudio_config_t;
void storsim_hdaudio_config_init(storsim_hdaudio_config_t *config); /* profile "doc" and the documented defaults */

/* --- starting and ending ------------------------------------------------------------------------------------------ */

/* Hangs the room on a booted machine that has none yet; storsim_hdaudio_attach does it by itself. Done early, snapshots
 * taken before the first bus driver fit afterwards too. INVALID on a machine that is not booted, NO_MEMORY. */
storsim_status_t storsim_hdaudio_prepare(storsim_machine_t *machine);
/* Adds a bus driver for a controller of storsim/hda.h to a booted machine (storsim_nt_boot first). It touches no
 * register before the first query (DESIGN §5). Each controller once. INVALID, NO_MEMORY. */
storsim_status_t storsim_hdaudio_attach(storsim_machine_t *machine, uint32_t controller,
                                        const storsim_hdaudio_config_t *config);
/* Orderly removal: leaks of every client are recorded (ruling R40), everything is freed, the controller is left in
 * reset, the interrupt disconnected. *first_leak is the index of the first finding, *leaks their number (either may be
 * NULL). VIOLATION at strict when something leaked, REENTRY from inside a callback, STALE when there is no such bus
 * driver. */
storsim_status_t storsim_hdaudio_remove(storsim_machine_t *machine, uint32_t controller, size_t *first_leak,
                                        size_t *leaks);
/* Surprise removal: from now on every routine answers NO_SUCH_DEVICE, state stands still (§4.2). STALE, STOPPED. */
storsim_status_t storsim_hdaudio_surprise_remove(storsim_machine_t *machine, uint32_t controller);
const storsim_hdaudio_config_t *storsim_hdaudio_get_config(const storsim_machine_t *machine,
                                                           uint32_t controller); /* NULL: none */
/* `owner` of a controller's allocations and findings: apart from the adapters' numbers. */
#define STORSIM_HDAUDIO_OWNER(controller) (UINT32_C(0x48440000) + (uint32_t)(controller))

/* --- interface tables --------------------------------------------------------------------------------------------- */

typedef struct storsim_hdaudio_table {
    const char *name; /* HDAUDIO_BUS_INTERFACE_V2 */
    uint8_t tables;   /* its STORSIM_TABLE_* bit */
    uint8_t guid[16]; /* as in memory: the first three fields little endian */
    uint16_t version;
    uint16_t size_x64, size_x86;
    uint8_t member_count; /* function pointers after the common head */
    uint16_t members[20]; /* ids of the DDI rows, in the table's order */
} storsim_hdaudio_table_t;
/* The four tables. Source: §1. */
const storsim_hdaudio_table_t *storsim_hdaudio_tables(size_t *count);

typedef struct storsim_hdaudio_interface {
    const storsim_hdaudio_table_t *table;
    uint16_t size, version;
    uint64_t context;
} storsim_hdaudio_interface_t;

/* IRP_MN_QUERY_INTERFACE (§1). guid, size and version as the caller's stack location holds them; client is the number
 * of a function group's device object from 0: audio function groups in order of codec and node, then the others;
 * clients beyond wrap around. *ntstatus receives SUCCESS, INVALID_PARAMETER (size below the table's), NOT_SUPPORTED
 * (unknown or unexposed GUID, other version), NO_SUCH_DEVICE (removed, or the controller did not come up), UNSUCCESSFUL
 * (above PASSIVE_LEVEL). *interface is written on SUCCESS only; one reference is then taken. Host errors: STALE,
 * STOPPED, NO_MEMORY, NO_SPACE is answered as NTSTATUS INSUFFICIENT_RESOURCES. */
storsim_status_t storsim_hdaudio_query(storsim_machine_t *machine, uint32_t controller, const uint8_t guid[16],
                                       uint16_t size, uint16_t version, uint32_t client,
                                       storsim_hdaudio_interface_t *interface, uint32_t *ntstatus);

/* Calls a routine of the HD Audio family. args are in the order of the row, row->param_count of them. *result receives
 * the NTSTATUS (0 for a VOID routine), also when VIOLATION is returned. For every other non-OK status *result is 0 and
 * no argument was written. INVALID when an array argument has fewer elements than its count says, the row is of another
 * family, or the machine never had a bus driver.
 *
 * Conventions of arguments (see storsim_arg_t)
 *   StreamFormat        data: storsim_stream_format_t, NULL for NULL
 *   Handles             data: uint64_t[count]
 *   CodecTransfer       data: storsim_codec_transfer_t[count]
 *                       synchronous: filled in place
 *                       asynchronous: responses are zeroed, `value` receives the number of the transfer record that
 *                       STORSIM_CB_HDA_TRANSFER will name; the core works on its own copy
 *   DeviceInformation   data: storsim_device_information_t, filled in place
 *   Position, Wallclock `value`: address of the register; storsim_read_va of 4 bytes there reads it live
 * Callbacks
 *   STORSIM_CB_HDA_TRANSFER  values: record, context token, index of the element the callback's pointer names;
 *                       data: the record's whole storsim_codec_transfer_t array */
storsim_status_t storsim_hdaudio_call(storsim_machine_t *machine, uint64_t context, const storsim_routine_t *routine,
                                      storsim_arg_t *args, uint64_t *result);

/* --- formats and bandwidth: pure functions (§6) ------------------------------------------------------------------- */

/* The 38 encodable rates in Hz, the 18 of the 48 kHz base first, each ascending. */
const uint32_t *storsim_hdaudio_rates(size_t *count);
/* §6.1 under a policy (rates, container). */
bool storsim_hdaudio_format_valid(const storsim_stream_format_t *format, const storsim_hdaudio_policy_t *policy);
/* §6.2: HDAUDIO_CONVERTER_FORMAT of a valid format; 0xFFFF when it has no encoding. */
uint16_t storsim_hdaudio_format_encode(const storsim_stream_format_t *format);
/* The inverse; container as the controller stores it. false for reserved codes and for rates that are no whole number
 * of Hz. */
bool storsim_hdaudio_format_decode(uint16_t converter, storsim_stream_format_t *format);
/* Bytes of one block of samples in memory: ContainerSize / 8 * NumberOfChannels. */
uint32_t storsim_hdaudio_block_bytes(const storsim_stream_format_t *format);
/* Link bits per 48 kHz frame (§6.3): lines >= 1 SDO lines for render; capture includes the tag and padding. 0 when not
 * encodable. */
uint32_t storsim_hdaudio_render_bits(const storsim_stream_format_t *format, uint32_t lines);
uint32_t storsim_hdaudio_capture_bits(const storsim_stream_format_t *format);
/* 16-bit words one stream needs per frame in its FIFO (§6.3 FIFO rule). */
uint32_t storsim_hdaudio_fifo_words(const storsim_stream_format_t *format);

/* --- buffers: pure functions (§7) --------------------------------------------------------------------------------- */

/* AllocatedBufferSize for a request: notification 0 (AllocateDmaBuffer), 1 or 2. block = bytes of one sample block,
 * >= 1. rule is a choice of size_rule. 0 when the rule "exact" cannot serve it. */
uint64_t storsim_hdaudio_buffer_size(uint32_t block, uint32_t notification, uint64_t requested, uint8_t rule);
/* OffsetFromFirstPage of a buffer of this size. */
uint32_t storsim_hdaudio_buffer_offset(uint64_t size, uint32_t notification);

typedef struct storsim_hdaudio_entry {
    uint64_t address; /* physical (device) address; in a plan: offset from the buffer's first page */
    uint32_t length;  /* bytes */
    uint32_t ioc;     /* InterruptOnCompletion, bit 0 */
} storsim_hdaudio_entry_t;
/* The descriptor list of §7 as offsets from the buffer's first page: at most 256 entries; returns their number. */
uint32_t storsim_hdaudio_plan(uint64_t size, uint32_t notification, bool d_ioc, storsim_hdaudio_entry_t entries[256]);

/* --- the engine state machine: pure (§4) -------------------------------------------------------------------------- */

#define STORSIM_ENGINE_STATE_MAP(X) X(NONE) X(R0) X(RD) X(RN) X(RC) X(RB) X(SD) X(SN) X(SB) X(XD) X(XN) X(XB)
typedef enum storsim_engine_state {
#define STORSIM_ENGINE_STATE_ENUM(name) STORSIM_ENGINE_##name,
    STORSIM_ENGINE_STATE_MAP(STORSIM_ENGINE_STATE_ENUM)
#undef STORSIM_ENGINE_STATE_ENUM
        STORSIM_ENGINE_STATE_COUNT
} storsim_engine_state_t;
const char *storsim_engine_state_name(storsim_engine_state_t state); /* "RD"; "NONE" for a handle that is not valid */

#define STORSIM_ENGINE_EVENT_MAP(X)                                                                                    \
    X(ALLOCATE_OTHER)                                                                                                  \
    X(CHANGE_BANDWIDTH) X(ALLOCATE_BUFFER) X(FREE_BUFFER) X(ALLOCATE_NOTIFY) X(FREE_NOTIFY) X(FREE_NOTIFY_OTHER)       \
    X(ALLOCATE_CONTIGUOUS) X(SETUP_BDL) X(FREE_CONTIGUOUS) X(FREE_ENGINE) X(SET_RESET) X(SET_PAUSE) X(SET_RUN)         \
    X(GET_POSITION) X(REGISTER) X(UNREGISTER) X(UNREGISTER_OTHER) X(DESCRIPTOR_ERROR) X(FIFO_ERROR)                    \
    X(LAST_DEREFERENCE)
typedef enum storsim_engine_event {
#define STORSIM_ENGINE_EVENT_ENUM(name) STORSIM_EVENT_##name,
    STORSIM_ENGINE_EVENT_MAP(STORSIM_ENGINE_EVENT_ENUM)
#undef STORSIM_ENGINE_EVENT_ENUM
        STORSIM_EVENT_COUNT
} storsim_engine_event_t;
const char *storsim_engine_event_name(storsim_engine_event_t event);

/* What an event does to an engine in a state: the status of the call and the state after it (the same state when it
 * fails). No side effect; total over both enums (a value outside answers INVALID_HANDLE and NONE). policy NULL: the
 * defaults. */
typedef struct storsim_engine_step {
    uint32_t status;
    storsim_engine_state_t next;
} storsim_engine_step_t;
storsim_engine_step_t storsim_engine_transition(storsim_engine_event_t event, storsim_engine_state_t state,
                                                const storsim_hdaudio_policy_t *policy);

/* --- looking inside ----------------------------------------------------------------------------------------------- */

typedef struct storsim_engine_info {
    uint64_t handle, context; /* context of the owning client */
    storsim_engine_state_t state;
    bool capture, bidirectional, striped, suspect; /* suspect: a hardware time-out, until the next successful reset */
    uint32_t controller, descriptor;               /* stream descriptor in the chip */
    uint8_t stream_id, codec_address;
    storsim_stream_format_t format;
    uint16_t converter_format;
    uint32_t link_bits;                            /* reserved per frame */
    uint32_t fifo_bytes;                           /* 0 while not programmed */
    uint64_t buffer_va, buffer_bytes, mdl, bdl_va; /* 0 = none; buffer_va is the first byte of the data */
    uint32_t offset, lvi, events, callbacks;
    uint64_t interrupts; /* completions seen since the engine was allocated */
} storsim_engine_info_t;
/* false when the handle is not valid. */
bool storsim_hdaudio_engine(const storsim_machine_t *machine, uint64_t handle, storsim_engine_info_t *info);
/* Valid handles of a controller by descriptor. cursor starts at 0; false at the end. */
bool storsim_hdaudio_engine_next(const storsim_machine_t *machine, uint32_t controller, uint32_t *cursor,
                                 uint64_t *handle);
/* Reads entry `index` of the engine's descriptor list as it lies in memory. STALE: no such handle; INVALID: no list,
 * index above 255. */
storsim_status_t storsim_hdaudio_bdl(storsim_machine_t *machine, uint64_t handle, uint32_t index,
                                     storsim_hdaudio_entry_t *entry);
/* Bits reserved and available per frame: all SDO lines (codec = UINT32_MAX), or a codec's SDI line. false before the
 * first query. */
bool storsim_hdaudio_bandwidth(const storsim_machine_t *machine, uint32_t controller, uint32_t codec, uint32_t *used,
                               uint32_t *capacity);
/* References held by a client; 0 when the context is dead or unknown. */
uint32_t storsim_hdaudio_references(const storsim_machine_t *machine, uint64_t context);
/* References the bus driver holds on a device object given to RegisterNotificationCallback (ruling R43). */
uint32_t storsim_hdaudio_fdo_references(const storsim_machine_t *machine, uint64_t fdo);
/* Whether the bus driver has brought its controller up, and which codecs answered (bit = address). */
bool storsim_hdaudio_started(const storsim_machine_t *machine, uint32_t controller, uint32_t *codecs);

#ifdef __cplusplus
}
#endif
#endif
