/* nt/bytes.c: the bytes of blocks. A block of one stretch of frames has no store (machine/ram.h) before somebody looks at its bytes or writes
 * them: most never are, and until then their contents follow from the record:
 *
 *     record                                      plan of its store
 *     va, or the first frame of one without       seed of the pattern (no two live blocks share it)
 *     flags                                       pattern or zeroes
 *     size, pages                                 from the last byte on to the end of the last page: GUARD_BYTE
 *     pfn, pages                                  its frames
 *
 * The memory asks here which store a frame has (nt_store_of), and for all plans when it writes itself down or makes its digest: a block
 * without a store counts as the store it would get. Scattered blocks have a store from the start. A pool page is the same one level up: its
 * slots have no store of their own, and what is in it nt_pool_fill says.
 * Invariant: a live block of whole pages with RAM behind it has a store, or none and extents == 0. */
#include "nt/nt_i.h"

/* Whether a live block goes by its plan still. */
static inline bool planned(const ss_block_t *block) {
    return block->store == 0 && block->state == SS_STATE_LIVE && block->pages != 0 && block->pool_page == 0 &&
           (block->flags & BLOCK_REGISTERS) == 0;
}

static ss_store_plan_t plan_of(const storsim_machine_t *machine, const ss_block_t *block) {
    const bool tail = block->size < block->pages * PAGE;
    return (ss_store_plan_t){.pages = block->pages,
                             .seed = ss_mix(ss_machine_seed(machine), block->va != 0 ? block->va : block->pfn),
                             .first_pfn = block->pfn,
                             .tail = tail ? block->size : UINT64_MAX,
                             .fill = (block->flags & BLOCK_ZEROED) != 0 ? SS_FILL_ZERO : SS_FILL_PATTERN,
                             .tail_value = tail ? GUARD_BYTE : 0};
}

static bool page_planned(const nt_pool_page_t *page) {
    return page->store == 0 && !page->gone;
}

static ss_store_plan_t plan_of_page(const storsim_machine_t *machine, const nt_pool_page_t *page, uint32_t index) {
    return (ss_store_plan_t){.pages = 1,
                             .seed = ss_mix(ss_machine_seed(machine), page->va),
                             .first_pfn = page->pfn,
                             .tail_value = SS_POISON,
                             .owned = index + 1};
}

static storsim_status_t need_page(storsim_machine_t *machine, uint32_t index) {
    nt_pool_page_t *page = nt_pool_page(nt_of(machine), index);
    if (!page_planned(page)) {
        return STORSIM_OK;
    }
    const ss_store_plan_t plan = plan_of_page(machine, page, index);
    ss_store_t store = 0;
    storsim_status_t status = ss_store_make(ss_machine_ram(machine), &plan, &store);
    page->store = status == STORSIM_OK ? store : 0;
    return status;
}

storsim_status_t nt_store_need(storsim_machine_t *machine, ss_block_t *block) {
    if (block->pool_page != 0) {
        return need_page(machine, block->pool_page);
    }
    if (!planned(block)) {
        return STORSIM_OK;
    }
    const ss_store_plan_t plan = plan_of(machine, block);
    ss_store_t store = 0;
    storsim_status_t status = ss_store_make(ss_machine_ram(machine), &plan, &store);
    block->store = status == STORSIM_OK ? store : 0;
    return status;
}

/* by_frame remembers freed blocks too, whose store is gone; of a pool page the span has it. */
storsim_status_t nt_store_of(void *context, uint64_t pfn, bool make, ss_store_t *store) {
    const ss_nt_t *nt = nt_of(context);
    ss_block_id_t id = ss_pagemap_get(&nt->by_frame, pfn);
    storsim_status_t status = STORSIM_OK;
    *store = 0;
    if (id == 0 || block_at(nt, id)->state != SS_STATE_LIVE) {
        return STORSIM_OK;
    }
    if (make) {
        status = nt_store_need(context, block_at(nt, id));
    }
    *store = nt_store(nt, block_at(nt, id));
    return status;
}

void nt_store_plans(void *context, ss_plan_fn visit, void *state) {
    const ss_nt_t *nt = nt_of(context);
    for (ss_block_id_t id = nt->first_live; id != 0; id = block_at(nt, id)->next) {
        ss_block_t *block = block_at(nt, id);
        if (planned(block)) {
            const ss_store_plan_t plan = plan_of(context, block);
            block->store = visit(state, &plan);
        }
    }
    for (uint32_t index = 1; index <= nt->pool_page_count; index++) {
        nt_pool_page_t *page = nt->pool_pages[index - 1];
        if (page != NULL && page_planned(page)) {
            const ss_store_plan_t plan = plan_of_page(context, page, index);
            page->store = visit(state, &plan);
        }
    }
}

/* The record a pointer to its constant self stands for. */
static storsim_status_t need(storsim_machine_t *machine, const ss_block_t *block) {
    const ss_nt_t *nt = nt_of(machine);
    return nt_store_need(machine, nt->blocks + (block - nt->blocks));
}

storsim_status_t ss_block_read(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset, void *buffer,
                               size_t bytes) {
    storsim_status_t status = need(machine, block);
    if (status != STORSIM_OK) {
        return status;
    }
    return ss_store_read(ss_machine_ram(machine), nt_store(nt_of(machine), block), nt_store_offset(block) + offset, buffer, bytes);
}

storsim_status_t ss_block_write(storsim_machine_t *machine, const ss_block_t *block, uint64_t offset,
                                const void *buffer, size_t bytes) {
    storsim_status_t status = need(machine, block);
    if (status != STORSIM_OK) {
        return status;
    }
    return ss_store_write(ss_machine_ram(machine), nt_store(nt_of(machine), block), nt_store_offset(block) + offset, buffer, bytes);
}

storsim_status_t ss_block_set(storsim_machine_t *machine, ss_block_id_t id, uint64_t offset, uint8_t value, uint64_t bytes) {
    ss_block_t *block = block_at(nt_of(machine), id);
    storsim_status_t status = nt_store_need(machine, block);
    if (status != STORSIM_OK) {
        return status;
    }
    return ss_store_set(ss_machine_ram(machine), nt_store(nt_of(machine), block), nt_store_offset(block) + offset, value, bytes);
}
