/* Conformance cases C36 to C49 and C55: the Host Memory Buffer. Source: spec storport-memory §7, §4.5. */
#include "kit.h"

static bench_t runs_bench(const uint64_t *mib, size_t count, setup_t *setup) {
    static storsim_range_t ranges[20];
    setup->range_count = runs_of(ranges, mib, count);
    setup->ranges = ranges;
    setup->placement = STORSIM_BOTTOM_UP;
    return boot(setup);
}

static void test_C36(void) {
    static const uint64_t mib[] = {20, 64, 5};
    setup_t setup = defaults();
    bench_t b = runs_bench(mib, 3, &setup);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.minimum = MIB(32), .preferred = MIB(64), .count = 16});
    CHECK_EQ(hmb.result, S(SUCCESS));
    CHECK_EQ(hmb.count, 1);
    CHECK_EQ(hmb.ranges[0].RangeLength, MIB(64));
    CHECK_EQ(hmb.ranges[0].RangeInMemory, 1);
    done(&b);
}

static void test_C37_C38_C39(void) {
    static const uint64_t mib[] = {10, 20, 5};
    setup_t setup = defaults();
    bench_t b = runs_bench(mib, 3, &setup);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.minimum = MIB(32), .preferred = MIB(64), .low = GIB(1), .count = 3});
    CHECK_EQ(hmb.result, S(SUCCESS));
    CHECK_EQ(hmb.count, 3);
    CHECK_EQ(hmb_total(&hmb), MIB(35));
    CHECK(hmb.ranges[0].RangeStart < hmb.ranges[1].RangeStart && hmb.ranges[1].RangeStart < hmb.ranges[2].RangeStart);
    EXPECT(hmb_free(&b, hmb.ranges, 3), S(SUCCESS));
    uint64_t before = free_bytes(&b), digest, after;
    CHECK_EQ(storsim_digest(b.m, &digest), STORSIM_OK);
    hmb = hmb_take(&b, &(hmb_args_t){.minimum = MIB(32), .preferred = MIB(64), .low = GIB(1), .count = 2});
    CHECK_EQ(hmb.result, S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(hmb.count, 2);
    CHECK_EQ(hmb.ranges[0].RangeLength, 0);
    CHECK_EQ(free_bytes(&b), before);
    CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
    CHECK_EQ(after, digest);
    hmb = hmb_take(&b, &(hmb_args_t){.minimum = 0, .preferred = MIB(64), .low = GIB(1), .count = 2});
    CHECK_EQ(hmb.result, S(SUCCESS));
    CHECK_EQ(hmb.count, 2);
    CHECK_EQ(hmb_total(&hmb), MIB(30));
    done(&b);
}

static void test_C40_C41_C42_C43(void) {
    bench_t b = boot_default();
    static const hmb_args_t bad[] = {
        {.preferred = 4097, .count = 4},                                      /* C40 */
        {.minimum = MIB(2), .preferred = MIB(1), .count = 4},                 /* C41 */
        {.preferred = MIB(1), .count = 0},                                    /* C42 */
        {.preferred = MIB(1), .boundary = MIB(1), .count = 4},                /* C43 */
        {.minimum = 100, .preferred = MIB(1), .count = 4},
        {.preferred = 0, .count = 4},
        {.preferred = MIB(1), .low = 0x2000, .high = 0x1000, .count = 4},
        {.preferred = MIB(1), .alignment = 0x3000, .count = 4},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        hmb_t hmb = hmb_take(&b, &bad[i]);
        CHECK_EQ(hmb.status, STORSIM_OK);
        CHECK_EQ(hmb.result, S(INVALID_PARAMETER));
        CHECK_EQ(hmb.count, bad[i].count);
    }
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

/* A list of ranges that holds none, though the count says four: there is no room for an answer, and nothing is taken,
 * not even of the host. */
static void test_no_room(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    setup_t setup = defaults();
    setup.host = &host;
    bench_t b = boot(&setup);
    storsim_access_range_t none;
    uint64_t before = free_bytes(&b);
    outcome_t out = prepare(&b, STORSIM_ID_StorPortAllocateHostMemoryBuffer, VALUES(0, MIB(1), 0, 0, 0, ALL, 0, 4));
    out.a[8].data = &none;
    out.a[8].count = 0;
    state.persistent = 1;
    state.fail_at = state.requests + 1;
    perform(&b, STORSIM_ID_StorPortAllocateHostMemoryBuffer, &out);
    state.fail_at = 0;
    CHECK_EQ(out.status, STORSIM_OK);
    CHECK_EQ(out.result, S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(free_bytes(&b), before);
    CHECK_EQ(hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 4}).result, S(SUCCESS));
    done(&b);
}

