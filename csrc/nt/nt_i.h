/* nt/nt_i.h: the kernel's own state, shared by the files of this room only.
 *
 *   arena (kernel addresses)      frames (physical pages)        records (ss_block_t, by id)
 *   [guard][span …][guard][pool page][pool page][guard][span]    live list      order of allocation
 *     by_va: page → id of the span      by_frame: pfn → id       held ring      quarantine, order of freeing
 *     (of a pool page: its index)
 *
 * A span is a record with addresses of its own: a block of whole pages, or a pool page. Pool slots are records too;
 * they are found through their page. The arena is a list of spans in address order with a cursor that only moves
 * forward and wraps at the end: new spans go in at the cursor, so the list stays sorted and the next obstacle is always
 * the span ahead. An address is free again when its record left the quarantine. by_frame keeps the id of a freed record
 * until then, unless the frame was taken again: that is how a device's late access is told from a foreign one. */
#ifndef SS_NT_I_H
#define SS_NT_I_H

#include "nt/kernel.h"

#define PAGE UINT64_C(4096)
#define ARENA_PAGES ((UINT64_MAX - STORSIM_ARENA_BASE) / PAGE) /* the last page of the address space stays out */
#define GUARD_BYTE                                                                                                     \
    0x0Fu /* fills what lies between a block's last byte and the end of its page or slot; Source: spec §2.6 */
#define GRANULE 16u
#define POOL_HEADER 16u
#define POOL_SLOT_MAX 4064u /* largest request that shares a page. Source: spec §2.4 */
#define POOL_CLASSES 32u
#define KIND_POOL_PAGE STORSIM_BLOCK_KIND_COUNT /* a record of this room only: never in the live list */

enum { DISPATCH_LEVEL = 2, HIGH_LEVEL = 15 };

enum {                      /* ss_block_t.flags */
       BLOCK_COUNTED = 1,   /* its size counts in the nonpaged budget */
       BLOCK_CONTIG = 2,    /* its pages count in the contiguous budget */
       BLOCK_REGISTERS = 4, /* addresses without RAM */
       BLOCK_NO_VA = 8,     /* RAM without addresses */
       BLOCK_POOL = 16,     /* came from the pool: a slot or whole pages */
       BLOCK_SPECIAL = 32,  /* special pool: a page of its own, the block at one end */
       BLOCK_TOLD = 64,     /* its damaged guard was reported */
       BLOCK_ZEROED = 128   /* starts as zeroes; said by its store once it has one, and by no snapshot */
};

#define AT_POOL_PAGE (UINT32_C(1) << 31) /* in by_va: the rest is the index of a pool page, whose record a free of a slot need not see */
#define ARENA_UNDO 16u /* spans that can be taken back, newest first: more than one routine of any room makes */

typedef struct nt_cpu {
    uint8_t irql, floor, context; /* floor: level of the callback under way; the host may not go below */
} nt_cpu_t;

typedef struct nt_limit {
    bool has_irql, has_os;
    uint8_t irql_min, irql_max;
    uint32_t first_os;
} nt_limit_t;

typedef struct nt_extent {
    uint64_t first_pfn, pages, start; /* start: page of the block */
} nt_extent_t;

typedef struct nt_extents {
    nt_extent_t *items; /* NULL: free entry */
    uint32_t count, next_free;
} nt_extents_t;

/* What few blocks have. */
typedef struct nt_rare {
    uint64_t device_address;             /* for HDA_REGISTERS: the room's context */
    uint64_t trespass;                   /* V20: kernel address beside the block that its device wrote to, 0: none */
    uint32_t exports, mdl_count;         /* mdl_count: built MDLs that describe it */
    uint32_t link, link_generation;      /* MDL: the block it describes; HDA_REGISTERS: room; free entry: the next */
} nt_rare_t;

/* A block in quarantine. */
typedef struct nt_held {
    uint64_t time; /* of its free */
    uint32_t block, site;
} nt_held_t;

