/* nt/record.c: the table of records, its lists, the arena of kernel addresses, extent lists. See nt_i.h. */
#include "nt/nt_i.h"

/* --- records ------------------------------------------------------------------------------------------------------ */

/* The ring gets larger: whoever is in it has a place that says where he stands now, which is where he was or in the part that was added. */
static bool widen_held(ss_nt_t *nt, uint32_t needed) {
    void *array = nt->held;
    const uint32_t before = nt->held_capacity - 1;
    if (!ss_grow(nt->host, &array, &nt->held_capacity, needed, sizeof(nt_held_t))) {
        return false;
    }
    nt->held = array;
    for (uint32_t i = 0; i < nt->held_count && before + 1 != nt->held_capacity; i++) {
        const uint32_t place = nt->held_first + i;
        *nt_held_at(nt, place) = nt->held[place & before];
    }
    return true;
}

bool nt_records_widen(ss_nt_t *nt, uint32_t count) {
    void *array = nt->blocks;
    const uint32_t needed = nt->block_count + count - nt->free_blocks;
    if (nt->block_count > UINT32_MAX / 2) { /* unreachable: as many records take more memory than a host has */
        return false;
    }
    /* The ring first: it may have more places than there are records, but never fewer. */
    if (!widen_held(nt, needed) || !ss_grow(nt->host, &array, &nt->block_capacity, needed, sizeof(ss_block_t))) {
        return false;
    }
    nt->blocks = array;
    return true;
}

bool nt_rare_make(ss_nt_t *nt, ss_block_t *block) {
    uint32_t index = nt->free_rare;
    if (index != 0) {
        nt->free_rare = nt->rares[index - 1].link;
    } else {
        void *array = nt->rares;
        if (!ss_grow(nt->host, &array, &nt->rare_capacity, nt->rare_count + 1, sizeof(nt_rare_t))) {
            return false;
        }
        nt->rares = array;
        index = ++nt->rare_count;
    }
    nt->rares[index - 1] = (nt_rare_t){.device_address = nt_device_address(nt, block)};
    block->rare = index;
    return true;
}

static void rare_drop(ss_nt_t *nt, ss_block_t *block) {
    nt->rares[block->rare - 1] = (nt_rare_t){.link = nt->free_rare};
    nt->free_rare = block->rare;
    block->rare = 0;
}

ss_block_id_t nt_record_take(ss_nt_t *nt) {
    ss_block_id_t id = nt->free_block;
    if (id != 0) {
        nt->free_block = block_at(nt, id)->next;
        nt->free_blocks--;
    } else {
        id = ++nt->block_count;
        block_at(nt, id)->generation = 1;
    }
    return id;
}

void nt_record_drop(ss_nt_t *nt, ss_block_id_t id) {
    ss_block_t *block = block_at(nt, id);
    /* unreachable: 2^32 lives of one record are more than anybody waits for */
    block->generation = block->generation + 1 != 0 ? block->generation + 1 : 1;
    block->state = SS_STATE_FREE; /* what else it holds is overwritten when it is taken again */
    block->kind = 0;
    if (block->rare != 0) {
        rare_drop(nt, block);
    }
    block->next = nt->free_block;
    nt->free_block = id;
    nt->free_blocks++;
}

void nt_live_append(ss_nt_t *nt, ss_block_id_t id) {
    ss_block_t *block = block_at(nt, id);
    block->next = 0;
    block->previous = nt->last_live;
    if (nt->last_live != 0) {
        block_at(nt, nt->last_live)->next = id;
    } else {
        nt->first_live = id;
    }
    nt->last_live = id;
    nt->live_count++;
}

void nt_live_remove(ss_nt_t *nt, ss_block_id_t id) {
    const ss_block_t *block = block_at(nt, id);
    if (block->previous != 0) {
        block_at(nt, block->previous)->next = block->next;
    } else {
        nt->first_live = block->next;
    }
    if (block->next != 0) {
        block_at(nt, block->next)->previous = block->previous;
    } else {
        nt->last_live = block->previous;
    }
    nt->live_count--;
}

