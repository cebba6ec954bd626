/* Scatter/gather lists and requests: cases C57 to C59, the misuse rows of spec §3.9, §3.7 and §3.11. */
#include "kit.h"

typedef struct heard {
    bench_t *b;
    int calls;
    uint64_t routine, list, context, put_result;
    uint8_t irql;
    bool put, fail;
} heard_t;

static storsim_status_t hear(void *host, storsim_callback_t *callback) {
    heard_t *heard = host;
    CHECK_EQ(callback->kind, STORSIM_CB_SG_EXECUTE);
    heard->calls++;
    heard->routine = callback->routine;
    heard->list = callback->values[2];
    heard->context = callback->values[3];
    heard->irql = storsim_irql(heard->b->m);
    if (heard->put) {
        heard->put_result = CALL(heard->b, PutScatterGatherList, heard->list, 1).result;
    }
    return heard->fail ? STORSIM_CALLBACK : STORSIM_OK;
}

static setup_t listening(heard_t *heard, bench_t *b, storsim_sg_delivery_t delivery) {
    setup_t setup = defaults();
    *heard = (heard_t){.b = b};
    setup.callback = hear;
    setup.callback_host = heard;
    setup.adapter.sg_delivery = delivery;
    return setup;
}

typedef struct parts {
    uint64_t mdl, buffer, data;
} parts_t;

/* A buffer of 3 pages, its built MDL, and room for a list. */
static parts_t make_parts(bench_t *b) {
    parts_t parts = {.data = contig_va(b, 12288), .buffer = pool(b, 400)};
    outcome_t out = CALL(b, AllocateMdl, parts.data, 12288);
    parts.mdl = PARAM(out, 3);
    EXPECT(CALL(b, BuildMdlForNonPagedPool, parts.mdl), S(SUCCESS));
    return parts;
}

static outcome_t build(bench_t *b, const parts_t *parts, uint64_t offset, uint64_t length, uint64_t room) {
    return CALL(b, BuildScatterGatherList, parts->mdl, parts->data + offset, length, 21, 22, 1, parts->buffer, room);
}

static void test_C57(void) {
    bench_t b = boot_default();
    parts_t parts = make_parts(&b);
    for (uint8_t irql = 0; irql <= 15; irql++) {
        if (irql == 2) {
            continue;
        }
        forget(&b);
        level(&b, irql);
        EXPECT(build(&b, &parts, 0, 100, 400), S(INVALID_IRQL));
        EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(INVALID_IRQL));
        CHECK_EQ(found(&b, "StorPortIrql"), 2);
        level(&b, 0);
    }
    done(&b);
}

static uint64_t load(bench_t *b, uint64_t va, size_t bytes) {
    uint8_t raw[8] = {0};
    uint64_t value = 0;
    CHECK_EQ(storsim_read_va(b->m, va, raw, bytes), STORSIM_OK);
    for (size_t i = 8; i > 0; i--) {
        value = value << 8 | raw[i - 1];
    }
    return value;
}

static void test_build_and_put(void) {
    bench_t b;
    heard_t heard;
    setup_t setup = listening(&heard, &b, STORSIM_SG_IMMEDIATE);
    b = boot(&setup);
    parts_t parts = make_parts(&b);
    level(&b, 2);
    EXPECT(build(&b, &parts, 100, 8000, 400), S(SUCCESS));
    CHECK(heard.calls == 1 && heard.routine == 21 && heard.context == 22 && heard.list == parts.buffer && heard.irql == 2);
    CHECK_EQ(load(&b, parts.buffer, 4), 1); /* x64 layout, adjacent pages merged */
    CHECK_EQ(load(&b, parts.buffer + 16, 8), storsim_physical(b.m, parts.data + 100));
    CHECK_EQ(load(&b, parts.buffer + 24, 4), 8000);
    storsim_sg_element_t elements[4];
    uint32_t count = 4;
    CHECK_EQ(storsim_sg_elements(b.m, parts.buffer, elements, &count), STORSIM_OK);
    CHECK(count == 1 && elements[0].Length == 8000);
    EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
    CHECK_EQ(storsim_sg_elements(b.m, parts.buffer, elements, &count), STORSIM_STALE);
    CHECK_EQ(violations(&b), 0);
    EXPECT(build(&b, &parts, 0, 12288, 400), S(SUCCESS));
    EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 0), S(SUCCESS));
    CHECK_EQ(found(&b, "SG_DIRECTION"), 1);
    heard.put = true; /* the list may be put inside its callback */
    EXPECT(build(&b, &parts, 0, 12288, 400), S(SUCCESS));
    CHECK_EQ(heard.put_result, S(SUCCESS));
    heard.put = false;
    heard.fail = true; /* the host's failure comes out; the list is there all the same */
    CHECK_EQ(build(&b, &parts, 0, 12288, 400).status, STORSIM_CALLBACK);
    heard.fail = false;
    EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
    EXPECT(CALL(&b, PutScatterGatherList, 0, 1), S(INVALID_PARAMETER));
    level(&b, 0);
    done(&b);
}

