/* The short way of storport/plain.c against the long one: two machines get the same calls, one of them has an override
 * that changes nothing but rules the short way out. Whatever can be seen of them is the same: results, outputs, digest,
 * trace, records, snapshots byte by byte. */
#include "kit.h"

#define BLOCKS 96u

typedef struct pair {
    bench_t b[2]; /* the short way, the long way */
    struct {
        uint64_t va, pa, bytes;
        uint16_t kind; /* id of the routine that made it; 0: none */
        uint64_t cache;
    } blocks[BLOCKS];
    uint64_t random;
    uint32_t called[STORSIM_ID_StorPortFreeDmaMemory + 1];
} pair_t;

static uint64_t draw(pair_t *p, uint64_t below) {
    p->random = p->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (p->random >> 33) % below;
}

static void rule_out(bench_t *b) {
    const storsim_routine_t *row = storsim_ddi_routine(STORSIM_ID_StorPortGetPfns);
    CHECK_EQ(storsim_override_irql(b->m, row->id, row->irql_min, row->irql_max), STORSIM_OK);
}

static pair_t start(const setup_t *setup, uint64_t seed) {
    pair_t p = {.random = seed};
    p.b[0] = boot(setup);
    p.b[1] = boot(setup);
    rule_out(&p.b[1]);
    return p;
}

/* The last entries of the traces, field by field. */
static void same_trace(const pair_t *p) {
    CHECK_EQ(storsim_trace_total(p->b[0].m), storsim_trace_total(p->b[1].m));
    size_t count = storsim_trace_count(p->b[0].m);
    for (size_t i = count > 8 ? count - 8 : 0; i < count; i++) {
        storsim_trace_entry_t a, b;
        CHECK(storsim_trace_get(p->b[0].m, i, &a) && storsim_trace_get(p->b[1].m, i, &b));
        CHECK_EQ(a.sequence, b.sequence);
        CHECK_EQ(a.time, b.time);
        CHECK_EQ(a.began, b.began);
        CHECK_EQ(a.kind, b.kind);
        CHECK_EQ(a.routine, b.routine);
        CHECK(a.irql == b.irql && a.cpu == b.cpu && a.site == b.site);
        CHECK_EQ(a.inside, b.inside);
        for (size_t v = 0; v < 4; v++) {
            CHECK_EQ(a.values[v], b.values[v]);
        }
    }
}

static void same_state(const pair_t *p) {
    uint8_t *bytes[2];
    size_t length[2];
    uint64_t digest[2];
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(storsim_check(p->b[i].m, NULL, 0), 0);
        CHECK_EQ(storsim_digest(p->b[i].m, &digest[i]), STORSIM_OK);
        CHECK_EQ(storsim_snapshot(p->b[i].m, &bytes[i], &length[i]), STORSIM_OK);
    }
    CHECK_EQ(digest[0], digest[1]);
    CHECK_EQ(length[0], length[1]);
    CHECK(memcmp(bytes[0], bytes[1], length[0]) == 0);
    CHECK_EQ(storsim_fault_points(p->b[0].m), storsim_fault_points(p->b[1].m));
    CHECK_EQ(storsim_finding_count(p->b[0].m), storsim_finding_count(p->b[1].m));
    storsim_snapshot_free(p->b[0].m, bytes[0]);
    storsim_snapshot_free(p->b[1].m, bytes[1]);
}

/* One call on both; what they answer is the same. Parameters that go out hold `before`. */
static outcome_t both(pair_t *p, uint16_t id, const uint64_t *values, size_t count, uint64_t before, bool absent) {
    outcome_t out[2];
    const storsim_routine_t *routine = storsim_ddi_routine(id);
    for (int i = 0; i < 2; i++) {
        out[i] = prepare(&p->b[i], id, values, count);
        for (uint8_t k = 0; k < routine->param_count; k++) {
            out[i].a[k].value = (routine->outs >> k & 1) != 0 ? before : out[i].a[k].value;
            out[i].a[k].present = !absent || (routine->outs >> k & 1) == 0;
            out[i].a[k].written = true; /* what is left from another call */
        }
        perform(&p->b[i], id, &out[i]);
    }
    CHECK_EQ(out[0].status, out[1].status);
    CHECK_EQ(out[0].result, out[1].result);
    for (uint8_t k = 0; k < routine->param_count; k++) {
        CHECK_EQ(out[0].a[k].value, out[1].a[k].value);
        CHECK_EQ(out[0].a[k].written, out[1].a[k].written);
    }
    same_trace(p);
    p->called[id]++;
    return out[0];
}

