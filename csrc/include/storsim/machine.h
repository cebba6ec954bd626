/* storsim/machine.h: the hardware, and the plumbing every room uses.
 *
 * Vocabulary
 *   machine    one simulated PC: physical memory, virtual time, interrupt lines, random numbers, records of what happened
 *   pfn        page frame number: physical address / 4096
 *   tick       1/24 000 000 s of virtual time; 500 ticks are one 48 kHz link frame
 *   room       a part of the core with its own state (nt, storport, hda, …) that hangs on a machine
 *   finding    something worth telling: note, violation or bugcheck
 *   site       where a call came from, interned to a small number; 0 is "unknown"
 *   token      a 64-bit number that stands for a callable or object of the host program; 0 is NULL
 *
 * Ownership: storsim_machine_create gives the caller the only reference; storsim_machine_destroy ends it. Nothing returned
 * by pointer outlives the machine. Threads: a machine is not locked; callers serialise.
 * Source: model choice unless a line says otherwise. */
#ifndef STORSIM_MACHINE_H
#define STORSIM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "storsim/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STORSIM_VERSION "0.1.0"

#define STORSIM_PAGE_SIZE 4096u
#define STORSIM_PAGE_SHIFT 12
#define STORSIM_MAX_NODES 64u
#define STORSIM_MAX_RANGES 4096u
#define STORSIM_MEMORY_LIMIT (UINT64_C(1) << 47) /* 128 TiB: no page of a map lies above; 64 TiB of RAM and the holes between */
#define STORSIM_TICKS_PER_SECOND UINT64_C(24000000)
#define STORSIM_TICKS_PER_FRAME 500u
#define STORSIM_NODE_ANY UINT32_C(0x80000000) /* MM_ANY_NODE_OK; Source: public wdm.h transcriptions */

typedef struct storsim_machine storsim_machine_t;

/* The allocator hook: every byte of host memory the core uses comes through it.
 * allocate  returns at least `bytes` (> 0) bytes aligned for any type, or NULL; need not be zeroed.
 * allocate_zeroed  the same, zeroed; may be NULL (then allocate + clear is used).
 * resize    like realloc; on NULL the old block stays.
 * release   accepts NULL. */
typedef struct storsim_host {
    void *(*allocate)(void *context, size_t bytes);
    void *(*allocate_zeroed)(void *context, size_t bytes);
    void *(*resize)(void *context, void *block, size_t bytes);
    void (*release)(void *context, void *block);
    void *context;
} storsim_host_t;

typedef enum storsim_placement {
    STORSIM_TOP_DOWN = 0,    /* highest legal address */
    STORSIM_BOTTOM_UP = 1,   /* lowest legal address */
    STORSIM_BEST_FIT = 2,    /* smallest free run that holds it, highest among equals */
    STORSIM_RANDOM = 3,      /* a legal address drawn from the machine's seed */
    STORSIM_ADVERSARIAL = 4  /* legal and unpleasant, see DESIGN §5 */
} storsim_placement_t;

typedef struct storsim_range {
    uint64_t start;  /* physical address, bytes */
    uint64_t length; /* bytes, > 0 */
    uint32_t node;   /* 0 … STORSIM_MAX_NODES-1 */
} storsim_range_t;

/* What storsim_machine_create reads; the caller keeps ownership and may free it afterwards. */
typedef struct storsim_machine_config {
    const storsim_host_t *host;     /* NULL: malloc and free */
    const storsim_range_t *ranges;  /* any order; touching ranges of one node are joined, then rounded inward to pages; page 0 is
                                       never usable (ruling R30) */
    size_t range_count;             /* 1 … STORSIM_MAX_RANGES */
    const uint8_t *distances;       /* node_count × node_count, row = from; NULL: 10 on the diagonal, 20 elsewhere */
    uint32_t node_count;            /* 0: highest node of the ranges + 1; a larger value adds nodes without memory */
    storsim_placement_t placement;
    bool allow_cross_node;          /* a block may span runs that touch across a node border */
    uint64_t seed;
    uint32_t trace_entries;         /* capacity of the trace ring, rounded up to a power of two; 0: 4096 */
} storsim_machine_config_t;

/* Creates a machine at time 0. Errors: INVALID (no usable page, ranges overlap or end above STORSIM_MEMORY_LIMIT, node out of
 * range), NO_MEMORY. *machine is written only on success. Time and host memory do not depend on the size of the map. */