static void test_C58(void) {
    bench_t b;
    heard_t heard;
    setup_t setup = listening(&heard, &b, STORSIM_SG_IMMEDIATE);
    b = boot(&setup);
    const storsim_srb_config_t config = {.length = 12288, .write = true, .fragments = 3};
    uint64_t srb;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    storsim_srb_info_t info;
    CHECK(storsim_srb_get(b.m, srb, &info));
    parts_t parts = {.mdl = info.mdl, .data = info.data, .buffer = pool(&b, 400)};
    level(&b, 2);
    EXPECT(build(&b, &parts, 0, 12288, 16 + 24 * 2), S(BUFFER_TOO_SMALL));
    CHECK_EQ(heard.calls, 0);
    EXPECT(build(&b, &parts, 0, 12288, 16 + 24 * 3), S(SUCCESS));
    storsim_sg_element_t elements[3];
    uint32_t count = 3;
    CHECK_EQ(storsim_sg_elements(b.m, parts.buffer, elements, &count), STORSIM_OK);
    CHECK_EQ(count, 3);
    CHECK_EQ(elements[0].Length + elements[1].Length + elements[2].Length, 12288);
    EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
    level(&b, 0);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

static void test_C59(void) {
    bench_t b;
    heard_t heard;
    setup_t setup = listening(&heard, &b, STORSIM_SG_DEFERRED);
    b = boot(&setup);
    parts_t parts = make_parts(&b);
    level(&b, 2);
    EXPECT(build(&b, &parts, 0, 100, 400), S(SUCCESS));
    CHECK_EQ(heard.calls, 0);
    level(&b, 0);
    CHECK(heard.calls == 1 && heard.irql == 2);
    level(&b, 2);
    EXPECT(build(&b, &parts, 0, 100, 400), S(SUCCESS)); /* the first list was never put */
    CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
    level(&b, 0);
    CHECK_EQ(heard.calls, 2);
    storsim_machine_destroy(b.m);
    int now = 0, later = 0;
    setup.adapter.sg_delivery = STORSIM_SG_RANDOM;
    b = boot(&setup);
    parts = make_parts(&b);
    for (int i = 0; i < 40; i++) {
        heard.calls = 0;
        level(&b, 2);
        EXPECT(build(&b, &parts, 0, 100, 400), S(SUCCESS));
        now += heard.calls;
        level(&b, 0);
        later += heard.calls;
        level(&b, 2);
        EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
        level(&b, 0);
    }
    CHECK(now > 8 && now < 32 && later == 40);
    done(&b);
}

static void test_map_registers(void) {
    bench_t b;
    heard_t heard;
    setup_t setup = listening(&heard, &b, STORSIM_SG_IMMEDIATE);
    setup.adapter.map_registers = 4;
    b = boot(&setup);
    parts_t parts = make_parts(&b), second = parts;
    second.buffer = pool(&b, 400);
    level(&b, 2);
    EXPECT(build(&b, &parts, 0, 12288, 400), S(SUCCESS));
    EXPECT(build(&b, &second, 4095, 2, 400), S(INSUFFICIENT_RESOURCES));
    EXPECT(build(&b, &second, 0, 4096, 400), S(SUCCESS));
    EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
    EXPECT(CALL(&b, PutScatterGatherList, second.buffer, 1), S(SUCCESS));
    EXPECT(build(&b, &parts, 4095, 2, 400), S(SUCCESS));
    EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
    level(&b, 0);
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

/* Lengths and addresses outside the MDL: 0xE6 with the DMA check, refused and recorded without. */
static void test_ranges(void) {
    static const struct { int64_t offset; uint64_t length, p1, p2; const char *name; } rows[] = {
        {0, 0, 0x21, 0, "ZERO_LENGTH"},           {-1, 100, 0x1F, 1, "SG_RANGE"}, {12288, 1, 0x1F, 2, "SG_RANGE"},
        {8192, 5000, 0x1F, 3, "SG_RANGE"},        {100, 0xFFFFFFFF, 0x1F, 3, "SG_RANGE"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_t b = boot_default();
        parts_t parts = make_parts(&b);
        level(&b, 2);
        CHECK_EQ(build(&b, &parts, (uint64_t)rows[i].offset, rows[i].length, 400).status, STORSIM_BUGCHECK);
        CHECK_STOPPED(&b, 0xE6, rows[i].p1);
        CHECK(rows[i].p2 == 0 || storsim_stopped(b.m)->parameters[1] == rows[i].p2);
        done(&b);
        b = boot_level(STORSIM_RELEASE);
        parts = make_parts(&b);
        level(&b, 2);
        EXPECT(build(&b, &parts, (uint64_t)rows[i].offset, rows[i].length, 400), S(INVALID_PARAMETER));
        CHECK_EQ(found(&b, rows[i].name), 1);
        level(&b, 0);
        done(&b);
    }
    bench_t b = boot_default(); /* past ByteCount, but within its last page */
    uint64_t data = contig_va(&b, 12000);
    outcome_t out = CALL(&b, AllocateMdl, data, 12000);
    parts_t parts = {.mdl = PARAM(out, 3), .data = data, .buffer = pool(&b, 400)};
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, parts.mdl), S(SUCCESS));
    level(&b, 2);
    CHECK_EQ(build(&b, &parts, 8192, 4000, 400).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xE6, 0x24, 4000 - (12000 - 8192));
    done(&b);
}

static void test_bad_pointers(void) {
    bench_t b = boot_default();
    parts_t parts = make_parts(&b), bad = parts;
    level(&b, 2);
    bad.mdl = 0;
    EXPECT(build(&b, &bad, 0, 100, 400), S(INVALID_PARAMETER));
    bad = parts;
    bad.buffer = 0;
    EXPECT(build(&b, &bad, 0, 100, 400), S(INVALID_PARAMETER));
    CHECK_EQ(violations(&b), 0);
    bad = parts;
    bad.mdl = parts.data;
    EXPECT(build(&b, &bad, 0, 100, 400), S(INVALID_PARAMETER));
    CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), 1);
    outcome_t out = CALL(&b, AllocateMdl, parts.data, 100);
    bad.mdl = PARAM(out, 3);
    EXPECT(build(&b, &bad, 0, 100, 400), S(INVALID_PARAMETER));
    CHECK_EQ(found(&b, "MDL_NOT_BUILT"), 1);
    bad = parts;
    bad.buffer = 0x5000; /* the port's store into it faults, at DISPATCH */
    CHECK_EQ(build(&b, &bad, 0, 100, 400).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xD1, 0x5000, 2);
    done(&b);
}

