/* tests/storport/test_rare.c: rare rows of the Storport routines: knobs that are seldom turned, arguments at the end of
 * their range, lists whose buffers go and come, a second adapter, and records that name what is not there. */
#include "fuzz/sealed.h"
#include "kit.h"

#include "machine/machine_i.h"
#include "storport/room.h"

#define PAGE UINT64_C(4096)

static uint64_t answer_hmb;
static storsim_status_t listens(void *host, storsim_callback_t *callback) {
    (void)host;
    callback->result = callback->kind == STORSIM_CB_HMB_POLICY ? answer_hmb : 0;
    return STORSIM_OK;
}

static bench_t make(storsim_level_t at, const storsim_host_t *host) {
    setup_t setup = defaults();
    setup.nt.level = at;
    setup.host = host;
    setup.callback = listens;
    return boot(&setup);
}

/* --- routines and knobs ------------------------------------------------------------------------------------------- */

static void test_absent_routine_writes(void) {
    setup_t setup = defaults();
    setup.nt.os = 0x06010000; /* Windows 7 has no StorPortAllocateDmaMemory */
    setup.nt.not_implemented_writes = true;
    bench_t b = boot(&setup);
    outcome_t out = dma(&b, PAGE, 0, ALL, 0, CACHED, ANY);
    EXPECT(out, S(NOT_IMPLEMENTED));
    CHECK(out.a[7].written && PARAM(out, 7) == 0);
    done(&b);
}

static void test_host_memory_buffer_targets(void) {
    setup_t setup = defaults();
    setup.callback = listens;
    setup.adapter.hmb_policy_routine = 5;
    bench_t b = boot(&setup);
    answer_hmb = UINT64_MAX; /* more than there can be: as much as was preferred */
    hmb_args_t args = {.preferred = MIB(2), .count = 8};
    hmb_t hmb = hmb_take(&b, &args);
    CHECK_EQ(hmb.result, S(SUCCESS));
    CHECK_EQ(hmb_total(&hmb), MIB(2));
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    /* An array without room. */
    storsim_access_range_t range;
    outcome_t out = prepare(&b, STORSIM_ID_StorPortAllocateHostMemoryBuffer, VALUES(0, MIB(2), 0, 0, 0, ALL, 0, 8));
    out.a[8].data = &range;
    out.a[8].count = 0;
    perform(&b, STORSIM_ID_StorPortAllocateHostMemoryBuffer, &out);
    EXPECT(out, S(INSUFFICIENT_RESOURCES));
    done(&b);
    setup.adapter.hmb_policy_routine = 0;
    setup.adapter.hmb_cap = 100; /* less than a page */
    b = boot(&setup);
    CHECK_EQ(hmb_take(&b, &args).result, S(INSUFFICIENT_RESOURCES));
    done(&b);
}

static void test_uncached_windows(void) {
    static const struct {
        uint64_t dma64, features, width, highest;
    } rows[] = {{4, 0, 0, ALL}, {0x80, 0x40, 0, UINT32_MAX}, {0x80, 0x40, 64, UINT32_MAX}, {0x80, 0x40, 40, UINT32_MAX}, {2, 0x40, 33, GIB(8) - 1}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_t b = boot_default();
        find_adapter(&b, 64);
        CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_Dma64BitAddresses, rows[i].dma64), STORSIM_OK);
        CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_FeatureSupport, rows[i].features), STORSIM_OK);
        CHECK_EQ(storsim_port_config_set(b.m, b.adapter, STORSIM_PC_DmaAddressWidth, rows[i].width), STORSIM_OK);
        uint64_t va = uncached(&b, 4 * PAGE), first = storsim_physical(b.m, va), last = storsim_physical(b.m, va + 4 * PAGE - 1);
        CHECK(va != 0 && last <= rows[i].highest && last - first == 4 * PAGE - 1);
        CHECK(rows[i].dma64 != 4 || first >> 32 == last >> 32);
        leave(&b);
        done(&b);
    }
}

