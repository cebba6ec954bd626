/* Every row of the misuse tables of spec §3.0 to §3.5 at the three levels, and leaks (ruling R18). */
#include "kit.h"

/* What a row does at one level: a result and a violation, or a bugcheck. */
typedef struct expected {
    uint32_t code;      /* 0: no bugcheck */
    uint64_t p1;
    uint32_t result;    /* without a bugcheck */
    const char *name;   /* violation, NULL: none */
} expected_t;

typedef outcome_t (*act_t)(bench_t *b);

typedef struct row {
    const char *what;
    act_t act;
    expected_t at[3];   /* release, verifier, strict */
    uint8_t irql;
} row_t;

static outcome_t null_devext(bench_t *b) {
    outcome_t out = prepare(b, STORSIM_ID_StorPortAllocatePool, VALUES(64, TAG));
    out.a[0].value = 0;
    perform(b, STORSIM_ID_StorPortAllocatePool, &out);
    return out;
}

static outcome_t foreign_devext(bench_t *b) {
    outcome_t out = prepare(b, STORSIM_ID_StorPortAllocatePool, VALUES(64, TAG));
    out.a[0].value = b->ext + 8;
    perform(b, STORSIM_ID_StorPortAllocatePool, &out);
    return out;
}

static outcome_t wrong_adapter(bench_t *b) {
    uint64_t va = pool(b, 64);
    outcome_t out = prepare(b, STORSIM_ID_StorPortFreePool, VALUES(va));
    out.a[0].value = second_adapter(b).ext;
    perform(b, STORSIM_ID_StorPortFreePool, &out);
    return out;
}

static outcome_t removed_adapter(bench_t *b) {
    uint64_t ext = second_adapter(b).ext;
    size_t first, count;
    CHECK_EQ(storsim_adapter_remove(b->m, storsim_adapter_at(b->m, ext), &first, &count), STORSIM_OK);
    CHECK_EQ(count, 0);
    outcome_t out = prepare(b, STORSIM_ID_StorPortAllocatePool, VALUES(64, TAG));
    out.a[0].value = ext;
    perform(b, STORSIM_ID_StorPortAllocatePool, &out);
    return out;
}

static outcome_t zero_pool(bench_t *b) { return CALL(b, AllocatePool, 0, TAG); }
static outcome_t zero_tag(bench_t *b) { return CALL(b, AllocatePool, 64, 0); }
static outcome_t big_tag(bench_t *b) { return CALL(b, AllocatePool, 64, 0x20474942); }
static outcome_t odd_tag(bench_t *b) { return CALL(b, AllocatePool, 64, 0x2E2E2E2E); }

static outcome_t over_live(bench_t *b) {
    outcome_t out = prepare(b, STORSIM_ID_StorPortAllocatePool, VALUES(64, TAG));
    out.a[3].value = pool(b, 64);
    perform(b, STORSIM_ID_StorPortAllocatePool, &out);
    return out;
}

static outcome_t double_pool(bench_t *b) {
    uint64_t va = pool(b, 64);
    EXPECT(CALL(b, FreePool, va), S(SUCCESS));
    return CALL(b, FreePool, va);
}

static outcome_t interior_pool(bench_t *b) { return CALL(b, FreePool, pool(b, 64) + 8); }
static outcome_t user_pool(bench_t *b) { return CALL(b, FreePool, 0x12345); }
static outcome_t port_pool(bench_t *b) { return CALL(b, FreePool, b->ext); }
static outcome_t contig_as_pool(bench_t *b) { return CALL(b, FreePool, contig_va(b, 4096)); }

