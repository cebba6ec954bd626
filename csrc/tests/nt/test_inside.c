/* tests/nt/test_inside.c: what the kernel room's own functions do where routines do not lead: blocks taken back that
 * nobody made last, frames of freed blocks, hosts that refuse a first look, limits in pieces, lines that end inside
 * their own routine. */
#include "world.h"

#include "machine/machine_i.h"
#include "machine/pages.h"
#include "nt/nt_i.h"

static ss_nt_t *nt(const world_t *w) { return nt_of(w->machine); }

static ss_block_t *make(const world_t *w, storsim_block_kind_t kind, uint64_t size, bool scattered, ss_block_id_t *id) {
    const ss_block_request_t request = {.kind = kind, .size = size, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1, .owner = 1,
                                        .scattered = scattered};
    CHECK_EQ(ss_block_make(w->machine, &request, id), STORSIM_OK);
    return block_at(nt(w), *id);
}

/* --- blocks ------------------------------------------------------------------------------------------------------- */

static void test_undo(void) {
    world_t w;
    ss_block_id_t first, second, registers, hmb;
    ss_page_extent_t extents[4];
    uint32_t count = 0;
    uint64_t total = 0;
    world_start(&w, STORSIM_RELEASE);
    (void)make(&w, STORSIM_BLOCK_DMA, 9000, false, &first);
    uint64_t digest = world_digest(&w), cursor = nt(&w)->cursor;
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 0, PAGE, 1, &registers), STORSIM_OK);
    CHECK_EQ(ss_mdl_make_built(w.machine, registers, 0, 100, 1, &second), STORSIM_INVALID); /* no memory behind it */
    uint64_t pa, bytes, at = 0;
    storsim_allocation_t allocation;
    while (storsim_allocation_next(w.machine, &at, &allocation)) {
        CHECK_EQ(storsim_allocation_extent(w.machine, allocation.block, 0, &pa, &bytes), allocation.va != block_at(nt(&w), registers)->va);
    }
    ss_block_undo(w.machine, registers);
    CHECK_EQ(world_digest(&w), digest);
    CHECK_EQ(nt(&w)->cursor, cursor);
    CHECK_EQ(ss_pages_take_longest(ss_machine_pages(w.machine), 9, 1, 1, UINT64_MAX / PAGE, 1, PAGE, extents, 4, &count, &total), STORSIM_OK);
    const ss_block_request_t request = {.kind = STORSIM_BLOCK_HMB, .size = total * PAGE, .cache = 1, .owner = 1};
    CHECK_EQ(ss_block_adopt(w.machine, &request, extents, count, &hmb), STORSIM_OK);
    ss_block_undo(w.machine, hmb); /* it has no address to give back */
    CHECK_EQ(world_digest(&w), digest);
    /* One that was not made last leaves the cursor where it is. */
    (void)make(&w, STORSIM_BLOCK_DMA, 9000, false, &second);
    uint64_t later = nt(&w)->cursor;
    ss_block_undo(w.machine, first);
    CHECK_EQ(nt(&w)->cursor, later);
    uint64_t pfn = block_at(nt(&w), second)->pfn;
    CHECK_EQ(ss_block_of_frame(w.machine, pfn), second);
    ss_block_free(w.machine, second);
    CHECK_EQ(ss_block_of_frame(w.machine, pfn), 0); /* its frame is still known to have been its own */
    digest = world_digest(&w);
    ss_block_undo(w.machine, second); /* one that is not live stays what it is */
    ss_block_undo(w.machine, 0);
    CHECK_EQ(world_digest(&w), digest);
    world_end(&w);
}

/* The cursor comes back to where it was, whatever it had passed over or wherever it had begun anew, and so does the
 * span ahead of it. */
