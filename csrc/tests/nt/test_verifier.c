/* The verifier's checks in the kernel room: special pool, guards of pool and contiguous memory, scarcity. For every one
 * a program that breaks the rule and one that does not. */
#include "world.h"

#define PAGE_BYTES UINT64_C(4096)

static void start(world_t *world, uint32_t verifier) {
    world_init(world);
    world->config.level = STORSIM_VERIFIER;
    world->config.verifier = verifier;
}

static storsim_status_t store(world_t *world, uint64_t va, uint8_t value) {
    return storsim_write_va(world->machine, va, &value, 1);
}

static storsim_status_t load(world_t *world, uint64_t va) {
    uint8_t value;
    return storsim_read_va(world->machine, va, &value, 1);
}

/* --- special pool ------------------------------------------------------------------------------------------------- */

static void special_end(void) {
    for (uint64_t size = 1; size < PAGE_BYTES; size += 819) {
        world_t w;
        start(&w, STORSIM_V_SPECIAL_POOL);
        world_boot(&w);
        uint64_t va = va_of(&w, pool_get(&w, size, TAG, STORSIM_OK));
        CHECK_EQ((va + size) % PAGE_BYTES, 0);
        CHECK_EQ(store(&w, va, 1), STORSIM_OK);
        CHECK_EQ(store(&w, va + size - 1, 1), STORSIM_OK);
        CHECK_EQ(storsim_physical(w.machine, va + size - 1) % PAGE_BYTES, PAGE_BYTES - 1);
        world_check(&w);
        CHECK_EQ(load(&w, va + size), STORSIM_BUGCHECK); /* V1 */
        CHECK_STOP(&w, 0xD6, va + size, 0, 0, 0);
        CHECK_LAST(&w, "SPECIAL_POOL_OVERRUN");
        world_end(&w);
    }
}

static void special_pattern(void) {
    static const struct {
        int at;
        uint8_t value, action;
        bool start;
    } cases[] = {{-1, 0xFF, 0x23, false}, {-1, 0x0E, 0x32, false}, {-7, 0x8F, 0x32, false}, {100, 0xFF, 0x24, true},
                 {100, 0x0E, 0x24, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_t w;
        start(&w, STORSIM_V_SPECIAL_POOL);
        w.config.special_pool_start = cases[i].start;
        world_boot(&w);
        uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)), at = va + (uint64_t)(int64_t)cases[i].at;
        CHECK_EQ(store(&w, at, cases[i].value), STORSIM_OK);
        pool_put(&w, va, STORSIM_BUGCHECK); /* V2, V3 */
        CHECK_STOP(&w, 0xC1, va, at, 0, cases[i].action);
        world_end(&w);
    }
}

static void special_late(void) {
    world_t w;
    start(&w, STORSIM_V_SPECIAL_POOL);
    world_boot(&w);
    uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    pool_put(&w, va, STORSIM_OK);
    CHECK_EQ(store(&w, va + 5, 1), STORSIM_BUGCHECK); /* V4 */
    CHECK_STOP(&w, 0xD5, va + 5, 1, 0, 0);
    world_end(&w);
}

static void special_free(void) {
    world_t w;
    start(&w, STORSIM_V_SPECIAL_POOL);
    world_boot(&w);
    uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    pool_put(&w, va + 10, STORSIM_BUGCHECK); /* V5 */
    CHECK_STOP(&w, 0xC1, va + 10, 100, 90, 0x21);
    world_end(&w);

    start(&w, STORSIM_V_SPECIAL_POOL);
    world_boot(&w);
    va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    pool_put(&w, va, STORSIM_OK);
    pool_put(&w, va, STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xC1, va, 0, 0, 0x20);
    world_end(&w);

    start(&w, STORSIM_V_SPECIAL_POOL);
    world_boot(&w);
    uint64_t unknown = UINT64_C(0xFFFFB00000001000);
    pool_put(&w, unknown, STORSIM_BUGCHECK);
    CHECK_STOP(&w, 0xC1, unknown, 0, 0, 0x20);
    world_end(&w);
}

