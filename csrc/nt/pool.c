/* nt/pool.c: nonpaged pool: shared pages of slots for requests up to 4064 bytes, whole pages above.
 *
 *   page of a class:  [header|block……|slack][header|block……|slack] … [tail]
 *
 * Every slot is a whole number of 16-byte granules; a class is the number of slots that fit a page, so no page wastes a
 * slot. Where there is room a slot has at least one granule of slack behind the block: an overrun meets known bytes
 * before it meets a neighbour. Unused parts of a page hold poison, so that taking and freeing a slot leaves the page as
 * it was: what is in a page nobody touched follows from its live slots, and host memory is taken and filled (nt_pool_fill) when
 * somebody first looks. A freed slot is handed out again only after it left the quarantine; a page without a live block gives its
 * frame back at once and keeps only its addresses. The nonpaged budget counts requested bytes of pool blocks and MDLs,
 * not headers and slack: what a driver can reckon. Model choice. Source: spec/storport-memory §2.4. */
#include "machine/bits.h"
#include "nt/nt_i.h"

#include <string.h>

uint32_t ss_pool_type(const storsim_machine_t *machine) {
    return nt_of(machine)->config.os >= 0x06020000 ? 512 : 0;
}

void nt_pool_shape(uint64_t bytes, uint16_t *granules, uint16_t *slots, uint8_t *class_index) {
    uint32_t needed = (uint32_t)((POOL_HEADER + bytes + GRANULE - 1) / GRANULE);
    needed += bytes + GRANULE <= POOL_SLOT_MAX ? 1 : 0; /* slack for the guard */
    uint32_t count = 256 / needed;
    uint32_t widest = 256 / count;
    *slots = (uint16_t)count;
    *granules = (uint16_t)(widest < 255 ? widest : 255); /* the header's field has 8 bits */
    *class_index = (uint8_t)(count >= 16 ? widest - 2 : 15 + (15 - count));
}

/* --- pool pages --------------------------------------------------------------------------------------------------- */

uint64_t nt_slot_bytes(const ss_nt_t *nt, const ss_block_t *block) {
    return (uint64_t)nt_pool_page(nt, block->pool_page)->granules * GRANULE;
}

/* Zeroed. NULL: no memory. */
static nt_pool_page_t *page_structure(ss_nt_t *nt, uint16_t slots, uint8_t class_index) {
    const uint32_t bytes = (uint32_t)(sizeof(nt_pool_page_t) + slots * sizeof(uint32_t) + 15) / 16 * 16;
    void *room = nt->idle_pages[class_index];
    if (room != NULL) {
        nt->idle_pages[class_index] = nt->idle_pages[class_index]->chain;
        return memset(room, 0, bytes);
    }
    if (nt->chunks == NULL || bytes > PAGE_CHUNK - nt->chunk_used) {
        nt_page_chunk_t *chunk = ss_alloc(nt->host, sizeof *chunk);
        if (chunk == NULL) {
            return NULL;
        }
        chunk->next = nt->chunks;
        nt->chunks = chunk;
        nt->chunk_used = 0;
    }
    room = nt->chunks->bytes + nt->chunk_used;
    nt->chunk_used += bytes;
    return memset(room, 0, bytes);
}

bool nt_pool_reserve_page(ss_nt_t *nt, uint16_t slots, uint8_t class_index, nt_pool_page_t **page) {
    if (nt->free_pool_page == 0 && nt->pool_page_count == nt->pool_page_capacity) {
        void *array = nt->pool_pages, *spare = nt->pool_page_spare;
        if (!ss_grow(nt->host, &spare, &nt->pool_spare_capacity, nt->pool_page_count + 1, sizeof(uint32_t))) {
            return false;
        }
        nt->pool_page_spare = spare;
        if (!ss_grow(nt->host, &array, &nt->pool_page_capacity, nt->pool_page_count + 1, sizeof(nt_pool_page_t *))) {
            return false;
        }
        nt->pool_pages = array;
    }
    nt_pool_page_t *made = page_structure(nt, slots, class_index);
    if (made == NULL) {
        return false;
    }
    made->slots = slots;
    made->class_index = class_index;
    made->free[0] = slots >= 64 ? UINT64_MAX : (UINT64_C(1) << slots) - 1;
    made->free[1] = slots >= 128 ? UINT64_MAX : slots > 64 ? (UINT64_C(1) << (slots - 64)) - 1 : 0;
    *page = made;
    return true;
}

