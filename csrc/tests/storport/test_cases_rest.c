/* Conformance cases C52 to C61 and C64: extensions, translation, registry buffer, lists, MDLs, leaks, topology,
 * callbacks. Source: spec storport-memory §7, §2.8, §3.6 to §3.12. C50 and C51 are in tests/nvme. */
#include "kit.h"

static void test_C52(void) {
    bench_t b = boot_default();
    find_adapter(&b, 256);
    uint64_t va = uncached(&b, 8192);
    CHECK(va != 0 && va % 4096 == 0);
    CHECK(storsim_physical(b.m, va) <= UINT32_MAX);
    CHECK_EQ(violations(&b), 0);
    CHECK_EQ(uncached(&b, 65536), va);
    CHECK_EQ(found(&b, "UNCACHED_SHORT"), 1);
    CHECK_EQ(uncached(&b, 100), va);
    leave(&b);
    done(&b);
}

/* C53 and the other ways to ask at the wrong moment. */
static void test_C53(void) {
    for (int way = 0; way < 3; way++) {
        for (int at = STORSIM_RELEASE; at <= STORSIM_STRICT; at++) {
            setup_t setup = defaults();
            setup.nt.level = (storsim_level_t)at;
            setup.adapter.bus_master = way != 1;
            bench_t b = boot(&setup);
            storsim_context_t context = way == 0 ? STORSIM_CONTEXT_PASSIVE_INITIALIZE : STORSIM_CONTEXT_FIND_ADAPTER;
            static const char *const names[] = {"BAD_CONTEXT", "NOT_BUS_MASTER", "SRB_EXTENSION_UNSET"};
            CHECK_EQ(storsim_callback_enter(b.m, b.adapter, context, NULL), STORSIM_OK);
            outcome_t out = CALL(&b, GetUncachedExtension, storsim_adapter_config_address(b.m, b.adapter), 4096);
            if (at == STORSIM_RELEASE) {
                EXPECT(out, 0);
                CHECK_EQ(found(&b, names[way]), 1);
            } else {
                CHECK_EQ(out.status, STORSIM_BUGCHECK);
                CHECK_STOPPED2(&b, 0xF1, 0x2002, 0);
                CHECK(storsim_stopped(b.m)->parameters[2] == 0 && storsim_stopped(b.m)->parameters[3] == 0);
            }
            storsim_machine_destroy(b.m);
        }
    }
    bench_t b = boot_default();
    find_adapter(&b, 64);
    EXPECT(CALL(&b, GetUncachedExtension, 0, 4096), 0);
    EXPECT(CALL(&b, GetUncachedExtension, storsim_adapter_config_address(b.m, b.adapter), 0), 0);
    CHECK_EQ(found(&b, "ZERO_LENGTH"), 1);
    CHECK_EQ(violations(&b), 2);
    leave(&b);
    done(&b);
}

/* Where the uncached extension may lie. */
static void test_uncached_window(void) {
    static const struct { uint64_t dma64, features, width, min, max; uint32_t alignment; uint64_t low, high, aligned; } rows[] = {
        {0x80, 0, 0, 0, 0, 0, 0, 0xFFFFFFFF, 4096},
        {0x82, 0, 0, 0, 0, 0, GIB(4), ALL, 4096},
        {0x83, 0, 0, 0, 0, 0, GIB(4), ALL, 4096},
        {0x80, 0, 0, MIB(16), MIB(32), 0, MIB(16), MIB(32), 4096},
        {0x80, 0, 0, MIB(32), MIB(16), 0, GIB(2), 0xFFFFFFFF, 4096},
        {0x82, 0x40, 30, 0, 0, 0, MIB(1), GIB(1) - 1, 4096},
        {0x80, 0, 0, 0, 0, 16, 0, 0xFFFFFFFF, 65536},
        {0x82, 0x4, 0, 0, 0, 0, GIB(9), ALL, 4096}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup_t setup = defaults();
        setup.adapter.minimum_ucx = rows[i].min;
        setup.adapter.maximum_ucx = rows[i].max;
        setup.adapter.ucx_alignment = rows[i].alignment;
        setup.adapter.node = 1;
        bench_t b = boot(&setup);
        find_adapter(&b, 0);
        CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_Dma64BitAddresses, rows[i].dma64), STORSIM_OK);
        CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_FeatureSupport, rows[i].features), STORSIM_OK);
        CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_DmaAddressWidth, rows[i].width), STORSIM_OK);
        uint64_t va = uncached(&b, 20000);
        uint64_t pa = storsim_physical(b.m, va);
        CHECK(va != 0 && pa >= rows[i].low && pa + 19999 <= rows[i].high && pa % rows[i].aligned == 0);
        leave(&b);
        done(&b);
    }
}