static void test_affinity(void) {
    bench_t b = boot_default();
    storsim_group_affinity_t masks[1];
    outcome_t out = prepare(&b, STORSIM_ID_StorPortGetNodeAffinity2, VALUES(0, 5));
    out.a[2].data = masks;
    out.a[2].count = 1;
    out.a[3].value = 5; /* the array ends before that */
    perform(&b, STORSIM_ID_StorPortGetNodeAffinity2, &out);
    CHECK_EQ(out.status, STORSIM_INVALID);
    done(&b);
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static void test_dump_marks(void) {
    bench_t b = make(STORSIM_RELEASE, NULL);
    uint64_t block = pool(&b, 500);
    const struct {
        uint64_t address, length, flags;
        bool good;
    } rows[] = {{0x100000, PAGE, 1, true},         {ALL - 10, 100, 1, false},     {0x9F000, 2 * PAGE, 1, false},
                {block + 100, 400, 0, true},       {block + 100, 401, 0, false},  {0x100000, 0, 1, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        forget(&b);
        find_adapter(&b, 64);
        EXPECT(CALL(&b, MarkDumpMemory, rows[i].address, rows[i].length, rows[i].flags), S(SUCCESS));
        leave(&b);
        CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), rows[i].good ? 0 : 1);
    }
    done(&b);
}

static void test_mdl_at_the_end(void) {
    bench_t b = make(STORSIM_RELEASE, NULL);
    EXPECT(CALL(&b, AllocateMdl, ALL - 10, 100), S(INSUFFICIENT_RESOURCES));
    done(&b);
}

/* The variable for the result holds something, but no block that would be lost. */
static void test_result_variable(void) {
    bench_t b = boot_default();
    uint64_t block = pool(&b, 100), other = dma_va(&b, PAGE);
    const uint64_t held[] = {block + 8, other, block};
    for (int i = 0; i < 3; i++) {
        forget(&b);
        outcome_t out = prepare(&b, STORSIM_ID_StorPortAllocatePool, VALUES(100, TAG));
        out.a[3].value = held[i];
        perform(&b, STORSIM_ID_StorPortAllocatePool, &out);
        EXPECT(out, S(SUCCESS));
        CHECK_EQ(violations(&b), i == 2 ? 1 : 0);
    }
    done(&b);
}

static void test_translations(void) {
    setup_t setup = defaults();
    setup.nt.level = STORSIM_RELEASE;
    setup.adapter.dma_remapping = true;
    bench_t b = boot(&setup);
    uint64_t block = pool(&b, 100), kernel = 0, srb = 0;
    EXPECT(CALL(&b, FreePool, pool(&b, 10)), S(SUCCESS)); /* what was never mapped need not be unmapped */
    CHECK_EQ(CALL(&b, GetPhysicalAddress, 0, block).result, storsim_physical(b.m, block)); /* no address of the device's */
    CHECK_EQ(found(&b, "GPA_UNSUPPORTED_SOURCE"), 1);
    CHECK_EQ(storsim_kernel_memory_create(b.m, STORSIM_BLOCK_PAGEABLE, PAGE, &kernel), STORSIM_OK);
    forget(&b);
    (void)CALL(&b, GetPhysicalAddress, 0, kernel); /* nobody's: not another adapter's */
    CHECK_EQ(found(&b, "WRONG_ADAPTER"), 0);
    const storsim_srb_config_t config = {.length = 100, .offset = 24, .data_in_length = 100};
    storsim_srb_info_t info;
    find_adapter(&b, 64);
    leave(&b);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b.m, srb, &info));
    forget(&b);
    CHECK_EQ(CALL(&b, GetPhysicalAddress, srb, info.data - 8).result, 0); /* before the buffer, in its page */
    CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), 1);
    /* The MDL of the second buffer is one of the request's as well. */
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    outcome_t pfns = CALL(&b, GetPfns, srb, info.data_in_mdl);
    EXPECT(pfns, S(SUCCESS));
    CHECK_EQ(PARAM(pfns, 4), 1);
    leave(&b);
    CHECK_EQ(CALL(&b, FreeMdl, info.data_in_mdl).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x42, info.data_in_mdl);
    done(&b);
    b = boot_default();
    find_adapter(&b, 64);
    leave(&b);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b.m, srb, &info));
    CHECK_EQ(CALL(&b, FreeMdl, info.mdl).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC4, 0x10, info.mdl);
    done(&b);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

