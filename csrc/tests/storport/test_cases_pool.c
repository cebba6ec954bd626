/* Conformance cases C01 to C35: pool, contiguous and DMA memory. Source: spec storport-memory §7. */
#include "kit.h"

static void test_C01(void) {
    bench_t b = boot_default();
    level(&b, 2);
    for (int i = 0; i < 50; i++) {
        uint64_t va = pool(&b, 100);
        CHECK_EQ(va % 16, 0);
        CHECK_EQ(va / 4096, (va + 99) / 4096);
    }
    level(&b, 0);
    storsim_machine_destroy(b.m);
}

static void test_C02(void) {
    bench_t b = boot_default();
    CHECK_EQ(pool(&b, 4096) % 4096, 0);
    CHECK_EQ(pool(&b, 10000) % 4096, 0);
    storsim_machine_destroy(b.m);
}

static void test_C03(void) {
    bench_t b = boot_default();
    outcome_t out = prepare(&b, STORSIM_ID_StorPortAllocatePool, VALUES(64, TAG));
    out.a[3].present = false;
    perform(&b, STORSIM_ID_StorPortAllocatePool, &out);
    CHECK_EQ(out.status, STORSIM_OK);
    CHECK_EQ(out.result, S(INVALID_PARAMETER));
    done(&b);
}

static void test_C04(void) {
    bench_t b = boot_default();
    level(&b, 5);
    outcome_t out = CALL(&b, AllocatePool, 64, TAG);
    EXPECT(out, S(INVALID_IRQL));
    CHECK(out.a[3].written && PARAM(out, 3) == 0);
    CHECK_EQ(found(&b, "StorPortIrql"), 1);
    level(&b, 0);
    done(&b);
}

/* C05 and C06: nothing left, and the variable is cleared. */
static void test_C05_C06(void) {
    setup_t setup = defaults();
    setup.nt.nonpaged_budget = 0;
    bench_t b = boot(&setup);
    outcome_t out = CALL(&b, AllocatePool, 64, TAG);
    EXPECT(out, S(INSUFFICIENT_RESOURCES));
    CHECK(out.a[3].written && PARAM(out, 3) == 0);
    done(&b);
}

static void test_C07(void) {
    bench_t b = boot_default();
    EXPECT(CALL(&b, FreePool, 0), S(INVALID_PARAMETER));
    done(&b);
}

static void test_C08(void) {
    bench_t b = boot_default();
    uint64_t va = pool(&b, 64);
    level(&b, 5);
    EXPECT(CALL(&b, FreePool, va), S(INVALID_IRQL));
    level(&b, 0);
    storsim_allocation_t live;
    CHECK(storsim_allocation_at(b.m, va, &live));
    EXPECT(CALL(&b, FreePool, va), S(SUCCESS));
    CHECK(!storsim_allocation_at(b.m, va, &live));
    done(&b);
}

/* C09 and C10 as written are for release (ruling R11); the verifier has codes of its own. */
static void test_C09(void) {
    bench_t b = boot_level(STORSIM_RELEASE);
    uint64_t va = pool(&b, 256);
    EXPECT(CALL(&b, FreePool, va), S(SUCCESS));
    outcome_t out = CALL(&b, FreePool, va);
    CHECK_EQ(out.status, STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xC2, 0x07);
    CHECK_EQ(storsim_stopped(b.m)->parameters[3], va);
    done(&b);
    b = boot_default();
    va = pool(&b, 256);
    EXPECT(CALL(&b, FreePool, va), S(SUCCESS));
    CHECK_EQ(CALL(&b, FreePool, va).status, STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xC4, 0x13);
    CHECK_EQ(CALL(&b, AllocatePool, 64, TAG).status, STORSIM_STOPPED);
    done(&b);
}

