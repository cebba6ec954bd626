/* nt/load.c: from the members of a snapshot's lists back to a consistent state. Every record is checked by itself, then
 * each list is built with the functions that build it in life; whatever does not fit is FORMAT. nt->named has the marks of which list has
 * named a record. The quarantine comes in the order of the records first: a list says how it was. */
#include "nt/walk_i.h"

#include <string.h>

enum { NAMED_LIST = 1, NAMED_SPAN = 2 };

static void damaged(ss_codec_t *codec) {
    ss_codec_fail(codec, STORSIM_FORMAT);
}

/* --- pool pages --------------------------------------------------------------------------------------------------- */

static void add_unused_page(ss_nt_t *nt) {
    uint32_t index = ++nt->pool_page_count;
    nt->pool_pages[index - 1] = NULL;
    nt->pool_page_spare[index - 1] = nt->free_pool_page;
    nt->free_pool_page = index;
}

void nt_load_pool_page(ss_nt_t *nt, ss_codec_t *codec, const nt_saved_page_t *saved) {
    uint32_t granules = saved != NULL ? saved->granules : 2;
    if (!ss_codec_ok(codec) || granules < 2 || granules > 255) {
        damaged(codec);
        return;
    }
    uint16_t shaped, slots;
    uint8_t class_index;
    /* The request that needs exactly these granules tells the class. */
    uint64_t bytes = (uint64_t)granules * GRANULE - POOL_HEADER;
    nt_pool_shape(bytes + GRANULE <= POOL_SLOT_MAX ? bytes - GRANULE : bytes, &shaped, &slots, &class_index);
    if (shaped != granules) {
        damaged(codec);
        return;
    }
    uint32_t spare = nt->free_pool_page;
    nt->free_pool_page = 0; /* indices are kept: always a new one at the end */
    nt_pool_page_t *page = NULL;
    bool room = nt_pool_reserve_page(nt, slots, class_index, &page);
    nt->free_pool_page = spare;
    if (!room) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        return;
    }
    if (saved == NULL) {
        nt_pool_release_page(nt, page);
        add_unused_page(nt);
        return;
    }
    page->block = saved->block;
    page->granules = (uint16_t)granules;
    page->node = saved->node;
    page->gone = saved->gone;
    nt->pool_pages[nt->pool_page_count++] = page;
}

/* --- records by themselves ---------------------------------------------------------------------------------------- */

static bool page_index_valid(const ss_nt_t *nt, uint32_t index) {
    return index != 0 && index <= nt->pool_page_count && nt->pool_pages[index - 1] != NULL;
}

static bool frames_valid(const ss_nt_t *nt, const ss_block_t *block) {
    const uint64_t limit = STORSIM_MEMORY_LIMIT / PAGE;
    if (block->pages == 0 || block->pages > limit || block->size > block->pages * PAGE) {
        return false;
    }
    if (block->extents == 0) {
        return block->pfn != 0 && block->pfn <= limit - block->pages;
    }
    const nt_extents_t *list = &nt->lists[block->extents - 1];
    uint64_t pages = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const nt_extent_t *extent = &list->items[i];
        if (extent->pages == 0 || extent->pages > limit || extent->first_pfn == 0 ||
            extent->first_pfn > limit - extent->pages) {
            return false;
        }
        pages += extent->pages;
    }
    return pages == block->pages && list->items[0].first_pfn == block->pfn;
}

static bool address_valid(const ss_block_t *block) {
    if ((block->flags & BLOCK_NO_VA) != 0) {
        return block->va == 0;
    }
    uint64_t page = (block->va - STORSIM_ARENA_BASE) / PAGE;
    bool placed = block->va % PAGE == 0 || ((block->flags & BLOCK_SPECIAL) != 0 && block->va % PAGE + block->size == PAGE);
    return block->va > STORSIM_ARENA_BASE && placed && nt_span_pages(block) < ARENA_PAGES - page;
}

