/* nt/kernel.h: what storport and hdaudio build on: the call frame, violations and bugchecks, blocks, pool, contiguous
 * memory, MDLs, interrupts and DPCs. One function decides each status; the rooms above only order the checks. */
#ifndef SS_KERNEL_H
#define SS_KERNEL_H

#include "machine/core.h"
#include "storsim/ddi.h"
#include "storsim/nt.h"

/* --- rules -------------------------------------------------------------------------------------------------------- */

/* Violations and notes known to the kernel room and above: X(NAME, rule, fix, source). The table is nt/rules.c's; rooms
 * above add rows here (one table for all of Windows), hda has its own for the chip. */
#include "nt/rules.def.h"
/* clang-format off */
typedef enum ss_rule_id {
#define SS_RULE_ENUM(name, rule, fix, source) SS_##name,
    SS_RULE_MAP(SS_RULE_ENUM)
#undef SS_RULE_ENUM
    SS_RULE_COUNT
} ss_rule_id_t;
extern const ss_rule_t ss_rules[SS_RULE_COUNT];
/* clang-format on */

/* --- the call frame ----------------------------------------------------------------------------------------------- */

/* One simulated call under way. Filled by ss_call_begin, read by the checks, closed by ss_call_end. */
typedef struct ss_call {
    storsim_machine_t *machine;
    const storsim_routine_t *routine;
    storsim_arg_t *args;
    uint32_t owner;          /* adapter or controller number, 0 before it is known */
    uint64_t result;         /* what the routine returns */
    uint8_t irql, situation; /* at the begin; the callback it came from, or what hdaudio puts there: the engine's state */
    bool raised;             /* strict: a violation without a code of its own was recorded */
    storsim_status_t status; /* OK, or why the call stops: BUGCHECK, CALLBACK, NO_MEMORY, … */
    ss_where_t saved;        /* the frame below, for nested calls from callbacks */
    ss_mark_t began;
    const uint64_t *staged;  /* outputs by parameter that will be written after ss_call_end, for the trace; NULL: none */
    uint16_t staged_set;     /* which of them, by bit */
    struct ss_call *outer;   /* the call below, NULL for the outermost */
} ss_call_t;

/* Checks that the machine lives, copies routine and arguments to ss_where, and marks every argument as not written. routine may be NULL (args too): an access or
 * a control of the host that can break rules but is no routine of the DDI. Every begin that answered OK is closed by
 * ss_call_end. */
storsim_status_t ss_call_begin(ss_call_t *call, storsim_machine_t *machine, const storsim_routine_t *routine,
                               storsim_arg_t *args);
/* Writes the trace entry and restores the frame below. Returns call->status, or VIOLATION when raised at strict. */
storsim_status_t ss_call_end(ss_call_t *call);
/* Whether a call of the routine begun now would be alive, present and at a legal level, going by its row alone. */
bool ss_call_plain(const storsim_machine_t *machine, const storsim_routine_t *routine);
/* True when the active OS has the routine (spec §1.3 step 1). */
bool ss_call_present(const ss_call_t *call);
/* True when the current IRQL is legal for the routine: its row, or what storsim_override_irql put in its place. */
bool ss_call_irql_ok(const ss_call_t *call);

/* The callback the driver is in on the current CPU (storsim_context_t, 0 = none). Kept per CPU: it changes with
 * storsim_set_cpu. */
uint8_t ss_context(const storsim_machine_t *machine);
void ss_set_context(storsim_machine_t *machine, uint8_t context);

bool ss_at_least(const storsim_machine_t *machine, storsim_level_t level);
bool ss_verifying(const storsim_machine_t *machine, uint32_t flag);

/* Details of a violation or bugcheck; all optional. */
typedef struct ss_detail {
    uint64_t expected, got, address;
    uint32_t allocated_at, freed_at, owner;
    bool no_raise; /* recorded at strict too, but not raised */
} ss_detail_t;

/* Records a violation. At strict marks the call as raised, unless no_raise. */
void ss_violate(ss_call_t *call, ss_rule_id_t rule, const ss_detail_t *detail);
/* Records a note: never raised. */
void ss_note(ss_call_t *call, ss_rule_id_t rule, const ss_detail_t *detail);
/* Stops the machine with this code and remembers the rule behind it. Sets call->status = BUGCHECK and returns it. */
storsim_status_t ss_bugcheck(ss_call_t *call, ss_rule_id_t rule, uint32_t code, uint64_t p1, uint64_t p2, uint64_t p3,
                             uint64_t p4, const ss_detail_t *detail);

