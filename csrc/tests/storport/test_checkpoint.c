/* Checkpoints against snapshots: a machine is worked on at random; at some moments both are taken, and going back by
 * checkpoint must give what the snapshot of that moment says, byte by byte, in any order, with and without views, and
 * when the host has no memory. */
#include "kit.h"

#include <stdlib.h>

enum { MOMENTS = 6, BLOCKS = 40 };

typedef struct moment {
    storsim_checkpoint_t *checkpoint;
    uint8_t *bytes;
    size_t length;
    uint64_t digest;
} moment_t;

typedef struct world {
    bench_t b;
    uint64_t state;
    struct { uint64_t va, size, pa; bool pool; } blocks[BLOCKS];
    moment_t moments[MOMENTS];
} world_t;

static uint64_t draw(world_t *w, uint64_t below) {
    w->state = w->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (w->state >> 33) % below;
}

static void allocate(world_t *w, size_t slot) {
    uint64_t size = 1 + draw(w, draw(w, 4) == 0 ? 300000 : 3000);
    bool pool = draw(w, 2) == 0;
    if (pool) {
        const uint64_t values[] = {size, TAG};
        outcome_t out = invoke(&w->b, STORSIM_ID_StorPortAllocatePool, values, 2);
        w->blocks[slot].va = out.result == 0 ? out.a[3].value : 0;
    } else {
        const uint64_t values[] = {size, 0, ALL, 0, CACHED, ANY};
        outcome_t out = invoke(&w->b, STORSIM_ID_StorPortAllocateDmaMemory, values, 6);
        w->blocks[slot].va = out.result == 0 ? out.a[7].value : 0;
        w->blocks[slot].pa = out.a[8].value;
    }
    w->blocks[slot].size = size;
    w->blocks[slot].pool = pool;
}

static void release(world_t *w, size_t slot) {
    if (w->blocks[slot].pool) {
        const uint64_t values[] = {w->blocks[slot].va};
        CHECK_EQ(invoke(&w->b, STORSIM_ID_StorPortFreePool, values, 1).result, 0);
    } else {
        const uint64_t values[] = {w->blocks[slot].va, w->blocks[slot].size, CACHED, w->blocks[slot].pa};
        CHECK_EQ(invoke(&w->b, STORSIM_ID_StorPortFreeDmaMemory, values, 4).result, 0);
    }
    w->blocks[slot].va = 0;
}

static void touch(world_t *w, size_t slot) {
    uint8_t data[9000];
    size_t count = (size_t)(w->blocks[slot].size < sizeof data ? w->blocks[slot].size : sizeof data);
    uint64_t at = draw(w, w->blocks[slot].size - count + 1);
    for (size_t i = 0; i < count; i++) {
        data[i] = (uint8_t)draw(w, 256);
    }
    if (draw(w, 3) == 0) {
        CHECK_EQ(storsim_read_va(w->b.m, w->blocks[slot].va + at, data, count), STORSIM_OK);
    } else {
        CHECK_EQ(storsim_write_va(w->b.m, w->blocks[slot].va + at, data, count), STORSIM_OK);
    }
}

static void work(world_t *w, int steps) {
    for (int i = 0; i < steps; i++) {
        size_t slot = (size_t)draw(w, BLOCKS);
        if (w->blocks[slot].va == 0) {
            allocate(w, slot);
        } else if (draw(w, 3) == 0) {
            release(w, slot);
        } else {
            touch(w, slot);
        }
        if (draw(w, 20) == 0) {
            CHECK_EQ(storsim_advance(w->b.m, draw(w, 5000)), STORSIM_OK);
        }
    }
}

static void take(world_t *w, moment_t *moment) {
    CHECK_EQ(storsim_snapshot(w->b.m, &moment->bytes, &moment->length), STORSIM_OK);
    CHECK_EQ(storsim_checkpoint_take(w->b.m, &moment->checkpoint), STORSIM_OK);
    CHECK_EQ(storsim_digest(w->b.m, &moment->digest), STORSIM_OK);
}

static void drop(world_t *w, moment_t *moment) {
    storsim_checkpoint_free(w->b.m, moment->checkpoint);
    storsim_snapshot_free(w->b.m, moment->bytes);
    *moment = (moment_t){.checkpoint = NULL};
}

static void same_as(world_t *w, const moment_t *moment) {
    uint8_t *bytes;
    size_t length;
    uint64_t digest;
    CHECK_EQ(storsim_check(w->b.m, NULL, 0), 0);
    CHECK_EQ(storsim_digest(w->b.m, &digest), STORSIM_OK);
    CHECK_EQ(digest, moment->digest);
    CHECK_EQ(storsim_snapshot(w->b.m, &bytes, &length), STORSIM_OK);
    CHECK(length == moment->length && memcmp(bytes, moment->bytes, length) == 0);
    storsim_snapshot_free(w->b.m, bytes);
}