static void test_C10(void) {
    bench_t b = boot_level(STORSIM_RELEASE);
    uint64_t va = pool(&b, 256);
    CHECK_EQ(CALL(&b, FreePool, va + 16).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x99, va + 16);
    done(&b);
    b = boot_default();
    va = pool(&b, 256);
    CHECK_EQ(CALL(&b, FreePool, va + 16).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC4, 0x10, va + 16);
    done(&b);
}

static void test_C11(void) {
    setup_t setup = defaults();
    setup.adapter.full_duplex = false;
    bench_t b = boot(&setup);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    CHECK_EQ(storsim_irql(b.m), 5);
    EXPECT(CALL(&b, AllocatePool, 64, TAG), S(INVALID_IRQL));
    CHECK_EQ(found(&b, "SpNoWait"), 1);
    leave(&b);
    CHECK_EQ(storsim_irql(b.m), 0);
    done(&b);
}

static void test_C12(void) {
    bench_t b = boot_default();
    static const storsim_context_t contexts[] = {STORSIM_CONTEXT_START_IO, STORSIM_CONTEXT_BUILD_IO};
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(storsim_callback_enter(b.m, b.adapter, contexts[i], NULL), STORSIM_OK);
        CHECK_EQ(storsim_irql(b.m), 2);
        EXPECT(CALL(&b, FreePool, pool(&b, 64)), S(SUCCESS));
        leave(&b);
    }
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

static void test_C13(void) {
    bench_t b = boot_default();
    CHECK_EQ(CALL(&b, AllocatePool, 0, TAG).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC4, 0x00, 0);
    CHECK_EQ(storsim_stopped(b.m)->parameters[2], 512);
    done(&b);
    b = boot_level(STORSIM_RELEASE);
    outcome_t out = CALL(&b, AllocatePool, 0, TAG);
    EXPECT(out, S(SUCCESS));
    CHECK(PARAM(out, 3) != 0);
    CHECK_EQ(found(&b, "ZERO_LENGTH"), 1);
    done(&b);
}

static void test_C14(void) {
    setup_t setup = defaults();
    setup.nt.os = 0x0A000004;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, 8192, 0, 0xFFFFFF, 0, CACHED, ANY);
    EXPECT(out, S(NOT_IMPLEMENTED));
    CHECK(!out.a[7].written && PARAM(out, 7) == UNTOUCHED);
    CHECK(!out.a[8].written && PARAM(out, 8) == UNTOUCHED);
    done(&b);
    setup.nt.not_implemented_writes = true;
    b = boot(&setup);
    out = dma(&b, 8192, 0, 0xFFFFFF, 0, CACHED, ANY);
    EXPECT(out, S(NOT_IMPLEMENTED));
    CHECK(out.a[7].written && PARAM(out, 7) == 0);
    done(&b);
}

static void test_C15(void) {
    setup_t setup = defaults();
    setup.nt.os = 0x0A000005;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, 8192, 0, 0xFFFFFF, 0, CACHED, ANY);
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(PARAM(out, 8) % 4096, 0);
    CHECK(PARAM(out, 8) + 8191 <= 0xFFFFFF);
    CHECK_EQ(storsim_physical(b.m, PARAM(out, 7)), PARAM(out, 8));
    done(&b);
}

static void test_C16(void) {
    static const storsim_range_t high[] = {{MIB(16), MIB(64), 0}};
    setup_t setup = defaults();
    setup.ranges = high;
    setup.range_count = 1;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, 8192, 0, 0xFFFFFF, 0, CACHED, ANY);
    EXPECT(out, S(INSUFFICIENT_RESOURCES));
    CHECK(out.a[7].written && PARAM(out, 7) == 0 && out.a[8].written && PARAM(out, 8) == 0);
    done(&b);
}

static void test_C17(void) {
    setup_t setup = defaults();
    setup.placement = STORSIM_BOTTOM_UP;
    bench_t b = boot(&setup);
    outcome_t out = contig(&b, 0x2000, 0x800001, ALL, 0, CACHED, ANY);
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(storsim_physical(b.m, PARAM(out, 7)), 0x801000);
    done(&b);
}