static void take(pair_t *p, uint32_t at, bool odd) {
    static const uint64_t limits[] = {ALL, UINT32_MAX, MIB(16) - 1}, boundaries[] = {0, 0, KIB(64), MIB(1), 3};
    static const uint16_t ids[] = {STORSIM_ID_StorPortAllocatePool, STORSIM_ID_StorPortAllocatePool,
                                   STORSIM_ID_StorPortAllocateContiguousMemorySpecifyCacheNode, STORSIM_ID_StorPortAllocateDmaMemory};
    uint16_t id = ids[draw(p, 4)];
    uint64_t before = odd && draw(p, 3) == 0 ? p->blocks[draw(p, BLOCKS)].va : draw(p, 2) * UNTOUCHED;
    bool absent = odd && draw(p, 16) == 0, pool = id == STORSIM_ID_StorPortAllocatePool;
    uint64_t bytes = draw(p, pool && draw(p, 4) != 0 ? 600 : KIB(20)) + (odd ? 0 : 1);
    uint64_t cache = draw(p, odd ? 5 : 3), limit = limits[draw(p, 3)], boundary = boundaries[draw(p, odd ? 5 : 3)];
    uint64_t tag = odd && draw(p, 8) == 0 ? draw(p, 2) * UINT32_C(0x20474942) : TAG;
    bytes = odd && draw(p, 30) == 0 ? GIB(40) : bytes;
    if (pool) {
        bytes = bytes > UINT32_MAX ? GIB(2) : bytes; /* a host of 32 bits has no 4 GiB for a block */
    }
    outcome_t out = pool ? both(p, id, VALUES(bytes, tag), before, absent)
                         : both(p, id, VALUES(bytes, 0, limit, boundary, cache, odd ? draw(p, 4) : ANY), before, absent);
    p->blocks[at].kind = 0;
    if (out.status == STORSIM_OK && out.result == S(SUCCESS)) {
        p->blocks[at].kind = id;
        p->blocks[at].bytes = bytes;
        p->blocks[at].cache = cache;
        p->blocks[at].va = out.a[pool ? 3 : 7].value;
        p->blocks[at].pa = id == STORSIM_ID_StorPortAllocateDmaMemory ? out.a[8].value : 0;
    }
}

/* odd: with a size, cache type or address that is another than it was made with. */
static void give(pair_t *p, uint32_t at, bool odd) {
    uint64_t va = p->blocks[at].va, bytes = p->blocks[at].bytes + (odd ? draw(p, 2) : 0);
    uint64_t cache = odd ? draw(p, 3) : p->blocks[at].cache, pa = draw(p, 2) * p->blocks[at].pa;
    pa += odd && pa != 0 ? draw(p, 2) : 0;
    if (p->blocks[at].kind == STORSIM_ID_StorPortAllocatePool) {
        (void)both(p, STORSIM_ID_StorPortFreePool, VALUES(va), 0, false);
    } else if (p->blocks[at].kind == STORSIM_ID_StorPortAllocateDmaMemory) {
        (void)both(p, STORSIM_ID_StorPortFreeDmaMemory, VALUES(va, bytes, cache, pa), 0, false);
    } else {
        (void)both(p, STORSIM_ID_StorPortFreeContiguousMemorySpecifyCache, VALUES(va, bytes, cache), 0, false);
    }
    p->blocks[at].kind = 0;
}

/* What happens to blocks besides: loads and stores, levels, time. */
static void live(pair_t *p, uint32_t at) {
    uint64_t va = p->blocks[at].va, what = draw(p, 4), bytes = p->blocks[at].bytes;
    uint8_t seen[2][16] = {{0}};
    if (bytes > MIB(1)) {
        return; /* a first look asks the host for the whole block */
    }
    for (int i = 0; i < 2; i++) {
        storsim_set_site(p->b[i].m, (uint32_t)what);
        if (what == 0) {
            CHECK_EQ(storsim_write_va(p->b[i].m, va, "sixteen letters", bytes < 16 ? bytes : 16), STORSIM_OK);
        } else if (what == 1) {
            CHECK_EQ(storsim_read_va(p->b[i].m, va, seen[i], bytes < 16 ? bytes : 16), STORSIM_OK);
        } else if (what == 2) {
            CHECK_EQ(storsim_advance(p->b[i].m, 7), STORSIM_OK);
        }
    }
    CHECK(memcmp(seen[0], seen[1], sizeof seen[0]) == 0);
}