void nt_pool_release_page(ss_nt_t *nt, nt_pool_page_t *page) {
    page->chain = nt->idle_pages[page->class_index];
    nt->idle_pages[page->class_index] = page;
}

void nt_pool_chunks_drop(ss_nt_t *nt) {
    while (nt->chunks != NULL) {
        nt_page_chunk_t *next = nt->chunks->next;
        ss_release(nt->host, nt->chunks);
        nt->chunks = next;
    }
}

uint32_t nt_pool_page_add(ss_nt_t *nt, nt_pool_page_t *page) {
    uint32_t index = nt->free_pool_page;
    if (index != 0) {
        nt->free_pool_page = nt->pool_page_spare[index - 1];
    } else {
        index = ++nt->pool_page_count;
    }
    nt->pool_pages[index - 1] = page;
    return index;
}

static void page_forget(ss_nt_t *nt, uint32_t index) {
    nt_pool_release_page(nt, nt->pool_pages[index - 1]);
    nt->pool_pages[index - 1] = NULL;
    nt->pool_page_spare[index - 1] = nt->free_pool_page;
    nt->free_pool_page = index;
}

static size_t list_of(const nt_pool_page_t *page) {
    return (size_t)page->node * POOL_CLASSES + page->class_index;
}

void nt_pool_list(ss_nt_t *nt, uint32_t index) {
    nt_pool_page_t *page = nt_pool_page(nt, index);
    size_t list = list_of(page);
    page->next = 0;
    page->previous = nt->partial_last[list];
    if (page->previous != 0) {
        nt_pool_page(nt, page->previous)->next = index;
    } else {
        nt->partial[list] = index;
    }
    nt->partial_last[list] = index;
    page->listed = true;
}

static void list_first(ss_nt_t *nt, uint32_t index) {
    nt_pool_page_t *page = nt_pool_page(nt, index);
    size_t list = list_of(page);
    page->previous = 0;
    page->next = nt->partial[list];
    if (page->next != 0) {
        nt_pool_page(nt, page->next)->previous = index;
    } else {
        nt->partial_last[list] = index;
    }
    nt->partial[list] = index;
    page->listed = true;
}

void nt_pool_unlist(ss_nt_t *nt, uint32_t index) {
    nt_pool_page_t *page = nt_pool_page(nt, index);
    size_t list = list_of(page);
    if (!page->listed) {
        return;
    }
    if (page->previous != 0) {
        nt_pool_page(nt, page->previous)->next = page->next;
    } else {
        nt->partial[list] = page->next;
    }
    if (page->next != 0) {
        nt_pool_page(nt, page->next)->previous = page->previous;
    } else {
        nt->partial_last[list] = page->previous;
    }
    page->listed = false;
}

/* --- contents of a slot ------------------------------------------------------------------------------------------- */

typedef struct slot_plan {
    uint64_t bytes, va; /* va of the slot's start */
    uint32_t tag, slot;
    uint16_t granules;
} slot_plan_t;

static uint64_t header_word(uint32_t slot, uint16_t granules, uint32_t tag, bool allocated) {
    uint64_t previous = slot != 0 ? granules : 0;
    return previous | (uint64_t)granules << 16 | (allocated ? UINT64_C(2) << 24 : 0) | (uint64_t)tag << 32;
}

uint64_t nt_pool_header(const ss_nt_t *nt, const ss_block_t *block, bool allocated) {
    if (block->pool_page == 0) {
        return 0;
    }
    const nt_pool_page_t *page = nt_pool_page(nt, block->pool_page);
    return header_word(nt_pool_slot(page, block->va % PAGE), page->granules, block->tag, allocated);
}