static void special_limits(void) {
    world_t w;
    start(&w, STORSIM_V_SPECIAL_POOL);
    w.config.special_pool_pages = 1;
    world_boot(&w);
    storsim_verifier_counters_t counters;
    ss_block_id_t page = pool_get(&w, PAGE_BYTES, TAG, STORSIM_OK);
    storsim_verifier_counters(w.machine, &counters);
    CHECK_EQ(counters.special_pool_live + counters.special_pool_fallbacks, 0);
    ss_block_id_t one = pool_get(&w, 64, TAG, STORSIM_OK), two = pool_get(&w, 64, TAG, STORSIM_OK);
    storsim_verifier_counters(w.machine, &counters);
    CHECK_EQ(counters.special_pool_live, 1);
    CHECK_EQ(counters.special_pool_fallbacks, 1);
    uint64_t free_before = world_free(&w), digest = world_digest(&w);
    uint8_t *bytes;
    size_t length, where;
    CHECK_EQ(storsim_snapshot(w.machine, &bytes, &length), STORSIM_OK);
    uint64_t vas[] = {va_of(&w, one), va_of(&w, two), va_of(&w, page)};
    for (size_t i = 0; i < 3; i++) {
        pool_put(&w, vas[i], STORSIM_OK);
    }
    CHECK_EQ(storsim_restore(w.machine, bytes, length, &where), STORSIM_OK);
    storsim_snapshot_free(w.machine, bytes);
    CHECK_EQ(world_digest(&w), digest);
    CHECK_EQ(world_free(&w), free_before);
    storsim_verifier_counters(w.machine, &counters);
    CHECK_EQ(counters.special_pool_live, 1);
    for (size_t i = 0; i < 3; i++) {
        pool_put(&w, vas[i], STORSIM_OK);
    }
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    world_end(&w);
}

/* Each host allocation of a special pool request failing leaves the machine as it was. */
typedef struct failing {
    uint64_t count, at;
} failing_t;

static void *fail_allocate(void *context, size_t bytes) {
    failing_t *failing = context;
    return ++failing->count == failing->at ? NULL : malloc(bytes);
}

static void *fail_zeroed(void *context, size_t bytes) {
    failing_t *failing = context;
    return ++failing->count == failing->at ? NULL : calloc(1, bytes);
}

static void *fail_resize(void *context, void *block, size_t bytes) {
    failing_t *failing = context;
    return ++failing->count == failing->at ? NULL : realloc(block, bytes);
}

static void fail_release(void *context, void *block) {
    (void)context;
    free(block);
}

static void special_failing_host(void) {
    for (uint64_t step = 1; step < 40; step++) {
        failing_t failing = {0, 0};
        const storsim_host_t host = {fail_allocate, fail_zeroed, fail_resize, fail_release, &failing};
        world_t w;
        start(&w, STORSIM_V_SPECIAL_POOL | STORSIM_V_SYSTEMATIC);
        w.config.systematic_what_if = true;
        w.hardware.host = &host;
        world_boot(&w);
        uint64_t digest = world_digest(&w), before = world_free(&w);
        failing.at = failing.count + step;
        frame_t frame;
        ss_block_id_t id = 0;
        ss_contig_outcome_t outcome = ss_pool_request(begin(&w, &frame, "StorPortAllocatePool", 1), 200, TAG, &id);
        storsim_status_t status = ss_call_end(&frame.call);
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        failing.at = 0;
        if (outcome != SS_CONTIG_OK) {
            CHECK_EQ(world_free(&w), before);
            CHECK_EQ(world_digest(&w), digest);
        } else {
            pool_put(&w, va_of(&w, id), STORSIM_OK);
        }
        world_end(&w);
    }
}

/* --- guards ------------------------------------------------------------------------------------------------------- */

static void pool_overrun(void) {
    static const uint64_t sizes[] = {1, 15, 16, 100, 1000, 4000, 5000, 8191};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int tracking = 0; tracking < 2; tracking++) {
            world_t w;
            start(&w, tracking ? STORSIM_V_POOL_TRACKING : 0);
            world_boot(&w);
            uint64_t size = sizes[i], va = va_of(&w, pool_get(&w, size, TAG, STORSIM_OK));
            CHECK_EQ(store(&w, va + size - 1, 1), STORSIM_OK);
            CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_OK);
            CHECK_EQ(store(&w, va + size, 0xAA), STORSIM_OK);
            bool seen = tracking || size < PAGE_BYTES; /* a plain kernel has nothing behind whole pages */
            pool_put(&w, va, seen ? STORSIM_BUGCHECK : STORSIM_OK);
            if (seen && tracking) {
                CHECK_STOP(&w, 0xC4, 0x51, va, va + size, size); /* V9 */
            } else if (seen) {
                CHECK_EQ(storsim_stopped(w.machine)->code, 0x19);
                CHECK_EQ(storsim_stopped(w.machine)->parameters[0], 0x21);
                CHECK_EQ(storsim_stopped(w.machine)->parameters[3] & 0xFF, 0xAA);
            }
            world_end(&w);
        }
    }
}

