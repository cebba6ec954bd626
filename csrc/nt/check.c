/* nt/check.c: the invariants of the kernel room, for storsim_check. Each function counts what is broken. */
#include "nt/nt_i.h"

#include <stdio.h>

typedef struct report {
    char *text;
    size_t capacity, broken;
} report_t;

static void expect(report_t *report, bool holds, const char *what, uint64_t where) {
    if (holds) {
        return;
    }
    if (report->broken++ == 0 && report->text != NULL && report->capacity != 0 && report->text[0] == '\0') {
        (void)snprintf(report->text, report->capacity, "kernel: %s (0x%llx)", what, (unsigned long long)where);
    }
}

/* Frames of a live block are taken and point back to it. */
static void check_frames(const storsim_machine_t *machine, const ss_nt_t *nt, ss_block_id_t id, report_t *report) {
    const ss_block_t *block = block_at(nt, id);
    nt_extent_t whole = {block->pfn, block->pages, 0};
    const nt_extent_t *list = block->extents != 0 ? nt->lists[block->extents - 1].items : &whole;
    uint32_t count = block->extents != 0 ? nt->lists[block->extents - 1].count : 1;
    uint64_t pages = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t first = list[i].first_pfn, last = first + list[i].pages - 1;
        expect(report, ss_pages_count_within(ss_machine_pages(machine), STORSIM_NODE_ANY, first, last) == 0,
               "a live block's frame is free", first);
        expect(report, ss_pagemap_get(&nt->by_frame, first) == id && ss_pagemap_get(&nt->by_frame, last) == id,
               "a live block's frame belongs to another", first);
        expect(report, list[i].start == pages, "extents out of order", first);
        pages += list[i].pages;
    }
    expect(report, pages == block->pages, "extents do not add up", block->va);
    expect(report, block->store == 0 ? block->extents == 0 : ss_store_begins(ss_machine_ram(machine), block->store, block->pfn),
           "a block's bytes are another's", block->va);
}

static void check_live(const storsim_machine_t *machine, const ss_nt_t *nt, report_t *report) {
    uint32_t count = 0, previous = 0;
    ss_nt_t sums = {.owners = NULL};
    for (ss_block_id_t id = nt->first_live; id != 0 && count <= nt->block_count; id = block_at(nt, id)->next) {
        const ss_block_t *block = block_at(nt, id);
        expect(report, block->state == SS_STATE_LIVE && block->previous == previous, "live list", block->va);
        if (block->pool_page == 0 && (block->flags & BLOCK_REGISTERS) == 0) {
            check_frames(machine, nt, id, report);
        }
        nt_account(&sums, block, true);
        previous = id;
        count++;
    }
    expect(report, count == nt->live_count && previous == nt->last_live, "length of the live list", count);
    expect(report,
           sums.pool_bytes == nt->pool_bytes && sums.pool_blocks == nt->pool_blocks &&
               sums.pool_budget_used == nt->pool_budget_used && sums.contig_pages == nt->contig_pages,
           "budgets do not add up", nt->pool_budget_used);
}

static void check_held(const ss_nt_t *nt, report_t *report) {
    uint64_t bytes = 0;
    uint32_t count = 0;
    for (; count < nt->held_count; count++) {
        const ss_block_t *block = block_at(nt, nt_held_at(nt, nt->held_first + count)->block);
        expect(report, block->state == SS_STATE_QUARANTINED && block->next == nt->held_first + count, "quarantine list", block->va);
        bytes += block->pool_page != 0                   ? nt_slot_bytes(nt, block)
                 : (block->flags & BLOCK_REGISTERS) != 0 ? block->size
                                                         : block->pages * PAGE;
    }
    expect(report, bytes == nt->held_bytes, "bytes in quarantine", nt->held_bytes);
}

static void check_arena(const ss_nt_t *nt, report_t *report) {
    uint64_t end = 1;
    uint32_t count = 0, ahead = 0;
    for (uint32_t id = nt->first_span; id != 0 && count <= nt->block_count; id = block_at(nt, id)->arena_next) {
        const ss_block_t *block = block_at(nt, id);
        uint64_t first = (block->va - STORSIM_ARENA_BASE) / PAGE, pages = nt_span_pages(block),
                 guard = nt_span_guard(block);
        expect(report, first >= end + guard || count == 0, "address ranges overlap", block->va);
        expect(report, nt_span_at(nt, arena_address(first)) == id && nt_span_at(nt, arena_address(first + pages - 1)) == id,
               "an address belongs to another block", block->va);
        if (ahead == 0 && first >= nt->cursor) {
            ahead = id;
        }
        end = first + pages + guard;
        count++;
    }
    expect(report, ahead == nt->ahead, "the arena's cursor", nt->cursor);
}

static void check_pool_page(const storsim_machine_t *machine, const ss_nt_t *nt, uint32_t index, report_t *report) {
    const nt_pool_page_t *page = nt_pool_page(nt, index);
    const ss_block_t *span = block_at(nt, page->block);
    uint32_t live = 0, held = 0;
    for (uint32_t slot = 0; slot < page->slots; slot++) {
        uint32_t id = page->ids[slot];
        bool free = (page->free[slot / 64] >> (slot % 64) & 1) != 0;
        expect(report, free == (id == 0), "a slot's bit", span->va);
        if (id != 0) {
            const ss_block_t *block = block_at(nt, id);
            live += block->state == SS_STATE_LIVE;
            held += block->state == SS_STATE_QUARANTINED;
            expect(report,
                   block->pool_page == index &&
                       block->va == span->va + (uint64_t)slot * page->granules * GRANULE + POOL_HEADER,
                   "a slot's address", block->va);
        }
    }
    bool bytes = page->gone || page->store == 0 || ss_store_begins(ss_machine_ram(machine), page->store, page->pfn);
    expect(report, page->va == span->va && page->pfn == span->pfn && bytes, "a pool page's span", span->va);
    expect(report, live == page->live && held == page->held, "slots of a pool page", span->va);
    expect(report, page->gone == (live == 0), "a pool page without live blocks", span->va);
    expect(report, page->listed == (!page->gone && live + held < page->slots), "list of pool pages", span->va);
    expect(report, page->gone || !ss_pages_is_free(ss_machine_pages(machine), span->pfn), "a pool page's frame is free",
           span->pfn);
}

size_t nt_check(storsim_machine_t *machine, void *state, char *text, size_t capacity) {
    const ss_nt_t *nt = state;
    report_t report = {text, capacity, 0};
    check_live(machine, nt, &report);
    check_held(nt, &report);
    check_arena(nt, &report);
    for (uint32_t i = 1; i <= nt->pool_page_count; i++) {
        if (nt->pool_pages[i - 1] != NULL) {
            check_pool_page(machine, nt, i, &report);
        }
    }
    for (uint32_t i = 0; i < nt->config.cpus; i++) {
        expect(&report, nt->cpus[i].irql <= HIGH_LEVEL, "an IRQL out of range", i);
    }
    return report.broken;
}