typedef struct nt_pool_page {
    struct nt_pool_page *chain; /* of one that ended: the next such */
    uint32_t block;          /* record of the span */
    uint32_t next, previous; /* list of pages with a free slot, per (node, class); index + 1 */
    uint16_t live, held;     /* slots */
    uint16_t granules, slots;
    uint8_t class_index, node;
    bool gone, listed; /* gone: no live slot, frame given back; only quarantined addresses are left */
    bool made;         /* its bytes are in its store; else what is in it follows from its slots */
    ss_store_t store;  /* of the page's bytes, 0: none yet (bytes.c) */
    uint64_t va, pfn;  /* as the span's record has them */
    uint64_t free[2];  /* bit set = slot never used or out of quarantine */
    uint32_t ids[];    /* record of each slot, 0 = free */
} nt_pool_page_t;

/* Pool pages come and go in great number, so their structures are cut from larger pieces; one that ends is kept for the next of its class. */
enum { PAGE_CHUNK = 4080 };
typedef struct nt_page_chunk {
    struct nt_page_chunk *next;
    uint64_t aligned;
    uint8_t bytes[PAGE_CHUNK];
} nt_page_chunk_t;

typedef struct nt_owner {
    uint64_t pool_cap, contig_cap; /* bytes */
    uint64_t pool_bytes, contig_bytes;
} nt_owner_t;

typedef struct nt_connection {
    uint32_t line;
    uint8_t irql;
    uint16_t room; /* SS_ROOM_HOST: routine and context are the host's tokens */
    uint64_t routine, context;
    bool held_off; /* nobody claimed it, or it never fell: waits for the line's next change */
} nt_connection_t;

typedef struct nt_dpc {
    uint16_t room, kind;
    uint32_t cpu;
    uint64_t a, b, queued, ready;
} nt_dpc_t;

#define DEVICE_WINDOWS 8u
typedef struct nt_device {
    uint32_t device, owner;
    struct nt_window {
        uint64_t first, last;
    } windows[DEVICE_WINDOWS]; /* frames nobody owns that were reported already */
    uint32_t window_count, window_next;
} nt_device_t;

typedef struct nt_export {
    uint64_t token, va, size;
    uint8_t *data; /* the host's view of the first byte; stays where it is until the view ends */
    uint32_t block;
    ss_store_t store;
    uint32_t store_offset, allocated_at, freed_at, owner;
    bool freed;
} nt_export_t;

typedef struct ss_nt {
    ss_host_t *host;
    storsim_nt_config_t config;
    uint64_t fingerprint; /* of the configuration */
    uint32_t node_count;
    uint8_t *node_order; /* row n: nodes by distance from n */
    nt_cpu_t cpus[64];
    uint32_t cpu;
    nt_limit_t *limits; /* by routine id, NULL until one is set */
    uint32_t limit_count;
    ss_call_t *frame; /* innermost call under way */

    ss_block_t *blocks; /* index id - 1 */
    uint32_t block_count, block_capacity, free_block, free_blocks;
    uint32_t load_last_free; /* end of the free list while a snapshot is read */
    uint32_t first_live, last_live, live_count;
    nt_held_t *held; /* ring, a power of two of at least as many as there are records; oldest first */
    uint32_t held_capacity, held_first, held_count; /* held_first: place of the oldest, modulo 2^32 */
    uint64_t held_bytes;
    nt_rare_t *rares; /* index - 1 */
    uint32_t rare_count, rare_capacity, free_rare;
    uint32_t load_held; /* while a snapshot is read: in quarantine so far */
    uint8_t *named; /* while a snapshot is read: which lists have named a record */
    ss_pagemap_t by_va, by_frame;
    uint64_t cursor, high_water; /* arena pages */
    uint32_t first_span, last_span, ahead;
    struct {
        uint64_t cursor, high_water;
        uint32_t span;
    } before[ARENA_UNDO]; /* ring: where the arena stood before its last spans */
    uint32_t before_next;
    nt_extents_t *lists; /* index - 1 */
    uint32_t list_count, list_capacity, free_list;

    nt_pool_page_t **pool_pages;                                  /* index - 1 */
    uint32_t pool_page_count, pool_page_capacity, free_pool_page; /* free_pool_page: chained through spare */
    nt_pool_page_t *idle_pages[POOL_CLASSES]; /* structures of pages that ended, chained through `chain` */
    struct nt_page_chunk *chunks;             /* where they all lie */
    uint32_t chunk_used;                      /* bytes of the first one */
    uint32_t *pool_page_spare;
    uint32_t pool_spare_capacity;
    uint32_t *partial; /* node * POOL_CLASSES + class: first page with a free slot */
    uint32_t *partial_last;

    uint64_t pool_bytes, pool_blocks, pool_budget_used, contig_pages;
    nt_owner_t *owners; /* index owner - 1 */
    uint32_t owner_count, owner_capacity;

    ss_rng_t scarce_rng;
    uint64_t *paths; /* systematic mode: site << 16 | routine of every call path seen, sorted */
    uint32_t path_count, path_capacity;
    uint64_t special_live, special_fallbacks, low_resources_failed, systematic_failed;

    nt_connection_t *connections;
    uint32_t connection_count, connection_capacity;
    nt_dpc_t *dpcs;
    uint32_t dpc_count, dpc_capacity;
    uint64_t burst_time; /* DPCs run at this time … */
    uint32_t burst;      /* … so many */
    bool delivering;
    const ss_kernel_ops_t *ops[SS_ROOM_COUNT];

    nt_device_t *devices;
    uint32_t device_count, device_capacity;
    nt_export_t *exports;
    uint32_t export_count, export_capacity;
    uint64_t next_export;
} ss_nt_t;