static outcome_t mdl_over_pool(bench_t *b) {
    uint64_t va = pool(b, 64);
    uint64_t mdl = PARAM(CALL(b, AllocateMdl, va, 64), 3);
    EXPECT(CALL(b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    return CALL(b, FreePool, va);
}

static outcome_t null_contig_out(bench_t *b) {
    outcome_t out = prepare(b, STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode, VALUES(4096, 0, ALL, 0, CACHED, ANY));
    out.a[7].present = false;
    perform(b, STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode, &out);
    return out;
}

static outcome_t null_dma_pa(bench_t *b) {
    outcome_t out = prepare(b, STORSIM_ID_StorPortAllocateDmaMemory, VALUES(4096, 0, ALL, 0, CACHED, ANY));
    out.a[8].present = false;
    perform(b, STORSIM_ID_StorPortAllocateDmaMemory, &out);
    CHECK(out.status == STORSIM_BUGCHECK || (out.a[7].written && PARAM(out, 7) == 0));
    return out;
}

static outcome_t zero_contig(bench_t *b) { return contig(b, 0, 0, ALL, 0, CACHED, ANY); }
static outcome_t huge_contig(bench_t *b) { return contig(b, ALL, 0, ALL, 0, CACHED, ANY); }
static outcome_t bad_boundary(bench_t *b) { return contig(b, 4096, 0, ALL, 0x3000, CACHED, ANY); }
static outcome_t small_boundary(bench_t *b) { return contig(b, 100, 0, ALL, 2048, CACHED, ANY); }
static outcome_t bad_cache(bench_t *b) { return contig(b, 4096, 0, ALL, 0, 3, ANY); }
static outcome_t negative_cache(bench_t *b) { return contig(b, 4096, 0, ALL, 0, ALL, ANY); }
static outcome_t bad_node(bench_t *b) { return contig(b, 4096, 0, ALL, 0, CACHED, 0x80000001); }
static outcome_t plain_contig(bench_t *b) { return contig(b, 4096, 0, ALL, 0, CACHED, ANY); }
static outcome_t plain_dma(bench_t *b) { return dma(b, 4096, 0, ALL, 0, CACHED, ANY); }

static outcome_t free_contig(bench_t *b, uint64_t va, uint64_t bytes, uint64_t cache) {
    return CALL(b, FreeContiguousMemorySpecifyCache, va, bytes, cache);
}

static outcome_t null_contig_free(bench_t *b) { return free_contig(b, 0, 4096, CACHED); }
static outcome_t interior_contig(bench_t *b) { return free_contig(b, contig_va(b, 8192) + 4096, 4096, CACHED); }
static outcome_t pool_as_contig(bench_t *b) { return free_contig(b, pool(b, 64), 64, CACHED); }
static outcome_t short_contig(bench_t *b) { return free_contig(b, contig_va(b, 4096), 4095, CACHED); }
static outcome_t recached_contig(bench_t *b) { return free_contig(b, contig_va(b, 4096), 4096, COMBINED); }
static outcome_t dma_as_contig(bench_t *b) { return free_contig(b, dma_va(b, 4096), 4096, CACHED); }
static outcome_t contig_as_dma(bench_t *b) { return CALL(b, FreeDmaMemory, contig_va(b, 4096), 4096, CACHED, 0); }
static outcome_t high_contig_free(bench_t *b) { return free_contig(b, STORSIM_ARENA_BASE + 4096, 4096, CACHED); }

static outcome_t double_contig(bench_t *b) {
    uint64_t va = contig_va(b, 4096);
    EXPECT(free_contig(b, va, 4096, CACHED), S(SUCCESS));
    return free_contig(b, va, 4096, CACHED);
}

static outcome_t double_dma(bench_t *b) {
    uint64_t va = dma_va(b, 4096);
    EXPECT(CALL(b, FreeDmaMemory, va, 4096, CACHED, 0), S(SUCCESS));
    return CALL(b, FreeDmaMemory, va, 4096, CACHED, 0);
}

static outcome_t wrong_pa(bench_t *b) {
    outcome_t out = dma(b, 4096, 0, ALL, 0, CACHED, ANY);
    return CALL(b, FreeDmaMemory, PARAM(out, 7), 4096, CACHED, PARAM(out, 8) + 1);
}

static outcome_t hmb_outcome(hmb_t hmb) {
    return (outcome_t){.status = hmb.status, .result = hmb.result};
}

static outcome_t second_hmb(bench_t *b) {
    CHECK_EQ(hmb_take(b, &(hmb_args_t){.preferred = MIB(1), .count = 1}).result, S(SUCCESS));
    return hmb_outcome(hmb_take(b, &(hmb_args_t){.preferred = MIB(1), .count = 1}));
}

static outcome_t plain_hmb(bench_t *b) {
    return hmb_outcome(hmb_take(b, &(hmb_args_t){.preferred = MIB(1), .count = 1}));
}

#define ALWAYS(r, n) {{0, 0, r, n}, {0, 0, r, n}, {0, 0, r, n}}
#define STOPS(c, p) {{c, p, 0, NULL}, {c, p, 0, NULL}, {c, p, 0, NULL}}
#define LATER(r, n, c, p) {{0, 0, r, n}, {c, p, 0, NULL}, {c, p, 0, NULL}}
#define STRICT(r, n, c, p) {{0, 0, r, n}, {0, 0, r, n}, {c, p, 0, NULL}}
#define SPLIT(c1, p1, c2, p2) {{c1, p1, 0, NULL}, {c2, p2, 0, NULL}, {c2, p2, 0, NULL}}

static const row_t rows[] = {
    {"NULL extension", null_devext, ALWAYS(S(INVALID_PARAMETER), "NULL_DEVEXT"), 0},
    {"foreign extension", foreign_devext, LATER(S(INVALID_PARAMETER), "FOREIGN_DEVEXT", 0x50, 0), 0},
    {"foreign extension at DISPATCH", foreign_devext, LATER(S(INVALID_PARAMETER), "FOREIGN_DEVEXT", 0xD1, 0), 2},
    {"other adapter", wrong_adapter, ALWAYS(S(SUCCESS), "WRONG_ADAPTER"), 0},
    {"removed adapter", removed_adapter, ALWAYS(S(INVALID_DEVICE_STATE), "USE_AFTER_REMOVE"), 0},
    {"zero bytes of pool", zero_pool, LATER(S(SUCCESS), "ZERO_LENGTH", 0xC4, 0x00), 0},
    {"tag 0", zero_tag, LATER(S(SUCCESS), "BAD_TAG", 0xC2, 0x9B), 0},
    {"tag BIG", big_tag, LATER(S(SUCCESS), "BAD_TAG", 0xC2, 0x9C), 0},
    {"tag without letter or digit", odd_tag, LATER(S(SUCCESS), "BAD_TAG", 0xC2, 0x9D), 0},
    {"pointer to live pool", over_live, ALWAYS(S(SUCCESS), "StorPortAllocatePool2"), 0},
    {"pool freed twice", double_pool, SPLIT(0xC2, 0x07, 0xC4, 0x13), 0},
    {"inside a pool block", interior_pool, SPLIT(0xC2, 0x99, 0xC4, 0x10), 0},
    {"user address as pool", user_pool, STOPS(0xC2, 0x40), 0},
    {"memory of the port as pool", port_pool, SPLIT(0xC2, 0x42, 0xC4, 0x10), 0},
    {"contiguous memory as pool", contig_as_pool, STOPS(0xC2, 0x41), 0},
    {"pool under an MDL", mdl_over_pool, ALWAYS(S(SUCCESS), "FREE_WITH_LIVE_MDL"), 0},
    {"contiguous, NULL output", null_contig_out, ALWAYS(S(INVALID_PARAMETER), "NULL_OUTPUT"), 0},
    {"DMA, NULL address", null_dma_pa, ALWAYS(S(INVALID_PARAMETER), "NULL_OUTPUT"), 0},
    {"zero contiguous bytes", zero_contig, ALWAYS(S(INSUFFICIENT_RESOURCES), "ZERO_LENGTH"), 0},
    {"more than there is", huge_contig, ALWAYS(S(INSUFFICIENT_RESOURCES), NULL), 0},
    {"boundary no power of two", bad_boundary, ALWAYS(S(INSUFFICIENT_RESOURCES), "BAD_BOUNDARY"), 0},
    {"boundary below a page", small_boundary, ALWAYS(S(INSUFFICIENT_RESOURCES), NULL), 0},
    {"cache type 3", bad_cache, ALWAYS(S(INSUFFICIENT_RESOURCES), "BAD_CACHE_TYPE"), 0},
    {"cache type -1", negative_cache, ALWAYS(S(INSUFFICIENT_RESOURCES), "BAD_CACHE_TYPE"), 0},
    {"no such node", bad_node, ALWAYS(S(INSUFFICIENT_RESOURCES), "BAD_NODE"), 0},
    {"contiguous above DISPATCH", plain_contig, LATER(S(INVALID_IRQL), "StorPortIrql", 0xC4, 0xE5), 5},
    {"DMA above DISPATCH", plain_dma, LATER(S(INVALID_IRQL), "StorPortIrql", 0xC4, 0xE5), 5},
    {"contiguous free above DISPATCH", high_contig_free, LATER(S(INVALID_IRQL), "StorPortIrql", 0xC4, 0xE5), 5},
    {"contiguous free of NULL", null_contig_free, SPLIT(0xC2, 0x60, 0xC4, 0x16), 0},
    {"contiguous freed twice", double_contig, STOPS(0xC2, 0x60), 0},
    {"inside contiguous memory", interior_contig, STOPS(0xC2, 0x60), 0},
    {"pool as contiguous memory", pool_as_contig, SPLIT(0xC2, 0x60, 0xC4, 0x16), 0},
    {"one byte short", short_contig, STRICT(S(SUCCESS), "SIZE_MISMATCH", 0xC4, 0x16), 0},
    {"another cache type", recached_contig, STRICT(S(SUCCESS), "CACHE_MISMATCH", 0xC4, 0x16), 0},
    {"DMA memory as contiguous", dma_as_contig, STRICT(S(SUCCESS), "WRONG_FREE_ROUTINE", 0xC4, 0x16), 0},
    {"contiguous memory as DMA", contig_as_dma, STRICT(S(SUCCESS), "WRONG_FREE_ROUTINE", 0xC4, 0x16), 0},
    {"another physical address", wrong_pa, STRICT(S(SUCCESS), "PA_MISMATCH", 0xC4, 0x16), 0},
    {"DMA memory freed twice", double_dma, SPLIT(0xC2, 0x60, 0xE6, 0x03), 0},
    {"second HMB", second_hmb, ALWAYS(S(INSUFFICIENT_RESOURCES), "HMB_ALREADY_ALLOCATED"), 0},
    {"HMB above DISPATCH", plain_hmb, ALWAYS(S(INVALID_IRQL), "StorPortIrql"), 5},
};

static void test_rows(void) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int at = STORSIM_RELEASE; at <= STORSIM_STRICT; at++) {
            bench_t b = boot_level((storsim_level_t)at);
            const expected_t *want = &rows[i].at[at];
            level(&b, rows[i].irql);
            outcome_t out = rows[i].act(&b);
            bool raised = at == STORSIM_STRICT && want->code == 0 && want->name != NULL;
            storsim_status_t status = want->code != 0 ? STORSIM_BUGCHECK : raised ? STORSIM_VIOLATION : STORSIM_OK;
            const storsim_finding_t *stop = storsim_stopped(b.m);
            bool first = stop == NULL || (want->code == 0x50 || want->code == 0xD1 ? stop->parameters[0] == b.ext + 8
                                                                                   : stop->parameters[0] == want->p1);
            if (out.status != status || (stop != NULL && (stop->code != want->code || !first)) ||
                (want->code == 0 && out.result != want->result) || found(&b, want->name != NULL ? want->name : "") != (want->name != NULL)) {
                fprintf(stderr, "%s at level %d: status %d result %llx code %llx p1 %llx\n", rows[i].what, at, out.status,
                        (unsigned long long)out.result, stop ? (unsigned long long)stop->code : 0,
                        stop ? (unsigned long long)stop->parameters[0] : 0);
                CHECK(false);
            }
            CHECK_EQ(out.status, status);
            if (want->code == 0) {
                level(&b, 0);
            }
            done(&b);
        }
    }
}

