/* nt/block.c: blocks of whole pages: made all or nothing, freed at once, looked up by address, frame and order.
 *
 *   make    arena place ─ record ─ group of by_va ─ frames ─ group of by_frame │ record written, linked, both maps filled
 *           each may refuse, and gives back what was taken before it           │ none can fail
 *   free    live ─▶ record out of the live list, frames given back and poisoned ─▶ quarantine (quarantine.c) ─▶ free record
 *
 * Nearly every block is one piece (make_whole): no list of extents, and no bytes until somebody looks (bytes.c); the group of a page map
 * that was found while reserving serves the filling, since nothing else happens to the map in between. Blocks in pieces, and those adopted
 * from frames that were taken elsewhere, go by a draft that is undone as one.
 * Invariants: a live or quarantined block with an address has by_va filled over all its pages, a live one by_frame too; a record is in
 * exactly one of the live list, the quarantine and the free list (check.c looks at all of it; the lock-step tests of tests/property compare
 * with a naive model). Cost: that of the page allocator, and O(pages) words of two maps, 512 pages to a group. */
#include "machine/bits.h"
#include "nt/nt_i.h"

/* --- making ------------------------------------------------------------------------------------------------------- */

/* Everything of a block that is still being made; undone as one. */
typedef struct draft {
    const ss_page_extent_t *extents;
    uint32_t extent_count, list, attached;
    uint64_t pages;
    ss_store_t store;
} draft_t;

static void undo(storsim_machine_t *machine, draft_t *draft) {
    ss_ram_t *ram = ss_machine_ram(machine);
    for (uint32_t i = 0; i < draft->attached; i++) {
        ss_ram_detach(ram, draft->extents[i].first_pfn, draft->extents[i].pages);
    }
    if (draft->store != 0) {
        ss_store_destroy(ram, draft->store);
    }
    nt_extents_drop(nt_of(machine), draft->list);
}

/* Frames in by_frame, of scattered blocks the bytes and the extent list: all that can fail once the frames are there. A contiguous block
 * gets its bytes when somebody looks (bytes.c). */
static storsim_status_t furnish(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t seed,
                                draft_t *draft) {
    ss_nt_t *nt = nt_of(machine);
    ss_ram_t *ram = ss_machine_ram(machine);
    if (draft->extent_count == 1) { /* mostly */
        storsim_status_t whole = ss_pagemap_reserve(&nt->by_frame, draft->extents[0].first_pfn, draft->pages);
        if (whole == STORSIM_OK) {
            ss_ram_claim(ram, draft->extents[0].first_pfn, draft->pages);
        }
        return whole;
    }
    storsim_status_t status = ss_store_create(ram, draft->pages, request->zero ? SS_FILL_ZERO : SS_FILL_PATTERN,
                                              ss_mix(ss_machine_seed(machine), seed), &draft->store);
    if (status != STORSIM_OK) {
        draft->store = 0;
        return status;
    }
    if (request->size < draft->pages * PAGE) {
        ss_store_tail(ram, draft->store, request->size, GUARD_BYTE);
    }
    draft->list = nt_extents_take(nt, draft->extent_count);
    if (draft->list == 0) {
        return STORSIM_NO_MEMORY;
    }
    uint64_t page = 0;
    for (uint32_t i = 0; i < draft->extent_count; i++) {
        ss_page_extent_t extent = draft->extents[i];
        status = ss_pagemap_reserve(&nt->by_frame, extent.first_pfn, extent.pages);
        if (status == STORSIM_OK) {
            status = ss_store_attach(ram, draft->store, page, extent.first_pfn, extent.pages);
        }
        if (status != STORSIM_OK) {
            return status;
        }
        draft->attached++;
        nt->lists[draft->list - 1].items[i] = (nt_extent_t){extent.first_pfn, extent.pages, page};
        page += extent.pages;
    }
    return STORSIM_OK;
}