static inline ss_nt_t *nt_of(const storsim_machine_t *machine) {
    return ss_room_state(machine, SS_ROOM_NT);
}

/* Whether it can be called: INVALID before storsim_nt_boot, STOPPED after a bugcheck. */
static inline storsim_status_t nt_alive(const storsim_machine_t *machine) {
    return nt_of(machine) == NULL ? STORSIM_INVALID : ss_machine_alive(machine);
}

static inline uint8_t nt_irql(const ss_nt_t *nt) {
    return nt->cpus[nt->cpu].irql;
}

/* A record by id, whatever its state; the id must be in range. */
static inline ss_block_t *block_at(const ss_nt_t *nt, ss_block_id_t id) {
    return &nt->blocks[id - 1];
}

/* Offset of the first byte in its store: only blocks that share a page, or lie at the end of one, have one. */
static inline uint32_t nt_store_offset(const ss_block_t *block) {
    return (uint32_t)(block->va % PAGE);
}

/* To be read. */
static inline const nt_rare_t *nt_rare(const ss_nt_t *nt, const ss_block_t *block) {
    static const nt_rare_t none = {.link = 0};
    return block->rare != 0 ? &nt->rares[block->rare - 1] : &none;
}

bool nt_rare_make(ss_nt_t *nt, ss_block_t *block); /* for a block that has none; false: no memory */
/* To be written to: nt->rares[block->rare - 1] is there from now on. False: no memory. */
static inline bool nt_rare_need(ss_nt_t *nt, ss_block_t *block) {
    return block->rare != 0 || nt_rare_make(nt, block);
}

/* Of a pool page none: its slots have theirs. */
static inline uint64_t nt_device_address(const ss_nt_t *nt, const ss_block_t *block) {
    if (block->rare != 0) {
        return nt->rares[block->rare - 1].device_address;
    }
    return block->kind != KIND_POOL_PAGE ? block->pfn * PAGE + nt_store_offset(block) : 0;
}

static inline nt_held_t *nt_held_at(const ss_nt_t *nt, uint32_t place) {
    return &nt->held[place & (nt->held_capacity - 1)];
}

/* The oldest block in quarantine, 0: none. */
static inline ss_block_id_t nt_oldest(const ss_nt_t *nt) {
    return nt->held_count != 0 ? nt_held_at(nt, nt->held_first)->block : 0;
}

/* When and where a block was freed; zeroes for one that was not. */
static inline nt_held_t nt_freed(const ss_nt_t *nt, const ss_block_t *block) {
    const bool held = block->state == SS_STATE_QUARANTINED && block->kind != KIND_POOL_PAGE;
    return held ? *nt_held_at(nt, block->next) : (nt_held_t){.block = 0};
}