static void test_C18(void) {
    bench_t b = boot_default();
    uint64_t before = free_bytes(&b), va = contig_va(&b, 1);
    uint8_t slack = 0;
    CHECK_EQ(before - free_bytes(&b), 4096);
    CHECK_EQ(storsim_memory_read(b.m, storsim_physical(b.m, va) + 1, &slack, 1), STORSIM_OK);
    CHECK_EQ(slack, 0x0F);
    done(&b);
}

static void test_C19(void) {
    setup_t setup = defaults();
    for (int placement = STORSIM_TOP_DOWN; placement <= STORSIM_ADVERSARIAL; placement++) {
        setup.placement = (storsim_placement_t)placement;
        bench_t b = boot(&setup);
        uint64_t pinned;
        CHECK_EQ(storsim_memory_fragment(b.m, 1, 2, 3, 11, &pinned), STORSIM_OK);
        for (int i = 0; i < 200; i++) {
            outcome_t out = contig(&b, 0x3000, 0, ALL, 0x10000, CACHED, ANY);
            EXPECT(out, S(SUCCESS));
            uint64_t pa = storsim_physical(b.m, PARAM(out, 7));
            CHECK_EQ(pa >> 16, (pa + 0x2FFF) >> 16);
        }
        storsim_machine_destroy(b.m);
    }
}