static void test_cursor(void) {
    world_t w;
    ss_block_id_t ids[4], made;
    world_start(&w, STORSIM_RELEASE);
    for (int i = 0; i < 4; i++) {
        (void)make(&w, STORSIM_BLOCK_DMA, 9000, false, &ids[i]);
    }
    ss_nt_t *room = nt(&w);
    uint64_t first = (block_at(room, ids[1])->va - STORSIM_ARENA_BASE) / PAGE, cursor = room->cursor;
    room->cursor = first - 1; /* too narrow for three pages and their guards */
    room->ahead = ids[1];
    (void)make(&w, STORSIM_BLOCK_DMA, 9000, false, &made);
    ss_block_undo(w.machine, made);
    CHECK_EQ(room->cursor, first - 1);
    CHECK_EQ(room->ahead, ids[1]);
    room->cursor = ARENA_PAGES - 1; /* the next begins anew */
    room->ahead = 0;
    ss_block_free(w.machine, ids[0]);
    nt(&w)->config.quarantine = 0;
    nt_hold(w.machine, 0);
    (void)make(&w, STORSIM_BLOCK_DMA, 4000, false, &made);
    CHECK(block_at(room, made)->va < block_at(room, ids[3])->va);
    ss_block_undo(w.machine, made);
    CHECK_EQ(room->cursor, ARENA_PAGES - 1);
    CHECK_EQ(room->ahead, 0);
    room->cursor = ARENA_PAGES - 8; /* at the very end a block, and no room for another: what comes next is the one there */
    ss_block_id_t end;
    (void)make(&w, STORSIM_BLOCK_DMA, 4000, false, &end);
    uint64_t at = (block_at(room, end)->va - STORSIM_ARENA_BASE) / PAGE;
    CHECK(at > ARENA_PAGES - 9);
    room->cursor = at - 1;
    room->ahead = end;
    (void)make(&w, STORSIM_BLOCK_DMA, 40000, false, &made);
    CHECK(block_at(room, made)->va < block_at(room, end)->va);
    ss_block_undo(w.machine, made);
    CHECK_EQ(room->cursor, at - 1);
    CHECK_EQ(room->ahead, end);
    ss_block_undo(w.machine, end);
    room->cursor = cursor;
    room->ahead = 0;
    world_end(&w);
}

/* A range of registers that leaves the quarantine had no frames. */
static void test_registers_expire(void) {
    world_t w;
    ss_block_id_t registers;
    world_init(&w);
    w.config.quarantine = 0;
    world_boot(&w);
    uint64_t digest = world_digest(&w);
    (void)digest;
    CHECK_EQ(ss_register_range_make(w.machine, SS_ROOM_HDAUDIO, 0, PAGE, 1, &registers), STORSIM_OK);
    uint64_t va = block_at(nt(&w), registers)->va;
    ss_block_free(w.machine, registers);
    CHECK_EQ(ss_block_around(w.machine, va), 0);
    CHECK(ss_block(w.machine, registers) == NULL);
    world_end(&w);
}

/* To be written to. */
static nt_rare_t *rare_of(const world_t *w, ss_block_id_t id) {
    CHECK(nt_rare_need(nt(w), block_at(nt(w), id)));
    return &nt(w)->rares[block_at(nt(w), id)->rare - 1];
}

/* An MDL whose block is gone, and whose record means another by now, takes nothing from that one. */
static void test_described(void) {
    world_t w;
    ss_block_id_t block, mdl, other;
    world_init(&w);
    w.config.quarantine = 0;
    world_boot(&w);
    (void)make(&w, STORSIM_BLOCK_DMA, 9000, false, &block);
    for (int way = 0; way < 2; way++) {
        CHECK_EQ(ss_mdl_make_built(w.machine, block, 0, 5000, 1, &mdl), STORSIM_OK);
        rare_of(&w, mdl)->link = block;
        rare_of(&w, mdl)->link_generation = block_at(nt(&w), block)->generation;
        rare_of(&w, block)->mdl_count = way == 0 ? 0 : 1; /* nobody counted it */
        if (way == 1) {
            ss_block_free(w.machine, block);
            (void)make(&w, STORSIM_BLOCK_DMA, 100, false, &other);
            CHECK_EQ(other, block);
            CHECK(block_at(nt(&w), other)->generation != rare_of(&w, mdl)->link_generation);
            rare_of(&w, other)->mdl_count = 1;
        }
        ss_block_free(w.machine, mdl);
        CHECK_EQ(rare_of(&w, block)->mdl_count, way);
    }
    rare_of(&w, other)->mdl_count = 0;
    world_end(&w);
}