/* Header, block and slack of a live slot as nobody has written to them yet. */
static void fill_slot(const storsim_machine_t *machine, uint8_t *bytes, const slot_plan_t *plan) {
    size_t total = (size_t)plan->granules * GRANULE, end = POOL_HEADER + (size_t)plan->bytes;
    ss_put_word(bytes, header_word(plan->slot, plan->granules, plan->tag, true));
    ss_put_word(bytes + 8, 0);
    if (nt_of(machine)->config.zero_pool) {
        memset(bytes + POOL_HEADER, 0, (size_t)plan->bytes);
    } else {
        ss_rng_t pattern = {ss_mix(ss_machine_seed(machine), plan->va)};
        /* No byte is zero. May run up to 7 bytes into the slack, which is overwritten below, and not beyond: slots are whole granules. */
        ss_rng_fill(&pattern, bytes + POOL_HEADER, ((size_t)plan->bytes + 7) / 8);
    }
    memset(bytes + end, GUARD_BYTE, total - end);
}

/* A pool page that nobody looked at or wrote to: poison, and the slots that are live. */
void nt_pool_fill(void *context, uint32_t index, uint8_t *to, bool kept) {
    const storsim_machine_t *machine = context;
    const ss_nt_t *nt = nt_of(machine);
    nt_pool_page_t *page = nt_pool_page(nt, index);
    size_t total = (size_t)page->granules * GRANULE;
    page->made = kept; /* of a page that has its bytes nobody asks this */
    memset(to, SS_POISON, PAGE);
    for (uint32_t half = 0; half * 64 < page->slots; half++) {
        uint32_t slots = page->slots - half * 64;
        uint64_t taken = ~page->free[half] & (slots >= 64 ? UINT64_MAX : (UINT64_C(1) << slots) - 1);
        for (; taken != 0; taken &= taken - 1) {
            uint32_t slot = half * 64 + ss_low_zeros(taken);
            const ss_block_t *block = block_at(nt, page->ids[slot]);
            if (block->state == SS_STATE_LIVE) {
                const slot_plan_t plan = {.bytes = block->size,
                                          .va = block->va - POOL_HEADER,
                                          .tag = block->tag,
                                          .slot = slot,
                                          .granules = page->granules};
                fill_slot(machine, to + slot * total, &plan);
            }
        }
    }
}

/* With one write, into a page that has host memory. */
static storsim_status_t write_slot(storsim_machine_t *machine, ss_store_t store, const slot_plan_t *plan) {
    uint8_t bytes[PAGE];
    size_t total = (size_t)plan->granules * GRANULE;
    fill_slot(machine, bytes, plan);
    return ss_store_write(ss_machine_ram(machine), store, (uint64_t)plan->slot * total, bytes, total);
}

/* --- taking a slot ------------------------------------------------------------------------------------------------ */

static ss_block_id_t commit_slot(storsim_machine_t *machine, storsim_block_kind_t kind, const slot_plan_t *plan,
                                 uint32_t owner, uint32_t index) {
    ss_nt_t *nt = nt_of(machine);
    nt_pool_page_t *page = nt_pool_page(nt, index);
    const ss_block_id_t id = nt_record_take(nt);
    ss_block_t *block = block_at(nt, id);
    const uint32_t generation = block->generation;
    const nt_cpu_t *cpu = &nt->cpus[nt->cpu];
    *block = (ss_block_t){.va = plan->va + POOL_HEADER,
                          .size = plan->bytes,
                          .time = storsim_now(machine),
                          .pfn = page->pfn,
                          .generation = generation,
                          .owner = owner,
                          .tag = plan->tag,
                          .site = ss_machine_where(machine)->site,
                          .kind = (uint8_t)kind,
                          .state = SS_STATE_LIVE,
                          .irql = cpu->irql,
                          .node = page->node,
                          .cache = 1, /* MmCached, as pool is */
                          .context = cpu->context,
                          .pool_page = index};
    page->ids[plan->slot] = id;
    page->free[plan->slot / 64] &= ~(UINT64_C(1) << (plan->slot % 64));
    page->live++;
    if (page->live + page->held == page->slots) {
        nt_pool_unlist(nt, index);
    }
    nt_live_append(nt, id);
    return id;
}