static void test_misused_lists(void) {
    bench_t b;
    heard_t heard;
    setup_t setup = listening(&heard, &b, STORSIM_SG_IMMEDIATE);
    for (int level_now = STORSIM_RELEASE; level_now <= STORSIM_VERIFIER; level_now++) {
        bool stops = level_now == STORSIM_VERIFIER;
        setup.nt.level = (storsim_level_t)level_now;
        for (int freed = 0; freed < 2; freed++) { /* put twice; or the data freed first */
            b = boot(&setup);
            parts_t parts = make_parts(&b);
            level(&b, 2);
            EXPECT(build(&b, &parts, 0, 100, 400), S(SUCCESS));
            if (freed) {
                EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, parts.data, 12288, CACHED), S(SUCCESS));
                CHECK_EQ(found(&b, "SG_BUFFER_FREED"), 1);
            } else {
                EXPECT(CALL(&b, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
            }
            outcome_t out = CALL(&b, PutScatterGatherList, parts.buffer, 1);
            CHECK_EQ(out.status, stops ? STORSIM_BUGCHECK : STORSIM_OK);
            if (stops) {
                CHECK_STOPPED2(&b, 0xE6, 0x06, 1);
            } else {
                CHECK_EQ(out.result, S(INVALID_PARAMETER));
                level(&b, 0);
            }
            CHECK(stops || found(&b, "SG_DOUBLE_PUT") == 1);
            done(&b);
        }
    }
    setup.nt.level = STORSIM_VERIFIER;
    b = boot(&setup);
    find_adapter(&b, 0);
    uint64_t data = uncached(&b, 4096);
    leave(&b);
    outcome_t out = CALL(&b, AllocateMdl, data, 4096);
    uint64_t mdl = PARAM(out, 3), list = data + 2048;
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    level(&b, 2);
    EXPECT(CALL(&b, BuildScatterGatherList, mdl, data, 100, 1, 2, 0, list, 400), S(SUCCESS));
    EXPECT(CALL(&b, FreeMdl, mdl), S(SUCCESS));
    level(&b, 0);
    size_t first, leaks;
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &leaks), STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xE6, 0x0A);
    CHECK_EQ(storsim_stopped(b.m)->parameters[2], 1);
    CHECK_EQ(leaks, 1);
    done(&b);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static uint64_t request(bench_t *b, const storsim_srb_config_t *config, storsim_srb_info_t *info) {
    uint64_t srb = 0;
    CHECK_EQ(storsim_srb_create(b->m, b->adapter, config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b->m, srb, info));
    return srb;
}