static void test_C54(void) {
    bench_t b = boot_default();
    find_adapter(&b, 0);
    uint64_t va = uncached(&b, 8192);
    EXPECT(CALL(&b, GetVirtualAddress, storsim_physical(b.m, va)), 0); /* never translated before */
    forget(&b);
    outcome_t out = CALL(&b, GetPhysicalAddress, 0, va + 100);
    CHECK_EQ(out.status, STORSIM_OK);
    CHECK_EQ(out.result, storsim_physical(b.m, va) + 100);
    CHECK_EQ(PARAM(out, 3), 8192 - 100);
    EXPECT(CALL(&b, GetVirtualAddress, out.result), va + 100);
    CHECK_EQ(violations(&b), 0);
    leave(&b);
    done(&b);
}

static void test_C56(void) {
    bench_t b = boot_default();
    outcome_t out = CALL(&b, AllocateRegistryBuffer, 1000);
    CHECK_EQ(out.status, STORSIM_OK);
    CHECK(out.result != 0);
    CHECK_EQ(PARAM(out, 1), 1000);
    EXPECT(CALL(&b, AllocateRegistryBuffer, 100), 0);
    CHECK_EQ(CALL(&b, FreeRegistryBuffer, out.result).status, STORSIM_OK);
    out = CALL(&b, AllocateRegistryBuffer, 64);
    CHECK(out.result != 0);
    CHECK_EQ(violations(&b), 0);
    CHECK_EQ(CALL(&b, FreeRegistryBuffer, 0).status, STORSIM_OK);
    CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), 1);
    EXPECT(CALL(&b, AllocateRegistryBuffer, 0), 0);
    CHECK_EQ(CALL(&b, FreeRegistryBuffer, out.result + 8).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x42, out.result + 8);
    done(&b);
    b = boot_level(STORSIM_RELEASE);
    level(&b, 1);
    EXPECT(CALL(&b, AllocateRegistryBuffer, 64), 0);
    CHECK_EQ(found(&b, "BAD_IRQL"), 1);
    level(&b, 0);
    out = CALL(&b, AllocateRegistryBuffer, 64);
    level(&b, 2);
    CHECK_EQ(CALL(&b, FreeRegistryBuffer, out.result).status, STORSIM_OK);
    level(&b, 0);
    EXPECT(CALL(&b, AllocateRegistryBuffer, 64), 0); /* the free did nothing */
    CHECK_EQ(CALL(&b, FreeRegistryBuffer, out.result).status, STORSIM_OK);
    done(&b);
    b = boot_default();
    level(&b, 1);
    CHECK_EQ(CALL(&b, AllocateRegistryBuffer, 64).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC4, 0xE5, 1);
    done(&b);
}

static uint64_t mdl_over(bench_t *b, uint64_t va, uint64_t bytes) {
    outcome_t out = CALL(b, AllocateMdl, va, bytes);
    CHECK_EQ(out.result, S(SUCCESS));
    return PARAM(out, 3);
}

static void test_C60(void) {
    bench_t b = boot_default();
    uint64_t base = pool(&b, 4096 * 4), mdl = mdl_over(&b, base + 0x800, 10000);
    storsim_mdl_info_t info;
    CHECK_EQ(storsim_mdl_get(b.m, mdl, &info), STORSIM_OK);
    CHECK(!info.built && (info.flags & 4) == 0 && info.byte_offset == 0x800 && info.byte_count == 10000);
    uint64_t pa;
    CHECK_EQ(storsim_mdl_page(b.m, mdl, 0, &pa), STORSIM_INVALID);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    CHECK_EQ(storsim_mdl_get(b.m, mdl, &info), STORSIM_OK);
    CHECK_EQ(info.pages, 3);
    CHECK(info.built && (info.flags & 4) != 0 && info.mapped_system_va == base + 0x800);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(storsim_mdl_page(b.m, mdl, i, &pa), STORSIM_OK);
        CHECK_EQ(pa, storsim_physical(b.m, base + i * 4096));
    }
    CHECK_EQ(storsim_mdl_page(b.m, mdl, 3, &pa), STORSIM_INVALID);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    CHECK_EQ(found(&b, "MDL_REBUILD"), 1);
    EXPECT(CALL(&b, FreeMdl, mdl), S(SUCCESS));
    CHECK_EQ(storsim_mdl_get(b.m, mdl, &info), STORSIM_STALE);
    storsim_allocation_t live;
    CHECK(storsim_allocation_at(b.m, base, &live)); /* freeing the MDL leaves the buffer */
    done(&b);
}