/* --- blocks ------------------------------------------------------------------------------------------------------- */

/* The owner number of a new adapter or controller, from 1, never reused; every device of a machine draws from this one
 * sequence, so that a number names one owner. Caps in bytes bound what the owner may hold in pool and in contiguous and
 * DMA memory (UINT64_MAX: none); exceeding one answers like exhaustion (spec §5). NO_MEMORY. */
storsim_status_t ss_owner_add(storsim_machine_t *machine, uint64_t pool_cap, uint64_t contig_cap, uint32_t *owner);

/* The record of one allocation. The table is nt's; pointers into it are valid until the next block is made. Only what every block has stands
 * here: the rest is in records of its own, made for the few blocks that have it (nt_i.h), and of a freed block the quarantine knows when and
 * where. What every free of a pool block reads and writes comes first: with a million live blocks each line of a record is a cache miss. */
typedef struct ss_block {
    uint64_t va, size;       /* va 0 = none; size = bytes asked for */
    uint32_t next, previous; /* live: order of allocation; quarantined: `next` is its place there; free: `next` is the next free record */
    uint32_t owner, generation;
    uint32_t pool_page;              /* pool slot: its page; else 0 */
    uint32_t rare;                   /* what few blocks have, 0: nothing of it */
    uint8_t kind, state, irql, node; /* state: free record, live, quarantined */
    int8_t cache;
    uint8_t flags, context, freed_irql;
    uint32_t tag, site;
    uint64_t time;
    uint64_t pfn, pages;                 /* first frame and page count; for a pool slot: frame of its pool page, pages 0 */
    uint32_t arena_next, arena_previous; /* neighbours in the arena; none of pool slots, which live in their page */
    ss_store_t store;                    /* bytes, 0: nobody looked yet (nt/bytes.c); a pool slot's are its page's */
    uint32_t extents;                    /* index of an extent list for scattered blocks, 0 = contiguous */
} ss_block_t;

enum { SS_STATE_FREE = 0, SS_STATE_LIVE = 1, SS_STATE_QUARANTINED = 2 };
typedef uint32_t ss_block_id_t; /* index from 1; handle = generation << 32 | id */

/* What a block is made of. */
typedef struct ss_block_request {
    storsim_block_kind_t kind;
    uint64_t size;                /* bytes, 0 allowed where the routine allows it (one page or slot is taken) */
    uint64_t lowest, highest;     /* physical limits, inclusive; highest UINT64_MAX = none */
    uint64_t boundary, alignment; /* bytes; 0 = none */
    uint32_t node;                /* preferred, or STORSIM_NODE_ANY: the caller's node first */
    bool node_only;               /* no other node will do */
    int32_t cache;
    uint32_t tag, owner;
    bool zero, scattered; /* scattered: pages need not be contiguous (one page at a time) */
    bool no_cross_4g;     /* never crosses a 4 GiB boundary */
} ss_block_request_t;

/* Takes pages, an address range and a record: all or nothing. NO_SPACE (nothing fits, or a budget says so), NO_MEMORY.
 */
storsim_status_t ss_block_make(storsim_machine_t *machine, const ss_block_request_t *request, ss_block_id_t *id);
/* Frees a live block: pages are poisoned and free at once, the address range goes to the quarantine. Cannot fail. */
void ss_block_free(storsim_machine_t *machine, ss_block_id_t id);
/* Takes back the block made last, as if it had never been made: no quarantine, and its addresses are handed out next.
 * For a caller whose own reservation failed after the block was there. Several go newest first, up to 16. Cannot fail. */
void ss_block_undo(storsim_machine_t *machine, ss_block_id_t id);
ss_block_t *ss_block(storsim_machine_t *machine, ss_block_id_t id); /* NULL for a free record */
/* The block around a kernel address, live or quarantined; 0 when the address was never handed out or left the
 * quarantine. */
