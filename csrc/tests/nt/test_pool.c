/* Nonpaged pool: shape of blocks, budgets, quarantine of slots, pages given back, and every row of allocation and free.
 */
#include "world.h"

static void shapes(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t before = world_free(&w), digest = world_digest(&w);
    static const uint64_t sizes[] = {1, 8, 16, 31, 32, 100, 256, 1000, 2016, 2032, 2033, 4000, 4048, 4049, 4064};
    ss_block_id_t ids[16];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        ids[i] = pool_get(&w, sizes[i], TAG, STORSIM_OK);
        uint64_t va = va_of(&w, ids[i]);
        CHECK_EQ(va % 16, 0);
        CHECK(va % 4096 != 0);                           /* a header lies before it */
        CHECK_EQ(va / 4096, (va + sizes[i] - 1) / 4096); /* never across a page */
        uint8_t header[16];
        CHECK_EQ(storsim_read_va(w.machine, va - 16, header, 16), STORSIM_OK);
        CHECK(header[2] >= (16 + sizes[i] + 15) / 16);
        CHECK_EQ(header[3], 2);
        CHECK(memcmp(header + 4, "Test", 4) == 0);
        CHECK_EQ(ss_pool_type(w.machine), 512);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pool_put(&w, va_of(&w, ids[i]), STORSIM_OK);
        world_check(&w);
    }
    CHECK_EQ(world_free(&w), before);
    CHECK_EQ(world_digest(&w), digest);
    static const uint64_t large[] = {4065, 4095, 4096, 4097, 8192, 100000, 3 << 20};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        ss_block_id_t id = pool_get(&w, large[i], TAG, STORSIM_OK);
        CHECK_EQ(va_of(&w, id) % 4096, 0);
        CHECK_EQ(before - world_free(&w), (large[i] + 4095) / 4096 * 4096);
        pool_put(&w, va_of(&w, id), STORSIM_OK);
    }
    CHECK_EQ(world_free(&w), before);
    CHECK_EQ(world_digest(&w), digest);
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    world_end(&w);
}

/* Blocks of one size fill a page before the next is taken, and no slot overlaps another. */
static void pages(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t before = world_free(&w);
    uint64_t last = 0;
    ss_block_id_t ids[128];
    for (int i = 0; i < 128; i++) {
        ids[i] = pool_get(&w, 10, TAG, STORSIM_OK); /* header, block, guard: 48 bytes, 85 to a page */
        uint64_t va = va_of(&w, ids[i]);
        CHECK(last == 0 || va >= last + 48);
        last = va;
        CHECK_EQ(before - world_free(&w), i < 85 ? 4096 : 8192);
    }
    world_check(&w);
    /* The last live block of a page gives the frame back at once. */
    for (int i = 0; i < 85; i++) {
        CHECK_EQ(before - world_free(&w), 8192);
        pool_put(&w, va_of(&w, ids[i]), STORSIM_OK);
    }
    CHECK_EQ(before - world_free(&w), 4096);
    ss_pool_usage_t usage;
    ss_pool_usage(w.machine, &usage);
    CHECK_EQ(usage.blocks, 43);
    CHECK_EQ(usage.bytes, 430);
    CHECK_EQ(usage.budget_used, 430);
    world_end(&w);
}

/* A freed slot is not handed out before the quarantine let it go. */
static void quarantine(void) {
    world_t w;
    world_init(&w);
    w.config.quarantine = 480; /* ten slots of 48 bytes */
    world_boot(&w);
    ss_block_id_t keep = pool_get(&w, 10, TAG, STORSIM_OK);
    uint64_t freed[40];
    for (int i = 0; i < 40; i++) {
        ss_block_id_t id = pool_get(&w, 10, TAG, STORSIM_OK);
        freed[i] = va_of(&w, id);
        CHECK(freed[i] != va_of(&w, keep));
        for (int j = i > 10 ? i - 10 : 0; j < i; j++) {
            CHECK(freed[i] != freed[j]);
        }
        pool_put(&w, freed[i], STORSIM_OK);
        world_check(&w);
    }
    bool reused = false;
    for (int i = 11; i < 40; i++) {
        reused = reused || freed[i] == freed[i - 11];
    }
    CHECK(reused);
    world_end(&w);
    world_init(&w);
    w.config.quarantine = 0;
    world_boot(&w);
    keep = pool_get(&w, 10, TAG, STORSIM_OK);
    uint64_t va = va_of(&w, pool_get(&w, 10, TAG, STORSIM_OK));
    pool_put(&w, va, STORSIM_OK);
    CHECK_EQ(ss_block_around(w.machine, va), 0);
    CHECK_EQ(va_of(&w, pool_get(&w, 10, TAG, STORSIM_OK)), va);
    world_end(&w);
}