static void walk(const setup_t *setup, uint64_t seed, uint32_t turns, bool odd) {
    pair_t p = start(setup, seed);
    for (uint32_t turn = 0; turn < turns; turn++) {
        uint32_t at = (uint32_t)draw(&p, BLOCKS);
        bool strange = odd && draw(&p, 4) == 0;
        if (p.blocks[at].kind == 0) {
            take(&p, at, strange);
        } else if (draw(&p, 3) == 0) {
            live(&p, at);
        } else {
            give(&p, at, strange);
        }
        if (turn % 400 == 399) {
            same_state(&p);
        }
    }
    same_state(&p);
    for (uint16_t id = 1; id <= STORSIM_ID_StorPortFreeDmaMemory; id++) {
        CHECK(p.called[id] > turns / 80);
    }
    done(&p.b[0]);
    done(&p.b[1]);
}

static void test_same(void) {
    setup_t setup = defaults();
    walk(&setup, 1, 1200, false);
    setup.nt.quarantine = KIB(64); /* addresses come back soon */
    setup.nt.zero_contig = true;
    walk(&setup, 2, 1200, false);
    setup.nt.level = STORSIM_RELEASE; /* where what is odd is recorded, and the machine goes on */
    walk(&setup, 3, 1200, true);
}

/* Nothing free, or no budget: refused alike. */
static void test_scarce(void) {
    static const storsim_range_t little = {MIB(1), MIB(1), 0};
    setup_t setup = defaults();
    setup.ranges = &little;
    setup.range_count = 1;
    setup.nt.quarantine = KIB(16);
    walk(&setup, 4, 600, false);
    setup = defaults();
    setup.nt.nonpaged_budget = KIB(4);
    setup.nt.contig_budget = 20;
    walk(&setup, 5, 600, false);
    setup.adapter.pool_cap = KIB(2);
    setup.adapter.contig_cap = KIB(40);
    walk(&setup, 6, 600, false);
}

/* What goes the long way for a reason: each device and plan that has something to say. */
static void test_not_plain(void) {
    setup_t setup = defaults();
    setup.adapter.coherent = false;
    walk(&setup, 7, 400, false);
    setup.adapter.dma_remapping = true;
    walk(&setup, 8, 400, false);
    setup = defaults();
    setup.nt.verifier = STORSIM_V_SPECIAL_POOL | STORSIM_V_POOL_TRACKING | STORSIM_V_DMA;
    setup.nt.special_pool_pages = 6;
    walk(&setup, 9, 400, false);
    setup.nt.verifier = STORSIM_V_LOW_RESOURCES;
    setup.nt.low_resources_delay = 0;
    walk(&setup, 10, 400, false);
}

/* A dead machine answers before anything is looked at, an old system has fewer routines, a level too high is told. */
static void test_states(void) {
    setup_t setup = defaults();
    setup.nt.os = 0x06010000;
    setup.nt.level = STORSIM_RELEASE;
    pair_t p = start(&setup, 11);
    CHECK_EQ(both(&p, STORSIM_ID_StorPortAllocateDmaMemory, VALUES(1, 0, ALL, 0, CACHED, ANY), 0, false).result, S(NOT_IMPLEMENTED));
    for (int i = 0; i < 2; i++) {
        level(&p.b[i], 3);
    }
    CHECK_EQ(both(&p, STORSIM_ID_StorPortAllocatePool, VALUES(1, TAG), 0, false).result, S(INVALID_IRQL));
    for (int i = 0; i < 2; i++) {
        level(&p.b[i], 2);
    }
    outcome_t out = both(&p, STORSIM_ID_StorPortAllocatePool, VALUES(1, TAG), 0, false);
    CHECK_EQ(out.result, S(SUCCESS));
    CHECK_EQ(both(&p, STORSIM_ID_StorPortFreePool, VALUES(out.a[3].value), 0, false).result, S(SUCCESS));
    CHECK_EQ(both(&p, STORSIM_ID_StorPortFreePool, VALUES(out.a[3].value), 0, false).status, STORSIM_BUGCHECK); /* twice */
    CHECK_EQ(both(&p, STORSIM_ID_StorPortAllocatePool, VALUES(1, TAG), 0, false).status, STORSIM_STOPPED);
    same_trace(&p);
    done(&p.b[0]);
    done(&p.b[1]);
}

int main(void) {
    test_same();
    test_scarce();
    test_not_plain();
    test_states();
    return CHECK_PINNED(storport_test_plain);
}