/* A record for it: who, when, from where. Written in place: a record is two cache lines. */
SS_INLINE ss_block_t *describe(storsim_machine_t *machine, const ss_block_request_t *request, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    const nt_cpu_t *cpu = &nt->cpus[nt->cpu];
    *id = nt_record_take(nt);
    ss_block_t *block = block_at(nt, *id);
    const uint32_t generation = block->generation;
    *block = (ss_block_t){.size = request->size,
                          .time = storsim_now(machine),
                          .generation = generation,
                          .owner = request->owner,
                          .tag = request->tag,
                          .site = ss_machine_where(machine)->site,
                          .kind = (uint8_t)request->kind,
                          .state = SS_STATE_LIVE,
                          .irql = cpu->irql,
                          .cache = (int8_t)request->cache,
                          .context = cpu->context};
    return block;
}

static inline uint8_t begin_flags(const ss_block_request_t *request) {
    const bool contig = request->kind == STORSIM_BLOCK_CONTIGUOUS || request->kind == STORSIM_BLOCK_DMA;
    return (uint8_t)((contig ? BLOCK_CONTIG : 0) | (request->zero ? BLOCK_ZEROED : 0));
}

/* Cannot fail: everything was reserved. va 0: no kernel address. */
static ss_block_id_t commit(storsim_machine_t *machine, const ss_block_request_t *request, const draft_t *draft,
                            uint64_t va, uint32_t ahead) {
    ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id;
    ss_block_t *block = describe(machine, request, &id);
    block->va = va;
    block->pages = draft->pages;
    block->pfn = draft->extents[0].first_pfn;
    block->store = draft->store;
    block->extents = draft->list;
    block->node = nt->node_count == 1 ? 0 : (uint8_t)ss_pages_node_of(ss_machine_pages(machine), block->pfn);
    for (uint32_t i = 0; i < draft->extent_count; i++) {
        (void)ss_pagemap_set(&nt->by_frame, draft->extents[i].first_pfn, draft->extents[i].pages, id);
    }
    if (va != 0) {
        nt_arena_insert(nt, id, ahead);
    } else {
        block->flags = BLOCK_NO_VA;
    }
    block->flags |= begin_flags(request);
    nt_account(nt, block, true);
    nt_live_append(nt, id);
    return id;
}

/* A kernel address range and a record, not yet taken. */
static storsim_status_t reserve_span(ss_nt_t *nt, uint64_t pages, uint64_t *first, uint32_t *ahead) {
    /* unreachable: no machine has as much memory as the arena has room */
    if (!nt_arena_find(nt, pages, 1, first, ahead)) {
        return STORSIM_NO_SPACE;
    }
    return nt_records_reserve(nt, 1) ? ss_pagemap_reserve(&nt->by_va, *first, pages) : STORSIM_NO_MEMORY;
}

/* What a block in one piece needs until it is there. */
typedef struct whole {
    uint64_t first, pages, pfn;
    uint32_t ahead;
    ss_pagemap_group_t *at_va, *at_frame;
} whole_t;

static storsim_status_t reserve_whole(storsim_machine_t *machine, const ss_block_request_t *request, whole_t *whole) {
    ss_nt_t *nt = nt_of(machine);
    /* unreachable: no machine has as much memory as the arena has room */
    if (!nt_arena_find(nt, whole->pages, 1, &whole->first, &whole->ahead)) {
        return STORSIM_NO_SPACE;
    }
    if (!nt_records_reserve(nt, 1) || ss_pagemap_hold(&nt->by_va, whole->first, whole->pages, &whole->at_va) != STORSIM_OK) {
        return STORSIM_NO_MEMORY;
    }
    storsim_status_t status = nt_frames_take_whole(machine, request, whole->pages, &whole->pfn);
    if (status != STORSIM_OK) {
        return status;
    }
    status = ss_pagemap_hold(&nt->by_frame, whole->pfn, whole->pages, &whole->at_frame);
    if (status != STORSIM_OK) {
        ss_pages_give(ss_machine_pages(machine), whole->pfn, whole->pages);
    }
    return status;
}

/* One piece, as nearly every block is: no lists, and its bytes come when somebody looks (bytes.c). */
static storsim_status_t make_whole(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t pages, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    whole_t whole = {.pages = pages};
    storsim_status_t status = reserve_whole(machine, request, &whole);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_ram_claim(ss_machine_ram(machine), whole.pfn, pages);
    ss_block_t *block = describe(machine, request, id);
    block->va = arena_address(whole.first);
    block->pages = pages;
    block->pfn = whole.pfn;
    block->node = nt->node_count == 1 ? 0 : (uint8_t)ss_pages_node_of(ss_machine_pages(machine), whole.pfn);
    block->flags = begin_flags(request);
    nt_arena_link(nt, block, *id, whole.ahead, whole.first + pages + 1);
    ss_pagemap_fill(&nt->by_va, whole.at_va, whole.first, pages, *id);
    ss_pagemap_fill(&nt->by_frame, whole.at_frame, whole.pfn, pages, *id);
    nt_account(nt, block, true);
    nt_live_append(nt, *id);
    return STORSIM_OK;
}