/* --- the foreign extension's page fault (rulings R53, R54) -------------------------------------------------------- */

static void test_foreign_reasons(void) {
    for (int i = 0; i < 4; i++) {
        bench_t b = boot_default();
        uint64_t freed = contig_va(&b, 4096);
        EXPECT(free_contig(&b, freed, 4096, CACHED), S(SUCCESS));
        const uint64_t extensions[] = {0x1234, STORSIM_USER_END + 1, freed, STORSIM_ARENA_BASE + GIB(64)}, reasons[] = {0xF, 4, 0, 2};
        outcome_t out = prepare(&b, STORSIM_ID_StorPortFreePool, VALUES(0));
        out.a[0].value = extensions[i];
        perform(&b, STORSIM_ID_StorPortFreePool, &out);
        CHECK_EQ(out.status, STORSIM_BUGCHECK);
        CHECK_STOPPED2(&b, 0x50, extensions[i], 0);
        CHECK_EQ(storsim_stopped(b.m)->parameters[3], reasons[i]);
        done(&b);
    }
}

/* --- removal (ruling R18) ----------------------------------------------------------------------------------------- */

static void leak_everything(bench_t *b, bool with_pool) {
    if (with_pool) {
        (void)pool(b, 64);
        (void)pool(b, 9000);
    }
    (void)contig_va(b, 4096);
    (void)dma_va(b, 8192);
    uint64_t spare = storsim_adapter_extension(b->m, b->adapter);
    CHECK_EQ(CALL(b, AllocateMdl, spare, 64).result, S(SUCCESS));
    CHECK(CALL(b, AllocateRegistryBuffer, 64).result != 0);
    CHECK_EQ(hmb_take(b, &(hmb_args_t){.preferred = MIB(1), .count = 1}).result, S(SUCCESS));
    uint64_t srb;
    CHECK_EQ(storsim_srb_create(b->m, b->adapter, &(storsim_srb_config_t){.length = 5000}, &srb), STORSIM_OK); /* the port's: no leak */
    forget(b);
}