ss_block_id_t ss_block_around(storsim_machine_t *machine, uint64_t va);
/* The live block behind a frame (pool pages answer 0: use ss_block_around with the address), 0 = none. */
ss_block_id_t ss_block_of_frame(storsim_machine_t *machine, uint64_t pfn);
/* Physical address of byte `offset` of a block; for scattered blocks by its extent. */
uint64_t ss_block_physical(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset);
/* Bytes of a block that follow physically contiguously from `offset`, at most to its end rounded up to its page. */
uint64_t ss_block_contiguous_from(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset);
/* A block of extents already taken from the page allocator, which it owns from now on. HMB gets no kernel address,
 * every other kind (request data of a chosen number of fragments) one range of them. */
storsim_status_t ss_block_adopt(storsim_machine_t *machine, const ss_block_request_t *request,
                                const ss_page_extent_t *extents, uint32_t count, ss_block_id_t *id);
/* Where its device sees the first byte: the physical address, unless something else was set. NO_MEMORY changes nothing. */
uint64_t ss_block_device_address(const storsim_machine_t *machine, const ss_block_t *block);
storsim_status_t ss_block_set_device_address(storsim_machine_t *machine, ss_block_id_t id, uint64_t address);
/* The site of the free of a quarantined block, 0 for others. */
uint32_t ss_block_freed_at(const storsim_machine_t *machine, const ss_block_t *block);
uint32_t ss_block_extent_count(storsim_machine_t *machine, const ss_block_t *block);
bool ss_block_extent(storsim_machine_t *machine, const ss_block_t *block, uint32_t index, uint64_t *pa,
                     uint64_t *bytes);
/* The driver-invisible bytes of a block (records the core keeps in simulated memory, e.g. an MDL's fields). */
storsim_status_t ss_block_read(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset, void *buffer,
                               size_t bytes);
storsim_status_t ss_block_write(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset,
                                const void *buffer, size_t bytes);
/* Fills part of a live block with one byte value. */
storsim_status_t ss_block_set(storsim_machine_t *machine, ss_block_id_t id, uint64_t offset, uint8_t value, uint64_t bytes);
/* Iterates live blocks in order of allocation: start with 0, ends with 0. */
ss_block_id_t ss_block_next(storsim_machine_t *machine, ss_block_id_t id);

/* What an allocation routine answers, whatever its family calls the status. */
typedef enum ss_contig_outcome { SS_CONTIG_OK, SS_CONTIG_REFUSED } ss_contig_outcome_t;

/* --- nonpaged pool (nt/pool.c) ------------------------------------------------------------------------------------ */

/* Takes a slot or pages: 16-byte aligned below a page and never across one, page aligned from a page on (spec §2.4).
 * kind is POOL or any other pool-backed kind (MDL, EVENT). NO_SPACE, NO_MEMORY. */
storsim_status_t ss_pool_take(storsim_machine_t *machine, storsim_block_kind_t kind, uint64_t bytes, uint32_t tag,
                              uint32_t owner, ss_block_id_t *id);
uint32_t ss_pool_type(const storsim_machine_t *machine); /* 512 from Windows 8 on, else 0 */
/* The whole of a pool allocation once the pointers were checked: rows of spec §3.1 on size and tag (and V11 when
 * bypass_irql_status let a bad IRQL through), the fault plan, then ss_pool_take for call->owner. REFUSED answers
 * INSUFFICIENT_RESOURCES. Look at call->status first: it is set on a bugcheck or a host error. */
ss_contig_outcome_t ss_pool_request(ss_call_t *call, uint64_t bytes, uint32_t tag, ss_block_id_t *id);
/* The whole of a pool free: decides bugcheck and violation rows of spec §3.1 and §3.8. `kind` is what the routine
 * expects (POOL or MDL); other_adapter is reported as WRONG_ADAPTER. OK also when a violation was recorded. */
storsim_status_t ss_pool_return(ss_call_t *call, storsim_block_kind_t kind, uint64_t va);
/* Whether none of those rows has anything to say: then ss_pool_take alone gives the same block. Changes nothing. */
bool ss_pool_plain(storsim_machine_t *machine, uint64_t bytes, uint32_t tag);
/* The block of `owner` at va whose free by the pool routine no row has anything to say of, so that ss_block_free alone does the same; 0: look
 * closer. Changes nothing. */
ss_block_id_t ss_pool_plain_free(storsim_machine_t *machine, uint64_t va, uint32_t owner);
typedef struct ss_pool_usage {
    uint64_t bytes, blocks, budget_used;
} ss_pool_usage_t;
void ss_pool_usage(const storsim_machine_t *machine, ss_pool_usage_t *usage);