void nt_held_append(ss_nt_t *nt, ss_block_id_t id, uint64_t time, uint32_t site) {
    const uint32_t place = nt->held_first + nt->held_count++;
    *nt_held_at(nt, place) = (nt_held_t){.time = time, .block = id, .site = site};
    block_at(nt, id)->next = place;
}

/* --- the arena ---------------------------------------------------------------------------------------------------- */

uint64_t nt_span_pages(const ss_block_t *block) {
    if (block->pool_page != 0 && block->kind != KIND_POOL_PAGE) {
        return 0;
    }
    if ((block->flags & BLOCK_NO_VA) != 0) {
        return 0;
    }
    return (block->flags & BLOCK_REGISTERS) != 0 ? (block->size + PAGE - 1) / PAGE : block->pages;
}

/* Pool pages lie side by side, as they do in a real pool; everything else has an unmapped page on both sides. */
uint64_t nt_span_guard(const ss_block_t *block) {
    return block->kind == KIND_POOL_PAGE ? 0 : 1;
}

static uint64_t first_page(const ss_block_t *block) {
    return (block->va - STORSIM_ARENA_BASE) / PAGE;
}

/* From 2 MiB on spans are aligned to it, so that by_va holds them in whole groups. */
static uint64_t aligned(uint64_t page, uint64_t pages) {
    return pages >= 512 ? (page + 511) / 512 * 512 : page;
}

bool nt_arena_find(const ss_nt_t *nt, uint64_t pages, uint64_t guard, uint64_t *first, uint32_t *ahead) {
    uint64_t at = nt->cursor;
    uint32_t next = nt->ahead;
    bool wrapped = false;
    if (pages > ARENA_PAGES / 2) { /* unreachable: no machine has as much memory as the arena has room */
        return false;
    }
    for (;;) {
        uint64_t limit = ARENA_PAGES;
        if (next != 0) {
            const ss_block_t *block = block_at(nt, next);
            limit = first_page(block) - nt_span_guard(block);
        }
        uint64_t start = aligned(at + guard, pages);
        if (start + pages + guard <= limit) {
            *first = start;
            *ahead = next;
            return true;
        }
        if (next != 0) {
            const ss_block_t *block = block_at(nt, next);
            at = first_page(block) + nt_span_pages(block) + nt_span_guard(block);
            next = block->arena_next;
        } else if (!wrapped) { /* unreachable: all around the arena there is room */
            wrapped = true;
            at = 1;
            next = nt->first_span;
        } else {
            return false; /* unreachable: as above */
        }
    }
}

void nt_arena_link(ss_nt_t *nt, ss_block_t *block, ss_block_id_t id, uint32_t ahead, uint64_t end) {
    uint32_t behind = ahead != 0 ? block_at(nt, ahead)->arena_previous : nt->last_span;
    block->arena_next = ahead;
    block->arena_previous = behind;
    if (behind != 0) {
        block_at(nt, behind)->arena_next = id;
    } else {
        nt->first_span = id;
    }
    if (ahead != 0) {
        block_at(nt, ahead)->arena_previous = id;
    } else {
        nt->last_span = id;
    }
    const uint32_t mark = nt->before_next;
    nt->before[mark].cursor = nt->cursor;
    nt->before[mark].high_water = nt->high_water;
    nt->before[mark].span = id;
    nt->before_next = (mark + 1) % ARENA_UNDO;
    nt->ahead = ahead;
    nt->cursor = end;
    if (end > nt->high_water) {
        nt->high_water = end;
    }
}