static void test_removal(void) {
    static const char *const names[] = {"POOL_LEAK", "CONTIGUOUS_LEAK", "DMA_LEAK", "MDL_LEAK", "REGISTRY_LEAK", "HMB_LEAK"};
    for (int at = STORSIM_RELEASE; at <= STORSIM_STRICT; at++) {
        for (int with_pool = 0; with_pool < 2; with_pool++) {
            setup_t setup = defaults();
            setup.nt.level = (storsim_level_t)at;
            bench_t b = boot(&setup);
            leak_everything(&b, with_pool);
            size_t first, count, expected = with_pool ? 7 : 5;
            storsim_status_t status = storsim_adapter_remove(b.m, b.adapter, &first, &count);
            CHECK_EQ(count, expected);
            for (int n = 0; n < 6; n++) {
                CHECK(found(&b, names[n]) >= (size_t)(n == 0 ? 2 * with_pool : 1));
            }
            for (size_t i = 0; i < count; i++) {
                CHECK_EQ(storsim_finding_get(b.m, first + i)->owner, b.adapter);
                CHECK(strstr(storsim_finding_get(b.m, first + i)->name, "_LEAK") != NULL);
            }
            if (at == STORSIM_RELEASE) {
                CHECK_EQ(status, STORSIM_OK);
                uint64_t total = storsim_memory_total_pages(b.m, ANY) * 4096;
                CHECK_EQ(free_bytes(&b), total);
                CHECK(!storsim_adapter_live(b.m, b.adapter));
                CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &count), STORSIM_STALE);
            } else {
                CHECK_EQ(status, STORSIM_BUGCHECK);
                CHECK_STOPPED(&b, with_pool ? 0xC4 : 0xE6, with_pool ? 0x62 : 0x07);
                CHECK(!with_pool || storsim_stopped(b.m)->parameters[3] == 2);
            }
            done(&b);
        }
    }
    setup_t setup = defaults(); /* checks off: strict raises the first */
    setup.nt.level = STORSIM_STRICT;
    setup.nt.verifier = 0;
    bench_t b = boot(&setup);
    leak_everything(&b, true);
    size_t first, count;
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &count), STORSIM_VIOLATION);
    CHECK_EQ(free_bytes(&b), storsim_memory_total_pages(b.m, ANY) * 4096);
    done(&b);
}