static uint32_t lowest_free(const nt_pool_page_t *page) {
    return page->free[0] != 0 ? ss_low_zeros(page->free[0]) : 64 + ss_low_zeros(page->free[1]);
}

static storsim_status_t take_in(storsim_machine_t *machine, storsim_block_kind_t kind, slot_plan_t *plan,
                                uint32_t owner, uint32_t index, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    const nt_pool_page_t *page = nt_pool_page(nt, index);
    if (!nt_records_reserve(nt, 1)) {
        return STORSIM_NO_MEMORY;
    }
    plan->slot = lowest_free(page);
    plan->va = page->va + (uint64_t)plan->slot * plan->granules * GRANULE;
    storsim_status_t status = page->made ? write_slot(machine, page->store, plan) : STORSIM_OK;
    if (status == STORSIM_OK) { /* unreachable: a page that was made has its memory */
        *id = commit_slot(machine, kind, plan, owner, index);
    }
    return status;
}

/* Takes a frame on one node and everything a pool page needs. */
typedef struct page_draft {
    nt_pool_page_t *page;
    uint64_t pfn, first;
    uint32_t ahead;
    ss_pagemap_group_t *at_va, *at_frame;
} page_draft_t;

static storsim_status_t draft_page(storsim_machine_t *machine, uint8_t node, uint16_t slots, uint8_t class_index, page_draft_t *draft) {
    ss_nt_t *nt = nt_of(machine);
    /* unreachable: no machine has as much memory as the arena has room */
    if (!nt_arena_find(nt, 1, 0, &draft->first, &draft->ahead)) {
        return STORSIM_NO_SPACE;
    }
    if (!nt_records_reserve(nt, 2) || ss_pagemap_hold(&nt->by_va, draft->first, 1, &draft->at_va) != STORSIM_OK ||
        !nt_pool_reserve_page(nt, slots, class_index, &draft->page)) {
        return STORSIM_NO_MEMORY;
    }
    ss_page_request_t place = {
        .pages = 1, .first_min = 1, .first_max = UINT64_MAX / PAGE, .align_pages = 1, .nodes = &node, .node_count = 1};
    storsim_status_t status = ss_pages_take(ss_machine_pages(machine), &place, &draft->pfn);
    if (status == STORSIM_OK) {
        status = ss_pagemap_hold(&nt->by_frame, draft->pfn, 1, &draft->at_frame);
        if (status != STORSIM_OK) {
            ss_pages_give(ss_machine_pages(machine), draft->pfn, 1);
        }
    }
    if (status != STORSIM_OK) {
        nt_pool_release_page(nt, draft->page);
    }
    return status;
}

/* The record of a pool page. */
static void commit_page(ss_nt_t *nt, const page_draft_t *draft, uint32_t index) {
    nt_pool_page_t *page = draft->page;
    const ss_block_id_t span = nt_record_take(nt);
    ss_block_t *block = block_at(nt, span);
    const uint32_t generation = block->generation;
    *block = (ss_block_t){.va = page->va,
                          .size = PAGE,
                          .pfn = page->pfn,
                          .pages = 1,
                          .generation = generation,
                          .kind = KIND_POOL_PAGE,
                          .state = SS_STATE_LIVE,
                          .node = page->node,
                          .cache = 1,
                          .pool_page = index};
    page->block = span;
    nt_arena_link(nt, block, span, draft->ahead, draft->first + 1);
    ss_pagemap_fill(&nt->by_va, draft->at_va, draft->first, 1, AT_POOL_PAGE | index);
    ss_pagemap_fill(&nt->by_frame, draft->at_frame, page->pfn, 1, span);
}