/* What the blocks are is part of the moment: read them back from the machine. */
static void know_blocks(world_t *w) {
    uint64_t cursor = 0;
    storsim_allocation_t found;
    size_t slot = 0;
    memset(w->blocks, 0, sizeof w->blocks);
    while (slot < BLOCKS && storsim_allocation_next(w->b.m, &cursor, &found)) {
        if (found.kind == STORSIM_BLOCK_POOL || found.kind == STORSIM_BLOCK_DMA) {
            w->blocks[slot].va = found.va;
            w->blocks[slot].size = found.size;
            w->blocks[slot].pa = found.pa;
            w->blocks[slot++].pool = found.kind == STORSIM_BLOCK_POOL;
        }
    }
}

static void go_back(world_t *w, moment_t *moment) {
    if (draw(w, 4) == 0) {
        CHECK_EQ(storsim_restore(w->b.m, moment->bytes, moment->length, NULL), STORSIM_OK);
    } else {
        CHECK_EQ(storsim_checkpoint_restore(w->b.m, moment->checkpoint), STORSIM_OK);
    }
    same_as(w, moment);
    know_blocks(w);
}

/* The bytes of a moment that is not now; now stays as it is. */
static void bytes_of(world_t *w, const moment_t *moment) {
    moment_t now = {0};
    uint8_t *bytes;
    size_t length;
    take(w, &now);
    CHECK_EQ(storsim_checkpoint_bytes(w->b.m, moment->checkpoint, &bytes, &length), STORSIM_OK);
    CHECK(length == moment->length && memcmp(bytes, moment->bytes, length) == 0);
    storsim_snapshot_free(w->b.m, bytes);
    same_as(w, &now);
    drop(w, &now);
}

static void test_any_order(uint64_t seed) {
    world_t w = {.b = boot_default(), .state = seed};
    for (int round = 0; round < 60; round++) {
        moment_t *moment = &w.moments[draw(&w, MOMENTS)];
        work(&w, (int)draw(&w, 60));
        if (moment->checkpoint == NULL) {
            take(&w, moment);
        } else if (draw(&w, 3) != 0) {
            go_back(&w, moment);
        } else if (draw(&w, 2) == 0) {
            bytes_of(&w, moment);
        } else {
            drop(&w, moment);
        }
    }
    for (size_t i = 0; i < MOMENTS; i++) {
        drop(&w, &w.moments[i]);
    }
    done(&w.b);
}

/* A view keeps the machine from going back; one that has ended since is over, and what was written through it is
 * undone. */
static void test_views(void) {
    world_t w = {.b = boot_default(), .state = 11};
    moment_t before = {0}, during = {0};
    uint8_t *view, *bytes;
    uint64_t size, token;
    size_t length;
    storsim_allocation_t block;
    allocate(&w, 0);
    touch(&w, 0);
    CHECK(storsim_allocation_at(w.b.m, w.blocks[0].va, &block));
    take(&w, &before);
    CHECK_EQ(storsim_block_export(w.b.m, block.block, true, &view, &size, &token), STORSIM_OK);
    take(&w, &during);
    memset(view, 0x5A, (size_t)size);
    CHECK_EQ(storsim_checkpoint_restore(w.b.m, before.checkpoint), STORSIM_BUSY);
    CHECK_EQ(storsim_checkpoint_bytes(w.b.m, before.checkpoint, &bytes, &length), STORSIM_OK);
    CHECK(length == before.length && memcmp(bytes, before.bytes, length) == 0);
    storsim_snapshot_free(w.b.m, bytes);
    for (uint64_t i = 0; i < size; i++) {
        CHECK_EQ(view[i], 0x5A);
    }
    memset(view, 0x5B, (size_t)size);
    CHECK_EQ(storsim_block_unexport(w.b.m, token), STORSIM_OK);
    CHECK_EQ(storsim_checkpoint_restore(w.b.m, during.checkpoint), STORSIM_OK);
    same_as(&w, &during);
    CHECK_EQ(storsim_block_unexport(w.b.m, token), STORSIM_STALE);
    CHECK_EQ(storsim_checkpoint_restore(w.b.m, before.checkpoint), STORSIM_OK);
    same_as(&w, &before);
    CHECK_EQ(storsim_block_export(w.b.m, block.block, true, &view, &size, &token), STORSIM_OK);
    release(&w, 0); /* an orphan at the moment of the checkpoint … */
    moment_t orphaned = {0};
    take(&w, &orphaned);
    CHECK_EQ(storsim_block_unexport(w.b.m, token), STORSIM_OK);
    CHECK_EQ(storsim_checkpoint_restore(w.b.m, orphaned.checkpoint), STORSIM_OK); /* … has nobody who waits for it */
    same_as(&w, &orphaned);
    drop(&w, &before);
    drop(&w, &during);
    drop(&w, &orphaned);
    done(&w.b);
}

/* An override goes on, as with a snapshot; so does the pause of the fault plan. */
static void test_what_goes_on(void) {
    world_t w = {.b = boot_default(), .state = 5};
    moment_t before = {0};
    take(&w, &before);
    CHECK_EQ(storsim_override_irql(w.b.m, STORSIM_ID_StorPortAllocatePool, 0, 0), STORSIM_OK);
    CHECK_EQ(storsim_checkpoint_restore(w.b.m, before.checkpoint), STORSIM_OK);
    same_as(&w, &before);
    CHECK_EQ(storsim_override_irql(w.b.m, STORSIM_ID_StorPortAllocatePool, 0, 2), STORSIM_OK);
    work(&w, 50);
    CHECK_EQ(storsim_checkpoint_restore(w.b.m, before.checkpoint), STORSIM_OK);
    same_as(&w, &before);
    drop(&w, &before);
    done(&w.b);
}