void nt_arena_insert(ss_nt_t *nt, ss_block_id_t id, uint32_t ahead) {
    ss_block_t *block = block_at(nt, id);
    const uint64_t first = first_page(block), pages = nt_span_pages(block);
    nt_arena_link(nt, block, id, ahead, first + pages + nt_span_guard(block));
    const uint32_t value = block->kind == KIND_POOL_PAGE ? AT_POOL_PAGE | block->pool_page : id;
    (void)ss_pagemap_set(&nt->by_va, first, pages, value); /* reserved by the caller */
}

void nt_arena_remove(ss_nt_t *nt, ss_block_id_t id) {
    const ss_block_t *block = block_at(nt, id);
    if (block->arena_previous != 0) {
        block_at(nt, block->arena_previous)->arena_next = block->arena_next;
    } else {
        nt->first_span = block->arena_next;
    }
    if (block->arena_next != 0) {
        block_at(nt, block->arena_next)->arena_previous = block->arena_previous;
    } else {
        nt->last_span = block->arena_previous;
    }
    if (nt->ahead == id) {
        nt->ahead = block->arena_next;
    }
    (void)ss_pagemap_set(&nt->by_va, first_page(block), nt_span_pages(block), 0); /* goes as it was set: cannot fail */
}

/* The span a cursor will meet, looked for from a place near by. */
static uint32_t ahead_of(const ss_nt_t *nt, uint64_t cursor, uint32_t behind, uint32_t next) {
    while (behind != 0 && first_page(block_at(nt, behind)) >= cursor) {
        next = behind;
        behind = block_at(nt, behind)->arena_previous;
    }
    while (next != 0 && first_page(block_at(nt, next)) < cursor) {
        next = block_at(nt, next)->arena_next;
    }
    return next;
}

void nt_arena_undo(ss_nt_t *nt, ss_block_id_t id) {
    uint32_t behind = block_at(nt, id)->arena_previous, next = block_at(nt, id)->arena_next;
    uint32_t last = (nt->before_next + ARENA_UNDO - 1) % ARENA_UNDO;
    nt_arena_remove(nt, id);
    if (nt->before[last].span == id) {
        nt->cursor = nt->before[last].cursor;
        nt->high_water = nt->before[last].high_water;
        nt->ahead = ahead_of(nt, nt->cursor, behind, next);
        nt->before[last].span = 0;
        nt->before_next = last;
    }
}

/* --- extents ------------------------------------------------------------------------------------------------------ */

uint32_t nt_extents_take(ss_nt_t *nt, uint32_t count) {
    nt_extent_t *items = ss_alloc(nt->host, (size_t)count * sizeof *items);
    if (items == NULL) {
        return 0;
    }
    uint32_t index = nt->free_list;
    if (index != 0) {
        nt->free_list = nt->lists[index - 1].next_free;
    } else {
        void *array = nt->lists;
        if (!ss_grow(nt->host, &array, &nt->list_capacity, nt->list_count + 1, sizeof(nt_extents_t))) {
            ss_release(nt->host, items);
            return 0;
        }
        nt->lists = array;
        index = ++nt->list_count;
    }
    nt->lists[index - 1] = (nt_extents_t){items, count, 0};
    return index;
}

void nt_extents_drop(ss_nt_t *nt, uint32_t index) {
    if (index != 0) {
        ss_release(nt->host, nt->lists[index - 1].items);
        nt->lists[index - 1] = (nt_extents_t){NULL, 0, nt->free_list};
        nt->free_list = index;
    }
}

void nt_frames_replace(ss_nt_t *nt, const ss_block_t *block, uint32_t from, uint32_t to) {
    if (block->extents == 0) {
        ss_pagemap_replace(&nt->by_frame, block->pfn, block->pages, from, to);
        return;
    }
    const nt_extents_t *list = &nt->lists[block->extents - 1];
    for (uint32_t i = 0; i < list->count; i++) {
        ss_pagemap_replace(&nt->by_frame, list->items[i].first_pfn, list->items[i].pages, from, to);
    }
}