/* --- contiguous memory (nt/contig.c) ------------------------------------------------------------------------------ */

typedef struct ss_contig_args {
    uint64_t bytes, lowest, highest, boundary;
    int32_t cache;
    uint32_t node;
} ss_contig_args_t;
/* The refusal rows of spec §3.2 shared by contiguous and DMA memory, then the allocation for call->owner: checks
 * everything but pointers and IRQL, asks the fault plan, allocates. REFUSED covers every row that answers
 * INSUFFICIENT_RESOURCES; violations are recorded here. call->status is set on host errors. */
ss_contig_outcome_t ss_contig_take(ss_call_t *call, storsim_block_kind_t kind, const ss_contig_args_t *args,
                                   ss_block_id_t *id);
/* As ss_pool_plain and ss_pool_plain_free: then ss_block_make with ss_contig_block alone gives the same block. */
bool ss_contig_plain(storsim_machine_t *machine, uint32_t owner, const ss_contig_args_t *args);
ss_block_request_t ss_contig_block(const storsim_machine_t *machine, storsim_block_kind_t kind, uint32_t owner, const ss_contig_args_t *args);
ss_block_id_t ss_contig_plain_free(storsim_machine_t *machine, storsim_block_kind_t kind, uint32_t owner, uint64_t va, uint64_t bytes,
                                   int32_t cache, uint64_t pa);
/* Reports CACHE_ALIAS when a live mapping of one of these frames has another cache type (spec §4.2). */
void ss_cache_alias(ss_call_t *call, uint64_t pfn, uint64_t pages, int32_t cache);
/* The whole of a free of contiguous or DMA memory (spec §3.2, §3.3, rulings R14, R15). pa 0 = not supplied. */
storsim_status_t ss_contig_return(ss_call_t *call, storsim_block_kind_t kind, uint64_t va, uint64_t bytes,
                                  int32_t cache, uint64_t pa);

/* --- MDLs (nt/mdl.c) ---------------------------------------------------------------------------------------------- */

enum {
    SS_MDL_MAPPED_TO_SYSTEM_VA = 0x1,
    SS_MDL_PAGES_LOCKED = 0x2,
    SS_MDL_SOURCE_IS_NONPAGED_POOL = 0x4,
    SS_MDL_PARTIAL = 0x10
};
/* The documented members of an MDL as read from simulated memory (x64 layout, spec §2.3). */
typedef struct ss_mdl {
    uint64_t next, process, mapped_system_va, start_va;
    uint16_t size, flags;
    uint32_t byte_count, byte_offset;
} ss_mdl_t;
/* Makes an MDL over [va, va + bytes) owned by `owner`: fields set, PFN array unfilled. NO_SPACE, NO_MEMORY. */
storsim_status_t ss_mdl_make(storsim_machine_t *machine, uint64_t va, uint32_t bytes, uint32_t owner,
                             ss_block_id_t *id);
/* Makes an MDL that describes a block's pages, built and locked (SRB data, HDA buffers); same owner and life as the
 * caller says. */
storsim_status_t ss_mdl_make_built(storsim_machine_t *machine, ss_block_id_t described, uint64_t offset, uint32_t bytes,
                                   uint32_t owner, ss_block_id_t *id);
/* Build rows of spec §3.8: decides and performs. */
storsim_status_t ss_mdl_build(ss_call_t *call, uint64_t mdl_va);
/* Reads an MDL; false when va is not the start of a live MDL. */
bool ss_mdl_load(storsim_machine_t *machine, uint64_t mdl_va, ss_mdl_t *mdl);
/* pages[i] of a built MDL; false outside or unbuilt. */
bool ss_mdl_page(storsim_machine_t *machine, uint64_t mdl_va, uint32_t index, uint64_t *pfn);
void ss_mdl_free(storsim_machine_t *machine, ss_block_id_t id);
/* Sets (address 0: clears) MappedSystemVa and MAPPED_TO_SYSTEM_VA of an MDL whose pages were mapped. NO_MEMORY. */
storsim_status_t ss_mdl_set_mapping(storsim_machine_t *machine, ss_block_id_t id, uint64_t system_va);

/* --- interrupts and DPCs (nt/interrupt.c) ------------------------------------------------------------------------- */

