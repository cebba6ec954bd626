/* Contiguous and DMA memory: limits, boundary, nodes, budgets, and every row of allocation and free. */
#include "world.h"

#define DMA STORSIM_BLOCK_DMA
#define CONTIGUOUS STORSIM_BLOCK_CONTIGUOUS

static void placement(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    uint64_t before = world_digest(&w), free_before = world_free(&w);
    ss_block_id_t id =
        contig_get(&w, DMA, &(ss_contig_args_t){8192, 0, 0xFFFFFF, 0, 1, STORSIM_NODE_ANY}, STORSIM_OK); /* C15 */
    CHECK(id != 0 && pa_of(&w, id) % 4096 == 0 && pa_of(&w, id) + 8191 <= 0xFFFFFF && va_of(&w, id) % 4096 == 0);
    CHECK_EQ(storsim_physical(w.machine, va_of(&w, id) + 5000), pa_of(&w, id) + 5000);
    CHECK_EQ(ss_block_of_frame(w.machine, pa_of(&w, id) / 4096 + 1), id);
    contig_put(&w, DMA, va_of(&w, id), 8192, 1, pa_of(&w, id), STORSIM_OK);
    CHECK_EQ(world_free(&w), free_before);
    CHECK_EQ(world_digest(&w), before);
    id = contig_get(&w, CONTIGUOUS, &(ss_contig_args_t){0x2000, 0x800001, UINT64_MAX, 0, 1, 0}, STORSIM_OK); /* C17 */
    CHECK(pa_of(&w, id) >= 0x801000);
    id = contig_get(&w, CONTIGUOUS, CONTIG(1), STORSIM_OK); /* C18 */
    uint8_t bytes[4096];
    CHECK_EQ(storsim_read_va(w.machine, va_of(&w, id), bytes, 4096), STORSIM_OK);
    CHECK(bytes[0] != 0);
    for (int i = 1; i < 4096; i++) {
        CHECK_EQ(bytes[i], 0x0F);
    }
    for (int i = 0; i < 20; i++) { /* C19, C20 */
        id = contig_get(&w, CONTIGUOUS, &(ss_contig_args_t){0x3000, 0, UINT64_MAX, 0x10000, 1, STORSIM_NODE_ANY},
                        STORSIM_OK);
        CHECK_EQ(pa_of(&w, id) >> 16, (pa_of(&w, id) + 0x2FFF) >> 16);
    }
    id = contig_get(&w, CONTIGUOUS, &(ss_contig_args_t){0x10000, 0, UINT64_MAX, 0x10000, 1, STORSIM_NODE_ANY},
                    STORSIM_OK);
    CHECK_EQ(pa_of(&w, id) % 0x10000, 0);
    world_end(&w);
}

static void byte_exact(void) {
    for (int pfn_mode = 0; pfn_mode < 2; pfn_mode++) {
        world_t w;
        world_init(&w);
        w.config.address_check_pfn = pfn_mode != 0;
        world_boot(&w);
        /* Highest 0x2800: page 2 holds 0x801 bytes of it. */
        ss_block_id_t id =
            contig_get(&w, DMA, &(ss_contig_args_t){0x801, 0x2000, 0x2800, 0, 1, STORSIM_NODE_ANY}, STORSIM_OK);
        CHECK(id != 0 && pa_of(&w, id) == 0x2000);
        contig_put(&w, DMA, va_of(&w, id), 0x801, 1, 0, STORSIM_OK);
        id = contig_get(&w, DMA, &(ss_contig_args_t){0x802, 0x2000, 0x2800, 0, 1, STORSIM_NODE_ANY}, STORSIM_OK);
        CHECK_EQ(id != 0, pfn_mode != 0);
        id = contig_get(&w, DMA, &(ss_contig_args_t){0x2000, 0, 0xFFF, 0, 1, STORSIM_NODE_ANY}, STORSIM_OK);
        CHECK_EQ(id, 0);
        world_end(&w);
    }
}

