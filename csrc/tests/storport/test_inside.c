/* tests/storport/test_inside.c: frees of addresses where nothing begins, blocks that the port watched while they went,
 * memory that is not mapped for a device behind an IOMMU, routines of a later system, and restores of lists on a host
 * that refuses. */
#include "kit.h"

#include "storport/room.h"

static bench_t begin(storsim_level_t level, uint64_t quarantine) {
    setup_t setup = defaults();
    setup.nt.level = level;
    setup.nt.quarantine = quarantine;
    return boot(&setup);
}

/* --- frees -------------------------------------------------------------------------------------------------------- */

/* Of a page of slots: the rest behind the last, the middle of one that is free, the header of one that is not; and
 * device memory that went. */
static void test_strange_frees(void) {
    for (int way = 0; way < 4; way++) {
        bench_t b = begin(STORSIM_RELEASE, 1 << 20);
        uint64_t slot = pool(&b, 1000), page = slot & ~UINT64_C(4095), freed = contig_va(&b, 5000);
        EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, freed, 5000, CACHED), S(SUCCESS));
        const uint64_t places[] = {page + 4090, (slot == page + 16 ? page + 2048 : page + 16) + 40, slot - 8, freed};
        CHECK_EQ(CALL(&b, FreePool, places[way]).status, STORSIM_BUGCHECK);
        CHECK_EQ(storsim_stopped(b.m)->code, 0xC2);
        done(&b);
    }
    bench_t b = begin(STORSIM_VERIFIER, 1 << 20);
    outcome_t out = dma(&b, 8192, 0, ALL, 0, CACHED, ANY);
    EXPECT(CALL(&b, FreeDmaMemory, PARAM(out, 7), 8192, CACHED, PARAM(out, 8)), S(SUCCESS));
    CHECK_EQ(CALL(&b, FreeDmaMemory, PARAM(out, 7) + 4096, 4096, CACHED, 0).status, STORSIM_BUGCHECK); /* not its start */
    CHECK(storsim_stopped(b.m)->code != 0xE6);
    done(&b);
}

/* A slot that was freed and forgotten, and is freed again: the verifier knows where its header would be. */
static void test_forgotten(void) {
    bench_t b = begin(STORSIM_VERIFIER, 0);
    uint64_t one = pool(&b, 1000), two = pool(&b, 1000);
    CHECK_EQ(one & ~UINT64_C(4095), two & ~UINT64_C(4095));
    EXPECT(CALL(&b, FreePool, one), S(SUCCESS));
    CHECK_EQ(CALL(&b, FreePool, one).status, STORSIM_BUGCHECK);
    CHECK_STOPPED(&b, 0xC4, 0x13);
    CHECK_EQ(storsim_stopped(b.m)->parameters[2], one - 16);
    done(&b);
}

/* --- what the system decides -------------------------------------------------------------------------------------- */

static void test_zero_hmb(void) {
    setup_t setup = defaults();
    uint8_t bytes[64];
    setup.nt.zero_hmb = true;
    bench_t b = boot(&setup);
    const hmb_args_t args = {.minimum = 4096, .preferred = 8192, .utilization = 4096, .alignment = 4096, .count = 8};
    hmb_t hmb = hmb_take(&b, &args);
    CHECK(hmb.result == S(SUCCESS) && hmb.count != 0);
    memset(bytes, 0xFF, sizeof bytes);
    CHECK_EQ(storsim_adapter_dma_read(b.m, b.adapter, hmb.ranges[0].RangeStart, bytes, sizeof bytes), STORSIM_OK);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK_EQ(bytes[i], 0);
    }
    EXPECT(hmb_free(&b, hmb.ranges, (uint32_t)hmb.count), S(SUCCESS));
    done(&b);
}