/* The last extent of scattered memory ends where the block does. */
static void test_extents(void) {
    world_t w;
    ss_block_id_t id;
    world_start(&w, STORSIM_RELEASE);
    const ss_block_t *block = make(&w, STORSIM_BLOCK_SRB_DATA, 2 * PAGE + 300, true, &id);
    uint64_t pa, bytes, sum = 0;
    uint32_t count = ss_block_extent_count(w.machine, block);
    for (uint32_t i = 0; i < count; i++) {
        CHECK(ss_block_extent(w.machine, block, i, &pa, &bytes));
        sum += bytes;
    }
    CHECK_EQ(sum, 2 * PAGE + 300);
    CHECK(bytes < PAGE);
    CHECK(!ss_block_extent(w.machine, block, count, &pa, &bytes));
    world_end(&w);
}

/* --- hosts -------------------------------------------------------------------------------------------------------- */

/* A first look at a block asks the host for memory: when it has none, nothing is read, written or shown. */
static void test_first_look(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    world_t w;
    ss_block_id_t id;
    uint8_t byte = 7, *data = NULL;
    uint64_t size = 0, token = 0, at = 0;
    storsim_allocation_t allocation;
    world_init(&w);
    w.hardware.host = &hook;
    world_boot(&w);
    const ss_block_t *block = make(&w, STORSIM_BLOCK_DMA, 9000, false, &id);
    uint64_t va = block->va;
    CHECK(storsim_allocation_next(w.machine, &at, &allocation));
    state.persistent = 1;
    state.fail_at = 1;
    CHECK_EQ(ss_block_read(w.machine, block, 0, &byte, 1), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_block_write(w.machine, block, 0, &byte, 1), STORSIM_NO_MEMORY);
    CHECK_EQ(ss_block_set(w.machine, id, 0, 1, 1), STORSIM_NO_MEMORY);
    CHECK_EQ(byte, 7);
    state.fail_at = state.requests + 2; /* the list of views, then the block's bytes */
    CHECK_EQ(storsim_block_export(w.machine, allocation.block, true, &data, &size, &token), STORSIM_NO_MEMORY);
    CHECK(data == NULL && token == 0);
    /* The same on a machine that has stopped. */
    state.fail_at = 0;
    ss_call_t call;
    CHECK_EQ(ss_call_begin(&call, w.machine, NULL, NULL), STORSIM_OK);
    (void)ss_bugcheck(&call, SS_DOUBLE_FREE, 0xC2, 7, 0, 0, 0, NULL);
    (void)ss_call_end(&call);
    state.fail_at = 1;
    CHECK_EQ(storsim_read_va(w.machine, va, &byte, 1), STORSIM_NO_MEMORY);
    state.fail_at = 0;
    CHECK_EQ(storsim_read_va(w.machine, va, &byte, 1), STORSIM_OK);
    machine_pin(w.machine);
    storsim_machine_destroy(w.machine);
    CHECK_EQ(state.live, 0);
}

/* The same beside pages that belong to nobody and were written: the block's frames have to be told then, and that needs
 * memory too. And where the cache holds a page of its own. */