/* Best called at or below APC_LEVEL: a note above it, and only above it. */
static void test_best_level(void) {
    for (uint8_t level = 0; level <= 2; level++) {
        bench_t b = boot_default();
        uint8_t old;
        CHECK_EQ(storsim_set_irql(b.m, level, &old), STORSIM_OK);
        CHECK_EQ(hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 4}).result, S(SUCCESS));
        CHECK_EQ(found(&b, "HMB_ABOVE_APC"), level > 1 ? 1 : 0);
        CHECK_EQ(storsim_set_irql(b.m, old, NULL), STORSIM_OK);
        done(&b);
    }
}

static void test_C44_C45(void) {
    static const struct { uint32_t policy; uint64_t expected; } rows[] = {{0, 0}, {1, MIB(8)}, {2, MIB(64)}, {3, MIB(16)}};
    for (int i = 0; i < 4; i++) {
        setup_t setup = defaults();
        setup.adapter.hmb_policy = rows[i].policy;
        bench_t b = boot(&setup);
        hmb_t hmb = hmb_take(&b, &(hmb_args_t){.minimum = MIB(8), .preferred = MIB(64), .utilization = GIB(16), .count = 16});
        CHECK_EQ(hmb.result, rows[i].expected != 0 ? S(SUCCESS) : S(INSUFFICIENT_RESOURCES));
        CHECK_EQ(rows[i].expected != 0 ? hmb_total(&hmb) : 0, rows[i].expected);
        done(&b);
    }
}

static void test_C46(void) {
    bench_t b = boot_default();
    uint64_t before = free_bytes(&b);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(4), .count = 4});
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    CHECK_EQ(free_bytes(&b), before);
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(UNSUCCESSFUL));
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

static void test_C47_C48_C49(void) {
    static const uint64_t mib[] = {5, 6, 7};
    setup_t setup = defaults();
    bench_t b = runs_bench(mib, 3, &setup);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(18), .low = GIB(1), .count = 3});
    CHECK_EQ(hmb.count, 3);
    uint64_t owned = free_bytes(&b);
    EXPECT(hmb_free(&b, hmb.ranges, 2), S(UNSUCCESSFUL));
    CHECK_EQ(found(&b, "HMB_PARTIAL"), 1);
    storsim_access_range_t list[4] = {hmb.ranges[0], hmb.ranges[1], hmb.ranges[2]};
    forget(&b);
    list[1].RangeLength -= 4096;
    EXPECT(hmb_free(&b, list, 3), S(UNSUCCESSFUL));
    CHECK_EQ(found(&b, "HMB_MODIFIED"), 1);
    CHECK_EQ(free_bytes(&b), owned);
    storsim_access_range_t reversed[3] = {hmb.ranges[2], hmb.ranges[1], hmb.ranges[0]};
    forget(&b);
    EXPECT(hmb_free(&b, reversed, 3), S(SUCCESS));
    CHECK_EQ(found(&b, "HMB_REORDERED"), 1);
    CHECK_EQ(violations(&b), 1);
    done(&b);
}