storsim_status_t storsim_machine_create(const storsim_machine_config_t *config, storsim_machine_t **machine);
/* Ends the machine and everything that hangs on it; NULL is accepted. */
void storsim_machine_destroy(storsim_machine_t *machine);

/* --- host callbacks ------------------------------------------------------------------------------------------------ */

typedef enum storsim_callback_kind {
    STORSIM_CB_SG_EXECUTE = 1,   /* values: DeviceObject, Irp, ScatterGatherList, context token */
    STORSIM_CB_HDA_BDL_ISR,      /* values: context token, InterruptBitMask */
    STORSIM_CB_HDA_NOTIFICATION, /* values: context token, time of the ISR in ticks */
    STORSIM_CB_HDA_TRANSFER,     /* values: transfer record, context token, element named, 1 when the last of this record */
    STORSIM_CB_HDA_UNSOLICITED,  /* values: HDAUDIO_CODEC_RESPONSE, context token */
    STORSIM_CB_HMB_POLICY,       /* values: minimum, preferred, utilisation (bytes); result: target (bytes) */
    STORSIM_CB_FAULT_PREDICATE,  /* values: routine id, tag, size (bytes), ordinal; result: non-zero = fail */
    STORSIM_CB_INTERRUPT,        /* a user's own ISR on a line. values: line, context token; result: non-zero = claimed */
    STORSIM_CB_DPC,              /* a user's own DPC. values: context token */
    STORSIM_CB_CODEC_SINK,       /* values: codec address, stream tag; data, data_bytes: what the codec heard */
    STORSIM_CB_CODEC_SOURCE,     /* values: codec address, stream tag, bytes wanted; data: where they go; result: bytes given */
    STORSIM_CB_CODEC_VERB        /* a codec described by the host. values: verb; result: response */
} storsim_callback_kind_t;

typedef struct storsim_callback {
    storsim_callback_kind_t kind;
    uint64_t routine;    /* token of the callable */
    uint64_t values[6];  /* by kind, see above */
    void *data;          /* by kind; owned by the core, valid during the callback */
    size_t data_bytes;
    uint64_t result;     /* by kind; 0 on entry */
} storsim_callback_t;

/* Called whenever the core needs the host program. Anything but STORSIM_OK stops the run: the outer core call returns
 * STORSIM_CALLBACK and the machine can go on. */
typedef storsim_status_t (*storsim_callback_fn)(void *host, storsim_callback_t *callback);
void storsim_machine_set_callback(storsim_machine_t *machine, storsim_callback_fn function, void *host);

/* --- memory -------------------------------------------------------------------------------------------------------- */

typedef struct storsim_memory_run {
    uint64_t first_pfn, pages;
    uint32_t node;
} storsim_memory_run_t;

/* The normalised map in address order. *count receives the number of runs. Static until restore or destroy. O(1). */
const storsim_memory_run_t *storsim_memory_map(const storsim_machine_t *machine, size_t *count);
uint32_t storsim_memory_nodes(const storsim_machine_t *machine);
uint8_t storsim_memory_distance(const storsim_machine_t *machine, uint32_t from, uint32_t to);
/* Usable pages of the map, all nodes or one (STORSIM_NODE_ANY = all). */
uint64_t storsim_memory_total_pages(const storsim_machine_t *machine, uint32_t node);
/* Free bytes on a node (STORSIM_NODE_ANY = all) within [lowest, highest], whole pages only. */
uint64_t storsim_memory_free_bytes(const storsim_machine_t *machine, uint32_t node, uint64_t lowest, uint64_t highest);
/* Largest block in bytes that one request could get within [lowest, highest] without crossing a multiple of boundary (0 = none). */
uint64_t storsim_memory_largest_free(const storsim_machine_t *machine, uint64_t lowest, uint64_t highest, uint64_t boundary);
/* The first maximal free run (split at node borders unless allow_cross_node) that ends above from_pfn, clipped to start at
 * from_pfn at the earliest. false when there is none. Iterate with from_pfn = first_pfn + pages. */
bool storsim_memory_next_free(const storsim_machine_t *machine, uint64_t from_pfn, storsim_memory_run_t *run);
/* Takes pages out of (back into) the free ones for the owner "reserved"; bytes are rounded outward to pages. INVALID if any
 * page is not free RAM (not reserved before), nothing changed then (ruling R35). */