static void pool_header(void) {
    static const struct {
        uint64_t back;
        uint64_t action;
    } cases[] = {{16, 0x54}, {14, 0x13F}, {12, 0x54}, {9, 0x54}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_t w;
        start(&w, STORSIM_V_POOL_TRACKING);
        world_boot(&w);
        uint64_t va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
        CHECK_EQ(store(&w, va - cases[i].back, 0x77), STORSIM_OK);
        pool_put(&w, va, STORSIM_BUGCHECK);
        CHECK_EQ(storsim_stopped(w.machine)->parameters[0], cases[i].action); /* V9, V13 */
        CHECK_LAST(&w, "POOL_HEADER_DAMAGED");
        world_end(&w);
    }
}

static void contig_slack(void) {
    for (int on = 0; on < 2; on++) {
        world_t w;
        start(&w, on ? STORSIM_V_DMA : 0);
        world_boot(&w);
        ss_block_id_t id = contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(5000), STORSIM_OK);
        uint64_t va = va_of(&w, id);
        CHECK_EQ(store(&w, va + 4999, 1), STORSIM_OK);
        CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_OK);
        CHECK_EQ(storsim_finding_count(w.machine), 0);
        CHECK_EQ(store(&w, va + 5001, 1), STORSIM_OK);
        if (on) {
            CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_BUGCHECK); /* V20 */
            CHECK_STOP(&w, 0xE6, 0x0F, 5, va, va + 5001);
            CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_OK); /* what is dead is judged no more */
        } else {
            CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_OK);
            CHECK_EQ(storsim_verify_guards(w.machine), STORSIM_OK);
            CHECK_EQ(storsim_finding_count(w.machine), 1);
            CHECK_LAST(&w, "OVERRUN");
            contig_put(&w, STORSIM_BLOCK_DMA, va, 5000, 1, 0, STORSIM_OK);
        }
        world_end(&w);
    }
}

/* --- texts -------------------------------------------------------------------------------------------------------- */

static bool says(const world_t *w, const char *words) {
    char text[1024];
    CHECK(storsim_finding_text(w->machine, last_finding(w), text, sizeof text) < sizeof text);
    bool found = strstr(text, words) != NULL;
    if (!found) {
        fprintf(stderr, "%s\n", text);
    }
    return found;
}

static void texts(void) {
    world_t w;
    start(&w, STORSIM_V_POOL_TRACKING);
    world_boot(&w);
    uint64_t va = va_of(&w, contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(8192), STORSIM_OK));
    contig_put(&w, STORSIM_BLOCK_DMA, va, 4096, 1, 0, STORSIM_OK);
    CHECK(says(&w, "SIZE_MISMATCH in StorPortFreeContiguousMemorySpecifyCache("));
    CHECK(says(&w, ": 8192 bytes were allocated, 4096 given."));
    va = va_of(&w, contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(8192), STORSIM_OK));
    contig_put(&w, STORSIM_BLOCK_DMA, va, 8192, 0, 0, STORSIM_OK);
    CHECK(says(&w, "allocated MmCached, now MmNonCached"));
    va = va_of(&w, contig_get(&w, STORSIM_BLOCK_CONTIGUOUS, CONTIG(8192), STORSIM_OK));
    contig_put(&w, STORSIM_BLOCK_DMA, va, 8192, 1, 0, STORSIM_OK);
    CHECK(says(&w, "contiguous memory freed as dma memory"));
    uint8_t old;
    storsim_set_site(w.machine, 7);
    CHECK_EQ(storsim_advance(w.machine, 500), STORSIM_OK);
    va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    CHECK_EQ(storsim_advance(w.machine, 250), STORSIM_OK);
    CHECK_EQ(storsim_set_irql(w.machine, 2, &old), STORSIM_OK);
    storsim_set_site(w.machine, 8);
    pool_put(&w, va, STORSIM_OK);
    CHECK_EQ(load(&w, va), STORSIM_OK);
    CHECK(says(&w, "Allocated at: site 7, IRQL 0, time 500 ticks"));
    CHECK(says(&w, "First freed at: site 8, IRQL 2, time 750 ticks"));
    va = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    pool_put(&w, va + 16, STORSIM_BUGCHECK);
    CHECK(says(&w, "BugCheck 0xC4 DRIVER_VERIFIER_DETECTED_VIOLATION (0x10, "));
    CHECK(says(&w, "): INTERIOR_POINTER in StorPortFreePool("));
    CHECK(says(&w, "the block starts at 0x"));
    world_end(&w);
}