static void refusals(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    static const struct {
        ss_contig_args_t args;
        const char *violation;
    } rows[] = {
        {{0, 0, UINT64_MAX, 0, 1, 0}, "ZERO_LENGTH"},
        {{UINT64_MAX, 0, UINT64_MAX, 0, 1, 0}, NULL},
        {{UINT64_C(1) << 40, 0, UINT64_MAX, 0, 1, 0}, NULL},
        {{4096, 0x5000, 0x4000, 0, 1, 0}, NULL},               /* C23 */
        {{4096, 0, UINT64_MAX, 0x3000, 1, 0}, "BAD_BOUNDARY"}, /* C22 */
        {{4096, 0, UINT64_MAX, 1, 1, 0}, NULL},
        {{4096, 0, UINT64_MAX, 0x800, 1, 0}, NULL},
        {{0x10001, 0, UINT64_MAX, 0x10000, 1, 0}, NULL}, /* C21 */
        {{4096, 0, UINT64_MAX, 0, 3, 0}, "BAD_CACHE_TYPE"},
        {{4096, 0, UINT64_MAX, 0, -1, 0}, "BAD_CACHE_TYPE"},
        {{4096, 0, UINT64_MAX, 0, 1, 2}, "BAD_NODE"},
        {{4096, 0, UINT64_MAX, 0, 1, 0x80000001}, "BAD_NODE"},
        {{0x200000, 0x2000000 - 0x100000, UINT64_C(0x100000000) + 0x100000, 0, 1, STORSIM_NODE_ANY},
         NULL}, /* C24: a hole between */
    };
    uint64_t before = world_digest(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t findings = storsim_finding_count(w.machine);
        CHECK_EQ(contig_get(&w, CONTIGUOUS, &rows[i].args, STORSIM_OK), 0);
        CHECK_EQ(storsim_finding_count(w.machine), findings + (rows[i].violation != NULL ? 1u : 0u));
        if (rows[i].violation != NULL) {
            CHECK_LAST(&w, rows[i].violation);
        }
        CHECK_EQ(world_digest(&w), before);
    }
    world_end(&w);
    world_start(&w, STORSIM_STRICT);
    (void)contig_get(&w, CONTIGUOUS, &rows[0].args, STORSIM_VIOLATION); /* carried out, then raised */
    CHECK(storsim_stopped(w.machine) == NULL);
    world_end(&w);
}

static uint32_t node_of(const world_t *w, ss_block_id_t id) {
    return ss_block(w->machine, id)->node;
}

static void nodes(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    CHECK_EQ(node_of(&w, contig_get(&w, DMA, &(ss_contig_args_t){4096, 0, UINT64_MAX, 0, 1, 1}, STORSIM_OK)), 1);
    CHECK_EQ(node_of(&w, contig_get(&w, DMA, &(ss_contig_args_t){4096, 0, UINT64_MAX, 0, 1, 0}, STORSIM_OK)), 0);
    CHECK_EQ(node_of(&w, contig_get(&w, DMA, CONTIG(4096), STORSIM_OK)), 0); /* the caller's node first */
    CHECK_EQ(storsim_memory_reserve(w.machine, UINT64_C(0x100000000), 0x2000000 - 0x1000), STORSIM_OK);
    ss_block_id_t id = contig_get(&w, DMA, &(ss_contig_args_t){8192, 0, UINT64_MAX, 0, 1, 1}, STORSIM_OK); /* C26 */
    CHECK_EQ(node_of(&w, id), 0);
    world_end(&w);
    world_init(&w);
    w.config.node_strict = true;
    w.config.cpus = 2;
    world_boot(&w);
    CHECK_EQ(storsim_set_cpu(w.machine, 1), STORSIM_OK);
    CHECK_EQ(node_of(&w, contig_get(&w, DMA, CONTIG(4096), STORSIM_OK)), 1);
    CHECK_EQ(storsim_memory_reserve(w.machine, UINT64_C(0x100000000), 0x2000000 - 0x1000), STORSIM_OK);
    CHECK_EQ(contig_get(&w, DMA, &(ss_contig_args_t){8192, 0, UINT64_MAX, 0, 1, 1}, STORSIM_OK), 0); /* C25 */
    CHECK(contig_get(&w, DMA, CONTIG(8192), STORSIM_OK) != 0);                                       /* C27 */
    world_end(&w);
    world_init(&w);
    w.hardware.range_count = 2; /* one node */
    w.config.node_strict = true;
    world_boot(&w);
    CHECK(contig_get(&w, DMA, &(ss_contig_args_t){4096, 0, UINT64_MAX, 0, 1, 7}, STORSIM_OK) != 0); /* C28 */
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    world_end(&w);
}