storsim_status_t storsim_memory_reserve(storsim_machine_t *machine, uint64_t address, uint64_t length);
storsim_status_t storsim_memory_release(storsim_machine_t *machine, uint64_t address, uint64_t length);
/* Pins numerator/denominator of the pages free now in runs of run_pages, spread by seed (ruling R36). Writes the number of
 * pages pinned. */
storsim_status_t storsim_memory_fragment(storsim_machine_t *machine, uint64_t numerator, uint64_t denominator, uint64_t run_pages,
                                         uint64_t seed, uint64_t *pinned_pages);
/* The debugger's view of physical memory: never checked against rules, never recorded. NOT_RAM when a byte lies in a hole. */
storsim_status_t storsim_memory_read(storsim_machine_t *machine, uint64_t address, void *buffer, size_t bytes);
storsim_status_t storsim_memory_write(storsim_machine_t *machine, uint64_t address, const void *buffer, size_t bytes);

/* --- time ---------------------------------------------------------------------------------------------------------- */

uint64_t storsim_now(const storsim_machine_t *machine); /* ticks */
/* Runs every event due up to now + ticks, in (time, insertion) order. Errors: CALLBACK, BUGCHECK, VIOLATION (time stands where it
 * happened), REENTRY from inside a callback. Cost per event, not per tick. */
storsim_status_t storsim_advance(storsim_machine_t *machine, uint64_t ticks);
/* Runs until an interrupt was delivered or limit ticks passed. */
storsim_status_t storsim_run_until_interrupt(storsim_machine_t *machine, uint64_t limit, bool *delivered);

/* The level of an interrupt line; false for no such line. */
bool storsim_line_level(const storsim_machine_t *machine, uint32_t line);

/* --- findings ------------------------------------------------------------------------------------------------------ */

typedef enum storsim_class { STORSIM_NOTE = 0, STORSIM_RULE_VIOLATION = 1, STORSIM_BUG_CHECK = 2 } storsim_class_t;

#define STORSIM_FINDING_ARGS 10

typedef struct storsim_finding {
    uint32_t id;          /* from 1, in order */
    storsim_class_t kind;
    const char *name;     /* ZERO_LENGTH; for a bugcheck its symbolic name */
    const char *rule;     /* the rule in one sentence */
    const char *fix;      /* what to do about it */
    const char *source;   /* documented page or "model choice" */
    uint16_t routine;     /* row of the DDI table, or 0 */
    uint8_t irql;
    uint32_t cpu;
    uint64_t time;        /* ticks */
    uint32_t owner;       /* adapter or controller number from 1, or 0 */
    uint32_t site;        /* where the call was made */
    uint32_t allocated_at, freed_at; /* related sites, 0 = none */
    uint8_t context;      /* callback the driver was in, see storport.h; 0 = none */
    uint8_t arg_count;
    uint64_t args[STORSIM_FINDING_ARGS]; /* as passed */
    uint64_t code, parameters[4];        /* bugcheck */
    uint64_t expected, got;              /* by name; e.g. SIZE_MISMATCH: bytes */
    uint64_t address;                    /* the block or address concerned, or 0 */
    uint64_t allocated_time, freed_time; /* ticks; of allocated_at and freed_at, where known */
    uint8_t allocated_irql, freed_irql;
    uint8_t allocated_context;           /* callback the block was allocated in, as context */
    bool allocated_known, freed_known;   /* whether time, level and callback stand */
} storsim_finding_t;

size_t storsim_finding_count(const storsim_machine_t *machine);
/* index 0 … count-1; NULL outside. Valid until the next call into the machine. */
const storsim_finding_t *storsim_finding_get(const storsim_machine_t *machine, size_t index);
/* Full sentence(s): routine, what was expected and found, rule, fix, source, IRQL, time, sites. Returns the length without the
 * terminator, like snprintf; writes at most capacity bytes. Sites are written as "site N"; hosts replace them. */
size_t storsim_finding_text(const storsim_machine_t *machine, const storsim_finding_t *finding, char *text, size_t capacity);
/* The bugcheck that stopped the machine, or NULL while it runs. */
const storsim_finding_t *storsim_stopped(const storsim_machine_t *machine);

/* --- sites --------------------------------------------------------------------------------------------------------- */

/* The site the next calls come from. Stays until changed. */
void storsim_set_site(storsim_machine_t *machine, uint32_t site);
/* Interns a pair of host numbers (say code object and instruction). The same pair gives the same site; ids count from 1 in
 * order of first appearance. NO_MEMORY leaves *site alone. O(1). */
