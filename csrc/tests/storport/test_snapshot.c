/* Snapshot and restore equal never having left: digests, addresses, findings of what follows. Damaged bytes are refused
 * whole. */
#include "kit.h"

static storsim_status_t listen(void *context, storsim_callback_t *callback) {
    (void)callback;
    ++*(int *)context;
    return STORSIM_OK;
}

typedef struct held {
    uint64_t data, mdl, list, srb, uncached, dma, dma_pa;
    hmb_t hmb;
} held_t;

static held_t fill(bench_t *b) {
    held_t h = {0};
    find_adapter(b, 200);
    h.uncached = uncached(b, 5000);
    EXPECT(CALL(b, MarkDumpMemory, h.uncached, 0, 0), S(SUCCESS));
    leave(b);
    (void)CALL(b, GetPhysicalAddress, 0, h.uncached);
    h.data = pool(b, 9000);
    h.list = pool(b, 300);
    outcome_t out = dma(b, 8192, 0, ALL, 0, CACHED, ANY);
    h.dma = PARAM(out, 7);
    h.dma_pa = PARAM(out, 8);
    h.mdl = PARAM(CALL(b, AllocateMdl, h.data, 9000), 3);
    EXPECT(CALL(b, BuildMdlForNonPagedPool, h.mdl), S(SUCCESS));
    level(b, 2);
    EXPECT(CALL(b, BuildScatterGatherList, h.mdl, h.data, 9000, 1, 2, 1, h.list, 300), S(SUCCESS)); /* deferred: pending */
    CHECK_EQ(storsim_srb_create(b->m, b->adapter, &(storsim_srb_config_t){.length = 20000, .fragments = 2}, &h.srb), STORSIM_OK);
    CHECK(CALL(b, GetScatterGatherList, h.srb).result != 0);
    h.hmb = hmb_take(b, &(hmb_args_t){.preferred = MIB(4), .count = 8});
    CHECK_EQ(h.hmb.result, S(SUCCESS));
    uint8_t byte = 0x42;
    CHECK_EQ(storsim_write_va(b->m, h.dma + 70, &byte, 1), STORSIM_OK);
    CHECK_EQ(storsim_callback_enter(b->m, b->adapter, STORSIM_CONTEXT_TIMER, NULL), STORSIM_OK);
    return h;
}

/* Goes on from the held state to a clean end; returns a digest on the way. */
static uint64_t finish(bench_t *b, held_t *h, int *calls) {
    uint64_t digest, next;
    CHECK_EQ(storsim_callback_current(b->m, NULL), STORSIM_CONTEXT_TIMER);
    leave(b);
    int before = *calls;
    level(b, 0);
    CHECK_EQ(*calls, before + 1); /* the deferred callback */
    level(b, 2);
    EXPECT(CALL(b, PutScatterGatherList, h->list, 1), S(SUCCESS));
    level(b, 0);
    EXPECT(CALL(b, GetVirtualAddress, CALL(b, GetPhysicalAddress, 0, h->uncached + 9).result), h->uncached + 9);
    CHECK_EQ(storsim_srb_complete(b->m, h->srb), STORSIM_OK);
    CHECK_EQ(storsim_adapter_flush(b->m, b->adapter, h->dma, 8192, true), STORSIM_OK);
    next = pool(b, 77);
    CHECK_EQ(storsim_digest(b->m, &digest), STORSIM_OK);
    EXPECT(hmb_free(b, h->hmb.ranges, (uint32_t)h->hmb.count), S(SUCCESS));
    EXPECT(CALL(b, FreeMdl, h->mdl), S(SUCCESS));
    EXPECT(CALL(b, FreePool, h->data), S(SUCCESS));
    EXPECT(CALL(b, FreePool, h->list), S(SUCCESS));
    EXPECT(CALL(b, FreePool, next), S(SUCCESS));
    EXPECT(CALL(b, FreeDmaMemory, h->dma, 8192, CACHED, h->dma_pa), S(SUCCESS));
    size_t first, count;
    CHECK_EQ(storsim_adapter_remove(b->m, b->adapter, &first, &count), STORSIM_OK);
    CHECK_EQ(count, 0);
    CHECK_EQ(violations(b), 0);
    return digest;
}