static void contents(void) {
    for (int zero = 0; zero < 2; zero++) {
        world_t w;
        world_init(&w);
        w.config.zero_pool = zero != 0;
        world_boot(&w);
        ss_block_id_t keep = pool_get(&w, 100, TAG, STORSIM_OK), id = pool_get(&w, 100, TAG, STORSIM_OK);
        uint64_t va = va_of(&w, id);
        uint8_t bytes[128];
        CHECK_EQ(storsim_read_va(w.machine, va, bytes, 112), STORSIM_OK);
        for (int i = 0; i < 100; i++) {
            CHECK((bytes[i] == 0) == (zero != 0));
        }
        for (int i = 100; i < 112; i++) {
            CHECK_EQ(bytes[i], 0x0F);
        }
        uint64_t pa = storsim_physical(w.machine, va);
        pool_put(&w, va, STORSIM_OK);
        CHECK_EQ(storsim_memory_read(w.machine, pa, bytes, 100), STORSIM_OK);
        for (int i = 0; i < 100; i++) {
            CHECK_EQ(bytes[i], SS_POISON);
        }
        CHECK_EQ(storsim_physical(w.machine, va_of(&w, keep)), pa_of(&w, keep));
        world_end(&w);
    }
}

static void budget(void) {
    world_t w;
    world_init(&w);
    w.config.nonpaged_budget = 100;
    world_boot(&w);
    uint32_t owner;
    CHECK_EQ(ss_owner_add(w.machine, 50, UINT64_MAX, &owner), STORSIM_OK);
    CHECK_EQ(owner, 1);
    CHECK_EQ(pool_get(&w, 51, TAG, STORSIM_OK), 0);
    ss_block_id_t id = pool_get(&w, 50, TAG, STORSIM_OK);
    CHECK(id != 0);
    CHECK_EQ(pool_get(&w, 1, TAG, STORSIM_OK), 0);
    ss_block_id_t other;
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 51, TAG, 2, &other), STORSIM_NO_SPACE);
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_POOL, 50, TAG, 2, &other), STORSIM_OK);
    CHECK_EQ(ss_pool_take(w.machine, STORSIM_BLOCK_EVENT, 500, TAG, 2, &other), STORSIM_OK); /* not the driver's */
    pool_put(&w, va_of(&w, id), STORSIM_OK);
    CHECK(pool_get(&w, 50, TAG, STORSIM_OK) != 0);
    world_end(&w);
    world_init(&w);
    w.config.nonpaged_budget = 0;
    world_boot(&w);
    CHECK_EQ(pool_get(&w, 64, TAG, STORSIM_OK), 0); /* C05 */
    uint64_t event;
    CHECK_EQ(storsim_event_create(w.machine, &event), STORSIM_OK);
    world_end(&w);
}

static void exhaustion(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t before = world_digest(&w);
    size_t count = 0;
    static ss_block_id_t ids[20000];
    for (;;) {
        ss_block_id_t id = pool_get(&w, 4000, TAG, STORSIM_OK);
        if (id == 0) {
            break;
        }
        ids[count++] = id;
    }
    CHECK_EQ(world_free(&w), 0);
    CHECK_EQ(count, storsim_memory_total_pages(w.machine,
                                               STORSIM_NODE_ANY)); /* other nodes serve once the local one is full */
    CHECK_EQ(pool_get(&w, 1 << 20, TAG, STORSIM_OK), 0);
    for (size_t i = 0; i < count; i++) {
        pool_put(&w, va_of(&w, ids[i]), STORSIM_OK);
    }
    CHECK_EQ(world_digest(&w), before);
    world_end(&w);
}

static void nodes(void) {
    world_t w;
    world_init(&w);
    w.config.cpus = 2;
    world_boot(&w);
    CHECK_EQ(ss_block(w.machine, pool_get(&w, 100, TAG, STORSIM_OK))->node, 0);
    CHECK_EQ(storsim_set_cpu(w.machine, 1), STORSIM_OK);
    CHECK_EQ(ss_block(w.machine, pool_get(&w, 100, TAG, STORSIM_OK))->node, 1);
    CHECK_EQ(ss_block(w.machine, pool_get(&w, 9000, TAG, STORSIM_OK))->node, 1);
    CHECK_EQ(storsim_set_cpu(w.machine, 2), STORSIM_INVALID);
    world_end(&w);
}