static void test_clean_removal(void) {
    bench_t b = boot_default();
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_TIMER, NULL), STORSIM_OK);
    size_t first, count;
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &count), STORSIM_REENTRY);
    leave(&b);
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &count), STORSIM_OK);
    CHECK_EQ(count, 0);
    CHECK_EQ(free_bytes(&b), storsim_memory_total_pages(b.m, ANY) * 4096);
    CHECK(second_adapter(&b).adapter != b.adapter && storsim_adapter_count(b.m) == 2);
    done(&b);
}

static void test_bad_configs(void) {
    bench_t b = boot_default();
    uint32_t number;
    for (int i = 0; i < 8; i++) {
        storsim_adapter_config_t config;
        storsim_adapter_config_init(&config);
        switch (i) {
        case 0: config.dirql = 2; break;
        case 1: config.dirql = 12; break;
        case 2: config.dump_mode = 5; break;
        case 3: config.node = 2; break;
        case 4: config.hmb_policy = 4; break;
        case 5: config.hmb_utilization_divisor = 0; break;
        case 6: config.ucx_alignment = 2; break;
        default: config.name = "0123456789012345678901234567890123456789012345678901234567890123"; break;
        }
        CHECK_EQ(storsim_adapter_add(b.m, &config, &number), STORSIM_INVALID);
    }
    CHECK_EQ(storsim_adapter_count(b.m), 1);
    uint64_t value;
    CHECK_EQ(storsim_port_config_get(b.m, b.adapter, STORSIM_PC_COUNT, &value), STORSIM_INVALID);
    CHECK_EQ(storsim_port_config_get(b.m, 9, STORSIM_PC_Length, &value), STORSIM_STALE);
    CHECK(strcmp(storsim_adapter_get_config(b.m, b.adapter)->name, "hba") == 0);
    done(&b);
}