static void test_first_look_beside(void) {
    for (int cached = 0; cached < 2; cached++) {
        failing_host_t state = {0};
        const storsim_host_t hook = FAILING_HOOK(&state);
        world_t w;
        ss_block_id_t id;
        uint8_t byte = 0;
        unsigned refused = 0;
        world_init(&w);
        w.hardware.host = &hook;
        world_boot(&w);
        CHECK_EQ(storsim_memory_write(w.machine, 0x2000, "loose", 5), STORSIM_OK);
        const ss_block_t *block = make(&w, STORSIM_BLOCK_DMA, 9000, false, &id);
        if (cached != 0) {
            CHECK_EQ(ss_bus_shadow(w.machine, block->pfn, block->pages, true), STORSIM_OK);
        }
        storsim_status_t status = STORSIM_NO_MEMORY;
        for (unsigned long at = 1; status != STORSIM_OK; at++) {
            state.fail_at = state.requests + at;
            status = cached != 0 ? ss_bus_cpu_write(w.machine, block->pfn * PAGE, "x", 1) : ss_block_read(w.machine, block, 0, &byte, 1);
            state.fail_at = 0;
            CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
            world_check(&w);
            refused += status != STORSIM_OK;
        }
        CHECK(refused >= 2);
        world_end(&w);
        CHECK_EQ(state.live, 0);
    }
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static void test_pieces(void) {
    world_t w;
    ss_block_id_t id = 0;
    world_start(&w, STORSIM_RELEASE);
    ss_pages_t *pages = ss_machine_pages(w.machine);
    ss_block_request_t request = {.kind = STORSIM_BLOCK_SRB_DATA, .size = 3 * PAGE, .highest = 0xFFF, .node = STORSIM_NODE_ANY, .cache = 1,
                                  .owner = 1, .scattered = true};
    CHECK_EQ(ss_block_make(w.machine, &request, &id), STORSIM_NO_SPACE); /* no page lies that low */
    /* Only single pages are free: what would come in pairs comes one by one. */
    for (uint64_t pfn = 0x100000; pfn < 0x102000; pfn += 2) {
        CHECK_EQ(ss_pages_take_at(pages, pfn, 1), STORSIM_OK);
    }
    CHECK_EQ(ss_pages_take_at(pages, 0x100, 0x1F00), STORSIM_OK);
    CHECK_EQ(ss_pages_take_at(pages, 1, 0x9F), STORSIM_OK);
    request.highest = UINT64_MAX;
    request.size = 1200 * PAGE;
    CHECK_EQ(ss_block_make(w.machine, &request, &id), STORSIM_OK);
    CHECK_EQ(ss_block_extent_count(w.machine, block_at(nt(&w), id)), 1200);
    /* A boundary of its own is kept below the one at 4 GiB. */
    const ss_block_request_t inside = {.kind = STORSIM_BLOCK_DMA, .size = PAGE, .highest = UINT64_MAX, .boundary = 2 * PAGE, .node = STORSIM_NODE_ANY,
                                       .cache = 1, .owner = 1, .no_cross_4g = true};
    CHECK_EQ(ss_block_make(w.machine, &inside, &id), STORSIM_OK);
    world_end(&w);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static void test_plain(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    const storsim_routine_t *at_dispatch = routine("StorPortBuildScatterGatherList"), *anywhere = routine("StorPortAllocatePool");
    CHECK(ss_call_plain(w.machine, anywhere) && !ss_call_plain(w.machine, at_dispatch)); /* the level is too low for it */
    ss_block_id_t slot;
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 100, TAG, 1, &slot), STORSIM_OK);
    uint64_t va = block_at(nt(&w), slot)->va;
    CHECK(ss_pool_plain(w.machine, 100, TAG));
    CHECK_EQ(ss_pool_plain_free(w.machine, va, 1), slot);
    CHECK_EQ(storsim_set_irql(w.machine, 5, NULL), STORSIM_OK);
    CHECK(!ss_pool_plain(w.machine, 100, TAG));
    CHECK_EQ(ss_pool_plain_free(w.machine, va, 1), 0);
    CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
    for (int32_t cache = -1; cache <= 3; cache++) {
        const ss_contig_args_t args = {.bytes = 5000, .highest = UINT64_MAX, .cache = cache, .node = STORSIM_NODE_ANY};
        CHECK_EQ(ss_contig_plain(w.machine, 1, &args), cache >= 0 && cache <= 2);
    }
    /* More is used than the budget allows since. */
    CHECK(nt_pool_allows(nt(&w), 10, 1));
    nt(&w)->config.nonpaged_budget = nt(&w)->pool_budget_used - 1;
    CHECK(!nt_pool_allows(nt(&w), 0, 1));
    nt(&w)->config.nonpaged_budget = UINT64_MAX;
    CHECK(strcmp(nt_namer.parameter(anywhere->id, 1), "NumberOfBytes") == 0);
    CHECK(nt_namer.parameter(anywhere->id, 200) == NULL && nt_namer.parameter(0, 0) == NULL);
    world_end(&w);
}