storsim_status_t storsim_site_intern(storsim_machine_t *machine, uint64_t key1, uint64_t key2, uint32_t *site);
/* For C callers: STORSIM_HERE(machine) before a call names file and line. */
typedef struct storsim_c_site { const char *file; int line; const char *function; } storsim_c_site_t;
void storsim_set_c_site(storsim_machine_t *machine, const storsim_c_site_t *where);
#define STORSIM_HERE(machine)                                                                     \
    do {                                                                                          \
        static const storsim_c_site_t storsim_here_ = {__FILE__, __LINE__, __func__};             \
        storsim_set_c_site((machine), &storsim_here_);                                            \
    } while (0)

/* --- faults -------------------------------------------------------------------------------------------------------- */

typedef enum storsim_fault_kind {
    STORSIM_FAULT_NTH = 1,     /* first = n: the n-th matching call from now (1 = next) fails */
    STORSIM_FAULT_RANGE,       /* first … last: matching calls with these ordinals fail */
    STORSIM_FAULT_PREDICATE,   /* predicate token decides */
    STORSIM_FAULT_PROBABILITY, /* chances in 10 000, drawn from `seed` */
    STORSIM_FAULT_HARDWARE     /* named hardware fault; `first` occasions (default 1) */
} storsim_fault_kind_t;

typedef enum storsim_hardware_fault {
    STORSIM_HW_NONE = 0, STORSIM_HW_TIMEOUT, STORSIM_HW_CODEC_SILENT, STORSIM_HW_RIRB_OVERRUN, STORSIM_HW_DESCRIPTOR_ERROR,
    STORSIM_HW_FIFO_ERROR, STORSIM_HW_LATE_DPC, STORSIM_HW_REMOVED
} storsim_hardware_fault_t;

typedef struct storsim_fault_rule {
    storsim_fault_kind_t kind;
    uint16_t routine;        /* DDI row, 0 = any fault point */
    bool match_tag;
    uint32_t tag;
    uint64_t minimum_bytes, maximum_bytes; /* size filter, inclusive; maximum 0 = no filter */
    uint64_t first, last;    /* by kind */
    uint32_t chances;        /* of 10 000 */
    uint64_t seed;
    uint64_t predicate;      /* token */
    uint64_t not_before;     /* virtual time in ticks before which the rule sleeps */
    storsim_hardware_fault_t hardware;
    uint32_t device;         /* 0 = any */
} storsim_fault_rule_t;

/* Adds a rule; *id (from 1) removes it again. Rules are tried in order; the first that says "fail" wins. */
storsim_status_t storsim_fault_add(storsim_machine_t *machine, const storsim_fault_rule_t *rule, uint32_t *id);
storsim_status_t storsim_fault_remove(storsim_machine_t *machine, uint32_t id);
void storsim_fault_clear(storsim_machine_t *machine);
/* Nestable pause: while the depth is above 0 no rule fires and no ordinal counts. */
void storsim_fault_pause(storsim_machine_t *machine, bool pause);
/* Injected failures so far. Each has an id = its 1-based position. */
typedef struct storsim_injected { uint32_t id, rule; uint16_t routine; uint32_t site; uint64_t time, bytes; uint32_t tag; uint64_t ordinal; } storsim_injected_t;
size_t storsim_injected_count(const storsim_machine_t *machine);
const storsim_injected_t *storsim_injected_get(const storsim_machine_t *machine, size_t index);
/* Fault points passed so far (whether or not one failed). */
uint64_t storsim_fault_points(const storsim_machine_t *machine);

/* --- trace --------------------------------------------------------------------------------------------------------- */

/* One thing that happened. Calls, callbacks, service routines and deferred calls last: they are written when they end, and say when
 * they began (began, ticks) and how many entries of what they did stand before theirs (inside): they began just before the entry
 * sequence - inside. So a span is whole as long as its one entry is in the ring, spans of one CPU nest, and of two that begin before
 * the same entry the one that ends later is the outer. For all others began = time and inside = 0. irql, cpu: of spans at their
 * begin. Model choice. */