static inline uint64_t arena_address(uint64_t page) {
    return STORSIM_ARENA_BASE + page * PAGE;
}

/* --- state (boot.c, walk.c, check.c) --- */
void *nt_fresh(storsim_machine_t *machine, const void *current);
void nt_keep(const void *state, uint64_t kept[SS_KEPT]);
void nt_resume(storsim_machine_t *machine, void *state, const uint64_t kept[SS_KEPT]);
void nt_destroy(storsim_machine_t *machine, void *state);
void nt_walk(storsim_machine_t *machine, void *state, ss_codec_t *codec);
size_t nt_check(storsim_machine_t *machine, void *state, char *text, size_t capacity);

/* --- interrupt.c --- */
storsim_status_t nt_interrupt(storsim_machine_t *machine, void *state, uint32_t line);
storsim_status_t nt_event(storsim_machine_t *machine, void *state, const ss_event_t *event);
/* Copies the current CPU's level and context to ss_where. */
static inline void nt_sync(storsim_machine_t *machine) {
    const ss_nt_t *nt = nt_of(machine);
    const nt_cpu_t *cpu = &nt->cpus[nt->cpu];
    ss_where_t *where = ss_machine_where(machine);
    where->cpu = nt->cpu;
    where->irql = cpu->irql;
    where->context = cpu->context;
}

/* --- violate.c --- */

/* --- record.c: the table, the live and held lists, the arena, extent lists --- */
/* Makes sure that `count` records can be taken without failing. */
bool nt_records_widen(ss_nt_t *nt, uint32_t count); /* when there are not enough free ones */
static inline bool nt_records_reserve(ss_nt_t *nt, uint32_t count) {
    return nt->free_blocks >= count || nt->block_capacity - nt->block_count >= count || nt_records_widen(nt, count);
}
ss_block_id_t nt_record_take(ss_nt_t *nt); /* the caller fills it in; only its generation is there */
void nt_record_drop(ss_nt_t *nt, ss_block_id_t id); /* back to the free ones; handles go stale */
void nt_live_append(ss_nt_t *nt, ss_block_id_t id);
void nt_live_remove(ss_nt_t *nt, ss_block_id_t id);
void nt_held_append(ss_nt_t *nt, ss_block_id_t id, uint64_t time, uint32_t site);
/* Pages of kernel address space of a record; 0 for slots and HMB. */
uint64_t nt_span_pages(const ss_block_t *block);
uint64_t nt_span_guard(const ss_block_t *block);
/* Finds room for pages with `guard` unmapped pages on both sides. *ahead: the span that will follow. false: address
 * space is full. */
bool nt_arena_find(const ss_nt_t *nt, uint64_t pages, uint64_t guard, uint64_t *first, uint32_t *ahead);
/* Puts a span whose va was found at the cursor, before the span `ahead`; `end`: the page behind it and its guard. by_va is the caller's. */
void nt_arena_link(ss_nt_t *nt, ss_block_t *block, ss_block_id_t id, uint32_t ahead, uint64_t end);
/* The same with by_va, which was reserved. */
void nt_arena_insert(ss_nt_t *nt, ss_block_id_t id, uint32_t ahead);
void nt_arena_remove(ss_nt_t *nt, ss_block_id_t id);
/* The same for a span that is taken back: when it is the newest one left, the cursor goes back too. */
void nt_arena_undo(ss_nt_t *nt, ss_block_id_t id);
/* Takes a list of count extents; its items are uninitialised. 0: no memory. */
uint32_t nt_extents_take(ss_nt_t *nt, uint32_t count);
void nt_extents_drop(ss_nt_t *nt, uint32_t index);
/* What by_va has at an address, 0: nothing. */
static inline uint32_t nt_at_va(const ss_nt_t *nt, uint64_t va) {
    return va >= STORSIM_ARENA_BASE ? ss_pagemap_get(&nt->by_va, (va - STORSIM_ARENA_BASE) / PAGE) : 0;
}
static inline nt_pool_page_t *nt_pool_page(const ss_nt_t *nt, uint32_t index) {
    return nt->pool_pages[index - 1];
}
/* The record at a kernel page, 0 for none: a span of any kind, live or quarantined. */
static inline ss_block_id_t nt_span_at(const ss_nt_t *nt, uint64_t va) {
    const uint32_t value = nt_at_va(nt, va);
    return (value & AT_POOL_PAGE) == 0 ? value : nt_pool_page(nt, value & ~AT_POOL_PAGE)->block;
}
/* Sets the frames of a record in by_frame to `to` where they are `from`. */
void nt_frames_replace(ss_nt_t *nt, const ss_block_t *block, uint32_t from, uint32_t to);