/* Every other row of the matching table (§3.5): refused, and nothing is freed. */
static void test_free_rows(void) {
    static const uint64_t mib[] = {5, 6, 7};
    setup_t setup = defaults();
    bench_t b = runs_bench(mib, 3, &setup);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(18), .low = GIB(1), .count = 3});
    const storsim_access_range_t *own = hmb.ranges, foreign = {0x100000, 4096, 1};
    storsim_access_range_t split = own[0], rest = own[0], start = own[1], memory = own[2];
    split.RangeLength = (uint32_t)MIB(1);
    rest.RangeStart += MIB(1);
    rest.RangeLength -= (uint32_t)MIB(1);
    start.RangeStart += 4096;
    memory.RangeInMemory = 0;
    const storsim_access_range_t lists[][4] = {
        {own[0], own[1], own[2], foreign}, {own[0], own[1], own[1], own[2]}, {split, rest, own[1], own[2]}, {foreign},
        {own[0], own[0], own[2]},          {own[0], start, own[2]},          {own[0], own[1], memory}};
    static const uint32_t counts[] = {4, 4, 4, 1, 3, 3, 3};
    static const size_t modified[] = {0, 0, 0, 0, 0, 1, 1};
    uint64_t owned = free_bytes(&b);
    for (int i = 0; i < 7; i++) {
        forget(&b);
        EXPECT(hmb_free(&b, lists[i], counts[i]), S(UNSUCCESSFUL));
        CHECK_EQ(found(&b, "HMB_MODIFIED"), modified[i]);
        CHECK_EQ(violations(&b), modified[i]);
        CHECK_EQ(free_bytes(&b), owned);
    }
    EXPECT(hmb_free(&b, NULL, 3), S(UNSUCCESSFUL));
    EXPECT(hmb_free(&b, own, 0), S(UNSUCCESSFUL));
    outcome_t out = prepare(&b, STORSIM_ID_StorPortFreeHostMemoryBuffer, VALUES(4)); /* more than the list has (ruling R5) */
    storsim_access_range_t copy[3] = {own[0], own[1], own[2]};
    out.a[1].data = copy;
    out.a[1].count = 3;
    perform(&b, STORSIM_ID_StorPortFreeHostMemoryBuffer, &out);
    CHECK_EQ(out.status, STORSIM_INVALID);
    level(&b, 5);
    EXPECT(hmb_free(&b, own, 3), S(INVALID_IRQL));
    level(&b, 0);
    CHECK_EQ(free_bytes(&b), owned);
    EXPECT(hmb_free(&b, own, 3), S(SUCCESS));
    done(&b);
    setup.adapter.hmb_free_exact = true;
    b = runs_bench(mib, 3, &setup);
    hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(18), .low = GIB(1), .count = 3});
    const storsim_access_range_t swapped[3] = {hmb.ranges[1], hmb.ranges[0], hmb.ranges[2]};
    EXPECT(hmb_free(&b, swapped, 3), S(UNSUCCESSFUL));
    EXPECT(hmb_free(&b, hmb.ranges, 3), S(SUCCESS));
    done(&b);
}

static void test_other_adapter(void) {
    bench_t b = boot_default(), other = second_adapter(&b);
    CHECK(other.ext != b.ext && other.adapter != b.adapter);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 1});
    EXPECT(hmb_free(&other, hmb.ranges, 1), S(UNSUCCESSFUL));
    CHECK_EQ(found(&b, "WRONG_ADAPTER"), 1);
    EXPECT(hmb_free(&b, hmb.ranges, 1), S(SUCCESS));
    done(&b);
}