/* A routine that came with a later system: whether it clears its outputs is the system's. */
static void test_later_system(void) {
    for (int writes = 0; writes < 2; writes++) {
        setup_t setup = defaults();
        setup.nt.os = 0x06010000;
        setup.nt.not_implemented_writes = writes != 0;
        bench_t b = boot(&setup);
        const hmb_args_t args = {.minimum = 4096, .preferred = 8192, .utilization = 4096, .alignment = 4096, .count = 8};
        hmb_t hmb = hmb_take(&b, &args);
        CHECK_EQ(hmb.result, S(NOT_IMPLEMENTED));
        outcome_t out = CALL(&b, AllocateDmaMemory, 4096, 0, ALL, 0, CACHED, ANY);
        CHECK_EQ(out.result, S(NOT_IMPLEMENTED));
        CHECK_EQ(out.a[7].written, writes != 0);
        CHECK_EQ(PARAM(out, 7), writes != 0 ? 0 : UNTOUCHED);
        done(&b);
    }
}

/* While a dump is written there is no pool: the routine is as if it did not exist. */
static void test_dump(void) {
    for (int writes = 0; writes < 2; writes++) {
        setup_t setup = defaults();
        setup.nt.not_implemented_writes = writes != 0;
        setup.adapter.dump_mode = 1;
        bench_t b = boot(&setup);
        outcome_t out = CALL(&b, AllocatePool, 100, TAG);
        CHECK_EQ(out.result, S(NOT_IMPLEMENTED));
        CHECK_EQ(out.a[3].written, writes != 0);
        done(&b);
    }
}

/* An adapter of half duplex takes no short way. */
static void test_half_duplex(void) {
    setup_t setup = defaults();
    setup.adapter.full_duplex = false;
    bench_t b = boot(&setup);
    EXPECT(CALL(&b, FreePool, pool(&b, 100)), S(SUCCESS));
    done(&b);
}

/* --- devices ------------------------------------------------------------------------------------------------------ */

/* Behind an IOMMU pool memory has no address of the device's: what the routine gives is the processor's. */
static void test_unmapped(void) {
    setup_t setup = defaults();
    setup.adapter.dma_remapping = true;
    bench_t b = boot(&setup);
    uint64_t block = pool(&b, 5000);
    outcome_t out = CALL(&b, GetPhysicalAddress, 0, block + 10);
    CHECK(out.result != 0);
    CHECK_EQ(found(&b, "GPA_UNSUPPORTED_SOURCE"), 1);
    ss_watch_t watch;
    ss_watch(b.m, block, &watch);
    CHECK(watch.id != 0);
    uint64_t kept = watch.device_address;
    const ss_block_t *record = ss_block(b.m, watch.id);
    watch.device_address = 0;
    CHECK_EQ(ss_block_set_device_address(b.m, watch.id, 0), STORSIM_OK);
    ss_release_device(b.m, NULL, &watch); /* there is nothing to take out of the map */
    CHECK_EQ(ss_device_address(b.m, ss_adapter(b.m, b.adapter), record, 10), storsim_physical(b.m, block + 10));
    CHECK_EQ(ss_block_set_device_address(b.m, watch.id, kept), STORSIM_OK);
    EXPECT(CALL(&b, FreePool, block), S(SUCCESS));
    done(&b);
}

/* A block that was watched is gone when it was freed, when its record was forgotten, and when that is another's by
 * now. */
static void test_watched(void) {
    bench_t b = begin(STORSIM_RELEASE, 1 << 20);
    ss_watch_t watch, none;
    uint64_t block = contig_va(&b, 5000);
    ss_watch(b.m, block, &watch);
    ss_watch(b.m, 0, &none);
    CHECK(!ss_watch_gone(b.m, &watch) && !ss_watch_gone(b.m, &none));
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, block, 5000, CACHED), S(SUCCESS));
    CHECK(ss_watch_gone(b.m, &watch)); /* still remembered */
    done(&b);
    b = begin(STORSIM_RELEASE, 0);
    block = contig_va(&b, 5000);
    ss_watch(b.m, block, &watch);
    EXPECT(CALL(&b, FreeContiguousMemorySpecifyCache, block, 5000, CACHED), S(SUCCESS));
    CHECK(ss_block(b.m, watch.id) == NULL && ss_watch_gone(b.m, &watch));
    block = contig_va(&b, 5000);
    CHECK(ss_block(b.m, watch.id) != NULL && ss_watch_gone(b.m, &watch));
    done(&b);
}