/* A slot that is taken back: from a full page whose class has another, from a page that still remembers one. */
static void test_slots(void) {
    world_t w;
    ss_block_id_t ids[200], last;
    uint32_t count = 0;
    world_start(&w, STORSIM_RELEASE);
    do { /* one page full, and one begun */
        CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 1000, TAG, 1, &ids[count]), STORSIM_OK);
    } while (block_at(nt(&w), ids[count++])->pool_page == block_at(nt(&w), ids[0])->pool_page);
    CHECK(count > 2);
    ss_block_undo(w.machine, ids[count - 2]); /* of the full one */
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 1000, TAG, 1, &last), STORSIM_OK);
    CHECK_EQ(block_at(nt(&w), last)->pool_page, block_at(nt(&w), ids[0])->pool_page);
    world_check(&w);
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 2000, TAG, 1, &ids[0]), STORSIM_OK);
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 2000, TAG, 1, &ids[1]), STORSIM_OK);
    CHECK_EQ(block_at(nt(&w), ids[0])->pool_page, block_at(nt(&w), ids[1])->pool_page);
    ss_block_free(w.machine, ids[0]);
    ss_block_undo(w.machine, ids[1]); /* the page stays as long as the other is remembered */
    CHECK_EQ(ss_block(w.machine, ids[0])->state, SS_STATE_QUARANTINED);
    world_end(&w);
}

/* Events are known by their address alone, addresses between blocks by none. */
static void test_events(void) {
    world_t w;
    uint64_t event;
    storsim_allocation_t allocation;
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(storsim_event_create(w.machine, &event), STORSIM_OK);
    uint64_t page = event - event % PAGE;
    unsigned known = 0;
    for (uint64_t at = page; at < page + PAGE; at += 8) {
        known += storsim_event_set(w.machine, at) == STORSIM_OK;
        CHECK(!storsim_allocation_at(w.machine, at, &allocation) || allocation.va == event);
    }
    CHECK_EQ(known, 1);
    /* A class that leaves a rest behind its last slot. */
    ss_block_id_t slot;
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 1000, TAG, 1, &slot), STORSIM_OK);
    page = block_at(nt(&w), slot)->va - block_at(nt(&w), slot)->va % PAGE;
    for (uint64_t at = page; at < page + PAGE; at += 8) {
        CHECK_EQ(storsim_event_set(w.machine, at), storsim_event_set(w.machine, 0));
        CHECK(!storsim_allocation_at(w.machine, at, &allocation) || allocation.va == block_at(nt(&w), slot)->va);
    }
    world_end(&w);
}

/* --- views -------------------------------------------------------------------------------------------------------- */

static uint64_t block_token(const world_t *w, uint64_t va) {
    storsim_allocation_t allocation;
    CHECK(storsim_allocation_at(w->machine, va, &allocation));
    return allocation.block;
}