typedef struct parts {
    uint64_t data, mdl;
} parts_t;

static parts_t make_parts(bench_t *b) {
    parts_t parts = {.data = contig_va(b, 2 * PAGE)};
    outcome_t out = CALL(b, AllocateMdl, parts.data, 2 * PAGE);
    parts.mdl = PARAM(out, 3);
    EXPECT(CALL(b, BuildMdlForNonPagedPool, parts.mdl), S(SUCCESS));
    return parts;
}

static outcome_t build(bench_t *b, const parts_t *parts, uint64_t list) {
    level(b, 2);
    outcome_t out = CALL(b, BuildScatterGatherList, parts->mdl, parts->data, 100, 21, 22, 1, list, 400);
    level(b, 0);
    return out;
}

/* The block that holds a list is freed; then another block in its place, when the list is an orphan already. */
static void test_lists_and_their_buffers(void) {
    bench_t b = make(STORSIM_RELEASE, NULL);
    parts_t parts = make_parts(&b);
    uint64_t holder = contig_va(&b, PAGE), elements = 1;
    EXPECT(build(&b, &parts, holder + 256), S(SUCCESS));
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, holder, PAGE, CACHED), S(SUCCESS));
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, parts.data, 2 * PAGE, CACHED), S(SUCCESS));
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
    uint32_t room = (uint32_t)elements;
    CHECK_EQ(storsim_sg_elements(b.m, 0, NULL, &room), STORSIM_STALE);
    CHECK_EQ(storsim_sg_elements(b.m, holder + 256, NULL, &room), STORSIM_OK);
    CHECK_EQ(room, 1);
    done(&b);
    /* A list is built where an orphan was: nobody is told a second time. */
    b = make(STORSIM_RELEASE, NULL);
    parts = make_parts(&b);
    uint64_t list = pool(&b, 400);
    EXPECT(build(&b, &parts, list), S(SUCCESS));
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, parts.data, 2 * PAGE, CACHED), S(SUCCESS));
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
    parts = make_parts(&b);
    EXPECT(build(&b, &parts, list), S(SUCCESS));
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
    done(&b);
}

/* A request is completed while a list still describes its data. */
static void test_completed_under_a_list(void) {
    bench_t b = make(STORSIM_RELEASE, NULL);
    const storsim_srb_config_t config = {.length = 100};
    storsim_srb_info_t info;
    uint64_t srb = 0, list = pool(&b, 400);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b.m, srb, &info));
    const parts_t parts = {info.data, info.mdl};
    EXPECT(build(&b, &parts, list), S(SUCCESS));
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
    /* And one in which a list lies. */
    find_adapter(&b, 1000);
    leave(&b);
    parts_t other = make_parts(&b);
    forget(&b);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b.m, srb, &info));
    EXPECT(build(&b, &other, info.extension), S(SUCCESS));
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
    done(&b);
}

/* The list goes into memory of the port's own: a violation of the store, which the call raises at strict. */
static void test_list_in_port_memory(void) {
    bench_t b = make(STORSIM_STRICT, NULL);
    const storsim_srb_config_t config = {.length = 100};
    uint64_t srb = 0;
    parts_t parts = make_parts(&b);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    uint64_t list = CALL(&b, GetScatterGatherList, srb).result;
    leave(&b);
    outcome_t out = build(&b, &parts, list);
    CHECK_EQ(out.status, STORSIM_VIOLATION);
    CHECK_EQ(out.result, S(SUCCESS));
    CHECK_EQ(found(&b, "SG_LIST_MODIFIED"), 1);
    done(&b);
}