/* --- scarcity ----------------------------------------------------------------------------------------------------- */

static void low_resources(void) {
    world_t w;
    start(&w, STORSIM_V_LOW_RESOURCES);
    w.config.low_resources_probability = 10000;
    w.config.low_resources_delay = 1000;
    w.config.low_resources_tags[3] = TAG;
    world_boot(&w);
    CHECK(pool_get(&w, 64, TAG, STORSIM_OK) != 0);
    CHECK_EQ(storsim_advance(w.machine, 1000), STORSIM_OK);
    CHECK_EQ(pool_get(&w, 64, TAG, STORSIM_OK), 0);
    CHECK(pool_get(&w, 64, TAG + 1, STORSIM_OK) != 0);
    CHECK(contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(64), STORSIM_OK) != 0);
    CHECK_EQ(storsim_injected_count(w.machine), 1);
    CHECK_EQ(storsim_injected_get(w.machine, 0)->rule, STORSIM_RULE_LOW_RESOURCES);
    CHECK_EQ(storsim_injected_get(w.machine, 0)->id, 1);
    storsim_fault_pause(w.machine, true);
    CHECK(pool_get(&w, 64, TAG, STORSIM_OK) != 0);
    storsim_fault_pause(w.machine, false);
    world_end(&w);

    start(&w, STORSIM_V_LOW_RESOURCES); /* no tag is chosen: all are */
    w.config.low_resources_probability = 10000;
    w.config.low_resources_delay = 0;
    world_boot(&w);
    CHECK_EQ(pool_get(&w, 64, TAG, STORSIM_OK), 0);
    CHECK_EQ(pool_get(&w, 64, TAG + 1, STORSIM_OK), 0);
    CHECK_EQ(contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(64), STORSIM_OK), 0);
    world_end(&w);

    start(&w, STORSIM_V_LOW_RESOURCES);
    w.config.low_resources_probability = 10001;
    CHECK_EQ(storsim_machine_create(&w.hardware, &w.machine), STORSIM_OK);
    CHECK_EQ(storsim_nt_boot(w.machine, &w.config), STORSIM_INVALID);
    storsim_machine_destroy(w.machine);
}

static void systematic(void) {
    world_t w;
    start(&w, STORSIM_V_SYSTEMATIC);
    world_boot(&w);
    for (int round = 0; round < 3; round++) {
        for (uint32_t place = 0; place < 100; place++) {
            uint32_t site;
            CHECK_EQ(storsim_site_intern(w.machine, place * 7919 % 100, 1, &site), STORSIM_OK);
            storsim_set_site(w.machine, site);
            ss_block_id_t id = pool_get(&w, 64, TAG, STORSIM_OK);
            CHECK_EQ(id != 0, round != 0);
            if (id != 0) {
                pool_put(&w, va_of(&w, id), STORSIM_OK);
            }
        }
    }
    storsim_verifier_counters_t counters;
    storsim_verifier_counters(w.machine, &counters);
    CHECK_EQ(counters.systematic_paths, 100);
    CHECK_EQ(counters.systematic_failed, 100);
    CHECK_EQ(storsim_injected_count(w.machine), 100);
    CHECK_EQ(storsim_injected_get(w.machine, 99)->rule, STORSIM_RULE_SYSTEMATIC);
    world_end(&w);
}

static void explicit_low(void) {
    world_t w;
    start(&w, 0);
    w.config.explicit_low_memory = true;
    world_boot(&w);
    CHECK(contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(64), STORSIM_OK) != 0);
    ss_contig_args_t args = *CONTIG(64);
    args.highest = UINT32_MAX;
    CHECK_EQ(contig_get(&w, STORSIM_BLOCK_DMA, &args, STORSIM_BUGCHECK), 0);
    CHECK_STOP(&w, 0xC4, 0x141, UINT32_MAX, 64, 0); /* V15 */
    world_end(&w);
}

int main(void) {
    special_end();
    special_pattern();
    special_late();
    special_free();
    special_limits();
    special_failing_host();
    pool_overrun();
    pool_header();
    contig_slack();
    texts();
    low_resources();
    systematic();
    explicit_low();
    return CHECK_PINNED(nt_test_verifier);
}
