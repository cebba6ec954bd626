/* The edges of the kernel room: states that cannot come about, numbers outside their range, addresses between things,
 * stopped machines. */
#include "scenario.h"

#include "nt/nt_i.h"

/* --- states that cannot come about -------------------------------------------------------------------------------- */

static scenario_t rich(void) {
    scenario_t s;
    memset(&s, 0, sizeof s);
    world_init(&s.w);
    world_boot(&s.w);
    for (int step = 0; step < 33; step++) {
        CHECK_EQ(scenario_step(&s, step), STORSIM_OK);
    }
    world_check(&s.w);
    return s;
}

/* A live slot, and one that is not in its page. */
static ss_block_id_t some_slot(const ss_nt_t *nt, unsigned which) {
    for (ss_block_id_t id = nt->first_live; id != 0; id = block_at(nt, id)->next) {
        if (block_at(nt, id)->pool_page != 0 && which-- == 0) {
            return id;
        }
    }
    CHECK(0);
    return 0;
}

static ss_block_id_t some_span(const ss_nt_t *nt, uint8_t flags, bool pieces) {
    for (ss_block_id_t id = nt->first_live; id != 0; id = block_at(nt, id)->next) {
        const ss_block_t *block = block_at(nt, id);
        if (block->pool_page == 0 && (block->flags & BLOCK_REGISTERS) == flags && (block->extents != 0) == pieces) {
            return id;
        }
    }
    CHECK(0);
    return 0;
}

enum { CHECKED = 24, LOOPS = 3 };

/* Each breaks one thing the check looks at. The first three make a list that never ends. */
static void spoil(ss_nt_t *nt, int way) {
    ss_block_t *slot = block_at(nt, some_slot(nt, 0));
    nt_pool_page_t *page = nt_pool_page(nt, slot->pool_page);
    switch (way) {
    case 0: block_at(nt, nt->last_live)->next = nt->first_live; break;
    case 1: nt_held_at(nt, nt->held_first + nt->held_count - 1)->block = nt_oldest(nt); break;
    case 2: block_at(nt, nt->last_span)->arena_next = nt->first_span; break;
    case 3: block_at(nt, nt->first_live)->previous = 7; break;
    case 4: nt->live_count++; break;
    case 5: nt->last_live = nt->first_live; break;
    case 6: nt->pool_bytes++; break;
    case 7: nt->pool_blocks++; break;
    case 8: nt->pool_budget_used++; break;
    case 9: nt->contig_pages++; break;
    case 10: nt->held_bytes++; break;
    case 11: block_at(nt, nt->first_span)->va = STORSIM_ARENA_BASE; break;
    case 12: block_at(nt, block_at(nt, nt->first_span)->arena_next)->va = block_at(nt, nt->first_span)->va; break;
    case 13: nt->cursor = nt->high_water; nt->ahead = nt->first_span; break;
    case 14: page->free[0] ^= 1; break;
    case 15: slot->va += GRANULE; break;
    case 16: page->live++; break;
    case 17: page->held++; break;
    case 18: page->listed = !page->listed; break;
    case 19: page->gone = true; break;
    case 20: block_at(nt, some_span(nt, 0, false))->pfn++; break;
    case 21: block_at(nt, some_span(nt, 0, false))->pages++; break;
    case 22: nt->lists[block_at(nt, some_span(nt, 0, true))->extents - 1].items[0].start = 9; break;
    case 23: nt->cpus[0].irql = 16; break;
    default: break;
    }
}