static storsim_status_t make_scattered(storsim_machine_t *machine, const ss_block_request_t *request, uint64_t pages, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    uint64_t first;
    uint32_t ahead;
    storsim_status_t status = reserve_span(nt, pages, &first, &ahead);
    if (status != STORSIM_OK) {
        return status;
    }
    nt_frames_t frames;
    status = nt_frames_take(machine, request, pages, &frames);
    if (status != STORSIM_OK) {
        return status;
    }
    draft_t draft = {.extents = frames.list, .extent_count = frames.count, .pages = pages};
    status = furnish(machine, request, arena_address(first), &draft);
    if (status != STORSIM_OK) {
        undo(machine, &draft);
        nt_frames_give(machine, &frames);
        return status;
    }
    *id = commit(machine, request, &draft, arena_address(first), ahead);
    ss_release(nt->host, frames.list);
    return STORSIM_OK;
}

storsim_status_t ss_block_make(storsim_machine_t *machine, const ss_block_request_t *request, ss_block_id_t *id) {
    const uint64_t pages = request->size != 0 ? (request->size - 1) / PAGE + 1 : 1;
    if (pages > storsim_memory_total_pages(machine, STORSIM_NODE_ANY)) {
        return STORSIM_NO_SPACE;
    }
    return request->scattered && pages > 1 ? make_scattered(machine, request, pages, id) : make_whole(machine, request, pages, id);
}

storsim_status_t ss_block_adopt(storsim_machine_t *machine, const ss_block_request_t *request,
                                const ss_page_extent_t *extents, uint32_t count, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    draft_t draft = {.extents = extents, .extent_count = count};
    bool mapped = request->kind != STORSIM_BLOCK_HMB; /* only the device sees a host memory buffer */
    uint64_t first = 0, va = 0;
    uint32_t ahead = 0;
    for (uint32_t i = 0; i < count; i++) {
        draft.pages += extents[i].pages;
    }
    if (count == 0 || draft.pages == 0) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = mapped                      ? reserve_span(nt, draft.pages, &first, &ahead)
                              : nt_records_reserve(nt, 1) ? STORSIM_OK
                                                          : STORSIM_NO_MEMORY;
    if (status != STORSIM_OK) {
        return status;
    }
    va = mapped ? arena_address(first) : 0;
    /* Without an address the first frame makes the seed: no two live blocks share it. */
    status = furnish(machine, request, mapped ? va : extents[0].first_pfn, &draft);
    if (status != STORSIM_OK) {
        undo(machine, &draft);
        return status;
    }
    *id = commit(machine, request, &draft, va, ahead);
    return STORSIM_OK;
}

storsim_status_t ss_register_range_make(storsim_machine_t *machine, ss_room_t room, uint64_t context, uint64_t bytes,
                                        uint32_t owner, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    uint64_t first;
    uint32_t ahead;
    if (bytes == 0 || bytes % PAGE != 0 || room >= SS_ROOM_COUNT) {
        return STORSIM_INVALID;
    }
    storsim_status_t status = reserve_span(nt, bytes / PAGE, &first, &ahead);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_block_t draft = {.rare = 0};
    if (!nt_rare_make(nt, &draft)) {
        return STORSIM_NO_MEMORY;
    }
    ss_block_request_t request = {.kind = STORSIM_BLOCK_HDA_REGISTERS, .size = bytes, .owner = owner};
    ss_block_t *block = describe(machine, &request, id);
    block->va = arena_address(first);
    block->flags = BLOCK_REGISTERS;
    block->rare = draft.rare;
    nt->rares[block->rare - 1].link = (uint32_t)room;
    nt->rares[block->rare - 1].device_address = context;
    nt_arena_insert(nt, *id, ahead);
    nt_live_append(nt, *id);
    return STORSIM_OK;
}