static storsim_status_t take_new(storsim_machine_t *machine, storsim_block_kind_t kind, slot_plan_t *plan,
                                 uint32_t owner, uint8_t node, uint16_t slots, uint8_t class_index, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    page_draft_t draft = {.page = NULL};
    storsim_status_t status = draft_page(machine, node, slots, class_index, &draft);
    if (status != STORSIM_OK) {
        return status;
    }
    ss_ram_claim(ss_machine_ram(machine), draft.pfn, 1);
    nt_pool_page_t *page = draft.page;
    page->va = arena_address(draft.first);
    page->pfn = draft.pfn;
    page->granules = plan->granules;
    page->node = node;
    uint32_t index = nt_pool_page_add(nt, page);
    commit_page(nt, &draft, index);
    nt_pool_list(nt, index);
    plan->slot = 0;
    plan->va = page->va;
    *id = commit_slot(machine, kind, plan, owner, index);
    return STORSIM_OK;
}

static storsim_status_t take_slot(storsim_machine_t *machine, storsim_block_kind_t kind, uint64_t bytes, uint32_t tag,
                                  uint32_t owner, ss_block_id_t *id) {
    const ss_nt_t *nt = nt_of(machine);
    slot_plan_t plan = {.bytes = bytes, .tag = tag};
    uint16_t slots;
    uint8_t class_index, nodes[STORSIM_MAX_NODES];
    nt_pool_shape(bytes, &plan.granules, &slots, &class_index);
    uint32_t count = nt_nodes(machine, STORSIM_NODE_ANY, false, nodes);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = nt->partial[(size_t)nodes[i] * POOL_CLASSES + class_index];
        storsim_status_t status = index != 0 ? take_in(machine, kind, &plan, owner, index, id)
                                             : take_new(machine, kind, &plan, owner, nodes[i], slots, class_index, id);
        if (status != STORSIM_NO_SPACE) {
            return status;
        }
    }
    return STORSIM_NO_SPACE;
}

/* --- budgets ------------------------------------------------------------------------------------------------------ */

static bool within(uint64_t used, uint64_t more, uint64_t limit) {
    return used <= limit && more <= limit - used;
}

bool nt_pool_allows(const ss_nt_t *nt, uint64_t bytes, uint32_t owner) {
    const nt_owner_t *account = nt_owner(nt, owner);
    return within(nt->pool_budget_used, bytes, nt->config.nonpaged_budget) &&
           (account == NULL || within(account->pool_bytes, bytes, account->pool_cap));
}

bool nt_contig_allows(const ss_nt_t *nt, uint64_t pages, uint32_t owner) {
    const nt_owner_t *account = nt_owner(nt, owner);
    return within(nt->contig_pages, pages, nt->config.contig_budget) &&
           (account == NULL || within(account->contig_bytes, pages * PAGE, account->contig_cap));
}

void ss_pool_usage(const storsim_machine_t *machine, ss_pool_usage_t *usage) {
    const ss_nt_t *nt = nt_of(machine);
    *usage = (ss_pool_usage_t){nt->pool_bytes, nt->pool_blocks, nt->pool_budget_used};
}

storsim_status_t nt_pool_take(storsim_machine_t *machine, storsim_block_kind_t kind, uint64_t bytes, uint32_t tag,
                              uint32_t owner, bool counted, ss_block_id_t *id) {
    ss_nt_t *nt = nt_of(machine);
    if (counted && !nt_pool_allows(nt, bytes, owner)) {
        return STORSIM_NO_SPACE;
    }
    storsim_status_t status = STORSIM_NO_SPACE;
    /* unreachable: pool of drivers is counted */
    bool special = kind == STORSIM_BLOCK_POOL && counted && nt_special_wanted(machine, bytes);
    if (special) {
        status = nt_special_take(machine, bytes, tag, owner, id);
        nt->special_fallbacks += status == STORSIM_NO_SPACE;
    }
    if (special && status != STORSIM_NO_SPACE) {
        /* done, or no host memory */
    } else if (bytes <= POOL_SLOT_MAX) {
        status = take_slot(machine, kind, bytes, tag, owner, id);
    } else {
        ss_block_request_t request = {.kind = kind,
                                      .size = bytes,
                                      .highest = UINT64_MAX,
                                      .node = STORSIM_NODE_ANY,
                                      .cache = 1,
                                      .tag = tag,
                                      .owner = owner,
                                      .zero = nt->config.zero_pool,
                                      .scattered = true};
        status = ss_block_make(machine, &request, id);
    }
    if (status == STORSIM_OK) {
        ss_block_t *block = block_at(nt, *id);
        block->flags |= (uint8_t)(BLOCK_POOL | (counted ? BLOCK_COUNTED : 0));
        nt_account(nt, block, true);
    }
    return status;
}