/* --- frames.c: taking page frames for a request --- */
typedef struct nt_frames {
    ss_page_extent_t *list;
    uint32_t count, capacity;
} nt_frames_t;
/* Nodes in the order a request tries them; nodes[64]. Returns their number. */
uint32_t nt_nodes(const storsim_machine_t *machine, uint32_t node, bool only, uint8_t *nodes);
/* In pieces, for a scattered request. */
storsim_status_t nt_frames_take(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t pages,
                                nt_frames_t *frames);
/* In one. */
storsim_status_t nt_frames_take_whole(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t pages,
                                      uint64_t *first_pfn);
void nt_frames_give(storsim_machine_t *machine, nt_frames_t *frames);

/* --- bytes.c: an ss_filler_t of the machine, and the bytes of blocks --- */
storsim_status_t nt_store_of(void *context, uint64_t pfn, bool make, ss_store_t *store);
void nt_store_plans(void *context, ss_plan_fn visit, void *state);
/* The block has its store from now on. NO_MEMORY: as before. */
storsim_status_t nt_store_need(storsim_machine_t *machine, ss_block_t *block);

/* --- quarantine.c --- */
/* Moves a record that was just freed to the quarantine and lets the oldest go. */
void nt_hold(storsim_machine_t *machine, ss_block_id_t id);

/* --- pool.c --- */
/* The store of a block's bytes, 0: none yet, or never. */
static inline ss_store_t nt_store(const ss_nt_t *nt, const ss_block_t *block) {
    return block->pool_page != 0 ? nt_pool_page(nt, block->pool_page)->store : block->store;
}
void nt_pool_fill(void *context, uint32_t index, uint8_t *to, bool kept); /* an ss_filler_t of the machine */

/* Slot of a byte of the page; >= slots: its tail. */
static inline uint32_t nt_pool_slot(const nt_pool_page_t *page, uint64_t offset) {
    return (uint32_t)offset / GRANULE / page->granules;
}
uint64_t nt_slot_bytes(const ss_nt_t *nt, const ss_block_t *block);
bool nt_pool_reserve_page(ss_nt_t *nt, uint16_t slots, uint8_t class_index, nt_pool_page_t **page);
void nt_pool_chunks_drop(ss_nt_t *nt);
void nt_pool_release_page(ss_nt_t *nt, nt_pool_page_t *page); /* one that is in no list */
uint32_t nt_pool_page_add(ss_nt_t *nt, nt_pool_page_t *page); /* cannot fail after the reserve */
void nt_pool_list(ss_nt_t *nt, uint32_t index);               /* at the end of its list */
void nt_pool_unlist(ss_nt_t *nt, uint32_t index);
void nt_pool_slot_free(storsim_machine_t *machine, ss_block_id_t id);
void nt_pool_slot_expire(storsim_machine_t *machine, ss_block_id_t id);
void nt_pool_slot_undo(storsim_machine_t *machine, ss_block_id_t id);
void nt_pool_shape(uint64_t bytes, uint16_t *granules, uint16_t *slots, uint8_t *class_index);
static inline nt_owner_t *nt_owner(const ss_nt_t *nt, uint32_t owner) {
    return owner != 0 && owner <= nt->owner_count ? &nt->owners[owner - 1] : NULL;
}

