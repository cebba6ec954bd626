/* A list between Build and its callback: what is queued goes with the list, and an attempt that fails leaves nothing
 * queued; what looking at a list writes; the physical pieces of a request's data. Source: spec §3.9, §3.11. */
#include "kit.h"

static failing_host_t host;
static int calls;
static uint64_t heard_list;

static storsim_status_t hear(void *context, storsim_callback_t *callback) {
    (void)context;
    calls += callback->kind == STORSIM_CB_SG_EXECUTE;
    heard_list = callback->values[2];
    return STORSIM_OK;
}

/* Lists are delivered by a DPC, and DPCs run when the test says so. */
static setup_t deferred(void) {
    setup_t setup = defaults();
    setup.callback = hear;
    setup.adapter.sg_delivery = STORSIM_SG_DEFERRED;
    setup.nt.dpc_manual = true;
    calls = 0;
    return setup;
}

static uint64_t built_mdl(bench_t *b, uint64_t data, uint64_t bytes) {
    uint64_t mdl = PARAM(CALL(b, AllocateMdl, data, bytes), 3);
    EXPECT(CALL(b, BuildMdlForNonPagedPool, mdl), S(SUCCESS));
    return mdl;
}

/* A list put before its callback ran takes the deferred call with it. */
static void test_put_before_delivery(void) {
    setup_t setup = deferred();
    bench_t b = boot(&setup);
    uint64_t data = contig_va(&b, 12288), mdl = built_mdl(&b, data, 12288), first = pool(&b, 400), second = pool(&b, 400);
    uint32_t ran = 99;
    level(&b, 2);
    EXPECT(CALL(&b, BuildScatterGatherList, mdl, data, 12288, 21, 22, 1, first, 400), S(SUCCESS));
    EXPECT(CALL(&b, BuildScatterGatherList, mdl, data, 4096, 21, 22, 1, second, 400), S(SUCCESS));
    EXPECT(CALL(&b, PutScatterGatherList, first, 1), S(SUCCESS));
    level(&b, 0);
    CHECK_EQ(storsim_run_dpcs(b.m, &ran), STORSIM_OK);
    CHECK_EQ(ran, 1);
    CHECK(calls == 1 && heard_list == second);
    level(&b, 2);
    EXPECT(CALL(&b, PutScatterGatherList, second, 1), S(SUCCESS));
    level(&b, 0);
    CHECK_EQ(storsim_run_dpcs(b.m, &ran), STORSIM_OK);
    CHECK_EQ(ran, 0);
    CHECK_EQ(violations(&b), 0);
    done(&b);
}

/* Each host allocation of a Build fails once: no DPC stays behind, and the list that is built then is delivered
 * once. */
static void test_failed_build(void) {
    const storsim_host_t hook = FAILING_HOOK(&host);
    host = (failing_host_t){0};
    unsigned long failures = 0;
    for (unsigned long at = 1; at == failures + 1; at++) {
        setup_t setup = deferred();
        setup.host = &hook;
        make_small(&setup);
        setup.adapter.dma_remapping = true;
        bench_t b = boot(&setup);
        uint64_t data = contig_va(&b, 12288), mdl = built_mdl(&b, data, 12288), list = pool(&b, 400), before, after;
        uint32_t ran = 99;
        level(&b, 2);
        CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
        host.requests = 0;
        host.fail_at = at;
        storsim_status_t status = CALL(&b, BuildScatterGatherList, mdl, data, 12288, 21, 22, 1, list, 400).status;
        host.fail_at = 0;
        if (status == STORSIM_NO_MEMORY) {
            failures++;
            CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
            CHECK_EQ(after, before);
            level(&b, 0);
            CHECK_EQ(storsim_run_dpcs(b.m, &ran), STORSIM_OK);
            CHECK_EQ(ran, 0);
            level(&b, 2);
            EXPECT(CALL(&b, BuildScatterGatherList, mdl, data, 12288, 21, 22, 1, list, 400), S(SUCCESS));
        } else {
            CHECK_EQ(status, STORSIM_OK);
        }
        level(&b, 0);
        CHECK_EQ(storsim_run_dpcs(b.m, &ran), STORSIM_OK);
        CHECK(ran == 1 && calls == 1);
        level(&b, 2);
        EXPECT(CALL(&b, PutScatterGatherList, list, 1), S(SUCCESS));
        level(&b, 0);
        storsim_machine_destroy(b.m);
        CHECK_EQ(host.live, 0);
    }
    CHECK(failures >= 4); /* the pieces, the record, its mapping, the list's bytes */
}