storsim_status_t ss_pool_take(storsim_machine_t *machine, storsim_block_kind_t kind, uint64_t bytes, uint32_t tag,
                              uint32_t owner, ss_block_id_t *id) {
    return nt_pool_take(machine, kind, bytes, tag, owner, kind == STORSIM_BLOCK_POOL, id);
}

/* --- giving a slot back ------------------------------------------------------------------------------------------- */

static void give_frame(storsim_machine_t *machine, nt_pool_page_t *page, uint32_t index) {
    ss_nt_t *nt = nt_of(machine);
    ss_block_t *span = block_at(nt, page->block);
    nt_pool_unlist(nt, index);
    (void)ss_bus_shadow(machine, span->pfn, 1, false);
    ss_ram_detach(ss_machine_ram(machine), span->pfn, 1);
    ss_store_destroy(ss_machine_ram(machine), page->store);
    page->store = 0;
    ss_pages_give(ss_machine_pages(machine), span->pfn, 1);
    span->state = SS_STATE_QUARANTINED;
    page->gone = true;
}

void nt_pool_slot_free(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    const ss_block_t *block = block_at(nt, id);
    uint32_t index = block->pool_page;
    nt_pool_page_t *page = nt_pool_page(nt, index);
    page->live--;
    page->held++;
    if (page->live == 0) {
        give_frame(machine, page, index);
        return;
    }
    if (page->made) { /* it has host memory: this cannot fail */
        (void)ss_store_set(ss_machine_ram(machine), page->store, nt_store_offset(block) - POOL_HEADER, SS_POISON,
                           nt_slot_bytes(nt, block));
    }
}

/* The addresses of a page without a live or quarantined slot are free; its record goes. */
static void page_end(ss_nt_t *nt, uint32_t index, bool undo) {
    ss_block_id_t span = nt_pool_page(nt, index)->block;
    nt_frames_replace(nt, block_at(nt, span), span, 0);
    if (undo) {
        nt_arena_undo(nt, span);
    } else {
        nt_arena_remove(nt, span);
    }
    nt_record_drop(nt, span);
    page_forget(nt, index);
}

void nt_pool_slot_expire(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    uint32_t index = block_at(nt, id)->pool_page;
    nt_pool_page_t *page = nt_pool_page(nt, index);
    uint32_t slot = nt_pool_slot(page, block_at(nt, id)->va % PAGE);
    page->ids[slot] = 0;
    page->held--;
    page->free[slot / 64] |= UINT64_C(1) << (slot % 64);
    nt_record_drop(nt, id);
    if (page->gone && page->held == 0) {
        page_end(nt, index, false);
    } else if (!page->gone && !page->listed) {
        nt_pool_list(nt, index);
    }
}

void nt_pool_slot_undo(storsim_machine_t *machine, ss_block_id_t id) {
    ss_nt_t *nt = nt_of(machine);
    uint32_t index = block_at(nt, id)->pool_page;
    nt_pool_page_t *page = nt_pool_page(nt, index);
    bool was_full = !page->listed, last = page->live == 1;
    nt_pool_slot_free(machine, id); /* poison, or the frame goes back */
    if (last && page->held == 1) {
        nt_record_drop(nt, id);
        page_end(nt, index, true);
        return;
    }
    nt_pool_slot_expire(machine, id);
    if (!last && was_full) { /* it was taken from the front of its list */
        nt_pool_unlist(nt, index);
        list_first(nt, index);
    }
}