/* --- rows of the tables ------------------------------------------------------------------------------------------- */

static void bad_requests(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_id_t zero = pool_get(&w, 0, TAG, STORSIM_OK), next = pool_get(&w, 0, TAG, STORSIM_OK);
    CHECK(zero != 0 && va_of(&w, zero) != va_of(&w, next));
    CHECK_LAST(&w, "ZERO_LENGTH");
    static const uint32_t bad[] = {0, 0x20474942, 0x00474942, 0x20202020, 0x2D2D2D2D};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t findings = storsim_finding_count(w.machine);
        CHECK(pool_get(&w, 10, bad[i], STORSIM_OK) != 0);
        CHECK_EQ(storsim_finding_count(w.machine), findings + 1);
        CHECK_LAST(&w, "BAD_TAG");
    }
    world_end(&w);
    world_start(&w, STORSIM_VERIFIER);
    (void)pool_get(&w, 0, TAG, STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xC4, 0x00, 0, 512, 0); /* C13 */
    frame_t frame;
    CHECK_EQ(ss_call_begin(&frame.call, w.machine, routine("StorPortAllocatePool"), frame.args), STORSIM_STOPPED);
    world_end(&w);
    static const uint64_t codes[] = {0x9B, 0x9C, 0x9C, 0x9D, 0x9D};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        world_init(&w);
        w.config.level = STORSIM_VERIFIER;
        w.config.os = 0x06010000;
        world_boot(&w);
        storsim_set_site(w.machine, 77);
        (void)pool_get(&w, 10, bad[i], STORSIM_BUGCHECK);
        CHECK_STOP(&w, 0xC2, codes[i], i < 3 ? 0u : bad[i], i < 3 ? 10u : 0u, 77);
        world_end(&w);
    }
    world_init(&w);
    w.config.level = STORSIM_VERIFIER;
    w.config.zero_tag_fail = true;
    world_boot(&w);
    CHECK_EQ(pool_get(&w, 10, 0, STORSIM_OK), 0);
    CHECK_LAST(&w, "BAD_TAG");
    world_end(&w);
}

static void free_twice(void) {
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) {
        world_t w;
        world_start(&w, (storsim_level_t)level);
        storsim_set_site(w.machine, 11);
        uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
        storsim_set_site(w.machine, 12);
        pool_put(&w, va, STORSIM_OK);
        storsim_set_site(w.machine, 13);
        pool_put(&w, va, STORSIM_BUGCHECK);
        uint64_t header = UINT64_C(0x7473655400090000);
        if (level == STORSIM_RELEASE) {
            CHECK_STOP(&w, 0xC2, 0x07, 0, header, va); /* C09 */
        } else {
            CHECK_STOP(&w, 0xC4, 0x13, 0, va - 16, header);
        }
        const storsim_finding_t *stop = storsim_stopped(w.machine);
        CHECK_EQ(stop->allocated_at, 11);
        CHECK_EQ(stop->freed_at, 12);
        CHECK_EQ(stop->site, 13);
        CHECK_EQ(stop->owner, 1);
        const storsim_finding_t *event = storsim_finding_get(w.machine, storsim_finding_count(w.machine) - 2);
        CHECK(strcmp(event->name, "StorPortAllocatePool") == 0);
        world_end(&w);
    }
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    uint64_t va = va_of(&w, pool_get(&w, 5000, TAG, STORSIM_OK));
    pool_put(&w, va, STORSIM_OK);
    pool_put(&w, va, STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xC4, 0x13, 0, va, 0); /* whole pages have no header */
    world_end(&w);
    world_init(&w);
    w.config.quarantine = 0; /* forgotten, but the start of an unused slot */
    world_boot(&w);
    (void)pool_get(&w, 100, TAG, STORSIM_OK);
    va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    pool_put(&w, va, STORSIM_OK);
    pool_put(&w, va, STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xC2, 0x07, 0, 0, va);
    world_end(&w);
}