/* Distances decide who comes after the preferred node. */
static void distances(void) {
    static const uint8_t table[] = {10, 40, 20, 40, 10, 30, 20, 30, 10};
    world_t w;
    world_init(&w);
    w.ranges[0] = (storsim_range_t){0x1000, 0x2000, 0};
    w.ranges[1] = (storsim_range_t){0x10000, 0x2000, 1};
    w.ranges[2] = (storsim_range_t){0x20000, 0x2000, 2};
    w.hardware.distances = table;
    world_boot(&w);
    static const uint32_t expected[] = {0, 0, 2, 2, 1, 1};
    for (size_t i = 0; i < 6; i++) {
        CHECK_EQ(node_of(&w, contig_get(&w, DMA, &(ss_contig_args_t){4096, 0, UINT64_MAX, 0, 1, 0}, STORSIM_OK)),
                 expected[i]);
    }
    CHECK_EQ(contig_get(&w, DMA, CONTIG(4096), STORSIM_OK), 0);
    world_end(&w);
}

static void budgets(void) {
    world_t w;
    world_init(&w);
    w.config.contig_budget = 4;
    w.config.contig_pool_only = true;
    world_boot(&w);
    uint32_t owner;
    CHECK_EQ(ss_owner_add(w.machine, UINT64_MAX, 0x3000, &owner), STORSIM_OK);
    ss_block_id_t id = contig_get(&w, DMA, CONTIG(0x2001), STORSIM_OK);
    CHECK(id != 0);
    CHECK_EQ(contig_get(&w, DMA, CONTIG(1), STORSIM_OK), 0); /* the owner's cap */
    contig_put(&w, DMA, va_of(&w, id), 0x2001, 1, 0, STORSIM_OK);
    CHECK_EQ(storsim_set_irql(w.machine, 2, NULL), STORSIM_OK);
    CHECK_EQ(contig_get(&w, DMA, CONTIG(8192), STORSIM_OK), 0); /* at DISPATCH only a page */
    CHECK(contig_get(&w, DMA, CONTIG(4096), STORSIM_OK) != 0);
    world_end(&w);
}

static void mismatches(void) {
    static const struct {
        int what;
        const char *name;
    } rows[] = {{0, "SIZE_MISMATCH"}, {1, "SIZE_MISMATCH"},      {2, "CACHE_MISMATCH"},
                {3, "PA_MISMATCH"},   {4, "WRONG_FREE_ROUTINE"}, {5, "WRONG_FREE_ROUTINE"}};
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            world_t w;
            world_start(&w, (storsim_level_t)level);
            uint64_t free_before = world_free(&w);
            bool cross = rows[i].what == 5;
            ss_block_id_t id = contig_get(&w, cross ? CONTIGUOUS : DMA, CONTIG(8191), STORSIM_OK);
            uint64_t va = va_of(&w, id), pa = pa_of(&w, id);
            int what = rows[i].what;
            bool strict = level == STORSIM_STRICT;
            contig_put(&w, what == 4 ? CONTIGUOUS : DMA, va,
                       what == 0   ? 4096
                       : what == 1 ? 8192
                                   : 8191,
                       what == 2 ? 0 : 1, what == 3 ? pa + 4096 : 0, strict ? STORSIM_BUGCHECK : STORSIM_OK);
            CHECK_LAST(&w, rows[i].name);
            if (strict) {
                CHECK_STOP(&w, 0xC4, 0x16, 0, va, 0); /* C29 */
                CHECK_EQ(ss_block(w.machine, id)->state, SS_STATE_LIVE);
            } else {
                CHECK_EQ(world_free(&w), free_before); /* the whole block went */
            }
            if (what < 2 && !strict) {
                CHECK_EQ(last_finding(&w)->expected, 8191);
                CHECK_EQ(last_finding(&w)->got, what == 0 ? 4096 : 8192);
            }
            world_end(&w);
        }
    }
    world_t w;
    world_start(&w, STORSIM_STRICT);
    ss_block_id_t id = contig_get(&w, DMA, CONTIG(8192), STORSIM_OK);
    contig_put(&w, DMA, va_of(&w, id), 8192, 1, pa_of(&w, id), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    id = contig_get(&w, DMA, CONTIG(8192), STORSIM_OK);
    frame_t frame;
    CHECK_EQ(ss_contig_return(begin(&w, &frame, "StorPortFreeDmaMemory", 2), DMA, va_of(&w, id), 8192, 1, 0),
             STORSIM_OK);
    CHECK_EQ(ss_call_end(&frame.call), STORSIM_VIOLATION); /* WRONG_ADAPTER names no code */
    CHECK_EQ(ss_block(w.machine, id)->state, SS_STATE_QUARANTINED);
    world_end(&w);
}