/* Adds a record's bytes to the budgets or takes them out. */
static inline void nt_account(ss_nt_t *nt, const ss_block_t *block, bool add) {
    nt_owner_t *owner = nt_owner(nt, block->owner);
    const uint64_t size = add ? block->size : 0 - block->size; /* taken out: modulo 2^64 */
    if ((block->flags & BLOCK_COUNTED) != 0) {
        nt->pool_budget_used += size;
        if (owner != NULL) {
            owner->pool_bytes += size;
        }
    }
    if ((block->flags & BLOCK_POOL) != 0) {
        nt->pool_bytes += size;
        nt->pool_blocks += add ? 1 : UINT64_MAX;
    }
    if ((block->flags & BLOCK_CONTIG) != 0) {
        const uint64_t pages = add ? block->pages : 0 - block->pages;
        nt->contig_pages += pages;
        if (owner != NULL) {
            owner->contig_bytes += pages * PAGE;
        }
    }
}

bool nt_pool_allows(const ss_nt_t *nt, uint64_t bytes, uint32_t owner);
bool nt_contig_allows(const ss_nt_t *nt, uint64_t pages, uint32_t owner);
/* ss_pool_take with the choice whether the block counts in the budgets: what the port makes for itself does not. */
storsim_status_t nt_pool_take(storsim_machine_t *machine, storsim_block_kind_t kind, uint64_t bytes, uint32_t tag,
                              uint32_t owner, bool counted, ss_block_id_t *id);
/* The 16 bytes before a slot as a number: sizes, index and type in the low half, the tag above. */
uint64_t nt_pool_header(const ss_nt_t *nt, const ss_block_t *block, bool allocated);

/* --- special.c: special pool (V1 … V6) --- */
/* True when a request of the driver is served from special pool. */
bool nt_special_wanted(const storsim_machine_t *machine, uint64_t bytes);
/* NO_SPACE (exhausted), NO_MEMORY. */
storsim_status_t nt_special_take(storsim_machine_t *machine, uint64_t bytes, uint32_t tag, uint32_t owner,
                                 ss_block_id_t *id);
/* The live special block whose inaccessible neighbour page holds va, 0 for none. */
ss_block_id_t nt_special_beside(const ss_nt_t *nt, uint64_t va);
/* Page address of a special block; the block's own address for every other one. */
uint64_t nt_span_start(const ss_block_t *block);
/* Stops when the pattern beside a special block is damaged. */
storsim_status_t nt_special_check(ss_call_t *call, const ss_block_t *block);
/* A free of an address that is no live block's start: stops with 0xC1 and answers true when special pool is concerned. */
bool nt_special_bad_free(ss_call_t *call, uint64_t va, const ss_block_t *block, bool unknown);

/* --- overrun.c: guards of pool (V9, V13) and of memory for devices (V20) --- */
storsim_status_t nt_overrun_check_pool(ss_call_t *call, const ss_block_t *block);
storsim_status_t nt_overrun_check_contig(ss_call_t *call, const ss_block_t *block);
/* A device of `owner` wrote [physical, physical + bytes), which belongs to nobody or to another block: remembers it at
 * the block beside, `from` being the block the access began in (NULL: none). NO_MEMORY. */
storsim_status_t nt_overrun_trespass(storsim_machine_t *machine, uint32_t owner, const ss_block_t *from, uint64_t physical,
                         uint64_t bytes);

/* --- scarce.c: low resources simulation and systematic mode --- */
uint32_t nt_scarce(storsim_machine_t *machine, uint16_t routine, uint32_t tag, uint64_t bytes);

/* --- words.c --- */
extern const ss_namer_t nt_namer;

/* --- access.c --- */
storsim_status_t nt_guard(storsim_machine_t *machine, ss_device_t device, uint64_t device_address, uint64_t physical,
                          size_t bytes, bool write, ss_bus_result_t result);
uint64_t nt_steady(storsim_machine_t *machine, ss_device_t device, uint64_t physical);
/* Never mapped: 2; freed and forgotten: 0; not canonical: 4; user half: 0xF. Source: bug-check-0x50, rulings R53, R54.
 */
uint64_t nt_fault_reason(const ss_nt_t *nt, uint64_t va);
/* Stops with the page fault of rulings R53, R54. */
storsim_status_t nt_page_fault(ss_call_t *call, uint64_t va, bool write);

/* --- export.c --- */
void nt_exports_freed(ss_nt_t *nt, ss_block_id_t id, uint32_t site);

#endif