static void test_C20_C21_C22_C23(void) {
    bench_t b = boot_default();
    outcome_t out = contig(&b, 0x10000, 0, ALL, 0x10000, CACHED, ANY);
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(storsim_physical(b.m, PARAM(out, 7)) % 0x10000, 0);
    EXPECT(contig(&b, 0x10001, 0, ALL, 0x10000, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(violations(&b), 0);
    EXPECT(contig(&b, 0x1000, 0, ALL, 0x3000, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(found(&b, "BAD_BOUNDARY"), 1);
    forget(&b);
    EXPECT(contig(&b, 0x1000, 0x2000000, 0x1000000, 0, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

static void test_C24(void) {
    bench_t b = boot_default();
    EXPECT(contig(&b, MIB(2), GIB(3) - MIB(1), GIB(4) + MIB(1), 0, CACHED, ANY), S(INSUFFICIENT_RESOURCES));
    EXPECT(contig(&b, MIB(1), GIB(3) - MIB(1), GIB(4) + MIB(1), 0, CACHED, ANY), S(SUCCESS));
    done(&b);
}

static bench_t node1_full(bool strict) {
    setup_t setup = defaults();
    setup.nt.node_strict = strict;
    bench_t b = boot(&setup);
    storsim_memory_run_t run;
    for (uint64_t at = GIB(9) / 4096; storsim_memory_next_free(b.m, at, &run); at = run.first_pfn + run.pages) {
        CHECK_EQ(storsim_memory_reserve(b.m, run.first_pfn * 4096, run.pages * 4096), STORSIM_OK);
    }
    CHECK_EQ(storsim_memory_free_bytes(b.m, 1, 0, ALL), 0);
    return b;
}

static void test_C25_C26_C27(void) {
    bench_t b = node1_full(true);
    EXPECT(contig(&b, 4096, 0, ALL, 0, CACHED, 1), S(INSUFFICIENT_RESOURCES));
    EXPECT(contig(&b, 4096, 0, ALL, 0, CACHED, ANY), S(SUCCESS));
    done(&b);
    b = node1_full(false);
    outcome_t out = contig(&b, 4096, 0, ALL, 0, CACHED, 1);
    EXPECT(out, S(SUCCESS));
    storsim_allocation_t block;
    CHECK(storsim_allocation_at(b.m, PARAM(out, 7), &block));
    CHECK_EQ(block.node, 0);
    EXPECT(contig(&b, 4096, 0, ALL, 0, CACHED, ANY), S(SUCCESS));
    done(&b);
}

static void test_C28(void) {
    static const storsim_range_t one[] = {{MIB(1), MIB(64), 0}};
    setup_t setup = defaults();
    setup.ranges = one;
    setup.range_count = 1;
    bench_t b = boot(&setup);
    EXPECT(contig(&b, 4096, 0, ALL, 0, CACHED, 7), S(SUCCESS));
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

static void test_C29(void) {
    bench_t b = boot_default();
    uint64_t before = free_bytes(&b);
    outcome_t out = dma(&b, 8192, 0, ALL, 0, CACHED, ANY);
    EXPECT(CALL(&b, FreeDmaMemory, PARAM(out, 7), 4096, CACHED, PARAM(out, 8)), S(SUCCESS));
    CHECK_EQ(free_bytes(&b), before);
    CHECK_EQ(found(&b, "SIZE_MISMATCH"), 1);
    const storsim_finding_t *record = storsim_finding_get(b.m, b.seen);
    CHECK(record->expected == 8192 && record->got == 4096);
    done(&b);
    b = boot_level(STORSIM_STRICT);
    out = dma(&b, 8192, 0, ALL, 0, CACHED, ANY);
    CHECK_EQ(CALL(&b, FreeDmaMemory, PARAM(out, 7), 4096, CACHED, PARAM(out, 8)).status, STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xC4, 0x16);
    CHECK_EQ(storsim_stopped(b.m)->parameters[2], PARAM(out, 7));
    done(&b);
}

static void test_C30_C31_C32(void) {
    bench_t b = boot_default();
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, contig_va(&b, 4096), 4096, NONCACHED), S(SUCCESS));
    CHECK_EQ(found(&b, "CACHE_MISMATCH"), 1);
    forget(&b);
    EXPECT(CALL(&b, FreeDmaMemory, dma_va(&b, 4096), 4096, CACHED, 0), S(SUCCESS));
    CHECK_EQ(violations(&b), 0);
    outcome_t out = dma(&b, 8192, 0, ALL, 0, CACHED, ANY);
    EXPECT(CALL(&b, FreeDmaMemory, PARAM(out, 7), 8192, CACHED, PARAM(out, 8) + 4096), S(SUCCESS));
    CHECK_EQ(found(&b, "PA_MISMATCH"), 1);
    done(&b);
}

static void test_C33_C34_C35(void) {
    bench_t b = boot_default();
    uint64_t va = contig_va(&b, 8192);
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, va, 8192, CACHED), S(SUCCESS));
    CHECK_EQ(CALL(&b, FreeContiguousMemorySpecifyCache, va, 8192, CACHED).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x60, va);
    done(&b);
    b = boot_default();
    va = contig_va(&b, 8192);
    CHECK_EQ(CALL(&b, FreeContiguousMemorySpecifyCache, va + 4096, 4096, CACHED).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x60, va + 4096);
    storsim_allocation_t live;
    CHECK(storsim_allocation_at(b.m, va, &live));
    done(&b);
    b = boot_default();
    va = contig_va(&b, 8192);
    CHECK_EQ(CALL(&b, FreePool, va).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x41, va);
    CHECK_EQ(storsim_stopped(b.m)->parameters[2], storsim_physical(b.m, va) / 4096);
    done(&b);
}

int main(void) {
    test_C01();
    test_C02();
    test_C03();
    test_C04();
    test_C05_C06();
    test_C07();
    test_C08();
    test_C09();
    test_C10();
    test_C11();
    test_C12();
    test_C13();
    test_C14();
    test_C15();
    test_C16();
    test_C17();
    test_C18();
    test_C19();
    test_C20_C21_C22_C23();
    test_C24();
    test_C25_C26_C27();
    test_C28();
    test_C29();
    test_C30_C31_C32();
    test_C33_C34_C35();
    return CHECK_PINNED(storport_test_cases_pool);
}