static void stop_with(int level, uint32_t verifier, int what, uint64_t code, uint64_t p1, uint64_t p2, uint64_t p3) {
    world_t w;
    world_init(&w);
    w.config.level = (storsim_level_t)level;
    w.config.verifier = verifier;
    world_boot(&w);
    ss_block_id_t contig = contig_get(&w, CONTIGUOUS, CONTIG(8192), STORSIM_OK),
                  dma = contig_get(&w, DMA, CONTIG(8192), STORSIM_OK);
    uint64_t pool = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)),
             large = va_of(&w, pool_get(&w, 9000, TAG, STORSIM_OK));
    ss_block_request_t port = {
        .kind = STORSIM_BLOCK_DEVICE_EXTENSION, .size = 100, .highest = UINT64_MAX, .node = STORSIM_NODE_ANY};
    ss_block_id_t extension;
    CHECK_EQ(ss_block_make(w.machine, &port, &extension), STORSIM_OK);
    uint64_t cva = va_of(&w, contig), dva = va_of(&w, dma);
    uint64_t addresses[] = {0, cva, cva + 4096, pool, large, va_of(&w, extension), 0x1000, dva, dva, pool - 16, dva};
    storsim_block_kind_t kind = what >= 7 && what != 8 ? DMA : CONTIGUOUS;
    uint64_t va = addresses[what];
    if (what == 1 || what == 7 || what == 8) {
        contig_put(&w, what == 1 ? CONTIGUOUS : DMA, va, 8192, 1, 0, STORSIM_OK);
    }
    uint64_t free_before = world_free(&w);
    contig_put(&w, kind, what == 10 ? va + 4096 : va, 8192, 1, 0, STORSIM_BUGCHECK);
    CHECK_STOP(&w, code, p1, p2 == 1 ? (what == 10 ? va + 4096 : va) : p2 == 2 ? 1 : 0, p3 == 1 ? va : 0, 0);
    CHECK_EQ(world_free(&w), free_before);
    world_end(&w);
}

static void bad_frees(void) {
    const uint32_t d = STORSIM_V_DEFAULT;
    for (int level = STORSIM_RELEASE; level <= STORSIM_STRICT; level++) {
        bool v = level != STORSIM_RELEASE;
        for (int what = 0; what <= 10; what++) {
            bool verifier_code = v && (what == 0 || what == 3 || what == 4 || what == 9);
            if (what == 7 && v) {
                stop_with(level, d, what, 0xE6, 0x03, 2, 0); /* DMA memory twice, check on: p2 = extra frees */
                stop_with(level, 0, what, 0xC2, 0x60, 1, 0); /* check off */
            } else if (verifier_code) {
                stop_with(level, d, what, 0xC4, 0x16, 0, 1);
            } else {
                stop_with(level, d, what, 0xC2, 0x60, 1, 0); /* C33, C34 */
            }
        }
    }
}

static void cache_alias(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    ss_block_id_t id =
        contig_get(&w, DMA, &(ss_contig_args_t){8192, 0, UINT64_MAX, 0, 0, STORSIM_NODE_ANY}, STORSIM_OK);
    frame_t frame;
    ss_cache_alias(begin(&w, &frame, "StorPortGetSystemAddress", 1), pa_of(&w, id) / 4096, 2, 0);
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    ss_cache_alias(&frame.call, pa_of(&w, id) / 4096, 2, 1);
    CHECK_EQ(ss_call_end(&frame.call), STORSIM_OK);
    CHECK_LAST(&w, "CACHE_ALIAS");
    CHECK_EQ(last_finding(&w)->expected, 0);
    CHECK_EQ(last_finding(&w)->got, 1);
    CHECK_EQ(last_finding(&w)->address, pa_of(&w, id));
    contig_put(&w, DMA, va_of(&w, id), 8192, 0, 0, STORSIM_OK);
    ss_call_t *call = begin(&w, &frame, "StorPortGetSystemAddress", 1);
    ss_cache_alias(call, 0x1000, 2, 1); /* freeing forgets the type */
    CHECK_EQ(ss_call_end(call), STORSIM_OK);
    CHECK_EQ(storsim_finding_count(w.machine), 1);
    world_end(&w);
}

int main(void) {
    placement();
    byte_exact();
    refusals();
    nodes();
    distances();
    budgets();
    mismatches();
    bad_frees();
    cache_alias();
    return CHECK_PINNED(nt_test_contig);
}