static void test_check_notices(void) {
    for (int way = 0; way < CHECKED; way++) {
        scenario_t s = rich();
        ss_nt_t *nt = nt_of(s.w.machine);
        char text[200] = "", brief[8] = "";
        uint8_t *bytes;
        size_t length;
        CHECK_EQ(storsim_snapshot(s.w.machine, &bytes, &length), STORSIM_OK);
        spoil(nt, way);
        size_t broken = storsim_check(s.w.machine, text, sizeof text);
        if (broken == 0 || strncmp(text, "kernel: ", 8) != 0) {
            fprintf(stderr, "way %d: %zu %s\n", way, broken, text);
        }
        CHECK(broken != 0 && strncmp(text, "kernel: ", 8) == 0);
        CHECK_EQ(storsim_check(s.w.machine, NULL, 0), broken);
        CHECK_EQ(storsim_check(s.w.machine, brief, sizeof brief), broken);
        CHECK(strcmp(brief, "kernel:") == 0);
        CHECK_EQ(nt_check(s.w.machine, nt, text, 0), broken);
        CHECK_EQ(nt_check(s.w.machine, nt, brief, sizeof brief), broken); /* a text that is there already stays */
        CHECK(strcmp(brief, "kernel:") == 0);
        if (way >= LOOPS) { /* saved as it is: refused, or made right by building what follows from the rest anew */
            uint8_t *bad;
            size_t bad_length;
            CHECK_EQ(storsim_snapshot(s.w.machine, &bad, &bad_length), STORSIM_OK);
            CHECK_EQ(storsim_restore(s.w.machine, bytes, length, NULL), STORSIM_OK);
            storsim_status_t status = storsim_restore(s.w.machine, bad, bad_length, NULL);
            CHECK(status == STORSIM_FORMAT || status == STORSIM_OK);
            CHECK_EQ(storsim_check(s.w.machine, NULL, 0), 0);
            storsim_snapshot_free(s.w.machine, bad);
        } else {
            if (way == 0) {
                block_at(nt, nt->last_live)->next = 0;
            }
            if (way == 2) {
                block_at(nt, nt->last_span)->arena_next = 0;
            }
        }
        CHECK_EQ(storsim_restore(s.w.machine, bytes, length, NULL), STORSIM_OK);
        storsim_snapshot_free(s.w.machine, bytes);
        world_end(&s.w);
    }
}

/* What only a damaged snapshot could say of a record. */
static void damage(ss_nt_t *nt, int way) {
    ss_block_t *slot = block_at(nt, some_slot(nt, 0)), *second = block_at(nt, some_slot(nt, 1));
    ss_block_t *registers = block_at(nt, some_span(nt, BLOCK_REGISTERS, false)), *plain = block_at(nt, some_span(nt, 0, false));
    nt_pool_page_t *page = nt_pool_page(nt, slot->pool_page);
    switch (way) {
    case 0: registers->size = 0; break;
    case 1: registers->size += 100; break;
    case 2: registers->pages = 1; break;
    case 3: registers->flags |= BLOCK_COUNTED; break;
    case 4: nt->rares[registers->rare - 1].link = SS_ROOM_COUNT; break;
    case 5: registers->extents = block_at(nt, some_span(nt, 0, true))->extents; break;
    case 6: registers->va = STORSIM_ARENA_BASE; break;
    case 7: plain->flags |= BLOCK_SPECIAL; break;                            /* special pool is pool */
    case 8: plain->flags |= BLOCK_SPECIAL; plain->kind = STORSIM_BLOCK_POOL; plain->pages = 1; plain->size = PAGE; break;
    case 9: plain->flags |= BLOCK_SPECIAL; plain->kind = STORSIM_BLOCK_POOL; plain->pages = 2; break;
    case 10: plain->va += 8; break;
    case 11: plain->flags |= BLOCK_SPECIAL; plain->kind = STORSIM_BLOCK_POOL; plain->pages = 1; plain->size = 100; plain->va += 8; break;
    case 12: page->block = 0; break;
    case 13: page->block = 60000; break;
    case 14: page->block = nt->first_live; break;
    case 15: second->va = slot->va; second->pool_page = slot->pool_page; break;
    case 16: slot->va += GRANULE; break;
    case 17: slot->va += (uint64_t)page->granules * GRANULE * 200; break;
    case 18: slot->pool_page = 60000; break;
    case 19: slot->size = PAGE; break;
    case 20: slot->flags |= BLOCK_CONTIG; break;
    case 21: slot->kind = 0; break;
    case 22: plain->kind = 0; break;
    case 23: plain->generation = 0; break;
    case 24: plain->pages = 0; break;
    case 25: plain->pfn = 0; break;
    case 26: plain->pfn = STORSIM_MEMORY_LIMIT / PAGE; break;
    case 27: plain->pfn = 0x50000; break;                                      /* no RAM there */
    case 28: nt->lists[block_at(nt, some_span(nt, 0, true))->extents - 1].items[0].pages = 0; break;
    case 29: nt->lists[block_at(nt, some_span(nt, 0, true))->extents - 1].items[0].first_pfn = 0; break;
    case 30: nt->cursor = 0; break;
    case 31: nt->high_water = nt->cursor - 1; break;
    case 32: nt->first_live = 60000; break;
    case 33: nt->first_span = some_slot(nt, 0); break;
    case 34: nt->partial[0] = 60000; break;
    case 35: nt->free_block = nt->first_live; break;
    case 36: page->granules = 1; break;
    case 37: page->granules = 3; break;
    case 38: nt_held_at(nt, nt->held_first)->block = page->block; break;
    case 39: nt->first_live = page->block; break;
    default: block_at(nt, page->block)->pool_page = 60000; break;
    }
}