/* --- freeing ------------------------------------------------------------------------------------------------------ */

static void release_extents(storsim_machine_t *machine, const ss_block_t *block) {
    const nt_extents_t *list = &nt_of(machine)->lists[block->extents - 1];
    for (uint32_t i = 0; i < list->count; i++) {
        (void)ss_bus_shadow(machine, list->items[i].first_pfn, list->items[i].pages, false);
        ss_ram_detach(ss_machine_ram(machine), list->items[i].first_pfn, list->items[i].pages);
    }
    ss_store_destroy(ss_machine_ram(machine), block->store);
    for (uint32_t i = 0; i < list->count; i++) {
        ss_pages_give(ss_machine_pages(machine), list->items[i].first_pfn, list->items[i].pages);
    }
}

static void release_frames(storsim_machine_t *machine, const ss_block_t *block) {
    ss_bus_forget(machine);
    if (block->extents != 0) {
        release_extents(machine, block);
        return;
    }
    (void)ss_bus_shadow(machine, block->pfn, block->pages, false);
    ss_ram_detach(ss_machine_ram(machine), block->pfn, block->pages);
    ss_store_destroy(ss_machine_ram(machine), block->store);
    ss_pages_give(ss_machine_pages(machine), block->pfn, block->pages);
}

/* An MDL no longer describes its block. */
static void forget_described(ss_nt_t *nt, const ss_block_t *mdl) {
    const nt_rare_t *rare = nt_rare(nt, mdl);
    if (mdl->kind == STORSIM_BLOCK_MDL && rare->link != 0) {
        const ss_block_t *described = block_at(nt, rare->link);
        if (described->generation == rare->link_generation && nt_rare(nt, described)->mdl_count != 0) {
            nt->rares[described->rare - 1].mdl_count--;
        }
    }
}

void ss_block_free(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    ss_block_t *block = ss_block(machine, id);
    if (block == NULL || block->state != SS_STATE_LIVE || block->kind == KIND_POOL_PAGE) {
        return;
    }
    block->freed_irql = storsim_irql(machine);
    nt->special_live -= (block->flags & BLOCK_SPECIAL) != 0;
    nt_account(nt, block, false);
    nt_live_remove(nt, id);
    forget_described(nt, block);
    if (nt_rare(nt, block)->exports != 0) {
        nt_exports_freed(nt, id, ss_machine_where(machine)->site);
    }
    block->state = SS_STATE_QUARANTINED;
    if (block->pool_page != 0) {
        nt_pool_slot_free(machine, id);
    } else if ((block->flags & BLOCK_REGISTERS) == 0) {
        release_frames(machine, block);
    }
    nt_hold(machine, id);
}

void ss_block_undo(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    ss_block_t *block = ss_block(machine, id);
    if (block == NULL || block->state != SS_STATE_LIVE || block->kind == KIND_POOL_PAGE) {
        return;
    }
    nt->special_live -= (block->flags & BLOCK_SPECIAL) != 0;
    nt_account(nt, block, false);
    nt_live_remove(nt, id);
    forget_described(nt, block);
    if (block->pool_page != 0) {
        nt_pool_slot_undo(machine, id);
        return;
    }
    if ((block->flags & BLOCK_REGISTERS) == 0) {
        release_frames(machine, block);
        nt_frames_replace(nt, block, id, 0);
        nt_extents_drop(nt, block->extents);
    }
    if (block->va != 0) {
        nt_arena_undo(nt, id);
    }
    nt_record_drop(nt, id);
}

/* --- looking up --------------------------------------------------------------------------------------------------- */

ss_block_t *ss_block(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    if (id == 0 || id > nt->block_count || block_at(nt, id)->state == SS_STATE_FREE) {
        return NULL;
    }
    return block_at(nt, id);
}

ss_block_id_t ss_block_around(storsim_machine_t *machine, uint64_t va) {
    const ss_nt_t *nt = nt_of(machine);
    const uint32_t value = nt_at_va(nt, va), offset = (uint32_t)(va % PAGE);
    if ((value & AT_POOL_PAGE) == 0) {
        return value;
    }
    const nt_pool_page_t *page = nt_pool_page(nt, value & ~AT_POOL_PAGE);
    const uint32_t slot = nt_pool_slot(page, offset);
    if (slot >= page->slots || offset < slot * page->granules * GRANULE + POOL_HEADER) {
        return 0; /* the end of the page, or a pool header */
    }
    return page->ids[slot]; /* 0: an unused slot */
}