/* A view keeps the record of its block, however small the quarantine, and keeps a restore away. */
static void test_views(void) {
    world_t w;
    uint8_t *bytes, *data;
    size_t length;
    uint64_t size, own;
    ss_block_id_t id, again;
    world_init(&w);
    w.config.quarantine = 0;
    world_boot(&w);
    CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
    (void)make(&w, STORSIM_BLOCK_DMA, 5000, false, &id);
    CHECK_EQ(storsim_block_export(w.machine, block_token(&w, block_at(nt(&w), id)->va), true, &data, &size, &own), STORSIM_OK);
    CHECK(storsim_restore(w.machine, bytes, length, NULL) != STORSIM_OK);
    ss_block_free(w.machine, id);
    (void)make(&w, STORSIM_BLOCK_DMA, 5000, false, &again);
    CHECK(again != id && block_at(nt(&w), id)->state == SS_STATE_QUARANTINED);
    CHECK_EQ(storsim_block_unexport(w.machine, own), STORSIM_OK);
    CHECK_EQ(block_at(nt(&w), id)->state, SS_STATE_FREE);
    CHECK_EQ(storsim_restore(w.machine, bytes, length, NULL), STORSIM_OK);
    /* A store that came too late is nobody's business on a machine that has stopped. */
    (void)make(&w, STORSIM_BLOCK_DMA, 5000, false, &id);
    CHECK_EQ(storsim_block_export(w.machine, block_token(&w, block_at(nt(&w), id)->va), true, &data, &size, &own), STORSIM_OK);
    ss_block_free(w.machine, id);
    data[3] = 1;
    ss_call_t call;
    CHECK_EQ(ss_call_begin(&call, w.machine, NULL, NULL), STORSIM_OK);
    (void)ss_bugcheck(&call, SS_DOUBLE_FREE, 0xC2, 7, 0, 0, 0, NULL);
    (void)ss_call_end(&call);
    size_t count = storsim_finding_count(w.machine);
    CHECK_EQ(storsim_block_unexport(w.machine, own), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), count);
    storsim_snapshot_free(w.machine, bytes);
    storsim_machine_destroy(w.machine);
}

/* --- devices ------------------------------------------------------------------------------------------------------ */

/* A device that went beyond its memory is remembered at the block it came from, once; never at another's, nor at one in
 * pieces. */