static void test_mdl_rows(void) {
    bench_t b = boot_default();
    EXPECT(CALL(&b, AllocateMdl, 0, 100), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, 0), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, FreeMdl, 0), S(INVALID_PARAMETER));
    CHECK_EQ(violations(&b), 0);
    uint64_t va = pool(&b, 64);
    EXPECT(CALL(&b, AllocateMdl, va, 0xFFFFF001), S(INSUFFICIENT_RESOURCES));
    uint64_t empty = mdl_over(&b, va, 0);
    CHECK_EQ(found(&b, "ZERO_LENGTH"), 1);
    EXPECT(CALL(&b, FreeMdl, empty), S(SUCCESS));
    forget(&b);
    uint64_t mdl = mdl_over(&b, va, 64);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    EXPECT(CALL(&b, FreePool, va), S(SUCCESS));
    CHECK_EQ(found(&b, "FREE_WITH_LIVE_MDL"), 1);
    EXPECT(CALL(&b, FreeMdl, mdl), S(SUCCESS));
    CHECK_EQ(CALL(&b, FreeMdl, mdl).status, STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xC4, 0x13);
    done(&b);
    b = boot_default();
    va = pool(&b, 64);
    mdl = mdl_over(&b, va, 64);
    EXPECT(CALL(&b, FreePool, va), S(SUCCESS));
    CHECK_EQ(CALL(&b, BuildMdlForNonPagedPool, mdl).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0x1A, 0x1240, mdl);
    done(&b);
    b = boot_level(STORSIM_RELEASE);
    va = pool(&b, 64);
    CHECK_EQ(CALL(&b, FreeMdl, va).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x42, va);
    done(&b);
    setup_t setup = defaults();
    setup.nt.os = 0x06000000;
    b = boot(&setup);
    va = pool(&b, 64);
    EXPECT(CALL(&b, AllocateMdl, va, 0x7FFFF001), S(INSUFFICIENT_RESOURCES));
    done(&b);
}

static void test_C61(void) {
    bench_t b = boot_default();
    uint64_t va[3] = {pool(&b, 64), pool(&b, 5000), pool(&b, 100)};
    (void)contig_va(&b, 4096);
    EXPECT(CALL(&b, FreePool, va[0]), S(SUCCESS));
    size_t first, leaks;
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &leaks), STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xC4, 0x62);
    CHECK_EQ(storsim_stopped(b.m)->parameters[3], 2);
    CHECK_EQ(leaks, 3);
    CHECK(found(&b, "POOL_LEAK") >= 2 && found(&b, "CONTIGUOUS_LEAK") == 1);
    storsim_allocation_t live;
    CHECK(storsim_allocation_at(b.m, va[1], &live)); /* the dump shows what leaked */
    done(&b);
}

static void test_C64(void) {
    bench_t b = boot_default();
    storsim_group_affinity_t affinity = {.Mask = 5, .Group = 9};
    outcome_t out = prepare(&b, STORSIM_ID_StorPortGetNodeAffinity, VALUES(70000));
    out.a[2].data = &affinity;
    out.a[2].count = 1;
    perform(&b, STORSIM_ID_StorPortGetNodeAffinity, &out);
    EXPECT(out, S(INVALID_PARAMETER));
    CHECK(affinity.Mask == 0 && affinity.Group == 0);
    done(&b);
}

static outcome_t affinity_of(bench_t *b, uint64_t node, storsim_group_affinity_t *affinity) {
    outcome_t out = prepare(b, STORSIM_ID_StorPortGetNodeAffinity, VALUES(node));
    out.a[2].data = affinity;
    out.a[2].count = affinity != NULL;
    perform(b, STORSIM_ID_StorPortGetNodeAffinity, &out);
    return out;
}

static outcome_t affinity2_of(bench_t *b, uint64_t node, storsim_group_affinity_t *list, uint64_t count) {
    outcome_t out = prepare(b, STORSIM_ID_StorPortGetNodeAffinity2, VALUES(node, count));
    out.a[2].data = list;
    out.a[2].count = (uint32_t)count;
    perform(b, STORSIM_ID_StorPortGetNodeAffinity2, &out);
    return out;
}