static void stop_with(storsim_level_t level, int what, uint64_t code, uint64_t p1) {
    world_t w;
    world_start(&w, level);
    uint64_t pool = va_of(&w, pool_get(&w, 256, TAG, STORSIM_OK)),
             large = va_of(&w, pool_get(&w, 10000, TAG, STORSIM_OK));
    ss_block_id_t dma = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(8192), STORSIM_OK);
    ss_block_request_t port = {
        .kind = STORSIM_BLOCK_UNCACHED, .size = 8192, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY, .cache = 1};
    ss_block_id_t uncached;
    CHECK_EQ(ss_block_make(w.machine, &port, &uncached), STORSIM_OK);
    uint64_t before = world_digest(&w);
    uint64_t addresses[] = {pool + 16,
                            pool - 16,
                            large + 4096,
                            0x1000,
                            va_of(&w, dma),
                            va_of(&w, dma) + 5000,
                            va_of(&w, uncached),
                            large + (1 << 30),
                            UINT64_C(0xFFFFF80000001000),
                            UINT64_C(0x0000900000000000)};
    uint64_t va = addresses[what];
    pool_put(&w, va, STORSIM_BUGCHECK);
    uint64_t p2 = va, p3 = 0, p4 = 0;
    if (p1 == 0x40) {
        p3 = UINT64_C(0xFFFF800000000000);
    }
    if (p1 == 0x41) {
        p3 = (pa_of(&w, dma) + (va - va_of(&w, dma))) / 4096;
        p4 = UINT64_C(0x101FFF);
    }
    CHECK_STOP(&w, code, p1, p2, p3, p4);
    uint64_t dead = world_digest(&w);
    CHECK(dead != before); /* being dead shows */
    world_end(&w);
}

static void bad_pointers(void) {
    static const struct {
        int what;
        uint64_t release, p1, verifier, v1;
    } rows[] = {{0, 0xC2, 0x99, 0xC4, 0x10}, {1, 0xC2, 0x99, 0xC4, 0x10}, {2, 0xC2, 0x99, 0xC4, 0x10},
                {3, 0xC2, 0x40, 0xC2, 0x40}, {4, 0xC2, 0x41, 0xC2, 0x41}, {5, 0xC2, 0x41, 0xC2, 0x41},
                {6, 0xC2, 0x42, 0xC4, 0x10}, {7, 0xC2, 0x42, 0xC4, 0x10}, {8, 0xC2, 0x42, 0xC4, 0x10},
                {9, 0xC2, 0x40, 0xC2, 0x40}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        stop_with(STORSIM_RELEASE, rows[i].what, rows[i].release, rows[i].p1);
        stop_with(STORSIM_VERIFIER, rows[i].what, rows[i].verifier, rows[i].v1);
        stop_with(STORSIM_STRICT, rows[i].what, rows[i].verifier, rows[i].v1);
    }
}

static void wrong_adapter(void) {
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) {
        world_t w;
        world_start(&w, (storsim_level_t)level);
        uint64_t free_before = world_free(&w);
        uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
        frame_t frame;
        CHECK_EQ(ss_pool_return(begin(&w, &frame, "StorPortFreePool", 2), STORSIM_BLOCK_POOL, va), STORSIM_OK);
        CHECK_EQ(ss_call_end(&frame.call), level == STORSIM_STRICT ? STORSIM_VIOLATION : STORSIM_OK);
        CHECK_LAST(&w, "WRONG_ADAPTER");
        CHECK_EQ(last_finding(&w)->owner, 2);
        CHECK_EQ(world_free(&w), free_before); /* done all the same */
        world_end(&w);
    }
}

/* V11: only with bypass_irql_status does a bad level come this far. */
static void above_dispatch(void) {
    for (int level = STORSIM_RELEASE; level <= STORSIM_VERIFIER; level++) {
        for (int freeing = 0; freeing < 2; freeing++) {
            world_t w;
            world_init(&w);
            w.config.level = (storsim_level_t)level;
            w.config.bypass_irql_status = true;
            world_boot(&w);
            uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
            CHECK_EQ(storsim_set_irql(w.machine, 5, NULL), STORSIM_OK);
            if (freeing) {
                pool_put(&w, va, STORSIM_BUGCHECK);
            } else {
                (void)pool_get(&w, 64, TAG, STORSIM_BUGCHECK);
            }
            uint64_t action = level == STORSIM_RELEASE ? (freeing ? 0x09 : 0x08) : (freeing ? 0x12 : 0x02);
            CHECK_STOP(&w, level == STORSIM_RELEASE ? 0xC2u : 0xC4u, action, 5, 512, freeing ? va : 64u);
            CHECK(strcmp(storsim_bugcheck_name(storsim_stopped(w.machine)->code),
                         level == STORSIM_RELEASE ? "BAD_POOL_CALLER" : "DRIVER_VERIFIER_DETECTED_VIOLATION") == 0);
            world_end(&w);
        }
    }
}