/* A room's own interrupt service and deferred routines are named by (room, kind) and called through these ops. */
typedef struct ss_kernel_ops {
    /* Runs at the line's IRQL. *claimed tells whether the device interrupted. */
    storsim_status_t (*isr)(storsim_machine_t *machine, uint32_t line, uint64_t context, bool *claimed);
    /* Runs at DISPATCH. */
    storsim_status_t (*dpc)(storsim_machine_t *machine, uint16_t kind, uint64_t a, uint64_t b);
    /* The driver's own load (store) inside a range made by ss_register_range_make; may be NULL. */
    storsim_status_t (*registers)(storsim_machine_t *machine, uint64_t context, uint64_t offset, void *buffer,
                                  size_t bytes, bool store);
} ss_kernel_ops_t;
storsim_status_t ss_kernel_ops_register(storsim_machine_t *machine, ss_room_t room, const ss_kernel_ops_t *ops);
storsim_status_t ss_interrupt_connect(storsim_machine_t *machine, uint32_t line, uint8_t irql, ss_room_t room,
                                      uint64_t context);
void ss_interrupt_disconnect(storsim_machine_t *machine, uint32_t line);
/* Queues a deferred call on the current CPU; runs when its IRQL is below DISPATCH and dpc_latency has passed. */
storsim_status_t ss_dpc_queue(storsim_machine_t *machine, ss_room_t room, uint16_t kind, uint64_t a, uint64_t b);
/* The same, `delay` ticks later than dpc_latency says. For late_dpc of one device: ask ss_hardware_fault and pass
 * SS_LATE_DPC_TICKS; ss_dpc_queue itself consumes late_dpc rules that name no device. */
storsim_status_t ss_dpc_queue_late(storsim_machine_t *machine, ss_room_t room, uint16_t kind, uint64_t a, uint64_t b,
                                   uint64_t delay);
#define SS_LATE_DPC_TICKS UINT64_C(240000) /* 10 ms: longer than any notification period worth testing. Model choice.  \
                                            */
/* Drops queued DPCs of a room with this kind and first argument (object going away). */
void ss_dpc_drop(storsim_machine_t *machine, ss_room_t room, uint16_t kind, uint64_t a);
/* Delivers whatever may run now: called at the end of an outer call. */
storsim_status_t ss_deliver(storsim_machine_t *machine);
/* Runs a host callback at a level: raises, calls, lowers to the old level (without delivering), restores the frame. */
storsim_status_t ss_callback_at(storsim_machine_t *machine, uint8_t irql, storsim_callback_t *callback);

/* --- device registers mapped into the kernel's half --------------------------------------------------------------- */

/* A live block of kind HDA_REGISTERS: `bytes` (whole pages) of kernel addresses with no RAM behind them (pages 0, no
 * store). Loads and stores of storsim_read_va and storsim_write_va inside it go to the room's `registers` op with this
 * context and the offset in the range. Ends with ss_block_free: then quarantined like any other block, so a later
 * access is USE_AFTER_FREE. NO_SPACE, NO_MEMORY. */
storsim_status_t ss_register_range_make(storsim_machine_t *machine, ss_room_t room, uint64_t context, uint64_t bytes,
                                        uint32_t owner, ss_block_id_t *id);

/* --- the verifier (nt/overrun.c, nt/scarce.c) ---------------------------------------------------------------------- */

/* Looks at the guards of an owner's blocks before it goes: OVERRUN for each damaged one, recorded and never raised. */
void ss_guards_record(ss_call_t *call, uint32_t owner);
/* Stops with 0xE6/0x0F when a block has damaged guards and the DMA check is on; OK otherwise. Common buffers, which no
 * driver frees, are looked at here. */
storsim_status_t ss_guards_stop(ss_call_t *call, ss_block_id_t id);
/* A user-mode address where a kernel one belongs (V17): true when the machine stopped. */
bool ss_user_address(ss_call_t *call, uint64_t address, uint64_t bytes);

/* --- memory access (nt/access.c) ---------------------------------------------------------------------------------- */

/* Rows R56, R57 of the device's accesses are decided here: owner is the adapter number of the device. */
storsim_status_t ss_device_owner(storsim_machine_t *machine, ss_device_t device, uint32_t owner);
/* The device is gone, or was never finished; unknown ones are ignored. */
void ss_device_forget(storsim_machine_t *machine, ss_device_t device);

#endif