/* Stores that wait in the cache for a flush that the host has no memory for. */
static void test_flush_refused(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    setup_t setup = defaults();
    setup.host = &hook;
    setup.adapter.coherent = false;
    bench_t b = boot(&setup);
    uint64_t block = contig_va(&b, 8192);
    const uint64_t physical = storsim_physical(b.m, block);
    CHECK_EQ(ss_bus_shadow(b.m, physical / 4096, 2, false), STORSIM_OK);
    ss_block_t *record = ss_block(b.m, ss_block_around(b.m, block));
    record->cache = COMBINED;
    CHECK_EQ(ss_bus_shadow_combining(b.m, physical / 4096, 2), STORSIM_OK);
    CHECK_EQ(ss_bus_cpu_write(b.m, physical + 8, "waits", 5), STORSIM_OK); /* nobody has looked at the page yet */
    state.persistent = 1;
    state.fail_at = 1;
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, block, 100, true), STORSIM_NO_MEMORY);
    state.fail_at = 0;
    CHECK_EQ(storsim_adapter_flush(b.m, b.adapter, block, 100, true), STORSIM_OK);
    done(&b);
    CHECK_EQ(state.live, 0);
}

/* --- lists -------------------------------------------------------------------------------------------------------- */

/* A list stands for the block that it described, not for whatever has its record later; and it comes back from a
 * snapshot or not at all. */
static void test_lists(void) {
    failing_host_t state = {0};
    const storsim_host_t hook = FAILING_HOOK(&state);
    setup_t setup = defaults();
    setup.host = &hook;
    setup.adapter.sg_delivery = STORSIM_SG_DEFERRED;
    bench_t b = boot(&setup);
    uint64_t data = contig_va(&b, 12288), room = pool(&b, 400);
    outcome_t mdl = CALL(&b, AllocateMdl, data, 12288);
    EXPECT(CALL(&b, BuildMdlForNonPagedPool, PARAM(mdl, 3)), S(SUCCESS));
    level(&b, 2);
    EXPECT(CALL(&b, BuildScatterGatherList, PARAM(mdl, 3), data, 5000, 21, 22, 1, room, 400), S(SUCCESS));
    EXPECT(CALL(&b, BuildScatterGatherList, PARAM(mdl, 3), data, 5000, 23, 24, 1, room + 200, 200), S(SUCCESS));
    ss_port_t *port = ss_port(b.m);
    CHECK_EQ(port->list_count, 2);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_snapshot(b.m, &bytes, &length), STORSIM_OK);
    unsigned refused = 0;
    storsim_status_t status = STORSIM_NO_MEMORY;
    for (unsigned long at = 1; status != STORSIM_OK; at++) {
        uint64_t before = 0, after = 1;
        CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
        state.fail_at = state.requests + at;
        status = storsim_restore(b.m, bytes, length, NULL);
        state.fail_at = 0;
        CHECK(status == STORSIM_OK || status == STORSIM_NO_MEMORY);
        CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
        CHECK_EQ(after, before);
        refused += status != STORSIM_OK;
    }
    CHECK(refused > 10);
    storsim_snapshot_free(b.m, bytes);
    port = ss_port(b.m);
    ss_watch_t watch;
    ss_watch(b.m, data, &watch);
    CHECK_EQ(port->lists[0]->data_block, watch.id);
    port->lists[0]->data_generation++;
    ss_sg_block_gone(b.m, NULL, &watch);
    CHECK(!port->lists[0]->orphaned); /* another had that record */
    port->lists[0]->data_generation--;
    ss_sg_block_gone(b.m, NULL, &watch);
    CHECK(port->lists[0]->orphaned);
    port->lists[0]->orphaned = port->lists[1]->orphaned = false;
    done(&b);
    CHECK_EQ(state.live, 0);
}

int main(void) {
    test_strange_frees();
    test_forgotten();
    test_zero_hmb();
    test_later_system();
    test_dump();
    test_half_duplex();
    test_unmapped();
    test_watched();
    test_flush_refused();
    test_lists();
    return CHECK_DONE();
}