static void test_load_refuses(void) {
    for (int way = 0; way <= 40; way++) {
        scenario_t s = rich();
        ss_nt_t *nt = nt_of(s.w.machine);
        uint8_t *good, *bad;
        size_t good_length, bad_length, where = 0;
        CHECK_EQ(storsim_snapshot(s.w.machine, &good, &good_length), STORSIM_OK);
        /* A copy of the room's records, so that what is damaged can be put back before the machine goes on. */
        ss_nt_t kept = *nt;
        ss_block_t *blocks = malloc(nt->block_count * sizeof *blocks);
        uint8_t pages[8][sizeof(nt_pool_page_t)];
        nt_extent_t extent = nt->lists[block_at(nt, some_span(nt, 0, true))->extents - 1].items[0];
        nt_extent_t *place = &nt->lists[block_at(nt, some_span(nt, 0, true))->extents - 1].items[0];
        uint32_t partial = nt->partial[0];
        const nt_held_t held = *nt_held_at(nt, nt->held_first);
        CHECK(blocks != NULL && nt->pool_page_count <= 8);
        memcpy(blocks, nt->blocks, nt->block_count * sizeof *blocks);
        for (uint32_t i = 0; i < nt->pool_page_count; i++) {
            if (nt->pool_pages[i] != NULL) {
                memcpy(pages[i], nt->pool_pages[i], sizeof pages[i]);
            }
        }
        damage(nt, way);
        if (way == 32 || way == 34) { /* ids beyond the table cannot be followed: the bytes are changed instead */
            nt->first_live = kept.first_live;
            nt->partial[0] = partial;
            bad = NULL;
        } else {
            CHECK_EQ(storsim_snapshot(s.w.machine, &bad, &bad_length), STORSIM_OK);
        }
        *nt = kept;
        nt->partial[0] = partial;
        *place = extent;
        *nt_held_at(nt, nt->held_first) = held;
        memcpy(nt->blocks, blocks, nt->block_count * sizeof *blocks);
        for (uint32_t i = 0; i < nt->pool_page_count; i++) {
            if (nt->pool_pages[i] != NULL) {
                memcpy(nt->pool_pages[i], pages[i], sizeof pages[i]);
            }
        }
        uint64_t before = world_digest(&s.w); /* which numbers the pieces of every block again */
        world_check(&s.w);
        if (bad != NULL) {
            storsim_status_t status = storsim_restore(s.w.machine, bad, bad_length, &where);
            if (status != STORSIM_FORMAT) {
                fprintf(stderr, "way %d: %s\n", way, storsim_status_name(status));
            }
            CHECK_EQ(status, STORSIM_FORMAT);
            CHECK_EQ(world_digest(&s.w), before);
            storsim_snapshot_free(s.w.machine, bad);
        }
        free(blocks);
        CHECK_EQ(storsim_restore(s.w.machine, good, good_length, NULL), STORSIM_OK);
        storsim_snapshot_free(s.w.machine, good);
        world_end(&s.w);
    }
}

/* --- numbers outside their range ---------------------------------------------------------------------------------- */