static void test_topology(void) {
    setup_t setup = defaults();
    setup.nt.cpus = 4;
    bench_t b = boot(&setup);
    storsim_group_affinity_t affinity, list[2];
    outcome_t out = CALL0(&b, GetHighestNodeNumber);
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(PARAM(out, 1), 1);
    out = CALL0(&b, GetActiveNodeCount);
    CHECK_EQ(PARAM(out, 1), 2);
    EXPECT(affinity_of(&b, 1, &affinity), S(SUCCESS));
    CHECK_EQ(affinity.Mask, 0xA);
    EXPECT(affinity_of(&b, 7, &affinity), S(SUCCESS));
    CHECK_EQ(affinity.Mask, 0);
    EXPECT(affinity_of(&b, 0, NULL), S(INVALID_PARAMETER));
    out = affinity2_of(&b, 0, list, 2);
    EXPECT(out, S(SUCCESS));
    CHECK(list[0].Mask == 5 && PARAM(out, 4) == 1);
    out = affinity2_of(&b, 0, NULL, 0);
    EXPECT(out, S(BUFFER_TOO_SMALL));
    CHECK_EQ(PARAM(out, 4), 1);
    EXPECT(affinity2_of(&b, 9, list, 2), S(INVALID_PARAMETER));
    EXPECT(affinity2_of(&b, 0, NULL, 1), S(INVALID_PARAMETER));
    level(&b, 11);
    out = CALL0(&b, GetCurrentIrql);
    CHECK_EQ(PARAM(out, 1), 11);
    EXPECT(CALL0(&b, GetHighestNodeNumber), S(SUCCESS)); /* no status for it: the rule event alone */
    CHECK_EQ(found(&b, "StorPortIrql"), 1);
    level(&b, 0);
    done(&b);
    setup.nt.cpus = 1;
    b = boot(&setup);
    out = affinity2_of(&b, 1, list, 2); /* a node with memory only */
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(PARAM(out, 4), 0);
    done(&b);
}

static void test_copies(void) {
    bench_t b = boot_default();
    uint64_t va = pool(&b, 9000);
    uint8_t bytes[9000], back[9000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    }
    CHECK_EQ(storsim_write_va(b.m, va, bytes, sizeof bytes), STORSIM_OK);
    for (int up = 0; up < 2; up++) { /* both directions of overlap */
        CHECK_EQ(CALL(&b, MoveMemory, va + (up ? 3 : 0), va + (up ? 0 : 3), 8990).status, STORSIM_OK);
        memmove(bytes + (up ? 3 : 0), bytes + (up ? 0 : 3), 8990);
        CHECK_EQ(storsim_read_va(b.m, va, back, sizeof back), STORSIM_OK);
        CHECK(memcmp(bytes, back, sizeof bytes) == 0);
    }
    EXPECT(CALL(&b, SecureCopyMemory, va, 10, va + 100, 10), S(SUCCESS));
    EXPECT(CALL(&b, SecureCopyMemory, va, 9, va + 100, 10), S(BUFFER_TOO_SMALL));
    EXPECT(CALL(&b, SecureCopyMemory, 0, 10, va + 100, 10), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, SecureCopyMemory, va, 10, 0, 10), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, ConvertUlongToPhysicalAddress, 0xFFFFFFFF), 0xFFFFFFFF);
    EXPECT(CALL(&b, ValidateRange, 5, 0, 0xFE000000, 4096, 0), 1);
    CHECK_EQ(found(&b, "StorPortDeprecated"), 1);
    CHECK_EQ(CALL(&b, MoveMemory, va, 0x1000, 10).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0x50, 0x1000, 0);
    done(&b);
}

static void test_dump(void) {
    setup_t setup = defaults();
    setup.adapter.dump_mode = 1;
    bench_t b = boot(&setup);
    uint64_t value;
    CHECK_EQ(storsim_port_config_get(b.m, b.adapter, STORSIM_PC_DumpRegionLength, &value), STORSIM_OK);
    CHECK_EQ(value, 65536);
    find_adapter(&b, 0);
    CHECK_EQ(storsim_irql(b.m), 15);
    outcome_t out = CALL(&b, AllocatePool, 64, TAG);
    EXPECT(out, S(NOT_IMPLEMENTED));
    CHECK(!out.a[3].written);
    CHECK_EQ(uncached(&b, 65537), 0);
    uint64_t va = uncached(&b, 30000);
    CHECK(va != 0);
    EXPECT(CALL(&b, MarkDumpMemory, va + 100, 0, 0), S(SUCCESS));
    EXPECT(CALL(&b, MarkDumpMemory, 0x200000, 4096, 1), S(SUCCESS));
    CHECK_EQ(violations(&b), 0);
    EXPECT(CALL(&b, MarkDumpMemory, va, 100, 2), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, MarkDumpMemory, UINT64_C(0xFFFFF00000001000), 100, 0), S(SUCCESS));
    CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), 1);
    storsim_dump_mark_t mark;
    CHECK(storsim_adapter_dump_mark(b.m, b.adapter, 0, &mark) && mark.address == va && mark.length == 30000 && !mark.physical);
    CHECK(storsim_adapter_dump_mark(b.m, b.adapter, 1, &mark) && mark.address == 0x200000 && mark.physical);
    CHECK(!storsim_adapter_dump_mark(b.m, b.adapter, 2, &mark));
    leave(&b);
    EXPECT(CALL(&b, MarkDumpMemory, va, 100, 0), S(SUCCESS));
    CHECK_EQ(found(&b, "BAD_CONTEXT"), 1);
    done(&b);
}