typedef struct storsim_trace_entry {
    uint64_t sequence, time, began;
    uint16_t kind;       /* STORSIM_TRACE_* */
    uint16_t routine;
    uint8_t irql, cpu;
    uint32_t site;
    uint32_t inside;     /* UINT32_MAX: that many or more */
    uint64_t values[4];
} storsim_trace_entry_t;
enum {
    STORSIM_TRACE_CALL = 1,  /* a span. values: result, first two arguments after the extension, first output */
    STORSIM_TRACE_FINDING,   /* values: finding id */
    STORSIM_TRACE_FAULT,     /* values: injected id */
    STORSIM_TRACE_IRQL,      /* values: old, new */
    STORSIM_TRACE_INTERRUPT, /* values: line, level */
    STORSIM_TRACE_ISR,       /* a span. values: line, claimed */
    STORSIM_TRACE_DPC,       /* a span. values: room, kind, argument, time queued */
    STORSIM_TRACE_CALLBACK,  /* a span. values: kind, routine token, first value, result */
    STORSIM_TRACE_DMA,       /* values: device, address, bytes, 0 read 1 write */
    STORSIM_TRACE_REGISTER,  /* values: device, offset, size << 1 | write, value */
    STORSIM_TRACE_STREAM,    /* values: device, descriptor, event (1 run, 2 stop, 3 complete, 4 FIFO error, 5 descriptor error, 6 reset),
                                position */
    STORSIM_TRACE_USER,      /* values: anything */
    STORSIM_TRACE_QUEUED,    /* a deferred call was queued. values: room, kind, argument, earliest time it may run */
    STORSIM_TRACE_OUTPUTS    /* stands before a CALL with several outputs: the first four in documented order, values not written are 0 */
};
/* Entries still in the ring, oldest first. */
size_t storsim_trace_count(const storsim_machine_t *machine);
bool storsim_trace_get(const storsim_machine_t *machine, size_t index, storsim_trace_entry_t *entry);
uint64_t storsim_trace_total(const storsim_machine_t *machine);

/* --- state --------------------------------------------------------------------------------------------------------- */

/* A 64-bit digest of everything a driver or device can observe, in a canonical encoding (FNV-1a, format version included).
 * Not over trace, findings, statistics, sites, quarantine. NO_MEMORY possible. */
storsim_status_t storsim_digest(storsim_machine_t *machine, uint64_t *digest);

/* The whole machine as portable bytes (little endian, versioned, checksummed). The caller owns *bytes and gives it back with
 * storsim_snapshot_free. REENTRY from inside a callback. */
storsim_status_t storsim_snapshot(storsim_machine_t *machine, uint8_t **bytes, size_t *length);
void storsim_snapshot_free(storsim_machine_t *machine, uint8_t *bytes);
/* Goes back to a snapshot of this or an equally configured machine. Whole or nothing. FORMAT with the offset in *where (may be
 * NULL) for damaged bytes; their end, if only the whole contradicts itself (storsim_check). BUSY while an export is live, REENTRY,
 * NO_MEMORY. */
storsim_status_t storsim_restore(storsim_machine_t *machine, const uint8_t *bytes, size_t length, size_t *where);

/* A moment of this machine to come back to, in memory only: taking one costs about a copy of the machine's records, going back the same plus
 * the simulated pages whose bytes changed since. Where a snapshot crosses processes and machines, a checkpoint belongs to the machine it
 * was taken of, and is freed before it is destroyed. What is restored, kept and refused is the same. Source: model choice. */
typedef struct storsim_checkpoint storsim_checkpoint_t;
/* REENTRY from inside a callback, NO_MEMORY. O(live records + pages changed since the last one). */
storsim_status_t storsim_checkpoint_take(storsim_machine_t *machine, storsim_checkpoint_t **checkpoint);
/* Any number of times, in any order. BUSY while an export is live, REENTRY, FORMAT when a room was attached since. Needs no memory. */
storsim_status_t storsim_checkpoint_restore(storsim_machine_t *machine, const storsim_checkpoint_t *checkpoint);
/* What storsim_snapshot would have answered at that moment. The machine is as before afterwards. NO_MEMORY. */
storsim_status_t storsim_checkpoint_bytes(storsim_machine_t *machine, const storsim_checkpoint_t *checkpoint, uint8_t **bytes, size_t *length);
void storsim_checkpoint_free(storsim_machine_t *machine, storsim_checkpoint_t *checkpoint); /* NULL is accepted */

/* Verifies every invariant of every room. Returns the number of broken ones; the first is described in text (may be NULL). */
size_t storsim_check(storsim_machine_t *machine, char *text, size_t capacity);

#ifdef __cplusplus
}
#endif
#endif