static void test_trespass(void) {
    world_t w;
    ss_block_id_t id, scattered;
    world_start(&w, STORSIM_RELEASE);
    ss_block_t *block = make(&w, STORSIM_BLOCK_DMA, 5000, false, &id);
    uint64_t end = (block->pfn + block->pages) * PAGE, start = block->pfn * PAGE;
    nt_overrun_trespass(w.machine, 1, NULL, 0, 1); /* nothing lies below the first page */
    nt_overrun_trespass(w.machine, 2, NULL, end, 1);
    CHECK_EQ(nt_rare(nt(&w), block)->trespass, 0); /* another's device */
    (void)make(&w, STORSIM_BLOCK_SRB_DATA, 2 * PAGE, true, &scattered);
    block = block_at(nt(&w), id);
    nt_overrun_trespass(w.machine, 1, block_at(nt(&w), scattered), end, 1);
    CHECK_EQ(nt_rare(nt(&w), block)->trespass, 0); /* it came from elsewhere */
    nt_overrun_trespass(w.machine, 1, block, end + 5, 1);
    CHECK_EQ(nt_rare(nt(&w), block)->trespass, block->va + 2 * PAGE + 5);
    nt_overrun_trespass(w.machine, 1, NULL, start - 3, 1);
    CHECK_EQ(nt_rare(nt(&w), block)->trespass, block->va + 2 * PAGE + 5); /* the first is what counts */
    nt(&w)->rares[block->rare - 1].trespass = 0;
    nt_overrun_trespass(w.machine, 1, NULL, start - 3, 1);
    CHECK_EQ(nt_rare(nt(&w), block)->trespass, block->va - 3);
    nt(&w)->rares[block->rare - 1].trespass = 0;
    uint32_t extents = block->extents;
    block->extents = 1; /* in pieces, its pages do not lie side by side */
    nt_overrun_trespass(w.machine, 1, NULL, end, 1);
    CHECK_EQ(nt_rare(nt(&w), block)->trespass, 0);
    block->extents = extents;
    world_end(&w);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

static uint32_t served[8], serves;
static storsim_status_t answer;

static storsim_status_t isr(storsim_machine_t *machine, uint32_t line, uint64_t context, bool *claimed) {
    served[serves++ % 8] = line;
    *claimed = true;
    if (context == 7) {
        ss_interrupt_disconnect(machine, line); /* from inside its own routine, and the line stays up */
        return STORSIM_OK;
    }
    storsim_status_t status = ss_line_set(machine, line, false);
    return answer != STORSIM_OK ? answer : status;
}

static const ss_kernel_ops_t ops = {.isr = isr};

static void test_lines(void) {
    world_t w;
    uint32_t first, second;
    uint8_t byte;
    world_start(&w, STORSIM_RELEASE);
    serves = 0;
    answer = STORSIM_OK;
    CHECK_EQ(ss_kernel_ops_register(w.machine, SS_ROOM_HDAUDIO, &ops), STORSIM_OK);
    CHECK_EQ(ss_line_add(w.machine, &first), STORSIM_OK);
    CHECK_EQ(ss_line_add(w.machine, &second), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, second, 5, SS_ROOM_HDAUDIO, 1), STORSIM_OK);
    CHECK_EQ(ss_interrupt_connect(w.machine, first, 5, SS_ROOM_HDAUDIO, 1), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(w.machine, 5, NULL), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, second, true), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, first, true), STORSIM_OK);
    CHECK_EQ(serves, 0);
    CHECK_EQ(storsim_set_irql(w.machine, 0, NULL), STORSIM_OK);
    CHECK(serves == 2 && served[0] == first && served[1] == second); /* of one level the lower line, though connected later */
    ss_interrupt_disconnect(w.machine, first);
    CHECK_EQ(ss_interrupt_connect(w.machine, first, 5, SS_ROOM_HDAUDIO, 7), STORSIM_OK);
    CHECK_EQ(ss_line_set(w.machine, first, true), STORSIM_OK);
    CHECK_EQ(serves, 3);
    CHECK_EQ(storsim_finding_count(w.machine), 0); /* nobody is told of a line without a routine */
    /* A line that rose unseen is served after the next access; what its routine says is the access's answer. */
    ss_block_id_t id;
    const ss_block_t *block = make(&w, STORSIM_BLOCK_DMA, 100, false, &id);
    w.machine->hardware.clock.lines[second - 1] = true;
    answer = STORSIM_CALLBACK;
    CHECK_EQ(storsim_read_va(w.machine, block->va, &byte, 1), STORSIM_CALLBACK);
    CHECK_EQ(serves, 4);
    answer = STORSIM_OK;
    world_end(&w);
}

/* --- verifying ---------------------------------------------------------------------------------------------------- */

static void test_verifying(void) {
    world_t w;
    ss_block_id_t id;
    world_init(&w);
    w.config.level = STORSIM_VERIFIER;
    w.config.verifier = STORSIM_V_SPECIAL_POOL | STORSIM_V_SYSTEMATIC;
    w.config.systematic_what_if = true;
    world_boot(&w);
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 100, TAG, 1, &id), STORSIM_OK);
    CHECK((block_at(nt(&w), id)->flags & BLOCK_SPECIAL) != 0);
    CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_OK);
    /* A special block in pieces is none. */
    uint8_t *bytes;
    size_t length;
    ss_block_id_t scattered;
    world_t other = w;
    world_boot(&other);
    (void)make(&w, STORSIM_BLOCK_SRB_DATA, 3 * PAGE, true, &scattered);
    for (int way = 0; way < 2; way++) {
        block_at(nt(&w), id)->extents = way == 0 ? block_at(nt(&w), scattered)->extents : 0;
        CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
        CHECK_EQ(storsim_restore(other.machine, bytes, length, NULL), way == 0 ? STORSIM_FORMAT : STORSIM_OK);
        storsim_snapshot_free(w.machine, bytes);
    }
    /* Paths are kept in order, found again, and counted outside of any call as well. */
    const uint16_t pool = routine("StorPortAllocatePool")->id;
    static const uint32_t sites[] = {9, 3, 5, 9, 3, 5};
    for (size_t i = 0; i < sizeof sites / sizeof sites[0]; i++) {
        storsim_set_site(w.machine, sites[i]);
        CHECK(nt(&w)->frame == NULL);
        CHECK_EQ(nt_scarce(w.machine, pool, TAG, 100), 0);
        CHECK_EQ(nt(&w)->path_count, i < 3 ? i + 1 : 3);
    }
    storsim_machine_destroy(other.machine);
    world_end(&w);
}