static void injected(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    storsim_fault_rule_t rule = {.kind = STORSIM_FAULT_NTH, .routine = routine("StorPortAllocatePool")->id, .first = 1};
    uint32_t id;
    CHECK_EQ(storsim_fault_add(w.machine, &rule, &id), STORSIM_OK);
    uint64_t before = world_digest(&w);
    CHECK_EQ(pool_get(&w, 100, TAG, STORSIM_OK), 0);
    CHECK_EQ(world_digest(&w), before);
    CHECK_EQ(storsim_injected_count(w.machine), 1);
    CHECK(pool_get(&w, 100, TAG, STORSIM_OK) != 0);
    world_end(&w);
}

/* --- pages nobody touched --- */

/* Every byte of pool memory, as the debugger sees it, and what the machine says of itself, is the same whether a page
 * was looked at before or not. */
static void same(world_t *looked, world_t *left) {
    uint8_t *bytes[2];
    size_t length[2];
    CHECK_EQ(world_digest(looked), world_digest(left));
    CHECK_EQ(storsim_snapshot(looked->machine, &bytes[0], &length[0]), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(left->machine, &bytes[1], &length[1]), STORSIM_OK);
    CHECK_EQ(length[0], length[1]);
    CHECK(length[0] == length[1] && memcmp(bytes[0], bytes[1], length[0]) == 0);
    storsim_snapshot_free(looked->machine, bytes[0]);
    storsim_snapshot_free(left->machine, bytes[1]);
    world_check(looked);
    world_check(left);
}

static void look(world_t *w, uint64_t va, uint8_t page[4096]) {
    CHECK_EQ(storsim_memory_read(w->machine, storsim_physical(w->machine, va) & ~UINT64_C(4095), page, 4096), STORSIM_OK);
}

/* The same allocations, frees and stores in two worlds, one of which looks at every page at once. */
static void untouched(void) {
    world_t worlds[2];
    uint64_t live[64];
    uint32_t count = 0, random = 1;
    world_start(&worlds[0], STORSIM_VERIFIER);
    world_start(&worlds[1], STORSIM_VERIFIER);
    storsim_checkpoint_t *point = NULL;
    for (int step = 0; step < 1500; step++) {
        random = random * 1103515245u + 12345u;
        uint32_t choice = random >> 16;
        if (count < 64 && choice % 5 < 3) {
            uint64_t size = 1 + choice / 5 % (choice % 7 == 0 ? 4000 : 300);
            live[count] = va_of(&worlds[0], pool_get(&worlds[0], size, TAG, STORSIM_OK));
            CHECK_EQ(va_of(&worlds[1], pool_get(&worlds[1], size, TAG, STORSIM_OK)), live[count]);
            count++;
        } else if (count != 0) {
            uint32_t at = choice % count;
            if (choice % 11 == 0) {
                CHECK_EQ(storsim_write_va(worlds[0].machine, live[at], "x", 1), STORSIM_OK);
                CHECK_EQ(storsim_write_va(worlds[1].machine, live[at], "x", 1), STORSIM_OK);
            }
            pool_put(&worlds[0], live[at], STORSIM_OK);
            pool_put(&worlds[1], live[at], STORSIM_OK);
            live[at] = live[--count];
        }
        uint8_t page[4096];
        for (uint32_t i = 0; i < count; i++) {
            look(&worlds[0], live[i], page);
        }
        if (step % 100 == 99) {
            same(&worlds[0], &worlds[1]);
        }
        if (step == 700) { /* looked at and freed after a checkpoint: going back forgets both */
            CHECK_EQ(storsim_checkpoint_take(worlds[1].machine, &point), STORSIM_OK);
            for (uint32_t i = 0; i < count; i++) {
                look(&worlds[1], live[i], page);
                pool_put(&worlds[1], live[i], STORSIM_OK);
            }
            CHECK_EQ(storsim_checkpoint_restore(worlds[1].machine, point), STORSIM_OK);
            storsim_checkpoint_free(worlds[1].machine, point);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        uint8_t pages[2][4096];
        look(&worlds[0], live[i], pages[0]);
        look(&worlds[1], live[i], pages[1]);
        CHECK(memcmp(pages[0], pages[1], 4096) == 0);
    }
    same(&worlds[0], &worlds[1]);
    world_end(&worlds[0]);
    world_end(&worlds[1]);
}

int main(void) {
    shapes();
    pages();
    quarantine();
    contents();
    budget();
    exhaustion();
    nodes();
    bad_requests();
    free_twice();
    bad_pointers();
    wrong_adapter();
    above_dispatch();
    injected();
    untouched();
    return CHECK_PINNED(nt_test_pool);
}