static void test_request(void) {
    bench_t b = boot_default();
    uint64_t before = free_bytes(&b);
    find_adapter(&b, 300);
    leave(&b);
    storsim_srb_info_t info;
    const storsim_srb_config_t config = {.length = 10000, .write = true, .offset = 0x200, .lu_extension_bytes = 64};
    uint64_t srb = request(&b, &config, &info);
    CHECK(info.extension_length == 300 && info.extension != 0 && info.lu_extension != 0 && info.data % 4096 == 0x200);
    CHECK_EQ(load(&b, srb + 0x10, 4), 10000);
    CHECK_EQ(load(&b, srb + 0x18, 8), info.data);
    CHECK_EQ(load(&b, srb + 0x38, 8), info.extension);
    outcome_t out = CALL(&b, GetSystemAddress, srb);
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(PARAM(out, 2), info.data);
    out = CALL(&b, GetOriginalMdl, srb);
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(PARAM(out, 2), info.mdl);
    out = CALL(&b, GetPfns, srb, info.mdl);
    EXPECT(out, S(SUCCESS));
    CHECK(PARAM(out, 4) == 3 && PARAM(out, 5) == 0x200);
    CHECK_EQ(load(&b, PARAM(out, 3) + 8, 8), storsim_physical(b.m, info.data + 0xE00) / 4096);
    EXPECT(CALL(&b, GetPfns, srb, info.data), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, GetPfns, srb, 0), S(INVALID_PARAMETER));
    forget(&b);
    uint64_t list = CALL(&b, GetScatterGatherList, srb).result;
    CHECK(list != 0 && CALL(&b, GetScatterGatherList, srb).result == list);
    uint64_t sum = 0, n = load(&b, list, 4);
    for (uint64_t i = 0; i < n; i++) {
        sum += load(&b, list + 16 + 24 * i + 8, 4);
    }
    CHECK_EQ(sum, 10000);
    CHECK_EQ(violations(&b), 0);
    uint8_t evil = 9;
    CHECK_EQ(storsim_write_va(b.m, list + 24, &evil, 1), STORSIM_OK);
    CHECK_EQ(found(&b, "SG_LIST_MODIFIED"), 1);
    CHECK_EQ(storsim_write_va(b.m, info.mdl + 50, &evil, 1), STORSIM_OK);
    CHECK_EQ(found(&b, "PFNS_MODIFIED"), 1);
    CHECK_EQ(storsim_write_va(b.m, info.mdl + 8, &evil, 1), STORSIM_OK);
    CHECK_EQ(violations(&b), 2);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_STALE);
    forget(&b);
    EXPECT(CALL(&b, GetSystemAddress, srb), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, GetScatterGatherList, srb), 0);
    EXPECT(CALL(&b, GetScatterGatherList, 0), 0);
    CHECK(found(&b, "UNKNOWN_ADDRESS") == 2 && found(&b, "MISSING_SRB") == 1);
    CHECK_EQ(free_bytes(&b), before);
    done(&b);
}