static void test_second_and_caps(void) {
    setup_t setup = defaults();
    setup.adapter.hmb_second_alloc_status = S(BUSY);
    setup.adapter.hmb_disabled_status = S(ACCESS_DENIED);
    bench_t b = boot(&setup);
    CHECK_EQ(hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 1}).result, S(SUCCESS));
    CHECK_EQ(hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 1}).result, S(BUSY));
    CHECK_EQ(found(&b, "HMB_ALREADY_ALLOCATED"), 1);
    done(&b);
    setup.adapter.hmb_policy = 0;
    b = boot(&setup);
    CHECK_EQ(hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 1}).result, S(ACCESS_DENIED));
    done(&b);
    static const struct { uint32_t os; uint64_t cap, expected; } caps[] = {
        {0x0A00000C, 0, MIB(64)}, {0x0A000010, 0, MIB(200)}, {0x0A000010, ALL, MIB(512)}, {0x0A000010, MIB(3) + 5, MIB(3)}};
    for (int i = 0; i < 4; i++) {
        setup = defaults();
        setup.nt.os = caps[i].os;
        setup.adapter.hmb_cap = caps[i].cap;
        b = boot(&setup);
        hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(512), .count = 4});
        CHECK_EQ(hmb.result, S(SUCCESS));
        CHECK_EQ(hmb_total(&hmb), caps[i].expected);
        EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
        hmb = hmb_take(&b, &(hmb_args_t){.minimum = MIB(300), .preferred = MIB(512), .count = 4});
        CHECK_EQ(hmb.result, caps[i].expected >= MIB(300) ? S(SUCCESS) : S(INSUFFICIENT_RESOURCES));
        done(&b);
    }
}

static storsim_status_t policy(void *host, storsim_callback_t *callback) {
    uint64_t *seen = host;
    CHECK_EQ(callback->kind, STORSIM_CB_HMB_POLICY);
    CHECK_EQ(callback->routine, 77);
    seen[1] = callback->values[0];
    seen[2] = callback->values[1];
    seen[3] = callback->values[2];
    callback->result = seen[0];
    return seen[0] == 13 ? STORSIM_CALLBACK : STORSIM_OK;
}

static void test_policy_callback(void) {
    uint64_t seen[4] = {MIB(3) + 1};
    setup_t setup = defaults();
    setup.callback = policy;
    setup.callback_host = seen;
    setup.adapter.hmb_policy_routine = 77;
    bench_t b = boot(&setup);
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.minimum = MIB(1), .preferred = MIB(8), .utilization = 42, .count = 4});
    CHECK_EQ(hmb.result, S(SUCCESS));
    CHECK_EQ(hmb_total(&hmb), MIB(3) + 4096);
    CHECK(seen[1] == MIB(1) && seen[2] == MIB(8) && seen[3] == 42);
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    seen[0] = MIB(3) + 4096; /* whole pages are not rounded */
    hmb = hmb_take(&b, &(hmb_args_t){.minimum = MIB(1), .preferred = MIB(8), .count = 4});
    CHECK_EQ(hmb_total(&hmb), MIB(3) + 4096);
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    seen[0] = 0;
    CHECK_EQ(hmb_take(&b, &(hmb_args_t){.preferred = MIB(8), .count = 4}).result, S(INSUFFICIENT_RESOURCES));
    seen[0] = 13; /* the host's own failure comes out, nothing is kept */
    hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(8), .count = 4});
    CHECK_EQ(hmb.status, STORSIM_CALLBACK);
    CHECK_EQ(hmb.count, 4);
    done(&b);
}

/* Invariants of §4.5: window, alignment, slots, disjoint, ascending. */
static void test_invariants(void) {
    for (uint64_t seed = 1; seed <= 40; seed++) {
        setup_t setup = defaults();
        bench_t b = boot(&setup);
        uint64_t pinned;
        CHECK_EQ(storsim_memory_fragment(b.m, 1, 3, 1 + seed % 64, seed, &pinned), STORSIM_OK);
        hmb_args_t args = {.preferred = MIB(32), .alignment = (uint32_t)4096 << seed % 6, .low = seed * 0x12345678, .count = 1 + (uint32_t)seed % 40};
        args.high = args.low + GIB(2);
        hmb_t hmb = hmb_take(&b, &args);
        if (hmb.result == S(SUCCESS)) {
            CHECK(hmb.count <= args.count && hmb_total(&hmb) <= args.preferred && hmb_total(&hmb) >= 4096);
            for (uint64_t i = 0; i < hmb.count; i++) {
                const storsim_access_range_t *r = &hmb.ranges[i];
                CHECK(r->RangeStart % args.alignment == 0 && r->RangeLength % 4096 == 0 && r->RangeInMemory);
                CHECK(r->RangeStart >= args.low && r->RangeStart + r->RangeLength - 1 <= args.high);
                CHECK(i == 0 || r->RangeStart > hmb.ranges[i - 1].RangeStart + hmb.ranges[i - 1].RangeLength);
            }
        }
        done(&b);
    }
}