static bool span_valid(const ss_nt_t *nt, ss_block_id_t id, const ss_block_t *block) {
    if (block->kind == KIND_POOL_PAGE) {
        return page_index_valid(nt, block->pool_page) && nt_pool_page(nt, block->pool_page)->block == id &&
               block->pages == 1 && block->flags == 0 &&
               nt_pool_page(nt, block->pool_page)->gone == (block->state == SS_STATE_QUARANTINED) &&
               frames_valid(nt, block) && address_valid(block);
    }
    if ((block->flags & BLOCK_REGISTERS) != 0) {
        return block->flags == BLOCK_REGISTERS && nt_rare(nt, block)->link < SS_ROOM_COUNT && block->pages == 0 &&
               block->extents == 0 && block->size != 0 && block->size % PAGE == 0 && address_valid(block);
    }
    bool special = (block->flags & BLOCK_SPECIAL) == 0 ||
                   (block->kind == STORSIM_BLOCK_POOL && block->pages == 1 && block->extents == 0 && block->size < PAGE);
    return special && frames_valid(nt, block) && address_valid(block);
}

/* Ties a slot to its page; what it shares with the page is taken from there. */
static bool tie_slot(ss_nt_t *nt, ss_block_id_t id, ss_block_t *block) {
    if (!page_index_valid(nt, block->pool_page) || (block->flags & ~(BLOCK_COUNTED | BLOCK_POOL | BLOCK_TOLD)) != 0 ||
        block->extents != 0) {
        return false;
    }
    nt_pool_page_t *page = nt_pool_page(nt, block->pool_page);
    if (page->block == 0 || page->block > nt->block_count || block_at(nt, page->block)->kind != KIND_POOL_PAGE) {
        return false;
    }
    const ss_block_t *span = block_at(nt, page->block);
    uint64_t width = (uint64_t)page->granules * GRANULE, offset = block->va % PAGE;
    uint32_t slot = nt_pool_slot(page, offset);
    bool placed = block->va - span->va < PAGE && slot < page->slots && offset == slot * width + POOL_HEADER &&
                  page->ids[slot] == 0;
    if (!placed || block->size > width - POOL_HEADER || block->pages != 0 || block->pfn != span->pfn ||
        (page->gone && block->state == SS_STATE_LIVE)) {
        return false;
    }
    block->store = 0; /* its page has the bytes; older snapshots say so twice */
    page->ids[slot] = id;
    page->free[slot / 64] &= ~(UINT64_C(1) << (slot % 64));
    if (block->state == SS_STATE_LIVE) {
        page->live++;
    } else {
        page->held++;
    }
    return true;
}

static bool is_slot(const ss_block_t *block) {
    return block->pool_page != 0 && block->kind != KIND_POOL_PAGE;
}