static setup_t shape(int *calls, bool remap) {
    setup_t setup = defaults();
    setup.callback = listen;
    setup.callback_host = calls;
    setup.adapter.sg_delivery = STORSIM_SG_DEFERRED;
    setup.adapter.dma_remapping = remap;
    setup.adapter.coherent = !remap;
    return setup;
}

static void test_round_trip(bool remap) {
    int calls = 0;
    setup_t setup = shape(&calls, remap);
    bench_t b = boot(&setup);
    held_t h = fill(&b);
    uint64_t at, after[3];
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_digest(b.m, &at), STORSIM_OK);
    CHECK_EQ(storsim_snapshot(b.m, &bytes, &length), STORSIM_OK);
    for (int round = 0; round < 3; round++) {
        after[round] = finish(&b, &h, &calls);
        uint64_t back;
        CHECK_EQ(storsim_restore(b.m, bytes, length, NULL), STORSIM_OK);
        CHECK_EQ(storsim_digest(b.m, &back), STORSIM_OK);
        CHECK_EQ(back, at);
        CHECK_EQ(storsim_check(b.m, NULL, 0), 0);
        CHECK(storsim_adapter_live(b.m, b.adapter));
    }
    CHECK(after[0] == after[1] && after[1] == after[2]);
    bench_t other = boot(&setup); /* an equally configured machine takes the snapshot too */
    CHECK_EQ(storsim_restore(other.m, bytes, length, NULL), STORSIM_OK);
    CHECK_EQ(finish(&other, &h, &calls), after[0]);
    storsim_machine_destroy(other.m);
    storsim_snapshot_free(b.m, bytes);
    storsim_machine_destroy(b.m);
}

/* Same seed, same calls, same everything; another seed, other bytes. */
static void test_determinism(void) {
    uint64_t digests[3];
    for (int i = 0; i < 3; i++) {
        int calls = 0;
        setup_t setup = shape(&calls, false);
        setup.seed = i == 2 ? 8 : 7;
        bench_t b = boot(&setup);
        held_t h = fill(&b);
        digests[i] = finish(&b, &h, &calls);
        storsim_machine_destroy(b.m);
    }
    CHECK(digests[0] == digests[1] && digests[0] != digests[2]);
}

/* One byte of the snapshot changed at a time: refused whole, or (never, with a checksum) equal. */
static void test_damage(void) {
    int calls = 0;
    setup_t setup = shape(&calls, true);
    bench_t b = boot(&setup);
    (void)fill(&b);
    uint8_t *bytes;
    size_t length;
    uint64_t before, after;
    CHECK_EQ(storsim_snapshot(b.m, &bytes, &length), STORSIM_OK);
    CHECK_EQ(storsim_digest(b.m, &before), STORSIM_OK);
    for (size_t at = 0; at < length; at += 1 + length / 400) {
        bytes[at] ^= 0x55;
        CHECK_EQ(storsim_restore(b.m, bytes, length, NULL), STORSIM_FORMAT);
        bytes[at] ^= 0x55;
        CHECK_EQ(storsim_restore(b.m, bytes, at, NULL), STORSIM_FORMAT);
    }
    CHECK_EQ(storsim_digest(b.m, &after), STORSIM_OK);
    CHECK_EQ(before, after);
    storsim_snapshot_free(b.m, bytes);
    storsim_machine_destroy(b.m);
}

int main(void) {
    test_round_trip(false);
    test_round_trip(true);
    test_determinism();
    test_damage();
    return CHECK_PINNED(storport_test_snapshot);
}