/* C55: the address of an HMB has no kernel address. */
static void test_C55(void) {
    bench_t b = boot_default();
    hmb_t hmb = hmb_take(&b, &(hmb_args_t){.preferred = MIB(1), .count = 1});
    outcome_t out = CALL(&b, GetVirtualAddress, hmb.ranges[0].RangeStart);
    EXPECT(out, 0);
    CHECK_EQ(violations(&b), 1);
    done(&b);
}

/* Found by fuzzing: the policy routine allocates the buffer itself; the outer call must not make a second one. */
typedef struct impatient {
    bench_t *b;
    unsigned calls;
} impatient_t;

static storsim_status_t allocate_inside(void *host, storsim_callback_t *callback) {
    impatient_t *impatient = host;
    storsim_access_range_t ranges[4];
    if (impatient->calls++ == 0) {
        storsim_arg_t args[] = {{.value = impatient->b->ext, .present = true}, {.present = true}, {.value = 8192, .present = true},
                                {.present = true}, {.present = true}, {.present = true}, {.value = ALL, .present = true}, {.present = true},
                                {.data = ranges, .count = 4, .present = true}, {.value = 4, .present = true}};
        uint64_t result = 1;
        CHECK_EQ(storsim_storport_call(impatient->b->m, storsim_ddi_routine(STORSIM_ID_StorPortAllocateHostMemoryBuffer), args, &result),
                 STORSIM_OK);
        CHECK_EQ(result, S(SUCCESS));
    }
    callback->result = callback->values[1];
    return STORSIM_OK;
}

static void allocated_by_its_own_policy(void) {
    impatient_t impatient = {0};
    setup_t setup = defaults();
    setup.adapter.hmb_policy_routine = 7;
    setup.callback = allocate_inside;
    setup.callback_host = &impatient;
    bench_t b = boot(&setup);
    impatient.b = &b;
    storsim_access_range_t ranges[4];
    storsim_arg_t args[] = {{.value = b.ext, .present = true}, {.present = true}, {.value = 16384, .present = true}, {.present = true},
                            {.present = true}, {.present = true}, {.value = ALL, .present = true}, {.present = true},
                            {.data = ranges, .count = 4, .present = true}, {.value = 4, .present = true}};
    uint64_t result = 0, cursor = 0;
    CHECK_EQ(storsim_storport_call(b.m, storsim_ddi_routine(STORSIM_ID_StorPortAllocateHostMemoryBuffer), args, &result), STORSIM_OK);
    CHECK_EQ(impatient.calls, 2);
    CHECK_EQ(result, S(INSUFFICIENT_RESOURCES));
    CHECK(strcmp(storsim_finding_get(b.m, storsim_finding_count(b.m) - 1)->name, "HMB_ALREADY_ALLOCATED") == 0);
    unsigned buffers = 0;
    for (storsim_allocation_t allocation; storsim_allocation_next(b.m, &cursor, &allocation);) {
        buffers += allocation.kind == STORSIM_BLOCK_HMB;
    }
    CHECK_EQ(buffers, 1);
    done(&b);
}

int main(void) {
    allocated_by_its_own_policy();
    test_C36();
    test_C37_C38_C39();
    test_C40_C41_C42_C43();
    test_no_room();
    test_best_level();
    test_C44_C45();
    test_C46();
    test_C47_C48_C49();
    test_free_rows();
    test_other_adapter();
    test_second_and_caps();
    test_policy_callback();
    test_invariants();
    test_C55();
    return CHECK_PINNED(storport_test_cases_hmb);
}