static void test_ranges(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_id_t id;
    uint64_t pa, bytes;
    uint32_t line, other;
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 0, 0, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 0, 100, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_COUNT, 0, 4096, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 0, 4096, 1, &id), STORSIM_OK);
    const ss_block_t *block = ss_block(w.machine, id);
    uint8_t answer[4] = {1, 2, 3, 4};
    CHECK_EQ(ss_block_physical(w.machine, block, 0), 0); /* registers are not memory */
    CHECK_EQ(ss_block_contiguous_from(w.machine, block, 0), 0);
    CHECK_EQ(ss_block_extent_count(w.machine, block), 0);
    CHECK(!ss_block_extent(w.machine, block, 0, &pa, &bytes));
    /* Nobody answers behind them: all ones, and stores go nowhere. */
    uint64_t registers_va = block->va;
    CHECK_EQ(storsim_read_va(w.machine, registers_va, answer, 4), STORSIM_OK);
    CHECK(answer[0] == 0xFF && answer[3] == 0xFF);
    CHECK_EQ(storsim_write_va(w.machine, registers_va, answer, 4), STORSIM_OK);
    ss_block_free(w.machine, id);
    const ss_kernel_ops_t none = {.isr = NULL};
    CHECK_EQ(ss_kernel_ops_register(w.machine, SS_ROOM_COUNT, &none), STORSIM_INVALID);
    CHECK_EQ(ss_kernel_ops_register(w.machine, SS_ROOM_HDAUDIO, &none), STORSIM_OK);
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 0, 4096, 1, &id), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, ss_block(w.machine, id)->va, answer, 4), STORSIM_OK);
    CHECK(answer[0] == 0xFF);
    /* Interrupt lines: of a room that does not listen, and of the host's own table taken out of its middle. */
    CHECK_EQ(ss_line_add(w.machine, &line), STORSIM_OK);
    CHECK_EQ(ss_line_add(w.machine, &other), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, line, 5, SS_ROOM_HOST, 0), STORSIM_INVALID);
    CHECK_EQ(ss_interrupt_connect(w.machine, line, 5, SS_ROOM_HDAUDIO, 0), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, other, 5, SS_ROOM_HDA, 0), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, other, true), STORSIM_OK); /* nobody claims it: held off */
    CHECK_EQ(ss_line_set(w.machine, line, true), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, line, false), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, other, false), STORSIM_OK);
    ss_interrupt_disconnect(w.machine, line);
    ss_interrupt_disconnect(w.machine, line);
    ss_interrupt_disconnect(w.machine, other);
    /* A DPC of a room that has none, and dropping one that is not the first. */
    CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
    CHECK_EQ(ss_dpc_queue(w.machine, SS_ROOM_HDAUDIO, 1, 2, 3), STORSIM_OK);
    CHECK_EQ(ss_dpc_queue(w.machine, SS_ROOM_HDA, 1, 2, 3), STORSIM_OK);
    CHECK_EQ(ss_dpc_queue(w.machine, SS_ROOM_HDA, 2, 2, 3), STORSIM_OK);
    ss_dpc_drop(w.machine, SS_ROOM_HDA, 2, 9);
    ss_dpc_drop(w.machine, SS_ROOM_HDA, 2, 2);
    ss_dpc_drop(w.machine, SS_ROOM_HDA, 2, 2);
    CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
    CHECK(strcmp(storsim_block_kind_text((storsim_block_kind_t)-1), "none") == 0);
    CHECK(strcmp(storsim_block_kind_text(STORSIM_BLOCK_KIND_COUNT), "none") == 0);
    world_end(&w);
}

/* --- addresses between things ------------------------------------------------------------------------------------- */