/* Caps of one adapter answer like exhaustion and leave the other alone. */
static void test_caps(void) {
    setup_t setup = defaults();
    setup.adapter.pool_cap = 1000;
    setup.adapter.contig_cap = 8192;
    bench_t b = boot(&setup);
    uint64_t va = pool(&b, 600);
    EXPECT(CALL(&b, AllocatePool, 600, TAG), S(INSUFFICIENT_RESOURCES));
    EXPECT(CALL(&b, FreePool, va), S(SUCCESS));
    (void)pool(&b, 600);
    EXPECT(CALL(&b, AllocatePool, 401, TAG), S(INSUFFICIENT_RESOURCES)); /* one byte more than is left */
    EXPECT(contig(&b, 8193, 0, ALL, 0, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
    EXPECT(dma(&b, 8193, 0, ALL, 0, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
    (void)pool(&b, 400);
    (void)contig_va(&b, 4097);
    EXPECT(plain_contig(&b), S(INSUFFICIENT_RESOURCES));
    EXPECT(plain_dma(&b), S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

/* V11: the knob lets a bad level reach the pool allocator. */
static void test_bypass(void) {
    for (int at = STORSIM_RELEASE; at <= STORSIM_VERIFIER; at++) {
        for (int free_it = 0; free_it < 2; free_it++) {
            setup_t setup = defaults();
            setup.nt.level = (storsim_level_t)at;
            setup.nt.bypass_irql_status = true;
            bench_t b = boot(&setup);
            uint64_t va = pool(&b, 64);
            level(&b, 5);
            CHECK_EQ(free_it ? CALL(&b, FreePool, va).status : CALL(&b, AllocatePool, 64, TAG).status, STORSIM_BUGCHECK);
            uint64_t first = at == STORSIM_RELEASE ? (free_it ? 0x09 : 0x08) : (free_it ? 0x12 : 0x02);
            CHECK_STOPPED2(&b, at == STORSIM_RELEASE ? 0xC2 : 0xC4, first, 5);
            done(&b);
        }
    }
}

int main(void) {
    test_rows();
    test_foreign_reasons();
    test_removal();
    test_clean_removal();
    test_bad_configs();
    test_caps();
    test_bypass();
    return CHECK_PINNED(storport_test_levels);
}
