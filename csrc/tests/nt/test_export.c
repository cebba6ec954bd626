/* Views of a block's bytes: what they show, and late writes through one that outlived its block. */
#include "world.h"

static uint64_t handle(world_t *w, uint64_t va) {
    storsim_allocation_t record;
    CHECK(storsim_allocation_at(w->machine, va, &record));
    return record.block;
}

static void views(void) {
    world_t w;
    world_start(&w, STORSIM_VERIFIER);
    uint64_t pool = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)),
             large = va_of(&w, pool_get(&w, 9000, TAG, STORSIM_OK));
    uint8_t *data, *second, byte;
    uint64_t size, token, other;
    CHECK_EQ(storsim_block_export(w.machine, handle(&w, pool), true, &data, &size, &token), STORSIM_OK);
    CHECK_EQ(size, 100);
    data[99] = 0x5A;
    CHECK_EQ(storsim_read_va(w.machine, pool + 99, &byte, 1), STORSIM_OK);
    CHECK_EQ(byte, 0x5A);
    CHECK_EQ(storsim_block_export(w.machine, handle(&w, large), false, &second, &size, &other), STORSIM_OK);
    CHECK_EQ(size, 9000);
    byte = 0x77;
    CHECK_EQ(storsim_write_va(w.machine, large + 8999, &byte, 1), STORSIM_OK); /* scattered pages, one view */
    CHECK_EQ(second[8999], 0x77);
    CHECK_EQ(storsim_block_unexport(w.machine, token), STORSIM_OK);
    CHECK_EQ(storsim_block_unexport(w.machine, token), STORSIM_STALE);
    CHECK_EQ(storsim_block_unexport(w.machine, other), STORSIM_OK);
    CHECK_EQ(storsim_block_export(w.machine, 12345, false, &data, &size, &token), STORSIM_STALE);
    uint64_t gone = handle(&w, pool);
    pool_put(&w, pool, STORSIM_OK);
    CHECK_EQ(storsim_block_export(w.machine, gone, false, &data, &size, &token), STORSIM_STALE);
    CHECK_EQ(storsim_finding_count(w.machine), 0);
    world_end(&w);
}

/* shape 0: slot on a page that lives on; 1: last slot of its page; 2: whole pages; 3: device memory */
static void late(int shape, bool write, storsim_level_t level) {
    world_t w;
    world_init(&w);
    w.config.level = level;
    w.config.quarantine = 0; /* only the view keeps the slot from being handed out */
    world_boot(&w);
    if (shape == 0) {
        (void)pool_get(&w, 100, TAG, STORSIM_OK);
    }
    storsim_set_site(w.machine, 21);
    uint64_t bytes = shape < 2 ? 100 : 9000;
    ss_block_id_t id = shape == 3 ? contig_get(&w, STORSIM_BLOCK_DMA, CONTIG(bytes), STORSIM_OK)
                                  : pool_get(&w, bytes, TAG, STORSIM_OK);
    uint64_t va = va_of(&w, id), size, token, second;
    uint8_t *data, *same;
    CHECK_EQ(storsim_block_export(w.machine, handle(&w, va), true, &data, &size, &token), STORSIM_OK);
    CHECK_EQ(storsim_block_export(w.machine, handle(&w, va), true, &same, &size, &second), STORSIM_OK);
    CHECK(data == same);
    storsim_set_site(w.machine, 22);
    ss_block_free(w.machine, id);
    CHECK_EQ(data[5], SS_POISON);
    uint8_t *bytes_of_snapshot = NULL;
    size_t length;
    CHECK_EQ(storsim_snapshot(w.machine, &bytes_of_snapshot, &length), STORSIM_OK);
    CHECK_EQ(storsim_restore(w.machine, bytes_of_snapshot, length, NULL), STORSIM_BUSY);
    storsim_snapshot_free(w.machine, bytes_of_snapshot);
    if (shape == 0) {
        CHECK(va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)) != va);
    }
    if (write) {
        data[17] = 1;
    }
    storsim_status_t raised = write && level == STORSIM_STRICT ? STORSIM_VIOLATION : STORSIM_OK;
    CHECK_EQ(storsim_block_unexport(w.machine, token), raised);
    CHECK_EQ(storsim_block_unexport(w.machine, second), STORSIM_OK); /* told once */
    CHECK_EQ(storsim_finding_count(w.machine), write ? 1 : 0);
    if (write) {
        CHECK_LAST(&w, "USE_AFTER_FREE");
        CHECK_EQ(last_finding(&w)->address, va + 17);
        CHECK_EQ(last_finding(&w)->allocated_at, 21);
        CHECK_EQ(last_finding(&w)->freed_at, 22);
    }
    if (shape == 0) {
        CHECK_EQ(va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)), va);
    }
    world_end(&w);
}

/* What is stopped can be looked at, and not written to. */
static void stopped(void) {
    world_t w;
    world_start(&w, STORSIM_RELEASE);
    const uint64_t kept = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK)), twice = va_of(&w, pool_get(&w, 100, TAG, STORSIM_OK));
    uint64_t size, token;
    uint8_t *data;
    pool_put(&w, twice, STORSIM_OK);
    pool_put(&w, twice, STORSIM_BUGCHECK);
    CHECK_EQ(storsim_block_export(w.machine, handle(&w, kept), true, &data, &size, &token), STORSIM_STOPPED);
    CHECK_EQ(storsim_block_export(w.machine, handle(&w, kept), false, &data, &size, &token), STORSIM_OK);
    CHECK(data[0] != 0 && size == 100); /* its own first bytes, which are never zero */
    CHECK_EQ(storsim_block_unexport(w.machine, token), STORSIM_OK);
    world_end(&w);
}

int main(void) {
    views();
    stopped();
    for (int shape = 0; shape < 4; shape++) {
        for (int write = 0; write < 2; write++) {
            late(shape, write != 0, STORSIM_RELEASE);
            late(shape, write != 0, STORSIM_STRICT);
        }
    }
    return CHECK_PINNED(nt_test_export);
}