/* The header of a slot that is verified by nobody is told of once. */
static void test_header(void) {
    world_t w;
    ss_block_id_t id;
    const uint64_t wrong = 0x1122334455667788;
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 100, TAG, 1, &id), STORSIM_OK);
    const ss_block_t *block = block_at(nt(&w), id);
    CHECK_EQ(storsim_write_va(w.machine, block->va, "x", 1), STORSIM_OK);
    uint64_t physical = storsim_physical(w.machine, block->va) - POOL_HEADER;
    CHECK_EQ(ss_ram_write(ss_machine_ram(w.machine), physical, &wrong, sizeof wrong), STORSIM_OK);
    for (int times = 0; times < 2; times++) {
        (void)storsim_verify_guards(w.machine);
        CHECK_EQ(storsim_finding_count(w.machine), 1);
        CHECK_LAST(&w, "OVERRUN");
        CHECK_EQ(last_finding(&w)->address, block->va - POOL_HEADER);
    }
    world_end(&w);
}

/* A list of the port's that spans two pages, written over both: told once. And stores that wait in the processor, which
 * the host cannot take. */
static void test_stores(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    world_t w;
    ss_block_id_t id;
    uint8_t bytes[2 * PAGE] = {1};
    world_init(&w);
    w.hardware.host = &hook;
    world_boot(&w);
    ss_block_t *block = make(&w, STORSIM_BLOCK_DMA, 2 * PAGE, false, &id);
    block->kind = STORSIM_BLOCK_SG_LIST;
    (void)storsim_write_va(w.machine, block->va, bytes, sizeof bytes);
    CHECK_EQ(storsim_finding_count(w.machine), 1);
    CHECK_LAST(&w, "SG_LIST_MODIFIED");
    block->kind = STORSIM_BLOCK_DMA;
    ss_block_id_t waits, plain;
    uint64_t combined = make(&w, STORSIM_BLOCK_DMA, PAGE, false, &waits)->va, uncached = make(&w, STORSIM_BLOCK_DMA, PAGE, false, &plain)->va;
    block_at(nt(&w), waits)->cache = 2;
    block_at(nt(&w), plain)->cache = 0;
    CHECK_EQ(ss_bus_shadow_combining(w.machine, block_at(nt(&w), waits)->pfn, 1), STORSIM_OK);
    CHECK_EQ(storsim_read_va(w.machine, uncached, bytes, 1), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_write(w.machine, storsim_physical(w.machine, combined), "x", 1), STORSIM_OK); /* nobody has looked there yet */
    state.persistent = 1;
    state.fail_at = 1;
    CHECK_EQ(storsim_read_va(w.machine, uncached, bytes, 1), STORSIM_NO_MEMORY);
    state.fail_at = 0;
    CHECK_EQ(storsim_read_va(w.machine, uncached, bytes, 1), STORSIM_OK);
    world_end(&w);
    CHECK_EQ(state.live, 0);
}

int main(void) {
    test_undo();
    test_cursor();
    test_registers_expire();
    test_described();
    test_extents();
    test_first_look();
    test_first_look_beside();
    test_pieces();
    test_plain();
    test_slots();
    test_events();
    test_views();
    test_trespass();
    test_lines();
    test_verifying();
    test_header();
    test_stores();
    return CHECK_DONE();
}