static void test_request_without_data(void) {
    bench_t b = boot_default();
    storsim_srb_info_t info;
    uint64_t srb = request(&b, &(storsim_srb_config_t){.length = 0}, &info);
    EXPECT(CALL(&b, GetSystemAddress, srb), S(INVALID_PARAMETER));
    EXPECT(CALL(&b, GetScatterGatherList, srb), 0);
    outcome_t out = CALL(&b, GetOriginalMdl, srb);
    EXPECT(out, S(SUCCESS));
    CHECK(out.a[2].written && PARAM(out, 2) == 0);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &(storsim_srb_config_t){.length = 4096, .fragments = 2}, &srb), STORSIM_INVALID);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &(storsim_srb_config_t){.length = 1, .offset = 4096}, &srb), STORSIM_INVALID);
    done(&b);
}

static void test_data_in(void) {
    bench_t b = boot_default();
    storsim_srb_info_t info;
    uint64_t srb = request(&b, &(storsim_srb_config_t){.length = 512, .write = true, .data_in_length = 8192}, &info);
    outcome_t out = CALL(&b, GetDataInBufferMdl, srb);
    EXPECT(out, S(SUCCESS));
    CHECK(PARAM(out, 2) == info.data_in_mdl && info.data_in_mdl != 0);
    out = CALL(&b, GetDataInBufferSystemAddress, srb);
    EXPECT(out, S(SUCCESS));
    CHECK_EQ(PARAM(out, 2), info.data_in);
    out = CALL(&b, GetDataInBufferScatterGatherList, srb);
    EXPECT(out, S(SUCCESS));
    CHECK(PARAM(out, 2) != 0);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    srb = request(&b, &(storsim_srb_config_t){.length = 512, .write = true}, &info);
    EXPECT(CALL(&b, GetDataInBufferSystemAddress, srb), S(INVALID_PARAMETER));
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

/* The rows of §3.7. */
static void test_translation(void) {
    bench_t b = boot_level(STORSIM_RELEASE);
    find_adapter(&b, 256);
    leave(&b);
    storsim_srb_info_t info;
    uint64_t srb = request(&b, &(storsim_srb_config_t){.length = 12288, .write = false, .fragments = 3}, &info);
    outcome_t out = CALL(&b, GetPhysicalAddress, 0, info.extension + 10);
    CHECK_EQ(out.result, storsim_physical(b.m, info.extension) + 10);
    CHECK_EQ(PARAM(out, 3), 246);
    EXPECT(CALL(&b, GetVirtualAddress, out.result), info.extension + 10);
    CHECK_EQ(storsim_finding_count(b.m), 0);
    EXPECT(CALL(&b, GetPhysicalAddress, srb, info.extension), storsim_physical(b.m, info.extension));
    CHECK(found(&b, "SRB_NOT_NEEDED") == 1 && violations(&b) == 0); /* a note */
    out = CALL(&b, GetPhysicalAddress, srb, info.sense + 2);
    CHECK_EQ(PARAM(out, 3), 250);
    out = CALL(&b, GetPhysicalAddress, srb, info.data + 4096 + 100);
    CHECK_EQ(out.result, storsim_physical(b.m, info.data + 4196));
    CHECK_EQ(PARAM(out, 3), 4096 - 100);
    EXPECT(CALL(&b, GetVirtualAddress, out.result), 0); /* only extensions go back */
    forget(&b);
    out = CALL(&b, GetPhysicalAddress, 0, info.data);
    EXPECT(out, 0);
    CHECK(found(&b, "MISSING_SRB") == 1 && PARAM(out, 3) == 0);
    uint64_t block = contig_va(&b, 8192), small = pool(&b, 64);
    out = CALL(&b, GetPhysicalAddress, 0, block + 4100);
    CHECK_EQ(out.result, storsim_physical(b.m, block + 4100));
    CHECK_EQ(PARAM(out, 3), 4092);
    EXPECT(CALL(&b, GetPhysicalAddress, 0, small), storsim_physical(b.m, small));
    CHECK_EQ(found(&b, "GPA_UNSUPPORTED_SOURCE"), 1);
    EXPECT(CALL(&b, FreePool, small), S(SUCCESS));
    EXPECT(CALL(&b, GetPhysicalAddress, 0, small), 0);
    EXPECT(CALL(&b, GetPhysicalAddress, 0, 0x1234), 0);
    CHECK_EQ(found(&b, "UNKNOWN_ADDRESS"), 2);
    out = prepare(&b, STORSIM_ID_StorPortGetPhysicalAddress, VALUES(0, info.extension));
    out.a[3].present = false;
    perform(&b, STORSIM_ID_StorPortGetPhysicalAddress, &out);
    EXPECT(out, storsim_physical(b.m, info.extension));
    CHECK_EQ(found(&b, "NULL_LENGTH"), 1);
    storsim_machine_destroy(b.m);
    b = boot_default();
    CHECK_EQ(CALL(&b, GetPhysicalAddress, 0, 0x1234).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xF1, 0x1006, b.ext);
    done(&b);
    setup_t setup = defaults();
    setup.adapter.poison_length = true;
    b = boot(&setup);
    out = CALL(&b, GetPhysicalAddress, 0, contig_va(&b, 8192));
    CHECK_EQ(PARAM(out, 3), 0x0BADF00D);
    storsim_machine_destroy(b.m);
}

/* Two adapters: lists, requests and memory of the other one. */
static void test_other_adapter(void) {
    bench_t b = boot_level(STORSIM_RELEASE), other = second_adapter(&b);
    parts_t parts = make_parts(&b);
    storsim_machine_set_callback(b.m, hear, &(heard_t){.b = &b});
    level(&b, 2);
    EXPECT(build(&b, &parts, 0, 100, 400), S(SUCCESS));
    EXPECT(CALL(&other, PutScatterGatherList, parts.buffer, 1), S(SUCCESS));
    CHECK_EQ(found(&b, "WRONG_ADAPTER"), 1);
    level(&b, 0);
    storsim_srb_info_t info;
    uint64_t srb = request(&b, &(storsim_srb_config_t){.length = 512}, &info);
    EXPECT(CALL(&other, GetSystemAddress, srb), S(INVALID_PARAMETER));
    EXPECT(CALL(&other, GetPhysicalAddress, 0, parts.data), storsim_physical(b.m, parts.data));
    CHECK_EQ(found(&b, "WRONG_ADAPTER"), 3);
    EXPECT(CALL(&b, GetPhysicalAddress, srb, info.data + 600), 0); /* behind the data, in its page */
    CHECK_EQ(CALL(&b, FreeMdl, info.mdl).status, STORSIM_BUGCHECK);
    CHECK_STOPPED2(&b, 0xC2, 0x42, info.mdl);
    done(&b);
}

/* At release a list that was never put goes with its adapter. */
static void test_removal_with_list(void) {
    bench_t b;
    heard_t heard;
    setup_t setup = listening(&heard, &b, STORSIM_SG_DEFERRED);
    setup.nt.level = STORSIM_RELEASE;
    setup.nt.dpc_manual = true;
    b = boot(&setup);
    parts_t parts = make_parts(&b);
    level(&b, 2);
    EXPECT(build(&b, &parts, 0, 100, 400), S(SUCCESS));
    level(&b, 0);
    size_t first, count;
    uint32_t ran;
    CHECK_EQ(storsim_adapter_remove(b.m, b.adapter, &first, &count), STORSIM_OK);
    CHECK_EQ(found(&b, "SG_LEAK"), 1);
    CHECK_EQ(storsim_run_dpcs(b.m, &ran), STORSIM_OK);
    CHECK_EQ(heard.calls, 0); /* its callback is not run for a dead adapter */
    CHECK_EQ(free_bytes(&b), storsim_memory_total_pages(b.m, ANY) * 4096);
    done(&b);
}

int main(void) {
    test_C57();
    test_build_and_put();
    test_C58();
    test_C59();
    test_map_registers();
    test_ranges();
    test_bad_pointers();
    test_misused_lists();
    test_request();
    test_request_without_data();
    test_data_in();
    test_translation();
    test_other_adapter();
    test_removal_with_list();
    return CHECK_PINNED(storport_test_lists);
}