void nt_load_begin(ss_nt_t *nt, ss_codec_t *codec) {
    if (!ss_codec_ok(codec)) {
        return;
    }
    nt->named = ss_alloc_zeroed(nt->host, nt->block_count, 1);
    if (nt->named == NULL) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        return;
    }
    bool sane =
        nt->cursor != 0 && nt->cursor <= ARENA_PAGES && nt->high_water >= nt->cursor && nt->high_water <= ARENA_PAGES;
    for (ss_block_id_t id = 1; id <= nt->block_count && sane; id++) {
        ss_block_t *block = block_at(nt, id);
        if (block->state != SS_STATE_FREE && !is_slot(block)) {
            sane = block->kind != 0 && span_valid(nt, id, block);
            nt->special_live += block->state == SS_STATE_LIVE && (block->flags & BLOCK_SPECIAL) != 0;
        }
        sane = sane && (block->kind != STORSIM_BLOCK_MDL || nt_rare(nt, block)->link <= nt->block_count) && block->generation != 0;
    }
    for (ss_block_id_t id = 1; id <= nt->block_count && sane; id++) {
        ss_block_t *block = block_at(nt, id);
        if (block->state != SS_STATE_FREE && is_slot(block)) {
            sane = block->kind != 0 && tie_slot(nt, id, block);
        }
    }
    for (uint32_t i = 1; i <= nt->pool_page_count && sane; i++) {
        if (nt->pool_pages[i - 1] != NULL) {
            nt_pool_page_t *page = nt_pool_page(nt, i);
            bool owned = page->block != 0 && page->block <= nt->block_count &&
                         /* unreachable: what names a page is its span or a slot, and a slot's page was found to have a span */
                         block_at(nt, page->block)->pool_page == i && block_at(nt, page->block)->kind == KIND_POOL_PAGE;
            sane = owned && (page->gone ? page->held != 0 : page->live != 0);
            if (sane) {
                const ss_block_t *span = block_at(nt, page->block);
                page->store = span->store;
                page->va = span->va;
                page->pfn = span->pfn;
                page->made = true; /* a snapshot has its bytes */
            }
        }
    }
    if (!sane) {
        damaged(codec);
    }
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* The record of an id that a list names for the first time; NULL after FORMAT. */
static ss_block_t *named(ss_nt_t *nt, ss_codec_t *codec, uint32_t id, uint32_t list, uint8_t state) {
    ss_block_t *block = id <= nt->block_count ? block_at(nt, id) : NULL; /* 0 ends a list */
    if (block == NULL || (nt->named[id - 1] & list) != 0 || (list == NAMED_LIST && block->state != state)) {
        damaged(codec);
        return NULL;
    }
    nt->named[id - 1] |= (uint8_t)list;
    return block;
}

void nt_load_span(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id) {
    (void)machine;
    ss_block_t *block = named(nt, codec, id, NAMED_SPAN, 0);
    if (block == NULL) {
        return;
    }
    uint64_t first = (block->va - STORSIM_ARENA_BASE) / PAGE, cursor = nt->cursor, high = nt->high_water;
    if (block->state == SS_STATE_FREE || nt_span_pages(block) == 0) {
        damaged(codec);
        return;
    }
    if (nt->last_span != 0) {
        const ss_block_t *before = block_at(nt, nt->last_span);
        uint64_t end = (before->va - STORSIM_ARENA_BASE) / PAGE + nt_span_pages(before) + nt_span_guard(before);
        if (first < end + nt_span_guard(block)) {
            damaged(codec);
            return;
        }
    }
    if (ss_pagemap_reserve(&nt->by_va, first, nt_span_pages(block)) != STORSIM_OK) {
        ss_codec_fail(codec, STORSIM_NO_MEMORY);
        return;
    }
    uint32_t ahead = nt->ahead;
    nt_arena_insert(nt, id, 0);
    nt->cursor = cursor;
    nt->high_water = high;
    nt->ahead = ahead != 0 ? ahead : first >= cursor ? id : 0;
    memset(nt->before, 0, sizeof nt->before);
}

static void set_frames(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, ss_block_id_t id) {
    const ss_block_t *block = block_at(nt, id);
    nt_extent_t whole = {block->pfn, block->pages, 0};
    const nt_extent_t *list = &whole;
    uint32_t count = 1;
    if (block->extents != 0) {
        list = nt->lists[block->extents - 1].items;
        count = nt->lists[block->extents - 1].count;
    }
    for (uint32_t i = 0; i < count && ss_codec_ok(codec); i++) {
        if (!ss_pages_all_ram(ss_machine_pages(machine), list[i].first_pfn, list[i].pages)) {
            damaged(codec);
        } else if (ss_pagemap_set(&nt->by_frame, list[i].first_pfn, list[i].pages, id) != STORSIM_OK) {
            ss_codec_fail(codec, STORSIM_NO_MEMORY);
        }
    }
}