/* storsim_sg_elements fills what there is and what there is room for, and tells how many there are. */
static void test_looking(void) {
    setup_t setup = defaults();
    bench_t b = boot(&setup);
    const storsim_srb_config_t config = {.length = 12288, .write = true, .fragments = 3};
    storsim_srb_info_t info;
    uint64_t srb, list = pool(&b, 400);
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    CHECK(storsim_srb_get(b.m, srb, &info));
    level(&b, 2);
    storsim_machine_set_callback(b.m, hear, NULL);
    EXPECT(CALL(&b, BuildScatterGatherList, info.mdl, info.data, 12288, 1, 2, 1, list, 400), S(SUCCESS));
    for (uint32_t room = 0; room <= 5; room++) {
        storsim_sg_element_t elements[6];
        memset(elements, 0x5A, sizeof elements);
        uint32_t count = room;
        CHECK_EQ(storsim_sg_elements(b.m, list, elements, &count), STORSIM_OK);
        CHECK_EQ(count, 3);
        for (uint32_t i = 0; i < 6; i++) {
            CHECK_EQ(elements[i].Length, i < 3 && i < room ? 4096 : 0x5A5A5A5A);
            CHECK(i >= 3 || i >= room || elements[i].PhysicalAddress == storsim_physical(b.m, info.data + UINT64_C(4096) * i));
        }
    }
    uint32_t count = 7;
    CHECK_EQ(storsim_sg_elements(b.m, list, NULL, &count), STORSIM_OK);
    CHECK_EQ(count, 3);
    EXPECT(CALL(&b, PutScatterGatherList, list, 1), S(SUCCESS));
    level(&b, 0);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    done(&b);
}

/* Exactly so many pieces, the first ones a page longer where it does not come out even; or nothing taken. */
static void test_fragments(void) {
    const storsim_range_t range = {0x100000, 0x14000, 0};
    int made = 0, refused = 0;
    for (int placement = STORSIM_TOP_DOWN; placement <= STORSIM_BOTTOM_UP; placement++) {
        setup_t setup = defaults();
        setup.ranges = &range;
        setup.range_count = 1;
        setup.placement = (storsim_placement_t)placement;
        for (uint32_t pages = 1; pages <= 13; pages++) {
            for (uint32_t fragments = 2; fragments <= pages; fragments++) {
                bench_t b = boot(&setup);
                uint64_t before = free_bytes(&b), srb = 5;
                const storsim_srb_config_t config = {.length = 4096 * pages, .fragments = fragments};
                storsim_status_t status = storsim_srb_create(b.m, b.adapter, &config, &srb);
                if (status != STORSIM_OK) {
                    CHECK_EQ(status, STORSIM_NO_SPACE);
                    CHECK(srb == 5 && before < 4096 * (pages + fragments + 5));
                    CHECK_EQ(free_bytes(&b), before);
                    refused++;
                    done(&b);
                    continue;
                }
                storsim_srb_info_t info;
                uint64_t page = 0, last = 0;
                uint32_t lengths[13] = {0}, pieces = 0;
                CHECK(storsim_srb_get(b.m, srb, &info));
                for (uint32_t i = 0; i < pages; i++) {
                    CHECK_EQ(storsim_mdl_page(b.m, info.mdl, i, &page), STORSIM_OK);
                    pieces += i == 0 || page != last + 4096;
                    lengths[pieces - 1]++;
                    last = page;
                }
                CHECK_EQ(pieces, fragments);
                for (uint32_t i = 0; i < fragments; i++) {
                    CHECK_EQ(lengths[i], pages / fragments + (i < pages % fragments ? 1 : 0));
                }
                CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
                CHECK_EQ(free_bytes(&b), before);
                made++;
                done(&b);
            }
        }
    }
    CHECK(made > 40 && refused > 20);
}

/* No number of pieces: single pages wherever they are. One piece: side by side. */
static void test_scattered(void) {
    const storsim_range_t ranges[] = {{0x1000, 0x9F000, 0}, {0x100000, 0x20000, 0}};
    setup_t setup = defaults();
    setup.ranges = ranges;
    setup.range_count = 2;
    bench_t b = boot(&setup);
    CHECK_EQ(storsim_memory_reserve(b.m, 0x1000, 0x9F000), STORSIM_OK);
    for (uint64_t page = 0x101000; page < 0x118000; page += 0x2000) {
        CHECK_EQ(storsim_memory_reserve(b.m, page, 0x1000), STORSIM_OK);
    }
    storsim_srb_config_t config = {.length = 0x8000, .fragments = 1};
    uint64_t srb = 5;
    /* the highest run lies above the single pages: as long as it is, one piece fits */
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_NO_SPACE);
    config.fragments = 0;
    CHECK_EQ(storsim_srb_create(b.m, b.adapter, &config, &srb), STORSIM_OK);
    uint64_t list = CALL(&b, GetScatterGatherList, srb).result;
    uint32_t count = 0;
    CHECK_EQ(storsim_sg_elements(b.m, list, NULL, &count), STORSIM_OK);
    CHECK(count >= 2 && count <= 8);
    CHECK_EQ(storsim_srb_complete(b.m, srb), STORSIM_OK);
    done(&b);
}

int main(void) {
    test_put_before_delivery();
    test_failed_build();
    test_looking();
    test_fragments();
    test_scattered();
    return CHECK_PINNED(storport_test_delivery);
}