/* Levels of §2.8, nesting, and who is told. */
static void test_callbacks(void) {
    bench_t b = boot_default();
    static const struct { storsim_context_t context; const char *control; uint8_t irql; } rows[] = {
        {STORSIM_CONTEXT_FIND_ADAPTER, NULL, 0}, {STORSIM_CONTEXT_FIND_ADAPTER, "restart", 2}, {STORSIM_CONTEXT_INITIALIZE, NULL, 5},
        {STORSIM_CONTEXT_PASSIVE_INITIALIZE, NULL, 0}, {STORSIM_CONTEXT_BUILD_IO, NULL, 2}, {STORSIM_CONTEXT_START_IO, NULL, 2},
        {STORSIM_CONTEXT_INTERRUPT, NULL, 5}, {STORSIM_CONTEXT_MSI, NULL, 5}, {STORSIM_CONTEXT_DPC, NULL, 2},
        {STORSIM_CONTEXT_TIMER, NULL, 2}, {STORSIM_CONTEXT_WORK_ITEM, NULL, 0}, {STORSIM_CONTEXT_ADAPTER_CONTROL, "ScsiStopAdapter", 5},
        {STORSIM_CONTEXT_ADAPTER_CONTROL, "ScsiRestartAdapter", 5}, {STORSIM_CONTEXT_ADAPTER_CONTROL, "ScsiAdapterPower", 0},
        {STORSIM_CONTEXT_ADAPTER_CONTROL, NULL, 0}, {STORSIM_CONTEXT_RESET_BUS, NULL, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t adapter;
        CHECK_EQ(storsim_callback_enter(b.m, b.adapter, rows[i].context, rows[i].control), STORSIM_OK);
        CHECK_EQ(storsim_irql(b.m), rows[i].irql);
        CHECK_EQ(storsim_callback_current(b.m, &adapter), rows[i].context);
        CHECK_EQ(adapter, b.adapter);
        leave(&b);
        CHECK_EQ(storsim_irql(b.m), 0);
    }
    level(&b, 2);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_ADAPTER_CONTROL, "ScsiAdapterPower"), STORSIM_OK);
    CHECK_EQ(storsim_irql(b.m), 2); /* at most DISPATCH: stays */
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_ADAPTER_CONTROL, "ScsiAdapterSurpriseRemoval"), STORSIM_OK);
    CHECK_EQ(storsim_irql(b.m), 1);
    leave(&b);
    CHECK_EQ(storsim_irql(b.m), 2);
    leave(&b);
    level(&b, 0);
    CHECK_EQ(storsim_callback_leave(b.m), STORSIM_INVALID);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_ADAPTER_CONTROL, "NoSuchControl"), STORSIM_INVALID);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_TIMER, "ScsiAdapterPower"), STORSIM_INVALID);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_COUNT, NULL), STORSIM_INVALID);
    CHECK_EQ(storsim_callback_enter(b.m, 99, STORSIM_CONTEXT_TIMER, NULL), STORSIM_STALE);
    for (int c = 1; c < STORSIM_CONTEXT_COUNT; c++) {
        CHECK_EQ(storsim_context_find(storsim_context_name((storsim_context_t)c)), c);
    }
    CHECK_EQ(storsim_context_find("HwNothing"), STORSIM_CONTEXT_NONE);
    CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_Master, 0), STORSIM_OK);
    CHECK_EQ(found(&b, "BAD_CONTEXT"), 1);
    done(&b);
}

int main(void) {
    test_C52();
    test_C53();
    test_uncached_window();
    test_C54();
    test_C56();
    test_C60();
    test_mdl_rows();
    test_C61();
    test_C64();
    test_topology();
    test_copies();
    test_dump();
    test_callbacks();
    return CHECK_PINNED(storport_test_cases_rest);
}