ss_block_id_t ss_block_of_frame(storsim_machine_t *machine, uint64_t pfn) {
    const ss_nt_t *nt = nt_of(machine);
    ss_block_id_t id = ss_pagemap_get(&nt->by_frame, pfn);
    bool live = id != 0 && block_at(nt, id)->state == SS_STATE_LIVE && block_at(nt, id)->kind != KIND_POOL_PAGE;
    return live ? id : 0;
}

/* The extent that holds a page of a scattered block. */
static const nt_extent_t *extent_of(const nt_extents_t *list, uint64_t page) {
    uint32_t low = 0, high = list->count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (list->items[middle].start <= page) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return &list->items[low];
}

uint64_t ss_block_physical(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset) {
    if ((block->flags & BLOCK_REGISTERS) != 0) {
        return 0;
    }
    uint64_t at = nt_store_offset(block) + offset;
    if (block->extents == 0) {
        return block->pfn * PAGE + at;
    }
    const nt_extent_t *extent = extent_of(&nt_of(machine)->lists[block->extents - 1], at / PAGE);
    return (extent->first_pfn + (at / PAGE - extent->start)) * PAGE + at % PAGE;
}

uint64_t ss_block_contiguous_from(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset) {
    if ((block->flags & BLOCK_REGISTERS) != 0) {
        return 0;
    }
    uint64_t at = nt_store_offset(block) + offset;
    uint64_t end = (block->pool_page != 0 ? 1 : block->pages) * PAGE;
    if (at >= end) {
        return 0;
    }
    if (block->extents == 0) {
        return end - at;
    }
    const nt_extents_t *list = &nt_of(machine)->lists[block->extents - 1];
    const nt_extent_t *extent = extent_of(list, at / PAGE), *last = &list->items[list->count - 1];
    while (extent < last && extent->first_pfn + extent->pages == extent[1].first_pfn) {
        extent++;
    }
    return (extent->start + extent->pages) * PAGE - at;
}

uint64_t ss_block_device_address(const storsim_machine_t *machine, const ss_block_t *block) {
    return nt_device_address(nt_of(machine), block);
}

storsim_status_t ss_block_set_device_address(storsim_machine_t *machine, ss_block_id_t id, uint64_t address) {
    ss_nt_t *nt = nt_of(machine);
    ss_block_t *block = block_at(nt, id);
    if (nt_device_address(nt, block) == address) {
        return STORSIM_OK;
    }
    if (!nt_rare_need(nt, block)) {
        return STORSIM_NO_MEMORY;
    }
    nt->rares[block->rare - 1].device_address = address;
    return STORSIM_OK;
}

uint32_t ss_block_freed_at(const storsim_machine_t *machine, const ss_block_t *block) {
    return nt_freed(nt_of(machine), block).site;
}

uint32_t ss_block_extent_count(storsim_machine_t *machine, const ss_block_t *block) {
    if ((block->flags & BLOCK_REGISTERS) != 0) {
        return 0;
    }
    return block->extents != 0 ? nt_of(machine)->lists[block->extents - 1].count : 1;
}

bool ss_block_extent(storsim_machine_t *machine, const ss_block_t *block, uint32_t index, uint64_t *pa,
                     uint64_t *bytes) {
    if (index >= ss_block_extent_count(machine, block)) {
        return false;
    }
    if (block->extents == 0) {
        *pa = ss_block_physical(machine, block, 0);
        *bytes = block->size;
        return true;
    }
    const nt_extent_t *extent = &nt_of(machine)->lists[block->extents - 1].items[index];
    uint64_t rest = block->size - extent->start * PAGE;
    *pa = extent->first_pfn * PAGE;
    *bytes = rest < extent->pages * PAGE ? rest : extent->pages * PAGE;
    return true;
}

ss_block_id_t ss_block_next(storsim_machine_t *machine, ss_block_id_t id) {
    const ss_nt_t *nt = nt_of(machine);
    return id == 0 ? nt->first_live : block_at(nt, id)->next;
}