/* Pieces are there already, the list for them finds no host memory: NO_MEMORY, and the pieces stay. */
static void test_list_refused(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    bench_t b = make(STORSIM_RELEASE, &host);
    const storsim_srb_config_t config = {.length = 3 * (uint32_t)PAGE, .fragments = 3};
    storsim_srb_info_t info;
    uint64_t srb = 0;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b.m, srb, &info));
    CHECK_EQ(storsim_callback_enter(b.m, b.adapter, STORSIM_CONTEXT_START_IO, NULL), STORSIM_OK);
    uint64_t address = CALL(&b, GetPhysicalAddress, srb, info.data).result;
    state.persistent = 1;
    state.fail_at = 1;
    CHECK_EQ(CALL(&b, GetScatterGatherList, srb).status, STORSIM_NO_MEMORY);
    state.fail_at = 0;
    CHECK_EQ(CALL(&b, GetPhysicalAddress, srb, info.data).result, address);
    CHECK(CALL(&b, GetScatterGatherList, srb).result != 0);
    leave(&b);
    done(&b);
    CHECK_EQ(state.live, 0);
}

/* What the processor has stored cannot be written back: the flush says so. */
static void test_flush_refused(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    setup_t setup = defaults();
    setup.host = &host;
    setup.adapter.coherent = false;
    bench_t b = boot(&setup);
    uint64_t va = dma_va(&b, 2 * PAGE);
    CHECK_EQ(storsim_write_va(b.m, va + PAGE, "stored", 6), STORSIM_OK);
    state.persistent = 1;
    state.fail_at = 1;
    storsim_status_t status = storsim_adapter_flush(b.m, b.adapter, va + PAGE, 6, true);
    state.fail_at = 0;
    CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, va + PAGE, 6, true), STORSIM_OK);
    done(&b);
    CHECK_EQ(state.live, 0);
}

/* --- two adapters ------------------------------------------------------------------------------------------------- */

static void test_two_adapters(void) {
    bench_t b = make(STORSIM_RELEASE, NULL);
    bench_t other = second_adapter(&b);
    const uint32_t second = other.adapter, third = second_adapter(&b).adapter;
    size_t first, leaks;
    parts_t parts = make_parts(&b);
    EXPECT(build(&b, &parts, pool(&b, 400)), S(SUCCESS));
    const parts_t lent = make_parts(&other);
    EXPECT(build(&b, &lent, pool(&b, 400)), S(SUCCESS));
    forget(&b);
    CHECK_EQ(storsim_adapter_remove(b.m, second, &first, &leaks), STORSIM_OK);
    CHECK_EQ(leaks, 2); /* its memory and its MDL; the lists are the first one's */
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 0); /* what is leaked is told as a leak */
    CHECK_EQ(storsim_adapter_remove(b.m, third, &first, &leaks), STORSIM_OK);
    ss_adapter(b.m, third)->extension = ss_adapter(b.m, second)->extension; /* as when addresses come back */
    CHECK_EQ(storsim_adapter_at(b.m, ss_adapter(b.m, second)->extension), third); /* the last that had it */
    done(&b);
}

/* --- records that name what is not there -------------------------------------------------------------------------- */

static void test_damaged_records(void) {
    bench_t b = make(STORSIM_RELEASE, NULL);
    const hmb_args_t args = {.minimum = MIB(1), .preferred = MIB(1), .count = 8};
    ss_adapter_t *adapter = ss_adapter(b.m, b.adapter);
    char none[1] = "";
    adapter->hmb = 60000;
    CHECK_EQ(hmb_take(&b, &args).result, adapter->config.hmb_second_alloc_status);
    CHECK(storsim_check(b.m, none, 0) != 0);
    adapter->hmb = 0;
    adapter->uncached = 60000;
    adapter->uncached_translated = true;
    CHECK_EQ(CALL(&b, GetVirtualAddress, 0x1000).result, 0);
    adapter->uncached = 0;
    CHECK_EQ(hmb_take(&b, &args).result, S(SUCCESS));
    storsim_access_range_t *ranges = adapter->hmb_ranges;
    size_t first, leaks;
    adapter->hmb_ranges = NULL;
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &leaks), STORSIM_OK);
    CHECK_EQ(leaks, 1);
    CHECK_EQ(storsim_finding_get(b.m, first)->address, 0);
    ss_release(ss_machine_host(b.m), ranges);
    done(&b);
}