/* The next one in quarantine; the one that stood there takes its place. */
static void bring_forward(ss_nt_t *nt, ss_block_id_t id) {
    const uint32_t to = nt->held_first + nt->load_held++, from = block_at(nt, id)->next;
    const nt_held_t entry = *nt_held_at(nt, from);
    *nt_held_at(nt, from) = *nt_held_at(nt, to);
    *nt_held_at(nt, to) = entry;
    block_at(nt, nt_held_at(nt, from)->block)->next = from;
    block_at(nt, id)->next = to;
}

void nt_load_held(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id) {
    const ss_block_t *block = named(nt, codec, id, NAMED_LIST, SS_STATE_QUARANTINED);
    if (block == NULL) {
        return;
    }
    if (block->kind == KIND_POOL_PAGE) {
        damaged(codec);
        return;
    }
    bring_forward(nt, id);
    if (is_slot(block)) {
        const nt_pool_page_t *page = nt_pool_page(nt, block->pool_page);
        nt->held_bytes += (uint64_t)page->granules * GRANULE;
        if (page->gone) {
            set_frames(machine, nt, codec, page->block);
        }
    } else if ((block->flags & BLOCK_REGISTERS) != 0) {
        nt->held_bytes += block->size;
    } else {
        nt->held_bytes += block->pages * PAGE;
        set_frames(machine, nt, codec, id);
    }
}

void nt_load_live(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id) {
    const ss_block_t *block = named(nt, codec, id, NAMED_LIST, SS_STATE_LIVE);
    if (block == NULL) {
        return;
    }
    if (block->kind == KIND_POOL_PAGE) {
        damaged(codec);
        return;
    }
    nt_live_append(nt, id);
    nt_account(nt, block, true);
    if (is_slot(block)) {
        const nt_pool_page_t *page = nt_pool_page(nt, block->pool_page);
        set_frames(machine, nt, codec, page->block);
    } else if ((block->flags & BLOCK_REGISTERS) == 0) {
        set_frames(machine, nt, codec, id);
    }
}

/* Free records come first one first; the list is built from its end. */
void nt_load_free(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t id) {
    (void)machine;
    ss_block_t *block = named(nt, codec, id, NAMED_LIST, SS_STATE_FREE);
    if (block == NULL) {
        return;
    }
    if (nt->free_block == 0) {
        nt->free_block = id;
    } else {
        block_at(nt, nt->load_last_free)->next = id;
    }
    nt->load_last_free = id;
    nt->free_blocks++;
}

void nt_load_partial(storsim_machine_t *machine, ss_nt_t *nt, ss_codec_t *codec, uint32_t index) {
    (void)machine;
    if (!page_index_valid(nt, index)) {
        damaged(codec);
        return;
    }
    const nt_pool_page_t *page = nt_pool_page(nt, index);
    if (page->listed || page->gone || page->live + page->held >= page->slots) {
        damaged(codec);
        return;
    }
    nt_pool_list(nt, index);
}

void nt_load_end(ss_nt_t *nt, ss_codec_t *codec) {
    for (ss_block_id_t id = 1; id <= nt->block_count && ss_codec_ok(codec); id++) {
        ss_block_t *block = block_at(nt, id);
        bool span = block->state != SS_STATE_FREE && nt_span_pages(block) != 0;
        uint32_t expected = (block->kind == KIND_POOL_PAGE ? 0 : NAMED_LIST) | (span ? NAMED_SPAN : 0);
        if (nt->named[id - 1] != expected) {
            damaged(codec);
        }
    }
    ss_release(nt->host, nt->named);
    nt->named = NULL;
    for (uint32_t i = 1; i <= nt->pool_page_count && ss_codec_ok(codec); i++) {
        const nt_pool_page_t *page = nt->pool_pages[i - 1];
        if (page != NULL && page->listed != (!page->gone && page->live + page->held < page->slots)) {
            damaged(codec);
        }
    }
}