/* --- a host without memory ---------------------------------------------------------------------------------------- */

typedef struct scarce { uint64_t left; } scarce_t;

static bool refuses(scarce_t *scarce) {
    return scarce->left != UINT64_MAX && scarce->left-- == 0;
}
static void *take_block(void *context, size_t bytes) {
    return refuses(context) ? NULL : malloc(bytes);
}
static void *take_zeroed(void *context, size_t bytes) {
    return refuses(context) ? NULL : calloc(1, bytes);
}
static void *resize_block(void *context, void *block, size_t bytes) {
    return refuses(context) ? NULL : realloc(block, bytes);
}
static void give_block(void *context, void *block) {
    (void)context;
    free(block);
}

static void test_no_memory(void) {
    scarce_t scarce = {UINT64_MAX};
    const storsim_host_t host = {take_block, take_zeroed, resize_block, give_block, &scarce};
    setup_t setup = defaults();
    setup.host = &host;
    world_t w = {.b = boot(&setup), .state = 3};
    moment_t before = {0}, later = {0};
    uint64_t failed = 0;
    work(&w, 100);
    take(&w, &before);
    work(&w, 100);
    take(&w, &later);
    for (uint64_t n = 0;; n++) {
        storsim_checkpoint_t *checkpoint = NULL;
        work(&w, 3);
        CHECK_EQ(storsim_checkpoint_restore(w.b.m, later.checkpoint), STORSIM_OK);
        CHECK_EQ(storsim_write_va(w.b.m, w.b.ext, "changed", 7), STORSIM_OK);
        CHECK_EQ(storsim_checkpoint_restore(w.b.m, later.checkpoint), STORSIM_OK);
        know_blocks(&w);
        scarce.left = n;
        storsim_status_t status = storsim_checkpoint_take(w.b.m, &checkpoint);
        scarce.left = UINT64_MAX;
        same_as(&w, &later);
        storsim_checkpoint_free(w.b.m, checkpoint);
        if (status == STORSIM_OK) {
            break;
        }
        CHECK_EQ(status, STORSIM_NO_MEMORY);
        failed++;
    }
    CHECK(failed >= 3);
    for (uint64_t n = 0;; n++) {
        uint8_t *bytes = NULL;
        size_t length = 0;
        scarce.left = n;
        storsim_status_t status = storsim_checkpoint_bytes(w.b.m, before.checkpoint, &bytes, &length);
        scarce.left = UINT64_MAX;
        same_as(&w, &later);
        if (status == STORSIM_OK) {
            CHECK(length == before.length && memcmp(bytes, before.bytes, length) == 0);
            storsim_snapshot_free(w.b.m, bytes);
            break;
        }
        CHECK_EQ(status, STORSIM_NO_MEMORY);
    }
    scarce.left = 0;
    CHECK_EQ(storsim_checkpoint_restore(w.b.m, before.checkpoint), STORSIM_OK); /* needs none */
    scarce.left = UINT64_MAX;
    same_as(&w, &before);
    drop(&w, &before);
    drop(&w, &later);
    done(&w.b);
}

static storsim_status_t from_inside(void *host, storsim_callback_t *callback) {
    storsim_checkpoint_t *checkpoint = NULL;
    world_t *w = host;
    (void)callback;
    CHECK_EQ(storsim_checkpoint_take(w->b.m, &checkpoint), STORSIM_REENTRY);
    CHECK_EQ(storsim_checkpoint_restore(w->b.m, w->moments[0].checkpoint), STORSIM_REENTRY);
    uint8_t *bytes;
    size_t length;
    CHECK_EQ(storsim_checkpoint_bytes(w->b.m, w->moments[0].checkpoint, &bytes, &length), STORSIM_OK);
    CHECK(length == w->moments[0].length && memcmp(bytes, w->moments[0].bytes, length) == 0);
    storsim_snapshot_free(w->b.m, bytes);
    return STORSIM_OK;
}

static void test_inside_a_callback(void) {
    world_t w = {.state = 9};
    setup_t setup = defaults();
    setup.callback = from_inside;
    setup.callback_host = &w;
    w.b = boot(&setup);
    take(&w, &w.moments[0]);
    work(&w, 50);
    CHECK_EQ(storsim_queue_dpc(w.b.m, 1, 2), STORSIM_OK);
    CHECK_EQ(storsim_advance(w.b.m, 100), STORSIM_OK);
    drop(&w, &w.moments[0]);
    done(&w.b);
}

int main(void) {
    for (uint64_t seed = 1; seed <= 8; seed++) {
        test_any_order(seed);
    }
    test_views();
    test_what_goes_on();
    test_no_memory();
    test_inside_a_callback();
    return CHECK_PINNED(storport_test_checkpoint);
}