/* The byte that says whether there is a list becomes 0: it stands before its mapping, the number of pieces (1) and the
 * first one's page. */
static void say_none(uint8_t *bytes, size_t length, uint64_t pfn) {
    uint8_t wanted[18] = {1, 0, 1};
    for (unsigned i = 0; i < 8; i++) {
        wanted[10 + i] = (uint8_t)(pfn >> 8 * i);
    }
    size_t at = 0;
    while (at + sizeof wanted < length && memcmp(bytes + at, wanted, sizeof wanted) != 0) {
        at++;
    }
    CHECK(at + sizeof wanted < length);
    bytes[at] = 0;
    sealed(bytes, length);
}

static void test_damaged_snapshots(void) {
    failing_host_t state = {0};
    const storsim_host_t host = FAILING_HOOK(&state);
    bench_t b = make(STORSIM_RELEASE, &host);
    (void)second_adapter(&b);
    (void)second_adapter(&b);
    parts_t parts = make_parts(&b);
    EXPECT(build(&b, &parts, pool(&b, 400)), S(SUCCESS));
    uint8_t *good, *bad;
    size_t good_length, bad_length;
    uint64_t before, after;
    CHECK_EQ(storsim_snapshot(b.m, &good, &good_length), STORSIM_OK);
    CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
    for (int way = 0; way < 4; way++) {
        ss_port_t *port = ss_port(b.m);
        ss_runs_t *runs = &port->lists[0]->runs, kept = *runs;
        uint32_t numbers[2] = {port->adapters[0]->number, port->adapters[1]->number};
        switch (way) {
        case 0: break; /* no list, and a number of pieces: see below */
        case 1: runs->list = NULL, runs->count = 0, runs->mapped = true; break;
        case 2: runs->count = 0; break;                 /* a list of nothing */
        default: port->adapters[0]->number = 9, port->adapters[1]->number = 8; break;
        }
        CHECK_EQ(storsim_snapshot(b.m, &bad, &bad_length), STORSIM_OK);
        if (way == 0) {
            say_none(bad, bad_length, runs->list[0].pfn);
        }
        *runs = kept;
        port->adapters[0]->number = numbers[0], port->adapters[1]->number = numbers[1];
        storsim_status_t status = storsim_restore(b.m, bad, bad_length, NULL);
        CHECK_EQ(status, way == 2 ? STORSIM_OK : STORSIM_FORMAT);
        storsim_snapshot_free(b.m, bad);
        CHECK_EQ(storsim_restore(b.m, good, good_length, NULL), STORSIM_OK);
        CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
        CHECK_EQ(after, before);
    }
    storsim_status_t status = STORSIM_NO_MEMORY;
    for (unsigned long at = 1; status != STORSIM_OK; at++) {
        state.fail_at = state.requests + at;
        status = storsim_restore(b.m, good, good_length, NULL);
        state.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
        CHECK_EQ(after, before);
    }
    storsim_snapshot_free(b.m, good);
    done(&b);
    CHECK_EQ(state.live, 0);
}

int main(void) {
    test_absent_routine_writes();
    test_host_memory_buffer_targets();
    test_uncached_windows();
    test_affinity();
    test_dump_marks();
    test_mdl_at_the_end();
    test_result_variable();
    test_translations();
    test_lists_and_their_buffers();
    test_completed_under_a_list();
    test_list_in_port_memory();
    test_list_refused();
    test_flush_refused();
    test_two_adapters();
    test_damaged_records();
    test_damaged_snapshots();
    return CHECK_DONE();
}