static void test_between(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_id_t id = pool_get(&w, 1500, TAG, STORSIM_OK);
    const ss_block_t *block = ss_block(w.machine, id);
    uint64_t va = block->va, end = (va | (PAGE - 1)) - 8;
    storsim_allocation_t found;
    CHECK(!storsim_allocation_at(w.machine, end, &found)); /* behind the last slot of the page */
    CHECK(!storsim_allocation_at(w.machine, va - 8, &found));
    CHECK_EQ(ss_block_around(w.machine, end), 0);
    CHECK_EQ(storsim_event_set(w.machine, end), STORSIM_STALE);
    CHECK_EQ(storsim_event_set(w.machine, va), STORSIM_STALE);
    CHECK_EQ(storsim_event_set(w.machine, va + 1600), STORSIM_STALE); /* a slot nobody has */
    CHECK(!storsim_event_signaled(w.machine, va));
    CHECK_EQ(storsim_event_destroy(w.machine, va), STORSIM_STALE);
    CHECK_EQ(ss_block_of_frame(w.machine, 5), 0);
    CHECK_EQ(ss_block_of_frame(w.machine, block->pfn), 0); /* a pool page: nobody's as a whole */
    uint64_t pa, bytes;
    CHECK_EQ(ss_block_extent_count(w.machine, block), 1);
    CHECK(ss_block_extent(w.machine, block, 0, &pa, &bytes) && bytes == 1500 && pa == storsim_physical(w.machine, va));
    CHECK(!ss_block_extent(w.machine, block, 1, &pa, &bytes));
    CHECK_EQ(ss_block_contiguous_from(w.machine, block, 0), PAGE - va % PAGE);
    /* Pieces that touch are one stretch. */
    ss_pages_t *pages = ss_machine_pages(w.machine);
    ss_page_extent_t extents[2] = {{0x200, 2}, {0x202, 3}};
    CHECK_EQ(ss_pages_take_at(pages, 0x200, 5), STORSIM_OK);
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_HMB, .size = 5 * PAGE, .cache = 1, .owner = 1};
    const ss_block_request_t nothing = {.kind = STORSIM_BLOCK_HMB, .size = PAGE, .cache = 1, .owner = 1};
    ss_page_extent_t empty = {0x200, 0};
    CHECK_EQ(ss_block_adopt(w.machine, &nothing, &empty, 1, &id), STORSIM_INVALID);
    CHECK_EQ(ss_block_adopt(w.machine, &request, extents, 2, &id), STORSIM_OK);
    block = ss_block(w.machine, id);
    CHECK_EQ(ss_block_extent_count(w.machine, block), 2);
    CHECK_EQ(ss_block_contiguous_from(w.machine, block, 100), 5 * PAGE - 100);
    CHECK_EQ(ss_block_contiguous_from(w.machine, block, 5 * PAGE), 0);
    CHECK(ss_block_extent(w.machine, block, 1, &pa, &bytes) && pa == 0x202 * PAGE && bytes == 3 * PAGE);
    ss_block_free(w.machine, id);
    ss_block_free(w.machine, id); /* no longer there: nothing happens */
    CHECK_EQ(storsim_allocation_extent(w.machine, 0, 0, &pa, &bytes), false);
    id = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(3 * PAGE), STORSIM_OK);
    block = ss_block(w.machine, id);
    CHECK_EQ(ss_block_contiguous_from(w.machine, block, 5), 3 * PAGE - 5);
    CHECK(ss_block_extent(w.machine, block, 0, &pa, &bytes) && bytes == 3 * PAGE);
    world_end(&w);
}

static void test_stopped(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    uint64_t event, memory;
    CHECK_EQ(storsim_event_create(w.machine, &event), STORSIM_OK);
    CHECK_EQ(storsim_kernel_memory_create(w.machine, STORSIM_BLOCK_PAGEABLE, 100, &memory), STORSIM_OK);
    uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    pool_put(&w, va, STORSIM_OK);
    pool_put(&w, va, STORSIM_BUGCHECK);
    uint64_t again = 7;
    CHECK_EQ(storsim_event_create(w.machine, &again), STORSIM_STOPPED);
    CHECK_EQ(again, 7);
    CHECK_EQ(storsim_event_set(w.machine, event), STORSIM_STOPPED);
    CHECK_EQ(storsim_event_destroy(w.machine, event), STORSIM_STOPPED);
    CHECK_EQ(storsim_kernel_memory_create(w.machine, STORSIM_BLOCK_PAGEABLE, 100, &again), STORSIM_STOPPED);
    CHECK_EQ(storsim_kernel_memory_destroy(w.machine, memory), STORSIM_STOPPED);
    CHECK_EQ(storsim_connect_interrupt(w.machine, 1, 5, 1, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_queue_dpc(w.machine, 1, 1), STORSIM_STOPPED);
    CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_OK); /* what is dead is not judged any more */
    uint8_t bytes[8];
    CHECK_EQ(storsim_write_va(w.machine, event, bytes, 8), STORSIM_STOPPED);
    CHECK_EQ(storsim_read_va(w.machine, event, bytes, 8), STORSIM_OK); /* the dump can be read all the same */
    CHECK_EQ(bytes[2], 6);
    CHECK_EQ(storsim_read_va(w.machine, va, bytes, 8), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, 0x10, bytes, 8), STORSIM_STOPPED);
    storsim_machine_destroy(w.machine);
}

int main(void) {
    test_check_notices();
    test_load_refuses();
    test_ranges();
    test_between();
    test_stopped();
    return CHECK_PINNED(nt_test_edges);
}
